"""Heat's engine and API as threads of one process.

Usage: ``python -m tripleo_common.undercloud.servers.heat CONFIG PORT``
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from oslo_service import backend

backend.init_backend(backend.BackendType.THREADING)

# The backend has to be chosen before anything of Heat is imported.
from heat.common import config, messaging  # noqa: E402
from heat.engine import scheduler, service, template  # noqa: E402
from heat.objects import service as service_objects  # noqa: E402
from heat.rpc import api as rpc_api  # noqa: E402
from oslo_config import cfg  # noqa: E402
from oslo_log import log as logging  # noqa: E402

from tripleo_common.undercloud.servers import sqlite, wsgi  # noqa: E402

_STEP_SECONDS = float(os.environ.get("TRIPLEO_HEAT_STEP_SECONDS", "0.1"))
"""How long the engine sleeps between two looks at what a stack's resources are doing.

Heat's own second is for resources that are virtual machines. A deployment's stack is hundreds of
small resources in nested stacks, and each level would wait out its parents' seconds.
``bench/heat_settings.py`` measures this.
"""

_PARALLEL_GROUPS = int(os.environ.get("TRIPLEO_HEAT_PARALLEL", "16"))
"""How many members of a resource chain or group Heat makes at the same time.

Heat takes the number of engines that it sees, to spread a stack over them; here that is one.
"""


def _sleep(_runner: Any, wait_time: float | None) -> None:
    if wait_time is not None:
        time.sleep(min(wait_time, _STEP_SECONDS))


def main() -> None:
    """Start the engine and serve the API until asked to end (SIGTERM)."""
    config_file, port = sys.argv[1:]
    logging.register_options(cfg.CONF)
    cfg.CONF(["--config-file", config_file], project="heat", prog="heat-api", version="1")
    logging.setup(cfg.CONF, "heat")
    config.set_config_defaults()
    sqlite.make_concurrent()
    messaging.setup()
    scheduler.TaskRunner._sleep = _sleep
    # Loaded here once: two threads that load it at the same time fail.
    template._get_template_extension_manager()
    service_objects.Service.active_service_count = lambda *_: _PARALLEL_GROUPS
    engine = service.EngineService(cfg.CONF.host, rpc_api.ENGINE_TOPIC)
    engine.start()
    wsgi.serve(config.load_paste_app("heat-api"), int(port))


if __name__ == "__main__":
    wsgi.end_with(main)
