"""One plan in two regions: placements, overrides, regions that are down, and who chooses."""

import contextlib
import json

from tests.functional import base, clouds
from tripleo_common.undercloud import processes

ONE, TWO = "regionOne", "regionTwo"

DEPLOY = "tripleo.deployment.v1.deploy_plan"
DEPLOY_ALL = "tripleo.deployment.v1.deploy_plan_in_regions"
DELETE_STACK = "tripleo.stack.v1.delete_stack"

GREETING = "servers/greeting.txt"


class RegionsTestCase(base.FunctionalTestCase):
    """The undercloud of two regions."""

    ALONE = False
    """Whether a test disturbs others that use its services."""

    def find_undercloud(self):
        found = clouds.two_regions()
        self.useFixture(clouds.Claim(found, alone=self.ALONE))
        return found

    def swift_in(self, region):
        connection = base.swift_in(self.session, region)
        self.addCleanup(connection.close)
        return connection

    def place(self, home, *others):
        """Make the plan with its home in a region, and place it in others."""
        place = {"container": self.plan, "action_region": home}
        self.run_action("tripleo.plan.create_container", **place)
        swift = self.swift_in(home)
        for path, content in base.PLAN.items():
            swift.put_object(self.plan, path, content)
        self.run_action("tripleo.plan.create", **place)
        for region in others:
            self.on_plan("plan.add_placement", region)

    def on_plan(self, action, region=None, **inputs):
        """Run an action on the plan that must succeed; return its result."""
        if region is not None:
            inputs["action_region"] = region
        return self.run_action(f"tripleo.{action}", container=self.plan, **inputs)

    def refused(self, kind, action, region=None, **inputs):
        """Run an action on the plan that must be refused; return the error's message."""
        if region is not None:
            inputs["action_region"] = region
        state, error = self.action(f"tripleo.{action}", container=self.plan, **inputs)
        self.assertEqual(("ERROR", kind), (state, error["type"]), error)
        return error["message"]

    def deploy_all(self, expected="SUCCESS", **inputs):
        """Deploy in several regions; return the execution's id, and each region's result."""
        execution = self.mistral.executions.create(
            DEPLOY_ALL, workflow_input={"container": self.plan, **inputs}
        )
        state, output = self.ended(execution.id)
        self.assertEqual(expected, state, output)
        self.assertEqual("SUCCESS" if state == "SUCCESS" else "FAILED", output["status"])
        return execution.id, {result["name"]: result for result in output["regions_results"]}

    def shown(self):
        """Return what the plan's placements show, by name."""
        places = self.on_plan("plan.show")["placements"]
        return {place["name"]: place for place in places}

    def only(self, key):
        """Return one of the things that the plan's placements show, by name."""
        return {name: place[key] for name, place in self.shown().items()}

    def containers_of_plan(self):
        """Return each region's containers that have the plan's name in theirs."""
        return {
            region: sorted(name for name in self.containers(region) if self.plan in name)
            for region in (ONE, TWO)
        }

    def objects(self, region):
        """Return what the plan's container lists in a region: path to MD5."""
        listed = self.swift_in(region).get_container(self.plan, full_listing=True)[1]
        return {item["name"]: item["hash"] for item in listed}

    def stacks_of_plan(self):
        """Return each region's stacks of the plan's name: their ids."""
        return {
            region: [
                stack.id
                for stack in base.heat_in(self.session, region).stacks.list()
                if stack.stack_name == self.plan
            ]
            for region in (ONE, TWO)
        }

    def size(self, region):
        """Return the output of the plan's stack in a region, which tells the parameter."""
        outputs = self.stack(self.plan, region).outputs
        return next(o["output_value"] for o in outputs if o["output_key"] == "size")

    def deployments(self, region):
        """Return what the plan's stack went through in a region."""
        heat = base.heat_in(self.session, region)
        events = heat.events.list(self.plan, sort_dir="asc")
        return [event.resource_status for event in events if event.resource_name == self.plan]

    def revisions(self, region):
        """Return the numbers in the plan's history, as seen from a region."""
        return [entry["revision"] for entry in self.on_plan("plan.history", region)]

    def front(self, services=("object-store", "orchestration")):
        """Make a region whose services are those of the second one, behind proxies."""
        name = f"front-{self.plan}"
        front = self.useFixture(clouds.Fronts(self.undercloud, name, services, behind=TWO))
        # The catalogue that has it comes with a token.
        self.session.invalidate()
        # While the region is there.
        self.addCleanup(self.remove_everything, self.plan)
        return name, front


class TestPlacements(RegionsTestCase):
    def test_one_plan_in_two_regions_from_its_creation_to_its_end(self):
        self.place(ONE)
        self.assertEqual(
            {ONE: [self.plan, f"{self.plan}.revisions"], TWO: []}, self.containers_of_plan()
        )
        added = self.on_plan("plan.add_placement", TWO)
        self.assertEqual(
            {"placement": TWO, "revision": 2, "changed": True, "stale": [], "synced": True}, added
        )
        self.assertEqual(
            {"placement": TWO, "revision": 2, "changed": False, "stale": [], "synced": True},
            self.on_plan("plan.add_placement", TWO),
        )
        both = [self.plan, f"{self.plan}.revisions"]
        self.assertEqual({ONE: both, TWO: both}, self.containers_of_plan())
        self.assertEqual({*base.PLAN, "overcloud.yaml", "plan-environment.yaml"},
                         set(self.objects(ONE)))  # fmt: skip
        self.assertEqual(self.objects(ONE), self.objects(TWO))

        # One parameter for all, which one region overrides.
        self.assertEqual(
            [], self.on_plan("parameters.update", ONE, parameters={"Size": 2})["stale"]
        )
        there = self.on_plan("parameters.update", TWO, parameters={"Size": 3}, placement_only=True)
        self.assertEqual({"Size": 3}, there["environment_parameters"])
        self.assertEqual(self.objects(ONE), self.objects(TWO))
        self.assertEqual({ONE: {}, TWO: {"Size": 3}}, self.only("parameters"))
        self.assertEqual({ONE: None, TWO: None}, self.only("deployed"))
        values = "environment_parameters"
        self.assertEqual({"Size": 2}, self.on_plan("parameters.get", ONE)[values])
        self.assertEqual({"Size": 3}, self.on_plan("parameters.get", TWO)[values])
        self.assertEqual([4, 3, 2, 1], self.revisions(ONE))
        self.assertEqual([4, 3, 2, 1], self.revisions(TWO))
        self.assertEqual({ONE: [], TWO: []}, self.stacks_of_plan())

        # One workflow, two stacks.
        _, results = self.deploy_all()
        self.assertEqual({ONE: 2, TWO: 3}, {region: self.size(region) for region in (ONE, TWO)})
        self.assertEqual(
            {region: [result["stack"]["id"]] for region, result in results.items()},
            self.stacks_of_plan(),
        )
        for region, result in results.items():
            found = (result["state"], result["error"], result["revision"])
            self.assertEqual(("DEPLOYED", None, 4), found)
            self.assertEqual((None, region), (result["cloud"], result["region"]))
        self.assertEqual({ONE: both, TWO: both}, self.containers_of_plan())
        # One environment over all.
        self.assertEqual({self.plan}, {n for n in self.environments() if n.startswith(self.plan)})

        # What is deployed is of each placement.
        self.on_plan("parameters.update", TWO, parameters={"Size": 4}, placement_only=True)
        self.run_workflow(DEPLOY, container=self.plan, action_region=TWO)
        self.assertEqual({ONE: 2, TWO: 4}, {region: self.size(region) for region in (ONE, TWO)})
        self.assertEqual({ONE: 4, TWO: 5}, self.only("deployed"))
        self.assertEqual({ONE: 5, TWO: 5}, self.only("revision"))
        self.assertEqual({ONE: False, TWO: False}, self.only("stale"))
        self.assertEqual({ONE: True, TWO: True}, self.only("synced"))

        # It goes in the order in which it may.
        stacks = self.stacks_of_plan()
        message = self.refused("PlacementInUse", "plan.remove_placement", TWO)
        self.assertIn(stacks[TWO][0], message)
        self.refused("StackInUse", "plan.delete")
        self.run_workflow(DELETE_STACK, stack=self.plan, action_region=TWO)
        self.assertEqual({**stacks, TWO: []}, self.stacks_of_plan())
        # The other one's stack is in the way still.
        self.refused("StackInUse", "plan.delete", TWO)
        self.on_plan("plan.remove_placement", TWO)
        self.assertEqual({ONE: both, TWO: []}, self.containers_of_plan())
        self.assertEqual({ONE: 4}, self.only("deployed"))
        self.assertIn("the only one", self.refused("PlacementInUse", "plan.remove_placement", ONE))
        self.run_workflow(DELETE_STACK, stack=self.plan)
        # It comes again, with all that it was.
        self.on_plan("plan.add_placement", TWO)
        self.assertEqual(self.revisions(ONE), self.revisions(TWO))
        self.assertEqual({ONE: {}, TWO: {}}, self.only("parameters"))
        self.on_plan("plan.delete")
        self.assert_nothing_left()

    def test_the_home_may_leave_and_the_plan_stays(self):
        self.place(ONE, TWO)
        self.swift_in(ONE).put_object(self.plan, GREETING, "direct\n")
        self.assertIn(GREETING, self.refused("PlacementInUse", "plan.remove_placement", ONE))
        self.on_plan("templates.process", ONE)
        self.on_plan("plan.remove_placement", ONE)
        self.assertEqual([], self.containers_of_plan()[ONE])
        self.assertEqual([TWO], list(self.shown()))
        self.assertEqual(b"direct\n", self.swift_in(TWO).get_object(self.plan, GREETING)[1])
        # The only placement needs no name, and goes before the configured region.
        self.run_workflow(DEPLOY, container=self.plan)
        self.assertEqual({ONE: 0, TWO: 1}, {r: len(s) for r, s in self.stacks_of_plan().items()})

    def test_what_is_there_already_is_not_taken(self):
        self.place(ONE)
        swift = self.swift_in(TWO)
        swift.put_container(self.plan)
        swift.put_object(self.plan, "photo", "somebody's")
        self.addCleanup(self.remove_photo)
        message = self.refused("PlacementTaken", "plan.add_placement", TWO)
        self.assertIn("a container", message)
        self.assertEqual(["photo"], list(self.objects(TWO)))
        self.remove_photo()
        heat = base.heat_in(self.session, TWO)
        heat.stacks.create(stack_name=self.plan, template={"heat_template_version": "2021-04-16"})
        message = self.refused("PlacementTaken", "plan.add_placement", TWO)
        self.assertIn("a stack", message)
        self.assertEqual({ONE: 1}, self.only("revision"))
        self.assertEqual([], self.containers_of_plan()[TWO])

    def remove_photo(self):
        """Remove what is somebody else's."""
        swift = self.swift_in(TWO)
        if self.plan in self.containers(TWO):
            for path in self.objects(TWO):
                swift.delete_object(self.plan, path)
            swift.delete_container(self.plan)

    def test_changes_from_both_regions_at_once_are_all_there(self):
        self.place(ONE, TWO)
        running = [
            self.mistral.action_executions.create(
                "tripleo.parameters.update",
                input={
                    "container": self.plan,
                    "action_region": region,
                    "parameters": {"Size": size},
                    "placement_only": True,
                },
                save_result=True,
            ).id
            for region, size in ((ONE, 1), (TWO, 2))
        ]

        def ended():
            found = [self.mistral.action_executions.get(one) for one in running]
            return all(one.state != "RUNNING" for one in found) and found

        results = [json.loads(done.output)["result"] for done in base.wait_for(ended, "changes")]
        self.assertEqual({3, 4}, {result.get("revision") for result in results}, results)
        self.assertEqual({ONE: {"Size": 1}, TWO: {"Size": 2}}, self.only("parameters"))
        self.assertEqual({ONE: 4, TWO: 4}, self.only("revision"))
        self.assertEqual([4, 3, 2, 1], self.revisions(TWO))
        self.assertEqual(self.objects(ONE), self.objects(TWO))
        # Going back to before they were set leaves the placements as they are.
        self.on_plan("plan.rollback", TWO, revision=1)
        self.assertEqual({ONE: {}, TWO: {}}, self.only("parameters"))
        self.assertEqual({ONE: 5, TWO: 5}, self.only("revision"))

    def test_direct_writes_count_where_they_are(self):
        self.place(ONE, TWO)
        self.swift_in(TWO).put_object(self.plan, GREETING, "two\n")
        self.assertEqual(
            {ONE: [], TWO: [GREETING]}, {n: u["files"] for n, u in self.only("uncommitted").items()}
        )
        # The other one's changes leave them alone.
        self.on_plan("parameters.update", ONE, parameters={"Size": 2})
        self.assertEqual(b"two\n", self.swift_in(TWO).get_object(self.plan, GREETING)[1])
        self.assertEqual(b"hello\n", self.swift_in(ONE).get_object(self.plan, GREETING)[1])
        # A change there takes them to all.
        self.on_plan("templates.process", TWO)
        self.assertEqual(b"two\n", self.swift_in(ONE).get_object(self.plan, GREETING)[1])
        self.assertEqual(self.objects(ONE), self.objects(TWO))


class TestHeatDown(RegionsTestCase):
    ALONE = True

    @contextlib.contextmanager
    def down(self, name):
        """Stop a process of the undercloud for a while."""
        self.assertEqual([name], processes.stop([name], self.undercloud.directory))
        try:
            yield
        finally:
            self.undercloud.up()

    def test_its_region_fails_the_other_does_not_and_resume_finishes_it(self):
        self.place(ONE, TWO)
        url = self.session.get_endpoint(service_type="orchestration", region_name=TWO)
        with self.down(f"heat-{TWO}"):
            # In turn, and not on after the first failure.
            stopped, results = self.deploy_all(
                "ERROR", regions=[TWO, ONE], concurrency=1, max_failures=1
            )
            self.assertEqual({ONE: "NOT_BEGUN", TWO: "FAILED"}, states(results))
            self.assertEqual("DeploymentStopped", results[ONE]["error"]["type"])
            self.assertIn(TWO, results[ONE]["message"])
            self.assertEqual([], self.stacks_of_plan_in(ONE))

            half, results = self.deploy_all("ERROR")
            self.assertEqual({ONE: "DEPLOYED", TWO: "FAILED"}, states(results))
            error = results[TWO]["error"]
            self.assertEqual("ServiceUnavailable", error["type"])
            self.assertIn("orchestration", error["message"])
            self.assertIn(url.partition("/v1")[0], error["message"])
            self.assertEqual(1, self.size(ONE))
            begun = self.deployments(ONE)
            self.assertEqual(["CREATE_IN_PROGRESS", "CREATE_COMPLETE"], begun)
            # Whoever asks sees that one does not answer.
            shown = self.shown()
            self.assertEqual(1 + 1, shown[ONE]["deployed"])
            self.assertEqual((None, None), (shown[ONE]["problem"], shown[TWO]["deployed"]))

            again, results = self.deploy_all("ERROR", resume=half)
            self.assertEqual({ONE: "DEPLOYED", TWO: "FAILED"}, states(results))
        # A resumed one that has failed is resumed in turn.
        _, results = self.deploy_all(resume=again)
        self.assertEqual({ONE: "DEPLOYED", TWO: "DEPLOYED"}, states(results))
        self.assertEqual(
            {region: [result["stack"]["id"]] for region, result in results.items()},
            self.stacks_of_plan(),
        )
        self.assertEqual(begun, self.deployments(ONE))
        self.assertEqual(begun, self.deployments(TWO))
        # What was stopped can be resumed as well: both of it are left, and the plan is as it was.
        _, results = self.deploy_all(resume=stopped)
        self.assertEqual({ONE: "DEPLOYED", TWO: "DEPLOYED"}, states(results))
        more = [*begun, "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"]
        self.assertEqual((more, more), (self.deployments(ONE), self.deployments(TWO)))

    def stacks_of_plan_in(self, region):
        stack = self.stack(self.plan, region)
        return [stack.id] if stack else []


class TestSwiftDown(RegionsTestCase):
    def setUp(self):
        super().setUp()
        self.there, front = self.front()
        self.store = front.proxies["object-store"]

    def test_a_placement_that_missed_a_commit_is_stale_until_it_is_brought_up(self):
        there, server = self.there, self.store.url
        self.place(ONE, there)
        self.swift_in(there).put_object(self.plan, GREETING, "two\n")
        with self.store.down():
            for size in (2, 3):
                told = self.on_plan("parameters.update", ONE, parameters={"Size": size})
                self.assertEqual(1 + size, told["revision"])
                self.assertEqual([there], [entry["placement"] for entry in told["stale"]])
                self.assertIn(server, told["stale"][0]["message"])
            self.assertEqual({ONE: False, there: True}, self.only("stale"))
            self.assertEqual({ONE: 4, there: 2}, self.only("revision"))
            self.assertIn(server, self.only("problem")[there])
            told = self.refused("SyncIncomplete", "plan.sync")
            self.assertIn(there, told)
            self.assertIn(server, told)
            self.assertIn(server, self.refused("ServiceUnavailable", "plan.sync", there))
            self.refused("PlacementStale", "deployment.deploy", there, timeout=10)
        # It answers, and is not current: it is not deployed, alone or with the other.
        message = self.refused("PlacementStale", "deployment.deploy", there, timeout=10)
        self.assertIn("tripleo.plan.sync", message)
        self.refused("PlacementStale", "parameters.get", there)
        half, results = self.deploy_all("ERROR")
        self.assertEqual({ONE: "DEPLOYED", there: "FAILED"}, states(results))
        self.assertEqual("PlacementStale", results[there]["error"]["type"])
        self.assertEqual(3, self.size(ONE))
        self.assertIsNone(self.stack(self.plan, TWO))
        told = self.on_plan("plan.sync")["placements"]
        self.assertEqual({ONE: "synced", there: "synced"}, states_of(told, "placement"))
        self.assertEqual({ONE: 4, there: 4}, self.only("revision"))
        self.assertEqual({ONE: False, there: False}, self.only("stale"))
        # What was written there before is there, and only there.
        uncommitted = {name: place["files"] for name, place in self.only("uncommitted").items()}
        self.assertEqual({ONE: [], there: [GREETING]}, uncommitted)
        self.assertEqual([4, 3, 2, 1], self.revisions(there))
        _, results = self.deploy_all(resume=half)
        # With what was written there, which is a revision of its own by then.
        self.assertEqual({ONE: 4, there: 5}, {n: r["revision"] for n, r in results.items()})
        self.assertEqual(3, self.size(TWO))
        self.assertEqual(["CREATE_IN_PROGRESS", "CREATE_COMPLETE"], self.deployments(ONE))
        # A revision that it missed can be had there too.
        self.on_plan("plan.rollback", there, revision=3)
        for region in (ONE, there):
            found = self.on_plan("parameters.get", region)["environment_parameters"]
            self.assertEqual({"Size": 2}, found, region)
        self.assertEqual(self.objects(ONE), self.objects(TWO))

    def test_without_its_home_a_plan_is_changed_through_the_other_one(self):
        there = self.there
        self.place(there, ONE)
        with self.store.down():
            self.refused("ServiceUnavailable", "parameters.update", there, parameters={"Size": 2})
            told = self.on_plan("parameters.update", ONE, parameters={"Size": 2})
            self.assertEqual([there], [entry["placement"] for entry in told["stale"]])
            # Asked for the plan as a whole, the one that is not stale answers.
            self.assertEqual({there: True, ONE: False}, self.only("stale"))
            message = self.refused("PlacementInUse", "plan.remove_placement", ONE)
            self.assertIn("stale", message)
            # It would be left there for ever.
            self.refused("ServiceUnavailable", "plan.delete")
            self.assertIn(self.plan, self.environments())
        # The next change takes it along.
        told = self.on_plan("parameters.update", ONE, parameters={"Size": 3})
        self.assertEqual([], told["stale"])
        self.assertEqual({there: False, ONE: False}, self.only("stale"))
        self.assertEqual([4, 3, 2, 1], self.revisions(there))
        self.assertEqual(self.objects(TWO), self.objects(ONE))
        self.on_plan("plan.delete")
        self.assert_nothing_left()

    def test_it_is_not_placed_where_nobody_answers(self):
        self.place(ONE)
        with self.store.down():
            self.refused("ServiceUnavailable", "plan.add_placement", self.there)
        self.assertEqual([ONE], list(self.shown()))
        self.assertEqual([], self.containers_of_plan()[TWO])


OWN = """
version: '2.0'
{name}:
  input: [container, regions]
  output:
    revisions: <% $.revisions %>
    statuses: <% $.statuses %>
  tasks:
    deploy:
      with-items: region in <% $.regions %>
      action: tripleo.deployment.deploy
      input:
        container: <% $.container %>
        timeout: 10
        action_region: <% $.region %>
      publish:
        revisions: <% task().result.revision %>
      on-success: wait
    wait:
      with-items: region in <% $.regions %>
      workflow: tripleo.stack.v1.wait_for_stack_complete_or_failed
      input:
        stack: <% $.container %>
        timeout: 300
        action_region: <% $.region %>
      on-success: deploy_again
    deploy_again:
      with-items: region in <% $.regions %>
      workflow: tripleo.deployment.v1.deploy_plan
      input:
        container: <% $.container %>
        action_region: <% $.region %>
      publish:
        statuses: <% task().result.stack_status %>
"""
"""A workflow as anybody may write it."""


class TestWithItems(RegionsTestCase):
    def test_a_workflow_of_ones_own_goes_over_regions(self):
        self.place(ONE, TWO)
        self.on_plan("parameters.update", TWO, parameters={"Size": 2}, placement_only=True)
        name = self.plan.replace("-", "_")
        self.mistral.workflows.create(OWN.format(name=name))
        self.addCleanup(self.mistral.workflows.delete, name)
        state, output = self.workflow(name, container=self.plan, regions=[ONE, TWO])
        self.assertEqual("SUCCESS", state, output)
        self.assertEqual(
            {"revisions": [3, 3], "statuses": ["UPDATE_COMPLETE"] * 2},
            {key: output[key] for key in ("revisions", "statuses")},
        )
        self.assertEqual({ONE: 1, TWO: 2}, {region: self.size(region) for region in (ONE, TWO)})
        self.assertEqual({ONE: 1, TWO: 1}, {r: len(s) for r, s in self.stacks_of_plan().items()})
        for region in (ONE, TWO):
            self.assertEqual(
                [f"{action}_{status}" for action in ("CREATE", "UPDATE")
                 for status in ("IN_PROGRESS", "COMPLETE")],
                self.deployments(region),
            )  # fmt: skip


class TestCommand(RegionsTestCase):
    """The real mistral command."""

    def ask(self, action, *options, **inputs):
        """Run an action; return its result, good or bad."""
        printed = self.mistral_command(*options, "run-action", action, json.dumps(inputs))
        return json.loads(printed)["result"]

    def mistral_command(self, *words):
        return self.command(
            "mistral",
            *words,
            # It is in one region alone, and the command would look for it in the one it is told.
            OS_MISTRAL_URL=self._endpoint("workflowv2"),
            # Only the words name a region.
            OS_REGION_NAME="",
        )

    def size_in(self, *options, **inputs):
        """Return the value of the parameter where a call goes, or the type of the refusal."""
        found = self.ask("tripleo.parameters.get", *options, container=self.plan, **inputs)
        return found.get("type") or found["environment_parameters"].get("Size")

    def test_input_then_the_requests_region_then_the_placement_then_the_configured_one(self):
        two = ("--os-region-name", TWO)
        container = {"container": self.plan}
        self.ask("tripleo.plan.create_container", *two, **container)
        self.assertEqual({ONE: [], TWO: [self.plan]}, self.containers_of_plan())
        swift = self.swift_in(TWO)
        for path, content in base.PLAN.items():
            swift.put_object(self.plan, path, content)
        self.assertEqual(
            {"revision": 1, "synced": True}, self.ask("tripleo.plan.create", *two, **container)
        )
        self.assertEqual([], self.containers_of_plan()[ONE])
        # Where nothing else says, it is the configured region ...
        self.ask("tripleo.plan.create_container", container=f"{self.plan}-x")
        self.addCleanup(self.swift_in(ONE).delete_container, f"{self.plan}-x")
        self.assertEqual([f"{self.plan}-x"], self.containers_of_plan()[ONE])
        # ... and the plan's only placement goes before that.
        self.assertIsNone(self.size_in())
        # Neither a region that the request names nor an input is passed over.
        self.assertEqual("PlacementNotFound", self.size_in("--os-region-name", ONE))
        self.assertEqual("PlacementNotFound", self.size_in(*two, action_region=ONE))

        self.ask("tripleo.plan.add_placement", action_region=ONE, **container)
        for region, size in ((ONE, 1), (TWO, 2)):
            told = self.ask(
                "tripleo.parameters.update",
                "--os-region-name",
                region,
                parameters={"Size": size},
                placement_only=True,
                **container,
            )
            self.assertEqual([], told["stale"])
        self.assertEqual(2, self.size_in(*two))
        self.assertEqual(1, self.size_in(action_region=ONE))
        self.assertEqual(1, self.size_in(*two, action_region=ONE))
        # Several, and none chosen: not the first, and not the configured one.
        refused = self.ask("tripleo.parameters.get", **container)
        self.assertEqual("PlacementNotChosen", refused["type"])
        self.assertEqual([TWO, ONE], refused["details"]["placements"])
        self.assertIn(f"{TWO}, {ONE}", refused["message"])

    def test_a_workflow_in_a_region(self):
        self.place(ONE, TWO)
        inputs = json.dumps({"container": self.plan, "action_region": TWO})
        started = self.mistral_command("execution-create", DEPLOY, inputs, "-f", "json")
        state, output = self.ended(json.loads(started)["ID"])
        self.assertEqual("SUCCESS", state, output)
        self.assertEqual({ONE: 0, TWO: 1}, {r: len(s) for r, s in self.stacks_of_plan().items()})
        # The request's region holds for all that a workflow does.
        started = self.mistral_command(
            "--os-region-name", TWO, "execution-create", DELETE_STACK,
            json.dumps({"stack": self.plan}), "-f", "json",
        )  # fmt: skip
        state, output = self.ended(json.loads(started)["ID"])
        self.assertEqual("SUCCESS", state, output)
        self.assertEqual({ONE: [], TWO: []}, self.stacks_of_plan())
        # Without any, the plan is deployed nowhere.
        started = self.mistral_command(
            "execution-create", DEPLOY, json.dumps({"container": self.plan}), "-f", "json"
        )
        state, output = self.ended(json.loads(started)["ID"])
        self.assertEqual(("ERROR", "PlacementNotChosen"), (state, output["error"]["type"]))
        self.assertEqual({ONE: [], TWO: []}, self.stacks_of_plan())


class TestBadInput(RegionsTestCase):
    def test_a_region_that_is_not_there(self):
        for region in ("nowhere", "", " regionOne", "REGIONONE", "regionOne,regionTwo", "../x"):
            for action, inputs in (
                ("plan.list", {}),
                ("plan.create_container", {"container": self.plan}),
                ("stack.delete", {"stack": self.plan}),
            ):
                state, error = self.action(f"tripleo.{action}", action_region=region, **inputs)
                self.assertEqual(("ERROR", "RegionNotFound"), (state, error["type"]), region)
                # Tests beside this one may have regions of their own.
                self.assertLessEqual({ONE, TWO}, set(error["details"]["available"]))
                for name in (repr(region), *error["details"]["available"]):
                    self.assertIn(name, error["message"])
        for region in (7, [ONE], {"region": ONE}, True):
            state, error = self.action("tripleo.plan.list", action_region=region)
            self.assertEqual(("ERROR", "InputInvalid"), (state, error["type"]), region)
        state, output = self.workflow(
            "tripleo.plan_management.v1.list_plans", action_region="nowhere"
        )
        self.assertEqual(("ERROR", "RegionNotFound"), (state, output["error"]["type"]))
        self.assert_nothing_left()

    def test_a_region_that_is_no_placement(self):
        self.place(ONE)
        for region in (TWO, "nowhere", ""):
            for action, inputs in (
                ("parameters.get", {}),
                ("parameters.update", {"parameters": {"Size": 2}}),
                ("plan.remove_placement", {}),
                ("deployment.deploy", {"timeout": 10}),
            ):
                message = self.refused("PlacementNotFound", action, region, **inputs)
                self.assertIn(f"Its placements: {ONE}.", message)
        self.refused("RegionNotFound", "plan.add_placement", "nowhere")
        self.refused("RegionNotFound", "plan.add_placement", "")
        self.assertEqual({ONE: 1}, self.only("revision"))
        self.assertEqual({ONE: [], TWO: []}, self.stacks_of_plan())

    def test_a_region_with_swift_alone(self):
        half, _ = self.front(["object-store"])
        container = f"{self.plan}-x"
        self.run_action("tripleo.plan.create_container", container=container, action_region=half)
        self.addCleanup(self.swift_in(TWO).delete_container, container)
        self.place(ONE)
        for action, inputs in (
            ("plan.add_placement", {"container": self.plan}),
            ("plan.create", {"container": container}),
            ("stack.delete", {"stack": self.plan}),
        ):
            state, error = self.action(f"tripleo.{action}", action_region=half, **inputs)
            self.assertEqual(("ERROR", "RegionNotFound"), (state, error["type"]), error)
            details = error["details"]
            self.assertEqual((half, "orchestration"), (details["region"], details["service"]))
            self.assertLessEqual({ONE, TWO}, set(details["available"]))
            self.assertNotIn(half, details["available"])
        self.assertEqual([ONE], list(self.shown()))
        self.assertNotIn(container, self.environments())

    def test_regions_that_cannot_be_deployed(self):
        self.place(ONE, TWO)
        other = self.mistral.executions.create(
            "tripleo.plan_management.v1.list_plans", workflow_input={}
        )
        self.ended(other.id)
        for inputs, kind, words in (
            ({"regions": [ONE, "nowhere"]}, "PlacementNotFound", f"{ONE}, {TWO}"),
            ({"regions": [""]}, "PlacementNotFound", f"{ONE}, {TWO}"),
            ({"regions": [{"region": ONE, "cloud": "x"}]}, "PlacementNotFound", f"x/{ONE}"),
            ({"regions": []}, "InputInvalid", "regions"),
            ({"regions": ONE}, "InputInvalid", "regions"),
            ({"regions": [7]}, "InputInvalid", "regions"),
            ({"regions": [{"zone": ONE}]}, "InputInvalid", "regions"),
            ({"concurrency": -1}, "InputInvalid", "concurrency"),
            ({"max_failures": 0}, "InputInvalid", "max_failures"),
            ({"max_failures": "1"}, "InputInvalid", "max_failures"),
            ({"resume": "none"}, "InputInvalid", "resume"),
            ({"resume": other.id}, "InputInvalid", DEPLOY_ALL),
        ):
            state, output = self.workflow(DEPLOY_ALL, container=self.plan, **inputs)
            self.assertEqual(("ERROR", kind), (state, output["error"]["type"]), output)
            self.assertIn(words, output["message"])
            self.assertEqual([], output["regions_results"])
        self.assertEqual({ONE: [], TWO: []}, self.stacks_of_plan())


def states(results):
    """Return how it went in each region."""
    return {name: result["state"] for name, result in results.items()}


def states_of(entries, name):
    """Return the state of each entry of a list, by the name that it has there."""
    return {entry[name]: entry["state"] for entry in entries}
