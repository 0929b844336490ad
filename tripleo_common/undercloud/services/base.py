"""What every service of the undercloud says about itself."""

from __future__ import annotations

import abc
import importlib.metadata
from pathlib import Path
from typing import Any, ClassVar

from tripleo_common import exceptions
from tripleo_common.undercloud import processes, state


class Service(abc.ABC):
    """One OpenStack service in one region."""

    name: ClassVar[str]
    """The project's name, also its user's name in Keystone."""
    distribution: ClassVar[str]
    """The Python distribution that holds it."""
    service_type: ClassVar[str]
    """Its type in the catalogue (service-types authority)."""
    config_name: ClassVar[str]
    """The name of its (main) configuration file."""
    path: ClassVar[str] = ""
    """What follows host and port in its endpoint; ``%(project_id)s`` is replaced by Keystone."""
    regional: ClassVar[bool] = False
    """Whether each region has its own."""
    ports: ClassVar[dict[str, int]]
    """Process name to its well-known port; the first is the one that the endpoint names."""

    def __init__(self, directory: state.StateDir, region: str) -> None:
        """Describe the service in a region; nothing is done yet."""
        self.directory = directory
        self.region = region
        self.index = directory.regions.index(region)

    @property
    def unit(self) -> str:
        """Name of this instance: the service's, with the region where it is not the first."""
        return self.in_region(self.name)

    def in_region(self, name: str) -> str:
        """Return a process's name in this region."""
        return f"{name}-{self.region}" if self.index else name

    def port(self, name: str) -> int:
        """Return the port of one of this instance's processes, by its plain name."""
        return self.directory.port(self.in_region(name))

    def assign_ports(self, *, free: bool) -> None:
        """Choose a port for each process that has none yet."""
        for name, standard in self.ports.items():
            # Well-known ports serve the first region; the others lie 100 further each.
            self.directory.assign_port(self.in_region(name), standard + 100 * self.index, free=free)

    @property
    def base_url(self) -> str:
        """Where it listens, without path."""
        return f"http://{state.HOST}:{self.port(next(iter(self.ports)))}"

    @property
    def endpoint(self) -> str:
        """The URL for the catalogue."""
        return self.base_url + self.path

    @property
    def version(self) -> str:
        """The installed version.

        :raises UndercloudError: the package is missing.
        """
        try:
            return importlib.metadata.version(self.distribution)
        except importlib.metadata.PackageNotFoundError:
            raise exceptions.UndercloudError(
                f"The Python package {self.distribution} is not installed, so {self.name} cannot "
                "run. Install the services with: pip install 'tripleo-common[undercloud]' "
                "-c constraints.txt"
            ) from None

    @abc.abstractmethod
    def configure(self) -> None:
        """Write all configuration files; the same ones when called again."""

    def schema_commands(self) -> list[processes.Command]:
        """Return the commands that make or upgrade its database, in order."""
        return []

    @abc.abstractmethod
    def specs(self) -> list[processes.Spec]:
        """Return its processes, in the order in which they are started."""

    @abc.abstractmethod
    def probe(self, session: Any) -> None:
        """Ask for something that only a working service answers.

        :param session: an authenticated keystoneauth session.
        :raises Exception: whatever the request raised.
        """

    # Paths and sections that several services share.

    @property
    def _config(self) -> Path:
        return self.directory.etc(self.unit) / self.config_name

    @property
    def _auth_url(self) -> str:
        return f"http://{state.HOST}:{self.directory.port('keystone')}/v3"

    def _credentials(self, **more: object) -> dict[str, object]:
        """Return how the service authenticates as its own user."""
        return {
            "auth_type": "password",
            "auth_url": self._auth_url,
            "username": self.name,
            "password": self.directory.secret(f"user:{self.name}"),
            "user_domain_id": "default",
            **more,
        }

    def _project_credentials(self) -> dict[str, object]:
        return self._credentials(project_name="service", project_domain_id="default")

    def _keystone_authtoken(self) -> dict[str, object]:
        return {
            "www_authenticate_uri": self._auth_url,
            # Its own: others may have endpoints that are not for services.
            "region_name": self.region,
            "service_token_roles": "service",
            "service_token_roles_required": True,
            **self._project_credentials(),
        }

    def _sqlite(self) -> dict[str, object]:
        return {"connection": f"sqlite:///{self.directory.data(self.unit)}/{self.name}.sqlite"}
