"""A pair of channels inside one process, through the real framing: what tests and in-process clients talk over.

Every message becomes bytes with a newline and passes the same line splitter, with the same limit, as on stdio. Each
direction holds about 1 MiB before `drain` makes its sender wait.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from dovetail.core import LineSplitter, Oversize
from dovetail.errors import Disconnected
from dovetail.wire import DEFAULT_LIMITS, Limits

_HIGH: Final = 1024 * 1024
_LOW: Final = _HIGH // 4


def memory_pair(limits: Limits = DEFAULT_LIMITS) -> "tuple[MemoryChannel, MemoryChannel]":
    """Return two connected channels: what one sends, the other receives. Use both on one event loop.

    Args:
        limits: `line` bounds a message in either direction.
    """
    there, back = _Pipe(limits), _Pipe(limits)
    return MemoryChannel(there, back), MemoryChannel(back, there)


class _Pipe:
    """One direction: lines, and who waits for some or for room."""

    def __init__(self, limits: Limits) -> None:
        self.splitter = LineSplitter(limits.line)
        self.lines: deque[bytes | Oversize] = deque()
        self.size = 0
        self.closed = False
        self.changed: asyncio.Future[None] | None = None

    def put(self, line: bytes) -> None:
        for item in self.splitter.feed(line):
            self.lines.append(item)
            self.size += _weight(item)
        self.notify()

    def take(self) -> bytes | Oversize:
        item = self.lines.popleft()
        self.size -= _weight(item)
        self.notify()
        return item

    def close(self) -> None:
        self.closed = True
        self.notify()

    def notify(self) -> None:
        if self.changed is not None:
            self.changed.set_result(None)
            self.changed = None

    async def change(self) -> None:
        if self.changed is None:
            self.changed = asyncio.get_running_loop().create_future()
        await asyncio.shield(self.changed)


def _weight(item: bytes | Oversize) -> int:
    return len(item) if isinstance(item, bytes) else 1


class MemoryChannel:
    """Implements `Channel` on two pipes."""

    def __init__(self, outgoing: _Pipe, incoming: _Pipe) -> None:
        self._outgoing = outgoing
        self._incoming = incoming
        self.parting: Callable[[], Awaitable[object]] | None = None
        """What `aclose` waits for besides: who serves the other end in this process, and is to be done, too."""

    def __repr__(self) -> str:
        state = "closed" if self._outgoing.closed else "ended" if self._incoming.closed else "open"
        return f"<MemoryChannel {state}, {len(self._incoming.lines)} lines unread, {self._outgoing.size} bytes unsent>"

    async def receive(self) -> bytes | Oversize | None:
        """See `Channel.receive`."""
        incoming = self._incoming
        while not incoming.lines:
            if incoming.closed:
                return None
            await incoming.change()
        return incoming.take()

    def send(self, message: bytes) -> None:
        """See `Channel.send`."""
        self._check()
        if b"\n" in message:  # as on stdio: JSON has one only between two tokens
            message = message.replace(b"\n", b" ")
        self._outgoing.put(message + b"\n")

    async def drain(self) -> None:
        """See `Channel.drain`."""
        outgoing = self._outgoing
        if outgoing.size > _HIGH:
            while outgoing.size > _LOW and not outgoing.closed:
                await outgoing.change()
        self._check()

    async def aclose(self) -> None:
        """Close both directions: the other side receives what was sent, then the end."""
        self._outgoing.close()
        self._incoming.lines.clear()
        self._incoming.size = 0
        self._incoming.close()
        parting, self.parting = self.parting, None
        if parting is not None:
            await parting()

    def _check(self) -> None:
        if self._outgoing.closed:
            raise Disconnected("The channel is closed")
