import json

import ddt
from mistralclient.api import base as mistral_base

from tests.unit import base, fakes
from tripleo_common import exceptions
from tripleo_common.plan import environment


@ddt.ddt
class Environment(base.TestCase):
    def setUp(self):
        super().setUp()
        self.cloud = self.useFixture(fakes.Cloud())
        self.mistral = self.cloud.mistral
        self.home = self.cloud.open()

    def test_what_is_created_is_read(self):
        variables = {"template": "a", "parameter_defaults": {"ä": [1, None]}}
        environment.create(self.home, "plan", variables)
        self.assertEqual(variables, environment.read(self.home, "plan"))

    def test_created_environment_is_private(self):
        environment.create(self.home, "plan", {"a": 1})
        self.assertNotEqual("public", json.loads(self.mistral.sent[0].body).get("scope"))

    def test_existing_one_is_not_overwritten_by_creating(self):
        self.mistral.environments["plan"] = {"a": 1}
        error = self.assertRaises(
            exceptions.PlanExists, environment.create, self.home, "plan", {"a": 2}
        )
        self.assertEqual(("plan", "Mistral environment"), (error.plan, error.part))
        self.assertEqual({"a": 1}, self.mistral.environments["plan"])

    def test_one_that_is_not_there_is_nothing(self):
        self.mistral.environments = {"b": {}, "a": {}}
        self.assertIsNone(environment.read(self.home, "plan"))
        self.assertEqual(1, len(self.mistral.requests))

    def test_description_says_what_it_is(self):
        environment.create(self.home, "plan", {})
        environment.create(self.home, "plan.lock", {}, "Lock of plan plan")
        told = [json.loads(request.body)["description"] for request in self.mistral.sent]
        self.assertEqual([environment.DESCRIPTION, "Lock of plan plan"], told)

    def test_write_replaces_everything(self):
        self.mistral.environments["plan"] = {"a": 1, "b": 2}
        environment.write(self.home, "plan", {"b": 3})
        self.assertEqual({"b": 3}, self.mistral.environments["plan"])

    def test_delete_can_be_repeated(self):
        self.mistral.environments["plan"] = {}
        environment.delete(self.home, "plan")
        environment.delete(self.home, "plan")
        self.assertEqual({}, self.mistral.environments)

    def test_names_are_had_with_one_request_without_anybodys_variables(self):
        self.mistral.environments = {f"p{n}": {"passwords": "canary"} for n in range(300)}
        self.assertEqual(300, len(environment.descriptions(self.home)))
        self.assertEqual(["GET /environments"], self.mistral.requests)
        self.assertIn("fields=name%2Cdescription", self.mistral.sent[0].url)

    @ddt.data("read", "create", "write", "delete")
    def test_other_refusal_is_not_taken_for_absence_or_presence(self, function):
        for method in ("GET", "POST", "PUT", "DELETE"):
            self.mistral.fail(method, "", 403, '{"faultstring": "no"}')
        arguments = [{"a": 1}] if function in ("create", "write") else []
        error = self.assertRaises(
            mistral_base.APIException,
            getattr(environment, function),
            self.home,
            "plan",
            *arguments,
        )
        self.assertEqual(403, error.error_code)
