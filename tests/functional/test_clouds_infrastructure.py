"""What the tests of regions and clouds stand on: proxies, certificates, underclouds."""

import http.client
import io
import os
import socket
import ssl
import tempfile
import uuid
from concurrent import futures
from pathlib import Path

import fixtures
import openstack.config
import requests
import testtools
from heatclient import client as heat_client
from keystoneauth1 import exceptions as ksa_exceptions
from keystoneauth1 import session as keystone_session
from keystoneauth1.identity import generic, v3
from swiftclient import client as swift_client

from tests.functional import base, certificates, clouds, proxy
from tripleo_common import exceptions
from tripleo_common.undercloud import processes

SERVICES = ("object-store", "orchestration", "workflowv2")


class CloudsTestCase(testtools.TestCase):
    """The edge cloud for this test alone, and an authority whose certificates it can use."""

    def setUp(self):
        super().setUp()
        self.edge = clouds.edge()
        self.useFixture(clouds.Claim(self.edge))
        directory = tempfile.TemporaryDirectory(prefix="tripleo-certificates-")
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        self.authority = certificates.Authority(self.directory)

    def fronts(self, region, **options):
        return self.useFixture(clouds.Fronts(self.edge, region, SERVICES, **options))

    def session(self, auth_url=None, plugin=v3.Password, **options):
        """Return a session of the edge cloud's administrator."""
        auth = self.edge.directory.credentials()
        if auth_url:
            auth["auth_url"] = auth_url
        return keystone_session.Session(auth=plugin(**auth), timeout=base.SECONDS, **options)

    def swift(self, session, region):
        connection = swift_client.Connection(
            session=session,
            retries=0,
            os_options={"region_name": region},
            cacert=session.verify if isinstance(session.verify, str) else None,
        )
        self.addCleanup(connection.close)
        return connection


class TestTLS(CloudsTestCase):
    def test_keystone_is_reached_with_the_authority_and_not_without(self):
        fronts = self.fronts("secure", certificate=self.authority.issue())
        self.assertTrue(fronts.auth_url.startswith("https://127.0.0.1:"))
        good = str(self.authority.path)
        self.assertTrue(self.session(fronts.auth_url, verify=good).get_token())
        self.assertEqual(1, len(fronts.proxies["identity"].clear()))
        other = certificates.Authority(self.directory, "Another Authority")
        for verify in (True, str(other.path)):
            session = self.session(fronts.auth_url, verify=verify)
            self.assertRaises(ksa_exceptions.SSLError, session.get_token)
        self.assertEqual((), fronts.proxies["identity"].requests)
        # Links in Keystone's answers stay within TLS as well.
        session = self.session(fronts.auth_url, generic.Password, verify=good)
        self.assertTrue(session.get_token())
        self.assertIn(
            ("POST", "/v3/auth/tokens"),
            [(r.method, r.path) for r in fronts.proxies["identity"].requests],
        )

    def test_all_clients_work_within_tls(self):
        self.fronts("secure", certificate=self.authority.issue())
        session = self.session(verify=str(self.authority.path))
        self.swift(session, "secure").get_account()
        heat = heat_client.Client("1", session=session, region_name="secure")
        name = f"test-{uuid.uuid4().hex}"
        heat.stacks.create(stack_name=name, template={"heat_template_version": "2021-04-16"})
        # By name Heat answers with a redirect to where the stack is.
        self.assertEqual(name, heat.stacks.get(name).stack_name)
        heat.stacks.delete(name)

    def test_certificates_that_are_not_good_are_refused(self):
        other = certificates.Authority(self.directory, "Another Authority")
        for certificate, reason in (
            (self.authority.issue("expired", expired=True), "expired"),
            (other.issue("other"), "unable to get local issuer"),
            (self.authority.issue("elsewhere", ["192.0.2.1"]), "IP address mismatch"),
        ):
            front = proxy.Proxy(self.edge.directory.credentials()["auth_url"], certificate)
            with front:
                error = self.assertRaises(
                    requests.exceptions.SSLError,
                    requests.get,
                    front.url,
                    verify=str(self.authority.path),
                    timeout=base.SECONDS,
                )
            self.assertIn(reason, str(error))
            self.assertEqual(0o600, certificate.key_path.stat().st_mode & 0o777)
        expired = certificates.Authority(self.directory, "Old Authority", expired=True)
        with proxy.Proxy(front.upstream, expired.issue("of-old")) as front:
            context = ssl.create_default_context(cadata=expired.pem)
            connection = http.client.HTTPSConnection("127.0.0.1", front.port, context=context)
            self.assertRaises(ssl.SSLCertVerificationError, connection.request, "GET", "/")


class TestProxy(CloudsTestCase):
    def setUp(self):
        super().setUp()
        self.watched = self.fronts("watched")
        self.keystone = self.watched.proxies["identity"]

    def test_a_region_of_proxies_is_in_the_catalogue_and_swift_works_through_it(self):
        session = self.session()
        endpoint = session.get_endpoint(
            service_type="object-store", interface="internal", region_name="watched"
        )
        store = self.watched.proxies["object-store"]
        self.assertEqual(f"{store.url}/v1/AUTH_{session.get_project_id()}", endpoint)
        swift = self.swift(session, "watched")
        container = f"test-{uuid.uuid4().hex}"
        swift.put_container(container)
        for name, content in (
            ("plain", b"hello"),
            ("empty", b""),
            ("a b/%2F/\u00e4?x=1#y", b"odd name"),
            ("large", os.urandom(3 * 2**20)),
            # Of unknown length: sent in chunks.
            ("chunked", io.BytesIO(b"in chunks" * 9999)),
        ):
            expected = content if isinstance(content, bytes) else content.getvalue()
            swift.put_object(container, name, content, headers={"X-Object-Meta-Word": "w"})
            headers, read = swift.get_object(container, name)
            self.assertEqual((expected, "w"), (read, headers["x-object-meta-word"]), name)
            length = swift.head_object(container, name)["content-length"]
            self.assertEqual(str(len(expected)), length)
        swift.post_object(container, "plain", {"X-Object-Meta-Word": "other"})
        swift.copy_object(container, "plain", f"/{container}/copy")
        objects = swift.get_container(container, full_listing=True)[1]
        self.assertEqual(6, len(objects))
        # The same as without the proxy.
        self.assertEqual(
            objects, self.swift(session, "regionOne").get_container(container, full_listing=True)[1]
        )
        for found in objects:
            swift.delete_object(container, found["name"])
        swift.delete_container(container)
        error = self.assertRaises(
            swift_client.ClientException, swift.get_object, container, "plain"
        )
        self.assertEqual(404, error.http_status)
        tokens = {request.token for request in store.requests}
        self.assertEqual({proxy.token_hash(session.get_token())}, tokens)
        self.assertEqual((), self.keystone.requests)

    def test_requests_are_counted_and_none_is_lost_when_many_come_at_once(self):
        session = self.session()
        token = session.get_token()

        def ask(number):
            url = f"{self.keystone.url}/v3/auth/catalog?number={number}"
            return requests.get(
                url, headers={"X-Auth-Token": token}, timeout=base.SECONDS
            ).status_code

        with futures.ThreadPoolExecutor(20) as pool:
            self.assertEqual({200}, set(pool.map(ask, range(200))))
        self.assertEqual(
            sorted(f"/v3/auth/catalog?number={n}" for n in range(200)),
            sorted(request.path for request in self.keystone.requests),
        )
        self.assertEqual(
            {("GET", proxy.token_hash(token))},
            {(request.method, request.token) for request in self.keystone.clear()},
        )
        self.assertEqual((), self.keystone.requests)

    def test_a_body_that_waits_for_a_go_ahead_arrives(self):
        session = self.session()
        connection = http.client.HTTPConnection("127.0.0.1", self.keystone.port, timeout=10)
        self.addCleanup(connection.close)
        body = b'{"auth": {}}'
        connection.putrequest("POST", "/v3/auth/tokens")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(len(body)))
        connection.putheader("Expect", "100-continue")
        connection.endheaders()
        self.assertTrue(
            connection.sock.recv(25, socket.MSG_WAITALL).startswith(b"HTTP/1.1 100 Continue\r\n")
        )
        connection.send(body)
        answer = connection.getresponse()
        self.assertEqual(400, answer.status, answer.read())
        self.assertTrue(session.get_token())

    def test_it_redirects(self):
        with proxy.Proxy(self.keystone.upstream) as other:
            with self.keystone.redirecting(f"{other.url}/v3/auth/tokens", 307):
                self.assertTrue(self.session(self.watched.auth_url).get_token())
            self.assertEqual(["/v3/auth/tokens"], [r.path for r in other.clear()])
            self.assertTrue(self.session(self.watched.auth_url).get_token())
            self.assertEqual((), other.requests)
        self.assertEqual(2, len(self.keystone.requests))

    def test_it_hangs_where_it_is_told_to(self):
        session = self.session(self.watched.auth_url)
        with self.keystone.hanging(only=lambda request: request.method == "POST"):
            answer = requests.get(f"{self.keystone.url}/v3", timeout=base.SECONDS)
            self.assertEqual(200, answer.status_code)
            auth = session.auth
            self.assertRaises(
                ksa_exceptions.ConnectTimeout,
                keystone_session.Session(auth=auth, timeout=0.2).get_token,
            )
        self.assertTrue(session.get_token())

    def test_a_hanging_request_fails_when_that_ends(self):
        with futures.ThreadPoolExecutor(1) as pool:
            with self.keystone.hanging():
                asked = pool.submit(requests.get, self.keystone.url, timeout=base.SECONDS)
                base.wait_for(lambda: self.keystone.requests, "the request has arrived")
            self.assertIsInstance(
                asked.exception(base.SECONDS), requests.exceptions.ConnectionError
            )

    def test_it_is_down_and_up_again_on_the_same_port(self):
        with requests.Session() as kept:
            kept.get(f"{self.keystone.url}/v3", timeout=base.SECONDS)
            with self.keystone.down():
                for http_client in (kept, requests):
                    self.assertRaises(
                        requests.exceptions.ConnectionError,
                        http_client.get,
                        self.keystone.url,
                        timeout=base.SECONDS,
                    )
            self.assertEqual(300, kept.get(self.keystone.url, timeout=base.SECONDS).status_code)

    def test_an_answer_of_its_own_can_be_for_some_requests_alone(self):
        store = self.watched.proxies["object-store"]
        swift = self.swift(self.session(), "watched")
        with (
            store.answering(507, only=lambda request: request.method == "PUT"),
            store.answering(503, {"Retry-After": "9"}, only=lambda r: "/x?" in r.path),
        ):
            swift.get_account()
            error = self.assertRaises(swift_client.ClientException, swift.put_container, "y")
            self.assertEqual(507, error.http_status)
            error = self.assertRaises(swift_client.ClientException, swift.get_container, "x")
            self.assertEqual(503, error.http_status)
        error = self.assertRaises(swift_client.ClientException, swift.get_container, "x")
        self.assertEqual(404, error.http_status)

    def test_a_service_that_does_not_run_is_a_bad_gateway(self):
        with proxy.Proxy(self.keystone.upstream) as closed:
            port = closed.port
        with proxy.Proxy(f"http://127.0.0.1:{port}/v3") as front:
            answer = requests.get(front.url, timeout=base.SECONDS)
        self.assertEqual(502, answer.status_code)

    def test_the_region_goes_away(self):
        with clouds.Fronts(self.edge, "gone", ["identity"]) as gone:
            front = gone.proxies["identity"]
            self.assertEqual({"gone", "regionOne", "watched"}, set(self.keystones()))
            self.assertEqual(f"{front.url}/v3", self.keystones()["gone"])
            self.assertEqual(f"{front.upstream}/v3", self.keystones()["watched"])
        self.assertEqual({"regionOne", "watched"}, set(self.keystones()))
        self.assertRaises(
            requests.exceptions.ConnectionError, requests.get, front.url, timeout=base.SECONDS
        )

    def test_services_do_not_validate_tokens_through_it(self):
        other = self.useFixture(clouds.Fronts(self.edge, "other", ["identity"]))
        with other.proxies["identity"].down():
            # One that has validated none.
            clouds.restart(self.edge, "swift-proxy")
            self.swift(self.session(), "watched").get_account()
        self.assertEqual((), other.proxies["identity"].requests)

    def keystones(self):
        """Return each region's endpoint of Keystone."""
        session = self.session()
        catalogue = session.auth.get_access(session).service_catalog
        found = catalogue.get_endpoints_data(service_type="identity", interface="public")
        return {endpoint.region_name: endpoint.url for endpoint in found["identity"]}


class TestNamedClouds(CloudsTestCase):
    """Each kind of entry leads to the edge cloud, read the way that executors read it."""

    def setUp(self):
        super().setUp()
        self.home = clouds.two_regions()
        self.name = f"test-{uuid.uuid4().hex}"

    def open(self, name):
        file = str(clouds.clouds_yaml(self.home))
        configuration = openstack.config.OpenStackConfig(config_files=[file], load_envvars=False)
        return configuration.get_one(cloud=name).get_session()

    def named(self, entry):
        self.useFixture(clouds.NamedCloud(self.home, self.name, entry))
        return self.open(self.name)

    def test_password(self):
        keystone = self.edge.directory.credentials()["auth_url"]
        found = self.named(clouds.by_password(self.edge, "regionOne"))
        self.assertEqual(keystone, found.get_endpoint(service_type="identity"))
        # The undercloud's own entry is still there.
        self.assertNotEqual(keystone, self.open("undercloud").get_endpoint(service_type="identity"))

    def test_within_tls(self):
        secure = self.fronts("secure", certificate=self.authority.issue())
        ways = {"auth_url": secure.auth_url, "cacert": self.authority.path}
        credential = self.useFixture(clouds.ApplicationCredential(self.edge))
        for entry in (
            clouds.by_password(self.edge, "secure", **ways),
            credential.entry("secure", **ways),
        ):
            session = self.named(entry)
            url = session.get_endpoint(service_type="object-store", region_name="secure")
            self.assertTrue(url.startswith(secure.proxies["object-store"].url), url)
            self.assertLess(session.get(url).status_code, 300)
            self.assertEqual(1, len(secure.proxies["object-store"].clear()))
        without = self.named(clouds.by_password(self.edge, "secure", auth_url=secure.auth_url))
        self.assertRaises(ksa_exceptions.SSLError, without.get_token)

    def test_application_credential_until_it_is_revoked(self):
        credential = self.useFixture(clouds.ApplicationCredential(self.edge))
        self.assertTrue(self.named(credential.entry()).get_token())
        credential.revoke()
        self.assertRaises(ksa_exceptions.NotFound, self.open(self.name).get_token)

    def test_entry_goes_away(self):
        file = clouds.clouds_yaml(self.home)
        with clouds.NamedCloud(self.home, self.name, clouds.by_password(self.edge)):
            self.assertIn(f"{self.name}:", file.read_text())
        self.assertNotIn(self.name, file.read_text())
        self.assertIn("undercloud:", file.read_text())
        self.assertEqual(0o600, file.stat().st_mode & 0o777)


class TestOptions(CloudsTestCase):
    def pids(self):
        return {row.service: row.pid for row in self.edge.status()}

    def lifetime(self):
        found = self.session().auth.get_access(self.edge.session())
        return (found.expires - found.issued).total_seconds()

    def test_tokens_of_a_few_seconds(self):
        before = self.pids()
        with clouds.Options(self.edge, "keystone", {"token": {"expiration": 5}}):
            self.assertEqual(5, self.lifetime())
            changed = {name for name, pid in self.pids().items() if pid != before[name]}
            self.assertEqual({"keystone"}, changed)
            # The services themselves go on with tokens that short.
            session = self.session()
            self.swift(session, "regionOne").get_account()
            list(heat_client.Client("1", session=session).stacks.list())
        self.assertEqual(3600, self.lifetime())

    def test_options_of_mistral(self):
        before = self.pids()
        with clouds.Options(self.edge, "mistral", {"api": {"enable_info_endpoint": True}}):
            self.assertNotEqual(before["mistral"], self.pids()["mistral"])
            process = processes.find("mistral", self.edge.directory)
            self.assertIn("--config-dir", process.cmdline())
        self.assertEqual({True}, {row.healthy for row in self.edge.status()})

    def test_options_that_a_service_does_not_start_with_are_told_and_taken_back(self):
        before = self.pids()
        wrong = clouds.Options(self.edge, "keystone", {"token": {"provider": "none-such"}})
        errors = self.assertRaises(fixtures.MultipleExceptions, wrong.setUp).args
        self.assertIs(exceptions.UndercloudError, errors[0][0])
        self.assertIn("keystone has ended right after its start", str(errors[0][1]))
        after = self.pids()
        self.assertNotEqual(before.pop("keystone"), after.pop("keystone"))
        self.assertEqual(before, after)
        self.assertEqual(3600, self.lifetime())

    def test_a_process_that_is_not_there_cannot_be_restarted(self):
        self.assertRaises(ValueError, clouds.restart, self.edge, "nova")


class TestKeystone(CloudsTestCase):
    def test_requests_at_once_are_each_judged_by_their_own_token(self):
        admin = self.edge.directory.credentials()
        of_a_domain = {
            "auth_url": admin["auth_url"],
            "username": "heat_domain_admin",
            "password": self.edge.directory.secret("user:heat_domain_admin"),
            "user_domain_name": "heat",
            "domain_name": "heat",
        }

        # Keystone then looks everything up, and waiting for its database lets others come between.
        self.useFixture(clouds.Options(self.edge, "keystone", {"cache": {"enabled": False}}))
        tokens = [
            keystone_session.Session(auth=v3.Password(**auth)).get_token()
            for auth in (admin, of_a_domain)
        ]

        def ask(number):
            answer = requests.get(
                f"{admin['auth_url']}/endpoints",
                headers={"X-Auth-Token": tokens[number % 2]},
                timeout=base.SECONDS,
            )
            return number % 2, answer.status_code

        with futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(ask, range(24)))
        self.assertEqual({(0, 200), (1, 403)}, set(answers), answers)


class TestRegions(testtools.TestCase):
    def test_each_region_has_its_own_swift_and_heat(self):
        session = clouds.two_regions().session()
        for kind, expected in (("object-store", 2), ("orchestration", 2), ("identity", 1)):
            found = {
                session.get_endpoint(service_type=kind, region_name=region)
                for region in ("regionOne", "regionTwo")
            }
            self.assertEqual(expected, len(found - {None}), found)
