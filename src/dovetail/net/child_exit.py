"""How and when a child process ended. Seen by itself, whoever still holds its pipes; never reaped here."""

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Callable

import msgspec


class ChildExit(msgspec.Struct, frozen=True):
    """How a child process ended.

    Attributes:
        code: Its exit code; None when a signal ended it.
        signal: The signal that ended it, or None.
        stderr: The last lines that it said there: bounded, printable, without what looks like a secret.
    """

    code: int | None
    signal: int | None
    stderr: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.signal is None:
            return f"exit code {self.code}"
        try:
            return f"signal {signal.Signals(self.signal).name}"
        except ValueError:
            return f"signal {self.signal}"


class ExitWatch:
    """Calls back on the loop, once, when a process has ended; it is left to its parent to reap."""

    def __init__(self, pid: int, loop: asyncio.AbstractEventLoop, ended: Callable[[], None]) -> None:
        self._pid = pid
        self._loop = loop
        self._ended = ended
        self._fd: int | None = None
        try:
            self._fd = os.pidfd_open(pid)
        except (AttributeError, OSError):  # not Linux, or an older or a fenced one
            threading.Thread(target=self._wait, name=f"waits for process {pid}", daemon=True).start()
        else:
            loop.add_reader(self._fd, self._ended)

    def stop(self) -> None:
        """Call back no more."""
        if self._fd is not None:
            with contextlib.suppress(RuntimeError):  # a closed loop watches nothing
                self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = None

    def _wait(self) -> None:
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOWAIT)
        with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody asks any more
            self._loop.call_soon_threadsafe(self._ended)
