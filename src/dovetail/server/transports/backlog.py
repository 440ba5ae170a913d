"""Notices on a channel: bounded, although a channel never waits (`Channel.send`) and nobody asks for a notice.

While the client does not read, what changes again is not told again: one notice of each kind waits. So a conversation
of a stateful revision holds at most one for each of its subscriptions. A listen stream for which more than
`Limits.stream_messages` or `Limits.stream_bytes` wait is ended (requirements, section 0.1).
"""

from collections.abc import Callable, Coroutine
from typing import Any, Final

from dovetail.errors import Disconnected
from dovetail.net import Channel
from dovetail.wire import Limits

_LOOK: Final = 64 * 1024
"""Bytes that are said before the client is looked at: one that reads costs a look for so many."""


class Backlog:
    """The notices of one channel."""

    def __init__(
        self,
        channel: Channel,
        limits: Limits,
        *,
        say: Callable[[bytes], None],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        overflow: Callable[[bytes], None],
    ) -> None:
        """Hold back what a client does not read.

        Args:
            channel: Tells when the client has read.
            limits: Of the streams.
            say: Sends a message on the channel.
            spawn: Runs what waits for the client.
            overflow: Ends a listen stream, by its id.
        """
        self._channel = channel
        self._limits = limits
        self._say = say
        self._spawn = spawn
        self._overflow = overflow
        self._late: dict[bytes | None, dict[bytes, None]] = {}
        self._sizes: dict[bytes | None, int] = {}
        self._said = 0
        self._looking = False

    def __repr__(self) -> str:
        return f"<Backlog {sum(map(len, self._late.values()))} notices>"

    def tell(self, frame: bytes, stream: bytes | None = None) -> None:
        """Send a notice, now or when the client has read what was sent before.

        Args:
            frame: The message.
            stream: The id of the listen stream that it belongs to; None for a stateful revision's.
        """
        if self._looking:
            self._keep(frame, stream)
            return
        self._say(frame)
        self._said += len(frame)
        if self._said >= _LOOK:
            self._looking = True
            self._spawn(self._catch_up())

    def forget(self, stream: bytes) -> None:
        """Drop what waits for a stream: it has ended."""
        self._late.pop(stream, None)
        self._sizes.pop(stream, None)

    def _keep(self, frame: bytes, stream: bytes | None) -> None:
        late = self._late.setdefault(stream, {})
        if frame in late:
            return
        late[frame] = None
        size = self._sizes[stream] = self._sizes.get(stream, 0) + len(frame)
        if stream is not None and (len(late) > self._limits.stream_messages or size > self._limits.stream_bytes):
            self._overflow(stream)

    async def _catch_up(self) -> None:
        try:
            while True:
                await self._channel.drain()
                self._said = 0
                if not self._late:
                    return
                late, self._late, self._sizes = self._late, {}, {}
                for frames in late.values():
                    for frame in frames:
                        self._say(frame)
        except Disconnected:
            # Nobody reads any more, which whoever reads the channel finds out.
            self._late, self._sizes = {}, {}
        finally:
            self._looking = False


class ChannelStream:
    """A listen stream on a channel."""

    __slots__ = ("_backlog", "_id")

    def __init__(self, backlog: Backlog, identifier: bytes) -> None:
        """Belong to the request with this id."""
        self._backlog = backlog
        self._id = identifier

    def put(self, frame: bytes) -> None:
        """Send a message of the stream."""
        self._backlog.tell(frame, self._id)

    def beat(self) -> None:
        """Do nothing: the connection shows for itself that it lives."""
