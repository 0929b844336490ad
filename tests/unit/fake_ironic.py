"""Ironic behind requests-mock: nodes that move as its own state machine lets them.

And an ironic-inspector beside it, for clouds that have one. Both answer as the real services do, as
far as this project asks them.
"""

import copy
import datetime
import heapq
import itertools
import json
import math
import re
import types
import urllib.parse
import uuid

import fixtures
import jsonpatch
import requests.exceptions
import requests_mock
from ironic.common import state_machine, states
from oslo_utils import strutils

from tests.unit import base, fakes
from tripleo_common import exceptions
from tripleo_common.baremetal import following, runs

URL = "http://ironic.test:6385"
INSPECTOR_URL = "http://inspector.test:5050"

CONDUCTOR = "conductor-1"

INVENTORY = {
    "cpu": {"count": 8, "architecture": "x86_64", "model_name": "Model 1"},
    "memory": {"physical_mb": 32768},
    "boot": {"current_boot_mode": "uefi"},
    "disks": [{"name": "/dev/sda", "size": 500 * 2**30, "serial": "disk-1"}],
    "interfaces": [{"name": "eno1", "mac_address": "52:54:00:00:00:01"}],
}
"""What an inspection finds where a test says nothing else."""

DRIVERS = {
    "fake-hardware": "fake",
    "idrac": "idrac-redfish",
    "ipmi": "ipmitool",
    "redfish": "redfish",
}
"""Name of each enabled driver to the power interface that fits it."""

_FIELDS = {
    "allocation_uuid": None,
    "automated_clean": None,
    "bios_interface": "no-bios",
    "boot_interface": "pxe",
    "boot_mode": None,
    "chassis_uuid": None,
    "clean_step": {},
    "conductor": CONDUCTOR,
    "conductor_group": "",
    "console_enabled": False,
    "console_interface": "no-console",
    "created_at": "2026-01-01T00:00:00+00:00",
    "deploy_interface": "direct",
    "deploy_step": {},
    "description": None,
    "disable_power_off": False,
    "driver": None,
    "driver_info": {},
    "driver_internal_info": {},
    "extra": {},
    "fault": None,
    "firmware_interface": "no-firmware",
    "inspect_interface": "agent",
    "inspection_finished_at": None,
    "inspection_started_at": None,
    "instance_info": {},
    "instance_name": None,
    "instance_uuid": None,
    "last_error": None,
    "lessee": None,
    "maintenance": False,
    "maintenance_reason": None,
    "management_interface": None,
    "name": None,
    "network_data": {},
    "network_interface": "noop",
    "owner": None,
    "parent_node": None,
    "power_interface": None,
    "power_state": None,
    "properties": {},
    "protected": False,
    "protected_reason": None,
    "provision_state": states.ENROLL,
    "provision_updated_at": None,
    "raid_config": {},
    "raid_interface": "no-raid",
    "rescue_interface": "no-rescue",
    "reservation": None,
    "resource_class": None,
    "retired": False,
    "retired_reason": None,
    "secure_boot": None,
    "service_step": {},
    "shard": None,
    "storage_interface": "noop",
    "target_power_state": None,
    "target_provision_state": None,
    "target_raid_config": {},
    "traits": [],
    "updated_at": None,
    "uuid": None,
    "vendor_interface": "no-vendor",
}
"""Field of a node to its first value."""

_SHOWN = ("instance_uuid", "maintenance", "power_state", "provision_state", "uuid", "name")
"""What a list shows if no fields are asked for."""

_GIVEN = {
    *(name for name in _FIELDS if name.endswith("_interface")),
    *("automated_clean", "chassis_uuid", "conductor_group", "description", "disable_power_off"),
    *("driver", "driver_info", "extra", "instance_name", "lessee", "name", "network_data"),
    *("owner", "parent_node", "properties", "resource_class", "shard", "uuid"),
}
"""What a node can be made with."""

_CHANGED = (_GIVEN - {"uuid"}) | {
    *("instance_info", "instance_uuid", "maintenance", "maintenance_reason", "protected"),
    *("protected_reason", "retired", "retired_reason"),
}
"""What of a node can be changed."""

_PORT = {
    "address": None,
    "category": None,
    "description": None,
    "extra": {},
    "internal_info": {},
    "is_smartnic": False,
    "local_link_connection": {},
    "name": None,
    "node_uuid": None,
    "physical_network": None,
    "portgroup_uuid": None,
    "pxe_enabled": True,
    "uuid": None,
    "vendor": None,
}

_WAYS = {
    ("manage", states.ENROLL): ("done",),
    ("provide", states.MANAGEABLE): ("done",),
    ("inspect", states.MANAGEABLE): ("wait", "done"),
    ("inspect", states.INSPECTFAIL): ("wait", "done"),
    ("adopt", states.MANAGEABLE): ("done",),
    ("adopt", states.ADOPTFAIL): ("done",),
    **{("deleted", state): ("clean", "done") for state in (states.ACTIVE, states.DEPLOYFAIL)},
}
"""What is asked in which state to the events that follow; what is not here happens at once."""

_POWER = {
    states.POWER_ON: states.POWER_ON,
    states.POWER_OFF: states.POWER_OFF,
    states.SOFT_POWER_OFF: states.POWER_OFF,
    states.REBOOT: states.POWER_ON,
    states.SOFT_REBOOT: states.POWER_ON,
}


class Refused(Exception):
    """An answer that is an error."""

    def __init__(self, status, words):
        super().__init__(words)
        self.status = status


class Timed(fakes.Service):
    """A service in which things happen after a while.

    :ivar seconds: how long whatever is asked of a node takes.
    :ivar slow: UUID of a node to how long its takes; ``math.inf`` for ever.
    :ivar is_down: nobody answers; or the moment (of the clock) until which nobody does.
    """

    def __init__(self, url, clock):
        super().__init__(url)
        self.clock = clock
        self.seconds = 2.0
        self.slow = {}
        self.is_down = False
        self._due = []
        self._numbers = itertools.count()
        self._lost = []

    def lose_answer(self, method, path, times=1):
        """Let requests be carried out whose answer never arrives."""
        self._lost.extend([(method, re.compile(path))] * times)

    def tick(self):
        """Let happen at once what is under way, one step of it."""
        with self._lock:
            under_way, self._due = self._due, []
            for _, _, _, action in sorted(under_way):
                action()

    def _answer(self, request, context):
        is_down = self.is_down
        if is_down is True or (is_down is not False and self.clock() < is_down):
            self.requests.append(f"{request.method} nobody")
            raise requests.exceptions.ConnectionError(f"{self.url} refused")
        self._progress()
        answer = super()._answer(request, context)
        path = urllib.parse.urlsplit(request.url).path
        for lost in self._lost:
            if lost[0] == request.method and lost[1].search(path):
                self._lost.remove(lost)
                raise requests.exceptions.ConnectionError(f"{self.url} hung up")
        return answer

    def _later(self, seconds, key, action):
        if seconds != math.inf:
            due = self.clock() + seconds
            heapq.heappush(self._due, (due, next(self._numbers), key, action))

    def _progress(self):
        while self._due and self._due[0][0] <= self.clock():
            heapq.heappop(self._due)[3]()

    def _forget(self, key):
        self._due = [entry for entry in self._due if entry[2] != key]
        heapq.heapify(self._due)

    def _now(self):
        moment = datetime.datetime.fromtimestamp(self.clock(), datetime.UTC)
        return moment.replace(microsecond=0).isoformat()


class Ironic(Timed):
    """Nodes, ports, drivers, inspection rules.

    :ivar nodes: UUID to node, with all fields, passwords in clear.
    :ivar ports: UUID to port.
    :ivar rules: UUID to inspection rule.
    :ivar drivers: as :data:`DRIVERS`.
    :ivar inventories: UUID to what an inspection has found.
    :ivar finds: UUID to what the next inspection will find.
    :ivar history: UUID to what happened to a node, as Ironic shows it.
    :ivar max_limit: how many a list shows at most.
    :ivar version: the newest microversion.
    :ivar accepted: UUID and target of each move or switch that was begun.
    :ivar most_under_way: how many nodes were moving at the same time.
    """

    max_limit = 1000
    version = "1.115"

    def __init__(self, url, clock):
        super().__init__(url, clock)
        self.nodes = {}
        self.ports = {}
        self.rules = {}
        self.drivers = dict(DRIVERS)
        self.inventories = {}
        self.finds = {}
        self.history = {}
        self.accepted = []
        self.most_under_way = 0
        self._faults = {}
        self._machine = state_machine.machine.copy()

    # What tests say.

    def add(self, name=None, **fields):
        """Let there be a node: manageable, switched off, unless its fields say otherwise."""
        node = {
            **copy.deepcopy(_FIELDS),
            "uuid": str(uuid.uuid4()),
            "name": name,
            "driver": "redfish",
            "provision_state": states.MANAGEABLE,
            "power_state": states.POWER_OFF,
            **fields,
        }
        power = self.drivers.get(node["driver"], "fake")
        node["power_interface"] = node["power_interface"] or power
        node["management_interface"] = node["management_interface"] or power
        self.nodes[node["uuid"]] = node
        return node

    def add_many(self, count, **fields):
        """Let there be many alike; return them."""
        return [self.add(f"node-{number}", **fields) for number in range(count)]

    def add_port(self, node, address, **fields):
        """Let a node have a port."""
        port = {
            **copy.deepcopy(_PORT),
            "uuid": str(uuid.uuid4()),
            "node_uuid": node["uuid"],
            "address": address,
            **fields,
        }
        self.ports[port["uuid"]] = port
        return port

    def break_next(self, node, target, *errors):
        """Let a node fail in what it will be asked for next.

        :param target: what it is asked for: of its provision, or its power state.
        :param errors: what its last_error will be, each time; None if it does not fail.
        """
        self._faults.setdefault((node["uuid"], target), []).extend(errors)

    def refuse(self, method, path, status, words, times=math.inf):
        """Let Ironic refuse requests: of a path (a regular expression), some times."""
        left = [times]

        def answer(_request, context):
            if left[0] <= 0:
                return None
            left[0] -= 1
            return json.dumps(self._refusal(context, status, words))

        self.on(method, path, answer)

    def lock(self, node, seconds=math.inf):
        """Let a conductor be at work on a node."""
        node["reservation"] = CONDUCTOR

        def release():
            node["reservation"] = None

        self._later(seconds, ("lock", node["uuid"]), release)

    # What tests ask.

    @property
    def looks(self):
        """How often all nodes were listed, whatever the number of pages."""
        return sum(
            request.method == "GET"
            and urllib.parse.urlsplit(request.url).path.rstrip("/") == "/v1/nodes"
            and "marker=" not in request.url
            for request in self.sent
        )

    def asked(self, node=None):
        """Return what was asked of nodes: ``target`` of each request, also of refused ones."""
        return [
            json.loads(request.body)["target"]
            for request in self.sent
            if request.method == "PUT"
            and "/states/" in request.url
            and (node is None or f"/{node['uuid']}/" in request.url)
        ]

    def touched(self, node):
        """Return the requests for a node that could change it."""
        return [
            f"{request.method} {request.url}"
            for request in self.sent
            if request.method != "GET"
            and (node["uuid"] in request.url or node["uuid"] in str(request.body or ""))
        ]

    def states(self):
        """Return how many nodes are in which provision state."""
        found = {}
        for node in self.nodes.values():
            found[node["provision_state"]] = found.get(node["provision_state"], 0) + 1
        return found

    # Answers.

    def answer(self, request, context, path, query):
        context.headers.update(
            {
                "X-OpenStack-Ironic-API-Minimum-Version": "1.1",
                "X-OpenStack-Ironic-API-Maximum-Version": self.version,
            }
        )
        try:
            wanted = request.headers.get("X-OpenStack-Ironic-API-Version", "1.1")
            if _minor(wanted) > _minor(self.version):
                raise Refused(406, f"Version {wanted} was requested, at most {self.version} is.")
            words = path.strip("/").split("/")[1:]
            kind, *rest = words or [""]
            serve = getattr(self, f"_serve_{kind}", None)
            if serve is None:
                raise Refused(404, f"The resource {path} could not be found.")
            body = json.loads(request.body) if request.body else None
            return serve(request.method, context, rest, query, body)
        except Refused as error:
            return self._refusal(context, error.status, str(error))

    @staticmethod
    def _refusal(context, status, words):
        context.status_code = status
        context.headers["Content-Type"] = "application/json"
        fault = {"faultcode": "Client", "faultstring": words, "debuginfo": None}
        return {"error_message": json.dumps(fault)}

    def _serve_(self, _method, _context, _words, _query, _body):
        return {"id": "v1"}

    def _serve_drivers(self, _method, _context, _words, _query, _body):
        return {
            "drivers": [
                {"name": name, "hosts": [CONDUCTOR], "type": "dynamic"} for name in self.drivers
            ]
        }

    def _serve_nodes(self, method, context, words, query, body):
        if not words:
            return self._list_nodes(query) if method == "GET" else self._create(context, body)
        node = self._node(words[0])
        what = "/".join(words[1:])
        if what:
            serve = getattr(self, f"_serve_node_{what.replace('/', '_')}", None)
            if serve is None:
                raise Refused(404, f"The resource {what} of a node could not be found.")
            return serve(method, context, node, body)
        if method == "PATCH":
            return self._shown(self._patch(node, body, query))
        if method == "DELETE":
            self._delete(node)
            context.status_code = 204
            return ""
        return self._shown(node, query.get("fields"))

    def _node(self, name):
        found = self.nodes.get(name)
        if found is None:
            found = next((node for node in self.nodes.values() if node["name"] == name), None)
        if found is None:
            raise Refused(404, f"Node {name} could not be found.")
        return found

    def _shown(self, node, fields=None):
        names = fields.split(",") if fields else list(_FIELDS)
        unknown = [name for name in names if name not in _FIELDS]
        if unknown:
            raise Refused(400, f'Field(s) "{", ".join(unknown)}" are not valid.')
        shown = {name: node[name] for name in names}
        if "driver_info" in shown:
            masked = strutils.mask_dict_password(shown["driver_info"], "******")
            for key in ("snmp_auth_key", "snmp_priv_key"):
                if key in masked:
                    masked[key] = "******"
            shown["driver_info"] = masked
        return copy.deepcopy(shown)

    def _list_nodes(self, query):
        found = list(self.nodes.values())
        if "provision_state" in query:
            if query["provision_state"] not in self._machine.states:
                raise Refused(400, f"Provision state {query['provision_state']} is not valid.")
            found = [n for n in found if n["provision_state"] == query["provision_state"]]
        if "maintenance" in query:
            wanted = strutils.bool_from_string(query["maintenance"])
            found = [node for node in found if node["maintenance"] == wanted]
        fields = query.get("fields") or ("" if "detail" in query else ",".join(_SHOWN))
        # Its links to further pages forget other filters, as Ironic's do.
        more = {"maintenance": "True"} if query.get("maintenance") == "True" else {}
        page = self._page("nodes", found, query, more)
        return {**page, "nodes": [self._shown(node, fields) for node in page["nodes"]]}

    def _page(self, kind, found, query, more):
        marker = query.get("marker")
        uuids = [item["uuid"] for item in found]
        if marker:
            found = found[uuids.index(marker) + 1 :] if marker in uuids else found
        limit = min(int(query.get("limit") or self.max_limit), self.max_limit)
        page = {kind: found[:limit]}
        if len(page[kind]) == limit:
            kept = {key: query[key] for key in ("fields", "detail") if key in query}
            link = {**more, **kept, "limit": limit, "marker": page[kind][-1]["uuid"]}
            page["next"] = f"{self.url}/v1/{kind}?{urllib.parse.urlencode(link)}"
        return page

    def _create(self, context, body):
        unknown = set(body) - _GIVEN
        if unknown:
            raise Refused(400, f"Schema error: unexpected properties {sorted(unknown)}")
        if body.get("driver") not in self.drivers:
            raise Refused(
                400,
                "No valid host was found. Reason: No conductor service registered which supports "
                f'driver {body.get("driver")} for conductor group "".',
            )
        name = body.get("name")
        if name is not None:
            self._check_name(name)
        if body.get("uuid") in self.nodes:
            raise Refused(409, f"A node with UUID {body['uuid']} already exists.")
        given = {key: value for key, value in body.items() if value is not None}
        self._check_interfaces(given)
        fresh = {"provision_state": states.ENROLL, "power_state": None}
        node = self.add(**{"name": None, **given, **fresh})
        context.status_code = 201
        return self._shown(node)

    def _check_name(self, name, owner=None):
        if not re.fullmatch(r"[A-Za-z0-9._~-]{1,255}", str(name)):
            raise Refused(400, f"Cannot create node with invalid name '{name}'")
        for node in self.nodes.values():
            if node["name"] == name and node is not owner:
                raise Refused(409, f"A node with name {name} already exists.")

    def _check_interfaces(self, node):
        power = node.get("power_interface")
        if power not in (None, self.drivers[node["driver"]]):
            raise Refused(
                400, f"Hardware type {node['driver']} does not support power interface '{power}'."
            )

    def _check_lock(self, node):
        if node["reservation"]:
            raise Refused(
                409,
                f"Node {node['uuid']} is locked by host {node['reservation']}, please retry after "
                "the current operation is completed.",
            )

    def _patch(self, node, patch, query):
        state = node["provision_state"]
        is_moving = node["target_provision_state"] and state not in states.UPDATE_ALLOWED_STATES
        if is_moving or state == states.INSPECTING:
            raise Refused(
                409, f"Node {node['uuid']} can not be updated while a state transition is in "
                "progress."
            )  # fmt: skip
        roots = {change["path"].split("/")[1] for change in patch}
        if roots - _CHANGED:
            raise Refused(400, f"'/{min(roots - _CHANGED)}' is an internal attribute.")
        try:
            changed = jsonpatch.apply_patch(copy.deepcopy(node), patch)
        except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as error:
            raise Refused(400, f"Couldn't apply patch '{patch}'. Reason: {error}") from error
        if changed["name"] != node["name"] and changed["name"] is not None:
            self._check_name(changed["name"], node)
        if changed["driver"] not in self.drivers:
            raise Refused(400, f"No valid host was found. Reason: no driver {changed['driver']}")
        if changed["driver"] != node["driver"] and query.get("reset_interfaces") == "True":
            for field in ("power_interface", "management_interface"):
                changed[field] = self.drivers[changed["driver"]]
        self._check_interfaces(changed)
        self._check_lock(node)
        node.update(changed)
        node["updated_at"] = self._now()
        if not node["maintenance"]:
            node["maintenance_reason"] = node["fault"] = None
        return node

    def _delete(self, node):
        self._check_lock(node)
        if not node["maintenance"] and node["instance_uuid"]:
            raise Refused(
                409, f"Node {node['uuid']} is associated with instance {node['instance_uuid']}."
            )
        if node["protected"]:
            raise Refused(403, f"Node {node['uuid']} is protected and cannot be deleted")
        allowed = (*states.DELETE_ALLOWED_STATES, states.AVAILABLE)
        if not node["maintenance"] and node["provision_state"] not in allowed:
            raise Refused(
                409,
                f'Can not delete node "{node["uuid"]}" while it is in provision state '
                f'"{node["provision_state"]}".',
            )
        del self.nodes[node["uuid"]]
        self._forget(node["uuid"])
        self.ports = {k: p for k, p in self.ports.items() if p["node_uuid"] != node["uuid"]}

    def _serve_node_maintenance(self, method, context, node, body):
        node["maintenance"] = method == "PUT"
        node["maintenance_reason"] = (body or {}).get("reason") if method == "PUT" else None
        context.status_code = 202
        return ""

    def _serve_node_traits(self, method, context, node, body):
        if method == "GET":
            return {"traits": node["traits"]}
        self._check_lock(node)
        wrong = [t for t in body["traits"] if not re.fullmatch(r"[A-Z][A-Z0-9_]{0,254}", t)]
        if wrong:
            raise Refused(400, f"Schema error: {wrong[0]} is no trait")
        node["traits"] = sorted(body["traits"])
        context.status_code = 204
        return ""

    def _serve_node_inventory(self, _method, _context, node, _body):
        if node["uuid"] not in self.inventories:
            raise Refused(404, f"No inventory found for node {node['uuid']}.")
        return {"inventory": self.inventories[node["uuid"]], "plugin_data": {}}

    def _err(self, node, words):
        node["last_error"] = words
        event = {"severity": "ERROR", "created_at": self._now(), "event": words}
        self.history.setdefault(node["uuid"], []).append(event)

    def _serve_node_history(self, _method, _context, node, _body):
        return {"history": self.history.get(node["uuid"], [])}

    def _serve_node_states_provision(self, _method, context, node, body):
        target = body["target"]
        event = states.VERBS.get(target, target)
        self._machine.initialize(node["provision_state"])
        if not self._machine.is_actionable_event(event):
            self._check_lock(node)
            raise Refused(
                400,
                f'The requested action "{target}" can not be performed on node "{node["uuid"]}" '
                f'while it is in state "{node["provision_state"]}".',
            )
        self._check_lock(node)
        if target == "provide" and node["maintenance"]:
            raise Refused(
                400,
                f"The providing operation can't be performed on node {node['uuid']} because it's "
                "in maintenance mode.",
            )
        self.accepted.append((node["uuid"], target))
        steps = list(_WAYS.get((target, node["provision_state"]), ()))
        if target == "abort":
            self._forget(node["uuid"])
            node["last_error"] = "Inspection was aborted by request."
        self._process(node, event, steps)
        if steps:
            node["last_error"] = None
            faults = self._faults.get((node["uuid"], target))
            self._step(node, steps, faults.pop(0) if faults else None)
            known = self.nodes.values()
            moving = sum(n["provision_state"] in states.UNSTABLE_STATES for n in known)
            self.most_under_way = max(self.most_under_way, moving)
        context.status_code = 202
        return ""

    def _step(self, node, steps, fault):
        is_last = len(steps) == 1
        seconds = self.slow.get(node["uuid"], self.seconds) if is_last else 1.0

        def action():
            if is_last and fault:
                self._process(node, "fail", ())
                self._err(node, fault)
                if node["provision_state"] == states.CLEANFAIL:
                    node.update(maintenance=True, fault="clean failure", maintenance_reason=fault)
                return
            self._process(node, steps[0], steps[1:])
            if not is_last:
                self._step(node, steps[1:], fault)

        self._later(seconds, node["uuid"], action)

    def _process(self, node, event, following):
        """Carry out an event of the state machine; further ones may follow."""
        before, machine = node["provision_state"], self._machine
        machine.initialize(before, node["target_provision_state"])
        machine.process_event(event)
        now = node["provision_state"] = machine.current_state
        ends = not following and machine.is_stable(now)
        node["target_provision_state"] = None if ends else machine.target_state
        is_working = following and now in states.STUCK_STATES_TREATED_AS_FAIL
        node["reservation"] = CONDUCTOR if is_working else None
        if now == states.INSPECTING:
            node.update(inspection_started_at=self._now(), inspection_finished_at=None)
        elif before in (states.INSPECTING, states.INSPECTWAIT) and now == states.MANAGEABLE:
            node.update(inspection_started_at=None, inspection_finished_at=self._now())
            found = self.finds.get(node["uuid"], INVENTORY)
            self.inventories[node["uuid"]] = found
        elif now == states.INSPECTFAIL:
            node["inspection_started_at"] = None
        if before == states.VERIFYING and now == states.MANAGEABLE:
            node["power_state"] = node["power_state"] or states.POWER_OFF

    def _serve_node_states_power(self, _method, context, node, body):
        target = body["target"]
        if target not in _POWER or node["provision_state"] in (states.CLEANING, states.CLEANWAIT):
            raise Refused(
                400,
                f'The requested action "{target}" can not be performed on node "{node["uuid"]}" '
                f'while it is in state "{node["provision_state"]}".',
            )
        self._check_lock(node)
        self.accepted.append((node["uuid"], target))
        faults = self._faults.get((node["uuid"], target))
        fault = faults.pop(0) if faults else None
        node.update(
            target_power_state=_POWER[target], last_error=None, reservation=CONDUCTOR
        )  # fmt: skip

        def action():
            node.update(target_power_state=None, reservation=None)
            if fault:
                self._err(node, fault)
            else:
                node["power_state"] = _POWER[target]

        self._later(self.slow.get(node["uuid"], self.seconds), node["uuid"], action)
        context.status_code = 202
        return ""

    def _serve_ports(self, method, context, words, query, body):
        if method == "POST":
            return self._create_port(context, body)
        if not words:
            found = [
                port
                for port in self.ports.values()
                if query.get("address", port["address"]) == port["address"]
            ]
            page = self._page("ports", found, query, {})
            names = query["fields"].split(",") if "fields" in query else list(_PORT)
            return {**page, "ports": [{n: port[n] for n in names} for port in page["ports"]]}
        port = self.ports.get(words[0])
        if port is None:
            raise Refused(404, f"Port {words[0]} could not be found.")
        if method == "PATCH":
            self._check_lock(self.nodes[port["node_uuid"]])
            changed = jsonpatch.apply_patch(copy.deepcopy(port), body)
            self._check_address(changed["address"], port)
            port.update(changed)
        if method == "DELETE":
            self._check_lock(self.nodes[port["node_uuid"]])
            del self.ports[port["uuid"]]
            context.status_code = 204
            return ""
        return port

    def _create_port(self, context, body):
        unknown = set(body) - set(_PORT)
        if unknown or "address" not in body:
            raise Refused(400, f"Schema error: unexpected properties {sorted(unknown)}")
        node = self.nodes.get(body["node_uuid"])
        if node is None:
            raise Refused(400, f"Node {body['node_uuid']} could not be found.")
        address = body["address"].lower()
        self._check_address(address)
        self._check_lock(node)
        given = {key: value for key, value in body.items() if value is not None}
        context.status_code = 201
        return self.add_port(node, **{**given, "address": address, "node_uuid": node["uuid"]})

    def _check_address(self, address, owner=None):
        for port in self.ports.values():
            if port["address"] == address and port is not owner:
                raise Refused(409, f"A port with MAC address {address} already exists.")

    def _serve_inspection_rules(self, method, context, words, query, body):
        if method == "POST":
            if body["uuid"] in self.rules:
                raise Refused(409, f"A rule with UUID {body['uuid']} already exists.")
            if not body.get("actions"):
                raise Refused(400, "Schema error: 'actions' is a required property")
            rule = {"priority": 0, "phase": "main", "sensitive": False, "conditions": [], **body}
            self.rules[body["uuid"]] = rule
            context.status_code = 201
            return rule
        if not words:
            page = self._page("inspection_rules", list(self.rules.values()), query, {})
            # Only the important ones, as Ironic does.
            names = ("uuid", "description", "priority", "phase", "sensitive")
            shown = [{n: rule.get(n) for n in names} for rule in page["inspection_rules"]]
            return {**page, "inspection_rules": shown}
        if words[0] not in self.rules:
            raise Refused(404, f"Rule {words[0]} could not be found.")
        if method == "DELETE":
            del self.rules[words[0]]
            context.status_code = 204
            return ""
        return self.rules[words[0]]


class Inspector(Timed):
    """ironic-inspector.

    :ivar statuses: UUID of a node to what its last introspection came to.
    :ivar data: UUID to what was found.
    :ivar faults: UUID to the errors of its next introspections, None for one that goes well.
    """

    max_limit = 1000

    def __init__(self, url, ironic):
        super().__init__(url, ironic.clock)
        self.ironic = ironic
        self.statuses = {}
        self.data = {}
        self.faults = {}
        self.most_under_way = 0

    def answer(self, request, context, path, query):
        context.headers.update(
            {
                "X-OpenStack-Ironic-Inspector-API-Minimum-Version": "1.0",
                "X-OpenStack-Ironic-Inspector-API-Maximum-Version": "1.18",
            }
        )
        words = path.strip("/").split("/")[1:]
        if not words:
            return {"resources": []}
        if len(words) == 1:
            return {"introspection": self._statuses(query)}
        identity, what = words[1], "/".join(words[2:])
        if request.method == "GET" and what == "data":
            if identity in self.data:
                return self.data[identity]
            return self._refuse(context, 404, f"Introspection data not found for node {identity}")
        context.status_code = 202
        if what == "abort":
            self._forget(identity)
            self._end(identity, "Canceled by operator")
            return ""
        node = self.ironic.nodes.get(identity)
        state = node and node["provision_state"]
        if state not in (states.ENROLL, states.MANAGEABLE, states.INSPECTFAIL):
            words = f'Invalid provision state for introspection: "{state}"'
            return self._refuse(context, 400 if node else 404, words)
        self._begin(identity)
        return ""

    def _statuses(self, query):
        found = sorted(self.statuses.values(), key=lambda s: (s["started_at"], s["uuid"]))
        found.reverse()
        uuids = [status["uuid"] for status in found]
        start = uuids.index(query["marker"]) + 1 if query.get("marker") else 0
        return found[start : start + self.max_limit]

    def _begin(self, identity):
        status = {
            "uuid": identity,
            "started_at": self._now(),
            "finished_at": None,
            "finished": False,
            "error": None,
            "state": "waiting",
        }
        self.statuses[identity] = status
        running = sum(not known["finished"] for known in self.statuses.values())
        self.most_under_way = max(self.most_under_way, running)
        faults = self.faults.get(identity)
        fault = faults.pop(0) if faults else None
        seconds = self.slow.get(identity, self.seconds)
        self._later(seconds, identity, lambda: self._end(identity, fault))

    def _end(self, identity, error):
        self.statuses[identity].update(
            finished=True,
            finished_at=self._now(),
            error=error,
            state="error" if error else "finished",
        )
        if not error:
            self.data[identity] = {"inventory": self.ironic.finds.get(identity, INVENTORY)}

    @staticmethod
    def _refuse(context, status, words):
        context.status_code = status
        return {"error": {"message": words}}


class Cloud(fakes.Cloud):
    """A cloud that also has Ironic, and if asked for an ironic-inspector.

    :ivar ironic: in its first region; ``inspector`` likewise.
    """

    def __init__(self, *, has_inspector=False, **more):
        super().__init__(**more)
        self._has_inspector = has_inspector

    def _setUp(self):
        super()._setUp()
        self.ironic = Ironic(URL, self.clock)
        self.inspector = Inspector(INSPECTOR_URL, self.ironic)
        for service in (self.ironic, self.inspector):
            service.executor = self.executor
            self.http.register_uri(
                requests_mock.ANY, re.compile("^" + re.escape(service.url) + "/"), content=service
            )
        # What is recorded of nodes has times of day; they are those of this cloud's clock.
        time = types.SimpleNamespace(time=self.clock)
        self.useFixture(fixtures.MonkeyPatch("tripleo_common.baremetal.runs.time", time))

    def token(self):
        token = super().token()
        token.add_service("baremetal", "ironic").add_standard_endpoints(
            public=URL, region=self.regions[0]
        )
        if self._has_inspector:
            token.add_service("baremetal-introspection", "ironic-inspector").add_standard_endpoints(
                public=INSPECTOR_URL, region=self.regions[0]
            )
        return token


class WithIronic(base.TestCase):
    """A cloud with Ironic, and what follows runs in it.

    :ivar fake: the cloud as a test looks at it; ``ironic`` is its Ironic.
    """

    HAS_INSPECTOR = False

    def setUp(self):
        super().setUp()
        self.start_executor()
        self.fake = self.useFixture(Cloud(has_inspector=self.HAS_INSPECTOR))
        self.ironic = self.fake.ironic

    @property
    def cloud(self):
        """The cloud, as another action opens it."""
        return self.fake.open()

    def step(self, run_id="run"):
        """Follow a run as one action does."""
        return following.follow(self.cloud, run_id)

    def end(self, run_id="run"):
        """Follow a run to its end, and return its result."""
        for _ in range(1000):
            result = self.step(run_id)
            if result["done"]:
                return result
        raise AssertionError(f"the run does not end: {result}")

    def end_badly(self, run_id="run"):
        """Follow a run to its end, and return its details; nodes must have failed in it."""
        return self.assertRaises(exceptions.NodesFailed, self.end, run_id).details

    def record(self, run_id="run"):
        """Return the record of a run."""
        return runs.Run.load(self.cloud, run_id)

    def entry(self, node, run_id="run"):
        """Return what the record of a run has of a node."""
        return self.record(run_id).entries[node["uuid"]]


def uuids(nodes):
    """Return the UUIDs of nodes."""
    return [node["uuid"] for node in nodes]


def _minor(version):
    return int(version.partition(".")[2])
