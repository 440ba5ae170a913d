"""The fields of a form: from a JSON Schema to those that the specification allows, and how their answers are read.

"Form mode elicitation schemas are limited to flat objects with primitive properties only." (2025-11-25, Elicitation.)
What Python has and a form has not is said in what it has: a field that may be None is one that need not be filled in,
and choices that are no text are offered as text and read back. What is checked, and no keyword of a form says it (a
pattern, the format of a UUID), stands in the field's description: who goes by the form can answer it. A form never asks
for a secret: "Servers MUST NOT use form mode elicitation to request sensitive information" (S-26).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from dovetail.errors import DefinitionError
from dovetail.server.functions.expectations import in_words
from dovetail.wire import RequestedSchema, compile_schema, looks_secret

_KEPT: Final = frozenset(
    "type title description default enum enumNames oneOf items minItems maxItems minLength maxLength format minimum"
    " maximum".split()
)
_FORMATS: Final = frozenset({"email", "uri", "date", "date-time"})
_CHECKED: Final = frozenset({"pattern", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
_UNSAID: Final = _CHECKED | {"format", "contentEncoding"}
"""What a form has no keyword for; of formats, those that it has no name for."""
_SHOWN: Final = {"uuid": "UUID", "time": "time such as 09:30:00", "duration": "duration such as PT1H30M"}
_BOUNDS: Final = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_AMOUNT: Final = "a decimal number such as 12.50"
_KINDS: Final = ("string", "number", "integer", "boolean", "array")

Titles = Mapping[str, Sequence[str]]
"""What people read of the choices of a field that are no text, by the field's name."""


class Field(msgspec.Struct, frozen=True):
    """What a field's schema on the wire does not say.

    Attributes:
        values: What the choices stand for, where they are no text.
        nullable: None when it is not filled in.
        unique: No choice twice.
        check: What a schema that the user wrote demands besides; raises `InvalidArguments`.
    """

    values: Mapping[str, Any] | None = None
    nullable: bool = False
    unique: bool = False
    check: Callable[[Any], None] | None = None

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
        title = described.get("title") if isinstance(described, dict) else None
        for said in (name, title):
            if isinstance(said, str) and looks_secret(said):
                raise DefinitionError(
                    f"A form must not ask for {said!r}: use elicit_url for secrets (spec, Elicitation)"
                )
        properties[name], fields[name] = _field(name, described, (titles or {}).get(name, ()))
    body: dict[str, Any] = {"type": "object", "properties": properties}
    required = [name for name in schema.get("required") or () if name in fields and not fields[name].nullable]
    if required:
        body["required"] = required
    try:
        return msgspec.convert(body, RequestedSchema), fields
    except msgspec.ValidationError as error:
        raise DefinitionError(f"A form must be a flat object of primitive fields: {error}") from None


def as_written(schema: Mapping[str, Any]) -> tuple[RequestedSchema, dict[str, Field]]:
    """The same for a schema that the user wrote: what a form cannot say of it has no type that checks it.

    Raises:
        DefinitionError: As `requested`, a pattern that is none, or what contradicts itself.
    """
    _check_written(schema)
    form, fields = requested(schema)
    for name, described in schema.get("properties", {}).items():
        full, _ = without_null(described)
        tests = {key: full[key] for key in _CHECKED & full.keys()}
        if tests:
            fields[name] = msgspec.structs.replace(fields[name], check=compile_schema(tests).check)
    return form, fields


def _check_written(schema: Mapping[str, Any]) -> None:
    """Refuse what would be asked otherwise than it was written."""
    properties = schema.get("properties")
    if schema.get("type", "object") != "object" or not isinstance(properties, Mapping):
        raise DefinitionError('A form is {"type": "object", "properties": {...}}')
    for name in schema.get("required") or ():
        if name not in properties:
            raise DefinitionError(f"A form requires {name!r}, which is none of its fields")
    for name, described in properties.items():
        if isinstance(described, Mapping):
            _check_field(name, described)


def _check_field(name: str, described: Mapping[str, Any]) -> None:
    for said in (described.get("title"), described.get("format")):
        if isinstance(said, str) and looks_secret(said):
            raise DefinitionError(f"A form must not ask for {said!r}: use elicit_url for secrets (spec, Elicitation)")
    choices, names = described.get("enum"), described.get("enumNames")
    if choices is not None and not choices:
        raise DefinitionError(f"A form's field {name!r} has no choices")
    if names is not None and len(names) != len(choices or ()):
        raise DefinitionError(f"A form's field {name!r} needs one of enumNames for each of enum")
    for least, most in (("minimum", "maximum"), ("minLength", "maxLength"), ("minItems", "maxItems")):
        if least in described and most in described and described[least] > described[most]:
            raise DefinitionError(f"A form's field {name!r}: {least} is above {most}")


def _field(name: str, described: Any, titles: Sequence[str]) -> tuple[dict[str, Any], Field]:
    if not isinstance(described, dict):
        raise DefinitionError(f"A form's field {name!r} must be a schema")
    full, nullable = without_null(described)
    if full.get("format") == "decimal":
        full = _decimal(full)
    kept = {key: value for key, value in full.items() if key in _KEPT}
    _say_the_rest(full, kept)
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


def _decimal(full: Mapping[str, Any]) -> dict[str, Any]:
    """Return a field for a decimal: text, since a number in a form is a float; its bounds stand in the description."""
    bounds = in_words({"type": "number", **{key: full[key] for key in _BOUNDS if key in full}}).removeprefix("number")
    rest = {key: value for key, value in full.items() if key not in (*_BOUNDS, "pattern", "format")}
    return {**rest, "type": "string", "description": _expecting(full.get("description"), _AMOUNT + bounds)}


def _say_the_rest(full: Mapping[str, Any], kept: dict[str, Any]) -> None:
    """Say in a field's description what its keywords cannot, in place."""
    unsaid = {key: full[key] for key in _UNSAID & full.keys()}
    if unsaid.get("format") in _FORMATS:
        del unsaid["format"]
    kept.pop("format" if "format" in unsaid else "", None)
    if not unsaid:
        return
    if "format" in unsaid:
        unsaid["format"] = _SHOWN.get(unsaid["format"], unsaid["format"])
    words = in_words({"type": full.get("type", "string"), **unsaid})
    kept["description"] = _expecting(kept.get("description"), words)


def _expecting(known: str | None, words: str) -> str:
    return f"{known} (expected: {words})" if known else f"Expected: {words}"


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
