"""Why a value does not fit a schema: the place, and what was expected there. Never the value (W-12).

The validator's own errors are not used: each holds a copy of the value, and for nested alternatives (`anyOf` in a
recursive schema) it collects exponentially many. Here one path is followed down to the first thing that does not fit,
and the question "does it fit?" is the only one asked of the validator, which answers it in linear time.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from dovetail.errors import quote

Fits = Callable[[str, Any], bool]
"""Tells whether a value fits the subschema at a JSON pointer."""
FitsKeyword = Callable[[str, Any, Any], bool]
"""Tells whether a value fits one keyword by itself."""

_STEPS: Final = 256
_SHOWN: Final = 200
_LEAVES: Final[Mapping[str, str]] = {
    "enum": "one of {}",
    "const": "exactly {}",
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "more than {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "pattern": "a text that matches {}",
    "format": "the format {}",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "uniqueItems": "no item twice",
    "contains": "an item that fits `contains`",
    "minProperties": "at least {} properties",
    "maxProperties": "at most {} properties",
    "propertyNames": "property names that fit `propertyNames`",
    "dependentRequired": "the properties that others require: {}",
    "not": "something else than `not` describes",
}


class _Spot:
    """Where the search stands: a subschema, its pointer, a value, and the value's path."""

    def __init__(self, schema: Any, pointer: str, value: Any, path: str) -> None:
        self.schema, self.pointer, self.value, self.path = schema, pointer, value, path

    def down(self, *steps: str | int) -> "_Spot":
        """Go to a subschema that looks at the same value."""
        schema, pointer = self.schema, self.pointer
        for step in steps:
            schema = schema[step]
            pointer += "/" + str(step).replace("~", "~0").replace("/", "~1")
        return _Spot(schema, pointer, self.value, self.path)

    def into(self, key: str | int) -> "_Spot":
        """Go to a part of the value, with the same subschema."""
        return _Spot(self.schema, self.pointer, self.value[key], self.path + _step(key))


def explain(root: Any, value: Any, fits: Fits, fits_keyword: FitsKeyword) -> tuple[str, str]:
    """Return the path of what does not fit, and what was expected there. The value is known not to fit."""
    spot = _Spot(root, "#", value, "$")
    for _ in range(_STEPS):
        said = _at(spot, fits_keyword)
        if said is not None:
            return _short(spot.path), said
        following = next((below for below in _below(spot, root) if not fits(below.pointer, below.value)), None)
        if following is None:
            break
        spot = following
    return _short(spot.path), _alternatives(spot.schema) or "expected to fit the schema"


def _at(spot: _Spot, fits_keyword: FitsKeyword) -> str | None:
    """Say what does not fit right here, in the order in which a reader would want to know."""
    schema, value = spot.schema, spot.value
    if not isinstance(schema, dict):  # of the two booleans, one fits everything
        return "expected nothing here"
    types = _types(schema)
    if types and not any(_is(value, name) for name in types):
        return f"expected {' or '.join(types)}, got {_kind(value)}"
    said = _at_object(schema, value) if isinstance(value, dict) else None
    if said is not None:
        return said
    for keyword, text in _LEAVES.items():
        if keyword == "contains" and "minContains" in schema:
            continue  # by itself it would ask for one
        if keyword in schema and not fits_keyword(keyword, schema[keyword], value):
            return "expected " + text.format(_shown(schema[keyword]))
    return None


def _at_object(schema: dict[str, Any], value: dict[str, Any]) -> str | None:
    missing = [name for name in _texts(schema.get("required")) if name not in value]
    if missing:
        return f"expected the property {_names(missing)}"
    if schema.get("additionalProperties") is False and "patternProperties" not in schema:
        known = schema.get("properties", {})
        extra = [name for name in value if name not in known]
        if extra:
            return f"unexpected property {_names(extra)}; expected only {_names(known)}"
    return _unmet(schema, value)


def _unmet(schema: dict[str, Any], value: dict[str, Any]) -> str | None:
    """Say which property another one requires (draft-07, Validation, 6.5.7; a list of names each)."""
    for name, wanted in (schema.get("dependencies") or {}).items():
        missing = [other for other in _texts(wanted) if other not in value] if isinstance(wanted, list) else []
        if name in value and missing:
            return f"expected the property {_names(missing)}, which {quote(name, 40)} requires"
    return None


def _below(spot: _Spot, root: Any) -> Iterable[_Spot]:
    """Yield the subschemas that must fit, with what they look at."""
    schema, value = spot.schema, spot.value
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/"):
        yield from _referred(reference, root, spot)
    if isinstance(value, dict):
        yield from _properties(spot)
    elif isinstance(value, list):
        yield from _items(spot)
    for n in range(len(schema.get("allOf", ()))):
        yield spot.down("allOf", n)
    for keyword in ("anyOf", "oneOf"):
        likely = [n for n, item in enumerate(schema.get(keyword, ())) if _may_fit(item, root, value)]
        if len(likely) == 1:
            yield spot.down(keyword, likely[0])


def _properties(spot: _Spot) -> Iterable[_Spot]:
    schema, value = spot.schema, spot.value
    known = schema.get("properties", {})
    for name in known:
        if name in value:
            yield spot.down("properties", name).into(name)
    for keyword in ("dependencies", "dependentSchemas"):
        for name, wanted in (schema.get(keyword) or {}).items():
            if name in value and isinstance(wanted, dict | bool):
                yield spot.down(keyword, name)
    if isinstance(schema.get("additionalProperties"), dict):
        for name in value:
            if name not in known:
                yield spot.down("additionalProperties").into(name)


def _items(spot: _Spot) -> Iterable[_Spot]:
    schema = spot.schema
    listed = "prefixItems" if "prefixItems" in schema else "items" if isinstance(schema.get("items"), list) else ""
    count = len(schema[listed]) if listed else 0
    rest = "additionalItems" if listed == "items" else "items"
    for n in range(len(spot.value)):
        if n < count:
            yield spot.down(listed, n).into(n)
        elif isinstance(schema.get(rest), dict | bool):
            yield spot.down(rest).into(n)


def _referred(reference: str, root: Any, spot: _Spot) -> Iterable[_Spot]:
    target = _Spot(root, "#", spot.value, spot.path)
    try:
        for step in reference[2:].split("/"):
            name = step.replace("~1", "/").replace("~0", "~")
            target = target.down(int(name) if isinstance(target.schema, list) else name)
    except (KeyError, IndexError, ValueError, TypeError):
        return  # percent-encoded, or relative to an `$id`: found by the validator, and not worth following
    yield target


def _may_fit(schema: Any, root: Any, value: Any) -> bool:
    """Tell whether an alternative is for values of this type, and, of an object, with these constants."""
    if isinstance(schema, dict) and str(schema.get("$ref", "")).startswith("#/"):
        schema = next((spot.schema for spot in _referred(schema["$ref"], root, _Spot(root, "#", value, ""))), schema)
    if not isinstance(schema, dict):
        return schema is not False
    types = _types(schema)
    if types and not any(_is(value, name) for name in types):
        return False
    if isinstance(value, dict):
        for name, item in schema.get("properties", {}).items():
            if name in value and isinstance(item, dict) and "const" in item and item["const"] != value[name]:
                return False
    return True


def _alternatives(schema: Mapping[str, Any]) -> str | None:
    for keyword, text in (("anyOf", "one of"), ("oneOf", "exactly one of")):
        items = schema.get(keyword)
        if isinstance(items, list):
            types = [name for item in items if isinstance(item, dict) for name in _types(item)]
            return (
                f"expected {' or '.join(dict.fromkeys(types))}"
                if len(types) == len(items)
                else (f"expected to fit {text} {len(items)} alternatives")
            )
    return None


_IS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: _is_number(value) and (isinstance(value, int) or value.is_integer()),
    "number": lambda value: _is_number(value),
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list | tuple),
    "object": lambda value: isinstance(value, dict),
}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is(value: Any, name: str) -> bool:
    return name not in _IS or _IS[name](value)


def _kind(value: Any) -> str:
    return next((name for name, holds in _IS.items() if holds(value)), "something else")


def _types(schema: Mapping[str, Any]) -> list[str]:
    return _texts(schema.get("type"))


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _names(names: Iterable[str]) -> str:
    some = list(names)
    said = ", ".join(quote(name, 40) for name in some[:5])
    return said + ", ..." if len(some) > 5 else said or "none"


def _step(key: str | int) -> str:
    if isinstance(key, int):
        return f"[{key}]"
    return f".{key}" if key.isidentifier() and key.isascii() and len(key) <= 40 else f"[{quote(key, 40)}]"


def _short(path: str) -> str:
    return path if len(path) <= _SHOWN else path[: _SHOWN // 2] + "..." + path[-_SHOWN // 2 :]


def _shown(value: Any) -> str:
    """Show a part of the schema, which its author wrote."""
    text = ascii(value) if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
