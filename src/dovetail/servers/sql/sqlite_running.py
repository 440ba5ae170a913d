"""An SQLite file that is open: small reading in place, anything longer elsewhere.

What is asked first runs on the event loop's own connection with a few milliseconds; most is done by then. What is not,
or meets a lock or a long value, starts anew with the time that it may take: what the server asks on its own behalf in a
thread, somebody else's statement in a process that can be killed (`sqlite_workers`). It reads only, so running it twice
changes nothing. SQLite looks at the clock between its steps only, so what may take long in a step, or before the first,
does not run in place.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Final, TypeVar, cast

from dovetail.errors import DefinitionError, ToolError
from dovetail.servers.resting import out_of_reach, stamp
from dovetail.servers.sql.database import Limits
from dovetail.servers.sql.policy import Parts
from dovetail.servers.sql.sqlite_failures import BUSY, code, explained
from dovetail.servers.sql.sqlite_jobs import FAILURES, Plan, Query, Setup
from dovetail.servers.sql.sqlite_reader import Reader
from dovetail.servers.sql.sqlite_rules import Known, missing
from dovetail.servers.sql.sqlite_schema import visible
from dovetail.servers.sql.sqlite_workers import Workers
from dovetail.servers.sql.statements import Statement

T = TypeVar("T")
R = TypeVar("R")
_log = logging.getLogger("dovetail.servers.sql")
_RESTING: Final = (
    "The database's folder cannot be written: the file is read as one that nobody changes, and opened again when it did"
)
_OUT_OF_REACH: Final = (
    "The database's newest changes stand in the file's -wal, and cannot be read here: tell the user to close what "
    "writes to the database, or to let its folder be written. Then call again."
)
IN_PLACE: Final = 0.004
"""Seconds that a statement may keep the event loop."""
SHORT, LONG = 1 << 15, 1 << 24
"""Bytes that one value may have in place, and elsewhere."""
BUSY_SECONDS: Final = 5.0
PLAIN: Final = 2_000
"""Characters of a statement that runs in place. SQLite writes WITH and subqueries anew wherever they are used: a short
statement of many levels can take it very long to prepare."""


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
        self._patience = min(BUSY_SECONDS, limits.seconds)
        setup = Setup(str(path), tuple(denied), LONG, self._patience, memory)
        self._workers = Workers(setup, connections, limits.seconds)

    async def open(self) -> None:
        """Open the file.

        Raises:
            DefinitionError: It is no database any more.
        """
        self._threads = ThreadPoolExecutor(self._connections, "dovetail-sql")
        try:
            self._near = self._reader(SHORT, 0.0, quick=True)
            self._near.within(BUSY_SECONDS)
            self._near.asked(f"PRAGMA hard_heap_limit={self._memory << 20}")
        except sqlite3.Error:
            raise unusable(self.path) from None
        if stamp(self.path) is not None:
            _log.warning(_RESTING)

    async def close(self) -> None:
        """End what runs, and close all connections."""
        for reader in self._busy:
            reader.stop()
        await self._workers.close()
        if self._threads is not None:
            self._threads.shutdown(wait=True, cancel_futures=True)
        for reader in [*self._free, *([self._near] if self._near else [])]:
            reader.close()
        self._free, self._near = [], None

    def _reader(self, longest: int, busy: float, *, quick: bool = False) -> Reader:
        return Reader(self.path, self.denied, busy=busy, longest=longest, quick=quick)

    async def run(self, work: Callable[[Reader], T]) -> T:
        """Ask something on the server's own behalf, in place, or in a thread if it is long."""
        done = self._run_near(work, None)
        return done[0] if done else await self._run_far(work)

    async def run_job(self, job: Query | Plan, returns: type[T], statement: Statement) -> T:
        """Run a statement of somebody else's, in place, or in a process if it is long."""
        if _plain(job.asked.sql):
            done = self._run_near(job.run, statement)
            if done:
                return cast("T", done[0])
        try:
            return await self._workers.run(job, returns)
        except FAILURES as error:
            raise self._explained(error, statement) from None

    def _run_near(self, work: Callable[[Reader], R], statement: Statement | None) -> tuple[R] | None:
        """Return what comes of it; None if it is to be done elsewhere."""
        near = self._near
        if near is None:
            raise ToolError("The database is closed.")
        try:
            near.within(IN_PLACE)
            return (work(near),)
        except FAILURES as error:
            far = near.expired or near.slow or code(error) in BUSY or code(error) == sqlite3.SQLITE_TOOBIG
            if not far:
                raise self._explained(error, statement) from None
        return None

    async def _run_far(self, work: Callable[[Reader], T]) -> T:
        async with self._room:
            try:
                reader = self._free.pop() if self._free else self._reader(LONG, self._patience)
            except sqlite3.Error as error:
                raise self._explained(error, None) from None
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
            except FAILURES as error:
                raise self._explained(error, None) from None
            finally:
                timer.cancel()
                self._busy.discard(reader)
                self._free.append(reader)

    async def run_to_end(self, work: Callable[[], T]) -> T:
        """Do something that is not given up halfway, whoever gives up waiting: a change is one short transaction."""
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._threads, work))

    def _explained(self, error: Exception, statement: Statement | None) -> ToolError:
        if code(error) == sqlite3.SQLITE_CANTOPEN and out_of_reach(self.path):
            return ToolError(_OUT_OF_REACH)

        def columns() -> list[str]:
            read = statement.tables if statement else frozenset()
            return [name for one in self._visible() if one.name.lower() in read for name, _ in one.columns]

        # Only where it is the cause: a column of what the `*` stands for is denied.
        denied = {parts[0].lower() for parts in self.denied if len(parts) == 2}
        star = statement is not None and statement.star and bool(denied & statement.tables)
        return explained(error, self.limits.seconds, columns, lambda: [one.name for one in self._visible()], star)

    def _visible(self) -> list[Known]:
        """What may be read, for errors."""
        if self._near is None:
            return []
        with suppress(sqlite3.Error):
            self._near.within(IN_PLACE)
            self._near.asked("SELECT 1")  # looks whether the schema has changed
        return visible(self._near.known, self._near.hidden)


def _plain(sql: str) -> bool:
    text = sql.lower()
    return len(sql) <= PLAIN and "with" not in text and text.count("select") <= 2


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
        raise unusable(path) from None
    lost = missing(denied, schema)
    if lost is not None:
        raise DefinitionError(f"deny: the database has no {'.'.join(lost)!r}; is it misspelt?")


def unusable(path: Path) -> DefinitionError:
    """Say that a file cannot be used."""
    if out_of_reach(path):
        return DefinitionError(
            "URL: the newest changes stand in the file's -wal, and cannot be read where nothing can be written beside"
            " them: close what writes to the database before it is brought here, or let its folder be written"
        )
    return DefinitionError("URL: the file is no SQLite database, or cannot be read")
