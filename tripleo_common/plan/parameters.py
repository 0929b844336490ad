"""The parameters of a plan: what its templates declare, which values that allows, what Heat says.

Everything here is data to data; nothing is asked of Heat. Where a value is read or compared, it is
done as Heat's engine does it, so that what passes here passes there. The exceptions are all on the
strict side: Heat makes text such as ``{'a': 1}`` of what is no text, takes a number for JSON, and
takes ``nan`` for a number; here they are faults.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import re
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from tripleo_common import exceptions
from tripleo_common.plan.secrets import MASK

_SHOWN = 200
"""How many characters of a value or a name a fault shows."""

_PATTERN_BYTES = 64 * 2**10
"""How long a value may be for a pattern to be tried on it here; Heat tries longer ones. A pattern
cannot be interrupted. This bounds one whose time grows with the square of the length, and not one
that is exponential: patterns are the plan owner's own."""

_PROPOSALS = 20
"""For how many unknown names similar ones are looked up, which takes milliseconds each."""

_DEPTH = 100
"""How deep a value may be nested; files of a plan may be no deeper (``yaml_files``)."""

_SECRET_PART = 8
"""From which length on a secret is also looked for inside of other text."""

_EMPTY: tuple[Any, ...] = (None, "", [], {})
_TRUE = frozenset(("1", "t", "true", "on", "y", "yes"))
_FALSE = frozenset(("0", "f", "false", "off", "n", "no"))

ROLE_PARAMETERS = {
    "control": ("ControllerCount", "OvercloudControlFlavor"),
    "object-storage": ("ObjectStorageCount", "OvercloudSwiftStorageFlavor"),
}
"""Roles whose parameters are not named after the profile, as clients know them."""


@dataclasses.dataclass(frozen=True)
class Declaration:
    """A parameter as one template declares it.

    :ivar name: its name.
    :ivar type: ``string``, ``number``, ``boolean``, ``comma_delimited_list`` or ``json``; anything
        else as the template has it, and nothing is checked against that.
    :ivar path: the template's path in the plan.
    :ivar default: None if it has none; to Heat, ``null`` is none as well.
    :ivar hidden: whether values are secrets.
    :ivar constraints: as in the template: ``{"range": {"min": 1}, "description": "..."}``.
    """

    name: str
    type: str
    path: str
    default: Any = None
    hidden: bool = False
    constraints: Sequence[Mapping[str, Any]] = ()
    description: str = ""
    label: str = ""


def declarations(document: Mapping[str, Any], path: str) -> list[Declaration]:
    """Read which parameters a HOT template declares.

    What is malformed within a parameter is left out, for Heat to refuse: a template that no chosen
    environment uses must not be in the way.

    :param document: the parsed template.
    :param path: its path in the plan.
    :raises YAMLInvalid: the template, or its section ``parameters``, is no mapping.
    """
    if not isinstance(document, Mapping):
        raise exceptions.YAMLInvalid(path, "a template must hold a mapping")
    section = document.get("parameters")
    if section is None:
        return []
    if not isinstance(section, Mapping):
        raise exceptions.YAMLInvalid(
            path, f"parameters must hold a mapping, and holds {_kind(section)}"
        )
    return [
        _declaration(name, _mapping(schema), path)
        for name, schema in section.items()
        if isinstance(name, str)
    ]


def _declaration(name: str, schema: Mapping[str, Any], path: str) -> Declaration:
    return Declaration(
        name=name,
        type=_text(schema.get("type")),
        path=path,
        default=schema.get("default"),
        hidden=bool(schema.get("hidden")),
        constraints=[
            rule
            for rule in _list(schema.get("constraints"))
            if isinstance(rule, Mapping) and is_plain(rule)
        ],
        description=_text(schema.get("description")),
        label=_text(schema.get("label")),
    )


def hidden(declared: Mapping[str, Sequence[Declaration]]) -> set[str]:
    """Return the names of the parameters that any template hides."""
    return {name for name, found in declared.items() if any(one.hidden for one in found)}


def check(
    values: Mapping[str, Any],
    declared: Mapping[str, Sequence[Declaration]],
    elsewhere: Mapping[str, Sequence[str]] | None = None,
) -> list[dict[str, Any]]:
    """Compare values with every declaration of their parameters.

    ``null`` is no value to Heat and passes for any declared parameter. Custom constraints and
    malformed ones are left to Heat.

    :param values: name to value.
    :param declared: name to all declarations in the templates that are used.
    :param elsewhere: name to the paths of those templates of the plan that declare it and are not
        used with the chosen environments.
    :returns: all faults: ``{"name", "value", "problem", "allowed"}``. ``value`` is masked as far
        as it is or may be secret, and shortened. ``allowed`` is the list of allowed values, another
        constraint in HOT's form (``{"range": {"min": 1}}``), the name of the type, or for an
        unknown name the similar ones that there are.
    :raises InputInvalid: the values are no mapping.
    """
    if not isinstance(values, Mapping):
        raise exceptions.InputInvalid(
            "parameters", f"must be a mapping of names to values, and is {_kind(values)}."
        )
    secrets = _Secrets(hidden(declared))
    faults: list[dict[str, Any]] = []
    unknown = 0
    for name, value in values.items():
        if not isinstance(name, str) or not is_plain(name):
            told: list[tuple[str, Any]] = [("is not a name: names are text", None)]
            shown: Any = MASK
        elif not declared.get(name):
            unknown += 1
            told = [_unknown(name, declared, elsewhere or {}, unknown <= _PROPOSALS)]
            # It may be a misspelled secret.
            shown = MASK
        else:
            told = _problems(value, declared[name])
            shown = MASK if name in secrets.names else _shown(value, secrets)
        faults.extend(
            {"name": _short(name), "value": shown, "problem": problem, "allowed": allowed}
            for problem, allowed in told
        )
    return faults


def _unknown(
    name: str,
    declared: Mapping[str, Any],
    elsewhere: Mapping[str, Sequence[str]],
    proposing: bool,
) -> tuple[str, list[str]]:
    if elsewhere.get(name):
        return (
            "no template that is used declares it. It is a parameter of "
            f"{exceptions.one_of(elsewhere[name])}; choose an environment that uses one of them",
            [],
        )
    close = []
    if proposing and len(name) <= _SHOWN:
        close = difflib.get_close_matches(name, [one for one in declared if len(one) <= _SHOWN])
    hint = f"; similar ones: {', '.join(close)}" if close else ""
    return f"there is no such parameter in the plan's templates{hint}", close


def _problems(value: Any, found: Sequence[Declaration]) -> list[tuple[str, Any]]:
    """Return what each declaration has against a value, each problem once, with who has it."""
    if not is_plain(value):
        return [(f"must be plain data that JSON can hold, at most {_DEPTH} levels deep", None)]
    if value == MASK and any(declaration.hidden for declaration in found):
        return [
            ("is what stands for a hidden value in answers; leave it out to keep the value", None)
        ]
    told: dict[str, tuple[Any, list[str]]] = {}
    # Templates share declarations, and a pattern may be slow.
    answers: dict[str, list[tuple[str, Any]]] = {}
    for declaration in found:
        key = repr((declaration.type, declaration.constraints))
        if key not in answers:
            answers[key] = list(_violations(value, declaration))
        for problem, allowed in answers[key]:
            paths = told.setdefault(problem, (allowed, []))[1]
            if declaration.path not in paths:
                paths.append(declaration.path)
    return [
        (f"{problem} ({_places(paths)})", allowed) for problem, (allowed, paths) in told.items()
    ]


def _violations(value: Any, declaration: Declaration) -> Iterator[tuple[str, Any]]:
    read = _READERS.get(declaration.type)
    if value is None or read is None:
        return
    try:
        given = read(value)
    except ValueError as error:
        yield str(error), declaration.type
        return
    for constraint in declaration.constraints:
        # The first that Heat looks for, if a template has several in one.
        name = next((name for name in _CONSTRAINTS if name in constraint), None)
        if name is None or declaration.type not in _CONSTRAINTS[name][0]:
            continue
        try:
            problem = _CONSTRAINTS[name][1](constraint[name], given, declaration.type)
        except ValueError as error:
            yield str(error), declaration.type
            continue
        except OverflowError:
            # An integer beyond what a float can be compared with; Heat knows no better.
            continue
        if problem:
            description = _short(_text(constraint.get("description")).strip().rstrip("."))
            rule = constraint[name]
            yield (
                f"{problem}: {description}" if description else problem,
                rule if name == "allowed_values" else {name: rule},
            )


def _read_string(value: Any) -> Any:
    if isinstance(value, Mapping | list | tuple):
        raise ValueError(f"must be text, not {_kind(value)}")
    return value


def _read_number(value: Any) -> int | float:
    """Read a number from a number or from text, as Heat does: an integer if it can be one.

    :raises ValueError: it is neither.
    """
    problem = "must be a number"
    if isinstance(value, str):
        try:
            value = int(value)
        except ValueError:
            try:
                value = float(value)
            except ValueError:
                raise ValueError(problem) from None
    if not isinstance(value, int | float):
        raise ValueError(f"{problem}, not {_kind(value)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{problem} that is finite")
    return value


def _read_boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower() if isinstance(value, str | int) else ""
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError("must be true or false (as text also yes, no, on, off, y, n, t, f, 1, 0)")


def _read_list(value: Any) -> list[str]:
    if isinstance(value, str):
        return value.split(",") if value else []
    if not isinstance(value, list):
        raise ValueError(
            f"must be a list, or text with commas between the items, not {_kind(value)}"
        )
    for item in value:
        if not isinstance(item, str | int | float):
            raise ValueError(f"must be a list of texts, and holds {_kind(item)}")
    return [str(item) for item in value]


def _read_json(value: Any) -> Any:
    problem = "must be a mapping or a list, or JSON text of one"
    if isinstance(value, str):
        if not value:
            return value
        try:
            value = json.loads(value)
        except json.JSONDecodeError as error:
            raise ValueError(
                f"{problem}, and is no JSON: {error.msg} at line {error.lineno}, column "
                f"{error.colno}"
            ) from None
        except (ValueError, RecursionError):
            raise ValueError(f"{problem}, and is no JSON that can be read") from None
    if not isinstance(value, Mapping | list):
        raise ValueError(f"{problem}, not {_kind(value)}")
    return value


_READERS: dict[str, Callable[[Any], Any]] = {
    "string": _read_string,
    "number": _read_number,
    "boolean": _read_boolean,
    "comma_delimited_list": _read_list,
    "json": _read_json,
}
"""Type to what makes of a value that which constraints apply to, or raises ValueError."""


def _modulo(rule: Any, given: Any, kind: str) -> str | None:
    step, offset = _bound(rule, "step"), _bound(rule, "offset")
    if not step or offset is None or step != int(step):
        return None
    # As an integer: a large one cannot be divided by a float.
    if given % int(step) == offset:
        return None
    return f"must be a multiple of {step}" + (f" plus {offset}" if offset else "")


def _range(rule: Any, given: Any, kind: str) -> str | None:
    low, high = _bound(rule, "min"), _bound(rule, "max")
    if (low is not None and given < low) or (high is not None and given > high):
        return f"must be {_span(low, high)}"
    return None


def _length(rule: Any, given: Any, kind: str) -> str | None:
    problem = _range(rule, len(_quoted(given) if kind == "string" else given), kind)
    return problem and problem.replace("must be", "must have a length of", 1)


def _allowed_values(rule: Any, given: Any, kind: str) -> str | None:
    allowed = _list(rule)
    if kind == "comma_delimited_list":
        # Heat does not convert here: an item is text, and never equal to a number.
        if all(item in allowed for item in given):
            return None
        return f"each item must be one of {_listed(allowed)}"
    convert = str if kind == "string" else _READERS[kind]
    for item in allowed:
        try:
            if convert(item) == convert(given):
                return None
        except ValueError:
            continue
    return f"must be one of {_listed(allowed)}"


def _allowed_pattern(rule: Any, given: Any, kind: str) -> str | None:
    given = _quoted(given)
    if len(given.encode()) > _PATTERN_BYTES:
        return None
    try:
        match = re.match(rule, given)
    except (re.error, TypeError, RecursionError, OverflowError):
        return None
    # What Heat compares; not the same as fullmatch, which would go on to try other branches.
    if match is not None and match.end() == len(given):
        return None
    return f"must match the pattern {_short(rule)}"


_CONSTRAINTS: dict[str, tuple[tuple[str, ...], Callable[[Any, Any, str], str | None]]] = {
    "modulo": (("number",), _modulo),
    "range": (("number",), _range),
    "length": (("string", "comma_delimited_list", "json"), _length),
    "allowed_values": (("string", "number", "boolean", "comma_delimited_list"), _allowed_values),
    "allowed_pattern": (("string",), _allowed_pattern),
}
"""Constraint to the types that Heat allows it for, and to what says how a value breaks it."""


def _quoted(given: Any) -> str:
    """Return text as it is; Heat takes a number for text, but cannot measure or match it.

    :raises ValueError: it is no text.
    """
    if not isinstance(given, str):
        raise ValueError(f"must be text, not {_kind(given)}; put it in quotes")
    return given


def _bound(rule: Any, key: str) -> int | float | None:
    value = _mapping(rule).get(key)
    try:
        return None if value is None else _read_number(value)
    except ValueError:
        return None


def _span(low: float | None, high: float | None) -> str:
    if high is None:
        return f"at least {low}"
    if low is None:
        return f"at most {high}"
    return f"{low} to {high}"


def flatten(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Turn Heat's nested answer to a validation into two flat mappings.

    The same tree gives the same ids and order always; Heat's own order changes with each request.

    :param tree: the answer of ``stacks.validate(show_nested=True)``.
    :returns: ``{"resources": {id: {"id", "name", "type", "description", "parameters": [name],
        "parameter_groups", "resources": [id]}}, "parameters": {name: {"name", "type", "default",
        "description", "label", "noEcho", ...}}}``. A resource has the keys that Heat has answered;
        the root is named Root. Where templates share a parameter, the outermost is taken.
    """
    root = uuid.uuid5(uuid.NAMESPACE_OID, "Root")
    resources: dict[str, dict[str, Any]] = {}
    parameters: dict[str, dict[str, Any]] = {}
    # It grows: all of one level come before those nested in them.
    found = [("Root", root, _mapping(tree))]
    for name, node_id, node in found:
        entry: dict[str, Any] = {"id": str(node_id), "name": name}
        for key in ("Type", "Description"):
            if node.get(key) is not None:
                entry[key.lower()] = node[key]
        if "Parameters" in node:
            entry["parameters"] = list(_mapping(node["Parameters"]))
            for parameter, said in _mapping(node["Parameters"]).items():
                camel = {key[:1].lower() + key[1:]: value for key, value in _mapping(said).items()}
                parameters.setdefault(parameter, camel | {"name": parameter})
        if "ParameterGroups" in node:
            entry["parameter_groups"] = node["ParameterGroups"]
        if "NestedParameters" in node:
            nested = _mapping(node["NestedParameters"])
            children = [
                (child, uuid.uuid5(node_id, child), _mapping(nested[child]))
                for child in sorted(nested, key=_natural)
            ]
            entry["resources"] = [str(child_id) for _, child_id, _ in children]
            found.extend(children)
        resources[str(node_id)] = entry
    return {"resources": resources, "parameters": parameters}


def _natural(name: str) -> tuple[int, str]:
    """Order numbers, which is what the members of a group are named, by their value."""
    return (int(name) if name.isdecimal() else -1, name)


def root_groups(tree: Mapping[str, Any]) -> list[str]:
    """Return the sorted names of the root template's OS::Heat::ResourceGroup resources.

    :param tree: the answer of ``stacks.validate(show_nested=True)``, which is in no order.
    """
    nested = _mapping(tree.get("NestedParameters"))
    return sorted(
        name
        for name, resource in nested.items()
        if _mapping(resource).get("Type") == "OS::Heat::ResourceGroup"
    )


def mask_tree(tree: Mapping[str, Any], hidden: Collection[str]) -> dict[str, Any]:
    """Return Heat's answer to a validation without secrets.

    Heat answers values in clear: those of hidden parameters, whatever they are handed on to (a
    nested template need not hide what it is given), and the whole merged environment. So the value
    and the default of every hidden parameter are masked, entries of its name within other
    parameters and within the environment, and their text wherever else it is found in values.

    :param tree: the answer of ``stacks.validate(show_nested=True)``.
    :param hidden: names of further hidden parameters; those that the tree calls NoEcho are known.
    """
    levels = list(_levels(tree))
    found = {
        name
        for level in levels
        for name, said in _mapping(level.get("Parameters")).items()
        if str(_mapping(said).get("NoEcho")).lower() == "true"
    }
    secrets = _Secrets({*hidden, *found})
    for level in levels:
        for name, said in _mapping(level.get("Parameters")).items():
            for key in ("Value", "Default"):
                secrets.learn({name: _mapping(said).get(key)})
    secrets.learn(tree.get("Environment"))
    masked = _mask_level(tree, secrets)
    if "Environment" in masked:
        masked["Environment"] = secrets.conceal(masked["Environment"])
    return masked


def _levels(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield node
    for child in _mapping(node.get("NestedParameters")).values():
        yield from _levels(_mapping(child))


def _mask_level(node: Mapping[str, Any], secrets: _Secrets) -> dict[str, Any]:
    masked = dict(node)
    if "Parameters" in node:
        masked["Parameters"] = {
            name: {
                key: secrets.conceal({name: value})[name] if key in ("Value", "Default") else value
                for key, value in _mapping(said).items()
            }
            for name, said in _mapping(node["Parameters"]).items()
        }
    if "NestedParameters" in node:
        masked["NestedParameters"] = {
            name: _mask_level(_mapping(child), secrets)
            for name, child in _mapping(node["NestedParameters"]).items()
        }
    return masked


class _Secrets:
    """What must not be shown: entries of some names, and texts that have been found under them.

    :ivar names: the names of hidden parameters.
    """

    def __init__(self, names: Collection[str]) -> None:
        self.names = frozenset(names)
        self._texts: set[str] = set()
        self._parts: set[str] = set()
        # The same texts come again and again: each nested template is given the same settings.
        self._concealed: dict[str, str] = {}

    def learn(self, value: Any, depth: int = 0) -> None:
        """Remember the texts that stand under hidden names anywhere in a value."""
        if depth > _DEPTH:
            return
        if isinstance(value, Mapping):
            for name, child in value.items():
                if name in self.names:
                    self._remember(child)
                else:
                    self.learn(child, depth + 1)
        elif isinstance(value, list):
            for child in value:
                self.learn(child, depth + 1)

    def _remember(self, value: Any, depth: int = 0) -> None:
        self._concealed.clear()
        if isinstance(value, str):
            # Only the whole value of a parameter is surely a secret when it is short: within
            # settings of a fence device there is also the name of the user.
            if value and value != MASK and depth == 0:
                self._texts.add(value)
            if len(value) >= _SECRET_PART:
                self._parts.add(value)
        elif depth <= _DEPTH and isinstance(value, Mapping | list):
            for child in value.values() if isinstance(value, Mapping) else value:
                self._remember(child, depth + 1)

    def conceal(self, value: Any, depth: int = 0) -> Any:
        """Return a copy of a value with all that is secret masked."""
        if depth > _DEPTH:
            return MASK
        if isinstance(value, Mapping):
            return {
                name: MASK
                if name in self.names and child not in _EMPTY
                else self.conceal(child, depth + 1)
                for name, child in value.items()
            }
        if isinstance(value, list):
            return [self.conceal(child, depth + 1) for child in value]
        if not isinstance(value, str):
            return value
        if value not in self._concealed:
            self._concealed[value] = self._conceal_text(value)
        return self._concealed[value]

    def _conceal_text(self, text: str) -> str:
        if text in self._texts:
            return MASK
        # JSON text is a value of a json parameter as good as a mapping.
        if text.lstrip().startswith(("{", "[")) and any(name in text for name in self.names):
            try:
                document = json.loads(text)
            except (ValueError, RecursionError):
                return MASK
            concealed = self.conceal(document)
            return text if concealed == document else json.dumps(concealed)
        for part in sorted(self._parts, key=len, reverse=True):
            text = text.replace(part, MASK)
        return text


def mask_text(text: str, values: Any) -> str:
    """Return a text, such as an error's, without secret values; short ones only as whole words.

    :param values: the secrets, in any mapping or list.
    """
    for part in sorted(set(_parts(values)), key=len, reverse=True):
        if len(part) >= _SECRET_PART:
            text = text.replace(part, MASK)
        else:
            text = re.sub(rf"(?<!\w){re.escape(part)}(?!\w)", MASK, text)
    return text


def _parts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping | list):
        for child in value.values() if isinstance(value, Mapping) else value:
            yield from _parts(child)
    elif value not in _EMPTY and not isinstance(value, bool):
        yield str(value)


def role_parameters(role: str, count: int | None, flavor: str | None) -> dict[str, Any]:
    """Return the parameters that say how many servers a role has and of which flavor.

    :param role: a role's name (Controller), or the profile of its nodes (control, ceph-storage).
    :param count: how many; the parameter is left out if None.
    :param flavor: the name of the flavor; the parameter is left out if None.
    :raises InputInvalid: the role is no name.
    """
    if not isinstance(role, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", role):
        raise exceptions.InputInvalid("role", "must be the name of a role, such as control.")
    camel = "".join(part[:1].upper() + part[1:] for part in role.split("-"))
    names = ROLE_PARAMETERS.get(role, (f"{camel}Count", f"Overcloud{camel}Flavor"))
    return {
        name: value for name, value in zip(names, (count, flavor), strict=True) if value is not None
    }


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _kind(value: Any) -> str:
    """Name the kind of a value in words of YAML."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    for kinds, words in (
        (str, "text"),
        (int | float, "a number"),
        (Mapping, "a mapping"),
        (list | tuple, "a list"),
    ):
        if isinstance(value, kinds):
            return words
    return f"a {type(value).__name__}"


def is_plain(value: Any) -> bool:
    """Tell whether JSON, in UTF-8, can hold a value, and files of a plan its depth."""
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError):
        return False
    return _is_shallow(value, _DEPTH)


def _is_shallow(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list | tuple):
        return True
    children = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(_is_shallow(child, levels - 1) for child in children)


def _shown(value: Any, secrets: _Secrets) -> Any:
    """Return what a fault shows of a value: without secrets, of bounded size."""
    if not is_plain(value):
        return _kind(value)
    concealed = secrets.conceal(value)
    text = concealed if isinstance(concealed, str) else json.dumps(concealed, ensure_ascii=False)
    return concealed if len(text) <= _SHOWN else _short(text)


def _short(value: Any) -> str:
    # Not all that is no data can be written out, such as a number of 5000 digits.
    other = repr(value) if is_plain(value) else _kind(value)
    text = value if isinstance(value, str) else other
    if len(text) > _SHOWN:
        text = f"{text[: _SHOWN - 3]}..."
    return text.encode(errors="backslashreplace").decode()


def _places(paths: Sequence[str]) -> str:
    return paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"


def _listed(values: Sequence[Any]) -> str:
    """Put allowed values into a sentence, in their order, at most twenty of them."""
    if not values:
        return "none"
    shown = ", ".join(_short(value) for value in values[:20])
    return shown if len(values) <= 20 else f"{shown} and {len(values) - 20} more"
