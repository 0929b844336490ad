"""The clouds that one request reaches: its own, its target, and those of ``clouds.yaml``."""

from __future__ import annotations

import functools
import json
from typing import Any, TypeVar

from tripleo_common import config, exceptions, memory
from tripleo_common.clouds import auth_urls, certificates, sessions, targets
from tripleo_common.clouds import deadline as deadlines
from tripleo_common.clouds.cloud import Cloud, Home

_C = TypeVar("_C", bound=Cloud)

_TARGETS: memory.Memory[str, str] = memory.Memory(1024)
"""Execution to the sealed target that it was started with, or nothing. It never changes."""


def check_names(cloud: object, action_region: object) -> None:
    """Make sure that the inputs that say where a call goes can be names.

    :raises InputInvalid: one of them cannot.
    """
    for name, value in (("action_region", action_region), ("cloud", cloud)):
        if value is not None and not isinstance(value, str):
            raise exceptions.InputInvalid(name, "must be a name.")


class Clouds:
    """Opens clouds for one run of an action; no request is made before one is needed.

    Use it as a context manager: certificates that come with a target are in private files until
    then.

    :ivar deadline: for all requests of the run.
    """

    def __init__(self, security: Any, execution: Any, limit: deadlines.Deadline) -> None:
        """Keep what Mistral says of the request.

        :param security: Mistral's security context: token, catalogue, authentication URL.
        :param execution: Mistral's execution context, or None.
        :raises TargetNotAllowed: the target has come past the gate.
        """
        if security.is_target:
            raise exceptions.TargetNotAllowed(
                "The request gives a target cloud that nobody has checked. The gate of "
                "tripleo-common must stand in front of Mistral's API (see its documentation, "
                "Targets); or name the cloud with the input cloud."
            )
        self.deadline = limit
        self._security = security
        self._execution = execution
        self._bundles = certificates.Bundles()
        self._opened: list[Cloud] = []

    def __enter__(self) -> Clouds:
        return self

    def __exit__(self, *_: object) -> None:
        self._bundles.close()

    @functools.cached_property
    def home(self) -> Home:
        """The cloud that the request came through, whose Mistral holds the plan environments.

        :raises CredentialsLost: Mistral has no token of the request any more.
        """
        security, options = self._security, config.options()
        session = sessions.Session(
            self.deadline,
            auth=sessions.of_request(security),
            verify=sessions.of_request_verify(security),
        )
        wanted = (self.requested_region, options.region)
        return self._keep(Home(None, session, self.deadline, options.interface, *wanted))

    @property
    def names(self) -> dict[str, str]:
        """Endpoint URL to service type, for telling who an error is about; as far as known."""
        return {url: kind for cloud in self._opened for url, kind in cloud.names.items()}

    @property
    def requested_region(self) -> str | None:
        """The region that the request itself names."""
        return self._security.region_name or None

    def open(
        self,
        cloud: str | None = None,
        action_region: str | None = None,
        *,
        seconds: float | None = None,
    ) -> Cloud:
        """Return a cloud in a region.

        The region is, in this order: the one given, that of the request (or of the named cloud,
        or of the target), the configured one, the only one.

        :param cloud: a name in the executors' ``clouds.yaml``; None for the request's target, if
            it has one, or else its own cloud.
        :param action_region: a region of that cloud, or None.
        :param seconds: how long all requests there may take together; as long as the action
            otherwise.
        :raises CloudNotFound: there is no such cloud.
        :raises TargetLost: the target belongs to another execution or user.
        """
        check_names(cloud, action_region)
        limit = self.deadline if seconds is None else self.deadline.part(seconds)
        target = self.target(cloud)
        if target:
            return self._open_target(target, action_region, limit)
        if cloud is not None:
            named = sessions.Named(cloud, action_region)
            session = sessions.Session(limit, auth=named.auth(), verify=named.verify)
            wanted: tuple[str | None, ...] = (action_region, named.region)
            return self._keep(Cloud(cloud, session, limit, named.interface, *wanted))
        own = self.home.session
        session = sessions.Session(limit, auth=own.auth, verify=own.verify)
        wanted = (action_region, self.requested_region, config.options().region)
        return self._keep(Cloud(None, session, limit, config.options().interface, *wanted))

    def place(self, cloud: str | None, action_region: str | None) -> tuple[str | None, str | None]:
        """Return cloud and region that a call names, where its target is the own cloud.

        :param cloud: the input ``cloud``, and ``action_region`` likewise.
        :returns: the inputs; with such a target no cloud, and the target's region if no other is
            given.
        """
        given = self._given(cloud)
        if given is None or not self._is_own(given):
            return cloud, action_region
        return None, given.region if action_region is None else action_region

    def target(self, cloud: str | None) -> targets.Target | None:
        """Return the target that calls go to, if they go to one other than the own cloud.

        :param cloud: the input ``cloud``. A request that runs an action directly has its target
            in there; a workflow's is kept with its execution, and holds where no cloud is named.
        """
        given = self._given(cloud)
        return None if given is None or self._is_own(given) else given

    def _given(self, cloud: str | None) -> targets.Target | None:
        if cloud is not None:
            if not cloud.startswith(targets.PREFIX):
                return None
            bound = targets.bound_to_request(self._security.auth_token or "")
            return self._unseal(cloud.removeprefix(targets.PREFIX), bound)
        execution = getattr(self._execution, "workflow_execution_id", None)
        return self._of_execution(execution) if execution else None

    def check_is_own(self, cloud: str | None, what: str) -> None:
        """Make sure that something which this Mistral keeps is not asked for at a target.

        :param what: it, as the subject of a sentence.
        :raises TargetNotAllowed: the request has a target.
        """
        target = self.target(cloud)
        if target:
            raise exceptions.TargetNotAllowed(
                f"{what} is kept by this Mistral, and cannot be used with the target cloud at "
                f"{target.auth_url} that the request gives. Describe that cloud in the "
                "executors' clouds.yaml and name it with the input cloud, without a target."
            )

    def _is_own(self, target: targets.Target) -> bool:
        """Tell whether a target is the project and the Keystone that the request came through."""
        try:
            own = auth_urls.normalize(self._security.auth_uri, "auth_uri")
        except exceptions.TargetInvalid:
            return False
        project = self._security.project_id
        return (target.auth_url, target.project_id) == (own, project) and project is not None

    def _open_target(
        self, target: targets.Target, action_region: str | None, limit: deadlines.Deadline
    ) -> Cloud:
        verify: sessions.Verify = not target.insecure
        if verify and target.cacert:
            verify = self._bundles.path(target.cacert)
        elif verify and config.options().cacert:
            verify = str(config.options().cacert)
        auth = sessions.of_target(target, verify)
        session = sessions.Session(limit, auth=auth, verify=verify)
        wanted = (action_region, target.region)
        return self._keep(Cloud(None, session, limit, config.options().interface, *wanted))

    def _keep(self, opened: _C) -> _C:
        self._opened.append(opened)
        return opened

    def _of_execution(self, execution: str) -> targets.Target | None:
        sealed = _TARGETS.get(execution)
        if sealed is None:
            root = execution
            told = self._ask(execution)
            if told.get("root_execution_id"):
                root = str(told["root_execution_id"])
                told = self._ask(root)
            kept = _mapping(told.get("params") or {}).get(targets.PARAM)
            sealed = json.dumps([root, kept]) if kept is not None else ""
            _TARGETS.put(execution, sealed)
        if not sealed:
            return None
        root, kept = json.loads(sealed)
        return self._unseal(kept, root)

    def _ask(self, execution: str) -> dict[str, Any]:
        """Ask Mistral what an execution was started with."""
        url = f"{self.home.endpoint('workflowv2')}/executions/{execution}"
        answer = self.home.session.get(f"{url}?fields=params,root_execution_id", raise_exc=False)
        if answer.status_code == 404:
            raise exceptions.TargetLost(
                f"Execution {execution}, which this action belongs to, is gone, so nobody knows "
                "which cloud it was for. Start the workflow again."
            )
        if answer.status_code != 200:
            raise exceptions.ServiceRefused(
                "workflowv2", answer.status_code, f"execution {execution} cannot be read"
            )
        return _mapping(answer.text)

    def _unseal(self, sealed: object, bound: str) -> targets.Target:
        security = self._security
        return targets.unseal(
            sealed, user=security.user_name, project=security.project_id, bound=bound
        )


def _mapping(text: object) -> dict[str, Any]:
    """Return what an answer of Mistral, or a part of it, holds.

    :raises ServiceRefused: that is no mapping. Nothing may then be taken for "no target".
    """
    try:
        found = json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise exceptions.ServiceRefused(
            "workflowv2", None, "what it tells of an execution cannot be read"
        )
    return found
