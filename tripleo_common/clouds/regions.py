"""Which region of a catalogue a call goes to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tripleo_common import exceptions

Catalogue = Mapping[str, Iterable[str]]
"""Service type to the regions that have an endpoint of it."""


def choose(catalogue: Catalogue, service: str, *wanted: str | None) -> str:
    """Return the region to use for a service.

    :param catalogue: what the cloud has.
    :param service: service type, for example ``object-store``.
    :param wanted: regions in order of precedence; the first one that is given counts, and must be
        right: a wrong one is never replaced by another.
    :raises ServiceNotFound: the catalogue has no such service.
    :raises RegionNotFound: the wanted region does not have the service.
    :raises RegionNotChosen: none is wanted, and several have it: never "the first".
    """
    available = sorted(set(catalogue.get(service, ())))
    if not available:
        raise exceptions.ServiceNotFound(service, catalogue)
    # An empty string is a region that somebody named, wrongly; only None is none.
    given = next((region for region in wanted if region is not None), None)
    if given is not None:
        if given not in available:
            raise exceptions.RegionNotFound(given, service, available)
        return given
    if len(available) > 1:
        raise exceptions.RegionNotChosen(service, available)
    return available[0]
