"""Who hears of changes: after each write of this process, and when another process wrote to the same file.

Invariant: every change that was committed is announced, or, of a write of more than `graph.MOST_TOLD`, that the graph
changed.
"""

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Final
from urllib.parse import quote

from dovetail.errors import StoreUnusable
from dovetail.servers.memory.graph import Graph, changes_after, last_change

GRAPH_URI: Final = "memory://graph"
EXPORT_URI: Final = "memory://export"
log = logging.getLogger("dovetail.servers.memory")


def entity_uri(name: str) -> str:
    """Return the URI of an entity."""
    return f"memory://entity/{quote(name, safe='')}"


def uris(names: Iterable[str]) -> list[str]:
    """Return the URIs of what changed with some entities."""
    return [GRAPH_URI, EXPORT_URI, *map(entity_uri, names)]


class Herald:
    """Announces what changed, on the event loop.

    Args:
        graph: What to watch.
        tell: Announces that a resource changed.
        seconds: Between two looks for what other processes wrote; 0 for never.
    """

    def __init__(self, graph: Graph, tell: Callable[[str], None], seconds: float) -> None:
        self._graph = graph
        self._tell = tell
        self._seconds = seconds
        self._due = asyncio.Event()
        loop = asyncio.get_running_loop()

        def changed() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is gone, and so is everybody who listens
                loop.call_soon_threadsafe(self._due.set)

        graph.changed = changed

    async def run(self) -> None:
        """Announce until cancelled."""
        with self._graph.watching() as db:
            # The version is looked at before the changes: what is committed in between is another version later.
            version, seen = _version(db), last_change(db)
            while True:
                await self._wait(db, version)
                version = _version(db)
                try:
                    last, names = changes_after(db, seen)
                except sqlite3.Error as error:
                    log.warning("The memory file cannot be watched (%s)", type(error).__name__)
                    continue
                if last != seen:
                    seen = last
                    for uri in uris(names):
                        self._tell(uri)

    async def _wait(self, db: sqlite3.Connection, version: int) -> None:
        """Wait until this process, or another one, has written."""
        while not self._due.is_set() and _version(db) == version:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._seconds or None):
                    await self._due.wait()
        self._due.clear()


def _version(db: sqlite3.Connection) -> int:
    """Return a number that is another one after a commit by any other connection."""
    try:
        found: int = db.execute("PRAGMA data_version").fetchone()[0]
    except sqlite3.Error:
        return 0
    return found


@contextlib.asynccontextmanager
async def announcing(graph: Graph, tell: Callable[[str], None], seconds: float) -> AsyncIterator[None]:
    """Announce changes for as long as the block lasts."""
    herald = Herald(graph, tell, seconds)
    task = asyncio.create_task(herald.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, StoreUnusable):
            await task
