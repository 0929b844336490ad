"""What Heat says of a plan before it is deployed, and of the stack that it has."""

from __future__ import annotations

from typing import Any

from heatclient import exc as heat_exc

from tripleo_common import clouds
from tripleo_common.plan import references


def validate(cloud: clouds.Cloud, given: references.HeatInput) -> dict[str, Any]:
    """Return Heat's answer on all nested templates of a plan, with values in clear.

    :raises heatclient.exc.HTTPBadRequest: Heat refuses the templates or the values.
    """
    answer: dict[str, Any] = cloud.heat.stacks.validate(
        template=given.template,
        files=given.files,
        environment_files=given.environment_files,
        show_nested=True,
    )
    return answer


def stack_id(cloud: clouds.Cloud, plan: str) -> str | None:
    """Return the UUID of the stack of a plan's name, or None."""
    try:
        found = cloud.heat.stacks.get(plan, resolve_outputs=False)
    except heat_exc.HTTPNotFound:
        return None
    return None if found.stack_status == "DELETE_COMPLETE" else str(found.id)


def stack_parameters(cloud: clouds.Cloud, plan: str) -> dict[str, Any]:
    """Return the parameters that a plan's stack was given; empty if there is no stack."""
    try:
        environment = cloud.heat.stacks.environment(plan)
    except heat_exc.HTTPNotFound:
        return {}
    return {
        **(environment.get("parameter_defaults") or {}),
        **(environment.get("parameters") or {}),
    }
