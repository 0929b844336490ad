"""What clients return, as plain data that Mistral can keep."""

from __future__ import annotations

import base64
import datetime
import math
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from tripleo_common import exceptions

LIMIT = 1008 * 1024
"""The largest result in bytes, counted as Mistral counts: what Python's text of it takes.

Mistral keeps 1 MiB (its option ``execution_field_size_limit_kb``); the rest is for its envelope.
"""


def result(action: str, value: Any, names: list[str]) -> Any:
    """Return what a method returned as plain data.

    :param names: of the parts, where the method returns a tuple of several.
    :raises ResultTooLarge: it is larger than Mistral keeps.
    :raises ResultUnknown: there is something in it that is no data.
    """
    budget = _Budget(action)
    if names:
        data: Any = {name: _plain(part, budget) for name, part in zip(names, value, strict=True)}
    else:
        data = _plain(value, budget)
    _Budget(action).spend(data)
    return data


def plain(value: Any) -> Any:
    """Return data of any size.

    Resources become the data in them, iterators lists, times texts. Bytes become text, or
    ``{"base64": ...}`` where they are no UTF-8. Nothing of a client itself is in it.

    :raises ResultUnknown: there is something in it that is no data.
    """
    return _plain(value, None)


def content(name: str, value: Any) -> bytes:
    """Return the bytes that an input stands for, as :func:`plain` writes them.

    :param value: a text, or ``{"base64": text}``.
    :raises InputInvalid: it is something else.
    """
    try:
        if isinstance(value, str):
            return value.encode()
        if isinstance(value, dict) and list(value) == ["base64"]:
            return base64.b64decode(value["base64"], validate=True)
    except (ValueError, TypeError) as error:
        raise exceptions.InputInvalid(name, f"cannot be made bytes: {error}.") from error
    raise exceptions.InputInvalid(name, 'must be a text, or {"base64": ...} for other bytes.')


class _Budget:
    """Bytes that may still be taken from iterators, which may have no end."""

    def __init__(self, action: str) -> None:
        self._action = action
        self._spent = 0

    def spend(self, value: Any) -> None:
        self._spent += sys.getsizeof(value if isinstance(value, bytes) else str(value))
        if self._spent > LIMIT:
            raise exceptions.ResultTooLarge(self._action, self._spent, LIMIT)


def _plain(value: Any, budget: _Budget | None) -> Any:
    if value is None or isinstance(value, bool):
        return None if value is None else bool(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        # JSON has no other numbers.
        return float(value) if math.isfinite(value) else None
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bytes | bytearray):
        return _text(bytes(value))
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if _is_response(value):
        return None
    if isinstance(value, Mapping):
        return {str(name): _plain(part, budget) for name, part in value.items()}
    data = _data(value)
    if data is not None:
        return _plain(data, budget)
    if isinstance(value, Iterable):
        return _listed(value, budget)
    raise exceptions.ResultUnknown(type(value).__name__)


def _data(value: Any) -> Any:
    """Return the data of a resource; None if it is none."""
    for name in ("to_dict", "raw"):
        method = getattr(value, name, None)
        if callable(method):
            return method()
    known = getattr(value, "_info", None)
    return known if isinstance(known, dict) else None


def _listed(value: Iterable[Any], budget: _Budget | None) -> Any:
    if isinstance(value, tuple) and value and _is_response(value[0]):
        # Some methods return the response and what was in it.
        return _plain(value[1], budget) if len(value) > 1 else None
    items = []
    for item in value:
        part = item if isinstance(item, bytes) else _plain(item, budget)
        if budget and not isinstance(value, list | tuple | set | frozenset):
            budget.spend(part)
        items.append(part)
    if items and all(isinstance(item, bytes) for item in items):
        return _text(b"".join(items))
    return [_text(item) if isinstance(item, bytes) else item for item in items]


def _is_response(value: Any) -> bool:
    """Tell whether something is the response of an HTTP library, and no data."""
    return hasattr(value, "status_code") and hasattr(value, "headers")


def _text(content: bytes) -> Any:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode()}
