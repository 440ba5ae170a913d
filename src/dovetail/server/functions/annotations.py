"""Annotations: from what an author wrote to a type that the JSON decoder reads, with the same meaning.

The decoder reads most types by itself: those pass through untouched, and cost nothing. The others get a stand-in:
unions that it cannot tell apart, Pydantic's types, predicates, and dataclasses or TypedDicts that hold such a thing
somewhere. A `msgspec.Struct` is always taken as it is.
"""

import collections
import collections.abc
import dataclasses
import sys
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, time
from decimal import Decimal
from enum import Enum
from types import NoneType, SimpleNamespace, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from dovetail.errors import DefinitionError
from dovetail.server.functions.constraints import NUMERIC, SIZED, Constraints
from dovetail.server.functions.decimals import Amount, bounded
from dovetail.server.functions.multiples import stepping
from dovetail.server.functions.shadows import computes_some, shadow_of
from dovetail.server.functions.standins import (
    Built,
    ByPydantic,
    FirstOf,
    Passing,
    StandIn,
    is_pydantic,
    rule_of,
    stand_in,
)

_AS_LIST: Final = (collections.abc.Iterable, collections.abc.Reversible, collections.abc.Container)
_MAPPINGS: Final = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
_QUALIFIERS: Final = frozenset({"Required", "NotRequired", "ReadOnly", "Final"})
_NO_NAMES: Final = (bool, None, NoneType, list, tuple, set, frozenset, dict)
_INTEGER_KEY: Final = {"pattern": "^-?(0|[1-9][0-9]*)$"}
_SIZED: Final = (str, bytes, bytearray, list, set, frozenset, tuple, dict, collections.abc.Collection)

Choices = dict[tuple[str, ...], list[Any]]
"""How the values of an enum or Literal stand in the source, by their sorted JSON."""


class Reader:
    """Turns annotations into readable types; keeps what it made for classes, so that recursion ends."""

    def __init__(
        self,
        namespace: Mapping[str, Any] | None = None,
        globals_: dict[str, Any] | None = None,
        *,
        own: bool = False,
    ) -> None:
        """Resolve names that stand in strings in `namespace`, too: types that are local to a function.

        Args:
            namespace: What is local to the function.
            globals_: What is global where it stands.
            own: The JSON was written here, and not by a caller.
        """
        self.choices: Choices = {}
        self._namespace = namespace
        self._globals = globals_
        self._own = own
        self._known: dict[Any, Any] = {}
        self._reading: set[Any] = set()
        self._recursive: set[Any] = set()
        self._opaque = False

    def read(self, annotation: Any) -> Any:
        """Return the readable type.

        Raises:
            DefinitionError: A constraint that cannot be honoured.
        """
        if annotation is None or annotation is object or annotation is Any:
            return None if annotation is None else Any
        origin = get_origin(annotation)
        if origin is None:
            return self._plain(annotation)
        arguments = get_args(annotation)
        if origin is Annotated:
            return self._annotated(annotation, arguments[0], arguments[1:])
        if origin is Union or origin is UnionType:
            return self._union(annotation, arguments)
        if origin is Literal:
            self._note(arguments)
            return self._ruled(annotation)
        if getattr(origin, "_name", None) in _QUALIFIERS:
            return self.read(arguments[0])
        if hasattr(origin, "__value__"):
            return self.read(origin.__value__[arguments])
        return self._by_pydantic(annotation) if is_pydantic(origin) else self._generic(annotation, origin, arguments)

    def _plain(self, annotation: Any) -> Any:
        if annotation in _AS_LIST:
            return list
        if hasattr(annotation, "__supertype__"):  # NewType
            return self.read(annotation.__supertype__)
        if hasattr(annotation, "__value__"):  # type X = ...
            return self._alias(annotation, annotation.__name__, lambda: annotation.__value__)
        if isinstance(annotation, str | typing.ForwardRef):  # in an alias, perhaps one that leads to itself
            name = annotation if isinstance(annotation, str) else annotation.__forward_arg__
            return self._alias(("name", name), name, lambda: self._named(name))
        if is_pydantic(annotation):
            return self._by_pydantic(annotation)
        if isinstance(annotation, type) and issubclass(annotation, Enum):
            self._note([member.value for member in annotation])
            return self._ruled(annotation)
        return self._class(annotation) if _has_fields(annotation) else self._ruled(annotation)

    def _ruled(self, annotation: Any) -> Any:
        """Return a stand-in for what the decoder does not read by itself; else the annotation as it is."""
        from dovetail.server.functions.choices import rule_for

        rule = rule_for(annotation)
        if rule is None:
            return annotation
        if annotation not in self._known:
            self._known[annotation] = stand_in(getattr(annotation, "__name__", "Choice"), rule)
        return self._known[annotation]

    def _alias(self, key: Any, name: str, value: Callable[[], Any]) -> Any:
        """Return the readable type behind a name; one that leads to itself is read by a stand-in."""
        if self._opaque:
            return None
        if key in self._known:
            if key in self._reading:
                self._recursive.add(key)
            return self._known[key]
        mine = self._known[key] = stand_in(name)
        self._reading.add(key)
        read = self.read(value())
        self._reading.discard(key)
        if key in self._recursive:
            mine.rule = Passing(read, ())
            return mine
        self._known[key] = read
        return read

    def _named(self, name: str) -> Any:
        """Return what a name in a string stands for."""
        holder = SimpleNamespace(__annotations__={"it": name})
        try:
            return get_type_hints(holder, self._globals, dict(self._namespace or {}), include_extras=True)["it"]
        except (NameError, SyntaxError, TypeError):
            raise DefinitionError(f"{name!r} names no type that is known here") from None

    def _generic(self, annotation: Any, origin: Any, arguments: tuple[Any, ...]) -> Any:
        read = tuple(argument if argument in (..., ()) else self.read(argument) for argument in arguments)
        changed = any(new is not old for new, old in zip(read, arguments, strict=True))
        if origin is collections.OrderedDict:
            from dovetail.server.functions.choices import Made

            plain = self.read(types.GenericAlias(dict, arguments))
            return stand_in("OrderedDict", Made(plain, collections.OrderedDict, {}))
        if origin in _AS_LIST:
            return list[read[0]] if read else list  # type: ignore[valid-type]
        if origin in _MAPPINGS and len(read) == 2:
            keys = self._keys(read[0])
            made = origin[read] if changed else annotation
            return Annotated[made, msgspec.Meta(extra_json_schema={"propertyNames": keys})] if keys else made
        return origin[read] if changed else annotation

    def _keys(self, annotation: Any) -> dict[str, Any] | None:
        """Return what a schema says of an object's keys; the decoder's own schema says nothing."""
        if annotation in (str, Any):
            return None
        if annotation is int:
            return _INTEGER_KEY
        if _bare(annotation) in _NO_NAMES:
            kind = getattr(_bare(annotation), "__name__", "None")
            raise DefinitionError(f"names of members are text, which {kind} cannot be read from; use str as keys")
        from dovetail.server.functions.schemas import schema_of_key

        return schema_of_key(annotation, self.choices)

    def _annotated(self, annotation: Any, base: Any, metadata: tuple[Any, ...]) -> Any:
        found = Constraints(metadata)
        if found.pydantic:
            return stand_in("Pydantic", ByPydantic(annotation))
        read = self.read(base)
        read, meta = self._within(base, read, found)
        if found.empty and read is base and found.native:
            return annotation
        for known in found.native:
            read = Annotated[read, known]
        if found.tests:
            read = stand_in("Passing", Passing(read if meta is None else Annotated[read, meta], found.tests))
            return read if found.words() is None else Annotated[read, found.words()]
        return read if meta is None else Annotated[read, meta]

    def _within(self, base: Any, read: Any, found: Constraints) -> tuple[Any, msgspec.Meta | None]:
        """Return a type within the bounds that the decoder does not know of it, and what it shall be told besides."""
        choice = get_origin(base) in (Union, UnionType)
        steps = found.stepped and _bare(read) is float
        if choice or steps or read is Decimal:
            found.unfold()
        if not found.limits or not (choice or steps or read is Decimal):
            return read, found.meta()
        if choice:
            return self._limited(base, found), found.words()
        return bounded(found) if read is Decimal else stepping(read, found), found.words()

    def _limited(self, union: Any, found: Constraints) -> Any:
        """Put bounds onto those members of a union that they are about.

        Raises:
            DefinitionError: A bound that is about none of them.
        """
        members: list[Any] = []
        idle = set(found.limits)
        for member in get_args(union):
            names = _bounds_of(member)
            idle -= names
            if _bare(member) is Decimal:
                members.append(bounded(found) if names & found.limits.keys() else member)
                continue
            meta = found.meta(names)
            members.append(member if meta is None else Annotated[member, meta])
        if idle:
            raise DefinitionError(f"{min(idle)!r} is about no member of this union; put it beside the member it is for")
        return self.read(_union(members))

    def _union(self, annotation: Any, arguments: tuple[Any, ...]) -> Any:
        members = tuple(self.read(argument) for argument in arguments)
        changed = any(new is not old for new, old in zip(members, arguments, strict=True))
        if self._opaque and changed:
            return None
        union = _union(members) if changed else annotation
        try:
            msgspec.json.Decoder(union, dec_hook=lambda cls, value: value)
        except (TypeError, ValueError, NameError):
            return stand_in("FirstOf", FirstOf([_one_of_several(member) for member in members]))
        return union

    def _note(self, values: Iterable[Any]) -> None:
        """Remember the order in which choices stand in the source."""
        chosen = [value.value if isinstance(value, Enum) else value for value in values]
        if all(isinstance(value, str | int | None) for value in chosen):
            # 1 and True are the same to a dict, and not in JSON.
            self.choices[choices_key(chosen)] = list({(type(value), value): value for value in chosen}.values())

    def _by_pydantic(self, annotation: Any) -> type[StandIn]:
        known: type[StandIn] | None = self._known.get(annotation)
        if known is None:
            known = self._known[annotation] = stand_in(annotation.__name__, ByPydantic(annotation))
        return known

    # Classes with fields.

    def _class(self, cls: Any) -> Any:
        if self._opaque:
            return cls
        known = self._known.get(cls)
        if known is None:
            reachable: dict[Any, dict[str, Any] | None] = {}
            self._reach(cls, reachable)
            if not any(self._is_foreign(member, hints) for member, hints in reachable.items()):
                self._known.update((member, member) for member in reachable)
                return cls
            known = self._known[cls] = stand_in(cls.__name__)
            read = {name: self.read(hint) for name, hint in (reachable[cls] or {}).items()}
            known.rule = Built(cls, shadow_of(cls, read, own=self._own))
        return known

    def _reach(self, cls: Any, reachable: dict[Any, dict[str, Any] | None]) -> None:
        """Collect the classes with fields that a class's fields lead to, with their annotations."""
        if cls in reachable:
            return
        hints = reachable[cls] = self.hints(cls)
        waiting = list((hints or {}).values())
        while waiting:
            annotation = waiting.pop()
            if _has_fields(annotation):
                self._reach(annotation, reachable)
            elif get_origin(annotation) is not Literal:
                waiting += get_args(annotation)

    def hints(self, cls: Any) -> dict[str, Any]:
        """Return the resolved annotations of a class's fields.

        Raises:
            DefinitionError: A name that is not known.
        """
        try:
            return get_type_hints(cls, localns=self._namespace, include_extras=True)
        except NameError as error:
            raise DefinitionError(f"{cls.__name__} names a type that is not known here: {error.name}") from None

    def _is_foreign(self, cls: Any, hints: dict[str, Any] | None) -> bool:
        """Tell whether a class has a field that the decoder would not read, or not read alike."""
        if computes_some(cls) and not self._own:
            return True
        if dataclasses.is_dataclass(cls) and any(field.name not in (hints or {}) for field in dataclasses.fields(cls)):
            return True
        try:
            get_type_hints(cls)
        except NameError:
            return True
        self._opaque = True
        try:
            return any(not _same(self.read(hint), hint) for hint in (hints or {}).values())
        finally:
            self._opaque = False


def _union(members: Iterable[Any]) -> Any:
    return Union[tuple(members)]  # noqa: UP007


def _one_of_several(member: Any) -> Any:
    """Return a member of a union that is told apart by reading: what is no decimal may be another's text."""
    if member is Decimal:
        return stand_in("Decimal", Amount())
    return NoneType if member is None else member


def _bare(annotation: Any) -> Any:
    """Return what a type is, without what stands beside it or in its brackets."""
    while get_origin(annotation) is Annotated or hasattr(annotation, "__supertype__"):
        annotation = annotation.__origin__ if get_origin(annotation) is Annotated else annotation.__supertype__
    return get_origin(annotation) or annotation


def _bounds_of(annotation: Any) -> frozenset[str]:
    """Return the bounds that values of a type can have, by `Meta`'s names."""
    kind = _bare(annotation)
    if kind in (int, float, Decimal):
        return NUMERIC
    if kind in (datetime, time):
        return frozenset({"tz"})
    if isinstance(kind, type) and issubclass(kind, _SIZED):
        return SIZED | {"pattern"} if kind is str else SIZED
    return frozenset()


def uses_pydantic(annotation: Any, reader: Reader) -> bool:
    """Tell whether some part of an annotation is only for Pydantic to read."""
    if "pydantic" not in sys.modules:
        return False
    seen: set[int] = set()
    waiting = [annotation]
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if is_pydantic(part) or is_pydantic(get_origin(part)):
            return True
        if get_origin(part) is Annotated and Constraints(part.__metadata__).pydantic:
            return True
        if _has_fields(part):
            waiting += reader.hints(part).values()
        elif get_origin(part) is not Literal:
            waiting += get_args(part)
    return False


def choices_key(values: Iterable[Any]) -> tuple[str, ...]:
    """Return what choices are found by, in whatever order they stand."""
    return tuple(sorted({msgspec.json.encode(value).decode() for value in values}))


def _has_fields(annotation: Any) -> bool:
    """Tell whether a class is a dataclass or a TypedDict, which are read field by field."""
    if not isinstance(annotation, type) or is_pydantic(annotation):
        return False
    return dataclasses.is_dataclass(annotation) or typing.is_typeddict(annotation)


def _same(read: Any, annotation: Any) -> bool:
    while getattr(get_origin(annotation), "_name", None) in _QUALIFIERS:
        annotation = get_args(annotation)[0]
    if annotation is object:
        return True
    return read is annotation and rule_of(read) is None
