import inspect
import itertools
import json

import ddt
from mistral_lib import actions as mistral_actions
from mistral_lib.actions import context as mistral_context

from tests.unit import fake_heat
from tripleo_common.actions import capabilities, parameters, plan, roles
from tripleo_common.plan import lock

CANARY = "canary-90d2ab17"
RECORD_BYTES = 64 * 1024
WRONG = (None, 0, 7, -1, 1.5, True, False, "", "text", [], ["a"], [None], {}, {"a": 1}, {"": []})

GOOD = {
    capabilities.Get: {},
    capabilities.Update: {"environments": {"environments/flat.yaml": True}},
    parameters.Get: {},
    parameters.GetFlatten: {},
    parameters.Update: {"parameters": {"Debug": True}},
    parameters.Reset: {},
    parameters.UpdateRole: {"role": "compute"},
    parameters.GeneratePasswords: {},
    parameters.GetPasswords: {},
    roles.List: {},
    roles.ListAvailable: {},
    roles.Select: {"container": "plan", "role_names": ["Controller"]},
    plan.Show: {},
    plan.History: {},
    plan.Diff: {},
    plan.Rollback: {"container": "plan", "revision": 1},
    plan.Export: {"plan": "plan"},
}
"""Every action of a plan's configuration with inputs that it takes."""

CHANGES = [cls for cls in GOOD if hasattr(cls, "change")]
NOT_CHANGES = [cls for cls in GOOD if not hasattr(cls, "change")]

COMMITTED = ("revision", "changed", "stale")
CHANGED = {"revision": 2, "changed": True, "stale": []}


def with_plan(cls, **inputs):
    name = "plan" if cls is plan.Export else "container"
    return cls(**{name: "plan", **GOOD[cls], **inputs})


class WithActions(fake_heat.WithPlan):
    def setUp(self):
        super().setUp()
        self.make_plan()
        self.numbers = itertools.count()

    def context(self, stored=True):
        number = next(self.numbers)
        return mistral_context.ActionContext(
            self.cloud.security(user_name="joe"),
            mistral_context.ExecutionContext(
                action_execution_id=f"action-{number}" if stored else None,
                task_execution_id=f"task-{number}" if stored else None,
            ),
        )

    def good(self, action, stored=True):
        result = action.run(self.context(stored))
        self.assertNotIsInstance(result, mistral_actions.Result, getattr(result, "error", None))
        json.dumps(result)
        return result

    def error(self, action):
        result = action.run(self.context())
        self.assertIsInstance(result, mistral_actions.Result)
        self.assertEqual({"type", "message", "details"}, set(result.error))
        json.dumps(result.error)
        return result.error

    def published(self, reference):
        self.assertEqual({"container", "object", "bytes"}, set(reference))
        content = self.swift.containers[reference["container"]][reference["object"]]
        self.assertEqual(reference["bytes"], len(content))
        return json.loads(content)

    def grow(self):
        """Make the answers on the plan larger than a record of Mistral may be."""
        text = fake_heat.TEMPLATE + "parameters:\n"
        for number in range(400):
            text += (
                f"  Parameter{number}:\n    type: string\n    default: ''\n"
                f"    description: {'words ' * 25}\n"
            )
        text += "  LicenseKey: {type: string, hidden: true, default: ''}\n"
        self.write("overcloud.j2.yaml", text)


@ddt.ddt
class Inputs(WithActions):
    @ddt.data(*GOOD)
    def test_good_inputs_work(self, cls):
        self.cloud.tag("compute")
        self.good(with_plan(cls))
        self.good(with_plan(cls), stored=False)

    @ddt.data(*GOOD)
    def test_any_input_of_any_kind_is_a_result_or_a_typed_error(self, cls):
        self.cloud.tag("compute")
        names = list(inspect.signature(cls.__init__).parameters)[1:]
        for name in names:
            for value in WRONG:
                with self.subTest(input=name, value=value):
                    result = with_plan(cls, **{name: value}).run(self.context())
                    json.dumps(getattr(result, "error", None) or result)
                    if isinstance(result, mistral_actions.Result):
                        self.assertNotEqual("InternalError", result.error["type"])
        self.assertNotIn("Traceback", self.log.output)

    @ddt.data(*GOOD)
    def test_name_of_the_plan_is_checked_before_any_request(self, cls):
        name = "plan" if cls is plan.Export else "container"
        for value in ("a/b", "../x", "", None, 5, [], {}, "plan.revisions", "plan.lock", "x" * 65):
            error = self.error(with_plan(cls, **{name: value}))
            self.assertEqual("PlanNameInvalid", error["type"], value)

    @ddt.data(*GOOD)
    def test_plan_that_is_not_there_is_told(self, cls):
        name = "plan" if cls is plan.Export else "container"
        self.cloud.tag("compute")
        error = self.error(with_plan(cls, **{name: "nothing"}))
        self.assertEqual(("PlanNotFound", ["plan"]), (error["type"], error["details"]["available"]))
        self.assertEqual({"plan", "plan.revisions"}, set(self.swift.containers))
        self.assertEqual({"plan"}, set(self.mistral.environments))

    @ddt.data(*CHANGES)
    def test_flag_that_is_no_flag_changes_nothing(self, cls):
        """``"false"`` is a text and true to Python; nobody who sends it means true."""
        defaults = inspect.signature(cls.__init__).parameters
        flags = [name for name, p in defaults.items() if isinstance(p.default, bool)]
        before = self.state()
        for name in flags:
            for value in ("false", "true", 1, 0, [], {}):
                error = self.error(with_plan(cls, **{name: value}))
                self.assertEqual(
                    ("InputInvalid", name), (error["type"], error["details"]["name"]), value
                )
        self.assertEqual(before, self.state())

    def test_password_is_not_revealed_by_a_text(self):
        for value in ("false", "true", 1, [1]):
            error = self.error(parameters.GetPasswords("plan", reveal=value))
            self.assertEqual("InputInvalid", error["type"])

    @ddt.data(*CHANGES)
    def test_reason_and_user_are_in_the_history(self, cls):
        self.cloud.tag("compute")
        if cls in (parameters.Reset, plan.Rollback):
            self.good(parameters.Update({"Zone": "here"}, "plan"))
        inputs = {"rotate_passwords": True} if cls is parameters.GeneratePasswords else {}
        self.good(with_plan(cls, reason="for a test", **inputs))
        first = self.good(plan.History("plan"))[0]
        self.assertEqual(("joe", "for a test"), (first["user"], first["reason"]))
        self.assertTrue(first["action"].startswith("tripleo."), first["action"])

    @ddt.data(*CHANGES)
    def test_plan_that_is_locked_is_refused_at_once_or_waited_for(self, cls):
        self.cloud.tag("compute")
        with lock.hold(self.plans.home, "plan", self.change(reason="another")):
            error = self.error(with_plan(cls, lock_wait=0))
        self.assertEqual("PlanLocked", error["type"])
        self.assertEqual("another", error["details"]["reason"])

    @ddt.data(*NOT_CHANGES)
    def test_reading_needs_no_lock_and_changes_nothing(self, cls):
        with lock.hold(self.plans.home, "plan", self.change()):
            before = self.state()
            self.good(with_plan(cls))
            containers, environments = self.state()
            containers.pop("plan-exports", None)
            self.assertEqual(before, (containers, environments))


class Parameters(WithActions):
    def test_get_has_the_keys_of_all_releases(self):
        self.good(parameters.Update({"Debug": True, "LicenseKey": CANARY}, "plan"))
        result = self.good(parameters.Get("plan"))
        self.assertEqual(
            {"heat_resource_tree", "environment_parameters", "mistral_environment_parameters"},
            set(result),
        )
        self.assertEqual({"Debug": True, "LicenseKey": "******"}, result["environment_parameters"])
        self.assertEqual(result["environment_parameters"], result["mistral_environment_parameters"])
        self.assertIn("NestedParameters", result["heat_resource_tree"])

    def test_get_flatten_has_resources_by_id_and_parameters_by_name(self):
        tree = self.good(parameters.GetFlatten("plan"))["heat_resource_tree"]
        self.assertEqual({"resources", "parameters"}, set(tree))
        (root,) = [entry for entry in tree["resources"].values() if entry["name"] == "Root"]
        self.assertIn("Debug", root["parameters"])
        self.assertEqual("Debug", tree["parameters"]["Debug"]["name"])
        self.assertEqual("true", tree["parameters"]["LicenseKey"]["noEcho"])

    def test_update_tells_values_revision_and_the_flat_tree(self):
        result = self.good(parameters.Update({"Debug": True}, "plan"))
        self.assertEqual({"environment_parameters", "heat_resource_tree", *COMMITTED}, set(result))
        self.assertEqual((2, True), (result["revision"], result["changed"]))
        self.assertEqual({"resources", "parameters"}, set(result["heat_resource_tree"]))
        result = self.good(parameters.Update({"Debug": False}, "plan", validate=False))
        self.assertEqual({"environment_parameters", *COMMITTED}, set(result))

    def test_update_that_is_refused_tells_all_faults_as_data(self):
        error = self.error(parameters.Update({"Debug": "x", "Nothing": CANARY}, "plan"))
        self.assertEqual("ParametersInvalid", error["type"])
        self.assertEqual(
            [{"name", "value", "problem", "allowed"}] * 2,
            [set(fault) for fault in error["details"]["faults"]],
        )
        self.assertNotIn(CANARY, json.dumps(error))

    def test_refusal_of_heat_is_a_typed_error(self):
        self.refusal = "The template is bad"
        error = self.error(parameters.Get("plan"))
        self.assertEqual(("ServiceRefused", 400), (error["type"], error["details"]["status"]))
        self.assertIn("The template is bad", error["message"])

    def test_error_with_very_many_faults_fits_into_a_record(self):
        error = self.error(parameters.Update({f"Name{n}": "x" * 300 for n in range(5000)}, "plan"))
        self.assertTrue(len(json.dumps(error)) < RECORD_BYTES, len(json.dumps(error)))

    def test_update_that_is_delivered_twice_is_made_once(self):
        context = self.context()
        action = parameters.Update({"Debug": True}, "plan")
        first, again = action.run(context), action.run(context)
        self.assertEqual(2, first["revision"])
        for key in ("revision", "environment_parameters", "changed"):
            self.assertEqual(first[key], again[key])

    def test_large_result_is_a_reference_if_it_would_be_stored(self):
        self.grow()
        self.good(parameters.Update({"LicenseKey": CANARY}, "plan", validate=False))
        for action in (parameters.Get("plan"), parameters.GetFlatten("plan")):
            whole = self.good(action, stored=False)
            self.assertIn("heat_resource_tree", whole)
            reference = self.good(action)
            self.assertTrue(len(json.dumps(reference)) < 1000)
            self.assertEqual(whole, self.published(reference))
        reference = self.good(parameters.Update({"Parameter1": "x"}, "plan"))
        self.assertEqual({"container", "object", "bytes"}, set(reference) - set(COMMITTED))
        self.assertNotIn(CANARY, self.stored())

    def test_published_result_goes_after_a_day(self):
        self.grow()
        self.forget()
        self.good(parameters.Get("plan"))
        (sent,) = [r for r in self.swift.sent if r.method == "PUT" and "/results/" in r.url]
        self.assertIn(str(sent.headers["X-Delete-After"]), ("86400", "b'86400'"))

    def test_reset_tells_the_revision(self):
        self.good(parameters.Update({"Debug": True}, "plan"))
        self.assertEqual(3, self.good(parameters.Reset("plan"))["revision"])

    def test_update_role_tells_what_was_set(self):
        self.cloud.tag("compute", "compute")
        self.assertEqual(
            {**CHANGED, "parameters": {"ComputeCount": 2}},
            self.good(parameters.UpdateRole("compute", "plan")),
        )

    def test_update_role_that_is_only_tried_changes_nothing(self):
        self.cloud.tag("compute", "compute")
        found = self.good(parameters.UpdateRole("compute", "plan", dry_run=True))
        self.assertEqual({"parameters": {"ComputeCount": 2}}, found)
        self.assertTrue(self.good(parameters.UpdateRole("compute", "plan"))["changed"])
        error = self.error(parameters.UpdateRole("computer", "plan", dry_run=True))
        self.assertEqual("ParametersInvalid", error["type"])


class Passwords(WithActions):
    def test_values_are_in_no_result_unless_revealed(self):
        value = self.good(parameters.GetPasswords("plan", reveal=True))["AdminPassword"]
        self.assertTrue(len(value) > 20)
        for cls in GOOD:
            self.cloud.tag("compute")
            self.assertNotIn(value, json.dumps(self.good(with_plan(cls))))
        self.assertNotIn(value, self.stored())
        self.assertNotIn(value, self.log.output)

    def test_generated_ones_are_told_by_name(self):
        result = self.good(parameters.GeneratePasswords("plan", rotate_passwords=True))
        self.assertEqual({**CHANGED, "passwords": ["AdminPassword"], "overridden": []}, result)

    def test_masked_unless_revealed(self):
        self.assertEqual({"AdminPassword": "******"}, self.good(parameters.GetPasswords("plan")))

    def test_without_keys_it_is_a_typed_error(self):
        self.set_options(encryption_keys_file=None)
        for action in (
            parameters.GetPasswords("plan", reveal=True),
            parameters.Get("plan"),
            parameters.Update({"LicenseKey": CANARY}, "plan"),
            parameters.GeneratePasswords("plan", rotate_passwords=True),
            plan.Export("plan", passphrase="long enough for this"),
        ):
            error = self.error(action)
            self.assertEqual("EncryptionKeyMissing", error["type"])
            self.assertIn("encryption_keys_file", error["message"])


class Capabilities(WithActions):
    def test_get_is_topics_by_title(self):
        result = self.good(capabilities.Get("plan"))
        self.assertEqual({"Base", "Other"}, set(result))
        group = result["Base"]["environment_groups"][0]
        self.assertEqual("Network", group["title"])
        environment = group["environments"][0]
        self.assertEqual(
            {"title": "Flat", "file": "environments/flat.yaml", "enabled": False},
            {key: environment[key] for key in ("title", "file", "enabled")},
        )
        (other,) = result["Other"]["environment_groups"]
        self.assertIsNone(other["description"])

    def test_update_tells_environments_with_their_paths(self):
        result = self.good(capabilities.Update({"environments/flat.yaml": True}, "plan"))
        self.assertEqual(
            ["registry.yaml", "environments/flat.yaml"],
            [item["path"] for item in result["environments"]],
        )
        self.assertNotIn("passwords", json.dumps(result))

    def test_refusal_explains_itself_as_data(self):
        error = self.error(capabilities.Update({"environments/telemetry.yaml": True}, "plan"))
        self.assertEqual("CapabilitiesConflict", error["type"])
        (fault,) = error["details"]["faults"]
        self.assertEqual("requires", fault["rule"])
        self.assertIn("Also enable environments/vlan.yaml", fault["message"])

    def test_large_result_is_a_reference_if_it_would_be_stored(self):
        def edit(candidate):
            for number in range(600):
                path = f"environments/with/a/rather/long/name/{number:04}.yaml"
                candidate.files[path] = b"parameter_defaults: {}\n"

        self.edit(edit)
        whole = self.good(capabilities.Get("plan"), stored=False)
        self.assertEqual(whole, self.published(self.good(capabilities.Get("plan"))))


class Roles(WithActions):
    def test_list_is_names_and_with_detail_whole_roles(self):
        self.assertEqual(["Controller", "Compute"], self.good(roles.List("plan")))
        detail = self.good(roles.List("plan", detail=True))
        self.assertEqual(["OS::TripleO::Services::Ntp"], detail[0]["ServicesDefault"])

    def test_available_ones(self):
        found = self.good(roles.ListAvailable("plan"))
        self.assertEqual(
            {"name": "Storage", "description": "", "tags": [], "services": 1}, found[-1]
        )
        self.assertIn("ServicesDefault", self.good(roles.ListAvailable("plan", detail=True))[-1])

    def test_roles_of_any_form_can_be_listed(self):
        self.objects["roles/Odd.yaml"] = (
            b"- {name: Odd, ServicesDefault: 5, tags: 7, description: [a]}\n"
            b"- {name: Odder, ServicesDefault: {a: 1}, tags: {b: 2}, description: null}\n"
        )
        found = {role["name"]: role for role in self.good(roles.ListAvailable("plan"))}
        self.assertEqual(
            {"name": "Odd", "description": "['a']", "tags": [], "services": 0}, found["Odd"]
        )

    def test_selected_ones(self):
        result = self.good(roles.Select("plan", ["Storage"]))
        self.assertEqual(2, result["revision"])
        self.assertEqual(["Storage"], [role["name"] for role in result["roles"]])

    def test_large_result_is_a_reference_if_it_would_be_stored(self):
        services = "".join(f"    - OS::TripleO::Services::Service{n}\n" for n in range(1500))
        self.write("roles/Large.yaml", f"- name: Large\n  ServicesDefault:\n{services}")
        self.write("roles_data.yaml", f"- name: Large\n  ServicesDefault:\n{services}")
        for action in (roles.List("plan", detail=True), roles.ListAvailable("plan", detail=True)):
            whole = self.good(action, stored=False)
            self.assertIsInstance(whole, list)
            self.assertEqual(whole, self.published(self.good(action)))


class Plan(WithActions):
    def test_show(self):
        shown = self.good(plan.Show("plan"))
        self.assertEqual(("plan", 1), (shown["name"], shown["revision"]))

    def test_diff_and_history_and_rollback(self):
        self.good(parameters.Update({"Debug": True, "LicenseKey": CANARY}, "plan"))
        found = self.good(plan.Diff("plan", 1, 2))
        self.assertEqual({"Debug": {"to": True}, "LicenseKey": "changed"}, found["parameters"])
        self.assertEqual([2, 1], [entry["revision"] for entry in self.good(plan.History("plan"))])
        result = self.good(plan.Rollback("plan", 1))
        self.assertEqual({**CHANGED, "revision": 3, "not_undone": []}, result)
        result = self.good(plan.Rollback("plan", 3))
        self.assertEqual({**CHANGED, "revision": 3, "changed": False, "not_undone": []}, result)
        self.assertNotIn(CANARY, self.stored())

    def test_deployed_plan_that_goes_back_says_what_stays(self):
        self.good(parameters.Update({"ComputeCount": 5}, "plan"))
        self.plans.open("plan").archive.mark_deployed(2, {})
        self.cloud.heat.add("plan", "UPDATE_COMPLETE")
        told = " ".join(self.good(plan.Rollback("plan", 1))["not_undone"])
        self.assertIn("ComputeCount", told)

    def test_rollback_that_is_delivered_twice_is_made_once(self):
        self.good(parameters.Update({"Debug": True}, "plan"))
        context = self.context()
        first, again = (plan.Rollback("plan", 1).run(context) for _ in range(2))
        self.assertEqual((3, 3), (first["revision"], again["revision"]))

    def test_unknown_revision_names_those_that_there_are(self):
        error = self.error(plan.Rollback("plan", 7))
        self.assertEqual(("RevisionNotFound", [1]), (error["type"], error["details"]["available"]))

    def test_export_and_create_from_it(self):
        passphrase = "long enough for this"
        self.good(parameters.Update({"Debug": True, "LicenseKey": CANARY}, "plan"))
        result = self.good(plan.Export("plan", passphrase=passphrase))
        self.assertEqual({"container", "object", "revision", "secrets"}, set(result))
        source = f"swift:{result['container']}/{result['object']}"
        self.good(plan.Create("copy", source_url=source, passphrase=passphrase))
        shown = self.good(plan.Show("copy"))
        self.assertEqual({"Debug": True, "LicenseKey": "******"}, shown["parameters"])
        self.assertNotIn(CANARY, self.stored())
        self.assertNotIn(passphrase, self.stored() + self.log.output)
