"""One connection to a server: a request out, its answer in, then the next. Made by `http_dial`, owned by `http_pool`.

A connection carries one exchange at a time and no byte of it ever belongs to another: what a server says unasked, and
what stands behind the end of an answer, closes the connection. So do an answer that is let go of before its end, and
one that comes before its request has been written whole.

What is read ahead of who takes it is bounded: about half a mebibyte, then the server waits.
"""

import asyncio
import select
import ssl
from typing import Final, Protocol, cast

from dovetail.errors import DefinitionError, Disconnected
from dovetail.net.http_answer import AnswerReader, BadAnswer

_AHEAD: Final = 256 * 1024
_SWITCHED: Final = 101
_APART: Final = 1024 * 1024
_READABLE: Final = getattr(select, "POLLIN", 0)


class Owner(Protocol):
    """Who is told what becomes of a connection."""

    def free(self, peer: "Peer") -> None:
        """It is at the end of an answer, and may be used again."""

    def lost(self, peer: "Peer") -> None:
        """It is closed."""


class Answer:
    """The answer to one request, while it comes.

    Attributes:
        ended: Nothing more of it will come: it is complete, broke off, or was let go of.
        started: Done once its head is here, or is known never to come.
        reader: Has its head.
    """

    __slots__ = ("_failure", "_held", "_more", "_origin", "_paused", "_peer", "ended", "reader", "started")

    def __init__(self, peer: "Peer", reader: AnswerReader, origin: str, started: asyncio.Future[None]) -> None:
        self._peer: Peer | None = peer
        self._origin = origin
        self._held: bytes | bytearray = b""
        self._more: asyncio.Future[None] | None = None
        self._paused = False
        self._failure = ""
        self.ended = False
        self.reader = reader
        self.started = started

    def __repr__(self) -> str:
        return f"<Answer of {self._origin}{', ended' if self.ended else ''}>"

    async def chunk(self) -> bytes:
        """Return what has arrived of the body, after a wait when nothing has; `b""` at its end.

        Raises:
            Disconnected: It broke off, or was let go of before its end.
        """
        while not self._held:
            if self._failure:
                raise self.failure()
            if self.ended:
                return b""
            if self._more is not None:
                raise DefinitionError("Another task is reading this answer")
            self._more = asyncio.get_running_loop().create_future()
            try:
                await self._more
            finally:
                self._more = None
        held, self._held = self._held, b""
        if self._paused and self._peer is not None:
            self._paused = False
            self._peer.resume()
        return bytes(held)

    def failure(self) -> Disconnected:
        """Say why it broke off, in words that hold nothing of the request."""
        return Disconnected(f"{self._origin}: {self._failure}")

    def close(self) -> None:
        """Let go of it: a connection that is not at the end of it is closed. Idempotent."""
        peer = self._peer
        if peer is not None:
            self.broke("the answer was let go of")
            peer.abort()

    def took(self, content: bytes) -> None:
        """Take what came of the body."""
        if content:
            if not self._held:
                self._held = content
            else:
                if isinstance(self._held, bytes):
                    self._held = bytearray(self._held)
                self._held += content
        if self.reader.done:
            self._end()
        elif not self._paused and len(self._held) > _AHEAD and self._peer is not None:
            self._paused = True
            self._peer.pause()
        self._wake()

    def broke(self, why: str) -> None:
        """Take note that nothing more will come."""
        self._failure = why
        self._end()
        self._wake()

    def _end(self) -> None:
        self.ended = True
        peer, self._peer = self._peer, None
        if self._paused and peer is not None:  # the next answer shall come
            peer.resume()

    def _wake(self) -> None:
        if self.reader.head is not None or self.ended:
            if not self.started.done():
                self.started.set_result(None)
            if self._more is not None and not self._more.done():
                self._more.set_result(None)


class Peer(asyncio.Protocol):
    """A connection.

    Attributes:
        since: When it was put aside, on the loop's clock; its owner's to set.
    """

    __slots__ = ("_answer", "_closed", "_loop", "_owner", "_poll", "_spoiled", "_transport", "key", "since")

    def __init__(self, loop: asyncio.AbstractEventLoop, owner: Owner, key: str) -> None:
        """Make the protocol of a connection that is about to be.

        Args:
            loop: The running one.
            owner: Told of its end.
            key: Where it leads, for its owner.
        """
        self._loop = loop
        self._owner = owner
        self._transport: asyncio.Transport | None = None
        self._answer: Answer | None = None
        self._poll: select.poll | None = None
        self._spoiled = False
        self._closed = False
        self.key = key
        self.since = 0.0

    def __repr__(self) -> str:
        state = "closed" if self._closed else "idle" if self._answer is None else "at work"
        return f"<Peer {self.key}, {state}>"

    def usable(self) -> bool:
        """Tell whether the server has neither closed it nor said anything unasked, as far as this machine knows.

        Also what the kernel knows and the loop has not seen yet: the end, an error, or words out of turn.
        """
        transport = self._transport
        if self._spoiled or transport is None or transport.is_closing():
            return False
        if self._poll is None:
            sock = transport.get_extra_info("socket")
            if not _READABLE:  # Windows has no poll
                return sock is not None and not select.select([sock.fileno()], [], [], 0)[0]
            if sock is None:
                return False
            self._poll = select.poll()
            self._poll.register(sock.fileno(), _READABLE)
        return not self._poll.poll(0)

    def ask(self, head: bytes, body: bytes, reader: AnswerReader, origin: str) -> Answer | None:
        """Write a request, and return the answer that is to come.

        None: the connection is of no use any more, and nothing was written.
        """
        transport = self._transport
        if self._spoiled or transport is None or transport.is_closing():
            return None
        answer = self._answer = Answer(self, reader, origin, self._loop.create_future())
        if len(body) < _APART:
            transport.write(head + body if body else head)
        else:
            transport.write(head)
            transport.write(body)
        return answer

    def abort(self) -> None:
        """Close it at once."""
        self._spoiled = True
        if self._transport is not None:
            self._transport.abort()

    def stop(self) -> None:
        """Close it at once, and tell who reads that it was closed from here."""
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.broke("the HTTP client was closed")
        self.abort()

    def pause(self) -> None:
        """Make the server wait."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        """Let the server go on."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast("asyncio.Transport", transport)  # as uvloop's is by deed, if not by name

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        answer = self._answer
        if answer is None or answer.ended:
            return self.abort()  # words out of turn: the next answer may not begin with them
        reader = answer.reader
        try:
            content = reader.feed(data)
        except BadAnswer as error:
            answer.broke(f"the answer is not HTTP: {error}")
            return self.abort()
        if reader.head is None:
            return None
        if reader.head.status == _SWITCHED:
            answer.broke("the server left HTTP, which was not asked for")
            return self.abort()
        if reader.done:
            self._answer = None
        answer.took(content)
        if reader.done:
            self._finished(reader)
        return None

    def _finished(self, reader: AnswerReader) -> None:
        """Put the connection aside for the next exchange, if nothing speaks against it."""
        transport = self._transport
        whole = transport is not None and not transport.is_closing() and not transport.get_write_buffer_size()
        if whole and reader.head is not None and reader.head.kept and not reader.rest and not self._spoiled:
            self._owner.free(self)
        else:
            self.abort()

    def eof_received(self) -> None:
        """See `asyncio.Protocol`."""
        self._spoiled = True
        answer, self._answer = self._answer, None
        if answer is None:
            return
        head = answer.reader.head
        if head is not None and head.length is None and self._was_cut():
            return answer.broke("the connection broke in the middle of the answer")
        try:
            answer.reader.end()
        except BadAnswer as error:
            answer.broke(str(error))
        else:
            answer.took(b"")

    def _was_cut(self) -> bool:
        """Tell whether TLS ended without the server's word for it, as anybody on the way can make it end.

        An answer that ends with its connection "is considered complete unless an error was indicated by the underlying
        connection (e.g., an "incomplete close" in TLS would leave the message incomplete)" (RFC 9112, section 8).
        """
        tls = None if self._transport is None else self._transport.get_extra_info("ssl_object")
        if tls is None:
            return False
        try:
            return bool(tls.read(1))  # nothing: the server's `close_notify` has come
        except ssl.SSLZeroReturnError:
            return False
        except ssl.SSLError:
            return True  # something more could have come

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._closed = self._spoiled = True
        self._transport = None
        answer, self._answer = self._answer, None
        if answer is not None and not answer.ended:
            answer.broke("the connection broke")
        self._owner.lost(self)
