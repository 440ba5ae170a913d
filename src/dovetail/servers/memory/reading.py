"""What is read of the graph, bounded: each function is the work of one snapshot.

Invariants: no answer holds more items or characters than it may. What is left out is said, with how to get it, and a
page is never empty while there is more.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from dovetail.errors import ToolError
from dovetail.servers.memory.lines import entity_line, relation_line
from dovetail.servers.memory.numbering import observations_of
from dovetail.servers.memory.records import Count, Entity, Nodes, Relation, Statistics

_CUT_RELATIONS: Final = "Some relations are not shown; neighbours shows those of one entity."
_TYPES: Final = 20
"""Types that the statistics name."""
_PROBED: Final = 1_000
"""Names in one question to the database."""


class Room:
    """How many characters an answer has left.

    Attributes:
        left: So many; negative once it is full.
    """

    def __init__(self, characters: int) -> None:
        self.left = characters

    def take(self, *texts: str) -> None:
        """Use some of it up."""
        self.left -= sum(map(len, texts))


def entity_of(db: sqlite3.Connection, number: int, room: Room, start: int = 0) -> Entity:
    """Return an entity, with as many observations as there is room for, from one on; at least one."""
    name, kind = db.execute("SELECT name, type FROM entities WHERE id = ?", (number,)).fetchone()
    room.take(name, kind)
    shown: list[str] = []
    for (text,) in db.execute(_OBSERVATIONS, (*observations_of(number), start)):
        if shown and room.left < len(text):
            total = db.execute(COUNT, observations_of(number)).fetchone()[0]
            return Entity(name, kind, shown, omitted=total - len(shown))
        shown.append(text)
        room.take(text)
    return Entity(
        name, kind, shown, omitted=min(start, db.execute(COUNT, observations_of(number)).fetchone()[0]) if start else 0
    )


COUNT: Final = "SELECT count(*) FROM texts WHERE id BETWEEN ? AND ?"
_OBSERVATIONS: Final = "SELECT content FROM texts WHERE id BETWEEN ? AND ? ORDER BY id LIMIT -1 OFFSET ?"


def page(db: sqlite3.Connection, cursor: str | None, limit: int, room: Room) -> Nodes:
    """Return a page of the graph: all entities in the order in which they came, then all relations.

    Raises:
        ToolError: The cursor is none of ours.
    """
    kind, after = _place(cursor)
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
    for number, source, target, relation in rows:
        if len(nodes.entities) + len(nodes.relations) >= limit or (
            room.left <= 0 and (nodes.entities or nodes.relations)
        ):
            nodes.next_cursor = f"r{after}"
            return nodes
        nodes.relations.append(Relation(source, target, relation))
        room.take(source, target, relation)
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
    numbers: list[int] = []
    missing = 0
    for name in dict.fromkeys(names):
        row = db.execute("SELECT id FROM entities WHERE name = ?", (name,)).fetchone()
        if row is None:
            missing += 1
        else:
            numbers.append(row[0])
    nodes = gathered(db, numbers, limit, room, start)
    if missing:
        said = "One name is no entity" if missing == 1 else f"{missing} names are no entities"
        nodes.note = " ".join(filter(None, [f"{said}; search_nodes finds similar ones.", nodes.note]))
    return nodes


def gathered(db: sqlite3.Connection, numbers: Sequence[int], limit: int, room: Room, start: int = 0) -> Nodes:
    """Return entities by number, as many as there is room for, and relations at either end of those shown."""
    nodes = Nodes([], [])
    for number in numbers:
        if nodes.entities and room.left <= 0:
            nodes.note = f"{len(numbers) - len(nodes.entities)} entities are not shown; ask for fewer at a time."
            break
        nodes.entities.append(entity_of(db, number, room, start))
    nodes.relations, cut = touching(db, [entity.name for entity in nodes.entities], limit)
    if cut:
        nodes.note = " ".join(filter(None, [nodes.note, _CUT_RELATIONS]))
    return nodes


def touching(db: sqlite3.Connection, names: Sequence[str], limit: int) -> tuple[list[Relation], bool]:
    """Return relations that begin or end at one of some names, oldest first, and whether there are more."""
    found: dict[int, Relation] = {}
    for column in ("source", "target"):
        for at in range(0, len(names), _PROBED):
            some = names[at : at + _PROBED]
            places = ",".join("?" * len(some))
            rows = db.execute(
                # The column is one of two words of ours, the names are bound.
                f"SELECT id, source, target, type FROM relations WHERE {column} IN ({places}) LIMIT ?",  # noqa: S608
                (*some, limit + 1),
            )
            found.update((number, Relation(source, target, kind)) for number, source, target, kind in rows)
    numbers = sorted(found)
    return [found[number] for number in numbers[:limit]], len(numbers) > limit


def neighbours(
    db: sqlite3.Connection, name: str, direction: str, kind: str | None, depth: int, limit: int, room: Room
) -> Nodes:
    """Return what is related to an entity, step by step outwards, nearest first.

    Raises:
        ToolError: There is neither an entity nor a relation of that name.
    """
    relations: dict[tuple[str, str, str], Relation] = {}
    seen = {name: None}
    edge, cut = [name], False
    for _ in range(depth):
        further: dict[str, None] = {}
        for here in edge:
            for relation in _from(db, here, direction, kind, limit - len(relations) + 1):
                key = (relation.source, relation.target, relation.relation_type)
                if key not in relations and len(relations) >= limit:
                    cut = True
                    break
                relations[key] = relation
                further.update(dict.fromkeys(end for end in (relation.source, relation.target) if end not in seen))
        seen.update(further)
        edge = list(further)
    rows = (db.execute("SELECT id FROM entities WHERE name = ?", (end,)).fetchone() for end in seen)
    numbers = [row[0] for row in rows if row is not None]
    if not numbers and not relations:
        raise ToolError("There is no entity of that name; search_nodes finds similar ones.")
    nodes = gathered(db, numbers, 0, room)
    nodes.relations = list(relations.values())
    left_out = len(numbers) - len(nodes.entities)
    notes = [f"{left_out} entities are not shown; open_nodes shows them."] if left_out else []
    notes += ["There are more relations; narrow by relationType or direction, or raise limit."] if cut else []
    nodes.note = " ".join(notes) or None
    return nodes


def _from(db: sqlite3.Connection, name: str, direction: str, kind: str | None, limit: int) -> Iterator[Relation]:
    ends = {"out": ("source",), "in": ("target",)}.get(direction, ("source", "target"))
    for column in ends:
        # The column is one of two words of ours, the values are bound.
        sql = f"SELECT source, target, type FROM relations WHERE {column} = ?1 AND (?2 IS NULL OR type = ?2) LIMIT ?3"  # noqa: S608
        for row in db.execute(sql, (name, kind, max(limit, 1))):
            yield Relation(*row)


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
        entity_types=_types(db, "entities"),
        relation_types=_types(db, "relations"),
    )


def _types(db: sqlite3.Connection, table: str) -> list[Count]:
    # The table is one of two words of ours.
    sql = f"SELECT type, count(*) FROM {table} GROUP BY type ORDER BY count(*) DESC, type LIMIT ?"  # noqa: S608
    return [Count(*row) for row in db.execute(sql, (_TYPES,))]


_NAMES: Final = "SELECT name FROM entities WHERE name LIKE ? ESCAPE '\\' ORDER BY name LIMIT ?"


def names_like(db: sqlite3.Connection, typed: str, most: int = 101) -> list[str]:
    """Return names that begin with what was typed, then such that hold it, for somebody who goes on typing."""
    pattern = typed.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    found: dict[str, None] = {}
    for shape in (f"{pattern}%", f"%{pattern}%"):
        rows = db.execute(
            "SELECT name FROM entities WHERE name LIKE ? ESCAPE '\\' ORDER BY name LIMIT ?", (shape, most)
        )
        found.update((name, None) for (name,) in rows)
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
            texts = (text for (text,) in db.execute(_OBSERVATIONS, (*observations_of(number), 0)))
            yield f"e{number}", entity_line(name, type_, texts, extra)
        after = 0
    rows = db.execute("SELECT id, source, target, type, extra FROM relations WHERE id > ? ORDER BY id", (after,))
    for number, source, target, type_, extra in rows:
        yield f"r{number}", relation_line(source, target, type_, extra)
