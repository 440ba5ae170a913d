"""INSERT, UPDATE and DELETE from structured arguments: names quoted, values bound (S608). Sans-I/O."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from dovetail.errors import ToolError, quote
from dovetail.servers.sql.answers import Cell, Table
from dovetail.servers.sql.database import Where
from dovetail.servers.sql.names import quoted, unknown
from dovetail.servers.sql.policy import ascii_lower
from dovetail.servers.sql.postgres_failures import NUL

T = TypeVar("T")
Built = tuple[str, list[Any]]
RANGE: Final = (
    f"whole numbers are from {-(2**63)} to {2**63 - 1} here. Write a larger one with an exponent, such as 1e19, "
    "or as text."
)
MOST = 1_000
"""Values of one statement; SQLite is told to take no more."""
SHOWN: Final = 50
"""Rows, and values of one condition, that people read before they agree: of more, how many more there are."""
_READABLE: Final = 20_000
"""Characters of rows that people read, about."""
Mark = Callable[[int], str]
"""How the n-th bound value, from 1, is written."""


def question(number: int) -> str:
    """SQLite's way."""
    return f"?{number}"


def dollar(number: int) -> str:
    """PostgreSQL's way."""
    return f"${number}"


def check(table: Table, values: Mapping[str, Any], where: Where | None = None) -> None:
    """Refuse what cannot be changed so.

    Raises:
        ToolError: A view, a column that is not there or computed, or no condition.
    """
    if table.kind not in ("table", "virtual", "partitioned table"):
        raise ToolError(f"{table.name} is a {table.kind}: only rows of tables can be changed.")
    columns = {column.name: column for column in table.columns}
    for name in (*values, *(where or ())):
        if name not in columns:
            raise ToolError(unknown("column", name, columns, f"describe_table shows those of {table.name}."))
    for name in values:
        if columns[name].generated:
            raise ToolError(f"{name} is computed by the database and cannot be set: leave it out.")
    if (count := sum(len(one) if isinstance(one, list) else 1 for one in (where or {}).values())) > MOST - len(values):
        raise ToolError(f"`where` has {count} values, of at most {MOST - len(values)}: change fewer rows at a time.")
    if where is not None and not where:
        raise ToolError("`where` is empty: name at least one column and the value that it must have.")


def check_texts(given: Mapping[str, Any]) -> None:
    """Refuse what no text of PostgreSQL can hold, before anybody is asked.

    Raises:
        ToolError: A value has a NUL character in it.
    """
    for name, value in given.items():
        if any(isinstance(one, str) and "\0" in one for one in (value if isinstance(value, list) else [value])):
            raise ToolError(f"{quote(name, 80)}: {NUL}")


def own(table: Table, given: Mapping[str, T]) -> dict[str, T]:
    """Return values by the names that the table has for its columns, where upper and lower case are alike (SQLite).

    Raises:
        ToolError: One column has two values, or a value is a number that SQLite does not have.
    """
    names = {ascii_lower(column.name): column.name for column in table.columns}
    found: dict[str, T] = {}
    for name, value in given.items():
        own_name = names.get(ascii_lower(name), name)
        if own_name in found:
            raise ToolError(f"The column {quote(own_name, 80)} is named twice: upper and lower case are alike.")
        if any(
            type(one) is int and not -(2**63) <= one < 2**63 for one in (value if isinstance(value, list) else [value])
        ):
            raise ToolError(f"{quote(own_name, 80)}: {RANGE}")
        found[own_name] = value
    return found


def condition(where: Where, mark: Mark, start: int = 1) -> Built:
    """Return a condition: all columns have their value, or one of their values."""
    terms: list[str] = []
    values: list[Any] = []
    for name, wanted in where.items():
        several = wanted if isinstance(wanted, list) else [wanted]
        given = [value for value in several if value is not None]
        marks = [mark(start + len(values) + at) for at in range(len(given))]
        values += given
        term = f"{quoted(name)} IN ({', '.join(marks)})" if marks else ""
        if len(given) < len(several):
            term = f"({term} OR {quoted(name)} IS NULL)" if term else f"{quoted(name)} IS NULL"
        terms.append(term or "1 = 0")
    return " AND ".join(terms), values


def reading(table: str, of: Table) -> str:
    """Return the statement that reads all rows of a table, in the order of its primary key."""
    columns = ", ".join(quoted(column.name) for column in of.columns)
    order = ", ".join(quoted(name) for name in of.primary_key)
    return f"SELECT {columns} FROM {table}" + (f" ORDER BY {order}" if order else "")  # noqa: S608  see above


def counting(table: str, where: Where, mark: Mark) -> Built:
    """Return the statement that counts the rows that fit."""
    text, values = condition(where, mark)
    return f"SELECT count(*) FROM {table} WHERE {text}", values  # noqa: S608  see above


def inserting(table: str, row: Mapping[str, Cell], mark: Mark) -> Built:
    """Return the statement that inserts a row."""
    if not row:
        return f"INSERT INTO {table} DEFAULT VALUES", []
    names = ", ".join(quoted(name) for name in row)
    marks = ", ".join(mark(at + 1) for at in range(len(row)))
    return f"INSERT INTO {table} ({names}) VALUES ({marks})", list(row.values())  # noqa: S608  see above


def updating(table: str, values: Mapping[str, Cell], where: Where, mark: Mark) -> Built:
    """Return the statement that updates the rows that fit."""
    names = ", ".join(f"{quoted(name)} = {mark(at + 1)}" for at, name in enumerate(values))
    text, wanted = condition(where, mark, len(values) + 1)
    return f"UPDATE {table} SET {names} WHERE {text}", [*values.values(), *wanted]  # noqa: S608  see above


def deleting(table: str, where: Where, mark: Mark) -> Built:
    """Return the statement that deletes the rows that fit."""
    text, values = condition(where, mark)
    return f"DELETE FROM {table} WHERE {text}", values  # noqa: S608  see above


def shown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return values for people to read and confirm: each on one line and cut, whatever stands in it."""
    lines: list[str] = []
    size = 0
    for row in rows[:SHOWN]:
        line = ", ".join(f"{_plain(name)}: {_value(value)}" for name, value in row.items())
        size += len(line)
        if lines and size > _READABLE:
            break
        lines.append(line)
    if len(lines) < len(rows):
        lines.append(f"and {len(rows) - len(lines)} more, which are not shown")
    return "\n".join(lines)


def _value(value: Any) -> str:
    match value:
        case list():
            more = f" or one of {len(value) - SHOWN} more, which are not shown" if len(value) > SHOWN else ""
            return " or ".join(_value(one) for one in value[:SHOWN]) + more
        case None:
            return "NULL"
        case str():
            return f'"{_plain(value, 120)}"'
    return str(value)


def _plain(text: str, most: int = 80) -> str:
    """A text that cannot look like another line of the question."""
    text = "".join(letter if letter.isprintable() else "·" for letter in text[: most + 1])
    return text if len(text) <= most else text[:most] + "…"


def drifted(expected: int, found: int) -> ToolError:
    """Say that the data is not what was confirmed any more."""
    return ToolError(
        f"Nothing was changed: {expected} rows were confirmed, and {found} would be changed now. "
        "Either somebody changed the data meanwhile, or a rule of the database, such as a trigger, passes over rows. "
        "Look with query which rows fit: if their number is another one, call again; else tell the user."
    )
