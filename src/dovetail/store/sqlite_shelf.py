"""What the ports of one state directory have in common: the thread, the clock, and who this worker is."""

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
