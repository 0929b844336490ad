import functools
import importlib.metadata
import inspect
import json

import ddt
import fixtures
from mistral_lib import actions as mistral_actions
from mistral_lib import serialization
from mistral_lib.actions.providers import python as python_provider

from tests.unit import fake_heat, fakes, test_registration
from tests.unit.test_registration import CANARY, entry, mac
from tripleo_common import clouds, sealed
from tripleo_common.actions import base as actions_base
from tripleo_common.baremetal import runs

RECORD_BYTES = 64 * 1024

ENTRIES = {
    entry_point.name: entry_point
    for entry_point in importlib.metadata.entry_points(group="mistral.actions")
    if entry_point.value.startswith("tripleo_common.actions.baremetal:")
}

NONE = object()

CONTRACT = {
    "tripleo.baremetal.register_or_update_nodes": {
        "nodes_json": NONE,
        "remove": False,
        "kernel_name": None,
        "ramdisk_name": None,
        "instance_boot_option": None,
    },
    "tripleo.baremetal.validate_nodes": {"nodes_json": NONE},
    "tripleo.baremetal.configure_boot": {
        "node_uuid": NONE,
        "kernel_name": None,
        "ramdisk_name": None,
        "instance_boot_option": None,
    },
    "tripleo.baremetal.configure_root_device": {
        "node_uuid": NONE,
        "root_device": None,
        "minimum_size": 4,
        "overwrite": False,
    },
    "tripleo.baremetal.update_node_capability": {"node_uuid": NONE, "capability": NONE},
}
"""What clients of all releases send: input to default, in their order. Others must be optional."""

GOOD = {
    "register_or_update_nodes": {"nodes_json": [entry(1), entry(9)]},
    "validate_nodes": {"nodes_json": [entry(1), entry(9)]},
    "move_nodes": {"node_uuids": "manageable", "state_action": "provide"},
    "switch_nodes": {"node_uuids": ["node-0"], "state_action": "on"},
    "introspect_nodes": {"node_uuids": "manageable", "container": "plan"},
    "follow_run": {"run_id": "run"},
    "show_run": {"run_id": "run"},
    "list": {},
    "facts": {"node_uuid": "node-0"},
    "delete": {"node_uuids": ["node-0"]},
    "configure_nodes": {
        "node_uuids": "manageable",
        "root_device": "smallest",
        "kernel_name": "file:///kernel",
    },
    "configure_boot": {"node_uuid": "node-0"},
    "configure_root_device": {"node_uuid": "node-0", "root_device": "smallest"},
    "update_node_capability": {"node_uuid": "node-0", "capability": "gpu", "value": "1"},
    "tag_nodes": {"tag_node_uuids": ["node-0"], "untag_node_uuids": [], "role": "compute"},
    "match_profiles": {"container": "plan"},
    "load_inspection_rules": {"container": "plan"},
}
"""Every action with inputs that it takes."""

READING = ("validate_nodes", "show_run", "list", "facts", "match_profiles")

WRONG = (None, 0, 7, -1, 1.5, True, "", "text", [], ["a"], [None], {}, {"a": 1}, {"": []}, "a/b")

RULE = b"- actions: [{op: set-attribute, args: {path: /resource_class, value: big}}]\n"


class WithActions(fake_heat.WithPlan):
    """A plan, and one manageable node; actions sleep on the cloud's clock."""

    CLOUD = test_registration.Cloud

    def setUp(self):
        super().setUp()
        self.set_options(baremetal_threads=2)
        self.make_plan()
        self.ironic = self.cloud.ironic
        self.node = self.ironic.add("node-0")
        self.ironic.inventories[self.node["uuid"]] = {
            "disks": [{"name": "/dev/sda", "size": 500 * 2**30, "serial": "disk-1"}]
        }
        clock = self.cloud.clock
        self.useFixture(
            fixtures.MonkeyPatch(
                "tripleo_common.clouds.Deadline",
                functools.partial(clouds.Deadline, clock=clock, sleep=clock.sleep),
            )
        )

    def make(self, name, **inputs):
        """Return an action as an executor gets it."""
        name = f"tripleo.baremetal.{name}"
        descriptor = python_provider.PythonActionDescriptor(name, ENTRIES[name].load())
        serializer = serialization.get_polymorphic_serializer()
        return serializer.deserialize(serializer.serialize(descriptor.instantiate(inputs, None)))

    def run_action(self, name, workflow="w", task="t", stored=True, **inputs):
        ids = {"workflow_execution_id": workflow, "task_execution_id": task}
        if not stored:
            ids = {"action_execution_id": None, "task_execution_id": None}
        return self.make(name, **inputs).run(self.cloud.context(execution=ids))

    def good(self, name, **inputs):
        result = self.run_action(name, **inputs)
        self.assertNotIsInstance(result, mistral_actions.Result, getattr(result, "error", None))
        self.assertTrue(not inputs.get("stored", True) or len(json.dumps(result)) < RECORD_BYTES)
        return result

    def error(self, name, **inputs):
        result = self.run_action(name, **inputs)
        self.assertIsInstance(result, mistral_actions.Result)
        self.assertEqual({"type", "message", "details"}, set(result.error))
        self.assertTrue(len(json.dumps(result.error)) < RECORD_BYTES)
        return result.error

    def follow(self, workflow="w"):
        """Follow a run to its end; return the last result."""
        for _ in range(50):
            result = self.run_action("follow_run", run_id=workflow)
            if isinstance(result, mistral_actions.Result) or result["done"]:
                return result
        raise AssertionError("it does not end")

    def published(self, reference):
        self.assertEqual({"container", "object"}, set(reference))
        return json.loads(self.swift.containers[reference["container"]][reference["object"]])

    def writes(self):
        return [line for line in self.ironic.requests if not line.startswith("GET ")]

    def states(self):
        return [node["provision_state"] for node in self.ironic.nodes.values()]


@ddt.ddt
class Inputs(WithActions):
    def test_every_action_is_here(self):
        self.assertEqual({f"tripleo.baremetal.{name}" for name in GOOD}, set(ENTRIES))

    @ddt.data(*CONTRACT)
    def test_inputs_that_clients_send_are_there_in_their_order_with_their_defaults(self, name):
        parameters = list(inspect.signature(ENTRIES[name].load().__init__).parameters.values())[1:]
        found = {p.name: NONE if p.default is p.empty else p.default for p in parameters}
        first = dict(list(found.items())[: len(CONTRACT[name])])
        self.assertEqual(list(CONTRACT[name].items()), list(first.items()))
        for other in found.keys() - first.keys():
            self.assertIsNot(NONE, found[other], other)

    @ddt.data(*GOOD)
    def test_good_inputs_work(self, name):
        self.good("move_nodes", workflow="run", state_action="provide", node_uuids=["node-0"])
        self.node["provision_state"] = "manageable"
        self.good(name, **GOOD[name])
        self.node["provision_state"] = "manageable"
        self.good(name, stored=False, **GOOD[name]) if name != "delete" else None

    @ddt.data(*GOOD)
    def test_any_input_of_any_kind_is_a_result_or_a_typed_error(self, name):
        self.set_options(baremetal_patience=0)
        names = list(inspect.signature(ENTRIES[f"tripleo.baremetal.{name}"].load()).parameters)
        for input_ in names:
            for number, value in enumerate(WRONG):
                with self.subTest(input=input_, value=value):
                    inputs = {**GOOD[name], input_: value}
                    result = self.run_action(name, workflow=f"{input_}-{number}", **inputs)
                    json.dumps(getattr(result, "error", None) or result)
                    if isinstance(result, mistral_actions.Result):
                        self.assertNotEqual("InternalError", result.error["type"])
        self.assertNotIn("Traceback", self.log.output)

    @ddt.data(*READING)
    def test_reading_changes_nothing(self, name):
        self.good("move_nodes", workflow="run", **GOOD["move_nodes"])
        before = self.state()
        self.ironic.requests.clear()
        self.good(name, **GOOD[name])
        self.assertEqual([], self.writes())
        self.assertEqual(before, self.state())

    @ddt.data(*GOOD)
    def test_flag_that_is_no_flag_is_refused_before_any_request(self, name):
        defaults = inspect.signature(ENTRIES[f"tripleo.baremetal.{name}"].load()).parameters
        self.ironic.requests.clear()
        for flag in [p.name for p in defaults.values() if isinstance(p.default, bool)]:
            for value in ("false", "true", 1, 0, [], {}):
                error = self.error(name, **{**GOOD[name], flag: value})
                self.assertEqual(
                    ("InputInvalid", flag), (error["type"], error["details"]["name"]), value
                )
        self.assertEqual([], self.ironic.requests)

    @ddt.data(*(name for name in GOOD if "container" in GOOD[name]))
    def test_name_of_a_plan_is_checked(self, name):
        for value in ("a/b", "../x", "", 5, [], {}, "x" * 65):
            error = self.error(name, **{**GOOD[name], "container": value})
            self.assertEqual("PlanNameInvalid", error["type"], value)
        error = self.error(name, **{**GOOD[name], "container": "nothing"})
        self.assertEqual("PlanNotFound", error["type"])
        self.assertEqual([], self.writes())

    def test_validations_are_refused_and_not_ignored(self):
        error = self.error("introspect_nodes", run_validations=True)
        self.assertEqual("run_validations", error["details"]["name"])

    @ddt.data(None, -1, 20, "2", True, 1.5, [])
    def test_number_of_attempts_is_checked(self, value):
        error = self.error("introspect_nodes", max_retry_attempts=value)
        self.assertEqual("max_retry_attempts", error["details"]["name"])
        self.assertEqual([], self.ironic.requests)


@ddt.ddt
class Register(WithActions):
    def register(self, *entries, **inputs):
        return self.good("register_or_update_nodes", nodes_json=list(entries), **inputs)

    def test_result_says_what_came_of_each_and_where_all_of_it_is(self):
        result = self.register(entry(1), entry(2), initial_state="manageable")
        self.assertEqual(
            ("w", False, 2, 2, [], None),
            tuple(
                result[name] for name in ("run", "done", "total", "registered", "failed", "preview")
            ),
        )
        self.assertEqual(
            [("node-1", "enroll", "registered"), ("node-2", "enroll", "registered")],
            [(n["name"], n["provision_state"], n["result"]) for n in result["nodes"]],
        )
        self.assertEqual("w", self.published(result["record"])["id"])

    def test_run_brings_new_nodes_to_their_initial_state(self):
        self.register(entry(1), initial_state="available")
        result = self.follow()
        self.assertEqual((True, 1), (result["done"], result["registered"]))
        self.assertEqual(["manageable", "available"], self.states())

    def test_nodes_that_failed_are_told_with_those_that_did_not(self):
        self.ironic.add_port(self.node, mac(1))
        self.ironic.fail("POST", "/v1/nodes", 400)
        self.register(entry(2))
        error = self.follow().error
        self.assertEqual("NodesFailed", error["type"])
        self.assertEqual(["node-2"], [node["name"] for node in error["details"]["failed"]])
        self.assertEqual("w", error["details"]["run"])

    def test_faults_are_told_as_data(self):
        error = self.error(
            "register_or_update_nodes", nodes_json=[entry(1, pm_type="x"), entry(2, mac="x")]
        )
        self.assertEqual("NodesInvalid", error["type"])
        self.assertEqual(
            [(0, "node-1", "pm_type"), (1, "node-2", "mac")],
            [(f["node"], f["name"], f["field"]) for f in error["details"]["faults"]],
        )

    def test_very_many_faults_fit_into_a_record(self):
        listed = [entry(number, pm_type="x" * 70) for number in range(3000)]
        for name in ("register_or_update_nodes", "validate_nodes"):
            error = self.error(name, nodes_json=listed)
            self.assertIn("and 2990 more", error["message"])

    def test_list_that_is_too_long_is_refused_before_ironic_is_asked(self):
        error = self.error("register_or_update_nodes", nodes_json=[{}] * 10_000)
        self.assertEqual(
            ("LimitExceeded", "nodes_max"), (error["type"], error["details"]["option"])
        )
        self.assertEqual([], self.ironic.requests)

    def test_removal_has_a_preview_first(self):
        preview = self.register(entry(1), remove=True)
        self.assertEqual((None, True), (preview["run"], preview["done"]))
        fingerprint = preview["preview"]["fingerprint"]
        self.assertIn(fingerprint, preview["message"])
        self.assertEqual(["node-0"], [node["name"] for node in preview["preview"]["remove"]])
        self.assertEqual([], self.writes())
        self.assertNotIn("tripleo-baremetal", self.swift.containers)
        error = self.error(
            "register_or_update_nodes",
            nodes_json=[entry(1)],
            remove=True,
            remove_fingerprint="0" * 64,
        )
        self.assertEqual("NodesChanged", error["type"])
        result = self.register(entry(1), remove=True, remove_fingerprint=fingerprint)
        self.assertEqual((1, 1), (result["removed"], result["registered"]))
        self.assertEqual(["node-1"], [node["name"] for node in self.ironic.nodes.values()])

    def test_large_preview_is_a_reference_if_it_would_be_stored(self):
        for number in range(600):
            self.ironic.add(f"other-{number}")
            self.ironic.add(f"active-{number}", provision_state="active")
        whole = self.register(entry(1), remove=True, stored=False)["preview"]
        self.assertEqual((601, 600), (len(whole["remove"]), len(whole["kept"])))
        result = self.register(entry(1), remove=True)
        self.assertEqual(whole, self.published(result["preview"]))
        self.assertIn(whole["fingerprint"], result["message"])
        self.assertIn("601 nodes", result["message"])

    def test_large_preview_in_an_error_fits_into_a_record(self):
        for number in range(900):
            self.ironic.add(f"other-{number}")
        error = self.error(
            "register_or_update_nodes",
            nodes_json=[entry(1)],
            remove=True,
            remove_fingerprint="0" * 64,
        )
        self.assertIn("901 nodes", error["message"])
        preview = self.published(error["details"]["preview"])
        self.assertEqual(901, len(preview["remove"]))
        self.assertIn(f"remove_fingerprint={preview['fingerprint']}", error["message"])

    @ddt.data(500, 5000)
    def test_results_of_many_nodes_fit_into_a_record(self, count):
        """Whether they are registered or fail."""
        self.cloud.executor.revive()
        run = runs.Run("r", "provision", {"goal": "enroll", "moves": []}, 0)
        for number in range(count):
            uuid = f"6e2c5d0a-0000-4000-8000-{number:012}"
            if number % 2:
                run.failed.append({"uuid": uuid, "name": f"node-{number}", "error": "x" * 1000})
            else:
                run.add(
                    runs.Entry(
                        uuid,
                        f"node-{number}",
                        state="succeeded",
                        result="registered",
                        provision_state="enroll",
                    )
                )
        run.save(self.cloud.open())
        shown = self.good("show_run", run_id="r")
        self.assertEqual((count, count // 2), (shown["total"], shown["registered"]))
        error = self.error("follow_run", run_id="r")
        self.assertIn(f"{count // 2} of {count} nodes", error["message"])
        self.assertEqual(shown["record"], error["details"]["record"])
        run.id, run.request = "w", runs.request("t", ["enroll", None, [[None, None, "a"]]])
        run.save(self.cloud.open())
        given = [{"driver": "fake-hardware", "name": "a"}]
        result = self.good("register_or_update_nodes", task="t", nodes_json=given)
        self.assertEqual(shown["counts"], result["counts"])

    def test_action_that_is_delivered_again_tells_the_same(self):
        first = self.register(entry(1))
        self.ironic.requests.clear()
        self.assertEqual(first, self.register(entry(1)))
        self.assertEqual(["GET /v1/drivers"], self.ironic.requests)

    def test_another_task_of_a_workflow_has_a_run_of_its_own(self):
        """So have the items of one task."""
        first = self.register(entry(1), task="t1")
        for given, task in ((entry(2), "t1"), (entry(1), "t2")):
            found = self.register(given, task=task)
            self.assertNotEqual(first["run"], found["run"])
            self.assertEqual(1, found["counts"]["succeeded"])
            self.assertEqual(found, self.register(given, task=task))
        self.assertEqual("w", first["run"])
        (node,) = (node for node in first["nodes"])
        moved = [
            self.good("move_nodes", node_uuids=[node["uuid"]], state_action=move, task=move)["run"]
            for move in ("manage", "provide", "manage")
        ]
        self.assertEqual((3, moved[0]), (len({"w", *moved}), moved[2]))

    def test_direct_call_has_a_run_of_its_own_each_time(self):
        first = self.register(entry(1), workflow=None)
        again = self.register(entry(1), workflow=None)
        self.assertNotEqual(first["run"], again["run"])
        self.assertEqual((1, 1), (first["registered"], again["unchanged"]))

    @ddt.data("register_or_update_nodes", "validate_nodes")
    def test_sealed_list_is_opened_and_its_passwords_are_nowhere_to_be_seen(self, name):
        given = sealed.seal([entry(1), entry(2)], project=fakes.PROJECT, name="nodes_json")
        self.assertNotIn(CANARY, given)
        result = self.good(name, nodes_json=given)
        self.assertEqual(2, result["registered"])
        for text in (json.dumps(result), self.stored(), self.log.output):
            self.assertNotIn(CANARY, text)
        if name == "register_or_update_nodes":
            made = [
                node["driver_info"].get("redfish_password") for node in self.ironic.nodes.values()
            ]
            self.assertEqual([None, f"{CANARY}-1", f"{CANARY}-2"], made)

    def test_sealed_text_that_holds_a_text_is_opened_as_well(self):
        given = sealed.seal(json.dumps([entry(1)]), project=fakes.PROJECT, name="nodes_json")
        self.assertEqual(1, self.good("validate_nodes", nodes_json=given)["registered"])

    def test_list_that_was_sealed_in_another_project_is_refused(self):
        for project, name in (("p2", "nodes_json"), (fakes.PROJECT, "passphrase")):
            given = sealed.seal([entry(1)], project=project, name=name)
            error = self.error("register_or_update_nodes", nodes_json=given)
            self.assertEqual(
                ("InputInvalid", "nodes_json"), (error["type"], error["details"]["name"])
            )
            self.assertNotIn(CANARY, json.dumps(error))
        self.assertEqual([], self.ironic.requests)

    def test_list_in_an_object_is_read(self):
        self.swift.containers["mine"] = {"nodes.json": json.dumps([entry(1)]).encode()}
        reference = {"container": "mine", "object": "nodes.json"}
        self.assertEqual(1, self.good("validate_nodes", nodes_json=reference)["registered"])
        result = self.good("register_or_update_nodes", nodes_json=reference)
        self.assertEqual(1, result["registered"])
        self.assertNotIn(CANARY, json.dumps(result) + self.log.output)


@ddt.ddt
class Runs(WithActions):
    """Actions that begin something, and the one that brings it to its end."""

    def test_nodes_are_moved(self):
        begun = self.good("move_nodes", state_action="provide", node_uuids=["node-0"])
        self.assertEqual(("w", False, 1), (begun["run"], begun["done"], begun["total"]))
        self.assertEqual(["manageable"], self.states())
        result = self.follow()
        self.assertEqual(["available"], self.states())
        self.assertEqual({"container", "object"}, set(result["record"]))
        self.assertEqual(result["nodes"], self.good("show_run", run_id="w")["nodes"])

    def test_nodes_are_switched(self):
        self.good("switch_nodes", node_uuids=["node-0"], state_action="on", target_state="power on")
        self.assertEqual(1, self.follow()["counts"]["succeeded"])
        self.assertEqual("power on", self.node["power_state"])

    def test_nodes_are_introspected(self):
        self.good("introspect_nodes", node_uuids="manageable")
        result = self.follow()
        (found,) = result["introspected_nodes"].values()
        self.assertEqual((True, None), (found["finished"], found["error"]))
        self.assertEqual([], result["failed_introspection"])

    def test_introspection_that_fails_is_told_with_its_attempts(self):
        self.ironic.break_next(self.node, "inspect", *["no boot"] * 3)
        self.good("introspect_nodes", node_uuids=[self.node["uuid"]], max_retry_attempts=1)
        error = self.follow().error
        self.assertEqual("NodesFailed", error["type"])
        self.assertIn("no boot", error["message"])
        (found,) = error["details"]["introspected_nodes"].values()
        self.assertEqual(2, len(found["attempts"]))
        self.assertEqual(2, self.ironic.asked().count("inspect"))

    def test_introspection_with_a_plan_loads_its_rules_before(self):
        self.objects["inspection_rules/a.yaml"] = RULE
        self.good("introspect_nodes", **GOOD["introspect_nodes"])
        self.assertEqual(1, len(self.ironic.rules))

    def test_without_nodes_it_is_told_that_there_are_none(self):
        self.node["provision_state"] = "active"
        for name in ("introspect_nodes", "move_nodes", "configure_nodes"):
            error = self.error(
                name,
                **{**GOOD[name], "container": None} if "container" in GOOD[name] else GOOD[name],
            )
            self.assertEqual("NoManageableNode", error["type"])

    @ddt.data("follow_run", "show_run")
    def test_run_that_is_not_there_is_told(self, name):
        error = self.error(name, run_id="nothing")
        self.assertEqual(("RunNotFound", "nothing"), (error["type"], error["details"]["run"]))


@ddt.ddt
class Nodes(WithActions):
    def test_list_shows_all_nodes(self):
        self.ironic.add("node-1", provision_state="enroll")
        self.assertEqual(["node-0", "node-1"], [row["name"] for row in self.good("list")])
        (row,) = self.good("list", provision_state="manageable", facts=True)
        self.assertEqual("/dev/sda", row["facts"]["disks"][0]["name"])

    def test_large_list_is_a_reference_if_it_would_be_stored(self):
        self.ironic.add_many(500)
        whole = self.good("list", stored=False)
        self.assertEqual(501, len(whole))
        for workflow in ("w", None):
            self.assertEqual(whole, self.published(self.good("list", workflow=workflow)))

    def test_facts_of_a_node(self):
        facts = self.good("facts", node_uuid="node-0")
        self.assertEqual("disk-1", facts["disks"][0]["serial"])
        self.assertEqual(facts, self.good("facts", node_uuid=self.node["uuid"]))
        error = self.error("facts", node_uuid="nope")
        self.assertEqual(("NodeNotFound", ["nope"]), (error["type"], error["details"]["nodes"]))

    def test_large_facts_are_a_reference_if_they_would_be_stored(self):
        disks = [{"name": f"/dev/sd{n}", "size": 1, "model": "x" * 150} for n in range(250)]
        self.ironic.inventories[self.node["uuid"]] = {"disks": disks}
        whole = self.good("facts", node_uuid="node-0", stored=False)
        self.assertEqual(250, len(whole["disks"]))
        self.assertEqual(whole, self.published(self.good("facts", node_uuid="node-0")))

    def test_nodes_are_deleted(self):
        active = self.ironic.add("active", provision_state="active")
        error = self.error("delete", node_uuids=["node-0", "active"])
        self.assertEqual([self.node["uuid"]], error["details"]["deleted"])
        self.assertEqual([active["uuid"]], list(self.ironic.nodes))

    def test_nodes_are_configured(self):
        result = self.good(
            "configure_nodes", **{**GOOD["configure_nodes"], "kernel_name": "file:///k"}
        )
        self.assertEqual({"configured": [self.node["uuid"]], "unchanged": []}, result)
        self.assertEqual("file:///k", self.node["driver_info"]["deploy_kernel"])
        self.assertEqual({"serial": "disk-1"}, self.node["properties"]["root_device"])

    def test_one_node_is_configured_and_the_result_is_null(self):
        inputs = {
            "node_uuid": "node-0",
            "ramdisk_name": "file:///r",
            "instance_boot_option": "local",
        }
        self.assertIsNone(self.good("configure_boot", **inputs))
        self.assertEqual({"deploy_ramdisk": "file:///r"}, self.node["driver_info"])
        self.assertEqual("boot_option:local", self.node["properties"]["capabilities"])
        inputs = {"node_uuid": "node-0", "root_device": "largest", "minimum_size": 100}
        self.assertIsNone(self.good("configure_root_device", **inputs))
        self.assertEqual({"serial": "disk-1"}, self.node["properties"]["root_device"])
        error = self.error(
            "configure_root_device", **{**inputs, "minimum_size": 600}, overwrite=True
        )
        self.assertIn("600 GiB", error["message"])

    def test_node_gets_a_capability(self):
        uuid = self.node["uuid"]
        inputs = {"node_uuid": "node-0", "capability": "gpu", "value": "1"}
        done = {"configured": [uuid], "unchanged": []}
        self.assertEqual(done, self.good("update_node_capability", **inputs))
        self.assertEqual("gpu:1", self.node["properties"]["capabilities"])
        self.assertEqual(done, self.good("update_node_capability", **{**inputs, "value": None}))
        self.assertEqual("", self.node["properties"]["capabilities"])

    def test_nodes_are_tagged(self):
        inputs = {"tag_node_uuids": ["node-0"], "untag_node_uuids": [], "role": "compute"}
        self.assertEqual([self.node["uuid"]], self.good("tag_nodes", **inputs)["configured"])
        self.assertEqual("profile:compute", self.node["properties"]["capabilities"])

    def test_many_nodes_that_fail_fit_into_a_record(self):
        self.ironic.add_many(500, provision_state="active")
        names = [f"node-{number}" for number in range(1, 500)]
        error = self.error("tag_nodes", tag_node_uuids=names, untag_node_uuids=[], role="x")
        self.assertIn("499 of 499", error["message"])
        self.assertEqual([], self.writes())

    def test_secrets_of_nodes_are_in_no_result(self):
        self.node["driver_info"]["redfish_password"] = CANARY
        self.good("move_nodes", workflow="run", **GOOD["move_nodes"])
        for name in GOOD:
            self.node["provision_state"] = "manageable"
            result = self.run_action(name, **GOOD[name])
            shown = getattr(result, "error", None) or result
            self.assertNotIn(CANARY, json.dumps(shown))
        self.assertNotIn(CANARY, self.log.output)


class Plan(WithActions):
    """What a plan says of nodes."""

    def setUp(self):
        super().setUp()
        self.node["provision_state"] = "available"

    def test_profiles_are_matched_with_the_roles_of_the_plan(self):
        self.variables["parameter_defaults"].update(
            ControllerCount=1, ComputeCount=1, OvercloudComputeFlavor="compute"
        )
        self.ironic.add("node-1", provision_state="available")
        result = self.good("match_profiles", container="plan")
        self.assertEqual(
            [("Controller", None, 1, 0), ("Compute", "compute", 1, 0)],
            [(r["role"], r["profile"], r["wanted"], r["missing"]) for r in result["roles"]],
        )
        self.assertEqual((["compute"], []), (list(result["assign"].values()), result["tagged"]))
        result = self.good("match_profiles", container="plan", dry_run=False)
        self.assertEqual(list(result["assign"]), result["tagged"])
        tagged = self.ironic.nodes[result["tagged"][0]]
        self.assertEqual("profile:compute", tagged["properties"]["capabilities"])

    def test_nodes_that_are_not_enough_are_told_in_the_result_or_refused(self):
        result = self.good("match_profiles", container="plan")
        self.assertEqual([0, 2], [role["missing"] for role in result["roles"]])
        error = self.error("match_profiles", container="plan", dry_run=False)
        self.assertEqual("ProfilesUnmatched", error["type"])
        self.assertEqual(["Controller", "Compute"], [r["role"] for r in error["details"]["roles"]])
        self.assertEqual([], self.writes())

    def test_large_result_is_a_reference_if_it_would_be_stored(self):
        self.variables["parameter_defaults"]["ComputeCount"] = 600
        self.ironic.add_many(600, provision_state="available")
        whole = self.good("match_profiles", container="plan", stored=False)
        reference = self.good("match_profiles", container="plan")
        content = self.swift.containers[reference["container"]][reference["object"]]
        self.assertEqual(whole, json.loads(content))

    def test_rules_of_the_plan_are_loaded(self):
        self.objects["inspection_rules/a.yaml"] = RULE
        counts = {"created": 1, "deleted": 0, "unchanged": 0}
        self.assertEqual(counts, self.good("load_inspection_rules", container="plan"))
        counts = {"created": 0, "deleted": 0, "unchanged": 1}
        self.assertEqual(counts, self.good("load_inspection_rules", container="plan"))


class Base(WithActions):
    def test_actions_are_of_the_base_class_and_have_the_shared_inputs(self):
        for entry_point in ENTRIES.values():
            cls = entry_point.load()
            self.assertTrue(issubclass(cls, actions_base.Action))
            self.assertEqual(
                ["action_region", "cloud"], list(inspect.signature(cls).parameters)[-2:]
            )

    def test_region_that_is_not_there_is_told(self):
        for name in GOOD:
            error = self.error(name, **GOOD[name], action_region="nowhere")
            self.assertIn(error["type"], ("RegionNotFound", "PlacementNotFound"), name)

    def test_ironic_that_does_not_answer_is_a_typed_error(self):
        self.set_options(baremetal_patience=5)
        self.ironic.is_down = True
        for name in GOOD.keys() - {"show_run", "follow_run"}:
            error = self.error(name, workflow="other", **GOOD[name])
            self.assertEqual("ServiceUnavailable", error["type"], name)
            self.assertEqual("baremetal", error["details"]["service"])
        self.assertNotIn("Traceback", self.log.output)
