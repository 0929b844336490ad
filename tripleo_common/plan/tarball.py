"""Files to a tarball and back; what comes back may be hostile."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from tripleo_common import config, exceptions
from tripleo_common.plan import names


def pack(files: Mapping[str, bytes]) -> bytes:
    """Return a ``tar.gz`` of files; the same files give the same bytes."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(files):
            member = tarfile.TarInfo(path)
            member.size = len(files[path])
            archive.addfile(member, io.BytesIO(files[path]))
    return gzip.compress(tar.getvalue(), compresslevel=3, mtime=0)


def read(path: Path) -> dict[str, bytes]:
    """Read the files of a directory or of a tarball; see :func:`read_tree` and :func:`unpack`."""
    return read_tree(path) if path.is_dir() else unpack(path)


def unpack(path: Path, source: str | None = None) -> dict[str, bytes]:
    """Read the files of a tarball, compressed or not.

    A single directory around everything, as in a source distribution, is taken off.

    :param source: what errors call it, if not by its path.
    :raises FileInvalid: it is no tarball.
    :raises PathInvalid: a member is a link or a device, or leaves the tarball's root.
    :raises LimitExceeded: too many files, or too large ones, or it is too large unpacked.
    """
    source = source or str(path)
    try:
        with path.open("rb") as file:
            found = _members(file, source)
    except OSError as error:
        raise exceptions.FileInvalid(source, f"not a tarball: {error}") from error
    tops = {name.partition("/")[0] for name in found}
    if len(tops) == 1 and all("/" in name for name in found):
        return {name.partition("/")[2]: content for name, content in found.items()}
    return found


def unpack_bytes(content: bytes, source: str) -> dict[str, bytes]:
    """Read the files that :func:`pack` packed.

    :param source: what it is, for errors; those of :func:`unpack`.
    """
    return _members(io.BytesIO(content), source)


def _members(file: IO[bytes], source: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    budget = Budget(source)
    try:
        plain = _decompressed(file)
        _check_size(plain, source)
        with tarfile.open(fileobj=plain, mode="r:") as archive:
            for member in archive:
                if member.isdir():
                    continue
                if not member.isreg():
                    raise exceptions.PathInvalid(member.name, source)
                name = plan_path(member.name.removeprefix("./"), source)
                budget.spend(name, member.size)
                content = archive.extractfile(member)
                found[name] = content.read() if content else b""
    except (
        *(tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError),
        # What tarfile makes of sizes, maps and chains of headers that cannot be.
        *(ValueError, OverflowError, RecursionError),
    ) as error:
        raise exceptions.FileInvalid(source, f"not a tarball: {error}") from error
    return found


_Plain = IO[bytes] | gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile


def _decompressed(file: IO[bytes]) -> _Plain:
    start = file.read(6)
    file.seek(0)
    if start.startswith(b"\x1f\x8b"):
        return gzip.open(file)
    if start.startswith(b"BZh"):
        return bz2.open(file)
    if start == b"\xfd7zXZ\0":
        return lzma.open(file)
    return file


def _check_size(file: _Plain, source: str) -> None:
    """Read a tarball over, whose compressed form says nothing of its size, to its checksum.

    Before tarfile does: what that holds to be a long name, it reads into memory.
    """
    options = config.options()
    # What tar itself adds to the files: headers, padding.
    most = options.plan_max_mib * 2**20 + options.plan_max_files * 4096 + 2**21
    size = 0
    while chunk := file.read(2**16):
        size += len(chunk)
        if size > most:
            raise too_large(source, size)
    file.seek(0)


def plan_path(path: str, source: str) -> str:
    """Return what a plan calls a file that a source calls so.

    :raises PathInvalid: no plan can have it.
    """
    try:
        return names.resolve(path, "")
    except exceptions.PathInvalid as error:
        raise exceptions.PathInvalid(path, source) from error


def is_hidden(path: str) -> bool:
    """Tell whether a file, or a directory above it, starts with a dot."""
    return any(part.startswith(".") for part in path.split("/"))


def read_tree(root: Path) -> dict[str, bytes]:
    """Read the files of a directory; hidden ones (``.git`` ...) are left out.

    :raises PathInvalid: a symbolic link leads out of the directory.
    :raises LimitExceeded: too many files, or too large ones.
    """
    found: dict[str, bytes] = {}
    budget = Budget(str(root))
    base = root.resolve()
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if is_hidden(name):
            continue
        # os.path: Path.resolve raises RuntimeError for a link to itself.
        inside = Path(os.path.realpath(path)).is_relative_to(base)
        if path.is_dir() and not path.is_symlink():
            continue
        # A link to a directory is refused wherever it leads: its files would not be read.
        if not inside or not path.is_file():
            raise exceptions.PathInvalid(name, str(root))
        budget.spend(name, path.stat().st_size)
        found[name] = path.read_bytes()
    return found


class Budget:
    """What a plan may hold, counted down before anything is read."""

    def __init__(self, source: str) -> None:
        """Count for a source, whose name stands in errors."""
        self._source = source
        self._files = 0
        self._bytes = 0
        options = config.options()
        self._most_files = options.plan_max_files
        self._most_mib = options.plan_max_mib
        self._file_mib = options.file_max_mib

    def spend(self, name: str, size: int) -> None:
        """Take a file of that many bytes.

        :raises LimitExceeded: it, or all so far, are more than the configuration allows.
        """
        self._files += 1
        self._bytes += size
        for what, amount, limit, unit, option in (
            (self._source, self._files, self._most_files, "files", "plan_max_files"),
            (name, -(-size // 2**20), self._file_mib, "MiB", "file_max_mib"),
            (self._source, self._bytes >> 20, self._most_mib, "MiB", "plan_max_mib"),
        ):
            if amount > limit:
                raise exceptions.LimitExceeded(what, amount, limit, unit, option)


def too_large(source: str, size: int) -> exceptions.LimitExceeded:
    """Return the error for what has more bytes than a plan may."""
    most = config.options().plan_max_mib
    return exceptions.LimitExceeded(source, -(-size // 2**20), most, "MiB", "plan_max_mib")
