"""The roles of a plan, as its roles file says them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tripleo_common import exceptions
from tripleo_common.plan import yaml_files

ROLES_FILE = "roles_data.yaml"

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*")


def parse(text: str, path: str = ROLES_FILE) -> list[dict[str, Any]]:
    """Read a roles file.

    :returns: one mapping per role, each with at least ``name``.
    :raises YAMLInvalid: not a list of mappings with different, usable names. A role's name becomes
        part of resource and parameter names, so it is letters and digits.
    """
    document = yaml_files.load(text, path)
    if document is None:
        return []
    if not isinstance(document, list):
        raise exceptions.YAMLInvalid(path, "must hold a list of roles")
    seen: set[str] = set()
    for number, role in enumerate(document, 1):
        name = role.get("name") if isinstance(role, Mapping) else None
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise exceptions.YAMLInvalid(
                path, f"role {number} has no name of letters and digits, but {name!r}"
            )
        # Files are named by the role in lower case.
        if name.lower() in seen:
            raise exceptions.YAMLInvalid(path, f"there are two roles {name}, capitals aside")
        seen.add(name.lower())
    return document
