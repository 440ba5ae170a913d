"""SQLite files in WAL mode that lie where nothing can be written: on a read-only mount, in somebody else's folder.

To read one, SQLite has to make a file beside it, and cannot. Where there is no log with changes beside it either,
nobody has it open, and it can be read as one that does not change; whoever does so looks at its stamp again before each
use.
"""

import os
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


def stamp(path: Path) -> Stamp | None:
    """Return the stamp of a file that is to be read as one that does not change; None for any other."""
    try:
        if not _unwritable_log(path) or _log_bytes(path):
            return None
        found = path.stat()
    except OSError:
        return None
    return Stamp(found.st_ino, found.st_size, found.st_mtime_ns)


def out_of_reach(path: Path) -> bool:
    """Tell whether a file has changes in its log that nobody can read here."""
    try:
        return _unwritable_log(path) and _log_bytes(path) > 0
    except OSError:
        return False


def uri(path: Path, mark: Stamp | None) -> str:
    """Return where SQLite finds a file for reading."""
    return f"{path.absolute().as_uri()}?mode=ro{'' if mark is None else '&immutable=1'}"


def _unwritable_log(path: Path) -> bool:
    # With both files there, another process's or copied along, SQLite can read.
    if os.access(path.parent, os.W_OK) or (_beside(path, "-wal").exists() and _beside(path, "-shm").exists()):
        return False
    # Only now: closing a file ends the locks that this process's connections to it hold (POSIX advisory locks), and
    # whoever closes the log last would delete it under those that read from it.
    with path.open("rb") as file:
        return file.read(20)[18:] == _WAL


def _log_bytes(path: Path) -> int:
    log = _beside(path, "-wal")
    return log.stat().st_size if log.exists() else 0


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)
