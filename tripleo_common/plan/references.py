"""From a plan's files to what Heat is given: a template, its files, its environments.

Every reference (``get_file``, a template as a resource's ``type``, the resource registry) is
resolved to a path of the plan. Heat gets these paths as names; nothing is fetched by anybody.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from tripleo_common import exceptions
from tripleo_common.plan import names, yaml_files

_TEMPLATE_SUFFIXES = (".yaml", ".template")
_REGISTRY_DIRECTIVES = ("hooks", "restricted_actions")
_LEVELS = 50
"""How deep templates may refer to each other; Heat's own limit is far lower."""


@dataclasses.dataclass(frozen=True)
class HeatInput:
    """What a stack is made of.

    :ivar template: text of the root template.
    :ivar environment_files: names in ``files``, in the order in which Heat merges them.
    :ivar files: name to text of everything that is referred to.
    """

    template: str
    environment_files: list[str]
    files: dict[str, str]


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
    collector = _Collector(files)
    root = collector.template(template, "the plan's environment")
    names_in_order = [collector.environment(path) for path in environments]
    if last:
        # Not the path of a file of the plan: names.resolve lets none begin like this.
        name = "/plan-environment.yaml"
        collector.files[name] = yaml_files.dump(dict(last))
        names_in_order.append(name)
    return HeatInput(root, names_in_order, collector.files)


class _Collector:
    def __init__(self, sources: Mapping[str, str]) -> None:
        self._sources = sources
        self._visited: list[object] = []
        self._visited_ids: set[int] = set()
        self._level = 0
        self.files: dict[str, str] = {}

    def environment(self, path: str) -> str:
        """Take over an environment, with its registry in terms of the plan; return its name."""
        path = names.resolve(path, "")
        document = yaml_files.load_mapping(self._read(path, "the plan's environment"), path)
        registry = document.get("resource_registry") or {}
        if not isinstance(registry, dict):
            raise exceptions.YAMLInvalid(path, "resource_registry must hold a mapping")
        if self._rewrite_registry(registry, path):
            self.files[path] = yaml_files.dump(document)
        else:
            self.files[path] = self._sources[path]
        return path

    def template(self, path: str, referrer: str) -> str:
        """Return a template's text in terms of the plan; take over all that it refers to."""
        text = self._read(path, referrer)
        document = yaml_files.load_mapping(text, path)
        return yaml_files.dump(document) if self._rewrite(document, path) else text

    def _include(self, reference: object, referrer: str) -> str:
        """Take over a file that is referred to; return its path in the plan."""
        path = names.resolve(reference, referrer)
        if path not in self.files:
            # Marked first: templates may refer to each other in a circle, which is Heat's to
            # refuse.
            self.files[path] = ""
            if path.endswith(_TEMPLATE_SUFFIXES) and self._is_template(path):
                self._level += 1
                if self._level > _LEVELS:
                    raise exceptions.FileInvalid(
                        path, f"templates refer to each other more than {_LEVELS} levels deep"
                    )
                self.files[path] = self.template(path, referrer)
                self._level -= 1
            else:
                self.files[path] = self._read(path, referrer)
        return path

    def _read(self, path: str, referrer: str) -> str:
        if path not in self._sources:
            raise exceptions.FileNotInPlan(path, referrer)
        return self._sources[path]

    def _is_template(self, path: str) -> bool:
        # get_file may name any YAML; only a template has references of its own.
        return "heat_template_version" in self._sources.get(path, "heat_template_version")

    def _rewrite(self, value: Any, path: str) -> bool:
        """Put plan paths for all references in a template; tell whether any has changed."""
        changed = False
        if self._is_repeated(value):
            return changed
        if isinstance(value, dict):
            for key, child in value.items():
                is_file = key == "get_file" and isinstance(child, str)
                if is_file or (key == "type" and _names_template(child)):
                    value[key] = self._include(child, path)
                    changed |= value[key] != child
                else:
                    changed |= self._rewrite(child, path)
        elif isinstance(value, list):
            for child in value:
                changed |= self._rewrite(child, path)
        return changed

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

    def _rewrite_registry(self, registry: dict[str, Any], path: str) -> bool:
        base = str(registry.get("base_url") or "")
        if base:
            raise exceptions.PathInvalid(base, f"{path} (base_url)")
        changed = False
        if self._is_repeated(registry):
            return changed
        for key, value in registry.items():
            if isinstance(value, dict):
                changed |= self._rewrite_registry(value, path)
            elif key not in _REGISTRY_DIRECTIVES and _names_template(value):
                registry[key] = self._include(value, path)
                changed |= registry[key] != value
        return changed


def _names_template(value: object) -> bool:
    return isinstance(value, str) and value.endswith(_TEMPLATE_SUFFIXES)
