import datetime
import itertools
import json
import os
import pathlib
import stat
import threading

import ddt
import fixtures
import requests
import yaml
from keystoneauth1 import fixture as ksa_fixture
from mistral_lib import actions as mistral_actions
from swiftclient import exceptions as swift_exc

from tests.unit import base, fakes, test_certificates
from tripleo_common import clouds, exceptions, memory
from tripleo_common.actions import base as actions_base
from tripleo_common.actions import deployment, parameters, stack
from tripleo_common.actions import plan as plan_actions
from tripleo_common.clouds import clouds as clouds_module
from tripleo_common.clouds import sessions, targets

PASSWORD = "canary-password-77"
TOKEN = "canary-target-token-31"
USER = "admin"
ELSEWHERE = "http://elsewhere.test:5000/v3"


class Keystone:
    """The Keystone of another cloud; it counts what it is asked.

    :ivar asked: ``"METHOD path"`` of each request, below the URL.
    :ivar auths: what tokens were asked for with.
    :ivar seconds: how long its tokens are good.
    """

    def __init__(self, cloud, name, regions=("edgeOne",), url=None):
        self.url = url or f"http://keystone.{name}.test:5000/v3"
        self.cloud = cloud
        self.name = name
        self.regions = regions
        self.asked = []
        self.auths = []
        self.seconds = 3600
        self.catalogue = None
        self.good = set()
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self.services = {
            region: {
                "swift": fakes.Swift(f"http://swift.{region}.{name}.test:8080/v1/a".lower()),
                "heat": fakes.Heat(f"http://heat.{region}.{name}.test:8004/v1".lower()),
            }
            for region in regions
        }
        for services in self.services.values():
            for service in services.values():
                self.cloud.http.register_uri(
                    fakes.requests_mock.ANY,
                    fakes.re.compile("^" + fakes.re.escape(service.url.split("/v1")[0]) + "/"),
                    content=self._guarded(service),
                )
        self.cloud.http.register_uri(
            fakes.requests_mock.ANY,
            fakes.re.compile("^" + fakes.re.escape(self.url)),
            content=self._answer,
        )

    def _guarded(self, service):
        def answer(request, context):
            if request.headers["X-Auth-Token"] not in self.good | {t.encode() for t in self.good}:
                service.sent.append(request)
                service.requests.append(request.method)
                context.status_code = 401
                return b""
            return service(request, context)

        return answer

    def token(self):
        end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=self.seconds)
        token = ksa_fixture.V3Token(user_name="edge", project_id="p2", expires=end)
        for kind, name in (("object-store", "swift"), ("orchestration", "heat")):
            service = token.add_service(kind, name)
            for region, services in self.services.items():
                url = services[name].url
                service.add_standard_endpoints(public=url, internal=url, region=region)
        if self.catalogue is not None:
            token["token"]["catalog"] = self.catalogue
        return token

    def _answer(self, request, context):
        with self._lock:
            self.asked.append(f"{request.method} {request.url.removeprefix(self.url)}")
            if request.method == "POST":
                self.auths.append(request.json()["auth"])
                issued = f"canary-{self.name}-{next(self._numbers)}"
                self.good.add(issued)
                context.status_code = 201
                context.headers["X-Subject-Token"] = issued
            elif request.headers["X-Auth-Token"] not in self.good:
                context.status_code = 401
                return b"{}"
            return json.dumps(self.token()).encode()

    def sent_tokens(self, kind="swift"):
        return [
            as_text(request.headers["X-Auth-Token"])
            for services in self.services.values()
            for request in services[kind].sent
        ]


def as_text(value):
    return value.decode() if isinstance(value, bytes) else value


def credentials(url, **more):
    return {
        "auth_url": url,
        "username": "edge-user",
        "password": PASSWORD,
        "project_name": "edge-project",
        "user_domain_name": "Default",
        "project_domain_name": "Default",
        **more,
    }


class WithClouds(base.TestCase):
    """The request's cloud, and others that clouds.yaml names."""

    def setUp(self):
        super().setUp()
        self.cloud = self.useFixture(fakes.Cloud())
        self.start_executor()
        self.use_keys()
        self.file = pathlib.Path(self.temporary()) / "clouds.yaml"
        self.useFixture(
            fixtures.MonkeyPatch("openstack.config.loader.CONFIG_FILES", [str(self.file)])
        )
        self.edge = Keystone(self.cloud, "edge")
        self.configure(edge={"auth": credentials(self.edge.url)})

    def configure(self, **named):
        self.file.write_text(yaml.safe_dump({"clouds": named}))

    def open(self, cloud="edge", region=None, **security):
        return self.cloud.reach(**security).open(cloud, region)

    def use(self, opened):
        """Use both kinds of clients."""
        opened.swift().get_account()
        list(opened.heat.stacks.list())


@ddt.ddt
class Requests(WithClouds):
    """What is asked of Keystone."""

    def test_named_cloud_costs_one_request_and_then_none(self):
        for _ in range(3):
            self.use(self.open())
        self.assertEqual(["POST /auth/tokens"], self.edge.asked)

    def test_new_process_asks_anew(self):
        self.use(self.open())
        self.start_executor()
        self.use(self.open())
        self.assertEqual(2, len(self.edge.asked))

    def test_whole_actions_likewise(self):
        for _ in range(3):
            action = stack.Delete("plan", cloud="edge")
            self.assertIs(False, action.run(self.cloud.context()))
        self.assertEqual(["POST /auth/tokens"], self.edge.asked)

    def test_regions_of_a_named_cloud_share_a_token(self):
        far = Keystone(self.cloud, "far", ("farOne", "farTwo"))
        self.configure(far={"auth": credentials(far.url)})
        for region in far.regions:
            self.use(self.open("far", region))
        self.assertEqual(1, len(far.asked))

    def test_application_credential_costs_one_request_as_well(self):
        self.configure(
            edge={
                "auth_type": "v3applicationcredential",
                "auth": {
                    "auth_url": self.edge.url,
                    "application_credential_id": "id-1",
                    "application_credential_secret": PASSWORD,
                },
            }
        )
        for _ in range(2):
            self.use(self.open())
        self.assertEqual(["POST /auth/tokens"], self.edge.asked)
        self.assertEqual(["application_credential"], self.edge.auths[0]["identity"]["methods"])

    def test_threads_that_come_at_once_share_one_token(self):
        barrier = threading.Barrier(8)

        def work():
            barrier.wait()
            self.use(self.open())

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(1, len(self.edge.asked))

    def test_own_cloud_costs_none_where_mistral_hands_the_catalogue_on(self):
        self.use(self.open(None))
        self.assertEqual([], [r for r in self.cloud.http.request_history if "keystone" in r.url])

    def test_own_cloud_costs_one_where_it_does_not_and_then_none(self):
        self.cloud.keystone()
        for _ in range(3):
            self.use(self.open(None, service_catalog=None))
        asked = [r.method for r in self.cloud.http.request_history if "keystone" in r.url]
        self.assertEqual(["POST"], asked)

    def test_two_tokens_or_projects_of_the_own_cloud_are_never_mixed(self):
        self.cloud.keystone()
        requests_ = [("t1", "p1"), ("t2", "p1"), ("t1", "p2"), ("t1", "p1")]
        for token, project in requests_:
            self.use(self.open(None, service_catalog=None, auth_token=token, project_id=project))
        asked = [
            (
                r.json()["auth"]["identity"]["token"]["id"],
                r.json()["auth"]["scope"]["project"]["id"],
            )
            for r in self.cloud.http.request_history
            if "keystone" in r.url
        ]
        self.assertEqual(requests_[:3], asked)

    def test_catalogue_of_one_request_is_never_used_for_another(self):
        other = self.cloud.token()
        for service in other["token"]["catalog"]:
            for endpoint in service["endpoints"]:
                endpoint["region"] = endpoint["region_id"] = "theirs"
        own = self.open(None)
        theirs = self.open(None, service_catalog=other["token"])
        self.assertEqual("regionOne", own.region("orchestration"))
        self.assertEqual("theirs", theirs.region("orchestration"))
        self.assertEqual("regionOne", self.open(None).region("orchestration"))

    @ddt.data(
        {"project_name": "other"},
        {"username": "other"},
        {"password": "other"},
        {"user_domain_name": "other"},
    )
    def test_clouds_that_differ_in_anything_share_nothing(self, differing):
        self.configure(
            edge={"auth": credentials(self.edge.url)},
            other={"auth": credentials(self.edge.url, **differing)},
        )
        for name in ("edge", "other", "edge", "other"):
            self.use(self.open(name))
        self.assertEqual(2, len(self.edge.asked))
        self.assertNotEqual(*self.edge.auths)
        self.assertEqual(["canary-edge-1", "canary-edge-2"] * 2, self.edge.sent_tokens("heat"))

    def test_same_credentials_at_two_clouds_share_nothing(self):
        far = Keystone(self.cloud, "far")
        self.configure(
            edge={"auth": credentials(self.edge.url)}, far={"auth": credentials(far.url)}
        )
        for name in ("edge", "far", "edge"):
            self.use(self.open(name))
        self.assertEqual({"canary-edge-1"}, set(self.edge.sent_tokens()))
        self.assertEqual({"canary-far-1"}, set(far.sent_tokens()))

    def test_password_that_was_changed_in_the_file_counts_at_once(self):
        self.use(self.open())
        self.configure(edge={"auth": credentials(self.edge.url, password="new")})
        self.use(self.open())
        found = [auth["identity"]["password"]["user"]["password"] for auth in self.edge.auths]
        self.assertEqual([PASSWORD, "new"], found)

    def test_memory_is_bounded(self):
        kept = memory.Memory(4)
        self.useFixture(fixtures.MockPatchObject(sessions, "_KEPT", kept))
        for number in range(20):
            self.configure(edge={"auth": credentials(self.edge.url, password=f"{number}")})
            self.use(self.open())
        self.assertEqual(4, len(kept._entries))
        for name in ("_KEPT", "_TARGETS"):
            module = sessions if name == "_KEPT" else clouds_module
            self.assertLessEqual(getattr(module, name)._size, 1024)

    def test_nothing_that_is_remembered_is_found_by_a_secret(self):
        self.use(self.open())
        self.assertNotIn(PASSWORD, repr(list(sessions._KEPT._entries)))
        self.assertNotIn("canary", self.log.output)


@ddt.ddt
class Expiry(WithClouds):
    """A named cloud outlives its tokens."""

    def test_token_that_is_about_to_expire_is_replaced(self):
        self.edge.seconds = 5
        for _ in range(3):
            self.use(self.open())
        self.assertGreaterEqual(len(self.edge.asked), 3)
        self.edge.seconds = 3600
        self.use(self.open())
        count = len(self.edge.asked)
        self.use(self.open())
        self.assertEqual(count, len(self.edge.asked))

    @ddt.data("swift", "heat")
    def test_token_that_is_refused_is_replaced_within_the_call(self, kind):
        opened = self.open()
        connection = opened.swift()
        connection.get_account()
        self.edge.good.clear()
        if kind == "swift":
            connection.get_account()
        else:
            list(opened.heat.stacks.list())
        self.assertEqual(["POST /auth/tokens"] * 2, self.edge.asked)
        self.assertEqual(["canary-edge-1", "canary-edge-2"], self.edge.sent_tokens(kind)[-2:])
        # And for all that follow.
        self.use(self.open())
        self.assertEqual(2, len(self.edge.asked))

    def test_bulk_requests_get_a_new_token_as_well(self):
        opened = self.open()
        url = opened.endpoint("object-store")
        self.edge.good.clear()
        answer = opened.session.request(f"{url}?bulk-delete", "POST", data=b"/a/b")
        self.assertEqual(200, answer.status_code)

    @ddt.data("swift", "heat")
    def test_service_that_refuses_every_token_is_not_asked_for_ever(self, kind):
        opened = self.open()
        opened.session.get_token()

        class Nothing(set):
            def add(self, _):
                pass

        self.edge.good = Nothing()
        ask = (
            opened.swift().get_account
            if kind == "swift"
            else lambda: list(opened.heat.stacks.list())
        )
        error = self.assertRaises(Exception, ask)  # noqa: B017
        known = clouds.translate(error, opened.names)
        self.assertIsInstance(known, exceptions.NotAllowed)
        self.assertLessEqual(len(self.edge.asked), 3)
        self.assertNotIn("canary", known.message)

    @ddt.data("swift", "heat")
    def test_requests_own_token_is_tried_once_and_no_other_is_asked_for(self, kind):
        service = getattr(self.cloud, kind)
        service.fail("GET", "", 401)
        opened = self.open(None)
        ask = (
            opened.swift().get_account
            if kind == "swift"
            else lambda: list(opened.heat.stacks.list())
        )
        self.assertRaises(Exception, ask)  # noqa: B017
        self.assertEqual(1, len(service.sent))
        self.assertEqual([], [r for r in self.cloud.http.request_history if "keystone" in r.url])


def answering(status, body=b"", headers=None):
    def answer(_request, context):
        context.status_code = status
        context.headers.update(headers or {})
        return body

    return answer


GARBAGE = (
    b"",
    b"no JSON",
    b"[]",
    b"5",
    b"null",
    b'"token"',
    b"{}",
    b'{"token": null}',
    b'{"token": 5}',
    b'{"token": []}',
    b'{"token": {}}',
    b'{"token": {"catalog": 5}}',
    b'{"token": {"catalog": ["x"]}}',
    b'{"token": {"catalog": [{"type": "object-store", "endpoints": 5}]}}',
    b'{"token": {"catalog": [{"type": "object-store", "endpoints": ["x"]}]}}',
    b'{"token": {"catalog": [{"endpoints": [{}]}]}}',
    b'{"token": {"catalog": [{"type": "object-store", "endpoints": [{"interface": "public"}]}]}}',
    b'{"token": {"expires_at": "never", "catalog": []}}',
    b"[" * 100_000,
)


class WithFaults(WithClouds):
    def faulty(self, answer):
        self.cloud.http.register_uri(
            fakes.requests_mock.ANY,
            fakes.re.compile("^" + fakes.re.escape(self.edge.url)),
            content=answer,
        )

    def told(self, opened):
        """Use a cloud that does not work; return the error as an action tells it."""
        try:
            opened.endpoint("object-store")
            opened.swift().get_account()
        except Exception as error:
            known = clouds.translate(error, opened.names)
            self.assertIsNotNone(known, repr(error))
            self.assertNotIn("canary", known.message + json.dumps(known.details))
            return known
        raise AssertionError("It works.")


class Opened:
    """Ways to open a cloud whose Keystone is somebody else's: by name, and as a target."""

    def ways(self):
        target = targets.Target(self.edge.url, TOKEN)
        return self.open(), self.target(target)

    def target(self, target, **security):
        sealed = targets.PREFIX + targets.seal(
            target, user=USER, project=fakes.PROJECT, bound=targets.bound_to_request(fakes.TOKEN)
        )
        return self.cloud.reach(user_name=USER, **security).open(sealed)


@ddt.ddt
class Faults(WithFaults, Opened):
    """A Keystone that does not do what it should."""

    @ddt.data(*range(len(GARBAGE)))
    def test_garbage_is_told_and_is_no_fault_of_ours(self, number):
        answer = answering(
            201, GARBAGE[number], {"X-Subject-Token": "x", "Content-Type": "application/json"}
        )
        self.faulty(answer)
        for opened in self.ways():
            self.told(opened)

    @ddt.data(
        *itertools.product((301, 302, 303, 305, 307, 308), (ELSEWHERE, "/v3/auth/tokens", None))
    )
    @ddt.unpack
    def test_redirection_is_not_followed(self, status, place):
        self.faulty(answering(status, b"", {"Location": place} if place else {}))
        trap = self.cloud.http.register_uri(
            fakes.requests_mock.ANY, fakes.re.compile("^http://elsewhere"), status_code=200
        )
        for opened in self.ways():
            before = len(self.cloud.http.request_history)
            known = self.told(opened)
            self.assertEqual("ServiceRefused", known.type)
            self.assertEqual(1, len(self.cloud.http.request_history) - before)
            if place:
                self.assertIn(place, known.message)
        self.assertEqual(0, trap.call_count)

    def test_redirection_of_the_discovery_is_not_followed_either(self):
        # A URL without a version: Keystone is asked for its versions first.
        self.edge.url = self.edge.url.removesuffix("/v3")
        self.configure(edge={"auth": credentials(self.edge.url)})
        self.faulty(answering(302, b"", {"Location": ELSEWHERE}))
        trap = self.cloud.http.register_uri(
            fakes.requests_mock.ANY, fakes.re.compile("^http://elsewhere"), status_code=200
        )
        self.told(self.open())
        self.assertEqual(0, trap.call_count)

    @ddt.data(400, 401, 403, 404, 500, 503)
    def test_refusal_is_told(self, status):
        self.faulty(answering(status, b'{"error": {"message": "no"}}'))
        for opened in self.ways():
            known = self.told(opened)
            expected = {401: "NotAllowed", 403: "NotAllowed", 503: "ServiceUnavailable"}
            self.assertEqual(expected.get(status, "ServiceRefused"), known.type)

    @ddt.data(
        requests.exceptions.ConnectionError,
        requests.exceptions.ConnectTimeout,
        requests.exceptions.ReadTimeout,
        requests.exceptions.SSLError,
    )
    def test_unreachable_one_is_named_with_its_address(self, error):
        def refuse(request, _context):
            raise error("HTTPConnectionPool", request=request)

        self.faulty(refuse)
        for opened in self.ways():
            known = self.told(opened)
            self.assertIn("http://keystone.edge.test:5000", known.message)

    def test_it_has_no_longer_than_a_request_may_take(self):
        self.set_options(request_timeout=7)
        for opened in self.ways():
            self.told_or_not(opened)
        asked = [r for r in self.cloud.http.request_history if "keystone" in r.url]
        self.assertEqual({7}, {request.timeout for request in asked})

    def told_or_not(self, opened):
        try:
            opened.endpoint("object-store")
        except Exception:
            return


ENDPOINT = {"interface": "public", "id": "x", "url": "http://swift.edgeone.edge.test:8080/v1/a"}


class Catalogues(WithFaults):
    def test_endpoints_of_no_region_are_usable_where_there_are_no_others(self):
        self.edge.catalogue = [
            {
                "type": "object-store",
                "name": "swift",
                "endpoints": [{**ENDPOINT, "region": None, "region_id": None}],
            }
        ]
        opened = self.open()
        self.assertEqual(ENDPOINT["url"], opened.endpoint("object-store"))
        self.assertEqual("", opened.region("object-store"))
        self.open(region="").swift().get_account()
        self.assertEqual("RegionNotFound", self.told(self.open(region="edgeOne")).type)

    def test_endpoints_with_and_without_a_region_are_several(self):
        self.edge.catalogue = [
            {
                "type": "object-store",
                "name": "swift",
                "endpoints": [
                    {**ENDPOINT, "region": None},
                    {**ENDPOINT, "region": "edgeOne", "region_id": "edgeOne"},
                ],
            }
        ]
        self.assertEqual("RegionNotChosen", self.told(self.open()).type)
        self.open(region="edgeOne").swift().get_account()

    def test_cloud_without_the_service(self):
        self.edge.catalogue = []
        self.assertEqual("ServiceNotFound", self.told(self.open()).type)


@ddt.ddt
class ManyRegions(WithClouds):
    """What clouds.yaml says of regions."""

    def setUp(self):
        super().setUp()
        self.one = Keystone(self.cloud, "one", ("farOne", "farTwo"))
        self.two = Keystone(self.cloud, "two", ("farOne", "farTwo"))

    def far(self, **more):
        self.configure(far={"auth": credentials(self.one.url), **more})

    def test_list_of_regions_without_a_choice_is_never_the_first(self):
        self.far(regions=["farOne", "farTwo"])
        error = self.assertRaises(
            exceptions.RegionNotChosen, self.open("far").endpoint, "object-store"
        )
        self.assertEqual(["farOne", "farTwo"], error.available)

    @ddt.data(
        ({"regions": ["farOne", "farTwo"], "region_name": "farTwo"}, None, "farTwo"),
        ({"regions": ["farOne", "farTwo"], "region_name": "farTwo"}, "farOne", "farOne"),
        ({"regions": ["farOne"]}, "farTwo", "farTwo"),
        ({"region_name": "farOne"}, "farTwo", "farTwo"),
        ({"region_name": "farOne"}, None, "farOne"),
        ({"regions": [{"name": "farTwo", "values": {}}]}, "farTwo", "farTwo"),
    )
    @ddt.unpack
    def test_region_is_the_one_asked_for_then_the_files(self, said, region, chosen):
        self.far(**said)
        self.assertEqual(chosen, self.open("far", region).region("object-store"))

    @ddt.data({}, {"regions": ["farOne", "farTwo"]}, {"region_name": "farOne"})
    def test_wrong_region_is_told_with_those_there_are(self, said):
        self.far(**said)
        for region in ("nowhere", ""):
            error = self.assertRaises(
                exceptions.RegionNotFound, self.open("far", region).endpoint, "object-store"
            )
            self.assertEqual(["farOne", "farTwo"], error.available)

    def test_region_of_the_file_that_the_cloud_does_not_have(self):
        self.far(region_name="nowhere")
        error = self.assertRaises(
            exceptions.RegionNotFound, self.open("far").endpoint, "object-store"
        )
        self.assertEqual("nowhere", error.region)

    def by_region(self):
        self.far(
            regions=[
                {"name": "farOne", "values": {"auth": {"password": "canary-one"}}},
                {
                    "name": "farTwo",
                    "values": {"auth": credentials(self.two.url), "interface": "internal"},
                },
            ]
        )

    def test_values_of_a_region_are_that_regions(self):
        self.by_region()
        opened = self.open("far", "farTwo")
        self.assertEqual(self.two.services["farTwo"]["heat"].url, opened.endpoint("orchestration"))
        self.assertEqual("internal", opened._interface)
        self.assertEqual([], self.one.asked)
        self.assertEqual("public", self.open("far", "farOne")._interface)

    def test_values_of_the_first_region_are_nobody_elses(self):
        self.by_region()
        self.assertRaises(exceptions.RegionNotChosen, self.open("far").endpoint, "orchestration")
        self.assertRaises(
            exceptions.RegionNotFound, self.open("far", "farThree").endpoint, "orchestration"
        )
        for auth in self.one.auths:
            self.assertEqual(PASSWORD, auth["identity"]["password"]["user"]["password"])

    @ddt.data(
        {"auth": {}},
        {"auth_type": "no-such-plugin", "auth": {"auth_url": ELSEWHERE}},
        {"regions": [{"values": {}}], "region_name": "x", "auth": {}},
    )
    def test_unusable_cloud_is_told(self, said):
        self.configure(far=said)
        error = self.assertRaises(exceptions.InputInvalid, self.open, "far")
        self.assertEqual("cloud", error.name)

    @ddt.data(None, "", "5", "[]", "clouds: [", "clouds: {far: }", "{}", "other: {}")
    def test_file_that_says_nothing_usable_has_no_clouds(self, text):
        if text is None:
            self.file.unlink()
        else:
            self.file.write_text(text)
        for region in (None, "farOne"):
            self.assertRaises(
                (exceptions.CloudNotFound, exceptions.InputInvalid), self.open, "edge", region
            )


@ddt.ddt
class Verify(WithClouds, Opened):
    """How certificates are checked, by each client."""

    def seen(self, opened):
        """Return how certificates were checked, by all requests of all clients."""
        before = len(self.cloud.http.request_history)
        opened.endpoint("object-store")
        self.use(opened)
        opened.session.request(
            opened.endpoint("object-store") + "?bulk-delete", "POST", data=b"/a/b"
        )
        made = self.cloud.http.request_history[before:]
        self.assertEqual({"GET", "POST"}, {request.method for request in made})
        self.assertLessEqual(3, len(made))
        return {request.verify for request in made}

    @ddt.data(
        ({}, True),
        ({"verify": True}, True),
        ({"cacert": "/edge.pem"}, "/edge.pem"),
        ({"verify": False}, False),
        ({"verify": False, "cacert": "/edge.pem"}, False),
    )
    @ddt.unpack
    def test_named_cloud_as_the_file_says(self, said, verify):
        self.set_options(insecure=verify is not False, cacert="/own.pem")
        self.configure(edge={"auth": credentials(self.edge.url), **said})
        self.assertEqual({verify}, self.seen(self.open()))
        logged = "Certificates of cloud edge are not checked" in self.log.output
        self.assertEqual(verify is False, logged)

    def test_cloud_that_comes_to_be_checked_is_entered_anew(self):
        self.configure(edge={"auth": credentials(self.edge.url), "verify": False})
        self.use(self.open())
        self.configure(edge={"auth": credentials(self.edge.url)})
        self.assertEqual({True}, self.seen(self.open()))

    @ddt.data(({}, True), ({"cacert": "/ours.pem"}, "/ours.pem"), ({"insecure": True}, True))
    @ddt.unpack
    def test_target_by_default_as_configured_but_never_insecurely(self, options, verify):
        self.set_options(**options)
        self.edge.good.add(TOKEN)
        opened = self.target(targets.Target(self.edge.url, TOKEN), auth_cacert="/mistrals.pem")
        self.assertEqual({verify}, self.seen(opened))

    def test_insecure_target_is_logged(self):
        self.edge.good.add(TOKEN)
        opened = self.target(targets.Target(self.edge.url, TOKEN, insecure=True))
        self.assertEqual({False}, self.seen(opened))
        self.assertIn(f"of the target {self.edge.url} are not checked", self.log.output)
        self.assertNotIn(TOKEN, self.log.output)

    def test_certificates_of_a_target_go_to_every_client_in_a_private_file_that_goes(self):
        pem = test_certificates.make()
        self.edge.good.add(TOKEN)
        found, kept = [], []

        class Look(actions_base.Action):
            """Looks around."""

            def perform(self, request):
                opened = request.cloud
                (path,) = test.seen(opened)
                mode = stat.S_IMODE(os.stat(path).st_mode)
                parent = stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode)
                found.append((path, pathlib.Path(path).read_text(), mode, parent))
                # Nothing that is only done when a run is forgotten counts.
                kept.append(request)
                raise ValueError("It fails.")

        test = self
        sealed = targets.PREFIX + targets.seal(
            targets.Target(self.edge.url, TOKEN, cacert=pem),
            user=USER,
            project=fakes.PROJECT,
            bound=targets.bound_to_request(fakes.TOKEN),
        )
        result = Look(cloud=sealed).run(self.cloud.context(user_name=USER))
        self.assertEqual("InternalError", result.error["type"])
        ((path, content, mode, parent),) = found
        self.assertEqual((pem, 0o600, 0o700), (content, mode, parent))
        self.assertFalse(os.path.exists(os.path.dirname(path)))
        # Another run has its own, and still no need to ask Keystone again.
        Look(cloud=sealed).run(self.cloud.context(user_name=USER))
        self.assertNotEqual(found[0][0], found[1][0])
        self.assertEqual(found[0][1:], found[1][1:])
        self.assertEqual(["GET /auth/tokens"], self.edge.asked)
        self.assertFalse(os.path.exists(found[1][0]))


class Given(WithClouds, Opened):
    """The token of a target."""

    def test_keystone_is_asked_once_what_it_is_good_for(self):
        self.edge.good.add(TOKEN)
        for _ in range(3):
            self.use(self.target(targets.Target(self.edge.url, TOKEN)))
        self.assertEqual(["GET /auth/tokens"], self.edge.asked)
        self.assertEqual({TOKEN}, set(self.edge.sent_tokens() + self.edge.sent_tokens("heat")))
        self.assertEqual([], self.cloud.swift.sent)
        everything = "".join(f"{r.headers}" for r in self.cloud.http.request_history)
        self.assertNotIn(fakes.TOKEN, everything)

    def test_catalogue_is_the_targets(self):
        self.edge.good.add(TOKEN)
        opened = self.target(targets.Target(self.edge.url, TOKEN))
        self.assertEqual("edgeOne", opened.region("orchestration"))

    def test_region_is_the_input_then_the_targets_and_none_of_ours(self):
        far = Keystone(self.cloud, "far", ("farOne", "farTwo"))
        far.good.add(TOKEN)
        self.set_options(region="farOne")
        target = targets.Target(far.url, TOKEN, region="farTwo")
        sealed = targets.PREFIX + targets.seal(
            target, user=USER, project=fakes.PROJECT, bound=targets.bound_to_request(fakes.TOKEN)
        )
        reach = self.cloud.reach(user_name=USER, region_name="farOne")
        self.assertEqual("farTwo", reach.open(sealed).region("object-store"))
        self.assertEqual("farOne", reach.open(sealed, "farOne").region("object-store"))
        opened = self.target(targets.Target(far.url, TOKEN), region_name="farOne")
        self.assertRaises(exceptions.RegionNotChosen, opened.region, "object-store")

    def test_two_tokens_share_nothing(self):
        for token in (TOKEN, "other"):
            self.edge.good.add(token)
            self.use(self.target(targets.Target(self.edge.url, token)))
        self.assertEqual([TOKEN, "other"], self.edge.sent_tokens("heat"))
        self.assertEqual(2, len(self.edge.asked))

    def test_expired_one_is_told_and_not_tried_for_ever(self):
        self.edge.good.add(TOKEN)
        opened = self.target(targets.Target(self.edge.url, TOKEN))
        self.use(opened)
        self.edge.good.clear()
        for ask in (opened.swift().get_account, lambda: list(opened.heat.stacks.list())):
            error = self.assertRaises(Exception, ask)  # noqa: B017
            self.assertEqual("NotAllowed", clouds.translate(error, opened.names).type)
        self.assertLessEqual(len(self.edge.asked), 4)

    def test_one_that_expires_soon_is_used_to_the_end(self):
        self.edge.good.add(TOKEN)
        self.edge.seconds = 5
        for _ in range(3):
            self.use(self.target(targets.Target(self.edge.url, TOKEN)))
        self.assertEqual(1, len(self.edge.asked))


EXECUTION, ROOT = "3f1f2d50-0000-4a43-9d8c-0c1d5c2f7c11", "8a61aa2d-0000-4a43-9d8c-0c1d5c2f7c22"


@ddt.ddt
class Kept(WithClouds):
    """The target that a workflow was started with."""

    def setUp(self):
        super().setUp()
        self.edge.good.add(TOKEN)
        self.use_execution(ROOT)

    def use_execution(self, bound, *, root=None, **sealed):
        given = {"user": USER, "project": fakes.PROJECT, "bound": bound, **sealed}
        params = {targets.PARAM: targets.seal(targets.Target(self.edge.url, TOKEN), **given)}
        self.mistral = self.cloud.mistral
        self.mistral.executions[ROOT] = {"id": ROOT, "params": json.dumps(params)}
        self.mistral.executions[EXECUTION] = {
            "id": EXECUTION,
            "params": "{}",
            "root_execution_id": root or ROOT,
        }

    def run_action(self, action, execution=ROOT, **security):
        context = self.cloud.context(
            {"workflow_execution_id": execution}, **{"user_name": USER, **security}
        )
        return action.run(context)

    def told(self, action, execution=ROOT, **security):
        result = self.run_action(action, execution, **security)
        self.assertIsInstance(result, mistral_actions.Result)
        self.assertNotIn(TOKEN, json.dumps(result.error))
        # Nothing has run on the own cloud.
        self.assertEqual([], self.cloud.heat.sent)
        return result.error

    @ddt.data(ROOT, EXECUTION)
    def test_actions_run_there_in_sub_workflows_as_well(self, execution):
        self.assertIs(False, self.run_action(stack.Delete("plan"), execution))
        self.assertEqual([TOKEN], self.edge.sent_tokens("heat"))
        self.assertEqual([], self.cloud.heat.sent)

    def test_mistral_is_asked_once_and_keystone_once(self):
        for _ in range(3):
            self.run_action(stack.Delete("plan"), EXECUTION)
        asked = [line for line in self.mistral.requests if "executions" in line]
        self.assertEqual([f"GET /executions/{EXECUTION}", f"GET /executions/{ROOT}"], asked)
        self.assertEqual(["GET /auth/tokens"], self.edge.asked)

    def test_execution_without_one_is_asked_about_once_and_runs_here(self):
        self.mistral.executions[ROOT]["params"] = "{}"
        for _ in range(3):
            self.assertIs(False, self.run_action(stack.Delete("plan")))
        asked = [line for line in self.mistral.requests if "executions" in line]
        self.assertEqual(1, len(asked))
        self.assertEqual([], self.edge.asked)
        self.assertEqual(3, len(self.cloud.heat.sent))

    def test_named_cloud_wins_over_it(self):
        self.assertIs(False, self.run_action(stack.Delete("plan", cloud="edge")))
        self.assertEqual(["POST /auth/tokens"], self.edge.asked)

    def test_execution_that_is_gone_never_runs_elsewhere(self):
        for gone in (ROOT, EXECUTION):
            self.start_executor()
            self.mistral.fail("GET", f"/executions/{gone}", 404)
            error = self.told(stack.Delete("plan"), EXECUTION)
            self.assertEqual("TargetLost", error["type"])
            self.assertIn(gone, error["message"])
            self.mistral._hooks.clear()

    @ddt.data(
        {"bound": EXECUTION},
        {"user": "somebody"},
        {"project": "theirs"},
    )
    def test_one_that_belongs_to_others_is_lost(self, sealed):
        self.use_execution(**{"bound": ROOT, **sealed})
        self.assertEqual("TargetLost", self.told(stack.Delete("plan"))["type"])

    @ddt.data({"user_name": "somebody"}, {"user_name": None}, {"project_id": "theirs"})
    def test_others_cannot_go_on_with_it_even_where_it_is_remembered(self, security):
        self.run_action(stack.Delete("plan"))
        self.assertEqual("TargetLost", self.told(stack.Delete("plan"), **security)["type"])

    @ddt.data("garbage", "", 5, None, {"a": 1}, [], "encrypted:xyz", True, False, 0)
    def test_garbage_never_runs_elsewhere(self, value):
        self.mistral.executions[ROOT]["params"] = json.dumps({targets.PARAM: value})
        if value is None:
            self.assertIs(False, self.run_action(stack.Delete("plan")))
        else:
            self.assertEqual("TargetLost", self.told(stack.Delete("plan"))["type"])

    @ddt.data(
        b"",
        b"no JSON",
        b"[]",
        b"5",
        b"[" * 100_000,
        b'{"params": "no JSON"}',
        b'{"params": "[]"}',
        b'{"params": 5}',
        b'{"params": ["tripleo_target"]}',
    )
    def test_answer_that_says_nothing_is_told_and_never_runs_elsewhere(self, body):
        self.mistral.on("GET", "^/executions/", lambda *_: body)
        self.assertEqual("ServiceRefused", self.told(stack.Delete("plan"))["type"])

    @ddt.data((500, "ServiceRefused"), (403, "ServiceRefused"), (503, "ServiceRefused"))
    @ddt.unpack
    def test_mistral_that_does_not_tell_is_told(self, status, kind):
        self.mistral.fail("GET", "^/executions/", status)
        self.assertEqual(kind, self.told(stack.Delete("plan"))["type"])

    @ddt.data(
        plan_actions.Show("plan"),
        plan_actions.List(),
        plan_actions.Create("plan"),
        plan_actions.CreateContainer("plan"),
        plan_actions.Delete("plan"),
        plan_actions.AddPlacement("plan"),
        plan_actions.RemovePlacement("plan"),
        plan_actions.Sync("plan"),
        plan_actions.History("plan"),
        plan_actions.Export("plan"),
        parameters.Get("plan"),
        parameters.Update({"A": 1}, "plan"),
        deployment.Deploy(90, "plan"),
        deployment.ChooseRegions("plan"),
    )
    def test_what_this_mistral_keeps_is_not_for_targets(self, action):
        error = self.told(action)
        self.assertEqual("TargetNotAllowed", error["type"], error)
        self.assertIn("input cloud", error["message"])
        self.assertIn(self.edge.url, error["message"])

    def test_memory_is_bounded(self):
        kept = memory.Memory(4)
        self.useFixture(fixtures.MockPatchObject(clouds_module, "_TARGETS", kept))
        for number in range(20):
            self.mistral.executions[f"e{number}"] = {"id": f"e{number}", "params": "{}"}
            self.run_action(stack.Delete("plan"), f"e{number}")
        self.assertEqual(4, len(kept._entries))
        self.run_action(stack.Delete("plan"))
        self.assertNotIn(TOKEN, repr(kept._entries))


@ddt.ddt
class Refused(WithClouds):
    def run_action(self, action, **security):
        result = action.run(self.cloud.context(**security))
        self.assertIsInstance(result, mistral_actions.Result)
        return result.error

    @ddt.data(plan_actions.List(), stack.Delete("plan"), stack.Delete("plan", cloud="edge"))
    def test_target_that_came_past_the_gate_runs_nothing(self, action):
        error = self.run_action(action, is_target=True)
        self.assertEqual("TargetNotAllowed", error["type"])
        self.assertIn("gate", error["message"])
        self.assertEqual([], self.cloud.http.request_history)

    @ddt.data(None, "")
    def test_action_without_a_token_is_told_what_to_do(self, token):
        error = self.run_action(stack.Delete("plan"), auth_token=token)
        self.assertEqual("CredentialsLost", error["type"])
        self.assertIn("Start the workflow again", error["message"])
        self.assertEqual([], self.cloud.http.request_history)

    @ddt.data("target:", "target:garbage", "target:encrypted:x")
    def test_target_that_cannot_be_opened_runs_nothing(self, cloud):
        error = self.run_action(stack.Delete("plan", cloud=cloud), user_name=USER)
        self.assertEqual("TargetLost", error["type"])
        self.assertEqual([], self.cloud.http.request_history)

    def test_target_of_another_request_runs_nothing(self):
        sealed = targets.seal(
            targets.Target(self.edge.url, TOKEN),
            user=USER,
            project=fakes.PROJECT,
            bound=targets.bound_to_request("another token"),
        )
        error = self.run_action(stack.Delete("plan", cloud=targets.PREFIX + sealed), user_name=USER)
        self.assertEqual("TargetLost", error["type"])
        self.assertEqual([], self.cloud.http.request_history)

    def test_swift_alone_is_named_by_its_own_errors(self):
        self.cloud.swift.fail("GET", "", 403)
        opened = self.open(None)
        error = self.assertRaises(swift_exc.ClientException, opened.swift().get_account)
        self.assertEqual("object-store", clouds.translate(error, opened.names).service)


@ddt.ddt
class OwnCloudAsTarget(WithClouds):
    """A target that is where the request came through is the own cloud."""

    def sealed(self, **changed):
        given = {
            "auth_url": fakes.IDENTITY,
            "token": TOKEN,
            "project_id": fakes.PROJECT,
            "region": "regionOne",
            **changed,
        }
        return targets.PREFIX + targets.seal(
            targets.Target(**given),
            user=USER,
            project=fakes.PROJECT,
            bound=targets.bound_to_request(fakes.TOKEN),
        )

    def reach(self):
        return self.cloud.reach(user_name=USER)

    def test_plans_can_be_used_and_nothing_is_asked_of_keystone(self):
        sealed = self.sealed()
        self.assertEqual((None, "regionOne"), self.reach().place(sealed, None))
        self.assertEqual((None, "regionTwo"), self.reach().place(sealed, "regionTwo"))
        self.assertIsNone(self.reach().target(sealed))
        self.assertEqual(
            [], plan_actions.List(cloud=sealed).run(self.cloud.context(user_name=USER))
        )

    @ddt.data({"project_id": "another"}, {"project_id": None}, {"auth_url": "http://x.test/v3"})
    def test_another_project_or_keystone_is_another_cloud(self, changed):
        sealed = self.sealed(**changed)
        self.assertEqual((sealed, None), self.reach().place(sealed, None))
        self.assertIsNotNone(self.reach().target(sealed))
        error = plan_actions.List(cloud=sealed).run(self.cloud.context(user_name=USER)).error
        self.assertEqual("TargetNotAllowed", error["type"])
