"""``tripleo.role.*``"""

from __future__ import annotations

from typing import Any

from tripleo_common.actions import base
from tripleo_common.plan import composition


class List(base.Action):
    """Return the names of a plan's roles, or with detail the roles themselves."""

    container: str = "overcloud"
    role_file_name: str = "roles_data.yaml"
    detail: bool = False

    def perform(self, request: base.Request) -> Any:
        found = composition.list_roles(request.plans, self.container, self.role_file_name)
        names = [role["name"] for role in found]
        return request.answer(self.container, "roles", found if self.detail else names)


class ListAvailable(base.Action):
    """Return the roles that a plan could have: name, description, tags and count of services.

    With detail the roles themselves.
    """

    container: str = "overcloud"
    detail: bool = False

    def perform(self, request: base.Request) -> Any:
        found = composition.available_roles(request.plans, self.container)
        short = [_short(role) for role in found]
        return request.answer(self.container, "available-roles", found if self.detail else short)


class Select(base.ChangeAction):
    """Compose a plan's roles of those that are available, and render it anew.

    Without replace_all the plan's other roles stay. Result: revision, and roles: name, description,
    tags and count of services of each.
    """

    container: str
    role_names: list[str]
    roles_data_file: str = "roles_data.yaml"
    replace_all: bool = True

    def perform(self, request: base.Request) -> dict[str, Any]:
        committed, found = composition.select_roles(
            request.plans,
            self.container,
            self.role_names,
            self.change(request),
            file=self.roles_data_file,
            replace_all=self.replace_all,
        )
        return {**committed.to_dict(), "roles": [_short(role) for role in found]}


def _short(role: dict[str, Any]) -> dict[str, Any]:
    tags, services = role.get("tags"), role.get("ServicesDefault")
    return {
        "name": role["name"],
        "description": str(role.get("description") or "").strip(),
        "tags": tags if isinstance(tags, list) else [],
        "services": len(services) if isinstance(services, list) else 0,
    }
