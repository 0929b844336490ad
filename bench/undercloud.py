"""How long an undercloud takes to come up, again and down, and how much memory it holds.

Usage: ``python -m bench.undercloud``
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import psutil

from bench import common
from tripleo_common.undercloud import lifecycle, processes, state


def main() -> None:
    """Measure and print."""
    root = Path(tempfile.mkdtemp(prefix="tripleo-bench-"))
    made = lifecycle.Undercloud(state.StateDir(root))
    try:
        first = common.seconds(lambda: made.up(ports="free"))
        pids = [row.pid for row in made.status() if row.pid]
        members = [m for pid in pids for m in processes.family(psutil.Process(pid))]
        common.Clients(made).workflow("tripleo.plan_management.v1.list_plans")
        memory = sum(row.memory_mib or 0 for row in made.status())
        down = common.seconds(made.down)
        left = [m.pid for m in members if m.is_running()]
        again = common.seconds(made.up)
    finally:
        made.down()
        shutil.rmtree(root, ignore_errors=True)
    common.table(
        "The undercloud",
        [
            ("", "measured", "at most"),
            ("first up", f"{first:.1f} s", "60 s"),
            ("restart", f"{again:.1f} s", "20 s"),
            ("restart / first up", f"{again / first:.2f}", ""),
            ("down", f"{down:.1f} s", "10 s"),
            ("processes left after down", str(len(left)), "0"),
            ("resident memory of all", f"{memory} MiB", "1536 MiB"),
        ],
    )


if __name__ == "__main__":
    main()
