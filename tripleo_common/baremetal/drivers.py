"""Ironic's hardware types: how users name them, what each wants to know, which BMC is which."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

_HOST = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9_-]{0,62}[a-z0-9])*")
"""Host names as Ironic takes them."""

_URL_TEXT = re.compile(r"[!-~]+")
_URL_PATH = re.compile(r"(/([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)*")

_SCHEMES = {"https": 443, "http": 80}
"""Scheme of a Redfish address to its port."""


class Url(NamedTuple):
    """Where a Redfish service is."""

    scheme: str
    host: str
    port: int | None
    path: str

    @property
    def text(self) -> str:
        """The address as Ironic takes it."""
        port = f":{self.port}" if self.port else ""
        # A lone slash would be taken for the root of the Redfish service.
        path = "" if self.path == "/" else self.path
        return f"{self.scheme}://{_bracketed(self.host)}{port}{path}"


@dataclasses.dataclass(frozen=True)
class Driver:
    """A hardware type."""

    name: str
    prefix: str | None = None
    """What the keys of its ``driver_info`` begin with; None if it has no BMC."""
    protocol: str = ""
    """What BMCs are spoken to with."""
    port: str | None = None
    """The key of the BMC's port, if that is not a part of the address."""
    default_port: int | None = None
    has_url: bool = False
    """Whether the address is a URL, or may be one."""
    has_systems: bool = False
    """Whether a BMC can have several systems."""
    required: tuple[str, ...] = ()
    """Keys without which Ironic cannot use a node."""

    @property
    def fields(self) -> dict[str, str]:
        """The short fields of node lists that it knows, each to its key in ``driver_info``."""
        if self.prefix is None:
            return {}
        found = {
            "pm_addr": f"{self.prefix}_address",
            "pm_user": f"{self.prefix}_username",
            "pm_password": f"{self.prefix}_password",
        }
        if self.port:
            found["pm_port"] = self.port
        if self.has_systems:
            found["pm_system_id"] = f"{self.prefix}_system_id"
        return found

    def missing(self, info: Mapping[str, Any]) -> list[str]:
        """Return the keys that are required and not given."""
        bridging = info.get("ipmi_bridging") if self.prefix == "ipmi" else None
        further = _BRIDGING.get(bridging, ()) if isinstance(bridging, str) else ()
        return [key for key in (*self.required, *further) if info.get(key) in (None, "")]

    def identity(self, info: Mapping[str, Any]) -> str | None:
        """Return what tells a node's BMC, and the system that it manages, from all others.

        :param info: ``driver_info``.
        :returns: as in ``redfish://10.0.0.1:443/redfish/v1/Systems/1``; None without an address.
        """
        if self.prefix is None:
            return None
        address = info.get(f"{self.prefix}_address")
        if self.has_url:
            place = url(address)
            if place is None:
                return None
            name, port = place.host, place.port or _SCHEMES[place.scheme]
        else:
            known = host(address)
            if known is None:
                return None
            name, port = known, number(info.get(self.port or "")) or self.default_port or 0
        at = f":{port}" if port else ""
        return f"{self.protocol}://{_bracketed(name)}{at}{self._part(info)}"

    def _part(self, info: Mapping[str, Any]) -> str:
        """Return which of the machines behind a BMC a node is."""
        if self.has_systems:
            system = info.get(f"{self.prefix}_system_id")
            path = system.strip("/") if isinstance(system, str) else ""
            return f"/{path}" if path else ""
        bridging = info.get("ipmi_bridging") if self.prefix == "ipmi" else None
        if not isinstance(bridging, str) or bridging not in _BRIDGING:
            return ""
        return "".join(f"/{info.get(key)}" for key in _BRIDGING[bridging])


_BRIDGING = {
    "single": ("ipmi_target_channel", "ipmi_target_address"),
    "dual": (
        "ipmi_transit_channel",
        "ipmi_transit_address",
        "ipmi_target_channel",
        "ipmi_target_address",
    ),
}

_TABLE = (
    Driver("redfish", "redfish", "redfish", None, None, True, True, ("redfish_address",)),
    # Ironic speaks Redfish with them; what it once knew of WS-Management (drac_*) is gone.
    Driver("idrac", "redfish", "redfish", None, None, True, True, ("redfish_address",)),
    Driver("ipmi", "ipmi", "ipmi", "ipmi_port", 623, required=("ipmi_address",)),
    Driver("intel-ipmi", "ipmi", "ipmi", "ipmi_port", 623, required=("ipmi_address",)),
    *(
        Driver(
            name,
            "ilo",
            "ilo",
            "client_port",
            443,
            required=("ilo_address", "ilo_username", "ilo_password"),
        )
        for name in ("ilo", "ilo5")
    ),
    Driver(
        "irmc",
        "irmc",
        "irmc",
        "irmc_port",
        443,
        required=("irmc_address", "irmc_username", "irmc_password"),
    ),
    Driver("fake-hardware", "fake", "fake", "fake_port", has_systems=True),
    Driver("manual-management"),
)

DRIVERS = {driver.name: driver for driver in _TABLE}
"""Present name to hardware type. Ironic may have others, of vendors."""

PREFIXES = tuple(sorted({f"{driver.prefix}_" for driver in _TABLE if driver.prefix}))
"""What keys of ``driver_info`` begin with."""

ALIASES = {
    **dict.fromkeys(("pxe_ipmitool", "pxe_ipmitool_socat", "pxe_ipminative"), "ipmi"),
    **dict.fromkeys(("agent_ipmitool", "agent_ipmitool_socat", "agent_pyghmi"), "ipmi"),
    **dict.fromkeys(("pxe_drac", "pxe_drac_inspector", "agent_drac"), "idrac"),
    **dict.fromkeys(("pxe_ilo", "agent_ilo", "iscsi_ilo"), "ilo"),
    **dict.fromkeys(("pxe_irmc", "agent_irmc", "iscsi_irmc"), "irmc"),
    **dict.fromkeys(("fake", "fake_pxe", "fake_agent"), "fake-hardware"),
}
"""Old name to present name."""

_VIRTUAL = (
    "is gone from Ironic. For virtual machines use redfish with sushy-emulator, or ipmi with "
    "VirtualBMC"
)
_GONE = "is gone from Ironic. Use redfish or ipmi if the machine can do that, or manual-management"

REFUSALS = {
    **dict.fromkeys(("pxe_ssh", "agent_ssh", "fake_ssh", "staging-ovirt"), _VIRTUAL),
    **dict.fromkeys(("agent_vbox", "pxe_vbox", "pxe_wol", "agent_wol"), _GONE),
    **dict.fromkeys(("pxe_amt", "agent_amt", "pxe_iboot", "pxe_iboot_agent"), _GONE),
    **dict.fromkeys(("staging-amt", "staging-wol", "staging-iboot"), _GONE),
    **dict.fromkeys(("pxe_ucs", "agent_ucs", "cisco-ucs-managed", "cisco-ucs-standalone"), _GONE),
    **dict.fromkeys(("pxe_seamicro", "pxe_msftocs", "pxe_snmp"), _GONE),
}
"""Old name to why there is nothing in its place."""


def find(name: object) -> Driver | None:
    """Return the hardware type of a present or an old name; None if it is not known here."""
    return DRIVERS.get(ALIASES.get(name, name)) if isinstance(name, str) else None


_SECRET = re.compile(r"pass|pswd|secret|token|key|credential|community|configdrive", re.IGNORECASE)


def is_secret(key: object) -> bool:
    """Tell whether a key of ``driver_info`` holds a secret.

    It is generous: more than what Ironic does not show. What Ironic does not show cannot be
    compared with what a list says.
    """
    return isinstance(key, str) and _SECRET.search(key) is not None


def host(value: object) -> str | None:
    """Return an IP address or host name in the one way to write it; None if it is neither."""
    if not isinstance(value, str) or len(value) > 255:
        return None
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        name = value.lower().removesuffix(".")
    if not _HOST.fullmatch(name) or name.rpartition(".")[2].isdigit():
        return None
    return name


def url(value: object) -> Url | None:
    """Read the address of a Redfish service: a host, ``host:port`` or a URL; https by default.

    :returns: None if it is none of them, has credentials, a query or a fragment.
    """
    if not isinstance(value, str) or not _URL_TEXT.fullmatch(value):
        return None
    if "://" not in value:
        value = f"https://{_bracketed(host(value) or value)}"
    try:
        parts = urllib.parse.urlsplit(value)
        port = parts.port
        name = host(parts.hostname)
    except ValueError:
        return None
    if name is None or "%" in name or parts.scheme not in _SCHEMES or port == 0:
        return None
    if "@" in parts.netloc or "?" in value or "#" in value or not _URL_PATH.fullmatch(parts.path):
        return None
    return Url(parts.scheme, name, port, parts.path)


def number(value: object) -> int | None:
    """Return a whole number that is not negative, of itself or its digits; None if it is none."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,15}", value):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**15:
        return value
    return None


_BOOLEANS = {
    **dict.fromkeys(("1", "t", "true", "on", "y", "yes"), True),
    **dict.fromkeys(("0", "f", "false", "off", "n", "no"), False),
}


def boolean(value: object) -> bool | None:
    """Return a boolean, of itself or a word that Ironic takes for one; None if it is none."""
    if isinstance(value, bool):
        return value
    return _BOOLEANS.get(value.strip().lower()) if isinstance(value, str) else None


class Rule(NamedTuple):
    """What a value must be."""

    holds: Callable[[Any], bool]
    allowed: str
    """The same in words."""


def _one_of(*values: str) -> Rule:
    return Rule(lambda value: isinstance(value, str) and value in values, ", ".join(values))


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


_PATH_CHARACTERS = 1024


def _is_path(value: object) -> bool:
    if not isinstance(value, str) or len(value) > _PATH_CHARACTERS:
        return False
    return value.startswith("/") and value.strip("/") != "" and not re.search(r"[\s?#]", value)


def _is_kg_key(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"([0-9a-fA-F]{2})+", value) is not None


_TEXT = Rule(_is_text, "text")
_WORD = Rule(lambda value: isinstance(value, str), "text; a number needs quotes around it")
_ADDRESS = Rule(lambda value: host(value) is not None, "an IP address or a host name")
_PORT = Rule(lambda value: 0 < (number(value) or 0) < 65536, "a port: 1 to 65535")
_BOOLEAN = Rule(lambda value: boolean(value) is not None, "true or false")
_NUMBER = Rule(lambda value: number(value) is not None, "a whole number")

RULES: dict[str, Rule] = {
    "redfish_address": Rule(
        lambda value: url(value) is not None,
        "an IP address, a host, host:port or a URL (https, http) without user and password",
    ),
    "redfish_system_id": Rule(_is_path, "a path, as in /redfish/v1/Systems/1"),
    "redfish_verify_ca": Rule(
        lambda value: isinstance(value, bool) or _is_text(value),
        "true, false, or the path of certificates on the conductor",
    ),
    "redfish_auth_type": _one_of("basic", "session", "auto"),
    "redfish_tls_minimum_version": _one_of("1.1", "1.2", "1.3"),
    "ipmi_address": _ADDRESS,
    "ipmi_port": _PORT,
    "ipmi_terminal_port": _PORT,
    "ipmi_priv_level": _one_of("ADMINISTRATOR", "CALLBACK", "OPERATOR", "USER"),
    "ipmi_protocol_version": Rule(lambda value: str(value) in ("1.5", "2.0"), "1.5, 2.0"),
    "ipmi_bridging": _one_of("no", "single", "dual"),
    "ipmi_cipher_suite": _NUMBER,
    "ipmi_hex_kg_key": Rule(_is_kg_key, "an even number of hexadecimal digits"),
    "ipmi_force_boot_device": _BOOLEAN,
    "ipmi_disable_boot_timeout": _BOOLEAN,
    "ilo_address": _ADDRESS,
    "client_port": _PORT,
    "irmc_address": _ADDRESS,
    "irmc_port": _PORT,
    "fake_address": _ADDRESS,
    "fake_port": _PORT,
    "fake_system_id": _TEXT,
    **{f"{prefix}{word}": _WORD for prefix in PREFIXES for word in ("username", "password")},
    **dict.fromkeys(("deploy_kernel", "deploy_ramdisk", "deploy_iso"), _TEXT),
    **dict.fromkeys(("rescue_kernel", "rescue_ramdisk", "rescue_iso"), _TEXT),
}
"""Keys of ``driver_info`` whose values Ironic looks at, to what it takes."""


def _bracketed(name: str) -> str:
    return f"[{name}]" if ":" in name and host(name) else name
