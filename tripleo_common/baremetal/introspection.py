"""Having nodes look at themselves: by Ironic's own inspection, or by ironic-inspector."""

from __future__ import annotations

import abc
import http
import json
from collections.abc import Mapping
from typing import Any

import ironic_inspector_client
from ironicclient import exc as ironic_exc

from tripleo_common import clouds, exceptions
from tripleo_common.baremetal import inventory, nodes, runs, states
from tripleo_common.baremetal.runs import Entry, Run, Verdict

_REPORT_BYTES = 40 * 1024
"""How much of a record the report may fill; the run's own record has all."""

_REPORT_OF_FAILURES_BYTES = 12 * 1024
"""The same if nodes failed: their causes are in that record as well."""

_MANAGEABLE = (states.MANAGEABLE, "inspect failed")


class Introspection(runs.Work):
    """What both have in common."""

    stops = True

    @property
    def what(self) -> str:
        """What is done."""
        return "introspected"

    def note(self, run: Run) -> None:
        """Note which introspection of each node was its last one so far."""
        seen = self.look()
        for entry in run.entries.values():
            if entry.uuid in seen:
                entry.before = self.last(seen[entry.uuid])

    @abc.abstractmethod
    def last(self, node: Mapping[str, Any]) -> str:
        """Return what a node's last introspection is told from others by."""

    def report(self, run: Run) -> dict[str, Any]:
        """Return the outcome of each node, with less of each the more they are.

        :returns: ``introspected_nodes``: UUID to ``uuid``, ``name``, ``finished``, ``error`` and
            facts; ``failed_introspection``: list of UUIDs.
        """
        failed = [entry.uuid for entry in run.entries.values() if entry.state == runs.FAILED]
        most = _REPORT_OF_FAILURES_BYTES if failed else _REPORT_BYTES
        # Where not even that fits the ones that failed are what somebody has to look after.
        ordered = sorted(run.entries.values(), key=lambda entry: entry.state != runs.FAILED)
        found: list[tuple[str, Any]] = []
        for detail in (_all, _short, _least):
            found = [(entry.uuid, detail(entry)) for entry in ordered]
            if len(json.dumps(dict(found))) <= most:
                break
        return {
            "introspected_nodes": dict(runs.first(found, most)),
            "failed_introspection": failed,
        }


class IronicInspection(Introspection):
    """Ironic's own: the ``inspect`` of its provision states, with whatever interface a node has."""

    kind = "ironic-inspection"

    def look(self) -> dict[str, dict[str, Any]]:
        """Return all nodes, also with the time of their last inspection."""
        fields = (*nodes.STATE, "inspection_finished_at")
        return {node["uuid"]: node for node in nodes.listed(self.cloud, fields)}

    def last(self, node: Mapping[str, Any]) -> str:
        """Return when it ended; Ironic forgets that when another one begins."""
        return str(node.get("inspection_finished_at"))

    def judge(self, node: Mapping[str, Any], entry: Entry) -> tuple[Verdict, str]:
        """Tell it from the node's state."""
        state = str(node["provision_state"])
        if entry.before is None:
            entry.before = self.last(node)
        is_new = node.get("inspection_finished_at") and self.last(node) != entry.before
        if state in states.MOVES["inspect"].ways or (state == states.MANAGEABLE and is_new):
            # Also if a follower has asked for it and has not come to say so.
            entry.asked = entry.asked or "inspect"
            return (Verdict.DONE if state == states.MANAGEABLE else Verdict.MOVING), ""
        if entry.asked:
            return Verdict.FAILED, self.cause(node, entry, "nothing was found")
        if state not in _MANAGEABLE:
            return Verdict.FAILED, _refusal(state)
        unfree = nodes.free_to_move(node)
        if unfree:
            return Verdict.FAILED, f"it {unfree}"
        return Verdict.READY, "inspect"

    def delay(self, entry: Entry, seconds: float) -> str:
        """Say where it still was, and what may keep a ramdisk from calling."""
        told = super().delay(entry, seconds)
        if entry.provision_state != "inspect wait":
            return told
        return (
            f"{told}: see whether it boots from the network, and whether the MAC addresses of its "
            "ports are its own"
        )

    def start(self, entry: Entry, asked: str) -> None:
        """Ask for it."""
        self.cloud.ironic.node.set_provision_state(entry.uuid, asked)

    def stop(self, entry: Entry) -> None:
        """Abort it; that is possible as long as the ramdisk is awaited."""
        self.cloud.ironic.node.set_provision_state(entry.uuid, "abort")

    def finish(self, entry: Entry) -> None:
        """Read what was found."""
        entry.facts = facts_of(self.cloud, {"uuid": entry.uuid, "name": entry.name})


class InspectorIntrospection(Introspection):
    """By ironic-inspector, a service of its own."""

    kind = "inspector"

    def last(self, node: Mapping[str, Any]) -> str:
        """Return when it began; one that is under way is waited for as if it was asked for."""
        status = node["introspection"]
        return str(status.get("started_at")) if status.get("finished", True) else ""

    def look(self) -> dict[str, dict[str, Any]]:
        """Return all nodes, each with what ironic-inspector says of it; three requests."""
        statuses = self._statuses()
        found = super().look()
        for uuid, node in found.items():
            node["introspection"] = statuses.get(uuid, {})
        return found

    def judge(self, node: Mapping[str, Any], entry: Entry) -> tuple[Verdict, str]:
        """Tell it from ironic-inspector's status, or before it began from the node's state."""
        status = node["introspection"]
        began = str(status.get("started_at"))
        is_over = status.get("finished", True)
        if entry.before is None:
            entry.before = self.last(node)
        if not is_over:
            return Verdict.MOVING, ""
        if entry.asked and not status:
            return Verdict.FAILED, "ironic-inspector does not know of its introspection any more"
        if status and (entry.asked or began != entry.before):
            # Also if a follower has asked for it and has not come to say so.
            entry.asked = entry.asked or "inspect"
            # The next attempt is another one.
            entry.before = began
            error = status.get("error")
            return (Verdict.FAILED, str(error)) if error else (Verdict.DONE, "")
        state = str(node["provision_state"])
        if state not in (*_MANAGEABLE, states.ENROLL):
            return Verdict.FAILED, _refusal(state)
        unfree = nodes.free_to_move(node)
        if unfree:
            return Verdict.FAILED, f"it {unfree}"
        return Verdict.READY, "inspect"

    def start(self, entry: Entry, asked: str) -> None:
        """Ask for it."""
        self.cloud.inspector.introspect(entry.uuid)

    def delay(self, entry: Entry, seconds: float) -> str:
        """Say that nothing has come of it; Ironic is not told where it is."""
        return (
            f"ironic-inspector was not done with it after {seconds:g} seconds: its ramdisk has not "
            "called, or ironic-inspector, whose log tells why, has refused what it sent"
        )

    def stop(self, entry: Entry) -> None:
        """Abort it; that is refused as long as ironic-inspector itself is at work on the node."""
        try:
            self.cloud.inspector.abort(entry.uuid)
        except ironic_inspector_client.ClientError as error:
            if error.response.status_code != http.HTTPStatus.CONFLICT:
                raise
            raise runs.Passing(str(error)) from error

    def finish(self, entry: Entry) -> None:
        """Read what was found."""
        entry.facts = _found_by_inspector(self.cloud, entry.uuid)

    def _statuses(self) -> dict[str, dict[str, Any]]:
        """Return what ironic-inspector says of all nodes that it knows, by UUID."""
        found: dict[str, dict[str, Any]] = {}
        marker = None
        while True:
            try:
                page = self.cloud.inspector.list_statuses(marker=marker)
            except ironic_inspector_client.ClientError as error:
                if marker is None or error.response.status_code != http.HTTPStatus.NOT_FOUND:
                    raise
                # The node that the last page ended with is gone; so it begins anew.
                marker = None
                continue
            if not page:
                return found
            found.update((status["uuid"], status) for status in page)
            marker = page[-1]["uuid"]


def _refusal(state: str) -> str:
    """Say why a node in a state is not introspected, and what to do."""
    ways = states.MOVES["manage"].origins
    advice = "Make it so (tripleo.baremetal.v1.manage)." if state in ways else states.advice(state)
    return f"it is {state}; only manageable nodes can be introspected. {advice}"


def work_for(cloud: clouds.Cloud) -> type[Introspection]:
    """Return how nodes of a cloud are introspected: by ironic-inspector where Ironic has one."""
    try:
        # One of another region knows other nodes.
        is_here = cloud.region("baremetal-introspection") == cloud.region("baremetal")
    except (exceptions.ServiceNotFound, exceptions.RegionNotFound):
        is_here = False
    return InspectorIntrospection if is_here else IronicInspection


def facts_of(cloud: clouds.Cloud, node: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the last introspection of a node found; see :func:`inventory.facts`.

    :param node: its ``uuid`` and ``name``.
    :raises NodeStateInvalid: nothing is there.
    """
    identity = str(node["uuid"])
    try:
        if work_for(cloud) is InspectorIntrospection:
            return _found_by_inspector(cloud, identity)
    except ironic_inspector_client.ClientError as error:
        if error.response.status_code != http.HTTPStatus.NOT_FOUND:
            raise
    try:
        found = nodes.patiently(cloud, lambda: cloud.ironic.node.get_inventory(identity))
    except ironic_exc.NotFound:
        # Ironic's own words have a number that nobody else knows the node by.
        raise exceptions.NodeStateInvalid(
            exceptions.node_title(node),
            "without introspection data",
            "telling its hardware",
            "Introspect it (tripleo.baremetal.v1.introspect).",
        ) from None
    return inventory.facts(found.get("inventory"), found.get("plugin_data"))


def _found_by_inspector(cloud: clouds.Cloud, node: str) -> dict[str, Any]:
    data = cloud.inspector.get_data(node)
    return inventory.facts(data.get("inventory") if isinstance(data, dict) else None, data)


def _all(entry: Entry) -> dict[str, Any]:
    return {**_short(entry), "attempts": entry.attempts, **(entry.facts or {})}


def _short(entry: Entry) -> dict[str, Any]:
    shown = {**_least(entry), "error": entry.error, "uuid": entry.uuid, "name": entry.name}
    if entry.facts:
        shown["summary"] = inventory.summary(entry.facts)
    return shown


def _least(entry: Entry) -> dict[str, Any]:
    return {"finished": entry.ended, "error": (entry.error or "")[:200] or None}
