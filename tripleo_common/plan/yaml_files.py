"""YAML that comes from outside: safe, bounded, with the place of each error."""

from __future__ import annotations

from typing import Any

import yaml

from tripleo_common import config, exceptions

_NODES = 2_000_000
"""How many values a document may hold once its aliases are written out."""

_DEPTH = 100
"""How deep a document may be nested. libyaml's binding recurses on the C stack: a document of some
ten thousand brackets would end the process."""


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
        _check_depth(text, path)
        document = _construct(text, path)
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
    return document


def _check_depth(text: str, path: str) -> None:
    """Go through a document's events, which needs no recursion."""
    depth = 0
    for event in yaml.parse(text, _Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEPTH:
                mark = event.start_mark
                raise exceptions.YAMLInvalid(
                    path,
                    f"it is nested deeper than {_DEPTH} levels",
                    mark.line + 1 if mark else None,
                )
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _construct(text: str, path: str) -> Any:
    """Make data of a document, once its graph is known to be small and without a circle.

    It is the graph that is weighed and not the data: merging (``<<``) multiplies while the data is
    made, and ``!!pairs`` and ``!!omap`` become tuples.
    """
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _weight(node, {}, path) > _NODES:
            raise exceptions.YAMLInvalid(
                path, f"its aliases stand for more than {_NODES} values, which nothing real needs"
            )
        return loader.construct_document(node)
    finally:
        loader.dispose()


def text(content: bytes, path: str) -> str:
    """Return a file's content as text.

    :raises YAMLInvalid: it is none.
    """
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise exceptions.YAMLInvalid(path, "is no text") from error


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


def _weight(node: yaml.Node, known: dict[int, int], path: str) -> int:
    """Count a node's values with aliases written out, visiting each shared one once."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    found = known.get(id(node))
    if found == 0:
        raise exceptions.YAMLInvalid(path, "it holds itself")
    if found is None:
        known[id(node)] = 0
        children = (
            (child for pair in node.value for child in pair)
            if isinstance(node, yaml.MappingNode)
            else node.value
        )
        found = 1 + sum(_weight(child, known, path) for child in children)
        known[id(node)] = found
    return found
