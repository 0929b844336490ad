"""Secrets are planted, and then looked for wherever they must not be."""

import contextlib
import gzip
import io
import json
import sqlite3
import subprocess
import tarfile
import threading

import psutil

from tests.functional import base

HIDDEN = """
  ApiPassword: {type: string, hidden: true, default: ''}
  AdminPassword: {type: string, hidden: true, default: ''}
  NovaPassword: {type: string, hidden: true, default: ''}
"""
FILES = {
    **base.PLAN,
    "overcloud.j2.yaml": base.PLAN["overcloud.j2.yaml"].replace(
        "parameters:", f"parameters:{HIDDEN}", 1
    ),
}
HIDDEN_VALUE = "canary-hidden-8c31f0b7"
INLINE_VALUE = "canary-inline-5d20e9a4"
PHRASE = "canary-phrase-77aa41c2"


class TestLeaks(base.FunctionalTestCase):
    def test_no_secret_is_in_databases_logs_objects_messages_or_arguments(self):
        secrets = {"hidden parameter": HIDDEN_VALUE, "inline": INLINE_VALUE, "passphrase": PHRASE}
        secrets["token"] = self.session.get_token()
        arguments = self.watch_arguments()
        answers = []

        def act(name, **inputs):
            answers.append(self.run_action(name, **inputs))

        self.upload(FILES)
        self.run_workflow("tripleo.plan_management.v1.create_deployment_plan", container=self.plan)
        # Asked for in a way that stores nothing, as the documentation says.
        execution = self.mistral.action_executions.create(
            "tripleo.parameters.get_passwords",
            input={"container": self.plan, "reveal": True},
            run_sync=True,
        )
        revealed = json.loads(execution.output)["result"]
        self.assertEqual({"AdminPassword", "NovaPassword"}, set(revealed))
        secrets.update(revealed)

        act(
            "tripleo.parameters.update",
            container=self.plan,
            parameters={"ApiPassword": HIDDEN_VALUE, "Size": 2},
        )
        # A client writes it into the environment; the next change encrypts it.
        variables = self.mistral.environments.get(self.plan).variables
        variables["environments"].append(
            {"data": {"parameter_defaults": {"NovaPassword": INLINE_VALUE}}}
        )
        self.mistral.environments.update(name=self.plan, variables=json.dumps(variables))
        act("tripleo.templates.process", container=self.plan)
        act("tripleo.parameters.get", container=self.plan)
        act("tripleo.parameters.get_flatten", container=self.plan)
        act("tripleo.parameters.get_passwords", container=self.plan)
        refused = self.action(
            "tripleo.parameters.update",
            container=self.plan,
            parameters={"ApiPassword": [HIDDEN_VALUE], "Size": 99},
        )
        self.assertEqual("ParametersInvalid", refused[1]["type"])
        answers.append(refused)
        act("tripleo.plan.show", container=self.plan)
        act("tripleo.plan.diff", container=self.plan, from_revision=1)
        act("tripleo.plan.history", container=self.plan)
        act("tripleo.plan.export", plan=self.plan, passphrase=PHRASE)
        act("tripleo.parameters.generate_passwords", container=self.plan, rotate_passwords=True)
        self.run_workflow("tripleo.deployment.v1.deploy_plan", container=self.plan, timeout=10)
        act("tripleo.plan.rollback", container=self.plan, revision=1)
        self.run_workflow("tripleo.stack.v1.delete_stack", stack=self.plan)

        # While an execution runs, Mistral keeps the request's token with what it has yet to do.
        base.wait_for(
            lambda: not any(secrets["token"].encode() in row for row in self.database()),
            "the end of all that Mistral has to do for these executions",
        )
        places = {
            "answers": [json.dumps(answers).encode()],
            "arguments": arguments(),
            "logs": self.files("log"),
            "Mistral's database": self.database(),
            "Swift's disk": self.files("data/swift"),
            "objects": self.objects(),
        }
        self.swift.delete_object("plan-exports", f"{self.plan}.tar.gz")
        for place, contents in places.items():
            self.assertNotEqual([], contents, place)
            for name, secret in secrets.items():
                found = [content for content in contents if secret.encode() in content]
                self.assertEqual([], [around(secret.encode(), c) for c in found], (place, name))

    def files(self, below):
        """Return the content of every file of the undercloud below a directory."""
        root = self.undercloud.directory.root / below
        found = []
        for path in root.rglob("*"):
            if path.is_file():
                try:
                    found.append(path.read_bytes())
                except FileNotFoundError:
                    continue
        return found

    def database(self):
        """Return every row of Mistral's database."""
        (path,) = (self.undercloud.directory.root / "data" / "mistral").glob("*.sqlite")
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            return [line.encode() for line in database.iterdump()]

    def objects(self):
        """Return the content of every object of the plan, unpacked."""
        found = []
        exported = ("plan-exports", f"{self.plan}.tar.gz")
        listed = [exported]
        for container in (self.plan, f"{self.plan}.revisions"):
            objects = self.swift.get_container(container, full_listing=True)[1]
            listed.extend((container, item["name"]) for item in objects)
        for container, name in listed:
            content = self.swift.get_object(container, name)[1]
            found.append(content)
            if content.startswith(b"\x1f\x8b"):
                content = gzip.decompress(content)
                found.append(content)
            if name.endswith(".tar.gz"):
                with tarfile.open(fileobj=io.BytesIO(content)) as archive:
                    found.extend(archive.extractfile(member).read() for member in archive)
        return found

    def watch_arguments(self):
        """Collect the command lines of all processes until the answer is called."""
        seen = set()
        ended = threading.Event()

        def watch():
            while not ended.wait(0.05):
                for process in psutil.process_iter(["cmdline"]):
                    seen.add(" ".join(process.info["cmdline"] or ()).encode())

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        # Seen at least once, whatever the machine is busy with.
        with subprocess.Popen(["sleep", "60.25"]) as marker:
            base.wait_for(lambda: any(b"60.25" in line for line in seen), "the watch")
            marker.terminate()

        def end():
            ended.set()
            thread.join()
            return list(seen)

        self.addCleanup(ended.set)
        return end


def around(secret, content):
    """Return what stands before a secret."""
    place = content.index(secret)
    return content[max(0, place - 200) : place]
