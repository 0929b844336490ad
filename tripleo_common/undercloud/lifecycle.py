"""Bringing an undercloud up and down, and looking at it."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import psutil
import requests
import yaml
from keystoneauth1 import session as keystone_session
from keystoneauth1.identity import v3
from mistralclient.api import client as mistral_client

from tripleo_common import config, exceptions
from tripleo_common.undercloud import identity, processes, services, state
from tripleo_common.undercloud.bare_metal import nodes as bare_metal

_START_SECONDS = 180
_POLL_SECONDS = 0.25

Report = Callable[[str, str], None]
"""Is told of progress: which service, and what happened to it."""


@dataclasses.dataclass(frozen=True)
class Row:
    """A process as ``status`` shows it."""

    service: str
    url: str
    pid: int | None
    healthy: bool
    memory_mib: int | None


class Undercloud:
    """The undercloud that lives in a state directory."""

    def __init__(
        self, directory: state.StateDir, report: Report = lambda service, text: None
    ) -> None:
        """Look at a directory; nothing is started or made."""
        self.directory = directory
        self._report = report
        self._failed = threading.Event()
        self._started: list[str] = []

    def up(
        self,
        *,
        ports: str | None = None,
        regions: int | None = None,
        without: list[str] | None = None,
        nodes: int | None = None,
    ) -> bool:
        """Start whatever does not run, and return when every service answers.

        :param ports: ``standard`` or ``free``; kept from the first time on.
        :param regions: how many regions; more than before adds some.
        :param without: services to leave out; nothing: the same as the last time.
        :param nodes: how many emulated machines; more than before adds some.
        :returns: False if everything ran already.
        :raises UndercloudError: one clear sentence; what this call started is stopped again.
        """
        if without is not None:
            services.check_names(without)
        self.directory.create()
        with self.directory.locked():
            self._failed.clear()
            self._started.clear()
            self._settle(ports, regions, without)
            self._settle_nodes(nodes)
            units = services.build(self.directory)
            for unit in units:
                self._report(unit.unit, f"{unit.distribution} {unit.version}")
                unit.assign_ports(free=self.directory.mode == "free")
            specs = [spec for unit in units for spec in unit.specs()]
            missing = [s for s in specs if not processes.find(s.name, self.directory)]
            wanted = identity.digest(_catalogued(units), self.directory.regions)
            if not missing and self.directory.done("identity") == wanted:
                self.directory.save()
                for unit in units:
                    if isinstance(unit, services.Bmc):
                        unit.configure()
                self._load_workbooks(units)
                return False
            for spec in missing:
                processes.check_port(spec)
            self.directory.save()
            try:
                self._start(units, wanted)
            except BaseException:
                processes.stop(self._started, self.directory)
                raise
        return True

    def down(self) -> list[str]:
        """End all processes; return the names of those that ran. Data stays."""
        if not self.directory.exists:
            return []
        with self.directory.locked():
            # Recorded processes, not configured ones: a service that is left out since may run.
            names = [path.stem for path in self.directory.record("x").parent.glob("*.json")]
            return processes.stop(names, self.directory)

    def status(self) -> list[Row]:
        """Look at each process.

        :raises UndercloudError: there is no undercloud in this directory.
        """
        self._require()
        units = services.build(self.directory)
        with futures.ThreadPoolExecutor(len(units)) as pool:
            return [row for rows in pool.map(self._rows, units) for row in rows]

    def credentials(self, region: str | None = None) -> dict[str, str]:
        """Return what a client needs, as openstacksdk's ``auth`` and region would name it.

        :raises UndercloudError: there is no undercloud in this directory, or no such region.
        """
        self._require()
        regions = self.directory.regions
        if region and region not in regions:
            raise exceptions.UndercloudError(
                f"This undercloud has no region {region!r}. It has: {', '.join(regions)}."
            )
        return {**self.directory.credentials(), "region_name": region or regions[0]}

    def bmc(self) -> services.Bmc:
        """Return the BMCs of the emulated nodes.

        :raises UndercloudError: there is no undercloud in this directory, or it has none.
        """
        self._require()
        if not self.directory.nodes:
            raise exceptions.UndercloudError(
                f"The undercloud in {self.directory.root} has no emulated nodes. Give it some "
                f"with: tripleo-undercloud up --state-dir {self.directory.root} --nodes N"
            )
        return services.Bmc(self.directory, self.directory.regions[0])

    def session(self) -> Any:
        """Return a keystoneauth session of the administrator, deaf to proxies."""
        http = requests.Session()
        http.trust_env = False
        return keystone_session.Session(
            auth=v3.Password(**self.directory.credentials()), session=http, timeout=30
        )

    # Starting.

    def _settle(self, ports: str | None, regions: int | None, without: list[str] | None) -> None:
        """Take over what is new of the options and refuse what cannot change any more."""
        directory = self.directory
        # From here on the catalogue names ports.
        seeded = directory.done("schema:keystone") is not None
        if ports and seeded and ports != directory.mode:
            raise exceptions.UndercloudError(
                f"The undercloud in {directory.root} was made with --ports {directory.mode}, and "
                "its catalogue names these ports. Make another one with --state-dir."
            )
        if ports or not directory.mode:
            directory.mode = ports or "standard"
        if not seeded:
            directory.forget_ports()
        if regions is not None:
            have = len(directory.regions) if seeded else 1
            if not have <= regions <= len(state.REGIONS):
                raise exceptions.UndercloudError(
                    f"--regions {regions} is not possible: this undercloud has {have} and can "
                    f"have up to {len(state.REGIONS)}; none can be taken away."
                )
            directory.regions = list(state.REGIONS[:regions])
        if without is not None:
            directory.without = without

    def _settle_nodes(self, nodes: int | None) -> None:
        directory = self.directory
        if nodes is not None:
            if not directory.nodes <= nodes <= bare_metal.MOST:
                raise exceptions.UndercloudError(
                    f"--nodes {nodes} is not possible: this undercloud has {directory.nodes} and "
                    f"can have up to {bare_metal.MOST}; none can be taken away."
                )
            directory.nodes = nodes
        if directory.nodes and "ironic" in directory.without:
            raise exceptions.UndercloudError(
                f"This undercloud has {directory.nodes} emulated nodes, and they need Ironic: it "
                "cannot be left out. Give the services to leave out with --without."
            )

    def _start(self, units: list[services.Service], wanted: str) -> None:
        began = time.monotonic()
        ready = threading.Event()
        with futures.ThreadPoolExecutor(len(units)) as pool:
            running = [pool.submit(self._start_unit, unit, units, ready, wanted) for unit in units]
            try:
                futures.wait(running)
            except BaseException:
                self._failed.set()
                raise
        # One failure makes the others give up; only the first one tells anything.
        errors = [e for future in running if (e := future.exception())]
        for error in sorted(errors, key=lambda e: isinstance(e, futures.CancelledError)):
            raise error
        self._report("undercloud", f"ready after {time.monotonic() - began:.1f} s")

    def _start_unit(
        self,
        unit: services.Service,
        units: list[services.Service],
        ready: threading.Event,
        wanted: str,
    ) -> None:
        try:
            unit.configure()
            schema = f"schema:{unit.unit}"
            if self.directory.done(schema) != unit.version:
                commands = unit.schema_commands()
                for command in commands:
                    self._check()
                    processes.run(command, self.directory.log(unit.unit))
                self.directory.mark_done(schema, unit.version)
                if commands:
                    self._report(unit.unit, "storage prepared")
            for spec in unit.specs():
                self._check()
                if not processes.find(spec.name, self.directory):
                    self._started.append(spec.name)
                    processes.start(spec, self.directory)
            for spec in unit.specs():
                self._wait(spec, lambda spec=spec: _answers(spec))  # type: ignore[misc]
            session = self.session()
            if isinstance(unit, services.Keystone):
                if self.directory.done("identity") != wanted:
                    identity.seed(session, self.directory, _catalogued(units))
                    self.directory.mark_done("identity", wanted)
                    self._report(unit.unit, "users and catalogue made")
                ready.set()
            for _ in self._patience(unit.specs()[-1]):
                if ready.wait(_POLL_SECONDS):
                    break
            front = unit.specs()[-1]
            self._wait(front, lambda: unit.probe(session))
            self._load_workbooks([unit])
            self._report(unit.unit, f"answers at {unit.base_url}")
        except BaseException:
            self._failed.set()
            raise

    def _load_workbooks(self, units: list[services.Service]) -> None:
        for unit in units:
            if isinstance(unit, services.Mistral):
                loaded = load_workbooks(self.session(), unit.endpoint)
                self._report(unit.unit, f"{loaded} workbooks loaded")

    def _wait(self, spec: processes.Spec, question: Callable[[], object]) -> None:
        last: Exception | None = None
        for process in self._patience(spec):
            try:
                question()
                return
            # Anything may come from a service that is starting; only time tells.
            except Exception as error:
                last = error
            _pause(process)
        log = self.directory.log(spec.name)
        raise exceptions.UndercloudError(
            f"{spec.name} does not answer at {spec.url} after {_START_SECONDS} seconds ({last}). "
            f"Its log: {log}"
        )

    def _patience(self, spec: processes.Spec) -> Iterator[psutil.Process]:
        """Yield as long as it makes sense to wait for a process.

        :raises UndercloudError: the process has ended.
        """
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            self._check()
            process = processes.find(spec.name, self.directory)
            if not process:
                log = self.directory.log(spec.name)
                raise exceptions.UndercloudError(
                    f"{spec.name} has ended right after its start: {processes.last_words(log)} "
                    f"(log: {log})"
                )
            yield process

    def _check(self) -> None:
        if self._failed.is_set():
            raise futures.CancelledError

    # Looking.

    def _rows(self, unit: services.Service) -> list[Row]:
        rows = []
        specs = unit.specs()
        for spec in specs:
            process = processes.find(spec.name, self.directory)
            healthy = False
            if process:
                try:
                    if spec is specs[-1]:
                        unit.probe(self.session())
                    else:
                        _answers(spec)
                    healthy = True
                # Whatever it raises: it does not work.
                except Exception:
                    healthy = False
            rows.append(
                Row(
                    spec.name,
                    spec.url,
                    process.pid if process else None,
                    healthy,
                    round(processes.memory_bytes(process) / 2**20) if process else None,
                )
            )
        return rows

    def _require(self) -> None:
        if not self.directory.done("identity"):
            raise exceptions.UndercloudError(
                f"There is no undercloud in {self.directory.root}. Make one with: "
                f"tripleo-undercloud up --state-dir {self.directory.root}"
            )


def _catalogued(units: list[services.Service]) -> list[services.Service]:
    return [unit for unit in units if unit.service_type]


def load_workbooks(session: Any, endpoint: str) -> int:
    """Put this project's workbooks into Mistral, public; return how many there are.

    Those that are there already in the same words are left alone.
    """
    mistral = mistral_client.client(session=session, mistral_url=endpoint)
    there = {workbook.name: workbook.definition for workbook in mistral.workbooks.list()}
    files = sorted(config.share_dir("workbooks").glob("*.yaml"))
    for file in files:
        definition = file.read_text(encoding="utf-8")
        name = yaml.load(definition, yaml.CSafeLoader)["name"]
        if name not in there:
            mistral.workbooks.create(definition, scope="public")
        elif there[name] != definition:
            mistral.workbooks.update(definition, scope="public")
    return len(files)


def _answers(spec: processes.Spec) -> None:
    with requests.Session() as http:
        http.trust_env = False
        answer = http.get(f"http://{state.HOST}:{spec.port}{spec.health}", timeout=10)
        if answer.status_code >= 400:
            raise ValueError(f"HTTP {answer.status_code}")


def _pause(process: psutil.Process) -> None:
    """Wait a moment, shorter if the process ends meanwhile."""
    psutil.wait_procs([process], timeout=_POLL_SECONDS)
