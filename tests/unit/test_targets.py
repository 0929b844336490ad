import base64
import dataclasses
import json
import os

import ddt
from cryptography import fernet

from tests.unit import base, test_certificates
from tripleo_common import exceptions, vault
from tripleo_common.clouds import targets

URL = "http://edge.test:5000/v3"
CANARY = "canary-token-91ab"
EXECUTION = "3f1f2d50-5f6a-4a43-9d8c-0c1d5c2f7c11"


def encoded(text):
    return base64.b64encode(text.encode()).decode()


def headers(**more):
    """Return the headers of a target; further ones, with underscores, and None for none."""
    given = {"Auth-Uri": URL, "Auth-Token": CANARY}
    given.update({name.replace("_", "-"): value for name, value in more.items()})
    return {f"X-Target-{name}": value for name, value in given.items() if value is not None}


@ddt.ddt
class FromHeaders(base.TestCase):
    def setUp(self):
        super().setUp()
        self.set_options(multi_cloud=True, allowed_auth_uris=[URL])

    def refused(self, error=exceptions.TargetInvalid, **more):
        return self.assertRaises(error, targets.from_headers, headers(**more))

    def test_url_and_token_are_enough(self):
        self.assertEqual(
            targets.Target(URL, CANARY, None, None, False, None), targets.from_headers(headers())
        )

    def test_everything_that_clients_send(self):
        pem = test_certificates.make()
        target = targets.from_headers(
            headers(
                Auth_Uri="HTTP://Edge.test:5000/",
                Project_Id="p2",
                User_Id="u2",
                User_Name="somebody else",
                Region_Name="edgeOne",
                Insecure="True",
                Service_Catalog=encoded('{"catalog": []}'),
                User_Domain_Name="Default",
                Project_Domain_Name="Default",
                Cacert=encoded(f"# ours\n{pem}"),
            )
        )
        self.assertEqual(targets.Target(URL, CANARY, "p2", "edgeOne", True, pem), target)

    @ddt.data({}, {"X-Target-Auth-Uri": ""}, {"X-Target-Auth-Uri": "", "X-Target-Insecure": "  "})
    def test_no_target(self, given):
        self.assertIsNone(targets.from_headers(given))
        self.set_options(multi_cloud=False)
        self.assertIsNone(targets.from_headers(given))

    def test_empty_values_are_not_given(self):
        target = targets.from_headers(headers(Region_Name="", Cacert=" ", Insecure="", Bogus=""))
        self.assertEqual(targets.Target(URL, CANARY), target)

    def test_service_without_multi_cloud_takes_none(self):
        self.set_options(multi_cloud=False)
        for more in ({}, {"Auth_Uri": None}, {"Cacert": "garbage"}):
            error = self.refused(exceptions.TargetNotAllowed, **more)
            self.assertIn("multi_cloud", error.message)

    @ddt.data(
        ({"Auth_Token": None}, "X-Target-Auth-Token is missing, though X-Target-Auth-Uri"),
        ({"Auth_Token": ""}, "X-Target-Auth-Token is missing, though X-Target-Auth-Uri"),
        ({"Auth_Uri": None}, "X-Target-Auth-Uri is missing, though X-Target-Auth-Token"),
        (
            {"Auth_Uri": None, "Auth_Token": None, "Region_Name": "edgeOne"},
            "X-Target-Auth-Uri is missing, though X-Target-Region-Name",
        ),
        (
            {"Auth_Uri": None, "Auth_Token": None, "Insecure": "True"},
            "X-Target-Auth-Uri is missing, though X-Target-Insecure",
        ),
    )
    @ddt.unpack
    def test_url_and_token_are_needed_together(self, more, told):
        message = self.refused(**more).message
        self.assertIn(told, message)
        self.assertIn("--os-target-auth-token", message)

    @ddt.data(
        {"Auth_Uri": "http://edge.test:5000/v3?x"},
        {"Auth_Uri": "edge.test"},
        {"Insecure": "yes"},
        {"Insecure": "1"},
        {"Insecure": "True,True"},
        {"Service_Catalog": "{}"},
        {"Service_Catalog": encoded("garbage")},
        {"Service_Catalog": encoded("[" * 60000)},
        {"Service_Catalog": base64.b64encode(b"\xff\xfe\xff").decode()},
        {"Bogus": "x"},
        {"Project_Name": "admin"},
        {"Auth_Token": CANARY + "\n"},
        {"Auth_Token": CANARY + "\r\nX-Evil: 1"},
        {"Auth_Token": CANARY + "\x00"},
        {"Auth_Token": CANARY + "\t"},
        {"Auth_Token": CANARY + "\xfc"},
        {"Region_Name": "edge\u20acOne"},
        {"User_Name": "\xe4"},
    )
    def test_wrong_value_is_refused_and_not_repeated(self, more):
        error = self.refused(**more)
        (name,) = more
        self.assertEqual(f"X-Target-{name.replace('_', '-')}", error.name)
        self.assertNotIn(CANARY, error.message)

    @ddt.data(
        {"Auth_Uri": f"{URL},http://evil.test/v3"},
        {"Auth_Uri": f"{URL}, {URL}"},
        {"Auth_Token": f"{CANARY},other"},
        {"Region_Name": ",edgeOne"},
        {"Cacert": "AAAA,AAAA"},
    )
    def test_header_that_is_given_twice(self, more):
        self.assertIn("more than once", self.refused(**more).message)

    def test_unknown_header_is_told_the_known_ones(self):
        message = self.refused(Cloud="x").message
        for name in targets.HEADERS:
            self.assertIn(name, message)
        self.assertLess(len(self.refused(**{"x" * 70000: "x"}).message), 1000)

    @ddt.data("true", "TRUE", "True")
    def test_insecure_in_any_case(self, value):
        self.assertTrue(targets.from_headers(headers(Insecure=value)).insecure)
        self.assertFalse(targets.from_headers(headers(Insecure="fALSE")).insecure)

    def test_url_that_is_not_allowed(self):
        error = self.refused(exceptions.TargetNotAllowed, Auth_Uri="http://edge.test:5001")
        self.assertEqual("http://edge.test:5001/v3", error.url)

    def test_size_of_all_together_is_bounded(self):
        limit = 128 * 1024
        rest = limit - len(URL) - len(CANARY)
        target = targets.from_headers(headers(User_Name="x" * rest))
        self.assertEqual(URL, target.auth_url)
        self.assertIn(f"they have {limit + 1}", self.refused(User_Name="x" * (rest + 1)).message)
        self.refused(Auth_Token="x" * 2**20)

    @ddt.data("%%%", "AAA", "-----BEGIN CERTIFICATE-----", base64.b64encode(b"\xff").decode())
    def test_certificates_that_are_not_in_base64(self, value):
        error = self.refused(exceptions.CertificateInvalid, Cacert=value)
        self.assertIn("base64", error.message)

    def test_certificates_that_cannot_be_used(self):
        for pem, word in (
            ("garbage", "PEM"),
            (test_certificates.make(end=-0.5), "expired"),
            (test_certificates.make() + test_certificates.private(), "private key"),
        ):
            error = self.refused(exceptions.CertificateInvalid, Cacert=encoded(pem))
            self.assertIn("X-Target-Cacert", error.message)
            self.assertIn(word, error.message)

    def test_secrets_are_not_shown(self):
        pem = test_certificates.make()
        target = targets.from_headers(headers(Cacert=encoded(pem)))
        self.assertNotIn(CANARY, repr(target))
        self.assertNotIn("CERTIFICATE", repr(target))


@ddt.ddt
class Seal(base.TestCase):
    target = targets.Target(URL, CANARY, "p2", "edgeOne", True, "pem")
    given = {"user": "admin", "project": "p1", "bound": EXECUTION}

    def setUp(self):
        super().setUp()
        self.keys = self.use_keys()
        self.sealed = targets.seal(self.target, **self.given)

    def lost(self, text, **more):
        return self.assertRaises(
            exceptions.TargetLost, targets.unseal, text, **{**self.given, **more}
        ).message

    @ddt.data({}, {"project_id": None}, {"region": None, "cacert": None, "insecure": False})
    def test_target_comes_back(self, change):
        target = dataclasses.replace(self.target, **change)
        sealed = targets.seal(target, **self.given)
        self.assertEqual(target, targets.unseal(sealed, **self.given))

    def test_nothing_of_it_shows(self):
        for secret in (CANARY, "edge", "admin", EXECUTION):
            self.assertNotIn(secret, self.sealed)
        self.assertTrue(vault.is_encrypted(self.sealed))

    def test_copy_for_something_else_is_refused(self):
        for bound in ("", EXECUTION.upper(), targets.bound_to_request(CANARY)):
            self.assertIn("copy", self.lost(self.sealed, bound=bound))

    @ddt.data({"user": "eve"}, {"user": None}, {"project": "p2"}, {"project": None})
    def test_others_may_not_go_on_with_it(self, change):
        self.assertIn("Only admin in the project p1", self.lost(self.sealed, **change))

    @ddt.data(None, 5, "", "garbage", "encrypted:", "encrypted:gAAAA", [], {}, b"encrypted:", True)
    def test_what_is_no_sealed_target(self, text):
        self.assertIn("cannot be decrypted", self.lost(text))

    def test_changed_text_is_refused(self):
        middle = len(self.sealed) // 2
        other = "A" if self.sealed[middle] != "A" else "B"
        changed = self.sealed[:middle] + other + self.sealed[middle + 1 :]
        self.assertIn("cannot be decrypted", self.lost(changed))

    def test_another_secret_is_never_taken_for_a_target(self):
        document = {
            "purpose": "tripleo target",
            "version": 1,
            **self.given,
            "target": dataclasses.asdict(self.target),
        }
        forged = vault.Vault.from_options().encrypt(document)
        self.assertIn("cannot be decrypted", self.lost(forged))
        again = vault.Vault.from_options().encrypt(self.sealed)
        self.assertIn("cannot be decrypted", self.lost(again))

    def test_target_is_never_taken_for_another_secret(self):
        self.assertRaises(
            exceptions.SecretUnreadable, vault.Vault.from_options().decrypt, self.sealed, "A"
        )

    def test_keys_can_be_exchanged(self):
        with open(self.keys, encoding="ascii") as file:
            old = file.read()
        new = fernet.Fernet.generate_key().decode()
        self.use_keys(new, "# the old one", old)
        self.assertEqual(self.target, targets.unseal(self.sealed, **self.given))
        self.assertNotEqual(old, new)

    def test_key_that_is_taken_out_counts_no_more(self):
        with open(self.keys, encoding="ascii") as file:
            old = file.read()
        self.use_keys(fernet.Fernet.generate_key().decode(), f"#{old}")
        self.assertIn("cannot be decrypted", self.lost(self.sealed))

    @ddt.data("no-key", "x" * 44, "AAAA", "#")
    def test_file_of_keys_that_is_none(self, line):
        self.use_keys(line)
        self.assertRaises(exceptions.EncryptionKeyMissing, targets.seal, self.target, **self.given)

    def test_without_keys(self):
        os.unlink(self.keys)
        for call, value in ((targets.seal, self.target), (targets.unseal, self.sealed)):
            self.assertRaises(exceptions.EncryptionKeyMissing, call, value, **self.given)

    def test_size_fits_what_mistral_keeps(self):
        target = dataclasses.replace(self.target, cacert="x" * 32 * 1024, token="x" * 32 * 1024)
        self.assertLess(len(json.dumps(targets.seal(target, **self.given))), 256 * 1024)


class BoundToRequest(base.TestCase):
    def test_it_tells_requests_apart_and_not_the_token(self):
        self.assertEqual(
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            targets.bound_to_request("test"),
        )
        self.assertNotEqual(targets.bound_to_request("a"), targets.bound_to_request("b"))
