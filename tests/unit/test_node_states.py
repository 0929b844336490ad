import pathlib
import re

import ddt
import yaml
from ironic.common import state_machine
from ironic.common import states as ironic_states
from ironicclient.v1 import node as ironicclient_node

import tripleo_common
from tests.unit import base
from tripleo_common.baremetal import states
from tripleo_common.baremetal.states import Kind

MACHINE = state_machine.machine
EVENTS = {name: {"deleted": "delete"}.get(name, name) for name in states.MOVES}
"""Move to Ironic's event."""

INTERNAL = {("manage", "cleaning")}
"""What the machine allows, but Ironic does by itself: a manual cleaning ends with it."""

BY_IRONIC = {"clean", "done", "fail", "hold", "resume", "wait"}
"""Events that nobody asks for."""

WORKBOOK = pathlib.Path(tripleo_common.__file__).parent.parent / "workbooks" / "baremetal.yaml"


def after(state, event):
    """Return where an event leads, or None."""
    machine = MACHINE.copy()
    machine.initialize(state)
    if not machine.is_actionable_event(event):
        return None
    machine.process_event(event)
    return machine.current_state


def passed(state, found=()):
    """Return the states that Ironic leads a node through by itself, and where it may end."""
    found = {*found, state}
    if states.STATES[state].kind is not Kind.MOVING:
        return found
    for event in BY_IRONIC:
        following = after(state, event)
        if following and following not in found:
            found |= passed(following, found)
    return found


class States(base.TestCase):
    def test_every_state_of_ironic_is_known_and_no_other(self):
        self.assertEqual(set(MACHINE.states), set(states.STATES))

    def test_what_can_be_expected(self):
        kinds = {name: state.kind for name, state in states.STATES.items()}
        failed = {*ironic_states.FAILURE_STATES, ironic_states.ERROR}
        self.assertEqual(failed, {name for name, kind in kinds.items() if kind is Kind.FAILED})
        self.assertEqual(
            set(ironic_states.UNSTABLE_STATES),
            {name for name, kind in kinds.items() if kind is Kind.MOVING},
        )

    def test_what_to_do_next_exists(self):
        workflows = yaml.safe_load(WORKBOOK.read_text())["workflows"]
        told = " ".join(state.next for state in states.STATES.values())
        named = set(re.findall(r"tripleo\.baremetal\.v1\.(\w+)", told))
        self.assertIn("introspect", named)
        self.assertEqual(set(), named - set(workflows))

    def test_every_sentence_is_one(self):
        for state in states.STATES.values():
            for words in (state.meaning, state.next):
                self.assertRegex(words, r"^[A-Z].*\.$")
            if state.kind is Kind.FAILED:
                self.assertIn("See last_error", state.next)

    def test_state_of_a_later_ironic(self):
        self.assertTrue(states.is_moving("dreaming"))
        self.assertIn("not known", states.advice("dreaming"))
        self.assertFalse(states.is_moving("active"))
        self.assertTrue(states.is_moving("cleaning"))
        self.assertEqual("Unrescue it.", states.advice("rescue"))


@ddt.ddt
class Moves(base.TestCase):
    @ddt.data(*sorted(states.MOVES))
    def test_from_where(self, name):
        allowed = {
            state
            for state in MACHINE.states
            if after(state, EVENTS[name]) and (name, state) not in INTERNAL
        }
        self.assertEqual(allowed, set(states.MOVES[name].origins))

    @ddt.data(*sorted(name for name, move in states.MOVES.items() if move.goal))
    def test_where_to_and_through_what(self, name):
        move = states.MOVES[name]
        ways = set()
        for origin in move.origins:
            found = passed(after(origin, EVENTS[name]))
            self.assertIn(move.goal, found)
            ways |= {state for state in found if states.is_moving(state) or "hold" in state}
        self.assertEqual(ways, set(move.ways))

    @ddt.data(*sorted(states.MOVES["abort"].origins))
    def test_abort_ends_at_once(self, origin):
        self.assertFalse(states.is_moving(after(origin, "abort")))

    @ddt.data(
        ("enroll", ("manage", "provide"), "manage"),
        ("manageable", ("manage", "provide"), "provide"),
        ("clean failed", ("manage", "provide"), "manage"),
        ("active", ("manage", "provide"), None),
        ("enroll", ("provide",), None),
        ("manageable", ("provide", "adopt"), "adopt"),
        ("available", ("manage",), "manage"),
        ("deploy failed", ("deleted",), "deleted"),
        ("cleaning", ("manage",), None),
    )
    @ddt.unpack
    def test_next_move(self, state, moves, wanted):
        self.assertEqual(wanted, states.next_move(state, moves))


@ddt.ddt
class Sets(base.TestCase):
    def test_ironic_deletes(self):
        self.assertEqual(
            {*ironic_states.DELETE_ALLOWED_STATES, ironic_states.AVAILABLE}, set(states.DELETABLE)
        )

    @ddt.data(*sorted(states.REMOVABLE))
    def test_removable_nodes_are_nobodys_and_can_be_made_deletable(self, state):
        free = {"enroll", "manageable", "available", *ironic_states.FAILURE_STATES}
        self.assertIn(state, free)
        self.assertNotIn(state, states.MOVES["deleted"].origins)
        if state not in states.DELETABLE:
            self.assertIn(after(state, "manage"), states.DELETABLE)

    @ddt.data(*sorted(states.CHANGEABLE))
    def test_ironic_lets_nodes_be_changed(self, state):
        self.assertFalse(states.is_moving(state))
        machine = MACHINE.copy()
        machine.initialize(state)
        has_target = machine.target_state is not None
        self.assertTrue(not has_target or state in ironic_states.UPDATE_ALLOWED_STATES)

    def test_power(self):
        self.assertEqual(set(ironicclient_node._power_states), set(states.POWER))
        self.assertEqual({ironic_states.POWER_ON, ironic_states.POWER_OFF}, {states.ON, states.OFF})
        self.assertEqual(
            {"on", "reboot", "soft reboot"},
            {name for name, goal in states.POWER.items() if goal == states.ON},
        )
