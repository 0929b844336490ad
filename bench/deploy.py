"""The default plan through Mistral, against the same stack created directly with heatclient.

Usage: ``python -m bench.deploy [ROUNDS]``. Both are done in turn, on one undercloud; the ratio is
that of the totals.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from heatclient import exc as heat_exc

from bench import common
from tripleo_common import config
from tripleo_common.plan import candidate, render, secrets, tarball

PLAN = "bench"


def heat_fields() -> dict[str, Any]:
    """Return what Heat is given for the default plan, prepared before any clock runs."""
    source = tarball.read_tree(Path(config.share_dir("templates")))
    files = {path: content.decode() for path, content in source.items()}
    files |= render.render(files)
    variables = {
        "template": "overcloud.yaml",
        "environments": [{"path": "overcloud-resource-registry.yaml"}],
    }
    given = candidate.heat_input(files, variables, secrets.Vault(None))
    return {
        "template": given.template,
        "files": given.files,
        "environment_files": given.environment_files,
    }


def direct(clients: common.Clients, fields: dict[str, Any]) -> None:
    """Create and delete the stack with heatclient alone."""
    heat = clients.heat.stacks
    heat.create(stack_name=PLAN, **fields)

    def status() -> str:
        try:
            return str(heat.get(PLAN, resolve_outputs=False).stack_status)
        except heat_exc.HTTPNotFound:
            return "DELETE_COMPLETE"

    common.poll(lambda: status() == "CREATE_COMPLETE")
    heat.delete(PLAN)
    common.poll(lambda: status() == "DELETE_COMPLETE")


def through_mistral(clients: common.Clients) -> dict[str, float]:
    """Create, deploy and delete the plan; return the seconds of each workflow."""
    steps = (
        ("create", "plan_management.v1.create_default_deployment_plan", {"container": PLAN}),
        ("deploy", "deployment.v1.deploy_plan", {"container": PLAN}),
        ("delete stack", "stack.v1.delete_stack", {"stack": PLAN}),
        ("delete plan", "plan_management.v1.delete_deployment_plan", {"container": PLAN}),
    )
    return {
        step: common.seconds(
            lambda name=name, inputs=inputs: clients.workflow(f"tripleo.{name}", **inputs)  # type: ignore[misc]
        )
        for step, name, inputs in steps
    }


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    fields = heat_fields()
    with common.undercloud() as made:
        clients = common.Clients(made)
        ours: dict[str, float] = {}
        theirs = 0.0
        for _ in range(rounds):
            theirs += common.seconds(lambda: direct(clients, fields))
            for step, took in through_mistral(clients).items():
                ours[step] = ours.get(step, 0.0) + took
    common.table(
        f"The default plan, {rounds} rounds",
        [
            ("", "seconds a round"),
            *((f"plan: {step}", f"{took / rounds:.1f}") for step, took in ours.items()),
            ("plan: all", f"{sum(ours.values()) / rounds:.1f}"),
            ("the same stack with heatclient", f"{theirs / rounds:.1f}"),
            ("ratio (at most 1.5)", f"{sum(ours.values()) / theirs:.2f}"),
        ],
    )


if __name__ == "__main__":
    main()
