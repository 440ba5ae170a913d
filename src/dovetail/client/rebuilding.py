"""From an output schema to a Python type, so that a result's data has attributes, dates and choices.

What a schema says that has no Python type stays plain JSON: rebuilding loses nothing and refuses nothing.
"""

import datetime
import keyword
import uuid
from collections.abc import Mapping
from typing import Any, Final, Literal, Union

import msgspec

_SCALARS: Final[Mapping[str, Any]] = {
    "string": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "null": None,
}
_FORMATS: Final[Mapping[str, Any]] = {
    "date-time": datetime.datetime,
    "date": datetime.date,
    "time": datetime.time,
    "uuid": uuid.UUID,
}
_DEEPEST: Final = 16
_MOST: Final = 256


def type_of(schema: bytes | msgspec.Raw) -> Any:
    """Return the type of what fits a schema; `Any` where the schema says nothing that a type can say."""
    root = msgspec.json.decode(schema)
    if not isinstance(root, dict):
        return Any
    try:
        kind = _Builder(root).build(root, "Result", 0)
        msgspec.json.Decoder(kind)
    except (TypeError, ValueError):
        return Any  # a stranger's schema that makes no type: nothing is lost by plain JSON
    return kind


class _Builder:
    """Builds the types of one schema; each definition once."""

    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root
        self._open: set[str] = set()
        self._count = 0

    def build(self, schema: Any, name: str, depth: int) -> Any:
        self._count += 1
        if not isinstance(schema, dict) or depth > _DEEPEST or self._count > _MOST:
            return Any
        if isinstance(reference := schema.get("$ref"), str):
            return self._referred(reference, depth)
        choices = schema.get("enum", [schema["const"]] if "const" in schema else None)
        if isinstance(choices, list):
            return _literal(choices)
        for key in ("anyOf", "oneOf"):
            if isinstance(schema.get(key), list):
                return self._union([self.build(item, name, depth + 1) for item in schema[key]])
        kind = schema.get("type")
        if isinstance(kind, list):
            return self._union([self.build({**schema, "type": each}, name, depth + 1) for each in kind])
        return self._typed(kind, schema, name, depth)

    def _typed(self, kind: Any, schema: dict[str, Any], name: str, depth: int) -> Any:
        match kind:
            case "object":
                return self._object(schema, name, depth)
            case "array":
                inner = self.build(schema.get("items"), f"{name}Item", depth + 1)
                return list[inner]  # type: ignore[valid-type]
            case "string":
                return _FORMATS.get(str(schema.get("format")), str)
            case str() if kind in _SCALARS:
                return _SCALARS[kind]
        return Any

    def _object(self, schema: dict[str, Any], name: str, depth: int) -> Any:
        properties = schema.get("properties")
        if not isinstance(properties, dict) or not properties or not all(map(_is_name, properties)):
            rest = schema.get("additionalProperties")
            inner = self.build(rest, f"{name}Value", depth + 1) if isinstance(rest, dict) else Any
            return dict[str, inner]  # type: ignore[valid-type]
        if schema.get("additionalProperties", False) is not False:
            return dict[str, Any]  # what comes besides would be lost
        required = schema.get("required")
        required = required if isinstance(required, list) else ()
        fields: list[Any] = []
        for key, inner in properties.items():
            kind = self.build(inner, key.title().replace("_", ""), depth + 1)
            fields.append((key, kind) if key in required else (key, Union[kind, None], None))  # noqa: UP007
        title = schema.get("title")
        return msgspec.defstruct(title if isinstance(title, str) and _is_name(title) else name, fields, kw_only=True)

    def _referred(self, reference: str, depth: int) -> Any:
        if reference in self._open:
            return Any  # a schema that refers to itself
        target: Any = self._root
        for part in reference.removeprefix("#/").split("/") if reference.startswith("#/") else [""]:
            target = target.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(target, dict) else None
        self._open.add(reference)
        try:
            return self.build(target, reference.rpartition("/")[2].title() or "Value", depth + 1)
        finally:
            self._open.discard(reference)

    def _union(self, members: list[Any]) -> Any:
        if Any in members or not members:
            return Any
        kind: Any = Union[tuple(members)]  # noqa: UP007
        try:
            msgspec.json.Decoder(kind)
        except TypeError:
            return Any  # members that JSON does not tell apart
        return kind


def _is_name(text: str) -> bool:
    return text.isidentifier() and not keyword.iskeyword(text) and not text.startswith("__")


def _is_small(number: int) -> bool:
    return -(2**63) <= number < 2**63  # what a choice may be for msgspec


def _literal(choices: list[Any]) -> Any:
    if choices and all(isinstance(choice, str) or (type(choice) is int and _is_small(choice)) for choice in choices):
        return Literal[tuple(choices)]
    return Any
