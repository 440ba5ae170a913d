"""Searching: a bounded number of hits of each term, newest first, put in order by `query.ranked`.

A term is looked for as the beginning of words; where that finds little, anywhere in the texts. No step takes longer
because the graph is larger, but for a text of one or two characters that is no word: that one is looked for in all.
"""

import sqlite3
from typing import Final

from dovetail.errors import ToolError
from dovetail.servers.memory.query import Hit, Term, ranked, terms
from dovetail.servers.memory.reading import Room, touching
from dovetail.servers.memory.records import Entity, Nodes

HITS: Final = 1_000
"""Hits of one term that are looked at."""
_FEW: Final = 20
"""With fewer words found, parts of words are looked for."""
_PART: Final = 0.5
"""What a part of a word counts, beside a word."""
_SHOWN: Final = 30
"""Observations of one entity in an answer."""

_WORDS: Final = (
    "SELECT t.entity, t.field, t.id FROM words JOIN texts t ON t.id = words.rowid"
    " WHERE words MATCH ? ORDER BY words.rowid DESC LIMIT ?"
)
_PARTS: Final = (
    "SELECT t.entity, t.field, t.id FROM parts JOIN texts t ON t.id = parts.rowid"
    " WHERE parts MATCH ? ORDER BY parts.rowid DESC LIMIT ?"
)
_NEWEST: Final = "SELECT id FROM texts WHERE entity = ? AND field = 2 ORDER BY id DESC LIMIT ?"
_LIKE: Final = "SELECT entity, field, id FROM texts WHERE content LIKE ? ESCAPE '\\' ORDER BY id DESC LIMIT ?"


def search(db: sqlite3.Connection, query: str, kind: str | None, start: int, limit: int, room: Room) -> Nodes:
    """Return what fits a query best, with the observations that fit first of all, and the relations at either end.

    Raises:
        ToolError: The query has nothing to look for.
    """
    wanted = terms(query)
    if not wanted:
        raise ToolError("query: nothing to look for in it. Give a word or more, or use read_graph for everything.")
    hits = {term.text: _hits(db, term) for term in wanted}
    if len(wanted) > 1:
        _together(db, wanted, hits)
    total = db.execute("SELECT coalesce(max(id), 0) FROM texts").fetchone()[0]
    row = db.execute("SELECT id FROM entities WHERE name = ?", (query.strip(),)).fetchone()
    found = ranked(hits, total, None if row is None else row[0])
    if kind is not None:
        found = [(number, texts) for number, texts in found if _type(db, number) == kind]
    nodes = Nodes([], [])
    for number, texts in found[start : start + limit]:
        if nodes.entities and room.left <= 0:
            break
        nodes.entities.append(_shown(db, number, texts, room))
    nodes.relations, cut = touching(db, [entity.name for entity in nodes.entities], 10 * limit)
    end = start + len(nodes.entities)
    nodes.next_cursor = str(end) if end < len(found) else None
    if cut:
        nodes.note = "Some relations are not shown; neighbours shows those of one entity."
    return nodes


def _hits(db: sqlite3.Connection, term: Term) -> list[Hit]:
    found = [Hit(*row) for row in db.execute(_WORDS, (term.words, HITS))] if term.plain else []
    if len(found) >= _FEW:
        return found
    if term.part:
        rows = db.execute(_PARTS, (term.part, HITS))
    elif not found:
        rows = db.execute(_LIKE, (term.like, HITS))
    else:
        return found
    known = {hit.text for hit in found}
    weight = _PART if term.plain else 1.0
    return found + [Hit(entity, field, text, weight) for entity, field, text in rows if text not in known]


def _together(db: sqlite3.Connection, wanted: list[Term], hits: dict[str, list[Hit]]) -> None:
    """Add texts that have all the words: each of those may be too frequent for its newest hits to hold them."""
    full = [term for term in wanted if len(hits[term.text]) >= HITS and term.plain]
    if len(full) < 2:
        return
    rows = db.execute(_WORDS, (" AND ".join(term.words for term in full), HITS)).fetchall()
    for term in full:
        hits[term.text] += [Hit(*row) for row in rows]


def _type(db: sqlite3.Connection, number: int) -> str | None:
    row = db.execute("SELECT type FROM entities WHERE id = ?", (number,)).fetchone()
    return None if row is None else row[0]


def _shown(db: sqlite3.Connection, number: int, texts: set[int], room: Room) -> Entity:
    """Return an entity with the newest observations that were hit, and the newest others, oldest first."""
    name, kind = db.execute("SELECT name, type FROM entities WHERE id = ?", (number,)).fetchone()
    room.take(name, kind)
    total = db.execute("SELECT count(*) FROM texts WHERE entity = ? AND field = 2", (number,)).fetchone()[0]
    newest = db.execute(_NEWEST, (number, _SHOWN)).fetchall()
    hit = sorted(texts, reverse=True)[:_SHOWN]
    others = [row for (row,) in newest if row not in texts][: _SHOWN - len(hit)]
    shown: list[str] = []
    for row in sorted(hit + others):
        text = db.execute("SELECT content FROM texts WHERE id = ?", (row,)).fetchone()[0]
        if shown and room.left < len(text):
            break
        shown.append(text)
        room.take(text)
    return Entity(name, kind, shown, omitted=total - len(shown))
