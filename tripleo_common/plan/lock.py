"""The plan's lock: a Mistral environment ``<plan>.lock``, for a name can only be created once.

It is a lease. Its holder looks at it before each step that others would see, and extends it then; a
lock that was not extended in time, or whose execution has ended, may be taken over, and the holder
who lost it finds out before its next step.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
import uuid
from collections.abc import Iterator
from typing import Any

from mistralclient.api import base as mistral_base

from tripleo_common import clouds, config, exceptions
from tripleo_common.plan import environment
from tripleo_common.plan.changes import Change

LOG = logging.getLogger(__name__)

SUFFIX = ".lock"
"""No plan's name has a dot."""

_ENDED = ("SUCCESS", "ERROR", "CANCELLED")


class Lock:
    """A lock that is held."""

    def __init__(self, home: clouds.Cloud, plan: str, content: dict[str, Any]) -> None:
        """Keep it; :func:`hold` has created it."""
        self._home = home
        self._plan = plan
        self._content = content

    def check(self) -> None:
        """Make sure, before a step that others see, that the lock is still ours.

        :raises PlanChanged: somebody has taken it over.
        """
        found = read(self._home, self._plan)
        if not found or found["id"] != self._content["id"]:
            raise exceptions.PlanChanged(self._plan, "its lock was taken over by another change")
        if _seconds_until(found["expires"]) < _lease() / 2:
            self._content["expires"] = _later(_lease())
            environment.write(self._home, self._plan + SUFFIX, self._content)

    def release(self) -> None:
        """Let others in. It is left alone if somebody has taken it over."""
        found = read(self._home, self._plan)
        if found and found["id"] == self._content["id"]:
            environment.delete(self._home, self._plan + SUFFIX)


@contextlib.contextmanager
def hold(home: clouds.Cloud, plan: str, change: Change) -> Iterator[Lock]:
    """Hold a plan's lock.

    :param change: who wants it and why, and for how many seconds it waits for others.
    :raises PlanLocked: somebody else has had it all this time.
    """
    held = _acquire(home, plan, change)
    try:
        yield held
    finally:
        # It expires by itself; what happened inside must not be hidden.
        with contextlib.suppress(Exception):
            held.release()


def read(home: clouds.Cloud, plan: str) -> dict[str, Any] | None:
    """Return who holds a plan's lock, or None: ``id``, ``owner``, ``reason``, ``since`` ..."""
    found = environment.read(home, plan + SUFFIX)
    if found is None:
        return None
    # Anybody in the project can write environments; what is wrong must not stop us for ever.
    texts = {
        "id": "",
        "owner": "unknown",
        "reason": "unknown",
        "execution": None,
        "request": None,
    }
    times = {"since": _later(0), "expires": _later(-1)}
    return {
        **{k: found[k] if isinstance(found.get(k), str) else d for k, d in texts.items()},
        **{k: found[k] if _is_time(found.get(k)) else d for k, d in times.items()},
    }


def describe(content: dict[str, Any]) -> dict[str, Any]:
    """Return what is shown of a lock: owner, reason, since (UTC) and age in seconds."""
    return {
        "owner": content["owner"],
        "reason": content["reason"],
        "since": content["since"],
        "age": round(-_seconds_until(content["since"]), 1),
    }


def _acquire(home: clouds.Cloud, plan: str, change: Change) -> Lock:
    content = {
        "id": uuid.uuid4().hex,
        "owner": change.owner,
        "reason": change.reason or change.action,
        "execution": change.execution,
        "request": change.request,
    }
    found: dict[str, Any] | None = None
    for waited in home.deadline.poll(0.1, 1.0, change.wait):
        content.update(since=_later(0), expires=_later(_lease()))
        try:
            environment.create(home, plan + SUFFIX, content, f"Lock of plan {plan}")
            return Lock(home, plan, content)
        except exceptions.PlanExists:
            pass
        found = read(home, plan)
        # Executions are asked about at first and then every few seconds.
        if found and _is_stale(home, found, change, ask=int(waited) % 5 == 0):
            taken = _take_over(home, plan, found, content)
            if taken:
                return taken
            found = read(home, plan)
    found = found or content
    shown = describe(found)
    raise exceptions.PlanLocked(plan, shown["owner"], shown["reason"], shown["age"])


def _is_stale(home: clouds.Cloud, found: dict[str, Any], change: Change, *, ask: bool) -> bool:
    if _seconds_until(found["expires"]) < 0:
        return True
    # Mistral delivers an action again when the executor that had it is gone.
    if change.request and found["request"] == change.request:
        return True
    if not found.get("execution") or not ask:
        return False
    try:
        return home.mistral.executions.get(found["execution"]).state in _ENDED
    except mistral_base.APIException as error:
        return str(error.error_code) == "404"


def _take_over(
    home: clouds.Cloud, plan: str, found: dict[str, Any], content: dict[str, Any]
) -> Lock | None:
    """Put our name on a stale lock; of several who do, the last one has it."""
    LOG.warning(
        "Plan %s: the lock of %s (%s), held since %s, is taken over by %s",
        plan,
        found["owner"],
        found["reason"],
        found["since"],
        content["owner"],
    )
    try:
        environment.write(home, plan + SUFFIX, content)
    except mistral_base.APIException as error:
        if str(error.error_code) != "404":
            raise
        return None
    # Whoever read the stale lock when we did has written by now.
    for passed in home.deadline.poll(1.0, 1.0, 1.0):
        if passed >= 1.0:
            break
    now = read(home, plan)
    return Lock(home, plan, content) if now and now["id"] == content["id"] else None


def _lease() -> float:
    """Seconds for which a lock is good: longer than any one request of its holder may take."""
    return 2.0 * float(config.options().request_timeout) + 60.0


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _later(seconds: float) -> str:
    return (_now() + datetime.timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


def _is_time(moment: object) -> bool:
    try:
        return datetime.datetime.fromisoformat(str(moment)).tzinfo is not None
    except ValueError:
        return False


def _seconds_until(moment: str) -> float:
    return (datetime.datetime.fromisoformat(moment) - _now()).total_seconds()
