"""Checking a filled-in form, which is attacker-controlled input, against the schema that was sent (S-14).

Errors name the field and what was expected, never the value.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any, Final

from dovetail.errors import InvalidArguments
from dovetail.server.functions.form_fields import Field
from dovetail.wire import (
    BooleanSchema,
    IntegerSchema,
    MultiSelectEnumSchema,
    NumberSchema,
    PrimitiveSchemaDefinition,
    RequestedSchema,
    StringSchema,
)

_EMAIL: Final = re.compile(r"[^\s@\"(),:;<>\[\\\]]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*")
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?:[!#$&-;=?-\[\]_a-z~]|%[0-9A-Fa-f]{2})+")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}):([0-9]{2})(?:\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_LONGEST_ADDRESS: Final = 254


def checked(schema: RequestedSchema, fields: Mapping[str, Field], content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answers of a form by field; those to no field of it are dropped.

    Raises:
        InvalidArguments: A field is missing, or does not fit.
    """
    answers: dict[str, Any] = {}
    for name in schema.required or ():
        if name not in content:
            raise InvalidArguments(f"content.{name}", "required")
    for name, field in schema.properties.items():
        if name in content:
            value, problem = _looked_at(field, content[name])
            known = fields.get(name, Field())
            if problem is None and known.unique and len(set(value)) < len(value):
                problem = "expected no choice twice"
            if problem is None and known.check is not None:
                problem = _problem(known.check, value)
            if problem is not None:
                raise InvalidArguments(f"content.{name}", problem)
            answers[name] = known.value_of(value)
    return answers


def _problem(check: Callable[[Any], None], value: Any) -> str | None:
    try:
        check(value)
    except InvalidArguments as misfit:
        return misfit.expected
    return None


def _looked_at(field: PrimitiveSchemaDefinition, value: Any) -> tuple[Any, str | None]:
    """Return a value as its field has it, and what is wrong with it, or None."""
    match field:
        case StringSchema():
            return value, _text(field, value) if isinstance(value, str) else "expected a string"
        case BooleanSchema():
            return value, None if isinstance(value, bool) else "expected a boolean"
        case IntegerSchema():
            # "any number with a zero fractional part" is an integer (JSON Schema, Validation, section 6.1.1)
            whole = int(value) if isinstance(value, float) and value.is_integer() else value
            return whole, _number(field, whole) if _is_a(int, whole) else "expected an integer"
        case NumberSchema():
            return value, _number(field, value) if _is_a((int, float), value) else "expected a number"
        case MultiSelectEnumSchema():
            return value, _several(field, value) if isinstance(value, list) else "expected an array"


def _is_a(kinds: type | tuple[type, ...], value: Any) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)


def _text(field: StringSchema, value: str) -> str | None:
    choices = field.enum or [option.const for option in field.one_of or ()]
    if choices and value not in choices:
        return "expected one of the choices"
    if field.format is not None:
        name, fits = _FORMATS[field.format]
        if not fits(value):
            return f"expected {name}"
    return _bounded(len(value), field.min_length, field.max_length, "length")


def _number(field: NumberSchema | IntegerSchema, value: float) -> str | None:
    return _bounded(value, field.minimum, field.maximum, "value")


def _several(field: MultiSelectEnumSchema, value: list[Any]) -> str | None:
    choices = field.items.enum or [option.const for option in field.items.any_of or ()]
    if not set(value) <= set(choices):
        return "expected some of the choices"
    return _bounded(len(value), field.min_items, field.max_items, "number of choices")


def _bounded(size: float, low: float | None, high: float | None, what: str) -> str | None:
    if (low is not None and size < low) or (high is not None and size > high):
        return f"expected a {what} within the bounds of the form"
    return None


def _is_email(value: str) -> bool:
    return len(value) <= _LONGEST_ADDRESS and _EMAIL.fullmatch(value) is not None


def _is_date(value: str) -> bool:
    if _DATE.fullmatch(value) is None:
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_time(value: str) -> bool:
    found = _TIME.fullmatch(value)
    if found is None:
        return False
    day, minute, second, zone = found.groups()
    try:
        # A leap second is a time (RFC 3339, section 5.6), though not one that Python counts.
        datetime.fromisoformat(f"{day}T{minute}:{'59' if second == '60' else second}{zone.upper()}")
    except ValueError:
        return False
    return True


_FORMATS: Final[dict[str, tuple[str, Callable[[str], bool]]]] = {
    "email": ("an email address", _is_email),
    "uri": ("an absolute URI", lambda value: _URI.fullmatch(value) is not None),
    "date": ("a date such as YYYY-MM-DD", _is_date),
    "date-time": ("a time with its offset (RFC 3339)", _is_time),
}
