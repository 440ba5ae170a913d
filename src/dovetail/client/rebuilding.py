"""From an output schema to what rebuilds a result's data: attributes, dates, numbers; and plain JSON for the rest.

Rebuilding loses nothing and refuses nothing. What a schema does not declare, and may come all the same, is kept as it
came; so is a single value that does not fit what is said of it, and nothing around it changes for that.
"""

import datetime
import keyword
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from dovetail.wire import WRAPPED_VALUE

Read = Callable[[Any], Any]

_DEEPEST: Final = 16
_MOST: Final = 256
_ELSEWHERE: Final = frozenset({"$ref", "anyOf", "oneOf", "enum", "const"})
_TOO_FINE: Final = re.compile(r"\.\d{6}\d*[1-9]")
"""Fractions of a second that no date of Python holds."""


class Data:
    """An object of a result: its members as attributes, declared or not, and by name: `data.price`, `data["a-b"]`.

    A declared member that did not come is None as an attribute, and not there by name. `vars(data)` has what came.
    Equal to another one, or a mapping, with the same members.
    """

    def __init__(self, members: Mapping[str, Any]) -> None:
        self.__dict__.update(members)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__dict__.items())})"

    def __eq__(self, other: object) -> bool:
        return self.__dict__ == (other.__dict__ if isinstance(other, Data) else other)

    __hash__ = None  # type: ignore[assignment]

    def __getitem__(self, name: str) -> Any:
        return self.__dict__[name]

    def __contains__(self, name: object) -> bool:
        return name in self.__dict__

    def __iter__(self) -> Iterator[str]:
        return iter(self.__dict__)

    def __len__(self) -> int:
        return len(self.__dict__)

    def __bool__(self) -> bool:
        return True


def reader_of(schema: bytes | msgspec.Raw) -> Read:
    """Return what rebuilds a value that fits a schema, from plain JSON."""
    root = msgspec.json.decode(schema)
    if not isinstance(root, dict):
        return _plain
    builder = _Builder(root)
    if (inner := _wrapped_or_not(root)) is None:
        return builder.build(root, "Result", 0).read
    read = builder.build(inner, "Result", 0).read

    def either(value: Any) -> Any:
        wrapped = isinstance(value, dict) and value.keys() == {WRAPPED_VALUE}
        return {WRAPPED_VALUE: read(value[WRAPPED_VALUE])} if wrapped else read(value)

    return either


def _wrapped_or_not(root: dict[str, Any]) -> Any:
    """Return the schema that a server of ours had to widen to objects, which stands in it twice; None for others."""
    match root.get("anyOf"):
        case [inner, {"properties": {"value": again}, "required": ["value"]}] if inner == again:
            return inner
    return None


def _plain(value: Any) -> Any:
    return value


class _Reader(msgspec.Struct, frozen=True):
    """How one kind of JSON is read; an empty kind stands for any."""

    kind: str
    read: Read


_ANY: Final = _Reader("", _plain)


def _integer(value: Any) -> Any:
    # "1.0" is an integer, too (JSON Schema 2020-12, Validation, section 6.1.1).
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _number(value: Any) -> Any:
    """Return a float, or the integer that no float is exactly."""
    if type(value) is not int:
        return value
    try:
        near = float(value)
    except OverflowError:
        return value
    return near if near == value else value


def _text_as(kind: type[Any]) -> Read:
    def read(value: Any) -> Any:
        if not isinstance(value, str) or _TOO_FINE.search(value):
            return value
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError:
            return value

    return read


_SCALARS: Final[Mapping[str, _Reader]] = {
    "string": _Reader("string", _plain),
    "integer": _Reader("number", _integer),
    "number": _Reader("number", _number),
    "boolean": _Reader("boolean", _plain),
    "null": _Reader("null", _plain),
}
_FORMATS: Final[Mapping[str, _Reader]] = {
    "date-time": _Reader("string", _text_as(datetime.datetime)),
    "date": _Reader("string", _text_as(datetime.date)),
    "time": _Reader("string", _text_as(datetime.time)),
    "uuid": _Reader("string", _text_as(uuid.UUID)),
}


class _Builder:
    """Builds the readers of one schema."""

    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root
        self._open: set[str] = set()
        self._named: dict[str, Read] = {}
        self._count = 0

    def build(self, schema: Any, name: str, depth: int) -> _Reader:
        self._count += 1
        if not isinstance(schema, dict) or depth > _DEEPEST or self._count > _MOST:
            return _ANY
        if isinstance(reference := schema.get("$ref"), str):
            return self._referred(reference, depth)
        if "enum" in schema or "const" in schema:
            return _ANY
        for key in ("anyOf", "oneOf"):
            if isinstance(schema.get(key), list):
                return _union([self.build(item, name, depth + 1) for item in schema[key]])
        kind = schema.get("type")
        if isinstance(kind, list):
            return _union([self.build({**schema, "type": each}, name, depth + 1) for each in kind])
        return self._typed(kind, schema, name, depth)

    def _typed(self, kind: Any, schema: dict[str, Any], name: str, depth: int) -> _Reader:
        match kind:
            case "object":
                return _Reader("object", self._object(schema, name, depth))
            case "array":
                inner = self.build(schema.get("items"), f"{name}Item", depth + 1).read
                return _Reader("array", lambda value: list(map(inner, value)) if isinstance(value, list) else value)
            case "string":
                return _FORMATS.get(str(schema.get("format")), _SCALARS["string"])
            case str() if kind in _SCALARS:
                return _SCALARS[kind]
        return _ANY

    def _object(self, schema: dict[str, Any], name: str, depth: int) -> Read:
        declared = schema.get("properties")
        declared = declared if isinstance(declared, dict) else {}
        fields = {key: self.build(inner, _class_name(key), depth + 1).read for key, inner in declared.items()}
        rest: Read = _plain
        if "patternProperties" not in schema and isinstance(schema.get("additionalProperties"), dict):
            rest = self.build(schema["additionalProperties"], f"{name}Value", depth + 1).read
        made: Callable[[dict[str, Any]], Any] = dict
        if fields and all(map(_is_name, fields)):
            title = schema.get("title")
            title = title if isinstance(title, str) and _is_name(title) else name
            made = type(title, (Data,), {"__doc__": None, **dict.fromkeys(fields)})

        def read(value: Any) -> Any:
            if not isinstance(value, dict):
                return value
            return made({key: fields.get(key, rest)(inner) for key, inner in value.items()})

        return read

    def _referred(self, reference: str, depth: int) -> _Reader:
        target: Any = self._root
        parts = reference.removeprefix("#/").split("/") if reference.startswith("#/") else [""]
        for part in parts if reference != "#" else ():
            target = target.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(target, dict) else None
        if reference in self._open:
            return self._again(reference, target)
        self._open.add(reference)
        try:
            found = self.build(target, _class_name(reference.rpartition("/")[2]), depth + 1)
        finally:
            self._open.discard(reference)
        self._named.setdefault(reference, found.read)
        return found

    def _again(self, reference: str, target: Any) -> _Reader:
        """Return what reads a value as a schema that is being built, and so is inside itself.

        Only where one level of the value is behind it by then: reading ends with the value.
        """
        kind = target.get("type") if isinstance(target, dict) and not _ELSEWHERE & target.keys() else None
        if kind not in ("object", "array"):
            return _ANY
        named = self._named
        return _Reader(kind, lambda value: named.get(reference, _plain)(value))


def _union(members: list[_Reader]) -> _Reader:
    """Return what reads whichever of several kinds comes; two of one kind are not told apart."""
    readers = {member.kind: member.read for member in members}
    if not members or "" in readers or len(readers) < len(members):
        return _ANY
    return _Reader("" if len(readers) > 1 else members[0].kind, lambda value: readers.get(_kind(value), _plain)(value))


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
    return "object"


def _class_name(text: str) -> str:
    name = text.title().replace("_", "")
    return name if _is_name(name) else "Value"


def _is_name(text: str) -> bool:
    return text.isidentifier() and not keyword.iskeyword(text) and not text.startswith("__")
