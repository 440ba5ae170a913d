"""What the tools do on an SQLite file."""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from dovetail.errors import ToolError
from dovetail.servers.sql import changes, cursors, sqlite_schema, statements
from dovetail.servers.sql.answers import Cell, Page, Table, TableName
from dovetail.servers.sql.changes import Built, question
from dovetail.servers.sql.database import Params, Where
from dovetail.servers.sql.names import quoted
from dovetail.servers.sql.sqlite_jobs import Plan, Query
from dovetail.servers.sql.sqlite_quotes import doubtful
from dovetail.servers.sql.sqlite_reader import Asked
from dovetail.servers.sql.sqlite_running import Running
from dovetail.servers.sql.sqlite_writer import changed


class SqliteDatabase(Running):
    """A file that was there when the server was made."""

    dialect = "sqlite"
    title = f"SQLite {sqlite3.sqlite_version}"

    async def query(self, sql: str, params: Params, cursor: str | None, limit: int | None) -> Page:
        """Run a statement that only reads."""
        statement = statements.read(sql, self.dialect)
        of = cursors.digest(sql, params)
        skipped = cursors.offset(cursor, of)
        most = min(limit or self.limits.rows, self.limits.rows)
        asked = _asked(sql, params, statement)
        job = Query(asked, skipped, most, self.limits.cell, self.limits.answer, of)
        return await self.run_job(job, Page, statement)

    async def explain(self, sql: str, params: Params) -> str:
        """Return the plan of a statement: what is scanned, what is looked up by an index."""
        statement = statements.read(sql, self.dialect)
        job = Plan(_asked(sql, params, statement))
        steps = await self.run_job(job, list[tuple[int, int, int, str]], statement)
        depth: dict[int, int] = {0: -1}
        lines = []
        for step, parent, _, text in steps[:500]:
            depth[step] = depth.get(parent, -1) + 1
            lines.append("  " * depth[step] + text)
        return "\n".join(lines) or "The plan is empty: nothing is read."

    async def version(self) -> Any:
        """Return what changes when others change the file."""
        try:
            return await self.run(lambda reader: reader.version())
        except ToolError:
            return None

    async def tables(self) -> list[TableName]:
        """Return the tables and views that may be read, sorted."""
        return await self.run(lambda reader: sqlite_schema.names(reader))

    async def describe(self, table: str) -> Table:
        """Return one of them with its columns."""
        return await self.run(lambda reader: sqlite_schema.described(reader, table))

    async def rows(self, table: str, cursor: str | None) -> Page:
        """Return rows of a table, in the order of its primary key."""
        found = await self.describe(table)
        return await self.query(changes.reading(quoted(found.name), found), None, cursor, None)

    async def count(self, table: str, where: Where) -> int:
        """Return how many rows fit a condition."""
        found = await self.describe(table)
        changes.check(found, {}, where)
        sql, values = changes.counting(quoted(found.name), where, question)
        rows = await self.run(lambda reader: reader.asked(sql, values))
        return int(rows[0][0])

    async def insert(self, table: str, rows: Sequence[Mapping[str, Cell]]) -> int:
        """Insert all rows or none; return how many."""
        found = await self.describe(table)
        for row in rows:
            changes.check(found, row)
        name = quoted(found.name)
        return await self._change([changes.inserting(name, row, question) for row in rows], len(rows))

    async def update(self, table: str, values: Mapping[str, Cell], where: Where, expected: int) -> int:
        """Update the rows that fit, if there are as many as expected, or none."""
        found = await self.describe(table)
        changes.check(found, values, where)
        return await self._change([changes.updating(quoted(found.name), values, where, question)], expected)

    async def delete(self, table: str, where: Where, expected: int) -> int:
        """Delete the rows that fit, if there are as many as expected, or none."""
        found = await self.describe(table)
        changes.check(found, {}, where)
        return await self._change([changes.deleting(quoted(found.name), where, question)], expected)

    async def _change(self, built: list[Built], expected: int) -> int:
        return await self.run_to_end(lambda: changed(self.path, self.limits.seconds, built, expected))


def _asked(sql: str, params: Params, statement: statements.Statement) -> Asked:
    bound: Any = params or ()
    return Asked(sql, bound, statement.joined, statement.natural, doubtful(sql, statement.tree), statement.tables)
