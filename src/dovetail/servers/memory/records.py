"""What the tools take and return: the shapes of the reference server, with room for what is left out of an answer.

Invariant: only what makes something new has limits on its texts. What is stored may have been imported, with names that
are empty or long: whatever is stored can be told, opened and deleted.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

NAME_CHARS = 1_000
"""Characters of a new name, or of a new type."""
MOST = 1_000
"""Entities, relations or names in one call."""

NewName = Annotated[str, Meta(min_length=1, max_length=NAME_CHARS)]


class Entity(msgspec.Struct, omit_defaults=True, rename="camel"):
    """A person, a thing, a subject.

    Attributes:
        name: Its name, which nothing else has.
        entity_type: What it is, such as person, project, place.
        observations: What is known about it, one fact each, oldest first.
        omitted: How many observations are not shown here; open_nodes with `observationsFrom` shows them.
        other_types: Types that imported files gave it besides.
    """

    name: str
    entity_type: str
    observations: list[str]
    omitted: int = 0
    other_types: list[str] = []


class NewEntity(msgspec.Struct, rename="camel"):
    """An entity to create.

    Attributes:
        name: Its name, which nothing else has. People find it by this.
        entity_type: What it is, such as person, project, place.
        observations: What is known about it, one fact each.
    """

    name: NewName
    entity_type: NewName
    observations: Annotated[list[str], Meta(max_length=10_000)] = []


class Relation(msgspec.Struct, omit_defaults=True, rename="camel", frozen=True):
    """What one entity has to do with another, in the active voice: Ann works_at Acme.

    Attributes:
        source: The entity where it starts.
        target: The entity where it ends.
        relation_type: What the first does, or is, to the second, such as works_at, knows, part_of.
    """

    source: str = msgspec.field(name="from")
    target: str = msgspec.field(name="to")
    relation_type: str


class NewRelation(Relation, omit_defaults=True, rename="camel", frozen=True):
    """What one entity has to do with another, in the active voice: Ann works_at Acme.

    Attributes:
        source: The entity where it starts.
        target: The entity where it ends.
        relation_type: What the first does, or is, to the second, such as works_at, knows, part_of.
    """

    source: NewName = msgspec.field(name="from")
    target: NewName = msgspec.field(name="to")
    relation_type: NewName


class Nodes(msgspec.Struct, omit_defaults=True, rename="camel"):
    """Entities and relations.

    Attributes:
        entities: The entities.
        relations: The relations.
        next_cursor: There is more: call again with this as `cursor`.
        note: What was left out, and how to get it.
    """

    entities: list[Entity]
    relations: list[Relation]
    next_cursor: str | None = None
    note: str | None = None


class Created(msgspec.Struct, omit_defaults=True):
    """What was created.

    Attributes:
        entities: Those that are new.
        existing: Names that were there already, and were left as they are: use add_observations for these.
    """

    entities: list[Entity]
    existing: list[str] = []


class Related(msgspec.Struct, omit_defaults=True):
    """What was related.

    Attributes:
        relations: Those that are new.
        missing: Names that relations speak of, and that are no entity yet: create them with create_entities.
    """

    relations: list[Relation]
    missing: list[str] = []


class Facts(msgspec.Struct, rename="camel"):
    """Observations to add.

    Attributes:
        entity_name: The entity that they are about.
        contents: The observations, one fact each. What is known already is not added again.
    """

    entity_name: str
    contents: Annotated[list[str], Meta(max_length=10_000)]


class Added(msgspec.Struct, rename="camel"):
    """Observations that were added.

    Attributes:
        entity_name: The entity.
        added_observations: Those that it did not have.
    """

    entity_name: str
    added_observations: list[str]


class AddedAll(msgspec.Struct):
    """What was added.

    Attributes:
        results: For each entity, in the order of the call.
    """

    results: list[Added]


class Deletion(msgspec.Struct, rename="camel"):
    """Observations to delete.

    Attributes:
        entity_name: The entity that has them.
        observations: Their whole text, as it is.
    """

    entity_name: str
    observations: Annotated[list[str], Meta(max_length=10_000)]


class Done(msgspec.Struct):
    """What was deleted.

    Attributes:
        success: True: whatever was named is not there any more.
        message: In words.
        deleted: How many there were.
    """

    success: bool
    message: str
    deleted: int


class Imported(msgspec.Struct, omit_defaults=True, rename="camel"):
    """What an import brought.

    Attributes:
        entities: Entities that are new.
        relations: Relations that are new.
        observations: Observations that are new.
        merged: Entities that were there already: what they did not know was added.
        notes: What did not come over as it was written, line by line.
    """

    entities: int
    relations: int
    observations: int
    merged: int = 0
    notes: list[str] = []


class Count(msgspec.Struct, rename="camel"):
    """How many there are of a type.

    Attributes:
        type: The type.
        count: How many.
    """

    type: str
    count: int


class Statistics(msgspec.Struct, omit_defaults=True, rename="camel"):
    """How large the graph is.

    Attributes:
        entities: How many entities there are.
        relations: How many relations.
        observations: How many observations.
        characters: Characters of all names, types and observations.
        file_bytes: Size of the file.
        entity_types: The most frequent types of entities.
        relation_types: The most frequent types of relations.
        notes: What files imported at the start of this server did not bring as it was written there.
    """

    entities: int
    relations: int
    observations: int
    characters: int
    file_bytes: int
    entity_types: list[Count]
    relation_types: list[Count]
    notes: list[str] = []
