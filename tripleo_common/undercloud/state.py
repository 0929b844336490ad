"""What an undercloud keeps on disk: its directory, its ports and its generated secrets."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import secrets
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tripleo_common import exceptions

HOST = "127.0.0.1"
"""The only address that anything of the undercloud listens on."""

REGIONS = ("regionOne", "regionTwo", "regionThree", "regionFour")
"""Names of the regions, in the order in which ``--regions N`` adds them."""

_NEEDED_BYTES = 300 * 1024 * 1024


def default_state_dir() -> Path:
    """Return where an undercloud lives unless told otherwise (XDG base directory specification)."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "tripleo-undercloud"


def write_private(path: Path, content: str) -> None:
    """Write a file that only its owner can read, whole or not at all.

    :raises UndercloudError: when the disk refuses it; names the file and what is free.
    """
    temporary = None
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).replace(path)
    except OSError as error:
        if temporary:
            with contextlib.suppress(OSError):
                Path(temporary).unlink(missing_ok=True)
        raise disk_error(path, error) from error


def disk_error(path: Path, error: OSError) -> exceptions.UndercloudError:
    """Put what the operating system said about a path into a sentence."""
    if error.errno == errno.ENOSPC:
        return exceptions.UndercloudError(
            f"The disk that holds {path} is full. Free some space there, or choose another "
            "place with --state-dir."
        )
    return exceptions.UndercloudError(
        f"{path} cannot be written: {error.strerror}. Choose another place with --state-dir."
    )


def write_ini(path: Path, sections: Mapping[str, Mapping[str, object]]) -> None:
    """Write an oslo.config or paste file, mode 0600. Section and option order is kept."""
    lines = []
    for section, options in sections.items():
        lines.append(f"[{section}]")
        lines.extend(f"{name} = {_ini_value(value)}" for name, value in options.items())
        lines.append("")
    write_private(path, "\n".join(lines))


def _ini_value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ",".join(str(item) for item in value)
    return str(value)


class StateDir:
    """The directory of one undercloud, with a name for everything in it.

    Settings (ports, regions, secrets) are one JSON file of mode 0600 that is made at the first
    ``up`` and then kept, so that endpoints and credentials survive any restart.
    """

    def __init__(self, root: Path) -> None:
        """Name the directory; nothing is made until :meth:`create`."""
        self.root = root.expanduser().absolute()
        self._saving = threading.RLock()
        self._settings: dict[str, Any] = {}
        if self.settings_file.is_file():
            try:
                self._settings = json.loads(self.settings_file.read_text(encoding="utf-8"))
                if not isinstance(self._settings, dict):
                    raise ValueError("it holds no mapping")
            except (OSError, ValueError) as error:
                raise exceptions.UndercloudError(
                    f"{self.settings_file} cannot be read ({error}). It holds the "
                    "undercloud's ports and credentials: restore it, or remove the whole "
                    "directory to start anew."
                ) from error

    @property
    def settings_file(self) -> Path:
        """The JSON file with ports, regions and secrets."""
        return self.root / "undercloud.json"

    @property
    def exists(self) -> bool:
        """Whether an ``up`` has ever been here."""
        return bool(self._settings)

    def etc(self, name: str) -> Path:
        """Return the configuration directory of a service."""
        return self.root / "etc" / name

    def data(self, name: str) -> Path:
        """Return the data directory of a service."""
        return self.root / "data" / name

    def log(self, process: str) -> Path:
        """Return the log file of a process."""
        return self.root / "log" / f"{process}.log"

    def record(self, process: str) -> Path:
        """Return the file that remembers a running process."""
        return self.root / "run" / f"{process}.json"

    def create(self) -> None:
        """Make the directory and check that the services can live in it.

        :raises UndercloudError: not writable, too little space, or no user extended attributes
            (Swift keeps an object's metadata in them).
        """
        try:
            for path in (self.root, *(self.root / n for n in ("etc", "data", "log", "run"))):
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
            free = shutil.disk_usage(self.root).free
        except OSError as error:
            raise disk_error(self.root, error) from error
        if free < _NEEDED_BYTES:
            raise exceptions.UndercloudError(
                f"The disk that holds {self.root} has {free // 2**20} MiB free; the undercloud "
                f"needs {_NEEDED_BYTES // 2**20} MiB. Free some space there, or choose another "
                "place with --state-dir."
            )
        probe = self.root / "run" / ".xattr"
        try:
            probe.touch()
            os.setxattr(probe, "user.swift.metadata", b"1")
        except OSError as error:
            raise exceptions.UndercloudError(
                f"The file system of {self.root} keeps no user extended attributes "
                f"({error.strerror}), and Swift stores metadata in them. Choose a directory on "
                "ext4, xfs or btrfs with --state-dir."
            ) from error
        finally:
            probe.unlink(missing_ok=True)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the directory's lock, so that two ``up`` or ``down`` never run at once.

        :raises UndercloudError: another command holds it.
        """
        with (self.root / "run" / ".lock").open("w") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise exceptions.UndercloudError(
                    f"Another tripleo-undercloud command is at work in {self.root}. "
                    "Wait for it to end, then run this one again."
                ) from None
            yield

    def save(self) -> None:
        """Write the settings."""
        with self._saving:
            write_private(self.settings_file, json.dumps(self._settings, indent=2) + "\n")

    def credentials(self) -> dict[str, str]:
        """Return the administrator's, as the ``auth`` of a cloud in ``clouds.yaml`` has them."""
        return {
            "auth_url": f"http://{HOST}:{self.port('keystone')}/v3",
            "username": "admin",
            "password": self.secret("user:admin"),
            "project_name": "admin",
            "user_domain_name": "Default",
            "project_domain_name": "Default",
        }

    def clouds(self, region: str | None = None) -> dict[str, Any]:
        """Return the content of a ``clouds.yaml`` whose cloud ``undercloud`` is this one."""
        cloud = {
            "auth": self.credentials(),
            "region_name": region or self.regions[0],
            "regions": self.regions,
            "identity_api_version": "3",
            "interface": "public",
        }
        return {"clouds": {"undercloud": cloud}}

    @property
    def regions(self) -> list[str]:
        """Names of the regions of this undercloud; the first one is its own."""
        return list(self._settings.get("regions", REGIONS[:1]))

    @regions.setter
    def regions(self, names: list[str]) -> None:
        self._settings["regions"] = names

    @property
    def without(self) -> list[str]:
        """Names of the services that this undercloud does without."""
        return list(self._settings.get("without", []))

    @without.setter
    def without(self, names: list[str]) -> None:
        self._settings["without"] = names

    @property
    def nodes(self) -> int:
        """How many emulated machines this undercloud has."""
        return int(self._settings.get("nodes", 0))

    @nodes.setter
    def nodes(self, count: int) -> None:
        self._settings["nodes"] = count

    def secret(self, name: str) -> str:
        """Return a generated secret (32 hexadecimal digits), the same one for ever."""
        kept: dict[str, str] = self._settings.setdefault("secrets", {})
        with self._saving:
            if name not in kept:
                # Hexadecimal: nothing that oslo.config, paste or a shell would interpret.
                kept[name] = secrets.token_hex(16)
                self.save()
            return kept[name]

    def port(self, name: str) -> int:
        """Return the port of a process.

        :raises KeyError: never assigned; see :meth:`assign_port`.
        """
        return int(self._settings["ports"][name])

    def assign_port(self, name: str, standard: int, *, free: bool) -> None:
        """Give a process its port, once: the well-known one, or a free one that is then kept."""
        ports: dict[str, int] = self._settings.setdefault("ports", {})
        if name in ports:
            return
        ports[name] = _free_port(set(ports.values())) if free else standard

    def forget_ports(self) -> None:
        """Let all ports be chosen anew, and prepare everything that knows them again."""
        self._settings.pop("ports", None)
        self._settings.pop("done", None)

    @property
    def mode(self) -> str | None:
        """How ports were chosen: ``standard``, ``free``, or nothing yet."""
        return self._settings.get("port_mode")

    @mode.setter
    def mode(self, mode: str) -> None:
        self._settings["port_mode"] = mode

    def done(self, step: str) -> str | None:
        """Return the mark that a finished first-time step left (a version, a digest)."""
        return self._settings.get("done", {}).get(step)  # type: ignore[no-any-return]

    def mark_done(self, step: str, mark: str) -> None:
        """Remember that a first-time step is finished, and save."""
        with self._saving:
            self._settings.setdefault("done", {})[step] = mark
            self.save()


def _free_port(taken: set[int]) -> int:
    # Below the range that the kernel hands to outgoing connections: the port must still be free
    # when the undercloud comes back after a reboot.
    return next(
        port
        for port in iter(lambda: 20000 + secrets.randbelow(12000), None)
        if port not in taken and not port_is_taken(port)
    )


def port_is_taken(port: int) -> bool:
    """Tell whether something already listens on a port of the loopback interface."""
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((HOST, port))
        except OSError:
            return True
    return False
