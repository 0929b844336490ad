"""Mistral: workflows. API, engine and executor in one process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from cryptography import fernet

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

    @property
    def _encryption_keys(self) -> Path:
        return self.directory.etc(self.unit) / "encryption-keys"

    @property
    def _more_options(self) -> Path:
        """Directory of files with options of the user's own, which win over ours."""
        return self.directory.etc(self.unit) / "mistral.conf.d"

    def configure(self) -> None:
        """Write mistral.conf.

        Also the file with the clouds that an action's ``cloud`` can name, and the file with the
        key that secrets of plans are encrypted with.
        """
        if not self._clouds.exists():
            # Once: whoever runs the undercloud adds clouds to it.
            clouds = yaml.safe_dump(self.directory.clouds(), sort_keys=False)
            state.write_private(self._clouds, clouds)
        if not self._encryption_keys.exists():
            # Once: what is encrypted is lost without it. Whoever rotates it puts a new one on top.
            key = fernet.Fernet.generate_key().decode("ascii")
            state.write_private(self._encryption_keys, f"{key}\n")
        self._more_options.mkdir(mode=0o700, parents=True, exist_ok=True)
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
                "tripleo": {
                    "region": self.region,
                    "encryption_keys_file": self._encryption_keys,
                },
            },
        )

    def specs(self) -> list[processes.Spec]:
        """One process; it makes its schema itself."""
        return [
            processes.Spec(
                "mistral",
                processes.Command(
                    processes.python(
                        "tripleo_common.undercloud.servers.mistral",
                        "--config-file",
                        str(self._config),
                        "--config-dir",
                        str(self._more_options),
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
