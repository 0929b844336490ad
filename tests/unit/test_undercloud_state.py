import errno
import json
import os
import pathlib
import socket
import stat

import ddt
import fixtures

from tests.unit import base
from tripleo_common import exceptions
from tripleo_common.undercloud import state


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


class WithDirectory(base.TestCase):
    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.temporary()) / "undercloud"
        self.directory = state.StateDir(self.root)

    def again(self):
        """Look at the same directory anew, as the next command does."""
        return state.StateDir(self.root)


@ddt.ddt
class Files(WithDirectory):
    def test_private_file_is_for_its_owner_alone_whatever_the_umask(self):
        before = os.umask(0)
        self.addCleanup(os.umask, before)
        file = self.root / "a" / "b.conf"
        state.write_private(file, "x\n")
        self.assertEqual((0o600, 0o700), (mode(file), mode(file.parent)))
        file.chmod(0o644)
        state.write_private(file, "y\n")
        self.assertEqual((0o600, "y\n"), (mode(file), file.read_text()))

    def test_everything_that_is_made_is_for_its_owner_alone(self):
        self.directory.create()
        self.directory.secret("x")
        self.assertEqual(0o700, mode(self.root))
        self.assertEqual(0o600, mode(self.directory.settings_file))

    def test_full_disk_is_one_sentence_and_the_old_file_stays(self):
        self.directory.create()
        secret = self.directory.secret("x")

        def full(*_arguments):
            raise OSError(errno.ENOSPC, "No space left on device")

        self.useFixture(fixtures.MonkeyPatch("os.fsync", full))
        error = self.assertRaises(exceptions.UndercloudError, self.directory.secret, "y")
        self.assertIn("is full", error.message)
        self.assertIn(str(self.directory.settings_file), error.message)
        self.assertIn("--state-dir", error.message)
        self.assertNotIn("\n", error.message)
        self.assertEqual(secret, self.again().secret("x"))
        self.assertEqual(
            ["undercloud.json"], [path.name for path in self.root.iterdir() if path.is_file()]
        )

    def test_refused_write_says_what_the_system_said(self):
        def refuse(*_arguments):
            raise OSError(errno.EROFS, "Read-only file system")

        self.useFixture(fixtures.MonkeyPatch("os.fsync", refuse))
        error = self.assertRaises(
            exceptions.UndercloudError, state.write_private, self.root / "x", "y"
        )
        self.assertIn("Read-only file system", error.message)

    def test_place_that_is_a_file_is_refused(self):
        self.root.write_text("")
        self.assertRaises(exceptions.UndercloudError, self.directory.create)

    def test_too_little_space_is_told_before_anything_starts(self):
        self.useFixture(
            fixtures.MonkeyPatch(
                "shutil.disk_usage", lambda _: type("Usage", (), {"free": 5 * 2**20})()
            )
        )
        error = self.assertRaises(exceptions.UndercloudError, self.directory.create)
        self.assertIn("5 MiB free", error.message)

    def test_file_system_without_extended_attributes_is_told(self):
        def refuse(*_arguments):
            raise OSError(errno.EOPNOTSUPP, "Operation not supported")

        self.useFixture(fixtures.MonkeyPatch("os.setxattr", refuse))
        error = self.assertRaises(exceptions.UndercloudError, self.directory.create)
        self.assertIn("extended attributes", error.message)

    @ddt.data(
        ({"a": True, "b": False}, "a = true\nb = false\n"),
        ({"a": ["x", "y"]}, "a = x,y\n"),
        ({"a": pathlib.Path("/p"), "b": 5}, "a = /p\nb = 5\n"),
    )
    @ddt.unpack
    def test_configuration_file_is_written_as_oslo_config_reads_it(self, options, text):
        file = self.root / "x.conf"
        state.write_ini(file, {"DEFAULT": options})
        self.assertEqual(f"[DEFAULT]\n{text}", file.read_text())
        self.assertEqual(0o600, mode(file))


@ddt.ddt
class Settings(WithDirectory):
    def test_nothing_is_made_by_looking(self):
        self.assertFalse(self.directory.exists)
        self.assertFalse(self.root.exists())

    def test_secret_stays_the_same_for_ever(self):
        secret = self.directory.secret("user:admin")
        self.assertEqual(secret, self.directory.secret("user:admin"))
        self.assertEqual(secret, self.again().secret("user:admin"))
        self.assertNotEqual(secret, self.directory.secret("user:heat"))

    def test_secret_needs_no_quoting_anywhere(self):
        self.assertRegex(self.directory.secret("x"), "^[0-9a-f]{32}$")

    def test_port_is_kept(self):
        self.directory.assign_port("heat", 8004, free=True)
        self.directory.save()
        again = self.again()
        port = again.port("heat")
        again.assign_port("heat", 8004, free=True)
        again.assign_port("heat", 8004, free=False)
        self.assertEqual(port, again.port("heat"))

    def test_standard_ports_are_the_well_known_ones(self):
        self.directory.assign_port("heat", 8004, free=False)
        self.assertEqual(8004, self.directory.port("heat"))

    def test_free_ports_are_different_and_outside_of_the_kernels_range(self):
        for number in range(50):
            self.directory.assign_port(f"p{number}", 8004, free=True)
        ports = {self.directory.port(f"p{number}") for number in range(50)}
        self.assertEqual(50, len(ports))
        self.assertTrue(all(20000 <= port < 32768 for port in ports))

    def test_port_that_somebody_listens_on_is_taken(self):
        with socket.socket() as other:
            other.bind((state.HOST, 0))
            other.listen()
            port = other.getsockname()[1]
            self.assertTrue(state.port_is_taken(port))
        self.assertFalse(state.port_is_taken(port))

    def test_port_never_assigned_is_no_port(self):
        self.assertRaises(KeyError, self.directory.port, "heat")

    @ddt.data(b"", b"{", b"[]", b"null", b"5", b'"text"', b"\xff\xfe", b'{"ports": ')
    def test_damaged_settings_are_told_with_what_to_do(self, content):
        self.root.mkdir()
        self.directory.settings_file.write_bytes(content)
        error = self.assertRaises(exceptions.UndercloudError, self.again)
        self.assertIn(str(self.directory.settings_file), error.message)
        self.assertIn("restore it", error.message)

    def test_finished_step_is_remembered(self):
        self.directory.mark_done("schema:heat", "27")
        self.assertEqual("27", self.again().done("schema:heat"))
        self.assertIsNone(self.again().done("schema:swift"))

    def test_forgotten_ports_prepare_everything_anew_and_keep_the_secrets(self):
        secret = self.directory.secret("x")
        self.directory.assign_port("heat", 8004, free=False)
        self.directory.mark_done("schema:heat", "27")
        self.directory.forget_ports()
        self.assertIsNone(self.directory.done("schema:heat"))
        self.assertRaises(KeyError, self.directory.port, "heat")
        self.assertEqual(secret, self.directory.secret("x"))

    def test_first_region_is_there_without_being_asked_for(self):
        self.assertEqual(["regionOne"], self.directory.regions)

    def test_place_follows_the_xdg_specification(self):
        self.useFixture(fixtures.EnvironmentVariable("XDG_STATE_HOME", "/xdg"))
        self.assertEqual(pathlib.Path("/xdg/tripleo-undercloud"), state.default_state_dir())
        self.useFixture(fixtures.EnvironmentVariable("XDG_STATE_HOME"))
        self.useFixture(fixtures.EnvironmentVariable("HOME", "/home/x"))
        self.assertEqual(
            pathlib.Path("/home/x/.local/state/tripleo-undercloud"), state.default_state_dir()
        )

    def test_settings_are_one_json_file(self):
        self.directory.regions = ["regionOne", "regionTwo"]
        self.directory.save()
        self.assertEqual(
            {"regions": ["regionOne", "regionTwo"]},
            json.loads(self.directory.settings_file.read_text()),
        )


class Lock(WithDirectory):
    def setUp(self):
        super().setUp()
        self.directory.create()

    def test_second_command_is_refused_while_the_first_is_at_work(self):
        with self.directory.locked():
            error = self.assertRaises(exceptions.UndercloudError, self.again().locked().__enter__)
        self.assertIn(str(self.root), error.message)

    def test_lock_is_free_again_afterwards_even_after_an_error(self):
        def fails():
            with self.directory.locked():
                raise ValueError

        self.assertRaises(ValueError, fails)
        with self.again().locked():
            pass
