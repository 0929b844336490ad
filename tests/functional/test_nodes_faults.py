"""Machines that fail in every way that the emulated ones can, among others that do not."""

from tests.functional import base, nodes

UNKNOWN = "ffffffff-0000-4000-8000-000000000000"
AWAITED = "it was still in state inspect wait after 15 seconds (The node's ramdisk is awaited)"


class TestRegistration(nodes.NodesTestCase):
    def test_each_node_has_its_own_fate(self):
        machines = self.machines()
        machines.change("node-1", fault="refuse")
        entries = [
            *machines.listed("node-0", "node-1"),
            *nodes.fakes(5),
        ]
        self.register(entries[2:4], initial_state="manageable")
        entries[2]["memory"] = "4096"
        # Only Ironic can say that it has no such thing; of the port when it has the node already.
        entries[4]["deploy_interface"] = "no-such"
        entries[6]["ports"] = [{"address": entries[6]["mac"][0], "portgroup_uuid": UNKNOWN}]
        (mac,) = entries[6].pop("mac")
        before = self.nodes()["fake-1"]
        output = self.failed(nodes.REGISTER, nodes_json=entries)
        self.assertEqual("NodesFailed", output["error"]["type"])
        self.assertTrue(
            output["message"].startswith(
                "3 of 7 nodes could not be registered and made manageable: "
            ),
            output["message"],
        )
        failed = {node["name"]: node["error"] for node in output["failed"]}
        self.assertEqual({"node-1", "fake-2", "fake-4"}, set(failed))
        self.assertIn("does not know these credentials", failed["node-1"])
        self.assertIn("no-such", failed["fake-2"])
        self.assertIn(UNKNOWN, failed["fake-4"])
        self.assertEqual(
            {
                "node-0": ("registered", "manageable"),
                "node-1": ("registered", "enroll"),
                "fake-0": ("updated", "manageable"),
                "fake-1": ("unchanged", "manageable"),
                "fake-3": ("registered", "manageable"),
            },
            {n["name"]: (n["result"], n["provision_state"]) for n in output["registered_nodes"]},
        )
        details = output["error"]["details"]
        self.assertEqual(
            (3, 1, 1), tuple(details[key] for key in ("registered", "updated", "unchanged"))
        )
        found = self.nodes()
        self.assertEqual(before, found["fake-1"])
        # Nothing is left of those that were refused.
        self.assertEqual({"node-0", "node-1", "fake-0", "fake-1", "fake-3"}, set(found))
        self.assertEqual(set(), {entries[4]["mac"][0], mac} & set(self.ports()))

        # Registered again when nothing is wrong any more.
        machines.change("node-1", fault=None)
        del entries[4]["deploy_interface"], entries[6]["ports"]
        entries[6]["mac"] = [mac]
        output = self.run_workflow(nodes.REGISTER, nodes_json=entries)
        self.assertEqual(
            (2, 0, 5), tuple(output[key] for key in ("registered", "updated", "unchanged"))
        )
        self.assertEqual(
            {"manageable"}, {node["provision_state"] for node in self.nodes().values()}
        )

    def test_a_bmc_that_does_not_answer_is_not_waited_for_longer_than_is_said(self):
        machines = self.machines()
        self.register(machines.listed("node-0", "node-1"), initial_state="enroll")
        machines.change("node-1", fault="unreachable")
        output = self.failed(nodes.MANAGE, node_uuids=["node-0", "node-1"], node_timeout=5)
        (failed,) = output["failed"]
        self.assertEqual(
            (
                "node-1",
                "it was still in state verifying after 5 seconds (Ironic tries the node's BMC)",
            ),
            (failed["name"], failed["error"]),
        )
        self.assertEqual("manageable", self.nodes()["node-0"]["provision_state"])
        # Ironic still tries; somebody who asks for the same waits for that.
        machines.change("node-1", fault=None)
        self.run_workflow(nodes.MANAGE, node_uuids=["node-0", "node-1"])
        self.assertEqual("manageable", self.nodes()["node-1"]["provision_state"])


class TestIntrospection(nodes.NodesTestCase):
    def test_good_machines_are_introspected_and_bad_ones_told_with_their_cause(self):
        machines = self.machines()
        bad = {
            "node-0": ("no-boot", AWAITED),
            "node-1": ("wrong-mac", AWAITED),
            "node-2": ("timeout", AWAITED),
            "node-3": ("ramdisk-error", "Error finding the disk or partition device"),
            "node-4": ("refuse", "does not know these credentials"),
            "node-5": (None, AWAITED),
        }
        good = ("node-6", "node-7", "node-8", "node-9", "node-10")
        names = [*bad, *good]
        machines.change("node-5", shape="no-nic-match")
        ids = self.register(machines.listed(*names))
        for name, (fault, _) in bad.items():
            machines.change(name, fault=fault)
        machines.change("node-6", fault="slow", boot_seconds=0.4)
        machines.change("node-7", fault="no-boot")
        machines.change("node-8", fault="unreachable")
        execution = self.mistral.executions.create(
            nodes.INTROSPECT,
            workflow_input={
                "node_uuids": names,
                "node_timeout": 15,
                "max_retry_attempts": 1,
                "concurrency": 0,
            },
        ).id
        # Its first pass will fail, and its second one will not.
        base.wait_for(lambda: machines.is_on("node-7"), "node-7 is switched on")
        machines.change("node-7", fault=None)
        # Ironic asks its BMC again and again, and holds the node meanwhile.
        base.wait_for(
            lambda: self.nodes()["node-8"]["provision_state"] == "inspecting", "node-8 is asked"
        )
        machines.change("node-8", fault=None)
        show = "tripleo.baremetal.show_run"
        shown = base.wait_for(
            lambda: (
                (found := self.run_action(show, run_id=execution))["counts"]["succeeded"] and found
            ),
            "the first success",
        )
        self.assertEqual((False, 11), (shown["done"], shown["total"]))
        state_, output = self.ended(execution)

        self.assertEqual(("ERROR", "NodesFailed"), (state_, output["error"]["type"]), output)
        self.assertTrue(
            output["message"].startswith("6 of 11 nodes could not be introspected: "),
            output["message"],
        )
        self.assertEqual(sorted(ids[name] for name in bad), sorted(output["failed_introspection"]))
        found = {
            node["name"]: node
            for node in (output["introspected_nodes"][identity] for identity in ids.values())
        }
        told = {node["name"]: node["error"] for node in output["error"]["details"]["failed"]}
        for name, (fault, cause) in bad.items():
            self.assertTrue(found[name]["finished"])
            for error in (found[name]["error"], told[name]):
                self.assertIn(cause, error, (name, fault))
        for name in good:
            self.assertEqual((True, None), (found[name]["finished"], found[name]["error"]))

        shown = self.run_action(show, run_id=execution)
        counts = {"queued": 0, "running": 0, "succeeded": 5, "failed": 6}
        self.assertEqual((True, counts), (shown["done"], shown["counts"]))
        self.assertEqual(told, {node["name"]: node["error"] for node in shown["failed"]})

        # Every pass is kept.
        record = {node["name"]: node for node in self.record(output)["nodes"]}
        for name, (fault, cause) in bad.items():
            errors = [attempt["error"] for attempt in record[name]["attempts"]]
            self.assertEqual(2, len(errors), (name, fault))
            for error in errors:
                self.assertIn(cause, error, (name, fault))
        errors = [attempt["error"] for attempt in record["node-7"]["attempts"]]
        self.assertIn(AWAITED, errors[0])
        self.assertEqual([None], errors[1:])
        for name in good:
            self.assertTrue(record[name]["facts"]["cpus"], name)

        # None is left on its way, and what to do next is told.
        rows = {row["name"]: row for row in self.run_action("tripleo.baremetal.list")}
        self.assertEqual(
            {
                **dict.fromkeys(bad, "inspect failed"),
                **dict.fromkeys(good, "manageable"),
            },
            {name: row["provision_state"] for name, row in rows.items()},
        )
        self.assertIn("tripleo.baremetal.v1.introspect", rows["node-0"]["next"])

        # Whatever was wrong: once it is not, the same call succeeds.
        machines.change(*bad, fault=None)
        output = self.run_workflow(nodes.INTROSPECT, node_uuids=["node-3", "node-4"])
        self.assertEqual("2 nodes were introspected.", output["message"])
