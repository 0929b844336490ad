"""Directives that show what the code says: actions, errors, options, ports, states.

Each reads the classes themselves at each build; nothing that they say is written down twice.
"""

from __future__ import annotations

import configparser
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from oslo_config import cfg
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from tripleo_common import config, exceptions
from tripleo_common.baremetal import states
from tripleo_common.undercloud import services
from workbooks import literal, table

TREE = Path(__file__).resolve().parents[3]
ROUTING = ("action_region", "cloud")
KINDS = {
    cfg.StrOpt: "text",
    cfg.BoolOpt: "true or false",
    cfg.IntOpt: "whole number",
    cfg.FloatOpt: "number",
    cfg.ListOpt: "list, with commas",
}


class _Directive(SphinxDirective):
    def lines(self) -> Iterator[str]:
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        for file in (*(TREE / "tripleo_common").rglob("*.py"), TREE / "setup.cfg"):
            self.env.note_dependency(str(file))
        text = "\n".join(self.lines())
        return self.parse_text_to_nodes(text, allow_section_headings=True)


class Actions(_Directive):
    """A section for each ``mistral.actions`` entry point.

    The content says which errors each action raises: ``NAME: Error, Error``, where ``NAME`` may
    also be a word that stands for a group of errors.
    """

    has_content = True

    def lines(self) -> Iterator[str]:
        known = {
            name.strip(): errors.split(",")
            for name, _, errors in (line.partition(":") for line in self.content if line.strip())
        }
        points = entry_points()
        for name in sorted(points):
            if name not in known:
                raise self.error(f"nothing says which errors {name} raises")
            yield from (f".. _action-{name}:", "", name, "-" * len(name), "")
            yield from (inspect.getdoc(points[name]) or "", "")
            yield from table(["Input", "Type", "Default"], inputs(points[name]))
            found = self.errors(known, known[name])
            yield from (f":Errors: {', '.join(f':ref:`{e} <error-{e}>`' for e in found)}", "")
        for stale in {name for name in known if "." in name} - points.keys():
            raise self.error(f"there is no action {stale}")

    def errors(self, known: dict[str, list[str]], names: list[str]) -> Iterator[str]:
        for name in filter(None, (name.strip() for name in names)):
            if name in known:
                yield from self.errors(known, known[name])
            elif hasattr(exceptions, name):
                yield name
            else:
                raise self.error(f"there is no error {name}")


def entry_points() -> dict[str, type]:
    """Return action name to class, as the tree's ``setup.cfg`` has them."""
    parser = configparser.ConfigParser()
    parser.read(TREE / "setup.cfg")
    found = {}
    for line in parser["entry_points"]["mistral.actions"].strip().splitlines():
        name, _, target = (part.strip() for part in line.partition("="))
        module, _, cls = target.partition(":")
        found[name] = getattr(importlib.import_module(module), cls)
    return found


def inputs(cls: type) -> list[list[str]]:
    """Return name, type and default of each input but the two that all actions have."""
    parameters = inspect.signature(cls).parameters
    if missing := [name for name in ROUTING if name not in parameters]:
        raise ValueError(f"{cls} has no input {missing}")
    return [
        [
            f"``{name}``",
            f"``{parameter.annotation}``",
            "required" if parameter.default is parameter.empty else literal(parameter.default),
        ]
        for name, parameter in parameters.items()
        if name not in ROUTING
    ] or [["none", "", ""]]


class _Placeholder(float):
    """Stands for a number in a message."""

    def __new__(cls, name: str) -> _Placeholder:
        made = super().__new__(cls, 1)
        made.name = name
        return made

    def __format__(self, _: str) -> str:
        return f"<{self.name}>"

    __str__ = __repr__ = lambda self: f"<{self.name}>"


def placeholder(name: str, annotation: str) -> Any:
    """Return a value of a type that shows the name of a parameter wherever it is printed."""
    if "list[dict" in annotation:
        return []
    if annotation.startswith("dict"):
        return {"remove": [], "fingerprint": f"<{name}>"}
    if "Iterable" in annotation:
        return [f"<{name}>"]
    return _Placeholder(name) if "int" in annotation or "float" in annotation else f"<{name}>"


class Errors(_Directive):
    """A section for each class of ``tripleo_common.exceptions``."""

    def lines(self) -> Iterator[str]:
        for name, cls in vars(exceptions).items():
            if (
                inspect.isclass(cls)
                and issubclass(cls, exceptions.TripleOError)
                and cls is not exceptions.TripleOError
            ):
                yield from (f".. _error-{name}:", "", name, "-" * len(name), "")
                yield from (inspect.getdoc(cls) or "", "")
                yield from self.example(cls)

    def example(self, cls: type[exceptions.TripleOError]) -> Iterator[str]:
        parameters = inspect.signature(cls).parameters
        if cls.__init__ is exceptions.TripleOError.__init__:
            yield from ("The message says what was asked and why it cannot be.", "")
            return
        named = (p for p in parameters.values() if p.kind is not p.VAR_KEYWORD)
        error = cls(*(placeholder(p.name, str(p.annotation)) for p in named))
        yield from (":Message:", "   .. code-block:: none", "", f"      {error.message}", "")
        yield from (":Details: " + ", ".join(f"``{key}``" for key in error.details), "")
        parent = cls.__mro__[1]
        if parent is not exceptions.TripleOError:
            yield from (f":Is a: :ref:`{parent.__name__} <error-{parent.__name__}>`", "")


class Options(_Directive):
    """An entry for each option."""

    def lines(self) -> Iterator[str]:
        for option in config.OPTIONS:
            default = literal(option.default)
            if option.default == str(config.share_dir(Path(str(option.default)).name)):
                name = Path(option.default).name
                default = f"``share/tripleo-common/{name}`` of the installation"
            # A wildcard is no emphasis.
            text = str(option.help).replace("*", r"\*")
            yield from (f"``{option.name}``", f"   {text}", "")
            facts = [KINDS[type(option)], f"default: {default}"]
            if getattr(option.type, "min", None) is not None:
                facts.append(f"at least {option.type.min}")
            if getattr(option.type, "choices", None):
                facts.append("one of " + ", ".join(f"``{c}``" for c in option.type.choices))
            yield from (f"   ({'; '.join(facts)})", "")


class Ports(_Directive):
    """A table of the undercloud's services and their well-known ports."""

    def lines(self) -> Iterator[str]:
        yield from table(
            ["Service", "Catalogue type", "Processes and ports", "One in"],
            [
                [
                    f"``{cls.name}``",
                    f"``{cls.service_type}``",
                    ", ".join(f"``{name}`` {port}" for name, port in cls.ports.items()),
                    "each region" if cls.regional else "the first region",
                ]
                for cls in services.CLASSES
            ],
        )


class States(_Directive):
    """A table of the provision states of nodes."""

    def lines(self) -> Iterator[str]:
        yield from table(
            ["State", "", "Meaning", "What to do", "Moves from here"],
            [
                [
                    f"``{name}``",
                    state.kind.value,
                    state.meaning,
                    state.next,
                    ", ".join(
                        f"``{move}``" for move, way in states.MOVES.items() if name in way.origins
                    ),
                ]
                for name, state in states.STATES.items()
            ],
        )


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives."""
    app.add_directive("actions", Actions)
    app.add_directive("errors", Errors)
    app.add_directive("options", Options)
    app.add_directive("ports", Ports)
    app.add_directive("states", States)
    return {"parallel_read_safe": True}
