"""Sending a plan to Heat."""

from __future__ import annotations

import time
from typing import Any

from heatclient import exc as heat_exc

from tripleo_common import clouds, exceptions
from tripleo_common.deployment import stacks, states
from tripleo_common.plan import heat as heat_of_plan
from tripleo_common.plan import lock
from tripleo_common.plan.candidate import Candidate
from tripleo_common.plan.changes import Change
from tripleo_common.plan.plans import Plans


def deploy(
    plans: Plans,
    plan: str,
    timeout: int,
    change: Change,
    *,
    skip_deploy_identifier: bool = False,
    identifier: str | None = None,
) -> dict[str, Any]:
    """Create the plan's stack, or update it; return when Heat has begun.

    What was written to the plan directly is committed first, so that what is deployed is a
    revision. The plan is locked until Heat has begun.

    :param timeout: minutes that Heat may take.
    :param change: who deploys, and why.
    :param skip_deploy_identifier: leave what has not changed alone, instead of configuring
        everything anew.
    :param identifier: says which request this is; a request that Heat has begun with already is
        not made again. The time is taken if there is none.
    :returns: ``stack`` (``id``, ``name``), ``action`` (``CREATE`` or ``UPDATE``), ``revision``,
        ``stale`` (placements that did not get it), and where that is: ``cloud`` and ``region``.
    :raises PlanNotFound: there is no such plan.
    :raises PlacementStale: the placement did not get the plan's last revision.
    :raises StackBusy: Heat is at work on the stack for somebody else.
    :raises ServiceRefused: Heat does not accept the templates or parameters.
    """
    if not isinstance(timeout, int) or isinstance(timeout, bool) or timeout < 1:
        raise exceptions.InputInvalid("timeout", "must be a number of minutes, 1 or more.")
    target = plans.open(plan)
    if not target.exists():
        raise exceptions.PlanNotFound(plan, plans.every_name())
    with lock.hold(plans.home, plan, change) as held:
        finished: list[Candidate] = []
        committed = plans.change_held(target, change, held, lambda _: None, finished.append)
        candidate = finished[-1] if finished else plans.candidate(target.read())
        held.check()
        accepted = _send(
            plans,
            target.cloud,
            candidate,
            timeout,
            skip_deploy_identifier,
            identifier or str(int(time.time())),
        )
        target.archive.mark_deployed(
            committed.revision, {"user": change.user, "stack": accepted["stack"]["id"]}
        )
    place = target.site.placement
    return {
        **accepted,
        "revision": committed.revision,
        "stale": committed.to_dict()["stale"],
        "cloud": place.cloud,
        "region": place.region,
    }


def _send(
    plans: Plans,
    cloud: clouds.Cloud,
    candidate: Candidate,
    timeout: int,
    skip_deploy_identifier: bool,
    identifier: str,
) -> dict[str, Any]:
    plan = candidate.plan
    heat = cloud.heat.stacks
    before = stacks.find(cloud, plan)
    action = "UPDATE" if before else "CREATE"
    if before:
        # Not the parameter DeployIdentifier: it is left empty on request, and is shown by Heat only
        # if the template has it.
        ours = f"tripleo-request-{identifier}" in (getattr(before, "tags", None) or [])
        phase = states.phase(before.stack_status)
        # A request that has failed may be made again; one that Heat has begun or done may not.
        if (
            ours
            and phase is not states.Phase.FAILED
            and before.stack_status != "DELETE_IN_PROGRESS"
        ):
            return _accepted(plan, before.id, action)
        if phase is states.Phase.IN_PROGRESS:
            raise exceptions.StackBusy(plan, before.id, before.stack_status)
    given = plans.heat_input(
        candidate,
        {
            "DeployIdentifier": "" if skip_deploy_identifier else identifier,
            "UpdateIdentifier": "",
            "StackAction": action,
        },
    )
    fields: dict[str, Any] = {
        "stack_name": plan,
        "template": given.template,
        "files": given.files,
        "environment_files": given.environment_files,
        "timeout_mins": timeout,
        "tags": f"tripleo-request-{identifier}",
    }
    refusals = heat_of_plan.refusals(given, candidate.hidden)
    if before:
        try:
            with refusals:
                heat.update(before.id, **fields)
        except heat_exc.HTTPConflict as error:
            raise _busy(cloud, plan) from error
        stacks.wait_until_begun(cloud, before)
        return _accepted(plan, before.id, action)
    try:
        with refusals:
            created = heat.create(disable_rollback=True, **fields)
    except heat_exc.HTTPConflict as error:
        raise _busy(cloud, plan) from error
    return _accepted(plan, created["stack"]["id"], action)


def _busy(cloud: clouds.Cloud, plan: str) -> exceptions.StackBusy:
    busy = stacks.find(cloud, plan)
    return exceptions.StackBusy(
        plan, busy.id if busy else "unknown", busy.stack_status if busy else "unknown"
    )


def _accepted(plan: str, stack_id: str, action: str) -> dict[str, Any]:
    return {"stack": {"id": stack_id, "name": plan}, "action": action}
