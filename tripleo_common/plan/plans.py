"""Creating, reading, changing and deleting plans."""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Callable, Mapping
from typing import Any

from tripleo_common import clouds, config, exceptions, memory
from tripleo_common.plan import (
    archive,
    container,
    environment,
    heat,
    lock,
    names,
    placements,
    references,
    revisions,
    secrets,
    sources,
    store,
    tarball,
)
from tripleo_common.plan.candidate import Candidate, heat_input
from tripleo_common.plan.changes import Change
from tripleo_common.plan.placements import Placement
from tripleo_common.plan.site import SLICE, Site

LOG = logging.getLogger(__name__)

_SCANS: memory.Memory[tuple[str, str], dict[references.ScanKey, references.Scan]] = memory.Memory(8)
"""URL of an archive and digest of templates, to what it says of these."""

_ATTEMPTS = 3
"""How often a change is made anew because a client wrote to the plan past its lock."""


class Plans:
    """The plans of a project.

    :ivar home: the cloud whose Mistral holds the plan environments: that of the request.
    """

    def __init__(
        self, reach: clouds.Clouds, cloud: str | None = None, action_region: str | None = None
    ) -> None:
        """Keep what a call names; no request is made.

        :param reach: the clouds of the request.
        :param cloud: the input ``cloud``.
        :param action_region: the input ``action_region``.
        """
        self._reach = reach
        self._cloud = cloud
        self._region = action_region
        self._stores: dict[tuple[str, bool], store.Store] = {}
        self._placed: dict[tuple[str, str | None, str], store.Store] = {}

    @property
    def home(self) -> clouds.Cloud:
        """The cloud whose Mistral holds the plan environments: that of the request."""
        return self._reach.home

    def names(self) -> list[str]:
        """Return the sorted names of all plans, with two requests however many there are.

        A region or cloud that is named restricts them to those that are there.
        """
        self._reach.check_is_own(self._cloud, "A plan")
        opened = self._reach.open(self._cloud, self._region)
        return store.names(self.home, opened, everywhere=not self.is_placed)

    def open(self, plan: str, *, anywhere: bool = False) -> store.Store:
        """Return where a plan is kept: the placement that the call goes to.

        :param anywhere: the call is about the plan, not about one of its placements; where none is
            named, the first one that is not stale will do.
        :raises PlanNameInvalid: the name cannot be a plan's.
        :raises PlacementNotFound: the plan has no placement where the call goes.
        :raises PlacementNotChosen: the plan has several, and the call names none.
        :raises TargetNotAllowed: the request has a target cloud, and this Mistral keeps the plan.
        """
        names.check_plan(plan)
        known = self._stores.get((plan, anywhere))
        if known is None:
            known = self._stores[plan, anywhere] = self._open(plan, anywhere)
        return known

    def open_site(self, plan: str, place: Placement) -> Site:
        """Return a plan in a placement; a placement that does not answer is not waited for long."""
        seconds = float(config.options().request_timeout)
        return Site(plan, self._reach.open(place.cloud, place.region, seconds=seconds), place)

    def every_name(self) -> list[str]:
        """Return the names of all plans, wherever they are."""
        return store.names(self.home, self._reach.open(self._cloud, self._region), everywhere=True)

    def open_any(self, plan: str) -> store.Store:
        """Return where a plan is kept, as seen from a placement that is not stale.

        What the call names is something else, such as a new placement.

        :raises PlanNotFound: there is no such plan.
        """
        variables = self.variables(plan)
        if not placements.listed(variables):
            return self._store(self.site(plan, None, None))
        return self._fresh(plan, variables)

    def variables(self, plan: str) -> dict[str, Any]:
        """Return a plan's environment as it is stored.

        :raises PlanNameInvalid: the name cannot be a plan's.
        :raises PlanNotFound: there is no such plan.
        :raises TargetNotAllowed: the request has a target cloud, and this Mistral keeps the plan.
        """
        names.check_plan(plan)
        self._reach.check_is_own(self._cloud, f"Plan {plan}")
        found = environment.read(self.home, plan)
        if found is None:
            raise exceptions.PlanNotFound(plan, self.every_name())
        return found

    def _fresh(self, plan: str, variables: Mapping[str, Any]) -> store.Store:
        listed, stale = placements.listed(variables), placements.stale(variables)
        return self.open_at(plan, next((p for p in listed if p.name not in stale), listed[0]))

    def open_at(self, plan: str, place: Placement) -> store.Store:
        """Return where a plan is kept, as seen from one of its placements."""
        key = (plan, place.cloud, place.region)
        if key not in self._placed:
            site = Site(plan, self._reach.open(place.cloud, place.region), place)
            self._placed[key] = self._store(site)
        return self._placed[key]

    def _store(self, site: Site) -> store.Store:
        return store.Store(self.home, site, functools.partial(self.open_site, site.plan))

    def site(self, plan: str, cloud: str | None, region: str | None) -> Site:
        """Return what would be a plan's placement."""
        return Site(plan, self._reach.open(cloud, region))

    @property
    def is_placed(self) -> bool:
        """Whether the call names a cloud or a region."""
        return (self._cloud, self._region) != (None, None)

    def _open(self, plan: str, anywhere: bool) -> store.Store:
        self._reach.check_is_own(self._cloud, f"Plan {plan}")
        variables = environment.read(self.home, plan) or {}
        listed = placements.listed(variables)
        if not listed:
            return self._store(self.site(plan, self._cloud, self._region))
        if anywhere and not self.is_placed:
            return self._fresh(plan, variables)
        requested = self._reach.requested_region
        return self.open_at(
            plan, placements.choose(plan, listed, self._cloud, self._region, requested)
        )

    def read(self, plan: str) -> store.State:
        """Return a plan as it is now.

        :raises PlanNotFound: there is no such plan.
        """
        return self.open(plan).read()

    def candidate(self, state: store.State) -> Candidate:
        """Return what a plan would be if what was written directly were committed."""
        target = self.open_at(state.plan, state.placement)
        candidate = Candidate.of(state)
        self._recall(target, candidate)
        candidate.finish()
        self._remember(target, candidate)
        return candidate

    def heat_input(
        self, candidate: Candidate, parameters: Mapping[str, Any] | None = None
    ) -> references.HeatInput:
        """Return what Heat is given for a plan, with further parameters that override all."""
        return heat_input(
            candidate.texts(),
            candidate.variables,
            secrets.Vault.from_options(),
            candidate.overrides,
            parameters,
            candidate.scans,
        )

    def create_container(self, plan: str) -> None:
        """Make the empty container that a plan's templates are then uploaded to.

        :raises PlanNameInvalid: the name cannot be a plan's.
        :raises PlanExists: the container, or an environment of that name, is there already.
        """
        target = self.open(plan)
        if target.exists():
            raise exceptions.PlanExists(plan, "Mistral environment")
        target.container.create()

    def upload(self, plan: str, templates_path: str | None = None) -> int:
        """Put templates from the executor's disk into a plan's container.

        :param templates_path: a directory or tarball; the default plan if None.
        :returns: how many files.
        :raises ContainerNotFound: there is no such container.
        :raises InputInvalid: the path is not one that the executor's configuration allows.
        """
        target = self.open(plan).container
        if not target.exists():
            raise exceptions.ContainerNotFound(plan)
        files = tarball.read(sources.allowed_path(templates_path, "templates_path"))
        target.extract(files)
        return len(files)

    def create(
        self,
        plan: str,
        change: Change,
        *,
        files: Mapping[str, bytes] | None = None,
        variables: Mapping[str, Any] | None = None,
        generate_passwords: bool = True,
        sync: bool = True,
    ) -> store.Committed:
        """Make a plan.

        The environment is made last: until then there is no plan, and a refused or failed
        creation leaves what was there before.

        :param files: its files; if None, those that are in its container.
        :param variables: ``parameter_defaults`` and ``passwords`` that it gets besides what its
            files say, where it comes from another plan.
        :param sync: put all files into the container; if not, and they are many, those that clients
            read by name.
        :raises PlanExists: there is a plan of that name, or with ``files`` a container.
        :raises TripleOError: the templates are wrong, each in its own way.
        """
        target = self.open(plan)
        # It needs a Swift and a Heat, which is known before anything is made.
        if not target.exists() and target.site.placement:
            with lock.hold(self.home, plan, change) as held:
                if not target.exists():
                    return self._create(
                        target,
                        change,
                        held,
                        files,
                        variables or {},
                        generate_passwords=generate_passwords,
                        sync=sync,
                    )
        # Mistral may deliver an action twice.
        state = target.read() if change.request else None
        if state is None or state.stored.get("request") != change.request:
            raise exceptions.PlanExists(plan, "Mistral environment")
        return store.Committed(state.revision, changed=True, synced=state.is_shown)

    def _create(
        self,
        target: store.Store,
        change: Change,
        held: lock.Lock,
        files: Mapping[str, bytes] | None,
        variables: Mapping[str, Any],
        *,
        generate_passwords: bool,
        sync: bool,
    ) -> store.Committed:
        plan = target.plan
        look = None
        with contextlib.ExitStack() as undo:
            if files is None:
                look = target.container.look()
                files = target.container.read(look.objects)
            elif target.container.exists():
                raise exceptions.PlanExists(plan, "container")
            candidate = Candidate(plan, dict(files), {}, archive.Files.of({}))
            candidate.take_roots()
            for key in ("parameter_defaults", "passwords"):
                said = candidate.variables.get(key) or {}
                candidate.variables[key] = {**said, **(variables.get(key) or {})}
            if generate_passwords:
                candidate.generate_passwords(heat.stack_parameters(target.cloud, plan))
            candidate.finish()
            if look is None:
                target.container.create()
                undo.callback(_tidy, target.container.delete, target, held)
            elif look.revision is not None:
                # It is left of an earlier plan of that name.
                target.container.mark_revision(None)
            undo.callback(_tidy, target.archive.delete, target, held)
            # What an earlier plan of that name may have left is not this one's history.
            target.archive.delete()
            committed = self._commit(target, None, candidate, change, held, look=look, sync=sync)
            undo.pop_all()
            return committed

    def update(
        self,
        plan: str,
        change: Change,
        *,
        files: Mapping[str, bytes] | None = None,
        plan_environment: Mapping[str, Any] | None = None,
        generate_passwords: bool = True,
    ) -> store.Committed:
        """Take over what a plan's templates now say: root template, root environment, files.

        Chosen environments, parameters and passwords stay.

        :param files: new files instead of all that the plan has.
        :param plan_environment: what a ``plan-environment.yaml`` may say; it replaces what the plan
            has of that.
        :raises PlanNotFound: there is no such plan.
        :raises TripleOError: the templates are wrong; then the plan is as it was.
        """
        target = self.open(plan)

        def edit(candidate: Candidate) -> None:
            if files is not None:
                candidate.replace_files(files)
            candidate.take_roots()
            if plan_environment is not None:
                candidate.take(plan_environment)
            if generate_passwords:
                candidate.generate_passwords(heat.stack_parameters(target.cloud, plan))

        return self.change(plan, change, edit)

    def change(
        self,
        plan: str,
        change: Change,
        edit: Callable[[Candidate], object],
        check: Callable[[Candidate], object] | None = None,
        start: Callable[[store.State], Candidate] = Candidate.of,
    ) -> store.Committed:
        """Build a candidate, check it, commit it as the next revision, under the plan's lock.

        What was written to the plan directly becomes part of the revision. A refused change leaves
        the plan as it was.

        :param edit: edits the candidate; called again if a client writes to the plan meanwhile.
        :param check: looks at the finished candidate and raises what is wrong with it.
        :param start: makes the candidate of the plan as it is.
        :raises PlanNotFound: there is no such plan.
        :raises PlanLocked: somebody else is changing it.
        """
        target = self.open(plan)
        if not target.exists():
            raise exceptions.PlanNotFound(plan, self.every_name())
        with lock.hold(self.home, plan, change) as held:
            return self.change_held(target, change, held, edit, check, start)

    def change_held(
        self,
        target: store.Store,
        change: Change,
        held: lock.Lock,
        edit: Callable[[Candidate], object],
        check: Callable[[Candidate], object] | None = None,
        start: Callable[[store.State], Candidate] = Candidate.of,
        *,
        sync: bool = True,
    ) -> store.Committed:
        """Do as :meth:`change` does, with a lock that is held already."""
        for attempt in range(1, _ATTEMPTS + 1):
            state = target.read()
            # Mistral may deliver an action twice.
            if change.request and state.stored.get("request") == change.request:
                synced = target.sync(held, limit=SLICE)
                return store.Committed(
                    state.revision, changed=True, synced=synced, stale=state.missing
                )
            candidate = start(state)
            self._recall(target, candidate)
            edit(candidate)
            candidate.finish()
            if check:
                check(candidate)
            try:
                return self._commit(target, state, candidate, change, held, sync=sync)
            except exceptions.PlanChanged:
                held.check()
                if attempt == _ATTEMPTS:
                    raise
        raise AssertionError("unreachable")

    def process(self, plan: str, change: Change) -> tuple[store.Committed, Candidate]:
        """Render a plan's templates and commit what was written to it directly.

        :returns: what was committed, and the plan as it is then.
        """
        finished: list[Candidate] = []
        committed = self.change(plan, change, lambda _: None, finished.append)
        return committed, finished[-1] if finished else self.candidate(self.read(plan))

    def delete(
        self,
        plan: str,
        change: Change,
        check: Callable[[Site], object] | None = None,
    ) -> None:
        """Remove a plan in all of its placements: its environment, files, containers.

        A half-made or half-deleted plan is removed as well.

        :param check: raises what is against it in a placement, such as a stack; called when the
            plan is locked, for a deployment may be what the lock was waited for.
        :raises PlanNotFound: nothing of that name is there.
        """
        target = self.open(plan, anywhere=True)
        # A container that is neither marked nor has an environment holds somebody's other data.
        if not target.exists() and not target.is_left():
            raise exceptions.PlanNotFound(plan, self.every_name())
        with lock.hold(self.home, plan, change) as held:
            for site in (target.site, *target.others()):
                if check:
                    check(site)
            held.check()
            target.delete()

    @staticmethod
    def _recall(target: store.Store, candidate: Candidate) -> None:
        """Take over what others have found in the plan's templates, if this process has not."""
        key = candidate.templates_id
        found = _SCANS.get((target.archive.url, key))
        if found is None:
            found = references.load(target.archive.answer("scans", key))
            _SCANS.put((target.archive.url, key), found)
        candidate.scans = found

    @staticmethod
    def _remember(target: store.Store, candidate: Candidate) -> None:
        """Keep for others what was found, except in what clients have put inline."""
        scans = {k: scan for k, scan in candidate.given.scans.items() if k[1] in candidate.files}
        if scans.keys() <= candidate.scans.keys():
            return
        key = candidate.templates_id
        try:
            target.archive.keep_answer("scans", key, references.dump(scans))
            _SCANS.put((target.archive.url, key), scans)
        # It only saves time.
        except Exception:
            LOG.exception("Plan %s: what its templates refer to could not be kept", target.plan)

    def _commit(
        self,
        target: store.Store,
        state: store.State | None,
        candidate: Candidate,
        change: Change,
        held: lock.Lock,
        *,
        look: container.Look | None = None,
        sync: bool = True,
    ) -> store.Committed:
        files = archive.Files.of(candidate.files, state.files if state else None)
        before = (state.base, state.variables) if state else (archive.Files.of({}), {})
        what = revisions.summary(*before, files, candidate.variables)
        committed = target.commit(
            state, files, candidate.variables, change, held, what=what, look=look, sync=sync
        )
        self._remember(target, candidate)
        return committed


def _tidy(work: Callable[[], object], target: store.Store, held: lock.Lock) -> None:
    """Undo a part of a creation; it must not hide the error that made it necessary."""
    try:
        # Whoever took the lock over may be making the plan of what is there.
        held.check()
        # The environment may have been made although we were told that it was not.
        if not target.exists():
            work()
    # Whatever the clean-up met, the first error is the one to report.
    except Exception:
        LOG.exception("Plan %s was not made, and a part of it is left", target.plan)
