"""What runs while the server does: the database, and the look for changes that others made."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

from dovetail import Server
from dovetail.errors import DovetailError
from dovetail.servers.sql.database import Database

SCHEMA = "sql://schema"
MOST_TABLES = 500
"""Tables whose readers are told when anything in the file has changed: which table it was, SQLite does not say."""


def table_uri(name: str) -> str:
    """Where the rows of a table are."""
    return f"sql://table/{quote(name, safe='')}"


class Live:
    """A database that is open."""

    def __init__(self, app: Server, database: Database) -> None:
        """Take a database that was opened; `app` tells who subscribed."""
        self.database = database
        self._app = app
        self._version: Any = None

    async def look(self) -> bool:
        """See whether others changed the data since the last look, and tell who subscribed."""
        found = await self.database.version()
        before, self._version = self._version, found
        if before is None or found is None or found == before:
            return False
        await self.tell(schema=found[1] != before[1])
        return True

    async def tell(self, *tables: str, schema: bool = False) -> None:
        """Tell who subscribed that tables have changed; all of them, when none is named."""
        told = self._app.notify.resource_updated
        names = tables or [table.name for table in (await self.database.tables())[:MOST_TABLES]]
        for name in names:
            told(table_uri(name))
            if schema:
                told(f"{SCHEMA}/{quote(name, safe='')}")
        if schema:
            told(SCHEMA)


@asynccontextmanager
async def opened(app: Server, make: Callable[[], Database], poll: float) -> AsyncIterator[Live]:
    """A database for as long as the server runs; looked at every `poll` seconds, if that is not 0."""
    database = make()
    await database.open()
    live = Live(app, database)
    looking = asyncio.create_task(_look(live, poll)) if poll and database.dialect == "sqlite" else None
    try:
        yield live
    finally:
        if looking is not None:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
        await database.close()


async def _look(live: Live, poll: float) -> None:
    while True:
        try:
            await live.look()
        except DovetailError:
            pass  # it is told with the next change
        await asyncio.sleep(poll)
