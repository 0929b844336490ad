import json
import os
import pathlib
import socket
import subprocess
import sys

import ddt
import fixtures
import psutil

from tests.unit import base
from tripleo_common import exceptions
from tripleo_common.undercloud import processes, state

STUBBORN = (
    "import signal, sys, time\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "print('ready', flush=True)\n"
    "time.sleep(60)\n"
)


class WithDirectory(base.TestCase):
    def setUp(self):
        super().setUp()
        self.directory = state.StateDir(pathlib.Path(self.temporary()) / "u")
        self.directory.create()
        self.log_file = self.directory.log("x")

    def spec(self, *argv, name="x", port=1):
        return processes.Spec(name, processes.Command(argv), port, f"http://{state.HOST}:{port}")

    def child(self, code="import time; time.sleep(60)", **options):
        """Start a real process of ours that is ended with the test."""
        child = subprocess.Popen([sys.executable, "-c", code], **options)

        def end():
            child.kill()
            child.wait()
            for stream in (child.stdout, child.stdin):
                if stream:
                    stream.close()

        self.addCleanup(end)
        return child

    def remember(self, process_id, **other):
        record = {
            "pid": process_id,
            "started": psutil.Process(process_id).create_time(),
            "boot": pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
            **other,
        }
        state.write_private(self.directory.record("x"), json.dumps(record))


@ddt.ddt
class LastWords(WithDirectory):
    @ddt.data(
        ("one\ntwo\n", "two"),
        ("start\nValueError: bad\nstopping\n", "ValueError: bad"),
        ("a ERROR heat first\nb ERROR heat second\nend\n", "b ERROR heat second"),
        ("error: no such option\nusage: x\n", "error: no such option"),
        ("oslo_db.exception.DBError\nbye\n", "oslo_db.exception.DBError"),
        ("\n\n  \n", "it left an empty log"),
        ("", "it left an empty log"),
        ("  spaces  \n\n", "spaces"),
    )
    @ddt.unpack
    def test_it_is_the_last_error_or_the_last_line(self, text, words):
        self.log_file.write_text(text)
        self.assertEqual(words, processes.last_words(self.log_file))

    def test_missing_log_is_told(self):
        self.assertEqual("it left no log", processes.last_words(self.log_file))

    def test_words_are_few_and_text_whatever_the_log_holds(self):
        self.log_file.write_bytes(b"\xff\xfe" + b"x" * 10**6)
        words = processes.last_words(self.log_file)
        self.assertLessEqual(len(words), 300)
        self.assertIsInstance(words, str)


@ddt.ddt
class Environment(base.TestCase):
    def test_it_carries_no_credentials_of_the_caller_and_no_proxy(self):
        for name in ("OS_PASSWORD", "OS_CLOUD", "http_proxy", "HTTPS_PROXY", "AWS_SECRET", "X"):
            self.useFixture(fixtures.EnvironmentVariable(name, "canary"))
        found = processes.environment({})
        self.assertNotIn("canary", found.values())
        self.assertEqual([], [name for name in found if name.startswith("OS_")])
        self.assertEqual(state.HOST, found["NO_PROXY"])

    def test_what_a_service_needs_is_added(self):
        self.assertEqual("1", processes.environment({"OS_X": "1"})["OS_X"])

    def test_programs_beside_this_python_are_found_first(self):
        first = processes.environment({})["PATH"].split(os.pathsep)[0]
        self.assertEqual(str(pathlib.Path(sys.executable).parent), first)


class Run(WithDirectory):
    def test_output_goes_to_a_private_log(self):
        command = processes.Command((sys.executable, "-c", "print('hello')"))
        processes.run(command, self.log_file)
        processes.run(command, self.log_file)
        self.assertEqual("hello\nhello\n", self.log_file.read_text())
        self.assertEqual(0o600, self.log_file.stat().st_mode & 0o777)

    def test_failure_names_the_command_its_code_its_words_and_its_log(self):
        command = processes.Command((sys.executable, "-c", "raise ValueError('why')"))
        error = self.assertRaises(exceptions.UndercloudError, processes.run, command, self.log_file)
        for words in ("python", "code 1", "ValueError: why", str(self.log_file)):
            self.assertIn(words, error.message)


class Start(WithDirectory):
    def test_process_runs_in_a_session_of_its_own_and_is_found_again(self):
        process = processes.start(
            self.spec(sys.executable, "-c", "import time; time.sleep(60)"), self.directory
        )
        self.addCleanup(processes.stop, ["x"], self.directory)
        self.assertEqual(process.pid, processes.find("x", self.directory).pid)
        self.assertNotEqual(os.getsid(0), os.getsid(process.pid))

    def test_program_that_is_not_there_is_told_with_what_to_do(self):
        error = self.assertRaises(
            exceptions.UndercloudError, processes.start, self.spec("/no/such"), self.directory
        )
        self.assertIn("/no/such", error.message)
        self.assertIn("pip install", error.message)

    def test_port_that_is_taken_is_told_with_who_has_it(self):
        with socket.socket() as other:
            other.bind((state.HOST, 0))
            other.listen()
            port = other.getsockname()[1]
            error = self.assertRaises(
                exceptions.UndercloudError, processes.check_port, self.spec("x", port=port)
            )
        self.assertIn(str(port), error.message)
        self.assertIn(f"process {os.getpid()} ", error.message)
        processes.check_port(self.spec("x", port=port))


@ddt.ddt
class Find(WithDirectory):
    def test_remembered_process_is_found(self):
        self.remember(os.getpid())
        self.assertEqual(os.getpid(), processes.find("x", self.directory).pid)

    @ddt.data({"started": 1.0}, {"boot": "another"}, {"pid": 2**22 + 1})
    def test_process_id_alone_proves_nothing(self, other):
        self.remember(os.getpid(), **other)
        self.assertIsNone(processes.find("x", self.directory))

    def test_process_that_was_never_started_is_not_found(self):
        self.assertIsNone(processes.find("x", self.directory))

    def test_process_that_has_ended_is_not_found(self):
        child = self.child("")
        self.remember(child.pid)
        child.wait()
        self.assertIsNone(processes.find("x", self.directory))

    @ddt.data("", "{", "[]", "null", "{}", '{"pid": "x"}', '{"pid": -5}', "5")
    def test_damaged_record_is_no_process(self, text):
        state.write_private(self.directory.record("x"), text)
        self.assertIsNone(processes.find("x", self.directory))


class Stop(WithDirectory):
    def setUp(self):
        super().setUp()
        self.useFixture(
            fixtures.MonkeyPatch("tripleo_common.undercloud.processes._STOP_SECONDS", 0.2)
        )

    def ready(self, code):
        child = self.child(code, stdout=subprocess.PIPE)
        self.assertEqual(b"ready\n", child.stdout.readline())
        self.remember(child.pid)
        return child

    def test_process_that_ignores_the_request_is_killed(self):
        child = self.ready(STUBBORN)
        self.assertEqual(["x"], processes.stop(["x"], self.directory))
        self.assertFalse(psutil.pid_exists(child.pid))
        self.assertIsNone(processes.find("x", self.directory))

    def test_what_it_started_ends_with_it(self):
        child = self.ready(
            "import subprocess, sys, time\n"
            f"grandchild = subprocess.Popen([sys.executable, '-c', {STUBBORN!r}])\n"
            "time.sleep(60)\n"
        )
        (grandchild,) = psutil.Process(child.pid).children()
        processes.stop(["x"], self.directory)
        self.assertFalse(grandchild.is_running() and grandchild.status() != "zombie")

    def test_process_that_does_not_run_is_not_named(self):
        self.assertEqual([], processes.stop(["x", "never"], self.directory))

    def test_process_of_somebody_else_with_that_id_is_left_alone(self):
        child = self.child()
        self.remember(child.pid, started=1.0)
        self.assertEqual([], processes.stop(["x"], self.directory))
        self.assertIsNone(child.poll())
