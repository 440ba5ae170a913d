"""The computing processes: a few, kept warm, each good until a job of it had to be stopped.

A job whose time is over, or whose call was cancelled, costs its process: it is killed, and another is started for the
next one.
"""

import asyncio
import sys
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

import msgspec

from dovetail.servers.calculator.answers import Job, Reply
from dovetail.servers.calculator.computing import READY, TAKEN
from dovetail.servers.calculator.failures import CalculatorError
from dovetail.servers.children import Untaken, environment, send

_LINE: Final = 8 * 1024 * 1024
_STARTING: Final = 60.0
_SHORT: Final = (
    "The computing process ended before it began; try again, and if it stays so, this machine may be short of memory"
)
_PROGRAM: Final = "dovetail.servers.calculator.computing"


class Stopped(CalculatorError):
    """A calculation took more time or memory than it may have."""


class Expired(Stopped):
    """A calculation took too long, and was stopped."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"Stopped after {seconds:g} s: this takes too long. Use smaller numbers or a simpler expression, "
            "or compute it in parts"
        )


class Worker:
    """One process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    def __repr__(self) -> str:
        return f"<Worker {self.process.pid}>"

    @classmethod
    async def start(cls, memory: int) -> Self:
        """Start one and wait until it has loaded what it needs."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            _PROGRAM,
            str(memory),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment(),
            limit=_LINE,
        )
        worker = cls(process)
        try:
            async with asyncio.timeout(_STARTING):
                if await worker._line() != READY:
                    raise CalculatorError("The computing process does not start; see that sympy is installed")
        except BaseException:
            worker.kill()
            raise
        return worker

    async def ask(self, job: bytes) -> bytes:
        """Give it a job and wait for the answer; empty, when it has died over it.

        Raises:
            Untaken: It was dead already.
        """
        await send(self.process, job + b"\n")
        if await self._line() != TAKEN:
            raise Untaken
        return await self._line()

    async def _line(self) -> bytes:
        assert self.process.stdout is not None
        try:
            return await self.process.stdout.readline()
        except ConnectionError:
            return b""

    def kill(self) -> None:
        """End it at once."""
        if self.process.returncode is None:
            self.process.kill()

    async def end(self) -> None:
        """End it, and wait until it has."""
        self.kill()
        await self.process.communicate()


class Workers:
    """All of them; used as an async context manager."""

    def __init__(self, processes: int, memory: int, seconds: float) -> None:
        """Start nothing yet.

        Args:
            processes: How many jobs run at a time.
            memory: MiB of address space of each.
            seconds: How long a job may take.
        """
        self.seconds = seconds
        self._memory = memory
        self._processes = processes
        self._places = asyncio.Semaphore(processes)
        self._idle: list[Worker] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def __repr__(self) -> str:
        return f"<Workers {len(self._idle)} idle of {self._processes}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        for worker in self._idle:  # at once: who is cancelled while it waits leaves nobody behind
            worker.kill()
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        for worker in self._idle:
            await worker.end()
        self._idle.clear()

    async def run(self, job: Job) -> Reply:
        """Do a job in one of the processes.

        Raises:
            Stopped: It took too long, or too much memory.
            CalculatorError: It failed, in words for the model.
        """
        async with self._places:
            reply = await self._reply(job)
        if reply is None:  # its limits on time or memory ended it
            raise Stopped("Stopped: this takes more time or memory than a calculation may have; use smaller numbers")
        if reply.error is not None:
            raise (Stopped if reply.spent else CalculatorError)(reply.error)
        return reply

    async def _reply(self, job: Job) -> Reply | None:
        if self._idle:
            with suppress(Untaken):  # it was dead already, which is no fault of the job
                return await self._asked(self._idle.pop(), job)
        try:
            return await self._asked(await Worker.start(self._memory), job)
        except Untaken:
            raise CalculatorError(_SHORT) from None

    async def _asked(self, worker: Worker, job: Job) -> Reply | None:
        good = False
        try:
            async with asyncio.timeout(job.seconds):
                line = await worker.ask(msgspec.json.encode(job))
            if not line:
                return None
            reply = msgspec.json.decode(line, type=Reply)
            good = not reply.spent
            return reply
        except TimeoutError:
            raise Expired(job.seconds) from None
        finally:
            self._give_back(worker, good)

    def _give_back(self, worker: Worker, good: bool) -> None:
        if good and not self._closed:
            self._idle.append(worker)
            return
        worker.kill()
        task = asyncio.create_task(self._replace(worker))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _replace(self, worker: Worker) -> None:
        await worker.end()
        if self._closed or self._idle:
            return
        try:
            fresh = await Worker.start(self._memory)
        except (CalculatorError, OSError, TimeoutError):
            return  # the next job tries it itself, and says what is wrong
        if self._closed or len(self._idle) >= self._processes:
            await fresh.end()
        else:
            self._idle.append(fresh)
