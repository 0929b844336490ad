"""Target clouds that a request gives, with the real mistral command, through the gate."""

import base64
import json
import subprocess
import uuid

import fixtures
import requests
from mistralclient.api import base as mistral_base

from tests.functional import base, certificates, clouds
from tests.functional.test_clouds_named import TINY, SeveralClouds, find_stack, remove_stack
from tripleo_common.undercloud import processes

FAILING = """---
version: '2.0'
{name}:
  description: Looks at a stack until it is gone, and fails before.
  input:
    - stack
  tasks:
    look:
      action: tripleo.stack.wait
      input: {{stack: <% $.stack %>, until: does_not_exist, timeout: 1}}
"""

PAUSING = """---
version: '2.0'
{name}:
  description: Waits to be resumed, then deletes a stack in a sub-workflow.
  input:
    - stack
  output:
    message: <% $.message %>
  tasks:
    first:
      action: std.noop
      on-success:
        - pause
        - delete
    delete:
      workflow: tripleo.stack.v1.delete_stack
      input: {{stack: <% $.stack %>}}
      publish:
        message: <% task().result.message %>
"""

ASYNC = """---
version: '2.0'
{name}:
  description: Waits for somebody to complete an action, then deletes a stack.
  input:
    - stack
  tasks:
    callback:
      action: std.async_noop
      on-success: delete
    delete:
      action: tripleo.stack.delete
      input: {{stack: <% $.stack %>}}
"""


RETRYING = """---
version: '2.0'
{name}:
  description: Waits for a stack to be gone, and again if the executor is lost.
  input:
    - stack
  tasks:
    wait:
      action: tripleo.stack.wait
      input: {{stack: <% $.stack %>, until: does_not_exist, timeout: 600}}
      retry: {{count: 1, delay: 1}}
"""


class Targets(SeveralClouds):
    """The home cloud takes the edge cloud as a target."""

    MULTI_CLOUD = True

    @classmethod
    def setUpClass(cls):
        """Put fronts before the edge cloud, once: each restart of Mistral takes seconds."""
        super().setUpClass()
        edge, name = clouds.edge(), uuid.uuid4().hex[:8]
        cls.region, cls.secure_region = f"front-{name}", f"secure-{name}"
        directory = cls._use(fixtures.TempDir()).path
        cls.authority = certificates.Authority(directory)
        cls.front = cls._use(clouds.Fronts(edge, cls.region))
        certificate = cls.authority.issue()
        cls.secure = cls._use(clouds.Fronts(edge, cls.secure_region, certificate=certificate))
        allowed = f"{cls.front.auth_url},{cls.secure.auth_url}"
        options = {"multi_cloud": cls.MULTI_CLOUD, "allowed_auth_uris": allowed}
        cls._use(clouds.Options(clouds.two_regions(), "mistral", {"tripleo": options}))

    @classmethod
    def _use(cls, fixture):
        fixture.setUp()
        cls.addClassCleanup(fixture.cleanUp)
        return fixture

    def setUp(self):
        super().setUp()
        for fronts in (self.front, self.secure):
            fronts.clear()
        self.watched = f"target-{self.name}"

    def target(self, **changed):
        """Return the command's options for the edge cloud."""
        auth = self.edge.directory.credentials()
        options = {
            "auth-url": self.front.auth_url,
            "username": auth["username"],
            "password": auth["password"],
            "tenant-name": auth["project_name"],
            "region-name": self.region,
            **changed,
        }
        return [
            word
            for name, value in options.items()
            if value is not None
            for word in (f"--os-target-{name}", value)
        ]

    def headers(self, **changed):
        """Return headers that give the edge cloud as a target."""
        given = {
            "Auth-Uri": self.front.auth_url,
            "Auth-Token": self.edge_session.get_token(),
            "Region-Name": self.region,
            **changed,
        }
        return {f"X-Target-{k}": v for k, v in given.items() if v is not None}

    def post(self, resource, body, headers):
        """Send a request to the home cloud's Mistral."""
        return requests.post(
            f"{self._endpoint('workflowv2')}/{resource}",
            json=body,
            headers={"X-Auth-Token": self.session.get_token(), **headers},
            timeout=base.SECONDS,
        )

    def run_direct(self, headers, **inputs):
        """Run an action directly; return its state and its result."""
        body = {
            "name": "tripleo.stack.wait",
            "input": json.dumps(
                {"stack": self.watched, "until": "does_not_exist", "timeout": 1, **inputs}
            ),
            "params": json.dumps({"run_sync": True}),
        }
        answer = self.post("action_executions", body, headers)
        self.assertEqual(201, answer.status_code, answer.text)
        return answer.json()["state"], json.loads(answer.json()["output"])["result"]

    def make_stack(self):
        """Make a stack at the edge, and one of the same name at home."""
        for heat in (self.edge_heat, self.heat):
            heat.stacks.create(stack_name=self.watched, template=TINY)
            self.addCleanup(remove_stack, heat, self.watched)
        for heat in (self.edge_heat, self.heat):
            base.wait_for(
                lambda heat=heat: find_stack(heat, self.watched).stack_status == "CREATE_COMPLETE",
                self.watched,
            )

    def assert_gone_at_the_edge_alone(self):
        """Check that the edge's stack was deleted, and the one at home was not."""
        self.assertIsNone(find_stack(self.edge_heat, self.watched))
        self.assertIsNotNone(find_stack(self.heat, self.watched))

    def upload_workflow(self, text):
        """Make a workflow; return its name."""
        name = f"target_{uuid.uuid4().hex}"
        self.mistral.workflows.create(text.format(name=name))
        self.addCleanup(self.mistral.workflows.delete, name)
        return name

    def started(self, output):
        """Return the id of an execution that the command has started."""
        return json.loads(output)["ID"]


class TestCommand(Targets):
    def refused(self, *words, target=None):
        """Run the command, which must be refused; return what it prints."""
        before = len(self.mistral.executions.list())
        result = subprocess.run(
            [str(base.PROGRAMS / "mistral"), *(target or self.target()), *words],
            env={
                "PATH": str(base.PROGRAMS),
                **{f"OS_{n.upper()}": v for n, v in self.undercloud.credentials().items()},
            },
            capture_output=True,
            text=True,
            timeout=base.SECONDS,
            check=False,
        )
        self.assertNotEqual(0, result.returncode, result.stdout)
        self.assertEqual(before, len(self.mistral.executions.list()))
        return result.stdout + result.stderr

    def test_a_workflow_runs_there_and_nothing_runs_here(self):
        self.make_stack()
        self.front.clear()
        words = ["execution-create", "-f", "json", "tripleo.stack.v1.delete_stack"]
        output = self.command(
            "mistral", *self.target(), *words, json.dumps({"stack": self.watched})
        )
        state, result = self.ended(self.started(output))
        self.assertEqual("SUCCESS", state, result)
        self.assert_gone_at_the_edge_alone()
        self.assertNotEqual((), self.front.proxies["orchestration"].requests)
        # The catalogue was asked for once, and then it was known.
        asked = [
            r
            for r in self.front.proxies["identity"].requests
            if r.method == "GET" and r.path.endswith("/auth/tokens")
        ]
        self.assertEqual(1, len(asked))

    def test_an_action_runs_there(self):
        self.make_stack()
        remove_stack(self.heat, self.watched)
        words = ["run-action", "tripleo.stack.wait"]
        inputs = {"stack": self.watched, "until": "complete_or_failed", "timeout": 1}
        output = self.command("mistral", *self.target(), *words, json.dumps(inputs))
        self.assertEqual("CREATE_COMPLETE", json.loads(output)["result"]["status"])
        output = self.command("mistral", *words, json.dumps(inputs))
        self.assertEqual("StackNotFound", json.loads(output)["result"]["type"])

    def test_what_this_mistral_keeps_is_refused_and_the_way_is_named(self):
        output = self.command("mistral", *self.target(), "run-action", "tripleo.plan.list")
        error = json.loads(output)["result"]
        self.assertEqual("TargetNotAllowed", error["type"])
        self.assertIn("clouds.yaml", error["message"])
        self.assertIn("input cloud", error["message"])

    def test_each_wrong_combination_says_why_and_starts_nothing(self):
        start = ("execution-create", "tripleo.stack.v1.delete_stack", '{"stack": "x"}')
        plain = {"username": None, "password": None, "tenant-name": None}
        told = self.refused(*start, target=self.target(**plain, **{"auth-token": "x"}))
        # The command itself asks the target's Keystone, which does not know the token.
        self.assertIn("Could not recognize", told)
        other = self.target(**{"auth-url": self.edge.directory.credentials()["auth_url"]})
        told = self.refused(*start, target=other)
        self.assertIn("not one of those allowed", told)
        told = self.refused("run-action", "std.echo", '{"output": "x"}')
        self.assertIn("std.echo", told)
        inputs = json.dumps({"stack": "x", "cloud": "undercloud"})
        told = self.refused("execution-create", "tripleo.stack.v1.delete_stack", inputs)
        self.assertIn("Both a target cloud", told)

    def test_nobody_sees_more_executions_with_a_target(self):
        mine = self.mistral.executions.create(
            "tripleo.stack.v1.delete_stack", workflow_input={"stack": self.watched}
        )
        self.ended(mine.id)
        with_target = self.command("mistral", *self.target(), "execution-list", "-f", "json")
        without = self.command("mistral", "execution-list", "-f", "json")
        self.assertIn(mine.id, with_target)
        self.assertEqual(
            sorted(item["ID"] for item in json.loads(without)),
            sorted(item["ID"] for item in json.loads(with_target)),
        )
        # Mistral itself would take the project of these headers for the caller's.
        answer = requests.get(
            f"{self._endpoint('workflowv2')}/executions/{mine.id}",
            headers={
                "X-Auth-Token": self.session.get_token(),
                **self.headers(**{"Project-Id": "another", "User-Id": "another"}),
            },
            timeout=base.SECONDS,
        )
        self.assertEqual(200, answer.status_code)


class TestNotAllowed(Targets):
    MULTI_CLOUD = False

    def test_targets_are_refused_by_default(self):
        body = {"workflow_name": "tripleo.stack.v1.delete_stack", "input": {"stack": "x"}}
        answer = self.post("executions", body, self.headers())
        self.assertEqual(403, answer.status_code)
        self.assertIn("multi_cloud", answer.json()["faultstring"])
        self.assertEqual((), self.front.proxies["identity"].requests)


class TestHeaders(Targets):
    """What the command cannot send, other clients can."""

    def refused(self, status, headers):
        body = {"workflow_name": "tripleo.stack.v1.delete_stack", "input": {"stack": "x"}}
        before = len(self.mistral.executions.list())
        answer = self.post("executions", body, headers)
        self.assertEqual(status, answer.status_code, answer.text)
        self.assertEqual(before, len(self.mistral.executions.list()))
        return answer.json()["faultstring"]

    def test_bad_headers_are_refused_with_a_sentence(self):
        encode = lambda text: base64.b64encode(text.encode()).decode()  # noqa: E731
        expired = certificates.Authority(self.useFixture(fixtures.TempDir()).path, expired=True)
        for status, changed, words in (
            (400, {"Auth-Token": None}, "X-Target-Auth-Token is missing"),
            (400, {"Auth-Uri": None}, "X-Target-Auth-Uri is missing"),
            (400, {"Insecure": "perhaps"}, "True or False"),
            (400, {"Cacert": "%%%"}, "base64"),
            (400, {"Cacert": encode("no certificate")}, "X-Target-Cacert"),
            (400, {"Cacert": encode(expired.path.read_text())}, "expired"),
            (400, {"Auth-Token": "x" * 1000 * 1000}, "bytes"),
            (400, {"Nonsense": "x"}, "X-Target-Nonsense"),
            (403, {"Auth-Uri": "http://169.254.169.254/v3"}, "not one of those allowed"),
        ):
            self.assertIn(words, self.refused(status, self.headers(**changed)))

    def test_tricks_with_the_url_do_not_pass_the_list_of_allowed_ones(self):
        good = self.front.auth_url
        host = good.removeprefix("http://").partition("/")[0]
        port = host.rpartition(":")[2]
        for url in (
            f"http://user@{host}/v3",
            f"http://{host}@evil.test/v3",
            f"http://{host}.evil.test/v3",
            f"http://{host}/../v3",
            f"http://{host}/v3/../../evil",
            f"http://{host}//v3",
            f"http://{host}/v3/auth",
            f"http://localhost:{port}/v3",
            f"http://[::ffff:127.0.0.1]:{port}/v3",
            f"http://2130706433:{port}/v3",
            f"http://127.0.0.1:{int(port) + 1}/v3",
            f"https://{host}/v3",
            f"http://{host}/v3?x=1",
            f"http://{host}\\@evil.test/v3",
            "file:///etc/passwd",
        ):
            body = {"workflow_name": "tripleo.stack.v1.delete_stack", "input": {"stack": "x"}}
            answer = self.post("executions", body, self.headers(**{"Auth-Uri": url}))
            self.assertIn(answer.status_code, (400, 403), url)
        for url in (f"{good}/", good.removesuffix("/v3"), good.replace("http", "HTTP")):
            state, result = self.run_direct(self.headers(**{"Auth-Uri": url}))
            self.assertEqual("SUCCESS", state, result)

    def test_spelling_with_underscores_is_the_same_header(self):
        headers = self.headers()
        url = headers.pop("X-Target-Auth-Uri")
        state, result = self.run_direct({**headers, "X_Target_Auth_Uri": url})
        self.assertEqual("SUCCESS", state, result)
        told = self.refused(403, {**headers, "X_Target_Auth_Uri": "http://evil.test/v3"})
        self.assertIn("not one of those allowed", told)

    def test_within_tls_the_certificate_comes_along(self):
        headers = self.headers(
            **{"Auth-Uri": self.secure.auth_url, "Region-Name": self.secure_region}
        )
        state, error = self.run_direct(headers)
        self.assertEqual(("ERROR", "CertificateInvalid"), (state, error["type"]), error)
        self.assertIn("X-Target-Cacert", error["message"])
        pem = base64.b64encode(self.authority.path.read_bytes()).decode()
        state, result = self.run_direct({**headers, "X-Target-Cacert": pem})
        self.assertEqual("SUCCESS", state, result)
        self.assertNotEqual((), self.secure.proxies["orchestration"].requests)
        # A temporary URL asks Swift, by another client library.
        self.edge_swift.put_container(self.watched)
        self.addCleanup(self.edge_swift.delete_container, self.watched)
        body = {
            "name": "tripleo.swift.tempurl",
            "input": {"container": self.watched, "obj": "x"},
            "params": {"run_sync": True},
        }
        answer = self.post("action_executions", body, {**headers, "X-Target-Cacert": pem})
        url = json.loads(answer.json()["output"])["result"]
        self.assertTrue(url.startswith(self.secure.proxies["object-store"].url), url)
        state, result = self.run_direct({**headers, "X-Target-Insecure": "True"})
        self.assertEqual("SUCCESS", state, result)
        log = self.undercloud.directory.log("mistral").read_text()
        self.assertIn("are not checked, as asked", log)

    def test_a_target_that_redirects_is_not_followed(self):
        elsewhere = self.useFixture(clouds.Fronts(self.edge, f"else-{self.name}", []))
        location = f"{elsewhere.auth_url}/auth/tokens"
        with self.front.proxies["identity"].redirecting(location):
            state, error = self.run_direct(self.headers())
        self.assertEqual(("ERROR", "ServiceRefused"), (state, error["type"]), error)
        self.assertIn("redirects", error["message"])
        self.assertEqual((), elsewhere.proxies["identity"].requests)

    def test_a_token_that_the_target_does_not_know(self):
        state, error = self.run_direct(self.headers(**{"Auth-Token": "canary-token"}))
        self.assertEqual(("ERROR", "NotAllowed"), (state, error["type"]), error)
        self.assertNotIn("canary", str(error))


class TestKept(Targets):
    """Whoever goes on with an execution, and however: it keeps its target."""

    def setUp(self):
        super().setUp()
        self.make_stack()

    def run_with_target(self, name):
        output = self.command(
            "mistral",
            *self.target(),
            *["execution-create", "-f", "json", name, json.dumps({"stack": self.watched})],
        )
        return self.started(output)

    def wait(self, execution, state):
        base.wait_for(lambda: self.mistral.executions.get(execution).state == state, state)

    def test_resume(self):
        execution = self.run_with_target(self.upload_workflow(PAUSING))
        self.wait(execution, "PAUSED")
        self.assertIsNotNone(find_stack(self.edge_heat, self.watched))
        self.mistral.executions.update(execution, "RUNNING")
        state, output = self.ended(execution)
        self.assertEqual("SUCCESS", state, output)
        self.assert_gone_at_the_edge_alone()

    def test_rerun_of_a_task(self):
        execution = self.run_with_target(self.upload_workflow(FAILING))
        self.assertEqual("ERROR", self.ended(execution)[0])
        # What it waits for is now so at the edge, and not at home.
        remove_stack(self.edge_heat, self.watched)
        (task,) = self.mistral.tasks.list(execution)
        self.mistral.tasks.rerun(task.id)
        self.wait(execution, "SUCCESS")

    def test_completion_of_an_action_by_another_request(self):
        execution = self.run_with_target(self.upload_workflow(ASYNC))

        def waiting():
            found = [
                action
                for task in self.mistral.tasks.list(execution)
                for action in self.mistral.action_executions.list(task.id)
                if action.name == "std.async_noop"
            ]
            return found and found[0]

        action = base.wait_for(waiting, "the action that waits")
        self.mistral.action_executions.update(action.id, "SUCCESS")
        state, output = self.ended(execution)
        self.assertEqual("SUCCESS", state, output)
        base.wait_for(lambda: not find_stack(self.edge_heat, self.watched), "deletion")
        self.assert_gone_at_the_edge_alone()

    def test_restart_of_mistral_in_between(self):
        execution = self.run_with_target(self.upload_workflow(PAUSING))
        self.wait(execution, "PAUSED")
        clouds.restart(self.undercloud, "mistral")
        self.mistral.executions.update(execution, "RUNNING")
        state, output = self.ended(execution)
        self.assertEqual("SUCCESS", state, output)
        self.assert_gone_at_the_edge_alone()

    def test_a_retry_after_a_lost_heartbeat_says_what_it_lacks(self):
        options = {"action_heartbeat": {"check_interval": 1, "max_missed_heartbeats": 3}}
        self.useFixture(clouds.Options(self.undercloud, "mistral", options))
        execution = self.run_with_target(self.upload_workflow(RETRYING))
        asked = self.front.proxies["orchestration"]
        base.wait_for(lambda: asked.requests, "the action is at work")
        process = processes.find("mistral", self.undercloud.directory)
        process.kill()
        process.wait(base.SECONDS)
        clouds.restart(self.undercloud, "mistral")
        asked.clear()
        self.assertEqual("ERROR", self.ended(execution)[0])
        (task,) = self.mistral.tasks.list(execution)
        told = [
            self.mistral.action_executions.get(action.id).output
            for action in self.mistral.action_executions.list(task.id)
        ]
        self.assertIn("CredentialsLost", told[-1])
        self.assertEqual((), asked.requests)
        self.assertIsNotNone(find_stack(self.heat, self.watched))

    def test_a_copy_of_an_execution_needs_the_target_again(self):
        first = self.run_with_target(self.upload_workflow(FAILING))
        self.ended(first)
        inputs = {"stack": self.watched}
        error = self.assertRaises(
            mistral_base.APIException,
            self.mistral.executions.create,
            source_execution_id=first,
            workflow_input=inputs,
        )
        self.assertIn("was started with a target cloud", str(error))
        remove_stack(self.edge_heat, self.watched)
        body = {"source_execution_id": first, "input": json.dumps(inputs), "description": ""}
        answer = self.post("executions", body, self.headers())
        self.assertEqual(201, answer.status_code, answer.text)
        self.assertEqual("SUCCESS", self.ended(answer.json()["id"])[0])

    def test_a_target_with_a_request_to_go_on_is_refused(self):
        execution = self.run_with_target(self.upload_workflow(PAUSING))
        self.wait(execution, "PAUSED")
        answer = requests.put(
            f"{self._endpoint('workflowv2')}/executions/{execution}",
            json={"state": "RUNNING"},
            headers={"X-Auth-Token": self.session.get_token(), **self.headers()},
            timeout=base.SECONDS,
        )
        self.assertEqual(400, answer.status_code)
        self.assertIn("keeps the target", answer.json()["faultstring"])
        self.assertEqual("PAUSED", self.mistral.executions.get(execution).state)

    def test_nothing_that_is_stored_or_logged_holds_the_token(self):
        token = self.edge_session.get_token()
        body = {
            "workflow_name": "tripleo.stack.v1.delete_stack",
            "input": {"stack": self.watched},
        }
        answer = self.post("executions", body, self.headers(**{"Auth-Token": token}))
        self.assertEqual("SUCCESS", self.ended(answer.json()["id"])[0])
        self.assertNotIn(
            token, json.dumps(self.mistral.executions.get(answer.json()["id"]).to_dict())
        )
        root = self.undercloud.directory.root
        for path in [*(root / "log").iterdir(), *(root / "data" / "mistral").rglob("*")]:
            if path.is_file():
                self.assertNotIn(token.encode(), path.read_bytes(), path)
