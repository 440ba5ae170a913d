"""What goes out on one connection, and whether its client keeps up. Knows bytes and time, nothing of HTTP.

A client may read slowly, not stop: while more waits for it than the transport likes, it must read at least `body_rate`
bytes a second on average over each `write_seconds`.
"""

import asyncio
import math
from collections.abc import Callable
from typing import Final

from dovetail.wire import Limits

NEVER: Final = math.inf


class Outgoing:
    """The sending side of one transport.

    Attributes:
        paused: More is waiting to be sent than the transport likes.
        deadline: When the client must have read more; infinite while it keeps up.
    """

    __slots__ = ("_clock", "_limits", "_transport", "_unread", "_waiting", "deadline", "paused")

    def __init__(self, limits: Limits) -> None:
        self.paused = False
        self.deadline = NEVER
        self._limits = limits
        self._clock: Callable[[], float] = float
        self._transport: asyncio.Transport | None = None
        self._unread = 0
        self._waiting: list[asyncio.Future[None]] = []

    def __repr__(self) -> str:
        return f"<Outgoing {'closing' if self.closing else 'paused' if self.paused else 'open'}>"

    def open(self, transport: asyncio.Transport, clock: Callable[[], float]) -> None:
        """Begin."""
        self._transport = transport
        self._clock = clock

    def put(self, data: bytes) -> None:
        """Send, unless nobody is there to read."""
        transport = self._transport
        if transport is not None and not transport.is_closing():
            transport.write(data)

    @property
    def closing(self) -> bool:
        """Nothing that is sent now goes anywhere."""
        return self._transport is None or self._transport.is_closing()

    @property
    def unsent(self) -> int:
        """Bytes that still wait for the client."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def pause(self) -> None:
        """The transport asks for a pause."""
        self.paused = True
        self.watch()

    def resume(self) -> None:
        """The client has caught up, or is gone."""
        self.paused = False
        self.deadline = NEVER
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def lose(self) -> None:
        """The transport is gone."""
        self._transport = None
        self.resume()

    async def caught_up(self) -> None:
        """Return when the client has caught up, or is gone."""
        if self.closing:
            # Give the loop its turn: only it can tell that the client is gone, and an application may ask without end.
            await asyncio.sleep(0)
        elif self.paused:
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            await future

    def watch(self) -> None:
        """Begin a period in which the client must read."""
        self._unread = self.unsent
        self.deadline = self._clock() + self._limits.write_seconds

    def stalled(self) -> bool:
        """At the deadline: tell whether the client has read next to nothing; if it has read, begin another period."""
        if self.unsent > self._unread - self._limits.body_rate * self._limits.write_seconds:
            return True
        self.watch()
        return False
