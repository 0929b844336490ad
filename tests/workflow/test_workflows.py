"""What each workflow does, in which order, and how it ends."""

import ddt

from tests.workflow import base
from tripleo_common import exceptions

PLACE = {"action_region": "regionTwo", "cloud": "edge"}
DONE = {"done": True, "stack": "demo", "status": "CREATE_COMPLETE"}
NOT_YET = {"done": False, "stack": "demo", "status": "CREATE_IN_PROGRESS"}
DEPLOYED = {"stack": {"id": "1", "name": "demo"}, "action": "CREATE"}

CASES = (
    # workflow, inputs, answers, actions in order
    (
        "tripleo.plan_management.v1.create_deployment_plan",
        {"container": "demo"},
        {},
        ["tripleo.plan.create"],
    ),
    (
        "tripleo.plan_management.v1.create_deployment_plan",
        {"container": "demo", "use_default_templates": True},
        {},
        [
            "tripleo.plan.create_container",
            "tripleo.templates.upload_default",
            "tripleo.plan.create",
        ],
    ),
    (
        "tripleo.plan_management.v1.create_default_deployment_plan",
        {"container": "demo"},
        {},
        [
            "tripleo.plan.create_container",
            "tripleo.templates.upload_default",
            "tripleo.plan.create",
        ],
    ),
    (
        "tripleo.plan_management.v1.update_deployment_plan",
        {"container": "demo"},
        {},
        ["tripleo.plan.update"],
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
    def test_a_failed_creation_removes_the_container_that_it_made(self):
        wrong = exceptions.TemplateInvalid("overcloud.j2.yaml", "Jinja2: oops", 7)
        self.answers = {"tripleo.plan.create": wrong}
        self.assert_fails(
            "tripleo.plan_management.v1.create_default_deployment_plan", wrong, container="demo"
        )
        self.assertEqual("tripleo.plan.delete", self.called()[-1])
        self.assertEqual("demo", self.calls[-1].inputs["container"])

    def test_a_failed_upload_removes_the_container_as_well(self):
        wrong = exceptions.ServiceRefused("object-store", 507, "full")
        self.answers = {"tripleo.templates.upload_default": wrong}
        self.assert_fails(
            "tripleo.plan_management.v1.create_default_deployment_plan", wrong, container="demo"
        )
        self.assertEqual("tripleo.plan.delete", self.called()[-1])

    def test_an_existing_plan_is_never_removed_by_a_refused_creation(self):
        exists = exceptions.PlanExists("demo", "container")
        self.answers = {"tripleo.plan.create_container": exists}
        self.assert_fails(
            "tripleo.plan_management.v1.create_default_deployment_plan", exists, container="demo"
        )
        self.assertEqual(["tripleo.plan.create_container"], self.called())

    def test_what_a_client_uploaded_stays_when_the_creation_fails(self):
        wrong = exceptions.FileNotInPlan("capabilities-map.yaml", "every plan")
        self.answers = {"tripleo.plan.create": wrong}
        self.assert_fails(
            "tripleo.plan_management.v1.create_deployment_plan", wrong, container="demo"
        )
        self.assertEqual(["tripleo.plan.create"], self.called())

    def test_the_first_error_is_told_when_the_clean_up_fails_too(self):
        wrong = exceptions.TemplateInvalid("overcloud.j2.yaml", "Jinja2: oops", 7)
        self.answers = {
            "tripleo.plan.create": wrong,
            "tripleo.plan.delete": exceptions.ServiceUnavailable("object-store", "x", "is down"),
        }
        self.assert_fails(
            "tripleo.plan_management.v1.create_default_deployment_plan", wrong, container="demo"
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
