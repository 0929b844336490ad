"""Certificate authorities of the tests' own, and what they sign."""

import dataclasses
import datetime
import ipaddress
import os
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

HOSTS = ("127.0.0.1", "localhost")


@dataclasses.dataclass(frozen=True)
class Certificate:
    """A server's certificate and its key, as PEM files."""

    path: Path
    key_path: Path

    @property
    def pem(self):
        """The certificate alone."""
        return self.path.read_text()


class Authority:
    """A certificate authority that lives in a directory.

    :ivar path: its own certificate, which a client has to know, as a PEM file.
    :ivar pem: the same as text.
    """

    def __init__(self, directory, name="Test Authority", *, expired=False):
        """Make the authority; its certificate can be one that was valid until yesterday."""
        self._directory = Path(directory)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        usage = _usage(key_cert_sign=True, crl_sign=True)
        self._certificate = (
            _builder(self._name, self._name, self._key, expired)
            .add_extension(constraints, critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.pem = _pem(self._certificate)
        self.path = _write(self._directory / f"{_file(name)}.pem", self.pem, 0o644)

    def issue(self, name="server", hosts=HOSTS, *, expired=False):
        """Return a certificate for addresses and names of a server, signed by this authority."""
        key = ec.generate_private_key(ec.SECP256R1())
        authority = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        certificate = (
            _builder(_name(name), self._name, key, expired)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
            .add_extension(x509.SubjectAlternativeName([_host(h) for h in hosts]), False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(authority), False
            )
            .sign(self._key, hashes.SHA256())
        )
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return Certificate(
            _write(self._directory / f"{_file(name)}.pem", _pem(certificate), 0o644),
            _write(self._directory / f"{_file(name)}.key", private.decode("ascii"), 0o600),
        )


def _builder(subject, issuer, key, expired):
    # An hour back: clocks differ. Whole days, so that a test may name the date.
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    day = datetime.timedelta(days=1)
    first, last = (now - 2 * day, now - day) if expired else (now - day / 24, now + day)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(first)
        .not_valid_after(last)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    )


def _usage(**given):
    names = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{name: given.get(name, False) for name in names})


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _host(text):
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")


def _file(name):
    return name.lower().replace(" ", "-")


def _write(path, text, mode):
    with open(path, "x", opener=lambda p, flags: os.open(p, flags, mode)) as file:
        file.write(text)
    return path
