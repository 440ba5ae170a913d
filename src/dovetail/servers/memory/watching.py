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
from dovetail.servers.memory.readers import Reader

GRAPH_URI: Final = "memory://graph"
EXPORT_URI: Final = "memory://export"
Version = tuple[int, int] | None
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
        with self._graph.watching() as reader:
            # The version is looked at before the changes: what is committed in between is another version later.
            version, seen = _version(reader), last_change(reader.connection)
            while True:
                await self._wait(reader, version)
                version = _version(reader)
                try:
                    last, names = changes_after(reader.connection, seen)
                except sqlite3.Error as error:
                    log.warning("The memory file cannot be watched (%s)", type(error).__name__)
                    version = None  # and look again, though nothing else should change
                    continue
                if last != seen:
                    seen = last
                    for uri in uris(names):
                        self._tell(uri)

    async def _wait(self, reader: Reader, version: Version) -> None:
        """Wait until this process, or another one, has written."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._seconds or None):
                    await self._due.wait()
            if self._due.is_set() or _version(reader) != version:
                break
        self._due.clear()


def _version(reader: Reader) -> Version:
    """Return what is another one after a commit by any other connection; None while the file cannot be read."""
    try:
        return reader.version()
    except (sqlite3.Error, StoreUnusable):
        return None


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
