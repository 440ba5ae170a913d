"""The client's side of the first HTTP transport (2024-11-05, Transports, HTTP with SSE), as a channel.

One GET whose answer is an event stream: the server's messages. One POST a message to the endpoint that the stream named
first: ours. The POSTs begin in the order of `send`; each waits for the one before it, but not for ever, as some servers
answer a POST only when the work is done, and that may need our next message.

Invariants: credentials and messages go to the origin that was opened, and to no other that the server names (C-09); the
endpoint is named once; a message that the server does not accept goes back to whoever sent it, and ends the channel if
nobody takes it back, since nobody would ever answer it.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol
from urllib.parse import urljoin, urlsplit

from dovetail.core import Event, Oversize, Parser
from dovetail.errors import (
    AuthRequired,
    DefinitionError,
    Disconnected,
    DovetailError,
    HttpFailure,
    LimitExceeded,
    ProtocolViolation,
)
from dovetail.net.channel import Returned
from dovetail.net.http_client import Response
from dovetail.net.http_request import check_url
from dovetail.wire import DEFAULT_LIMITS, Limits

HeadersOf = Callable[[str, str], Awaitable[Mapping[str, str]]]
"""Makes the header fields of one request, from its method and URL: for credentials that change."""

_STREAM: Final = "text/event-stream"
_PATIENCE: Final = 0.25
"""Seconds that a POST waits for the answer to the one before it."""
_AT_ONCE: Final = 64
_ANSWER: Final = 64 * 1024
_HIGH: Final = 1024 * 1024
_LOW: Final = _HIGH // 4
_PORTS: Final = {"http": 80, "https": 443}


class Sender(Protocol):
    """What requests are sent with: an `HttpClient`, or something that adds credentials and answers challenges."""

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Response:
        """See `HttpClient.send`."""
        ...

    async def aclose(self) -> None:
        """See `HttpClient.aclose`."""
        ...


async def open_sse(
    client: Sender,
    url: str,
    headers: Mapping[str, str] | HeadersOf,
    limits: Limits = DEFAULT_LIMITS,
    *,
    owned: bool = False,
) -> "SseChannel":
    """Open the stream, and return the channel once the server has named its endpoint. Bounded by the caller's time.

    Args:
        client: What requests are sent with.
        url: The URL of the event stream.
        headers: Header fields of every request, or what makes them.
        limits: `line` bounds an event; `write_seconds` is how long closing waits for messages under way.
        owned: Close the client together with the channel.

    Raises:
        AuthRequired: The server answered with 401.
        HttpFailure: It answered with another status that is no success.
        ProtocolViolation: Its answer is no event stream, or names an endpoint on another origin.
        Disconnected: It could not be reached, or the stream ended.
    """
    exchange = _Exchange(client, headers, limits)
    response = await exchange.open(url)
    parser = Parser(limits.line)
    try:
        endpoint, waiting = await _endpoint(response, parser, url)
    except BaseException:
        await response.aclose()
        raise
    exchange.endpoint = endpoint
    return SseChannel(exchange, response, parser, waiting, client if owned else None)


async def _endpoint(response: Response, parser: Parser, url: str) -> tuple[str, list[Event]]:
    """Read up to the event that names the endpoint; return it and the events behind it."""
    while chunk := await response.chunk():
        try:
            events = parser.feed(chunk)
        except LimitExceeded:
            raise ProtocolViolation("The first event of the stream is too large to be an endpoint") from None
        for place, event in enumerate(events):
            # "When a client connects, the server MUST send an endpoint event" (2024-11-05, HTTP with SSE)
            if event.event != "endpoint":
                raise ProtocolViolation("The first event of the stream names no endpoint")
            return _same_origin(url, event.data), events[place + 1 :]
    raise Disconnected("The stream ended before it named an endpoint")


def _same_origin(url: str, named: str) -> str:
    """Return the endpoint as an absolute URL, if it belongs to the origin that was opened."""
    try:
        endpoint = urljoin(url, named)
        check_url(endpoint)
    except (ValueError, DefinitionError):
        raise ProtocolViolation("The server named an endpoint that is no URL") from None
    if _origin(endpoint) != _origin(url):
        raise ProtocolViolation("The server named an endpoint on another origin")
    return endpoint


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)


class _Exchange:
    """The requests of one channel."""

    def __init__(self, client: Sender, headers: Mapping[str, str] | HeadersOf, limits: Limits) -> None:
        self._client = client
        self._headers = headers
        self.limits = limits
        self.endpoint = ""

    async def open(self, url: str) -> Response:
        response = await self._send("GET", url, {"accept": _STREAM, "cache-control": "no-store"}, None)
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if response.status == 200 and kind == _STREAM:
            return response
        await response.aclose()
        if response.status == 200:
            raise ProtocolViolation("The server answered GET with something else than an event stream")
        raise _refused(response.status)

    async def post(self, message: bytes) -> None:
        response = await self._send("POST", self.endpoint, {"content-type": "application/json"}, message)
        try:
            if not 200 <= response.status < 300:
                raise _refused(response.status)
            await response.read(_ANSWER)  # nothing is in it, and its connection is good for the next
        except (LimitExceeded, ProtocolViolation):
            pass
        finally:
            await response.aclose()

    async def _send(self, method: str, url: str, own: Mapping[str, str], body: bytes | None) -> Response:
        given = self._headers
        fields = await given(method, url) if callable(given) else given
        return await self._client.send(method, url, {**{k.lower(): v for k, v in fields.items()}, **own}, body)


def _refused(status: int) -> DovetailError:
    if status == 401:
        return AuthRequired("The server wants credentials (HTTP status 401): see `auth` of the client")
    return HttpFailure(status)


class SseChannel:
    """Implements `Channel` and `Returning`. Made by `open_sse`.

    Attributes:
        returned: See `Returning`.
        failure: Why it ended, when it was a message that could not be delivered or a stream that broke.
    """

    def __init__(
        self, exchange: _Exchange, response: Response, parser: Parser, waiting: list[Event], owned: Sender | None
    ) -> None:
        self._exchange = exchange
        self._response = response
        self._parser = parser
        self._owned = owned
        self._events: deque[bytes | Oversize] = deque()
        self._messages: deque[bytes] = deque()
        self._size = 0
        self._posts: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._ended = False
        self._closed = False
        self.failure: DovetailError | None = None
        self.returned: Returned | None = None
        self._take(waiting)
        self._pump = asyncio.create_task(self._pumping(), name="dovetail: sending to a server")

    def __repr__(self) -> str:
        state = "closed" if self._closed else "ended" if self._ended else "open"
        return f"<SseChannel {state}, {len(self._events)} messages unread, {self._size} bytes unsent>"

    async def receive(self) -> bytes | Oversize | None:
        """See `Channel.receive`."""
        while not self._events:
            if self._ended:
                return None
            try:
                chunk = await self._response.chunk()
            except (Disconnected, ProtocolViolation) as error:
                self._end(None if self._closed else error)
                continue
            if not chunk:
                self._end(None)
                continue
            self._feed(chunk)
        return self._events.popleft()

    def send(self, message: bytes) -> None:
        """See `Channel.send`."""
        self._check()
        self._messages.append(message)
        self._size += len(message)
        self._changed.set()

    async def drain(self) -> None:
        """See `Channel.drain`."""
        if self._size > _HIGH:
            await self._below(_LOW)
        self._check()

    async def aclose(self) -> None:
        """See `Channel.aclose`."""
        if self._closed:
            return
        self._closed = True
        try:
            async with asyncio.timeout(self._exchange.limits.write_seconds):
                await self._below(0)
        except TimeoutError:
            pass  # the server had its time to take them
        finally:
            self._end(None)
            tasks = {self._pump, *self._posts}
            for task in tasks:
                task.cancel()
            await self._response.aclose()
            await asyncio.wait(tasks)
            if self._owned is not None:
                await self._owned.aclose()

    def _check(self) -> None:
        if self.failure is not None:
            raise Disconnected(str(self.failure))
        if self._closed or self._ended:
            raise Disconnected("The channel is closed")

    def _feed(self, chunk: bytes) -> None:
        try:
            self._take(self._parser.feed(chunk))
        except LimitExceeded:
            self._events.append(Oversize(self._exchange.limits.line + 1))
            self._take(self._parser.feed(b""))

    def _take(self, events: list[Event]) -> None:
        # "Server messages are sent as SSE message events"; whatever else comes, a second endpoint too, is not for us.
        self._events += [event.data.encode() for event in events if event.data and event.event in (None, "message")]

    def _end(self, failure: DovetailError | None) -> None:
        self._ended = True
        self.failure = self.failure or failure
        self._messages.clear()
        self._size = 0
        self._changed.set()

    async def _below(self, size: int) -> None:
        while self._size > size and not self._ended:
            self._changed.clear()
            await self._changed.wait()

    async def _pumping(self) -> None:
        """Begin one POST after the other."""
        while True:
            while not self._messages or len(self._posts) >= _AT_ONCE:
                self._changed.clear()
                await self._changed.wait()
            message = self._messages.popleft()
            post = asyncio.create_task(self._post(message))
            self._posts.add(post)
            await asyncio.wait([post], timeout=_PATIENCE)

    async def _post(self, message: bytes) -> None:
        try:
            await self._exchange.post(message)
        except DovetailError as error:
            if self.returned is None or not self.returned(message, error):
                self._end(Disconnected(f"A message did not reach the server: {error}"))
                await self._response.aclose()  # wakes who receives
        finally:
            self._size = max(0, self._size - len(message))
            task = asyncio.current_task()
            if task is not None:
                self._posts.discard(task)
            self._changed.set()
