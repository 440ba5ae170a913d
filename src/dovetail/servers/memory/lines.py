"""The reference server's file: one JSON object a line, entities and relations. Sans I/O.

Invariants: what `write` makes is what the reference server itself would write, byte for byte, and `read` takes all of
that, whatever the length of its texts, be they empty or hold half an emoji (see `halves`); fields that it does not know
are kept and written again behind the others. Nothing is guessed: a line that is no entity and no relation is refused,
with its number.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from dovetail.servers.memory.halves import escaped, escaped_bare, kept

_ENTITY: Final = ("name", "entityType", "observations")
_RELATION: Final = ("from", "to", "relationType")
_encode = msgspec.json.encode


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line.

    Attributes:
        number: Which, from 1.
        extra: The JSON of an object with the fields that nobody here knows; empty for none.
    """

    number: int
    extra: str = ""


class EntityLine(Line, frozen=True, kw_only=True):
    """An entity."""

    name: str
    type: str
    observations: tuple[str, ...] = ()


class RelationLine(Line, frozen=True, kw_only=True):
    """A relation."""

    source: str
    target: str
    type: str


class Unreadable(ValueError):
    """A line that is none of the format; the text names its number and what was expected."""


def read(text: str, longest: int | None = None) -> Iterator[EntityLine | RelationLine]:
    """Read lines; empty ones count, and are nothing.

    Args:
        text: The lines.
        longest: Characters of a line, at most.

    Raises:
        Unreadable: A line is no JSON object, or neither an entity nor a relation with the fields that those have, or is
            too long.
    """
    # "\n" alone ends a line: other separators that str.splitlines knows may stand in a text as they are.
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        if longest is not None and len(line) > longest:
            raise Unreadable(f"Line {number} has more than {longest:,} characters, which --max-line raises")
        if line.strip():
            yield _line(number, line)


def _line(number: int, line: str) -> EntityLine | RelationLine:
    try:
        item = json.loads(line)
    except (ValueError, RecursionError):
        raise Unreadable(f"Line {number} is no JSON") from None
    match item:
        case {"type": "entity", "name": str(name), "entityType": str(kind), "observations": list(found)}:
            if not all(isinstance(one, str) for one in found):
                raise Unreadable(f"Line {number}: observations: expected strings")
            return EntityLine(
                number=number,
                name=kept(name),
                type=kept(kind),
                observations=tuple(map(kept, found)),
                extra=_extra(number, item, _ENTITY),
            )
        case {"type": "relation", "from": str(source), "to": str(target), "relationType": str(kind)}:
            return RelationLine(
                number=number,
                source=kept(source),
                target=kept(target),
                type=kept(kind),
                extra=_extra(number, item, _RELATION),
            )
    raise Unreadable(
        f'Line {number}: expected {{"type":"entity","name":...,"entityType":...,"observations":[...]}} '
        'or {"type":"relation","from":...,"to":...,"relationType":...}'
    )


def _extra(number: int, item: dict[str, Any], known: tuple[str, ...]) -> str:
    left = {key: value for key, value in item.items() if key != "type" and key not in known}
    if not left:
        return ""
    try:
        return escaped_bare(json.dumps(left, ensure_ascii=False, allow_nan=False, separators=(",", ":")))
    except (ValueError, RecursionError):
        raise Unreadable(f"Line {number}: a number that JSON does not have") from None


def entity_line(name: str, kind: str, observations: Iterable[str], extra: str = "") -> str:
    """Write an entity, without the end of the line."""
    return _written(
        {"type": "entity", "name": name, "entityType": kind, "observations": list(observations)},
        extra,
    )


def relation_line(source: str, target: str, kind: str, extra: str = "") -> str:
    """Write a relation, without the end of the line."""
    return _written({"type": "relation", "from": source, "to": target, "relationType": kind}, extra)


def _written(item: dict[str, Any], extra: str) -> str:
    text = escaped(_encode(item).decode())
    return f"{text[:-1]},{extra[1:]}" if extra else text
