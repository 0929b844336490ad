"""The values of a node's fields: each is checked and brought into the form that Ironic keeps."""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from tripleo_common import exceptions
from tripleo_common.baremetal import _node_text, drivers
from tripleo_common.baremetal import root_device as hints

Parser = Callable[[Any], Any]
"""Takes a value and returns it as Ironic keeps it, or raises :class:`Wrong`."""


class Wrong(Exception):
    """A value is not what it must be."""

    def __init__(self, problem: str, allowed: str | None = None) -> None:
        """Say what is wrong with it, and what would be right."""
        super().__init__(problem)
        self.problem = problem
        self.allowed = allowed


def shown(value: object) -> str:
    """Return a value for an error: at most 80 characters of it, nothing of what is inside."""
    if isinstance(value, str):
        return repr(value[:80]) + ("..." if len(value) > 80 else "")
    return str(value)[:80] if isinstance(value, int | float) else kind(value)


def kind(value: object) -> str:
    """Return what kind of value it is, and nothing of it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "a mapping" if isinstance(value, Mapping) else "a list"


def plain(value: Any, depth: int = 0) -> Any:
    """Return a value that JSON and Ironic's database can hold.

    :raises Wrong: they cannot; the problem shows nothing of it.
    """
    if depth > _node_text.DEPTH:
        raise Wrong(f"is nested deeper than {_node_text.DEPTH} levels")
    if isinstance(value, str):
        if "\0" in value or not (value.isascii() or _is_unicode(value)):
            raise Wrong("has text that is no valid Unicode, or has a null character")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                raise Wrong("has a mapping with a key that is no text", "quotes around the key")
            plain(key)
            plain(item, depth + 1)
    elif isinstance(value, list | tuple):
        for item in value:
            plain(item, depth + 1)
    elif isinstance(value, int):
        if abs(value) >= 2**63:
            raise Wrong("has a number that is too large")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise Wrong("has a number that is not finite")
    elif value is not None:
        raise Wrong("has a value that JSON cannot hold")
    return value


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def text(most: int = 255) -> Parser:
    """Return a parser of text that is not empty, of at most that many characters."""

    def parse(value: object) -> str:
        if not isinstance(value, str):
            raise Wrong(f"is {kind(value)}", "text; a number needs quotes around it")
        if not value.strip() or len(value) > most:
            raise Wrong(
                f"has {len(value)} characters" if value.strip() else "is empty",
                f"text of 1 to {most} characters",
            )
        return value

    return parse


def boolean(value: object) -> bool:
    """Read true or false, also as words."""
    found = drivers.boolean(value)
    if found is None:
        raise Wrong(f"is {shown(value)}", "true or false")
    return found


def number(value: object) -> int:
    """Read a whole number that is not negative, also as text."""
    found = drivers.number(value)
    if found is None:
        raise Wrong(f"is {shown(value)}", "a whole number, as in 8 or '8'")
    return found


def port(value: object) -> int:
    """Read a port of TCP or UDP, also as text."""
    found = drivers.number(value)
    if found is None or not 0 < found < 65536:
        raise Wrong(f"is {shown(value)}", "1 to 65535")
    return found


def mapping(value: object) -> dict[str, Any]:
    """Read a mapping."""
    if not isinstance(value, Mapping):
        raise Wrong(f"is {kind(value)}", "a mapping")
    return dict(value)


_NAME = re.compile(r"[A-Za-z0-9._~-]{1,255}")

_RESERVED = ("detail", "maintenance", "management", "states", "validate", "vendor_passthru")
"""Words of Ironic's URLs."""


def name(value: object) -> str:
    """Read a node's name."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise Wrong(
            f"is {shown(value)}",
            "text of 1 to 255 letters, digits, dots, dashes, underscores and tildes",
        )
    if value in _RESERVED or _is_uuid(value):
        raise Wrong(f"is {value!r}", f"no UUID and none of {', '.join(_RESERVED)}")
    return value


_UUID = re.compile(r"[0-9a-fA-F]{8}(-?)([0-9a-fA-F]{4}\1){3}[0-9a-fA-F]{12}")


def _is_uuid(value: str) -> bool:
    return _UUID.fullmatch(value) is not None


def identifier(value: object) -> str:
    """Read a UUID."""
    if not isinstance(value, str) or not _is_uuid(value):
        raise Wrong(f"is {shown(value)}", "a UUID, as in 1be26c0b-03f2-4d2e-ae87-c02d7f33c123")
    return str(uuid.UUID(value))


_MAC = re.compile(r"[0-9a-f]{2}([:-])[0-9a-f]{2}(\1[0-9a-f]{2}){4}")


def mac(value: object) -> str:
    """Read a MAC address."""
    lower = value.lower() if isinstance(value, str) else ""
    if not _MAC.fullmatch(lower):
        raise Wrong(f"is {shown(value)}", "a MAC address, as in 52:54:00:12:34:56")
    return lower.replace("-", ":")


_GROUP = re.compile(r"[a-zA-Z0-9_.-]{0,255}")


def conductor_group(value: object) -> str:
    """Read the name of a group of conductors."""
    if not isinstance(value, str) or not _GROUP.fullmatch(value):
        raise Wrong(
            f"is {shown(value)}", "text of up to 255 letters, digits, dots, dashes and underscores"
        )
    return value.lower()


_TRAIT = re.compile(r"(CUSTOM|COMPUTE|HW|MISC|OWNER|STORAGE)_[A-Z0-9_]+")
_TRAITS = 50


def traits(value: object) -> tuple[str, ...]:
    """Read a list of traits."""
    if not isinstance(value, list | tuple):
        raise Wrong(f"is {kind(value)}", "a list of texts")
    for trait in value:
        if not isinstance(trait, str) or len(trait) > 255 or not _TRAIT.fullmatch(trait):
            raise Wrong(
                f"has {shown(trait)}",
                "a standard trait, or CUSTOM_ and capital letters, digits and underscores",
            )
    found = tuple(dict.fromkeys(value))
    if len(found) > _TRAITS:
        raise Wrong(f"has {len(found)} traits", f"at most {_TRAITS}")
    return found


# Capabilities.

_SUPPORTED = {
    "boot_mode": ("bios", "uefi"),
    "secure_boot": ("true", "false"),
    "disk_label": ("msdos", "gpt"),
}
"""Capabilities of which Ironic takes certain values alone."""

_PAIRS = "text as in 'profile:compute,boot_mode:uefi', or a mapping; no colons or commas in values"


def capabilities(value: object) -> str:
    """Read capabilities strictly."""
    pairs = list(_pairs(value))
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Wrong("has a name twice", _PAIRS)
    for key, item in found.items():
        allowed = _SUPPORTED.get(key)
        if allowed and item not in allowed:
            raise Wrong(f"has {key} {shown(item)}", f"{key} is one of {', '.join(allowed)}")
    return joined(found)


def joined(value: Mapping[str, str]) -> str:
    """Return capabilities as Ironic keeps them."""
    return ",".join(f"{key}:{item}" for key, item in value.items())


def _pairs(value: object) -> list[tuple[str, str]]:
    if isinstance(value, str):
        items = [item.partition(":") for item in value.split(",") if item.strip()]
        for item in items:
            if not item[1]:
                raise Wrong(f"has {shown(item[0])}", _PAIRS)
        pairs: list[tuple[object, object]] = [(key.strip(), word.strip()) for key, _, word in items]
    elif isinstance(value, Mapping):
        pairs = [
            (key, str(word).lower() if isinstance(word, bool) else word)
            for key, word in value.items()
        ]
    else:
        raise Wrong(f"is {kind(value)}", _PAIRS)
    return [(_word(key), _word(word)) for key, word in pairs]


def _word(value: object) -> str:
    if isinstance(value, int):
        value = str(value)
    if not isinstance(value, str) or not re.fullmatch(r"[^\s:,]([^:,]*[^\s:,])?", value):
        raise Wrong(f"has {shown(value)}", _PAIRS)
    return value


# Root device hints.


def root_device(value: object) -> dict[str, Any]:
    """Read hints for the root device: name to value, which may begin with an operator."""
    if not isinstance(value, Mapping):
        raise Wrong(f"is {kind(value)}", f"a mapping of {', '.join(hints.HINTS)}")
    found = dict(value)
    # As texts they are numbers and truths to Ironic, too.
    for key, plain in (("size", drivers.number), ("rotational", drivers.boolean)):
        known = plain(found.get(key))
        if known is not None:
            found[key] = known
    faults = hints.faults(found) if found else []
    if faults:
        name, problem, allowed = faults[0]
        raise Wrong(f"has the hint {name}, which {problem}", allowed)
    return found


# Ports.


def local_link(value: object) -> dict[str, Any]:
    """Read what a port is connected to."""
    if not isinstance(value, Mapping):
        raise Wrong(f"is {kind(value)}", "a mapping")
    found = dict(value)
    for key, item in found.items():
        if key not in _LINK:
            raise Wrong(f"has {shown(key)}", exceptions.one_of(_LINK))
        if not isinstance(item, str):
            raise Wrong(f"has {key} that is {kind(item)}", "text; a number needs quotes around it")
    if found.get("network_type", "managed") not in ("managed", "unmanaged"):
        raise Wrong(f"has network_type {shown(found['network_type'])}", "managed, unmanaged")
    switch = found.get("switch_id")
    if switch is not None:
        found["switch_id"] = _switch(switch)
    needs = {"port_id"}, {"switch_id", "hostname"}
    if found and found.get("network_type") != "unmanaged":
        for need in needs:
            if not need & found.keys():
                raise Wrong(f"has no {' or '.join(sorted(need))}", "port_id with switch_id")
    return found


_LINK = ("hostname", "network_type", "port_id", "switch_id", "switch_info")


def _switch(value: str) -> str:
    if re.fullmatch(r"[0-9a-fA-F]{16}", value):
        return value.lower()
    try:
        return mac(value)
    except Wrong:
        raise Wrong(
            f"has switch_id {shown(value)}", "a MAC address, or 16 hexadecimal digits"
        ) from None


PORT_FIELDS: dict[str, Parser] = {
    "address": mac,
    "extra": mapping,
    "is_smartnic": boolean,
    "local_link_connection": local_link,
    "name": name,
    "physical_network": text(64),
    "portgroup_uuid": identifier,
    "pxe_enabled": boolean,
    "uuid": identifier,
}
"""Attributes of a port that can be given."""

NODE_FIELDS: dict[str, Parser] = {
    "automated_clean": boolean,
    "chassis_uuid": identifier,
    "conductor_group": conductor_group,
    "description": text(4096),
    "disable_power_off": boolean,
    "lessee": text(),
    "name": name,
    "network_data": mapping,
    "owner": text(),
    "parent_node": text(36),
    "resource_class": text(80),
    "shard": text(),
    "uuid": identifier,
    **{
        f"{word}_interface": text()
        for word in (
            "bios",
            "boot",
            "console",
            "deploy",
            "firmware",
            "inspect",
            "management",
            "network",
            "power",
            "raid",
            "rescue",
            "storage",
            "vendor",
        )
    },
}
"""Attributes of a node that can be given, besides its driver and what are mappings."""

PROPERTIES: dict[str, Parser] = {
    "capabilities": capabilities,
    "cpu_arch": text(),
    "cpus": number,
    "local_gb": number,
    "memory_mb": number,
    "root_device": root_device,
}
"""Properties of a node that Ironic or this project reads."""
