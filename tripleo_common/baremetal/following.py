"""Beginning runs over many nodes, and following them to their end, whatever they do."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tripleo_common import clouds, exceptions
from tripleo_common.baremetal import introspection, nodes, provisioning, runs, states

_WORKS: dict[str, type[runs.Work]] = {
    work.kind: work
    for work in (
        provisioning.Provision,
        provisioning.Power,
        introspection.IronicInspection,
        introspection.InspectorIntrospection,
    )
}


def move(
    cloud: clouds.Cloud,
    names: object,
    action: object,
    target: object,
    *,
    errors: object = None,
    off: bool = False,
    concurrency: object = 0,
    node_timeout: object = None,
    run_id: str | None = None,
    task: str | None = None,
) -> dict[str, Any]:
    """Begin to move nodes to another provision state.

    :param names: list of UUIDs or names, or ``manageable`` for all that are so.
    :param action: a move, such as ``provide``.
    :param target: the state that it leads to, or None.
    :param errors: list of further states that count as failed.
    :param off: switch the nodes off when they are there.
    :param concurrency: how many at a time, 0 for all.
    :param node_timeout: seconds for each node, or None.
    :param run_id: that of the workflow execution, or None.
    :param task: id of the task that asks, or None.
    :returns: :meth:`runs.Run.progress`.
    """
    asked, goal = provisioning.goal_of(action, target)
    _check_errors(errors)
    if asked == "inspect":
        # A node that is manageable says nothing of whether it was.
        return introspect(
            cloud,
            names,
            concurrency=concurrency,
            node_timeout=node_timeout,
            run_id=run_id,
            task=task,
        )
    options = {
        "goal": goal,
        "moves": [asked],
        "errors": errors,
        "off": off,
        **_limits(concurrency, node_timeout),
    }
    work = provisioning.Provision(cloud, options)
    return _begin(work, nodes.chosen, names, run_id, task)


def switch(
    cloud: clouds.Cloud,
    names: object,
    action: object,
    target: object,
    *,
    node_timeout: object = None,
    run_id: str | None = None,
    task: str | None = None,
) -> dict[str, Any]:
    """Begin to switch nodes on or off.

    :param names: list of UUIDs or names.
    :param action: one of :data:`states.POWER`.
    :param target: the power state that it leads to, or None.
    :param node_timeout: seconds for each node, or None.
    :param run_id: that of the workflow execution, or None.
    :param task: id of the task that asks, or None.
    :returns: :meth:`runs.Run.progress`.
    """
    options = {"asked": provisioning.power_of(action, target), **_limits(0, node_timeout)}
    work = provisioning.Power(cloud, options)
    return _begin(work, nodes.find, names, run_id, task)


def introspect(
    cloud: clouds.Cloud,
    names: object,
    *,
    concurrency: object = 20,
    attempts: object = 1,
    node_timeout: object = None,
    run_id: str | None = None,
    task: str | None = None,
) -> dict[str, Any]:
    """Begin to introspect nodes.

    :param names: list of UUIDs or names, or ``manageable`` for all that are so.
    :param concurrency: how many at a time, 0 for all.
    :param attempts: how often it is tried with each.
    :param node_timeout: seconds for each attempt, or None.
    :param run_id: that of the workflow execution, or None.
    :param task: id of the task that asks, or None.
    :returns: :meth:`runs.Run.progress`.
    """
    if not isinstance(attempts, int) or isinstance(attempts, bool) or not 1 <= attempts <= 20:
        raise exceptions.InputInvalid("max_retry_attempts", "must be a number from 0 to 19.")
    options = {"attempts": attempts, **_limits(concurrency, node_timeout)}
    work = introspection.work_for(cloud)(cloud, options)
    return _begin(work, nodes.chosen, names, run_id, task)


def follow(cloud: clouds.Cloud, run_id: object) -> dict[str, Any]:
    """Bring a run forward for a while.

    :returns: :meth:`runs.Run.progress`; when it is ``done`` also :meth:`runs.Run.results` and what
        its work reports. Call again while ``done`` is false.
    :raises NodesFailed: it has ended, and some nodes failed. The details have all of a result.
    """
    run = runs.Run.load(cloud, run_id)
    if run.kind not in _WORKS:
        raise exceptions.RunNotFound(run.id)
    work = _WORKS[run.kind](cloud, run.options)
    if run.open:
        runs.follow(cloud, work, run)
    progress = run.progress()
    if not progress["done"]:
        return progress
    results = {**run.results(), **work.report(run)}
    failures = run.failures()
    if failures:
        raise exceptions.NodesFailed(
            work.what, progress["total"], failures, run=run.id, counts=progress["counts"], **results
        )
    return {**progress, **results, "message": run.told(work.what)}


def _begin(
    work: runs.Work,
    choose: Callable[..., Iterable[Mapping[str, Any]]],
    names: object,
    run_id: str | None,
    task: str | None,
) -> dict[str, Any]:
    chosen = functools.partial(choose, work.cloud, names)
    request = runs.request(task, [work.kind, work.options, names])
    return runs.begin(work.cloud, work, chosen, work.options, run_id, request).progress()


def _check_errors(errors: object) -> None:
    if errors is None:
        return
    if not isinstance(errors, list):
        raise exceptions.InputInvalid("error_states", "must be a list of states.")
    unknown = [state for state in errors if str(state) not in states.STATES]
    if unknown:
        raise exceptions.InputInvalid(
            "error_states",
            f"has {exceptions.one_of(str(state)[:80] for state in unknown)}; states are "
            f"{exceptions.one_of(states.STATES)}.",
        )


def _limits(concurrency: object, node_timeout: object) -> dict[str, Any]:
    if not isinstance(concurrency, int) or isinstance(concurrency, bool) or concurrency < 0:
        raise exceptions.InputInvalid("concurrency", "must be a number, 0 or more.")
    if node_timeout is not None and (
        not isinstance(node_timeout, int | float)
        or isinstance(node_timeout, bool)
        or not 0 < node_timeout < 10**9
    ):
        raise exceptions.InputInvalid("node_timeout", "must be a number of seconds, more than 0.")
    return {"concurrency": concurrency, "node_timeout": node_timeout}
