"""Ironic's nodes: listing them, finding them by what users call them, asking something of many."""

from __future__ import annotations

import contextvars
import datetime
import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent import futures
from typing import Any, TypeVar

from ironicclient import exc as ironic_exc

from tripleo_common import clouds, config, exceptions

LOG = logging.getLogger(__name__)

_T = TypeVar("_T")
_R = TypeVar("_R")

IDENTITY = ("uuid", "name")
STATE = (
    *IDENTITY,
    "provision_state",
    "target_provision_state",
    "power_state",
    "target_power_state",
    "last_error",
    "maintenance",
    "maintenance_reason",
    "instance_uuid",
    "reservation",
)
"""The fields that say where a node is and whether it is anybody's."""

MANAGEABLE = "manageable"
"""What is said in the place of names for all nodes that are manageable."""

_LOCKED = "is locked by host"
"""How Ironic says that something else is at work on the node just now."""

_SKEW_SECONDS = 60
"""How far Ironic's clock may be behind this one."""

_spent: contextvars.ContextVar[bool] = contextvars.ContextVar("spent", default=False)
"""Whether Ironic has been waited for in vain: then not for each of many nodes as long again."""


def listed(
    cloud: clouds.Cloud, fields: Sequence[str] = STATE, **filters: Any
) -> list[dict[str, Any]]:
    """Return all nodes: one request, or one for each thousand (Ironic's ``max_limit``).

    :param fields: which fields of each.
    :param filters: fields and the values that they have, such as ``provision_state``.
    """
    wanted = list(dict.fromkeys((*fields, *filters)))
    found = cloud.ironic.node.list(limit=0, fields=wanted, **filters)
    return [
        {name: getattr(node, name, None) for name in fields}
        for node in found
        # Ironic's links to further pages forget most filters.
        if all(getattr(node, name, None) == value for name, value in filters.items())
    ]


def find(
    cloud: clouds.Cloud, names: object, fields: Sequence[str] = STATE, *, what: str = "node_uuids"
) -> list[dict[str, Any]]:
    """Return nodes by their UUIDs or names, each once, in the order of the names.

    :param names: list of UUIDs or names.
    :param what: the input that they come from.
    :raises NodeNotFound: with all those that Ironic does not have.
    """
    if not isinstance(names, list | tuple) or not names:
        raise exceptions.InputInvalid(what, "must be a list of UUIDs or names of nodes.")
    if not all(isinstance(name, str) and name for name in names):
        raise exceptions.InputInvalid(what, "must hold texts: UUIDs or names of nodes.")
    known: dict[str, dict[str, Any]] = {}
    for node in listed(cloud, tuple(dict.fromkeys((*IDENTITY, *fields)))):
        if node["name"]:
            known.setdefault(node["name"], node)
        known[node["uuid"]] = node
    missing = [name for name in names if name not in known and name.lower() not in known]
    if missing:
        raise exceptions.NodeNotFound(missing)
    found = (known.get(name) or known[name.lower()] for name in names)
    return list({node["uuid"]: node for node in found}.values())


def manageable(cloud: clouds.Cloud, fields: Sequence[str] = STATE) -> list[dict[str, Any]]:
    """Return the nodes that are manageable, nobody's, and not in maintenance.

    :raises NoManageableNode: there is none.
    """
    wanted = tuple(dict.fromkeys((*STATE, *fields)))
    found = [
        node
        for node in listed(cloud, wanted, provision_state="manageable", maintenance=False)
        if not node["instance_uuid"]
    ]
    if not found:
        raise exceptions.NoManageableNode
    return found


def chosen(
    cloud: clouds.Cloud, names: object, fields: Sequence[str] = STATE
) -> list[dict[str, Any]]:
    """Return the nodes that a call names.

    :param names: list of UUIDs or names; :data:`MANAGEABLE` for all that are.
    """
    if names == MANAGEABLE:
        return manageable(cloud, fields)
    if names is None:
        # What nobody has said must not mean all nodes.
        raise exceptions.InputInvalid(
            "node_uuids",
            f"must be a list of UUIDs or names of nodes, or {MANAGEABLE} for all that are so.",
        )
    return find(cloud, names, fields)


def temporary(error: BaseException) -> bool:
    """Tell whether a request may succeed if it is simply made again.

    That is so if the node is locked, no conductor is free, or Ironic does not answer.
    """
    if isinstance(error, ironic_exc.Conflict):
        return _LOCKED in str(error)
    return isinstance(clouds.translate(error, {}), exceptions.ServiceUnavailable)


def patiently(cloud: clouds.Cloud, request: Callable[[], _R]) -> _R:
    """Make a request, again and again while what hinders it passes by itself.

    The option ``baremetal_patience`` says for how long.
    """
    refusal: Exception | None = None
    patience = 0 if _spent.get() else config.options().baremetal_patience
    patience = min(patience, cloud.deadline.spare)
    for _ in cloud.deadline.poll(0.2, 5, patience):
        try:
            return request()
        # Of whatever client: what does not pass is raised at once.
        except Exception as error:
            if not temporary(error):
                raise
            refusal = error
    raise refusal or exceptions.DeadlineExceeded(cloud.deadline.seconds)


def each(
    cloud: clouds.Cloud, items: Iterable[_T], work: Callable[[_T], _R]
) -> list[tuple[_T, _R | exceptions.TripleOError]]:
    """Do something for each of many, some at a time; one that fails stops no other.

    Once Ironic has been waited for in vain, it is asked just once for each of the others, until it
    answers again. Those whose turn has not come when the action's time is nearly over fail with
    that, so that what has come of all can still be told.

    :param work: what is done for one; it makes requests.
    :returns: each item with what came of it, in order: a result, or why there is none.
    """
    away = threading.Event()

    def one(item: _T) -> _R | exceptions.TripleOError:
        if not cloud.deadline.spare:
            return exceptions.DeadlineExceeded(cloud.deadline.seconds)
        # Each thread has variables of its own.
        _spent.set(away.is_set())
        try:
            found = work(item)
        # Of whatever kind: the others go on.
        except Exception as error:
            known = clouds.translate(error, cloud.names)
            if known is None:
                LOG.exception("Work on a node met an unexpected error")
                known = exceptions.InternalError("Work on this node")
            if isinstance(known, exceptions.ServiceUnavailable):
                away.set()
            return known
        away.clear()
        return found

    listed_items = list(items)
    with futures.ThreadPoolExecutor(config.options().baremetal_threads) as pool:
        return list(zip(listed_items, pool.map(one, listed_items), strict=True))


def failed(node: Mapping[str, Any], error: exceptions.TripleOError | str) -> dict[str, Any]:
    """Return what is told of a node that something did not succeed for."""
    words = error if isinstance(error, str) else error.message
    # It is told beside the node's title.
    words = words.removeprefix(f"Node {exceptions.node_title(node)} ")
    return {"uuid": node.get("uuid"), "name": node.get("name"), "error": words[:1000]}


def last_error(cloud: clouds.Cloud, node: Mapping[str, Any], since: float = 0) -> str | None:
    """Return what Ironic said of a node's last failure, also if the node does not show it any more.

    Ironic clears ``last_error`` of a failed node as soon as it sees that its power is as expected
    (each minute), if it keeps the node's history; there the words remain.

    :param node: its ``uuid`` and ``last_error``.
    :param since: when what failed began (seconds since 1970).
    """
    if node.get("last_error"):
        return str(node["last_error"])
    try:
        events = cloud.ironic.node.get_history_list(node["uuid"], detail=True)
    # Of whatever kind: Ironic may keep no history, or show it to others only.
    except Exception as error:
        LOG.debug("Ironic does not show the history of node %s: %s", node["uuid"], error)
        return None
    errors = [event for event in events if event["severity"] == "ERROR"]
    if not errors:
        return None
    newest = max(errors, key=lambda event: _moment(event["created_at"]))
    is_it = _moment(newest["created_at"]) >= since - _SKEW_SECONDS
    return str(newest["event"]) if is_it else None


def _moment(written: str) -> float:
    moment = datetime.datetime.fromisoformat(written)
    return moment.replace(tzinfo=moment.tzinfo or datetime.UTC).timestamp()


def free_to_move(node: Mapping[str, Any]) -> str | None:
    """Return why a node must not be moved from state to state, or nothing."""
    if node.get("maintenance"):
        reason = node.get("maintenance_reason")
        told = f" ({reason})" if reason else ""
        return f"is in maintenance{told}; take that off first"
    if node.get("instance_uuid"):
        return f"is in use by instance {node['instance_uuid']}"
    return None


def change(cloud: clouds.Cloud, node: str, patch: Sequence[Mapping[str, Any]], **more: Any) -> Any:
    """Change a node.

    :param node: its UUID.
    :param patch: JSON patch (RFC 6902).
    """
    return patiently(cloud, lambda: cloud.ironic.node.update(node, list(patch), **more))


def pointer(*words: str) -> str:
    """Return a JSON pointer (RFC 6901)."""
    return "".join("/" + word.replace("~", "~0").replace("/", "~1") for word in words)
