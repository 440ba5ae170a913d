"""GET streams of the stateful revisions: following what is stored for a session, from a place on.

One mechanism for both uses: a stream that a POST began and whose connection broke, and the stream of notices that a
GET opens. A follower reads the store after its place, writes, and waits to be woken. What was handed to a connection is
marked, so that a client that comes back without a place goes on where the last connection was.

Invariant: no gap is passed over in silence. Who was away while more was said on its call than there is room for is told
that messages are missing; who missed notices that are gone hears of everything that it wants to hear of.
"""

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from dovetail.core import (
    KEEP_ALIVE,
    LISTS,
    PROMPTS_CHANGED,
    RESOURCES_CHANGED,
    STREAM_HEADERS,
    TOOLS_CHANGED,
    Notice,
    event_bytes,
    event_id,
    resource_updated,
)
from dovetail.errors import InvalidRequest
from dovetail.net import Reply
from dovetail.server.announcing import join
from dovetail.server.notices import BEAT_SECONDS
from dovetail.server.transports.exchange import refusal_head
from dovetail.server.transports.session import Session
from dovetail.server.transports.stored import NOTICES
from dovetail.wire import error_frame, notification_frame

if TYPE_CHECKING:
    from dovetail.server.runtime import Runtime
    from dovetail.server.transports.sessions import Sessions


log = logging.getLogger("dovetail.server")

_GAP: Final = notification_frame(
    "notifications/message",
    b'{"level":"error","logger":"dovetail","data":"Messages of this call are missing here: more was said while nobody'
    b' read than is kept. What follows, its outcome included, is complete."}',
)
"""Said in place of messages that are gone. A refusal (400) would withhold the outcome of a call with effects."""


class SessionListener:
    """Puts the notices that a session wants into its stream of notices; outlives the GET that opened it.

    Until it is handed over, equal notices wait once: a change is a change, however often it happened. So no more wait
    than the client has subscriptions and lists, and none of them is dropped.
    """

    __slots__ = ("_most", "_runtime", "_session", "_sessions", "_waiting")

    def __init__(self, runtime: "Runtime", sessions: "Sessions", session: Session) -> None:
        """One a session, from its first subscription or GET on."""
        self._runtime = runtime
        self._sessions = sessions
        self._session = session
        self._waiting: set[bytes] = set()
        self._most = 2 * runtime.limits.subscriptions + len(LISTS)
        join(runtime, self)

    def __repr__(self) -> str:
        return f"<SessionListener {len(self._waiting)} waiting>"

    def deliver(self, notice: Notice) -> None:
        """Store a notice for the session, if it wants it."""
        for one in notice.each(self._session.subscriptions):
            self._deliver(one)

    def _deliver(self, notice: Notice) -> None:
        session = self._session
        if session.closed or not session.hears(notice):
            return
        if notice.visit:
            self._runtime.spawn(session.save())
        frame = notice.frame()
        if frame in self._waiting:
            return
        if len(self._waiting) >= self._most:
            self._waiting.clear()  # of resources that it is not subscribed to any more; these are told twice, at worst
        self._waiting.add(frame)
        self._runtime.hub.store(self._store(frame))

    async def _store(self, frame: bytes) -> None:
        try:
            await self._sessions.streams.append(self._session, NOTICES, frame)
        except BaseException:
            self._waiting.discard(frame)  # it does not wait, so the next one like it may
            raise

    def deliver_all(self) -> None:
        """Tell the client that everything it wants to hear of has changed: nobody knows which changes it missed."""
        for notice in (TOOLS_CHANGED, PROMPTS_CHANGED, RESOURCES_CHANGED):
            self.deliver(notice)
        for uri in sorted(self._session.subscriptions):
            self.deliver(resource_updated(uri))

    async def resume(self, place: int) -> None:
        """Let nothing wait any longer but what is stored after a place: from there a connection goes on."""
        before = tuple(self._waiting)
        stored = {said.frame for said in await self._sessions.streams.after(self._session, NOTICES, place)}
        self._waiting.difference_update(frame for frame in before if frame not in stored)

    def hand_over(self, frame: bytes) -> None:
        """Note that a notice goes to the client now: what changes from here on is told again."""
        self._waiting.discard(frame)

    def caught_up(self) -> None:
        """Note that all that is stored was handed over."""
        self._waiting.clear()

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
            self._sequence = max(self._sequence, await streams.marked(session, stream) or 0)
        # Asked before reading: when it says that nothing more comes, what is read next is all there is.
        over = not await streams.may_continue(session, stream)
        gap, rest = await streams.rest(session, stream, self._sequence)
        for said in rest:
            if self._reply.gone or self._reply.closed or self._moved:
                return True
            if not streams.leads(session, stream, wake):
                break
            if gap and stream != NOTICES:
                log.warning("A client missed messages of its call: more was said meanwhile than there is room for")
                await self._reply.write(event_bytes(_GAP))
            gap = False
            if stream == NOTICES and session.listener is not None:
                session.listener.hand_over(said.frame)
            await self._reply.write(event_bytes(said.frame, id=event_id(self._stream, said.number)))
            self._sequence = said.number
            await streams.mark(session, stream, said.number)
            if said.final:
                return True
        self._passive = not streams.leads(session, stream, wake)
        if stream == NOTICES and not self._passive and session.listener is not None:
            session.listener.caught_up()
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
    last = stored[-1]
    if last.final or last.number > sequence:
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
    heard = session.listens or session.listener is not None
    await sessions.listen(session)  # first of all: until then another worker may write to its connection, and mark
    marked = await streams.marked(session, NOTICES)
    place, missed = marked or 0, heard and marked is None
    if sequence is not None:
        stored = await streams.after(session, NOTICES, 0)
        missed = missed or (sequence > 0 and all(said.number != sequence for said in stored))
        # A place that nothing has reached yet would make the stream deaf until something does.
        place = min(sequence, max(place, stored[-1].number if stored else 0))
    if session.listener is not None:
        await session.listener.resume(place)
    if session.listener is not None:  # else another worker has the stream already: it is to see what was missed
        if missed:
            session.listener.deliver_all()
        if marked is None:
            await streams.mark(session, NOTICES, 0)
        if sequence is not None and place:
            await streams.mark(session, NOTICES, place)  # so far the client has it, as it says itself
    await Follower(runtime, sessions, session, reply, NOTICES, place).run()
