"""Certificates of authorities that come as PEM content: checked, and in files for as long as used.

The TLS libraries below take a file's name and nothing else.
"""

from __future__ import annotations

import datetime
import hashlib
import os
import re
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from tripleo_common import exceptions

_BYTES = 32 * 1024
_COUNT = 20
_BLOCK = re.compile(r"-----BEGIN ([^\n-]*)-----")


def check(pem: object, what: str) -> str:
    """Return the certificates that a text holds, and nothing else that it holds.

    :param pem: PEM content; text around the certificates is left out.
    :param what: what holds them, for the error.
    :raises CertificateInvalid: there is none, something else beside them, too much, or one is
        malformed, expired or not valid yet.
    """
    if not isinstance(pem, str):
        raise exceptions.CertificateInvalid(what, "must be PEM content.")
    size = len(pem.encode("utf-8", "surrogatepass"))
    if size > _BYTES:
        raise exceptions.CertificateInvalid(
            what, f"must have at most {_BYTES} bytes; it has {size}."
        )
    kinds = _BLOCK.findall(pem)
    if any("PRIVATE KEY" in kind for kind in kinds):
        raise exceptions.CertificateInvalid(
            what,
            "holds a private key, which nobody here needs. Send certificates alone, and replace "
            "that key.",
        )
    if not kinds or set(kinds) != {"CERTIFICATE"}:
        raise exceptions.CertificateInvalid(
            what,
            "must hold certificates in PEM (-----BEGIN CERTIFICATE-----) and no other blocks.",
        )
    if len(kinds) > _COUNT:
        raise exceptions.CertificateInvalid(
            what, f"must hold at most {_COUNT} certificates; it holds {len(kinds)}."
        )
    found = _parse(pem, what)
    if len(found) != len(kinds):
        raise _unreadable(what)
    for certificate in found:
        _check_time(certificate, what)
    return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in found).decode()


def _parse(pem: str, what: str) -> list[x509.Certificate]:
    try:
        found = x509.load_pem_x509_certificates(pem.encode("utf-8", "surrogatepass"))
        for certificate in found:
            # Parts are only parsed when they are asked for.
            certificate.subject, certificate.extensions, certificate.public_key()
    except Exception:
        # It raises what its parsers raise, of many classes.
        raise _unreadable(what) from None
    return found


def _unreadable(what: str) -> exceptions.CertificateInvalid:
    return exceptions.CertificateInvalid(what, "holds a certificate that cannot be read.")


def _check_time(certificate: x509.Certificate, what: str) -> None:
    now = datetime.datetime.now(datetime.UTC)
    name = certificate.subject.rfc4514_string()[:200] or "without a subject"
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if end < now:
        raise exceptions.CertificateInvalid(
            what, f"holds a certificate that has expired: {name}, valid until {end:%Y-%m-%d}."
        )
    if begin > now:
        raise exceptions.CertificateInvalid(
            what, f"holds a certificate that is not valid yet: {name}, from {begin:%Y-%m-%d}."
        )


class Bundles:
    """Files with PEM content, which only this user can read, until this is closed."""

    def __init__(self) -> None:
        """Write nothing yet."""
        self._lock = threading.Lock()
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self._written: set[str] = set()
        self._is_closed = False

    def path(self, pem: str) -> str:
        """Return the name of a file with that content; the same one for the same content.

        :raises RuntimeError: this is closed.
        """
        content = pem.encode("utf-8")
        with self._lock:
            if self._is_closed:
                raise RuntimeError("These bundles are closed.")
            if self._directory is None:
                # Of mode 0700. What cannot be removed must not hide why an action failed.
                self._directory = tempfile.TemporaryDirectory(
                    prefix="tripleo-certificates-", ignore_cleanup_errors=True
                )
            name = hashlib.sha256(content).hexdigest()
            path = str(Path(self._directory.name) / f"{name}.pem")
            if name not in self._written:
                with open(path, "xb", opener=_open_private) as stream:
                    stream.write(content)
                self._written.add(name)
            return path

    def close(self) -> None:
        """Remove the files; may be called again."""
        with self._lock:
            self._is_closed = True
            if self._directory is not None:
                self._directory.cleanup()
                self._directory = None

    def __enter__(self) -> Self:
        """Return this."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove the files."""
        self.close()


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
