import json

import ddt
from swiftclient import exceptions as swift_exc

from tests.unit import test_plans
from tests.unit.test_plans import change
from tripleo_common import exceptions
from tripleo_common.deployment import deploy
from tripleo_common.plan import lock, yaml_files

HERE = {
    "stack": {"id": "uuid-plan", "name": "plan"},
    "cloud": None,
    "region": "regionOne",
    "stale": [],
}


@ddt.ddt
class Deploy(test_plans.WithPlans):
    def setUp(self):
        super().setUp()
        self.heat = self.cloud.heat
        self.made_plan()
        self.variables["parameter_defaults"] = {"ControllerCount": 3}
        self.commit()
        # Whether it has a stack was asked when it was made.
        self.heat.requests.clear()

    def deploy(self, timeout=90, *, by=None, **more):
        return deploy.deploy(self.plans, "plan", timeout, by or change(), **more)

    def deployed(self):
        return self.plans.open("plan").archive.deployed()

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
            {**HERE, "action": "CREATE", "revision": 2},
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
            {**HERE, "action": "UPDATE", "revision": 2},
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
        error = self.assertRaises(exceptions.ServiceRefused, self.deploy)
        self.assertIn("Property error", error.message)

    @ddt.data("POST", "PUT")
    def test_refusal_of_heat_does_not_show_secrets(self, method):
        if method == "PUT":
            self.exists("CREATE_COMPLETE")
        self.variables["parameter_defaults"]["Hidden"] = "canary-refused-0b5e"
        words = "Hidden: canary-refused-0b5e does not match"
        self.heat.fail(method, "/stacks", 400, json.dumps({"error": {"message": words}}))
        error = self.assertRaises(exceptions.ServiceRefused, self.deploy)
        self.assertIn("does not match", error.message)
        self.assertNotIn("canary-refused", error.message)

    def test_wrong_plan_does_not_reach_heat(self):
        self.objects["overcloud.j2.yaml"] = b"{{ nope }}"
        self.assertRaises(exceptions.TemplateInvalid, self.deploy)
        self.assertEqual([], self.heat.requests)

    def test_unknown_plan_is_told(self):
        self.assertRaises(exceptions.PlanNotFound, deploy.deploy, self.plans, "other", 5, change())

    def test_values_of_this_deployment_are_not_kept_in_the_plan(self):
        self.deploy(identifier="one")
        self.assertEqual(
            {"ControllerCount": 3},
            self.cloud.mistral.environments["plan"]["parameter_defaults"],
        )

    def test_secrets_reach_heat_in_clear_and_nobody_else(self):
        self.set(Hidden="canary-h")
        self.deploy()
        self.assertEqual("canary-h", self.parameters()["Hidden"])
        self.assertNotIn("canary-h", str(self.state()))

    def test_what_was_written_directly_is_committed_and_deployed(self):
        self.objects["environments/ha.yaml"] = b"parameter_defaults: {A: theirs}\n"
        self.variables["environments"].append({"path": "environments/ha.yaml"})
        self.assertEqual(3, self.deploy()["revision"])
        self.assertIn("A: theirs", self.body()["files"]["environments/ha.yaml"])
        self.assertTrue(self.plans.read("plan").is_committed)
        self.assertEqual(3, self.variables["revision"])

    def test_revision_is_marked_as_deployed(self):
        self.deploy()
        self.assertEqual([2], self.deployed())
        self.set(A="a")
        self.heat.stacks["plan"]["stack_status"] = "CREATE_COMPLETE"
        self.heat.stacks["plan"]["then"] = ["UPDATE_IN_PROGRESS"]
        self.deploy(identifier="two")
        self.assertEqual([2, 3], self.deployed())

    def test_plan_is_locked_until_heat_has_begun(self):
        seen = []

        def look(_request, _context):
            seen.append(lock.read(self.plans.home, "plan")["owner"])

        self.heat.on("POST", "/stacks", look)
        self.deploy()
        self.assertEqual(["admin's tripleo.test"], seen)
        self.assertIsNone(lock.read(self.plans.home, "plan"))

    def test_plan_that_is_being_changed_is_not_deployed(self):
        with lock.hold(self.plans.home, "plan", change(user="bob", reason="roles")):
            error = self.assertRaises(exceptions.PlanLocked, self.deploy)
        self.assertEqual(("bob's tripleo.test", "roles"), (error.owner, error.reason))
        self.assertEqual([], self.heat.requests)

    def test_refused_deploy_leaves_no_mark_and_no_lock(self):
        self.heat.fail("POST", "/stacks", 400, '{"error": {"message": "Property error"}}')
        self.assertRaises(exceptions.ServiceRefused, self.deploy)
        self.assertEqual([], self.deployed())
        self.assertNotIn("plan.lock", self.mistral.environments)

    def test_deploy_that_mistral_delivers_twice_is_sent_once(self):
        self.objects["mine.yaml"] = b"{}"
        by = change(request="r1")
        first = self.deploy(by=by, identifier="one")
        self.assertEqual(first["revision"], self.deploy(by=by, identifier="one")["revision"])
        self.assertEqual((1, 0), (self.heat.count("POST"), self.heat.count("PUT")))
        self.assertEqual([3], self.deployed())

    def test_second_delivery_marks_what_the_first_could_not(self):
        self.swift.fail("PUT", "plan.revisions/deployed", 403)
        self.assertRaises(swift_exc.ClientException, self.deploy, identifier="one")
        self.assertEqual([], self.deployed())
        self.swift._hooks.clear()
        self.deploy(identifier="one")
        self.assertEqual([2], self.deployed())
        self.assertEqual(1, self.heat.count("POST"))
