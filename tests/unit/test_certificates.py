import base64
import concurrent.futures
import datetime
import functools
import os
import pathlib
import stat

import ddt
import fixtures
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.unit import base
from tripleo_common import exceptions
from tripleo_common.clouds import certificates

DAY = datetime.timedelta(days=1)


@functools.cache
def key():
    return ec.generate_private_key(ec.SECP256R1())


def make(name="Test CA", begin=-1, end=365, units=0):
    """Return a certificate in PEM; begin and end are days from now."""
    now = datetime.datetime.now(datetime.UTC)
    unit = x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "two\nlines")
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] + [unit] * units)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key().public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begin * DAY)
        .not_valid_after(now + end * DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key(), hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
        .decode()
    )


def private(form=serialization.PrivateFormat.PKCS8):
    """Return a private key in PEM."""
    return (
        key().private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()
    )


def garbled(pem):
    """Return PEM whose base64 decodes, but to something else than a certificate."""
    lines = pem.splitlines()
    lines[3] = lines[3][::-1]
    return "\n".join(lines) + "\n"


@ddt.ddt
class Check(base.TestCase):
    def refused(self, pem):
        error = self.assertRaises(exceptions.CertificateInvalid, certificates.check, pem, "X")
        self.assertEqual("X", error.what)
        return error.message

    def test_certificates_come_back_and_nothing_else(self):
        one, two = make("One"), make("Two")
        text = f"# Authorities of Zürich\r\n{one}\n  some words\n{two}\nthe end"
        self.assertEqual(one + two, certificates.check(text, "X"))
        self.assertEqual(one, certificates.check(one.replace("\n", "\r\n"), "X"))

    @ddt.data(
        None,
        5,
        b"-----BEGIN CERTIFICATE-----",
        "",
        "garbage",
        "\ud800",
        "-----BEGIN CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\n%%%%\n-----END CERTIFICATE-----\n",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n",
        "-----begin certificate-----\nAAAA\n-----end certificate-----\n",
    )
    def test_what_is_no_certificate_is_refused(self, pem):
        self.refused(pem)

    def test_damaged_certificate_among_good_ones_is_refused(self):
        good = make()
        for bad in (
            garbled(good),
            good.replace("-----END CERTIFICATE-----", ""),
            good[: len(good) // 2],
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ):
            self.assertIn("cannot be read", self.refused(good + bad))
            self.assertIn("cannot be read", self.refused(bad + good))

    def test_certificate_with_a_key_that_is_none_is_refused(self):
        point = (
            key()
            .public_key()
            .public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
        )
        der = x509.load_pem_x509_certificate(make().encode()).public_bytes(
            serialization.Encoding.DER
        )
        broken = base64.encodebytes(der.replace(point, point[:-1] + b"?")).decode()
        pem = f"-----BEGIN CERTIFICATE-----\n{broken}-----END CERTIFICATE-----\n"
        self.assertIn("cannot be read", self.refused(pem))

    @ddt.data(serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL)
    def test_private_key_is_refused_and_not_repeated(self, form):
        for pem in (make() + private(form), private(form) + make(), private(form)):
            message = self.refused(pem)
            self.assertIn("private key", message)
            self.assertNotIn(pem.splitlines()[1], message)

    def test_other_blocks_are_refused(self):
        crl = "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"
        self.assertIn("no other blocks", self.refused(make() + crl))

    def test_expired_one_is_named_with_its_date(self):
        end = datetime.datetime.now(datetime.UTC) - 3 * DAY
        message = self.refused(make("Good") + make("Old CA", -9, -3))
        self.assertIn("CN=Old CA", message)
        self.assertIn(f"{end:%Y-%m-%d}", message)
        self.assertNotIn("Good", message)

    def test_one_of_the_future_is_named(self):
        message = self.refused(make("New CA", 3, 9))
        self.assertIn("CN=New CA", message)
        self.assertIn("not valid yet", message)

    def test_long_name_is_cut(self):
        self.assertLess(len(self.refused(make("CA", -9, -3, units=100))), 400)

    def test_size_is_bounded(self):
        pem = make()
        limit = 32 * 1024
        self.assertEqual(pem, certificates.check(pem + "#" * (limit - len(pem)), "X"))
        self.assertIn(f"it has {limit + 1}", self.refused(pem + "#" * (limit - len(pem) + 1)))
        self.assertIn("at most", self.refused("ü" * limit))

    def test_number_is_bounded(self):
        pem = make()
        self.assertEqual(pem * 20, certificates.check(pem * 20, "X"))
        self.assertIn("it holds 21", self.refused(pem * 21))


class Bundles(base.TestCase):
    def setUp(self):
        super().setUp()
        self.directory = self.temporary()
        self.useFixture(fixtures.MonkeyPatch("tempfile.tempdir", self.directory))

    def files(self):
        return [path for path in pathlib.Path(self.directory).rglob("*") if path.is_file()]

    def test_content_is_in_a_private_file_until_closed(self):
        with certificates.Bundles() as bundles:
            path = pathlib.Path(bundles.path("pem"))
            self.assertEqual("pem", path.read_text())
            self.assertEqual(0o600, stat.S_IMODE(path.stat().st_mode))
            self.assertEqual(0o700, stat.S_IMODE(path.parent.stat().st_mode))
            self.assertTrue(path.is_relative_to(self.directory))
        self.assertEqual([], os.listdir(self.directory))

    def test_same_content_is_one_file(self):
        with certificates.Bundles() as bundles:
            paths = {bundles.path(pem) for pem in ("one", "two", "one")}
            self.assertEqual(paths, {str(path) for path in self.files()})
            self.assertEqual(2, len(paths))

    def test_two_do_not_share_their_files(self):
        with certificates.Bundles() as one:
            with certificates.Bundles() as two:
                self.assertNotEqual(one.path("pem"), two.path("pem"))
            self.assertEqual("pem", pathlib.Path(one.path("pem")).read_text())

    def test_nothing_is_made_without_need(self):
        with certificates.Bundles():
            self.assertEqual([], os.listdir(self.directory))

    def test_closing_again_does_nothing_and_a_closed_one_makes_no_files(self):
        bundles = certificates.Bundles()
        bundles.path("pem")
        bundles.close()
        bundles.close()
        self.assertRaises(RuntimeError, bundles.path, "pem")
        self.assertEqual([], os.listdir(self.directory))

    def test_an_error_inside_is_not_hidden_and_files_are_removed(self):
        def fail():
            with certificates.Bundles() as bundles:
                path = pathlib.Path(bundles.path("pem"))
                path.unlink()
                path.parent.rmdir()
                # A file in the directory's place is not what is to be removed.
                path.parent.write_text("")
                raise KeyError("the first error")

        self.assertRaises(KeyError, fail)

    def test_files_are_removed_after_an_error(self):
        def fail():
            with certificates.Bundles() as bundles:
                bundles.path("pem")
                raise KeyError("the first error")

        self.assertRaises(KeyError, fail)
        self.assertEqual([], os.listdir(self.directory))

    def test_many_threads_get_whole_files(self):
        contents = [f"{number % 5}" * 100000 for number in range(40)]
        with certificates.Bundles() as bundles:

            def look(content):
                return pathlib.Path(bundles.path(content)).read_text() == content

            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                self.assertTrue(all(pool.map(look, contents)))
            self.assertEqual(5, len(self.files()))
