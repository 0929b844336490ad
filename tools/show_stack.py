"""Print a stack as a tree of its resources, and its outputs.

Usage: ``python tools/show_stack.py STACK [OUTPUT ...]`` with ``OS_*`` in the environment. Without
names all outputs are printed.
"""

import sys
from typing import Any

import openstack
import yaml
from heatclient import client as heat_client

_DEPTH = 10


def main() -> None:
    """Print both."""
    name, *wanted = sys.argv[1:]
    heat = heat_client.Client("1", session=openstack.connect().session)
    stack = heat.stacks.get(name)
    print(f"{name}  {stack.stack_status}")
    members: dict[str, list[Any]] = {}
    for resource in heat.resources.list(stack.id, nested_depth=_DEPTH):
        members.setdefault(_stack_of(resource), []).append(resource)
    _tree(stack.id, members, "")
    outputs = {output["output_key"]: output["output_value"] for output in stack.outputs}
    shown = {key: value for key, value in outputs.items() if not wanted or key in wanted}
    print()
    print(yaml.safe_dump(shown, sort_keys=False, width=100), end="")


def _tree(stack_id: str, members: dict[str, list[Any]], indent: str) -> None:
    resources = sorted(members.get(stack_id, []), key=lambda r: _natural(r.resource_name))
    for resource in resources:
        last = resource is resources[-1]
        print(
            f"{indent}{'└─' if last else '├─'} {resource.resource_name}  {resource.resource_type}"
        )
        _tree(resource.physical_resource_id, members, indent + ("   " if last else "│  "))


def _natural(name: str) -> tuple[bool, int, str]:
    return (not name.isdigit(), int(name) if name.isdigit() else 0, name)


def _stack_of(resource: Any) -> str:
    links = {link["rel"]: link["href"] for link in resource.links}
    return str(links.get("stack", "")).rpartition("/")[2]


if __name__ == "__main__":
    main()
