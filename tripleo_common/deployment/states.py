"""What the states of a stack mean (Heat's ``stack_status`` is ACTION_STATUS)."""

from __future__ import annotations

import enum


class Phase(enum.Enum):
    """Where a stack is in what it was last asked to do."""

    IN_PROGRESS = "Heat is at work on it; nobody else may ask for anything"
    COMPLETE = "Heat has done what it was asked"
    FAILED = "Heat has given up; the reason is in the stack's failed resources"
    GONE = "there is no such stack"


GONE = "DELETE_COMPLETE"
"""A deleted stack, which Heat still knows by its UUID."""


def phase(status: str) -> Phase:
    """Return what a ``stack_status`` means.

    >>> phase("UPDATE_COMPLETE")
    <Phase.COMPLETE: 'Heat has done what it was asked'>
    """
    if status == GONE:
        return Phase.GONE
    # All actions end in the same three words: CREATE, UPDATE, DELETE, ROLLBACK, SUSPEND, RESUME,
    # ADOPT, SNAPSHOT, CHECK, RESTORE, INIT.
    return Phase[status.partition("_")[2]]
