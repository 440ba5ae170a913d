"""A statement over denied columns: each table that has some stands in it as a subquery of its other columns.

Sans-I/O. Whatever is said of the table then (`*`, a whole row, NATURAL, USING, a function of a row), PostgreSQL itself
knows of no denied column. What remains to be right is which names are tables, and PostgreSQL resolves those
(`RELATIONS`); a common table expression with the name of a denied thing is refused, so that no scope has to be
understood. What runs is written anew from the tree, so that what was read is what is run.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlglot import exp
from sqlglot.errors import SqlglotError

from dovetail.errors import ToolError
from dovetail.servers.sql.names import quoted
from dovetail.servers.sql.policy import ascii_lower
from dovetail.servers.sql.statements import Tree, nodes

_KEPT = ("this", "db", "alias", "only", "joins", "laterals")


class Relation(Struct, frozen=True):
    """A table as PostgreSQL resolved it.

    Attributes:
        oid: Its number.
        schema: Where it is.
        name: What it is called.
        kind: One letter, as in `pg_class.relkind`.
        columns: Those that may be read, or None for all.
    """

    oid: int
    schema: str
    name: str
    kind: str
    columns: Sequence[str] | None = None


def references(tree: Tree) -> list[str]:
    """Return the tables that a statement names, as it writes them, without its common table expressions."""
    shared = common(tree)
    found: dict[str, None] = {}
    for node in nodes(tree):
        if type(node) is exp.Table and isinstance(node.this, exp.Identifier):
            if node.args.get("db") is None and folded(node.this) in shared:
                continue
            found[written(node)] = None
    return list(found)


def types(tree: Tree) -> list[str]:
    """Return the names of types that a statement names and the parser does not know, without their schemas."""
    found: dict[str, None] = {}
    for node in nodes(tree):
        if isinstance(node, exp.DataType) and node.this == exp.DataType.Type.USERDEFINED:
            kind = node.args.get("kind")
            while isinstance(kind, exp.Dot):
                kind = kind.expression
            found[folded(kind) if isinstance(kind, exp.Identifier) else str(kind)] = None
    return list(found)


def common(tree: Tree) -> set[str]:
    """Return the names of all common table expressions."""
    return {folded(node.args["alias"].this) for node in nodes(tree) if type(node) is exp.CTE}


def folded(name: Any) -> str:
    """Return a name as PostgreSQL looks it up."""
    return str(name.this) if name.args.get("quoted") else ascii_lower(str(name.this))


def written(table: Any) -> str:
    """Return a table's name as it is looked up, every part in quotes.

    Raises:
        ToolError: Another database is named.
    """
    if table.args.get("catalog") is not None:
        raise ToolError("Name a table as table or schema.table; other databases are out of reach.")
    schema = table.args.get("db")
    own = quoted(folded(table.this))
    return own if schema is None else f"{quoted(folded(schema))}.{own}"


def rewritten(tree: Tree, relations: Mapping[str, Relation], names: frozenset[str]) -> str:
    """Return the statement over what may be read.

    Args:
        tree: As it was parsed; not changed.
        relations: What `references` stand for.
        names: Of everything that is denied, wholly or in part.

    Raises:
        ToolError: It cannot be written so.
    """
    if common(tree) & names:
        raise ToolError("A WITH query has the name of a table of the database: give it another name.")
    copy = tree.copy()
    shared = common(copy)
    for node in list(nodes(copy)):
        _literal(node)
        if type(node) is not exp.Table or not isinstance(node.this, exp.Identifier):
            continue
        if node.args.get("db") is None and folded(node.this) in shared:
            continue
        relation = relations[written(node)]
        if relation.columns is not None:
            node.replace(_narrowed(node, relation, relation.columns))
    try:
        return copy.sql("postgres", comments=False)
    except (SqlglotError, RecursionError, ValueError, TypeError, AttributeError):
        raise ToolError("The statement cannot be run over what may be read. Write it more plainly.") from None


def _narrowed(table: Any, relation: Relation, columns: Sequence[str]) -> Any:
    if any(value for key, value in table.args.items() if key not in _KEPT):
        raise ToolError(f"{relation.name} can only be read as it is here: without TABLESAMPLE and the like.")
    inner = exp.Select(
        expressions=[exp.column(exp.to_identifier(name, quoted=True)) for name in columns],
        from_=exp.From(
            this=exp.Table(
                this=exp.to_identifier(relation.name, quoted=True),
                db=exp.to_identifier(relation.schema, quoted=True),
                only=table.args.get("only"),
            )
        ),
    )
    alias = table.args.get("alias") or exp.TableAlias()
    if alias.args.get("this") is None:
        alias = alias.copy()
        alias.set("this", exp.to_identifier(relation.name, quoted=True))
    return exp.Subquery(this=inner, alias=alias, joins=table.args.get("joins"), laterals=table.args.get("laterals"))


def _literal(node: Any) -> None:
    """Write every text in the one way that has no escapes."""
    if isinstance(node, exp.UnicodeString | exp.National):
        raise ToolError("Write texts as plain 'text', or bind them.")
    if isinstance(node, exp.ByteString | exp.RawString | exp.Heredoc):
        if isinstance(node, exp.ByteString) and "\\" in node.name:
            raise ToolError("Bind texts with backslashes in them as parameters.")
        node.replace(exp.Literal.string(node.name))
