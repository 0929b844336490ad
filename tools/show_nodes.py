"""Print Ironic's nodes in a table, with what introspection found of each; * is the root device.

Usage: ``python tools/show_nodes.py [--json]`` with ``OS_*`` in the environment.
"""

import json
import sys
from typing import Any

import openstack
import prettytable
from mistralclient.api import client as mistral_client


def main() -> None:
    """Print them."""
    session = openstack.connect().session
    mistral = mistral_client.client(
        session=session,
        mistral_url=session.get_endpoint(service_type="workflowv2", interface="public"),
    )
    answer = mistral.action_executions.create(
        "tripleo.baremetal.list", input={"facts": True}, run_sync=True
    )
    nodes = json.loads(answer.output)["result"]
    if sys.argv[1:] == ["--json"]:
        print(json.dumps(nodes, indent=2))
        return
    if answer.state != "SUCCESS":
        sys.exit(str(nodes["message"]))
    roots = {
        node.id: (node.properties or {}).get("root_device")
        for node in openstack.connect().baremetal.nodes(fields=["uuid", "properties"])
    }
    table = prettytable.PrettyTable(
        ["Name", "Model", "State", "CPUs", "Memory", "Disks", "Boot", "NICs", "Switch ports"]
    )
    table.align = "l"
    for node in nodes:
        state = f"{node['provision_state']}\n{node['power_state']}"
        model, *rest = _facts(node["facts"], roots.get(node["uuid"]))
        table.add_row([node["name"], model, state, *rest])
    print(table)


def _facts(facts: dict[str, Any] | None, hints: dict[str, Any] | None) -> list[str]:
    if not facts:
        return [""] * 7
    disks = [
        f"{'*' if _is_root(disk, hints) else ' '}{disk['name'].removeprefix('/dev/')} "
        f"{disk['size_gib']} GiB"
        for disk in facts["disks"]
    ]
    ports = {
        f"{(nic['lldp']['switch'] or nic['lldp']['chassis_id']).split('.')[0]} "
        f"{nic['lldp']['port_id']}"
        for nic in facts["nics"]
        if nic["lldp"]
    }
    return [
        f"{facts['product']['vendor']}\n{facts['product']['name']}",
        f"{facts['cpus']}\n{facts['cpu_arch']}",
        f"{facts['memory_mib'] // 1024} GiB",
        "\n".join(disks),
        facts["boot_mode"] or "",
        str(len(facts["nics"])),
        "\n".join(sorted(ports)),
    ]


def _is_root(disk: dict[str, Any], hints: dict[str, Any] | None) -> bool:
    """Tell whether a disk is what hints on the root device say, as far as they are equal values."""
    return bool(hints) and all(disk.get(name) == value for name, value in (hints or {}).items())


if __name__ == "__main__":
    main()
