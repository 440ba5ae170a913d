"""The pool of connections under `HttpClient`: aiohttp, held to our rules. The one module that imports it.

aiohttp hands out a kept connection without asking whether its server has closed it, or has sent on it what nobody
asked for - which it would then return as the answer to the next request. So every kept connection is looked at in the
moment before it is used (`Request.send`), when nothing has been written yet.
"""

import io
import select
import ssl
import weakref
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientConnectorSSLError,
    ClientError,
    ClientHandlerType,
    ClientHttpProxyError,
    ClientPayloadError,
    ClientRequest,
    ClientResponse,
    ClientResponseError,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    ServerDisconnectedError,
    TCPConnector,
)
from aiohttp.abc import ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from yarl import URL

from dovetail.errors import DefinitionError, Disconnected, Unsent, quote
from dovetail.wire import Limits

FAILURES: Final[tuple[type[Exception], ...]] = (ClientError, OSError, TimeoutError)
"""What aiohttp raises when an exchange fails."""

Admit = Callable[[list[str]], str | None]
"""Given all the addresses of a name, says why none may be connected to; None when they may."""

_KEPT_SECONDS: Final = 30.0
"""How long an idle connection is kept. Servers often close theirs after 5 to 75 seconds; those are noticed."""
_SWITCHED: Final = 101
_LARGE: Final = 1024 * 1024
_LINE: Final = 8190
_AHEAD: Final = 64 * 1024


class Stale(Exception):
    """A kept connection turned out to be of no use before anything was written to it."""


class Early(Exception):
    """A failure before the first byte of the request. Its text is ours, and names no more than the origin."""


class Forbidden(OSError):
    """An address that this client may not connect to. Its text is the reason."""


class Request(ClientRequest):
    """A request that looks at its connection before it writes.

    Attributes:
        fresh: Its connection was made for it.
        sent: Something of it may have been written.
    """

    fresh = False
    sent = False

    async def send(self, conn: Connection) -> ClientResponse:
        """Send it.

        Raises:
            Stale: The connection was kept, and is not in order.
        """
        if not self.fresh and _stale(conn.protocol):
            raise Stale
        self.sent = True
        return await super().send(conn)


class Connector(TCPConnector):
    """A connector that tells a request whether its connection is new, and looks at an address before it is used.

    Attributes:
        admit: Given all the addresses of a name, says why they may not be connected to. The connection goes to one of
            exactly these: the name is not resolved again.
    """

    admit: "Admit | None" = None

    async def _resolve_host(self, host: str, port: int, traces: Sequence[Trace] | None = None) -> list[ResolveResult]:
        found = await super()._resolve_host(host, port, traces)
        reason = None if self.admit is None else self.admit([result["host"] for result in found])
        if reason is not None:
            raise Forbidden(reason)
        return found

    async def _create_connection(
        self, req: ClientRequest, traces: list[Trace], timeout: ClientTimeout
    ) -> ResponseHandler:
        made = await super()._create_connection(req, traces, timeout)
        if isinstance(req, Request):
            req.fresh = True
        return made


class Way(msgspec.Struct, frozen=True):
    """A URL as aiohttp takes it, and the proxy to it."""

    url: URL
    proxy: URL | None
    origin: str


class Pool:
    """The connections of one client. Made on the running loop.

    Attributes:
        failures: What is raised while an answer is read.
        closed: It is closed: what ends now, ends because of that.
    """

    failures = FAILURES
    closed = False

    def __init__(
        self, limits: Limits, connections: int, tls: ssl.SSLContext | None, admit: "Admit | None" = None
    ) -> None:
        """Open a pool.

        Args:
            limits: What the head of an answer may be.
            connections: How many there may be at once; who needs one more waits.
            tls: What certificates are checked with; None for the system's authorities.
            admit: As of `Connector`.
        """
        connector = Connector(limit=connections, keepalive_timeout=_KEPT_SECONDS, ssl=True if tls is None else tls)
        connector.admit = admit
        self._session = ClientSession(
            connector=connector,
            cookie_jar=DummyCookieJar(),
            request_class=Request,
            middlewares=(_carry,),
            auto_decompress=False,
            read_bufsize=_AHEAD,
            max_line_size=_LINE,
            max_field_size=limits.header_value,
            max_headers=limits.header_count,
        )
        # aiohttp repeats a GET or DELETE on its own when a connection breaks. What is repeated is decided above.
        self._session._retry_connection = False
        self._timeouts: dict[float, ClientTimeout] = {}
        self._answers: weakref.WeakSet[ClientResponse] = weakref.WeakSet()

    def way(self, url: str, proxy: str | None) -> Way:
        """Prepare a URL that `check_url` has passed."""
        try:
            target = URL(url, encoded=True)  # as it was given: what is quoted stays so
            return Way(target, None if proxy is None else URL(proxy), str(target.origin()))
        except ValueError:
            raise DefinitionError("The URL, or that of its proxy, cannot be read") from None

    async def request(
        self, method: str, way: Way, headers: dict[str, str], body: bytes | None, connect_seconds: float
    ) -> ClientResponse:
        """Send a request and return its answer.

        Raises:
            Unsent: It failed before anything was written.
            Disconnected: It failed later.
        """
        timeout = self._timeouts.get(connect_seconds)
        if timeout is None:
            timeout = ClientTimeout(total=None, sock_connect=connect_seconds)
            self._timeouts = {connect_seconds: timeout}
        try:
            answer = await self._session._request(
                method,
                way.url,
                headers=headers,
                data=body if body is None or len(body) < _LARGE else io.BytesIO(body),  # written piece by piece
                allow_redirects=False,
                proxy=way.proxy,
                timeout=timeout,
            )
            if answer.status != _SWITCHED:
                self._answers.add(answer)
                return answer
            answer.close()
            failure = Disconnected(f"{way.origin}: the server left HTTP, which was not asked for")
        except Early as error:
            failure = Unsent(str(error))
        except FAILURES as error:
            failure = self.broken(error, way.origin)
        # Outside of the handlers: what aiohttp raised holds the request with its credentials, and no trace may show it.
        raise failure

    def broken(self, error: Exception, origin: str) -> Disconnected:
        """Say what became of a connection, in words that hold nothing of the request."""
        match error:
            case ClientPayloadError():
                why = "the connection broke in the middle of the answer"
            case ClientResponseError():
                why = f"the answer is not HTTP: {quote(error.message)}"
            case ServerDisconnectedError():
                why = "the server closed the connection without an answer"
            case _:
                why = "the connection broke"
        return Disconnected(f"{origin}: {why}")

    async def aclose(self) -> None:
        """Close every connection."""
        self.closed = True
        await self._session.close()
        for answer in list(self._answers):
            answer.close()  # wakes who reads: that we have closed the connection does not


async def _carry(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Send a request over the first connection that is in order; say so when it never got that far."""
    assert isinstance(request, Request)
    while True:
        try:
            return await handler(request)
        except Stale:
            continue  # it was taken out of the pool, so this ends
        except FAILURES as error:
            if request.sent:
                raise
            reason = _why_not_connected(error)
        raise Early(f"{request.url.origin()}: {reason}")


def _why_not_connected(error: Exception) -> str:
    match error:
        case ClientConnectorCertificateError():
            return f"its certificate does not verify: {quote(str(error.certificate_error))}"
        case ClientConnectorSSLError():
            return f"TLS failed: {quote(str(error.os_error))}"
        case ClientConnectorDNSError() if isinstance(error.os_error, Forbidden):
            return f"its address may not be connected to from here ({error.os_error})"
        case ClientConnectorDNSError():
            return "its name does not resolve"
        case ClientHttpProxyError():
            return f"the proxy refused with status {error.status}"
        case ClientConnectorError():
            return f"no connection: {quote(error.os_error.strerror or str(error.os_error))}"
        case TimeoutError():
            return "no connection in time"
    return "no connection"


def _stale(protocol: ResponseHandler | None) -> bool:
    if protocol is None or protocol.should_close or not protocol.is_connected():
        return True
    transport = protocol.transport
    sock = None if transport is None else transport.get_extra_info("socket")
    return sock is None or _readable(sock.fileno())


def _readable(fd: int) -> bool:
    """Whether the kernel has something for us that the loop has not seen: the end, an error, or words out of turn."""
    if not hasattr(select, "poll"):  # Windows
        return bool(select.select([fd], [], [], 0)[0])
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(0))
