"""Functions for the workbooks' expressions."""

from __future__ import annotations

from typing import Any


def tripleo_error(_context: Any, result: Any = None) -> dict[str, Any]:
    """Return what failed, in one form, whatever a failed task has left behind.

    An action of ours leaves ``{"type", "message", "details"}``; a sub-workflow leaves its output,
    which holds such an error; Mistral itself (a timeout, a lost executor) leaves a text or nothing.

    :param result: result of the failed task.
    :returns: ``{"type", "message", "details"}``, always with all three.
    """
    if isinstance(result, dict):
        if isinstance(result.get("error"), dict):
            return tripleo_error(_context, result["error"])
        if "message" in result:
            return {
                "type": str(result.get("type") or "InternalError"),
                "message": str(result["message"]),
                "details": result.get("details") or {},
            }
        if "result" in result:
            return tripleo_error(_context, result["result"])
    return {
        "type": "InternalError",
        "message": str(result or "The workflow failed without a reason; see its tasks."),
        "details": {},
    }
