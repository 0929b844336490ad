"""A plan's past: what it was, what changed, going back, and taking it elsewhere."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from concurrent import futures
from typing import Any

from tripleo_common import clouds, exceptions
from tripleo_common.plan import (
    archive,
    capabilities,
    container,
    heat,
    lock,
    placements,
    plan_environment,
    revisions,
    secrets,
    store,
    tarball,
    yaml_files,
)
from tripleo_common.plan.candidate import Candidate
from tripleo_common.plan.changes import Change
from tripleo_common.plan.plans import Plans
from tripleo_common.plan.site import Site

EXPORTS = "plan-exports"
"""The container that exported plans are put into, as upstream's clients expect."""

SECRETS_FILE = "plan-secrets.json"
"""A plan's secrets in an export, sealed with a passphrase."""

_SECRETS = ("passwords", "parameter_defaults")
"""Where a plan's environment has secrets, besides its inline environments."""

_SHOWN = 100

_HISTORY_BYTES = 40_000
"""What one answer may hold of the past: an execution's record stays below 64 KB."""


def history(plans: Plans, plan: str, limit: int = 20) -> list[dict[str, Any]]:
    """Return a plan's last revisions, newest first.

    :param limit: at most so many; there are fewer where they would be too large an answer.
    :returns: of each ``revision``, ``user``, ``time`` (UTC), ``reason``, ``action``, ``what`` and
        ``deployed`` (whether it ever was).
    :raises PlanNotFound: there is no such plan.
    """
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        raise exceptions.InputInvalid("limit", "must be a number of revisions, 1 or more.")
    target = plans.open(plan, anywhere=True)
    current = target.read().revision
    numbers = [number for number in target.archive.numbers() if number <= current]
    if not numbers:
        return []
    deployed = set(target.archive.deployed())
    records = target.archive.records(numbers[-min(limit, _SHOWN) :])
    shown = ("revision", "user", "time", "reason", "action", "execution", "what")
    told: list[dict[str, Any]] = []
    left = _HISTORY_BYTES
    for number in sorted(records, reverse=True):
        entry = {key: records[number].get(key) for key in shown}
        left -= len(json.dumps(entry))
        if told and left < 0:
            break
        told.append({**entry, "deployed": number in deployed})
    return told


def show(plans: Plans, plan: str) -> dict[str, Any]:
    """Return what a plan is at this moment, without its files and secrets.

    :returns: ``name``, ``revision``, ``template``, ``environments``, ``conflicts`` (rules of the
        capabilities map that these break, as only a direct write can), ``roles``, ``parameters``
        (masked), ``passwords`` (names), ``files`` (count), ``bytes``, ``lock`` (owner, reason,
        since, age in seconds; or None), ``problem`` (what is wrong with what was written directly;
        then there is nothing of what the plan sets), and ``placements``, the home first: of each
        ``name``, ``cloud``, ``region``, ``parameters`` (masked; those that it overrides),
        ``revision`` and ``stale``, ``uncommitted`` (paths that somebody wrote directly there, and
        whether the environment was), ``synced`` (whether its container shows the revision),
        ``deployed`` (the revision that its stack was last made or updated from, or None) and
        ``problem`` (why the last three are not known, or None). ``uncommitted``, ``synced`` and
        ``deployed`` are those of the placement that the call names, or of the home.
    :raises PlanNotFound: there is no such plan.
    """
    target = plans.open(plan, anywhere=True)
    state = target.read()
    held = lock.read(plans.home, plan)
    hidden: set[str] = set()
    try:
        candidate = plans.candidate(state)
        settings, problem = _settings(candidate), None
        hidden = candidate.hidden
    except exceptions.TripleOError as error:
        settings, problem = {}, error.message
    with futures.ThreadPoolExecutor(len(state.placements)) as pool:
        places = list(
            pool.map(lambda place: _placement(plans, target, state, place), state.placements)
        )
    for place, told in zip(state.placements, places, strict=True):
        # What nobody knows to be no secret is not shown.
        names = hidden if problem is None else set(place.parameter_defaults)
        told["parameters"] = secrets.mask(place.parameter_defaults, names)
    here = next(told for told in places if told["name"] == state.placement.name)
    return {
        "name": plan,
        "revision": state.revision,
        **settings,
        "problem": problem,
        "files": len(state.files.contents),
        "bytes": sum(len(content) for content in state.files.contents.values()),
        "lock": lock.describe(held) if held else None,
        **{key: here[key] for key in ("uncommitted", "synced", "deployed")},
        "placements": places,
    }


def _placement(
    plans: Plans, target: store.Store, state: store.State, place: placements.Placement
) -> dict[str, Any]:
    """Return what is shown of one placement; one that does not answer is shown as well."""
    revision = state.stale.get(place.name, state.revision)
    told: dict[str, Any] = {
        "name": place.name,
        "cloud": place.cloud,
        "region": place.region,
        "revision": revision,
        "stale": place.name in state.stale,
        "uncommitted": None,
        "synced": None,
        "deployed": None,
        "problem": None,
    }
    is_here = place.is_at(state.placement)
    site: Site | None = None
    try:
        site = target.site if is_here else plans.open_site(state.plan, place)
        if is_here:
            look, direct = state.look, state.direct
        else:
            look, direct = site.direct(state.base, revision)
        told["uncommitted"] = {
            "files": direct[:_SHOWN],
            "environment": state.environment_written,
        }
        told["synced"] = look.revision == state.revision
        deployed = site.archive.deployed()
        if deployed and heat.stack_id(site.cloud, state.plan):
            told["deployed"] = deployed[-1]
    except Exception as error:
        known = clouds.translate(error, site.cloud.names if site else {})
        # The plan is known by now; of what does not answer it is told that it does not.
        if known is None:
            raise
        told["problem"] = known.message
    return told


def _settings(candidate: Candidate) -> dict[str, Any]:
    variables = candidate.variables
    return {
        "template": variables.get("template"),
        "environments": [item.get("path", "(inline)") for item in variables["environments"]],
        "conflicts": [
            fault["message"]
            for fault in capabilities.check(
                variables.get("capabilities"), variables["environments"]
            )
        ],
        "roles": variables.get("roles"),
        "parameters": secrets.mask(variables.get("parameter_defaults") or {}, candidate.hidden),
        "passwords": sorted(variables.get("passwords") or {}),
    }


def diff(
    plans: Plans,
    plan: str,
    old: int | None = None,
    new: int | None = None,
    paths: list[str] | None = None,
) -> dict[str, Any]:
    """Say what lies between two revisions of a plan.

    :param old: number of the earlier one; the one before ``new`` if it is not given.
    :param new: number of the later one; the plan as it is now, with what was written directly and
        is not committed yet, if it is not given.
    :param paths: only these files, or all below these directories.
    :returns: ``from``, ``to`` and what :func:`revisions.diff` returns.
    :raises RevisionNotFound: there is no such revision, or it is not kept.
    """
    if paths is not None and (
        not isinstance(paths, list) or not all(isinstance(path, str) for path in paths)
    ):
        raise exceptions.InputInvalid("paths", "must be a list of paths.")
    target = plans.open(plan)
    state = target.read()
    candidate = plans.candidate(state)
    if new is None:
        after, variables = archive.Files.of(candidate.files, state.files), candidate.variables
        if old is None:
            old = state.revision if not state.is_committed else state.revision - 1
    else:
        after, variables = _revision(target, state, new)
        if old is None:
            old = new - 1
    if old == 0:
        before, earlier = archive.Files.of({}), dict[str, Any]()
    else:
        before, earlier = _revision(target, state, old)
    found = revisions.diff(before, earlier, after, variables, candidate.hidden, paths)
    return {"from": old, "to": new if new is not None else "now", **found}


_NOWHERE = placements.Placement(None, "")


def rollback(
    plans: Plans, plan: str, revision: int, change: Change
) -> tuple[store.Committed, list[str]]:
    """Make a new revision that equals an old one.

    :returns: what was committed, and sentences on what this cannot undo, if the plan is deployed.
    :raises RevisionNotFound: there is no such revision, or it is not kept.
    """
    told: list[str] = []
    target = plans.open(plan)

    # Nothing of what the plan is counts: it may be broken, which is why somebody goes back.
    def start(state: store.State) -> Candidate:
        files, variables = _revision(target, state, revision)
        deployed = target.archive.deployed()
        if deployed and heat.stack_id(target.cloud, plan):
            try:
                there, running = _revision(target, state, deployed[-1])
            except exceptions.RevisionNotFound:
                there, running = state.base, state.variables
            told[:] = revisions.not_undone(running, variables, there.id != files.id)
        # Nothing is rendered anew: what that revision had was rendered then.
        # Where the plan is placed is no part of what it was.
        there_then = {place.name: place for place in placements.listed(variables)}
        variables[placements.VARIABLE] = placements.dump(
            dataclasses.replace(
                place,
                parameter_defaults=there_then.get(place.name, _NOWHERE).parameter_defaults,
            )
            for place in state.placements
        )
        return Candidate(plan, dict(files.contents), variables, files, state.placement)

    return plans.change(plan, change, lambda _: None, start=start), told


def export(
    plans: Plans,
    plan: str,
    *,
    exports_container: str = EXPORTS,
    delete_after: int = 3600,
    passphrase: str | None = None,
) -> dict[str, Any]:
    """Put a plan, as one tarball, where it can be fetched from.

    It has no secrets, unless a passphrase is given: then they are sealed with that.

    :param delete_after: seconds after which Swift removes it.
    :returns: ``container``, ``object``, ``revision``, ``secrets`` (names of those that it has).
    """
    if not isinstance(delete_after, int) or isinstance(delete_after, bool) or delete_after < 1:
        raise exceptions.InputInvalid("delete_after", "must be a number of seconds, 1 or more.")
    kept = plans.open(plan)
    state = kept.read()
    target = _exports(kept.cloud, exports_container)
    candidate = plans.candidate(state)
    files = {
        path: content
        for path, content in candidate.files.items()
        if path not in candidate.variables["rendered"]
    }
    files.pop(SECRETS_FILE, None)
    names: set[str] = set()
    if passphrase is not None:
        opened = _opened(candidate.variables)
        names.update(*(opened[key] for key in _SECRETS), *opened["environments"].values())
        files[SECRETS_FILE] = secrets.seal(opened, passphrase).encode()
    target.ensure()
    name = f"{plan}.tar.gz"
    target.write({name: tarball.pack(files)}, "application/gzip", {"X-Delete-After": delete_after})
    return {
        "container": exports_container,
        "object": name,
        "revision": state.revision,
        "secrets": sorted(names),
    }


def _exports(cloud: clouds.Cloud, name: object) -> container.Container:
    """Return the container for exported plans, which must not be one of a plan."""
    if not isinstance(name, str) or not re.fullmatch(r"[\w.-]{1,64}", name, re.ASCII):
        raise exceptions.InputInvalid("exports_container", "must be the name of a container.")
    for usage in ("plan", "revisions"):
        if container.Container(cloud, name, usage).is_marked():
            raise exceptions.InputInvalid(
                "exports_container", f"names {name}, which holds a plan. Name another one."
            )
    return container.Container(cloud, name, "exports")


def take_secrets(files: dict[str, bytes], passphrase: str | None) -> dict[str, Any]:
    """Take the sealed secrets out of an exported plan's files.

    :param files: the plan's files; the sealed secrets are removed from them.
    :returns: variables of a plan's environment: ``passwords`` and ``parameter_defaults``; empty
        without a passphrase.
    :raises SecretUnreadable: it is the wrong passphrase.
    """
    sealed = files.pop(SECRETS_FILE, None)
    if passphrase is None:
        return {}
    if sealed is None:
        raise exceptions.InputInvalid(
            "passphrase", "is given, and these templates hold no sealed secrets."
        )
    opened = secrets.open_sealed(sealed.decode("utf-8", "replace"), passphrase)
    found = {}
    for key in (*_SECRETS, "environments"):
        values = opened.get(key) if isinstance(opened, Mapping) else None
        if not isinstance(values, dict):
            raise exceptions.FileInvalid(SECRETS_FILE, f"{key} must hold a mapping")
        found[key] = values
    _fill(files, found.pop("environments"))
    return found


def _opened(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the secrets of a plan's environment; of inline environments by their position."""
    vault = secrets.Vault.from_options()

    def opened(values: Mapping[str, Any] | None) -> dict[str, Any]:
        return {
            name: vault.decrypt(value, name)
            for name, value in (values or {}).items()
            if secrets.is_encrypted(value)
        }

    found: dict[str, Any] = {key: opened(variables.get(key)) for key in _SECRETS}
    found["environments"] = {}
    for number, item in enumerate(variables.get("environments") or []):
        inside = opened((item.get("data") or {}).get("parameter_defaults"))
        if inside:
            found["environments"][str(number)] = inside
    return found


def _fill(files: dict[str, bytes], inside: Mapping[str, Any]) -> None:
    """Put secrets of inline environments, encrypted, back where an export left them out."""
    path = plan_environment.FILE
    if not inside or path not in files:
        return
    document = yaml_files.load_mapping(yaml_files.text(files[path], path), path)
    vault = secrets.Vault.from_options()
    environments = document.get("environments")
    for number, item in enumerate(environments if isinstance(environments, list) else []):
        data = item.get("data") if isinstance(item, dict) else None
        values = inside.get(str(number))
        if isinstance(data, dict) and isinstance(values, dict):
            kept = data.get("parameter_defaults")
            data["parameter_defaults"] = {
                **(kept if isinstance(kept, dict) else {}),
                **{name: vault.encrypt(value) for name, value in values.items()},
            }
    files[path] = yaml_files.dump(document).encode()


def _revision(
    target: store.Store, state: store.State, number: object
) -> tuple[archive.Files, dict[str, Any]]:
    """Return files and variables of a revision."""
    if not isinstance(number, int) or isinstance(number, bool):
        raise exceptions.InputInvalid("revision", "must be the number of a revision.")
    record = target.archive.record(number) if 0 < number <= state.revision else None
    if record is None:
        numbers = [each for each in target.archive.numbers() if each <= state.revision]
        raise exceptions.RevisionNotFound(target.plan, number, numbers)
    environment = json.loads(json.dumps(record["environment"]))
    return target.archive.files(str(record["files"]), number), environment
