"""Change notices: one hub that every client of either era listens to, whatever its transport.

A catalogue that changes publishes here; changes of one loop iteration become one notice. With several workers, notices
travel over the bus, so that a change in one reaches the clients of all.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from dovetail.core import Notice
from dovetail.errors import Disconnected

if TYPE_CHECKING:
    from dovetail.core import Bus

log = logging.getLogger("dovetail.server")

TOPIC = "notices"
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Notice).decode


class Listener(Protocol):
    """Somebody who hears of changes. `deliver` never blocks and never raises."""

    def deliver(self, notice: Notice) -> None:
        """Take a notice; ignore it if it was not asked for."""
        ...

    def beat(self) -> None:
        """Show that the connection lives, if it is a stream."""
        ...


BEAT_SECONDS = 15.0
"""How often an idle stream carries a comment (2026-07-28, Streamable HTTP: "periodically emit an SSE comment line")."""


STORE_SECONDS = 5.0
"""How long whoever says something waits at most until it is stored."""


class Hub:
    """All listeners of one runtime."""

    def __init__(self, bus: "Bus") -> None:
        """Start with nobody listening."""
        self._bus = bus
        self._listeners: dict[Listener, None] = {}
        self._due: dict[Notice, None] = {}
        self._saying: asyncio.Future[None] | None = None
        self._leave: Callable[[], None] | None = None
        self._beat: asyncio.TimerHandle | None = None
        self._publishing: set[asyncio.Task[None]] = set()
        self._storing: set[asyncio.Task[Any]] = set()

    def __repr__(self) -> str:
        return f"<Hub {len(self._listeners)} listeners>"

    def open(self) -> None:
        """Begin to hear what other workers publish."""
        self._leave = self._bus.subscribe(TOPIC, self._receive)

    def close(self) -> None:
        """Hear nothing more."""
        if self._leave is not None:
            self._leave()
        if self._beat is not None:
            self._beat.cancel()

    def __len__(self) -> int:
        return len(self._listeners)

    def join(self, listener: Listener) -> None:
        """Add a listener."""
        self._listeners[listener] = None
        if self._beat is None:
            self._schedule_beat()

    def leave(self, listener: Listener) -> None:
        """Remove a listener; unknown ones are ignored."""
        self._listeners.pop(listener, None)

    def publish(self, notice: Notice) -> "asyncio.Future[None]":
        """Tell everybody, once for all equal notices of this loop iteration.

        Returns:
            Done when the notice is on the bus, and stored for the sessions of this worker whose clients are away: it
            outlives this process then, if the stores do.
        """
        self._due[notice] = None
        if self._saying is None:
            loop = asyncio.get_running_loop()
            self._saying = loop.create_future()
            loop.call_soon(self._flush)
        return self._saying

    def _flush(self) -> None:
        said, self._saying = self._saying, None
        due, self._due = self._due, {}
        assert said is not None
        task = asyncio.get_running_loop().create_task(self._send(list(due), said))
        self._publishing.add(task)
        task.add_done_callback(self._publishing.discard)

    async def _send(self, notices: list[Notice], said: "asyncio.Future[None]") -> None:
        try:
            for notice in notices:
                message = _encode(notice)
                try:
                    await self._bus.publish(TOPIC, message)
                except Disconnected as error:  # our own have it all the same (`Bus.publish`)
                    log.error("A notice reaches the clients of this process alone: %s", error)
            if self._storing:
                await asyncio.wait(tuple(self._storing), timeout=STORE_SECONDS)
        finally:
            if not said.done():
                said.set_result(None)

    def store(self, work: Coroutine[Any, Any, Any]) -> None:
        """Store what a listener has heard, while whoever said it waits."""
        task = asyncio.get_running_loop().create_task(work)
        self._storing.add(task)
        task.add_done_callback(self._stored)

    def _stored(self, task: "asyncio.Task[Any]") -> None:
        self._storing.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("A notice could not be stored for a session: %s", error)

    def _receive(self, message: bytes) -> None:
        notice = _decode(message)
        for listener in list(self._listeners):
            listener.deliver(notice)

    def _schedule_beat(self) -> None:
        self._beat = asyncio.get_running_loop().call_later(BEAT_SECONDS, self._beat_all)

    def _beat_all(self) -> None:
        for listener in list(self._listeners):
            listener.beat()
        self._beat = None
        if self._listeners:
            self._schedule_beat()
