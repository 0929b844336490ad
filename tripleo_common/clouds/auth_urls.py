"""Authentication URLs that requests give: one spelling of each, and which of them are allowed.

What is compared is exact, so what can be spelled in several ways is either brought into one or
refused: whoever reads a URL in another way than we do must not end up somewhere else.
"""

from __future__ import annotations

import functools
import ipaddress
import logging
import re

from tripleo_common import config, exceptions

LOG = logging.getLogger(__name__)

_LENGTH = 2048
_PORTS = {"http": 80, "https": 443}
_URL = re.compile(r"(?P<scheme>https?)://(?P<authority>[^/]*)(?P<path>/.*)?", re.IGNORECASE)
_IPV6 = re.compile(r"\[(?P<host>[^]]*)\](:(?P<port>.*))?")
_NAMED = re.compile(r"(?P<host>[^:]*)(:(?P<port>.*))?")
_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_SEGMENT = re.compile(r"[A-Za-z0-9._~-]+")
_VERSION = "v3"


def normalize(url: object, what: str) -> str:
    """Return the one spelling of an authentication URL, which ends in ``/v3``.

    Scheme and host are in lower case, a default port and a slash at the end are left out, an IPv6
    address is in its short form.

    :param what: what holds the URL, for the error.
    :raises TargetInvalid: it is no URL of a Keystone, or of a kind that can be misread.
    """
    if not isinstance(url, str):
        raise exceptions.TargetInvalid(what, "must be a URL.")
    if len(url) > _LENGTH:
        raise exceptions.TargetInvalid(what, f"must have at most {_LENGTH} characters.")
    if not (url.isascii() and url.isprintable()) or " " in url:
        raise exceptions.TargetInvalid(
            what, "must consist of printable ASCII characters without blanks."
        )
    for mark, name in (("\\", "backslash"), ("?", "query"), ("#", "fragment")):
        if mark in url:
            raise exceptions.TargetInvalid(what, f"must have no {name}.")
    found = _URL.fullmatch(url)
    if found is None:
        raise exceptions.TargetInvalid(
            what, "must be a URL such as https://keystone.example.org:5000/v3."
        )
    scheme = found["scheme"].lower()
    authority = _authority(found["authority"].lower(), _PORTS[scheme], what)
    return f"{scheme}://{authority}{_path(found['path'] or '', what)}"


def is_allowed(url: str) -> bool:
    """Tell whether the configuration lets a request give this target.

    :param url: as :func:`normalize` returns it.
    """
    options = config.options()
    return bool(options.allow_any_auth_uri) or url in map(_entry, options.allowed_auth_uris)


def check_allowed(url: str) -> None:
    """Make sure that the configuration lets a request give this target.

    :param url: as :func:`normalize` returns it.
    :raises TargetNotAllowed: it does not.
    """
    if is_allowed(url):
        return
    count = len(config.options().allowed_auth_uris)
    # Not which: whoever asks may not even have a valid token.
    raise exceptions.TargetNotAllowed(
        f"A request must not give {url} as the authentication URL of its target: it is not one of "
        f"those allowed here ({count}). Ask whoever runs this service to add it (option "
        "allowed_auth_uris of the group [tripleo]).",
        url=url,
    )


def _authority(authority: str, default_port: int, what: str) -> str:
    if "@" in authority:
        raise exceptions.TargetInvalid(what, "must have no user and no password.")
    found = (_IPV6 if authority.startswith("[") else _NAMED).fullmatch(authority)
    if found is None:
        raise exceptions.TargetInvalid(what, "must have a host, or a host and a port.")
    host = found["host"]
    shown = _ipv6(host, what) if found.re is _IPV6 else _host(host, what)
    port = found["port"]
    if port is None:
        return shown
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 65536:
        raise exceptions.TargetInvalid(what, "must have a port between 1 and 65535, or none.")
    return shown if int(port) == default_port else f"{shown}:{int(port)}"


def _ipv6(host: str, what: str) -> str:
    try:
        if "%" in host:
            raise ValueError("a zone is one of this machine's")
        return f"[{ipaddress.IPv6Address(host).compressed}]"
    except ValueError:
        raise exceptions.TargetInvalid(
            what, "must have an IPv6 address, without a zone, between its brackets."
        ) from None


def _host(host: str, what: str) -> str:
    if len(host) > 253 or not _NAME.fullmatch(host):
        raise exceptions.TargetInvalid(
            what, "must have a host: labels of letters, digits and dashes between single dots."
        )
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        # Resolvers take 0177.1, 2130706433 and 0x7f000001 for 127.0.0.1.
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise exceptions.TargetInvalid(
                what, "must have an IPv4 address of four decimal numbers, without leading zeros."
            ) from None
    return host


def _path(path: str, what: str) -> str:
    segments = path.removesuffix("/").split("/")[1:]
    for segment in segments:
        if "%" in segment:
            raise exceptions.TargetInvalid(what, "must have no percent-encoding.")
        if segment in ("", ".", ".."):
            raise exceptions.TargetInvalid(
                what, "must have no empty segment and no '.' or '..' in its path."
            )
        if not _SEGMENT.fullmatch(segment):
            raise exceptions.TargetInvalid(
                what, "must have a path of letters, digits, dashes, dots, underscores and tildes."
            )
    if segments[-1:] == ["v2.0"]:
        raise exceptions.TargetInvalid(
            what, f"must be that of the Identity API version 3 (.../{_VERSION})."
        )
    if segments[-1:] != [_VERSION]:
        segments.append(_VERSION)
    return "/" + "/".join(segments)


@functools.lru_cache(maxsize=256)
def _entry(url: str) -> str | None:
    """Return an allowed URL as it is compared; None, logged once, if it is malformed."""
    try:
        return normalize(url, f"The entry {url!r} of the option allowed_auth_uris")
    except exceptions.TargetInvalid as error:
        LOG.error("%s It allows nothing.", error.message)
        return None
