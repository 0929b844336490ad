"""Ironic's inspection rules of a plan: what introspection sets by itself.

The source is https://docs.openstack.org/ironic/latest/admin/inspection/inspection_rules.html
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from ironicclient import exc as ironic_exc

from tripleo_common import clouds, exceptions, vault
from tripleo_common.baremetal import nodes

_FIELDS = frozenset({"description", "priority", "sensitive", "phase", "conditions", "actions"})

_DESCRIPTION = 255
"""How many characters Ironic keeps of a description."""

_NAMESPACE = uuid.UUID("5a0f9e43-58f0-4e0b-9b6f-0d4f6fd0c8b8")


def load(
    cloud: clouds.Cloud, plan: str, rules: Mapping[str, Sequence[Mapping[str, Any]]]
) -> dict[str, int]:
    """Let Ironic have exactly the inspection rules that a plan has.

    Rules of other plans, and of nobody, stay. A rule is known by its content, so one that is there
    already is left alone.

    :param rules: path of a file to the rules in it, as Ironic's API takes them.
    :returns: counts: ``created``, ``deleted``, ``unchanged``.
    :raises InputInvalid: a rule is wrong; nothing was changed by then, unless Ironic says so.
    """
    mark = f"[plan {plan}]"
    wanted: dict[str, dict[str, Any]] = {}
    for path, listed in rules.items():
        for number, rule in enumerate(listed):
            where = f"rule {number} of {path}"
            unknown = set(rule) - _FIELDS
            if unknown:
                raise exceptions.InputInvalid(
                    where,
                    f"has {exceptions.one_of(map(str, unknown))}; a rule can have "
                    f"{exceptions.one_of(_FIELDS)}.",
                )
            if not isinstance(rule.get("actions"), list) or not rule["actions"]:
                raise exceptions.InputInvalid(where, "must have a list of actions.")
            words = str(rule.get("description") or path)
            content = {**rule, "description": f"{words[: _DESCRIPTION - len(mark) - 1]} {mark}"}
            known = vault.to_json([plan, path, content], where, ordered=True)
            wanted[str(uuid.uuid5(_NAMESPACE, known.decode()))] = content
    there = {
        rule.uuid
        for rule in nodes.patiently(cloud, lambda: cloud.ironic.inspection_rule.list(limit=0))
        if str(rule.description or "").endswith(mark)
    }
    for identity in wanted.keys() - there:
        _create(cloud, identity, wanted[identity])
    for identity in there - wanted.keys():
        _delete(cloud, identity)
    return {
        "created": len(wanted.keys() - there),
        "deleted": len(there - wanted.keys()),
        "unchanged": len(wanted.keys() & there),
    }


def _create(cloud: clouds.Cloud, identity: str, rule: Mapping[str, Any]) -> None:
    try:
        nodes.patiently(cloud, lambda: cloud.ironic.inspection_rule.create(uuid=identity, **rule))
    except ironic_exc.Conflict:
        # Somebody loads the same rules at the same time.
        cloud.ironic.inspection_rule.get(identity)
    except ironic_exc.BadRequest as error:
        raise exceptions.InputInvalid(
            f"rule {rule['description']}", f"is refused by Ironic: {str(error)[:500]}"
        ) from error


def _delete(cloud: clouds.Cloud, identity: str) -> None:
    # It may be gone: deleted by our own request whose answer was lost, or by somebody else.
    with contextlib.suppress(ironic_exc.NotFound):
        nodes.patiently(cloud, lambda: cloud.ironic.inspection_rule.delete(identity))
