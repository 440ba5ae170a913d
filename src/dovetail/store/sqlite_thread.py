"""The thread that owns a process's connection to the database, so that no event loop ever waits for a disk.

The loop hands over work; the thread does what has gathered in one transaction (group commit) and hands the results
back.

Invariants: a result is given out only after the commit that holds it. Work is done in the order in which it was
handed over. Whatever fails is a `Disconnected` for those it concerns, and nobody waits for ever. The thread also
keeps the pulse: a loop that is busy for long does not make its process look dead.
"""

import asyncio
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from dovetail.errors import Disconnected

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

log = logging.getLogger("dovetail.store")

PATIENCE = 15.0
"""Seconds that the loop waits for a result: longer than a busy database may take, shorter than for ever."""

_BATCH = 256
_WAITING = 20_000
"""Pieces of work that may wait; more means that the disk cannot keep up."""

_OF_ONE_JOB = (sqlite3.DataError, sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError)


class _Job(Generic[T]):
    __slots__ = ("error", "future", "result", "work", "writes")

    def __init__(self, work: Work[T], writes: bool, future: "asyncio.Future[T] | None") -> None:
        self.work = work
        self.writes = writes
        self.future = future
        self.result: T | None = None
        self.error: BaseException | None = None

    @property
    def wanted(self) -> bool:
        return self.future is None or not self.future.cancelled()

    def finish(self) -> None:
        if self.future is None or self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)  # type: ignore[arg-type]  # None only where T is None


class DatabaseThread:
    """One thread, one connection.

    Args:
        connect: Opens the connection, in the thread.
        pulse: Done every `interval` seconds, whatever else is going on, outside any transaction.
        committed: Called in the thread after every commit and every pulse.
        undone: Called in the thread after every rollback: what the work did besides writing is not to count either.
    """

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        pulse: Work[None],
        committed: Callable[[], None],
        undone: Callable[[], None],
    ) -> None:
        self.interval = 1.0
        self._connect = connect
        self._pulse = pulse
        self._committed = committed
        self._undone = undone
        self._jobs: queue.SimpleQueue[_Job[Any] | None] = queue.SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped: asyncio.Future[None] | None = None
        self._sick = False

    def __repr__(self) -> str:
        state = "closed" if self._loop is None else "sick" if self._sick else "open"
        return f"<DatabaseThread {state}, {self._jobs.qsize()} jobs waiting>"

    async def start(self) -> None:
        """Start the thread and connect.

        Raises:
            StoreUnusable: What `connect` raises.
        """
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        self._jobs, self._stopped = queue.SimpleQueue(), loop.create_future()
        args = (loop, ready, self._stopped)
        threading.Thread(target=self._run, args=args, name="dovetail-store", daemon=True).start()
        try:
            await ready
        except BaseException:
            self._jobs.put(None)
            raise
        self._loop = loop

    async def stop(self, last: Work[None]) -> None:
        """Do what is waiting, then the last work, and close the connection. Idempotent."""
        if self._loop is None or self._stopped is None:
            return
        self._loop = None
        self._jobs.put(_Job(last, True, None))
        self._jobs.put(None)
        try:
            async with asyncio.timeout(PATIENCE):
                await asyncio.shield(self._stopped)
        except TimeoutError:
            log.warning("The state database did not close within %g s", PATIENCE)

    async def read(self, work: Work[T]) -> T:
        """Have something read; it sees all that was handed over before.

        Raises:
            Disconnected: The database is out of reach.
        """
        return await self._do(work, writes=False)

    async def write(self, work: Work[T]) -> T:
        """Have something written; it is committed when this returns.

        Raises:
            Disconnected: The database is out of reach. Nothing of it was written, unless the time ran out meanwhile.
        """
        return await self._do(work, writes=True)

    def later(self, work: Work[None], *, writes: bool) -> None:
        """Have something done, without waiting and without hearing of it."""
        self._jobs.put(_Job(work, writes, None))

    def post(self, function: Callable[..., None], *args: object) -> None:
        """From the thread: call something on the loop. Nothing happens once the loop is gone."""
        loop = self._loop
        if loop is not None:
            _call(loop, function, *args)

    async def _do(self, work: Work[T], *, writes: bool) -> T:
        if self._loop is None:
            raise Disconnected("The store is not open")
        if self._jobs.qsize() >= _WAITING:
            raise Disconnected("The state database cannot keep up with the work that waits for it")
        future: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put(_Job(work, writes, future))
        try:
            async with asyncio.timeout(PATIENCE):
                return await future
        except TimeoutError:
            raise Disconnected(f"The state database did not answer within {PATIENCE:g} s") from None

    def _ended(self, stopped: "asyncio.Future[None]") -> None:
        _settle(stopped)
        if stopped is self._stopped:  # whatever ended the thread, nobody may wait for it any more
            self._loop = None

    # What follows runs in the thread.

    def _run(
        self, loop: asyncio.AbstractEventLoop, ready: "asyncio.Future[None]", stopped: "asyncio.Future[None]"
    ) -> None:
        jobs = self._jobs
        try:
            connection = self._connect()
        except Exception as error:
            _call(loop, _fail, ready, error)
            return
        _call(loop, _settle, ready)
        try:
            self._serve(connection, loop, jobs)
        finally:
            connection.close()
            _call(loop, self._ended, stopped)

    def _serve(
        self,
        connection: sqlite3.Connection,
        loop: asyncio.AbstractEventLoop,
        jobs: "queue.SimpleQueue[_Job[Any] | None]",
    ) -> None:
        due = time.monotonic() + self.interval
        open_ = True
        while open_:
            batch, open_ = _gather(jobs, due - time.monotonic())
            if batch:
                self._perform(connection, [job for job in batch if job.wanted])
                _call(loop, _finish, batch)
            if time.monotonic() >= due:
                self._beat(connection)
                due = time.monotonic() + self.interval

    def _beat(self, connection: sqlite3.Connection) -> None:
        try:
            self._pulse(connection)
            self._committed()
            self._sick = False
        except Exception as error:
            known, self._sick = self._sick, True
            if not known:
                log.warning("The state database cannot be written (%s)", _name(error))

    def _perform(self, connection: sqlite3.Connection, jobs: list[_Job[Any]]) -> None:
        while jobs:
            culprit = self._attempt(connection, jobs)
            if culprit is None:
                return
            jobs.remove(culprit)  # it fails alone; the others are tried again without it

    def _attempt(self, connection: sqlite3.Connection, jobs: list[_Job[Any]]) -> "_Job[Any] | None":
        writes = any(job.writes for job in jobs)
        current: _Job[Any] | None = None
        try:
            if writes:
                connection.execute("BEGIN IMMEDIATE")
            for job in jobs:
                current = job
                job.result = job.work(connection)
            current = None
            if writes:
                connection.execute("COMMIT")
                self._committed()
        except Exception as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            self._undone()
            if current is not None and (isinstance(error, _OF_ONE_JOB) or not isinstance(error, sqlite3.Error)):
                current.error = _translate(error)
                return current
            for job in jobs:
                job.error = _translate(error)
        return None


def _gather(jobs: "queue.SimpleQueue[_Job[Any] | None]", patience: float) -> tuple[list[_Job[Any]], bool]:
    """Wait for work; return what there is, and whether there will be more."""
    batch: list[_Job[Any]] = []
    try:
        job = jobs.get(timeout=max(patience, 0.0))
        while job is not None:
            batch.append(job)
            if len(batch) == _BATCH:
                return batch, True
            job = jobs.get_nowait()
    except queue.Empty:
        return batch, True
    return batch, False


def _finish(jobs: list[_Job[Any]]) -> None:
    for job in jobs:
        job.finish()


def _settle(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def _fail(future: "asyncio.Future[None]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)


def _call(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *args: object) -> None:
    try:
        loop.call_soon_threadsafe(function, *args)
    except RuntimeError:  # the loop was closed; nobody waits any more
        return


def _translate(error: Exception) -> Exception:
    if not isinstance(error, sqlite3.Error):
        return error
    failure = Disconnected(f"The state database is out of reach ({_name(error)})")
    failure.__cause__ = error
    return failure


def _name(error: Exception) -> str:
    # SQLite's own name for the failure, such as SQLITE_FULL: says what to do, and holds nothing of the data.
    return getattr(error, "sqlite_errorname", None) or type(error).__name__
