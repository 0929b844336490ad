"""Placements: the clouds and regions in which a plan has its container and its stack.

A plan is one configuration with one history; its placements share all of it but the parameters that
one of them overrides. The first placement is the plan's home.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from tripleo_common import exceptions

VARIABLE = "placements"
"""The variable of a plan's environment that lists its placements."""

STALE = "stale"
"""The variable that says which placements did not get the last revisions: name to the revision that
they have, 0 for none."""

_WHERE = "the plan's environment"


@dataclasses.dataclass(frozen=True)
class Placement:
    """A place of a plan.

    :ivar cloud: a name in the executors' ``clouds.yaml``; None is the cloud of the request.
    :ivar region: a region of that cloud.
    :ivar parameter_defaults: values of parameters that hold in this place alone.
    """

    cloud: str | None
    region: str
    parameter_defaults: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def name(self) -> str:
        """What texts call it: the region, after the cloud's name where it has one."""
        return name_of(self.cloud, self.region)

    def is_at(self, other: Placement) -> bool:
        """Tell whether it is the same place."""
        return (self.cloud, self.region) == (other.cloud, other.region)


def name_of(cloud: str | None, region: str | None) -> str:
    """Return what texts call a place."""
    return "/".join(part for part in (cloud, region) if part is not None) or "the own cloud"


def listed(variables: Mapping[str, Any]) -> list[Placement]:
    """Return the placements that a plan's environment lists, the home first; maybe none.

    :raises FileInvalid: what somebody wrote into the environment is no list of placements.
    """
    found: list[Placement] = []
    items = variables.get(VARIABLE) or []
    for item in items if isinstance(items, list) else [None]:
        values = item.get("parameter_defaults") or {} if isinstance(item, dict) else None
        if (
            not isinstance(item, dict)
            or not isinstance(item.get("region"), str)
            or not isinstance(item.get("cloud"), str | None)
            or not isinstance(values, dict)
        ):
            raise exceptions.FileInvalid(
                _WHERE,
                f"{VARIABLE} must hold a list of mappings with cloud, region and "
                "parameter_defaults",
            )
        placement = Placement(item.get("cloud"), item["region"], values)
        if not any(placement.is_at(other) for other in found):
            found.append(placement)
    return found


def dump(placements: Iterable[Placement]) -> list[dict[str, Any]]:
    """Return placements as a plan's environment lists them."""
    return [
        {
            "cloud": placement.cloud,
            "region": placement.region,
            "parameter_defaults": dict(placement.parameter_defaults),
        }
        for placement in placements
    ]


def stale(variables: Mapping[str, Any]) -> dict[str, int]:
    """Return the names of the stale placements, each with the revision that it has."""
    found = variables.get(STALE)
    if not isinstance(found, dict):
        return {}
    return {str(name): number for name, number in found.items() if type(number) is int}


def choose(
    plan: str,
    placements: list[Placement],
    cloud: str | None,
    action_region: str | None,
    requested: str | None,
) -> Placement:
    """Return the placement that a call goes to.

    :param placements: those of the plan; at least one.
    :param cloud: the input ``cloud``.
    :param action_region: the input ``action_region``; a region of that cloud, of the request's own
        if no cloud is named.
    :param requested: the region that the request came with, one of its own cloud's. It says
        nothing about a plan that is in other clouds alone.
    :raises PlacementNotFound: the plan is not there.
    :raises PlacementNotChosen: it has several placements there, and no input chooses one.
    """
    region = action_region
    if region is None and cloud is None and any(p.cloud is None for p in placements):
        region = requested
    given = cloud is not None or region is not None
    found = [
        placement
        for placement in placements
        if not given or (placement.cloud == cloud and region in (None, placement.region))
    ]
    if not found:
        names = (placement.name for placement in placements)
        raise exceptions.PlacementNotFound(plan, name_of(cloud, region), names)
    if len(found) > 1:
        raise exceptions.PlacementNotChosen(plan, (placement.name for placement in found))
    return found[0]
