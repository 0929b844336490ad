"""Mistral's API, engine and executor as threads of one process.

Usage: ``python -m tripleo_common.undercloud.servers.mistral --config-file FILE --config-dir DIR``

``mistral-server`` forks a process per component, which needs a message broker between them. In one
process oslo.messaging's ``fake`` transport carries the calls.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from typing import Any

from oslo_service import backend

backend.init_backend(backend.BackendType.THREADING)

# The backend has to be chosen before anything of Mistral is imported.
from mistral import config  # noqa: E402
from mistral.api import service as api_service  # noqa: E402
from mistral.db.v2 import api as db_api  # noqa: E402
from mistral.db.v2.sqlalchemy import api as sqlalchemy_api  # noqa: E402
from mistral.db.v2.sqlalchemy import models  # noqa: E402
from mistral.engine import action_handler, default_engine, engine_server, policies  # noqa: E402
from mistral.executors import default_executor, executor_server  # noqa: E402
from mistral.rpc import base as rpc  # noqa: E402
from mistral.rpc import clients  # noqa: E402
from mistral.workflow import states  # noqa: E402
from mistral_lib import utils as mistral_utils  # noqa: E402
from oslo_config import cfg  # noqa: E402
from oslo_log import log as logging  # noqa: E402
from sqlalchemy.orm import attributes  # noqa: E402

from tripleo_common import gate, sealed  # noqa: E402
from tripleo_common.undercloud.servers import sqlite, wsgi  # noqa: E402

_API_THREADS = 64

_RECORD_BYTES = 60 * 1024

_SECRET_OUTPUTS = ("tripleo.parameters.get_passwords",)


class Engine(default_engine.DefaultEngine):  # type: ignore[misc]
    """Mistral's engine, whose synchronous actions run outside the database transaction.

    Upstream runs them inside of it, and a process-wide lock serialises transactions. An action
    that asks this same Mistral for something, such as a plan environment, would wait for itself.

    They run right here: in one process there is no need to send them to the executor, and an answer
    of some MiB would be turned into JSON and back four times on its way.
    """

    def start_action(
        self,
        action_name: str,
        action_input: dict[str, Any],
        description: str | None = None,
        namespace: str = "",
        **params: Any,
    ) -> Any:
        """Run an action on request; see ``DefaultEngine.start_action`` for the inputs."""
        run_sync, save = params.get("run_sync"), params.get("save_result")
        if save and not run_sync:
            return super().start_action(action_name, action_input, description, namespace, **params)
        with db_api.transaction():
            action = action_handler.build_action_by_name(action_name, namespace=namespace)
            action.action_desc.check_parameters(action_input)
            runnable = action.action_desc.instantiate(action_input, {})
        if not runnable.is_sync():
            return super().start_action(action_name, action_input, description, namespace, **params)
        output = default_executor.DefaultExecutor().run_action(
            runnable,
            action_ex_id=None,
            safe_rerun=False,
            exec_ctx={"action_execution_id": None, "workflow_execution_id": None},
            timeout=params.get("timeout"),
        )
        values = {
            "name": action_name,
            "description": description,
            "input": action_input,
            "output": output.to_dict(),
            "state": states.SUCCESS if output.is_success() else states.ERROR,
            "workflow_namespace": namespace,
        }
        answer = models.ActionExecution(**{**values, "output": None})
        # Mistral limits what such an object holds when it is assigned; this one is not stored.
        attributes.set_committed_value(answer, "output", values["output"])
        if save:
            answer.id = mistral_utils.generate_unicode_uuid()
            db_api.create_action_execution({**_record(values), "id": answer.id, "is_sync": True})
        return answer


def _record(values: dict[str, Any]) -> dict[str, Any]:
    """Return what is stored of an action whose caller has all of it.

    Clients save results that they wait for. What these hold in values of parameters, and more than
    fits a record, is not for the database. Nor are sealed inputs: nobody opens them again.
    """
    stored = dict(values)
    stored["input"] = {
        name: "******" if sealed.is_sealed(value) else value
        for name, value in values["input"].items()
    }
    size = len(json.dumps(values["output"]))
    if values["name"] in _SECRET_OUTPUTS or size > _RECORD_BYTES:
        stored["output"] = {"result": f"({size} bytes, which only the caller got)"}
    return stored


def call_directly(engine: Engine) -> None:
    """Let the API run synchronous actions itself instead of asking the engine over RPC."""
    over_rpc = clients.EngineClient.start_action

    def start_action(
        client: Any,
        action_name: str,
        action_input: dict[str, Any] | None,
        description: str | None = None,
        namespace: str = "",
        **params: Any,
    ) -> Any:
        if params.get("save_result") and not params.get("run_sync"):
            return over_rpc(
                client, action_name, action_input, description, namespace=namespace, **params
            )
        answer = engine.start_action(
            action_name, action_input or {}, description, namespace, **params
        )
        return answer.to_dict()

    clients.EngineClient.start_action = start_action


def report_retries() -> None:
    """Let Mistral report on executions with tasks that it has tried again.

    When such a task ends Mistral forgets how often it did, and its report fails for want of that.
    """
    complete = policies.RetryPolicy.after_task_complete

    def after_task_complete(policy: Any, task: Any) -> None:
        context = task.get_policy_context("retry_task_policy")
        before = context.get("retry_no", 0)
        complete(policy, task)
        context.setdefault("retry_no", before)

    policies.RetryPolicy.after_task_complete = after_task_complete


def main() -> None:
    """Start everything and serve until asked to end (SIGTERM)."""
    cfg.CONF.register_cli_opts(config.CLI_OPTS)
    config.parse_args(sys.argv[1:])
    logging.setup(cfg.CONF, "mistral")
    sqlite.make_concurrent()
    rpc.get_transport()
    # mistral-db-manage upgrade alters constraints, which sqlite cannot.
    sqlalchemy_api.setup_db()

    engine = Engine()
    call_directly(engine)
    report_retries()
    services = [
        engine_server.EngineServer(engine, setup_profiler=False),
        executor_server.get_oslo_service(setup_profiler=False),
    ]
    for service in services:
        threading.Thread(target=service.start, daemon=True).start()
    for service in services:
        service.wait_started()
    api = api_service.WSGIService("mistral_api")
    # Each synchronous action holds one of the API's threads, and asks this API for the plan's
    # environment: with cheroot's ten, ten of them would wait for each other.
    api.server.requests.min = _API_THREADS
    api.server.wsgi_app = gate.Gate(api.server.wsgi_app)
    api.start()

    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    ended.wait()
    api.stop()


if __name__ == "__main__":
    wsgi.end_with(main)
