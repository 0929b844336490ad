"""What a plan needs of bare metal: how many nodes of which profile, and how they are inspected."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any

from tripleo_common import exceptions
from tripleo_common.plan import composition, parameters, profiles, render, yaml_files
from tripleo_common.plan.candidate import Candidate
from tripleo_common.plan.plans import Plans

RULES_DIRECTORY = "inspection_rules/"
"""Where a plan has its inspection rules."""

_ANY_FLAVOR = "baremetal"
"""The flavor of nodes that need no profile, as clients know it."""

_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def demands(plans: Plans, plan: str) -> list[dict[str, Any]]:
    """Return what each role of a plan needs.

    :returns: ``role``, ``count`` and ``profile`` (None for any node) of each, in the order of the
        plan's roles.
    :raises PlanNotFound: there is no such plan.
    :raises InputInvalid: a count is no number.
    """
    roles = composition.list_roles(plans, plan)
    candidate = plans.candidate(plans.read(plan))
    values = _values(candidate)
    cloud = plans.open(plan).cloud
    flavors = functools.cache(lambda: profiles.of_flavors(cloud))
    return [
        {
            "role": role["name"],
            "count": _count(role, values),
            "profile": _profile(role["name"], values, flavors),
        }
        for role in roles
    ]


def inspection_rules(plans: Plans, plan: str) -> dict[str, list[dict[str, Any]]]:
    """Return a plan's inspection rules: path of each file to the rules in it.

    :raises PlanNotFound: there is no such plan.
    :raises FileInvalid: a file holds something else.
    """
    found = {}
    for path, content in sorted(plans.candidate(plans.read(plan)).files.items()):
        is_data = path.endswith((".yaml", ".yml", ".json")) and not render.is_template(path)
        if path.startswith(RULES_DIRECTORY) and is_data:
            rules = yaml_files.load(yaml_files.text(content, path), path)
            rules = [rules] if isinstance(rules, dict) else rules
            if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
                raise exceptions.FileInvalid(path, "must hold a list of inspection rules")
            found[path] = rules
    return found


def _values(candidate: Candidate) -> dict[str, Any]:
    """Return the value of each parameter that Heat would see: given ones, then defaults."""
    values: dict[str, Any] = {
        name: declarations[0].default for name, declarations in candidate.given.declared.items()
    }
    given: dict[str, dict[str, Any]] = {"parameter_defaults": {}, "parameters": {}}
    for name in candidate.given.environment_files:
        environment = yaml_files.load(candidate.given.files[name], name)
        for key, found in given.items():
            section = environment.get(key) if isinstance(environment, Mapping) else None
            found.update(section if isinstance(section, Mapping) else {})
    # Heat lets parameters win over defaults of them, in whichever environment they are.
    return {**values, **given["parameter_defaults"], **given["parameters"]}


def _count(role: Mapping[str, Any], values: Mapping[str, Any]) -> int:
    name = f"{role['name']}Count"
    given = values.get(name)
    if given is None:
        given = role.get("CountDefault") or 0
    try:
        count = int(given)
    except (TypeError, ValueError, OverflowError):
        count = -1
    if count < 0 or isinstance(given, bool) or (isinstance(given, float) and given != count):
        raise exceptions.InputInvalid(name, "of the plan must be a number of servers, 0 or more.")
    return count


def _profile(
    role: str, values: Mapping[str, Any], flavors: Callable[[], Mapping[str, str]]
) -> str | None:
    known = {pair[0]: (profile, pair[1]) for profile, pair in parameters.ROLE_PARAMETERS.items()}
    usual = _WORD.sub("-", role).lower()
    profile, old_name = known.get(f"{role}Count", (usual, ""))
    # Templates that know both names of the parameter let the old one win, if it is set.
    for name in (old_name, f"Overcloud{role}Flavor"):
        flavor = values.get(name)
        if isinstance(flavor, str) and flavor:
            return None if flavor == _ANY_FLAVOR else flavors().get(flavor, flavor)
    return profile
