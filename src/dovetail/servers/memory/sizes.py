"""How large the file may grow, and that what is deleted gives its room back. All of it blocks.

The full-text indexes note what was deleted, which takes room of its own until they are merged. So who only deletes may
let the file grow beyond what who adds may; what that has left is merged when the room is needed.
"""

import sqlite3
import time
from contextlib import suppress
from typing import Final

_PAGE: Final = 4096
_FEWEST: Final = 64
_MORE: Final = 1_024
"""Pages that who deletes may need beyond twice those of who adds: merging writes what is left of an index anew."""
_STEP: Final = 64
"""Pages of an index that are merged in one transaction."""


def pages_of(max_bytes: int) -> int:
    """Return how many pages a file may have."""
    return max(max_bytes // _PAGE, _FEWEST)


def pages_used(connection: sqlite3.Connection) -> int:
    """Return how many pages of a file hold something."""
    pages, free = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count"))
    used: int = pages - free
    return used


def allow(connection: sqlite3.Connection, pages: int, *, deletes: bool) -> None:
    """Let a file have so many pages in what is written next, or more where that only deletes."""
    connection.execute(f"PRAGMA max_page_count = {2 * pages + _MORE if deletes else pages}")


def full() -> sqlite3.OperationalError:
    """Return what SQLite raises when the file has all pages that it may have."""
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode, error.sqlite_errorname = sqlite3.SQLITE_FULL, "SQLITE_FULL"
    return error


def tidy(connection: sqlite3.Connection, seconds: float) -> None:
    """Merge the indexes, in small steps, so that what was deleted takes no room in them any more.

    It may end before all is done, for want of time or of room; what it has done stays done.
    """
    deadline = time.monotonic() + seconds
    with suppress(sqlite3.Error):
        for index in ("words", "parts"):
            sign = "-"
            while time.monotonic() < deadline:
                before = connection.total_changes
                # "-" stands for all of it, and is said once; the count of changes tells when it is done (FTS5, 6.10).
                sql = f"INSERT INTO {index} ({index}, rank) VALUES ('merge', {sign}{_STEP})"  # noqa: S608  names of ours
                connection.execute(sql)
                sign = ""
                if connection.total_changes - before < 2:
                    break
