"""A PostgreSQL database: every statement in a read-only transaction of its own, and under limits that it cannot lift.

What is run has passed the parser (`statements`), has no name that stands for an unsafe function (`postgres_words`,
`postgres_hidden`), stands as a subquery in a cursor's SELECT, which nothing but a query can, and is rolled back.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from dovetail.errors import DefinitionError, ToolError
from dovetail.servers.sql import changes, cursors, postgres_schema
from dovetail.servers.sql.address import Postgres
from dovetail.servers.sql.answers import Cell, Page, Table, TableName
from dovetail.servers.sql.cells import Rows
from dovetail.servers.sql.changes import Built, dollar
from dovetail.servers.sql.database import Limits, Params, Where
from dovetail.servers.sql.policy import Parts
from dovetail.servers.sql.postgres_checking import Checked, Checker
from dovetail.servers.sql.postgres_deadline import Deadline
from dovetail.servers.sql.postgres_failures import busy, explained, late, unreachable
from dovetail.servers.sql.postgres_hidden import Hidden

_log = logging.getLogger("dovetail.servers.sql")
_NATIVE: Final = frozenset((16, 20, 21, 23, 26, 700, 701))
"""Types whose values JSON has as they are: booleans, whole numbers, floats. All others travel as text."""
_BYTES: Final = 17
_OPENING: Final = "SELECT * FROM (\n"
_WAIT: Final = 10.0
"""Seconds for a connection, at most."""
_GRACE: Final = 0.5
"""Seconds between the time after which PostgreSQL stops where it can, and the end of the connection."""
_MARGIN: Final = 1.5
"""Seconds longer than a statement that one waits for its connection: its end takes a moment, too."""
_BATCH: Final = 4 << 20
"""Characters that one batch of rows may hold at worst."""


class PostgresDatabase:
    """A database on a server."""

    dialect = "postgres"
    title = "PostgreSQL"

    def __init__(
        self, address: Postgres, denied: Sequence[Parts], limits: Limits, connections: int, memory: int
    ) -> None:
        """Nothing is opened yet; `memory` is in MiB, for each sort or hash of a statement."""
        import psycopg
        import psycopg_pool

        self.limits = limits
        self._psycopg = psycopg
        self._pools = psycopg_pool
        self._address = address
        self._connections = connections
        self._checker = Checker(denied)
        self._pool: Any = None
        self._asked = self._lent = 0
        """Calls that want a connection or have one, and those of them that have one."""
        milliseconds = max(1, int(limits.seconds * 1000))
        self._opening = (
            f"SET LOCAL statement_timeout = {milliseconds}; SET LOCAL lock_timeout = {milliseconds}; "
            f"SET LOCAL idle_in_transaction_session_timeout = {milliseconds + 30_000}; "
            f"SET LOCAL work_mem = '{memory}MB'; SET LOCAL max_parallel_workers_per_gather = 0; "
            "SET LOCAL jit = off; SET LOCAL standard_conforming_strings = on; SET LOCAL client_encoding = 'UTF8'"
        )

    async def open(self) -> None:
        """Open the pool; where something is denied, see that it is there.

        Raises:
            DefinitionError: The database can be reached, and lacks what is denied.
        """
        self._pool = self._pools.AsyncConnectionPool(
            self._address.conninfo,
            min_size=0,
            max_size=self._connections,
            open=False,
            timeout=min(_WAIT, self.limits.seconds),
            reconnect_timeout=5.0,
            num_workers=1,
            kwargs={
                "autocommit": True,
                "prepare_threshold": None,
                "cursor_factory": self._psycopg.AsyncRawCursor,
                "connect_timeout": 10,
                "application_name": "dovetail",
            },
            configure=self._configure,
            check=self._pools.AsyncConnectionPool.check_connection,
        )
        await self._pool.open(wait=False)
        if self._checker.denied:
            try:
                await self._see_denied()
            except ToolError:
                _log.warning("The database cannot be reached yet: whether it has what is denied was not looked at")
            except DefinitionError:
                await self.close()
                raise

    async def _configure(self, connection: Any) -> None:
        await connection.execute("SET default_transaction_read_only = on")

    async def _see_denied(self) -> None:
        async with self._transaction() as (connection, _):
            lost = await self._checker.missing(connection)
        if lost is not None:
            raise DefinitionError(f"deny: the database has no {'.'.join(lost)!r}; is it misspelt?")

    async def close(self) -> None:
        """Close all connections."""
        if self._pool is not None:
            await self._pool.close(timeout=2.0)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        """A connection of the pool. Where all are in use, one waits for as long as a statement may take.

        Who waits for one to be made learns sooner that the database cannot be reached.
        """
        self._asked += 1
        try:
            crowded = self._asked > self._connections
            patience = self.limits.seconds + _MARGIN if crowded else min(_WAIT, self.limits.seconds)
            async with self._pool.connection(timeout=patience) as connection:
                self._lent += 1
                try:
                    yield connection
                finally:
                    self._lent -= 1
        except self._pools.PoolTimeout:
            if self._lent >= self._connections:
                raise busy(self._connections) from None
            _log.warning("There is no connection to the database")
            raise unreachable() from None
        finally:
            self._asked -= 1

    @asynccontextmanager
    async def _transaction(self, *, writes: bool = False) -> AsyncIterator[tuple[Any, Hidden]]:
        """A transaction, with what is denied in it; rolled back at its end, if it was not committed.

        All that is read in it has the time of one statement. One that writes is never cut: nobody would know whether
        it was committed.
        """
        errors = self._psycopg.Error
        seconds = self.limits.seconds
        try:
            async with asyncio.timeout(_WAIT + 2 * seconds + 5.0), self._connection() as connection:
                deadline = Deadline(connection, seconds + _GRACE)
                try:
                    if writes:
                        deadline.call_off()
                    yield connection, await self._begun(connection, writes=writes)
                except (errors, ToolError):
                    if deadline.passed:
                        raise late(seconds) from None
                    raise
                finally:
                    if not connection.closed:
                        await connection.execute("ROLLBACK")
                    deadline.call_off()
        except TimeoutError:
            raise late(self.limits.seconds) from None
        except (errors, self._pools.PoolClosed) as error:
            raise explained(error, self.limits.seconds) from None

    async def _begun(self, connection: Any, *, writes: bool = False) -> Hidden:
        await connection.execute(f"BEGIN {'READ WRITE' if writes else 'READ ONLY'}; {self._opening}")
        return await self._checker.hidden(connection)

    async def query(self, sql: str, params: Params, cursor: str | None, limit: int | None) -> Page:
        """Run a statement that only reads."""
        of = cursors.digest(sql, params)
        skipped = cursors.offset(cursor, of)
        most = min(limit or self.limits.rows, self.limits.rows)
        rows = Rows([], most, self.limits.cell, self.limits.answer)
        async with self._transaction() as (connection, hidden):
            checked = await self._checker.check(connection, sql, params, hidden)
            await self._fill(connection, checked, skipped, rows)
        return rows.page(cursors.make(skipped + len(rows.rows), of) if rows.full else None)

    async def _fill(self, connection: Any, checked: Checked, skipped: int, rows: Rows) -> None:
        try:
            shape = await connection.execute(f"{_OPENING}{checked.sql}\n) AS _ LIMIT 0", checked.values)
            rows.columns = [column.name for column in shape.description or ()]
            if not rows.columns:
                raise ToolError("The statement returns no columns: name some.")
            outer = self._outer(checked.sql, [column.type_code for column in shape.description])
            async with self._psycopg.AsyncRawServerCursor(connection, "dovetail") as server:
                await server.execute(outer, checked.values)
                if skipped:
                    await server.scroll(skipped)
                batch = max(1, min(rows.limit + 1, _BATCH // (len(rows.columns) * (self.limits.cell + 8))))
                while not rows.full and (found := await server.fetchmany(batch)):
                    for row in found:
                        if not rows.add(row):
                            break
        except self._psycopg.Error as error:
            raise await self._refused(connection, error, checked) from None

    def _outer(self, sql: str, types: Sequence[int]) -> str:
        """The statement as a subquery whose values are no longer than they are shown."""
        cell = self.limits.cell
        shown = []
        for at, kind in enumerate(types):
            if kind in _NATIVE:
                shown.append(f"c{at}")
            elif kind == _BYTES:
                shown.append(f"pg_catalog.substring(c{at}, 1, {cell // 2 + 1})")
            else:
                shown.append(f"pg_catalog.left(c{at}::pg_catalog.text, {cell + 1})")
        names = ", ".join(f"c{at}" for at in range(len(types)))
        return f"SELECT {', '.join(shown)} FROM (\n{sql}\n) AS _({names})"  # noqa: S608  a checked statement, as a subquery

    async def _refused(self, connection: Any, error: Any, checked: Checked) -> ToolError:
        columns: list[str] = []
        tables: list[str] = []
        if error.sqlstate in ("42703", "42P01"):
            columns, tables = await self._known(connection, checked)
        written = "" if checked.changed else checked.sql
        return explained(error, self.limits.seconds, columns, tables, len(_OPENING), written)

    async def _known(self, connection: Any, checked: Checked) -> tuple[list[str], list[str]]:
        """Columns of the tables that a statement names, and all tables, for an error.

        Looked up where the statement failed, in a transaction after its own: whoever has a connection never waits for
        another, or those who do so would wait for each other.
        """
        await connection.execute("ROLLBACK")
        hidden = await self._begun(connection)
        tables = await postgres_schema.listed(connection, hidden)
        named = [one for one in tables if one.table.lower() in checked.tables][:8]
        found = [await postgres_schema.described(connection, one, tables, hidden) for one in named]
        return [column.name for table in found for column in table.columns], [one.name for one in tables]

    async def explain(self, sql: str, params: Params) -> str:
        """Return the plan of a statement; it is not run."""
        async with self._transaction() as (connection, hidden):
            checked = await self._checker.check(connection, sql, params, hidden)
            try:
                cursor = await connection.execute(f"EXPLAIN {checked.sql}", checked.values)
                lines = [line for (line,) in await cursor.fetchmany(500)]
            except self._psycopg.Error as error:
                raise await self._refused(connection, error, checked) from None
        return "\n".join(lines)

    async def tables(self) -> list[TableName]:
        """Return the tables and views that may be read, sorted."""
        async with self._transaction() as (connection, hidden):
            return postgres_schema.names(await postgres_schema.listed(connection, hidden))

    async def _found(self, table: str) -> tuple[Table, str]:
        async with self._transaction() as (connection, hidden):
            tables = await postgres_schema.listed(connection, hidden)
            one = postgres_schema.find(table, tables)
            return await postgres_schema.described(connection, one, tables, hidden), one.exact

    async def describe(self, table: str) -> Table:
        """Return one of them with its columns."""
        found, _ = await self._found(table)
        return found

    async def rows(self, table: str, cursor: str | None) -> Page:
        """Return rows of a table, in the order of its primary key."""
        found, exact = await self._found(table)
        return await self.query(changes.reading(exact, found), None, cursor, None)

    async def count(self, table: str, where: Where) -> int:
        """Return how many rows fit a condition."""
        found, exact = await self._found(table)
        changes.check(found, {}, where)
        sql, values = changes.counting(exact, where, dollar)
        async with self._transaction() as (connection, _):
            rows = await (await connection.execute(sql, values)).fetchall()
        return int(rows[0][0])

    async def insert(self, table: str, rows: Sequence[Mapping[str, Cell]]) -> int:
        """Insert all rows or none; return how many."""
        found, exact = await self._found(table)
        for row in rows:
            changes.check(found, row)
        return await self._change([changes.inserting(exact, row, dollar) for row in rows], len(rows))

    async def update(self, table: str, values: Mapping[str, Cell], where: Where, expected: int) -> int:
        """Update the rows that fit, if there are as many as expected, or none."""
        found, exact = await self._found(table)
        changes.check(found, values, where)
        return await self._change([changes.updating(exact, values, where, dollar)], expected)

    async def delete(self, table: str, where: Where, expected: int) -> int:
        """Delete the rows that fit, if there are as many as expected, or none."""
        found, exact = await self._found(table)
        changes.check(found, {}, where)
        return await self._change([changes.deleting(exact, where, dollar)], expected)

    async def _change(self, built: list[Built], expected: int) -> int:
        async with self._transaction(writes=True) as (connection, _):
            count = 0
            for sql, values in built:
                count += (await connection.execute(sql, values)).rowcount
            if count != expected:
                raise changes.drifted(expected, count)
            await connection.execute("COMMIT")
        return count

    async def version(self) -> Any:
        """None: what others change is not told without triggers of one's own in the database."""
        return None
