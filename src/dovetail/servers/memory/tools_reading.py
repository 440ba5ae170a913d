"""The tools and resources that read."""

from typing import Annotated, Literal, cast

from msgspec import Meta

from dovetail import Complete, Context, Server, ToolAnnotations, get_context
from dovetail.errors import InvalidParams, ResourceNotFound, ToolError
from dovetail.servers.memory import reading
from dovetail.servers.memory.offers import Desk, desk
from dovetail.servers.memory.query import QUERY_CHARS
from dovetail.servers.memory.records import MOST, NAME_CHARS, Nodes, Statistics
from dovetail.servers.memory.searching import search
from dovetail.servers.memory.settings import Settings
from dovetail.servers.memory.watching import EXPORT_URI, GRAPH_URI, entity_uri
from dovetail.wire import CallToolResult, TextContent

Cursor = Annotated[str, Meta(max_length=32)] | None
_PAGE_CHARS = 200_000
"""Characters of one page of export_graph."""
_EXPORT_CHARS = 12_000_000
"""Characters of the exported graph as one resource: what clients take in one message."""


def _hints(title: str) -> ToolAnnotations:
    return ToolAnnotations(
        title=title, read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
    )


def read_graph(
    ctx: Context, limit: Annotated[int, Meta(ge=1, le=10_000)] | None = None, cursor: Cursor = None
) -> Nodes:
    """Read the graph page by page: all entities with their observations, oldest first, then all relations.

    For what you look for, use search_nodes instead. `nextCursor` says that there is more; a page also ends where the
    server's limit of characters is reached, and an entity with very many observations shows the first of them.

    Args:
        limit: Entities and relations on the page, at most; the server's own limit, when not given.
        cursor: `nextCursor` of the page before.
    """
    at = desk(ctx)
    return at.read(lambda db: reading.page(db, cursor or None, limit or at.settings.page_size, at.room()))


def search_nodes(
    query: Annotated[str, Meta(max_length=QUERY_CHARS)],
    ctx: Context,
    limit: Annotated[int, Meta(ge=1, le=100)] = 10,
    entityType: str | None = None,
    cursor: Cursor = None,
) -> Nodes:
    """Search names, types and observations; the best fit comes first.

    Words are found by their beginning, whatever their case and accents, and parts of words where that finds little.
    Several words need not all be there: who has more of them, and rarer ones, comes first. "Words in quotes" stand
    together. Returns the entities, with the observations that fit among at most 30 of each (`omitted` tells how many
    are not shown; open_nodes shows them), and the relations from and to them.

    Args:
        query: The words, such as: ann coffee; not a question.
        limit: Entities, at most.
        entityType: Only entities of this type.
        cursor: `nextCursor` of the answer before, for those that fit less.
    """
    at = desk(ctx)
    start = _start(cursor)
    return at.read(lambda db: search(db, query, entityType, start, limit, at.room()))


def _start(cursor: str | None) -> int:
    if not cursor:
        return 0
    if not (cursor.isascii() and cursor.isdigit()) or len(cursor) > 9:
        raise ToolError("cursor: this is none that search_nodes gave; begin again without one.")
    return int(cursor)


def open_nodes(
    names: Annotated[list[str], Meta(max_length=MOST)],
    ctx: Context,
    observationsFrom: Annotated[int, Meta(ge=0)] = 0,
) -> Nodes:
    """Show entities by their names: all that is known about them, and the relations from and to them.

    Names that are no entity are left out, and `note` says so.

    Args:
        names: Their names, exactly.
        observationsFrom: Leave out so many observations of each, to read on where an answer was cut.
    """
    at = desk(ctx)
    return at.read(lambda db: reading.opened(db, names, observationsFrom, 5 * at.settings.page_size, at.room()))


def neighbours(
    name: str,
    ctx: Context,
    direction: Literal["both", "out", "in"] = "both",
    relationType: str | None = None,
    depth: Annotated[int, Meta(ge=1, le=3)] = 1,
    limit: Annotated[int, Meta(ge=1, le=1_000)] = 100,
) -> Nodes:
    """Show what an entity is related to: itself, its neighbours and the relations between, nearest first.

    Args:
        name: The entity's name, exactly.
        direction: Relations that begin here (out), end here (in), or both.
        relationType: Only relations of this type.
        depth: Steps away from the entity: 1 for its neighbours, 2 for theirs, too.
        limit: Relations, at most.
    """
    at = desk(ctx)
    return at.read(lambda db: reading.neighbours(db, name, direction, relationType, depth, limit, at.room()))


def graph_statistics(ctx: Context) -> Statistics:
    """Tell how large the graph is, and which types of entities and relations are used most: use the same ones."""
    at = desk(ctx)
    found = at.read(reading.statistics)
    found.notes = at.notes
    return found


def export_graph(ctx: Context, cursor: Cursor = None) -> CallToolResult:
    """Export the graph in the JSON lines of the reference memory server, page by page, as text.

    The first text is the lines. A second one, if there is more, says which cursor to call again with. People get all of
    it at once from the resource memory://export.

    Args:
        cursor: What the page before said.
    """
    text, following = desk(ctx).read(lambda db: reading.exported(db, cursor or None, _PAGE_CHARS))
    content = [TextContent(text=text)]
    if following is not None:
        content.append(TextContent(text=f"There is more: call export_graph again with the cursor {following}"))
    return CallToolResult(content=[*content])


def graph_page(ctx: Context, cursor: str = "") -> Nodes:
    """Read the graph: entities and relations, the first page of it; `nextCursor` goes into the URI for the next.

    Args:
        cursor: Where to go on.
    """
    at = desk(ctx)
    try:
        reading.check_cursor(cursor)
    except ToolError as error:
        raise InvalidParams(str(error)) from None
    return at.read(lambda db: reading.page(db, cursor or None, at.settings.page_size, at.room()))


def first_page(ctx: Context) -> Nodes:
    """Read the graph: entities and relations. Of a large one the first page; `nextCursor` leads on."""
    return graph_page(ctx)


def export(ctx: Context) -> str:
    """Export the graph in the JSON lines of the reference memory server, all of it."""
    text, following = desk(ctx).read(lambda db: reading.exported(db, None, _EXPORT_CHARS))
    if following is not None:
        raise ToolError("The graph is too large for one message: call export_graph, page by page.")
    return text


def entity(name: Annotated[str, Complete(lambda typed: names(typed))], ctx: Context) -> Nodes:
    """Read what is known about one entity, and its relations.

    Args:
        name: The entity's name.
    """
    at = desk(ctx)
    found = at.read(
        lambda db: (
            None if reading.find(db, name) is None else reading.opened(db, [name], 0, at.settings.page_size, at.room())
        )
    )
    if found is None:
        raise ResourceNotFound(entity_uri(name))
    return found


def names(typed: str) -> list[str]:
    """Suggest names of entities."""
    at = cast("Desk", get_context().lifespan)
    return at.read(lambda db: reading.names_like(db, typed[:NAME_CHARS]))


def offer_reading(server: Server, settings: Settings) -> None:
    """Offer what reads."""
    server.tool(annotations=_hints("Search"))(search_nodes)
    server.tool(annotations=_hints("Show entities"))(open_nodes)
    server.tool(annotations=_hints("Neighbours"))(neighbours)
    server.tool(annotations=_hints("Read the graph"))(read_graph)
    server.tool(annotations=_hints("Statistics"))(graph_statistics)
    server.tool(annotations=_hints("Export the graph"))(export_graph)
    json = "application/json"
    server.add_resource(GRAPH_URI, first_page, name="graph", title="The graph", mime_type=json)
    server.add_resource(
        EXPORT_URI, export, name="export", title="The graph as JSON lines", mime_type="application/jsonl"
    )
    server.add_resource(GRAPH_URI + "{?cursor}", graph_page, name="graph-page", title="A page", mime_type=json)
    server.add_resource(
        # A name is no path: `..` and slashes in it lead nowhere.
        "memory://entity/{name}", entity, name="entity", title="An entity", mime_type=json, any_path=True,
    )  # fmt: skip
