"""Adding, removing and bringing up the placements of a plan."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from tripleo_common import clouds, exceptions
from tripleo_common.plan import heat, lock, placements, store
from tripleo_common.plan.candidate import Candidate
from tripleo_common.plan.changes import Change
from tripleo_common.plan.placements import Placement
from tripleo_common.plan.plans import Plans
from tripleo_common.plan.site import SLICE, Site

LOG = logging.getLogger(__name__)


def add(
    plans: Plans, plan: str, cloud: str | None, region: str | None, change: Change, *, sync: bool
) -> tuple[store.Committed, Placement]:
    """Place a plan in one more cloud and region, with all of its revisions.

    :param cloud: a name in the executors' ``clouds.yaml``; None for the request's own cloud.
    :param region: a region of that; None for the only one.
    :param sync: put all files into its container there at once.
    :returns: what was committed, and the placement. Nothing happens if it is one already.
    :raises PlacementTaken: there is a container or a stack of that name there.
    :raises ServiceUnavailable: it does not answer.
    """
    target = plans.open_any(plan)
    site = plans.site(plan, cloud, region)
    place = site.placement
    with lock.hold(plans.home, plan, change) as held:
        state = target.read()
        if any(place.is_at(other) for other in state.placements):
            done = store.Committed(
                state.revision, changed=False, synced=state.is_shown, stale=state.missing
            )
            return done, place
        if site.container.exists() and not site.is_left():
            raise exceptions.PlacementTaken(plan, place.name, "a container")
        if heat.stack_id(site.cloud, plan):
            raise exceptions.PlacementTaken(plan, place.name, "a stack")
        held.check()
        # What an earlier plan of that name may have left is not this one's history.
        site.delete()

        def edit(candidate: Candidate) -> None:
            listed = placements.listed(candidate.variables) or [state.placement]
            candidate.variables[placements.VARIABLE] = placements.dump([*listed, place])

        committed = plans.change_held(target, change, held, edit, sync=sync)
        if place.name in committed.stale:
            LOG.warning("Plan %s: placement %s is added and stale", plan, place.name)
    return committed, place


def remove(
    plans: Plans,
    plan: str,
    cloud: str | None,
    region: str | None,
    change: Change,
    *,
    force: bool = False,
) -> store.Committed:
    """Take a placement from a plan, with its containers there.

    If it is the plan's home, the next one is from then on.

    :param force: take one from the plan that does not answer; what is there stays there.
    :raises PlacementNotFound: it is none.
    :raises PlacementInUse: a stack is there, or files that were written there directly and are not
        committed; or it is the only one.
    :raises ServiceUnavailable: it does not answer, so nobody knows whether a stack is there.
    """
    # There must be such a plan to be locked.
    plans.variables(plan)
    with lock.hold(plans.home, plan, change) as held:
        # Others may have added and removed placements while this one waited.
        found = plans.variables(plan)
        listed, stale = placements.listed(found), placements.stale(found)
        # Mistral may deliver an action twice.
        if listed and change.request and found.get("request") == change.request:
            return plans.change_held(plans.open_any(plan), change, held, lambda _: None)
        if not listed:
            raise exceptions.PlacementInUse(plan, placements.name_of(cloud, region), _ONLY)
        place = placements.choose(plan, listed, cloud, region, None)
        target = plans.open_at(plan, _keeper(plan, place, listed, stale))
        try:
            site = plans.open_site(plan, place)
            _check_unused(plans, site, is_stale=place.name in stale)
        # Whatever shows that the place does not answer; anything else is raised.
        except Exception as error:
            known = clouds.translate(error, {})
            if not (force and isinstance(known, _SILENT)):
                raise
            LOG.warning("Plan %s: placement %s is taken from it unseen", plan, place.name)
        else:
            # Should this executor die in between, tripleo.plan.sync makes them again.
            target.give_up(place, held)
            site.delete()

        def edit(candidate: Candidate) -> None:
            candidate.variables[placements.VARIABLE] = [
                item
                for item in placements.dump(placements.listed(candidate.variables))
                if (item["cloud"], item["region"]) != (place.cloud, place.region)
            ]

        return plans.change_held(target, change, held, edit)


_ONLY = "it is the only one. Delete the plan instead (tripleo.plan.delete)."

_SILENT = (
    exceptions.ServiceUnavailable,
    exceptions.CloudNotFound,
    exceptions.NotAllowed,
    exceptions.DeadlineExceeded,
)
"""How a place that is gone for good shows itself."""


def _keeper(
    plan: str, place: Placement, listed: list[Placement], stale: Mapping[str, int]
) -> Placement:
    """Return a placement that has the plan when another one is gone.

    :raises PlacementInUse: there is none.
    """
    rest = [other for other in listed if not other.is_at(place)]
    if not rest:
        raise exceptions.PlacementInUse(plan, place.name, _ONLY)
    keeper = next((other for other in rest if other.name not in stale), None)
    if keeper is None:
        raise exceptions.PlacementInUse(
            plan, place.name, "all others are stale. Bring them up first (tripleo.plan.sync)."
        )
    return keeper


def _check_unused(plans: Plans, site: Site, *, is_stale: bool) -> None:
    """Make sure that nothing is lost with a placement.

    :raises PlacementInUse: a stack is there, or files that are not committed.
    """
    plan, place = site.plan, site.placement
    stack = heat.stack_id(site.cloud, plan)
    if stack:
        raise exceptions.PlacementInUse(
            plan,
            place.name,
            f"the stack {plan} (UUID {stack}) is there. Delete it first "
            "(tripleo.stack.v1.delete_stack).",
        )
    direct: list[str] = []
    if not is_stale:
        direct = plans.open_at(plan, place).direct()
    else:
        # Nothing of it counts, but it must answer, for it is emptied next.
        site.container.exists()
    if direct:
        raise exceptions.PlacementInUse(
            plan,
            place.name,
            f"{exceptions.one_of(direct)} there was written directly and is not committed. "
            "Commit it (tripleo.templates.process with that region) or remove it.",
        )


def sync(plans: Plans, plan: str, change: Change) -> list[dict[str, Any]]:
    """Bring placements up to the plan's revision, and their containers into line with it.

    That is the placement that the call names; all of them if it names none. Other changes of the
    plan may come in between.

    :returns: of each ``placement`` (its name), ``state`` (``synced`` or ``stale``) and ``message``.
    :raises ServiceUnavailable: the placement that was named does not answer.
    """
    first = plans.open(plan, anywhere=True)
    stored = plans.variables(plan)
    places = placements.listed(stored)
    if plans.is_placed or not places:
        places = [first.site.placement]
    told: list[dict[str, Any]] = []
    for place in places:
        message, done = "", False
        target: store.Store | None = None
        try:
            target = plans.open_at(plan, place)
            if place.name in placements.stale(stored):
                with lock.hold(plans.home, plan, change) as held:
                    target.bring_up(held)
            for _ in plans.home.deadline.poll(0, 0, plans.home.deadline.seconds):
                with lock.hold(plans.home, plan, change) as held:
                    done = target.sync(held, limit=SLICE)
                if done:
                    break
        # One placement that does not answer must not keep the others from being brought up.
        except Exception as error:
            known = clouds.translate(error, target.cloud.names if target else {})
            if len(places) == 1 or known is None:
                raise
            message = known.message
        told.append(
            {
                "placement": place.name,
                "state": "synced" if done else "stale",
                "message": message,
            }
        )
    return told
