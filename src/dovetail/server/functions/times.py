"""Dates and times in generated schemas: the generator says nothing of a time that may lack an offset.

Models write what they are told, and an error that says "expected string" of a string helps nobody. So the schemas are
gone through beside the types that they were made of, wherever these stand: in classes, too.

Invariant: a date-time that is sent has its offset, as the format demands (RFC 3339, section 5.6); one that comes in may
lack it. A type whose times have none (`Meta(tz=False)`) has no format.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
import msgspec.inspect as mi

from dovetail.server.functions.expectations import Place

Schema = dict[str, Any]
_LOCAL: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?")
_LOCAL_JSON: Final = re.compile(b'"%b"' % _LOCAL.pattern.encode())


def say_times(types: Sequence[Any], roots: Sequence[Schema], defs: dict[str, Schema], prefix: str) -> None:
    """Add the formats of dates and times, in place.

    Args:
        types: What was described.
        roots: Their schemas, in the same order.
        defs: What the schemas refer to.
        prefix: What stands before a name in a reference.
    """
    walk = _Walk(defs, prefix)
    for kind, root in zip(mi.multi_type_info(types), roots, strict=True):
        walk.over(kind, root)


def without_offset(schema: Mapping[str, Any]) -> Callable[[bytes], str | None] | None:
    """Return what finds the place of a date-time that lacks its offset in JSON; None if the schema has no such format.

    Args:
        schema: Of the JSON, which fits it but for that.
    """
    if b'"date-time"' not in msgspec.json.encode(schema):
        return None
    root = Place(schema)
    return lambda data: None if _LOCAL_JSON.search(data) is None else _found(root, msgspec.json.decode(data))


def _found(root: Place, value: Any) -> str | None:
    waiting = [(root, value)]
    while waiting:
        place, part = waiting.pop()
        members: Iterable[tuple[Any, Any]] = ()
        if isinstance(part, str):
            if _LOCAL.fullmatch(part) is not None and place.formats() == {"date-time"}:
                return place.path
        elif isinstance(part, dict):
            members = part.items()
        elif isinstance(part, list):
            members = enumerate(part)
        waiting += [(inner, member) for name, member in members if (inner := place.step(name)) is not None]
    return None


class _Walk:
    """One walk over types and their schemas."""

    def __init__(self, defs: dict[str, Schema], prefix: str) -> None:
        self._defs = defs
        self._prefix = prefix
        self._seen: set[str] = set()

    def over(self, kind: mi.Type, schema: Any) -> None:
        """Go over one type and its schema."""
        while isinstance(kind, mi.Metadata):
            kind = kind.type
        if not isinstance(schema, dict):
            return
        match kind:
            case mi.DateTimeType() if kind.tz is not False:
                schema.setdefault("format", "date-time")
            case mi.TimeType():
                schema.setdefault("format", "time")
            case mi.CollectionType():
                self.over(kind.item_type, schema.get("items"))
            case mi.TupleType():
                self._each(kind.item_types, schema.get("prefixItems", ()))
            case mi.DictType():
                self.over(kind.value_type, schema.get("additionalProperties"))
            case mi.UnionType():
                self._union(kind, schema)
            case mi.StructType() | mi.DataclassType() | mi.TypedDictType() | mi.NamedTupleType():
                self._fields(kind, schema)

    def _each(self, kinds: Sequence[mi.Type], schemas: Sequence[Any]) -> None:
        for kind, schema in zip(kinds, schemas, strict=False):
            self.over(kind, schema)

    def _fields(self, kind: Any, schema: Schema) -> None:
        name = schema.get("$ref", "").removeprefix(self._prefix)
        if name in self._seen or name not in self._defs:
            return
        self._seen.add(name)
        described = self._defs[name]
        if "prefixItems" in described:
            self._each([field.type for field in kind.fields], described["prefixItems"])
            return
        for field in kind.fields:
            self.over(field.type, described.get("properties", {}).get(field.encode_name))

    def _union(self, kind: mi.UnionType, schema: Schema) -> None:
        """Go over a choice: Structs stand behind the other members, several of them together; null stands last."""
        bare = [_bare(member) for member in kind.types]
        structs = [member for member in bare if isinstance(member, mi.StructType) and not member.array_like]
        nothing = [member for member in bare if isinstance(member, mi.NoneType)]
        others = [member for member in bare if member not in structs and member not in nothing]
        options = schema.get("anyOf", [])
        if len(structs) > 1:
            self._each(others, options)
            together = options[len(others)] if others or nothing else schema
            self._each(structs, together.get("anyOf", ()))
        else:
            self._each([*others, *structs], options)


def _bare(kind: mi.Type) -> mi.Type:
    while isinstance(kind, mi.Metadata):
        kind = kind.type
    return kind
