"""Moving nodes from provision state to provision state, and switching them on and off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tripleo_common import exceptions
from tripleo_common.baremetal import nodes, runs, states
from tripleo_common.baremetal.runs import Entry, Verdict

_OFF = "switch off"


class Provision(runs.Work):
    """Ask for one move after the other until a node is in the state that is the goal.

    Options: ``goal``; ``moves`` that may be asked for; ``errors``, further states that count as
    failed; ``off``, whether the node is switched off there; ``what``.
    """

    kind = "provision"

    @property
    def what(self) -> str:
        """What is done."""
        return str(self.options.get("what") or f"made {self.options['goal']}")

    def look(self) -> dict[str, dict[str, Any]]:
        """Return all nodes, also with whether they are never to be switched off."""
        found = nodes.listed(self.cloud, (*nodes.STATE, "disable_power_off"))
        return {node["uuid"]: node for node in found}

    def judge(self, node: Mapping[str, Any], entry: Entry) -> tuple[Verdict, str]:
        """Tell it from the node's state and from what it was asked for."""
        goal, moves = self.options["goal"], tuple(self.options["moves"])
        state = str(node["provision_state"])
        if state == goal and not node.get("target_provision_state"):
            return self._switched_off(node, entry)
        ours = {way for name in moves for way in states.MOVES[name].ways}
        if entry.asked and state in (self.options.get("errors") or ()):
            return Verdict.FAILED, self.cause(node, entry)
        if states.is_moving(state) or state in ours:
            entry.asked = entry.asked or _asked(node, moves)
            if entry.asked or state in ours:
                return Verdict.MOVING, ""
            return (
                Verdict.FAILED,
                f"it is {state}: something else is done with it; wait for that to end",
            )
        asked = states.MOVES.get(entry.asked or "")
        if asked and state != asked.goal:
            return Verdict.FAILED, self.cause(node, entry)
        unfree = nodes.free_to_move(node)
        if unfree:
            return Verdict.FAILED, f"it {unfree}"
        following = states.next_move(state, moves)
        if following is None:
            return Verdict.FAILED, (
                f"it is {state}, from which it cannot become {goal}. {states.advice(state)}"
            )
        return Verdict.READY, following

    def _switched_off(self, node: Mapping[str, Any], entry: Entry) -> tuple[Verdict, str]:
        """Judge a node that is at the goal."""
        if not self.options.get("off") or node["power_state"] != states.ON:
            return Verdict.DONE, ""
        if node.get("disable_power_off"):
            return Verdict.DONE, ""
        if nodes.free_to_move(node):
            # Somebody has taken it already.
            return Verdict.DONE, ""
        if node.get("target_power_state") or (entry.asked == _OFF and node.get("reservation")):
            return Verdict.MOVING, ""
        if entry.asked == _OFF:
            return (
                Verdict.FAILED,
                f"it is {node['provision_state']}, but still on: {self.cause(node, entry)}",
            )
        return Verdict.READY, _OFF

    def start(self, entry: Entry, asked: str) -> None:
        """Ask for a move, or to be switched off."""
        if asked == _OFF:
            self.cloud.ironic.node.set_power_state(entry.uuid, "off")
        else:
            self.cloud.ironic.node.set_provision_state(entry.uuid, asked)


class Power(runs.Work):
    """Switch nodes on or off. Options: ``asked`` (one of :data:`states.POWER`)."""

    kind = "power"

    @property
    def what(self) -> str:
        """What is done."""
        return f"switched ({self.options['asked']})"

    def judge(self, node: Mapping[str, Any], entry: Entry) -> tuple[Verdict, str]:
        """Tell it from the node's power state, and from whether Ironic is at work on it."""
        wanted = self.options["asked"]
        goal, is_reboot = states.POWER[wanted], wanted.endswith("reboot")
        if node.get("target_power_state") == goal:
            # Also if a follower has asked for it and has not come to say so.
            entry.asked = entry.asked or wanted
        # Ironic holds the node until the power has changed, or has failed to.
        if node.get("target_power_state") or (entry.asked and node.get("reservation")):
            return Verdict.MOVING, ""
        is_there = node["power_state"] == goal
        if is_reboot and (not entry.asked or node.get("last_error")):
            # That it is on does not tell that it was rebooted.
            is_there = False
        if is_there:
            return Verdict.DONE, ""
        if entry.asked:
            return (
                Verdict.FAILED,
                f"its power state is {node['power_state']}: {self.cause(node, entry)}",
            )
        if not states.is_free(node):
            used = f"in use by instance {node['instance_uuid']}" if node["instance_uuid"] else ""
            return Verdict.FAILED, (
                f"it is {used or node['provision_state']}; only nodes are switched that are "
                f"{exceptions.one_of(states.CHANGEABLE)}, and nobody's"
            )
        return Verdict.READY, wanted

    def delay(self, entry: Entry, seconds: float) -> str:
        """Say that it was not switched."""
        return f"it was not switched ({self.options['asked']}) within {seconds:g} seconds"

    def start(self, entry: Entry, asked: str) -> None:
        """Ask for a power state."""
        action, soft = asked.removeprefix("soft "), asked.startswith("soft ")
        self.cloud.ironic.node.set_power_state(entry.uuid, action, soft=soft)


def goal_of(action: object, target: object) -> tuple[str, str]:
    """Return the move and the state that an input names, as ``set_node_state`` takes them.

    :raises InputInvalid: there is no such move, or it does not lead there.
    """
    if not isinstance(action, str) or states.MOVES.get(action, _NONE).goal is None:
        able = [name for name, move in states.MOVES.items() if move.goal]
        raise exceptions.InputInvalid(
            "state_action", f"must be one of {exceptions.one_of(able)}, not {str(action)[:80]!r}."
        )
    goal = str(states.MOVES[action].goal)
    if target not in (None, goal):
        raise exceptions.InputInvalid(
            "target_state", f"must be {goal}, to which {action} leads, not {str(target)[:80]!r}."
        )
    return action, goal


def power_of(action: object, target: object) -> str:
    """Return the power action that an input names, as ``set_power_state`` takes it.

    :raises InputInvalid: there is no such action, or it does not lead there.
    """
    if not isinstance(action, str) or action not in states.POWER:
        raise exceptions.InputInvalid(
            "state_action",
            f"must be one of {exceptions.one_of(states.POWER)}, not {str(action)[:80]!r}.",
        )
    if target not in (None, states.POWER[action]):
        raise exceptions.InputInvalid(
            "target_state",
            f"must be {states.POWER[action]!r}, to which {action} leads, not {str(target)[:80]!r}.",
        )
    return action


_NONE = states.Move(frozenset(), None, frozenset())


def _asked(node: Mapping[str, Any], moves: Sequence[str]) -> str | None:
    """Return the move that a node is seen on, if it is one of those.

    A follower may have asked for it and not come to say so.
    """
    state, target = node["provision_state"], node.get("target_provision_state")
    ways = ((name, states.MOVES[name]) for name in moves)
    return next((name for name, move in ways if state in move.ways and target == move.goal), None)
