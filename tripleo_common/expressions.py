"""Functions for the workbooks' expressions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tripleo_common import exceptions

_LOST = "Heartbeat wasn't received."
"""What Mistral says of an action whose executor is gone."""


def tripleo_error(context: Any, result: Any = None) -> dict[str, Any]:
    """Return what failed, in one form, whatever a failed task has left behind.

    An action of ours leaves ``{"type", "message", "details"}``; a sub-workflow leaves its output,
    which holds such an error; Mistral itself (a timeout, a lost executor) leaves a text or nothing.

    :param context: the expression's context, which YAQL passes by this name.
    :param result: result of the failed task.
    :returns: ``{"type", "message", "details"}``, always with all three.
    """
    # YAQL's own mappings are no dicts.
    if isinstance(result, Mapping):
        if isinstance(result.get("error"), Mapping):
            return tripleo_error(context, result["error"])
        if "message" in result:
            return {
                "type": str(result.get("type") or "InternalError"),
                "message": str(result["message"]),
                "details": result.get("details") or {},
            }
        if "result" in result:
            return tripleo_error(context, result["result"])
    if result == _LOST:
        return exceptions.ExecutorLost().to_dict()
    return {
        "type": "InternalError",
        "message": str(result or "The workflow failed without a reason; see its tasks."),
        "details": {},
    }


def tripleo_is_pending(context: Any, result: Any = None) -> bool:
    """Tell whether a task that looks at something from time to time has to look again.

    :param context: the expression's context, which YAQL passes by this name.
    :param result: result of the task; ``{"done": false}`` means not yet. Anything else, a failure
        in whatever form included, does not.
    """
    return isinstance(result, Mapping) and result.get("done") is False
