"""What to tell a peer whose message has the wrong shape: where, and what was expected there. Never what it sent.

The JSON library names the place and the types; but for a choice it echoes the value (W-12), so there the choices are
looked up in the type.
"""

import re
from types import UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin

import msgspec

from dovetail.errors import InvalidParams, MalformedJSON, Refusal, quote

_place: Final = re.compile(r" - at `(?:key in )?(\$[^`]*)`$").search
_missing: Final = re.compile(r"Object missing required field `([^`]*)`").fullmatch
_expected: Final = re.compile(r"Expected .*", re.DOTALL).fullmatch
_quoted: Final = re.compile(r"`([^`]*)`").sub
_got: Final = re.compile(r"got `(\w+)`$").search
_steps: Final = re.compile(r"(?<=\.)[^.\[\]]+|\[").findall
_SHOWN: Final = 16
_KINDS: Final = {"int": "integer", "float": "number", "str": "string", "bool": "boolean"}
_TYPES: Final = {
    "int": int,
    "float": float,
    "str": str,
    "bool": bool,
    "null": type(None),
    "array": list,
    "object": dict,
}


def refusal(error: Exception, kind: Any, data: bytes | msgspec.Raw = b"null") -> Refusal:
    """Return the refusal for JSON that did not decode into a type.

    Args:
        error: Why it did not.
        kind: The type.
        data: The JSON, for the name of a member that the library does not tell.
    """
    if isinstance(error, RecursionError):
        return InvalidParams("$: nested too deeply")
    if not isinstance(error, msgspec.ValidationError):
        return MalformedJSON("Not valid JSON")
    text = str(error)
    found = _place(text)
    path = found[1] if found else "$"
    said = text[: found.start()] if found else text
    if missing := _missing(said):
        return InvalidParams(f"{path}.{missing[1]}: required")
    if _expected(said):
        return InvalidParams(f"{_named(path, said, data)}: {said[0].lower()}{_quoted(_json_names, said[1:])}")
    choices = _choices(kind, path)
    if not choices:
        return InvalidParams(f"{path}: not an allowed value")
    return InvalidParams(f"{path}: expected one of {', '.join(sorted(map(repr, choices))[:_SHOWN])}")


def _json_names(found: "re.Match[str]") -> str:
    """Return types as JSON calls them."""
    return " or ".join(_KINDS.get(name, name) for name in found[1].split(" | "))


def _named(path: str, said: str, data: bytes | msgspec.Raw) -> str:
    """Return a path that names the argument that is of the wrong kind: the library says of any map only that it is one.

    Other maps' keys are not shown: they may be the peer's own, as values are.
    """
    got = _got(said)
    holder = path.removesuffix("[...]")
    if got is None or holder not in ("$.arguments", "$.context.arguments") or holder == path:
        return path
    value = msgspec.json.decode(data)
    for name in _steps(holder):
        value = value[name]
    wrong = [key for key, member in value.items() if type(member) is _TYPES.get(got[1])]
    return f"{holder}[{quote(wrong[0], 64)}]" if wrong else path


def _choices(kind: Any, path: str) -> set[Any]:
    """Return the literals, or the tags of Structs, that a type allows at a path."""
    shapes = [kind]
    for name in _steps(path):
        inner = [part for shape in shapes for part in _members(shape)]
        if name == "[":
            shapes = [part for shape in inner for part in get_args(shape)[-1:]]
            continue
        structs = [part for part in inner if isinstance(part, type) and issubclass(part, msgspec.Struct)]
        tags = {part.__struct_config__.tag for part in structs if part.__struct_config__.tag_field == name}
        if tags:
            return tags
        shapes = [field.type for part in structs for field in msgspec.structs.fields(part) if field.encode_name == name]
    found = [part for shape in shapes for part in _members(shape) if get_origin(part) is Literal]
    return {value for part in found for value in get_args(part)}


def _members(shape: Any) -> list[Any]:
    return [*get_args(shape)] if get_origin(shape) in (Union, UnionType) else [shape]
