import ddt
from heatclient import exc as heat_exc

from tests.unit import base, fakes
from tripleo_common import exceptions
from tripleo_common.deployment import stacks, states

LONG_AGO = "2001-01-01 00:00:00"
FINAL = ("CREATE", "UPDATE", "ROLLBACK", "SUSPEND", "RESUME", "ADOPT", "SNAPSHOT", "CHECK")


@ddt.ddt
class Phase(base.TestCase):
    @ddt.data(*FINAL, "RESTORE")
    def test_every_action_ends_in_the_same_words(self, action):
        self.assertIs(states.Phase.IN_PROGRESS, states.phase(f"{action}_IN_PROGRESS"))
        self.assertIs(states.Phase.COMPLETE, states.phase(f"{action}_COMPLETE"))
        self.assertIs(states.Phase.FAILED, states.phase(f"{action}_FAILED"))

    @ddt.data(
        ("DELETE_IN_PROGRESS", states.Phase.IN_PROGRESS),
        ("DELETE_FAILED", states.Phase.FAILED),
        ("DELETE_COMPLETE", states.Phase.GONE),
    )
    @ddt.unpack
    def test_deleted_stack_is_gone(self, status, phase):
        self.assertIs(phase, states.phase(status))


class WithStack(base.TestCase):
    def setUp(self):
        super().setUp()
        self.fake = self.useFixture(fakes.Cloud())
        self.heat = self.fake.heat
        self.cloud = self.fake.open()


def failed(name, kind="OS::Heat::Stack", stack="root", nested="", parent=None, **more):
    """Return a failed resource as Heat lists it."""
    listed = {
        "resource_name": name,
        "resource_type": kind,
        "resource_status": "CREATE_FAILED",
        "resource_status_reason": f"why {name}",
        "physical_resource_id": nested,
        "links": [
            {"rel": "self", "href": "http://h/x"},
            {"rel": "stack", "href": f"http://heat.test/v1/p1/stacks/some-name/{stack}"},
        ],
        **more,
    }
    if parent:
        listed["parent_resource"] = parent
    return listed


@ddt.ddt
class WaitStep(WithStack):
    def step(self, until, started_at=None, timeout=3600):
        return stacks.wait_step(self.cloud, "plan", until, started_at, timeout)

    @ddt.data(
        *(
            (until, status, outcome)
            for until, outcomes in (
                (
                    "complete_or_failed",
                    {
                        "_COMPLETE": True,
                        "_IN_PROGRESS": False,
                        "_FAILED": exceptions.StackFailed,
                        None: exceptions.StackNotFound,
                    },
                ),
                (
                    "in_progress",
                    {
                        "_COMPLETE": False,
                        "_IN_PROGRESS": True,
                        "_FAILED": exceptions.StackFailed,
                        None: exceptions.StackNotFound,
                    },
                ),
                (
                    "does_not_exist",
                    {"_COMPLETE": False, "_IN_PROGRESS": False, "_FAILED": False, None: True},
                ),
            )
            for ending, outcome in outcomes.items()
            for status in (
                [f"{action}{ending}" for action in ("CREATE", "UPDATE", "ROLLBACK")]
                if ending
                else [None, "DELETE_COMPLETE"]
            )
        ),
        ("complete_or_failed", "DELETE_IN_PROGRESS", False),
        ("complete_or_failed", "DELETE_FAILED", exceptions.StackFailed),
        ("in_progress", "DELETE_IN_PROGRESS", True),
        ("in_progress", "DELETE_FAILED", exceptions.StackFailed),
        ("does_not_exist", "DELETE_IN_PROGRESS", False),
        ("does_not_exist", "DELETE_FAILED", exceptions.StackFailed),
    )
    @ddt.unpack
    def test_each_state_for_each_thing_to_wait_for(self, until, status, outcome):
        if status:
            self.heat.add("plan", status)
        if isinstance(outcome, bool):
            found = self.step(until)
            self.assertEqual(outcome, found["done"])
            self.assertEqual(
                {"stack": "plan", "status": status or "DELETE_COMPLETE"},
                {name: found[name] for name in ("stack", "status")},
            )
        else:
            self.assertRaises(outcome, self.step, until)

    def test_step_ends_as_soon_as_the_state_is_reached(self):
        self.heat.add("plan", "CREATE_IN_PROGRESS", "CREATE_IN_PROGRESS", "CREATE_COMPLETE")
        self.assertEqual(
            {"done": True, "stack": "plan", "status": "CREATE_COMPLETE"},
            self.step("complete_or_failed"),
        )
        self.assertEqual(3, len(self.heat.requests))

    def test_one_step_does_not_occupy_an_executor_for_long(self):
        self.heat.add("plan", "CREATE_IN_PROGRESS")
        self.assertFalse(self.step("complete_or_failed")["done"])
        self.assertLessEqual(sum(self.fake.clock.pauses), 30)
        self.assertLess(len(self.heat.requests), 100)

    def test_wait_ends_with_its_time_and_says_what_the_stack_still_does(self):
        self.heat.add("plan", "UPDATE_IN_PROGRESS")
        error = self.assertRaises(
            exceptions.StackTimeout, self.step, "complete_or_failed", LONG_AGO, 60
        )
        self.assertEqual(("UPDATE_IN_PROGRESS", 60), (error.status, error.seconds))

    def test_stack_is_looked_at_once_even_when_the_time_is_up(self):
        self.heat.add("plan", "UPDATE_COMPLETE")
        self.assertTrue(self.step("complete_or_failed", LONG_AGO, 60)["done"])

    def test_short_wait_is_no_longer_than_asked_for(self):
        self.heat.add("plan", "UPDATE_IN_PROGRESS")
        self.assertRaises(exceptions.StackTimeout, self.step, "complete_or_failed", None, 7)
        self.assertAlmostEqual(7, sum(self.fake.clock.pauses))

    @ddt.data("", "deleted", "COMPLETE", None, 5, ["in_progress"])
    def test_unknown_thing_to_wait_for_is_refused_with_those_there_are(self, until):
        error = self.assertRaises(exceptions.InputInvalid, self.step, until)
        self.assertEqual("until", error.name)
        self.assertEqual([], self.heat.requests)

    @ddt.data(
        ({"started_at": "yesterday"}, "started_at"),
        ({"started_at": 5}, "started_at"),
        ({"timeout": "soon"}, "timeout"),
        ({"timeout": None}, "timeout"),
        ({"timeout": [1]}, "timeout"),
    )
    @ddt.unpack
    def test_input_of_the_wrong_kind_is_named(self, inputs, name):
        self.heat.add("plan", "CREATE_COMPLETE")
        error = self.assertRaises(
            exceptions.InputInvalid, self.step, "complete_or_failed", **inputs
        )
        self.assertEqual(name, error.name)

    def test_outputs_are_not_asked_for(self):
        self.heat.add("plan", "CREATE_COMPLETE")
        self.step("complete_or_failed")
        self.assertIn("resolve_outputs=False", self.heat.sent[0].url)

    def test_failure_names_its_causes_with_the_stack(self):
        self.heat.add("plan", "CREATE_FAILED", reason="Resource CREATE failed")
        self.heat.resources = [failed("Server", "OS::Nova::Server")]
        error = self.assertRaises(exceptions.StackFailed, self.step, "complete_or_failed")
        self.assertEqual(("uuid-plan", "CREATE_FAILED"), (error.stack_id, error.status))
        self.assertIn("plan (UUID uuid-plan)", error.message)
        self.assertIn("Server: why Server", error.message)

    def test_failure_without_failed_resources_tells_heats_reason(self):
        self.heat.add("plan", "CREATE_FAILED", reason="Timed out")
        error = self.assertRaises(exceptions.StackFailed, self.step, "complete_or_failed")
        self.assertIn("Timed out", error.message)
        self.assertEqual([], error.causes)

    def test_failure_is_told_even_if_its_causes_cannot_be_listed(self):
        self.heat.add("plan", "CREATE_FAILED", reason="Timed out")
        self.heat.fail("GET", "/resources", 500, "{}")
        error = self.assertRaises(exceptions.StackFailed, self.step, "complete_or_failed")
        self.assertIn("Timed out", error.message)


class Failures(WithStack):
    def causes(self, *resources):
        self.heat.add("plan", "CREATE_FAILED")
        self.heat.resources = list(resources)
        return stacks.failures(self.cloud, "uuid-plan")

    def test_consequences_are_left_out(self):
        causes = self.causes(
            failed("Controller", nested="s1"),
            failed("0", nested="s2", stack="s1", parent="Controller"),
            failed("Deploy", "OS::Heat::Value", stack="s2", parent="0"),
            failed("Compute", nested="s9"),
        )
        self.assertEqual(
            [("OS::Heat::Value", "why Deploy"), ("OS::Heat::Stack", "why Compute")],
            [(cause["type"], cause["reason"]) for cause in causes],
        )

    def test_cause_is_named_by_the_whole_path_from_the_root(self):
        causes = self.causes(
            failed("Controller", nested="s1"),
            failed("0", nested="s2", stack="s1", parent="Controller"),
            failed("Deploy", "OS::Heat::Value", stack="s2", parent="0"),
        )
        self.assertEqual(["Controller.0.Deploy"], [cause["resource"] for cause in causes])

    def test_resources_that_did_not_fail_are_no_causes(self):
        good = failed("Good", resource_status="CREATE_COMPLETE")
        running = failed("Running", resource_status="CREATE_IN_PROGRESS")
        self.assertEqual(
            ["Bad"], [c["resource"] for c in self.causes(good, failed("Bad"), running)]
        )

    def test_nested_stacks_are_looked_into_with_one_request(self):
        self.causes(failed("Bad"))
        self.assertEqual(["GET /stacks/uuid-plan/resources"], self.heat.requests)
        self.assertIn("nested_depth=", self.heat.sent[0].url)

    def test_result_stays_small(self):
        causes = self.causes(
            *(failed(f"r{n}", resource_status_reason="x" * 10000) for n in range(100))
        )
        self.assertLessEqual(len(causes), 20)
        self.assertLess(len(str(causes)), 20000)


class Find(WithStack):
    def test_stack_that_is_not_there_is_none(self):
        self.assertIsNone(stacks.find(self.cloud, "plan"))

    def test_deleted_stack_is_none(self):
        self.heat.add("plan", "DELETE_COMPLETE")
        self.assertIsNone(stacks.find(self.cloud, "uuid-plan"))

    def test_other_refusal_is_not_taken_for_absence(self):
        self.heat.fail("GET", "/stacks", 403, "{}")
        self.assertRaises(heat_exc.HTTPForbidden, stacks.find, self.cloud, "plan")

    def test_plan_with_a_stack_is_in_use_in_whatever_state(self):
        for status in ("CREATE_COMPLETE", "CREATE_FAILED", "DELETE_IN_PROGRESS", "DELETE_FAILED"):
            self.heat.add("plan", status)
            error = self.assertRaises(
                exceptions.StackInUse, stacks.check_unused, self.cloud, "plan", "regionOne"
            )
            self.assertEqual(("uuid-plan", status), (error.stack_id, error.status))

    def test_plan_without_a_stack_is_not_in_use(self):
        stacks.check_unused(self.cloud, "plan", "regionOne")


class Delete(WithStack):
    def test_absent_stack_is_no_error(self):
        self.assertIs(False, stacks.delete(self.cloud, "plan"))
        self.assertEqual(0, self.heat.count("DELETE"))

    def test_it_returns_when_heat_has_begun(self):
        self.heat.add(
            "plan", "CREATE_COMPLETE", "CREATE_COMPLETE", "DELETE_IN_PROGRESS", moving=False
        )
        self.assertIs(True, stacks.delete(self.cloud, "plan"))
        self.assertEqual("DELETE_IN_PROGRESS", self.heat.stacks["plan"]["stack_status"])
        self.assertEqual(["DELETE /stacks/uuid-plan"], self.heat.requests[1:2])

    def test_stack_that_is_deleted_already_is_not_asked_for_again(self):
        self.heat.add("plan", "DELETE_IN_PROGRESS")
        self.assertIs(True, stacks.delete(self.cloud, "plan"))
        self.assertEqual(0, self.heat.count("DELETE"))

    def test_stack_that_goes_at_once_does(self):
        self.heat.add("plan", "CREATE_COMPLETE", "DELETE_COMPLETE", moving=False)
        self.assertIs(True, stacks.delete(self.cloud, "plan"))

    def test_stack_that_has_gone_meanwhile_is_no_error(self):
        self.heat.add("plan", "CREATE_COMPLETE")

        def somebody_is_faster(_request, _context):
            self.heat.stacks.clear()

        self.heat.on("DELETE", "/stacks", somebody_is_faster)
        self.assertIn(stacks.delete(self.cloud, "plan"), (True, False))

    def test_failed_deletion_can_be_tried_again(self):
        self.heat.add("plan", "DELETE_FAILED", "DELETE_IN_PROGRESS", moving=False)
        self.assertIs(True, stacks.delete(self.cloud, "plan"))
        self.assertEqual(1, self.heat.count("DELETE"))
