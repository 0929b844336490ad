import bz2
import importlib
import importlib.metadata
import inspect
import json

import ddt
import yaml
from cryptography import fernet

from tests.unit import base
from tripleo_common import config, exceptions, sealed, vault

CANARY = "canary-bmc-6b1d"
NODES = [{"pm_addr": "192.0.2.1", "pm_password": CANARY}]
REGISTER = "tripleo.baremetal.register_or_update_nodes"


class TestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.use_keys()

    def seal(self, value, **more):
        return sealed.seal(value, **{"project": "p1", "name": "nodes_json", **more})

    def open(self, text, **more):
        return sealed.open_(text, **{"project": "p1", "name": "nodes_json", **more})


@ddt.ddt
class Sealing(TestCase):
    @ddt.data(
        NODES,
        "[]",
        "ünïcode \ud800 \0",
        "",
        [],
        {},
        0,
        1.5,
        False,
        None,
        {"container": "a", "object": "b"},
        "sealed:encrypted:x",
        "x" * 1000000,
    )
    def test_value_comes_back_as_it_was(self, value):
        text = self.seal(value)
        self.assertTrue(sealed.is_sealed(text))
        self.assertEqual(value, self.open(text))
        self.assertIs(type(value), type(self.open(text)))

    def test_nothing_of_the_value_shows_and_two_of_it_look_different(self):
        one, two = self.seal(NODES), self.seal(NODES)
        self.assertNotEqual(one, two)
        self.assertNotIn(CANARY, one + two)
        # It is put into YAML, JSON, URLs and expressions.
        self.assertRegex(one, "^sealed:encrypted:[A-Za-z0-9_=-]+$")

    def test_a_list_of_nodes_becomes_smaller(self):
        nodes = [
            {"name": f"node-{number}", "pm_type": "redfish", "pm_addr": f"192.0.2.{number}"}
            for number in range(500)
        ]
        self.assertLess(len(self.seal(nodes)), len(json.dumps(nodes)) // 4)

    @ddt.data({1, 2}, object(), b"x", float("nan"), {(1, 2): 3})
    def test_value_that_json_cannot_hold_is_refused(self, value):
        error = self.assertRaises(exceptions.InputInvalid, self.seal, value)
        self.assertEqual("nodes_json", error.name)

    def test_without_keys_nothing_is_sealed_or_opened(self):
        text = self.seal(NODES)
        self.set_options(encryption_keys_file=None)
        self.assertRaises(exceptions.EncryptionKeyMissing, self.seal, NODES)
        self.assertRaises(exceptions.EncryptionKeyMissing, self.open, text)


@ddt.ddt
class Opening(TestCase):
    @ddt.data({"project": "p2"}, {"project": None}, {"project": ""}, {"name": "passphrase"})
    def test_text_of_another_project_or_input(self, other):
        text = self.seal(NODES)
        error = self.assertRaises(exceptions.InputInvalid, self.open, text, **other)
        self.assertEqual(other.get("name", "nodes_json"), error.name)
        self.assertNotIn(CANARY, error.message)

    def test_other_key(self):
        text = self.seal(NODES)
        self.use_keys()
        error = self.assertRaises(exceptions.SecretUnreadable, self.open, text)
        self.assertEqual("nodes_json", error.name)
        self.assertIn("encryption_keys_file", error.message)

    def test_older_key(self):
        old, new = (fernet.Fernet.generate_key().decode() for _ in range(2))
        self.use_keys(old)
        text = self.seal(NODES)
        self.use_keys(new, old)
        self.assertEqual(NODES, self.open(text))

    @ddt.data(
        "",
        "sealed:",
        "sealed:encrypted:",
        "sealed:encrypted:gAAAAA",
        "sealed:encrypted:\ud800",
        "sealed:x",
        "encrypted:x",
        "password",
        None,
        5,
        b"sealed:encrypted:x",
        ["sealed:encrypted:x"],
    )
    def test_what_was_not_sealed(self, text):
        error = self.assertRaises(exceptions.SecretUnreadable, self.open, text)
        self.assertEqual("nodes_json", error.name)

    def test_changed_or_cut_text(self):
        text = self.seal(NODES)
        middle = len(text) // 2
        other = "A" if text[middle] != "A" else "B"
        for damaged in (text[:-8], text[:middle] + other + text[middle + 1 :]):
            self.assertTrue(sealed.is_sealed(damaged))
            self.assertRaises(exceptions.SecretUnreadable, self.open, damaged)

    def test_what_a_plan_or_a_target_has_encrypted_is_none(self):
        """Callers can have texts of their choice encrypted there, and read the result."""
        document = {"project": "p1", "name": "nodes_json", "value": CANARY}
        for purpose in ("", "tripleo target"):
            text = vault.Vault.from_options(purpose).encrypt_bytes(
                bz2.compress(json.dumps(document).encode())
            )
            self.assertRaises(exceptions.SecretUnreadable, self.open, f"sealed:{text}")

    def test_largest_that_opens(self):
        self.patch(sealed, "_OPENED_BYTES", 1000)
        frame = len(vault.to_json({"project": "p1", "name": "nodes_json", "value": ""}, "x"))
        self.assertEqual("x" * (1000 - frame), self.open(self.seal("x" * (1000 - frame))))
        error = self.assertRaises(
            exceptions.InputInvalid, self.open, self.seal("x" * (1001 - frame))
        )
        self.assertIn("1000 bytes", error.message)


@ddt.ddt
class Secrets(TestCase):
    @ddt.data(
        [], {}, "", NODES, "text", 5, False, {"container": "a"}, {"container": 1, "object": 2}
    )
    def test_values_that_are_sealed(self, value):
        for name in ("nodes_json", "parameters", "passphrase", "plan_environment"):
            self.assertTrue(sealed.is_secret(name, value))

    def test_values_that_are_not(self):
        text = self.seal(NODES)
        for name in ("nodes_json", "parameters"):
            self.assertFalse(sealed.is_secret(name, None))
            self.assertFalse(sealed.is_secret(name, text))
        self.assertFalse(sealed.is_secret("container", "overcloud"))

    def test_reference_to_an_object(self):
        reference = {"container": "lists", "object": "nodes.json"}
        self.assertFalse(sealed.is_secret("nodes_json", reference))
        # There these are parameters of these names.
        self.assertTrue(sealed.is_secret("parameters", reference))

    @ddt.data(
        {},
        {"container": "a"},
        {"container": "a", "object": "b", "more": CANARY},
        {"container": "a", "object": {"pm_password": CANARY}},
        {"container": None, "object": "b"},
        ["container", "object"],
        "container object",
        None,
    )
    def test_what_is_no_reference(self, value):
        self.assertFalse(sealed.is_reference(value))

    def test_inputs_of_what_is_known(self):
        self.assertEqual({"nodes_json"}, set(sealed.inputs_of(REGISTER)))
        self.assertEqual({"parameters"}, set(sealed.inputs_of("tripleo.parameters.update")))

    @ddt.data("my_workflow", "openstack.heat.stacks_create", "")
    def test_inputs_of_what_is_not_ours(self, name):
        self.assertEqual(set(), set(sealed.inputs_of(name)))

    @ddt.data(None, "tripleo.baremetal.v1.register_or_updat", "tripleo.plan.list")
    def test_inputs_of_what_is_not_known(self, name):
        self.assertEqual(
            {"nodes_json", "passphrase", "plan_environment"}, set(sealed.inputs_of(name))
        )


class Actions(TestCase):
    def test_inputs_are_opened_for_the_action_they_belong_to(self):
        inputs = {"nodes_json": self.seal(NODES), "remove": False, "kernel_name": None}
        before = dict(inputs)
        opened = sealed.open_inputs(REGISTER, inputs, "p1")
        self.assertEqual({"nodes_json": NODES, "remove": False, "kernel_name": None}, opened)
        self.assertEqual(before, inputs)

    def test_inputs_that_are_not_sealed_stay(self):
        for value in (NODES, None, "sealed", {"container": "a", "object": "b"}):
            self.assertEqual(
                {"nodes_json": value}, sealed.open_inputs(REGISTER, {"nodes_json": value}, "p1")
            )
        self.assertEqual({}, sealed.open_inputs(REGISTER, {}, None))

    def test_other_inputs_and_actions_get_the_text(self):
        text = self.seal(NODES)
        for action, name in ((REGISTER, "kernel_name"), ("tripleo.plan.list", "nodes_json")):
            self.assertEqual({name: text}, sealed.open_inputs(action, {name: text}, "p1"))

    def test_text_of_another_project(self):
        inputs = {"nodes_json": self.seal(NODES, project="p2")}
        self.assertRaises(exceptions.InputInvalid, sealed.open_inputs, REGISTER, inputs, "p1")


class Interface(base.TestCase):
    """The table fits the actions and the workbooks."""

    def declared(self):
        """Return the inputs of each action and workflow of the project."""
        found = {}
        for entry_point in importlib.metadata.entry_points(group="mistral.actions"):
            module, _, name = entry_point.value.partition(":")
            if module.startswith("tripleo_common."):
                action = getattr(importlib.import_module(module), name)
                found[entry_point.name] = set(inspect.signature(action).parameters)
        for path in config.share_dir("workbooks").glob("*.yaml"):
            workbook = yaml.safe_load(path.read_text())
            for name, workflow in workbook["workflows"].items():
                inputs = (one if isinstance(one, str) else min(one) for one in workflow["input"])
                found[f"{workbook['name']}.{name}"] = set(inputs)
        return found

    def test_every_input_with_such_a_name_is_in_the_table(self):
        for name, inputs in self.declared().items():
            self.assertEqual(sealed.NAMES & inputs, set(sealed.INPUTS.get(name, ())), name)

    def test_everything_in_the_table_exists(self):
        self.assertEqual(set(), sealed.INPUTS.keys() - self.declared().keys())
