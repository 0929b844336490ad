"""What the unit tests share."""

import os

import fixtures
import testtools
from cryptography import fernet
from oslo_config import fixture as config_fixture

from tripleo_common import config, memory
from tripleo_common.clouds import clouds, sessions
from tripleo_common.plan import archive, plans, references, settings


class TestCase(testtools.TestCase):
    """Options of its own, a captured log, and no variable of the caller that clients read."""

    def setUp(self):
        super().setUp()
        for name in list(os.environ):
            if name.startswith("OS_") or name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
                self.useFixture(fixtures.EnvironmentVariable(name))
        config.options()
        self._config = self.useFixture(config_fixture.Config())
        self.log = self.useFixture(fixtures.FakeLogger())

    def start_executor(self):
        """Let everything from now on be done by a process that has read nothing yet."""
        for module, name in (
            (archive, "_FILES"),
            (references, "_MEMORY"),
            (plans, "_SCANS"),
            (settings, "_TREES"),
            (sessions, "_KEPT"),
            (clouds, "_TARGETS"),
        ):
            self.useFixture(fixtures.MockPatchObject(module, name, memory.Memory(8)))

    def use_keys(self, *keys):
        """Configure a file of encryption keys, newest first; one is made if none is given."""
        path = os.path.join(self.temporary(), "keys")
        lines = keys or (fernet.Fernet.generate_key().decode(),)
        with open(path, "w", opener=lambda p, flags: os.open(p, flags, 0o600)) as file:
            file.write("\n".join(lines))
        self.set_options(encryption_keys_file=path)
        return path

    def set_options(self, **options):
        """Set options of the group [tripleo] for this test."""
        self._config.config(group=config.GROUP, **options)

    def temporary(self):
        """Return a new empty directory."""
        return self.useFixture(fixtures.TempDir()).path
