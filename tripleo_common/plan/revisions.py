"""What lies between two revisions of a plan: pure comparisons, and how they are told."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from tripleo_common.plan import archive, plan_environment, secrets

_NAMED = 8
"""How many paths a revision's summary names."""

_DIFF_BYTES = 40_000
"""What one answer may hold of differences: an execution's record stays below 64 KB."""

_VALUE_BYTES = 1000

_FILE_LINES = 20_000
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
        names = _changed(old.get(key) or {}, new.get(key) or {})
        if any(names.values()):
            found[key] = {kind: listed for kind, listed in names.items() if listed}
    for key in ("template", "roles"):
        if old.get(key) != new.get(key):
            found[key] = {"from": old.get(key), "to": new.get(key)}
    return found


def diff(
    old_files: archive.Files,
    old: Mapping[str, Any],
    new_files: archive.Files,
    new: Mapping[str, Any],
    hidden: Iterable[str] = (),
    paths: Iterable[str] | None = None,
) -> dict[str, Any]:
    """Say in full what lies between two states of a plan.

    :param hidden: names of parameters whose values are not shown.
    :param paths: only files below these paths.
    :returns: ``files`` (``path``, ``change``, ``added`` and ``removed`` lines, ``diff`` or, where
        the answer would be too large, None), ``environments``, ``parameters`` (name to ``from``
        and ``to``, or ``"changed"`` for a secret), ``passwords`` (name to ``"changed"`` ...),
        ``roles``, ``template`` and ``truncated``.
    """
    wanted = None if paths is None else tuple(path.rstrip("/") for path in paths)
    left = _DIFF_BYTES
    files: list[dict[str, Any]] = []
    truncated = False
    changed = _changed(old_files.hashes, new_files.hashes, skip=(plan_environment.FILE,))
    for kind, listed in changed.items():
        for path in listed:
            if wanted is not None and not any(
                path == each or path.startswith(f"{each}/") for each in wanted
            ):
                continue
            entry = _file(path, kind, old_files.contents.get(path), new_files.contents.get(path))
            size = len(entry["diff"] or "")
            if size > left:
                entry["diff"] = None
                truncated = True
            else:
                left -= size
            files.append(entry)
    files.sort(key=lambda entry: str(entry["path"]))
    if len(files) > 200:
        truncated = True
    result: dict[str, Any] = {"files": files[:200], "truncated": truncated}
    if wanted is not None:
        return result
    secret = set(hidden)
    result["environments"] = _environments(old, new)
    result["parameters"] = {
        name: _values(name, old.get("parameter_defaults"), new.get("parameter_defaults"), secret)
        for kind in _changed(
            old.get("parameter_defaults") or {}, new.get("parameter_defaults") or {}
        ).values()
        for name in kind
    }
    result["passwords"] = {
        name: kind
        for kind, names in _changed(old.get("passwords") or {}, new.get("passwords") or {}).items()
        for name in names
    }
    for key in ("template", "roles"):
        if old.get(key) != new.get(key):
            result[key] = {"from": old.get(key), "to": new.get(key)}
    return result


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
    before, after = set(deployed.get("roles") or []), set(target.get("roles") or [])
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
            deployed.get("parameter_defaults") or {}, target.get("parameter_defaults") or {}
        ).values()
        for name in names
        if name.endswith("Count")
    }
    if counts:
        told.append(
            f"{_list(counts)} changes: servers that are removed lose their data, and servers that "
            "come back are new ones."
        )
    passwords = _changed(deployed.get("passwords") or {}, target.get("passwords") or {})
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


def _file(path: str, kind: str, old: bytes | None, new: bytes | None) -> dict[str, Any]:
    entry: dict[str, Any] = {"path": path, "change": kind, "diff": None}
    try:
        before = (old or b"").decode("utf-8").splitlines(keepends=True)
        after = (new or b"").decode("utf-8").splitlines(keepends=True)
    except UnicodeDecodeError:
        return entry
    if len(before) + len(after) > _FILE_LINES:
        return entry
    lines = [
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
        for line in difflib.unified_diff(
            before,
            after,
            f"a/{path}" if old is not None else "/dev/null",
            f"b/{path}" if new is not None else "/dev/null",
        )
    ]
    entry["added"] = sum(line.startswith("+") for line in lines[2:])
    entry["removed"] = sum(line.startswith("-") for line in lines[2:])
    entry["diff"] = "".join(lines)
    return entry


def _changed(
    old: Mapping[str, Any], new: Mapping[str, Any], skip: Iterable[str] = ()
) -> dict[str, list[str]]:
    names = sorted({*old, *new}.difference(skip))
    return {
        "added": [name for name in names if name not in old],
        "changed": [n for n in names if n in old and n in new and old[n] != new[n]],
        "removed": [name for name in names if name not in new],
    }


def _environments(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    before = [_environment(item) for item in old.get("environments") or []]
    after = [_environment(item) for item in new.get("environments") or []]
    if before == after:
        return {}
    return {
        "added": [item for item in after if item not in before],
        "removed": [item for item in before if item not in after],
        "order": after,
    }


def _environment(item: Mapping[str, Any]) -> str:
    return str(item["path"]) if "path" in item else "(inline)"


def _values(name: str, old: Any, new: Any, hidden: set[str]) -> Any:
    before, after = (old or {}).get(name), (new or {}).get(name)
    if name in hidden or secrets.is_encrypted(before) or secrets.is_encrypted(after):
        return "changed"
    found = {}
    if name in (old or {}):
        found["from"] = _short(before)
    if name in (new or {}):
        found["to"] = _short(after)
    return found


def _short(value: Any) -> Any:
    size = len(json.dumps(value))
    return value if size <= _VALUE_BYTES else f"({size} bytes)"


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
