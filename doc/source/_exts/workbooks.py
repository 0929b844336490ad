"""The directive ``workbooks``: a section for each workflow of ``workbooks/*.yaml``.

What is shown is read from the files at each build, so it is what the workbooks say.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

WORKBOOKS = Path(__file__).resolve().parents[3] / "workbooks"


def literal(value: object) -> str:
    """Write a value as YAML does, as reStructuredText."""
    if value is None:
        return "``null``"
    text = yaml.safe_dump(value, default_flow_style=True, width=1000).splitlines()[0]
    return f"``{text}``"


def table(headings: list[str], rows: list[list[str]]) -> Iterator[str]:
    """Yield a ``list-table`` of one-line cells."""
    yield from (".. list-table::", "   :header-rows: 1", "")
    for row in [headings, *rows]:
        for number, cell in enumerate(row):
            yield f"   {'  ' if number else '* '}- {cell}"
    yield ""


class Workbooks(SphinxDirective):
    """Shows every workflow: what it does, its inputs, what it calls and what it returns."""

    def run(self) -> list[nodes.Node]:
        lines: list[str] = []
        for file in sorted(WORKBOOKS.glob("*.yaml")):
            self.env.note_dependency(str(file))
            lines += workbook(yaml.safe_load(file.read_text(encoding="utf-8")))
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def workbook(data: dict[str, Any]) -> Iterator[str]:
    """Yield the section of a workbook."""
    yield from (data["name"], "=" * len(data["name"]), "", data["description"], "")
    for name, spec in data["workflows"].items():
        yield from workflow(data["name"], name, spec)


def workflow(book: str, name: str, spec: dict[str, Any]) -> Iterator[str]:
    """Yield the section of a workflow."""
    full = f"{book}.{name}"
    yield from (f".. _workflow-{full}:", "", full, "-" * len(full), "")
    yield from (" ".join(spec["description"].split()), "")

    inputs = []
    for item in spec.get("input", []):
        ((key, default),) = item.items() if isinstance(item, dict) else [(item, None)]
        inputs.append([f"``{key}``", literal(default) if isinstance(item, dict) else "required"])
    yield from table(["Input", "Default"], inputs)

    for section, title in (("output", "Output"), ("output-on-error", "Output on error")):
        keys = ", ".join(f"``{key}``" for key in spec.get(section, {}))
        status = spec.get(section, {}).get("status")
        yield from (f":{title}: {keys}; ``status`` is ``{status}``.",)
    called: dict[str, None] = {}
    for task in spec["tasks"].values():
        if action := task.get("action"):
            if not action.startswith("std."):
                called[f":ref:`{action} <action-{action}>`"] = None
        elif other := task.get("workflow"):
            target = other if "." in other else f"{book}.{other}"
            called[f":ref:`{target} <workflow-{target}>`"] = None
    yield from (f":Calls: {', '.join(called)}", "")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("workbooks", Workbooks)
    return {"parallel_read_safe": True}
