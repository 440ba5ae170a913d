"""The schema and the rows of tables as resources."""

from typing import Annotated, Any
from urllib.parse import quote

import msgspec

from dovetail import Complete, Context, Server, get_context
from dovetail.errors import InvalidParams, ResourceNotFound
from dovetail.servers.sql.answers import Page, Schema, Table
from dovetail.servers.sql.cursors import UnknownCursor
from dovetail.servers.sql.database import Database
from dovetail.servers.sql.live import SCHEMA, table_uri
from dovetail.servers.sql.names import UnknownTable

MOST = 200
"""Tables that the schema as one resource has."""
_JSON = "application/json"


async def schema(database: Database, most: int = MOST) -> Schema:
    """Return the tables with their columns."""
    names = [table.name for table in await database.tables()]
    notes = [f"{len(names) - most} more tables: read {SCHEMA}/TABLE"] if len(names) > most else []
    found: list[Table] = []
    for name in names[:most]:
        try:
            found.append(await database.describe(name))
        except UnknownTable:
            continue  # dropped meanwhile
    return Schema(database=database.title, tables=found, notes=notes)


async def _tables(typed: str) -> list[str]:
    names = [table.name for table in await get_context().lifespan.database.tables()]
    return [name for name in names if name.lower().startswith(typed.lower())]


Name = Annotated[str, Complete(_tables)]


def offer(app: Server) -> None:
    """Offer them."""

    @app.resource(SCHEMA, title="Schema", mime_type=_JSON)
    async def read_schema(ctx: Context) -> Any:
        """All tables and views with their columns and keys."""
        return msgspec.to_builtins(await schema(ctx.lifespan.database))

    @app.resource(f"{SCHEMA}/{{table}}", title="A table's columns", mime_type=_JSON, any_path=True)
    async def read_table_schema(table: Name, ctx: Context) -> Any:
        """The columns, keys and indexes of one table."""
        try:
            return msgspec.to_builtins(await ctx.lifespan.database.describe(table))
        except UnknownTable:
            raise ResourceNotFound(f"{SCHEMA}/{quote(table, safe='')}") from None

    @app.resource("sql://table/{table}{?cursor}", title="A table's rows", mime_type=_JSON, any_path=True)
    async def read_table(table: Name, ctx: Context, cursor: str | None = None) -> Any:
        """Rows of one table, in the order of its primary key; `next` is where the rows after them are."""
        uri = table_uri(table)
        try:
            page: Page = await ctx.lifespan.database.rows(table, cursor)
        except UnknownTable:
            raise ResourceNotFound(uri) from None
        except UnknownCursor as error:
            raise InvalidParams(str(error)) from None
        found = msgspec.to_builtins(page)
        following = found.pop("next_cursor", None)
        return found | ({"next": f"{uri}?cursor={following}"} if following else {})
