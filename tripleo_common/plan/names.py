"""What a plan and a file of a plan may be called."""

from __future__ import annotations

import posixpath
import re

from tripleo_common import exceptions

_PLAN = re.compile(r"[a-zA-Z][a-zA-Z0-9-]{0,63}")


def check_plan(name: object) -> str:
    """Return a plan's name if it can be one.

    It must do as a Swift container, a Heat stack (whose names start with a letter) and a Mistral
    environment at the same time.

    :raises PlanNameInvalid: it cannot.
    """
    if not isinstance(name, str) or not _PLAN.fullmatch(name):
        raise exceptions.PlanNameInvalid(name)
    return name


def resolve(reference: object, referrer: str) -> str:
    """Return the path in the plan that a reference means.

    :param reference: what a file says, relative to itself.
    :param referrer: path of that file in the plan.
    :raises PathInvalid: it is absolute, a URL, or leaves the plan.
    """
    text = reference if isinstance(reference, str) else repr(reference)
    if (
        not isinstance(reference, str)
        or not reference.strip()
        or reference.startswith(("/", "~"))
        or "\\" in reference
        or re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:", reference)
        or any(ord(character) < 32 for character in reference)
    ):
        raise exceptions.PathInvalid(text, referrer)
    path = posixpath.normpath(posixpath.join(posixpath.dirname(referrer), reference))
    if path in (".", "..") or path.startswith("../"):
        raise exceptions.PathInvalid(text, referrer)
    return path
