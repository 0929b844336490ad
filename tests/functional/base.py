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
    return shared("TRIPLEO_TEST_STATE_DIR")


def shared(variable, **options):
    """Return an undercloud for all tests of this process, up; the process's end removes it.

    :param variable: names the variable of the environment that may name one that is up already.
    :param options: how else it is brought up.
    """
    given = os.environ.get(variable)
    if given:
        return lifecycle.Undercloud(state.StateDir(Path(given)))
    directory = tempfile.mkdtemp(prefix="tripleo-undercloud-")
    made = lifecycle.Undercloud(state.StateDir(Path(directory)))

    def remove():
        made.down()
        shutil.rmtree(directory, ignore_errors=True)

    atexit.register(remove)
    made.up(ports="free", **options)
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


def heat_in(session, region):
    """Return a client of a region's Heat."""
    return heat_client.Client("1", session=session, region_name=region)


def swift_in(session, region):
    """Return a connection to a region's Swift."""
    options = {"region_name": region}
    return swift_client.Connection(session=session, os_options=options, retries=1)


class FunctionalTestCase(testtools.TestCase):
    """Clients of the shared undercloud, and a plan name of the test's own."""

    def setUp(self):
        super().setUp()
        self.undercloud = self.find_undercloud()
        self.session = self.undercloud.session()
        # Whoever waits for a lock on a busy machine waits long.
        self.session.timeout = SECONDS
        self.mistral = mistral_client.client(
            session=self.session, mistral_url=self._endpoint("workflowv2")
        )
        region = self.undercloud.directory.regions[0]
        self.heat = heat_in(self.session, region)
        self.swift = swift_in(self.session, region)
        self.plan = f"test-{uuid.uuid4().hex[:12]}"
        self.addCleanup(self.remove_everything, self.plan)

    def find_undercloud(self):
        """Return the undercloud that the test uses."""
        return undercloud()

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
        return self.ended(self.mistral.executions.create(name, workflow_input=inputs).id)

    def ended(self, execution_id):
        """Wait for the end of a workflow; return its state and its output."""
        done = wait_for(
            lambda: (e := self.mistral.executions.get(execution_id)).state != "RUNNING" and e,
            f"the end of execution {execution_id}",
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

    def containers(self, region=None):
        """Return the names of all containers, in the first region if none is given."""
        swift = swift_in(self.session, region) if region else self.swift
        return {container["name"] for container in swift.get_account(full_listing=True)[1]}

    def stack(self, name, region=None):
        """Return a stack or None, in the first region if none is given."""
        heat = heat_in(self.session, region) if region else self.heat
        try:
            found = heat.stacks.get(name)
        except heat_exc.HTTPNotFound:
            return None
        return None if found.stack_status == "DELETE_COMPLETE" else found

    def assert_nothing_left(self):
        """Check that no part of the test's plan is there, in no region."""
        self.assertNotIn(self.plan, self.environments())
        for region in self.undercloud.directory.regions:
            # Heat may have made containers for servers, named after the stack.
            found = [name for name in self.containers(region) if name.startswith(self.plan)]
            self.assertEqual([], found, region)
            self.assertIsNone(self.stack(self.plan, region), region)

    def remove_everything(self, plan):
        """Remove whatever a test has left of a plan, in all regions."""
        regions = self.undercloud.directory.regions
        for region in regions:
            if self.stack(plan, region):
                heat_in(self.session, region).stacks.delete(plan)
        for region in regions:
            wait_for(
                lambda region=region: not self.stack(plan, region),
                f"deletion of stack {plan} in {region}",
            )
        if plan in self.environments():
            self.action("tripleo.plan.delete", container=plan)
        for region in regions:
            if self.containers(region) & {plan, f"{plan}.revisions"}:
                self.action("tripleo.plan.delete", container=plan, action_region=region)


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
