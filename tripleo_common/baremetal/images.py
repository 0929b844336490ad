"""The images that nodes boot to be deployed, cleaned and introspected: Glance's, or files."""

from __future__ import annotations

import contextlib
import urllib.parse
import uuid

import glanceclient.exc

from tripleo_common import clouds, config, exceptions

_BOOT_OPTIONS = ("local", "netboot", "ramdisk")

_SCHEMES = ("http", "https", "file")

KEYS = ("deploy_kernel", "deploy_ramdisk")
"""What Ironic's ``driver_info`` calls them."""


def deploy_images(
    cloud: clouds.Cloud, kernel: object = None, ramdisk: object = None
) -> dict[str, str]:
    """Return the deploy images for ``driver_info``.

    :param kernel: name or UUID of an image in Glance, or a URL of a file (http, https, file). None
        for the configured one (options ``deploy_kernel`` and ``deploy_ramdisk``), if that exists.
    :param ramdisk: likewise.
    :returns: :data:`KEYS` to UUIDs or URLs; without those that are neither given nor there.
    :raises ImageNotFound: Glance does not have one that was given.
    """
    options = config.options()
    found = {}
    for key, given, usual, what in (
        (KEYS[0], kernel, options.deploy_kernel, "kernel_name"),
        (KEYS[1], ramdisk, options.deploy_ramdisk, "ramdisk_name"),
    ):
        if given is not None and (not isinstance(given, str) or not given):
            raise exceptions.InputInvalid(what, "must be an image's name or a URL.")
        wanted = given or usual
        if not wanted:
            continue
        try:
            image = _image(cloud, str(wanted), what)
        except (exceptions.ServiceNotFound, exceptions.RegionNotFound):
            if given is not None:
                raise
            continue
        if image is not None:
            found[key] = image
        elif given is not None:
            names = (str(image["name"] or image["id"]) for image in cloud.glance.images.list())
            raise exceptions.ImageNotFound(str(wanted)[:80], names)
    return found


def named(kernel: object, ramdisk: object) -> set[str]:
    """Return the :data:`KEYS` of the images that a call names.

    Others are the usual ones, for nodes that have none.
    """
    return {key for key, name in zip(KEYS, (kernel, ramdisk), strict=True) if name is not None}


def check_boot_option(value: object) -> str | None:
    """Return the capability ``boot_option`` that an input names, or None.

    :raises InputInvalid: there is no such.
    """
    if value is None:
        return None
    if not isinstance(value, str) or value not in _BOOT_OPTIONS:
        raise exceptions.InputInvalid(
            "instance_boot_option", f"must be one of {exceptions.one_of(_BOOT_OPTIONS)}."
        )
    return value


def _image(cloud: clouds.Cloud, wanted: str, what: str) -> str | None:
    if "://" in wanted:
        return _url(wanted, what)
    named = list(cloud.glance.images.list(filters={"name": wanted}))
    if len(named) > 1:
        raise exceptions.InputInvalid(
            what, f"is the name of {len(named)} images: {wanted[:80]!r}. Give a UUID."
        )
    if named:
        return str(named[0]["id"])
    if _is_uuid(wanted):
        # Lists do not show images that others offer to everybody.
        with contextlib.suppress(glanceclient.exc.HTTPNotFound):
            return str(cloud.glance.images.get(wanted)["id"])
    return None


def _url(text: str, what: str) -> str:
    """Return a URL that Ironic can fetch an image from.

    :raises InputInvalid: it is none.
    """
    try:
        parts = urllib.parse.urlsplit(text)
        is_file = parts.scheme == "file"
        # A port that is none shows when it is read.
        has_place = bool(parts.path if is_file else parts.hostname and parts.port != 0)
        is_odd = "@" in parts.netloc or (is_file and parts.netloc) or ".." in parts.path.split("/")
    except ValueError:
        has_place = False
    is_clean = text.isprintable() and " " not in text
    if not is_clean or not has_place or is_odd or parts.scheme not in _SCHEMES:
        raise exceptions.InputInvalid(
            what,
            f"must be an image's name or a URL with one of {', '.join(_SCHEMES)}, without user, "
            "password or '..'.",
        )
    return text


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
