import importlib.metadata
import inspect
import json

import ddt
import fixtures
import requests
from mistral_lib import actions as mistral_actions
from mistral_lib import serialization
from mistral_lib.actions.providers import python as python_provider
from mistral_lib.utils import inspect_utils

from tests.unit import base, fakes, test_plans
from tripleo_common import exceptions
from tripleo_common.actions import base as actions_base
from tripleo_common.actions import (
    capabilities,
    deployment,
    parameters,
    plan,
    roles,
    stack,
    swift,
    templates,
)
from tripleo_common.plan import store

ENTRIES = {
    entry.name: entry
    for entry in importlib.metadata.entry_points(group="mistral.actions")
    if entry.value.startswith("tripleo_common.")
}

NONE = object()
CONTRACT = {
    "tripleo.plan.create_container": {"container": NONE},
    "tripleo.plan.create": {"container": NONE},
    "tripleo.plan.update": {"container": NONE},
    "tripleo.plan.list": {},
    "tripleo.plan.delete": {"container": NONE},
    "tripleo.templates.upload": {"container": "overcloud"},
    "tripleo.templates.upload_default": {"container": "overcloud"},
    "tripleo.templates.process": {"container": "overcloud"},
    "tripleo.role.list": {
        "container": "overcloud",
        "role_file_name": "roles_data.yaml",
        "detail": False,
    },
    "tripleo.parameters.update": {
        "parameters": NONE,
        "container": "overcloud",
        "key": "parameter_defaults",
        "validate": True,
    },
    "tripleo.parameters.get": {"container": "overcloud"},
    "tripleo.parameters.get_flatten": {"container": "overcloud"},
    "tripleo.parameters.reset": {"container": "overcloud", "key": "parameter_defaults"},
    "tripleo.parameters.update_role": {"role": NONE, "container": "overcloud"},
    "tripleo.parameters.generate_passwords": {"container": "overcloud"},
    "tripleo.parameters.get_passwords": {"container": "overcloud"},
    "tripleo.heat_capabilities.get": {"container": "overcloud"},
    "tripleo.heat_capabilities.update": {"environments": NONE, "container": "overcloud"},
    "tripleo.plan.export": {
        "plan": NONE,
        "delete_after": 3600,
        "exports_container": "plan-exports",
    },
    "tripleo.swift.tempurl": {"container": NONE, "obj": NONE, "method": "GET", "valid": 86400},
    "tripleo.deployment.deploy": {
        "timeout": NONE,
        "container": "overcloud",
        "skip_deploy_identifier": False,
    },
}
"""What clients of all releases send: input to default. Further inputs must be optional."""


def inputs(cls):
    """Return input to default, in order."""
    found = dict(inspect.signature(cls.__init__).parameters)
    found.pop("self")
    return {
        name: NONE if p.default is inspect.Parameter.empty else p.default
        for name, p in found.items()
    }


def manifest(cls):
    """Return inputs as Mistral reads them: split along the commas, then the equal signs."""
    text = inspect_utils.get_arg_list_as_str(cls.__init__)
    found = {}
    for part in filter(None, text.split(",")):
        name, *default = part.split("=")
        found[name.strip()] = json.loads(default[0]) if default else NONE
    return found


@ddt.ddt
class Registered(base.TestCase):
    def test_there_are_actions(self):
        self.assertIn("tripleo.plan.create", ENTRIES)

    @ddt.data(*sorted(ENTRIES))
    def test_action_loads_with_a_description(self, name):
        cls = ENTRIES[name].load()
        self.assertTrue(issubclass(cls, actions_base.Action))
        described = python_provider.PythonActionDescriptor(name, cls)
        self.assertTrue(described.description)
        self.assertNotIn("Action.", described.description.splitlines()[0])

    @ddt.data(*sorted(ENTRIES))
    def test_shared_inputs_are_the_last_ones_and_optional(self, name):
        found = inputs(ENTRIES[name].load())
        shared = ["action_region", "cloud"]
        if issubclass(ENTRIES[name].load(), actions_base.ChangeAction):
            shared += ["reason", "lock_wait"]
        last = list(found.items())[-len(shared) :]
        self.assertEqual([(key, None) for key in shared], last)

    @ddt.data(*sorted(ENTRIES))
    def test_mistrals_manifest_reads_the_same_inputs_and_defaults(self, name):
        cls = ENTRIES[name].load()
        self.assertEqual(inputs(cls), manifest(cls))

    @ddt.data(*sorted(CONTRACT))
    def test_inputs_that_clients_send_are_there_with_their_defaults(self, name):
        found = inputs(ENTRIES[name].load())
        self.assertEqual(CONTRACT[name], {key: found.get(key) for key in CONTRACT[name]})
        for key in set(found) - set(CONTRACT[name]):
            self.assertIsNot(NONE, found[key], f"{name} must not need {key}")

    @ddt.data(*sorted(CONTRACT))
    def test_inputs_keep_the_order_that_clients_know(self, name):
        found = list(inputs(ENTRIES[name].load()))
        self.assertEqual(list(CONTRACT[name]), found[: len(CONTRACT[name])])


@ddt.ddt
class Serialised(base.TestCase):
    """An action travels to its executor as JSON, where ``__init__`` is not run."""

    VALUES = {
        "container": "plan",
        "parameters": {"A": [1, None, {"ä": 1.5}]},
        "timeout": 90,
        "stack": "plan",
        "until": "does_not_exist",
        "environments": {"a.yaml": True},
        "obj": "a/b",
        "plan": "plan",
        "revision": 3,
        "role": "compute",
        "role_names": ["Compute"],
        "reason": "b\u00e9cause",
        "lock_wait": 1.5,
        "action_region": "regionTwo",
        "cloud": "edge",
        "detail": True,
        "nodes_json": [{"pm_type": "redfish", "ports": ["52:54:00:00:00:01"]}],
        "node_uuid": "node-1",
        "node_uuids": ["node-1"],
        "tag_node_uuids": [],
        "untag_node_uuids": ["node-1"],
        "state_action": "provide",
        "capability": "profile",
        "run_id": "run",
        "node_timeout": 1.5,
    }

    def travel(self, action):
        serializer = serialization.get_polymorphic_serializer()
        return serializer.deserialize(serializer.serialize(action))

    @ddt.data(*sorted(ENTRIES))
    def test_inputs_arrive_whole(self, name):
        cls = ENTRIES[name].load()
        given = {key: self.VALUES[key] for key in inputs(cls) if key in self.VALUES}
        sent = cls(**given)
        arrived = self.travel(sent)
        self.assertEqual(vars(sent), vars(arrived))
        self.assertIsInstance(arrived, cls)
        self.assertTrue(arrived.is_sync())

    @ddt.data(*sorted(ENTRIES))
    def test_defaults_arrive_too(self, name):
        cls = ENTRIES[name].load()
        sent = cls(**{k: self.VALUES[k] for k, v in inputs(cls).items() if v is NONE})
        self.assertEqual(vars(sent), vars(self.travel(sent)))

    def test_it_can_travel_twice(self):
        arrived = self.travel(self.travel(plan.Create("plan", cloud="edge")))
        self.assertEqual(("plan", "edge"), (arrived.container, arrived.cloud))

    def test_action_that_has_travelled_works(self):
        cloud = self.useFixture(fakes.Cloud())
        self.assertEqual([], self.travel(plan.List()).run(cloud.context()))

    def test_action_that_has_travelled_still_knows_its_name(self):
        cloud = self.useFixture(fakes.Cloud())
        context = cloud.context()
        context.security = None
        for action in (plan.Create("x"), self.travel(plan.Create("x"))):
            result = action.run(context)
            self.assertEqual("Action tripleo.plan.create", result.error["details"]["where"])


class WithActions(test_plans.WithPlans):
    def run_action(self, action, **more):
        return action.run(self.cloud.context(**more))

    def good(self, action, **more):
        result = self.run_action(action, **more)
        self.assertNotIsInstance(result, mistral_actions.Result)
        json.dumps(result)
        return result

    def error(self, action, **security):
        result = self.run_action(action, **security)
        self.assertIsInstance(result, mistral_actions.Result)
        self.assertTrue(result.is_error())
        self.assertEqual({"type", "message", "details"}, set(result.error))
        json.dumps(result.error)
        return result.error

    def made_plan(self):
        self.good(plan.Create("plan"))


class Boundary(WithActions):
    """From error to result."""

    def test_error_of_ours_becomes_type_message_and_details(self):
        error = self.error(plan.Create("../x"))
        self.assertEqual("PlanNameInvalid", error["type"])
        self.assertEqual({"plan": "../x"}, error["details"])
        self.assertIn("letters, numbers or dashes", error["message"])

    def test_unexpected_error_tells_nothing_but_where_and_is_logged_whole(self):
        class Broken(actions_base.Action):
            """Fails."""

            def perform(self, request):
                raise ValueError("canary-secret")

        error = self.error(Broken())
        self.assertEqual("InternalError", error["type"])
        self.assertNotIn("canary", json.dumps(error))
        self.assertNotIn("ValueError", json.dumps(error))
        self.assertIn("canary-secret", self.log.output)
        self.assertIn("Traceback", self.log.output)

    def test_context_that_is_none_is_an_error_and_no_exception(self):
        result = plan.List().run(None)
        self.assertEqual("InternalError", result.error["type"])

    def test_refused_token_is_told_without_showing_it(self):
        self.cloud.swift.fail("GET", "", 401)
        error = self.error(plan.List())
        self.assertEqual("NotAllowed", error["type"])
        self.assertNotIn(fakes.TOKEN, json.dumps(error))
        self.assertNotIn(fakes.TOKEN, self.log.output)

    def test_service_that_does_not_answer_is_named_with_its_address(self):
        def down(request, _context):
            raise requests.exceptions.ConnectionError(request=request)

        self.cloud.heat.on("GET", "", down)
        error = self.error(stack.Delete("plan"))
        self.assertEqual("ServiceUnavailable", error["type"])
        self.assertEqual("orchestration", error["details"]["service"])
        self.assertEqual("http://heat.regionone.test:8004", error["details"]["url"])

    def test_wrong_region_is_told(self):
        error = self.error(plan.List(action_region="nowhere"))
        self.assertEqual("RegionNotFound", error["type"])
        self.assertEqual(["regionOne"], error["details"]["available"])

    def test_success_of_a_command_is_small(self):
        """Clients take any other result than null of some for an error."""
        self.cloud.swift.containers.clear()
        self.assertIsNone(self.good(plan.CreateContainer("plan")))
        self.cloud.swift.containers["plan"] = test_plans.encoded(test_plans.FILES)
        self.assertEqual({"revision": 1, "synced": True}, self.good(plan.Create("plan")))
        self.assertEqual(
            {"revision": 1, "changed": False, "stale": []}, self.good(plan.Update("plan"))
        )
        self.good(plan.Sync("plan"))
        self.assertIsNone(self.good(plan.Delete("plan")))


@ddt.ddt
class Plan(WithActions):
    def test_list_is_sorted_names(self):
        self.made_plan()
        self.assertEqual(["plan"], self.good(plan.List()))

    def test_plan_with_a_stack_is_not_deleted(self):
        self.made_plan()
        self.cloud.heat.add("plan", "CREATE_FAILED")
        error = self.error(plan.Delete("plan"))
        self.assertEqual("StackInUse", error["type"])
        self.assertIn("plan", self.cloud.swift.containers)
        self.assertIn("plan", self.cloud.mistral.environments)

    @ddt.data(
        plan.CreateContainer("a/b"),
        plan.Create("a/b"),
        plan.Update("a/b"),
        plan.Delete("a/b"),
        plan.Sync("a/b"),
        plan.StartSync("a/b"),
        plan.Show("a/b"),
        plan.History("a/b"),
        plan.Diff("a/b"),
        plan.Rollback("a/b", 1),
        plan.Export("a/b"),
        capabilities.Get("a/b"),
        capabilities.Update({}, "a/b"),
        parameters.Get("a/b"),
        parameters.GetFlatten("a/b"),
        parameters.Reset("a/b"),
        parameters.GetPasswords("a/b"),
        roles.Select("a/b", ["Compute"]),
        templates.Upload("a/b"),
        templates.UploadDefault("a/b"),
        templates.Process("a/b"),
        roles.List("a/b"),
        parameters.Update({}, "a/b"),
        deployment.Deploy(90, "a/b"),
    )
    def test_name_is_checked_before_any_request(self, action):
        self.assertEqual("PlanNameInvalid", self.error(action)["type"])
        self.assertEqual([], self.cloud.http.request_history)

    @ddt.data(
        (plan.Create("plan", source_url="https://git/x"), "source_url"),
        (plan.Update("plan", source_url="https://git/x"), "source_url"),
        (plan.Create("plan", templates_path="/etc"), "templates_path"),
        (plan.Create("plan", passphrase="x" * 12), "passphrase"),
        (
            plan.Create("plan", source_url="https://git/x", use_default_templates=True),
            "source_url",
        ),
        (plan.Update("plan", lock_wait=-1), "lock_wait"),
        (plan.Update("plan", lock_wait="1"), "lock_wait"),
        (plan.Update("plan", lock_wait=True), "lock_wait"),
        (plan.Update("plan", lock_wait=float("nan")), "lock_wait"),
        (plan.Update("plan", reason=5), "reason"),
        (parameters.Update({}, "plan", key="passwords"), "key"),
        (deployment.Deploy(90, "plan", run_validations=True), "run_validations"),
        (deployment.Deploy(90, "plan", config_download=True), "config_download"),
        (deployment.Deploy("90", "plan"), "timeout"),
    )
    @ddt.unpack
    def test_what_cannot_be_is_refused_and_not_ignored(self, action, name):
        error = self.error(action)
        self.assertEqual(("InputInvalid", name), (error["type"], error["details"]["name"]))


class Changes(WithActions):
    """Who changes a plan, and why, is kept; and a change made twice is one."""

    def test_history_says_who_when_and_why(self):
        self.made_plan()
        self.good(
            parameters.Update({"A": "a"}, "plan", validate=False, reason="more"),
            execution={"workflow_execution_id": "e1"},
            user_name="eve",
        )
        record = self.plans.open("plan").archive.record(2)
        self.assertEqual(
            ("eve", "more", "tripleo.parameters.update", "e1"),
            tuple(record[key] for key in ("user", "reason", "action", "execution")),
        )

    def test_action_that_mistral_delivers_twice_makes_one_revision(self):
        run = {"action_execution_id": "a1"}
        first = self.good(plan.Create("plan"), execution=run)
        self.assertEqual(first, self.good(plan.Create("plan"), execution=run))
        run = {"action_execution_id": "a2"}
        self.objects["mine.yaml"] = b"{}"
        first = self.good(plan.Update("plan"), execution=run)
        self.assertEqual(first, self.good(plan.Update("plan"), execution=run))
        self.assertEqual(2, self.variables["revision"])

    def test_locked_plan_is_told_with_owner_reason_and_age(self):
        self.made_plan()
        self.mistral.environments["plan.lock"] = {
            "id": "x",
            "owner": "bob",
            "reason": "roles",
            "since": "2020-01-01T00:00:00+00:00",
            "expires": "2999-01-01T00:00:00+00:00",
        }
        error = self.error(parameters.Update({"A": "a"}, "plan", lock_wait=0))
        self.assertEqual("PlanLocked", error["type"])
        self.assertEqual(("bob", "roles"), (error["details"]["owner"], error["details"]["reason"]))

    def test_long_reason_is_cut(self):
        self.made_plan()
        self.good(plan.Update("plan", plan_environment={"parameter_defaults": {"A": "a"}}))
        self.good(parameters.Reset("plan", reason="x" * 5000))
        self.assertEqual("x" * 1000, self.plans.open("plan").archive.record(3)["reason"])

    def test_sync_is_started_and_not_waited_for(self):
        self.made_plan()
        name = self.good(plan.StartSync("plan"))
        started = self.mistral.executions[name]
        self.assertEqual("tripleo.plan_management.v1.sync_plan", started["workflow_name"])
        self.assertEqual("plan", json.loads(started["input"])["container"])

    def test_plan_of_the_default_templates_is_whole_before_it_is_synced(self):
        self.useFixture(fixtures.MockPatchObject(store, "AT_ONCE", 0))
        self.swift.containers.clear()
        result = self.good(plan.Create("new", use_default_templates=True, sync=False))
        self.assertEqual({"revision": 1, "synced": False}, result)
        self.assertTrue(self.good(roles.List("new")))
        self.assertEqual(
            [{"placement": "regionOne", "state": "synced", "message": ""}],
            self.good(plan.Sync("new"))["placements"],
        )
        self.assertTrue(self.good(plan.Show("new"))["synced"])


@ddt.ddt
class Large(WithActions):
    """A result that Mistral stores is small, or says where it is."""

    def setUp(self):
        super().setUp()
        self.made_plan()
        for number in range(300):
            self.variables["parameter_defaults"][f"P{number}"] = "x" * 400

    def test_caller_who_waits_for_the_action_gets_all_of_it(self):
        run = {"action_execution_id": None, "workflow_execution_id": None}
        self.assertEqual(300, len(self.good(plan.Show("plan"), execution=run)["parameters"]))

    @ddt.data({}, {"workflow_execution_id": "e1"})
    def test_task_gets_an_object_of_the_archive(self, run):
        result = self.good(plan.Show("plan"), execution=run)
        self.assertEqual({"container", "object", "bytes"}, set(result))
        content = self.swift.containers[result["container"]][result["object"]]
        self.assertEqual(result["bytes"], len(content))
        self.assertEqual(300, len(json.loads(content)["parameters"]))


@ddt.ddt
class Tempurl(WithActions):
    def test_url_is_signed_with_a_key_of_the_container(self):
        url = self.good(swift.Tempurl("plan", "a b.yaml", valid="60"))
        self.assertTrue(url.startswith(f"{self.swift.url}/plan/a%20b.yaml?temp_url_sig="), url)
        key = self.swift.metadata["plan"]["x-container-meta-temp-url-key"]
        self.assertNotIn(key, url)
        self.good(swift.Tempurl("plan", "other"))
        self.assertEqual(key, self.swift.metadata["plan"]["x-container-meta-temp-url-key"])

    @ddt.data(
        (("none", "a"), {}, "container"),
        (("plan", "a"), {"method": "EXEC"}, "method"),
        (("plan", "a"), {"method": None}, "method"),
        (("plan", ""), {}, "obj"),
        ((5, "a"), {}, "container"),
        (("plan", "a"), {"valid": 0}, "valid"),
        (("plan", "a"), {"valid": "soon"}, "valid"),
        (("plan", "a"), {"valid": None}, "valid"),
        (("plan", "a"), {"valid": "\u00b2"}, "valid"),
    )
    @ddt.unpack
    def test_wrong_input_is_named(self, where, more, name):
        error = self.error(swift.Tempurl(*where, **more))
        self.assertEqual(("InputInvalid", name), (error["type"], error["details"]["name"]))


class Templates(WithActions):
    def test_result_of_processing_is_small_and_holds_no_content(self):
        self.made_plan()
        self.variables["passwords"] = {"P": "canary"}
        result = self.good(templates.Process("plan"))
        self.assertEqual("plan", result["stack_name"])
        self.assertEqual("overcloud.yaml", result["template"])
        self.assertEqual(["registry.yaml"], result["environments"])
        self.assertEqual(2, result["revision"])
        self.assertEqual(set(test_plans.MADE), set(result["files"]))
        stored = {path: len(self.objects[path]) for path in result["files"]}
        self.assertEqual(stored, result["files"])
        self.assertNotIn("canary", json.dumps(result))

    def test_default_plan_is_uploaded(self):
        self.cloud.swift.containers["new"] = {}
        self.assertIsNone(self.good(templates.UploadDefault("new")))
        self.assertIn("capabilities-map.yaml", self.cloud.swift.containers["new"])

    def test_default_plan_makes_a_plan(self):
        self.cloud.swift.containers["new"] = {}
        self.good(templates.UploadDefault("new"))
        self.assertEqual(1, self.good(plan.Create("new"))["revision"])
        self.assertTrue(self.good(roles.List("new")))


class Roles(WithActions):
    def test_list_is_names_and_with_detail_whole_roles(self):
        self.made_plan()
        self.assertEqual(["Controller", "Compute"], self.good(roles.List("plan")))
        self.assertEqual(
            [{"name": "Controller"}, {"name": "Compute"}],
            self.good(roles.List("plan", detail=True)),
        )


class Parameters(WithActions):
    def test_result_shows_no_secret(self):
        self.made_plan()
        values = {"Hidden": "canary", "A": "1"}
        result = self.good(parameters.Update(values, "plan", validate=False))
        self.assertEqual({"Hidden", "A"}, set(result["environment_parameters"]))
        self.assertNotIn("canary", json.dumps(result))
        self.assertEqual(2, result["revision"])


class Deploy(WithActions):
    def test_action_that_mistral_runs_again_makes_no_second_request(self):
        self.made_plan()
        first = self.good(deployment.Deploy(90, "plan"))
        stack_ = self.cloud.heat.stacks["plan"]
        last = stack_["body"]["environment_files"][-1]
        self.assertIn("task-1", stack_["body"]["files"][last])
        stack_["parameters"] = {"DeployIdentifier": "task-1"}
        again = self.good(deployment.Deploy(90, "plan"))
        self.assertEqual(first["stack"], again["stack"])
        self.assertEqual(1, self.cloud.heat.count("POST"))
        self.assertEqual(0, self.cloud.heat.count("PUT"))

    def test_unchanged_deployment_can_be_run_again_as_well(self):
        self.made_plan()
        action = deployment.Deploy(90, "plan", skip_deploy_identifier=True)
        first = self.good(action)
        self.cloud.heat.stacks["plan"]["parameters"] = {"DeployIdentifier": ""}
        self.assertEqual(first["stack"], self.good(action)["stack"])
        self.assertEqual(1, self.cloud.heat.count("POST"))


class Stack(WithActions):
    def test_delete_says_whether_there_was_one(self):
        self.assertIs(False, self.good(stack.Delete("plan")))
        self.cloud.heat.add("plan", "CREATE_COMPLETE", "DELETE_IN_PROGRESS", moving=False)
        self.assertIs(True, self.good(stack.Delete("plan")))

    def test_wait_says_what_it_sees(self):
        self.cloud.heat.add("plan", "CREATE_COMPLETE")
        self.assertEqual(
            {"done": True, "stack": "plan", "status": "CREATE_COMPLETE"},
            self.good(stack.Wait("plan", "complete_or_failed", 60)),
        )

    def test_failed_stack_is_an_error_with_its_causes_as_data(self):
        self.cloud.heat.add("plan", "CREATE_FAILED", reason="x")
        error = self.error(stack.Wait("plan", "complete_or_failed", 60))
        self.assertEqual("StackFailed", error["type"])
        self.assertEqual([], error["details"]["causes"])


@ddt.ddt
class StackName(WithActions):
    @ddt.data("../software_configs", "a/../../b", "..", "a/b", "", "a?b", "a b", 5, None)
    def test_name_that_no_stack_has_never_leaves_the_stacks_of_heat(self, name):
        for action in (stack.Delete(name), stack.Wait(name, "does_not_exist", 1)):
            result = self.run_action(action)
            root = f"{self.cloud.heat.url}/stacks/"
            for request in self.cloud.heat.sent:
                path = request.url.removeprefix(root).partition("?")[0]
                self.assertTrue(request.url.startswith(root) and path, request.url)
                self.assertNotIn("/", path)
            if isinstance(result, mistral_actions.Result):
                self.assertNotEqual("InternalError", result.error["type"])


@ddt.ddt
class Exceptions(base.TestCase):
    def test_every_error_has_its_class_as_type_and_its_data_as_attributes(self):
        error = exceptions.FileInvalid("a.yaml", "is wrong", 3, 4)
        self.assertEqual(
            {
                "type": "FileInvalid",
                "message": "a.yaml:3:4: is wrong",
                "details": {"path": "a.yaml", "line": 3, "column": 4},
            },
            error.to_dict(),
        )
        self.assertEqual((3, 4), (error.line, error.column))

    @ddt.data(
        ([], "none"),
        (["b", "a"], "a, b"),
        ([f"n{i:02}" for i in range(25)], " and 5 more"),
    )
    @ddt.unpack
    def test_list_in_a_sentence_is_sorted_and_short(self, names, words):
        self.assertTrue(exceptions.one_of(names).endswith(words))
