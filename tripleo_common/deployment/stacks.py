"""A stack: finding it, following it to an end, saying why it failed, deleting it."""

from __future__ import annotations

import contextlib
import datetime
import logging
import re
from typing import Any

from heatclient import exc as heat_exc

from tripleo_common import clouds, exceptions
from tripleo_common.deployment import states

LOG = logging.getLogger(__name__)

COMPLETE_OR_FAILED = "complete_or_failed"
IN_PROGRESS = "in_progress"
DOES_NOT_EXIST = "does_not_exist"
AWAITED = (COMPLETE_OR_FAILED, IN_PROGRESS, DOES_NOT_EXIST)
"""What a stack can be waited for to be."""

_STEP_SECONDS = 20
"""How long one look at a stack may take: a workflow looks again and again, and each look occupies
a thread of an executor."""

_NESTED_DEPTH = 10

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}")


def find(cloud: clouds.Cloud, name: str) -> Any:
    """Return a stack as heatclient has it, without its outputs, or None.

    Outputs are left out because Heat computes them at each request, which takes long on a large
    stack.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise exceptions.InputInvalid("stack", f"must be a name or UUID of a stack, not {name!r}.")
    try:
        stack = cloud.heat.stacks.get(name, resolve_outputs=False)
    except heat_exc.HTTPNotFound:
        return None
    return None if stack.stack_status == states.GONE else stack


def check_unused(cloud: clouds.Cloud, plan: str, placement: str) -> None:
    """Check that a plan has no stack.

    :param placement: what that place is called.
    :raises StackInUse: it has one, in whatever state.
    """
    stack = find(cloud, plan)
    if stack:
        raise exceptions.StackInUse(plan, stack.id, stack.stack_status, placement)


def wait_step(
    cloud: clouds.Cloud, name: str, until: str, started_at: str | None, timeout: float
) -> dict[str, Any]:
    """Look at a stack for a while.

    :param until: one of :data:`AWAITED`.
    :param started_at: when the waiting began (``YYYY-MM-DD HH:MM:SS``, UTC); None means now.
    :param timeout: seconds for all steps together.
    :returns: ``{"done", "stack", "status"}``; call again while ``done`` is false.
    :raises StackFailed: it has failed, or (waiting for it to be gone) could not be deleted.
    :raises StackNotFound: there is none, and it is not awaited to be gone.
    :raises StackTimeout: the time is up.
    """
    if until not in AWAITED:
        raise exceptions.InputInvalid("until", f"must be one of {exceptions.one_of(AWAITED)}.")
    if not isinstance(timeout, int | float) or isinstance(timeout, bool):
        raise exceptions.InputInvalid("timeout", "must be a number of seconds.")
    waited = _seconds_since(started_at)
    left = timeout - waited
    # At most a twentieth of the time is lost between two looks, and no stack is asked too often.
    pause = min(5.0, max(0.3, waited / 20))
    status = ""
    for _ in cloud.deadline.poll(pause, pause, max(0.0, min(_STEP_SECONDS, left))):
        stack = find(cloud, name)
        status = stack.stack_status if stack else states.GONE
        if _is_reached(cloud, name, stack, until):
            return {"done": True, "stack": name, "status": status}
    if left <= _STEP_SECONDS:
        raise exceptions.StackTimeout(name, status, timeout)
    return {"done": False, "stack": name, "status": status}


def delete(cloud: clouds.Cloud, name: str) -> bool:
    """Ask Heat to delete a stack; return when it has begun.

    :returns: False if there is none.
    """
    stack = find(cloud, name)
    if not stack:
        return False
    if stack.stack_status != "DELETE_IN_PROGRESS":
        with contextlib.suppress(heat_exc.HTTPNotFound):
            cloud.heat.stacks.delete(stack.id)
        _wait_for_change(cloud, stack)
    return True


def wait_until_begun(cloud: clouds.Cloud, before: Any) -> None:
    """Wait until Heat shows that it works on what it was just asked to do.

    Heat answers before it changes a stack's state, so that a stack that is about to be updated
    looks as complete as one that has been.

    :param before: the stack as it was before.
    """
    _wait_for_change(cloud, before)


def failures(cloud: clouds.Cloud, stack_id: str) -> list[dict[str, str]]:
    """Return the failed resources of a stack and its nested stacks that are causes.

    A resource whose nested stack has failed resources is no cause but a consequence.

    :returns: ``{"resource", "type", "status", "reason"}`` each, at most twenty; ``resource`` is the
        path of resource names from the root.
    """
    listed = cloud.heat.resources.list(stack_id, nested_depth=_NESTED_DEPTH)
    failed = [resource for resource in listed if resource.resource_status.endswith("_FAILED")]
    owners = {r.physical_resource_id: r for r in listed if r.physical_resource_id}
    causes = []
    for resource in failed:
        nested = resource.physical_resource_id
        if nested and any(_stack_of(other) == nested for other in failed):
            continue
        causes.append(
            {
                "resource": _path(resource, owners),
                "type": resource.resource_type,
                "status": resource.resource_status,
                "reason": str(resource.resource_status_reason)[:500],
            }
        )
    return causes[:20]


def _path(resource: Any, owners: dict[str, Any]) -> str:
    words: list[str] = []
    at: Any = resource
    while at is not None and len(words) <= _NESTED_DEPTH:
        words.insert(0, at.resource_name)
        at = owners.get(_stack_of(at))
    return ".".join(words)


def _is_reached(cloud: clouds.Cloud, name: str, stack: Any, until: str) -> bool:
    phase = states.phase(stack.stack_status) if stack else states.Phase.GONE
    if until == DOES_NOT_EXIST:
        if stack and stack.stack_status == "DELETE_FAILED":
            raise _failed(cloud, name, stack)
        return phase is states.Phase.GONE
    if phase is states.Phase.GONE:
        raise exceptions.StackNotFound(name)
    if phase is states.Phase.FAILED:
        raise _failed(cloud, name, stack)
    if until == IN_PROGRESS:
        return phase is states.Phase.IN_PROGRESS
    return phase is states.Phase.COMPLETE


def _failed(cloud: clouds.Cloud, name: str, stack: Any) -> exceptions.StackFailed:
    causes: list[dict[str, str]] = []
    try:
        causes = failures(cloud, stack.id)
    # That the stack has failed is the news, whether or not Heat can say why.
    except Exception:
        LOG.exception("The failed resources of stack %s cannot be listed", name)
    return exceptions.StackFailed(
        name, stack.id, stack.stack_status, str(stack.stack_status_reason), causes
    )


def _wait_for_change(cloud: clouds.Cloud, before: Any) -> None:
    for _ in cloud.deadline.poll(0.1, 1, 30):
        now = find(cloud, before.id)
        if (
            not now
            or states.phase(now.stack_status) is states.Phase.IN_PROGRESS
            or (now.updated_time, now.stack_status) != (before.updated_time, before.stack_status)
        ):
            return


def _seconds_since(moment: str | None) -> float:
    if not moment:
        return 0.0
    try:
        began = datetime.datetime.fromisoformat(moment)
    except (TypeError, ValueError):
        raise exceptions.InputInvalid(
            "started_at", "must be a time like 2026-01-31 12:00:00 (UTC)."
        ) from None
    if began.tzinfo is None:
        began = began.replace(tzinfo=datetime.UTC)
    return max(0.0, (datetime.datetime.now(datetime.UTC) - began).total_seconds())


def _stack_of(resource: Any) -> str:
    """Return the UUID of the stack that a resource is in: its ``stack`` link ends in it."""
    links = {link["rel"]: link["href"] for link in resource.links}
    return str(links.get("stack", "")).rpartition("/")[2]
