"""Ironic's API and conductor as threads of one process.

Usage: ``python -m tripleo_common.undercloud.servers.ironic --config-file FILE --config-dir DIR``

The ``ironic`` command runs the same in a process that it forks. Here it is made fit for hundreds of
nodes that are registered and inspected at the same time, on few CPUs and with sqlite.
"""

from __future__ import annotations

import functools
import gc
import hashlib
import signal
import sys
import threading
import types
from typing import Any

# Chooses the backend of oslo.service, so it comes before anything else of Ironic.
import ironic.command  # noqa: F401  isort: skip

import jsonschema  # type: ignore[import-untyped]
from cheroot import wsgi as cheroot_wsgi
from ironic.common import service as ironic_service
from ironic.common import wsgi_service
from ironic.conf import CONF
from oslo_db.sqlalchemy import engines
from sqlalchemy import pool

from tripleo_common.undercloud.servers import sqlite, wsgi

_API_THREADS = 16
_API_QUEUE = 128
_CONNECTIONS = 16


def trust_schemas() -> None:
    """Let Ironic check what it is sent, but not again its own schemas with each request.

    They are constants of its code, and that is half the time of a request that makes a node.
    """

    def validate(value: Any, schema: dict[str, Any]) -> None:
        validator = jsonschema.validators.validator_for(schema)(schema)
        error = jsonschema.exceptions.best_match(validator.iter_errors(value))
        if error is not None:
            raise error

    jsonschema.validate = validate


def remember_bmcs() -> None:
    """Compute the key under which Ironic finds its session with a BMC once, not with each request.

    It is derived from the BMC's password in 600,000 rounds, which take 0.2 to 0.4 s.
    """
    # Reads options when it is imported.
    from ironic.drivers.modules.redfish import utils

    derive = functools.lru_cache(maxsize=4096)(hashlib.pbkdf2_hmac)
    utils.hashlib = types.SimpleNamespace(pbkdf2_hmac=derive)


def keep_connections() -> None:
    """Keep connections to the database open.

    oslo.db opens one for each transaction, and sqlite then reads the whole schema first. That is a
    third of the time of an inspection.
    """

    def keep(_url: Any, arguments: dict[str, Any], _options: Any) -> None:
        arguments.update(poolclass=pool.QueuePool, pool_size=_CONNECTIONS, max_overflow=-1)

    engines._init_connection_args.dispatch_for("sqlite")(keep)
    # It lets others have their turn, which eventlet needs; with threads it just takes time.
    engines._thread_yield = lambda *_: None


def collect_less() -> None:
    """Leave what there is when all is imported out of garbage collections, and make them rarer."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def serve_many() -> None:
    """Give the API more threads, and room for connections that wait until one has time for them.

    With five that wait, which is the default, further ones are refused.
    """
    server = functools.partial(
        cheroot_wsgi.Server, numthreads=_API_THREADS, request_queue_size=_API_QUEUE
    )
    wsgi_service.wsgi = types.SimpleNamespace(Server=server)


def main() -> None:
    """Serve until asked to end (SIGTERM)."""
    ironic_service.prepare_service("ironic", sys.argv)
    # Reads options when it is imported.
    from ironic.conductor import rpc_service

    sqlite.make_concurrent()
    keep_connections()
    trust_schemas()
    remember_bmcs()
    serve_many()
    service = rpc_service.RPCService(
        CONF.host, "ironic.conductor.manager", "ConductorManager", embed_api=True
    )
    collect_less()
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    service.start()
    ended.wait()
    service.stop()


if __name__ == "__main__":
    wsgi.end_with(main)
