"""The BMCs of emulated machines: sushy-emulator's Redfish service, and the power behind it.

Usage: ``python -m tripleo_common.undercloud.servers.bmc NODES HTPASSWD DATA IRONIC PORT``

Systems and faults come from a file, see :mod:`tripleo_common.undercloud.bare_metal.nodes`. A
machine that is switched on boots its ramdisk in a thread of this process, at once and without
anybody asking for it. The end of this process is a power cut: all machines are off afterwards.
"""

from __future__ import annotations

import errno
import json
import logging
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from sushy_tools import error  # type: ignore[import-untyped]
from sushy_tools.emulator import main as emulator  # type: ignore[import-untyped]
from sushy_tools.emulator.resources.systems import fakedriver  # type: ignore[import-untyped]
from werkzeug import wrappers

from tripleo_common.undercloud.bare_metal import nodes, ramdisk, shapes
from tripleo_common.undercloud.servers import wsgi

LOG = logging.getLogger(__name__)

_THREADS = 16

_OFF = ("ForceOff", "GracefulShutdown")
_ON = ("On", "ForceOn")
_RESTART = ("ForceRestart", "GracefulRestart", "PowerCycle")
_LIGHTS = ("Lit", "Blinking", "Off")

Boot = Callable[[nodes.Node, threading.Event], None]
"""Is called in a thread of its own when a machine is switched on; the event says when it is off."""


class Systems(fakedriver.FakeDriver):  # type: ignore[misc]
    """The emulator's fake systems: those of the file, whose power switches at once."""

    def __init__(self, file: nodes.File, boot: Boot) -> None:
        """Begin with all systems switched off."""
        self._file = file
        self._boot = boot
        self._lock = threading.Lock()
        self._systems: dict[str, dict[str, Any]] = {}
        self._running: dict[str, threading.Event] = {}

    @property
    def systems(self) -> list[str]:
        """Return the ids of all systems."""
        return list(self._file.nodes())

    def _node(self, identity: str) -> nodes.Node:
        known = self._file.nodes()
        if identity in known:
            return known[identity]
        for node in known.values():
            if node.name == identity:
                raise error.AliasAccessError(node.uuid)
        raise error.NotFound(f"There is no system {identity}.")

    def _get(self, identity: str) -> dict[str, Any]:
        node = self._node(identity)
        system = self._systems.setdefault(node.uuid, {"uuid": node.uuid, "power_state": "Off"})
        return {**system, "name": node.name}

    def _update(self, system: str | dict[str, Any], **changes: Any) -> None:
        uuid = system if isinstance(system, str) else system["uuid"]
        self._get(uuid)
        self._systems[uuid] |= changes

    def set_power_state(self, identity: str, state: str) -> None:
        """Switch a system on or off."""
        node = self._node(identity)
        if state not in (*_ON, *_OFF, *_RESTART):
            raise error.NotSupportedError(f"There is no reset of type {state}.")
        with self._lock:
            if state not in _ON and (off := self._running.pop(node.uuid, None)):
                off.set()
            if state not in _OFF and node.uuid not in self._running:
                off = self._running[node.uuid] = threading.Event()
                threading.Thread(target=self._boot, args=(node, off), daemon=True).start()
            self._update(node.uuid, power_state="On" if node.uuid in self._running else "Off")

    def get_nics(self, identity: str) -> list[dict[str, str]]:
        """Return the NICs that the BMC knows: those that the machine is registered with."""
        return [{"id": mac, "mac": mac} for mac in self._node(identity).macs]

    # Kept in files by the emulator, and asked for with each look at a system.

    def get_indicator_state(self, identity: str) -> str:
        """Return what the light of a system or chassis does."""
        return str(self._systems.get(identity, {}).get("light", "Off"))

    def set_indicator_state(self, identity: str, state: str) -> None:
        """Let a system's light be ``Lit``, ``Blinking`` or ``Off``."""
        if state not in _LIGHTS:
            raise error.FishyError(f"There is no light that is {state}.")
        self._update(identity, light=state)

    # What the "redfish" inspect interface asks for.

    def _shape(self, identity: str) -> shapes.Shape:
        return shapes.SHAPES[self._node(identity).shape]

    def get_total_memory(self, identity: str) -> int:
        """Return the memory, in GiB."""
        return self._shape(identity).memory_gib

    def get_total_cpus(self, identity: str) -> int:
        """Return how many CPUs there are."""
        return self._shape(identity).cpus

    def get_processors(self, identity: str) -> list[dict[str, Any]]:
        """Return the sockets."""
        shape = self._shape(identity)
        return [
            {
                "id": f"CPU{socket}",
                "socket": f"CPU {socket}",
                "vendor": shape.cpu_model.split("(")[0],
                "model": shape.cpu_model,
                "cores": shape.cores,
                "threads": shape.cores * shape.threads,
            }
            for socket in range(shape.sockets)
        ]

    def get_storage_col(self, identity: str) -> list[dict[str, Any]]:
        """Return the one storage controller."""
        drives = [drive["Id"] for drive in self.get_drives(identity, "1")]
        return [{"Id": "1", "Name": "Storage", "StorageControllers": [], "Drives": drives}]

    def get_drives(self, identity: str, storage_id: str) -> list[dict[str, Any]]:
        """Return the disks of the storage controller."""
        return [
            {
                "Id": str(number),
                "Name": f"Disk {number}",
                "CapacityBytes": disk.bytes,
                "Protocol": "NVMe" if disk.nvme else "SATA",
            }
            for number, disk in enumerate(self._shape(identity).disks)
        ]

    def get_volumes_col(self, identity: str, storage_id: str) -> list[dict[str, Any]]:
        """Return the RAID volumes: none."""
        return []

    def get_all_storage(self) -> list[tuple[str, str]]:
        """Return no storage: this is for the chassis, and who wants to know looks at a system."""
        return []

    def get_all_drives(self) -> list[tuple[str, str, str]]:
        """Return no disks; see :meth:`get_all_storage`."""
        return []


class Faults:
    """In front of the emulator: BMCs that refuse or do not answer."""

    def __init__(self, application: Any, file: nodes.File) -> None:
        """Stand in front of a WSGI application."""
        self._application = application
        self._file = file

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer a request, or do not."""
        # /redfish/v1/Systems/<uuid> and what is below it; its manager has the same id.
        words = environ.get("PATH_INFO", "").split("/")
        node = self._file.nodes().get(words[4]) if len(words) > 4 else None
        if node and node.fault == "unreachable":
            # Closes the connection without an answer, as the server does when a client has gone.
            raise ConnectionResetError(errno.ECONNRESET, f"the BMC of {node.name} is unreachable")
        if node and node.fault == "refuse":
            message = f"The BMC of {node.name} does not know these credentials."
            response = wrappers.Response(
                json.dumps({"error": {"code": "Base.1.0.NoValidSession", "message": message}}),
                401,
                {"WWW-Authenticate": 'Basic realm="BMC"'},
                content_type="application/json",
            )
            return response(environ, start_response)
        answer: Iterable[bytes] = self._application(environ, start_response)
        return answer


def application(file: nodes.File, htpasswd: str, data: str, boot: Boot) -> Any:
    """Return the WSGI application of the BMCs.

    :param htpasswd: file with users and their passwords' bcrypt hashes.
    :param data: directory in which the emulator keeps what it remembers.
    """
    app = emulator.app
    app.configure(extra_config={"SUSHY_EMULATOR_STATE_DIR": data})
    # It chooses its drivers by name from those that come with it.
    kind = type(app)
    kind.systems = kind.storage = kind.drives = kind.volumes = kind.indicators = Systems(file, boot)
    return Faults(emulator.RedfishAuthMiddleware(app, htpasswd), file)


def main() -> None:
    """Serve until asked to end (SIGTERM)."""
    nodes_file, htpasswd, data, ironic, port = sys.argv[1:]
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    http = ramdisk.session()

    def boot(node: nodes.Node, off: threading.Event) -> None:
        try:
            ramdisk.Ramdisk(node, ironic, http).run(off)
        except Exception:
            LOG.exception("%s: its ramdisk has crashed.", node.name)

    wsgi.serve(application(nodes.File(Path(nodes_file)), htpasswd, data, boot), int(port))


if __name__ == "__main__":
    wsgi.end_with(main)
