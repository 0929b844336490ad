"""What an input may name as the source of templates, and what the configuration allows of it."""

from __future__ import annotations

import dataclasses
import os
import re
import urllib.parse
from collections.abc import Collection
from pathlib import Path

from tripleo_common import config, exceptions

FORMS = (
    "https://HOST/REPOSITORY[#BRANCH, TAG OR COMMIT], https://HOST/PATH.tar.gz (.tgz, .tar, "
    ".tar.bz2, .tar.xz), file:///PATH, swift:CONTAINER/OBJECT"
)
"""What a source may look like, for errors."""

_INPUT = "source_url"
_PORTS = {"https": 443, "http": 80, "ssh": 22, "git": 9418, "file": None}
_TARBALLS = (".tar.gz", ".tgz", ".tar", ".tar.bz2", ".tar.xz")

_LABEL = r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*|[0-9a-f:.]*:[0-9a-f:.]*")
"""A name or an IPv4 address; or an IPv6 address. None starts with a dash, as an option does."""

_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_REF = re.compile(r"(?!.*(\.\.|//|\.lock$|[./]$))[A-Za-z0-9_][A-Za-z0-9_./+-]{0,250}")


@dataclasses.dataclass(frozen=True)
class Repository:
    """A git repository; without a ref its HEAD is meant."""

    url: str
    ref: str

    @property
    def shown(self) -> str:
        """What errors call it."""
        return f"{self.url}#{self.ref}" if self.ref else self.url


@dataclasses.dataclass(frozen=True)
class Tarball:
    """A tarball on a web server."""

    url: str

    @property
    def shown(self) -> str:
        """What errors call it."""
        return self.url


@dataclasses.dataclass(frozen=True)
class Local:
    """A directory or a tarball of the executor, below an allowed root."""

    path: Path

    @property
    def shown(self) -> str:
        """What errors call it."""
        return self.path.as_uri()


@dataclasses.dataclass(frozen=True)
class Object:
    """A tarball in Swift."""

    container: str
    name: str

    @property
    def shown(self) -> str:
        """What errors call it."""
        return f"swift:{self.container}/{self.name}"


Source = Repository | Tarball | Local | Object


class _Refused(Exception):
    """The problem that a URL has, as the rest of a sentence."""


def parse(text: object) -> Source:
    """Return what an input names.

    :raises InputInvalid: it is malformed, or the configuration does not allow it.
    """
    if not isinstance(text, str) or not text:
        raise exceptions.InputInvalid(_INPUT, f"must be a URL: {FORMS}.")
    try:
        if text.startswith("swift:"):
            return _object(text.removeprefix("swift:"))
        return _source(_checked(text, _PORTS))
    except _Refused as error:
        raise exceptions.InputInvalid(_INPUT, str(error)) from error


def redirected(url: str) -> str:
    """Return the URL that a web server has led to.

    :raises InputInvalid: it is malformed, or the configuration does not allow it.
    """
    try:
        return _checked(url, ("http", "https"))._replace(fragment="").geturl()
    except _Refused as error:
        raise exceptions.InputInvalid(_INPUT, f"redirects to a URL that {error}") from error


def allowed_path(path: str | None, input_name: str) -> Path:
    """Return a path on the executor that templates may be taken from.

    :param path: None means the default plan.
    :param input_name: the input that holds it, for errors.
    :raises InputInvalid: it is neither the default plan nor below one of ``templates_roots``, or
        it is not there.
    """
    options = config.options()
    default = Path(options.templates_dir).resolve()
    if path is None:
        return default
    if not isinstance(path, str):
        raise exceptions.InputInvalid(input_name, "must be a path.")
    try:
        # os.path: Path.resolve raises RuntimeError for a link to itself.
        wanted = Path(os.path.realpath(path))
    except ValueError as error:
        raise exceptions.InputInvalid(input_name, "must be a path.") from error
    roots = [default, *(Path(root).resolve() for root in options.templates_roots)]
    if not any(wanted.is_relative_to(root) for root in roots):
        raise exceptions.InputInvalid(
            input_name,
            f"must lie below one of these directories of the executor: "
            f"{exceptions.one_of(str(root) for root in roots)} (option templates_roots).",
        )
    # os.path: Path.exists raises OSError when the file system refuses even to look.
    if not os.path.exists(wanted):  # noqa: PTH110
        raise exceptions.InputInvalid(input_name, f"names {path}, which is not there.")
    return wanted


def _object(text: str) -> Object:
    container, _, name = text.partition("/")
    # HTTP clients take dot segments out of a URL, which would then name something else.
    if (
        not text.isprintable()
        or not name
        or any(part in ("", ".", "..") for part in text.split("/"))
    ):
        raise _Refused(
            f"names {text[:200]!r}, which is no object. It must be swift:CONTAINER/OBJECT, "
            "without . or .. or empty parts."
        )
    return Object(container, name)


def _source(parts: urllib.parse.SplitResult) -> Source:
    """Return what a URL that is allowed means."""
    scheme, ref = parts.scheme.removeprefix("git+"), parts.fragment
    if parts.query:
        raise _Refused("has a query (?...), which may hold a secret and is not supported.")
    if not _is_git(parts):
        if scheme == "file":
            return Local(allowed_path(urllib.parse.unquote(parts.path), _INPUT))
        if ref:
            raise _Refused("names a branch, tag or commit (#...), which a tarball does not have.")
        return Tarball(parts.geturl())
    if ref and not _REF.fullmatch(ref):
        raise _Refused(f"names {ref[:80]!r}, which is no branch, tag or commit.")
    if scheme == "file":
        path = allowed_path(urllib.parse.unquote(parts.path), _INPUT)
        return Repository(path.as_uri(), ref)
    return Repository(parts._replace(scheme=scheme, fragment="").geturl(), ref)


def _is_git(parts: urllib.parse.SplitResult) -> bool:
    if parts.scheme == "file":
        return bool(parts.fragment) or parts.path.rstrip("/").endswith(".git")
    return parts.scheme not in ("http", "https") or not parts.path.lower().endswith(_TARBALLS)


def _checked(text: str, usable: Collection[str]) -> urllib.parse.SplitResult:
    """Take a URL apart and check that the configuration allows it.

    :param usable: schemes that make sense here.
    :returns: its parts, put together anew where programs could read them in different ways.
    """
    if re.search(r"[^!-~]|\\", text) or len(text) > 4000:
        raise _Refused(
            "is too long or has characters that a URL cannot have: only ASCII without spaces, "
            "control characters and backslashes may be used."
        )
    try:
        parts = urllib.parse.urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise _Refused(f"is no URL. It must be one of: {FORMS}.") from error
    if not re.match(r"[A-Za-z0-9+.-]+://", text) or not parts.scheme:
        raise _Refused(f"is no URL. It must be one of: {FORMS}.")
    scheme = parts.scheme.removeprefix("git+")
    allowed = {item.strip().lower() for item in config.options().source_schemes}
    if scheme not in allowed.intersection(usable):
        raise _Refused(
            f"has the scheme {scheme[:40]!r}. Allowed here are: "
            f"{exceptions.one_of(allowed.intersection(usable))} (option source_schemes of the "
            "group [tripleo])."
        )
    if re.search(r"[\x00-\x1f\x7f]", urllib.parse.unquote(parts.path)):
        raise _Refused("has control characters in its path.")
    user, at, _ = parts.netloc.rpartition("@")
    if at and (scheme != "ssh" or ":" in user):
        raise _Refused(
            "holds a user name or password. Credentials do not belong in an input, which is "
            "stored and shown."
        )
    if at and not _USER.fullmatch(user):
        raise _Refused("names a user with characters that cannot be in a user's name.")
    if scheme == "file":
        if parts.netloc not in ("", "localhost"):
            raise _Refused("names a host for a file. It must be file:///PATH.")
        return parts
    if not _HOST.fullmatch(host):
        raise _Refused(
            "names no host, or one with characters that a host's name cannot have. Names in "
            "other scripts must be written as xn--...."
        )
    standard = _PORTS[scheme]
    _check_host(host, port if port is not None else standard, standard)
    netloc = f"{user}{at}" + (f"[{host}]" if ":" in host else host)
    if port not in (None, standard):
        netloc += f":{port}"
    return parts._replace(netloc=netloc, path=parts.path or "/")


def _check_host(host: str, port: int | None, standard: int | None) -> None:
    """Compare with the allow-list; an entry without a port means the scheme's own port."""
    entries = [entry.strip().lower() for entry in config.options().source_hosts]
    for entry in entries:
        try:
            parts = urllib.parse.urlsplit(f"//{entry}")
            name, entry_port = parts.hostname or "", parts.port
        except ValueError:
            continue
        if port != (standard if entry_port is None else entry_port):
            continue
        if name == host or (name.startswith("*.") and host.endswith(name[1:])):
            return
    shown = host if port == standard else f"{host}:{port}"
    raise _Refused(
        f"names the host {shown[:200]}. Allowed here are: {exceptions.one_of(entries)} (option "
        "source_hosts of the group [tripleo]; a port other than the scheme's must be named there)."
    )
