import ddt

from tests.unit import base
from tripleo_common import exceptions
from tripleo_common.plan import plan_environment, yaml_files

SECRET = "encrypted:canary"


@ddt.ddt
class Dump(base.TestCase):
    VARIABLES = {
        "template": "overcloud.yaml",
        "environments": [
            {"path": "a.yaml"},
            {
                "data": {
                    "parameter_defaults": {"A": 1, "S": SECRET},
                    "parameters": {"B": 2, "S": SECRET},
                    "resource_registry": {"X": "x.yaml"},
                }
            },
        ],
        "parameter_defaults": {"A": [1, {"b": None}], "S": SECRET},
        "passwords": {"P": SECRET},
        "revision": 7,
        "capabilities": {"topics": []},
    }

    def test_file_is_the_plan_without_its_secrets(self):
        text = plan_environment.dump("plan", self.VARIABLES)
        self.assertNotIn("canary", text)
        self.assertEqual(
            {
                "version": 1.0,
                "name": "plan",
                "description": "",
                "template": "overcloud.yaml",
                "environments": [
                    {"path": "a.yaml"},
                    {
                        "data": {
                            "parameter_defaults": {"A": 1},
                            "parameters": {"B": 2},
                            "resource_registry": {"X": "x.yaml"},
                        }
                    },
                ],
                "parameter_defaults": {"A": [1, {"b": None}]},
                "passwords": {},
            },
            yaml_files.load(text, "x"),
        )

    @ddt.data(
        {}, {"environments": None, "parameter_defaults": None}, {"environments": [{"data": None}]}
    )
    def test_plan_without_anything_has_one_too(self, variables):
        self.assertTrue(yaml_files.load(plan_environment.dump("plan", variables), "x"))

    def test_what_was_dumped_changes_nothing_when_it_is_taken(self):
        document = yaml_files.load(plan_environment.dump("plan", self.VARIABLES), "x")
        merged = plan_environment.merge(self.VARIABLES, document)
        for key in ("template", "environments", "parameter_defaults", "passwords"):
            self.assertEqual(self.VARIABLES[key], merged[key])

    def test_given_variables_are_left_alone(self):
        before = repr(self.VARIABLES)
        plan_environment.merge(self.VARIABLES, {"environments": [{"data": {}}], "passwords": {}})
        self.assertEqual(before, repr(self.VARIABLES))


@ddt.ddt
class Merge(base.TestCase):
    def test_what_the_file_says_replaces_and_the_rest_stays(self):
        before = {
            "template": "a.yaml",
            "environments": [{"path": "a.yaml"}],
            "parameter_defaults": {"A": 1, "B": 2},
            "root_environment": "a.yaml",
        }
        merged = plan_environment.merge(before, {"parameter_defaults": {"B": 3, 5: "five"}})
        self.assertEqual({**before, "parameter_defaults": {"B": 3, "5": "five"}}, merged)

    def test_secrets_that_it_leaves_out_stay_and_those_that_it_has_are_taken(self):
        before = {
            "parameter_defaults": {"S": SECRET, "T": SECRET, "A": "clear"},
            "passwords": {"P": SECRET, "Q": SECRET},
        }
        merged = plan_environment.merge(
            before, {"parameter_defaults": {"T": "new"}, "passwords": {"Q": "new"}}
        )
        self.assertEqual({"S": SECRET, "T": "new"}, merged["parameter_defaults"])
        self.assertEqual({"P": SECRET, "Q": "new"}, merged["passwords"])

    @ddt.data({}, {"unknown": 1}, dict.fromkeys(["template", "environments", "passwords"]))
    def test_file_that_says_nothing_changes_nothing(self, document):
        before = {"template": "a.yaml", "environments": [], "passwords": {"P": SECRET}}
        self.assertEqual(before, plan_environment.merge(before, document))

    @ddt.data(
        [],
        "text",
        None,
        {"template": "../a.yaml"},
        {"template": 5},
        {"environments": {}},
        {"environments": "a.yaml"},
        {"environments": ["a.yaml"]},
        {"environments": [{}]},
        {"environments": [{"path": "/etc/passwd"}]},
        {"environments": [{"path": None}]},
        {"environments": [{"data": []}]},
        {"environments": [{"data": {"parameter_defaults": ["A"]}}]},
        {"environments": [{"data": {"parameters": "text"}}]},
        {"parameter_defaults": ["A"]},
        {"parameter_defaults": "text"},
        {"passwords": 5},
    )
    def test_file_of_the_wrong_form_is_a_typed_error_that_names_it(self, document):
        before = {"environments": [{"data": {"parameter_defaults": {"S": SECRET}}}]}
        error = self.assertRaises(exceptions.TripleOError, plan_environment.merge, before, document)
        self.assertIn("plan-environment.yaml", error.message)
