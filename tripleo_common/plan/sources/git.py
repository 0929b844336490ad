"""Reading a git repository without its history and without a working tree.

So nothing that the repository says is run or followed: hooks, filters, links, submodules.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import posixpath
import re
import shutil
import signal
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from tripleo_common import clouds, config, exceptions
from tripleo_common.plan import tarball
from tripleo_common.plan.sources import addresses

_CONFIG = """\
[core]
    bigFileThreshold = 1m
[fetch]
    unpackLimit = 1
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

_KEPT = ("GIT_SSL_CAINFO", "GIT_SSL_CAPATH")
"""Variables of the executor's environment that stay: which certificates it trusts."""

_BOILERPLATE = (
    "fatal: Could not read from remote repository.",
    "Please make sure you have the correct access rights",
    "and the repository exists.",
)


def read(source: addresses.Repository, directory: Path, limit: clouds.Deadline) -> dict[str, bytes]:
    """Return path to content; a link to a file of the repository is that file.

    :param directory: empty and private; all that git writes goes there.
    :raises SourceInvalid: git is not there, or cannot fetch.
    :raises PathInvalid: a path that no plan can have, or a link to what is no file here.
    :raises LimitExceeded: too many files, or too large ones.
    :raises DeadlineExceeded: the time is up.
    """
    git = _Git(source, directory, limit)
    git.run("init", "--quiet", "--template=")
    git.run(
        *("fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--"),
        *(source.url, source.ref or "HEAD"),
    )
    listing = git.run("ls-tree", "-r", "-z", "-l", "--full-tree", "FETCH_HEAD")
    entries = _entries(listing, source.shown)
    links = {path: entry for path, entry in entries.items() if entry.is_link}
    targets = dict(zip(links, _contents(git, links.values()), strict=True))
    budget = tarball.Budget(source.shown)
    wanted = {}
    for path in entries:
        wanted[path] = _followed(path, targets, entries, source.shown)
        budget.spend(path, wanted[path].size)
    return dict(zip(wanted, _contents(git, wanted.values()), strict=True))


@dataclasses.dataclass(frozen=True)
class _Entry:
    """A file in a git tree; its size in bytes."""

    is_link: bool
    oid: bytes
    size: int


def _entries(listing: bytes, shown: str) -> dict[str, _Entry]:
    """Return the files of a tree that are not hidden, from what ``git ls-tree`` says."""
    found = {}
    # A tree can hold itself many times over: counted before anything else is done.
    budget = tarball.Budget(shown)
    for match in re.finditer(rb"(\d+) (\w+) ([0-9a-f]+) +(\d+|-)\t([^\0]+)\0", listing):
        mode, kind, oid, size, raw = match.groups()
        path = raw.decode("utf-8", "replace")
        # A submodule is a commit of another repository.
        if kind != b"blob" or tarball.is_hidden(path):
            continue
        if path.encode() != raw:
            raise exceptions.PathInvalid(path, shown)
        budget.spend(path, 0)
        found[tarball.plan_path(path, shown)] = _Entry(mode == b"120000", oid, int(size))
    return found


def _followed(
    path: str, targets: dict[str, bytes], entries: dict[str, _Entry], shown: str
) -> _Entry:
    """Return the file that a path means, in the end."""
    at = path
    for _ in range(10):
        if at not in targets:
            return entries[at]
        target = targets[at].decode("utf-8", "replace")
        at = posixpath.normpath(posixpath.join(posixpath.dirname(at), target))
        if at not in entries:
            break
    raise exceptions.PathInvalid(path, shown)


def _contents(git: _Git, entries: Iterable[_Entry]) -> Iterator[bytes]:
    """Yield the contents of files, in their order."""
    oids = [entry.oid for entry in entries]
    output = git.run("cat-file", "--batch", feed=b"".join(oid + b"\n" for oid in oids))
    start = 0
    for _ in oids:
        end = output.index(b"\n", start)
        size = output[start:end].split()[2]
        start = end + 1 + int(size) + 1
        yield output[end + 1 : start - 1]


class _Git:
    """Runs git in a directory of its own."""

    def __init__(
        self, source: addresses.Repository, directory: Path, limit: clouds.Deadline
    ) -> None:
        """Give git its configuration and environment, and nothing of the executor's."""
        program = shutil.which("git")
        if program is None:
            raise exceptions.SourceInvalid(
                source.shown, "it is a git repository, and git is not installed on the executor."
            )
        self._program = program
        self._shown = source.shown
        self._directory = directory
        self._limit = limit
        self._repository = directory / "repository"
        self._repository.mkdir()
        (directory / "config").write_text(_CONFIG)
        self._environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("GIT_") or name in _KEPT
        } | {
            "HOME": str(directory),  # where no .netrc is
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": str(directory / "config"),
            "GIT_ALLOW_PROTOCOL": source.url.partition(":")[0],
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_SSH_COMMAND": "ssh -o BatchMode=yes -o StrictHostKeyChecking=yes",
            "GIT_SSH_VARIANT": "ssh",
        }

    def run(self, *arguments: str, feed: bytes = b"") -> bytes:
        """Run git and return what it writes.

        Its output goes into the private directory, whose size is watched meanwhile.

        :param feed: what it reads.
        """
        said, told = self._directory / "out", self._directory / "err"
        (self._directory / "in").write_bytes(feed)
        with (
            (self._directory / "in").open("rb") as stdin,
            said.open("wb") as stdout,
            told.open("wb") as stderr,
        ):
            process = subprocess.Popen(
                [self._program, *arguments],
                cwd=self._repository,
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
            words = _words(told) or f"git ended with {process.returncode}"
            words = words.replace(str(self._directory), "")
            raise exceptions.SourceInvalid(self._shown, f"git says: {words}")
        return said.read_bytes()

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        # The repository, the listing and the contents, each of which can be as large as a plan.
        most = 3 * config.options().plan_max_mib * 2**20
        for _ in self._limit.poll(0.002, 0.1, self._limit.left):
            ended = process.poll() is not None
            size = _size(self._directory)
            if size > most:
                raise tarball.too_large(self._shown, size)
            if ended:
                return
        raise exceptions.DeadlineExceeded(self._limit.seconds)


def _size(directory: Path) -> int:
    """Return the bytes that a directory holds, while others write there."""
    size = 0
    for parent, _, files in os.walk(directory):
        for name in files:
            with contextlib.suppress(OSError):
                size += (Path(parent) / name).lstat().st_size
    return size


def _words(path: Path) -> str:
    """Return the last that git has said, without credentials: git repeats a proxy's URL."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 4096))
        text = file.read().decode("utf-8", "replace")
    lines = ["".join(filter(str.isprintable, line)).strip() for line in text.splitlines()]
    told = [line for line in lines if line and line not in _BOILERPLATE]
    return re.sub(r"//[^/@\s]*@", "//***@", "; ".join(told[-2:]))[:500]
