"""Fetching a plan's templates from where an input says: git, a tarball, a directory, Swift.

What can be named is limited twice: by options of the executor (``source_schemes``,
``source_hosts``, ``templates_roots``) and by what a plan may hold. What comes back may be hostile.
"""

from __future__ import annotations

import bz2
import contextlib
import dataclasses
import gzip
import lzma
import os
import posixpath
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import urllib.parse
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from pathlib import Path
from typing import IO, Any, TypeVar

import requests
import urllib3
from swiftclient import exceptions as swift_exc

from tripleo_common import clouds, config, exceptions
from tripleo_common.plan import names, tarball

FORMS = (
    "https://HOST/REPOSITORY[#BRANCH, TAG OR COMMIT], https://HOST/PATH.tar.gz (.tgz, .tar, "
    ".tar.bz2, .tar.xz), file:///PATH, swift:CONTAINER/OBJECT"
)
"""What a source may look like, for errors."""

_INPUT = "source_url"
_PORTS = {"https": 443, "http": 80, "ssh": 22, "git": 9418, "file": None}
_TARBALLS = (".tar.gz", ".tgz", ".tar", ".tar.bz2", ".tar.xz")
_REDIRECTS = 5
_CHUNK = 2**16

_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_IPV6 = re.compile(r"[0-9a-f:.]*:[0-9a-f:.]*")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_REF = re.compile(r"(?!.*(\.\.|//|\.lock$|[./]$))[A-Za-z0-9_][A-Za-z0-9_./+-]{0,250}")

_GIT_CONFIG = """\
[core]
    hooksPath = /dev/null
    symlinks = false
    bigFileThreshold = 1m
[credential]
    helper =
[fetch]
    unpackLimit = 1
[gc]
    auto = 0
[http]
    followRedirects = false
[maintenance]
    auto = false
[safe]
    directory = *
[transfer]
    fsckObjects = true
"""
"""All the configuration that git gets. Large files are not held in memory (bigFileThreshold,
unpackLimit). Repositories of the executor (``file:``) lie below an allowed root, so that it does
not matter who owns them (safe.directory); nothing that they configure is run."""

_GIT_KEPT = ("GIT_SSL_CAINFO", "GIT_SSL_CAPATH")
"""Variables of the executor's environment that stay: which certificates it trusts."""

_GIT_BOILERPLATE = (
    "fatal: Could not read from remote repository.",
    "Please make sure you have the correct access rights",
    "and the repository exists.",
)

_T = TypeVar("_T")


def fetch(source_url: str, swift: Callable[[], Any], deadline: clouds.Deadline) -> dict[str, bytes]:
    """Return path to content of the templates that a source has; hidden files are left out.

    - ``https://host/repository`` (also ``git+https:``, ``git:``, ``ssh:``): a git repository;
      ``#`` and a branch, tag or commit may follow, else its HEAD is taken.
    - ``https://host/path.tar.gz`` (``.tgz``, ``.tar``, ``.tar.bz2``, ``.tar.xz``): a tarball.
    - ``file:///path`` below a root that :func:`allowed_path` allows: a directory or a tarball; a
      git repository if it ends in ``.git``, has a ``#`` or is called ``git+file:``.
    - ``swift:CONTAINER/OBJECT``: a tarball in this cloud, which no option has to allow.

    :param swift: opens a ``swiftclient`` connection; called for ``swift:`` alone.
    :param deadline: ends it when option ``source_timeout`` does not earlier.
    :raises InputInvalid: the input is malformed, or names what the configuration does not allow.
    :raises SourceInvalid: there are no templates, they cannot be fetched, or not in time.
    :raises PathInvalid: a file's path, or a link, leaves the source.
    :raises LimitExceeded: too many files, or too large ones.
    :raises DeadlineExceeded: no time is left.
    """
    if not isinstance(source_url, str) or not source_url:
        raise exceptions.InputInvalid(_INPUT, f"must be a URL: {FORMS}.")
    source = _parse(source_url)
    seconds = config.options().source_timeout
    deadline.request_timeout()
    limit = clouds.Deadline(min(seconds, deadline.left))
    with tempfile.TemporaryDirectory(
        prefix="tripleo-source-", ignore_cleanup_errors=True
    ) as directory:
        try:
            files = _files(source, swift, Path(directory), limit)
        except _TimeIsUp as error:
            if not deadline.left:
                raise exceptions.DeadlineExceeded(deadline.seconds) from error
            raise exceptions.SourceInvalid(
                source.shown,
                f"they did not arrive within {seconds} seconds (option source_timeout of the "
                "group [tripleo]).",
            ) from error
    found = {path: content for path, content in files.items() if not _hidden(path)}
    if not found:
        raise exceptions.SourceInvalid(source.shown, "there are no files, hidden ones aside.")
    return found


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
    if not isinstance(path, str) or "\0" in path:
        raise exceptions.InputInvalid(input_name, "must be a path.")
    try:
        # os.path: Path.resolve raises RuntimeError for a link to itself.
        wanted = Path(os.path.realpath(path))
        # The file system may refuse even to look: a name that is too long, a closed directory.
        exists = wanted.exists()
    except UnicodeEncodeError as error:
        raise exceptions.InputInvalid(input_name, "must be a path.") from error
    except OSError:
        exists = False
    roots = [default, *(Path(root).resolve() for root in options.templates_roots)]
    if not any(wanted.is_relative_to(root) for root in roots):
        raise exceptions.InputInvalid(
            input_name,
            f"must lie below one of these directories of the executor: "
            f"{exceptions.one_of(str(root) for root in roots)} (option templates_roots).",
        )
    if not exists:
        raise exceptions.InputInvalid(input_name, f"names {path}, which is not there.")
    return wanted


class _TimeIsUp(Exception):
    pass


@dataclasses.dataclass(frozen=True)
class _Object:
    """A tarball in Swift."""

    container: str
    name: str

    @property
    def shown(self) -> str:
        return f"swift:{self.container}/{self.name}"


@dataclasses.dataclass(frozen=True)
class _Address:
    """A URL that is allowed, taken apart.

    :ivar path: as it stands in the URL; for ``file`` the path on the executor.
    :ivar query: only where a redirect leads; may be as good as a password (signed URLs).
    """

    scheme: str
    user: str
    host: str
    port: int | None
    path: str
    query: str = ""
    is_git: bool = False
    ref: str = ""

    @property
    def url(self) -> str:
        """The URL without query and ref."""
        if self.scheme == "file":
            return Path(self.path).as_uri()
        host = f"[{self.host}]" if ":" in self.host else self.host
        user = f"{self.user}@" if self.user else ""
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{user}{host}{port}{self.path or '/'}"

    @property
    def shown(self) -> str:
        """The URL as it may stand in an error."""
        return f"{self.url}#{self.ref}" if self.ref else self.url


def _parse(text: str) -> _Object | _Address:
    if text.startswith("swift:"):
        return _parse_object(text.removeprefix("swift:"))
    address = _parse_address(text)
    if address.query:
        raise _refusal("has a query (?...), which may hold a secret and is not supported.")
    if address.ref and not address.is_git:
        raise _refusal("names a branch, tag or commit (#...), which a tarball does not have.")
    if address.ref and not _REF.fullmatch(address.ref):
        raise _refusal(f"names {address.ref[:80]!r}, which is no branch, tag or commit.")
    if address.scheme == "file":
        path = urllib.parse.unquote(address.path)
        return dataclasses.replace(address, path=str(allowed_path(path, _INPUT)))
    return address


def _parse_object(text: str) -> _Object:
    container, _, name = text.partition("/")
    # HTTP clients take dot segments out of a URL, which would then name something else.
    if (
        not text.isprintable()
        or not container
        or container in (".", "..")
        or any(segment in ("", ".", "..") for segment in name.split("/"))
    ):
        raise _refusal(
            f"names {text[:200]!r}, which is no object. It must be swift:CONTAINER/OBJECT, "
            "without . or .. or empty parts."
        )
    return _Object(container, name)


def _parse_address(text: str, redirect: bool = False) -> _Address:
    """Take a URL apart and check that the configuration allows it."""

    def refusal(problem: str) -> exceptions.InputInvalid:
        return _refusal(f"redirects to a URL that {problem}" if redirect else problem)

    if re.search(r"[^!-~]|\\", text) or len(text) > 4000 or text.startswith("-"):
        raise refusal(
            "has characters that a URL cannot have: only ASCII without spaces, control characters "
            "and backslashes may be used, and none may be a dash at the start."
        )
    try:
        parts = urllib.parse.urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise refusal(f"is no URL. It must be one of: {FORMS}.") from error
    scheme = parts.scheme.removeprefix("git+")
    if not parts.scheme or not text[len(parts.scheme) :].startswith("://"):
        raise refusal(f"is no URL. It must be one of: {FORMS}.")
    _check_scheme(scheme, redirect, refusal)
    if re.search(r"[\x00-\x1f\x7f]", urllib.parse.unquote(parts.path)):
        raise refusal("has control characters in its path.")
    user = _user(parts.netloc, scheme, refusal)
    if scheme == "file":
        if parts.netloc not in ("", "localhost"):
            raise refusal("names a host for a file. It must be file:///PATH.")
    else:
        if not _HOST.fullmatch(host) and not _IPV6.fullmatch(host):
            raise refusal(
                "names no host, or one with characters that a host's name cannot have. Names in "
                "other scripts must be written as xn--...."
            )
        port = _PORTS[scheme] if port is None else port
        _check_host(scheme, host, port, refusal)
    return _Address(
        scheme,
        user,
        host,
        port,
        parts.path,
        parts.query,
        not redirect and _is_git(parts),
        parts.fragment,
    )


def _is_git(parts: urllib.parse.SplitResult) -> bool:
    if parts.scheme == "file":
        return bool(parts.fragment) or parts.path.rstrip("/").endswith(".git")
    return parts.scheme not in ("http", "https") or not parts.path.lower().endswith(_TARBALLS)


def _check_scheme(
    scheme: str, redirect: bool, refusal: Callable[[str], exceptions.InputInvalid]
) -> None:
    usable = {"http", "https"} if redirect else set(_PORTS)
    allowed = usable.intersection(item.strip().lower() for item in config.options().source_schemes)
    if scheme not in allowed:
        raise refusal(
            f"has the scheme {scheme[:40]!r}. Allowed here are: {exceptions.one_of(allowed)} "
            "(option source_schemes of the group [tripleo])."
        )


def _user(netloc: str, scheme: str, refusal: Callable[[str], exceptions.InputInvalid]) -> str:
    """Return the user of an SSH URL, who is no secret."""
    user, at, _ = netloc.rpartition("@")
    if at and (scheme != "ssh" or ":" in user):
        raise refusal(
            "holds a user name or password. Credentials do not belong in an input, which is "
            "stored and shown."
        )
    if at and not _USER.fullmatch(user):
        raise refusal("names a user with characters that cannot be in a user's name.")
    return user


def _check_host(
    scheme: str,
    host: str,
    port: int | None,
    refusal: Callable[[str], exceptions.InputInvalid],
) -> None:
    """Compare with the allow-list; an entry without a port means the scheme's own port."""
    entries = [entry.strip().lower() for entry in config.options().source_hosts]
    for entry in entries:
        try:
            parts = urllib.parse.urlsplit(f"//{entry}")
            name, entry_port = parts.hostname or "", parts.port
        except ValueError:
            continue
        if port != (_PORTS[scheme] if entry_port is None else entry_port):
            continue
        if name == host or (name.startswith("*.") and host.endswith(name[1:])):
            return
    shown = host if port == _PORTS[scheme] else f"{host}:{port}"
    raise refusal(
        f"names the host {shown[:200]}. Allowed here are: {exceptions.one_of(entries)} (option "
        "source_hosts of the group [tripleo]; a port other than the scheme's must be named there)."
    )


def _refusal(problem: str) -> exceptions.InputInvalid:
    return exceptions.InputInvalid(_INPUT, problem)


def _hidden(path: str) -> bool:
    return any(part.startswith(".") for part in path.split("/"))


def _files(
    source: _Object | _Address, swift: Callable[[], Any], directory: Path, limit: clouds.Deadline
) -> dict[str, bytes]:
    if isinstance(source, _Address) and source.is_git:
        return _Git(source, directory, limit).files()
    packed = directory / "packed"
    if isinstance(source, _Object):
        _read_object(source, swift(), packed, limit)
    elif source.scheme == "file":
        packed = Path(source.path)
        if packed.is_dir():
            return tarball.read_tree(packed)
        if not packed.is_file():
            raise exceptions.SourceInvalid(source.shown, "it is neither a file nor a directory.")
    else:
        # Neither looking up a name nor a server that sends its headers by the byte has an end.
        _in_time(lambda: _download(source, packed, limit), limit)
    return _unpack(source.shown, packed, directory / "tarball", limit)


def _unpack(shown: str, packed: Path, plain: Path, limit: clouds.Deadline) -> dict[str, bytes]:
    """Read a tarball, whose compressed form says nothing of its size."""
    options = config.options()
    # What tar itself adds to the files: headers, padding.
    overhead = options.plan_max_files * 4096 + 2**21
    try:
        with _opened(packed) as file:
            _write(
                shown,
                iter(lambda: file.read(_CHUNK), b""),
                plain,
                limit,
                options.plan_max_mib * 2**20 + overhead,
            )
        return tarball.unpack(plain)
    except exceptions.FileInvalid as error:
        raise exceptions.SourceInvalid(shown, "it is not a tarball.") from error
    except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        raise exceptions.SourceInvalid(shown, f"it is not a tarball: {error}.") from error
    # Both name the temporary file, which tells nobody anything.
    except exceptions.PathInvalid as error:
        raise exceptions.PathInvalid(error.details["path"], shown) from error
    except exceptions.LimitExceeded as error:
        if error.details["what"] != str(plain):
            raise
        unit = "files" if error.details["option"] == "plan_max_files" else "MiB"
        raise exceptions.LimitExceeded(
            shown, error.details["size"], error.details["limit"], unit, error.details["option"]
        ) from error


def _opened(path: Path) -> IO[bytes] | gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile:
    with path.open("rb") as file:
        start = file.read(6)
    if start.startswith(b"\x1f\x8b"):
        return gzip.open(path)
    if start.startswith(b"BZh"):
        return bz2.open(path)
    if start == b"\xfd7zXZ\0":
        return lzma.open(path)
    return path.open("rb")


def _write(
    shown: str, chunks: Iterable[bytes], target: Path, limit: clouds.Deadline, most: int
) -> None:
    """Put chunks into a file, as long as there is time and they are not more than allowed."""
    size = 0
    with target.open("wb") as file:
        for chunk in chunks:
            size += len(chunk)
            if size > most:
                raise _too_large(shown, size)
            if not limit.left:
                raise _TimeIsUp
            file.write(chunk)


def _too_large(shown: str, size: int) -> exceptions.LimitExceeded:
    most = config.options().plan_max_mib
    return exceptions.LimitExceeded(shown, -(-size // 2**20), most, "MiB", "plan_max_mib")


def _read_object(source: _Object, swift: Any, target: Path, limit: clouds.Deadline) -> None:
    most = config.options().plan_max_mib * 2**20
    try:
        headers = swift.head_object(source.container, source.name)
        size = str(headers.get("content-length", ""))
        if size.isdecimal() and int(size) > most:
            raise _too_large(source.shown, int(size))
        if size == "0":
            raise exceptions.SourceInvalid(source.shown, "it is empty.")
        # It may have grown meanwhile: one byte too many is enough to see that.
        _, body = swift.get_object(
            source.container, source.name, headers={"Range": f"bytes=0-{most}"}
        )
        _write(source.shown, [body], target, limit, most)
    except swift_exc.ClientException as error:
        if error.http_status == 404:
            raise exceptions.SourceInvalid(
                source.shown,
                "there is no such object in this cloud and region. If it is in another, name that "
                "(action_region, cloud).",
            ) from error
        raise


def _in_time(work: Callable[[], _T], limit: clouds.Deadline) -> _T:
    """Do something that knows no deadline of its own, and wait no longer than is left.

    It goes on in its thread until it notices.
    """
    result: futures.Future[_T] = futures.Future()

    def run() -> None:
        try:
            result.set_result(work())
        # Whatever it is, it is raised where the result is awaited.
        except BaseException as error:
            result.set_exception(error)

    threading.Thread(target=run, name="tripleo-source", daemon=True).start()
    try:
        return result.result(limit.left)
    except TimeoutError as error:
        raise _TimeIsUp from error


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keep requests from looking for credentials in a ``.netrc``."""
    return request


def _download(address: _Address, target: Path, limit: clouds.Deadline) -> None:
    """Get a file over HTTP; where a redirect leads must be allowed as well."""
    shown = address.shown
    most = config.options().plan_max_mib * 2**20
    hop = address
    with requests.Session() as session:
        session.auth = _no_auth
        # A tarball is unpacked later, with limits.
        session.headers["Accept-Encoding"] = "identity"
        for _ in range(_REDIRECTS + 1):
            url = f"{hop.url}?{hop.query}" if hop.query else hop.url
            try:
                with session.get(
                    url, stream=True, allow_redirects=False, timeout=max(limit.left, 0.01)
                ) as response:
                    location = response.headers.get("Location")
                    if response.status_code not in (301, 302, 303, 307, 308) or not location:
                        if response.status_code != 200:
                            raise exceptions.SourceInvalid(
                                shown, f"{hop.host} answers HTTP {response.status_code}."
                            )
                        # read1 returns what is there; read would wait for a whole chunk.
                        read = response.raw.read1
                        chunks = iter(lambda: read(_CHUNK, decode_content=False), b"")  # noqa: B023
                        _write(shown, chunks, target, limit, most)
                        return
            except requests.Timeout as error:
                raise _TimeIsUp from error
            # requests raises a bare ValueError for some values of Location, followed or not.
            except (
                requests.RequestException,
                urllib3.exceptions.HTTPError,
                OSError,
                ValueError,
            ) as error:
                raise exceptions.SourceInvalid(
                    shown, f"{hop.host} cannot be read from: {_cause(error)}."
                ) from error
            hop = _parse_address(_joined(url, location), redirect=True)
    raise exceptions.SourceInvalid(shown, f"it redirects more than {_REDIRECTS} times.")


def _joined(url: str, location: str) -> str:
    try:
        return urllib.parse.urljoin(url, location)
    except ValueError:
        # Not even a URL; whoever takes it apart says so.
        return location


def _cause(error: BaseException) -> str:
    """Return what happened at the bottom; what is above repeats the URL, with its query."""
    while (under := error.__cause__ or error.__context__) is not None:
        error = under
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__


class _Git:
    """A git repository, fetched without its history and read without a working tree.

    So nothing that the repository says is run or followed: hooks, filters, links, submodules.
    """

    def __init__(self, address: _Address, directory: Path, limit: clouds.Deadline) -> None:
        """Make an empty private repository in a directory."""
        program = shutil.which("git")
        if program is None:
            raise exceptions.SourceInvalid(
                address.shown, "it is a git repository, and git is not installed on the executor."
            )
        self._program = program
        self._address = address
        self._shown = address.shown
        self._directory = directory
        self._limit = limit
        self._runs = 0
        (directory / "config").write_text(_GIT_CONFIG)
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("GIT_", "XDG_")) or name in _GIT_KEPT
        }
        self._environment = {
            **kept,
            "HOME": str(directory),  # where no .netrc is
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": str(directory / "config"),
            "GIT_ALLOW_PROTOCOL": address.scheme,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_SSH_COMMAND": "ssh -o BatchMode=yes -o StrictHostKeyChecking=yes",
            "GIT_SSH_VARIANT": "ssh",
        }

    def files(self) -> dict[str, bytes]:
        """Return path to content; a link to a file of the repository is that file."""
        self._run("init", "--quiet", "--template=", str(self._directory / "repository"))
        self._run(
            *("fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--"),
            *(self._address.url, self._address.ref or "HEAD"),
        )
        entries = self._entries()
        links = {path: entry for path, entry in entries.items() if entry.is_link}
        targets = dict(zip(links, self._contents(links.values()), strict=True))
        budget = tarball.Budget(self._shown)
        wanted = {}
        for path in entries:
            wanted[path] = entries[self._followed(path, targets, entries)]
            budget.spend(path, wanted[path].size)
        return dict(zip(wanted, self._contents(wanted.values()), strict=True))

    def _entries(self) -> dict[str, _Entry]:
        """Return path to mode, id and size of all files that are not hidden."""
        listing = self._run("ls-tree", "-r", "-z", "-l", "--full-tree", "FETCH_HEAD")
        found = {}
        # A tree can hold itself many times over: counted before anything else is done.
        budget = tarball.Budget(self._shown)
        for match in re.finditer(rb"(\d+) (\w+) ([0-9a-f]+) +(\d+|-)\t([^\0]+)\0", listing):
            mode, kind, oid, size, raw = match.groups()
            path = raw.decode("utf-8", "replace")
            # A submodule is a commit of another repository.
            if kind != b"blob" or _hidden(path):
                continue
            if not _plain_path(path) or path.encode() != raw:
                raise exceptions.PathInvalid(path, self._shown)
            budget.spend(path, 0)
            found[path] = _Entry(mode == b"120000", oid, int(size))
            if found[path].is_link and int(size) > 4096:
                raise exceptions.PathInvalid(path, self._shown)
        return found

    def _followed(self, path: str, targets: dict[str, bytes], entries: dict[str, _Entry]) -> str:
        """Return the file that a path means, in the end."""
        at = path
        for _ in range(10):
            if at not in targets:
                return at
            target = targets[at].decode("utf-8", "replace")
            at = posixpath.normpath(posixpath.join(posixpath.dirname(at), target))
            if at not in entries:
                break
        raise exceptions.PathInvalid(path, self._shown)

    def _contents(self, entries: Iterable[_Entry]) -> Iterator[bytes]:
        """Yield the contents of files, in their order."""
        oids = [entry.oid for entry in entries]
        if not oids:
            return
        output = self._run("cat-file", "--batch", feed=b"".join(oid + b"\n" for oid in oids))
        start = 0
        for _ in oids:
            end = output.index(b"\n", start)
            size = output[start:end].split()[2]
            start = end + 1 + int(size) + 1
            yield output[end + 1 : start - 1]

    def _run(self, *arguments: str, feed: bytes = b"") -> bytes:
        """Run git and return what it writes.

        Its output goes into the private directory, whose size is watched meanwhile.

        :param feed: what it reads.
        """
        self._runs += 1
        paths = [self._directory / f"{name}-{self._runs}" for name in ("in", "out", "err")]
        paths[0].write_bytes(feed)
        repository = self._directory / "repository"
        with (
            paths[0].open("rb") as stdin,
            paths[1].open("wb") as stdout,
            paths[2].open("wb") as stderr,
        ):
            process = subprocess.Popen(
                [self._program, *arguments],
                cwd=repository if repository.exists() else self._directory,
                env=self._environment,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
            try:
                self._wait(process)
            finally:
                if process.returncode is None:
                    # The helpers as well that it has started: they are of its group.
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
        if process.returncode:
            words = _words(paths[2]) or f"git ended with {process.returncode}"
            words = words.replace(str(self._directory), "")
            raise exceptions.SourceInvalid(self._shown, f"git says: {words}")
        return paths[1].read_bytes()

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        # The repository, the listing and the contents, each of which can be as large as a plan.
        most = 3 * config.options().plan_max_mib * 2**20
        for _ in self._limit.poll(0.002, 0.1, self._limit.left):
            ended = process.poll() is not None
            size = _size(self._directory)
            if size > most:
                raise _too_large(self._shown, size)
            if ended:
                return
        raise _TimeIsUp


@dataclasses.dataclass(frozen=True)
class _Entry:
    """A file in a git tree; its size in bytes."""

    is_link: bool
    oid: bytes
    size: int


def _plain_path(path: str) -> bool:
    try:
        return names.resolve(path, "") == path
    except exceptions.PathInvalid:
        return False


def _size(directory: Path) -> int:
    """Return the bytes that a directory holds, while others write there."""
    size = 0
    for parent, _, files in os.walk(directory):
        for name in files:
            with contextlib.suppress(OSError):
                size += (Path(parent) / name).lstat().st_size
    return size


def _words(path: Path) -> str:
    """Return the last that git has said, without credentials."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 4096))
        text = file.read().decode("utf-8", "replace")
    lines = ["".join(filter(str.isprintable, line)).strip() for line in text.splitlines()]
    told = [line for line in lines if line and line not in _GIT_BOILERPLATE]
    told = told or [line for line in lines if line]
    return re.sub(r"//[^/@\s]*@", "//***@", "; ".join(told[-2:]))[:500]
