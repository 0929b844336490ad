"""``tripleo.deployment.*``"""

from __future__ import annotations

from typing import Any

from tripleo_common import exceptions
from tripleo_common.actions import base
from tripleo_common.deployment import deploy, regions


class Deploy(base.ChangeAction):
    """Send a plan to Heat: create its stack, or update it. timeout is in minutes.

    Result, when Heat has begun: stack (id, name), action (CREATE or UPDATE), revision, stale, and
    where that is: cloud and region.
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


class ChooseRegions(base.Action):
    """Return the placements of a plan that are to be deployed.

    regions lists names of own regions or mappings with region and cloud; all placements without.
    resume is the id of an earlier execution of deploy_plan_in_regions: what it has deployed is left
    out. Result: chosen (region and cloud of each) and done (results of that execution).
    """

    container: str
    regions: list[Any] | None = None
    resume: str | None = None
    concurrency: int = 0
    max_failures: int | None = None

    def perform(self, request: base.Request) -> dict[str, Any]:
        return regions.choose(
            request.plans,
            self.container,
            self.regions,
            self.resume,
            self.concurrency,
            self.max_failures,
        )


class AdmitRegion(base.Action):
    """Make sure that fewer than max_failures of the other regions have failed. Result: nothing."""

    max_failures: int | None = None

    def perform(self, request: base.Request) -> None:
        execution = request.execution.workflow_execution_id
        regions.admit(request.home, execution, self.max_failures)


class SummarizeRegions(base.Action):
    """Return how a deployment in several regions went; an error unless each one is deployed.

    Result: message, and results: name, region, cloud, state (DEPLOYED, FAILED or NOT_BEGUN),
    message, error, stack and revision of each.
    """

    container: str
    done: list[Any] | None = None
    outputs: list[Any] | None = None

    def perform(self, request: base.Request) -> dict[str, Any]:
        return regions.summarize(self.container, self.done, self.outputs)
