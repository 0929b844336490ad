"""``tripleo.swift.*``"""

from __future__ import annotations

from tripleo_common import exceptions
from tripleo_common.actions import base
from tripleo_common.plan import container


class Tempurl(base.Action):
    """Return a URL that lets anybody use one method on an object for valid seconds.

    The object's container must be there; it gets a key for such URLs if it has none.
    """

    container: str
    obj: str
    method: str = "GET"
    valid: int = 86400

    def perform(self, request: base.Request) -> str:
        for name in ("container", "obj", "method"):
            if not isinstance(getattr(self, name), str) or not getattr(self, name):
                raise exceptions.InputInvalid(name, "must be a text.")
        # Clients have always sent it as a text.
        text = str(self.valid)
        seconds = int(text) if text.isdecimal() and len(text) < 12 else 0
        if seconds < 1:
            raise exceptions.InputInvalid("valid", "must be a number of seconds, 1 or more.")
        return container.temporary_url(
            request.cloud, self.container, self.obj, self.method, seconds
        )
