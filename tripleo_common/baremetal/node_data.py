"""Lists of nodes, as users write them, made into what Ironic takes; every fault told at once.

An entry is a mapping. It may have Ironic's own attributes (``driver``, ``driver_info``,
``properties``, ``ports`` ...), the short fields of ``instackenv.json`` (``pm_type``, ``pm_addr``,
``mac``, ``cpu`` ...), keys of ``driver_info`` that begin as the driver's do, or some of each.
Fields that begin with an underscore are comments; a field that is null is not given.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from tripleo_common import exceptions
from tripleo_common.baremetal import _node_text, _node_values, drivers

_FIELDS_MAX = 200
"""How many fields an entry may have; Ironic has far fewer."""

_SHORT: dict[str, tuple[str, str]] = {
    "arch": ("properties", "cpu_arch"),
    "capabilities": ("properties", "capabilities"),
    "cpu": ("properties", "cpus"),
    "disk": ("properties", "local_gb"),
    "kernel_id": ("driver_info", "deploy_kernel"),
    "memory": ("properties", "memory_mb"),
    "platform": ("extra", "tripleo_platform"),
    "ramdisk_id": ("driver_info", "deploy_ramdisk"),
    "root_device": ("properties", "root_device"),
}
"""Short field to where its value belongs."""

_POWER = ("pm_addr", "pm_password", "pm_port", "pm_system_id", "pm_user")
"""Short fields whose place depends on the driver."""

_SECTIONS = ("driver_info", "extra", "properties")

ATTRIBUTES = tuple(sorted(("driver", *_SECTIONS, *_node_values.NODE_FIELDS)))
"""What :attr:`Node.attributes` can have."""

PORT_ATTRIBUTES = tuple(sorted(_node_values.PORT_FIELDS))
"""What each of :attr:`Node.ports` can have."""

FIELDS = tuple(sorted({*ATTRIBUTES, *_SHORT, *_POWER, "mac", "pm_type", "ports", "traits"}))
"""What an entry can have, besides keys of ``driver_info``."""


@dataclasses.dataclass(frozen=True)
class Node:
    """An entry of a list, in the form that Ironic takes."""

    number: int
    """Its place in the list, from 0."""
    attributes: dict[str, Any]
    """As ``POST /v1/nodes`` takes them."""
    ports: tuple[dict[str, Any], ...]
    """As ``POST /v1/ports`` takes them, without ``node_uuid``."""
    traits: tuple[str, ...]

    @property
    def name(self) -> str | None:
        """Its name, if it has one."""
        return self.attributes.get("name")

    @property
    def uuid(self) -> str | None:
        """Its UUID, if the list says which."""
        return self.attributes.get("uuid")

    @property
    def macs(self) -> tuple[str, ...]:
        """The MAC addresses of its ports."""
        return tuple(port["address"] for port in self.ports)

    @property
    def bmc(self) -> str | None:
        """What tells its BMC from all others, as :func:`bmc_identity`."""
        return bmc_identity(self.attributes["driver"], self.attributes["driver_info"])

    @property
    def title(self) -> str:
        """What it is called in errors."""
        return _title(self.number, self.name)


def bmc_identity(driver: str, driver_info: Mapping[str, Any]) -> str | None:
    """Return what tells a node's BMC, and which system of it the node is, from all others.

    The same for an entry of a list and for a node as Ironic shows it.

    :returns: as in ``redfish://10.0.0.1:443/redfish/v1/Systems/1``; None if the node has no BMC,
        no valid address, or a driver that is not known here.
    """
    known = drivers.find(driver)
    return known.identity(driver_info) if known else None


def capabilities(value: object) -> dict[str, str]:
    """Read a node's capabilities, whatever they are: ``name:value,name:value`` or a mapping.

    What is none of them is passed over.
    """
    if isinstance(value, Mapping):
        return {str(name): str(word) for name, word in value.items()}
    if not isinstance(value, str):
        return {}
    pairs = (item.partition(":") for item in value.split(","))
    return {name.strip(): word.strip() for name, colon, word in pairs if colon}


def capabilities_text(value: Mapping[str, str]) -> str:
    """Return capabilities as Ironic keeps them."""
    return _node_values.joined(value)


def read(content: object, most: int) -> list[Any]:
    """Return the entries of a list of nodes, whatever is in them.

    :param content: JSON or YAML, a list, or a mapping with the list as ``nodes``.
    :param most: how many entries it may have.
    :raises NodesInvalid: it is none of these.
    :raises LimitExceeded: it has more entries.
    """
    if isinstance(content, str | bytes):
        try:
            content = _node_text.parse(content)
        except _node_text.TextInvalid as error:
            raise _list_invalid(str(error)) from None
    if isinstance(content, Mapping):
        if content.get("chassis"):
            raise _list_invalid(
                "it has chassis, which are not registered here",
                "create them first, then give nodes with their chassis_uuid",
            )
        if "nodes" not in content:
            raise _list_invalid("it is a mapping without nodes", _LIST)
        content = content["nodes"]
    if not isinstance(content, list | tuple):
        raise _list_invalid(f"it is {_node_values.kind(content)}", _LIST)
    if len(content) > most:
        raise exceptions.LimitExceeded(
            "The list of nodes", len(content), most, "nodes", "nodes_max"
        )
    return list(content)


_LIST = (
    "a list of nodes, a mapping with that list as nodes, or container and object of one in Swift"
)


def _list_invalid(problem: str, allowed: str | None = None) -> exceptions.NodesInvalid:
    return exceptions.NodesInvalid([_fault(None, None, "the list", problem, allowed)])


def normalize(entries: Iterable[Any], *, drivers: Collection[str] | None = None) -> list[Node]:
    """Return the nodes of a list, once nothing at all is wrong with it.

    :param entries: what :func:`read` returns.
    :param drivers: the hardware types that Ironic has enabled; None if they are not known.
    :raises NodesInvalid: with every fault of every node, duplicates among them.
    """
    hints = _Hints()
    readers = [_Reader(number, entry, drivers, hints) for number, entry in enumerate(entries)]
    if not readers:
        raise _list_invalid("it has no nodes", "at least one node")
    _find_duplicates(readers)
    faults = [fault for reader in readers for fault in reader.faults]
    if faults:
        raise exceptions.NodesInvalid(faults)
    return [reader.node() for reader in readers]


def _title(number: int, name: str | None) -> str:
    return f"node #{number} ({name})" if name else f"node #{number}"


def _fault(
    number: int | None, name: str | None, field: str | None, problem: str, allowed: str | None
) -> dict[str, Any]:
    return {
        "node": number,
        "name": name,
        "field": field,
        "problem": problem,
        "allowed": allowed,
    }


class _Hints:
    """What an unknown field may have been meant to be. Looking for it is slow, so it is bounded."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def of(self, field: str) -> str:
        if field not in self._known:
            if len(self._known) == 100:
                return exceptions.one_of(FIELDS)
            close = difflib.get_close_matches(field, FIELDS, 3)
            self._known[field] = (
                f"perhaps {' or '.join(close)}" if close else exceptions.one_of(FIELDS)
            )
        return self._known[field]


class _Claim(NamedTuple):
    """Something that belongs to one node alone."""

    kind: str
    value: str
    field: str
    """What the user calls it."""

    @property
    def key(self) -> tuple[str, str]:
        """What is the same in two claims to the same thing."""
        # A database may not tell capital letters from small ones.
        return self.kind, self.value.casefold() if self.kind.endswith("name") else self.value

    @property
    def service(self) -> str | None:
        """The Redfish service of a BMC, which can have several systems."""
        is_redfish = self.kind == "BMC" and self.value.startswith("redfish://")
        return "/".join(self.value.split("/")[:3]) if is_redfish else None


class _Reader:
    """Reads an entry. It does not stop at a fault, but notes it and goes on."""

    def __init__(
        self, number: int, entry: object, enabled: Collection[str] | None, hints: _Hints
    ) -> None:
        self.faults: list[dict[str, Any]] = []
        self.claims: list[_Claim] = []
        name = entry.get("name") if isinstance(entry, Mapping) else None
        self._number = number
        self._name = ascii(name[:80])[1:-1] if isinstance(name, str) else None
        self._enabled = enabled
        self._hints = hints
        self._entry: dict[str, Any] = {}
        self._attributes: dict[str, Any] = {}
        self._labels: dict[tuple[str, str], str] = {}
        self._ports: tuple[dict[str, Any], ...] = ()
        self._traits: tuple[str, ...] = ()
        self._port: int | None = None
        if not isinstance(entry, Mapping):
            self._fault(None, f"is {_node_values.kind(entry)}", "a mapping of fields")
        elif len(entry) > _FIELDS_MAX:
            self._fault(None, f"has {len(entry)} fields", f"at most {_FIELDS_MAX}")
        else:
            self._read(entry)

    @property
    def title(self) -> str:
        """What the node is called in errors."""
        return _title(self._number, self._name)

    def node(self) -> Node:
        """Return the node, which is good for something if there are no faults."""
        return Node(self._number, self._attributes, self._ports, self._traits)

    def refuse(self, claim: _Claim, owner: _Reader) -> None:
        """Note that something is another node's already, or this one's own."""
        whose = "given twice" if owner is self else f"also that of {owner.title}"
        self._fault(claim.field, f"{claim.value[:80]} is {whose}")

    def ask_for_system(self, claim: _Claim, owner: _Reader) -> None:
        """Note that the node does not say which of a BMC's systems it is."""
        self._fault(
            claim.field,
            f"{claim.value[:80]} is also the BMC of {owner.title}, and this node names no system",
            "pm_system_id, as in /redfish/v1/Systems/1",
        )

    def _fault(self, field: str | None, problem: str, allowed: str | None = None) -> None:
        shown = None if field is None else ascii(field[:80])[1:-1] or "''"
        self.faults.append(_fault(self._number, self._name, shown, problem, allowed))

    def _parse(self, field: str, value: object, parser: _node_values.Parser) -> Any:
        """Return a value as it should be; note a fault and return None if it cannot be."""
        try:
            return parser(value)
        except _node_values.Wrong as wrong:
            self._fault(field, wrong.problem, wrong.allowed)
            return None

    def _take(self, field: str, parser: _node_values.Parser) -> Any:
        value = self._entry.get(field)
        return None if value is None else self._parse(field, value, parser)

    def _label(self, section: str, key: str) -> str:
        """Return what the user calls something that belongs into a section."""
        return self._labels.get((section, key), f"{section}/{key}")

    def _read(self, entry: Mapping[Any, Any]) -> None:
        for field, value in entry.items():
            if not isinstance(field, str):
                self._fault(str(field), "is a field whose name is no text")
            elif value is not None and not field.startswith("_"):
                self._entry[field] = value
                if self._parse(field, [field, value], _node_values.plain) is None:
                    del self._entry[field]
        name, driver = self._driver()
        self._attributes["driver"] = name
        for section in _SECTIONS:
            self._attributes[section] = self._take(section, _node_values.mapping) or {}
        for field in self._entry:
            if field in _node_values.NODE_FIELDS:
                value = self._take(field, _node_values.NODE_FIELDS[field])
                if value is not None:
                    self._attributes[field] = value
            elif field not in _APART:
                self._place(field, name, driver)
        self._check_driver_info(driver)
        self._check_properties()
        self._ports = self._read_ports()
        self._traits = self._take("traits", _node_values.traits) or ()
        for kind in ("name", "uuid"):
            if kind in self._attributes:
                self.claims.append(_Claim(kind, self._attributes[kind], kind))

    # The driver, and where fields belong.

    def _driver(self) -> tuple[str, drivers.Driver | None]:
        """Return the present name of the driver, and what is known of it.

        The name is empty if there is a fault; it may be one that only Ironic knows.
        """
        given = [field for field in ("pm_type", "driver") if field in self._entry]
        enabled = drivers.DRIVERS if self._enabled is None else self._enabled
        names = f"one of: {exceptions.one_of(enabled)}"
        if len(given) != 1:
            problem = "is given, and driver too" if given else "is missing"
            self._fault("pm_type", problem, "one of the two" if given else names)
            return "", None
        field, value = given[0], self._entry[given[0]]
        if not isinstance(value, str):
            self._fault(field, f"is {_node_values.kind(value)}", names)
            return "", None
        if self._enabled is not None and value in self._enabled:
            return value, drivers.DRIVERS.get(value)
        known = drivers.find(value)
        if value in drivers.REFUSALS:
            self._fault(field, f"{value} {drivers.REFUSALS[value]}", names)
        elif known is None:
            self._fault(field, f"is {_node_values.shown(value)}, which is no driver", names)
        elif self._enabled is not None and known.name not in self._enabled:
            self._fault(field, f"is {known.name}, which Ironic has not enabled", names)
        return (known.name, known) if known else ("", None)

    def _place(self, field: str, name: str, driver: drivers.Driver | None) -> None:
        """Put the value of a field that is none of Ironic's attributes where it belongs."""
        if field in _SHORT:
            self._put(*_SHORT[field], field)
        elif field in _POWER or field.startswith(drivers.PREFIXES):
            # Without a driver nothing can be said of them.
            if driver:
                self._place_power(field, driver)
            elif name:
                self._fault(
                    field,
                    f"cannot be translated for driver {name}, which is not known here",
                    "driver_info, as that driver wants it",
                )
        elif field == "portgroups":
            if self._entry[field]:
                self._fault(
                    field,
                    "are not registered here",
                    "ports here, and openstack baremetal port group create afterwards",
                )
        else:
            self._fault(field, "is not a field of a node", self._hints.of(field))

    def _place_power(self, field: str, driver: drivers.Driver) -> None:
        if field in driver.fields:
            self._put("driver_info", driver.fields[field], field)
        elif field == "pm_port" and driver.has_url:
            self._port = self._take(field, _node_values.port)
        elif driver.prefix and field.startswith(f"{driver.prefix}_"):
            self._put("driver_info", field, field)
        else:
            self._fault(
                field,
                f"means nothing to driver {driver.name}",
                exceptions.one_of(driver.fields, nothing="it has no BMC"),
            )

    def _put(self, section: str, key: str, field: str) -> None:
        content = self._attributes[section]
        if content.get(key) is not None:
            self._fault(field, f"is given twice, also as {self._label(section, key)}")
        else:
            content[key] = self._entry[field]
            self._labels[section, key] = field

    # What is in driver_info, properties and ports.

    def _check_driver_info(self, driver: drivers.Driver | None) -> None:
        info = {
            key: value
            for key, value in self._attributes["driver_info"].items()
            if value is not None
        }
        self._attributes["driver_info"] = info
        missing = driver.missing(info) if driver else []
        if driver:
            self._use_texts(driver, info)
        for key, value in info.items():
            rule = drivers.RULES.get(key)
            if rule and key not in missing and not rule.holds(value):
                self._fault(self._label("driver_info", key), _wrong(key, value), rule.allowed)
        if driver:
            short = {key: field for field, key in driver.fields.items()}
            for key in missing:
                field = short.get(key) if "pm_type" in self._entry else None
                rule = drivers.RULES.get(key)
                self._fault(
                    field or self._label("driver_info", key),
                    "is missing",
                    rule.allowed if rule else None,
                )
            self._complete_address(driver, info)

    def _use_texts(self, driver: drivers.Driver, info: dict[str, Any]) -> None:
        """Make texts of user and password; digits without quotes are numbers in JSON."""
        for field in ("pm_user", "pm_password"):
            key = driver.fields.get(field, "")
            if drivers.number(info.get(key)) is not None:
                info[key] = str(info[key])

    def _complete_address(self, driver: drivers.Driver, info: dict[str, Any]) -> None:
        key = driver.fields.get("pm_addr")
        if key is None:
            return
        field = self._label("driver_info", key)
        if driver.has_url:
            place = drivers.url(info.get(key))
            if place and self._port and place.port not in (None, self._port):
                self._fault("pm_port", f"is {self._port}, and {field} has port {place.port}")
            elif place and (self._port or field == "pm_addr"):
                info[key] = place._replace(port=self._port or place.port).text
        elif key in info:
            # Ironic takes host names in small letters alone.
            info[key] = drivers.host(info[key]) or info[key]
        if driver.port and self._label("driver_info", driver.port) == "pm_port":
            info[driver.port] = drivers.number(info[driver.port])
        bmc = driver.identity(info)
        if bmc:
            self.claims.append(_Claim("BMC", bmc, field))

    def _check_properties(self) -> None:
        found: dict[str, Any] = {}
        for key, value in self._attributes["properties"].items():
            parser = _node_values.PROPERTIES.get(key)
            if parser and value is not None:
                found[key] = self._parse(self._label("properties", key), value, parser)
            else:
                found[key] = value
        found = {key: value for key, value in found.items() if value not in (None, "", {})}
        self._attributes["properties"] = found

    def _read_ports(self) -> tuple[dict[str, Any], ...]:
        macs = self._entry.get("mac", ())
        given = [("mac", mac) for mac in (macs if isinstance(macs, list | tuple) else [macs])]
        ports = self._entry.get("ports", ())
        if isinstance(ports, list | tuple):
            given.extend((f"ports/{place}", port) for place, port in enumerate(ports))
        else:
            self._fault(
                "ports", f"is {_node_values.kind(ports)}", "a list of MAC addresses or ports"
            )
        found = []
        for label, port in given:
            if isinstance(port, Mapping) and label != "mac":
                found.append(self._read_port(label, port))
            else:
                address = self._parse(label, port, _node_values.mac)
                found.append({"address": address})
                if address:
                    self.claims.append(_Claim("MAC", address, label))
        return tuple(found)

    def _read_port(self, label: str, port: Mapping[str, Any]) -> dict[str, Any]:
        found = {}
        for key, value in port.items():
            parser = _node_values.PORT_FIELDS.get(key)
            if key.startswith("_") or value is None:
                continue
            if parser is None:
                self._fault(
                    f"{label}/{key}", "is not a field of a port", exceptions.one_of(PORT_ATTRIBUTES)
                )
            else:
                found[key] = self._parse(f"{label}/{key}", value, parser)
        if "address" not in found:
            self._fault(f"{label}/address", "is missing", "a MAC address")
        for key, kind in (("address", "MAC"), ("uuid", "port's UUID"), ("name", "port's name")):
            if found.get(key):
                self.claims.append(_Claim(kind, found[key], f"{label}/{key}"))
        return found


_APART = {"driver", "mac", "pm_type", "ports", "traits", *_SECTIONS}
"""Fields that are read for themselves."""


def _wrong(key: str, value: object) -> str:
    """Say that a value of ``driver_info`` is wrong; it is shown if it can hold no secret."""
    is_hidden = drivers.is_secret(key) or (isinstance(value, str) and set("@?#") & set(value))
    return "is not right (it is not shown here)" if is_hidden else f"is {_node_values.shown(value)}"


def _find_duplicates(readers: list[_Reader]) -> None:
    owners: dict[tuple[str, str], _Reader] = {}
    systems: dict[str, _Reader] = {}
    for reader in readers:
        for claim in reader.claims:
            if claim.key in owners:
                reader.refuse(claim, owners[claim.key])
            else:
                owners[claim.key] = reader
            if claim.service not in (None, claim.value):
                systems.setdefault(str(claim.service), reader)
    for reader in readers:
        for claim in reader.claims:
            if claim.service == claim.value and claim.value in systems:
                reader.ask_for_system(claim, systems[claim.value])
