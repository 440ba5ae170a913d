"""A client's response cache in an SQLite file: there after a restart, and shared by the processes of one user.

Invariants: the directory is 0700 when it is made here, the file 0600. Keys are digests; the results themselves stand in
the file as they came. The event loop never waits for the disk. No driver's type gets out: failures are `Disconnected`,
or `StoreUnusable` when opening.
"""

import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, TypeVar

from dovetail.core import Cached, Place
from dovetail.errors import Disconnected, StoreUnusable
from dovetail.store.sqlite_file import exclusive, make_private, prepare, usable
from dovetail.wire import DEFAULT_LIMITS, Limits

T = TypeVar("T")

FILE: Final = "cache.db"
_OURS: Final = 0x444F5643
_VERSION: Final = 1
_BUSY_SECONDS: Final = 2.0
"""Waiting longer for another process costs more than asking the server."""

_TABLES: Final = (
    "CREATE TABLE results (key TEXT PRIMARY KEY, realm TEXT NOT NULL, grp TEXT NOT NULL, received REAL NOT NULL, "
    "seconds REAL NOT NULL, until REAL NOT NULL, size INTEGER NOT NULL, body BLOB NOT NULL) WITHOUT ROWID",
    "CREATE INDEX results_by_group ON results (realm, grp)",
    "CREATE INDEX results_by_expiry ON results (until)",
    "CREATE INDEX results_by_age ON results (received, size)",
)


class SqliteCache:
    """Results of servers, in `cache.db` of a directory; any number of clients, loops and processes may share it.

    Args:
        directory: Where; made with mode 0700 when it is missing.
        limits: `cache_entries` and `cache_bytes`.
        clock: Seconds, the same for all who share the file.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        limits: Limits = DEFAULT_LIMITS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._directory = Path(directory).absolute()
        self._limits = limits
        self.now = clock
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def __repr__(self) -> str:
        return f"<SqliteCache {'open' if self._connection is not None else 'not open'}>"

    async def load(self, keys: Sequence[str]) -> Cached | None:
        """See `ResponseStore.load`.

        Raises:
            StoreUnusable: The file cannot be used; the text says what to do.
            Disconnected: It is out of reach for now.
        """
        query = f"SELECT received, seconds, body FROM results WHERE until > ? AND key IN ({','.join('?' * len(keys))})"  # noqa: S608
        parameters = (self.now(), *keys)
        found = await self._do(lambda c: c.execute(query + " ORDER BY received DESC LIMIT 1", parameters).fetchone())
        return None if found is None else Cached(*found)

    async def save(self, place: Place, cached: Cached, seconds: float) -> None:
        """See `ResponseStore.save`."""
        size = len(cached.body)
        row = (place.key, place.realm, place.group, cached.received, cached.seconds, cached.received + seconds, size)

        def work(connection: sqlite3.Connection) -> None:
            with exclusive(connection):
                connection.execute("DELETE FROM results WHERE until <= ? OR key = ?", (self.now(), place.key))
                if size <= self._limits.cache_bytes:
                    self._make_room(connection, size)
                    connection.execute("INSERT INTO results VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*row, cached.body))

        await self._do(work)

    async def drop(self, realm: str, group: str | None, before: float) -> None:
        """See `ResponseStore.drop`."""
        query = "DELETE FROM results WHERE realm = ? AND received <= ?"
        if group is None:
            await self._do(lambda c: c.execute(query, (realm, before)))
        else:
            await self._do(lambda c: c.execute(query + " AND grp = ?", (realm, before, group)))

    async def aclose(self) -> None:
        """Close the file. Idempotent; used again, it is opened again."""
        await asyncio.to_thread(self._close)

    # What follows runs in a thread.

    def _make_room(self, connection: sqlite3.Connection, size: int) -> None:
        """Forget the oldest until one more fits."""
        count, total = connection.execute("SELECT count(*), coalesce(sum(size), 0) FROM results").fetchone()
        if count < self._limits.cache_entries and total + size <= self._limits.cache_bytes:
            return
        doomed = []
        for key, each in connection.execute("SELECT key, size FROM results ORDER BY received"):
            if count < self._limits.cache_entries and total + size <= self._limits.cache_bytes:
                break
            doomed.append((key,))
            count, total = count - 1, total - each
        connection.executemany("DELETE FROM results WHERE key = ?", doomed)

    async def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await asyncio.to_thread(self._done, work)

    def _done(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._lock:
            if self._connection is None:
                self._connection = self._open()
            try:
                return work(self._connection)
            except sqlite3.Error as error:
                raise Disconnected("The response cache is out of reach: disk full, damaged or busy") from error

    def _open(self) -> sqlite3.Connection:
        prepare(self._directory)
        path = self._directory / FILE
        with usable():
            make_private(path)
            connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            try:
                self._set_up(connection)
            except BaseException:
                connection.close()
                raise
        return connection

    def _set_up(self, connection: sqlite3.Connection) -> None:
        with exclusive(connection):
            found = connection.execute("PRAGMA application_id").fetchone()[0]
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if (found or version or tables) and (found, version) != (_OURS, _VERSION):
                raise StoreUnusable("The response cache is another program's, or a newer version's: move it away")
            if not found:
                for statement in _TABLES:
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {_OURS}")
                connection.execute(f"PRAGMA user_version = {_VERSION}")
        connection.execute("PRAGMA synchronous = OFF")  # what a loss of power takes is asked for again
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA secure_delete = ON")  # what was forgotten cannot be read from the file

    def _close(self) -> None:
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                with closing(connection):
                    pass
