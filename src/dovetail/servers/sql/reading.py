"""The tools that read."""

from typing import Annotated

from msgspec import Meta

from dovetail import Context, Server, ToolAnnotations
from dovetail.servers.sql.answers import Cell, Page, Table, TableList

Value = Cell | list[Cell]
Bound = list[Value] | dict[str, Value] | None
Statement = Annotated[str, Meta(min_length=1, max_length=20_000)]
LISTED = 1_000
"""Tables in one answer."""


def offer(app: Server, *, sqlite: bool, most: int) -> None:
    """Offer them.

    Args:
        app: To whom they belong.
        sqlite: It is SQLite, not PostgreSQL.
        most: Rows of one answer.
    """
    reads = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
    kind = "SQLite" if sqlite else "PostgreSQL"
    mark = "? (with a list) or :name (with an object)" if sqlite else "$1, $2 (with a list) or :name (with an object)"
    description = (
        f"Run one {kind} statement that reads (SELECT, WITH, VALUES) and return its rows. It can change nothing. "
        f"At most {most} rows come at once; next_cursor brings those after them, which needs a unique ORDER BY. "
        "Long values are cut, and the answer says so. Use list_tables and describe_table first, and bind values "
        f"as {mark} rather than writing them into the statement."
    )
    app.add_tool(query, title="Run a query", annotations=reads, description=description)
    app.add_tool(list_tables, title="List tables", annotations=reads)
    app.add_tool(describe_table, title="Describe a table", annotations=reads)
    app.add_tool(explain, title="Explain a query", annotations=reads)


async def query(
    sql: Statement,
    ctx: Context,
    params: Bound = None,
    cursor: str | None = None,
    limit: Annotated[int, Meta(ge=1, le=10_000)] | None = None,
) -> Page:
    """Run a query.

    Args:
        sql: One statement that reads.
        params: Values for its placeholders: a list by position, or an object by name.
        cursor: next_cursor of the answer before, with the same sql and params.
        limit: Return no more rows than this.
    """
    page: Page = await ctx.lifespan.database.query(sql, params, cursor, limit)
    return page


async def list_tables(ctx: Context, containing: str = "") -> TableList:
    """List the tables and views with their kind and, where the database has an estimate, their number of rows.

    Names are as they are written in a statement. At most 1,000 are listed.

    Args:
        containing: Only those whose name has this in it, in upper or lower case.
    """
    database = ctx.lifespan.database
    found = [one for one in await database.tables() if containing.lower() in one.name.lower()]
    notes = [f"{len(found) - LISTED} more: ask with `containing`"] if len(found) > LISTED else []
    return TableList(database=database.title, tables=found[:LISTED], notes=notes)


async def describe_table(table: str, ctx: Context) -> Table:
    """Describe a table or view: its columns with types, its keys, what it refers to, and its indexes.

    Args:
        table: Its name, as list_tables has it.
    """
    found: Table = await ctx.lifespan.database.describe(table)
    return found


async def explain(sql: Statement, ctx: Context, params: Bound = None) -> str:
    """Show how the database would run a statement, without running it: what it scans, which indexes it uses.

    Use it when a query is slow or was stopped.

    Args:
        sql: One statement that reads, without EXPLAIN.
        params: Values for its placeholders, as for query.
    """
    plan: str = await ctx.lifespan.database.explain(sql, params)
    return plan
