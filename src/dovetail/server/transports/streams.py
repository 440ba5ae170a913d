"""GET streams of the stateful revisions: following what is stored for a session, from a place on.

One mechanism for both uses: a stream that a POST began and whose connection broke, and the stream of notices that a
GET opens. A follower reads the store after its place, writes, and waits to be woken. What was handed to a connection is
marked, so that a client that comes back without a place goes on where the last connection was.
"""

import asyncio
from typing import TYPE_CHECKING

from dovetail.core import KEEP_ALIVE, STREAM_HEADERS, Notice, event_bytes, event_id
from dovetail.errors import InvalidRequest
from dovetail.net import Reply
from dovetail.server.announcing import join
from dovetail.server.notices import BEAT_SECONDS
from dovetail.server.transports.exchange import refusal_head
from dovetail.server.transports.session import Session
from dovetail.server.transports.stored import NOTICES
from dovetail.wire import error_frame

if TYPE_CHECKING:
    from dovetail.server.runtime import Runtime
    from dovetail.server.transports.sessions import Sessions


class SessionListener:
    """Puts the notices that a session wants into its stream of notices; outlives the GET that opened it.

    While no connection is open, equal notices wait once: a change is a change, however often it happened.
    """

    __slots__ = ("_runtime", "_session", "_sessions", "connected", "waiting")

    def __init__(self, runtime: "Runtime", sessions: "Sessions", session: Session) -> None:
        """One a session, from its first GET on."""
        self._runtime = runtime
        self._sessions = sessions
        self._session = session
        self.connected = 0
        self.waiting: set[Notice] = set()
        join(runtime, self)

    def __repr__(self) -> str:
        return f"<SessionListener {self.connected} connected, {len(self.waiting)} waiting>"

    def deliver(self, notice: Notice) -> None:
        """Store a notice for the session, if it wants it."""
        session = self._session
        if session.closed or not session.hears(notice):
            return
        if notice.visit:
            self._runtime.spawn(session.save())
        if not self.connected:
            if notice in self.waiting or len(self.waiting) >= self._runtime.limits.stream_messages:
                return
            self.waiting.add(notice)
        self._runtime.hub.store(self._sessions.streams.append(session, NOTICES, notice.frame()))

    def beat(self) -> None:
        """Followers beat by themselves, and `Sessions` looks after a session whose client never came back."""

    def close(self) -> None:
        """Stop listening: another worker has the session's stream now, or the session is over."""
        self._runtime.hub.leave(self)
        if self._session.listener is self:
            self._session.listener = None


class Follower:
    """One GET connection of a session."""

    def __init__(
        self, runtime: "Runtime", sessions: "Sessions", session: Session, reply: Reply, stream: str, sequence: int
    ) -> None:
        """Follow `stream` after `sequence`."""
        self._runtime = runtime
        self._sessions = sessions
        self._session = session
        self._reply = reply
        self._stream = stream
        self._sequence = sequence
        self._passive = False

    def __repr__(self) -> str:
        return f"<Follower of {self._stream} at {self._sequence}>"

    async def run(self) -> None:
        """Write what is there and what comes, until the stream ends or the client leaves."""
        wake = self._sessions.streams.follow(self._session, self._stream)
        reply = self._reply
        watcher = reply.watch(lambda: self._left(wake))
        self._session.connected += 1
        if self._stream == NOTICES:
            # A server that leaves ends what would last for ever. A call's stream has its end: that of the call.
            self._runtime.streams[self] = wake.set
        try:
            await reply.open(STREAM_HEADERS)
            if self._session.peer.revision.priming_event:
                await reply.write(event_bytes(b"", id=event_id(self._stream, self._sequence)))
            else:
                await reply.write(KEEP_ALIVE)
            while not await self._catch_up(wake):
                if self._session.closed or reply.gone or (self._stream == NOTICES and self._runtime.draining):
                    break
                await self._wait(wake)
            await reply.close()
        finally:
            self._runtime.streams.pop(self, None)
            self._session.connected -= 1
            self._sessions.used(self._session)
            reply.unwatch()
            self._sessions.streams.unfollow(self._session, self._stream, wake)
            if watcher is not None:
                watcher.cancel()

    def _left(self, wake: asyncio.Event) -> None:
        self._reply.gone = True
        wake.set()

    async def _wait(self, wake: asyncio.Event) -> None:
        try:
            await asyncio.wait_for(wake.wait(), BEAT_SECONDS)
        except TimeoutError:
            await self._reply.write(KEEP_ALIVE)
        wake.clear()

    async def _catch_up(self, wake: asyncio.Event) -> bool:
        """Write all that is stored after our place, while we lead; True when the stream has ended."""
        streams, session, stream = self._sessions.streams, self._session, self._stream
        if self._passive and streams.leads(session, stream, wake):
            self._passive = False
            self._sequence = max(self._sequence, await streams.marked(session, stream))
        # Asked before reading: when it says that nothing more comes, what is read next is all there is.
        over = not await streams.may_continue(session, stream)
        for sequence, frame, final in await streams.after(session, stream, self._sequence):
            if self._reply.gone or self._reply.closed or self._moved:
                return True
            if not streams.leads(session, stream, wake):
                break
            await self._reply.write(event_bytes(frame, id=event_id(self._stream, sequence)))
            self._sequence = sequence
            await streams.mark(session, stream, sequence)
            if final:
                return True
        self._passive = not streams.leads(session, stream, wake)
        return over or self._moved

    @property
    def _moved(self) -> bool:
        """Whether the client listens at another worker now."""
        return self._stream == NOTICES and self._session.listener is None


async def _ended(sessions: "Sessions", session: Session, place: tuple[str, int]) -> str | None:
    """Return why nobody can go on from a place in a stream that nothing more is said on; None if there is something."""
    stream, sequence = place
    stored = await sessions.streams.after(session, stream, sequence - 1)
    if not stored:
        return "there is no such stream to go on with"
    number, _, final = stored[-1]
    if final or number > sequence:
        return None  # all of it, or the end, which a client that has it already may ask for again
    return "nothing more comes on this stream: its call was cancelled, or the server ended in the middle of it"


async def follow(
    runtime: "Runtime", sessions: "Sessions", session: Session, reply: Reply, stream: str, sequence: int
) -> None:
    """Serve a GET with the place that its client has reached:

    "replay messages that would have been sent after the last event ID, on the stream that was disconnected".

    Raises:
        SessionEnded: The session is over; nothing was sent.
    """
    if stream == NOTICES:
        await follow_notices(runtime, sessions, session, reply, sequence)
        return
    more = await sessions.streams.may_continue(session, stream)
    ended = None if more else await _ended(sessions, session, (stream, sequence))
    if ended is not None:
        # Not 404, which would say that the session is over: "it MUST start a new session" (2025-11-25, Sessions).
        status, headers = refusal_head(400)
        await reply.whole(status, headers, error_frame(None, InvalidRequest(f"Last-Event-ID: {ended}")))
        return
    await Follower(runtime, sessions, session, reply, stream, sequence).run()


async def follow_notices(
    runtime: "Runtime", sessions: "Sessions", session: Session, reply: Reply, sequence: int | None = None
) -> None:
    """Serve a GET of the stream of notices, from a place on; without one, from where the last connection was.

    Raises:
        SessionEnded: The session is over; nothing was sent.
    """
    streams = sessions.streams
    await sessions.listen(session)  # first of all: until then another worker may write to its connection, and mark
    place = await streams.marked(session, NOTICES)
    if sequence is not None:
        # A place that nothing has reached yet would make the stream deaf until something does.
        stored = await streams.after(session, NOTICES, 0)
        place = min(sequence, max(place, stored[-1][0] if stored else 0))
        if place:
            await streams.mark(session, NOTICES, place)  # so far the client has it, as it says itself
    listener = session.listener
    if listener is not None:  # else another worker has the stream already, and this one ends at once
        listener.connected += 1
        listener.waiting.clear()
    try:
        await Follower(runtime, sessions, session, reply, NOTICES, place).run()
    finally:
        if listener is not None:
            listener.connected -= 1
