"""A channel over a pair of descriptors: one message a line. What stdio is made of.

Why not asyncio's pipe transports: they set O_NONBLOCK on shared descriptions, refuse regular files, wake a task once
per message, and write once per message. Here one read (64 KiB) yields a batch that `receive` hands out without a turn
of the loop, and the answers to a batch leave in one write.

Invariants: bytes leave in the order of `send`, and no message is interleaved with another; what was read and not yet
received stays within one read and one line of `Limits.line`; after the end, `receive` returns None for ever.
"""

import asyncio
from collections import deque
from time import perf_counter
from typing import Final

from dovetail.core import LineSplitter, Oversize
from dovetail.net.descriptor import Descriptor
from dovetail.net.haste import WINDOW, Haste
from dovetail.net.line_writer import LineWriter
from dovetail.wire import Limits

_CHUNK: Final = 64 * 1024
_HIGH: Final = 1024 * 1024
_LOW: Final = _HIGH // 4


class LineChannel:
    """Implements `Channel` on two descriptors."""

    def __init__(self, source: Descriptor, sink: Descriptor, limits: Limits, haste: Haste | None = None) -> None:
        self._haste = haste
        self._loop = asyncio.get_running_loop()
        self._limits = limits
        self._source = source
        self._splitter = LineSplitter(limits.line)
        self._lines: deque[bytes | Oversize] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._watching = False
        self._ended = False
        self._closed = False
        self._writer = LineWriter(sink, self._loop, self._abandon)
        self.send = self._writer.send

    def __repr__(self) -> str:
        state = "closed" if self._closed else "ended" if self._ended else "open"
        return f"<{type(self).__name__} {state}, {len(self._lines)} lines unread, {self._writer.size} bytes unsent>"

    async def receive(self) -> bytes | Oversize | None:
        """See `Channel.receive`."""
        while not self._lines:
            self._writer.flush()
            if self._ended:  # also when that flush found nobody reading
                return None
            await self._more()
        return self._lines.popleft()

    async def drain(self) -> None:
        """See `Channel.drain`."""
        if self._writer.size > _HIGH:
            await self._writer.below(_LOW)
        self._writer.check()

    async def aclose(self) -> None:
        """See `Channel.aclose`."""
        if self._closed:
            return
        self._closed = True
        self._end()
        try:
            async with asyncio.timeout(self._limits.write_seconds):
                await self._writer.below(0)
        except TimeoutError:
            pass  # the peer had its time to read
        finally:
            self._writer.close()
            self._source.close()

    def give_up(self) -> None:
        """Drop what is unsent: whoever waits for the peer to read waits no longer."""
        self._writer.drop()
        self._abandon()

    def forget(self) -> None:
        """Let go in a forked child: close what the channel opened, and leave the loop alone, which is the parent's."""
        self._closed = self._ended = True
        self._lines.clear()
        self._writer.forget()
        self._source.close()

    async def _more(self) -> None:
        """Wait until something was read, or the end; what was said meanwhile goes out before."""
        self._writer.flush()
        if not self._source.waits:
            await asyncio.sleep(0)  # a file never makes its reader wait, so others get their turn here
            self._readable()
            return
        if self._haste is not None and self._writer.wrote:
            self._writer.wrote = False
            if self._looked_out(self._haste):
                return
        if not self._watching:
            self._watching = True
            self._source.watch(self._loop, self._readable)
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _looked_out(self, haste: Haste) -> bool:
        """Look for the next message while it may well come at once; tell whether there is one, or the end."""
        now = perf_counter()
        haste.answered(now)
        if not haste.pays or self._writer.size:
            return False
        until = now + WINDOW
        while perf_counter() < until:
            self._readable()
            if self._lines or self._ended:
                haste.met()
                return True
        haste.missed()
        return False

    def _readable(self) -> None:
        if self._lines:
            self._unwatch()  # nobody took the last batch yet; `_more` asks again
            return
        try:
            data = self._source.read(_CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:  # a reset, or a terminal that hung up (EIO): an end like any other
            data = b""
        if self._haste is not None:
            self._haste.asked(perf_counter())
        if not data:
            self._end()  # what is left in the splitter is half a message: dropped
            return
        self._lines += self._splitter.feed(data)
        if self._lines:
            self._wake()

    def _unwatch(self) -> None:
        if self._watching:
            self._watching = False
            self._source.unwatch(self._loop)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _end(self) -> None:
        self._ended = True
        self._unwatch()
        self._wake()

    def _abandon(self) -> None:
        """The peer no longer reads: there is nobody to answer, so nothing more is worth reading."""
        self._lines.clear()
        self._end()
