"""``tripleo.templates.*``"""

from __future__ import annotations

from typing import Any

from tripleo_common.actions import base


class Upload(base.Action):
    """Put templates from the executor's disk into a plan's container. Result: nothing.

    templates_path is a directory or a tarball; the default plan if it is not given.
    """

    container: str = "overcloud"
    templates_path: str | None = None

    def perform(self, request: base.Request) -> None:
        request.plans.upload(self.container, self.templates_path)


class UploadDefault(base.Action):
    """Put the default plan's templates into a plan's container. Result: nothing."""

    container: str = "overcloud"

    def perform(self, request: base.Request) -> None:
        request.plans.upload(self.container)


class Process(base.ChangeAction):
    """Render a plan's templates and commit what was written to the plan directly.

    Result: stack_name, template (path), environments (paths), revision, changed, stale and files:
    path to size in bytes of each file that rendering makes. The files themselves are in the
    container.
    """

    container: str = "overcloud"

    def perform(self, request: base.Request) -> dict[str, Any]:
        committed, candidate = request.plans.process(self.container, self.change(request))
        variables = candidate.variables
        return {
            "stack_name": self.container,
            "template": variables["template"],
            "environments": [item["path"] for item in variables["environments"] if "path" in item],
            **committed.to_dict(),
            "files": {path: len(candidate.files[path]) for path in variables["rendered"]},
        }
