"""Names in double quotes that SQLite would take for texts, where no column has them. Sans-I/O.

SQLite can be told not to, from Python 3.12 on and then for the views of old files, too; here a statement is looked at,
in every Python alike, and nothing else. Only one whose names are all columns of its tables is judged: subqueries and
WITH make columns of their own.
"""

from collections.abc import Iterable, Set
from typing import Any

from sqlglot import exp

from dovetail.errors import ToolError, quote
from dovetail.servers.sql.policy import ascii_lower
from dovetail.servers.sql.sqlite_rules import Known
from dovetail.servers.sql.statements import nodes

_ROW = frozenset(("rowid", "oid", "_rowid_"))


def doubtful(sql: str, tree: Any) -> frozenset[str]:
    """Return the names in double quotes, without a table before them, that have to be columns of a table."""
    if '"' not in sql or not isinstance(tree, exp.Expr):
        return frozenset()
    found: set[str] = set()
    made: set[str] = set()
    for node in nodes(tree):
        if isinstance(node, exp.CTE | exp.Subquery):
            return frozenset()
        if type(node) is exp.Column and node.args.get("table") is None and type(node.parent) is not exp.Collate:
            if isinstance(node.this, exp.Identifier) and node.this.args.get("quoted"):
                found.add(node.name)
        elif isinstance(node, exp.Alias | exp.TableAlias):
            made.add(ascii_lower(node.alias or node.name))
    return frozenset(name for name in found if ascii_lower(name) not in made)


def check(names: Set[str], tables: Set[str], schema: Iterable[Known]) -> None:
    """Refuse a name that no table of the statement has for a column.

    Raises:
        ToolError: SQLite would take it for a text.
    """
    if not names:
        return
    read = [one for one in schema if one.name.lower() in tables]
    if len({one.name.lower() for one in read}) < len(tables):
        return  # a function in place of a table, or a table of SQLite's own
    columns = _ROW.union(ascii_lower(column) for one in read for column, _ in one.columns)
    for name in sorted(names):
        if ascii_lower(name) not in columns:
            raise ToolError(
                f"There is no column {quote(name, 80)}. Texts stand in single quotes: 'text'; double quotes are for "
                "names. describe_table shows the columns."
            )
