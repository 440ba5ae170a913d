"""HTTP requests, one pool of connections under them. What a status or a body means is asked above.

What every request is safe from, whoever made its parts: header injection and request smuggling (`http_request` checks
names and values, and keeps the fields that frame a message to itself), redirects (never followed, so that neither
credentials nor a body go anywhere but to the URL that was given), cookies (none are kept), a proxy out of the
environment (only when asked for), certificates that do not verify.

What every answer is bounded by: the number and size of its header fields (`Limits.header_count`, `header_value`,
`header_block`); the `limit` of `Response.read`; half a mebibyte that is read ahead of `Response.chunk`. None is to be
compressed (`Accept-Encoding: identity`), and one that is all the same is refused when it is read, unless its reader
takes it (`Response.read(inflate=True)`): then never more of it is inflated than may be read.

When a failure is `Unsent`. Nothing of the request had been handed to the operating system: no connection could be made
(name, TCP, TLS, proxy), or the client is closed. A kept connection is looked at in the moment before it is used; one
that its server has closed, or has said anything unasked on, is replaced by another, in silence. From the first byte on
every failure is `Disconnected`: also when the server had closed a kept connection and the news of it was still under
way, since that cannot be told from a server that died at work.

Time is the caller's, except for the making of a connection. A `send` that is cancelled, and a `Response` that is
abandoned, close their connection.
"""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from dovetail.errors import DefinitionError, Disconnected, LimitExceeded, ProtocolViolation, Unsent
from dovetail.net.http_inflate import Broken, inflater_of
from dovetail.net.http_request import check_method, check_url, checked_headers
from dovetail.wire import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:
    import ssl

    from dovetail.net.http_dial import Admit
    from dovetail.net.http_peer import Answer
    from dovetail.net.http_pool import Pool
    from dovetail.net.http_way import Way

_PLAIN: Final = frozenset({"", "identity"})
_WAYS: Final = 256
_LEAVING: Final = 0.1


class HttpClient:
    """Sends requests from one event loop; made anywhere, opened by the first `send`."""

    def __init__(
        self,
        *,
        limits: Limits = DEFAULT_LIMITS,
        connections: int = 512,
        tls: "ssl.SSLContext | None" = None,
        trust_env: bool = False,
        admit: "Admit | None" = None,
    ) -> None:
        """Make a client that has no connection yet.

        Args:
            limits: `header_count`, `header_value` and `header_block` bound the head of an answer.
            connections: How many there may be at once, idle ones included; a `send` that finds none free waits.
            tls: What certificates are checked with; the system's authorities by default.
            trust_env: Use the proxies that the environment names (`HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`).
            admit: Given all the addresses of a name, says why none of them may be connected to, or returns None. The
                connection then goes to one of exactly these addresses. For URLs that somebody else named (A-29).
        """
        if trust_env and admit is not None:
            raise DefinitionError("Behind a proxy it is the proxy that resolves names: `admit` could not look at them")
        self._limits = limits
        self._connections = connections
        self._tls = tls
        self._trust_env = trust_env
        self._admit = admit
        self._pool: Pool | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ways: dict[str, Way] = {}
        self._closed = False

    def __repr__(self) -> str:
        state = "closed" if self._closed else "unused" if self._pool is None else "open"
        return f"<HttpClient {state}>"

    async def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        *,
        connect_seconds: float = 10.0,
    ) -> "Response":
        """Send a request; return its answer, whatever the status, once its head is here.

        Args:
            method: Such as `POST`.
            url: Absolute, http or https, without credentials. A fragment is not sent.
            headers: Those of the request; `Host`, `Content-Length` and the like are not the caller's.
            body: Sent with its length; None for none.
            connect_seconds: For TCP and TLS. How long the name's resolution, a wait for one of `connections`, and the
                answer may take, is the caller's to bound.

        Raises:
            DefinitionError: A part of the request may not be sent as it is.
            Unsent: Nothing left this process.
            Disconnected: The connection broke, or what came over it was not HTTP.
        """
        check_method(method)
        fields = checked_headers(headers)
        fields["accept-encoding"] = "identity"
        fields.setdefault("accept", "*/*")
        fields.setdefault("user-agent", "dovetail-mcp")
        pool = self._pool or self._open()
        way = self._ways.get(url) or self._way(url)
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            raise DefinitionError("An HttpClient belongs to the event loop that it was first used on")
        return Response(await pool.request(method, way, fields, body, connect_seconds), way.origin, loop)

    async def aclose(self) -> None:
        """Close every connection; requests under way end with `Disconnected`. Idempotent."""
        self._closed = True
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.aclose()

    def _open(self) -> "Pool":
        if self._closed:
            raise Unsent("The HTTP client is closed")
        from dovetail.net.http_pool import Pool

        self._loop = asyncio.get_running_loop()
        self._pool = Pool(self._limits, self._connections, self._tls, self._admit)
        return self._pool

    def _way(self, url: str) -> "Way":
        from dovetail.net.http_way import way_to

        scheme, host = check_url(url)
        way = way_to(url, self._proxy(scheme, host))
        if len(self._ways) < _WAYS:
            self._ways[url] = way
        return way

    def _proxy(self, scheme: str, host: str) -> str | None:
        if not self._trust_env:
            return None
        from urllib.request import getproxies, proxy_bypass

        return None if proxy_bypass(host) else getproxies().get(scheme)


class Response:
    """An answer whose head has arrived. Read it to its end, or close it; either gives its connection back.

    Attributes:
        status: The status, whatever it is: redirects are not followed.
        headers: Header fields, names in lower case; one that stands several times is joined by commas.
    """

    __slots__ = ("_answer", "_loop", "_origin", "_plain", "headers", "status")

    def __init__(self, answer: "Answer", origin: str, loop: asyncio.AbstractEventLoop) -> None:
        head = answer.reader.head
        assert head is not None
        self._answer = answer
        self._loop = loop
        self._origin = origin
        self._plain = head.headers.get("content-encoding", "identity").lower() in _PLAIN
        self.headers: Mapping[str, str] = head.headers
        self.status: int = head.status

    def __repr__(self) -> str:
        return f"<Response {self.status} of {self._origin}{', closed' if self._answer.ended else ''}>"

    def __del__(self) -> None:
        # The loop knows the answer through its connection, so nobody but us notices that nobody reads it any more.
        if not self._answer.ended and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._answer.close)

    async def read(self, limit: int, *, inflate: bool = False) -> bytes:
        """Return what is left of the body.

        Args:
            limit: The most bytes that it may be; of one that is compressed, before and after.
            inflate: Take what comes compressed all the same, with gzip or deflate: some servers of the Web know no
                better, or keep their files so.

        Raises:
            LimitExceeded: There are more; what is left of them is not read.
            Disconnected: The connection broke before the end that the head announced; or what is compressed has none.
            ProtocolViolation: The body is compressed, which was not asked for; or broken.
        """
        inflater = None
        if inflate and not self._plain and (made := inflater_of(self.headers["content-encoding"])) is not None:
            inflater, self._plain = made, True
        pieces = []
        came = size = 0
        try:
            while piece := await self.chunk():
                came += len(piece)
                if inflater is not None:
                    piece = inflater.feed(piece, limit - size + 1)
                size += len(piece)
                if size > limit or came > limit:
                    raise LimitExceeded(f"{self._origin}: the answer is larger than {limit} bytes", limit="body")
                pieces.append(piece)
            if inflater is not None and not inflater.complete:
                raise Disconnected(f"{self._origin}: the answer is compressed, and was cut off in the middle")
        except (LimitExceeded, ProtocolViolation, Disconnected):
            self._answer.close()
            raise
        except Broken:
            self._answer.close()
            raise ProtocolViolation(f"{self._origin}: the answer is compressed, and what it holds is not") from None
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def chunk(self) -> bytes:
        """Return what has arrived of the body, after a wait when nothing has; `b""` at its end.

        Raises:
            Disconnected: The connection broke before the end that the head announced, or this response was closed.
            ProtocolViolation: The body is compressed, which was not asked for.
        """
        if not self._plain:
            self._answer.close()
            raise ProtocolViolation(f"{self._origin}: the answer is compressed, which was not asked for")
        return await self._answer.chunk()

    def leave(self) -> None:
        """Want no more of an answer whose end is about to come, such as a stream after its last event.

        If it does come within a tenth of a second, the connection is kept for the next request; else it is closed.
        """
        if not self._answer.ended:
            self._loop.call_later(_LEAVING, self._answer.close)

    async def aclose(self) -> None:
        """Let go of the answer: a connection that is not at its end is closed, and all that was under way on it."""
        self._answer.close()
