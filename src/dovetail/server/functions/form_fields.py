"""The fields of a form: from a JSON Schema to those that the specification allows, and how their answers are read.

"Form mode elicitation schemas are limited to flat objects with primitive properties only." (2025-11-25, Elicitation.)
What Python has and a form has not is said in what it has: a field that may be None is one that need not be filled in,
and choices that are no text are offered as text and read back. A form never asks for a secret: "Servers MUST NOT use
form mode elicitation to request sensitive information" (S-26).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from dovetail.errors import DefinitionError
from dovetail.wire import RequestedSchema, looks_secret

_KEPT: Final = frozenset(
    "type title description default enum enumNames oneOf items minItems maxItems minLength maxLength format minimum"
    " maximum".split()
)
_FORMATS: Final = frozenset({"email", "uri", "date", "date-time"})
_KINDS: Final = frozenset({"string", "number", "integer", "boolean", "array"})

Titles = Mapping[str, Sequence[str]]
"""What people read of the choices of a field that are no text, by the field's name."""


class Field(msgspec.Struct, frozen=True):
    """What a field's schema on the wire does not say.

    Attributes:
        values: What the choices stand for, where they are no text.
        nullable: None when it is not filled in.
        unique: No choice twice.
    """

    values: Mapping[str, Any] | None = None
    nullable: bool = False
    unique: bool = False

    def value_of(self, answer: Any) -> Any:
        """Return what a checked answer stands for."""
        if self.values is None:
            return answer
        return [self.values[choice] for choice in answer] if isinstance(answer, list) else self.values[answer]


def requested(schema: Mapping[str, Any], titles: Titles | None = None) -> tuple[RequestedSchema, dict[str, Field]]:
    """Return the form for the schema of an object, and how to read its fields.

    Args:
        schema: Flat, and without references.
        titles: See `Titles`.

    Raises:
        DefinitionError: Not flat, not primitive, or asking for a secret.
    """
    properties: dict[str, Any] = {}
    fields: dict[str, Field] = {}
    for name, described in schema.get("properties", {}).items():
        if looks_secret(name):
            raise DefinitionError(f"A form must not ask for {name!r}: use elicit_url for secrets (spec, Elicitation)")
        properties[name], fields[name] = _field(name, described, (titles or {}).get(name, ()))
    body: dict[str, Any] = {"type": "object", "properties": properties}
    required = [name for name in schema.get("required") or () if name in fields and not fields[name].nullable]
    if required:
        body["required"] = required
    try:
        return msgspec.convert(body, RequestedSchema), fields
    except msgspec.ValidationError as error:
        raise DefinitionError(f"A form must be a flat object of primitive fields: {error}") from None


def _field(name: str, described: Any, titles: Sequence[str]) -> tuple[dict[str, Any], Field]:
    if not isinstance(described, dict):
        raise DefinitionError(f"A form's field {name!r} must be a schema")
    full, nullable = without_null(described)
    kept = {key: value for key, value in full.items() if key in _KEPT}
    if kept.get("format") not in (None, *_FORMATS):
        del kept["format"]
    if kept.get("default", "") is None:
        del kept["default"]
    values = None
    items = kept.get("items")
    if "enum" in kept:
        values = _as_text(name, kept, titles, "oneOf")
    elif isinstance(items, dict) and "enum" in items:
        kept["items"] = items = {key: value for key, value in items.items() if key in ("type", "enum", "anyOf")}
        values = _as_text(name, items, titles, "anyOf")
        if values is not None and "default" in kept:
            kept["default"] = [_spelled(choice) for choice in kept["default"]]
    if kept.get("type") not in _KINDS:
        raise DefinitionError(f"A form's field {name!r} must be a string, number, boolean, or a choice")
    return kept, Field(values, nullable, full.get("uniqueItems") is True)


def without_null(schema: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return what a schema says of values other than null, and whether it allows null."""
    rest = dict(schema)
    nullable = False
    for key in ("anyOf", "oneOf"):
        members = rest.get(key)
        if isinstance(members, list) and {"type": "null"} in members:
            nullable = True
            members = [member for member in members if member != {"type": "null"}]
            del rest[key]
            rest = {**members[0], **rest} if len(members) == 1 else {**rest, key: members}
    kinds = rest.get("type")
    if isinstance(kinds, list) and "null" in kinds:
        nullable = True
        kinds = [kind for kind in kinds if kind != "null"]
        rest["type"] = kinds[0] if len(kinds) == 1 else kinds
    if None in rest.get("enum", ()):
        nullable = True
        rest["enum"] = [choice for choice in rest["enum"] if choice is not None]
    return rest, nullable


def _as_text(name: str, schema: dict[str, Any], titles: Sequence[str], titled: str) -> dict[str, Any] | None:
    """Make the choices of a schema text, in place; return what they stand for, or None when they are text already."""
    choices: list[Any] = schema["enum"]
    schema["type"] = "string"
    if all(isinstance(choice, str) for choice in choices):
        return None
    values = {_spelled(choice): choice for choice in choices}
    if len(values) < len(choices):
        raise DefinitionError(f"A form's field {name!r} has two choices that read alike")
    if len(titles) == len(choices):
        del schema["enum"], schema["type"]
        schema[titled] = [{"const": text, "title": title} for text, title in zip(values, titles, strict=True)]
        if titled == "oneOf":
            schema["type"] = "string"
    else:
        schema["enum"] = list(values)
    if "default" in schema:
        schema["default"] = _spelled(schema["default"])
    return values


def _spelled(choice: Any) -> str:
    return choice if isinstance(choice, str) else msgspec.json.encode(choice).decode()
