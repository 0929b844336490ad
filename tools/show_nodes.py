"""Print Ironic's nodes in a table, with what introspection found of each.

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
    table = prettytable.PrettyTable(
        ["Name", "State", "Power", "CPUs", "Memory (GiB)", "Disks", "Boot", "NICs", "Switches"]
    )
    table.align = "l"
    for node in nodes:
        table.add_row(
            [node["name"], node["provision_state"], node["power_state"], *_facts(node["facts"])]
        )
    print(table)


def _facts(facts: dict[str, Any] | None) -> list[str]:
    if not facts:
        return [""] * 6
    disks = [f"{disk['name']} {disk['size_gib']} GiB" for disk in facts["disks"]]
    neighbours = {
        f"{nic['lldp']['switch'] or nic['lldp']['chassis_id']} {nic['lldp']['port_id']}"
        for nic in facts["nics"]
        if nic["lldp"]
    }
    return [
        f"{facts['cpus']} {facts['cpu_arch']}",
        str(facts["memory_mib"] // 1024),
        "\n".join(disks),
        facts["boot_mode"] or "",
        str(len(facts["nics"])),
        "\n".join(sorted(neighbours)),
    ]


if __name__ == "__main__":
    main()
