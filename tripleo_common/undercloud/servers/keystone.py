"""Keystone's WSGI application, safe for threads; for :mod:`tripleo_common.undercloud.servers.wsgi`.

Keystone's middleware keeps the token of a request in an attribute of the one object that serves all
requests. With threads, a request can be judged by the token of another one that comes in between:
refused although it is the administrator's, or worse.
"""

from __future__ import annotations

import threading
from typing import Any

from keystone.server.flask.request_processing.middleware import auth_context


class _PerThread:
    """An attribute that has a value of its own in each thread; None until it is set there."""

    def __init__(self) -> None:
        self._local = threading.local()

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return getattr(self._local, "value", None)

    def __set__(self, instance: object, value: Any) -> None:
        self._local.value = value


auth_context.AuthContextMiddleware.token = _PerThread()

# Makes the application, with the middleware as it is now.
from keystone.wsgi.api import application  # noqa: E402

__all__ = ["application"]
