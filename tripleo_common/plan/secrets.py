"""Secrets at rest: encrypted with the executors' keys, or sealed with somebody's passphrase."""

from __future__ import annotations

import base64
import json
import os
import stat
from collections.abc import Collection, Mapping
from typing import Any

from cryptography import fernet
from cryptography.hazmat.primitives.kdf import scrypt

from tripleo_common import config, exceptions

MASK = "******"
"""What stands for a secret wherever it is shown; Heat shows its hidden parameters so, too."""

_PREFIX = "encrypted:"

_KEYS_FILE_BYTES = 64 * 1024

_SALT_BYTES = 16
_SCRYPT = {"n": 2**15, "r": 8, "p": 3}
_SCRYPT_BOUNDS = {"n": (2**14, 2**17), "r": (8, 8), "p": (1, 8)}
"""What is accepted when a document is opened: at most 128 MiB of memory and a few seconds."""
_PASSPHRASE_LENGTH = (12, 1024)
_DOCUMENT = "document"


class Vault:
    """Encrypts and decrypts values with the keys of a file, which it reads when it needs them.

    A file that has changed is read again, so that keys are rotated without a restart.
    """

    def __init__(self, path: str | None) -> None:
        """Name the file of keys; a plan without secrets needs none, so nothing is read yet."""
        self._path = path
        self._seen: tuple[int, ...] | None = None
        self._known: list[fernet.Fernet] = []

    @classmethod
    def from_options(cls) -> Vault:
        """Return the vault of the file that the option ``encryption_keys_file`` names."""
        return cls(config.options().encryption_keys_file)

    def encrypt(self, value: Any) -> str:
        """Return ``encrypted:`` and a token that holds the value.

        :param value: anything that JSON can hold.
        :raises EncryptionKeyMissing: there is no usable file of keys.
        :raises InputInvalid: the value cannot be JSON.
        """
        token = self._keys()[0].encrypt(_to_json(value, "secret"))
        return _PREFIX + token.decode("ascii")

    def decrypt(self, text: str, name: str) -> Any:
        """Return the value that was encrypted.

        :param text: what :meth:`encrypt` returned.
        :param name: what the secret is called, for the error.
        :raises EncryptionKeyMissing: there is no usable file of keys.
        :raises SecretUnreadable: none of the keys opens it, or it is something else.
        """
        return _from_json(self._open(text, name), name)

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
                keys.append(fernet.Fernet(text))
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


def is_encrypted(value: object) -> bool:
    """Tell whether a value is one that a :class:`Vault` encrypted, be it damaged since."""
    return isinstance(value, str) and value.startswith(_PREFIX)


def is_same(some: object, other: object) -> bool:
    """Tell whether two values are the same, encrypted or not; by different keys as well.

    What cannot be decrypted is the same as nothing but itself.
    """
    if some == other or not (is_encrypted(some) and is_encrypted(other)):
        return some == other
    vault = Vault.from_options()
    try:
        return bool(vault.decrypt(str(some), "") == vault.decrypt(str(other), ""))
    except exceptions.TripleOError:
        return False


def mask(values: Mapping[str, Any], hidden: Collection[str]) -> dict[str, Any]:
    """Return values for showing: those with a hidden name, and encrypted ones, are masked.

    :param values: name to value.
    :param hidden: names of the secrets.
    """
    return {
        name: MASK if name in hidden or is_encrypted(value) else value
        for name, value in values.items()
    }


def seal(document: Any, passphrase: str) -> str:
    """Encrypt a document with a passphrase.

    :param document: anything that JSON can hold.
    :returns: a JSON text that says how the key is derived, and holds the document encrypted.
    :raises InputInvalid: the passphrase is too short or too long, or no text; or the document
        cannot be JSON.
    """
    secret = _check_passphrase(passphrase)
    plain = _to_json(document, _DOCUMENT)
    salt = os.urandom(_SALT_BYTES)
    token = fernet.Fernet(_derive(secret, salt, **_SCRYPT)).encrypt(plain)
    sealed = {
        "sealed": 1,
        "kdf": "scrypt",
        **_SCRYPT,
        "salt": base64.b64encode(salt).decode("ascii"),
        "token": token.decode("ascii"),
    }
    return json.dumps(sealed, indent=1)


def open_sealed(text: str, passphrase: str) -> Any:
    """Return the document that :func:`seal` encrypted.

    :raises InputInvalid: no passphrase that a document could be sealed with.
    :raises SecretUnreadable: it is another passphrase, or the text is not a sealed document.
    """
    secret = _check_passphrase(passphrase)
    sealed = _parse_sealed(text)
    if sealed is None:
        raise exceptions.SecretUnreadable(
            _DOCUMENT, "It does not have the form of a sealed document."
        )
    salt, token, parameters = sealed
    try:
        plain = fernet.Fernet(_derive(secret, salt, **parameters)).decrypt(token)
    except fernet.InvalidToken:
        raise exceptions.SecretUnreadable(
            _DOCUMENT, "The passphrase is not the one it was sealed with, or it has been changed."
        ) from None
    return _from_json(plain, _DOCUMENT)


def _parse_sealed(text: object) -> tuple[bytes, bytes, dict[str, int]] | None:
    """Return salt, token and the parameters of scrypt; nothing if any of them is unusable."""
    try:
        sealed = json.loads(text) if isinstance(text, str) else None
        if not isinstance(sealed, dict) or sealed.get("sealed") != 1 or sealed["kdf"] != "scrypt":
            return None
        salt = base64.b64decode(sealed["salt"], validate=True)
        token: bytes = sealed["token"].encode("ascii")
        parameters: dict[str, int] = {name: sealed[name] for name in _SCRYPT_BOUNDS}
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
        return None
    for name, (low, high) in _SCRYPT_BOUNDS.items():
        if type(parameters[name]) is not int or not low <= parameters[name] <= high:
            return None
    if parameters["n"].bit_count() != 1 or len(salt) != _SALT_BYTES:
        return None
    return salt, token, parameters


def _derive(secret: bytes, salt: bytes, *, n: int, r: int, p: int) -> bytes:
    key = scrypt.Scrypt(salt=salt, length=32, n=n, r=r, p=p).derive(secret)
    return base64.urlsafe_b64encode(key)


def _check_passphrase(passphrase: object) -> bytes:
    shortest, longest = _PASSPHRASE_LENGTH
    if not isinstance(passphrase, str):
        raise exceptions.InputInvalid("passphrase", "must be a text.")
    if not shortest <= len(passphrase) <= longest:
        raise exceptions.InputInvalid(
            "passphrase", f"must have {shortest} to {longest} characters, not {len(passphrase)}."
        )
    try:
        return passphrase.encode()
    except UnicodeEncodeError:
        raise exceptions.InputInvalid("passphrase", "has characters that Unicode lacks.") from None


def _token(text: object, name: str) -> bytes:
    if not isinstance(text, str) or not is_encrypted(text):
        raise exceptions.SecretUnreadable(
            name, "What is stored is not an encrypted value. Store the secret again."
        )
    return text.removeprefix(_PREFIX).encode("ascii", "replace")


def _to_json(value: Any, name: str) -> bytes:
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")
    except (TypeError, ValueError, RecursionError):
        raise exceptions.InputInvalid(
            name, "must consist of mappings, lists, texts, numbers and booleans alone."
        ) from None


def _from_json(plain: bytes, name: str) -> Any:
    try:
        return json.loads(plain)
    except (ValueError, RecursionError):
        # The original error would hold what was decrypted.
        raise exceptions.SecretUnreadable(
            name, "What was encrypted is no JSON. Store the secret again."
        ) from None
