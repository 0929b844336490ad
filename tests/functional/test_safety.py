"""A plan under concurrent use, killed executors and damaged storage."""

import json
import signal
import subprocess
import sys
from concurrent import futures

from mistralclient.api import client as mistral_client

from tests.functional import base

CREATE = "tripleo.plan_management.v1.create_deployment_plan"
WRITERS = 20

FILES = {
    **base.PLAN,
    "overcloud.j2.yaml": base.PLAN["overcloud.j2.yaml"].replace(
        "parameters:",
        "parameters:\n"
        + "".join(f"  P{n}: {{type: number, default: 0}}\n" for n in range(WRITERS)),
        1,
    ),
}


class SafetyTestCase(base.FunctionalTestCase):
    def setUp(self):
        super().setUp()
        self.upload(FILES)
        self.run_workflow(CREATE, container=self.plan)

    def variables(self):
        return self.mistral.environments.get(self.plan).variables

    def changer(self, what, kill_at=0):
        """Run a process that changes or reads the plan; return its code and what it printed."""
        root = str(self.undercloud.directory.root)
        done = subprocess.run(
            [sys.executable, "-m", "tests.functional.changer", root, self.plan, what, str(kill_at)],
            capture_output=True,
            text=True,
            timeout=base.SECONDS,
            check=False,
        )
        return done.returncode, done.stdout or done.stderr


class TestManyWriters(SafetyTestCase):
    def test_twenty_writers_at_once_lose_no_update(self):
        url = self._endpoint("workflowv2")

        def write(number):
            mistral = mistral_client.client(session=self.session, mistral_url=url)
            execution = mistral.action_executions.create(
                "tripleo.parameters.update",
                input={
                    "container": self.plan,
                    "parameters": {f"P{number}": number + 1},
                    "validate": False,
                    "lock_wait": 120,
                },
                run_sync=True,
                save_result=True,
            )
            return execution.state, json.loads(execution.output)["result"]

        with futures.ThreadPoolExecutor(WRITERS) as pool:
            answers = list(pool.map(write, range(WRITERS)))
        self.assertEqual(["SUCCESS"] * WRITERS, [state for state, _ in answers], answers)
        self.assertEqual(
            {f"P{n}": n + 1 for n in range(WRITERS)}, self.variables()["parameter_defaults"]
        )
        # Each made a revision of its own.
        self.assertEqual(
            list(range(2, WRITERS + 2)), sorted(result["revision"] for _, result in answers)
        )
        self.assertNotIn(f"{self.plan}.lock", self.environments())

    def test_a_second_writer_is_told_who_holds_the_lock_and_why(self):
        held = {
            "id": "x",
            "owner": "somebody's execution 7",
            "reason": "a long change",
            "since": "2020-01-01T00:00:00+00:00",
            "expires": "2999-01-01T00:00:00+00:00",
        }
        name = f"{self.plan}.lock"
        self.mistral.environments.create(name=name, variables=json.dumps(held))
        before = self.variables()
        state, refused = self.action(
            "tripleo.parameters.update", container=self.plan, parameters={"P1": 1}, lock_wait=0
        )
        self.assertEqual(("ERROR", "PlanLocked"), (state, refused["type"]))
        self.assertIn("somebody's execution 7", refused["message"])
        self.assertEqual("a long change", refused["details"]["reason"])
        self.assertGreater(refused["details"]["age"], 10**6)
        shown = self.run_action("tripleo.plan.show", container=self.plan)["lock"]
        self.assertEqual("somebody's execution 7", shown["owner"])
        self.assertEqual(before, self.variables())
        # Whoever waits gets in when it is released.
        with futures.ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(
                self.action,
                "tripleo.parameters.update",
                container=self.plan,
                parameters={"P1": 1},
                lock_wait=120,
            )
            base.wait_for(
                lambda: self.variables() == before and not waiting.done(), "a writer that waits"
            )
            mistral_client.client(
                session=self.session, mistral_url=self._endpoint("workflowv2")
            ).environments.delete(name)
            self.assertEqual("SUCCESS", waiting.result()[0])

    def test_a_lock_whose_execution_has_ended_is_taken_over(self):
        ended = self.mistral.executions.create(
            "tripleo.plan_management.v1.list_plans", workflow_input={}
        )
        base.wait_for(
            lambda: self.mistral.executions.get(ended.id).state == "SUCCESS", "an execution"
        )
        held = {
            "id": "x",
            "owner": "somebody",
            "reason": "died",
            "execution": ended.id,
            "since": "2020-01-01T00:00:00+00:00",
            "expires": "2999-01-01T00:00:00+00:00",
        }
        self.mistral.environments.create(name=f"{self.plan}.lock", variables=json.dumps(held))
        self.run_action(
            "tripleo.parameters.update", container=self.plan, parameters={"P1": 1}, lock_wait=60
        )
        self.assertNotIn(f"{self.plan}.lock", self.environments())


class TestKilled(SafetyTestCase):
    """The process that makes a change is killed before each of its writes in turn."""

    def content(self, what="read"):
        """Return the plan as every reader sees it: files, parameters; after a change, if told."""
        code, printed = self.changer(what)
        self.assertEqual(0, code, printed)
        found = json.loads(printed)
        return found["files"], found["parameters"]

    def test_the_plan_is_the_old_revision_or_the_new_one_never_a_mixture(self):
        plans = {"old": self.content("old"), "new": self.content("new")}
        self.assertNotEqual(plans["old"], plans["new"])
        self.assertIn("more/added.yaml", plans["new"][0])
        seen = {"old": 0, "new": 0}
        current, kill_at, code = "new", 0, -signal.SIGKILL
        while code:
            kill_at += 1
            wanted = "old" if current == "new" else "new"
            code, printed = self.changer(wanted, kill_at)
            self.assertIn(code, (0, -signal.SIGKILL), printed)
            found = self.content()
            self.assertIn(found, (plans[current], plans[wanted]), f"killed at write {kill_at}")
            if code:
                seen["new" if found == plans[wanted] else "old"] += 1
            # What the dead one held is taken over once it has run out.
            self.expire_lock()
            # And whoever comes next finishes it.
            self.assertEqual(plans[wanted], self.content(wanted))
            self.assert_container_in_line(plans[wanted][0])
            current = wanted
        # There are writes before the new revision counts, and others after it.
        self.assertGreater(seen["old"], 3)
        self.assertGreater(seen["new"], 1)

    def expire_lock(self):
        name = f"{self.plan}.lock"
        if name in self.environments():
            variables = self.mistral.environments.get(name).variables
            variables["expires"] = "2020-01-01T00:00:00+00:00"
            self.mistral.environments.update(name=name, variables=json.dumps(variables))

    def assert_container_in_line(self, files):
        listed = {o["name"]: o["hash"] for o in self.swift.get_container(self.plan)[1]}
        self.assertEqual(files, listed)


class TestDamage(SafetyTestCase):
    """Storage that lost or changed what it was given; read by a process that remembers nothing."""

    def archived(self, prefix):
        found = self.swift.get_container(f"{self.plan}.revisions", prefix=prefix)[1]
        return [o["name"] for o in found]

    def read(self):
        """Return path to MD5 of the plan's files, or what was printed if it cannot be read."""
        code, printed = self.changer("read")
        return printed if code else json.loads(printed)["files"]

    def test_a_corrupted_bundle_is_made_up_for_by_the_container_and_then_replaced(self):
        before = self.read()
        self.sync()
        (bundle,) = self.archived("files/")
        whole = self.swift.get_object(f"{self.plan}.revisions", bundle)[1]
        for damaged in (whole[: len(whole) // 2], b"nothing like it", whole[:100] + whole[101:]):
            self.swift.put_object(f"{self.plan}.revisions", bundle, damaged)
            self.assertEqual(before, self.read())
        # The next change stores it again.
        self.swift.put_object(self.plan, "registry.yaml", FILES["registry.yaml"] + "# more\n")
        self.run_action("tripleo.templates.process", container=self.plan)
        after = self.read()
        self.assertNotEqual(before["registry.yaml"], after["registry.yaml"])
        self.assertEqual(set(before), set(after))

    def test_a_lost_bundle_of_a_plan_that_its_container_does_not_show_is_told(self):
        for bundle in self.archived("files/"):
            self.swift.delete_object(f"{self.plan}.revisions", bundle)
        # As if its container had never been brought into line.
        self.swift.post_container(self.plan, {"x-container-meta-tripleo-revision": ""})
        self.assertIn("RevisionCorrupt", self.read())

    def sync(self):
        self.run_workflow("tripleo.plan_management.v1.sync_plan", container=self.plan)
