"""What nodes and flavors say of a profile: how many servers there can be, of which flavor."""

from __future__ import annotations

from collections.abc import Mapping

from tripleo_common import clouds, exceptions

_COMPUTE_VERSION = "compute 2.61"
"""The first version of the Compute API whose list of flavors has their extra specs."""


def capabilities(properties: object) -> dict[str, str]:
    """Read a node's capabilities, which Ironic keeps as ``name:value,name:value``."""
    text = properties.get("capabilities") if isinstance(properties, Mapping) else None
    if not isinstance(text, str):
        return {}
    pairs = (item.partition(":") for item in text.split(","))
    return {name.strip(): value.strip() for name, colon, value in pairs if colon}


def count(cloud: clouds.Cloud, profile: str) -> int:
    """Return how many nodes are tagged with a profile."""
    nodes = cloud.ironic.node.list(fields=["uuid", "properties"], limit=0)
    return sum(capabilities(node.properties).get("profile") == profile for node in nodes)


def flavor(cloud: clouds.Cloud, profile: str) -> str | None:
    """Return the name of the flavor for a profile; None where there is no Compute service."""
    return next((name for name, found in of_flavors(cloud).items() if found == profile), None)


def of_flavors(cloud: clouds.Cloud) -> dict[str, str]:
    """Return flavor name to the profile that it is for; nothing without a Compute service."""
    try:
        url = cloud.endpoint("compute")
    except exceptions.ServiceNotFound:
        return {}
    answer = cloud.session.get(
        f"{url}/flavors/detail", headers={"OpenStack-API-Version": _COMPUTE_VERSION}
    )
    found = {}
    for item in answer.json()["flavors"]:
        profile = (item.get("extra_specs") or {}).get("capabilities:profile")
        if profile:
            found[str(item["name"])] = str(profile)
    return found
