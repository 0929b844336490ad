"""Why Heat is set as it is: a stack of many resources under each setting.

Usage: ``python -m bench.heat_settings [RESOURCES]`` (default 300, in 20 nested stacks)
"""

from __future__ import annotations

import os
import sys
import time

from bench import common
from tripleo_common.undercloud import lifecycle

NESTED = 20

CASES: tuple[tuple[str, dict[str, str]], ...] = (
    # What is shown, the variables that the embedded Heat is started with.
    ("as it is", {}),
    ("Heat's own second between two looks", {"TRIPLEO_HEAT_STEP_SECONDS": "1"}),
    ("one member of a group at a time", {"TRIPLEO_HEAT_PARALLEL": "1"}),
)


def template(resources: int) -> dict[str, object]:
    """Return a stack of nested stacks, in a chain as a role's services are."""
    each = max(1, resources // NESTED)
    child = "heat_template_version: 2021-04-16\nresources:\n" + "".join(
        f"  v{n}: {{type: OS::Heat::Value, properties: {{value: {n}}}}}\n" for n in range(each)
    )
    root = (
        "heat_template_version: 2021-04-16\nresources:\n  chain:\n"
        "    type: OS::Heat::ResourceChain\n    properties:\n      concurrent: true\n"
        f"      resources: [{', '.join(['child.yaml'] * NESTED)}]\n"
    )
    return {"template": root, "files": {"child.yaml": child}}


def measure(made: lifecycle.Undercloud, resources: int) -> tuple[float, bool]:
    """Return the seconds to create and delete the stack, and whether sqlite was ever locked."""
    heat = common.Clients(made).heat
    began = time.monotonic()
    heat.stacks.create(stack_name="many", **template(resources))
    common.poll(lambda: not heat.stacks.get("many").stack_status.endswith("IN_PROGRESS"))
    status = heat.stacks.get("many").stack_status
    if status != "CREATE_COMPLETE":
        raise SystemExit(f"many: {status}")
    heat.stacks.delete("many")
    common.poll(lambda: not list(heat.stacks.list(filters={"name": "many"})))
    log = made.directory.log("heat").read_text(errors="replace")
    return time.monotonic() - began, "database is locked" in log


def main() -> None:
    """Measure and print."""
    resources = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    rows = [("", "seconds", "ratio", "database is locked")]
    base = 0.0
    for name, variables in CASES:
        os.environ.update(variables)
        with common.undercloud(without=["mistral", "swift", "glance", "ironic"]) as made:
            took, locked = measure(made, resources)
        for variable in variables:
            del os.environ[variable]
        base = base or took
        rows.append((name, f"{took:.1f}", f"{took / base:.2f}", "yes" if locked else "no"))
    common.table(f"A stack of {resources} resources, created and deleted", rows)


if __name__ == "__main__":
    main()
