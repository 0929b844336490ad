"""A cloud and a region, opened: the clients of one action."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import glanceclient.client
import heatclient.client
import ironic_inspector_client
import ironicclient.v1.client
import swiftclient
from mistralclient.api import client as mistral_client

from tripleo_common import exceptions
from tripleo_common.clouds import deadline as deadlines
from tripleo_common.clouds import regions

SWIFT_RETRIES = 2

_WORKFLOW = "workflowv2"


class _SwiftConnection(swiftclient.Connection):  # type: ignore[misc]
    """A connection whose every request, each attempt too, keeps the deadline.

    swiftclient takes its timeout when it connects and then for ever. When a token has expired, the
    session gets another one.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        verify = cloud.session.verify
        super().__init__(
            session=cloud.session,
            retries=SWIFT_RETRIES,
            cacert=verify if isinstance(verify, str) else None,
            insecure=verify is False,
        )

    def get_auth(self) -> tuple[str, str]:
        """Return the region's URL and a token that is valid."""
        return self._cloud.endpoint("object-store"), self._cloud.session.get_token()

    def http_connection(self, url: str | None = None) -> Any:
        parsed, connection = super().http_connection(url)
        send = connection._request

        def request(*arguments: Any, **options: Any) -> Any:
            options["timeout"] = self._cloud.deadline.request_timeout()
            return send(*arguments, **options)

        connection._request = request
        return parsed, connection


class Cloud:
    """One cloud, in the region that was asked for. It opens clients when they are first used.

    :ivar name: the cloud's name in ``clouds.yaml``, or None for the request's own or its target.
    :ivar session: keystoneauth session that keeps the deadline.
    """

    def __init__(
        self,
        name: str | None,
        session: Any,
        limit: deadlines.Deadline,
        interface: str,
        *wanted_regions: str | None,
    ) -> None:
        """Keep the session; no request is made yet.

        :param interface: which interface of the catalogue's endpoints is used.
        :param wanted_regions: regions in order of precedence.
        """
        self.name = name
        self.deadline = limit
        self.session = session
        self._interface = interface
        self._wanted = wanted_regions

    def endpoint(self, service: str) -> str:
        """Return a service's URL in the region that calls to it go to.

        :raises ServiceNotFound: the catalogue has no such service.
        :raises RegionNotFound: the region does not have it.
        :raises RegionNotChosen: several regions have it, and none was chosen.
        """
        region = self.region(service)
        return next(
            str(endpoint.url)
            for endpoint in self._endpoints[service]
            if (endpoint.region_name or "") == region
        )

    def region(self, service: str) -> str:
        """Return the region that calls to a service go to; see :func:`regions.choose`."""
        catalogue = {
            # Keystone lets an endpoint be of no region.
            kind: [endpoint.region_name or "" for endpoint in endpoints]
            for kind, endpoints in self._endpoints.items()
        }
        return regions.choose(catalogue, service, *self._wanted)

    @property
    def names(self) -> dict[str, str]:
        """Endpoint URL to service type, for telling who an error is about; as far as known."""
        auth_url = getattr(self.session.auth, "auth_url", None)
        known = {str(auth_url): "identity"} if auth_url else {}
        if "_endpoints" not in self.__dict__:
            return known
        return known | {
            endpoint.url: kind
            for kind, endpoints in self._endpoints.items()
            for endpoint in endpoints
        }

    def client(
        self,
        factory: Callable[..., Any],
        service: str,
        *arguments: Any,
        endpoint: str = "endpoint_override",
        **options: Any,
    ) -> Any:
        """Return the client of a service that a client library's factory makes.

        :param service: its type in the catalogue.
        :param endpoint: what the factory calls the URL that requests go to.
        :param arguments: passed on, as ``options`` are.
        """
        options[endpoint] = self.endpoint(service)
        return factory(*arguments, session=self.session, **options)

    @functools.cached_property
    def heat(self) -> Any:
        """Client of the orchestration service."""
        return self.client(heatclient.client.Client, "orchestration", "1")

    @functools.cached_property
    def ironic(self) -> Any:
        """Client of the bare metal service."""
        return self.client(
            ironicclient.v1.client.Client,
            "baremetal",
            # The first with inventories and inspection rules; an older Ironic is asked for less.
            os_ironic_api_version="1.96",
            allow_api_version_downgrade=True,
            # It repeats whatever is refused for a conflict, also where that will not pass.
            max_retries=0,
        )

    @functools.cached_property
    def inspector(self) -> Any:
        """Client of the introspection service, which not every cloud has.

        :raises ServiceNotFound: this one does not.
        """
        return self.client(
            ironic_inspector_client.ClientV1, "baremetal-introspection", endpoint="inspector_url"
        )

    @functools.cached_property
    def glance(self) -> Any:
        """Client of the image service."""
        return self.client(glanceclient.client.Client, "image", "2")

    @functools.cached_property
    def mistral(self) -> Any:
        """Client of the workflow service."""
        return self.client(mistral_client.client, _WORKFLOW, endpoint="mistral_url")

    def swift(self) -> Any:
        """Return a new connection to the object store; one is not for several threads.

        :raises DeadlineExceeded: no time is left.
        """
        self.deadline.request_timeout()
        return _SwiftConnection(self)

    @functools.cached_property
    def _endpoints(self) -> dict[str, list[Any]]:
        known = self.session.auth.get_access(self.session)
        try:
            found = known.service_catalog.get_endpoints_data(interface=self._interface)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise exceptions.ServiceRefused(
                "identity", None, "the catalogue that comes with its token cannot be read"
            ) from error
        return {kind: endpoints for kind, endpoints in found.items() if endpoints}


class Home(Cloud):
    """The cloud whose Mistral runs the action; plan environments are there."""

    def region(self, service: str) -> str:
        """Return the region of a service; Mistral need not be in the region that is asked for."""
        if service == _WORKFLOW:
            there = {endpoint.region_name or "" for endpoint in self._endpoints.get(service, ())}
            found = next((wanted for wanted in self._wanted if wanted in there), None)
            if found is not None:
                return found
            if len(there) == 1:
                return str(there.pop())
        return super().region(service)
