"""One client's HTTP/1.1 connection: whose turn it is, and how long it may take.

A connection is in one of four states: HEAD (waits for a request, or reads its head), BODY (the application runs while
its body still comes), BUSY (the application runs), LINGER (the last word is said; what still comes is dropped).
Invariants:

* One request at a time. What a client sends ahead is kept, at most `AHEAD_LIMIT` and one read, until it is its turn;
  which is when it has read the answer to the request before, but for what a transport likes to hold.
* A connection that waits for its client has a deadline, always. The site's timer finds those that are overdue.
* After a refusal nothing that comes is read as HTTP.
* An Upgrade is never taken: the request is served as what it is, in HTTP/1.1 (RFC 9110, section 7.8).
"""

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

from dovetail.errors import INTERNAL_ERROR, InvalidRequest, Refusal
from dovetail.net.asgi import DIRECT
from dovetail.net.http_body import ChunkedBody, LengthBody
from dovetail.net.http_cycle import Application, Cycle, refusal
from dovetail.net.http_head import BadRequest, Head, PartialHead, read_head
from dovetail.net.http_outgoing import NEVER, Outgoing

if TYPE_CHECKING:
    from dovetail.net.uvicorn_protocol import HttpSite

AHEAD_LIMIT: Final = 64 * 1024
"""Bytes that a client may send ahead of the response to its last request before reading pauses."""

LINGER_LIMIT: Final = 64 * 1024
"""Bytes that are read and dropped after the last word, so that the client can read it (RFC 9112, section 9.6)."""

LINGER_SECONDS: Final = 2.0

FRESH_SECONDS: Final = 1.0
"""How long a connection that has not asked for anything yet may take to, once the server ends."""

_HEAD, _BODY, _BUSY, _LINGER = range(4)
_STATES: Final = ("head", "body", "busy", "linger")


class HttpConnection(asyncio.Protocol):
    """One client's connection, made by `HttpSite`.

    Attributes:
        deadline: When the client must have said what it is waited for; infinite while nothing is.
        out: What is sent.
        chunks: The client understands the chunked coding.
    """

    def __init__(
        self,
        site: "HttpSite",
        loop: asyncio.AbstractEventLoop,
        config: Any,
        server_state: Any,
        app_state: dict[str, Any],
    ) -> None:
        self.loop = loop
        self.deadline = NEVER
        self.out = Outgoing(site.limits)
        self.chunks = True
        self._site = site
        self._limits = site.limits
        self._app: Application = config.loaded_app
        self._server = server_state
        self._app_state = app_state
        self._template: dict[str, Any] = {"type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}}
        self._template |= {"http_version": "1.1", "scheme": "http", "root_path": config.root_path}
        self._transport: asyncio.Transport | None = None
        self._state = _HEAD
        self._cycle: Cycle | None = None
        self._keep_alive = True
        self._fresh = True
        self._partial: PartialHead | None = None
        self._ahead = b""
        self._framing: LengthBody | ChunkedBody | None = None
        self._body_since = 0.0
        self._paused_at = NEVER
        self._dropped = 0

    def __repr__(self) -> str:
        return f"<HttpConnection {'closed' if self._transport is None else _STATES[self._state]}>"

    # The transport's side.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # a stream's, always
        """Wait for the first request."""
        self._transport = transport
        self.out.open(transport, self._site.clock)
        if not self._site.enter(self):
            transport.write(self._refusal(503, InvalidRequest("Too many connections", code=INTERNAL_ERROR)))
            transport.close()
            return
        self._server.connections.add(self)
        peer, here = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        self._template["client"] = (str(peer[0]), int(peer[1])) if isinstance(peer, tuple) else None
        self._template["server"] = (str(here[0]), int(here[1])) if isinstance(here, tuple) else (str(here), None)
        if transport.get_extra_info("sslcontext"):
            self._template["scheme"] = "https"
        self.deadline = self._site.clock() + self._limits.header_seconds

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        self._site.leave(self)
        self._server.connections.discard(self)
        self._transport = None
        self._state = _LINGER
        self.out.lose()
        if self._cycle is not None:
            self._cycle.leave()

    def data_received(self, data: bytes) -> None:
        """Take bytes."""
        if self._state == _HEAD and self._partial is None:
            end = data.find(b"\r\n\r\n")
            if end > 0 and data[0] != 13:
                self._begin(data, end)
                return
        self._take(data)

    def _take(self, data: bytes) -> None:
        """Take bytes that do not start with a whole head."""
        try:
            if self._state == _HEAD:
                self._collect(data)
            elif self._state == _BODY:
                self._body(data)
            elif self._state == _BUSY:
                self._ahead += data
                if len(self._ahead) > AHEAD_LIMIT:
                    self._pause_reading()
            else:
                self._dropped += len(data)
                if self._dropped > LINGER_LIMIT:
                    self._pause_reading()
        except BadRequest as refused:
            self._refuse(refused.status, refused)

    def _collect(self, data: bytes) -> None:
        if self._partial is None:
            # "a server that is expecting to receive and parse a request-line SHOULD ignore at least one empty line
            # (CRLF) received prior to the request-line" (RFC 9112, section 2.2)
            data = data.removeprefix(b"\r\n")
            if not data:
                return
            self._partial = PartialHead(self._limits)
        end = self._partial.feed(data)
        if end >= 0:
            whole, self._partial = bytes(self._partial.data), None
            self._begin(whole, end)

    def _begin(self, data: bytes, end: int) -> None:
        """Begin the request whose head ends at `end`."""
        self._fresh = False
        try:
            head = read_head(data[:end], self._limits)
            cycle = self._cycle = Cycle(self, head.start[0] == "HEAD")
            self._keep_alive = self._keep_alive and head.keep_alive
            rest, size = data[end + 4 :], head.length
            if len(rest) == size:
                self._state = _BUSY
                self.deadline = NEVER
                cycle.has_whole(rest)
            else:
                self._begin_body(cycle, head)
                self._body(rest)
        except BadRequest as refused:
            self._refuse(refused.status, refused)
            return
        tasks = self._server.tasks
        task = cycle.task = self.loop.create_task(cycle.run(self._app, self._scope(head, cycle), tasks))
        tasks.add(task)

    def _scope(self, head: Head, cycle: Cycle) -> dict[str, Any]:
        scope = self._template.copy()
        scope["method"], scope["path"], scope["raw_path"], scope["query_string"], old = head.start
        scope["headers"] = head.headers
        scope["state"] = self._app_state.copy()
        scope["extensions"] = {DIRECT: cycle}
        self.chunks = not old
        if old:
            scope["http_version"] = "1.0"
        return scope

    def _begin_body(self, cycle: Cycle, head: Head) -> None:
        cycle.expects_body(head.awaits_continue)
        self._state = _BODY
        self._framing = ChunkedBody() if head.length < 0 else LengthBody(head.length)
        self._body_since = self._site.clock()
        # The first looks are at the rate, the last is at the whole time.
        self.deadline = self._body_since + self._limits.body_seconds / 6

    def _body(self, data: bytes) -> None:
        cycle, framing = self._cycle, self._framing
        assert cycle is not None and framing is not None
        piece = framing.feed(data)
        if cycle.received + len(piece) > self._limits.body:
            raise BadRequest(413, f"A body has at most {self._limits.body} bytes")
        if framing.done:
            self._state = _BUSY
            self.deadline = NEVER
            self._ahead = framing.rest
        if cycle.add(piece, framing.done):
            self._paused_at = self._site.clock()
            self.deadline = NEVER
            self._pause_reading()

    def _pause_reading(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()

    def pause_writing(self) -> None:
        """The transport has more to send than it likes."""
        self.out.pause()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self.out.resume()
        if self._state == _BUSY and self._cycle is None:
            self.loop.call_soon(self._next)

    def default_lines(self) -> bytes:
        """Return the fields of every response, as lines."""
        return self._site.default_lines(self._server.default_headers)

    def _refusal(self, status: int, error: Refusal) -> bytes:
        return refusal(status, error, self.default_lines())

    # The cycle's side.

    def resume_body(self) -> None:
        """The application takes what has come of its body: read on. Time in which we did not read does not count."""
        if self._paused_at != NEVER:
            now = self._site.clock()
            self._body_since += now - self._paused_at
            self._paused_at = NEVER
            if self._state == _BODY:
                self.deadline = now + self._limits.body_seconds / 6
            self._resume_reading()

    def must_close(self, cycle: Cycle) -> bool:
        """Tell whether the connection ends with this response."""
        return not self._keep_alive or not cycle.body_complete

    def response_complete(self, cycle: Cycle, close: bool) -> None:
        """Go on to the next request, or end."""
        self._cycle = None
        self._server.total_requests += 1
        if self._transport is None:
            return
        if not cycle.body_complete:
            self._last_word(b"")
        elif close or not self._keep_alive:
            self._close()
        elif self.out.paused:
            return  # the next request waits for the client to read; how long that may take is `out`'s business
        elif self._ahead:
            self.loop.call_soon(self._next)
        else:
            self._state = _HEAD
            self.deadline = self._site.clock() + self._limits.header_seconds

    def _next(self) -> None:
        """Read what came ahead."""
        if self._transport is not None and self._state == _BUSY and self._cycle is None:
            data, self._ahead = self._ahead, b""
            self._state = _HEAD
            self.deadline = self._site.clock() + self._limits.header_seconds
            self._resume_reading()
            self.data_received(data)

    # Ends.

    def overdue(self, now: float) -> None:
        """A deadline has passed."""
        if self.out.deadline <= now and self.out.stalled():
            self._site.reaped += 1
            self.abort()
        if self.deadline > now or self._transport is None:
            return
        self.deadline = NEVER
        if self._state == _BODY:
            self._check_body(now)
        elif self._state == _HEAD and self.out.unsent:
            # The last response has not ended while its client still reads it; that has a deadline of its own.
            self.deadline = now + self._limits.header_seconds
        elif self._state == _HEAD:
            self._site.reaped += 1
            if self._partial is None:
                # Nobody waits for an answer on an idle connection.
                self._close()
            else:
                self._refuse(408, InvalidRequest("The header did not come in time"))
        elif not self.out.unsent:
            self.abort()

    def _check_body(self, now: float) -> None:
        cycle = self._cycle
        assert cycle is not None
        elapsed, total = now - self._body_since, self._limits.body_seconds
        if elapsed >= total or cycle.received < self._limits.body_rate * elapsed:
            self._site.reaped += 1
            self._refuse(408, InvalidRequest("The body did not come in time"))
        else:
            self.deadline = min(self._body_since + total, now + total / 6)

    def _refuse(self, status: int, error: Refusal) -> None:
        """Answer what no application can, and end."""
        self._site.refused += 1
        cycle, self._cycle = self._cycle, None
        if cycle is not None:
            cycle.leave()
            if cycle.started:
                self.abort()
                return
        self._last_word(self._refusal(status, error))

    def _last_word(self, data: bytes) -> None:
        """Send the last there is, and drop what still comes: closing at once would take the answer from the client."""
        transport = self._transport
        assert transport is not None
        self._state = _LINGER
        self._ahead = b""
        if data:
            transport.write(data)
        if not transport.can_write_eof():
            self._close()
            return
        with contextlib.suppress(OSError):
            transport.write_eof()
        self.deadline = self._site.clock() + min(LINGER_SECONDS, self._limits.header_seconds / 2)
        self.out.watch()

    def _close(self) -> None:
        """Close once everything is sent."""
        assert self._transport is not None
        self._state = _LINGER
        self.deadline = NEVER
        self._transport.close()
        self.out.watch()

    def abort(self) -> None:
        """Close without another byte."""
        if self._transport is not None:
            self._transport.abort()

    def shutdown(self) -> None:
        """End after the request that is under way, now if there is none (called by uvicorn's server).

        Who has only just come is about to ask, and cannot know that it came too late: it has a second.
        """
        self._keep_alive = False
        if self._state == _HEAD and self._fresh:
            self.deadline = min(self.deadline, self._site.clock() + FRESH_SECONDS)
            return
        waits = self._state == _BUSY and self._cycle is None and not self._ahead  # for its client to read
        if self._transport is not None and (self._state == _HEAD or waits):
            self._close()
