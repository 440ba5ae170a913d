"""How a connection to a server is made: its name, an address that answers, TLS, a proxy's tunnel.

A name is resolved once. All its addresses are shown to `admit`, and the connection goes to one of exactly these; they
are tried in turn, a quarter of a second apart, until one answers (RFC 8305). A certificate is checked against the name
in the URL, always. Nothing of a request is sent from here but, to a proxy, the name that it shall lead to.

Whatever goes wrong is `NoConnection`, whose text holds nothing of the request.
"""

import asyncio
import os
import socket
import ssl
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from ipaddress import ip_address
from itertools import zip_longest
from typing import Any, Final, cast

from dovetail.errors import quote
from dovetail.net.http_answer import AnswerReader, BadAnswer
from dovetail.net.http_peer import Peer
from dovetail.net.http_way import Proxy, Way
from dovetail.wire import Limits

Admit = Callable[[list[str]], str | None]
"""Given all the addresses of a name, says why none may be connected to; None when they may."""

Address = tuple[int, Any]
"""A family and what it connects to."""

_STAGGER: Final = 0.25  # RFC 8305, section 5


class NoConnection(Exception):
    """No connection could be made. Its text is ours, and names no more than a host."""


class Dialler:
    """Makes connections on the running loop."""

    def __init__(self, tls: ssl.SSLContext | None, admit: Admit | None, limits: Limits) -> None:
        """Prepare.

        Args:
            tls: What certificates are checked with; None for the system's authorities.
            admit: Says why the addresses of a name may not be connected to.
            limits: Bound what a proxy says.
        """
        self._tls = tls
        self._admit = admit
        self._limits = limits

    async def dial(self, way: Way, peer: Callable[[], Peer], time: asyncio.Timeout, seconds: float) -> Peer:
        """Make a connection.

        Args:
            way: Where to.
            peer: Makes its protocol.
            time: Not entered yet. It bounds all but the name's resolution, which the caller's own time bounds; whoever
                closes the pool ends both with it.
            seconds: How long that is.

        Raises:
            NoConnection: There is none.
        """
        try:
            return await self._dial(way, peer, time, seconds)
        except (OSError, UnicodeError, BadAnswer) as error:
            reason = _why(error)
        raise NoConnection(reason)  # outside of the handler: what failed holds more than anybody is to see

    async def _dial(self, way: Way, peer: Callable[[], Peer], time: asyncio.Timeout, seconds: float) -> Peer:
        loop = asyncio.get_running_loop()
        first: Way | Proxy = way.proxy or way
        async with time:
            addresses = await _resolve(loop, first.host, first.port)
            reason = None if self._admit is None else self._admit([address[0] for _, address in addresses])
            if reason is not None:
                raise NoConnection(f"its address may not be connected to from here ({reason})")
            time.reschedule(loop.time() + seconds)
            sock = await _first_of(loop, addresses)
            made = partial(_Tunnel, self._limits) if way.tunnel else peer
            tls, name = (self._context(), first.host.rstrip(".")) if first.tls else (None, None)
            # From here on the socket is the transport's, which closes it however this ends.
            transport, protocol = await loop.create_connection(made, sock=sock, ssl=tls, server_hostname=name)
            if isinstance(protocol, Peer):
                return protocol
            return await self._through(loop, transport, protocol, way, peer())

    async def _through(
        self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport, tunnel: Any, way: Way, peer: Peer
    ) -> Peer:
        """Ask a proxy for a tunnel, and begin TLS in it."""
        try:
            await tunnel.open(way)
            carried = await loop.start_tls(transport, peer, self._context(), server_hostname=way.host.rstrip("."))
        except BaseException:
            transport.abort()
            raise
        if carried is None:
            raise ConnectionResetError
        peer.connection_made(carried)
        return peer

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls


class _Tunnel(asyncio.Protocol):
    """A connection to a proxy, until it leads elsewhere."""

    def __init__(self, limits: Limits) -> None:
        self._reader = AnswerReader("CONNECT", limits)
        self._transport: asyncio.Transport | None = None
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def open(self, way: Way) -> None:
        """Ask for the way to a host (RFC 9110, section 9.3.6)."""
        assert self._transport is not None and way.proxy is not None
        goal = f"[{way.host}]:{way.port}" if ":" in way.host else f"{way.host}:{way.port}"
        asked = f"CONNECT {goal} HTTP/1.1\r\nhost: {goal}\r\n{way.proxy.pass_field}\r\n"
        self._transport.write(asked.encode("ascii"))
        await self._done
        head = self._reader.head
        if head is None:
            raise ConnectionResetError
        if not 200 <= head.status < 300:
            raise NoConnection(f"the proxy refused with status {head.status}")
        if self._reader.rest:
            raise NoConnection("the proxy spoke in place of the server")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast("asyncio.Transport", transport)  # as uvloop's is by deed, if not by name

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        try:
            self._reader.feed(data)
        except BadAnswer as error:
            if not self._done.done():
                self._done.set_exception(error)
        if self._reader.head is not None:
            self.connection_lost(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        if not self._done.done():
            self._done.set_result(None)


async def _resolve(loop: asyncio.AbstractEventLoop, host: str, port: int) -> list[Address]:
    """Return the addresses of a name, the families in turn (RFC 8305, section 4)."""
    try:
        literal = ip_address(host)
        return [(socket.AF_INET if literal.version == 4 else socket.AF_INET6, (host, port))]
    except ValueError:
        pass
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    families: dict[int, dict[Any, None]] = {}
    for family, _, _, _, address in found:
        if family in (socket.AF_INET, socket.AF_INET6):
            families.setdefault(family, {})[address] = None
    columns = [[(family, address) for address in addresses] for family, addresses in families.items()]
    return [one for row in zip_longest(*columns) for one in row if one is not None]


async def _first_of(loop: asyncio.AbstractEventLoop, addresses: Iterable[Address]) -> socket.socket:
    """Connect to the first address that answers."""
    left = deque(addresses)
    if len(left) == 1:
        return await _connected(loop, left[0])
    trying: set[asyncio.Task[socket.socket]] = set()
    won: socket.socket | None = None
    failure: BaseException = OSError("no address")
    try:
        while left or trying:
            if left:
                trying.add(loop.create_task(_connected(loop, left.popleft())))
            done, _ = await asyncio.wait(
                trying, timeout=_STAGGER if left else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                error = task.exception()
                if error is None:
                    won = task.result()
                    return won
                trying.discard(task)
                failure = error
        raise failure
    finally:
        for task in trying:
            task.cancel()
        for made in await asyncio.gather(*trying, return_exceptions=True):
            if isinstance(made, socket.socket) and made is not won:
                made.close()


async def _connected(loop: asyncio.AbstractEventLoop, address: Address) -> socket.socket:
    sock = socket.socket(address[0], socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await loop.sock_connect(sock, address[1])
    except BaseException:
        sock.close()
        raise
    return sock


def _why(error: Exception) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate does not verify: {quote(error.verify_message)}"
        case ssl.SSLError():
            return f"TLS failed: {quote(error.reason or 'for no reason that was given')}"
        case socket.gaierror() | UnicodeError():
            return "its name does not resolve"
        case TimeoutError():
            return "no connection in time"
        case OSError() if error.errno is not None:
            return f"no connection: {os.strerror(error.errno)}"
        case BadAnswer():
            return f"what the proxy said is not HTTP: {error}"
    return "no connection: it was closed before it was made"
