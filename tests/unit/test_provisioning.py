import math

import ddt

from tests.unit import fake_ironic
from tests.unit.fake_ironic import CONDUCTOR, uuids
from tripleo_common import exceptions
from tripleo_common.baremetal import following, provisioning, runs, states

BUSY = sorted(name for name in states.STATES if states.is_moving(name))
THEIRS = sorted(
    name
    for name in states.STATES
    if not states.is_moving(name)
    and name not in (*states.MOVES["provide"].origins, *states.MOVES["provide"].ways, "available")
)
"""States in which a node stays that cannot be made available at once."""


class WithMoves(fake_ironic.WithIronic):
    def move(self, nodes, action="provide", target=None, **more):
        """Move nodes to their end, and return the result."""
        following.move(self.cloud, uuids(nodes), action, target, run_id="run", **more)
        return self.end()

    def move_badly(self, nodes, action="provide", target=None, **more):
        """Move nodes to their end, and return why each that failed did so."""
        following.move(self.cloud, uuids(nodes), action, target, run_id="run", **more)
        return {node["uuid"]: node["error"] for node in self.end_badly()["failed"]}

    def cause(self, node, *given, **more):
        """Move a node, which fails, and return why."""
        return self.move_badly([node], *given, **more)[node["uuid"]]

    def chain(self, nodes, off=False):
        """Begin to make nodes available wherever they are, as a registration does."""
        options = {"goal": "available", "moves": ["manage", "provide"], "off": off}
        work = provisioning.Provision(self.cloud, options)
        runs.begin(self.cloud, work, lambda: nodes, options, "run")


@ddt.ddt
class Moves(WithMoves):
    @ddt.data(
        ("enroll", "manage", "manageable"),
        ("available", "manage", "manageable"),
        ("clean failed", "manage", "manageable"),
        ("inspect failed", "manage", "manageable"),
        ("manageable", "provide", "available"),
        ("manageable", "adopt", "active"),
        ("deploy failed", "deleted", "available"),
    )
    @ddt.unpack
    def test_node_comes_where_it_should(self, origin, action, goal):
        node = self.ironic.add("a", provision_state=origin, last_error="long ago")
        result = self.move([node], action, goal)
        self.assertEqual(goal, node["provision_state"])
        self.assertEqual((True, f"1 node was made {goal}."), (result["done"], result["message"]))
        self.assertEqual(
            [{"uuid": node["uuid"], "name": "a", "provision_state": goal}], result["nodes"]
        )

    def test_inspect_is_an_introspection_though_the_node_is_manageable(self):
        node = self.ironic.add("a")
        result = self.move([node], "inspect", "manageable")
        self.assertEqual(["inspect"], self.ironic.asked(node))
        self.assertEqual("1 node was introspected.", result["message"])

    def test_node_that_is_there_is_not_asked(self):
        node = self.ironic.add(provision_state="available")
        result = self.move([node])
        self.assertEqual(1, result["counts"]["succeeded"])
        self.assertEqual([], self.ironic.touched(node))

    def test_node_that_is_leaving_again_is_not_there(self):
        node = self.ironic.add(provision_state="available", target_provision_state="active")
        self.assertIn("it is available, from which", self.cause(node))

    def test_all_that_are_manageable(self):
        wanted = self.ironic.add_many(3)
        others = [
            self.ironic.add(maintenance=True),
            self.ironic.add(instance_uuid="i"),
            self.ironic.add(provision_state="active"),
        ]
        following.move(self.cloud, "manageable", "provide", None, run_id="run")
        self.end()
        self.assertEqual({"available"}, {node["provision_state"] for node in wanted})
        self.assertEqual([[]] * 3, [self.ironic.touched(node) for node in others])

    def test_one_move_after_the_other(self):
        new = self.ironic.add(provision_state="enroll")
        managed = self.ironic.add()
        broken = self.ironic.add(provision_state="clean failed")
        there = self.ironic.add(provision_state="available")
        self.chain([new, managed, broken, there])
        self.assertEqual(4, self.end()["counts"]["succeeded"])
        self.assertEqual({"available": 4}, self.ironic.states())
        self.assertEqual(["manage", "provide"], self.ironic.asked(new))
        self.assertEqual(["provide"], self.ironic.asked(managed))
        self.assertEqual(["manage", "provide"], self.ironic.asked(broken))
        self.assertEqual([], self.ironic.asked(there))

    def test_the_second_of_two_moves_fails(self):
        node = self.ironic.add(provision_state="enroll")
        self.ironic.break_next(node, "provide", "no disk to erase")
        self.chain([node])
        (failed,) = self.end_badly()["failed"]
        self.assertEqual("no disk to erase", failed["error"])
        self.assertEqual(["manage", "provide"], self.ironic.asked(node))


@ddt.ddt
class Failures(WithMoves):
    def test_failed_node_ends_at_once_with_its_last_error_and_stops_no_other(self):
        nodes = self.ironic.add_many(4, provision_state="enroll")
        self.ironic.break_next(nodes[1], "manage", "Failed to get power state: no BMC there")
        self.ironic.slow[nodes[2]["uuid"]] = 300
        following.move(self.cloud, uuids(nodes), "manage", None, run_id="run")
        progress = self.step()
        self.assertEqual((2, 1), (progress["counts"]["succeeded"], progress["counts"]["failed"]))
        self.assertFalse(progress["done"])
        entry = self.entry(nodes[1])
        self.assertEqual("Failed to get power state: no BMC there", entry.error)
        self.assertLess(entry.attempts[0]["seconds"], 5)
        details = self.end_badly()
        self.assertEqual(
            [{"uuid": nodes[1]["uuid"], "name": "node-1", "error": entry.error}], details["failed"]
        )
        self.assertEqual(3, details["counts"]["succeeded"])
        self.assertEqual(1, len(self.ironic.asked(nodes[1])))

    def test_message_has_each_cause(self):
        nodes = self.ironic.add_many(3, provision_state="enroll")
        self.ironic.break_next(nodes[0], "manage", "no BMC")
        self.ironic.break_next(nodes[2], "manage", "wrong password")
        following.move(self.cloud, uuids(nodes), "manage", None, run_id="run")
        error = self.assertRaises(exceptions.NodesFailed, self.end)
        self.assertEqual(
            f"2 of 3 nodes could not be made manageable: node-0 (UUID {nodes[0]['uuid']}): no BMC; "
            f"node-2 (UUID {nodes[2]['uuid']}): wrong password",
            error.message,
        )
        # It is the same if somebody asks again.
        again = self.assertRaises(exceptions.NodesFailed, self.step)
        self.assertEqual(error.to_dict(), again.to_dict())

    def test_ironic_says_no_cause(self):
        node = self.ironic.add(provision_state="enroll")
        self.ironic.break_next(node, "manage", "x")
        following.move(self.cloud, uuids([node]), "manage", None, run_id="run")
        self.ironic.on("GET", "^/v1/nodes", lambda *_: node.update(last_error=None))
        self.ironic.refuse("GET", "/history", 404, "no such thing")
        (failed,) = self.end_badly()["failed"]
        self.assertEqual("it is enroll, and Ironic says no cause", failed["error"])

    def test_ironic_has_cleared_the_cause_again(self):
        """That is what its conductor does when it sees that the power is as expected."""
        node = self.ironic.add(provision_state="enroll")
        self.ironic.break_next(node, "manage", "no BMC")
        following.move(self.cloud, uuids([node]), "manage", None, run_id="run")
        self.ironic.on("GET", "^/v1/nodes", lambda *_: node.update(last_error=None))
        (failed,) = self.end_badly()["failed"]
        self.assertEqual("no BMC", failed["error"])

    def test_older_failure_is_no_cause(self):
        node = self.ironic.add(provision_state="enroll")
        self.ironic.break_next(node, "manage", "no BMC")
        following.move(self.cloud, uuids([node]), "manage", None, run_id="run")

        def forget(*_):
            node.update(last_error=None)
            self.ironic.history[node["uuid"]] = [
                {"severity": "ERROR", "created_at": "1970-01-01T00:00:00+00:00", "event": "old"},
                {"severity": "INFO", "created_at": "2099-01-01T00:00:00+00:00", "event": "new"},
            ]

        self.ironic.on("GET", "^/v1/nodes", forget)
        (failed,) = self.end_badly()["failed"]
        self.assertEqual("it is enroll, and Ironic says no cause", failed["error"])

    def test_cleaning_fails_and_ironic_sets_maintenance(self):
        node = self.ironic.add()
        self.ironic.break_next(node, "provide", "agent timed out")
        self.assertEqual("agent timed out", self.cause(node))
        # It is told what has to be done first.
        self.ironic.sent.clear()
        following.move(self.cloud, uuids([node]), "manage", None, run_id="again")
        (failed,) = self.end_badly("again")["failed"]
        self.assertEqual(
            "it is in maintenance (agent timed out); take that off first", failed["error"]
        )
        self.assertEqual([], self.ironic.touched(node))

    @ddt.data(*THEIRS)
    def test_node_that_is_elsewhere_is_never_touched(self, state):
        other = self.ironic.add()
        node = self.ironic.add(provision_state=state)
        cause = self.move_badly([node, other])[node["uuid"]]
        self.assertEqual(
            f"it is {state}, from which it cannot become available. {states.advice(state)}", cause
        )
        self.assertEqual([], self.ironic.touched(node))
        self.assertEqual("available", other["provision_state"])

    @ddt.data(*(state for state in BUSY if state not in states.MOVES["provide"].ways))
    def test_node_that_ironic_leads_elsewhere_is_never_touched(self, state):
        node = self.ironic.add(provision_state=state, target_provision_state="active")
        self.assertEqual(
            f"it is {state}: something else is done with it; wait for that to end", self.cause(node)
        )
        self.assertEqual([], self.ironic.touched(node))

    @ddt.data(
        ({"instance_uuid": "i-7"}, "it is in use by instance i-7"),
        ({"maintenance": True}, "it is in maintenance; take that off first"),
        (
            {"maintenance": True, "maintenance_reason": "fan", "instance_uuid": "i"},
            r"it is in maintenance \(fan\); take that off first",
        ),
    )
    @ddt.unpack
    def test_node_in_use_or_maintenance_is_never_touched(self, fields, cause):
        for state, action in (
            ("manageable", "provide"),
            ("enroll", "manage"),
            ("active", "deleted"),
        ):
            node = self.ironic.add(provision_state=state, **fields)
            following.move(self.cloud, uuids([node]), action, None, run_id=state)
            (failed,) = self.end_badly(state)["failed"]
            self.assertRegex(failed["error"], f"^{cause}$")
            self.assertEqual([], self.ironic.touched(node))

    def test_node_is_taken_between_two_moves(self):
        node = self.ironic.add(provision_state="enroll")
        self.chain([node])
        self.ironic.on(
            "GET",
            "^/v1/nodes",
            lambda *_: node.update(instance_uuid=node["power_state"] and "i"),
        )
        node["power_state"] = None
        (failed,) = self.end_badly()["failed"]
        self.assertEqual("it is in use by instance i", failed["error"])
        self.assertEqual(["manage"], self.ironic.asked(node))

    def test_too_slow_a_node(self):
        slow, other = self.ironic.add_many(2)
        self.ironic.slow[slow["uuid"]] = math.inf
        causes = self.move_badly([slow, other], node_timeout=30)
        words = "after 30 seconds (The node is being cleaned)"
        self.assertEqual({slow["uuid"]: f"it was still in state cleaning {words}"}, causes)
        self.assertEqual(["provide"], self.ironic.asked(slow))
        self.assertLess(self.fake.clock.now, 1035)

    def test_too_slow_a_node_is_not_asked_for_more(self):
        node = self.ironic.add(provision_state="enroll")
        self.ironic.slow[node["uuid"]] = 25
        options = {"goal": "available", "moves": ["manage", "provide"], "node_timeout": 22}
        work = provisioning.Provision(self.cloud, options)
        runs.begin(self.cloud, work, lambda: [node], options, "run")
        self.step()
        # Nobody has looked for a while, in which it has come half-way.
        self.fake.clock.now += 10
        (failed,) = self.end_badly()["failed"]
        self.assertIn("it was still in state manageable after 22 seconds", failed["error"])
        self.assertEqual(["manage"], self.ironic.asked(node))

    def test_what_ironic_says_is_kept_to_a_length(self):
        node = self.ironic.add()
        self.ironic.break_next(node, "provide", "x" * 5000)
        self.assertEqual("x" * 1000, self.cause(node))
        self.assertEqual("x" * 1000, self.entry(node).attempts[0]["error"])

    def test_no_time_counts_while_it_waits_for_its_turn(self):
        nodes = self.ironic.add_many(4)
        self.ironic.seconds = 20
        result = self.move(nodes, node_timeout=25, concurrency=1)
        self.assertEqual(4, result["counts"]["succeeded"])


@ddt.ddt
class Others(WithMoves):
    """What somebody else does with the nodes."""

    def test_what_is_under_way_already_is_not_asked_again(self):
        node = self.ironic.add(provision_state="enroll")
        self.cloud.ironic.node.set_provision_state(node["uuid"], "manage")
        self.move([node], "manage")
        self.assertEqual(1, len(self.ironic.asked()))

    def test_what_is_under_way_already_fails(self):
        node = self.ironic.add(provision_state="enroll")
        self.ironic.break_next(node, "manage", "no BMC")
        self.cloud.ironic.node.set_provision_state(node["uuid"], "manage")
        self.assertEqual("no BMC", self.cause(node, "manage"))
        self.assertEqual(1, len(self.ironic.asked()))

    def test_cleaning_that_leads_elsewhere_is_waited_for(self):
        """A manual cleaning ends where the node can be made available."""
        node = self.ironic.add(provision_state="cleaning", target_provision_state="manageable")

        def end():
            self.ironic._process(node, "manage", ())

        self.ironic._later(8, node["uuid"], end)
        self.move([node])
        self.assertEqual(["provide"], self.ironic.asked())
        self.assertGreater(self.fake.clock.now, 1008)

    def test_cleaning_on_hold_goes_on_when_somebody_lets_it(self):
        node = self.ironic.add(provision_state="clean hold", target_provision_state="available")

        def release():
            node.update(provision_state="available", target_provision_state=None)

        self.ironic._later(100, node["uuid"], release)
        self.move([node])
        self.assertEqual([], self.ironic.asked())

    @ddt.data("clean hold", "clean wait")
    def test_states_that_count_as_failed(self, state):
        node = self.ironic.add()
        self.ironic.slow[node["uuid"]] = math.inf
        following.move(
            self.cloud, uuids([node]), "provide", None, errors=["deploy hold", state], run_id="run"
        )
        self.step()
        node.update(provision_state=state, last_error="step 4 waits")
        (failed,) = self.end_badly()["failed"]
        self.assertEqual("step 4 waits", failed["error"])

    def test_error_state_from_which_it_starts(self):
        node = self.ironic.add(provision_state="clean failed", last_error="old")
        self.move([node], "manage", errors=["clean failed"])
        self.assertEqual("manageable", node["provision_state"])

    def test_state_of_a_later_ironic_on_the_way(self):
        node = self.ironic.add()
        self.ironic.slow[node["uuid"]] = math.inf
        following.move(self.cloud, uuids([node]), "provide", None, run_id="run")
        self.step()
        node["provision_state"] = "polishing"
        self.assertFalse(self.step()["done"])
        node.update(provision_state="available", target_provision_state=None)
        self.end()


class PowerOff(WithMoves):
    """Nodes that are switched off when they are there."""

    def provide(self, *nodes):
        return self.move(nodes, off=True)

    def test_it_is_switched_off_when_it_is_available(self):
        node = self.ironic.add(power_state="power on")
        off = self.ironic.add()
        result = self.provide(node, off)
        self.assertEqual(["provide", "power off"], self.ironic.asked(node))
        self.assertEqual(["provide"], self.ironic.asked(off))
        self.assertEqual(("available", "power off"), (node["provision_state"], node["power_state"]))
        self.assertEqual("2 nodes were made available.", result["message"])

    def test_it_is_available_but_on(self):
        node = self.ironic.add(provision_state="available", power_state="power on")
        self.provide(node)
        self.assertEqual("power off", node["power_state"])

    def test_it_is_never_to_be_switched_off(self):
        node = self.ironic.add(power_state="power on", disable_power_off=True)
        self.provide(node)
        self.assertEqual(["provide"], self.ironic.asked(node))
        self.assertEqual("power on", node["power_state"])

    def test_nobody_asked_for_that(self):
        node = self.ironic.add(power_state="power on")
        self.move([node])
        self.assertEqual(["provide"], self.ironic.asked(node))

    def test_it_is_being_switched_off_already(self):
        node = self.ironic.add(provision_state="available", power_state="power on")
        self.cloud.ironic.node.set_power_state(node["uuid"], "off")
        self.provide(node)
        self.assertEqual(["power off"], self.ironic.asked(node))

    def test_it_cannot_be_switched_off(self):
        node = self.ironic.add(power_state="power on")
        self.ironic.break_next(node, "power off", "BMC is busy")
        following.move(self.cloud, uuids([node]), "provide", None, off=True, run_id="run")
        (failed,) = self.end_badly()["failed"]
        self.assertEqual("it is available, but still on: BMC is busy", failed["error"])
        self.assertEqual(["provide", "power off"], self.ironic.asked(node))

    def test_it_is_taken_before_it_is_switched_off(self):
        """Whoever has taken it is not robbed of its power."""
        node = self.ironic.add(power_state="power on")

        def take(*_):
            if node["provision_state"] == "available":
                node["instance_uuid"] = "i-1"

        self.ironic.on("GET", "^/v1/nodes", take)
        self.provide(node)
        self.assertEqual(["provide"], self.ironic.asked(node))
        self.assertEqual("power on", node["power_state"])

    def test_it_was_taken_and_is_in_use(self):
        for fields in ({"instance_uuid": "i-1"}, {"maintenance": True}):
            node = self.ironic.add(provision_state="available", power_state="power on", **fields)
            following.move(self.cloud, uuids([node]), "provide", None, off=True)
            run_id = following.move(self.cloud, uuids([node]), "provide", None, off=True)["run"]
            self.end(run_id)
            self.assertEqual([], self.ironic.touched(node))


@ddt.ddt
class Power(WithMoves):
    def switch(self, nodes, action, target=None, **more):
        following.switch(self.cloud, uuids(nodes), action, target, run_id="run", **more)
        return self.end()

    def cause_of(self, node, action, **more):
        following.switch(self.cloud, uuids([node]), action, None, run_id="run", **more)
        (failed,) = self.end_badly()["failed"]
        return failed["error"]

    @ddt.data(
        ("on", "power off", "power on", "power on"),
        ("off", "power on", "power off", "power off"),
        ("soft off", "power on", "power off", "soft power off"),
        ("reboot", "power on", "power on", "rebooting"),
        ("reboot", "power off", "power on", "rebooting"),
        ("soft reboot", "power on", "power on", "soft rebooting"),
        ("on", None, "power on", "power on"),
    )
    @ddt.unpack
    def test_switched(self, action, before, after, asked):
        node = self.ironic.add("a", power_state=before)
        result = self.switch([node], action, after)
        self.assertEqual(after, node["power_state"])
        self.assertEqual([asked], self.ironic.asked(node))
        self.assertEqual(f"1 node was switched ({action}).", result["message"])
        self.assertGreaterEqual(self.fake.clock.now, 1002)

    @ddt.data(
        ({"provision_state": "active"}, "it is active; "),
        ({"provision_state": "inspect wait"}, "it is inspect wait; "),
        (
            {"provision_state": "manageable", "instance_uuid": "i-7"},
            "it is in use by instance i-7; ",
        ),
    )
    @ddt.unpack
    def test_node_in_use_is_never_touched(self, fields, cause):
        node = self.ironic.add(power_state="power on", **fields)
        self.assertTrue(self.cause_of(node, "reboot").startswith(cause))
        self.assertEqual([], self.ironic.touched(node))

    @ddt.data(("on", "power on"), ("off", "power off"), ("soft off", "power off"))
    @ddt.unpack
    def test_node_that_is_so_is_not_asked(self, action, state):
        node = self.ironic.add(power_state=state)
        self.switch([node], action)
        self.assertEqual([], self.ironic.touched(node))

    @ddt.data(
        ("on", "power off", "power on"),
        ("off", "power on", "power off"),
        ("reboot", "power on", "rebooting"),
        ("reboot", "power off", "rebooting"),
    )
    @ddt.unpack
    def test_it_fails_with_what_ironic_says(self, action, before, asked):
        node = self.ironic.add(power_state=before, last_error="of long ago")
        self.ironic.break_next(node, asked, "BMC is busy")
        self.assertEqual(f"its power state is {before}: BMC is busy", self.cause_of(node, action))
        self.assertEqual(1, len(self.ironic.asked(node)))

    def test_reboot_whose_answer_is_lost_is_one_reboot(self):
        node = self.ironic.add(power_state="power on")
        self.ironic.lose_answer("PUT", "/states/power$")
        self.switch([node], "reboot")
        self.assertEqual(1, len(self.ironic.accepted))

    def test_it_is_on_its_way_the_other_way(self):
        node = self.ironic.add(power_state="power on")
        self.cloud.ironic.node.set_power_state(node["uuid"], "off")
        self.switch([node], "on")
        self.assertEqual("power on", node["power_state"])

    def test_locked_node_is_retried(self):
        node = self.ironic.add()
        self.ironic.lock(node, 15)
        self.switch([node], "on")
        self.assertEqual("power on", node["power_state"])

    def test_locked_for_ever(self):
        node = self.ironic.add()
        self.ironic.lock(node)
        self.assertIn(f"locked by host {CONDUCTOR}", self.cause_of(node, "on"))

    def test_too_slow(self):
        node = self.ironic.add(provision_state="available")
        self.ironic.slow[node["uuid"]] = math.inf
        self.assertEqual(
            "it was not switched (on) within 20 seconds", self.cause_of(node, "on", node_timeout=20)
        )
        self.assertLess(self.fake.clock.now, 1025)


@ddt.ddt
class Inputs(WithMoves):
    @ddt.data(
        ("manage", None, ("manage", "manageable")),
        ("provide", "available", ("provide", "available")),
        ("deleted", None, ("deleted", "available")),
        ("adopt", "active", ("adopt", "active")),
        ("inspect", "manageable", ("inspect", "manageable")),
    )
    @ddt.unpack
    def test_moves(self, action, target, wanted):
        self.assertEqual(wanted, provisioning.goal_of(action, target))

    @ddt.data("", "abort", "active", "rebuild", "Manage", None, 7, [], {}, ["manage"], "x" * 500)
    def test_no_move(self, action):
        error = self.assertRaises(exceptions.InputInvalid, provisioning.goal_of, action, None)
        self.assertEqual("state_action", error.name)
        self.assertIn("adopt, deleted, inspect, manage, provide", error.message)
        self.assertLess(len(error.message), 250)

    @ddt.data("manageable", "", 7, ["available"], {}, False, "x" * 500)
    def test_move_does_not_lead_there(self, target):
        error = self.assertRaises(exceptions.InputInvalid, provisioning.goal_of, "provide", target)
        self.assertEqual("target_state", error.name)
        self.assertIn("must be available, to which provide leads", error.message)
        self.assertLess(len(error.message), 250)

    @ddt.data(("on", None), ("off", "power off"), ("reboot", "power on"), ("soft off", None))
    @ddt.unpack
    def test_power(self, action, target):
        self.assertEqual(action, provisioning.power_of(action, target))

    @ddt.data("", "power on", "soft on", "ON", None, 1, [], {}, ["on"])
    def test_no_power(self, action):
        error = self.assertRaises(exceptions.InputInvalid, provisioning.power_of, action, None)
        self.assertEqual("state_action", error.name)
        self.assertIn("off, on, reboot, soft off, soft reboot", error.message)

    @ddt.data("on", "power on", "", 7, [], False)
    def test_power_does_not_lead_there(self, target):
        error = self.assertRaises(exceptions.InputInvalid, provisioning.power_of, "off", target)
        self.assertEqual("target_state", error.name)
        self.assertIn("must be 'power off'", error.message)

    def test_nothing_is_begun_with_them(self):
        node = self.ironic.add()
        for call in (
            lambda: following.move(self.cloud, uuids([node]), "clean", None),
            lambda: following.move(self.cloud, uuids([node]), "manage", "active"),
            lambda: following.switch(self.cloud, uuids([node]), "up", None),
        ):
            self.assertRaises(exceptions.InputInvalid, call)
        self.assertEqual(([], {}), (self.ironic.requests, self.fake.swift.containers))
