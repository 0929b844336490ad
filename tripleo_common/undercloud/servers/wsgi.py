"""Serve a service's own WSGI application with threads.

Usage: ``python -m tripleo_common.undercloud.servers.wsgi MODULE:APPLICATION PORT``
"""

from __future__ import annotations

import importlib
import signal
import sys
from typing import Any

from cheroot import wsgi

from tripleo_common.undercloud import state

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


def main() -> None:
    """Import the application and serve it."""
    module, _, name = sys.argv[1].partition(":")
    serve(getattr(importlib.import_module(module), name), int(sys.argv[2]))


if __name__ == "__main__":
    main()
