"""All ports in memory: for one process, and for as long as it lives.

Invariants: every port is bounded and expires lazily, without timers or threads. Nothing awaits, so each method is
atomic on its loop. The bus calls subscribers from the loop, never from inside `publish`.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence

from dovetail.core import Claim, Fresh, Lost, Running, Settled
from dovetail.store.expiring import SHARES, Expiring
from dovetail.store.keys import KEY_BYTES, FixedKeys
from dovetail.store.memory_events import MemoryEvents
from dovetail.store.waiting import Waiting
from dovetail.wire import DEFAULT_LIMITS

_OVERHEAD = 256
_AT_ONCE = 8
"""One part in so many of a share is made free at a time."""
"""Bytes counted for an entry besides its payload."""

IDLE = 24 * 3600.0


class MemorySessions:
    """The `Sessions` port in memory."""

    def __init__(self, clock: Callable[[], float], max_bytes: int) -> None:
        self._records: Expiring[bytes] = Expiring("sessions", clock, max_bytes)

    def __repr__(self) -> str:
        return f"<MemorySessions {self._records!r}>"

    async def load(self, session: str) -> bytes | None:
        """Return the record, or None when there is none or it expired."""
        return self._records.get(session)

    async def save(self, session: str, record: bytes, ttl: float) -> None:
        """Write the record and let it expire `ttl` seconds from now."""
        self._records.put(session, record, ttl, len(record) + _OVERHEAD)

    async def update(self, session: str, change: Callable[[bytes], bytes], ttl: float) -> bytes | None:
        """Change an existing record, and return it; None when there is none."""
        found = self._records.get(session)
        if found is None:
            return None
        record = change(found)
        self._records.put(session, record, ttl, len(record) + _OVERHEAD)
        return record

    async def touch(self, session: str, ttl: float) -> bool:
        """Let an existing record expire `ttl` seconds from now; False when there is none."""
        return self._records.renew(session, ttl)

    async def delete(self, session: str) -> bool:
        """Remove the record; True when there was one."""
        return self._records.pop(session) is not None

    async def count(self) -> int:
        """How many sessions are alive."""
        return len(self._records)

    async def every(self) -> list[tuple[str, bytes]]:
        """Return all that are alive, with their records."""
        found = ((session, self._records.get(session)) for session in list(self._records))
        return [(session, record) for session, record in found if record is not None]


class MemoryLedger:
    """The `Ledger` port in memory. A claim lives with this process; closing makes what is unsettled lost.

    Where there is no room, the oldest outcomes of whoever holds the most are forgotten: that the effects ran is not.
    """

    def __init__(self, clock: Callable[[], float], max_bytes: int) -> None:
        self._claims: Expiring[Running | Settled | Lost] = Expiring("claims", clock, max_bytes)
        self._kept: Expiring[bytes] = Expiring("kept values", clock, max_bytes)
        self._nonces: Expiring[None] = Expiring("used nonces", clock, max_bytes)
        self._max_bytes = max_bytes
        self._waiting = Waiting()

    def __repr__(self) -> str:
        return f"<MemoryLedger {self._claims!r} {self._kept!r} {self._nonces!r}>"

    async def claim(self, call: str, name: str, ttl: float, owner: str = "") -> Claim:
        """Claim (call, name); only the first gets `Fresh`. A claim is kept `ttl` seconds, in the share of `owner`."""
        key = _key(call, name)
        found = self._claims.get(key)
        if found is not None:
            self._claims.renew(key, ttl)
            return found
        self._make_room(owner, len(key) + _OVERHEAD)
        self._claims.put(key, Running(), ttl, len(key) + _OVERHEAD, owner)
        return Fresh()

    async def settle(self, call: str, name: str, value: bytes) -> None:
        """Record the outcome of a claim that was `Fresh`; the first outcome counts."""
        key = _key(call, name)
        if isinstance(self._claims.get(key), Running):
            self._make_room(self._claims.owner(key), len(value))
            self._claims.swap(key, Settled(value), len(key) + len(value) + _OVERHEAD)
        self._waiting.wake(key)

    async def wait(self, call: str, name: str) -> Settled | Lost:
        """Wait until a `Running` claim is settled, or found lost (it expired, or the store was closed)."""
        key = _key(call, name)

        async def look() -> Settled | Lost | None:
            found = self._claims.get(key)
            return None if isinstance(found, Running) else found or Lost()

        return await self._waiting.until(key, look)

    async def drop(self, call: str, names: Sequence[str]) -> None:
        """Forget claims of a call that nobody can come back to."""
        for name in names:
            self._claims.pop(_key(call, name))

    def _make_room(self, owner: str, weight: int) -> None:
        """Forget outcomes, the oldest first, until so much more fits; and some more, since to look takes time."""
        lacking, giver = self._claims.lacking(owner, weight)
        if not lacking:
            return
        lacking += self._max_bytes // (SHARES * _AT_ONCE)
        for key, claim in self._claims.owned(giver):
            if isinstance(claim, Settled) and len(claim.value) > _OVERHEAD:  # a smaller one would make no room
                self._claims.swap(key, Lost(), len(key) + _OVERHEAD)
                lacking -= len(claim.value)
                if lacking <= 0:
                    return

    async def keep(self, key: str, value: bytes, ttl: float, owner: str = "") -> None:
        """Keep a value for `ttl` seconds, in the share of `owner`."""
        self._kept.put(key, value, ttl, len(value) + len(key) + _OVERHEAD, owner)

    async def kept(self, key: str) -> bytes | None:
        """Return a kept value, or None."""
        return self._kept.get(key)

    async def burn(self, nonce: str, ttl: float) -> bool:
        """Use a nonce up; True exactly once."""
        if nonce in self._nonces:
            return False
        self._nonces.put(nonce, None, ttl, len(nonce) + _OVERHEAD)
        return True

    def close(self) -> None:
        """Make every unsettled claim lost, and tell those who wait."""
        for key in self._claims:
            if isinstance(self._claims.get(key), Running):
                self._claims.swap(key, Lost(), len(key) + _OVERHEAD)
            self._waiting.wake(key)


class LocalBus:
    """The `Bus` port within one process; the other adapters deliver through it."""

    def __init__(self) -> None:
        self._subscribers: dict[str, dict[object, Callable[[bytes], None]]] = {}
        self._pending: deque[tuple[str, bytes]] = deque()

    def __repr__(self) -> str:
        return f"<LocalBus {sum(map(len, self._subscribers.values()))} subscribers of {len(self._subscribers)} topics>"

    async def publish(self, topic: str, message: bytes) -> None:
        """Hand a message to every subscriber of a topic."""
        self.deliver(topic, message)

    def subscribe(self, topic: str, receive: Callable[[bytes], None]) -> Callable[[], None]:
        """Call `receive` on the event loop for every message of a topic, until the returned function is called."""
        ticket = object()
        self._subscribers.setdefault(topic, {})[ticket] = receive

        def unsubscribe() -> None:
            subscribers = self._subscribers.get(topic, {})
            subscribers.pop(ticket, None)
            if not subscribers:
                self._subscribers.pop(topic, None)

        return unsubscribe

    def deliver(self, topic: str, message: bytes) -> None:
        """Let the loop hand over a message, after those that came before it. Call it on the loop."""
        if topic not in self._subscribers:
            return
        if not self._pending:
            asyncio.get_running_loop().call_soon(self._flush)
        self._pending.append((topic, message))

    def _flush(self) -> None:
        messages, self._pending = self._pending, deque()
        for topic, message in messages:
            for ticket, receive in tuple(self._subscribers.get(topic, {}).items()):
                # One who was unsubscribed by an earlier subscriber of the same message gets nothing any more.
                if ticket not in self._subscribers.get(topic, {}):
                    continue
                try:
                    receive(message)
                except Exception as error:
                    context = {"message": "A subscriber of the bus failed", "exception": error}
                    asyncio.get_running_loop().call_exception_handler(context)


class MemoryStores:
    """All ports of one server in one process's memory. What they hold ends with the process.

    Args:
        clock: Seconds; only differences count.
        random: Where the keys come from.
        idle: Seconds until the messages of a quiet session are forgotten.
        max_bytes: The most that each port may hold. Where dropping would break a promise (sessions, claims, kept
            values, nonces) a full port raises `Disconnected`; streams' messages make room by forgetting the quietest
            session. Of claims, kept values and messages, one owner has a quarter.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        *,
        random: Callable[[int], bytes] | None = None,
        idle: float = IDLE,
        max_bytes: int = DEFAULT_LIMITS.memory_bytes,
    ) -> None:
        self.sessions = MemorySessions(clock, max_bytes)
        self.events = MemoryEvents(clock, idle=idle, max_bytes=max_bytes)
        self.ledger = MemoryLedger(clock, max_bytes)
        self.bus = LocalBus()
        self.keys = FixedKeys.fresh() if random is None else FixedKeys([random(KEY_BYTES)], random)

    def __repr__(self) -> str:
        return f"<MemoryStores {self.sessions!r} {self.events!r} {self.ledger!r} {self.bus!r} {self.keys!r}>"

    async def open(self) -> None:
        """Nothing to do."""

    async def occupy(self, *, alone: bool) -> None:
        """Nobody else is here."""

    def leaving(self) -> None:
        """Nobody waits."""

    async def aclose(self) -> None:
        """Make unsettled claims lost; idempotent."""
        self.ledger.close()


def _key(call: str, name: str) -> str:
    return f"{len(call)}:{call}{name}"
