import datetime
import json

import ddt
from mistralclient.api import base as mistral_base

from tests.unit import base, fakes
from tripleo_common import exceptions
from tripleo_common.plan import lock
from tripleo_common.plan.changes import Change


def change(**more):
    return Change(**{"action": "tripleo.test", "user": "eve", "reason": "why", **more})


def moment(seconds):
    now = datetime.datetime.now(datetime.UTC)
    return (now + datetime.timedelta(seconds=seconds)).isoformat()


class WithLock(base.TestCase):
    def setUp(self):
        super().setUp()
        self.cloud = self.useFixture(fakes.Cloud())
        self.mistral = self.cloud.mistral
        self.home = self.cloud.open()

    @property
    def stored(self):
        return self.mistral.environments.get("plan.lock")

    def hold(self, **more):
        return lock.hold(self.home, "plan", change(**more))

    def somebody_has_it(self, **more):
        self.mistral.environments["plan.lock"] = {
            "id": "theirs",
            "owner": "bob's execution e1",
            "reason": "bigger disks",
            "execution": "e1",
            "since": moment(-30),
            "expires": moment(60),
            **more,
        }
        self.mistral.executions["e1"] = {"id": "e1", "state": "RUNNING"}

    def locked(self, **more):
        def enter():
            with self.hold(**more):
                pass

        return self.assertRaises(exceptions.PlanLocked, enter)


@ddt.ddt
class Holding(WithLock):
    def test_lock_is_an_environment_that_says_who_and_why(self):
        with self.hold(execution="e2"):
            self.assertEqual("eve's execution e2", self.stored["owner"])
            self.assertEqual(("why", "e2"), (self.stored["reason"], self.stored["execution"]))
            shown = lock.describe(lock.read(self.home, "plan"))
            self.assertEqual({"owner", "reason", "since", "age"}, set(shown))
            self.assertLess(abs(shown["age"]), 10)
        self.assertIsNone(self.stored)
        self.assertIsNone(lock.read(self.home, "plan"))

    def test_change_without_a_reason_or_execution_is_named_by_its_action(self):
        with self.hold(reason=""):
            self.assertEqual("eve's tripleo.test", self.stored["owner"])
            self.assertEqual("tripleo.test", self.stored["reason"])

    @ddt.data(exceptions.InputInvalid("x", "y"), RuntimeError("x"), KeyboardInterrupt())
    def test_lock_is_released_after_any_error(self, error):
        def fail():
            with self.hold():
                raise error

        self.assertRaises(type(error), fail)
        self.assertIsNone(self.stored)

    def test_release_that_fails_does_not_hide_what_happened_inside(self):
        self.mistral.fail("DELETE", "plan.lock", 500, '{"faultstring": "no"}')

        def fail():
            with self.hold():
                raise exceptions.InputInvalid("x", "y")

        self.assertRaises(exceptions.InputInvalid, fail)

    def test_release_that_fails_is_no_failure_of_the_change(self):
        self.mistral.fail("DELETE", "plan.lock", 500, '{"faultstring": "no"}')
        with self.hold():
            pass

    def test_each_plan_has_its_own(self):
        with self.hold(), lock.hold(self.home, "other", change()):
            self.assertEqual({"plan.lock", "other.lock"}, set(self.mistral.environments))

    def test_two_plans_with_names_alike_do_not_meet(self):
        with self.hold(), lock.hold(self.home, "plan-lock", change()):
            pass

    def test_other_refusal_is_not_taken_for_a_lock(self):
        self.mistral.fail("POST", "/environments", 403, '{"faultstring": "no"}')
        error = self.assertRaises(mistral_base.APIException, self.hold().__enter__)
        self.assertEqual(403, error.error_code)


class Waiting(WithLock):
    def test_refusal_says_owner_reason_and_age(self):
        self.somebody_has_it()
        error = self.locked()
        self.assertEqual("bob's execution e1", error.owner)
        self.assertEqual("bigger disks", error.reason)
        self.assertTrue(29 < error.age < 40, error.age)
        self.assertIn("since 30 seconds", error.message)
        self.assertEqual([], self.cloud.clock.pauses)
        self.assertEqual("theirs", self.stored["id"])

    def test_it_waits_as_long_as_it_is_told_and_not_longer(self):
        self.somebody_has_it()
        self.locked(wait=20)
        self.assertAlmostEqual(20, sum(self.cloud.clock.pauses), 3)

    def test_it_goes_on_when_the_other_has_ended(self):
        self.somebody_has_it()
        self.cloud.clock.sleep = self.ends_after(3)
        with lock.hold(self.cloud.open(), "plan", change(wait=60)):
            self.assertEqual("eve's tripleo.test", self.stored["owner"])

    def ends_after(self, times):
        left = [None] * times

        def sleep(seconds):
            self.cloud.clock.now += seconds
            left.pop()
            if not left:
                del self.mistral.environments["plan.lock"]

        return sleep

    def test_it_does_not_wait_beyond_its_own_deadline(self):
        self.somebody_has_it()
        home = self.cloud.open(seconds=5)

        def enter():
            with lock.hold(home, "plan", change(wait=600)):
                pass

        self.assertRaises(exceptions.TripleOError, enter)
        self.assertLessEqual(sum(self.cloud.clock.pauses), 5)


@ddt.ddt
class TakingOver(WithLock):
    def taken(self):
        with self.hold():
            self.assertEqual("eve's tripleo.test", self.stored["owner"])
            self.assertIn("is taken over by eve's", self.log.output)
            self.assertIn("bob's execution e1 (bigger disks)", self.log.output)
        self.assertIsNone(self.stored)

    def test_expired_lock_is_taken_over(self):
        self.somebody_has_it(expires=moment(-1))
        self.taken()

    @ddt.data("SUCCESS", "ERROR", "CANCELLED")
    def test_lock_whose_execution_has_ended_is_taken_over(self, state):
        self.somebody_has_it()
        self.mistral.executions["e1"]["state"] = state
        self.taken()

    def test_lock_whose_execution_is_gone_is_taken_over(self):
        self.somebody_has_it()
        self.mistral.executions.clear()
        self.taken()

    @ddt.data("RUNNING", "PAUSED", "IDLE", "something new")
    def test_lock_whose_execution_has_not_ended_is_not(self, state):
        self.somebody_has_it()
        self.mistral.executions["e1"]["state"] = state
        self.locked()
        self.assertEqual("theirs", self.stored["id"])

    def test_lock_whose_execution_nobody_can_ask_about_is_not(self):
        self.somebody_has_it()
        self.mistral.fail("GET", "/executions", 403, '{"faultstring": "no"}')
        self.locked()
        self.assertEqual("theirs", self.stored["id"])

    def test_lock_without_an_execution_is_taken_over_only_when_it_has_expired(self):
        self.somebody_has_it(execution=None)
        self.locked(wait=30)
        self.assertEqual("theirs", self.stored["id"])

    @ddt.data(
        {},
        {"id": 5, "owner": None, "since": "yesterday", "expires": 5, "execution": ["e1"]},
        {"id": None, "expires": "2999-01-01T00:00:00", "since": "2999-01-01T00:00:00"},
        {"expires": {}, "reason": []},
    )
    def test_lock_that_is_none_of_ours_does_not_stop_us_for_ever(self, content):
        self.mistral.environments["plan.lock"] = content
        described = lock.describe(lock.read(self.home, "plan"))
        self.assertEqual("unknown", described["owner"])
        with self.hold():
            self.assertEqual("eve's tripleo.test", self.stored["owner"])

    def test_lock_that_is_released_while_it_is_taken_over_is_tried_again(self):
        self.somebody_has_it(expires=moment(-1))

        def release(_request, _context):
            self.mistral.environments.pop("plan.lock", None)

        self.mistral.on("PUT", "/environments", release)
        with self.hold(wait=10):
            self.assertEqual("eve's tripleo.test", self.stored["owner"])

    def test_whoever_has_lost_it_finds_out_and_leaves_it_alone(self):
        with self.hold() as held:
            held.check()
            self.mistral.environments["plan.lock"]["id"] = "theirs"
            self.assertRaises(exceptions.PlanChanged, held.check)
        self.assertEqual("theirs", self.stored["id"])

    def test_whoever_lost_it_altogether_finds_out_as_well(self):
        with self.hold() as held:
            self.mistral.environments.clear()
            self.assertRaises(exceptions.PlanChanged, held.check)

    def test_of_two_who_take_over_at_once_the_last_one_has_it(self):
        """Both have read the stale lock before either has written."""
        self.somebody_has_it(expires=moment(-1))
        first = []

        def the_other(request, _context):
            if first:
                return
            first.append(True)
            # While the inner one waits, the outer one's request arrives.
            self.cloud.clock.sleep = lambda seconds: self.write_lock(request, seconds)
            home = self.cloud.open()
            entered = lock.hold(home, "plan", change(user="inner"))
            error = self.assertRaises(exceptions.PlanLocked, entered.__enter__)
            self.assertEqual("outer's tripleo.test", error.owner)

        self.mistral.on("PUT", "/environments", the_other)
        with self.hold(user="outer") as held:
            held.check()
            self.assertEqual("outer's tripleo.test", self.stored["owner"])
        self.assertIsNone(self.stored)

    def write_lock(self, request, seconds):
        self.cloud.clock.now += seconds
        self.mistral.environments["plan.lock"] = json.loads(json.loads(request.body)["variables"])

    def test_of_two_who_take_over_the_slower_one_has_it_and_the_other_finds_out(self):
        """The outer one's request takes so long that the inner one has it by then."""
        self.somebody_has_it(expires=moment(-1))
        inner = []

        def the_other(_request, _context):
            if not inner:
                inner.append(None)
                inner[0] = lock.hold(self.home, "plan", change(user="inner"))
                inner.append(inner[0].__enter__())

        self.mistral.on("PUT", "/environments", the_other)
        with self.hold(user="outer") as held:
            held.check()
            self.assertRaises(exceptions.PlanChanged, inner[1].check)
            inner[0].__exit__(None, None, None)
            held.check()
        self.assertIsNone(self.stored)


class Lease(WithLock):
    def test_it_is_good_for_longer_than_one_request(self):
        self.set_options(request_timeout=500)
        with self.hold():
            expires = datetime.datetime.fromisoformat(self.stored["expires"])
            left = (expires - datetime.datetime.now(datetime.UTC)).total_seconds()
            self.assertGreater(left, 1000)

    def test_look_at_a_fresh_lock_writes_nothing(self):
        with self.hold() as held:
            held.check()
            self.assertEqual(0, self.mistral.count("PUT"))

    def test_look_at_an_old_one_extends_it(self):
        with self.hold() as held:
            before = self.stored["id"]
            self.stored["expires"] = moment(5)
            held.check()
            self.assertEqual(before, self.stored["id"])
            self.assertGreater(self.stored["expires"], moment(60))
