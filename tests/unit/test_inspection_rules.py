import json

import ddt
from ironicclient import exc as ironic_exc

from tests.unit import base, fake_ironic, fakes
from tripleo_common import exceptions
from tripleo_common.baremetal import rules

BIG = {"actions": [{"op": "set-attribute", "args": {"path": "/resource_class", "value": "big"}}]}
SMALL = {**BIG, "description": "Small ones", "priority": 5, "conditions": []}


@ddt.ddt
class Load(base.TestCase):
    def setUp(self):
        super().setUp()
        self.cloud = self.useFixture(fake_ironic.Cloud())
        self.ironic = self.cloud.ironic

    def load(self, *listed, plan="plan", path="inspection_rules/a.yaml"):
        return rules.load(self.cloud.open(), plan, {path: list(listed)})

    def counts(self, created=0, deleted=0, unchanged=0):
        return {"created": created, "deleted": deleted, "unchanged": unchanged}

    def described(self):
        return sorted(rule["description"] for rule in self.ironic.rules.values())

    def test_rules_are_made_as_the_plan_has_them(self):
        self.assertEqual(self.counts(created=2), self.load(BIG, SMALL))
        by_description = {rule["description"]: rule for rule in self.ironic.rules.values()}
        made = by_description["Small ones [plan plan]"]
        self.assertEqual((5, SMALL["actions"]), (made["priority"], made["actions"]))
        self.assertIn("inspection_rules/a.yaml [plan plan]", by_description)

    def test_loading_again_changes_nothing(self):
        self.load(BIG, SMALL)
        self.ironic.requests.clear()
        self.assertEqual(self.counts(unchanged=2), self.load(SMALL, BIG))
        self.assertEqual(["GET /v1/inspection_rules"], self.ironic.requests)

    def test_changed_rule_takes_the_place_of_what_it_was_and_the_others_stay(self):
        self.load(BIG, SMALL)
        before = set(self.ironic.rules)
        self.assertEqual(
            self.counts(created=1, deleted=1, unchanged=1), self.load(BIG, {**SMALL, "priority": 6})
        )
        self.assertEqual(1, len(before & set(self.ironic.rules)))
        self.assertEqual({0, 6}, {rule["priority"] for rule in self.ironic.rules.values()})

    def test_plan_without_rules_takes_its_own_away_and_no_others(self):
        self.ironic.rules["mine"] = {"uuid": "mine", "description": None, "actions": []}
        self.ironic.rules["yours"] = {"uuid": "yours", "description": "My rule", "actions": []}
        self.load(BIG, plan="plan")
        self.load(BIG, plan="other-plan")
        self.assertEqual(4, len(self.ironic.rules))
        self.assertEqual(self.counts(deleted=1), rules.load(self.cloud.open(), "plan", {}))
        self.assertEqual({"mine", "yours"}, {"mine", "yours"} & set(self.ironic.rules))
        self.assertEqual(self.counts(unchanged=1), self.load(BIG, plan="other-plan"))

    def test_the_same_rule_of_two_files_is_two_rules(self):
        self.assertEqual(
            self.counts(created=2),
            rules.load(self.cloud.open(), "plan", {"a.yaml": [BIG], "b.yaml": [BIG]}),
        )

    def test_long_description_keeps_the_mark_and_ironics_limit(self):
        plan = "p" * 64
        for rule in ({**BIG, "description": "x" * 1000}, BIG):
            self.load(rule, plan=plan, path="inspection_rules/" + "y" * 300)
        (text,) = self.described()
        self.assertEqual(255, len(text))
        self.assertTrue(text.endswith(f" [plan {plan}]"))
        self.assertEqual(self.counts(deleted=1), rules.load(self.cloud.open(), plan, {}))

    @ddt.data(
        {**BIG, "uuid": "x"},
        {**BIG, "descripton": "x"},
        {**BIG, 5: 6},
        {},
        {"actions": []},
        {"actions": None},
        {"actions": {"op": "fail"}},
        {"actions": "fail"},
        {**BIG, "conditions": [{1: "a", "b": 2}]},
        {**BIG, "conditions": [{"op": "eq", "args": float("nan")}]},
        {**BIG, "conditions": [{"op": "eq", "args": {b"x"}}]},
    )
    def test_wrong_rule_is_named_and_nothing_is_asked(self, rule):
        error = self.assertRaises(exceptions.InputInvalid, self.load, BIG, rule)
        self.assertEqual("rule 1 of inspection_rules/a.yaml", error.name)
        self.assertEqual([], self.ironic.requests)

    def test_refusal_of_ironic_is_told_with_the_rule_and_nothing_is_deleted(self):
        self.load(BIG)

        def refuse(_request, context):
            context.status_code = 400
            context.headers["Content-Type"] = "application/json"
            return json.dumps({"error_message": json.dumps({"faultstring": "no such op"})})

        self.ironic.on("POST", "/inspection_rules", refuse)
        error = self.assertRaises(exceptions.InputInvalid, self.load, SMALL)
        self.assertIn("Small ones", error.message)
        self.assertIn("no such op", error.message)
        self.assertEqual(1, len(self.ironic.rules))

    def test_two_who_load_the_same_rules_at_once_both_end_well(self):
        def somebody_else(request, _context):
            made = json.loads(request.body)
            self.ironic.rules[made["uuid"]] = made

        self.ironic.on("POST", "/inspection_rules", somebody_else)
        self.assertEqual(1, self.load(BIG)["created"])
        self.assertEqual(1, len(self.ironic.rules))

    def test_conflict_of_another_kind_is_not_taken_for_success(self):
        self.ironic.fail("POST", "/inspection_rules", 409)
        self.assertRaises(ironic_exc.NotFound, self.load, BIG)

    def test_two_who_delete_the_same_rule_at_once_both_end_well(self):
        self.load(BIG)

        def somebody_else(_request, _context):
            self.ironic.rules.clear()

        self.ironic.on("DELETE", "/inspection_rules/", somebody_else)
        self.assertEqual(1, rules.load(self.cloud.open(), "plan", {})["deleted"])

    @ddt.data("POST", "DELETE")
    def test_answer_that_is_lost_does_no_harm(self, method):
        if method == "DELETE":
            self.load(BIG)
        self.ironic.lose_answer(method, "/inspection_rules")
        wanted = [BIG] if method == "POST" else []
        self.load(*wanted)
        self.assertEqual(len(wanted), len(self.ironic.rules))
        self.assertEqual(2, self.ironic.count(method))

    def test_ironic_that_is_away_for_a_while_is_waited_for(self):
        self.load(SMALL)
        opened = self.cloud.open()
        self.ironic.is_down = self.cloud.clock() + 20
        found = rules.load(opened, "plan", {"inspection_rules/a.yaml": [BIG]})
        self.assertEqual(self.counts(created=1, deleted=1), found)

    def test_executor_that_dies_at_any_request_is_followed_by_one_that_ends_it(self):
        executor = self.cloud.executor
        for done in (False, True):
            for number in (1, 2, 3):
                executor.revive()
                self.ironic.rules.clear()
                self.load(BIG, path="old.yaml")
                with self.subTest(number=number, done=done):
                    executor.kill_at(number, done=done)
                    self.assertRaises(fakes.Killed, self.load, BIG, SMALL)
                    executor.revive()
                    self.load(BIG, SMALL)
                    self.assertEqual(
                        ["Small ones [plan plan]", "inspection_rules/a.yaml [plan plan]"],
                        self.described(),
                    )
                    self.assertEqual(self.counts(unchanged=2), self.load(BIG, SMALL))
