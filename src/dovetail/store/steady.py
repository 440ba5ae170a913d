"""One clock for all processes of a state directory that no step of the wall clock moves (R-34).

The system's monotonic clock is the same for every process until the next boot. The first process after a boot writes
into the database how far that clock is behind the wall's; everybody adds the same difference. So an hour's step of
the wall clock neither ends nor lengthens a session, and nobody's claim looks dead. Across a boot, time goes on from
the wall clock, or from the last time that was seen should that be later. A machine that does not tell its boots apart
uses the wall clock.
"""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from dovetail.store.sqlite_file import exclusive

_BOOT = Path("/proc/sys/kernel/random/boot_id")


def boot() -> str | None:
    """Return what identifies this boot of the machine, or None where nothing does."""
    try:
        return _BOOT.read_text("ascii").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def steady(
    connection: sqlite3.Connection,
    current: str | None,
    wall: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
) -> Callable[[], float]:
    """Return the shared clock, in seconds since the epoch as the first process of this boot saw it."""
    if current is None:
        return wall
    with exclusive(connection):
        row = connection.execute("SELECT ahead FROM boots WHERE boot = ?", (current,)).fetchone()
        if row is None:
            seen = connection.execute("SELECT max(seen) FROM boots").fetchone()[0] or 0.0
            now = max(wall(), seen)
            row = (now - monotonic(),)
            connection.execute("DELETE FROM boots")
            connection.execute("INSERT INTO boots VALUES (?, ?, ?)", (current, *row, now))
    ahead: float = row[0]
    return lambda: ahead + monotonic()
