"""Run a workflow and show what happens until it has ended.

Usage: ``python tools/follow.py WORKFLOW INPUT_JSON [STACK]`` with ``OS_*`` in the environment. With
the name of a stack its Heat events are shown on the way, of a workflow over many nodes how far it
is. The exit code is 1 if the workflow ends in ERROR.
"""

import json
import sys
import threading
from typing import Any

import openstack
from heatclient import client as heat_client
from heatclient import exc as heat_exc
from heatclient.common import event_utils
from mistralclient.api import client as mistral_client

_PAUSE_SECONDS = 0.5


def main() -> int:
    """Start the workflow, follow it, print its message."""
    workflow, inputs, *stacks = sys.argv[1:]
    session = openstack.connect().session
    mistral = mistral_client.client(
        session=session,
        mistral_url=session.get_endpoint(service_type="workflowv2", interface="public"),
    )
    execution = mistral.executions.create(workflow, workflow_input=json.loads(inputs))
    print(f"{workflow} (execution {execution.id})")
    events: Events | Progress | None = None
    if stacks:
        events = Events(heat_client.Client("1", session=session), stacks[0])
    elif workflow.startswith("tripleo.baremetal."):
        events = Progress(mistral, execution.id)
    while execution.state in ("IDLE", "RUNNING"):
        threading.Event().wait(_PAUSE_SECONDS)
        execution = mistral.executions.get(execution.id)
        if events:
            events.show()
    output = json.loads(execution.output)
    print(f"{execution.state}: {output.get('message') or output.get('result')}")
    return 0 if execution.state == "SUCCESS" else 1


class Events:
    """The events of a stack and its nested stacks, those from before left out."""

    def __init__(self, heat: heat_client.Client, stack: str) -> None:
        """Remember what has happened so far."""
        self._heat = heat
        self._stack = stack
        self._seen = {event.id for event in self._list()}

    def show(self) -> None:
        """Print what has happened since."""
        for event in self._list():
            if event.id not in self._seen:
                self._seen.add(event.id)
                name = getattr(event, "resource_name", self._stack)
                print(f"  {event.event_time}  {event.resource_status:20} {name}", flush=True)

    def _list(self) -> list[object]:
        try:
            return event_utils.get_events(
                self._heat, stack_id=self._stack, event_args={}, nested_depth=1
            )
        except (heat_exc.HTTPException, heat_exc.CommandError):
            # There is no stack yet, or no more.
            return []


class Progress:
    """How far a run over many nodes is."""

    def __init__(self, mistral: Any, run: str) -> None:
        """Remember which."""
        self._mistral = mistral
        self._run = run
        self._last = ""

    def show(self) -> None:
        """Print it, if it is further than it was."""
        shown = self._mistral.action_executions.create(
            "tripleo.baremetal.show_run", input={"run_id": self._run}, run_sync=True
        )
        # There is no record before it has begun, and not every workflow has one.
        message = json.loads(shown.output)["result"]["message"] if shown.state == "SUCCESS" else ""
        if message and message != self._last:
            self._last = message
            print(f"  {message}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
