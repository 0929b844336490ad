"""A cloud behind requests-mock: Swift, Mistral's environments and Heat, each with a memory.

They answer as the real services do, as far as this project asks them. Nothing of this project is
replaced: its clients make real requests, which end here instead of on a network.
"""

import hashlib
import io
import itertools
import json
import re
import tarfile
import threading
import urllib.parse
from collections.abc import Callable

import fixtures
import requests_mock
from keystoneauth1 import fixture as ksa_fixture
from mistral_lib.actions import context as mistral_context

from tripleo_common import clouds, config

TOKEN = "canary-token-5f0c"
PROJECT = "p1"
IDENTITY = "http://keystone.test:5000/v3"
HOSTS = {"swift": 8080, "mistral": 8989, "heat": 8004}


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.pauses = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds


class Killed(BaseException):
    """The executor is no more. No handler of errors may swallow it."""


class Executor:
    """The process that makes the requests, which can die.

    Once it is dead it makes no request any more, also none to tidy up.

    :ivar writes: how many writing requests it has made.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self.revive()

    def revive(self):
        """Start anew."""
        self.writes = 0
        self.is_dead = False
        self._dies_at, self._is_done = 0, False

    def kill_at(self, number, *, done):
        """Let it die at its number-th writing request.

        :param done: that request has still been carried out.
        """
        self.revive()
        self._dies_at, self._is_done = number, done

    def before(self, request):
        with self._lock:
            if self.is_dead:
                raise Killed
            if request.method in ("PUT", "POST", "PATCH", "DELETE"):
                self.writes += 1
                if self.writes == self._dies_at:
                    self.is_dead = True
                    if not self._is_done:
                        raise Killed

    def after(self):
        if self.is_dead:
            raise Killed


class Service:
    """One service of the fake cloud.

    :ivar requests: ``"METHOD /path"`` of everything that was asked, below the service's root.
    :ivar sent: the requests themselves.
    """

    root = ""

    def __init__(self, url):
        self.url = url
        self.requests = []
        self.sent = []
        self.executor = None
        self._hooks = []
        self._lock = threading.RLock()

    def on(self, method: str, path: str, action: Callable):
        """Let ``action(request, context)`` answer; its answer None means that the service does."""
        self._hooks.append((method, re.compile(path), action))

    def fail(self, method: str, path: str, status: int, body: str = ""):
        """Answer with a status instead."""

        def answer(_request, context):
            context.status_code = status
            return body

        self.on(method, path, answer)

    def __call__(self, request, context):
        with self._lock:
            if self.executor:
                self.executor.before(request)
            answer = self._answer(request, context)
            if self.executor:
                self.executor.after()
            return answer

    def _answer(self, request, context):
        parts = urllib.parse.urlsplit(request.url)
        path = urllib.parse.unquote(parts.path).removeprefix(urllib.parse.urlsplit(self.url).path)
        query = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
        self.requests.append(f"{request.method} {path}")
        self.sent.append(request)
        for method, pattern, action in self._hooks:
            whole = f"{path}?{parts.query}" if parts.query else path
            if method == request.method and pattern.search(whole):
                body = action(request, context)
                if body is not None:
                    return body.encode() if isinstance(body, str) else body
        context.status_code = 200
        context.headers["Content-Type"] = "application/json"
        body = self.answer(request, context, path, query)
        if isinstance(body, dict | list):
            body = json.dumps(body)
        return body.encode() if isinstance(body, str) else body

    def count(self, method):
        """Return how many requests had a method."""
        return sum(line.startswith(f"{method} ") for line in self.requests)


class Swift(Service):
    """Containers and objects.

    :ivar containers: name to path to content.
    """

    page = 10000

    def __init__(self, url):
        super().__init__(url)
        self.containers = {}
        self.metadata = {}
        self.bulk_errors = []

    def answer(self, request, context, path, query):
        if path.strip("/") == "":
            if "bulk-delete" in query:
                return self._bulk_delete(request)
            if int(query.get("limit") or 0) > self.page:
                context.status_code = 412
                return ""
            context.headers["X-Account-Container-Count"] = str(len(self.containers))
            return self._page(
                [{"name": n, "count": len(o)} for n, o in sorted(self.containers.items())], query
            )
        container, _, name = path.removeprefix("/").partition("/")
        if name:
            return self._object(request, context, container, name)
        return self._container(request, context, container, query)

    def _page(self, listed, query):
        after = [item for item in listed if item["name"] > query.get("marker", "")]
        return after[: int(query.get("limit") or self.page)]

    def _container(self, request, context, name, query):
        if request.method == "PUT" and "extract-archive" in query:
            return self._extract(request, name)
        if request.method == "PUT":
            context.status_code = 202 if name in self.containers else 201
            self.containers.setdefault(name, {})
            self.metadata.setdefault(name, {}).update(self._headers(request))
            return ""
        if name not in self.containers:
            context.status_code = 404
            return ""
        if request.method == "HEAD":
            context.status_code = 204
            context.headers.update(
                {k: v for k, v in self.metadata.get(name, {}).items() if k.startswith("x-")}
            )
            return ""
        if request.method == "POST":
            self.metadata.setdefault(name, {}).update(self._headers(request))
            context.status_code = 204
            return ""
        if request.method == "DELETE":
            if self.containers[name]:
                context.status_code = 409
                return ""
            del self.containers[name]
            self.metadata.pop(name, None)
            context.status_code = 204
            return ""
        if int(query.get("limit") or 0) > self.page:
            context.status_code = 412
            return ""
        context.headers.update(
            {k: v for k, v in self.metadata.get(name, {}).items() if k.startswith("x-container-m")}
        )
        context.headers["X-Container-Object-Count"] = str(len(self.containers[name]))
        return self._page(
            [
                {"name": n, "hash": hashlib.md5(c).hexdigest(), "bytes": len(c)}
                for n, c in sorted(self.containers[name].items())
                if n.startswith(query.get("prefix", ""))
            ],
            query,
        )

    @staticmethod
    def _headers(request):
        return {
            key.lower(): value if isinstance(value, str) else value.decode()
            for key, value in request.headers.items()
        }

    def _object(self, request, context, container, name):
        objects = self.containers.get(container)
        if objects is None or (request.method != "PUT" and name not in objects):
            context.status_code = 404
            return ""
        if request.method == "PUT":
            body = request.body or b""
            body = body.read() if hasattr(body, "read") else body
            body = body if isinstance(body, bytes) else body.encode()
            etag = hashlib.md5(body).hexdigest()
            if self._headers(request).get("etag", etag) != etag:
                context.status_code = 422
                return ""
            if self._headers(request).get("if-none-match") == "*" and name in objects:
                context.status_code = 412
                return ""
            objects[name] = body
            context.status_code = 201
            context.headers["etag"] = etag
            return ""
        if request.method == "DELETE":
            del objects[name]
            context.status_code = 204
            return ""
        context.headers["Content-Length"] = str(len(objects[name]))
        return objects[name]

    def _extract(self, request, container):
        created = 0
        with tarfile.open(fileobj=io.BytesIO(request.body)) as archive:
            for member in archive:
                self.containers[container][member.name] = archive.extractfile(member).read()
                created += 1
        return self._report({"Number Files Created": created}, "201 Created")

    def _bulk_delete(self, request):
        deleted = missing = 0
        for line in request.body.decode().splitlines():
            _, container, name = urllib.parse.unquote(line).split("/", 2)
            if self.containers.get(container, {}).pop(name, None) is None:
                missing += 1
            else:
                deleted += 1
        return self._report({"Number Deleted": deleted, "Number Not Found": missing}, "200 OK")

    def _report(self, counts, good):
        return {
            **counts,
            "Response Status": "400 Bad Request" if self.bulk_errors else good,
            "Response Body": "",
            "Errors": self.bulk_errors,
        }


class Mistral(Service):
    """Environments and executions.

    :ivar environments: name to variables.
    :ivar descriptions: name to what was said of it.
    :ivar executions: id to execution.
    """

    def __init__(self, url):
        super().__init__(url)
        self.environments = {}
        self.descriptions = {}
        self.executions = {}

    def answer(self, request, context, path, query):
        if path.startswith("/executions"):
            return self._executions(request, context, path.removeprefix("/executions").strip("/"))
        name = path.removeprefix("/environments").strip("/")
        if request.method in ("POST", "PUT"):
            body = json.loads(request.body)
            name = body["name"]
            if request.method == "POST" and name in self.environments:
                context.status_code = 409
                return {"faultstring": "Duplicate entry for Environment"}
            if request.method == "PUT" and name not in self.environments:
                context.status_code = 404
                return {"faultstring": f"Environment not found [name={name}]"}
            self.environments[name] = json.loads(body["variables"])
            self.descriptions[name] = body.get("description", self.descriptions.get(name, ""))
            context.status_code = 201 if request.method == "POST" else 200
            return self._show(name)
        if not name:
            fields = [field for field in query.get("fields", "").split(",") if field]
            return {
                "environments": [
                    {k: v for k, v in self._show(n).items() if not fields or k in fields}
                    for n in self.environments
                ]
            }
        if name not in self.environments:
            context.status_code = 404
            return {"faultstring": f"Environment not found [name={name}]"}
        if request.method == "DELETE":
            del self.environments[name]
            context.status_code = 204
            return ""
        return self._show(name)

    def _executions(self, request, context, name):
        if request.method == "POST":
            name = f"execution-{len(self.executions) + 1}"
            self.executions[name] = {"id": name, "state": "RUNNING", **json.loads(request.body)}
            context.status_code = 201
        if name not in self.executions:
            context.status_code = 404
            return {"faultstring": f"WorkflowExecution not found [id={name}]"}
        return self.executions[name]

    def _show(self, name):
        return {
            "id": f"id-{name}",
            "name": name,
            "description": self.descriptions.get(name, ""),
            "scope": "private",
            "variables": json.dumps(self.environments[name]),
        }


class Heat(Service):
    """Stacks.

    :ivar stacks: name to stack. A stack's ``then`` is a list of states that it takes one after
        the other when it is looked at, once something was asked for (or at once if ``moving``).
    :ivar resources: what a listing of resources shows.
    """

    def __init__(self, url):
        super().__init__(url)
        self.stacks = {}
        self.resources = []

    def add(self, name, status, *then, reason="", **more):
        self.stacks[name] = {
            "id": f"uuid-{name}",
            "stack_name": name,
            "stack_status": status,
            "stack_status_reason": reason,
            "updated_time": None,
            "parameters": {},
            "then": list(then),
            "moving": True,
            **more,
        }
        return self.stacks[name]

    def answer(self, request, context, path, query):
        words = path.strip("/").split("/")
        if request.method == "POST":
            return self._create(json.loads(request.body), context)
        if len(words) == 1:
            return {"stacks": list(self.stacks.values())}
        name = words[1].removeprefix("uuid-")
        stack = self.stacks.get(name)
        if stack is None:
            return self._refuse(context, 404, f"The Stack ({words[1]}) could not be found.")
        if words[2:] == ["resources"]:
            return {"resources": self.resources}
        if words[2:] == ["environment"]:
            return {"parameter_defaults": stack.get("environment", {}), "parameters": {}}
        if request.method == "GET":
            shown = {k: v for k, v in stack.items() if k not in ("then", "moving", "body")}
            if stack["moving"] and stack["then"]:
                stack["stack_status"] = stack["then"].pop(0)
            return {"stack": shown}
        stack["moving"] = True
        if request.method == "PUT":
            context.status_code = 202
            self._take(stack, json.loads(request.body))
        else:
            context.status_code = 204
        return ""

    def _create(self, body, context):
        name = body["stack_name"]
        if name in self.stacks:
            return self._refuse(context, 409, f"The Stack ({name}) already exists.")
        self._take(self.add(name, "CREATE_IN_PROGRESS"), body)
        context.status_code = 201
        return {"stack": {"id": f"uuid-{name}", "links": []}}

    @staticmethod
    def _take(stack, body):
        stack["body"] = body
        stack["tags"] = [tag for tag in (body.get("tags") or "").split(",") if tag] or None

    @staticmethod
    def _refuse(context, status, message):
        context.status_code = status
        return {"code": status, "error": {"message": message, "type": "X", "traceback": None}}


class Cloud(fixtures.Fixture):
    """A cloud of one region, or more, that a test can ask what happened to it.

    :ivar swift: likewise ``mistral`` and ``heat``: those of the first region.
    :ivar executor: who makes the requests to Swift and Mistral.
    """

    def __init__(self, regions=("regionOne",)):
        super().__init__()
        self.regions = regions

    def _setUp(self):
        self.clock = Clock()
        self.executor = Executor()
        self._runs = itertools.count(1)
        self.http = requests_mock.Mocker(case_sensitive=True)
        self.http.start()
        self.addCleanup(self.http.stop)
        # The caller's proxies are none of ours, and looking for them takes long.
        self.useFixture(
            fixtures.MonkeyPatch("requests.sessions.get_environ_proxies", lambda *_, **__: {})
        )
        # How swiftclient waits between its attempts.
        self.useFixture(fixtures.MonkeyPatch("swiftclient.client.sleep", self.clock.sleep))
        self.by_region = {}
        for index, region in enumerate(self.regions):
            urls = {
                name: f"http://{name}.{region}.test:{port + index}/{path}".lower().replace(
                    "auth_", "AUTH_"
                )
                for (name, port), path in zip(
                    HOSTS.items(), (f"v1/AUTH_{PROJECT}", "v2", f"v1/{PROJECT}"), strict=True
                )
            }
            services = {
                "swift": Swift(urls["swift"]),
                "mistral": Mistral(urls["mistral"]),
                "heat": Heat(urls["heat"]),
            }
            self.by_region[region] = services
            services["swift"].executor = services["mistral"].executor = self.executor
            for service in services.values():
                self.http.register_uri(
                    requests_mock.ANY,
                    re.compile("^" + re.escape(service.url.split("/v")[0]) + "/"),
                    content=service,
                )
        first = self.by_region[self.regions[0]]
        self.swift, self.mistral, self.heat = first["swift"], first["mistral"], first["heat"]

    def token(self):
        """Return the body of a token with this cloud's catalogue."""
        token = ksa_fixture.V3Token(
            user_id="u1", user_name="admin", project_id=PROJECT, project_name="admin"
        )
        for kind, name in (
            ("object-store", "swift"),
            ("workflowv2", "mistral"),
            ("orchestration", "heat"),
        ):
            service = token.add_service(kind, name)
            for region, services in self.by_region.items():
                service.add_standard_endpoints(public=services[name].url, region=region)
        return token

    def security(self, **more):
        """Return Mistral's security context of a request."""
        return mistral_context.SecurityContext(
            **{
                "auth_uri": IDENTITY,
                "auth_token": TOKEN,
                "insecure": False,
                "project_id": PROJECT,
                "service_catalog": self.token()["token"],
                "region_name": None,
                **more,
            }
        )

    def context(self, execution=None, **more):
        """Return what Mistral gives to an action.

        :param execution: ids of this run of the action that are not the usual ones; each run has
            an id of its own.
        """
        ids = {
            "task_execution_id": "task-1",
            "action_execution_id": f"action-{next(self._runs)}",
            **(execution or {}),
        }
        started = ids.get("workflow_execution_id")
        if started:
            self.mistral.executions.setdefault(started, {"id": started, "params": "{}"})
        return mistral_context.ActionContext(
            self.security(**more), mistral_context.ExecutionContext(**ids)
        )

    def deadline(self, seconds=600.0):
        """Return a deadline on this cloud's clock."""
        return clouds.Deadline(
            seconds,
            request_seconds=config.options().request_timeout,
            clock=self.clock,
            sleep=self.clock.sleep,
        )

    def reach(self, seconds=600.0, execution=None, **more):
        """Return the clouds that a request reaches."""
        return clouds.Clouds(self.security(**more), execution, self.deadline(seconds))

    def open(self, seconds=600.0, **more):
        """Open the cloud as an action does."""
        return self.reach(seconds, **more).open()

    def keystone(self):
        """Let Keystone answer as well."""
        token = self.token()
        self.http.get(
            IDENTITY,
            json={
                "version": {
                    "id": "v3.14",
                    "status": "stable",
                    "links": [{"rel": "self", "href": IDENTITY}],
                }
            },
        )
        self.http.post(
            f"{IDENTITY}/auth/tokens",
            json=token,
            status_code=201,
            headers={"X-Subject-Token": "from-keystone"},
        )
