"""Services that are killed while nodes are worked on, callers who want the same, locked nodes."""

import contextlib
import sqlite3
import threading
import time

from tests.functional import base, clouds, nodes
from tripleo_common.undercloud import processes

COUNT = 60

IMPATIENT = {
    "action_heartbeat": {"check_interval": 1, "max_missed_heartbeats": 3},
    "scheduler": {"captured_job_timeout": 1, "pickup_job_after": 1},
    "tripleo": {"baremetal_patience": 3},
}
"""Options of Mistral: it soon notices that an executor is gone, and does not wait for Ironic."""


class SafetyTestCase(nodes.NodesTestCase):
    """Executions that have ended, and services that run again, whatever happens in a test."""

    def start(self, name, **inputs):
        """Start a workflow; return its id."""
        execution = self.mistral.executions.create(name, workflow_input=inputs).id
        self.addCleanup(self.ended, execution)
        return execution

    def rerun(self, execution):
        """Rerun the task with which an execution has failed; return its state and output then."""
        (task,) = (t for t in self.mistral.tasks.list(execution) if t.state == "ERROR")
        self.mistral.tasks.rerun(task.id)
        return self.ended(execution)

    def kill(self, name):
        """Let a process die as if its power was cut."""
        self.addCleanup(self.undercloud.up)
        process = processes.find(name, self.undercloud.directory)
        process.kill()
        process.wait(base.SECONDS)

    def kill_half_way(self, name):
        """Let a process die when a registration has made some of its nodes."""
        end = time.monotonic() + base.SECONDS
        # All of them take less than a second.
        while self.made()[0] < COUNT // 6:
            self.assertLess(time.monotonic(), end)
            threading.Event().wait(0.01)
        self.kill(name)
        made, ports = self.made()
        self.assertTrue(COUNT // 6 <= made < COUNT, made)
        self.assertLessEqual(ports, made)

    def made(self):
        """Return how many nodes without a BMC, and ports of these, Ironic's database has."""
        path = self.undercloud.directory.data("ironic") / "ironic.sqlite"
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            return database.execute(
                "SELECT count(DISTINCT nodes.id), count(ports.id) FROM nodes LEFT JOIN ports "
                "ON ports.node_id = nodes.id WHERE nodes.driver = 'fake-hardware'"
            ).fetchone()

    def requests(self, *words):
        """Return how many requests Ironic has answered whose line in its log has these words."""
        lines = self.undercloud.directory.log("ironic").read_text().splitlines()
        return sum(all(word in line for word in words) for line in lines)

    def repeat(self, entries, **inputs):
        """Register a list again; return how many were registered, updated and unchanged."""
        return self.counts(self.run_workflow(nodes.REGISTER, nodes_json=entries, **inputs))

    def counts(self, output):
        """Return how many nodes were registered, updated and unchanged."""
        return tuple(output[key] for key in ("registered", "updated", "unchanged"))

    def assert_whole(self, entries, state="manageable"):
        """Check that nodes are those of a list, each with its one port, and change no more."""
        found, ports = self.everything()
        fakes = {n: node for n, node in found.items() if node["driver"] == "fake-hardware"}
        self.assertEqual(
            {(entry["name"], state) for entry in entries},
            {(name, node["provision_state"]) for name, node in fakes.items()},
        )
        self.assertEqual((len(entries), len(entries)), self.made())
        for entry in entries:
            self.assertEqual(
                fakes[entry["name"]]["uuid"], ports[entry["mac"][0]]["node_uuid"], entry
            )
        self.assertEqual((0, 0, len(entries)), self.repeat(entries, initial_state="enroll"))
        self.assertEqual((found, ports), self.everything())


class TestIronicDies(SafetyTestCase):
    def test_a_registration_goes_on_when_it_is_back(self):
        entries = nodes.fakes(COUNT)
        execution = self.start(nodes.REGISTER, nodes_json=entries)
        self.kill_half_way("ironic")
        self.undercloud.up()
        state_, output = self.ended(execution)
        self.assertEqual("SUCCESS", state_, output)
        self.assertEqual((COUNT, 0, 0), self.counts(output))
        self.assert_whole(entries)

    def test_an_introspection_goes_on_when_it_is_back(self):
        machines = self.machines()
        names = machines.names[:4]
        self.register(machines.listed(*names))
        machines.change(*names, boot_seconds=2)
        # Some are asked before Ironic dies, and call while it is away; others wait for them.
        execution = self.start(nodes.INTROSPECT, node_uuids=list(names), concurrency=2)
        base.wait_for(
            lambda: any(machines.is_on(name) for name in names), "a machine is switched on"
        )
        self.kill("ironic")
        self.undercloud.up()
        state_, output = self.ended(execution)
        self.assertEqual("SUCCESS", state_, output)
        for node in self.record(output)["nodes"]:
            self.assertTrue(node["facts"]["cpus"], node)
            # Ironic gives up what it was itself at work on.
            self.assertLessEqual(len(node["attempts"]), 2)
            self.assertIsNone(node["attempts"][-1]["error"])
        self.assertEqual({"manageable"}, {n["provision_state"] for n in self.nodes().values()})


class TestImpatient(SafetyTestCase):
    @classmethod
    def setUpClass(cls):
        """Let Mistral be impatient, for all tests: to restart it takes seconds."""
        super().setUpClass()
        options = clouds.Options(nodes.undercloud(), "mistral", IMPATIENT)
        options.setUp()
        cls.addClassCleanup(options.cleanUp)

    def test_mistral_dies_in_a_registration_and_in_a_run(self):
        machines = self.machines()
        names = machines.names[:2]
        ids = self.register(machines.listed(*names))
        machines.change(*names, boot_seconds=3)
        asked = [self.requests(f"PUT /v1/nodes/{ids[name]}/states/provision") for name in names]
        run = self.start(nodes.INTROSPECT, node_uuids=list(names))
        base.wait_for(
            lambda: all(machines.is_on(name) for name in names), "the machines are switched on"
        )
        entries = nodes.fakes(COUNT)
        registration = self.start(nodes.REGISTER, nodes_json=entries)
        self.kill_half_way("mistral")
        self.undercloud.up()
        for execution in (run, registration):
            state_, output = self.ended(execution)
            self.assertEqual(("ERROR", "ExecutorLost"), (state_, output["error"]["type"]), output)

        # What it says to do: the run goes on where it was, and asks for nothing twice.
        state_, output = self.rerun(run)
        self.assertEqual("SUCCESS", state_, output)
        for node in self.record(output)["nodes"]:
            self.assertTrue(node["facts"]["cpus"], node)
        self.assertEqual(
            [count + 1 for count in asked],
            [self.requests(f"PUT /v1/nodes/{ids[name]}/states/provision") for name in names],
        )

        # Of a registration nothing is lost, and the rest is done.
        made, ports = self.made()
        self.assertTrue(COUNT // 6 <= made < COUNT, made)
        state_, output = self.rerun(registration)
        self.assertEqual("SUCCESS", state_, output)
        self.assertEqual((COUNT - made, made - ports, ports), self.counts(output))
        self.assert_whole(entries)

    def test_ironic_dies_in_a_registration_and_stays_away(self):
        entries = nodes.fakes(COUNT)
        execution = self.start(nodes.REGISTER, nodes_json=entries, initial_state="enroll")
        self.kill_half_way("ironic")
        state_, output = self.ended(execution)
        self.assertEqual(("ERROR", "NodesFailed"), (state_, output["error"]["type"]), output)
        failed = {node["name"]: node["error"] for node in output["failed"]}
        done = {node["name"]: node["result"] for node in output["registered_nodes"]}
        self.assertEqual({entry["name"] for entry in entries}, {*failed, *done})
        self.assertEqual(COUNT, len(failed) + len(done))
        self.assertEqual({"registered"}, set(done.values()))
        for error in failed.values():
            self.assertIn("cannot be reached", error)
        self.undercloud.up()
        self.assertLessEqual(done.keys(), self.nodes().keys())
        registered, updated, unchanged = self.repeat(entries, initial_state="enroll")
        # Some were made whose ports were not, or whose makers did not come to hear of it.
        self.assertGreaterEqual(unchanged, len(done))
        self.assertEqual(COUNT, registered + updated + unchanged)
        self.assert_whole(entries, "enroll")


class TestAtOnce(SafetyTestCase):
    def test_two_registrations_of_a_list_make_one_set_of_nodes(self):
        count = 30
        entries = nodes.fakes(count)
        started = [self.start(nodes.REGISTER, nodes_json=entries) for _ in range(2)]
        registered = 0
        for execution in started:
            state_, output = self.ended(execution)
            self.assertEqual(("SUCCESS", []), (state_, output["failed"]), output)
            # Each says of each node what came of it.
            self.assertEqual(count, len(output["registered_nodes"]))
            self.assertEqual(count, sum(self.counts(output)))
            registered += output["registered"]
        self.assertGreaterEqual(registered, count)
        self.assert_whole(entries)

    def test_a_locked_node_is_waited_for(self):
        machines = self.machines()
        node = self.register(machines.listed("node-0"))["node-0"]
        machines.change("node-0", fault="unreachable")
        # Ironic asks its BMC again and again, and holds the node meanwhile.
        self.ironic.node.set_power_state("node-0", "on")
        base.wait_for(lambda: self.nodes()["node-0"]["reservation"], "node-0 is locked")
        started = [
            self.start(nodes.REGISTER, nodes_json=machines.listed("node-0", memory="4096")),
            self.start(nodes.PROVIDE, node_uuids=["node-0"]),
        ]
        for request in (f"PATCH /v1/nodes/{node} ", f"PUT /v1/nodes/{node}/states/provision "):
            base.wait_for(
                lambda words=request: self.requests(words, " - 409 "), f"{request} is refused"
            )
        machines.change("node-0", fault=None)
        for execution in started:
            state_, output = self.ended(execution)
            self.assertEqual("SUCCESS", state_, output)
        found = self.nodes()["node-0"]
        self.assertEqual(
            ("available", "power off", 4096),
            (found["provision_state"], found["power_state"], found["properties"]["memory_mb"]),
        )
