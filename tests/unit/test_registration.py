import copy
import hashlib
import json
import math
import threading

import ddt
from cryptography import fernet

from tests.unit import base, fake_ironic, fakes, test_images
from tripleo_common import exceptions
from tripleo_common.baremetal import documents, following, node_data, registration, runs

CANARY = "canary-5b71e0aa"
KEY = fernet.Fernet.generate_key().decode()
MARK = "tripleo_credentials"
RECORD_BYTES = 64 * 1024


def mac(number):
    return f"52:54:00:00:{number // 256:02x}:{number % 256:02x}"


def entry(number, **more):
    """Return an entry of a list, as users write it."""
    return {
        "name": f"node-{number}",
        "pm_type": "redfish",
        "pm_addr": f"10.0.{number // 256}.{number % 256}",
        "pm_user": "admin",
        "pm_password": f"{CANARY}-{number}",
        "pm_system_id": "/redfish/v1/Systems/1",
        "ports": [{"address": mac(number)}],
        "capabilities": "boot_mode:uefi",
        **more,
    }


def without(given, *names):
    return {name: value for name, value in given.items() if name not in names}


class Cloud(test_images.WithGlance, fake_ironic.Cloud):
    """A cloud with Ironic and Glance."""


class WithNodes(base.TestCase):
    def setUp(self):
        super().setUp()
        self.use_keys(KEY)
        self.set_options(baremetal_threads=2)
        self.cloud = self.useFixture(Cloud())
        self.ironic, self.swift, self.glance = (
            self.cloud.ironic,
            self.cloud.swift,
            self.cloud.glance,
        )

    def register(self, *entries, **options):
        options.setdefault("initial_state", "enroll")
        return registration.register(self.cloud.open(), list(entries), **options)

    def forget(self):
        for service in (self.ironic, self.swift, self.glance):
            service.requests.clear()
            service.sent.clear()

    def writes(self):
        """Return what was asked of Ironic that changes something."""
        return [line for line in self.ironic.requests if not line.startswith("GET ")]

    def patches(self):
        """Return the JSON patches that were sent: path of the request to changes."""
        return {
            request.path.removeprefix("/v1/"): json.loads(request.body)
            for request in self.ironic.sent
            if request.method == "PATCH"
        }

    def node(self, name):
        (found,) = [node for node in self.ironic.nodes.values() if node["name"] == name]
        return found

    def ports(self, name):
        identity = self.node(name)["uuid"]
        return [port for port in self.ironic.ports.values() if port["node_uuid"] == identity]

    def results(self, run):
        return {entry_.name: entry_.result for entry_ in run.entries.values()}

    def state(self):
        """Return all that Ironic has, but for times and UUIDs of ports."""
        return copy.deepcopy(
            (
                {
                    identity: without(node, "created_at", "updated_at")
                    for identity, node in self.ironic.nodes.items()
                },
                sorted((p["address"], p["node_uuid"]) for p in self.ironic.ports.values()),
            )
        )

    def assert_unchanged(self, *entries, **options):
        self.forget()
        run = self.register(*entries, **options)
        self.assertEqual([], self.writes())
        self.assertEqual([], run.failed)
        self.assertEqual({"unchanged"}, set(self.results(run).values()))

    def answer(self, method, path, status, words, times=10**6):
        """Let Ironic refuse something."""
        left = [times]

        def refuse(_request, context):
            if not left[0]:
                return None
            left[0] -= 1
            context.status_code = status
            context.headers["Content-Type"] = "application/json"
            return json.dumps({"error_message": json.dumps({"faultstring": words})})

        self.ironic.on(method, path, refuse)


@ddt.ddt
class New(WithNodes):
    def test_node_is_made_as_the_list_says_with_its_ports_and_traits(self):
        given = entry(
            1,
            resource_class="big",
            traits=["CUSTOM_GPU"],
            cpu=8,
            memory="4096",
            ports=[{"address": mac(1), "physical_network": "ctlplane"}, {"address": mac(2)}],
        )
        run = self.register(given)
        node = self.node("node-1")
        self.assertEqual(
            ("redfish", "big", ["CUSTOM_GPU"], "enroll"),
            tuple(node[k] for k in ("driver", "resource_class", "traits", "provision_state")),
        )
        self.assertEqual(
            {
                "redfish_address": "https://10.0.0.1",
                "redfish_username": "admin",
                "redfish_password": f"{CANARY}-1",
                "redfish_system_id": "/redfish/v1/Systems/1",
            },
            node["driver_info"],
        )
        self.assertEqual(
            {"capabilities": "boot_mode:uefi", "cpus": 8, "memory_mb": 4096}, node["properties"]
        )
        self.assertEqual(
            [(mac(1), "ctlplane"), (mac(2), None)],
            [(port["address"], port["physical_network"]) for port in self.ports("node-1")],
        )
        self.assertEqual({"node-1": "registered"}, self.results(run))
        self.assertEqual(
            [{"uuid": node["uuid"], "name": "node-1", "provision_state": "enroll"}],
            [without(shown, "result") for shown in run.nodes()],
        )

    def test_registering_twice_changes_nothing(self):
        given = [
            entry(1, traits=["CUSTOM_GPU"], cpu="8", disk=40, resource_class="big"),
            entry(
                2,
                automated_clean=True,
                conductor_group="Rack1",
                root_device={"size": ">= 40"},
                network_data={"links": []},
                properties={"x": [1, {"y": None}]},
                driver_info={"redfish_verify_ca": False},
                extra={"where": "here"},
                owner="p1",
                disable_power_off=False,
                shard="s",
                description="None",
            ),
            entry(
                3,
                ports=[
                    {
                        "address": mac(3).upper(),
                        "name": "port-3",
                        "local_link_connection": {
                            "switch_id": "00:11:22:33:44:FF",
                            "port_id": "1",
                        },
                        "extra": {"a": 1},
                        "pxe_enabled": "false",
                    }
                ],
                uuid="6E2C5D0A-0000-4000-8000-00000000000A",
            ),
            {"pm_type": "ipmi", "pm_addr": "10.1.0.1", "pm_port": "6230", "pm_password": CANARY},
            {"pm_type": "fake_pxe", "mac": [mac(9)]},
            {"driver": "fake-hardware", "name": "alone"},
        ]
        self.glance.images[test_images.KERNEL] = "bm-deploy-kernel"
        first = self.register(*given)
        self.assertEqual(([], {"registered"}), (first.failed, set(self.results(first).values())))
        before = self.state()
        self.assert_unchanged(*given)
        self.assert_unchanged(*reversed(given))
        self.assertEqual(before, self.state())

    def test_uuid_follows_from_the_bmc_so_that_it_is_always_the_same(self):
        self.register(entry(1), entry(2))
        first = set(self.ironic.nodes)
        self.ironic.nodes.clear()
        self.ironic.ports.clear()
        self.register(entry(2, name="other"), without(entry(1), "name", "ports"))
        self.assertEqual(first, set(self.ironic.nodes))

    def test_uuid_that_is_given_is_the_nodes(self):
        identity = "6e2c5d0a-0000-4000-8000-00000000000a"
        self.register(entry(1, uuid=identity))
        self.assertEqual([identity], list(self.ironic.nodes))
        self.assert_unchanged(entry(1, uuid=identity))

    def test_uuid_that_an_older_node_got_from_that_address_is_not_taken_again(self):
        self.register(entry(1))
        moved = self.node("node-1")["uuid"]
        self.register(entry(1, pm_addr="10.0.9.9"))
        run = self.register(entry(1, pm_addr="10.0.9.9"), entry(2, pm_addr="10.0.0.1"))
        self.assertEqual([], run.failed)
        self.assertEqual({"node-1": "unchanged", "node-2": "registered"}, self.results(run))
        self.assertEqual(moved, self.node("node-1")["uuid"])
        self.assertEqual(mac(2), self.ports("node-2")[0]["address"])
        self.assert_unchanged(entry(1, pm_addr="10.0.9.9"), entry(2, pm_addr="10.0.0.1"))

    def test_boot_option_is_for_nodes_that_say_nothing_of_it(self):
        given = [entry(1), entry(2, capabilities="boot_option:netboot")]
        self.register(*given, boot_option="local")
        capabilities = {
            name: self.node(name)["properties"]["capabilities"] for name in ("node-1", "node-2")
        }
        self.assertEqual(
            {"node-1": "boot_mode:uefi,boot_option:local", "node-2": "boot_option:netboot"},
            capabilities,
        )
        self.assert_unchanged(*given, boot_option="local")
        self.assert_unchanged(*given)

    @ddt.data("remote", "", 5, True, ["local"], {})
    def test_other_boot_options_are_refused(self, value):
        error = self.assertRaises(
            exceptions.InputInvalid, self.register, entry(1), boot_option=value
        )
        self.assertEqual("instance_boot_option", error.name)
        self.assertEqual([], self.ironic.requests)

    @ddt.data("active", "", None, 5, True, ["enroll"], {})
    def test_other_initial_states_are_refused(self, value):
        error = self.assertRaises(
            exceptions.InputInvalid, self.register, entry(1), initial_state=value
        )
        self.assertEqual("initial_state", error.name)
        self.assertEqual([], self.ironic.requests)

    def test_new_nodes_are_to_be_brought_to_their_initial_state_and_listed_ones_left(self):
        self.register(entry(1), entry(2), entry(3))
        self.node("node-2")["provision_state"] = "manageable"
        self.node("node-3")["provision_state"] = "available"
        run = self.register(
            entry(1), entry(2), entry(3), entry(4), initial_state="available", run_id="r"
        )
        self.assertEqual(
            {"node-1": "queued", "node-2": "succeeded", "node-3": "succeeded", "node-4": "queued"},
            {entry_.name: entry_.state for entry_ in run.entries.values()},
        )
        opened = self.cloud.open(seconds=10_000)
        while not following.follow(opened, "r")["done"]:
            pass
        states = {node["name"]: node["provision_state"] for node in self.ironic.nodes.values()}
        self.assertEqual(
            {
                "node-1": "available",
                "node-2": "manageable",
                "node-3": "available",
                "node-4": "available",
            },
            states,
        )

    def test_with_initial_state_enroll_nothing_more_is_done(self):
        run = self.register(entry(1), run_id="r")
        self.assertEqual([], run.open)
        self.forget()
        result = following.follow(self.cloud.open(), "r")
        self.assertEqual((True, 1), (result["done"], result["registered"]))
        self.assertEqual([], self.ironic.requests)


@ddt.ddt
class Changed(WithNodes):
    """A changed entry updates just what changed."""

    def setUp(self):
        super().setUp()
        self.given = entry(
            1, resource_class="small", traits=["CUSTOM_A"], cpu=8, extra={"where": "here"}
        )
        self.register(self.given, entry(2))
        self.uuid = self.node("node-1")["uuid"]
        self.forget()

    def update(self, **more):
        run = self.register({**self.given, **more}, entry(2))
        self.assertEqual([], run.failed)
        self.assertEqual("updated", self.results(run)[more.get("name", "node-1")])
        self.assertEqual("unchanged", self.results(run)["node-2"])
        self.forget_and_check(more)

    def forget_and_check(self, more):
        self.told = (self.writes(), self.patches())
        self.assert_unchanged({**self.given, **more}, entry(2))

    @ddt.data(
        ({"resource_class": "big"}, "/resource_class", "big"),
        ({"cpu": 9}, "/properties/cpus", 9),
        ({"name": "other"}, "/name", "other"),
        ({"pm_user": "root"}, "/driver_info/redfish_username", "root"),
        ({"pm_addr": "10.0.7.7"}, "/driver_info/redfish_address", "https://10.0.7.7"),
        ({"extra": {"where": "there"}}, "/extra/where", "there"),
        ({"extra": {"a/b~c": 1}}, "/extra/a~1b~0c", 1),
        ({"description": "None"}, "/description", "None"),
        ({"automated_clean": False}, "/automated_clean", False),
        ({"root_device": {"size": 50}}, "/properties/root_device", {"size": 50}),
        (
            {"capabilities": "boot_mode:bios"},
            "/properties/capabilities",
            "boot_mode:bios",
        ),
    )
    @ddt.unpack
    def test_one_value_is_one_change(self, more, path, value):
        self.update(**more)
        change = [{"op": "add", "path": path, "value": value}]
        if "cpu" in more:
            # What the list says is kept beside what introspection will find.
            said = {"op": "add", "path": "/extra/tripleo_listed", "value": {"cpus": value}}
            change.insert(0, said)
        self.assertEqual({f"nodes/{self.uuid}": change}, self.told[1])
        self.assertEqual([f"PATCH /v1/nodes/{self.uuid}"], self.told[0])

    def test_what_is_no_longer_in_the_list_stays(self):
        self.assert_unchanged(
            without(self.given, "resource_class", "traits", "cpu", "extra", "ports"), entry(2)
        )

    def test_what_others_have_put_there_stays(self):
        node = self.node("node-1")
        node["properties"]["capabilities"] += ",profile:compute,cpu_vt:true"
        node["properties"]["size"] = 5
        node["extra"]["note"] = "mine"
        node["driver_info"]["redfish_verify_ca"] = False
        node["traits"].append("CUSTOM_B")
        self.ironic.add_port(node, mac(77))
        self.assert_unchanged(self.given, entry(2))
        self.update(capabilities="boot_mode:bios,new:1", traits=["CUSTOM_C"])
        self.assertEqual(
            "boot_mode:bios,profile:compute,cpu_vt:true,new:1",
            node["properties"]["capabilities"],
        )
        self.assertEqual(["CUSTOM_A", "CUSTOM_B", "CUSTOM_C"], node["traits"])
        self.assertEqual("mine", node["extra"]["note"])
        self.assertEqual(2, len(self.ports("node-1")))

    def test_new_port_is_made_and_a_changed_one_changed(self):
        ports = [{"address": mac(1), "pxe_enabled": False}, {"address": mac(5)}]
        self.update(ports=ports)
        (changed,) = [port for port in self.ports("node-1") if port["address"] == mac(1)]
        self.assertEqual(
            {
                f"ports/{changed['uuid']}": [
                    {"op": "add", "path": "/pxe_enabled", "value": False},
                ]
            },
            self.told[1],
        )
        self.assertEqual([f"PATCH /v1/ports/{changed['uuid']}", "POST /v1/ports"], self.told[0])

    def test_new_traits_join_those_that_are_there(self):
        self.update(traits=["CUSTOM_B"])
        self.assertEqual([f"PUT /v1/nodes/{self.uuid}/traits"], self.told[0])
        self.assertEqual(["CUSTOM_A", "CUSTOM_B"], self.node("node-1")["traits"])

    def test_another_driver_gets_interfaces_that_fit(self):
        self.assertEqual("redfish", self.node("node-1")["power_interface"])
        self.update(pm_type="ipmi", pm_system_id=None)
        node = self.node("node-1")
        self.assertEqual(("ipmi", "ipmitool"), (node["driver"], node["power_interface"]))

    def test_the_same_driver_keeps_its_interfaces(self):
        self.update(resource_class="big")
        (sent,) = [r for r in self.ironic.sent if r.method == "PATCH"] or [None]
        self.assertIsNone(sent)
        self.assertNotIn("reset_interfaces", json.dumps(self.told))

    def test_what_introspection_has_found_is_not_put_back(self):
        node = self.node("node-1")
        node["properties"].update(cpus=128, memory_mb=2**19, local_gb=99, cpu_arch="aarch64")
        found = dict(node["properties"])
        given = {**self.given, "memory": 1024, "disk": 10, "arch": "x86_64"}
        node["inspection_finished_at"] = "2026-01-01T00:00:00"
        self.register(given, entry(2))
        self.assertEqual(found, node["properties"])
        self.assert_unchanged(given, entry(2))
        # Ironic forgets when the last one was as soon as another one begins.
        node["inspection_finished_at"] = None
        self.assert_unchanged(given, entry(2))
        self.assertEqual(found, node["properties"])
        del node["properties"]["memory_mb"]
        self.register(given, entry(2))
        self.assertEqual({**found, "memory_mb": 1024}, node["properties"])

    def test_list_that_says_something_else_than_before_knows_better_than_introspection(self):
        node = self.node("node-1")
        node["properties"].update(cpus=128)
        node["inspection_finished_at"] = "2026-01-01T00:00:00"
        self.assert_unchanged(self.given, entry(2))
        self.update(cpu=64)
        self.assertEqual(64, node["properties"]["cpus"])

    def test_change_is_of_the_node_as_it_is_now_and_not_as_it_was_listed(self):
        node = self.node("node-1")

        def tag(request, *_):
            if request.path.endswith(self.uuid):
                node["properties"]["capabilities"] = "profile:compute"
                node["traits"] = ["CUSTOM_A", "CUSTOM_C"]

        self.ironic.on("GET", "^/v1/nodes/", tag)
        self.update(capabilities="boot_mode:bios", traits=["CUSTOM_B"])
        self.assertEqual(
            {"profile": "compute", "boot_mode": "bios"},
            node_data.capabilities(node["properties"]["capabilities"]),
        )
        self.assertEqual(["CUSTOM_A", "CUSTOM_B", "CUSTOM_C"], node["traits"])

    def test_node_that_somebody_else_has_changed_so_meanwhile_is_unchanged(self):
        node = self.node("node-1")
        self.ironic.on("GET", "^/v1/nodes/", lambda *_: node.update(resource_class="big"))
        run = self.register({**self.given, "resource_class": "big"}, entry(2))
        self.assertEqual({"unchanged"}, set(self.results(run).values()))
        self.assertEqual([], self.writes())

    def test_chassis(self):
        chassis = "6f2a3c1e-0000-4000-8000-000000000001"
        self.update(chassis_uuid=chassis)
        self.assertEqual(chassis, self.node("node-1")["chassis_uuid"])

    def test_systems_of_a_service_that_ironic_was_told_none_of_are_told_apart(self):
        self.register(without(entry(5), "ports", "pm_system_id"))
        run = self.register(
            without(entry(5), "ports"),
            {**entry(6), "pm_addr": "10.0.0.5", "pm_system_id": "/redfish/v1/Systems/2"},
        )
        self.assertEqual({"node-5": "updated", "node-6": "registered"}, self.results(run))

    def test_node_is_found_by_its_uuid_its_bmc_its_name_or_a_mac(self):
        for lone in (
            {**entry(8), "ports": [], "uuid": self.uuid},
            {**entry(8), "ports": [], "pm_addr": "10.0.0.1"},
            {**entry(8), "ports": [], "name": "node-1"},
            {**entry(8), "ports": [mac(8), mac(1)]},
        ):
            with self.subTest(lone=lone):
                before = copy.deepcopy((self.ironic.nodes, self.ironic.ports))
                run = self.register(lone)
                self.assertEqual(["updated"], list(self.results(run).values()))
                self.assertEqual(2, len(self.ironic.nodes))
                self.ironic.nodes, self.ironic.ports = before


@ddt.ddt
class Passwords(WithNodes):
    def setUp(self):
        super().setUp()
        self.register(entry(1), entry(2))
        self.path = f"nodes/{self.node('node-1')['uuid']}"
        self.forget()

    def password(self):
        return self.node("node-1")["driver_info"]["redfish_password"]

    def test_changed_password_is_written_and_nothing_else_but_its_mark(self):
        self.register(entry(1, pm_password=f"{CANARY}-new"), entry(2))
        (changes,) = self.patches().values()
        self.assertEqual(
            ["/driver_info/redfish_password", f"/extra/{MARK}"],
            [change["path"] for change in changes],
        )
        self.assertEqual(f"{CANARY}-new", self.password())
        self.assert_unchanged(entry(1, pm_password=f"{CANARY}-new"), entry(2))

    def test_other_changes_do_not_write_the_password(self):
        self.register(entry(1, name="other", pm_addr="10.0.7.7"), entry(2))
        self.assertEqual([self.path], list(self.patches()))
        self.assertNotIn(CANARY, json.dumps(self.patches()))
        self.assertNotIn(MARK, json.dumps(self.patches()))

    def test_password_that_somebody_has_taken_away_is_written_again(self):
        del self.node("node-1")["driver_info"]["redfish_password"]
        self.register(entry(1), entry(2))
        self.assertEqual([self.path], list(self.patches()))
        self.assertEqual(f"{CANARY}-1", self.password())

    def test_list_without_passwords_leaves_them(self):
        self.assert_unchanged(without(entry(1), "pm_password"), without(entry(2), "pm_password"))

    def test_mark_says_nothing_of_the_password_nor_which_nodes_have_the_same(self):
        self.register(entry(1, pm_password=CANARY), entry(2, pm_password=CANARY))
        marks = {self.node(name)["extra"][MARK] for name in ("node-1", "node-2")}
        self.assertEqual(2, len(marks))
        for text in (CANARY, json.dumps({"redfish_password": CANARY})):
            self.assertNotIn(hashlib.sha256(text.encode()).hexdigest(), marks)

    def test_mark_is_good_after_keys_are_rotated(self):
        self.use_keys(fernet.Fernet.generate_key().decode(), KEY)
        self.assert_unchanged(entry(1), entry(2))

    def test_mark_of_a_key_that_is_gone_is_made_anew(self):
        self.use_keys()
        run = self.register(entry(1), entry(2))
        self.assertEqual({"updated"}, set(self.results(run).values()))
        self.assert_unchanged(entry(1), entry(2))

    def test_without_keys_the_password_is_written_each_time_and_all_else_is_not(self):
        self.set_options(encryption_keys_file=None)
        self.ironic.nodes.clear()
        self.ironic.ports.clear()
        first = self.register(entry(1), entry(2))
        self.assertEqual({"registered"}, set(self.results(first).values()))
        self.assertEqual({}, self.node("node-1")["extra"])
        warning = "BMC passwords are written with every registration: "
        self.assertEqual(1, self.log.output.count(warning))
        self.forget()
        self.register(entry(1), entry(2))
        for changes in self.patches().values():
            self.assertEqual(
                ["/driver_info/redfish_password"], [change["path"] for change in changes]
            )
        self.assertEqual(2, len(self.patches()))
        self.assert_unchanged(without(entry(1), "pm_password"))

    def test_password_changed_while_there_were_no_keys_is_not_taken_for_the_marked_one(self):
        self.set_options(encryption_keys_file=None)
        self.register(entry(1, pm_password="other"), entry(2))
        self.use_keys(KEY)
        self.register(entry(1), entry(2))
        self.assertEqual(f"{CANARY}-1", self.password())
        self.assert_unchanged(entry(1), entry(2))

    @ddt.data(True, False)
    def test_node_in_use_whose_password_cannot_be_compared_is_unchanged(self, has_keys):
        for name in ("node-1", "node-2"):
            self.node(name)["provision_state"] = "active"
            del self.node(name)["extra"][MARK]
        if not has_keys:
            self.set_options(encryption_keys_file=None)
        self.assert_unchanged(entry(1), entry(2))

    def test_other_secrets_are_kept_likewise(self):
        secrets = {"snmp_auth_key": CANARY, "ipmi_hex_kg_key": "ABCD", "x_token": [CANARY]}
        given = entry(1, driver_info=secrets)
        self.register(given)
        self.assertEqual(CANARY, self.node("node-1")["driver_info"]["snmp_auth_key"])
        self.assert_unchanged(given)
        self.register(entry(1, driver_info={**secrets, "x_token": ["new"]}))
        self.assertEqual(["new"], self.node("node-1")["driver_info"]["x_token"])

    def test_no_password_is_in_results_records_logs_or_extra(self):
        password = f'{CANARY}"\\\u00e4'

        def echo(request, context):
            context.status_code = 400
            context.headers["Content-Type"] = "application/json"
            return json.dumps({"error_message": f"Couldn't apply {request.text} {password!r}"})

        self.ironic.on("PATCH", self.path, echo)
        self.ironic.on("POST", "/v1/nodes", echo)
        run = self.register(
            entry(1, pm_password=password), entry(2), entry(3, pm_password=password), run_id="r"
        )
        self.assertEqual(["node-1", "node-3"], [failed["name"] for failed in run.failed])
        self.assertIn("Couldn't apply", run.failed[0]["error"])
        stored = [
            content.decode() for content in self.swift.containers["tripleo-baremetal"].values()
        ]
        extras = [node["extra"] for node in self.ironic.nodes.values()]
        for text in (
            json.dumps(run.summary()),
            json.dumps(extras),
            *stored,
            *self.swift.requests,
            self.log.output,
        ):
            self.assertNotIn(CANARY, text)
        error = self.assertRaises(exceptions.NodesFailed, following.follow, self.cloud.open(), "r")
        self.assertNotIn(CANARY, json.dumps(error.to_dict()))

    def test_no_password_is_in_faults(self):
        for content in (
            [entry(1, pm_password=[CANARY]), entry(1, pm_addr=f"https://u:{CANARY}@host/")],
            json.dumps([entry(1)])[:-1],
            f"- pm_password: [{CANARY}\n",
        ):
            error = self.assertRaises(
                exceptions.NodesInvalid, registration.validate, self.cloud.open(), content
            )
            self.assertNotIn(CANARY, json.dumps(error.to_dict()))


@ddt.ddt
class Failing(WithNodes):
    """A node that fails stops no other, and is told with its cause."""

    def test_refused_node_is_told_and_the_others_are_made(self):
        def refuse(request, context):
            if json.loads(request.body)["name"] == "node-2":
                context.status_code = 400
                context.headers["Content-Type"] = "application/json"
                return json.dumps({"error_message": "the cause"})
            return None

        self.ironic.on("POST", "/v1/nodes", refuse)
        run = self.register(entry(1), entry(2), entry(3), run_id="r")
        self.assertEqual({"node-1": "registered", "node-3": "registered"}, self.results(run))
        (failed,) = run.failed
        self.assertEqual(("node-2", None), (failed["name"], failed["uuid"]))
        self.assertIn("the cause", failed["error"])
        error = self.assertRaises(exceptions.NodesFailed, following.follow, self.cloud.open(), "r")
        self.assertIn("1 of 3 nodes", error.message)
        self.assertIn("the cause", error.message)

    def test_node_whose_bmc_never_answers_ends_the_registration_all_the_same(self):
        self.ironic.seconds = math.inf
        self.register(entry(1), initial_state="manageable", run_id="r")
        opened = self.cloud.open(seconds=10_000)
        error = self.assertRaises(exceptions.NodesFailed, lambda: list(self.steps(opened)))
        self.assertIn("still in state verifying after 1800 seconds", error.message)

    def steps(self, cloud):
        while not (progress := following.follow(cloud, "r"))["done"]:
            yield progress

    def test_refused_change_is_told_and_the_others_are_made(self):
        self.register(entry(1), entry(2))
        identity = self.node("node-1")["uuid"]
        self.answer("PATCH", identity, 400, "the cause")
        run = self.register(
            entry(1, owner="x"), entry(2, owner="x"), {"pm_type": "fake", "mac": [mac(9)]}
        )
        self.assertEqual({"node-2": "updated", None: "registered"}, self.results(run))
        (failed,) = run.failed
        self.assertEqual((identity, "node-1"), (failed["uuid"], failed["name"]))
        self.assertIn("the cause", failed["error"])

    def test_node_without_a_name_is_told_by_its_number(self):
        self.answer("POST", "/v1/nodes", 400, "the cause")
        run = self.register(entry(1), without(entry(2), "name"))
        self.assertEqual(["node-1", "node #1"], [failed["name"] for failed in run.failed])

    @ddt.data("POST /v1/ports", "PUT traits")
    def test_node_that_cannot_be_made_whole_is_taken_back(self, what):
        method, path = what.split()
        self.answer(method, path, 400, "the cause", times=1)
        given = entry(1, traits=["CUSTOM_A"])
        run = self.register(given)
        self.assertIn("the cause", run.failed[0]["error"])
        self.assertEqual(({}, {}), (self.ironic.nodes, self.ironic.ports))
        self.assertEqual([], self.register(given).failed)
        self.assert_unchanged(given)

    def test_port_of_another_node_is_refused_by_ironic_and_the_node_taken_back(self):
        """Somebody takes the address between our look and our request."""
        other = self.ironic.add("other")

        def somebody(_request, _context):
            if not self.ironic.ports:
                self.ironic.add_port(other, mac(1))

        self.ironic.on("POST", "/v1/ports", somebody)
        run = self.register(entry(1))
        self.assertIn(mac(1), run.failed[0]["error"])
        self.assertEqual(["other"], [node["name"] for node in self.ironic.nodes.values()])

    def test_cause_is_told_also_if_the_node_cannot_be_taken_back(self):
        self.answer("POST", "/v1/ports", 400, "the cause")
        self.answer("DELETE", "/v1/nodes/", 500, "another")
        run = self.register(entry(1))
        self.assertIn("the cause", run.failed[0]["error"])
        self.assertIn("could not be deleted", self.log.output)

    def test_name_that_somebody_takes_meanwhile_is_told(self):
        def somebody(_request, _context):
            if not self.ironic.nodes:
                self.ironic.add("node-1")

        self.ironic.on("POST", "/v1/nodes", somebody)
        run = self.register(entry(1))
        self.assertIn("A node with name node-1 already exists", run.failed[0]["error"])
        self.assertEqual(1, len(self.ironic.nodes))

    def test_unexpected_error_is_told_as_such_and_stops_no_other(self):
        def broken(request, context):
            if "node-1" in request.text:
                context.status_code = 201
                context.headers["Content-Type"] = "application/json"
                return json.dumps([5])
            return None

        self.ironic.on("POST", "/v1/nodes", broken)
        run = self.register(entry(1), entry(2))
        self.assertEqual({"node-2": "registered"}, self.results(run))
        self.assertEqual(["node-1"], [failed["name"] for failed in run.failed])
        self.assertNotIn(CANARY, self.log.output)

    def test_locked_node_is_waited_for(self):
        self.register(entry(1))
        self.ironic.lock(self.node("node-1"), seconds=30)
        run = self.register(entry(1, owner="x"))
        self.assertEqual({"node-1": "updated"}, self.results(run))

    def test_node_that_stays_locked_is_told_with_who_locks_it(self):
        self.register(entry(1))
        self.ironic.lock(self.node("node-1"))
        run = self.register(entry(1, owner="x"))
        self.assertIn(f"locked by host {fake_ironic.CONDUCTOR}", run.failed[0]["error"])

    def test_ironic_that_comes_back_is_waited_for(self):
        self.answer("POST", "/v1/", 503, "no conductor", times=5)
        run = self.register(entry(1), entry(2))
        self.assertEqual({"registered"}, set(self.results(run).values()))

    def test_ironic_that_dies_half_way_ends_it_with_what_was_done(self):
        def die(_request, _context):
            if len(self.ironic.nodes) == 2:
                self.ironic.is_down = True

        self.set_options(baremetal_threads=1)
        self.ironic.on("POST", "/v1/ports", die)
        run = self.register(*map(entry, range(1, 6)), run_id="r")
        self.assertEqual("registered", self.results(run)["node-1"])
        self.assertEqual(4, len(run.failed) + len(self.results(run)) - 1)
        for failed in run.failed:
            self.assertIn("baremetal", failed["error"])
        self.ironic.is_down, self.ironic._hooks = False, []
        again = self.register(*map(entry, range(1, 6)))
        self.assertEqual([], again.failed)
        self.assert_unchanged(*map(entry, range(1, 6)))

    def test_ironic_without_a_conductor_is_told_and_no_driver_blamed(self):
        self.ironic.drivers.clear()
        error = self.assertRaises(exceptions.ServiceUnavailable, self.register, entry(1))
        self.assertEqual("baremetal", error.service)

    def test_drivers_that_ironic_does_not_tell_are_not_checked_before(self):
        self.answer("GET", "^/v1/drivers", 403, "not for you")
        run = self.register(entry(1), entry(2, pm_type="ilo", pm_system_id=None))
        self.assertEqual({"node-1": "registered"}, self.results(run))
        self.assertIn("driver ilo", run.failed[0]["error"])


@ddt.ddt
class InUse(WithNodes):
    """A node that is active or in use is never touched."""

    @ddt.data(
        {"provision_state": "active"},
        {"provision_state": "deploying"},
        {"provision_state": "cleaning"},
        {"provision_state": "inspecting"},
        {"provision_state": "manageable", "instance_uuid": "i-1"},
        {"provision_state": "available", "instance_uuid": "i-1"},
        {"provision_state": "error"},
        {"provision_state": "a state of the future"},
    )
    def test_changed_entry_of_it_is_told_and_no_request_made(self, fields):
        self.register(entry(1), entry(2))
        node = self.node("node-1")
        node.update(fields)
        for more in (
            {"owner": "x"},
            {"pm_password": "other"},
            {"traits": ["CUSTOM_A"]},
            {"ports": [mac(1), mac(9)]},
            {"ports": [{"address": mac(1), "pxe_enabled": False}]},
        ):
            self.forget()
            run = self.register(entry(1, **more), entry(2, **without(more, "ports")))
            self.assertEqual(
                {"node-2": "unchanged" if "ports" in more else "updated"}, self.results(run)
            )
            self.assertEqual([], self.ironic.touched(node))
            (failed,) = run.failed
            self.assertIn(fields.get("instance_uuid", fields["provision_state"]), failed["error"])
            self.assertIn("left as it is", failed["error"])

    def test_one_that_is_taken_after_it_was_listed(self):
        self.register(entry(1))
        node = self.node("node-1")

        def take(*_):
            node["instance_uuid"] = "i-1"

        self.ironic.on("GET", "^/v1/nodes/", take)
        self.forget()
        run = self.register(entry(1, owner="x"))
        self.assertIn("in use by instance i-1", run.failed[0]["error"])
        self.assertEqual([], self.writes())

    def test_unchanged_entry_of_it_is_unchanged(self):
        self.register(entry(1), entry(2))
        self.node("node-1")["provision_state"] = "active"
        self.node("node-2")["instance_uuid"] = "i-1"
        self.assert_unchanged(entry(1), entry(2), initial_state="available")

    def test_deploy_images_that_nobody_asked_for_are_no_change_of_it(self):
        self.register(entry(1))
        self.node("node-1")["provision_state"] = "active"
        self.glance.images[test_images.KERNEL] = "bm-deploy-kernel"
        self.assert_unchanged(entry(1))
        run = self.register(entry(1), kernel="bm-deploy-kernel")
        self.assertEqual("node-1", run.failed[0]["name"])

    def test_node_in_maintenance_can_be_changed_and_is_not_moved(self):
        self.register(entry(1))
        self.node("node-1").update(maintenance=True, maintenance_reason="broken fan")
        run = self.register(entry(1, owner="x"), initial_state="manageable", run_id="r")
        self.assertEqual({"node-1": "updated"}, self.results(run))
        error = self.assertRaises(exceptions.NodesFailed, following.follow, self.cloud.open(), "r")
        self.assertIn("broken fan", error.message)
        self.assertEqual([], self.ironic.asked())


class Conflicts(WithNodes):
    """What Ironic has of others is told before anything is changed."""

    def faults(self, *entries):
        self.forget()
        error = self.assertRaises(exceptions.NodesInvalid, self.register, *entries)
        self.assertEqual([], self.writes())
        for fault in error.faults:
            self.assertEqual({"node", "name", "field", "problem", "allowed"}, set(fault))
        return error.faults

    def setUp(self):
        super().setUp()
        self.register(entry(1), entry(2), entry(3))

    def told(self, *entries):
        return [(fault["node"], fault["field"]) for fault in self.faults(*entries)]

    def test_mac_of_one_node_and_name_of_another(self):
        (fault,) = self.faults(entry(9, name="node-1", ports=[mac(2)]))
        self.assertEqual("MAC", fault["field"])
        for words in (mac(2), "node-2 (UUID", "node-1 (UUID"):
            self.assertIn(words, fault["problem"])

    def test_all_of_one_entry_and_of_all_entries_are_told(self):
        self.assertEqual(
            [(0, "name"), (0, "MAC"), (2, "name")],
            self.told(
                entry(1, name="node-2", ports=[mac(3)]), entry(8), entry(2, name="node-3", ports=[])
            ),
        )

    def test_uuid_that_is_none_of_ironics_with_a_bmc_that_is(self):
        identity = "6e2c5d0a-0000-4000-8000-00000000000a"
        self.assertEqual([(0, "uuid")], self.told(entry(1, uuid=identity)))

    def test_uuid_of_one_node_with_bmc_name_and_mac_of_another(self):
        given = entry(1, uuid=self.node("node-2")["uuid"])
        self.assertEqual([(0, "BMC"), (0, "name"), (0, "MAC")], self.told(given))

    def test_two_entries_that_are_one_node(self):
        (fault,) = self.faults(entry(1, name="a", ports=[]), entry(9, ports=[mac(1)]))
        self.assertEqual((1, "MAC"), (fault["node"], fault["field"]))
        self.assertIn("as node #0 is", fault["problem"])

    def test_faults_in_the_list_come_first_and_ironics_nodes_are_not_asked_for(self):
        self.assertEqual(
            [(0, "pm_type"), (1, "ports/0/address")],
            self.told(entry(1, pm_type="nothing"), entry(2, ports=[{"address": "x"}])),
        )
        self.assertEqual(["GET /v1/drivers"], self.ironic.requests)

    def test_faults_of_the_images_leave_all_as_it_is(self):
        self.forget()
        self.assertRaises(exceptions.ImageNotFound, self.register, entry(5), kernel="nothing")
        self.assertEqual([], self.writes())


@ddt.ddt
class AtOnce(WithNodes):
    """Lost answers, two at once, and executors that die: one node each, and all of it."""

    GIVEN = (
        entry(1, traits=["CUSTOM_A"], ports=[mac(1), mac(101)]),
        entry(2, ports=[]),
        {"pm_type": "fake-hardware", "mac": [mac(3)]},
        {"pm_type": "fake-hardware", "name": "alone"},
    )

    def setUp(self):
        super().setUp()
        self.set_options(baremetal_threads=1)

    def wanted(self):
        """Return what Ironic has when nothing goes wrong, and forget it."""
        self.register(*self.GIVEN)
        found = self.state()
        self.clear()
        return found

    def clear(self):
        self.ironic.nodes.clear()
        self.ironic.ports.clear()
        self.swift.containers.clear()

    def hide(self):
        """Let a list of nodes and ports look as if there were none."""

        def nothing(request, context):
            if request.path.strip("/") not in ("v1/nodes", "v1/ports") or "address=" in request.url:
                return None
            context.headers["Content-Type"] = "application/json"
            return json.dumps({"nodes": [], "ports": []})

        self.ironic.on("GET", "^/v1/(nodes|ports)", nothing)

    @ddt.data("POST /v1/nodes", "POST /v1/ports", "PUT traits")
    def test_answer_that_is_lost_makes_nothing_twice(self, what):
        wanted = self.wanted()
        method, path = what.split()
        self.ironic.lose_answer(method, path, times=3)
        run = self.register(*self.GIVEN)
        self.assertEqual(([], {"registered"}), (run.failed, set(self.results(run).values())))
        self.assertEqual(wanted, self.state())

    def test_answer_to_a_change_that_is_lost_does_no_harm(self):
        self.register(*self.GIVEN)
        self.ironic.lose_answer("PATCH", "/v1/nodes/")
        run = self.register(entry(2, ports=[], owner="x"))
        self.assertEqual({"node-2": "updated"}, self.results(run))
        self.assert_unchanged(entry(2, ports=[], owner="x"))

    def test_one_who_looked_before_another_made_all_finds_the_same_nodes(self):
        self.register(*self.GIVEN)
        before = self.state()
        self.hide()
        run = self.register(*self.GIVEN)
        self.assertEqual(([], {"registered"}), (run.failed, set(self.results(run).values())))
        self.assertEqual(before, self.state())

    @ddt.data(False, True)
    def test_one_who_looked_before_another_made_a_part_makes_the_rest(self, done):
        wanted = self.wanted()
        for number in range(1, 9):
            with self.subTest(number=number):
                self.clear()
                self.cloud.executor.kill_at(number, done=done)
                self.assertRaises(fakes.Killed, self.register, *self.GIVEN)
                self.cloud.executor.revive()
                self.hide()
                self.assertEqual([], self.register(*self.GIVEN).failed)
                self.ironic._hooks.clear()
                self.assertEqual(wanted, self.state())

    def test_node_that_somebody_else_has_made_is_not_taken_back(self):
        self.register(*self.GIVEN)
        before = self.state()
        self.hide()
        self.answer("POST", "/v1/ports", 400, "the cause")
        run = self.register(*self.GIVEN)
        self.assertEqual(2, len(run.failed))
        self.assertEqual(before, self.state())

    def test_two_at_once_both_end_well(self):
        wanted = self.wanted()
        self.set_options(baremetal_threads=3)
        runs_, start = [], threading.Barrier(2)

        def register():
            start.wait()
            runs_.append(self.register(*self.GIVEN))

        threads = [threading.Thread(target=register) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([[], []], [run.failed for run in runs_])
        self.assertEqual([4, 4], [len(run.entries) for run in runs_])
        self.assertEqual(*({entry_.uuid for entry_ in run.open} for run in runs_))
        self.assertEqual(wanted, self.state())

    def survive(self, given, done):
        """Kill the executor at each of its requests that write, and register again."""
        start = copy.deepcopy((self.ironic.nodes, self.ironic.ports))
        self.cloud.executor.revive()
        self.assertEqual([], self.register(*given).failed)
        end, count = self.cut(self.state()), self.cloud.executor.writes
        for number in range(1, count + 1):
            with self.subTest(number=number, count=count):
                self.ironic.nodes, self.ironic.ports = copy.deepcopy(start)
                self.swift.containers.clear()
                self.cloud.executor.kill_at(number, done=done)
                self.assertRaises(fakes.Killed, self.register, *given, run_id="r")
                self.cloud.executor.revive()
                run = self.register(*given, run_id="r")
                self.assertEqual(([], len(given)), (run.failed, len(run.entries)))
                self.assertEqual(end, self.cut(self.state()))
                self.assert_unchanged(*given)
        return count

    @ddt.data(False, True)
    def test_executor_that_dies_at_any_request_is_followed_by_one_that_ends_it(self, done):
        self.assertEqual(11, self.survive(self.GIVEN, done))

    @ddt.data(False, True)
    def test_executor_that_dies_while_it_changes_nodes_is_followed_as_well(self, done):
        self.register(*self.GIVEN)
        more = {"owner": "x", "traits": ["CUSTOM_B"], "pm_password": "new"}
        first = entry(1, ports=[{"address": mac(1), "pxe_enabled": False}, mac(8)], **more)
        self.assertEqual(7, self.survive((*self.GIVEN[1:], first, entry(7)), done))

    def test_locked_node_leaves_an_action_the_time_to_say_what_has_come_of_all(self):
        self.register(entry(1))
        self.ironic.lock(self.node("node-1"), seconds=100)
        given = [entry(1, owner="x"), entry(2), entry(3)]
        run = registration.register(self.cloud.open(seconds=50), given)
        causes = {node["name"]: node["error"] for node in run.failed}
        self.assertIn("is locked", causes.pop("node-1"))
        for cause in causes.values():
            self.assertIn("The action was given 50 seconds", cause)
        self.ironic.tick()
        run = self.register(*given)
        self.assertEqual(([], 3), (run.failed, len(run.entries)))
        self.assert_unchanged(*given)

    def cut(self, state):
        """Return a state without what reads the same in another order."""
        return json.dumps(state, sort_keys=True)

    def test_action_that_is_delivered_again_registers_nothing_again(self):
        first = self.register(*self.GIVEN, run_id="r", initial_state="manageable")
        self.forget()
        again = self.register(*self.GIVEN, run_id="r", initial_state="manageable")
        self.assertEqual(["GET /v1/drivers"], self.ironic.requests)
        self.assertEqual(first.summary(), again.summary())


@ddt.ddt
class Removing(WithNodes):
    def setUp(self):
        super().setUp()
        self.register(entry(1), entry(2), entry(3), entry(4))
        self.forget()

    def preview(self, *entries, **more):
        found = self.register(*entries, remove=True, **more)
        self.assertIsInstance(found, dict)
        return found

    def names(self):
        return sorted(node["name"] for node in self.ironic.nodes.values())

    def test_preview_says_what_would_happen_and_changes_nothing(self):
        self.node("node-3")["provision_state"] = "active"
        self.node("node-4").update(provision_state="manageable", protected=True)
        before = self.state()
        found = self.preview(entry(1, owner="x"), entry(5))
        self.assertEqual([], self.writes())
        self.assertEqual(before, self.state())
        self.assertEqual((1, 1, 0), (found["register"], found["update"], found["unchanged"]))
        uuid = self.node("node-2")["uuid"]
        self.assertEqual(
            [{"uuid": uuid, "name": "node-2", "provision_state": "enroll"}], found["remove"]
        )
        self.assertEqual(
            [("node-3", "it is active"), ("node-4", "it is protected")],
            [(kept["name"], kept["reason"]) for kept in found["kept"]],
        )
        self.assertNotIn(CANARY, json.dumps(found))

    def test_preview_leaves_no_record(self):
        self.swift.containers.clear()
        self.preview(entry(1), run_id="r")
        self.assertEqual({}, self.swift.containers)

    def test_with_the_fingerprint_they_are_removed(self):
        fingerprint = self.preview(entry(1))["fingerprint"]
        run = self.register(entry(1), remove=True, remove_fingerprint=fingerprint, run_id="r")
        self.assertEqual(["node-1"], self.names())
        self.assertEqual(3, len(run.removed))
        self.assertEqual(1, len(self.ironic.ports))
        self.assertEqual(3, following.follow(self.cloud.open(), "r")["removed"])

    @ddt.data("", "0" * 64, 5, [], True)
    def test_other_fingerprint_changes_nothing(self, fingerprint):
        before = self.state()
        error = self.assertRaises(
            exceptions.NodesChanged,
            self.register,
            entry(1, owner="x"),
            remove=True,
            remove_fingerprint=fingerprint,
        )
        self.assertEqual(before, self.state())
        self.assertEqual(3, len(error.preview["remove"]))
        self.assertIn(error.preview["fingerprint"], error.message)

    def test_what_has_changed_since_the_preview_stops_it(self):
        fingerprint = self.preview(entry(1))["fingerprint"]
        self.ironic.add("new")
        before = self.state()
        error = self.assertRaises(
            exceptions.NodesChanged,
            self.register,
            entry(1),
            remove=True,
            remove_fingerprint=fingerprint,
        )
        self.assertEqual(before, self.state())
        self.register(entry(1), remove=True, remove_fingerprint=error.preview["fingerprint"])
        self.assertEqual(["node-1"], self.names())

    def test_without_remove_nothing_is_removed(self):
        self.register(entry(1))
        self.assertEqual(4, len(self.names()))
        self.register(entry(1), remove_fingerprint=self.preview(entry(1))["fingerprint"])
        self.assertEqual(4, len(self.names()))

    def test_all_are_listed_so_nothing_is_to_be_removed(self):
        found = self.preview(*map(entry, range(1, 5)))
        self.assertEqual([], found["remove"])
        run = self.register(
            *map(entry, range(1, 5)), remove=True, remove_fingerprint=found["fingerprint"]
        )
        self.assertEqual([], run.removed)

    @ddt.data(
        {"provision_state": "active", "instance_uuid": "i-1"},
        {"provision_state": "active"},
        {"provision_state": "deploying"},
        {"provision_state": "available", "instance_uuid": "i-1"},
        {"provision_state": "available", "instance_uuid": "i-1", "maintenance": True},
        {"provision_state": "active", "maintenance": True},
        {"provision_state": "manageable", "protected": True},
        {"provision_state": "error"},
        {"provision_state": "a state of the future"},
    )
    def test_node_that_is_somebodys_by_now_is_left(self, fields):
        """It has become so between the look at all and its turn."""
        fingerprint = self.preview(entry(1))["fingerprint"]
        node = self.node("node-3")

        def somebody(_request, _context):
            node.update(fields)

        self.ironic.on("GET", f"/v1/nodes/{node['uuid']}", somebody)
        run = self.register(entry(1), remove=True, remove_fingerprint=fingerprint)
        self.assertEqual(["node-1", "node-3"], self.names())
        self.assertEqual([], self.ironic.touched(node))
        (failed,) = run.failed
        self.assertEqual("node-3", failed["name"])
        self.assertIn("it was not removed", failed["error"])
        self.assertEqual(2, len(run.removed))

    def test_nodes_that_failed_can_be_removed(self):
        for name, state in (
            ("node-2", "inspect failed"),
            ("node-3", "clean failed"),
            ("node-4", "adopt failed"),
        ):
            self.node(name)["provision_state"] = state
        self.node("node-3").update(maintenance=True, fault="clean failure")
        fingerprint = self.preview(entry(1))["fingerprint"]
        run = self.register(entry(1), remove=True, remove_fingerprint=fingerprint)
        self.assertEqual(([], ["node-1"]), (run.failed, self.names()))

    def test_node_that_is_gone_already_is_no_failure(self):
        fingerprint = self.preview(entry(1))["fingerprint"]
        node = self.node("node-3")

        def somebody(_request, _context):
            self.ironic.nodes.pop(node["uuid"], None)

        for method in ("GET", "DELETE"):
            self.ironic.on(method, f"/v1/nodes/{node['uuid']}", somebody)
        run = self.register(entry(1), remove=True, remove_fingerprint=fingerprint)
        self.assertEqual((3, []), (len(run.removed), run.failed))

    def test_executor_that_dies_has_removed_nothing_else(self):
        self.set_options(baremetal_threads=1)
        fingerprint = self.preview(entry(1))["fingerprint"]
        self.cloud.executor.kill_at(2, done=True)
        self.assertRaises(
            fakes.Killed, self.register, entry(1), remove=True, remove_fingerprint=fingerprint
        )
        self.cloud.executor.revive()
        self.assertEqual(["node-1", "node-4"], self.names())
        fingerprint = self.preview(entry(1))["fingerprint"]
        self.register(entry(1), remove=True, remove_fingerprint=fingerprint)
        self.assertEqual(["node-1"], self.names())


@ddt.ddt
class Delete(WithNodes):
    def setUp(self):
        super().setUp()
        self.register(entry(1), entry(2), entry(3))
        self.forget()

    def delete(self, *names):
        return registration.delete(self.cloud.open(), list(names))

    def test_nodes_are_deleted_by_uuid_or_name(self):
        first, second = self.node("node-1")["uuid"], self.node("node-2")["uuid"]
        self.assertEqual({"deleted": [first, second]}, self.delete(first, "node-2", "node-1"))
        self.assertEqual(["node-3"], [node["name"] for node in self.ironic.nodes.values()])

    def test_node_in_use_is_left_and_the_others_deleted(self):
        node, other = self.node("node-1"), self.node("node-2")["uuid"]
        node["provision_state"] = "active"
        error = self.assertRaises(exceptions.NodesFailed, self.delete, "node-1", "node-2")
        self.assertEqual([other], error.deleted)
        self.assertEqual(["node-1"], [failed["name"] for failed in error.failed])
        self.assertEqual([], self.ironic.touched(node))

    def test_unknown_node_is_told_and_nothing_deleted(self):
        error = self.assertRaises(exceptions.NodeNotFound, self.delete, "node-1", "nope", "nada")
        self.assertEqual(["nada", "nope"], error.nodes)
        self.assertEqual([], self.writes())

    @ddt.data(None, [], "node-1", 5, {}, [None], [5], [""])
    def test_what_is_no_list_of_nodes_is_refused(self, names):
        error = self.assertRaises(
            exceptions.InputInvalid, registration.delete, self.cloud.open(), names
        )
        self.assertEqual("node_uuids", error.name)
        self.assertEqual([], self.ironic.requests)


@ddt.ddt
class Content(WithNodes):
    """The forms that a list can have."""

    def validate(self, content):
        return registration.validate(self.cloud.open(), content)

    def put(self, content):
        self.swift.containers["mine"] = {"nodes.json": content}
        return {"container": "mine", "object": "nodes.json"}

    @ddt.data(
        lambda listed: listed,
        lambda listed: {"nodes": listed},
        json.dumps,
        lambda listed: json.dumps({"nodes": listed}, indent=2),
        lambda listed: "\ufeff" + json.dumps(listed),
        lambda listed: f"nodes: {json.dumps(listed)}\n",
        lambda listed: "\n".join(f"- {json.dumps(one)}" for one in listed),
    )
    def test_list_can_be_data_or_text(self, form):
        counts = {"registered": 2, "updated": 0, "unchanged": 0}
        self.assertEqual(counts, self.validate(form([entry(1), entry(2)])))
        text = form([entry(1), entry(2)])
        if isinstance(text, str):
            self.assertEqual(counts, self.validate(self.put(text.encode())))
        self.assertEqual([], self.writes())

    def test_validate_says_what_would_come_of_it_and_changes_nothing(self):
        self.register(entry(1), entry(2), entry(3))
        self.forget()
        self.assertEqual(
            {"registered": 1, "updated": 1, "unchanged": 2},
            self.validate([entry(1), entry(2, owner="x"), entry(3), entry(4)]),
        )
        self.assertEqual([], self.writes())

    def test_password_in_an_object_is_taken_as_it_is(self):
        registration.register(self.cloud.open(), self.put(json.dumps([entry(1)]).encode()))
        self.assertEqual(f"{CANARY}-1", self.node("node-1")["driver_info"]["redfish_password"])

    def test_object_that_is_no_text_is_told_and_not_guessed(self):
        content = json.dumps([entry(1)]).encode().replace(CANARY.encode(), b"\xff\xfe")
        error = self.assertRaises(exceptions.NodesInvalid, self.validate, self.put(content))
        self.assertIn("UTF-8", error.message)

    def test_object_that_is_not_there_is_named(self):
        for reference in (
            {"container": "mine", "object": "other"},
            {"container": "nope", "object": "nodes.json"},
        ):
            self.put(b"[]")
            error = self.assertRaises(exceptions.InputInvalid, self.validate, reference)
            self.assertIn(reference["object"], error.message)
            self.assertIn(reference["container"], error.message)

    def test_object_that_is_too_large_is_refused(self):
        self.set_options(file_max_mib=1)
        reference = self.put(b" " * (2**20 + 1) + b"[]")
        error = self.assertRaises(exceptions.LimitExceeded, self.validate, reference)
        self.assertEqual("file_max_mib", error.option)

    @ddt.data(
        {"container": "", "object": "a"},
        {"container": "a/b", "object": "a"},
        {"container": None, "object": "a"},
        {"container": "a", "object": 5},
        {"container": ["a"], "object": "a"},
        {"container": "a", "object": ""},
    )
    def test_reference_that_is_none_is_refused(self, reference):
        error = self.assertRaises(exceptions.InputInvalid, self.validate, reference)
        self.assertEqual("nodes_json", error.name)
        self.assertEqual([], self.swift.requests)

    @ddt.data(
        *(None, 5, True, "", "text", "[", "{}", "[]", "nodes: []", b"\xff"),
        *({}, {"nodes": None}, {"a": 1}, {"container": "a"}),
        {"container": "a", "object": "b", "c": 1},
        *([None], [5], ["a"], [[]], [{}], [{"pm_type": ["a"]}], [{5: 6}]),
        "- !!python/object:os.system {}",
    )
    def test_what_is_no_list_is_refused(self, content):
        error = self.assertRaises(exceptions.NodesInvalid, self.validate, content)
        self.assertTrue(error.faults)
        self.assertEqual([], [line for line in self.ironic.requests if "/drivers" not in line])

    def test_list_that_is_too_long_is_refused_before_ironic_is_asked(self):
        listed = [{"pm_type": "fake"}] * 10_000
        for content in (listed, {"nodes": listed}, json.dumps(listed)):
            error = self.assertRaises(exceptions.LimitExceeded, self.validate, content)
            self.assertEqual(("nodes_max", 10_000, 5000), (error.option, error.size, error.limit))
        self.assertEqual([], self.ironic.requests)


class Images(WithNodes):
    def setUp(self):
        super().setUp()
        self.glance.images.update(
            {test_images.KERNEL: "bm-deploy-kernel", test_images.RAMDISK: "bm-deploy-ramdisk"}
        )

    def deploy(self, name):
        info = self.node(name)["driver_info"]
        return info.get("deploy_kernel"), info.get("deploy_ramdisk")

    def test_images_of_glance_are_given_to_nodes_that_say_nothing(self):
        given = [entry(1), entry(2, kernel_id="file:///kernel")]
        self.register(*given)
        self.assertEqual((test_images.KERNEL, test_images.RAMDISK), self.deploy("node-1"))
        self.assertEqual(("file:///kernel", test_images.RAMDISK), self.deploy("node-2"))
        self.assert_unchanged(*given)

    def test_glance_is_asked_once_and_not_for_each_node(self):
        self.register(entry(1))
        once = list(self.glance.requests)
        self.forget()
        self.register(*map(entry, range(2, 12)))
        self.assertEqual(once, self.glance.requests)

    def test_named_image_changes_nodes_that_have_another_and_the_usual_one_does_not(self):
        self.register(entry(1), entry(2, kernel_id="file:///own"))
        self.node("node-1")["driver_info"]["deploy_kernel"] = "file:///by-hand"
        self.assert_unchanged(entry(1), entry(2, kernel_id="file:///own"))
        self.register(entry(1), entry(2, kernel_id="file:///own"), kernel="http://www.test/kernel")
        self.assertEqual("http://www.test/kernel", self.deploy("node-1")[0])
        self.assertEqual("file:///own", self.deploy("node-2")[0])

    def test_node_that_has_none_gets_the_usual_one(self):
        self.register(entry(1))
        del self.node("node-1")["driver_info"]["deploy_kernel"]
        self.register(entry(1))
        self.assertEqual((test_images.KERNEL, test_images.RAMDISK), self.deploy("node-1"))


class Many(WithNodes):
    def fill(self, count):
        """Let Ironic have nodes as if they had been registered; return their list."""
        listed = [without(entry(number), "pm_password") for number in range(count)]
        for node in node_data.normalize(copy.deepcopy(listed)):
            made = self.ironic.add(**copy.deepcopy(node.attributes))
            for port in node.ports:
                self.ironic.add_port(made, **port)
        return listed

    def test_number_of_requests_for_unchanged_nodes_does_not_grow_with_them(self):
        counts = []
        for count in (1, 500):
            self.ironic.nodes.clear()
            self.ironic.ports.clear()
            listed = self.fill(count)
            self.assert_unchanged(*listed)
            counts.append(list(self.ironic.requests))
        self.assertEqual(*counts)
        self.assertEqual(3, len(counts[1]))

    def test_more_nodes_than_ironic_shows_at_once_are_all_seen(self):
        self.ironic.max_limit = 10
        listed = self.fill(35)
        self.assert_unchanged(*listed)

    def test_results_stay_below_the_limits_of_records(self):
        listed = self.fill(500)
        run = self.register(*listed)
        self.assertTrue(len(json.dumps(run.summary())) < RECORD_BYTES)
        self.assertEqual(500, len(run.nodes()))

    def test_new_node_takes_one_request_for_itself_and_one_for_each_port(self):
        self.register(*map(entry, range(20)), entry(20, ports=[]))
        self.assertEqual(21, self.writes().count("POST /v1/nodes"))
        self.assertEqual(20, self.writes().count("POST /v1/ports"))
        self.assertEqual(41, len(self.writes()))


class Record(WithNodes):
    def test_record_says_what_came_of_each_and_can_be_read_again(self):
        self.register(entry(1), entry(2))
        self.answer("POST", "/v1/nodes", 400, "the cause")
        run = self.register(entry(1), entry(2, owner="x"), entry(3), run_id="r")
        read = runs.Run.load(self.cloud.open(), "r")
        self.assertEqual(run.summary(), read.summary())
        summary = run.summary()
        self.assertEqual((1, 1), (summary["unchanged"], summary["updated"]))
        self.assertEqual(
            {"container": documents.CONTAINER, "object": "runs/r.json"}, summary["record"]
        )
        self.assertEqual(["node-3"], [failed["name"] for failed in summary["failed"]])
