"""Deploying a plan in several of its placements: which ones, whether to go on, how it went."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mistralclient.api import base as mistral_base

from tripleo_common import clouds, exceptions
from tripleo_common.plan import placements
from tripleo_common.plan.placements import Placement
from tripleo_common.plan.plans import Plans

WORKFLOW = "tripleo.deployment.v1.deploy_plan_in_regions"

DEPLOYED, FAILED, NOT_BEGUN = "DEPLOYED", "FAILED", "NOT_BEGUN"
"""How it went in a region."""


def choose(
    plans: Plans,
    plan: str,
    regions: object = None,
    resume: object = None,
    concurrency: object = 0,
    max_failures: object = None,
) -> dict[str, Any]:
    """Return the placements of a plan that are to be deployed.

    :param regions: list of regions of the own cloud, or mappings with ``region`` and ``cloud``;
        None for all placements.
    :param resume: id of an earlier execution of the workflow; what it has deployed is left out.
    :param concurrency: how many at a time, 0 for all; only checked.
    :param max_failures: after how many failures no further one is begun; only checked.
    :returns: ``chosen``: ``region`` and ``cloud`` of each; ``done``: the results of those that the
        earlier execution has deployed.
    :raises PlanNotFound: there is no such plan.
    :raises PlacementNotFound: a region is none of its placements.
    """
    for name, value, least in (("concurrency", concurrency, 0), ("max_failures", max_failures, 1)):
        if value is not None and not (type(value) is int and value >= least):
            raise exceptions.InputInvalid(name, f"must be a number, {least} or more.")
    variables = plans.variables(plan)
    # A plan that was never changed since a client made it has none recorded.
    listed = placements.listed(variables) or [plans.open(plan).site.placement]
    if regions is None:
        chosen = listed
    else:
        chosen = []
        for item in regions if isinstance(regions, list) else [None]:
            place = _named(plan, listed, item)
            if place not in chosen:
                chosen.append(place)
    if not chosen:
        raise exceptions.InputInvalid("regions", "must list one region or more.")
    done: list[dict[str, Any]] = []
    if resume is not None:
        before = _results(plans.home, plan, resume)
        done = [result for result in before if result["state"] == DEPLOYED]
        kept = {placements.name_of(result["cloud"], result["region"]) for result in done}
        if regions is None:
            # It may have been about some of them alone.
            known = {placements.name_of(result["cloud"], result["region"]) for result in before}
            chosen = [place for place in chosen if place.name in known]
        chosen = [place for place in chosen if place.name not in kept]
    return {
        "chosen": [{"region": place.region, "cloud": place.cloud} for place in chosen],
        "done": done,
    }


def admit(home: clouds.Cloud, execution: str | None, max_failures: object) -> None:
    """Make sure that not too many of the other regions have failed for one more to be begun.

    :param execution: id of the workflow execution of this region.
    :param max_failures: how many may not; None for any number.
    :raises DeploymentStopped: too many have.
    """
    if max_failures is None or execution is None:
        return
    task = getattr(home.mistral.executions.get(execution), "task_execution_id", None)
    if not task:
        # Started by itself, it has no siblings; all executions there are would be listed.
        return
    siblings = home.mistral.executions.list(task=task, include_output=True)
    failed = [
        result["name"]
        for sibling in siblings
        if (result := _result(_parsed(getattr(sibling, "output", None))))
        and result["state"] == FAILED
    ]
    if type(max_failures) is int and len(failed) >= max_failures:
        raise exceptions.DeploymentStopped(failed, max_failures)


def summarize(plan: str, done: object, outputs: object) -> dict[str, Any]:
    """Return how it went in all regions.

    :param done: results of an earlier execution.
    :param outputs: outputs of the workflow ``deploy_plan_in_region``.
    :returns: ``message`` and ``results``: of each region ``name``, ``region``, ``cloud``,
        ``state``, ``message``, ``error``, ``stack`` and ``revision``.
    :raises RegionsFailed: one of them is not deployed.
    :raises InputInvalid: there is something else among them, or nothing; it is unknown how it went.
    """
    results: list[dict[str, Any]] = []
    for name, value, read in (("done", done, _of), ("outputs", outputs, _result)):
        for item in value if isinstance(value, list) else [value] if value is not None else []:
            result = read(item)
            if result is None:
                raise exceptions.InputInvalid(name, "must list how it went in each region.")
            results.append(result)
    if not results:
        raise exceptions.InputInvalid("outputs", "must list how it went in each region.")
    if any(result["state"] != DEPLOYED for result in results):
        raise exceptions.RegionsFailed(f"Deploying plan {plan}", results)
    return {
        "message": f"Plan {plan} is deployed in "
        f"{exceptions.one_of(result['name'] for result in results)}.",
        "results": results,
    }


def _named(plan: str, listed: list[Placement], item: object) -> Placement:
    if isinstance(item, str):
        return placements.choose(plan, listed, None, item, None)
    if isinstance(item, dict) and set(item) <= {"region", "cloud"}:
        region, cloud = item.get("region"), item.get("cloud")
        clouds.check_names(cloud, region)
        if region is not None or cloud is not None:
            return placements.choose(plan, listed, cloud, region, None)
    raise exceptions.InputInvalid(
        "regions", "must list names of regions, or mappings with region and cloud."
    )


def _results(home: clouds.Cloud, plan: str, resume: object) -> list[dict[str, Any]]:
    """Return the results of an earlier execution."""
    if not isinstance(resume, str) or not resume:
        raise exceptions.InputInvalid("resume", "must be the id of an execution.")
    try:
        found = home.mistral.executions.get(resume)
    except mistral_base.APIException as error:
        if str(error.error_code) not in ("400", "404"):
            raise
        raise exceptions.InputInvalid(
            "resume", f"names {resume!r}, which is no execution of this project."
        ) from error
    began = _parsed(getattr(found, "input", None))
    if getattr(found, "workflow_name", None) != WORKFLOW or began.get("container") != plan:
        raise exceptions.InputInvalid(
            "resume", f"names an execution that is not one of {WORKFLOW} with plan {plan}."
        )
    if found.state in ("RUNNING", "PAUSED", "IDLE"):
        raise exceptions.InputInvalid(
            "resume", f"names an execution that is {found.state}. Wait for it to end."
        )
    output = _parsed(getattr(found, "output", None))
    results = [result for item in _items(output.get("regions_results")) if (result := _of(item))]
    if not results:
        raise exceptions.InputInvalid(
            "resume", "names an execution that has not come to any region. Start without it."
        )
    return results


def _result(output: object) -> dict[str, Any] | None:
    return _of(output.get("result")) if isinstance(output, Mapping) else None


def _of(item: object) -> dict[str, Any] | None:
    """Return a region's result with all that it must have, or None if it is none."""
    if not isinstance(item, Mapping) or item.get("state") not in (DEPLOYED, FAILED, NOT_BEGUN):
        return None
    keys = ("region", "cloud", "state", "message", "error", "stack", "revision")
    found = {key: item.get(key) for key in keys}
    if not all(isinstance(found[key], str | None) for key in ("region", "cloud")):
        return None
    error = found["error"]
    if isinstance(error, Mapping):
        # The whole of it is in the region's own execution; it would stand here several times.
        found["error"] = {key: error.get(key) for key in ("type", "message")}
    return {"name": placements.name_of(found["cloud"], found["region"]), **found}


def _items(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _parsed(text: object) -> dict[str, Any]:
    try:
        found = json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
