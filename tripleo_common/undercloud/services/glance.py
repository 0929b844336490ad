"""Glance: images, kept as files."""

from __future__ import annotations

from typing import Any

from tripleo_common.undercloud import processes, state
from tripleo_common.undercloud.services import base


class Glance(base.Service):
    """The image API with a file store."""

    name = "glance"
    config_name = "glance-api.conf"
    distribution = "glance"
    service_type = "image"
    ports = {"glance": 9292}

    def configure(self) -> None:
        """Write glance-api.conf."""
        data = self.directory.data(self.unit)
        for directory in ("images", "staging", "tasks"):
            (data / directory).mkdir(mode=0o700, parents=True, exist_ok=True)
        state.write_ini(
            self._config,
            {
                "DEFAULT": {
                    "use_stderr": True,
                    "bind_host": state.HOST,
                    "enabled_backends": "files:file",
                    "worker_self_reference_url": self.base_url,
                },
                "database": self._sqlite(),
                "files": {"filesystem_store_datadir": data / "images"},
                "glance_store": {"default_backend": "files"},
                "keystone_authtoken": self._keystone_authtoken(),
                "os_glance_staging_store": {"filesystem_store_datadir": data / "staging"},
                "os_glance_tasks_store": {"filesystem_store_datadir": data / "tasks"},
                "paste_deploy": {
                    "flavor": "keystone",
                    "config_file": processes.packaged("glance/glance-api-paste.ini"),
                },
            },
        )

    def schema_commands(self) -> list[processes.Command]:
        """Make the database."""
        config = str(self._config)
        return [
            processes.Command(
                (processes.program("glance-manage"), "--config-file", config, "db_sync")
            )
        ]

    def specs(self) -> list[processes.Spec]:
        """One process."""
        return [
            processes.Spec(
                "glance",
                processes.Command(
                    processes.python(
                        "tripleo_common.undercloud.servers.wsgi",
                        "glance.wsgi.api:application",
                        str(self.port("glance")),
                    ),
                    {"OS_GLANCE_CONFIG_DIR": str(self.directory.etc(self.unit))},
                ),
                self.port("glance"),
                self.endpoint,
                "/healthcheck",
            )
        ]

    def probe(self, session: Any) -> None:
        """List images."""
        session.get(f"{self.endpoint}/v2/images?limit=1")
