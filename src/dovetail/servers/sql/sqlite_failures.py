"""What a model reads when SQLite refuses. Sans-I/O; no value and no path is repeated."""

import sqlite3
from collections.abc import Callable, Iterable
from re import search

from dovetail.errors import ToolError, quote
from dovetail.servers.sql.changes import RANGE
from dovetail.servers.sql.names import unknown

BUSY = frozenset((sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED))


def code(error: BaseException) -> int:
    """Return SQLite's primary result code; -1 when there is none."""
    found = getattr(error, "sqlite_errorcode", None)
    return -1 if found is None else int(found) & 0xFF


def late(seconds: float) -> ToolError:
    """Say that a statement took too long."""
    return ToolError(
        f"The statement ran longer than {seconds:g} seconds and was stopped. Narrow it down with WHERE, look at its "
        "plan with explain, or aggregate less."
    )


def explained(
    error: Exception,
    seconds: float,
    columns: Callable[[], Iterable[str]],
    tables: Callable[[], Iterable[str]],
    star: bool = False,
) -> ToolError:
    """Return the error for the model.

    Args:
        error: What came from the driver.
        seconds: That the statement had.
        columns: Those that are to be had, for a name that is not known.
        tables: The same of tables.
        star: A `*` stands for a column that is denied.
    """
    number = code(error)
    message = str(error)
    if isinstance(error, MemoryError):
        return ToolError("The statement needs more memory than it may have. Select fewer or shorter values.")
    if number == sqlite3.SQLITE_INTERRUPT:
        return late(seconds)
    if number == sqlite3.SQLITE_AUTH or message.startswith(("access to ", "not authorized", "authorizer")):
        return _denied(message, star)
    if said := _nameless(message, columns, tables):
        return ToolError(said)
    if isinstance(error, OverflowError):
        return ToolError(f"A parameter does not fit: {RANGE}")
    if isinstance(error, sqlite3.ProgrammingError | sqlite3.InterfaceError):
        return ToolError(f"The parameters do not fit the statement: {quote(message, 200)}")
    return ToolError(_SAID.get(number) or f"SQLite refused: {quote(message, 220)}")


def _nameless(message: str, columns: Callable[[], Iterable[str]], tables: Callable[[], Iterable[str]]) -> str | None:
    """Say what there is in place of what the statement names; None if that is not the matter."""
    if found := search(r"no such column: (?:.*\.)?(.+)$", message):
        return unknown("column", found[1], columns(), "describe_table shows the columns.")
    if message == "no such table: generate_series":
        return _NO_SERIES
    if found := search(r"no such table: (?:main\.)?(.+)$", message):
        return unknown("table", found[1], tables(), "list_tables shows what there is.")
    if found := search(r"vtable constructor failed: (.+)$", message):
        return f"{quote(found[1], 80)} cannot be opened here. Do without it: list_tables shows what there is."
    return None


_NO_SERIES = (
    "This SQLite has no generate_series. Write WITH RECURSIVE n(value) AS "
    "(SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 10) SELECT value FROM n."
)
_LOCKED = "The database is locked by somebody else. Try again in a moment."
_UNREADABLE = "The database cannot be read: its owner has to look at the file."
_SAID = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_TOOBIG: "A value is too long. Select a part of it with substr(column, start, length).",
    sqlite3.SQLITE_CANTOPEN: _UNREADABLE,
    sqlite3.SQLITE_NOTADB: _UNREADABLE,
    sqlite3.SQLITE_CORRUPT: _UNREADABLE,
    sqlite3.SQLITE_IOERR: _UNREADABLE,
}


def _denied(message: str, star: bool) -> ToolError:
    if "function" in message:
        return ToolError("The statement calls a function that is not available here. Do without it.")
    hint = " `*` stands for all columns: name those that you need." if star else ""
    return ToolError(
        "The statement reads something that is not available here: list_tables and describe_table show what is." + hint
    )
