"""What a statement is, by parsing all of it: exactly one, and one that only reads. Sans-I/O.

This is one of two walls; the database's own is the other (authorizer and `mode=ro`, or a read-only transaction), and
neither trusts that the other one stands. Nothing here looks at how a text begins.
"""

import logging
from collections.abc import Iterator
from functools import lru_cache
from re import compile as pattern
from typing import Any

from msgspec import Struct
from sqlglot import exp, parse
from sqlglot.errors import ParseError, SqlglotError, TokenError

from dovetail.errors import ToolError, quote

LONGEST = 20_000
"""Characters of a statement."""
REMEMBERED = 4_000
"""Characters of a statement whose reading is remembered."""
DEEPEST = 120
"""Brackets within brackets. The parser recurses: more would be a RecursionError, or worse, a very long time."""
DEEPEST_ARRAY = 6
"""Square brackets within others: with each level of `ARRAY[ARRAY[`, the parser takes twice as long."""
Tree = exp.Expr

ROOTS = (exp.Select, exp.SetOperation, exp.Values, exp.Subquery)
FORBIDDEN = tuple(
    getattr(exp, name)
    for name in (
        "DML DDL Insert Update Delete Merge Create Drop Alter AlterRename TruncateTable Copy Into Lock Command Set "
        "SetItem Use Pragma Transaction Commit Rollback Attach Detach Kill Cache Uncache Refresh LoadData Export Grant "
        "Revoke Analyze Describe Comment Show Summarize Declare Execute Return Returning Semicolon Install"
    ).split()
    if hasattr(exp, name) and not issubclass(exp.Select, getattr(exp, name))
)


class Statement(Struct, frozen=True):
    """One statement that only reads.

    Attributes:
        sql: As it was parsed; of SQLite's, perhaps with other numbers and texts in it (`shape`).
        tree: What it is; never changed.
        tables: Names of what it reads from, folded, common table expressions among them.
        joined: Names that a USING names, folded.
        natural: It has a NATURAL join.
        star: It has a `*` that stands for columns.
    """

    sql: str
    tree: Any
    tables: frozenset[str]
    joined: frozenset[str]
    natural: bool
    star: bool


def read(sql: str, dialect: str) -> Statement:
    """Parse a statement.

    Args:
        sql: Untrusted.
        dialect: `sqlite` or `postgres`.

    Raises:
        ToolError: It is not one statement, or not one that only reads; the text says where and what to do.
    """
    if len(sql) > REMEMBERED:
        return _read(sql, dialect)
    form = shape(sql) if dialect == "sqlite" else sql
    try:
        return _remembered(form, dialect)
    except ToolError:
        if form == sql:
            raise
        return _read(sql, dialect)  # for the place of the error


def shape(sql: str) -> str:
    """Return a statement with other numbers and texts in it, so that those that differ in them are parsed once.

    Only where every word stands out by itself: names, numbers, plain texts and a few signs, without comments and other
    quotes; whatever dialect one splits it by, the words are the same. USING names columns, which SQLite takes as texts.
    """
    if not _SIMPLE.fullmatch(sql) or "using" in sql.lower():
        return sql
    return _LITERAL.sub(lambda found: found[1] or ("'x'" if found[0][0] == "'" else "1"), sql)


_SIMPLE = pattern(r"(?:[A-Za-z_][A-Za-z0-9_]*+(?!')|[0-9]++(?![A-Za-z_'])|'[^'\\\n\0-]*'(?!')|[ \t\r\n,.()=<>+*?:])*+")
_LITERAL = pattern(r"([A-Za-z_][A-Za-z0-9_]*)|[0-9]+|'[^']*'")


def _read(sql: str, dialect: str) -> Statement:
    if len(sql) > LONGEST:
        raise ToolError(f"The statement is longer than {LONGEST} characters. Bind long values as parameters.")
    if "\0" in sql:
        raise ToolError("The statement has a NUL character in it. Write one statement of plain SQL.")
    _check_depth(sql)
    try:
        trees = [tree for tree in parse(sql, read=dialect) if tree is not None and type(tree) is not exp.Semicolon]
        if len(trees) != 1:
            raise ToolError(f"Pass one statement, not {len(trees)}: a single SELECT, WITH ... SELECT or VALUES.")
        return _checked(sql, trees[0])
    except ParseError as error:
        raise ToolError(_where(error)) from None
    except TokenError:
        raise ToolError("The statement cannot be split into words: is a quote or a comment not closed?") from None
    except RecursionError:
        raise ToolError("The statement is nested too deeply. Write it with fewer levels, or use WITH.") from None
    except (SqlglotError, ValueError, TypeError, AttributeError, IndexError, KeyError):
        # Not in the statement's favour: what cannot be parsed is not run.
        raise ToolError("The statement cannot be parsed. Write it more plainly.") from None


_remembered = lru_cache(256)(_read)


def _check_depth(sql: str) -> None:
    depth = {"(": 0, "[": 0}
    for letter in sql:
        if letter in "([":
            depth[letter] += 1
            if depth["("] > DEEPEST or depth["["] > DEEPEST_ARRAY:
                raise ToolError("The statement has too many brackets within brackets. Write it with fewer levels.")
        elif letter == ")":
            depth["("] -= 1
        elif letter == "]":
            depth["["] -= 1


def _checked(sql: str, tree: Tree) -> Statement:
    if not isinstance(tree, ROOTS):
        raise ToolError(_refused(tree))
    tables: set[str] = set()
    joined: set[str] = set()
    natural = star = False
    for node in nodes(tree):
        kind = type(node)
        if kind is exp.Table:
            tables.add(node.name.lower())
        elif kind is exp.Join:
            natural = natural or "NATURAL" in str(node.args.get("method") or "").upper()
            joined.update(_names(node.args.get("using")))
        elif kind is exp.Star:
            star = star or type(node.parent) is not exp.Count
        elif isinstance(node, FORBIDDEN):
            raise ToolError(_refused(node))
        elif kind is exp.CTE and not isinstance(node.this, exp.Query):
            raise ToolError(_refused(node.this))
    return Statement(sql, tree, frozenset(tables), frozenset(joined), natural, star)


def nodes(tree: Tree) -> Iterator[Any]:
    """Every node of a tree, in no order that matters."""
    stack: list[Any] = [tree]
    while stack:
        node = stack.pop()
        yield node
        for value in node.args.values():
            if isinstance(value, list):
                stack.extend(item for item in value if isinstance(item, exp.Expr))
            elif isinstance(value, exp.Expr):
                stack.append(value)


def _names(using: Any) -> Iterator[str]:
    for item in using or ():
        yield item.name.lower() if isinstance(item, exp.Expr) else str(item).lower()


def _refused(node: Any) -> str:
    kind = type(node).__name__.upper()
    written = node.name.upper() if isinstance(node, exp.Command) else kind
    if written in ("EXPLAIN", "DESCRIBE"):
        return "Only SELECT, WITH and VALUES are run here. For a plan use the tool explain, for columns describe_table."
    if written in ("PRAGMA", "SHOW"):
        return "Only SELECT, WITH and VALUES are run here. For the schema use list_tables and describe_table."
    if written in ("INSERT", "UPDATE", "DELETE", "MERGE"):
        return "Only reading is possible in a statement. To change rows use insert, update or delete, if offered."
    what = {"INTO": "SELECT ... INTO", "LOCK": "FOR UPDATE"}.get(written, "this kind of statement")
    return f"Only SELECT, WITH and VALUES are run here, not {what}."


def _where(error: ParseError) -> str:
    first = error.errors[0] if error.errors else {}
    line, column, near = first.get("line"), first.get("col"), first.get("highlight") or ""
    place = f" at line {line}, column {column}" if line else ""
    said = f", near {quote(near, 60)}" if near else ""
    return f"Syntax error{place}{said}. Correct the statement there and try again."


def quiet() -> None:
    """Keep the parser from logging statements that it does not know: they may hold what is nobody's business."""
    logging.getLogger("sqlglot").setLevel(logging.CRITICAL)
