"""The sessions of the stateful revisions over HTTP: kept in the store, cached here, shared by all workers.

A session outlives this process: after a restart its id still leads to its client, its log level, its subscriptions and
what was not delivered. A message that concerns a session, but arrives at a worker that does not have what it is about
(a question that waits, a call under way, a stream that is open), is passed on over the bus.

Invariants: what is recorded of a session is changed in the store and heard of from there (`change`). One that the store
no longer has is over; with workers, none is stored again after it began. One worker at most puts notices into a
session's stream: that of the last who claimed it, from where all workers hear of the claim among the notices.
"""

import asyncio
import secrets
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Final, Literal

from dovetail.core import Notice, Principal, session_is_legal
from dovetail.errors import Busy, Disconnected, InvalidRequest, SessionEnded
from dovetail.server.calls.context import Stop
from dovetail.server.calls.gates import Meter
from dovetail.server.calls.turn import cancel, refuse
from dovetail.server.transports.census import Census
from dovetail.server.transports.record import Change, changing, listening, read
from dovetail.server.transports.session import Session
from dovetail.server.transports.stored import NOTICES, Streams
from dovetail.server.transports.streams import SessionListener
from dovetail.server.transports.words import Word, Words
from dovetail.wire import Answer, Broken, Failure, parse

if TYPE_CHECKING:
    from dovetail.server.runtime import Runtime

TOUCH_SECONDS: Final = 5.0
UNUSED_SECONDS: Final = 60.0
"""How long a session is kept whose client never came back to it: the next message, `initialized`, takes one trip."""

_ENDED: Final = "The session has ended: initialize a new one"


class Sessions:
    """All sessions that this worker knows of."""

    def __init__(self, runtime: "Runtime") -> None:
        """One a runtime."""
        self._runtime = runtime
        self._cache: dict[str, tuple[Session, float, float]] = {}
        self._census = Census()
        self._openings = Meter(runtime.server.rate)
        words = Words(runtime, self._heed)
        self._tell, self._shared = words.tell, words.shared
        self.streams = Streams(runtime, words.tell)
        self._looking = False
        self._brief = min(UNUSED_SECONDS, runtime.limits.session_seconds)

    def __repr__(self) -> str:
        return f"<Sessions {len(self._cache)} cached, {self.streams!r}>"

    # Life of a session.

    async def adopt(self) -> None:
        """Hear, for the sessions that a process before this one left, what changes until their clients come back.

        One process does this: of several workers none knows which others live, and their clients list again.
        """
        if self._shared:
            return
        now = self._runtime.steady()
        for key, record in await self._runtime.stores.sessions.every():
            session = Session(key)
            session.keeper = self
            if key not in self._cache and session.restore(record) and (session.listens or session.subscriptions):
                self._cache[key] = (session, now, -inf)
                self._runtime.hub.join(self)
                self.hear(session)

    async def admit(self, principal: Principal) -> None:
        """Let a principal open a session. Nobody takes all there is: it is about one client, not about the server.

        Raises:
            Busy: It opens them too fast, or has as many as it may, all in use.
        """
        self._openings.take(principal.bucket, self._runtime.steady())
        most = self._runtime.limits.principal_sessions
        if self._census.held(principal.bucket) >= most:
            self._sweep()
            if self._census.held(principal.bucket) >= most and not await self._evict(principal.bucket):
                raise Busy("Too many sessions of one client")

    async def create(self, principal: Principal) -> Session:
        """Mint a session. "globally unique and cryptographically secure [...] visible ASCII" (2025-11-25, Sessions).

        Raises:
            Busy: There are as many as allowed.
        """
        runtime = self._runtime
        if await runtime.stores.sessions.count() >= runtime.limits.sessions:
            self._sweep()
            if not await self._evict():
                raise Busy("Too many sessions")
        session = Session(secrets.token_urlsafe(32), principal, runtime.worker)
        session.keeper = self
        return session

    async def begin(self, session: Session) -> None:
        """Store a session that its client has opened: from now on its id leads to it.

        Raises:
            Disconnected: The store is out of reach, and there is no session.
        """
        now = self._runtime.steady()
        self._cache[session.id] = (session, now, now)
        self._runtime.hub.join(self)
        self._census.add(session.id, session.bucket, used=False)
        if len(self._cache) % 256 == 0:
            self._sweep()
        try:
            await self._runtime.stores.sessions.save(session.id, session.record(), self._seconds(session.id))
        except BaseException:
            self._drop(session)  # its client never learns of it
            raise

    async def find(self, identifier: bytes, principal: Principal) -> Session | None:
        """Return a session by its id; None when there is none, or it is somebody else's (S-16: no telling which)."""
        key = identifier.decode("latin-1")
        now = self._runtime.steady()
        cached = self._cache.get(key)
        if cached is not None:
            session, seen, touched = cached
            if now - seen > self._brief and self._stale(session, seen, now) and await self._over(session):
                await self.end(session)
                return None
        elif not session_is_legal(identifier):
            return None
        else:
            loaded = await self._load(key, now)
            if loaded is None:
                return None
            session, touched = loaded
        if session.principal != principal.key:
            return None
        if cached is None or not session.bucket:
            session.bucket = principal.bucket
            self._census.add(key, principal.bucket, used=True)
        if now - touched > TOUCH_SECONDS or self._census.is_unused(key):
            await self._touch(session, now - touched)
            touched = now
        if session.closed:
            return None
        self._cache[key] = (session, now, touched)
        return session

    async def _load(self, key: str, now: float) -> tuple[Session, float] | None:
        """Return a session that the store has, and when its use was last noted there."""
        runtime = self._runtime
        record = await runtime.stores.sessions.load(key)
        session = Session(key, None, runtime.worker)
        session.keeper = self
        if record is None or not session.restore(record):
            return None
        # Another request may have loaded it while this one waited: there is one object a session.
        session, _, touched = self._cache.setdefault(key, (session, now, -inf))
        runtime.hub.join(self)
        if self._shared:
            # From here on what others do to it is heeded. What they did before that is in the store.
            record = await runtime.stores.sessions.load(key)
            if record is None:
                self._drop(session)
                return None
            session.restore(record)
        return session, touched

    async def _touch(self, session: Session, seconds: float) -> None:
        """Note in the store that a session is used that was not noted there for so many seconds.

        Nobody is refused because the store is out of reach, and only whose record would soon expire waits for it.
        """
        urgent = seconds > self._seconds(session.id) / 2
        self._census.use(session.id)
        if urgent:
            with suppress(Disconnected):
                await self._renew(session)
        else:
            self._runtime.spawn(self._renew(session))

    async def _renew(self, session: Session) -> None:
        """Let the record of a session that is used live on; one that is gone ends the session here, too."""
        sessions, seconds = self._runtime.stores.sessions, self._runtime.limits.session_seconds
        if await sessions.touch(session.id, seconds) or session.closed:
            return
        if self._shared:
            self._drop(session)
        else:
            # Nobody else ends sessions: it expired because the store was out of reach when it was used.
            await sessions.save(session.id, session.record(), seconds)

    async def change(self, session: Session, change: Change, kind: Literal["changed", "own"] = "changed") -> bytes:
        """Change what is recorded of a session, as the store has it, tell the other workers, and return it.

        Raises:
            SessionEnded: There is no such session any more; nothing was changed.
            Disconnected: The store is out of reach.
        """
        if session.closed:
            raise SessionEnded(_ENDED)
        update, seconds = self._runtime.stores.sessions.update, self._seconds(session.id)
        record = await update(session.id, changing(change), seconds)
        if record is None and not self._shared:
            await self._renew(session)
            record = await update(session.id, changing(change), seconds)
        if record is None:
            asyncio.get_running_loop().call_soon(self._drop, session)  # after who asked for the change has heard of it
            raise SessionEnded(_ENDED)
        session.restore(record)
        await self._tell(session.id, kind, record)
        return record

    def hear(self, session: Session) -> bool:
        """Keep what changes for a client from now on; False when that is done, or when other workers do it."""
        if self._shared or session.listener is not None:
            return False
        session.listener = SessionListener(self._runtime, self, session)
        return True

    async def listen(self, session: Session) -> None:
        """Let this worker put notices into a session's stream, and no other, unless another is claiming it later.

        Raises:
            SessionEnded: There is no such session any more.
            Disconnected: The store is out of reach.
        """
        if session.listener is not None:
            return
        if self._shared:
            claim = read(await self.change(session, listening, "own"))
            while claim is not None and session.claim < claim.changes and not session.closed:
                session.claimed = session.claimed or asyncio.Event()
                await session.claimed.wait()  # until it is its turn: see `_claimed`
        else:
            self.hear(session)
            if not session.listens:
                await self.change(session, listening)

    async def end(self, session: Session) -> None:
        """End a session: its id is dead from now on."""
        self._drop(session)
        await self._runtime.stores.sessions.delete(session.id)
        await self._runtime.stores.events.forget(session.id)
        await self._tell(session.id, "ended")

    def used(self, session: Session) -> None:
        """Note that a session was used until now: a connection of it, or a call, has ended."""
        cached = self._cache.get(session.id)
        if cached is not None and cached[0] is session:
            self._cache[session.id] = (session, self._runtime.steady(), cached[2])

    def deliver(self, notice: Notice) -> None:
        """Hear of no change: each session's listener does."""

    def beat(self) -> None:
        """Look after sessions that no request comes for."""
        if not self._looking:
            self._runtime.spawn(self.look_after())

    async def look_after(self) -> None:
        """Keep the sessions that are busy, though no request comes, and end those that nobody comes back to.

        Without this, who left in the middle of a question would leave it waiting for ever: no clock of a call runs
        while its client's answer is awaited.
        """
        self._looking = True
        try:
            for session in [session for session, _, _ in self._cache.values()]:
                # What is kept of it expires by itself, if the store is out of reach.
                with suppress(Disconnected):
                    await self._look_after(session)
        finally:
            self._looking = False
        if not self._cache:
            self._runtime.hub.leave(self)

    async def _look_after(self, session: Session) -> None:
        cached, now = self._cache.get(session.id), self._runtime.steady()
        if cached is None:
            return
        if session.busy:
            await self._keep(session, cached[2], now)
        elif self._stale(session, cached[1], now) and await self._over(session):
            await self.end(session)

    async def _keep(self, session: Session, touched: float, now: float) -> None:
        if now - touched > self._runtime.limits.session_seconds / 4:
            touched = now
            await self._renew(session)
        if not session.closed:
            self._cache[session.id] = (session, now, touched)

    def _stale(self, session: Session, seen: float, now: float) -> bool:
        return now - seen > self._seconds(session.id) and not session.busy

    async def _over(self, session: Session) -> bool:
        """Tell whether a session that is stale here is so everywhere: its client may be at another worker."""
        return not self._shared or await self._runtime.stores.sessions.load(session.id) is None

    def make_room(self, bucket: str) -> bool:
        """End one call of a principal that waits for an answer while its client is not there; False when none does.

        The principal has as many calls under way as it may: what somebody left behind is the first to go (S-22).
        """
        for key in self._census.sessions_of(bucket):
            if key in self._cache and self._cache[key][0].give_way():
                return True
        return False

    def _seconds(self, key: str) -> float:
        """Return how long a session may be idle: an hour, or a minute as long as nobody has used it."""
        idle = self._runtime.limits.session_seconds
        return min(idle, UNUSED_SECONDS) if self._census.is_unused(key) else idle

    async def _evict(self, bucket: str | None = None) -> bool:
        """End the session that was left unused for longest, of one client or of all; False when there is none."""
        key = self._census.oldest_unused(bucket)
        if key is None:
            return False
        await self.end(self._cache[key][0])
        return True

    def _drop(self, session: Session) -> None:
        self._cache.pop(session.id, None)
        self._census.remove(session.id, session.bucket)
        for context in session.close():
            # It was not the call that was cancelled: who made it is told that nothing comes.
            refuse(context, InvalidRequest("The session has ended"), Stop.CANCELLED)
        if session.listener is not None:
            session.listener.close()
        self.streams.drop(session.id)

    def _sweep(self) -> None:
        now = self._runtime.steady()
        for session, seen, _ in list(self._cache.values()):
            if self._stale(session, seen, now) and (not self._shared or session.endpoint.idle):
                self._drop(session)

    # What concerns a session, but not this worker.

    async def answered(self, session: Session, message: Answer | Failure | Broken, frame: bytes) -> None:
        """Hand an answer to who waits for it, here or in another worker."""
        if not session.answered(message):
            await self._tell(session.id, "answer", frame)

    async def cancel(self, session: Session, identifier: bytes) -> None:
        """Cancel a call under way, here and in other workers; unknown ones are ignored (spec, Cancellation).

        A client that uses an id again too early has calls of that id at several workers (W-04): all of them end.
        """
        context = session.endpoint.find(identifier)
        if context is not None:
            cancel(context)
        await self._tell(session.id, "cancel", identifier)

    def _heed(self, word: Word) -> None:
        if word.kind == "stream":
            self.streams.wake(word.session, word.body.decode())
        elif word.session in self._cache:
            self._act(self._cache[word.session][0], word)

    def _act(self, session: Session, word: Word) -> None:
        match word.kind:
            case "answer":
                answer = parse(word.body, self._runtime.limits)
                if isinstance(answer, (Answer, Failure, Broken)):
                    session.answered(answer)
            case "cancel":
                context = session.endpoint.find(word.body)
                if context is not None:
                    cancel(context)
            case "changed":
                session.restore(word.body)  # at once: the next message may be a notice that it is about
            case "ended":
                self._drop(session)
            case "own":
                session.restore(word.body)
                self._claimed(session, word)

    def _claimed(self, session: Session, word: Word) -> None:
        """Give a session's stream of notices to who claimed it last, in the order of the store.

        All workers hear of a claim at the same place among the notices: each notice is taken by one of them.
        """
        record = read(word.body)
        if record is None or record.changes <= session.claim:
            return
        session.claim = record.changes
        session.heard_claim()
        if word.worker != self._runtime.worker:
            if session.listener is not None:
                session.listener.close()
            self.streams.wake(session.id, NOTICES)
        elif session.listener is None:
            session.listener = SessionListener(self._runtime, self, session)
