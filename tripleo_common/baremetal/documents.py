"""What is too large for Mistral's records: JSON objects in a container of the project's own."""

from __future__ import annotations

import json
from typing import Any

import swiftclient.exceptions

from tripleo_common import clouds

CONTAINER = "tripleo-baremetal"

_KEPT_SECONDS = 30 * 24 * 3600
"""How long data is kept after it was written last."""


def write(cloud: clouds.Cloud, name: str, content: Any) -> dict[str, str]:
    """Store data; return where it is: ``container`` and ``object``."""
    _put(cloud, name, content, {})
    return reference(name)


def create(cloud: clouds.Cloud, name: str, content: Any) -> bool:
    """Store data, unless there is some of that name; return whether it was stored."""
    try:
        _put(cloud, name, content, {"If-None-Match": "*"})
    except swiftclient.exceptions.ClientException as error:
        if error.http_status != 412:
            raise
        return False
    return True


def _put(cloud: clouds.Cloud, name: str, content: Any, headers: dict[str, str]) -> None:
    swift = cloud.swift()
    # A text, which the client can send again if Swift fails; bytes it sends once.
    body = json.dumps(content, separators=(",", ":"))
    more = {
        "content_type": "application/json",
        "headers": {"X-Delete-After": str(_KEPT_SECONDS), **headers},
    }
    try:
        swift.put_object(CONTAINER, name, body, **more)
    except swiftclient.exceptions.ClientException as error:
        if error.http_status != 404:
            raise
        swift.put_container(CONTAINER)
        swift.put_object(CONTAINER, name, body, **more)


def read(cloud: clouds.Cloud, name: str) -> Any:
    """Return data that was stored, or None."""
    try:
        _, body = cloud.swift().get_object(CONTAINER, name)
    except swiftclient.exceptions.ClientException as error:
        if error.http_status != 404:
            raise
        return None
    return json.loads(body)


def reference(name: str) -> dict[str, str]:
    """Return where data of that name is: ``container`` and ``object``."""
    return {"container": CONTAINER, "object": name}
