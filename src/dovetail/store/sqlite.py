"""All ports in one SQLite file of a state directory: shared by the workers of one machine, and there after a restart.

    state.db (-wal, -shm)   sessions, events, claims, kept values, nonces, messages         0600
    keys                    the key ring                                                    0600
    sessions.lock           held by whoever serves the sessions                             0600
    sessions.stays          held by them until they leave                                   0600
    bus/                    one datagram socket a worker                                    0700

Invariants: what a method returned from survives kill -9 of every process (a loss of power only with `durable`). The
event loop never waits for the disk. No driver's type gets out: failures are `Disconnected`, or `StoreUnusable` when
opening.
"""

import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dovetail.core import Keys
from dovetail.errors import StoreUnusable
from dovetail.store.keys import FileKeys
from dovetail.store.memory import IDLE
from dovetail.store.occupancy import Occupancy
from dovetail.store.sqlite_bus import SqliteBus
from dovetail.store.sqlite_events import SqliteEvents
from dovetail.store.sqlite_file import connect, exclusive, prepare, usable
from dovetail.store.sqlite_ledger import SqliteLedger
from dovetail.store.sqlite_sessions import SqliteSessions
from dovetail.store.sqlite_shelf import Shelf
from dovetail.store.sqlite_thread import DatabaseThread
from dovetail.store.steady import boot, steady
from dovetail.wire import DEFAULT_LIMITS

PARTS = 4
"""Streams' messages, and kept values, may each take such a part of the file: the rest is for what must not be lost."""

BEAT_SECONDS = 1.0
"""How often a worker shows that it lives."""

PRUNE_SECONDS = 30.0
"""How often a worker drops what expired."""

FORGOTTEN_SECONDS = 3600.0
"""Until a dead worker's name is dropped. A worker that was stopped for longer takes up its name again."""

_PRUNE_ROWS = 1_000


class SqliteStores:
    """All ports of one server in a state directory, shared with the other workers that open the same.

    Args:
        directory: The state directory; made with mode 0700 when it is missing.
        clock: Seconds, the same for all workers. By default a clock that no step of the wall clock moves (see
            `steady`).
        keys: A key ring from a setting; by default the file `keys` of the directory, which all workers share.
        idle: Seconds until the messages of a quiet session are forgotten.
        max_bytes: What the database may grow to; past it, writing raises `Disconnected` as on a full disk. A quarter is
            for streams' messages, whose oldest go first, and a quarter for kept values, past which keeping one raises
            `Disconnected`; of either one owner has a quarter, and as much of claims.
        durable: Also survive a loss of power, at the price of one fsync a commit.
        sockets: Whether workers nudge each other by Unix sockets; else each looks every 50 ms.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        clock: Callable[[], float] | None = None,
        *,
        keys: Keys | None = None,
        idle: float = IDLE,
        max_bytes: int = DEFAULT_LIMITS.state_bytes,
        durable: bool = False,
        sockets: bool = True,
    ) -> None:
        self._directory = Path(directory).absolute()
        self._clock = clock
        self._max_bytes = max_bytes
        self._durable = durable
        self._pruned = 0.0
        self._beaten = 0.0
        self._thread = DatabaseThread(self._connect, self._pulse, self._committed, self._undone)
        self._shelf = Shelf(self._thread, secrets.token_hex(8))
        self._occupancy = Occupancy(self._directory)
        self.bus = SqliteBus(self._shelf, self._directory, sockets=sockets)
        self.sessions = SqliteSessions(self._shelf)
        self.events = SqliteEvents(self._shelf, idle=idle, max_bytes=max_bytes // PARTS)
        self.ledger = SqliteLedger(self._shelf, self.bus, max_bytes=max_bytes // PARTS)
        self.keys: Keys = FileKeys(self._directory / "keys") if keys is None else keys

    def __repr__(self) -> str:
        return f"<SqliteStores {self._shelf!r}>"

    async def open(self) -> None:
        """Make the state directory and its files ready, and join the other workers.

        Raises:
            StoreUnusable: The directory or a file in it cannot be used; the text says which, and what to do.
        """
        await self._thread.start()
        self.bus.listen()

    async def occupy(self, *, alone: bool) -> None:
        """Keep sessions here, alone or among other workers; one that leaves is waited for.

        Raises:
            StoreUnusable: Another process does, and one of the two takes itself to be alone.
        """
        with self._named():
            await self._occupancy.take(alone=alone)

    def leaving(self) -> None:
        """Let a process that wants to keep sessions here know that this one leaves."""
        self._occupancy.leaving()

    async def aclose(self) -> None:
        """Finish what is under way, make unsettled claims lost and leave. Idempotent."""
        try:
            await self._thread.stop(self._leave)
            self.bus.deafen()
        finally:
            self._occupancy.release()

    # What follows runs in the thread.

    def _connect(self) -> sqlite3.Connection:
        with self._named():
            return self._connected()

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Name the directory: to whoever starts the server, whose own path it is. What fails later names none."""
        try:
            yield
        except StoreUnusable as error:
            raise StoreUnusable(f"{error} ({self._directory})") from error

    def _connected(self) -> sqlite3.Connection:
        prepare(self._directory)
        connection = connect(self._directory, max_bytes=self._max_bytes, durable=self._durable)
        try:
            with usable():
                self._shelf.now = self._clock or steady(connection, boot())
                with exclusive(connection):
                    self._beat(connection)
                    self.bus.begin(connection)
                    self._prune(connection)
            self.keys.ring()  # made, or refused, now and not in the middle of a call
        except BaseException:
            connection.close()
            raise
        return connection

    def _pulse(self, connection: sqlite3.Connection) -> None:
        self.bus.look(connection)
        now = time.monotonic()
        if now - self._beaten < BEAT_SECONDS:
            return
        with exclusive(connection):
            self._beat(connection)
            if now - self._pruned >= PRUNE_SECONDS:
                self._prune(connection)

    def _beat(self, connection: sqlite3.Connection) -> None:
        now = self._shelf.now()
        connection.execute("INSERT OR REPLACE INTO workers VALUES (?, ?)", (self._shelf.worker, now))
        connection.execute("UPDATE boots SET seen = max(seen, ?)", (now,))
        self._beaten = time.monotonic()

    def _prune(self, connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM workers WHERE beat <= ?", (self._shelf.now() - FORGOTTEN_SECONDS,))
        self.sessions.prune(connection, _PRUNE_ROWS)
        self.events.prune(connection, _PRUNE_ROWS)
        self.ledger.prune(connection, _PRUNE_ROWS)
        self.bus.prune(connection)
        self._pruned = time.monotonic()

    def _committed(self) -> None:
        self.bus.flush()

    def _undone(self) -> None:
        self.bus.undo()

    def _leave(self, connection: sqlite3.Connection) -> None:
        self.ledger.release(connection)
        self.events.release(connection)
        connection.execute("DELETE FROM workers WHERE id = ?", (self._shelf.worker,))
