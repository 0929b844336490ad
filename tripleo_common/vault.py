"""Secrets at rest, encrypted with the keys that all executors have."""

from __future__ import annotations

import base64
import hmac
import json
import os
import stat
from typing import Any, NamedTuple

from cryptography import fernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf import hkdf

from tripleo_common import config, exceptions

_PREFIX = "encrypted:"

_KEYS_FILE_BYTES = 64 * 1024
_KEY_BYTES = 32

_MARKS = b"tripleo mark"
"""Keeps the keys of marks apart from those of every purpose."""


class _Key(NamedTuple):
    """What a line of the file of keys is used for.

    :ivar fernet: encrypts and decrypts.
    :ivar marking: key of marks; it opens nothing.
    """

    fernet: fernet.Fernet
    marking: bytes


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
        self._known: list[_Key] = []

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
        return self.encrypt_bytes(to_json(value, "secret"))

    def encrypt_bytes(self, plain: bytes) -> str:
        """Return ``encrypted:`` and a token that holds the bytes.

        :raises EncryptionKeyMissing: there is no usable file of keys.
        """
        return _PREFIX + self._keys()[0].fernet.encrypt(plain).decode("ascii")

    def decrypt(self, text: str, name: str) -> Any:
        """Return the value that was encrypted.

        :param text: what :meth:`encrypt` returned.
        :param name: what the secret is called, for the error.
        :raises EncryptionKeyMissing: there is no usable file of keys.
        :raises SecretUnreadable: none of the keys opens it, or it is something else.
        """
        return from_json(self.decrypt_bytes(text, name), name)

    def renew(self, text: str, name: str) -> str:
        """Return the text itself if the newest key made it, else the value encrypted with that.

        :raises EncryptionKeyMissing: there is no usable file of keys.
        :raises SecretUnreadable: none of the keys opens it, or it is something else.
        """
        plain = self.decrypt_bytes(text, name)
        try:
            self._keys()[0].fernet.decrypt(_token(text, name))
        except fernet.InvalidToken:
            return self.encrypt_bytes(plain)
        return text

    def mark(self, value: Any) -> str:
        """Return the mark of a value, which tells later whether that has changed: 64 hex digits.

        Nothing of the value can be had from it without the keys. Equal values have equal marks, so
        the value should say what it belongs to where others are not to see that two are equal.

        :param value: anything that JSON can hold; the order of a mapping does not matter.
        :raises EncryptionKeyMissing: there is no usable file of keys.
        :raises InputInvalid: the value cannot be JSON.
        """
        return _mark(self._keys()[0], value)

    def is_mark(self, mark: object, value: Any) -> bool:
        """Tell whether something is the mark of a value, made with any of the keys.

        :raises EncryptionKeyMissing: there is no usable file of keys.
        :raises InputInvalid: the value cannot be JSON.
        """
        if not isinstance(mark, str) or not mark.isascii():
            return False
        return any(hmac.compare_digest(_mark(key, value), mark) for key in self._keys())

    def decrypt_bytes(self, text: str, name: str) -> bytes:
        """Return the bytes that were encrypted; see :meth:`decrypt`.

        :raises EncryptionKeyMissing: there is no usable file of keys.
        :raises SecretUnreadable: none of the keys opens it.
        """
        token = _token(text, name)
        try:
            return fernet.MultiFernet(key.fernet for key in self._keys()).decrypt(token)
        except fernet.InvalidToken:
            raise exceptions.SecretUnreadable(
                name,
                "The key that it was encrypted with must be in the file of keys (option "
                "encryption_keys_file of the group [tripleo], on every executor).",
            ) from None

    def _keys(self) -> list[_Key]:
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

    def _parse(self, content: bytes) -> list[_Key]:
        keys = []
        for number, line in enumerate(content.splitlines(), 1):
            text = line.strip()
            if not text or text.startswith(b"#"):
                continue
            try:
                key = fernet.Fernet(text)
                if self._purpose:
                    key = fernet.Fernet(base64.urlsafe_b64encode(_derived(text, self._purpose)))
                keys.append(_Key(key, _derived(text, self._purpose, _MARKS)))
            except ValueError:
                # Not passed over: it may be the newest, and secrets that were encrypted with
                # an older key instead would seem to be rotated.
                raise exceptions.EncryptionKeyMissing(
                    f"line {number} of the file of keys {self._path} is no Fernet key"
                ) from None
        if not keys:
            raise exceptions.EncryptionKeyMissing(f"the file of keys {self._path} has no key")
        return keys


def _open_at_once(path: str, flags: int) -> int:
    # A pipe must not make us wait for a writer.
    return os.open(path, flags | os.O_NONBLOCK)


def _derived(key: bytes, purpose: str, salt: bytes | None = None) -> bytes:
    """Return a key for one purpose alone, made of a Fernet key."""
    derivation = hkdf.HKDF(hashes.SHA256(), length=_KEY_BYTES, salt=salt, info=purpose.encode())
    return derivation.derive(base64.urlsafe_b64decode(key))


def _mark(key: _Key, value: Any) -> str:
    return hmac.digest(key.marking, to_json(value, "secret", ordered=True), "sha256").hex()


def is_encrypted(value: object) -> bool:
    """Tell whether a value is one that a :class:`Vault` encrypted, be it damaged since."""
    return isinstance(value, str) and value.startswith(_PREFIX)


def _token(text: object, name: str) -> bytes:
    if not isinstance(text, str) or not is_encrypted(text):
        raise exceptions.SecretUnreadable(
            name, "What is stored is not an encrypted value. Store the secret again."
        )
    return text.removeprefix(_PREFIX).encode("ascii", "replace")


def to_json(value: Any, name: str, *, ordered: bool = False) -> bytes:
    """Return a value as JSON.

    :param ordered: mappings that are equal become equal JSON.
    :raises InputInvalid: JSON cannot hold it.
    """
    try:
        text = json.dumps(value, separators=(",", ":"), allow_nan=False, sort_keys=ordered)
    except (TypeError, ValueError, RecursionError):
        raise exceptions.InputInvalid(
            name, "must consist of mappings, lists, texts, numbers and booleans alone."
        ) from None
    return text.encode("ascii")


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
