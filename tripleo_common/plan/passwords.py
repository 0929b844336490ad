"""The passwords and keys that a plan's templates want: which, made how, and when made anew."""

from __future__ import annotations

import base64
import dataclasses
import functools
import re
import secrets as random_secrets
import string
import struct
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, TypeGuard

from cryptography import fernet
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tripleo_common import exceptions
from tripleo_common.plan import secrets

_LETTERS = string.ascii_letters
_LETTERS_AND_DIGITS = string.ascii_letters + string.digits

_FERNET_DIRECTORY = "/etc/keystone/fernet-keys"
_FERNET_KEYS_KEPT = 5
"""Staged and primary among them; KeystoneFernetMaxActiveKeys is the same by default."""
_FERNET_PATH = re.compile(r"(.*/)?(0|[1-9][0-9]{0,8})", re.DOTALL)
_FERNET_PAIR = ("KeystoneFernetKey0", "KeystoneFernetKey1")

_WORD = re.compile(r"[A-Z]\w+")
"""A capital and what follows. Without a leading boundary: six times slower with one."""


# The kinds. None has a character that a shell, a URL, YAML or an INI file would interpret, but
# for the base64 ones (+ / =), whose form their readers ask for.


def plain(length: int = 25) -> str:
    """Return letters and digits, the first one a letter (so no YAML reader takes it for a number).

    :param length: how many characters; 25 have 148 bits.
    """
    rest = (random_secrets.choice(_LETTERS_AND_DIGITS) for _ in range(length - 1))
    return random_secrets.choice(_LETTERS) + "".join(rest)


def base64_key(size: int = 32) -> str:
    """Return so many random bytes in base64."""
    return base64.b64encode(random_secrets.token_bytes(size)).decode("ascii")


def fernet_key() -> str:
    """Return a Fernet key: 32 random bytes in URL-safe base64."""
    return fernet.Fernet.generate_key().decode("ascii")


def fernet_repository() -> dict[str, dict[str, str]]:
    """Return a key repository of Keystone: the staged key 0 and the primary key 1, by path."""
    return {f"{_FERNET_DIRECTORY}/{number}": {"content": fernet_key()} for number in (0, 1)}


def ceph_key() -> str:
    """Return a key as Ceph writes it: type, time of making, length and 16 bytes, in base64."""
    head = struct.pack("<hIIh", 1, int(time.time()), 0, 16)
    return base64.b64encode(head + random_secrets.token_bytes(16)).decode("ascii")


def uuid4() -> str:
    """Return a random UUID."""
    return str(uuid.uuid4())


def ssh_key_pair() -> dict[str, str]:
    """Return ``{"public_key", "private_key"}`` of RSA, as files of OpenSSH have them."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    public = private.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    return {"public_key": f"{public.decode()} nova-migration", "private_key": pem.decode()}


@dataclasses.dataclass(frozen=True)
class Password:
    """How a password is made, and why it stays.

    :ivar make: returns a new value.
    :ivar fixed: why it cannot be exchanged in a running overcloud; empty where it can.
    """

    make: Callable[[], Any]
    fixed: str = ""


def _ceph(holder: str) -> Password:
    return Password(ceph_key, f"the Ceph cluster has it as the key of {holder}; change it there")


PASSWORDS: dict[str, Password] = {
    **dict.fromkeys(
        (
            "AdminPassword",
            "AdminToken",
            "AodhPassword",
            "BarbicanPassword",
            "CeilometerMeteringSecret",
            "CeilometerPassword",
            "CephDashboardAdminPassword",
            "CinderPassword",
            "CongressPassword",
            "DesignatePassword",
            "Ec2ApiPassword",
            "GlancePassword",
            "GnocchiPassword",
            "HAProxyStatsPassword",
            "HeatPassword",
            "HeatStackDomainAdminPassword",
            "IronicPassword",
            "KeystonePassword",
            "LibvirtTLSPassword",
            "ManilaPassword",
            "MistralPassword",
            "MysqlClustercheckPassword",
            "MysqlMariabackupPassword",
            "NeutronMetadataProxySharedSecret",
            "NeutronPassword",
            "NotifyPassword",
            "NovaPassword",
            "NovajoinPassword",
            "OctaviaPassword",
            "OpenDaylightPassword",
            "PankoPassword",
            "PcsdPassword",
            "PlacementPassword",
            "RabbitPassword",
            "RedisPassword",
            "RpcPassword",
            "SaharaPassword",
            "SwiftPassword",
            "TackerPassword",
            "TrovePassword",
            "ZaqarPassword",
        ),
        Password(plain),
    ),
    "BarbicanSimpleCryptoKek": Password(
        base64_key, "it encrypts all secrets that Barbican stores, which would be lost"
    ),
    "CephAdminKey": _ceph("the administrator"),
    "CephClientKey": _ceph("the OpenStack services"),
    "CephClusterFSID": Password(uuid4, "it is the Ceph cluster's identity"),
    "CephGrafanaAdminPassword": Password(
        plain, "Grafana reads it when it makes its database and not again; change it there"
    ),
    "CephManilaClientKey": _ceph("Manila"),
    "CephMdsKey": _ceph("the metadata servers"),
    "CephMonKey": _ceph("the monitors"),
    "CephRgwKey": _ceph("the RADOS gateways"),
    # BIND's rndc: HMAC-SHA256.
    "DesignateRndcKey": Password(base64_key),
    "EtcdInitialClusterToken": Password(
        plain, "servers that join the etcd cluster later need the one it was made with"
    ),
    # Heat takes 32 characters, neither more nor fewer.
    "HeatAuthEncryptionKey": Password(
        functools.partial(plain, 32),
        "it encrypts what Heat stores of its stacks' users and hidden parameters, which would be "
        "lost",
    ),
    "HorizonSecret": Password(functools.partial(plain, 50)),
    **dict.fromkeys(
        ("KeystoneCredential0", "KeystoneCredential1"),
        Password(
            fernet_key,
            "it encrypts the credentials in Keystone's database; keystone-manage "
            "credential_rotate and credential_migrate exchange it",
        ),
    ),
    **dict.fromkeys(_FERNET_PAIR, Password(fernet_key)),
    "KeystoneFernetKeys": Password(fernet_repository),
    "MigrationSshKey": Password(ssh_key_pair),
    "MysqlRootPassword": Password(
        plain, "a deployment logs in to the database with it; change it in the database first"
    ),
    "OctaviaCaKeyPassphrase": Password(
        plain, "it opens the private key of the CA, which stays; encrypt that anew first"
    ),
    "OctaviaHeartbeatKey": Password(
        plain, "running amphorae sign their heartbeats with it and would be taken for failed"
    ),
    # Octavia makes a Fernet key of it: 32 characters, neither more nor fewer.
    "OctaviaServerCertsKeyPassphrase": Password(
        functools.partial(plain, 32),
        "it encrypts the certificates of the running amphorae, which would be lost",
    ),
    "PacemakerRemoteAuthkey": Password(
        functools.partial(plain, 4096),
        "a cluster loses, and may fence, its remote servers if not all of them get it at once",
    ),
    "RabbitCookie": Password(
        plain, "a RabbitMQ cluster falls apart if not all its servers get it at once"
    ),
    "SnmpdReadonlyUserPassword": Password(
        plain, "the undercloud polls all servers with it; change it there first"
    ),
    "SwiftHashSuffix": Password(
        plain, "it decides where Swift looks for an object; all that is stored would be lost"
    ),
}
"""Every password that can be generated, by the name of the parameter that takes it.

From the templates of several releases. Credentials of what an overcloud only uses (storage
systems, LDAP, certificates) are not among them: they come from outside.
"""


def wanted(texts: Iterable[str]) -> set[str]:
    """Return which passwords files name, as a whole word anywhere in any of them.

    Whether an environment is chosen or not: a password is there when it is.

    :param texts: contents of a plan's files.
    """
    found: set[str] = set()
    for text in texts:
        candidates = PASSWORDS.keys() & set(_WORD.findall(text))
        # The pattern also finds what begins within a word.
        found |= {name for name in candidates - found if re.search(rf"(?<!\w){name}(?!\w)", text)}
    return found


def generate(names: Collection[str], existing: Mapping[str, Any]) -> dict[str, Any]:
    """Return new values for those of the names that have none.

    :param names: as :func:`wanted` returns them.
    :param existing: name to value, encrypted or not.
    :raises InputInvalid: a name is not in :data:`PASSWORDS`.
    """
    unknown = [name for name in names if name not in PASSWORDS]
    if unknown:
        raise exceptions.InputInvalid(
            "passwords",
            f"cannot be generated: {_listed(unknown)}. Passwords that can: "
            f"{', '.join(sorted(PASSWORDS))}.",
        )
    return {name: PASSWORDS[name].make() for name in sorted(names) if name not in existing}


def rotate(existing: Mapping[str, Any], names: Collection[str] | None) -> dict[str, Any]:
    """Return new values for passwords that a plan has.

    Keystone's Fernet keys go on by one, so that tokens signed with one of the kept keys stay
    good: the staged key becomes the primary one, a new one is staged, the oldest is dropped.
    ``KeystoneFernetKey0`` and ``KeystoneFernetKey1`` are such a repository of two keys, so they
    rotate together.

    :param existing: name to value, decrypted.
    :param names: which; all that can be exchanged in a running overcloud if none is named.
    :returns: name to value of those that are new.
    :raises InputInvalid: a name is not one of the plan's, or its value must stay, each with the
        reason; or the plan's Fernet keys are no key repository.
    """
    rotated = {name: PASSWORDS[name].make for name in _rotatable(existing, names)}
    new: dict[str, Any] = {}
    if rotated.pop("KeystoneFernetKeys", None):
        new["KeystoneFernetKeys"] = _rotate_repository(existing["KeystoneFernetKeys"])
    if rotated.keys() & set(_FERNET_PAIR):
        staged, primary = _FERNET_PAIR
        new[staged] = fernet_key()
        kept = existing.get(staged)
        new[primary] = kept if _is_fernet_key(kept) else fernet_key()
    return {name: make() for name, make in rotated.items() if name not in new} | new


def taken_over(names: Collection[str], stack_parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return those passwords that an existing stack has been deployed with.

    A value that is empty, masked or of another type than the password's is left out.

    :param names: as :func:`wanted` returns them.
    :param stack_parameters: name to value, of the environment that Heat has of the stack.
    """
    taken = {}
    for name in sorted(PASSWORDS.keys() & set(names)):
        value = stack_parameters.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            # Digits without quotes in somebody's YAML: Heat took them as text.
            value = str(value)
        kind = dict if name in ("KeystoneFernetKeys", "MigrationSshKey") else str
        if isinstance(value, kind) and _is_usable(value):
            taken[name] = value
    return taken


def _is_usable(value: object) -> bool:
    if isinstance(value, dict):
        # A template's default may be a mapping of empty texts.
        return bool(value) and all(_is_usable(part) for part in value.values())
    return isinstance(value, str) and bool(value.strip()) and value != secrets.MASK


def _rotatable(existing: Mapping[str, Any], names: object) -> list[str]:
    """Return the names to rotate, checked and each once."""
    there = sorted(PASSWORDS.keys() & existing.keys())
    free = [name for name in there if not PASSWORDS[name].fixed]
    if names is None:
        return free
    if not isinstance(names, list | tuple | set | frozenset) or not all(
        isinstance(name, str) for name in names
    ):
        raise exceptions.InputInvalid("rotate_pw_list", "must be a list of names of passwords.")
    if not names:
        return free
    chosen = sorted(set(names))
    problems = []
    unknown = [name for name in chosen if name not in there]
    if unknown:
        problems.append(
            f"names passwords that the plan does not have: {_listed(unknown)}. It has these that "
            f"can be rotated: {', '.join(free) or 'none'}."
        )
    fixed = [name for name in chosen if name in there and PASSWORDS[name].fixed]
    if fixed:
        reasons = " ".join(f"{name}: {PASSWORDS[name].fixed}." for name in fixed)
        problems.append(
            f"{'It also ' if problems else ''}names passwords that must stay as they are. {reasons}"
        )
    if problems:
        raise exceptions.InputInvalid("rotate_pw_list", " ".join(problems))
    return chosen


def _rotate_repository(value: object) -> dict[str, dict[str, str]]:
    """Take a key repository one step on; see :func:`rotate`."""
    directory, keys = _read_repository(value)
    # Keystone numbers its keys by age: 0 is staged, the highest is the primary one.
    staged = keys.pop(0, None) or fernet_key()
    keys[max(keys, default=0) + 1] = staged
    kept = sorted(keys)[1 - _FERNET_KEYS_KEPT :]
    new = {0: fernet_key(), **{number: keys[number] for number in kept}}
    return {f"{directory}{number}": {"content": key} for number, key in new.items()}


def _read_repository(value: object) -> tuple[str, dict[int, str]]:
    """Return a key repository's directory (with the slash) and its keys by number."""
    directories: set[str] = set()
    keys: dict[int, str] = {}
    for path, file in value.items() if isinstance(value, Mapping) else ():
        match = _FERNET_PATH.fullmatch(path) if isinstance(path, str) else None
        key = file.get("content") if isinstance(file, Mapping) else None
        if match is None or not _is_fernet_key(key):
            break
        directories.add(match[1] or "")
        keys[int(match[2])] = key
    else:
        if len(directories) == 1:
            return directories.pop(), keys
    raise exceptions.InputInvalid(
        "rotate_pw_list",
        "cannot be served: the plan's KeystoneFernetKeys must map paths "
        f"{_FERNET_DIRECTORY}/0, /1 and so on of one directory to {{content: Fernet key}}.",
    )


def _is_fernet_key(key: object) -> TypeGuard[str]:
    if not isinstance(key, str):
        return False
    try:
        fernet.Fernet(key)
    except ValueError:
        return False
    return True


def _listed(names: Iterable[object]) -> str:
    return exceptions.one_of(repr(str(name)[:80]) for name in names)
