"""Moving many nodes: a few at a time, watched with one request for all, each with its own fate.

A run is recorded in the object store (:mod:`documents`), so that it is not lost with an executor,
and Mistral holds no list of nodes. Whoever follows it brings it forward; where a node really is,
Ironic says, so it does no harm if two do, or if one ends in the middle.
"""

from __future__ import annotations

import abc
import dataclasses
import enum
import json
import logging
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from tripleo_common import clouds, config, exceptions
from tripleo_common.baremetal import documents, nodes, states

LOG = logging.getLogger(__name__)

_T = TypeVar("_T")

STEP_SECONDS = 20
"""How long one step may take: a workflow follows a run in many, and each occupies a thread of an
executor."""

_SAVE_SECONDS = 3
"""How old the record may be while somebody follows the run."""

_LISTED_BYTES = 30 * 1024
"""How much of a record a list of nodes may fill."""

_FAILED_BYTES = 16 * 1024
"""How much of it a list of failures may fill."""

_STOP_SECONDS = 120
"""How long a node that was given up is waited for to stop what it does."""

_NAMESPACE = uuid.UUID("5d8a1f0e-6a0f-4a0b-9d1c-2f1b7c9a4e35")

QUEUED, RUNNING, STOPPING, SUCCEEDED, FAILED = (
    "queued",
    "running",
    "stopping",
    "succeeded",
    "failed",
)
"""How far a run is with a node."""


class Verdict(enum.Enum):
    """What a look at a node says."""

    READY = enum.auto()
    """Something can be asked of it."""
    MOVING = enum.auto()
    """It is on its way."""
    DONE = enum.auto()
    """It is where it should be."""
    FAILED = enum.auto()
    """It will not come there by itself."""


@dataclasses.dataclass
class Entry:
    """A node of a run."""

    uuid: str
    name: str | None = None
    state: str = QUEUED
    result: str | None = None
    """What else is known of it, such as ``registered``."""
    provision_state: str | None = None
    """Where it was seen last."""
    asked: str | None = None
    """What it was asked for last."""
    began: float | None = None
    """When that was (seconds since 1970)."""
    refused: float | None = None
    """Since when it has been refused for a reason that passes."""
    refusal: str | None = None
    """Why it was refused otherwise."""
    error: str | None = None
    before: str | None = None
    """What the work noted of it before anything was asked."""
    attempts: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    """``began``, ``seconds`` and ``error`` of each pass that has ended."""
    facts: dict[str, Any] | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more happens to it in this run."""
        return self.state in (SUCCEEDED, FAILED)


class Work(abc.ABC):
    """What a run does with each of its nodes."""

    kind: ClassVar[str]
    """Its name in records."""
    stops: ClassVar[bool] = False
    """Whether a node that takes too long can be asked to stop."""

    def __init__(self, cloud: clouds.Cloud, options: Mapping[str, Any]) -> None:
        """Keep where the nodes are, and what is wanted of them."""
        self.cloud = cloud
        self.options = options

    @property
    @abc.abstractmethod
    def what(self) -> str:
        """What is done, as in ``made available``."""

    def look(self) -> dict[str, dict[str, Any]]:
        """Return all nodes by UUID; one request however many there are."""
        return {node["uuid"]: node for node in nodes.listed(self.cloud)}

    @abc.abstractmethod
    def judge(self, node: Mapping[str, Any], entry: Entry) -> tuple[Verdict, str]:
        """Say what a look at a node means.

        :returns: a verdict, and what to ask (READY) or a cause (FAILED).
        """

    @abc.abstractmethod
    def start(self, entry: Entry, asked: str) -> None:
        """Ask a node for something."""

    def note(self, run: Run) -> None:  # noqa: B027
        """Note of the nodes of a new run what their work will have to know."""

    def cause(
        self, node: Mapping[str, Any], entry: Entry, otherwise: str = "Ironic says no cause"
    ) -> str:
        """Say why a node failed in what it was asked for.

        :param otherwise: what is said if Ironic says nothing.
        """
        said = nodes.last_error(self.cloud, node, entry.began or 0)
        return said or f"it is {node['provision_state']}, and {otherwise}"

    def delay(self, entry: Entry, seconds: float) -> str:
        """Say of a node that has taken too long where it still was."""
        state = str(entry.provision_state)
        return f"it was still in state {state} after {seconds:g} seconds{_meaning(state)}"

    def stop(self, entry: Entry) -> None:  # noqa: B027
        """Ask a node to stop what it does, if that is possible."""

    def finish(self, entry: Entry) -> None:
        """Note what has come of a node that is done."""
        entry.facts = {}

    def report(self, run: Run) -> dict[str, Any]:
        """Return what is told of a run that has ended, beside what is told of every one."""
        return {"nodes": run.nodes()}


class Run:
    """The record of a run, and what is told of it."""

    def __init__(self, run_id: str, kind: str, options: Mapping[str, Any], began: float) -> None:
        """Begin with no node.

        :param options: of the work; also ``concurrency`` (0 for no limit), ``attempts``,
            ``node_timeout`` (seconds, or None) and ``what``.
        """
        self.id, self.kind, self.options, self.began = run_id, kind, dict(options), began
        self.request: str | None = None
        """:func:`request` of whoever began it."""
        self.silent: float | None = None
        self.entries: dict[str, Entry] = {}
        self.failed: list[dict[str, Any]] = []
        """What did not become a node of the run: ``uuid``, ``name`` and ``error`` of each."""
        self.removed: list[str] = []
        """UUIDs of nodes that were deleted on the way."""

    def add(self, entry: Entry) -> None:
        """Take a node in."""
        self.entries[entry.uuid] = entry

    def save(self, cloud: clouds.Cloud) -> None:
        """Write the record."""
        documents.write(cloud, _name(self.id), self._record())

    def save_new(self, cloud: clouds.Cloud) -> Run:
        """Write the record of a run that has just begun.

        :returns: this run, with another id if another run has that one; or the run that the same
            request has begun meanwhile.
        """
        if documents.create(cloud, _name(self.id), self._record()):
            return self
        there = begun(cloud, self.id, self.request)
        if there:
            return there
        self.id = self.request or str(uuid.uuid4())
        self.save(cloud)
        return self

    def _record(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "request": self.request,
            "kind": self.kind,
            "options": self.options,
            "began": self.began,
            "silent": self.silent,
            "failed": self.failed,
            "removed": self.removed,
            "nodes": [dataclasses.asdict(entry) for entry in self.entries.values()],
        }

    @classmethod
    def load(cls, cloud: clouds.Cloud, run_id: object) -> Run:
        """Read the record.

        :raises RunNotFound: there is none.
        """
        if not isinstance(run_id, str) or not 0 < len(run_id) <= 100 or "/" in run_id:
            raise exceptions.InputInvalid("run_id", "must be the id of a run.")
        try:
            record = documents.read(cloud, _name(run_id)) or {}
            run = cls(str(record["id"]), str(record["kind"]), record["options"], record["began"])
            run.request, run.silent = record["request"], record["silent"]
            run.failed = record["failed"]
            run.removed = record["removed"]
            for entry in record["nodes"]:
                run.add(Entry(**entry))
        except (AttributeError, KeyError, TypeError, ValueError):
            # Also what somebody else has put there.
            raise exceptions.RunNotFound(run_id) from None
        return run

    @property
    def open(self) -> list[Entry]:
        """The nodes that something more happens to."""
        return [entry for entry in self.entries.values() if not entry.ended]

    def failures(self) -> list[dict[str, Any]]:
        """Return ``uuid``, ``name`` and ``error`` of each that failed."""
        return [
            *self.failed,
            *(
                {"uuid": entry.uuid, "name": entry.name, "error": entry.error or "failed"}
                for entry in self.entries.values()
                if entry.state == FAILED
            ),
        ]

    def progress(self) -> dict[str, Any]:
        """Return how far it is: ``run``, ``done``, counts of nodes by their state, a message."""
        counts = dict.fromkeys((QUEUED, RUNNING, SUCCEEDED, FAILED), 0)
        for entry in self.entries.values():
            counts[RUNNING if entry.state == STOPPING else entry.state] += 1
        counts[FAILED] += len(self.failed)
        total = sum(counts.values())
        ended = counts[SUCCEEDED] + counts[FAILED]
        return {
            "run": self.id,
            "done": ended == total,
            "total": total,
            "counts": counts,
            "message": f"{ended} of {total} nodes have ended, {counts[FAILED]} of them failed; "
            f"under way: {counts[RUNNING]}, waiting: {counts[QUEUED]}.",
        }

    def results(self) -> dict[str, Any]:
        """Return counts of what came of the nodes, and where all that is known of them is.

        :returns: a count for each ``result``, ``removed`` (a count), ``record`` (``container`` and
            ``object``).
        """
        return {**self._outcomes(), "record": documents.reference(_name(self.id))}

    def told(self, what: str) -> str:
        """Say what came of the nodes, if none failed.

        :param what: what was done, as in ``made available``.
        """
        number = len(self.entries)
        outcomes = [f"{count} {outcome}" for outcome, count in self._outcomes().items()]
        if outcomes:
            return f"{number} {'node' if number == 1 else 'nodes'}: {', '.join(outcomes)}."
        return f"{number} {'node was' if number == 1 else 'nodes were'} {what}."

    def _outcomes(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for entry in self.entries.values():
            if entry.result:
                counts[entry.result] = counts.get(entry.result, 0) + 1
        return {**counts, "removed": len(self.removed)} if self.removed else counts

    def summary(self) -> dict[str, Any]:
        """Return :meth:`progress`, :meth:`results`, :meth:`nodes`, and the first of ``failed``."""
        return {
            **self.progress(),
            **self.results(),
            "nodes": self.nodes(),
            "failed": first(self.failures(), _FAILED_BYTES),
        }

    def nodes(self) -> list[dict[str, Any]]:
        """Return the nodes that Ironic has, with less of each the more they are.

        :returns: ``uuid``, ``result`` if there is one, ``name`` and ``provision_state``, if that
            fits a record; then ``uuid`` and ``result``; then ``uuid`` alone, of as many as fit.
        """
        found: list[dict[str, Any]] = []
        for fields in (
            ("uuid", "name", "provision_state", "result"),
            ("uuid", "result"),
            ("uuid",),
        ):
            found = [
                {
                    name: getattr(entry, name)
                    for name in fields
                    if name != "result" or entry.result is not None
                }
                for entry in self.entries.values()
            ]
            if len(json.dumps(found)) <= _LISTED_BYTES:
                break
        return first(found, _LISTED_BYTES)


def request(task: str | None, wanted: Any) -> str | None:
    """Return a UUID that a request has whenever Mistral makes it.

    :param task: id of the task that makes it; None if no task does.
    :param wanted: what is wanted, without secrets: the items of one task (``with-items``) want
        different things.
    """
    if task is None:
        return None
    return str(uuid.uuid5(_NAMESPACE, json.dumps([task, wanted], sort_keys=True, default=str)))


def begun(cloud: clouds.Cloud, run_id: str | None, request: str | None) -> Run | None:
    """Return the run that a request has begun already, for Mistral may make one twice.

    :param run_id: that of the workflow execution; its first run has the same.
    """
    for name in filter(None, (run_id, request)):
        try:
            run = Run.load(cloud, name)
        except exceptions.RunNotFound:
            continue
        if run.request == request:
            return run
    return None


def begin(
    cloud: clouds.Cloud,
    work: Work,
    choose: Callable[[], Iterable[Mapping[str, Any]]],
    options: Mapping[str, Any],
    run_id: str | None,
    request: str | None = None,
) -> Run:
    """Record what is to be done with nodes; nothing is asked of them yet.

    :param choose: returns the nodes as Ironic has them.
    :param run_id: the run's own, unless another run has it; None for a new one.
    :param request: :func:`request`; the run that it has begun already is returned as it is.
    """
    there = begun(cloud, run_id, request)
    if there:
        return there
    run = Run(run_id or str(uuid.uuid4()), work.kind, options, time.time())
    run.request = request
    for node in choose():
        run.add(Entry(node["uuid"], node["name"], provision_state=node.get("provision_state")))
    work.note(run)
    return run.save_new(cloud)


def follow(cloud: clouds.Cloud, work: Work, run: Run, seconds: float = STEP_SECONDS) -> None:
    """Bring a run forward for a while, and save it; to its end, if that comes first."""
    patience = config.options().baremetal_patience
    saved = time.time()
    try:
        for _ in _pauses(cloud, run, seconds):
            seen = _look(cloud, work, run, patience)
            if seen is not None:
                _advance(cloud, work, run, seen, patience)
            if not run.open:
                break
            if time.time() - saved > _SAVE_SECONDS:
                run.save(cloud)
                saved = time.time()
    finally:
        run.save(cloud)
        LOG.info("Run %s: %s", run.id, run.progress()["message"])


def _pauses(cloud: clouds.Cloud, run: Run, seconds: float) -> Iterator[float]:
    """Yield for each look: at once, then at intervals that grow from step to step."""
    waited = max(0.0, time.time() - run.began)
    # At most a twentieth of the time is lost between two looks.
    longest = min(1.0 if run.options.get("concurrency") else 5.0, max(0.5, waited / 20))
    return cloud.deadline.poll(longest, longest, seconds)


def _look(
    cloud: clouds.Cloud, work: Work, run: Run, patience: float
) -> dict[str, dict[str, Any]] | None:
    """Look at all nodes, or note that nobody answers; after some time the run ends with that."""
    try:
        seen = work.look()
    # The service's own errors, whatever the client makes of them.
    except Exception as error:
        known = clouds.translate(error, cloud.names)
        if known is None or not _is_away(known):
            raise
        run.silent = run.silent or time.time()
        if time.time() - run.silent > patience:
            for entry in run.open:
                _fail(entry, f"nothing more is known of it: {known.message}")
        return None
    run.silent = None
    return seen


def _is_away(error: exceptions.TripleOError) -> bool:
    """Tell whether an error says that the service is not there, or is ill."""
    if isinstance(error, exceptions.ServiceRefused):
        return (error.details["status"] or 0) >= 500
    return isinstance(error, exceptions.ServiceUnavailable)


def _advance(
    cloud: clouds.Cloud,
    work: Work,
    run: Run,
    seen: Mapping[str, Mapping[str, Any]],
    patience: float,
) -> None:
    attempts = int(run.options.get("attempts") or 1)
    now = time.time()
    ready: list[tuple[Entry, str]] = []
    late: list[Entry] = []
    for entry in run.open:
        node = seen.get(entry.uuid)
        if node is None:
            _fail(entry, "it is not in Ironic any more")
            continue
        entry.provision_state = node.get("provision_state")
        verdict, words = work.judge(node, entry)
        if verdict is Verdict.DONE:
            _end_attempt(entry, None)
            entry.state, entry.error = SUCCEEDED, None
        elif entry.state == STOPPING:
            if verdict is not Verdict.MOVING or now - (entry.refused or now) > _STOP_SECONDS:
                _retry_or_fail(entry, entry.error or "it was stopped", attempts)
        elif verdict is Verdict.FAILED:
            # What was wrong before anything was asked does not pass by trying again.
            _retry_or_fail(entry, words, attempts if entry.state == RUNNING else 0)
        elif verdict is Verdict.READY:
            ready.append((entry, words))
        elif entry.state == QUEUED:
            # It was asked already, by a follower that has not come to say so, or by somebody else.
            entry.state, entry.began = RUNNING, now
        if entry.state == RUNNING and _overdue(entry, run, now) > 0:
            late.append(entry)
    _give_up(cloud, work, run, late, patience)
    given_up = {entry.uuid for entry in late}
    ready = [(entry, asked) for entry, asked in ready if entry.uuid not in given_up]
    done = [e for e in run.entries.values() if e.state == SUCCEEDED and e.facts is None]
    _finish(cloud, work, [entry for entry in done if entry.asked])
    _start(cloud, work, run, ready, patience)


def _start(
    cloud: clouds.Cloud,
    work: Work,
    run: Run,
    ready: list[tuple[Entry, str]],
    patience: float,
) -> None:
    """Ask as many nodes as may be under way."""
    limit = int(run.options.get("concurrency") or 0)
    under_way = sum(entry.state in (RUNNING, STOPPING) for entry in run.entries.values())
    # Nodes in the middle of their way go first, and take no further place.
    on_way = [(entry, asked) for entry, asked in ready if entry.state == RUNNING]
    waiting = [(entry, asked) for entry, asked in ready if entry.state == QUEUED]
    # Those that were refused are not in the way of the others.
    waiting.sort(key=lambda one: one[0].refused is not None)
    if limit:
        waiting = waiting[: max(0, limit - under_way)]
    chunk = 8 * config.options().baremetal_threads
    asked_for = [*on_way, *waiting][:chunk]
    attempts = int(run.options.get("attempts") or 1)
    now = time.time()
    outcome = nodes.each(cloud, asked_for, lambda one: _ask(work, lambda: work.start(*one)))
    for (entry, asked), refusal in outcome:
        if refusal is None:
            entry.began = entry.began or now
            entry.state, entry.asked = RUNNING, asked
            entry.refused = entry.refusal = None
        elif isinstance(refusal, Passing):
            entry.refused = entry.refused or now
            if now - entry.refused > patience:
                _fail(entry, refusal.message)
        elif entry.refusal is None:
            # It may be under way already; the next look says.
            entry.refusal = refusal.message
        else:
            entry.began = entry.began or now
            _retry_or_fail(entry, refusal.message, attempts)


class Passing(exceptions.TripleOError):
    """Something is refused for a reason that passes by itself."""


def _ask(work: Work, request: Callable[[], None]) -> None:
    try:
        request()
    # Each is told apart by the one rule of what passes.
    except Exception as error:
        if not nodes.temporary(error):
            raise
        known = clouds.translate(error, work.cloud.names)
        raise Passing(known.message if known else str(error)) from error


def _finish(cloud: clouds.Cloud, work: Work, done: list[Entry]) -> None:
    for entry, error in nodes.each(cloud, done, work.finish):
        if entry.facts is None:
            entry.facts = {}
        if isinstance(error, exceptions.TripleOError):
            entry.facts = {"error": error.message}


def _overdue(entry: Entry, run: Run, now: float) -> float:
    """Return the seconds by which a node has taken too long; not more than 0 if it has not."""
    limit = run.options.get("node_timeout")
    return 0 if not limit or entry.began is None else now - entry.began - float(limit)


def _give_up(cloud: clouds.Cloud, work: Work, run: Run, late: list[Entry], patience: float) -> None:
    """Stop nodes that have taken too long."""
    now, limit = time.time(), float(run.options.get("node_timeout") or 0)
    for entry in late:
        entry.error = work.delay(entry, limit)
        if not work.stops:
            _fail(entry, entry.error)
    stopping = [entry for entry in late if not entry.ended]
    outcome = nodes.each(cloud, stopping, lambda entry: _ask(work, lambda: work.stop(entry)))
    for entry, refusal in outcome:
        if isinstance(refusal, Passing) and _overdue(entry, run, now) <= patience:
            # It is tried again after the next look.
            continue
        if refusal is not None:
            entry.error = f"{entry.error}, and could not be stopped: {refusal.message}"
        entry.state, entry.refused = STOPPING, now


def _meaning(state: str) -> str:
    """Return what a state means, to be put after it; nothing if that is not known."""
    known = states.STATES.get(state)
    return f" ({known.meaning.rstrip('.')})" if known else ""


def _end_attempt(entry: Entry, error: str | None) -> None:
    began = entry.began
    if began is not None:
        seconds = round(time.time() - began, 1)
        entry.attempts.append({"began": round(began), "seconds": seconds, "error": error})
    entry.began = entry.refused = entry.refusal = None


def _retry_or_fail(entry: Entry, cause: str, attempts: int) -> None:
    entry.error = cause[:1000]
    _end_attempt(entry, entry.error)
    entry.asked = None
    entry.state = QUEUED if len(entry.attempts) < attempts else FAILED


def _fail(entry: Entry, cause: str) -> None:
    _retry_or_fail(entry, cause, 0)


def first(found: Sequence[_T], most: int) -> list[_T]:
    """Return the first of a list, as many as fit into so many bytes of JSON."""
    kept, size = [], 2
    for item in found:
        size += len(json.dumps(item)) + 2
        if size > most:
            break
        kept.append(item)
    return kept


def _name(run_id: str) -> str:
    return f"runs/{run_id}.json"
