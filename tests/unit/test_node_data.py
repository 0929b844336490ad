import copy
import json
import random
import types

import ddt
import oslo_i18n
from ironicclient.v1 import node as client_node
from ironicclient.v1 import port as client_port
from oslo_utils import strutils

from tests.unit import base, installed_ironic
from tripleo_common import exceptions
from tripleo_common.baremetal import drivers, node_data

CANARY = "canary-5d1f"
UUID = "1be26c0b-03f2-4d2e-ae87-c02d7f33c123"
MAC = "52:54:00:12:34:56"
FAKE = {"driver": "fake-hardware"}
IPMI = {"pm_type": "ipmi", "pm_addr": "10.0.0.1"}
REDFISH = {"pm_type": "redfish", "pm_addr": "10.0.0.1", "pm_system_id": "/redfish/v1/Systems/1"}

GOOD = (
    ({"name": "rack1-node_2.example~"}, "name", "rack1-node_2.example~"),
    ({"name": None}, "name", None),
    ({"uuid": UUID.upper()}, "uuid", UUID),
    ({"uuid": UUID.replace("-", "")}, "uuid", UUID),
    ({"resource_class": "baremetal"}, "resource_class", "baremetal"),
    ({"conductor_group": "Rack.A-1_b"}, "conductor_group", "rack.a-1_b"),
    ({"description": "d" * 4096}, "description", "d" * 4096),
    ({"automated_clean": "no"}, "automated_clean", False),
    ({"disable_power_off": True}, "disable_power_off", True),
    ({"chassis_uuid": UUID}, "chassis_uuid", UUID),
    ({"boot_interface": "redfish-virtual-media"}, "boot_interface", "redfish-virtual-media"),
    ({"network_data": {}}, "network_data", {}),
    ({"cpu": "4"}, "properties", {"cpus": 4}),
    ({"memory": 6144}, "properties", {"memory_mb": 6144}),
    ({"disk": "040"}, "properties", {"local_gb": 40}),
    ({"arch": "aarch64"}, "properties", {"cpu_arch": "aarch64"}),
    ({"capabilities": ""}, "properties", {}),
    ({"capabilities": " a : b ,c:d,"}, "properties", {"capabilities": "a:b,c:d"}),
    (
        {"capabilities": {"secure_boot": True, "raid": 1, "boot_mode": "uefi"}},
        "properties",
        {"capabilities": "secure_boot:true,raid:1,boot_mode:uefi"},
    ),
    ({"properties": {"cpus": "8", "x": [1]}}, "properties", {"cpus": 8, "x": [1]}),
    ({"properties": {"capabilities": {"a": "b"}}}, "properties", {"capabilities": "a:b"}),
    ({"properties": {"size": None}, "root_device": {}}, "properties", {}),
    *(
        ({"root_device": hints}, "properties", {"root_device": hints})
        for hints in (
            {"size": 100},
            {"size": ">= 100"},
            {"size": "<range-in> [ 100 200 )"},
            {"size": "<range-in> [ 100 200 )"},
            {"wwn": "0x4000cca77fc4dba1", "serial": "s== X"},
            {"name": "<or> /dev/sda <or> /dev/vda", "rotational": False},
            {"hctl": "1:0:0:0", "by_path": "/dev/disk/by-path/p", "model": "<in> ssd"},
            {"wwn_with_extension": "a", "wwn_vendor_extension": "b", "vendor": "V"},
        )
    ),
    ({"root_device": {"rotational": "no"}}, "properties", {"root_device": {"rotational": False}}),
    ({"root_device": {"size": "100"}}, "properties", {"root_device": {"size": 100}}),
    ({"extra": {"rack": {"row": 3}}}, "extra", {"rack": {"row": 3}}),
    ({"platform": "x86"}, "extra", {"tripleo_platform": "x86"}),
    (
        {"kernel_id": "file:///k", "ramdisk_id": "r"},
        "driver_info",
        {"deploy_kernel": "file:///k", "deploy_ramdisk": "r"},
    ),
    ({"driver_info": {"a": None, "b": 1}}, "driver_info", {"b": 1}),
)
"""Fields of an entry, and what comes of them in the node's attributes."""

BAD = (
    ({"name": "a b"}, "name"),
    ({"name": ""}, "name"),
    ({"name": "ä"}, "name"),
    ({"name": "n" * 256}, "name"),
    ({"name": UUID}, "name"),
    ({"name": "states"}, "name"),
    ({"name": 12}, "name"),
    ({"name": ["n"]}, "name"),
    ({"uuid": "1234"}, "uuid"),
    ({"uuid": UUID[:-1] + "g"}, "uuid"),
    ({"uuid": 12}, "uuid"),
    ({"resource_class": "c" * 81}, "resource_class"),
    ({"resource_class": 5}, "resource_class"),
    ({"conductor_group": "a b"}, "conductor_group"),
    ({"conductor_group": {}}, "conductor_group"),
    ({"description": "d" * 4097}, "description"),
    ({"automated_clean": "maybe"}, "automated_clean"),
    ({"automated_clean": 1}, "automated_clean"),
    ({"chassis_uuid": "c"}, "chassis_uuid"),
    ({"boot_interface": ["pxe"]}, "boot_interface"),
    ({"owner": 5}, "owner"),
    ({"network_data": "x"}, "network_data"),
    ({"driver_info": [1]}, "driver_info"),
    ({"properties": "x"}, "properties"),
    ({"extra": 1}, "extra"),
    ({"mac": "52:54:00:12:34"}, "mac"),
    ({"mac": ["52:54:00:12:34:5g"]}, "mac"),
    ({"mac": "52:54-00:12:34:56"}, "mac"),
    ({"mac": MAC + "\n"}, "mac"),
    ({"mac": 90520731}, "mac"),
    ({"mac": {"a": 1}}, "mac"),
    ({"mac": [[MAC]]}, "mac"),
    ({"ports": MAC}, "ports"),
    ({"ports": ["x"]}, "ports/0"),
    ({"ports": [{}]}, "ports/0/address"),
    ({"ports": [MAC, {"address": 7}]}, "ports/1/address"),
    ({"ports": [{"address": MAC, "node_uuid": UUID}]}, "ports/0/node_uuid"),
    ({"ports": [{"address": MAC, "pxe_enabled": "perhaps"}]}, "ports/0/pxe_enabled"),
    ({"ports": [{"address": MAC, "physical_network": "p" * 65}]}, "ports/0/physical_network"),
    *(
        (
            {"ports": [{"address": MAC, "local_link_connection": link}]},
            "ports/0/local_link_connection",
        )
        for link in (
            "x",
            {"switch_id": MAC},
            {"port_id": "p"},
            {"switch_id": "sw1", "port_id": "p"},
            {"switch_id": MAC, "port_id": 5},
            {"switch_id": MAC, "port_id": "p", "speed": "10"},
            {"network_type": "wild"},
        )
    ),
    ({"portgroups": [{"address": MAC}]}, "portgroups"),
    ({"traits": "CUSTOM_X"}, "traits"),
    ({"traits": ["custom_x"]}, "traits"),
    ({"traits": [{}]}, "traits"),
    ({"traits": [f"CUSTOM_{n}" for n in range(51)]}, "traits"),
    ({"cpu": "four"}, "cpu"),
    ({"cpu": -1}, "cpu"),
    ({"cpu": True}, "cpu"),
    ({"memory": 1.5}, "memory"),
    ({"disk": ""}, "disk"),
    ({"disk": "9" * 5000}, "disk"),
    ({"disk": 10**5000}, "disk"),
    ({"arch": 86}, "arch"),
    ({"properties": {"cpus": "x"}}, "properties/cpus"),
    ({"capabilities": "profile"}, "capabilities"),
    ({"capabilities": "profile:"}, "capabilities"),
    ({"capabilities": "a:b:c"}, "capabilities"),
    ({"capabilities": "a:b,a:c"}, "capabilities"),
    ({"capabilities": 5}, "capabilities"),
    ({"capabilities": ["a:b"]}, "capabilities"),
    ({"capabilities": {"a": None}}, "capabilities"),
    ({"capabilities": {"a": "b,c"}}, "capabilities"),
    ({"capabilities": "boot_mode:legacy"}, "capabilities"),
    ({"properties": {"capabilities": "a"}}, "properties/capabilities"),
    *(
        ({"root_device": hints}, "root_device")
        for hints in (
            "/dev/sda",
            {"colour": "red"},
            {"size": 0},
            {"size": "big"},
            {"size": ">="},
            {"size": True},
            {"name": ""},
            {"serial": 5},
            {"wwn": "<in>"},
            {"rotational": "maybe"},
        )
    ),
    ({"kernel_id": 5}, "kernel_id"),
    ({"driver_info": {"deploy_ramdisk": ""}}, "driver_info/deploy_ramdisk"),
    ({"pm_typ": "x"}, "pm_typ"),
    ({"provision_state": "active"}, "provision_state"),
    ({"": 1}, "''"),
    ({5: 1}, "5"),
    ({"extra": {"a": {1: 2}}}, "extra"),
    ({"extra": {"a": float("inf")}}, "extra"),
    ({"extra": {"a": {1, 2}}}, "extra"),
    ({"extra": {"a": "\ud800"}}, "extra"),
    ({"extra": {"a\0": 1}}, "extra"),
    ({"\udc80": 1}, "\\udc80"),
)
"""Fields of an entry, and the one field that the fault is of."""


def nested(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value


class Case(base.TestCase):
    def node(self, entry, **options):
        (found,) = node_data.normalize([entry], **options)
        return found

    def faults(self, *entries, **options):
        """Return the faults of a list that must have some, once they are seen to be well made."""
        error = self.assertRaises(
            exceptions.NodesInvalid, node_data.normalize, list(entries), **options
        )
        json.dumps(error.to_dict(), allow_nan=False).encode()
        for fault in error.faults:
            self.assertEqual({"node", "name", "field", "problem", "allowed"}, set(fault))
            self.assertTrue(fault["problem"])
            self.assertLess(len(fault["problem"]), 400)
        return error.faults

    def fields(self, *entries, **options):
        return [(fault["node"], fault["field"]) for fault in self.faults(*entries, **options)]


@ddt.ddt
class Entries(Case):
    def test_entry_of_the_contract(self):
        node = self.node(
            {
                "name": "control-0",
                "pm_type": "pxe_ipmitool",
                "pm_addr": "BMC-0.Example.org",
                "pm_user": "admin",
                "pm_password": "secret",
                "pm_port": "6230",
                "mac": ["52-54-00-AA-BB-CC"],
                "cpu": "4",
                "memory": "6144",
                "disk": "40",
                "arch": "x86_64",
                "capabilities": "profile:control,boot_mode:uefi",
                "root_device": {"wwn": "0x1"},
                "kernel_id": "bm-kernel",
                "ipmi_priv_level": "OPERATOR",
                "_comment": object(),
            }
        )
        self.assertEqual(
            {
                "driver": "ipmi",
                "driver_info": {
                    "ipmi_address": "bmc-0.example.org",
                    "ipmi_username": "admin",
                    "ipmi_password": "secret",
                    "ipmi_port": 6230,
                    "ipmi_priv_level": "OPERATOR",
                    "deploy_kernel": "bm-kernel",
                },
                "extra": {},
                "properties": {
                    "cpus": 4,
                    "memory_mb": 6144,
                    "local_gb": 40,
                    "cpu_arch": "x86_64",
                    "capabilities": "profile:control,boot_mode:uefi",
                    "root_device": {"wwn": "0x1"},
                },
                "name": "control-0",
            },
            node.attributes,
        )
        self.assertEqual(({"address": "52:54:00:aa:bb:cc"},), node.ports)
        self.assertEqual(
            (0, "control-0", None, ("52:54:00:aa:bb:cc",), "node #0 (control-0)"),
            (node.number, node.name, node.uuid, node.macs, node.title),
        )
        self.assertEqual("ipmi://bmc-0.example.org:6230", node.bmc)

    def test_entry_of_ironic_itself(self):
        link = {"switch_id": "0A:1B:2C:3D:4E:5F", "port_id": "Eth1/1", "switch_info": "leaf1"}
        entry = {
            "driver": "redfish",
            "uuid": UUID,
            "driver_info": {
                "redfish_address": "https://BMC.example",
                "redfish_system_id": "/redfish/v1/Systems/1",
                "redfish_password": "secret",
                "redfish_verify_ca": False,
                "vendor_thing": [1, {"a": None}],
            },
            "properties": {"cpus": 8, "vendor": "x"},
            "extra": {"rack": 3},
            "resource_class": "baremetal",
            "boot_interface": "ipxe",
            "traits": ["CUSTOM_GOLD", "HW_CPU_X86_VMX", "CUSTOM_GOLD"],
            "ports": [
                {
                    "address": MAC.upper(),
                    "local_link_connection": link,
                    "physical_network": "ctlplane",
                    "pxe_enabled": "true",
                    "extra": {"a": 1},
                    "uuid": None,
                }
            ],
            "portgroups": [],
        }
        node = self.node(entry)
        apart = ("traits", "ports", "portgroups")
        self.assertEqual({k: v for k, v in entry.items() if k not in apart}, node.attributes)
        self.assertEqual(("CUSTOM_GOLD", "HW_CPU_X86_VMX"), node.traits)
        self.assertEqual(
            (
                {
                    "address": MAC,
                    "local_link_connection": {**link, "switch_id": "0a:1b:2c:3d:4e:5f"},
                    "physical_network": "ctlplane",
                    "pxe_enabled": True,
                    "extra": {"a": 1},
                },
            ),
            node.ports,
        )

    @ddt.data(*GOOD)
    @ddt.unpack
    def test_good_field(self, fields, attribute, value):
        self.assertEqual(value, self.node({**FAKE, **fields}).attributes.get(attribute))

    @ddt.data(*BAD)
    @ddt.unpack
    def test_bad_field_is_the_one_fault(self, fields, field):
        self.assertEqual([(0, field)], self.fields({**FAKE, **fields}))

    @ddt.data(
        (MAC, [MAC]),
        ([MAC, "52:54:00:12:34:57"], [MAC, "52:54:00:12:34:57"]),
        ([], []),
        (None, []),
    )
    @ddt.unpack
    def test_mac_is_a_text_or_a_list(self, mac, found):
        self.assertEqual(found, list(self.node({**FAKE, "mac": mac}).macs))

    def test_switch_of_a_port_may_be_a_datapath(self):
        link = {"switch_id": "00AA11BB22CC33DD", "port_id": "p"}
        node = self.node({**FAKE, "ports": [{"address": MAC, "local_link_connection": link}]})
        self.assertEqual("00aa11bb22cc33dd", node.ports[0]["local_link_connection"]["switch_id"])

    def test_ports_may_be_mac_addresses(self):
        node = self.node({**FAKE, "mac": MAC, "ports": ["AA:00:00:00:00:01"]})
        self.assertEqual((MAC, "aa:00:00:00:00:01"), node.macs)

    def test_all_faults_of_all_nodes_are_told(self):
        faults = self.faults(
            {**IPMI, "name": "n0", "mac": "x", "cpu": "y", "memroy": 1},
            {**FAKE},
            "node",
            {"pm_type": "redfish", "pm_port": 0, "name": "?"},
        )
        self.assertEqual(
            [
                (0, "n0", "cpu"),
                (0, "n0", "mac"),
                (0, "n0", "memroy"),
                (2, None, None),
                (3, "?", "name"),
                (3, "?", "pm_addr"),
                (3, "?", "pm_port"),
            ],
            sorted((fault["node"], fault["name"], fault["field"]) for fault in faults),
        )

    def test_message_tells_node_field_problem_and_what_is_allowed(self):
        error = self.assertRaises(
            exceptions.NodesInvalid, node_data.normalize, [{**FAKE, "name": "n1", "mac": "zz"}]
        )
        self.assertEqual(
            "Invalid node data: node #0 (n1) mac: is 'zz' (a MAC address, as in "
            "52:54:00:12:34:56).",
            error.message,
        )

    def test_empty_list_is_a_fault(self):
        self.assertEqual([(None, "the list")], self.fields())

    @ddt.data(None, 5, "node", ["a"], True)
    def test_entry_that_is_no_mapping(self, entry):
        self.assertEqual([(0, None)], self.fields(entry))

    def test_entry_with_too_many_fields(self):
        self.assertEqual([(0, None)], self.fields({f"f{n}": 1 for n in range(1000)}))

    def test_unknown_field_is_told_what_it_may_be(self):
        (fault,) = self.faults({**FAKE, "pm_adr": "10.0.0.1"})
        self.assertIn("pm_addr", fault["allowed"])
        (fault,) = self.faults({**FAKE, "zzzzzz": 1})
        self.assertIn("arch, ", fault["allowed"])

    def test_many_unknown_fields(self):
        faults = self.faults(*({**FAKE, f"pm_addr{n}": n} for n in range(300)))
        self.assertEqual(300, len(faults))
        self.assertIn("pm_addr", faults[0]["allowed"])
        # Looking for what was meant is slow, so it ends somewhere.
        self.assertEqual(exceptions.one_of(node_data.FIELDS), faults[-1]["allowed"])

    def test_values_in_faults_are_cut(self):
        (fault,) = self.faults({**FAKE, "mac": "x" * 1000})
        self.assertIn("x" * 80, fault["problem"])
        self.assertNotIn("x" * 81, fault["problem"])
        (fault,) = self.faults({**FAKE, "y" * 1000: 1})
        self.assertEqual("y" * 80, fault["field"])

    def test_nesting_is_bounded(self):
        self.node({**FAKE, "extra": {"a": nested(20)}})
        for levels in (40, 100_000):
            self.assertEqual([(0, "extra")], self.fields({**FAKE, "extra": {"a": nested(levels)}}))

    def test_entries_are_left_as_they_were(self):
        entry = {**REDFISH, "driver_info": {"x": None}, "properties": {"cpus": "4"}, "mac": [MAC]}
        before = copy.deepcopy(entry)
        self.node(entry)
        self.assertEqual(before, entry)

    def test_what_is_made_is_read_again_as_the_same(self):
        first = self.node({**REDFISH, "cpu": "4", "capabilities": {"a": "b"}, "mac": MAC})
        again = self.node({**first.attributes, "ports": list(first.ports)})
        self.assertEqual(first, again)

    @ddt.data(
        ({"cpu": 1, "properties": {"cpus": 1}}, "cpu"),
        ({"kernel_id": "k", "driver_info": {"deploy_kernel": "k"}}, "kernel_id"),
        ({"platform": "p", "extra": {"tripleo_platform": "p"}}, "platform"),
        ({"pm_addr": "10.0.0.1", "driver_info": {"fake_address": "10.0.0.1"}}, "pm_addr"),
    )
    @ddt.unpack
    def test_field_that_is_given_in_two_ways(self, fields, field):
        self.assertEqual([(0, field)], self.fields({**FAKE, **fields}))

    def test_field_that_is_null_is_not_given(self):
        self.node({**FAKE, "cpu": None, "properties": {"cpus": 1}, "pm_type": None, "x": None})

    def test_hostile_values_give_faults_and_nothing_else(self):
        chance = random.Random(7)
        junk = [None, True, 0, -1, 2**70, 1.5, "", "x", "\udc00", "a:b", [], [[]], {}, {"a": {}}]
        junk += [
            {1: 2},
            {"address": []},
            [None],
            [{}],
            ["x", 1],
            b"x",
            float("nan"),
            "10.0.0.1",
            {1},
        ]
        names = [*node_data.FIELDS, *drivers.RULES, "redfish_x", "portgroups", "zz", 7]
        for _ in range(3000):
            entry = {name: chance.choice(junk) for name in chance.sample(names, 12)}
            if chance.random() < 0.8:
                entry.pop("driver", None)
                entry["pm_type"] = chance.choice([*drivers.DRIVERS, *drivers.ALIASES])
            try:
                (node,) = node_data.normalize([entry])
            except exceptions.NodesInvalid as error:
                json.dumps(error.to_dict(), allow_nan=False)
            else:
                json.dumps([node.attributes, node.ports, node.bmc], allow_nan=False)


@ddt.ddt
class Drivers(Case):
    @ddt.data(*drivers.DRIVERS)
    def test_present_name(self, name):
        needed = dict.fromkeys(drivers.DRIVERS[name].required, "10.0.0.1")
        node = self.node({"driver": name, "driver_info": needed})
        self.assertEqual(name, node.attributes["driver"])

    @ddt.data(
        ("pxe_ipmitool", "ipmi"),
        ("agent_ipmitool", "ipmi"),
        ("pxe_drac", "idrac"),
        ("pxe_ilo", "ilo"),
        ("pxe_irmc", "irmc"),
        ("fake_pxe", "fake-hardware"),
        ("fake", "fake-hardware"),
    )
    @ddt.unpack
    def test_old_name(self, old, name):
        entry = {"pm_addr": "10.0.0.1", "pm_user": "u", "pm_password": "p"}
        self.assertEqual(name, self.node({**entry, "pm_type": old}).attributes["driver"])
        self.assertEqual(name, self.node({**entry, "driver": old}).attributes["driver"])

    def test_names_have_one_meaning(self):
        names = [*drivers.DRIVERS, *drivers.ALIASES, *drivers.REFUSALS]
        self.assertEqual(len(set(names)), len(names))
        self.assertLessEqual(set(drivers.ALIASES.values()), set(drivers.DRIVERS))

    def test_driver_that_is_gone_is_refused_with_a_sentence(self):
        (fault,) = self.faults({"pm_type": "pxe_ssh", "pm_addr": "10.0.0.1", "pm_password": "x"})
        self.assertIn("pxe_ssh is gone from Ironic. For virtual machines", fault["problem"])

    @ddt.data("acme", "", "REDFISH", ["ipmi"], {"ipmi": 1}, 5, True)
    def test_unknown_driver(self, name):
        (fault,) = self.faults({"pm_type": name, "pm_addr": "10.0.0.1", "ipmi_port": 1})
        self.assertEqual("pm_type", fault["field"])
        self.assertIn("redfish", fault["allowed"])

    def test_driver_is_given_once(self):
        self.assertEqual([(0, "pm_type")], self.fields({"pm_type": "ipmi", "driver": "ipmi"}))
        self.assertEqual([(0, "pm_type")], self.fields({"name": "n"}))

    def test_driver_must_be_enabled(self):
        enabled = {"ipmi", "acme", "old_one"}
        self.node(IPMI, drivers=enabled)
        (fault,) = self.faults(REDFISH, drivers=enabled)
        self.assertEqual(
            ("pm_type", "one of: acme, ipmi, old_one"), (fault["field"], fault["allowed"])
        )
        (fault,) = self.faults({"driver": "fake"}, drivers=enabled)
        self.assertIn("fake-hardware", fault["problem"])
        self.assertEqual([(0, "driver")], self.fields({"driver": "other"}, drivers=enabled))

    def test_vendors_driver(self):
        entry = {"driver": "acme", "driver_info": {"acme_address": "x"}}
        node = self.node(entry, drivers=["acme"])
        self.assertEqual(("acme", None), (node.attributes["driver"], node.bmc))
        self.assertEqual([(0, "driver")], self.fields(entry))
        self.assertEqual([(0, "pm_addr")], self.fields({**entry, "pm_addr": "x"}, drivers=["acme"]))

    def test_driver_of_an_old_name_that_ironic_still_has(self):
        self.node({"driver": "pxe_ssh"}, drivers=["pxe_ssh"])

    @ddt.data(
        ("redfish", ["pm_addr"]),
        ("idrac", ["pm_addr"]),
        ("ipmi", ["pm_addr"]),
        ("intel-ipmi", ["pm_addr"]),
        ("ilo", ["pm_addr", "pm_password", "pm_user"]),
        ("irmc", ["pm_addr", "pm_password", "pm_user"]),
    )
    @ddt.unpack
    def test_required_fields(self, name, missing):
        found = self.fields({"pm_type": name})
        self.assertEqual([(0, field) for field in missing], sorted(found))
        keys = [f"driver_info/{drivers.DRIVERS[name].fields[field]}" for field in missing]
        self.assertEqual(sorted((0, key) for key in keys), sorted(self.fields({"driver": name})))

    def test_empty_address_is_missing(self):
        self.assertEqual([(0, "pm_addr")], self.fields({**IPMI, "pm_addr": ""}))

    def test_bridging_needs_to_know_where(self):
        self.assertEqual(
            [(0, "driver_info/ipmi_target_address"), (0, "driver_info/ipmi_target_channel")],
            sorted(self.fields({**IPMI, "ipmi_bridging": "single"})),
        )
        self.assertEqual(4, len(self.fields({**IPMI, "ipmi_bridging": "dual"})))

    @ddt.data("manual-management", "fake-hardware")
    def test_nothing_is_required(self, name):
        self.assertIsNone(self.node({"pm_type": name}).bmc)

    @ddt.data(
        ({**IPMI, "pm_system_id": "1"}, "pm_system_id"),
        ({**IPMI, "redfish_verify_ca": True}, "redfish_verify_ca"),
        ({"pm_type": "manual-management", "pm_addr": "10.0.0.1"}, "pm_addr"),
    )
    @ddt.unpack
    def test_field_that_means_nothing_to_the_driver(self, entry, field):
        self.assertEqual([(0, field)], self.fields(entry))

    @ddt.data(
        ("10.0.0.1", None, "https://10.0.0.1"),
        ("10.0.0.1", "8000", "https://10.0.0.1:8000"),
        ("10.0.0.1:8000", 8000, "https://10.0.0.1:8000"),
        ("http://BMC:80", None, "http://bmc:80"),
        ("https://bmc/", None, "https://bmc"),
        ("https://bmc/api/redfish/v1/", None, "https://bmc/api/redfish/v1/"),
        ("fd00::1", None, "https://[fd00::1]"),
        ("[fd00:0::1]:8443", None, "https://[fd00::1]:8443"),
    )
    @ddt.unpack
    def test_redfish_address(self, address, port, found):
        entry = {**REDFISH, "pm_addr": address, "pm_port": port}
        self.assertEqual(found, self.node(entry).attributes["driver_info"]["redfish_address"])

    @ddt.data(
        "ftp://bmc",
        "https://",
        "https://user@bmc",
        "https://bmc?x=1",
        "https://bmc#x",
        "https://bmc/<x>",
        "https://bmc/%4",
        "https://bmc:0",
        "https://bmc:99999",
        "https://bmc:x",
        "https://[fd00::1",
        "bmc bmc",
        "bmc\n",
        "10.0.0.256",
        "10.0.0",
        "1" * 300,
        5,
        ["10.0.0.1"],
    )
    def test_bad_redfish_address(self, address):
        self.assertEqual([(0, "pm_addr")], self.fields({**REDFISH, "pm_addr": address}))

    @ddt.data("10.0.0.256", "10.1", "bmc_1", "-bmc", "a b", "http://bmc", "[fd00::1]", 5, {})
    def test_bad_ipmi_address(self, address):
        self.assertEqual([(0, "pm_addr")], self.fields({**IPMI, "pm_addr": address}))

    def test_two_ports_of_one_address(self):
        entry = {**REDFISH, "pm_addr": "10.0.0.1:8000", "pm_port": 8001}
        self.assertEqual([(0, "pm_port")], self.fields(entry))

    @ddt.data(
        ({**IPMI, "pm_port": "x"}, "pm_port"),
        ({**IPMI, "pm_port": 0}, "pm_port"),
        ({**IPMI, "pm_port": 65536}, "pm_port"),
        ({**IPMI, "pm_port": True}, "pm_port"),
        ({**REDFISH, "pm_port": "x"}, "pm_port"),
        ({**IPMI, "pm_user": ["u"]}, "pm_user"),
        ({**IPMI, "pm_user": -5}, "pm_user"),
        ({**IPMI, "pm_password": 1.5}, "pm_password"),
        ({**IPMI, "pm_password": True}, "pm_password"),
        ({**IPMI, "ipmi_priv_level": "admin"}, "ipmi_priv_level"),
        ({**IPMI, "ipmi_protocol_version": 1}, "ipmi_protocol_version"),
        ({**IPMI, "ipmi_bridging": "triple"}, "ipmi_bridging"),
        ({**IPMI, "ipmi_cipher_suite": "x"}, "ipmi_cipher_suite"),
        ({**IPMI, "ipmi_hex_kg_key": "abc"}, "ipmi_hex_kg_key"),
        ({**IPMI, "ipmi_terminal_port": 70000}, "ipmi_terminal_port"),
        ({**IPMI, "driver_info": {"ipmi_port": []}}, "driver_info/ipmi_port"),
        ({**REDFISH, "pm_system_id": "1"}, "pm_system_id"),
        ({**REDFISH, "pm_system_id": 1}, "pm_system_id"),
        ({**REDFISH, "pm_system_id": "/"}, "pm_system_id"),
        ({**REDFISH, "pm_system_id": "//"}, "pm_system_id"),
        ({**REDFISH, "pm_system_id": "/a b"}, "pm_system_id"),
        ({**REDFISH, "pm_system_id": "/" + "a" * 10**6 + " "}, "pm_system_id"),
        ({**REDFISH, "redfish_verify_ca": 1}, "redfish_verify_ca"),
        ({**REDFISH, "redfish_auth_type": "digest"}, "redfish_auth_type"),
        ({**REDFISH, "redfish_tls_minimum_version": 1.2}, "redfish_tls_minimum_version"),
    )
    @ddt.unpack
    def test_bad_value_of_driver_info(self, entry, field):
        self.assertEqual([(0, field)], self.fields(entry))

    def test_digits_of_user_and_password_become_text(self):
        info = self.node({**IPMI, "pm_user": 0, "pm_password": 123456}).attributes["driver_info"]
        self.assertEqual(("0", "123456"), (info["ipmi_username"], info["ipmi_password"]))

    def test_empty_password_is_one(self):
        info = self.node({**IPMI, "pm_password": ""}).attributes["driver_info"]
        self.assertEqual("", info["ipmi_password"])

    @ddt.data(
        {**IPMI, "pm_password": [CANARY]},
        {**IPMI, "pm_password": {CANARY: CANARY}},
        {**IPMI, "ipmi_hex_kg_key": CANARY},
        {**IPMI, "ipmi_password": CANARY, "pm_password": CANARY},
        {**IPMI, "driver_info": {"ipmi_password": [CANARY]}},
        {**IPMI, "driver_info": CANARY},
        {"pm_type": "acme", "pm_password": CANARY},
        {"pm_type": "pxe_ssh", "pm_password": CANARY},
        {"pm_type": "redfish", "pm_addr": f"https://u:{CANARY}@bmc"},
        {"pm_type": "redfish", "pm_addr": f"https://bmc?token={CANARY}"},
        {"driver": "manual-management", "pm_password": CANARY},
        {**IPMI, "pm_pasword": CANARY},
        [CANARY],
        {**FAKE, "pm_password": CANARY + "\ud800"},
    )
    def test_password_is_in_no_fault(self, entry):
        self.assertNotIn(CANARY, json.dumps(self.faults(entry)))

    @ddt.data(
        "redfish_password",
        "ipmi_password",
        "ipmi_hex_kg_key",
        "snmp_auth_key",
        "snmp_priv_key",
        "irmc_snmp_auth_password",
        "irmc_snmp_community",
        "snmp_community_write",
        "ssh_key_contents",
        "ca_passphrase",
        "SECRET",
        "api_token",
        "admin_pass",
        "sys_pswd",
    )
    def test_secret_key(self, key):
        self.assertTrue(drivers.is_secret(key))

    @ddt.data("ipmi_username", "redfish_address", "deploy_kernel", "ipmi_port", "", None, 5)
    def test_key_that_is_no_secret(self, key):
        self.assertFalse(drivers.is_secret(key))


@ddt.ddt
class Identity(Case):
    @ddt.data(
        ("ipmi", {"ipmi_address": "10.0.0.1"}, "ipmi://10.0.0.1:623"),
        ("ipmi", {"ipmi_address": "10.0.0.1", "ipmi_port": "623"}, "ipmi://10.0.0.1:623"),
        ("intel-ipmi", {"ipmi_address": "10.0.0.1", "ipmi_port": 6230}, "ipmi://10.0.0.1:6230"),
        ("ipmi", {"ipmi_address": "FD00:0::1"}, "ipmi://[fd00::1]:623"),
        ("ipmi", {"ipmi_address": "BMC.example."}, "ipmi://bmc.example:623"),
        ("redfish", {"redfish_address": "10.0.0.1"}, "redfish://10.0.0.1:443"),
        ("redfish", {"redfish_address": "https://10.0.0.1/"}, "redfish://10.0.0.1:443"),
        ("idrac", {"redfish_address": "10.0.0.1:443"}, "redfish://10.0.0.1:443"),
        ("redfish", {"redfish_address": "http://10.0.0.1"}, "redfish://10.0.0.1:80"),
        ("redfish", {"redfish_address": "fd00::1"}, "redfish://[fd00::1]:443"),
        (
            "redfish",
            {
                "redfish_address": "https://h/redfish/v1",
                "redfish_system_id": "/redfish/v1/Systems/1/",
            },
            "redfish://h:443/redfish/v1/Systems/1",
        ),
        ("ilo5", {"ilo_address": "10.0.0.1", "client_port": 8443}, "ilo://10.0.0.1:8443"),
        ("irmc", {"irmc_address": "10.0.0.1"}, "irmc://10.0.0.1:443"),
        ("fake-hardware", {"fake_address": "10.0.0.1"}, "fake://10.0.0.1"),
        ("fake-hardware", {}, None),
        ("manual-management", {"ipmi_address": "10.0.0.1"}, None),
        ("acme", {"acme_address": "10.0.0.1"}, None),
        ("ipmi", {}, None),
        ("ipmi", {"ipmi_address": ["10.0.0.1"]}, None),
        ("ipmi", {"ipmi_address": "10.0.0.1", "ipmi_bridging": []}, "ipmi://10.0.0.1:623"),
        ("redfish", {"redfish_address": None}, None),
        ("redfish", {"redfish_address": "https://["}, None),
        ("redfish", {"redfish_address": "h", "redfish_system_id": 5}, "redfish://h:443"),
        (None, {}, None),
        (["ipmi"], {}, None),
    )
    @ddt.unpack
    def test_identity(self, driver, info, found):
        self.assertEqual(found, node_data.bmc_identity(driver, info))

    def test_machines_behind_one_ipmi_bmc(self):
        bridged = {"ipmi_bridging": "single", "ipmi_target_channel": "0"}
        entries = [
            {**IPMI, **bridged, "ipmi_target_address": address} for address in ("0x72", "0x74")
        ]
        first, second, plain = node_data.normalize([*entries, IPMI])
        self.assertEqual(3, len({first.bmc, second.bmc, plain.bmc}))
        self.assertEqual([(1, "pm_addr")], self.fields(entries[0], entries[0]))


@ddt.ddt
class Duplicates(Case):
    @ddt.data(
        ({**FAKE, "name": "n"}, {**FAKE, "name": "N"}, "name"),
        ({**FAKE, "uuid": UUID}, {**FAKE, "uuid": UUID.replace("-", "").upper()}, "uuid"),
        (
            {**FAKE, "mac": MAC},
            {**FAKE, "ports": [{"address": MAC.replace(":", "-")}]},
            "ports/0/address",
        ),
        ({**FAKE, "mac": MAC.upper()}, {**FAKE, "mac": ["aa:00:00:00:00:01", MAC]}, "mac"),
        (
            IPMI,
            {"driver": "ipmi", "driver_info": {"ipmi_address": "10.0.0.1"}},
            "driver_info/ipmi_address",
        ),
        (IPMI, {**IPMI, "pm_type": "pxe_ipmitool", "pm_port": 623}, "pm_addr"),
        (REDFISH, {**REDFISH, "pm_type": "idrac", "pm_addr": "https://10.0.0.1:443/"}, "pm_addr"),
        (
            {**FAKE, "ports": [{"address": MAC, "uuid": UUID}]},
            {**FAKE, "ports": [{"address": "aa:00:00:00:00:01", "uuid": UUID}]},
            "ports/0/uuid",
        ),
    )
    @ddt.unpack
    def test_same_thing_of_two_nodes(self, first, second, field):
        faults = self.faults(first, {**FAKE, "name": "between"}, second)
        self.assertEqual([(2, field)], [(f["node"], f["field"]) for f in faults])
        self.assertIn("also that of node #0", faults[0]["problem"])

    def test_mac_twice_in_one_node(self):
        (fault,) = self.faults({**FAKE, "mac": [MAC, MAC]})
        self.assertIn("given twice", fault["problem"])

    def test_each_further_one_is_told(self):
        self.assertEqual(
            [(1, "name"), (3, "name")],
            self.fields(*({**FAKE, "name": name} for name in ("a", "a", "b", "a"))),
        )

    def test_duplicates_are_told_beside_other_faults(self):
        self.assertEqual(
            [(0, "cpu"), (1, "name")],
            self.fields({**FAKE, "name": "a", "cpu": "x"}, {**FAKE, "name": "a"}),
        )

    def test_different_things_are_no_duplicates(self):
        nodes = node_data.normalize(
            [
                IPMI,
                {**IPMI, "pm_port": 6231},
                {**IPMI, "pm_addr": "10.0.0.2"},
                REDFISH,
                {**REDFISH, "pm_system_id": "/redfish/v1/Systems/2"},
                {**REDFISH, "pm_port": 8000},
                FAKE,
                FAKE,
            ]
        )
        self.assertEqual(list(range(8)), [node.number for node in nodes])

    def test_node_without_system_on_a_bmc_of_several(self):
        alone = {"pm_type": "redfish", "pm_addr": "10.0.0.1"}
        (fault,) = self.faults(alone, REDFISH)
        self.assertEqual((0, "pm_addr"), (fault["node"], fault["field"]))
        self.assertIn("node #1", fault["problem"])
        node_data.normalize([alone, {**REDFISH, "pm_port": 8000}])


@ddt.ddt
class Capabilities(base.TestCase):
    @ddt.data(
        ("profile:compute,boot_mode:uefi", {"profile": "compute", "boot_mode": "uefi"}),
        (" a : b , broken, c:d:e", {"a": "b", "c": "d:e"}),
        ({"a": 1}, {"a": "1"}),
        ("", {}),
        (None, {}),
        (5, {}),
        (["a:b"], {}),
    )
    @ddt.unpack
    def test_read_whatever_they_are(self, value, found):
        self.assertEqual(found, node_data.capabilities(value))

    def test_text(self):
        self.assertEqual("b:1,a:2", node_data.capabilities_text({"b": "1", "a": "2"}))
        self.assertEqual("", node_data.capabilities_text({}))


@ddt.ddt
class Read(base.TestCase):
    def refused(self, content):
        error = self.assertRaises(exceptions.NodesInvalid, node_data.read, content, 100)
        (fault,) = error.faults
        self.assertEqual((None, None), (fault["node"], fault["name"]))
        return fault["problem"]

    @ddt.data(
        '[{"a": 1}]',
        '\ufeff {"nodes": [{"a": 1}]}',
        b'[{"a": 1}]',
        "- a: 1\n",
        "# comment\nnodes:\n- {a: 1}\n",
        [{"a": 1}],
        ({"a": 1},),
        {"nodes": [{"a": 1}], "chassis": [], "other": 5},
    )
    def test_forms(self, content):
        self.assertEqual([{"a": 1}], node_data.read(content, 1))

    @ddt.data("[]", "[", "[]x")
    def test_text_of_no_nodes(self, text):
        if text == "[]":
            self.assertEqual([], node_data.read(text, 1))
        else:
            self.refused(text)

    @ddt.data(
        None, 5, True, "", "text", "5", "{}", {}, {"nodes": 5}, "nodes: {a: 1}", {"nodes": None}
    )
    def test_what_is_no_list(self, content):
        self.refused(content)

    @ddt.data(
        ('[{"a": 1,}]', "line 1, column 10"),
        ('[\n{"a" 1}]', "line 2, column 6"),
        ("- a: 1\n  b: [1\nc: d]", "line 3, column 2"),
        ("- a: *b\n", "line 1, column 6"),
        ("- a: 1\n  a: 2\n", "line 2, column 3"),
        ("- !!set {a}\n", "line 1, column 3"),
        ("- a\n--- b\n", "line 2, column 1"),
    )
    @ddt.unpack
    def test_broken_text_is_told_with_its_place(self, text, place):
        self.assertIn(place, self.refused(text))

    @ddt.data('[{"mac": 1, "mac": 2}]', "- {mac: 1, mac: 2}", '- {mac: 1, "mac": 2}')
    def test_key_twice(self, text):
        self.assertIn("'mac' twice", self.refused(text))

    @ddt.data(
        f"- pm_password: !{CANARY}",
        f"- pm_password: !{CANARY} x",
        f"- pm_password: *{CANARY}",
        f"- pm_password: &a &{CANARY} x",
        f"- pm_password: %{CANARY}",
        f"- pm_password: '{CANARY}",
        f"- pm_password: @{CANARY}",
        f"- a: &{CANARY} 1\n  b: &{CANARY} 1\n  c: [*{CANARY}",
        f'[{{"pm_password": "{CANARY}\n"}}]',
        f'[{{"pm_password": {CANARY}}}]',
        f"{CANARY}",
    )
    def test_error_shows_nothing_of_the_text(self, text):
        self.assertNotIn(CANARY, self.refused(text))

    @ddt.data(
        "[NaN]",
        "[Infinity]",
        "[" + "9" * 5000 + "]",
        "- " + "9" * 5000,
        b"\xff",
        "- \ud800",
        "- \0",
    )
    def test_what_no_number_and_no_text_is(self, content):
        self.refused(content)

    @ddt.data("[" * 200_000, "- " + "[" * 200_000, "- " + "{a: " * 40 + "1" + "}" * 40)
    def test_nesting_is_bounded(self, text):
        self.refused(text)

    def test_aliases_are_bounded(self):
        lines = ["- &l0 {a: x}"]
        for level in range(1, 10):
            lines.append(f"- &l{level} [{', '.join([f'*l{level - 1}'] * 10)}]")
        self.assertIn("more than", self.refused("\n".join(lines)))
        merges = ["- &l0 {a: x}"]
        for level in range(1, 10):
            merges.append(f"- &l{level} {{<<: [{', '.join([f'*l{level - 1}'] * 10)}]}}")
        self.assertIn("more than", self.refused("\n".join(merges)))

    def test_several_merges_in_one_mapping(self):
        text = "- &a {a: 1}\n- &b {b: 2}\n- {<<: *a, <<: *b, c: 3}\n"
        self.assertEqual({"a": 1, "b": 2, "c": 3}, node_data.read(text, 3)[2])

    def test_text_that_holds_itself(self):
        self.assertIn("alias", self.refused("- &a [*a]"))

    def test_yaml_of_people(self):
        text = (
            "- &common {pm_type: ipmi, pm_addr: 10.0.0.1, pm_password: 0123,"
            " mac: 52:54:00:11:22:33}\n"
            "- {<<: *common, pm_addr: 10.0.0.2, mac: 52:54:00:11:22:34, name: on, cpu: 4}\n"
        )
        first, second = node_data.normalize(node_data.read(text, 2))
        self.assertEqual(("52:54:00:11:22:33",), first.macs)
        self.assertEqual("on", second.name)
        self.assertEqual("0123", second.attributes["driver_info"]["ipmi_password"])
        self.assertEqual({"cpus": 4}, second.attributes["properties"])

    @ddt.data("[1, 2, 3]", "- 1\n- 2\n- 3\n", [1, 2, 3], {"nodes": [1, 2, 3]})
    def test_too_many_nodes(self, content):
        error = self.assertRaises(exceptions.LimitExceeded, node_data.read, content, 2)
        self.assertEqual((3, 2, "nodes_max"), (error.size, error.limit, error.option))


@ddt.ddt
class AsIronicSays(Case):
    """What is taken here is taken by the installed Ironic, and what it refuses is refused here."""

    def setUp(self):
        super().setUp()
        # Other services have messages translated late; Ironic adds texts to its own.
        oslo_i18n.enable_lazy(False)

    def ironic(self, node):
        """Have Ironic check a node as its API and its drivers do."""
        installed_ironic.args.schema(installed_ironic.node.node_schema())("node", node.attributes)
        installed_ironic.node.NODE_VALIDATE_EXTRA("node", copy.deepcopy(node.attributes))
        installed_ironic.args.schema(installed_ironic.node.TRAITS_SCHEMA)(
            "traits", {"traits": list(node.traits)}
        )
        for port in node.ports:
            installed_ironic.port.PORT_VALIDATOR("port", {**copy.deepcopy(port), "node_uuid": UUID})
        if node.name is not None:
            self.assertTrue(installed_ironic.utils.is_valid_logical_name(node.name))
            self.assertNotIn(node.name, installed_ironic.node.get_nodes_controller_reserved_names())
        installed_ironic.utils.validate_conductor_group(node.attributes.get("conductor_group", ""))
        installed_ironic.utils.parse_root_device_hints(
            node.attributes["properties"].get("root_device")
        )
        seen = types.SimpleNamespace(
            **{"uuid": UUID, "driver_internal_info": {}, "instance_info": {}, **node.attributes}
        )
        installed_ironic.deploy_utils.validate_capabilities(seen)
        if node.attributes["driver"] == "ipmi":
            installed_ironic.ipmitool._parse_driver_info(seen)
            installed_ironic.ipmitool._validate_ipmi_address(
                node.attributes["driver_info"]["ipmi_address"], UUID
            )
        if node.attributes["driver"] == "redfish":
            installed_ironic.redfish_utils.parse_driver_info(seen)

    @ddt.data(
        *(fields for fields, _, _ in GOOD),
        {
            "traits": [
                "CUSTOM_A1",
                "HW_CPU_X86_AVX",
                "STORAGE_DISK_SSD",
                "MISC_SHARES_VIA_AGGREGATE",
            ]
        },
        {"ports": [{"address": MAC, "local_link_connection": {}}]},
        {"ports": [{"address": MAC, "local_link_connection": {"network_type": "unmanaged"}}]},
        {"ports": [{"address": MAC, "local_link_connection": {"port_id": "p", "hostname": "h"}}]},
        {
            "ports": [
                {"address": MAC, "local_link_connection": {"port_id": "p", "switch_id": "0" * 16}}
            ]
        },
        {"ports": [{"address": MAC, "is_smartnic": "no", "name": "p", "portgroup_uuid": UUID}]},
        {**IPMI, "pm_port": "6230", "ipmi_protocol_version": 1.5, "ipmi_priv_level": "USER"},
        {**IPMI, "pm_addr": "fd00::1", "ipmi_cipher_suite": "3", "ipmi_hex_kg_key": "00ff"},
        {**IPMI, "pm_addr": "BMC.Example", "pm_user": "", "pm_password": 12, "ipmi_bridging": "no"},
        REDFISH,
        {**REDFISH, "pm_addr": "fd00::1", "pm_port": 8000, "redfish_verify_ca": False},
        {**REDFISH, "pm_addr": "http://bmc/x/", "redfish_auth_type": "basic"},
        {**REDFISH, "redfish_tls_minimum_version": "1.2", "redfish_verify_ca": "no"},
    )
    def test_what_is_taken(self, fields):
        self.ironic(self.node({**({} if "pm_type" in fields else FAKE), **fields}))

    @ddt.data(
        {"name": "a b"},
        {"uuid": "1234"},
        {"resource_class": "c" * 81},
        {"conductor_group": "a b"},
        {"automated_clean": "maybe"},
        {"traits": ("custom_x",)},
        {"properties": {"root_device": {"size": 0}}},
        {"properties": {"root_device": {"colour": "red"}}},
        {"properties": {"root_device": {"serial": 5}}},
        {"properties": {"capabilities": "boot_mode:legacy"}},
        {"ports": ({"address": "52:54:00:12:34"},)},
        {"ports": ({"address": MAC, "local_link_connection": {"port_id": "p"}},)},
        {"ports": ({"address": MAC, "physical_network": "p" * 65},)},
        {"driver": "ipmi", "driver_info": {"ipmi_address": "bmc_1"}},
        {"driver": "ipmi", "driver_info": {"ipmi_address": "h", "ipmi_port": 70000}},
        {"driver": "ipmi", "driver_info": {"ipmi_address": "h", "ipmi_hex_kg_key": "abc"}},
        {"driver": "ipmi", "driver_info": {"ipmi_address": "h", "ipmi_priv_level": "admin"}},
        {"driver": "redfish", "driver_info": {}},
        {"driver": "redfish", "driver_info": {"redfish_address": "h", "redfish_system_id": 1}},
        {"driver": "redfish", "driver_info": {"redfish_address": "h", "redfish_auth_type": "x"}},
        {"driver": "redfish", "driver_info": {"redfish_address": "h", "redfish_verify_ca": 1}},
    )
    def test_what_is_refused(self, fields):
        entry = {**FAKE, **fields}
        self.faults(entry)
        attributes = {"driver_info": {}, "properties": {}, "extra": {}, **entry}
        node = node_data.Node(
            0, attributes, attributes.pop("ports", ()), attributes.pop("traits", ())
        )
        refusals = (installed_ironic.exception.IronicException, ValueError, AssertionError)
        self.assertRaises(refusals, self.ironic, node)

    def test_attributes_can_be_sent(self):
        self.assertLessEqual(
            set(node_data.ATTRIBUTES), set(client_node.NodeManager._creation_attributes)
        )
        self.assertLessEqual(
            set(node_data.PORT_ATTRIBUTES), set(client_port.PortManager._creation_attributes)
        )

    def test_what_ironic_masks_is_a_secret(self):
        keys = [*drivers.RULES, "irmc_snmp_priv_password", "snmp_auth_key", "vendor_token"]
        masked = strutils.mask_dict_password(dict.fromkeys(keys, "x"), "******")
        for key in keys:
            if masked[key] == "******":
                self.assertTrue(drivers.is_secret(key), key)
        self.assertIn("******", masked.values())
