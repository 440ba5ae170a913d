"""The pool of connections under `HttpClient`. The one module that decides which connection a request goes over.

Invariants. There are never more connections than the pool was made for, idle ones and those that are being made
included; who finds none waits in line. A kept connection is looked at in the moment before it is used, when nothing
has been written yet: one that its server has closed, or has said anything unasked on, is replaced by another. Nothing
is ever written twice: a request whose first byte may have left is answered or `Disconnected`.
"""

import asyncio
import ssl
from collections import deque
from functools import partial
from typing import Final

from dovetail.errors import Unsent
from dovetail.net.http_answer import AnswerReader
from dovetail.net.http_dial import Admit, Dialler, NoConnection
from dovetail.net.http_peer import Answer, Peer
from dovetail.net.http_way import Way
from dovetail.wire import Limits

_KEPT_SECONDS: Final = 30.0
"""How long an idle connection is kept. Servers often close theirs after 5 to 75 seconds; those are noticed."""
_SWEEP_SECONDS: Final = 10.0
_SWITCHED: Final = 101
_BODIED: Final = frozenset({"POST", "PUT", "PATCH"})
_CLOSED: Final = "The HTTP client was closed"


class Pool:
    """The connections of one client. Made on the running loop."""

    def __init__(
        self, limits: Limits, connections: int, tls: ssl.SSLContext | None, admit: Admit | None = None
    ) -> None:
        """Open a pool.

        Args:
            limits: What the head of an answer may be.
            connections: How many there may be at once; who needs one more waits.
            tls: What certificates are checked with; None for the system's authorities.
            admit: See `http_dial`.
        """
        self._limits = limits
        self._most = connections
        self._dialler = Dialler(tls, admit, limits)
        self._loop = asyncio.get_running_loop()
        self._peers: set[Peer] = set()
        self._idle: dict[str, dict[Peer, None]] = {}  # by where they lead, the one put aside last at the end
        self._dials: set[asyncio.Timeout] = set()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._promised = 0  # turns that were given and not yet taken: nobody may push in before them
        self._sweeper: asyncio.TimerHandle | None = None
        self._empty: asyncio.Future[None] | None = None
        self._closed = False

    def __repr__(self) -> str:
        idle = sum(map(len, self._idle.values()))
        return f"<Pool {len(self._peers)} of {self._most} connections, {idle} idle, {len(self._waiting)} wait>"

    async def request(
        self, method: str, way: Way, headers: dict[str, str], body: bytes | None, connect_seconds: float
    ) -> Answer:
        """Send a request and return its answer, once its head is here.

        Raises:
            Unsent: It failed before anything was written.
            Disconnected: It failed later.
        """
        head = _head(method, way, headers, body)
        first = not self._waiting and not self._promised
        peer = (self._kept(way.key) if first else None) or await self._peer(way, connect_seconds, first)
        answer = peer.ask(head, body or b"", AnswerReader(method, self._limits), way.origin)
        if answer is None:
            peer.abort()
            raise Unsent(f"{way.origin}: the server spoke before it was asked, or closed the connection")
        try:
            await answer.started
        except asyncio.CancelledError:
            answer.close()
            raise
        answered = answer.reader.head
        if answered is None or answered.status == _SWITCHED:
            raise answer.failure()
        return answer

    async def aclose(self) -> None:
        """Close every connection; what is under way ends with `Disconnected`, what waits with `Unsent`."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for dial in self._dials:
            dial.reschedule(self._loop.time())
        while self._waiting:
            self._wake()
        self._idle.clear()
        for peer in list(self._peers):
            peer.stop()
        if self._peers:
            self._empty = self._loop.create_future()
            await self._empty

    def free(self, peer: Peer) -> None:
        """See `Owner`."""
        if self._closed:
            return peer.abort()
        peer.since = self._loop.time()
        self._idle.setdefault(peer.key, {})[peer] = None
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(_SWEEP_SECONDS, self._sweep)
        if self._waiting:
            self._wake()
        return None

    def lost(self, peer: Peer) -> None:
        """See `Owner`."""
        self._peers.discard(peer)
        self._forget(peer)
        self._wake()
        if self._empty is not None and not self._peers and not self._empty.done():
            self._empty.set_result(None)

    def _kept(self, key: str) -> Peer | None:
        """Take a kept connection that is in order; close those that are not."""
        idle = self._idle.get(key)
        while idle:
            peer, _ = idle.popitem()
            if not idle:
                del self._idle[key]
            if peer.usable():
                return peer
            peer.abort()
        return None

    async def _peer(self, way: Way, connect_seconds: float, first: bool) -> Peer:
        """Make a connection, or wait for one, behind those who wait already."""
        last = True
        while not self._closed:
            if first:
                peer = self._kept(way.key)
                if peer is not None:
                    self._pass_on()
                    return peer
                if self._room():
                    return await self._dial(way, connect_seconds)
                self._evict()
            await self._turn(last)
            first, last = True, False
        raise Unsent(_CLOSED)

    async def _dial(self, way: Way, connect_seconds: float) -> Peer:
        time = asyncio.timeout(None)
        self._dials.add(time)
        self._pass_on()
        peer = None
        failure = ""
        try:
            made = partial(Peer, self._loop, self, way.key)
            peer = await self._dialler.dial(way, made, time, connect_seconds)
            self._peers.add(peer)
        except NoConnection as error:
            failure = f"{way.origin}: {error}"
        finally:
            self._dials.discard(time)
            if peer is None:
                self._wake()
        if peer is not None and not self._closed:
            return peer
        if peer is not None:
            peer.abort()
        raise Unsent(_CLOSED if self._closed else failure)

    async def _turn(self, last: bool) -> None:
        """Wait until a connection is free, or may be made: at the end of the line, or again at its head."""
        turn = self._loop.create_future()
        if last:
            self._waiting.append(turn)
        else:
            self._waiting.appendleft(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn in self._waiting:
                self._waiting.remove(turn)
            elif not turn.cancelled():
                self._wake()  # the turn was ours, and is the next one's
            raise
        finally:
            if not turn.cancelled():
                self._promised -= 1

    def _wake(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                self._promised += 1
                return turn.set_result(None)
        return None

    def _pass_on(self) -> None:
        """Give the next in line its turn, if more than one connection has become free."""
        if self._waiting and (self._idle or self._room()):
            self._wake()

    def _room(self) -> bool:
        return len(self._peers) + len(self._dials) < self._most

    def _forget(self, peer: Peer) -> None:
        idle = self._idle.get(peer.key)
        if idle is not None:
            idle.pop(peer, None)
            if not idle:
                del self._idle[peer.key]

    def _evict(self) -> None:
        """Close the connection that has been idle for longest, to make room for one to somewhere else."""
        oldest = min((next(iter(idle)) for idle in self._idle.values() if idle), key=_since, default=None)
        if oldest is not None:
            self._forget(oldest)
            oldest.abort()

    def _sweep(self) -> None:
        before = self._loop.time() - _KEPT_SECONDS
        for idle in list(self._idle.values()):
            for peer in [peer for peer in idle if peer.since < before]:
                self._forget(peer)
                peer.abort()
        self._sweeper = self._loop.call_later(_SWEEP_SECONDS, self._sweep) if self._idle else None


def _since(peer: Peer) -> float:
    return peer.since


def _head(method: str, way: Way, headers: dict[str, str], body: bytes | None) -> bytes:
    fields = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if body is not None or method in _BODIED:
        fields += f"content-length: {len(body or b'')}\r\n"
    if way.proxy is not None and not way.tunnel:
        fields += way.proxy.pass_field
    return f"{method} {way.target} HTTP/1.1\r\nhost: {way.authority}\r\n{fields}\r\n".encode("ascii")
