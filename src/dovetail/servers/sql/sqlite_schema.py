"""The schema of an SQLite file, as far as it may be seen. Blocking; each function is given the connection to ask."""

from collections.abc import Sequence
from typing import Any

from dovetail.servers.sql.answers import Column, ForeignKey, Index, Table, TableName
from dovetail.servers.sql.names import UnknownTable
from dovetail.servers.sql.policy import ascii_lower
from dovetail.servers.sql.sqlite_reader import Reader
from dovetail.servers.sql.sqlite_rules import Hidden, Known


def names(reader: Reader) -> list[TableName]:
    """Return the tables and views that may be read, sorted."""
    sizes = _sizes(reader)
    found = [
        TableName(name=one.name, kind=one.kind, rows=sizes.get(one.name))
        for one in visible(_schema(reader), reader.hidden)
    ]
    return sorted(found, key=lambda table: table.name)


def visible(schema: Sequence[Known], rules: Hidden) -> list[Known]:
    """Return the part of a schema that may be seen."""
    return [_without(one, rules) for one in schema if _listed(one, rules)]


def described(reader: Reader, name: str) -> Table:
    """Return a table with its columns.

    Raises:
        UnknownTable: There is none, or none that may be seen.
    """
    schema = _schema(reader)
    rules = reader.hidden
    seen = {ascii_lower(one.name): one for one in schema if _listed(one, rules)}
    one = seen.get(ascii_lower(name))
    if one is None:
        raise UnknownTable(name, [known.name for known in seen.values()])
    columns, key = _columns(reader, one, rules)
    return Table(
        name=one.name,
        kind=one.kind,
        columns=columns,
        primary_key=key,
        foreign_keys=_foreign_keys(reader, one, rules),
        indexes=_indexes(reader, one, rules),
    )


def _schema(reader: Reader) -> list[Known]:
    reader.asked("SELECT 1")  # looks whether the schema has changed
    return reader.known


def _listed(one: Known, denied: Hidden) -> bool:
    return one.kind != "shadow" and not denied.hides(one.name)


def _without(one: Known, denied: Hidden) -> Known:
    columns = tuple((name, generated) for name, generated in one.columns if not denied.hides(one.name, name))
    return Known(one.name, one.kind, "", columns)


def _sizes(reader: Reader) -> dict[str, int]:
    """Rows as `ANALYZE` counted them; counting anew could take long."""
    if not reader.asked("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat1'"):
        return {}
    found: dict[str, int] = {}
    for table, stat in reader.asked("SELECT tbl, stat FROM sqlite_stat1"):
        first = str(stat or "").split(" ", 1)[0]
        if first.isdigit():
            found[table] = max(found.get(table, 0), int(first))
    return found


def _columns(reader: Reader, one: Known, denied: Hidden) -> tuple[list[Column], list[str]]:
    columns: list[Column] = []
    key: list[tuple[int, str]] = []
    # hidden: 1 for what a virtual table does not show, 2 and 3 for generated columns.
    rows: list[tuple[Any, ...]] = reader.asked(
        'SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?) WHERE hidden <> 1', (one.name,)
    )
    for name, kind, not_null, default, at, generated in rows:
        if denied.hides(one.name, name):
            continue
        columns.append(
            Column(name=name, type=kind, nullable=not (not_null or at), default=default, generated=generated > 1)
        )
        if at:
            key.append((at, name))
    return columns, [name for _, name in sorted(key)]


def _foreign_keys(reader: Reader, one: Known, denied: Hidden) -> list[ForeignKey]:
    found: dict[int, ForeignKey] = {}
    for number, table, column, target in reader.asked(
        'SELECT id, "table", "from", "to" FROM pragma_foreign_key_list(?) ORDER BY id, seq', (one.name,)
    ):
        if denied.hides(table) or denied.hides(one.name, column) or denied.hides(table, target or ""):
            continue
        key = found.setdefault(number, ForeignKey(columns=[], table=table, references=[]))
        key.columns.append(column)
        if target:
            key.references.append(target)
    return list(found.values())


def _indexes(reader: Reader, one: Known, denied: Hidden) -> list[Index]:
    found: dict[str, Index] = {}
    for name, unique, column in reader.asked(
        'SELECT l.name, l."unique", i.name FROM pragma_index_list(?) AS l, pragma_index_info(l.name) AS i '
        "ORDER BY l.seq, i.seqno",
        (one.name,),
    ):
        found.setdefault(name, Index(name=name, columns=[], unique=bool(unique))).columns.append(
            column or "(expression)"
        )
    return [index for index in found.values() if not any(denied.hides(one.name, name) for name in index.columns)]
