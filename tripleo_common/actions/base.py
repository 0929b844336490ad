"""What all actions share: region and cloud, the deadline, and the boundary from error to result."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib.metadata
import inspect
import json
import logging
from typing import Any, TypeVar, dataclass_transform

from mistral_lib import actions

from tripleo_common import clouds, config, exceptions, sealed
from tripleo_common.plan import plans
from tripleo_common.plan.changes import Change

LOG = logging.getLogger(__name__)

_T = TypeVar("_T")

RESULT_BYTES = 48 * 1024
"""The largest result that goes through a workflow; with its envelope a record stays below 64 KB."""


@dataclass_transform()
class Action(actions.Action):  # type: ignore[misc]
    """An action: a class with its inputs as annotations, a docstring, and :meth:`perform`.

    ``action_region`` and ``cloud`` are appended to the inputs of each, both optional. Mistral reads
    the inputs from the signature of ``__init__``, sends ``vars(action)`` to an executor as JSON and
    does not call ``__init__`` there; so an action holds its raw inputs and nothing else.
    """

    _shared: dict[str, str] = {"action_region": "str | None", "cloud": "str | None"}

    def __init_subclass__(cls, *, abstract: bool = False) -> None:
        """Make ``__init__`` from the annotations.

        :param abstract: it is only there for others to derive from.
        """
        super().__init_subclass__()
        if abstract:
            return
        cls.__annotations__ = {**inspect.get_annotations(cls), **cls._shared}
        if cls.__module__ == actions.base.__name__:
            # An executor runs a class of the same name that Mistral derives from ours.
            cls.__module__ = cls.__mro__[1].__module__
        for name in cls._shared:
            setattr(cls, name, None)
        dataclasses.dataclass(eq=False, repr=False)(cls)

    def run(self, context: Any) -> Any:
        """Do the work and return its result, or a ``Result`` with a typed error; never raise."""
        name = self.known_as()
        with contextlib.ExitStack() as stack:
            request: Request | None = None
            try:
                request = Request(context, self.action_region, self.cloud)
                stack.enter_context(request.clouds)
                self._open_secrets(context.security.project_id)
                self._check_flags()
                return self.perform(request)
            # The one place where any error becomes a result.
            except Exception as error:
                known = clouds.translate(error, request.clouds.names if request else {})
                if known is None:
                    LOG.exception("Action %s met an unexpected error", name)
                    known = exceptions.InternalError(f"Action {name}")
                else:
                    LOG.info("Action %s: %s: %s", name, known.type, known.message)
                return actions.Result(error=_fitting(known.to_dict()))

    def known_as(self) -> str:
        """Return the name under which Mistral knows it."""
        return _name(type(self))

    def _open_secrets(self, project: str | None) -> None:
        """Open the inputs that the gate has sealed, so that Mistral does not hold their values."""
        given = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        self.__dict__.update(sealed.open_inputs(self.known_as(), given, project))

    def _check_flags(self) -> None:
        """Make sure that inputs which are true or false are: ``"false"`` is true to Python.

        :raises InputInvalid: one is something else. None stands for the default.
        """
        for name, field in getattr(type(self), "__dataclass_fields__", {}).items():
            if field.type != "bool":
                continue
            value = getattr(self, name)
            if value is None:
                setattr(self, name, field.default)
            elif not isinstance(value, bool):
                raise exceptions.InputInvalid(name, "must be true or false.")

    def perform(self, request: Request) -> Any:
        """Call one function of the domain; return plain, small data.

        :raises TripleOError: what went wrong.
        """
        raise NotImplementedError


class ChangeAction(Action, abstract=True):
    """An action that changes a plan.

    ``reason`` (why, for the plan's history) and ``lock_wait`` (seconds to wait for another change
    of the plan to end; 0 to be refused at once) are appended to its inputs, both optional.
    """

    _shared = {**Action._shared, "reason": "str | None", "lock_wait": "float | None"}

    def change(self, request: Request) -> Change:
        """Return who makes this change, why, and how long it may wait.

        :raises InputInvalid: reason or lock_wait are not what they must be.
        """
        reason, wait = getattr(self, "reason", None), getattr(self, "lock_wait", None)
        if reason is not None and not isinstance(reason, str):
            raise exceptions.InputInvalid("reason", "must be a text.")
        if wait is None:
            wait = config.options().lock_wait
        if not isinstance(wait, int | float) or isinstance(wait, bool) or not wait >= 0:
            raise exceptions.InputInvalid("lock_wait", "must be a number of seconds, 0 or more.")
        execution = request.execution
        return Change(
            action=_name(type(self)),
            user=request.user,
            reason=(reason or "")[:1000],
            request=execution.action_execution_id,
            execution=execution.workflow_execution_id,
            wait=float(wait),
        )


class Request:
    """One run of an action: who asked, where calls go, how much time there is.

    :ivar clouds: the clouds that it reaches.
    :ivar user: name of the user who asked.
    :ivar execution: Mistral's execution context (ids of workflow, task and action execution).
    """

    def __init__(self, context: Any, action_region: str | None, cloud: str | None) -> None:
        """Keep what the inputs name; no request is made yet.

        :raises InputInvalid: they are no names.
        """
        clouds.check_names(cloud, action_region)
        options = config.options()
        deadline = clouds.Deadline(options.action_deadline, request_seconds=options.request_timeout)
        self.execution = context.execution
        self.user = str(context.security.user_name or "unknown")
        self.clouds = clouds.Clouds(context.security, context.execution, deadline)
        self._inputs = (cloud, action_region)

    @property
    def home(self) -> clouds.Cloud:
        """The cloud that the request came through."""
        return self.clouds.home

    @functools.cached_property
    def place(self) -> tuple[str | None, str | None]:
        """Cloud and region that the call names, each or both None."""
        return self.clouds.place(*self._inputs)

    @functools.cached_property
    def cloud(self) -> clouds.Cloud:
        """The cloud and region that the inputs name, where no plan says more."""
        return self.clouds.open(*self.place)

    @functools.cached_property
    def plans(self) -> plans.Plans:
        """The plans that this request is about."""
        return plans.Plans(self.clouds, *self.place)

    def cloud_of_stack(self, stack: str) -> clouds.Cloud:
        """Return where a stack is: where its plan is, if it is a plan's and no input says."""
        if self.place == (None, None) and not self.clouds.target(None):
            with contextlib.suppress(exceptions.PlanNameInvalid):
                return self.plans.open(stack).cloud
        return self.cloud

    def answer(
        self, plan: str, kind: str, result: _T, *, anywhere: bool = False
    ) -> _T | dict[str, Any]:
        """Return a result, or where it is, if Mistral would store it and it is large.

        A caller who waits for the action itself (``run_sync``) gets all of it. A task's result is
        stored, copied and sent about, so a large one becomes an object of the plan's archive.

        :param anywhere: as for :meth:`plans.Plans.open`.
        :returns: the result, or ``container``, ``object`` and ``bytes`` of the JSON that it is.
        """
        execution = self.execution
        if not (execution.action_execution_id or execution.workflow_execution_id):
            return result
        content = json.dumps(result).encode()
        if len(content) <= RESULT_BYTES:
            return result
        return self.plans.open(plan, anywhere=anywhere).archive.publish(kind, content)


def _fitting(error: dict[str, Any]) -> dict[str, Any]:
    """Shorten lists in the details of an error that would be too large for Mistral's records."""
    for most in (100, 30, 10, 0):
        if len(json.dumps(error)) <= RESULT_BYTES:
            break
        details = {
            name: value[:most] if isinstance(value, list) else value
            for name, value in error["details"].items()
        }
        error = {**error, "details": details}
    return error


def _name(action: type[Action]) -> str:
    """Return the name under which Mistral knows an action."""
    for found in action.__mro__:
        name = _names().get(f"{found.__module__}:{found.__qualname__}")
        if name:
            return name
    return f"{action.__module__.rpartition('.')[2]}.{action.__name__}"


@functools.cache
def _names() -> dict[str, str]:
    entry_points = importlib.metadata.entry_points(group="mistral.actions")
    return {entry_point.value: entry_point.name for entry_point in entry_points}
