import json

import ddt

from tests.unit import test_placements, test_plans
from tests.unit.test_plans import change
from tripleo_common import exceptions
from tripleo_common.actions import deployment
from tripleo_common.actions import plan as plan_actions
from tripleo_common.actions import stack as stack_actions
from tripleo_common.deployment import deploy, regions
from tripleo_common.plan import yaml_files

ONE = {"region": "regionOne", "cloud": None}
TWO = {"region": "regionTwo", "cloud": None}
EDGE = {"region": "regionOne", "cloud": "edge"}

NESTED = "[" * 100_000
"""No JSON, and too deep to find that out."""


def outcome(place, state="DEPLOYED", **more):
    """Return the result of a region as the workflow makes it."""
    return {
        **place,
        "state": state,
        "message": f"It is {state}.",
        "error": None if state == "DEPLOYED" else {"type": "StackFailed"},
        "stack": {"id": "uuid-plan", "name": "plan"},
        "revision": 3,
        **more,
    }


class Deploy(test_placements.WithEdge):
    def setUp(self):
        super().setUp()
        self.place()
        self.add("regionOne", "edge")

    def deploy(self, region=None, cloud=None, **more):
        return deploy.deploy(self.at(region, cloud), "plan", 90, change(), **more)

    def given(self, services):
        body = services["heat"].stacks["plan"]["body"]
        last = body["environment_files"][-1]
        return yaml_files.load(body["files"][last], last)["parameter_defaults"]

    def stacks(self):
        return [sorted(services["heat"].stacks) for services in self.all_services()]

    def test_stack_is_made_in_the_placement_alone_and_the_answer_says_where(self):
        result = self.deploy("regionTwo")
        self.assertEqual(
            (None, "regionTwo", 4), tuple(result[k] for k in ("cloud", "region", "revision"))
        )
        self.assertEqual([[], ["plan"], []], self.stacks())
        result = self.deploy("regionOne", "edge")
        self.assertEqual(("edge", "regionOne"), (result["cloud"], result["region"]))
        self.assertEqual([[], ["plan"], ["plan"]], self.stacks())

    def test_each_is_given_its_own_parameters(self):
        self.override("regionTwo", A="two", Hidden="canary-two")
        self.override("regionOne", "edge", A="edge")
        for place in (("regionOne", None), ("regionTwo", None), ("regionOne", "edge")):
            self.deploy(*place)
        found = [self.given(services) for services in self.all_services()]
        self.assertEqual(["first", "two", "edge"], [each["A"] for each in found])
        self.assertEqual([None, "canary-two", None], [each.get("Hidden") for each in found])

    def test_which_one_must_be_said(self):
        self.assertRaises(exceptions.PlacementNotChosen, self.deploy)
        self.assertRaises(exceptions.PlacementNotFound, self.deploy, "regionTwo", "edge")
        self.assertEqual([[], [], []], self.stacks())

    def test_deployed_is_told_for_each(self):
        self.deploy("regionOne")
        self.set(A="second")
        self.deploy("regionOne", "edge")
        told = self.show()
        self.assertEqual(
            {"regionOne": 4, "regionTwo": None, "edge/regionOne": 5},
            {name: place["deployed"] for name, place in told.items()},
        )
        # What has no stack any more is not deployed.
        self.edge["heat"].stacks.clear()
        self.assertIsNone(self.show()["edge/regionOne"]["deployed"])

    def test_what_was_written_directly_in_one_placement_is_deployed_there_and_committed_for_all(
        self,
    ):
        self.objects(self.two)["mine.yaml"] = b"{}"
        self.assertEqual(5, self.deploy("regionTwo")["revision"])
        self.assert_whole(self.one, self.two, self.edge, revision=5)
        self.assertEqual({"regionOne": 5}, {"regionOne": self.show()["regionOne"]["revision"]})

    def test_heat_that_is_down_is_its_own_regions_problem(self):
        self.down(self.one["heat"])
        self.assertRaises(Exception, self.deploy, "regionOne")  # noqa: B017
        self.deploy("regionTwo")
        told = self.show("regionTwo")
        self.assertEqual(4, told["regionTwo"]["deployed"])
        self.assertIsNone(told["regionTwo"]["problem"])

    def test_again_with_the_same_identifier_does_not_disturb_other_regions(self):
        for region in ("regionOne", "regionTwo"):
            self.deploy(region, identifier="task-1")
            self.deploy(region, identifier="task-1")
        for services in (self.one, self.two):
            self.assertEqual(1, services["heat"].requests.count("POST /stacks"))
            self.assertEqual(0, services["heat"].count("PUT"))

    def test_stack_is_looked_for_where_the_plan_is(self):
        self.deploy("regionTwo")
        self.two["heat"].add("plan", "CREATE_COMPLETE")
        context = self.cloud.context
        refused = stack_actions.Wait("plan", "complete_or_failed", 10).run(context())
        self.assertEqual("PlacementNotChosen", refused.error["type"])
        found = stack_actions.Wait("plan", "complete_or_failed", 10, action_region="regionTwo").run(
            context()
        )
        self.assertTrue(found["done"])
        self.remove("regionOne")
        self.remove("regionOne", "edge")
        found = stack_actions.Wait("plan", "complete_or_failed", 10).run(context())
        self.assertTrue(found["done"])

    def test_large_answer_about_the_whole_plan_needs_no_choice(self):
        values = {f"P{number}": "x" * 100 for number in range(800)}
        self.variables["parameter_defaults"] = values
        context = self.cloud.context({"workflow_execution_id": "e1"})
        found = plan_actions.Show("plan").run(context)
        self.assertEqual("plan.revisions", found["container"])
        self.assertIn(found["object"], self.one["swift"].containers["plan.revisions"])


class WithExecutions(test_placements.WithEdge):
    def setUp(self):
        super().setUp()
        self.place()
        self.add("regionOne", "edge")

    def choose(self, *inputs, plan="plan", **more):
        return regions.choose(self.at(), plan, *inputs, **more)

    def ran(self, *results, **more):
        """Have an earlier execution; return its id."""
        output = {"status": "FAILED", "plan_name": "plan", "regions_results": list(results)}
        self.mistral.executions["e1"] = {
            "id": "e1",
            "workflow_name": regions.WORKFLOW,
            "state": "ERROR",
            "input": json.dumps({"container": "plan", "regions": None}),
            "output": json.dumps(output),
            **more,
        }
        return "e1"


@ddt.ddt
class Choose(WithExecutions):
    def test_all_placements_the_home_first(self):
        self.assertEqual({"chosen": [ONE, TWO, EDGE], "done": []}, self.choose())

    @ddt.data(
        (["regionTwo"], [TWO]),
        (["regionTwo", "regionOne"], [TWO, ONE]),
        (["regionTwo", "regionTwo", {"region": "regionTwo"}, TWO], [TWO]),
        ([{"region": "regionOne"}, EDGE], [ONE, EDGE]),
        ([{"cloud": "edge"}], [EDGE]),
    )
    @ddt.unpack
    def test_those_that_are_named_each_once(self, given, chosen):
        self.assertEqual(chosen, self.choose(given)["chosen"])

    @ddt.data(
        [],
        "regionOne",
        {},
        {"region": "regionOne"},
        5,
        True,
        [None],
        [5],
        [True],
        [[]],
        [["regionOne"]],
        [{}],
        [{"region": None}],
        [{"region": None, "cloud": None}],
        [{"region": 5}],
        [{"region": ["regionOne"]}],
        [{"region": {"a": 1}}],
        [{"cloud": 5, "region": "regionOne"}],
        [{"region": "regionOne", "zone": "x"}],
        ["regionOne", {"x": 1}],
    )
    def test_what_names_no_region_is_refused(self, given):
        self.assertRaises(exceptions.InputInvalid, self.choose, given)

    @ddt.data(
        ["nowhere"], [""], ["regionOne", "nowhere"], [{"region": "regionTwo", "cloud": "edge"}]
    )
    def test_region_that_is_no_placement_is_refused_with_those_that_are(self, given):
        error = self.assertRaises(exceptions.PlacementNotFound, self.choose, given)
        self.assertEqual(["regionOne", "regionTwo", "edge/regionOne"], error.placements)

    @ddt.data(
        ("concurrency", -1),
        ("concurrency", "2"),
        ("concurrency", 1.5),
        ("concurrency", True),
        ("concurrency", [1]),
        ("max_failures", 0),
        ("max_failures", -1),
        ("max_failures", "1"),
        ("max_failures", True),
        ("max_failures", {"a": 1}),
    )
    @ddt.unpack
    def test_numbers_are_numbers(self, name, value):
        error = self.assertRaises(exceptions.InputInvalid, self.choose, **{name: value})
        self.assertEqual(name, error.name)

    def test_plan_that_is_not_there_is_told_with_those_that_are(self):
        error = self.assertRaises(exceptions.PlanNotFound, self.choose, plan="other")
        self.assertEqual(["plan"], error.available)

    @ddt.data("a/b", "", None, 5, ["plan"])
    def test_name_that_cannot_be_a_plans(self, name):
        self.assertRaises(exceptions.PlanNameInvalid, self.choose, plan=name)

    def test_plan_that_has_no_placement_recorded_is_where_it_is(self):
        del self.variables["placements"]
        found = regions.choose(self.at(region_name="regionTwo"), "plan")
        self.assertEqual([TWO], found["chosen"])

    def test_resuming_leaves_out_what_was_deployed(self):
        done, failed = outcome(ONE), outcome(TWO, "FAILED")
        execution = self.ran(done, failed, outcome(EDGE, "NOT_BEGUN"))
        found = self.choose(resume=execution)
        self.assertEqual([TWO, EDGE], found["chosen"])
        self.assertEqual([{"name": "regionOne", **done}], found["done"])

    def test_resuming_keeps_to_the_regions_that_it_was_about(self):
        execution = self.ran(outcome(ONE), outcome(TWO, "FAILED"))
        self.assertEqual([TWO], self.choose(resume=execution)["chosen"])

    def test_resuming_can_be_told_which(self):
        execution = self.ran(outcome(ONE), outcome(TWO, "FAILED"), outcome(EDGE, "FAILED"))
        found = self.choose(["regionOne", EDGE], execution)
        self.assertEqual([EDGE], found["chosen"])
        self.assertEqual(["regionOne"], [each["name"] for each in found["done"]])

    def test_nothing_is_left_to_do(self):
        found = self.choose(resume=self.ran(outcome(ONE), outcome(TWO), state="SUCCESS"))
        self.assertEqual([], found["chosen"])
        summary = regions.summarize("plan", found["done"], [])
        self.assertEqual("Plan plan is deployed in regionOne, regionTwo.", summary["message"])

    def test_placement_that_was_removed_since_is_not_resumed(self):
        execution = self.ran(outcome(ONE), outcome(TWO, "FAILED"), outcome(EDGE, "FAILED"))
        self.remove("regionTwo")
        self.assertEqual([EDGE], self.choose(resume=execution)["chosen"])

    @ddt.data("", 5, True, ["e1"], {"id": "e1"})
    def test_resume_that_is_no_id(self, value):
        error = self.assertRaises(exceptions.InputInvalid, self.choose, resume=value)
        self.assertEqual("resume", error.name)

    @ddt.data(
        ({"workflow_name": "tripleo.deployment.v1.deploy_plan"}, "is not one of"),
        ({"workflow_name": None}, "is not one of"),
        ({"input": json.dumps({"container": "other"})}, "is not one of"),
        ({"input": "{}"}, "is not one of"),
        ({"input": "[]"}, "is not one of"),
        ({"input": NESTED}, "is not one of"),
        ({"input": None}, "is not one of"),
        ({"state": "RUNNING"}, "is RUNNING. Wait"),
        ({"state": "RUNNING", "output": "{}"}, "is RUNNING. Wait"),
        ({"state": "RUNNING", "output": None}, "is RUNNING. Wait"),
        ({"state": "PAUSED", "output": "{}"}, "is PAUSED. Wait"),
        ({"state": "IDLE", "output": "{}"}, "is IDLE. Wait"),
        ({"output": "{}"}, "has not come to any region"),
        ({"output": None}, "has not come to any region"),
        ({"output": ""}, "has not come to any region"),
        ({"output": "no JSON"}, "has not come to any region"),
        ({"output": NESTED}, "has not come to any region"),
        ({"output": "[1]"}, "has not come to any region"),
        ({"state": "CANCELLED", "output": "{}"}, "has not come to any region"),
    )
    @ddt.unpack
    def test_execution_that_cannot_be_resumed_is_told(self, more, told):
        execution = self.ran(outcome(ONE, "FAILED"), **more)
        error = self.assertRaises(exceptions.InputInvalid, self.choose, resume=execution)
        self.assertEqual("resume", error.name)
        self.assertIn(told, error.message)

    def test_execution_that_is_none_is_told(self):
        error = self.assertRaises(exceptions.InputInvalid, self.choose, resume="gone")
        self.assertIn("no execution of this project", error.message)

    @ddt.data(
        None,
        {},
        "x",
        [None],
        [5],
        [[]],
        [{}],
        [{"state": "DEPLOYED", "region": 5}],
        [{"state": "DEPLOYED", "region": "regionOne", "cloud": ["x"]}],
        [{"state": ["DEPLOYED"], "region": "regionOne"}],
        [{"state": "deployed", "region": "regionOne"}],
    )
    def test_results_of_an_execution_that_are_none_do_not_count(self, results):
        output = json.dumps({"regions_results": results})
        self.assertRaises(exceptions.InputInvalid, self.choose, resume=self.ran(output=output))

    def test_through_the_action(self):
        action = deployment.ChooseRegions("plan", ["regionTwo"])
        self.assertEqual({"chosen": [TWO], "done": []}, action.run(self.cloud.context()))
        for inputs in ({"regions": 5}, {"resume": 5}, {"concurrency": "x"}, {"max_failures": []}):
            found = deployment.ChooseRegions("plan", **inputs).run(self.cloud.context())
            self.assertEqual("InputInvalid", found.error["type"], inputs)


@ddt.ddt
class Admit(WithExecutions):
    """Whether one more region is begun."""

    def siblings(self, *outputs, own=None):
        self.mistral.executions["mine"] = {"id": "mine", "task_execution_id": "t1", **(own or {})}
        self.asked = []

        def listing(request, context):
            self.asked.append(request.qs)
            context.headers["Content-Type"] = "application/json"
            listed = [{"id": f"s{n}", "output": each} for n, each in enumerate(outputs)]
            return json.dumps({"executions": listed})

        self.mistral.on("GET", r"^/executions\?", listing)

    def admit(self, limit, execution="mine"):
        regions.admit(self.cloud.reach().home, execution, limit)

    @staticmethod
    def output(*result, **more):
        return json.dumps({"result": outcome(*result, **more)})

    def test_fewer_failures_than_allowed(self):
        self.siblings(self.output(ONE, "FAILED"), self.output(TWO), "{}", None)
        self.admit(2)
        self.assertEqual([["t1"]], [query["task_execution_id"] for query in self.asked])

    def test_as_many_failures_as_allowed(self):
        self.siblings(self.output(ONE, "FAILED"), self.output(EDGE, "FAILED"), self.output(TWO))
        error = self.assertRaises(exceptions.DeploymentStopped, self.admit, 2)
        self.assertEqual((["edge/regionOne", "regionOne"], 2), (error.failed, error.limit))

    def test_what_was_not_begun_is_no_failure(self):
        self.siblings(self.output(ONE, "FAILED"), self.output(TWO, "NOT_BEGUN"))
        self.admit(2)

    @ddt.data(None, "2", 1.5, True, [1])
    def test_without_a_limit_there_is_none(self, limit):
        self.siblings(*[self.output(ONE, "FAILED")] * 3)
        self.admit(limit)

    @ddt.data(
        None,
        "",
        "no JSON",
        NESTED,
        "[]",
        "5",
        '{"result": null}',
        '{"result": []}',
        '{"result": {"state": "FAILED", "region": 5}}',
        '{"result": {"state": "FAILED", "region": "x", "cloud": []}}',
        '{"result": {"state": ["FAILED"]}}',
    )
    def test_output_that_says_nothing_is_no_failure(self, output):
        self.siblings(output)
        self.admit(1)

    @ddt.data({"task_execution_id": None}, {"task_execution_id": ""})
    def test_one_that_was_started_by_itself_has_no_siblings(self, own):
        self.siblings(self.output(ONE, "FAILED"), own=own)
        self.admit(1)
        self.assertEqual([], self.asked)
        del self.mistral.executions["mine"]["task_execution_id"]
        self.admit(1)
        self.assertEqual([], self.asked)
        self.admit(1, None)

    def test_through_the_action(self):
        self.siblings(self.output(ONE, "FAILED"))
        context = self.cloud.context({"workflow_execution_id": "mine"})
        found = deployment.AdmitRegion(1).run(context)
        self.assertEqual("DeploymentStopped", found.error["type"])
        self.assertIsNone(deployment.AdmitRegion(2).run(context))


@ddt.ddt
class Summarize(test_plans.base.TestCase):
    def outputs(self, *results):
        return [{"status": "SUCCESS", "result": each} for each in results]

    def test_all_are_deployed(self):
        done = [{"name": "regionOne", **outcome(ONE)}]
        found = regions.summarize("plan", done, self.outputs(outcome(TWO), outcome(EDGE)))
        self.assertEqual(
            "Plan plan is deployed in edge/regionOne, regionOne, regionTwo.", found["message"]
        )
        self.assertEqual(
            [
                {"name": n, **outcome(p)}
                for n, p in (("regionOne", ONE), ("regionTwo", TWO), ("edge/regionOne", EDGE))
            ],
            found["results"],
        )

    @ddt.data("FAILED", "NOT_BEGUN")
    def test_one_is_not(self, state):
        error = self.assertRaises(
            exceptions.RegionsFailed,
            regions.summarize, "plan", [outcome(ONE)], self.outputs(outcome(TWO, state)),
        )  # fmt: skip
        self.assertIn("succeeded in 1 of 2 regions", error.message)
        self.assertIn(f"regionTwo: It is {state}.", error.message)
        self.assertEqual(["DEPLOYED", state], [each["state"] for each in error.results])

    @ddt.data(
        (None, None),
        ([], []),
        (None, []),
        ("x", []),
        (5, None),
        ({}, None),
        ([None], None),
        ([5], None),
        ([{}], None),
        ([outcome(ONE)], "x"),
        ([outcome(ONE)], 5),
        ([outcome(ONE)], {"a": 1}),
        ([outcome(ONE)], [None]),
        ([outcome(ONE)], ["x"]),
        ([outcome(ONE)], [[]]),
        ([outcome(ONE)], [{}]),
        ([outcome(ONE)], [{"result": None}]),
        ([outcome(ONE)], [{"result": "x"}]),
        ([outcome(ONE)], [{"result": {"state": "DEPLOYED", "region": 5}}]),
        ([outcome(ONE)], [{"result": {"state": "DEPLOYED", "region": "x", "cloud": 5}}]),
        ([outcome(ONE)], [{"result": {"state": {}, "region": "x"}}]),
        ([outcome(ONE)], [{"status": "FAILED", "error": {}}]),
    )
    @ddt.unpack
    def test_what_is_not_known_is_never_told_as_a_success(self, done, outputs):
        self.assertRaises(exceptions.InputInvalid, regions.summarize, "plan", done, outputs)

    @ddt.data(None, 5, [], {}, "x" * 100_000)
    def test_whatever_the_message_is(self, message):
        outputs = self.outputs(outcome(ONE, "FAILED", message=message, error=message))
        self.assertRaises(exceptions.RegionsFailed, regions.summarize, "plan", None, outputs)
