"""The processes of statements that may take long: started when needed, one job in each at a time, killed when late.

A job that is cancelled ends its process, too; the next one starts another. Nothing waits for what a killed one was in.
"""

import asyncio
import contextlib
import sys
from typing import Final, TypeVar

import msgspec

from dovetail.errors import ToolError
from dovetail.servers.children import Untaken, environment, exchange, framed
from dovetail.servers.sql.sqlite_failures import late
from dovetail.servers.sql.sqlite_jobs import Order, Outcome, Plan, Query, Setup, failure

T = TypeVar("T")
_PATIENCE: Final = 1.0
"""Seconds beyond a job's time for its answer to come, or for the process's own alarm."""
_START: Final = 15.0
"""Seconds that a process may take to start, on a machine that is busy."""
_WAIT: Final = 5.0
_ALARM: Final = -14
_SHORT: Final = (
    "The process for statements ended before it began. Try again; if it stays so, this machine may be short of memory."
)
_BUSY: Final = (
    "All {most} processes for statements are busy with other calls. Try again in a moment; if it is often so, the user"
    " can start this server with a larger --connections."
)


class _Process:
    """One of them."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.fresh = True

    def kill(self) -> None:
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()

    async def end(self) -> int | None:
        """Return how it ended; it was killed, or its output came to an end."""
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(self.process.wait(), _WAIT)
        self.kill()
        return None


class Workers:
    """Up to `most` of them; whoever comes when all are busy waits, for as long as a job may take."""

    def __init__(self, setup: Setup, most: int, seconds: float) -> None:
        """Start nothing yet; `seconds` are a job's."""
        self._setup = setup
        self._seconds = seconds
        self._idle: list[_Process] = []
        self._all: set[_Process] = set()
        self._most = most
        self._places = asyncio.Semaphore(most)
        self._ending: set[asyncio.Task[None]] = set()

    async def run(self, job: Query | Plan, returns: type[T]) -> T:
        """Do a job in a process.

        Raises:
            ToolError: No process was free for as long as a job may take, it took too long, or the process fell over.
            sqlite3.Error, MemoryError, OverflowError: As if it had been done here.
        """
        message = framed(Order(job, self._seconds))
        try:
            async with asyncio.timeout(self._seconds + _PATIENCE):
                await self._places.acquire()
        except TimeoutError:
            raise ToolError(_BUSY.format(most=self._most)) from None
        try:
            outcome = msgspec.msgpack.decode(await self._answer(message), type=Outcome)
        finally:
            self._places.release()
        if outcome.kind:
            raise failure(outcome)
        return msgspec.msgpack.decode(outcome.result, type=returns)

    async def _answer(self, message: bytes) -> bytes:
        if self._idle:
            with contextlib.suppress(Untaken):  # it was dead already, which is no fault of the job
                return await self._asked(self._idle.pop(), message)
        try:
            return await self._asked(await self._start(), message)
        except Untaken:
            raise ToolError(_SHORT) from None

    async def _asked(self, worker: _Process, message: bytes) -> bytes:
        try:
            async with asyncio.timeout(self._seconds + _PATIENCE + (_START if worker.fresh else 0.0)):
                data = await exchange(worker.process, message)
        except EOFError as error:
            status = await worker.end()
            self._drop(worker)
            if isinstance(error, Untaken):
                raise
            if status == _ALARM:
                raise late(self._seconds) from None
            raise ToolError("The statement's process came to an end. Ask for less, or more plainly.") from None
        except TimeoutError:
            self._drop(worker)
            raise late(self._seconds) from None
        except BaseException:
            self._drop(worker)
            raise
        worker.fresh = False
        self._idle.append(worker)
        return data

    async def _start(self) -> _Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "dovetail.servers.sql.sqlite_worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment(),
        )
        worker = _Process(process)
        self._all.add(worker)
        if process.stdin is not None:
            process.stdin.write(framed(self._setup))
        return worker

    def _drop(self, worker: _Process) -> None:
        worker.kill()
        task = asyncio.ensure_future(self._reap(worker))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _reap(self, worker: _Process) -> None:
        await worker.end()
        self._all.discard(worker)

    async def close(self) -> None:
        """Kill all of them, whatever they are in."""
        self._idle.clear()
        for worker in tuple(self._all):
            self._drop(worker)
        await asyncio.gather(*self._ending)
