"""Stand-ins: types that the JSON decoder does not know, read by a rule of ours.

A stand-in is a class made for one place in one annotation. The decoder sees a custom type, hands the decoded JSON to
`hook`, and the rule behind the stand-in makes the value. Rules say their own JSON Schema, too.

Invariants: a rule raises ValueError when the JSON does not fit, in the decoder's own words with the place at the end;
what a rule says never goes onto the wire (see `expectations`). Pydantic is only touched through classes that came from
it.
"""

import dataclasses
import sys
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol, TypedDict, cast

import msgspec

from dovetail.errors import DefinitionError

Schema = dict[str, Any]
_FORGETFUL = frozenset({"missing", "missing_argument", "missing_keyword_only_argument"})


class Rule(Protocol):
    """How one stand-in is read and described."""

    parts: tuple[Any, ...]
    """Types whose schemas the description is made of."""

    def read(self, value: Any) -> Any:
        """Make the value from decoded JSON. Raises ValueError when it does not fit."""
        ...

    def describe(self, parts: Sequence[Schema], *, output: bool) -> Schema:
        """Return the schema, given those of the parts. It may have `$defs` of its own."""
        ...


class _AnyInstance(type):
    """Whatever a rule made passes the decoder's own check of the type."""

    def __instancecheck__(cls, instance: object) -> bool:
        return True


class StandIn(metaclass=_AnyInstance):
    """The base of all stand-ins."""

    rule: ClassVar[Rule]


def stand_in(name: str, rule: Rule | None = None) -> type[StandIn]:
    """Make a stand-in; a recursive one gets its rule later."""
    made: Any = _AnyInstance(name, (StandIn,), {} if rule is None else {"rule": rule})
    return cast("type[StandIn]", made)


def rule_of(cls: Any) -> Rule | None:
    """Return the rule for a class that the decoder does not know, or None."""
    if isinstance(cls, type) and issubclass(cls, StandIn):
        return getattr(cls, "rule", None)  # none yet, while a recursive one is being read
    return ByPydantic(cls) if is_pydantic(cls) else None


def hook(cls: Any, value: Any) -> Any:
    """Read decoded JSON as a class that the decoder does not know."""
    rule = rule_of(cls)
    if rule is None:
        raise ValueError("Expected a type that JSON has words for")
    return rule.read(value)


def convert(value: Any, annotation: Any) -> Any:
    """Read decoded JSON as a type, strictly. Raises ValueError."""
    try:
        return msgspec.convert(value, annotation, strict=True, dec_hook=hook)
    except msgspec.ValidationError as error:
        # As a plain ValueError, so that the decoder adds the place where it stood.
        raise ValueError(str(error)) from None


class FirstOf:
    """A union that the decoder cannot tell apart: the first that fits; of objects, the one that knows most keys."""

    def __init__(self, members: Sequence[Any]) -> None:
        """Try these types, in this order."""
        self.parts = tuple(members)
        self._known = [_keys(member) for member in members]

    def read(self, value: Any) -> Any:
        """See `Rule`."""
        fits: list[tuple[int, Any]] = []
        misfits: list[tuple[int, str]] = []
        for member, known in zip(self.parts, self._known, strict=True):
            unknown = len(value.keys() - known) if known is not None and isinstance(value, dict) else 0
            try:
                read = convert(value, member)
            except ValueError as error:
                if known is not None and isinstance(value, dict):
                    misfits.append((unknown, str(error)))
                continue
            if unknown == 0:
                return read
            fits.append((unknown, read))
        if fits:
            return min(fits, key=_first)[1]
        # What the nearest of the objects lacks says more than that none fits.
        raise ValueError(min(misfits, key=_first)[1] if misfits else "Expected one of several")

    def describe(self, parts: Sequence[Schema], *, output: bool) -> Schema:
        """See `Rule`."""
        return {"anyOf": [*parts]}


def _first(ranked: tuple[int, Any]) -> int:
    return ranked[0]


class Passing:
    """A type with tests beside it (`annotated_types.Predicate`)."""

    def __init__(self, annotation: Any, tests: Sequence[Callable[[Any], Any]], *, described: bool = False) -> None:
        """Read the type, then ask each test; `described` tells that the schema says what they test."""
        self.parts = (annotation,)
        self._tests = tests
        self._failing = "Expected a value that passes a test" if described else "A test failed"

    def read(self, value: Any) -> Any:
        """See `Rule`."""
        read = convert(value, self.parts[0])
        if not all(test(read) for test in self._tests):
            raise ValueError(self._failing)
        return read

    def describe(self, parts: Sequence[Schema], *, output: bool) -> Schema:
        """See `Rule`."""
        return dict(parts[0])


class Built:
    """A dataclass or TypedDict with a field that the decoder cannot read: read as its shadow, then made from that."""

    def __init__(self, cls: Any, shadow: Any) -> None:
        """Read the shadow, make the class."""
        self.parts = (shadow,)
        self.cls = cls
        is_dataclass: bool = dataclasses.is_dataclass(cls)
        self._make: Any = cls if is_dataclass else None
        self._computed = {field.name for field in dataclasses.fields(cls) if not field.init} if is_dataclass else set()

    def read(self, value: Any) -> Any:
        """See `Rule`."""
        read = convert(value, self.parts[0])
        if self._make is None:
            return read
        fields = ((name, getattr(read, name)) for name in read.__struct_fields__)
        given = {name: field for name, field in fields if field is not msgspec.UNSET}
        computed = {name: given.pop(name) for name in self._computed & given.keys()}
        made = self._make(**given)
        for name, field in computed.items():
            object.__setattr__(made, name, field)  # also where the class is frozen
        return made

    def describe(self, parts: Sequence[Schema], *, output: bool) -> Schema:
        """See `Rule`."""
        return dict(parts[0])


class ByPydantic:
    """A model, or what else only Pydantic can read: described and validated by Pydantic, in its strict JSON mode."""

    def __init__(self, annotation: Any) -> None:
        """Compile Pydantic's own reader."""
        self.parts = ()
        self.adapter = adapter(annotation)
        self._annotation = annotation

    def read(self, value: Any) -> Any:
        """See `Rule`."""
        try:
            return self.adapter.validate_json(msgspec.json.encode(value), strict=True)
        except ValueError as error:
            raise ValueError(_in_our_words(error, self.describe((), output=False))) from None

    def describe(self, parts: Sequence[Schema], *, output: bool) -> Schema:
        """See `Rule`."""
        try:
            from dovetail.server.functions.titles import pydantic_schema

            return pydantic_schema(self.adapter, self._annotation, output=output)
        except Exception as error:
            raise DefinitionError(f"Pydantic has no JSON Schema for this: {_reason(error)}") from None


_adapters: dict[int, tuple[Any, Any]] = {}


def adapter(annotation: Any) -> Any:
    """Return Pydantic's compiled reader for a type; made once."""
    known = _adapters.get(id(annotation))
    if known is not None and known[0] is annotation:
        return known[1]
    from pydantic import TypeAdapter

    try:
        made = TypeAdapter(annotation)
    except Exception as error:
        raise DefinitionError(f"Pydantic cannot read {annotation!r}: {_reason(error)}") from None
    _adapters[id(annotation)] = (annotation, made)
    return made


def is_pydantic(annotation: Any) -> bool:
    """Tell whether a class is one that Pydantic describes. Never imports it."""
    return (
        isinstance(annotation, type)
        and "pydantic" in sys.modules
        and (
            "__pydantic_core_schema__" in vars(annotation)
            or hasattr(annotation, "__get_pydantic_core_schema__")
            or hasattr(annotation, "__pydantic_validator__")
        )
    )


def _in_our_words(error: Any, schema: Schema) -> str:
    """Return Pydantic's first error as the decoder would have said it: kind and place, and nothing of its text."""
    found = error.errors(include_input=False, include_url=False)[0]
    location = list(found["loc"])
    kind = found["type"]
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        # The discriminator is named as `repr` writes it. Of the context nothing else is used: it holds the value.
        location.append(str(found.get("ctx", {}).get("discriminator", "")).strip("'"))
        kind = "missing" if kind == "union_tag_not_found" else kind
    last = location.pop() if location and (kind in _FORGETFUL or kind == "extra_forbidden") else None
    place = _place(location, schema)
    where = f" - at `{place}`" if place != "$" else ""
    if kind in _FORGETFUL:
        return f"Object missing required field `{last}`{where}"
    if kind == "extra_forbidden":
        return f"Object contains unknown field `{last}`{where}"
    return ("A test failed" if kind in ("value_error", "assertion_error") else "Expected something else") + where


def _place(location: Sequence[Any], schema: Schema) -> str:
    """Return a path as far as the schema has names for it; keys of the peer's own are not shown."""
    from dovetail.server.functions.expectations import Place

    place = Place(schema)
    for step in location:
        place = place.step(step) or place
    return place.path


def _keys(member: Any) -> frozenset[str] | None:
    """Return the keys that an object type knows; None when it is no object type, or takes any."""
    rule = rule_of(member)
    if isinstance(rule, Built):
        return _keys(rule.parts[0])
    if isinstance(rule, ByPydantic):
        fields = getattr(member, "model_fields", {})
        return frozenset(fields) | {field.alias for field in fields.values() if field.alias} or None
    if rule is not None:
        return None
    if hasattr(member, "__struct_encode_fields__"):
        tag = member.__struct_config__.tag_field
        return frozenset(member.__struct_encode_fields__) | ({tag} if tag else set())
    if dataclasses.is_dataclass(member):
        return frozenset(field.name for field in dataclasses.fields(member))
    return frozenset(member.__annotations__) if isinstance(member, type(_Sample)) else None


class _Sample(TypedDict):
    """Any TypedDict: they share a metaclass."""


def _reason(error: Exception) -> str:
    """Return what went wrong, and the first line of what Pydantic says of it: how to mend it mostly stands there."""
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
