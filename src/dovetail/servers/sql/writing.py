"""The tools that change rows. Each says what would change and asks the user; only a yes changes anything.

The rows that would change are counted before the question, and again in the transaction that changes them: when the
number is another one, nothing is changed. Where a handler runs again from the top (2026-07-28), a changed number is a
changed question, and is asked anew.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

from msgspec import Meta

from dovetail import CapabilityMissing, Context, Server, ToolAnnotations, ToolError
from dovetail.servers.sql import changes
from dovetail.servers.sql.answers import Cell, Changed, Table
from dovetail.servers.sql.database import Database

T = TypeVar("T")
Row = dict[str, Cell]
Condition = Annotated[dict[str, Cell | list[Cell]], Meta(min_length=1)]
_BEYOND = "Triggers and foreign keys of the database may change more."


def offer(app: Server) -> None:
    """Offer them."""
    adds = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False)
    replaces = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False)
    app.add_tool(insert, title="Insert rows", annotations=adds)
    app.add_tool(update, title="Update rows", annotations=replaces)
    app.add_tool(delete, title="Delete rows", annotations=replaces)


async def insert(table: str, rows: Annotated[list[Row], Meta(min_length=1, max_length=1000)], ctx: Context) -> Changed:
    """Insert rows into a table, all of them or none. The user is asked first.

    Args:
        table: Its name, as list_tables has it.
        rows: Each an object of column names and values; columns that are left out get their defaults.
    """
    database: Database = ctx.lifespan.database
    found = await database.describe(table)
    rows = [_own(database, found, row) for row in rows]
    for row in rows:
        changes.check(found, row)
    _check_number(len(rows), database)
    question = f"Insert {_rows(len(rows))} into {found.name}?\n{changes.shown(rows)}"
    return await _confirmed(ctx, found, question, "insert", lambda: database.insert(found.name, rows))


async def update(table: str, values: Annotated[Row, Meta(min_length=1)], where: Condition, ctx: Context) -> Changed:
    """Set columns of the rows that fit a condition, in all of them or in none. The user is asked first.

    Args:
        table: Its name, as list_tables has it.
        values: The columns to set, each with its new value.
        where: Columns with the value that each must have: a list for one of several, null for NULL. All must fit.
    """
    database: Database = ctx.lifespan.database
    found = await database.describe(table)
    values, where = _own(database, found, values), _own(database, found, where)
    changes.check(found, values, where)
    number = _check_number(await database.count(found.name, where), database)
    question = (
        f"Update {_rows(number)} of {found.name}?\nSet {changes.shown([values])}\n"
        f"where {changes.shown([where])}\n{_BEYOND}"
    )
    return await _confirmed(ctx, found, question, "update", lambda: database.update(found.name, values, where, number))


async def delete(table: str, where: Condition, ctx: Context) -> Changed:
    """Delete the rows that fit a condition, all of them or none. The user is asked first.

    Args:
        table: Its name, as list_tables has it.
        where: Columns with the value that each must have: a list for one of several, null for NULL. All must fit.
    """
    database: Database = ctx.lifespan.database
    found = await database.describe(table)
    where = _own(database, found, where)
    changes.check(found, {}, where)
    number = _check_number(await database.count(found.name, where), database)
    question = f"Delete {_rows(number)} of {found.name}?\nwhere {changes.shown([where])}\n{_BEYOND}"
    return await _confirmed(ctx, found, question, "delete", lambda: database.delete(found.name, where, number))


async def _confirmed(
    ctx: Context, table: Table, question: str, what: str, change: Callable[[], Awaitable[int]]
) -> Changed:
    try:
        answer = await ctx.elicit(question, key=what)
    except CapabilityMissing:
        raise ToolError(
            "Nothing was changed: the user has to confirm every change, and this client cannot ask. "
            "Tell the user to use a client that supports elicitation."
        ) from None
    if not answer.accepted:
        raise ToolError("Nothing was changed: the user did not agree. Do not try again unless the user says so.")

    async def effect() -> int:
        return await change()

    rows: int = await ctx.once(what, effect)
    await ctx.lifespan.tell(table.name)
    return Changed(table=table.name, rows=rows)


def _own(database: Database, table: Table, given: dict[str, T]) -> dict[str, T]:
    """Return values by the names that the table has for its columns; in PostgreSQL a name is one as it stands only."""
    if database.dialect == "sqlite":
        return changes.own(table, given)
    changes.check_texts(given)
    return given


def _check_number(number: int, database: Database) -> int:
    if number == 0:
        raise ToolError("No row fits: nothing would change. Look with query which values there are.")
    if number > database.limits.changes:
        raise ToolError(
            f"{number} rows would change, and one call may change {database.limits.changes}. Narrow it down."
        )
    return number


def _rows(number: int) -> str:
    return "1 row" if number == 1 else f"{number} rows"
