"""Heat: orchestration, engine and API in one process."""

from __future__ import annotations

from typing import Any

from tripleo_common.undercloud import processes, state
from tripleo_common.undercloud.services import base


class Heat(base.Service):
    """The legacy engine on sqlite, without a message bus."""

    name = "heat"
    config_name = "heat.conf"
    distribution = "openstack-heat"
    service_type = "orchestration"
    path = "/v1/%(project_id)s"
    regional = True
    ports = {"heat": 8004}

    def configure(self) -> None:
        """Write heat.conf."""
        self.directory.data(self.unit).mkdir(mode=0o700, parents=True, exist_ok=True)
        state.write_ini(
            self._config,
            {
                "DEFAULT": {
                    "use_stderr": True,
                    "transport_url": "fake:///",
                    "num_engine_workers": 1,
                    # Convergence sleeps a second per leaf resource when it starts a stack.
                    "convergence_engine": False,
                    "stack_user_domain_name": "heat",
                    "stack_domain_admin": "heat_domain_admin",
                    "stack_domain_admin_password": self.directory.secret("user:heat_domain_admin"),
                    "auth_encryption_key": self.directory.secret("heat-encryption"),
                    "max_resources_per_stack": -1,
                    "max_nested_stack_depth": 12,
                    "max_json_body_size": 16 * 1024 * 1024,
                    "max_template_size": 16 * 1024 * 1024,
                    "region_name_for_services": self.region,
                    "environment_dir": processes.packaged("heat/environment.d"),
                    "template_dir": processes.packaged("heat/templates"),
                    "heat_metadata_server_url": self.base_url,
                },
                "clients_keystone": {"auth_uri": self._auth_url},
                "database": self._sqlite(),
                "keystone_authtoken": self._keystone_authtoken(),
                "paste_deploy": {
                    "api_paste_config": processes.packaged("heat/api-paste.ini"),
                },
                "trustee": self._credentials(),
                # The defaults are too small for tripleo-heat-templates.
                "yaql": {"memory_quota": 1000000, "limit_iterators": 10000},
            },
        )

    def schema_commands(self) -> list[processes.Command]:
        """Make the database."""
        return [
            processes.Command(
                (
                    processes.program("heat-manage"),
                    "--config-file",
                    str(self._config),
                    "db_sync",
                )
            )
        ]

    def specs(self) -> list[processes.Spec]:
        """One process."""
        return [
            processes.Spec(
                self.unit,
                processes.Command(
                    processes.python(
                        "tripleo_common.undercloud.servers.heat",
                        str(self._config),
                        str(self.port("heat")),
                    )
                ),
                self.port("heat"),
                self.base_url,
                "/healthcheck",
            )
        ]

    def probe(self, session: Any) -> None:
        """List stacks, which asks the engine."""
        session.get(f"{self.base_url}/v1/{session.get_project_id()}/stacks?limit=1")
