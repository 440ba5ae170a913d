"""Searching: a bounded number of hits of each term, newest first, put in order by `query.ranked`.

A term is looked for as the beginning of words; where that finds little, anywhere in the texts. No step takes longer
because the graph is larger, but for a text of one or two characters that is no word: that one is looked for in all.
"""

import sqlite3
from typing import Final

from dovetail.errors import ToolError
from dovetail.servers.memory.forms import types_of
from dovetail.servers.memory.numbering import BITS, FIRST, MASK, observations_of
from dovetail.servers.memory.query import Hits, Term, ranked, terms
from dovetail.servers.memory.reading import COUNT, find, touching
from dovetail.servers.memory.records import Entity, Nodes
from dovetail.servers.memory.room import Room

HITS: Final = 1_000
"""Hits of one term that are looked at."""
_FEW: Final = 20
"""With fewer words found, parts of words are looked for."""
_SHOWN: Final = 30
"""Observations of one entity in an answer."""

_WORDS: Final = "SELECT rowid FROM words WHERE words MATCH ? ORDER BY rowid DESC LIMIT ?"
_PARTS: Final = "SELECT rowid FROM parts WHERE parts MATCH ? ORDER BY rowid DESC LIMIT ?"
_LIKE: Final = "SELECT id FROM texts WHERE content LIKE ? ESCAPE '\\' ORDER BY id DESC LIMIT ?"
_NEWEST: Final = "SELECT id FROM texts WHERE id BETWEEN ? AND ? ORDER BY id DESC LIMIT ?"


def search(db: sqlite3.Connection, query: str, kind: str | None, start: int, limit: int, room: Room) -> Nodes:
    """Return what fits a query best, with the observations that fit first of all, and the relations at either end.

    Raises:
        ToolError: The query has nothing to look for.
    """
    wanted = terms(query)
    if not wanted:
        raise ToolError("query: nothing to look for in it. Give a word or more, or use read_graph for everything.")
    hits = _together(db, wanted, [_hits(db, term) for term in wanted])
    size = db.execute("SELECT coalesce(max(id), 0) FROM entities").fetchone()[0]
    found = ranked(hits, size, find(db, query.strip()))
    if kind is not None:
        found = [number for number in found if kind in _types(db, number)]
    chosen = found[start : start + limit]
    texts = _observations(hits, frozenset(chosen))
    nodes = Nodes([], [])
    for number in chosen:
        if nodes.entities and room.left <= 0:
            break
        nodes.entities.append(_shown(db, number, texts[number], room))
    shown = [_name(db, number) for number in chosen[: len(nodes.entities)]]
    nodes.relations, said = touching(db, shown, 10 * limit, room)
    end = start + len(nodes.entities)
    nodes.next_cursor = str(end) if end < len(found) else None
    nodes.note = room.noted(said)
    return nodes


def _hits(db: sqlite3.Connection, term: Term) -> Hits:
    words = _numbers(db, _WORDS, term.words) if term.plain else []
    if len(words) >= _FEW:
        return Hits(words, [])
    if term.part:
        parts = _numbers(db, _PARTS, term.part)
    elif words:
        return Hits(words, [])
    else:
        parts = _numbers(db, _LIKE, term.like)
    return Hits(words, parts) if term.plain else Hits(parts, [])


def _together(db: sqlite3.Connection, wanted: list[Term], hits: list[Hits]) -> list[Hits]:
    """Add texts that have all the words: each of those may be too frequent for its newest hits to hold them."""
    full = [number for number, found in enumerate(hits) if len(found.words) >= HITS and wanted[number].plain]
    if len(full) < 2:
        return hits
    rows = _numbers(db, _WORDS, " AND ".join(wanted[number].words for number in full))
    return [Hits(found.words + rows, found.parts) if number in full else found for number, found in enumerate(hits)]


def _numbers(db: sqlite3.Connection, sql: str, sought: str) -> list[int]:
    return [number for (number,) in db.execute(sql, (sought, HITS))]


def _observations(hits: list[Hits], entities: frozenset[int]) -> dict[int, set[int]]:
    """Return the observations of some entities that were hit."""
    texts: dict[int, set[int]] = {entity: set() for entity in entities}
    for found in hits:
        for numbers in (found.words, found.parts):
            for number in numbers:
                if number >> BITS in entities and number & MASK >= FIRST:
                    texts[number >> BITS].add(number)
    return texts


def _types(db: sqlite3.Connection, number: int) -> list[str]:
    row = db.execute("SELECT type FROM entities WHERE id = ?", (number,)).fetchone()
    return [] if row is None else [row[0], *types_of(db, number, row[0])]


def _name(db: sqlite3.Connection, number: int) -> str:
    found: str = db.execute("SELECT name FROM entities WHERE id = ?", (number,)).fetchone()[0]
    return found


def _shown(db: sqlite3.Connection, number: int, texts: set[int], room: Room) -> Entity:
    """Return an entity with the newest observations that were hit, and the newest others, oldest first."""
    name, kind = db.execute("SELECT name, type FROM entities WHERE id = ?", (number,)).fetchone()
    entity = Entity(room.take(name), room.take(kind), [])
    entity.other_types = [room.take(other) for other in types_of(db, number, kind)]
    span = observations_of(number)
    total = db.execute(COUNT, span).fetchone()[0]
    newest = db.execute(_NEWEST, (*span, _SHOWN)).fetchall()
    hit = sorted(texts, reverse=True)[:_SHOWN]
    others = [row for (row,) in newest if row not in texts][: _SHOWN - len(hit)]
    chosen = sorted(hit + others)
    places = ",".join("?" * len(chosen))
    # The places are question marks, the numbers are bound.
    rows = db.execute(f"SELECT content FROM texts WHERE id IN ({places}) ORDER BY id", chosen)  # noqa: S608
    for (text,) in rows:
        if entity.observations and not room.fits(text):
            break
        entity.observations.append(room.take(text))
    entity.omitted = total - len(entity.observations)
    return entity
