"""Mistral: workflows. API, engine and executor in one process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tripleo_common.undercloud import processes, state
from tripleo_common.undercloud.services import base


class Mistral(base.Service):
    """The workflow service, with this project's actions loaded."""

    name = "mistral"
    config_name = "mistral.conf"
    distribution = "mistral"
    service_type = "workflowv2"
    path = "/v2"
    ports = {"mistral": 8989}

    @property
    def _clouds(self) -> Path:
        return self.directory.etc(self.unit) / "clouds.yaml"

    def configure(self) -> None:
        """Write mistral.conf, and the file with the clouds that an action's ``cloud`` can name."""
        if not self._clouds.exists():
            # Once: whoever runs the undercloud adds clouds to it.
            clouds = yaml.safe_dump(self.directory.clouds(), sort_keys=False)
            state.write_private(self._clouds, clouds)
        self.directory.data(self.unit).mkdir(mode=0o700, parents=True, exist_ok=True)
        state.write_ini(
            self._config,
            {
                "DEFAULT": {
                    "use_stderr": True,
                    "transport_url": "fake:///",
                    "auth_type": "keystone",
                    # Makes with-items with a concurrency four times faster than the legacy one.
                    "scheduler_type": "default",
                },
                "api": {"host": state.HOST, "port": self.port("mistral")},
                "cron_trigger": {"enabled": False},
                "database": self._sqlite(),
                "keystone": self._project_credentials(),
                "keystone_authtoken": self._keystone_authtoken(),
                "scheduler": {"fixed_delay": 0.1, "random_delay": 0},
                "tripleo": {"region": self.region},
            },
        )

    def specs(self) -> list[processes.Spec]:
        """One process; it makes its schema itself."""
        return [
            processes.Spec(
                "mistral",
                processes.Command(
                    processes.python(
                        "tripleo_common.undercloud.servers.mistral", str(self._config)
                    ),
                    {"OS_CLIENT_CONFIG_FILE": str(self._clouds)},
                ),
                self.port("mistral"),
                self.endpoint,
            )
        ]

    def probe(self, session: Any) -> None:
        """List workflows."""
        session.get(f"{self.endpoint}/workflows?limit=1")
