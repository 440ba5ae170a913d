"""What is read of the graph, bounded: each function is the work of one snapshot.

Invariants: no answer holds more items or characters than it may. What is left out is said, with how to get it, and a
page is never empty while there is more.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from dovetail.errors import ToolError
from dovetail.servers.memory.forms import entity_forms, relation_forms, types_of
from dovetail.servers.memory.lines import entity_line, relation_line
from dovetail.servers.memory.numbering import observations_of
from dovetail.servers.memory.records import NAME_CHARS, Count, Entity, Nodes, Relation, Statistics
from dovetail.servers.memory.room import Room

_Tie = tuple[str, str, str]
"""A relation: where it starts, where it ends, its type."""
_CUT_RELATIONS: Final = "Some relations are not shown; neighbours shows those of one entity."
_TYPES: Final = 20
"""Types that the statistics name."""
_PROBED: Final = 1_000
"""Names in one question to the database."""


def entity_of(db: sqlite3.Connection, number: int, room: Room, start: int = 0) -> Entity:
    """Return an entity, with as many observations as there is room for, from one on; at least one."""
    name, kind = db.execute("SELECT name, type FROM entities WHERE id = ?", (number,)).fetchone()
    entity = Entity(room.take(name), room.take(kind), [])
    entity.other_types = [room.take(other) for other in types_of(db, number, kind)]
    full = False
    for (text,) in db.execute(_OBSERVATIONS, (*observations_of(number), start)):
        if entity.observations and not room.fits(text):
            full = True
            break
        entity.observations.append(room.take(text))
    if full or start:
        entity.omitted = db.execute(COUNT, observations_of(number)).fetchone()[0] - len(entity.observations)
    return entity


def relation_of(ends: Sequence[str], room: Room) -> Relation:
    """Return a relation: where it starts, where it ends, its type."""
    source, target, kind = ends
    return Relation(room.take(source), room.take(target), room.take(kind))


COUNT: Final = "SELECT count(*) FROM texts WHERE id BETWEEN ? AND ?"
_OBSERVATIONS: Final = "SELECT content FROM texts WHERE id BETWEEN ? AND ? ORDER BY id LIMIT -1 OFFSET ?"


def page(db: sqlite3.Connection, cursor: str | None, limit: int, room: Room) -> Nodes:
    """Return a page of the graph: all entities in the order in which they came, then all relations.

    Raises:
        ToolError: The cursor is none of ours.
    """
    nodes = _page(db, *_place(cursor), limit, room)
    nodes.note = room.noted()
    return nodes


def _page(db: sqlite3.Connection, kind: str, after: int, limit: int, room: Room) -> Nodes:
    nodes = Nodes([], [])
    if kind == "e":
        for (number,) in db.execute("SELECT id FROM entities WHERE id > ? ORDER BY id", (after,)):
            if len(nodes.entities) >= limit or (nodes.entities and room.left <= 0):
                nodes.next_cursor = f"e{after}"
                return nodes
            nodes.entities.append(entity_of(db, number, room))
            after = number
        after = 0
    rows = db.execute("SELECT id, source, target, type FROM relations WHERE id > ? ORDER BY id", (after,))
    for number, *ends in rows:
        if len(nodes.entities) + len(nodes.relations) >= limit or (
            room.left <= 0 and (nodes.entities or nodes.relations)
        ):
            nodes.next_cursor = f"r{after}"
            return nodes
        nodes.relations.append(relation_of(ends, room))
        after = number
    return nodes


def check_cursor(cursor: str) -> None:
    """Look whether a cursor of `page` can be one.

    Raises:
        ToolError: It is none of ours.
    """
    _place(cursor)


def _place(cursor: str | None) -> tuple[str, int]:
    if not cursor:
        return "e", 0
    kind, number = cursor[:1], cursor[1:]
    if kind not in ("e", "r") or not (number.isascii() and number.isdigit()) or len(number) > 18:
        raise ToolError("cursor: this is none that read_graph gave; begin again without one.")
    return kind, int(number)


def opened(db: sqlite3.Connection, names: Sequence[str], start: int, limit: int, room: Room) -> Nodes:
    """Return entities by name, in the order of the names, and the relations at either end of them."""
    asked = list(dict.fromkeys(names))
    there = [(number, name) for name in asked if (number := find(db, name)) is not None]
    missing = len(asked) - len(there)
    entities = _entities(db, [number for number, _ in there], room, start)
    relations, said = touching(db, [name for _, name in there[: len(entities)]], limit, room)
    left_out = len(there) - len(entities)
    notes = [
        "One name is no entity; search_nodes finds similar ones." if missing == 1 else None,
        f"{missing} names are no entities; search_nodes finds similar ones." if missing > 1 else None,
        f"{left_out} entities are not shown; ask for fewer at a time." if left_out else None,
    ]
    return Nodes(entities, relations, note=room.noted(*notes, said))


def find(db: sqlite3.Connection, name: str) -> int | None:
    """Return the number of an entity; None where there is none of that name."""
    row = db.execute("SELECT id FROM entities WHERE name = ?", (name,)).fetchone()
    return None if row is None else row[0]


def _entities(db: sqlite3.Connection, numbers: Iterable[int], room: Room, start: int = 0) -> list[Entity]:
    """Return entities by number, as many as there is room for; at least one."""
    entities: list[Entity] = []
    for number in numbers:
        if entities and room.left <= 0:
            break
        entities.append(entity_of(db, number, room, start))
    return entities


def touching(db: sqlite3.Connection, names: Sequence[str], limit: int, room: Room) -> tuple[list[Relation], str | None]:
    """Return relations that begin or end at one of some names, oldest first, and what to say if there are more."""
    found: dict[int, Sequence[str]] = {}
    for column in ("source", "target"):
        for at in range(0, len(names), _PROBED):
            some = names[at : at + _PROBED]
            places = ",".join("?" * len(some))
            rows = db.execute(
                # The column is one of two words of ours, the names are bound.
                f"SELECT id, source, target, type FROM relations WHERE {column} IN ({places}) LIMIT ?",  # noqa: S608
                (*some, limit + 1),
            )
            found.update((number, ends) for number, *ends in rows)
    room.turn_to_relations()
    shown: list[Relation] = []
    for number in sorted(found)[:limit]:
        if shown and room.left <= 0:
            break
        shown.append(relation_of(found[number], room))
    return shown, _CUT_RELATIONS if len(shown) < len(found) else None


def neighbours(
    db: sqlite3.Connection, name: str, direction: str, kind: str | None, depth: int, limit: int, room: Room
) -> Nodes:
    """Return what is related to an entity, step by step outwards, nearest first.

    Raises:
        ToolError: There is neither an entity nor a relation of that name.
    """
    ties, seen, cut = _near(db, name, direction, kind, depth, limit)
    numbers = [number for end in seen if (number := find(db, end)) is not None]
    if not numbers and not ties:
        raise ToolError("There is no entity of that name; search_nodes finds similar ones.")
    relations: list[Relation] = []
    for tie in ties:
        if relations and room.left <= 0:
            cut = True
            break
        relations.append(relation_of(tie, room))
    entities = _entities(db, numbers, room)
    left_out = len(numbers) - len(entities)
    notes = [
        f"{left_out} entities are not shown; open_nodes shows them." if left_out else None,
        "There are more relations; narrow by relationType or direction, or raise limit." if cut else None,
    ]
    return Nodes(entities, relations, note=room.noted(*notes))


def _near(
    db: sqlite3.Connection, name: str, direction: str, kind: str | None, depth: int, limit: int
) -> tuple[Iterable[_Tie], Iterable[str], bool]:
    """Return relations and names around an entity, nearest first, and whether there are more relations."""
    ties: dict[_Tie, None] = {}
    seen = {name: None}
    edge, cut = [name], False
    for _ in range(depth):
        further: dict[str, None] = {}
        for here in edge:
            for tie in _from(db, here, direction, kind, limit - len(ties) + 1):
                if tie not in ties and len(ties) >= limit:
                    cut = True
                    break
                ties[tie] = None
                further.update(dict.fromkeys(end for end in tie[:2] if end not in seen))
        seen.update(further)
        edge = list(further)
    return ties, seen, cut


def _from(db: sqlite3.Connection, name: str, direction: str, kind: str | None, limit: int) -> Iterator[_Tie]:
    ends = {"out": ("source",), "in": ("target",)}.get(direction, ("source", "target"))
    for column in ends:
        # The column is one of two words of ours, the values are bound.
        sql = f"SELECT source, target, type FROM relations WHERE {column} = ?1 AND (?2 IS NULL OR type = ?2) LIMIT ?3"  # noqa: S608
        yield from db.execute(sql, (name, kind, max(limit, 1)))


def statistics(db: sqlite3.Connection) -> Statistics:
    """Count."""
    entities = db.execute("SELECT count(*) FROM entities").fetchone()[0]
    relations = db.execute("SELECT count(*) FROM relations").fetchone()[0]
    texts, characters = db.execute("SELECT count(*), coalesce(sum(length(content)), 0) FROM texts").fetchone()
    pages = db.execute("PRAGMA page_count").fetchone()[0] * db.execute("PRAGMA page_size").fetchone()[0]
    return Statistics(
        entities=entities,
        relations=relations,
        observations=texts - 2 * entities,
        characters=characters,
        file_bytes=pages,
        entity_types=_types(db, _ALL_TYPES),
        relation_types=_types(db, "relations"),
    )


def _types(db: sqlite3.Connection, table: str) -> list[Count]:
    # The table is one of two texts of ours.
    sql = f"SELECT type, count(*) FROM {table} GROUP BY type ORDER BY count(*) DESC, type LIMIT ?"  # noqa: S608
    return [Count(Room(NAME_CHARS).take(kind), count) for kind, count in db.execute(sql, (_TYPES,))]


_ALL_TYPES: Final = (
    "(SELECT type FROM entities UNION ALL SELECT type FROM (SELECT DISTINCT f.entity, f.type FROM"
    " entity_forms f JOIN entities e ON e.id = f.entity WHERE f.type != e.type))"
)


_NAMES: Final = (
    "SELECT name FROM entities WHERE name LIKE ? ESCAPE '\\' AND length(name) BETWEEN 1 AND ? ORDER BY name LIMIT ?"
)


def names_like(db: sqlite3.Connection, typed: str, most: int = 101) -> list[str]:
    """Return names that begin with what was typed, then such that hold it, for somebody who goes on typing.

    Names that nobody types, empty or longer than a new one may be, are none of them.
    """
    pattern = typed.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    found: dict[str, None] = {}
    for shape in (f"{pattern}%", f"%{pattern}%"):
        found.update((name, None) for (name,) in db.execute(_NAMES, (shape, NAME_CHARS, most)))
        if len(found) >= most:
            break
    return list(found)[:most]


def exported(db: sqlite3.Connection, cursor: str | None, most: int) -> tuple[str, str | None]:
    """Return lines of the reference server's format, and a cursor where there are more.

    Raises:
        ToolError: The cursor is none of ours.
    """
    kind, after = _place(cursor)
    lines: list[str] = []
    size, here = 0, ""
    for at, line in _lines(db, kind, after):
        size += len(line) + 1
        if lines and size > most:
            return "\n".join(lines), here
        lines.append(line)
        here = at
    return "\n".join(lines), None


def _lines(db: sqlite3.Connection, kind: str, after: int) -> Iterable[tuple[str, str]]:
    if kind == "e":
        rows = db.execute("SELECT id, name, type, extra FROM entities WHERE id > ? ORDER BY id", (after,))
        for number, name, type_, extra in rows:
            texts = [text for (text,) in db.execute(_OBSERVATIONS, (*observations_of(number), 0))]
            first, others = entity_forms(db, number, texts)
            lines = [entity_line(name, type_, first, extra)]
            lines += [entity_line(name, kind_, said, more) for kind_, said, more in others]
            yield f"e{number}", "\n".join(lines)
        after = 0
    rows = db.execute("SELECT id, source, target, type, extra FROM relations WHERE id > ? ORDER BY id", (after,))
    for number, source, target, type_, extra in rows:
        forms = (extra, *relation_forms(db, number))
        yield f"r{number}", "\n".join(relation_line(source, target, type_, form) for form in forms)
