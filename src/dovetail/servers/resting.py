"""SQLite files in WAL mode that lie where nothing can be written: on a read-only mount, in somebody else's folder.

To read one, SQLite has to make a file beside it, and cannot. Where there is no log with changes beside it either,
nobody has it open, and it can be read as one that does not change; whoever does so looks at its stamp again before each
use, which `Follower` does.

Invariants: what a follower's `renew` leaves behind reads the file as it is now, whatever became of the file before. No
look at a file ends the locks that connections of this process have on it.
"""

import os
import sqlite3
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

_WAL: Final = b"\2\2"
""""18: File format write version [...] 19: File format read version [...] 2 for WAL" (Database File Format, 1.3)."""


class Stamp(msgspec.Struct, frozen=True):
    """Another one when the file is.

    Attributes:
        inode: Of the file.
        size: In bytes.
        modified: In nanoseconds.
    """

    inode: int
    size: int
    modified: int


class Follower:
    """A connection for reading that is opened anew when its file is another one, or is to be read otherwise.

    Args:
        path: The file.
        open_for: Opens a connection, for the stamp of a file that is to be read as one that does not change, else None.
        still: Never open it anew: nobody but this process puts the file where it is, or takes it away.

    Raises:
        Exception: What `open_for` raises.
    """

    def __init__(
        self, path: Path, open_for: Callable[[Stamp | None], sqlite3.Connection], *, still: bool = False
    ) -> None:
        self._path = path
        self._open_for = open_for
        self._still = still
        self._header, self._mark = (None, None) if still else _look(path)
        self.connection = open_for(self.stamp)
        self.opened = 1
        """How often that was done."""

    @property
    def stamp(self) -> Stamp | None:
        """What the connection was opened for."""
        return None if self._mark is None else self._mark.stamp

    def renew(self) -> bool:
        """Open the file anew where it is another one than it was opened for; tell whether it was.

        Raises:
            Exception: What `open_for` raises. A later `renew` tries again.
        """
        if self._still:
            return False
        header, mark = _look(self._path)
        if not self._differs(mark):
            self._header = header or self._header
            return False
        # First the new one: without it, the old one stays, and is none that was closed.
        fresh = self._open_for(None if mark is None else mark.stamp)
        old, self.connection = self.connection, fresh
        old.close()
        if header is not None or self._mark is None or mark is None or mark.file != self._mark.file:
            self._header = header
        self._mark = mark
        self.opened += 1
        return True

    def _differs(self, mark: "Mark | None") -> bool:
        if mark is None or self._mark is None or (mark.file, mark.stamp) != (self._mark.file, self._mark.stamp):
            return mark is not self._mark
        # In WAL mode SQLite looks for changes in the log alone: it does not see that another file was copied over this
        # one. What moves changes from the log into the file changes its time, too, which costs one opening then.
        return mark.modified != self._mark.modified and _beside(self._path, "-wal").exists()

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()
        self._header = None


class Mark(msgspec.Struct, frozen=True):
    """What a connection was opened for.

    Attributes:
        file: Device and inode.
        modified: In nanoseconds.
        stamp: If it is read as one that does not change.
    """

    file: tuple[int, int]
    modified: int
    stamp: Stamp | None


def _look(path: Path) -> "tuple[_Header | None, Mark | None]":
    """Return what to open a file for, None where there is none; and its header, which is to be kept with what is open.

    The header comes before the file is opened: closing a second one would end the locks of who has it open.
    """
    header = _unwritable(path)
    try:
        found = path.stat()
    except OSError:
        return header, None
    return header, Mark((found.st_dev, found.st_ino), found.st_mtime_ns, _stamped(path, header))


def stamp(path: Path) -> Stamp | None:
    """Return the stamp of a file that is to be read as one that does not change; None for any other."""
    return _stamped(path, _unwritable(path))


def _stamped(path: Path, header: "_Header | None") -> Stamp | None:
    try:
        if header is None or not header.is_log() or _log_bytes(path):
            return None
        found = path.stat()
    except OSError:
        return None
    return Stamp(found.st_ino, found.st_size, found.st_mtime_ns)


def out_of_reach(path: Path) -> bool:
    """Tell whether a file has changes in its log that nobody can read here."""
    try:
        header = _unwritable(path)
        return header is not None and header.is_log() and _log_bytes(path) > 0
    except OSError:
        return False


def uri(path: Path, mark: Stamp | None) -> str:
    """Return where SQLite finds a file for reading."""
    return f"{path.absolute().as_uri()}?mode=ro{'' if mark is None else '&immutable=1'}"


class _Header:
    """The header of a file, read through one descriptor as long as anybody in this process follows the file.

    Closing a file ends all locks that this process's connections to it hold (POSIX advisory locks): a writer would not
    wait for them, and whoever closes the log last would delete it under those that read from it.
    """

    __slots__ = ("__weakref__", "_descriptor")

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        weakref.finalize(self, os.close, descriptor)

    def is_log(self) -> bool:
        """Tell whether the file is in WAL mode, as of now."""
        with _LOOKING:
            os.lseek(self._descriptor, 18, os.SEEK_SET)
            return os.read(self._descriptor, 2) == _WAL


_LOOKING: Final = threading.Lock()
_HEADERS: Final[weakref.WeakValueDictionary[tuple[int, int], _Header]] = weakref.WeakValueDictionary()


def _unwritable(path: Path) -> _Header | None:
    """Return the header of a file beside which SQLite cannot make what a log needs; None for any other, or none."""
    # With both files there, another process's or copied along, SQLite can read.
    if os.access(path.parent, os.W_OK) or (_beside(path, "-wal").exists() and _beside(path, "-shm").exists()):
        return None
    try:
        found = path.stat()
        with _LOOKING:
            header = _HEADERS.get((found.st_dev, found.st_ino))
            if header is None:
                descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
                now = os.fstat(descriptor)
                header = _HEADERS[now.st_dev, now.st_ino] = _Header(descriptor)
        return header
    except OSError:
        return None


def _log_bytes(path: Path) -> int:
    log = _beside(path, "-wal")
    return log.stat().st_size if log.exists() else 0


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)
