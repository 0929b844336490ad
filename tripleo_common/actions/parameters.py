"""``tripleo.parameters.*``"""

from __future__ import annotations

from typing import Any

from tripleo_common import exceptions
from tripleo_common.actions import base


class Update(base.Action):
    """Merge values into a plan's parameters.

    Result: parameters, the names of all that the plan now sets.
    """

    parameters: dict[str, Any]
    container: str = "overcloud"
    key: str = "parameter_defaults"
    validate: bool = True

    def perform(self, request: base.Request) -> dict[str, list[str]]:
        if self.key != "parameter_defaults":
            raise exceptions.InputInvalid("key", "must be parameter_defaults.")
        merged = request.plans.update_parameters(self.container, self.parameters)
        return {"parameters": sorted(merged)}
