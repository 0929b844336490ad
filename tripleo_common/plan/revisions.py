"""What lies between two revisions of a plan: pure comparisons, and how they are told."""

from __future__ import annotations

import difflib
import io
import json
from collections.abc import Iterable, Mapping
from typing import Any

from tripleo_common import exceptions
from tripleo_common.plan import archive, placements, plan_environment, secrets, yaml_files

_NAMED = 8
"""How many paths a revision's summary names."""

_LISTED = 40
"""How many names one list has."""

_FILES_BYTES = 24_000
"""What one answer may hold of files: an execution's record stays below 64 KB."""

_PARAMETERS_BYTES = 12_000
"""The same for values of parameters."""

_VALUE_BYTES = 1000

_FILE_LINES = 10_000
"""Comparing lines takes time that grows faster than their number."""


def summary(
    old_files: archive.Files,
    old: Mapping[str, Any],
    new_files: archive.Files,
    new: Mapping[str, Any],
) -> dict[str, Any]:
    """Say in short what a change does: files, environments, names of parameters and passwords.

    :param old: the variables of the plan's environment before, and ``new`` after.
    """
    found: dict[str, Any] = {}
    files = _changed(old_files.hashes, new_files.hashes, skip=(plan_environment.FILE,))
    if any(files.values()):
        found["files"] = {
            kind: {"count": len(paths), "paths": paths[:_NAMED]}
            for kind, paths in files.items()
            if paths
        }
    environments = _environments(old, new)
    if environments:
        found["environments"] = environments
    for key in ("parameter_defaults", "passwords"):
        names = _changed(_mapping(old.get(key)), _mapping(new.get(key)))
        if any(names.values()):
            found[key] = {kind: _some(listed) for kind, listed in names.items() if listed}
    places = _placements(old, new, None)
    if places:
        found["placements"] = places
    return {**found, **_roots(old, new)}


def diff(
    old_files: archive.Files,
    old: Mapping[str, Any],
    new_files: archive.Files,
    new: Mapping[str, Any],
    hidden: Iterable[str] = (),
    paths: Iterable[str] | None = None,
) -> dict[str, Any]:
    """Say in full what lies between two states of a plan.

    :param hidden: names of parameters whose values are not shown; of an environment that sets one
        it is only said that it changed.
    :param paths: only files below these paths.
    :returns: ``files`` (``path``, ``change``, ``added`` and ``removed`` lines, and ``diff``, which
        is None of a file that is no text or holds secrets), ``environments``, ``parameters`` (name
        to ``from`` and ``to``, or ``"changed"`` for a secret), ``passwords`` (name to ``"changed"``
        ...), ``placements`` (names of those ``added`` and ``removed``, and ``parameters``: what the
        others override), ``roles``, ``template`` and ``truncated``: whether something is left out,
        for the answer would be too large.
    """
    wanted = None if paths is None else tuple(path.rstrip("/") for path in paths)
    secret = set(hidden)
    changed = _changed(old_files.hashes, new_files.hashes, skip=(plan_environment.FILE,))
    kinds = {
        path: kind
        for kind, listed in changed.items()
        for path in listed
        if wanted is None or any(path == each or path.startswith(f"{each}/") for each in wanted)
    }
    left = _FILES_BYTES
    files: list[dict[str, Any]] = []
    truncated = False
    # That a file changed is told before how others did.
    for path in sorted(kinds):
        entry = {"path": path, "change": kinds[path], "diff": None}
        left -= _size(entry) + len(', "added": 000000, "removed": 000000')
        if left < 0:
            truncated = True
            break
        files.append(entry)
    for entry in files:
        path = str(entry["path"])
        # Comparing takes time; nothing of it could be shown.
        if left <= 0:
            truncated = True
            break
        full = _file(path, old_files.contents.get(path), new_files.contents.get(path), secret)
        size = _size(full.get("diff"))
        if size > left:
            truncated = True
            full["diff"] = None
        else:
            left -= size
        entry.update(full)
    result: dict[str, Any] = {"files": files, "truncated": truncated}
    if wanted is not None:
        return result
    result["environments"] = _environments(old, new)
    result["parameters"], some = _parameters(old, new, secret)
    result["truncated"] = truncated or some
    listed = _changed(_mapping(old.get("passwords")), _mapping(new.get("passwords")))
    result["passwords"] = {name: kind for kind, names in listed.items() for name in names}
    result["placements"] = _placements(old, new, secret)
    return {**result, **_roots(old, new)}


def not_undone(
    deployed: Mapping[str, Any], target: Mapping[str, Any], changed_files: bool
) -> list[str]:
    """Say what going back cannot undo, in sentences, when a plan is deployed.

    :param deployed: the variables of the revision that is deployed.
    :param target: those of the revision that the plan goes back to.
    """
    told = [
        "The plan is deployed. Only the plan has gone back: deploy it to bring the stack into line."
    ]
    before, after = _roles(deployed), _roles(target)
    if before - after:
        told.append(
            f"Servers of the roles {_list(before - after)} are deleted by that deploy, with all "
            "data on them."
        )
    if after - before:
        told.append(
            f"Servers of the roles {_list(after - before)} are made anew by that deploy; what "
            "earlier ones held does not come back."
        )
    counts = {
        name
        for names in _changed(
            _mapping(deployed.get("parameter_defaults")), _mapping(target.get("parameter_defaults"))
        ).values()
        for name in names
        if name.endswith("Count")
    }
    if counts:
        told.append(
            f"{_list(counts)} changes: servers that are removed lose their data, and servers that "
            "come back are new ones."
        )
    passwords = _changed(_mapping(deployed.get("passwords")), _mapping(target.get("passwords")))
    if any(passwords.values()):
        told.append(
            "Passwords differ: services keep those that they were deployed with until the next "
            "deploy; what was encrypted with a newer key can no longer be read with an older one."
        )
    if changed_files or _environments(deployed, target):
        told.append(
            "Services stay as the deployed revision configured them, and software or database "
            "schemas that it upgraded are not downgraded."
        )
    return told


def _file(path: str, old: bytes | None, new: bytes | None, hidden: set[str]) -> dict[str, Any]:
    """Compare a file line by line; return nothing if it is not for showing."""
    try:
        texts = [(content or b"").decode("utf-8") for content in (old, new)]
    except UnicodeDecodeError:
        return {}
    # Not splitlines(), to which more than the end of a line is one.
    before, after = (list(io.StringIO(text)) for text in texts)
    if len(before) + len(after) > _FILE_LINES or any(_sets(text, hidden) for text in texts):
        return {}
    lines = [
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
        for line in difflib.unified_diff(
            before,
            after,
            f"a/{path}" if old is not None else "/dev/null",
            f"b/{path}" if new is not None else "/dev/null",
        )
    ]
    return {
        "added": sum(line.startswith("+") for line in lines[2:]),
        "removed": sum(line.startswith("-") for line in lines[2:]),
        "diff": "".join(lines),
    }


def _sets(text: str, hidden: set[str]) -> bool:
    """Tell whether a file is, or may be, an environment with a hidden parameter's value."""
    if "heat_template_version" in text or not any(name in text for name in hidden):
        return False
    if not any(key in text for key in plan_environment.VALUES):
        return False
    try:
        document = yaml_files.load(text, "")
    except exceptions.TripleOError:
        return True
    return isinstance(document, dict) and any(
        not hidden.isdisjoint(_mapping(document.get(key))) for key in plan_environment.VALUES
    )


def _parameters(
    old: Mapping[str, Any], new: Mapping[str, Any], hidden: set[str]
) -> tuple[dict[str, Any], bool]:
    """Return what has become of parameters, and whether some are left out."""
    before, after = (_mapping(each.get("parameter_defaults")) for each in (old, new))
    found: dict[str, Any] = {}
    left = _PARAMETERS_BYTES
    for name in sorted(name for names in _changed(before, after).values() for name in names):
        entry = _values(name, before, after, hidden)
        left -= _size({name: entry})
        if left < 0:
            return found, True
        found[name] = entry
    return found, False


def _changed(
    old: Mapping[str, Any], new: Mapping[str, Any], skip: Iterable[str] = ()
) -> dict[str, list[str]]:
    names = sorted({*old, *new}.difference(skip))
    return {
        "added": [name for name in names if name not in old],
        "changed": [
            n for n in names if n in old and n in new and not secrets.is_same(old[n], new[n])
        ],
        "removed": [name for name in names if name not in new],
    }


def _environments(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    before, after = (
        [_environment(item) for item in listed] if isinstance(listed, list) else []
        for listed in (old.get("environments"), new.get("environments"))
    )
    if before == after:
        return {}
    return {
        "added": _some([item for item in after if item not in before]),
        "removed": _some([item for item in before if item not in after]),
        "order": _some(after),
    }


def _placements(
    old: Mapping[str, Any], new: Mapping[str, Any], hidden: set[str] | None
) -> dict[str, Any]:
    """Return what has become of a plan's placements.

    :param hidden: names of the parameters whose values are not shown; None for names alone.
    """
    before, after = (
        {place.name: place.parameter_defaults for place in placements.listed(each)}
        for each in (old, new)
    )
    found: dict[str, Any] = {
        kind: names
        for kind, names in (
            ("added", sorted(after.keys() - before.keys())),
            ("removed", sorted(before.keys() - after.keys())),
        )
        if names
    }
    overrides = {}
    for name in sorted(before.keys() & after.keys()):
        changed = _changed(before[name], after[name])
        if any(changed.values()):
            overrides[name] = (
                {kind: _some(names) for kind, names in changed.items() if names}
                if hidden is None
                else {
                    each: _values(each, before[name], after[name], hidden)
                    for names in changed.values()
                    for each in names[:_LISTED]
                }
            )
    return {**found, "parameters": overrides} if overrides else found


def _environment(item: Any) -> str:
    return str(item["path"]) if isinstance(item, Mapping) and "path" in item else "(inline)"


def _roots(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: {"from": old.get(key), "to": new.get(key)}
        for key in ("template", "roles")
        if old.get(key) != new.get(key)
    }


def _roles(variables: Mapping[str, Any]) -> set[str]:
    listed = variables.get("roles")
    return {name for name in listed if isinstance(name, str)} if isinstance(listed, list) else set()


def _values(name: str, old: Mapping[str, Any], new: Mapping[str, Any], hidden: set[str]) -> Any:
    if name in hidden or any(secrets.is_encrypted(values.get(name)) for values in (old, new)):
        return "changed"
    return {key: _short(each[name]) for key, each in (("from", old), ("to", new)) if name in each}


def _short(value: Any) -> Any:
    size = _size(value)
    return value if size <= _VALUE_BYTES else f"({size} bytes)"


def _size(value: Any) -> int:
    """Return how many bytes a value takes in an answer."""
    return len(json.dumps(value))


def _some(names: list[str]) -> list[str]:
    return names if len(names) <= _LISTED else [*names[:_LISTED], f"({len(names)} in all)"]


def _mapping(value: Any) -> Mapping[str, Any]:
    """Return a mapping of a plan's environment, which clients write as well."""
    return value if isinstance(value, Mapping) else {}


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
