"""The folder on disk: every file is reached from the folder's own descriptor, step by step, and no link is followed.

Invariants: nothing outside the folder is opened, made, replaced or deleted, whatever somebody swaps in between (S-19).
A file is replaced as a whole, by a rename, after what is new is on the disk; a new one never takes the place of another
(a hard link is made, and fails where something is). Who writes holds the folder's lock: an advisory lock on the folder
itself, which threads and processes share, so that looking at a revision and replacing the file are one step for all of
them. All of it blocks.
"""

import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from dovetail.errors import ToolError, UnsafePath
from dovetail.servers.notes.descriptors import (
    DIRECTORY,
    ROOT,
    Found,
    entered,
    found_of,
    locked,
    placed,
    read_file,
    tidied,
    what_else,
    written,
)
from dovetail.servers.notes.names import MOST_STEPS, name_of

LOCK_SECONDS: Final = 10.0
"""How long a writer waits for another one."""


class Scan(msgspec.Struct):
    """What is in the folder.

    Attributes:
        notes: The notes, by name, in order.
        ignored: Markdown files that are no notes: links, odd names, too deep or too many.
    """

    notes: dict[str, Found]
    ignored: int = 0


class Folder:
    """A folder of notes.

    Args:
        root: The folder. It may be, or lie behind, a link itself: it is the user's.
        most: Notes that are looked at.
    """

    def __init__(self, root: Path, most: int) -> None:
        self.root = root
        self._most = most

    def __repr__(self) -> str:
        return f"<Folder {self.root.name}>"

    # Reading.

    def scan(self) -> Scan:
        """Look what there is."""
        found = Scan({})
        with self._root() as root:
            _walk(root, [], found, self._most)
        found.notes = dict(sorted(found.notes.items()))
        return found

    def read(self, steps: list[str], most: int) -> tuple[bytes, Found]:
        """Read a file.

        Raises:
            FileNotFoundError: There is none.
            ToolError: A link or something else is in the way, or it is larger than `most` bytes.
        """
        with self._parent(steps) as parent:
            return read_file(parent, steps[-1], most)

    # Writing.

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the folder's lock.

        Raises:
            ToolError: Another process held it for `LOCK_SECONDS`.
        """
        with self._root() as lock:
            deadline = time.monotonic() + LOCK_SECONDS
            while not locked(lock):
                if time.monotonic() > deadline:
                    raise ToolError("Another process is writing to the notes; nothing was written. Try again.")
                time.sleep(0.005)
            yield  # closing the descriptor lets the lock go, and so does the end of the process

    def create(self, steps: list[str], data: bytes) -> None:
        """Make a file, and the folders that it needs.

        Raises:
            FileExistsError: There is a note of that name.
            UnsafePath: There is something else of that name.
        """
        with self._parent(steps, make=True) as parent, written(parent, data, None) as temporary:
            try:
                placed(parent, temporary, steps[-1])
            except FileExistsError:
                found = os.stat(steps[-1], dir_fd=parent, follow_symlinks=False).st_mode
                raise (FileExistsError(steps[-1]) if stat.S_ISREG(found) else UnsafePath(what_else(found))) from None
            os.fsync(parent)

    def replace(self, steps: list[str], data: bytes) -> None:
        """Replace a file as a whole; it keeps its permissions."""
        with self._parent(steps) as parent:
            mode = stat.S_IMODE(os.stat(steps[-1], dir_fd=parent, follow_symlinks=False).st_mode)
            with written(parent, data, mode) as temporary:
                os.rename(temporary, steps[-1], src_dir_fd=parent, dst_dir_fd=parent)
                os.fsync(parent)

    def delete(self, steps: list[str]) -> None:
        """Delete a file; a folder that is empty then stays."""
        with self._parent(steps) as parent:
            os.unlink(steps[-1], dir_fd=parent)

    def tidy(self) -> None:
        """Remove what writers left who were killed; see `tidied`."""
        with suppress(ToolError, OSError), self._root() as root:
            _walk(root, [], Scan({}), self._most, lambda held, names: tidied(held, names, time.time()))

    # The way.

    @contextmanager
    def _root(self) -> Iterator[int]:
        try:
            descriptor = os.open(self.root, ROOT)
        except OSError:
            raise ToolError("The folder of the notes is not there any more; ask its owner to look at it.") from None
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    @contextmanager
    def _parent(self, steps: list[str], *, make: bool = False) -> Iterator[int]:
        """Open the directory of a file, held from the root on, so that nothing is looked up twice."""
        with self._root() as root:
            held = os.dup(root)
            try:
                for step in steps[:-1]:
                    if make:
                        with suppress(FileExistsError):
                            os.mkdir(step, 0o777, dir_fd=held)
                    below = entered(step, held)
                    os.close(held)
                    held = below
                yield held
            finally:
                os.close(held)


Look = Callable[[int, list[str]], None]


def _walk(directory: int, steps: list[str], into: Scan, most: int, hidden: Look | None = None) -> None:
    """Look at a directory and those below, hidden ones and links left out; `hidden` gets the names of the former."""
    with os.scandir(directory) as entries:
        everything = sorted(entries, key=lambda entry: entry.name)
        if hidden is not None:
            hidden(directory, [entry.name for entry in everything if entry.name.startswith(".")])
        found = [entry for entry in everything if not entry.name.startswith(".")]
        for entry in found:
            with suppress(FileNotFoundError):  # it went away just now
                if entry.is_dir(follow_symlinks=False):
                    _descend(directory, [*steps, entry.name], into, most, hidden)
                elif entry.name.endswith(".md"):
                    name = name_of([*steps, entry.name]) if entry.is_file(follow_symlinks=False) else None
                    if name is None or len(into.notes) >= most:
                        into.ignored += 1
                    else:
                        into.notes[name] = found_of(entry.stat(follow_symlinks=False))


def _descend(directory: int, steps: list[str], into: Scan, most: int, hidden: Look | None) -> None:
    if len(steps) >= MOST_STEPS:
        return
    try:
        below = os.open(steps[-1], DIRECTORY, dir_fd=directory)
    except OSError:  # swapped for a link just now, gone, or not for us to read
        return
    try:
        _walk(below, steps, into, most, hidden)
    finally:
        os.close(below)
