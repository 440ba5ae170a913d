"""Whole dataclasses: what the JSON decoder leaves out of an instance is put there.

The decoder (msgspec 0.22) writes no plain default into a dataclass that it makes: attribute access finds the one on the
class, and `vars`, `copy` and the encoder, which all read `__dict__`, do not. A value that came in and goes out again
would lose those fields. Python itself leaves out the plain default of a field that is no parameter (`init=False`).

Invariants: nothing that stands in an instance is replaced; only types that lead to such a dataclass are looked through,
which is found out once, when a function is registered.
"""

import dataclasses
import inspect
import typing
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from dovetail.server.functions.standins import Built, is_pydantic, rule_of

_MANY: Final = (list, tuple, set, frozenset)


class _Plan(NamedTuple):
    """How instances of one class are completed."""

    lacking: Mapping[str, Any]
    """Defaults that the decoder leaves out."""
    names: tuple[str, ...]
    """Fields that do not stand in `__dict__`."""
    by_itself: bool = False
    """The class leaves out defaults, too, and not the decoder alone."""


def completing(decode: Callable[..., Any], annotations: Iterable[Any]) -> Callable[..., Any]:
    """Return a decoder whose values are whole: the same one, where these types lead to no dataclass that may lack some.

    Args:
        decode: Makes a value from JSON.
        annotations: Readable types (see `annotations.Reader`) of what stands in the value.
    """
    if not may_lack(annotations):
        return decode

    def whole(*given: Any) -> Any:
        decoded = decode(*given)
        complete(decoded)
        return decoded

    return whole


def complete(value: Any) -> None:
    """Put the defaults into every dataclass that stands in a decoded value."""
    waiting = [value]
    seen: set[int] = set()  # what a default factory made may lead to itself
    while waiting:
        part = waiting.pop()
        if isinstance(part, _MANY):
            inner: Iterable[Any] = part
        elif isinstance(part, dict):
            inner = part.values()
        else:
            kind: Any = type(part)
            plan = _plan(kind)
            if plan is None:
                continue
            state: dict[str, Any] = getattr(part, "__dict__", {})
            for name, default in plan.lacking.items():
                state.setdefault(name, default)
            inner = [*state.values(), *(getattr(part, name, None) for name in plan.names)]
        if id(part) not in seen:
            seen.add(id(part))
            waiting += inner


def may_lack(annotations: Iterable[Any], *, made: bool = False) -> bool:
    """Tell whether some type leads to a dataclass that the decoder does not complete; with `made`, nor its class."""
    waiting = [*annotations]
    seen: set[int] = set()
    kept: list[Any] = []  # an id is good only while its owner lives
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        kept.append(part)
        inner = _parts(part)
        if inner is None or _lacks(part, made=made):
            return True
        waiting += inner
    return False


def _lacks(annotation: Any, *, made: bool) -> bool:
    if not isinstance(annotation, type):
        return False
    kind: Any = annotation  # not every metaclass says that its classes can be hashed
    plan = _plan(kind)
    return plan is not None and (plan.by_itself if made else bool(plan.lacking))


def _parts(annotation: Any) -> Iterable[Any] | None:
    """Return the types that one leads to; None when that is not to be seen."""
    rule = rule_of(annotation)
    if rule is not None:
        return (*rule.parts, rule.cls) if isinstance(rule, Built) else rule.parts
    if isinstance(annotation, TypeVar | str | typing.ForwardRef):
        return None
    origin = get_origin(annotation)
    if origin is Literal:
        return ()
    if origin is not None:
        return (origin, *(() if annotation is origin else get_args(annotation)))
    for name in ("__supertype__", "__value__"):  # NewType, and `type X = ...`
        if hasattr(annotation, name):
            return (getattr(annotation, name),)
    if not (isinstance(annotation, type) and _has_fields(annotation)):
        return ()
    try:
        return list(get_type_hints(annotation, include_extras=True).values())
    except (NameError, TypeError):
        return None


def _has_fields(cls: type) -> bool:
    return (
        dataclasses.is_dataclass(cls)
        or issubclass(cls, msgspec.Struct)
        or typing.is_typeddict(cls)
        or hasattr(cls, "__attrs_attrs__")
        or (issubclass(cls, tuple) and hasattr(cls, "_fields"))
    )


@lru_cache(maxsize=1024)
def _plan(cls: Any) -> _Plan | None:
    """Return how instances of a class are completed, and looked through; None when they hold nothing."""
    if is_pydantic(cls):  # it makes whole ones
        return None
    if dataclasses.is_dataclass(cls):
        fields = dataclasses.fields(cls)
        lacking = {
            field.name: field.default
            for field in fields
            if field.default is not dataclasses.MISSING and not _stands_elsewhere(cls, field.name)
        }
        slots = tuple(field.name for field in fields if _is_slot(cls, field.name))
        return _Plan(lacking, slots, any(field.name in lacking and not field.init for field in fields))
    if issubclass(cls, msgspec.Struct):
        return _Plan({}, cls.__struct_fields__)
    attributes = getattr(cls, "__attrs_attrs__", None)
    if attributes is None:
        return None
    return _Plan({}, tuple(field.name for field in attributes if _is_slot(cls, field.name)))


def _stands_elsewhere(cls: Any, name: str) -> bool:
    """Tell whether a field is kept by a slot, a property or the like, and not in `__dict__`."""
    return hasattr(type(inspect.getattr_static(cls, name, None)), "__set__")


def _is_slot(cls: Any, name: str) -> bool:
    return inspect.ismemberdescriptor(inspect.getattr_static(cls, name, None))
