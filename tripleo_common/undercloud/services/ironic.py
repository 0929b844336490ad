"""Ironic: bare-metal nodes, API and conductor in one process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tripleo_common.undercloud import processes, state
from tripleo_common.undercloud.services import base

_POLICY = {
    "service_role": "role:admin",
    "baremetal:inspection_rule:create": "role:admin",
    "baremetal:inspection_rule:delete": "role:admin",
}
"""Ironic reserves inspection rules, and a look at the nodes of all projects, to tokens of the
system's scope, which no request to Mistral has. The administrator of an undercloud may do these
things.
"""


class Ironic(base.Service):
    """Redfish and fake hardware; no message bus, no network service."""

    name = "ironic"
    config_name = "ironic.conf"
    distribution = "ironic"
    service_type = "baremetal"
    ports = {"ironic": 6385}

    @property
    def _more_options(self) -> Path:
        """Directory of files with options of the user's own, which win over ours."""
        return self.directory.etc(self.unit) / "ironic.conf.d"

    @property
    def _policy(self) -> Path:
        return self.directory.etc(self.unit) / "policy.yaml"

    def configure(self) -> None:
        """Write ironic.conf."""
        self._more_options.mkdir(mode=0o700, parents=True, exist_ok=True)
        state.write_private(self._policy, yaml.safe_dump(_POLICY))
        data = self.directory.data(self.unit)
        for directory in ("http", "images", "tftp"):
            (data / directory).mkdir(mode=0o700, parents=True, exist_ok=True)
        state.write_ini(
            self._config,
            {
                "DEFAULT": {
                    "use_stderr": True,
                    "auth_strategy": "keystone",
                    "rpc_transport": "none",
                    "host": state.HOST,
                    "my_ip": state.HOST,
                    "state_path": data,
                    "enabled_hardware_types": "fake-hardware,redfish",
                    "enabled_boot_interfaces": "fake,pxe,redfish-virtual-media",
                    "enabled_deploy_interfaces": "fake,direct",
                    "enabled_power_interfaces": "fake,redfish,agent",
                    "enabled_management_interfaces": "fake,redfish,noop",
                    "enabled_inspect_interfaces": "agent,fake,no-inspect,redfish",
                    "default_inspect_interface": "agent",
                    # The default wants ipmitool on the machine.
                    "enabled_vendor_interfaces": "no-vendor,redfish",
                    "enabled_bios_interfaces": "no-bios,redfish",
                    "default_bios_interface": "no-bios",
                    "enabled_raid_interfaces": "no-raid",
                    "enabled_network_interfaces": "noop",
                    "default_network_interface": "noop",
                },
                "api": {"host_ip": state.HOST, "port": self.port("ironic"), "api_workers": 1},
                "auto_discovery": {"enabled": False},
                "conductor": {
                    "automated_clean": False,
                    # Of kernels and ramdisks with file:// URLs.
                    "file_url_allowed_paths": ("/var/lib/ironic", data / "http"),
                    # Timeouts are looked for this often.
                    "check_provision_state_interval": 10,
                    "sync_power_state_interval": 600,
                },
                "database": self._sqlite(),
                "deploy": {"http_root": data / "http", "http_url": f"{self.base_url}/unserved"},
                "dhcp": {"dhcp_provider": "none"},
                "glance": self._project_credentials(),
                "inspector": {
                    "require_managed_boot": False,
                    "hooks": "$default_hooks,boot-mode,parse-lldp,local-link-connection",
                },
                "inventory": {"data_backend": "database"},
                "keystone_authtoken": self._keystone_authtoken(),
                "oslo_policy": {"policy_file": self._policy},
                "pxe": {
                    "images_path": data / "images",
                    "tftp_root": data / "tftp",
                    "instance_master_path": data / "images",
                    "tftp_master_path": data / "tftp",
                },
                "redfish": {
                    "auth_type": "basic",
                    # The library underneath tries ten times already, every 3 s.
                    "connection_attempts": 1,
                },
                "service_catalog": {
                    "endpoint_override": self.base_url,
                    **self._project_credentials(),
                },
                "swift": self._project_credentials(),
            },
        )

    def schema_commands(self) -> list[processes.Command]:
        """Make the database, or bring it up to this version."""
        made = (self.directory.data(self.unit) / "ironic.sqlite").exists()
        return [
            processes.Command(
                (
                    processes.program("ironic-dbsync"),
                    "--config-file",
                    str(self._config),
                    "upgrade" if made else "create_schema",
                )
            )
        ]

    def specs(self) -> list[processes.Spec]:
        """One process."""
        return [
            processes.Spec(
                "ironic",
                processes.Command(
                    processes.python(
                        "tripleo_common.undercloud.servers.ironic",
                        "--config-file",
                        str(self._config),
                        "--config-dir",
                        str(self._more_options),
                    )
                ),
                self.port("ironic"),
                self.endpoint,
            )
        ]

    def probe(self, session: Any) -> None:
        """List nodes; the API opens when the conductor in the same process is ready."""
        session.get(f"{self.endpoint}/v1/nodes?limit=1")
