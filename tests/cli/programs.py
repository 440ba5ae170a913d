"""The command as a user has it: real processes in a folder of their own; what they say is waited for."""

import asyncio
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

DOVETAIL = [sys.executable, "-m", "dovetail.cli"]
SECONDS = 40
Json = dict[str, Any]


def environment(**more: str) -> dict[str, str]:
    """A terminal of nobody in particular."""
    kept = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1", **more}


def dovetail(*arguments: str, cwd: Path, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end."""
    return subprocess.run(
        [*DOVETAIL, *arguments],
        cwd=cwd,
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )


class Program:
    """A command that goes on until it is told to stop."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.said: list[str] = []
        self._next = 0

    async def says(self, *words: str) -> str:
        """Return the next line of stderr that holds all the words."""
        assert self.process.stderr is not None
        async with asyncio.timeout(SECONDS):
            while line := (await self.process.stderr.readline()).decode():
                self.said.append(line.rstrip())
                if all(word in line for word in words):
                    return line.rstrip()
        raise AssertionError(f"it ended without saying {words}: {self.said}")

    async def ended(self) -> int:
        """Return the exit status, once it has ended; all that it said is in `said` then."""
        assert self.process.stderr is not None
        async with asyncio.timeout(SECONDS):
            rest = await self.process.stderr.read()
            self.said += rest.decode().splitlines()
            return await self.process.wait()

    def send(self, message: Json) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(msgspec.json.encode(message) + b"\n")

    async def receive(self) -> Json:
        """Return the next line of stdout."""
        assert self.process.stdout is not None
        async with asyncio.timeout(SECONDS):
            line = await self.process.stdout.readline()
        assert line, self.said
        message: Json = msgspec.json.decode(line)
        return message

    def begin(self, method: str, params: Json | None = None) -> int:
        self._next += 1
        self.send({"jsonrpc": "2.0", "id": self._next, "method": method, "params": params or {}})
        return self._next

    async def call(self, method: str, params: Json | None = None) -> Json:
        """Call a method; return the answer, the next line that there is."""
        identifier = self.begin(method, params)
        answer = await self.receive()
        assert answer.get("id") == identifier, answer
        return answer


@asynccontextmanager
async def started(*arguments: str, cwd: Path, stdin: bool = False) -> AsyncIterator[Program]:
    """Start a command; at the end it is gone."""
    process = await asyncio.create_subprocess_exec(
        *DOVETAIL,
        *arguments,
        cwd=cwd,
        env=environment(TMPDIR=str(cwd.parent)),  # a killed command cannot clean up
        stdin=PIPE if stdin else DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        limit=2**20,
    )
    program = Program(process)
    try:
        yield program
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)  # process.kill() would take the status from who waits for it
        await process.communicate()


def at_a_terminal(
    *arguments: str, cwd: Path, answers: Sequence[str | bytes] = (), columns: int = 80, **more: str
) -> tuple[int, str]:
    """Run a command at a terminal of its own; answer each prompt (`...: `); return the status and the screen.

    An answer of bytes is typed as it is, without a line's end: `b"\\x03"` is Ctrl-C, `b"\\x04"` Ctrl-D.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = subprocess.Popen(
        [*DOVETAIL, *arguments],
        cwd=cwd,
        env=environment(TERM="xterm-256color", **more),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    screen, seen, left = b"", 0, list(answers)
    deadline = time.monotonic() + SECONDS
    while select.select([ours], [], [], max(deadline - time.monotonic(), 0))[0]:
        try:
            data = os.read(ours, 4096)
        except OSError:  # the terminal is closed when nobody holds its other end
            break
        screen += data
        if left and screen[seen:].endswith(b": "):
            seen, answer = len(screen), left.pop(0)
            os.write(ours, answer if isinstance(answer, bytes) else answer.encode() + b"\n")
    os.close(ours)
    status = process.wait(SECONDS)
    assert not left, screen.decode()
    return status, screen.decode().replace("\r\n", "\n")
