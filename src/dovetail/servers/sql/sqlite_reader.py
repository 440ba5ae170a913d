"""One connection to an SQLite file that can only read, and what is done on it. Blocking; one caller at a time.

Four walls, each by itself enough: the file is opened with `mode=ro`, the connection is `query_only`, the authorizer
refuses all but reading, and a statement has been parsed before it comes here. `execute` takes a single statement.
"""

import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Any

from msgspec import Struct

from dovetail.errors import ToolError
from dovetail.servers.resting import Follower, Stamp, uri
from dovetail.servers.sql import sqlite_quotes
from dovetail.servers.sql.cells import Rows
from dovetail.servers.sql.names import quoted
from dovetail.servers.sql.policy import Parts, ascii_lower
from dovetail.servers.sql.sqlite_rules import TABLE_FUNCTIONS, Authorizer, Hidden, Known, hidden

Params = Sequence[Any] | dict[str, Any]
ASKED = "/**/"
"""Stands before every statement of somebody else's. The driver keeps prepared statements by their text, and what was
prepared is not authorized again: the same text must never be one that the server prepared on its own behalf."""
STEPS = 200
"""Steps of SQLite's machine between looks at the clock. A step takes the longer, the longer values may be."""
LIMITS = {
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 100_000,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 500,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 100,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 250_000,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 1_000,
    sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER: 1_000,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 50,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}


def opened(uri: str, busy: float, longest: int) -> sqlite3.Connection:
    """Open a file that is there; `longest` is the most bytes that one value may have."""
    connection = sqlite3.connect(
        uri,
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=busy,
        cached_statements=256,
    )
    try:
        # What is no UTF-8 is shown, not refused.
        connection.text_factory = partial(str, encoding="utf-8", errors="replace")
        for limit, value in LIMITS.items():
            connection.setlimit(limit, value)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, longest)
        for pragma in ("trusted_schema=0", "mmap_size=0", "temp_store=MEMORY", "cell_size_check=1"):
            connection.execute(f"PRAGMA {pragma}").close()
        if sys.version_info >= (3, 12):
            connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)
    except BaseException:
        connection.close()
        raise
    return connection


class Asked(Struct, frozen=True):
    """A statement of somebody else's.

    Attributes:
        sql: That was parsed, and only reads.
        params: For its placeholders.
        joined: Names that a USING names, folded.
        natural: It has a NATURAL join.
        quoted: Names in double quotes that have to be columns.
        tables: What it reads from, folded.
    """

    sql: str
    params: Params = ()
    joined: frozenset[str] = frozenset()
    natural: bool = False
    quoted: frozenset[str] = frozenset()
    tables: frozenset[str] = frozenset()


class Reader:
    """A connection that can only read."""

    def __init__(self, path: Path, denied: Sequence[Parts], *, busy: float, longest: int, quick: bool = False) -> None:
        """Open the file.

        Args:
            path: Of the file.
            denied: What may not be read.
            busy: Seconds to wait for somebody else's lock.
            longest: Bytes of a value.
            quick: Refuse statements of which one step may take long; `slow` tells.
        """
        self._denied = denied
        self._quick = quick
        self._authorizer = Authorizer()
        self._deadline = 0.0
        self._stopped = False
        self._ending = False
        self._version: int | None = None
        self.known: list[Known] = []
        """All tables and views, as of the last look at the schema; those that are denied among them."""
        self.expired = False
        """The last statement ran out of time."""
        self._path = path
        self._busy = busy
        self._longest = longest
        self._file = Follower(path, self._connected)

    @property
    def connection(self) -> sqlite3.Connection:
        """The one that is open now."""
        return self._file.connection

    def _connected(self, stamp: Stamp | None) -> sqlite3.Connection:
        connection = opened(uri(self._path, stamp), self._busy, self._longest)
        connection.execute("PRAGMA query_only=1").close()
        connection.set_authorizer(self._authorizer)
        connection.set_progress_handler(self._late, STEPS)
        return connection

    def _renew(self) -> None:
        """Open the file anew if it is another one."""
        if self._file.renew():
            self._version = None

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def stop(self) -> None:
        """End what runs, from any thread."""
        self._stopped = True
        with suppress(sqlite3.ProgrammingError):  # it was closed just now, for a new one
            self.connection.interrupt()

    def _late(self) -> bool:
        if self._ending:
            return False  # what ends a transaction is never stopped
        if self._stopped or monotonic() > self._deadline:
            self.expired = True
        return self.expired

    def within(self, seconds: float) -> None:
        """Give what comes next that much time."""
        self._deadline = monotonic() + seconds
        self.expired = False
        self._stopped = False
        self._authorizer.slow = False

    @property
    def refused(self) -> str:
        """What the authorizer denied last."""
        return self._authorizer.refused

    @property
    def slow(self) -> bool:
        """The last statement was refused because one step of it may take long, which is no fault of it."""
        return self._authorizer.slow

    @property
    def hidden(self) -> Hidden:
        """What is denied, as of the last look at the schema."""
        return self._authorizer.hidden

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        """See one state of the database, with rules that fit it."""
        self._renew()
        self._authorizer.trusted = True
        self.connection.execute("BEGIN").close()
        try:
            version = self.connection.execute("PRAGMA schema_version").fetchone()[0]
            if version != self._version:
                self._learn()
                self._version = version
            self._authorizer.refused = ""
            self._authorizer.trusted = False
            yield
        finally:
            self._authorizer.trusted = self._ending = True
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK").close()
            self._ending = False

    def _learn(self) -> None:
        self.known = schema = self.schema()
        # Some prepare writing when they are first used: that is done here, while nobody's statement runs.
        # One whose module is not there says so to whoever reads from it.
        for name in (*TABLE_FUNCTIONS, *(one.name for one in schema if one.kind == "virtual")):
            self._prepared(name)
        self._authorizer.virtual = frozenset(ascii_lower(one.name) for one in schema if one.kind == "virtual")
        rules = hidden(self._denied, schema)
        self._authorizer.hidden = rules
        if rules:
            # What a view shows, SQLite knows best: one that cannot be prepared is denied like what it shows.
            self._authorizer.trusted = False
            views = {ascii_lower(one.name) for one in schema if one.kind == "view" and not self._prepared(one.name)}
            self._authorizer.trusted = True
            self._authorizer.hidden = Hidden(rules.tables | views, rules.columns)

    def _prepared(self, table: str) -> bool:
        try:
            self.connection.execute(f"SELECT 1 FROM {quoted(table)} LIMIT 0").close()  # noqa: S608  a quoted name
        except sqlite3.Error:
            return False
        return True

    def schema(self) -> list[Known]:
        """All tables and views, those that are denied among them."""
        found = self.connection.execute(
            "SELECT l.name, l.type, coalesce(m.sql, '') FROM pragma_table_list AS l "
            "LEFT JOIN sqlite_schema AS m ON m.name = l.name AND m.type IN ('table', 'view') "
            "WHERE l.schema = 'main' AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        ).fetchall()
        return [Known(name, kind, sql, self._columns(name)) for name, kind, sql in found]

    def _columns(self, table: str) -> tuple[tuple[str, bool], ...]:
        try:
            rows = self.connection.execute("SELECT name, hidden FROM pragma_table_xinfo(?)", (table,)).fetchall()
        except sqlite3.Error:
            return ()  # a view of something that is gone
        return tuple((name, hidden_ in (2, 3)) for name, hidden_ in rows)

    def asked(self, sql: str, params: Any = ()) -> list[tuple[Any, ...]]:
        """Ask for something on the server's own behalf, such as the schema."""
        with self._snapshot():
            self._authorizer.trusted = True
            return self.connection.execute(sql, params).fetchall()

    def page(self, statement: Asked, skipped: int, rows: Rows) -> None:
        """Fill a page with what a statement returns."""
        with self._snapshot(), closing(self._begun("", statement)) as cursor:
            rows.columns = [column[0] for column in cursor.description or ()]
            if skipped:
                next(islice(cursor, skipped - 1, skipped), None)
            for row in cursor:
                if not rows.add(row):
                    break

    def plan(self, statement: Asked) -> list[tuple[Any, ...]]:
        """Return the steps of a statement: id, parent, unused, text."""
        with self._snapshot(), closing(self._begun("EXPLAIN QUERY PLAN ", statement)) as cursor:
            return cursor.fetchall()

    def _begun(self, before: str, asked: Asked) -> sqlite3.Cursor:
        columns = {column for _, column in self._authorizer.hidden.columns}
        if columns and (asked.natural or columns & asked.joined):
            # SQLite does not ask its authorizer for what these compare; see `sqlite_rules`.
            raise ToolError("Join with ON and name the columns: NATURAL and USING are not possible here.")
        sqlite_quotes.check(asked.quoted, asked.tables, self.known)
        self._authorizer.quick = self._quick
        try:
            return self.connection.execute(ASKED + before + asked.sql, asked.params)
        finally:
            self._authorizer.quick = False

    def version(self) -> tuple[Any, int]:
        """What changes when others change the file: something for the data, and a number for the schema."""
        self._renew()
        self._authorizer.trusted = True
        data = self.connection.execute("PRAGMA data_version").fetchone()[0]
        return (self._file.opened, data), self.connection.execute("PRAGMA schema_version").fetchone()[0]
