"""``tripleo.plan.*``"""

from __future__ import annotations

from tripleo_common import exceptions
from tripleo_common.actions import base
from tripleo_common.deployment import stacks
from tripleo_common.plan import names


class CreateContainer(base.Action):
    """Make the container that a plan's templates are then uploaded to. Result: nothing."""

    container: str

    def perform(self, request: base.Request) -> None:
        request.plans.create_container(self.container)


class Create(base.Action):
    """Make a plan of the templates in its container. Result: nothing."""

    container: str
    source_url: str | None = None

    def perform(self, request: base.Request) -> None:
        _refuse_source(self.source_url)
        request.plans.create(self.container)


class Update(base.Action):
    """Take over what the templates in a plan's container now say. Result: nothing."""

    container: str
    source_url: str | None = None
    plan_environment: dict[str, object] | None = None

    def perform(self, request: base.Request) -> None:
        _refuse_source(self.source_url)
        if self.plan_environment is not None:
            raise exceptions.InputInvalid(
                "plan_environment",
                "cannot be given yet: set parameters with tripleo.parameters.update.",
            )
        request.plans.update(self.container)


class List(base.Action):
    """Return the sorted names of all plans."""

    def perform(self, request: base.Request) -> list[str]:
        return request.plans.names()


class Delete(base.Action):
    """Remove a plan: files, container, environment. Refused while it has a stack.

    Result: nothing.
    """

    container: str

    def perform(self, request: base.Request) -> None:
        names.check_plan(self.container)
        stacks.check_unused(request.cloud, self.container)
        request.plans.delete(self.container)


def _refuse_source(source_url: str | None) -> None:
    if source_url is not None:
        raise exceptions.InputInvalid(
            "source_url",
            "cannot be given yet: upload the templates to the plan's container, or use the "
            "default templates.",
        )
