"""What Heat says of a plan before it is deployed, and of the stack that it has."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from typing import Any

from heatclient import exc as heat_exc

from tripleo_common import clouds, exceptions
from tripleo_common.plan import parameters, references, yaml_files

_WORDS = 2000
"""How much of what Heat says is told."""


@contextlib.contextmanager
def refusals(given: references.HeatInput, hidden: Collection[str]) -> Iterator[None]:
    """Tell what Heat refuses without secrets: it names the values that it refuses.

    :param given: what Heat is given inside of this.
    :param hidden: names of the parameters whose values are secret.
    :raises ServiceRefused: Heat refuses the templates or the values; the message is Heat's.
    """
    try:
        yield
    except heat_exc.HTTPBadRequest as error:
        told = parameters.mask_text(str(error), _values(given, hidden))
        raise exceptions.ServiceRefused("orchestration", 400, told[:_WORDS]) from None


def _values(given: references.HeatInput, names: Collection[str]) -> list[Any]:
    """Return the values that parameters of some names are given."""
    found = []
    for path in given.environment_files:
        document = yaml_files.load_mapping(given.files[path], path)
        for key in ("parameter_defaults", "parameters"):
            values = document.get(key)
            if isinstance(values, dict):
                found += [value for name, value in values.items() if name in names]
    return found


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
