"""Registering, moving and introspecting many nodes.

Usage: ``python -m bench.nodes [--nodes 500] [--machines 200] [--rounds N] [--peer]``. All that is
compared is done in turn, on one undercloud of its own. It exits with 1 if a limit is missed.
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

RECORD_KIB = 64
"""How large a record of Mistral may be."""

MOVED = 1.1
"""How many requests each change of a node's state may take, with all looks at where they are."""

HEADINGS = ("work", "measured", "compared with", "figure", "at most", "")

_T = TypeVar("_T")


def entries(prefix: str, count: int) -> list[dict[str, Any]]:
    """Return a list of nodes as users write it: each with a BMC, a password and one port.

    What differs between real nodes does so here, for a list is compressed where Mistral stores it.

    :param prefix: of their names; its first letter tells them from other lists in addresses too.
    """
    family = ord(prefix[0])
    return [
        {
            "name": f"{prefix}-{number}",
            "pm_type": "fake-hardware",
            "pm_addr": f"10.{family}.{number // 250}.{1 + number % 250}",
            "pm_system_id": f"/redfish/v1/Systems/{uuid.uuid4()}",
            "pm_user": "admin",
            "pm_password": uuid.uuid4().hex,
            "mac": [f"52:{uuid.uuid4().bytes[:5].hex(':')}"],
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
        """Delete the nodes of a list, which must all be there."""
        there = self.uuids()
        names = [entry["name"] for entry in listed]
        missing = [name for name in names if name not in there]
        if missing:
            raise SystemExit(f"{len(missing)} nodes were not registered, such as {missing[0]}.")

        def delete(http: requests.Session, name: str) -> None:
            self._ask(http, "DELETE", f"nodes/{there[name]}")

        self._each(names, delete, 4)

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


@dataclasses.dataclass(frozen=True)
class Record:
    """What Mistral keeps of a workflow, a task or an action.

    :ivar size: bytes of all its texts.
    :ivar given: bytes of its input.
    """

    size: int
    name: str
    given: int


@dataclasses.dataclass(frozen=True)
class Row:
    """A line of the table.

    :ivar measured: what came out, with its unit.
    :ivar other: what that is compared with.
    :ivar figure: the number that is limited, where that is not what was measured itself.
    :ivar most: the limit; None if there is none.
    """

    work: str
    measured: str
    other: str = ""
    figure: float | None = None
    most: float | None = None

    @property
    def is_missed(self) -> bool:
        """Whether the figure is over its limit."""
        return self.figure is not None and self.most is not None and self.figure > self.most

    @property
    def cells(self) -> tuple[str, ...]:
        """What is printed."""
        figure = "" if self.figure is None else f"{self.figure:.2f}"
        most = "" if self.most is None else f"{self.most:g}"
        return (self.work, self.measured, self.other, figure, most, "MISSED" * self.is_missed)


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
        self._threads, self._rates = self._best_concurrency()
        self._swift = swift_client.Connection(session=self._clients.session)
        self._swift.put_container("nodes")
        self._swift.put_object("nodes", "nodes.json", json.dumps({"nodes": self._listed}))

    def register(self) -> None:
        """Register nodes: straight, by the workflow in both ways, and again."""
        others = entries("straight", len(self._listed))
        ways: dict[str, Any] = {
            "from a Swift object": {"container": "nodes", "object": "nodes.json"},
            "inline": self._listed,
        }
        straight: list[float] = []
        again: list[float] = []
        took: dict[str, list[float]] = {way: [] for way in ways}
        grown: dict[str, list[float]] = {way: [] for way in ways}
        records: dict[str, Record] = {}
        for _ in range(self._rounds):
            for way, content in ways.items():
                straight.append(self._ironic.register(others, self._threads))
                self._ironic.delete(others)
                with self._growth() as growth:
                    first = self._register(content, registered=len(self._listed))
                took[way].append(first.seconds)
                grown[way].extend(growth)
                records[way] = self._largest_record(first.id)
                again.append(self._register(content, unchanged=len(self._listed)).seconds)
                self._ironic.delete(self._listed)
        many = f"{len(self._listed)} nodes"
        other = f"the same POSTs, {self._threads} threads"
        for way, ours in took.items():
            self._ratio(f"register {many}, {way}", ours, other, straight, 1.3)
        first_time = [seconds for ours in took.values() for seconds in ours]
        self._ratio(f"register the same {many} again", again, "the first time", first_time, 0.1)
        for way, record in records.items():
            self._record(f"largest record in Mistral, {way}", record)
        inline = records["inline"]
        per_node = inline.given / len(self._listed)
        fitting = (RECORD_KIB * 1024 - inline.size + inline.given) / per_node
        self._plain("nodes whose inline list fits such a record", f"{fitting:.0f}")
        for way, most in grown.items():
            self._plain(f"Mistral's memory grows at most, {way}", f"{max(most):.1f} MiB")
        rates = ", ".join(f"{threads}: {rate:.0f}" for threads, rate in self._rates.items())
        self._plain("nodes per second straight, by threads", rates)

    def peer(self) -> None:
        """Register nodes with the peer's action, with ours in the same way, and straight."""
        # The first one is there before the clock runs.
        listed = entries("peer", 1 + PEERS_NODES)
        theirs: list[float] = []
        ours: list[float] = []
        whole: list[float] = []
        straight: list[float] = []
        keys = self._made.directory.etc("mistral") / "encryption-keys"
        with tempfile.TemporaryDirectory(prefix="tripleo-bench-") as directory:
            python = peer.prepare(Path(directory))
            for _ in range(self._rounds):
                given = {
                    **vars(common.security(self._made)),
                    "insecure": False,
                    "is_trust_scoped": False,
                }
                theirs.append(peer_nodes.measure(python, given, listed))
                self._ironic.delete(listed)
                ours.append(peer_nodes.measure(Path(sys.executable), given, listed, keys))
                self._ironic.delete(listed)
                whole.append(self._register(listed[1:], registered=PEERS_NODES).seconds)
                self._ironic.delete(listed[1:])
                straight.append(self._ironic.register(listed[1:], self._threads))
                self._ironic.delete(listed[1:])
        other = f"tripleo-common {peer.VERSION}'s"
        self._ratio(f"register {PEERS_NODES} nodes, the action", ours, other, theirs, 0.5)
        self._ratio("the same by the workflow", whole, other, theirs)
        self._ratio("the same POSTs, which is the least", straight, other, theirs)

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
                if asked["provision"] != count:
                    raise SystemExit(f"{name}: {asked['provision']} changes of {count} nodes.")
                requests_each = asked.total() / count
                lists = f"lists: {asked['lists']} ({asked['lists'] / done.seconds:.2f} a second)"
                self.rows.append(
                    Row(
                        f"{name} {count} nodes, requests for each",
                        _seconds(done.seconds),
                        f"changes: {count}, {lists}, others: {_others(asked)}",
                        requests_each,
                        MOVED,
                    )
                )
            largest = max(records, key=lambda record: record.size)
            self._record("largest record in Mistral of these", largest)
            self._ironic.delete(listed)

    def introspect(self) -> None:
        """Introspect emulated machines: three alone, then all, some at a time."""
        bmc = self._made.bmc()
        machines = [dataclasses.replace(node, boot_seconds=BOOT_SECONDS) for node in bmc.nodes()]
        texts = json.dumps([machine.to_dict() for machine in machines])
        state.write_private(bmc.nodes_file, texts)
        registered = self._workflow("register_or_update", nodes_json=bmc.instackenv())
        self._plain(f"register {len(machines)} machines, manageable", _seconds(registered.seconds))
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
        self._ratio(work, [done.seconds], f"ideal, {one_node:.1f} s each", [ideal], 1.3)
        kinds = ", ".join(f"{kind}: {number}" for kind, number in sorted(asked.items()))
        self._plain("requests for that", kinds)
        self._record("largest record in Mistral of that", self._largest_record(done.id))

    def _best_concurrency(self) -> tuple[int, dict[int, float]]:
        """Return the best number of threads, and nodes per second of each."""
        listed = entries("try", min(SAMPLE, len(self._listed)))
        rates = dict.fromkeys(CONCURRENCIES, 0.0)
        for threads in CONCURRENCIES * 2:
            rate = len(listed) / self._ironic.register(listed, threads)
            rates[threads] = max(rates[threads], rate)
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

    def _largest_record(self, execution: str) -> Record:
        """Return the largest record that an execution left."""
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
                    texts = {
                        key: len(row[key].encode())
                        for key in row.keys()  # noqa: SIM118
                        if isinstance(row[key], str)
                    }
                    name = f"{kind} {row['name']}"
                    found.append(Record(sum(texts.values()), name, texts.get("input", 0)))
        return max(found, key=lambda record: record.size)

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
        self,
        work: str,
        ours: Sequence[float],
        other: str,
        theirs: Sequence[float],
        most: float | None = None,
    ) -> None:
        """Add a row that compares the shortest of several times, which others disturb least."""
        best, against = min(ours), min(theirs)
        shown = f"{other}: {_seconds(against)}"
        self.rows.append(Row(work, _seconds(best), shown, best / against, most))

    def _record(self, work: str, record: Record) -> None:
        """Add a row on a record."""
        size = record.size / 1024
        self.rows.append(Row(work, f"{size:.1f} KiB", record.name, size, RECORD_KIB))

    def _plain(self, work: str, measured: str) -> None:
        """Add a row without a limit."""
        self.rows.append(Row(work, measured))


def _kind(method: str, path: str) -> str:
    for kind, its_method, pattern in _KINDS:
        if method == its_method and pattern.fullmatch(path):
            return kind
    return "other"


def _others(asked: collections.Counter[str]) -> int:
    return asked.total() - asked["provision"] - asked["lists"]


def _seconds(number: float) -> str:
    return f"{number:.1f} s"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.nodes", description=__doc__)
    parser.add_argument("--nodes", type=int, default=500, help="how many are registered")
    parser.add_argument("--machines", type=int, default=200, help="how many are introspected")
    parser.add_argument("--rounds", type=int, default=2, help="how often registering is done")
    parser.add_argument("--peer", action="store_true", help="measure the peer as well")
    options = parser.parse_args()
    print(f"Nodes; the shortest of {options.rounds} rounds where they are registered")
    rows: list[Row] = []
    with common.undercloud(without=["heat"], nodes=options.machines) as made:
        run = Measurement(made, options.nodes, options.rounds)
        parts = (run.register, *((run.peer,) if options.peer else ()), run.move, run.introspect)
        for part in parts:
            took = common.seconds(part)
            found, run.rows = run.rows, []
            rows.extend(found)
            common.table(
                f"{part.__name__} ({took:.0f} s in all)",
                [HEADINGS, *(row.cells for row in found)],
            )
            sys.stdout.flush()
    missed = [row.work for row in rows if row.is_missed]
    if missed:
        raise SystemExit(f"Over the limit: {'; '.join(missed)}")


if __name__ == "__main__":
    main()
