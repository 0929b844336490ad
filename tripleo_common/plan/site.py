"""A plan's containers in one placement: what clients see and write, and the archive."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from typing import Any

from tripleo_common import clouds, exceptions
from tripleo_common.plan import archive, container
from tripleo_common.plan.placements import Placement

LOG = logging.getLogger(__name__)

SLICE = 100
"""Files that are written to a container before the lock is looked at again."""

AT_ONCE = 200
"""Files that a new container gets in any case: a second's work."""

CLIENT_FILES = (
    "capabilities-map.yaml",
    "network_data.yaml",
    "overcloud.yaml",
    "plan-environment.yaml",
    "roles_data.yaml",
)
"""Files that clients read from a plan's container by name."""


class Site:
    """A plan in one placement.

    :ivar placement: the placement; its region is the one that Swift was asked in.
    :ivar cloud: that cloud and region.
    :ivar container: what clients read and write.
    :ivar archive: what the plan's revisions were.
    """

    def __init__(self, plan: str, cloud: clouds.Cloud, placement: Placement | None = None) -> None:
        """Name it; no request is made.

        :param placement: None where the plan's environment lists none yet.
        """
        self.plan = plan
        self.cloud = cloud
        self.container = container.Container(cloud, plan)
        self.archive = archive.Archive(cloud, plan)
        self._placement = placement

    @property
    def placement(self) -> Placement:
        """The placement that this is.

        :raises RegionNotFound: the region does not have both a Swift and a Heat.
        """
        if self._placement is None:
            region, other = map(self.cloud.region, ("object-store", "orchestration"))
            if other != region:
                raise exceptions.RegionNotFound(region, "orchestration", [other])
            self._placement = Placement(self.cloud.name, region)
        return self._placement

    def supersedes(self, look: container.Look, revision: int) -> dict[str, str | None] | None:
        """Return what the container listed when a revision was committed, where it differed.

        :returns: path to MD5 (None: nothing); None if the container has been brought into line
            with the revision since.
        """
        if not revision or look.revision == revision:
            return None
        record = self.archive.record(revision)
        if record is None:
            raise exceptions.RevisionCorrupt(self.plan, revision, "its record is gone")
        return dict(record["supersedes"])

    def direct(self, base: archive.Files, revision: int) -> tuple[container.Look, list[str]]:
        """Return what the container lists, and the paths that were written directly.

        :param base: the files of the plan's revision; those of an older one are read.
        :param revision: the revision that there is here.
        """
        look = self.container.look()
        record = self.archive.record(revision) if revision else None
        if record is None:
            return look, []
        if record["files"] != base.id:
            base = self.archive.files(str(record["files"]), revision)
        return look, compare(look, base.hashes, self.supersedes(look, revision))[0]

    def receive(
        self,
        number: int,
        files: archive.Files,
        record: Mapping[str, Any],
        *,
        had: int,
        base: archive.Files | None,
    ) -> None:
        """Take a revision that is made elsewhere, before it becomes the plan's.

        What was written directly to the container here stays, and counts here.

        :param record: what the revision is.
        :param had: the revision that there is here; 0 for none.
        :param base: the files of that, if they are known.
        """
        self.archive.create()
        try:
            look = self.container.look()
        except exceptions.ContainerNotFound:
            self.container.ensure()
            look = container.Look({}, None)
        if look.revision == number:
            # It was emptied since: then what is missing would seem to be removed by somebody.
            self.container.mark_revision(None)
        kept: list[str] = []
        if had:
            if base is None:
                old = self.archive.record(had)
                if old is None:
                    raise exceptions.RevisionCorrupt(self.plan, had, "its record is gone")
                base = self.archive.files(str(old["files"]), had)
            kept, _stale = compare(look, base.hashes, self.supersedes(look, had))
        if base is None or base.id != files.id:
            self.archive.write_files(files)
        superseded = differing(look, files.hashes)
        for path in kept:
            superseded.pop(path, None)
        self.archive.write_record(number, {**record, "supersedes": superseded})

    def catch_up(self, source: archive.Archive, current: int, had: int) -> None:
        """Take the revisions that were made while this placement did not answer.

        :param source: the archive of a placement that has them.
        :param current: the plan's revision.
        :param had: the revision that there is here; 0 for none.
        """
        self.archive.create()
        # Later ones are of commits that were cut off, and not what the plan's revisions became.
        there = [number for number in self.archive.numbers() if number <= had]
        had = there[-1] if there else 0
        records = source.records(n for n in source.numbers() if n <= current and n not in there)
        for number, record in sorted(records.items()):
            if number == current:
                continue
            self.archive.write_files(source.files(str(record["files"]), number))
            self.archive.write_record(number, record)
        record = source.record(current) or {}
        if not record:
            raise exceptions.RevisionCorrupt(self.plan, current, "its record is gone")
        files = source.files(str(record["files"]), current)
        self.receive(current, files, record, had=had, base=None)

    def bring_into_line(
        self,
        revision: int,
        base: archive.Files,
        check: Callable[[], object],
        first: Collection[str] = (),
        limit: int | None = None,
        look: container.Look | None = None,
    ) -> bool:
        """Write what the container does not show of a revision; direct writes stay.

        :param check: called before each slice of files; raises if somebody else is at it.
        :param first: paths to begin with.
        :param limit: at most so many other paths.
        :param look: what the container lists, if that is known.
        :returns: whether it shows all of the revision now.
        """
        look = look or self.container.look()
        _direct, stale = compare(look, base.hashes, self.supersedes(look, revision))
        wanted = set(first)
        todo = [path for path in stale if path in wanted]
        todo += [path for path in stale if path not in wanted][:limit]
        contents = base.contents
        for start in range(0, len(todo), SLICE):
            check()
            paths = todo[start : start + SLICE]
            self.container.write({path: contents[path] for path in paths if path in contents})
            self.container.delete_files([path for path in paths if path not in contents])
        whole = len(todo) == len(stale)
        if whole and look.revision != revision:
            self.container.mark_revision(revision)
        return whole

    def is_left(self) -> bool:
        """Tell whether there is only what a placement begins with, as of one that was cut off."""
        return (
            self.container.is_marked()
            and not self.container.look().objects
            and self.archive.exists()
        )

    def delete(self) -> None:
        """Remove both containers."""
        self.container.delete()
        self.archive.delete()


def compare(
    look: container.Look,
    hashes: Mapping[str, str],
    supersedes: Mapping[str, str | None] | None,
) -> tuple[list[str], list[str]]:
    """Tell direct writes from what is left over of before.

    :param look: what a plan's container lists.
    :param hashes: path to MD5 of the revision's files.
    :param supersedes: see :meth:`Site.supersedes`.
    :returns: the paths that were written or removed directly, and those to be brought into line.
    """
    direct: list[str] = []
    stale: list[str] = []
    for path in sorted({*look.objects, *hashes}):
        listed = look.objects[path].hash if path in look.objects else None
        if listed == hashes.get(path):
            continue
        if supersedes is not None and path in supersedes and supersedes[path] == listed:
            stale.append(path)
        else:
            direct.append(path)
    return direct, stale


def differing(look: container.Look, hashes: Mapping[str, str]) -> dict[str, str | None]:
    """Return what a container lists (None: nothing) wherever that is not what it should."""
    listed = {path: item.hash for path, item in look.objects.items()}
    return {
        path: listed.get(path)
        for path in {*listed, *hashes}
        if listed.get(path) != hashes.get(path)
    }
