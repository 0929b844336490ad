"""Swift: objects, one replica on a plain directory."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Any

from tripleo_common.undercloud import processes, state
from tripleo_common.undercloud.services import base

_BACKENDS = ("account", "container", "object")


class Swift(base.Service):
    """Proxy, account, container and object server."""

    name = "swift"
    config_name = "swift.conf"
    distribution = "swift"
    service_type = "object-store"
    path = "/v1/AUTH_%(project_id)s"
    regional = True
    ports = {
        "swift-proxy": 8080,
        "swift-object": 6200,
        "swift-container": 6201,
        "swift-account": 6202,
    }

    @property
    def _etc(self) -> Path:
        return self.directory.etc(self.unit)

    def _server_config(self, server: str) -> Path:
        return self._etc / f"{server}-server.conf"

    def configure(self) -> None:
        """Write swift.conf, and a file per server."""
        devices = self.directory.data(self.unit)
        (devices / "disk").mkdir(mode=0o700, parents=True, exist_ok=True)
        state.write_ini(
            self._config,
            {
                "swift-hash": {
                    "swift_hash_path_suffix": self.directory.secret(f"{self.unit}-hash"),
                },
                "storage-policy:0": {"name": "gold", "default": True},
            },
        )
        for server in _BACKENDS:
            state.write_ini(
                self._server_config(server),
                {
                    "DEFAULT": {
                        **self._server(f"swift-{server}"),
                        "devices": devices,
                        "mount_check": False,
                    },
                    "pipeline:main": {"pipeline": f"healthcheck {server}-server"},
                    f"app:{server}-server": {"use": f"egg:swift#{server}"},
                    "filter:healthcheck": {"use": "egg:swift#healthcheck"},
                },
            )
        filters = {
            name: {"use": f"egg:swift#{name}"}
            for name in (
                "catch_errors",
                "gatekeeper",
                "healthcheck",
                "listing_formats",
                "bulk",
                "tempurl",
                "copy",
                "slo",
                "dlo",
                "symlink",
                "versioned_writes",
                "keystoneauth",
            )
        }
        filters["keystoneauth"]["operator_roles"] = "admin,member"
        state.write_ini(
            self._server_config("proxy"),
            {
                "DEFAULT": self._server("swift-proxy"),
                "pipeline:main": {
                    "pipeline": (
                        "catch_errors gatekeeper healthcheck cache listing_formats bulk tempurl "
                        "authtoken keystoneauth copy slo dlo symlink versioned_writes proxy-server"
                    )
                },
                "app:proxy-server": {"use": "egg:swift#proxy", "account_autocreate": True},
                **{f"filter:{name}": options for name, options in filters.items()},
                "filter:cache": {
                    "paste.filter_factory": (
                        "tripleo_common.undercloud.servers.swift_cache:filter_factory"
                    )
                },
                "filter:authtoken": {
                    "paste.filter_factory": "keystonemiddleware.auth_token:filter_factory",
                    "delay_auth_decision": True,
                    "cache": "swift.cache",
                    **self._keystone_authtoken(),
                },
            },
        )

    def _server(self, process: str) -> dict[str, object]:
        return {
            "bind_ip": state.HOST,
            "bind_port": self.port(process),
            "workers": 0,
            "user": getpass.getuser(),
            "swift_dir": self._etc,
            "log_name": process,
            # No syslog on the machine is needed: the server's output is its log.
            "log_address": "/dev/null",
        }

    def schema_commands(self) -> list[processes.Command]:
        """Make the rings."""
        return [
            processes.Command(
                processes.python(
                    "tripleo_common.undercloud.servers.swift_rings",
                    str(self._etc),
                    *(f"{server}={self.port(f'swift-{server}')}" for server in _BACKENDS),
                )
            )
        ]

    def specs(self) -> list[processes.Spec]:
        """Four processes, the proxy last."""
        return [
            processes.Spec(
                self.in_region(f"swift-{server}"),
                processes.Command(
                    (
                        processes.program(f"swift-{server}-server"),
                        str(self._server_config(server)),
                        "--verbose",
                    )
                ),
                self.port(f"swift-{server}"),
                self.base_url
                if server == "proxy"
                else f"http://{state.HOST}:{self.port(f'swift-{server}')}",
                "/healthcheck",
            )
            for server in (*_BACKENDS, "proxy")
        ]

    def probe(self, session: Any) -> None:
        """Read the account, which goes through all servers but the object server."""
        session.get(f"{self.base_url}/v1/AUTH_{session.get_project_id()}?limit=1")
