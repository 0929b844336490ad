"""What services and their clients say, in our words."""

from __future__ import annotations

import re
import urllib.parse
from typing import Any

import requests.exceptions
from keystoneauth1 import exceptions as ksa_exc
from mistralclient.api import base as mistral_base
from swiftclient import exceptions as swift_exc

from tripleo_common import exceptions

_WORDS = 2000

_CLIENTS = {
    "cinderclient": "volumev3",
    "glanceclient": "image",
    "heatclient": "orchestration",
    "ironic_inspector_client": "baremetal-introspection",
    "ironicclient": "baremetal",
    "keystoneclient": "identity",
    "mistralclient": "workflowv2",
    "neutronclient": "network",
    "novaclient": "compute",
}
"""Client library to the service that it is for. Not all of them need be installed."""

_DISTRUST = re.compile(r"certificate verify failed: ([^()]{1,200})")
"""How OpenSSL says why it does not trust a certificate."""

_UNREACHABLE = ("Communication", "Connection")
"""What the names of clients' errors have in them if there was no answer."""


def translate(error: BaseException, names: dict[str, str]) -> exceptions.TripleOError | None:
    """Turn an error of a client library into one of ours.

    :param error: what was raised.
    :param names: endpoint URL to service type, to name the service.
    :returns: nothing if it is no client's error.
    """
    if isinstance(error, exceptions.TripleOError):
        return error
    if isinstance(error, swift_exc.ClientException):
        url = f"{error.http_scheme or 'http'}://{error.http_host}:{error.http_port}"
        if not error.http_status:
            return _unreachable("object-store", url if error.http_host else "its endpoint", error)
        return _answered("object-store", url, error.http_status, error.http_reason or "")
    if isinstance(error, mistral_base.APIException):
        words = error.error_message or ""
        if isinstance(words, bytes):
            words = words.decode("utf-8", "replace")
        return _answered("workflowv2", "its endpoint", error.error_code, words)
    library = type(error).__module__.partition(".")[0]
    if library in _CLIENTS:
        return _of_client(_CLIENTS[library], error)
    if isinstance(error, ksa_exc.HttpError):
        url = str(error.url or "")
        return _answered(_service(url, names), url, error.http_status, str(error))
    if isinstance(error, ksa_exc.ConnectionError | requests.exceptions.RequestException):
        request = getattr(error, "request", None)
        url = str(getattr(error, "url", None) or getattr(request, "url", None) or "")
        if not url:
            url = next((word for word in str(error).split() if word.startswith("http")), "")
        return _unreachable(_service(url, names), url.rstrip(":") or "its endpoint", error)
    if isinstance(error, ksa_exc.ClientException):
        return exceptions.ServiceRefused("identity", None, str(error)[:_WORDS])
    return None


def _of_client(service: str, error: BaseException) -> exceptions.TripleOError:
    """Turn an error of a client's own. They are alike, but have no class in common."""
    response = getattr(error, "response", None)
    for holder, name in (
        (error, "http_status"),
        (error, "status_code"),
        (error, "code"),
        (response, "status_code"),
    ):
        status = getattr(holder, name, None)
        if isinstance(status, int) and status:
            return _answered(service, "its endpoint", status, str(error))
    if any(word in kind.__name__ for kind in type(error).__mro__ for word in _UNREACHABLE):
        url = next((word for word in str(error).split() if word.startswith("http")), "")
        return _unreachable(service, url.rstrip(":") or "its endpoint", error)
    return exceptions.ServiceRefused(service, None, str(error)[:_WORDS])


def _answered(service: str, url: str, status: Any, words: str) -> exceptions.TripleOError:
    code = int(status) if str(status).isdigit() else None
    if code in (401, 403):
        return exceptions.NotAllowed(service, code, words[:_WORDS])
    if code in (502, 503, 504, 507):
        return exceptions.ServiceUnavailable(service, _origin(url), f"answers HTTP {code}")
    return exceptions.ServiceRefused(service, code, words[:_WORDS])


def _unreachable(service: str, url: str, error: BaseException) -> exceptions.TripleOError:
    distrust = _DISTRUST.search(str(error))
    if distrust:
        return exceptions.CertificateInvalid(
            f"The certificate of {service} at {_origin(url)}",
            f"is not trusted: {distrust.group(1).strip()}. Give the certificates of the authority "
            "that signed it: cacert of the cloud in the executors' clouds.yaml, the option cacert "
            "of the group [tripleo], or X-Target-Cacert of a request.",
        )
    timeout = isinstance(error, ksa_exc.ConnectTimeout | requests.exceptions.Timeout)
    problem = "does not answer in time" if timeout else "cannot be reached"
    return exceptions.ServiceUnavailable(service, _origin(url), problem)


def _origin(url: str) -> str:
    """Return scheme, host and port: what else a URL holds may be secret."""
    parts = urllib.parse.urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.netloc else url


def _service(url: str, names: dict[str, str]) -> str:
    found = [name for endpoint, name in names.items() if _origin(endpoint) == _origin(url)]
    return found[0] if found else "The service"
