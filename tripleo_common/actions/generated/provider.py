"""The action provider by which Mistral finds the generated actions."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import Any

from mistral_lib import actions
from mistral_lib import exceptions as mistral_exc
from mistral_lib.actions.providers import base

from tripleo_common import config, exceptions
from tripleo_common.actions.generated import mapping, methods

_LEGACY = "mistral.actions.legacy"


class Descriptor(base.ActionDescriptorBase):  # type: ignore[misc]
    """What Mistral knows of an action: name, description, inputs."""

    def __init__(self, name: str, method: mapping.Method) -> None:
        """Describe a method that is there.

        :param name: of the action, with the prefix.
        """
        super().__init__(name, method.description, method.params_spec, namespace="")
        self._method = method

    def __repr__(self) -> str:
        """Name the action."""
        return f"Generated OpenStack action [name={self.name}]"

    def check_parameters(self, params: dict[str, Any] | None) -> None:
        """Make sure that inputs are known and complete, before anything runs.

        :raises mistral_lib.exceptions.ActionException: they are not.
        """
        try:
            self._method.check(self._split(params)[0])
        except exceptions.InputInvalid as error:
            raise mistral_exc.ActionException(error.message) from error

    def instantiate(self, input_dict: dict[str, Any] | None, wf_ctx: Any) -> methods.CallMethod:
        """Return the action with its inputs."""
        inputs, routing = self._split(input_dict)
        return methods.CallMethod(name=self._method.key, inputs=inputs, **routing)

    def _split(self, params: dict[str, Any] | None) -> tuple[dict[str, Any], dict[str, Any]]:
        routing = self._method.module.routing
        given = params or {}
        return (
            {name: value for name, value in given.items() if name not in routing},
            {name: value for name, value in given.items() if name in routing},
        )


class Provider(actions.ActionProvider):  # type: ignore[misc]
    """Provides the actions of the mapping whose clients are installed.

    A client is imported when one of its module's actions is asked for, or all are listed.
    """

    def __init__(self, name: str = "tripleo_openstack") -> None:
        """Read the mapping.

        :raises InputInvalid: it is wrong.
        """
        super().__init__(name)
        self._prefix = config.options().openstack_actions_prefix
        self._modules = mapping.load()
        self._known: dict[str, Descriptor | None] = {}
        if not self._prefix:
            _take_over(self)

    def find(self, action_name: str, namespace: str | None = None) -> Descriptor | None:
        """Return an action's descriptor, or None."""
        if not action_name.startswith(self._prefix):
            return None
        if action_name not in self._known:
            module, _, action = action_name.removeprefix(self._prefix).partition(".")
            found = self._modules.get(module)
            method = found.methods.get(action) if found else None
            if method is None:
                # Not kept: anybody may ask for any name.
                return None
            is_there = method.inputs is not None
            self._known[action_name] = Descriptor(action_name, method) if is_there else None
        return self._known[action_name]

    def find_all(
        self,
        namespace: str | None = None,
        limit: int | None = None,
        sort_fields: Any = None,
        sort_dirs: Any = None,
        **filters: Any,
    ) -> list[Descriptor]:
        """Return all descriptors. Mistral's API filters and sorts them, as other providers'."""
        names = (
            f"{self._prefix}{method.key}"
            for module in self._modules.values()
            for method in module.methods.values()
        )
        return [found for found in map(self.find, names) if found]


def _take_over(provider: Provider) -> None:
    """Keep Mistral's provider of Python actions from offering names that are the provider's.

    Mistral asks its providers in no order that can be chosen, and lists what each of them has. So
    it is that class which must not have them; that holds whichever is made first.
    """
    try:
        legacy = importlib.import_module(_LEGACY).LegacyActionProvider
    except ImportError:
        return
    is_new = not hasattr(legacy, "tripleo_openstack")
    legacy.tripleo_openstack = provider
    if not is_new:
        return
    find, find_all = legacy.find, legacy.find_all

    def find_other(self: Any, action_name: str, namespace: str | None = None) -> Any:
        if legacy.tripleo_openstack.find(action_name):
            return None
        return find(self, action_name, namespace)

    def find_all_other(self: Any, *arguments: Any, **options: Any) -> Iterable[Any]:
        return [
            found
            for found in find_all(self, *arguments, **options)
            if not legacy.tripleo_openstack.find(found.name)
        ]

    legacy.find, legacy.find_all = find_other, find_all_other
