"""A session of the stateful revisions: what outlives one request. On stdio it is the connection, over HTTP it is
stored.

Only what must survive a restart is recorded (`record`): who the client is, its log level and its subscriptions. Calls
under way and questions that wait are of this process, in `endpoint`.

Invariant: what is recorded is changed by `change` and nothing else, and here it is what the store said after a change,
of this worker or of another, whichever was later.
"""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from dovetail.core import LISTS, Endpoint, Handshake, Lifecycle, Peer, Principal
from dovetail.errors import Busy, Disconnected, QuestionRefused, SessionEnded
from dovetail.revisions import revision_for
from dovetail.server.calls.context import Context, Stop
from dovetail.server.calls.turn import refuse
from dovetail.server.transports.record import (
    Record,
    changed,
    encode,
    expecting,
    logging_at,
    read,
    subscribed,
    told,
    unsubscribed,
)
from dovetail.server.transports.stored import NOTICES
from dovetail.wire import Answer, Broken, Failure

if TYPE_CHECKING:
    from dovetail.core import Notice
    from dovetail.server.transports.record import Change
    from dovetail.server.transports.sessions import Sessions
    from dovetail.server.transports.streams import SessionListener
    from dovetail.wire import Limits

DEFAULT_LOG_LEVEL = "info"
"""Until the client sets one: "the server MAY decide which messages to send automatically" (Logging)."""


class Session:
    """One client of a stateful revision, from `initialize` to its end."""

    __slots__ = (
        "_told",
        "bucket",
        "changes",
        "claim",
        "claimed",
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
        self.visits: list[str] = []
        self._told: set[str] = set()  # visits whose end the client was told, until the store knows
        self.changes = 0
        self.claim = 0
        """The latest claim to the session's stream of notices that was heard of: a version of the record."""
        self.claimed: asyncio.Event | None = None
        """Set when one is heard, for those who wait for theirs."""
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
        return encode(self._recorded())

    def restore(self, record: bytes) -> bool:
        """Take over what was stored, unless that is older than what is known here.

        False when it was stored by a version that is no longer spoken.
        """
        stored = read(record)
        revision = None if stored is None else revision_for(stored.version)
        if stored is None or revision is None:
            return False
        if self.handshake.peer is None:
            self.handshake = Handshake(Peer(revision, stored.capabilities, stored.info))
        elif stored.changes < self.changes:
            return True
        self._take(stored)
        return True

    async def change(self, change: "Change") -> None:
        """Change what is recorded: in the store, where there is one. A connection ends with its process.

        Raises:
            SessionEnded: There is no such session any more; nothing was changed.
            Disconnected: The store is out of reach.
        """
        if self.keeper is None:
            self._take(changed(self._recorded(), change))
        else:
            await self.keeper.change(self, change)

    def _recorded(self) -> Record:
        peer = self.peer
        return Record(
            peer.revision.version,
            peer.capabilities,
            peer.info,
            self.principal,
            self.log_level,
            sorted(self.subscriptions),
            self.visits,
            self.listens,
            self.declared,
            self.changes,
        )

    def _take(self, record: Record) -> None:
        self.principal = record.principal
        self.log_level = record.log_level
        self.subscriptions = set(record.subscriptions)
        self.visits = record.visits
        self.listens = record.listens
        self.declared = record.declared
        self.changes = record.changes

    async def save(self) -> None:
        """Let the store know which visits the client was told the end of."""
        visits = frozenset(self._told)
        if visits:
            with suppress(SessionEnded):  # then nobody will be told again
                await self.change(told(visits))
            self._told -= visits

    async def subscribe(self, uri: str, limits: "Limits") -> None:
        """Let the client hear of a resource from now on.

        Raises:
            InvalidParams: It may not be subscribed to one more.
        """
        await self.change(subscribed(uri, limits))
        if self.keeper is not None and self.keeper.hear(self):
            await self.keeper.streams.mark(self, NOTICES, 0)  # from here on nothing may be lost in silence

    async def unsubscribe(self, uri: str) -> None:
        """Let the client hear of a resource no longer."""
        await self.change(unsubscribed(uri))

    async def log_from(self, level: str) -> None:
        """Send the client log messages from a level on."""
        await self.change(logging_at(level))

    async def expect(self, visit: str) -> None:
        """Note a visit to a URL that this client is asked for; of very many, the oldest are forgotten."""
        await self.change(expecting(visit))

    def hears(self, notice: "Notice") -> bool:
        """Tell whether a notice is for this client; that a visit is over it hears once. `save` stores that.

        "MUST only send the notification to the client that initiated the elicitation request" (2025-11-25,
        Elicitation). "Only use capabilities that were successfully negotiated" (Lifecycle, Operation): of a list that
        its `initialize` did not declare it hears nothing.
        """
        if notice.visit:
            if notice.visit not in self.visits or notice.visit in self._told:
                return False
            if self.keeper is None:
                self.visits = [visit for visit in self.visits if visit != notice.visit]
            else:
                self._told.add(notice.visit)
            return True
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

    def give_way(self) -> bool:
        """End one call that waits for an answer while the client is not there; False when none does."""
        for call in () if self.connected else self.endpoint.calls:
            if call.turn is not None and call.turn.waits:
                refuse(call, Busy("Too many requests at a time"), Stop.CANCELLED)
                return True
        return False

    def heard_claim(self) -> None:
        """Let those look who wait for their claim to the stream of notices to be heard."""
        if self.claimed is not None:
            self.claimed.set()
            self.claimed = None

    def close(self) -> list[Context]:
        """End the session: nobody waits any longer. Returns the calls under way, for the driver to cancel."""
        self.closed = True
        self.heard_claim()
        calls, waiters = self.endpoint.close()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_exception(Disconnected("The client has ended the session"))
        return calls
