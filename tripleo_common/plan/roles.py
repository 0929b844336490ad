"""The roles of a plan, as its roles file says them."""

from __future__ import annotations

import collections
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from tripleo_common import exceptions
from tripleo_common.plan import yaml_files

ROLES_FILE = "roles_data.yaml"

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*")


def parse(text: str, path: str = ROLES_FILE) -> list[dict[str, Any]]:
    """Read a roles file.

    :returns: one mapping per role, each with at least ``name``.
    :raises YAMLInvalid: not a list of mappings with different, usable names. A role's name becomes
        part of resource and parameter names, so it is letters and digits.
    """
    document = yaml_files.load(text, path)
    if document is None:
        return []
    if not isinstance(document, list):
        raise exceptions.YAMLInvalid(path, "must hold a list of roles")
    seen: set[str] = set()
    for number, role in enumerate(document, 1):
        name = role.get("name") if isinstance(role, Mapping) else None
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise exceptions.YAMLInvalid(
                path, f"role {number} has no name of letters and digits, but {name!r}"
            )
        # Files are named by the role in lower case.
        if name.lower() in seen:
            raise exceptions.YAMLInvalid(path, f"there are two roles {name}, capitals aside")
        seen.add(name.lower())
    return document


def compose(
    wanted: Sequence[str],
    current: Mapping[str, dict[str, Any]],
    available: Mapping[str, dict[str, Any]],
    *,
    services: Collection[str] | None = None,
    replace_all: bool = True,
) -> list[dict[str, Any]]:
    """Compose the roles of a plan.

    :param wanted: names of roles, in order.
    :param current: name to role of those that the plan has; they win over ``available``.
    :param available: name to role of those that it could have.
    :param services: services that the plan knows; None where that is not known.
    :param replace_all: leave out roles that are not wanted; if not, they come first.
    :raises RolesInvalid: with every fault of every role.
    """
    faults: list[dict[str, Any]] = []
    for name in _repeated(wanted):
        faults.append({"role": name, "problem": "is wanted more than once"})
    kept = [] if replace_all else [name for name in current if name not in wanted]
    found = []
    for name in dict.fromkeys([*kept, *wanted]):
        role = current.get(name) or available.get(name)
        if role is None:
            there = exceptions.one_of({*current, *available})
            faults.append({"role": name, "problem": f"is not available; there are {there}"})
            continue
        found.append(role)
        faults.extend({"role": name, "problem": problem} for problem in _problems(role, services))
    if not found and not faults:
        faults.append({"role": "(none)", "problem": "a plan needs at least one role"})
    if faults:
        raise exceptions.RolesInvalid(faults)
    return found


def _repeated(names: Sequence[str]) -> list[str]:
    return sorted(name for name, count in collections.Counter(names).items() if count > 1)


def _problems(role: Mapping[str, Any], services: Collection[str] | None) -> list[str]:
    problems = []
    count = role.get("CountDefault", 0)
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        problems.append(f"CountDefault must be a number of servers, 0 or more, not {count!r}")
    listed = role.get("ServicesDefault") or []
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
        return [*problems, "ServicesDefault must be a list of names of services"]
    twice = _repeated(listed)
    if twice:
        problems.append(f"names services twice: {exceptions.one_of(twice)}")
    unknown = sorted(set(listed).difference(services)) if services is not None else []
    if unknown:
        problems.append(
            f"has services that no environment of the plan maps to a template: "
            f"{exceptions.one_of(unknown)}"
        )
    return problems
