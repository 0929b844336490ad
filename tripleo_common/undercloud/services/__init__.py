"""The services of the undercloud, in the order in which they are shown."""

from __future__ import annotations

from tripleo_common import exceptions
from tripleo_common.undercloud import state
from tripleo_common.undercloud.services.base import Service
from tripleo_common.undercloud.services.bmc import Bmc
from tripleo_common.undercloud.services.glance import Glance
from tripleo_common.undercloud.services.heat import Heat
from tripleo_common.undercloud.services.ironic import Ironic
from tripleo_common.undercloud.services.keystone import Keystone
from tripleo_common.undercloud.services.mistral import Mistral
from tripleo_common.undercloud.services.swift import Swift

CLASSES: tuple[type[Service], ...] = (Keystone, Mistral, Swift, Heat, Glance, Ironic)

__all__ = ["CLASSES", "Bmc", "Keystone", "Mistral", "Service", "build", "check_names"]


def check_names(names: list[str]) -> None:
    """Check the names given to ``--without``.

    :raises UndercloudError: unknown, or a service that nothing works without.
    """
    known = [cls.name for cls in CLASSES if cls is not Keystone]
    for name in names:
        if name not in known:
            raise exceptions.UndercloudError(
                f"{name!r} is not a service that can be left out. These can: {', '.join(known)}."
            )


def build(directory: state.StateDir) -> list[Service]:
    """Return the services of an undercloud: each once, regional ones once per region.

    What is not a service of OpenStack, but hardware, comes last.
    """
    units = [
        cls(directory, region)
        for cls in CLASSES
        if cls.name not in directory.without
        for region in (directory.regions if cls.regional else directory.regions[:1])
    ]
    return [*units, Bmc(directory, directory.regions[0])] if directory.nodes else units
