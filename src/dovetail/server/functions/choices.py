"""Choices, and other classes that the JSON decoder does not read by itself: one rule each (see `standins`)."""

import enum
from collections import OrderedDict
from collections.abc import Callable, Sequence
from math import isfinite
from pathlib import PurePath
from typing import Any, Literal, get_args, get_origin

from dovetail.errors import DefinitionError
from dovetail.server.functions.standins import Schema, convert

Wire = str | int | float | bool | None
_WORDS = frozenset({str, int, float, bool, type(None)})


class Chosen:
    """One of several values, each under what stands for it in JSON: mixed enums, members of enums in a Literal."""

    def __init__(self, choices: Sequence[tuple[Wire, Any]]) -> None:
        """Read the JSON, return the value."""
        self.parts = ()
        self._wire = [wire for wire, _ in choices]
        self._values = {_key(wire): value for wire, value in reversed(choices)}

    def read(self, value: Any) -> Any:
        """See `Rule`."""
        try:
            return self._values[_key(value)]
        except (KeyError, TypeError):
            raise ValueError("Invalid enum value") from None

    def describe(self, parts: Sequence[Schema], *, output: bool) -> Schema:
        """See `Rule`."""
        return {"enum": [*self._wire]}


class Flags:
    """A flag: any combination of its members, as a number."""

    def __init__(self, cls: type[enum.Flag]) -> None:
        """Read the number, make the flag."""
        self.parts = ()
        self._cls = cls
        self._all = 0
        for member in cls:
            self._all |= member.value

    def read(self, value: Any) -> Any:
        """See `Rule`."""
        if type(value) is not int or value < 0 or value & ~self._all:
            raise ValueError("Invalid enum value")
        return self._cls(value)

    def describe(self, parts: Sequence[Schema], *, output: bool) -> Schema:
        """See `Rule`."""
        return {"type": "integer", "minimum": 0, "maximum": self._all}


class Made:
    """A class that is made from one value of another type."""

    def __init__(self, annotation: Any, make: Callable[[Any], Any], words: Schema) -> None:
        """Read the type, then make of it what is wanted; `words` say more of it in the schema."""
        self.parts = (annotation,)
        self._make = make
        self._words = words

    def read(self, value: Any) -> Any:
        """See `Rule`."""
        return self._make(convert(value, self.parts[0]))

    def describe(self, parts: Sequence[Schema], *, output: bool) -> Schema:
        """See `Rule`."""
        return {**parts[0], **self._words}


def _key(value: Any) -> tuple[bool, Any]:
    """Return what a value of JSON is found by: 1 and 1.0 are one number, and True is none."""
    return isinstance(value, bool), value


def rule_for(annotation: Any) -> "Chosen | Flags | Made | None":
    """Return the rule for a class or Literal that the decoder reads not, or in another way than its schema says."""
    origin = get_origin(annotation)
    if origin is Literal:
        values = get_args(annotation)
        return Chosen([(_wire(v), v) for v in values]) if any(isinstance(v, enum.Enum) for v in values) else None
    if annotation is OrderedDict:
        return Made(dict, OrderedDict, {})
    if not isinstance(annotation, type):
        return None
    if issubclass(annotation, PurePath):
        return Made(str, annotation, {"format": "path"})
    if issubclass(annotation, enum.Flag):
        return Flags(annotation)
    if issubclass(annotation, enum.Enum):
        return _mixed(annotation)
    return None


def _wire(value: Any) -> Wire:
    found: Wire = value.value if isinstance(value, enum.Enum) else value
    return found


def _mixed(cls: type[enum.Enum]) -> Chosen | None:
    """Return the rule for an enum whose values are not all text, or all integers; those the decoder reads by itself.

    Raises:
        DefinitionError: A value that JSON has no single word for.
    """
    values = [member.value for member in cls]
    if all(isinstance(value, str) for value in values) or all(
        isinstance(value, int) and not isinstance(value, bool) for value in values
    ):
        return None
    if any(type(value) not in _WORDS or (isinstance(value, float) and not isfinite(value)) for value in values):
        raise DefinitionError(
            f"{cls.__name__}: a choice stands in JSON as its value: a string, a finite number, a boolean or None"
        )
    return Chosen([(member.value, member) for member in cls])
