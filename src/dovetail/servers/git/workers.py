"""The worker processes of a server: started when they are needed, one call in each at a time, ended when a call is.

A call that is cancelled, or takes too long, ends its process: what libgit2 is in cannot be stopped otherwise. The next
call starts another, in about a fifth of a second. A commit is not ended with its call, but done to its end, within its
time; whoever ends its process lets go of the index that the process held (`holding`).
"""

import asyncio
import contextlib
import os
import sys
from collections import deque
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from dovetail.servers.children import LONGEST, Untaken, environment, exchange, framed
from dovetail.servers.git.arguments import CommitArgs, SearchArgs
from dovetail.servers.git.holding import let_go
from dovetail.servers.git.messages import Answer, Asked, Setup
from dovetail.servers.git.places import Outside, locate
from dovetail.servers.git.settings import Settings

T = TypeVar("T")

_COMMAND: Final = ("-P", "-m", "dovetail.servers.git.worker")
_ROOT: Final = os.path.abspath(os.sep)
_WAIT: Final = 5.0
_GRACE: Final = 1.0
"""Seconds between the time of a call, after which it says what it has, and its alarm."""
_LONG_GRACE: Final = 10.0
"""The same of a commit: it stops between two files, and never in the middle of what others see."""
_PARTING: Final = 1.5
"""Seconds that commits under way have when the server ends: a client on stdio waits 2 before it sends a signal."""
_START: Final = 15.0
"""Seconds that a process may take to start, on a machine that is busy."""
_SHORT: Final = (
    "The process that reads the repository ended before it began. Try again; if it stays so, this machine may be short "
    "of memory."
)


class Refusal(Exception):
    """What a worker says to the model; `missing` when it is not there, `invalid` when it could not be asked for."""

    def __init__(self, text: str, *, missing: bool = False, invalid: bool = False) -> None:
        super().__init__(text)
        self.missing = missing
        self.invalid = invalid


class _Process:
    """One worker."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.calls = 0

    async def fallen(self) -> int | None:
        """Return how a process ended whose output did: before `kill` looks, which would take the status away."""
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(self.process.wait(), _WAIT)
        return None

    async def end(self) -> None:
        """End it at once, and wait until it is gone."""
        if self.process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.process.wait(), _WAIT)


class Workers:
    """Up to `processes` workers for one repository; whoever comes when all are busy waits, in order."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._setup = Setup(
            repository=str(Path(settings.repository).resolve()),
            also=tuple(str(Path(folder).resolve()) for folder in settings.also),
            writes=settings.allow_commit,
            max_file=settings.max_file,
            max_output=settings.max_output,
            memory=settings.memory,
        )
        self._idle: deque[_Process] = deque()
        self._all: set[_Process] = set()
        self._places = asyncio.Semaphore(settings.processes)
        self._ending: set[asyncio.Task[None]] = set()
        self._finishing: set[asyncio.Task[Any]] = set()
        self._turn = asyncio.Lock()

    async def prepare(self) -> None:
        """Start one process ahead of the first call: it loads what it needs while the client says hello.

        What an earlier server was killed over is let go of: Git could do nothing in the repository meanwhile.
        """
        self._let_go()
        self._idle.append(await self._start())

    async def call(self, operation: str, arguments: msgspec.Struct, returns: type[T]) -> T:
        """Carry out an operation in a worker.

        Raises:
            Refusal: It was refused, took too long or fell over; the text is for the model.
        """
        answer = await self._carried(operation, arguments, _GRACE)
        if answer.refused:
            raise Refusal(answer.refused, missing=answer.missing, invalid=answer.invalid)
        return msgspec.msgpack.decode(answer.result, type=returns)

    async def finish(self, operation: str, arguments: msgspec.Struct, returns: type[T]) -> T:
        """Carry out an operation to its end, though nobody waits for it any more; one after another.

        Raises:
            Refusal: As of `call`.
        """
        task = asyncio.ensure_future(self._finished(operation, arguments, returns))
        self._finishing.add(task)
        task.add_done_callback(self._finishing.discard)
        found = await asyncio.shield(task)
        if isinstance(found, Refusal):
            raise found
        return found

    async def _finished(self, operation: str, arguments: msgspec.Struct, returns: type[T]) -> T | Refusal:
        async with self._turn:
            try:
                answer = await self._carried(operation, arguments, _LONG_GRACE)
            except Refusal as error:
                return error
        if answer.refused:
            return Refusal(answer.refused)
        return msgspec.msgpack.decode(answer.result, type=returns)

    async def _carried(self, operation: str, arguments: msgspec.Struct, grace: float) -> Answer:
        seconds = self._settings.timeout
        raw = msgspec.Raw(msgspec.msgpack.encode(arguments))
        message = framed(Asked(operation=operation, arguments=raw, seconds=seconds, grace=grace))
        late = _late(seconds, arguments)
        async with self._places:
            answer = await self._answer(message, seconds + grace, _cut(seconds) if operation == "commit" else late)
        if answer.late:
            raise Refusal(late)
        return answer

    async def _answer(self, message: bytes, seconds: float, late: str) -> Answer:
        if self._idle:
            with contextlib.suppress(Untaken):  # it was dead already, which is no fault of the call
                return await self._asked(self._idle.pop(), message, seconds, late)
        try:
            return await self._asked(await self._start(), message, seconds, late)
        except Untaken:
            raise Refusal(_SHORT) from None

    async def _asked(self, worker: _Process, message: bytes, seconds: float, late: str) -> Answer:
        patience = seconds + _WAIT + (0 if worker.calls else _START)
        try:
            async with asyncio.timeout(patience):
                data = await exchange(worker.process, message)
        except EOFError as error:
            status = await worker.fallen()
            await self._drop(worker)
            if isinstance(error, Untaken):
                raise
            raise Refusal(_fallen(status, late)) from None
        except TimeoutError:
            await self._drop(worker)
            raise Refusal(late) from None
        except BaseException:
            self._drop_soon(worker)
            raise
        worker.calls += 1
        self._idle.append(worker)
        return msgspec.msgpack.decode(data, type=Answer)

    async def _start(self) -> _Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *_COMMAND,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment(_without_git()),
            cwd=_ROOT,
            limit=LONGEST,
            start_new_session=self._setup.writes,  # a signal to the server's group leaves a commit whole
        )
        worker = _Process(process)
        self._all.add(worker)
        if process.stdin is not None:
            process.stdin.write(framed(self._setup))
        return worker

    async def _drop(self, worker: _Process) -> None:
        self._all.discard(worker)
        await worker.end()
        if worker.process.returncode is not None:
            self._let_go(worker.process.pid)

    def _let_go(self, dead: int | None = None) -> None:
        """Remove what a worker that was killed left of a commit: neither Git nor we could make another."""
        if self._setup.writes:
            with contextlib.suppress(Outside):
                let_go(locate(self._setup.repository, self._setup.also).git, dead)

    def _drop_soon(self, worker: _Process) -> None:
        task = asyncio.ensure_future(self._drop(worker))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def aclose(self) -> None:
        """End all of them; a commit under way has a moment to be done."""
        if self._finishing:
            _, left = await asyncio.wait(self._finishing, timeout=_PARTING)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
        self._idle.clear()
        await asyncio.gather(*(self._drop(worker) for worker in tuple(self._all)), *self._ending)


def _late(seconds: float, arguments: msgspec.Struct) -> str:
    if isinstance(arguments, SearchArgs) and arguments.regex:
        return (
            f"That took longer than {seconds:g} s and was stopped: the regular expression may try too many ways. Write "
            "it without repeats within repeats, as in (a+)+, search for plain text (regex=false), or name paths."
        )
    if isinstance(arguments, CommitArgs):
        return (
            f"That took longer than {seconds:g} s and was stopped; nothing was committed. Commit fewer or smaller "
            "files at a time, or ask the user to start the server with a longer --timeout."
        )
    return (
        f"That took longer than {seconds:g} s and was stopped. Ask for less: fewer lines, paths or revisions. "
        "If it was little already, the repository may be damaged; `git fsck` tells."
    )


def _cut(seconds: float) -> str:
    return (
        f"The commit took much longer than {seconds:g} s and was ended halfway. git_log tells whether it was made: "
        "if not, commit fewer or smaller files at a time."
    )


_STOPPING: Final = (1, 2, 9, 15)
"""Signals that others send: SIGHUP, SIGINT, SIGKILL, SIGTERM. A repository that is damaged raises none of them."""


def _fallen(status: int | None, late: str) -> str:
    if status is not None and status == -14:  # SIGALRM: its own alarm
        return late
    if status is not None and status < 0 and -status in _STOPPING:
        return (
            "The process that reads the repository was stopped from outside (by the user, the system, or for want of "
            "memory) and came to an end. Try again; if it happens again, ask for less."
        )
    return (
        "The process that reads the repository came to an end; the repository may be damaged. Ask for something else."
    )


def _without_git() -> dict[str, str]:
    """Return this environment without Git's variables: it has the home with the user's name, and the time zone."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "PYTHONPATH"))}
