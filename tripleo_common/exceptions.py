"""Every error of this project.

Each error has a machine-readable :attr:`~TripleOError.type`, one plain sentence as its message and
its data as attributes, which are also its ``details``. ``tripleo_common.actions.base`` turns them
into results of Mistral actions; nothing else does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class TripleOError(Exception):
    """Root of all errors.

    :param message: one sentence: the thing, what was wrong, what exists instead, what to do.
    :param details: JSON-able data, kept as attributes.
    """

    def __init__(self, message: str, **details: Any) -> None:
        """Keep the message and the data."""
        super().__init__(message)
        self.message = message
        self.details = details
        self.__dict__.update(details)

    @property
    def type(self) -> str:
        """The machine-readable kind: the class's name."""
        return type(self).__name__

    def to_dict(self) -> dict[str, Any]:
        """Return the error as ``{"type", "message", "details"}``."""
        return {"type": self.type, "message": self.message, "details": self.details}


class UndercloudError(TripleOError):
    """The embedded undercloud cannot do what was asked."""


class InputInvalid(TripleOError):
    """An input of an action or workflow is not of the kind that it must be."""

    def __init__(self, name: str, problem: str) -> None:
        """Name the input and say what is wrong with it."""
        super().__init__(f"Input {name!r} {problem}", name=name)


class LimitExceeded(TripleOError):
    """Something is larger than the configuration allows."""

    def __init__(self, what: str, size: int, limit: int, unit: str, option: str) -> None:
        """Name the thing, its size, the limit and the option that sets it."""
        super().__init__(
            f"{what} has {size} {unit}; at most {limit} are allowed "
            f"(option {option} of the group [tripleo]).",
            what=what,
            size=size,
            limit=limit,
            option=option,
        )


class PlanNameInvalid(TripleOError):
    """The name cannot be a plan's: it must do as a container, a stack and an environment."""

    def __init__(self, plan: object) -> None:
        """Name the name and the rule."""
        super().__init__(
            f"{str(plan)[:80]!r} cannot be the name of a plan. A name must only contain letters, "
            "numbers or dashes, start with a letter and have at most 64 characters.",
            plan=str(plan)[:80],
        )


class PlanNotFound(TripleOError):
    """There is no plan of that name."""

    def __init__(self, plan: str, available: Iterable[str]) -> None:
        """Name the plan and those that exist."""
        names = sorted(available)
        super().__init__(
            f"There is no plan {plan!r}. Plans: {one_of(names)}.", plan=plan, available=names[:100]
        )


class ContainerNotFound(TripleOError):
    """A plan is to be made from a container that is not there."""

    def __init__(self, plan: str) -> None:
        """Name the container and the ways to get one."""
        super().__init__(
            f"There is no container {plan!r} in this cloud and region. If it is in another, "
            "name that (action_region, cloud). Otherwise create it with "
            "tripleo.plan.create_container and upload the templates into it, or use the default "
            "templates (use_default_templates).",
            plan=plan,
        )


class PlanExists(TripleOError):
    """A plan, or a part of one, of that name is there already."""

    def __init__(self, plan: str, part: str) -> None:
        """Name the plan and which part of it (``container`` or ``Mistral environment``) exists."""
        super().__init__(
            f"A {part} with the name {plan} already exists. Choose another name, or delete that "
            "plan first (tripleo.plan.delete).",
            plan=plan,
            part=part,
        )


class FileNotInPlan(TripleOError):
    """A file that something refers to is not in the plan."""

    def __init__(self, path: str, referrer: str) -> None:
        """Name the file and who refers to it."""
        super().__init__(
            f"File missing from the plan: {path}, which {referrer} refers to. Upload it, or "
            "correct the reference.",
            path=path,
            referrer=referrer,
        )


class PathInvalid(TripleOError):
    """A path leaves the plan, or is none."""

    def __init__(self, path: str, referrer: str) -> None:
        """Name the path and who has it."""
        super().__init__(
            f"{path[:200]!r} in {referrer} is not a file of the plan. Only relative paths that "
            "stay inside of the plan are allowed: no URL, no absolute path, no link, nothing "
            "above the plan's root.",
            path=path[:200],
            referrer=referrer,
        )


class FileInvalid(TripleOError):
    """A file of the plan does not hold what it must.

    The message leads with ``file:line:column`` as far as they are known.
    """

    def __init__(
        self, path: str, problem: str, line: int | None = None, column: int | None = None
    ) -> None:
        """Name the file, the place and the problem. Lines and columns count from 1."""
        place = ":".join(str(part) for part in (path, line, column) if part is not None)
        super().__init__(f"{place}: {problem}", path=path, line=line, column=column)


class YAMLInvalid(FileInvalid):
    """A file is not YAML, or not safe YAML."""


class TemplateInvalid(FileInvalid):
    """A Jinja2 template cannot be rendered."""


class PlanLocked(TripleOError):
    """Somebody else is changing the plan."""

    def __init__(self, plan: str, owner: str, reason: str, age: float) -> None:
        """Name the plan, who changes it, why, and for how many seconds by now."""
        super().__init__(
            f"Plan {plan} is being changed by {owner} ({reason}), since {age:.0f} seconds. Try "
            "again when that has ended, or wait for it (input lock_wait, in seconds).",
            plan=plan,
            owner=owner,
            reason=reason,
            age=age,
        )


class PlanChanged(TripleOError):
    """Others wrote to the plan, past its lock, whenever a change was about to be committed."""

    def __init__(self, plan: str, what: str) -> None:
        """Name the plan and what changed under our hands."""
        super().__init__(
            f"Plan {plan} was not changed: {what} at the same time. Try again.",
            plan=plan,
            what=what,
        )


class RevisionNotFound(TripleOError):
    """The plan has no such revision, or has it no more."""

    def __init__(self, plan: str, revision: object, available: Iterable[int]) -> None:
        """Name the plan, the revision and those that are kept."""
        numbers = sorted(available)
        super().__init__(
            f"Plan {plan} has no revision {revision}. Revisions: "
            f"{', '.join(str(number) for number in numbers[-20:]) or 'none'} (option "
            "revisions_kept of the group [tripleo] says how many are kept).",
            plan=plan,
            revision=revision,
            available=numbers[-100:],
        )


class RevisionCorrupt(TripleOError):
    """What is stored of a revision is not what was stored."""

    def __init__(self, plan: str, revision: object, problem: str) -> None:
        """Name the plan, the revision and what is wrong with it."""
        super().__init__(
            f"Revision {revision} of plan {plan} cannot be read: {problem}. Roll back to another "
            "revision (tripleo.plan.history, tripleo.plan.rollback), or upload the templates "
            "again and update the plan.",
            plan=plan,
            revision=revision,
            problem=problem,
        )


class EnvironmentNotFound(TripleOError):
    """An environment was named that the plan does not have."""

    def __init__(self, paths: Iterable[str], available: Iterable[str]) -> None:
        """Name those that are not there, and those that are."""
        missing, there = sorted(paths), sorted(available)
        super().__init__(
            f"The plan has no environment {one_of(missing)}. Environments: {one_of(there)}.",
            paths=missing,
            available=there[:100],
        )


class CapabilitiesConflict(TripleOError):
    """A choice of environments breaks rules of the plan's capabilities map."""

    def __init__(self, faults: list[dict[str, Any]]) -> None:
        """Name every broken rule.

        :param faults: ``{"rule", "files", "message"}`` of each: which rule, between which files,
            and a sentence that ends with what would satisfy it.
        """
        told = " ".join(str(fault["message"]) for fault in faults[:10])
        more = f" And {len(faults) - 10} more." if len(faults) > 10 else ""
        super().__init__(
            f"These environments do not go together, so nothing was changed. {told}{more}",
            faults=faults,
        )


class ParametersInvalid(TripleOError):
    """Values are not what their parameters allow."""

    def __init__(self, faults: list[dict[str, Any]]) -> None:
        """Name every fault.

        :param faults: ``{"name", "value", "problem", "allowed"}`` of each. The value of a hidden
            parameter is masked.
        """
        told = "; ".join(f"{fault['name']}: {fault['problem']}" for fault in faults[:10])
        more = f"; and {len(faults) - 10} more" if len(faults) > 10 else ""
        super().__init__(
            f"Nothing was changed, because of {len(faults)} faulty "
            f"{'parameter' if len(faults) == 1 else 'parameters'}. {told}{more}.",
            faults=faults,
        )


class RolesInvalid(TripleOError):
    """A choice of roles does not work."""

    def __init__(self, faults: list[dict[str, Any]]) -> None:
        """Name every fault.

        :param faults: ``{"role", "problem"}`` of each.
        """
        told = "; ".join(f"role {fault['role']}: {fault['problem']}" for fault in faults[:10])
        more = f"; and {len(faults) - 10} more" if len(faults) > 10 else ""
        super().__init__(f"The plan's roles were not changed. {told}{more}.", faults=faults)


class EncryptionKeyMissing(TripleOError):
    """The executors have no key, so no secret can be stored or read."""

    def __init__(self, problem: str) -> None:
        """Say what is wrong with the configured file of keys."""
        super().__init__(
            f"No secret can be stored or read: {problem} (option encryption_keys_file of the "
            "group [tripleo], on every executor).",
            problem=problem,
        )


class SecretUnreadable(TripleOError):
    """A stored secret does not open with any key of the executors, or with a passphrase."""

    def __init__(self, name: str, way: str) -> None:
        """Name the secret (never its value) and what would open it."""
        super().__init__(f"The secret {name} cannot be decrypted. {way}", name=name)


class SourceInvalid(TripleOError):
    """Templates cannot be had from where an input says."""

    def __init__(self, url: str, problem: str) -> None:
        """Name the source, without credentials, and what is wrong."""
        super().__init__(f"No templates can be taken from {url}: {problem}", url=url)


class RegionNotFound(TripleOError):
    """No such region, or the service is not there."""

    def __init__(self, region: str, service: str, available: Iterable[str]) -> None:
        """Name the region, the service and the regions that have it."""
        names = sorted(available)
        super().__init__(
            f"There is no {service} service in region {region!r}. Regions with {service}: "
            f"{one_of(names)}.",
            region=region,
            service=service,
            available=names,
        )


class RegionNotChosen(TripleOError):
    """Several regions have the service and nothing says which one is meant."""

    def __init__(self, service: str, available: Iterable[str]) -> None:
        """Name the service and the regions that have it."""
        names = sorted(available)
        super().__init__(
            f"Several regions have {service}: {one_of(names)}. Choose one with the input "
            "action_region, or configure one: the option region of the group [tripleo] for the own "
            "cloud, region_name in clouds.yaml for another.",
            service=service,
            available=names,
        )


class ServiceNotFound(TripleOError):
    """The catalogue has no such service at all."""

    def __init__(self, service: str, available: Iterable[str]) -> None:
        """Name the service and those that the catalogue has."""
        names = sorted(available)
        super().__init__(
            f"The cloud's catalogue has no {service} service. It has: {one_of(names)}.",
            service=service,
            available=names,
        )


class CloudNotFound(TripleOError):
    """The executors' ``clouds.yaml`` has no such cloud."""

    def __init__(self, cloud: str, available: Iterable[str]) -> None:
        """Name the cloud and those that are configured."""
        names = sorted(available)
        super().__init__(
            f"There is no cloud {cloud!r} in the executors' clouds.yaml. Clouds: {one_of(names)}.",
            cloud=cloud,
            available=names,
        )


class ServiceUnavailable(TripleOError):
    """A service cannot be reached, or answers that it cannot work."""

    def __init__(self, service: str, url: str, problem: str) -> None:
        """Name the service, where it should be and what happened."""
        super().__init__(
            f"{service} at {url} {problem}. Try again when the service works.",
            service=service,
            url=url,
        )


class ServiceRefused(TripleOError):
    """A service understood a request and refused it."""

    def __init__(self, service: str, status: int | None, reason: str) -> None:
        """Name the service, its HTTP status and its words."""
        code = f" (HTTP {status})" if status else ""
        super().__init__(
            f"{service} refused the request{code}: {reason}", service=service, status=status
        )


class NotAllowed(ServiceRefused):
    """A service says that the caller may not do this (HTTP 401 or 403)."""


class DeadlineExceeded(TripleOError):
    """An action took longer than it may."""

    def __init__(self, seconds: float) -> None:
        """Name the time that was given."""
        super().__init__(
            f"The action was given {seconds:g} seconds and has not ended within them (option "
            "action_deadline of the group [tripleo]). It has stopped.",
            seconds=seconds,
        )


class PlacementNotChosen(TripleOError):
    """A plan has several placements, and nothing says which one is meant."""

    def __init__(self, plan: str, placements: Iterable[str]) -> None:
        """Name the plan and its placements."""
        names = list(placements)
        super().__init__(
            f"Plan {plan} has several placements: {', '.join(names)}. Choose one with the inputs "
            "action_region and, where it is in another cloud, cloud.",
            plan=plan,
            placements=names,
        )


class PlacementNotFound(TripleOError):
    """A plan has no placement in the cloud and region that a call names."""

    def __init__(self, plan: str, placement: str, placements: Iterable[str]) -> None:
        """Name the plan, what was asked for and the plan's placements."""
        names = list(placements)
        super().__init__(
            f"Plan {plan} has no placement in {placement}. Its placements: {', '.join(names)}. "
            "Name one of them (inputs action_region and cloud), or add that one "
            "(tripleo.plan.add_placement).",
            plan=plan,
            placement=placement,
            placements=names,
        )


class PlacementTaken(TripleOError):
    """A plan cannot be placed somewhere, for something is there already."""

    def __init__(self, plan: str, placement: str, what: str) -> None:
        """Name the plan, the place and what is there."""
        super().__init__(
            f"Plan {plan} cannot be placed in {placement}: {what} of that name is there already. "
            "Remove it, or name another region or cloud.",
            plan=plan,
            placement=placement,
            what=what,
        )


class PlacementInUse(TripleOError):
    """A placement cannot be taken from its plan."""

    def __init__(self, plan: str, placement: str, problem: str) -> None:
        """Name the plan, the placement and what is against it, with what to do first."""
        super().__init__(
            f"Placement {placement} of plan {plan} stays: {problem}",
            plan=plan,
            placement=placement,
        )


class PlacementStale(TripleOError):
    """A placement did not get the plan's last revisions."""

    def __init__(self, plan: str, placement: str, revision: int, current: int) -> None:
        """Name the plan, the placement, the revision that it has and the plan's."""
        super().__init__(
            f"Placement {placement} of plan {plan} is stale: it has revision {revision}, the plan "
            f"is at {current}. Bring it up with tripleo.plan.sync, then try again.",
            plan=plan,
            placement=placement,
            revision=revision,
            current=current,
        )


class TargetInvalid(TripleOError):
    """The target cloud that a request gives is not described as it must be."""

    def __init__(self, name: str, problem: str) -> None:
        """Name the header and what is wrong with it; never its value, which may be secret."""
        super().__init__(f"{name} {problem}", name=name)


class TargetNotAllowed(TripleOError):
    """This service does not let requests run against that target cloud, or against any."""


class TargetLost(TripleOError):
    """An action belongs to a target cloud that it does not know any more."""


class CertificateInvalid(TripleOError):
    """Something is not the PEM certificates that it must be."""

    def __init__(self, what: str, problem: str) -> None:
        """Name what holds them and the problem."""
        super().__init__(f"{what} {problem}", what=what)


class CredentialsLost(TripleOError):
    """Mistral runs an action without the token of the request that it belongs to."""

    def __init__(self) -> None:
        """Say why that may be, and what to do."""
        super().__init__(
            "This action came without the token of the request that it belongs to, as after a "
            "lost heartbeat of an executor. Start the workflow again, or rerun its task."
        )


class ExecutorLost(TripleOError):
    """The executor of an action has died, so that nobody knows how far the action came."""

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__(
            "Mistral has heard no more of the executor that ran a task of this workflow. What it "
            "has done is kept: rerun the task (mistral task-list, mistral task-rerun), or start "
            "the workflow again."
        )


class DeploymentStopped(TripleOError):
    """So many regions have failed that no further one is begun."""

    def __init__(self, failed: Iterable[str], limit: int) -> None:
        """Name those that failed, and the limit."""
        names = sorted(failed)
        super().__init__(
            f"It was not begun, because {len(names)} of the other regions have failed "
            f"({one_of(names)}), and max_failures is {limit}.",
            failed=names,
            limit=limit,
        )


class SyncIncomplete(TripleOError):
    """Not every placement of a plan could be brought up."""

    def __init__(self, plan: str, placements: list[dict[str, Any]]) -> None:
        """Name the plan and the placements that could not.

        :param placements: ``placement``, ``state`` and ``message`` of each, also of the others.
        """
        told = "; ".join(
            f"{each['placement']}: {each['message']}"
            for each in placements
            if each["state"] != "synced"
        )
        super().__init__(
            f"Not all placements of plan {plan} could be brought up. {told}",
            plan=plan,
            placements=placements,
        )


class RegionsFailed(TripleOError):
    """Of the regions that were worked on, some failed or were left out."""

    def __init__(self, done: str, results: list[dict[str, Any]]) -> None:
        """Name those that failed and those that were not begun.

        :param done: what was to be done, such as "Deploying plan demo".
        :param results: of each region, with ``name``, ``state`` and ``message``.
        """
        bad = [result for result in results if result["state"] != "DEPLOYED"]
        told = "; ".join(f"{result['name']}: {result['message']}" for result in bad[:10])
        more = f"; and {len(bad) - 10} more" if len(bad) > 10 else ""
        super().__init__(
            f"{done} succeeded in {len(results) - len(bad)} of {len(results)} regions. "
            f"{told}{more}",
            results=results,
        )


class StackNotFound(TripleOError):
    """There is no stack of that name."""

    def __init__(self, stack: str) -> None:
        """Name the stack."""
        super().__init__(f"There is no stack {stack!r}.", stack=stack)


class StackInUse(TripleOError):
    """A plan has a stack, so it must stay."""

    def __init__(self, plan: str, stack_id: str, status: str, placement: str) -> None:
        """Name the plan, its stack and where that is."""
        super().__init__(
            f"Cannot delete plan {plan}: the stack {plan} (UUID {stack_id}, {status}) in "
            f"{placement} was deployed from it. Delete the stack first "
            "(tripleo.stack.v1.delete_stack).",
            plan=plan,
            placement=placement,
            stack_id=stack_id,
            status=status,
        )


class StackBusy(TripleOError):
    """Heat is at work on the stack."""

    def __init__(self, stack: str, stack_id: str, status: str) -> None:
        """Name the stack and what it is doing."""
        super().__init__(
            f"The stack {stack} (UUID {stack_id}) is busy: {status}. Wait for it to end "
            "(tripleo.stack.v1.wait_for_stack_complete_or_failed), then try again.",
            stack=stack,
            stack_id=stack_id,
            status=status,
        )


class StackFailed(TripleOError):
    """A stack has come to a failed state."""

    def __init__(
        self, stack: str, stack_id: str, status: str, reason: str, causes: list[dict[str, str]]
    ) -> None:
        """Name the stack, its state and the resources that failed first.

        :param causes: ``{"resource", "type", "status", "reason"}`` of each failed resource that
            has no failed resources of its own.
        """
        told = "; ".join(f"{cause['resource']}: {cause['reason']}" for cause in causes[:3])
        super().__init__(
            f"The stack {stack} (UUID {stack_id}) is {status}: {told or reason}",
            stack=stack,
            stack_id=stack_id,
            status=status,
            causes=causes,
        )


class StackTimeout(TripleOError):
    """A stack has not come to the awaited state in time. Heat may still be at work on it."""

    def __init__(self, stack: str, status: str, seconds: float) -> None:
        """Name the stack, the state that it is in and the time that was given."""
        super().__init__(
            f"The stack {stack} is still {status} after {seconds:g} seconds. Heat goes on with it; "
            "wait longer, or delete it.",
            stack=stack,
            status=status,
            seconds=seconds,
        )


class NodesInvalid(TripleOError):
    """A list of nodes has faults; all of them are told at once."""

    def __init__(self, faults: list[dict[str, Any]]) -> None:
        """Tell every fault.

        :param faults: ``node`` (its place in the list, from 0, or None for the list itself),
            ``name`` (the node's, or None), ``field``, ``problem`` (what is wrong) and ``allowed``
            (what would be right, or None) of each. Never a password.
        """
        told = "; ".join(_fault(fault) for fault in faults[:10])
        more = f"; and {len(faults) - 10} more" if len(faults) > 10 else ""
        super().__init__(f"Invalid node data: {told}{more}.", faults=faults)


def _fault(fault: dict[str, Any]) -> str:
    where = "" if fault["node"] is None else f"node #{fault['node']}"
    if fault.get("name"):
        where += f" ({fault['name']})"
    words = " ".join(filter(None, (where, str(fault["field"] or ""))))
    allowed = f" ({fault['allowed']})" if fault.get("allowed") else ""
    return f"{words}: {fault['problem']}{allowed}"


class NodeNotFound(TripleOError):
    """Ironic has no such node."""

    def __init__(self, nodes: Iterable[str]) -> None:
        """Name the nodes that are not there."""
        names = sorted(nodes)
        super().__init__(
            f"There is no node {one_of(names)}. tripleo.baremetal.list shows those that there are.",
            nodes=names[:100],
        )


class NoManageableNode(TripleOError):
    """All manageable nodes are wanted, and there is none."""

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__(
            "There is no manageable node that is not in use and not in maintenance. "
            "tripleo.baremetal.list shows the states of all nodes, and what to do with each."
        )


class NodesFailed(TripleOError):
    """Some nodes did not come to where they should; the others did."""

    def __init__(self, what: str, total: int, failed: list[dict[str, Any]], **details: Any) -> None:
        """Say how many failed, of how many, and why each of the first ones.

        :param what: what was to be done with them, as in ``made available``.
        :param failed: ``uuid``, ``name`` and ``error`` of each.
        :param details: what else is known of the work, such as the nodes that succeeded.
        """
        told = "; ".join(
            f"{node_title(node)}: {node['error'].removesuffix('.')}" for node in failed[:5]
        )
        more = f"; and {len(failed) - 5} more" if len(failed) > 5 else ""
        super().__init__(
            f"{len(failed)} of {total} nodes could not be {what}: {told}{more}",
            failed=failed,
            **details,
        )


class NodeStateInvalid(TripleOError):
    """What is asked of a node is not possible in its present state."""

    def __init__(self, node: str, state: str, asked: str, possible: str) -> None:
        """Name the node, its state, what was asked and what to do instead.

        :param node: ``name (UUID id)``.
        """
        super().__init__(
            f"Node {node} is {state}, so {asked} is not possible. {possible}",
            node=node,
            state=state,
        )


class RunNotFound(TripleOError):
    """There is no record of a run over many nodes."""

    def __init__(self, run: str) -> None:
        """Name the run."""
        super().__init__(
            f"There is no record of a run {run!r} in this cloud and region. A run's id is that of "
            "the workflow execution that began it; that of a registration is there when its nodes "
            "are made.",
            run=run,
        )


class NodesChanged(TripleOError):
    """What a removal of nodes would do is no longer what its preview said."""

    def __init__(self, preview: dict[str, Any]) -> None:
        """Give the present preview, with its fingerprint."""
        super().__init__(
            "The nodes have changed since the preview that the fingerprint "
            f"is of; nothing was done. Now {len(preview['remove'])} nodes would be removed. Look "
            f"at the new preview, then call again with remove_fingerprint={preview['fingerprint']}",
            preview=preview,
        )


class ImageNotFound(TripleOError):
    """Glance has no image of that name."""

    def __init__(self, image: str, available: Iterable[str]) -> None:
        """Name the image and those that there are."""
        names = sorted(available)
        super().__init__(
            f"There is no image {image!r} in Glance. Images: {one_of(names)}. Upload it, or give "
            "the URL of a file (http, https, file).",
            image=image,
            available=names[:100],
        )


class RootDeviceNotFound(TripleOError):
    """No disk of a node is what its root device should be."""

    def __init__(self, node: str, wanted: str, disks: list[dict[str, Any]]) -> None:
        """Name the node, what was wanted and the disks that it has."""
        names = [f"{disk.get('name')} ({disk.get('size_gib')} GiB)" for disk in disks]
        have = one_of(names)
        super().__init__(
            f"Node {node} has no disk that can be its root device: wanted was {wanted}, there "
            f"are: {have}.",
            node=node,
            wanted=wanted,
            disks=disks[:50],
        )


class ProfilesUnmatched(TripleOError):
    """There are not enough nodes for the roles of a plan."""

    def __init__(self, plan: str, roles: list[dict[str, Any]]) -> None:
        """Say for each role that lacks nodes how many, and why.

        :param roles: all roles, as ``tripleo.baremetal.match_profiles`` shows them; the details
            have the first nodes of each.
        """
        lacking = [role for role in roles if role["missing"]]
        told = "; ".join(f"{role['role']}: {role['reason']}" for role in lacking)
        super().__init__(
            f"The nodes are not enough for plan {plan}: {told}",
            plan=plan,
            roles=[{**role, "matched": role["matched"][:10]} for role in roles],
        )


def node_title(node: Any) -> str:
    """Return ``name (UUID id)`` of a node, or ``UUID id`` of one without a name.

    :param node: a mapping with ``uuid`` and ``name``; either may be missing.
    """
    name, uuid = node.get("name"), node.get("uuid")
    if not uuid:
        return str(name or "without a name")
    return f"{name} (UUID {uuid})" if name else f"UUID {uuid}"


class ResultTooLarge(TripleOError):
    """The result of an action is larger than Mistral keeps."""

    def __init__(self, action: str, size: int, limit: int) -> None:
        """Name the action, its result's size and the limit, in bytes.

        :param size: it is at least that; what is too large is not read to its end.
        """
        super().__init__(
            f"The result of {action} is too large for Mistral: {size} bytes or more; at most "
            f"{limit} are possible. Ask for less, with its inputs that limit or filter.",
            action=action,
            size=size,
            limit=limit,
        )


class ResultUnknown(TripleOError):
    """A client returned something that is no data."""

    def __init__(self, kind: str) -> None:
        """Name its type."""
        super().__init__(
            f"The client returned an object of the type {kind}, which is no data. The mapping "
            "(option openstack_actions_mapping) should not have this method.",
            kind=kind,
        )


class InternalError(TripleOError):
    """Something unexpected: a fault of this software. The executor's log has the traceback."""

    def __init__(self, where: str) -> None:
        """Name what was running."""
        super().__init__(
            f"{where} met an unexpected error. The traceback is in the executor's log.",
            where=where,
        )


def one_of(names: Iterable[str], *, nothing: str = "none") -> str:
    """Put a list of names into a sentence: sorted, at most twenty of them."""
    listed = sorted(names)
    if not listed:
        return nothing
    shown = ", ".join(listed[:20])
    return shown if len(listed) <= 20 else f"{shown} and {len(listed) - 20} more"
