"""The mapping: which action calls which method of which client, and what inputs it has."""

from __future__ import annotations

import copy
import functools
import importlib
import inspect
import json
import logging
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from tripleo_common import clouds, config, exceptions
from tripleo_common.actions.generated import plain

LOG = logging.getLogger(__name__)

REQUIRED = inspect.Parameter.empty
"""Stands in the place of the default of an input that must be given."""

ROUTING = ("action_region", "cloud")
_OWN = Path(__file__).with_name("mapping.yaml")
_SWIFT = "swift"
_MODULE_KEYS: dict[str, type] = {
    "service": str,
    "client": str,
    "endpoint": str,
    "path": str,
    "options": dict,
    "without": list,
    "classes": dict,
    "actions": dict,
}
_METHOD_KEYS: dict[str, type] = {
    "method": str,
    "inputs": list,
    "without": list,
    "arguments": dict,
    "complete": dict,
    "spread": str,
    "objects": list,
    "bytes": list,
    "pages": str,
    "result": list,
}
_FAULTS_OF_INPUTS = (TypeError, ValueError, AttributeError)
"""What methods of clients raise when they are given values that they cannot work with."""


class Module:
    """The actions of one client."""

    def __init__(self, name: str, said: Any) -> None:
        """Take what the mapping says; nothing is imported.

        :raises InputInvalid: it says something wrong.
        """
        self.name = name
        said = _checked(name, said, _MODULE_KEYS, ("service", "client", "classes", "actions"))
        self._service = said["service"]
        self._client = said["client"]
        self._endpoint = said.get("endpoint", "endpoint_override")
        self._path = said.get("path")
        self._options = said.get("options", {})
        self.classes: Mapping[str, str] = said["classes"]
        self.methods = {
            action: Method(self, f"{name}.{action}", method, said.get("without", []))
            for action, method in said["actions"].items()
        }

    @property
    def has_region(self) -> bool:
        """Whether its actions have the input ``action_region``."""
        return self.name in config.options().modules_support_region

    @property
    def routing(self) -> tuple[str, ...]:
        """The inputs that all of its actions have: where the call goes."""
        return ROUTING if self.has_region else ROUTING[1:]

    def open(self, cloud: clouds.Cloud) -> Any:
        """Return a client."""
        if self._client == _SWIFT:
            connection = cloud.swift()
            # Not each of its methods looks the endpoint up by itself.
            connection.url, connection.token = connection.get_auth()
            return connection
        options = {**self._options, "endpoint": self._endpoint}
        return cloud.client(self._make, self._service, **options)

    def _make(self, **options: Any) -> Any:
        url = options[self._endpoint].rstrip("/")
        if self._path and not urllib.parse.urlsplit(url).path.endswith(f"/{self._path}"):
            options[self._endpoint] = f"{url}/{self._path}"
        return _load(self._client)(**options)


class Method:
    """A method of a client as an action.

    :ivar key: of the action, without the prefix, such as ``heat.stacks_list``.
    """

    def __init__(self, module: Module, key: str, said: Any, without: list[str]) -> None:
        """Take what the mapping says; nothing is imported.

        :param said: the path of the method, or an object with it and more.
        :param without: arguments of methods that are no inputs.
        :raises InputInvalid: it says something wrong.
        """
        said = {"method": said} if isinstance(said, str) else said
        said = _checked(key, said, _METHOD_KEYS, ("method",))
        self.module = module
        self.key = key
        self._path: str = said["method"]
        self._inputs: list[str] = said.get("inputs", [])
        self._arguments: dict[str, Any] = said.get("arguments", {})
        self._without = {*without, *said.get("without", []), *self._arguments}
        self._complete: dict[str, Any] = said.get("complete", {})
        self._spread: str | None = said.get("spread")
        self._objects: list[str] = said.get("objects", [])
        self._bytes: list[str] = said.get("bytes", [])
        self._pages: str | None = said.get("pages")
        self._result: list[str] = said.get("result", [])
        if self._path.rpartition(".")[0] not in module.classes:
            raise _invalid(key, f"'classes' does not say whose method {self._path} is")

    @property
    def name(self) -> str:
        """The action's name, as users know it."""
        return f"{config.options().openstack_actions_prefix}{self.key}"

    @functools.cached_property
    def inputs(self) -> dict[str, Any] | None:
        """Input to default, without those of routing; None where the client has no such method.

        This imports the client's module.
        """
        owner, _, method = self._path.rpartition(".")
        try:
            function = getattr(_load(self.module.classes[owner]), method)
            _, *parameters = inspect.signature(function).parameters.values()
        # A client that is not installed, or broken, must not take the other actions with it.
        except Exception as error:
            LOG.info("There is no action %s: %s", self.name, error)
            return None
        found = {
            parameter.name: parameter.default
            for parameter in parameters
            if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
            and parameter.name not in self._without
        }
        for name in self._inputs:
            found[name.removesuffix("!")] = REQUIRED if name.endswith("!") else None
        return {**found, **{k: v for k, v in self._complete.items() if k in found}}

    @property
    def description(self) -> str:
        """What the action does, in a sentence, and its inputs."""
        where = " and ".join(self.module.routing)
        return (
            f"Calls {self._path} of the {self.module.name} client and returns its answer as plain "
            f"data. Inputs: {self._told()}. Where it goes is said by {where} (optional)."
        )

    @property
    def params_spec(self) -> str:
        """The inputs in Mistral's notation: ``name, name=default``.

        Mistral takes it apart at commas and equals signs, so a default with one is not shown.
        """
        shown = []
        for name, default in (self.inputs or {}).items():
            if default is REQUIRED:
                shown.append(name)
                continue
            try:
                text = json.dumps(default)
            except TypeError:
                text = "null"
            shown.append(f"{name}={'null' if set(',=') & set(text) else text}")
        return ", ".join([*shown, *(f"{name}=null" for name in self.module.routing)])

    def check(self, given: object) -> dict[str, Any]:
        """Return the inputs that are given; null stands for an input that is not.

        :raises InputInvalid: one is unknown or missing.
        """
        known = self.inputs
        if known is None:
            raise exceptions.InputInvalid(self.name, "is no action of this executor's clients.")
        if not isinstance(given, dict):
            raise exceptions.InputInvalid("input", "must be an object.")
        unknown = [str(name)[:80] for name in given if name not in known]
        if unknown:
            raise exceptions.InputInvalid(
                unknown[0], f"is unknown to {self.name}. Its inputs: {self._told()}."
            )
        values = {name: value for name, value in given.items() if value is not None}
        for name, default in known.items():
            if default is REQUIRED and name not in values:
                raise exceptions.InputInvalid(
                    name, f"of {self.name} must be given. Its inputs: {self._told()}."
                )
        for name in self._objects:
            if name in values and not isinstance(values[name], dict):
                raise exceptions.InputInvalid(name, f"of {self.name} must be an object.")
        return values

    def call(self, cloud: clouds.Cloud, given: object) -> Any:
        """Call the method and return its result as plain data.

        :raises InputInvalid: an input is not what it must be.
        :raises ResultTooLarge: the result is larger than Mistral keeps.
        """
        # Clients change what they are given, and it is what Mistral records as the input.
        given = copy.deepcopy(self.check(given))
        arguments = self._arguments_of(given)
        function = self.module.open(cloud)
        for word in self._path.split("."):
            function = getattr(function, word)
        try:
            return plain.result(self.name, self._run(function, arguments), self._result)
        except _FAULTS_OF_INPUTS as error:
            # No input is None: where one was found, it was in what the service answered.
            is_answer = isinstance(error, json.JSONDecodeError) or "NoneType" in str(error)
            if is_answer or clouds.translate(error, {}):
                raise
            LOG.debug("Method of action %s", self.name, exc_info=True)
            raise exceptions.InputInvalid(
                ", ".join(given) or "none",
                f"of {self.name} cannot be used ({type(error).__name__}: {str(error)[:300]}). Its "
                f"inputs: {self._told()}.",
            ) from error

    def _arguments_of(self, given: dict[str, Any]) -> dict[str, Any]:
        values = dict(given)
        further: Any = {}
        if self._spread:
            further = values.pop(self._spread, {})
            if not isinstance(further, dict):
                raise exceptions.InputInvalid(self._spread, "must be an object.")
        for name in further:
            if name in (self.inputs or {}) or name in self._without or str(name).startswith("_"):
                raise exceptions.InputInvalid(
                    str(self._spread), f"must not have {str(name)[:80]!r} in it."
                )
        for name in self._bytes:
            if name in values:
                values[name] = plain.content(name, values[name])
        complete = {} if "limit" in values else self._complete
        return {**complete, **values, **further, **self._arguments}

    def _run(self, function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
        if self._pages and "limit" not in arguments:
            return self._pages_of(function, arguments)
        return function(**arguments)

    def _pages_of(self, function: Callable[..., Any], arguments: dict[str, Any]) -> Iterator[Any]:
        while page := plain.plain(function(**arguments)):
            yield from page
            marker = page[-1][self._pages]
            if marker == arguments.get("marker"):
                return
            arguments["marker"] = marker

    def _told(self) -> str:
        inputs = self.inputs or {}
        return (
            ", ".join(f"{k} (required)" if v is REQUIRED else k for k, v in inputs.items())
            or "none"
        )


def load() -> dict[str, Module]:
    """Return the modules of the mapping; its file is read once in a process.

    :raises InputInvalid: the file cannot be read, or says something wrong.
    """
    return _read(config.options().openstack_actions_mapping or str(_OWN))


@functools.cache
def _read(path: str) -> dict[str, Module]:
    try:
        said = yaml.load(Path(path).read_bytes(), yaml.CSafeLoader)
    except (OSError, yaml.YAMLError) as error:
        raise exceptions.InputInvalid(
            "openstack_actions_mapping", f"names no readable YAML file: {error}"
        ) from error
    if not isinstance(said, dict) or not all(isinstance(name, str) for name in said):
        raise exceptions.InputInvalid(
            "openstack_actions_mapping", "must name a file with an object: module to its actions."
        )
    return {name: Module(name, module) for name, module in said.items()}


def _checked(
    name: str, said: Any, known: dict[str, type], needed: tuple[str, ...]
) -> dict[str, Any]:
    if not isinstance(said, dict):
        raise _invalid(name, "it must be an object")
    for key, value in said.items():
        if key not in known:
            raise _invalid(name, f"{key!r} is none of {', '.join(known)}")
        if not isinstance(value, known[key]):
            raise _invalid(name, f"{key!r} must be of the type {known[key].__name__}")
        if isinstance(value, list) and not all(isinstance(item, str) for item in value):
            raise _invalid(name, f"{key!r} must be a list of texts")
    if missing := [key for key in needed if key not in said]:
        raise _invalid(name, f"{missing[0]!r} is missing")
    return said


def _invalid(name: str, problem: str) -> exceptions.InputInvalid:
    return exceptions.InputInvalid(
        "openstack_actions_mapping", f"names a file that is wrong at {name}: {problem}."
    )


def _load(target: str) -> Any:
    """Import ``module:name``."""
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)
