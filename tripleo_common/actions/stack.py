"""``tripleo.stack.*``"""

from __future__ import annotations

from typing import Any

from tripleo_common.actions import base
from tripleo_common.deployment import stacks


class Delete(base.Action):
    """Ask Heat to delete a stack. Result: whether there was one."""

    stack: str

    def perform(self, request: base.Request) -> bool:
        return stacks.delete(request.cloud_of_stack(self.stack), self.stack)


class Wait(base.Action):
    """Look at a stack for some seconds; a workflow calls this until it is done.

    until is complete_or_failed, in_progress or does_not_exist; timeout is in seconds and counts
    from started_at (UTC). Result: done, stack and status.
    """

    stack: str
    until: str
    timeout: float
    started_at: str | None = None

    def perform(self, request: base.Request) -> dict[str, Any]:
        cloud = request.cloud_of_stack(self.stack)
        return stacks.wait_step(cloud, self.stack, self.until, self.started_at, self.timeout)
