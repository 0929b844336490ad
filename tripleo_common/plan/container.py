"""A plan's container in Swift."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import io
import json
import secrets
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from concurrent import futures
from typing import Any, TypeVar

from swiftclient import exceptions as swift_exc
from swiftclient import utils as swift_utils

from tripleo_common import clouds, config, exceptions
from tripleo_common.plan import names as names_of_plan
from tripleo_common.plan import tarball

USAGE_HEADER = "x-container-meta-usage-tripleo"
"""Marks a container as a plan's; its value is ``plan``. Clients look for it."""

REVISION_HEADER = "x-container-meta-tripleo-revision"
"""The revision that a plan's container is known to show completely."""

_DELETED_AT_ONCE = 250

_PAGE = 10000
"""How many names Swift lists at once, unless it is configured otherwise."""

_T = TypeVar("_T")


@dataclasses.dataclass(frozen=True)
class Object:
    """What a listing says of a file: its MD5 and its size in bytes."""

    hash: str
    bytes: int


@dataclasses.dataclass(frozen=True)
class Look:
    """A container at one moment.

    :ivar objects: path to MD5 and size of every file.
    :ivar revision: the revision that it shows completely, or None.
    """

    objects: dict[str, Object]
    revision: int | None


class Container:
    """A container of a plan, in one cloud and region."""

    def __init__(self, cloud: clouds.Cloud, name: str, usage: str = "plan") -> None:
        """Name it; no request is made.

        :param usage: what it says of itself that it is for.
        """
        self._cloud = cloud
        self._usage = usage
        self.name = name

    @property
    def url(self) -> str:
        """Where it is."""
        return f"{self._cloud.endpoint('object-store')}/{self.name}"

    def exists(self) -> bool:
        """Tell whether it is there."""
        return self._head() is not None

    def is_marked(self) -> bool:
        """Tell whether it is there and says of itself that it is a plan's."""
        return (self._head() or {}).get(USAGE_HEADER) == self._usage

    def _head(self) -> dict[str, str] | None:
        try:
            headers: dict[str, str] = self._cloud.swift().head_container(self.name)
        except swift_exc.ClientException as error:
            if error.http_status == 404:
                return None
            raise
        return headers

    def create(self) -> None:
        """Make it.

        :raises PlanExists: it is there already, or somebody else makes it at this moment.
        """
        if self.exists():
            raise exceptions.PlanExists(self.name, "container")
        answer: dict[str, Any] = {}
        self._cloud.swift().put_container(
            self.name, headers={USAGE_HEADER: self._usage}, response_dict=answer
        )
        # 201 is "created"; 202 says that it was there by then.
        if answer.get("status") == 202:
            raise exceptions.PlanExists(self.name, "container")

    def ensure(self) -> None:
        """Make it if it is not there."""
        self._cloud.swift().put_container(self.name, headers={USAGE_HEADER: self._usage})

    def mark_revision(self, revision: int | None) -> None:
        """Say which revision it shows completely."""
        self._cloud.swift().post_container(
            self.name, {REVISION_HEADER: "" if revision is None else str(revision)}
        )

    def look(self, prefix: str = "") -> Look:
        """List every file.

        :param prefix: only files whose path begins so.
        :raises ContainerNotFound: there is no such container.
        """
        try:
            get = functools.partial(self._cloud.swift().get_container, self.name, prefix=prefix)
            headers, listed = _all(get, "" if prefix else "x-container-object-count")
        except swift_exc.ClientException as error:
            if error.http_status == 404:
                raise exceptions.ContainerNotFound(self.name) from error
            raise
        revision = str(headers.get(REVISION_HEADER, ""))
        return Look(
            {item["name"]: Object(item["hash"], item["bytes"]) for item in listed},
            int(revision) if revision.isdigit() else None,
        )

    def read(self, objects: Mapping[str, Object]) -> dict[str, bytes]:
        """Return path to content of the listed files.

        :raises FileNotInPlan: one has gone since it was listed.
        :raises LimitExceeded: more, or larger, than the configuration allows; nothing is read.
        """
        budget = tarball.Budget(f"Plan {self.name}")
        for path, item in objects.items():
            budget.spend(path, item.bytes)
        return dict(zip(objects, self._parallel(self._get, objects), strict=True))

    def get(self, path: str) -> bytes | None:
        """Return the content of one file, or None if it is not there."""
        try:
            return self._get(self._cloud.swift(), path)
        except exceptions.FileNotInPlan:
            return None

    def write(
        self,
        files: Mapping[str, bytes],
        content_type: str = "text/yaml",
        headers: Mapping[str, Any] | None = None,
    ) -> None:
        """Store files, whatever is there."""

        def put(swift: Any, path: str) -> None:
            swift.put_object(
                self.name,
                path,
                # A stream, which the client can send again if Swift fails; bytes it sends once.
                io.BytesIO(files[path]),
                content_length=len(files[path]),
                content_type=content_type,
                etag=md5(files[path]),
                headers=dict(headers or {}),
            )

        self._parallel(put, files)

    def extract(self, files: Mapping[str, bytes]) -> None:
        """Store many files with one request (Swift's bulk middleware).

        :raises ServiceRefused: Swift stored some and not others; names the first of these.
        """
        path = f"/{urllib.parse.quote(self.name)}?extract-archive=tar.gz"
        self._bulk("PUT", path, tarball.pack(files))

    def delete_files(self, paths: Iterable[str]) -> None:
        """Remove files; those that are not there are no error."""
        lines = [urllib.parse.quote(f"/{self.name}/{path}") for path in paths]
        # The middleware deletes one after the other, so it is asked several times at once.
        bodies = [
            "\n".join(lines[start : start + _DELETED_AT_ONCE]).encode("ascii")
            for start in range(0, len(lines), _DELETED_AT_ONCE)
        ]
        with futures.ThreadPoolExecutor(config.options().transfer_threads) as pool:
            list(pool.map(functools.partial(self._bulk, "POST", "?bulk-delete"), bodies))

    def delete(self) -> None:
        """Remove the container and all of its files; nothing happens if it is not there."""
        for _ in self._cloud.deadline.poll(0.2, 2, 60):
            try:
                self.delete_files(self.look().objects)
                self._cloud.swift().delete_container(self.name)
                return
            except exceptions.ContainerNotFound:
                return
            except swift_exc.ClientException as error:
                if error.http_status == 404:
                    return
                # Somebody has put a file into it since it was listed.
                if error.http_status != 409:
                    raise
        raise exceptions.ServiceRefused(
            "object-store", 409, f"container {self.name} does not become empty"
        )

    def _get(self, swift: Any, path: str) -> bytes:
        try:
            content: bytes = swift.get_object(self.name, path)[1]
        except swift_exc.ClientException as error:
            if error.http_status == 404:
                raise exceptions.FileNotInPlan(path, f"plan {self.name}'s listing") from error
            raise
        return content

    def _parallel(self, work: Callable[[Any, str], _T], paths: Iterable[str]) -> list[_T]:
        """Do something for each path, several at a time, each thread on its own connection."""
        todo = list(paths)
        if not todo:
            return []
        for path in todo:
            # HTTP clients take dot segments out of a URL, which would then name something else.
            if names_of_plan.resolve(path, "") != path:
                raise exceptions.PathInvalid(path, f"plan {self.name}")
        count = min(config.options().transfer_threads, len(todo))
        connections = [self._cloud.swift() for _ in range(count)]

        def some(index: int) -> list[_T]:
            swift = connections[index]
            done = []
            for path in todo[index::count]:
                done.append(work(swift, path))
            return done

        with futures.ThreadPoolExecutor(count) as pool:
            shares = list(pool.map(some, range(count)))
        return [shares[index % count][index // count] for index in range(len(todo))]

    def _bulk(self, method: str, path: str, body: bytes) -> None:
        """Use the bulk middleware, whose answer is HTTP 200 whatever happened inside."""
        answer = self._cloud.session.request(
            self._cloud.endpoint("object-store") + path,
            method,
            data=body,
            headers={"Accept": "application/json", "Content-Type": "text/plain"},
        )
        try:
            report = json.loads(answer.text)
        except ValueError:
            report = None
        if not isinstance(report, dict):
            raise exceptions.ServiceRefused(
                "object-store", answer.status_code, "its bulk middleware gave no report"
            )
        status = str(report.get("Response Status", ""))
        errors = report.get("Errors") or []
        if not status.startswith("2") or errors:
            first = f"{errors[0][0]}: {errors[0][1]}" if errors else report.get("Response Body")
            raise exceptions.ServiceRefused(
                "object-store", int(status[:3]) if status[:3].isdigit() else None, str(first)
            )


def names(cloud: clouds.Cloud) -> set[str]:
    """Return the names of all containers of the project."""
    _headers, listed = _all(cloud.swift().get_account, "x-account-container-count")
    return {item["name"] for item in listed}


_METHODS = ("GET", "PUT", "HEAD", "POST", "DELETE")
_KEY_HEADER = "x-container-meta-temp-url-key"


def temporary_url(cloud: clouds.Cloud, name: str, path: str, method: str, seconds: int) -> str:
    """Return a URL that lets anybody use one method on an object for some time.

    :raises InputInvalid: there is no such container, or the method is none.
    """
    if method not in _METHODS:
        raise exceptions.InputInvalid("method", f"must be one of {', '.join(_METHODS)}.")
    swift = cloud.swift()
    try:
        key = swift.head_container(name).get(_KEY_HEADER)
    except swift_exc.ClientException as error:
        if error.http_status == 404:
            raise exceptions.InputInvalid(
                "container", f"names {name}, which is not there."
            ) from error
        raise
    if not key:
        key = secrets.token_hex(32)
        swift.post_container(name, {_KEY_HEADER: key})
    url = urllib.parse.urlsplit(cloud.endpoint("object-store"))
    target = f"{url.path}/{name}/{path}"
    signed = swift_utils.generate_temp_url(target, seconds, key, method, digest="sha256")
    signed_path, _, query = signed.partition("?")
    return f"{url.scheme}://{url.netloc}{urllib.parse.quote(signed_path)}?{query}"


def _all(get: Callable[..., Any], counter: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return a whole listing, without asking once more only to see that nothing follows.

    :param counter: the header that says how many there are, if one does. Swift counts late, so a
        full page is never taken for the last one.
    :returns: the headers of the first page, and the entries of all pages.
    """
    found: list[dict[str, Any]] = []
    first: dict[str, Any] = {}
    while True:
        headers, page = get(marker=found[-1]["name"] if found else None)
        first = first or headers
        found.extend(page)
        expected = headers.get(counter)
        if not page or (len(page) < _PAGE and expected and len(found) >= int(expected)):
            return first, found


def md5(content: bytes) -> str:
    """Return what Swift lists as the hash of a file of that content."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
