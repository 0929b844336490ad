"""``plan-environment.yaml``: a plan's environment as a file in its container, without secrets.

Clients since Pike read and write this file; for them it is the plan. For us the Mistral environment
is, and this file is written anew with each revision. What a client has written into it since is
taken over.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tripleo_common import exceptions
from tripleo_common.plan import names, secrets, yaml_files

FILE = "plan-environment.yaml"

VALUES = ("parameter_defaults", "parameters")
"""Where an environment has values of parameters."""

_VERSION = 1.0


def dump(plan: str, variables: Mapping[str, Any], description: str = "") -> str:
    """Return the file's content. Secrets are left out: they are encrypted for this undercloud."""
    environments = []
    for item in variables.get("environments") or []:
        if "data" in item:
            data = dict(item["data"] or {})
            values = {key: _open(data[key]) for key in VALUES if data.get(key)}
            environments.append({"data": {**data, **values}})
        else:
            environments.append(item)
    return yaml_files.dump(
        {
            "version": _VERSION,
            "name": plan,
            "description": description,
            "template": variables.get("template"),
            "environments": environments,
            "parameter_defaults": _open(variables.get("parameter_defaults") or {}),
            "passwords": {},
        }
    )


def merge(variables: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a plan's variables with what such a file says.

    Secrets that the file leaves out are kept; one that it has is taken.

    :raises FileInvalid: it does not hold what it must.
    """
    if not isinstance(document, Mapping):
        raise exceptions.FileInvalid(FILE, "must hold a mapping")
    found = dict(variables)
    if document.get("template") is not None:
        found["template"] = names.resolve(document["template"], FILE)
    if document.get("environments") is not None:
        found["environments"] = _environments(document["environments"])
        before = [item["data"] for item in variables.get("environments") or [] if "data" in item]
        after = [item["data"] for item in found["environments"] if "data" in item]
        for old, new in zip(before, after, strict=False):
            for key in VALUES:
                values = _with_secrets((old or {}).get(key), _mapping(new.get(key) or {}, key))
                if values or key in new:
                    new[key] = values
    if document.get("parameter_defaults") is not None:
        given = _mapping(document["parameter_defaults"], "parameter_defaults")
        found["parameter_defaults"] = _with_secrets(variables.get("parameter_defaults"), given)
    if document.get("passwords") is not None:
        given = _mapping(document["passwords"], "passwords")
        found["passwords"] = {**(variables.get("passwords") or {}), **given}
    return found


def _environments(value: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for item in value if isinstance(value, list) else [None]:
        if isinstance(item, dict) and "path" in item:
            found.append({"path": names.resolve(item["path"], FILE)})
        elif isinstance(item, dict) and isinstance(item.get("data"), dict):
            found.append({"data": dict(item["data"])})
        else:
            raise exceptions.FileInvalid(
                FILE, "environments must hold a list of mappings with a path or data"
            )
    return found


def _mapping(value: Any, key: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise exceptions.FileInvalid(FILE, f"{key} must hold a mapping")
    return {str(name): each for name, each in value.items()}


def _with_secrets(before: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    kept = before if isinstance(before, dict) else {}
    return {**{name: v for name, v in kept.items() if secrets.is_encrypted(v)}, **given}


def _open(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if not secrets.is_encrypted(value)}
