"""tripleo-undercloud itself: idempotent, restartable, private, and plain about what is wrong."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import psutil
import testtools
import yaml
from mistralclient.api import client as mistral_client

from tests.functional import base
from tripleo_common.undercloud import lifecycle, processes, state

PROGRAM = str(base.PROGRAMS / "tripleo-undercloud")


def run(*words, code=0):
    """Run tripleo-undercloud; return what it printed, both streams."""
    result = subprocess.run(
        [PROGRAM, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=base.SECONDS,
        check=False,
    )
    if result.returncode != code:
        raise AssertionError(f"{words}: code {result.returncode}\n{result.stdout}")
    return result.stdout


class OwnUndercloud(testtools.TestCase):
    """A directory for an undercloud of the test's own, stopped and removed at the end."""

    def setUp(self):
        super().setUp()
        self.root = Path(tempfile.mkdtemp(prefix="tripleo-own-"))
        self.addCleanup(shutil.rmtree, self.root, ignore_errors=True)
        self.where = ("--state-dir", str(self.root))
        self.addCleanup(run, "down", *self.where)

    def pids(self):
        rows = json.loads(subprocess.check_output([PROGRAM, "status", "-f", "json", *self.where]))
        return {row["Service"]: row["PID"] for row in rows}

    def members(self):
        """Return the processes that have this undercloud's directory in their command line."""
        found = []
        for process in psutil.process_iter(["cmdline", "pid"]):
            line = " ".join(process.info["cmdline"] or [])
            if str(self.root) in line and "tripleo-undercloud" not in line:
                found.append(process)
        return found


class TestLife(OwnUndercloud):
    def test_up_again_down_and_kill_keep_all_data(self):
        small = ("--without", "ironic,glance,heat")
        first = run("up", *self.where, "--ports", "free", *small)
        self.assertIn("keystone", first)
        self.assertIn("is up", first)
        self.assertIn("running already", run("up", *self.where))
        before = self.pids()
        self.assertEqual(
            {"keystone", "mistral", "swift-account", "swift-container", "swift-object",
             "swift-proxy"},
            set(before),
        )  # fmt: skip
        self.environment("demo")
        self.assertIn("processes have ended", run("down", *self.where))
        self.assertEqual([], self.members())
        self.assertIn("No undercloud is running", run("down", *self.where))

        run("up", *self.where)
        self.assertIn("demo", self.environments())

        # Killed hard, as by a reboot.
        for process in self.members():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        base.wait_for(lambda: not self.members(), "all are dead")
        run("up", *self.where)
        self.assertIn("demo", self.environments())
        # One service is gone: only it is started.
        before = self.pids()
        os.kill(before["swift-object"], signal.SIGKILL)
        base.wait_for(lambda: not psutil.pid_exists(before["swift-object"]), "it is dead")
        status = subprocess.run(
            [PROGRAM, "status", "-f", "json", *self.where], capture_output=True, check=False
        )
        self.assertEqual(1, status.returncode)
        dead = [r["Service"] for r in json.loads(status.stdout) if not r["Healthy"]]
        self.assertEqual(["swift-object"], dead)
        run("up", *self.where)
        after = self.pids()
        self.assertNotEqual(before.pop("swift-object"), after.pop("swift-object"))
        self.assertEqual(before, after)
        # A region more, in the same catalogue.
        run("up", *self.where, "--regions", "2")
        self.assertIn("swift-proxy-regionTwo", self.pids())
        # An action goes to the region, and to the cloud, that it is told.
        for place in ({"action_region": "regionTwo"}, {"cloud": "undercloud"}):
            inputs = json.dumps({"container": f"plan-{next(iter(place))[0]}", **place})
            answer = self.mistral("run-action", "tripleo.plan.create_container", inputs)
            self.assertEqual({"result": None}, json.loads(answer))
        self.assertEqual(["plan-a"], self.swift("regionTwo", "list").split())
        self.assertEqual(["plan-c"], self.swift("regionOne", "list").split())
        wrong = json.dumps({"action_region": "regionNine"})
        answer = json.loads(self.mistral("run-action", "tripleo.plan.list", wrong))
        self.assertEqual("RegionNotFound", answer["result"]["type"])
        self.assertEqual(["regionOne", "regionTwo"], answer["result"]["details"]["available"])
        clouds = yaml.safe_load(run("env", *self.where, "--format", "clouds.yaml"))
        self.assertEqual(["regionOne", "regionTwo"], clouds["clouds"]["undercloud"]["regions"])
        self.assertIn("none can be taken away", run("up", *self.where, "--regions", "1", code=1))

    def environment(self, name):
        self.mistral("environment-create", self.file(f'{{"name": "{name}", "variables": "{{}}"}}'))

    def environments(self):
        return self.mistral("environment-list", "-f", "value")

    def file(self, content):
        path = self.root / "environment.json"
        path.write_text(content)
        return str(path)

    def mistral(self, *words):
        return self.client("regionOne", "mistral", *words)

    def swift(self, region, *words):
        return self.client(region, "swift", *words)

    def client(self, region, *words):
        env = f"{PROGRAM} env --state-dir {self.root} --region {region}"
        script = f'eval "$({env})"; exec "$@"'
        return subprocess.check_output(["bash", "-c", script, "bash", *words], text=True)


class TestServiceDown(OwnUndercloud):
    def test_a_service_that_is_down_is_named_and_nothing_is_half_made(self):
        run("up", *self.where, "--ports", "free", "--without", "ironic,glance")
        made = lifecycle.Undercloud(state.StateDir(self.root))
        session = made.session()
        url = session.get_endpoint(service_type="workflowv2", interface="public")
        mistral = mistral_client.client(session=session, mistral_url=url)

        def workflow(name, **inputs):
            execution = mistral.executions.create(f"tripleo.{name}", workflow_input=inputs)
            ended = base.wait_for(
                lambda: (e := mistral.executions.get(execution.id)).state != "RUNNING" and e, name
            )
            return ended.state, json.loads(ended.output)

        create = "plan_management.v1.create_default_deployment_plan"
        self.assertEqual("SUCCESS", workflow(create, container="good")[0])
        for process, service, name, container in (
            ("heat", "orchestration", "deployment.v1.deploy_plan", "good"),
            ("heat", "orchestration", "plan_management.v1.delete_deployment_plan", "good"),
            ("swift-proxy", "object-store", create, "other"),
            ("swift-proxy", "object-store", "plan_management.v1.update_deployment_plan", "good"),
            ("swift-proxy", "object-store", "plan_management.v1.list_plans", None),
        ):
            processes.stop([process], made.directory)
            ended, output = workflow(name, **({"container": container} if container else {}))
            self.assertEqual(("ERROR", "FAILED"), (ended, output["status"]), output)
            self.assertEqual("ServiceUnavailable", output["error"]["type"], output)
            self.assertIn(service, output["message"])
            self.assertIn("cannot be reached", output["message"])
        run("up", *self.where)
        ended, output = workflow("plan_management.v1.list_plans")
        self.assertEqual(["good"], output["plans"])
        self.assertEqual({"good"}, {e.name for e in mistral.environments.list()})

    def test_an_up_that_is_told_to_end_leaves_nothing_running(self):
        with subprocess.Popen(
            [PROGRAM, "up", *self.where, "--ports", "free"], stdout=subprocess.PIPE, text=True
        ) as starting:
            base.wait_for(self.members, "something has been started")
            starting.terminate()
            starting.wait(base.SECONDS)
        self.assertEqual(130, starting.returncode)
        self.assertEqual([], self.members())


class TestErrors(OwnUndercloud):
    def test_a_taken_port_is_named_and_nothing_is_started(self):
        directory = state.StateDir(self.root)
        directory.create()
        directory.mode = "free"
        with socket.socket() as holder:
            holder.bind((state.HOST, 0))
            holder.listen()
            port = holder.getsockname()[1]
            directory.assign_port("keystone", port, free=False)
            directory.mark_done("schema:keystone", "an earlier run")
            told = run("up", *self.where, code=1)
        self.assertIn(f"Port {port}, which keystone needs, is taken", told)
        self.assertIn(str(os.getpid()), told)
        self.assertEqual([], self.members())

    def test_a_service_that_dies_is_named_with_its_log_and_all_others_are_stopped(self):
        directory = state.StateDir(self.root)
        directory.create()
        # A database that is none.
        (directory.data("keystone")).mkdir(parents=True)
        (directory.data("keystone") / "keystone.sqlite").write_text("rubbish, not a database" * 99)
        told = run("up", *self.where, "--ports", "free", code=1)
        self.assertIn("keystone", told.splitlines()[-1])
        self.assertIn(str(directory.log("keystone")), told)
        self.assertEqual([], self.members())

    def test_what_cannot_be_is_refused_in_a_sentence(self):
        for words, expected in (
            (("up", "--without", "nova"), "'nova' is not a service that can be left out"),
            (("up", "--without", "keystone"), "'keystone' is not a service"),
            (("up", "--regions", "9"), "--regions 9 is not possible"),
            (("status",), "There is no undercloud in"),
            (("env",), "There is no undercloud in"),
            (("logs", "nova"), "There is no log of 'nova'"),
        ):
            told = run(*words, *self.where, code=1)
            self.assertIn(expected, told)
            self.assertNotIn("Traceback", told)
        self.assertEqual([], self.members())

    def test_a_directory_that_cannot_be_written_is_named(self):
        file = self.root / "file"
        file.write_text("")
        told = run("up", "--state-dir", str(file / "below"), code=1)
        self.assertIn(str(file), told)
        self.assertNotIn("Traceback", told)


class TestShared(base.FunctionalTestCase):
    def test_status_shows_every_process_healthy(self):
        where = str(self.undercloud.directory.root)
        rows = json.loads(
            subprocess.check_output([PROGRAM, "status", "-f", "json", "--state-dir", where])
        )
        services = {row["Service"] for row in rows}
        self.assertLessEqual({"keystone", "mistral", "heat", "glance", "ironic"}, services)
        for row in rows:
            self.assertTrue(row["Healthy"], row)
            self.assertGreater(row["Memory (MiB)"], 1)
        table = run("status", "--state-dir", where)
        self.assertIn("| Service", table)

    def test_everything_listens_on_loopback_only(self):
        for spec in self.specs():
            process = processes.find(spec.name, self.undercloud.directory)
            for member in processes.family(process):
                for connection in member.net_connections("inet"):
                    if connection.status == psutil.CONN_LISTEN:
                        self.assertEqual("127.0.0.1", connection.laddr.ip, spec)

    def test_no_secret_is_in_a_command_line_and_no_file_is_readable_by_others(self):
        directory = self.undercloud.directory
        secrets = json.loads(directory.settings_file.read_text())["secrets"].values()
        for spec in self.specs():
            process = processes.find(spec.name, directory)
            for member in processes.family(process):
                line = " ".join(member.cmdline())
                for secret in secrets:
                    self.assertNotIn(secret, line, spec.name)
        self.assertEqual(0o700, directory.root.stat().st_mode & 0o777)
        for path in (directory.root / "etc").rglob("*.*"):
            self.assertEqual(0, path.stat().st_mode & 0o077, path)
        self.assertEqual(0, directory.settings_file.stat().st_mode & 0o077)
        for path in (directory.root / "log").iterdir():
            self.assertEqual(0, path.stat().st_mode & 0o077, path)

    def test_no_secret_is_in_a_log(self):
        directory = self.undercloud.directory
        secrets = json.loads(directory.settings_file.read_text())["secrets"]
        for path in (directory.root / "log").iterdir():
            text = path.read_text(errors="replace")
            for name, secret in secrets.items():
                self.assertNotIn(secret, text, f"{name} in {path.name}")

    def test_real_commands_reach_every_service(self):
        for words in (
            ("openstack", "catalog", "list"),
            ("openstack", "stack", "list"),
            ("openstack", "image", "list"),
            ("openstack", "baremetal", "node", "list"),
            ("swift", "stat"),
            ("mistral", "workbook-list"),
        ):
            self.assertTrue(self.command(*words), words)

    def test_logs_shows_a_log(self):
        where = str(self.undercloud.directory.root)
        self.assertIn(
            "Executor server started",
            run("logs", "mistral", "--lines", "99999", "--state-dir", where),
        )

    def specs(self):
        from tripleo_common.undercloud import services

        return [s for unit in services.build(self.undercloud.directory) for s in unit.specs()]
