"""Arguments as they are typed: `name=value`, typed by the tool's schema; `name:=JSON`; one JSON object; `@file`.

A schema is a help here and no judge: what it does not say stays text, and the server has the last word.
"""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import msgspec

from dovetail.cli.options import Usage

_PAIR: Final = re.compile(r"([^=:{}\s]+)(:?=)(.*)", re.DOTALL)
_DEEPEST: Final = 8
_TYPES: Final[Mapping[str, type | tuple[type, ...]]] = {
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
    "array": list,
    "object": dict,
}

Json = dict[str, Any]


def given(words: Sequence[str], schema: Json | None = None) -> Json:
    """Return the arguments that words mean.

    Args:
        words: Later ones win; a name that comes again adds to a list, where the schema has one.
        schema: The tool's input schema; without it, every value is text.

    Raises:
        Usage: A word means nothing, or its value is not what the schema has.
    """
    root = schema or {}
    found: Json = {}
    lists: set[str] = set()
    for word in words:
        if word.startswith("@") or word.startswith("{"):
            found.update(_whole(word))
            continue
        pair = _PAIR.fullmatch(word)
        if pair is None:
            raise Usage(f"{word[:40]!r} is no argument: expected name=value, name:=JSON, a JSON object or @file")
        name, sign, text = pair.groups()
        part = _property(name, root)
        if sign == ":=":
            found[name] = _json(text, name)
            continue
        value = _typed(name, text, part, root, part != {})
        again = name in lists and isinstance(value, list) and isinstance(found.get(name), list)
        found[name] = [*found[name], *value] if again else value
        lists.add(name)
    return found


def _whole(word: str) -> Json:
    text, what = word, "the argument"
    if word.startswith("@"):
        what = word[1:]
        try:
            text = Path(what).read_text(encoding="utf-8")
        except (OSError, UnicodeError) as error:
            raise Usage(f"cannot read {what!r}: {getattr(error, 'strerror', None) or 'it is not UTF-8'}") from None
    value = _json(text, what)
    if not isinstance(value, dict):
        raise Usage(f"{what}: expected a JSON object")
    return value


def _json(text: str, what: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise Usage(f"{what}: not JSON: {error}") from None


def _property(name: str, root: Json) -> Any:
    properties = root.get("properties")
    if not isinstance(properties, dict):
        return {}
    if name not in properties and root.get("additionalProperties") is False:
        close = get_close_matches(name, properties, 1)
        there = ", ".join(properties) or "none"
        raise Usage(f"there is no argument {name!r}; " + (f"did you mean {close[0]}?" if close else f"there: {there}"))
    return properties.get(name, {})


def _typed(name: str, text: str, part: Any, root: Json, known: bool) -> Any:
    kinds = types_of(part, root)
    choices = _choices(part, root)
    for choice in choices:
        if not isinstance(choice, str) and str(choice) == text:
            return choice
    value = _decoded(text)
    for kind in ("boolean", "integer", "number", "array", "object", "null"):
        if kind in kinds and _is(value, kind):
            return value
    if not kinds or "string" in kinds:
        return text
    if "array" in kinds:
        return [_item(name, text, part, root)]
    if not known:
        return text
    raise Usage(f"{name}: expected {' or '.join(sorted(kinds))}, not {text[:40]!r}")


def _item(name: str, text: str, part: Any, root: Json) -> Any:
    """Return one item of a list that is typed item by item."""
    part = _resolved(part, root)
    items = part.get("items", {}) if isinstance(part, dict) else {}
    return _typed(name, text, items, root, bool(items))


def _decoded(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES[kind])


def types_of(part: Any, root: Json, depth: int = 0) -> frozenset[str]:
    """Return the JSON types that a schema allows; empty when it does not say."""
    part = _resolved(part, root)
    if not isinstance(part, dict) or depth > _DEEPEST:
        return frozenset()
    kind = part.get("type")
    if isinstance(kind, str):
        return frozenset({kind})
    if isinstance(kind, list):
        return frozenset(map(str, kind))
    for key in ("anyOf", "oneOf", "allOf"):
        if isinstance(part.get(key), list):
            inner = [types_of(each, root, depth + 1) for each in part[key]]
            return frozenset().union(*inner) if key == "allOf" or all(inner) else frozenset()
    choices = _choices(part, root)
    return frozenset({"string"}) if choices and all(isinstance(choice, str) for choice in choices) else frozenset()


def _choices(part: Any, root: Json) -> list[Any]:
    part = _resolved(part, root)
    if not isinstance(part, dict):
        return []
    choices = part.get("enum", [part["const"]] if "const" in part else [])
    return choices if isinstance(choices, list) else []


def _resolved(part: Any, root: Json) -> Any:
    for _ in range(_DEEPEST):
        reference = part.get("$ref") if isinstance(part, dict) else None
        if not isinstance(reference, str):
            return part
        part = root
        for step in reference.removeprefix("#/").split("/") if reference.startswith("#/") else ["\0"]:
            key = step.replace("~1", "/").replace("~0", "~")
            part = part.get(key) if isinstance(part, dict) else None
    return {}
