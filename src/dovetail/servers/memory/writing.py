"""What changes the graph: each function is the work of one transaction.

Invariants: what is there already is not there twice; the names of all that changed are put into `touched`. Sizes of
what is new are checked before anything is written, and the error names what to do; what is imported was written
elsewhere, under other limits, and is kept whole.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from dovetail.errors import ToolError, quote
from dovetail.servers.memory.forms import keep_entity, keep_relation, say_first, types_of
from dovetail.servers.memory.lines import EntityLine, RelationLine
from dovetail.servers.memory.numbering import MASK, NAME, TYPE, number_of, observations_of
from dovetail.servers.memory.reading import find
from dovetail.servers.memory.records import (
    Added,
    Deletion,
    Entity,
    Facts,
    Imported,
    NewEntity,
    Relation,
)
from dovetail.servers.memory.settings import Settings

_NOTES: Final = 50
"""Notes that one import tells."""
MERGED: Final = "entities were there already and got the observations that they lacked"
RETYPED: Final = "entities were there already with another type or other fields; both forms are kept, and exported"
REPEATED: Final = "relations were there already, from"
_NAMED: Final = 5
"""Names that stand for all of one kind."""


class Writer:
    """Writes with one set of limits, within one transaction.

    Attributes:
        touched: Names of what was changed so far.
        told: Names of what an import did not bring as it was written, by what became of it.
    """

    def __init__(self, settings: Settings, touched: set[str]) -> None:
        self._settings = settings
        self.touched = touched
        self.told: dict[str, list[str]] = {}

    def create(self, db: sqlite3.Connection, entities: Sequence[NewEntity]) -> tuple[list[Entity], list[str]]:
        """Create entities; return those that are new, and the names of those that were there."""
        new: list[Entity] = []
        existing: list[str] = []
        for given in entities:
            observations = list(dict.fromkeys(given.observations))
            self._check(given.name, observations, 0)
            number = self._entity(db, given.name, given.entity_type)
            if number is None:
                existing.append(given.name)
                continue
            _observe(db, number, observations)
            new.append(Entity(given.name, given.entity_type, observations))
        return new, existing

    def relate(self, db: sqlite3.Connection, relations: Sequence[Relation]) -> tuple[list[Relation], list[str]]:
        """Relate entities; return the relations that are new, and the names that are no entity."""
        new = [relation for relation in relations if self._relation(db, relation)]
        names = dict.fromkeys(name for relation in relations for name in (relation.source, relation.target))
        return new, [name for name in names if find(db, name) is None]

    def add(self, db: sqlite3.Connection, facts: Sequence[Facts]) -> list[Added]:
        """Add observations; all or, where an entity is missing, none."""
        missing = [fact.entity_name for fact in facts if find(db, fact.entity_name) is None]
        if missing:
            raise ToolError(
                f"There is no entity named {quote(missing[0], 120)}; nothing was added. "
                "Create it with create_entities, or look for its name with search_nodes."
            )
        return [Added(fact.entity_name, self._add(db, fact.entity_name, fact.contents, limited=True)) for fact in facts]

    def _add(self, db: sqlite3.Connection, name: str, contents: Iterable[str], *, limited: bool) -> list[str]:
        number = find(db, name)
        assert number is not None, "looked for before"
        known = {text for _, text in db.execute(_OBSERVATIONS, observations_of(number))}
        new = [text for text in dict.fromkeys(contents) if text not in known]
        if limited and new:
            self._check(name, new, len(known))
        if new:
            _observe(db, number, new)
            self.touched.add(name)
        return new

    def delete_entities(self, db: sqlite3.Connection, names: Sequence[str]) -> int:
        """Delete entities, what is known about them and their relations; return how many there were."""
        deleted = 0
        for name in dict.fromkeys(names):
            ends = db.execute(
                "SELECT source, target FROM relations WHERE source = ?1 OR target = ?1", (name,)
            ).fetchall()
            db.execute("DELETE FROM relations WHERE source = ?1 OR target = ?1", (name,))
            self.touched.update(end for pair in ends for end in pair)
            number = find(db, name)
            if number is not None:
                whole = (number_of(number, NAME), number_of(number, MASK))
                _remove(db, db.execute(_OBSERVATIONS, whole).fetchall())
                db.execute("DELETE FROM entities WHERE id = ?", (number,))
                self.touched.add(name)
                deleted += 1
        return deleted

    def delete_observations(self, db: sqlite3.Connection, deletions: Sequence[Deletion]) -> int:
        """Delete observations by their whole text; return how many there were."""
        deleted = 0
        for deletion in deletions:
            number = find(db, deletion.entity_name)
            if number is None:
                continue
            wanted = set(deletion.observations)
            rows = db.execute(_OBSERVATIONS, observations_of(number)).fetchall()
            gone = [(row, content) for row, content in rows if content in wanted]
            _remove(db, gone)
            if gone:
                self.touched.add(deletion.entity_name)
                deleted += len(gone)
        return deleted

    def delete_relations(self, db: sqlite3.Connection, relations: Sequence[Relation]) -> int:
        """Delete relations; return how many there were."""
        deleted = 0
        for relation in relations:
            key = (relation.source, relation.target, relation.relation_type)
            if db.execute("DELETE FROM relations WHERE source = ? AND target = ? AND type = ?", key).rowcount:
                self.touched.update((relation.source, relation.target))
                deleted += 1
        return deleted

    def take_in(
        self,
        db: sqlite3.Connection,
        lines: Iterable[EntityLine | RelationLine],
        stopped: Callable[[], bool] = lambda: False,
    ) -> Imported:
        """Import lines, in their order; what is there already is completed, and never changed.

        Raises:
            ToolError: `stopped` told to stop; the transaction is to be rolled back.
        """
        done = Imported(0, 0, 0)
        for line in lines:
            if stopped():
                raise ToolError("The import was given up; nothing of it was taken in. Call again for all of it.")
            if isinstance(line, RelationLine):
                self._take_relation(db, line, done)
            else:
                self._take_entity(db, line, done)
        if len(done.notes) > _NOTES:
            done.notes[_NOTES:] = [f"And {len(done.notes) - _NOTES} more such notes."]
        return done

    def _take_relation(self, db: sqlite3.Connection, line: RelationLine, done: Imported) -> None:
        if self._relation(db, Relation(line.source, line.target, line.type), line.extra):
            done.relations += 1
        else:
            number, extra = db.execute(_RELATION, (line.source, line.target, line.type)).fetchone()
            other = ""
            if line.extra not in ("", extra):
                if keep_relation(db, number, line.extra):
                    self.touched.update((line.source, line.target))
                other = " Its other fields are kept beside it."
            self.told.setdefault(REPEATED, []).append(line.source)
            done.notes.append(f"Line {line.number}: this relation was there already.{other}")

    def _take_entity(self, db: sqlite3.Connection, line: EntityLine, done: Imported) -> None:
        number = self._entity(db, line.name, line.type, line.extra)
        if number is not None:
            _observe(db, number, line.observations)  # as they stand, those that stand there twice, too
            done.entities += 1
            done.observations += len(line.observations)
            return
        new = self._add(db, line.name, line.observations, limited=False)
        done.merged += 1
        done.observations += len(new)
        number, kind, extra = db.execute("SELECT id, type, extra FROM entities WHERE name = ?", (line.name,)).fetchone()
        same = kind == line.type and line.extra in ("", extra)
        if same:
            say_first(db, number, line.observations)
        else:
            keep_entity(db, number, line.type, line.extra, line.observations, new)
            _index_types(db, number, kind)
            self.touched.add(line.name)
        self.told.setdefault(MERGED if same else RETYPED, []).append(line.name)
        other = "" if kind == line.type else f" Its type stays {quote(kind, 60)}; the other is kept beside it."
        done.notes.append(f"Line {line.number}: an entity of this name was there already.{other}")

    def _entity(self, db: sqlite3.Connection, name: str, kind: str, extra: str = "") -> int | None:
        """Make an entity without observations; None where there is one of that name."""
        made = db.execute(
            "INSERT INTO entities (name, type, extra) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (name, kind, extra)
        )
        if not made.rowcount:
            return None
        number = made.lastrowid
        assert number is not None
        _put(db, number_of(number, NAME), name)
        _put(db, number_of(number, TYPE), kind)
        self.touched.add(name)
        return number

    def _relation(self, db: sqlite3.Connection, relation: Relation, extra: str = "") -> bool:
        made = db.execute(
            "INSERT INTO relations (source, target, type, extra) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (relation.source, relation.target, relation.relation_type, extra),
        )
        if made.rowcount:
            self.touched.update((relation.source, relation.target))
        return bool(made.rowcount)

    def _check(self, name: str, new: Sequence[str], known: int) -> None:
        most, longest = self._settings.max_observations, self._settings.max_text
        if known + len(new) > most:
            raise ToolError(
                f"{quote(name, 120)} would have more than {most:,} observations; nothing was written. "
                "Delete what is out of date, or make entities of its parts."
            )
        if any(len(text) > longest for text in new):
            raise ToolError(
                f"An observation of {quote(name, 120)} has more than {longest:,} characters; nothing was written. "
                "Write several short observations, one fact each."
            )


def summed(told: dict[str, list[str]]) -> list[str]:
    """Return a line for each kind of what an import did not bring as it was written, with the first names."""
    lines = []
    for kind, all_names in told.items():
        names = list(dict.fromkeys(all_names))
        more = ", ..." if len(names) > _NAMED else ""
        lines.append(f"{len(all_names)} {kind}: {', '.join(quote(name, 60) for name in names[:_NAMED])}{more}")
    return lines


def _index_types(db: sqlite3.Connection, entity: int, first: str) -> None:
    """Let an entity be found by each of its types: one text holds them all."""
    place = number_of(entity, TYPE)
    _remove(db, db.execute("SELECT id, content FROM texts WHERE id = ?", (place,)).fetchall())
    _put(db, place, "\n".join([first, *types_of(db, entity, first)]))


def _observe(db: sqlite3.Connection, entity: int, observations: Iterable[str]) -> None:
    first, last = observations_of(entity)
    newest = db.execute("SELECT max(id) FROM texts WHERE id BETWEEN ? AND ?", (first, last)).fetchone()[0]
    for number, text in enumerate(observations, first if newest is None else newest + 1):
        if number > last:
            raise ToolError("Too many observations came and went here; delete the entity and create it anew.")
        _put(db, number, text)


def _put(db: sqlite3.Connection, number: int, text: str) -> None:
    """Write a text, and into both indexes: SQLite lets no trigger do that where the schema is not trusted."""
    for table in _INSERTS:
        db.execute(table, (number, text))


_INSERTS: Final = (
    "INSERT INTO texts (id, content) VALUES (?, ?)",
    "INSERT INTO words (rowid, content) VALUES (?, ?)",
    "INSERT INTO parts (rowid, content) VALUES (?, ?)",
)


def _remove(db: sqlite3.Connection, texts: Sequence[tuple[int, str]]) -> None:
    """Delete texts, and what both indexes hold of them; an index has to be told what that was."""
    db.executemany("INSERT INTO words (words, rowid, content) VALUES ('delete', ?, ?)", texts)
    db.executemany("INSERT INTO parts (parts, rowid, content) VALUES ('delete', ?, ?)", texts)
    db.executemany("DELETE FROM texts WHERE id = ?", [(number,) for number, _ in texts])


_RELATION: Final = "SELECT id, extra FROM relations WHERE source = ? AND target = ? AND type = ?"
_OBSERVATIONS: Final = "SELECT id, content FROM texts WHERE id BETWEEN ? AND ? ORDER BY id"
