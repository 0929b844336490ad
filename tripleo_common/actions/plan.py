"""``tripleo.plan.*``"""

from __future__ import annotations

from typing import Any

from tripleo_common import clouds, exceptions
from tripleo_common.actions import base
from tripleo_common.deployment import stacks
from tripleo_common.plan import history, placing, sources, tarball


class CreateContainer(base.Action):
    """Make the container that a plan's templates are then uploaded to. Result: nothing."""

    container: str

    def perform(self, request: base.Request) -> None:
        request.plans.create_container(self.container)


class Create(base.ChangeAction):
    """Make a plan of the templates in its container, of the default ones, or of a source_url.

    Also from a directory or tarball of the executor (templates_path). An exported plan's secrets
    come along if its passphrase is given. With sync false a container of many files gets those
    that clients read by name, and tripleo.plan.sync is to be called for the others; the plan is
    usable at once.
    Result: revision and synced (whether the container shows all files).
    """

    container: str
    source_url: str | None = None
    use_default_templates: bool = False
    templates_path: str | None = None
    generate_passwords: bool = True
    passphrase: str | None = None
    sync: bool = True

    def perform(self, request: base.Request) -> dict[str, Any]:
        # A name that cannot be is refused before anything is fetched for it.
        cloud = request.plans.open(self.container).cloud
        files = _source(cloud, self.source_url, self.templates_path, self.use_default_templates)
        variables: dict[str, Any] = {}
        if files is not None:
            variables = history.take_secrets(files, self.passphrase)
        elif self.passphrase is not None:
            raise exceptions.InputInvalid("passphrase", "goes with a source_url.")
        committed = request.plans.create(
            self.container,
            self.change(request),
            files=files,
            variables=variables,
            generate_passwords=self.generate_passwords,
            sync=self.sync,
        )
        return {"revision": committed.revision, "synced": committed.synced}


class Update(base.ChangeAction):
    """Take over what a plan's templates now say, or those of a source_url, which replace them.

    plan_environment (template, environments, parameter_defaults, passwords) replaces what the plan
    has of these. Result: revision, changed and stale (placements that did not get it).
    """

    container: str
    source_url: str | None = None
    plan_environment: dict[str, Any] | None = None
    generate_passwords: bool = True

    def perform(self, request: base.Request) -> dict[str, Any]:
        cloud = request.plans.open(self.container).cloud
        committed = request.plans.update(
            self.container,
            self.change(request),
            files=_source(cloud, self.source_url, None, False),
            plan_environment=self.plan_environment,
            generate_passwords=self.generate_passwords,
        )
        return committed.to_dict()


class List(base.Action):
    """Return the sorted names of all plans."""

    def perform(self, request: base.Request) -> list[str]:
        return request.plans.names()


class Delete(base.ChangeAction):
    """Remove a plan in all of its placements: files, containers, environment.

    Refused while it has a stack in any of them. Result: nothing.
    """

    container: str

    def perform(self, request: base.Request) -> None:
        request.plans.delete(
            self.container,
            self.change(request),
            lambda site: stacks.check_unused(site.cloud, self.container, site.placement.name),
        )


class AddPlacement(base.ChangeAction):
    """Place a plan in one more region (action_region) of a cloud (cloud), with all of its history.

    With sync false its container there gets the files that clients read by name, and
    tripleo.plan.sync is to be called for the others. Result: placement (its name), revision,
    changed, stale and synced.
    """

    container: str
    sync: bool = True

    def perform(self, request: base.Request) -> dict[str, Any]:
        committed, place = placing.add(
            request.plans,
            self.container,
            *request.place,
            self.change(request),
            sync=self.sync,
        )
        return {"placement": place.name, **committed.to_dict(), "synced": committed.synced}


class RemovePlacement(base.ChangeAction):
    """Take the placement in action_region (of cloud) from a plan, with its containers there.

    Refused while a stack is there. With force one that does not answer is taken from the plan as
    well, and what is there stays there. Result: revision, changed and stale.
    """

    container: str
    force: bool = False

    def perform(self, request: base.Request) -> dict[str, Any]:
        return placing.remove(
            request.plans,
            self.container,
            *request.place,
            self.change(request),
            force=self.force,
        ).to_dict()


class Sync(base.ChangeAction):
    """Bring placements up to a plan's revision, and their containers into line with it.

    That is the placement in action_region (of cloud); all of them without. Other changes of the
    plan may come in between. What was written directly stays. Result: placements: placement, state
    (synced) and message of each. If one stays stale that is an error, which tells the same.
    """

    container: str = "overcloud"

    def perform(self, request: base.Request) -> dict[str, Any]:
        told = placing.sync(request.plans, self.container, self.change(request))
        if any(each["state"] != "synced" for each in told):
            raise exceptions.SyncIncomplete(self.container, told)
        return {"placements": told}


class StartSync(base.Action):
    """Start tripleo.plan_management.v1.sync_plan, and do not wait. Result: its execution's id."""

    container: str = "overcloud"

    def perform(self, request: base.Request) -> str:
        started = request.home.mistral.executions.create(
            "tripleo.plan_management.v1.sync_plan",
            workflow_input={
                "container": request.plans.open(self.container, anywhere=True).plan,
                "action_region": request.place[1],
                "cloud": request.place[0],
            },
            description=f"Files of plan {self.container}",
        )
        return str(started.id)


class Show(base.Action):
    """Return what a plan is now: revision, template, environments, roles, parameters (masked) ...

    Also its lock, what was written to it directly, and the revision that is deployed.
    """

    container: str = "overcloud"

    def perform(self, request: base.Request) -> dict[str, Any]:
        shown = history.show(request.plans, self.container)
        return request.answer(self.container, "show", shown, anywhere=True)


class History(base.Action):
    """Return a plan's last revisions, newest first: revision, user, time, reason, action, what."""

    container: str = "overcloud"
    limit: int = 20

    def perform(self, request: base.Request) -> list[dict[str, Any]]:
        return history.history(request.plans, self.container, self.limit)


class Diff(base.Action):
    """Return what lies between two revisions: files with their diffs, environments, parameters.

    Without to_revision: up to now, with what is not committed. Without from_revision: from the one
    before. paths restricts it to files and directories. Secrets are only said to be changed.
    """

    container: str = "overcloud"
    from_revision: int | None = None
    to_revision: int | None = None
    paths: list[str] | None = None

    def perform(self, request: base.Request) -> dict[str, Any]:
        found = history.diff(
            request.plans, self.container, self.from_revision, self.to_revision, self.paths
        )
        return request.answer(self.container, "diff", found)


class Rollback(base.ChangeAction):
    """Make a new revision of a plan that equals an old one.

    Result: revision, changed, stale, and not_undone: sentences on what this cannot undo if the plan
    is deployed.
    """

    container: str
    revision: int

    def perform(self, request: base.Request) -> dict[str, Any]:
        committed, told = history.rollback(
            request.plans, self.container, self.revision, self.change(request)
        )
        return {**committed.to_dict(), "not_undone": told}


class Export(base.Action):
    """Put a plan, as one tarball, into exports_container, for delete_after seconds.

    Without secrets; with a passphrase they are in it, sealed. Result: container, object, revision
    and secrets (names).
    """

    plan: str
    delete_after: int = 3600
    exports_container: str = history.EXPORTS
    passphrase: str | None = None

    def perform(self, request: base.Request) -> dict[str, Any]:
        return history.export(
            request.plans,
            self.plan,
            exports_container=self.exports_container,
            delete_after=self.delete_after,
            passphrase=self.passphrase,
        )


def _source(
    cloud: clouds.Cloud, source_url: str | None, templates_path: str | None, default: bool
) -> dict[str, bytes] | None:
    """Return the files that a plan's inputs name; None means those in its container."""
    given = [source_url is not None, templates_path is not None, bool(default)]
    if sum(given) > 1:
        raise exceptions.InputInvalid(
            "source_url", "goes neither with templates_path nor with use_default_templates."
        )
    if source_url is not None:
        return sources.fetch(source_url, cloud.swift, cloud.deadline)
    if any(given):
        return tarball.read(sources.allowed_path(templates_path, "templates_path"))
    return None
