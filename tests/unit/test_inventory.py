import contextlib
import copy
import json
import random

import ddt

from tests.unit import base
from tripleo_common.baremetal import inventory

GIB = 2**30

INVENTORY = {
    "interfaces": [
        {
            "name": "eno1",
            "mac_address": "52:54:00:AA:00:01",
            "ipv4_address": "192.0.2.10",
            "ipv6_address": "fe80::1%eno1",
            "has_carrier": True,
            "lldp": [
                [1, "04c47ee0e41591"],
                [2, "05457468312f3137"],
                [3, "0078"],
                [4, "7261636b203133"],
                [5, "6c6561662d3133"],
                [6, "41726973746120454f53"],
                [127, "0080c2010064"],
                [127, "0080c2030064046d676d74"],
                [127, "0080c20300c80474656e74"],
                [127, "00120f042328"],
                [0, ""],
            ],
            "vendor": "0x8086",
            "product": "0x1572",
            "client_id": None,
            "biosdevname": "em1",
            "speed_mbps": 25000,
        },
        {"name": "eno2", "mac_address": "52-54-00-aa-00-02", "has_carrier": False, "lldp": []},
    ],
    "cpu": {
        "model_name": "Intel(R) Xeon(R) Gold 6338 CPU @ 2.00GHz",
        "frequency": "3200.0000",
        "count": 128,
        "architecture": "x86_64",
        "flags": ["fpu", "vmx"],
    },
    "disks": [
        {
            "name": "/dev/nvme0n1",
            "model": "Dell Ent NVMe v2 AGN RI U.2 3.84TB",
            "size": 3840755982336,
            "rotational": False,
            "wwn": "eui.3655333052a000180025384500000001",
            "serial": "S6U0NE0T900001",
            "vendor": None,
            "wwn_with_extension": None,
            "wwn_vendor_extension": None,
            "hctl": None,
            "by_path": "/dev/disk/by-path/pci-0000:65:00.0-nvme-1",
            "logical_sectors": 512,
        },
        {
            "name": "/dev/sda",
            "model": "DELLBOSS VD",
            "size": 480036519936,
            "rotational": True,
            "wwn": "0x5000c500a0000001",
            "serial": "  a0000001  ",
            "vendor": "ATA",
            "wwn_with_extension": "0x5000c500a00000010x1",
            "wwn_vendor_extension": "0x1",
            "hctl": "0:0:0:0",
            "by_path": "/dev/disk/by-path/pci-0000:00:17.0-ata-1",
        },
    ],
    "memory": {"physical_mb": 524288, "total": 540000000000},
    "bmc_address": "192.0.2.210",
    "bmc_v6address": "::/0",
    "system_vendor": {
        "product_name": "PowerEdge R750 (SKU=NotProvided;ModelName=PowerEdge R750)",
        "serial_number": "ABC1234",
        "manufacturer": "Dell Inc.",
        "firmware": {"vendor": "Dell Inc.", "version": "1.6.5"},
    },
    "boot": {"current_boot_mode": "uefi", "pxe_interface": "52:54:00:aa:00:01"},
    "hostname": "localhost",
}
"""As ironic-python-agent sends it."""

EMPTY = {
    "cpus": 0,
    "cpu_arch": None,
    "cpu_model": None,
    "memory_mib": 0,
    "boot_mode": None,
    "product": {"vendor": None, "name": None, "serial": None},
    "bmc_address": None,
    "disks": [],
    "nics": [],
}

NO_DISK = {
    "name": "sda",
    "size": 0,
    "size_gib": 0,
    "rotational": None,
    "model": None,
    "vendor": None,
    "serial": None,
    "wwn": None,
    "wwn_with_extension": None,
    "wwn_vendor_extension": None,
    "hctl": None,
    "by_path": None,
}
"""What becomes of a disk of which its name alone is known."""

NO_NIC = {
    "name": "eth0",
    "mac": None,
    "ip": None,
    "has_carrier": None,
    "vendor": None,
    "product": None,
    "lldp": None,
}

NO_NEIGHBOR = {
    "switch": None,
    "chassis_id": None,
    "port_id": None,
    "port_description": None,
    "untagged_vlan": None,
    "vlans": [],
}

JUNK = (
    None,
    True,
    False,
    0,
    -1,
    -(10**30),
    10**30,
    10**4000,
    0.5,
    -2.5,
    float("nan"),
    float("inf"),
    "",
    " ",
    "x" * 5000,
    "\x1b[2J\x00\u202egnp.exe\ud800",
    "0080c2",
    b"\xff",
    [],
    [[]],
    [None, 1, "x"],
    [[1, "04zz"], [2, 5], [127, "0080c201"], "ab", [1], [[], "00"]],
    {},
    {"name": "x"},
    {"name": []},
    {1: {2: 3}},
)


def tlv(kind, data):
    return [kind, data.hex()]


def nic(*tlvs, **keys):
    """Return a NIC as the ramdisk describes it."""
    return {"name": "eth0", "lldp": list(tlvs), **keys}


def neighbor(*tlvs, plugins=None):
    """Return what is known of the neighbor of a node's only NIC."""
    (found,) = inventory.facts({"interfaces": [nic(*tlvs)]}, plugins)["nics"]
    return found["lldp"]


def only_disk(**keys):
    (found,) = inventory.facts({"disks": [{"name": "sda", **keys}]}, None)["disks"]
    return found


class Facts(base.TestCase):
    def test_everything_that_a_ramdisk_tells(self):
        found = inventory.facts(INVENTORY, {"all_interfaces": {}, "macs": []})
        self.assertEqual(
            {
                "cpus": 128,
                "cpu_arch": "x86_64",
                "cpu_model": "Intel(R) Xeon(R) Gold 6338 CPU @ 2.00GHz",
                "memory_mib": 524288,
                "boot_mode": "uefi",
                "product": {
                    "vendor": "Dell Inc.",
                    "name": "PowerEdge R750 (SKU=NotProvided;ModelName=PowerEdge R750)",
                    "serial": "ABC1234",
                },
                "bmc_address": "192.0.2.210",
                "disks": [
                    {
                        **NO_DISK,
                        "name": "/dev/nvme0n1",
                        "size": 3840755982336,
                        "size_gib": 3576,
                        "rotational": False,
                        "model": "Dell Ent NVMe v2 AGN RI U.2 3.84TB",
                        "serial": "S6U0NE0T900001",
                        "wwn": "eui.3655333052a000180025384500000001",
                        "by_path": "/dev/disk/by-path/pci-0000:65:00.0-nvme-1",
                    },
                    {
                        "name": "/dev/sda",
                        "size": 480036519936,
                        "size_gib": 447,
                        "rotational": True,
                        "model": "DELLBOSS VD",
                        "vendor": "ATA",
                        "serial": "a0000001",
                        "wwn": "0x5000c500a0000001",
                        "wwn_with_extension": "0x5000c500a00000010x1",
                        "wwn_vendor_extension": "0x1",
                        "hctl": "0:0:0:0",
                        "by_path": "/dev/disk/by-path/pci-0000:00:17.0-ata-1",
                    },
                ],
                "nics": [
                    {
                        "name": "eno1",
                        "mac": "52:54:00:aa:00:01",
                        "ip": "192.0.2.10",
                        "has_carrier": True,
                        "vendor": "0x8086",
                        "product": "0x1572",
                        "lldp": {
                            "switch": "leaf-13",
                            "chassis_id": "c4:7e:e0:e4:15:91",
                            "port_id": "Eth1/17",
                            "port_description": "rack 13",
                            "untagged_vlan": 100,
                            "vlans": [100, 200],
                        },
                    },
                    {
                        **NO_NIC,
                        "name": "eno2",
                        "mac": "52:54:00:aa:00:02",
                        "has_carrier": False,
                    },
                ],
            },
            found,
        )
        self.assertEqual(found, json.loads(json.dumps(found)))

    def test_what_a_bmc_tells(self):
        found = inventory.facts(
            {
                "memory": {"physical_mb": 98304.0},
                "cpu": {"count": 2, "architecture": "aarch64", "model_name": "Neoverse N1"},
                "disks": [
                    {
                        "name": "Drive 1",
                        "size": 899527213056,
                        "vendor": "Contoso",
                        "model": "3000GT8",
                        "serial": "1234570",
                        "rotational": True,
                    }
                ],
                "interfaces": [{"mac_address": "12:44:6a:3b:04:11", "name": "1", "speed_mbps": 1}],
                "system_vendor": {"product_name": "3500RX", "manufacturer": "Contoso"},
                "boot": {"current_boot_mode": "bios"},
            },
            {
                "parsed_lldp": {
                    "1": {"switch_chassis_id": "C4:7E:E0:E4:15:91", "switch_vlan_id": 4095}
                }
            },
        )
        self.assertEqual(
            (2, "aarch64", 98304), (found["cpus"], found["cpu_arch"], found["memory_mib"])
        )
        self.assertEqual("bios", found["boot_mode"])
        self.assertEqual(
            (837, "1234570", None),
            tuple(found["disks"][0][key] for key in ("size_gib", "serial", "wwn")),
        )
        self.assertIsNone(found["nics"][0]["has_carrier"])
        self.assertEqual(
            {**NO_NEIGHBOR, "chassis_id": "C4:7E:E0:E4:15:91"}, found["nics"][0]["lldp"]
        )

    def test_memory_that_the_kernel_sees_where_nothing_else_is_known(self):
        found = inventory.facts({"memory": {"total": 8 * GIB + 5, "physical_mb": None}}, None)
        self.assertEqual(8192, found["memory_mib"])


@ddt.ddt
class Hostile(base.TestCase):
    """What comes from a machine that lies, or is out of order."""

    def check(self, found):
        """Hold facts to the types that are promised of them."""
        self.assertEqual(EMPTY.keys(), found.keys())
        self.count(found, "cpus", "memory_mib")
        self.texts(found, "cpu_arch", "cpu_model", "bmc_address")
        self.assertIn(found["boot_mode"], ("uefi", "bios", None))
        self.assertEqual({"vendor", "name", "serial"}, found["product"].keys())
        self.texts(found["product"], *found["product"])
        self.assertLessEqual(len(found["disks"]), 256)
        self.assertLessEqual(len(found["nics"]), 256)
        for disk in found["disks"]:
            self.assertEqual(NO_DISK.keys(), disk.keys())
            self.assertTrue(disk["name"])
            self.count(disk, "size", "size_gib")
            self.assertIn(disk["rotational"], (True, False, None))
            self.texts(disk, *(disk.keys() - {"size", "size_gib", "rotational"}))
        for one in found["nics"]:
            self.assertEqual(NO_NIC.keys(), one.keys())
            self.assertTrue(one["name"])
            self.assertIn(one["has_carrier"], (True, False, None))
            self.texts(one, *(one.keys() - {"has_carrier", "lldp"}))
            if one["lldp"] is not None:
                self.assertEqual(NO_NEIGHBOR.keys(), one["lldp"].keys())
                self.texts(one["lldp"], *(one["lldp"].keys() - {"untagged_vlan", "vlans"}))
                for vlan in (one["lldp"]["untagged_vlan"] or 1, *one["lldp"]["vlans"]):
                    self.assertIn(vlan, range(1, 4095))
        json.dumps(found, allow_nan=False).encode()
        self.assertIsInstance(inventory.summary(found), str)

    def count(self, mapping, *keys):
        for key in keys:
            self.assertIs(int, type(mapping[key]), key)
            self.assertGreaterEqual(mapping[key], 0, key)

    def texts(self, mapping, *keys):
        for key in keys:
            text = mapping[key]
            if text is not None:
                self.assertIs(str, type(text), key)
                self.assertIn(len(text), range(1, 201), key)
                self.assertTrue(text.isprintable(), key)

    @ddt.data(*JUNK)
    def test_nothing_that_is_known(self, junk):
        self.assertEqual(EMPTY, inventory.facts(junk, junk))

    def test_anything_in_the_place_of_anything(self):
        good = {
            "lldp_raw": {"eno1": INVENTORY["interfaces"][0]["lldp"]},
            "parsed_lldp": {"eno2": {"switch_port_vlans": [{"id": 5, "name": "x"}]}},
            "all_interfaces": {"eno2": {"lldp_processed": {"switch_port_id": "x"}}},
        }
        places = [*self.places(INVENTORY), *(("plugins", *path) for path in self.places(good))]
        chosen = random.Random(5)
        for path in places:
            for junk in JUNK:
                document = copy.deepcopy({**INVENTORY, "plugins": good})
                self.put(document, path, junk)
                # Another one at the same time, for what is only looked at if something is amiss.
                self.put(document, chosen.choice(places), chosen.choice(JUNK))
                self.check(inventory.facts(document, document["plugins"]))

    def places(self, value, path=()):
        """Return the path of everything in a document."""
        keys = value if isinstance(value, dict) else range(len(value))
        for key in keys:
            yield (*path, key)
            if isinstance(value[key], dict | list):
                yield from self.places(value[key], (*path, key))

    def put(self, document, path, value):
        *way, last = path
        # What was on the way may have been replaced already.
        with contextlib.suppress(IndexError, KeyError, TypeError):
            for key in way:
                document = document[key]
            document[last] = value

    def test_lists_are_read_to_a_limit(self):
        found = inventory.facts(
            {
                "disks": [{"name": f"sd{i}", "size": GIB} for i in range(1000)],
                "interfaces": [{"name": f"eth{i}"} for i in range(1000)],
            },
            None,
        )
        self.assertEqual((256, 256), (len(found["disks"]), len(found["nics"])))
        self.assertEqual("256 disks 256 GiB, 256 NICs", inventory.summary(found))

    @ddt.data(
        ("a" * 300, "a" * 200),
        ("\x1b[31mred\x07\n", "[31mred"),
        ("abc\u202edef\u200b", "abcdef"),
        ("\ud800x", "x"),
        ("\x00", None),
        ("  ", None),
        ("Xeon\u00ae", "Xeon\u00ae"),
        (5, None),
    )
    @ddt.unpack
    def test_texts_can_be_shown(self, text, shown):
        self.assertEqual(shown, inventory.facts({"cpu": {"model_name": text}}, 0)["cpu_model"])

    @ddt.data("serial", "wwn", "wwn_with_extension", "wwn_vendor_extension", "hctl", "by_path")
    def test_what_a_disk_is_found_by_is_whole_or_not_known(self, key):
        """A hint of a part of it would find no disk."""
        self.assertEqual({**NO_DISK, key: "S3X 1"}, only_disk(**{key: " S3X 1\n"}))
        for text in ("a" * 201, "a\x00b", "a\u202eb", "", 5, None, ["a"]):
            self.assertEqual(NO_DISK, only_disk(**{key: text}))

    @ddt.data(-1, True, "64", None, float("nan"), float("inf"), -0.5, 2**63, 10**400, [1], {})
    def test_no_number(self, number):
        found = inventory.facts(
            {
                "cpu": {"count": number},
                "memory": {"physical_mb": number, "total": number},
                "disks": [{"name": "sda", "size": number}],
            },
            None,
        )
        self.assertEqual({**EMPTY, "disks": [NO_DISK]}, found)

    @ddt.data("", "52:54:00:aa:00", "52:54:00:aa:00:01:02", "5254.00aa.0001", "x", 5, None)
    def test_no_mac(self, mac):
        found = inventory.facts({"interfaces": [{"name": "eth0", "mac_address": mac}]}, None)
        self.assertEqual([NO_NIC], found["nics"])

    @ddt.data("0.0.0.0", "::/0", "::", "", "x", "192.0.2.0/24", 5, b"abcd"[:3], None)
    def test_no_address(self, address):
        found = inventory.facts({"bmc_address": address, "bmc_v6address": address}, None)
        self.assertEqual(EMPTY, found)

    def test_address_of_version_six_where_there_is_no_other(self):
        found = inventory.facts(
            {
                "bmc_address": "0.0.0.0",
                "bmc_v6address": "2001:DB8::0:1",
                "interfaces": [
                    {"name": "eth0", "ipv4_address": "", "ipv6_address": "fe80::1%eth0"}
                ],
            },
            None,
        )
        self.assertEqual("2001:db8::1", found["bmc_address"])
        self.assertEqual("fe80::1", found["nics"][0]["ip"])


@ddt.ddt
class Neighbors(base.TestCase):
    @ddt.data(
        (b"\x04\x00\x1c\x73\x00\x00\x99", "00:1c:73:00:00:99"),
        (b"\x05\x01\xc0\x00\x02\x01", "192.0.2.1"),
        (b"\x05\x02" + bytes.fromhex("20010db8000000000000000000000001"), "2001:db8::1"),
        (b"\x07rack 7", "rack 7"),
        (b"\x01alias", "alias"),
        (b"\x06mgmt0", "mgmt0"),
        (b"\x07local\x00", "local"),
    )
    @ddt.unpack
    def test_chassis(self, data, shown):
        self.assertEqual({**NO_NEIGHBOR, "chassis_id": shown}, neighbor(tlv(1, data)))

    @ddt.data(
        (b"\x03\x00\x1c\x73\x00\x00\x99", "00:1c:73:00:00:99"),
        (b"\x04\x01\xc0\x00\x02\x01", "192.0.2.1"),
        (b"\x05Ethernet1/1", "Ethernet1/1"),
        (b"\x07 528 ", "528"),
        (b"\x01uplink", "uplink"),
    )
    @ddt.unpack
    def test_port(self, data, shown):
        self.assertEqual({**NO_NEIGHBOR, "port_id": shown}, neighbor(tlv(2, data)))

    @ddt.data(
        b"",
        b"\x04",
        b"\x04\x00\x1c\x73\x00\x00",
        b"\x04\x00\x1c\x73\x00\x00\x99\x00",
        b"\x05",
        b"\x05\x01",
        b"\x05\x01\xc0\x00\x02",
        b"\x07",
        b"\x07\xff\xfe",
        b"\x07\x00\x00",
        b"\x00reserved",
        b"\x08reserved",
    )
    def test_chassis_that_is_cut_or_rubbish(self, data):
        self.assertIsNone(neighbor(tlv(1, data)))
        self.assertEqual(
            {**NO_NEIGHBOR, "chassis_id": "good", "switch": "sw"},
            neighbor(tlv(1, data), tlv(5, b"sw"), tlv(1, b"\x07good"), tlv(1, b"\x07later")),
        )

    @ddt.data(
        [1],
        [1, "04", "05"],
        ["1", "07616263"],
        [1, "0761626"],
        [1, "07zz"],
        [1, None],
        [5, "61" * 512],
        [3, "0078"],
        [8, "0501c0000201020000000100"],
        "07616263",
        None,
        {"type": 1},
        [[], {}],
    )
    def test_passed_over(self, rubbish):
        self.assertIsNone(neighbor(rubbish))
        self.assertEqual("sw", neighbor(rubbish, [5, "7377"])["switch"])

    @ddt.data(
        "0080c2",
        "0080c201",
        "0080c20101",
        "0080c20301",
        "0080c2010000",
        "0080c2010fff",
        "0080c202006400",
        "00120f010064",
        "0080c2030fff0478787878",
    )
    def test_no_vlan(self, rubbish):
        self.assertIsNone(neighbor([127, rubbish], [8, "0080c2010064"]))

    def test_vlans(self):
        self.assertEqual(
            {**NO_NEIGHBOR, "untagged_vlan": 4094, "vlans": [1, 300]},
            neighbor(
                [127, "0080c2010ffe"],
                [127, "0080c2010001"],
                [127, "0080c203012c0178"],
                [127, "0080c20300010178"],
                [127, "0080c203012c0178"],
            ),
        )

    def test_what_is_said_first_counts(self):
        twice = [[1, "0761"], [2, "0762"], [4, "63"], [5, "64"], [5, "65"], [4, "65"], [2, "0765"]]
        self.assertEqual(
            {
                **NO_NEIGHBOR,
                "chassis_id": "a",
                "port_id": "b",
                "port_description": "c",
                "switch": "d",
            },
            neighbor(*twice, [1, "0765"]),
        )

    def test_longest_text(self):
        self.assertEqual("a" * 200, neighbor([5, "61" * 511])["switch"])

    def test_no_more_is_read_than_a_packet_can_hold(self):
        self.assertIsNone(neighbor(*([3, "0078"] for _ in range(256)), [5, "7377"]))

    PARSED = {
        "switch_system_name": "leaf",
        "switch_chassis_id": "aa:bb:cc:dd:ee:ff",
        "switch_port_id": "Eth1",
        "switch_port_description": "to the node",
        "switch_port_untagged_vlan_id": 101,
        "switch_port_vlans": [{"id": 102, "name": "b"}, {"id": 101, "name": "a"}, {"id": 102}],
        "switch_mgmt_addresses": ["192.0.2.1"],
    }
    READ = {
        "switch": "leaf",
        "chassis_id": "aa:bb:cc:dd:ee:ff",
        "port_id": "Eth1",
        "port_description": "to the node",
        "untagged_vlan": 101,
        "vlans": [101, 102],
    }

    def test_what_hooks_have_read(self):
        for plugins in (
            {"parsed_lldp": {"eth0": self.PARSED}},
            {"all_interfaces": {"eth0": {"lldp_processed": self.PARSED}}},
        ):
            self.assertEqual(self.READ, neighbor(plugins=plugins))
            self.assertEqual(self.READ, neighbor([1, "junk"], plugins=plugins))
            self.assertEqual("sw", neighbor([5, "7377"], plugins=plugins)["switch"])

    def test_what_the_ramdisk_sends_aside(self):
        raw = {"eth0": [[5, "7377"]]}
        self.assertEqual("sw", neighbor(plugins={"lldp_raw": raw})["switch"])
        self.assertEqual("sw", neighbor([5, "6f6c64"], plugins={"lldp_raw": raw})["switch"])
        self.assertEqual(
            "old", neighbor([5, "6f6c64"], plugins={"lldp_raw": {"eth1": 1}})["switch"]
        )


@ddt.ddt
class Summary(base.TestCase):
    def test_one_line(self):
        self.assertEqual(
            "128 CPUs x86_64, 512 GiB, 2 disks 4023 GiB, 2 NICs, uefi",
            inventory.summary(inventory.facts(INVENTORY, None)),
        )

    @ddt.data(
        ({}, ""),
        (EMPTY, "no disks, no NICs"),
        ({"error": "Ironic does not answer"}, ""),
        ({"cpus": 1, "cpu_arch": None, "memory_mib": 512}, "1 CPU, 512 MiB"),
        ({"memory_mib": 1024}, "1 GiB"),
        ({"memory_mib": 1535, "nics": [NO_NIC]}, "1 GiB, 1 NIC"),
        ({"disks": [NO_DISK]}, "1 disk"),
        ({"disks": [{**NO_DISK, "size_gib": 9}], "boot_mode": "bios"}, "1 disk 9 GiB, bios"),
    )
    @ddt.unpack
    def test_what_is_not_known_is_left_out(self, facts, line):
        self.assertEqual(line, inventory.summary(facts))
