"""The outgoing half of a line channel: messages gather, and leave together in one write.

Invariant: a write goes out whole and in order before the next begins; the first failure is final.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from dovetail.errors import Disconnected
from dovetail.net.descriptor import Descriptor

_FLUSH_AT: Final = 64 * 1024


class LineWriter:
    """Messages that wait to be written, and at most one piece that the descriptor did not take yet.

    Attributes:
        size: Bytes unsent.
        wrote: Something was written since this was last set to False.
    """

    def __init__(self, sink: Descriptor, loop: asyncio.AbstractEventLoop, abandon: Callable[[], None]) -> None:
        self._sink = sink
        self._loop = loop
        self._abandon = abandon
        self._messages: list[bytes] = []
        self._rest = memoryview(b"")
        self._watching = False
        self._scheduled = False
        self._failure = ""
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []
        self.size = 0
        self.wrote = False

    def check(self) -> None:
        """Raise `Disconnected` when nothing can be sent any more."""
        if self._failure:
            raise Disconnected(self._failure)

    def send(self, message: bytes) -> None:
        """See `Channel.send`."""
        if self._failure:
            raise Disconnected(self._failure)
        if b"\n" in message:  # JSON has one only between two tokens, where a blank means the same
            message = message.replace(b"\n", b" ")
        self._messages.append(message)
        self.size += len(message) + 1
        if self.size >= _FLUSH_AT:
            self.flush()
        elif not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._turn)

    def flush(self) -> None:
        """Write what has gathered, unless the descriptor is still busy with an earlier piece."""
        if self._messages and not self._rest:
            self._messages.append(b"")
            data = b"\n".join(self._messages)
            self._messages.clear()
            self._write(memoryview(data))
            self.wrote = True

    async def below(self, size: int) -> None:
        """Wait until at most `size` bytes are unsent, or nothing can be sent any more."""
        self.flush()
        if self.size > size and not self._failure:
            waiter = self._loop.create_future()
            self._waiters.append((size, waiter))
            await waiter

    def drop(self) -> None:
        """Drop what is unsent; nothing can be sent any more."""
        self._fail("The channel is closed")

    def close(self) -> None:
        """Drop what is unsent and close the descriptor."""
        self.drop()
        self._sink.close()

    def forget(self) -> None:
        """As `close`, without touching the loop (see `LineChannel.forget`)."""
        self._watching = False
        self.close()

    def _turn(self) -> None:
        self._scheduled = False
        self.flush()

    def _write(self, data: memoryview) -> None:
        try:
            while data:
                written = self._sink.write(data)
                self.size -= written
                data = data[written:]
        except (BlockingIOError, InterruptedError):
            self._watch()
        except OSError:
            self._fail("The peer no longer reads")
            self._abandon()
            return
        else:
            self._unwatch()
        self._rest = data
        self._release()

    def _writable(self) -> None:
        self._write(self._rest)
        self.flush()

    def _watch(self) -> None:
        if not self._watching and self._sink.waits:
            self._watching = True
            self._sink.watch(self._loop, self._writable)

    def _unwatch(self) -> None:
        if self._watching:
            self._watching = False
            self._sink.unwatch(self._loop)

    def _fail(self, reason: str) -> None:
        self._failure = self._failure or reason
        self._messages.clear()
        self._rest = memoryview(b"")
        self.size = 0
        self._unwatch()
        self._release()

    def _release(self) -> None:
        """Wake whoever waited for as little as this to be unsent."""
        if self._waiters:
            due = [waiter for size, waiter in self._waiters if self.size <= size]
            self._waiters = [(size, waiter) for size, waiter in self._waiters if self.size > size]
            for waiter in due:
                if not waiter.done():
                    waiter.set_result(None)
