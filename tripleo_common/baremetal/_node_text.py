"""Text of a list of nodes, JSON or YAML, from outside: safe, bounded, nothing of it in errors."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any, NoReturn

import yaml

DEPTH = 30
"""How deep data may be nested. libyaml's binding recurses on the C stack."""

_VALUES = 2_000_000
"""How many values a text may hold once its aliases are written out."""

_MIB = 64
"""How large a text may be, in MiB."""


class TextInvalid(Exception):
    """A text cannot be read; the message says where and why, and never shows what it holds."""


class _Loader(yaml.CSafeLoader):
    """Safe, and what looks like JSON's numbers, booleans and null is one; all else is text.

    YAML 1.1 would take a MAC address of decimal digits for a number of base 60, and a password
    that begins with 0 for an octal one.
    """

    yaml_implicit_resolvers = {}


for _kind, _pattern, _first in (
    ("null", r"~|null|", [*"~n", ""]),
    ("bool", r"true|false|True|False|TRUE|FALSE", [*"tfTF"]),
    ("int", r"0|-?[1-9][0-9]*", [*"-0123456789"]),
    ("float", r"-?(0|[1-9][0-9]*)(\.[0-9]+([eE][-+]?[0-9]+)?|[eE][-+][0-9]+)", [*"-0123456789"]),
    ("merge", r"<<", ["<"]),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_kind}", re.compile(f"^(?:{_pattern})$"), _first
    )


def parse(content: str | bytes) -> Any:
    """Return the data of a text. One that begins with a bracket or brace is JSON, others are YAML.

    :raises TextInvalid: it is neither, it repeats a key, or it is too large.
    """
    if len(content) > _MIB * 2**20:
        raise TextInvalid(f"it is larger than {_MIB} MiB")
    try:
        text = content.decode() if isinstance(content, bytes) else content
    except UnicodeDecodeError:
        raise TextInvalid("it is no text (UTF-8)") from None
    text = text.removeprefix("\ufeff")
    is_json = text.lstrip()[:1] in ("[", "{")
    try:
        return _json(text) if is_json else _yaml(text)
    except RecursionError:
        raise TextInvalid("it is nested too deep") from None


def _json(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_mapping, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise TextInvalid(
            f"it is not JSON, line {error.lineno}, column {error.colno}: {error.msg}"
        ) from None
    except ValueError:
        raise TextInvalid("it is not JSON: a number has too many digits") from None


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise TextInvalid(f"it has the key {key[:80]!r} twice in one mapping")
        found[key] = value
    return found


def _no_number(name: str) -> NoReturn:
    raise TextInvalid(f"it is not JSON: {name} is no number")


def _yaml(text: str) -> Any:
    try:
        _check(text)
        return yaml.load(text, _Loader)  # noqa: S506 - it is a safe one
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        # What libyaml says is fixed text, without anything of the document.
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise TextInvalid(f"it is not YAML{place}: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError):
        raise TextInvalid(
            "it is not YAML: it has characters or numbers that YAML does not allow"
        ) from None


@dataclasses.dataclass
class _Open:
    """A list or mapping whose end is not yet seen."""

    anchor: str | None
    keys: set[str] | None
    """Those of a mapping; None of a list."""
    values: int = 1
    """How many there are in it, with aliases written out, and itself."""
    children: int = 0


def _check(text: str) -> None:
    """Go through the events of a YAML text, before anything is made of it.

    :raises TextInvalid: it is too deep, its aliases stand for too much, it holds itself, it has
        tags, or a key twice.
    """
    opened = [_Open(None, None)]
    sizes: dict[str, int] = {}
    for event in yaml.parse(text, _Loader):
        if isinstance(event, yaml.ScalarEvent):
            _check_tag(event)
            _check_key(opened[-1], event)
            size, anchor = 1, event.anchor
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                raise TextInvalid(_at(event, "an alias (*) stands for nothing that ended before"))
            size, anchor = sizes[event.anchor], None
        elif isinstance(event, yaml.CollectionStartEvent):
            _check_tag(event)
            keys: set[str] | None = set() if isinstance(event, yaml.MappingStartEvent) else None
            opened.append(_Open(event.anchor, keys))
            if len(opened) > DEPTH + 1:
                raise TextInvalid(_at(event, f"it is nested deeper than {DEPTH} levels"))
            continue
        elif isinstance(event, yaml.CollectionEndEvent):
            closed = opened.pop()
            size, anchor = closed.values, closed.anchor
        else:
            continue
        if anchor:
            sizes[anchor] = size
        opened[-1].values += size
        opened[-1].children += 1
        if opened[-1].values > _VALUES:
            raise TextInvalid(_at(event, f"it has more than {_VALUES} values"))


def _check_tag(event: Any) -> None:
    # A tag is not shown: it may be a password that begins with an exclamation mark.
    if event.tag not in (None, "!", "tag:yaml.org,2002:str"):
        raise TextInvalid(
            _at(event, "it has a tag; text that begins with an exclamation mark needs quotes")
        )


def _check_key(parent: _Open, event: Any) -> None:
    if parent.keys is None or parent.children % 2 or event.value == "<<":
        return
    if event.value in parent.keys:
        raise TextInvalid(_at(event, f"it has the key {event.value[:80]!r} twice in one mapping"))
    parent.keys.add(event.value)


def _at(event: Any, problem: str) -> str:
    mark = event.start_mark
    return f"it cannot be read, line {mark.line + 1}, column {mark.column + 1}: {problem}"
