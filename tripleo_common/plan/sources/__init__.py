"""Fetching a plan's templates from where an input says: git, a tarball, a directory, Swift.

``addresses`` says what can be named and what the configuration allows (``source_schemes``,
``source_hosts``, ``templates_roots``); ``downloads`` gets tarballs over HTTP and from Swift,
``git`` reads repositories. What comes back may be hostile.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tripleo_common import clouds, config, exceptions
from tripleo_common.plan import tarball
from tripleo_common.plan.sources import addresses, downloads, git
from tripleo_common.plan.sources.addresses import FORMS, allowed_path

__all__ = ["FORMS", "allowed_path", "fetch"]


def fetch(source_url: str, swift: Callable[[], Any], deadline: clouds.Deadline) -> dict[str, bytes]:
    """Return path to content of the templates that a source has; hidden files are left out.

    - ``https://host/repository`` (also ``git+https:``, ``git:``, ``ssh:``): a git repository;
      ``#`` and a branch, tag or commit may follow, else its HEAD is taken.
    - ``https://host/path.tar.gz`` (``.tgz``, ``.tar``, ``.tar.bz2``, ``.tar.xz``): a tarball.
    - ``file:///path`` below a root that :func:`allowed_path` allows: a directory or a tarball; a
      git repository if it ends in ``.git``, has a ``#`` or is called ``git+file:``.
    - ``swift:CONTAINER/OBJECT``: a tarball in this cloud, which no option has to allow.

    :param swift: opens a ``swiftclient`` connection; called for ``swift:`` alone.
    :param deadline: ends it when option ``source_timeout`` does not earlier.
    :raises InputInvalid: the input is malformed, or names what the configuration does not allow.
    :raises SourceInvalid: there are no templates, they cannot be fetched, or not in time.
    :raises PathInvalid: a file's path, or a link, leaves the source.
    :raises LimitExceeded: too many files, or too large ones.
    :raises DeadlineExceeded: no time is left.
    """
    source = addresses.parse(source_url)
    deadline.request_timeout()
    seconds = config.options().source_timeout
    limit = clouds.Deadline(min(seconds, deadline.left), request_seconds=seconds)
    try:
        files = _files(source, swift, limit)
    except exceptions.DeadlineExceeded as error:
        if not deadline.left:
            raise exceptions.DeadlineExceeded(deadline.seconds) from error
        raise exceptions.SourceInvalid(
            source.shown,
            f"they did not arrive within {seconds} seconds (option source_timeout of the "
            "group [tripleo]).",
        ) from error
    if not files:
        raise exceptions.SourceInvalid(source.shown, "there are no files, hidden ones aside.")
    return files


def _files(
    source: addresses.Source, swift: Callable[[], Any], limit: clouds.Deadline
) -> dict[str, bytes]:
    if isinstance(source, addresses.Local):
        if source.path.is_dir():
            return tarball.read_tree(source.path)
        if not source.path.is_file():
            raise exceptions.SourceInvalid(source.shown, "it is neither a file nor a directory.")
        return _unpacked(source.path, source.shown)
    with tempfile.TemporaryDirectory(
        prefix="tripleo-source-", ignore_cleanup_errors=True
    ) as directory:
        if isinstance(source, addresses.Repository):
            return git.read(source, Path(directory), limit)
        packed = Path(directory) / "packed"
        if isinstance(source, addresses.Object):
            downloads.from_swift(source, swift(), packed)
        else:
            downloads.over_http(source.url, packed, limit)
        return _unpacked(packed, source.shown)


def _unpacked(packed: Path, shown: str) -> dict[str, bytes]:
    try:
        files = tarball.unpack(packed, shown)
    except exceptions.FileInvalid as error:
        problem = f"it is not a tarball: {error.__cause__}."
        raise exceptions.SourceInvalid(shown, problem) from error
    return {path: content for path, content in files.items() if not tarball.is_hidden(path)}
