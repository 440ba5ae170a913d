"""The server's side of stdio: the protocol keeps descriptors 0 and 1 to itself (W-09).

"The server MUST NOT write anything to its stdout that is not a valid MCP message" (2026-07-28, Transports, stdio) - but
tools print, C libraries print, and their children inherit what they print to. So while the channel is open

* the streams we were started with live on private descriptors that exec closes and that a forked child closes;
* descriptor 1 is stderr: `print`, `os.write(1, ...)`, C's `printf` and every child process write to the log;
* descriptor 0 is /dev/null: `input()` and every child that reads find its end, and eat nothing of ours.

Text that was printed before, and still sits in a buffer, goes to stderr too. Closing puts both descriptors back, after
all that was buffered in Python and C has gone to stderr. POSIX only. One such channel may be open in a process.
"""

import contextlib
import fcntl
import io
import os
import sys
from collections.abc import Iterator
from typing import Final

from dovetail.errors import DefinitionError, Disconnected
from dovetail.net.descriptor import descriptor
from dovetail.net.haste import Haste
from dovetail.net.line_channel import LineChannel
from dovetail.net.standard import fill_streams
from dovetail.wire import DEFAULT_LIMITS, Limits

# Out of the way of programs that expect to find, or to close, a descriptor by its small number.
_PRIVATE: Final = 32


async def open_stdio(limits: Limits = DEFAULT_LIMITS, *, restore: bool = True) -> "StdioChannel":
    """Take the process's standard input and output for the protocol until the channel is closed.

    Args:
        limits: `line` bounds a message; `write_seconds` is how long closing waits for the client to read.
        restore: Give descriptors 0 and 1 back when the channel is closed. A program that ends then does not: what its
            threads and exit functions still print must not reach the client either.

    Raises:
        DefinitionError: A channel on these streams is open already.
        Disconnected: The process was started without a standard input or output.
    """
    if StdioChannel.current is not None:
        raise DefinitionError("A channel on standard input and output is open in this process already")
    return StdioChannel(limits, restore=restore)


def check_streams() -> None:
    """Check that there is a standard input and output; before a loop is made, whose descriptors would take their place,
    or that of standard error.

    Raises:
        Disconnected: The process was started without one of them.
    """
    fill_streams()
    # Python found these closed at the start. By now their numbers may belong to anything, such as the loop's epoll.
    if sys.__stdin__ is None or sys.__stdout__ is None:
        raise Disconnected("The process was started without a standard input or output")


@contextlib.contextmanager
def apart() -> Iterator[None]:
    """Keep the protocol's streams from what runs in this block, before there is a channel: from a file that is loaded.

    Raises:
        Disconnected: The process was started without a standard input or output.
    """
    streams = _Streams()
    streams.replace()
    try:
        yield
    finally:
        streams.restore(everything=False)  # what C holds back goes to stderr when the channel opens
        streams.close()


class StdioChannel(LineChannel):
    """The line channel on the streams that the process was started with. Made by `open_stdio`."""

    current: "StdioChannel | None" = None
    _forks_watched = False

    def __init__(self, limits: Limits, *, restore: bool = True) -> None:
        self._restore = restore
        self._streams = _Streams()
        source = descriptor(self._streams.stdin, writing=False)
        sink = descriptor(self._streams.stdout, writing=True)
        super().__init__(source, sink, limits, Haste())
        self._streams.replace()
        StdioChannel.current = self
        if not StdioChannel._forks_watched:
            StdioChannel._forks_watched = True
            os.register_at_fork(after_in_child=_forget)

    async def aclose(self) -> None:
        """Send what is pending, close, and give descriptors 0 and 1 back. Idempotent."""
        if StdioChannel.current is not self:
            return
        try:
            await super().aclose()
        finally:
            StdioChannel.current = None
            if self._restore:
                self._streams.restore()
            self._streams.close()

    def forget(self) -> None:
        """In a forked child: close the private descriptors, so that the client sees the end when the parent ends."""
        super().forget()
        self._streams.close()


def _forget() -> None:
    if StdioChannel.current is not None:
        StdioChannel.current.forget()
        StdioChannel.current = None


class _Streams:
    """Descriptors 0 and 1 as they were, kept aside while everybody else sees /dev/null and stderr in their place."""

    def __init__(self) -> None:
        check_streams()
        try:
            self.stdin = fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, _PRIVATE)
            self.stdout = fcntl.fcntl(1, fcntl.F_DUPFD_CLOEXEC, _PRIVATE)
        except OSError:
            raise Disconnected("Standard input or output was closed") from None
        self._stdin_before = self._stdin_since = sys.stdin
        self._line_buffering = True

    def replace(self) -> None:
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null if sys.__stderr__ is None else 2, 1)  # 2 may be anybody's by now: what is printed goes nowhere
        os.close(null)
        if isinstance(sys.stdout, io.TextIOWrapper):
            self._line_buffering = sys.stdout.line_buffering
            sys.stdout.reconfigure(line_buffering=True)  # as a log is; this also flushes what was printed so far
        if isinstance(sys.stdin, io.TextIOWrapper):
            # A new one: the old one may have read ahead.
            sys.stdin = self._stdin_since = open(0, encoding=sys.stdin.encoding, closefd=False)

    def restore(self, *, everything: bool = True) -> None:
        """Put descriptors 0 and 1 back, once all that is buffered for them has gone where it belongs: in C, too."""
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(line_buffering=self._line_buffering)
        if everything:
            _flush_c()
        if sys.stdin is self._stdin_since:
            sys.stdin = self._stdin_before
        os.dup2(self.stdin, 0)
        os.dup2(self.stdout, 1)

    def close(self) -> None:
        os.close(self.stdin)
        os.close(self.stdout)


def _flush_c() -> None:
    """Flush what C code has printed: at the latest at exit it would go to descriptor 1, whatever that is by then."""
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).fflush(None)
