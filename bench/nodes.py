"""Registering, moving and introspecting many nodes.

Usage: ``python -m bench.nodes [--nodes 500] [--machines 200] [--rounds N] [--peer]``. All that is
compared is done in turn, on one undercloud of its own.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import dataclasses
import json
import math
import re
import sqlite3
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent import futures
from pathlib import Path
from typing import Any, TypeVar

import requests
from swiftclient import client as swift_client

from bench import common, peer, peer_nodes
from tripleo_common.baremetal import node_data
from tripleo_common.undercloud import lifecycle, processes, state

CONCURRENCIES = (1, 2, 4, 8, 16)
"""How many threads send requests straight at Ironic."""

SAMPLE = 100
"""With how many nodes the best of them is found."""

PEERS_NODES = 200
FEW_NODES = 200
AT_A_TIME = 20

BOOT_SECONDS = 8.0
"""How long the ramdisk of an emulated machine takes to boot. With real ones it is minutes."""

WORKFLOWS = "tripleo.baremetal.v1."

_API_VERSION = "1.96"

_ACCESS = re.compile(r" - (GET|HEAD|POST|PUT|PATCH|DELETE) (/\S*) - \d{3} \(")
"""A request in Ironic's log."""

_KINDS = (
    ("provision", "PUT", re.compile(r"/v1/nodes/[^/?]+/states/provision")),
    ("power", "PUT", re.compile(r"/v1/nodes/[^/?]+/states/power")),
    ("lists", "GET", re.compile(r"/v1/nodes/?(detail)?(\?.*)?")),
)

Row = tuple[str, str, str, str, str]

_T = TypeVar("_T")


def entries(prefix: str, count: int) -> list[dict[str, Any]]:
    """Return a list of nodes as users write it: each with a BMC, a password and one port.

    :param prefix: of their names; its first letter tells them from other lists in addresses too.
    """
    family = ord(prefix[0])
    return [
        {
            "name": f"{prefix}-{number}",
            "pm_type": "fake-hardware",
            "pm_addr": f"10.{family}.{number // 250}.{1 + number % 250}",
            "pm_user": "admin",
            "pm_password": uuid.uuid4().hex,
            "mac": [f"52:54:{family:02x}:00:{number // 256:02x}:{number % 256:02x}"],
            "cpu": 64,
            "memory": 262144,
            "disk": 894,
            "arch": "x86_64",
            "capabilities": "boot_mode:uefi,boot_option:local",
        }
        for number in range(count)
    ]


class Ironic:
    """Ironic's API without a client library: a session for each thread, one token for all."""

    def __init__(self, made: lifecycle.Undercloud) -> None:
        """Get the token."""
        session = made.session()
        self._url = session.get_endpoint(service_type="baremetal", interface="public")
        self._headers = {
            "X-Auth-Token": session.get_token(),
            "X-OpenStack-Ironic-API-Version": _API_VERSION,
        }

    def register(self, listed: Sequence[dict[str, Any]], threads: int) -> float:
        """Make the nodes of a list, with their ports, and no more; return the seconds."""
        bodies = [
            ({**node.attributes, "uuid": str(uuid.uuid4())}, node.ports)
            for node in node_data.normalize(listed)
        ]

        def make(http: requests.Session, body: tuple[dict[str, Any], Any]) -> None:
            attributes, ports = body
            self._ask(http, "POST", "nodes", json=attributes)
            for port in ports:
                self._ask(http, "POST", "ports", json={**port, "node_uuid": attributes["uuid"]})

        return common.seconds(lambda: self._each(bodies, make, threads))

    def uuids(self) -> dict[str, str]:
        """Return name to UUID of all nodes."""
        with self._session() as http:
            found = self._ask(http, "GET", "nodes?fields=name,uuid").json()["nodes"]
        return {node["name"]: node["uuid"] for node in found}

    def delete(self, listed: Iterable[dict[str, Any]]) -> None:
        """Delete the nodes of a list."""
        there = self.uuids()

        def delete(http: requests.Session, name: str) -> None:
            self._ask(http, "DELETE", f"nodes/{there[name]}")

        self._each([entry["name"] for entry in listed if entry["name"] in there], delete, 4)

    def _each(
        self, items: Sequence[_T], work: Callable[[requests.Session, _T], None], threads: int
    ) -> None:
        def some(start: int) -> None:
            with self._session() as http:
                for item in items[start::threads]:
                    work(http, item)

        with futures.ThreadPoolExecutor(threads) as pool:
            # What one of them raises is raised here.
            list(pool.map(some, range(threads)))

    def _session(self) -> requests.Session:
        http = requests.Session()
        http.trust_env = False
        http.headers.update(self._headers)
        return http

    def _ask(
        self, http: requests.Session, method: str, path: str, **more: Any
    ) -> requests.Response:
        answer = http.request(method, f"{self._url}/v1/{path}", timeout=common.SECONDS, **more)
        if not answer.ok:
            raise SystemExit(f"{method} {path}: HTTP {answer.status_code}: {answer.text[:500]}")
        return answer


@dataclasses.dataclass(frozen=True)
class Execution:
    """A workflow that has ended well."""

    id: str
    output: dict[str, Any]
    seconds: float


class Measurement:
    """One run: an undercloud, lists of nodes, the rows of the table."""

    def __init__(self, made: lifecycle.Undercloud, count: int, rounds: int) -> None:
        """Log in, and put the list where workflows can find it.

        :param count: of nodes.
        """
        self.rows: list[Row] = []
        self._made = made
        self._rounds = rounds
        self._clients = common.Clients(made)
        self._ironic = Ironic(made)
        self._listed = entries("bench", count)
        self._swift = swift_client.Connection(session=self._clients.session)
        self._swift.put_container("nodes")
        self._swift.put_object("nodes", "nodes.json", json.dumps({"nodes": self._listed}))

    def register(self) -> None:
        """Register nodes: straight, by the workflow in both ways, and again. The last ones stay."""
        threads, found = self._best_concurrency()
        straight = again = 0.0
        others = entries("straight", len(self._listed))
        ways: dict[str, Any] = {
            "from a Swift object": {"container": "nodes", "object": "nodes.json"},
            "inline": self._listed,
        }
        took = dict.fromkeys(ways, 0.0)
        grown, records = dict.fromkeys(ways, 0.0), dict.fromkeys(ways, (0, ""))
        for _ in range(self._rounds):
            for way, content in ways.items():
                self._ironic.delete(self._listed)
                straight += self._ironic.register(others, threads) / len(ways)
                self._ironic.delete(others)
                with self._growth() as growth:
                    first = self._register(content, registered=len(self._listed))
                took[way] += first.seconds
                grown[way] = max(grown[way], *growth)
                records[way] = max(records[way], self._largest_record(first.id))
                again += self._register(content, unchanged=len(self._listed)).seconds / len(ways)
        many = f"{len(self._listed)} nodes"
        other = f"the same POSTs, {threads} threads"
        for way, ours in took.items():
            self._ratio(f"register {many}, {way}", ours, other, straight, 1.3)
        first_time = sum(took.values()) / len(ways)
        self._ratio(f"register the same {many} again", again, "the first time", first_time, 0.1)
        for way in ways:
            size, name = records[way]
            self._plain(f"largest record in Mistral, {way}", _kib(size), "64 KiB", name)
        for way in ways:
            self._plain(f"Mistral's memory grows at most, {way}", f"{grown[way]:.1f} MiB", "")
        rates = ", ".join(f"{threads}: {rate:.0f}" for threads, rate in found.items())
        self._plain("nodes per second straight, by threads", rates, "")

    def peer(self) -> None:
        """Register nodes with the peer's action, and with ours in the same way."""
        listed = entries("peer", PEERS_NODES)
        theirs = ours = whole = 0.0
        keys = self._made.directory.etc("mistral") / "encryption-keys"
        with tempfile.TemporaryDirectory(prefix="tripleo-bench-") as directory:
            python = peer.prepare(Path(directory))
            self._ironic.delete(self._listed)
            for _ in range(self._rounds):
                given = {
                    **vars(common.security(self._made)),
                    "insecure": False,
                    "is_trust_scoped": False,
                }
                theirs += peer_nodes.measure(python, given, listed)
                self._ironic.delete(listed)
                ours += peer_nodes.measure(Path(sys.executable), given, listed, keys)
                self._ironic.delete(listed)
                whole += self._register(listed, registered=len(listed)).seconds
                self._ironic.delete(listed)
        other = f"tripleo-common {peer.VERSION}'s"
        self._ratio(f"register {len(listed)} nodes, the action", ours, other, theirs, 0.5)
        self._ratio("the same by the workflow", whole, other, theirs)

    def move(self) -> None:
        """Manage and provide few nodes, and many; count what Ironic is asked for."""
        for count in (min(FEW_NODES, len(self._listed) // 2), len(self._listed)):
            listed = entries(f"move{count}", count)
            self._ironic.register(listed, 4)
            there = self._ironic.uuids()
            chosen = [there[entry["name"]] for entry in listed]
            records = []
            for name in ("manage", "provide"):
                with self._asked() as asked:
                    done = self._workflow(name, node_uuids=chosen)
                records.append(self._largest_record(done.id))
                lists = asked.pop("lists", 0)
                rest = ", ".join(f"{kind}: {number}" for kind, number in sorted(asked.items()))
                self.rows.append(
                    (
                        f"{name} {count} nodes",
                        f"{done.seconds:.1f} s",
                        rest,
                        f"{lists} lists, {lists / done.seconds:.2f} a second",
                        f"provision: {count}",
                    )
                )
            size, name = max(records)
            self._plain("largest record in Mistral of these", _kib(size), "64 KiB", name)
            self._ironic.delete(listed)

    def introspect(self) -> None:
        """Introspect emulated machines: three alone, then all, some at a time."""
        bmc = self._made.bmc()
        machines = [dataclasses.replace(node, boot_seconds=BOOT_SECONDS) for node in bmc.nodes()]
        texts = json.dumps([machine.to_dict() for machine in machines])
        state.write_private(bmc.nodes_file, texts)
        registered = self._workflow("register_or_update", nodes_json=bmc.instackenv())
        self._plain(
            f"register {len(machines)} machines, manageable", _seconds(registered.seconds), ""
        )
        there = self._ironic.uuids()
        chosen = [there[machine.name] for machine in machines]
        alone = []
        for one in chosen[:3]:
            output = self._workflow("introspect", node_uuids=[one]).output
            (attempt,) = output["introspected_nodes"][one]["attempts"]
            alone.append(attempt["seconds"])
        with self._asked() as asked:
            done = self._workflow("introspect", node_uuids=chosen, concurrency=AT_A_TIME)
        one_node = statistics.median(alone)
        ideal = math.ceil(len(chosen) / AT_A_TIME) * one_node
        work = f"introspect {len(chosen)} machines, {AT_A_TIME} at a time"
        rounds = self._rounds
        self._rounds = 1
        self._ratio(work, done.seconds, f"ideal, {one_node:.1f} s each", ideal, 1.3)
        self._rounds = rounds
        kinds = ", ".join(f"{kind}: {number}" for kind, number in sorted(asked.items()))
        self._plain("requests for that", kinds, "")
        size, name = self._largest_record(done.id)
        self._plain("largest record in Mistral of that", _kib(size), "64 KiB", name)

    def _best_concurrency(self) -> tuple[int, dict[int, float]]:
        """Return the best number of threads, and nodes per second of each."""
        listed = entries("try", min(SAMPLE, len(self._listed)))
        rates = {}
        for threads in CONCURRENCIES:
            rates[threads] = len(listed) / self._ironic.register(listed, threads)
            self._ironic.delete(listed)
        return max(rates, key=lambda threads: rates[threads]), rates

    def _register(self, content: Any, **expected: int) -> Execution:
        """Register a list, and make sure that all came out as expected."""
        done = self._workflow("register_or_update", nodes_json=content, initial_state="enroll")
        found = {name: done.output[name] for name in expected}
        if found != expected:
            raise SystemExit(f"Registering came to {found}, not {expected}.")
        return done

    def _workflow(self, name: str, **inputs: Any) -> Execution:
        """Run a workflow to its end, which must be good."""
        executions = self._clients.mistral.executions
        began = time.monotonic()
        execution = executions.create(WORKFLOWS + name, workflow_input=inputs)
        ended = common.poll(lambda: (e := executions.get(execution.id)).state != "RUNNING" and e)
        took = time.monotonic() - began
        output = json.loads(ended.output)
        if ended.state != "SUCCESS":
            raise SystemExit(f"{name}: {str(output)[:2000]}")
        return Execution(execution.id, output, took)

    def _largest_record(self, execution: str) -> tuple[int, str]:
        """Return bytes of all texts, and name, of the largest record that an execution left."""
        database = self._made.directory.data("mistral") / "mistral.sqlite"
        tasks = "SELECT id FROM task_executions_v2 WHERE workflow_execution_id = :id"
        queries = {
            "workflow": "SELECT * FROM workflow_executions_v2 WHERE id = :id",
            "task": "SELECT * FROM task_executions_v2 WHERE workflow_execution_id = :id",
            "action": f"SELECT * FROM action_executions_v2 WHERE task_execution_id IN ({tasks})",
        }
        found = []
        uri = f"file:{database}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            for kind, query in queries.items():
                for row in connection.execute(query, {"id": execution}):
                    texts = (value for value in tuple(row) if isinstance(value, str))
                    size = sum(len(text.encode()) for text in texts)
                    found.append((size, f"{kind} {row['name']}"))
        return max(found)

    @contextlib.contextmanager
    def _growth(self) -> Iterator[list[float]]:
        """Collect by how many MiB Mistral's resident memory has grown at its peak meanwhile."""
        process = processes.find("mistral", self._made.directory)
        if process is None:
            raise SystemExit("Mistral does not run.")
        proc = Path("/proc") / str(process.pid)
        # Forgets the peak so far (proc(5)).
        (proc / "clear_refs").write_text("5")
        before = process.memory_info().rss
        grown: list[float] = []
        yield grown
        peak = re.search(r"^VmHWM:\s+(\d+) kB", (proc / "status").read_text(), re.MULTILINE)
        if peak:
            grown.append((int(peak[1]) * 1024 - before) / 2**20)

    @contextlib.contextmanager
    def _asked(self) -> Iterator[collections.Counter[str]]:
        """Count the requests that Ironic's log has of what happens meanwhile, by kind."""
        log = self._made.directory.log("ironic")
        counts: collections.Counter[str] = collections.Counter()
        with log.open("rb") as stream:
            stream.seek(0, 2)
            yield counts
            text = stream.read().decode(errors="replace")
        for method, path in _ACCESS.findall(text):
            counts[_kind(method, path)] += 1

    def _ratio(
        self, work: str, ours: float, other: str, theirs: float, most: float | None = None
    ) -> None:
        """Add a row for the totals of all rounds."""
        n = self._rounds
        limit = "" if most is None else f"{most:g}"
        against = f"{other}: {theirs / n:.1f} s"
        self.rows.append((work, f"{ours / n:.1f} s", against, f"{ours / theirs:.2f}", limit))

    def _plain(self, work: str, ours: str, most: str, other: str = "") -> None:
        """Add a row without a ratio."""
        self.rows.append((work, ours, other, "", most))


def _kind(method: str, path: str) -> str:
    for kind, its_method, pattern in _KINDS:
        if method == its_method and pattern.fullmatch(path):
            return kind
    return "other"


def _seconds(number: float) -> str:
    return f"{number:.1f} s"


def _kib(size: int) -> str:
    return f"{size / 1024:.1f} KiB"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.nodes", description=__doc__)
    parser.add_argument("--nodes", type=int, default=500, help="how many are registered")
    parser.add_argument("--machines", type=int, default=200, help="how many are introspected")
    parser.add_argument("--rounds", type=int, default=2, help="how often registering is done")
    parser.add_argument("--peer", action="store_true", help="measure the peer as well")
    options = parser.parse_args()
    with common.undercloud(without=["heat"], nodes=options.machines) as made:
        run = Measurement(made, options.nodes, options.rounds)
        parts = (run.register, *((run.peer,) if options.peer else ()), run.move, run.introspect)
        for part in parts:
            took = common.seconds(part)
            print(f"{part.__name__}: {took:.0f} s", file=sys.stderr)
        common.table(
            f"Nodes; averages of {options.rounds} rounds where they are registered",
            [("work", "measured", "compared with", "ratio", "at most"), *run.rows],
        )


if __name__ == "__main__":
    main()
