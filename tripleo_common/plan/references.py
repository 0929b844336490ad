"""From a plan's files to what Heat is given: a template, its files, its environments.

Every reference (``get_file``, a template as a resource's ``type``, the resource registry) is
resolved to a path of the plan. Heat gets these paths as names; nothing is fetched by anybody.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Any

from tripleo_common import exceptions, memory
from tripleo_common.plan import names, parameters, yaml_files

_TEMPLATE_SUFFIXES = (".yaml", ".template")
_REGISTRY_DIRECTIVES = ("hooks", "restricted_actions")
_REMEMBERED = 2048
"""How many files' references this process remembers: somewhat more than a large plan uses."""

LAST = "/plan-environment.yaml"
"""Name of the environment that overrides all others. It is not the path of a file of the plan:
``names.resolve`` lets none begin like this."""


ScanKey = tuple[str, str, str]
"""``template`` or ``environment``, path, MD5 of the content."""


@dataclasses.dataclass(frozen=True)
class Scan:
    """What a template or an environment refers to and declares.

    :ivar text: its content with all references in terms of the plan; None if it is as it is.
    :ivar includes: the paths that it refers to.
    """

    text: str | None
    includes: tuple[str, ...]
    declarations: tuple[parameters.Declaration, ...] = ()


@dataclasses.dataclass(frozen=True)
class HeatInput:
    """What a stack is made of.

    :ivar template: text of the root template.
    :ivar environment_files: names in ``files``, in the order in which Heat merges them.
    :ivar files: name to text of everything that is referred to.
    :ivar declared: parameter name to its declarations in the templates among these.
    :ivar scans: what was found in each template and environment.
    :ivar fresh: how many of them had to be read for that.
    """

    template: str
    environment_files: list[str]
    files: dict[str, str]
    declared: dict[str, list[parameters.Declaration]] = dataclasses.field(default_factory=dict)
    scans: dict[ScanKey, Scan] = dataclasses.field(default_factory=dict)
    fresh: int = 0


def collect(
    files: Mapping[str, str],
    template: str,
    environments: list[str],
    last: Mapping[str, Any],
    known: Mapping[ScanKey, Scan] | None = None,
) -> HeatInput:
    """Gather what Heat needs for a plan.

    :param files: path to content of all the plan's files, rendered ones included.
    :param template: path of the root template.
    :param environments: paths of the environments, least important first.
    :param last: the content of a further environment that overrides them all.
    :param known: what others have found in files of this plan.
    :raises FileNotInPlan: something refers to a file that is not there.
    :raises PathInvalid: something refers to a URL or to a path outside of the plan.
    :raises YAMLInvalid: a template or an environment is not YAML.
    """
    gathered: dict[str, str] = {}
    declared: dict[str, list[parameters.Declaration]] = {}
    scans: dict[ScanKey, Scan] = {}
    fresh = 0
    pending: list[tuple[str, str]] = []

    def take(kind: str, path: str, text: str) -> str:
        nonlocal fresh
        key = (kind, path, hashlib.md5(text.encode(), usedforsecurity=False).hexdigest())
        scan = (known or {}).get(key) or _MEMORY.get(key)
        if scan is None:
            fresh += 1
            scan = _SCANNERS[kind](path, text)
            _MEMORY.put(key, scan)
        scans[key] = scan
        for declaration in scan.declarations:
            declared.setdefault(declaration.name, []).append(declaration)
        pending.extend((include, path) for include in scan.includes)
        return text if scan.text is None else scan.text

    def source(path: str, referrer: str) -> str:
        if path not in files:
            raise exceptions.FileNotInPlan(path, referrer)
        return files[path]

    where = "the plan's environment"
    root = take("template", template, source(template, where))
    in_order = [names.resolve(path, "") for path in environments]
    for path in in_order:
        gathered[path] = take("environment", path, source(path, where))
    while pending:
        path, referrer = pending.pop()
        # Templates may refer to each other in a circle, which is Heat's to refuse.
        if path in gathered:
            continue
        text = source(path, referrer)
        # get_file may name any YAML; only a template has references of its own.
        if path.endswith(_TEMPLATE_SUFFIXES) and "heat_template_version" in text:
            text = take("template", path, text)
        gathered[path] = text
    if last:
        gathered[LAST] = yaml_files.dump(dict(last))
        in_order.append(LAST)
    return HeatInput(root, in_order, gathered, declared, scans, fresh)


def dump(scans: Mapping[ScanKey, Scan]) -> list[Any]:
    """Return scans as JSON has them, for another process to :func:`load`."""
    return [[*key, dataclasses.astuple(scan)] for key, scan in scans.items()]


def load(document: object) -> dict[ScanKey, Scan]:
    """Return what another process has dumped; what is not of that form is left out."""
    found: dict[ScanKey, Scan] = {}
    for entry in document if isinstance(document, list) else []:
        try:
            kind, path, digest, (text, includes, declarations) = entry
            found[(kind, path, digest)] = Scan(
                text, tuple(includes), tuple(parameters.Declaration(*d) for d in declarations)
            )
        except (TypeError, ValueError):
            continue
    return found


# Reading YAML takes time, and every change reads the same files. What is in here this process has
# read itself: several projects may have the same file.
_MEMORY: memory.Memory[ScanKey, Scan] = memory.Memory(_REMEMBERED)


def _scan_template(path: str, text: str) -> Scan:
    document = yaml_files.load_mapping(text, path)
    declarations = tuple(parameters.declarations(document, path))
    scanner = _Scanner(path)
    changed = scanner.rewrite(document)
    return Scan(
        yaml_files.dump(document) if changed else None, tuple(scanner.includes), declarations
    )


def _scan_environment(path: str, text: str) -> Scan:
    document = yaml_files.load_mapping(text, path)
    registry = document.get("resource_registry") or {}
    if not isinstance(registry, dict):
        raise exceptions.YAMLInvalid(path, "resource_registry must hold a mapping")
    scanner = _Scanner(path)
    changed = scanner.rewrite_registry(registry)
    return Scan(yaml_files.dump(document) if changed else None, tuple(scanner.includes))


_SCANNERS = {"template": _scan_template, "environment": _scan_environment}


class _Scanner:
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
