"""What ironic-python-agent does on the wire when a machine has booted it.

It sends what it has found out about the hardware to Ironic (or to ironic-inspector, where the
machine's entry says so), looks up which node it runs on, and tells Ironic from time to time that it
is there. In this order, which is the agent's own: inspection comes first, because the lookup of a
machine that nobody knows yet would fail. Mostly Ironic switches the machine off before the agent
comes any further.

Ironic's commands to an agent (deploy, clean) are not served.
"""

from __future__ import annotations

import logging
import random
from typing import Any, Protocol

import requests

from tripleo_common.undercloud.bare_metal import nodes, shapes

LOG = logging.getLogger(__name__)

AGENT_VERSION = "11.2.0"

_PORT = 9999
"""Where the agent would listen for commands."""
_SLOW = 10
_TIMEOUT_SECONDS = 60
_API_VERSION = {"X-OpenStack-Ironic-API-Version": "1.68"}

_INSPECTION_WAITS = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds between attempts to send what was found.

Unlike the agent this one also tries again when the node is not known: it boots in seconds and may
be faster than Ironic, which is ready for it only some time after it has switched on the machine.
"""

_LOOKUP_WAITS = (1.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
"""Seconds before each attempt of a lookup; then the agent gives up."""

_CONFLICT_SECONDS = 5.0
_HEARTBEAT_SHARES = (0.3, 0.6)
"""Of the time that Ironic waits for a heartbeat: after between so much and so much of it the agent
sends the next one."""


class Off(Protocol):
    """The machine's power, as ``threading.Event`` has it: set when it is switched off."""

    def wait(self, timeout: float | None = None) -> bool:
        """Return whether it has been switched off within so many seconds."""
        ...


def session() -> requests.Session:
    """Return a session for the ramdisks of all machines; it keeps connections open."""
    http = requests.Session()
    http.trust_env = False
    http.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=64))
    return http


class Ramdisk:
    """The agent on one machine, from when its power is switched on."""

    def __init__(self, node: nodes.Node, ironic: str, http: requests.Session) -> None:
        """Describe it.

        :param node: the machine, as its entry was when it was switched on.
        :param ironic: URL of Ironic's API, without version.
        """
        self._node = node
        self._ironic = ironic
        self._http = http

    def run(self, off: Off) -> None:
        """Boot and do all that the agent does until the machine is switched off."""
        node = self._node
        seconds = node.boot_seconds * (_SLOW if node.fault == "slow" else 1)
        if off.wait(seconds) or node.fault == "no-boot":
            return
        data = shapes.inspection_data(node, foreign=node.fault == "wrong-mac")
        if node.fault == "ramdisk-error":
            # The agent sends this with what else it has found.
            data["error"] = (
                "The following errors were encountered:\n* collector default failed: Error "
                f"finding the disk or partition device to deploy the image onto on {node.name}"
            )
        uuid = None
        if node.fault != "timeout":
            uuid = self._inspect(data, off)
        found = self._look_up(data["inventory"], uuid, off)
        if found and node.fault != "timeout":
            self._beat(found, off)

    def _inspect(self, data: dict[str, Any], off: Off) -> str | None:
        """Send what was found; return the id of the node that it is about, if that is told."""
        url = self._node.inspection_callback or f"{self._ironic}/v1/continue_inspection"
        for wait in (*_INSPECTION_WAITS, None):
            answer = self._request("POST", url, json=data)
            if answer is not None and answer.ok:
                return _uuid(answer)
            if wait is None or off.wait(wait):
                break
        return None

    def _look_up(
        self, inventory: dict[str, Any], uuid: str | None, off: Off
    ) -> dict[str, Any] | None:
        """Ask which node this is; return Ironic's answer."""
        addresses = ",".join(nic["mac_address"] for nic in inventory["interfaces"])
        query = {"addresses": addresses, **({"node_uuid": uuid} if uuid else {})}
        for wait in _LOOKUP_WAITS:
            if off.wait(wait):
                return None
            answer = self._request("GET", f"{self._ironic}/v1/lookup", params=query)
            if answer is not None and answer.ok:
                return dict(answer.json())
        LOG.warning("%s: Ironic does not know this machine.", self._node.name)
        return None

    def _beat(self, found: dict[str, Any], off: Off) -> None:
        """Tell Ironic again and again that the agent is there."""
        settings = found["config"]
        url = f"{self._ironic}/v1/heartbeat/{found['node']['uuid']}"
        message = {
            "callback_url": f"https://{shapes.address(self._node)}:{_PORT}",
            "agent_version": AGENT_VERSION,
            "agent_token": settings.get("agent_token"),
        }
        shortest, longest = (share * settings["heartbeat_timeout"] for share in _HEARTBEAT_SHARES)
        while True:
            answer = self._request("POST", url, json=message)
            busy = answer is None or answer.status_code == requests.codes.conflict
            wait = _CONFLICT_SECONDS if busy else random.uniform(shortest, longest)  # noqa: S311
            if off.wait(wait):
                return

    def _request(self, method: str, url: str, **more: Any) -> requests.Response | None:
        """Return the answer, or nothing if there was none."""
        versioned = url.startswith(f"{self._ironic}/") and "continue_inspection" not in url
        try:
            answer = self._http.request(
                method,
                url,
                headers=_API_VERSION if versioned else None,
                timeout=_TIMEOUT_SECONDS,
                **more,
            )
        except requests.RequestException as error:
            LOG.warning("%s: %s %s: %s", self._node.name, method, url, error)
            return None
        if not answer.ok:
            LOG.info("%s: %s %s: HTTP %s", self._node.name, method, url, answer.status_code)
        return answer


def _uuid(answer: requests.Response) -> str | None:
    """Return the id in an answer; a machine's entry can name any service, so it may have none."""
    try:
        said = answer.json()
    except requests.JSONDecodeError:
        return None
    uuid = said.get("uuid") if isinstance(said, dict) else None
    return uuid if isinstance(uuid, str) else None
