"""A statement as PostgreSQL's own scanner splits it: the names in it, and which of them may be calls. Sans-I/O.

The parser (`statements`) says what a statement is; this says what it could call, without relying on the parser to see
every way of writing it: `f(x)`, `"f" (x)`, `s.f(x)`, `(x).f` are all names before a bracket or behind a dot.
PostgreSQL 18, 4.1 Lexical Structure. What PostgreSQL and others could split differently is refused: Unicode escapes,
and an escape string that goes on behind a line break.
"""

from collections.abc import Collection
from re import Pattern
from re import compile as pattern

from msgspec import Struct

from dovetail.errors import ToolError
from dovetail.servers.sql.policy import ascii_lower

_SPACE = " \t\n\r\f\v"
_NAME = pattern(r"[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]*")
_IN_NAME = pattern(r"[A-Za-z0-9_$\x80-\U0010ffff]")
_NUMBER = pattern(r"[0-9][0-9.]*")
_GOES_ON = pattern(r"[0-9][0-9.]*_|0[xXoObB]")
_DOLLAR = pattern(r"\$(?:[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_\x80-\U0010ffff]*)?\$")
_LONGEST_NAME = 63
"""Bytes; PostgreSQL cuts the rest off, so that two names would be one."""


class Word(Struct, frozen=True):
    """A part of a statement.

    Attributes:
        kind: `name`, `text`, `number`, `bound` (`$1`) or `sign`.
        text: A name as it is looked up; a sign as it stands.
        start: Where it begins.
        end: Where it ends.
    """

    kind: str
    text: str
    start: int
    end: int


def words(sql: str) -> list[Word]:
    """Split a statement, without its comments and blanks.

    Raises:
        ToolError: A quote or comment is not closed, or something that is not accepted here.
    """
    found: list[Word] = []
    at = 0
    while at < len(sql):
        if sql[at] in _SPACE:
            at += 1
        elif sql.startswith("--", at):
            at = _line_end(sql, at)
        elif sql.startswith("/*", at):
            at = _comment(sql, at)
        else:
            word = _word(sql, at)
            found.append(word)
            at = word.end
    return found


def _number(sql: str, at: int) -> Word:
    end = _matched(_NUMBER, sql, at)
    # To PostgreSQL 16 and newer a number goes on here; to older ones, and to the parser, a name begins.
    if _GOES_ON.match(sql, at, end + 1):
        raise ToolError("Write numbers in decimal digits alone: without underscores, and not as 0x, 0o or 0b.")
    return Word("number", "", at, end)


def _word(sql: str, at: int) -> Word:
    letter = sql[at]
    if letter == "'":
        return Word("text", "", at, _closed(sql, at, "'"))
    if letter == '"':
        end = _closed(sql, at, '"')
        return Word("name", _fitting(sql[at + 1 : end - 1].replace('""', '"')), at, end)
    if letter == "$":
        return _dollar(sql, at)
    if letter.isascii() and letter.isdigit():
        return _number(sql, at)
    if _NAME.match(sql, at):
        return _name(sql, at)
    return Word("sign", letter, at, at + 1)


def _name(sql: str, at: int) -> Word:
    end = _matched(_NAME, sql, at)
    name = sql[at:end]
    if name in "eE" and sql.startswith("'", end):
        return Word("text", "", at, _escaped(sql, end))
    if name in "uU" and sql.startswith(("&'", '&"'), end):
        raise ToolError("Write Unicode characters as they are, or bind them: U& is not accepted.")
    return Word("name", _fitting(ascii_lower(name)), at, end)


def _fitting(name: str) -> str:
    if len(name.encode("utf-8", "replace")) > _LONGEST_NAME:
        raise ToolError("A name is longer than 63 bytes: PostgreSQL would cut it. Write it shorter.")
    return name


def _closed(sql: str, at: int, quote: str) -> int:
    """Where a quoted text ends; a quote within it is doubled."""
    end = at + 1
    while True:
        end = sql.find(quote, end)
        if end < 0:
            raise ToolError("A quote is not closed.")
        if not sql.startswith(quote, end + 1):
            return end + 1
        end += 2


def _escaped(sql: str, at: int) -> int:
    """Where an escape string ends, whose opening quote is at `at`."""
    end = at + 1
    while end < len(sql):
        if sql[end] == "\\":
            end += 2
        elif sql.startswith("''", end):
            end += 2
        elif sql[end] == "'":
            if sql[end + 1 :].lstrip(_SPACE).startswith(("'", "--", "/*")):
                raise ToolError("An escape string goes on behind a blank: write it as one, or bind it.")
            return end + 1
        else:
            end += 1
    raise ToolError("A quote is not closed.")


def _dollar(sql: str, at: int) -> Word:
    opening = _DOLLAR.match(sql, at)
    if opening:
        end = sql.find(opening[0], opening.end())
        if end < 0:
            raise ToolError("A dollar quote is not closed.")
        return Word("text", "", at, end + len(opening[0]))
    end = at + 1
    while end < len(sql) and sql[end].isascii() and sql[end].isdigit():
        end += 1
    return Word("bound" if end > at + 1 else "sign", sql[at + 1 : end] or "$", at, end)


def _comment(sql: str, at: int) -> int:
    """Where a comment ends; comments nest."""
    depth, at = 1, at + 2
    while depth:
        opening, closing = sql.find("/*", at), sql.find("*/", at)
        if closing < 0:
            raise ToolError("A comment is not closed.")
        if 0 <= opening < closing:
            depth, at = depth + 1, opening + 2
        else:
            depth, at = depth - 1, closing + 2
    return at


def _line_end(sql: str, at: int) -> int:
    ends = [end for end in (sql.find("\n", at), sql.find("\r", at)) if end >= 0]
    return min(ends, default=len(sql))


def _matched(what: Pattern[str], sql: str, at: int) -> int:
    found = what.match(sql, at)
    return found.end() if found else at + 1


class Called(Struct, frozen=True):
    """Names of a statement by how they stand.

    Attributes:
        calls: Before an opening bracket.
        fields: Behind a dot: a column, or a function of one argument.
        all: Every name.
    """

    calls: frozenset[str]
    fields: frozenset[str]
    all: frozenset[str]


def called(found: list[Word]) -> Called:
    """Return the names of a statement."""
    calls, fields, every = set(), set(), set()
    for at, word in enumerate(found):
        if word.kind != "name":
            continue
        every.add(word.text)
        if at + 1 < len(found) and found[at + 1].text == "(" and found[at + 1].kind == "sign":
            calls.add(word.text)
        elif at and found[at - 1].text == "." and found[at - 1].kind == "sign":
            fields.add(word.text)
    return Called(frozenset(calls), frozenset(fields), frozenset(every))


def bare(sql: str, found: list[Word]) -> str:
    """Return the statement without the semicolon that may end it, and without what follows that.

    Raises:
        ToolError: Something that is no comment follows it.
    """
    for at, word in enumerate(found):
        if word.kind == "sign" and word.text == ";":
            if any(other.text != ";" for other in found[at + 1 :]):
                raise ToolError("Pass one statement, not several.")
            return sql[: word.start]
    return sql


def unbound(sql: str) -> str:
    """Return a `:name` that stands where a value begins: behind a sign or a keyword; no slice, cast or key of JSON."""
    found = words(sql)
    depth = 0
    for before, word, name in zip(found, found[1:], found[2:], strict=False):
        depth += {"[": 1, "]": -1}.get(before.text if before.kind == "sign" else "", 0)
        begins = (
            before.text in _BEGINNING if before.kind == "name" else before.kind == "sign" and before.text not in ")]:"
        )
        colon = word.kind == "sign" and word.text == ":" and name.kind == "name" and name.start == word.end
        if colon and begins and not depth:
            return sql[name.start : name.end][:80]
    return ""


_BEGINNING = frozenset("select where and or not in like ilike limit offset then else when between by having on".split())


def numbered(sql: str, found: list[Word], given: Collection[str]) -> tuple[str, list[str]]:
    """Return a statement with `:name` written as `$1`, and the names in that order.

    Only names that are given are looked for: casts (`::`) and slices of arrays stay as they are.
    """
    parts: list[str] = []
    names: list[str] = []
    copied = 0
    for at in range(len(found) - 1):
        colon, name = found[at], found[at + 1]
        if colon.text != ":" or colon.kind != "sign" or name.start != colon.end or name.kind != "name":
            continue
        written = sql[name.start : name.end]
        if sql.startswith(":", colon.start - 1) or written not in given:
            continue
        if written not in names:
            names.append(written)
        apart = " " if _IN_NAME.match(sql, colon.start - 1) and colon.start else ""  # `LIMIT:n` is no name `LIMIT$1`
        parts += [sql[copied : colon.start], f"{apart}${names.index(written) + 1}"]
        copied = name.end
    return "".join(parts) + sql[copied:], names
