"""The cache in an SQLite file: there after a restart, and shared by processes. The loop never waits for the disk.

Invariants: the file is made with mode 0600; one that is not ours is left alone. What fails later (disk full, damaged,
busy) is a miss, logged once: a cache that fails must not take fetching with it.
"""

import asyncio
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from dovetail.errors import DefinitionError
from dovetail.servers.fetch.entries import MOST, Entry

T = TypeVar("T")

log = logging.getLogger("dovetail.servers.fetch")

_OURS: Final = 0x444F5646
_VERSION: Final = 1
_TABLE: Final = (
    "CREATE TABLE answers (url TEXT PRIMARY KEY, status INTEGER NOT NULL, headers BLOB NOT NULL, vary BLOB NOT NULL, "
    "requested REAL NOT NULL, received REAL NOT NULL, used REAL NOT NULL, size INTEGER NOT NULL, body BLOB NOT NULL)"
)
_FIELDS: Final = "url, status, headers, body, requested, received, vary"
_BARE: Final = "url, status, headers, x'', requested, received, vary"


class FileCache:
    """A cache in a file. Made without touching it; `open` does that."""

    def __init__(self, path: str, most: int) -> None:
        """Prepare.

        Args:
            path: The file; its directory must be there.
            most: Bytes of answers.
        """
        self._path = Path(path).absolute()
        self._most = most
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._complained = False

    def __repr__(self) -> str:
        return f"<FileCache {'closed' if self._connection is None else 'open'}>"

    async def open(self) -> None:
        """Open the file, and make it when it is missing.

        Raises:
            DefinitionError: It cannot be used; the text says why, and not where it is.
        """
        await asyncio.to_thread(self._open)

    async def load(self, url: str) -> Entry | None:
        """See `Cache`."""

        def work(connection: sqlite3.Connection) -> Entry | None:
            row = connection.execute(f"SELECT {_FIELDS} FROM answers WHERE url = ?", (url,)).fetchone()  # noqa: S608
            if row is None:
                return None
            connection.execute("UPDATE answers SET used = ? WHERE url = ?", (time.time(), url))
            return _entry(row)

        return await self._do(work, None)

    async def save(self, entry: Entry) -> None:
        """See `Cache`."""
        row = (entry.url, entry.status, _packed(entry.headers), _packed(entry.vary), entry.requested, entry.received)

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM answers WHERE url = ?", (entry.url,))
            if entry.size <= self._most:
                self._make_room(connection, entry.size)
                values = (*row, time.time(), entry.size, entry.body)
                connection.execute("INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)

        await self._do(work, None)

    async def drop(self, url: str) -> None:
        """See `Cache`."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM answers WHERE url = ?", (url,))

        await self._do(work, None)

    async def listing(self) -> list[Entry]:
        """See `Cache`."""
        query = f"SELECT {_BARE} FROM answers ORDER BY used DESC LIMIT {MOST}"  # noqa: S608 - constants of this module
        return await self._do(lambda c: [_entry(row) for row in c.execute(query)], [])

    async def aclose(self) -> None:
        """See `Cache`."""
        await asyncio.to_thread(self._close)

    # What follows runs in a thread.

    def _make_room(self, connection: sqlite3.Connection, size: int) -> None:
        count, total = connection.execute("SELECT count(*), coalesce(sum(size), 0) FROM answers").fetchone()
        if count < MOST and total + size <= self._most:
            return
        doomed = []
        for url, each in connection.execute("SELECT url, size FROM answers ORDER BY used"):
            if count < MOST and total + size <= self._most:
                break
            doomed.append((url,))
            count, total = count - 1, total - each
        connection.executemany("DELETE FROM answers WHERE url = ?", doomed)

    async def _do(self, work: Callable[[sqlite3.Connection], T], failing: T) -> T:
        return await asyncio.to_thread(self._done, work, failing)

    def _done(self, work: Callable[[sqlite3.Connection], T], failing: T) -> T:
        with self._lock:
            if self._connection is None:
                return failing
            try:
                with self._connection:
                    self._connection.execute("BEGIN IMMEDIATE")
                    return work(self._connection)
            except (sqlite3.Error, msgspec.MsgspecError) as error:
                if not self._complained:
                    self._complained = True
                    log.warning("The cache file is out of use for now: %s", type(error).__name__)
                return failing

    def _open(self) -> None:
        try:
            with suppress(FileExistsError):
                os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            connection = sqlite3.connect(self._path, timeout=2.0, isolation_level=None, check_same_thread=False)
            try:
                self._set_up(connection)
            except BaseException:
                connection.close()
                raise
        except (OSError, sqlite3.Error) as error:
            why = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "it is no SQLite file"
            raise DefinitionError(f"cache: the file cannot be used: {why}") from None
        self._connection = connection

    def _set_up(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = OFF")  # what a loss of power takes is fetched again
        connection.execute("PRAGMA trusted_schema = OFF")
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            ours = connection.execute("PRAGMA application_id").fetchone()[0]
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if (ours or version or tables) and (ours, version) != (_OURS, _VERSION):
                raise DefinitionError("cache: the file is another program's, or a newer version's: name another one")
            if not ours:
                connection.execute(_TABLE)
                connection.execute(f"PRAGMA application_id = {_OURS}")
                connection.execute(f"PRAGMA user_version = {_VERSION}")

    def _close(self) -> None:
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()


def _packed(fields: dict[str, str]) -> bytes:
    return msgspec.json.encode(fields)


def _entry(row: tuple[str, int, bytes, bytes, float, float, bytes]) -> Entry:
    url, status, headers, body, requested, received, vary = row
    fields = dict[str, str]
    return Entry(
        url,
        status,
        msgspec.json.decode(headers, type=fields),
        bytes(body),
        requested,
        received,
        msgspec.json.decode(vary, type=fields),
    )
