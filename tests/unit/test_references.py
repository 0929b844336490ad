import json

import ddt
import fixtures

from tests.unit import base
from tripleo_common import exceptions, memory
from tripleo_common.plan import references, yaml_files

HOT = "heat_template_version: 2021-04-16\n"


def collect(files, template="overcloud.yaml", environments=(), last=None):
    return references.collect(files, template, list(environments), last or {})


def loaded(given, name=None):
    """Return what Heat reads in a file, or in the root template."""
    return yaml_files.load(given.files[name] if name else given.template, name or "root")


def resource(kind):
    return HOT + f"resources:\n  a: {{type: {kind}}}\n"


@ddt.ddt
class Templates(base.TestCase):
    def test_relative_reference_becomes_a_path_of_the_plan(self):
        given = collect(
            {
                "overcloud.yaml": resource("d/role.yaml"),
                "d/role.yaml": resource("../e/service.yaml"),
                "e/service.yaml": resource("./deep/er.yaml"),
                "e/deep/er.yaml": HOT,
            }
        )
        self.assertEqual({"d/role.yaml", "e/service.yaml", "e/deep/er.yaml"}, set(given.files))
        self.assertEqual("d/role.yaml", loaded(given)["resources"]["a"]["type"])
        self.assertEqual("e/service.yaml", loaded(given, "d/role.yaml")["resources"]["a"]["type"])
        self.assertEqual(
            "e/deep/er.yaml", loaded(given, "e/service.yaml")["resources"]["a"]["type"]
        )

    def test_file_that_is_got_becomes_a_path_of_the_plan_and_keeps_its_text(self):
        script = "#!/bin/sh\n{get_file: not-a-reference}\n"
        given = collect(
            {
                "overcloud.yaml": resource("d/t.yaml"),
                "d/t.yaml": HOT
                + "resources:\n  c:\n    type: OS::Heat::SoftwareConfig\n    properties:\n"
                "      config:\n        str_replace:\n          template: {get_file: s/run.sh}\n",
                "d/s/run.sh": script,
            }
        )
        self.assertEqual(script, given.files["d/s/run.sh"])
        config = loaded(given, "d/t.yaml")["resources"]["c"]["properties"]["config"]
        self.assertEqual({"get_file": "d/s/run.sh"}, config["str_replace"]["template"])

    def test_yaml_that_is_got_and_is_no_template_keeps_its_text(self):
        text = "type: ../anything.yaml\nlist:   [1,2]\n"
        given = collect({"overcloud.yaml": HOT + "x: {get_file: data.yaml}\n", "data.yaml": text})
        self.assertEqual(text, given.files["data.yaml"])

    def test_got_file_may_be_no_yaml_although_it_is_called_so(self):
        given = collect({"overcloud.yaml": HOT + "x: {get_file: d.yaml}\n", "d.yaml": "{{ [ :"})
        self.assertEqual("{{ [ :", given.files["d.yaml"])

    def test_references_are_found_wherever_they_stand(self):
        given = collect(
            {
                "overcloud.yaml": HOT + "resources:\n"
                "  group:\n    type: OS::Heat::ResourceGroup\n    properties:\n"
                "      resource_def: {type: n/node.yaml}\n"
                "  chain:\n    type: OS::Heat::Value\n"
                "    properties: {value: [{get_file: n/a}, [{get_file: n/b}]]}\n"
                "outputs:\n  o: {value: {get_file: n/c}}\n",
                "n/node.yaml": HOT,
                "n/a": "",
                "n/b": "",
                "n/c": "",
            }
        )
        self.assertEqual({"n/node.yaml", "n/a", "n/b", "n/c"}, set(given.files))

    def test_resource_type_that_is_no_file_is_left_alone(self):
        given = collect({"overcloud.yaml": resource("OS::TripleO::Controller")})
        self.assertEqual({}, given.files)

    def test_parameter_type_is_no_file(self):
        text = HOT + "parameters:\n  p: {type: string, default: x.yaml}\n"
        self.assertEqual(text, collect({"overcloud.yaml": text}).template)

    def test_text_is_unchanged_where_nothing_needs_rewriting(self):
        text = HOT + "# comment\nresources:   # odd   spacing\n  a: {type: 'role.yaml'}\n"
        role = HOT + "\n\n# role\n"
        given = collect({"overcloud.yaml": text, "role.yaml": role})
        self.assertEqual(text, given.template)
        self.assertEqual(role, given.files["role.yaml"])

    def test_same_relative_name_in_two_directories_is_two_files(self):
        given = collect(
            {
                "overcloud.yaml": HOT
                + "resources:\n  a: {type: a/t.yaml}\n  b: {type: b/t.yaml}\n",
                "a/t.yaml": HOT + "resources: {x: {type: sub.yaml}}\n",
                "b/t.yaml": HOT + "resources: {x: {type: sub.yaml}}\n",
                "a/sub.yaml": HOT + "# a\n",
                "b/sub.yaml": HOT + "# b\n",
            }
        )
        for name in ("a", "b"):
            kind = loaded(given, f"{name}/t.yaml")["resources"]["x"]["type"]
            self.assertEqual(f"{name}/sub.yaml", kind)
            self.assertIn(f"# {name}", given.files[kind])

    def test_values_shared_by_an_anchor_are_rewritten_once_and_everywhere(self):
        given = collect(
            {
                "overcloud.yaml": resource("d/t.yaml"),
                "d/t.yaml": HOT
                + "resources:\n  a: &a\n    type: sub/s.yaml\n    properties: {f: {get_file: x}}\n"
                "  b: *a\n  c:\n    <<: *a\n",
                "d/sub/s.yaml": HOT,
                "d/x": "x",
            }
        )
        for name in ("a", "b", "c"):
            found = loaded(given, "d/t.yaml")["resources"][name]
            self.assertEqual("d/sub/s.yaml", found["type"])
            self.assertEqual({"get_file": "d/x"}, found["properties"]["f"])

    def test_templates_in_a_circle_come_to_an_end(self):
        given = collect(
            {
                "overcloud.yaml": resource("d/a.yaml"),
                "d/a.yaml": resource("../e/b.yaml"),
                "e/b.yaml": HOT
                + "resources: {a: {type: ../d/a.yaml}, r: {type: ../overcloud.yaml}}",
            }
        )
        self.assertEqual({"d/a.yaml", "e/b.yaml", "overcloud.yaml"}, set(given.files))
        self.assertEqual("e/b.yaml", loaded(given, "d/a.yaml")["resources"]["a"]["type"])

    def test_long_chain_of_templates_ends_well_or_in_a_typed_error(self):
        files = {f"t{n}.yaml": resource(f"t{n + 1}.yaml") for n in range(500)}
        try:
            given = collect({**files, "t500.yaml": HOT}, "t0.yaml")
        except exceptions.TripleOError:
            return
        self.assertEqual(500, len(given.files))

    def test_files_that_nothing_refers_to_are_not_sent(self):
        given = collect(
            {"overcloud.yaml": resource("a.yaml"), "a.yaml": HOT, "secret": "x", "b.yaml": HOT}
        )
        self.assertEqual({"a.yaml"}, set(given.files))

    @ddt.data(
        ("d/missing.yaml", exceptions.FileNotInPlan),
        ("../x.yaml", exceptions.PathInvalid),
        ("d/../../x.yaml", exceptions.PathInvalid),
        ("/etc/x.yaml", exceptions.PathInvalid),
        ("file:///etc/x.yaml", exceptions.PathInvalid),
        ("http://host/x.yaml", exceptions.PathInvalid),
        ("https://host/x.template", exceptions.PathInvalid),
    )
    @ddt.unpack
    def test_type_that_is_no_file_of_the_plan_is_refused(self, reference, kind):
        error = self.assertRaises(kind, collect, {"overcloud.yaml": resource(reference)})
        self.assertEqual("overcloud.yaml", error.referrer)

    @ddt.data(
        ("missing", exceptions.FileNotInPlan),
        ("../../etc/passwd", exceptions.PathInvalid),
        ("/etc/passwd", exceptions.PathInvalid),
        ("file:///etc/passwd", exceptions.PathInvalid),
        ("http://169.254.169.254/latest", exceptions.PathInvalid),
    )
    @ddt.unpack
    def test_got_file_that_is_none_of_the_plan_is_refused(self, reference, kind):
        files = {"overcloud.yaml": HOT + f"x: {{get_file: '{reference}'}}\n"}
        error = self.assertRaises(kind, collect, files)
        self.assertEqual("overcloud.yaml", error.referrer)

    @ddt.data("- a\n", "text\n")
    def test_template_that_is_no_mapping_is_refused(self, text):
        error = self.assertRaises(exceptions.YAMLInvalid, collect, {"overcloud.yaml": text})
        self.assertEqual("overcloud.yaml", error.path)

    def test_wrong_yaml_in_a_nested_template_names_that_file_and_line(self):
        files = {"overcloud.yaml": resource("d/a.yaml"), "d/a.yaml": HOT + "x: ]\n"}
        error = self.assertRaises(exceptions.YAMLInvalid, collect, files)
        self.assertEqual(("d/a.yaml", 2), (error.path, error.line))

    def test_missing_root_template_is_told(self):
        error = self.assertRaises(exceptions.FileNotInPlan, collect, {})
        self.assertEqual("overcloud.yaml", error.path)


@ddt.ddt
class Environments(base.TestCase):
    def collect(self, environment, path="environments/e.yaml", **files):
        return collect(
            {
                "overcloud.yaml": HOT,
                path: environment,
                **{name.replace("__", "/") + ".yaml": text for name, text in files.items()},
            },
            environments=[path],
        )

    def test_registry_is_relative_to_its_environment(self):
        given = self.collect(
            "resource_registry:\n  OS::A: ../services/a.yaml\n  OS::B: OS::Heat::None\n"
            "  OS::C: c.yaml\nparameter_defaults: {p: ../no-file.yaml}\n",
            services__a=HOT,
            environments__c=HOT,
        )
        document = loaded(given, "environments/e.yaml")
        self.assertEqual(
            {
                "OS::A": "services/a.yaml",
                "OS::B": "OS::Heat::None",
                "OS::C": "environments/c.yaml",
            },
            document["resource_registry"],
        )
        self.assertEqual({"p": "../no-file.yaml"}, document["parameter_defaults"])
        self.assertIn("services/a.yaml", given.files)
        self.assertIn("environments/c.yaml", given.files)

    def test_registry_of_single_resources_is_rewritten_and_hooks_stay(self):
        given = self.collect(
            "resource_registry:\n  resources:\n    Controller:\n      hooks: pre-update\n"
            "      '*':\n        OS::A: ../a.yaml\n        restricted_actions: [update]\n",
            a=HOT,
        )
        self.assertEqual(
            {
                "resources": {
                    "Controller": {
                        "hooks": "pre-update",
                        "*": {"OS::A": "a.yaml", "restricted_actions": ["update"]},
                    }
                }
            },
            loaded(given, "environments/e.yaml")["resource_registry"],
        )

    def test_references_of_registered_templates_are_followed(self):
        given = self.collect(
            "resource_registry: {OS::A: ../a/t.yaml}\n",
            a__t=HOT + "x: {get_file: run.yaml}\n",
            a__run="data",
        )
        self.assertEqual("data", given.files["a/run.yaml"])

    def test_environment_without_relative_references_keeps_its_text(self):
        text = "# my comment\nparameter_defaults:   {A:  1}\n"
        self.assertEqual(text, self.collect(text).files["environments/e.yaml"])

    @ddt.data("", "{}", "resource_registry:\n", "parameter_defaults:\n")
    def test_empty_environment_does(self, text):
        self.assertEqual(["environments/e.yaml"], self.collect(text).environment_files)

    @ddt.data(
        ("resource_registry: {A: ../../a.yaml}", exceptions.PathInvalid),
        ("resource_registry: {A: /a.yaml}", exceptions.PathInvalid),
        ("resource_registry: {A: 'file:///a.yaml'}", exceptions.PathInvalid),
        ("resource_registry: {A: 'http://h/a.yaml'}", exceptions.PathInvalid),
        ("resource_registry: {resources: {x: {A: /a.yaml}}}", exceptions.PathInvalid),
        ("resource_registry: {base_url: 'http://h/', A: a.yaml}", exceptions.PathInvalid),
        ("resource_registry: {A: none.yaml}", exceptions.FileNotInPlan),
        ("resource_registry: [a]", exceptions.YAMLInvalid),
        ("- a", exceptions.YAMLInvalid),
        ("a: [", exceptions.YAMLInvalid),
    )
    @ddt.unpack
    def test_wrong_registry_is_refused_and_names_the_environment(self, text, kind):
        error = self.assertRaises(kind, self.collect, text)
        self.assertIn("environments/e.yaml", error.message)

    def test_order_is_kept_and_the_last_word_comes_last(self):
        files = {"overcloud.yaml": HOT, "z.yaml": "{}", "a.yaml": "{}", "m.yaml": "{}"}
        given = collect(
            files,
            environments=["z.yaml", "a.yaml", "m.yaml"],
            last={"parameter_defaults": {"A": 1}},
        )
        self.assertEqual(["z.yaml", "a.yaml", "m.yaml"], given.environment_files[:3])
        (last,) = given.environment_files[3:]
        self.assertEqual({"parameter_defaults": {"A": 1}}, loaded(given, last))

    def test_last_word_does_not_overwrite_a_file_of_the_plan(self):
        files = {
            "overcloud.yaml": HOT,
            "tripleo/plan-environment.yaml": "parameter_defaults: {A: theirs, B: theirs}\n",
        }
        given = collect(
            files,
            environments=["tripleo/plan-environment.yaml"],
            last={"parameter_defaults": {"A": "last"}},
        )
        found = [loaded(given, name)["parameter_defaults"] for name in given.environment_files]
        self.assertEqual([{"A": "theirs", "B": "theirs"}, {"A": "last"}], found)

    def test_without_a_last_word_nothing_is_added(self):
        files = {"overcloud.yaml": HOT, "a.yaml": "{}"}
        self.assertEqual(["a.yaml"], collect(files, environments=["a.yaml"]).environment_files)

    @ddt.data("../a.yaml", "/a.yaml", "http://h/a.yaml")
    def test_environment_outside_of_the_plan_is_refused(self, path):
        self.assertRaises(
            exceptions.PathInvalid, collect, {"overcloud.yaml": HOT}, environments=[path]
        )

    def test_given_files_are_left_alone(self):
        files = {"overcloud.yaml": resource("d/a.yaml"), "d/a.yaml": resource("b.yaml")}
        files["d/b.yaml"] = HOT
        before = dict(files)
        collect(files)
        self.assertEqual(before, files)


class Scans(base.TestCase):
    FILES = {
        "overcloud.yaml": HOT + "x: {type: ./role.yaml}\n",
        "role.yaml": "heat_template_version: 2021-04-16\n"
        "parameters: {A: {type: json, default: {b: [1]}, hidden: true}}\n",
        "e.yaml": "resource_registry: {T: ./role.yaml}\n",
    }

    def start_process(self):
        self.useFixture(
            fixtures.MonkeyPatch("tripleo_common.plan.references._MEMORY", memory.Memory(8))
        )

    def collect(self, known=None):
        return references.collect(self.FILES, "overcloud.yaml", ["e.yaml"], {}, known)

    def test_what_one_process_found_saves_another_the_reading(self):
        self.start_process()
        first = self.collect()
        self.assertEqual(3, first.fresh)
        self.assertEqual(0, self.collect().fresh)
        dumped = json.loads(json.dumps(references.dump(first.scans)))
        self.start_process()
        second = self.collect(references.load(dumped))
        self.assertEqual(0, second.fresh)
        self.assertEqual(
            (first.template, first.files, first.declared),
            (second.template, second.files, second.declared),
        )

    def test_what_is_said_of_another_content_is_not_used(self):
        self.start_process()
        known = references.load(references.dump(self.collect().scans))
        self.start_process()
        changed = {**self.FILES, "role.yaml": self.FILES["role.yaml"].replace("A:", "B:")}
        given = references.collect(changed, "overcloud.yaml", ["e.yaml"], {}, known)
        self.assertEqual((1, ["B"]), (given.fresh, list(given.declared)))

    def test_what_a_plan_says_of_its_files_counts_for_no_other_plan(self):
        self.start_process()
        self.collect({key: references.Scan("", ()) for key in self.collect().scans})
        self.assertNotEqual("", self.collect().template)

    def test_damage_is_left_out(self):
        for damaged in (None, 5, {}, [1], [["template"]], [["template", "a", "b", 7]]):
            self.assertEqual({}, references.load(damaged))
