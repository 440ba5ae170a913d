"""Decimals: which texts and numbers are one, in arguments and in results.

The decoder takes whatever Python's `Decimal` takes: "NaN", "Infinity", "1_000", digits of any script, exponents whose
number fills the memory once somebody writes it out. None of that is a number in JSON, and code that reckons with an
amount expects none of it.

Invariant: a decimal is read and written exactly; as text it is spelt as JSON spells numbers; its exponent has at most
    three digits. The schema's pattern says so; what the decoder let pass is looked at here.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Final

import msgspec

from dovetail.server.functions.constraints import Constraints
from dovetail.server.functions.expectations import Place
from dovetail.server.functions.standins import Schema, StandIn, convert, stand_in

PATTERN: Final = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?$"
"""The texts that are decimals, in the words that a schema and Python share."""

_SPELT: Final = re.compile(PATTERN.removeprefix("^").removesuffix("$"))
_LEAST: Final = -999


class Amount:
    """A decimal where the schema alone does not decide: with bounds, or beside other types that texts can be."""

    def __init__(self, annotation: Any = Decimal, tests: Sequence[Callable[[Any], Any]] = ()) -> None:
        """Read the type, then ask each test."""
        self.parts = (annotation,)
        self._tests = tests

    def read(self, value: Any) -> Any:
        """See `Rule`."""
        if isinstance(value, str) and _SPELT.fullmatch(value) is None:
            raise ValueError("Invalid decimal string")
        read = convert(value, self.parts[0])
        if not all(test(read) for test in self._tests):
            raise ValueError("Expected a value that passes a test")
        return read

    def describe(self, parts: Sequence[Schema], *, output: bool) -> Schema:
        """See `Rule`."""
        return dict(parts[0])


def bounded(found: Constraints) -> type[StandIn]:
    """Return a decimal within bounds: the decoder knows bounds of int and float only."""
    words, tests = found.decimal_bounds()
    return stand_in("Decimal", Amount(Annotated[Decimal, msgspec.Meta(extra_json_schema=words)], tests))


def misspelt(schema: Mapping[str, Any]) -> Callable[[bytes | msgspec.Raw], str | None] | None:
    """Return what finds the place of a decimal in JSON that is none, or none that we take; None if there are none.

    Args:
        schema: Of the JSON, which fits it but for that.
    """
    if b'"decimal"' not in msgspec.json.encode(schema):
        return None
    root = Place(schema)
    return lambda data: _found(root, data)


def _found(root: Place, data: bytes | msgspec.Raw) -> str | None:
    from jiter import from_json

    # Exactly, since a float has forgotten how small the number was.
    waiting: list[tuple[Place, Any]] = [(root, from_json(bytes(data), float_mode="decimal"))]
    while waiting:
        place, part = waiting.pop()
        members: Iterable[tuple[Any, Any]] = ()
        if isinstance(part, dict):
            members = part.items()
        elif isinstance(part, list):
            members = enumerate(part)
        elif not _fits(part) and place.formats() == {"decimal"}:
            return place.path
        waiting += [(inner, member) for name, member in members if (inner := place.step(name)) is not None]
    return None


def _fits(value: Any) -> bool:
    if isinstance(value, str):
        return _SPELT.fullmatch(value) is not None
    # Larger ones are no JSON that a message can hold.
    return not isinstance(value, Decimal) or value.adjusted() >= _LEAST
