"""``tripleo.role.*``"""

from __future__ import annotations

from typing import Any

from tripleo_common.actions import base


class List(base.Action):
    """Return the names of a plan's roles, or with detail the roles themselves."""

    container: str = "overcloud"
    role_file_name: str = "roles_data.yaml"
    detail: bool = False

    def perform(self, request: base.Request) -> list[Any]:
        found = request.plans.roles(self.container, self.role_file_name)
        return found if self.detail else [role["name"] for role in found]
