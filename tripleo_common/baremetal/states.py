"""What Ironic's provision states mean, which moves they allow, and what to do next.

The source is Ironic's state machine (https://docs.openstack.org/ironic/latest/user/states.html); a
test holds the moves against the one of the installed Ironic.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, NamedTuple

ENROLL, MANAGEABLE, AVAILABLE = "enroll", "manageable", "available"

ON, OFF = "power on", "power off"


class Kind(enum.Enum):
    """What can be expected of a node in a state."""

    STABLE = "stable"
    """It stays until it is asked for something."""
    MOVING = "moving"
    """Ironic is at work on it."""
    FAILED = "failed"
    """Ironic has given up; somebody must ask for something else."""


class State(NamedTuple):
    """A provision state."""

    kind: Kind
    meaning: str
    """A sentence."""
    next: str
    """A sentence: what to do with a node in that state."""


_WAIT = "Wait for it to end."

STATES: dict[str, State] = {
    ENROLL: State(
        Kind.STABLE,
        "Ironic knows the node, and has not tried its BMC yet.",
        "Make it manageable (tripleo.baremetal.v1.manage).",
    ),
    "verifying": State(Kind.MOVING, "Ironic tries the node's BMC.", _WAIT),
    MANAGEABLE: State(
        Kind.STABLE,
        "Ironic can manage the node.",
        "Introspect it (tripleo.baremetal.v1.introspect), or make it available "
        "(tripleo.baremetal.v1.provide).",
    ),
    AVAILABLE: State(
        Kind.STABLE,
        "The node can be deployed.",
        "Deploy it; or make it manageable again (tripleo.baremetal.v1.manage).",
    ),
    "inspecting": State(Kind.MOVING, "Ironic prepares the node's introspection.", _WAIT),
    "inspect wait": State(Kind.MOVING, "The node's ramdisk is awaited.", _WAIT),
    "inspect failed": State(
        Kind.FAILED,
        "The node's introspection failed.",
        "See last_error; introspect it again (tripleo.baremetal.v1.introspect), or make it "
        "manageable (tripleo.baremetal.v1.manage).",
    ),
    "cleaning": State(Kind.MOVING, "The node is being cleaned.", _WAIT),
    "clean wait": State(Kind.MOVING, "The node is being cleaned by its ramdisk.", _WAIT),
    "clean hold": State(
        Kind.STABLE, "The node's cleaning is on hold.", "Let it go on (unhold), or abort it."
    ),
    "clean failed": State(
        Kind.FAILED,
        "The node's cleaning failed.",
        "See last_error; make it manageable (tripleo.baremetal.v1.manage), then available again. "
        "Ironic may have set maintenance, which has to be taken off first.",
    ),
    "adopting": State(Kind.MOVING, "Ironic takes over a deployed node.", _WAIT),
    "adopt failed": State(
        Kind.FAILED,
        "Ironic could not take the node over.",
        "See last_error; adopt it again, or make it manageable (tripleo.baremetal.v1.manage).",
    ),
    "deploying": State(Kind.MOVING, "The node is being deployed.", _WAIT),
    "wait call-back": State(Kind.MOVING, "The node is being deployed by its ramdisk.", _WAIT),
    "deploy hold": State(
        Kind.STABLE, "The node's deployment is on hold.", "Let it go on (unhold), or abort it."
    ),
    "deploy failed": State(
        Kind.FAILED, "The node's deployment failed.", "See last_error; undeploy it (deleted)."
    ),
    "active": State(Kind.STABLE, "The node is deployed.", "Leave it; undeploy it to reuse it."),
    "deleting": State(Kind.MOVING, "The node is being undeployed.", _WAIT),
    "error": State(
        Kind.FAILED, "The node could not be undeployed.", "See last_error; undeploy it again."
    ),
    "rescuing": State(Kind.MOVING, "The node's rescue ramdisk is being started.", _WAIT),
    "rescue wait": State(Kind.MOVING, "The node's rescue ramdisk is awaited.", _WAIT),
    "rescue": State(Kind.STABLE, "The node runs its rescue ramdisk.", "Unrescue it."),
    "rescue failed": State(Kind.FAILED, "The node could not be rescued.", "See last_error."),
    "unrescuing": State(Kind.MOVING, "The node is being unrescued.", _WAIT),
    "unrescue failed": State(Kind.FAILED, "The node could not be unrescued.", "See last_error."),
    "servicing": State(Kind.MOVING, "The deployed node is being serviced.", _WAIT),
    "service wait": State(Kind.MOVING, "The deployed node is serviced by its ramdisk.", _WAIT),
    "service hold": State(
        Kind.STABLE, "The deployed node's service is on hold.", "Let it go on, or abort it."
    ),
    "service failed": State(
        Kind.FAILED, "The deployed node's service failed.", "See last_error; abort it."
    ),
}
"""Every state that a node can be seen in."""


class Move(NamedTuple):
    """What can be asked of a node (``target`` of Ironic's provision states)."""

    origins: frozenset[str]
    """States from which it is possible."""
    goal: str | None
    """The state in which it ends if all goes well; None if that depends on the origin."""
    ways: frozenset[str]
    """States that it leads through."""


MOVES: dict[str, Move] = {
    "manage": Move(
        frozenset({ENROLL, AVAILABLE, "clean failed", "inspect failed", "adopt failed"}),
        MANAGEABLE,
        frozenset({"verifying"}),
    ),
    "provide": Move(
        frozenset({MANAGEABLE}), AVAILABLE, frozenset({"cleaning", "clean wait", "clean hold"})
    ),
    "inspect": Move(
        frozenset({MANAGEABLE, "inspect failed"}),
        MANAGEABLE,
        frozenset({"inspecting", "inspect wait"}),
    ),
    "adopt": Move(frozenset({MANAGEABLE, "adopt failed"}), "active", frozenset({"adopting"})),
    "deleted": Move(
        frozenset(
            {
                "active",
                "deploy failed",
                "error",
                "rescue",
                "rescue failed",
                "rescue wait",
                "service failed",
                "service wait",
                "unrescue failed",
                "wait call-back",
            }
        ),
        AVAILABLE,
        frozenset({"deleting", "cleaning", "clean wait", "clean hold"}),
    ),
    "abort": Move(
        frozenset(
            {
                "clean wait",
                "clean hold",
                "deploy hold",
                "inspect wait",
                "rescue wait",
                "service failed",
                "service hold",
                "service wait",
                "wait call-back",
            }
        ),
        None,
        frozenset(),
    ),
}
"""What this project asks of nodes; what needs further data (deploy, clean, rescue) is not here."""

REMOVABLE = frozenset(
    {ENROLL, MANAGEABLE, AVAILABLE, "inspect failed", "clean failed", "adopt failed"}
)
"""States of nodes that are nobody's, so that they may be deleted."""

DELETABLE = frozenset({ENROLL, MANAGEABLE, AVAILABLE, "adopt failed"})
"""Those of them in which Ironic deletes a node that is not in maintenance."""

CHANGEABLE = REMOVABLE
"""States of nodes that are nobody's and that nothing happens to, so that they may be changed."""

POWER = {
    "on": ON,
    "off": OFF,
    "soft off": OFF,
    "reboot": ON,
    "soft reboot": ON,
}
"""What can be asked of a node's power, and the power state that it leads to."""


def next_move(state: str, moves: tuple[str, ...]) -> str | None:
    """Return what to ask of a node for it to come nearer to where moves lead.

    :param state: where it is.
    :param moves: what may be asked, in the order in which it leads to the goal.
    :returns: nothing if none of that is possible from there.
    """
    return next((name for name in reversed(moves) if state in MOVES[name].origins), None)


def advice(state: str) -> str:
    """Return a sentence: what to do with a node in a state."""
    known = STATES.get(state)
    return known.next if known else "This state is not known here; see Ironic's documentation."


def is_moving(state: str) -> bool:
    """Tell whether Ironic is at work on a node in that state. One that is not known is moving."""
    return state not in STATES or STATES[state].kind is Kind.MOVING


def has_failed(state: str) -> bool:
    """Tell whether Ironic has given up a node in that state."""
    return state in STATES and STATES[state].kind is Kind.FAILED


def is_free(node: Mapping[str, Any]) -> bool:
    """Tell whether a node is nobody's, and nothing happens to it.

    :param node: its ``provision_state`` and ``instance_uuid``.
    """
    return not node.get("instance_uuid") and node["provision_state"] in CHANGEABLE
