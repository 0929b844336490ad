"""Secrets of a plan: masked when shown, sealed with a passphrase when they leave."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Collection, Mapping
from typing import Any

from cryptography import fernet
from cryptography.hazmat.primitives.kdf import scrypt

from tripleo_common import exceptions
from tripleo_common.vault import Vault, from_json, is_encrypted, to_json

__all__ = ["MASK", "Vault", "is_encrypted", "is_same", "mask", "open_sealed", "seal"]

MASK = "******"
"""What stands for a secret wherever it is shown; Heat shows its hidden parameters so, too."""

_SALT_BYTES = 16
_SCRYPT = {"n": 2**15, "r": 8, "p": 3}
_SCRYPT_BOUNDS = {"n": (2**14, 2**17), "r": (8, 8), "p": (1, 8)}
"""What is accepted when a document is opened: at most 128 MiB of memory and a few seconds."""
_PASSPHRASE_LENGTH = (12, 1024)
_DOCUMENT = "document"


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
    plain = to_json(document, _DOCUMENT)
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
    return from_json(plain, _DOCUMENT)


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
