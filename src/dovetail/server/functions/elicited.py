"""Forms for elicitation: from a type to the flat schema that the specification allows, and from an answer back to a
value.

"Form mode elicitation schemas are limited to flat objects with primitive properties only." (2025-11-25, Elicitation.)
A form never asks for a secret: "Servers MUST NOT use form mode elicitation to request sensitive information" (S-26).
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Generic, TypeVar

import msgspec

from dovetail.errors import DefinitionError, InvalidArguments
from dovetail.wire import (
    ElicitResult,
    MultiSelectEnumSchema,
    RequestedSchema,
    StringSchema,
    looks_secret,
)

T = TypeVar("T")
_VALUE = "value"


class Elicited(Generic[T]):
    """What the user did with a question.

    Attributes:
        action: `accept`, `decline` or `cancel`.
        value: The filled-in form as the type that was asked for; None unless accepted.
    """

    __slots__ = ("action", "value")

    value: T

    def __init__(self, action: str, value: T | None) -> None:
        """Made from a client's answer."""
        self.action = action
        # Typed as what was asked for, since who has looked at `accepted` knows that it is there.
        self.value = value  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Elicited {self.action}>"

    @property
    def accepted(self) -> bool:
        """The user agreed."""
        return self.action == "accept"

    @property
    def declined(self) -> bool:
        """The user said no."""
        return self.action == "decline"

    @property
    def cancelled(self) -> bool:
        """The user closed the question without a choice."""
        return self.action == "cancel"


class Form:
    """A compiled form: the schema that is sent, and how an answer is read."""

    __slots__ = ("_convert", "multi_select", "schema")

    def __init__(self, schema: RequestedSchema, convert: Callable[[dict[str, Any]], Any]) -> None:
        """Made by `form_of`."""
        self.schema = schema
        self.multi_select = any(isinstance(field, MultiSelectEnumSchema) for field in schema.properties.values())
        self._convert = convert

    def read(self, result: ElicitResult) -> Elicited[Any]:
        """Read a client's answer, which is attacker-controlled input.

        Raises:
            InvalidArguments: It does not fit the form; the field is named, its value is not.
        """
        if result.action != "accept":
            return Elicited(result.action, None)
        content = dict(result.content or {})
        _check(self.schema, content)
        try:
            return Elicited("accept", self._convert(content))
        except (msgspec.ValidationError, ValueError, TypeError):
            raise InvalidArguments("content", "expected the form, filled in as its schema says") from None


def form_of(schema: Any) -> Form:
    """Return the form for what a handler passed as schema.

    Raises:
        DefinitionError: Not flat, not primitive, or asking for a secret.
    """
    if schema is None:
        return Form(RequestedSchema(properties={}), lambda content: True)
    if isinstance(schema, Mapping):
        return Form(_requested(dict(schema)), lambda content: content)
    if isinstance(schema, RequestedSchema):
        return Form(schema, lambda content: content)
    return _typed_form(schema)


@lru_cache(maxsize=256)
def _typed_form(annotation: Any) -> Form:
    from dovetail.server.functions.schemas import schema_for

    described = _inlined(schema_for(annotation))
    if described.get("type") == "object" and "properties" in described:
        return Form(_requested(described), lambda content: _as(content, annotation))
    wrapped = {"type": "object", "properties": {_VALUE: described}, "required": [_VALUE]}
    return Form(_requested(wrapped), lambda content: _as(content[_VALUE], annotation))


def _as(content: Any, annotation: Any) -> Any:
    from dovetail.server.functions.annotations import Reader
    from dovetail.server.functions.standins import convert

    return convert(content, Reader().read(annotation))


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """Put definitions where they are used: a form has no `$defs`."""
    definitions = schema.get("$defs", {})

    def inline(node: Any) -> Any:
        if isinstance(node, dict):
            reference = node.get("$ref")
            if isinstance(reference, str) and reference.startswith("#/$defs/"):
                target = inline(definitions.get(reference.removeprefix("#/$defs/"), {}))
                return {**target, **{key: value for key, value in node.items() if key != "$ref"}}
            return {key: inline(value) for key, value in node.items() if key != "$defs"}
        return [inline(item) for item in node] if isinstance(node, list) else node

    inlined: dict[str, Any] = inline(schema)
    return inlined


_FIELD_KEYS = frozenset(
    "type title description default enum enumNames oneOf items minItems maxItems minLength maxLength format minimum"
    " maximum".split()
)
_FORMATS = frozenset({"email", "uri", "date", "date-time"})


def _requested(schema: dict[str, Any]) -> RequestedSchema:
    properties: dict[str, Any] = {}
    for name, field in schema.get("properties", {}).items():
        if looks_secret(name):
            raise DefinitionError(f"A form must not ask for {name!r}: use elicit_url for secrets (spec, Elicitation)")
        properties[name] = _field(name, field)
    body = {"type": "object", "properties": properties, "required": schema.get("required") or None}
    try:
        return msgspec.convert({key: value for key, value in body.items() if value is not None}, RequestedSchema)
    except msgspec.ValidationError as error:
        raise DefinitionError(f"A form must be a flat object of primitive fields: {error}") from None


def _field(name: str, field: Any) -> dict[str, Any]:
    if not isinstance(field, dict):
        raise DefinitionError(f"A form's field {name!r} must be a schema")
    kept = {key: value for key, value in field.items() if key in _FIELD_KEYS}
    if kept.get("format") not in (None, *_FORMATS):
        del kept["format"]
    if "type" not in kept and all(isinstance(choice, str) for choice in kept.get("enum", [0])):
        kept["type"] = "string"
    if kept.get("default", "") is None:
        del kept["default"]
    if kept.get("type") not in ("string", "number", "integer", "boolean", "array"):
        raise DefinitionError(f"A form's field {name!r} must be a string, number, boolean, or a choice")
    return kept


def _check(schema: RequestedSchema, content: dict[str, Any]) -> None:
    """Check an answer against the form; unknown fields are dropped, "the server SHOULD ignore" them."""
    for name in list(content):
        if name not in schema.properties:
            del content[name]
    for name in schema.required or ():
        if name not in content:
            raise InvalidArguments(f"content.{name}", "required")
    for name, value in content.items():
        field = schema.properties[name]
        problem = _problem(field, value)
        if problem:
            raise InvalidArguments(f"content.{name}", problem)


def _problem(field: Any, value: Any) -> str | None:
    kinds = {"string": str, "number": (int, float), "integer": int, "boolean": bool, "array": list}
    kind = str(type(field).__struct_config__.tag)
    if not isinstance(value, kinds[kind]) or (isinstance(value, bool) and kind != "boolean"):  # type: ignore[arg-type]
        return f"expected {kind}"
    if isinstance(field, StringSchema):
        choices = field.enum or [option.const for option in field.one_of or ()]
        if choices and value not in choices:
            return "expected one of the choices"
        return _bounded(len(value), field.min_length, field.max_length, "length")
    if isinstance(field, MultiSelectEnumSchema):
        choices = field.items.enum or [option.const for option in field.items.any_of or ()]
        if not set(value) <= set(choices):
            return "expected some of the choices"
        return _bounded(len(value), field.min_items, field.max_items, "number of choices")
    if kind in ("number", "integer"):
        return _bounded(value, field.minimum, field.maximum, "value")
    return None


def _bounded(size: float, low: float | None, high: float | None, what: str) -> str | None:
    if (low is not None and size < low) or (high is not None and size > high):
        return f"expected a {what} within the bounds of the form"
    return None
