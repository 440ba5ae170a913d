"""The streams of the stateful revisions that can be resumed: what was said on them, and who follows.

A message is stored before it is sent. Who follows is woken when there is more, by this worker or, over the bus, by
another. That more may come on a call's stream is known here while the call is, and by the other workers from the store:
until the stream ends, or the worker that has the call is gone. There is room for so much, and the oldest goes
first: who comes back behind a gap is told of it (`rest`). Of all that follow one stream here, one leads and writes:
"The server MUST send each of its JSON-RPC messages on only one of the connected streams" (2025-11-25,
Streamable HTTP, Multiple Connections).
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from dovetail.server.runtime import Runtime
    from dovetail.server.transports.session import Session

NOTICES: Final = "0"
"""The stream of a session that no request began: what a GET opens."""

HEARD: Final = 1_000
"""Notices kept that were handed over already, for a client whose connection lost the last of them."""

_KINDS: Final = {(False, False): b"M", (False, True): b"F", (True, False): b"m", (True, True): b"f"}
"""What stands before a stored message, by whether it is the first of its stream, and the last."""

Tell = Callable[[str, Literal["stream"], bytes], Awaitable[None]]


class Said(NamedTuple):
    """A message of a stream, as it was stored."""

    number: int
    frame: bytes
    first: bool
    """Whether nothing was said on the stream before; not known of notices."""
    final: bool


class Streams:
    """The resumable streams that this worker knows of."""

    def __init__(self, runtime: "Runtime", tell: Tell) -> None:
        """Keep them in the runtime's stores; `tell` reaches the other workers."""
        self._runtime = runtime
        self._tell = tell
        self._shared = bool(runtime.worker)
        self._followers: dict[tuple[str, str], list[asyncio.Event]] = {}
        self._live: dict[tuple[str, str], bool] = {}
        """The streams of calls under way here, and whether anything was said on them."""

    def __repr__(self) -> str:
        return f"<Streams {len(self._live)} live, {len(self._followers)} followed>"

    def begin(self, session: "Session") -> str:
        """Begin a stream; its name is part of its event ids."""
        stream = secrets.token_hex(8)
        self._live[session.id, stream] = False
        return stream

    async def announce(self, session: "Session", stream: str) -> None:
        """Let the other workers know of a stream, before its client does: it may come back for it to any of them."""
        if self._shared:
            await self._runtime.stores.events.begin(session.id, stream)

    def finish(self, session: "Session", stream: str, *, said: bool) -> None:
        """Note that nothing more comes on a stream, and whether its last message said so. It can be resumed a while."""
        self._live.pop((session.id, stream), None)
        if not session.closed:  # else what was stored of it is gone
            self._runtime.spawn(self._end(session.id, stream, said))

    async def _end(self, session: str, stream: str, said: bool) -> None:
        await self._runtime.stores.events.end(session, stream)
        if not said:
            self.wake(session, stream)
            await self._tell(session, "stream", stream.encode())

    async def may_continue(self, session: "Session", stream: str) -> bool:
        """Tell whether more can come on a stream: from here, or from another worker that lives."""
        if stream == NOTICES or (session.id, stream) in self._live:
            return True
        return self._shared and await self._runtime.stores.events.fed(session.id, stream)

    async def append(self, session: "Session", stream: str, frame: bytes, *, final: bool = False) -> int:
        """Store a message of a stream and wake who follows it; return its sequence number."""
        key = session.id, stream
        first = self._live.get(key) is False
        if first:
            self._live[key] = True
        kind = _KINDS[first, final]
        sequence = await self._runtime.stores.events.append(*key, kind + frame, session.bucket)
        self.wake(session.id, stream)
        await self._tell(session.id, "stream", stream.encode())
        return sequence

    async def after(self, session: "Session", stream: str, sequence: int) -> list[Said]:
        """Return the messages of a stream after a place in it."""
        stored = await self._runtime.stores.events.after(session.id, stream, sequence)
        return [Said(number, data[1:], data[:1].islower(), data[:1] in b"Ff") for number, data in stored]

    async def rest(self, session: "Session", stream: str, sequence: int) -> tuple[bool, list[Said]]:
        """Return the messages of a stream after a place, and whether some that stood before them may be gone.

        The oldest go first: as long as the message at the place is there, none after it is gone.
        """
        rest = await self.after(session, stream, max(sequence - 1, 0))
        if rest and rest[0].number == sequence:
            return False, rest[1:]
        return bool(rest) and not (sequence == 0 and rest[0].first), rest

    async def mark(self, session: "Session", stream: str, sequence: int) -> None:
        """Note what was handed to a connection. A stream of notices has no end: of it the oldest are let go then."""
        keep = HEARD if stream == NOTICES else None
        await self._runtime.stores.events.mark(session.id, stream, sequence, keep)

    async def marked(self, session: "Session", stream: str) -> int | None:
        """Return the place up to which a stream was handed to a connection; None when what comes after it is lost."""
        return await self._runtime.stores.events.marked(session.id, stream)

    def follow(self, session: "Session", stream: str) -> asyncio.Event:
        """Return an event that is set whenever a stream has something new, or its session ends."""
        event = asyncio.Event()
        self._followers.setdefault((session.id, stream), []).append(event)
        return event

    def unfollow(self, session: "Session", stream: str, event: asyncio.Event) -> None:
        """Give a follower's event back."""
        events = self._followers[session.id, stream]
        events.remove(event)
        if events:
            events[-1].set()  # it leads now
        else:
            del self._followers[session.id, stream]

    def leads(self, session: "Session", stream: str, event: asyncio.Event) -> bool:
        """Tell whether a follower is the one that writes: the newest, since what is older may be a dead connection."""
        return self._followers[session.id, stream][-1] is event

    def followed(self, session: "Session", stream: str) -> bool:
        """Tell whether a client came back for a stream: then the connection that it began on is not written to."""
        return (session.id, stream) in self._followers

    def wake(self, session: str, stream: str) -> None:
        """Wake who follows a stream."""
        for event in self._followers.get((session, stream), ()):
            event.set()

    def drop(self, session: str) -> None:
        """Forget the streams of a session that is over, and let their followers see it."""
        self._live = {key: said for key, said in self._live.items() if key[0] != session}
        for owner, stream in list(self._followers):
            if owner == session:
                self.wake(owner, stream)
