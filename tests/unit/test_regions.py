import ddt

from tests.unit import base
from tripleo_common import exceptions
from tripleo_common.clouds import regions

CATALOGUE = {
    "object-store": ["one", "two", "two"],
    "orchestration": ["one"],
    "image": [],
}


@ddt.ddt
class Choose(base.TestCase):
    @ddt.data(
        ("object-store", ("two",), "two"),
        ("object-store", ("two", "one"), "two"),
        ("object-store", (None, "two", "one"), "two"),
        ("object-store", (None, None, "one"), "one"),
        ("orchestration", (), "one"),
        ("orchestration", (None, None), "one"),
    )
    @ddt.unpack
    def test_first_region_that_is_given_counts_and_none_is_needed_for_a_single_one(
        self, service, wanted, region
    ):
        self.assertEqual(region, regions.choose(CATALOGUE, service, *wanted))

    @ddt.data(("three", "one"), ("", "one"), ("ONE",), (None, "three", "one"), (" one",))
    def test_wrong_region_is_never_replaced_by_another(self, wanted):
        error = self.assertRaises(
            exceptions.RegionNotFound, regions.choose, CATALOGUE, "object-store", *wanted
        )
        self.assertEqual(["one", "two"], error.available)
        self.assertEqual("object-store", error.service)
        self.assertIn("one, two", error.message)

    def test_region_without_the_service_is_wrong(self):
        error = self.assertRaises(
            exceptions.RegionNotFound, regions.choose, CATALOGUE, "orchestration", "two"
        )
        self.assertEqual(["one"], error.available)

    def test_several_regions_and_no_choice_is_an_error_not_the_first_one(self):
        error = self.assertRaises(
            exceptions.RegionNotChosen, regions.choose, CATALOGUE, "object-store", None
        )
        self.assertEqual(["one", "two"], error.available)
        self.assertIn("action_region", error.message)

    @ddt.data("baremetal", "image")
    def test_service_that_nobody_has_is_named_with_those_there_are(self, service):
        error = self.assertRaises(
            exceptions.ServiceNotFound, regions.choose, CATALOGUE, service, "one"
        )
        self.assertEqual(service, error.service)
        self.assertIn("orchestration", error.message)
