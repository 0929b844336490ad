"""Wrong input of every kind: a typed error, nothing half-made, the workflow in ERROR."""

import ddt

from tests.functional import base

CREATE = "tripleo.plan_management.v1.create_deployment_plan"
CREATE_DEFAULT = "tripleo.plan_management.v1.create_default_deployment_plan"
UPDATE = "tripleo.plan_management.v1.update_deployment_plan"
DELETE = "tripleo.plan_management.v1.delete_deployment_plan"
DEPLOY = "tripleo.deployment.v1.deploy_plan"
WAIT = "tripleo.stack.v1.wait_for_stack_complete_or_failed"

ROOT = "heat_template_version: 2021-04-16\nresources: {a: {type: OS::Heat::Value"
"""A root template up to the properties of its resource."""

MAP = (
    "root_template: overcloud.yaml\nroot_environment: registry.yaml\n"
    "topics: [{title: T, environment_groups: [{title: G, environments: "
)
"""A capabilities map up to its environments."""

# What is uploaded beside (or instead of) the good plan; the error's type; what the message names.
BAD_PLANS = (
    ("not_yaml", {"capabilities-map.yaml": "a: [1\nb: }"}, "YAMLInvalid", "capabilities-map.yaml:2"),
    ("a_list", {"capabilities-map.yaml": "- a\n"}, "YAMLInvalid", "must hold a mapping"),
    ("no_root", {"capabilities-map.yaml": "topics: []\n"}, "FileInvalid", "root_template"),
    ("no_map", {"capabilities-map.yaml": None}, "FileNotInPlan", "capabilities-map.yaml"),
    ("python_tag", {"registry.yaml": "a: !!python/object/apply:os.getcwd []\n"}, "YAMLInvalid", "registry.yaml:1"),
    ("template_missing", {"servers/server.yaml": None}, "FileNotInPlan", "servers/server.yaml"),
    ("file_missing", {"servers/greeting.txt": None}, "FileNotInPlan", "servers/greeting.txt"),
    ("environment_missing", {"registry.yaml": None}, "FileNotInPlan", "registry.yaml"),
    ("escapes", {"registry.yaml": "resource_registry: {A: ../../etc/a.yaml}\n"}, "PathInvalid", "../../etc/a.yaml"),
    ("absolute", {"registry.yaml": "resource_registry: {A: /etc/a.yaml}\n"}, "PathInvalid", "/etc/a.yaml"),
    ("file_url", {"registry.yaml": "resource_registry: {A: 'file:///etc/a.yaml'}\n"}, "PathInvalid", "file:///etc/a.yaml"),
    ("http_url", {"registry.yaml": "resource_registry: {A: 'http://x/a.yaml'}\n"}, "PathInvalid", "http://x/a.yaml"),
    ("get_file", {"overcloud.j2.yaml": ROOT + ", properties: {value: {get_file: /etc/passwd}}}}\n"}, "PathInvalid", "/etc/passwd"),
    ("get_file_url", {"overcloud.j2.yaml": ROOT + ", properties: {value: {get_file: 'file:///etc/passwd'}}}}\n"}, "PathInvalid", "file:///etc/passwd"),
    ("root_escapes", {"capabilities-map.yaml": "root_template: ../x.yaml\nroot_environment: registry.yaml\n"}, "PathInvalid", "../x.yaml"),
    ("jinja_syntax", {"overcloud.j2.yaml": "a: 1\n{% for x in %}\n"}, "TemplateInvalid", "overcloud.j2.yaml:2"),
    ("jinja_undefined", {"overcloud.j2.yaml": "a: 1\nb: 2\nc: {{ rolls }}\n"}, "TemplateInvalid", "overcloud.j2.yaml:3"),
    ("jinja_attribute", {"overcloud.j2.yaml": "{{ ''.__class__.__mro__[1].__subclasses__() }}\n"}, "TemplateInvalid", "overcloud.j2.yaml:1"),
    ("jinja_include", {"overcloud.j2.yaml": "{% include '../../etc/passwd' %}\n"}, "PathInvalid", "../../etc/passwd"),
    ("jinja_include_missing", {"overcloud.j2.yaml": "{% include 'nothing.j2' %}\n"}, "FileNotInPlan", "nothing.j2"),
    ("roles_twice", {"roles_data.yaml": "- name: A\n- name: A\n"}, "YAMLInvalid", "two roles A"),
    ("jinja_circle", {"overcloud.j2.yaml": "{% include 'a.j2' %}\n", "a.j2": "{% include 'overcloud.j2.yaml' %}"}, "TemplateInvalid", "overcloud.j2.yaml"),
    ("jinja_memory", {"overcloud.j2.yaml": "a: {{ 'x' * 10**11 }}\n"}, "TemplateInvalid", "render_memory_mib"),
    ("jinja_doubling", {"overcloud.j2.yaml": "{% set ns = namespace(x='x') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}\n"}, "TemplateInvalid", "overcloud.j2.yaml"),
    ("yaml_bomb", {"registry.yaml": "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(f"{chr(98+i)}: &{chr(98+i)} [{','.join(['*' + chr(97+i)] * 10)}]\n" for i in range(9))}, "YAMLInvalid", "aliases"),
    ("large_file", {"large.yaml": "x" * (9 * 2**20)}, "LimitExceeded", "file_max_mib"),
    ("map_file_missing", {"capabilities-map.yaml": MAP + "[{file: none.yaml}]}]}]\n"}, "FileInvalid", "none.yaml"),
    ("map_requires_missing", {"capabilities-map.yaml": MAP + "[{file: registry.yaml, requires: [none.yaml]}]}]}]\n"}, "FileInvalid", "none.yaml"),
    ("map_twice", {"capabilities-map.yaml": MAP + "[{file: registry.yaml}, {file: registry.yaml}]}]}]\n"}, "FileInvalid", "registry.yaml"),
    ("map_no_title", {"capabilities-map.yaml": "root_template: overcloud.yaml\nroot_environment: registry.yaml\ntopics: [{environment_groups: []}]\n"}, "FileInvalid", "topic 1"),
    ("map_bad_types", {"capabilities-map.yaml": "root_template: overcloud.yaml\nroot_environment: registry.yaml\ntopics: 7\n"}, "FileInvalid", "topics"),
    ("roles_no_list", {"roles_data.yaml": "name: A\n"}, "YAMLInvalid", "list of roles"),
)  # fmt: skip

REGISTRY = base.PLAN["registry.yaml"]

BAD_NAMES = ("", "1st", "a/b", "a.b", "a b", "../x", "x" * 65, "ünder", "a%2Fb")


def _with(change):
    files = {**base.PLAN, **change}
    return {path: content for path, content in files.items() if content is not None}


class BadInputTestCase(base.FunctionalTestCase):
    def assert_refused(self, workflow, error, words, **inputs):
        """Run a workflow that must end in ERROR with an error of that type and those words."""
        state, output = self.workflow(workflow, **inputs)
        self.assertEqual("ERROR", state, output)
        self.assertEqual("FAILED", output["status"])
        self.assertEqual(error, output["error"]["type"], output)
        self.assertEqual(output["message"], output["error"]["message"])
        self.assertIn(words, output["message"])
        return output


@ddt.ddt
class TestBadPlans(BadInputTestCase):
    @ddt.idata(BAD_PLANS)
    def test_creation_is_refused(self, case):
        _name, change, error, words = case
        files = _with(change)
        self.upload(files)
        self.assert_refused(CREATE, error, words, container=self.plan)
        self.assertNotIn(self.plan, self.environments())
        # What the user has uploaded is there, and nothing else.
        paths = {o["name"] for o in self.swift.get_container(self.plan)[1]}
        self.assertEqual(set(files), paths)

    @ddt.idata(BAD_PLANS)
    def test_an_update_is_refused_and_leaves_the_plan_as_it_was(self, case):
        _name, change, error, words = case
        self.upload(base.PLAN)
        self.run_workflow(CREATE, container=self.plan)
        before = self.mistral.environments.get(self.plan).variables
        rendered = self.swift.get_object(self.plan, "overcloud.yaml")[1]
        for path, content in change.items():
            if content is None:
                self.swift.delete_object(self.plan, path)
            else:
                self.swift.put_object(self.plan, path, content)
        self.assert_refused(UPDATE, error, words, container=self.plan)
        self.assertEqual(before, self.mistral.environments.get(self.plan).variables)
        self.assertEqual(rendered, self.swift.get_object(self.plan, "overcloud.yaml")[1])


@ddt.ddt
class TestBadRequests(BadInputTestCase):
    @ddt.data(*BAD_NAMES)
    def test_a_bad_name_is_refused_before_anything_is_made(self, name):
        before = self.containers(), self.environments()
        for workflow in (CREATE, CREATE_DEFAULT):
            self.assert_refused(workflow, "PlanNameInvalid", "letters, numbers", container=name)
        state, result = self.action("tripleo.plan.create_container", container=name)
        self.assertEqual(("ERROR", "PlanNameInvalid"), (state, result["type"]))
        self.assertEqual(set(), self.containers() & {name})
        self.assertFalse({name} & (self.containers() - before[0]))
        self.assertFalse({name} & (self.environments() - before[1]))

    @ddt.data(
        (UPDATE, {}),
        (DELETE, {}),
        (DEPLOY, {}),
    )
    @ddt.unpack
    def test_an_unknown_plan_is_named_with_those_that_exist(self, workflow, inputs):
        self.upload(base.PLAN)
        self.run_workflow(CREATE, container=self.plan)
        output = self.assert_refused(
            workflow, "PlanNotFound", "no-such-plan", container="no-such-plan", **inputs
        )
        self.assertIn(self.plan, output["error"]["details"]["available"])

    def test_an_existing_plan_is_refused_and_stays(self):
        self.upload(base.PLAN)
        self.run_workflow(CREATE, container=self.plan)
        before = {o["name"]: o["hash"] for o in self.swift.get_container(self.plan)[1]}
        for workflow in (CREATE, CREATE_DEFAULT):
            self.assert_refused(workflow, "PlanExists", self.plan, container=self.plan)
        after = {o["name"]: o["hash"] for o in self.swift.get_container(self.plan)[1]}
        self.assertEqual(before, after)
        self.assertIn(self.plan, self.environments())

    def test_a_container_that_is_not_there_is_named(self):
        self.assert_refused(CREATE, "ContainerNotFound", self.plan, container=self.plan)
        self.assert_nothing_left()

    def test_a_container_that_is_no_plan_is_not_deleted(self):
        self.swift.put_container(self.plan)
        self.addCleanup(self.swift.delete_container, self.plan)
        self.addCleanup(self.swift.delete_object, self.plan, "precious")
        self.swift.put_object(self.plan, "precious", "data")
        self.assert_refused(DELETE, "PlanNotFound", self.plan, container=self.plan)
        self.assertEqual(b"data", self.swift.get_object(self.plan, "precious")[1])

    def test_a_stack_that_is_not_there_is_named(self):
        self.assert_refused(WAIT, "StackNotFound", "no-such-stack", stack="no-such-stack")

    def test_what_heat_refuses_is_told_in_heats_words(self):
        # An environment of the user's own: only what is set as a parameter is checked by us.
        self.upload({**base.PLAN, "registry.yaml": f"{REGISTRY}parameter_defaults: {{Size: 10}}\n"})
        self.run_workflow(CREATE, container=self.plan)
        output = self.assert_refused(
            DEPLOY, "ServiceRefused", "10 is out of range", container=self.plan
        )
        self.assertEqual("DEPLOY_FAILED", output["deployment_status"])
        self.assertIsNone(self.stack(self.plan))

    def test_a_stack_that_fails_tells_its_cause(self):
        failing = """heat_template_version: 2021-04-16
parameters:
  value: {type: string}
resources:
  broken: {type: OS::Heat::TestResource, properties: {fail: true}}
"""
        self.upload({**base.PLAN, "servers/server.yaml": failing})
        self.run_workflow(CREATE, container=self.plan)
        output = self.assert_refused(DEPLOY, "StackFailed", "broken", container=self.plan)
        causes = output["error"]["details"]["causes"]
        self.assertIn("broken", {cause["resource"].rpartition(".")[2] for cause in causes})

    @ddt.data(
        ("tripleo.parameters.update", {"parameters": ["a"]}, "InputInvalid"),
        ("tripleo.parameters.update", {"parameters": {}, "key": "passwords"}, "InputInvalid"),
        ("tripleo.deployment.deploy", {"timeout": 0}, "InputInvalid"),
        ("tripleo.deployment.deploy", {"timeout": "soon"}, "InputInvalid"),
        ("tripleo.role.list", {"role_file_name": "../x"}, "PathInvalid"),
        ("tripleo.role.list", {"role_file_name": "none.yaml"}, "FileNotInPlan"),
        ("tripleo.templates.upload", {"templates_path": "/etc"}, "InputInvalid"),
        ("tripleo.plan.list", {"action_region": "regionNine"}, "RegionNotFound"),
        ("tripleo.plan.list", {"action_region": ""}, "RegionNotFound"),
        ("tripleo.plan.list", {"cloud": "no-such-cloud"}, "CloudNotFound"),
        ("tripleo.plan.list", {"cloud": 7}, "InputInvalid"),
        ("tripleo.stack.wait", {"stack": "x", "until": "doomsday", "timeout": 1}, "InputInvalid"),
    )
    @ddt.unpack
    def test_a_wrong_input_of_an_action_is_named(self, action, inputs, error):
        self.upload(base.PLAN)
        self.run_workflow(CREATE, container=self.plan)
        if "container" in self.mistral.actions.get(action).input:
            inputs = {**inputs, "container": self.plan}
        state, result = self.action(action, **inputs)
        self.assertEqual(("ERROR", error), (state, result["type"]), result)
