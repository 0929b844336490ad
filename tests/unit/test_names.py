import ddt

from tests.unit import base
from tripleo_common import exceptions
from tripleo_common.plan import names


@ddt.ddt
class PlanName(base.TestCase):
    @ddt.data("overcloud", "a", "A1", "my-plan", "a-", "x" * 64)
    def test_name_that_does_for_container_stack_and_environment_is_returned(self, name):
        self.assertEqual(name, names.check_plan(name))

    @ddt.data(
        "",
        "x" * 65,
        "1plan",
        "-plan",
        "a.b",
        "a/b",
        "a_b",
        "a b",
        "..",
        "plan\n",
        "a\0",
        "plän",
        "\uff41bc",
        "a%2fb",
        None,
        5,
        b"plan",
        ["plan"],
        {"plan": 1},
    )
    def test_any_other_name_is_refused_with_the_rule(self, name):
        error = self.assertRaises(exceptions.PlanNameInvalid, names.check_plan, name)
        self.assertIn("letters, numbers or dashes", error.message)

    def test_refusal_does_not_repeat_an_endless_name(self):
        error = self.assertRaises(exceptions.PlanNameInvalid, names.check_plan, "x" * 100000)
        self.assertLess(len(error.message), 300)
        self.assertLess(len(error.plan), 100)


@ddt.ddt
class Resolve(base.TestCase):
    @ddt.data(
        ("a.yaml", "b.yaml", "a.yaml"),
        ("a.yaml", "x/b.yaml", "x/a.yaml"),
        ("./a.yaml", "x/b.yaml", "x/a.yaml"),
        ("../a.yaml", "x/b.yaml", "a.yaml"),
        ("a/../b.yaml", "c.yaml", "b.yaml"),
        ("../y/a.yaml", "x/b.yaml", "y/a.yaml"),
        ("a//b.yaml", "", "a/b.yaml"),
        ("a b.yaml", "", "a b.yaml"),
        ("ä.yaml", "", "ä.yaml"),
        ("..a.yaml", "", "..a.yaml"),
        ("x/..a", "", "x/..a"),
    )
    @ddt.unpack
    def test_reference_is_relative_to_the_file_that_has_it(self, reference, referrer, path):
        self.assertEqual(path, names.resolve(reference, referrer))

    @ddt.data(
        "../a.yaml",
        "x/../../a.yaml",
        "..",
        ".",
        "x/..",
        "/etc/passwd",
        "//host/a",
        "~/a",
        "~root/a",
        "file:///etc/passwd",
        "FILE:/etc/passwd",
        "http://host/a.yaml",
        "http:a.yaml",
        "https://host/a.yaml",
        "swift+http:a",
        "C:a.yaml",
        "a\\b.yaml",
        "..\\a.yaml",
        "a\nb.yaml",
        "a\0.yaml",
        "\x1b[31m",
        "",
        "  ",
        None,
        7,
        ["a.yaml"],
        {"get_param": "a"},
    )
    def test_what_is_no_path_inside_of_the_plan_is_refused_and_named(self, reference):
        error = self.assertRaises(
            exceptions.PathInvalid, names.resolve, reference, "overcloud.yaml"
        )
        self.assertEqual("overcloud.yaml", error.referrer)
        self.assertIn("overcloud.yaml", error.message)

    def test_escape_is_judged_from_where_the_referrer_is(self):
        self.assertEqual("a", names.resolve("../../a", "x/y/b.yaml"))
        self.assertRaises(exceptions.PathInvalid, names.resolve, "../../../a", "x/y/b.yaml")
