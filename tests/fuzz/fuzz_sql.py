"""The SQL server's parsers: statements of both kinds, PostgreSQL's words, denied names, cursors, addresses."""

from dovetail.errors import DefinitionError, ToolError
from dovetail.servers.sql import cursors, statements
from dovetail.servers.sql.address import address
from dovetail.servers.sql.policy import parse
from dovetail.servers.sql.postgres_alike import alike, check
from dovetail.servers.sql.postgres_words import bare, called, numbered, words

SEEDS = [
    b"SELECT a, count(*) FROM t JOIN u USING (a) WHERE b = :a AND c IN (1, 'x', ?) GROUP BY 1 ORDER BY 2 DESC LIMIT 5",
    b'WITH x AS (SELECT E\'a\\\'b\', $$c$$, $t$d$t$, "e""f" FROM s.t) SELECT * FROM x /* /* */ */ -- y\n',
    b"postgresql://user:word@host/name?host=/tmp",
    b'"a""b".c',
]


def fuzz(data: bytes) -> None:
    """Read data as everything that a model, or the owner, could write; only the parsers' own errors come out."""
    text = data.decode("utf-8", "replace")
    for dialect in ("sqlite", "postgres"):
        try:
            statements.read(text, dialect)
        except ToolError:
            continue
    try:
        found = words(text)
        numbered(text, found, ["a"])
        bare(text, found)
        if not called(found).calls <= called(found).all:
            raise AssertionError("a call that is no name")
    except ToolError:
        pass
    for read in (lambda: parse(text, 3), lambda: address(text)):
        try:
            read()
        except DefinitionError:
            pass
    try:
        form = alike(text, words(text))
        statements.read(form, "postgres")
        check(form)
    except ToolError:
        pass
    try:
        cursors.offset(text, bytes(12))
    except ToolError:
        pass
