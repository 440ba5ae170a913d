"""One request and its response: ASGI's `receive` and `send`, and the short cut `Direct` that our own app takes.

A response whose size is known goes out in one write. What is a stream (no Content-Length) is opened at once, so that a
client learns of it before the first event. Invariant: exactly one head is written, and nothing after the response is
complete.
"""

import asyncio
import http
import logging
import re
import traceback
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from dovetail.errors import INTERNAL_ERROR, InvalidRequest, Refusal
from dovetail.wire import error_frame

if TYPE_CHECKING:
    from dovetail.net.http_connection import HttpConnection

log = logging.getLogger("dovetail.net")

Message = dict[str, Any]
Application = Callable[[Any, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]

BODY_WINDOW: Final = 64 * 1024
"""Bytes of a body that wait for the application before reading pauses."""

_NAME: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_ILLEGAL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_STATUS: Final = {
    status: b"HTTP/1.1 %d %b\r\n"
    % (status, http.HTTPStatus(status).phrase.encode() if status in http.HTTPStatus._value2member_map_ else b"")
    for status in range(100, 600)
}
_NO_BODY: Final = frozenset({204, 304})
_FRAMING: Final = frozenset({b"connection", b"content-length", b"transfer-encoding", b"keep-alive", b"upgrade"})
_REMEMBERED: Final = frozenset(
    {b"content-type", b"cache-control", b"x-accel-buffering", b"vary", b"allow", b"retry-after"}
)
_MEMORY: Final = 256

_lines: dict[tuple[bytes, bytes], bytes] = {}


class Cycle:
    """Serves one request. Made once a request; an attribute that keeps its default costs nothing."""

    gone = False
    """The client left before the response was complete."""
    started = False
    complete = False
    task: "asyncio.Task[None] | None" = None
    received = 0
    """Bytes of the body so far, taken by the application or not."""

    _body: bytes | bytearray = b""
    _body_complete = True
    _body_taken = False
    _news: asyncio.Event | None = None
    _on_gone: Callable[[], None] | None = None
    _continue = False
    _head = b""
    _chunked = False
    _left = -1
    _close = False

    def __init__(self, connection: "HttpConnection", bodiless: bool) -> None:
        self._connection = connection
        self._out = connection.out
        self._bodiless = bodiless

    def __repr__(self) -> str:
        state = "complete" if self.complete else "gone" if self.gone else "started" if self.started else "new"
        return f"<Cycle {state}, {self.received} bytes of body>"

    # The request's side, for the connection.

    def has_whole(self, body: bytes) -> None:
        """The body came with the head."""
        self._body = body
        self.received = len(body)

    def expects_body(self, wants_continue: bool) -> None:
        """The body is still to come."""
        self._body = bytearray()
        self._body_complete = False
        self._continue = wants_continue

    def add(self, data: bytes, complete: bool) -> bool:
        """Take a part of the body; True when reading should pause until the application takes what is here."""
        self.received += len(data)
        self._body += data
        self._body_complete = complete
        self._wake()
        return not complete and len(self._body) > BODY_WINDOW

    @property
    def body_complete(self) -> bool:
        """Nothing of the request is still to come."""
        return self._body_complete

    def leave(self) -> None:
        """The client is gone."""
        if self.complete or self.gone:
            return
        self.gone = True
        self._wake()
        if self._on_gone is not None:
            on_gone, self._on_gone = self._on_gone, None
            on_gone()

    def _wake(self) -> None:
        if self._news is not None:
            self._news.set()

    async def run(self, app: Application, scope: Message, tasks: "set[asyncio.Task[None]]") -> None:
        """Run the application; whatever it raises ends this request and no other (S-25)."""
        try:
            await app(scope, self.receive, self.send)
        except BaseException as error:
            self._failed(error)
        else:
            if not self.complete and not self.gone:
                log.error("The application returned without completing its response")
                self._give_up()
        finally:
            if self.task is not None:
                tasks.discard(self.task)
                self.task = None

    def _failed(self, error: BaseException) -> None:
        if not isinstance(error, asyncio.CancelledError):
            # The text of an exception may hold what a log must not (S-23); where it was raised does not.
            where = "".join(traceback.format_tb(error.__traceback__))
            log.error("Exception in the application: %s\n%s", type(error).__name__, where)
        if not self.complete and not self.gone:
            self._give_up()

    def _give_up(self) -> None:
        if self.started and not self._head:
            self._connection.abort()
            return
        self._head = b""
        self.started = False
        self._close = True
        self._chunked = False
        self._left = -1
        error = InvalidRequest("The request could not be served", code=INTERNAL_ERROR)
        self.whole(500, [(b"content-type", b"application/json")], error_frame(None, error))

    # ASGI.

    async def receive(self) -> Message:
        """Return the next part of the body; after that wait for the end."""
        while not self._body_taken:
            if self._body or (self._body_complete and not self.gone):
                body, self._body = self._body, bytearray()
                self._body_taken = self._body_complete
                self._connection.resume_body()
                return {"type": "http.request", "body": bytes(body), "more_body": not self._body_complete}
            if self.gone or self.complete:
                break
            if self._continue:
                self._continue = False
                self._out.put(b"HTTP/1.1 100 Continue\r\n\r\n")
            await self._next()
        while not (self.gone or self.complete):
            await self._next()
        return {"type": "http.disconnect"}

    async def _next(self) -> None:
        if self._news is None:
            self._news = asyncio.Event()
        self._news.clear()
        await self._news.wait()

    async def send(self, message: Message) -> None:
        """Take one ASGI message; waits while the client does not read."""
        out = self._out
        if (out.paused or out.closing) and not self.gone:
            await out.caught_up()
        if self.gone:
            return
        kind = message["type"]
        if self.complete:
            raise RuntimeError(f"{kind!r} after the response was complete")
        if not self.started:
            if kind != "http.response.start":
                raise RuntimeError(f"Expected 'http.response.start', not {kind!r}")
            self._open(message["status"], message.get("headers", ()))
        elif kind == "http.response.body":
            self._part(message.get("body", b""), bool(message.get("more_body", False)))
        else:
            raise RuntimeError(f"Expected 'http.response.body', not {kind!r}")

    def _open(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        lines = self._lines(status, headers)
        self.started = True
        if status in _NO_BODY:
            self._bodiless = True
        if self._left >= 0 and status != 204:
            lines.append(b"content-length: %d\r\n" % self._left)
        if self._left < 0 and not self._bodiless:
            # Of unknown size: chunked, or to the end of the connection for HTTP/1.0 (RFC 9112, section 6.3).
            self._chunked = self._connection.chunks
            lines.append(b"transfer-encoding: chunked\r\n\r\n" if self._chunked else b"\r\n")
            self._out.put(b"".join(lines))
        else:
            lines.append(b"\r\n")
            self._head = b"".join(lines)

    def _part(self, body: bytes, more: bool) -> None:
        if self._left >= 0 and not self._bodiless:
            self._left -= len(body)
            if self._left < 0 or (self._left and not more):
                raise RuntimeError("The response is not as long as its Content-Length")
        if self._bodiless:
            body = b""
        elif self._chunked:
            body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + (b"" if more else b"0\r\n\r\n")
        if self._head:
            body, self._head = self._head + body, b""
        if body:
            self._out.put(body)
        if not more:
            self._finish()

    # The short cut (`asgi.Direct`).

    @property
    def on_gone(self) -> Callable[[], None] | None:
        """Called once when the client leaves before the response is complete; soon, when it has left already."""
        return self._on_gone

    @on_gone.setter
    def on_gone(self, call: Callable[[], None] | None) -> None:
        if call is not None and self.gone:
            asyncio.get_running_loop().call_soon(call)
        else:
            self._on_gone = call

    @property
    def writable(self) -> bool:
        """False while the client does not read fast enough, or is gone."""
        return not (self._out.paused or self.gone or self.complete)

    def whole(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        """Send a complete response in one write; Content-Length is added."""
        if self.gone or self.complete or self.started:
            return
        lines = self._lines(status, headers)
        self.started = True
        lines.append(b"\r\n" if status in _NO_BODY else b"content-length: %d\r\n\r\n" % len(body))
        if not self._bodiless and status not in _NO_BODY:
            lines.append(body)
        self._out.put(b"".join(lines))
        self._finish()

    def write(self, data: bytes) -> None:
        """Send a part of a stream that was opened through ASGI."""
        if self.started and not self.gone and not self.complete and data:
            self._part(data, True)

    def _finish(self) -> None:
        self.complete = True
        self._on_gone = None
        self._wake()
        self._connection.response_complete(self, self._close)

    def _lines(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
        lines = [_STATUS[status], self._connection.default_lines()]
        for name, value in headers:
            line = _lines.get((name, value))
            if line is not None:
                lines.append(line)
            elif name.lower() in _FRAMING:
                self._note(name, value)
            else:
                lines.append(_line(name, value))
        if self._close or self._connection.must_close(self):
            self._close = True
            lines.append(b"connection: close\r\n")
        return lines

    def _note(self, name: bytes, value: bytes) -> None:
        """Read a field about the framing and the connection; it is ours to write."""
        name = name.lower()
        if name == b"content-length":
            self._left = int(value)
        elif name == b"connection" and b"close" in value.lower():
            self._close = True


def _line(name: bytes, value: bytes) -> bytes:
    if _NAME.fullmatch(name) is None or _ILLEGAL.search(value) is not None:
        raise RuntimeError("A response header is not legal")
    line = b"%b: %b\r\n" % (name.lower(), value)
    if name in _REMEMBERED and len(value) <= _MEMORY:
        if len(_lines) >= _MEMORY:
            _lines.clear()
        _lines[name, value] = line
    return line


def refusal(status: int, error: Refusal, defaults: bytes) -> bytes:
    """Return the whole response to a request that no application saw. The connection closes after it."""
    body = error_frame(None, error)
    return b"%b%bcontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b" % (
        _STATUS[status],
        defaults,
        len(body),
        body,
    )
