"""What the ports of one state directory have in common: the thread, the clock, and who this worker is."""

import sqlite3
import time
from collections.abc import Callable

from dovetail.store.sqlite_thread import DatabaseThread

ALIVE = 10.0
"""Seconds without a pulse after which a worker counts as dead."""


class Shelf:
    """Handed to every port of a `SqliteStores`.

    Attributes:
        thread: Who talks to the database.
        worker: A name that no other worker has, nor this one after a restart.
        now: The shared clock, in seconds.
    """

    def __init__(self, thread: DatabaseThread, worker: str) -> None:
        self.thread = thread
        self.worker = worker
        self.now: Callable[[], float] = time.time

    def __repr__(self) -> str:
        return f"worker {self.worker}, {self.thread!r}"


def held(connection: sqlite3.Connection, what: str, owner: str = "") -> int:
    """In the thread: how many bytes are held of something, by an owner or by all. See the triggers in the schema."""
    row = connection.execute("SELECT bytes FROM held WHERE what = ? AND owner = ?", (what, owner)).fetchone()
    return 0 if row is None else row[0]
