"""tripleo-common 11.4.0 beside this project, on the same undercloud; see :mod:`bench.plan`.

Its actions are called as Mistral's executor calls them, in a virtual environment of its own. There
this file is run as a program, so it imports nothing but the standard library at its top.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import logging
import subprocess
import sys
import time
import venv
from pathlib import Path
from typing import Any

VERSION = "11.4.0"

SECONDS = 900
"""For all of its actions together."""

STEPS: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    # What is done, their class, ours, inputs besides the container.
    ("list 300 plans", "plan.ListPlansAction", "plan.List", {}),
    ("list roles", "plan.ListRolesAction", "roles.List", {}),
    (
        "render after a change, collect what Heat is given",
        "templates.ProcessTemplatesAction",
        "templates.Process",
        {},
    ),
    ("parameters", "parameters.GetParametersAction", "parameters.Get", {}),
    ("parameters, second time", "parameters.GetParametersAction", "parameters.Get", {}),
    (
        "change a parameter",
        "parameters.UpdateParametersAction",
        "parameters.Update",
        {"parameters": {"ComputeCount": 1000}},
    ),
    ("capabilities", "heat_capabilities.GetCapabilitiesAction", "capabilities.Get", {}),
)

_NO_INPUTS = STEPS[0][0]


@dataclasses.dataclass(frozen=True)
class Result:
    """How one action went.

    :ivar seconds: what it took.
    :ivar error: what it said if it failed; empty if not.
    """

    work: str
    seconds: float
    error: str


def prepare(directory: Path) -> Path:
    """Install it into a directory; return the Python that has it."""
    venv.create(directory, with_pip=True)
    python = directory / "bin" / "python"
    subprocess.run(
        [python, "-m", "pip", "install", "-qq", f"tripleo-common=={VERSION}"],
        check=True,
        timeout=SECONDS,
    )
    return python


def plan_files(files: dict[str, bytes]) -> dict[str, bytes]:
    """Return what a plan needs in its container for it, beyond the files of the templates."""
    return {
        # It knows no other name.
        "network_data.yaml": files["network_data_default.yaml"],
        "plan-environment.yaml": json.dumps(
            {
                "version": 1.0,
                "name": "peer",
                "template": "overcloud.yaml",
                "environments": [{"path": "overcloud-resource-registry-puppet.yaml"}],
                "parameter_defaults": {},
            }
        ).encode(),
    }


def measure(python: Path, session: Any, plan: str, keys: Path | None = None) -> list[Result]:
    """Run the actions on a plan, in a process of their own.

    :param python: the Python that has them.
    :param session: of the undercloud's administrator; its token goes to the standard input.
    :param keys: the file of keys that ours need; None: theirs are run.
    """
    found = session.auth.get_access(session)
    security = {
        "auth_uri": session.auth.auth_url,
        "auth_token": session.get_token(),
        "project_id": found.project_id,
        "project_name": found.project_name,
        "user_name": found.username,
        "service_catalog": found._data["token"],
        "insecure": False,
        "is_trust_scoped": False,
    }
    done = subprocess.run(
        [python, Path(__file__).resolve(), plan, *([keys] if keys else [])],
        input=json.dumps(security),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=python.parent,
        timeout=SECONDS,
        check=True,
    )
    return [Result(*json.loads(line)) for line in done.stdout.splitlines()]


def _main(plan: str, keys: str | None = None) -> None:
    """Run the actions; print a line of JSON for each."""
    logging.disable()
    # A program's own directory has this package's other modules.
    sys.path.pop(0)
    if keys:
        config = importlib.import_module("tripleo_common.config")
        config.options()
        config.cfg.CONF.set_override("encryption_keys_file", keys, config.GROUP)
    lib = importlib.import_module("mistral_lib.actions.context")
    context = lib.ActionContext(lib.SecurityContext(**json.load(sys.stdin)), lib.ExecutionContext())
    results = importlib.import_module("mistral_lib.actions").Result
    for work, theirs, ours, inputs in STEPS:
        module, _, name = (ours if keys else theirs).partition(".")
        action = getattr(importlib.import_module(f"tripleo_common.actions.{module}"), name)
        given = inputs if work == _NO_INPUTS else {"container": plan, **inputs}
        error = ""
        began = time.monotonic()
        try:
            answer = action(**given).run(context)
            if isinstance(answer, results) and answer.error:
                error = str(answer.error)
        # Whatever it meets is what is to be told.
        except Exception as met:
            error = f"{type(met).__name__}: {met}"
        print(json.dumps([work, time.monotonic() - began, error]), flush=True)


if __name__ == "__main__":
    _main(*sys.argv[1:])
