"""The worker processes of a server: started when they are needed, one call in each at a time, ended when a call is.

A call that is cancelled, or takes too long, ends its process: what libgit2 is in cannot be stopped otherwise. The next
call starts another, in about a fifth of a second.
"""

import asyncio
import contextlib
import os
import sys
from collections import deque
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from dovetail.servers.git.arguments import SearchArgs
from dovetail.servers.git.messages import HEAD, LONGEST, Answer, Asked, Setup, framed, length
from dovetail.servers.git.settings import Settings

T = TypeVar("T")

_COMMAND: Final = ("-P", "-m", "dovetail.servers.git.worker")
_ROOT: Final = os.path.abspath(os.sep)
_SOURCE: Final = str(Path(__file__).resolve().parents[3])
"""The folder that this library was loaded from."""
_WAIT: Final = 5.0
_START: Final = 15.0
"""Seconds that a process may take to start, on a machine that is busy."""


class Refusal(Exception):
    """What a worker says to the model; `missing` when it is not there, `invalid` when it could not be asked for."""

    def __init__(self, text: str, *, missing: bool = False, invalid: bool = False) -> None:
        super().__init__(text)
        self.missing = missing
        self.invalid = invalid


class _Process:
    """One worker: a message there, a message back."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.calls = 0

    async def ask(self, message: bytes) -> bytes:
        source, out = self.process.stdin, self.process.stdout
        if source is None or out is None:
            raise EOFError
        source.write(message)
        await source.drain()
        return await out.readexactly(length(await out.readexactly(HEAD)))

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

    async def prepare(self) -> None:
        """Start one process ahead of the first call: it loads what it needs while the client says hello."""
        self._idle.append(await self._start())

    async def call(self, operation: str, arguments: msgspec.Struct, returns: type[T]) -> T:
        """Carry out an operation in a worker.

        Raises:
            Refusal: It was refused, took too long or fell over; the text is for the model.
        """
        seconds = self._settings.timeout
        asked = Asked(operation=operation, arguments=msgspec.Raw(msgspec.msgpack.encode(arguments)), seconds=seconds)
        late = _late(seconds, arguments)
        async with self._places:
            answer = await self._answer(framed(asked), seconds, late)
        if answer.late:
            raise Refusal(late)
        if answer.refused:
            raise Refusal(answer.refused, missing=answer.missing, invalid=answer.invalid)
        return msgspec.msgpack.decode(answer.result, type=returns)

    async def _answer(self, message: bytes, seconds: float, late: str) -> Answer:
        worker = self._idle.pop() if self._idle else await self._start()
        patience = seconds + _WAIT + (0 if worker.calls else _START)
        try:
            async with asyncio.timeout(patience):
                data = await worker.ask(message)
        except (EOFError, ConnectionError):  # IncompleteReadError is an EOFError
            status = await worker.fallen()
            await self._drop(worker)
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
            env=_environment(),
            cwd=_ROOT,
            limit=LONGEST,
        )
        worker = _Process(process)
        self._all.add(worker)
        if process.stdin is not None:
            process.stdin.write(framed(self._setup))
        return worker

    async def _drop(self, worker: _Process) -> None:
        self._all.discard(worker)
        await worker.end()

    def _drop_soon(self, worker: _Process) -> None:
        task = asyncio.ensure_future(self._drop(worker))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def aclose(self) -> None:
        """End all of them."""
        self._idle.clear()
        await asyncio.gather(*(self._drop(worker) for worker in tuple(self._all)), *self._ending)


def _late(seconds: float, arguments: msgspec.Struct) -> str:
    if isinstance(arguments, SearchArgs) and arguments.regex:
        return (
            f"That took longer than {seconds:g} s and was stopped: the regular expression may try too many ways. Write "
            "it without repeats within repeats, as in (a+)+, search for plain text (regex=false), or name paths."
        )
    return (
        f"That took longer than {seconds:g} s and was stopped. Ask for less: fewer lines, paths or revisions. "
        "If it was little already, the repository may be damaged; `git fsck` tells."
    )


def _fallen(status: int | None, late: str) -> str:
    if status is not None and status == -14:  # SIGALRM: its own alarm
        return late
    return (
        "The process that reads the repository came to an end; the repository may be damaged. Ask for something else."
    )


def _environment() -> dict[str, Any]:
    """Return this environment without Git's variables, with the folder that this library came from."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "PYTHONPATH"))}
    given = [os.path.abspath(path) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    return kept | {"PYTHONPATH": os.pathsep.join([_SOURCE, *given])}
