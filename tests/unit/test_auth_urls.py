import ddt

from tests.unit import base
from tripleo_common import exceptions
from tripleo_common.clouds import auth_urls

CANARY = "canary-7b2e"


@ddt.ddt
class Normalize(base.TestCase):
    @ddt.data(
        ("http://keystone.test:5000/v3", "http://keystone.test:5000/v3"),
        ("http://keystone.test:5000/v3/", "http://keystone.test:5000/v3"),
        ("http://keystone.test:5000", "http://keystone.test:5000/v3"),
        ("http://keystone.test:5000/", "http://keystone.test:5000/v3"),
        ("HTTP://KeyStone.Test:5000/v3", "http://keystone.test:5000/v3"),
        ("http://keystone.test:05000/v3", "http://keystone.test:5000/v3"),
        ("http://keystone.test:80/v3", "http://keystone.test/v3"),
        ("https://keystone.test:443/identity", "https://keystone.test/identity/v3"),
        ("https://keystone.test:80/identity/v3", "https://keystone.test:80/identity/v3"),
        ("http://keystone.test:443/v3", "http://keystone.test:443/v3"),
        ("https://keystone/Identity/v3", "https://keystone/Identity/v3"),
        ("https://keystone/V3", "https://keystone/V3/v3"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000/v3"),
        ("http://[::1]:5000", "http://[::1]:5000/v3"),
        ("http://[0:0:0:0:0:0:0:1]:5000/v3", "http://[::1]:5000/v3"),
        ("https://[2001:DB8::0A]/v3", "https://[2001:db8::a]/v3"),
        ("http://1.example.org/v3", "http://1.example.org/v3"),
        ("http://my_host-1/v3", "http://my_host-1/v3"),
    )
    @ddt.unpack
    def test_each_spelling_becomes_the_same(self, url, expected):
        self.assertEqual(expected, auth_urls.normalize(url, "X"))
        self.assertEqual(expected, auth_urls.normalize(expected, "X"))

    @ddt.data(
        # Nothing of the kind.
        None,
        5,
        b"http://keystone.test",
        ["http://keystone.test"],
        "",
        "keystone.test",
        "//keystone.test",
        "ftp://keystone.test",
        "file:///etc/passwd",
        "gopher://keystone.test",
        "http:keystone.test",
        "http:/keystone.test",
        "http://",
        "http:///v3",
        "http://:5000/v3",
        "http://keystone.test/" + "v" * 3000,
        # Someone else than it seems.
        "http://keystone.test@evil.test/v3",
        "http://user:password@keystone.test/v3",
        "http://@keystone.test/v3",
        "http://keystone.test:5000@evil.test/v3",
        "http://keystone.test\\@evil.test/v3",
        "http://keystone.test\\evil",
        "http:\\\\keystone.test/v3",
        "http://keystone.test#@evil.test/v3",
        "http://keystone.test?@evil.test/v3",
        "http://keystone.test/v3?x=1",
        "http://keystone.test/v3?",
        "http://keystone.test/v3#",
        "http://keystone.test;evil.test/v3",
        "http://keystone.test,evil.test/v3",
        "http://keystone.test%00.evil.test/v3",
        "http://keystone%2etest/v3",
        "http://keystone.test\u3002evil.test/v3",
        "http://k\u0435ystone.test/v3",
        "http://\uff2b\uff25\uff39.test/v3",
        "http://keystone.test /v3",
        " http://keystone.test/v3",
        "http://keystone.test/v3\n",
        "http://keystone.test\t/v3",
        "http://keystone.test\r\nX-Evil: 1",
        "http://keystone.test/v3\x00",
        "http://keystone.test/v3\x7f",
        # Hosts.
        "http://keystone.test./v3",
        "http://keystone..test/v3",
        "http://.keystone.test/v3",
        "http://-keystone.test/v3",
        "http://keystone-/v3",
        "http://" + "a" * 64 + ".test/v3",
        "http://" + "a." * 130 + "test/v3",
        "http://*.test/v3",
        "http://2130706433/v3",
        "http://0x7f000001/v3",
        "http://0x7f.1/v3",
        "http://0177.0.0.1/v3",
        "http://127.1/v3",
        "http://127.0.0.01/v3",
        "http://127.0.0.1.1/v3",
        "http://256.0.0.1/v3",
        "http://1.2.3.4.5/v3",
        "http://keystone.0x/v3",
        "http://[::1/v3",
        "http://::1/v3",
        "http://::1]/v3",
        "http://[::1]x/v3",
        "http://[::1%25eth0]/v3",
        "http://[::1%eth0]/v3",
        "http://[fe80::1%]/v3",
        "http://[127.0.0.1]/v3",
        "http://[keystone.test]/v3",
        "http://[v1.x]/v3",
        "http://[]/v3",
        # Ports.
        "http://keystone.test:/v3",
        "http://keystone.test:0/v3",
        "http://keystone.test:65536/v3",
        "http://keystone.test:-1/v3",
        "http://keystone.test:+5000/v3",
        "http://keystone.test:5_0/v3",
        "http://keystone.test:5000:5000/v3",
        "http://keystone.test:http/v3",
        "http://keystone.test:9999999999/v3",
        "http://[::1]:/v3",
        # Paths.
        "http://keystone.test/../v3",
        "http://keystone.test/identity/..",
        "http://keystone.test/./v3",
        "http://keystone.test//v3",
        "http://keystone.test/v3//",
        "http://keystone.test/%2e%2e/v3",
        "http://keystone.test/v%33",
        "http://keystone.test/v3;x",
        "http://keystone.test/v3:x",
        "http://keystone.test/@/v3",
        "http://keystone.test/v2.0",
        "http://keystone.test/identity/v2.0/",
    )
    def test_what_can_be_misread_is_refused(self, url):
        error = self.assertRaises(
            exceptions.TargetInvalid, auth_urls.normalize, url, "X-Target-Auth-Uri"
        )
        self.assertEqual("X-Target-Auth-Uri", error.name)
        self.assertStartsWith(error.message, "X-Target-Auth-Uri must ")

    def test_error_does_not_hold_the_value(self):
        error = self.assertRaises(
            exceptions.TargetInvalid,
            auth_urls.normalize,
            f"http://admin:{CANARY}@keystone.test/v3",
            "X",
        )
        self.assertNotIn(CANARY, error.message)

    def assertStartsWith(self, text, start):
        self.assertTrue(text.startswith(start), text)


@ddt.ddt
class Allowed(base.TestCase):
    def allowed(self, url, *entries):
        self.set_options(allowed_auth_uris=list(entries))
        return auth_urls.is_allowed(auth_urls.normalize(url, "X"))

    def test_nothing_is_allowed_by_default(self):
        self.assertFalse(auth_urls.is_allowed("http://keystone.test:5000/v3"))

    @ddt.data(
        "http://edge.test:5000/v3",
        "http://edge.test:5000/",
        "http://edge.test:5000",
        "HTTP://EDGE.test:5000/v3/",
    )
    def test_both_sides_may_be_spelled_otherwise(self, spelling):
        self.assertTrue(self.allowed(spelling, "http://other.test", "http://edge.test:5000/v3"))
        self.assertTrue(self.allowed("http://edge.test:5000/v3", "http://other.test", spelling))

    @ddt.data(
        "https://edge.test:5000/v3",
        "http://edge.test/v3",
        "http://edge.test:5001/v3",
        "http://edge.test:50000/v3",
        "http://edge.test.evil.test:5000/v3",
        "http://evil-edge.test:5000/v3",
        "http://sub.edge.test:5000/v3",
        "http://edge.test:5000/v3/v3",
        "http://edge.test:5000/evil/v3",
        "http://[::1]:5000/v3",
    )
    def test_nothing_but_the_same_is_allowed(self, url):
        self.assertFalse(self.allowed(url, "http://edge.test:5000/v3"))

    def test_ipv6_is_compared_by_its_address(self):
        self.assertTrue(self.allowed("http://[0::0:1]:5000", "http://[::1]:5000/v3"))
        self.assertFalse(self.allowed("http://[::2]:5000", "http://[::1]:5000/v3"))

    def test_malformed_entry_matches_nothing_and_is_logged_once(self):
        entry = "http://edge.test:5000/v3?a-malformed-entry"
        for _ in range(3):
            self.assertFalse(self.allowed("http://edge.test:5000/v3", entry))
        self.assertEqual(1, self.log.output.count("a-malformed-entry"))
        self.assertTrue(self.allowed("http://edge.test", entry, "http://edge.test"))

    def test_any_can_be_allowed(self):
        self.set_options(allow_any_auth_uri=True)
        auth_urls.check_allowed("http://anywhere.test/v3")

    def test_refusal_names_the_option_and_not_what_is_allowed(self):
        self.set_options(allowed_auth_uris=["http://one.test", "http://two.test"])
        error = self.assertRaises(
            exceptions.TargetNotAllowed, auth_urls.check_allowed, "http://three.test/v3"
        )
        self.assertEqual("http://three.test/v3", error.url)
        for word in ("http://three.test/v3", "allowed here (2)", "allowed_auth_uris"):
            self.assertIn(word, error.message)
        self.assertNotIn("one.test", error.message)
