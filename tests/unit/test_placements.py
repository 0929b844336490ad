import copy
import json
import pathlib
import re

import ddt
import fixtures
import requests
import requests_mock
from keystoneauth1 import fixture as ksa_fixture

from tests.unit import base, fake_heat, fakes, test_plans
from tests.unit.test_plans import change, encoded, nothing, setting
from tripleo_common import exceptions, vault
from tripleo_common.plan import (
    candidate,
    container,
    history,
    passwords,
    placements,
    placing,
    plans,
    settings,
)
from tripleo_common.plan.placements import Placement

ONE, TWO, EDGE = (Placement(None, "one"), Placement(None, "two"), Placement("edge", "one"))
FAR = Placement("edge", "two")


@ddt.ddt
class Listed(base.TestCase):
    """What anybody may have written into a plan's environment."""

    @ddt.data({}, {"placements": None}, {"placements": []}, {"placements": {}}, {"placements": ""})
    def test_none(self, variables):
        self.assertEqual([], placements.listed(variables))

    def test_what_was_dumped(self):
        there = [ONE, Placement("edge", "one", {"A": {"b": [1]}}), TWO]
        variables = json.loads(json.dumps({"placements": placements.dump(there)}))
        self.assertEqual(there, placements.listed(variables))

    @ddt.data(
        "one",
        5,
        True,
        {"region": "one"},
        [None],
        ["one"],
        [5],
        [[]],
        [{}],
        [{"cloud": "edge"}],
        [{"region": None}],
        [{"region": 5}],
        [{"region": ["one"]}],
        [{"region": "one", "cloud": 5}],
        [{"region": "one", "cloud": ["edge"]}],
        [{"region": "one", "cloud": False}],
        [{"region": "one", "parameter_defaults": "A"}],
        [{"region": "one", "parameter_defaults": ["A"]}],
        [{"region": "one", "parameter_defaults": 1}],
        [{"region": "one"}, None],
    )
    def test_anything_else_is_refused(self, value):
        error = self.assertRaises(exceptions.FileInvalid, placements.listed, {"placements": value})
        self.assertIn("placements must hold a list", error.message)

    def test_same_place_twice_is_one_and_the_first_counts(self):
        found = placements.listed(
            {
                "placements": [
                    {"region": "one", "parameter_defaults": {"A": 1}},
                    {"region": "one", "cloud": "edge", "parameter_defaults": None},
                    {"region": "one", "cloud": None, "parameter_defaults": {"A": 2}, "x": 1},
                ]
            }
        )
        self.assertEqual([Placement(None, "one", {"A": 1}), EDGE], found)

    @ddt.data(None, [], "x", 5, {"one": "2"}, {"one": True}, {"one": None}, {"one": 1.5})
    def test_what_says_nothing_of_stale_placements_is_none(self, value):
        self.assertEqual({}, placements.stale({"stale": value}))

    def test_stale(self):
        self.assertEqual(
            {"one": 0, "edge/one": 3}, placements.stale({"stale": {"one": 0, "edge/one": 3}})
        )


NOWHERE, SEVERAL = exceptions.PlacementNotFound, exceptions.PlacementNotChosen


@ddt.ddt
class Choose(base.TestCase):
    """Which placement a call goes to: input, then the request's region, then the only one."""

    @ddt.data(
        # Placements; the inputs cloud and action_region; the request's region; what is chosen.
        ([ONE], None, None, None, ONE),
        ([ONE], None, "one", None, ONE),
        ([ONE], None, None, "one", ONE),
        ([ONE], None, "one", "two", ONE),
        ([ONE], None, "two", None, NOWHERE),
        ([ONE], None, None, "two", NOWHERE),
        ([ONE], None, "two", "one", NOWHERE),
        ([ONE], None, "", None, NOWHERE),
        ([ONE], "edge", None, None, NOWHERE),
        ([ONE], "edge", "one", "one", NOWHERE),
        ([ONE], "", None, None, NOWHERE),
        ([EDGE], None, None, None, EDGE),
        ([EDGE], "edge", None, None, EDGE),
        ([EDGE], "edge", "one", None, EDGE),
        # A region of the own cloud says nothing about a plan that is elsewhere.
        ([EDGE], None, None, "two", EDGE),
        ([EDGE], None, "one", None, NOWHERE),
        ([EDGE], "edge", "two", None, NOWHERE),
        ([ONE, TWO], None, None, None, SEVERAL),
        ([ONE, TWO], None, "two", None, TWO),
        ([ONE, TWO], None, None, "two", TWO),
        ([ONE, TWO], None, "one", "two", ONE),
        ([ONE, TWO], None, "three", "two", NOWHERE),
        ([ONE, TWO], None, None, "three", NOWHERE),
        ([ONE, TWO], "edge", None, "two", NOWHERE),
        # The same name of a region in two clouds.
        ([ONE, EDGE], None, None, None, SEVERAL),
        ([ONE, EDGE], None, "one", None, ONE),
        ([ONE, EDGE], None, None, "one", ONE),
        ([ONE, EDGE], "edge", None, None, EDGE),
        ([ONE, EDGE], "edge", "one", None, EDGE),
        ([ONE, EDGE], "edge", "one", "one", EDGE),
        ([ONE, EDGE], "edge", None, "one", EDGE),
        ([ONE, EDGE], None, None, "two", NOWHERE),
        ([EDGE, FAR], None, None, None, SEVERAL),
        ([EDGE, FAR], None, None, "one", SEVERAL),
        ([EDGE, FAR], "edge", None, None, SEVERAL),
        ([EDGE, FAR], "edge", None, "two", SEVERAL),
        ([EDGE, FAR], "edge", "two", None, FAR),
        ([ONE, EDGE, FAR], "edge", None, None, SEVERAL),
        ([ONE, EDGE, FAR], None, None, "one", ONE),
    )
    @ddt.unpack
    def test_each(self, there, cloud, region, requested, expected):
        if isinstance(expected, Placement):
            found = placements.choose("plan", there, cloud, region, requested)
            self.assertEqual(expected, found)
        else:
            error = self.assertRaises(
                expected, placements.choose, "plan", there, cloud, region, requested
            )
            self.assertLessEqual(set(error.placements), {place.name for place in there})
            self.assertIn("plan", error.message)
            for name in error.placements:
                self.assertIn(name, error.message)

    def test_of_several_in_a_named_cloud_only_these_are_told(self):
        there = [ONE, EDGE, FAR]
        error = self.assertRaises(SEVERAL, placements.choose, "plan", there, "edge", None, None)
        self.assertEqual(["edge/one", "edge/two"], error.placements)


class TwoRegions(fakes.Cloud):
    """Two regions with a Swift and a Heat each; the first has Mistral for both."""

    def __init__(self):
        super().__init__(("regionOne", "regionTwo"))

    def token(self):
        token = super().token()
        for service in token["token"]["catalog"]:
            if service["type"] == "workflowv2":
                service["endpoints"] = [
                    each for each in service["endpoints"] if each["region"] == "regionOne"
                ]
        return token


class WithPlacements(base.TestCase):
    """A plan that is placed in two regions; each call opens the clouds anew, as an action does."""

    def setUp(self):
        super().setUp()
        self.useFixture(
            fixtures.MonkeyPatch("tripleo_common.plan.rendering.run", test_plans.rendered)
        )
        self.start_executor()
        self.use_keys()
        self.set_options(transfer_threads=1)
        self.cloud = self.useFixture(TwoRegions())
        self.mistral = self.cloud.mistral
        self.one, self.two = (self.cloud.by_region[name] for name in self.cloud.regions)
        for services in (self.one, self.two):
            services["heat"].on("POST", r"^/validate", validate)

    def at(self, region=None, cloud=None, **security):
        """Return the plans as a call with these inputs finds them."""
        return plans.Plans(self.cloud.reach(**security), cloud, region)

    def make(self, region="regionOne", cloud=None, files=None):
        self.at(region, cloud).create("plan", change(), files=encoded(files or test_plans.FILES))

    def add(self, region="regionTwo", cloud=None, *, by=None, sync=True):
        committed, _place = placing.add(
            self.at(region, cloud), "plan", cloud, region, by or change(), sync=sync
        )
        return committed

    def remove(self, region="regionTwo", cloud=None, *, by=None, **more):
        return placing.remove(self.at(region, cloud), "plan", cloud, region, by or change(), **more)

    def place(self, **more):
        """Make the plan, and place it in both regions."""
        self.make(**more)
        self.set(A="first")
        self.add()

    def set(self, region="regionOne", cloud=None, *, by=None, **values):
        return self.at(region, cloud).change("plan", by or change(), setting(**values))

    def override(self, region, cloud=None, **values):
        return settings.update_parameters(
            self.at(region, cloud), "plan", values, change(), placement_only=True
        )

    def sync(self, region=None, cloud=None):
        told = placing.sync(self.at(region, cloud), "plan", change())
        return {each["placement"]: each["state"] for each in told}

    def read(self, region, cloud=None):
        return self.at(region, cloud).read("plan")

    def seen(self, region, cloud=None):
        """Return files and variables, as a process finds them there that knows nothing."""
        self.start_executor()
        state = self.read(region, cloud)
        return dict(state.files.contents), dict(state.variables)

    def show(self, region=None, cloud=None):
        shown = history.show(self.at(region, cloud), "plan")
        return {place["name"]: place for place in shown["placements"]}

    def revisions(self, region, cloud=None):
        return [each["revision"] for each in history.history(self.at(region, cloud), "plan")]

    @property
    def variables(self):
        return self.mistral.environments["plan"]

    def objects(self, services):
        return services["swift"].containers["plan"]

    def down(self, service):
        """Let a service answer nobody; return what lets it answer again."""

        def refuse(request, _context):
            raise requests.exceptions.ConnectionError(request=request)

        for method in ("GET", "HEAD", "PUT", "POST", "DELETE"):
            service.on(method, "", refuse)

        def up():
            service._hooks[:] = [hook for hook in service._hooks if hook[2] is not refuse]

        return up

    def state(self):
        return copy.deepcopy(
            (
                self.mistral.environments,
                *(
                    (each["swift"].containers, each["swift"].metadata)
                    for each in self.all_services()
                ),
            )
        )

    def all_services(self):
        return list(self.cloud.by_region.values())

    def restore(self, state):
        environments, *swifts = copy.deepcopy(state)
        self.mistral.environments = environments
        for services, (containers, metadata) in zip(self.all_services(), swifts, strict=True):
            services["swift"].containers, services["swift"].metadata = containers, metadata

    def the_lock_expires(self):
        if "plan.lock" in self.mistral.environments:
            self.mistral.environments["plan.lock"]["expires"] = "2020-01-01T00:00:00+00:00"

    def assert_whole(self, *services, revision=None):
        """Assert that placements show the plan's revision, and have all of its history."""
        current = self.variables["revision"]
        self.assertEqual(revision or current, current)
        self.assertNotIn("stale", self.variables)
        known = [
            history_of(each["swift"].containers["plan.revisions"], current) for each in services
        ]
        for each, numbers in zip(services, known, strict=True):
            self.assertEqual(known[0], numbers)
            self.assertIn(current, numbers)
            metadata = each["swift"].metadata["plan"]
            self.assertEqual(str(current), metadata[container.REVISION_HEADER])
            self.assertEqual(self.objects(services[0]), self.objects(each))

    def stored(self):
        """Return everything that is stored anywhere, unpacked."""
        found = [json.dumps(self.mistral.environments)]
        for services in self.all_services():
            for objects in services["swift"].containers.values():
                found += [f"{path} {fake_heat._unpacked(each)}" for path, each in objects.items()]
        return "\n".join(found)


def history_of(archived, current):
    """Return the revisions that an archive has: number to what it was, its files included."""
    records = [json.loads(each) for path, each in archived.items() if path.startswith("revisions/")]
    return {
        record["revision"]: (
            {key: value for key, value in record.items() if key != "supersedes"},
            fake_heat._unpacked(archived[f"files/{record['files']}.tar.gz"]),
        )
        for record in records
        if record["revision"] <= current
    }


def validate(request, context):
    context.headers["Content-Type"] = "application/json"
    return json.dumps(fake_heat.validate(json.loads(request.body)))


CLOUDS = """
clouds:
  edge:
    auth:
      auth_url: http://keystone.edge.test:5000/v3
      username: edge-user
      password: canary-password-91
      project_name: edge-project
      user_domain_name: Default
      project_domain_name: Default
"""


class WithEdge(WithPlacements):
    """There is a cloud "edge" besides, whose only region has the name of one of ours.

    :ivar edge: its services.
    :ivar tokens: the requests for a token there.
    """

    REGION = "regionOne"

    def setUp(self):
        super().setUp()
        file = pathlib.Path(self.temporary()) / "clouds.yaml"
        file.write_text(CLOUDS)
        self.useFixture(fixtures.MonkeyPatch("openstack.config.loader.CONFIG_FILES", [str(file)]))
        token = ksa_fixture.V3Token(user_id="u2", user_name="edge-user", project_id="p2")
        self.edge = {
            "swift": fakes.Swift("http://swift.edge.test:8080/v1/AUTH_p2"),
            "heat": fakes.Heat("http://heat.edge.test:8004/v1/p2"),
        }
        for (name, service), kind in zip(
            self.edge.items(), ("object-store", "orchestration"), strict=True
        ):
            service.executor = self.cloud.executor if name == "swift" else None
            token.add_service(kind, name).add_standard_endpoints(
                public=service.url, region=self.REGION
            )
            self.cloud.http.register_uri(
                requests_mock.ANY,
                re.compile("^" + re.escape(service.url.split("/v1")[0]) + "/"),
                content=service,
            )
        self.edge["heat"].on("POST", r"^/validate", validate)
        self.keystone = self.cloud.http.post(
            "http://keystone.edge.test:5000/v3/auth/tokens",
            json=token,
            status_code=201,
            headers={"X-Subject-Token": "canary-edge-token"},
        )

    def all_services(self):
        return [*super().all_services(), self.edge]


@ddt.ddt
class Calls(WithEdge):
    """A call goes to the placement that it, the request, or the plan says."""

    def test_home_is_where_it_was_made(self):
        self.make("regionTwo")
        self.assertEqual(
            [{"cloud": None, "region": "regionTwo", "parameter_defaults": {}}],
            self.variables["placements"],
        )
        self.assertEqual({}, self.one["swift"].containers)
        self.assertEqual({"plan", "plan.revisions"}, set(self.two["swift"].containers))
        # Its only placement needs no naming, whatever is configured.
        self.set_options(region="regionOne")
        self.assertEqual(1, self.read(None).revision)

    def test_home_can_be_in_another_cloud(self):
        self.make(None, "edge")
        self.assertEqual("edge", self.variables["placements"][0]["cloud"])
        self.assertEqual({"plan", "plan.revisions"}, set(self.edge["swift"].containers))
        for services in (self.one, self.two):
            self.assertEqual({}, services["swift"].containers)
        for security in ({}, {"region_name": "regionTwo"}):
            self.assertEqual(1, self.at(**security).read("plan").revision)

    def test_without_a_placement_and_a_choice_there_is_none(self):
        self.assertRaises(exceptions.RegionNotChosen, self.make, None)
        self.assertEqual({}, self.mistral.environments)
        self.assertRaises(exceptions.RegionNotFound, self.make, "")
        self.assertRaises(exceptions.RegionNotFound, self.make, "nowhere")
        self.assertRaises(exceptions.CloudNotFound, self.make, None, "nowhere")
        self.assertEqual({}, self.mistral.environments)

    def test_configured_region_is_for_plans_that_are_not_placed_yet(self):
        self.set_options(region="regionTwo")
        self.make(None)
        self.assertEqual("regionTwo", self.variables["placements"][0]["region"])
        self.add("regionOne")
        self.assertRaises(exceptions.PlacementNotChosen, self.read, None)

    @ddt.data(
        # Inputs, the request's region, and where the call goes.
        ("regionTwo", None, "regionOne", "regionTwo"),
        (None, None, "regionOne", "regionOne"),
        (None, "edge", "regionTwo", "edge/regionOne"),
        ("regionOne", None, "regionTwo", "regionOne"),
        ("regionOne", "edge", None, "edge/regionOne"),
    )
    @ddt.unpack
    def test_call_works_in_its_placement_alone(self, region, cloud, requested, name):
        self.place()
        self.add("regionOne", "edge")
        for services in self.all_services():
            services["swift"].requests.clear()
        state = self.at(region, cloud, region_name=requested).read("plan")
        self.assertEqual(name, state.placement.name)
        asked = dict(
            zip(("regionOne", "regionTwo", "edge/regionOne"), self.all_services(), strict=True)
        )
        for other, services in asked.items():
            self.assertEqual(other == name, bool(services["swift"].requests), other)

    @ddt.data((None, None), (None, "edge"))
    @ddt.unpack
    def test_refusals_name_what_there_is(self, region, cloud):
        self.place()
        if cloud:
            error = self.assertRaises(exceptions.PlacementNotFound, self.read, region, cloud)
            self.assertIn("no placement in edge", error.message)
        else:
            error = self.assertRaises(exceptions.PlacementNotChosen, self.read, None)
        self.assertEqual(["regionOne", "regionTwo"], error.placements)
        self.assertIn("regionOne, regionTwo", error.message)

    def test_region_that_is_no_placement_is_refused_before_anything_is_asked_there(self):
        self.make()
        error = self.assertRaises(exceptions.PlacementNotFound, self.read, "regionTwo")
        self.assertEqual(("regionTwo", ["regionOne"]), (error.placement, error.placements))
        self.assertEqual([], self.two["swift"].requests)
        self.assertRaises(
            exceptions.PlacementNotFound, self.at(region_name="regionTwo").read, "plan"
        )
        for work in (self.set, self.read, self.sync, self.show, self.revisions):
            self.assertRaises(exceptions.PlacementNotFound, work, "regionTwo")
        self.assertRaises(
            exceptions.PlacementNotFound, self.at("regionTwo").delete, "plan", change()
        )

    def test_plans_are_listed_wherever_they_are_and_where_a_call_says(self):
        self.make("regionTwo")
        self.assertEqual(["plan"], self.at().names())
        self.assertEqual(["plan"], self.at("regionTwo").names())
        self.assertEqual([], self.at("regionOne").names())
        self.assertEqual([], self.at(None, "edge").names())

    @ddt.data(None, "regionOne")
    def test_plan_that_is_not_there_is_told_with_those_that_are(self, region):
        self.make("regionTwo")
        error = self.assertRaises(
            exceptions.PlanNotFound, self.at(region).change, "other", change(), nothing
        )
        self.assertEqual(["plan"], error.available)
        error = self.assertRaises(
            exceptions.PlanNotFound,
            placing.add,
            self.at(),
            "other",
            None,
            "regionOne",
            change(),
            sync=True,
        )
        self.assertEqual(["plan"], error.available)

    def test_what_clients_made_of_the_environment_is_told_and_nothing_is_done(self):
        self.place()
        self.variables["placements"] = [{"region": 5}]
        for work in (self.read, self.set, self.sync, self.show, self.add, self.remove):
            self.assertRaises(exceptions.FileInvalid, work, "regionTwo")

    @ddt.data({"regionTwo": "x"}, ["regionTwo"], 5, {"regionTwo": True})
    def test_nonsense_about_stale_placements_is_no_obstacle(self, value):
        self.place()
        self.variables["stale"] = value
        self.set(A="second")
        self.assert_whole(self.one, self.two)

    def test_placements_survive_a_client_that_replaces_the_environment(self):
        self.place()
        self.override("regionTwo", A="two")
        before = self.variables["placements"]
        kept = ("template", "environments", "parameter_defaults", "passwords")
        self.mistral.environments["plan"] = {key: self.variables[key] for key in kept}
        self.set("regionTwo", B="b")
        self.assertEqual(before, self.variables["placements"])
        self.assert_whole(self.one, self.two)

    def test_client_that_replaces_the_environment_makes_no_stale_placement_good(self):
        self.place()
        up = self.down(self.two["swift"])
        self.at("regionOne").change("plan", change(), self.edit)
        self.set(A="second")
        up()
        for key in ("stale", "placements", "revision", "files", "digest", "request", "rendered"):
            self.variables.pop(key, None)
        error = self.assertRaises(exceptions.PlacementStale, self.read, "regionTwo")
        self.assertEqual((3, 5), (error.revision, error.current))
        self.set("regionOne", A="third")
        self.sync()
        self.assert_whole(self.one, self.two)
        state = self.read("regionTwo")
        self.assertEqual(
            ([], {"A": "third"}), (state.direct, state.variables["parameter_defaults"])
        )

    @staticmethod
    def edit(candidate):
        candidate.files["environments/ha.yaml"] = b"parameter_defaults: {B: changed}\n"


@ddt.ddt
class Overrides(WithPlacements):
    """Values of parameters that hold in one placement."""

    def setUp(self):
        super().setUp()
        self.place(files={**test_plans.FILES, "service.yaml": test_plans.SERVICE})
        self.set(A="shared", B="shared")

    def given(self, region, *, passwords_too=False):
        """Return the values that Heat is given in a region."""
        opened = self.at(region)
        found = opened.candidate(opened.read("plan")).given
        last = found.environment_files[-1]
        values = candidate.yaml_files.load(found.files[last], last)["parameter_defaults"]
        return {n: v for n, v in values.items() if passwords_too or n != "AdminPassword"}

    def values(self, region):
        return settings.get_parameters(self.at(region), "plan")[1]

    def test_value_holds_in_its_placement_alone(self):
        _committed, tree, values = self.override("regionTwo", A="two")
        self.assertEqual({"A": "two", "B": "shared"}, values)
        self.assertEqual("two", tree["Parameters"]["A"]["Value"])
        self.assertEqual({"A": "shared", "B": "shared"}, self.given("regionOne"))
        self.assertEqual({"A": "two", "B": "shared"}, self.given("regionTwo"))
        self.assertEqual({"A": "shared", "B": "shared"}, self.values("regionOne"))
        self.assertEqual({"A": "two", "B": "shared"}, self.values("regionTwo"))
        self.assertEqual({"A": "shared", "B": "shared"}, self.variables["parameter_defaults"])
        self.assert_whole(self.one, self.two)

    def test_shared_value_goes_to_both_but_where_it_is_overridden(self):
        self.override("regionTwo", A="two")
        settings.update_parameters(self.at("regionOne"), "plan", {"A": "new", "B": "new"}, change())
        self.assertEqual({"A": "new", "B": "new"}, self.given("regionOne"))
        self.assertEqual({"A": "two", "B": "new"}, self.given("regionTwo"))

    def test_shared_value_can_be_set_from_the_placement_that_overrides_it(self):
        self.override("regionTwo", A="two")
        _committed, _tree, values = settings.update_parameters(
            self.at("regionTwo"), "plan", {"A": "new"}, change()
        )
        self.assertEqual("new", self.variables["parameter_defaults"]["A"])
        self.assertEqual("two", values["A"])

    def test_reset_takes_those_that_are_meant(self):
        self.override("regionTwo", A="two")
        self.override("regionOne", A="one")
        settings.reset_parameters(self.at("regionTwo"), "plan", change(), placement_only=True)
        self.assertEqual({"A": "shared", "B": "shared"}, self.given("regionTwo"))
        self.assertEqual({"A": "one", "B": "shared"}, self.given("regionOne"))
        settings.reset_parameters(self.at("regionTwo"), "plan", change())
        self.assertEqual({"A": "one"}, self.given("regionOne"))

    def test_needs_to_know_which_placement(self):
        self.assertRaises(exceptions.PlacementNotChosen, self.override, None, A="x")
        self.assertRaises(
            exceptions.PlacementNotChosen,
            settings.reset_parameters,
            self.at(),
            "plan",
            change(),
            placement_only=True,
        )

    def test_faulty_one_is_refused_as_a_shared_one_is(self):
        before = self.state()
        for values in ({"Unknown": 1}, {"ControllerCount": "many"}, {"A": ["x"]}):
            error = self.assertRaises(
                exceptions.ParametersInvalid, self.override, "regionTwo", **values
            )
            self.assertEqual(list(values), [fault["name"] for fault in error.faults])
        self.assertEqual(before[0], self.state()[0])

    def test_same_value_again_is_no_change(self):
        self.override("regionTwo", A="two", Hidden="canary")
        committed, _tree, _values = self.override("regionTwo", A="two", Hidden="canary")
        self.assertFalse(committed.changed)

    def test_plan_that_lists_no_placement_yet_gets_one_by_it(self):
        del self.variables["placements"]
        for services in (self.one, self.two):
            for path, content in services["swift"].containers["plan.revisions"].items():
                if path.startswith("revisions/"):
                    record = json.loads(content)
                    record["environment"].pop("placements")
                    services["swift"].containers["plan.revisions"][path] = json.dumps(
                        record
                    ).encode()
        self.override("regionTwo", A="two")
        self.assertEqual(
            [{"cloud": None, "region": "regionTwo", "parameter_defaults": {"A": "two"}}],
            self.variables["placements"],
        )

    def test_redelivered_change_tells_what_holds_there(self):
        by = change(request="r1")

        def work():
            return settings.update_parameters(
                self.at("regionTwo"),
                "plan",
                {"A": "two", "Hidden": "canary"},
                by,
                placement_only=True,
            )

        first, _tree, values = work()
        again, _tree, told = work()
        self.assertEqual((first.revision, values), (again.revision, told))
        self.assertEqual({"A": "two", "B": "shared", "Hidden": "******"}, told)

    def test_hidden_one_is_encrypted_wherever_it_is_stored_and_masked_wherever_it_is_shown(self):
        secret = "canary-override-5512"
        _committed, tree, values = self.override("regionTwo", Hidden=secret)
        self.assertEqual("******", values["Hidden"])
        shown = [
            tree,
            values,
            self.show("regionOne"),
            self.show("regionTwo"),
            settings.get_parameters(self.at("regionTwo"), "plan"),
            history.history(self.at("regionTwo"), "plan"),
            history.diff(self.at("regionTwo"), "plan"),
            history.diff(self.at("regionTwo"), "plan", 1),
        ]
        self.set(A="x")
        history.export(self.at("regionTwo"), "plan")
        history.export(self.at("regionOne"), "plan", exports_container="other")
        self.assertNotIn(secret, json.dumps(shown))
        self.assertNotIn(secret, self.stored())
        self.assertNotIn(secret, self.log.output)
        stored = self.variables["placements"][1]["parameter_defaults"]["Hidden"]
        self.assertEqual(secret, vault.Vault.from_options().decrypt(stored, ""))
        self.assertNotIn(stored, json.dumps(shown))
        self.assertEqual(secret, self.given("regionTwo")["Hidden"])
        self.assertNotIn("Hidden", self.given("regionOne"))
        self.assertEqual({"Hidden": "******"}, self.show()["regionTwo"]["parameters"])

    def test_hidden_one_that_somebody_wrote_in_clear_is_encrypted_by_the_next_change(self):
        self.variables["placements"][1]["parameter_defaults"] = {"Hidden": "canary-clear"}
        self.assertEqual({"Hidden": "******"}, self.show("regionOne")["regionTwo"]["parameters"])
        self.set(A="x")
        self.assertNotIn("canary-clear", self.stored())
        self.assertEqual("canary-clear", self.given("regionTwo")["Hidden"])

    def test_nothing_is_shown_of_overrides_while_nobody_knows_what_is_secret(self):
        self.override("regionTwo", A="two")
        self.variables["template"] = "gone.yaml"
        shown = self.show("regionOne")
        self.assertEqual({"A": "******"}, shown["regionTwo"]["parameters"])

    def test_mask_that_comes_back_keeps_the_value(self):
        self.override("regionTwo", Hidden="canary")
        self.override("regionTwo", Hidden="******", A="two")
        self.assertEqual("canary", self.given("regionTwo")["Hidden"])

    def test_password_that_is_overridden_is_told_where_it_is(self):
        settings.generate_passwords(self.at("regionOne"), "plan", change())
        self.assertEqual(["AdminPassword"], sorted(self.variables["passwords"]))
        self.variables["environments"].append({"path": "service-environment.yaml"})
        for services in (self.one, self.two):
            self.objects(services)["service-environment.yaml"] = (
                b"resource_registry: {OS::TripleO::Extra: service.yaml}\n"
            )
        self.set()
        self.override("regionTwo", A="x")

        def revealed(region):
            return settings.get_passwords(self.at(region), "plan", reveal=True)["AdminPassword"]

        shared = revealed("regionOne")
        self.assertEqual(shared, revealed("regionTwo"))
        self.variables["placements"][1]["parameter_defaults"]["AdminPassword"] = "canary-two"
        self.set(B="x")
        self.assertEqual(shared, revealed("regionOne"))
        self.assertEqual("canary-two", revealed("regionTwo"))
        self.assertEqual("canary-two", self.given("regionTwo", passwords_too=True)["AdminPassword"])
        self.assertNotIn("canary-two", self.stored())
        self.useFixture(
            fixtures.MockPatchObject(passwords, "rotate", lambda *_: {"AdminPassword": "new"})
        )
        *_, overridden = settings.generate_passwords(
            self.at("regionTwo"), "plan", change(), rotate=True
        )
        self.assertEqual(["AdminPassword"], overridden)
        *_, overridden = settings.generate_passwords(
            self.at("regionOne"), "plan", change(), rotate=True
        )
        self.assertEqual([], overridden)

    def asked(self):
        return [
            services["heat"].requests.count("POST /validate") for services in (self.one, self.two)
        ]

    def test_heats_answer_is_kept_for_each_placement_and_override(self):
        for region in self.cloud.regions:
            self.values(region)
        self.assertEqual([1, 1], self.asked())
        for region in self.cloud.regions:
            self.start_executor()
            self.values(region)
        self.assertEqual([1, 1], self.asked())
        self.override("regionTwo", A="two")
        self.values("regionTwo")
        self.assertEqual([1, 2], self.asked())
        # The other placement's answer does not depend on it.
        self.values("regionOne")
        self.assertEqual([1, 2], self.asked())
        tree = settings.get_parameters(self.at("regionOne"), "plan")[0]
        self.assertEqual("shared", tree["Parameters"]["A"]["Value"])

    def test_going_back_keeps_the_placements_and_takes_the_old_overrides(self):
        self.override("regionTwo", A="old")
        revision = self.read("regionOne").revision
        self.override("regionTwo", A="new", B="new")
        self.override("regionOne", B="one")
        history.rollback(self.at("regionOne"), "plan", revision, change())
        self.assertEqual({"A": "old", "B": "shared"}, self.given("regionTwo"))
        self.assertEqual({"A": "shared", "B": "shared"}, self.given("regionOne"))
        # To before it was placed there.
        history.rollback(self.at("regionTwo"), "plan", 1, change())
        self.assertEqual(
            [("regionOne", {}), ("regionTwo", {})],
            [(p["region"], p["parameter_defaults"]) for p in self.variables["placements"]],
        )
        self.assert_whole(self.one, self.two)
        # To when it was placed in more.
        self.remove("regionTwo")
        history.rollback(self.at("regionOne"), "plan", revision, change())
        self.assertEqual(
            [("regionOne", {})],
            [(p["region"], p["parameter_defaults"]) for p in self.variables["placements"]],
        )
        self.assertEqual({}, self.two["swift"].containers)

    def test_removed_placement_takes_its_overrides_along(self):
        self.override("regionTwo", A="two", Hidden="canary")
        self.remove("regionTwo")
        self.add("regionTwo")
        self.assertEqual({"A": "shared", "B": "shared"}, self.given("regionTwo"))
