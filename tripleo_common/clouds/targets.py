"""A target cloud that a request gives: read from its headers, sealed into what it starts.

Sealed, it is a text that only executors and Mistral's API can read, of use for one thing alone:
the execution or the request that it is bound to, and the user and project who gave it.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from collections.abc import Mapping

from tripleo_common import config, exceptions, vault
from tripleo_common.clouds import auth_urls, certificates

PARAM = "tripleo_target"
"""Name of a workflow execution's parameter that holds a sealed target."""

PREFIX = "target:"
"""What an action's input ``cloud`` begins with if a sealed target follows."""

_URL = "X-Target-Auth-Uri"
_TOKEN = "X-Target-Auth-Token"  # noqa: S105
_PROJECT = "X-Target-Project-Id"
_REGION = "X-Target-Region-Name"
_INSECURE = "X-Target-Insecure"
_CACERT = "X-Target-Cacert"
_CATALOGUE = "X-Target-Service-Catalog"

HEADERS = (
    _URL,
    _TOKEN,
    _PROJECT,
    _REGION,
    _INSECURE,
    _CACERT,
    _CATALOGUE,
    "X-Target-User-Id",
    "X-Target-User-Name",
    "X-Target-User-Domain-Name",
    "X-Target-Project-Domain-Name",
)
"""Headers that may describe a target. Those without a name here are not needed: the token says."""

_HEADERS_BYTES = 128 * 1024

_PURPOSE = "tripleo target"
_VERSION = 1


@dataclasses.dataclass(frozen=True)
class Target:
    """A cloud that a request gives.

    :ivar auth_url: of its Keystone, as :func:`auth_urls.normalize` returns it.
    :ivar token: the caller's, of that cloud.
    :ivar project_id: the project that the token is for, if it is told.
    :ivar region: of its catalogue, if one is told.
    :ivar insecure: its certificates are not checked.
    :ivar cacert: PEM content that they are checked against instead of what is configured.
    """

    auth_url: str
    token: str = dataclasses.field(repr=False)
    project_id: str | None = None
    region: str | None = None
    insecure: bool = False
    cacert: str | None = dataclasses.field(default=None, repr=False)


def from_headers(headers: Mapping[str, str]) -> Target | None:
    """Return the target that a request describes; None if it describes none.

    :param headers: name, spelled as in :data:`HEADERS`, to value, of all that begin with
        ``X-Target-``. An empty value counts as not given.
    :raises TargetNotAllowed: this service takes no targets, or not that one.
    :raises TargetInvalid: a header is not what it must be, or one is missing.
    :raises CertificateInvalid: likewise the header with certificates.
    """
    given = {name: value.strip(" ") for name, value in headers.items() if value.strip(" ")}
    if not given:
        return None
    if not config.options().multi_cloud:
        raise exceptions.TargetNotAllowed(
            "This service takes no target cloud from a request (option multi_cloud of the group "
            "[tripleo]). Leave the headers X-Target-* (options --os-target-*) out; the input "
            "cloud can name a cloud that is configured here."
        )
    _check_form(given)
    for name, other in ((_URL, _TOKEN), (_TOKEN, _URL)):
        if name not in given:
            told = other if other in given else min(given)
            raise exceptions.TargetInvalid(
                name,
                f"is missing, though {told} is given. A target cloud needs both "
                f"{_URL} and {_TOKEN} (--os-target-auth-url and --os-target-auth-token).",
            )
    url = auth_urls.normalize(given[_URL], _URL)
    auth_urls.check_allowed(url)
    if _CATALOGUE in given:
        _check_catalogue(given[_CATALOGUE])
    return Target(
        auth_url=url,
        token=given[_TOKEN],
        project_id=given.get(_PROJECT),
        region=given.get(_REGION),
        insecure=_flag(given.get(_INSECURE, "false")),
        cacert=_certificates(given[_CACERT]) if _CACERT in given else None,
    )


def seal(target: Target, *, user: str, project: str, bound: str) -> str:
    """Return a target as a text that nobody else can read or change.

    :param user: name of the user who gives it.
    :param project: id of the project that this user works in.
    :param bound: what it is for: the id of a workflow execution, or :func:`bound_to_request`.
    :raises EncryptionKeyMissing: there is no usable file of keys.
    """
    document = {
        "purpose": _PURPOSE,
        "version": _VERSION,
        "user": user,
        "project": project,
        "bound": bound,
        "target": dataclasses.asdict(target),
    }
    return vault.Vault.from_options(_PURPOSE).encrypt(document)


def unseal(text: object, *, user: str | None, project: str | None, bound: str) -> Target:
    """Return the target that was sealed.

    :param text: what :func:`seal` returned.
    :param user: name of the user for whom the action runs.
    :param project: id of the project in which it runs.
    :param bound: what it belongs to; see :func:`seal`.
    :raises TargetLost: it cannot be decrypted, is none, or is another's.
    :raises EncryptionKeyMissing: there is no usable file of keys.
    """
    try:
        document = vault.Vault.from_options(_PURPOSE).decrypt(text, "target")  # type: ignore[arg-type]
    except exceptions.SecretUnreadable:
        document = None
    if (
        not isinstance(document, dict)
        or document.get("purpose") != _PURPOSE
        or document.get("version") != _VERSION
    ):
        raise exceptions.TargetLost(
            "The target cloud that this belongs to cannot be decrypted. Mistral's API and every "
            "executor need the same file of keys (option encryption_keys_file of the group "
            "[tripleo]). Start it anew with the target."
        )
    if document["bound"] != bound:
        raise exceptions.TargetLost(
            "The target cloud that comes with this was given for another execution or request; "
            "this is a copy of it. Start it anew with the target."
        )
    if (document["user"], document["project"]) != (user, project):
        raise exceptions.TargetLost(
            f"Only {document['user']} in the project {document['project']} may go on with this, "
            "for the target cloud was given by that user. Start it anew with a target of your own.",
            user=document["user"],
            project=document["project"],
        )
    return Target(**document["target"])


def bound_to_request(token: str) -> str:
    """Return what a target is bound to that a single action is started with.

    :param token: of the request that starts it.
    """
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _check_form(given: Mapping[str, str]) -> None:
    size = sum(map(len, given.values()))
    if size > _HEADERS_BYTES:
        raise exceptions.TargetInvalid(
            "X-Target-*",
            f"headers must have at most {_HEADERS_BYTES} bytes together; they have {size}.",
        )
    for name, value in given.items():
        if name not in HEADERS:
            raise exceptions.TargetInvalid(
                name[:80],
                "is not known, so it is not clear what is asked for. A target cloud is described "
                f"by {exceptions.one_of(HEADERS)}.",
            )
        if not (value.isascii() and value.isprintable()):
            raise exceptions.TargetInvalid(name, "must consist of printable ASCII characters.")
        if "," in value:
            # So do servers put headers of the same name together.
            raise exceptions.TargetInvalid(name, "has a comma, or is given more than once.")


def _flag(value: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise exceptions.TargetInvalid(_INSECURE, "must be True or False.")
    return value.lower() == "true"


def _check_catalogue(value: str) -> None:
    # Not used: it could name any address. The target's Keystone is asked for the real one.
    try:
        json.loads(base64.b64decode(value, validate=True))
    except (ValueError, RecursionError):
        raise exceptions.TargetInvalid(_CATALOGUE, "must be JSON in base64.") from None


def _certificates(value: str) -> str:
    try:
        pem = base64.b64decode(value, validate=True).decode("utf-8")
    except ValueError:
        raise exceptions.CertificateInvalid(_CACERT, "must be PEM content in base64.") from None
    return certificates.check(pem, _CACERT)
