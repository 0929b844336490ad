"""Sessions: who we are at a cloud, how certificates are checked, how long anything may take.

Whoever has a valid token keeps it: plugins that can get a new one are kept for all actions of the
process, so that a request to Keystone is only made when there is none. What is kept is found by
everything that it depends on, credentials included, so it never serves another project.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from typing import Any

import openstack.config
from keystoneauth1 import access, plugin, session
from keystoneauth1 import exceptions as ksa_exc
from keystoneauth1.identity import access as access_plugin
from keystoneauth1.identity import base as identity
from keystoneauth1.identity import v3
from openstack import exceptions as sdk_exceptions

from tripleo_common import config, exceptions, memory
from tripleo_common.clouds import deadline as deadlines
from tripleo_common.clouds import targets

LOG = logging.getLogger(__name__)

Verify = bool | str
"""How certificates are checked: True by the system's authorities, a path by those of that bundle,
False not at all."""

_KEPT: memory.Memory[str, plugin.BaseAuthPlugin] = memory.Memory(64)
"""Digest of credentials to the plugin that has, or gets, a token with them."""

_KEEPING = threading.Lock()


class Session(session.Session):  # type: ignore[misc]
    """A session that makes no request after the deadline, and none longer than is left."""

    def __init__(self, limit: deadlines.Deadline, **options: Any) -> None:
        """Keep the deadline; see keystoneauth1 for the options."""
        self._limit = limit
        super().__init__(**options)

    def request(self, url: str, method: str, **options: Any) -> Any:
        """Make a request; see keystoneauth1.

        :raises DeadlineExceeded: no time is left.
        :raises ServiceRefused: Keystone leads elsewhere, where credentials must not follow, or does
            not answer in JSON.
        """
        options["timeout"] = self._limit.request_timeout()
        # Bodies would be logged as well: Heat is given secrets, and answers with them.
        options["log"] = False
        asks_keystone = options.get("authenticated") is False
        if asks_keystone:
            options["redirect"] = False
        answer = super().request(url, method, **options)
        if asks_keystone and 300 < answer.status_code < 400:
            place = str(answer.headers.get("Location", "elsewhere"))[:200]
            raise exceptions.ServiceRefused(
                "identity",
                answer.status_code,
                f"it redirects to {place}, and credentials are not sent after a redirection. "
                "Name the authentication URL that it leads to.",
            )
        if asks_keystone and not _is_mapping(answer.text):
            raise exceptions.ServiceRefused(
                "identity", answer.status_code, "its answer is none that a Keystone gives"
            )
        return answer


def _is_mapping(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


class GivenToken(identity.BaseIdentityPlugin):  # type: ignore[misc]
    """A token that somebody else has got; Keystone tells what it is good for."""

    def __init__(self, auth_url: str, token: str) -> None:
        """Keep both; no request is made.

        :param auth_url: Keystone's, with ``/v3``.
        """
        # When it expires there is no other one to be had.
        super().__init__(auth_url=auth_url, reauthenticate=False)
        self._token = token

    def get_auth_ref(self, session: Any) -> Any:
        """Ask Keystone about the token (Identity API v3, GET /v3/auth/tokens)."""
        answer = session.get(
            f"{self.auth_url}/auth/tokens",
            headers={
                "X-Auth-Token": self._token,
                "X-Subject-Token": self._token,
                "Accept": "application/json",
            },
            authenticated=False,
        )
        try:
            return access.create(resp=answer, auth_token=self._token)
        except (ValueError, KeyError, TypeError) as error:
            raise exceptions.ServiceRefused(
                "identity", answer.status_code, "its answer about the token is no token"
            ) from error


class Named:
    """A cloud of the executors' ``clouds.yaml``.

    :ivar region: the one that the file says, or None.
    :ivar interface: the interface that the file says.
    :ivar verify: how its certificates are checked.
    """

    def __init__(self, name: str, action_region: str | None) -> None:
        """Read the file; no request is made.

        :param action_region: the region that is asked for; the file may say more about it.
        :raises CloudNotFound: the file has no such cloud.
        :raises InputInvalid: what the file says of it is not usable.
        """
        try:
            configuration = openstack.config.OpenStackConfig()
        except sdk_exceptions.ConfigException as error:
            raise _unusable(error) from error
        # Where there is no file, openstacksdk speaks of a cloud "defaults".
        available = set(configuration.get_cloud_names()) - {"defaults"}
        if name not in available:
            raise exceptions.CloudNotFound(name, available)
        said = (configuration.cloud_config or {}).get("clouds", {}).get(name) or {}
        # Asked for no region, openstacksdk takes the first one of a list.
        self.region: str | None = said.get("region_name") or None
        known = [r.get("name") if isinstance(r, dict) else r for r in said.get("regions") or []]
        wanted = action_region if action_region in known else self.region
        options: dict[str, Any] = {"cloud": name}
        if wanted in known:
            options["region_name"] = wanted
        else:
            # What the file says of one of them must not be taken for another, or for all.
            said.pop("regions", None)
        auth = said.get("auth") or {}
        # The plugin "password" asks Keystone for its versions first, which the URL tells already.
        is_v3 = str(auth.get("auth_url") or "").rstrip("/").endswith("/v3")
        if is_v3 and said.get("auth_type", "password") == "password":
            options["auth_type"] = "v3password"
        try:
            found = configuration.get_one(**options)
            self._auth = found.get_auth()
        except (sdk_exceptions.ConfigException, ksa_exc.ClientException) as error:
            raise _unusable(error) from error
        self.verify: Verify = found.get_requests_verify_args()[0]
        self.interface = str(found.get_interface() or "public")
        if self.verify is False:
            LOG.warning("Certificates of cloud %s are not checked, as clouds.yaml says", name)
        self._key = _digest("cloud", name, found.config, str(self.verify))

    def auth(self) -> Any:
        """Return the plugin that authenticates there."""
        return _kept(self._key, self._auth)


def _unusable(error: Exception) -> exceptions.InputInvalid:
    return exceptions.InputInvalid("cloud", f"names a cloud that is not usable: {error}")


def of_request(security: Any) -> plugin.BaseAuthPlugin:
    """Return the plugin that uses the token which came with the request.

    Mistral hands on what it learnt when it validated the token, catalogue included; then nothing
    has to be asked of Keystone. Otherwise (a trust) Keystone tells.

    :raises CredentialsLost: there is no token.
    """
    if not security.auth_token:
        raise exceptions.CredentialsLost()
    known = security.service_catalog
    if isinstance(known, dict) and known.get("catalog"):
        reference = access.create(body={"token": known}, auth_token=security.auth_token)
        return access_plugin.AccessInfoPlugin(reference, auth_url=security.auth_uri)
    asking = v3.Token(security.auth_uri, security.auth_token, project_id=security.project_id)
    key = _digest("request", security.auth_uri, security.auth_token, security.project_id)
    return _kept(key, asking)


def of_request_verify(security: Any) -> Verify:
    """Return how the certificates of the request's own cloud are checked."""
    options = config.options()
    if options.insecure:
        LOG.warning("Certificates of the own cloud are not checked (option insecure)")
        return False
    return str(options.cacert or security.auth_cacert or "") or True


def of_target(target: targets.Target, verify: Verify) -> plugin.BaseAuthPlugin:
    """Return the plugin that uses the token of a target."""
    key = _digest("target", target.auth_url, target.token, target.cacert, target.insecure)
    if verify is False:
        LOG.warning("Certificates of the target %s are not checked, as asked", target.auth_url)
    return _kept(key, GivenToken(target.auth_url, target.token))


def _kept(key: str, made: plugin.BaseAuthPlugin) -> plugin.BaseAuthPlugin:
    # Of two threads that come at once, both get the same plugin, and so one token.
    with _KEEPING:
        known = _KEPT.get(key)
        if known is None:
            _KEPT.put(key, made)
            return made
        return known


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
