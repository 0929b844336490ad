"""Inputs that can hold secrets: sealed before Mistral gets them, opened by the action they are for.

Mistral stores the inputs of executions, tasks and actions, passes them from one to the next and
writes them into its log, all in clear. The gate in front of its API (:mod:`tripleo_common.gate`)
puts a sealed text in the place of the values of :data:`INPUTS`. It is of use for the same input in
the same project alone.
"""

from __future__ import annotations

import bz2
from collections.abc import Collection, Mapping
from typing import Any

from tripleo_common import exceptions, vault

INPUTS: Mapping[str, tuple[str, ...]] = {
    "tripleo.baremetal.register_or_update_nodes": ("nodes_json",),
    "tripleo.baremetal.validate_nodes": ("nodes_json",),
    "tripleo.baremetal.v1.register_or_update": ("nodes_json",),
    "tripleo.baremetal.v1.validate_nodes": ("nodes_json",),
    "tripleo.parameters.update": ("parameters",),
    "tripleo.plan.create": ("passphrase",),
    "tripleo.plan.export": ("passphrase",),
    "tripleo.plan.update": ("plan_environment",),
    "tripleo.plan_management.v1.update_deployment_plan": ("plan_environment",),
}
"""Action or workflow to those of its inputs that can hold secrets.

A workflow passes such an input on under the same name, and does not look into it.
"""

NAMES = frozenset(name for names in INPUTS.values() for name in names)
"""Inputs that can hold secrets, of whatever they are."""

REFERABLE = frozenset({"nodes_json"})
"""Inputs that can be in a Swift object: then ``container`` and ``object`` of it are the value."""

_OWN = NAMES - {"parameters"}
"""Names that are not usual elsewhere."""

_PREFIX = "sealed:"
_PURPOSE = "tripleo input"
_OPENED_BYTES = 64 * 1024 * 1024


def inputs_of(started: str | None) -> Collection[str]:
    """Return the inputs to be sealed of what a request starts.

    :param started: name of an action or a workflow; None if that is not known. Names of ours that
        do not exist are likely to be misspelled, and what is refused is logged too.
    """
    if started is None:
        return _OWN
    return INPUTS.get(started, _OWN if started.startswith("tripleo.") else ())


def is_secret(name: str, value: object) -> bool:
    """Tell whether the value of an input has to be sealed.

    :param name: of the input.
    """
    if name not in NAMES or value is None or is_sealed(value):
        return False
    return not (name in REFERABLE and is_reference(value))


def is_reference(value: object) -> bool:
    """Tell whether a value names a Swift object: texts ``container`` and ``object`` alone."""
    return (
        isinstance(value, dict)
        and value.keys() == {"container", "object"}
        and all(isinstance(part, str) for part in value.values())
    )


def is_sealed(value: object) -> bool:
    """Tell whether a value is one that :func:`seal` returned, be it damaged since."""
    return (
        isinstance(value, str)
        and value.startswith(_PREFIX)
        and vault.is_encrypted(value.removeprefix(_PREFIX))
    )


def seal(value: Any, *, project: str, name: str) -> str:
    """Return a value as a text that only executors can read.

    :param value: anything that JSON can hold.
    :param project: id of the caller's project, in which alone it opens.
    :param name: of the input, as which alone it opens.
    :raises EncryptionKeyMissing: there is no usable file of keys.
    :raises InputInvalid: the value cannot be JSON.
    """
    document = vault.to_json({"project": project, "name": name, "value": value}, name)
    return _PREFIX + vault.Vault.from_options(_PURPOSE).encrypt_bytes(bz2.compress(document))


def open_(text: str, *, project: str | None, name: str) -> Any:
    """Return the value that was sealed.

    :param text: what :func:`seal` returned.
    :param project: id of the project in which the action runs.
    :param name: of the input that has it.
    :raises EncryptionKeyMissing: there is no usable file of keys.
    :raises SecretUnreadable: none of the keys opens it, or it is no sealed text.
    :raises InputInvalid: it was sealed in another project or as another input, or is too large.
    """
    token = text.removeprefix(_PREFIX) if is_sealed(text) else ""
    compressed = vault.Vault.from_options(_PURPOSE).decrypt_bytes(token, name)
    opening = bz2.BZ2Decompressor()
    plain = opening.decompress(compressed, _OPENED_BYTES)
    if not opening.eof:
        raise exceptions.InputInvalid(
            name, f"has more than {_OPENED_BYTES} bytes when it is opened."
        )
    document = vault.from_json(plain, name)
    if (document["project"], document["name"]) != (project, name):
        raise exceptions.InputInvalid(
            name,
            "is a sealed text from another project or another input. Give the value itself.",
        )
    return document["value"]


def open_inputs(action: str, inputs: Mapping[str, Any], project: str | None) -> dict[str, Any]:
    """Return an action's inputs with the values of those that are sealed.

    :param action: the name under which Mistral knows it.
    :param inputs: name to value.
    :param project: id of the project in which it runs.
    :raises EncryptionKeyMissing: there is no usable file of keys.
    :raises SecretUnreadable: an input does not open with any of the keys.
    :raises InputInvalid: an input was sealed in another project or as another input.
    """
    opened = dict(inputs)
    for name in INPUTS.get(action, ()):
        if is_sealed(opened.get(name)):
            opened[name] = open_(opened[name], project=project, name=name)
    return opened
