"""Resumable streams' messages in SQLite: what was appended survives kill -9, and is numbered once over all workers.

Invariants: the number is given and the message stored in one transaction; no number of a session comes again while it
lives, also when its messages were forgotten: numbering begins above all that was. All sessions together hold a bounded
number of bytes: what goes first is the oldest of the session that wants more if that one has more than its share, then
the quietest session of whoever has more, then the quietest of all. A stream is fed by one worker, while that has a
pulse and until it ends the stream.
"""

import sqlite3

from dovetail.store.expiring import SHARES
from dovetail.store.memory_events import LINGER, MOST_OF_SESSION, NEVER, SESSION_SHARES
from dovetail.store.sqlite_shelf import ALIVE, Shelf, held

_AT_ONCE = 1_000
"""Sessions that are forgotten at most before one that is still in use."""

_SWEPT = 4
"""Streams whose time is up that go with each that ends: more than come, so none gather, and nobody waits for it."""

_GREEDY = "SELECT owner FROM held WHERE what = 'events' AND owner <> '' AND bytes > ? ORDER BY bytes DESC LIMIT 1"
_QUIET = "SELECT session FROM numbering WHERE session NOT IN ('', ?) ORDER BY touched LIMIT 1"
_QUIET_OF_OWNER = "SELECT session FROM numbering WHERE owner = ? AND session NOT IN ('', ?) ORDER BY touched LIMIT 1"

_FLOOR = ""
"""Where the numbering keeps the greatest number that was forgotten; no session has this id."""


class SqliteEvents:
    """The `Events` port in SQLite.

    Args:
        shelf: What the ports share.
        idle: Seconds after which a session's messages are forgotten when nothing was appended or marked.
        max_bytes: The most that all messages may take.
    """

    def __init__(self, shelf: Shelf, *, idle: float, max_bytes: int) -> None:
        self._shelf = shelf
        self._idle = idle
        self._max_bytes = max_bytes

    def __repr__(self) -> str:
        return f"<SqliteEvents {self._shelf!r}>"

    async def begin(self, session: str, stream: str) -> None:
        """Note that this worker has more to say on a stream."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO feeding VALUES (?, ?, ?)", (session, stream, self._shelf.worker))

        await self._shelf.thread.write(work)

    async def end(self, session: str, stream: str) -> None:
        """Note that nothing more comes on a stream, and forget it in a while."""

        def work(connection: sqlite3.Connection) -> None:
            now = self._shelf.now()
            self._sweep(connection, now, _SWEPT)
            connection.execute("DELETE FROM feeding WHERE session = ? AND stream = ?", (session, stream))
            query = "UPDATE streams SET ends = ? WHERE session = ? AND stream = ? AND ends IS NULL"
            connection.execute(query, (now + LINGER, session, stream))

        await self._shelf.thread.write(work)

    async def fed(self, session: str, stream: str) -> bool:
        """Tell whether more may come on a stream: the worker that began it lives, and has not ended it."""

        def work(connection: sqlite3.Connection) -> bool:
            query = (
                "SELECT 1 FROM feeding JOIN workers ON workers.id = feeding.worker"
                " WHERE session = ? AND stream = ? AND beat > ?"
            )
            return connection.execute(query, (session, stream, self._shelf.now() - ALIVE)).fetchone() is not None

        return await self._shelf.thread.read(work)

    async def append(self, session: str, stream: str, message: bytes, owner: str = "") -> int:
        """Store a message at the end of a stream; return its sequence number (from 1)."""

        def work(connection: sqlite3.Connection) -> int:
            self._use(connection, session)
            set_ = "UPDATE numbering SET last = last + 1, owner = ? WHERE session = ?"
            connection.execute(set_, (owner, session))
            query = "SELECT last FROM numbering WHERE session = ?"
            sequence: int = connection.execute(query, (session,)).fetchone()[0]
            connection.execute(
                "INSERT INTO streams (session, stream, marked, held) VALUES (?, ?, ?, 1)"
                " ON CONFLICT (session, stream) DO UPDATE SET held = held + 1",
                (session, stream, NEVER),
            )
            connection.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?)", (session, stream, sequence, message, owner))
            self._make_room(connection, session, sequence)
            return sequence

        return await self._shelf.thread.write(work)

    async def after(self, session: str, stream: str, sequence: int) -> list[tuple[int, bytes]]:
        """Return the messages of a stream that come after a sequence number, in order."""

        def work(connection: sqlite3.Connection) -> list[tuple[int, bytes]]:
            now = self._shelf.now()
            return connection.execute(
                "SELECT sequence, message FROM events WHERE session = ? AND stream = ? AND sequence > ?"
                " AND EXISTS (SELECT 1 FROM numbering WHERE session = ? AND touched > ?)"
                " AND EXISTS (SELECT 1 FROM streams WHERE session = ? AND stream = ? AND ifnull(ends, 9e99) > ?)"
                " ORDER BY sequence",
                (session, stream, sequence, session, now - self._idle, session, stream, now),
            ).fetchall()

        return await self._shelf.thread.read(work)

    async def mark(self, session: str, stream: str, sequence: int, keep: int | None = None) -> None:
        """Note that everything up to a sequence number was handed over. A mark never goes back."""

        def work(connection: sqlite3.Connection) -> None:
            self._use(connection, session)
            connection.execute(
                "INSERT INTO streams (session, stream, marked) VALUES (?, ?, ?)"
                " ON CONFLICT (session, stream) DO UPDATE SET marked = max(marked, excluded.marked)",
                (session, stream, sequence),
            )
            if keep is not None:
                self._forget_marked(connection, session, stream, keep)

        await self._shelf.thread.write(work)

    async def marked(self, session: str, stream: str) -> int | None:
        """Return the sequence number last marked; None when none was, or what was not handed over is lost."""

        def work(connection: sqlite3.Connection) -> int | None:
            row = connection.execute(
                "SELECT marked FROM streams JOIN numbering USING (session)"
                " WHERE session = ? AND stream = ? AND touched > ?",
                (session, stream, self._shelf.now() - self._idle),
            ).fetchone()
            return None if row is None or row[0] == NEVER else row[0]

        return await self._shelf.thread.read(work)

    async def forget(self, session: str, stream: str | None = None) -> None:
        """Drop a stream of a session; or all of them and their numbering, for a session that is over."""

        def work(connection: sqlite3.Connection) -> None:
            if stream is None:
                _forget(connection, session)
                connection.execute("DELETE FROM feeding WHERE session = ?", (session,))
            else:
                _forget_stream(connection, session, stream)

        await self._shelf.thread.write(work)

    def prune(self, connection: sqlite3.Connection, limit: int) -> None:
        """In the thread: forget sessions that were quiet for long, streams that ended, and what dead workers fed."""
        connection.execute("DELETE FROM feeding WHERE worker NOT IN (SELECT id FROM workers)")
        self._sweep(connection, self._shelf.now(), limit)
        query = "SELECT session FROM numbering WHERE touched <= ? LIMIT ?"
        for (session,) in connection.execute(query, (self._shelf.now() - self._idle, limit)).fetchall():
            _forget(connection, session, numbered=True)

    def release(self, connection: sqlite3.Connection) -> None:
        """In the thread: feed no stream any longer."""
        connection.execute("DELETE FROM feeding WHERE worker = ?", (self._shelf.worker,))

    def _sweep(self, connection: sqlite3.Connection, now: float, limit: int) -> None:
        query = "SELECT session, stream FROM streams WHERE ends <= ? LIMIT ?"
        for session, stream in connection.execute(query, (now, limit)).fetchall():
            _forget_stream(connection, session, stream)

    def _use(self, connection: sqlite3.Connection, session: str) -> None:
        now = self._shelf.now()
        row = connection.execute("SELECT touched FROM numbering WHERE session = ?", (session,)).fetchone()
        if row is not None and row[0] <= now - self._idle:
            _forget(connection, session, numbered=True)
        connection.execute(
            "INSERT INTO numbering (session, last, touched)"
            " VALUES (?, coalesce((SELECT last FROM numbering WHERE session = ?), 0), ?)"
            " ON CONFLICT (session) DO UPDATE SET touched = excluded.touched",
            (session, _FLOOR, now),
        )

    def _forget_marked(self, connection: sqlite3.Connection, session: str, stream: str, keep: int) -> None:
        where = (session, stream)
        query = "SELECT held, marked FROM streams WHERE session = ? AND stream = ?"
        count, marked = connection.execute(query, where).fetchone()
        if count <= keep:
            return
        gone = connection.execute(
            "DELETE FROM events WHERE session = ? AND stream = ? AND sequence <= (SELECT sequence FROM events"
            " WHERE session = ? AND stream = ? AND sequence <= ? ORDER BY sequence DESC LIMIT 1 OFFSET ?)",
            (*where, *where, marked, keep),
        ).rowcount
        connection.execute("UPDATE streams SET held = held - ? WHERE session = ? AND stream = ?", (gone, *where))

    def _make_room(self, connection: sqlite3.Connection, session: str, sequence: int) -> None:
        """Forget what was stored, in favour of a message that just was, until all is within bounds."""
        if held(connection, "all events") <= self._max_bytes:
            return
        self.prune(connection, _AT_ONCE)
        while held(connection, "all events") > self._max_bytes and self._lighten(connection, session, sequence):
            pass

    def _lighten(self, connection: sqlite3.Connection, session: str, sequence: int) -> bool:
        if held(connection, "events of session", session) > self._max_bytes // SESSION_SHARES:
            return _lose_oldest(connection, session, sequence)
        greedy = connection.execute(_GREEDY, (self._max_bytes // SHARES,)).fetchone()
        quiet = None
        if greedy is not None:
            quiet = connection.execute(_QUIET_OF_OWNER, (greedy[0], session)).fetchone()
        if quiet is None:
            quiet = connection.execute(_QUIET, (session,)).fetchone()
        if quiet is None:
            return _lose_oldest(connection, session, sequence)
        _forget(connection, quiet[0], numbered=True)
        return True


def _lose_oldest(connection: sqlite3.Connection, session: str, sequence: int) -> bool:
    """Forget the oldest message of a session, or of what nearly all are of, unless it is the one with this number."""
    row = connection.execute(
        "SELECT stream, (SELECT min(sequence) FROM events WHERE events.session = streams.session"
        " AND events.stream = streams.stream) AS first FROM streams WHERE session = ? AND held > 0"
        " ORDER BY held > ? * (SELECT sum(held) FROM streams WHERE session = ?) DESC, first LIMIT 1",
        (session, MOST_OF_SESSION, session),
    ).fetchone()
    if row is None or row[1] is None or row[1] == sequence:
        return False
    where = (session, row[0])
    connection.execute("DELETE FROM events WHERE session = ? AND stream = ? AND sequence = ?", (*where, row[1]))
    connection.execute("UPDATE streams SET held = held - 1 WHERE session = ? AND stream = ?", where)
    # What was not handed over is lost: see `marked`.
    set_ = "UPDATE streams SET marked = ? WHERE session = ? AND stream = ? AND marked < ?"
    connection.execute(set_, (NEVER, *where, row[1]))
    return True


def _forget_stream(connection: sqlite3.Connection, session: str, stream: str) -> None:
    connection.execute("DELETE FROM events WHERE session = ? AND stream = ?", (session, stream))
    connection.execute("DELETE FROM streams WHERE session = ? AND stream = ?", (session, stream))


def _forget(connection: sqlite3.Connection, session: str, *, numbered: bool = False) -> None:
    """Forget a session's messages; `numbered`, when it may live on and none of its numbers may come again."""
    if numbered:
        connection.execute(
            "INSERT INTO numbering (session, last, touched) SELECT ?, last, 9e99 FROM numbering WHERE session = ?"
            " ON CONFLICT (session) DO UPDATE SET last = max(last, excluded.last)",
            (_FLOOR, session),
        )
    connection.execute("DELETE FROM events WHERE session = ?", (session,))
    connection.execute("DELETE FROM streams WHERE session = ?", (session,))
    connection.execute("DELETE FROM numbering WHERE session = ?", (session,))
