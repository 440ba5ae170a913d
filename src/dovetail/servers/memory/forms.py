"""Other forms: what an imported file says otherwise of an entity or a relation that was there already.

The reference server's file may name one entity twice, with two types or with fields that differ; a graph that people
search has it once. So the first form stays, what the others know is added to it, and they are kept beside it, to be
shown with it and exported as they came.

Invariant: what is exported and imported again is the same graph, with the same forms.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

_encode = msgspec.json.encode
_texts: Final = msgspec.json.Decoder(list[str]).decode


def keep_entity(
    db: sqlite3.Connection, entity: int, kind: str, extra: str, observations: Sequence[str], brought: Sequence[str]
) -> None:
    """Keep a form of an entity.

    Args:
        db: Within a transaction.
        entity: Its number.
        kind: The type that it has in this form.
        extra: As in `Line.extra`.
        observations: All that this form says.
        brought: Those that the entity did not have.
    """
    key = (entity, kind, extra)
    row = db.execute(
        "SELECT observations, brought FROM entity_forms WHERE entity = ? AND type = ? AND extra = ?", key
    ).fetchone()
    said, new = ([], []) if row is None else map(_texts, row)
    said += observations if row is None else [text for text in observations if text not in said]
    db.execute(
        "INSERT INTO entity_forms (entity, type, extra, observations, brought) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET observations = excluded.observations, brought = excluded.brought",
        (*key, _encode(said).decode(), _encode([*new, *brought]).decode()),
    )


def say_first(db: sqlite3.Connection, entity: int, observations: Sequence[str]) -> None:
    """Note that an entity's first form says some observations, too, whichever form brought them."""
    rows = db.execute("SELECT id, brought FROM entity_forms WHERE entity = ?", (entity,)).fetchall()
    for form, brought in rows:
        left = [text for text in _texts(brought) if text not in observations]
        db.execute("UPDATE entity_forms SET brought = ? WHERE id = ?", (_encode(left).decode(), form))


def keep_relation(db: sqlite3.Connection, relation: int, extra: str) -> bool:
    """Keep a form of a relation: the fields that nobody here knows; tell whether it is a new one."""
    made = db.execute(
        "INSERT INTO relation_forms (relation, extra) VALUES (?, ?) ON CONFLICT DO NOTHING", (relation, extra)
    )
    return bool(made.rowcount)


def types_of(db: sqlite3.Connection, entity: int, but: str) -> list[str]:
    """Return the types that an entity has in other forms, but for one."""
    rows = db.execute("SELECT type FROM entity_forms WHERE entity = ? ORDER BY id", (entity,))
    return list(dict.fromkeys(kind for (kind,) in rows if kind != but))


def entity_forms(
    db: sqlite3.Connection, entity: int, texts: Sequence[str]
) -> tuple[Sequence[str], list[tuple[str, list[str], str]]]:
    """Return what an entity says in its first form, and its others: type, observations, extra.

    Args:
        db: To read from.
        entity: Its number.
        texts: All of its observations; what was deleted is in no form any more.
    """
    rows = db.execute(
        "SELECT type, observations, brought, extra FROM entity_forms WHERE entity = ? ORDER BY id", (entity,)
    ).fetchall()
    if not rows:
        return texts, []
    known = set(texts)
    elsewhere = {text for _, _, brought, _ in rows for text in _texts(brought)}
    forms = [(kind, [text for text in _texts(said) if text in known], extra) for kind, said, _, extra in rows]
    return [text for text in texts if text not in elsewhere], forms


def relation_forms(db: sqlite3.Connection, relation: int) -> Iterator[str]:
    """Return the other forms of a relation."""
    for (extra,) in db.execute("SELECT extra FROM relation_forms WHERE relation = ? ORDER BY id", (relation,)):
        yield extra
