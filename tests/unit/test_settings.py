import gzip
import json
import logging

import ddt
import fixtures
from cryptography import fernet
from heatclient import exc as heat_exc

from tests.unit import fake_heat
from tripleo_common import exceptions
from tripleo_common.plan import capabilities, history, secrets, settings, yaml_files

CANARY = "canary-7d3f1a90"


class WithParameters(fake_heat.WithPlan):
    def setUp(self):
        super().setUp()
        self.make_plan()

    def update(self, values, **more):
        return settings.update_parameters(self.plans, "plan", values, self.change(), **more)

    def refused(self, values, error=exceptions.ParametersInvalid, **more):
        before = self.state()
        found = self.assertRaises(error, self.update, values, **more)
        self.assertEqual(before, self.state())
        return found

    def get(self):
        return settings.get_parameters(self.plans, "plan")


@ddt.ddt
class UpdateParameters(WithParameters):
    def test_values_are_merged_and_become_a_revision(self):
        self.update({"Debug": True, "ControllerCount": 3})
        committed, tree, after = self.update({"Debug": False, "Servers": ["a"]})
        self.assertEqual((3, True, True), (committed.revision, committed.changed, committed.synced))
        wanted = {"Debug": False, "ControllerCount": 3, "Servers": ["a"]}
        self.assertEqual(wanted, after)
        self.assertEqual(wanted, self.variables["parameter_defaults"])
        self.assertEqual(3, tree["Parameters"]["ControllerCount"]["Value"])
        self.assertEqual(wanted, {k: v for k, v in self.given().items() if k in wanted})

    def test_what_a_plan_sets_wins_over_its_environments(self):
        self.assertEqual("there", self.given()["Zone"])
        self.update({"Zone": "here"})
        self.assertEqual("here", self.given()["Zone"])

    def test_all_faults_are_told_at_once_and_nothing_is_changed(self):
        error = self.refused(
            {
                "ControllerCount": 101,
                "Debug": "perhaps",
                "Zone": "elsewhere",
                "ControllerCont": 1,
                "Options": "{",
                "ComputeCount": 1,
            }
        )
        self.assertEqual(
            {"ControllerCount", "Debug", "Zone", "ControllerCont", "Options"},
            {fault["name"] for fault in error.faults},
        )
        by_name = {fault["name"]: fault for fault in error.faults}
        self.assertEqual(101, by_name["ControllerCount"]["value"])
        self.assertEqual({"range": {"min": 0, "max": 100}}, by_name["ControllerCount"]["allowed"])
        self.assertEqual(["here", "there"], by_name["Zone"]["allowed"])
        self.assertIn("ControllerCount", by_name["ControllerCont"]["allowed"])
        self.assertEqual(0, self.asked)

    def test_unknown_name_that_another_template_declares_names_that_template(self):
        (fault,) = self.refused({"TelemetryInterval": 5}).faults
        self.assertIn("telemetry.yaml", fault["problem"])
        self.assertIn("choose an environment", fault["problem"])

    def test_the_same_name_is_known_once_its_environment_is_chosen(self):
        chosen = {"environments/telemetry.yaml": True, "environments/vlan.yaml": True}
        settings.update_capabilities(self.plans, "plan", chosen, self.change())
        self.update({"TelemetryInterval": 5})
        self.assertEqual(5, self.given()["TelemetryInterval"])

    def test_ten_thousand_unknown_names_do_not_take_long(self):
        with fixtures.Timeout(20, gentle=True):
            error = self.refused({f"Unknown{n}": 1 for n in range(10_000)})
        self.assertEqual(10_000, len(error.faults))
        self.assertTrue(len(error.message) < 5000)

    def test_name_is_not_found_in_what_only_looks_like_a_declaration(self):
        self.write("other.yaml", fake_heat.TEMPLATE + "# Nothing:\nresources:\n  x: {Nothing: 1}\n")
        (fault,) = self.refused({"Nothing": 1}).faults
        self.assertNotIn("other.yaml", fault["problem"])

    @ddt.data(None, 5, "text", ["a"], True, "")
    def test_what_is_no_mapping_is_refused(self, values):
        error = self.refused(values, exceptions.InputInvalid)
        self.assertEqual("parameters", error.name)

    def test_values_of_every_wrong_kind_are_faults(self):
        deep: list = []
        for _ in range(400):
            deep = [deep]
        for name in ("Debug", "Servers", "Zone", "LicenseKey", "ControllerCount"):
            for value in (deep, {"a": {5: 6}}, float("nan"), "\ud800", {"\ud800": 1}, b"x", {1}):
                with self.subTest(name=name, value=str(type(value))):
                    found = (
                        self.assertRaises(exceptions.ParametersInvalid, self.update, {name: value})
                        if not (name == "Options" and value == {"a": {5: 6}})
                        else None
                    )
                    del found
        for name in (5, None, "\ud800", ("a",), ""):
            with self.subTest(name=repr(name)):
                self.refused({name: 1})

    def test_true_is_not_one_in_json(self):
        self.update({"Options": {"a": 1}})
        committed, _tree, _after = self.update({"Options": {"a": True}})
        self.assertTrue(committed.changed)
        self.assertIs(True, self.variables["parameter_defaults"]["Options"]["a"])

    def test_the_same_values_again_make_no_revision(self):
        self.update({"Options": {"a": 1, "b": 2}, "LicenseKey": CANARY})
        before = self.state()
        committed, _tree, _after = self.update({"Options": {"b": 2, "a": 1}, "LicenseKey": CANARY})
        self.assertFalse(committed.changed)
        self.assertEqual(before, self.state())

    def test_no_values_make_no_revision(self):
        committed, _tree, after = self.update({})
        self.assertEqual((1, False, {}), (committed.revision, committed.changed, after))

    def test_direct_write_of_a_client_becomes_part_of_the_revision(self):
        self.variables["parameter_defaults"]["Debug"] = True
        self.objects["environments/mine.yaml"] = b"parameter_defaults: {}\n"
        committed, _tree, after = self.update({"ComputeCount": 4})
        self.assertEqual({"Debug": True, "ComputeCount": 4}, after)
        self.assertTrue(committed.changed)
        self.assertIn("environments/mine.yaml", self.plans.read("plan").base.contents)

    def test_direct_write_of_wrong_types_is_a_typed_error(self):
        for key, value in (
            ("parameter_defaults", ["a"]),
            ("passwords", "x"),
            ("environments", {"a": 1}),
            ("environments", ["a"]),
            ("environments", [{"data": {"parameter_defaults": {"Zone": "\ud800"}}}]),
            ("environments", [{"path": 5}]),
            ("environments", [{"data": [1]}]),
            ("environments", [{"data": {"parameter_defaults": [1]}}]),
            ("template", None),
            ("template", 5),
            ("template", ["overcloud.yaml"]),
            ("rendered", 5),
            ("rendered", [{}]),
        ):
            with self.subTest(key=key, value=value):
                kept = self.variables[key]
                self.variables[key] = value
                try:
                    self.update({"Debug": True})
                except exceptions.TripleOError:
                    self.variables[key] = kept
                else:
                    self.assertEqual("rendered", key)

    def test_plan_that_is_not_there_is_told(self):
        self.assertRaises(
            exceptions.PlanNotFound,
            settings.update_parameters,
            self.plans,
            "nothing",
            {},
            self.change(),
        )


class Validation(WithParameters):
    def test_heat_is_asked_about_the_candidate_before_anything_is_stored(self):
        self.update({"Zone": "here"})
        (sent,) = [json.loads(r.body) for r in self.heat.sent if r.url.count("/validate")]
        last = yaml_files.load_mapping(sent["files"]["/plan-environment.yaml"], "")
        self.assertEqual("here", last["parameter_defaults"]["Zone"])
        self.assertIn("show_nested", self.heat.sent[0].url)

    def test_refusal_of_heat_leaves_the_plan_as_it_was(self):
        self.refusal = "The Parameter (X) was not provided."
        error = self.refused({"Debug": True}, Exception)
        self.assertIn("not provided", str(error))
        self.refusal = None
        self.assertEqual(2, self.update({"Debug": True})[0].revision)

    def test_refusal_of_heat_does_not_show_secrets(self):
        self.refusal = f"Parameter 'LicenseKey' is invalid: \"{CANARY}\" does not match"
        error = self.refused({"LicenseKey": CANARY}, exceptions.ServiceRefused)
        self.assertNotIn(CANARY, json.dumps(error.to_dict()))
        self.assertIn("LicenseKey", error.message)
        self.assertNotIn(CANARY, self.log.output)

    def test_heat_that_is_down_is_told_and_leaves_the_plan_as_it_was(self):
        self.heat.fail("POST", r"^/validate", 503)
        # The hook of a test comes before ours.
        self.heat._hooks.reverse()
        error = self.refused({"Debug": True}, Exception)
        self.assertIsInstance(error, heat_exc.HTTPServiceUnavailable)

    def test_without_validation_heat_is_asked_nothing(self):
        self.refusal = "no"
        committed, tree, after = self.update({"Debug": True}, validate=False)
        self.assertEqual((2, None, {"Debug": True}), (committed.revision, tree, after))
        self.assertEqual([], self.heat.requests)

    def test_values_are_checked_without_heat_as_well(self):
        self.refused({"Debug": "perhaps"}, validate=False)

    def test_second_get_asks_heat_nothing(self):
        first = self.get()
        self.assertEqual(1, self.asked)
        self.assertEqual(first, self.get())
        self.open()
        self.assertEqual(first, self.get())
        self.assertEqual(1, self.asked)

    def test_get_after_a_validated_update_asks_heat_nothing(self):
        _committed, tree, after = self.update({"Zone": "here", "LicenseKey": CANARY})
        self.assertEqual(1, self.asked)
        self.assertEqual((tree, after), self.get())
        self.assertEqual(1, self.asked)

    def test_any_direct_write_makes_heat_be_asked_again(self):
        def environment():
            self.variables["parameter_defaults"]["Zone"] = "here"

        def environments():
            self.variables["environments"].append({"path": "environments/flat.yaml"})

        def inline():
            self.variables["environments"].append({"data": {"parameter_defaults": {"Debug": True}}})

        def template():
            self.objects["overcloud.yaml"] += b"\n"
            self.objects["overcloud.j2.yaml"] += b"\n"

        def registry():
            self.objects["registry.j2.yaml"] = self.objects["registry.j2.yaml"].replace(
                b"Zone: there", b"Debug: true"
            )

        def chosen():
            self.objects["environments/flat.yaml"] = b"parameter_defaults: {Zone: here}\n"

        def gone():
            del self.objects["environments/extra.yaml"]

        def plan_environment():
            self.objects["plan-environment.yaml"] = self.objects["plan-environment.yaml"].replace(
                b"Zone: here", b"Zone: there"
            )

        self.get()
        for number, write in enumerate(
            (environment, environments, inline, template, registry, chosen, gone), 2
        ):
            write()
            fresh = self.get()
            self.assertEqual(number, self.asked, write.__name__)
            self.assertEqual(fresh, self.get(), write.__name__)
            self.assertEqual(number, self.asked, write.__name__)
        tree, values = self.get()
        self.assertEqual({"Zone": "here"}, values)
        self.assertEqual(True, tree["Parameters"]["Debug"]["Value"])
        plan_environment()

    def test_answer_shows_what_was_written_directly(self):
        self.get()
        self.objects["registry.j2.yaml"] += b"  \n"
        self.variables["parameter_defaults"]["ComputeCount"] = 9
        tree, values = self.get()
        self.assertEqual(9, tree["Parameters"]["ComputeCount"]["Value"])
        self.assertEqual({"ComputeCount": 9}, values)

    def test_damaged_answer_is_not_used(self):
        wanted = self.get()
        archive = self.swift.containers["plan.revisions"]
        (path,) = [path for path in archive if path.startswith("answers/parameters-")]
        good = archive[path]
        changed = bytearray(good)
        changed[len(good) // 2] ^= 0xFF
        damaged = (
            b"",
            b"\x1f\x8b",
            good[: len(good) // 2],
            bytes(changed),
            good[:10] + b"\xff" * 30,
            b"{}",
            gzip.compress(b"[1, 2]"),
            gzip.compress(b"{"),
            gzip.compress(b"\xff\xfe"),
            gzip.compress(b"null"),
        )
        for number, content in enumerate(damaged, 2):
            archive[path] = content
            self.start_executor()
            self.assertEqual(wanted, self.get(), content[:40])
            self.assertEqual(number, self.asked)

    def test_few_answers_are_kept(self):
        for count in range(6):
            self.update({"ComputeCount": count})
        answers = [p for p in self.swift.containers["plan.revisions"] if p.startswith("answers/")]
        self.assertTrue(1 <= len(answers) <= 4, answers)

    def test_plan_that_a_client_made_past_us_can_be_asked_about(self):
        """Its environment, and a container, is all that there is."""
        self.swift.containers["theirs"] = fake_heat.encoded(self.FILES)
        self.swift.containers["theirs"]["overcloud.yaml"] = b"heat_template_version: 2016-10-14\n"
        self.mistral.environments["theirs"] = {
            "template": "overcloud.yaml",
            "environments": [{"path": "registry.yaml"}],
            "parameter_defaults": {"Zone": "here"},
        }
        tree, values = settings.get_parameters(self.plans, "theirs")
        self.assertEqual("here", tree["Parameters"]["Zone"]["Value"])
        self.assertEqual({"Zone": "here"}, values)


class Secrets(WithParameters):
    def setUp(self):
        super().setUp()
        # What a debugging operator would see.
        self.debug = self.useFixture(fixtures.FakeLogger(level=logging.DEBUG))

    def assertNothingLeaks(self, *results):
        told = {
            "results": json.dumps(results, default=vars),
            "what is stored": self.stored(),
            "the log": self.debug.output,
        }
        self.assertEqual([], [place for place, text in told.items() if CANARY in text])

    def test_hidden_parameter_is_nowhere_in_clear(self):
        results = [self.update({"LicenseKey": CANARY, "Debug": True})]
        results.append(self.get())
        results.append(self.update({"Debug": False}))
        self.assertEqual(CANARY, self.given()["LicenseKey"])
        self.assertNothingLeaks(results)
        self.assertEqual(secrets.MASK, results[1][1]["LicenseKey"])
        self.assertEqual(secrets.MASK, results[1][0]["Parameters"]["LicenseKey"]["Value"])

    def test_refused_secret_is_not_shown(self):
        error = self.refused({"LicenseKey": CANARY * 10, "Unknown": CANARY})
        self.assertNothingLeaks(error.to_dict())

    def test_password_set_as_a_parameter_is_nowhere_in_clear(self):
        results = [self.update({"AdminPassword": CANARY}), self.get()]
        self.assertEqual(CANARY, self.given()["AdminPassword"])
        self.assertNothingLeaks(results)

    def test_secret_that_a_client_wrote_in_clear_is_encrypted_by_the_next_commit(self):
        self.variables["parameter_defaults"]["LicenseKey"] = CANARY
        self.variables["environments"].append(
            {"data": {"parameter_defaults": {"AdminPassword": f"{CANARY}-inline", "Debug": True}}}
        )
        self.assertNotIn(CANARY, json.dumps(self.get()))
        results = self.update({"Zone": "here"})
        self.assertEqual(CANARY, self.given()["LicenseKey"])
        self.assertNothingLeaks(results)
        last = self.variables["environments"][-1]["data"]["parameter_defaults"]
        self.assertTrue(secrets.is_encrypted(last["AdminPassword"]))
        self.assertIs(True, last["Debug"])

    def test_mask_given_back_leaves_a_secret_as_it_is(self):
        self.update({"LicenseKey": CANARY})
        _tree, values = self.get()
        before = self.state()
        committed, _tree, _after = self.update(values)
        self.assertFalse(committed.changed)
        self.assertEqual(before, self.state())
        committed, _tree, after = self.update({**values, "Debug": True})
        self.assertTrue(committed.changed)
        self.assertEqual({"LicenseKey": secrets.MASK, "Debug": True}, after)
        self.assertEqual(CANARY, self.given()["LicenseKey"])

    def test_mask_given_back_leaves_one_that_is_not_encrypted_yet(self):
        self.variables["parameter_defaults"]["LicenseKey"] = CANARY
        self.update(self.get()[1])
        self.assertEqual(CANARY, self.given()["LicenseKey"])

    def test_mask_is_no_way_to_name_what_is_not_there(self):
        (fault,) = self.refused({"NoSuchThing": secrets.MASK}).faults
        self.assertEqual("NoSuchThing", fault["name"])

    def test_mask_of_what_is_not_hidden_is_not_passed_over_in_silence(self):
        (fault,) = self.refused({"OvercloudComputeFlavor": secrets.MASK}).faults
        self.assertIn("stands for hidden values", fault["problem"])

    def test_same_secret_again_makes_no_revision_and_another_one_does(self):
        self.update({"LicenseKey": CANARY})
        self.assertFalse(self.update({"LicenseKey": CANARY})[0].changed)
        self.assertTrue(self.update({"LicenseKey": "other"})[0].changed)
        self.assertEqual("other", self.given()["LicenseKey"])

    def test_secret_can_be_of_any_type(self):
        self.update({"AdminPassword": 12345})
        self.assertEqual(12345, self.given()["AdminPassword"])

    def test_text_that_looks_encrypted_is_a_typed_error_and_stores_nothing(self):
        for name in ("LicenseKey", "OvercloudComputeFlavor"):
            self.refused({name: "encrypted:abc"}, exceptions.TripleOError)
            self.refused({name: "encrypted:"}, exceptions.TripleOError)

    def test_secrets_of_another_parameter_cannot_be_shown_by_copying_them(self):
        """An encrypted value is text: put into a parameter that is not hidden, it must not open."""
        self.update({"LicenseKey": CANARY})
        stolen = self.variables["parameter_defaults"]["LicenseKey"]
        try:
            result = self.update({"OvercloudComputeFlavor": stolen})
        except exceptions.TripleOError:
            return
        self.assertNothingLeaks(result, self.get())

    def test_missing_keys_are_a_typed_error_and_the_plan_stays(self):
        self.set_options(encryption_keys_file="/nowhere/keys")
        error = self.refused({"LicenseKey": CANARY}, exceptions.EncryptionKeyMissing)
        self.assertNotIn(CANARY, error.message)


class Reset(WithParameters):
    def test_parameters_go_and_passwords_stay(self):
        self.update({"Debug": True, "LicenseKey": CANARY})
        passwords = dict(self.variables["passwords"])
        committed = settings.reset_parameters(self.plans, "plan", self.change())
        self.assertEqual(3, committed.revision)
        self.assertEqual({}, self.variables["parameter_defaults"])
        self.assertEqual(passwords, self.variables["passwords"])
        self.assertFalse(settings.reset_parameters(self.plans, "plan", self.change()).changed)


class RoleParameters(WithParameters):
    def update_role(self, role):
        return settings.update_role_parameters(self.plans, "plan", role, self.change())

    def test_count_is_that_of_the_tagged_nodes(self):
        self.cloud.tag("compute", "compute", "control")
        committed, values = self.update_role("compute")
        self.assertEqual(({"ComputeCount": 2}, 2), (values, committed.revision))
        self.assertEqual(2, self.given()["ComputeCount"])
        _committed, values = self.update_role("control")
        self.assertEqual({"ControllerCount": 1}, values)
        self.assertEqual(0, self.asked)

    def test_flavor_is_the_one_of_the_profile_where_there_is_compute(self):
        self.cloud.flavors = [
            {"name": "other", "extra_specs": {}},
            {"name": "big", "extra_specs": {"capabilities:profile": "compute"}},
        ]
        self.open()
        self.cloud.tag("compute")
        _committed, values = self.update_role("compute")
        self.assertEqual({"ComputeCount": 1, "OvercloudComputeFlavor": "big"}, values)

    def test_role_that_the_plan_does_not_have_is_refused(self):
        before = self.state()
        error = self.assertRaises(exceptions.ParametersInvalid, self.update_role, "ceph-storage")
        self.assertIn("Ceph-storageCount".replace("-s", "S"), error.message)
        self.assertEqual(before, self.state())

    def test_role_of_wrong_type_is_refused(self):
        for role in (None, 5, "", [], {}, True, "a b", "../x", "a\n"):
            with self.subTest(role=role):
                error = self.assertRaises(exceptions.InputInvalid, self.update_role, role)
                self.assertEqual("role", error.name)


class Capabilities(WithParameters):
    def choose(self, environments, **more):
        return settings.update_capabilities(self.plans, "plan", environments, self.change(), **more)

    def paths(self):
        return capabilities.paths(self.variables["environments"])

    def enabled(self):
        view = settings.get_capabilities(self.plans, "plan")
        return {
            item["file"]: item["enabled"]
            for topic in view.values()
            for group in topic["environment_groups"]
            for item in group["environments"]
        }

    def test_get_shows_topics_and_others_and_what_is_chosen(self):
        view = settings.get_capabilities(self.plans, "plan")
        self.assertEqual(["Base", "Other"], list(view))
        self.assertEqual("What it stands on", view["Base"]["description"])
        self.assertEqual(
            {
                "environments/flat.yaml": False,
                "environments/vlan.yaml": False,
                "environments/telemetry.yaml": False,
                "environments/extra.yaml": False,
            },
            self.enabled(),
        )
        self.choose({"environments/vlan.yaml": True, "environments/extra.yaml": True})
        self.assertEqual(
            {"environments/vlan.yaml", "environments/extra.yaml"},
            {path for path, enabled in self.enabled().items() if enabled},
        )

    def test_get_shows_a_file_that_was_only_just_uploaded(self):
        self.objects["environments/new.yaml"] = b"parameter_defaults: {}\n"
        self.assertIs(False, self.enabled()["environments/new.yaml"])

    def test_choice_becomes_a_revision_and_heat_gets_it(self):
        result = self.choose({"environments/flat.yaml": True})
        self.assertEqual(
            {
                "environments": [{"path": "registry.yaml"}, {"path": "environments/flat.yaml"}],
                "revision": 2,
                "changed": True,
                "stale": [],
            },
            result,
        )
        self.assertIs(True, self.given()["Debug"])
        self.assertEqual([], self.heat.requests)

    def test_same_choice_again_makes_no_revision(self):
        self.choose({"environments/flat.yaml": True})
        self.assertEqual(2, self.choose({"environments/flat.yaml": True})["revision"])

    def test_each_rule_is_enforced_and_the_plan_stays(self):
        before = self.state()
        for wanted, rule in (
            (
                {"environments/flat.yaml": True, "environments/vlan.yaml": True},
                "mutually_exclusive",
            ),
            ({"environments/telemetry.yaml": True}, "requires"),
            ({"registry.yaml": False}, "root_environment"),
        ):
            error = self.assertRaises(exceptions.CapabilitiesConflict, self.choose, wanted)
            self.assertEqual([rule], [fault["rule"] for fault in error.faults])
        error = self.assertRaises(
            exceptions.EnvironmentNotFound, self.choose, {"environments/none.yaml": True}
        )
        self.assertIn("environments/flat.yaml", error.available)
        self.assertEqual(before, self.state())

    def test_broken_choice_that_a_client_wrote_directly_is_refused_at_the_next(self):
        self.variables["environments"] += [
            {"path": "environments/flat.yaml"},
            {"path": "environments/vlan.yaml"},
        ]
        before = self.state()
        error = self.assertRaises(
            exceptions.CapabilitiesConflict, self.choose, {"environments/extra.yaml": True}
        )
        self.assertEqual("mutually_exclusive", error.faults[0]["rule"])
        self.assertEqual(before, self.state())

    def test_purging_drops_what_is_not_mentioned_but_the_root_and_what_is_inline(self):
        self.choose({"environments/vlan.yaml": True, "environments/extra.yaml": True})
        self.variables["environments"].append({"data": {"parameter_defaults": {"Zone": "here"}}})
        result = self.choose({"environments/flat.yaml": True}, purge_missing=True)
        self.assertEqual(["registry.yaml", "environments/flat.yaml"], self.paths())
        self.assertIn({"data": {}}, result["environments"])
        self.assertEqual("here", self.given()["Zone"])

    def test_sorting_puts_each_behind_what_it_requires(self):
        self.variables["environments"] = [
            {"path": "environments/telemetry.yaml"},
            {"path": "environments/vlan.yaml"},
            {"path": "registry.yaml"},
        ]
        self.choose({}, sort_environments=True)
        self.assertEqual(
            ["registry.yaml", "environments/vlan.yaml", "environments/telemetry.yaml"], self.paths()
        )

    def test_rendered_environment_can_be_chosen(self):
        self.objects["environments/made.j2.yaml"] = b"parameter_defaults: {Debug: true}\n"
        self.choose({"environments/made.yaml": True})
        self.assertIs(True, self.given()["Debug"])

    def test_chosen_environment_that_is_broken_is_told_with_its_place(self):
        self.objects["environments/extra.yaml"] = b"a: [\n"
        before = self.state()
        error = self.assertRaises(
            exceptions.YAMLInvalid, self.choose, {"environments/extra.yaml": True}
        )
        self.assertEqual("environments/extra.yaml", error.path)
        self.assertEqual(before, self.state())

    def test_action_that_is_delivered_twice_tells_the_same(self):
        change = self.change(request="one")
        wanted = {"environments/flat.yaml": True}
        first = settings.update_capabilities(self.plans, "plan", wanted, change)
        self.assertEqual(first, settings.update_capabilities(self.plans, "plan", wanted, change))

    def test_wrong_map_is_told_and_nothing_is_stored(self):
        self.objects["capabilities-map.yaml"] = b"topics: 5\n"
        before = self.state()
        self.assertRaises(exceptions.TripleOError, self.choose, {"environments/flat.yaml": True})
        self.assertRaises(exceptions.TripleOError, settings.get_capabilities, self.plans, "plan")
        self.assertEqual(before, self.state())


class Passwords(WithParameters):
    FILES = {
        **fake_heat.FILES,
        "more.yaml": fake_heat.TEMPLATE
        + "parameters:\n  SwiftHashSuffix: {type: string, hidden: true}\n"
        "  NovaPassword: {type: string, hidden: true}\n",
    }

    def generate(self, **more):
        return settings.generate_passwords(self.plans, "plan", self.change(), **more)

    def get_passwords(self, **more):
        return settings.get_passwords(self.plans, "plan", reveal=True, **more)

    def test_they_are_made_with_the_plan_and_kept(self):
        first = self.get_passwords()
        self.assertEqual({"AdminPassword", "NovaPassword", "SwiftHashSuffix"}, set(first))
        committed, made, _overridden = self.generate()
        self.assertEqual((False, []), (committed.changed, made))
        self.update({"Debug": True})
        self.write("environments/flat.yaml", "parameter_defaults: {}\n")
        self.assertEqual(first, self.get_passwords())
        self.assertEqual(first["AdminPassword"], self.given()["AdminPassword"])

    def test_they_are_nowhere_in_clear(self):
        self.get()
        for value in self.get_passwords().values():
            self.assertNotIn(value, self.stored())
            self.assertNotIn(value, self.log.output)

    def test_new_templates_get_what_they_want_besides(self):
        first = self.get_passwords()
        self.objects["new.yaml"] = b"parameters: {GlancePassword: {}}\n"
        _committed, made, _overridden = self.generate()
        self.assertEqual(["GlancePassword"], made)
        self.assertEqual(first, self.get_passwords(names=list(first)))

    def test_rotation_makes_new_ones_but_of_those_that_must_stay(self):
        first = self.get_passwords()
        _committed, made, _overridden = self.generate(rotate=True)
        second = self.get_passwords()
        self.assertEqual(["AdminPassword", "NovaPassword"], made)
        self.assertEqual(first["SwiftHashSuffix"], second["SwiftHashSuffix"])
        self.assertNotEqual(first["NovaPassword"], second["NovaPassword"])

    def test_new_one_that_a_parameter_overrides_is_told(self):
        self.update({"AdminPassword": "set by hand"})
        _committed, made, overridden = self.generate(rotate=True)
        self.assertIn("AdminPassword", made)
        self.assertEqual(["AdminPassword"], overridden)

    def test_rotation_of_one(self):
        first = self.get_passwords()
        _committed, made, _overridden = self.generate(rotate=True, names=["NovaPassword"])
        self.assertEqual(["NovaPassword"], made)
        self.assertEqual(first["AdminPassword"], self.get_passwords()["AdminPassword"])

    def test_rotation_of_what_must_stay_or_is_not_there_is_refused(self):
        before = self.state()
        for names in (["SwiftHashSuffix"], ["GlancePassword"], "NovaPassword", [5], 5, {"a": 1}):
            self.assertRaises(exceptions.InputInvalid, self.generate, rotate=True, names=names)
        self.assertEqual(before, self.state())

    def test_those_of_a_deployed_stack_are_taken_over(self):
        self.plans.delete("plan", self.change())
        self.stack_environments["plan"] = {
            "parameter_defaults": {"NovaPassword": "of-the-stack", "AdminPassword": "******"}
        }
        self.make_plan(anew=True)
        found = self.get_passwords()
        self.assertEqual("of-the-stack", found["NovaPassword"])
        self.assertNotEqual("******", found["AdminPassword"])
        self.assertNotIn("of-the-stack", self.stored())

    def test_own_ones_win_over_those_of_the_stack(self):
        first = self.get_passwords()
        self.stack_environments["plan"] = {"parameter_defaults": {"NovaPassword": "of-the-stack"}}
        self.assertEqual([], self.generate()[1])
        self.assertEqual(first, self.get_passwords())

    def test_what_a_parameter_says_wins(self):
        self.update({"AdminPassword": "mine"})
        self.assertEqual("mine", self.get_passwords()["AdminPassword"])

    def test_they_are_masked_unless_revealed(self):
        self.set_options(encryption_keys_file=None)
        found = settings.get_passwords(self.plans, "plan")
        self.assertEqual({secrets.MASK}, set(found.values()))

    def test_names_restrict_and_unknown_ones_are_told(self):
        self.assertEqual(["NovaPassword"], list(self.get_passwords(names=["NovaPassword"])))
        error = self.assertRaises(
            exceptions.InputInvalid, self.get_passwords, names=["NovaPassword", "Other"]
        )
        self.assertIn("AdminPassword", error.message)

    def test_missing_file_of_keys_is_a_typed_error(self):
        before = self.state()
        for path in (None, "", "/nowhere/keys", self.temporary()):
            self.set_options(encryption_keys_file=path)
            self.assertRaises(exceptions.EncryptionKeyMissing, self.get_passwords)
            self.assertRaises(exceptions.EncryptionKeyMissing, self.generate, rotate=True)
            self.assertRaises(exceptions.EncryptionKeyMissing, self.get)
        self.assertEqual(before, self.state())

    def test_plan_is_not_made_without_keys_and_nothing_is_left(self):
        self.set_options(encryption_keys_file=None)
        self.assertRaises(
            exceptions.EncryptionKeyMissing,
            self.plans.create,
            "other",
            self.change(),
            files=fake_heat.encoded(self.FILES),
        )
        self.assertEqual({"plan", "plan.revisions"}, set(self.swift.containers))
        self.assertEqual({"plan"}, set(self.mistral.environments))


class Keys(WithParameters):
    def test_next_commit_encrypts_anew_with_the_newest_key(self):
        old, new = (fernet.Fernet.generate_key().decode() for _ in range(2))
        self.use_keys(old)
        self.plans.delete("plan", self.change())
        self.make_plan(anew=True)
        self.update({"LicenseKey": CANARY})
        self.variables["environments"].append(
            {"data": {"parameter_defaults": {"AdminPassword": CANARY}}}
        )
        self.update({"Debug": True})
        password = settings.get_passwords(self.plans, "plan", reveal=True)
        self.use_keys(new, old)
        self.update({"Zone": "here"})
        # What is only encrypted anew has not changed.
        last = history.history(self.plans, "plan")[0]
        self.assertEqual({"parameter_defaults": {"added": ["Zone"]}}, last["what"])
        self.use_keys(new)
        self.assertEqual(password, settings.get_passwords(self.plans, "plan", reveal=True))
        self.assertEqual(CANARY, self.given()["LicenseKey"])

    def test_without_any_key_that_opens_it_the_error_names_the_secret(self):
        self.update({"LicenseKey": CANARY})
        self.use_keys()
        error = self.refused({"Debug": True}, exceptions.SecretUnreadable)
        self.assertIn(error.name, ("LicenseKey", "AdminPassword"))
