"""The action that calls a method of a client."""

from __future__ import annotations

from typing import Any

from tripleo_common import config, exceptions
from tripleo_common.actions import base
from tripleo_common.actions.generated import mapping


class CallMethod(base.Action):
    """Call a method of a client and return what it returns as plain data."""

    name: str
    inputs: dict[str, Any]

    def known_as(self) -> str:
        """Return the name under which Mistral knows the method."""
        return f"{config.options().openstack_actions_prefix}{self.name}"

    def perform(self, request: base.Request) -> Any:
        """Find the method in this executor's mapping, and call it."""
        module, _, action = str(self.name).partition(".")
        found = mapping.load().get(module)
        method = found.methods.get(action) if found else None
        if method is None:
            raise exceptions.InputInvalid(
                str(self.name), "is no action of this executor's openstack_actions_mapping."
            )
        return method.call(request.cloud, self.inputs)
