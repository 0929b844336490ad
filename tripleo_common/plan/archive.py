"""A plan's second container, ``<plan>.revisions``: what its revisions were, beyond any later write.

======================  ===========================================================================
``files/ID.tar.gz``     all files of one or more revisions; ID is a digest of paths and contents
``revisions/N.json``    revision N: who, when, why, what; its environment; its files' ID
``deployed/N.json``     when revision N was sent to Heat
``answers/KIND-KEY``    an answer of Heat about the content that KEY is a digest of
``results/KIND-ID``     a result too large for Mistral's records, for a day
======================  ===========================================================================

Clients empty a plan's own container when they upload templates anew; they do not know this one.
"""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from tripleo_common import clouds, config, exceptions, memory
from tripleo_common.plan import container, tarball

SUFFIX = ".revisions"
"""No plan's name has a dot."""

_ANSWERS_KEPT = 4
_REMEMBERED = 4


@dataclasses.dataclass(frozen=True)
class Files:
    """All files of a revision.

    :ivar id: digest of paths and contents.
    :ivar contents: path to content.
    :ivar hashes: path to MD5, as Swift lists it.
    """

    id: str
    contents: dict[str, bytes]
    hashes: dict[str, str]

    @classmethod
    def of(cls, contents: Mapping[str, bytes], known: Files | None = None) -> Files:
        """Make it of contents.

        :param known: files whose hashes need not be computed again where the content is the same.
        """
        hashes = {}
        for path, content in contents.items():
            # The very same object, as it is for whatever nobody has touched.
            if known and known.contents.get(path) is content:
                hashes[path] = known.hashes[path]
            else:
                hashes[path] = container.md5(content)
        return cls(digest(hashes), dict(contents), hashes)


def digest(hashes: Mapping[str, str]) -> str:
    """Return what stands for files of these paths and hashes."""
    return hashlib.sha256(json.dumps(sorted(hashes.items())).encode()).hexdigest()


_FILES: memory.Memory[tuple[str, str], Files] = memory.Memory(_REMEMBERED)
"""URL of an archive and ID, to files: what is stored under an ID never changes."""


class Archive:
    """The archive of one plan."""

    def __init__(self, cloud: clouds.Cloud, plan: str) -> None:
        """Name it; no request is made."""
        self._plan = plan
        self._container = container.Container(cloud, plan + SUFFIX, "revisions")

    @property
    def url(self) -> str:
        """Where it is."""
        return self._container.url

    def exists(self) -> bool:
        """Tell whether there is anything of it."""
        return self._container.is_marked()

    def create(self) -> None:
        """Make the container, if it is not there."""
        self._container.ensure()

    def delete(self) -> None:
        """Remove everything."""
        self._container.delete()

    def write_files(self, files: Files) -> None:
        """Store the files of a revision."""
        self._put(f"files/{files.id}.tar.gz", tarball.pack(files.contents), "application/gzip")
        _FILES.put((self.url, files.id), files)

    def files(self, files_id: str, revision: int) -> Files:
        """Return the files of a revision.

        :raises RevisionCorrupt: they are not there, or not what was stored.
        """
        known = _FILES.get((self.url, files_id))
        if known:
            return known
        path = f"files/{files_id}.tar.gz"
        packed = self._container.get(path)
        if packed is None:
            raise exceptions.RevisionCorrupt(self._plan, revision, f"{self._name(path)} is gone")
        try:
            found = Files.of(tarball.unpack_bytes(packed, self._name(path)))
        except exceptions.TripleOError as error:
            raise exceptions.RevisionCorrupt(self._plan, revision, error.message) from error
        if found.id != files_id:
            raise exceptions.RevisionCorrupt(
                self._plan, revision, f"{self._name(path)} does not hold what was stored"
            )
        _FILES.put((self.url, found.id), found)
        return found

    def write_record(self, number: int, record: Mapping[str, Any]) -> None:
        """Store what a revision was."""
        self._put_json(_record(number), record)

    def record(self, number: int) -> dict[str, Any] | None:
        """Return what a revision was, or None if it is not kept.

        :raises RevisionCorrupt: it is not readable.
        """
        content = self._container.get(_record(number))
        return None if content is None else self._parse(content, number)

    def records(self, numbers: Iterable[int]) -> dict[int, dict[str, Any]]:
        """Return what several revisions were; those that cannot be read are left out."""
        objects = self._container.look("revisions/").objects
        wanted = {_record(n): n for n in numbers if _record(n) in objects}
        contents = self._container.read({path: objects[path] for path in wanted})
        found = {}
        for path, content in contents.items():
            try:
                found[wanted[path]] = self._parse(content, wanted[path])
            except exceptions.RevisionCorrupt:
                continue
        return found

    def numbers(self) -> list[int]:
        """Return the numbers of the revisions that are kept, oldest first."""
        return self._numbers("revisions/")

    def deployed(self) -> list[int]:
        """Return the numbers of the revisions that were ever sent to Heat, oldest first."""
        return self._numbers("deployed/")

    def mark_deployed(self, number: int, details: Mapping[str, Any]) -> None:
        """Note that a revision was sent to Heat."""
        self._put_json(f"deployed/{number:08d}.json", details)

    def answer(self, kind: str, key: str) -> Any:
        """Return an answer that was kept for this content, or None."""
        content = self._container.get(f"answers/{kind}-{key}")
        if content is None:
            return None
        try:
            return json.loads(gzip.decompress(content))
        except (OSError, EOFError, ValueError, RecursionError, zlib.error):
            return None

    def keep_answer(self, kind: str, key: str, answer: Any) -> None:
        """Keep an answer, and few older ones of its kind."""
        try:
            older = sorted(self._container.look(f"answers/{kind}-").objects)
        except exceptions.ContainerNotFound:
            # A client has made this plan, and it has not been changed yet.
            self.create()
            older = []
        if len(older) >= _ANSWERS_KEPT:
            self._container.delete_files(older)
        content = gzip.compress(json.dumps(answer).encode(), compresslevel=1, mtime=0)
        self._put(f"answers/{kind}-{key}", content, "application/gzip")

    def publish(self, kind: str, content: bytes) -> dict[str, Any]:
        """Put a large result, which is JSON, where a client can read it for a day.

        :returns: ``container``, ``object`` and ``bytes``.
        """
        self.create()
        path = f"results/{kind}-{hashlib.sha256(content).hexdigest()[:32]}.json"
        self._container.write({path: content}, "application/json", {"X-Delete-After": 86400})
        return {"container": self._container.name, "object": path, "bytes": len(content)}

    def prune(self, current: int) -> None:
        """Drop revisions beyond the configured number, but none that was ever deployed.

        What commits that were cut off have left goes as well.
        """
        objects = self._container.look().objects
        numbers = _numbered(objects, "revisions/")
        newest = [number for number in numbers if number <= current]
        kept = {*newest[-config.options().revisions_kept :], *_numbered(objects, "deployed/")}
        dropped = [number for number in numbers if number not in kept]
        bundles = {path for path in objects if path.startswith("files/")}
        spare: set[str] = set()
        # Each revision needs one bundle at most; only where there are more is there one to spare.
        if dropped or len(bundles) > len(kept):
            wanted = kept.intersection(numbers)
            records = self.records(wanted)
            # A record that cannot be read may need any of them.
            if wanted <= set(records):
                spare = bundles - {f"files/{each['files']}.tar.gz" for each in records.values()}
        self._container.delete_files([*map(_record, dropped), *sorted(spare)])

    def _numbers(self, prefix: str) -> list[int]:
        try:
            return _numbered(self._container.look(prefix).objects, prefix)
        except exceptions.ContainerNotFound:
            return []

    def _parse(self, content: bytes, number: int) -> dict[str, Any]:
        try:
            record = json.loads(content)
        except ValueError as error:
            raise exceptions.RevisionCorrupt(
                self._plan, number, f"{self._name(_record(number))} is not JSON"
            ) from error
        if (
            not isinstance(record, dict)
            or record.get("revision") != number
            or not isinstance(record.get("files"), str)
            or not all(isinstance(record.get(k), dict) for k in ("environment", "supersedes"))
        ):
            raise exceptions.RevisionCorrupt(
                self._plan, number, f"{self._name(_record(number))} does not hold what was stored"
            )
        return record

    def _put_json(self, path: str, content: Any) -> None:
        self._put(path, json.dumps(content).encode(), "application/json")

    def _put(self, path: str, content: bytes, content_type: str) -> None:
        self._container.write({path: content}, content_type)

    def _name(self, path: str) -> str:
        return f"{self._container.name}/{path}"


def _numbered(paths: Iterable[str], prefix: str) -> list[int]:
    """Return the numbers that paths such as ``revisions/00000007.json`` have, in order."""
    names = (p.removeprefix(prefix).removesuffix(".json") for p in paths if p.startswith(prefix))
    return sorted(int(name) for name in names if name.isascii() and name.isdigit())


def _record(number: int) -> str:
    return f"revisions/{number:08d}.json"
