"""Plans of the size that they really have: those of tripleo-heat-templates.

Usage: ``python -m bench.plan [--rounds N] [--peer]``. All that is compared is done in turn, on one
undercloud of its own.

``python -m bench.plan read DIRECTORY PLAN``, which it calls, reads a plan of the undercloud in a
state directory, in a process that knows nothing of it yet.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any
from unittest import mock

import requests
from swiftclient import client as swift_client

from bench import common, peer
from tests.functional import tht
from tripleo_common.plan import archive, container, heat, rendering, tarball
from tripleo_common.undercloud import lifecycle, state

PLAN = "tht"
PEERS_PLAN = "peer"
MANY = 300
THREADS = 8

Row = tuple[str, str, str, str, str]

TASKS: dict[str, dict[str, Any]] = {
    "tripleo.parameters.get": {"container": PLAN},
    "tripleo.parameters.get_flatten": {"container": PLAN},
    "tripleo.parameters.update": {"container": PLAN, "parameters": {"ComputeCount": 9}},
    "tripleo.parameters.get_passwords": {"container": PLAN},
    "tripleo.templates.process": {"container": PLAN},
    "tripleo.heat_capabilities.get": {"container": PLAN},
    "tripleo.role.list": {"container": PLAN, "detail": True},
    "tripleo.role.list_available": {"container": PLAN, "detail": True},
    "tripleo.plan.show": {"container": PLAN},
    "tripleo.plan.history": {"container": PLAN},
    "tripleo.plan.diff": {"container": PLAN, "from_revision": 1},
    "tripleo.plan.list": {},
}
"""Actions with large answers, and their inputs. Mistral keeps what an action of a task answers."""


class Measurement:
    """One run: an undercloud, the templates, the rows of the table."""

    def __init__(self, made: lifecycle.Undercloud, rounds: int) -> None:
        """Log in, read the templates, and put their tarball where plans are made of it."""
        self.rows: list[Row] = []
        self._made = made
        self._rounds = rounds
        self._parameter = 0
        self._clients = common.Clients(made)
        self._plans = common.plans_of(made)
        self._cloud = self._plans.open("extracted").cloud
        self._files = tarball.read_tree(tht.tree())
        self._tarball = tarball.pack(self._files)
        swift = self._swift()
        swift.put_container("uploads")
        swift.put_object("uploads", "tht.tar.gz", self._tarball)

    def create(self) -> None:
        """Extract the files into containers, and make plans of them; the last one stays."""
        usable = shown = theirs = 0.0
        for _ in range(self._rounds):
            theirs += self._extract()
            if self._plans.names():
                self._clients.action("tripleo.plan.delete", container=PLAN)
            first, whole = self._create()
            usable += first
            shown += whole
        other = "one extract-archive"
        self._ratio("create a plan, until usable", usable, other, theirs, 0.6)
        self._ratio("the same, until its container shows all files", shown, other, theirs)

    def change(self) -> None:
        """Change a parameter, with Heat and without; change a file."""
        whole = alone = without = 0.0
        for _ in range(self._rounds):
            whole += common.seconds(lambda: self._set_parameter(validate=True))
            given = self._plans.heat_input(self._plans.candidate(self._plans.read(PLAN)))
            alone += common.seconds(functools.partial(heat.validate, self._cloud, given))
            without += common.seconds(lambda: self._set_parameter(validate=False))
        n = self._rounds
        self._plain(
            "change a parameter, less Heat's validation",
            f"{(whole - alone) / n:.2f} s",
            "2 s",
            f"all: {whole / n:.2f} s, Heat alone: {alone / n:.2f} s",
        )
        self._plain("change a parameter, without Heat", f"{without / n:.2f} s", "2 s")
        for work, path, content in (
            ("change an environment file", "user-environment.yaml", b"parameter_defaults: {}\n"),
            ("change a rendered template", "overcloud.j2.yaml", self._files["overcloud.j2.yaml"]),
        ):
            took = sum(self._change_file(path, content, number) for number in range(n)) / n
            self._plain(work, f"{took:.2f} s", "2 s")

    def read(self) -> None:
        """Read the whole plan, and every object of its container."""
        fresh = ready = again = theirs = 0.0
        names = sorted(self._plans.open(PLAN).container.look().objects)
        for _ in range(self._rounds):
            took, contents = self._read_objects(names)
            theirs += took
            directory = str(self._made.directory.root)
            command = [sys.executable, "-m", "bench.plan", "read", directory, PLAN]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            first, scanned, second, files = json.loads(done.stdout)
            if files != archive.Files.of(contents).id:
                raise SystemExit("What was read of the plan and of its objects is not the same.")
            fresh += first
            ready += first + scanned
            again += second
        other = f"{len(names)} objects, {THREADS} threads"
        self._ratio("read a plan, in a new process", fresh, other, theirs, 0.1)
        self._ratio("the same, and make it ready for Heat", ready, other, theirs)
        self._ratio("read a plan, again in the same process", again, other, theirs)

    def parameters(self) -> None:
        """Ask for the parameters, and ask again."""
        for name in ("tripleo.parameters.get", "tripleo.parameters.get_flatten"):
            first = second = 0.0
            ask = functools.partial(self._clients.action, name, container=PLAN)
            for _ in range(self._rounds):
                self._set_parameter(validate=False)
                first += common.seconds(ask)
                second += common.seconds(ask)
            self._ratio(f"{name}, second time", second, "first time", first, 0.1)

    def render(self) -> None:
        """Render the default roles."""
        ours = theirs = 0.0
        texts = {path: content.decode() for path, content in self._files.items()}
        for _ in range(self._rounds):
            with tempfile.TemporaryDirectory() as output:
                theirs += common.seconds(functools.partial(_process_templates, output))
            ours += common.seconds(lambda: rendering.run(texts))
        self._ratio("render the default roles", ours, "process-templates.py", theirs, 1.5)

    def many(self) -> None:
        """List many plans, each with an environment like the real one's."""
        swift = self._swift()
        variables = json.dumps(self._plans.read(PLAN).stored)
        for number in range(MANY - 1):
            name = f"many-{number}"
            swift.put_container(name, headers={container.USAGE_HEADER: "plan"})
            self._clients.mistral.environments.create(name=name, variables=variables)
        with _counted() as urls:
            found = self._plans.names()
        if len(found) != MANY:
            raise SystemExit(f"{len(found)} plans are listed, not {MANY}.")
        took = self._average(lambda: self._clients.action("tripleo.plan.list"))
        self._plain(f"list {MANY} plans", f"{took:.2f} s", "1 s")
        self._plain("requests for that", str(len(urls)), "2")

    def records(self) -> None:
        """Run actions and workflows with large answers; find the largest record of all."""
        tasks: dict[str, Any] = {
            # Mistral takes no empty input.
            f"t{number}": {
                "action": action,
                **({"input": inputs} if inputs else {}),
                "on-success": [f"t{number + 1}" if number + 1 < len(TASKS) else "noop"],
            }
            for number, (action, inputs) in enumerate(TASKS.items())
        }
        workflow = {"version": "2.0", "bench_records": {"tasks": tasks}}
        self._clients.mistral.workflows.create(json.dumps(workflow))
        self._clients.workflow("bench_records")
        prefix = "tripleo.plan_management.v1."
        self._clients.workflow(prefix + "list_plans")
        self._clients.workflow(prefix + "list_roles", container=PLAN)
        self._clients.workflow(prefix + "list_available_roles", container=PLAN, detail=True)
        size, name = max(_records(self._made.directory.data("mistral") / "mistral.sqlite"))
        self._plain("largest record in Mistral", f"{size / 1024:.1f} KiB", "64 KiB", name)

    def peer(self) -> None:
        """Call the peer's actions and ours as an executor does; print how that went."""
        target = self._plans.open(PEERS_PLAN).container
        target.create()
        target.extract({**self._files, **peer.plan_files(self._files)})
        # Theirs render whether anything has changed or not.
        changed = self._files["overcloud.j2.yaml"] + b"# changed\n"
        self._swift().put_object(PLAN, "overcloud.j2.yaml", changed)
        keys = self._made.directory.etc("mistral") / "encryption-keys"
        with tempfile.TemporaryDirectory(prefix="tripleo-bench-") as directory:
            python = peer.prepare(Path(directory))
            theirs = peer.measure(python, self._made.session(), PEERS_PLAN)
        ours = peer.measure(Path(sys.executable), self._made.session(), PLAN, keys)
        rows: list[tuple[str, ...]] = [("work", "ours", "theirs", "ratio")]
        for one, other in zip(ours, theirs, strict=True):
            rows.append(
                (
                    one.work,
                    one.error[:200] or f"{one.seconds:.2f} s",
                    other.error[:200] or f"{other.seconds:.2f} s",
                    "" if one.error or other.error else f"{one.seconds / other.seconds:.2f}",
                )
            )
        common.table(f"Beside tripleo-common {peer.VERSION}, both called without Mistral", rows)

    def _swift(self) -> Any:
        """Return a connection for one thread."""
        return swift_client.Connection(session=self._clients.session)

    def _average(self, work: Callable[[], object]) -> float:
        return sum(common.seconds(work) for _ in range(self._rounds)) / self._rounds

    def _ratio(
        self, work: str, ours: float, other: str, theirs: float, most: float | None = None
    ) -> None:
        """Add a row for the totals of all rounds."""
        n = self._rounds
        limit = "" if most is None else f"{most:g}"
        against = f"{other}: {theirs / n:.2f} s"
        self.rows.append((work, f"{ours / n:.2f} s", against, f"{ours / theirs:.2f}", limit))

    def _plain(self, work: str, ours: str, most: str, other: str = "") -> None:
        """Add a row without a ratio."""
        self.rows.append((work, ours, other, "", most))

    def _extract(self) -> float:
        """Return the seconds of Swift's bulk middleware for the same files."""
        target = container.Container(self._cloud, "extracted")
        target.create()
        began = time.monotonic()
        answer = self._clients.session.put(
            f"{target.url}?extract-archive=tar.gz",
            data=self._tarball,
            headers={"Accept": "application/json"},
        ).json()
        took = time.monotonic() - began
        if answer["Errors"] or answer["Number Files Created"] != len(self._files):
            raise SystemExit(f"extract-archive: {answer}")
        target.delete()
        return took

    def _create(self) -> tuple[float, float]:
        """Return the seconds until a plan was usable, and until its container showed all of it."""
        began = time.monotonic()
        output = self._clients.workflow(
            "tripleo.plan_management.v1.create_deployment_plan",
            container=PLAN,
            source_url="swift:uploads/tht.tar.gz",
        )
        usable = time.monotonic() - began
        get = self._clients.mistral.executions.get
        sync = output["sync_execution"]
        ended = common.poll(lambda: (e := get(sync)).state != "RUNNING" and e)
        if ended.state != "SUCCESS":
            raise SystemExit(f"{ended.workflow_name}: {ended.output}")
        return usable, time.monotonic() - began

    def _set_parameter(self, *, validate: bool) -> None:
        """Give a parameter a value that it has not had."""
        self._parameter += 1
        self._clients.action(
            "tripleo.parameters.update",
            container=PLAN,
            parameters={"ComputeCount": self._parameter},
            validate=validate,
        )

    def _change_file(self, path: str, content: bytes, number: int) -> float:
        swift = self._swift()
        began = time.monotonic()
        swift.put_object(PLAN, path, content + f"# {number}\n".encode())
        self._clients.action("tripleo.templates.process", container=PLAN)
        return time.monotonic() - began

    def _read_objects(self, names: list[str]) -> tuple[float, dict[str, bytes]]:
        connections = [self._swift() for _ in range(THREADS)]

        def some(start: int) -> dict[str, bytes]:
            get = connections[start].get_object
            return {name: get(PLAN, name)[1] for name in names[start::THREADS]}

        began = time.monotonic()
        with futures.ThreadPoolExecutor(THREADS) as pool:
            shares = list(pool.map(some, range(THREADS)))
        took = time.monotonic() - began
        return took, {name: content for share in shares for name, content in share.items()}


def _process_templates(output: str) -> None:
    """Render with the templates' own tool."""
    subprocess.run(
        [sys.executable, "tools/process-templates.py", "--output-dir", output],
        cwd=tht.tree(),
        stdout=subprocess.DEVNULL,
        check=True,
    )


@contextlib.contextmanager
def _counted() -> Iterator[list[str]]:
    """Give the URLs of all requests that this process makes meanwhile, whichever client does."""
    urls: list[str] = []
    send = requests.adapters.HTTPAdapter.send

    def counting(self: Any, request: Any, *arguments: Any, **options: Any) -> Any:
        urls.append(request.url)
        return send(self, request, *arguments, **options)

    with mock.patch.object(requests.adapters.HTTPAdapter, "send", counting):
        yield urls


def _records(database: Path) -> Iterator[tuple[int, str]]:
    """Yield size, in bytes of all its texts, and name of each execution that Mistral keeps."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        for kind in ("workflow", "task", "action"):
            for row in connection.execute(f"SELECT * FROM {kind}_executions_v2"):
                texts = (value for value in dict(row).values() if isinstance(value, str))
                yield sum(len(text.encode()) for text in texts), f"{kind} {row['name']}"


def read(directory: str, plan: str) -> None:
    """Read a plan, make of it what Heat is given, and read it again.

    Prints, as JSON, the seconds of each of the three, and the digest of the plan's files.
    """
    plans = common.plans_of(lifecycle.Undercloud(state.StateDir(Path(directory))))
    began = time.monotonic()
    found = plans.read(plan)
    first = time.monotonic() - began
    scanned = common.seconds(lambda: plans.heat_input(plans.candidate(found)))
    again = common.seconds(lambda: plans.read(plan))
    print(json.dumps([first, scanned, again, found.files.id]))


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == ["read"]:
        read(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(prog="python -m bench.plan", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each is done")
    parser.add_argument("--peer", action="store_true", help="measure the peer as well")
    options = parser.parse_args()
    with common.undercloud() as made:
        run = Measurement(made, options.rounds)
        for measure in (
            run.create,
            run.read,
            run.change,
            run.parameters,
            run.render,
            run.many,
            run.records,
        ):
            took = common.seconds(measure)
            print(f"{measure.__name__}: {took:.0f} s", file=sys.stderr)
        common.table(
            f"Plans of tripleo-heat-templates {tht.VERSION}, averages of {options.rounds} rounds",
            [("work", "ours", "compared with", "ratio", "at most"), *run.rows],
        )
        if options.peer:
            run.peer()


if __name__ == "__main__":
    main()
