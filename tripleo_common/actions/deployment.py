"""``tripleo.deployment.*``"""

from __future__ import annotations

from typing import Any

from tripleo_common import exceptions
from tripleo_common.actions import base
from tripleo_common.deployment import deploy


class Deploy(base.ChangeAction):
    """Send a plan to Heat: create its stack, or update it. timeout is in minutes.

    Result, when Heat has begun: stack (id, name), action (CREATE or UPDATE) and revision.
    """

    timeout: int
    container: str = "overcloud"
    skip_deploy_identifier: bool = False
    run_validations: bool = False
    config_download: bool = False

    def perform(self, request: base.Request) -> dict[str, Any]:
        for name in ("run_validations", "config_download"):
            if getattr(self, name):
                raise exceptions.InputInvalid(name, "cannot be true yet; leave it out.")
        return deploy.deploy(
            request.plans,
            self.container,
            self.timeout,
            self.change(request),
            skip_deploy_identifier=self.skip_deploy_identifier,
            # The same when Mistral runs this task's action again.
            identifier=request.execution.task_execution_id,
        )
