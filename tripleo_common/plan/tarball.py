"""Files to a tarball and back; what comes back may be hostile."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path

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


def unpack(path: Path) -> dict[str, bytes]:
    """Read the files of a tarball, compressed or not.

    A single directory around everything, as in a source distribution, is taken off.

    :raises FileInvalid: it is no tarball.
    :raises PathInvalid: a member is a link or a device, or leaves the tarball's root.
    :raises LimitExceeded: too many files, or too large ones.
    """
    found: dict[str, bytes] = {}
    budget = Budget(str(path))
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                if member.isdir():
                    continue
                if not member.isreg():
                    raise exceptions.PathInvalid(member.name, str(path))
                name = names.resolve(member.name.removeprefix("./"), str(path.name))
                budget.spend(name, member.size)
                content = archive.extractfile(member)
                found[name] = content.read() if content else b""
            # To the end of the file, where a compressed one has its checksum.
            while archive.fileobj and archive.fileobj.read(2**20):
                pass
    except (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        raise exceptions.FileInvalid(str(path), f"not a tarball: {error}") from error
    tops = {name.partition("/")[0] for name in found}
    if len(tops) == 1 and all("/" in name for name in found):
        return {name.partition("/")[2]: content for name, content in found.items()}
    return found


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
        if any(part.startswith(".") for part in Path(name).parts):
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

    def spend(self, name: str, size: int) -> None:
        """Take a file of that many bytes.

        :raises LimitExceeded: it, or all so far, are more than the configuration allows.
        """
        options = config.options()
        self._files += 1
        self._bytes += size
        for what, amount, limit, unit, option in (
            (self._source, self._files, options.plan_max_files, "files", "plan_max_files"),
            (name, -(-size // 2**20), options.file_max_mib, "MiB", "file_max_mib"),
            (self._source, self._bytes >> 20, options.plan_max_mib, "MiB", "plan_max_mib"),
        ):
            if amount > limit:
                raise exceptions.LimitExceeded(what, amount, limit, unit, option)
