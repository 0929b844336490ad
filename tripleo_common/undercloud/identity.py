"""What the undercloud's Keystone holds: users, roles, regions, services and endpoints."""

from __future__ import annotations

from typing import Any

from keystoneauth1 import adapter

from tripleo_common.undercloud import state
from tripleo_common.undercloud.services import Keystone, Service

_INTERFACES = ("public", "internal", "admin")


def digest(services: list[Service], regions: list[str]) -> str:
    """Return a mark of what :func:`seed` would make, to see whether it has been made."""
    return " ".join([*regions, *(f"{service.unit}={service.endpoint}" for service in services)])


def seed(session: Any, directory: state.StateDir, services: list[Service]) -> None:
    """Make everything that is missing; what is there already is left alone.

    :param session: keystoneauth session of the administrator.
    :param services: instances that must stand in the catalogue.
    """
    keystone = _Keystone(session)
    keystone.seed(directory, services)


class _Keystone:
    """Find-or-create over Keystone's v3 API (https://docs.openstack.org/api-ref/identity/v3/)."""

    def __init__(self, session: Any) -> None:
        self._api = adapter.Adapter(session, service_type="identity", interface="public")
        self._listed: dict[str, list[dict[str, Any]]] = {}

    def seed(self, directory: state.StateDir, services: list[Service]) -> None:
        project = self._ensure("project", name="service", domain_id="default")
        roles = {
            name: self._ensure("role", name=name)["id"]
            # Heat creates users with the first and delegates the second.
            for name in ("admin", "member", "service", "heat_stack_user", "heat_stack_owner")
        }
        for region in directory.regions:
            self._ensure("region", id=region)
        for service in services:
            self._publish(service, directory.regions if isinstance(service, Keystone) else [])
            if isinstance(service, Keystone):
                continue
            user = self._ensure(
                "user",
                more={"password": directory.secret(f"user:{service.name}")},
                name=service.name,
                domain_id="default",
            )
            for role in ("admin", "service"):
                self._grant(f"projects/{project['id']}", user, roles[role])
        if any(service.name == "heat" for service in services):
            domain = self._ensure("domain", name="heat")
            user = self._ensure(
                "user",
                more={"password": directory.secret("user:heat_domain_admin")},
                name="heat_domain_admin",
                domain_id=domain["id"],
            )
            self._grant(f"domains/{domain['id']}", user, roles["admin"])
        admin = self._ensure("user", name="admin", domain_id="default")
        home = self._ensure("project", name="admin", domain_id="default")
        self._grant(f"projects/{home['id']}", admin, roles["heat_stack_owner"])

    def _publish(self, service: Service, regions: list[str]) -> None:
        entry = self._ensure("service", name=service.name, type=service.service_type)
        for region in regions or [service.region]:
            for interface in _INTERFACES:
                self._ensure(
                    "endpoint",
                    more={"url": service.endpoint},
                    service_id=entry["id"],
                    interface=interface,
                    region_id=region,
                )

    def _ensure(self, kind: str, more: dict[str, str] | None = None, **key: str) -> dict[str, Any]:
        """Find by the key, or create with the key and what else it has."""
        if kind not in self._listed:
            self._listed[kind] = self._api.get(f"/{kind}s").json()[f"{kind}s"]
        for found in self._listed[kind]:
            if all(found.get(name) == value for name, value in key.items()):
                return found
        answer = self._api.post(f"/{kind}s", json={kind: {**key, **(more or {})}}, log=False)
        created: dict[str, Any] = answer.json()[kind]
        self._listed[kind].append(created)
        return created

    def _grant(self, target: str, user: dict[str, Any], role_id: str) -> None:
        self._api.put(f"/{target}/users/{user['id']}/roles/{role_id}")
