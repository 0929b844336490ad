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


def serve(application: Any, port: int) -> None:
    """Serve until asked to end (SIGTERM)."""
    # The default of a five-entry queue refuses connections when many clients come at once.
    server = wsgi.Server(
        (state.HOST, port), application, numthreads=_THREADS, request_queue_size=128
    )

    def end(*_: object) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, end)
    try:
        server.start()
    finally:
        server.stop()


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
