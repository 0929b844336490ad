"""The undercloud that functional tests share.

``TRIPLEO_TEST_STATE_DIR`` names one that is up already; ``tools/test.sh`` starts one for all
workers of a run. Without it the first test starts its own and the process's end stops it.
"""

import atexit
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path

import testtools
from heatclient import client as heat_client
from heatclient import exc as heat_exc
from mistralclient.api import client as mistral_client
from swiftclient import client as swift_client

from tripleo_common.undercloud import lifecycle, state

PROGRAMS = Path(sys.executable).parent
SECONDS = 300
"""Generous: it only bounds a test that would otherwise hang."""


@functools.cache
def undercloud():
    """Return the shared undercloud, up."""
    given = os.environ.get("TRIPLEO_TEST_STATE_DIR")
    if given:
        return lifecycle.Undercloud(state.StateDir(Path(given)))
    directory = tempfile.mkdtemp(prefix="tripleo-undercloud-")
    made = lifecycle.Undercloud(state.StateDir(Path(directory)))

    def remove():
        made.down()
        shutil.rmtree(directory, ignore_errors=True)

    atexit.register(remove)
    made.up(ports="free")
    return made


def wait_for(question, what):
    """Ask again and again until the answer is true; return it."""
    end = time.monotonic() + SECONDS
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {SECONDS} seconds")
        threading.Event().wait(0.2)


class FunctionalTestCase(testtools.TestCase):
    """Clients of the shared undercloud, and a plan name of the test's own."""

    def setUp(self):
        super().setUp()
        self.undercloud = undercloud()
        self.session = self.undercloud.session()
        self.mistral = mistral_client.client(
            session=self.session, mistral_url=self._endpoint("workflowv2")
        )
        self.heat = heat_client.Client("1", session=self.session)
        self.swift = swift_client.Connection(session=self.session, retries=1)
        self.plan = f"test-{uuid.uuid4().hex[:12]}"
        self.addCleanup(self.remove_everything, self.plan)

    def _endpoint(self, service):
        return self.session.get_endpoint(service_type=service, interface="public")

    def command(self, *words, check=True, **environment):
        """Run a real command as a user of the undercloud would; return its standard output."""
        auth = self.undercloud.credentials()
        result = subprocess.run(
            [str(PROGRAMS / words[0]), *words[1:]],
            env={
                "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
                "HOME": os.environ.get("HOME", "/"),
                **{f"OS_{name.upper()}": value for name, value in auth.items()},
                "OS_IDENTITY_API_VERSION": "3",
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if check and result.returncode:
            raise AssertionError(f"{words}: {result.returncode}\n{result.stdout}{result.stderr}")
        return result.stdout

    def action(self, name, **inputs):
        """Run an action synchronously; return its state and its result."""
        execution = self.mistral.action_executions.create(
            name, input=inputs, run_sync=True, save_result=True
        )
        return execution.state, json.loads(execution.output)["result"]

    def run_action(self, name, **inputs):
        """Run an action that must succeed; return its result."""
        state_, result = self.action(name, **inputs)
        self.assertEqual("SUCCESS", state_, result)
        return result

    def workflow(self, name, **inputs):
        """Run a workflow to its end; return its state and its output."""
        execution = self.mistral.executions.create(name, workflow_input=inputs)
        done = wait_for(
            lambda: (
                (e := self.mistral.executions.get(execution.id)).state not in ("RUNNING",) and e
            ),
            f"{name} {execution.id}",
        )
        return done.state, json.loads(done.output)

    def run_workflow(self, name, **inputs):
        """Run a workflow that must succeed; return its output."""
        state_, output = self.workflow(name, **inputs)
        self.assertEqual(("SUCCESS", "SUCCESS"), (state_, output.get("status")), output)
        return output

    def upload(self, files):
        """Make the plan's container with files in it."""
        self.run_action("tripleo.plan.create_container", container=self.plan)
        for path, content in files.items():
            self.swift.put_object(self.plan, path, content)

    def environments(self):
        """Return the names of all Mistral environments."""
        return {environment.name for environment in self.mistral.environments.list()}

    def containers(self):
        """Return the names of all containers."""
        return {container["name"] for container in self.swift.get_account(full_listing=True)[1]}

    def stack(self, name):
        """Return a stack or None."""
        try:
            found = self.heat.stacks.get(name)
        except heat_exc.HTTPNotFound:
            return None
        return None if found.stack_status == "DELETE_COMPLETE" else found

    def assert_nothing_left(self):
        """Check that no part of the test's plan is there."""
        self.assertNotIn(self.plan, self.environments())
        # Heat may have made containers for servers, named after the stack.
        self.assertEqual([], [name for name in self.containers() if name.startswith(self.plan)])
        self.assertIsNone(self.stack(self.plan))

    def remove_everything(self, plan):
        """Remove whatever a test has left of a plan."""
        if self.stack(plan):
            self.heat.stacks.delete(plan)
            wait_for(lambda: not self.stack(plan), f"deletion of stack {plan}")
        if plan in self.containers() or plan in self.environments():
            self.action("tripleo.plan.delete", container=plan)


PLAN = {
    "capabilities-map.yaml": (
        "root_template: overcloud.yaml\nroot_environment: registry.yaml\ntopics: []\n"
    ),
    "overcloud.j2.yaml": """heat_template_version: 2021-04-16
parameters:
  DeployIdentifier: {type: string, default: ''}
  Size: {type: number, default: 1, constraints: [{range: {min: 0, max: 9}}]}
resources:
{% for role in roles %}
  {{role.name}}:
    type: OS::Heat::ResourceGroup
    properties:
      count: {get_param: Size}
      resource_def: {type: Test::Server, properties: {value: {{role.name}}}}
{% endfor %}
outputs:
  size: {value: {get_param: Size}}
""",
    "roles_data.yaml": "- name: Alpha\n- name: Beta\n",
    "registry.yaml": "resource_registry:\n  Test::Server: servers/server.yaml\n",
    "servers/server.yaml": """heat_template_version: 2021-04-16
parameters:
  value: {type: string}
resources:
  greeting: {type: OS::Heat::Value, properties: {value: {get_file: greeting.txt}}}
""",
    "servers/greeting.txt": "hello\n",
}
"""A small plan that has everything: rendering, a registry, a nested template, a file."""
