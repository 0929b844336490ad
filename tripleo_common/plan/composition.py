"""Which roles a plan has."""

from __future__ import annotations

import posixpath
from typing import Any

from tripleo_common import exceptions
from tripleo_common.plan import names, parameters, render, roles, settings, store, yaml_files
from tripleo_common.plan.candidate import Candidate
from tripleo_common.plan.changes import Change
from tripleo_common.plan.plans import Plans

_DIRECTORY = "roles"


def list_roles(plans: Plans, plan: str, file: str = roles.ROLES_FILE) -> list[dict[str, Any]]:
    """Return the roles of a plan, in the order of its roles file.

    Where the plan has no ``roles_data.yaml``, the groups of servers of its root template are its
    roles, as Heat tells them; then only their names are known.

    :raises PlanNotFound: there is no such plan.
    :raises FileNotInPlan: the plan has no such roles file, and another was asked for.
    """
    path = names.resolve(file, "")
    state = plans.read(plan)
    if path in state.files.contents:
        return roles.parse(yaml_files.text(state.files.contents[path], path), path)
    if path != roles.ROLES_FILE:
        raise exceptions.FileNotInPlan(path, "the input role_file_name")
    tree, _values = settings.get_parameters(plans, plan)
    return [{"name": name} for name in parameters.root_groups(tree)]


def available_roles(plans: Plans, plan: str) -> list[dict[str, Any]]:
    """Return the roles that a plan could have: those of the files in its ``roles`` directory.

    :raises PlanNotFound: there is no such plan.
    :raises YAMLInvalid: one of these files is wrong.
    """
    return list(_available(plans.candidate(plans.read(plan))).values())


def select_roles(
    plans: Plans,
    plan: str,
    role_names: list[str],
    change: Change,
    *,
    file: str = roles.ROLES_FILE,
    replace_all: bool = True,
) -> tuple[store.Committed, list[dict[str, Any]]]:
    """Compose a plan's roles of those that are available, and render it anew.

    A role that the plan has already stays as it is; another comes from the ``roles`` directory.

    :param role_names: which, in this order.
    :param replace_all: take out all others; if not, they stay before these.
    :returns: what was committed, and the roles of the plan.
    :raises RolesInvalid: with all faults: unknown roles, duplicates, unknown services, counts.
    """
    path = names.resolve(file, "")
    if not isinstance(role_names, list) or not all(isinstance(name, str) for name in role_names):
        raise exceptions.InputInvalid("role_names", "must be a list of names of roles.")
    selected: list[dict[str, Any]] = []

    def edit(candidate: Candidate) -> None:
        current = {}
        if path in candidate.files:
            listed = roles.parse(yaml_files.text(candidate.files[path], path), path)
            current = {role["name"]: role for role in listed}
        candidate.finish()
        selected[:] = roles.compose(
            role_names,
            current,
            _available(candidate),
            services=_services(candidate),
            replace_all=replace_all,
        )
        candidate.files[path] = yaml_files.dump(selected).encode()

    committed = plans.change(plan, change, edit)
    # Nothing is edited when Mistral delivers an action twice.
    return committed, selected or list_roles(plans, plan, file)


def _available(candidate: Candidate) -> dict[str, dict[str, Any]]:
    rendered = set(candidate.variables["rendered"])
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(candidate.files):
        if posixpath.dirname(path) != _DIRECTORY or not path.endswith(".yaml"):
            continue
        if path not in rendered and not render.is_template(path):
            for role in roles.parse(yaml_files.text(candidate.files[path], path), path):
                found.setdefault(role["name"], role)
    return found


def _services(candidate: Candidate) -> set[str]:
    """Return all resource types that the plan's environments know."""
    known: set[str] = set()
    for name in candidate.given.environment_files:
        document = yaml_files.load_mapping(candidate.given.files[name], name)
        registry = document.get("resource_registry")
        known.update(registry if isinstance(registry, dict) else ())
    return known
