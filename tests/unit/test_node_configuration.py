import json

import ddt

from tests.unit import test_images, test_registration
from tripleo_common import exceptions
from tripleo_common.baremetal import configuration, overview

GIB = 2**30

DISKS = [
    {"name": "/dev/sda", "size": 500 * GIB, "serial": "serial-a"},
    {"name": "/dev/sdb", "size": 100 * GIB, "serial": "serial-b"},
    {"name": "/dev/sdc", "size": 2 * GIB, "serial": "serial-c"},
]


def profiled(profile, **more):
    return {"capabilities": f"boot_mode:uefi,profile:{profile}", **more}


class WithNodes(test_registration.WithNodes):
    """Three nodes: manageable, available and active."""

    def setUp(self):
        super().setUp()
        states = ("manageable", "available", "active")
        self.nodes = [
            self.ironic.add(f"node-{number}", provision_state=state)
            for number, state in enumerate(states)
        ]
        for node in self.nodes:
            node["properties"]["capabilities"] = "boot_mode:uefi"
            self.ironic.inventories[node["uuid"]] = {"disks": DISKS}

    def uuids(self, *numbers):
        return [self.nodes[number]["uuid"] for number in numbers]

    def capabilities(self, number):
        return self.nodes[number]["properties"].get("capabilities")

    def assert_failed(self, name, function, *arguments, **options):
        """Make sure that one node alone fails, and no request is made that could change it."""
        error = self.assertRaises(exceptions.NodesFailed, function, *arguments, **options)
        self.assertEqual([name], [failed["name"] for failed in error.failed])
        self.assertEqual([], self.ironic.touched(self.node(name)))
        return error


@ddt.ddt
class Configure(WithNodes):
    def setUp(self):
        super().setUp()
        self.glance.images.update(
            {test_images.KERNEL: "bm-deploy-kernel", test_images.RAMDISK: "bm-deploy-ramdisk"}
        )

    def configure(self, *names, **options):
        return configuration.configure(self.cloud.open(), list(names) or "manageable", **options)

    def test_nodes_get_their_images_and_what_they_have_stays(self):
        self.nodes[0]["driver_info"]["redfish_address"] = "https://10.0.0.1"
        found = self.configure("node-0", "node-1", boot_option="local")
        self.assertEqual({"configured": self.uuids(0, 1), "unchanged": []}, found)
        self.assertEqual(
            {**test_images.GIVEN, "redfish_address": "https://10.0.0.1"},
            self.nodes[0]["driver_info"],
        )
        self.assertEqual("boot_mode:uefi,boot_option:local", self.capabilities(1))

    def test_configuring_again_changes_nothing(self):
        options = {"boot_option": "local", "device": "smallest"}
        self.configure("node-0", "node-1", **options)
        self.forget()
        found = self.configure("node-0", "node-1", **options)
        self.assertEqual({"configured": [], "unchanged": self.uuids(0, 1)}, found)
        self.assertEqual([], self.writes())

    def test_without_names_manageable_nodes_are_meant(self):
        self.ironic.add("resting", maintenance=True)
        self.ironic.add("used", instance_uuid="i-1")
        self.assertEqual(self.uuids(0), self.configure()["configured"])

    def test_node_in_use_is_told_and_left_and_the_others_are_configured(self):
        error = self.assert_failed("node-2", self.configure, "node-0", "node-2")
        self.assertEqual((self.uuids(0), []), (error.configured, error.unchanged))
        self.assertIn("left as it is", error.message)

    def test_node_in_use_that_has_all_already_is_unchanged(self):
        self.nodes[2]["driver_info"].update(test_images.GIVEN)
        self.assertEqual(self.uuids(2), self.configure("node-2")["unchanged"])

    def test_other_images_take_the_place_of_those_that_are_there(self):
        self.configure("node-0")
        self.forget()
        self.configure("node-0", kernel="file:///kernel")
        (changes,) = self.patches().values()
        self.assertEqual(
            [{"op": "add", "path": "/driver_info/deploy_kernel", "value": "file:///kernel"}],
            changes,
        )

    def test_usual_images_are_for_nodes_that_have_none(self):
        self.nodes[0]["driver_info"]["deploy_kernel"] = "file:///kernel"
        self.configure("node-0")
        info = self.nodes[0]["driver_info"]
        self.assertEqual("file:///kernel", info["deploy_kernel"])
        self.assertEqual(test_images.RAMDISK, info["deploy_ramdisk"])
        self.configure("node-0", kernel="bm-deploy-kernel")
        self.assertEqual(test_images.KERNEL, self.nodes[0]["driver_info"]["deploy_kernel"])

    def test_glance_is_asked_once_and_ironic_lists_once(self):
        counts = []
        for names in (["node-0"], ["node-0", "node-1"]):
            self.forget()
            self.configure(*names)
            counts.append((len(self.glance.requests), self.ironic.looks))
        self.assertEqual(*counts)

    @ddt.data(
        ("smallest", 4, "serial-b", 99),
        ("smallest", 0, "serial-c", 1),
        ("largest", 4, "serial-a", 499),
        ("sdx,sdb,sda", 4, "serial-b", 99),
        ("serial:serial-a", 4, "serial-a", 499),
    )
    @ddt.unpack
    def test_root_device_is_chosen_by_what_was_found(self, device, size, serial, local_gb):
        self.configure("node-0", device=device, minimum_size=size)
        properties = self.nodes[0]["properties"]
        self.assertEqual(
            ({"serial": serial}, local_gb), (properties["root_device"], properties["local_gb"])
        )

    def test_hints_that_are_there_stay_unless_they_are_to_be_overwritten(self):
        self.nodes[0]["properties"]["root_device"] = {"name": "/dev/sda"}
        self.configure("node-0", device="smallest")
        self.assertEqual({"name": "/dev/sda"}, self.nodes[0]["properties"]["root_device"])
        self.assertNotIn("local_gb", self.nodes[0]["properties"])
        self.configure("node-0", device="smallest", overwrite=True)
        self.assertEqual({"serial": "serial-b"}, self.nodes[0]["properties"]["root_device"])

    def test_node_without_such_a_disk_or_without_introspection_is_told_with_its_cause(self):
        self.set_options(deploy_kernel="", deploy_ramdisk="")
        del self.ironic.inventories[self.nodes[0]["uuid"]]
        error = self.assert_failed("node-0", self.configure, "node-0", "node-1", device="smallest")
        self.assertIn("without introspection data", error.message)
        self.ironic.inventories[self.nodes[0]["uuid"]] = {"disks": DISKS}
        error = self.assert_failed("node-0", self.configure, "node-0", device="sdx")
        self.assertIn("/dev/sda (500 GiB)", error.message)

    @ddt.data(
        ({"boot_option": "a b"}, "instance_boot_option"),
        ({"boot_option": ""}, "instance_boot_option"),
        ({"boot_option": 5}, "instance_boot_option"),
        ({"boot_option": ["local"]}, "instance_boot_option"),
        ({"kernel": 5}, "kernel_name"),
        ({"ramdisk": "ftp://x/y"}, "ramdisk_name"),
        ({"device": 5}, "root_device"),
        ({"device": ""}, "root_device"),
        ({"device": {}}, "root_device"),
        ({"device": {"nothing": 5}}, "root_device"),
        ({"device": "smallest", "minimum_size": "4"}, "minimum_size"),
        ({"device": "smallest", "minimum_size": None}, "minimum_size"),
        ({"minimum_size": -4}, "minimum_size"),
    )
    @ddt.unpack
    def test_wrong_input_is_named_and_nothing_changed(self, options, name):
        error = self.assertRaises(exceptions.InputInvalid, self.configure, "node-0", **options)
        self.assertEqual(name, error.name)
        self.assertEqual([], self.writes())

    def test_unknown_nodes_are_all_told_and_nothing_changed(self):
        error = self.assertRaises(exceptions.NodeNotFound, self.configure, "node-0", "nope", "nada")
        self.assertEqual(["nada", "nope"], error.nodes)
        self.assertEqual([], self.writes())

    def test_one_node_can_be_given_hints(self):
        opened = self.cloud.open()
        for overwrite, serial in ((False, "serial-b"), (False, "serial-b"), (True, "serial-a")):
            device = "largest" if self.nodes[0]["properties"].get("root_device") else "smallest"
            configuration.set_root_device(opened, "node-0", device, 4, overwrite)
            self.assertEqual({"serial": serial}, self.nodes[0]["properties"]["root_device"])
        self.assertEqual({}, self.nodes[0]["driver_info"])
        for wrong in (("nothing,", 4), ("smallest", -4), (None, -4)):
            self.assertRaises(
                exceptions.InputInvalid,
                configuration.set_root_device,
                opened,
                "node-0",
                *wrong,
                False,
            )


@ddt.ddt
class Capabilities(WithNodes):
    def set(self, names, *word):
        return configuration.set_capability(self.cloud.open(), names, *word)

    def tag(self, *inputs):
        return configuration.tag(self.cloud.open(), *inputs)

    def test_capability_is_given_changed_and_taken_away(self):
        for value, text in (
            ("1", "boot_mode:uefi,gpu:1"),
            (2, "boot_mode:uefi,gpu:2"),
            (True, "boot_mode:uefi,gpu:True"),
            (" a b ", "boot_mode:uefi,gpu:a b"),
            (None, "boot_mode:uefi"),
        ):
            found = self.set(["node-0"], "gpu", value)
            self.assertEqual({"configured": self.uuids(0), "unchanged": []}, found)
            self.assertEqual(text, self.capabilities(0))
            self.forget()
            self.assertEqual(self.uuids(0), self.set(["node-0"], "gpu", value)["unchanged"])
            self.assertEqual([], self.writes())

    def test_capability_that_somebody_else_gives_meanwhile_stays(self):
        node = self.nodes[0]

        def give(request, *_):
            if request.path.endswith(node["uuid"]):
                node["properties"]["capabilities"] = "boot_mode:uefi,profile:compute"

        self.ironic.on("GET", "^/v1/nodes/", give)
        self.set(["node-0"], "gpu", "1")
        self.assertEqual("boot_mode:uefi,profile:compute,gpu:1", self.capabilities(0))

    def test_node_that_is_deployed_meanwhile_is_left(self):
        node = self.nodes[0]

        def deploy(request, *_):
            if request.path.endswith(node["uuid"]):
                node.update(provision_state="active", instance_uuid="i-1")

        self.ironic.on("GET", "^/v1/nodes/", deploy)
        error = self.assertRaises(exceptions.NodesFailed, self.set, ["node-0"], "gpu", "1")
        self.assertIn("in use by instance i-1", error.message)
        self.assertEqual([], self.writes())

    def test_node_without_properties_gets_its_first(self):
        self.nodes[0]["properties"] = {}
        self.set(["node-0"], "gpu", "1")
        self.assertEqual("gpu:1", self.capabilities(0))

    @ddt.data("", " ", "a,b", "a:b", "a\nb", None, 1.5, [], {}, ["a"])
    def test_what_is_no_word_is_refused(self, word):
        error = self.assertRaises(exceptions.InputInvalid, self.set, ["node-0"], word, "1")
        self.assertEqual("capability", error.name)
        if word is not None:
            error = self.assertRaises(exceptions.InputInvalid, self.set, ["node-0"], "gpu", word)
            self.assertEqual("value", error.name)
            error = self.assertRaises(exceptions.InputInvalid, self.tag, ["node-0"], [], word)
            self.assertEqual("role", error.name)
        self.assertEqual([], self.ironic.requests)

    def test_node_in_use_is_left(self):
        error = self.assert_failed("node-2", self.set, ["node-1", "node-2"], "gpu", "1")
        self.assertEqual(self.uuids(1), error.configured)

    def test_nodes_are_tagged_and_others_untagged(self):
        self.nodes[1]["properties"] = profiled("compute")
        found = self.tag(["node-0"], ["node-1"], "control")
        self.assertEqual({"configured": self.uuids(0, 1), "unchanged": []}, found)
        self.assertEqual("boot_mode:uefi,profile:control", self.capabilities(0))
        self.assertEqual("boot_mode:uefi", self.capabilities(1))
        self.forget()
        self.assertEqual(
            {"configured": [], "unchanged": self.uuids(0, 1)},
            self.tag(["node-0"], ["node-1"], "control"),
        )
        self.assertEqual([], self.writes())

    def test_without_a_profile_it_is_taken_away(self):
        self.nodes[0]["properties"] = profiled("compute")
        self.tag(["node-0"], [], None)
        self.assertEqual("boot_mode:uefi", self.capabilities(0))

    def test_node_that_is_in_both_lists_is_refused(self):
        both = ["node-0"], [self.nodes[0]["uuid"]], "control"
        error = self.assertRaises(exceptions.InputInvalid, self.tag, *both)
        self.assertEqual("untag_node_uuids", error.name)
        self.assertIn("node-0", error.message)
        self.assertEqual([], self.writes())

    def test_no_nodes_are_nothing_to_do(self):
        self.assertEqual({"configured": [], "unchanged": []}, self.tag([], [], "control"))
        self.assertEqual([], self.ironic.requests)

    def test_one_that_fails_stops_no_other_of_either_list(self):
        self.nodes[1]["properties"] = profiled("compute")
        error = self.assert_failed("node-2", self.tag, ["node-2", "node-0"], ["node-1"], "control")
        self.assertEqual(self.uuids(0, 1), error.configured)

    def test_unknown_node_of_either_list_is_told_before_any_is_changed(self):
        for lists in ((["node-0"], ["nope"]), (["nope"], ["node-0"])):
            self.assertRaises(exceptions.NodeNotFound, self.tag, *lists, "control")
        self.assertEqual([], self.writes())

    @ddt.data(None, "node-0", 5, {}, ["", "node-0"], [None], ("node-0",))
    def test_what_is_no_list_of_nodes_is_refused(self, names):
        for lists, name in (
            ((names, []), "tag_node_uuids"),
            (([], names), "untag_node_uuids"),
        ):
            error = self.assertRaises(exceptions.InputInvalid, self.tag, *lists, "control")
            self.assertEqual(name, error.name)
        self.assertEqual([], self.writes())


class Match(WithNodes):
    def match(self, *demands, dry_run=True):
        wanted = [
            {"role": role, "count": count, "profile": profile} for role, count, profile in demands
        ]
        return configuration.match(self.cloud.open(), "plan", wanted, dry_run=dry_run)

    def setUp(self):
        super().setUp()
        self.nodes.append(self.ironic.add("node-3", provision_state="available"))

    def test_dry_run_says_what_would_be_tagged_and_changes_nothing(self):
        found = self.match(("Compute", 1, "compute"))
        self.assertEqual({self.nodes[1]["uuid"]: "compute"}, found["assign"])
        self.assertEqual(([], []), (found["tagged"], self.writes()))
        self.assertEqual(["node-3"], [node["name"] for node in found["unused"]])

    def test_nodes_that_match_are_tagged(self):
        self.nodes[1]["properties"] = profiled("compute")
        demands = (("Compute", 1, "compute"), ("Controller", 1, "control"))
        found = self.match(*demands, dry_run=False)
        self.assertEqual(self.uuids(3), found["tagged"])
        self.assertEqual("profile:control", self.capabilities(3))
        self.forget()
        self.assertEqual([], self.match(*demands, dry_run=False)["tagged"])
        self.assertEqual([], self.writes())

    def test_nodes_that_are_not_enough_are_told_and_none_is_tagged(self):
        demands = (("Compute", 2, "compute"), ("Controller", 1, "control"))
        error = self.assertRaises(exceptions.ProfilesUnmatched, self.match, *demands, dry_run=False)
        self.assertEqual([], self.writes())
        self.assertIn("Controller: wanted 1 node of profile control", error.message)
        self.assertEqual([0, 1], [role["missing"] for role in error.roles])
        self.assertEqual([2, 0], [len(role["matched"]) for role in error.roles])
        self.assertEqual(1, self.match(*demands)["roles"][1]["missing"])

    def test_many_nodes_that_are_not_enough_are_told_in_a_record(self):
        self.ironic.add_many(600, provision_state="available", properties=profiled("compute"))
        error = self.assertRaises(
            exceptions.ProfilesUnmatched, self.match, ("Compute", 700, "compute"), dry_run=False
        )
        self.assertLess(len(json.dumps(error.to_dict())), 4096)
        self.assertEqual(10, len(error.roles[0]["matched"]))

    def test_role_that_takes_any_node_tags_none(self):
        self.nodes[1]["properties"] = profiled("compute")
        found = self.match(("Any", 2, None), dry_run=False)
        self.assertEqual(
            (0, [], {}), (found["roles"][0]["missing"], found["tagged"], found["assign"])
        )
        self.assertEqual([], self.writes())

    def test_node_that_is_taken_meanwhile_is_told_and_left(self):
        looks = []

        def somebody(request, _context):
            looks.append(request)
            if len(looks) == 2:
                self.nodes[1]["instance_uuid"] = "i-1"

        self.ironic.on("GET", r"^/v1/nodes/?\?", somebody)
        error = self.assert_failed("node-1", self.match, ("Compute", 2, "compute"), dry_run=False)
        self.assertEqual(self.uuids(3), error.configured)


@ddt.ddt
class Table(WithNodes):
    """tripleo.baremetal.list"""

    def table(self, *state, **options):
        return overview.table(self.cloud.open(), *state, **options)

    def test_nodes_are_shown_with_what_to_do_next_in_natural_order(self):
        self.nodes[0].update(properties=profiled("compute"), last_error="broken")
        self.ironic.add("node-10", provision_state="enroll")
        self.ironic.add(None, provision_state="enroll")
        rows = self.table()
        self.assertEqual(
            [None, "node-0", "node-1", "node-2", "node-10"], [row["name"] for row in rows]
        )
        shown = rows[1]
        self.assertEqual(
            ("redfish", "manageable", "power off", False, "compute", None, "broken"),
            tuple(
                shown[name]
                for name in (
                    *("driver", "provision_state", "power_state", "maintenance", "profile"),
                    *("instance_uuid", "last_error"),
                )
            ),
        )
        self.assertIn("tripleo.baremetal.v1.introspect", shown["next"])
        self.assertEqual(1, len(self.ironic.requests))

    def test_what_is_next_is_what_stands_in_the_way(self):
        for fields, words in (
            (
                {"maintenance": True, "maintenance_reason": "disk swap"},
                "It is in maintenance (disk swap); take that off first.",
            ),
            ({"instance_uuid": "i-1"}, "It is in use by instance i-1."),
            (
                {"provision_state": "enroll", "last_error": "401"},
                "See last_error; correct the node's entry and register the list again.",
            ),
        ):
            node = self.ironic.add(**fields)
            (row,) = [row for row in self.table() if row["uuid"] == node["uuid"]]
            self.assertEqual(words, row["next"])

    def test_cause_that_ironic_has_cleared_is_read_from_its_history(self):
        failed, forgotten = self.ironic.add_many(2, provision_state="inspect failed")
        failed["last_error"] = "no boot"
        events = [("2026-01-01T00:00:02+00:00", "second"), ("2026-01-01T00:00:01+00:00", "first")]
        self.ironic.history[forgotten["uuid"]] = [
            {"severity": "ERROR", "created_at": moment, "event": words} for moment, words in events
        ]
        rows = {row["uuid"]: row for row in self.table("inspect failed")}
        self.assertEqual("no boot", rows[failed["uuid"]]["last_error"])
        self.assertEqual("second", rows[forgotten["uuid"]]["last_error"])
        self.assertEqual(2, len(self.ironic.requests))

    def test_nodes_of_one_state(self):
        self.assertEqual(["node-2"], [row["name"] for row in self.table("active")])
        self.assertEqual([], self.table("enroll"))

    def test_state_of_the_future_is_shown(self):
        self.nodes[0]["provision_state"] = "dreaming"
        (row,) = [row for row in self.table() if row["name"] == "node-0"]
        self.assertIn("not known", row["next"])

    @ddt.data("nothing", "", 5, [], {}, True)
    def test_state_that_is_none_is_refused(self, state):
        error = self.assertRaises(exceptions.InputInvalid, self.table, state)
        self.assertEqual("provision_state", error.name)
        self.assertEqual([], self.ironic.requests)

    def test_facts_are_those_of_the_last_introspection_if_there_was_one(self):
        del self.ironic.inventories[self.nodes[0]["uuid"]]
        facts = {row["name"]: row["facts"] for row in self.table(facts=True)}
        self.assertIsNone(facts["node-0"])
        self.assertEqual([500, 100, 2], [disk["size_gib"] for disk in facts["node-1"]["disks"]])

    def test_secrets_of_nodes_are_not_shown(self):
        self.nodes[0]["driver_info"]["redfish_password"] = test_registration.CANARY
        self.assertNotIn(test_registration.CANARY, json.dumps(self.table(facts=True)))
