"""Starting, finding again and ending the undercloud's processes."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import psutil

from tripleo_common import exceptions
from tripleo_common.undercloud import state

_LOG_LIMIT_BYTES = 50 * 1024 * 1024
_LOOKS_LIKE_ERROR = re.compile(r"\berror:|\bERROR\b|Error\b|Exception\b")
_STOP_SECONDS = 6.0
_UMASK = 0o077


@dataclasses.dataclass(frozen=True)
class Command:
    """A command line of the undercloud's own environment; never with a secret in it."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Further environment variables."""


@dataclasses.dataclass(frozen=True)
class Spec:
    """A long-running process: its name, what it runs and the port that it answers on."""

    name: str
    command: Command
    port: int
    url: str
    """Where users (or, behind a proxy, its front) reach it."""
    health: str = "/"
    """Path that answers without a token as soon as the process serves."""


def program(name: str) -> str:
    """Return the path of a command that was installed beside this Python."""
    return str(Path(sys.executable).parent / name)


def packaged(path: str) -> Path:
    """Return a configuration file that a package installed under this environment's ``etc``."""
    return Path(sys.prefix) / "etc" / path


def python(module: str, *arguments: str) -> tuple[str, ...]:
    """Return the command line that runs a module with this Python."""
    return (sys.executable, "-m", module, *arguments)


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Return a small, predictable environment: no ``OS_*`` of the caller, no proxy for loopback."""
    kept = {
        name: os.environ[name]
        for name in ("HOME", "LANG", "LC_ALL", "LOGNAME", "TMPDIR", "TZ", "USER")
        if name in os.environ
    }
    return {
        **kept,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "NO_PROXY": state.HOST,
        "PYTHONUNBUFFERED": "1",
        # The services import libraries that announce eventlet's retirement at every start.
        "PYTHONWARNINGS": "ignore::DeprecationWarning",
        # What bench/heat_settings.py varies.
        **{n: v for n, v in os.environ.items() if n.startswith("TRIPLEO_HEAT_")},
        **extra,
    }


def run(command: Command, log: Path) -> None:
    """Run a command to its end, its output appended to a log.

    :raises UndercloudError: it failed; names the command, its log and the last line there.
    """
    with _open_log(log) as stream:
        result = subprocess.run(
            command.argv,
            env=environment(command.env),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            umask=_UMASK,
            check=False,
        )
    if result.returncode:
        raise exceptions.UndercloudError(
            f"{Path(command.argv[0]).name} failed with code {result.returncode}: "
            f"{last_words(log)} (log: {log})"
        )


def check_port(spec: Spec) -> None:
    """Check that nobody listens where a process will.

    :raises UndercloudError: somebody does; names the process where that can be seen.
    """
    if state.port_is_taken(spec.port):
        raise exceptions.UndercloudError(
            f"Port {spec.port}, which {spec.name} needs, is taken{_holder(spec.port)}. Stop what "
            "holds it, or make another undercloud with --ports free and a --state-dir of its own."
        )


def start(spec: Spec, directory: state.StateDir) -> psutil.Process:
    """Start a process in a session of its own and remember it.

    :raises UndercloudError: its port is taken by somebody else, or it cannot be started.
    """
    check_port(spec)
    log = directory.log(spec.name)
    with _open_log(log) as stream:
        try:
            child = subprocess.Popen(
                spec.command.argv,
                env=environment(spec.command.env),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                cwd=directory.root,
                umask=_UMASK,
                start_new_session=True,
            )
        except OSError as error:
            raise exceptions.UndercloudError(
                f"{spec.name} cannot be started: {error.strerror}: {spec.command.argv[0]}. "
                "Install it with: pip install 'tripleo-common[undercloud]'"
            ) from error
    process = psutil.Process(child.pid)
    with contextlib.suppress(psutil.NoSuchProcess):
        state.write_private(
            directory.record(spec.name),
            json.dumps({"pid": child.pid, "started": process.create_time(), "boot": _boot_id()}),
        )
    return process


def find(name: str, directory: state.StateDir) -> psutil.Process | None:
    """Return the running process of that name, or nothing if it has ended.

    A process id alone proves nothing after a reboot or a long time: the time at which the process
    was started, and the boot, must be the remembered ones too.
    """
    try:
        record = json.loads(directory.record(name).read_text(encoding="utf-8"))
        process = psutil.Process(record["pid"])
        if (
            record["boot"] == _boot_id()
            and abs(process.create_time() - record["started"]) < 1
            and process.status() != psutil.STATUS_ZOMBIE
        ):
            return process
    except (OSError, ValueError, KeyError, TypeError, psutil.NoSuchProcess):
        pass
    return None


def family(process: psutil.Process) -> list[psutil.Process]:
    """Return a process and all that it started."""
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def memory_bytes(process: psutil.Process) -> int:
    """Return the resident memory of a process and all that it started, in bytes."""
    total = 0
    for member in family(process):
        with contextlib.suppress(psutil.Error):
            total += member.memory_info().rss
    return total


def stop(names: Iterable[str], directory: state.StateDir) -> list[str]:
    """End the named processes and all that they started; return the names that were running.

    They are asked first, all at once, and killed if they have not gone within a few seconds.
    """
    found = {name: process for name in names if (process := find(name, directory))}
    members = [member for process in found.values() for member in family(process)]
    for process in found.values():
        _signal(process, signal.SIGTERM)
    _, alive = psutil.wait_procs(members, timeout=_STOP_SECONDS)
    for process in alive:
        _signal(process, signal.SIGKILL)
    _, alive = psutil.wait_procs(alive, timeout=2)
    for name in found:
        directory.record(name).unlink(missing_ok=True)
    stuck = [p for p in alive if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    if stuck:
        raise exceptions.UndercloudError(
            f"Processes {', '.join(str(p.pid) for p in stuck)} do not end, not even when killed. "
            "They wait for a disk or are being traced; look at them with ps."
        )
    return list(found)


def last_words(log: Path) -> str:
    """Return the last telling line of a log: the last error where there is one."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - 20000))
            lines = stream.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return "it left no log"
    lines = [line.strip() for line in lines if line.strip()]
    errors = [line for line in lines if _LOOKS_LIKE_ERROR.search(line)]
    return (errors or lines or ["it left an empty log"])[-1][-300:]


def _open_log(log: Path):  # type: ignore[no-untyped-def]
    try:
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if log.is_file() and log.stat().st_size > _LOG_LIMIT_BYTES:
            log.replace(log.with_suffix(".log.1"))
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return os.fdopen(descriptor, "wb")
    except OSError as error:
        raise state.disk_error(log, error) from error


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _holder(port: int) -> str:
    with contextlib.suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            if (
                connection.laddr
                and connection.laddr.port == port
                and connection.status == psutil.CONN_LISTEN
                and connection.pid
            ):
                name = psutil.Process(connection.pid).name()
                return f" by process {connection.pid} ({name})"
    return ""
