"""The streams of the stateful revisions that can be resumed: what was said on them, and who follows.

A message is stored before it is sent. Who follows is woken when there is more, by this worker or, over the bus, by
another. That more may come on a call's stream is known here while the call is, and by the other workers from the store:
until the stream ends, or the worker that has the call is gone. Of all that follow one stream here, one leads and
writes: "The server MUST send each of its JSON-RPC messages on only one of the connected streams" (2025-11-25,
Streamable HTTP, Multiple Connections).
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from dovetail.server.runtime import Runtime
    from dovetail.server.transports.session import Session

NOTICES: Final = "0"
"""The stream of a session that no request began: what a GET opens."""

_MESSAGE: Final = b"M"
_FINAL: Final = b"F"

Tell = Callable[[str, Literal["stream"], bytes], Awaitable[None]]


class Streams:
    """The resumable streams that this worker knows of."""

    def __init__(self, runtime: "Runtime", tell: Tell) -> None:
        """Keep them in the runtime's stores; `tell` reaches the other workers."""
        self._runtime = runtime
        self._tell = tell
        self._shared = bool(runtime.worker)
        self._followers: dict[tuple[str, str], list[asyncio.Event]] = {}
        self._live: set[tuple[str, str]] = set()

    def __repr__(self) -> str:
        return f"<Streams {len(self._live)} live, {len(self._followers)} followed>"

    def begin(self, session: "Session") -> str:
        """Begin a stream; its name is part of its event ids."""
        stream = secrets.token_hex(8)
        self._live.add((session.id, stream))
        return stream

    async def announce(self, session: "Session", stream: str) -> None:
        """Let the other workers know of a stream, before its client does: it may come back for it to any of them."""
        if self._shared:
            await self._runtime.stores.events.begin(session.id, stream)

    def finish(self, session: "Session", stream: str, *, said: bool) -> None:
        """Note that nothing more comes on a stream, and whether its last message said so. It can be resumed a while."""
        self._live.discard((session.id, stream))
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
        kind = _FINAL if final else _MESSAGE
        sequence = await self._runtime.stores.events.append(session.id, stream, kind + frame, session.bucket)
        self.wake(session.id, stream)
        await self._tell(session.id, "stream", stream.encode())
        return sequence

    async def after(self, session: "Session", stream: str, sequence: int) -> list[tuple[int, bytes, bool]]:
        """Return the messages of a stream after a place in it: number, frame, and whether it is the last."""
        stored = await self._runtime.stores.events.after(session.id, stream, sequence)
        return [(number, message[1:], message[:1] == _FINAL) for number, message in stored]

    async def mark(self, session: "Session", stream: str, sequence: int) -> None:
        """Note what was handed to a connection."""
        await self._runtime.stores.events.mark(session.id, stream, sequence)

    async def marked(self, session: "Session", stream: str) -> int:
        """Return the place up to which a stream was handed to a connection."""
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
        self._live = {key for key in self._live if key[0] != session}
        for owner, stream in list(self._followers):
            if owner == session:
                self.wake(owner, stream)
