"""From a statement that somebody sent to one that may be run: parsed, its names looked up, denied columns taken out."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from dovetail.errors import ToolError, quote
from dovetail.servers.sql import postgres_alike, statements
from dovetail.servers.sql.database import Params
from dovetail.servers.sql.names import UnknownTable
from dovetail.servers.sql.policy import Parts
from dovetail.servers.sql.postgres_hidden import (
    CATALOGUE,
    DENIED,
    NAMED,
    OBJECTS,
    READABLE,
    RELATIONS,
    TYPES,
    UNSAFE,
    Hidden,
    hidden,
    wanted,
)
from dovetail.servers.sql.postgres_rewriting import Relation, references, rewritten, types
from dovetail.servers.sql.postgres_schema import KINDS, listed
from dovetail.servers.sql.postgres_words import bare, called, numbered, unbound, words

_COLUMNS = """
SELECT attrelid, attname::text FROM pg_catalog.pg_attribute
WHERE attrelid = ANY($1::oid[]) AND attnum > 0 AND NOT attisdropped ORDER BY attrelid, attnum
"""


class Checked(Struct, frozen=True):
    """A statement that may be run.

    Attributes:
        sql: What is run.
        values: What `$1` and so on stand for.
        changed: It is not what was sent, character by character.
        tables: Names of what it reads from, folded.
    """

    sql: str
    values: Sequence[Any]
    changed: bool
    tables: frozenset[str]


class Checker:
    """What is denied, and the checks."""

    def __init__(self, denied: Sequence[Parts]) -> None:
        """`denied`: names of up to three parts."""
        self.denied = denied

    async def hidden(self, connection: Any) -> Hidden:
        """Ask what the denied names stand for now."""
        if not self.denied:
            return Hidden()
        rows = await (await connection.execute(DENIED, list(wanted(self.denied)))).fetchall()
        return hidden(rows, self.denied)

    async def missing(self, connection: Any) -> Parts | None:
        """Return a denied name that stands for nothing: most likely a misspelt one."""
        for parts in self.denied:
            found = await (await connection.execute(NAMED, list(wanted([parts])))).fetchall()
            if not found:
                return parts
        return None

    async def check(self, connection: Any, sql: str, params: Params, denied: Hidden) -> Checked:
        """Return what may be run in the transaction.

        Raises:
            ToolError: It may not be run; why, and what to do.
        """
        if len(sql) > statements.LONGEST:
            raise ToolError(f"The statement is longer than {statements.LONGEST} characters. Bind long values.")
        found = words(sql)
        plain = bare(sql, found)
        values: Sequence[Any] = list(params or ())
        if isinstance(params, Mapping):
            plain, names = numbered(plain, words(plain), params)
            if lost := unbound(plain):
                raise ToolError(f"params has no value for :{lost}: give one by that name.")
            values = [params[name] for name in names]
        elif lost := unbound(plain):
            raise ToolError(f":{lost} is bound by its name: pass params as an object with {quote(lost, 80)} in it.")
        form = postgres_alike.alike(plain, words(plain))
        statement = statements.read(form, "postgres")
        postgres_alike.check(form)
        await self._check_names(connection, plain)
        if self.denied:
            plain = await self._narrowed(connection, statement, denied)
            await self._check_names(connection, plain)
        return Checked(plain, values, plain != sql, statement.tables)

    async def _check_names(self, connection: Any, sql: str) -> None:
        names = called(words(sql))
        asked = [sorted(names.calls | names.fields), sorted(names.calls), bool(self.denied)]
        unsafe = [name for (name,) in await (await connection.execute(UNSAFE, asked)).fetchall()]
        if unsafe:
            raise ToolError(
                f"The function {quote(min(unsafe), 70)} is not available here: it may write, wait, lock, or look "
                "beyond the tables. Do without it; if it is meant as a column, leave out the table before it."
            )
        catalogue = sorted(name for name in names.all if name.startswith("pg_"))
        if catalogue:
            rows = await (await connection.execute(CATALOGUE, [catalogue])).fetchall()
            barred = [name for (name,) in rows if name not in READABLE or self.denied]
            if barred:
                raise ToolError(f"{min(barred)} is not available here: list_tables and describe_table show the schema.")
        if self.denied and (found := OBJECTS & {name.lstrip("_") for name in names.all}):
            raise ToolError(f"{min(found)} is not available here: list_tables and describe_table show the schema.")
        if self.denied and "information_schema" in names.all:
            raise ToolError("information_schema is not available here: use list_tables and describe_table.")

    async def _check_types(self, connection: Any, statement: statements.Statement) -> None:
        named = types(statement.tree)
        # One answer for what is denied, what is not there and what is: else a cast would tell them apart.
        if named and await (await connection.execute(TYPES, [named])).fetchall():
            raise ToolError("A type is not available here: cast to types of values; those of a table's rows are none.")

    async def _narrowed(self, connection: Any, statement: statements.Statement, denied: Hidden) -> str:
        await self._check_types(connection, statement)
        named = references(statement.tree)
        rows = await (await connection.execute(RELATIONS, [named])).fetchall()
        relations = {named[at - 1]: Relation(oid, schema, name, kind) for at, oid, schema, name, kind in rows}
        for name in named:
            one = relations.get(name)
            if one is None or one.oid in denied.tables or one.kind not in KINDS or one.schema.startswith("pg_"):
                known = [table.name for table in await listed(connection, denied)]
                raise UnknownTable(name.replace('"', ""), known)
        narrowed = [one.oid for one in relations.values() if one.oid in denied.columns]
        columns: dict[int, list[str]] = {oid: [] for oid in narrowed}
        for oid, name in await (await connection.execute(_COLUMNS, [narrowed])).fetchall():
            if name not in denied.columns[oid]:
                columns[oid].append(name)
        exact = {
            name: Relation(one.oid, one.schema, one.name, one.kind, columns.get(one.oid))
            for name, one in relations.items()
        }
        return rewritten(statement.tree, exact, denied.names)
