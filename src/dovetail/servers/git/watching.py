"""Hears that the repository was changed from outside, and tells who subscribed: by looking, a little, now and then.

Looks at times, sizes and numbers of HEAD, the index and the references; opens nothing.
"""

import asyncio
import contextlib
import os
import re
import stat
from collections import OrderedDict
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Final

from dovetail.servers.git.places import Places

MOST: Final = 20_000
"""References and folders of references that are looked at; more are packed, as a rule, into one file."""
_URIS: Final = 1_000
_MOVES: Final = re.compile(r"git://(?![0-9a-f]{40}/)[^/]{1,512}/.{1,2048}")

Seen = tuple[tuple[str, int, int, int], ...]


def look(places: Places) -> tuple[Seen, Seen]:
    """Return what the references look like, and the index: two looks differ when something was changed between."""
    refs = [_one(folder / name) for folder in {places.git, places.common} for name in ("HEAD", "packed-refs")]
    waiting = [places.common / "refs"]
    while waiting and len(refs) < MOST:
        folder = waiting.pop()
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in islice(entries, MOST - len(refs)):
                path = Path(entry.path)
                refs.append(_one(path))
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(path)
    return tuple(sorted(refs)), (_one(places.git / "index"),)


def _one(path: Path) -> tuple[str, int, int, int]:
    try:
        found = os.lstat(path)
    except OSError:
        return str(path), 0, 0, 0
    if stat.S_ISDIR(
        found.st_mode
    ):  # its time changes with the lock files of every writer; what is in it is seen itself
        return str(path), 0, 0, found.st_ino
    return str(path), found.st_mtime_ns, found.st_size, found.st_ino


class Watcher:
    """Looks every so often, and tells.

    Attributes:
        uris: Files at revisions that somebody read or subscribed to.
    """

    def __init__(self, places: Places, seconds: float, tell: Callable[[str], None]) -> None:
        """Begin with `begin`.

        Args:
            places: Where the repository is.
            seconds: From one look to the next; 0 for none.
            tell: What is called with the URI of each resource that changed.
        """
        self._places = places
        self._seconds = seconds
        self._tell = tell
        self._task: asyncio.Task[None] | None = None
        self.uris: OrderedDict[str, None] = OrderedDict()

    async def begin(self) -> None:
        """Take the first look, and go on by itself."""
        if self._seconds:
            self._task = asyncio.ensure_future(self._run(await asyncio.to_thread(look, self._places)))

    def remember(self, uri: str) -> None:
        """Remember a file at a revision that may move, as somebody may want to hear of it: the last thousand."""
        if _MOVES.match(uri):
            self.uris[uri] = None
            self.uris.move_to_end(uri)
            if len(self.uris) > _URIS:
                self.uris.popitem(last=False)

    async def _run(self, before: tuple[Seen, Seen]) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            now = await asyncio.to_thread(look, self._places)
            if now != before:
                for uri in self._changed(refs=now[0] != before[0]):
                    self._tell(uri)
            before = now

    def _changed(self, *, refs: bool) -> list[str]:
        return ["git://HEAD", "git://log", "git://branches", "git://status", *self.uris] if refs else ["git://status"]

    async def aclose(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
