"""Where a plan is kept, and how it is read and committed.

A revision becomes the plan's at one moment: when the plan's environment is written, which names the
revision and its files. Everything that the revision consists of is in the archive by then
(:mod:`tripleo_common.plan.archive`). The plan's container, which clients read and write, is brought
into line afterwards. While it is not yet, the record of the revision tells which objects are only
left over from before; whatever else differs, somebody wrote directly, and that counts.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import logging
from collections.abc import Collection, Mapping
from typing import Any

from tripleo_common import clouds, exceptions
from tripleo_common.plan import archive, container, environment, lock
from tripleo_common.plan.changes import Change

LOG = logging.getLogger(__name__)

BOOKKEEPING = ("revision", "files", "digest", "request")
"""Variables of a plan's environment that say which revision it is; see :class:`State`."""

DERIVED = ("capabilities",)
"""Variables that follow from the files; a revision's record leaves them out."""

CLIENT_FILES = (
    "capabilities-map.yaml",
    "network_data.yaml",
    "overcloud.yaml",
    "plan-environment.yaml",
    "roles_data.yaml",
)
"""Files that clients read from a plan's container by name."""

AT_ONCE = 200
"""Files that the creation of a plan puts into its container in any case: a second's work."""

SLICE = 100
"""Files that are written to a container before the lock is looked at again."""

_ATTEMPTS = 3


@dataclasses.dataclass(frozen=True)
class State:
    """A plan as it is now.

    :ivar revision: its number; 0 if somebody else made the environment.
    :ivar stored: its environment, exactly as it is stored.
    :ivar variables: the same without the bookkeeping.
    :ivar look: what its container lists.
    :ivar base: the files of the revision.
    :ivar files: the files as they are now: those of the revision, but for ``direct``.
    :ivar direct: paths that somebody has written to or removed from the container since.
    :ivar environment_written: somebody has written the environment since.
    """

    plan: str
    revision: int
    stored: dict[str, Any]
    variables: dict[str, Any]
    look: container.Look
    base: archive.Files
    files: archive.Files
    direct: list[str]
    environment_written: bool

    @property
    def is_committed(self) -> bool:
        """Tell whether it is exactly its revision."""
        return self.revision > 0 and not self.direct and not self.environment_written

    @property
    def is_shown(self) -> bool:
        """Tell whether the container has been brought into line with the revision."""
        return self.look.revision == self.revision


@dataclasses.dataclass(frozen=True)
class Committed:
    """What a commit has come to.

    :ivar revision: the plan's revision now.
    :ivar changed: whether that is a new one.
    :ivar synced: whether the plan's container shows it completely.
    """

    revision: int
    changed: bool
    synced: bool = False


class Store:
    """One plan's environment, container and archive."""

    def __init__(self, home: clouds.Cloud, cloud: clouds.Cloud, plan: str) -> None:
        """Name the plan; no request is made.

        :param home: the cloud whose Mistral holds the environment.
        :param cloud: the cloud and region that holds the containers.
        """
        self.plan = plan
        self._home = home
        self._cloud = cloud
        self.container = container.Container(cloud, plan)
        self.archive = archive.Archive(cloud, plan)

    def exists(self) -> bool:
        """Tell whether there is such a plan's environment."""
        return environment.read(self._home, self.plan) is not None

    def is_left(self) -> bool:
        """Tell whether there are containers of such a plan, half-made or half-deleted."""
        return self.container.is_marked() or self.archive.exists()

    def read(self) -> State:
        """Return the plan as it is now.

        :raises PlanNotFound: it has no environment.
        :raises ContainerNotFound: it has no container in this cloud and region.
        :raises RevisionCorrupt: its files are damaged and the container cannot stand in for them.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._read()
            except (exceptions.FileNotInPlan, exceptions.PlanChanged):
                # A file went between being listed and being read, or there was a commit between
                # reading the environment and listing the container: look again.
                if attempt == _ATTEMPTS:
                    raise
        raise AssertionError("unreachable")

    def commit(
        self,
        state: State | None,
        files: archive.Files,
        variables: Mapping[str, Any],
        change: Change,
        held: lock.Lock,
        *,
        what: Mapping[str, Any],
        look: container.Look | None = None,
        sync: bool = True,
    ) -> Committed:
        """Make a candidate the plan's next revision; nothing happens if it is what the plan is.

        :param state: what the candidate was made from; None makes a new plan.
        :param what: what changes, for the history.
        :param look: what the container lists, where there is no state.
        :param sync: put all files of a new plan into its container; if not, and they are many, then
            only those that clients read by name, and :meth:`sync` is to be called for the others.
        :raises PlanChanged: somebody wrote the environment directly since ``state`` was read, or
            took the lock over. The plan is as they left it.
        :raises PlanExists: a new plan's environment is there already.
        """
        listed = (state.look if state else look or container.Look({}, None)).objects
        content = _content(variables)
        if (
            state
            and state.is_committed
            and (files.id, content)
            == (
                state.files.id,
                state.variables,
            )
        ):
            done = Committed(state.revision, changed=False, synced=True)
            # A container may be left from a change that was cut off.
            is_left = state.look.revision != state.revision
            return self._synced(done, held, (), SLICE) if is_left else done
        number = state.revision + 1 if state else 1
        held.check()
        self.archive.create()
        if not state or files.id != state.base.id:
            self.archive.write_files(files)
        supersedes = _supersedes(listed, files.hashes)
        self.archive.write_record(
            number,
            {
                "revision": number,
                "user": change.user,
                "time": _now(),
                "reason": change.reason,
                "action": change.action,
                "execution": change.execution,
                "what": dict(what),
                "files": files.id,
                "environment": {k: v for k, v in content.items() if k not in DERIVED},
                "supersedes": supersedes,
            },
        )
        stored = {
            **content,
            "revision": number,
            "files": files.id,
            "digest": _digest(content),
            "request": change.request,
        }
        held.check()
        # This is the moment: before it the plan is the old revision, after it the new one.
        self._put_environment(state, stored)
        committed = Committed(number, changed=True)
        if state:
            # More may be pending from before; each change goes on with a part of that.
            changed = [
                path
                for path in {*state.base.hashes, *files.hashes}
                if state.base.hashes.get(path) != files.hashes.get(path)
            ]
            committed = self._synced(committed, held, changed, SLICE)
        else:
            at_once = sync or len(supersedes) <= AT_ONCE
            committed = self._synced(committed, held, CLIENT_FILES, None if at_once else 0)
        self._prune(number)
        return committed

    def sync(
        self,
        held: lock.Lock,
        first: Collection[str] = (),
        limit: int | None = None,
    ) -> bool:
        """Bring the container into line with the revision; what was written directly stays.

        :param held: the plan's lock, looked at before each slice of files.
        :param first: paths to begin with.
        :param limit: at most so many other paths.
        :returns: whether the container shows all of the revision now.
        """
        state = self.read()
        stale = self._stale(state)
        wanted = set(first)
        todo = [path for path in stale if path in wanted]
        todo += [path for path in stale if path not in wanted][:limit]
        base = state.base.contents
        for start in range(0, len(todo), SLICE):
            held.check()
            paths = todo[start : start + SLICE]
            self.container.write({path: base[path] for path in paths if path in base})
            self.container.delete_files([path for path in paths if path not in base])
        whole = len(todo) == len(stale)
        if whole and state.look.revision != state.revision:
            self.container.mark_revision(state.revision)
        return whole

    def delete(self) -> None:
        """Remove everything, the environment first: without it there is no plan."""
        environment.delete(self._home, self.plan)
        self.container.delete()
        self.archive.delete()

    def _read(self) -> State:
        stored = environment.read(self._home, self.plan)
        if stored is None:
            raise exceptions.PlanNotFound(self.plan, names(self._home, self._cloud))
        look = self.container.look()
        variables = _content(stored)
        revision, files_id = self._position(stored, look)
        written = stored.get("digest") != _digest(variables)
        nothing = archive.Files.of({})
        try:
            base = self.archive.files(files_id, revision) if files_id else nothing
        except exceptions.RevisionCorrupt:
            if look.revision != revision:
                raise
            # Every file of the container then counts as written by somebody, and is read.
            LOG.exception("Plan %s: its container stands in for its archive", self.plan)
            base = nothing
        direct, _stale = compare(look, base.hashes, revision, self._supersedes(look, revision))
        if not direct:
            files = base
        else:
            objects = {path: look.objects[path] for path in direct if path in look.objects}
            contents = {p: c for p, c in base.contents.items() if p not in direct}
            contents.update(self.container.read(objects))
            files = archive.Files.of(contents, base)
            # A commit writes the environment first: what is direct to an older one may be its.
            if environment.read(self._home, self.plan) != stored:
                raise exceptions.PlanChanged(self.plan, "it was changed by others")
        return State(
            self.plan, revision, stored, variables, look, base, files, direct, bool(written)
        )

    def _position(self, stored: Mapping[str, Any], look: container.Look) -> tuple[int, str | None]:
        """Return number and files of the revision that an environment is or was."""
        revision, files_id = stored.get("revision"), stored.get("files")
        if isinstance(revision, int) and isinstance(files_id, str):
            return revision, files_id
        # A client has put an environment of its own in the place of ours, or has made the plan.
        # What the container shows was committed; the last record may be of a commit cut off.
        numbers = self.archive.numbers()
        number = look.revision if look.revision in numbers else (numbers or [0])[-1]
        record = self.archive.record(number) if number else None
        return (number, str(record["files"])) if record and number else (0, None)

    def _supersedes(self, look: container.Look, revision: int) -> dict[str, str | None] | None:
        if not revision or look.revision == revision:
            return None
        record = self.archive.record(revision)
        if record is None:
            raise exceptions.RevisionCorrupt(self.plan, revision, "its record is gone")
        return dict(record["supersedes"])

    def _stale(self, state: State) -> list[str]:
        supersedes = self._supersedes(state.look, state.revision)
        return compare(state.look, state.base.hashes, state.revision, supersedes)[1]

    def _put_environment(self, state: State | None, stored: dict[str, Any]) -> None:
        if state and environment.read(self._home, self.plan) != state.stored:
            raise exceptions.PlanChanged(self.plan, "its environment was written to directly")
        put = environment.write if state else environment.create
        try:
            put(self._home, self.plan, stored)
        except exceptions.PlanExists:
            raise
        # The answer may be what was lost, not the request.
        except Exception:
            if environment.read(self._home, self.plan) != stored:
                raise

    def _synced(
        self, committed: Committed, held: lock.Lock, first: Collection[str], limit: int | None
    ) -> Committed:
        try:
            synced = self.sync(held, first, limit)
        # The plan is committed, and every reader finds it so; the next change goes on with this.
        except Exception:
            LOG.exception("Plan %s: its container is not in line with its revision", self.plan)
            synced = False
        return dataclasses.replace(committed, synced=synced)

    def _prune(self, number: int) -> None:
        try:
            self.archive.prune(number)
        # It is tidying up, done again with the next commit; the plan is committed.
        except Exception:
            LOG.exception("Plan %s: old revisions could not be removed", self.plan)


def names(home: clouds.Cloud, cloud: clouds.Cloud) -> list[str]:
    """Return the sorted names of all plans, with two requests however many there are."""
    return sorted(container.names(cloud).intersection(environment.names(home)))


def compare(
    look: container.Look,
    hashes: Mapping[str, str],
    revision: int,
    supersedes: Mapping[str, str | None] | None,
) -> tuple[list[str], list[str]]:
    """Tell direct writes from what is left over of before.

    :param look: what a plan's container lists.
    :param hashes: path to MD5 of the revision's files.
    :param supersedes: path to the MD5 that the container listed when the revision was committed,
        where that was another one (None: nothing); None if the container has been brought into
        line with the revision since.
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


def _supersedes(
    listed: Mapping[str, container.Object], hashes: Mapping[str, str]
) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for path in {*listed, *hashes}:
        before = listed[path].hash if path in listed else None
        if before != hashes.get(path):
            found[path] = before
    return found


def _content(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a plan's environment says besides which revision it is, as JSON has it."""
    content: dict[str, Any] = json.loads(
        json.dumps({key: value for key, value in variables.items() if key not in BOOKKEEPING})
    )
    return content


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
