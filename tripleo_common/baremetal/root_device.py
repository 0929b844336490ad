"""Which of a node's disks is its root device, and the hints by which Ironic finds that again.

Hints are compared as Ironic compares them (``find_devices_by_hints`` in its ``common/utils.py``):
texts stripped, in lower case and percent-encoded, sizes in GiB with their fractions.
"""

from __future__ import annotations

import dataclasses
import operator
import re
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any

from tripleo_common import exceptions

_GIB = 2**30

_IDENTITIES = ("wwn_with_extension", "wwn", "serial", "by_path")
"""Hints that name the same disk also after a reboot, the best first; names of devices do not."""

_OPERATOR = re.compile(
    r"<all-in>|<range-in>|<or>|<in>|s==|s!=|s<=|s<|s>=|s>|==|=|!=|>=|<=|>|<", re.ASCII
)
"""What Ironic takes for an operator where an expression begins with it."""

_COMPARE_TEXTS: dict[str, Callable[[str, str], bool]] = {
    "": operator.eq,
    "s==": operator.eq,
    "s!=": operator.ne,
    "s<": operator.lt,
    "s<=": operator.le,
    "s>": operator.gt,
    "s>=": operator.ge,
    "<in>": operator.contains,
}

_COMPARE_NUMBERS: dict[str, Callable[[float, float], bool]] = {
    "": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.ge,
}

_SIZE = re.compile(r"(==|=|!=|>=|<=|>|<|)\s*([0-9]{1,15})", re.ASCII)
_RANGE = re.compile(
    r"<range-in>\s*([\[(])\s+([0-9]{1,15}(?:\.[0-9]+)?)\s+([0-9]{1,15}(?:\.[0-9]+)?)\s+([\])])",
    re.ASCII,
)

_BOOLEANS = {
    **dict.fromkeys(("true", "1", "t", "on", "y", "yes"), True),
    **dict.fromkeys(("false", "0", "f", "off", "n", "no"), False),
}

_LENGTH = 255
"""How many characters a hint's expression may have."""

_MANNERS = (
    "must be 'smallest', 'largest', names of devices in order of preference ('sda,vda'), "
    "'wwn:<WWN>', 'serial:<serial number>', or a mapping of Ironic's root device hints."
)


@dataclasses.dataclass(frozen=True)
class RootDevice:
    """The disk that a node is to be deployed on.

    :ivar hints: for Ironic's ``properties.root_device``.
    :ivar size_gib: rounded down.
    :ivar name: what it was called when it was found, such as ``/dev/sda``.
    """

    hints: dict[str, Any]
    size_gib: int
    name: str


def choose(
    node: str, facts: Mapping[str, Any], root_device: object, minimum_size: object
) -> RootDevice:
    """Choose a node's root device from what was found in it.

    The hints name it by the first of these that no other disk has as well: WWN with extension, WWN,
    serial number, path. Hints that were given are kept as they are: Ironic goes by them itself,
    and takes the first disk that they fit.

    :param node: ``name (UUID id)``.
    :param facts: as :func:`inventory.facts` returns them.
    :param root_device: ``smallest`` or ``largest`` of the disks that are large enough; names of
        devices in order of preference, with or without ``/dev/``, separated by commas; ``wwn:...``;
        ``serial:...``; or a mapping of hints.
    :param minimum_size: GiB that it must have; smaller disks are passed over.
    :raises InputInvalid: that is no way to choose, or no size.
    :raises RootDeviceNotFound: no disk is what is wanted, or nothing tells it from the others.
    """
    least = _check_size(minimum_size)
    disks = facts.get("disks") or []
    given = dict(root_device) if isinstance(root_device, Mapping) else None
    wanted, fitting = _by_word(disks, root_device) if given is None else _by_hints(disks, given)
    if least:
        wanted += f", of at least {least} GiB"
    large = [disk for disk in fitting if disk["size_gib"] >= least]
    if not large:
        if fitting:
            wanted += f" (too small: {exceptions.one_of(disk['name'] for disk in fitting)})"
        raise _not_found(node, wanted, disks)
    disk = large[0]
    hints = given or _identity(disks, disk)
    if not hints:
        wanted += (
            f" (that is {disk['name']}, but it has no WWN, no serial number and no path that other "
            "disks do not have)"
        )
        raise _not_found(node, wanted, disks)
    return RootDevice(hints=hints, size_gib=disk["size_gib"], name=disk["name"])


def check(root_device: object, minimum_size: object) -> None:
    """Make sure of what :func:`choose` is to be called with, before any node is looked at.

    :param root_device: as there, or None for none.
    :raises InputInvalid: that is no way to choose, or no size.
    """
    _check_size(minimum_size)
    if isinstance(root_device, Mapping):
        _by_hints([], dict(root_device))
    elif root_device is not None:
        _by_word([], root_device)


def local_gb(size_gib: int) -> int:
    """Return what ``properties.local_gb`` is for a disk: Ironic leaves a GiB for partitioning.

    :param size_gib: the disk's.
    """
    return max(size_gib - 1, 0)


def faults(hints: object) -> list[tuple[str, str, str]]:
    """Return what is wrong with hints: of each fault the hint, the problem and what is allowed.

    Ironic itself finds less: also what it takes and then finds no disk by, or fails with on some
    disks, is a fault here.

    :param hints: what is to be Ironic's ``properties.root_device``.
    """
    if not isinstance(hints, Mapping) or not hints:
        return [("root_device", "is no mapping of hints", f"hints are {', '.join(HINTS)}")]
    found = []
    for hint, expression in hints.items():
        if hint not in HINTS:
            found.append((_shown(hint), "is no hint", f"hints are {', '.join(HINTS)}"))
        elif HINTS[hint].test(expression) is None:
            found.append((hint, f"is {_shown(expression)}", HINTS[hint].allowed))
    return found


def _check_size(size: object) -> int:
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise exceptions.InputInvalid("minimum_size", "must be a whole number of GiB, from 0 on.")
    return size


def _by_hints(disks: list[Any], hints: dict[Any, Any]) -> tuple[str, list[Any]]:
    """Return what is wanted, in words, and the disk that it is."""
    wrong = [f"{hint} {problem} ({allowed})" for hint, problem, allowed in faults(hints)]
    if wrong:
        raise exceptions.InputInvalid("root_device", f"has wrong hints: {'; '.join(wrong)}.")
    words = ", ".join(f"{hint} {_shown(expression)}" for hint, expression in hints.items())
    return f"the first with {words}", _matching(disks, hints)[:1]


def _by_word(disks: list[Any], word: object) -> tuple[str, list[Any]]:
    """Return what is wanted, in words, and the disks that it can be, the best first."""
    if not isinstance(word, str) or len(word) > 4 * _LENGTH:
        raise exceptions.InputInvalid("root_device", _MANNERS)
    if word == "smallest":
        return "the smallest", sorted(disks, key=lambda disk: (disk["size"], disk["name"]))
    if word == "largest":
        return "the largest", sorted(disks, key=lambda disk: (-disk["size"], disk["name"]))
    kind, _, value = word.partition(":")
    if kind in _KINDS:
        if not value.strip():
            raise exceptions.InputInvalid("root_device", _MANNERS)
        return _by_identity(disks, kind, value.strip())
    names = [name.strip().removeprefix("/dev/") for name in word.split(",")]
    if not all(names):
        raise exceptions.InputInvalid("root_device", _MANNERS)
    fitting = [
        disk for name in names for disk in disks if disk["name"].removeprefix("/dev/") == name
    ]
    return f"the first of {_shown(', '.join(names))}", fitting


_KINDS = {"wwn": ("wwn_with_extension", "wwn"), "serial": ("serial",)}
"""Kinds of identities that a user may give, to the hints that they are."""


def _by_identity(disks: list[Any], kind: str, value: str) -> tuple[str, list[Any]]:
    wanted = f"the one with {kind} {_shown(value)}"
    for hint in _KINDS[kind]:
        found = [disk for disk in disks if (disk[hint] or "").lower() == value.lower()]
        if len(found) == 1:
            return wanted, found
        if found:
            wanted += f" (not one: {exceptions.one_of(disk['name'] for disk in found)})"
    return wanted, []


def _identity(disks: list[Any], disk: Any) -> dict[str, Any]:
    """Return hints that fit the disk and no other; none if there are no such."""
    for hint in _IDENTITIES:
        text = disk[hint]
        # Ironic would take a serial number such as =5A for an expression.
        is_plain = text and not _OPERATOR.match(text.lower())
        if is_plain and _matching(disks, {hint: text}) == [disk]:
            return {hint: text}
    return {}


def _matching(disks: list[Any], hints: Mapping[str, Any]) -> list[Any]:
    """Return the disks that fit all hints, which have no faults."""
    tests = [(hint, HINTS[hint].test(expression)) for hint, expression in hints.items()]
    return [disk for disk in disks if all(test and test(disk[hint]) for hint, test in tests)]


def _not_found(node: str, wanted: str, disks: list[Any]) -> exceptions.RootDeviceNotFound:
    told = [{"name": disk["name"], "size_gib": disk["size_gib"]} for disk in disks]
    return exceptions.RootDeviceNotFound(node, wanted, told)


def _shown(value: object) -> str:
    """Put something that a user gave into a sentence."""
    if isinstance(value, str):
        return repr(value[:80])
    is_number = isinstance(value, int) and abs(value) < 10**15
    return str(value) if is_number else f"of type {type(value).__name__}"


def _size_test(expression: object) -> Callable[[int], bool] | None:
    """Return what tells whether a size (bytes) fits an expression; None if it is none."""
    if isinstance(expression, int) and not isinstance(expression, bool):
        number = expression
        return (lambda size: size == number * _GIB) if 0 < number < 10**15 else None
    if not isinstance(expression, str):
        return None
    if one := _SIZE.fullmatch(expression.strip()):
        compare, operand = _COMPARE_NUMBERS[one[1]], float(one[2])
        return (lambda size: compare(size / _GIB, operand)) if operand else None
    if two := _RANGE.fullmatch(expression.strip()):
        above = operator.ge if two[1] == "[" else operator.gt
        below = operator.le if two[4] == "]" else operator.lt
        low, high = float(two[2]), float(two[3])
        if low <= high:
            return lambda size: above(size / _GIB, low) and below(size / _GIB, high)
    return None


def _boolean_test(expression: object) -> Callable[[bool | None], bool] | None:
    """Return what tells whether a truth fits an expression; None if it is none."""
    if isinstance(expression, str):
        expression = _BOOLEANS.get(expression.strip().lower())
    return (lambda value: value is expression) if isinstance(expression, bool) else None


def _text_test(expression: object) -> Callable[[str | None], bool] | None:
    """Return what tells whether a text fits an expression; None if it is none."""
    if not isinstance(expression, str) or len(expression) > _LENGTH:
        return None
    text = expression.strip().lower()
    found = _OPERATOR.match(text)
    sign = found[0] if found else ""
    operands = [part.strip() for part in text.split(sign)[1:]] if sign else [text]
    if not all(part and part.isprintable() and not _OPERATOR.match(part) for part in operands):
        return None
    quoted = [urllib.parse.quote(part) for part in operands]
    if sign == "<or>":
        return lambda value: _quoted(value) in quoted
    if sign in _COMPARE_TEXTS and len(quoted) == 1:
        compare = _COMPARE_TEXTS[sign]
        return lambda value: compare(_quoted(value), quoted[0])
    return None


def _quoted(value: str | None) -> str:
    # Ironic makes a text of what a disk does not have as well.
    return urllib.parse.quote(str(value).strip().lower())


@dataclasses.dataclass(frozen=True)
class _Hint:
    """A root device hint of Ironic's.

    :ivar test: makes a test of an expression; None if it is wrong.
    :ivar allowed: what an expression may be.
    """

    test: Callable[[object], Callable[[Any], bool] | None]
    allowed: str


_TEXT = _Hint(
    _text_test, "allowed is a text, also after one of s==, s!=, s<, s<=, s>, s>=, <in>, <or>"
)

HINTS: dict[Any, _Hint] = {
    **dict.fromkeys(
        (*_IDENTITIES, "wwn_vendor_extension", "name", "model", "vendor", "hctl"), _TEXT
    ),
    "size": _Hint(
        _size_test,
        "allowed is a positive whole number of GiB, also after one of ==, !=, <, <=, >, >=, "
        "= (at least), or two numbers as in '<range-in> [ 100 200 )'",
    ),
    "rotational": _Hint(_boolean_test, "allowed is true or false"),
}
"""Ironic's hints by name."""
