"""Which nodes serve which role of a plan, and where they are not enough, why not."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tripleo_common import exceptions
from tripleo_common.baremetal import node_data, states

_OFFER = "_profile"
"""How the names of capabilities end that offer a node for a profile."""

_YES = ("true", "1")

_TOLD = 10
"""How many reasons a sentence tells."""


@dataclasses.dataclass(frozen=True)
class Demand:
    """How many nodes of which profile a role wants.

    :ivar profile: None if any node will do.
    :raises InputInvalid: the count is no number of nodes.
    """

    role: str
    count: int
    profile: str | None

    def __post_init__(self) -> None:
        """Check the count."""
        if isinstance(self.count, bool) or not isinstance(self.count, int) or self.count < 0:
            raise exceptions.InputInvalid(
                f"{self.role}Count", "must be a number of nodes: whole, from 0 on."
            )


@dataclasses.dataclass(frozen=True)
class Result:
    """What :func:`match` found, in plain data.

    :ivar roles: of each demand ``role``, ``profile``, ``wanted``, ``matched`` (of each node
        ``uuid``, ``name`` and ``tagged``: whether it has the profile already), ``missing`` (how
        many nodes) and ``reason`` (words on what was wanted and what there is; None if no node is
        missing).
    :ivar unused: ``uuid`` and ``name`` of each node that is free and was not needed.
    :ivar assign: UUID to the profile that the node is to be tagged with, of each that matched
        without having it.
    """

    roles: list[dict[str, Any]]
    unused: list[dict[str, Any]]
    assign: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Return it as a mapping."""
        return dataclasses.asdict(self)


def match(demands: Sequence[Demand], nodes: Iterable[Mapping[str, Any]]) -> Result:
    """Match as many nodes with roles as possible.

    A node with the capability ``profile`` serves that profile alone. Others serve the profiles
    that they are offered for (capabilities as ``compute_profile:true``); those without any such
    capability serve all. Nodes of an earlier kind are taken first, then by name. The same nodes
    give the same result in whatever order they come.

    :param nodes: as Ironic shows them, with at least ``uuid``, ``name``, ``provision_state``,
        ``maintenance``, ``instance_uuid`` and ``properties``.
    """
    pool = sorted(map(_read, nodes), key=_Node.order)
    placing = _Placing([demand.count for demand in demands])
    for number, node in enumerate(pool):
        if not node.refusal:
            placing.place(number, [i for i, d in enumerate(demands) if not node.unfit(d.profile)])
    places = {number: role for role, taken in enumerate(placing.taken) for number in taken}
    roles = []
    for role, demand in enumerate(demands):
        matched = [pool[number] for number in sorted(placing.taken[role])]
        missing = demand.count - len(matched)
        roles.append(
            {
                "role": demand.role,
                "profile": demand.profile,
                "wanted": demand.count,
                "matched": [{**node.identity(), "tagged": bool(node.tag)} for node in matched],
                "missing": missing,
                "reason": _reason(demands, role, pool, places) if missing else None,
            }
        )
    return Result(
        roles=roles,
        unused=[
            node.identity()
            for number, node in enumerate(pool)
            if not node.refusal and number not in places
        ],
        assign={
            pool[number].uuid: profile
            for number, role in sorted(places.items())
            if not pool[number].tag and (profile := demands[role].profile)
        },
    )


@dataclasses.dataclass(frozen=True)
class _Node:
    """What of a node matters here.

    :ivar tag: its profile.
    :ivar offers: the profiles that it is offered for; None if nothing is said of that.
    :ivar refusal: why it serves no role at all.
    """

    uuid: str
    name: str | None
    tag: str | None
    offers: frozenset[str] | None
    refusal: str | None

    def identity(self) -> dict[str, Any]:
        """Return it as results name it."""
        return {"uuid": self.uuid, "name": self.name}

    def order(self) -> tuple[int, str, str]:
        """Return what nodes are taken in the order of: those first that serve the fewest roles."""
        kind = 0 if self.tag else 1 if self.offers is not None else 2
        return kind, self.name or "", self.uuid

    def unfit(self, profile: str | None) -> str | None:
        """Return why it does not serve a profile; None if it does."""
        if profile is None:
            return None
        if self.tag:
            return None if self.tag == profile else f"of profile {self.tag[:80]}"
        if self.offers is None or profile in self.offers:
            return None
        return f"offered for {', '.join(sorted(self.offers))[:80] or 'no profile'}"


def _read(node: Mapping[str, Any]) -> _Node:
    properties = node.get("properties")
    capabilities = node_data.capabilities(
        properties.get("capabilities") if isinstance(properties, Mapping) else None
    )
    offers = {key: value for key, value in capabilities.items() if key.endswith(_OFFER)}
    name = node.get("name")
    return _Node(
        uuid=str(node.get("uuid")),
        name=str(name) if name else None,
        tag=capabilities.get("profile") or None,
        offers=frozenset(
            key.removesuffix(_OFFER) for key, value in offers.items() if value.lower() in _YES
        )
        if offers
        else None,
        refusal=next(filter(None, (refuse(node) for refuse in _FILTERS)), None),
    )


def _in_use(node: Mapping[str, Any]) -> str | None:
    return "in use" if node.get("instance_uuid") else None


def _in_maintenance(node: Mapping[str, Any]) -> str | None:
    return "in maintenance" if node.get("maintenance") else None


def _not_available(node: Mapping[str, Any]) -> str | None:
    state = node.get("provision_state")
    if state == states.MANAGEABLE:
        return "manageable, which could be provided (tripleo.baremetal.v1.provide)"
    return None if state == states.AVAILABLE else f"in state {str(state)[:80]}"


_FILTERS: tuple[Callable[[Mapping[str, Any]], str | None], ...] = (
    _in_use,
    _in_maintenance,
    _not_available,
)
"""Each says why a node serves no role at all, or None; the first that does is believed."""


class _Placing:
    """Nodes in roles, as many as possible (a maximum matching, by augmenting paths).

    A node that has a place keeps one: it is moved to another role at most. So a node that was
    placed earlier never gives way to a later one.

    :ivar taken: of each role its nodes.
    """

    def __init__(self, counts: Sequence[int]) -> None:
        """Have so many places in each role."""
        self.taken: list[set[int]] = [set() for _ in counts]
        self._counts = counts
        self._serves: dict[int, tuple[int, ...]] = {}
        self._hopeless: set[int] = set()

    def place(self, node: int, roles: Sequence[int]) -> None:
        """Give a node a place in one of these roles, if one can be had.

        Roles are filled in their order. Nodes are moved from role to role along the shortest chain
        that ends at an empty place.
        """
        self._serves[node] = tuple(roles)
        # Role to the node that would come into it, and the role that this would leave.
        ways: dict[int, tuple[int, int | None]] = {}
        full: collections.deque[int] = collections.deque()
        movers: list[tuple[int, int | None]] = [(node, None)]
        while movers:
            for mover, origin in movers:
                for role in self._serves[mover]:
                    if role in ways or role in self._hopeless:
                        continue
                    ways[role] = (mover, origin)
                    if len(self.taken[role]) < self._counts[role]:
                        self._move(role, ways)
                        return
                    full.append(role)
            movers = []
            while full and not movers:
                role = full.popleft()
                movers = [(other, role) for other in sorted(self.taken[role])]
        # They are full, and their nodes serve no role that is not: nothing changes that any more.
        self._hopeless.update(ways)

    def _move(self, end: int, ways: Mapping[int, tuple[int, int | None]]) -> None:
        role: int | None = end
        while role is not None:
            node, origin = ways[role]
            self.taken[role].add(node)
            if origin is not None:
                self.taken[origin].remove(node)
            role = origin


def _reason(
    demands: Sequence[Demand], role: int, pool: Sequence[_Node], places: Mapping[int, int]
) -> str:
    """Say what a role wanted, and what there is instead.

    :param places: number of a node to that of the role that it serves.
    """
    demand = demands[role]
    kind = f"profile {demand.profile}" if demand.profile else "any profile"
    wanted = f"wanted {_nodes(demand.count)} of {kind}"
    if not pool:
        return f"{wanted}; there are no nodes"
    matched, found = 0, collections.Counter[str]()
    for number, node in enumerate(pool):
        refusal = node.unfit(demand.profile) or node.refusal
        if refusal:
            found[refusal] += 1
        elif places[number] == role:
            matched += 1
        else:
            # It has a place: a role that lacks nodes leaves none that it could have.
            found[f"taken by role {demands[places[number]].role}"] += 1
    reasons = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    told = [f"{matched or 'none'} {'match' if matched > 1 else 'matches'}"]
    told += [f"{count} {reason}" for reason, count in reasons[:_TOLD]]
    rest = sum(count for _, count in reasons[_TOLD:])
    if rest:
        told.append(f"{rest} otherwise unfit")
    exist = "exists" if len(pool) == 1 else "exist"
    return f"{wanted}; {_nodes(len(pool))} {exist}: {', '.join(told)}"


def _nodes(count: int) -> str:
    return f"{count} node{'' if count == 1 else 's'}"
