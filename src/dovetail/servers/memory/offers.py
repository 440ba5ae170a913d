"""What the handlers work with: the graph, the settings, and room for an answer."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from dovetail import Context
from dovetail.servers.memory.graph import Graph, Work
from dovetail.servers.memory.room import Room
from dovetail.servers.memory.settings import Settings
from dovetail.servers.memory.writing import Writer

if TYPE_CHECKING:
    import sqlite3


T = TypeVar("T")


class Desk:
    """What the server's lifespan opens.

    Attributes:
        graph: The graph.
        settings: The settings.
        notes: What the files imported at the start did not bring as it was written.
    """

    def __init__(self, graph: Graph, settings: Settings, notes: list[str]) -> None:
        self.graph = graph
        self.notes = notes
        self.settings = settings

    def room(self) -> Room:
        """Return room for one answer."""
        return Room(self.settings.answer_chars)

    def read(self, work: Work[T]) -> T:
        """Read, in one snapshot."""
        return self.graph.read(work)

    def write(self, work: "Callable[[Writer, sqlite3.Connection], T]", *, deletes: bool = False) -> T:
        """Write, all of it or nothing; see `Graph.write`."""
        touched: set[str] = set()
        return self.graph.write(lambda db: work(Writer(self.settings, touched), db), touched, deletes=deletes)


def desk(ctx: Context) -> Desk:
    """Return what the call works with."""
    found: Desk = ctx.lifespan
    return found
