"""A session of the stateful revisions: what outlives one request. On stdio it is the connection, over HTTP it is
stored.

Only what must survive a restart is recorded: who the client is, its log level and its subscriptions. Calls under way
and questions that wait are of this process, in `endpoint`.
"""

import asyncio
from typing import TYPE_CHECKING

import msgspec

from dovetail.core import LISTS, Endpoint, Handshake, Lifecycle, Peer, Principal
from dovetail.errors import Disconnected, QuestionRefused
from dovetail.revisions import revision_for
from dovetail.server.calls.context import Context
from dovetail.wire import Answer, Broken, ClientCapabilities, Failure, Implementation

if TYPE_CHECKING:
    from dovetail.core import Notice
    from dovetail.server.transports.sessions import Sessions
    from dovetail.server.transports.streams import SessionListener

DEFAULT_LOG_LEVEL = "info"
"""Until the client sets one: "the server MAY decide which messages to send automatically" (Logging)."""

MOST_VISITS = 100
"""Visits to URLs that one client can be told the end of."""


class Record(msgspec.Struct, frozen=True):
    """A session as it is stored."""

    version: str
    capabilities: ClientCapabilities
    info: Implementation | None
    principal: str
    log_level: str
    subscriptions: list[str]
    visits: list[str] = []
    listens: bool = False
    declared: frozenset[str] = LISTS


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Record).decode


class Session:
    """One client of a stateful revision, from `initialize` to its end."""

    __slots__ = (
        "bucket",
        "closed",
        "connected",
        "declared",
        "endpoint",
        "handshake",
        "id",
        "keeper",
        "listener",
        "listens",
        "log_level",
        "principal",
        "subscriptions",
        "visits",
    )

    def __init__(self, identifier: str = "", principal: Principal | None = None, worker: str = "") -> None:
        """Start a new session. `worker` keeps the ids of questions of several workers apart."""
        self.id = identifier
        self.principal = "" if principal is None else principal.key
        self.bucket = "" if principal is None else principal.bucket
        self.handshake = Handshake()
        self.endpoint: Endpoint[Context, asyncio.Future[bytes]] = Endpoint(worker)
        self.log_level = DEFAULT_LOG_LEVEL
        self.subscriptions: set[str] = set()
        self.visits: dict[str, None] = {}
        self.listener: SessionListener | None = None
        self.listens = False
        self.declared: frozenset[str] = LISTS
        self.closed = False
        self.connected = 0
        """Connections of its client, over HTTP: calls whose client has not left, and streams that it follows."""
        self.keeper: Sessions | None = None

    def __repr__(self) -> str:
        return f"<Session {self.handshake.state.value}, {len(self.subscriptions)} subscriptions>"

    @property
    def peer(self) -> Peer:
        """The client; only after `initialize`."""
        peer = self.handshake.peer
        assert peer is not None, "admitted past the handshake"
        return peer

    @property
    def ready(self) -> bool:
        """True from `notifications/initialized` on: the server may send on its own."""
        return self.handshake.state is Lifecycle.READY and not self.closed

    @property
    def busy(self) -> bool:
        """Whether its client is connected, or a call runs that ends by itself: then it is not idle.

        A call whose clock does not run (it waits for an answer, or has no time limit) would keep a session that its
        client has left for ever.
        """
        return self.connected > 0 or any(call.turn is not None and call.turn.timed for call in self.endpoint.calls)

    def record(self) -> bytes:
        """Return what is stored of the session."""
        peer = self.peer
        return _encode(
            Record(
                peer.revision.version,
                peer.capabilities,
                peer.info,
                self.principal,
                self.log_level,
                sorted(self.subscriptions),
                list(self.visits),
                self.listens,
                self.declared,
            )
        )

    def restore(self, record: bytes) -> bool:
        """Take over what was stored; False when it was stored by a version that is no longer spoken."""
        try:
            stored = _decode(record)
        except msgspec.MsgspecError:
            return False
        revision = revision_for(stored.version)
        if revision is None:
            return False
        if self.handshake.peer is None:
            self.handshake = Handshake(Peer(revision, stored.capabilities, stored.info))
        self.principal = stored.principal
        self.log_level = stored.log_level
        self.subscriptions = set(stored.subscriptions)
        self.visits = dict.fromkeys(stored.visits)
        self.listens = stored.listens
        self.declared = stored.declared
        return True

    async def save(self) -> None:
        """Store what must survive, where there is a store: a connection ends with its process."""
        if self.keeper is not None:
            await self.keeper.save(self)

    async def expect(self, visit: str) -> None:
        """Note a visit to a URL that this client is asked for; of very many, the oldest are forgotten."""
        self.visits[visit] = None
        while len(self.visits) > MOST_VISITS:
            del self.visits[next(iter(self.visits))]
        await self.save()

    def hears(self, notice: "Notice") -> bool:
        """Tell whether a notice is for this client; that a visit is over it hears once.

        "MUST only send the notification to the client that initiated the elicitation request" (2025-11-25,
        Elicitation). "Only use capabilities that were successfully negotiated" (Lifecycle, Operation): of a list that
        its `initialize` did not declare it hears nothing.
        """
        if notice.visit:
            return self.visits.pop(notice.visit, MOST_VISITS) is None
        if notice.uri:
            return notice.uri in self.subscriptions
        return notice.kind in self.declared

    def answered(self, message: Answer | Failure | Broken) -> bool:
        """Hand an answer to who waits for it, one that cannot be read as a failure; False when nobody here does."""
        if isinstance(message, Broken):
            if message.answers is None:
                return False  # it answers nothing
            waiter = self.endpoint.answered(message.answers)
        else:
            waiter = self.endpoint.answered(message.id)
        if waiter is None:
            return False
        if not waiter.done():
            if isinstance(message, Answer):
                waiter.set_result(message.result)
            elif isinstance(message, Failure):
                waiter.set_exception(QuestionRefused(message.error.code, message.error.message))
            else:
                error = message.error
                waiter.set_exception(
                    QuestionRefused(error.code, f"The client's answer cannot be read: {error.message}")
                )
        return True

    def close(self) -> list[Context]:
        """End the session: nobody waits any longer. Returns the calls under way, for the driver to cancel."""
        self.closed = True
        calls, waiters = self.endpoint.close()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_exception(Disconnected("The client has ended the session"))
        return calls
