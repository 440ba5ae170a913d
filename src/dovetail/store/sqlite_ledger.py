"""The ledger in SQLite: what happens at most once, over all workers and restarts.

Invariants: a claim is decided inside a write transaction, so exactly one worker finds it free. A claim without a
value whose worker has no pulse is marked lost in the same transaction that finds it so, and stays lost: a holder that
wakes up too late cannot settle it. A worker vouches for its own claims only while it lives; closing marks what it
leaves unsettled. Where a caller's share is full, its oldest outcomes are forgotten, and their claims are lost: none
runs again.
"""

import asyncio
import sqlite3
from collections.abc import Sequence
from itertools import count

from dovetail.core import Claim, Fresh, Lost, Running, Settled
from dovetail.errors import Disconnected
from dovetail.store.expiring import SHARES
from dovetail.store.sqlite_bus import SqliteBus
from dovetail.store.sqlite_shelf import ALIVE, Shelf, held
from dovetail.store.waiting import Waiting

_TOPIC = "\x00settled"
"""A topic that no caller can mean; its messages only say that it is worth looking again."""


_PRUNE = (
    "DELETE FROM claims WHERE rowid IN (SELECT rowid FROM claims WHERE expires <= ? LIMIT ?)",
    "DELETE FROM kept WHERE rowid IN (SELECT rowid FROM kept WHERE expires <= ? LIMIT ?)",
    "DELETE FROM nonces WHERE nonce IN (SELECT nonce FROM nonces WHERE expires <= ? LIMIT ?)",
)


_FORGET = (
    "UPDATE claims SET value = NULL, lost = 1 WHERE rowid IN (SELECT rowid FROM claims WHERE caller = ?"
    " AND length(value) > 256 AND NOT (call = ? AND name = ?) ORDER BY expires LIMIT ?)"
)
_AT_ONCE = 8


class SqliteLedger:
    """The `Ledger` port in SQLite."""

    def __init__(self, shelf: Shelf, bus: SqliteBus, *, max_bytes: int) -> None:
        """Keep values of at most `max_bytes` together, and of one owner a share of that; of claims, too.

        All claims, and nonces, have what the file may grow to.
        """
        self._shelf = shelf
        self._max_bytes = max_bytes
        self._bus = bus
        self._waiting = Waiting()
        self._tickets = count()  # tells this worker's claims apart
        bus.subscribe(_TOPIC, lambda key: self._waiting.wake(key.decode()))

    def __repr__(self) -> str:
        return f"<SqliteLedger {self._waiting!r} {self._shelf!r}>"

    async def claim(self, call: str, name: str, ttl: float, owner: str = "") -> Claim:
        """Claim (call, name) atomically; only the first gets `Fresh`. It is kept `ttl` seconds, in `owner`'s share."""

        def work(connection: sqlite3.Connection) -> Claim:
            now = self._shelf.now()
            found = self._look(connection, call, name, now)
            if found is not None:
                connection.execute("UPDATE claims SET expires = ? WHERE call = ? AND name = ?", (now + ttl, call, name))
                return found
            # Deleted first, and not replaced: what is held is counted by triggers, which a replacement passes by.
            connection.execute("DELETE FROM claims WHERE call = ? AND name = ?", (call, name))
            connection.execute(
                "INSERT INTO claims (call, name, owner, ticket, expires, caller) VALUES (?, ?, ?, ?, ?, ?)",
                (call, name, self._shelf.worker, ticket, now + ttl, owner),
            )
            self._check_share(connection, owner, now)
            return Fresh()

        def give_back(connection: sqlite3.Connection) -> None:
            query = "DELETE FROM claims WHERE call = ? AND name = ? AND owner = ? AND ticket = ? AND value IS NULL"
            connection.execute(query, (call, name, self._shelf.worker, ticket))

        ticket = next(self._tickets)
        try:
            return await self._shelf.thread.write(work)
        except (asyncio.CancelledError, Disconnected):
            # The caller never learns that the claim was theirs, so nothing was run.
            self._shelf.thread.later(give_back, writes=True)
            raise

    async def settle(self, call: str, name: str, value: bytes) -> None:
        """Record the outcome of a claim that was `Fresh`. Nothing happens where it was found lost meanwhile."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE claims SET value = ? WHERE call = ? AND name = ? AND owner = ? AND value IS NULL AND lost = 0",
                (value, call, name, self._shelf.worker),
            )
            row = connection.execute("SELECT caller FROM claims WHERE call = ? AND name = ?", (call, name)).fetchone()
            if row is not None:
                self._forget(connection, row[0], (call, name))
            self._bus.insert(connection, _TOPIC, key.encode())

        key = _key(call, name)
        await self._shelf.thread.write(work)
        self._waiting.wake(key)

    async def wait(self, call: str, name: str) -> Settled | Lost:
        """Wait until a `Running` claim is settled, or found lost (its worker died, or it expired)."""

        def work(connection: sqlite3.Connection) -> Settled | Lost | None:
            found = self._look(connection, call, name, self._shelf.now())
            return None if isinstance(found, Running) else found or Lost()

        return await self._waiting.until(_key(call, name), lambda: self._shelf.thread.write(work))

    async def drop(self, call: str, names: Sequence[str]) -> None:
        """Forget claims of a call that nobody can come back to."""

        def work(connection: sqlite3.Connection) -> None:
            rows = [(call, name) for name in names]
            connection.executemany("DELETE FROM claims WHERE call = ? AND name = ?", rows)

        await self._shelf.thread.write(work)

    async def keep(self, key: str, value: bytes, ttl: float, owner: str = "") -> None:
        """Keep a value for `ttl` seconds, in the share of `owner`."""

        def work(connection: sqlite3.Connection) -> None:
            now = self._shelf.now()
            # Deleted first, and not replaced: what is held is counted by triggers, which a replacement passes by.
            connection.execute("DELETE FROM kept WHERE key = ? OR expires <= ?", (key, now))
            connection.execute("INSERT INTO kept VALUES (?, ?, ?, ?)", (key, value, now + ttl, owner))
            if held(connection, "all kept") > self._max_bytes:
                raise Disconnected(f"The room for kept values is full ({self._max_bytes} bytes)")
            if owner and held(connection, "kept", owner) > self._max_bytes // SHARES:
                share = self._max_bytes // SHARES
                raise Disconnected(f"The room for kept values of one caller is full ({share} bytes)")

        await self._shelf.thread.write(work)

    async def kept(self, key: str) -> bytes | None:
        """Return a kept value, or None."""

        def work(connection: sqlite3.Connection) -> bytes | None:
            query = "SELECT value FROM kept WHERE key = ? AND expires > ?"
            row = connection.execute(query, (key, self._shelf.now())).fetchone()
            return None if row is None else row[0]

        return await self._shelf.thread.read(work)

    async def burn(self, nonce: str, ttl: float) -> bool:
        """Use a nonce up; True exactly once, however many workers race for it."""

        def work(connection: sqlite3.Connection) -> bool:
            now = self._shelf.now()
            connection.execute("DELETE FROM nonces WHERE nonce = ? AND expires <= ?", (nonce, now))
            query = "INSERT OR IGNORE INTO nonces VALUES (?, ?)"
            return connection.execute(query, (nonce, now + ttl)).rowcount == 1

        return await self._shelf.thread.write(work)

    def prune(self, connection: sqlite3.Connection, limit: int) -> None:
        """In the thread: drop what expired."""
        for statement in _PRUNE:
            connection.execute(statement, (self._shelf.now(), limit))

    def release(self, connection: sqlite3.Connection) -> None:
        """In the thread, when closing: nobody will settle what is unsettled now."""
        connection.execute("UPDATE claims SET lost = 1 WHERE owner = ? AND value IS NULL", (self._shelf.worker,))

    def _look(
        self, connection: sqlite3.Connection, call: str, name: str, now: float
    ) -> Running | Settled | Lost | None:
        query = "SELECT owner, value, lost FROM claims WHERE call = ? AND name = ? AND expires > ?"
        row = connection.execute(query, (call, name, now)).fetchone()
        if row is None:
            return None
        owner, value, lost = row
        if value is not None:
            return Settled(value)
        if not lost and self._alive(connection, owner, now):
            return Running()
        connection.execute("UPDATE claims SET lost = 1 WHERE call = ? AND name = ?", (call, name))
        return Lost()

    def _check_share(self, connection: sqlite3.Connection, owner: str, now: float) -> None:
        share = self._max_bytes // SHARES
        if owner and held(connection, "claims", owner) > share:
            connection.execute("DELETE FROM claims WHERE expires <= ?", (now,))
            self._forget(connection, owner)
            if held(connection, "claims", owner) > share:
                raise Disconnected(f"The room for claims of one caller is full ({share} bytes)")

    def _forget(self, connection: sqlite3.Connection, owner: str, newest: tuple[str, str] = ("", "")) -> None:
        """Forget outcomes of a caller, the oldest first, until it is within its share: that the effects ran is not."""
        while owner and held(connection, "claims", owner) > self._max_bytes // SHARES:
            if connection.execute(_FORGET, (owner, *newest, _AT_ONCE)).rowcount < 1:
                return

    def _alive(self, connection: sqlite3.Connection, owner: str, now: float) -> bool:
        if owner == self._shelf.worker:
            return True
        row = connection.execute("SELECT beat FROM workers WHERE id = ?", (owner,)).fetchone()
        return row is not None and row[0] > now - ALIVE


def _key(call: str, name: str) -> str:
    return f"{len(call)}:{call}{name}"
