"""What nodes are given before they are deployed: boot images, a root device, a profile."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tripleo_common import clouds, exceptions
from tripleo_common.baremetal import (
    images,
    introspection,
    matching,
    node_data,
    nodes,
    registration,
    root_device,
)

_FIELDS = (*nodes.STATE, "driver_info", "properties")


def configure(
    cloud: clouds.Cloud,
    names: object,
    *,
    kernel: object = None,
    ramdisk: object = None,
    boot_option: object = None,
    device: object = None,
    minimum_size: object = 4,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Give nodes their boot images, and hints on which disk is their root device.

    :param names: list of UUIDs or names; ``manageable`` for all that are so.
    :param kernel: as for :func:`images.deploy_images`; ``ramdisk`` likewise.
    :param boot_option: the capability ``boot_option``, or None to leave it.
    :param device: as for :func:`root_device.choose`, or None to leave it.
    :param minimum_size: GiB that the root device has at least.
    :param overwrite: give hints also to a node that has some.
    :returns: ``configured``: list of UUIDs; ``unchanged``: likewise.
    :raises NodesFailed: some could not be; the others are configured.
    """
    option = images.check_boot_option(boot_option)
    root_device.check(device, minimum_size)
    chosen = nodes.chosen(cloud, names, _FIELDS)
    wanted, named = images.deploy_images(cloud, kernel, ramdisk), images.named(kernel, ramdisk)

    def patch(node: Mapping[str, Any]) -> list[dict[str, Any]]:
        info, properties = node["driver_info"] or {}, node["properties"] or {}
        changes: list[dict[str, Any]] = [
            _set("driver_info", key, image)
            for key, image in wanted.items()
            if (info.get(key) != image if key in named else not info.get(key))
        ]
        if option is not None:
            changes.extend(_capability(properties, "boot_option", option))
        return [*changes, *_root_device(cloud, node, device, minimum_size, overwrite)]

    return _change_each(cloud, chosen, patch, "configured")


def set_root_device(
    cloud: clouds.Cloud, name: object, device: object, minimum_size: object, overwrite: bool
) -> dict[str, Any]:
    """Give one node hints on its root device; the inputs are those of :func:`configure`."""
    root_device.check(device, minimum_size)
    return _change_each(
        cloud,
        nodes.find(cloud, [name], _FIELDS, what="node_uuid"),
        lambda node: _root_device(cloud, node, device, minimum_size, overwrite),
        "configured",
    )


def match(
    cloud: clouds.Cloud, plan: str, demands: Sequence[Mapping[str, Any]], *, dry_run: bool
) -> dict[str, Any]:
    """Match nodes with the roles of a plan.

    :param demands: ``role``, ``count`` and ``profile`` of each role.
    :param dry_run: tag no node.
    :returns: as :meth:`matching.Result.to_dict`, and ``tagged``: UUIDs of nodes that were given a
        profile.
    :raises ProfilesUnmatched: nodes are to be tagged, and there are not enough; none was tagged.
    """
    wanted = [matching.Demand(**demand) for demand in demands]
    found = matching.match(wanted, nodes.listed(cloud, _FIELDS))
    if dry_run:
        return {**found.to_dict(), "tagged": []}
    if any(role["missing"] for role in found.roles):
        raise exceptions.ProfilesUnmatched(plan, found.roles)
    chosen = nodes.find(cloud, list(found.assign), _FIELDS) if found.assign else []
    changed = _change_each(
        cloud,
        chosen,
        lambda node: _capability(node["properties"] or {}, "profile", found.assign[node["uuid"]]),
        "tagged",
    )
    return {**found.to_dict(), "tagged": changed["configured"]}


def _root_device(
    cloud: clouds.Cloud,
    node: Mapping[str, Any],
    device: object,
    minimum_size: object,
    overwrite: bool,
) -> list[dict[str, Any]]:
    """Return the patch that gives a node hints on its root device."""
    properties = node["properties"] or {}
    if device is None or (properties.get("root_device") and not overwrite):
        return []
    facts = introspection.facts_of(cloud, node)
    found = root_device.choose(exceptions.node_title(node), facts, device, minimum_size)
    changes = []
    if properties.get("root_device") != found.hints:
        changes.append(_set("properties", "root_device", found.hints))
    size = root_device.local_gb(found.size_gib)
    if str(properties.get("local_gb")) != str(size):
        changes.append(_set("properties", "local_gb", size))
    return changes


def set_capability(
    cloud: clouds.Cloud, names: object, capability: object, value: object
) -> dict[str, Any]:
    """Give a capability to nodes, or take it away.

    :param names: list of UUIDs or names.
    :param value: None takes it away.
    :returns: as :func:`configure`.
    :raises NodesFailed: some could not be changed; the others are.
    """
    word, new = _word("capability", capability), None if value is None else _word("value", value)
    chosen = nodes.find(cloud, names, _FIELDS)
    return _change_each(
        cloud,
        chosen,
        lambda node: _capability(node["properties"] or {}, word, new),
        "changed",
    )


def tag(cloud: clouds.Cloud, tagged: object, untagged: object, profile: object) -> dict[str, Any]:
    """Give nodes a profile, and take theirs away from others.

    :param tagged: list of UUIDs or names that get it; may be empty.
    :param untagged: list of UUIDs or names that lose theirs; may be empty.
    :param profile: its name; None takes it away from those as well.
    :returns: as :func:`configure`.
    :raises NodesFailed: some could not be changed; the others are.
    """
    wanted: dict[str, str | None] = {}
    chosen: dict[str, dict[str, Any]] = {}
    for what, names, value in (
        ("tag_node_uuids", tagged, None if profile is None else _word("role", profile)),
        ("untag_node_uuids", untagged, None),
    ):
        if not isinstance(names, list):
            raise exceptions.InputInvalid(what, "must be a list of UUIDs or names of nodes.")
        for node in nodes.find(cloud, names, _FIELDS, what=what) if names else ():
            if node["uuid"] in chosen:
                title = exceptions.node_title(node)
                raise exceptions.InputInvalid(what, f"has node {title}, which is to be tagged.")
            chosen[node["uuid"]] = node
            wanted[node["uuid"]] = value
    return _change_each(
        cloud,
        list(chosen.values()),
        lambda node: _capability(node["properties"] or {}, "profile", wanted[node["uuid"]]),
        "tagged",
    )


def _word(name: str, value: object) -> str:
    """Return a word of a capability.

    :raises InputInvalid: it cannot be one.
    """
    text = str(value).strip() if isinstance(value, str | int) else ""
    if not text or any(mark in text for mark in ",:") or not text.isprintable():
        raise exceptions.InputInvalid(name, "must be a text without comma and colon.")
    return text


def _change_each(
    cloud: clouds.Cloud,
    chosen: list[dict[str, Any]],
    patch: Callable[[Mapping[str, Any]], list[dict[str, Any]]],
    what: str,
) -> dict[str, Any]:
    def work(node: Mapping[str, Any]) -> bool:
        if not patch(node):
            return False
        changes = patch(registration.current(cloud, node))
        if changes:
            nodes.change(cloud, node["uuid"], changes)
        return bool(changes)

    done: dict[str, list[str]] = {"configured": [], "unchanged": []}
    failed = []
    for node, changed in nodes.each(cloud, chosen, work):
        if isinstance(changed, exceptions.TripleOError):
            failed.append(nodes.failed(node, changed))
        else:
            done["configured" if changed else "unchanged"].append(node["uuid"])
    if failed:
        raise exceptions.NodesFailed(what, len(chosen), failed, **done)
    return done


def _capability(
    properties: Mapping[str, Any], name: str, value: str | None
) -> list[dict[str, Any]]:
    """Return the patch that sets a capability, or removes it; nothing if it is so already."""
    have = node_data.capabilities(properties.get("capabilities"))
    if have.get(name) == value:
        return []
    new = {key: item for key, item in have.items() if key != name}
    if value is not None:
        new[name] = value
    return [_set("properties", "capabilities", node_data.capabilities_text(new))]


def _set(*path_and_value: Any) -> dict[str, Any]:
    *path, value = path_and_value
    return {"op": "add", "path": nodes.pointer(*path), "value": value}
