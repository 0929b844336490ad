"""What a plan offers to choose from, and the rules of a choice: its capabilities map.

The map lists environments in topics and groups. An environment may require others; of a group that
is ``mutually_exclusive`` at most one environment may be chosen, of one with ``one_of`` exactly one.
Everything here is a function from data to data.
"""

from __future__ import annotations

import graphlib
import heapq
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from tripleo_common import exceptions
from tripleo_common.plan import names, render, yaml_files

FILE = "capabilities-map.yaml"

OTHER = "Other"
"""Key and title of what :func:`view` shows beside the map's topics."""

_MOST = 1000
"""How many environments a map may offer; those of tripleo-heat-templates offer some 150."""

_TOLD = 10
"""How many faults of a map an error tells."""


def parse(text: str, files: Collection[str], *, roots_required: bool = True) -> dict[str, Any]:
    """Read a capabilities map, check all that it says, and fill in what it leaves out.

    Keys that are not known are left out. An environment without a title gets its path as title,
    other texts that are not there become None.

    :param text: the content of :data:`FILE`.
    :param files: the paths of all the plan's files, rendered ones included.
    :param roots_required: whether the map has to name root template and root environment. Maps
        since Pike leave that to ``plan-environment.yaml``; they are None then.
    :returns: ``{"root_template", "root_environment", "topics": [{"title", "description",
        "environment_groups": [{"title", "description", "mutually_exclusive", "one_of",
        "environments": [{"file", "title", "description", "requires": [path]}]}]}]}``.
    :raises YAMLInvalid: it is not YAML, or no mapping.
    :raises PathInvalid: it names something that can be no file of the plan.
    :raises FileNotInPlan: the root template or the root environment is not there.
    :raises FileInvalid: anything else is wrong; names all faults with their places.
    """
    return _Reader(files).read(yaml_files.load_mapping(text, FILE), roots_required)


def paths(environments: object) -> list[str]:
    """Return the paths of a plan's list of environments, in its order.

    :param environments: the list, of ``{"path": path}`` or ``{"data": {...}}``; None is empty.
    :raises FileInvalid: it is something else; clients write it as well.
    """
    return [path for _, path in _items(environments) if path is not None]


def view(
    capabilities: Mapping[str, Any] | None, chosen: Collection[str], files: Collection[str]
) -> dict[str, Any]:
    """Show what a plan offers and what of it is chosen.

    :param capabilities: as :func:`parse` returns it; None if the plan has no map.
    :param chosen: the paths of the chosen environments.
    :param files: the paths of all the plan's files, rendered ones included.
    :returns: topic title to ``{"title", "description", "environment_groups"}``, whose environments
        also say whether they are ``enabled``. Under :data:`OTHER` each environment that the map
        does not name has a group of its own.
    """
    enabled = set(chosen)
    shown: dict[str, Any] = {}
    for topic in capabilities["topics"] if capabilities else []:
        groups = [
            {
                **group,
                "environments": [
                    {**item, "requires": [*item["requires"]], "enabled": item["file"] in enabled}
                    for item in group["environments"]
                ],
            }
            for group in topic["environment_groups"]
        ]
        shown[topic["title"]] = {**topic, "environment_groups": groups}
    others: list[dict[str, Any]] = [
        {
            "title": path,
            "description": None,
            "mutually_exclusive": False,
            "one_of": False,
            "environments": [
                {
                    "file": path,
                    "title": path,
                    "description": None,
                    "requires": [],
                    "enabled": path in enabled,
                }
            ],
        }
        for path in _others(capabilities, enabled, files)
    ]
    shown[OTHER] = {"title": OTHER, "description": None, "environment_groups": others}
    return shown


def choose(
    capabilities: Mapping[str, Any] | None,
    environments: list[dict[str, Any]],
    wanted: Mapping[str, bool],
    files: Collection[str],
    *,
    purge_missing: bool = False,
    sort_environments: bool = False,
) -> list[dict[str, Any]]:
    """Enable and disable environments; what is not mentioned stays as and where it is.

    Nothing is enabled or disabled that was not asked for: a choice that breaks a rule is refused.

    :param capabilities: as :func:`parse` returns it; None if the plan has no map.
    :param environments: the plan's list, least important first, of ``{"path": path}`` or
        ``{"data": {...}}``.
    :param wanted: path to whether it is to be enabled. What is enabled anew comes last.
    :param files: the paths of all the plan's files, rendered ones included.
    :param purge_missing: also disable every path that ``wanted`` does not mention, except for the
        root environment.
    :param sort_environments: move the root environment to the front and each environment behind
        all that it requires; otherwise the order stays.
    :returns: the new list.
    :raises InputInvalid: an input is of the wrong type.
    :raises FileInvalid: ``environments`` is.
    :raises EnvironmentNotFound: ``wanted`` enables what is no environment of the plan, or disables
        what is neither there nor chosen; names all of them.
    :raises CapabilitiesConflict: the result breaks rules; tells all of them.
    """
    _check_inputs(wanted, purge_missing, sort_environments)
    items = _items(environments)
    before = {path for _, path in items if path is not None}
    there = set(files)
    unknown = [
        path
        for path, on in wanted.items()
        if not (path in there and _is_environment(path) if on else path in there or path in before)
    ]
    if unknown:
        offered = {*_offered(capabilities), *_others(capabilities, before, there)} & there
        raise exceptions.EnvironmentNotFound((path[:200] for path in unknown), offered)

    root = capabilities["root_environment"] if capabilities else None

    def stays(path: str | None) -> bool:
        if path is None:
            return True
        return wanted.get(path, path == root or not purge_missing)

    new = [path for path, on in wanted.items() if on and path not in before]
    result = [
        # All others override the root environment.
        *({"path": path} for path in new if path == root),
        *(item for item, path in items if stays(path)),
        *({"path": path} for path in new if path != root),
    ]
    disabled = {path for path, on in wanted.items() if not on} | before.difference(paths(result))
    faults = _faults(capabilities, set(paths(result)), disabled)
    if faults:
        raise exceptions.CapabilitiesConflict(faults)
    return _in_order(capabilities, result) if sort_environments and capabilities else result


def check(
    capabilities: Mapping[str, Any] | None, environments: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Tell which rules of the map a choice breaks.

    :param capabilities: as :func:`parse` returns it; None, a plan without a map, has no rules.
    :param environments: the whole choice, as the plan keeps it.
    :returns: of each broken rule ``{"rule", "files", "message"}``. ``rule`` is
        ``root_environment``, ``requires``, ``mutually_exclusive`` or ``one_of``; the message ends
        with what would satisfy it. An empty list if the choice is good.
    :raises FileInvalid: ``environments`` is of the wrong form.
    """
    return _faults(capabilities, set(paths(environments)), set())


def _check_inputs(wanted: object, purge_missing: object, sort_environments: object) -> None:
    for name, flag in (("purge_missing", purge_missing), ("sort_environments", sort_environments)):
        if not isinstance(flag, bool):
            raise exceptions.InputInvalid(name, "must be true or false.")
    example = 'for example {"environments/ha.yaml": true}.'
    if not isinstance(wanted, Mapping):
        raise exceptions.InputInvalid(
            "environments", f"must map paths of environments to true or false, {example}"
        )
    wrong = [
        path[:200] if isinstance(path, str) else f"a key that is {_kind(path)}"
        for path, on in wanted.items()
        if not isinstance(path, str) or not isinstance(on, bool)
    ]
    if wrong:
        raise exceptions.InputInvalid(
            "environments",
            f"must map paths of environments to true or false, {example} This is not so for "
            f"{exceptions.one_of(wrong)}.",
        )


def _items(environments: object) -> list[tuple[dict[str, Any], str | None]]:
    """Return a plan's environments, each with its path, or None for one that holds its data."""
    where = "the plan's environment"
    if environments is None:
        return []
    if not isinstance(environments, list):
        raise exceptions.FileInvalid(where, "environments must hold a list")
    for number, item in enumerate(environments, 1):
        if not isinstance(item, dict) or not isinstance(item.get("path", ""), str):
            raise exceptions.FileInvalid(
                where,
                f"environment {number} must be a mapping with path, the path of a file, or data",
            )
    return [(item, item.get("path")) for item in environments]


def _faults(
    capabilities: Mapping[str, Any] | None, chosen: set[str], disabled: set[str]
) -> list[dict[str, Any]]:
    """Return the broken rules of a choice.

    :param disabled: what the present request disables; the messages say so.
    """
    if capabilities is None:
        return []
    faults: list[dict[str, Any]] = []

    def fault(rule: str, files: list[str], message: str) -> None:
        faults.append({"rule": rule, "files": files, "message": message})

    root = capabilities["root_environment"]
    if root is not None and root not in chosen:
        fault(
            "root_environment",
            [root],
            f"{root} is the root environment, which all others build on, and cannot be disabled. "
            f"Enable {root}.",
        )
    for file, item in _offered(capabilities).items():
        for path in item["requires"]:
            if file not in chosen or path in chosen:
                continue
            fault(
                "requires",
                [file, path],
                f"{file} requires {path}, which this request disables. Keep {path} enabled, or "
                f"also disable {file}."
                if path in disabled
                else f"{file} requires {path}, which is not enabled. Also enable {path}, or "
                f"disable {file}.",
            )
    for group in _groups(capabilities):
        members = [item["file"] for item in group["environments"]]
        found = [file for file in members if file in chosen]
        called = f" (group {_short(group['title'])!r})" if group["title"] else ""
        if group["one_of"] and len(found) != 1:
            fault(
                "one_of",
                found or members,
                f"Exactly one of {exceptions.one_of(members)} must be enabled{called}, and "
                + (
                    f"{exceptions.one_of(found)} are. Keep one of them and disable the others."
                    if found
                    else "none is. Enable one of them."
                ),
            )
        elif group["mutually_exclusive"] and len(found) > 1:
            fault(
                "mutually_exclusive",
                found,
                f"At most one of {exceptions.one_of(found)} can be enabled{called}. Keep one of "
                "them and disable the others.",
            )
    return faults


def _in_order(
    capabilities: Mapping[str, Any], environments: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Put the root environment first and each environment behind all that it requires.

    Of what could come next, that which came first before does.
    """
    offered = _offered(capabilities)
    items = _items(environments)
    # Clients may list one twice; Heat's last one wins, so that is the one to stay behind.
    last = {path: index for index, (_, path) in enumerate(items)}
    root = capabilities["root_environment"]
    behind: dict[int, list[int]] = {}
    for index, (_, path) in enumerate(items):
        required = offered[path]["requires"] if path in offered and path != root else []
        behind[index] = [last[other] for other in required if other in last]
    order = graphlib.TopologicalSorter(behind)
    order.prepare()
    ready: list[tuple[bool, int]] = []
    result = []
    while order.is_active():
        for index in order.get_ready():
            path = items[index][1]
            heapq.heappush(ready, (path is None or path != root, index))
        index = heapq.heappop(ready)[1]
        result.append(environments[index])
        order.done(index)
    return result


def _groups(capabilities: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for topic in capabilities["topics"]:
        yield from topic["environment_groups"]


def _offered(capabilities: Mapping[str, Any] | None) -> dict[str, dict[str, Any]]:
    """Return the environments that the map names, by path, in its order."""
    return {
        item["file"]: item
        for group in (_groups(capabilities) if capabilities else [])
        for item in group["environments"]
    }


def _others(
    capabilities: Mapping[str, Any] | None, chosen: Collection[str], files: Collection[str]
) -> list[str]:
    """Return the environments that the map does not name: those by their path, and chosen ones."""
    named = {*_offered(capabilities), capabilities["root_environment"] if capabilities else None}
    found = {
        path
        for path in files
        if _is_environment(path)
        and ("environments/" in path or path.endswith("user-environment.yaml"))
    }
    return sorted(found.union(chosen).difference(named))


def _is_environment(path: str) -> bool:
    """Tell whether a file can be chosen: a source of rendering is no environment yet."""
    return path.endswith(".yaml") and not render.is_template(path)


class _Reader:
    """Reads a map, and goes on after a fault to find them all."""

    def __init__(self, files: Collection[str]) -> None:
        self._files = set(files)
        self._faults: list[str] = []
        self._untold = 0
        self._missing: dict[str, str] = {}
        """Where the map first names each file that is not there."""
        self._places: dict[str, str] = {}
        """Where the map names each environment."""
        self._titles: dict[str, int] = {}

    def read(self, document: Mapping[str, Any], roots_required: bool) -> dict[str, Any]:
        capabilities = {
            "root_template": self._root(document, "root_template", roots_required),
            "root_environment": self._root(document, "root_environment", roots_required),
            "topics": [
                self._topic(topic, number, f"topic {number}")
                for number, topic in self._mappings(document, "topics", "the map")
            ],
        }
        if self._missing:
            told = (f"{path} ({place})" for path, place in self._missing.items())
            self._fault(f"files missing from the plan: {exceptions.one_of(told)}")
        # Whoever cannot read a list of environments cannot tell what it requires.
        if not self._faults:
            self._check_requirements(capabilities)
        if self._faults:
            problem = "; ".join(self._faults)
            raise exceptions.FileInvalid(
                FILE, f"{problem}; and {self._untold} more" if self._untold else problem
            )
        return capabilities

    def _root(self, document: Mapping[str, Any], key: str, required: bool) -> str | None:
        value = document.get(key)
        if value is None and not required:
            return None
        if not isinstance(value, str):
            self._fault(f"missing key: {key}, which names a file of the plan")
            return None
        path = names.resolve(value, FILE)
        if path not in self._files:
            raise exceptions.FileNotInPlan(path, f"{FILE} ({key})")
        if key == "root_environment" and not _is_environment(path):
            self._fault(f"{key}: {path} is no environment: its name must end with .yaml")
        return path

    def _topic(self, topic: Mapping[str, Any], number: int, place: str) -> dict[str, Any]:
        title = self._text(topic, "title", place)
        if title is None:
            self._fault(f"{place} has no title, by which it would be found")
        elif title == OTHER:
            self._fault(
                f"{place} has the title {OTHER}, which is kept for the environments that the map "
                "does not name"
            )
        elif title in self._titles:
            self._fault(f"{place} has the title of topic {self._titles[title]}, {_short(title)}")
        else:
            self._titles[title] = number
        place = _titled(place, title)
        return {
            "title": title,
            "description": self._text(topic, "description", place),
            "environment_groups": [
                self._group(group, f"{place}, group {of_group}")
                for of_group, group in self._mappings(topic, "environment_groups", place)
            ],
        }

    def _group(self, group: Mapping[str, Any], place: str) -> dict[str, Any]:
        title = self._text(group, "title", place)
        place = _titled(place, title)
        one_of = self._flag(group, "one_of", place)
        environments = [
            self._environment(item, f"{place}, environment {number}")
            for number, item in self._mappings(group, "environments", place)
        ]
        if one_of and not environments:
            self._fault(f"{place} is one_of and has no environments, so nothing could satisfy it")
        return {
            "title": title,
            "description": self._text(group, "description", place),
            "mutually_exclusive": self._flag(group, "mutually_exclusive", place) or one_of,
            "one_of": one_of,
            "environments": environments,
        }

    def _environment(self, item: Mapping[str, Any], place: str) -> dict[str, Any]:
        file = self._path(item.get("file"), "file", place)
        if file is not None and file in self._places:
            self._fault(f"{place} names {file}, as {self._places[file]} does")
        elif file is not None:
            self._places[file] = place
        if len(self._places) > _MOST:
            raise exceptions.FileInvalid(
                FILE, f"it names more than {_MOST} environments, which nothing real needs"
            )
        requires = item.get("requires")
        if requires is not None and not isinstance(requires, list):
            self._fault(f"{place}: requires must hold a list, and is {_kind(requires)}")
            requires = None
        # One that is listed twice counts once.
        required = dict.fromkeys(self._path(value, "requires", place) for value in requires or [])
        return {
            "file": file,
            "title": self._text(item, "title", place) or file,
            "description": self._text(item, "description", place),
            "requires": [path for path in required if path is not None],
        }

    def _mappings(
        self, parent: Mapping[str, Any], key: str, place: str
    ) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Yield the mappings that a key lists, each with its number from 1."""
        value = parent.get(key)
        if value is None:
            return
        if not isinstance(value, list):
            self._fault(f"{place}: {key} must hold a list, and is {_kind(value)}")
            return
        for number, item in enumerate(value, 1):
            if isinstance(item, Mapping):
                yield number, item
            else:
                self._fault(
                    f"{place}: item {number} of {key} must be a mapping, and is {_kind(item)}"
                )

    def _text(self, item: Mapping[str, Any], key: str, place: str) -> str | None:
        value = item.get(key)
        if value is None:
            return None
        if not isinstance(value, str):
            self._fault(f"{place}: {key} must be text, and is {_kind(value)}")
            return None
        return value.strip() or None

    def _flag(self, item: Mapping[str, Any], key: str, place: str) -> bool:
        value = item.get(key)
        if value is None or isinstance(value, bool):
            return bool(value)
        self._fault(f"{place}: {key} must be true or false, and is {_kind(value)}")
        return False

    def _path(self, value: object, key: str, place: str) -> str | None:
        """Return the path of an environment; whether it is there is told for all at once."""
        if value is None and key == "file":
            self._fault(f"{place} has no file")
            return None
        if not isinstance(value, str):
            self._fault(f"{place}: {key} must name files of the plan, and has {_kind(value)}")
            return None
        path = names.resolve(value, f"{FILE} ({place})")
        if not _is_environment(path):
            self._fault(
                f"{place}: {key} names {_short(path)}, which is no environment: its name must end "
                "with .yaml, and not with .j2.yaml, for that is rendered to another file"
            )
        elif path not in self._files:
            self._missing.setdefault(path, place)
        return path

    def _check_requirements(self, capabilities: Mapping[str, Any]) -> None:
        """Find environments that could never be chosen, whatever else is."""
        offered = _offered(capabilities)
        graph = {file: item["requires"] for file, item in offered.items()}
        try:
            order = list(graphlib.TopologicalSorter(graph).static_order())
        except graphlib.CycleError as error:
            # What requires comes before what is required, in words as in the map.
            circle = error.args[1][::-1]
            told = circle if len(circle) <= _TOLD else [*circle[:_TOLD], "..."]
            self._fault(f"environments require each other in a circle: {' -> '.join(told)}")
            return
        # As bits of a number: with sets, a map that is made for it would take minutes.
        bits = {file: 1 << index for index, file in enumerate(order)}
        needed: dict[str, int] = {}
        for file in order:
            needed[file] = bits[file]
            for path in graph.get(file, ()):
                needed[file] |= needed[path]
        always = needed.get(capabilities["root_environment"], 0)
        for group in _groups(capabilities):
            if not group["mutually_exclusive"]:
                continue
            members = [item["file"] for item in group["environments"]]
            mask = sum(bits[file] for file in members)
            called = f" (group {_short(group['title'])})" if group["title"] else ""
            for file, place in self._places.items():
                with_it = (needed[file] | always) & mask
                if with_it.bit_count() > 1:
                    clash = exceptions.one_of(path for path in members if with_it & bits[path])
                    self._fault(
                        f"{place}: {file} can never be chosen: it would need {clash} at the same "
                        f"time, which exclude each other{called}"
                    )

    def _fault(self, text: str) -> None:
        if len(self._faults) < _TOLD:
            self._faults.append(text)
        else:
            self._untold += 1


def _titled(place: str, title: str | None) -> str:
    return f"{place} ({_short(title)})" if title else place


def _short(text: str) -> str:
    """Put a text of the map into one line of at most 80 characters."""
    line = " ".join(text.split())
    return line if len(line) <= 80 else f"{line[:77]}..."


def _kind(value: object) -> str:
    """Name what stands where something else should, without its value, which may be huge."""
    kinds = (
        (str, "text"),
        (bool, "true or false"),
        (int | float, "a number"),
        (list, "a list"),
        (Mapping, "a mapping"),
    )
    if value is None:
        return "empty"
    return next((name for kind, name in kinds if isinstance(value, kind)), type(value).__name__)
