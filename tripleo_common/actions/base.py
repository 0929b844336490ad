"""What all actions share: region and cloud, the deadline, and the boundary from error to result."""

from __future__ import annotations

import dataclasses
import inspect
import logging
from typing import Any, dataclass_transform

from mistral_lib import actions

from tripleo_common import clouds, config, exceptions
from tripleo_common.plan import plans

LOG = logging.getLogger(__name__)


@dataclass_transform()
class Action(actions.Action):  # type: ignore[misc]
    """An action: a class with its inputs as annotations, a docstring, and :meth:`perform`.

    ``action_region`` and ``cloud`` are appended to the inputs of each, both optional. Mistral reads
    the inputs from the signature of ``__init__``, sends ``vars(action)`` to an executor as JSON and
    does not call ``__init__`` there; so an action holds its raw inputs and nothing else.
    """

    def __init_subclass__(cls) -> None:
        """Make ``__init__`` from the annotations."""
        super().__init_subclass__()
        cls.__annotations__ = {
            **inspect.get_annotations(cls),
            "action_region": "str | None",
            "cloud": "str | None",
        }
        if cls.__module__ == actions.base.__name__:
            # An executor runs a class of the same name that Mistral derives from ours.
            cls.__module__ = cls.__mro__[1].__module__
        cls.action_region = None
        cls.cloud = None
        dataclasses.dataclass(eq=False, repr=False)(cls)

    def run(self, context: Any) -> Any:
        """Do the work and return its result, or a ``Result`` with a typed error; never raise."""
        name = type(self).__module__.rpartition(".")[2] + "." + type(self).__name__
        request: Request | None = None
        try:
            request = Request(context, self.action_region, self.cloud)
            return self.perform(request)
        # The one place where any error becomes a result.
        except Exception as error:
            known = clouds.translate(error, request.names() if request else {})
            if known is None:
                LOG.exception("Action %s met an unexpected error", name)
                known = exceptions.InternalError(f"Action {name}")
            else:
                LOG.info("Action %s: %s: %s", name, known.type, known.message)
            return actions.Result(error=known.to_dict())

    def perform(self, request: Request) -> Any:
        """Call one function of the domain; return plain, small data.

        :raises TripleOError: what went wrong.
        """
        raise NotImplementedError


class Request:
    """One run of an action: who asked, where calls go, how much time there is.

    :ivar home: the cloud that the request came through.
    :ivar cloud: the cloud and region that the inputs name.
    :ivar execution: Mistral's execution context (ids of workflow, task and action execution).
    """

    def __init__(self, context: Any, action_region: str | None, cloud: str | None) -> None:
        """Open both clouds; no request is made yet."""
        options = config.options()
        deadline = clouds.Deadline(options.action_deadline, request_seconds=options.request_timeout)
        self.execution = context.execution
        self.home = clouds.open_home(context.security, deadline)
        self.cloud = clouds.open_cloud(context.security, action_region, cloud, deadline)

    @property
    def plans(self) -> plans.Plans:
        """The plans that this request is about."""
        return plans.Plans(self.home, self.cloud)

    def names(self) -> dict[str, str]:
        """Return endpoint URL to service type; empty where not even a catalogue can be had."""
        try:
            return {**self.home.names, **self.cloud.names}
        # Only used to word another error, which must not be hidden.
        except Exception:
            return {}
