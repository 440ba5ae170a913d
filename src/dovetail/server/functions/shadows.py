"""Shadows: twins of classes whose fields the JSON decoder cannot read, made of fields that it can (see `Built`).

Invariant: a field that a dataclass computes itself (`init=False`) is no caller's to give. It stands in a shadow only
where our own JSON is read back, or what goes out is described.
"""

import dataclasses
import typing
from collections.abc import Mapping
from enum import Enum
from types import NoneType
from typing import Any, Final, TypedDict

import msgspec

_KEPT: Final = (NoneType, bool, int, float, str, Enum)


def shadow_of(cls: Any, read: Mapping[str, Any], *, own: bool) -> Any:
    """Return the twin of a dataclass or TypedDict.

    Args:
        cls: The class.
        read: Readable types of its fields, by name.
        own: Computed fields, too.
    """
    if not dataclasses.is_dataclass(cls):
        return _of_typed_dict(cls, read)
    name, said = cls.__name__, cls.__doc__ or ""  # type: ignore[union-attr]
    return msgspec.defstruct(
        name,
        [_field(field, read[field.name]) for field in dataclasses.fields(cls) if field.init or own],
        module=cls.__module__,
        namespace={"__doc__": None if said.startswith(f"{name}(") else cls.__doc__, "__qualname__": _path(cls)},
        kw_only=True,
    )


def computes_some(cls: Any) -> bool:
    """Tell whether a class is a dataclass with fields that are no caller's to give."""
    return dataclasses.is_dataclass(cls) and not all(field.init for field in dataclasses.fields(cls))


def _path(cls: Any) -> str:
    path: str = cls.__qualname__
    return path


def _of_typed_dict(cls: Any, read: Mapping[str, Any]) -> Any:
    required = cls.__required_keys__
    fields = {n: typing.Required[h] if n in required else typing.NotRequired[h] for n, h in read.items()}
    shadow: Any = TypedDict(cls.__name__, fields)  # type: ignore[misc]
    shadow.__module__ = cls.__module__
    shadow.__doc__ = cls.__doc__
    return shadow


def _field(field: Any, annotation: Any) -> Any:
    if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
        return (field.name, annotation)
    if isinstance(field.default, _KEPT):
        return (field.name, annotation, field.default)
    return (field.name, annotation, msgspec.field(default_factory=_unset))


def _unset() -> msgspec.UnsetType:
    return msgspec.UNSET
