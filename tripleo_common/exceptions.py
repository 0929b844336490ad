"""Every error of this project.

Each error has a machine-readable :attr:`~TripleOError.type`, one plain sentence as its message and
its data as attributes, which are also its ``details``. ``tripleo_common.actions.base`` turns them
into results of Mistral actions; nothing else does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class TripleOError(Exception):
    """Root of all errors.

    :param message: one sentence: the thing, what was wrong, what exists instead, what to do.
    :param details: JSON-able data, kept as attributes.
    """

    def __init__(self, message: str, **details: Any) -> None:
        """Keep the message and the data."""
        super().__init__(message)
        self.message = message
        self.details = details
        self.__dict__.update(details)

    @property
    def type(self) -> str:
        """The machine-readable kind: the class's name."""
        return type(self).__name__

    def to_dict(self) -> dict[str, Any]:
        """Return the error as ``{"type", "message", "details"}``."""
        return {"type": self.type, "message": self.message, "details": self.details}


class UndercloudError(TripleOError):
    """The embedded undercloud cannot do what was asked."""


def one_of(names: Iterable[str], *, nothing: str = "none") -> str:
    """Put a list of names into a sentence: sorted, at most twenty of them."""
    listed = sorted(names)
    if not listed:
        return nothing
    shown = ", ".join(listed[:20])
    return shown if len(listed) <= 20 else f"{shown} and {len(listed) - 20} more"
