"""Wrong lists and inputs of every kind: a typed error that says what is wrong, nothing changed."""

import itertools
import json

import ddt

from tests.functional import nodes

REGISTER = "tripleo.baremetal.register_or_update_nodes"
VALIDATE = "tripleo.baremetal.validate_nodes"
INSTANCE = "0d3d3f9c-5b3e-4a7e-8f3b-1f9c7d1b2a3c"
UNKNOWN = "ffffffff-0000-4000-8000-000000000000"
ENROLL = {"initial_state": "enroll"}


def _fake(**fields):
    return nodes.fakes(1, **fields)


def _redfish(**fields):
    return [{"pm_type": "redfish", "pm_addr": "192.0.2.1", "mac": [], **fields}]


# The list; the error's type; what the message says of it.
BAD_LISTS = (
    ("json", '[{"name": ]', "NodesInvalid", "not JSON, line 1, column 11"),
    ("yaml", "- name: [1\nb: }", "NodesInvalid", "not YAML, line 2"),
    ("json_cut", json.dumps(nodes.fakes(3))[:-20], "NodesInvalid", "not JSON"),
    ("text", "hello", "NodesInvalid", "a list of nodes"),
    ("empty_text", "", "NodesInvalid", "a list of nodes"),
    ("number", 7, "NodesInvalid", "it is a number"),
    ("boolean", True, "NodesInvalid", "a list of nodes"),
    ("empty", [], "NodesInvalid", "at least one node"),
    ("mapping", {"node": []}, "NodesInvalid", "a mapping without nodes"),
    ("nodes_no_list", {"nodes": {"name": "a"}}, "NodesInvalid", "it is a mapping"),
    ("entry_no_mapping", [7], "NodesInvalid", "node #0: is a number"),
    ("field_twice", '[{"name": "a", "name": "b"}]', "NodesInvalid", "'name' twice"),
    ("tag", "- name: !!python/object/apply:os.getcwd []", "NodesInvalid", "has a tag"),
    (
        "aliases",
        "\n".join(f"- &a{n} [{f'*a{n - 1}, ' * 9 if n else ''}x]" for n in range(9)),
        "NodesInvalid",
        "values",
    ),
    ("deep", "[" * 9999 + "]" * 9999, "NodesInvalid", "nested"),
    (
        "deep_field",
        _fake(extra={"a": [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}),
        "NodesInvalid",
        "nested deeper",
    ),
    ("null_character", _fake(name="a\0b"), "NodesInvalid", "null character"),
    ("ten_thousand", nodes.fakes(10000), "LimitExceeded", "nodes_max"),
    ("object_missing", {"container": "no-such", "object": "a.json"}, "InputInvalid", "no-such"),
    (
        "object_of_no_text",
        {"container": 7, "object": []},
        "InputInvalid",
        "a container and an object",
    ),
    (
        "object_elsewhere",
        {"container": "../AUTH_x", "object": "a"},
        "InputInvalid",
        "a container and an object",
    ),
    (
        "driver_unknown",
        _fake(pm_type="pxe_magic"),
        "NodesInvalid",
        "'pxe_magic', which is no driver (one of: fake-hardware",
    ),
    ("driver_gone", _fake(pm_type="pxe_ssh"), "NodesInvalid", "redfish with sushy-emulator"),
    ("driver_missing", [{"mac": ["52:54:00:00:00:01"]}], "NodesInvalid", "pm_type: is missing"),
    ("driver_twice", _fake(driver="redfish"), "NodesInvalid", "one of the two"),
    ("driver_of_wrong_type", _fake(pm_type=["ipmi"]), "NodesInvalid", "pm_type: is a list"),
    ("address_missing", [{"pm_type": "redfish"}], "NodesInvalid", "pm_addr: is missing"),
    ("address", _redfish(pm_addr="300.1.2.3"), "NodesInvalid", "'300.1.2.3'"),
    ("address_ipv6", _redfish(pm_addr="fe80::1::2"), "NodesInvalid", "pm_addr"),
    ("port", _redfish(pm_port=99999), "NodesInvalid", "1 to 65535"),
    ("system", _redfish(pm_system_id="Systems 1"), "NodesInvalid", "/redfish/v1/Systems/1"),
    ("mac", _fake(mac=["52:54:00:00:00"]), "NodesInvalid", "'52:54:00:00:00' (a MAC address"),
    ("mac_of_wrong_type", _fake(mac=[7]), "NodesInvalid", "a MAC address"),
    ("uuid", _fake(uuid="1234"), "NodesInvalid", "uuid: is '1234' (a UUID"),
    ("name", _fake(name="node one"), "NodesInvalid", "letters, digits"),
    (
        "field",
        _fake(memroy="4096"),
        "NodesInvalid",
        "memroy: is not a field of a node (perhaps memory",
    ),
    ("number_of_cpus", _fake(cpu="many"), "NodesInvalid", "cpu: is 'many'"),
    ("capabilities", _fake(capabilities=7), "NodesInvalid", "capabilities"),
    ("root_device", _fake(root_device={"colour": "red"}), "NodesInvalid", "colour"),
    ("traits", _fake(traits=["fast"]), "NodesInvalid", "CUSTOM_"),
    (
        "same_mac",
        [*nodes.fakes(1), *_fake(name="other")],
        "NodesInvalid",
        "is also that of node #0 (fake-0)",
    ),
    (
        "same_name",
        [*nodes.fakes(1), *_fake(mac=[])],
        "NodesInvalid",
        "fake-0 is also that of node #0",
    ),
    (
        "same_bmc",
        [*_redfish(), *_redfish()],
        "NodesInvalid",
        "redfish://192.0.2.1:443 is also that of node #0",
    ),
    (
        "same_uuid",
        [*_fake(uuid=UNKNOWN), *_fake(uuid=UNKNOWN, name="b", mac=[])],
        "NodesInvalid",
        "is also that of node #0",
    ),
)

# Of an action: inputs, the error's type, what the message says. Nodes are those of TestUse.
BAD_INPUTS = (
    (REGISTER, {"remove": "yes"}, "InputInvalid", "true or false"),
    (REGISTER, {"initial_state": "deployed"}, "InputInvalid", "available, enroll, manageable"),
    (REGISTER, {"instance_boot_option": "sideways"}, "InputInvalid", "local, netboot"),
    (REGISTER, {"kernel_name": "no-such-image"}, "ImageNotFound", "no-such-image"),
    (REGISTER, {"ramdisk_name": "ftp://192.0.2.1/x"}, "InputInvalid", "http, https, file"),
    (REGISTER, {"kernel_name": "file:///a/../../etc/shadow"}, "InputInvalid", "'..'"),
    (
        REGISTER,
        {"remove": True, "remove_fingerprint": "0" * 64},
        "NodesChanged",
        "nothing was done",
    ),
    (REGISTER, {"remove": True, "remove_fingerprint": 7}, None, None),
    (REGISTER, {"action_region": "regionNine"}, "RegionNotFound", "regionNine"),
    (REGISTER, {"cloud": "no-such-cloud"}, "CloudNotFound", "no-such-cloud"),
    (
        "tripleo.baremetal.move_nodes",
        {"state_action": "promote"},
        "InputInvalid",
        "manage, provide",
    ),
    (
        "tripleo.baremetal.move_nodes",
        {"state_action": "manage", "target_state": "active"},
        "InputInvalid",
        "must be manageable",
    ),
    (
        "tripleo.baremetal.move_nodes",
        {"state_action": "manage", "concurrency": -1},
        "InputInvalid",
        "concurrency",
    ),
    (
        "tripleo.baremetal.move_nodes",
        {"state_action": "manage", "node_timeout": 0},
        "InputInvalid",
        "node_timeout",
    ),
    (
        "tripleo.baremetal.move_nodes",
        {"state_action": "manage", "error_states": "x"},
        "InputInvalid",
        "list of states",
    ),
    (
        "tripleo.baremetal.move_nodes",
        {"state_action": "manage", "node_uuids": []},
        "InputInvalid",
        "node_uuids",
    ),
    (
        "tripleo.baremetal.move_nodes",
        {"state_action": "manage", "node_uuids": ["fake-0", UNKNOWN, "nobody"]},
        "NodeNotFound",
        f"{UNKNOWN}, nobody",
    ),
    ("tripleo.baremetal.switch_nodes", {"state_action": "dim"}, "InputInvalid", "off, on, reboot"),
    (
        "tripleo.baremetal.switch_nodes",
        {"state_action": "on", "target_state": "off"},
        "InputInvalid",
        "'power on'",
    ),
    ("tripleo.baremetal.introspect_nodes", {"max_retry_attempts": -1}, "InputInvalid", "0 to 19"),
    (
        "tripleo.baremetal.introspect_nodes",
        {"node_timeout": "soon"},
        "InputInvalid",
        "node_timeout",
    ),
    (
        "tripleo.baremetal.introspect_nodes",
        {"container": "no-such-plan"},
        "PlanNotFound",
        "no-such-plan",
    ),
    (
        "tripleo.baremetal.introspect_nodes",
        {"run_validations": True},
        "InputInvalid",
        "no validations",
    ),
    ("tripleo.baremetal.follow_run", {"run_id": UNKNOWN}, "RunNotFound", UNKNOWN),
    ("tripleo.baremetal.show_run", {"run_id": "../../x"}, "InputInvalid", "run"),
    ("tripleo.baremetal.list", {"provision_state": "happy"}, "InputInvalid", "available"),
    (
        "tripleo.baremetal.facts",
        {"node_uuid": "fake-0"},
        "NodeStateInvalid",
        "without introspection data",
    ),
    (
        "tripleo.baremetal.configure_nodes",
        {"root_device": "smallest"},
        "NodesFailed",
        "Introspect it (tripleo.baremetal.v1.introspect)",
    ),
    (
        "tripleo.baremetal.configure_nodes",
        {"root_device": "shiniest,"},
        "InputInvalid",
        "'smallest', 'largest'",
    ),
    (
        "tripleo.baremetal.configure_nodes",
        {"kernel_name": "no-such-image"},
        "ImageNotFound",
        "no-such-image",
    ),
    (
        "tripleo.baremetal.configure_nodes",
        {"instance_boot_option": "a:b,c:d"},
        "InputInvalid",
        "instance_boot_option",
    ),
    (
        "tripleo.baremetal.configure_root_device",
        {"minimum_size": -4},
        "InputInvalid",
        "minimum_size",
    ),
    (
        "tripleo.baremetal.update_node_capability",
        {"capability": "a:b"},
        "InputInvalid",
        "comma and colon",
    ),
    ("tripleo.baremetal.tag_nodes", {"role": "a,b"}, "InputInvalid", "comma and colon"),
    (
        "tripleo.baremetal.tag_nodes",
        {"untag_node_uuids": "fake-0"},
        "InputInvalid",
        "untag_node_uuids",
    ),
    (
        "tripleo.baremetal.match_profiles",
        {"container": "no-such-plan"},
        "PlanNotFound",
        "no-such-plan",
    ),
    ("tripleo.baremetal.load_inspection_rules", {"container": ""}, "PlanNameInvalid", "letters"),
)

GOOD = {
    "capability": "colour",
    "container": "no-such-plan",
    "nodes_json": nodes.fakes(1),
    "node_uuid": "fake-1",
    "node_uuids": ["fake-1"],
    "plan": "no-such-plan",
    "role": "compute",
    "run_id": UNKNOWN,
    "state_action": "manage",
    "tag_node_uuids": ["fake-1"],
    "target_state": None,
    "untag_node_uuids": [],
}
"""What inputs are given that must be given something; nothing of it changes a used node."""

WRONG = (7, "", [None], {"a": 1}, "\u2603" * 300)
"""What each input is given in turn."""


def input_names(owner):
    """Return the names of an action's or a workflow's own inputs."""
    names = (word.partition("=")[0].strip() for word in owner.input.split(","))
    return [name for name in names if name not in ("action_region", "cloud", "queue_name")]


class BadInputTestCase(nodes.NodesTestCase):
    def assert_refused(self, name, error, words, **inputs):
        """Run an action that must be refused with an error of that type and those words."""
        state_, result = self.action(name, **inputs)
        self.assertEqual("ERROR", state_, (name, inputs, result))
        self.assertEqual(error, result["type"], (inputs, result))
        self.assertIn(words, result["message"], inputs)
        return result


@ddt.ddt
class TestLists(BadInputTestCase):
    @ddt.named_data(*BAD_LISTS)
    def test_wrong_list(self, content, error, words):
        results = [
            self.assert_refused(name, error, words, nodes_json=content)
            for name in (VALIDATE, REGISTER)
        ]
        self.assertEqual(results[0], results[1])
        self.assertLess(len(results[0]["message"]), 4000)
        self.assertEqual(({}, {}), self.everything())

    def test_an_object_that_is_no_list(self):
        self.swift.put_container(self.plan)
        self.addCleanup(self.swift.delete_container, self.plan)
        self.addCleanup(self.swift.delete_object, self.plan, "list")
        for content, error, words in (
            (b"\x89PNG\r\n\x1a\n\xff\xfe", "NodesInvalid", "it is no text"),
            (b'[{"name": "a"', "NodesInvalid", "not JSON"),
            (b"#" * (9 * 2**20), "LimitExceeded", "file_max_mib"),
        ):
            self.swift.put_object(self.plan, "list", content)
            place = {"container": self.plan, "object": "list"}
            self.assert_refused(REGISTER, error, words, nodes_json=place)
        self.assertEqual(({}, {}), self.everything())

    def test_all_faults_of_all_nodes_are_told_at_once(self):
        entries = nodes.fakes(40)
        entries[3]["mac"] = ["52:54:zz:00:00:01"]
        entries[7] = {"name": "seven", "pm_type": "redfish", "pm_user": "x", "cpu": -1}
        entries[39]["mac"] = entries[0]["mac"]
        expected = [
            (3, "fake-3", "mac"),
            (7, "seven", "cpu"),
            (7, "seven", "pm_addr"),
            (39, "fake-39", "mac"),
        ]
        output = self.failed(nodes.REGISTER, nodes_json=entries)
        faults = output["error"]["details"]["faults"]
        self.assertEqual(expected, sorted((f["node"], f["name"], f["field"]) for f in faults))
        for _, name, field in expected:
            self.assertIn(f"({name}) {field}", output["message"])
        # The same before anything is to be registered.
        checked = self.failed(nodes.VALIDATE, nodes_json=entries)
        self.assertEqual((faults, output["message"]), (checked["faults"], checked["message"]))
        self.assertEqual(({}, {}), self.everything())

    def test_what_is_another_nodes_in_ironic_is_told_with_that_nodes_name(self):
        ids = self.register(nodes.fakes(3), **ENROLL)
        before = self.everything()
        first, second, _ = nodes.fakes(3)
        for entry, words in (
            ({**first, "mac": second["mac"]}, "MAC"),
            ({**first, "mac": [*first["mac"], *second["mac"]]}, "MAC"),
            ({**first, "uuid": ids["fake-1"], "mac": []}, "fake-0"),
        ):
            message = self.assert_refused(REGISTER, "NodesInvalid", words, nodes_json=[entry])[
                "message"
            ]
            for name in ("fake-0", "fake-1"):
                self.assertIn(f"{name} (UUID {ids[name]})", message)
        # Two entries that are one node.
        self.assert_refused(
            REGISTER,
            "NodesInvalid",
            f"is node fake-0 (UUID {ids['fake-0']}) in Ironic, as node #0 is",
            nodes_json=[{**first, "mac": []}, {**first, "name": "other"}],
        )
        self.assertEqual(before, self.everything())


class TestUse(BadInputTestCase):
    """Nodes that are somebody's: fake-1 is active, fake-2 in use, fake-3 in maintenance."""

    def setUp(self):
        super().setUp()
        self.ids = self.register(nodes.fakes(5), initial_state="manageable")
        self.deploy("fake-1")
        self.ironic.node.update(
            "fake-2", [{"op": "add", "path": "/instance_uuid", "value": INSTANCE}]
        )
        self.ironic.node.set_maintenance("fake-3", True, maint_reason="smells burnt")
        self.before = self.everything()

    def test_nodes_that_are_in_use_are_never_touched(self):
        active, used = "is active", f"in use by instance {INSTANCE}"
        both = {"fake-1": active, "fake-2": used}
        all_three = {**both, "fake-3": "in maintenance (smells burnt)"}
        changed = nodes.fakes(5, memory="1")
        of_all = {"node_uuids": list(all_three)}
        of_both = {"node_uuids": list(both)}
        for name, inputs, expected in (
            (nodes.REGISTER, {"nodes_json": changed[1:3]}, both),
            (nodes.MANAGE, {"node_uuids": ["fake-1"]}, {"fake-1": active}),
            (nodes.PROVIDE, of_all, all_three),
            (nodes.INTROSPECT, of_all, all_three),
            (nodes.CONFIGURE, {**of_both, "kernel_name": "http://192.0.2.1/k"}, both),
            (nodes.DELETE, of_both, both),
        ):
            output = self.failed(name, **inputs)
            self.assertEqual("NodesFailed", output["error"]["type"], name)
            told = (
                {node["name"]: node["error"] for node in output["failed"]}
                if "failed" in output
                else {node["name"]: node["error"] for node in output["error"]["details"]["failed"]}
            )
            self.assertEqual(set(expected), set(told), name)
            for node, words in expected.items():
                self.assertIn(words, told[node], name)
                self.assertIn(f"{node} (UUID {self.ids[node]})", output["message"])
        for inputs in ({"tag_node_uuids": ["fake-1"]}, {"untag_node_uuids": ["fake-1"]}):
            good = {"tag_node_uuids": [], "untag_node_uuids": [], "role": "compute"}
            state_, _ = self.action("tripleo.baremetal.tag_nodes", **good | inputs)
            # It has no profile that could be taken away.
            self.assertEqual("ERROR" if "tag_node_uuids" in inputs else "SUCCESS", state_)
        self.assertEqual(self.before, self.everything())

        # Those that are nobody's are.
        self.run_workflow(nodes.PROVIDE_ALL)
        states = {name: node["provision_state"] for name, node in self.nodes().items()}
        self.assertEqual(
            {
                "fake-0": "available",
                "fake-1": "active",
                "fake-2": "manageable",
                "fake-3": "manageable",
                "fake-4": "available",
            },
            states,
        )
        refused = self.failed(nodes.INTROSPECT_ALL)
        self.assertIn("There is no manageable node", refused["message"])

    def test_wrong_inputs_of_actions_are_named(self):
        for name, wrong, error, words in BAD_INPUTS:
            inputs = {**self.needed(name, "fake-0"), **wrong}
            if error:
                self.assert_refused(name, error, words, **inputs)
            else:
                self.assert_typed(name, *self.action(name, **inputs))
        self.assertEqual(self.before, self.everything())

    def test_nodes_that_ironic_does_not_have_are_named(self):
        tried = 0
        for action in self.actions():
            needed = self.needed(action, "fake-0")
            for name, value in {
                "node_uuid": UNKNOWN,
                "node_uuids": ["fake-0", UNKNOWN],
                "tag_node_uuids": ["fake-0", UNKNOWN],
                "untag_node_uuids": [UNKNOWN],
            }.items():
                if name in needed:
                    tried += 1
                    wrong = {**needed, name: value}
                    self.assert_refused(action, "NodeNotFound", UNKNOWN, **wrong)
        self.assertGreater(tried, 10)
        self.assertEqual(self.before, self.everything())

    def test_inputs_of_any_type_give_typed_errors(self):
        for action in self.actions():
            needed = self.needed(action, "fake-1")
            names = input_names(self.mistral.actions.get(action))
            for name, value in itertools.product(names, WRONG):
                state_, result = self.action(action, **{**needed, name: value})
                self.assert_typed((action, name, value), state_, result)
        self.assertEqual(self.before, self.everything())

    def test_inputs_of_any_type_give_workflows_that_end_with_typed_errors(self):
        started = []
        for workflow in self.workflows():
            names = input_names(workflow)
            for value in (7, {"a": 1}):
                inputs = dict.fromkeys(names, value)
                execution = self.mistral.executions.create(workflow.name, workflow_input=inputs)
                started.append((workflow.name, value, execution.id))
        self.assertGreater(len(started), 20)
        for *what, execution in started:
            state_, output = self.ended(execution)
            if state_ == "ERROR":
                self.assertEqual("FAILED", output["status"], what)
                self.assertNotEqual("InternalError", output["error"]["type"], (what, output))
                self.assertEqual(output["error"]["message"], output["message"], what)
        # To some a number of seconds, or of nodes at a time, is good: they change what they may.
        same = ("fake-1", "fake-2", "fake-3")
        found = self.nodes()
        self.assertEqual(
            {name: self.before[0][name] for name in same}, {name: found[name] for name in same}
        )

    def actions(self):
        found = [action.name for action in self.mistral.actions.list()]
        found = [name for name in found if name.startswith("tripleo.baremetal.")]
        self.assertGreater(len(found), 15)
        return found

    def workflows(self):
        found = self.mistral.workflows.list()
        found = [each for each in found if each.name.startswith("tripleo.baremetal.v1.")]
        self.assertGreater(len(found), 15)
        return found

    def needed(self, action, node):
        """Return good values of an action's inputs that need one, for a node."""
        good = {**GOOD, "node_uuid": node, "node_uuids": [node], "tag_node_uuids": [node]}
        if action.endswith("switch_nodes"):
            good["state_action"] = "on"
        if action.endswith("introspect_nodes"):
            del good["container"]
        names = input_names(self.mistral.actions.get(action))
        return {name: good[name] for name in names if name in good}

    def assert_typed(self, what, state_, result):
        if state_ == "ERROR":
            self.assertIsInstance(result, dict, (what, result))
            self.assertNotIn(result["type"], ("InternalError", None), (what, result))
            self.assertTrue(result["message"], what)
