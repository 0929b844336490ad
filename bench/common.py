"""What the benchmarks share: an undercloud of their own, a clock, a table."""

from __future__ import annotations

import contextlib
import functools
import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from heatclient import client as heat_client
from mistral_lib.actions import context
from mistralclient.api import client as mistral_client
from oslo_config import cfg

from tripleo_common import clouds, config
from tripleo_common.plan import plans
from tripleo_common.undercloud import lifecycle, state

SECONDS = 600
"""Generous: it only bounds a request that would otherwise hang."""


@contextlib.contextmanager
def undercloud(**options: Any) -> Iterator[lifecycle.Undercloud]:
    """Give an undercloud in a temporary directory; it and its data are gone afterwards."""
    # Also a benchmark that is asked to end takes its undercloud with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    root = Path(tempfile.mkdtemp(prefix="tripleo-bench-"))
    made = lifecycle.Undercloud(state.StateDir(root))
    try:
        made.up(ports="free", **options)
        yield made
    finally:
        made.down()
        shutil.rmtree(root, ignore_errors=True)


def seconds(work: Callable[[], object]) -> float:
    """Return how long something takes."""
    began = time.monotonic()
    work()
    return time.monotonic() - began


def poll(done: Callable[[], Any]) -> Any:
    """Ask five times a second until there is an answer."""
    while not (answer := done()):
        time.sleep(0.2)
    return answer


def plans_of(made: lifecycle.Undercloud) -> plans.Plans:
    """Return an undercloud's plans as an action sees them, in this process, logged in already."""
    config.options()
    keys = made.directory.etc("mistral") / "encryption-keys"
    cfg.CONF.set_override("encryption_keys_file", str(keys), config.GROUP)
    # An action's deadline is for all of its requests, and here nobody knows how many follow.
    limit = clouds.Deadline(24 * 3600, request_seconds=SECONDS)
    return plans.Plans(clouds.Clouds(security(made), None, limit), None, made.directory.regions[0])


def security(made: lifecycle.Undercloud) -> context.SecurityContext:
    """Return what Mistral gives to an action that the administrator runs."""
    session = made.session()
    token = session.auth.get_access(session)
    return context.SecurityContext(
        auth_uri=made.directory.credentials()["auth_url"],
        auth_token=token.auth_token,
        project_id=token.project_id,
        user_name=token.username,
        service_catalog=token._data["token"],
    )


class Clients:
    """Mistral and Heat of an undercloud."""

    def __init__(self, made: lifecycle.Undercloud) -> None:
        """Log in."""
        self.session = made.session()
        self.session.timeout = SECONDS
        self.heat = heat_client.Client("1", session=self.session)

    @functools.cached_property
    def mistral(self) -> Any:
        """The client of Mistral, where the undercloud has one."""
        url = self.session.get_endpoint(service_type="workflowv2", interface="public")
        return mistral_client.client(session=self.session, mistral_url=url)

    def workflow(self, name: str, **inputs: Any) -> dict[str, Any]:
        """Run a workflow to its end, which must be good; return its output."""
        execution = self.mistral.executions.create(name, workflow_input=inputs)
        ended = poll(
            lambda: (e := self.mistral.executions.get(execution.id)).state != "RUNNING" and e
        )
        output: dict[str, Any] = json.loads(ended.output)
        if ended.state != "SUCCESS":
            raise SystemExit(f"{name}: {output}")
        return output

    def action(self, name: str, **inputs: Any) -> Any:
        """Run an action and wait for it, as ``run-action`` does; return its result."""
        ended = self.mistral.action_executions.create(name, input=inputs, run_sync=True)
        result = json.loads(ended.output)["result"]
        if ended.state != "SUCCESS":
            raise SystemExit(f"{name}: {result}")
        return result


def table(title: str, rows: Sequence[tuple[str, ...]]) -> None:
    """Print rows under each other."""
    print(f"\n{title}")
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))
