import ddt

from tests.unit import base, fakes
from tripleo_common import clouds, exceptions


@ddt.ddt
class Deadline(base.TestCase):
    def setUp(self):
        super().setUp()
        self.clock = fakes.Clock()

    def make(self, seconds=100.0, **more):
        return clouds.Deadline(seconds, clock=self.clock, sleep=self.clock.sleep, **more)

    def test_left_counts_down_and_is_never_negative(self):
        deadline = self.make()
        self.assertEqual(100, deadline.left)
        self.clock.now += 30
        self.assertEqual(70, deadline.left)
        self.clock.now += 1000
        self.assertEqual(0, deadline.left)

    def test_request_gets_its_own_limit_or_what_is_left(self):
        deadline = self.make(request_seconds=60)
        self.assertEqual(60, deadline.request_timeout())
        self.clock.now += 75
        self.assertEqual(25, deadline.request_timeout())

    def test_a_request_and_a_half_are_kept_for_the_end_but_never_most_of_it(self):
        deadline = self.make(seconds=600, request_seconds=60)
        self.assertEqual(510, deadline.spare)
        self.clock.now += 520
        self.assertEqual((0, 80), (deadline.spare, deadline.left))
        self.assertEqual(75, self.make(seconds=100, request_seconds=60).spare)

    @ddt.data(100, 101)
    def test_no_request_is_made_when_nothing_is_left(self, passed):
        deadline = self.make()
        self.clock.now += passed
        error = self.assertRaises(exceptions.DeadlineExceeded, deadline.request_timeout)
        self.assertEqual(100, error.seconds)

    def test_poll_yields_at_once_even_without_time(self):
        self.assertEqual([0], list(self.make().poll(1, 5, 0)))
        self.assertEqual([], self.clock.pauses)

    def test_poll_yields_at_once_when_the_deadline_is_over(self):
        deadline = self.make()
        self.clock.now += 1000
        self.assertEqual([0], list(deadline.poll(1, 5, 50)))

    def test_pauses_grow_to_the_longest(self):
        passed = list(self.make().poll(1, 3, 12))
        self.assertEqual([1, 1.5, 2.25, 3, 3, 1.25], self.clock.pauses)
        self.assertEqual([0, 1, 2.5, 4.75, 7.75, 10.75, 12], passed)

    def test_poll_ends_with_the_deadline_if_that_comes_first(self):
        passed = list(self.make(5).poll(1, 3, 1000))
        self.assertEqual(5, passed[-1])

    def test_time_that_the_caller_takes_counts(self):
        looks = 0
        for _ in self.make().poll(1, 1, 10):
            looks += 1
            self.clock.now += 4
        self.assertEqual(3, looks)
