"""Keystone: identity and the catalogue."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path
from typing import Any

from tripleo_common.undercloud import processes, state
from tripleo_common.undercloud.services import base


class Keystone(base.Service):
    """Fernet tokens, SQL on sqlite, served by a threaded WSGI server."""

    name = "keystone"
    config_name = "keystone.conf"
    distribution = "keystone"
    service_type = "identity"
    path = "/v3"
    ports = {"keystone": 5000}

    @property
    def _more_options(self) -> Path:
        """Directory of files with options of the user's own, which win over ours."""
        return self.directory.etc(self.unit) / "keystone.conf.d"

    def configure(self) -> None:
        """Write keystone.conf.

        It says nothing of a public endpoint: the links in Keystone's answers then lead to where
        the client has sent its request, also through a proxy or a TLS terminator.
        """
        self._more_options.mkdir(mode=0o700, parents=True, exist_ok=True)
        data = self.directory.data(self.unit)
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        state.write_ini(
            self._config,
            {
                "DEFAULT": {"use_stderr": True},
                "database": self._sqlite(),
                "cache": {"enabled": True, "backend": "oslo_cache.dict"},
                "credential": {"key_repository": data / "credential-keys"},
                "fernet_tokens": {"key_repository": data / "fernet-keys"},
                "fernet_receipts": {"key_repository": data / "fernet-keys"},
                # All passwords here are generated, 128 bits each: a slow hash protects nothing
                # and costs each login a quarter of a second.
                "identity": {"password_hash_rounds": 4},
                "token": {"provider": "fernet"},
            },
        )

    def schema_commands(self) -> list[processes.Command]:
        """Make the database, the keys, and the admin's user, project, role and endpoint."""
        keystone_manage = (
            processes.program("keystone-manage"),
            *("--config-file", str(self._config)),
            *("--config-dir", str(self._more_options)),
        )
        # The password travels in the environment, which only this user can read: an argument is
        # visible to everybody on the machine.
        password = {"OS_BOOTSTRAP_PASSWORD": self.directory.secret("user:admin")}
        endpoints = (
            word
            for interface in ("admin", "internal", "public")
            for word in (f"--bootstrap-{interface}-url", self.endpoint)
        )
        owner = (
            *("--keystone-user", pwd.getpwuid(os.getuid()).pw_name),
            *("--keystone-group", grp.getgrgid(os.getgid()).gr_name),
        )
        return [
            processes.Command((*keystone_manage, "db_sync")),
            processes.Command((*keystone_manage, "fernet_setup", *owner)),
            processes.Command((*keystone_manage, "credential_setup", *owner)),
            processes.Command(
                (
                    *(*keystone_manage, "bootstrap", "--bootstrap-region-id", self.region),
                    *endpoints,
                ),
                password,
            ),
        ]

    def specs(self) -> list[processes.Spec]:
        """One process."""
        # Its application takes a list of files and no directory; later ones win.
        files = [self._config, *sorted(self._more_options.glob("*.conf"))]
        return [
            processes.Spec(
                "keystone",
                processes.Command(
                    processes.python(
                        "tripleo_common.undercloud.servers.wsgi",
                        "tripleo_common.undercloud.servers.keystone:application",
                        str(self.port("keystone")),
                    ),
                    {"OS_KEYSTONE_CONFIG_FILES": ";".join(str(file) for file in files)},
                ),
                self.port("keystone"),
                self.endpoint,
                "/v3",
            )
        ]

    def probe(self, session: Any) -> None:
        """Get a token."""
        session.get_token()
