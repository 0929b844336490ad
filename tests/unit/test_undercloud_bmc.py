import contextlib
import dataclasses
import errno
import importlib.metadata
import io
import ipaddress
import json
import logging
import os
import pathlib
import queue
import signal
import socket
import stat
import subprocess
import sys
from unittest import mock

import bcrypt
import ddt
import fixtures
import requests
import requests_mock
import sushy
import yaml
from keystoneauth1 import exceptions as keystone_exceptions
from keystoneauth1 import session as keystone_session
from keystoneauth1 import token_endpoint
from oslo_config import cfg
from requests_mock.contrib import fixture as requests_mock_fixture
from sushy_tools.emulator import main as emulator
from werkzeug import test as werkzeug_test

# It keeps Ironic's options apart from Mistral's; so it comes before anything else of Ironic.
from tests.unit import base, installed_ironic  # noqa: F401
from tripleo_common import exceptions
from tripleo_common.baremetal import inventory, node_data
from tripleo_common.undercloud import cli, lifecycle, services, state
from tripleo_common.undercloud.bare_metal import nodes, ramdisk, shapes
from tripleo_common.undercloud.servers import bmc as server

IRONIC = "http://ironic.test:6385"
CONTINUE = f"{IRONIC}/v1/continue_inspection"
LOOKUP = f"{IRONIC}/v1/lookup"
INSPECTOR = "http://inspector.test:5050/v1/continue"
BMC = "http://bmc.test:8000"
UUID = "1be26c0b-03f2-4d2e-ae87-c02d7f33c123"
HEARTBEAT = f"{IRONIC}/v1/heartbeat/{UUID}"
TOKEN = "canary-agent-0f2b"
PASSWORD = "canary-bmc-6d1e"
TIMEOUT = 300
"""Ironic's [api] ramdisk_heartbeat_timeout, in seconds."""
SECONDS = 30
"""Generous: it only bounds a test that would otherwise hang."""


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def machine(shape="single-disk", number=0, **fields):
    """Return a machine with as many NICs as its shape has."""
    made = nodes.make("a secret", number)
    start = int(made.macs[0].replace(":", ""), 16)
    macs = tuple((start + i).to_bytes(6).hex(":") for i in range(shapes.nics(shape)))
    return dataclasses.replace(made, shape=shape, macs=macs, **fields)


def entry(number=0, **fields):
    return {**machine(number=number).to_dict(), **fields}


class WithFile(base.TestCase):
    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.temporary()) / "nodes.json"

    def write(self, *machines):
        state.write_private(self.path, json.dumps([m.to_dict() for m in machines]))

    def refused(self, content):
        """Return what is said of a file."""
        self.path.write_text(content if isinstance(content, str) else json.dumps(content))
        message = self.assertRaises(exceptions.UndercloudError, nodes.read, self.path).message
        self.assertIn(f"{self.path} cannot be used: ", message)
        self.assertIn("remove it and run", message)
        return message


class Made(base.TestCase):
    def test_same_secret_and_number_give_the_same_machine_and_others_another(self):
        self.assertEqual(nodes.make("a", 7), nodes.make("a", 7))
        for other in (nodes.make("b", 7), nodes.make("a", 8)):
            self.assertNotEqual(nodes.make("a", 7).uuid, other.uuid)
            self.assertFalse(set(nodes.make("a", 7).macs) & set(other.macs))

    def test_no_two_of_an_undercloud_share_anything_nor_what_nobody_has_registered(self):
        for secret in ("a", "b", "c", "d"):
            made = [nodes.make(secret, number) for number in range(nodes.MOST)]
            self.assertEqual(nodes.MOST, len({node.uuid for node in made}))
            self.assertEqual(nodes.MOST, len({node.name for node in made}))
            macs = [mac for node in made for mac in node.macs]
            self.assertEqual(len(macs), len(set(macs)))
            self.assertFalse(set(macs) & {mac for node in made for mac in node.other_macs})
            # Those of virtual machines.
            self.assertEqual({"52:54:00"}, {mac[:8] for mac in macs})

    def test_shapes_come_in_turn_each_with_all_its_nics(self):
        made = [nodes.make("a", number) for number in range(6)]
        self.assertEqual([*nodes.DEFAULT_SHAPES] * 2, [node.shape for node in made])
        for node in made:
            self.assertEqual(shapes.nics(node.shape), len(node.macs))
            self.assertEqual(len(node.macs), len(node.other_macs))
            self.assertIsNone(node.fault)
            self.assertIsNone(node.inspection_callback)


class Grown(WithFile):
    def test_file_is_for_its_owner_alone_and_says_what_there_is(self):
        made = nodes.grow(self.path, "a", 4)
        self.assertEqual([nodes.make("a", number) for number in range(4)], made)
        self.assertEqual(made, nodes.read(self.path))
        self.assertEqual(0o600, mode(self.path))

    def test_file_with_enough_of_them_is_not_touched(self):
        made = nodes.grow(self.path, "a", 3)
        before = self.path.stat()
        for count in (0, 2, 3):
            self.assertEqual(made, nodes.grow(self.path, "a", count))
        self.assertEqual(before, self.path.stat())

    def test_none_is_no_file(self):
        self.assertEqual([], nodes.grow(self.path, "a", 0))
        self.assertFalse(self.path.exists())

    def test_what_somebody_has_changed_stays(self):
        first, second = nodes.grow(self.path, "a", 2)
        changed = dataclasses.replace(first, fault="slow", shape="no-nic-match", boot_seconds=0.5)
        # Whose place is taken by hand is left out.
        theirs = machine(number=900, name="node-2")
        self.write(changed, second, theirs)
        grown = nodes.grow(self.path, "a", 5)
        self.assertEqual([changed, second, theirs], grown[:3])
        self.assertEqual(["node-3", "node-4"], [node.name for node in grown[3:]])
        self.assertEqual(grown, nodes.read(self.path))

    def test_all_that_there_can_be(self):
        self.assertEqual(nodes.MOST, len(nodes.grow(self.path, "a", nodes.MOST)))
        self.assertEqual(nodes.MOST, len(nodes.read(self.path)))

    def test_file_that_cannot_be_used_stays_as_it_is(self):
        self.path.write_text("[{}]")
        self.assertRaises(exceptions.UndercloudError, nodes.grow, self.path, "a", 2)
        self.assertEqual("[{}]", self.path.read_text())


@ddt.ddt
class Read(WithFile):
    @ddt.data(*nodes.FAULTS, None)
    def test_all_fields_are_read(self, fault):
        wanted = machine(
            "arm", fault=fault, boot_seconds=0.25, inspection_callback="https://inspector.test/c"
        )
        self.write(wanted)
        self.assertEqual([wanted], nodes.read(self.path))

    def test_what_is_not_given_is_as_usual(self):
        known = {key: entry()[key] for key in ("uuid", "name", "macs", "shape")}
        self.path.write_text(json.dumps([known]))
        (found,) = nodes.read(self.path)
        self.assertEqual((None, 2.0, None), dataclasses.astuple(found)[4:])

    def test_letters_of_uuids_and_macs_may_be_large(self):
        large = entry(uuid=UUID.upper(), macs=["52:54:00:AB:CD:E0"])
        self.path.write_text(json.dumps([large]))
        (found,) = nodes.read(self.path)
        self.assertEqual((UUID, ("52:54:00:ab:cd:e0",)), (found.uuid, found.macs))

    @ddt.data(
        ({"name": None}, "name of entry 1 is no host name"),
        ({"name": ""}, "name of entry 1 is no host name"),
        ({"name": "a b"}, "name of entry 1 is no host name"),
        ({"name": "a" * 64}, "name of entry 1 is no host name"),
        ({"name": "node\n"}, "name of entry 1 is no host name"),
        ({"name": ["node"]}, "name of entry 1 is no host name"),
        ({"uuid": "1"}, "uuid of entry 1 (node-1) is no UUID"),
        ({"uuid": None}, "uuid of entry 1 (node-1) is no UUID"),
        ({"uuid": 5}, "uuid of entry 1 (node-1) is no UUID"),
        ({"macs": []}, "macs of entry 1 (node-1) is no list"),
        ({"macs": "52:54:00:12:34:56"}, "macs of entry 1 (node-1) is no list"),
        ({"macs": ["52:54:00:12:34"]}, "macs of entry 1 (node-1) is no list"),
        ({"macs": ["52-54-00-12-34-56"]}, "such as 52:54:00:12:34:56"),
        ({"macs": [5]}, "macs of entry 1 (node-1) is no list"),
        ({"shape": "huge"}, "shape of entry 1 (node-1) must be one of arm, no-nic-match"),
        ({"shape": None}, "shape of entry 1 (node-1) must be one of"),
        ({"shape": ["arm"]}, "shape of entry 1 (node-1) must be one of"),
        ({"fault": "tired"}, "fault of entry 1 (node-1) must be one of no-boot, ramdisk-error"),
        ({"fault": ""}, "fault of entry 1 (node-1) must be one of"),
        ({"fault": False}, "fault of entry 1 (node-1) must be one of"),
        ({"fault": {}}, "fault of entry 1 (node-1) must be one of"),
        ({"boot_seconds": -1}, "boot_seconds of entry 1 (node-1) is no number from 0 to 86400"),
        ({"boot_seconds": 86401}, "boot_seconds of entry 1 (node-1) is no number"),
        ({"boot_seconds": "2"}, "boot_seconds of entry 1 (node-1) is no number"),
        ({"boot_seconds": True}, "boot_seconds of entry 1 (node-1) is no number"),
        ({"boot_seconds": None}, "boot_seconds of entry 1 (node-1) is no number"),
        ({"boot_seconds": float("nan")}, "boot_seconds of entry 1 (node-1) is no number"),
        ({"boot_seconds": float("inf")}, "boot_seconds of entry 1 (node-1) is no number"),
        ({"inspection_callback": "ftp://x"}, "inspection_callback of entry 1 (node-1) is no http"),
        ({"inspection_callback": 5}, "inspection_callback of entry 1 (node-1) is no http"),
        ({"mac": ["52:54:00:12:34:56"]}, "entry 1 has the unknown field 'mac'; there are boot_"),
    )
    @ddt.unpack
    def test_what_is_wrong_is_told_with_its_entry(self, fields, told):
        self.assertIn(told, self.refused([entry(0), entry(1, **fields)]))

    @ddt.data(
        ("", "Expecting value"),
        ("[", "Expecting value"),
        ("[" * 100_000, "recursion"),
        ("{}", "it holds no list"),
        ("null", "it holds no list"),
        ("[5]", "entry 0 is no mapping"),
        ("[[]]", "entry 0 is no mapping"),
        ("[{}]", "name of entry 0 is no host name"),
        ("[" + "9" * 5000 + "]", "integer string conversion"),
    )
    @ddt.unpack
    def test_file_that_is_no_list_of_machines_is_told(self, content, told):
        self.assertIn(told, self.refused(content))

    def test_other_bytes_than_text_are_told(self):
        self.path.write_bytes(b"\xff\xfe[")
        error = self.assertRaises(exceptions.UndercloudError, nodes.read, self.path)
        self.assertIn(str(self.path), error.message)

    def test_file_that_is_missing_is_told(self):
        error = self.assertRaises(exceptions.UndercloudError, nodes.read, self.path)
        self.assertIn("No such file", error.message)

    def test_machines_that_share_something_are_told(self):
        for field in ("uuid", "name"):
            shared = entry()[field]
            message = self.refused([entry(0), entry(1), entry(2, **{field: shared})])
            self.assertIn(f"{shared} is in the entries of node-0 and ", message)
        mac = "52:54:00:00:00:01"
        large = [entry(0, macs=[mac]), entry(1, macs=["52:54:00:00:00:02", mac.upper()])]
        self.assertIn(f"{mac} is in the entries of node-0 and node-1", self.refused(large))


class Changing(WithFile):
    def setUp(self):
        super().setUp()
        self.machine = machine()
        self.write(self.machine)
        self.file = nodes.File(self.path)

    def changed(self):
        changed = dataclasses.replace(self.machine, fault="no-boot")
        self.write(changed)
        return {changed.uuid: changed}

    def test_change_counts_at_once(self):
        self.assertEqual({self.machine.uuid: self.machine}, self.file.nodes())
        self.assertEqual(self.changed(), self.file.nodes())

    def test_file_that_is_not_changed_is_not_read_again(self):
        self.assertIs(self.file.nodes(), self.file.nodes())

    def test_what_makes_it_unusable_is_logged_once_and_does_not_count(self):
        for damage in (lambda: self.path.write_text("[{}"), self.path.unlink):
            log = self.useFixture(fixtures.FakeLogger())
            before = self.file.nodes()
            damage()
            for _ in range(3):
                self.assertEqual(before, self.file.nodes())
            self.assertEqual(self.changed(), self.file.nodes())
            self.assertEqual(1, log.output.count("cannot be used"))
            self.assertIn("Until then it counts as it was", log.output)

    def test_file_that_cannot_be_used_in_the_first_place_is_an_error(self):
        self.path.write_text("{")
        self.assertRaises(exceptions.UndercloudError, nodes.File, self.path)


@ddt.ddt
class Shapes(base.TestCase):
    @ddt.data(*shapes.SHAPES)
    def test_inventory_says_what_the_table_does(self, name):
        node, shape = machine(name, 3), shapes.SHAPES[name]
        data = shapes.inspection_data(node)
        found = inventory.facts(data["inventory"], data)
        macs = node.macs if shape.known else node.other_macs
        self.assertEqual(
            (shape.cpus, shape.architecture, shape.cpu_model, shape.memory_gib * 1024),
            tuple(found[key] for key in ("cpus", "cpu_arch", "cpu_model", "memory_mib")),
        )
        self.assertEqual(shape.boot_mode, found["boot_mode"])
        product = (found["product"]["vendor"], found["product"]["name"])
        self.assertEqual((shape.manufacturer, shape.product), product)
        self.assertEqual(
            [(disk.bytes, disk.model, disk.vendor, disk.rotational) for disk in shape.disks],
            [
                tuple(disk[key] for key in ("size", "model", "vendor", "rotational"))
                for disk in found["disks"]
            ],
        )
        for key in ("name", "serial", "wwn", "wwn_with_extension", "by_path"):
            own = {disk[key] for disk in found["disks"]}
            self.assertEqual(len(shape.disks), len(own - {None}), key)
        first = "/dev/nvme0n1" if shape.disks[0].nvme else "/dev/sda"
        self.assertEqual(first, found["disks"][0]["name"])
        self.assertEqual(
            [(nic.name, mac) for nic, mac in zip(shape.nics, macs, strict=True)],
            [(nic["name"], nic["mac"]) for nic in found["nics"]],
        )
        self.assertEqual(node.name, data["inventory"]["hostname"])
        self.assertIsNone(data["error"])

    @ddt.data(*shapes.SHAPES)
    def test_first_two_nics_are_plugged_into_the_switches_of_a_rack(self, name):
        data = shapes.inspection_data(machine(name))
        nics = inventory.facts(data["inventory"], {})["nics"]
        plugged = nics[:2]
        for letter, nic in zip("ab", plugged, strict=False):
            self.assertRegex(nic["lldp"]["switch"], rf"^leaf-\d+{letter}\.example\.com$")
            self.assertRegex(nic["lldp"]["port_id"], r"^Ethernet1/([1-9]|[123]\d|40)$")
            self.assertRegex(nic["lldp"]["chassis_id"], "^([0-9a-f]{2}:){5}[0-9a-f]{2}$")
            self.assertEqual(f"node-0 {nic['name']}", nic["lldp"]["port_description"])
            self.assertEqual(1, nic["lldp"]["untagged_vlan"])
        self.assertEqual(1, len({nic["lldp"]["port_id"] for nic in plugged}))
        self.assertEqual(len(plugged), len({nic["lldp"]["chassis_id"] for nic in plugged}))
        self.assertEqual([None] * len(nics[2:]), [nic["lldp"] for nic in nics[2:]])
        self.assertEqual(
            [nic["lldp"] is not None for nic in nics], [n["has_carrier"] for n in nics]
        )

    @ddt.data(*shapes.SHAPES)
    def test_what_the_agents_collectors_add_fits_the_inventory(self, name):
        data = shapes.inspection_data(machine(name))
        disks = data["inventory"]["disks"]
        self.assertIn(data["root_disk"], disks)
        self.assertEqual(min(disk["size"] for disk in disks), data["root_disk"]["size"])
        first = data["inventory"]["interfaces"][0]["mac_address"]
        for boots_from in (data["boot_interface"], data["inventory"]["boot"]["pxe_interface"]):
            self.assertEqual("01-" + first.replace(":", "-"), boots_from)
        self.assertEqual(shapes.nics(name), len(data["pci_devices"]))
        self.assertGreater(
            data["inventory"]["memory"]["physical_mb"] * 2**20, data["inventory"]["memory"]["total"]
        )

    @ddt.data(*shapes.SHAPES)
    def test_it_is_the_same_at_each_boot_and_can_be_sent(self, name):
        data = shapes.inspection_data(machine(name))
        self.assertEqual(data, shapes.inspection_data(machine(name, fault="slow")))
        self.assertEqual(data, json.loads(json.dumps(data)))

    def test_what_tells_hardware_apart_is_each_machines_own(self):
        own = []
        for number in range(200):
            node = machine("two-socket-nvme", number)
            found = shapes.inspection_data(node)["inventory"]
            own += [disk[key] for disk in found["disks"] for key in ("serial", "wwn")]
            own += [nic["mac_address"] for nic in found["interfaces"]]
            own += [found["bmc_address"], found["bmc_mac"], shapes.address(node)]
            own.append(found["system_vendor"]["serial_number"])
        self.assertEqual(len(own), len(set(own)))

    def test_addresses_are_those_of_tests(self):
        found = shapes.inspection_data(machine())["inventory"]
        for address in (found["bmc_address"], shapes.address(machine())):
            self.assertIn(ipaddress.ip_address(address), ipaddress.ip_network("198.18.0.0/15"))
        addresses = [nic["ipv4_address"] for nic in found["interfaces"]]
        self.assertEqual([shapes.address(machine())], addresses)

    def test_foreign_macs_are_reported_everywhere(self):
        node = machine("arm")
        data = shapes.inspection_data(node, foreign=True)
        self.assertEqual(
            list(node.other_macs), [nic["mac_address"] for nic in data["inventory"]["interfaces"]]
        )
        told = json.dumps(data)
        for mac in node.macs:
            self.assertNotIn(mac, told)
            self.assertNotIn(mac.replace(":", "-"), told)

    @ddt.data(1, 2, 3, 9)
    def test_machine_may_have_other_nics_than_its_shape(self, count):
        macs = tuple(f"52:54:00:00:00:{number:02x}" for number in range(count))
        data = shapes.inspection_data(dataclasses.replace(machine("arm"), macs=macs))
        nics = inventory.facts(data["inventory"], data)["nics"]
        self.assertEqual(list(macs), [nic["mac"] for nic in nics])
        self.assertEqual(count, len({nic["name"] for nic in nics}))

    def test_there_is_one_of_each_kind_that_matters(self):
        table = shapes.SHAPES.values()
        self.assertLessEqual({"x86_64", "aarch64"}, {shape.architecture for shape in table})
        self.assertLessEqual({"uefi", "bios"}, {shape.boot_mode for shape in table})
        self.assertTrue(any(len(shape.disks) == 1 for shape in table))
        self.assertTrue(any(not shape.known for shape in table))
        self.assertTrue(
            any(shape.sockets == 2 and any(disk.nvme for disk in shape.disks) for shape in table)
        )


class Power:
    """A machine's power, switched off after so many seconds that nobody has to wait for.

    :ivar waits: for how long it was waited.
    """

    def __init__(self, seconds):
        self._left = seconds
        self.waits = []

    def wait(self, timeout=None):
        """Let time pass."""
        self.waits.append(timeout)
        self._left -= timeout
        return self._left < 0


@ddt.ddt
class Agent(base.TestCase):
    """What goes over the wire while a machine is on; Ironic knows it and waits for it."""

    def setUp(self):
        super().setUp()
        self.http = self.useFixture(requests_mock_fixture.Fixture())
        self.http.post(CONTINUE, status_code=202, json={"uuid": UUID})
        self.http.get(
            LOOKUP,
            json={
                "node": {"uuid": UUID},
                "config": {"heartbeat_timeout": TIMEOUT, "agent_token": TOKEN},
            },
        )
        self.http.post(HEARTBEAT, status_code=202)

    def run_on(self, node, seconds=1000):
        """Let a machine be on for so long; return for how long its ramdisk waited in between."""
        power = Power(seconds)
        ramdisk.Ramdisk(node, IRONIC, ramdisk.session()).run(power)
        return power.waits

    def urls(self):
        return [sent.url.partition("?")[0] for sent in self.http.request_history]

    def sent(self, url):
        return [s for s in self.http.request_history if s.url.partition("?")[0] == url]

    def queries(self):
        return [sent.qs for sent in self.sent(LOOKUP)]

    def test_it_reports_looks_itself_up_and_beats(self):
        node = machine("two-socket-nvme", boot_seconds=2.5)
        waits = self.run_on(node)
        self.assertEqual([CONTINUE, LOOKUP, HEARTBEAT], self.urls()[:3])
        self.assertEqual({HEARTBEAT}, set(self.urls()[3:]))
        self.assertEqual([2.5, 1.0], waits[:2])
        (report,) = self.sent(CONTINUE)
        self.assertEqual(shapes.inspection_data(node), report.json())
        self.assertNotIn("X-OpenStack-Ironic-API-Version", report.headers)
        self.assertEqual(
            [{"addresses": [",".join(node.macs)], "node_uuid": [UUID]}], self.queries()
        )
        beats = self.sent(HEARTBEAT)
        for beat in beats:
            self.assertEqual(
                {
                    "callback_url": f"https://{shapes.address(node)}:9999",
                    "agent_version": ramdisk.AGENT_VERSION,
                    "agent_token": TOKEN,
                },
                beat.json(),
            )
            self.assertEqual("1.68", beat.headers["X-OpenStack-Ironic-API-Version"])
        # Well before Ironic gives it up, and not all machines at once.
        for wait in waits[2:]:
            self.assertTrue(0.3 * TIMEOUT <= wait <= 0.6 * TIMEOUT, wait)
        self.assertEqual(len(waits[2:]), len(beats))
        self.assertEqual(len(waits[2:]), len(set(waits[2:])))

    @ddt.data((1, 0), (2, 1), (2.9, 1), (3, 3))
    @ddt.unpack
    def test_it_ends_when_the_machine_is_switched_off(self, seconds, requests_sent):
        self.run_on(machine(boot_seconds=2), seconds)
        self.assertEqual(requests_sent, len(self.urls()))

    def test_one_that_does_not_boot_never_calls(self):
        self.assertEqual([2], self.run_on(machine(fault="no-boot", boot_seconds=2)))
        self.assertEqual([], self.urls())

    def test_slow_one_takes_ten_times_as_long(self):
        waits = self.run_on(machine(fault="slow", boot_seconds=2))
        self.assertEqual(20, waits[0])
        self.assertEqual([CONTINUE, LOOKUP, HEARTBEAT], self.urls()[:3])

    @ddt.data(machine("arm", fault="wrong-mac", boot_seconds=2), machine("no-nic-match"))
    def test_one_that_nobody_knows_tries_for_a_while(self, node):
        for method, url in (("POST", CONTINUE), ("GET", LOOKUP)):
            self.http.register_uri(method, url, status_code=404)
        waits = self.run_on(node)
        self.assertEqual([2, 1, 2, 4, 8, 16, 1, 1, 2, 4, 8, 16, 32, 64, 128], waits)
        self.assertEqual([CONTINUE] * 6 + [LOOKUP] * 9, self.urls())
        for report in self.sent(CONTINUE):
            told = {nic["mac_address"] for nic in report.json()["inventory"]["interfaces"]}
            self.assertEqual(set(node.other_macs), told)
        for query in self.queries():
            self.assertEqual({"addresses": [",".join(node.other_macs)]}, query)
        self.assertIn(f"{node.name}: Ironic does not know this machine.", self.log.output)

    def test_one_that_is_never_heard_of_again_only_looks_itself_up(self):
        node = machine(fault="timeout")
        self.run_on(node)
        self.assertEqual([LOOKUP], self.urls())
        self.assertEqual([{"addresses": [",".join(node.macs)]}], self.queries())

    def test_error_of_the_ramdisk_comes_with_what_it_has_found_all_the_same(self):
        node = machine(fault="ramdisk-error")
        self.run_on(node)
        (report,) = self.sent(CONTINUE)
        told = report.json()
        self.assertIn("Error finding the disk", told["error"])
        self.assertIn(node.name, told["error"])
        self.assertEqual({**shapes.inspection_data(node), "error": told["error"]}, told)
        self.assertIn(HEARTBEAT, self.urls())

    def test_inspector_is_told_where_the_entry_says_so_and_ironic_is_not(self):
        self.http.post(INSPECTOR, json={"uuid": UUID})
        node = machine(inspection_callback=INSPECTOR)
        self.run_on(node)
        self.assertEqual([INSPECTOR, LOOKUP, HEARTBEAT], self.urls()[:3])
        self.assertNotIn(CONTINUE, self.urls())
        (report,) = self.sent(INSPECTOR)
        self.assertEqual(shapes.inspection_data(node), report.json())
        self.assertEqual([UUID], self.queries()[0]["node_uuid"])

    @ddt.data("", "no JSON", "[]", "{}", '"text"', "null", '{"uuid": ["x"]}')
    def test_whatever_its_callback_answers_it_goes_on(self, answer):
        self.http.post(INSPECTOR, text=answer)
        self.run_on(machine(inspection_callback=INSPECTOR))
        self.assertEqual([INSPECTOR, LOOKUP, HEARTBEAT], self.urls()[:3])
        self.assertNotIn("node_uuid", self.queries()[0])

    def test_it_may_be_faster_than_ironic(self):
        self.http.post(
            CONTINUE,
            [
                {"status_code": 404},
                {"exc": requests.ConnectionError},
                {"status_code": 202, "json": {"uuid": UUID}},
            ],
        )
        waits = self.run_on(machine(boot_seconds=0))
        self.assertEqual([CONTINUE] * 3 + [LOOKUP, HEARTBEAT], self.urls()[:5])
        self.assertEqual([0, 1, 2, 1], waits[:4])
        self.assertEqual([UUID], self.queries()[0]["node_uuid"])

    def test_lookup_is_tried_again(self):
        good = {"node": {"uuid": UUID}, "config": {"heartbeat_timeout": 1, "agent_token": TOKEN}}
        self.http.get(LOOKUP, [{"status_code": 404}, {"exc": requests.ReadTimeout}, {"json": good}])
        self.assertEqual([2, 1, 1, 2], self.run_on(machine())[:4])
        self.assertEqual([LOOKUP] * 3 + [HEARTBEAT], self.urls()[1:5])

    def test_it_beats_sooner_again_when_ironic_is_busy_or_away(self):
        self.http.post(
            HEARTBEAT,
            [{"status_code": 409}, {"exc": requests.ConnectionError}, {"status_code": 202}],
        )
        waits = self.run_on(machine())
        self.assertEqual([5, 5], waits[2:4])
        self.assertGreater(waits[4], 5)
        self.assertIn("node-0: POST", self.log.output)
        self.assertNotIn(TOKEN, self.log.output)

    def test_no_proxy_comes_between(self):
        self.useFixture(fixtures.EnvironmentVariable("http_proxy", "http://proxy.test:3128"))
        session = ramdisk.session()
        found = session.merge_environment_settings(IRONIC, {}, None, None, None)
        self.assertFalse(found["proxies"])


class WithBmcs(WithFile):
    """BMCs of four machines, one of each default shape and another, all switched off.

    :ivar booted: each machine that was switched on, and the event that says when it is off.
    """

    def setUp(self):
        super().setUp()
        self.machines = [
            machine(shape, number)
            for number, shape in enumerate((*nodes.DEFAULT_SHAPES, "no-nic-match"))
        ]
        self.write(*self.machines)
        self.booted = queue.Queue()
        root = self.path.parent
        hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
        (root / "htpasswd").write_text(f"admin:{hashed}\n")
        application = server.application(
            nodes.File(self.path),
            str(root / "htpasswd"),
            str(root),
            lambda node, off: self.booted.put((node, off)),
        )
        # It keeps what it has made with the systems of another test.
        self.addCleanup(emulator.app.__dict__.pop, "_cache", None)
        self.client = werkzeug_test.Client(application)

    def change(self, number, **fields):
        self.machines[number] = dataclasses.replace(self.machines[number], **fields)
        self.write(*self.machines)

    def url(self, number, path=""):
        return f"/redfish/v1/Systems/{self.machines[number].uuid}{path}"

    def request(self, path, method="GET", auth=("admin", PASSWORD), **more):
        return self.client.open(path, method=method, auth=auth, **more)

    def get(self, path):
        answer = self.request(path)
        self.assertEqual(200, answer.status_code, answer.text)
        return answer.json

    def power(self, number):
        return self.get(self.url(number))["PowerState"]

    def reset(self, number, kind):
        path = self.url(number, "/Actions/ComputerSystem.Reset")
        return self.request(path, "POST", json={"ResetType": kind}).status_code

    def boots(self):
        """Return what was switched on last."""
        return self.booted.get(timeout=SECONDS)


@ddt.ddt
class Bmcs(WithBmcs):
    def test_credentials_are_wanted(self):
        for auth in (None, ("admin", "wrong"), ("eve", PASSWORD)):
            for path in ("/redfish/v1/Systems", self.url(0)):
                answer = self.request(path, auth=auth)
                self.assertEqual(401, answer.status_code)
                self.assertNotIn(self.machines[0].uuid, answer.text)
        self.assertEqual(200, self.request("/redfish/v1/", auth=None).status_code)

    def test_there_are_the_systems_of_the_file(self):
        def listed():
            members = self.get("/redfish/v1/Systems")["Members"]
            return [member["@odata.id"] for member in members]

        self.assertEqual([self.url(number) for number in range(4)], listed())
        self.machines.append(machine(number=4))
        self.write(*self.machines)
        self.assertEqual([self.url(number) for number in range(5)], listed())
        found = self.get(self.url(4))
        self.assertEqual(("node-4", "Off"), (found["Name"], found["PowerState"]))

    def test_one_that_is_not_there_is_not_found(self):
        self.assertEqual(404, self.request(f"/redfish/v1/Systems/{UUID}").status_code)

    def test_name_leads_to_the_system(self):
        answer = self.request("/redfish/v1/Systems/node-2")
        self.assertEqual(307, answer.status_code)
        self.assertTrue(answer.location.endswith(self.url(2)), answer.location)

    @ddt.data("On", "ForceOn", "ForceRestart", "GracefulRestart", "PowerCycle")
    def test_one_that_is_switched_on_boots_at_once(self, kind):
        self.assertEqual("Off", self.power(1))
        self.assertEqual(204, self.reset(1, kind))
        node, off = self.boots()
        self.assertEqual(self.machines[1], node)
        self.assertFalse(off.is_set())
        self.assertEqual(["Off", "On", "Off", "Off"], [self.power(n) for n in range(4)])

    @ddt.data("ForceOff", "GracefulShutdown")
    def test_its_ramdisk_ends_when_it_is_switched_off(self, kind):
        self.reset(0, "On")
        self.reset(1, "On")
        events = {node.name: off for node, off in (self.boots(), self.boots())}
        self.assertEqual(204, self.reset(0, kind))
        self.assertEqual("Off", self.power(0))
        self.assertTrue(events["node-0"].is_set())
        self.assertFalse(events["node-1"].is_set())
        # Which it is already.
        self.assertEqual(204, self.reset(0, kind))
        self.assertTrue(self.booted.empty())

    @ddt.data("ForceRestart", "GracefulRestart", "PowerCycle")
    def test_restart_ends_one_ramdisk_and_boots_another(self, kind):
        self.reset(0, "On")
        _, first = self.boots()
        self.assertEqual(204, self.reset(0, kind))
        _, second = self.boots()
        self.assertEqual((True, False), (first.is_set(), second.is_set()))
        self.assertEqual("On", self.power(0))

    @ddt.data("On", "ForceOn")
    def test_one_that_is_on_does_not_boot_again(self, kind):
        self.reset(0, "On")
        _, off = self.boots()
        self.assertEqual(204, self.reset(0, kind))
        self.assertFalse(off.is_set())
        self.reset(1, "On")
        self.assertEqual("node-1", self.boots()[0].name)
        self.assertTrue(self.booted.empty())

    @ddt.data("Nmi", "", None, ["On"], {"On": 1}, 5)
    def test_unknown_reset_is_refused_and_changes_nothing(self, kind):
        self.assertEqual(501, self.reset(0, kind))
        self.assertEqual("Off", self.power(0))
        self.assertTrue(self.booted.empty())

    def test_changed_entry_counts_when_it_is_switched_on_the_next_time(self):
        self.reset(0, "On")
        self.assertIsNone(self.boots()[0].fault)
        self.change(0, fault="slow", shape="arm", boot_seconds=7.0)
        self.reset(0, "ForceRestart")
        self.assertEqual(self.machines[0], self.boots()[0])

    def test_refused_credentials_are_one_machines_and_told(self):
        self.change(1, fault="refuse")
        manager = f"/redfish/v1/Managers/{self.machines[1].uuid}"
        for path in (self.url(1), self.url(1, "/Processors"), manager):
            answer = self.request(path)
            self.assertEqual((401, "application/json"), (answer.status_code, answer.mimetype))
            self.assertIn("BMC of node-1 does not know", answer.json["error"]["message"])
            self.assertIn("Basic", answer.headers["WWW-Authenticate"])
        self.assertEqual(401, self.reset(1, "On"))
        self.assertTrue(self.booted.empty())
        for path in (self.url(0), "/redfish/v1/Systems", "/redfish/v1/"):
            self.get(path)
        self.change(1, fault=None)
        self.get(manager)
        self.assertEqual("Off", self.power(1))

    def test_unreachable_one_drops_every_connection(self):
        self.change(2, fault="unreachable")
        for path in (self.url(2), f"/redfish/v1/Managers/{self.machines[2].uuid}"):
            error = self.assertRaises(ConnectionResetError, self.request, path)
            self.assertEqual(errno.ECONNRESET, error.errno)
        self.assertRaises(ConnectionResetError, self.reset, 2, "On")
        self.assertTrue(self.booted.empty())
        self.get(self.url(1))
        self.change(2, fault=None)
        self.get(self.url(2))

    @ddt.data("no-boot", "slow", "wrong-mac", "timeout", "ramdisk-error")
    def test_its_bmc_knows_nothing_of_what_is_wrong_with_a_ramdisk(self, fault):
        self.change(0, fault=fault)
        self.assertEqual(204, self.reset(0, "On"))
        self.assertEqual(fault, self.boots()[0].fault)
        self.assertEqual("On", self.power(0))

    def test_what_it_boots_from_and_its_light_are_each_machines_own(self):
        boot = {"BootSourceOverrideTarget": "Pxe", "BootSourceOverrideMode": "Legacy"}
        self.request(self.url(0), "PATCH", json={"Boot": boot, "IndicatorLED": "Blinking"})
        found = [self.get(self.url(number)) for number in (0, 1)]
        self.assertLessEqual(boot.items(), found[0]["Boot"].items())
        self.assertEqual(["Blinking", "Off"], [system["IndicatorLED"] for system in found])
        self.assertNotEqual("Pxe", found[1]["Boot"]["BootSourceOverrideTarget"])
        answer = self.request(self.url(0), "PATCH", json={"IndicatorLED": "Green"})
        self.assertEqual(500, answer.status_code)
        self.assertIn("no light that is Green", answer.json["error"]["message"])
        self.assertEqual("Blinking", self.get(self.url(0))["IndicatorLED"])


@ddt.ddt
class Redfish(WithBmcs):
    """The BMCs, asked by the client that Ironic has for them."""

    def setUp(self):
        super().setUp()
        http = self.useFixture(requests_mock_fixture.Fixture())
        http.register_uri(requests_mock.ANY, requests_mock.ANY, text=self.answer)
        auth = sushy.auth.BasicAuth("admin", PASSWORD)
        self.sushy = sushy.Sushy(BMC, auth=auth)

    def answer(self, request, context):
        answer = self.client.open(
            request.path_url,
            method=request.method,
            data=request.body,
            headers=dict(request.headers),
        )
        context.status_code, context.headers = answer.status_code, dict(answer.headers)
        return answer.text

    def system(self, number):
        return self.sushy.get_system(self.url(number))

    @ddt.data(0, 1, 2, 3)
    def test_hardware_is_what_the_ramdisk_finds(self, number):
        node = self.machines[number]
        shape, system = shapes.SHAPES[node.shape], self.system(number)
        self.assertEqual((node.uuid, node.name), (system.uuid, system.name))
        self.assertEqual(shape.memory_gib, system.memory_summary.size_gib)
        self.assertEqual(shape.cpus, system.processors.summary.count)
        self.assertEqual(shape.sockets, len(system.processors.get_members()))
        self.assertEqual(
            sorted(disk.bytes for disk in shape.disks), system.storage.drives_sizes_bytes
        )
        # Also of one whose ramdisk says otherwise.
        self.assertEqual(set(node.macs), set(system.ethernet_interfaces.summary))

    def test_it_is_switched_on_and_off(self):
        system = self.system(0)
        self.assertEqual(sushy.PowerState.OFF, system.power_state)
        system.reset_system(sushy.ResetType.ON)
        self.assertEqual("node-0", self.boots()[0].name)
        system.refresh(force=True)
        self.assertEqual(sushy.PowerState.ON, system.power_state)
        system.set_system_boot_options(
            sushy.BootSource.PXE, enabled=sushy.BootSourceOverrideEnabled.ONCE
        )
        system.refresh(force=True)
        self.assertEqual(sushy.BootSource.PXE, system.boot.target)

    def test_fault_of_its_bmc_is_an_error_of_its_client(self):
        system = self.system(0)
        self.change(0, fault="refuse")
        error = self.assertRaises(sushy.exceptions.AccessError, system.refresh, force=True)
        self.assertIn("node-0 does not know these credentials", str(error))


class WithUndercloud(base.TestCase):
    """A directory in which an undercloud with three machines has once been up."""

    def setUp(self):
        super().setUp()
        self.directory = state.StateDir(pathlib.Path(self.temporary()) / "u")
        self.directory.create()
        self.directory.mode = "free"
        self.directory.nodes = 3
        self.units = self.build()
        self.directory.mark_done("schema:keystone", "1")
        self.directory.mark_done("identity", "1")

    def build(self):
        """Return the services by name, each with its ports."""
        units = services.build(self.directory)
        for unit in units:
            unit.assign_ports(free=True)
        return {unit.unit: unit for unit in units}

    @property
    def root(self):
        return str(self.directory.root)

    def files(self):
        return {
            path: path.read_bytes()
            for name in ("bmc", "ironic")
            for path in self.directory.etc(name).rglob("*")
            if path.is_file()
        }

    def session(self):
        """Return the administrator's, as the services' own questions get it."""
        return keystone_session.Session(auth=token_endpoint.Token(IRONIC, TOKEN))


class BmcService(WithUndercloud):
    def setUp(self):
        super().setUp()
        self.bmc = self.units["bmc"]
        self.bmc.configure()
        self.htpasswd = self.directory.etc("bmc") / "htpasswd"

    def test_it_is_there_if_there_are_machines_and_comes_last(self):
        self.assertEqual("bmc", list(self.units)[-1])
        self.directory.nodes = 0
        self.assertNotIn("bmc", self.build())

    def test_it_is_no_service_of_the_catalogue(self):
        units = [unit for unit in self.units.values() if unit.service_type]
        self.assertEqual([*self.units][:-1], [unit.unit for unit in units])

    def test_machines_are_as_many_as_there_should_be_and_stay(self):
        before = self.bmc.nodes()
        self.assertEqual(3, len(before))
        self.directory.nodes = 5
        self.bmc.configure()
        self.assertEqual(before, self.bmc.nodes()[:3])
        self.assertEqual(5, len(self.bmc.nodes()))
        self.assertEqual(self.directory.etc("bmc") / "nodes.json", self.bmc.nodes_file)

    def test_machines_of_two_underclouds_are_others(self):
        other = state.StateDir(pathlib.Path(self.temporary()))
        other.nodes = 3
        bmc = services.Bmc(other, "regionOne")
        bmc.configure()
        own = {mac for node in self.bmc.nodes() for mac in node.macs}
        self.assertFalse(own & {mac for node in bmc.nodes() for mac in node.macs})
        self.assertNotEqual(self.bmc.password, bmc.password)

    def test_configuring_again_gives_the_same_files(self):
        before = self.files()
        self.assertEqual(2, len(before))
        self.bmc.configure()
        self.assertEqual(before, self.files())

    def test_files_are_for_their_owner_alone(self):
        for path in self.files():
            self.assertEqual(0o600, mode(path), path)
        self.assertEqual(0o700, mode(self.directory.data("bmc")))

    def test_password_is_kept_as_a_hash_beside_the_users_name(self):
        name, _, hashed = self.htpasswd.read_text().strip().partition(":")
        self.assertEqual("admin", name)
        self.assertTrue(bcrypt.checkpw(self.bmc.password.encode(), hashed.encode()))
        for content in self.files().values():
            self.assertNotIn(self.bmc.password.encode(), content)

    def test_its_server_takes_the_files_as_they_are(self):
        application = server.application(
            nodes.File(self.bmc.nodes_file), str(self.htpasswd), self.temporary(), print
        )
        self.addCleanup(emulator.app.__dict__.pop, "_cache", None)
        client = werkzeug_test.Client(application)
        auth = (self.bmc.user, self.bmc.password)
        for listed in self.bmc.instackenv()["nodes"]:
            answer = client.get(listed["pm_system_id"], auth=auth)
            self.assertEqual((200, listed["name"]), (answer.status_code, answer.json["Name"]))

    def test_its_process_is_told_where_everything_is_and_no_secret(self):
        (spec,) = self.bmc.specs()
        self.assertEqual(("bmc", self.directory.port("bmc")), (spec.name, spec.port))
        self.assertEqual(
            (
                str(self.bmc.nodes_file),
                str(self.htpasswd),
                str(self.directory.data("bmc")),
                self.units["ironic"].base_url,
                str(spec.port),
            ),
            spec.command.argv[-5:],
        )
        for secret in (self.bmc.password, self.directory.secret("bmc-machines")):
            self.assertNotIn(secret, " ".join(spec.command.argv) + str(dict(spec.command.env)))
        self.assertEqual(8000, self.bmc.ports["bmc"])

    def test_it_works_if_it_lists_systems(self):
        http = self.useFixture(requests_mock_fixture.Fixture())
        systems = http.get(f"{self.bmc.base_url}/redfish/v1/Systems")
        self.bmc.probe(self.session())
        sent = systems.last_request
        self.assertEqual(
            requests.auth._basic_auth_str("admin", self.bmc.password), sent.headers["Authorization"]
        )
        self.assertNotIn("X-Auth-Token", sent.headers)
        http.get(f"{self.bmc.base_url}/redfish/v1/Systems", status_code=401)
        self.assertRaises(keystone_exceptions.Unauthorized, self.bmc.probe, self.session())

    def test_its_list_of_nodes_can_be_registered(self):
        listed = self.bmc.instackenv()
        found = node_data.normalize(node_data.read(listed, 10), drivers=["redfish"])
        self.assertEqual([node.name for node in self.bmc.nodes()], [node.name for node in found])
        for node, made in zip(found, self.bmc.nodes(), strict=True):
            self.assertEqual("redfish", node.attributes["driver"])
            self.assertEqual(
                {
                    "redfish_address": self.bmc.base_url,
                    "redfish_system_id": f"/redfish/v1/Systems/{made.uuid}",
                    "redfish_username": "admin",
                    "redfish_password": self.bmc.password,
                },
                node.attributes["driver_info"],
            )
            self.assertEqual(made.macs, node.macs)


class Undercloud(WithUndercloud):
    def test_machines_of_none_are_told_with_what_to_do(self):
        empty = state.StateDir(pathlib.Path(self.temporary()) / "v")
        error = self.assertRaises(exceptions.UndercloudError, lifecycle.Undercloud(empty).bmc)
        self.assertIn("There is no undercloud in", error.message)
        self.directory.nodes = 0
        undercloud = lifecycle.Undercloud(self.directory)
        error = self.assertRaises(exceptions.UndercloudError, undercloud.bmc)
        self.assertIn("has no emulated nodes", error.message)
        self.assertIn("--nodes N", error.message)

    def test_file_that_is_not_there_yet_is_told(self):
        bmc = lifecycle.Undercloud(self.directory).bmc()
        error = self.assertRaises(exceptions.UndercloudError, bmc.instackenv)
        self.assertIn("nodes.json cannot be used", error.message)


@ddt.ddt
class IronicService(WithUndercloud):
    def setUp(self):
        super().setUp()
        self.ironic = self.units["ironic"]
        self.ironic.configure()
        self.conf = self.directory.etc("ironic") / "ironic.conf"

    def options(self):
        """Return its file as Ironic reads it."""
        from ironic.conf import opts

        conf = cfg.ConfigOpts()
        written = {group for group, _ in self.written()}
        for group, options in opts.list_opts():
            if group in written:
                conf.register_opts(options, group=None if group == "DEFAULT" else group)
        # Of oslo.db, oslo.log, oslo.policy and keystonemiddleware.
        for group, name in (
            (None, "use_stderr"),
            ("database", "connection"),
            ("oslo_policy", "policy_file"),
            *(("keystone_authtoken", name) for name in self.ironic._keystone_authtoken()),
        ):
            conf.register_opt(cfg.StrOpt(name), group=group)
        conf(["--config-file", str(self.conf)])
        return conf

    def written(self):
        """Yield each option that is written, with its group."""
        group = None
        for line in self.conf.read_text().splitlines():
            if line.startswith("["):
                group = line.strip("[]")
            elif line:
                yield group, line.partition(" = ")[0]

    def test_ironic_knows_every_option(self):
        conf = self.options()
        written = list(self.written())
        self.assertGreater(len(written), 50)
        for group, name in written:
            self.assertIsNotNone((conf if group == "DEFAULT" else conf[group])[name], name)

    @ddt.data("bios", "boot", "deploy", "inspect", "management", "network", "power", "raid")
    def test_its_interfaces_are_installed(self, kind):
        enabled = self.options()[f"enabled_{kind}_interfaces"]
        group = importlib.metadata.entry_points(group=f"ironic.hardware.interfaces.{kind}")
        self.assertTrue(enabled)
        self.assertLessEqual(set(enabled), group.names)

    def test_its_hardware_types_and_hooks_are_installed(self):
        conf = self.options()
        known = importlib.metadata.entry_points(group="ironic.hardware.types").names
        self.assertLessEqual(set(conf.enabled_hardware_types), known)
        known = importlib.metadata.entry_points(group="ironic.inspection.hooks").names
        self.assertLessEqual(set(conf.inspector.hooks.split(",")), known)

    def test_policy_has_rules_that_ironic_has_and_files_are_for_their_owner_alone(self):
        from ironic.common import policy

        rules = yaml.safe_load((self.directory.etc("ironic") / "policy.yaml").read_text())
        self.assertLessEqual(set(rules), {rule.name for rule in policy.list_policies()})
        for path in self.files():
            self.assertEqual(0o600, mode(path), path)

    def test_deploy_images_may_come_from_files_in_its_own_directory(self):
        conf = self.options()
        http = self.directory.data("ironic") / "http"
        self.assertIn(str(http), conf.conductor.file_url_allowed_paths)
        for path in (http, conf.pxe.tftp_root, conf.pxe.images_path):
            self.assertEqual(0o700, mode(pathlib.Path(path)))

    def test_options_of_the_users_own_win_and_stay(self):
        mine = self.directory.etc("ironic") / "ironic.conf.d" / "mine.conf"
        mine.write_text("[DEFAULT]\ndebug = true\n")
        before = self.files()
        self.ironic.configure()
        self.assertEqual(before, self.files())
        (spec,) = self.ironic.specs()
        argv = spec.command.argv
        self.assertLess(argv.index(str(self.conf)), argv.index(str(mine.parent)))
        for secret in self.directory._settings["secrets"].values():
            self.assertNotIn(secret, " ".join(argv))

    def test_database_is_made_once_and_then_upgraded(self):
        (command,) = self.ironic.schema_commands()
        self.assertEqual("create_schema", command.argv[-1])
        (self.directory.data("ironic") / "ironic.sqlite").touch()
        (command,) = self.ironic.schema_commands()
        self.assertEqual("upgrade", command.argv[-1])

    def test_it_works_if_it_lists_nodes(self):
        http = self.useFixture(requests_mock_fixture.Fixture())
        listed = http.get(f"{self.ironic.endpoint}/v1/nodes?limit=1", json={"nodes": []})
        self.ironic.probe(self.session())
        self.assertEqual(TOKEN, listed.last_request.headers["X-Auth-Token"])


class IronicServer(base.TestCase):
    """What is done to Ironic; in a process of its own, since it cannot be undone."""

    def test_it_does_less_and_says_the_same(self):
        result = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", BEFORE_AND_AFTER],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        self.assertEqual(0, result.returncode, result.stderr)
        found = json.loads(result.stdout)
        before, after = found["before"], found["after"]
        self.assertEqual(before["errors"], after["errors"])
        self.assertEqual([False, True, True], [error is not None for error in after["errors"]])
        self.assertEqual((3, 0), (before["schemas"], after["schemas"]))
        self.assertEqual(before["keys"], after["keys"])
        self.assertEqual(2, len(set(map(str, after["keys"]))))
        self.assertEqual((3, 2), (before["derived"], after["derived"]))
        self.assertEqual(("NullPool", "QueuePool"), (before["pool"], after["pool"]))
        self.assertLess(before["queue"], after["queue"])
        self.assertLess(before["threads"], after["threads"])


BEFORE_AND_AFTER = """
from tripleo_common.undercloud.servers import ironic as server

import hashlib
import json

import jsonschema
from ironic.common import args, exception, wsgi_service
from ironic.drivers.modules.redfish import utils
from oslo_db.sqlalchemy import engines

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}

calls = {"derived": 0, "schemas": 0}

def counted(name, function):
    def call(*arguments, **others):
        calls[name] += 1
        return function(*arguments, **others)
    return call

derive = hashlib.pbkdf2_hmac
hashlib.pbkdf2_hmac = counted("derived", lambda name, word, salt, _: derive(name, word, salt, 1))
kind = jsonschema.Draft202012Validator
kind.check_schema = counted("schemas", kind.check_schema)

def error_of(value):
    try:
        args.schema(SCHEMA)("value", value)
    except exception.InvalidParameterValue as error:
        return str(error)

def key_of(password):
    info = {"address": "http://bmc.test", "username": "admin", "password": password}
    return utils.SessionCache(info)._session_key

def look():
    calls.update(derived=0, schemas=0)
    http = wsgi_service.wsgi.Server(("127.0.0.1", 0), None)
    return {
        "errors": [error_of(value) for value in ({"a": "x"}, {"a": 5}, {})],
        "keys": [key_of(password) for password in ("one", "two", "one")],
        "pool": type(engines.create_engine("sqlite:////none").pool).__name__,
        "queue": http.request_queue_size,
        "threads": http.requests.min,
        **calls,
    }

before = look()
server.trust_schemas()
server.remember_bmcs()
server.keep_connections()
server.serve_many()
print(json.dumps({"before": before, "after": look()}))
"""


@ddt.ddt
class Commands(WithUndercloud):
    """The real command, in this process; none of these gets as far as starting anything."""

    def setUp(self):
        super().setUp()
        self.units["bmc"].configure()
        self.addCleanup(os.umask, os.umask(0o077))
        self.addCleanup(signal.signal, signal.SIGTERM, signal.getsignal(signal.SIGTERM))
        root = logging.getLogger()
        self.addCleanup(root.setLevel, root.level)

    def run_it(self, *words):
        """Return the exit code, standard output and standard error."""
        out, err = io.StringIO(), io.StringIO()
        argv = ["tripleo-undercloud", words[0], "--state-dir", self.root, *words[1:]]
        with (
            mock.patch.object(sys, "argv", argv),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                code = cli.main()
            except SystemExit as request:
                code = request.code
        return code, out.getvalue(), err.getvalue()

    def good(self, *words):
        code, out, err = self.run_it(*words)
        self.assertEqual((0, ""), (code, err), out)
        return out

    def refused(self, *words):
        code, _, err = self.run_it(*words)
        self.assertEqual(1, code, err)
        self.assertNotIn("Traceback", err)
        return err

    def test_nodes_are_shown(self):
        first = self.units["bmc"].nodes()[0]
        table = self.good("nodes")
        for word in ("node-0", "node-2", first.uuid, " ".join(first.macs), "two-socket-nvme"):
            self.assertIn(word, table)
        listed = json.loads(self.good("nodes", "-f", "json"))
        self.assertEqual(3, len(listed))
        self.assertEqual(
            {
                "Name": "node-0",
                "System": first.uuid,
                "MAC addresses": list(first.macs),
                "Shape": "two-socket-nvme",
                "Fault": None,
            },
            listed[0],
        )

    def test_nodes_are_shown_without_any_secret(self):
        for form in ("table", "json", "csv"):
            shown = self.good("nodes", "-f", form)
            for secret in self.directory._settings["secrets"].values():
                self.assertNotIn(secret, shown)

    def test_list_of_nodes_is_printed_for_registration(self):
        self.assertEqual(self.units["bmc"].instackenv(), json.loads(self.good("instackenv")))

    @ddt.data("nodes", "instackenv")
    def test_undercloud_without_machines_is_told(self, command):
        self.directory.nodes = 0
        self.directory.save()
        self.assertIn("has no emulated nodes", self.refused(command))
        self.directory._settings.clear()
        self.directory.save()
        self.assertIn("There is no undercloud in", self.refused(command))

    @ddt.data("nodes", "instackenv")
    def test_damaged_file_of_nodes_is_told(self, command):
        self.units["bmc"].nodes_file.write_text('[{"name": 5}]')
        self.assertIn("name of entry 0 is no host name", self.refused(command))

    @ddt.data(
        (("--nodes", "2"), "--nodes 2 is not possible: this undercloud has 3"),
        (("--nodes", "0"), "--nodes 0 is not possible"),
        (("--nodes", "-1"), "--nodes -1 is not possible"),
        (("--nodes", "1001"), "can have up to 1000"),
        (("--nodes", "4", "--without", "ironic"), "they need Ironic"),
        (("--without", "ironic,heat"), "3 emulated nodes, and they need Ironic"),
        (("--without", "bmc"), "'bmc' is not a service that can be left out"),
        (("--ports", "standard"), "was made with --ports free"),
        (("--regions", "9"), "--regions 9 is not possible"),
    )
    @ddt.unpack
    def test_what_is_not_possible_is_told_and_changes_nothing(self, words, told):
        before = self.directory.settings_file.read_text()
        self.assertIn(told, self.refused("up", *words))
        self.assertEqual(before, self.directory.settings_file.read_text())

    def test_number_of_nodes_is_a_number(self):
        code, _, err = self.run_it("up", "--nodes", "many")
        self.assertEqual(2, code)
        self.assertIn("invalid int value: 'many'", err)

    def test_port_of_the_bmcs_that_is_taken_is_told_before_anything_starts(self):
        with socket.socket() as other:
            other.bind((state.HOST, 0))
            other.listen()
            self.directory._settings["ports"]["bmc"] = other.getsockname()[1]
            self.directory.save()
            code, out, err = self.run_it("up", "--nodes", "5")
        self.assertEqual(1, code)
        self.assertIn("which bmc needs, is taken", err)
        self.assertIn("sushy-tools", out)
        self.assertEqual([], list(self.directory.record("x").parent.glob("*.json")))
        self.assertEqual(3, len(self.units["bmc"].nodes()))

    def test_state_of_each_process_is_shown(self):
        code, out, _ = self.run_it("status", "-f", "json")
        self.assertEqual(1, code)
        rows = {row["Service"]: row for row in json.loads(out)}
        self.assertLessEqual({"keystone", "ironic", "bmc"}, set(rows))
        self.assertEqual(
            {
                "Service": "bmc",
                "URL": self.units["bmc"].base_url,
                "PID": None,
                "Healthy": False,
                "Memory (MiB)": None,
            },
            rows["bmc"],
        )

    def test_nothing_that_runs_can_be_stopped(self):
        self.assertEqual(f"No undercloud is running in {self.root}.\n", self.good("down"))

    def test_environment_of_clients_is_printed(self):
        shell = self.good("env")
        credentials = state.StateDir(self.directory.root).credentials()
        self.assertIn(f"export OS_PASSWORD={credentials['password']}\n", shell)
        self.assertIn("export OS_REGION_NAME=regionOne\n", shell)
        clouds = yaml.safe_load(self.good("env", "--format", "clouds.yaml"))
        self.assertEqual(credentials, clouds["clouds"]["undercloud"]["auth"])
        self.assertIn("has no region 'nowhere'", self.refused("env", "--region", "nowhere"))

    def test_log_that_is_not_there_is_told_with_those_that_are(self):
        self.directory.log("bmc").touch()
        self.assertIn("There are logs of: bmc.", self.refused("logs", "nova"))

    def test_logs_are_shown_by_tail(self):
        for name in ("bmc", "swift-proxy", "swift-object"):
            self.directory.log(name).touch()
        ran = []
        self.useFixture(fixtures.MonkeyPatch("os.execvp", lambda *words: ran.append(words)))
        self.good("logs", "bmc")
        self.good("logs", "swift", "--lines", "5", "--follow")
        swift = [str(self.directory.log(name)) for name in ("swift-object", "swift-proxy")]
        self.assertEqual(
            [
                ("tail", ["tail", "-n", "100", "--", str(self.directory.log("bmc"))]),
                ("tail", ["tail", "-n", "5", "-F", "--", *swift]),
            ],
            ran,
        )
