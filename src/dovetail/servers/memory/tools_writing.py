"""The tools that write: they keep the names and shapes of the reference server's, and tell more."""

from typing import Annotated, Final

from msgspec import Meta

from dovetail import Context, Server, ToolAnnotations
from dovetail.errors import ToolError
from dovetail.servers.memory.lines import Unreadable, read
from dovetail.servers.memory.offers import desk
from dovetail.servers.memory.records import (
    MOST,
    AddedAll,
    Created,
    Deletion,
    Done,
    Facts,
    Imported,
    NewEntity,
    NewRelation,
    Related,
    Relation,
)

IMPORT_CHARS: Final = 2_000_000


def _hints(title: str, *, destructive: bool) -> ToolAnnotations:
    return ToolAnnotations(
        title=title, read_only_hint=False, destructive_hint=destructive, idempotent_hint=True, open_world_hint=False
    )


def create_entities(entities: Annotated[list[NewEntity], Meta(max_length=MOST)], ctx: Context) -> Created:
    """Create entities: people, projects, places, whatever is worth knowing about.

    A name that is taken is left as it is and told as `existing`: use add_observations for it. Search first, so that
    nothing stands here under two names. All are created, or none. At most 1,000 in one call.

    Args:
        entities: The entities, each with a name, a type and what is known about it.
    """
    return Created(*desk(ctx).write(lambda writer, db: writer.create(db, entities)))


def create_relations(relations: Annotated[list[NewRelation], Meta(max_length=MOST)], ctx: Context) -> Related:
    """Relate entities to each other, in the active voice: from Ann, to Acme, works_at.

    A relation that is there already is not there twice. Names that are no entity yet are told as `missing`. At most
    1,000 in one call.

    Args:
        relations: The relations.
    """
    return Related(*desk(ctx).write(lambda writer, db: writer.relate(db, relations)))


def add_observations(observations: Annotated[list[Facts], Meta(max_length=MOST)], ctx: Context) -> AddedAll:
    """Add observations to entities that exist: one fact each, short, true by itself.

    Returns what is new; what was known already is not added twice. When an entity is missing, nothing is added at all.

    Args:
        observations: For each entity what is to be added.
    """
    return AddedAll(desk(ctx).write(lambda writer, db: writer.add(db, observations)))


def delete_entities(entityNames: Annotated[list[str], Meta(max_length=MOST)], ctx: Context) -> Done:
    """Delete entities with all that is known about them, and their relations. This cannot be undone.

    Names that are no entity are no error. Ask the user before you delete what you did not create.

    Args:
        entityNames: Their names, exactly.
    """
    deleted = desk(ctx).write(lambda writer, db: writer.delete_entities(db, entityNames), deletes=True)
    return _done("entities", len(entityNames), deleted)


def delete_observations(deletions: Annotated[list[Deletion], Meta(max_length=MOST)], ctx: Context) -> Done:
    """Delete observations, such as those that are out of date, by their whole text. This cannot be undone.

    What is not there is no error; `deleted` tells how many there were.

    Args:
        deletions: For each entity the observations to delete, word by word as they stand there.
    """
    deleted = desk(ctx).write(lambda writer, db: writer.delete_observations(db, deletions), deletes=True)
    return _done("observations", sum(len(one.observations) for one in deletions), deleted)


def delete_relations(relations: Annotated[list[Relation], Meta(max_length=MOST)], ctx: Context) -> Done:
    """Delete relations. This cannot be undone. What is not there is no error.

    Args:
        relations: The relations, each with both ends and its type, exactly.
    """
    deleted = desk(ctx).write(lambda writer, db: writer.delete_relations(db, relations), deletes=True)
    return _done("relations", len(relations), deleted)


def import_graph(lines: Annotated[str, Meta(max_length=IMPORT_CHARS)], ctx: Context) -> Imported:
    """Take in a graph in the JSON lines of the reference memory server, or of export_graph.

    Adds to what is here: an entity that is here already keeps its type and gets the observations that it lacks. Nothing
    is taken in when one line cannot be read. At most 2,000,000 characters in one call; for a larger file, start the
    server with --import-file.

    Args:
        lines: One JSON object a line: {"type":"entity","name":...,"entityType":...,"observations":[...]} or
            {"type":"relation","from":...,"to":...,"relationType":...}.
    """
    try:
        found = list(read(lines))
    except Unreadable as error:
        raise ToolError(f"{error}. Nothing was imported.") from None
    return desk(ctx).write(lambda writer, db: writer.take_in(db, found, lambda: ctx.cancelled))


def _done(what: str, asked: int, deleted: int) -> Done:
    message = f"Deleted {deleted} {what}"
    if deleted < asked:
        message += f"; {asked - deleted} of those named were not there. Names and texts must match exactly"
    return Done(success=True, message=f"{message}.", deleted=deleted)


def offer_writing(server: Server) -> None:
    """Offer the tools that write."""
    server.tool(annotations=_hints("Create entities", destructive=False))(create_entities)
    server.tool(annotations=_hints("Create relations", destructive=False))(create_relations)
    server.tool(annotations=_hints("Add observations", destructive=False))(add_observations)
    server.tool(annotations=_hints("Delete entities", destructive=True))(delete_entities)
    server.tool(annotations=_hints("Delete observations", destructive=True))(delete_observations)
    server.tool(annotations=_hints("Delete relations", destructive=True))(delete_relations)
    server.tool(annotations=_hints("Import a graph", destructive=False))(import_graph)
