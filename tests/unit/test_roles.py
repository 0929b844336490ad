import ddt
import fixtures

from tests.unit import base
from tripleo_common import exceptions
from tripleo_common.plan import roles


@ddt.ddt
class Parse(base.TestCase):
    def test_roles_come_in_the_order_of_the_file_with_all_their_data(self):
        text = (
            "- name: B\n  CountDefault: 1\n  ServicesDefault: [OS::TripleO::Services::A]\n"
            "- name: A2\n"
        )
        self.assertEqual(
            [
                {"name": "B", "CountDefault": 1, "ServicesDefault": ["OS::TripleO::Services::A"]},
                {"name": "A2"},
            ],
            roles.parse(text),
        )

    @ddt.data("", "# nothing\n", "[]")
    def test_file_without_roles_gives_none(self, text):
        self.assertEqual([], roles.parse(text))

    @ddt.data(
        ("name: A", "list"),
        ("text", "list"),
        ("- A", "role 1"),
        ("- name: A\n- {}", "role 2"),
        ("- name: 5", "role 1"),
        ("- name: ''", "role 1"),
        ("- name: 1A", "role 1"),
        ("- name: A-B", "role 1"),
        ("- name: A B", "role 1"),
        ("- name: ../A", "role 1"),
        ('- name: "A\\n"', "role 1"),
        ("- name: Ä", "role 1"),
        ("- name: [A]", "role 1"),
        ("- name: A\n- name: A", "two roles A"),
        ("- name: A\n- name: a", "two roles"),
        ("- [", "YAML"),
    )
    @ddt.unpack
    def test_what_is_no_list_of_roles_with_usable_names_is_refused(self, text, word):
        error = self.assertRaises(exceptions.YAMLInvalid, roles.parse, text, "my_roles.yaml")
        self.assertEqual("my_roles.yaml", error.path)
        self.assertIn(word, error.message)


def role(name, *services, **more):
    return {"name": name, "ServicesDefault": list(services), **more}


CURRENT = {"Controller": role("Controller", "A", CountDefault=1), "Compute": role("Compute", "A")}
AVAILABLE = {"Controller": role("Controller", "B"), "Storage": role("Storage", "B")}


def compose(wanted, current=CURRENT, available=AVAILABLE, **more):
    return roles.compose(wanted, current, available, **more)


@ddt.ddt
class Compose(base.TestCase):
    def faults(self, *arguments, **more):
        error = self.assertRaises(exceptions.RolesInvalid, compose, *arguments, **more)
        for fault in error.faults:
            self.assertIn(fault["problem"], error.message)
        return [(fault["role"], fault["problem"]) for fault in error.faults]

    def test_roles_come_in_the_order_in_which_they_are_wanted(self):
        found = compose(["Storage", "Controller"])
        self.assertEqual([AVAILABLE["Storage"], CURRENT["Controller"]], found)

    def test_role_that_the_plan_has_stays_as_it_is(self):
        self.assertEqual([CURRENT["Controller"]], compose(["Controller"]))

    def test_others_stay_before_them_if_not_all_are_replaced(self):
        found = compose(["Storage"], replace_all=False)
        self.assertEqual(["Controller", "Compute", "Storage"], [r["name"] for r in found])
        found = compose(["Controller"], replace_all=False)
        self.assertEqual(["Compute", "Controller"], [r["name"] for r in found])

    def test_all_faults_of_all_roles_are_told(self):
        broken = {"Broken": role("Broken", "A", "A", "X", CountDefault=-1)}
        faults = self.faults(
            ["None", "Storage", "Storage", "Broken"],
            available={**AVAILABLE, **broken},
            services={"A", "B"},
        )
        self.assertEqual(
            [
                ("Storage", "is wanted more than once"),
                ("None", "is not available; there are Broken, Compute, Controller, Storage"),
                ("Broken", "CountDefault must be a number of servers, 0 or more, not -1"),
                ("Broken", "names services twice: A"),
                (
                    "Broken",
                    "has services that no environment of the plan maps to a template: X",
                ),
            ],
            faults,
        )

    def test_services_are_not_checked_where_they_are_not_known(self):
        self.assertEqual([AVAILABLE["Storage"]], compose(["Storage"], services=None))
        self.assertEqual(1, len(self.faults(["Storage"], services=set())))

    def test_role_that_stays_is_checked_as_well(self):
        faults = self.faults(["Storage"], services={"B"}, replace_all=False)
        self.assertEqual({"Controller", "Compute"}, {name for name, _ in faults})

    @ddt.data("1", 1.5, True, None, [], {}, -1)
    def test_count_must_be_a_number(self, count):
        broken = {"Broken": role("Broken", CountDefault=count)}
        self.assertEqual(1, len(self.faults(["Broken"], available=broken)))

    @ddt.data(5, "A", {"A": 1}, [5], [None], [["A"]], True)
    def test_services_must_be_a_list_of_names(self, services):
        broken = {"Broken": {"name": "Broken", "ServicesDefault": services}}
        ((_name, problem),) = self.faults(["Broken"], available=broken)
        self.assertIn("list of names", problem)

    def test_plan_needs_a_role(self):
        self.assertEqual([("(none)", "a plan needs at least one role")], self.faults([]))
        self.assertEqual(2, len(compose([], replace_all=False)))

    def test_many_names_do_not_take_long(self):
        with fixtures.Timeout(20, gentle=True):
            self.faults([f"Role{n}" for n in range(20_000)])
            many = role("Many", *(f"Service{n}" for n in range(20_000)))
            self.faults(["Many"], available={"Many": many}, services=set())
