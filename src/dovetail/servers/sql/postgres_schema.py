"""The schema of a PostgreSQL database, as far as it may be seen. Asked within a transaction of the database."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from dovetail.servers.sql.answers import Column, ForeignKey, Index, Table, TableName
from dovetail.servers.sql.names import UnknownTable, quoted
from dovetail.servers.sql.policy import ascii_lower
from dovetail.servers.sql.postgres_hidden import Hidden

KINDS = {
    "r": "table",
    "p": "partitioned table",
    "v": "view",
    "m": "materialized view",
    "f": "foreign table",
}

_TABLES = """
SELECT c.oid, n.nspname, c.relname, c.relkind::text, pg_catalog.pg_table_is_visible(c.oid), c.reltuples::int8,
    pg_catalog.obj_description(c.oid, 'pg_class'), pg_catalog.quote_ident(n.nspname), pg_catalog.quote_ident(c.relname)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT c.relispartition
  AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
  AND (pg_catalog.has_table_privilege(c.oid, 'SELECT') OR pg_catalog.has_any_column_privilege(c.oid, 'SELECT'))
ORDER BY n.nspname, c.relname LIMIT 5000
"""
_COLUMNS = """
SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull,
    pg_catalog.pg_get_expr(d.adbin, d.adrelid), a.attgenerated <> '' OR a.attidentity = 'a',
    pg_catalog.col_description(a.attrelid, a.attnum), a.attgenerated <> ''
FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
_KEYS = """
SELECT k.contype::text, ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u(n, i)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.n ORDER BY u.i),
    k.confrelid, ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY u(n, i)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.n ORDER BY u.i)
FROM pg_catalog.pg_constraint k WHERE k.conrelid = $1 AND k.contype IN ('p', 'f') ORDER BY k.conname
"""
_INDEXES = """
SELECT c.relname, i.indisunique, ARRAY(SELECT coalesce(a.attname::text, '(expression)')
        FROM unnest(i.indkey::int2[]) WITH ORDINALITY u(n, at)
        LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.n AND u.n > 0
        WHERE u.at <= i.indnkeyatts ORDER BY u.at)
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = $1 AND i.indisvalid ORDER BY c.relname
"""


class Listed(Struct, frozen=True):
    """A table that may be seen.

    Attributes:
        oid: Its number.
        schema: Where it is.
        table: What it is called.
        kind: In words.
        name: As it is written in a statement.
        rows: An estimate, or None.
        comment: What its owner says of it.
        visible: It is found without its schema.
    """

    oid: int
    schema: str
    table: str
    kind: str
    name: str
    rows: int | None
    comment: str | None
    visible: bool

    @property
    def exact(self) -> str:
        """Schema and name in quotes."""
        return f"{quoted(self.schema)}.{quoted(self.table)}"


async def listed(connection: Any, hidden: Hidden) -> list[Listed]:
    """Return the tables that may be seen."""
    cursor = await connection.execute(_TABLES)
    return [
        Listed(
            oid=oid,
            schema=schema,
            table=table,
            kind=KINDS[kind],
            name=quoted_table if visible else f"{quoted_schema}.{quoted_table}",
            rows=rows if rows is not None and rows >= 0 and kind in "rmp" else None,
            comment=comment,
            visible=visible,
        )
        for oid, schema, table, kind, visible, rows, comment, quoted_schema, quoted_table in await cursor.fetchall()
        if oid not in hidden.tables
    ]


def names(tables: Sequence[Listed]) -> list[TableName]:
    """Return them as the model sees them."""
    return [TableName(name=one.name, kind=one.kind, rows=one.rows, comment=one.comment) for one in tables]


def find(name: str, tables: Sequence[Listed]) -> Listed:
    """Return the table of a name: as listed, with or without its schema and quotes.

    Raises:
        UnknownTable: There is none.
    """
    for same in (
        lambda one: one.name == name,
        lambda one: one.visible and one.table == name,
        lambda one: f"{one.schema}.{one.table}" == name or one.exact == name,
        lambda one: ascii_lower(name) in (one.name, one.table if one.visible else "", f"{one.schema}.{one.table}"),
    ):
        found = [one for one in tables if same(one)]
        if found:
            return found[0]
    raise UnknownTable(name, [one.name for one in tables])


async def described(connection: Any, one: Listed, tables: Sequence[Listed], hidden: Hidden) -> Table:
    """Return a table with its columns."""
    denied = hidden.columns.get(one.oid, frozenset())
    rows = await (await connection.execute(_COLUMNS, [one.oid])).fetchall()
    columns = [
        Column(
            name=name,
            type=kind,
            nullable=not not_null,
            default=None if computed else default,
            generated=bool(fixed),
            comment=comment,
        )
        for name, kind, not_null, default, fixed, comment, computed in rows
        if name not in denied
    ]
    primary, foreign = await _keys(connection, one, tables, hidden)
    found = await (await connection.execute(_INDEXES, [one.oid])).fetchall()
    indexes = [
        Index(name=name, unique=unique, columns=parts)
        for name, unique, parts in found
        if not denied & set(parts) and not (denied and "(expression)" in parts)
    ]
    return Table(
        name=one.name,
        kind=one.kind,
        columns=columns,
        primary_key=primary,
        foreign_keys=foreign,
        indexes=indexes,
        comment=one.comment,
    )


async def _keys(
    connection: Any, one: Listed, tables: Sequence[Listed], hidden: Hidden
) -> tuple[list[str], list[ForeignKey]]:
    by_oid = {other.oid: other for other in tables}
    primary: list[str] = []
    foreign: list[ForeignKey] = []
    for kind, columns, target, references in await (await connection.execute(_KEYS, [one.oid])).fetchall():
        if set(columns) & hidden.columns.get(one.oid, frozenset()):
            continue
        if kind == "p":
            primary = columns
        elif target in by_oid and not set(references) & hidden.columns.get(target, frozenset()):
            foreign.append(ForeignKey(columns=columns, table=by_oid[target].name, references=references))
    return primary, foreign
