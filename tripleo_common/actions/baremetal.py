"""``tripleo.baremetal.*``"""

from __future__ import annotations

import json
import uuid
from typing import Any

from tripleo_common import exceptions
from tripleo_common.actions import base
from tripleo_common.baremetal import (
    configuration,
    documents,
    following,
    introspection,
    nodes,
    overview,
    registration,
    rules,
    runs,
)
from tripleo_common.plan import demand


class RegisterOrUpdateNodes(base.Action):
    """Bring a list of nodes into Ironic: make new ones, change what differs, leave all others.

    nodes_json is the list, a text of JSON or YAML, or container and object of one in Swift. With
    remove, nodes that are not listed are deleted, which needs the remove_fingerprint of a preview:
    the first call, without it, changes nothing and returns preview. kernel_name and ramdisk_name
    are images of Glance or URLs. Result: run, done, counts, nodes (uuid, name, provision_state and
    result: registered, updated or unchanged), failed (uuid, name, error), record.
    """

    nodes_json: Any
    remove: bool = False
    kernel_name: str | None = None
    ramdisk_name: str | None = None
    instance_boot_option: str | None = None
    remove_fingerprint: str | None = None
    initial_state: str = "enroll"

    def perform(self, request: base.Request) -> dict[str, Any]:
        try:
            found = registration.register(
                request.cloud,
                self.nodes_json,
                remove=self.remove,
                remove_fingerprint=self.remove_fingerprint,
                kernel=self.kernel_name,
                ramdisk=self.ramdisk_name,
                boot_option=self.instance_boot_option,
                initial_state=self.initial_state,
                run_id=request.execution.workflow_execution_id,
                task=request.execution.task_execution_id,
            )
        except exceptions.NodesChanged as error:
            error.details["preview"] = _fitting(request, "preview", error.details["preview"])
            raise
        if isinstance(found, runs.Run):
            return {**found.summary(), "preview": None}
        number = len(found["remove"])
        nodes_ = "node" if number == 1 else "nodes"
        words = f"{number} {nodes_} would be removed; nothing was changed yet."
        return {
            "run": None,
            "done": True,
            "message": f"{words} Call again with remove_fingerprint={found['fingerprint']}",
            "preview": _fitting(request, "preview", found),
        }


class ValidateNodes(base.Action):
    """Check a list of nodes, in itself and against Ironic; change nothing.

    nodes_json is as for register_or_update_nodes. Result: how many would be registered, updated
    and unchanged.
    """

    nodes_json: Any

    def perform(self, request: base.Request) -> dict[str, int]:
        return registration.validate(request.cloud, self.nodes_json)


class MoveNodes(base.Action):
    """Begin to move nodes to another provision state; follow_run brings them there.

    node_uuids lists UUIDs or names, or is manageable: all that are so. state_action is a move, such
    as manage or provide; target_state, if given, must be where it leads. concurrency is how many at
    a time (0: all), node_timeout seconds for each. Result: run, done, counts, message.
    """

    state_action: str
    node_uuids: list[str] | str | None = None
    target_state: str | None = None
    error_states: list[str] | None = None
    power_off: bool = False
    concurrency: int = 0
    node_timeout: float | None = None

    def perform(self, request: base.Request) -> dict[str, Any]:
        return following.move(
            request.cloud,
            self.node_uuids,
            self.state_action,
            self.target_state,
            errors=self.error_states,
            off=self.power_off,
            concurrency=self.concurrency,
            node_timeout=self.node_timeout,
            run_id=request.execution.workflow_execution_id,
            task=request.execution.task_execution_id,
        )


class SwitchNodes(base.Action):
    """Begin to switch nodes on or off; follow_run brings them there.

    state_action is on, off, reboot, soft off or soft reboot; node_timeout is in seconds. Result:
    run, done, counts, message.
    """

    node_uuids: list[str]
    state_action: str
    target_state: str | None = None
    node_timeout: float | None = None

    def perform(self, request: base.Request) -> dict[str, Any]:
        return following.switch(
            request.cloud,
            self.node_uuids,
            self.state_action,
            self.target_state,
            node_timeout=self.node_timeout,
            run_id=request.execution.workflow_execution_id,
            task=request.execution.task_execution_id,
        )


class IntrospectNodes(base.Action):
    """Begin to introspect nodes; follow_run brings it to its end.

    node_uuids lists UUIDs or names, or is manageable: all that are so. concurrency is how many at a
    time (0: all), node_timeout seconds for each attempt, max_retry_attempts how often it is tried
    again with a node that fails. With container, that plan's inspection rules are loaded before.
    Result: run, done, counts, message.
    """

    node_uuids: list[str] | str | None = None
    concurrency: int = 20
    max_retry_attempts: int = 2
    node_timeout: float | None = 1200
    container: str | None = None
    run_validations: bool = False

    def perform(self, request: base.Request) -> dict[str, Any]:
        if self.run_validations:
            raise exceptions.InputInvalid(
                "run_validations", "cannot be true yet: this version has no validations."
            )
        if type(self.max_retry_attempts) is not int or not 0 <= self.max_retry_attempts < 20:
            raise exceptions.InputInvalid("max_retry_attempts", "must be a number from 0 to 19.")
        if self.container is not None:
            _load_rules(request, self.container)
        return following.introspect(
            request.cloud,
            self.node_uuids,
            concurrency=self.concurrency,
            attempts=1 + self.max_retry_attempts,
            node_timeout=self.node_timeout,
            run_id=request.execution.workflow_execution_id,
            task=request.execution.task_execution_id,
        )


class FollowRun(base.Action):
    """Bring a run over many nodes forward for some seconds; a workflow calls this until it is done.

    Result: run, done, total, counts, message; when done also nodes, record, and what an
    introspection found (introspected_nodes, failed_introspection). If nodes failed it is an error,
    whose details have the same.
    """

    run_id: str

    def perform(self, request: base.Request) -> dict[str, Any]:
        return following.follow(request.cloud, self.run_id)


class ShowRun(base.Action):
    """Show how far a run over many nodes is: counts, nodes, and why some failed.

    run_id is the id of the workflow execution that began it.
    """

    run_id: str

    def perform(self, request: base.Request) -> dict[str, Any]:
        return runs.Run.load(request.cloud, self.run_id).summary()


class List(base.Action):
    """List nodes: uuid, name, driver, provision_state, power_state, maintenance, profile,
    instance_uuid, last_error, and next: what to do with each.

    With facts also what introspection found: cpus, cpu_arch, memory_mib, disks, nics with their
    neighbours, boot_mode.
    """

    provision_state: str | None = None
    facts: bool = False

    def perform(self, request: base.Request) -> Any:
        found = overview.table(request.cloud, self.provision_state, facts=self.facts)
        return _fitting(request, "nodes", found)


class Facts(base.Action):
    """Return what the last introspection of a node found.

    cpus, cpu_arch, cpu_model, memory_mib, disks, nics with their neighbours (lldp), boot_mode,
    product, bmc_address.
    """

    node_uuid: str

    def perform(self, request: base.Request) -> Any:
        (node,) = nodes.find(request.cloud, [self.node_uuid], what="node_uuid")
        found = introspection.facts_of(request.cloud, node)
        return _fitting(request, "facts", found)


class Delete(base.Action):
    """Delete nodes that are nobody's; one that is in use is left. Result: deleted (UUIDs)."""

    node_uuids: list[str]

    def perform(self, request: base.Request) -> dict[str, Any]:
        return registration.delete(request.cloud, self.node_uuids)


class ConfigureNodes(base.Action):
    """Give nodes their deploy images, and with root_device hints on their root device.

    node_uuids lists UUIDs or names, or is manageable: all that are so. root_device is smallest,
    largest, names in order of preference (sda,vda), or a mapping of Ironic's hints;
    root_device_minimum_size is in GiB. Result: configured and unchanged (UUIDs).
    """

    node_uuids: list[str] | str | None = None
    kernel_name: str | None = None
    ramdisk_name: str | None = None
    instance_boot_option: str | None = None
    root_device: Any = None
    root_device_minimum_size: int = 4
    overwrite_root_device_hints: bool = False

    def perform(self, request: base.Request) -> dict[str, Any]:
        return configuration.configure(
            request.cloud,
            self.node_uuids,
            kernel=self.kernel_name,
            ramdisk=self.ramdisk_name,
            boot_option=self.instance_boot_option,
            device=self.root_device,
            minimum_size=self.root_device_minimum_size,
            overwrite=self.overwrite_root_device_hints,
        )


class ConfigureBoot(base.Action):
    """Give a node its deploy images."""

    node_uuid: str
    kernel_name: str | None = None
    ramdisk_name: str | None = None
    instance_boot_option: str | None = None

    def perform(self, request: base.Request) -> None:
        configuration.configure(
            request.cloud,
            [self.node_uuid],
            kernel=self.kernel_name,
            ramdisk=self.ramdisk_name,
            boot_option=self.instance_boot_option,
        )


class ConfigureRootDevice(base.Action):
    """Give a node hints on its root device, from what introspection found.

    root_device is as for configure_nodes; minimum_size is in GiB.
    """

    node_uuid: str
    root_device: Any = None
    minimum_size: int = 4
    overwrite: bool = False

    def perform(self, request: base.Request) -> None:
        configuration.set_root_device(
            request.cloud, self.node_uuid, self.root_device, self.minimum_size, self.overwrite
        )


class UpdateNodeCapability(base.Action):
    """Give a node a capability; value null takes it away.

    Result: configured and unchanged (UUIDs).
    """

    node_uuid: str
    capability: str
    value: str | None = None

    def perform(self, request: base.Request) -> dict[str, Any]:
        return configuration.set_capability(
            request.cloud, [self.node_uuid], self.capability, self.value
        )


class TagNodes(base.Action):
    """Give nodes a profile, and take theirs away from others.

    role is the profile; null takes it away. Result: configured and unchanged (UUIDs).
    """

    tag_node_uuids: list[str]
    untag_node_uuids: list[str]
    role: str | None = None

    def perform(self, request: base.Request) -> dict[str, Any]:
        return configuration.tag(
            request.cloud, self.tag_node_uuids, self.untag_node_uuids, self.role
        )


class MatchProfiles(base.Action):
    """Find the nodes that serve a plan's roles, and say where they are not enough, and why.

    Without dry_run, nodes without a profile that serve a role are given that role's profile; only
    if all roles are served. Result: roles (role, profile, wanted, matched, missing, reason),
    unused, assign, tagged.
    """

    container: str = "overcloud"
    dry_run: bool = True

    def perform(self, request: base.Request) -> Any:
        wanted = demand.demands(request.plans, self.container)
        cloud = request.plans.open(self.container).cloud
        found = configuration.match(cloud, self.container, wanted, dry_run=self.dry_run)
        return request.answer(self.container, "profiles", found)


class LoadInspectionRules(base.Action):
    """Let Ironic have exactly the inspection rules that a plan has in its inspection_rules/.

    Result: counts: created, deleted, unchanged.
    """

    container: str = "overcloud"

    def perform(self, request: base.Request) -> dict[str, int]:
        return _load_rules(request, self.container)


def _load_rules(request: base.Request, plan: str) -> dict[str, int]:
    found = demand.inspection_rules(request.plans, plan)
    return rules.load(request.plans.open(plan).cloud, plan, found)


def _fitting(request: base.Request, kind: str, result: Any) -> Any:
    """Return a result, or where it is, if Mistral would store it and it is large."""
    execution = request.execution.workflow_execution_id or request.execution.action_execution_id
    if not execution or len(json.dumps(result)) <= base.RESULT_BYTES:
        return result
    return documents.write(request.cloud, f"{kind}/{uuid.uuid4()}.json", result)
