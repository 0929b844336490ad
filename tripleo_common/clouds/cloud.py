"""A cloud and a region, opened: the sessions and clients of one action."""

from __future__ import annotations

import functools
from typing import Any

import heatclient.client
import ironicclient.client
import openstack.config
import swiftclient
from keystoneauth1 import access, plugin, session
from keystoneauth1.identity import access as access_plugin
from keystoneauth1.identity import v3
from mistralclient.api import client as mistral_client
from openstack import exceptions as sdk_exceptions

from tripleo_common import config, exceptions
from tripleo_common.clouds import deadline as deadlines
from tripleo_common.clouds import regions

SWIFT_RETRIES = 2


class _Session(session.Session):  # type: ignore[misc]
    """A session that makes no request after the deadline, and none longer than is left."""

    def __init__(self, limit: deadlines.Deadline, **options: Any) -> None:
        self._limit = limit
        super().__init__(**options)

    def request(self, *arguments: Any, **options: Any) -> Any:
        options["timeout"] = self._limit.request_timeout()
        # Bodies would be logged as well: Heat is given secrets, and answers with them.
        options["log"] = False
        return super().request(*arguments, **options)


class _SwiftConnection(swiftclient.Connection):  # type: ignore[misc]
    """A connection whose every request, each attempt too, keeps the deadline.

    swiftclient takes its timeout when it connects and then for ever.
    """

    def __init__(self, limit: deadlines.Deadline, **options: Any) -> None:
        self._limit = limit
        super().__init__(**options)

    def http_connection(self, url: str | None = None) -> Any:
        parsed, connection = super().http_connection(url)
        send = connection._request

        def request(*arguments: Any, **options: Any) -> Any:
            options["timeout"] = self._limit.request_timeout()
            return send(*arguments, **options)

        connection._request = request
        return parsed, connection


class Cloud:
    """One cloud, in the region that was asked for. It opens clients when they are first used.

    :ivar name: the cloud's name in ``clouds.yaml``, or None for the request's own.
    :ivar session: keystoneauth session that keeps the deadline.
    """

    def __init__(
        self,
        name: str | None,
        ksa_session: Any,
        limit: deadlines.Deadline,
        *wanted_regions: str | None,
    ) -> None:
        """Keep the session; no request is made yet.

        :param wanted_regions: regions in order of precedence.
        """
        self.name = name
        self.deadline = limit
        self.session = ksa_session
        self._wanted = wanted_regions

    def endpoint(self, service: str) -> str:
        """Return a service's URL in the region that calls to it go to."""
        return str(self.session.get_endpoint(**self._filter(service)))

    def region(self, service: str) -> str:
        """Return the region that calls to a service go to; see :func:`regions.choose`."""
        catalogue = {
            kind: [endpoint.region_name for endpoint in endpoints]
            for kind, endpoints in self._endpoints.items()
        }
        return regions.choose(catalogue, service, *self._wanted)

    @property
    def names(self) -> dict[str, str]:
        """Endpoint URL to service type, for telling who an error is about."""
        return {
            endpoint.url: kind
            for kind, endpoints in self._endpoints.items()
            for endpoint in endpoints
        }

    @functools.cached_property
    def heat(self) -> Any:
        """Client of the orchestration service."""
        return heatclient.client.Client("1", session=self.session, **self._filter("orchestration"))

    @functools.cached_property
    def ironic(self) -> Any:
        """Client of the bare metal service."""
        return ironicclient.client.get_client(
            "1",
            session=self.session,
            endpoint_override=self.endpoint("baremetal"),
            os_ironic_api_version="1.46",
        )

    @functools.cached_property
    def mistral(self) -> Any:
        """Client of the workflow service."""
        url = self.endpoint("workflowv2")
        return mistral_client.client(session=self.session, mistral_url=url)

    def swift(self) -> Any:
        """Return a new connection to the object store; one is not for several threads.

        :raises DeadlineExceeded: no time is left.
        """
        self.deadline.request_timeout()
        return _SwiftConnection(
            self.deadline,
            preauthurl=self.endpoint("object-store"),
            preauthtoken=self.session.get_token(),
            retries=SWIFT_RETRIES,
            cacert=self.session.verify if isinstance(self.session.verify, str) else None,
            insecure=self.session.verify is False,
        )

    @functools.cached_property
    def _endpoints(self) -> dict[str, list[Any]]:
        found = self.session.auth.get_access(self.session).service_catalog.get_endpoints_data(
            interface=config.options().interface
        )
        return {kind: endpoints for kind, endpoints in found.items() if endpoints}

    def _filter(self, service: str) -> dict[str, str]:
        return {
            "service_type": service,
            "interface": config.options().interface,
            "region_name": self.region(service),
        }


def open_home(security: Any, limit: deadlines.Deadline) -> Cloud:
    """Return the cloud that the request came through.

    :param security: Mistral's security context: token, catalogue, authentication URL.
    :param limit: for all requests of the action.
    """
    options = config.options()
    verify = False if security.insecure else (security.auth_cacert or True)
    auth = _request_auth(security)
    return Cloud(
        None,
        _Session(limit, auth=auth, verify=verify),
        limit,
        security.region_name or None,
        options.region,
    )


def open_cloud(
    security: Any,
    action_region: str | None,
    cloud: str | None,
    limit: deadlines.Deadline,
) -> Cloud:
    """Return the cloud that an action's inputs name.

    The region is, in this order: the input, that of the request (or of the named cloud), the
    configured one, the only one.

    :param action_region: a region of that cloud, or None.
    :param cloud: a name in the executors' ``clouds.yaml``, or None for the request's own.
    :raises CloudNotFound: there is no such cloud.
    """
    for name, value in (("action_region", action_region), ("cloud", cloud)):
        if value is not None and not isinstance(value, str):
            raise exceptions.InputInvalid(name, "must be a name.")
    if cloud is None:
        home = open_home(security, limit)
        return Cloud(None, home.session, limit, action_region, *home._wanted)
    configuration = openstack.config.OpenStackConfig()
    # Where there is no file, openstacksdk speaks of a cloud "defaults".
    available = set(configuration.get_cloud_names()) - {"defaults"}
    if cloud not in available:
        raise exceptions.CloudNotFound(cloud, available)
    try:
        region = configuration.get_one(cloud=cloud)
    except sdk_exceptions.ConfigException as error:
        raise exceptions.InputInvalid(
            "cloud", f"names a cloud that is not usable: {error}"
        ) from error
    verify, _certificate = region.get_requests_verify_args()
    return Cloud(
        cloud,
        _Session(limit, auth=region.get_auth(), verify=verify),
        limit,
        action_region,
        region.get_region_name() or None,
    )


def _request_auth(security: Any) -> plugin.BaseAuthPlugin:
    """Use the token that came with the request.

    Mistral hands on what it learnt when it validated the token, catalogue included; then nothing
    has to be asked of Keystone. Otherwise (a trust, a target) Keystone tells.
    """
    known = security.service_catalog
    if isinstance(known, dict) and known.get("catalog"):
        reference = access.create(body={"token": known}, auth_token=security.auth_token)
        return access_plugin.AccessInfoPlugin(reference, auth_url=security.auth_uri)
    return v3.Token(security.auth_uri, security.auth_token, project_id=security.project_id)
