"""Where a plan is kept, and how it is read and committed.

A revision becomes the plan's at one moment: when the plan's environment is written, which names the
revision and its files. Everything that the revision consists of is in the archive by then
(:mod:`tripleo_common.plan.archive`). The plan's container, which clients read and write, is brought
into line afterwards. While it is not yet, the record of the revision tells which objects are only
left over from before; whatever else differs, somebody wrote directly, and that counts.

A plan with several placements has container and archive in each (:mod:`tripleo_common.plan.site`),
and the environment once. A call works in one placement; what it commits goes to all of them. One
that does not get it is stale, and the environment says so in the same moment.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import hashlib
import json
import logging
from collections.abc import Callable, Collection, Mapping
from concurrent import futures
from typing import Any

from tripleo_common import clouds, exceptions
from tripleo_common.plan import archive, container, environment, lock, placements
from tripleo_common.plan.changes import Change
from tripleo_common.plan.placements import Placement
from tripleo_common.plan.site import AT_ONCE, CLIENT_FILES, SLICE, Site, compare, differing

LOG = logging.getLogger(__name__)

BOOKKEEPING = ("revision", "files", "digest", "request", placements.STALE)
"""Variables of a plan's environment that say which revision it is, and where it is not yet."""

DERIVED = ("capabilities",)
"""Variables that follow from the files; a revision's record leaves them out."""

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
    :ivar placement: where that is seen: direct writes are those of this placement.
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
    placement: Placement

    @property
    def placements(self) -> list[Placement]:
        """All placements of the plan, the home first."""
        return placements.listed(self.variables) or [self.placement]

    @property
    def stale(self) -> dict[str, int]:
        """Names of the placements that did not get the revision, each with the one it has."""
        return placements.stale(self.stored)

    @property
    def missing(self) -> dict[str, str]:
        """Names of the stale placements, each with what is to be done about it."""
        return {
            name: exceptions.PlacementStale(self.plan, name, number, self.revision).message
            for name, number in self.stale.items()
        }

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
    :ivar synced: whether the plan's containers show it completely, those of all placements that
        have it.
    :ivar stale: name of each placement that did not get it, to what went wrong.
    """

    revision: int
    changed: bool
    synced: bool = False
    stale: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return what results say of it: ``revision``, ``changed`` and ``stale``.

        ``stale`` lists the placements that did not get it: ``placement`` and ``message`` of each.
        """
        return {
            "revision": self.revision,
            "changed": self.changed,
            "stale": [{"placement": n, "message": m} for n, m in sorted(self.stale.items())],
        }


class Store:
    """One plan's environment, and its containers in the placement that a call goes to.

    :ivar site: the plan in that placement.
    """

    def __init__(
        self, home: clouds.Cloud, site: Site, open_site: Callable[[Placement], Site]
    ) -> None:
        """Name the plan; no request is made.

        :param home: the cloud whose Mistral holds the environment.
        :param open_site: opens another placement of the plan.
        """
        self.plan = site.plan
        self.site = site
        self.container = site.container
        self.archive = site.archive
        self.cloud = site.cloud
        self._home = home
        self._open_site = open_site

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
        shown = state.look if state else look or container.Look({}, None)
        content = _content(variables)
        here = self.site.placement
        # A client may have put an environment of its own in the place of ours.
        if not placements.listed(content):
            content[placements.VARIABLE] = placements.dump([here])
        if (
            state
            and state.is_committed
            and (files.id, content) == (state.files.id, state.variables)
        ):
            done = Committed(state.revision, changed=False, synced=True, stale=state.missing)
            # A container may be left from a change that was cut off.
            is_left = state.look.revision != state.revision
            return self._synced(done, held, files, {}, (), SLICE) if is_left else done
        number = state.revision + 1 if state else 1
        record = {
            "revision": number,
            "user": change.user,
            "time": _now(),
            "reason": change.reason,
            "action": change.action,
            "execution": change.execution,
            "what": dict(what),
            "files": files.id,
            "environment": {k: v for k, v in content.items() if k not in DERIVED},
        }
        held.check()
        self.archive.create()
        if not state or files.id != state.base.id:
            self.archive.write_files(files)
        superseded = differing(shown, files.hashes)
        self.archive.write_record(number, {**record, "supersedes": superseded})
        others, problems = self._send(state, number, files, record, content)
        had = state.stale if state else {}
        stored = {
            **content,
            "revision": number,
            "files": files.id,
            "digest": _digest(content),
            "request": change.request,
        }
        if problems:
            before = state.revision if state else 0
            known = {p.name for p in state.placements} if state else set()
            stored[placements.STALE] = {
                name: had.get(name, before if name in known else 0) for name in problems
            }
        held.check()
        # This is the moment: before it the plan is the old revision, after it the new one.
        self._put_environment(state, stored)
        committed = Committed(number, changed=True, stale=problems)
        if state:
            # More may be pending from before; each change goes on with a part of that.
            changed = [
                path
                for path in {*state.base.hashes, *files.hashes}
                if state.base.hashes.get(path) != files.hashes.get(path)
            ]
            committed = self._synced(committed, held, files, others, changed, SLICE, sync=sync)
        else:
            limit = None if sync or len(superseded) <= AT_ONCE else 0
            committed = self._synced(committed, held, files, others, CLIENT_FILES, limit)
        self._prune(number, others)
        return committed

    def sync(
        self,
        held: lock.Lock,
        first: Collection[str] = (),
        limit: int | None = None,
    ) -> bool:
        """Bring the container here into line with the revision; what was written directly stays.

        :param held: the plan's lock, looked at before each slice of files.
        :param first: paths to begin with.
        :param limit: at most so many other paths.
        :returns: whether the container shows all of the revision now.
        """
        state = self.read()
        return self.site.bring_into_line(
            state.revision, state.base, held.check, first, limit, state.look
        )

    def direct(self) -> list[str]:
        """Return the paths that somebody has written to or removed from the container here."""
        return self.read().direct

    def bring_up(self, held: lock.Lock) -> None:
        """Give this placement the revisions that it did not get, if it is stale.

        :raises PlanNotFound: there is no such plan.
        :raises RevisionCorrupt: no other placement has them either.
        """
        stored = self._stored()
        name = self.site.placement.name
        stale = placements.stale(stored)
        if name not in stale:
            return
        listed = placements.listed(stored)
        source = next((p for p in listed if p.name not in stale), None)
        revision = stored.get("revision")
        if source is None or type(revision) is not int:
            raise exceptions.RevisionCorrupt(self.plan, revision, "no placement has it")
        held.check()
        self.site.catch_up(self._open_site(source).archive, revision, stale[name])
        held.check()
        del stale[name]
        self._put_stale(stored, stale)

    def give_up(self, place: Placement, held: lock.Lock) -> None:
        """Say that a placement has nothing any more, before that is so.

        Until the placement is none, or was brought up again, nobody takes what is left of it for
        the plan.
        """
        held.check()
        stored = self._stored()
        self._put_stale(stored, {**placements.stale(stored), place.name: 0})

    def _put_stale(self, stored: dict[str, Any], stale: Mapping[str, int]) -> None:
        """Write which placements are stale; the revision itself stays what it is."""
        fresh = {key: value for key, value in stored.items() if key != placements.STALE}
        if stale:
            fresh[placements.STALE] = dict(stale)
        if environment.read(self._home, self.plan) != stored:
            raise exceptions.PlanChanged(self.plan, "its environment was written to directly")
        environment.write(self._home, self.plan, fresh)

    def delete(self) -> None:
        """Remove everything, the environment first: without it there is no plan."""
        sites = [self.site, *self.others()]
        for site in sites:
            # What does not answer now would be left for ever.
            site.container.exists()
        environment.delete(self._home, self.plan)
        for site in sites:
            site.delete()

    def others(self) -> list[Site]:
        """Return the plan in its other placements."""
        stored = environment.read(self._home, self.plan) or {}
        return [self._open_site(place) for place in self._elsewhere(stored)]

    def _elsewhere(self, variables: Mapping[str, Any]) -> list[Placement]:
        """Return the other placements that a plan's environment lists."""
        listed = placements.listed(variables)
        if not listed:
            return []
        here = self.site.placement
        return [place for place in listed if not place.is_at(here)]

    def _send(
        self,
        state: State | None,
        number: int,
        files: archive.Files,
        record: Mapping[str, Any],
        content: Mapping[str, Any],
    ) -> tuple[dict[str, Site], dict[str, str]]:
        """Send a revision to the other placements.

        :returns: those that have it, by name; and of the others, what went wrong.
        """
        stale = state.stale if state else {}
        before = {place.name for place in state.placements} if state else set()

        def send(place: Placement) -> Site | str:
            name = place.name
            site: Site | None = None
            try:
                site = self._open_site(place)
                had = state.revision if state else 0
                # A new placement has nothing yet, and gets the history as well.
                if state and had and (name in stale or name not in before):
                    site.catch_up(self.archive, had, stale.get(name, 0))
                site.receive(
                    number, files, record, had=had, base=state.base if state and had else None
                )
            # The others go on without it; it is named, and brought up later.
            except Exception as error:
                LOG.exception("Plan %s: placement %s did not get it", self.plan, name)
                known = clouds.translate(error, site.cloud.names if site else {})
                return known.message if known else "it met an unexpected error"
            return site

        there = self._elsewhere(content)
        if not there:
            return {}, {}
        with futures.ThreadPoolExecutor(len(there)) as pool:
            told = dict(zip((place.name for place in there), pool.map(send, there), strict=True))
        reached = {name: site for name, site in told.items() if isinstance(site, Site)}
        problems = {name: problem for name, problem in told.items() if isinstance(problem, str)}
        return reached, problems

    def _stored(self) -> dict[str, Any]:
        stored = environment.read(self._home, self.plan)
        if stored is None:
            known = names(self._home, self.cloud, everywhere=True)
            raise exceptions.PlanNotFound(self.plan, known)
        return stored

    def _read(self) -> State:
        stored = self._stored()
        self._check_fresh(stored)
        look = self.container.look()
        variables = _content(stored)
        revision, files_id = self._position(stored, look)
        written = stored.get("digest") != _digest(variables)
        if written and placements.VARIABLE not in variables:
            # Clients that replace the environment know nothing of placements.
            record = self.archive.record(revision) if revision else None
            known = record["environment"].get(placements.VARIABLE) if record else None
            variables.update({placements.VARIABLE: known} if known else {})
        nothing = archive.Files.of({})
        try:
            base = self.archive.files(files_id, revision) if files_id else nothing
        except exceptions.RevisionCorrupt:
            if look.revision != revision:
                raise
            # Every file of the container then counts as written by somebody, and is read.
            LOG.exception("Plan %s: its container stands in for its archive", self.plan)
            base = nothing
        direct, _stale = compare(look, base.hashes, self.site.supersedes(look, revision))
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
        here = self.site.placement
        place = next((p for p in placements.listed(variables) if p.is_at(here)), here)
        return State(
            self.plan, revision, stored, variables, look, base, files, direct, bool(written), place
        )

    def _check_fresh(self, stored: Mapping[str, Any]) -> None:
        stale = placements.stale(stored)
        if stale:
            name = self.site.placement.name
            if name in stale:
                revision = stored.get("revision")
                current = revision if type(revision) is int else 0
                raise exceptions.PlacementStale(self.plan, name, stale[name], current)

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
        if not record:
            return 0, None
        self._check_newest(number, record)
        return number, str(record["files"])

    def _check_newest(self, number: int, record: Mapping[str, Any]) -> None:
        """Make sure that no other placement has a later revision, where nothing tells any more."""
        for place in self._elsewhere(record["environment"]):
            try:
                later = self._open_site(place).container.look().revision or 0
            # Which placements are stale is then found out by the next commit.
            except Exception:
                LOG.exception("Plan %s: placement %s is not known", self.plan, place.name)
                continue
            if later > number:
                name = self.site.placement.name
                raise exceptions.PlacementStale(self.plan, name, number, later)

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
        self,
        committed: Committed,
        held: lock.Lock,
        files: archive.Files,
        others: Mapping[str, Site],
        first: Collection[str],
        limit: int | None,
        *,
        sync: bool = True,
    ) -> Committed:
        """Bring the containers into line, as far as that goes at once."""

        def there(site: Site) -> bool:
            look = site.container.look()
            is_new = not look.objects
            at_once = is_new and (sync or len(files.hashes) <= AT_ONCE)
            return site.bring_into_line(
                committed.revision,
                files,
                held.check,
                CLIENT_FILES if is_new else first,
                None if at_once else limit,
                look,
            )

        here = functools.partial(self.sync, held, first, limit)
        works: list[Callable[[], bool]] = [here]
        works += [functools.partial(there, site) for site in others.values()]
        synced = True
        for work in works:
            try:
                synced = work() and synced
            # The plan is committed, and every reader finds it so; the next change goes on.
            except Exception:
                LOG.exception("Plan %s: a container is not in line with its revision", self.plan)
                synced = False
        return dataclasses.replace(committed, synced=synced)

    def _prune(self, number: int, others: Mapping[str, Site]) -> None:
        for site in (self.site, *others.values()):
            try:
                site.archive.prune(number)
            # It is tidying up, done again with the next commit; the plan is committed.
            except Exception:
                LOG.exception("Plan %s: old revisions could not be removed", self.plan)


def names(home: clouds.Cloud, cloud: clouds.Cloud, *, everywhere: bool = False) -> list[str]:
    """Return the sorted names of all plans, with two requests however many there are.

    :param everywhere: also those that have no container in this cloud and region.
    """
    described = environment.descriptions(home)
    try:
        found = container.names(cloud).intersection(described)
    except exceptions.RegionNotChosen:
        # Without a region, the plans that clients have made past us cannot be told.
        if not everywhere:
            raise
        found = set()
    if everywhere:
        found |= {name for name, text in described.items() if text == environment.DESCRIPTION}
    return sorted(found)


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
