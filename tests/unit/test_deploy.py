import ddt
from heatclient import exc as heat_exc

from tests.unit import base, fakes, test_plans
from tripleo_common import exceptions
from tripleo_common.deployment import deploy
from tripleo_common.plan import plans, yaml_files


@ddt.ddt
class Deploy(base.TestCase):
    def setUp(self):
        super().setUp()
        self.cloud = self.useFixture(fakes.Cloud())
        self.heat = self.cloud.heat
        opened = self.cloud.open()
        self.plans = plans.Plans(opened, opened)
        self.cloud.swift.containers["plan"] = test_plans.encoded(test_plans.FILES)
        self.plans.create("plan")
        self.cloud.mistral.environments["plan"]["parameter_defaults"] = {"ControllerCount": 3}

    def deploy(self, timeout=90, **more):
        return deploy.deploy(self.plans, "plan", timeout, **more)

    def body(self):
        return self.heat.stacks["plan"]["body"]

    def parameters(self):
        body = self.body()
        last = body["environment_files"][-1]
        return yaml_files.load(body["files"][last], last)["parameter_defaults"]

    def exists(self, *states, **more):
        return self.heat.add("plan", *states, moving=False, **more)

    def test_stack_is_created(self):
        self.assertEqual(
            {"stack": {"id": "uuid-plan", "name": "plan"}, "action": "CREATE"},
            self.deploy(identifier="one"),
        )
        body = self.body()
        self.assertEqual(
            ("plan", 90, True), (body["stack_name"], body["timeout_mins"], body["disable_rollback"])
        )
        self.assertIn("Controller", body["template"])
        self.assertEqual("registry.yaml", body["environment_files"][0])
        self.assertIn("controller-role.yaml", body["files"])
        self.assertEqual(
            {
                "ControllerCount": 3,
                "DeployIdentifier": "one",
                "UpdateIdentifier": "",
                "StackAction": "CREATE",
            },
            self.parameters(),
        )

    @ddt.data("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_FAILED", "CREATE_FAILED")
    def test_stack_is_updated_and_it_returns_when_heat_has_begun(self, status):
        self.exists(status, status, "UPDATE_IN_PROGRESS")
        self.assertEqual(
            {"stack": {"id": "uuid-plan", "name": "plan"}, "action": "UPDATE"},
            self.deploy(identifier="two"),
        )
        self.assertEqual("UPDATE_IN_PROGRESS", self.heat.stacks["plan"]["stack_status"])
        self.assertEqual(
            ("UPDATE", "two"),
            (self.parameters()["StackAction"], self.parameters()["DeployIdentifier"]),
        )
        self.assertEqual(1, self.heat.count("PUT"))

    def test_deleted_stack_is_created_anew(self):
        self.heat.fail("GET", "/stacks/plan", 404, "{}")
        self.assertEqual("CREATE", self.deploy()["action"])

    @ddt.data("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS")
    def test_stack_that_heat_is_at_work_on_is_busy(self, status):
        self.exists(status, parameters={"DeployIdentifier": "somebody-elses"})
        error = self.assertRaises(exceptions.StackBusy, self.deploy, identifier="mine")
        self.assertEqual(("uuid-plan", status), (error.stack_id, error.status))
        self.assertEqual(0, self.heat.count("PUT") + self.heat.count("POST"))

    def begun(self, **more):
        """Deploy, and let Heat show the parameters that it was given."""
        result = self.deploy(**more)
        self.heat.stacks["plan"]["parameters"] = self.parameters()
        return result

    @ddt.data({}, {"skip_deploy_identifier": True})
    def test_creation_that_heat_has_begun_with_is_not_asked_for_again(self, more):
        first = self.begun(identifier="mine", **more)
        self.assertEqual(first["stack"], self.deploy(identifier="mine", **more)["stack"])
        self.assertEqual((1, 0), (self.heat.count("POST"), self.heat.count("PUT")))

    @ddt.data({}, {"skip_deploy_identifier": True})
    def test_update_that_heat_has_begun_with_is_not_asked_for_again(self, more):
        self.exists("CREATE_COMPLETE", "UPDATE_IN_PROGRESS")
        first = self.begun(identifier="mine", **more)
        self.assertEqual(first, self.deploy(identifier="mine", **more))
        self.assertEqual((0, 1), (self.heat.count("POST"), self.heat.count("PUT")))

    def test_request_that_heat_has_begun_with_for_another_is_busy(self):
        self.begun(identifier="theirs")
        self.assertRaises(exceptions.StackBusy, self.deploy, identifier="mine")

    def test_deletion_is_never_taken_for_the_request(self):
        self.begun(identifier="mine")
        self.heat.stacks["plan"]["stack_status"] = "DELETE_IN_PROGRESS"
        self.assertRaises(exceptions.StackBusy, self.deploy, identifier="mine")

    def test_identifier_is_different_each_time_unless_given(self):
        self.deploy()
        self.assertTrue(self.parameters()["DeployIdentifier"])

    def test_unchanged_servers_are_left_alone_if_asked_for(self):
        self.deploy(skip_deploy_identifier=True, identifier="one")
        self.assertEqual("", self.parameters()["DeployIdentifier"])

    @ddt.data(0, -1, True, False, "90", 1.5, None, [90], float("nan"))
    def test_timeout_that_is_no_number_of_minutes_is_refused_before_any_request(self, timeout):
        before = len(self.cloud.http.request_history)
        error = self.assertRaises(exceptions.InputInvalid, self.deploy, timeout)
        self.assertEqual("timeout", error.name)
        self.assertEqual(before, len(self.cloud.http.request_history))

    def test_stack_that_somebody_creates_meanwhile_is_busy(self):
        def somebody_is_faster(_request, _context):
            self.exists("CREATE_IN_PROGRESS")

        self.heat.on("POST", "/stacks", somebody_is_faster)
        error = self.assertRaises(exceptions.StackBusy, self.deploy)
        self.assertEqual(("uuid-plan", "CREATE_IN_PROGRESS"), (error.stack_id, error.status))

    def test_stack_that_somebody_updates_meanwhile_is_busy(self):
        self.exists("CREATE_COMPLETE")

        def somebody_is_faster(_request, context):
            self.heat.stacks["plan"]["stack_status"] = "UPDATE_IN_PROGRESS"
            context.status_code = 409
            return '{"error": {"message": "Stack plan already has an action in progress."}}'

        self.heat.on("PUT", "/stacks", somebody_is_faster)
        error = self.assertRaises(exceptions.StackBusy, self.deploy)
        self.assertEqual("UPDATE_IN_PROGRESS", error.status)

    def test_refusal_of_the_templates_is_heats_own_word(self):
        self.heat.fail("POST", "/stacks", 400, '{"error": {"message": "Property error"}}')
        error = self.assertRaises(heat_exc.HTTPBadRequest, self.deploy)
        self.assertIn("Property error", str(error))

    def test_wrong_plan_does_not_reach_heat(self):
        self.cloud.swift.containers["plan"]["overcloud.j2.yaml"] = b"{{ nope }}"
        self.assertRaises(exceptions.TemplateInvalid, self.deploy)
        self.assertEqual([], self.heat.requests)

    def test_unknown_plan_is_told(self):
        self.assertRaises(exceptions.PlanNotFound, deploy.deploy, self.plans, "other", 5)

    def test_values_of_this_deployment_are_not_kept_in_the_plan(self):
        self.deploy(identifier="one")
        self.assertEqual(
            {"ControllerCount": 3},
            self.cloud.mistral.environments["plan"]["parameter_defaults"],
        )
