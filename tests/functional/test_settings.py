"""Capabilities, parameters, roles and passwords of real templates, through the real command."""

import functools
import http.server
import io
import json
import shutil
import subprocess
import tarfile
import tempfile
import threading
import uuid
from pathlib import Path

from ironicclient import client as ironic_client
from mistralclient.api import client as mistral_client
from swiftclient import client as swift_client

from tests.functional import base, tht
from tripleo_common.undercloud import lifecycle, state

CREATE = "tripleo.plan_management.v1.create_deployment_plan"
ROOT = "overcloud-resource-registry-puppet.yaml"


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files without a word."""

    def log_message(self, *_):
        pass


class CommandTestCase(base.FunctionalTestCase):
    """Runs actions and workflows with the real ``mistral`` command."""

    def run_command(self, action, **inputs):
        """Run an action; return its result."""
        shown = json.loads(self.command("mistral", "run-action", action, json.dumps(inputs)))
        return shown["result"]

    def execute(self, workflow, **inputs):
        """Run a workflow to its good end; return its output."""
        started = json.loads(
            self.command("mistral", "execution-create", workflow, json.dumps(inputs), "-f", "json")
        )

        def ended():
            shown = json.loads(
                self.command("mistral", "execution-get", started["ID"], "-f", "json")
            )
            return shown if shown["State"] not in ("RUNNING", "IDLE") else None

        state = base.wait_for(ended, workflow)["State"]
        output = json.loads(self.command("mistral", "execution-get-output", started["ID"]))
        self.assertEqual("SUCCESS", state, output)
        return output


class TestRealTemplates(CommandTestCase):
    def test_a_plan_of_real_templates_is_created_configured_composed_and_rolled_back(self):
        uploads = f"{self.plan}-uploads"
        self.swift.put_container(uploads)
        self.addCleanup(self.swift.delete_container, uploads)
        self.addCleanup(self.swift.delete_object, uploads, "tht.tar.gz")
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            archive.add(tht.tree(), "tripleo-heat-templates")
        self.swift.put_object(uploads, "tht.tar.gz", packed.getvalue())

        created = self.execute(
            CREATE, container=self.plan, source_url=f"swift:{uploads}/tht.tar.gz", reason="try"
        )
        self.assertEqual(1, created["revision"])
        # The plan is usable at once; its container fills up meanwhile.
        shown = self.run_command("tripleo.plan.show", container=self.plan)
        self.assertEqual([ROOT], shown["environments"])
        self.assertEqual("overcloud.yaml", shown["template"])
        self.assertIn("AdminPassword", shown["passwords"])
        self.assertIn("KeystoneFernetKeys", shown["passwords"])
        self.assertGreater(shown["files"], 1797)

        got = self.run_command("tripleo.parameters.get_flatten", container=self.plan)
        declared = got["heat_resource_tree"]["parameters"]
        self.assertEqual("0", str(declared["BlockStorageCount"]["default"]))
        self.assertEqual("******", declared["AdminPassword"]["default"])
        self.assertEqual({}, got["environment_parameters"])

        refused = self.run_command(
            "tripleo.parameters.update",
            container=self.plan,
            parameters={
                "ControllerCount": "many",
                "ControlerCount": 3,
                "NeutronGlobalPhysnetMtu": "wide",
                "LogrotateRotationInterval": "yearly",
            },
        )
        self.assertEqual("ParametersInvalid", refused["type"])
        self.assertEqual(
            {
                "ControllerCount",
                "ControlerCount",
                "NeutronGlobalPhysnetMtu",
                "LogrotateRotationInterval",
            },
            {fault["name"] for fault in refused["details"]["faults"]},
        )
        typo = next(f for f in refused["details"]["faults"] if f["name"] == "ControlerCount")
        self.assertIn("ControllerCount", typo["allowed"])

        updated = self.run_command(
            "tripleo.parameters.update", container=self.plan, parameters={"ComputeCount": 2}
        )
        self.assertEqual({"ComputeCount": 2}, updated["environment_parameters"])
        tree = updated["heat_resource_tree"]["parameters"]
        self.assertEqual("2", str(tree["ComputeCount"]["default"]))

        other = self.run_command("tripleo.heat_capabilities.get", container=self.plan)["Other"]
        offered = {
            item["file"]: item["enabled"]
            for group in other["environment_groups"]
            for item in group["environments"]
        }
        self.assertIs(False, offered["environments/debug.yaml"])
        chosen = self.run_command(
            "tripleo.heat_capabilities.update",
            container=self.plan,
            environments={"environments/debug.yaml": True},
        )
        self.assertEqual(
            [{"path": ROOT}, {"path": "environments/debug.yaml"}], chosen["environments"]
        )

        available = self.execute(
            "tripleo.plan_management.v1.list_available_roles", container=self.plan
        )["available_roles"]
        self.assertIn("Networker", {role["name"] for role in available})
        selected = self.execute(
            "tripleo.plan_management.v1.select_roles",
            container=self.plan,
            role_names=["Controller", "Compute", "Networker"],
        )
        names = ["Controller", "Compute", "Networker"]
        self.assertEqual(names, [role["name"] for role in selected["selected_roles"]])
        self.assertEqual(names, self.run_command("tripleo.role.list", container=self.plan))
        base.wait_for(
            lambda: self.mistral.executions.get(created["sync_execution"]).state == "SUCCESS",
            "the container's files",
        )
        paths = {o["name"] for o in self.swift.get_container(self.plan, full_listing=True)[1]}
        self.assertIn("common/services/networker-role.yaml", paths)
        self.assertNotIn("common/services/cephstorage-role.yaml", paths)

        told = self.run_command("tripleo.plan.history", container=self.plan)
        self.assertEqual([4, 3, 2, 1], [revision["revision"] for revision in told])
        self.assertEqual("try", told[-1]["reason"])
        self.assertEqual("admin", told[0]["user"])
        lies = self.run_command(
            "tripleo.plan.diff", container=self.plan, from_revision=1, to_revision=2
        )
        self.assertEqual({"ComputeCount": {"to": 2}}, lies["parameters"])

        self.run_command("tripleo.plan.rollback", container=self.plan, revision=1)
        self.assertEqual(
            {"files": [], "parameters": {}},
            {
                key: value
                for key, value in self.run_command(
                    "tripleo.plan.diff", container=self.plan, from_revision=1, to_revision=5
                ).items()
                if key in ("files", "parameters")
            },
        )
        paths = {o["name"] for o in self.swift.get_container(self.plan, full_listing=True)[1]}
        self.assertIn("common/services/cephstorage-role.yaml", paths)

        # The largest record of all this.
        for execution in self.mistral.executions.list():
            self.assertLess(len(self.mistral.executions.get(execution.id).output), 64 * 1024)
        for execution in self.mistral.action_executions.list():
            if getattr(execution, "task_name", None):
                stored = self.mistral.action_executions.get(execution.id).output
                self.assertLess(len(stored or ""), 64 * 1024, execution.name)


class TestRulesOfTheMap(CommandTestCase):
    MAP = """root_template: overcloud.yaml
root_environment: registry.yaml
topics:
  - title: Storage
    environment_groups:
      - title: Backend
        mutually_exclusive: true
        environments:
          - {file: environments/ceph.yaml, title: Ceph, requires: [environments/net.yaml]}
          - {file: environments/nfs.yaml, title: NFS}
  - title: Network
    environment_groups:
      - environments: [{file: environments/net.yaml, title: A network of its own}]
"""

    def test_a_choice_that_breaks_rules_is_refused_with_what_would_satisfy_it(self):
        empty = "parameter_defaults: {}\n"
        files = {f"environments/{name}.yaml": empty for name in ("ceph", "nfs", "net")}
        self.upload({**base.PLAN, **files, "capabilities-map.yaml": self.MAP})
        self.run_workflow(CREATE, container=self.plan)
        before = self.mistral.environments.get(self.plan).variables

        def choose(**choice):
            return self.run_command(
                "tripleo.heat_capabilities.update",
                container=self.plan,
                environments={f"environments/{name}.yaml": on for name, on in choice.items()},
            )

        refused = choose(ceph=True, nfs=True)
        self.assertEqual("CapabilitiesConflict", refused["type"])
        faults = {fault["rule"]: fault for fault in refused["details"]["faults"]}
        self.assertEqual({"requires", "mutually_exclusive"}, set(faults))
        self.assertIn("environments/net.yaml", faults["requires"]["message"])
        self.assertEqual(before, self.mistral.environments.get(self.plan).variables)
        self.assertEqual("EnvironmentNotFound", choose(none=True)["type"])

        choose(net=True, ceph=True)
        topics = self.run_command("tripleo.heat_capabilities.get", container=self.plan)
        (group,) = topics["Storage"]["environment_groups"]
        self.assertEqual([True, False], [item["enabled"] for item in group["environments"]])
        # The other way round: what is required stays.
        self.assertEqual("CapabilitiesConflict", choose(net=False)["type"])
        root = self.run_command(
            "tripleo.heat_capabilities.update",
            container=self.plan,
            environments={"registry.yaml": False},
        )
        self.assertEqual("CapabilitiesConflict", root["type"])


class TestHeatsAnswer(CommandTestCase):
    def test_it_is_kept_and_never_stale_after_a_direct_write(self):
        self.upload(base.PLAN)
        self.run_workflow(CREATE, container=self.plan)

        def tree():
            found = self.run_command("tripleo.parameters.get", container=self.plan)
            return found["heat_resource_tree"]["Parameters"]

        self.assertEqual("1", str(tree()["Size"]["Default"]))
        archive = f"{self.plan}.revisions"
        kept = [
            o["name"] for o in self.swift.get_container(archive, prefix="answers/parameters-")[1]
        ]
        self.assertEqual(1, len(kept))
        self.assertEqual("1", str(tree()["Size"]["Default"]))
        # Past all actions, as clients do: a template, then an environment's parameters.
        changed = base.PLAN["overcloud.j2.yaml"].replace("default: 1", "default: 7")
        self.swift.put_object(self.plan, "overcloud.j2.yaml", changed)
        self.assertEqual("7", str(tree()["Size"]["Default"]))
        variables = self.mistral.environments.get(self.plan).variables
        variables["parameter_defaults"] = {"Size": 4}
        self.mistral.environments.update(name=self.plan, variables=json.dumps(variables))
        self.assertEqual("4", str(tree()["Size"]["Default"]))

    def test_roles_without_a_roles_file_come_from_heat(self):
        plain = base.PLAN["overcloud.j2.yaml"].replace("{% for role in roles %}", "")
        plain = plain.replace("{% endfor %}", "").replace("{{role.name}}", "Gamma")
        files = {**base.PLAN, "overcloud.yaml": plain}
        del files["roles_data.yaml"], files["overcloud.j2.yaml"]
        self.upload(files)
        self.run_workflow(CREATE, container=self.plan)
        self.assertEqual(["Gamma"], self.run_command("tripleo.role.list", container=self.plan))


class TestMoving(CommandTestCase):
    def test_an_exported_plan_is_the_same_elsewhere_with_its_secrets_only_if_asked(self):
        secret = "canary-moved-Secret1"
        phrase = "a phrase of some length"
        template = base.PLAN["overcloud.j2.yaml"].replace(
            "parameters:",
            "parameters:\n  ApiPassword: {type: string, hidden: true, default: ''}",
            1,
        )
        self.upload({**base.PLAN, "overcloud.j2.yaml": template})
        self.run_workflow(CREATE, container=self.plan)
        values = {"Size": 3, "ApiPassword": secret}
        self.run_command("tripleo.parameters.update", container=self.plan, parameters=values)

        def revealed(plan):
            found = self.mistral.environments.get(plan).variables["parameter_defaults"]
            return {name: value for name, value in found.items() if name != "ApiPassword"}

        for name, passphrase in (("bare", None), ("whole", phrase)):
            copy = f"{self.plan}-{name}"
            self.addCleanup(self.remove_everything, copy)
            exported = self.run_command(
                "tripleo.plan.export", plan=self.plan, passphrase=passphrase
            )
            source = f"swift:{exported['container']}/{exported['object']}"
            packed = self.swift.get_object(exported["container"], exported["object"])[1]
            with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
                for member in archive:
                    self.assertNotIn(secret.encode(), archive.extractfile(member).read())
            wrong = self.run_command(
                "tripleo.plan.create",
                container=copy,
                source_url=source,
                passphrase="not the phrase at all",
            )
            self.assertIn(wrong["type"], ("SecretUnreadable", "InputInvalid"))
            self.run_command(
                "tripleo.plan.create", container=copy, source_url=source, passphrase=passphrase
            )
            self.assertEqual({"Size": 3}, revealed(copy))
            shown = self.run_command("tripleo.plan.show", container=copy)["parameters"]
            self.assertEqual(
                {"Size": 3, "ApiPassword": "******"} if passphrase else {"Size": 3}, shown
            )
        output = self.execute("tripleo.plan_management.v1.export_deployment_plan", plan=self.plan)
        fetched = self.session.get(output["tempurl"], authenticated=False)
        with tarfile.open(fileobj=io.BytesIO(fetched.content)) as archive:
            self.assertIn("plan-environment.yaml", archive.getnames())
        self.swift.delete_object("plan-exports", f"{self.plan}.tar.gz")


class TestUpdateRole(CommandTestCase):
    def test_a_role_gets_as_many_servers_as_nodes_are_tagged_for_it(self):
        profile = f"role{uuid.uuid4().hex[:8]}"
        url = self.session.get_endpoint(service_type="baremetal", interface="public")
        ironic = ironic_client.get_client("1", session=self.session, endpoint_override=url)
        for tagged in (profile, profile, "other"):
            node = ironic.node.create(
                driver="fake-hardware",
                properties={"capabilities": f"boot_mode:uefi,profile:{tagged}"},
            )
            self.addCleanup(ironic.node.delete, node.uuid)
        template = base.PLAN["overcloud.j2.yaml"].replace(
            "parameters:",
            f"parameters:\n  {profile.capitalize()}Count: {{type: number, default: 0}}",
            1,
        )
        self.upload({**base.PLAN, "overcloud.j2.yaml": template})
        self.run_workflow(CREATE, container=self.plan)
        updated = self.run_command(
            "tripleo.parameters.update_role", container=self.plan, role=profile
        )
        self.assertEqual([2], list(updated["parameters"].values()), updated)


class TestElsewhere(CommandTestCase):
    """A second undercloud, which allows templates from more sources."""

    def setUp(self):
        super().setUp()
        self.directory = Path(tempfile.mkdtemp(prefix="tripleo-other-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.sources = self.directory / "sources"
        self.sources.mkdir()
        handler = functools.partial(Quiet, directory=str(self.sources))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.host = f"127.0.0.1:{server.server_port}"
        options = self.directory / "state" / "etc" / "mistral" / "mistral.conf.d"
        options.mkdir(mode=0o700, parents=True)
        (options / "sources.conf").write_text(
            f"[tripleo]\nsource_schemes = http,file\nsource_hosts = {self.host}\n"
            f"templates_roots = {self.sources}\n"
        )
        other = lifecycle.Undercloud(state.StateDir(self.directory / "state"))
        self.addCleanup(other.down)
        other.up(ports="free", without=["ironic", "glance"])
        session = other.session()
        url = session.get_endpoint(service_type="workflowv2", interface="public")
        self.there = mistral_client.client(session=session, mistral_url=url)
        self.swift_there = swift_client.Connection(session=session)

    @staticmethod
    def act(mistral, name, **inputs):
        """Run an action so that Mistral stores nothing of it."""
        execution = mistral.action_executions.create(name, input=inputs, run_sync=True)
        return json.loads(execution.output)["result"]

    def test_a_plan_is_made_of_a_git_repository_and_updated_from_a_tarballs_url(self):
        repository = self.sources / "templates.git"
        for path, content in base.PLAN.items():
            (repository / path).parent.mkdir(parents=True, exist_ok=True)
            (repository / path).write_text(content)

        def git(*words):
            subprocess.run(
                ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *words],
                cwd=repository,
                check=True,
                capture_output=True,
            )

        git("init", "-b", "main")
        git("add", ".")
        git("commit", "-m", "templates")
        made = self.act(
            self.there,
            "tripleo.plan.create",
            container=self.plan,
            source_url=f"git+file://{repository}#main",
        )
        self.assertEqual(1, made.get("revision"), made)
        roles = self.act(self.there, "tripleo.role.list", container=self.plan)
        self.assertEqual(["Alpha", "Beta"], roles)
        (repository / "roles_data.yaml").write_text("- name: Gamma\n")
        git("commit", "-am", "another role")
        git("archive", "-o", str(self.sources / "plan.tar.gz"), "HEAD")
        url = f"http://{self.host}/plan.tar.gz"
        updated = self.act(self.there, "tripleo.plan.update", container=self.plan, source_url=url)
        self.assertEqual(2, updated.get("revision"), updated)
        roles = self.act(self.there, "tripleo.role.list", container=self.plan)
        self.assertEqual(["Gamma"], roles)
        refused = self.act(
            self.there,
            "tripleo.plan.create",
            container=f"{self.plan}-x",
            source_url="https://example.org/plan.tar.gz",
        )
        self.assertEqual("InputInvalid", refused["type"])
        self.assertIn("source_", refused["message"])

    def test_a_plan_moves_to_another_undercloud_with_its_passwords(self):
        template = base.PLAN["overcloud.j2.yaml"].replace(
            "parameters:", "parameters:\n  NovaPassword: {type: string, hidden: true}", 1
        )
        self.upload({**base.PLAN, "overcloud.j2.yaml": template})
        self.run_workflow(CREATE, container=self.plan)
        phrase = "between two underclouds"
        exported = self.act(self.mistral, "tripleo.plan.export", plan=self.plan, passphrase=phrase)
        packed = self.swift.get_object(exported["container"], exported["object"])[1]
        self.swift.delete_object(exported["container"], exported["object"])
        self.swift_there.put_container("uploads")
        self.swift_there.put_object("uploads", "plan.tar.gz", packed)
        inputs = {"container": self.plan, "source_url": "swift:uploads/plan.tar.gz"}
        made = self.act(self.there, "tripleo.plan.create", **inputs, passphrase=phrase)
        self.assertEqual(1, made.get("revision"), made)
        # The same passwords, at rest under another key.
        revealed = [
            self.act(mistral, "tripleo.parameters.get_passwords", container=self.plan, reveal=True)
            for mistral in (self.mistral, self.there)
        ]
        self.assertEqual({"NovaPassword"}, set(revealed[0]))
        self.assertEqual(revealed[0], revealed[1])
        stored = [
            mistral.environments.get(self.plan).variables["passwords"]["NovaPassword"]
            for mistral in (self.mistral, self.there)
        ]
        self.assertNotEqual(stored[0], stored[1])
