"""From a plan's files to what Heat is given: a template, its files, its environments.

Every reference (``get_file``, a template as a resource's ``type``, the resource registry) is
resolved to a path of the plan. Heat gets these paths as names; nothing is fetched by anybody.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

from tripleo_common import exceptions
from tripleo_common.plan import names, parameters, yaml_files

_TEMPLATE_SUFFIXES = (".yaml", ".template")
_REGISTRY_DIRECTIVES = ("hooks", "restricted_actions")
_REMEMBERED = 2048
"""How many files' references this process remembers: somewhat more than a large plan uses."""

LAST = "/plan-environment.yaml"
"""Name of the environment that overrides all others. It is not the path of a file of the plan:
``names.resolve`` lets none begin like this."""


@dataclasses.dataclass(frozen=True)
class HeatInput:
    """What a stack is made of.

    :ivar template: text of the root template.
    :ivar environment_files: names in ``files``, in the order in which Heat merges them.
    :ivar files: name to text of everything that is referred to.
    :ivar declared: parameter name to its declarations in the templates among these.
    """

    template: str
    environment_files: list[str]
    files: dict[str, str]
    declared: dict[str, list[parameters.Declaration]] = dataclasses.field(default_factory=dict)


def collect(
    files: Mapping[str, str], template: str, environments: list[str], last: Mapping[str, Any]
) -> HeatInput:
    """Gather what Heat needs for a plan.

    :param files: path to content of all the plan's files, rendered ones included.
    :param template: path of the root template.
    :param environments: paths of the environments, least important first.
    :param last: the content of a further environment that overrides them all.
    :raises FileNotInPlan: something refers to a file that is not there.
    :raises PathInvalid: something refers to a URL or to a path outside of the plan.
    :raises YAMLInvalid: a template or an environment is not YAML.
    """
    gathered: dict[str, str] = {}
    declared: dict[str, list[parameters.Declaration]] = {}
    pending: list[tuple[str, str]] = []

    def take(scanned: _Scanned, referrer: str) -> str:
        for declaration in scanned.declarations:
            declared.setdefault(declaration.name, []).append(declaration)
        pending.extend((path, referrer) for path in scanned.includes)
        return scanned.text

    def source(path: str, referrer: str) -> str:
        if path not in files:
            raise exceptions.FileNotInPlan(path, referrer)
        return files[path]

    where = "the plan's environment"
    root = take(_scan_template(template, source(template, where)), template)
    in_order = [names.resolve(path, "") for path in environments]
    for path in in_order:
        gathered[path] = take(_scan_environment(path, source(path, where)), path)
    while pending:
        path, referrer = pending.pop()
        # Templates may refer to each other in a circle, which is Heat's to refuse.
        if path in gathered:
            continue
        text = source(path, referrer)
        # get_file may name any YAML; only a template has references of its own.
        if path.endswith(_TEMPLATE_SUFFIXES) and "heat_template_version" in text:
            text = take(_scan_template(path, text), path)
        gathered[path] = text
    if last:
        gathered[LAST] = yaml_files.dump(dict(last))
        in_order.append(LAST)
    return HeatInput(root, in_order, gathered, declared)


@dataclasses.dataclass(frozen=True)
class _Scanned:
    """A template or an environment, read.

    :ivar text: its content, with all references in terms of the plan.
    :ivar includes: the paths that it refers to.
    """

    text: str
    includes: tuple[str, ...]
    declarations: tuple[parameters.Declaration, ...] = ()


# Reading YAML is what takes the time; the same file is read again for every change of a plan.
@functools.lru_cache(_REMEMBERED)
def _scan_template(path: str, text: str) -> _Scanned:
    document = yaml_files.load_mapping(text, path)
    declarations = tuple(parameters.declarations(document, path))
    scan = _Scan(path)
    changed = scan.rewrite(document)
    return _Scanned(
        yaml_files.dump(document) if changed else text, tuple(scan.includes), declarations
    )


@functools.lru_cache(_REMEMBERED)
def _scan_environment(path: str, text: str) -> _Scanned:
    document = yaml_files.load_mapping(text, path)
    registry = document.get("resource_registry") or {}
    if not isinstance(registry, dict):
        raise exceptions.YAMLInvalid(path, "resource_registry must hold a mapping")
    scan = _Scan(path)
    changed = scan.rewrite_registry(registry)
    return _Scanned(yaml_files.dump(document) if changed else text, tuple(scan.includes))


class _Scan:
    """Puts plan paths for the references of one file, and notes them."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._visited: list[object] = []
        self._visited_ids: set[int] = set()
        self.includes: dict[str, None] = {}

    def rewrite(self, value: Any) -> bool:
        """Put plan paths for all references in a template; tell whether any has changed."""
        changed = False
        if self._is_repeated(value):
            return changed
        if isinstance(value, dict):
            for key, child in value.items():
                is_file = key == "get_file" and isinstance(child, str)
                if is_file or (key == "type" and _names_template(child)):
                    value[key] = self._include(child)
                    changed |= value[key] != child
                else:
                    changed |= self.rewrite(child)
        elif isinstance(value, list):
            for child in value:
                changed |= self.rewrite(child)
        return changed

    def rewrite_registry(self, registry: dict[str, Any]) -> bool:
        """Do the same in an environment's resource registry."""
        base = str(registry.get("base_url") or "")
        if base:
            raise exceptions.PathInvalid(base, f"{self._path} (base_url)")
        changed = False
        if self._is_repeated(registry):
            return changed
        for key, value in registry.items():
            if isinstance(value, dict):
                changed |= self.rewrite_registry(value)
            elif key not in _REGISTRY_DIRECTIVES and _names_template(value):
                registry[key] = self._include(value)
                changed |= registry[key] != value
        return changed

    def _include(self, reference: str) -> str:
        path = names.resolve(reference, self._path)
        self.includes[path] = None
        return path

    def _is_repeated(self, value: object) -> bool:
        """Tell whether a YAML anchor's value has been dealt with where it stood before."""
        if not isinstance(value, dict | list):
            return False
        if id(value) in self._visited_ids:
            return True
        # Kept, for an id is only unique among what lives.
        self._visited.append(value)
        self._visited_ids.add(id(value))
        return False


def _names_template(value: object) -> bool:
    return isinstance(value, str) and value.endswith(_TEMPLATE_SUFFIXES)
