"""The templates of tripleo-heat-templates: the real plan, which no made-up one stands for.

``TRIPLEO_TEST_THT_DIR`` names a directory that has them. Without it the pinned source distribution
is downloaded with pip, from the index that pip is configured with, and kept for further runs in a
directory of the user's own below the temporary one.

``python -m tests.functional.tht DIRECTORY`` downloads them into a directory and prints where.
"""

import fcntl
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

VERSION = "18.0.0"
SHA256 = "09026a2ace181b1a2eeddb941504add4a10429a391bd265b4c04571f131b8b89"
SECONDS = 600
"""Generous: it only bounds a download that would otherwise hang."""


@functools.cache
def tree() -> Path:
    """Return the directory that has ``overcloud.j2.yaml``; not to be written to."""
    given = os.environ.get("TRIPLEO_TEST_THT_DIR")
    if given:
        return Path(given)
    return download(Path(tempfile.gettempdir()) / f"tripleo-test-{os.getuid()}")


def files() -> dict[str, str]:
    """Return path to content of all files of the tree; they all are text."""
    root = tree()
    return {
        path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
        for path in root.rglob("*")
        if path.is_file()
    }


def download(directory: Path) -> Path:
    """Download the templates into a directory unless it has them; any number may ask at once."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if directory.stat().st_uid != os.getuid():
        raise PermissionError(f"{directory} belongs to somebody else")
    found = directory / f"tripleo-heat-templates-{VERSION}"
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not found.exists():
            with tempfile.TemporaryDirectory(dir=directory) as scratch:
                # Into place as a whole: a download that is ended half-way counts for nothing.
                _fetch(Path(scratch)).rename(found)
    return found


def _fetch(scratch: Path) -> Path:
    # Not the wheel, which has no templates. pip checks the hash, which it takes from a file only.
    requirement = scratch / "requirements.txt"
    requirement.write_text(f"tripleo-heat-templates=={VERSION} --hash=sha256:{SHA256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--no-binary", "tripleo-heat-templates", "--dest", str(scratch)]
    command += ["--require-hashes", "--requirement", str(requirement)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    if result.returncode:
        raise AssertionError(f"{command}: {result.returncode}\n{result.stdout}{result.stderr}")
    name = f"tripleo-heat-templates-{VERSION}"
    shutil.unpack_archive(scratch / f"{name}.tar.gz", scratch / "unpacked")
    return scratch / "unpacked" / name


if __name__ == "__main__":
    sys.stdout.write(f"{download(Path(sys.argv[1]).resolve())}\n")
