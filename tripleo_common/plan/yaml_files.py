"""YAML that comes from outside: safe, bounded, with the place of each error."""

from __future__ import annotations

from typing import Any

import yaml

from tripleo_common import config, exceptions

_NODES = 2_000_000
"""How many values a document may hold once its aliases are written out."""


class _Loader(yaml.CSafeLoader):
    """Safe, and a date is text, as Heat reads it (``heat_template_version: 2021-04-16``)."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def load(text: str, path: str) -> Any:
    """Read a YAML file of a plan.

    :param text: its content.
    :param path: its name, for errors.
    :raises YAMLInvalid: not YAML, tags that are not plain data, or aliases that would blow up;
        with line and column.
    :raises LimitExceeded: the file is larger than ``file_max_mib``.
    """
    limit = config.options().file_max_mib
    if len(text) > limit * 2**20:
        raise exceptions.LimitExceeded(path, len(text) >> 20, limit, "MiB", "file_max_mib")
    try:
        document = yaml.load(text, _Loader)  # noqa: S506
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise exceptions.YAMLInvalid(
            path,
            f"not YAML: {error.problem or error.context}",
            mark.line + 1 if mark else None,
            mark.column + 1 if mark else None,
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise exceptions.YAMLInvalid(path, f"not YAML: {error}") from error
    try:
        if _weight(document, {}) > _NODES:
            raise exceptions.YAMLInvalid(
                path, f"its aliases stand for more than {_NODES} values, which nothing real needs"
            )
    except RecursionError:
        raise exceptions.YAMLInvalid(path, "it is nested too deeply, or holds itself") from None
    return document


def load_mapping(text: str, path: str) -> dict[str, Any]:
    """Read a YAML file that must hold a mapping; an empty file is an empty one.

    :raises YAMLInvalid: as :func:`load`, or it holds something else.
    """
    document = load(text, path)
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise exceptions.YAMLInvalid(
            path, f"must hold a mapping, and holds a {type(document).__name__}"
        )
    return document


def dump(document: Any) -> str:
    """Write YAML in a form that Heat and :func:`load` read as the same data."""
    return yaml.dump(document, Dumper=_Dumper, default_flow_style=False, sort_keys=False)


class _Dumper(yaml.CSafeDumper):
    """Writes shared values out again instead of as aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _weight(value: Any, known: dict[int, int]) -> int:
    """Count values with aliases written out, visiting each shared one once."""
    if not isinstance(value, dict | list):
        return 1
    found = known.get(id(value))
    if found is None:
        known[id(value)] = 0
        children = value.values() if isinstance(value, dict) else value
        found = 1 + sum(_weight(child, known) for child in children)
        known[id(value)] = found
    elif not found:
        raise RecursionError
    return found
