"""Ironic: bare-metal nodes, API and conductor in one process."""

from __future__ import annotations

from typing import Any

from tripleo_common.undercloud import processes, state
from tripleo_common.undercloud.services import base


class Ironic(base.Service):
    """Redfish and fake hardware; no message bus, no network service."""

    name = "ironic"
    config_name = "ironic.conf"
    distribution = "ironic"
    service_type = "baremetal"
    ports = {"ironic": 6385}

    def configure(self) -> None:
        """Write ironic.conf."""
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
                    "enabled_boot_interfaces": "fake,redfish-virtual-media",
                    "enabled_deploy_interfaces": "fake,direct",
                    "enabled_power_interfaces": "fake,redfish,agent",
                    "enabled_management_interfaces": "fake,redfish,noop",
                    "enabled_inspect_interfaces": "agent,fake,no-inspect,redfish",
                    # The default wants ipmitool on the machine.
                    "enabled_vendor_interfaces": "no-vendor,redfish",
                    "enabled_bios_interfaces": "no-bios,redfish",
                    "enabled_raid_interfaces": "no-raid",
                    "enabled_network_interfaces": "noop",
                    "default_network_interface": "noop",
                },
                "api": {"host_ip": state.HOST, "port": self.port("ironic"), "api_workers": 1},
                "auto_discovery": {"enabled": False},
                "conductor": {"automated_clean": False},
                "database": self._sqlite(),
                "deploy": {"http_root": data / "http", "http_url": f"{self.base_url}/unserved"},
                "glance": self._project_credentials(),
                "inspector": {"require_managed_boot": False},
                "keystone_authtoken": self._keystone_authtoken(),
                "pxe": {
                    "images_path": data / "images",
                    "tftp_root": data / "tftp",
                    "instance_master_path": data / "images",
                    "tftp_master_path": data / "tftp",
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
                    (processes.program("ironic"), "--config-file", str(self._config))
                ),
                self.port("ironic"),
                self.endpoint,
            )
        ]

    def probe(self, session: Any) -> None:
        """List nodes; the API opens when the conductor in the same process is ready."""
        session.get(f"{self.endpoint}/v1/nodes?limit=1")
