import json
import pathlib

import ddt
import fixtures
import requests
from swiftclient import exceptions as swift_exc

from tests.unit import base, fakes
from tripleo_common import exceptions

PASSWORD = "canary-password-91"
CLOUDS = f"""
clouds:
  edge:
    auth:
      auth_url: {fakes.IDENTITY}
      username: edge-user
      password: {PASSWORD}
      project_name: edge-project
      user_domain_name: Default
      project_domain_name: Default
    region_name: regionTwo
  anywhere:
    auth:
      auth_url: {fakes.IDENTITY}
      username: edge-user
      password: {PASSWORD}
      project_name: edge-project
      user_domain_name: Default
      project_domain_name: Default
"""


class WithCloud(base.TestCase):
    def setUp(self):
        super().setUp()
        self.cloud = self.useFixture(fakes.Cloud(("regionOne", "regionTwo")))
        self.start_executor()
        self.one, self.two = (self.cloud.by_region[name] for name in self.cloud.regions)

    def open(self, action_region=None, cloud=None, seconds=600.0, **security):
        return self.cloud.reach(seconds, **security).open(cloud, action_region)


@ddt.ddt
class Request(WithCloud):
    """The cloud that a request came through."""

    def test_token_with_a_catalogue_is_used_without_asking_keystone(self):
        self.assertEqual(self.one["swift"].url, self.open("regionOne").endpoint("object-store"))
        self.open("regionOne").swift().get_account()
        self.assertEqual(1, len(self.cloud.http.request_history))
        self.assertEqual(fakes.TOKEN.encode(), self.one["swift"].sent[0].headers["X-Auth-Token"])

    @ddt.data(None, {}, {"catalog": []})
    def test_without_a_catalogue_keystone_is_asked_with_the_token(self, catalogue):
        self.cloud.keystone()
        cloud = self.open("regionOne", service_catalog=catalogue)
        self.assertEqual(self.one["heat"].url, cloud.endpoint("orchestration"))
        asked = [r for r in self.cloud.http.request_history if r.method == "POST"]
        auth = asked[0].json()["auth"]
        self.assertEqual({"id": fakes.TOKEN}, auth["identity"]["token"])
        self.assertEqual({"project": {"id": fakes.PROJECT}}, auth["scope"])

    def test_opening_makes_no_request(self):
        self.open("regionOne")
        self.assertEqual([], self.cloud.http.request_history)

    @ddt.data(
        ("regionTwo", "regionOne", "regionOne", "regionTwo"),
        (None, "regionTwo", "regionOne", "regionTwo"),
        (None, "", "regionTwo", "regionTwo"),
        (None, None, "regionTwo", "regionTwo"),
    )
    @ddt.unpack
    def test_region_is_the_input_then_the_requests_then_the_configured_one(
        self, action_region, requested, configured, chosen
    ):
        self.set_options(region=configured)
        cloud = self.open(action_region, region_name=requested)
        self.assertEqual(chosen, cloud.region("object-store"))
        self.assertEqual(self.cloud.by_region[chosen]["swift"].url, cloud.endpoint("object-store"))

    def test_no_region_anywhere_is_an_error_that_names_them(self):
        error = self.assertRaises(exceptions.RegionNotChosen, self.open().endpoint, "object-store")
        self.assertEqual(["regionOne", "regionTwo"], error.available)

    @ddt.data("regionNone", "")
    def test_wrong_region_names_those_that_have_the_service(self, region):
        error = self.assertRaises(
            exceptions.RegionNotFound, self.open(region).endpoint, "object-store"
        )
        self.assertEqual(["regionOne", "regionTwo"], error.available)

    @ddt.data({"action_region": 5}, {"action_region": ["x"]}, {"cloud": 5}, {"cloud": {"a": 1}})
    def test_region_or_cloud_that_is_no_name_is_refused(self, inputs):
        error = self.assertRaises(exceptions.InputInvalid, self.open, **inputs)
        self.assertEqual(next(iter(inputs)), error.name)

    def test_calls_go_to_the_chosen_region_alone(self):
        cloud = self.open("regionTwo")
        cloud.swift().get_account()
        list(cloud.heat.stacks.list())
        cloud.mistral.environments.list()
        self.assertEqual(3, sum(len(service.requests) for service in self.two.values()))
        self.assertEqual(0, sum(len(service.requests) for service in self.one.values()))

    @ddt.data(
        ({"insecure": True}, "/ca.pem", False),
        ({}, None, True),
        ({}, "/ca.pem", "/ca.pem"),
        ({"cacert": "/ours.pem"}, "/ca.pem", "/ours.pem"),
    )
    @ddt.unpack
    def test_certificates_are_checked_as_the_options_and_mistrals_say(self, ours, cacert, verify):
        self.set_options(**ours)
        cloud = self.open("regionOne", auth_cacert=cacert)
        list(cloud.heat.stacks.list())
        cloud.swift().get_account()
        self.assertEqual(verify, self.one["heat"].sent[0].verify)
        self.assertEqual(verify, self.one["swift"].sent[0].verify)
        self.assertEqual(verify is False, "option insecure" in self.log.output)


@ddt.ddt
class Named(WithCloud):
    """A cloud of the executors' clouds.yaml."""

    def setUp(self):
        super().setUp()
        file = pathlib.Path(self.temporary()) / "clouds.yaml"
        file.write_text(CLOUDS)
        self.useFixture(fixtures.MonkeyPatch("openstack.config.loader.CONFIG_FILES", [str(file)]))
        self.useFixture(fixtures.EnvironmentVariable("OS_CLIENT_CONFIG_FILE", str(file)))
        for name in ("OS_CLOUD", "OS_REGION_NAME", "OS_AUTH_URL", "OS_PASSWORD", "OS_USERNAME"):
            self.useFixture(fixtures.EnvironmentVariable(name))
        self.cloud.keystone()

    def asked(self):
        return [r.json()["auth"] for r in self.cloud.http.request_history if r.method == "POST"]

    def test_it_is_entered_with_its_own_credentials_not_with_the_requests_token(self):
        self.open(cloud="edge").swift().get_account()
        (auth,) = self.asked()
        self.assertEqual(PASSWORD, auth["identity"]["password"]["user"]["password"])
        self.assertEqual("edge-project", auth["scope"]["project"]["name"])
        self.assertEqual(
            [b"from-keystone"], [r.headers["X-Auth-Token"] for r in self.two["swift"].sent]
        )
        everything = "".join(
            f"{request.headers} {request.text}" for request in self.cloud.http.request_history
        )
        self.assertNotIn(fakes.TOKEN, everything)

    @ddt.data((None, "regionTwo"), ("regionOne", "regionOne"))
    @ddt.unpack
    def test_region_is_the_input_then_that_of_the_file(self, action_region, chosen):
        cloud = self.open(action_region, "edge")
        self.assertEqual(chosen, cloud.region("orchestration"))

    def test_region_of_the_request_or_of_the_configuration_is_not_meant_for_it(self):
        self.set_options(region="regionOne")
        cloud = self.open(cloud="anywhere", region_name="regionTwo")
        self.assertRaises(exceptions.RegionNotChosen, cloud.region, "orchestration")

    @ddt.data("nowhere", "", "EDGE", "../edge")
    def test_unknown_cloud_names_those_there_are(self, name):
        error = self.assertRaises(exceptions.CloudNotFound, self.open, cloud=name)
        self.assertEqual(["anywhere", "edge"], error.available)
        self.assertEqual([], self.cloud.http.request_history)

    def test_plan_environments_stay_in_the_cloud_of_the_request(self):
        home = self.cloud.reach(region_name="regionOne").home
        home.mistral.environments.list()
        self.assertEqual([], self.asked())

    def test_variables_of_the_executors_environment_are_no_cloud(self):
        self.useFixture(fixtures.EnvironmentVariable("OS_AUTH_URL", "http://elsewhere.test/v3"))
        self.useFixture(fixtures.EnvironmentVariable("OS_USERNAME", "root"))
        self.useFixture(fixtures.EnvironmentVariable("OS_PASSWORD", "canary"))
        self.open("regionTwo", "edge").swift().get_account()
        (auth,) = self.asked()
        self.assertEqual("edge-user", auth["identity"]["password"]["user"]["name"])


class Time(WithCloud):
    """Each request is made with no more than what is left of the action's time."""

    def ask_heat(self, cloud):
        list(cloud.heat.stacks.list())

    def test_request_has_the_configured_timeout(self):
        self.set_options(request_timeout=7)
        cloud = self.open("regionOne")
        self.ask_heat(cloud)
        cloud.mistral.environments.list()
        cloud.swift().get_account()
        for service in self.one.values():
            self.assertEqual([7], [request.timeout for request in service.sent])

    def test_request_near_the_end_has_what_is_left(self):
        cloud = self.open("regionOne", seconds=100)
        self.cloud.clock.now += 88
        self.ask_heat(cloud)
        cloud.swift().get_account()
        self.assertEqual([12], [request.timeout for request in self.one["heat"].sent])
        self.assertEqual([12], [request.timeout for request in self.one["swift"].sent])

    def test_nothing_is_asked_after_the_deadline(self):
        cloud = self.open("regionOne", seconds=100)
        connection = cloud.swift()
        connection.get_account()
        self.cloud.clock.now += 101
        before = len(self.cloud.http.request_history)
        self.assertRaises(exceptions.DeadlineExceeded, self.ask_heat, cloud)
        self.assertRaises(exceptions.DeadlineExceeded, cloud.mistral.environments.list)
        self.assertRaises(exceptions.DeadlineExceeded, cloud.swift)
        self.assertRaises(exceptions.DeadlineExceeded, connection.get_account)
        self.assertEqual(before, len(self.cloud.http.request_history))

    def test_kept_connection_to_swift_gets_less_time_as_it_passes(self):
        connection = self.open("regionOne", seconds=100).swift()
        connection.get_account()
        self.cloud.clock.now += 90
        connection.get_account()
        self.assertEqual([60, 10], [request.timeout for request in self.one["swift"].sent])

    def test_swift_is_not_tried_again_beyond_the_deadline(self):
        def hang(request, _context):
            self.cloud.clock.now += request.timeout
            raise requests.exceptions.ReadTimeout(request=request)

        self.one["swift"].on("GET", "", hang)
        connection = self.open("regionOne", seconds=100).swift()
        began = self.cloud.clock.now
        self.assertRaises(
            (exceptions.DeadlineExceeded, requests.exceptions.ReadTimeout),
            connection.get_account,
        )
        # swiftclient pauses for seconds before it notices.
        self.assertLess(self.cloud.clock.now - began, 105)

    def test_swift_is_tried_again_after_a_passing_fault(self):
        answers = [503, 500]

        def once(_request, context):
            if answers:
                context.status_code = answers.pop()
                return "busy"
            return None

        self.one["swift"].on("GET", "", once)
        self.open("regionOne").swift().get_account()
        self.assertEqual(3, len(self.one["swift"].sent))

    def test_swift_is_not_tried_again_for_ever(self):
        self.one["swift"].fail("GET", "", 503)
        connection = self.open("regionOne").swift()
        self.assertRaises(swift_exc.ClientException, connection.get_account)
        self.assertEqual(3, len(self.one["swift"].sent))


class Secrets(WithCloud):
    def test_nothing_that_is_logged_holds_the_token(self):
        cloud = self.open("regionOne")
        cloud.swift().get_account()
        list(cloud.heat.stacks.list())
        cloud.mistral.environments.list()
        self.assertNotIn(fakes.TOKEN, self.log.output)
        self.assertNotIn(fakes.TOKEN, json.dumps(cloud.names))
