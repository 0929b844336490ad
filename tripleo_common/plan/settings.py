"""What users set in a plan: environments, parameters, passwords."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from tripleo_common import clouds, exceptions, memory
from tripleo_common.plan import (
    capabilities,
    heat,
    parameters,
    passwords,
    profiles,
    secrets,
    store,
)
from tripleo_common.plan.candidate import Candidate
from tripleo_common.plan.changes import Change
from tripleo_common.plan.plans import Plans

_DECLARED = re.compile(r"^ +(\w+):[ \t]*$", re.MULTILINE)
"""How templates declare parameters, among other things."""

_TREES: memory.Memory[tuple[str, str], dict[str, Any]] = memory.Memory(2)
"""URL of an archive and digest of what was asked, to Heat's answer, which can have some MiB."""


def get_capabilities(plans: Plans, plan: str) -> dict[str, Any]:
    """Return the environments that a plan offers, by topic, and which are chosen.

    :returns: as :func:`capabilities.view`.
    :raises PlanNotFound: there is no such plan.
    """
    candidate = plans.candidate(plans.read(plan))
    variables = candidate.variables
    return capabilities.view(
        variables.get("capabilities"),
        capabilities.paths(variables.get("environments")),
        candidate.files,
    )


def update_capabilities(
    plans: Plans,
    plan: str,
    environments: Mapping[str, bool],
    change: Change,
    *,
    purge_missing: bool = False,
    sort_environments: bool = False,
) -> dict[str, Any]:
    """Choose environments.

    :param environments: path to whether it is chosen.
    :param purge_missing: drop those that are not mentioned.
    :param sort_environments: put each behind all that it requires.
    :returns: ``environments`` (list of ``{"path"}``, inline ones as ``{"data": {}}``),
        ``revision``, ``changed`` and ``stale``.
    :raises CapabilitiesConflict: the choice breaks rules of the capabilities map.
    :raises EnvironmentNotFound: a file is named that the plan does not have.
    """
    chosen: list[dict[str, Any]] = []

    def edit(candidate: Candidate) -> None:
        # Environments may be rendered ones, so what can be chosen is known after rendering.
        candidate.finish()
        variables = candidate.variables
        chosen[:] = capabilities.choose(
            variables.get("capabilities"),
            variables.get("environments") or [],
            environments,
            candidate.files,
            purge_missing=purge_missing,
            sort_environments=sort_environments,
        )
        variables["environments"] = list(chosen)

    committed = plans.change(plan, change, edit)
    # Nothing is edited when Mistral delivers an action twice.
    shown = chosen or plans.read(plan).variables.get("environments") or []
    return {
        "environments": [{"path": i["path"]} if "path" in i else {"data": {}} for i in shown],
        **committed.to_dict(),
    }


def get_parameters(plans: Plans, plan: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return Heat's answer on a plan, and the values that the plan sets, secrets masked.

    The answer is kept, and asked for again when any file or setting is another one.

    :raises ServiceRefused: Heat refuses the plan; the message is Heat's.
    """
    state = plans.read(plan)
    candidate = plans.candidate(state)
    tree = _tree(plans.open(plan), candidate)
    return tree, _shown(candidate)


def update_parameters(
    plans: Plans,
    plan: str,
    values: Mapping[str, Any],
    change: Change,
    *,
    validate: bool = True,
    placement_only: bool = False,
) -> tuple[store.Committed, dict[str, Any] | None, dict[str, Any]]:
    """Merge values into a plan's parameters; a value replaces the one it had.

    A hidden parameter's value that is given as the mask, as clients read it, stays what it is.

    :param validate: have Heat look at the result before it is committed.
    :param placement_only: the values hold in the placement that the call goes to alone.
    :returns: what was committed; Heat's answer, masked, if it was asked; the parameters that hold
        in this placement, masked.
    :raises ParametersInvalid: with all faults: unknown names, wrong types, broken constraints.
    :raises ServiceRefused: Heat refuses the result.
    """
    if not isinstance(values, Mapping):
        raise exceptions.InputInvalid("parameters", "must map parameter names to values.")
    new = {
        name: value
        for name, value in values.items()
        # What is no plain data, check() tells along with all other faults.
        if isinstance(name, str)
        and value != secrets.MASK
        and parameters.is_plain(name)
        and parameters.is_plain(value)
    }
    tree: dict[str, Any] | None = None
    after: dict[str, Any] = {}

    def merge(current: dict[str, Any]) -> dict[str, Any]:
        for name, value in new.items():
            if name not in current or not _is_same(current[name], value, name):
                current[name] = value
        return current

    def edit(candidate: Candidate) -> None:
        if placement_only:
            candidate.override(merge)
        else:
            current = dict(_values(candidate, "parameter_defaults"))
            candidate.variables["parameter_defaults"] = merge(current)

    def check(candidate: Candidate) -> None:
        nonlocal tree
        declared = candidate.given.declared
        given = {
            name: value
            for name, value in values.items()
            if value != secrets.MASK or name not in candidate.hidden
        }
        faults = parameters.check(given, declared, _elsewhere(candidate, given))
        faults += [
            {
                "name": name,
                "value": value,
                "problem": "is what stands for hidden values in answers, and this is not hidden",
                "allowed": None,
            }
            for name, value in given.items()
            if value == secrets.MASK and name in declared
        ]
        if faults:
            raise exceptions.ParametersInvalid(faults)
        if validate:
            tree = _tree(plans.open(plan), candidate)
        after.clear()
        after.update(_shown(candidate))

    committed = plans.change(plan, change, edit, check)
    if not after:
        after = _shown(plans.candidate(plans.read(plan)))
    return committed, tree, after


def reset_parameters(
    plans: Plans, plan: str, change: Change, *, placement_only: bool = False
) -> store.Committed:
    """Take all parameters out of a plan that were set for it as a whole; passwords stay.

    :param placement_only: those that were set for the placement that the call goes to alone.
    """

    def edit(candidate: Candidate) -> None:
        if placement_only:
            candidate.override(lambda _: {})
        else:
            candidate.variables["parameter_defaults"] = {}

    return plans.change(plan, change, edit)


def role_parameters(plans: Plans, plan: str, role: str) -> dict[str, Any]:
    """Return count and flavor of a role as the nodes that are tagged for it say.

    :param role: the profile that nodes have among their capabilities, such as ``compute``.
    :raises ParametersInvalid: the plan's templates have no such parameters.
    """
    if not isinstance(role, str) or not role:
        raise exceptions.InputInvalid("role", "must be the name of a role or profile.")
    cloud = plans.open(plan).cloud
    found = parameters.role_parameters(
        role, profiles.count(cloud, role), profiles.flavor(cloud, role)
    )
    candidate = plans.candidate(plans.read(plan))
    declared = candidate.given.declared
    # Not every plan has flavors.
    usable = {name: value for name, value in found.items() if name in declared}
    if not usable:
        faults = parameters.check(found, declared, _elsewhere(candidate, found))
        raise exceptions.ParametersInvalid(faults)
    return usable


def update_role_parameters(
    plans: Plans, plan: str, role: str, change: Change
) -> tuple[store.Committed, dict[str, Any]]:
    """Set count and flavor of a role to :func:`role_parameters`.

    :returns: what was committed, and the parameters that were set.
    """
    usable = role_parameters(plans, plan, role)
    committed, _tree_of_heat, _all = update_parameters(plans, plan, usable, change, validate=False)
    return committed, usable


def generate_passwords(
    plans: Plans,
    plan: str,
    change: Change,
    *,
    rotate: bool = False,
    names: list[str] | None = None,
) -> tuple[store.Committed, list[str], list[str]]:
    """Make the passwords that a plan does not have yet; existing ones stay.

    Those that a deployed stack has already are taken over.

    :param rotate: make new ones in the place of existing ones as well.
    :param names: which to rotate; all that may be if there are none.
    :returns: what was committed, the names of the passwords that are new, and of those among them
        that have no effect, for the plan's parameters set them.
    :raises InputInvalid: a named password is not there, or must not be rotated.
    """
    made: list[str] = []
    overridden: list[str] = []
    stack = heat.stack_parameters(plans.open(plan).cloud, plan)

    def edit(candidate: Candidate) -> None:
        _values(candidate, "passwords")
        made[:] = candidate.generate_passwords(stack)
        if rotate:
            vault = secrets.Vault.from_options()
            existing = {
                name: vault.decrypt(value, name) if secrets.is_encrypted(value) else value
                for name, value in candidate.variables["passwords"].items()
            }
            fresh = passwords.rotate(existing, names)
            candidate.variables["passwords"].update(fresh)
            made[:] = sorted({*made, *fresh})
        defaults = {**_values(candidate, "parameter_defaults"), **candidate.overrides}
        overridden[:] = sorted(defaults.keys() & set(made))

    committed = plans.change(plan, change, edit)
    return committed, made, overridden


def get_passwords(
    plans: Plans, plan: str, names: list[str] | None = None, *, reveal: bool = False
) -> dict[str, Any]:
    """Return a plan's passwords; what its parameters say wins, as it does in Heat.

    :param names: only these.
    :param reveal: in clear instead of masked.
    """
    candidate = Candidate.of(plans.read(plan))
    defaults = {**_values(candidate, "parameter_defaults"), **candidate.overrides}
    stored = _values(candidate, "passwords")
    found = {name: defaults.get(name, value) for name, value in stored.items()}
    if names is not None:
        missing = sorted(set(names) - set(found))
        if missing:
            raise exceptions.InputInvalid(
                "names",
                f"names {exceptions.one_of(missing)}, which plan {plan} does not have. It has "
                f"{exceptions.one_of(found)}.",
            )
        found = {name: found[name] for name in names}
    if not reveal:
        return dict.fromkeys(sorted(found), secrets.MASK)
    vault = secrets.Vault.from_options()
    return {
        name: vault.decrypt(value, name) if secrets.is_encrypted(value) else value
        for name, value in sorted(found.items())
    }


def _shown(candidate: Candidate) -> dict[str, Any]:
    """Return the values of parameters that hold in a candidate's placement, secrets masked."""
    shared = candidate.variables.get("parameter_defaults") or {}
    return secrets.mask({**shared, **candidate.overrides}, candidate.hidden)


def _tree(target: store.Store, candidate: Candidate) -> dict[str, Any]:
    """Return Heat's answer on a candidate, masked; from the archive if it is there."""
    key = _key(target.cloud, candidate)
    known = _TREES.get((target.archive.url, key)) or target.archive.answer("parameters", key)
    if isinstance(known, dict):
        _TREES.put((target.archive.url, key), known)
        return known
    with heat.refusals(candidate.given, candidate.hidden):
        answer = heat.validate(target.cloud, candidate.given)
    tree = parameters.mask_tree(answer, candidate.hidden)
    target.archive.keep_answer("parameters", key, tree)
    _TREES.put((target.archive.url, key), tree)
    return tree


def _key(cloud: clouds.Cloud, candidate: Candidate) -> str:
    """Return a digest of all that Heat's answer depends on; secrets count in encrypted form."""
    names = ("template", "environments", "parameter_defaults", "passwords")
    variables = {name: candidate.variables.get(name) for name in names}
    here = dict(candidate.overrides)
    given = [cloud.endpoint("orchestration"), candidate.files_id, variables, here]
    return hashlib.sha256(json.dumps(given, sort_keys=True).encode()).hexdigest()


def _elsewhere(candidate: Candidate, values: Mapping[str, Any]) -> dict[str, list[str]]:
    """Find templates of the plan that declare a parameter but are not in use."""
    unknown = {str(name) for name in values}.difference(candidate.given.declared)
    if not unknown:
        return {}
    found: dict[str, list[str]] = {}
    for path, text in candidate.texts().items():
        if "heat_template_version" in text:
            for name in unknown.intersection(_DECLARED.findall(text)):
                found.setdefault(name, []).append(path)
    return found


def _is_same(stored: Any, value: Any, name: str) -> bool:
    if secrets.is_encrypted(stored):
        stored = secrets.Vault.from_options().decrypt(stored, name)
    # In Python 1 is the same as True, and in JSON it is not.
    return json.dumps(stored, sort_keys=True) == json.dumps(value, sort_keys=True)


def _values(candidate: Candidate, key: str) -> dict[str, Any]:
    """Return a mapping of the plan's environment, which clients write as well."""
    values = candidate.variables.get(key) or {}
    if not isinstance(values, dict):
        raise exceptions.FileInvalid("the plan's environment", f"{key} must hold a mapping")
    return values
