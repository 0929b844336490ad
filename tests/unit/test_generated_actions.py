import datetime
import json
import re
import subprocess
import sys
import urllib.parse
from pathlib import Path

import ddt
import fixtures
import requests
from mistral_lib import actions as mistral_actions
from mistral_lib import exceptions as mistral_exc
from mistral_lib import serialization, utils
from mistral_lib.actions import base as mistral_base

from tests.unit import base, fakes
from tripleo_common import exceptions
from tripleo_common.actions.generated import mapping, methods, plain, provider

IMAGE = "http://glance.test:9292"
IRONIC = "http://ironic.test:6385"
INSPECTOR = "http://inspector.test:5050"
KEYSTONE = "http://keystone.test:5000/identity"
NOVA = "http://nova.test:8774/v2.1"
NEUTRON = "http://neutron.test:9696"
SERVICES = {
    "image": IMAGE,
    "baremetal": IRONIC,
    "baremetal-introspection": INSPECTOR,
    "identity": KEYSTONE,
    "compute": NOVA,
    "network": NEUTRON,
}
JSON = {"Content-Type": "application/json"}
CONTRACT = {
    "heat.stacks_list": {"filters", "limit", "marker"},
    "heat.stacks_create": {
        "stack_name!",
        "template",
        "parameters",
        "files",
        "environment",
        "timeout_mins",
        "disable_rollback",
    },
    "heat.stacks_get": {"stack_id!", "resolve_outputs"},
    "swift.get_container": {"container!", "prefix", "delimiter", "limit", "full_listing"},
    "swift.put_object": {"container!", "obj!", "contents!", "headers"},
    "glance.images_list": {"filters", "limit"},
    "glance.images_create": {"name", "disk_format", "container_format", "properties"},
    "ironic.node_list": {"limit", "fields", "detail", "provision_state"},
    "ironic.node_create": {"driver!", "name", "driver_info", "properties", "resource_class"},
    "ironic.node_set_provision_state": {"node_uuid!", "state!", "cleansteps", "configdrive"},
    "ironic_inspector.introspect": {"node_id!"},
    "ironic_inspector.rules_create": {"conditions!", "actions!"},
    "keystone.projects_list": {"domain", "name"},
    "keystone.users_create": {"name!", "password"},
    "mistral.environments_get": {"name!"},
    "mistral.executions_create": {"wf_identifier", "workflow_input", "params"},
}
"""What users need at least; required with an exclamation mark."""


class Cloud(fakes.Cloud):
    """A cloud with more services, which tests answer for."""

    def token(self):
        token = super().token()
        for kind, url in SERVICES.items():
            service = token.add_service(kind, kind)
            for region in self.regions:
                service.add_standard_endpoints(public=url, region=region)
        return token


class TestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.cloud = self.useFixture(Cloud())

    def find(self, name):
        return provider.Provider().find(name)

    def start(self, name, /, **inputs):
        """Run an action as Mistral does: checked, made, sent to an executor, run."""
        described = self.find(name)
        described.check_parameters(inputs)
        serializer = serialization.get_polymorphic_serializer()
        sent = serializer.serialize(described.instantiate(inputs, {}))
        return serializer.deserialize(sent).run(self.cloud.context())

    def run_action(self, name, /, **inputs):
        result = self.start(name, **inputs)
        self.assertNotIsInstance(result, mistral_actions.Result, getattr(result, "error", None))
        self.assertEqual(result, json.loads(json.dumps(result)))
        return result

    def fail_action(self, name, /, **inputs):
        result = self.start(name, **inputs)
        self.assertIsInstance(result, mistral_actions.Result, result)
        return result.error

    def sent(self, start):
        """Return method and URL of the requests to a service."""
        return [
            (request.method, urllib.parse.unquote(request.url.removeprefix(start)))
            for request in self.cloud.http.request_history
            if request.url.startswith(start)
        ]

    def use_mapping(self, text):
        path = Path(self.temporary()) / "mapping.yaml"
        path.write_text(text)
        self.set_options(openstack_actions_mapping=str(path))


@ddt.ddt
class Descriptors(TestCase):
    def test_every_action_of_the_mapping_is_there(self):
        named = {
            f"openstack.{method.key}"
            for module in mapping.load().values()
            for method in module.methods.values()
        }
        listed = [found.name for found in provider.Provider().find_all()]
        self.assertEqual(named, set(listed))
        self.assertEqual(len(named), len(listed))

    def test_mistral_reads_inputs_as_they_are(self):
        for found in provider.Provider().find_all():
            method = mapping.load()[found.name.split(".")[1]].methods[found.name.split(".")[2]]
            read = utils.get_dict_from_string(found.params_spec)
            self.assertEqual([*method.inputs, *method.module.routing], list(read), found.name)
            required = {k for k, v in read.items() if v is utils.NotDefined}
            self.assertEqual(
                {k for k, v in method.inputs.items() if v is mapping.REQUIRED}, required
            )

    @ddt.data(*CONTRACT)
    def test_inputs_that_users_need(self, name):
        read = utils.get_dict_from_string(self.find(f"openstack.{name}").params_spec)
        found = {f"{k}!" if v is utils.NotDefined else k for k, v in read.items()}
        self.assertLessEqual(CONTRACT[name], found)

    def test_names_are_those_of_the_clients_methods(self):
        for module in mapping.load().values():
            for method in module.methods.values():
                self.assertRegex(method.key, r"^[a-z_]+\.[a-z0-9_]+$")

    def test_nothing_of_a_client_is_an_input(self):
        for found in provider.Provider().find_all():
            read = set(utils.get_dict_from_string(found.params_spec))
            self.assertEqual(
                set(),
                read & {"self", "session", "kwargs", "global_request_id", "os_ironic_api_version"}
                | read & {"response_dict", "resp_chunk_size", "file", "template_file"},
            )

    @ddt.data("upload", "stage", "wait", "wait_for_finish", "wait_for_provision_state")
    def test_what_reads_files_or_waits_is_left_out(self, word):
        for module in mapping.load().values():
            for method in module.methods.values():
                self.assertNotEqual(word, method._path.rpartition(".")[2])

    def test_description_names_method_and_inputs(self):
        text = self.find("openstack.heat.stacks_get").description
        for word in ("stacks.get", "heat", "stack_id (required)", "resolve_outputs", "cloud"):
            self.assertIn(word, text)

    @ddt.data(
        "heat.stacks_list",
        "openstack.heat",
        "openstack.heat.",
        "openstack.heat.stacks_list.x",
        "openstack..stacks_list",
        "openstack.nothing.x",
        "tripleo.plan.list",
        "",
    )
    def test_other_names_are_not_ours(self, name):
        self.assertIsNone(self.find(name))

    @ddt.data(
        ("heat", True),
        ("swift", True),
        ("glance", True),
        ("ironic", True),
        ("ironic_inspector", True),
        ("mistral", True),
        ("keystone", False),
    )
    @ddt.unpack
    def test_region_is_an_input_of_the_modules_that_have_one(self, module, expected):
        for method in mapping.load()[module].methods.values():
            spec = self.find(f"openstack.{method.key}").params_spec
            self.assertEqual(expected, spec.endswith("action_region=null, cloud=null"), spec)
            self.assertIn("cloud=null", spec)

    def test_which_modules_have_a_region_is_configured(self):
        self.set_options(modules_support_region=["keystone"])
        keystone = self.find("openstack.keystone.projects_list").params_spec
        self.assertIn("action_region=null", keystone)
        self.assertNotIn("action_region", self.find("openstack.heat.stacks_list").params_spec)

    @ddt.data(
        ({"x": 1, "stack_id": "a"}, "'x' is unknown to openstack.heat.stacks_get"),
        ({}, "'stack_id' of openstack.heat.stacks_get must be given"),
        ({"stack_id": None}, "'stack_id' of openstack.heat.stacks_get must be given"),
        (None, "'stack_id' of openstack.heat.stacks_get must be given"),
    )
    @ddt.unpack
    def test_wrong_inputs_are_refused_before_anything_runs(self, inputs, words):
        found = self.find("openstack.heat.stacks_get")
        error = self.assertRaises(mistral_exc.ActionException, found.check_parameters, inputs)
        self.assertIn(words, str(error))
        self.assertIn("resolve_outputs", str(error))

    def test_region_is_no_input_of_an_action_without(self):
        found = self.find("openstack.keystone.projects_list")
        self.assertRaises(
            mistral_exc.ActionException, found.check_parameters, {"action_region": "x"}
        )

    def test_clients_are_imported_when_they_are_asked_for(self):
        program = (
            "import sys\n"
            "from tripleo_common.actions.generated import provider\n"
            "p = provider.Provider()\n"
            "p.find('tripleo.plan.list'), p.find('openstack.heat.stacks_list')\n"
            "print([m for m in sys.modules if m in ('novaclient',\n"
            "    'neutronclient', 'cinderclient', 'mistral')])\n"
            "p.find('openstack.nova.servers_list')\n"
            "print('novaclient' in sys.modules, 'neutronclient' in sys.modules)\n"
        )
        told = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        self.assertEqual("[]\nTrue False\n", told.stdout)


@ddt.ddt
class Mapping(TestCase):
    def test_client_that_is_not_installed_has_no_actions(self):
        self.use_mapping(
            "gone: {service: s, client: 'gone:C', classes: {a: 'gone_client:A'},"
            " actions: {a_list: a.list}}\n"
            "heat: {service: orchestration, client: 'heatclient.client:Client',\n"
            "  classes: {stacks: 'heatclient.v1.stacks:StackManager', none: 'heatclient:None_'},\n"
            "  actions: {stacks_get: stacks.get, stacks_nix: stacks.nix, none_get: none.get}}\n"
        )
        found = provider.Provider()
        self.assertEqual(["openstack.heat.stacks_get"], [d.name for d in found.find_all()])
        self.assertIsNone(found.find("openstack.gone.a_list"))

    def test_client_that_breaks_at_import_takes_nothing_with_it(self):
        directory = self.temporary()
        (Path(directory) / "broken_client_7.py").write_text("raise RuntimeError('x')")
        self.useFixture(fixtures.MonkeyPatch("sys.path", [directory, *sys.path]))
        self.use_mapping(
            "m: {service: s, client: 'x:y', classes: {a: 'broken_client_7:A'},"
            " actions: {a_list: a.list}}"
        )
        self.assertEqual([], provider.Provider().find_all())

    @ddt.data(
        "",
        "[]",
        "heat: 1",
        "1: {}",
        "{{{",
        "heat: {}",
        "heat: {service: s, client: c, classes: {}, actions: {a: b.c}}",
        "heat: {service: s, client: c, classes: {b: x}, actions: {a: 1}}",
        "heat: {service: s, client: c, classes: {b: x}, actions: {a: {}}}",
        "heat: {service: s, client: c, classes: {b: x}, actions: {a: {method: b.c, typo: 1}}}",
        "heat: {service: s, client: c, classes: {b: x}, actions: {a: {method: b.c, inputs: [1]}}}",
        "heat: {service: [], client: c, classes: {}, actions: {}}",
        "heat: {service: s, client: c, classes: {}, actions: {}, regions: true}",
    )
    def test_wrong_file_is_refused_at_once(self, text):
        self.use_mapping(text)
        error = self.assertRaises(exceptions.InputInvalid, provider.Provider)
        self.assertIn("openstack_actions_mapping", error.message)

    def test_missing_file_is_refused_at_once(self):
        self.set_options(openstack_actions_mapping="/nowhere/at/all.yaml")
        error = self.assertRaises(exceptions.InputInvalid, provider.Provider)
        self.assertIn("/nowhere/at/all.yaml", error.message)

    @ddt.data("heat.nix", "nix.nix", "", "heat", None, 7)
    def test_executor_that_does_not_know_an_action_says_so(self, name):
        action = methods.CallMethod(name=name, inputs={})
        self.assertEqual("InputInvalid", action.run(self.cloud.context()).error["type"])

    @ddt.data(None, [], "x", {1: 2})
    def test_executor_checks_inputs_too(self, inputs):
        action = methods.CallMethod(name="heat.stacks_list", inputs=inputs)
        self.assertEqual("InputInvalid", action.run(self.cloud.context()).error["type"])


class Legacy(mistral_base.ActionProvider):
    """Stands for Mistral's provider with mistral-extra's generated actions."""

    def __init__(self, name="legacy"):
        super().__init__(name)

    names = ("heat.stacks_list", "heat.only_there", "std.noop")

    def find(self, action_name, namespace=None):
        return Other(action_name) if action_name in self.names else None

    def find_all(self, namespace=None, limit=None, sort_fields=None, sort_dirs=None, **filters):
        return [Other(name) for name in self.names]


class Other:
    def __init__(self, name):
        self.name = name


@ddt.ddt
class Names(TestCase):
    def setUp(self):
        super().setUp()
        self.legacy = type("LegacyActionProvider", (Legacy,), {})
        self.useFixture(
            fixtures.MonkeyPatch("mistral.actions.legacy.LegacyActionProvider", self.legacy)
        )

    def compose(self, *kinds):
        made = [kind() for kind in kinds]
        return mistral_actions.CompositeActionProvider("system", made)

    def orders(self):
        return ((self.legacy, provider.Provider), (provider.Provider, self.legacy))

    @ddt.data(0, 1)
    def test_with_a_prefix_both_are_there(self, order):
        found = self.compose(*self.orders()[order])
        self.assertIsInstance(found.find("heat.stacks_list"), Other)
        self.assertIsInstance(found.find("openstack.heat.stacks_list"), provider.Descriptor)

    @ddt.data(0, 1)
    def test_without_a_prefix_ours_win_in_any_order_and_once(self, order):
        self.set_options(openstack_actions_prefix="")
        found = self.compose(*self.orders()[order])
        self.assertIsInstance(found.find("heat.stacks_list"), provider.Descriptor)
        self.assertIsInstance(found.find("heat.only_there"), Other)
        self.assertIsInstance(found.find("std.noop"), Other)
        names = [described.name for described in found.find_all(filters={})]
        self.assertEqual(len(set(names)), len(names))
        self.assertIn("heat.only_there", names)
        self.assertIn("heat.stacks_list", names)

    def test_taking_names_over_twice_is_the_same(self):
        self.set_options(openstack_actions_prefix="")
        found = self.compose(provider.Provider, self.legacy, provider.Provider)
        self.assertIsInstance(found.find("heat.only_there"), Other)
        self.assertIsInstance(found.find("heat.stacks_list"), provider.Descriptor)

    def test_prefix_is_configured(self):
        self.set_options(openstack_actions_prefix="os_")
        self.assertEqual("os_heat.stacks_list", self.find("os_heat.stacks_list").name)
        self.assertIsNone(self.find("openstack.heat.stacks_list"))

    def test_without_a_prefix_actions_run(self):
        self.set_options(openstack_actions_prefix="")
        self.assertEqual([], self.run_action("heat.stacks_list"))

    def test_without_mistral_there_is_nothing_to_take_over(self):
        self.set_options(openstack_actions_prefix="")
        self.useFixture(fixtures.MonkeyPatch("sys.modules", {**sys.modules}))
        sys.modules["mistral.actions.legacy"] = None
        self.assertIsNotNone(self.find("heat.stacks_list"))


@ddt.ddt
class Running(TestCase):
    def test_action_travels_as_plain_data(self):
        made = self.find("openstack.heat.stacks_get").instantiate(
            {"stack_id": "a", "action_region": "r", "cloud": None}, {}
        )
        self.assertEqual(
            {
                "name": "heat.stacks_get",
                "inputs": {"stack_id": "a"},
                "action_region": "r",
                "cloud": None,
            },
            vars(made),
        )

    def test_resource_becomes_the_data_in_it(self):
        self.cloud.heat.add("one", "CREATE_COMPLETE")
        found = self.run_action("openstack.heat.stacks_get", stack_id="one")
        self.assertEqual(("one", "CREATE_COMPLETE"), (found["stack_name"], found["stack_status"]))
        self.assertEqual(
            set(), {k for k in found if k.startswith("_")} | found.keys() & {"manager"}
        )

    def test_region_picks_the_endpoint(self):
        self.cloud = self.useFixture(Cloud(("north", "south")))
        self.cloud.by_region["south"]["heat"].add("one", "CREATE_COMPLETE")
        north = self.run_action("openstack.heat.stacks_list", action_region="north")
        south = self.run_action("openstack.heat.stacks_list", action_region="south")
        self.assertEqual((0, 1), (len(north), len(south)))

    @ddt.data(
        ({"action_region": "west"}, "RegionNotFound"),
        ({"action_region": ""}, "RegionNotFound"),
        ({"action_region": ["west"]}, "InputInvalid"),
        ({}, "RegionNotChosen"),
        ({"cloud": "nix"}, "CloudNotFound"),
        ({"cloud": 5}, "InputInvalid"),
    )
    @ddt.unpack
    def test_wrong_region_or_cloud_is_refused(self, inputs, kind):
        self.cloud = self.useFixture(Cloud(("north", "south")))
        error = self.fail_action("openstack.heat.stacks_list", **inputs)
        self.assertEqual(kind, error["type"])

    def test_action_without_region_goes_to_that_of_the_request(self):
        self.cloud = self.useFixture(Cloud(("north", "south")))
        self.cloud.http.get(f"{KEYSTONE}/v3/projects", json={"projects": [{"id": "p"}]})
        found = self.find("openstack.keystone.projects_list").instantiate({}, {})
        self.assertEqual("RegionNotChosen", found.run(self.cloud.context()).error["type"])
        result = found.run(self.cloud.context(region_name="south"))
        self.assertEqual([{"id": "p"}], result)

    def test_version_is_added_to_keystones_address(self):
        self.cloud.http.get(f"{KEYSTONE}/v3/users", json={"users": [{"id": "u", "name": "n"}]})
        self.assertEqual(
            [{"id": "u", "name": "n"}], self.run_action("openstack.keystone.users_list", name="n")
        )
        self.assertEqual([("GET", "/users?name=n")], self.sent(f"{KEYSTONE}/v3"))

    def test_inputs_stay_as_they_are_recorded(self):
        self.cloud.http.get(f"{IMAGE}/v2/images", json={"images": []})
        filters = {"name": "x"}
        action = methods.CallMethod(name="glance.images_list", inputs={"filters": filters})
        self.assertEqual([], action.run(self.cloud.context()))
        self.assertEqual({"name": "x"}, filters)

    def test_null_stands_for_an_input_that_is_not_given(self):
        self.run_action("openstack.heat.stacks_list", limit=None, filters=None)
        self.assertEqual(["GET /stacks"], self.cloud.heat.requests)

    @ddt.data(
        ("heat.stacks_list", {"limit": "many"}),
        ("heat.stacks_list", {"filters": "x"}),
        ("swift.get_container", {"container": ["a"]}),
        ("swift.put_object", {"container": "c", "obj": "o", "contents": 5}),
        ("swift.put_object", {"container": "c", "obj": "o", "contents": {"base64": "%"}}),
        ("swift.put_object", {"container": "c", "obj": "o", "contents": "\ud800"}),
        ("ironic_inspector.list_statuses", {"marker": 5}),
        ("mistral.workflows_list", {"filters": "x"}),
        ("mistral.workflows_list", {"filters": {"limit": 5}}),
        ("mistral.workflows_list", {"filters": {"_x": 5}}),
        ("mistral.executions_create", {"params": []}),
        ("neutron.list_networks", {"filters": {"retrieve_all": False}}),
    )
    @ddt.unpack
    def test_wrong_values_are_refused(self, name, inputs):
        self.cloud.swift.containers["c"] = {}
        self.cloud.http.get(
            INSPECTOR,
            json={"versions": []},
            headers={
                "X-OpenStack-Ironic-Inspector-API-Minimum-Version": "1.0",
                "X-OpenStack-Ironic-Inspector-API-Maximum-Version": "1.18",
            },
        )
        error = self.fail_action(f"openstack.{name}", **inputs)
        self.assertEqual("InputInvalid", error["type"], error)
        self.assertEqual({}, self.cloud.swift.containers["c"])

    def test_refusal_of_values_names_the_inputs(self):
        error = self.fail_action("openstack.heat.stacks_list", limit="many")
        for word in ("'limit'", "openstack.heat.stacks_list", "'many'", "show_nested"):
            self.assertIn(word, error["message"])

    @ddt.data(
        ("heat.stacks_get", {"stack_id": "x"}, "orchestration", 404),
        ("swift.get_container", {"container": "x"}, "object-store", 404),
        ("mistral.environments_get", {"name": "x"}, "workflowv2", 404),
        ("glance.images_get", {"image_id": "x"}, "image", 404),
        ("ironic.node_get", {"node_id": "x"}, "baremetal", 404),
        ("keystone.users_get", {"user": "x"}, "identity", 404),
        ("nova.servers_get", {"server": "x"}, "compute", 404),
        ("neutron.show_network", {"network": "x"}, "network", 404),
    )
    @ddt.unpack
    def test_refusal_of_a_service_is_typed(self, name, inputs, service, status):
        for url in SERVICES.values():
            self.cloud.http.get(
                re.compile(re.escape(url)), status_code=404, text="{}", headers=JSON
            )
        error = self.fail_action(f"openstack.{name}", **inputs)
        self.assertEqual("ServiceRefused", error["type"], error)
        self.assertEqual(
            (service, status), (error["details"]["service"], error["details"]["status"])
        )

    @ddt.data("glance.images_list", "keystone.users_list", "nova.flavors_list")
    def test_service_that_is_down_is_named(self, name):
        for url in SERVICES.values():
            self.cloud.http.get(re.compile(re.escape(url)), exc=requests.exceptions.ConnectionError)
        self.assertEqual("ServiceUnavailable", self.fail_action(f"openstack.{name}")["type"])

    @ddt.data("glance.images_list", "keystone.users_list", "ironic.node_list")
    def test_service_that_forbids_is_named(self, name):
        for url in SERVICES.values():
            self.cloud.http.get(
                re.compile(re.escape(url)), status_code=403, text="{}", headers=JSON
            )
        self.assertEqual("NotAllowed", self.fail_action(f"openstack.{name}")["type"])

    def test_answer_that_is_no_json_is_nobodys_input(self):
        self.cloud.http.get(f"{KEYSTONE}/v3/users", text="<html>")
        error = self.fail_action("openstack.keystone.users_list")
        self.assertNotEqual("InputInvalid", error["type"])

    def test_method_that_looks_up_no_endpoint_has_one(self):
        self.cloud.http.get("http://swift.regionone.test:8080/info", json={"swift": {}})
        self.assertEqual({"swift": {}}, self.run_action("openstack.swift.get_capabilities"))

    def test_missing_service_is_named(self):
        error = self.fail_action("openstack.cinder.volumes_list")
        self.assertEqual("ServiceNotFound", error["type"])

    def test_further_values_are_spread(self):
        schema = {"name": "image", "properties": {}, "additionalProperties": {"type": "string"}}
        self.cloud.http.get(f"{IMAGE}/v2/schemas/image", json=schema)
        self.cloud.http.post(f"{IMAGE}/v2/images", json={"id": "i"})
        self.cloud.http.get(f"{IMAGE}/v2/images/i", json={"id": "i", "hw:x": "y"})
        made = self.run_action("openstack.glance.images_create", name="n", properties={"hw:x": "y"})
        self.assertEqual("i", made["id"])
        [request] = [r for r in self.cloud.http.request_history if r.method == "POST"]
        self.assertEqual({"name": "n", "hw:x": "y"}, request.json())


@ddt.ddt
class Files(TestCase):
    """Nothing of the executor can be read by naming it."""

    def setUp(self):
        super().setUp()
        self.path = str(Path(self.temporary()) / "canary")
        Path(self.path).write_text("version: '2.0'\n# canary-77\n")

    @ddt.data("{path}", "file://{path}")
    def test_definition_is_a_text_and_no_name_of_a_file(self, form):
        sent = []

        def answer(request, context):
            sent.append(request.text)
            context.status_code = 400
            return '{"faultstring": "no"}'

        self.cloud.mistral.on("POST", "", answer)
        self.cloud.mistral.on("PUT", "", answer)
        definition = form.format(path=self.path)
        for name, inputs in (
            ("workflows_create", {}),
            ("workflows_update", {}),
            ("workflows_validate", {}),
            ("workbooks_create", {}),
            ("workbooks_update", {}),
            ("workbooks_validate", {}),
            ("actions_create", {}),
            ("actions_update", {}),
            ("actions_validate", {}),
        ):
            self.fail_action(f"openstack.mistral.{name}", definition=definition, **inputs)
        self.assertEqual(9, len(sent))
        self.assertEqual({definition}, set(sent))

    def test_environments_are_not_read_from_files(self):
        for name in ("create", "update"):
            found = self.find(f"openstack.mistral.environments_{name}")
            self.assertRaises(
                mistral_exc.ActionException,
                found.check_parameters,
                {"name": "a", "variables": {}, "file": self.path},
            )

    def test_configdrive_is_no_name_of_a_file(self):
        action = methods.CallMethod(
            name="ironic.node_set_provision_state",
            inputs={"node_uuid": "n", "state": "active", "configdrive": self.path},
        )
        self.assertEqual("InputInvalid", action.run(self.cloud.context()).error["type"])
        self.assertEqual([], self.sent(IRONIC))

    def test_contents_of_an_object_are_no_name_of_a_file(self):
        self.cloud.swift.containers["c"] = {}
        self.run_action("openstack.swift.put_object", container="c", obj="o", contents=self.path)
        self.assertEqual(self.path.encode(), self.cloud.swift.containers["c"]["o"])


@ddt.ddt
class Pages(TestCase):
    def test_swift_listing_is_whole_unless_limited(self):
        self.cloud.swift.page = 2
        self.cloud.swift.containers["c"] = {f"o{n}": b"" for n in range(5)}
        whole = self.run_action("openstack.swift.get_container", container="c")
        self.assertEqual(["headers", "listing"], list(whole))
        self.assertEqual([f"o{n}" for n in range(5)], [o["name"] for o in whole["listing"]])
        some = self.run_action("openstack.swift.get_container", container="c", limit=1)
        self.assertEqual(["o0"], [o["name"] for o in some["listing"]])
        page = self.run_action("openstack.swift.get_container", container="c", full_listing=False)
        self.assertEqual(2, len(page["listing"]))

    def test_swift_account_is_whole(self):
        self.cloud.swift.page = 2
        self.cloud.swift.containers.update({f"c{n}": {} for n in range(3)})
        whole = self.run_action("openstack.swift.get_account")
        self.assertEqual(["c0", "c1", "c2"], [c["name"] for c in whole["listing"]])

    def ironic(self, request, context):
        query = urllib.parse.parse_qs(request.query)
        start = int(query.get("marker", ["0"])[0])
        nodes = [{"uuid": str(n)} for n in range(start, min(start + 2, 5))]
        answer = {"nodes": nodes}
        if start + 2 < 5:
            answer["next"] = f"{IRONIC}/v1/nodes?marker={start + 2}"
        return answer

    def test_ironic_nodes_are_all_there_unless_limited(self):
        self.cloud.http.get(re.compile(f"{IRONIC}/v1/nodes"), json=self.ironic, headers=JSON)
        whole = self.run_action("openstack.ironic.node_list")
        self.assertEqual([str(n) for n in range(5)], [node["uuid"] for node in whole])
        some = self.run_action("openstack.ironic.node_list", limit=1)
        self.assertLess(len(some), 3)
        self.assertIn(("GET", "/v1/nodes/?limit=1"), self.sent(IRONIC))

    def test_glance_images_are_all_there_unless_limited(self):
        self.cloud.http.get(
            f"{IMAGE}/v2/images",
            [
                {"json": {"images": [{"id": "1"}, {"id": "2"}], "next": "/v2/images?marker=2"}},
                {"json": {"images": [{"id": "3"}]}},
            ]
            * 2,
        )
        schema = {"name": "image", "properties": {}, "additionalProperties": {"type": "string"}}
        self.cloud.http.get(f"{IMAGE}/v2/schemas/image", json=schema)
        whole = self.run_action("openstack.glance.images_list")
        self.assertEqual([{"id": "1"}, {"id": "2"}, {"id": "3"}], whole)
        some = self.run_action("openstack.glance.images_list", limit=1)
        self.assertEqual([{"id": "1"}], some)

    def inspector(self, answers):
        versions = {
            "X-OpenStack-Ironic-Inspector-API-Minimum-Version": "1.0",
            "X-OpenStack-Ironic-Inspector-API-Maximum-Version": "1.18",
        }
        self.cloud.http.get(INSPECTOR, json={"versions": []}, headers=versions)
        self.cloud.http.get(
            f"{INSPECTOR}/v1/introspection",
            [{"json": {"introspection": [{"uuid": u} for u in page]}} for page in answers],
        )

    def test_introspections_are_all_there(self):
        self.inspector([["a", "b"], ["c"], []])
        found = self.run_action("openstack.ironic_inspector.list_statuses")
        self.assertEqual(["a", "b", "c"], [status["uuid"] for status in found])
        self.assertEqual(
            ["", "?marker=b", "?marker=c"],
            [url for _, url in self.sent(f"{INSPECTOR}/v1/introspection")],
        )

    def test_introspections_are_limited(self):
        self.inspector([["a"], ["b"]])
        found = self.run_action("openstack.ironic_inspector.list_statuses", limit=1)
        self.assertEqual([{"uuid": "a"}], found)

    def test_service_that_ignores_the_marker_is_not_asked_for_ever(self):
        self.inspector([["a"]])
        found = self.run_action("openstack.ironic_inspector.list_statuses")
        self.assertEqual(2, len(found))


class Resource:
    def __init__(self):
        self.manager = self
        self._loaded = True

    def to_dict(self):
        return {"id": "x", "at": datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)}


class Old:
    _info = {"id": "y"}


@ddt.ddt
class Plain(TestCase):
    @ddt.data(
        (None, None),
        (True, True),
        (1.5, 1.5),
        (float("nan"), None),
        (float("inf"), None),
        ("ä", "ä"),
        ("ä".encode(), "ä"),
        (b"\xff\xfe", {"base64": "//4="}),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (Resource(), {"id": "x", "at": "2026-01-02T03:04:05+00:00"}),
        (Old(), {"id": "y"}),
        ([Resource(), (1, 2)], [{"id": "x", "at": "2026-01-02T03:04:05+00:00"}, [1, 2]]),
        ({1: {"_x": b"a"}}, {"1": {"_x": "a"}}),
        (iter([b"a", b"b"]), "ab"),
        (iter([b"\xc3", b"\xa4"]), "ä"),
        (iter([]), []),
        ((requests.Response(), {"a": 1}), {"a": 1}),
        ((requests.Response(), []), []),
        ((requests.Response(),), None),
        (requests.Response(), None),
        ({"a": iter([Old()])}, {"a": [{"id": "y"}]}),
    )
    @ddt.unpack
    def test_becomes_plain(self, value, expected):
        found = plain.result("a", value, [])
        self.assertEqual(expected, found)
        self.assertIs(type(expected), type(found))

    def test_parts_of_a_tuple_get_names(self):
        self.assertEqual(
            {"headers": {}, "content": "ab"},
            plain.result("a", ({}, iter([b"a", b"b"])), ["headers", "content"]),
        )

    def test_what_is_no_data_is_refused(self):
        error = self.assertRaises(exceptions.ResultUnknown, plain.result, "a", object(), [])
        self.assertEqual("object", error.kind)

    @ddt.data(
        "x" * plain.LIMIT,
        ["x" * 1000] * 1100,
        {"a": {"b": "x" * plain.LIMIT}},
        # Mistral counts four bytes for each character as soon as one is that wide.
        "\U0001f600" + "x" * (plain.LIMIT // 3),
        b"\xff" * plain.LIMIT,
    )
    def test_too_large_is_refused_with_sizes(self, value):
        error = self.assertRaises(exceptions.ResultTooLarge, plain.result, "openstack.a", value, [])
        self.assertGreater(error.size, error.limit)
        self.assertIn("openstack.a", error.message)
        self.assertIn(str(plain.LIMIT), error.message)

    def test_just_small_enough_is_what_mistral_keeps(self):
        value = plain.result("a", "x" * (plain.LIMIT - 1000), [])
        self.assertLess(sys.getsizeof(str({"result": value})) / 1024, 1024)

    def test_endless_answer_is_not_read_to_its_end(self):
        def endless(taken):
            while True:
                taken.append(1)
                yield "x" * 1000

        taken = []
        self.assertRaises(exceptions.ResultTooLarge, plain.result, "a", endless(taken), [])
        self.assertLess(len(taken), 1200)

    def serve(self, content):
        """Let Swift have an object ``c/o``; the client reads its length from the headers."""
        self.cloud.swift.containers["c"] = {"o": content}

        def add_length(_, context):
            context.headers["Content-Length"] = str(len(content))

        self.cloud.swift.on("GET", "^/c/o", add_length)

    def test_large_object_is_not_read_to_its_end(self):
        self.serve(b"x" * (3 << 20))
        error = self.fail_action("openstack.swift.get_object", container="c", obj="o")
        self.assertEqual("ResultTooLarge", error["type"])
        self.assertLess(error["details"]["size"], 1200 * 1024)

    @ddt.data(b"", b"text", b"\x00\xff" * 100)
    def test_object_comes_back_as_it_was_put(self, content):
        self.serve(content)
        found = self.run_action("openstack.swift.get_object", container="c", obj="o")
        value = found["content"] or ""
        self.run_action("openstack.swift.put_object", container="c", obj="p", contents=value)
        self.assertEqual(content, self.cloud.swift.containers["c"]["p"])
