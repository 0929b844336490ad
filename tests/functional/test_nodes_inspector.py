"""Introspection by ironic-inspector, where the catalogue has it."""

import contextlib
import json

from ironicclient import exc as ironic_exc
from testtools import content

from tests.functional import base, inspector, nodes
from tripleo_common.undercloud.bare_metal import shapes

NOWHERE = {"root_device": {"serial": "nowhere"}}
"""What ironic-inspector has something to say against. When a ramdisk reports an error it does not:
version 12.5.0 fails to note that, and waits for more."""


class TestInspector(nodes.NodesTestCase):
    """A region with ironic-inspector, and machines whose ramdisks report to it.

    A machine registered again is the same node, and ironic-inspector remembers nodes for a while
    after they have been deleted; so each test has machines that no other one has.
    """

    @classmethod
    def setUpClass(cls):
        """Start ironic-inspector, once: that takes seconds."""
        super().setUpClass()
        cls.inspector = inspector.Inspector(nodes.undercloud())
        # If it fails it tidies up itself.
        cls.inspector.setUp()
        cls.addClassCleanup(cls.inspector.cleanUp)

    def setUp(self):
        super().setUp()
        self.there = {"action_region": self.inspector.region}
        # Shown if the test fails.
        self.addDetail("ironic-inspector", content.content_from_file(str(self.inspector.log)))

    def machines(self):
        """Return the machines; all report to ironic-inspector."""
        machines = super().machines()
        machines.change(*machines.names, inspection_callback=self.inspector.callback)
        return machines

    def wait_until_off(self, name):
        """Wait until a node is switched off, which Ironic does after it has said so; return it."""
        return base.wait_for(
            lambda: (node := self.nodes()[name])["power_state"] == "power off" and node,
            f"{name} is switched off",
        )

    def assert_facts(self, machine, facts):
        """Check what was found in a machine against what is in it."""
        shape = shapes.SHAPES[machine.shape]
        self.assertEqual(
            (shape.cpus, shape.architecture, shape.memory_gib * 1024, shape.boot_mode),
            tuple(facts[key] for key in ("cpus", "cpu_arch", "memory_mib", "boot_mode")),
        )
        self.assertEqual(
            [disk.bytes for disk in shape.disks], [disk["size"] for disk in facts["disks"]]
        )
        self.assertEqual(
            [(nic.name, mac) for nic, mac in zip(shape.nics, machine.macs, strict=True)],
            [(nic["name"], nic["mac"]) for nic in facts["nics"]],
        )
        # The first two NICs are plugged in, each into a switch of its own.
        switches = [nic["lldp"] and nic["lldp"]["switch"] for nic in facts["nics"]]
        self.assertEqual([None] * (len(switches) - 2), switches[2:])
        for letter, nic in zip("ab", facts["nics"], strict=False):
            self.assertRegex(nic["lldp"]["switch"], rf"leaf-\d+{letter}\.example\.com")
            self.assertRegex(nic["lldp"]["port_id"], r"Ethernet1/\d+")

    def test_nodes_are_introspected_by_it(self):
        machines = self.machines()
        names = machines.names[:2]
        uuids = self.register(machines.listed(*names), **self.there)
        output = self.run_workflow(nodes.INTROSPECT, node_uuids=names, **self.there)
        self.assertEqual([], output["failed_introspection"])
        for name, uuid in uuids.items():
            found = output["introspected_nodes"][uuid]
            self.assertEqual((True, None), (found["finished"], found["error"]))
            self.assert_facts(machines[name], found)
            # It was ironic-inspector that did it, and not Ironic.
            status = self.inspector.client.get_status(uuid)
            self.assertEqual(("finished", None), (status["state"], status["error"]))
            data = self.inspector.client.get_data(uuid)
            self.assertEqual(name, data["inventory"]["hostname"])
            node = self.wait_until_off(name)
            self.assertEqual("manageable", node["provision_state"])
            self.assertIsNone(node["inspection_finished_at"])
            told = self.run_action("tripleo.baremetal.facts", node_uuid=name, **self.there)
            self.assert_facts(machines[name], told)

    def test_a_node_with_a_fault_fails_alone(self):
        machines = self.machines()
        good, refused, bad = machines.names[2:5]
        entries = [*machines.listed(good, refused), *machines.listed(bad, **NOWHERE)]
        uuids = self.register(entries, **self.there)
        machines.change(refused, fault="refuse")
        inputs = {"node_uuids": [good, refused, bad], "max_retry_attempts": 0, **self.there}
        words = ("mistral", "execution-create", nodes.INTROSPECT, json.dumps(inputs), "-f", "json")
        execution = json.loads(self.command(*words))["ID"]
        state, _ = self.ended(execution)
        output = json.loads(self.command("mistral", "execution-get-output", execution))
        self.assertEqual(("ERROR", "FAILED"), (state, output["status"]), output)
        self.assertCountEqual([uuids[refused], uuids[bad]], output["failed_introspection"])
        self.assertIn("2 of 3 nodes could not be introspected", output["message"])
        found = output["introspected_nodes"]
        self.assert_facts(machines[good], found[uuids[good]])
        for name, error in (
            (refused, "Failed to set boot device to PXE"),
            (bad, "No disks satisfied root device hints"),
        ):
            uuid = uuids[name]
            self.assertIn(error, self.inspector.client.get_status(uuid)["error"])
            self.assertIn(f"{name} (UUID {uuid}): {error}", output["message"])
            self.assertTrue(found[uuid]["finished"])
            (attempt,) = found[uuid]["attempts"]
            self.assertEqual(attempt["error"][:200], found[uuid]["error"][:200])
            self.assertIn(error, attempt["error"])

    def test_it_is_tried_again(self):
        machines = self.machines()
        name = machines.names[5]
        (uuid,) = self.register(machines.listed(name, **NOWHERE), **self.there).values()
        inputs = {"node_uuids": [uuid], "max_retry_attempts": 19, **self.there}
        execution = self.mistral.executions.create(nodes.INTROSPECT, workflow_input=inputs)

        def failed():
            known = self.inspector.client.list_statuses()
            return any(status["error"] for status in known if status["uuid"] == uuid)

        base.wait_for(failed, "an introspection that fails")
        base.wait_for(lambda: self.without_root_device(uuid), "the node's change")
        state, output = self.ended(execution.id)
        self.assertEqual("SUCCESS", state, output)
        found = output["introspected_nodes"][uuid]
        self.assert_facts(machines[name], found)
        # Whatever came between: ramdisks that were refused call again, while nodes are rebooted.
        errors = [attempt["error"] for attempt in found["attempts"]]
        self.assertEqual(("No disks satisfied root device hints", None), (errors[0], errors[-1]))

    def without_root_device(self, uuid):
        """Take a node's hints on its root device away, unless it is locked; return whether."""
        with contextlib.suppress(ironic_exc.Conflict):
            self.ironic.node.update(uuid, [{"op": "remove", "path": "/properties/root_device"}])
            return True
        return False

    def test_one_that_takes_too_long_is_aborted(self):
        machines = self.machines()
        name = machines.names[6]
        (uuid,) = self.register(machines.listed(name), **self.there).values()
        machines.change(name, fault="no-boot")
        inputs = {"node_uuids": [uuid], **self.there}
        output = self.failed(nodes.INTROSPECT, node_timeout=3, max_retry_attempts=0, **inputs)
        self.assertEqual([uuid], output["failed_introspection"])
        self.assertIn("not done with it after 3 seconds", output["message"])
        self.assertNotIn("could not be stopped", output["message"])
        status = self.inspector.client.get_status(uuid)
        self.assertEqual((True, "error"), (status["finished"], status["state"]))
        self.assertEqual("Canceled by operator", status["error"])
        self.wait_until_off(name)
        # It has left nothing that is in the way.
        machines.change(name, fault=None)
        output = self.run_workflow(nodes.INTROSPECT, **inputs)
        self.assert_facts(machines[name], output["introspected_nodes"][uuid])

    def test_a_region_without_it_has_ironics_own(self):
        machines = self.machines()
        name = machines.names[7]
        machines.change(name, inspection_callback=None)
        (uuid,) = self.register(machines.listed(name)).values()
        output = self.run_workflow(nodes.INTROSPECT, node_uuids=[uuid])
        self.assert_facts(machines[name], output["introspected_nodes"][uuid])
        self.assertIsNotNone(self.nodes()[name]["inspection_finished_at"])
        known = {status["uuid"] for status in self.inspector.client.list_statuses()}
        self.assertNotIn(uuid, known)
        # What Ironic knows is told where ironic-inspector knows nothing.
        found = self.run_action("tripleo.baremetal.facts", node_uuid=uuid, **self.there)
        self.assert_facts(machines[name], found)
