"""What an SQLite connection lets a statement do: the authorizer, and what it has to know of the schema.

SQLite asks the authorizer for each table and column that a statement reads, inside views, triggers and subqueries as
well. It does not ask for three things, which are closed here or by the parser:

* the columns that NATURAL and USING compare (`statements`: refused while columns are denied);
* what a generated column is computed from: the generated columns of a table with denied columns are denied;
* what auxiliary functions of full-text tables show (`highlight`), and what other tables keep of a text for searching:
  a virtual table that names a denied table, or has a denied column, is denied, and its shadow tables with it.
"""

import sqlite3
from collections.abc import Iterable, Mapping
from re import escape, search

from msgspec import Struct

from dovetail.servers.sql.policy import Parts, ascii_lower

FUNCTIONS = frozenset(("load_extension", "fts3_tokenizer", "readfile", "writefile", "edit", "sqlite_log"))
"""Never called. The last four are of other builds of SQLite, and cost nothing to name."""
QUICK = frozenset(
    "sum total avg min max abs sign round coalesce ifnull nullif iif likely unlikely likelihood length lower upper "
    "substr substring typeof date time datetime julianday unixepoch strftime hex quote char unicode row_number rank "
    "dense_rank lag lead first_value last_value json_extract -> ->> json_type json_valid json_array_length".split()
)
"""Take no longer than their values are long. Of others a single call, which nothing can stop, may take for ever:
printf with a width, replace, instr, trim and like on long values, count of all rows of a large table."""
SCHEMA = frozenset(("sqlite_master", "sqlite_schema", "sqlite_sequence"))
"""Tables of the database about itself that may be read as long as nothing is denied."""
OFF_LIMITS = frozenset(
    ("dbstat", "sqlite_dbpage", "sqlite_stmt", "sqlite_temp_master", "sqlite_temp_schema", "bytecode", "tables_used")
)
TABLE_FUNCTIONS = frozenset(("json_each", "json_tree", "jsonb_each", "jsonb_tree", "generate_series"))
"""Functions that stand for a table, show nothing but what they are given, and may be called. SQLite makes such a table
when it is first named, which it asks the authorizer for as if the schema were written; afterwards it asks for what is
read only, the columns that are given to the function among it."""
_OK, _DENY = sqlite3.SQLITE_OK, sqlite3.SQLITE_DENY
_HARMLESS = frozenset((sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE))
_DATA = frozenset((sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE))
_FLOW = frozenset((sqlite3.SQLITE_TRANSACTION, sqlite3.SQLITE_SAVEPOINT))


class Known(Struct, frozen=True):
    """One entry of the schema.

    Attributes:
        name: As it was created.
        kind: `table`, `view`, `virtual` or `shadow`.
        sql: How it was created.
        columns: Names, each with whether it is generated.
    """

    name: str
    kind: str
    sql: str
    columns: tuple[tuple[str, bool], ...]


class Hidden(Struct, frozen=True):
    """What is denied, folded.

    Attributes:
        tables: All of them.
        columns: Some columns of others.
    """

    tables: frozenset[str] = frozenset()
    columns: frozenset[tuple[str, str]] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.tables or self.columns)

    def hides(self, table: str, column: str = "") -> bool:
        """Tell whether a table, or a column of one, is denied."""
        table = ascii_lower(table)
        return table in self.tables or (table, ascii_lower(column)) in self.columns


def hidden(denied: Iterable[Parts], schema: Iterable[Known]) -> Hidden:
    """Find everything that shows what is denied."""
    known = {ascii_lower(one.name): one for one in schema}
    tables = {parts[0] for parts in denied if len(parts) == 1}
    columns = {(parts[0], parts[1]) for parts in denied if len(parts) == 2}
    tables = {ascii_lower(name) for name in tables}
    columns = {(ascii_lower(table), ascii_lower(column)) for table, column in columns}
    for table in {table for table, _ in columns}:
        one = known.get(table)
        if one is not None and one.kind == "virtual":
            tables.add(table)
        elif one is not None:
            columns |= {(table, ascii_lower(name)) for name, generated in one.columns if generated}
    touched = tables | {table for table, _ in columns}
    virtual = {name: one for name, one in known.items() if one.kind == "virtual"}
    # One may be made of another that is made of a denied table: until there is no more.
    while more := {name for name in virtual.keys() - tables if any(_mentions(virtual[name].sql, t) for t in touched)}:
        tables |= more
        touched |= more
    for name, one in known.items():
        if one.kind == "shadow" and any(
            name.startswith(f"{table}_") for table in tables if table not in known or known[table].kind == "virtual"
        ):
            tables.add(name)
    return Hidden(frozenset(tables), frozenset(columns))


def missing(denied: Iterable[Parts], schema: Iterable[Known]) -> Parts | None:
    """Return a denied name that the database does not have: most likely a misspelt one."""
    known: Mapping[str, set[str]] = {
        ascii_lower(one.name): {ascii_lower(name) for name, _ in one.columns} for one in schema
    }
    for parts in denied:
        columns = known.get(ascii_lower(parts[0]))
        if columns is None or (len(parts) == 2 and ascii_lower(parts[1]) not in columns):
            return parts
    return None


def _mentions(sql: str, name: str) -> bool:
    return search(rf"(?<![0-9a-z_$]){escape(name)}(?![0-9a-z_$])", ascii_lower(sql)) is not None


class Authorizer:
    """Decides for one connection. What is not known to be harmless is denied."""

    def __init__(self, *, writes: bool = False) -> None:
        """Deny everything but reading, or changing rows as well."""
        self.hidden = Hidden()
        self.trusted = True
        """True while the server itself asks for the schema."""
        self.refused = ""
        """What was denied last: the function or table, for the error."""
        self.quick = False
        """Refuse what one step of may take long: functions that are not `QUICK`, and virtual tables."""
        self.slow = False
        """That was the reason of a refusal."""
        self.virtual: frozenset[str] = frozenset()
        self._data = _DATA | _FLOW if writes else frozenset()

    def __call__(
        self, action: int, first: str | None, second: str | None, database: str | None, inside: str | None
    ) -> int:
        """Decide on one thing that a statement would do."""
        if self.trusted or action in _HARMLESS:
            return _OK
        if self.quick and self._slow(action, first, second):
            self.slow = True
            return _DENY
        if action == sqlite3.SQLITE_READ:
            allowed = self._reads(first or "", second or "", database)
        elif action == sqlite3.SQLITE_FUNCTION:
            allowed = ascii_lower(second or "") not in FUNCTIONS
        elif action == sqlite3.SQLITE_PRAGMA:
            # Full-text search looks by itself whether the file has changed.
            allowed = (first, second) == ("data_version", None)
        else:
            allowed = action in self._data
        if not allowed:
            self.refused = first or second or ""
        return _OK if allowed else _DENY

    def _slow(self, action: int, first: str | None, second: str | None) -> bool:
        if action == sqlite3.SQLITE_FUNCTION:
            return ascii_lower(second or "") not in QUICK
        return action == sqlite3.SQLITE_READ and ascii_lower(first or "") in self.virtual

    def _reads(self, table: str, column: str, database: str | None) -> bool:
        table = ascii_lower(table)
        if database == "temp" or table in OFF_LIMITS or table.startswith("pragma_"):
            return False
        if table.startswith("sqlite_"):
            # Statistics have samples of what is in the tables, and the schema has the names of all.
            return not self.hidden and table in SCHEMA
        return not self.hidden.hides(table, column)
