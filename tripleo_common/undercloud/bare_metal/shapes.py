"""The hardware of emulated machines, as ironic-python-agent reports it.

What is the same in all machines of a shape (models, sizes) stands in a table. What is a machine's
own (serial numbers, WWNs, addresses, the switch ports that it is plugged into) is derived from its
entry, so that it is unique and the same at each boot.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Any, Protocol

GIB = 2**30


class Machine(Protocol):
    """What of a machine's entry says which one it is."""

    @property
    def uuid(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def macs(self) -> tuple[str, ...]: ...

    @property
    def other_macs(self) -> tuple[str, ...]: ...

    @property
    def shape(self) -> str: ...


@dataclasses.dataclass(frozen=True)
class Nic:
    """A port of a network card."""

    name: str
    vendor: str
    product: str
    driver: str
    speed_mbps: int
    pci: str


@dataclasses.dataclass(frozen=True)
class Disk:
    """A disk. ``nvme`` ones are named and identified in their own way."""

    vendor: str | None
    model: str
    bytes: int
    rotational: bool = False
    nvme: bool = False


@dataclasses.dataclass(frozen=True)
class Shape:
    """A model of server."""

    manufacturer: str
    product: str
    firmware: str
    architecture: str
    cpu_model: str
    cpu_mhz: float
    cpu_flags: tuple[str, ...]
    sockets: int
    cores: int
    """Of each socket."""
    threads: int
    """Of each core."""
    memory_gib: int
    disks: tuple[Disk, ...]
    nics: tuple[Nic, ...]
    boot_mode: str = "uefi"
    known: bool = True
    """Whether its NICs have the MAC addresses that it is registered with."""

    @property
    def cpus(self) -> int:
        """How many CPUs the operating system sees."""
        return self.sockets * self.cores * self.threads


_X86_FLAGS = ("fpu", "vme", "pse", "pae", "sse4_2", "aes", "avx", "avx2", "pdpe1gb", "vmx", "smx")

SHAPES = {
    "two-socket-nvme": Shape(
        manufacturer="Dell Inc.",
        product="PowerEdge R750",
        firmware="1.12.1",
        architecture="x86_64",
        cpu_model="Intel(R) Xeon(R) Gold 6338 CPU @ 2.00GHz",
        cpu_mhz=2000.0,
        cpu_flags=(*_X86_FLAGS, "avx512f"),
        sockets=2,
        cores=32,
        threads=2,
        memory_gib=512,
        disks=(
            Disk("ATA", "DELLBOSS VD", 480036519936),
            Disk(None, "Dell Ent NVMe P5600 MU U.2 1.6TB", 1600321314816, nvme=True),
            Disk(None, "Dell Ent NVMe P5600 MU U.2 1.6TB", 1600321314816, nvme=True),
            Disk(None, "Dell Ent NVMe P5600 MU U.2 3.2TB", 3200631791616, nvme=True),
        ),
        nics=(
            Nic("eno12399np0", "0x14e4", "0x16d7", "bnxt_en", 25000, "0000:31:00.0"),
            Nic("eno12409np1", "0x14e4", "0x16d7", "bnxt_en", 25000, "0000:31:00.1"),
            Nic("eno8303", "0x14e4", "0x165f", "tg3", 1000, "0000:04:00.0"),
            Nic("eno8403", "0x14e4", "0x165f", "tg3", 1000, "0000:04:00.1"),
        ),
    ),
    "arm": Shape(
        manufacturer="HPE",
        product="ProLiant RL300 Gen11",
        firmware="1.62",
        architecture="aarch64",
        cpu_model="Ampere(R) Altra(R) Max Processor",
        cpu_mhz=3000.0,
        cpu_flags=("fp", "asimd", "evtstrm", "aes", "pmull", "sha1", "sha2", "crc32", "atomics"),
        sockets=1,
        cores=128,
        threads=1,
        memory_gib=256,
        disks=(
            Disk(None, "SAMSUNG MZQL2960HCJR-00A07", 960197124096, nvme=True),
            Disk(None, "SAMSUNG MZQL23T8HCLS-00A07", 3840755982336, nvme=True),
        ),
        nics=(
            Nic("ens1f0np0", "0x15b3", "0x101f", "mlx5_core", 25000, "0003:01:00.0"),
            Nic("ens1f1np1", "0x15b3", "0x101f", "mlx5_core", 25000, "0003:01:00.1"),
        ),
    ),
    "single-disk": Shape(
        manufacturer="Supermicro",
        product="SYS-5019C-MR",
        firmware="1.9",
        architecture="x86_64",
        cpu_model="Intel(R) Xeon(R) E-2236 CPU @ 3.40GHz",
        cpu_mhz=3400.0,
        cpu_flags=_X86_FLAGS,
        sockets=1,
        cores=6,
        threads=2,
        memory_gib=32,
        disks=(Disk("ATA", "ST2000NX0253", 2000398934016, rotational=True),),
        nics=(Nic("eno1", "0x8086", "0x1533", "igb", 1000, "0000:05:00.0"),),
        boot_mode="bios",
    ),
    "no-nic-match": Shape(
        manufacturer="Lenovo",
        product="ThinkSystem SR630 V2",
        firmware="3.11",
        architecture="x86_64",
        cpu_model="Intel(R) Xeon(R) Silver 4310 CPU @ 2.10GHz",
        cpu_mhz=2100.0,
        cpu_flags=(*_X86_FLAGS, "avx512f"),
        sockets=2,
        cores=12,
        threads=2,
        memory_gib=128,
        disks=(
            Disk("SEAGATE", "ST600MM0009", 600127266816, rotational=True),
            Disk("SEAGATE", "ST600MM0009", 600127266816, rotational=True),
        ),
        nics=(
            Nic("ens6f0", "0x8086", "0x1572", "i40e", 10000, "0000:98:00.0"),
            Nic("ens6f1", "0x8086", "0x1572", "i40e", 10000, "0000:98:00.1"),
        ),
        known=False,
    ),
}
"""Name to hardware."""


def nics(shape: str) -> int:
    """Return how many NICs a machine of a shape has."""
    return len(SHAPES[shape].nics)


def inspection_data(node: Machine, *, foreign: bool = False) -> dict[str, Any]:
    """Return what the ramdisk of a machine sends when it has looked at the hardware.

    :param foreign: report MAC addresses that the machine is not registered with.
    :returns: ``inventory``, and beside it what the agent's collectors add, as ironic-python-agent
        posts it to Ironic and to ironic-inspector.
    """
    shape = SHAPES[node.shape]
    macs = node.other_macs if foreign or not shape.known else node.macs
    disks = _disks(node, shape)
    root = min((disk for disk in disks if disk["size"] >= 4 * GIB), key=lambda disk: disk["size"])
    return {
        "inventory": _inventory(node, shape, macs, disks),
        "root_disk": root,
        "boot_interface": _pxe(macs[0]),
        "pci_devices": [
            {
                "vendor_id": nic.vendor.removeprefix("0x"),
                "product_id": nic.product.removeprefix("0x"),
                "class": "020000",
                "revision": "01",
                "bus": nic.pci,
                "numa_node_id": "0",
            }
            for nic in shape.nics
        ],
        "configuration": {
            "collectors": ["default", "pci-devices"],
            "managers": [{"name": "generic_hardware_manager", "version": "1.2"}],
        },
        "error": None,
    }


def address(node: Machine) -> str:
    """Return the IP address that a machine's ramdisk has (RFC 2544: for tests of networks)."""
    return _address(node, "198.19")


def _inventory(
    node: Machine, shape: Shape, macs: Sequence[str], disks: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "interfaces": [_interface(node, shape, macs, index) for index in range(len(macs))],
        "cpu": {
            "model_name": shape.cpu_model,
            "frequency": f"{shape.cpu_mhz:.4f}",
            "count": shape.cpus,
            "architecture": shape.architecture,
            "flags": list(shape.cpu_flags),
            "socket_count": shape.sockets,
        },
        "disks": disks,
        "memory": {
            # What the kernel keeps for itself is missing of the total.
            "total": shape.memory_gib * GIB - shape.memory_gib * GIB // 64,
            "physical_mb": shape.memory_gib * 1024,
        },
        "bmc_address": _address(node, "198.18"),
        "bmc_v6address": "::/0",
        "bmc_mac": ":".join(_own(node, "bmc", 12, first="02")[i : i + 2] for i in range(0, 12, 2)),
        "system_vendor": {
            "product_name": shape.product,
            "serial_number": _own(node, "system", 7).upper(),
            "manufacturer": shape.manufacturer,
            "firmware": {
                "vendor": shape.manufacturer,
                "version": shape.firmware,
                "build_date": "09/19/2023",
            },
        },
        "boot": {"current_boot_mode": shape.boot_mode, "pxe_interface": _pxe(macs[0])},
        "hostname": node.name,
    }


def _interface(node: Machine, shape: Shape, macs: Sequence[str], index: int) -> dict[str, Any]:
    nic = shape.nics[index % len(shape.nics)]
    more = index // len(shape.nics)
    # Its first two ports are plugged in: the first in one switch, the second in another.
    plugged = index < 2
    return {
        "name": f"{nic.name}{'v' * more}",
        "mac_address": macs[index],
        "ipv4_address": address(node) if index == 0 else None,
        "ipv6_address": None,
        "has_carrier": plugged,
        "lldp": _lldp(node, index, nic) if plugged else [],
        "vendor": nic.vendor,
        "product": nic.product,
        "client_id": None,
        "biosdevname": None,
        "speed_mbps": nic.speed_mbps if plugged else None,
        "pci_address": nic.pci,
        "driver": nic.driver,
    }


def _lldp(node: Machine, index: int, nic: Nic) -> list[list[Any]]:
    """Return what a switch announces of itself, as type and hexadecimal value (IEEE 802.1AB)."""
    rack, unit = divmod(_number(node), 40)
    port = f"Ethernet1/{unit + 1}"
    switch = f"leaf-{rack + 1}{'ab'[index]}"
    chassis = bytes.fromhex("0200" + hashlib.sha256(switch.encode()).hexdigest()[:8])
    return [
        [1, (b"\x04" + chassis).hex()],
        [2, (b"\x05" + port.encode()).hex()],
        [3, "0078"],
        [4, f"{node.name} {nic.name}".encode().hex()],
        [5, f"{switch}.example.com".encode().hex()],
        [6, b"Arista Networks EOS version 4.29.2F".hex()],
        [7, "00140014"],
        # Port VLAN id 1 (802.1), maximum frame size 9236 (802.3).
        [127, "0080c2010001"],
        [127, "00120f042414"],
    ]


def _disks(node: Machine, shape: Shape) -> list[dict[str, Any]]:
    disks = []
    for index, disk in enumerate(shape.disks):
        before = [other.nvme for other in shape.disks[:index]].count(disk.nvme)
        serial = _own(node, f"disk-{index}", 12).upper()
        if disk.nvme:
            name, path = f"nvme{before}n1", f"pci-0000:{0x65 + before:x}:00.0-nvme-1"
            wwn, hctl = f"eui.{_own(node, f'wwn-{index}', 32, first='36')}", None
        else:
            name, path = f"sd{chr(ord('a') + before)}", f"pci-0000:00:17.0-ata-{before + 1}"
            wwn, hctl = f"0x{_own(node, f'wwn-{index}', 16, first='5')}", f"{before}:0:0:0"
        disks.append(
            {
                "name": f"/dev/{name}",
                "model": disk.model,
                "size": disk.bytes,
                "rotational": disk.rotational,
                "wwn": wwn,
                "serial": serial,
                "vendor": disk.vendor,
                "wwn_with_extension": wwn,
                "wwn_vendor_extension": None,
                "hctl": hctl,
                "by_path": f"/dev/disk/by-path/{path}",
                "logical_sectors": 512,
                "physical_sectors": 4096 if disk.rotational else 512,
            }
        )
    return disks


def _pxe(mac: str) -> str:
    """Return how a boot loader names the NIC that it has booted from."""
    return f"01-{mac.replace(':', '-')}"


def _own(node: Machine, what: str, digits: int, first: str = "") -> str:
    """Return hexadecimal digits that only this machine has."""
    return (first + hashlib.sha256(f"{node.uuid} {what}".encode()).hexdigest())[:digits]


def _address(node: Machine, network: str) -> str:
    number = _number(node)
    return f"{network}.{number >> 8}.{number & 255}"


def _number(node: Machine) -> int:
    """Return a number of 16 bits that no other machine has (see ``nodes.make``)."""
    return int(node.macs[0].replace(":", "")[-6:], 16) >> 4 & 0xFFFF
