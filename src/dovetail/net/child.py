"""A server as a child process: its standard streams as a channel, its end as a fact, and nothing of it left behind.

Invariants. The child leads a process group of its own, and the group does not outlive it: whenever it ends, however it
ends, what it started and left in the group is killed before its number is given back. Its end is seen by itself, not by
the end of its output, which a grandchild may hold open: what it wrote before is still received, then comes the end.
Standard error is read whatever else happens. Starting waits for nothing, so it cannot be cancelled half way; closing
that is cancelled kills at once.

Works on any event loop that can watch descriptors; POSIX only.
"""

import asyncio
import contextlib
import errno
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Awaitable, Mapping, Sequence
from typing import Final

from dovetail.errors import DefinitionError, Unsent, quote
from dovetail.net.child_exit import ChildExit, ExitWatch
from dovetail.net.child_pipes import ChildPipes
from dovetail.net.child_program import ChildProgram, child_program
from dovetail.net.child_stderr import Hear, StderrReader
from dovetail.net.line_channel import LineChannel
from dovetail.wire import DEFAULT_LIMITS, Limits

GRACE_SECONDS: Final = 2.0
_THROWN_AWAY: Final = 64 * 1024
_KILLED_SECONDS: Final = 1.0
_FOR_NOW: Final = frozenset({errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ETXTBSY})


async def spawn(
    argv: Sequence[str | os.PathLike[str]],
    *,
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    limits: Limits = DEFAULT_LIMITS,
    on_stderr: Hear | None = None,
    grace_seconds: float = GRACE_SECONDS,
) -> "ChildChannel":
    """Start a program and return the channel to it.

    Args:
        argv: The program and its arguments; no shell sees them. See `child_program` for where a program is found.
        env: Environment variables. Of ours the child inherits only HOME, LANG, LANGUAGE, LC_*, LOGNAME, PATH, SHELL,
            TERM, TMPDIR, TZ and USER.
        cwd: Its working directory; ours by default.
        limits: `line` bounds a message.
        on_stderr: Called on the loop with each line of its standard error (one over 64 KiB is only named).
        grace_seconds: How long it may take to end by itself once its input is closed, and once more after SIGTERM.

    Raises:
        DefinitionError: The program cannot be started as it is given.
        Unsent: It could not be started now: no descriptors, processes or memory.
    """
    if sys.platform == "win32":
        raise DefinitionError("Servers over stdio are started on POSIX systems only")
    program = child_program(argv, env, cwd)
    pipes = ChildPipes()
    try:
        process = _start(program, pipes)
    except BaseException:
        pipes.close()
        raise
    finally:
        pipes.close_far()
    stderr = StderrReader(pipes.stderr, asyncio.get_running_loop(), on_stderr, (env or {}).values())
    return ChildChannel(process, pipes, stderr, limits, grace_seconds)


def _start(program: ChildProgram, pipes: ChildPipes) -> "subprocess.Popen[bytes]":
    try:
        return subprocess.Popen(  # noqa: S603 - an argument vector and a resolved program; no shell
            program.argv,
            executable=program.path,
            env=program.env,
            cwd=program.cwd,
            stdin=pipes.far_stdin,
            stdout=pipes.far_stdout,
            stderr=pipes.far_stderr,
            start_new_session=True,  # a group of its own, and no terminal to read passwords from
        )
    except OSError as error:
        kind = Unsent if error.errno in _FOR_NOW else DefinitionError
        raise kind(f"{quote(program.path)} cannot be run: {error.strerror}") from None


class ChildChannel(LineChannel):
    """The line channel to a child process. Made by `spawn`.

    Attributes:
        pid: Its process id, which is also that of its group.
        exit: How it ended; None while it runs.
    """

    def __init__(
        self,
        process: "subprocess.Popen[bytes]",
        pipes: ChildPipes,
        stderr: StderrReader,
        limits: Limits,
        grace_seconds: float,
    ) -> None:
        super().__init__(pipes.stdout, pipes.stdin, limits)
        self._pipes = pipes
        self._process = process
        self._stderr = stderr
        self._grace = grace_seconds
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._released = False
        self.pid = process.pid
        self.exit: ChildExit | None = None
        self._watch = ExitWatch(self.pid, self._loop, self._exited)

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, process {self.pid}{'' if self.exit is None else f' ended: {self.exit}'}>"

    def __del__(self) -> None:
        if not getattr(self, "_released", True):
            warnings.warn(f"{self!r} was never closed", ResourceWarning, stacklevel=2, source=self)
            self._released = True
            self._kill(signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_KILLED_SECONDS)
            self._watch.stop()
            self._pipes.close()

    async def exited(self) -> ChildExit:
        """Wait until the process has ended, and return how."""
        await asyncio.shield(self._gone)
        assert self.exit is not None
        return self.exit

    async def aclose(self) -> None:
        """Close the child's input and wait; then SIGTERM to its group and wait; then SIGKILL. Idempotent.

        "First, closing the input stream to the child process (the server) / Waiting for the server to exit, or sending
        SIGTERM if the server does not exit within a reasonable time / Sending SIGKILL if the server does not exit
        within a reasonable time after SIGTERM" (2025-11-25, Lifecycle, Shutdown). Each wait is `grace_seconds` at most.
        Cancelled, it kills at once.
        """
        if self._closed:
            await asyncio.shield(self._gone)
            return
        self._closed = True
        self._end()
        if self.exit is None:
            self._pipes.stdout.watch(self._loop, self._throw_away)
        try:
            if await self._in_time(self._part()):
                return
            for number in (signal.SIGTERM, signal.SIGKILL):
                self._kill(number)
                if await self._in_time(asyncio.shield(self._gone)):
                    return
        finally:
            self._release()

    async def _in_time(self, work: Awaitable[None]) -> bool:
        try:
            async with asyncio.timeout(self._grace):
                await work
        except TimeoutError:
            return False
        return True

    async def _part(self) -> None:
        """Say what is left to say, and that there is no more."""
        try:
            await self._writer.below(0)
        finally:
            self._writer.close()
        await asyncio.shield(self._gone)

    def _throw_away(self) -> None:
        """Read what nobody wants any more, so that its writer comes to its own end."""
        try:
            left = self._pipes.stdout.read(_THROWN_AWAY)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            left = b""
        if not left:
            self._pipes.stdout.unwatch(self._loop)

    def _abandon(self) -> None:
        """It no longer reads. What it has answered before is worth reading all the same."""

    def _exited(self) -> None:
        """It has ended, and is not reaped yet: its number, and so its group's, still belongs to it."""
        if self.exit is not None:
            return
        self._kill(signal.SIGKILL)
        self._conclude(self._process.wait())
        while self._waiter is not None and not self._lines and not self._ended:
            self._readable()

    def _conclude(self, code: int) -> None:
        self._watch.stop()
        self._stderr.finish()
        self.exit = ChildExit(None if code < 0 else code, -code if code < 0 else None, self._stderr.tail())
        self._pipes.stdout.exited()
        if not self._gone.done():
            self._gone.set_result(None)

    def _kill(self, number: int) -> None:
        """Signal the whole group, while its number cannot have become somebody else's."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    def _release(self) -> None:
        """Let go of everything; a process that is left is killed here and now."""
        if self.exit is None:
            self._kill(signal.SIGKILL)
            code = -signal.SIGKILL
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self._process.wait(_KILLED_SECONDS)
            self._conclude(code)
        self._released = True
        self._pipes.stdout.unwatch(self._loop)
        self._pipes.stdout.close()
