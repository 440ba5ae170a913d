"""ASGI as a room for one request: its body within limits, and one reply, at once or as a stream.

Decides nothing about the protocol. Works on any ASGI server; on ours, a reply that is complete goes out in one write.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final, Protocol

import msgspec

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

DIRECT: Final = "dovetail.direct"
"""Scope extension of our own protocol: a `Direct`."""


class Direct(Protocol):
    """The response side of our own protocol, without messages and without waiting."""

    @property
    def writable(self) -> bool:
        """False while the client does not read fast enough, or is gone."""
        ...

    on_gone: Callable[[], None] | None
    """Called once when the client leaves before the response is complete."""

    def whole(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        """Send a complete response in one write; Content-Length is added."""
        ...

    def write(self, data: bytes) -> None:
        """Send a part of a stream that was opened through ASGI."""
        ...


class TooLarge(msgspec.Struct, frozen=True):
    """The body is over the limit; the rest was not read."""


class Gone(msgspec.Struct, frozen=True):
    """The client left before its body was complete."""


async def read_body(receive: Receive, limit: int, declared: bytes | None) -> bytes | TooLarge | Gone:
    """Read a request body.

    Args:
        receive: ASGI's.
        limit: The most bytes to take.
        declared: The Content-Length header, if there is one: an honest one is refused before anything is read.
    """
    if declared is not None and declared.isdigit() and int(declared[:20]) > limit:
        return TooLarge()
    message = await receive()
    if message["type"] != "http.request":
        return Gone()
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        return body if len(body) <= limit else TooLarge()
    parts, size = [body], len(body)
    while message.get("more_body", False):
        if size > limit:
            return TooLarge()
        message = await receive()
        if message["type"] != "http.request":
            return Gone()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
    return b"".join(parts) if size <= limit else TooLarge()


class Reply:
    """One HTTP response."""

    __slots__ = ("_direct", "_receive", "_send", "closed", "extra", "gone", "started")

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Made once a request."""
        self._receive = receive
        self._send = send
        extensions = scope.get("extensions")
        self._direct: Direct | None = None if extensions is None else extensions.get(DIRECT)
        self.extra: list[tuple[bytes, bytes]] | None = None
        """Fields that the head carries, whoever writes it."""
        self.started = False
        self.closed = False
        self.gone = False

    def __repr__(self) -> str:
        state = "closed" if self.closed else "open" if self.started else "new"
        return f"<Reply {state}{', client gone' if self.gone else ''}>"

    async def whole(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes = b"") -> None:
        """Send a complete response."""
        if self.started:
            return
        self.started = self.closed = True
        if self.extra is not None:
            headers = [*headers, *self.extra]
        if self._direct is not None:
            self._direct.whole(status, headers, body)
            return
        if status != 204:  # "A server MUST NOT send a Content-Length header field [...] 204" (RFC 9110, section 8.6)
            headers.append((b"content-length", b"%d" % len(body)))
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    async def open(self, headers: Headers) -> None:
        """Begin a stream with status 200."""
        if not self.started:
            self.started = True
            head = [*headers, *(self.extra or ())]
            await self._send({"type": "http.response.start", "status": 200, "headers": head})

    async def write(self, data: bytes) -> None:
        """Send a part of a stream; waits while the client does not read. Nothing happens once it is closed."""
        if not self.closed:
            await self._send({"type": "http.response.body", "body": data, "more_body": True})

    def write_now(self, data: bytes) -> bool:
        """Send a part of a stream without waiting; False when that is not possible."""
        direct = self._direct
        if direct is None or not direct.writable or self.closed:
            return False
        direct.write(data)
        return True

    async def close(self) -> None:
        """End the stream."""
        if not self.closed:
            self.closed = True
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    def watch(self, on_gone: Callable[[], None]) -> "asyncio.Task[None] | None":
        """Call `on_gone` when the client leaves early. Returns the task that watches, where one is needed."""
        if self._direct is not None:
            self._direct.on_gone = on_gone
            return None
        return asyncio.get_running_loop().create_task(self._watch(on_gone))

    def unwatch(self) -> None:
        """Call nobody any more."""
        if self._direct is not None:
            self._direct.on_gone = None

    async def _watch(self, on_gone: Callable[[], None]) -> None:
        await self.disconnected()
        if not self.closed:
            on_gone()

    async def disconnected(self) -> None:
        """Return when the client has left, or the response is complete."""
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self.gone = True
                return


class Outbox:
    """Events for a stream whose reader may be slow: written at once where that is possible, else kept, within bounds.

    The one place with a queue: here two rates truly differ. No task waits for an idle stream.
    """

    __slots__ = ("_bytes", "_limit_bytes", "_limit_messages", "_on_overflow", "_pending", "_reply", "_writer")

    def __init__(self, reply: Reply, messages: int, size: int, on_overflow: Callable[[], None]) -> None:
        """Write to `reply`; call `on_overflow` once when more than `messages` or `size` bytes wait."""
        self._reply = reply
        self._pending: deque[bytes] = deque()
        self._bytes = 0
        self._limit_messages = messages
        self._limit_bytes = size
        self._on_overflow = on_overflow
        self._writer: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Outbox {len(self._pending)} waiting, {self._bytes} bytes>"

    def put(self, data: bytes, *, last: bool = False) -> bool:
        """Send, or keep for sending; False when the stream was closed, or had to be for its bounds.

        Args:
            data: What to send.
            last: Nothing comes after it: it is not counted against the bounds.
        """
        if self._reply.closed or self._reply.gone:
            return False
        if self._writer is None and self._reply.write_now(data):
            return True
        full = len(self._pending) >= self._limit_messages or self._bytes + len(data) > self._limit_bytes
        if full and not last:
            self._on_overflow()
            return False
        self._pending.append(data)
        self._bytes += len(data)
        if self._writer is None:
            self._writer = asyncio.get_running_loop().create_task(self._drain())
        return True

    async def flush(self) -> None:
        """Wait until nothing is pending."""
        if self._writer is not None:
            await asyncio.wait([self._writer])

    async def _drain(self) -> None:
        try:
            while self._pending:
                data = self._pending.popleft()
                self._bytes -= len(data)
                await self._reply.write(data)
        except OSError:
            self._reply.gone = True
        finally:
            self._writer = None
