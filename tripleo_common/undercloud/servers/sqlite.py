"""sqlite under many threads: writers wait for each other instead of failing."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, event

_BUSY_MILLISECONDS = 60000


def make_concurrent() -> None:
    """Let every sqlite engine of this process queue its writers; call before any is made.

    "database is locked" comes at once, whatever the busy timeout, when a transaction that began by
    reading wants to write while another one does. ``BEGIN IMMEDIATE`` takes the write lock first,
    so the timeout counts (https://www.sqlite.org/lang_transaction.html). WAL lets readers go on.
    """

    def _connect(connection: Any, _record: Any) -> None:
        if type(connection).__module__.startswith("sqlite3"):
            connection.isolation_level = None
            connection.execute(f"PRAGMA busy_timeout={_BUSY_MILLISECONDS}")
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            # What was deleted, such as the token of a job that is done, is not to stay in the file.
            connection.execute("PRAGMA secure_delete=FAST")
            # sqlite gives the ids of deleted rows to new ones. What belongs to a deleted row has
            # to go with it, or a new resource inherits it.
            connection.execute("PRAGMA foreign_keys=ON")

    def _begin(connection: Any) -> None:
        # oslo.db emits its own BEGIN unless this mark is set.
        if connection.dialect.name == "sqlite" and "in_transaction" not in connection.info:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            connection.info["in_transaction"] = True

    event.listen(Engine, "connect", _connect)
    event.listen(Engine, "begin", _begin)
