"""The 2024-11-05 transport, HTTP with SSE: a GET opens the server's stream, POSTs carry the client's messages.

"When a client connects, the server MUST send an endpoint event containing a URI for the client to use for sending
messages. All subsequent client messages MUST be sent as HTTP POST requests to this endpoint." (2024-11-05, Transports.)
Deprecated, and still spoken. To the conversation it is a channel like any other.
"""

import asyncio
import secrets
from collections import deque
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

import msgspec

from dovetail.core import KEEP_ALIVE, STREAM_HEADERS, Oversize, Principal, check_body, event_bytes
from dovetail.errors import Busy, Disconnected, InvalidRequest, LimitExceeded, MethodNotFound
from dovetail.net import Outbox, Reply, TooLarge, read_body
from dovetail.server.transports.connection import Connection
from dovetail.server.transports.http import refuse

if TYPE_CHECKING:
    from dovetail.server.transports.http import Endpoint
    from dovetail.wire import Limits

TOPIC: Final = "posted"
_SHELF: Final = "sse:"
"""Before the keys of streams where sessions are stored; no session's id has a colon."""

OPEN_SECONDS: Final = 120.0
"""How long other workers know a stream after it last showed that it lives: one of a dead worker is soon forgotten."""


class SseChannel:
    """A `Channel`: what the POSTs bring is received, what is sent goes out as events."""

    def __init__(self, reply: Reply, limits: "Limits") -> None:
        """Send on an open stream."""
        self._limits = limits
        self._inbox: deque[bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._ended = False
        self._outbox = Outbox(reply, limits.queued, limits.queued_bytes, self.end)
        self._size = 0

    def __repr__(self) -> str:
        return f"<SseChannel {'ended' if self._ended else 'open'}, {len(self._inbox)} unread>"

    def post(self, message: bytes) -> None:
        """Take a message of a POST.

        Raises:
            Busy: More wait than may.
        """
        if len(self._inbox) >= self._limits.queued or self._size + len(message) > self._limits.queued_bytes:
            raise Busy("Too many messages at a time")
        self._inbox.append(message)
        self._size += len(message)
        self._wake()

    async def receive(self) -> bytes | Oversize | None:
        """See `Channel.receive`."""
        while not self._inbox:
            if self._ended:
                return None
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        message = self._inbox.popleft()
        self._size -= len(message)
        return message

    def send(self, message: bytes) -> None:
        """See `Channel.send`."""
        if self._ended or not self._outbox.put(event_bytes(message, event="message")):
            raise Disconnected("The client no longer listens")

    def beat(self) -> None:
        """Show that the stream lives."""
        self._outbox.put(KEEP_ALIVE)

    async def drain(self) -> None:
        """See `Channel.drain`."""
        await self._outbox.flush()

    def end(self) -> None:
        """The client is gone."""
        self._ended = True
        self._wake()

    async def aclose(self) -> None:
        """See `Channel.aclose`."""
        self.end()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Posted(msgspec.Struct, frozen=True, array_like=True):
    """A message that arrived at a worker which does not have its stream."""

    key: str
    body: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Posted).decode


class LegacyEndpoint:
    """The two endpoints. Any worker takes a message: who opened which stream is stored, beside the sessions."""

    def __init__(self, endpoint: "Endpoint", messages: str) -> None:
        """Serve beside the MCP endpoint; `messages` is where clients post."""
        self._endpoint = endpoint
        self._messages = messages
        self._open: dict[str, tuple[SseChannel, Principal]] = {}
        runtime = endpoint.runtime
        self._stores = runtime.stores if runtime.worker else None
        if self._stores is not None:
            self._stores.bus.subscribe(TOPIC, self._hear)

    def __repr__(self) -> str:
        return f"<LegacyEndpoint {len(self._open)} streams>"

    async def serve(self, path: str, scope: Any, fields: dict[bytes, bytes], reply: Reply, receive: Any) -> None:
        """Serve one request that has passed the guard."""
        principal = await self._endpoint.principal(scope, fields)
        if path == self._messages and scope["method"] == "POST":
            await self._post(scope, fields, reply, receive, principal)
        elif path != self._messages and scope["method"] == "GET":
            await self._get(scope, reply, principal)
        else:
            error = MethodNotFound("GET /sse opens the stream, POST /messages sends on it")
            await refuse(reply, 405, error, allow=b"POST" if path == self._messages else b"GET")

    async def _get(self, scope: Any, reply: Reply, principal: Principal) -> None:
        runtime, listening = self._endpoint.runtime, self._endpoint.listening
        if listening.full(principal.bucket):
            await refuse(reply, 429, Busy("Too many streams"))
            return
        key = secrets.token_urlsafe(32)
        channel = SseChannel(reply, runtime.limits)
        watcher = reply.watch(channel.end)
        self._open[key] = (channel, principal)
        connection = Connection(runtime, channel, principal, beat=lambda: self._beat(key, channel))
        runtime.streams[channel] = connection.leave
        listening.enter(principal.bucket)
        try:
            await reply.open(STREAM_HEADERS)
            if self._stores is not None:
                await self._stores.sessions.save(_SHELF + key, principal.key.encode(), OPEN_SECONDS)
            uri = f"{scope.get('root_path', '')}{self._messages}?session_id={key}"
            await reply.write(event_bytes(uri.encode(), event="endpoint"))
            if not runtime.draining:
                await connection.serve()
            if runtime.draining:
                await channel.drain()
            await reply.close()
        finally:
            listening.leave(principal.bucket)
            runtime.streams.pop(channel, None)
            del self._open[key]
            reply.unwatch()
            if self._stores is not None:
                runtime.spawn(self._forget(key))
            if watcher is not None:
                watcher.cancel()

    async def _post(
        self, scope: Any, fields: dict[bytes, bytes], reply: Reply, receive: Any, principal: Principal
    ) -> None:
        rejected = check_body(fields)
        if rejected is not None:
            await refuse(reply, rejected.status, rejected.error)
            return
        keys = parse_qs(scope.get("query_string", b"")[:512].decode("latin-1")).get("session_id", [""])
        key = keys[0]
        if not await self._may_post(key, principal):
            await refuse(reply, 404, InvalidRequest("Session not found"))
            return
        limit = self._endpoint.runtime.limits.body
        body = await read_body(receive, limit, fields.get(b"content-length"))
        if isinstance(body, TooLarge):
            await refuse(reply, 413, LimitExceeded(f"The body is larger than {limit} bytes", limit="body"), close=True)
        elif isinstance(body, bytes):
            try:
                await self._pass(key, body)
            except Busy as error:
                await refuse(reply, 429, error)
            else:
                await reply.whole(202, [], b"")

    async def _may_post(self, key: str, principal: Principal) -> bool:
        """Tell whether a stream is open, here or at another worker, and the caller's own."""
        if key in self._open:
            return self._open[key][1].key == principal.key
        if self._stores is None or not key:
            return False
        return await self._stores.sessions.load(_SHELF + key) == principal.key.encode()

    async def _pass(self, key: str, body: bytes) -> None:
        """Hand a message to its stream, which another worker may have.

        Raises:
            Busy: More wait here than may.
        """
        if key in self._open:
            self._open[key][0].post(body)
        elif self._stores is not None:
            await self._stores.bus.publish(TOPIC, _encode(Posted(key, body)))

    def _hear(self, message: bytes) -> None:
        posted = _decode(message)
        if posted.key in self._open:
            try:
                self._open[posted.key][0].post(posted.body)
            except Busy:
                self._open[posted.key][0].end()  # its sender was told that it is accepted: nothing is lost unsaid

    def _beat(self, key: str, channel: SseChannel) -> None:
        channel.beat()
        if self._stores is not None:
            self._endpoint.runtime.spawn(self._stores.sessions.touch(_SHELF + key, OPEN_SECONDS))

    async def _forget(self, key: str) -> None:
        if self._stores is not None:
            await self._stores.sessions.delete(_SHELF + key)
