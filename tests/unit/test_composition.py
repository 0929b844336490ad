import ddt

from tests.unit import fake_heat
from tripleo_common import exceptions
from tripleo_common.plan import composition, roles


class WithRoles(fake_heat.WithPlan):
    def setUp(self):
        super().setUp()
        self.make_plan()

    def select(self, names, **more):
        return composition.select_roles(self.plans, "plan", names, self.change(), **more)

    def names(self):
        return [role["name"] for role in composition.list_roles(self.plans, "plan")]


class List(WithRoles):
    def test_roles_are_those_of_the_roles_file_with_all_their_data(self):
        found = composition.list_roles(self.plans, "plan")
        self.assertEqual(["Controller", "Compute"], [role["name"] for role in found])
        self.assertEqual(["primary"], found[0]["tags"])
        self.assertEqual([], self.heat.requests)

    def test_roles_file_that_a_client_has_just_written_counts(self):
        self.objects["roles_data.yaml"] = b"- name: Mine\n"
        self.assertEqual(["Mine"], self.names())

    def test_another_file_of_roles(self):
        found = composition.list_roles(self.plans, "plan", "roles/Storage.yaml")
        self.assertEqual(["Storage"], [role["name"] for role in found])

    def test_another_file_that_is_not_there_is_told(self):
        error = self.assertRaises(
            exceptions.FileNotInPlan, composition.list_roles, self.plans, "plan", "other.yaml"
        )
        self.assertEqual("other.yaml", error.path)

    def test_file_that_cannot_be_one_is_refused(self):
        for file in (None, 5, True, [], {}, "", "../x.yaml", "/etc/passwd", "http://x/y"):
            with self.subTest(file=file):
                self.assertRaises(
                    exceptions.PathInvalid, composition.list_roles, self.plans, "plan", file
                )

    def test_file_that_holds_something_else_is_told(self):
        for file in ("capabilities-map.yaml", "logo.png", "overcloud.j2.yaml"):
            self.assertRaises(
                exceptions.YAMLInvalid, composition.list_roles, self.plans, "plan", file
            )

    def test_roles_are_part_of_the_plans_environment(self):
        self.assertEqual(["Controller", "Compute"], self.variables["roles"])


class Derived(fake_heat.WithPlan):
    """Before Ocata templates came without a file of roles."""

    FILES = {
        "overcloud.yaml": fake_heat.TEMPLATE
        + "parameters: {AdminPassword: {type: string, hidden: true}}\nresources:\n"
        "  Controller: {type: OS::Heat::ResourceGroup}\n"
        "  Compute: {type: OS::Heat::ResourceGroup}\n"
        "  Network: {type: OS::Heat::None}\n",
        "registry.yaml": "resource_registry: {}\n",
        "capabilities-map.yaml": (
            "root_template: overcloud.yaml\nroot_environment: registry.yaml\ntopics: []\n"
        ),
        "roles/Storage.yaml": "- name: Storage\n",
    }

    def test_roles_are_the_groups_of_the_root_template_and_heat_is_asked_once(self):
        self.make_plan()
        for _ in range(2):
            found = composition.list_roles(self.plans, "plan")
            self.assertEqual([{"name": "Compute"}, {"name": "Controller"}], found)
        self.assertEqual(1, self.asked)

    def test_refusal_of_heat_is_told(self):
        self.make_plan()
        self.refusal = "Something is wrong"
        error = self.assertRaises(
            exceptions.ServiceRefused, composition.list_roles, self.plans, "plan"
        )
        self.assertIn("Something is wrong", error.message)

    def test_roles_can_be_selected(self):
        self.make_plan()
        composition.select_roles(self.plans, "plan", ["Storage"], self.change())
        self.assertEqual([{"name": "Storage"}], composition.list_roles(self.plans, "plan"))


class Available(WithRoles):
    def test_they_are_those_of_the_directory(self):
        found = composition.available_roles(self.plans, "plan")
        self.assertEqual(["Broken", "Controller", "Storage"], [role["name"] for role in found])
        self.assertEqual("From the directory", found[1]["description"])

    def test_plan_without_the_directory_has_none(self):
        for path in [path for path in self.objects if path.startswith("roles/")]:
            del self.objects[path]
        self.assertEqual([], composition.available_roles(self.plans, "plan"))

    def test_deeper_or_other_files_are_no_roles(self):
        self.objects["roles/README.md"] = b"# Roles"
        self.objects["roles/old/X.yaml"] = b"nothing"
        self.assertEqual(3, len(composition.available_roles(self.plans, "plan")))

    def test_broken_file_is_named(self):
        self.objects["roles/Storage.yaml"] = b"- name: [\n"
        error = self.assertRaises(
            exceptions.YAMLInvalid, composition.available_roles, self.plans, "plan"
        )
        self.assertEqual("roles/Storage.yaml", error.path)


@ddt.ddt
class Select(WithRoles):
    def test_plan_has_the_roles_and_is_rendered_anew(self):
        committed, found = self.select(["Controller", "Storage"])
        self.assertEqual((2, True), (committed.revision, committed.changed))
        self.assertEqual(["Controller", "Storage"], [role["name"] for role in found])
        self.assertEqual(["Controller", "Storage"], self.names())
        self.assertEqual(["Controller", "Storage"], self.variables["roles"])
        self.assertIn("storage-role.yaml", self.objects)
        self.assertNotIn("compute-role.yaml", self.objects)
        self.assertIn(b"StorageCount", self.objects["overcloud.yaml"])
        self.assertNotIn(b"ComputeCount", self.objects["overcloud.yaml"])

    def test_role_that_the_plan_has_stays_as_it_is(self):
        self.select(["Controller", "Storage"])
        (controller, _storage) = composition.list_roles(self.plans, "plan")
        self.assertEqual(1, controller["CountDefault"])
        self.assertNotIn("description", controller)

    def test_others_stay(self):
        self.select(["Storage"], replace_all=False)
        self.assertEqual(["Controller", "Compute", "Storage"], self.names())

    def test_all_faults_are_told_and_the_plan_stays(self):
        before = self.state()
        error = self.assertRaises(
            exceptions.RolesInvalid, self.select, ["Broken", "None", "Storage", "Storage"]
        )
        self.assertEqual({"Broken", "None", "Storage"}, {fault["role"] for fault in error.faults})
        self.assertIn(
            "OS::TripleO::Services::Nothing, OS::TripleO::Services::Nowhere", error.message
        )
        self.assertEqual(before, self.state())

    def test_same_roles_again_make_no_revision(self):
        self.select(["Controller", "Storage"])
        before = self.state()
        self.assertFalse(self.select(["Controller", "Storage"])[0].changed)
        self.assertEqual(before, self.state())

    def test_names_that_differ_in_capitals_only_are_refused(self):
        self.objects["roles/Other.yaml"] = b"- name: CONTROLLER\n"
        before = self.state()
        self.assertRaises(exceptions.TripleOError, self.select, ["Controller", "CONTROLLER"])
        self.assertEqual(before, self.state())

    @ddt.data(None, 5, True, {}, "", "Controller", [5], [None], [["Controller"]], [{}])
    def test_names_of_the_wrong_kind_are_refused(self, names):
        before = self.state()
        error = self.assertRaises(exceptions.InputInvalid, self.select, names)
        self.assertEqual("role_names", error.name)
        self.assertEqual(before, self.state())

    def test_no_names_are_refused(self):
        self.assertRaises(exceptions.RolesInvalid, self.select, [])

    @ddt.data(
        "overcloud.yaml",
        "overcloud.j2.yaml",
        "capabilities-map.yaml",
        "plan-environment.yaml",
        "logo.png",
        "../x",
        None,
        5,
        "",
    )
    def test_file_that_holds_something_else_is_not_overwritten(self, file):
        before = self.state()
        self.assertRaises(exceptions.TripleOError, self.select, ["Controller"], file=file)
        self.assertEqual(before, self.state())

    def test_another_file_can_be_written(self):
        self.select(["Storage"], file="my_roles.yaml")
        self.assertEqual(["Controller", "Compute"], self.names())
        written = roles.parse(self.objects["my_roles.yaml"].decode(), "my_roles.yaml")
        self.assertEqual(["Storage"], [role["name"] for role in written])

    def test_parameter_of_a_role_that_went_is_not_lost(self):
        """Heat takes values that no template declares; the role may come back."""
        self.variables["parameter_defaults"]["ComputeCount"] = 7
        self.select(["Controller"])
        self.select(["Controller", "Storage"])
        self.assertEqual(7, self.variables["parameter_defaults"]["ComputeCount"])

    def test_selection_that_is_delivered_twice_tells_the_same(self):
        change = self.change(request="one")
        first, again = (
            composition.select_roles(self.plans, "plan", ["Storage"], change) for _ in range(2)
        )
        self.assertEqual(first[1], again[1])
        self.assertEqual(first[0].revision, again[0].revision)
