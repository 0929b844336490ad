"""All nodes in a table, with what to do next with each."""

from __future__ import annotations

import re
from typing import Any

from tripleo_common import clouds, exceptions
from tripleo_common.baremetal import introspection, node_data, nodes, states


def table(
    cloud: clouds.Cloud, provision_state: object = None, *, facts: bool = False
) -> list[dict[str, Any]]:
    """Return all nodes as people want to see them.

    :param provision_state: only those in that state.
    :param facts: also with what introspection found: one request more for each node.
    :returns: ``uuid``, ``name``, ``driver``, ``provision_state``, ``power_state``, ``maintenance``,
        ``profile``, ``instance_uuid``, ``last_error`` and ``next`` (what to do with it) of each,
        sorted by name; with ``facts`` those of :func:`inventory.facts`, or None.
    """
    filters: dict[str, Any] = {}
    if provision_state is not None:
        if not isinstance(provision_state, str) or provision_state not in states.STATES:
            raise exceptions.InputInvalid(
                "provision_state", f"must be one of {exceptions.one_of(states.STATES)}."
            )
        filters["provision_state"] = provision_state
    found = nodes.listed(cloud, (*nodes.STATE, "driver", "properties"), **filters)
    rows = [_row(node) for node in sorted(found, key=_order)]
    silent = [r for r in rows if states.has_failed(r["provision_state"]) and not r["last_error"]]
    for row, said in nodes.each(cloud, silent, lambda row: nodes.last_error(cloud, row)):
        row["last_error"] = None if isinstance(said, exceptions.TripleOError) else said
    if facts:
        known = nodes.each(cloud, rows, lambda row: introspection.facts_of(cloud, row))
        for row, found_facts in known:
            row["facts"] = None if isinstance(found_facts, exceptions.TripleOError) else found_facts
    return rows


def _order(node: dict[str, Any]) -> tuple[list[tuple[int, str]], str]:
    """Return what nodes are sorted by: node-9 before node-10."""
    words = re.findall(r"\d+|\D+", node["name"] or "")
    return [(int(word), "") if word.isdecimal() else (0, word) for word in words], node["uuid"]


def _row(node: dict[str, Any]) -> dict[str, Any]:
    shown = ("uuid", "name", "driver", "provision_state", "power_state", "maintenance")
    abilities = node_data.capabilities((node["properties"] or {}).get("capabilities"))
    return {
        **{name: node[name] for name in shown},
        "profile": abilities.get("profile"),
        "instance_uuid": node["instance_uuid"],
        "last_error": node["last_error"],
        "next": _next(node),
    }


def _next(node: dict[str, Any]) -> str:
    unfree = nodes.free_to_move(node)
    if unfree:
        return f"It {unfree}."
    if node["provision_state"] == states.ENROLL and node["last_error"]:
        return "See last_error; correct the node's entry and register the list again."
    return states.advice(str(node["provision_state"]))
