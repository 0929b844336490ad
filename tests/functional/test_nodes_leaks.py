"""Passwords of BMCs are given in every way, and then looked for wherever they must not be."""

import base64
import contextlib
import json
import sqlite3
import tempfile
from pathlib import Path

import bcrypt
from swiftclient import client as swift_client

from tests.functional import nodes, test_leaks
from tripleo_common.undercloud import state

SECRETS = {
    "inline": "4f1c08e2",
    "by_object": "c7d39a50",
    "changed": "19be64d3",
    "refused_by_the_bmc": "e85a2f17",
    "refused_by_ironic": "7b02d9c6",
    "refused_as_a_change": "a3641b8f",
    "not_valid": "50c8e7ad",
}
"""Name of a user of BMCs to the part of the password that nothing escapes."""

KNOWN = ("inline", "by_object", "changed")
"""Users that the BMCs let in."""

KEPT = ("by_object", "changed", "refused_by_the_bmc")
"""Users whose passwords Ironic has at the end."""


def password(user):
    """Return a password with all that is escaped somewhere."""
    return f"canary \"'\\<&%: {SECRETS[user]}"


def forms(user):
    """Return how a password can be found: in itself, or as HTTP sends it."""
    sent = base64.b64encode(f"{user}:{password(user)}".encode())
    return [SECRETS[user].encode(), sent]


class TestNodesLeaks(nodes.NodesTestCase):
    def setUp(self):
        super().setUp()
        self.root = self.undercloud.directory.root
        self.answers = []
        self.executions = []
        htpasswd = self.undercloud.directory.etc("bmc") / "htpasswd"
        before = htpasswd.read_text()
        self.addCleanup(state.write_private, htpasswd, before)
        users = [
            f"{user}:{bcrypt.hashpw(password(user).encode(), bcrypt.gensalt(4)).decode()}\n"
            for user in KNOWN
        ]
        state.write_private(htpasswd, before + "".join(users))

    def run_through(self, name, **inputs):
        """Run a workflow to its end, good or bad; return its output."""
        return self.note(self.mistral.executions.create(name, workflow_input=inputs).id)

    def note(self, execution):
        """Wait for the end of an execution, and remember what it says; return its output."""
        self.executions.append(execution)
        output = self.ended(execution)[1]
        self.answers.append(json.dumps(output))
        return output

    def act(self, name, **inputs):
        """Run an action; return its result, or its error."""
        result = self.action(name, **inputs)[1]
        self.answers.append(json.dumps(result))
        return result

    def listed(self, name, user, **fields):
        """Return a list with the entry of a machine, with a user's password."""
        (entry,) = self.fixture.listed(name, pm_user=user, pm_password=password(user), **fields)
        return [entry]

    def put_list(self, content):
        """Put a list into a Swift object; return where it is."""
        self.swift.put_container(self.plan)
        self.addCleanup(self.remove_list)
        self.swift.put_object(self.plan, "nodes", content)
        return {"container": self.plan, "object": "nodes"}

    def remove_list(self):
        with contextlib.suppress(swift_client.ClientException):
            self.swift.delete_object(self.plan, "nodes")
            self.swift.delete_container(self.plan)

    def execute(self, name, **inputs):
        """Start a workflow with the real command, whose inputs are in a file; return its output."""
        with tempfile.TemporaryDirectory() as directory:
            file = Path(directory) / "inputs.json"
            file.write_text(json.dumps(inputs))
            words = ("mistral", "execution-create", name, str(file), "-f", "json")
            printed = self.command(*words)
        self.answers.append(printed)
        execution = json.loads(printed)["ID"]
        return self.note(execution)

    def give_all(self):
        """Give all the passwords, each in its way; return the UUIDs of the nodes by name."""
        output = self.execute(nodes.REGISTER, nodes_json=self.listed("node-0", "inline"))
        self.assertEqual("SUCCESS", output["status"], output)
        place = self.put_list(json.dumps(self.listed("node-1", "by_object")))
        output = self.run_through(nodes.REGISTER, nodes_json=place)
        self.assertEqual("SUCCESS", output["status"], output)

        wrong = self.listed("node-2", "refused_by_the_bmc")
        output = self.run_through(nodes.REGISTER, nodes_json=wrong)
        self.assertIn("Incorrect username or password", output["message"])
        ids = {name: node["uuid"] for name, node in self.nodes().items()}
        self.assertEqual({"node-0", "node-1", "node-2"}, set(ids))

        unwanted = self.listed("node-3", "refused_by_ironic", deploy_interface="no-such")
        output = self.run_through(nodes.REGISTER, nodes_json=unwanted)
        self.assertIn("no-such", output["message"])
        unwanted = self.listed("node-0", "refused_as_a_change", deploy_interface="no-such")
        output = self.run_through(nodes.REGISTER, nodes_json=unwanted)
        self.assertIn("no-such", output["message"])
        self.act("tripleo.baremetal.register_or_update_nodes", nodes_json=unwanted)

        changed = self.listed("node-0", "changed")
        self.assertEqual(1, self.run_through(nodes.REGISTER, nodes_json=changed)["updated"])
        result = self.act("tripleo.baremetal.register_or_update_nodes", nodes_json=changed)
        self.assertEqual(1, result["unchanged"])
        # Stored by Mistral's own executor.
        action = self.mistral.action_executions.create(
            "tripleo.baremetal.validate_nodes", input={"nodes_json": changed}, save_result=True
        )
        self.answers.append(json.dumps(action.to_dict()))
        return ids

    def give_what_is_not_valid(self):
        """Give a password in lists of which each is refused."""
        secret = password("not_valid")
        (good,) = self.listed("node-4", "not_valid")
        whole = json.dumps([good])
        started = []
        for content in (
            [{**good, "mac": ["no address"]}],
            [{**good, "pm_password": [secret]}],
            [{**good, "pm_password": {secret: secret}}],
            [{**good, "pm_pasword": secret}],
            [{**good, "driver_info": {"redfish_password": [secret], "redfish_address": 7}}],
            [{**good, "pm_user": [secret]}],
            [{**good, "pm_type": "no-such"}],
            [good, good],
            whole[:-2],
            whole.replace('"pm_password"', '"pm_user"'),
            f"- name: a\n  pm_password: '{secret}",
            f'pm_password: "{secret}": b\n',
            self.put_list(whole[:-2]),
        ):
            result = self.act("tripleo.baremetal.register_or_update_nodes", nodes_json=content)
            self.assertEqual("NodesInvalid", result["type"], result)
            inputs = {"nodes_json": content}
            execution = self.mistral.executions.create(nodes.VALIDATE, workflow_input=inputs)
            started.append((execution.id, result["message"]))
        for execution, message in started:
            self.assertEqual(message, self.note(execution)["message"])

    def work(self):
        """Do what else is done with nodes, whose answers may have what Ironic says of them."""
        both = ["node-0", "node-1"]
        output = self.run_through(nodes.INTROSPECT, node_uuids=both, node_timeout=60)
        self.assertEqual("SUCCESS", output["status"], output)
        for execution in (self.executions[0], self.executions[-1]):
            shown = self.act("tripleo.baremetal.show_run", run_id=execution)
            self.assertTrue(shown["done"], shown)
        self.run_through(nodes.CONFIGURE, node_uuids=both, root_device="smallest")
        self.run_through(nodes.LIST, facts=True)
        self.act("tripleo.baremetal.list", facts=True)
        self.act("tripleo.baremetal.facts", node_uuid="node-0")
        self.run_through(nodes.REGISTER, nodes_json=self.listed("node-0", "changed"), remove=True)
        self.run_through(nodes.PROVIDE, node_uuids=both)

    def test_no_password_is_where_it_must_not_be(self):
        arguments = test_leaks.TestLeaks.watch_arguments(self)
        self.fixture = self.machines()
        ids = self.give_all()
        self.give_what_is_not_valid()
        self.work()

        # They did arrive: the BMCs have accepted them, and so has Ironic, which shows none.
        shown = json.dumps(self.everything())
        self.assertIn("redfish_password", shown)
        stored = b"".join(self.rows("ironic", "nodes"))
        for user in SECRETS:
            self.assertEqual(user in KEPT, SECRETS[user].encode() in stored, user)

        # What is looked through, and what must be found there if it is looked through well.
        reports = [self.report(execution) for execution in self.executions]
        tables = {
            f"Mistral's table {table}": (self.rows("mistral", table), control)
            for table, control in (
                ("workflow_executions_v2", "node-0"),
                ("task_executions_v2", "register_nodes"),
                ("action_executions_v2", "node-0"),
            )
        }
        logs = {
            f"{name}.log": ([(self.root / "log" / f"{name}.log").read_bytes()], control)
            for name, control in (
                ("bmc", self.fixture["node-0"].uuid),
                ("ironic", ids["node-0"]),
                ("keystone", "keystone"),
                ("mistral", self.executions[0]),
                ("swift-object", "tripleo-baremetal"),
                ("swift-proxy", "swift-proxy"),
            )
        }
        objects = self.objects()
        self.remove_list()
        everywhere = {
            "answers": (self.encoded(self.answers), "node-0"),
            "what Ironic shows": (self.encoded([shown]), "node-0"),
            "reports": (self.encoded(reports), "(node-4)"),
            **tables,
            **logs,
            "runs and other objects": (objects, "node-0"),
            "arguments": (arguments(), "execution-create"),
            # Of Mistral's database also what is still in its journal, and of Swift the disk.
            "files": (self.files(), "node-0"),
        }
        for place, (contents, control) in everywhere.items():
            self.assertTrue(any(control.encode() in content for content in contents), place)
            for user in SECRETS:
                for form in forms(user):
                    found = [content for content in contents if form in content]
                    self.assertEqual(
                        [], [test_leaks.around(form, content) for content in found], (place, user)
                    )

    def report(self, execution):
        url = f"{self._endpoint('workflowv2')}/executions/{execution}/report"
        return self.session.get(url).text

    def rows(self, service, table):
        """Return every row of a table of a service's database."""
        path = self.undercloud.directory.data(service) / f"{service}.sqlite"
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            # The names are this test's own.
            found = database.execute(f"SELECT * FROM {table}").fetchall()
        return self.encoded(map(repr, found))

    def encoded(self, texts):
        return [text.encode() for text in texts]

    def objects(self):
        """Return the content of every object of ours."""
        listed = self.swift.get_container("tripleo-baremetal", full_listing=True)[1]
        found = [self.swift.get_object("tripleo-baremetal", o["name"])[1] for o in listed]
        names = [o["name"].encode() for o in listed]
        self.assertTrue(any(self.executions[0].encode() in name for name in names))
        return [*found, *names]

    def files(self):
        """Return the content of every file of the undercloud, without Ironic's database."""
        found = []
        for path in self.root.rglob("*"):
            if path.is_file() and not path.name.startswith("ironic.sqlite"):
                # Some go away at any time.
                with contextlib.suppress(FileNotFoundError):
                    found.append(path.read_bytes())
        return found
