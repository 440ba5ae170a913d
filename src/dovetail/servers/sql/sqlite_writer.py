"""Changing rows of an SQLite file: a connection of its own for each change, in one transaction. Blocking."""

import sqlite3
from contextlib import closing
from pathlib import Path
from time import monotonic
from typing import Any

from dovetail.errors import ToolError
from dovetail.servers.sql.changes import Built, drifted
from dovetail.servers.sql.names import quoted
from dovetail.servers.sql.sqlite_failures import explained
from dovetail.servers.sql.sqlite_reader import STEPS, opened
from dovetail.servers.sql.sqlite_rules import Authorizer

_LONGEST = 1 << 24


def changed(path: Path, seconds: float, built: list[Built], expected: int) -> int:
    """Run all statements or none; return how many rows they changed.

    Raises:
        ToolError: As many rows as expected would not be changed, or the database refuses; nothing is changed.
    """
    try:
        with closing(opened(f"{path.as_uri()}?mode=rw", seconds, _LONGEST)) as connection:
            return _commit(connection, built, expected, seconds)
    except (sqlite3.Error, MemoryError, OverflowError) as error:
        raise _refused(error, seconds) from None


def _commit(connection: sqlite3.Connection, built: list[Built], expected: int, seconds: float) -> int:
    deadline = monotonic() + seconds
    connection.execute("PRAGMA foreign_keys=1").close()
    authorizer = Authorizer(writes=True)
    authorizer.trusted = False
    connection.set_progress_handler(lambda: monotonic() > deadline, STEPS)
    connection.execute("BEGIN IMMEDIATE").close()
    try:
        _prepare_virtual(connection)
        connection.set_authorizer(authorizer)
        count = sum(_one(connection, sql, values) for sql, values in built)
        if count != expected:
            raise drifted(expected, count)
        connection.execute("COMMIT").close()
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK").close()
        raise
    return count


def _one(connection: sqlite3.Connection, sql: str, values: list[Any]) -> int:
    with closing(connection.execute(sql, values)) as cursor:
        return cursor.rowcount


def _prepare_virtual(connection: sqlite3.Connection) -> None:
    """Let virtual tables prepare what they need, before the authorizer looks."""
    for (name,) in connection.execute("SELECT name FROM pragma_table_list WHERE type = 'virtual'").fetchall():
        connection.execute(f"SELECT 1 FROM {quoted(name)} LIMIT 0").close()  # noqa: S608  a quoted name


def _refused(error: Exception, seconds: float) -> ToolError:
    if isinstance(error, sqlite3.IntegrityError):
        return ToolError(f"Nothing was changed, the database has a rule against it: {str(error)[:200]}")
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
        return ToolError("Nothing was changed: the file cannot be written to.")
    return explained(error, seconds, tuple, tuple)
