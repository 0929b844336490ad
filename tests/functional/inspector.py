"""ironic-inspector, which introspects the nodes of an undercloud's Ironic in a region of its own.

It needs other versions of libraries than the undercloud does, so it has a virtual environment of
its own. That is made with pip once, and kept for further runs in a directory of the user's own
below the temporary one. ``TRIPLEO_TEST_INSPECTOR_VENV`` names one that is there already.
"""

import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

import fixtures
import ironic_inspector_client
import requests
from keystoneauth1 import adapter

from tests.functional import base, clouds
from tripleo_common.undercloud import processes, state

VERSION = "12.5.0"
CONSTRAINTS = Path(__file__).with_name("inspector-constraints.txt")
SECONDS = 900
"""Generous: it only bounds an installation that would otherwise hang."""

SERVICE = "baremetal-introspection"

_SERVICES = ("baremetal", "object-store")
"""What introspection needs of the undercloud; a run's record is in its region's object store."""


@functools.cache
def environment() -> Path:
    """Return the virtual environment that has ironic-inspector; any number may ask at once."""
    given = os.environ.get("TRIPLEO_TEST_INSPECTOR_VENV")
    if given:
        return Path(given)
    directory = Path(tempfile.gettempdir()) / f"tripleo-test-{os.getuid()}"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if directory.stat().st_uid != os.getuid():
        raise PermissionError(f"{directory} belongs to somebody else")
    digest = hashlib.sha256(CONSTRAINTS.read_bytes() + sys.version.encode()).hexdigest()
    found = directory / f"ironic-inspector-{VERSION}-{digest[:12]}"
    complete = found / ".complete"
    with (directory / "inspector-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists():
            # What an installation has left that was ended half-way. Programs in there hold their
            # own path, so that the environment cannot be made elsewhere and moved into place.
            shutil.rmtree(found, ignore_errors=True)
            _run(sys.executable, "-m", "venv", "--without-pip", str(found))
            pip = (sys.executable, "-m", "pip", "--python", str(found / "bin" / "python"))
            # Most of it is never imported.
            install = (*pip, "install", "--quiet", "--no-compile")
            _run(*install, "--constraint", str(CONSTRAINTS), f"ironic-inspector=={VERSION}")
            complete.touch()
    return found


def _run(*command):
    result = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    if result.returncode:
        raise AssertionError(f"{command}: {result.returncode}\n{result.stdout}{result.stderr}")


class Inspector(fixtures.Fixture):
    """ironic-inspector, and a region that has it, and the undercloud's Ironic and Swift.

    The undercloud's own regions do not have it.

    :ivar region: name of the region.
    :ivar callback: URL to which ramdisks send what they have found.
    :ivar log: path of its log.
    :ivar client: of its API, as the undercloud's administrator.
    """

    def __init__(self, undercloud):
        """Say for which undercloud."""
        super().__init__()
        self._undercloud = undercloud
        self.region = f"inspector-{uuid.uuid4().hex[:8]}"

    def _setUp(self):
        root = Path(self.useFixture(fixtures.TempDir()).path)
        self._directory = state.StateDir(root)
        self._directory.assign_port("inspector", 5050, free=True)
        self._start()
        self.callback = f"{self._url}/v1/continue"
        self._publish()
        self.client = ironic_inspector_client.ClientV1(
            session=self._undercloud.session(), inspector_url=self._url
        )

    @property
    def _url(self):
        return f"http://{state.HOST}:{self._directory.port('inspector')}"

    def _start(self):
        directory = self._directory
        file = directory.etc("inspector") / "inspector.conf"
        directory.data("inspector").mkdir(mode=0o700, parents=True)
        state.write_ini(file, self._settings())
        self.log = directory.log("inspector")

        def command(name, *words):
            program = str(environment() / "bin" / name)
            return processes.Command((program, "--config-file", str(file), *words))

        processes.run(command("ironic-inspector-dbsync", "upgrade"), self.log)
        spec = processes.Spec(
            "inspector", command("ironic-inspector"), directory.port("inspector"), self._url
        )
        self.addCleanup(processes.stop, [spec.name], directory)
        processes.start(spec, directory)
        base.wait_for(self._answers, f"ironic-inspector, whose log is {self.log}")

    def _settings(self):
        undercloud = self._undercloud.directory
        credentials = {"auth_type": "password", **undercloud.credentials()}
        return {
            "DEFAULT": {
                "use_stderr": True,
                # All but each request.
                "default_log_levels": "eventlet.wsgi.server=WARNING",
                "transport_url": "fake:///",
                "listen_address": state.HOST,
                "listen_port": self._directory.port("inspector"),
                # It would wait so long between two nodes.
                "introspection_delay": 0,
            },
            "database": {"connection": f"sqlite:///{self._directory.data('inspector')}/db.sqlite"},
            "ironic": {**credentials, "region_name": undercloud.regions[0]},
            "keystone_authtoken": {
                "www_authenticate_uri": credentials["auth_url"],
                "region_name": undercloud.regions[0],
                **credentials,
            },
            "processing": {
                "store_data": "database",
                "processing_hooks": "$default_processing_hooks,lldp_basic",
            },
            "pxe_filter": {"driver": "noop"},
        }

    def _answers(self):
        if not processes.find("inspector", self._directory):
            raise AssertionError(f"ironic-inspector has ended: {processes.last_words(self.log)}")
        try:
            return requests.get(self._url, timeout=base.SECONDS).ok
        except requests.ConnectionError:
            return False

    def _publish(self):
        undercloud = self._undercloud
        self.useFixture(clouds.Fronts(undercloud, self.region, _SERVICES))
        keystone = adapter.Adapter(
            undercloud.session(),
            service_type="identity",
            interface="public",
            region_name=undercloud.directory.regions[0],
        )
        service = {"type": SERVICE, "name": self.region}
        made = keystone.post("/services", json={"service": service}).json()["service"]
        # Its endpoints go with it.
        self.addCleanup(keystone.delete, f"/services/{made['id']}")
        for interface in clouds.INTERFACES:
            endpoint = {
                "service_id": made["id"],
                "interface": interface,
                "region_id": self.region,
                "url": self._url,
            }
            keystone.post("/endpoints", json={"endpoint": endpoint})
