"""Registers nodes with the action of an environment; see :mod:`bench.nodes`.

It is run as a program by the Python that has the action, ours or that of tripleo-common 11.4.0 (see
:mod:`bench.peer`), so it imports nothing but the standard library at its top. Both call the action
by the same name. It is called as Mistral's executor calls it, which runs for long: so the first
node is registered before the clock runs, and what is imported once is there.

Usage: ``python peer_nodes.py [KEYS]``. The standard input is JSON: ``security``, the inputs of a
security context, and ``nodes``, the list. KEYS is the file of keys that ours needs.
"""

from __future__ import annotations

import importlib
import json
import logging
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

SECONDS = 900


def measure(
    python: Path, security: dict[str, Any], nodes: list[dict[str, Any]], keys: Path | None = None
) -> float:
    """Register nodes in a process of its own; return the seconds of the action alone.

    :param python: the Python that has the action.
    :param security: inputs of a security context; the token goes to the standard input.
    :param nodes: the list; the seconds are those of all but its first node.
    :param keys: the file of keys that ours needs; None: theirs is run.
    """
    done = subprocess.run(
        [python, Path(__file__).resolve(), *([keys] if keys else [])],
        input=json.dumps({"security": security, "nodes": nodes}),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=python.parent,
        timeout=SECONDS,
        check=True,
    )
    took, error = json.loads(done.stdout)
    if error:
        raise SystemExit(f"{python}: {error}")
    return float(took)


def _main(keys: str | None = None) -> None:
    """Run the action; print seconds and error, empty if there is none, as JSON."""
    logging.disable()
    # A program's own directory has this package's other modules.
    sys.path.pop(0)
    if keys:
        config = importlib.import_module("tripleo_common.config")
        config.options()
        config.cfg.CONF.set_override("encryption_keys_file", keys, config.GROUP)
    lib = importlib.import_module("mistral_lib.actions.context")
    results = importlib.import_module("mistral_lib.actions").Result
    action = importlib.import_module("tripleo_common.actions.baremetal").RegisterOrUpdateNodes
    given = json.load(sys.stdin)
    security = lib.SecurityContext(**given["security"])
    context = lib.ActionContext(security, lib.ExecutionContext())
    error, took = "", 0.0
    for nodes in (given["nodes"][:1], given["nodes"][1:]):
        began = time.monotonic()
        try:
            answer = action(nodes_json=nodes).run(context)
            if isinstance(answer, results) and answer.error:
                error = str(answer.error)
        # Whatever it meets is what is to be told.
        except Exception as met:
            error = f"{type(met).__name__}: {met}"
        took = time.monotonic() - began
    print(json.dumps([took, error]))


if __name__ == "__main__":
    _main(*sys.argv[1:])
