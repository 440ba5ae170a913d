"""Who hears of changes: of this process, of other ones, and of any program that writes into the folder.

After each write, and whenever the system tells of something in the folder, what is there is compared with what was
there: new, gone and changed notes are told apart so, whoever made them and however. The list of resources is kept up
with the notes, which announces itself.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

from dovetail import Server
from dovetail.errors import DovetailError, ToolError
from dovetail.servers.notes.descriptors import Found
from dovetail.servers.notes.names import uri_of
from dovetail.servers.notes.notebook import Notebook

log = logging.getLogger("dovetail.servers.notes")


class Herald:
    """Announces what changed, on the event loop.

    Args:
        notebook: The notes.
        server: Whose list of resources is kept up with them.
        reader: Makes what reads the note of a name.
    """

    def __init__(self, notebook: Notebook, server: Server, reader: Callable[[str], Callable[..., Any]]) -> None:
        self._notebook = notebook
        self._server = server
        self._reader = reader
        self._seen: dict[str, Found] = {}
        self._offered: list[str] = []
        self._due = asyncio.Event()
        loop = asyncio.get_running_loop()

        def changed() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is gone, and so is everybody who listens
                loop.call_soon_threadsafe(self._due.set)

        notebook.changed = changed

    async def start(self) -> None:
        """Look what there is, and offer it."""
        self._seen = (await asyncio.to_thread(self._notebook.scan)).notes
        self._offer()

    async def run(self) -> None:
        """Announce until cancelled."""
        while True:
            await self._due.wait()
            self._due.clear()
            try:
                now = (await asyncio.to_thread(self._notebook.scan)).notes
            except ToolError:
                continue  # the folder is gone; whoever calls hears of it
            before, self._seen = self._seen, now
            if before.keys() != now.keys():
                self._offer()
            changed = [name for name in before.keys() | now.keys() if before.get(name) != now.get(name)]
            for name in sorted(changed):
                self._server.notify.resource_updated(uri_of(name))

    async def watch(self) -> None:
        """Hear from the system of what happens in the folder, until cancelled."""
        from watchfiles import awatch

        try:
            async for _ in awatch(self._notebook.folder.root, watch_filter=_matters, step=50, debounce=400):
                self._due.set()
        except (OSError, RuntimeError) as error:
            log.warning(
                "The notes cannot be watched (%s): changes from outside are not announced", type(error).__name__
            )

    def withdraw(self) -> None:
        """Offer nothing any more."""
        for name in self._offered:
            with contextlib.suppress(DovetailError):
                self._server.remove_resource(uri_of(name))
        self._offered = []

    def _offer(self) -> None:
        """Keep the list of resources up with the notes."""
        wanted = list(self._seen)[: self._notebook.settings.listed]
        gone, known = set(self._offered) - set(wanted), set(self._offered)
        for name in gone:
            self._server.remove_resource(uri_of(name))
        for name in wanted:
            if name not in known:
                self._server.add_resource(
                    uri_of(name), self._reader(name), name=name, description="A note.", mime_type="text/markdown"
                )
        self._offered = wanted


def _matters(change: Any, path: str) -> bool:
    """Tell whether a path may concern a note: hidden files, such as our temporary ones, do not."""
    return not path.rpartition("/")[2].startswith(".")


@contextlib.asynccontextmanager
async def announcing(
    notebook: Notebook, server: Server, reader: Callable[[str], Callable[..., Any]]
) -> AsyncIterator[None]:
    """Announce changes for as long as the block lasts."""
    herald = Herald(notebook, server, reader)
    await herald.start()
    tasks = [asyncio.create_task(herald.run())]
    if not notebook.settings.no_watch:
        tasks.append(asyncio.create_task(herald.watch()))
        await asyncio.sleep(0)
        notebook.changed()  # what happened between the first look and the beginning of the watch
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        herald.withdraw()
