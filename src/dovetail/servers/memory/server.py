"""The memory server: what it offers, put together."""

import asyncio
import logging
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from dovetail import Server, __version__
from dovetail.errors import DefinitionError, ToolError, quote
from dovetail.servers.memory.graph import Graph
from dovetail.servers.memory.lines import EntityLine, RelationLine, Unreadable, read
from dovetail.servers.memory.offers import Desk
from dovetail.servers.memory.places import check, data_file
from dovetail.servers.memory.prompts import offer_prompts
from dovetail.servers.memory.settings import Settings
from dovetail.servers.memory.tools_reading import offer_reading
from dovetail.servers.memory.tools_writing import offer_writing
from dovetail.servers.memory.watching import announcing
from dovetail.servers.memory.writing import Writer, summed

_log = logging.getLogger("dovetail.servers.memory")

_MOST_NOTES: Final = 30
"""Lines about what imports did not bring, at most."""
IMPORT_BYTES: Final = 256 * 1024 * 1024
"""Size of a file that is taken in at the start."""

_INSTRUCTIONS = """\
A memory that outlives the conversation: a graph of entities (people, projects, places), of observations about them and
of relations between them. Before you answer, search_nodes for what the user speaks of; do not read the whole graph.
Several words find the entities that fit most of them best. When the user tells something worth keeping,
add_observations to the entity that it is about, one fact each; create_entities first where there is none, and look with
search_nodes whether there is, so that nothing stands there under two names. Relations are in the active voice
(Ann works_at Acme). Correct what is out of date: delete_observations, then add_observations. Never keep secrets."""
_READ_ONLY = " This memory is read-only: there are no tools that write."


def make(settings: Settings) -> Server:
    """Make the server.

    Raises:
        DefinitionError: A file that cannot be the graph's, or one to import that is not there.
    """
    # The user may name a link; SQLite's own files lie beside what it leads to.
    path = Path(os.path.realpath(data_file() if settings.file is None else _whole(settings.file)))
    if settings.file is not None and not settings.file.strip():
        raise DefinitionError("file: expected the name of a file")
    if settings.read_only and settings.import_file:
        raise DefinitionError("import_file: nothing can be imported with read_only; leave one of them out")
    check(path, read_only=settings.read_only)
    pending = [to_import(_whole(name), settings.max_line) for name in settings.import_file]

    notes: list[str] = []

    @asynccontextmanager
    async def lifespan(server: Server) -> AsyncIterator[Desk]:
        """Open the file, take in what is to be imported, and close it in the end."""
        graph = await asyncio.to_thread(Graph, path, read_only=settings.read_only, max_bytes=settings.max_bytes)
        try:
            while pending:
                notes.extend(await asyncio.to_thread(import_once, graph, settings, pending[0]))
                del pending[0]
            async with announcing(graph, server.notify.resource_updated, settings.watch):
                yield Desk(graph, settings, notes[-_MOST_NOTES:])
        finally:
            await asyncio.to_thread(graph.close)

    server = Server(
        "memory",
        version=__version__,
        title="Memory",
        description="A knowledge graph in one file, with full-text search.",
        instructions=_INSTRUCTIONS + (_READ_ONLY if settings.read_only else ""),
        lifespan=lifespan,
    )
    offer_reading(server, settings)
    if not settings.read_only:
        offer_writing(server)
    offer_prompts(server, settings)
    return server


def _whole(path: str) -> Path:
    """Return a path that means the same wherever this process is later.

    A client's configuration has no shell that would know what ~ is.
    """
    return Path(os.path.expanduser(path)).absolute()


class Import(msgspec.Struct, frozen=True):
    """A file to take in.

    Attributes:
        digest: Of its content.
        lines: What it holds.
    """

    digest: str
    lines: list[EntityLine | RelationLine]


def to_import(path: Path, longest: int) -> Import:
    """Read a file of the reference server.

    Args:
        path: The file.
        longest: Characters of a line, at most.

    Raises:
        DefinitionError: It cannot be read, is too large, no UTF-8, or not of the format.
    """
    what = f"import_file: {quote(path.name, 80)}"
    try:
        if path.stat().st_size > IMPORT_BYTES:
            raise DefinitionError(
                f"{what}: larger than {IMPORT_BYTES:,} bytes: cut it into files of whole lines, "
                "and give each with --import-file, that with the entities first"
            )
        data = path.read_bytes()
        return Import(sha256(data).hexdigest(), list(read(data.decode(), longest)))
    except UnicodeDecodeError:
        raise DefinitionError(f"{what}: expected UTF-8") from None
    except Unreadable as error:
        raise DefinitionError(f"{what}: {error}; correct that line, or take it out") from None
    except FileNotFoundError:
        raise DefinitionError(f"{what}: there is no such file") from None
    except OSError as error:
        raise DefinitionError(f"{what}: cannot be read: {error.strerror}") from None


def import_once(graph: Graph, settings: Settings, found: Import) -> list[str]:
    """Take in what a file holds, unless one with the same content was; return what did not come as it was written.

    What was deleted since does not come back when the server starts again.

    Raises:
        DefinitionError: It does not fit the limits; nothing of it was taken in.
    """
    touched: set[str] = set()
    told: dict[str, list[str]] = {}

    def work(db: sqlite3.Connection) -> None:
        writer = Writer(settings, touched)
        if db.execute("INSERT INTO imports VALUES (?) ON CONFLICT DO NOTHING", (found.digest,)).rowcount:
            writer.take_in(db, found.lines)
        told.update(writer.told)

    try:
        graph.write(work, touched)
    except ToolError as error:
        raise DefinitionError(f"import_file: {error}") from None
    notes = summed(told)
    for note in notes:
        _log.warning("--import-file: %s", note)
    return notes
