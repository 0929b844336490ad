"""What each workflow does, in which order, and how it ends."""

import ddt

from tests.workflow import base
from tripleo_common import exceptions

PLACE = {"action_region": "regionTwo", "cloud": "edge"}
DONE = {"done": True, "stack": "demo", "status": "CREATE_COMPLETE"}
NOT_YET = {"done": False, "stack": "demo", "status": "CREATE_IN_PROGRESS"}
DEPLOYED = {"stack": {"id": "1", "name": "demo"}, "action": "CREATE", "revision": 3}
CREATED = {"revision": 1, "synced": True}
BEGUN = {"revision": 1, "synced": False}
CHANGED = {"revision": 2, "changed": True}
EXPORTED = {"container": "plan-exports", "object": "demo.tar.gz", "revision": 1, "secrets": []}

CASES = (
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
        {},
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
        {"tripleo.role.select": {"revision": 2, "roles": [{"name": "A"}]}},
        ["tripleo.role.select"],
    ),
    (
        "tripleo.plan_management.v1.rotate_passwords",
        {"container": "demo"},
        {"tripleo.parameters.generate_passwords": {"revision": 2, "passwords": ["A"]}},
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

    @ddt.idata(CASES)
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
        self.answers = {
            "tripleo.parameters.generate_passwords": {"revision": 2, "passwords": ["A"]}
        }
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


class TestUnknownInputs(base.WorkflowTestCase):
    def test_an_unknown_input_is_refused(self):
        from mistral import exceptions as mistral_exceptions

        self.assertRaises(
            mistral_exceptions.InputException,
            self.run_workflow,
            "tripleo.plan_management.v1.list_plans",
            contaner="demo",
        )
