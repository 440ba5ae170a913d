"""Which `in` of an expression is the word that converts, and which are inches. Decided on tokens, before they are read.

It converts at most once, outside of brackets, and what stands behind it is the unit: so of several that may convert,
the last does. Where that is not the only way to read it, `Meaning.unsure` says so: the dimensions then tell whether it
was the right one, for of two ways to read a text as a value and its unit at most one fits.
"""

from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from dovetail.servers.calculator.tokens import Token

WORDS: Final = frozenset(["of", "mod", "to"])
"""Names that are operators."""
_OPENING: Final = frozenset("([")
_CLOSING: Final = frozenset(")]")
_OF_UNITS: Final = frozenset("*/^()-")
_BEHIND_VALUES: Final = frozenset(")]!%")


class Meaning(msgspec.Struct, frozen=True):
    """What the `in`s of an expression are.

    Attributes:
        converting: The place of the token that converts; None for none.
        nested: Places in brackets that read as if they converted, which they cannot.
        unsure: Whether there is another way to read them.
    """

    converting: int | None = None
    nested: Collection[int] = ()
    unsure: bool = False


def meaning(tokens: Sequence[Token]) -> Meaning:
    """Tell the `in` that converts from inches."""
    flat: list[int] = []
    nested: list[int] = []
    named = False
    depth = 0
    for place, token in enumerate(tokens):
        if token.sort == "sign":
            depth += (token.text in _OPENING) - (token.text in _CLOSING)
            named = named or token.text == "->"
        elif token.sort == "name" and token.text == "to":
            named = True
        elif token.sort == "name" and token.text == "in" and place and _may_convert(tokens, place):
            (nested if depth else flat).append(place)
    if named or not flat:
        return Meaning(None, nested, unsure=bool(flat))
    return Meaning(flat[-1], nested, unsure=len(flat) > 1 or tokens[flat[-1] - 1].sort == "number")


def _may_convert(tokens: Sequence[Token], place: int) -> bool:
    before, after = tokens[place - 1], tokens[place + 1]
    if before.sort == "sign" and before.text not in _BEHIND_VALUES:
        return False
    if before.sort == "name" and before.text in WORDS:
        return False
    if after.sort == "name":
        return after.text not in WORDS
    if after.text == "%":
        return tokens[place + 2].sort == "end"
    return after.text == "(" and (before.sort != "number" or _is_unit(tokens, place + 1))


def _is_unit(tokens: Sequence[Token], opening: int) -> bool:
    """Tell whether what stands in a bracket is made of names, as a unit is: (km/h), and not (3 + 4)."""
    depth = 0
    named = False
    for place in range(opening, len(tokens)):
        token = tokens[place]
        if token.sort == "number" and token.text != "1" and tokens[place - 1].text not in ("^", "-"):
            return False
        if token.sort == "sign":
            if token.text not in _OF_UNITS:
                return False
            depth += (token.text == "(") - (token.text == ")")
            if not depth:
                return named
        named = named or token.sort == "name"
    return False
