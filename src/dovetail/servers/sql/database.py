"""What the tools need of a database, whichever it is."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from dovetail.servers.sql.answers import Cell, Page, Table, TableName

Params = Sequence[Cell | list[Cell]] | Mapping[str, Cell | list[Cell]] | None
Where = Mapping[str, Cell | list[Cell]]


class Limits(Struct, frozen=True):
    """What one call may cost.

    Attributes:
        seconds: A statement may take.
        rows: On one page.
        cell: Characters of a value.
        answer: Characters of a page, about.
        changes: Rows that one call may change.
    """

    seconds: float
    rows: int
    cell: int
    answer: int
    changes: int


class Database(Protocol):
    """A database. Errors are `ToolError`s that a model can do something about."""

    dialect: str
    """`sqlite` or `postgres`, for the parser."""
    title: str
    limits: Limits
    """What kind of SQL to write."""

    async def open(self) -> None:
        """Open what has to be open; called once, on the loop that serves.

        Raises:
            DefinitionError: What is denied is not there.
        """
        ...

    async def close(self) -> None:
        """Close everything."""
        ...

    async def query(self, sql: str, params: Params, cursor: str | None, limit: int | None) -> Page:
        """Run a statement that only reads."""
        ...

    async def explain(self, sql: str, params: Params) -> str:
        """Return the plan of a statement."""
        ...

    async def tables(self) -> list[TableName]:
        """Return the tables and views that may be read, sorted."""
        ...

    async def describe(self, table: str) -> Table:
        """Return one of them with its columns."""
        ...

    async def rows(self, table: str, cursor: str | None) -> Page:
        """Return rows of a table, in the order of its primary key."""
        ...

    async def count(self, table: str, where: Where) -> int:
        """Return how many rows fit a condition."""
        ...

    async def insert(self, table: str, rows: Sequence[Mapping[str, Cell]]) -> int:
        """Insert all rows or none; return how many."""
        ...

    async def update(self, table: str, values: Mapping[str, Cell], where: Where, expected: int) -> int:
        """Update the rows that fit, if there are as many as expected, or none."""
        ...

    async def delete(self, table: str, where: Where, expected: int) -> int:
        """Delete the rows that fit, if there are as many as expected, or none."""
        ...

    async def version(self) -> Any:
        """Return what changes when others change the data; None where that cannot be told."""
        ...
