"""Statements of somebody else's as they are carried out, here or in another process, and what passes between. Sans-I/O.

How it passes: see `children`. A failure crosses as what it is, to be told where the others are told.
"""

import sqlite3
from typing import Any, Final

import msgspec

from dovetail.errors import ToolError
from dovetail.servers.sql import cursors
from dovetail.servers.sql.answers import Page
from dovetail.servers.sql.cells import Rows
from dovetail.servers.sql.policy import Parts
from dovetail.servers.sql.sqlite_failures import code
from dovetail.servers.sql.sqlite_reader import Asked, Reader

FAILURES: Final = (sqlite3.Error, MemoryError, OverflowError)
_KINDS: Final[dict[str, type[Exception]]] = {
    one.__name__: one
    for one in (
        MemoryError,
        OverflowError,
        ToolError,
        sqlite3.ProgrammingError,
        sqlite3.InterfaceError,
        sqlite3.DatabaseError,
    )
}


class Query(msgspec.Struct, frozen=True, tag=True):
    """Return a page of what a statement returns.

    Attributes:
        asked: The statement.
        skipped: Rows before the page.
        limit: Rows of the page.
        cell: Characters of a value.
        answer: Characters of the page.
        of: What the cursor of the next page belongs to.
    """

    asked: Asked
    skipped: int
    limit: int
    cell: int
    answer: int
    of: bytes

    def run(self, reader: Reader) -> Page:
        """Do it."""
        rows = Rows([], self.limit, self.cell, self.answer)
        reader.page(self.asked, self.skipped, rows)
        return rows.page(cursors.make(self.skipped + len(rows.rows), self.of) if rows.full else None)


class Plan(msgspec.Struct, frozen=True, tag=True):
    """Return the steps of a statement: id, parent, unused, text."""

    asked: Asked

    def run(self, reader: Reader) -> list[tuple[Any, ...]]:
        """Do it."""
        return reader.plan(self.asked)


class Setup(msgspec.Struct, frozen=True):
    """The first message: which file, what is denied, bytes of a value, seconds for a lock, MiB for all of SQLite."""

    path: str
    denied: tuple[Parts, ...]
    longest: int
    busy: float
    memory: int


class Order(msgspec.Struct, frozen=True):
    """A job, and the seconds that it has."""

    job: Query | Plan
    seconds: float


class Outcome(msgspec.Struct, frozen=True):
    """What came of it: a result, or a failure's kind, code and message."""

    result: msgspec.Raw = msgspec.Raw(b"\xc0")
    kind: str = ""
    number: int = -1
    message: str = ""


def failed(error: Exception) -> Outcome:
    """Return a failure as it is sent."""
    kind = next((one.__name__ for one in type(error).__mro__ if one.__name__ in _KINDS), "DatabaseError")
    return Outcome(kind=kind, number=code(error), message=str(error))


def failure(outcome: Outcome) -> Exception:
    """Return it as it was raised."""
    error = _KINDS[outcome.kind](outcome.message)
    if isinstance(error, sqlite3.Error) and outcome.number >= 0:
        error.sqlite_errorcode = outcome.number
    return error
