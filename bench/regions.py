"""A plan in several regions against one region, and what finding a cloud asks of Keystone.

Usage: ``python -m bench.regions [SECONDS]``. The stack of each region takes that many seconds (20)
of waiting, as servers do that boot; what is measured beside it is what this project adds. All
regions run on this one machine.
"""

from __future__ import annotations

import math
import os
import sys
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import requests.adapters
from swiftclient import client as swift_client

from bench import common
from tripleo_common import clouds
from tripleo_common.undercloud import lifecycle

PLAN = "bench"
REGIONS = 4
RUNS = ((2, 2), (4, 2), (4, 4))
"""How many regions, and how many of them at a time."""

FILES = {
    "capabilities-map.yaml": "root_template: overcloud.yaml\nroot_environment: registry.yaml\n",
    "overcloud.yaml": """heat_template_version: 2021-04-16
resources:
  servers:
    type: OS::Heat::ResourceGroup
    properties: {count: 3, resource_def: {type: Bench::Server}}
""",
    "registry.yaml": "resource_registry: {Bench::Server: server.yaml}\n",
    "server.yaml": """heat_template_version: 2021-04-16
resources:
  boot:
    type: OS::Heat::TestResource
    properties: {{value: x, action_wait_secs: {{create: {seconds}}}}}
""",
}


def place(made: lifecycle.Undercloud, clients: common.Clients, wait: int) -> None:
    """Make the plan and place it in all regions."""
    regions = made.directory.regions
    where = {"region_name": regions[0]}
    swift = swift_client.Connection(session=clients.session, os_options=where)
    swift.put_container(PLAN)
    for path, content in FILES.items():
        swift.put_object(PLAN, path, content.format(seconds=wait) if "boot" in content else content)
    clients.action("tripleo.plan.create", container=PLAN, action_region=regions[0])
    for region in regions[1:]:
        clients.action("tripleo.plan.add_placement", container=PLAN, action_region=region)


def one_region(clients: common.Clients, region: str) -> float:
    """Deploy the plan in one region; return the seconds. Its stack is gone afterwards."""
    deploy = "tripleo.deployment.v1.deploy_plan"
    took = common.seconds(lambda: clients.workflow(deploy, container=PLAN, action_region=region))
    clients.workflow("tripleo.stack.v1.delete_stack", stack=PLAN, action_region=region)
    return took


def several(clients: common.Clients, regions: list[str], concurrency: int) -> float:
    """Deploy the plan in several regions; return the seconds. Their stacks are gone afterwards."""
    deploy = "tripleo.deployment.v1.deploy_plan_in_regions"
    took = common.seconds(
        lambda: clients.workflow(deploy, container=PLAN, regions=regions, concurrency=concurrency)
    )
    for region in regions:
        clients.workflow("tripleo.stack.v1.delete_stack", stack=PLAN, action_region=region)
    return took


@contextmanager
def asked_of(url: str) -> Iterator[list[str]]:
    """Collect the paths that this process asks of the server of a URL."""
    send = requests.adapters.HTTPAdapter.send
    server = urllib.parse.urlsplit(url).netloc
    paths: list[str] = []

    def counting(adapter: Any, request: Any, *arguments: Any, **options: Any) -> Any:
        parts = urllib.parse.urlsplit(request.url)
        if parts.netloc == server:
            paths.append(f"{request.method} {parts.path}")
        return send(adapter, request, *arguments, **options)

    with mock.patch.object(requests.adapters.HTTPAdapter, "send", counting):
        yield paths


def resolve(made: lifecycle.Undercloud, cloud: str | None) -> tuple[int, float]:
    """Open a cloud as an action does; return requests to Keystone, and seconds."""
    security = common.security(made)
    region = made.directory.regions[-1]

    def work() -> None:
        limit = clouds.Deadline(60)
        with clouds.Clouds(security, None, limit) as reach:
            reach.open(cloud, region).endpoint("orchestration")

    with asked_of(security.auth_uri) as paths:
        took = common.seconds(work)
    return len(paths), took


def main() -> None:
    """Measure and print."""
    wait = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    with common.undercloud(regions=REGIONS, without=["ironic", "glance"]) as made:
        os.environ["OS_CLIENT_CONFIG_FILE"] = str(made.directory.etc("mistral") / "clouds.yaml")
        found = [
            (what, *resolve(made, cloud))
            for what, cloud in (
                ("the request's own cloud", None),
                ("a named cloud, first time", "undercloud"),
                ("a named cloud, then", "undercloud"),
            )
        ]
        clients = common.Clients(made)
        place(made, clients, wait)
        regions = made.directory.regions
        # The first time warms up every region's Heat.
        several(clients, regions, REGIONS)
        alone = [one_region(clients, region) for region in regions]
        one = sum(alone) / len(alone)
        rows = [("regions", "at a time", "seconds", "ratio (at most 1.2)")]
        for count, concurrency in RUNS:
            took = several(clients, regions[:count], concurrency)
            ratio = took / (math.ceil(count / concurrency) * one)
            rows.append((str(count), str(concurrency), f"{took:.1f}", f"{ratio:.2f}"))
    common.table(f"A stack of {wait} s in each region; one region takes {one:.1f} s", rows)
    common.table(
        "Finding cloud and region",
        [
            ("", "requests to Keystone", "seconds"),
            *((what, str(count), f"{took:.3f}") for what, count, took in found),
        ],
    )


if __name__ == "__main__":
    main()
