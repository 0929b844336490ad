"""Who changes a plan, why, and on which request."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Change:
    """What is known of a change before it is made.

    :ivar action: the action that makes it, such as ``tripleo.parameters.update``.
    :ivar user: name of the user who asked for it.
    :ivar reason: why, in the user's words; or nothing.
    :ivar request: id that Mistral gives this run of the action, the same when it delivers it twice.
    :ivar execution: id of the workflow execution that the action belongs to, if it does.
    :ivar wait: seconds to wait for another change to end.
    """

    action: str
    user: str = "unknown"
    reason: str = ""
    request: str | None = None
    execution: str | None = None
    wait: float = 0.0

    @property
    def owner(self) -> str:
        """Tell who that is, for those who wait."""
        if self.execution:
            return f"{self.user}'s execution {self.execution}"
        return f"{self.user}'s {self.action}"
