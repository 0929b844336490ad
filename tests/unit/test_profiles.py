import ddt

from tests.unit import base, fake_heat
from tripleo_common.plan import profiles


@ddt.ddt
class Capabilities(base.TestCase):
    @ddt.data(
        ("profile:compute,boot_option:local", {"profile": "compute", "boot_option": "local"}),
        (" profile : compute , a:b:c ", {"profile": "compute", "a": "b:c"}),
        ("profile", {}),
        ("", {}),
        (None, {}),
        (5, {}),
        (["profile:compute"], {}),
        ({"profile": "compute"}, {}),
    )
    @ddt.unpack
    def test_capabilities_are_read_whatever_they_are(self, text, found):
        self.assertEqual(found, profiles.capabilities({"capabilities": text}))

    @ddt.data(None, {}, 5, "text", [])
    def test_node_without_properties_has_none(self, properties):
        self.assertEqual({}, profiles.capabilities(properties))


class Cloud(base.TestCase):
    def setUp(self):
        super().setUp()
        self.cloud = self.useFixture(fake_heat.Cloud())

    def test_nodes_of_a_profile_are_counted(self):
        self.cloud.tag("compute", "control", "compute", "compute-big")
        opened = self.cloud.open()
        self.assertEqual(2, profiles.count(opened, "compute"))
        self.assertEqual(0, profiles.count(opened, "ceph-storage"))

    def test_counting_takes_one_request_for_only_what_is_needed(self):
        self.cloud.tag(*["compute"] * 3)
        profiles.count(self.cloud.open(), "compute")
        urls = [r.url for r in self.cloud.http.request_history if "/nodes" in r.url]
        self.assertEqual(1, len(urls), urls)
        self.assertIn("fields=uuid,properties", urls[0].replace("%2C", ","))

    def test_flavor_is_the_one_with_the_profile(self):
        self.cloud.flavors = [
            {"name": "small", "extra_specs": {"capabilities:profile": "control"}},
            {"name": "none"},
            {"name": "null", "extra_specs": None},
            {"name": "big", "extra_specs": {"capabilities:profile": "compute"}},
        ]
        opened = self.cloud.open()
        self.assertEqual("big", profiles.flavor(opened, "compute"))
        self.assertIsNone(profiles.flavor(opened, "storage"))

    def test_extra_specs_are_asked_for(self):
        self.cloud.flavors = []
        profiles.flavor(self.cloud.open(), "compute")
        (sent,) = [r for r in self.cloud.http.request_history if "/flavors" in r.url]
        self.assertEqual("compute 2.61", sent.headers["OpenStack-API-Version"])

    def test_without_compute_there_is_no_flavor(self):
        self.assertIsNone(profiles.flavor(self.cloud.open(), "compute"))
        self.assertEqual([], self.cloud.http.request_history)
