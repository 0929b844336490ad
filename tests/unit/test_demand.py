import ddt

from tests.unit import fake_heat
from tripleo_common import exceptions
from tripleo_common.plan import demand, settings

RULE = "- actions: [{op: set-attribute, args: {path: /resource_class, value: big}}]\n"


class WithFlavors(fake_heat.WithPlan):
    """A plan whose root template says nothing of flavors, so that the names of roles count."""

    FILES = {
        **fake_heat.FILES,
        "overcloud.j2.yaml": "\n".join(
            line for line in fake_heat.ROOT.splitlines() if "default: baremetal" not in line
        )
        + "\n",
    }

    def setUp(self):
        super().setUp()
        self.make_plan()

    def set(self, **values):
        self.variables["parameter_defaults"].update(values)

    def demands(self):
        return demand.demands(self.plans, "plan")

    def profiles(self):
        return {role["role"]: role["profile"] for role in self.demands()}

    def counts(self):
        return {role["role"]: role["count"] for role in self.demands()}


@ddt.ddt
class Counts(WithFlavors):
    def test_roles_come_in_the_order_of_the_plan(self):
        self.assertEqual(
            [
                {"role": "Controller", "count": 1, "profile": "control"},
                {"role": "Compute", "count": 2, "profile": "compute"},
            ],
            self.demands(),
        )

    def test_what_the_plan_sets_wins_over_its_environments_and_they_over_defaults(self):
        self.write("environments/flat.yaml", "parameter_defaults: {ComputeCount: 5}\n")
        self.assertEqual({"Controller": 1, "Compute": 2}, self.counts())
        chosen = {"environments/flat.yaml": True}
        settings.update_capabilities(self.plans, "plan", chosen, self.change())
        self.assertEqual({"Controller": 1, "Compute": 5}, self.counts())
        self.set(ComputeCount=7)
        self.assertEqual({"Controller": 1, "Compute": 7}, self.counts())

    def test_parameters_of_an_environment_win_over_all_defaults_as_in_heat(self):
        self.write(
            "registry.j2.yaml",
            fake_heat.REGISTRY + "parameters: {ComputeCount: 4}\n",
        )
        self.set(ComputeCount=7)
        self.assertEqual({"Controller": 1, "Compute": 4}, self.counts())

    @ddt.data(("3", 3), (0, 0), ("0", 0), (3.0, 3), (" 4 ", 4))
    @ddt.unpack
    def test_count_may_be_a_text(self, given, count):
        self.variables["parameter_defaults"]["ComputeCount"] = given
        self.assertEqual(count, self.counts()["Compute"])

    @ddt.data(-1, "many", "", 2.5, True, [], {"a": 1}, "9" * 5000)
    def test_count_that_is_none_is_told_with_its_name(self, given):
        self.variables["parameter_defaults"]["ComputeCount"] = given
        error = self.assertRaises(exceptions.InputInvalid, self.demands)
        self.assertEqual("ComputeCount", error.name)

    @ddt.data(".inf", ".nan", "-.inf", "2021-04-16", "1e400")
    def test_count_of_an_environment_that_is_none_is_told_as_well(self, text):
        text = f"parameter_defaults: {{ComputeCount: {text}}}\n"
        self.objects["registry.j2.yaml"] = (
            fake_heat.REGISTRY.rpartition("param")[0] + text
        ).encode()
        error = self.assertRaises(exceptions.InputInvalid, self.demands)
        self.assertEqual("ComputeCount", error.name)

    def test_roles_file_says_how_many_where_no_parameter_does(self):
        self.write("roles_data.yaml", "- {name: New, CountDefault: 3}\n- {name: None0}\n")
        self.write("overcloud.j2.yaml", fake_heat.TEMPLATE + "resources: {}\n")
        self.assertEqual({"New": 3, "None0": 0}, self.counts())

    def test_plan_that_is_not_there_is_told(self):
        self.assertRaises(exceptions.PlanNotFound, demand.demands, self.plans, "nothing")
        self.assertRaises(exceptions.PlanNotFound, demand.inspection_rules, self.plans, "nothing")

    def test_asking_changes_nothing(self):
        before = self.state()
        self.demands()
        self.assertEqual(before, self.state())
        self.assertEqual([], self.heat.requests)


class Profiles(WithFlavors):
    def test_profile_follows_from_the_name_of_a_role(self):
        self.write(
            "roles_data.yaml",
            "".join(
                f"- name: {name}\n"
                for name in ("Controller", "Compute", "CephStorage", "ObjectStorage", "ComputeHCI")
            ),
        )
        self.assertEqual(
            {
                "Controller": "control",
                "Compute": "compute",
                "CephStorage": "ceph-storage",
                "ObjectStorage": "object-storage",
                "ComputeHCI": "compute-hci",
            },
            self.profiles(),
        )

    def test_flavor_is_the_profile_where_there_is_no_compute_service(self):
        self.set(OvercloudComputeFlavor="big", OvercloudControlFlavor="small")
        self.assertEqual({"Controller": "small", "Compute": "big"}, self.profiles())

    def test_flavor_says_the_profile_where_there_is_a_compute_service_and_is_asked_once(self):
        self.cloud.flavors = [
            {"name": "f1", "extra_specs": {"capabilities:profile": "big"}},
            {"name": "f2", "extra_specs": {"capabilities:profile": "small"}},
        ]
        self.open()
        self.set(OvercloudComputeFlavor="f1", OvercloudControlFlavor="f2")
        self.assertEqual({"Controller": "small", "Compute": "big"}, self.profiles())
        asked = [r for r in self.cloud.http.request_history if "/flavors" in r.url]
        self.assertEqual(1, len(asked))

    def test_flavor_of_nodes_without_a_profile_stands_for_any_node(self):
        self.set(OvercloudComputeFlavor="baremetal")
        self.assertEqual({"Controller": "control", "Compute": None}, self.profiles())

    def test_without_flavors_the_compute_service_is_not_asked(self):
        self.cloud.flavors = []
        self.open()
        self.profiles()
        self.assertEqual([], [r for r in self.cloud.http.request_history if "/flavors" in r.url])


class Defaults(fake_heat.WithPlan):
    """A plan whose root template has parameters of flavors, with defaults."""

    def setUp(self):
        super().setUp()
        self.make_plan()

    def profiles(self):
        return [role["profile"] for role in demand.demands(self.plans, "plan")]

    def test_default_of_the_template_is_the_flavor(self):
        self.assertEqual([None, None], self.profiles())

    def test_old_name_of_a_parameter_wins_over_the_new_one_if_it_is_set(self):
        self.variables["parameter_defaults"]["OvercloudControllerFlavor"] = "new"
        self.assertEqual(["new", None], self.profiles())
        self.variables["parameter_defaults"]["OvercloudControlFlavor"] = ""
        self.assertEqual(["new", None], self.profiles())
        self.variables["parameter_defaults"]["OvercloudControlFlavor"] = "old"
        self.assertEqual(["old", None], self.profiles())


@ddt.ddt
class Rules(WithFlavors):
    def rules(self):
        return demand.inspection_rules(self.plans, "plan")

    def test_rules_are_those_of_the_directory(self):
        self.assertEqual({}, self.rules())
        self.objects["inspection_rules/b.yaml"] = RULE.encode()
        self.objects["inspection_rules/a.json"] = b'{"actions": [], "priority": 5}'
        self.objects["inspection_rules/README.md"] = b"# Rules"
        self.objects["other/inspection_rules/c.yaml"] = b"nothing"
        found = self.rules()
        self.assertEqual(["inspection_rules/a.json", "inspection_rules/b.yaml"], list(found))
        self.assertEqual([{"actions": [], "priority": 5}], found["inspection_rules/a.json"])
        self.assertEqual("set-attribute", found["inspection_rules/b.yaml"][0]["actions"][0]["op"])

    def test_rules_can_be_rendered(self):
        self.write(
            "inspection_rules/roles.j2.yaml",
            "{% for role in roles %}\n- {description: {{role.name}}, actions: []}\n{% endfor %}\n",
        )
        (rules,) = self.rules().values()
        self.assertEqual(["Controller", "Compute"], [rule["description"] for rule in rules])

    @ddt.data("text", "5", "[5]", "- [a]\n", "", "null")
    def test_file_that_holds_something_else_is_named(self, content):
        self.objects["inspection_rules/a.yaml"] = content.encode()
        error = self.assertRaises(exceptions.FileInvalid, self.rules)
        self.assertEqual("inspection_rules/a.yaml", error.path)

    @ddt.data(b"- [", b"\xff\xfe", b"a: !!python/object:os.system {}")
    def test_file_that_is_no_yaml_is_named(self, content):
        self.objects["inspection_rules/a.yaml"] = content
        error = self.assertRaises(exceptions.YAMLInvalid, self.rules)
        self.assertEqual("inspection_rules/a.yaml", error.path)
