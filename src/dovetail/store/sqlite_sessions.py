"""Sessions in SQLite: shared by all workers, there after a restart.

Invariants: a record that expired is absent, even before it is pruned. A record is changed as it stands in the database,
in the transaction that writes it: of changes by several workers none is lost, and what was deleted stays so. `touch`
writes at most every few seconds: a session may expire that much earlier than its last touch says, never later.
"""

import sqlite3
from collections.abc import Callable

from dovetail.store.sqlite_shelf import Shelf

_SLACK = 5.0
"""Seconds that a touch may go unwritten; a tenth of the session's time where that is less."""

_REMEMBERED = 20_000


class SqliteSessions:
    """The `Sessions` port in SQLite."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._written: dict[str, float] = {}  # when each session expires, as this process last wrote it

    def __repr__(self) -> str:
        return f"<SqliteSessions {self._shelf!r}>"

    async def load(self, session: str) -> bytes | None:
        """Return the record, or None when there is none or it expired."""

        def work(connection: sqlite3.Connection) -> bytes | None:
            query = "SELECT record FROM sessions WHERE id = ? AND expires > ?"
            row = connection.execute(query, (session, self._shelf.now())).fetchone()
            return None if row is None else row[0]

        self._written.pop(
            session, None
        )  # whoever comes anew to it touches it in the database, which says if it is there
        return await self._shelf.thread.read(work)

    async def save(self, session: str, record: bytes, ttl: float) -> None:
        """Write the record and let it expire `ttl` seconds from now."""
        expires = self._shelf.now() + ttl

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO sessions VALUES (?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET record = excluded.record, expires = excluded.expires",
                (session, record, expires),
            )

        await self._shelf.thread.write(work)
        self._remember(session, expires)

    async def update(self, session: str, change: Callable[[bytes], bytes], ttl: float) -> bytes | None:
        """Change an existing record, and return it; None when there is none."""
        now = self._shelf.now()
        expires = now + ttl

        def work(connection: sqlite3.Connection) -> bytes | None:
            query = "SELECT record FROM sessions WHERE id = ? AND expires > ?"
            row = connection.execute(query, (session, now)).fetchone()
            if row is None:
                return None
            record = change(row[0])
            connection.execute("UPDATE sessions SET record = ?, expires = ? WHERE id = ?", (record, expires, session))
            return record

        record = await self._shelf.thread.write(work)
        if record is not None:
            self._remember(session, expires)
        return record

    async def touch(self, session: str, ttl: float) -> bool:
        """Let an existing record expire `ttl` seconds from now; see the module for how exactly."""
        now = self._shelf.now()
        expires = now + ttl
        known = self._written.get(session)
        if known is not None and abs(expires - known) < min(_SLACK, ttl / 10):
            return True

        def work(connection: sqlite3.Connection) -> bool:
            query = "UPDATE sessions SET expires = ? WHERE id = ? AND expires > ?"
            return connection.execute(query, (expires, session, now)).rowcount > 0

        alive = await self._shelf.thread.write(work)
        if alive:
            self._remember(session, expires)
        return alive

    async def delete(self, session: str) -> bool:
        """Remove the record; True when there was one."""

        def work(connection: sqlite3.Connection) -> bool:
            query = "SELECT 1 FROM sessions WHERE id = ? AND expires > ?"
            alive = connection.execute(query, (session, self._shelf.now())).fetchone() is not None
            connection.execute("DELETE FROM sessions WHERE id = ?", (session,))
            return alive

        self._written.pop(session, None)
        return await self._shelf.thread.write(work)

    async def count(self) -> int:
        """How many sessions are alive, over all workers."""

        def work(connection: sqlite3.Connection) -> int:
            query = "SELECT count(*) FROM sessions WHERE expires > ?"
            count: int = connection.execute(query, (self._shelf.now(),)).fetchone()[0]
            return count

        return await self._shelf.thread.read(work)

    async def every(self) -> list[tuple[str, bytes]]:
        """Return all that are alive, with their records."""

        def work(connection: sqlite3.Connection) -> list[tuple[str, bytes]]:
            query = "SELECT id, record FROM sessions WHERE expires > ?"
            return connection.execute(query, (self._shelf.now(),)).fetchall()

        return await self._shelf.thread.read(work)

    def prune(self, connection: sqlite3.Connection, limit: int) -> None:
        """In the thread: drop what expired."""
        query = "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires <= ? LIMIT ?)"
        connection.execute(query, (self._shelf.now(), limit))

    def _remember(self, session: str, expires: float) -> None:
        if len(self._written) >= _REMEMBERED:
            self._written.clear()  # costs one write a session that is still touched
        self._written.pop(session, None)
        self._written[session] = expires
        now = self._shelf.now()
        while self._written[oldest := next(iter(self._written))] <= now and oldest != session:
            del self._written[oldest]  # its session was left, and nobody will delete it
