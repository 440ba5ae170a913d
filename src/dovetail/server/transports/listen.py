"""`subscriptions/listen` (2026-07-28, Subscriptions): one long answer, made of notices.

The stream's first message is the acknowledgement; it ends with a result when the server ends it, and without one when
the connection breaks. Over HTTP an idle stream holds no task of its own beyond the request's, and no timer.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from dovetail.core import KEEP_ALIVE, STREAM_HEADERS, Call, Filter, Notice, event_bytes
from dovetail.net import Outbox, Reply
from dovetail.server.announcing import join
from dovetail.wire import notification_frame, result_frame

if TYPE_CHECKING:
    from dovetail.server.runtime import Runtime

_CANCELLED = "notifications/cancelled"


class Stream(Protocol):
    """Where a listen stream's messages go. Neither method blocks."""

    def put(self, frame: bytes) -> None:
        """Send a message."""
        ...

    def beat(self) -> None:
        """Show that the stream lives."""
        ...


class Subscription:
    """One listen stream."""

    __slots__ = ("_filter", "_info", "_stream", "id")

    def __init__(self, runtime: "Runtime", call: Call, stream: Stream) -> None:
        """Acknowledge, and listen from now on."""
        self.id = call.id
        self._stream = stream
        catalogue, principal = runtime.server.catalogue, call.principal
        self._filter = Filter(
            call.params.notifications,
            lambda uri: catalogue.resolve(uri, principal) is not None,
            runtime.limits,
        )
        self._info = runtime.server.encoded_info
        # "The server MUST send notifications/subscriptions/acknowledged as the first message": nothing is heard before.
        stream.put(self._filter.acknowledgement(self.id))
        join(runtime, self)

    def __repr__(self) -> str:
        return f"<Subscription {self.id!r}>"

    def deliver(self, notice: Notice) -> None:
        """Pass a notice on, if it was asked for."""
        for one in notice.each(self._filter.uris):
            if self._filter.wants(one):
                self._stream.put(one.tagged(self.id))

    def beat(self) -> None:
        """Show that the stream lives."""
        self._stream.beat()

    def ending(self) -> list[bytes]:
        """Return the last messages of a stream that the server ends.

        "it SHOULD respond to the original subscriptions/listen request with a completion result before closing"
        (Graceful Closure); "A server MUST send notifications/cancelled referencing a subscriptions/listen request ID
        when it tears down that subscription stream" (Cancellation).
        """
        meta = b'{"io.modelcontextprotocol/subscriptionId":%b,"io.modelcontextprotocol/serverInfo":%b}'
        result = b'{"resultType":"complete","_meta":%b}' % (meta % (self.id, self._info))
        return [notification_frame(_CANCELLED, b'{"requestId":%b}' % self.id), result_frame(self.id, result)]


class HttpStream:
    """A listen stream over HTTP."""

    __slots__ = ("_ended", "_outbox", "_reply")

    def __init__(self, runtime: "Runtime", reply: Reply, on_end: Callable[[], None]) -> None:
        """Bounded by the limits on streams: a client that does not read has its stream ended."""
        limits = runtime.limits
        self._reply = reply
        self._outbox = Outbox(reply, limits.stream_messages, limits.stream_bytes, on_end)

    def put(self, frame: bytes) -> None:
        """Send a message as an event."""
        self._outbox.put(event_bytes(frame))

    def put_last(self, frames: list[bytes]) -> None:
        """Send the messages that end the stream, which have a place however many wait."""
        self._outbox.put(b"".join(map(event_bytes, frames)), last=True)

    def beat(self) -> None:
        """Send a comment."""
        self._outbox.put(KEEP_ALIVE)

    async def close(self) -> None:
        """Let what waits go out, then end the response."""
        await self._outbox.flush()
        await self._reply.close()


async def serve_listen(runtime: "Runtime", call: Call, reply: Reply) -> None:
    """Serve a listen request over HTTP until either side ends it."""
    ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def end(graceful: bool = True) -> None:
        if not ended.done():
            ended.set_result(graceful)

    watcher = reply.watch(lambda: end(graceful=False))
    await reply.open(STREAM_HEADERS)
    stream = HttpStream(runtime, reply, end)
    subscription = Subscription(runtime, call, stream)
    runtime.streams[subscription] = end
    runtime.listening(1)
    try:
        if await ended:
            runtime.hub.leave(subscription)  # nothing comes after the result
            stream.put_last(subscription.ending())
            await stream.close()
    finally:
        runtime.hub.leave(subscription)
        runtime.streams.pop(subscription, None)
        runtime.listening(-1)
        reply.unwatch()
        if watcher is not None:
            watcher.cancel()
