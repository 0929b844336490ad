"""Serve a service's own WSGI application with threads.

Usage: ``python -m tripleo_common.undercloud.servers.wsgi MODULE:APPLICATION PORT``
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any

from cheroot import wsgi

from tripleo_common.undercloud import state
from tripleo_common.undercloud.servers import sqlite

_THREADS = 8


def server(application: Any, port: int) -> wsgi.Server:
    """Return a server that is not started yet."""
    # The default of a five-entry queue refuses connections when many clients come at once.
    return wsgi.Server(
        (state.HOST, port), _keep_open(application), numthreads=_THREADS, request_queue_size=128
    )


def serve(application: Any, port: int) -> None:
    """Serve until asked to end (SIGTERM)."""
    serving = server(application, port)

    def end(*_: object) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, end)
    try:
        serving.start()
    finally:
        serving.stop()


class _Body:
    """The body of a request, which the application cannot close.

    The server reads the next request from the same file, and Glance closes it after an upload.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __iter__(self) -> Any:
        return iter(self._stream)

    def close(self) -> None:
        """Leave it open."""


def _keep_open(application: Any) -> Any:
    def serve(environ: Any, start_response: Any) -> Any:
        environ["wsgi.input"] = _Body(environ["wsgi.input"])
        return application(environ, start_response)

    return serve


def end_with(main: Callable[[], None]) -> None:
    """Run a program and end the process with it, whatever threads it leaves behind."""
    code = 1
    try:
        main()
        code = 0
    except SystemExit as request:
        code = request.code if isinstance(request.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """Import the application and serve it."""
    application, port = sys.argv[1:]
    # The services read their own options from what is left.
    del sys.argv[1:]
    sqlite.make_concurrent()
    module, _, name = application.partition(":")
    serve(getattr(importlib.import_module(module), name), int(port))


if __name__ == "__main__":
    end_with(main)
