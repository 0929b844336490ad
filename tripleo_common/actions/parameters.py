"""``tripleo.parameters.*``"""

from __future__ import annotations

from typing import Any

from tripleo_common import exceptions
from tripleo_common.actions import base
from tripleo_common.plan import parameters, settings


class Get(base.Action):
    """Ask Heat about a plan, nested templates included.

    Result: heat_resource_tree (Heat's answer), and environment_parameters (the same as
    mistral_environment_parameters): the values that the plan sets. Secrets are masked.
    """

    container: str = "overcloud"

    def perform(self, request: base.Request) -> dict[str, Any]:
        tree, values = settings.get_parameters(request.plans, self.container)
        return request.answer(self.container, "parameters", _result(tree, values))


class GetFlatten(base.Action):
    """Ask Heat about a plan, like tripleo.parameters.get.

    Its tree comes as heat_resource_tree: resources (by id, the root's name is Root) and parameters
    (by name).
    """

    container: str = "overcloud"

    def perform(self, request: base.Request) -> dict[str, Any]:
        tree, values = settings.get_parameters(request.plans, self.container)
        result = _result(parameters.flatten(tree), values)
        return request.answer(self.container, "parameters-flat", result)


class Update(base.ChangeAction):
    """Merge values into a plan's parameters, after checking every one.

    With validate Heat looks at the result before it is committed. With placement_only the values
    hold in the placement that the call goes to alone, where they override those of the plan.
    Result: environment_parameters (all values that hold there; secrets masked), revision, changed,
    stale (placements that did not get it), and with validate the tree of
    tripleo.parameters.get_flatten.
    """

    parameters: dict[str, Any]
    container: str = "overcloud"
    key: str = "parameter_defaults"
    validate: bool = True
    placement_only: bool = False

    def perform(self, request: base.Request) -> dict[str, Any]:
        _check_key(self.key)
        committed, tree, values = settings.update_parameters(
            request.plans,
            self.container,
            self.parameters,
            self.change(request),
            validate=self.validate,
            placement_only=self.placement_only,
        )
        result: dict[str, Any] = {"environment_parameters": values, **committed.to_dict()}
        if tree is not None:
            result["heat_resource_tree"] = parameters.flatten(tree)
        return request.answer(self.container, "parameters-flat", result)


class Reset(base.ChangeAction):
    """Take out all parameters that were set for a plan; passwords stay.

    With placement_only those that hold in the placement that the call goes to alone. Result:
    revision, changed, stale.
    """

    container: str = "overcloud"
    key: str = "parameter_defaults"
    placement_only: bool = False

    def perform(self, request: base.Request) -> dict[str, Any]:
        _check_key(self.key)
        committed = settings.reset_parameters(
            request.plans,
            self.container,
            self.change(request),
            placement_only=self.placement_only,
        )
        return committed.to_dict()


class UpdateRole(base.ChangeAction):
    """Set count and flavor of a role to what the nodes tagged for it say.

    With dry_run nothing is changed. Result: revision, and parameters: those that were set; with
    dry_run just parameters: those that would be.
    """

    role: str
    container: str = "overcloud"
    dry_run: bool = False

    def perform(self, request: base.Request) -> dict[str, Any]:
        if self.dry_run:
            found = settings.role_parameters(request.plans, self.container, self.role)
            return {"parameters": found}
        committed, values = settings.update_role_parameters(
            request.plans, self.container, self.role, self.change(request)
        )
        return {**committed.to_dict(), "parameters": values}


class GeneratePasswords(base.ChangeAction):
    """Make the passwords that a plan lacks; with rotate_passwords new ones for all, or those named.

    Those of a deployed stack are taken over. Result: revision, passwords (names of those that are
    new) and overridden (those among them that the plan's parameters set to something else). Their
    values are not part of any result.
    """

    container: str = "overcloud"
    rotate_passwords: bool = False
    rotate_pw_list: list[str] | None = None

    def perform(self, request: base.Request) -> dict[str, Any]:
        committed, names, overridden = settings.generate_passwords(
            request.plans,
            self.container,
            self.change(request),
            rotate=self.rotate_passwords,
            names=self.rotate_pw_list,
        )
        return {**committed.to_dict(), "passwords": names, "overridden": overridden}


class GetPasswords(base.Action):
    """Return a plan's passwords by name, masked; in clear with reveal.

    What is revealed is in Mistral's database if the result is saved: use a synchronous
    run-action without saving. names restricts it to some.
    """

    container: str = "overcloud"
    names: list[str] | None = None
    reveal: bool = False

    def perform(self, request: base.Request) -> dict[str, Any]:
        if self.names is not None and not (
            isinstance(self.names, list) and all(isinstance(name, str) for name in self.names)
        ):
            raise exceptions.InputInvalid("names", "must be a list of names.")
        return settings.get_passwords(
            request.plans, self.container, self.names, reveal=bool(self.reveal)
        )


def _result(tree: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    return {
        "heat_resource_tree": tree,
        "environment_parameters": values,
        "mistral_environment_parameters": values,
    }


def _check_key(key: str) -> None:
    if key != "parameter_defaults":
        raise exceptions.InputInvalid("key", "must be parameter_defaults.")
