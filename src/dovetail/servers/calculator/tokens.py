"""From text to tokens, in one pass and linear time. Raises nothing but `CalculatorError`."""

from re import compile as pattern
from typing import Final, Literal

import msgspec

from dovetail.errors import quote
from dovetail.servers.calculator.failures import CalculatorError

LONGEST: Final = 10_000
"""Characters that an expression may have."""
_DIGITS: Final = 1_000
_EXPONENT: Final = 100_000

Sort = Literal["number", "name", "sign", "end"]

_NUMBER: Final = pattern(r"(?:[0-9]+(?:_[0-9]+)*)?(?:\.(?:[0-9]+(?:_[0-9]+)*)?)?(?:[eE][+-]?[0-9]+)?", 0)
_NAME: Final = pattern(r"fl[ \u00a0]oz(?!\w)|[^\W\d_](?:(?![⁰¹²³⁴⁵⁶⁷⁸⁹])\w)*|°[^\W\d_]*")
_SPACES_IN: Final = pattern(r"[ \u00a0]")
_SIGNS: Final = ("**", "->", "==", "!=", "<=", ">=", "//", *"+-*/^%!()[],=<>")
_SAME: Final = {
    "×": "*", "·": "*", "⋅": "*", "÷": "/", "−": "-", "–": "-", "→": "->", "≤": "<=", "≥": ">=", "≠": "!=",
    "√": "sqrt", "π": "pi", "∞": "inf", "{": "(", "}": ")",
}  # fmt: skip
_RAISED: Final = {raised: plain for plain, raised in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")}
_SPACES: Final = frozenset(" \t\r\n\u00a0\u2009\u202f")


class Token(msgspec.Struct, frozen=True):
    """A token: its sort, its text in one spelling, and where it began."""

    sort: Sort
    text: str
    at: int


def tokens_of(text: str) -> list[Token]:
    """Return the tokens of an expression, the end among them.

    Raises:
        CalculatorError: Too long, or a character that means nothing.
    """
    if len(text) > LONGEST:
        raise CalculatorError(f"An expression has at most {LONGEST:,} characters; this one has {len(text):,}")
    found: list[Token] = []
    at = 0
    while at < len(text):
        if text[at] in _SPACES:
            at += 1
            continue
        made, at = _next(text, at)
        found += made
    found.append(Token("end", "", len(text)))
    return found


def _next(text: str, at: int) -> tuple[list[Token], int]:
    here = text[at]
    if here in "0123456789" or (here == "." and text[at + 1 : at + 2] in tuple("0123456789")):
        return _number(text, at)
    if here in _RAISED:
        end = at
        while end < len(text) and text[end] in _RAISED:
            end += 1
        digits = "".join(str(_RAISED[each]) for each in text[at:end])
        return [Token("sign", "^", at), Token("number", digits, at)], end
    if here in _SAME:
        same = _SAME[here]
        return [Token("name" if same.isalpha() else "sign", same, at)], at + 1
    for sign in _SIGNS:
        if text.startswith(sign, at):
            return [Token("sign", "^" if sign == "**" else sign, at)], at + len(sign)
    match = _NAME.match(text, at)
    if match is None or len(match[0]) > 64:
        raise CalculatorError(f"{quote(text[at : at + 8], 32)} means nothing here", at)
    return [Token("name", _SPACES_IN.sub("_", match[0]), at)], match.end()


def _number(text: str, at: int) -> tuple[list[Token], int]:
    match = _NUMBER.match(text, at)
    if match is None:
        raise CalculatorError("A number is written like 12, 1.5 or 2.5e-3", at)
    written, end = match[0].replace("_", ""), match.end()
    if text[end : end + 1] == "." or text[end : end + 1] == "_":
        raise CalculatorError("A number is written like 12, 1.5, 2.5e-3 or 1_000", at)
    mantissa, _, exponent = written.lower().partition("e")
    if len(mantissa) > _DIGITS:
        raise CalculatorError(f"A number is written with at most {_DIGITS:,} digits", at)
    if len(exponent) > 8 or abs(int(exponent or 0)) > _EXPONENT:
        raise CalculatorError(f"The exponent of a number is between -{_EXPONENT:,} and {_EXPONENT:,}", at)
    return [Token("number", written.lower(), at)], end
