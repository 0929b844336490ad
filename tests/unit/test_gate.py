import base64
import io
import json
import subprocess
import sys
import uuid

import ddt
from keystoneauth1 import fixture as ksa_fixture
from keystonemiddleware import auth_token
from oslo_config import cfg
from requests_mock.contrib import fixture as requests_mock_fixture

from tests.unit import base, test_certificates
from tripleo_common import gate, sealed
from tripleo_common.clouds import targets

EDGE = "http://edge.test:5000/v3"
TARGET_TOKEN = "canary-target-77d0"
TOKEN = "canary-caller-20c4"
EXISTING = "5f4b6a3e-8f0b-4b6e-9d1a-0c8b2f6b7a10"
SOURCE = "5f9b1f0a-6f0c-4f39-8f0e-3a4b1c2d5e6f"
NEW = "0d9d1c5e-6f0a-4c36-8f0e-6b8f5d2f9e77"
CANARY = "canary-bmc-91ce"
NODES = [{"pm_addr": "192.0.2.1", "pm_password": CANARY}]
REGISTER = "tripleo.baremetal.v1.register_or_update"
UPDATE = "tripleo.parameters.update"
TARGET = {"X-Target-Auth-Uri": EDGE, "X-Target-Auth-Token": TARGET_TOKEN}

FORGED = {
    "X-Identity-Status": "Confirmed",
    "X-User-Name": "eve",
    "X-Project-Id": "p-eve",
    "X-Service-Identity-Status": "Confirmed",
}


class Mistral:
    """Mistral's API with keystonemiddleware before it, as far as the gate sees of both.

    :ivar tokens: token to what keystonemiddleware learns from it.
    :ivar authentication: as configured: ``keystone``, ``None``, or ``down``.
    :ivar requests: ``(method, path, environ, body)`` of each.
    :ivar params: id of an execution to what it was started with.
    :ivar workflows: id of a workflow, or of an execution, to the workflow's name.
    :ivar closed: how many answers have been closed.
    """

    def __init__(self):
        self.tokens = {TOKEN: ("admin", "p1")}
        self.authentication = "keystone"
        self.forbids_looks = False
        self.requests = []
        self.params = {}
        self.workflows = {}
        self.closed = 0

    def __call__(self, environ, start_response):
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        self.requests.append((method, path, dict(environ), body))
        status = self._authenticate(environ) or self._status(method, path)
        start_response(status, [("Content-Type", "application/json"), ("X-From", "mistral")])
        answer = self._fields(path, environ["QUERY_STRING"])
        if method == "GET" and answer:
            return Parts(self, [json.dumps(answer).encode()])
        return Parts(self, [b"{}", status.encode()])

    def _fields(self, path, query):
        above, _, identifier = path.rpartition("/")
        known = {
            ("executions", "fields=params"): self.params,
            ("executions", "fields=workflow_name"): self.workflows,
            ("workflows", "fields=name"): self.workflows,
        }.get((above.rpartition("/")[2], query), {})
        found = known.get(identifier)
        return {} if found is None else {query.removeprefix("fields="): found}

    def _authenticate(self, environ):
        if self.authentication is None:
            return None
        # So does keystonemiddleware, and leaves what it puts there instead.
        for header in FORGED:
            environ.pop("HTTP_" + header.upper().replace("-", "_"), None)
        if self.authentication == "down":
            return "503 Service Unavailable"
        known = self.tokens.get(environ.get("HTTP_X_AUTH_TOKEN"))
        environ["HTTP_X_IDENTITY_STATUS"] = "Confirmed" if known else "Invalid"
        if not known:
            return "401 Unauthorized"
        environ["HTTP_X_USER_NAME"], environ["HTTP_X_PROJECT_ID"] = known
        return None

    def _status(self, method, path):
        if method == "POST":
            return "201 Created"
        if self.forbids_looks:
            return "403 Forbidden"
        return "404 Not Found" if path.endswith(NEW) else "200 OK"


class Parts(list):
    """An answer's body, which is to be closed."""

    def __init__(self, mistral, parts):
        super().__init__(parts)
        self.close = lambda: setattr(mistral, "closed", mistral.closed + 1)


class Answer:
    def __init__(self, status, headers, body):
        self.status = int(status.split()[0])
        self.reason = status.partition(" ")[2]
        self.headers, self.body = dict(headers), body


class TestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.set_options(multi_cloud=True, allowed_auth_uris=[EDGE])
        self.use_keys()
        self.mistral = Mistral()
        self.gate = gate.Gate(self.mistral)

    def request(self, method, path, body=None, headers=None, **more):
        """Make a request as a WSGI server hands it on."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        content = b"" if body is None else content
        environ = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": "",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "8989",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(content + b"what the server reads next"),
            "HTTP_X_AUTH_TOKEN": TOKEN,
        }
        if body is not None:
            environ |= {"CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(content))}
        for name, value in (TARGET if headers is None else headers).items():
            environ["HTTP_" + name.upper().replace("-", "_")] = value
        environ |= more
        answers = []
        self.environ = {key: value for key, value in environ.items() if value is not None}

        def start_response(status, sent, _error=None):
            for name, value in sent:
                self.assertTrue((name + value).isascii() and (name + value).isprintable())
            answers.append((status, sent))

        parts = self.gate(self.environ, start_response)
        text = b"".join(parts)
        getattr(parts, "close", lambda: None)()
        (answer,) = answers
        return Answer(*answer, text)

    def refused(self, status, *arguments, **more):
        """Make a request that must be refused; return the sentence."""
        answer = self.request(*arguments, **more)
        self.assertEqual(status, answer.status, answer.body)
        self.assertEqual([], self.started())
        fault = json.loads(answer.body)
        self.assertEqual({"faultcode", "faultstring", "debuginfo"}, set(fault))
        self.assertEqual(("Client", None), (fault["faultcode"], fault["debuginfo"]))
        self.assertEqual(fault["faultstring"], answer.headers["Server-Error-Message"])
        self.assertEqual("application/json", answer.headers["Content-Type"])
        self.assertEqual(str(len(answer.body)), answer.headers["Content-Length"])
        for secret in (TARGET_TOKEN, TOKEN):
            self.assertNotIn(secret, answer.body.decode())
            self.assertNotIn(secret, self.log.output)
        return fault["faultstring"]

    def started(self):
        """Return environ and body of every request that Mistral got and that starts something."""
        return [(env, body) for method, _, env, body in self.mistral.requests if method != "GET"]

    def start(self, path, body, **more):
        """Make a request that must start something; return what Mistral got as its body."""
        answer = self.request("POST", path, body, **more)
        self.assertEqual(201, answer.status, answer.body)
        ((environ, content),) = self.started()
        self.assertEqual(str(len(content)), environ["CONTENT_LENGTH"])
        self.assertEqual([], [key for key in environ if key.startswith("HTTP_X_TARGET")])
        self.assertNotIn(TARGET_TOKEN, content.decode() + self.log.output)
        return json.loads(content)


@ddt.ddt
class WithoutTarget(TestCase):
    @ddt.data({}, {"X-Targets": "x"}, {"X-Region-Name": "regionOne"})
    def test_request_is_handed_on_untouched(self, headers):
        """Also what a gate with a target would refuse."""
        body = b'{"workflow_name": "x", "params": garbage'
        answer = self.request("POST", "/v2/executions", body, headers)
        self.assertEqual((201, b"{}201 Created"), (answer.status, answer.body))
        ((method, path, environ, content),) = self.mistral.requests
        self.assertEqual(("POST", "/v2/executions", body), (method, path, content))
        self.assertIs(self.environ["wsgi.input"], environ["wsgi.input"])
        self.assertEqual(1, self.mistral.closed)

    @ddt.data(dict, json.dumps)
    def test_copy_of_an_execution_with_a_target_is_refused(self, form):
        self.mistral.params[SOURCE] = form({targets.PARAM: "sealed", "env": {}})
        answer = self.request("POST", "/v2/executions", {"source_execution_id": SOURCE}, {})
        self.assertEqual(400, answer.status)
        self.assertIn(SOURCE, json.loads(answer.body)["faultstring"])
        self.assertEqual([], self.started())

    @ddt.data({}, '{"env": {}}', "garbage", [1], None)
    def test_copy_of_another_one_is_handed_on_as_it_is(self, params):
        self.mistral.params[SOURCE] = params
        body = json.dumps({"source_execution_id": SOURCE}).encode()
        answer = self.request("POST", "/v2/executions", body, {})
        self.assertEqual(201, answer.status)
        self.assertEqual([body], [content for _, content in self.started()])

    @ddt.data("../environments/x", "x" * 36, "", 5, None, ["a"])
    def test_strange_source_is_for_mistral_to_refuse(self, source):
        answer = self.request("POST", "/v2/executions", {"source_execution_id": source}, {})
        self.assertEqual(201, answer.status)
        self.assertEqual(1, len(self.mistral.requests))

    def test_empty_headers_are_taken_off_and_are_no_target(self):
        body = b"garbage"
        self.request("POST", "/v2/executions", body, dict.fromkeys(TARGET, ""))
        ((environ, content),) = self.started()
        self.assertEqual(body, content)
        self.assertEqual([], [key for key in environ if key.startswith("HTTP_X_TARGET")])


@ddt.ddt
class Executions(TestCase):
    def unsealed(self, body, **more):
        sealed = body["params"][targets.PARAM]
        given = {"user": "admin", "project": "p1", "bound": body["id"], **more}
        return targets.unseal(sealed, **given)

    @ddt.data(
        "/v2/executions",
        "/v2/executions/",
        "/v2/executions//",
        "/workflowv2/v2/executions",
        "/api/v2/mistral/v2/executions/",
    )
    def test_target_is_bound_to_a_new_execution(self, path):
        body = self.start(path, {"workflow_name": "x", "input": {"a": 1}})
        self.assertEqual(str(uuid.UUID(body["id"])), body["id"])
        self.assertEqual({"workflow_name", "input", "id", "params"}, set(body))
        self.assertEqual(("x", {"a": 1}), (body["workflow_name"], body["input"]))
        self.assertEqual(targets.Target(EDGE, TARGET_TOKEN), self.unsealed(body))

    def test_two_executions_have_ids_of_their_own(self):
        ids = set()
        for _ in range(2):
            self.mistral.requests.clear()
            ids.add(self.start("/v2/executions", {"workflow_name": "x"})["id"])
        self.assertEqual(2, len(ids))

    @ddt.data({"env": {"a": "ü"}}, {}, None)
    def test_params_that_are_an_object_stay_one(self, params):
        body = self.start("/v2/executions", {"workflow_name": "x", "params": params})
        sealed = body["params"].pop(targets.PARAM)
        self.assertEqual(params or {}, body["params"])
        self.assertIsInstance(sealed, str)

    @ddt.data('{"env": {"a": "ü"}}', "{}", "null", " {}\n")
    def test_params_that_are_a_text_stay_one(self, params):
        body = self.start("/v2/executions", {"workflow_name": "x", "params": params})
        self.assertIsInstance(body["params"], str)
        body["params"] = json.loads(body["params"])
        self.assertEqual(EDGE, self.unsealed(body).auth_url)
        del body["params"][targets.PARAM]
        self.assertEqual(json.loads(params) or {}, body["params"])

    def test_input_is_left_as_it_was_given(self):
        for given in ('{"cloud": null, "a" : 1}', {"cloud": None}, "null", None):
            self.mistral.requests.clear()
            body = self.start("/v2/executions", {"workflow_name": "x", "input": given})
            self.assertEqual(given, body["input"])

    def test_id_of_the_client_is_kept(self):
        body = self.start("/v2/executions", {"workflow_name": "x", "id": NEW})
        self.assertEqual(NEW, body["id"])
        self.assertEqual(EDGE, self.unsealed(body).auth_url)
        look = self.mistral.requests[0]
        self.assertEqual(("GET", f"/v2/executions/{NEW}"), look[:2])

    @ddt.data("", None)
    def test_empty_id_is_none(self, value):
        body = self.start("/v2/executions", {"workflow_name": "x", "id": value})
        self.assertEqual(EDGE, self.unsealed(body).auth_url)

    def test_id_of_an_execution_that_is_there(self):
        body = {"workflow_name": "x", "id": EXISTING}
        self.assertIn(f"{EXISTING} is there", self.refused(409, "POST", "/v2/executions", body))

    @ddt.data(
        "x", "../tasks", f"{NEW}/", NEW.upper(), NEW.replace("-", ""), "{" + NEW + "}", 5, [1]
    )
    def test_id_that_is_no_uuid(self, value):
        body = {"workflow_name": "x", "id": value}
        self.assertIn("UUID", self.refused(400, "POST", "/v2/executions", body))
        self.assertEqual([], self.mistral.requests)

    def test_whether_an_id_is_free_must_be_known(self):
        self.mistral.forbids_looks = True
        body = {"workflow_name": "x", "id": NEW}
        answer = self.request("POST", "/v2/executions", body)
        self.assertEqual((403, "mistral"), (answer.status, answer.headers["X-From"]))
        self.assertEqual([], self.started())
        self.start("/v2/executions", {"workflow_name": "x"})

    @ddt.data({"cloud": "edge"}, {"cloud": ""}, '{"cloud": "edge"}', {"cloud": False})
    def test_target_and_cloud_are_too_much(self, given):
        body = {"workflow_name": "x", "input": given}
        self.assertIn("Both", self.refused(400, "POST", "/v2/executions", body))

    def test_sealed_target_of_the_client(self):
        for params in ({targets.PARAM: "x"}, json.dumps({targets.PARAM: None})):
            body = {"workflow_name": "x", "params": params}
            self.assertIn(targets.PARAM, self.refused(400, "POST", "/v2/executions", body))

    @ddt.data(
        b"",
        b"garbage",
        b"[]",
        b"5",
        b"null",
        b"\xff\xff",
        b'"text"',
        b"[" * 100000,
        b'{"params": ' + b'{"a":' * 100000,
        b'{"params": []}',
        b'{"params": 5}',
        b'{"params": "[]"}',
        b'{"params": "garbage"}',
        b'{"params": ""}',
        b'{"params": {}, "input": "garbage"}',
        b'{"params": {}, "input": [1]}',
        b'{"id": ' + b"1" * 5000 + b"}",
    )
    def test_body_that_is_malformed(self, body):
        self.refused(400, "POST", "/v2/executions", body)

    def test_body_that_is_nested_as_deeply_as_can_be_read_or_written(self):
        answers = set()
        for depth in range(800, 1100, 20):
            self.mistral.requests.clear()
            body = b'{"input": ' + b'{"a":' * depth + b"1" + b"}" * depth + b"}"
            answers.add(self.request("POST", "/v2/executions", body).status)
        self.assertEqual({201, 400}, answers)

    @ddt.data(str(8 * 2**20 + 1), "1" + "0" * 12, "1" + "0" * 5000)
    def test_body_that_is_too_large(self, length):
        self.refused(413, "POST", "/v2/executions", b"{}", CONTENT_LENGTH=length)
        self.assertEqual(b"{}", self.environ["wsgi.input"].read(2))

    def test_largest_body(self):
        text = "x" * (8 * 2**20 - 40)
        self.assertEqual(
            text, self.start("/v2/executions", {"workflow_name": text})["workflow_name"]
        )

    def test_body_without_length(self):
        for more in (
            {"CONTENT_LENGTH": None},
            {"CONTENT_LENGTH": ""},
            {"CONTENT_LENGTH": None, "HTTP_TRANSFER_ENCODING": "chunked"},
            {"HTTP_TRANSFER_ENCODING": "chunked"},
        ):
            self.refused(411, "POST", "/v2/executions", b"{}", **more)

    @ddt.data("x", "-1", "+5", "5.0", "0x5", "\xb2", "5 5")
    def test_length_that_is_none(self, length):
        self.refused(400, "POST", "/v2/executions", b"{}", CONTENT_LENGTH=length)

    def test_body_that_ends_early(self):
        stream = io.BytesIO(b'{"workflow_name": "x"}')
        more = {"wsgi.input": stream, "CONTENT_LENGTH": "500"}
        self.assertIn("ended", self.refused(400, "POST", "/v2/executions", b"{}", **more))

    def test_body_that_comes_in_parts(self):
        class Slow(io.BytesIO):
            def read(self, size=-1):
                return super().read(min(size, 3))

        content = b'{"workflow_name": "x"}'
        more = {"wsgi.input": Slow(content), "CONTENT_LENGTH": str(len(content))}
        self.start("/v2/executions", b"{}", **more)

    @ddt.data("application/x-www-form-urlencoded", "text/plain", "multipart/form-data", "", None)
    def test_body_of_another_type(self, kind):
        self.refused(415, "POST", "/v2/executions", b"{}", CONTENT_TYPE=kind)

    def test_charset_is_no_other_type(self):
        self.start("/v2/executions", {}, CONTENT_TYPE="Application/JSON; charset=UTF-8")

    def test_copy_is_of_no_use_for_others(self):
        body = self.start("/v2/executions", {"workflow_name": "x"})
        for more in ({"bound": NEW}, {"user": "eve"}, {"project": "p2"}):
            self.assertRaises(targets.exceptions.TargetLost, self.unsealed, body, **more)

    def test_insecure_target_is_logged_as_a_warning(self):
        self.start("/v2/executions", {}, headers={**TARGET, "X-Target-Insecure": "True"})
        self.assertIn(f"certificates of the target {EDGE} are not checked", self.log.output)


@ddt.ddt
class Actions(TestCase):
    def unsealed(self, sealed, token=TOKEN):
        self.assertTrue(sealed.startswith("target:encrypted:"))
        return targets.unseal(
            sealed.removeprefix(targets.PREFIX),
            user="admin",
            project="p1",
            bound=targets.bound_to_request(token),
        )

    @ddt.data("tripleo.plan.list", "openstack.heat.stacks_list")
    def test_target_becomes_the_input_cloud(self, name):
        body = self.start("/v2/action_executions/", {"name": name, "params": '{"run_sync": true}'})
        self.assertEqual({"name", "params", "input"}, set(body))
        self.assertEqual('{"run_sync": true}', body["params"])
        self.assertEqual({"cloud"}, set(body["input"]))
        self.assertEqual(EDGE, self.unsealed(body["input"]["cloud"]).auth_url)
        self.assertRaises(
            targets.exceptions.TargetLost, self.unsealed, body["input"]["cloud"], "another"
        )

    @ddt.data({"a": 1, "cloud": None}, '{"a": 1}')
    def test_input_keeps_its_kind(self, given):
        body = self.start("/v2/action_executions", {"name": "tripleo.x", "input": given})
        self.assertIs(type(given), type(body["input"]))
        inputs = json.loads(body["input"]) if isinstance(given, str) else body["input"]
        self.assertEqual(EDGE, self.unsealed(inputs.pop("cloud")).auth_url)
        self.assertEqual({"a": 1}, inputs)

    @ddt.data("edge", "", "target:encrypted:x", 5)
    def test_target_and_cloud_are_too_much(self, cloud):
        for given in ({"cloud": cloud}, json.dumps({"cloud": cloud})):
            body = {"name": "tripleo.x", "input": given}
            self.assertIn("Both", self.refused(400, "POST", "/v2/action_executions", body))

    @ddt.data("std.echo", "heat.stacks_list", "my_tripleo.x", "x\r\nSet-Cookie: ü", "", None, 5, [])
    def test_action_that_takes_no_cloud(self, name):
        message = self.refused(400, "POST", "/v2/action_executions", {"name": name})
        for word in ("target cloud", "tripleo.", "openstack."):
            self.assertIn(word, message)

    def test_prefix_of_the_configuration_counts(self):
        self.set_options(openstack_actions_prefix="os-")
        self.refused(400, "POST", "/v2/action_executions", {"name": "openstack.heat.stacks_list"})
        self.start("/v2/action_executions", {"name": "os-heat.stacks_list"})

    def test_without_a_prefix_any_action_may_be_ours(self):
        self.set_options(openstack_actions_prefix="")
        self.refused(400, "POST", "/v2/action_executions", {"name": None})
        self.start("/v2/action_executions", {"name": "heat.stacks_list"})

    @ddt.data([], "garbage", "[]", 5)
    def test_input_that_is_malformed(self, given):
        body = {"name": "tripleo.x", "input": given}
        self.refused(400, "POST", "/v2/action_executions", body)


@ddt.ddt
class OtherRequests(TestCase):
    @ddt.data(
        ("PUT", f"/v2/executions/{EXISTING}"),
        ("PUT", f"/v2/tasks/{EXISTING}"),
        ("PUT", f"/v2/action_executions/{EXISTING}"),
        ("PUT", f"/prefix/v2/action_executions/{EXISTING}/"),
        ("POST", f"/v2/executions/{EXISTING}"),
        ("PUT", "/v2/executions"),
        ("PATCH", "/v2/executions"),
        # Mistral's framework takes it for a POST.
        ("post", "/v2/executions"),
    )
    @ddt.unpack
    def test_what_is_there_keeps_its_target(self, method, path):
        message = self.refused(400, method, path, {"state": "RUNNING"})
        self.assertIn("keeps the target cloud that it was started with", message)

    @ddt.data(("POST", "cron_triggers"), ("POST", "event_triggers"), ("PUT", "event_triggers/x"))
    @ddt.unpack
    def test_trigger_takes_no_target(self, method, path):
        message = self.refused(400, method, f"/v2/{path}", {"name": "x"})
        self.assertIn("trigger", message)
        self.assertIn("input cloud", message)

    @ddt.data(
        ("GET", "/v2/executions"),
        ("GET", f"/v2/executions/{EXISTING}"),
        ("DELETE", f"/v2/executions/{EXISTING}"),
        ("HEAD", "/v2/tasks"),
        ("POST", "/v2/workbooks"),
        ("PUT", "/v2/workflows"),
        ("POST", "/v2/environments"),
        ("OPTIONS", "/v2/executions"),
        ("GET", "/"),
        ("GET", ""),
    )
    @ddt.unpack
    def test_others_are_handed_on_without_the_target(self, method, path):
        headers = {**TARGET, "X-Target-Project-Id": "p2", "X-Target-User-Id": "u2"}
        self.request(method, path, b"garbage", headers)
        ((got, _, environ, body),) = self.mistral.requests
        self.assertEqual((method, b"garbage"), (got, body))
        self.assertEqual([], [key for key in environ if key.startswith("HTTP_X_TARGET")])
        # The caller stays who it is.
        self.assertEqual(TOKEN, environ["HTTP_X_AUTH_TOKEN"])

    @ddt.data("GET", "POST", "DELETE")
    def test_target_is_checked_everywhere(self, method):
        self.refused(400, method, "/v2/workbooks", headers={"X-Target-Auth-Uri": EDGE})
        self.refused(
            403, method, "/", headers={**TARGET, "X-Target-Auth-Uri": "http://evil.test/v3"}
        )
        self.set_options(multi_cloud=False)
        self.assertIn("multi_cloud", self.refused(403, method, "/v2/workbooks"))
        self.assertEqual([], self.mistral.requests)

    def test_answer_to_head_has_no_body(self):
        answer = self.request("HEAD", "/", headers={"X-Target-Auth-Uri": EDGE})
        self.assertEqual((400, b""), (answer.status, answer.body))


@ddt.ddt
class Refusals(TestCase):
    def encoded(self, text):
        return base64.b64encode(text.encode()).decode()

    @ddt.data(
        ({"X-Target-Auth-Token": ""}, 400, "X-Target-Auth-Token is missing"),
        ({"X-Target-Auth-Uri": ""}, 400, "X-Target-Auth-Uri is missing"),
        ({"X-Target-Auth-Uri": f"{EDGE}, {EDGE}"}, 400, "more than once"),
        ({"X_Target_Auth_Uri": f"{EDGE},{EDGE}"}, 400, "more than once"),
        ({"X-Target-Auth-Uri": "x" * 2**20}, 400, "at most"),
        ({"X-Target-Auth-Uri": "http://user:pw@edge.test:5000/v3"}, 400, "no user"),
        ({"X-Target-Auth-Uri": "http://edge.test:5000/../v3"}, 400, "'..'"),
        ({"X-Target-Auth-Uri": "http://edge.test:5001/v3"}, 403, "allowed_auth_uris"),
        ({"X-Target-Auth-Uri": "http://[::1]:5000/v3"}, 403, "http://[::1]:5000/v3"),
        ({"X-Target-Auth-Token": "\u00fc"}, 400, "ASCII"),
        ({"X-Target-Insecure": "yes"}, 400, "True or False"),
        ({"X-Target-Bogus": "x"}, 400, "X-Target-Bogus is not known"),
        ({"X-Target-\u00fc": "x"}, 400, "is not known"),
        ({"X-Target-Service-Catalog": "x"}, 400, "base64"),
        ({"X-Target-Cacert": "garbage!"}, 400, "base64"),
    )
    @ddt.unpack
    def test_headers(self, headers, status, word):
        body = {"workflow_name": "x"}
        more = {"headers": {**TARGET, **headers}}
        self.assertIn(word, self.refused(status, "POST", "/v2/executions", body, **more))
        self.assertEqual([], self.mistral.requests)

    def test_certificates(self):
        good = test_certificates.make()
        for pem, word in (
            ("garbage", "PEM"),
            (test_certificates.make("Old CA", end=-0.5), "CN=Old CA"),
            (test_certificates.make("Old CA", end=-0.5, units=2), "expired"),
            (good + test_certificates.private(), "private key"),
            (good * 21, "at most 20"),
            (good + "#" * 33000, "at most"),
        ):
            headers = {**TARGET, "X-Target-Cacert": self.encoded(pem)}
            message = self.refused(400, "POST", "/v2/executions", {}, headers=headers)
            self.assertIn("X-Target-Cacert", message)
            self.assertIn(word, message)
        headers = {**TARGET, "X-Target-Cacert": self.encoded(good)}
        self.start("/v2/executions", {}, headers=headers)

    def test_without_keys_nothing_is_started(self):
        self.set_options(encryption_keys_file="/canary/path")
        message = self.refused(503, "POST", "/v2/executions", {})
        self.assertNotIn("/canary/path", message)
        self.assertIn("/canary/path", self.log.output)

    def test_refusal_is_logged(self):
        self.refused(400, "POST", "/v2/executions", b"garbage")
        self.assertIn("HTTP 400", self.log.output)


@ddt.ddt
class Secrets(TestCase):
    """Inputs that can hold secrets."""

    def given(self, path, body, attribute="input", **more):
        """Start something without a target; return the inputs that Mistral got."""
        return self.start(path, body, **{"headers": {}, **more})[attribute]

    def handed_on(self, path, body, **more):
        """Make a request that must be handed on as it is."""
        self.mistral.requests.clear()
        content = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        answer = self.request("POST", path, content, {}, **more)
        self.assertEqual(201, answer.status, answer.body)
        self.assertEqual([content], [sent for _, sent in self.started()])

    def opened(self, inputs, name="nodes_json", project="p1"):
        self.assertNotIn(CANARY, json.dumps(inputs) + self.log.output)
        return sealed.open_(inputs[name], project=project, name=name)

    @ddt.data("/v2/executions", "/v2/executions/", "/api/v2//executions")
    def test_input_of_a_workflow(self, path):
        body = {"workflow_name": REGISTER, "input": {"nodes_json": NODES, "remove": False}}
        inputs = self.given(path, body)
        self.assertEqual(NODES, self.opened(inputs))
        self.assertEqual(({"nodes_json", "remove"}, False), (set(inputs), inputs["remove"]))

    def test_rest_of_the_request_stays(self):
        body = {"workflow_name": REGISTER, "input": {"nodes_json": NODES}, "description": "ü"}
        got = self.start("/v2/executions", body, headers={})
        self.assertEqual(set(body), set(got))
        self.assertEqual((REGISTER, "ü"), (got["workflow_name"], got["description"]))

    def test_input_of_an_action(self):
        body = {"name": UPDATE, "input": {"parameters": {"A": CANARY}, "container": "a"}}
        inputs = self.given("/v2/action_executions", body)
        self.assertEqual({"A": CANARY}, self.opened(inputs, "parameters"))
        self.assertEqual("a", inputs["container"])

    def test_input_that_is_a_text_stays_one(self):
        body = {"workflow_name": REGISTER, "input": json.dumps({"nodes_json": NODES})}
        inputs = self.given("/v2/executions", body)
        self.assertIsInstance(inputs, str)
        self.assertEqual(NODES, self.opened(json.loads(inputs)))

    @ddt.data(
        b'{"workflow_name": "%s", "input": {"nodes_\\u006ason": "%s"}}',
        b'{"workflow_name": "%s", "\\u0069nput": "{\\"nodes_json\\": \\"%s\\"}"}',
        b'{"workflow_name": "%s", "input": "{\\"nodes_\\\\u006ason\\": \\"%s\\"}"}',
        b'{"workflow_name": "%s", "input": {"nodes_json": "a", "nodes_json": "%s"}}',
        b'{"workflow_name": "%s", "input": {"nodes_json": "a"}, "input": {"nodes_json": "%s"}}',
    )
    def test_spellings(self, body):
        inputs = self.given("/v2/executions", body % (REGISTER.encode(), CANARY.encode()))
        inputs = json.loads(inputs) if isinstance(inputs, str) else inputs
        self.assertEqual(CANARY, self.opened(inputs))

    def test_first_of_two_is_gone(self):
        body = b'{"workflow_name": "%s", "input": {"nodes_json": "%s", "nodes_json": 5}}'
        inputs = self.given("/v2/executions", body % (REGISTER.encode(), CANARY.encode()))
        self.assertEqual(5, self.opened(inputs))

    @ddt.data("application/json; charset=UTF-8", "text/javascript", "Application/JavaScript")
    def test_types_that_mistral_reads_as_json(self, kind):
        body = {"workflow_name": REGISTER, "input": {"nodes_json": NODES}}
        self.assertEqual(NODES, self.opened(self.given("/v2/executions", body, CONTENT_TYPE=kind)))

    @ddt.data("application/x-www-form-urlencoded", "multipart/form-data", "text/xml", "", None)
    def test_types_that_are_no_json(self, kind):
        body = f"wf_ex.input=nodes_json+{CANARY}".encode()
        more = {"headers": {}, "CONTENT_TYPE": kind}
        self.assertIn("JSON", self.refused(415, "POST", "/v2/executions", body, **more))
        self.handed_on("/v2/executions", b"wf_ex.input=x", CONTENT_TYPE=kind)

    def test_inputs_in_the_query(self):
        more = {"headers": {}, "QUERY_STRING": f"wf_ex.input=nodes_json+{CANARY}"}
        message = self.refused(400, "POST", "/v2/executions", {}, **more)
        self.assertNotIn(CANARY, message + self.log.output)
        answer = self.request("GET", "/v2/executions", None, **more)
        self.assertEqual("mistral", answer.headers["X-From"])

    @ddt.data(
        {},
        {"nodes_json": None},
        {"nodes_json": {"container": "a", "object": "b"}},
        {"kernel_name": "nodes_json"},
        None,
        "null",
        " {}",
    )
    def test_nothing_to_seal(self, inputs):
        body = {"workflow_name": REGISTER, "input": inputs}
        self.handed_on("/v2/executions", body)
        self.assertEqual(1, len(self.mistral.requests))

    def test_sealed_text_of_the_client(self):
        """It may come from an execution that the client has read."""
        text = sealed.seal(NODES, project="p2", name="nodes_json")
        body = {"workflow_name": REGISTER, "input": {"nodes_json": text}}
        self.handed_on("/v2/executions", body)

    @ddt.data("my.import", "openstack.heat.stacks_create")
    def test_what_others_do_with_such_names_is_theirs(self, name):
        for resource, attribute in (("executions", "workflow_name"), ("action_executions", "name")):
            body = {attribute: name, "input": {"nodes_json": NODES, "parameters": {}}}
            self.handed_on(f"/v2/{resource}", body)
            self.assertEqual(1, len(self.mistral.requests))

    def test_name_that_is_misspelled(self):
        body = {"workflow_name": REGISTER[:-1], "input": {"nodes_json": NODES, "parameters": 1}}
        inputs = self.given("/v2/executions", body)
        self.assertEqual(NODES, self.opened(inputs))
        self.assertEqual(1, inputs["parameters"])

    def test_workflow_that_is_given_by_its_id(self):
        body = {"workflow_id": NEW, "input": {"nodes_json": NODES}}
        self.mistral.workflows[NEW] = REGISTER
        self.assertEqual(NODES, self.opened(self.given("/v2/executions", body)))
        self.assertEqual(f"/v2/workflows/{NEW}", self.mistral.requests[0][1])

    def test_workflow_of_others_that_is_given_by_its_id(self):
        self.mistral.workflows[NEW] = "my.import"
        body = b'{ "workflow_id":"%s","input" : {"nodes_json":"%s"}}'
        self.handed_on("/v2/executions", body % (NEW.encode(), CANARY.encode()))

    def test_input_with_a_usual_name_of_a_workflow_that_is_given_by_its_id(self):
        self.patch(sealed, "INPUTS", {"tripleo.own": ("parameters",)})
        self.mistral.workflows[NEW] = "tripleo.own"
        body = {"workflow_id": NEW, "input": {"parameters": {"A": CANARY}}}
        inputs = self.given("/v2/executions", body)
        self.assertEqual({"A": CANARY}, self.opened(inputs, "parameters"))

    @ddt.data("workflow_id", "workflow_name", "source_execution_id")
    def test_workflow_that_is_not_known(self, attribute):
        body = {attribute: NEW, "input": {"nodes_json": NODES, "parameters": 1}}
        inputs = self.given("/v2/executions", body)
        self.assertEqual(NODES, self.opened(inputs))
        self.assertEqual(1, inputs["parameters"])

    @ddt.data([1], 5, {"a": 1}, True, None, "", "../tasks")
    def test_name_that_is_none(self, name):
        for attribute in ("workflow_id", "workflow_name", "source_execution_id", "id"):
            self.mistral.requests.clear()
            body = {attribute: name, "input": {"nodes_json": NODES}}
            answer = self.request("POST", "/v2/executions", body, {})
            self.assertEqual(201, answer.status, answer.body)
            for path in {path for _, path, *_ in self.mistral.requests}:
                self.assertIn(path, ("/v2/executions", "/v2/workflows"))

    def test_inputs_of_a_copy(self):
        self.mistral.workflows[SOURCE] = REGISTER
        body = {"source_execution_id": SOURCE, "input": {"nodes_json": NODES}}
        self.assertEqual(NODES, self.opened(self.given("/v2/executions", body)))

    def test_workflow_of_the_source_counts_more_than_a_name(self):
        self.mistral.workflows[SOURCE] = REGISTER
        body = {
            "workflow_name": "my.import",
            "source_execution_id": SOURCE,
            "input": {"nodes_json": NODES},
        }
        self.assertEqual(NODES, self.opened(self.given("/v2/executions", body)))

    @ddt.data("cron_triggers", "event_triggers")
    def test_inputs_of_triggers(self, resource):
        self.mistral.workflows[NEW] = REGISTER
        for name in ({"workflow_id": NEW}, {"workflow_name": REGISTER}):
            self.mistral.requests.clear()
            for given in ({"nodes_json": NODES}, json.dumps({"nodes_json": NODES})):
                self.mistral.requests.clear()
                body = {"name": "nightly", **name, "workflow_input": given}
                inputs = self.given(f"/v2/{resource}", body, "workflow_input")
                inputs = json.loads(inputs) if isinstance(inputs, str) else inputs
                self.assertEqual(NODES, self.opened(inputs))

    def test_new_inputs_of_a_trigger(self):
        body = {"workflow_input": {"nodes_json": NODES}}
        self.request("PUT", f"/v2/event_triggers/{NEW}", body, {})
        ((_, content),) = self.started()
        self.assertEqual(NODES, self.opened(json.loads(content)["workflow_input"]))

    @ddt.data("/v2/environments", "/v2/workbooks", "/v2/tasks/x", "/v2", "/", "/executions")
    def test_other_resources(self, path):
        self.handed_on(path, {"input": {"nodes_json": NODES}, "name": REGISTER})
        self.assertEqual(1, len(self.mistral.requests))

    def test_resume_has_no_inputs(self):
        body = json.dumps({"state": "RUNNING", "params": {"env": {"parameters": 1}}}).encode()
        self.request("PUT", f"/v2/executions/{SOURCE}", body, {})
        self.assertEqual([body], [content for _, content in self.started()])
        self.assertEqual(1, len(self.mistral.requests))

    def test_inputs_of_a_request_with_a_target(self):
        body = {"workflow_name": REGISTER, "input": {"nodes_json": NODES}}
        got = self.start("/v2/executions", body)
        self.assertEqual(NODES, self.opened(got["input"]))
        self.assertIn(targets.PARAM, got["params"])
        self.mistral.requests.clear()
        body = {"name": UPDATE, "input": json.dumps({"parameters": {"A": CANARY}})}
        inputs = json.loads(self.start("/v2/action_executions", body)["input"])
        self.assertEqual({"A": CANARY}, self.opened(inputs, "parameters"))
        self.assertTrue(inputs["cloud"].startswith(targets.PREFIX))

    def test_project_is_the_callers(self):
        self.mistral.tokens[TOKEN] = ("admin", "p7")
        body = {"workflow_name": REGISTER, "input": {"nodes_json": NODES}}
        inputs = self.given("/v2/executions", body, headers=FORGED)
        self.assertEqual(NODES, self.opened(inputs, project="p7"))

    def test_caller_who_is_not_known(self):
        body = {"workflow_name": REGISTER, "input": {"nodes_json": NODES}}
        answer = self.request("POST", "/v2/executions", body, FORGED, HTTP_X_AUTH_TOKEN="wrong")
        self.assertEqual((401, "mistral"), (answer.status, answer.headers["X-From"]))
        self.mistral.tokens[TOKEN] = ("admin", None)
        message = self.refused(403, "POST", "/v2/executions", body, headers=FORGED)
        self.assertIn("project", message)

    def test_without_keys(self):
        self.set_options(encryption_keys_file="/canary/path")
        body = {"workflow_name": REGISTER, "input": {"nodes_json": NODES}}
        message = self.refused(503, "POST", "/v2/executions", body, headers={})
        for word in ("nodes_json", "encryption_keys_file", "Swift object", "container"):
            self.assertIn(word, message)
        self.assertNotIn("/canary/path", message)
        self.assertIn("/canary/path", self.log.output)
        body = {"name": "tripleo.plan.export", "input": {"passphrase": CANARY}}
        message = self.refused(503, "POST", "/v2/action_executions", body, headers={})
        self.assertNotIn("Swift", message)
        self.assertNotIn(CANARY, message + self.log.output)
        reference = {"container": "lists", "object": "nodes.json"}
        body = {"workflow_name": REGISTER, "input": {"nodes_json": reference}}
        self.handed_on("/v2/executions", body)

    @ddt.data(
        b"garbage nodes_json",
        b'{"workflow_name": "x", "input": {"nodes_json": "broken',
        b'["nodes_json"]',
        b'"nodes_json"',
        b'\xff{"nodes_json": 1}',
        b"nodes_json" + b"[" * 100000,
        b'{"input": {"nodes_json": ' + b"1" * 5000 + b"}}",
    )
    def test_body_that_is_malformed_is_for_mistral_to_refuse(self, body):
        self.handed_on("/v2/executions", body)

    @ddt.data(
        f'{{"nodes_json": "{CANARY}"',
        [{"nodes_json": CANARY}],
        json.dumps([{"nodes_json": CANARY}]),
        f"nodes_json: {CANARY}",
        "{" + CANARY + ": nodes_json" * 1000,
    )
    def test_inputs_that_are_malformed(self, inputs):
        """Mistral would repeat them in its answer, and in its log if that is for debugging."""
        for path, attribute in (("executions", "input"), ("cron_triggers", "workflow_input")):
            body = {"workflow_name": REGISTER, attribute: inputs}
            message = self.refused(400, "POST", f"/v2/{path}", body, headers={})
            self.assertIn(attribute, message)
            self.assertNotIn(CANARY, message + self.log.output)

    def test_number_that_is_none(self):
        body = b'{"workflow_name": "%s", "input": {"nodes_json": NaN}}' % REGISTER.encode()
        message = self.refused(400, "POST", "/v2/executions", body, headers={})
        self.assertIn("nodes_json", message)

    def test_body_that_is_nested_as_deeply_as_can_be_read_or_written(self):
        answers = set()
        for depth in range(800, 1100, 10):
            for text in (b'{"a":' * depth + b"1" + b"}" * depth, b"[" * depth + b"]" * depth):
                for body in (
                    b'{"workflow_name": "%s", "input": {"nodes_json": %s}}',
                    b'{"workflow_name": "%s", "input": {"nodes_json": 1, "b": %s}}',
                    b'{"workflow_name": "%s", "input": {"nodes_json": 1}, "params": %s}',
                ):
                    content = body % (REGISTER.encode(), text)
                    answers.add(self.request("POST", "/v2/executions", content, {}).status)
        self.assertEqual({201}, answers)


@ddt.ddt
class Bodies(TestCase):
    """How a body without a target comes."""

    BODY = json.dumps({"workflow_name": REGISTER, "input": {"nodes_json": NODES}}).encode()

    def sealed(self):
        ((environ, content),) = self.started()
        self.assertEqual(str(len(content)), environ["CONTENT_LENGTH"])
        self.assertNotIn("HTTP_TRANSFER_ENCODING", environ)
        return sealed.is_sealed(json.loads(content)["input"]["nodes_json"])

    @ddt.data(None, "5")
    def test_chunks(self, length):
        more = {
            "HTTP_TRANSFER_ENCODING": "chunked",
            "wsgi.input_terminated": True,
            "wsgi.input": io.BytesIO(self.BODY),
            "CONTENT_LENGTH": length,
        }
        self.request("POST", "/v2/executions", self.BODY, {}, **more)
        self.assertTrue(self.sealed())

    def test_chunks_that_do_not_end(self):
        more = {"headers": {}, "HTTP_TRANSFER_ENCODING": "chunked"}
        message = self.refused(411, "POST", "/v2/executions", self.BODY, **more)
        self.assertIn("Content-Length", message)

    def test_chunks_that_are_too_many(self):
        class Endless:
            def read(self, size):
                return b" " * min(size, 2**20)

        more = {
            "headers": {},
            "HTTP_TRANSFER_ENCODING": "chunked",
            "wsgi.input_terminated": True,
            "wsgi.input": Endless(),
        }
        message = self.refused(413, "POST", "/v2/executions", self.BODY, **more)
        self.assertIn("Swift object", message)

    @ddt.data(OSError, ValueError)
    def test_chunks_that_are_broken(self, error):
        class Broken:
            def read(self, _size):
                raise error("Bad chunked transfer size")

        more = {
            "headers": {},
            "HTTP_TRANSFER_ENCODING": "chunked",
            "wsgi.input_terminated": True,
            "wsgi.input": Broken(),
        }
        self.refused(400, "POST", "/v2/executions", self.BODY, **more)

    def test_chunks_of_a_copy_of_an_execution_with_a_target(self):
        self.mistral.params[SOURCE] = {targets.PARAM: "sealed"}
        body = json.dumps({"source_execution_id": SOURCE}).encode()
        more = {
            "headers": {},
            "HTTP_TRANSFER_ENCODING": "chunked",
            "wsgi.input_terminated": True,
            "wsgi.input": io.BytesIO(body),
        }
        self.assertIn(SOURCE, self.refused(400, "POST", "/v2/executions", body, **more))

    @ddt.data("executions", "action_executions", "cron_triggers")
    def test_body_that_is_too_large(self, resource):
        more = {"headers": {}, "CONTENT_LENGTH": str(8 * 2**20 + 1)}
        message = self.refused(413, "POST", f"/v2/{resource}", self.BODY, **more)
        self.assertIn("Swift object", message)
        self.assertEqual(self.BODY[:2], self.environ["wsgi.input"].read(2))

    def test_largest_body(self):
        nodes = "ü" * (4 * 2**20 - 100)
        body = {"workflow_name": REGISTER, "input": {"nodes_json": nodes}}
        content = json.dumps(body, ensure_ascii=False).encode()
        self.request("POST", "/v2/executions", content, {})
        self.assertTrue(self.sealed())

    @ddt.data("x", "-1", "+5", "5_0", "\xb2")
    def test_length_that_is_none(self, length):
        self.refused(400, "POST", "/v2/executions", self.BODY, headers={}, CONTENT_LENGTH=length)

    def test_body_that_ends_early(self):
        more = {"headers": {}, "wsgi.input": io.BytesIO(self.BODY), "CONTENT_LENGTH": "5000"}
        self.assertIn("ended", self.refused(400, "POST", "/v2/executions", self.BODY, **more))

    @ddt.data("executions", "action_executions", "cron_triggers", "event_triggers")
    def test_no_body(self, resource):
        for length in (None, "", "0"):
            self.mistral.requests.clear()
            stream = io.BytesIO()
            more = {"CONTENT_LENGTH": length, "wsgi.input": stream}
            self.request("POST", f"/v2/{resource}", b"", {}, **more)
            ((environ, _),) = self.started()
            self.assertIs(stream, environ["wsgi.input"])

    def test_other_requests_are_not_read(self):
        for method, path in (("POST", "/v2/workbooks"), ("GET", "/v2/executions")):
            stream = io.BytesIO(self.BODY)
            self.request(method, path, self.BODY, {}, **{"wsgi.input": stream})
            self.assertIs(stream, self.mistral.requests[-1][2]["wsgi.input"])


@ddt.ddt
class Callers(TestCase):
    def refuses(self, path, body, **more):
        """Return the answer to a request that must start nothing."""
        answer = self.request("POST", path, body, **more)
        self.assertEqual([], self.started())
        return answer

    @ddt.data("executions", "action_executions")
    def test_mistral_refuses_a_wrong_token_itself(self, resource):
        for token in (None, "", "wrong", TARGET_TOKEN):
            answer = self.refuses(f"/v2/{resource}", {"name": "tripleo.x"}, HTTP_X_AUTH_TOKEN=token)
            self.assertEqual((401, "Unauthorized"), (answer.status, answer.reason))
            self.assertEqual(
                ("mistral", b"{}401 Unauthorized"), (answer.headers["X-From"], answer.body)
            )

    @ddt.data("executions", "action_executions")
    def test_forged_identity_counts_for_nothing(self, resource):
        body = {"name": "tripleo.x"}
        answer = self.refuses(
            f"/v2/{resource}", body, headers={**TARGET, **FORGED}, HTTP_X_AUTH_TOKEN="wrong"
        )
        self.assertEqual(401, answer.status)
        self.mistral.authentication = None
        message = self.refused(403, "POST", f"/v2/{resource}", body, headers={**TARGET, **FORGED})
        self.assertIn("Keystone", message)

    def test_forged_identity_does_not_replace_the_callers(self):
        body = self.start("/v2/executions", {}, headers={**TARGET, **FORGED})
        sealed, bound = body["params"][targets.PARAM], body["id"]
        targets.unseal(sealed, user="admin", project="p1", bound=bound)
        (look, *_) = self.mistral.requests
        self.assertNotIn("p-eve", [look[2].get("HTTP_X_PROJECT_ID")])

    @ddt.data((None, "p1"), ("admin", None), ("", "p1"), ("admin", ""))
    def test_token_without_user_or_project(self, known):
        self.mistral.tokens[TOKEN] = known
        self.assertIn("project", self.refused(403, "POST", "/v2/executions", {}))

    def test_keystone_that_is_down(self):
        self.mistral.authentication = "down"
        answer = self.refuses("/v2/executions", {})
        self.assertEqual((503, "mistral"), (answer.status, answer.headers["X-From"]))

    def test_look_has_nothing_of_the_body_and_of_other_requests(self):
        self.start(
            "/v2/executions", {"a": 1}, **{"webob.adhoc_attrs": {}, "keystone.token_info": {"x": 1}}
        )
        method, _, environ, body = self.mistral.requests[0]
        self.assertEqual(("GET", b""), (method, body))
        self.assertEqual("limit=1&fields=id", environ["QUERY_STRING"])
        for key in ("CONTENT_TYPE", "CONTENT_LENGTH", "webob.adhoc_attrs", "keystone.token_info"):
            self.assertNotIn(key, environ)
        self.assertEqual(b"", environ["wsgi.input"].read())
        # Each request is asked about once, and its answer closed.
        self.assertEqual(2, len(self.mistral.requests))
        self.assertEqual(2, self.mistral.closed)

    def test_middleware_of_keystone(self):
        """What the fake does here is what keystonemiddleware does."""
        keystone = "http://keystone.test:5000"
        known = ksa_fixture.V3Token(user_name="ädmin", project_id="p9", project_name="nine")
        own = ksa_fixture.V3Token(user_name="mistral", project_id="service")
        own.add_service("identity").add_standard_endpoints(
            public=f"{keystone}/v3", internal=f"{keystone}/v3", admin=f"{keystone}/v3"
        )
        http = self.useFixture(requests_mock_fixture.Fixture())
        versions = ksa_fixture.DiscoveryList(href=keystone, v2=False)
        http.get(f"{keystone}/", json=versions)
        http.get(f"{keystone}/v3", json={"version": versions["versions"]["values"][0]})
        http.post(f"{keystone}/v3/auth/tokens", json=own, headers={"X-Subject-Token": "own"})
        http.get(
            f"{keystone}/v3/auth/tokens",
            [{"json": known}],
            additional_matcher=lambda request: request.headers["X-Subject-Token"] == TOKEN,
        )
        self.mistral.authentication = None
        middleware = auth_token.AuthProtocol(
            self.mistral,
            {
                "auth_type": "password",
                "auth_url": f"{keystone}/v3",
                "username": "mistral",
                "password": "x",
                "user_domain_id": "default",
                "project_name": "service",
                "project_domain_id": "default",
                "www_authenticate_uri": f"{keystone}/v3",
                "delay_auth_decision": True,
                "service_token_roles_required": True,
                "oslo_config_config": cfg.ConfigOpts(),
            },
        )
        self.gate = gate.Gate(middleware)
        body = self.start("/v2/executions", {}, headers={**TARGET, **FORGED})
        target = targets.unseal(
            body["params"][targets.PARAM], user="ädmin", project="p9", bound=body["id"]
        )
        self.assertEqual(EDGE, target.auth_url)


class Modules(base.TestCase):
    def test_importing_the_gate_does_not_import_mistral(self):
        program = "import sys; from tripleo_common import gate; print('mistral' in sys.modules)"
        output = subprocess.run(
            [sys.executable, "-c", program], check=True, capture_output=True, text=True
        )
        self.assertEqual("False", output.stdout.strip())
