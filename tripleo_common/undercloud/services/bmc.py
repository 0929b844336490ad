"""The BMCs of emulated machines, served by sushy-emulator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bcrypt
import requests.auth

from tripleo_common.undercloud import processes, state
from tripleo_common.undercloud.bare_metal import nodes
from tripleo_common.undercloud.services import base


class Bmc(base.Service):
    """Redfish for ``--nodes N`` machines, and the machines behind it."""

    name = "bmc"
    config_name = "nodes.json"
    distribution = "sushy-tools"
    # Not in the catalogue: it is hardware.
    service_type = ""
    ports = {"bmc": 8000}
    user = "admin"

    @property
    def password(self) -> str:
        """What Ironic logs in with, as :attr:`user`."""
        return self.directory.secret("bmc")

    @property
    def _htpasswd(self) -> Path:
        return self.directory.etc(self.unit) / "htpasswd"

    @property
    def nodes_file(self) -> Path:
        """The file that says which machines there are."""
        return self._config

    def nodes(self) -> list[nodes.Node]:
        """Return the machines.

        :raises UndercloudError: their file cannot be used.
        """
        return nodes.read(self._config)

    def configure(self) -> None:
        """Write the file of users, and as many machines as there should be and are not yet."""
        self.directory.data(self.unit).mkdir(mode=0o700, parents=True, exist_ok=True)
        nodes.grow(self._config, self.directory.secret("bmc-machines"), self.directory.nodes)
        if not self._htpasswd.exists():
            # The password is generated: a slow hash protects nothing and costs at each request.
            hashed = bcrypt.hashpw(self.password.encode(), bcrypt.gensalt(4)).decode("ascii")
            state.write_private(self._htpasswd, f"{self.user}:{hashed}\n")

    def specs(self) -> list[processes.Spec]:
        """One process."""
        ironic = f"http://{state.HOST}:{self.directory.port('ironic')}"
        return [
            processes.Spec(
                "bmc",
                processes.Command(
                    processes.python(
                        "tripleo_common.undercloud.servers.bmc",
                        str(self._config),
                        str(self._htpasswd),
                        str(self.directory.data(self.unit)),
                        ironic,
                        str(self.port("bmc")),
                    )
                ),
                self.port("bmc"),
                self.base_url,
                "/redfish/v1/",
            )
        ]

    def probe(self, session: Any) -> None:
        """List systems."""
        session.get(
            f"{self.base_url}/redfish/v1/Systems",
            authenticated=False,
            requests_auth=requests.auth.HTTPBasicAuth(self.user, self.password),
        )

    def instackenv(self) -> dict[str, list[dict[str, Any]]]:
        """Return the machines as a list of nodes to register. It holds the BMCs' password."""
        return {
            "nodes": [
                {
                    "name": node.name,
                    "pm_type": "redfish",
                    "pm_addr": self.base_url,
                    "pm_system_id": f"/redfish/v1/Systems/{node.uuid}",
                    "pm_user": self.user,
                    "pm_password": self.password,
                    "mac": list(node.macs),
                }
                for node in self.nodes()
            ]
        }
