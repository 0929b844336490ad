"""Getting tarballs over HTTP and from Swift, no larger than a plan may be."""

from __future__ import annotations

import threading
import urllib.parse
from collections.abc import Callable
from concurrent import futures
from pathlib import Path
from typing import Any

import requests
import urllib3
from swiftclient import exceptions as swift_exc

from tripleo_common import clouds, config, exceptions
from tripleo_common.plan import tarball
from tripleo_common.plan.sources import addresses

_REDIRECTS = 5
_CHUNK = 2**16


def from_swift(source: addresses.Object, swift: Any, target: Path) -> None:
    """Put an object into a file.

    :param swift: a ``swiftclient`` connection.
    :raises SourceInvalid: there is no such object, or it is empty.
    :raises LimitExceeded: it is larger than a plan may be.
    """
    most = _most()
    try:
        headers = swift.head_object(source.container, source.name)
        size = str(headers.get("content-length", ""))
        if size.isdecimal() and int(size) > most:
            raise tarball.too_large(source.shown, int(size))
        if size == "0":
            raise exceptions.SourceInvalid(source.shown, "it is empty.")
        # It may have grown meanwhile: one byte too many is enough to see that.
        _, body = swift.get_object(
            source.container, source.name, headers={"Range": f"bytes=0-{most}"}
        )
    except swift_exc.ClientException as error:
        if error.http_status == 404:
            raise exceptions.SourceInvalid(
                source.shown,
                "there is no such object in this cloud and region. If it is in another, name that "
                "(action_region, cloud).",
            ) from error
        raise
    if len(body) > most:
        raise tarball.too_large(source.shown, len(body))
    target.write_bytes(body)


def over_http(url: str, target: Path, limit: clouds.Deadline) -> None:
    """Put what a web server has into a file; where a redirect leads must be allowed as well.

    :raises InputInvalid: it redirects to what is not allowed.
    :raises SourceInvalid: the server does not answer, or not with the file.
    :raises LimitExceeded: it is larger than a plan may be.
    :raises DeadlineExceeded: the time is up.
    """
    # Neither looking up a name nor a server that sends its headers by the byte has an end.
    _in_time(lambda: _follow(url, target, limit), limit)


def _in_time(work: Callable[[], None], limit: clouds.Deadline) -> None:
    """Do something that knows no deadline of its own, and wait no longer than is left.

    It goes on in its thread until it notices.
    """
    result: futures.Future[None] = futures.Future()

    def run() -> None:
        try:
            work()
            result.set_result(None)
        # Whatever it is, it is raised where the result is awaited.
        except BaseException as error:
            result.set_exception(error)

    threading.Thread(target=run, name="tripleo-source", daemon=True).start()
    try:
        result.result(limit.left)
    except TimeoutError as error:
        raise exceptions.DeadlineExceeded(limit.seconds) from error


def _follow(url: str, target: Path, limit: clouds.Deadline) -> None:
    at = url
    with requests.Session() as session:
        # Else requests looks for credentials in a .netrc.
        session.auth = lambda request: request
        # A tarball is unpacked later, with limits.
        session.headers["Accept-Encoding"] = "identity"
        for _ in range(_REDIRECTS + 1):
            host = urllib.parse.urlsplit(at).hostname
            try:
                with session.get(
                    at, stream=True, allow_redirects=False, timeout=limit.request_timeout()
                ) as response:
                    location = response.headers.get("Location")
                    if response.status_code not in (301, 302, 303, 307, 308) or not location:
                        if response.status_code != 200:
                            raise exceptions.SourceInvalid(
                                url, f"{host} answers HTTP {response.status_code}."
                            )
                        _save(url, response, target, limit)
                        return
                    at = urllib.parse.urljoin(at, location)
            # requests raises a bare ValueError for some values of Location, followed or not.
            except (
                requests.RequestException,
                urllib3.exceptions.HTTPError,
                OSError,
                ValueError,
            ) as error:
                limit.request_timeout()
                raise exceptions.SourceInvalid(
                    url, f"{host} cannot be read from: {_cause(error)}."
                ) from error
            at = addresses.redirected(at)
    raise exceptions.SourceInvalid(url, f"it redirects more than {_REDIRECTS} times.")


def _save(url: str, response: requests.Response, target: Path, limit: clouds.Deadline) -> None:
    with target.open("wb") as file:
        # read1 returns what is there; read would wait for a whole chunk.
        while chunk := response.raw.read1(_CHUNK, decode_content=False):
            limit.request_timeout()
            file.write(chunk)
            if file.tell() > _most():
                raise tarball.too_large(url, file.tell())


def _most() -> int:
    """Return how many bytes a tarball may have."""
    return int(config.options().plan_max_mib) * 2**20


def _cause(error: BaseException) -> str:
    """Return what happened at the bottom; what is above repeats the URL, with its query."""
    while (under := error.__cause__ or error.__context__) is not None:
        error = under
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
