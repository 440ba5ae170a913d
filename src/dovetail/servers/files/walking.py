"""What lies below a directory, found by descriptors: a listing, a walk, a tree. No link is followed, ever.

A walk holds one descriptor a level. It is bounded in entries and in time, and stops when nobody wants it any more.
"""

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Final, Literal

from dovetail.errors import UnsafePath
from dovetail.servers.files.globs import Glob
from dovetail.servers.files.names import MOST_STEPS, visible
from dovetail.servers.files.opening import DIRECTORY, open_under
from dovetail.servers.files.places import Place

Kind = Literal["file", "directory", "link", "other"]
MOST_ENTRIES: Final = 100_000
"""Entries of one directory that are looked at."""
CLOSED: Final = frozenset({".git", ".hg", ".svn", ".venv", "node_modules", "__pycache__"})
"""Directories that a tree shows and does not go into: much lies in them that nobody looks for."""
_DIR: Final = os.O_RDONLY | DIRECTORY

Step = tuple[tuple[str, ...], "os.DirEntry[str]"]


@dataclass
class Entry:
    """Something in a directory.

    Attributes:
        name: Its name.
        kind: A link is never followed; what is "other" can be neither read nor written.
        size: Bytes; of files only.
        modified: When its contents last changed.
    """

    name: str
    kind: Kind
    size: int | None
    modified: datetime


class Budget:
    """How long a walk may go on: so many entries, so many seconds, and as long as somebody wants it."""

    def __init__(self, entries: int, seconds: float, cancelled: Callable[[], bool] = lambda: False) -> None:
        self.note = ""
        self._entries = entries
        self._seconds = seconds
        self._end = monotonic() + seconds
        self._cancelled = cancelled

    def spent(self) -> bool:
        """Count one entry; tell whether it was one too many, and note why."""
        self._entries -= 1
        if self._entries < 0:
            self.note = self.note or "there are more entries than are looked at in one call"
        elif self._entries % 64 == 0 and (monotonic() > self._end or self._cancelled()):
            self.note = self.note or f"the time of {self._seconds:g} s was up"
        return bool(self.note)


def kind_of(entry: "os.DirEntry[str]") -> Kind:
    """Return what an entry is, without following it."""
    if entry.is_symlink():
        return "link"
    if entry.is_dir(follow_symlinks=False):
        return "directory"
    return "file" if entry.is_file(follow_symlinks=False) else "other"


def when(seconds: float) -> datetime:
    """Return a time of the file system as a date, whatever somebody has set it to."""
    return datetime.fromtimestamp(min(max(seconds, 0.0), 253402300799.0), UTC).replace(microsecond=0)


def scan(directory: int) -> "list[os.DirEntry[str]]":
    """Return the entries of a held directory, by name."""
    with os.scandir(directory) as entries:
        found = [entry for _, entry in zip(range(MOST_ENTRIES), entries, strict=False)]
    found.sort(key=lambda entry: entry.name)
    return found


def described(entry: "os.DirEntry[str]") -> Entry | None:
    """Return an entry with its size and time; None when it is gone meanwhile."""
    try:
        found = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    kind = kind_of(entry)
    return Entry(visible(entry.name), kind, found.st_size if kind == "file" else None, when(found.st_mtime))


def walk(
    directory: int,
    budget: Budget,
    skip: Callable[[tuple[str, ...]], bool] = lambda path: False,
    depth: int = MOST_STEPS,
    closed: Collection[str] = (),
) -> Iterator[Step]:
    """Yield all that lies below a held directory, a directory before what is in it; ends early when the budget does.

    Args:
        directory: Its descriptor.
        budget: How long to go on.
        skip: Whether to leave out a path, and all below it.
        depth: How many directories to go down; 1 is the directory itself.
        closed: Names of directories that are not gone into.
    """

    def descend(directory: int, above: tuple[str, ...]) -> Iterator[Step]:
        for entry in scan(directory):
            if budget.spent():
                return
            path = (*above, entry.name)
            if skip(path):
                continue
            yield path, entry
            if len(path) < depth and entry.name not in closed and entry.is_dir(follow_symlinks=False):
                try:
                    held = open_under(directory, (entry.name,), _DIR)
                except (OSError, UnsafePath):
                    continue  # not permitted, gone, or swapped for a link meanwhile
                try:
                    yield from descend(held, path)
                finally:
                    os.close(held)

    yield from descend(directory, ())


def skipping(patterns: Sequence[str]) -> Callable[[tuple[str, ...]], bool]:
    """Return what leaves out the paths that fit one of the patterns.

    Raises:
        ToolError: A pattern that is none.
    """
    globs = [Glob(pattern) for pattern in patterns]
    return lambda path: any(glob.matches(path) for glob in globs)


def tree(place: Place, depth: int, patterns: Sequence[str], budget: Budget) -> str:
    """Return the names below a place as an indented text; a directory ends in a slash, a link in `@`."""
    signs = {"directory": "/", "link": "@", "file": "", "other": "?"}
    lines = [place.shown.rstrip("/") + "/"]
    with place.root.directory(place.steps) as held:
        for path, entry in walk(held, budget, skipping(patterns), depth, CLOSED):
            kind = kind_of(entry)
            more = " ..." if kind == "directory" and (len(path) == depth or entry.name in CLOSED) else ""
            lines.append("  " * len(path) + visible(entry.name) + signs[kind] + more)
    if budget.note:
        lines.append(f"[Cut: {budget.note}. Ask for a directory below, or exclude some.]")
    return "\n".join(lines)


def find(place: Place, pattern: str, patterns: Sequence[str], most: int, budget: Budget) -> list[str]:
    """Return the paths below a place whose names fit a pattern, ready to be used in another call."""
    glob = Glob(pattern, ignore_case=pattern == pattern.lower())
    found: list[str] = []
    with place.root.directory(place.steps) as held:
        for path, _ in walk(held, budget, skipping(patterns)):
            if glob.matches(path):
                if len(found) == most:
                    budget.note = f"there are more than {most}"
                    break
                found.append(place.under(*path).shown)
    return found
