"""The grammar of URI templates: text to literals and expressions (RFC 6570, section 2).

A template is what a server's author wrote, or what a server sent to a client; either way it is bounded here.
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from dovetail.errors import DefinitionError, quote

LONGEST: Final = 4096
"""Characters in a template."""
MOST_VARIABLES: Final = 100
"""Variables in a template."""


class Operator(msgspec.Struct, frozen=True):
    """How an expression is written (RFC 6570, appendix A).

    Attributes:
        first: What stands before the first defined variable.
        separator: What stands between two.
        named: Whether a value is preceded by its variable's name.
        if_empty: What stands after the name of an empty value.
        reserved: Whether reserved characters stand for themselves.
    """

    first: str
    separator: str
    named: bool = False
    if_empty: str = ""
    reserved: bool = False


OPERATORS: Final[Mapping[str, Operator]] = {
    "": Operator("", ","),
    "+": Operator("", ",", reserved=True),
    "#": Operator("#", ",", reserved=True),
    ".": Operator(".", "."),
    "/": Operator("/", "/"),
    ";": Operator(";", ";", named=True),
    "?": Operator("?", "&", named=True, if_empty="="),
    "&": Operator("&", "&", named=True, if_empty="="),
}


class Variable(msgspec.Struct, frozen=True):
    """A variable in an expression: `name`, `name*` (explode) or `name:3` (prefix)."""

    name: str
    explode: bool = False
    prefix: int | None = None


class Expression(msgspec.Struct, frozen=True):
    """`{`, an operator, variables, `}`."""

    operator: str
    variables: tuple[Variable, ...]


Part = str | Expression

_EXPRESSION: Final = re.compile(r"\{([+#./;?&]?)([^{}]*)\}")
_VARIABLE: Final = re.compile(
    r"((?:[A-Za-z0-9_]|%[0-9A-Fa-f]{2})(?:\.?(?:[A-Za-z0-9_]|%[0-9A-Fa-f]{2}))*)(?:(\*)|:([1-9][0-9]{0,3}))?"
)
_ILLEGAL: Final = re.compile(r"[\x00-\x20\x7f{}\ud800-\udfff]")


def parse_parts(text: str) -> tuple[Part, ...]:
    """Cut a template into literals and expressions.

    Raises:
        DefinitionError: Not a template of RFC 6570, or longer than `LONGEST`, or of more than `MOST_VARIABLES`.
    """
    if len(text) > LONGEST:
        raise DefinitionError(f"A URI template is longer than {LONGEST} characters")
    parts: list[Part] = []
    at = 0
    for match in _EXPRESSION.finditer(text):
        parts += _literal(text, at, match.start())
        names = match.group(2).split(",")
        parts.append(Expression(match.group(1), tuple(_variable(text, name) for name in names)))
        at = match.end()
    parts += _literal(text, at, len(text))
    if sum(len(part.variables) for part in parts if isinstance(part, Expression)) > MOST_VARIABLES:
        raise DefinitionError(f"A URI template has more than {MOST_VARIABLES} variables")
    return tuple(parts)


def _literal(text: str, start: int, end: int) -> list[Part]:
    literal = text[start:end]
    if _ILLEGAL.search(literal):
        raise DefinitionError(f"URI template {quote(text)}: a stray brace, a space, or no character at all")
    return [literal] if literal else []


def _variable(text: str, written: str) -> Variable:
    match = _VARIABLE.fullmatch(written)
    if match is None:
        raise DefinitionError(f"URI template {quote(text)}: {quote(written)} is no variable (RFC 6570, section 2.3)")
    name, explode, prefix = match.groups()
    return Variable(name, explode is not None, int(prefix) if prefix else None)


_UNRESERVED: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_RESERVED: Final = frozenset(b":/?#[]@!$&'()*+,;=")
_TRIPLET: Final = re.compile(r"(%[0-9A-Fa-f]{2})")
_PLAIN: Final = {byte: chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in range(256)}
_KEPT: Final = {byte: chr(byte) if byte in _UNRESERVED | _RESERVED else f"%{byte:02X}" for byte in range(256)}


def percent_encoded(value: str, *, reserved: bool = False) -> str:
    """Encode what is not unreserved; with `reserved`, leave reserved characters and triplets as they are (3.2.1).

    Raises:
        ValueError: A lone surrogate, which no UTF-8 holds.
    """
    if not reserved:
        return "".join(map(_PLAIN.__getitem__, value.encode()))
    pieces = _TRIPLET.split(value)
    pieces[::2] = ["".join(map(_KEPT.__getitem__, piece.encode())) for piece in pieces[::2]]
    return "".join(pieces)
