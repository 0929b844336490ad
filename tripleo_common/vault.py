"""Secrets at rest, encrypted with the keys that all executors have."""

from __future__ import annotations

import base64
import json
import os
import stat
from typing import Any

from cryptography import fernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf import hkdf

from tripleo_common import config, exceptions

_PREFIX = "encrypted:"

_KEYS_FILE_BYTES = 64 * 1024
_KEY_BYTES = 32


class Vault:
    """Encrypts and decrypts values with the keys of a file, which it reads when it needs them.

    A file that has changed is read again, so that keys are rotated without a restart.
    """

    def __init__(self, path: str | None, purpose: str = "") -> None:
        """Name the file of keys; a plan without secrets needs none, so nothing is read yet.

        :param purpose: what is encrypted for one purpose does not open for another. Whoever may
            store secrets has values of their choice encrypted and can read the result, which must
            not be taken for something that was checked.
        """
        self._path = path
        self._purpose = purpose
        self._seen: tuple[int, ...] | None = None
        self._known: list[fernet.Fernet] = []

    @classmethod
    def from_options(cls, purpose: str = "") -> Vault:
        """Return the vault of the file that the option ``encryption_keys_file`` names."""
        return cls(config.options().encryption_keys_file, purpose)

    def encrypt(self, value: Any) -> str:
        """Return ``encrypted:`` and a token that holds the value.

        :param value: anything that JSON can hold.
        :raises EncryptionKeyMissing: there is no usable file of keys.
        :raises InputInvalid: the value cannot be JSON.
        """
        token = self._keys()[0].encrypt(to_json(value, "secret"))
        return _PREFIX + token.decode("ascii")

    def decrypt(self, text: str, name: str) -> Any:
        """Return the value that was encrypted.

        :param text: what :meth:`encrypt` returned.
        :param name: what the secret is called, for the error.
        :raises EncryptionKeyMissing: there is no usable file of keys.
        :raises SecretUnreadable: none of the keys opens it, or it is something else.
        """
        return from_json(self._open(text, name), name)

    def renew(self, text: str, name: str) -> str:
        """Return the text itself if the newest key made it, else the value encrypted with that.

        :raises EncryptionKeyMissing: there is no usable file of keys.
        :raises SecretUnreadable: none of the keys opens it, or it is something else.
        """
        plain = self._open(text, name)
        newest = self._keys()[0]
        try:
            newest.decrypt(_token(text, name))
        except fernet.InvalidToken:
            return _PREFIX + newest.encrypt(plain).decode("ascii")
        return text

    def _open(self, text: str, name: str) -> bytes:
        token = _token(text, name)
        try:
            return fernet.MultiFernet(self._keys()).decrypt(token)
        except fernet.InvalidToken:
            raise exceptions.SecretUnreadable(
                name,
                "The key that it was encrypted with must be in the file of keys (option "
                "encryption_keys_file of the group [tripleo], on every executor).",
            ) from None

    def _keys(self) -> list[fernet.Fernet]:
        """Return the keys, the newest first; at least one."""
        if not self._path:
            raise exceptions.EncryptionKeyMissing("no file of keys is configured")
        try:
            with open(self._path, "rb", opener=_open_at_once) as stream:
                status = os.fstat(stream.fileno())
                self._check(status)
                seen = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)
                if seen != self._seen:
                    self._known = self._parse(stream.read(_KEYS_FILE_BYTES))
                    self._seen = seen
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "this cannot be a path"
            raise exceptions.EncryptionKeyMissing(
                f"the file of keys {self._path} cannot be read: {reason}"
            ) from None
        return self._known

    def _check(self, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise exceptions.EncryptionKeyMissing(f"{self._path} is no file")
        if status.st_mode & 0o077:
            raise exceptions.EncryptionKeyMissing(
                f"others than its owner can use the file of keys {self._path}, of mode "
                f"{stat.S_IMODE(status.st_mode):04o}; it must have mode 0600"
            )
        if status.st_size > _KEYS_FILE_BYTES:
            raise exceptions.EncryptionKeyMissing(
                f"{self._path} is too large to be a file of keys ({status.st_size} bytes)"
            )

    def _parse(self, content: bytes) -> list[fernet.Fernet]:
        keys = []
        for number, line in enumerate(content.splitlines(), 1):
            text = line.strip()
            if not text or text.startswith(b"#"):
                continue
            try:
                key = fernet.Fernet(text)
                keys.append(fernet.Fernet(self._derived(text)) if self._purpose else key)
            except ValueError:
                # Not passed over: it may be the newest, and secrets that were encrypted with
                # an older key instead would seem to be rotated.
                raise exceptions.EncryptionKeyMissing(
                    f"line {number} of the file of keys {self._path} is no Fernet key"
                ) from None
        if not keys:
            raise exceptions.EncryptionKeyMissing(f"the file of keys {self._path} has no key")
        return keys

    def _derived(self, key: bytes) -> bytes:
        own = hkdf.HKDF(
            hashes.SHA256(), length=_KEY_BYTES, salt=None, info=self._purpose.encode()
        ).derive(base64.urlsafe_b64decode(key))
        return base64.urlsafe_b64encode(own)


def _open_at_once(path: str, flags: int) -> int:
    # A pipe must not make us wait for a writer.
    return os.open(path, flags | os.O_NONBLOCK)


def is_encrypted(value: object) -> bool:
    """Tell whether a value is one that a :class:`Vault` encrypted, be it damaged since."""
    return isinstance(value, str) and value.startswith(_PREFIX)


def _token(text: object, name: str) -> bytes:
    if not isinstance(text, str) or not is_encrypted(text):
        raise exceptions.SecretUnreadable(
            name, "What is stored is not an encrypted value. Store the secret again."
        )
    return text.removeprefix(_PREFIX).encode("ascii", "replace")


def to_json(value: Any, name: str) -> bytes:
    """Return a value as JSON.

    :raises InputInvalid: JSON cannot hold it.
    """
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")
    except (TypeError, ValueError, RecursionError):
        raise exceptions.InputInvalid(
            name, "must consist of mappings, lists, texts, numbers and booleans alone."
        ) from None


def from_json(plain: bytes, name: str) -> Any:
    """Return the value of what was decrypted.

    :raises SecretUnreadable: it is no JSON.
    """
    try:
        return json.loads(plain)
    except (ValueError, RecursionError):
        # The original error would hold what was decrypted.
        raise exceptions.SecretUnreadable(
            name, "What was encrypted is no JSON. Store the secret again."
        ) from None
