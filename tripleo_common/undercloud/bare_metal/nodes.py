"""The file that says which machines there are, and what is wrong with them.

It is JSON, a list of mappings:

``uuid``
    The system's id at its BMC, as in ``/redfish/v1/Systems/<uuid>``.
``name``
    Name of the node and its host.
``macs``
    MAC addresses of its NICs, the one that it boots from first. With these it is registered.
``shape``
    Its hardware, see :data:`tripleo_common.undercloud.bare_metal.shapes.SHAPES`.
``fault``
    What is wrong with it, one of :data:`FAULTS`, or nothing.
``boot_seconds``
    How long its ramdisk takes to boot.
``inspection_callback``
    URL to which its ramdisk sends what it has found, such as ironic-inspector's
    ``http://HOST:5050/v1/continue``. Nothing means Ironic itself.

It is made once and then grows; whoever runs the undercloud edits it. A change counts from the next
time that a machine is switched on, one of a BMC's faults from its next request.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import re
import threading
import uuid
from pathlib import Path
from typing import Any

from tripleo_common import exceptions
from tripleo_common.undercloud import state
from tripleo_common.undercloud.bare_metal import shapes

LOG = logging.getLogger(__name__)

FAULTS = {
    "no-boot": "it is switched on, and its ramdisk never calls",
    "slow": "its ramdisk takes ten times as long to boot",
    "wrong-mac": "its ramdisk reports MAC addresses that nobody has registered",
    "timeout": "its ramdisk looks itself up and is never heard of again",
    "ramdisk-error": "its ramdisk reports that it could not find out about the hardware",
    "refuse": "its BMC refuses the credentials (HTTP 401)",
    "unreachable": "its BMC drops every connection",
}
"""Fault to what it does."""

MOST = 1000
"""How many machines there can be."""

DEFAULT_SHAPES = ("two-socket-nvme", "arm", "single-disk")
"""What new machines are made as, in turn."""

_BOOT_SECONDS = 2.0
_MOST_SECONDS = 86400
_MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,62}")

_MACS_PER_NODE = 16
"""Of these the second half is for NICs that a machine is not registered with."""


@dataclasses.dataclass(frozen=True)
class Node:
    """One machine, as its entry in the file describes it."""

    uuid: str
    name: str
    macs: tuple[str, ...]
    shape: str
    fault: str | None = None
    boot_seconds: float = _BOOT_SECONDS
    inspection_callback: str | None = None

    @property
    def other_macs(self) -> tuple[str, ...]:
        """MAC addresses that the machine is not registered with, as many as it has NICs."""
        # Those that new machines are made with never have this bit set.
        return tuple(f"{mac[:-1]}{int(mac[-1], 16) ^ 8:x}" for mac in self.macs)

    def to_dict(self) -> dict[str, Any]:
        """Return the entry."""
        return {**dataclasses.asdict(self), "macs": list(self.macs)}


def make(secret: str, number: int) -> Node:
    """Return a new machine; the same one for the same secret and number.

    :param secret: of the undercloud; two underclouds have different machines.
    :param number: from 0 and less than :data:`MOST`.
    """
    digest = hashlib.sha256(secret.encode()).digest()
    start = int.from_bytes(digest[:3], "big") & ~(_MACS_PER_NODE - 1)
    shape = DEFAULT_SHAPES[number % len(DEFAULT_SHAPES)]

    def mac(index: int) -> str:
        # Locally administered, and in the range that virtual machines have.
        suffix = (start + number * _MACS_PER_NODE + index) % 2**24
        return "52:54:00:" + suffix.to_bytes(3, "big").hex(":")

    return Node(
        uuid=str(uuid.uuid5(uuid.UUID(bytes=digest[:16]), str(number))),
        name=f"node-{number}",
        macs=tuple(mac(index) for index in range(shapes.nics(shape))),
        shape=shape,
    )


def grow(file: Path, secret: str, count: int) -> list[Node]:
    """Make sure that there are at least so many machines; those that are there stay as they are.

    :raises UndercloudError: the file is not valid, or cannot be written.
    """
    have = read(file) if file.exists() else []
    taken = {key for node in have for key in (node.uuid, node.name, *node.macs)}
    new: list[Node] = []
    for number in range(MOST):
        if len(have) + len(new) >= count:
            break
        node = make(secret, number)
        if not taken.intersection((node.uuid, node.name, *node.macs)):
            new.append(node)
    if new:
        entries = [node.to_dict() for node in (*have, *new)]
        state.write_private(file, json.dumps(entries, indent=2) + "\n")
    return [*have, *new]


def read(file: Path) -> list[Node]:
    """Read the file.

    :raises UndercloudError: it cannot be read, or an entry is not valid; names the entry.
    """
    try:
        entries = json.loads(file.read_bytes())
        if not isinstance(entries, list):
            raise ValueError("it holds no list")
        nodes = [_node(number, entry) for number, entry in enumerate(entries)]
        _check_unique(nodes)
    # RecursionError: of brackets in brackets.
    except (OSError, ValueError, RecursionError) as error:
        raise exceptions.UndercloudError(
            f"{file} cannot be used: {error}. It lists the emulated machines: correct it, or "
            'remove it and run "tripleo-undercloud up" to make it anew.'
        ) from error
    return nodes


class File:
    """The file as a running BMC sees it: read again when it has changed."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        :raises UndercloudError: see :func:`read`.
        """
        self._path = path
        self._lock = threading.Lock()
        self._stamp = self._stat()
        self._nodes = _by_uuid(read(path))

    def nodes(self) -> dict[str, Node]:
        """Return the machines by their ids.

        A change that makes the file unusable is logged, and what it said before counts on.
        """
        with self._lock:
            stamp = self._stat()
            if stamp != self._stamp:
                self._stamp = stamp
                try:
                    self._nodes = _by_uuid(read(self._path))
                except exceptions.UndercloudError as error:
                    LOG.error("%s Until then it counts as it was.", error)
            return self._nodes

    def _stat(self) -> tuple[int, ...] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return (status.st_mtime_ns, status.st_size, status.st_ino)


def _by_uuid(nodes: list[Node]) -> dict[str, Node]:
    return {node.uuid: node for node in nodes}


def _node(number: int, entry: object) -> Node:
    where = f"entry {number}"
    if not isinstance(entry, dict):
        raise ValueError(f"{where} is no mapping")
    fields = {field.name for field in dataclasses.fields(Node)}
    if unknown := set(entry) - fields:
        raise ValueError(
            f"{where} has the unknown field {min(unknown)[:80]!r}; there are "
            f"{exceptions.one_of(fields)}"
        )
    name = entry.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"name of {where} is no host name")
    where = f"{where} ({name})"
    macs = entry.get("macs")
    if not isinstance(macs, list) or not macs or not all(_is_mac(mac) for mac in macs):
        raise ValueError(f"macs of {where} is no list of MAC addresses such as 52:54:00:12:34:56")
    seconds = entry.get("boot_seconds", _BOOT_SECONDS)
    if (
        isinstance(seconds, bool)
        or not isinstance(seconds, int | float)
        or not 0 <= seconds <= _MOST_SECONDS
    ):
        raise ValueError(f"boot_seconds of {where} is no number from 0 to {_MOST_SECONDS}")
    fault = entry.get("fault")
    callback = entry.get("inspection_callback")
    if callback is not None and not _is_url(callback):
        raise ValueError(f"inspection_callback of {where} is no http or https URL")
    return Node(
        uuid=_uuid(entry.get("uuid"), where),
        name=name,
        macs=tuple(mac.lower() for mac in macs),
        shape=_one_of(entry.get("shape"), shapes.SHAPES, f"shape of {where}"),
        fault=None if fault is None else _one_of(fault, FAULTS, f"fault of {where}"),
        boot_seconds=float(seconds),
        inspection_callback=callback,
    )


def _is_mac(value: object) -> bool:
    return isinstance(value, str) and _MAC.fullmatch(value.lower()) is not None


def _is_url(value: object) -> bool:
    return isinstance(value, str) and value.startswith(("http://", "https://"))


def _uuid(value: object, where: str) -> str:
    try:
        return str(uuid.UUID(value if isinstance(value, str) else ""))
    except ValueError:
        raise ValueError(f"uuid of {where} is no UUID") from None


def _one_of(value: object, known: dict[str, Any], what: str) -> str:
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{what} must be one of {exceptions.one_of(known)}")
    return value


def _check_unique(nodes: list[Node]) -> None:
    seen: dict[str, str] = {}
    for node in nodes:
        for value in (node.uuid, node.name, *node.macs):
            if value in seen:
                raise ValueError(f"{value} is in the entries of {seen[value]} and {node.name}")
            seen[value] = node.name
