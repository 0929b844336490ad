"""Check Mistral workbooks without running them.

Mistral accepts many workbooks that cannot work: it looks up actions, sub-workflows, inputs and
names only when a run gets there, which for an error path may be years later. This module finds
such faults from the text alone.

What is checked:

* The shape, the expressions and the task graph, with Mistral's own schemas, evaluators and parser.
* Every reference: tasks, workflows, actions and the inputs that are passed to them.
* Every name that an expression reads: it is an input, a var, or published by a task; what
  ``output`` and ``output-on-error`` read without ``get()`` is set on every path that leads there.
* The house rules:

  - Every workflow is direct and has a description, the inputs ``action_region`` and ``cloud``
    (default null), an ``output`` with ``status: SUCCESS`` and ``message``, and an
    ``output-on-error`` with ``status: FAILED``, ``message`` and ``error``.
  - An expression is YAQL and only reads a value, compares it or tests it. Filtering, merging and
    counting is Python, if need be in a function of the project's own.
  - A failure stays a failure: following an on-error edge, every path reaches ``fail``. Exempt is
    a path that starts at or passes through a task named ``ignore_...`` or ``recover_...``.
  - No task exists only to send a message.

Names on paths are worked out as sets of names that are certain to be there. ``None`` instead of a
set means that no path gets there at all; it leaves every other set as it is.
"""

from __future__ import annotations

import copy
import dataclasses
import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import jsonschema
import yaml
from mistral import expressions as mistral_expressions
from mistral.exceptions import MistralException
from mistral.expressions import yaql_expression
from mistral.lang import parser
from mistral.lang.v2 import actions as action_lang
from mistral.lang.v2 import tasks as task_lang
from mistral.lang.v2 import workbook as workbook_lang
from mistral.lang.v2 import workflows as workflow_lang
from mistral.utils import safe_yaml
from mistral.workflow import states
from mistral_lib import utils as mistral_utils
from yaql.language import expressions as yaql
from yaql.language.exceptions import YaqlException

# Where something stands in a workbook: the keys and list indexes that lead to it.
Path = tuple[str | int, ...]
# The names that are certain to be set at some point of a workflow; None: no path leads to it.
Names = frozenset[str] | None

INLINE_YAQL = re.compile(yaql_expression.INLINE_YAQL_REGEXP)
# Each outcome of a task with the clauses that Mistral then follows.
CLAUSES = {
    states.SUCCESS: ("on-success", "on-complete"),
    states.ERROR: ("on-error", "on-complete"),
}
GOOD_COMMANDS = set(workflow_lang.ENGINE_COMMANDS) - {"fail"}
EXEMPT_FROM_FAIL = ("ignore_", "recover_")
# Mistral's schema of a workflow lets unknown keys pass, so a misspelt one would just do nothing.
WORKFLOW_KEYS = {"name", "version", "description"}.union(
    workflow_lang.WorkflowSpec._meta_schema["properties"],
    workflow_lang.DirectWorkflowSpec._schema["properties"],
)
REQUIRED_OUTPUT = {
    "output": ("SUCCESS", ("message",)),
    "output-on-error": ("FAILED", ("message", "error")),
}
ROUTING_INPUTS = ("action_region", "cloud")
ONLY_READ = "an expression only reads a value; filter, merge and count in Python"


@dataclasses.dataclass(frozen=True, order=True)
class Fault:
    """One thing that is wrong: the file and line, the workflow and task, and a sentence on it."""

    file: str
    line: int
    where: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.where}: {self.sentence}"


@dataclasses.dataclass(frozen=True)
class Signature:
    """The inputs that an action or a workflow takes, or the reason why it can't be loaded."""

    required: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    takes_any: bool = False
    broken: str = ""

    @classmethod
    def of_inputs(cls, inputs: Mapping[str, Any]) -> Signature:
        """Read Mistral's form of declared inputs: name to default, or NotDefined without one."""
        required = {name for name, value in inputs.items() if value is mistral_utils.NotDefined}
        return cls(frozenset(required), frozenset(inputs) - required)


@dataclasses.dataclass
class Workbook:
    """A workbook's text taken apart, and the faults found in it so far."""

    file: str
    data: Any = None
    lines: dict[Path, int] = dataclasses.field(default_factory=dict)
    faults: list[Fault] = dataclasses.field(default_factory=list)
    spec: Any = None
    found: list[tuple[Path, Expressions]] = dataclasses.field(default_factory=list)

    @property
    def name(self) -> str:
        return str(self.spec.get_name())

    @property
    def workflows(self) -> list[Any]:
        return list(self.spec.get_workflows() or []) if self.spec else []

    def fault(self, path: Path, sentence: str) -> None:
        """Note a fault at the line of `path`, or of the nearest thing around it that has one."""
        known = next(path[:n] for n in range(len(path), -1, -1) if path[:n] in self.lines or not n)
        self.faults.append(Fault(self.file, self.lines.get(known, 1), _where(path), sentence))


def _where(path: Path) -> str:
    """Name the workflow, or the workflow and its task, that `path` lies in."""
    if len(path) < 2:
        return "workbook"
    if len(path) > 3 and path[0] == "workflows" and path[2] == "tasks":
        return f"{path[1]}.{path[3]}"
    return str(path[1])


def _instead(name: str, known: Iterable[str]) -> str:
    """Say what exists in place of an unknown `name`: the likeliest names, or all if it's a few."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=2, cutoff=0.7)
    if close:
        return "did you mean " + " or ".join(map(repr, close)) + "?"
    if len(known) > 12:
        return f"none of the {len(known)} that exist is like it"
    return f"there is: {', '.join(known)}" if known else "there is none"


def load(file: str, text: str) -> Workbook:
    """Read a workbook as Mistral does, keeping lines, and note duplicate keys as faults.

    Mistral's loader takes anchors and aliases for plain text, so the stock one would see another
    workbook than the one that runs.
    """
    workbook = Workbook(file)
    loader = safe_yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        if root is not None:
            _index(workbook, root, ())
            workbook.data = loader.construct_document(root)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        workbook.lines[()] = mark.line + 1 if mark else 1
        workbook.fault((), f"is not YAML: {getattr(error, 'problem', None) or error}")
    finally:
        loader.dispose()
    return workbook


def _index(workbook: Workbook, node: yaml.Node, path: Path) -> None:
    """Note the line of everything below `node`, and keys that stand twice in one mapping."""
    workbook.lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        for position, item in enumerate(node.value):
            _index(workbook, item, (*path, position))
    elif isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            below = (*path, str(key.value))
            workbook.lines[below] = line
            if key.value in seen:
                first = seen[key.value]
                workbook.fault(below, f"has the key {key.value!r} twice, first on line {first}")
            seen[key.value] = line
            _index(workbook, value, below)


def strings(data: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Yield every string of a workbook with its path: values and keys, but no descriptions."""
    if isinstance(data, dict):
        for key, value in data.items():
            below = (*path, str(key))
            # Of a workbook, a workflow or a task; elsewhere it is an input of that name.
            if key == "description" and len(path) in (0, 2, 4):
                continue
            yield below, str(key)
            yield from strings(value, below)
    elif isinstance(data, list):
        for position, item in enumerate(data):
            yield from strings(item, (*path, position))
    elif isinstance(data, str):
        yield path, data


def check_shape(workbook: Workbook) -> bool:
    """Hold a workbook against Mistral's schemas up to the first piece that doesn't fit."""
    for spec, path, piece in _pieces(workbook.data):
        schema = spec.get_schema()
        checker = jsonschema.validators.validator_for(schema)(schema)
        error = jsonschema.exceptions.best_match(checker.iter_errors(piece))
        if error:
            sentence = f"doesn't have the shape that Mistral asks for: {error.message[:300]}"
            workbook.fault((*path, *error.absolute_path), sentence)
            return False
    return True


def _pieces(data: Any) -> Iterator[tuple[Any, Path, Any]]:
    """Yield each piece that has a schema of its own; one is only opened once it was found good."""

    def completed(name: str, piece: Any) -> Any:
        # Mistral itself adds these to a piece before it looks at the schema.
        added = {"name": name, "version": "2.0"}
        return {**added, **piece} if isinstance(piece, dict) else piece

    yield workbook_lang.WorkbookSpec, (), data
    for name, action in data.get("actions", {}).items():
        if name != "version":
            yield action_lang.ActionSpec, ("actions", name), completed(name, action)
    for name, workflow in data.get("workflows", {}).items():
        if name == "version":
            continue
        path: Path = ("workflows", name)
        yield workflow_lang.DirectWorkflowSpec, path, completed(name, workflow)
        for task_name, task in workflow["tasks"].items():
            below = (*path, "tasks", task_name)
            yield task_lang.DirectWorkflowTaskSpec, below, completed(task_name, task)


def parse(workbook: Workbook) -> None:
    """Build Mistral's own model of the workbook, and note why where it refuses."""
    try:
        # The parser writes into the data that it is given. It would check the schemas again, and
        # each schema's own schema every time, which takes seconds.
        spec = parser.get_workbook_spec(copy.deepcopy(workbook.data), validate=False)
    except Exception as error:  # Its constructors raise KeyError and others on odd values, too.
        _refused(workbook, (), error)
    else:
        workbook.spec = spec


def check_semantics(workbook: Workbook, path: Path, spec: Any) -> None:
    """Let Mistral check a workflow for what its schemas can't say."""
    try:
        for piece in (spec, *spec.get_tasks()):
            piece.validate_semantics()
    except MistralException as error:
        _refused(workbook, path, error)


def _refused(workbook: Workbook, path: Path, error: Exception) -> None:
    # Mistral stops at its first fault and knows no line: what was found before says it better.
    if not workbook.faults:
        reason = str(error) if isinstance(error, MistralException) else repr(error)
        workbook.fault(path, f"Mistral refuses it: {' '.join(reason.split())[:300]}")


@dataclasses.dataclass
class Expressions:
    """What the expressions of one string read, and what is wrong with them.

    They may call the project's own `functions`, which are Python.
    """

    functions: frozenset[str] = frozenset()
    reads: list[tuple[str, bool]] = dataclasses.field(default_factory=list)  # name, by get()
    tasks: list[str] = dataclasses.field(default_factory=list)
    problems: list[str] = dataclasses.field(default_factory=list)

    def read(self, text: str) -> None:
        """Take apart every expression in `text`."""
        rest = INLINE_YAQL.sub("", text)
        if "<%" in rest or "%>" in rest:
            self.problems.append(
                f"has an unbalanced YAQL delimiter in {text!r}; "
                "an expression stands between <% and %> on one line"
            )
        elif any(mark in rest for mark in ("{{", "}}", "{%", "%}")):
            balanced = rest.count("{{") == rest.count("}}") and rest.count("{%") == rest.count("%}")
            fault = "has Jinja" if balanced else "has an unbalanced Jinja delimiter"
            self.problems.append(f"{fault} in {text!r}; write it in YAQL")
        else:
            try:
                mistral_expressions.validate(text)
            except MistralException as error:
                self.problems.append(f"has a faulty expression in {text!r}: {error}")
            else:
                self._walk_all(map(parse_yaql, INLINE_YAQL.findall(text)))

    def _walk(self, node: Any) -> None:
        """Note what `node` reads and each part of it that is more than reading a value."""
        match node:
            case yaql.Wrap():
                self._walk(node.expr)
            case yaql.KeywordConstant():
                self.problems.append(
                    f"has the bare word {node.value!r} in an expression, which YAQL takes for "
                    f"text; read the name as $.{node.value}, or quote the text"
                )
            case yaql.GetContextValue():
                what = "the whole context" if node.path.value == "$" else node.path.value
                self.problems.append(f"reads {what}; read one name as $.name")
            case yaql.IndexExpression(args=[target, yaql.Constant() as index]):
                self._member(target, index)
            case yaql.BinaryOperator(operator="." | "?."):
                self._member(*node.args)
            case yaql.BinaryOperator(operator="=" | "!=" | "and" | "or"):
                self._walk_all(node.args)
            case yaql.UnaryOperator(operator="not" | "-"):
                self._walk_all(node.args)
            case yaql.Function(name="task"):
                self._task(node.args)
            case yaql.Function(name=name) if name in self.functions:
                self._walk_all(node.args)
            case (
                yaql.Constant()
                | yaql.Function(name="execution" | "env" | "#list" | "#map", args=())
            ):
                pass  # [] and {} are the usual defaults of get().
            case _:
                self.problems.append(f"uses {_title(node)} in an expression; {ONLY_READ}")

    def _walk_all(self, nodes: Iterable[Any]) -> None:
        for node in nodes:
            self._walk(node)

    def _member(self, target: Any, member: Any) -> None:
        """Read `target.member`, `target[member]` or `target.get(member, default)`."""
        by_get = False
        match member:
            case yaql.Function(name="get", args=[key, *defaults]):
                member, by_get = key, True
                if isinstance(key, yaql.KeywordConstant):
                    name = key.value
                    self.problems.append(f"has the unquoted key {name!r} in get(); write '{name}'")
                else:
                    self._walk(key)
                self._walk_all(defaults)
            case yaql.Function():
                # Its arguments are left alone: in them $ may stand for the items of a list.
                self.problems.append(f"uses {_title(member)} in an expression; {ONLY_READ}")
        if not (isinstance(target, yaql.GetContextValue) and target.path.value == "$"):
            self._walk(target)
        elif isinstance(member, yaql.Constant):
            self.reads.append((str(member.value), by_get))

    def _task(self, args: Iterable[Any]) -> None:
        for arg in args:
            if isinstance(arg, yaql.Constant):
                self.tasks.append(str(arg.value))
            else:
                self.problems.append("asks task() for a computed name; name the task itself")


def parse_yaql(expression: str) -> Any:
    """Parse `<% ... %>` into the tree that Mistral would evaluate, or None if it is no YAQL."""
    try:
        return yaql_expression.get_yaql_engine_class()(expression.strip("<%>")).expression
    except (YaqlException, KeyError, TypeError, ValueError):  # As Mistral's own validation has it.
        return None


def _title(node: Any) -> str:
    """Name a construct as its author wrote it."""
    if isinstance(node, yaql.BinaryOperator | yaql.UnaryOperator):
        return f"the operator {node.operator!r}"
    names = {"#indexer": "a computed index", "#list": "a list", "#map": "a map"}
    return names.get(node.name, f"{node.name}()") if isinstance(node, yaql.Function) else str(node)


def check_expressions(workbook: Workbook, functions: frozenset[str]) -> None:
    """Take apart all strings of the workbook, keep what they read, note what is wrong."""
    for path, text in strings(workbook.data):
        found = Expressions(functions)
        found.read(text)
        workbook.found.append((path, found))
        for problem in found.problems:
            workbook.fault(path, problem)


class Edge(NamedTuple):
    """A transition: the clause that it stands in, the task or command it goes to, its guard."""

    clause: str
    target: str
    guard: str


class Flow:
    """Who follows whom in one workflow, and which names are certain to be set where."""

    def __init__(self, spec: Any) -> None:
        self.spec = spec
        self.tasks = {task.get_name(): task for task in spec.get_tasks()}
        self.always = frozenset(spec.get_input()) | frozenset(spec.get_vars())
        self.published = {
            (name, outcome): _published(task, outcome)
            for name, task in self.tasks.items()
            for outcome in CLAUSES
        }
        # Mistral's model knows how a task's own clauses and the task-defaults go together.
        clauses = {
            "on-success": spec.get_on_success_clause,
            "on-error": spec.get_on_error_clause,
            "on-complete": spec.get_on_complete_clause,
        }
        self.edges = {
            (name, outcome): [
                Edge(clause, target, guard)
                for clause in followed
                for target, guard, _ in clauses[clause](name)
            ]
            for name in self.tasks
            for outcome, followed in CLAUSES.items()
        }
        #: The names that are certain when each task starts.
        self.before: dict[str, Names] = dict.fromkeys(self.tasks)
        # The sets only ever get smaller, so this comes to an end.
        while (now := {name: self._arriving(name) for name in self.tasks}) != self.before:
            self.before = now

    def after(self, name: str, outcome: str) -> Names:
        """Return the names that are certain once a task has ended with an outcome."""
        before = self.before[name]
        return None if before is None else before | self.published[name, outcome]

    def success(self) -> Names:
        """Return the names that are certain in `output`."""
        return _meet(self.after(*end) for end in self.edges if self._can_end_well(*end))

    def failure(self) -> Names:
        """Return the names that are certain in `output-on-error`."""
        return _meet(self.after(*end) for end in self.edges if self._can_fail(*end))

    def reachable(self) -> set[str]:
        """Return the tasks that a run can get to."""
        starts = [task.get_name() for task in self.spec.find_start_tasks()]
        return self._closure(starts, self.spec.find_outbound_task_names)

    def hidden_failures(self, name: str) -> list[str]:
        """List where a task's on-error leads to if the workflow can then end in SUCCESS.

        Only successes are followed from there: a failure further on is looked at by itself.
        """
        edges = _handlers(self.edges[name, states.ERROR])
        if name.startswith(EXEMPT_FROM_FAIL) or _surely_fails(edges):
            return []
        return [
            edge.target
            for edge in edges
            if edge.target in GOOD_COMMANDS
            or any(
                self._can_end_well(task, states.SUCCESS)
                for task in self._closure([edge.target], self._next_on_a_failed_path)
                if not task.startswith(EXEMPT_FROM_FAIL)
            )
        ]

    def _next_on_a_failed_path(self, name: str) -> list[str]:
        edges = self.edges[name, states.SUCCESS]
        stop = name.startswith(EXEMPT_FROM_FAIL) or _surely_fails(edges)
        return [] if stop else [edge.target for edge in edges]

    def _can_end_well(self, name: str, outcome: str) -> bool:
        """Tell whether a path of the workflow can end in SUCCESS right after a task."""
        edges = self.edges[name, outcome]
        if _surely_fails(edges):
            return False
        if outcome == states.ERROR:
            return any(edge.target in GOOD_COMMANDS for edge in _handlers(edges))
        return any(edge.target in GOOD_COMMANDS for edge in edges) or not _one_fires(edges)

    def _can_fail(self, name: str, outcome: str) -> bool:
        """Tell whether the workflow can fail right after a task."""
        edges = self.edges[name, outcome]
        unhandled = outcome == states.ERROR and not _one_fires(_handlers(edges))
        return unhandled or any(edge.target == "fail" for edge in edges)

    def _closure(
        self, starts: Iterable[str], following: Callable[[str], Iterable[str]]
    ) -> set[str]:
        waiting, reached = list(starts), set[str]()
        while waiting:
            name = waiting.pop()
            if name in self.tasks and name not in reached:
                reached.add(name)
                waiting.extend(following(name))
        return reached

    def _arriving(self, name: str) -> Names:
        sources = self.spec.find_inbound_task_specs(self.tasks[name])
        if not sources:
            return self.always
        arriving = [
            _meet(
                self.after(source, outcome)
                for outcome in CLAUSES
                if any(edge.target == name for edge in self.edges[source, outcome])
            )
            for source in (task.get_name() for task in sources)
        ]
        if self.tasks[name].get_join() != "all":
            return _meet(arriving)
        # All of them happen, so the task has what each of them brings.
        return None if None in arriving else frozenset().union(*filter(None, arriving))


def _handlers(edges: list[Edge]) -> list[Edge]:
    """Return the edges that handle an error: Mistral counts only on-error, not on-complete."""
    return [edge for edge in edges if edge.clause == "on-error"]


def _surely_fails(edges: list[Edge]) -> bool:
    return any(edge.target == "fail" and not edge.guard for edge in edges)


def _one_fires(edges: list[Edge]) -> bool:
    """Tell whether an edge has no guard, or two have a condition and its opposite."""
    texts = {str(parse_yaql(edge.guard)) for edge in edges if edge.guard}
    return not all(edge.guard for edge in edges) or any(
        f"#unary_operator_not({text})" in texts
        or (text.startswith("*equal(") and f"*not_{text[1:]}" in texts)
        for text in texts
    )


def _published(task: Any, outcome: str) -> frozenset[str]:
    spec = task.get_publish(outcome)
    return frozenset({**(spec.get_branch() or {}), **(spec.get_global() or {})} if spec else {})


def _meet(alternatives: Iterable[Names]) -> Names:
    """Return what is certain if one of the alternatives happens."""
    sets = [names for names in alternatives if names is not None]
    return frozenset.intersection(*sets) if sets else None


def check_graph(workbook: Workbook, path: Path, flow: Flow) -> None:
    """Check that transitions go to tasks that exist, that every task is reached, and on-error."""
    for name in flow.tasks:
        below = (*path, "tasks", name)
        edges = {edge for outcome in CLAUSES for edge in flow.edges[name, outcome]}
        for clause, target in sorted({(edge.clause, edge.target) for edge in edges}):
            if target not in flow.tasks and target not in workflow_lang.ENGINE_COMMANDS:
                workbook.fault(
                    (*below, clause),
                    f"{clause} goes to {target!r}, which is no task of the workflow; "
                    + _instead(target, flow.tasks),
                )
        for target in flow.hidden_failures(name):
            workbook.fault(
                (*below, "on-error"),
                f"on-error goes to {target!r}, from where the workflow can end in SUCCESS; end the "
                "path with fail, or name a task that makes up for the error ignore_* or recover_*",
            )
    for name in flow.tasks.keys() - flow.reachable():
        workbook.fault((*path, "tasks", name), "is never reached: no path leads here")


def check_names(workbook: Workbook, path: Path, flow: Flow) -> None:
    """Check every name and task that the workflow's expressions read."""
    known = flow.always.union(*flow.published.values())
    for name, task in flow.tasks.items():
        # Mistral lays the workflow's names over the item's.
        for item in task.get_with_items().keys() & known:
            sentence = f"with-items sets {item!r}, but the workflow's own {item!r} wins over it"
            workbook.fault((*path, "tasks", name, "with-items"), sentence)
    certain = {"output": flow.success(), "output-on-error": flow.failure()}
    for place, found in workbook.found:
        if place[: len(path)] != path:
            continue
        for name in sorted(set(found.tasks) - flow.tasks.keys()):
            sentence = f"asks for task({name}), which the workflow doesn't have; "
            workbook.fault(place, sentence + _instead(name, flow.tasks))
        section = str(place[2]) if len(place) > 2 else ""
        sure = certain.get(section)
        visible = known | _items_at(place, flow)
        for name, by_get in sorted(set(found.reads)):
            if name not in visible:
                sentence = f"reads $.{name}, which is no input, var or published name; "
                workbook.fault(place, sentence + _instead(name, visible))
            elif sure is not None and name not in sure and not by_get:
                workbook.fault(
                    place,
                    f"{section} reads $.{name}, which is not set on every path that ends here; "
                    f"read it with a default: $.get('{name}', ...)",
                )


def _items_at(place: Path, flow: Flow) -> frozenset[str]:
    """Return the with-items variables that can be read at a place: only what a call is given."""
    if len(place) < 5 or place[2] != "tasks" or place[4] not in ("input", "action", "workflow"):
        return frozenset()
    return frozenset(flow.tasks[str(place[3])].get_with_items())


def check_call(
    workbook: Workbook,
    path: Path,
    task: Any,
    actions: Mapping[str, Signature],
    workflows: Mapping[str, Signature],
) -> None:
    """Check that what a task calls exists and is given the inputs that it takes."""
    kind = "workflow" if task.get_workflow_name() else "action"
    name = str(task.get_workflow_name() or task.get_action_name())
    given = task.get_input()
    if name.startswith("zaqar.") or name.endswith(".send_message") or ".messaging." in f".{name}":
        workbook.fault(path, f"only sends a message, with {name!r}; events are published elsewhere")
    elif "<%" in name or not isinstance(given, dict):
        workbook.fault(path, f"computes its {kind} or the whole input of it, which hides faults")
    else:
        table = workflows if kind == "workflow" else actions
        check_inputs(workbook, path, kind, name, given, table)


def check_inputs(
    workbook: Workbook,
    path: Path,
    kind: str,
    name: str,
    given: Iterable[str],
    table: Mapping[str, Signature],
) -> None:
    """Check one call of `name` with the inputs `given` against the table of its kind."""
    # Mistral, too, looks in the workbook itself first.
    signature = table.get(f"{workbook.name}.{name}") or table.get(name)
    if signature is None or signature.broken:
        reason = f"can't be loaded: {signature.broken}" if signature else _instead(name, table)
        unknown = "" if signature else "unknown "
        workbook.fault((*path, kind), f"calls the {unknown}{kind} {name!r}; {reason}")
        return
    takes = signature.required | signature.optional
    for extra in sorted(set() if signature.takes_any else set(given) - takes):
        sentence = f"passes {extra!r} to the {kind} {name!r}, which has no such input; "
        workbook.fault((*path, "input", extra), sentence + _instead(extra, takes))
    for missing in sorted(signature.required - set(given)):
        workbook.fault(path, f"doesn't pass {missing!r}, which the {kind} {name!r} requires")


def check_house_rules(workbook: Workbook, path: Path, spec: Any) -> None:
    """Check that a workflow says what it is for, where it runs, and how it ends."""
    if not spec.get_description():
        workbook.fault(path, "has no description")
    if spec.get_type() != "direct":
        workbook.fault((*path, "type"), "is a reverse workflow; write it as a direct one")
    for key in spec.to_dict().keys() - WORKFLOW_KEYS:
        workbook.fault((*path, key), f"has the unknown key {key!r}; {_instead(key, WORKFLOW_KEYS)}")
    for name in ROUTING_INPUTS:
        if name not in spec.get_input():
            workbook.fault((*path, "input"), f"has no input {name!r}; declare it, default null")
        elif spec.get_input()[name] is not None:
            workbook.fault((*path, "input"), f"has the input {name!r} without the default null")
    outputs = {"output": spec.get_output(), "output-on-error": spec.get_output_on_error()}
    for section, output in outputs.items():
        _check_output(workbook, (*path, section), output)


def _check_output(workbook: Workbook, path: Path, output: Mapping[str, Any]) -> None:
    section = str(path[-1])
    status, others = REQUIRED_OUTPUT[section]
    if not output:
        workbook.fault(path, f"has no {section}, so a client learns nothing of how it ended")
        return
    if output.get("status") != status:
        found = repr(output["status"]) if "status" in output else "none"
        workbook.fault((*path, "status"), f"{section} has the status {found} instead of {status!r}")
    for key in others:
        if key not in output:
            workbook.fault(path, f"{section} has no {key!r}; it has: {', '.join(sorted(output))}")


def lint(
    texts: Mapping[str, str],
    actions: Mapping[str, Signature],
    functions: frozenset[str] = frozenset(),
) -> list[Workbook]:
    """Check workbooks together.

    :param texts: the text of each workbook by the file's name; workflows may call each other
    :param actions: the actions that exist outside of the workbooks, with their inputs
    :param functions: the project's own functions that expressions may call
    :returns: the workbooks in the order of `texts`, each with its faults sorted by line
    """
    workbooks = [_prepare(file, text, functions) for file, text in texts.items()]
    parsed = [workbook for workbook in workbooks if workbook.spec]
    actions = {**actions, **_local(parsed, "actions")}
    workflows = _local(parsed, "workflows")
    for workbook in parsed:
        _check_parsed(workbook, actions, workflows)
    for workbook in workbooks:
        workbook.faults = sorted(set(workbook.faults))
    return workbooks


def _prepare(file: str, text: str, functions: frozenset[str]) -> Workbook:
    """Read one workbook as far as its own text allows; its `spec` stays None if that isn't far."""
    workbook = load(file, text)
    is_yaml = workbook.data is not None or not workbook.faults
    # What doesn't have its shape can't be taken apart any further.
    if is_yaml and check_shape(workbook):
        check_expressions(workbook, functions)
        parse(workbook)
    return workbook


def _local(workbooks: Iterable[Workbook], kind: str) -> dict[str, Signature]:
    """Return the full name and the inputs of each action or workflow that the workbooks define."""
    return {
        f"{workbook.name}.{item.get_name()}": Signature.of_inputs(item.get_input())
        for workbook in workbooks
        for item in getattr(workbook.spec, f"get_{kind}")() or []
    }


def _check_parsed(
    workbook: Workbook, actions: Mapping[str, Signature], workflows: Mapping[str, Signature]
) -> None:
    for action in workbook.spec.get_actions() or []:
        path: Path = ("actions", action.get_name())
        given = action.get_base_input()
        check_inputs(workbook, path, "action", action.get_base(), given, actions)
    for spec in workbook.workflows:
        path = ("workflows", spec.get_name())
        check_house_rules(workbook, path, spec)
        if spec.get_type() != "direct":
            continue
        flow = Flow(spec)
        check_graph(workbook, path, flow)
        check_names(workbook, path, flow)
        for name, task in flow.tasks.items():
            if task.to_dict().keys() & {"action", "workflow"}:
                check_call(workbook, (*path, "tasks", name), task, actions, workflows)
        check_semantics(workbook, path, spec)
