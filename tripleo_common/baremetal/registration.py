"""Bringing a list of nodes into Ironic: new ones made, changed ones changed, all others left."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import hashlib
import json
import logging
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import swiftclient.exceptions
from ironicclient import exc as ironic_exc

from tripleo_common import clouds, config, exceptions, vault
from tripleo_common.baremetal import drivers, images, node_data, nodes, runs, states
from tripleo_common.baremetal.node_data import Node

LOG = logging.getLogger(__name__)

_MARK = "tripleo_credentials"
"""What ``extra`` has of a BMC's password: a keyed hash, to tell whether another one is given.
Ironic shows no password."""

_MANAGE_SECONDS = 1800
"""How long Ironic may try the BMC of a node. Cleaning one may take any time."""

_PURPOSE = "BMC credentials"

_NAMESPACE = uuid.UUID("b4e3b5b2-0f0e-4d0c-9c5b-6c2f7f2f3a10")

_FIELDS = (
    *nodes.STATE,
    "driver",
    "driver_info",
    "properties",
    "extra",
    "traits",
    "protected",
    "inspection_finished_at",
)
"""What is looked at of every node; of the others those that the list has."""

_DISCOVERED = ("cpu_arch", "cpus", "local_gb", "memory_mb")
"""Properties that introspection finds."""

_LISTED = "tripleo_listed"
"""What ``extra`` has of these properties as the list said them."""

_PORT_FIELDS = (
    "uuid",
    "node_uuid",
    "address",
    "pxe_enabled",
    "local_link_connection",
    "physical_network",
    "extra",
    "portgroup_uuid",
    "is_smartnic",
)
"""What is looked at of every port; of the others those that the list has."""

_REFERENCE = {"container", "object"}

REGISTERED, UPDATED, UNCHANGED = "registered", "updated", "unchanged"


@dataclasses.dataclass(frozen=True)
class _Known:
    """What Ironic has."""

    nodes: list[dict[str, Any]]
    ports: dict[str, list[dict[str, Any]]]
    """UUID of a node to its ports."""


@dataclasses.dataclass(frozen=True)
class _Pair:
    """A node of the list, and what Ironic has of it."""

    wanted: Node
    there: dict[str, Any] | None
    ports: list[dict[str, Any]]
    uuid: str
    """Its own in Ironic, or the one that it is to have there."""

    @property
    def may_change(self) -> bool:
        """Whether it is nobody's, or is not there yet."""
        return self.there is None or states.is_free(self.there)


def read(cloud: clouds.Cloud, content: object) -> list[Node]:
    """Return the nodes of a list, checked as one document, also against Ironic's drivers.

    :param content: a list of nodes, a mapping with ``nodes``, a text of JSON or YAML of either, or
        a reference to an object that holds such a text (``container`` and ``object``).
    :raises NodesInvalid: with all faults of all nodes.
    :raises LimitExceeded: there are too many nodes.
    """
    if isinstance(content, Mapping) and set(content) == _REFERENCE:
        content = _fetch(cloud, content)
    entries = node_data.read(content, most=config.options().nodes_max)
    return node_data.normalize(entries, drivers=_enabled_drivers(cloud))


def validate(cloud: clouds.Cloud, content: object) -> dict[str, int]:
    """Check a list of nodes, in itself and against Ironic; change nothing.

    :returns: how many would be ``registered``, ``updated`` and ``unchanged``.
    :raises NodesInvalid: with all faults of all nodes.
    """
    listed = read(cloud, content)
    pairs = _match(listed, _known(cloud, listed))
    wishes = _Wishes(images.deploy_images(cloud), set(), None)
    return {REGISTERED: 0, UPDATED: 0, UNCHANGED: 0, **_outcomes(pairs, wishes)}


def register(
    cloud: clouds.Cloud,
    content: object,
    *,
    remove: bool = False,
    remove_fingerprint: str | None = None,
    kernel: object = None,
    ramdisk: object = None,
    boot_option: object = None,
    initial_state: object = states.MANAGEABLE,
    run_id: str | None = None,
    task: str | None = None,
) -> runs.Run | dict[str, Any]:
    """Bring a list of nodes into Ironic. A node that fails stops no other.

    :param content: as for :func:`read`.
    :param remove: delete the nodes that are not in the list, once their preview was seen.
    :param remove_fingerprint: that of the preview.
    :param kernel: as for :func:`images.deploy_images`; ``ramdisk`` likewise.
    :param boot_option: the capability ``boot_option`` of nodes that say nothing of it.
    :param initial_state: where nodes in ``enroll`` are to be brought; the run does it.
    :param run_id: that of the workflow execution, or None.
    :param task: id of the task that asks, or None.
    :returns: a run whose nodes are those of the list, to be followed to their initial state; or,
        if a preview has to be seen first, that: ``fingerprint``, ``remove`` (nodes that would be
        deleted), ``kept`` (nodes that are in neither, and why), ``register``, ``update`` and
        ``unchanged`` (counts). Nothing was changed then.
    :raises NodesInvalid: with all faults of all nodes. Nothing was changed.
    :raises NodesChanged: the preview is no longer right. Nothing was changed.
    """
    moves = _moves(initial_state)
    option = images.check_boot_option(boot_option)
    listed = read(cloud, content)
    identities = [[node.uuid, node.bmc, node.name, *node.macs] for node in listed]
    request = runs.request(task, [initial_state, remove_fingerprint, identities])
    there = runs.begun(cloud, run_id, request)
    if there:
        return there
    known = _known(cloud, listed)
    pairs = _match(listed, known)
    chosen = images.deploy_images(cloud, kernel, ramdisk)
    wishes = _Wishes(chosen, images.named(kernel, ramdisk), option)
    unlisted = _removal(pairs, known) if remove else {"remove": [], "kept": []}
    if remove:
        preview = _preview(pairs, unlisted, wishes)
        if remove_fingerprint is None:
            return preview
        if remove_fingerprint != preview["fingerprint"]:
            raise exceptions.NodesChanged(preview)
    options = {
        "goal": initial_state,
        "moves": moves,
        "what": f"registered and made {initial_state}" if moves else "registered",
        "node_timeout": _MANAGE_SECONDS if moves == ["manage"] else None,
    }
    run = runs.Run(run_id or str(uuid.uuid4()), "provision", options, time.time())
    run.request = request
    marker = vault.Vault.from_options(_PURPOSE)
    if any(_secrets(pair.wanted) for pair in pairs):
        try:
            marker.mark(None)
        except exceptions.EncryptionKeyMissing as missing:
            LOG.warning("BMC passwords are written with every registration: %s", missing.message)
    for pair, done in nodes.each(cloud, pairs, lambda pair: _apply(cloud, pair, wishes, marker)):
        _note(run, pair, done, bool(moves))
    for node, error in nodes.each(cloud, unlisted["remove"], lambda node: remove_node(cloud, node)):
        if isinstance(error, exceptions.TripleOError):
            run.failed.append(nodes.failed(node, f"it was not removed: {error.message}"))
        else:
            run.removed.append(node["uuid"])
    return run.save_new(cloud)


@dataclasses.dataclass(frozen=True)
class _Wishes:
    """What a call wants for all nodes that say nothing else."""

    images: Mapping[str, str]
    given: set[str]
    """Those of the images that the call names; the others are for new nodes."""
    boot_option: str | None


def _moves(initial_state: object) -> list[str]:
    ways: dict[object, list[str]] = {
        states.ENROLL: [],
        states.MANAGEABLE: ["manage"],
        states.AVAILABLE: ["manage", "provide"],
    }
    if not isinstance(initial_state, str) or initial_state not in ways:
        raise exceptions.InputInvalid(
            "initial_state", f"must be one of {exceptions.one_of(str(way) for way in ways)}."
        )
    return ways[initial_state]


def _enabled_drivers(cloud: clouds.Cloud) -> set[str] | None:
    """Return the drivers that Ironic has enabled, or None if it does not tell."""
    try:
        listed = nodes.patiently(cloud, cloud.ironic.driver.list)
    except (ironic_exc.HttpError, exceptions.NotAllowed) as error:
        if nodes.temporary(error):
            raise
        # By default Ironic shows them to those who administer the whole system alone. It refuses a
        # node with another driver itself.
        LOG.info("Ironic does not tell which drivers it has: %s", error)
        return None
    if not listed:
        url = cloud.endpoint("baremetal")
        raise exceptions.ServiceUnavailable("baremetal", url, "has no conductor that works")
    return {driver.name for driver in listed}


def _fetch(cloud: clouds.Cloud, reference: Mapping[str, Any]) -> bytes:
    container, name = reference["container"], reference["object"]
    if not all(isinstance(word, str) and word for word in (container, name)) or "/" in container:
        raise exceptions.InputInvalid("nodes_json", "must name a container and an object.")
    try:
        _, body = cloud.swift().get_object(container, name, resp_chunk_size=65536)
    except swiftclient.exceptions.ClientException as error:
        if error.http_status != 404:
            raise
        raise exceptions.InputInvalid(
            "nodes_json",
            f"refers to the object {name[:200]!r} of the container {container[:200]!r}, which is "
            "not there.",
        ) from None
    most = config.options().file_max_mib * 2**20
    parts, size = [], 0
    for part in body:
        parts.append(part)
        size += len(part)
        if size > most:
            raise exceptions.LimitExceeded(
                f"The object {name[:200]}", size >> 20, most >> 20, "MiB", "file_max_mib"
            )
    return b"".join(parts)


def _known(cloud: clouds.Cloud, listed: Sequence[Node]) -> _Known:
    ports: dict[str, list[dict[str, Any]]] = {}
    given = {name for node in listed for port in node.ports for name in port}
    fields = (*_PORT_FIELDS, *sorted(given - set(_PORT_FIELDS)))
    for port in cloud.ironic.port.list(limit=0, fields=list(fields)):
        shown = {name: getattr(port, name, None) for name in fields}
        ports.setdefault(str(shown["node_uuid"]), []).append(shown)
    named = {name for node in listed for name in node.attributes} - set(_FIELDS)
    return _Known(nodes.listed(cloud, (*_FIELDS, *sorted(named))), ports)


def _match(listed: Sequence[Node], known: _Known) -> list[_Pair]:
    """Find each node of the list in Ironic: by UUID, BMC, MAC address or name.

    :raises NodesInvalid: some of these belong to one node of Ironic and some to another.
    """
    index: dict[tuple[str, str], dict[str, Any]] = {}
    for node in known.nodes:
        index["uuid", node["uuid"]] = node
        if node["name"]:
            index["name", node["name"]] = node
        bmc = _bmc(node)
        if bmc:
            index["BMC", bmc] = node
        for port in known.ports.get(node["uuid"], ()):
            index["MAC", str(port["address"]).lower()] = node
    pairs, faults = [], []
    taken: dict[str, Node] = {}
    for wanted in listed:
        keys = [("uuid", wanted.uuid), ("BMC", wanted.bmc), ("name", wanted.name)]
        keys.extend(("MAC", mac) for mac in wanted.macs)
        found = [
            (kind, key, index[kind, key]) for kind, key in keys if key and (kind, key) in index
        ]
        if not found:
            identity = wanted.uuid or _uuid(wanted)
            while other := index.get(("uuid", identity)):
                if _is_begun(other, known) and not (wanted.bmc or wanted.name):
                    found = [("uuid", identity, other)]
                    break
                # The address that the UUID follows from was once that of another node.
                identity = _uuid_after(identity)
        if not found:
            pairs.append(_Pair(wanted, None, [], identity))
            continue
        first, own, there = found[0]
        title = exceptions.node_title(there)
        for kind, key, other in found[1:]:
            if other is not there:
                problem = f"{key} belongs to node {exceptions.node_title(other)} in Ironic"
                faults.append(
                    _fault(wanted, kind, f"{problem}, but the {first} {own} to node {title}")
                )
        if wanted.uuid and there["uuid"] != wanted.uuid:
            problem = f"{first} {own} belongs to node {title} in Ironic"
            faults.append(_fault(wanted, "uuid", problem))
        elif there["uuid"] in taken:
            problem = f"is node {title} in Ironic, as node #{taken[there['uuid']].number} is"
            faults.append(_fault(wanted, first, problem))
        taken.setdefault(there["uuid"], wanted)
        pairs.append(_Pair(wanted, there, known.ports.get(there["uuid"], []), there["uuid"]))
    if faults:
        raise exceptions.NodesInvalid(faults)
    return pairs


def _is_begun(node: Mapping[str, Any], known: _Known) -> bool:
    """Tell whether all that is known of a node is its UUID: its maker did not come to its ports."""
    return (_bmc(node), node["name"], known.ports.get(node["uuid"])) == (None, None, None)


def _bmc(node: Mapping[str, Any]) -> str | None:
    return node_data.bmc_identity(str(node["driver"]), node["driver_info"] or {})


def _fault(node: Node, field: str, problem: str) -> dict[str, Any]:
    return {
        "node": node.number,
        "name": node.name,
        "field": field,
        "problem": problem,
        "allowed": None,
    }


def _secrets(node: Node) -> dict[str, Any]:
    info = node.attributes.get("driver_info") or {}
    return {key: value for key, value in info.items() if drivers.is_secret(key)}


def _desired(pair: _Pair, wishes: _Wishes, marker: vault.Vault) -> dict[str, Any]:
    """Return the attributes that a node is to have, as POST takes them."""
    wanted: dict[str, Any] = json.loads(json.dumps(pair.wanted.attributes))
    info, properties = wanted["driver_info"], wanted["properties"]
    there = pair.there or {}
    present = there.get("driver_info") or {}
    for key, image in wishes.images.items():
        # What nobody has asked for is no reason to fail because a node is in use.
        if key in wishes.given or (key not in present and pair.may_change):
            info.setdefault(key, image)
    _leave_discovered(pair, wanted)
    text = (there.get("properties") or {}).get("capabilities")
    old = node_data.capabilities(text)
    merged = {**old, **node_data.capabilities(properties.get("capabilities"))}
    if wishes.boot_option:
        merged.setdefault("boot_option", wishes.boot_option)
    if merged:
        # What others have put there, such as a profile, stays.
        properties["capabilities"] = text if merged == old else node_data.capabilities_text(merged)
    _settle_secrets(pair, present, wanted, marker)
    return wanted


def _leave_discovered(pair: _Pair, wanted: dict[str, Any]) -> None:
    """Take out of what a node is to have what introspection knows better than the list.

    That is whatever the list says as it said it the last time, which ``extra`` has.
    """
    there, properties = pair.there or {}, wanted["properties"]
    present, said = there.get("properties") or {}, (there.get("extra") or {}).get(_LISTED)
    before = said if isinstance(said, dict) else {}
    listed = {key: properties[key] for key in _DISCOVERED if key in properties}
    for key in listed.keys() & present.keys():
        is_seen = bool(there.get("inspection_finished_at"))
        if _same(before[key], listed[key]) if key in before else is_seen:
            del properties[key]
    # Of a node in use it must be known that something has changed.
    if listed and (before or pair.may_change):
        wanted["extra"][_LISTED] = {**before, **listed}


def _settle_secrets(
    pair: _Pair, present: Mapping[str, Any], wanted: dict[str, Any], marker: vault.Vault
) -> None:
    """Take the secrets that Ironic has already out of what a node is to have; mark the others."""
    secrets = _secrets(pair.wanted)
    if not secrets:
        return
    kept = ((pair.there or {}).get("extra") or {}).get(_MARK)
    is_marked, is_same, mark = isinstance(kept, str), False, None
    try:
        # With the node, so that nobody sees which nodes have the same password.
        marked = [pair.uuid, secrets]
        is_same = is_marked and marker.is_mark(kept, marked)
        mark = kept if is_same else marker.mark(marked)
    except exceptions.EncryptionKeyMissing:
        # Nothing can be told of a password then: it is written each time.
        is_marked = False
    # Of a node in use it must be known that something has changed.
    if is_same or not (is_marked or pair.may_change):
        for key in secrets.keys() & present.keys():
            del wanted["driver_info"][key]
    elif mark != kept:
        wanted["extra"][_MARK] = mark


def _difference(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the JSON patch that brings a node to what is wanted, and leaves all else."""
    patch: list[dict[str, Any]] = []
    for name, value in wanted.items():
        if name == "uuid":
            continue
        present = there.get(name)
        if isinstance(value, dict) and name in ("driver_info", "properties", "extra"):
            have = present if isinstance(present, dict) else {}
            patch.extend(
                {"op": "add", "path": nodes.pointer(name, key), "value": item}
                for key, item in value.items()
                if key not in have or not _same(have[key], item)
            )
        elif not _same(present, value):
            patch.append({"op": "add", "path": nodes.pointer(name), "value": value})
    return patch


def _same(present: object, wanted: object) -> bool:
    if isinstance(present, dict) and isinstance(wanted, dict):
        return present == wanted
    if present is None or wanted is None:
        return present is wanted
    if isinstance(wanted, bool) or isinstance(present, bool):
        return present is wanted or str(present).lower() == str(wanted).lower()
    # Ironic keeps numbers of properties as they were given, as texts too.
    return present == wanted or str(present) == str(wanted)


def _new_ports(pair: _Pair) -> list[dict[str, Any]]:
    have = {str(port["address"]).lower() for port in pair.ports}
    return [port for port in pair.wanted.ports if port["address"] not in have]


def _port_patches(pair: _Pair) -> list[tuple[str, list[dict[str, Any]]]]:
    have = {str(port["address"]).lower(): port for port in pair.ports}
    found = []
    for port in pair.wanted.ports:
        present = have.get(port["address"])
        if present:
            patch = _difference(present, {k: v for k, v in port.items() if k != "address"})
            if patch:
                found.append((str(present["uuid"]), patch))
    return found


@dataclasses.dataclass(frozen=True)
class _Changes:
    """What registering changes of a node that Ironic has; false if that is nothing."""

    node: list[dict[str, Any]]
    has_other_driver: bool
    ports: list[tuple[str, list[dict[str, Any]]]]
    """UUID of a port and its JSON patch."""
    new_ports: list[dict[str, Any]]
    traits: list[str]
    """All that it is to have; none if it has them."""

    def __bool__(self) -> bool:
        return bool(self.node or self.ports or self.new_ports or self.traits)


def _changes(pair: _Pair, wishes: _Wishes, marker: vault.Vault) -> _Changes:
    there = pair.there or {}
    wanted = _desired(pair, wishes, marker)
    have, added = set(there.get("traits") or ()), set(pair.wanted.traits)
    return _Changes(
        _difference(there, wanted),
        there.get("driver") != wanted["driver"],
        _port_patches(pair),
        _new_ports(pair),
        [] if have >= added else sorted(have | added),
    )


def _outcomes(pairs: Sequence[_Pair], wishes: _Wishes) -> collections.Counter[str]:
    """Return how many nodes registering makes, changes and leaves."""
    marker = vault.Vault.from_options(_PURPOSE)
    return collections.Counter(
        REGISTERED
        if pair.there is None
        else UPDATED
        if _changes(pair, wishes, marker)
        else UNCHANGED
        for pair in pairs
    )


def _apply(
    cloud: clouds.Cloud, pair: _Pair, wishes: _Wishes, marker: vault.Vault
) -> tuple[dict[str, Any], str]:
    """Make or change one node; return it and what came of it."""
    if pair.there is None:
        return _create(cloud, pair, _desired(pair, wishes, marker))
    if not _changes(pair, wishes, marker):
        return pair.there, UNCHANGED
    there = current(cloud, pair.there)
    changes = _changes(dataclasses.replace(pair, there=there), wishes, marker)
    if not changes:
        return there, UNCHANGED
    if changes.node:
        # Interfaces of another driver would not fit.
        more = {"reset_interfaces": True} if changes.has_other_driver else {}
        nodes.change(cloud, there["uuid"], changes.node, **more)
    for port_id, patch in changes.ports:
        nodes.patiently(cloud, lambda p=port_id, c=patch: cloud.ironic.port.update(p, c))  # type: ignore[misc]
    for port in changes.new_ports:
        _create_port(cloud, there["uuid"], port)
    if changes.traits:
        nodes.patiently(cloud, lambda: cloud.ironic.node.set_traits(there["uuid"], changes.traits))
    return {**there, "name": pair.wanted.name or there["name"]}, UPDATED


def current(cloud: clouds.Cloud, node: Mapping[str, Any]) -> dict[str, Any]:
    """Return a node as Ironic has it now, to be changed: what was listed may be old.

    :param node: as it was listed.
    :raises NodeStateInvalid: it is in use, or something happens to it.
    """
    check_free(node)
    there = _find(cloud, str(node["uuid"])) or dict(node)
    check_free(there)
    return there


def check_free(node: Mapping[str, Any]) -> None:
    """Make sure that a node may be changed.

    :raises NodeStateInvalid: it is in use, or something happens to it.
    """
    if not states.is_free(node):
        used = f"in use by instance {node['instance_uuid']}" if node.get("instance_uuid") else ""
        raise exceptions.NodeStateInvalid(
            exceptions.node_title(node),
            used or node["provision_state"],
            "changing it",
            "It was left as it is. Nodes can be changed that are nobody's, and "
            f"{exceptions.one_of(states.CHANGEABLE)}.",
        )


def _create(cloud: clouds.Cloud, pair: _Pair, wanted: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Make a node with its ports and traits: whole, or not at all."""
    node, is_ours = _make(cloud, pair.wanted, {**wanted, "uuid": pair.uuid})
    try:
        for port in pair.wanted.ports:
            _create_port(cloud, pair.uuid, port)
        if pair.wanted.traits:
            traits = list(pair.wanted.traits)
            nodes.patiently(cloud, lambda: cloud.ironic.node.set_traits(pair.uuid, traits))
    except Exception:
        # Half a node would be found by its UUID the next time, but until then be in the way.
        # One that somebody else has made may be whole by now.
        if is_ours:
            _take_back(cloud, pair.uuid)
        raise
    return node, REGISTERED


def _make(
    cloud: clouds.Cloud, wanted: Node, attributes: Mapping[str, Any]
) -> tuple[dict[str, Any], bool]:
    """Make a node, without its ports; return it, and whether it was certainly made here."""
    try:
        return nodes.patiently(
            cloud, lambda: cloud.ironic.node.create(**attributes)
        ).to_dict(), True
    except ironic_exc.Conflict:
        # Its UUID follows from what it is, so this may be the same node: made by our own request
        # whose answer was lost, or by somebody else who registers the same list.
        there = _find(cloud, attributes["uuid"])
        if there is None or (_bmc(there), there["name"]) != (wanted.bmc, wanted.name):
            raise
        return there, False


def _take_back(cloud: clouds.Cloud, node: str) -> None:
    try:
        nodes.patiently(cloud, lambda: cloud.ironic.node.delete(node))
    # It must not hide why the node was not whole.
    except Exception as error:
        LOG.warning("Node UUID %s is not whole, and could not be deleted: %s", node, error)


def _find(cloud: clouds.Cloud, node: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = nodes.patiently(
            cloud, lambda: cloud.ironic.node.get(node)
        ).to_dict()
    except ironic_exc.NotFound:
        return None
    return found


def _create_port(cloud: clouds.Cloud, node: str, port: Mapping[str, Any]) -> None:
    try:
        nodes.patiently(cloud, lambda: cloud.ironic.port.create(node_uuid=node, **port))
    except ironic_exc.Conflict:
        owners = cloud.ironic.port.list(
            address=port["address"], fields=["address", "node_uuid"], limit=0
        )
        if node not in {owner.node_uuid for owner in owners}:
            raise


def _uuid(node: Node) -> str:
    """Return the UUID of a new node, the same one whenever it follows from what the node is.

    So two who register the same list at the same time make the same nodes, and Ironic lets one of
    them make each.
    """
    known = node.bmc or next(iter(node.macs), None) or node.name
    if known is None:
        # Nothing but its place in the list tells it from others that are like it.
        plain = {k: v for k, v in node.attributes.items() if k != "driver_info"}
        known = json.dumps([node.number, plain], sort_keys=True)
    return str(uuid.uuid5(_NAMESPACE, known))


def _uuid_after(taken: str) -> str:
    """Return the UUID for a new node whose own is that of another one."""
    return str(uuid.uuid5(_NAMESPACE, taken))


def _note(
    run: runs.Run,
    pair: _Pair,
    done: tuple[dict[str, Any], str] | exceptions.TripleOError,
    moves: bool,
) -> None:
    if isinstance(done, exceptions.TripleOError):
        title = {
            "uuid": pair.there["uuid"] if pair.there else None,
            "name": pair.wanted.name or pair.wanted.title,
        }
        # What Ironic says of a request may hold some of it.
        run.failed.append(nodes.failed(title, _masked(done.message, pair.wanted)))
        return
    node, result = done
    state = str(node["provision_state"])
    # Only those that were not yet managed: a listed node that is elsewhere was put there.
    is_new = moves and state in (states.ENROLL, "verifying")
    run.add(
        runs.Entry(
            node["uuid"],
            node["name"],
            state=runs.QUEUED if is_new else runs.SUCCEEDED,
            result=result,
            provision_state=state,
        )
    )


def _masked(text: str, node: Node) -> str:
    """Return a text without the node's secrets."""
    for secret in _secrets(node).values():
        for shown in {str(secret), repr(str(secret))[1:-1], json.dumps(str(secret))[1:-1]}:
            text = text.replace(shown, "******") if shown else text
    return text


# Removing.


def removable(node: Mapping[str, Any]) -> str | None:
    """Return why a node must stay, or nothing."""
    if node.get("instance_uuid"):
        return f"it is in use by instance {node['instance_uuid']}"
    if node.get("protected"):
        return "it is protected"
    if node["provision_state"] not in states.REMOVABLE:
        return f"it is {node['provision_state']}"
    return None


def remove_node(cloud: clouds.Cloud, node: Mapping[str, Any]) -> None:
    """Delete a node that is nobody's.

    :param node: as Ironic showed it; it is looked at again.
    :raises NodeStateInvalid: it is in use by now.
    """
    identity = str(node["uuid"])
    now = _find(cloud, identity)
    if now is None:
        return
    reason = removable(now)
    if reason:
        is_somebodys = now.get("instance_uuid") or now.get("protected")
        advice = "" if is_somebodys else f" {states.advice(now['provision_state'])}"
        raise exceptions.NodeStateInvalid(
            exceptions.node_title(now),
            reason.removeprefix("it is "),
            "removing it",
            f"It was left as it is.{advice}",
        )
    if now["provision_state"] not in states.DELETABLE and not now.get("maintenance"):
        nodes.patiently(cloud, lambda: cloud.ironic.node.set_provision_state(identity, "manage"))
    with contextlib.suppress(ironic_exc.NotFound):
        nodes.patiently(cloud, lambda: cloud.ironic.node.delete(identity))


def delete(cloud: clouds.Cloud, names: object) -> dict[str, Any]:
    """Delete nodes that are nobody's.

    :param names: list of UUIDs or names.
    :returns: ``deleted``: list of UUIDs.
    :raises NodesFailed: some could not be; the others are deleted.
    """
    chosen = nodes.find(cloud, names)
    deleted, failed = [], []
    for node, error in nodes.each(cloud, chosen, lambda node: remove_node(cloud, node)):
        if isinstance(error, exceptions.TripleOError):
            failed.append(nodes.failed(node, error))
        else:
            deleted.append(node["uuid"])
    if failed:
        raise exceptions.NodesFailed("deleted", len(chosen), failed, deleted=deleted)
    return {"deleted": deleted}


def _removal(pairs: Sequence[_Pair], known: _Known) -> dict[str, list[dict[str, Any]]]:
    listed = {pair.there["uuid"] for pair in pairs if pair.there}
    found: dict[str, list[dict[str, Any]]] = {"remove": [], "kept": []}
    for node in sorted(known.nodes, key=lambda node: (node["name"] or "", node["uuid"])):
        if node["uuid"] in listed:
            continue
        shown = {name: node[name] for name in ("uuid", "name", "provision_state")}
        reason = removable(node)
        if reason:
            found["kept"].append({**shown, "reason": reason})
        else:
            found["remove"].append(shown)
    return found


def _preview(
    pairs: Sequence[_Pair], unlisted: Mapping[str, list[dict[str, Any]]], wishes: _Wishes
) -> dict[str, Any]:
    outcomes = _outcomes(pairs, wishes)
    removed = sorted(node["uuid"] for node in unlisted["remove"])
    return {
        "fingerprint": hashlib.sha256("\n".join(removed).encode()).hexdigest(),
        "remove": unlisted["remove"],
        "kept": unlisted["kept"],
        "register": outcomes[REGISTERED],
        "update": outcomes[UPDATED],
        "unchanged": outcomes[UNCHANGED],
    }
