"""Hears that the repository was changed from outside, and tells who subscribed: by looking, a little, now and then.

Looks at times, sizes and numbers of HEAD, the index and the references. Only when those of references differ are they
read: `git gc` and `git pack-refs` write them elsewhere, and nobody needs to hear of that.
"""

import asyncio
import contextlib
import hashlib
import os
import re
import stat
from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from dovetail.servers.git.places import Outside, Places, read_small

MOST: Final = 20_000
"""References and folders of references that are looked at; more are packed, as a rule, into one file."""
_PACKED: Final = 67_108_864
"""Bytes of packed references that are read; with more, every change counts."""
_URIS: Final = 1_000
_MOVES: Final = re.compile(r"git://(?![0-9a-f]{40}/)[^/]{1,512}/.{1,2048}")

Seen = tuple[tuple[str, int, int, int], ...]


def look(places: Places) -> tuple[Seen, Seen]:
    """Return what the references look like, and the index: two looks differ when something was changed between."""
    refs = [_one(folder / name) for folder in {places.git, places.common} for name in ("HEAD", "packed-refs")]
    refs += [_one(path) for path, _ in _loose(places)]
    return tuple(sorted(refs)), (_one(places.git / "index"),)


def _loose(places: Places) -> Iterator[tuple[Path, bool]]:
    """Go through what lies below `refs`, as far as it is looked at; tell of each whether it is a folder."""
    waiting, room = [places.common / "refs"], MOST
    while waiting and room > 0:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in islice(entries, room):
                room -= 1
                folder = entry.is_dir(follow_symlinks=False)
                if folder:
                    waiting.append(Path(entry.path))
                yield Path(entry.path), folder


def said(places: Places) -> bytes | None:
    """Return a digest of what HEAD and the references say, wherever each stands; None when there are too many."""
    loose = list(_loose(places))
    if len(loose) >= MOST:
        return None
    files = [path for path, folder in loose if not folder and path.suffix != ".lock"]
    try:  # the packed ones last: who packs writes them there before it removes them here
        own = {str(path): _text(path) for path in (places.git / "HEAD", places.common / "HEAD")}
        apart = {path.relative_to(places.common).as_posix(): text for path in files if (text := _text(path))}
        packed = _text(places.common / "packed-refs", _PACKED).split("\n")
    except Outside:
        return None
    names = {
        name: value for line in packed if line[:1] not in ("", "#", "^") for value, _, name in (line.partition(" "),)
    }
    told = sorted((names | apart | own).items())
    return hashlib.sha256(repr(told).encode("utf-8", "backslashreplace")).digest()


def _text(path: Path, most: int = 65_536) -> str:
    """Return what a file of Git's says; nothing, when it is gone."""
    try:
        return os.fsdecode(read_small(path, most).strip())
    except FileNotFoundError:
        return ""


def _one(path: Path) -> tuple[str, int, int, int]:
    try:
        found = os.lstat(path)
    except OSError:
        return str(path), 0, 0, 0
    if stat.S_ISDIR(found.st_mode):  # its time changes with every writer's lock files; what is in it is seen itself
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
            before = await asyncio.to_thread(look, self._places)  # first: what changes after it is seen by the next
            self._task = asyncio.ensure_future(self._run(before, await asyncio.to_thread(said, self._places)))

    def remember(self, uri: str) -> None:
        """Remember a file at a revision that may move, as somebody may want to hear of it: the last thousand."""
        if _MOVES.match(uri):
            self.uris[uri] = None
            self.uris.move_to_end(uri)
            if len(self.uris) > _URIS:
                self.uris.popitem(last=False)

    async def _run(self, before: tuple[Seen, Seen], known: bytes | None) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            now = await asyncio.to_thread(look, self._places)
            moved = False
            if now[0] != before[0]:
                told = await asyncio.to_thread(said, self._places)
                moved, known = told is None or told != known, told
            if moved or now[1] != before[1]:
                for uri in self._changed(refs=moved):
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
