"""What each workflow does, in which order, and how it ends."""

import ddt

from tests.workflow import base
from tripleo_common import exceptions
from tripleo_common.deployment import regions

PLACE = {"action_region": "regionTwo", "cloud": "edge"}
DONE = {"done": True, "stack": "demo", "status": "CREATE_COMPLETE"}
NOT_YET = {"done": False, "stack": "demo", "status": "CREATE_IN_PROGRESS"}
DEPLOYED = {
    "stack": {"id": "1", "name": "demo"},
    "action": "CREATE",
    "revision": 3,
    "stale": [],
    "region": "regionTwo",
    "cloud": "edge",
}
CHOSEN = {"chosen": [{"region": "regionTwo", "cloud": "edge"}], "done": []}
CREATED = {"revision": 1, "synced": True}
BEGUN = {"revision": 1, "synced": False}
CHANGED = {"revision": 2, "changed": True, "stale": []}
EXPORTED = {"container": "plan-exports", "object": "demo.tar.gz", "revision": 1, "secrets": []}

RECORD = {"container": "tripleo-baremetal", "object": "runs/r1.json"}
RUN = {"run": "r1", "done": False, "counts": {}, "message": "0 of 2 nodes have ended."}
ENDED = {
    **RUN,
    "done": True,
    "message": "2 nodes were moved.",
    "registered": 2,
    "nodes": [{"uuid": "u1"}, {"uuid": "u2"}],
    "introspected_nodes": {"u1": {"finished": True, "error": None}},
    "failed_introspection": [],
    "record": RECORD,
}
CONFIGURED = {"configured": ["u1"], "unchanged": ["u2"]}
NODE = {"node_uuid": "u1"}
NODES = {"node_uuids": ["u1", "u2"]}
MOVE = {**NODE, "state_action": "manage", "target_state": "manageable"}
TAGS = {"tag_node_uuids": ["u1"], "untag_node_uuids": ["u2"], "role": "compute"}


def followed(workflow, inputs, first):
    """Return the case of a workflow that begins a run over nodes and follows it to its end."""
    return (
        f"tripleo.baremetal.v1.{workflow}",
        inputs,
        {
            f"tripleo.baremetal.{first}": {**RUN, "preview": None},
            "tripleo.baremetal.follow_run": base.Each((RUN, ENDED)),
        },
        [f"tripleo.baremetal.{first}", *["tripleo.baremetal.follow_run"] * 2],
    )


def single(workflow, inputs, action, answer):
    """Return the case of a workflow of nodes that is one action."""
    name = f"tripleo.baremetal.{action}"
    return (f"tripleo.baremetal.v1.{workflow}", inputs, {name: answer}, [name])


CASES = (
    followed("register_or_update", {"nodes_json": []}, "register_or_update_nodes"),
    followed("manage", NODES, "move_nodes"),
    followed("provide", NODES, "move_nodes"),
    followed("provide_manageable_nodes", {}, "move_nodes"),
    followed("introspect", NODES, "introspect_nodes"),
    followed("introspect_manageable_nodes", {}, "introspect_nodes"),
    followed("set_node_state", MOVE, "move_nodes"),
    followed("set_power_state", MOVE, "switch_nodes"),
    single(
        "validate_nodes",
        {"nodes_json": []},
        "validate_nodes",
        {"registered": 1, "updated": 0, "unchanged": 0},
    ),
    single("configure", NODES, "configure_nodes", CONFIGURED),
    single("configure_manageable_nodes", {}, "configure_nodes", CONFIGURED),
    single("tag_node", NODE, "tag_nodes", CONFIGURED),
    single("list", {}, "list", [{"uuid": "u1"}]),
    single("delete", NODES, "delete", {"deleted": ["u1", "u2"]}),
    single("match_profiles", {}, "match_profiles", {"roles": [], "unused": []}),
    (
        "tripleo.baremetal.v1.tag_nodes",
        TAGS,
        {"tripleo.baremetal.tag_nodes": CONFIGURED, "tripleo.parameters.update_role": CHANGED},
        [
            "tripleo.parameters.update_role",
            "tripleo.baremetal.tag_nodes",
            "tripleo.parameters.update_role",
        ],
    ),
    # workflow, inputs, answers, actions in order
    (
        "tripleo.plan_management.v1.create_deployment_plan",
        {"container": "demo"},
        {"tripleo.plan.create": CREATED},
        ["tripleo.plan.create"],
    ),
    (
        "tripleo.plan_management.v1.create_default_deployment_plan",
        {"container": "demo"},
        {"tripleo.plan.create": CREATED},
        ["tripleo.plan.create"],
    ),
    (
        "tripleo.plan_management.v1.update_deployment_plan",
        {"container": "demo"},
        {"tripleo.plan.update": CHANGED},
        ["tripleo.plan.update"],
    ),
    (
        "tripleo.plan_management.v1.sync_plan",
        {"container": "demo"},
        {"tripleo.plan.sync": {"placements": []}},
        ["tripleo.plan.sync"],
    ),
    (
        "tripleo.plan_management.v1.list_roles",
        {"container": "demo"},
        {"tripleo.role.list": [{"name": "A"}]},
        ["tripleo.role.list"],
    ),
    (
        "tripleo.plan_management.v1.list_available_roles",
        {"container": "demo"},
        {"tripleo.role.list_available": [{"name": "A"}]},
        ["tripleo.role.list_available"],
    ),
    (
        "tripleo.plan_management.v1.select_roles",
        {"container": "demo", "role_names": ["A"]},
        {"tripleo.role.select": {**CHANGED, "roles": [{"name": "A"}]}},
        ["tripleo.role.select"],
    ),
    (
        "tripleo.plan_management.v1.rotate_passwords",
        {"container": "demo"},
        {"tripleo.parameters.generate_passwords": {**CHANGED, "passwords": ["A"]}},
        ["tripleo.parameters.generate_passwords"],
    ),
    (
        "tripleo.plan_management.v1.export_deployment_plan",
        {"plan": "demo"},
        {"tripleo.plan.export": EXPORTED, "tripleo.swift.tempurl": "http://x/y"},
        ["tripleo.plan.export", "tripleo.swift.tempurl"],
    ),
    (
        "tripleo.plan_management.v1.delete_deployment_plan",
        {"container": "demo"},
        {},
        ["tripleo.plan.delete"],
    ),
    (
        "tripleo.plan_management.v1.list_plans",
        {},
        {"tripleo.plan.list": ["a", "b"]},
        ["tripleo.plan.list"],
    ),
    (
        "tripleo.deployment.v1.deploy_plan",
        {"container": "demo"},
        {"tripleo.deployment.deploy": DEPLOYED, "tripleo.stack.wait": DONE},
        ["tripleo.deployment.deploy", "tripleo.stack.wait"],
    ),
    (
        "tripleo.deployment.v1.deploy_plan_in_region",
        {"container": "demo"},
        {"tripleo.deployment.deploy": DEPLOYED, "tripleo.stack.wait": DONE},
        ["tripleo.deployment.admit_region", "tripleo.deployment.deploy", "tripleo.stack.wait"],
    ),
    (
        "tripleo.deployment.v1.deploy_plan_in_regions",
        {"container": "demo"},
        {
            "tripleo.deployment.choose_regions": CHOSEN,
            "tripleo.deployment.deploy": DEPLOYED,
            "tripleo.stack.wait": DONE,
            "tripleo.deployment.summarize_regions": {"message": "Done.", "results": []},
        },
        [
            "tripleo.deployment.choose_regions",
            "tripleo.deployment.admit_region",
            "tripleo.deployment.deploy",
            "tripleo.stack.wait",
            "tripleo.deployment.summarize_regions",
        ],
    ),
    (
        "tripleo.stack.v1.wait_for_stack_complete_or_failed",
        {"stack": "demo"},
        {"tripleo.stack.wait": base.Each((NOT_YET, NOT_YET, DONE))},
        ["tripleo.stack.wait"] * 3,
    ),
    (
        "tripleo.stack.v1.wait_for_stack_in_progress",
        {"stack": "demo"},
        {"tripleo.stack.wait": base.Each((NOT_YET, DONE))},
        ["tripleo.stack.wait"] * 2,
    ),
    (
        "tripleo.stack.v1.wait_for_stack_does_not_exist",
        {"stack": "demo"},
        {"tripleo.stack.wait": base.Each((NOT_YET, DONE))},
        ["tripleo.stack.wait"] * 2,
    ),
    (
        "tripleo.stack.v1.delete_stack",
        {"stack": "demo"},
        {"tripleo.stack.delete": True, "tripleo.stack.wait": DONE},
        ["tripleo.stack.delete", "tripleo.stack.wait"],
    ),
)


@ddt.ddt
class TestEveryWorkflow(base.Failures, base.WorkflowTestCase):
    @ddt.idata(CASES)
    @ddt.unpack
    def test_calls_its_actions_in_order_where_it_was_told_to(
        self, workflow, inputs, answers, expected
    ):
        self.answers = answers
        self.assert_succeeds(workflow, **inputs, **PLACE)
        self.assertEqual(expected, self.called())
        for call in self.calls:
            self.assertEqual("regionTwo", call.inputs["action_region"], call)
            self.assertEqual("edge", call.inputs["cloud"], call)

    @ddt.idata(case for case in CASES if "deploy_plan_in_region" not in case[0])
    @ddt.unpack
    def test_ends_in_error_whichever_action_fails(self, workflow, inputs, answers, expected):
        failures = self.check_every_failure(workflow, inputs, answers)
        self.assertEqual(len(set(expected)), failures)

    def test_each_workflow_of_the_workbooks_is_a_case(self):
        from mistral.db.v2 import api as db_api

        with db_api.transaction(read_only=True):
            loaded = {w.name for w in db_api.get_workflow_definitions()}
        ours = {name for name in loaded if name.startswith("tripleo.")}
        self.assertEqual(ours, {case[0] for case in CASES})


class TestPlanManagement(base.WorkflowTestCase):
    def test_nodes_that_could_be_tagged_are_counted_though_others_could_not(self):
        error = exceptions.NodesFailed("tagged", 2, [{"uuid": "u2", "name": "b", "error": "x"}])
        self.answers = {
            "tripleo.baremetal.tag_nodes": error,
            "tripleo.parameters.update_role": CHANGED,
        }
        self.assert_fails("tripleo.baremetal.v1.tag_nodes", error, **TAGS)
        check, _, count = self.calls
        self.assertEqual((True, False), (check.inputs["dry_run"], count.inputs["dry_run"]))

    def test_no_node_is_tagged_for_a_role_that_does_not_exist(self):
        error = exceptions.ParametersInvalid([])
        self.answers = {"tripleo.parameters.update_role": error}
        self.assert_fails("tripleo.baremetal.v1.tag_nodes", error, **TAGS)
        self.assertEqual(["tripleo.parameters.update_role"], self.called())

    def test_a_plan_whose_container_is_not_filled_yet_is_usable_and_named(self):
        self.answers = {"tripleo.plan.create": BEGUN, "tripleo.plan.start_sync": "an-id"}
        for workflow in ("create_deployment_plan", "create_default_deployment_plan"):
            self.calls.clear()
            output = self.assert_succeeds(
                f"tripleo.plan_management.v1.{workflow}", container="demo", **PLACE
            )
            self.assertEqual((1, "an-id"), (output["revision"], output["sync_execution"]))
            self.assertEqual(["tripleo.plan.create", "tripleo.plan.start_sync"], self.called())
            self.assertFalse(self.calls[0].inputs["sync"])
            self.assertEqual("regionTwo", self.calls[1].inputs["action_region"])

    def test_a_plan_is_made_although_the_filling_of_its_container_cannot_start(self):
        down = exceptions.ServiceUnavailable("workflowv2", "x", "is down")
        self.answers = {"tripleo.plan.create": BEGUN, "tripleo.plan.start_sync": down}
        output = self.assert_succeeds(
            "tripleo.plan_management.v1.create_deployment_plan", container="demo"
        )
        self.assertEqual((1, None), (output["revision"], output["sync_execution"]))

    def test_where_the_templates_come_from_reaches_the_action(self):
        self.answers = {"tripleo.plan.create": CREATED, "tripleo.plan.update": CHANGED}
        self.assert_succeeds(
            "tripleo.plan_management.v1.create_deployment_plan",
            container="demo",
            source_url="https://host/a.git",
            generate_passwords=False,
            reason="a new site",
        )
        self.assert_succeeds(
            "tripleo.plan_management.v1.update_deployment_plan",
            container="demo",
            source_url="https://host/b.git",
            plan_environment={"parameter_defaults": {"A": 1}},
            generate_passwords=False,
            reason="a newer one",
        )
        created, updated = (call.inputs for call in self.calls)
        self.assertEqual("https://host/a.git", created["source_url"])
        self.assertEqual("https://host/b.git", updated["source_url"])
        self.assertEqual({"parameter_defaults": {"A": 1}}, updated["plan_environment"])
        self.assertEqual(
            [(False, "a new site"), (False, "a newer one")],
            [(i["generate_passwords"], i["reason"]) for i in (created, updated)],
        )

    def test_rotation_is_asked_for_and_names_what_is_new(self):
        self.answers = {"tripleo.parameters.generate_passwords": {**CHANGED, "passwords": ["A"]}}
        output = self.assert_succeeds(
            "tripleo.plan_management.v1.rotate_passwords", container="demo", password_list=["A"]
        )
        self.assertEqual(["A"], output["passwords"])
        self.assertTrue(self.calls[0].inputs["rotate_passwords"])
        self.assertEqual(["A"], self.calls[0].inputs["rotate_pw_list"])

    def test_an_export_ends_with_its_url(self):
        self.answers = {"tripleo.plan.export": EXPORTED, "tripleo.swift.tempurl": "http://x/y"}
        output = self.assert_succeeds(
            "tripleo.plan_management.v1.export_deployment_plan", plan="demo"
        )
        self.assertEqual("http://x/y", output["tempurl"])
        self.assertEqual(
            ("plan-exports", "demo.tar.gz"),
            (self.calls[1].inputs["container"], self.calls[1].inputs["obj"]),
        )

    def test_list_plans_answers_under_both_names_that_clients_read(self):
        self.answers = {"tripleo.plan.list": ["a", "b"]}
        output = self.assert_succeeds("tripleo.plan_management.v1.list_plans")
        self.assertEqual(["a", "b"], output["plans"])
        self.assertEqual(["a", "b"], output["plan_list"])


class TestDeployment(base.WorkflowTestCase):
    def test_the_output_names_the_stack_and_its_state(self):
        self.answers = {"tripleo.deployment.deploy": DEPLOYED, "tripleo.stack.wait": DONE}
        output = self.assert_succeeds(
            "tripleo.deployment.v1.deploy_plan", container="demo", timeout=30
        )
        self.assertEqual("DEPLOY_SUCCESS", output["deployment_status"])
        self.assertEqual({"id": "1", "name": "demo"}, output["stack"])
        self.assertEqual("CREATE_COMPLETE", output["stack_status"])
        self.assertEqual(30, self.calls[0].inputs["timeout"])

    def test_a_failed_stack_is_a_failed_deployment_with_its_causes(self):
        failed = exceptions.StackFailed(
            "demo",
            "1",
            "CREATE_FAILED",
            "Resource CREATE failed",
            [{"resource": "a.b", "type": "t", "status": "CREATE_FAILED", "reason": "no"}],
        )
        self.answers = {"tripleo.deployment.deploy": DEPLOYED, "tripleo.stack.wait": failed}
        output = self.assert_fails("tripleo.deployment.v1.deploy_plan", failed, container="demo")
        self.assertEqual("DEPLOY_FAILED", output["deployment_status"])
        self.assertEqual("a.b", output["error"]["details"]["causes"][0]["resource"])

    def test_inputs_that_clients_of_other_releases_send_are_accepted(self):
        self.answers = {"tripleo.deployment.deploy": DEPLOYED, "tripleo.stack.wait": DONE}
        self.assert_succeeds(
            "tripleo.deployment.v1.deploy_plan",
            container="demo",
            run_validations=False,
            timeout=240,
            skip_deploy_identifier=True,
            queue_name="a-queue",
            config_download=False,
            ssh_network="ctlplane",
            deployment_options={},
        )
        self.assertTrue(self.calls[0].inputs["skip_deploy_identifier"])


class TestDeploymentInRegions(base.WorkflowTestCase):
    """What fails in one region is told, and does not keep the others from being deployed."""

    WORKFLOW = "tripleo.deployment.v1.deploy_plan_in_regions"
    DOWN = exceptions.ServiceUnavailable("orchestration", "http://two", "cannot be reached")

    def setUp(self):
        super().setUp()
        self.broken = {"two": self.DOWN}
        self.admitted = 0
        self.answers = {
            "tripleo.deployment.choose_regions": {
                "chosen": [{"region": name, "cloud": None} for name in ("one", "two", "three")],
                "done": [{"region": "zero", "cloud": None, "state": "DEPLOYED", "message": "m"}],
            },
            "tripleo.deployment.deploy": self.deploy,
            "tripleo.stack.wait": DONE,
            "tripleo.deployment.summarize_regions": lambda inputs: regions.summarize(
                inputs["container"], inputs["done"], inputs["outputs"]
            ),
        }

    def deploy(self, inputs):
        name = inputs["action_region"]
        if name in self.broken:
            raise self.broken[name]
        return {**DEPLOYED, "region": name, "cloud": None}

    def states(self, output):
        return {result["name"]: result["state"] for result in output["regions_results"]}

    def test_all_good(self):
        self.broken = {}
        output = self.assert_succeeds(self.WORKFLOW, container="demo")
        self.assertEqual(
            dict.fromkeys(("zero", "one", "two", "three"), "DEPLOYED"), self.states(output)
        )
        waited = {c.inputs["action_region"] for c in self.calls if c.name == "tripleo.stack.wait"}
        self.assertEqual({"one", "two", "three"}, waited)

    def test_one_that_fails_is_told_and_the_others_are_deployed(self):
        state, output = self.run_workflow(self.WORKFLOW, container="demo")
        self.assertEqual(("ERROR", "FAILED"), (state, output["status"]))
        self.assertEqual("RegionsFailed", output["error"]["type"])
        self.assertEqual(
            {"zero": "DEPLOYED", "one": "DEPLOYED", "two": "FAILED", "three": "DEPLOYED"},
            self.states(output),
        )
        failed = next(r for r in output["regions_results"] if r["name"] == "two")
        self.assertEqual("ServiceUnavailable", failed["error"]["type"])
        self.assertIn("cannot be reached", output["message"])

    def test_a_stack_that_fails_is_told(self):
        stack = exceptions.StackFailed("demo", "1", "CREATE_FAILED", "no", [])
        self.broken = {}
        self.answers["tripleo.stack.wait"] = stack
        _state, output = self.run_workflow(self.WORKFLOW, container="demo")
        self.assertEqual("StackFailed", output["regions_results"][-1]["error"]["type"])

    def test_an_executor_that_dies_in_one_region_is_told(self):
        def die(_inputs):
            raise RuntimeError("no executor")

        self.answers["tripleo.deployment.deploy"] = die
        _state, output = self.run_workflow(self.WORKFLOW, container="demo")
        self.assertEqual(
            {"zero": "DEPLOYED", "one": "FAILED", "two": "FAILED", "three": "FAILED"},
            self.states(output),
        )
        self.assertIn("no executor", output["regions_results"][-1]["message"])

    def test_one_that_is_not_admitted_is_not_begun(self):
        def admit(inputs):
            if inputs["action_region"] == "three":
                raise exceptions.DeploymentStopped(["two"], inputs["max_failures"])

        self.answers["tripleo.deployment.admit_region"] = admit
        _state, output = self.run_workflow(
            self.WORKFLOW, container="demo", concurrency=1, max_failures=1
        )
        self.assertEqual(
            {"zero": "DEPLOYED", "one": "DEPLOYED", "two": "FAILED", "three": "NOT_BEGUN"},
            self.states(output),
        )
        self.assertEqual(2, self.called().count("tripleo.deployment.deploy"))

    def test_nothing_is_left_to_deploy(self):
        self.answers["tripleo.deployment.choose_regions"]["chosen"] = []
        output = self.assert_succeeds(self.WORKFLOW, container="demo", resume="an-id")
        self.assertEqual({"zero": "DEPLOYED"}, self.states(output))

    def test_a_wrong_choice_and_a_failing_summary_end_it(self):
        for name in ("choose_regions", "summarize_regions"):
            self.calls.clear()
            self.answers[f"tripleo.deployment.{name}"] = self.DOWN
            output = self.assert_fails(self.WORKFLOW, self.DOWN, container="demo")
            self.assertEqual([], output["regions_results"])
            self.answers["tripleo.deployment.choose_regions"] = CHOSEN


class TestNodes(base.WorkflowTestCase):
    FAILED = exceptions.NodesFailed(
        "introspected",
        2,
        [{"uuid": "u2", "name": None, "error": "no boot"}],
        nodes=[{"uuid": "u1"}],
        introspected_nodes={"u2": {"finished": True, "error": "no boot"}},
        failed_introspection=["u2"],
        record=RECORD,
    )

    def test_a_preview_ends_a_registration_with_nothing_to_follow(self):
        preview = {"fingerprint": "f", "remove": [{"uuid": "u9"}], "kept": []}
        self.answers = {
            "tripleo.baremetal.register_or_update_nodes": {
                "run": None,
                "done": True,
                "message": "1 nodes would be removed; nothing was changed yet.",
                "preview": preview,
            }
        }
        output = self.assert_succeeds(
            "tripleo.baremetal.v1.register_or_update", nodes_json=[], remove=True
        )
        self.assertEqual(preview, output["preview"])
        self.assertEqual([], output["registered_nodes"])
        self.assertEqual(["tripleo.baremetal.register_or_update_nodes"], self.called())

    def test_a_registration_lists_its_nodes_and_how_many_were_what(self):
        self.answers = {
            "tripleo.baremetal.register_or_update_nodes": {**RUN, "preview": None},
            "tripleo.baremetal.follow_run": ENDED,
        }
        output = self.assert_succeeds(
            "tripleo.baremetal.v1.register_or_update",
            nodes_json=[],
            remove=True,
            remove_fingerprint="f",
            kernel_name="k",
            ramdisk_name="r",
            instance_boot_option="local",
            initial_state="available",
        )
        self.assertEqual(["u1", "u2"], [node["uuid"] for node in output["registered_nodes"]])
        self.assertEqual((2, 0), (output["registered"], output["unchanged"]))
        given = self.calls[0].inputs
        self.assertEqual(
            ("f", "k", "r", "local", "available"),
            (
                given["remove_fingerprint"],
                given["kernel_name"],
                given["ramdisk_name"],
                given["instance_boot_option"],
                given["initial_state"],
            ),
        )
        self.assertEqual("r1", self.calls[1].inputs["run_id"])

    def test_nodes_that_failed_are_told_with_those_that_did_not(self):
        for workflow, first, inputs in (
            ("register_or_update", "register_or_update_nodes", {"nodes_json": []}),
            ("introspect", "introspect_nodes", NODES),
            ("provide", "move_nodes", NODES),
        ):
            self.answers = {
                f"tripleo.baremetal.{first}": {**RUN, "preview": None},
                "tripleo.baremetal.follow_run": self.FAILED,
            }
            output = self.assert_fails(f"tripleo.baremetal.v1.{workflow}", self.FAILED, **inputs)
            self.assertIn("no boot", output["message"])
            if workflow == "introspect":
                self.assertEqual(["u2"], output["failed_introspection"])
                self.assertEqual("no boot", output["introspected_nodes"]["u2"]["error"])
            else:
                self.assertEqual("u2", output["failed"][0]["uuid"])

    def test_moves_ask_for_what_they_are_called(self):
        self.answers = {
            "tripleo.baremetal.move_nodes": RUN,
            "tripleo.baremetal.introspect_nodes": RUN,
            "tripleo.baremetal.follow_run": ENDED,
        }
        for workflow, inputs, expected in (
            ("manage", NODES, ("manage", ["u1", "u2"], False)),
            ("provide", NODES, ("provide", ["u1", "u2"], True)),
            ("provide_manageable_nodes", {}, ("provide", "manageable", True)),
            ("set_node_state", MOVE, ("manage", ["u1"], False)),
        ):
            self.calls.clear()
            self.assert_succeeds(f"tripleo.baremetal.v1.{workflow}", **inputs)
            given = self.calls[0].inputs
            names = ("state_action", "node_uuids", "power_off")
            self.assertEqual(expected, tuple(given[name] for name in names))

    def test_inputs_that_clients_of_other_releases_send_are_accepted(self):
        self.answers = {
            "tripleo.baremetal.introspect_nodes": RUN,
            "tripleo.baremetal.move_nodes": RUN,
            "tripleo.baremetal.switch_nodes": RUN,
            "tripleo.baremetal.follow_run": ENDED,
        }
        self.assert_succeeds(
            "tripleo.baremetal.v1.introspect",
            **NODES,
            run_validations=False,
            queue_name="q",
            concurrency=7,
            max_retry_attempts=1,
            node_timeout=60,
        )
        given = self.calls[0].inputs
        self.assertEqual(
            (7, 1, 60), (given["concurrency"], given["max_retry_attempts"], given["node_timeout"])
        )
        self.assert_succeeds(
            "tripleo.baremetal.v1.set_node_state", **MOVE, error_states=["error", "clean failed"]
        )
        self.assert_succeeds(
            "tripleo.baremetal.v1.set_power_state",
            node_uuid="u1",
            state_action="off",
            target_state="power off",
            error_state="error",
        )


class TestUnknownInputs(base.WorkflowTestCase):
    def test_an_unknown_input_is_refused(self):
        from mistral import exceptions as mistral_exceptions

        self.assertRaises(
            mistral_exceptions.InputException,
            self.run_workflow,
            "tripleo.plan_management.v1.list_plans",
            contaner="demo",
        )
