"""What services and their clients say, in our words."""

from __future__ import annotations

import urllib.parse
from typing import Any

import requests.exceptions
from heatclient import exc as heat_exc
from keystoneauth1 import exceptions as ksa_exc
from mistralclient.api import base as mistral_base
from swiftclient import exceptions as swift_exc

from tripleo_common import exceptions

_WORDS = 2000


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
    if isinstance(error, heat_exc.HTTPException):
        return _answered("orchestration", "its endpoint", error.code, str(error))
    if isinstance(error, mistral_base.APIException):
        words = error.error_message or ""
        if isinstance(words, bytes):
            words = words.decode("utf-8", "replace")
        return _answered("workflowv2", "its endpoint", error.error_code, words)
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


def _answered(service: str, url: str, status: Any, words: str) -> exceptions.TripleOError:
    code = int(status) if str(status).isdigit() else None
    if code in (401, 403):
        return exceptions.NotAllowed(service, code, words[:_WORDS])
    if code in (502, 503, 504, 507):
        return exceptions.ServiceUnavailable(service, _origin(url), f"answers HTTP {code}")
    return exceptions.ServiceRefused(service, code, words[:_WORDS])


def _unreachable(service: str, url: str, error: BaseException) -> exceptions.TripleOError:
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
