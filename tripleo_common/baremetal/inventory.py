"""What a ramdisk, or a BMC, has found in a node: its hardware in plain data.

All of it comes from machines on a network that nobody has vouched for. Nothing of it is believed to
be of the right type or of a sensible size; what is not is taken as not known.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_MOST = 256
"""How many disks, how many NICs and how many VLANs or TLVs of a NIC are read."""

_TEXT = 200
"""How many characters of a text are kept."""

_NUMBER = 2**63 - 1
"""The largest number that is believed."""

_GIB = 2**30
_MIB = 2**20

_MAC = re.compile(r"[0-9a-f]{2}([:-][0-9a-f]{2}){5}", re.IGNORECASE)

_BOOT_MODES = ("uefi", "bios")

_VLANS = range(1, 4095)

_CHASSIS_ID, _PORT_ID, _PORT_DESCRIPTION, _SYSTEM_NAME, _OF_ORGANIZATION = 1, 2, 4, 5, 127
"""Types of LLDP's TLVs (IEEE 802.1AB)."""

_IDENTIFIERS = range(1, 8)
"""Kinds of identifiers that LLDP knows; all but two are texts."""

_TLV_DIGITS = 2 * 511
"""How many hexadecimal digits a TLV's value has at most."""

_8021 = bytes.fromhex("0080c2")
"""Who defines the TLVs about VLANs (IEEE 802.1Q, annex D)."""

_PORT_VLAN, _VLAN_NAME = 1, 3
"""Types of those TLVs."""


def facts(inventory: object, plugin_data: object) -> dict[str, Any]:
    """Return what is known of a node's hardware. It never raises.

    :param inventory: ``inventory`` of what Ironic, or ironic-inspector, keeps of an introspection.
    :param plugin_data: Ironic's ``plugin_data``, or all that ironic-inspector keeps.
    :returns: ``cpus`` (0 if not known), ``cpu_arch``, ``cpu_model``, ``memory_mib`` (0 if not
        known), ``boot_mode`` (``uefi`` or ``bios``), ``product``: ``{"vendor", "name", "serial"}``,
        ``bmc_address``;

        ``disks``: of each ``name``, ``size`` (bytes), ``size_gib`` (rounded down), ``rotational``,
        ``model``, ``vendor`` and what disks are told apart by: ``serial``, ``wwn``,
        ``wwn_with_extension``, ``wwn_vendor_extension``, ``hctl``, ``by_path``;

        ``nics``: of each ``name``, ``mac`` (lower case, with colons), ``ip``, ``has_carrier``,
        ``vendor``, ``product`` and ``lldp``, what its switch says of itself: ``switch`` (its name),
        ``chassis_id``, ``port_id``, ``port_description``, ``untagged_vlan``, ``vlans`` (sorted).

        What is not known is None, where nothing else is said.
    """
    found, plugins = _mapping(inventory), _mapping(plugin_data)
    cpu, memory = _mapping(found.get("cpu")), _mapping(found.get("memory"))
    product = _mapping(found.get("system_vendor"))
    boot_mode = _mapping(found.get("boot")).get("current_boot_mode")
    return {
        "cpus": _whole(cpu.get("count")),
        "cpu_arch": _text(cpu.get("architecture")),
        "cpu_model": _text(cpu.get("model_name")),
        "memory_mib": _whole(memory.get("physical_mb")) or _whole(memory.get("total")) // _MIB,
        "boot_mode": boot_mode if boot_mode in _BOOT_MODES else None,
        "product": {
            "vendor": _text(product.get("manufacturer")),
            "name": _text(product.get("product_name")),
            "serial": _text(product.get("serial_number")),
        },
        "bmc_address": _ip(found.get("bmc_address")) or _ip(found.get("bmc_v6address")),
        "disks": [_disk(disk, name) for disk, name in _named(found.get("disks"))],
        "nics": [_nic(nic, name, plugins) for nic, name in _named(found.get("interfaces"))],
    }


def summary(facts: Mapping[str, Any]) -> str:
    """Return facts in one line; what is not known is left out.

    :param facts: as :func:`facts` returns them; any of them may be missing.

    >>> summary({"cpus": 64, "cpu_arch": "x86_64", "memory_mib": 524288, "boot_mode": "uefi"})
    '64 CPUs x86_64, 512 GiB, uefi'
    """
    parts = []
    if facts.get("cpus"):
        words = (_several(facts["cpus"], "CPU"), facts.get("cpu_arch"))
        parts.append(" ".join(filter(None, words)))
    memory = facts.get("memory_mib")
    if memory:
        parts.append(f"{memory // 1024} GiB" if memory >= 1024 else f"{memory} MiB")
    if "disks" in facts:
        size = sum(disk["size_gib"] for disk in facts["disks"])
        parts.append(_several(len(facts["disks"]), "disk") + (f" {size} GiB" if size else ""))
    if "nics" in facts:
        parts.append(_several(len(facts["nics"]), "NIC"))
    if facts.get("boot_mode"):
        parts.append(facts["boot_mode"])
    return ", ".join(parts)


def _several(count: int, noun: str) -> str:
    return f"{count or 'no'} {noun}{'' if count == 1 else 's'}"


def _disk(disk: Mapping[Any, Any], name: str) -> dict[str, Any]:
    size = _whole(disk.get("size"))
    rotational = disk.get("rotational")
    return {
        "name": name,
        "size": size,
        "size_gib": size // _GIB,
        "rotational": rotational if isinstance(rotational, bool) else None,
        "model": _text(disk.get("model")),
        "vendor": _text(disk.get("vendor")),
        "serial": _exact(disk.get("serial")),
        "wwn": _exact(disk.get("wwn")),
        "wwn_with_extension": _exact(disk.get("wwn_with_extension")),
        "wwn_vendor_extension": _exact(disk.get("wwn_vendor_extension")),
        "hctl": _exact(disk.get("hctl")),
        "by_path": _exact(disk.get("by_path")),
    }


def _nic(nic: Mapping[Any, Any], name: str, plugins: Mapping[Any, Any]) -> dict[str, Any]:
    mac, has_carrier = nic.get("mac_address"), nic.get("has_carrier")
    is_mac = isinstance(mac, str) and _MAC.fullmatch(mac)
    return {
        "name": name,
        "mac": str(mac).lower().replace("-", ":") if is_mac else None,
        "ip": _ip(nic.get("ipv4_address")) or _ip(nic.get("ipv6_address")),
        "has_carrier": has_carrier if isinstance(has_carrier, bool) else None,
        "vendor": _text(nic.get("vendor")),
        "product": _text(nic.get("product")),
        "lldp": _lldp(nic, plugins),
    }


def _lldp(nic: Mapping[Any, Any], plugins: Mapping[Any, Any]) -> dict[str, Any] | None:
    """Return what is known of a NIC's switch port, from wherever it is kept."""
    name = nic["name"]
    raw = _mapping(plugins.get("lldp_raw")).get(name) or nic.get("lldp")
    # Ironic's hook and ironic-inspector's keep what they have read in different places.
    parsed = _mapping(plugins.get("parsed_lldp")).get(name) or _mapping(
        _mapping(plugins.get("all_interfaces")).get(name)
    ).get("lldp_processed")
    for found in (_from_tlvs(raw), _from_hook(_mapping(parsed))):
        if any(found.values()):
            return found
    return None


def _from_hook(parsed: Mapping[Any, Any]) -> dict[str, Any]:
    vlans = [_mapping(vlan).get("id") for vlan in _items(parsed.get("switch_port_vlans"))]
    return {
        "switch": _text(parsed.get("switch_system_name")),
        "chassis_id": _text(parsed.get("switch_chassis_id")),
        "port_id": _text(parsed.get("switch_port_id")),
        "port_description": _text(parsed.get("switch_port_description")),
        "untagged_vlan": _vlan(parsed.get("switch_port_untagged_vlan_id")),
        "vlans": sorted({number for vlan in vlans if (number := _vlan(vlan))}),
    }


def _from_tlvs(tlvs: object) -> dict[str, Any]:
    """Read TLVs as the ramdisk sends them: pairs of a type and a value in hexadecimal digits."""
    texts: dict[str, str | None] = dict.fromkeys(
        ("switch", "chassis_id", "port_id", "port_description")
    )
    untagged: int | None = None
    vlans = set()
    for kind, data in _tlvs(tlvs):
        number = _vlan(int.from_bytes(data[4:6])) if data[:3] == _8021 and len(data) > 5 else None
        if kind == _CHASSIS_ID:
            texts["chassis_id"] = texts["chassis_id"] or _identifier(data, mac=4, address=5)
        elif kind == _PORT_ID:
            texts["port_id"] = texts["port_id"] or _identifier(data, mac=3, address=4)
        elif kind == _PORT_DESCRIPTION:
            texts["port_description"] = texts["port_description"] or _decoded(data)
        elif kind == _SYSTEM_NAME:
            texts["switch"] = texts["switch"] or _decoded(data)
        elif kind == _OF_ORGANIZATION and number:
            if data[3] == _PORT_VLAN:
                untagged = untagged or number
            elif data[3] == _VLAN_NAME:
                vlans.add(number)
    return {**texts, "untagged_vlan": untagged, "vlans": sorted(vlans)}


def _tlvs(tlvs: object) -> Iterator[tuple[int, bytes]]:
    for tlv in _items(tlvs):
        match tlv:
            case [int(kind), str(value)] if len(value) <= _TLV_DIGITS:
                try:
                    yield kind, bytes.fromhex(value)
                except ValueError:
                    continue


def _identifier(data: bytes, mac: int, address: int) -> str | None:
    """Read the identifier of a chassis or a port, whose first byte says of what kind it is.

    :param mac: the kind that is a MAC address.
    :param address: the kind that is an address of a network, after a byte that says of which.
    """
    if not data or data[0] not in _IDENTIFIERS:
        return None
    value = data[1:]
    if data[0] == mac:
        return value.hex(":") if len(value) == 6 else None
    if data[0] == address:
        return _ip(value[1:])
    return _decoded(value)


def _decoded(data: bytes) -> str | None:
    try:
        return _text(data.decode())
    except UnicodeDecodeError:
        return None


def _vlan(value: object) -> int | None:
    number = _whole(value)
    return number if number in _VLANS else None


def _ip(value: object) -> str | None:
    """Return an IP address as it is usually written; None if it is none, or that of no host."""
    if not isinstance(value, str | bytes):
        return None
    try:
        # The interface that a link-local address belongs to is no part of the address.
        address = ipaddress.ip_address(value.partition("%")[0] if isinstance(value, str) else value)
    except ValueError:
        return None
    return None if address.is_unspecified else str(address)


def _whole(value: object) -> int:
    """Return a number, rounded down; 0 if it is none, or none that can be."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return math.floor(value) if 0 < value <= _NUMBER else 0


def _text(value: object) -> str | None:
    """Return what of a text can be shown; None if nothing can."""
    if not isinstance(value, str):
        return None
    # Characters that control a terminal, or turn the direction of writing, are not printable.
    shown = "".join(char for char in value[: 2 * _TEXT] if char.isprintable())
    return shown.strip()[:_TEXT].strip() or None


def _exact(value: object) -> str | None:
    """Return a text that something is found by: as it is, or None if it cannot be shown so."""
    text = value.strip() if isinstance(value, str) else ""
    return text if text and text == _text(text) else None


def _mapping(value: object) -> Mapping[Any, Any]:
    return value if isinstance(value, Mapping) else {}


def _items(value: object) -> Sequence[object]:
    return value[:_MOST] if isinstance(value, list | tuple) else ()


def _named(value: object) -> Iterator[tuple[Mapping[Any, Any], str]]:
    """Yield the mappings of a list that have a name, with what of it can be shown."""
    for item in map(_mapping, _items(value)):
        name = _text(item.get("name"))
        if name:
            yield item, name
