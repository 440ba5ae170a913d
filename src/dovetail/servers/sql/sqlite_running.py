"""An SQLite file that is open: small reading in place, anything longer in threads.

What is asked first runs on the event loop's own connection with a few milliseconds; most is done by then. What is not,
or meets a lock or a long value, starts anew in a thread with the time that it may take. It reads only, so running it
twice changes nothing.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Final, TypeVar

from dovetail.errors import DefinitionError, ToolError
from dovetail.servers.sql.database import Limits
from dovetail.servers.sql.policy import Parts
from dovetail.servers.sql.sqlite_failures import BUSY, code, explained
from dovetail.servers.sql.sqlite_reader import Reader
from dovetail.servers.sql.sqlite_rules import Known, missing
from dovetail.servers.sql.sqlite_schema import visible
from dovetail.servers.sql.statements import Statement

T = TypeVar("T")
IN_PLACE: Final = 0.004
"""Seconds that a statement may keep the event loop."""
SHORT, LONG = 1 << 17, 1 << 24
"""Bytes that one value may have in place, and in a thread."""
BUSY_SECONDS: Final = 5.0
_FAILURES = (sqlite3.Error, MemoryError, OverflowError)


class Running:
    """Connections to a file, each used by one caller at a time."""

    def __init__(self, path: Path, denied: Sequence[Parts], limits: Limits, connections: int, memory: int) -> None:
        """Nothing is opened yet; `memory` is in MiB, of all that SQLite does in this process."""
        self.path = path
        self.denied = denied
        self.limits = limits
        self._memory = memory
        self._connections = connections
        self._near: Reader | None = None
        self._free: list[Reader] = []
        self._busy: set[Reader] = set()
        self._threads: ThreadPoolExecutor | None = None
        self._room = asyncio.Semaphore(connections)

    async def open(self) -> None:
        """Open the file.

        Raises:
            DefinitionError: It is no database any more.
        """
        self._threads = ThreadPoolExecutor(self._connections, "dovetail-sql")
        try:
            self._near = self._reader(SHORT, 0.0)
            self._near.within(BUSY_SECONDS)
            self._near.asked(f"PRAGMA hard_heap_limit={self._memory << 20}")
        except sqlite3.Error:
            raise unusable() from None

    async def close(self) -> None:
        """End what runs, and close all connections."""
        for reader in self._busy:
            reader.stop()
        if self._threads is not None:
            self._threads.shutdown(wait=True, cancel_futures=True)
        for reader in [*self._free, *([self._near] if self._near else [])]:
            reader.close()
        self._free, self._near = [], None

    def _reader(self, longest: int, busy: float) -> Reader:
        return Reader(self.path, self.denied, busy=busy, longest=longest)

    async def run(self, work: Callable[[Reader], T], statement: Statement | None) -> T:
        """Do something in place, or in a thread if it is long."""
        near = self._near
        if near is None:
            raise ToolError("The database is closed.")
        try:
            near.within(IN_PLACE)
            return work(near)
        except _FAILURES as error:
            if not (near.expired or code(error) in BUSY or code(error) == sqlite3.SQLITE_TOOBIG):
                raise self._explained(error, statement) from None
        return await self._run_far(work, statement)

    async def _run_far(self, work: Callable[[Reader], T], statement: Statement | None) -> T:
        async with self._room:
            try:
                reader = self._free.pop() if self._free else self._reader(LONG, BUSY_SECONDS)
            except sqlite3.Error as error:
                raise self._explained(error, statement) from None
            self._busy.add(reader)
            reader.within(self.limits.seconds)
            loop = asyncio.get_running_loop()
            # Single steps may take long: the reader looks at the clock between them, and the timer between rows.
            timer = loop.call_later(self.limits.seconds, reader.stop)
            running = loop.run_in_executor(self._threads, work, reader)
            try:
                return await asyncio.shield(running)
            except asyncio.CancelledError:
                reader.stop()
                await asyncio.wait([running])
                running.exception()
                raise
            except _FAILURES as error:
                raise self._explained(error, statement) from None
            finally:
                timer.cancel()
                self._busy.discard(reader)
                self._free.append(reader)

    async def run_to_end(self, work: Callable[[], T]) -> T:
        """Do something that is not given up halfway, whoever gives up waiting: a change is one short transaction."""
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._threads, work))

    def _explained(self, error: Exception, statement: Statement | None) -> ToolError:
        def columns() -> list[str]:
            read = statement.tables if statement else frozenset()
            return [name for one in self._visible() if one.name.lower() in read for name, _ in one.columns]

        # Only where it is the cause: a column of what the `*` stands for is denied.
        denied = {parts[0].lower() for parts in self.denied if len(parts) == 2}
        star = statement is not None and statement.star and bool(denied & statement.tables)
        return explained(error, self.limits.seconds, columns, lambda: [one.name for one in self._visible()], star)

    def _visible(self) -> list[Known]:
        """What may be read, for errors."""
        return visible(self._near.known, self._near.hidden) if self._near else []


def look(path: Path, denied: Sequence[Parts]) -> None:
    """See that a file is a database that has what is denied.

    Raises:
        DefinitionError: It is none, or lacks that.
    """
    if sqlite3.sqlite_version_info < (3, 37):
        raise DefinitionError(f"SQLite 3.37 or newer is needed, not {sqlite3.sqlite_version}")
    try:
        with closing(Reader(path, (), busy=BUSY_SECONDS, longest=LONG)) as reader:
            reader.within(BUSY_SECONDS)
            schema = reader.schema()
    except sqlite3.Error:
        raise unusable() from None
    lost = missing(denied, schema)
    if lost is not None:
        raise DefinitionError(f"deny: the database has no {'.'.join(lost)!r}; is it misspelt?")


def unusable() -> DefinitionError:
    """Say that a file cannot be used."""
    return DefinitionError("URL: the file is no SQLite database, or cannot be read")
