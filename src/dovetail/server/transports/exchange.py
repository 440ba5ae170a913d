"""One HTTP exchange as the outlet of one call: plain JSON, until something is sent before the result makes it a stream.

The eras differ in what a client that leaves means, and only here: "Closing the SSE response stream MUST be treated by
the server as cancellation" (2026-07-28, Cancellation); "Disconnection SHOULD NOT be interpreted as the client
cancelling its request" (2025-11-25, Sending Messages to the Server).
"""

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from dovetail.core import STREAM_HEADERS, event_bytes, event_id, status_of
from dovetail.errors import Busy, Disconnected, Refusal, SessionEnded
from dovetail.net import Reply
from dovetail.server.calls.context import Context
from dovetail.server.calls.turn import cancel
from dovetail.server.transports.session import Session

if TYPE_CHECKING:
    from dovetail.server.transports.sessions import Sessions

log = logging.getLogger("dovetail.server")

JSON_TYPE: Final = (b"content-type", b"application/json")
_RETRY_AFTER: Final = (b"retry-after", b"1")
_CHALLENGE: Final = (b"www-authenticate", b"Bearer")


DEFAULT_RETRY: Final = 1.0
"""Seconds after which a client should come back for the rest of a stream, when the handler names none."""


class Load:
    """How many calls of each principal are under way."""

    __slots__ = ("_counts", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._counts: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"<Load {sum(self._counts.values())} of {len(self._counts)} principals>"

    def full(self, bucket: str) -> bool:
        """Tell whether a principal has as many under way as it may."""
        return self._counts.get(bucket, 0) >= self.limit

    def enter(self, bucket: str) -> None:
        """Count one more."""
        self._counts[bucket] = self._counts.get(bucket, 0) + 1

    def leave(self, bucket: str) -> None:
        """Count one less."""
        left = self._counts.get(bucket, 1) - 1
        if left:
            self._counts[bucket] = left
        else:
            self._counts.pop(bucket, None)


class StatelessExchange:
    """A POST of the stateless revision."""

    network = True

    __slots__ = ("_load", "_reply", "_watcher")

    def __init__(self, reply: Reply, load: Load) -> None:
        """Made once a request."""
        self._reply = reply
        self._load = load
        self._watcher: asyncio.Task[None] | None = None

    async def send(self, frame: bytes) -> None:
        """Send a message before the result: the reply becomes a stream."""
        if not self._reply.started:
            await self._reply.open(STREAM_HEADERS)
        await self._reply.write(event_bytes(frame))

    async def finish(self, frame: bytes | None, error: Refusal | None = None) -> None:
        """Send the outcome, with the status that an error has (only where no stream was begun)."""
        reply = self._reply
        if reply.started:
            if frame is not None:
                await reply.write(event_bytes(frame))
            await reply.close()
        elif frame is None:
            await reply.whole(202, [])
        elif error is None:
            await reply.whole(200, [JSON_TYPE], frame)
        else:
            await reply.whole(*refusal_head(status_of(error)), frame)

    def suspended(self, context: Context) -> None:
        """Watch for the client to leave, which cancels the call."""
        self._load.enter(context.principal.bucket)
        self._watcher = self._reply.watch(lambda: cancel(context))

    def ended(self, context: Context) -> None:
        """Stop watching."""
        self._load.leave(context.principal.bucket)
        self._reply.unwatch()
        if self._watcher is not None:
            self._watcher.cancel()

    async def close_stream(self, retry: float | None) -> None:
        """Streams of this revision are not resumable: nothing to do."""


def refusal_head(status: int) -> tuple[int, list[tuple[bytes, bytes]]]:
    """Return status and headers of a refusal."""
    headers = [JSON_TYPE]
    if status in (429, 503):
        headers.append(_RETRY_AFTER)
    elif status == 401:
        headers.append(_CHALLENGE)
    return status, headers


class StatefulExchange:
    """A POST of a session. Its stream can be resumed where the revision has that: what is sent is stored first."""

    network = True

    # Most requests are answered at once and change none of these: what they begin with is the class's.
    _stream = ""
    _called = False
    _calls = 0  # under way: those of a batch share one reply
    _here = False
    _opening: asyncio.Event | None = None
    _watcher: "asyncio.Task[None] | None" = None

    def __init__(self, reply: Reply, load: Load, sessions: "Sessions", session: Session) -> None:
        """Made once a request."""
        self._reply = reply
        self._load = load
        self._sessions = sessions
        self._session = session

    async def _open(self, retry: float | None = None) -> None:
        self._opening = asyncio.Event()
        try:
            await self._begin(retry)
        finally:
            self._opening.set()

    async def _begin(self, retry: float | None) -> None:
        revision, streams = self._session.peer.revision, self._sessions.streams
        if revision.resumable:
            self._stream = streams.begin(self._session)
        await self._reply.open(STREAM_HEADERS)
        if self._stream:
            await streams.announce(self._session, self._stream)
        if revision.priming_event:
            # "The server SHOULD immediately send an SSE event consisting of an event ID and an empty data field in
            # order to prime the client to reconnect" (2025-11-25, Sending Messages to the Server).
            pause = None if retry is None else round(retry * 1000)
            await self._reply.write(event_bytes(b"", id=event_id(self._stream, 0), retry=pause))

    async def send(self, frame: bytes) -> None:
        """Send a message before the result: the reply becomes a stream."""
        if self._opening is None:
            await self._open()
        elif not self._opening.is_set():
            await self._opening.wait()  # who was first is so on the stream, too
        await self._emit(frame, final=False)

    async def _emit(self, frame: bytes, *, final: bool) -> bool:
        """Send a message on the stream; tell whether it can be asked for again."""
        reply, streams = self._reply, self._sessions.streams
        if not self._stream or self._session.closed:
            await reply.write(event_bytes(frame))
            return False
        try:
            # Stored before it is sent: what a broken connection loses can be asked for again.
            sequence = await streams.append(self._session, self._stream, frame, final=final)
        except Disconnected as error:
            log.error("A message could not be stored: it reaches its client now, or not at all: %s", error)
            if not reply.closed and not reply.gone:
                await reply.write(event_bytes(frame))
            return False
        if streams.followed(self._session, self._stream):
            return True  # the client came back for it on another connection, which has it from the store
        if not reply.closed and not reply.gone:
            await reply.write(event_bytes(frame, id=event_id(self._stream, sequence)))
        return True

    async def finish(self, frame: bytes | None, error: Refusal | None = None) -> None:
        """Send the outcome. An error of a stateful revision travels with status 200."""
        reply = self._reply
        if not reply.started:
            if frame is None and self._called:
                # A call that its client cancelled: "Not send a response" (Cancellation), and "the server MUST either
                # return Content-Type: text/event-stream [...] or application/json" (2025-11-25, Streamable HTTP).
                await reply.open(STREAM_HEADERS)
                await reply.close()
            elif frame is None:
                await reply.whole(202, [])
            elif isinstance(error, Busy):
                await reply.whole(*refusal_head(429), frame)
            elif isinstance(error, SessionEnded):
                # "it MUST respond to requests containing that session ID with HTTP 404" (2025-11-25, Sessions)
                await reply.whole(*refusal_head(404), frame)
            else:
                await reply.whole(200, [JSON_TYPE], frame)
            return
        said = False
        try:
            if frame is not None:
                said = await self._emit(frame, final=True)
            await reply.close()
        finally:
            if self._stream:
                self._sessions.streams.finish(self._session, self._stream, said=said)

    def suspended(self, context: Context) -> None:
        """Make the call known to its session: from now on it can be cancelled by its id."""
        self._called = True
        self._session.endpoint.begin(context.call.id, context)
        self._load.enter(context.principal.bucket)
        self._calls += 1
        if self._calls == 1 and not (self._reply.gone or self._reply.closed):
            self._here = True
            self._session.connected += 1
            self._watcher = self._reply.watch(self._left)

    def _left(self) -> None:
        # Not a cancellation: what is still to come is stored, and the client may come back for it.
        self._reply.gone = True
        self._disconnected()

    def _disconnected(self) -> None:
        if self._here:
            self._here = False
            self._session.connected -= 1
        self._sessions.used(self._session)

    def ended(self, context: Context) -> None:
        """Forget the call."""
        self._session.endpoint.finish(context.call.id)
        self._load.leave(context.principal.bucket)
        self._calls -= 1
        if self._calls:
            return
        self._disconnected()
        self._reply.unwatch()
        if self._watcher is not None:
            self._watcher.cancel()

    async def close_stream(self, retry: float | None) -> None:
        """Close the connection and let the client come back (2025-11-25: "close the connection [...] at any time").

        "If the server does close the connection prior to terminating the SSE stream, it SHOULD send an SSE event with a
        standard retry field before closing the connection."
        """
        # Before that revision: "The server SHOULD NOT close the SSE stream before sending the JSON-RPC response"
        # (2025-06-18, Sending Messages to the Server), and an event without data is one that clients cannot read.
        if not self._session.peer.revision.priming_event or self._reply.closed:
            return
        pause = DEFAULT_RETRY if retry is None else retry
        if self._opening is None:
            await self._open(pause)
        else:
            await self._reply.write(event_bytes(b"", retry=round(pause * 1000)))
        await self._reply.close()
        self._disconnected()
