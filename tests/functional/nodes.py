"""Bare-metal nodes: an undercloud whose Ironic and machines are for tests of nodes alone.

They delete whatever nodes they find, stop services and damage machines, so they run one after the
other (see ``.stestr.conf``).
"""

import contextlib
import functools
import json

import fixtures
import requests
from ironicclient import exc as ironic_exc
from ironicclient.v1 import client as ironic_client

from tests.functional import base
from tripleo_common.undercloud import state

_MACHINES = 12

REGISTER = "tripleo.baremetal.v1.register_or_update"
VALIDATE = "tripleo.baremetal.v1.validate_nodes"
MANAGE = "tripleo.baremetal.v1.manage"
PROVIDE = "tripleo.baremetal.v1.provide"
PROVIDE_ALL = "tripleo.baremetal.v1.provide_manageable_nodes"
INTROSPECT = "tripleo.baremetal.v1.introspect"
INTROSPECT_ALL = "tripleo.baremetal.v1.introspect_manageable_nodes"
CONFIGURE = "tripleo.baremetal.v1.configure"
CONFIGURE_ALL = "tripleo.baremetal.v1.configure_manageable_nodes"
SET_STATE = "tripleo.baremetal.v1.set_node_state"
SET_POWER = "tripleo.baremetal.v1.set_power_state"
LIST = "tripleo.baremetal.v1.list"
DELETE = "tripleo.baremetal.v1.delete"
MATCH = "tripleo.baremetal.v1.match_profiles"
TAG = "tripleo.baremetal.v1.tag_node"
TAG_ALL = "tripleo.baremetal.v1.tag_nodes"


@functools.cache
def undercloud():
    """Return the shared undercloud with emulated machines, up.

    ``TRIPLEO_TEST_NODES_STATE_DIR`` names one that is up already.
    """
    return base.shared("TRIPLEO_TEST_NODES_STATE_DIR", nodes=_MACHINES)


class Machines(fixtures.Fixture):
    """The emulated machines of an undercloud, which boot at once; put back and off at the end.

    :ivar names: of all of them.
    """

    def __init__(self, undercloud):
        """Say whose."""
        super().__init__()
        self._bmc = undercloud.bmc()

    def _setUp(self):
        self._http = requests.Session()
        self._http.trust_env = False
        self._http.auth = (self._bmc.user, self._bmc.password)
        self.addCleanup(self._http.close)
        file = self._bmc.nodes_file
        self.addCleanup(state.write_private, file, file.read_text())
        self._known = {machine.name: machine for machine in self._bmc.nodes()}
        self.names = tuple(self._known)
        self.change(*self.names, boot_seconds=0, fault=None)
        self.addCleanup(self._switch_off)

    def __getitem__(self, name):
        """Return a machine as it is now."""
        return next(machine for machine in self._bmc.nodes() if machine.name == name)

    def change(self, *names, **fields):
        """Change machines: their shape, fault or boot_seconds."""
        file = self._bmc.nodes_file
        entries = json.loads(file.read_text())
        for entry in entries:
            if entry["name"] in names:
                entry.update(fields)
        state.write_private(file, json.dumps(entries))

    def listed(self, *names, **fields):
        """Return entries of machines for a list of nodes.

        :param fields: what each has besides, or instead.
        """
        entries = {entry["name"]: entry for entry in self._bmc.instackenv()["nodes"]}
        return [{**entries[name], **fields} for name in names]

    def is_on(self, name):
        """Ask a machine's BMC whether it is switched on."""
        answer = self._http.get(self._url(name), timeout=base.SECONDS)
        answer.raise_for_status()
        return answer.json()["PowerState"] == "On"

    def _url(self, name):
        return f"{self._bmc.base_url}/redfish/v1/Systems/{self._known[name].uuid}"

    def _switch_off(self):
        self.change(*self.names, fault=None)
        for name in self.names:
            url = f"{self._url(name)}/Actions/ComputerSystem.Reset"
            self._http.post(url, json={"ResetType": "ForceOff"}, timeout=base.SECONDS)


class NodesTestCase(base.FunctionalTestCase):
    """No node in Ironic at the beginning, and none at the end."""

    def setUp(self):
        super().setUp()
        self.ironic = ironic_client.Client(
            session=self.session,
            endpoint_override=self._endpoint("baremetal"),
            os_ironic_api_version="1.96",
        )
        self.remove_nodes()
        self.addCleanup(self.remove_nodes)

    def find_undercloud(self):
        """Return the undercloud with machines."""
        return undercloud()

    def remove_everything(self, plan):
        """Remove what a test has left of a plan; none has a stack."""
        if plan in self.environments() or self.containers() & {plan, f"{plan}.revisions"}:
            self.action("tripleo.plan.delete", container=plan)

    def machines(self):
        """Return the machines, for this test alone."""
        fixture = self.useFixture(Machines(self.undercloud))
        # Before they are switched off.
        self.addCleanup(self.remove_nodes)
        return fixture

    def nodes(self):
        """Return all that Ironic says of each node, by name."""
        return {node.name: node.to_dict() for node in self.ironic.node.list(detail=True, limit=0)}

    def ports(self):
        """Return all that Ironic says of each port, by MAC address."""
        return {p.address: p.to_dict() for p in self.ironic.port.list(detail=True, limit=0)}

    def everything(self):
        """Return all nodes and ports, to be compared."""
        return self.nodes(), self.ports()

    def register(self, entries, **inputs):
        """Register nodes that must all be good; return UUIDs by name."""
        output = self.run_workflow(REGISTER, nodes_json=entries, **inputs)
        return {node["name"]: node["uuid"] for node in output["registered_nodes"]}

    def failed(self, name, **inputs):
        """Run a workflow that must fail; return its output."""
        state_, output = self.workflow(name, **inputs)
        self.assertEqual(("ERROR", "FAILED"), (state_, output.get("status")), output)
        self.assertEqual(output["message"], output["error"]["message"])
        return output

    def record(self, output):
        """Return the record of a run that a workflow's output refers to."""
        place = output["record"]
        return json.loads(self.swift.get_object(place["container"], place["object"])[1])

    def make_plan(self, files):
        """Make the test's plan."""
        self.upload(files)
        self.run_action("tripleo.plan.create", container=self.plan)

    def deploy(self, name):
        """Let a node without a BMC be deployed, from wherever it is."""
        moves = {"enroll": "manage", "manageable": "provide", "available": "active"}

        def is_active():
            state_ = self.ironic.node.get(name, fields=["provision_state"]).provision_state
            if state_ in moves:
                # It may be locked just now.
                with contextlib.suppress(ironic_exc.Conflict):
                    self.ironic.node.set_provision_state(name, moves[state_])
            return state_ == "active"

        base.wait_for(is_active, f"{name} is deployed")

    def remove_nodes(self):
        """Delete all nodes, whatever state they are in."""
        base.wait_for(self._remove_nodes, "the nodes' deletion")

    def _remove_nodes(self):
        found = self.ironic.node.list(limit=0, fields=["uuid"])
        for node in found:
            # It may be locked just now.
            with contextlib.suppress(ironic_exc.NotFound, ironic_exc.Conflict):
                # In maintenance Ironic deletes a node in any state.
                self.ironic.node.set_maintenance(node.uuid, True)
                self.ironic.node.delete(node.uuid)
        return not found


def fakes(count, **fields):
    """Return entries of nodes without a BMC, each with a port, for a list of nodes."""
    return [
        {
            "name": f"fake-{number}",
            "pm_type": "fake-hardware",
            "mac": [f"52:54:01:00:{number >> 8:02x}:{number & 255:02x}"],
            **fields,
        }
        for number in range(count)
    ]
