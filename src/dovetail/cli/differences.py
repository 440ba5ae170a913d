"""What has changed between two pictures of a server, and whether a client that worked may stop working.

Cheap and careful: what is plainly harmless is `compatible`, anything not recognised is `breaking`. A schema of
arguments is written by clients and may only become wider; one of results is read by them and may only become narrower.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from dovetail.cli.offered import LISTS

Json = dict[str, Any]

KINDS: Final = {"tools": "tool", "resources": "resource", "resourceTemplates": "template", "prompts": "prompt"}
_PROSE: Final = frozenset(
    {"title", "description", "icons", "annotations", "_meta", "websiteUrl", "version", "instructions", "size"}
)
"""Members that people and models read; nothing stops working when they change."""
_SCHEMA_PROSE: Final = frozenset(
    {"title", "description", "examples", "deprecated", "$comment", "format", "readOnly", "writeOnly"}
)
_SAFE: Final = {"readOnlyHint": True, "destructiveHint": False, "idempotentHint": True, "openWorldHint": False}
"""What a tool promises by its annotations, and hosts approve its calls by. Each defaults to the opposite."""
_LEAST: Final = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"})
_MOST: Final = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"})
_MISSING: Final = object()


class Difference(msgspec.Struct, frozen=True):
    """One difference.

    Attributes:
        kind: `server`, `tool`, `resource`, `template` or `prompt`.
        name: Of the entry; of the member, for a `server`.
        change: `added`, `removed` or `changed`.
        breaking: Whether a client that worked may stop working.
        what: In words.
    """

    kind: str
    name: str
    change: str
    breaking: bool
    what: str


def differences(before: Json, after: Json) -> list[Difference]:
    """Return what has changed, what may break first."""
    found = list(_server(before, after))
    for plural, kind in KINDS.items():
        key = LISTS[plural][3]
        old = {str(entry.get(key)): entry for entry in before.get(plural, [])}
        new = {str(entry.get(key)): entry for entry in after.get(plural, [])}
        for name in sorted(old.keys() | new.keys()):
            found += _entry(kind, name, old.get(name), new.get(name))
    return sorted(found, key=lambda one: not one.breaking)


def _server(before: Json, after: Json) -> Iterator[Difference]:
    for part in ("server", "capabilities"):
        old, new = before.get(part, {}), after.get(part, {})
        for name in sorted(old.keys() | new.keys()):
            was, now = old.get(name, _MISSING), new.get(name, _MISSING)
            if was != now:
                breaking = now is _MISSING if part == "capabilities" else name == "name"
                label = f"capability {name}" if part == "capabilities" else name
                yield Difference("server", label, _change(was, now), breaking, _told(was, now))
    for name in sorted((before.keys() | after.keys()) - {"server", "capabilities", *KINDS}):
        was, now = before.get(name, _MISSING), after.get(name, _MISSING)
        if was != now:
            yield Difference("server", name, _change(was, now), False, _told(was, now))


def _entry(kind: str, name: str, old: Json | None, new: Json | None) -> Iterator[Difference]:
    if old is None:
        yield Difference(kind, name, "added", False, "is new")
    elif new is None:
        yield Difference(kind, name, "removed", True, "is gone")
    else:
        for member in sorted(old.keys() | new.keys()):
            was, now = old.get(member, _MISSING), new.get(member, _MISSING)
            if was != now:
                for breaking, what in _member(kind, member, was, now):
                    yield Difference(kind, name, "changed", breaking, what)


def _member(kind: str, member: str, was: Any, now: Any) -> Iterator[tuple[bool, str]]:
    if member == "arguments" and kind == "prompt":
        yield from _arguments(_by_name(was), _by_name(now))
    elif member == "inputSchema" and _MISSING not in (was, now):
        yield from schema(was, now, "", taken=True)
    elif member == "outputSchema":
        if was is _MISSING:
            yield False, "results have a schema now"
        elif now is _MISSING:
            yield True, "results have no schema any more"
        else:
            yield from schema(was, now, "", taken=False)
    elif member == "annotations" and kind == "tool":
        yield bool(_promises(was) - _promises(now)), f"{member} {_told(was, now)}"
    elif member == "scopes":
        asked, asks = (set(() if each is _MISSING else each) for each in (was, now))
        yield bool(asks - asked), f"{member} {_told(was, now)}"
    else:
        yield member not in _PROSE, f"{member} {_told(was, now)}"


def _promises(annotations: Any) -> set[str]:
    hints = {} if annotations is _MISSING else annotations
    kept = {hint for hint, safe in _SAFE.items() if hints.get(hint, not safe) == safe}
    # "This property is meaningful only when `readOnlyHint == false`" (ToolAnnotations)
    return kept | {"destructiveHint", "idempotentHint"} if "readOnlyHint" in kept else kept


def _by_name(arguments: Any) -> Mapping[str, Json]:
    return {} if arguments is _MISSING else {each["name"]: each for each in arguments}


def _arguments(old: Mapping[str, Json], new: Mapping[str, Json]) -> Iterator[tuple[bool, str]]:
    for name in sorted(old.keys() | new.keys()):
        was, now = old.get(name), new.get(name)
        if was is None or now is None:
            required = bool((now or {}).get("required"))
            yield now is None or required, f"argument {name} is {_come_or_gone(was is None, required)}"
        elif was != now:
            stricter = bool(now.get("required")) and not was.get("required")
            yield stricter, f"argument {name} {'is required now' if stricter else 'is described differently'}"


def _come_or_gone(new: bool, required: bool) -> str:
    return ("new and required" if required else "new and optional") if new else "gone"


# Schemas.


def schema(was: Any, now: Any, place: str, *, taken: bool) -> Iterator[tuple[bool, str]]:
    """Yield what has changed in a schema: whether it may break a client, and in words.

    Args:
        was: Before.
        now: After.
        place: Of the value that it describes, such as `lines[].sku`; empty for the whole.
        taken: Whether the server takes the value (arguments) or gives it (a result).
    """
    what = f"{'argument' if taken else 'result'}{' ' + place if place else 's'}"
    if not isinstance(was, dict) or not isinstance(now, dict):
        if was != now:
            yield True, f"{what}: the schema {_told(was, now)}"
        return
    yield from _properties(was, now, place, taken)
    for word in sorted((was.keys() | now.keys()) - {"properties", "required"}):
        old, new = was.get(word, _MISSING), now.get(word, _MISSING)
        if old == new:
            continue
        if word == "items" and _MISSING not in (old, new):
            yield from schema(old, new, f"{place}[]", taken=taken)
        elif word in ("$defs", "definitions") and _MISSING not in (old, new):
            for name in sorted(old.keys() & new.keys()):
                yield from schema(old[name], new[name], name, taken=taken)
        elif word not in ("$defs", "definitions"):
            yield word not in _SCHEMA_PROSE and not _fits(word, old, new, taken), f"{what}: {word} {_told(old, new)}"


def _properties(was: Json, now: Json, place: str, taken: bool) -> Iterator[tuple[bool, str]]:
    old, new = was.get("properties", {}), now.get("properties", {})
    needed, needs = set(was.get("required", ())), set(now.get("required", ()))
    kind = "argument" if taken else "result"
    for name in sorted(old.keys() | new.keys()):
        path = f"{place}.{name}" if place else name
        if name not in old:
            required = name in needs
            yield taken and required, f"{kind} {path} is {_come_or_gone(True, required) if taken else 'new'}"
        elif name not in new:
            yield True, f"{kind} {path} is gone"
        else:
            if (name in needs) != (name in needed):
                must = name in needs
                said = ("required" if must else "optional") if taken else ("always there" if must else "optional")
                yield must == taken, f"{kind} {path} is {said} now"
            yield from schema(old[name], new[name], path, taken=taken)


def _fits(word: str, old: Any, new: Any, taken: bool) -> bool:
    """Tell whether a keyword changed in the harmless direction: wider for what is taken, narrower for what is given."""
    wide, narrow = (new, old) if taken else (old, new)
    if word == "type":
        return _MISSING not in (old, new) and _types(narrow) <= _types(wide)
    if word == "enum":
        return wide is _MISSING or (narrow is not _MISSING and all(each in wide for each in narrow))
    if word in _LEAST or word in _MOST:
        if _MISSING in (wide, narrow):
            return wide is _MISSING
        return bool(wide <= narrow if word in _LEAST else wide >= narrow)
    if word in ("pattern", "multipleOf", "uniqueItems", "const"):
        return wide is _MISSING
    if word == "anyOf":
        return _MISSING not in (old, new) and all(each in wide for each in narrow)
    if word == "additionalProperties":
        return wide in (True, _MISSING)
    # Who leaves an argument out relies on its default.
    return word == "default" and (old is _MISSING or not taken)


def _types(value: Any) -> set[str]:
    types = {value} if isinstance(value, str) else set(value)
    return types | {"integer"} if "number" in types else types


# In words.


def _change(was: Any, now: Any) -> str:
    return "added" if was is _MISSING else "removed" if now is _MISSING else "changed"


def _told(was: Any, now: Any) -> str:
    if was is _MISSING:
        return f"is new: {_short(now)}"
    if now is _MISSING:
        return f"is gone; it was {_short(was)}"
    return f"is {_short(now)}, was {_short(was)}"


def _short(value: Any, limit: int = 60) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
