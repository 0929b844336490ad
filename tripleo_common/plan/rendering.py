"""Rendering in a process of its own, which gets only so much memory and time.

A sandbox keeps templates from what they must not reach, but a single expression can take all memory
(``{{ 'x' * 10**10 }}``) or hours (``{{ 10 ** (10**9) }}``), and nothing in a process can stop it.
So templates are rendered by a child that the kernel stops. Nor has the child anything to lose: it
knows neither the executor's environment nor its connections, it can open no file and no socket, and
it can start no process.

Both sides are here; run as a program, this module is the child. It reads one JSON document and
answers in lines, each a JSON list: ``["at", path]`` before each file that it reads or renders,
then ``["file", path, text]`` for all that was rendered, and at last ``["end"]``; or
``["error", {...}]``.
"""

from __future__ import annotations

import codecs
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from typing import Any

from oslo_config import cfg

from tripleo_common import config, exceptions
from tripleo_common.plan import render, roles

_OPTIONS = (
    "file_max_mib",
    "plan_max_files",
    "plan_max_mib",
    "render_timeout",
    "render_memory_mib",
)
"""What rendering reads of the configuration."""

_SLACK = 10
"""Seconds that the child has for everything but rendering, on a busy machine."""

_NO_MEMORY = 3
"""Exit status of a child that could not even say that its memory is full."""

_PATH = 1024
"""How much of a path is told."""

_LAZY = ("html", "jinja2.constants", "jinja2.debug", "pprint", "textwrap", "unicodedata")
"""What filters and errors import when they are used, which is when no file can be opened."""

_CODECS = ("ascii", "latin-1", "unicode-escape", "utf-8", "utf-16")
"""The same for codecs; Jinja2 reads the strings in templates with some of them."""


def run(
    files: Mapping[str, str],
    *,
    roles_file: str = roles.ROLES_FILE,
    networks_file: str | None = None,
) -> dict[str, str]:
    """Render all templates of a plan, as :func:`render.render` does and with its errors.

    :raises TemplateInvalid: besides, rendering takes more than ``render_timeout`` or
        ``render_memory_mib``, or ends its process; names the template.
    """
    options = config.options()
    request = {
        "files": dict(files),
        "roles_file": roles_file,
        "networks_file": networks_file,
        "options": {name: options[name] for name in _OPTIONS},
    }
    # Files and no pipes: nobody waits for anybody, and the kernel bounds what the child can write.
    with (
        tempfile.TemporaryFile() as question,
        tempfile.TemporaryFile() as answer,
        tempfile.TemporaryFile() as trouble,
    ):
        question.write(json.dumps(request).encode("ascii"))
        question.seek(0)
        try:
            status = subprocess.run(
                [sys.executable, "-I", "-m", "tripleo_common.plan.rendering"],
                stdin=question,
                stdout=answer,
                stderr=trouble,
                env={},
                cwd="/",
                timeout=options.render_timeout + _SLACK,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            status = -signal.SIGXCPU
        answer.seek(0)
        made, path, ended = _read(answer)
        if not ended:
            trouble.seek(0)
            raise _died(status, path, trouble.read(4096))
    return made


def _read(lines: Iterable[bytes]) -> tuple[dict[str, str], str | None, bool]:
    """Read the child's answer: what it made, what it was at, whether it came to an end.

    :raises TripleOError: the error that the child met.
    """
    made: dict[str, str] = {}
    at = None
    for line in lines:
        # A child that is killed may not have written the whole line.
        if not line.endswith(b"\n"):
            break
        match json.loads(line):
            case ["at", str(path)]:
                at = path
            case ["file", str(path), str(text)]:
                made[path] = text
            case ["error", {"type": str(kind), "message": str(message), "details": dict(details)}]:
                raise _error(kind, message, details)
            case ["end"]:
                return made, at, True
    return made, at, False


def _error(kind: str, message: str, details: dict[str, Any]) -> exceptions.TripleOError:
    """Return the error that was met in the child: of the same class, with the same attributes."""
    found = getattr(exceptions, kind, None)
    if not isinstance(found, type) or not issubclass(found, exceptions.TripleOError):
        raise RuntimeError(f"rendering met an unknown kind of error: {kind}: {message}")
    # Its own __init__ would make a message of what the message was made of.
    error = found.__new__(found)
    exceptions.TripleOError.__init__(error, message, **details)
    return error


def _died(status: int, path: str | None, trouble: bytes) -> Exception:
    """Return the error of a child that ended without having said how."""
    at = path or "the plan"
    if status == -signal.SIGXCPU:
        return render.out_of_time(at)
    if status == _NO_MEMORY:
        return render.out_of_memory(at)
    if status < 0:
        return exceptions.TemplateInvalid(
            at,
            f"rendering it ended the process that does it (signal {-status}): it nests too deep, "
            "or takes more memory than there is",
        )
    return RuntimeError(
        f"rendering ended with status {status} at {at}: {trouble.decode(errors='replace')}"
    )


def main() -> None:
    """Be the child."""
    try:
        request = json.load(sys.stdin.buffer)
        config.options()
        for name, value in request["options"].items():
            cfg.CONF.set_override(name, value, config.GROUP)
        for module in _LAZY:
            __import__(module)
        for codec in _CODECS:
            codecs.lookup(codec)
        _limit_self()
        _answer(request)
    except MemoryError:
        # At once: whatever else has to be done may need memory.
        os._exit(_NO_MEMORY)


def _limit_self() -> None:
    options = config.options()
    seconds = options.render_timeout
    memory = options.render_memory_mib * 2**20
    size = (6 * options.plan_max_mib + 64) * 2**20
    for what, *limits in (
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_NPROC, 0, 0),
        # Those that are open stay so.
        (resource.RLIMIT_NOFILE, 0, 0),
        # A byte of a file can become six in JSON; 64 MiB are for all the paths.
        (resource.RLIMIT_FSIZE, size, size),
        # A little later than rendering's own look at the clock, which can tell more. At the first
        # the kernel sends SIGXCPU, which stands for nothing else; at the second SIGKILL.
        (resource.RLIMIT_CPU, seconds + 1, seconds + 2),
        (resource.RLIMIT_AS, memory, memory),
    ):
        most = resource.getrlimit(what)[1]
        soft, hard = limits if most == resource.RLIM_INFINITY else (min(n, most) for n in limits)
        resource.setrlimit(what, (soft, hard))


def _answer(request: dict[str, Any]) -> None:
    try:
        made = render.render(
            request["files"],
            roles_file=request["roles_file"],
            networks_file=request["networks_file"],
            announce=lambda path: _tell("at", path[:_PATH]),
        )
    except exceptions.TripleOError as error:
        _tell("error", error.to_dict())
        return
    for path, text in made.items():
        _tell("file", path, text)
    _tell("end")


def _tell(*what: object) -> None:
    sys.stdout.buffer.write(json.dumps(what).encode("ascii") + b"\n")
    # A child that is killed must have told.
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
