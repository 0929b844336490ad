"""Clouds of the executors' clouds.yaml: another Keystone, TLS, tokens that expire."""

import threading
import uuid

import fixtures
from heatclient import exc as heat_exc

from tests.functional import base, certificates, clouds

TINY = {"heat_template_version": "2021-04-16", "resources": {"one": {"type": "OS::Heat::None"}}}

SLOW = {
    **base.PLAN,
    "servers/server.yaml": """heat_template_version: 2021-04-16
parameters:
  value: {type: string}
resources:
  pause: {type: OS::Heat::TestResource, properties: {value: x, wait_secs: 12}}
""",
}
"""A plan whose stack takes longer than the token lives."""


class SeveralClouds(base.FunctionalTestCase):
    """The home cloud, whose Mistral runs everything, and the edge cloud."""

    def setUp(self):
        super().setUp()
        self.edge = clouds.edge()
        self.edge_session = self.edge.session()
        self.edge_heat = base.heat_in(self.edge_session, "regionOne")
        self.edge_swift = base.swift_in(self.edge_session, "regionOne")
        self.name = f"edge-{uuid.uuid4().hex[:8]}"

    def find_undercloud(self):
        """Return the home cloud."""
        return clouds.two_regions()

    def use_edge(self, entry=None):
        """Let actions name the edge cloud."""
        entry = entry or clouds.by_password(self.edge, "regionOne")
        self.useFixture(clouds.NamedCloud(self.undercloud, self.name, entry))
        # Before the cloud is taken away again.
        self.addCleanup(self.remove_plan)

    def remove_plan(self):
        """Remove the test's plan and its stacks, wherever they are."""
        for heat in (self.heat, self.edge_heat):
            remove_stack(heat, self.plan)
        if self.plan in self.environments():
            self.action("tripleo.plan.delete", container=self.plan)

    def make_plan(self, files=None, **where):
        """Make the test's plan in a place."""
        self.run_action("tripleo.plan.create_container", container=self.plan, **where)
        swift = self.edge_swift if "cloud" in where else self.swift
        for path, content in (files or base.PLAN).items():
            swift.put_object(self.plan, path, content)
        self.run_action("tripleo.plan.create", container=self.plan, **where)

    def at_once(self, *works):
        """Do several things at the same time; return what they return."""
        done = [None] * len(works)

        def run(index):
            done[index] = works[index]()

        threads = [threading.Thread(target=run, args=(n,)) for n in range(len(works))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(base.SECONDS)
        return done

    def start(self, name, **inputs):
        """Start a workflow; return what waits for its end and returns state and output."""
        execution = self.mistral.executions.create(name, workflow_input=inputs)
        return lambda: self.ended(execution.id)


def find_stack(heat, name):
    """Return a stack or None."""
    try:
        found = heat.stacks.get(name, resolve_outputs=False)
    except heat_exc.HTTPNotFound:
        return None
    return None if found.stack_status == "DELETE_COMPLETE" else found


def remove_stack(heat, name):
    """Delete a stack and wait until it is gone."""
    if find_stack(heat, name):
        heat.stacks.delete(name)
        base.wait_for(lambda: not find_stack(heat, name), f"deletion of stack {name}")


class TestTwoClouds(SeveralClouds):
    def test_a_plan_in_two_clouds_is_deployed_in_both_at_once(self):
        self.use_edge()
        self.make_plan(action_region="regionOne")
        added = self.run_action(
            "tripleo.plan.add_placement",
            container=self.plan,
            cloud=self.name,
            action_region="regionOne",
        )
        self.assertEqual(f"{self.name}/regionOne", added["placement"])
        here = {"action_region": "regionOne"}
        there = {"cloud": self.name, "action_region": "regionOne"}
        deploy = "tripleo.deployment.v1.deploy_plan"
        waits = [self.start(deploy, container=self.plan, **where) for where in (here, there)]
        for wait in waits:
            state, output = wait()
            self.assertEqual(("SUCCESS", "DEPLOY_SUCCESS"), (state, output["deployment_status"]))
        stacks = [find_stack(heat, self.plan) for heat in (self.heat, self.edge_heat)]
        self.assertNotIn(None, stacks)
        self.assertNotEqual(stacks[0].id, stacks[1].id)
        # Where the plan's environment is, there is no trace of the other cloud's credentials.
        stored = self.mistral.environments.get(self.plan).variables
        self.assertNotIn(self.edge.directory.secret("user:admin"), str(stored))
        for swift in (self.swift, self.edge_swift):
            listed = {item["name"] for item in swift.get_container(self.plan)[1]}
            self.assertIn("overcloud.yaml", listed)

    def test_ten_of_each_go_to_their_own_cloud_alone(self):
        home = self.useFixture(clouds.Fronts(self.undercloud, f"home-{self.name}"))
        edge = self.useFixture(clouds.Fronts(self.edge, f"front-{self.name}"))
        entry = clouds.by_password(self.edge, f"front-{self.name}", auth_url=edge.auth_url)
        self.use_edge(entry)
        names = {
            place: [f"{place}-{self.name}-{number}" for number in range(10)]
            for place in ("home", "edge")
        }
        for place, heat in (("home", self.heat), ("edge", self.edge_heat)):
            for name in names[place]:
                heat.stacks.create(stack_name=name, template=TINY)
                self.addCleanup(remove_stack, heat, name)
            for name in names[place]:
                base.wait_for(
                    lambda heat=heat, name=name: (
                        find_stack(heat, name).stack_status == "CREATE_COMPLETE"
                    ),
                    name,
                )
        delete = "tripleo.stack.v1.delete_stack"
        waits = []
        for here, there in zip(names["home"], names["edge"], strict=True):
            waits.append(self.start(delete, stack=here, action_region=f"home-{self.name}"))
            waits.append(self.start(delete, stack=there, cloud=self.name))
        for wait in waits:
            state, output = wait()
            self.assertEqual("SUCCESS", state, output)
        for place, fronts in (("home", home), ("edge", edge)):
            paths = [request.path for request in fronts.proxies["orchestration"].requests]
            # Each was looked up, deleted and waited for.
            self.assertGreaterEqual(len(paths), 30)
            other = "edge" if place == "home" else "home"
            self.assertEqual([], [path for path in paths if f"{other}-{self.name}" in path])
            for name in names[place]:
                self.assertTrue(any(name in path for path in paths), name)
                self.assertIsNone(
                    find_stack(self.heat if place == "home" else self.edge_heat, name)
                )
        # One token served all of them: 30 or more actions asked Keystone a few times at most.
        asked = [r for r in edge.proxies["identity"].requests if r.path.endswith("/auth/tokens")]
        self.assertGreaterEqual(len(asked), 1)
        self.assertLessEqual(len(asked), 3)

    def test_a_run_outlives_its_token(self):
        self.useFixture(clouds.Options(self.edge, "keystone", {"token": {"expiration": 5}}))
        edge = self.useFixture(clouds.Fronts(self.edge, f"front-{self.name}"))
        self.use_edge(clouds.by_password(self.edge, f"front-{self.name}", auth_url=edge.auth_url))
        self.make_plan(SLOW, cloud=self.name)
        before = len(edge.proxies["identity"].requests)
        output = self.run_workflow("tripleo.deployment.v1.deploy_plan", container=self.plan)
        self.assertEqual("CREATE_COMPLETE", output["stack_status"])
        # Seen from the home cloud's Mistral, the token was replaced again and again.
        tokens = {request.token for request in edge.proxies["orchestration"].requests}
        self.assertGreater(len(tokens), 2)
        self.assertGreater(len(edge.proxies["identity"].requests), before + 2)
        self.assertIsNone(find_stack(self.heat, self.plan))


class TestWithinTLS(SeveralClouds):
    def setUp(self):
        super().setUp()
        self.authority = certificates.Authority(self.useFixture(fixtures.TempDir()).path)

    def fronts(self, **how):
        return self.useFixture(
            clouds.Fronts(self.edge, f"secure-{self.name}", certificate=self.authority.issue(**how))
        )

    def entry(self, secure, cacert=None):
        return clouds.by_password(
            self.edge, f"secure-{self.name}", auth_url=secure.auth_url, cacert=cacert
        )

    def test_a_plan_is_made_deployed_and_removed_with_the_authoritys_certificate(self):
        secure = self.fronts()
        self.use_edge(self.entry(secure, self.authority.path))
        self.make_plan(cloud=self.name)
        self.run_workflow("tripleo.deployment.v1.deploy_plan", container=self.plan)
        self.assertIsNotNone(find_stack(self.edge_heat, self.plan))
        self.run_workflow("tripleo.stack.v1.delete_stack", stack=self.plan)
        self.run_workflow("tripleo.plan_management.v1.delete_deployment_plan", container=self.plan)
        for proxy in secure.proxies.values():
            self.assertNotEqual((), proxy.requests)

    def test_application_credentials_do_as_well(self):
        """All but deploying: Keystone lets nobody make Heat's trusts with such a token."""
        secure = self.fronts()
        credential = self.useFixture(clouds.ApplicationCredential(self.edge))
        self.use_edge(
            credential.entry(
                f"secure-{self.name}", auth_url=secure.auth_url, cacert=self.authority.path
            )
        )
        self.make_plan(cloud=self.name)
        found = self.run_action("tripleo.parameters.get_flatten", container=self.plan)
        self.assertIn("Size", found["heat_resource_tree"]["parameters"])
        state, error = self.action("tripleo.deployment.deploy", container=self.plan, timeout=5)
        self.assertEqual(("ERROR", "NotAllowed"), (state, error["type"]), error)
        self.assertIsNone(find_stack(self.edge_heat, self.plan))

    def test_it_is_refused_without_or_with_another_authoritys(self):
        secure = self.fronts()
        other = certificates.Authority(self.useFixture(fixtures.TempDir()).path)
        for cacert in (None, other.path):
            with clouds.NamedCloud(self.undercloud, self.name, self.entry(secure, cacert)):
                error = self.refused()
            self.assertIn("not trusted", error["message"])
            self.assertIn("identity", error["message"])
        self.assertEqual((), secure.proxies["identity"].requests)

    def test_an_expired_certificate_is_refused(self):
        secure = self.fronts(expired=True)
        self.use_edge(self.entry(secure, self.authority.path))
        self.assertIn("expired", self.refused()["message"])

    def refused(self):
        state, error = self.action(
            "tripleo.stack.wait",
            stack=self.plan,
            until="does_not_exist",
            timeout=1,
            cloud=self.name,
        )
        self.assertEqual(("ERROR", "CertificateInvalid"), (state, error["type"]), error)
        return error


class TestBadClouds(SeveralClouds):
    def wait(self, **where):
        state, error = self.action(
            "tripleo.stack.wait", stack=self.plan, until="does_not_exist", timeout=1, **where
        )
        self.assertEqual("ERROR", state, error)
        return error

    def entry(self, **changed):
        entry = clouds.by_password(self.edge, "regionOne")
        entry["auth"].update(changed)
        return entry

    def test_unknown_cloud_names_those_there_are(self):
        error = self.wait(cloud="nowhere")
        self.assertEqual("CloudNotFound", error["type"])
        self.assertIn("undercloud", error["details"]["available"])

    def test_wrong_and_empty_region_name_those_there_are(self):
        self.use_edge()
        for region in ("nowhere", ""):
            error = self.wait(cloud=self.name, action_region=region)
            self.assertEqual("RegionNotFound", error["type"])
            self.assertIn("regionOne", error["details"]["available"])

    def test_wrong_password_is_told_without_it(self):
        self.use_edge(self.entry(password="canary-wrong"))
        error = self.wait(cloud=self.name)
        self.assertEqual("NotAllowed", error["type"])
        self.assertNotIn("canary", str(error))

    def test_keystone_that_is_down_hangs_or_redirects(self):
        front = self.useFixture(clouds.Fronts(self.edge, f"front-{self.name}", []))
        keystone = front.proxies["identity"]
        elsewhere = self.useFixture(clouds.Fronts(self.edge, f"else-{self.name}", []))
        self.use_edge(self.entry(auth_url=front.auth_url))
        with keystone.down():
            error = self.wait(cloud=self.name)
            self.assertEqual("ServiceUnavailable", error["type"])
            self.assertIn("cannot be reached", error["message"])
        location = f"{elsewhere.auth_url}/auth/tokens"
        for status in (302, 307):
            with keystone.answering(status, {"Location": location}):
                error = self.wait(cloud=self.name)
            self.assertEqual(
                ("ServiceRefused", status), (error["type"], error["details"]["status"])
            )
            self.assertIn(location, error["message"])
        # The password has not followed.
        self.assertEqual((), elsewhere.proxies["identity"].requests)
        options = {"tripleo": {"request_timeout": 2}}
        self.useFixture(clouds.Options(self.undercloud, "mistral", options))
        with keystone.hanging():
            error = self.wait(cloud=self.name)
        self.assertEqual("ServiceUnavailable", error["type"])
        self.assertIn("in time", error["message"])
