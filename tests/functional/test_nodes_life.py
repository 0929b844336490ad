"""Nodes from a list of them until they can be deployed, on real services and emulated machines."""

import io
import itertools
import json

import ddt
import yaml
from glanceclient import client as glance_client

from tests.functional import base, nodes
from tripleo_common.undercloud.bare_metal import shapes

ENROLL = {"initial_state": "enroll"}

PLAN = {
    **base.PLAN,
    "overcloud.j2.yaml": """heat_template_version: 2021-04-16
parameters:
  ControllerCount: {type: number, default: 1}
  OvercloudControlFlavor: {type: string, default: control}
  ComputeCount: {type: number, default: 2}
  OvercloudComputeFlavor: {type: string, default: compute}
resources:
  nothing: {type: OS::Heat::None}
""",
    "roles_data.yaml": "- name: Controller\n- name: Compute\n",
}
"""A plan whose roles are for nodes of two profiles."""

RULE = """
- description: ARM computes
  conditions:
  - {op: eq, args: {values: ["{inventory[cpu][architecture]}", aarch64]}}
  actions:
  - {op: set-capability, args: {name: profile, value: compute}}
"""


def tlvs(nic):
    """Return what a NIC's switch says of itself: type to value."""
    return {kind: bytes.fromhex(value) for kind, value in nic["lldp"]}


class TestWholeLife(nodes.NodesTestCase):
    def execute(self, workflow, **inputs):
        """Run a workflow to its good end with the real command; return its output."""
        words = ("mistral", "execution-create", workflow, json.dumps(inputs), "-f", "json")
        execution = json.loads(self.command(*words))["ID"]
        state_, _ = self.ended(execution)
        output = json.loads(self.command("mistral", "execution-get-output", execution))
        self.assertEqual(("SUCCESS", "SUCCESS"), (state_, output["status"]), output)
        return output

    def test_six_machines_become_available_with_the_real_command(self):
        machines = self.machines()
        names = machines.names[:6]
        place = self.put_list({"nodes": machines.listed(*names)})
        registered = self.execute(nodes.REGISTER, nodes_json=place)
        self.assertEqual("6 nodes: 6 registered.", registered["message"])
        self.assertEqual(6, registered["registered"])
        self.assertEqual(
            {(name, "manageable", "registered") for name in names},
            {
                (node["name"], node["provision_state"], node["result"])
                for node in registered["registered_nodes"]
            },
        )
        self.assertEqual(
            {name: set(machines[name].macs) for name in names},
            {name: self.macs_of(node["uuid"]) for name, node in self.nodes().items()},
        )
        self.assert_nothing_changes(place, 6)

        introspected = self.execute(nodes.INTROSPECT_ALL, concurrency=4)
        self.assertEqual("6 nodes were introspected.", introspected["message"])
        self.assertEqual(4, self.most_at_once(introspected))
        self.assertEqual([], introspected["failed_introspection"])
        self.assertEqual(
            dict.fromkeys(names, (True, None)),
            {
                node["name"]: (node["finished"], node["error"])
                for node in introspected["introspected_nodes"].values()
            },
        )
        # Also with all that was found meanwhile.
        self.assert_nothing_changes(place, 6)
        configured = self.execute(nodes.CONFIGURE_ALL, root_device="smallest")
        self.assertEqual(6, len(configured["configured"]))
        provided = self.execute(nodes.PROVIDE_ALL)
        self.assertEqual("6 nodes were made available.", provided["message"])

        listed = json.loads(
            self.command("mistral", "run-action", "tripleo.baremetal.list", '{"facts": true}')
        )["result"]
        self.assertEqual(list(names), [node["name"] for node in listed])
        for node in listed:
            self.assertEqual(
                ("redfish", "available", "power off", False),
                tuple(
                    node[key] for key in ("driver", "provision_state", "power_state", "maintenance")
                ),
            )
            self.assertFalse(machines.is_on(node["name"]))
            self.assert_facts(machines[node["name"]], node["facts"])
        # Six machines of three shapes.
        self.assertEqual({128, 12}, {node["facts"]["cpus"] for node in listed})

    def most_at_once(self, output):
        """Return how many nodes of a run were under way at the same time."""
        attempts = [each for node in self.record(output)["nodes"] for each in node["attempts"]]
        # The record has the second in which each began.
        moments = [
            *((each["began"] + 0.6, 1) for each in attempts),
            *((each["began"] + each["seconds"] - 0.6, -1) for each in attempts),
        ]
        return max(itertools.accumulate(change for _, change in sorted(moments)))

    def macs_of(self, node):
        return {port.address for port in self.ironic.port.list(node=node, limit=0)}

    def put_list(self, content):
        self.swift.put_container(self.plan)
        self.swift.put_object(self.plan, "instackenv.json", json.dumps(content))
        self.addCleanup(self.swift.delete_container, self.plan)
        self.addCleanup(self.swift.delete_object, self.plan, "instackenv.json")
        return {"container": self.plan, "object": "instackenv.json"}

    def assert_nothing_changes(self, place, count):
        before = self.everything()
        again = self.run_workflow(nodes.REGISTER, nodes_json=place)
        self.assertEqual(
            (0, 0, count), tuple(again[key] for key in ("registered", "updated", "unchanged"))
        )
        # Ironic would say in updated_at that it was asked for anything.
        self.assertEqual(before, self.everything())

    def assert_facts(self, machine, facts):
        """Check facts against the hardware that the machine has."""
        shape = shapes.SHAPES[machine.shape]
        inventory = shapes.inspection_data(machine)["inventory"]
        self.assertEqual(
            {
                "cpus": shape.cpus,
                "cpu_arch": shape.architecture,
                "cpu_model": shape.cpu_model,
                "memory_mib": shape.memory_gib * 1024,
                "boot_mode": shape.boot_mode,
                "bmc_address": inventory["bmc_address"],
                "product": {
                    "vendor": shape.manufacturer,
                    "name": shape.product,
                    "serial": inventory["system_vendor"]["serial_number"],
                },
            },
            {name: value for name, value in facts.items() if name not in ("disks", "nics")},
        )
        same = ("name", "size", "rotational", "model", "vendor", "serial", "wwn", "hctl", "by_path")
        self.assertEqual(
            [{name: disk[name] for name in same} for disk in inventory["disks"]],
            [{name: disk[name] for name in same} for disk in facts["disks"]],
        )
        self.assertEqual(
            [(n["name"], n["mac_address"], n["has_carrier"]) for n in inventory["interfaces"]],
            [(n["name"], n["mac"], n["has_carrier"]) for n in facts["nics"]],
        )
        for nic, found in zip(inventory["interfaces"], facts["nics"], strict=True):
            if not nic["lldp"]:
                self.assertIsNone(found["lldp"])
                continue
            said = tlvs(nic)
            self.assertEqual(
                {
                    "switch": said[5].decode(),
                    "chassis_id": said[1][1:].hex(":"),
                    "port_id": said[2][1:].decode(),
                    "port_description": said[4].decode(),
                    "untagged_vlan": 1,
                    "vlans": [],
                },
                found["lldp"],
            )


@ddt.ddt
class TestLists(nodes.NodesTestCase):
    """What a list of nodes can look like."""

    @ddt.data(
        ("list", lambda entries: entries),
        ("mapping", lambda entries: {"nodes": entries}),
        ("json", json.dumps),
        ("json_mapping", lambda entries: json.dumps({"nodes": entries})),
        ("yaml", yaml.safe_dump),
        ("yaml_mapping", lambda entries: yaml.safe_dump({"nodes": entries})),
    )
    @ddt.unpack
    def test_forms(self, _name, form):
        entries = nodes.fakes(2, cpu="8", memory="4096", disk="40", arch="x86_64")
        self.register(form(entries), **ENROLL)
        found = self.nodes()
        self.assertEqual({"fake-0", "fake-1"}, set(found))
        for node in found.values():
            self.assertEqual(
                {"cpus": 8, "memory_mb": 4096, "local_gb": 40, "cpu_arch": "x86_64"},
                {
                    key: value if key == "cpu_arch" else int(value)
                    for key, value in node["properties"].items()
                },
            )
        self.assertEqual({mac for entry in entries for mac in entry["mac"]}, set(self.ports()))
        # Whatever the form, it is the same list.
        same = self.run_action("tripleo.baremetal.validate_nodes", nodes_json=entries)
        self.assertEqual(2, same["unchanged"])

    def test_ironics_own_format(self):
        identity = "3a4b1a5e-5a39-4e54-9d6c-0c6b5f3c7d10"
        entry = {
            "uuid": identity,
            "name": "own",
            "driver": "fake-hardware",
            "driver_info": {"fake_address": "192.0.2.7"},
            "properties": {"cpus": 4, "capabilities": "boot_mode:uefi"},
            "extra": {"rack": "r7"},
            "resource_class": "gold",
            "traits": ["CUSTOM_FAST"],
            "ports": [
                {
                    "address": "52:54:01:0a:0b:0c",
                    "pxe_enabled": False,
                    "physical_network": "ctlplane",
                    "local_link_connection": {
                        "switch_id": "0a:1b:2c:3d:4e:5f",
                        "port_id": "Ethernet1/7",
                        "switch_info": "leaf-1a",
                    },
                }
            ],
        }
        self.assertEqual({"own": identity}, self.register([entry], **ENROLL))
        node, port = self.nodes()["own"], self.ports()["52:54:01:0a:0b:0c"]
        self.assertEqual(("gold", ["CUSTOM_FAST"]), (node["resource_class"], node["traits"]))
        self.assertEqual(
            ("192.0.2.7", "r7", "boot_mode:uefi"),
            (
                node["driver_info"]["fake_address"],
                node["extra"]["rack"],
                node["properties"]["capabilities"],
            ),
        )
        self.assertEqual(
            (identity, False, "ctlplane", "leaf-1a"),
            (
                port["node_uuid"],
                port["pxe_enabled"],
                port["physical_network"],
                port["local_link_connection"]["switch_info"],
            ),
        )
        before = self.everything()
        self.assertEqual(
            1, self.run_workflow(nodes.REGISTER, nodes_json=[entry], **ENROLL)["unchanged"]
        )
        self.assertEqual(before, self.everything())

    def test_old_names_of_drivers(self):
        self.register(nodes.fakes(1, pm_type="fake_pxe"), **ENROLL)
        self.assertEqual("fake-hardware", self.nodes()["fake-0"]["driver"])

    def test_validation_says_what_registering_would_do_and_does_nothing(self):
        entries = nodes.fakes(3, memory="4096")
        self.register(entries[:2], **ENROLL)
        before = self.everything()
        entries[0]["memory"] = "8192"
        output = self.run_workflow(nodes.VALIDATE, nodes_json=entries)
        self.assertEqual(
            (1, 1, 1), tuple(output[key] for key in ("registered", "updated", "unchanged"))
        )
        self.assertEqual(before, self.everything())


@ddt.ddt
class TestRegistering(nodes.NodesTestCase):
    def updated(self, entries):
        """Register nodes; return how many were updated, and unchanged."""
        output = self.run_workflow(nodes.REGISTER, nodes_json=entries, **ENROLL)
        return output["updated"], output["unchanged"]

    def test_only_what_differs_is_changed(self):
        entries = nodes.fakes(3, memory="4096", capabilities="boot_mode:uefi")
        ids = self.register(entries, **ENROLL)
        self.run_workflow(nodes.TAG, node_uuid=ids["fake-1"], role="compute")
        known, ports = self.everything()
        entries[1]["memory"] = "8192"
        self.assertEqual((1, 2), self.updated(entries))
        found, same_ports = self.everything()
        self.assertEqual(ports, same_ports)
        changed = found.pop("fake-1")
        # What others have put there stays.
        self.assertEqual("boot_mode:uefi,profile:compute", changed["properties"]["capabilities"])
        expected = known.pop("fake-1")
        expected["properties"]["memory_mb"] = 8192
        expected["extra"]["tripleo_listed"]["memory_mb"] = 8192
        expected["updated_at"] = changed["updated_at"]
        self.assertEqual(expected, changed)
        self.assertEqual(known, found)

        before = self.everything()
        entries[2]["mac"].append("52:54:01:00:ff:ff")
        self.assertEqual((1, 2), self.updated(entries))
        self.assertEqual(before[0], self.nodes())
        found = self.ports()
        self.assertEqual(ids["fake-2"], found.pop("52:54:01:00:ff:ff")["node_uuid"])
        self.assertEqual(before[1], found)
        self.assertEqual((0, 3), self.updated(entries))

    def test_another_password_is_written_and_the_same_is_not(self):
        machines = self.machines()
        entry, wrong = (
            machines.listed("node-0", **more)[0] for more in ({}, {"pm_password": "mistaken"})
        )
        self.register([wrong], **ENROLL)
        refused = self.failed(nodes.MANAGE, node_uuids=["node-0"])
        self.assertEqual("NodesFailed", refused["error"]["type"])
        (failed,) = refused["failed"]
        self.assertEqual("node-0", failed["name"])
        self.assertIn("401", failed["error"])
        self.assertEqual("enroll", self.nodes()["node-0"]["provision_state"])

        self.assertEqual((1, 0), self.updated([entry]))
        self.run_workflow(nodes.MANAGE, node_uuids=["node-0"])
        self.assertEqual((0, 1), self.updated([entry]))
        self.assertEqual((1, 0), self.updated([wrong]))
        self.assertEqual((0, 1), self.updated([wrong]))
        # Ironic has it: it is what the BMC is asked with.
        self.failed(nodes.SET_POWER, node_uuid="node-0", state_action="on", target_state="power on")

    @ddt.data("enroll", "manageable", "available")
    def test_new_nodes_come_to_their_initial_state(self, initial_state):
        machines = self.machines()
        output = self.run_workflow(
            nodes.REGISTER,
            nodes_json=machines.listed("node-0", "node-1"),
            initial_state=initial_state,
        )
        self.assertEqual(
            dict.fromkeys(("node-0", "node-1"), initial_state),
            {name: node["provision_state"] for name, node in self.nodes().items()},
        )
        self.assertEqual(
            {initial_state}, {node["provision_state"] for node in output["registered_nodes"]}
        )
        self.assertEqual([False, False], [machines.is_on(name) for name in ("node-0", "node-1")])

    def test_images_are_found_in_glance_or_given_as_urls(self):
        ids = {
            name: self.image(name)
            for name in ("bm-deploy-kernel", "bm-deploy-ramdisk", f"{self.plan}-kernel")
        }
        usual = (ids["bm-deploy-kernel"], ids["bm-deploy-ramdisk"])
        entries = nodes.fakes(2)
        entries[1]["kernel_id"] = "http://192.0.2.1/kernel"
        self.register(entries, **ENROLL)
        self.assertEqual(
            {"fake-0": usual, "fake-1": ("http://192.0.2.1/kernel", usual[1])}, self.images()
        )
        # Who asks for others gets them, also for nodes that have some; but the list goes before.
        other = f"{self.plan}-kernel"
        self.run_workflow(nodes.REGISTER, nodes_json=entries, kernel_name=other, **ENROLL)
        self.assertEqual(
            {
                "fake-0": (ids[other], usual[1]),
                "fake-1": ("http://192.0.2.1/kernel", usual[1]),
            },
            self.images(),
        )
        configured = self.run_workflow(
            nodes.CONFIGURE,
            node_uuids=["fake-0"],
            kernel_name="bm-deploy-kernel",
            ramdisk_name="file:///httpboot/agent.ramdisk",
            instance_boot_option="local",
        )
        self.assertEqual(1, len(configured["configured"]))
        self.assertEqual((usual[0], "file:///httpboot/agent.ramdisk"), self.images()["fake-0"])
        self.assertEqual("boot_option:local", self.nodes()["fake-0"]["properties"]["capabilities"])
        # The list says nothing of them.
        self.assertEqual((0, 2), self.updated(entries))
        self.run_action(
            "tripleo.baremetal.configure_boot", node_uuid="fake-1", kernel_name="bm-deploy-kernel"
        )
        self.assertEqual(usual, self.images()["fake-1"])

    def image(self, name):
        glance = glance_client.Client("2", session=self.session)
        image = glance.images.create(name=name, disk_format="raw", container_format="bare")
        self.addCleanup(glance.images.delete, image.id)
        # Over a connection of its own: Glance closes that.
        uploading = glance_client.Client("2", session=self.undercloud.session())
        uploading.images.upload(image.id, io.BytesIO(b"nothing that boots"))
        return image.id

    def images(self):
        return {
            name: tuple(node["driver_info"].get(f"deploy_{kind}") for kind in ("kernel", "ramdisk"))
            for name, node in self.nodes().items()
        }


class TestIntrospection(nodes.NodesTestCase):
    def test_a_root_device_is_chosen_from_what_was_found(self):
        machines = self.machines()
        names = ("node-0", "node-1", "node-2")
        self.register(machines.listed(*names))
        self.run_workflow(nodes.INTROSPECT, node_uuids=list(names))
        disks = {
            name: {
                disk["name"]: disk
                for disk in shapes.inspection_data(machines[name])["inventory"]["disks"]
            }
            for name in names
        }
        nvme = disks["node-0"]["/dev/nvme1n1"]
        for wanted, disk in (
            ("smallest", "/dev/sda"),
            ("largest", "/dev/nvme2n1"),
            ("vda, nvme1n1, sda", "/dev/nvme1n1"),
            (f"wwn:{nvme['wwn']}", "/dev/nvme1n1"),
            (f"serial:{nvme['serial']}", "/dev/nvme1n1"),
        ):
            self.configure(wanted)
            chosen = disks["node-0"][disk]
            properties = self.nodes()["node-0"]["properties"]
            self.assertEqual(
                {"wwn_with_extension": chosen["wwn"]}, properties["root_device"], wanted
            )
            self.assertEqual(chosen["size"] // 2**30 - 1, int(properties["local_gb"]), wanted)
        hints = {"size": ">= 2000", "rotational": False}
        self.configure(hints)
        self.assertEqual(hints, self.nodes()["node-0"]["properties"]["root_device"])
        # Hints that are there already stay, if nothing else is said.
        unchanged = self.run_workflow(
            nodes.CONFIGURE, node_uuids=["node-0"], root_device="smallest"
        )
        self.assertEqual(1, len(unchanged["unchanged"]))
        self.assertEqual(hints, self.nodes()["node-0"]["properties"]["root_device"])

        # One has no such disk; the others are configured.
        output = self.failed(
            nodes.CONFIGURE,
            node_uuids=list(names),
            root_device="sda",
            overwrite_root_device_hints=True,
        )
        (failed,) = output["failed"]
        self.assertEqual("node-1", failed["name"])
        for word in ("sda", *disks["node-1"]):
            self.assertIn(word, failed["error"])
        self.assertEqual(
            {
                "node-0": {"wwn_with_extension": disks["node-0"]["/dev/sda"]["wwn"]},
                "node-1": None,
                "node-2": {"wwn_with_extension": disks["node-2"]["/dev/sda"]["wwn"]},
            },
            self.root_devices(),
        )
        # Of one alone, as somebody does it who looks at its disks before.
        facts = self.run_action("tripleo.baremetal.facts", node_uuid="node-1")
        found = facts["disks"][-1]
        self.run_action(
            "tripleo.baremetal.configure_root_device",
            node_uuid="node-1",
            root_device=f"serial:{found['serial']}",
        )
        self.assertEqual({"wwn_with_extension": found["wwn"]}, self.root_devices()["node-1"])

    def configure(self, root_device):
        return self.run_action(
            "tripleo.baremetal.configure_nodes",
            node_uuids=["node-0"],
            root_device=root_device,
            overwrite_root_device_hints=True,
        )

    def root_devices(self):
        return {name: node["properties"].get("root_device") for name, node in self.nodes().items()}

    def test_rules_of_a_plan_act(self):
        self.addCleanup(self.remove_rules)
        machines = self.machines()
        self.register(machines.listed("node-0", "node-1"))
        self.make_plan({**PLAN, "inspection_rules/profiles.yaml": RULE})
        self.run_workflow(nodes.INTROSPECT, node_uuids=["node-0", "node-1"], container=self.plan)
        found = {row["name"]: row["profile"] for row in self.run_action("tripleo.baremetal.list")}
        self.assertEqual({"node-0": None, "node-1": "compute"}, found)
        load = "tripleo.baremetal.load_inspection_rules"
        self.assertEqual(
            {"created": 0, "deleted": 0, "unchanged": 1}, self.run_action(load, container=self.plan)
        )
        # Another rule in its place.
        self.swift.put_object(
            self.plan,
            "inspection_rules/profiles.yaml",
            RULE.replace("value: compute", "value: arm"),
        )
        self.run_workflow("tripleo.plan_management.v1.update_deployment_plan", container=self.plan)
        self.assertEqual(
            {"created": 1, "deleted": 1, "unchanged": 0}, self.run_action(load, container=self.plan)
        )
        self.assertEqual(
            1, sum(self.plan in rule.description for rule in self.ironic.inspection_rule.list())
        )

    def remove_rules(self):
        for rule in self.ironic.inspection_rule.list():
            if self.plan in (rule.description or ""):
                self.ironic.inspection_rule.delete(rule.uuid)

    def test_a_bmc_tells_what_it_knows_without_a_ramdisk(self):
        machines = self.machines()
        # Its ramdisk would never be heard of.
        machines.change("node-0", fault="no-boot")
        self.register(machines.listed("node-0", inspect_interface="redfish"))
        output = self.run_workflow(nodes.INTROSPECT_ALL)
        (found,) = output["introspected_nodes"].values()
        shape = shapes.SHAPES[machines["node-0"].shape]
        self.assertEqual(
            (
                shape.cpus,
                shape.architecture,
                shape.memory_gib * 1024,
                [d.bytes for d in shape.disks],
            ),
            (
                found["cpus"],
                found["cpu_arch"],
                found["memory_mib"],
                [disk["size"] for disk in found["disks"]],
            ),
        )
        self.assertEqual(list(machines["node-0"].macs), [nic["mac"] for nic in found["nics"]])
        # By this BMC nothing tells the disks from each other.
        refused = self.failed(nodes.CONFIGURE, node_uuids=["node-0"], root_device="smallest")
        self.assertIn("no WWN, no serial number and no path", refused["message"])


class TestStates(nodes.NodesTestCase):
    def test_a_node_goes_there_and_back(self):
        machines = self.machines()
        self.register(machines.listed("node-0", "node-1"))
        self.run_workflow(
            nodes.SET_POWER, node_uuid="node-0", state_action="on", target_state="power on"
        )
        self.assertTrue(machines.is_on("node-0"))
        provided = self.run_workflow(nodes.PROVIDE, node_uuids=["node-0", "node-1"])
        self.assertEqual("2 nodes were made available.", provided["message"])
        self.assertEqual(
            {("available", "power off")},
            {(node["provision_state"], node["power_state"]) for node in self.nodes().values()},
        )
        self.assertFalse(machines.is_on("node-0"))
        # It is there already.
        self.run_workflow(nodes.PROVIDE, node_uuids=["node-0"])
        self.run_workflow(
            nodes.SET_STATE, node_uuid="node-0", state_action="manage", target_state="manageable"
        )
        self.assertEqual(
            {"node-0": "manageable", "node-1": "available"},
            {name: node["provision_state"] for name, node in self.nodes().items()},
        )
        self.run_workflow(nodes.PROVIDE_ALL)
        self.run_workflow(nodes.MANAGE, node_uuids=["node-1"])
        self.assertEqual(
            ["node-1"],
            [
                node["name"]
                for node in self.run_workflow(nodes.LIST, provision_state="manageable")["nodes"]
            ],
        )

    def test_power(self):
        machines = self.machines()
        self.register(machines.listed("node-2"))
        log = self.undercloud.directory.log("bmc")

        def starts():
            """Return how often its BMC has switched it on, for the first time or anew."""
            lines = [
                line for line in log.read_text().splitlines() if machines["node-2"].uuid in line
            ]
            return sum('power state set to "On"' in line or "Restart" in line for line in lines)

        for action, target, is_on, started in (
            ("on", "power on", True, 1),
            ("on", "power on", True, 0),
            ("reboot", "power on", True, 1),
            ("soft off", "power off", False, 0),
        ):
            before = starts()
            self.run_workflow(
                nodes.SET_POWER, node_uuid="node-2", state_action=action, target_state=target
            )
            self.assertEqual(
                (is_on, started), (machines.is_on("node-2"), starts() - before), action
            )
            shown = self.nodes()["node-2"]["power_state"]
            self.assertEqual("power on" if is_on else "power off", shown)


class TestProfiles(nodes.NodesTestCase):
    def profiles(self):
        return {row["name"]: row["profile"] for row in self.run_action("tripleo.baremetal.list")}

    def test_nodes_are_matched_with_the_roles_of_a_plan(self):
        self.make_plan(PLAN)
        self.register(nodes.fakes(2), initial_state="available")
        before = self.everything()
        short = self.run_workflow(nodes.MATCH, container=self.plan)["matching"]
        self.assertEqual(before, self.everything())
        self.assertEqual(
            {"Controller": (1, 0), "Compute": (2, 1)},
            {role["role"]: (role["wanted"], role["missing"]) for role in short["roles"]},
        )
        reason = next(role["reason"] for role in short["roles"] if role["missing"])
        self.assertEqual(
            "wanted 2 nodes of profile compute; 2 nodes exist: 1 matches, 1 taken by role "
            "Controller",
            reason,
        )
        refused = self.failed(nodes.MATCH, container=self.plan, dry_run=False)
        self.assertEqual("ProfilesUnmatched", refused["error"]["type"])
        self.assertIn(reason, refused["message"])
        self.assertEqual(before, self.everything())

        more = [
            {**entry, "name": f"more-{number}", "mac": [f"52:54:02:00:00:0{number}"]}
            for number, entry in enumerate(nodes.fakes(2))
        ]
        more[0]["capabilities"] = "profile:control"
        self.register(more, initial_state="manageable")
        # One that is not available serves no role; it is said what to do with it.
        self.assertIn(
            "provide",
            self.run_workflow(nodes.MATCH, container=self.plan)["matching"]["roles"][1]["reason"],
        )
        self.run_workflow(nodes.PROVIDE_ALL)
        matched = self.run_workflow(nodes.MATCH, container=self.plan, dry_run=False)["matching"]
        self.assertEqual([0, 0], [role["missing"] for role in matched["roles"]])
        self.assertEqual(
            {"fake-0": "compute", "fake-1": "compute", "more-0": "control", "more-1": None},
            self.profiles(),
        )
        self.assertEqual(["more-1"], [node["name"] for node in matched["unused"]])

    def test_nodes_are_tagged_and_the_plan_counts_them(self):
        self.make_plan(PLAN)
        ids = self.register(nodes.fakes(3), initial_state="available")
        self.run_workflow(nodes.TAG, node_uuid="fake-0", role="control")
        self.run_workflow(
            nodes.TAG_ALL,
            tag_node_uuids=[ids["fake-1"], ids["fake-2"]],
            untag_node_uuids=[],
            role="compute",
            plan=self.plan,
        )
        self.assertEqual(
            {"fake-0": "control", "fake-1": "compute", "fake-2": "compute"}, self.profiles()
        )
        self.assertEqual(2, self.parameters()["ComputeCount"])
        for wrong in ({"role": "computer", "plan": self.plan}, {"role": "control", "plan": "none"}):
            self.failed(
                nodes.TAG_ALL, tag_node_uuids=["fake-1"], untag_node_uuids=["fake-2"], **wrong
            )
        self.assertEqual(
            {"fake-0": "control", "fake-1": "compute", "fake-2": "compute"}, self.profiles()
        )
        self.run_workflow(
            nodes.TAG_ALL,
            tag_node_uuids=["fake-0"],
            untag_node_uuids=["fake-1"],
            role="compute",
            plan=self.plan,
        )
        self.run_workflow(nodes.TAG, node_uuid="fake-2")
        self.assertEqual({"fake-0": "compute", "fake-1": None, "fake-2": None}, self.profiles())
        # A profile is a capability among others.
        for node, name, value, expected in (
            ("fake-0", "rack", "r7", "profile:compute,rack:r7"),
            ("fake-0", "profile", "control", "rack:r7,profile:control"),
            ("fake-0", "rack", None, "profile:control"),
        ):
            self.run_action(
                "tripleo.baremetal.update_node_capability",
                node_uuid=node,
                capability=name,
                value=value,
            )
            self.assertEqual(expected, self.nodes()[node]["properties"]["capabilities"])

    def parameters(self):
        return self.mistral.environments.get(self.plan).variables["parameter_defaults"]


class TestRemoval(nodes.NodesTestCase):
    def test_nodes_are_deleted(self):
        self.register(nodes.fakes(3), **ENROLL)
        output = self.run_workflow(nodes.DELETE, node_uuids=["fake-0", "fake-2"])
        self.assertEqual(2, len(output["deleted"]))
        self.assertEqual({"fake-1"}, set(self.nodes()))
        self.assertEqual({nodes.fakes(2)[1]["mac"][0]}, set(self.ports()))

    def test_what_is_not_listed_is_removed_after_a_preview(self):
        entries = nodes.fakes(6)
        ids = self.register(entries, **ENROLL)
        instance = "0d3d3f9c-5b3e-4a7e-8f3b-1f9c7d1b2a3c"
        self.ironic.node.update(
            ids["fake-4"], [{"op": "add", "path": "/instance_uuid", "value": instance}]
        )
        self.deploy("fake-5")
        listed = [{**entries[0], "memory": "4096"}, entries[1], nodes.fakes(7)[6]]
        before = self.everything()
        asked = {"nodes_json": listed, "remove": True, **ENROLL}
        preview = self.run_workflow(nodes.REGISTER, **asked)["preview"]
        self.assertEqual(before, self.everything())
        self.assertEqual(["fake-2", "fake-3"], [node["name"] for node in preview["remove"]])
        kept = {node["name"]: node["reason"] for node in preview["kept"]}
        self.assertEqual({"fake-4", "fake-5"}, set(kept))
        self.assertIn(instance, kept["fake-4"])
        self.assertIn("active", kept["fake-5"])
        self.assertEqual(
            (1, 1, 1), tuple(preview[key] for key in ("register", "update", "unchanged"))
        )

        done = self.run_workflow(nodes.REGISTER, **asked, remove_fingerprint=preview["fingerprint"])
        self.assertEqual(
            (1, 1, 1, 2),
            tuple(done[key] for key in ("registered", "updated", "unchanged", "removed")),
        )
        self.assertEqual({"fake-0", "fake-1", "fake-4", "fake-5", "fake-6"}, set(self.nodes()))
        # There is nothing left to remove, and what is kept is still kept.
        again = self.run_workflow(nodes.REGISTER, **asked)["preview"]
        self.assertEqual(([], 2, 3), (again["remove"], len(again["kept"]), again["unchanged"]))
