"""The project's workbooks on an in-process Mistral engine, with fake actions under the real names.

One engine serves all tests of a process. A fake takes the inputs of the real action class, so a
wrong input fails here as it would for a user; what it answers is the test's script.
"""

import functools
import importlib.metadata
import logging
import tempfile
import threading
import time
import uuid

import fixtures
import testtools
from oslo_service import backend

from tripleo_common import config, exceptions

backend.init_backend(backend.BackendType.THREADING)

from mistral import config as mistral_config  # noqa: E402
from mistral import context as mistral_context  # noqa: E402
from mistral.db.v2 import api as db_api  # noqa: E402
from mistral.engine import engine_server  # noqa: E402
from mistral.rpc import base as rpc_base  # noqa: E402
from mistral.services import actions as action_service  # noqa: E402
from mistral.services import workbooks  # noqa: E402
from mistral.workflow import states  # noqa: E402
from mistral_lib import actions  # noqa: E402

_SECONDS = 60

_SETTINGS = """
[DEFAULT]
transport_url = fake:///
scheduler_type = default
[database]
connection = sqlite://
[executor]
type = local
[legacy_action_provider]
# What the fakes stand for is not to be loaded.
only_builtin_actions = true
load_action_generators = false
[pecan]
auth_enable = false
[scheduler]
fixed_delay = 0.1
random_delay = 0
"""


@functools.cache
def engine():
    """Start the engine, with the workbooks in it, and return it."""
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as settings:
        settings.write(_SETTINGS)
        settings.flush()
        mistral_config.parse_args(["--config-file", settings.name])
    rpc_base.get_transport()
    db_api.setup_db()
    server = engine_server.get_oslo_service(setup_profiler=False)
    threading.Thread(target=server.start, daemon=True).start()
    server.wait_started()
    # The engine's timers live in threads that Python joins before it runs any atexit function; a
    # process that does not stop them first never ends. What is registered last is called first.
    threading._register_atexit(server.stop)
    _enter()
    for file in sorted(config.share_dir("workbooks").glob("*.yaml")):
        workbooks.create_workbook_v2(file.read_text())
    return server.engine


def _enter():
    mistral_context.set_ctx(
        mistral_context.MistralContext.from_dict(
            {"user_name": "tester", "project_id": "project", "is_admin": True}
        )
    )


class Each(tuple):
    """Answers of an action, one for each time that it is called."""


class Call:
    """An action that a workflow has called."""

    def __init__(self, name, inputs):
        self.name = name
        self.inputs = inputs

    def __repr__(self):
        return f"{self.name}({self.inputs})"


class WorkflowTestCase(testtools.TestCase):
    """Runs workflows; :attr:`answers` says what each action answers, :attr:`calls` what was called.

    An answer is plain data, an exception of ours (then the action fails as it really would), or
    any other exception (then it fails as if its executor had). :class:`Each` gives one answer per
    call; the last one stays.
    """

    def setUp(self):
        super().setUp()
        # Shown only when a test fails: Mistral logs each failure that a test provokes.
        self.useFixture(fixtures.FakeLogger(level=logging.INFO))
        self.engine = engine()
        _enter()
        self.calls = []
        self.answers = {}
        provider = action_service.get_test_action_provider()
        self.addCleanup(provider.cleanup)
        for entry_point in importlib.metadata.entry_points(group="mistral.actions"):
            if entry_point.name.startswith("tripleo."):
                provider.register_python_action(entry_point.name, self._fake(entry_point))

    def _fake(self, entry_point):
        def run(action, _context):
            self.calls.append(Call(entry_point.name, dict(vars(action))))
            answer = self.answers.get(entry_point.name)
            if isinstance(answer, Each):
                answer = answer[min(self.called().count(entry_point.name), len(answer)) - 1]
            if callable(answer):
                try:
                    return answer(self.calls[-1].inputs)
                except exceptions.TripleOError as error:
                    answer = error
            if isinstance(answer, exceptions.TripleOError):
                return actions.Result(error=answer.to_dict())
            if isinstance(answer, Exception):
                raise answer
            return answer

        return type("Fake", (entry_point.load(),), {"run": run})

    def run_workflow(self, name, **inputs):
        """Run a workflow to its end; return its state and its output."""
        execution_id = str(uuid.uuid4())
        self.engine.start_workflow(name, wf_ex_id=execution_id, wf_input=inputs)
        end = time.monotonic() + _SECONDS
        while True:
            with db_api.transaction(read_only=True):
                execution = db_api.get_workflow_execution(execution_id)
                state, output, info = execution.state, execution.output, execution.state_info
            if states.is_completed(state):
                return state, output
            if time.monotonic() > end:
                self.fail(f"{name} is {state} after {_SECONDS} seconds ({info}): {self.calls}")
            threading.Event().wait(0.05)

    def called(self):
        """Return the names of the called actions, in order."""
        return [call.name for call in self.calls]

    def assert_succeeds(self, name, **inputs):
        """Run a workflow that must end in SUCCESS; return its output."""
        state, output = self.run_workflow(name, **inputs)
        self.assertEqual("SUCCESS", state, output)
        self.assertEqual("SUCCESS", output["status"])
        self.assertTrue(output["message"])
        return output

    def assert_fails(self, name, error, **inputs):
        """Run a workflow that must end in ERROR and say the given error; return its output."""
        state, output = self.run_workflow(name, **inputs)
        self.assertEqual("ERROR", state, output)
        self.assertEqual("FAILED", output["status"])
        self.assertEqual(error.type, output["error"]["type"], output)
        self.assertEqual(error.message, output["message"])
        return output


class Failures:
    """Every action that a workflow calls fails in turn: the workflow must end in ERROR."""

    ERROR = exceptions.ServiceUnavailable("object-store", "http://x", "cannot be reached")

    def check_every_failure(self, workflow, inputs, answers):
        """Fail each call in turn, in our way and in Mistral's; return how many there were."""
        self.answers = answers
        self.assert_succeeds(workflow, **inputs)
        good = self.called()
        for failing in dict.fromkeys(good):
            self.calls.clear()
            self.answers = {**answers, failing: self.ERROR}
            output = self.assert_fails(workflow, self.ERROR, **inputs)
            self.assertEqual("object-store", output["error"]["details"]["service"])
            self.assertIn(failing, self.called())
            # An executor that dies leaves only a text.
            self.answers = {**answers, failing: RuntimeError("no executor")}
            state, output = self.run_workflow(workflow, **inputs)
            self.assertEqual("ERROR", state)
            self.assertEqual("FAILED", output["status"])
            self.assertIn("no executor", output["message"])
        return len(set(good))
