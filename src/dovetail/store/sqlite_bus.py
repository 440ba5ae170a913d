"""Messages between the workers of one state directory: rows in the database, and a nudge to come and read them.

A message is a row; its number is its place. After the commit each other live worker gets one empty datagram on its
socket in `bus/` and reads every row past the last one it saw. Where sockets are not to be had, a worker looks every
50 ms; and every worker looks once a second anyway, so a nudge may get lost. A worker without company writes no rows
at all.

Invariants: writers are serialised by the database, so a row never appears behind one that was read. All workers hear
all messages in the order of their rows, a worker its own among those of the others, though it never reads its own from
the table. What was read or written in a transaction counts once that is committed: a rollback frees the numbers that it
gave out, and the next message of another worker has them. Datagrams carry nothing: what counts is in the database.
"""

import asyncio
import contextlib
import os
import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path

from dovetail.store.memory import LocalBus
from dovetail.store.sqlite_shelf import ALIVE, Shelf

DIRECTORY = "bus"
POLL = 0.05
"""Seconds between looks where there are no sockets."""

_KEPT = 30.0
"""Seconds until a row is pruned; a worker that did not look for so long misses it."""

_AT_ONCE = 500


class _Heard:
    """A message on its way to this worker's subscribers: whoever is first to hand it over does, once."""

    __slots__ = ("given", "message", "topic")

    def __init__(self, topic: str, message: bytes) -> None:
        self.topic = topic
        self.message = message
        self.given = False


class SqliteBus:
    """The `Bus` port in SQLite."""

    def __init__(self, shelf: Shelf, directory: Path, *, sockets: bool = True) -> None:
        self._shelf = shelf
        self._local = LocalBus()
        self._sockets = sockets
        self._directory = directory / DIRECTORY
        self._folder = ""  # how the socket's folder is called in addresses, which may be 107 bytes long at most
        self._folder_descriptor = -1
        self._inbox: socket.socket | None = None
        self._outbox: socket.socket | None = None
        self._seen = 0  # the greatest number that was read, or given out here, and is committed
        self._reached = 0  # the same, in the transaction that is open
        self._heard: list[_Heard] = []  # read or said in the transaction that is open
        self._looking = False
        self._to_nudge: set[str] = set()

    def __repr__(self) -> str:
        means = "polling" if self._inbox is None else "sockets"
        return f"<SqliteBus {means} {self._local!r} {self._shelf!r}>"

    async def publish(self, topic: str, message: bytes) -> None:
        """Hand a message to every subscriber of a topic in every worker; the own ones get it even if this raises.

        The own ones first get what others said before it: whoever acts upon a message knows what came earlier.
        """

        own = _Heard(topic, message)

        def work(connection: sqlite3.Connection) -> None:
            self.look(connection)
            self.insert(connection, topic, message)
            self._heard.append(own)

        try:
            await self._shelf.thread.write(work)
        finally:
            self._deliver([own])  # unless its turn has come already

    def subscribe(self, topic: str, receive: Callable[[bytes], None]) -> Callable[[], None]:
        """Call `receive` on the event loop for every message of a topic, until the returned function is called."""
        return self._local.subscribe(topic, receive)

    def listen(self) -> None:
        """On the loop: take nudges from now on, or look often where there are none to be had."""
        try:
            self._inbox = self._bind() if self._sockets else None
            if self._inbox is not None:
                asyncio.get_running_loop().add_reader(self._inbox.fileno(), self._nudged)
        except (OSError, RuntimeError, AttributeError):  # no Unix sockets, or a loop that watches none
            self._unbind()
        self._shelf.thread.interval = POLL if self._inbox is None else 1.0

    def deafen(self) -> None:
        """On the loop: take no more nudges."""
        if self._inbox is not None:
            asyncio.get_running_loop().remove_reader(self._inbox.fileno())
        self._unbind()

    # What follows runs in the thread.

    def insert(self, connection: sqlite3.Connection, topic: str, message: bytes) -> None:
        """Write a message for the other workers, inside a transaction."""
        now = self._shelf.now()
        query = "SELECT id FROM workers WHERE id <> ? AND beat > ?"
        others = [row[0] for row in connection.execute(query, (self._shelf.worker, now - ALIVE))]
        if others:
            query = "INSERT INTO messages (publisher, topic, message, at) VALUES (?, ?, ?, ?)"
            connection.execute(query, (self._shelf.worker, topic, message, now))
            self._to_nudge.update(others)

    def flush(self) -> None:
        """After a commit: hand over what was heard, and nudge those for whom something was written."""
        self._settle()
        for worker in self._to_nudge:
            self._nudge(worker)
        self._to_nudge.clear()

    def undo(self) -> None:
        """After a rollback: nothing of it was heard or said; what others said is read again."""
        self._reached = self._seen
        self._heard.clear()
        self._to_nudge.clear()

    def begin(self, connection: sqlite3.Connection) -> None:
        """Begin with what is published from now on."""
        row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'messages'").fetchone()
        self._seen = self._reached = 0 if row is None else row[0]

    def look(self, connection: sqlite3.Connection) -> None:
        """Read what others published since the last look."""
        self._looking = False
        query = (
            "SELECT id, topic, CASE publisher WHEN ? THEN NULL ELSE message END FROM messages"
            " WHERE id > ? ORDER BY id LIMIT ?"
        )
        while rows := connection.execute(query, (self._shelf.worker, self._reached, _AT_ONCE)).fetchall():
            self._reached = rows[-1][0]
            self._heard += [_Heard(topic, message) for _, topic, message in rows if message is not None]
        if not connection.in_transaction:
            self._settle()

    def prune(self, connection: sqlite3.Connection) -> None:
        """Drop what everybody alive has read, and the sockets of workers that are gone."""
        connection.execute("DELETE FROM messages WHERE at <= ?", (self._shelf.now() - _KEPT,))
        known = {row[0] for row in connection.execute("SELECT id FROM workers")}
        with contextlib.suppress(OSError):
            for name in set(os.listdir(self._directory)) - known:
                os.unlink(self._directory / name)

    def _settle(self) -> None:
        self._seen = self._reached
        if self._heard:
            self._shelf.thread.post(self._deliver, self._heard)
            self._heard = []

    def _nudge(self, worker: str) -> None:
        outbox = self._outbox
        if outbox is None:
            return
        try:
            outbox.sendto(b"\x00", f"{self._folder}/{worker}")
        except OSError:
            return  # it has nudges enough, or polls, or is gone: then its socket is swept

    # What follows runs on the loop.

    def _deliver(self, messages: list[_Heard]) -> None:
        for one in messages:
            if not one.given:
                one.given = True
                self._local.deliver(one.topic, one.message)

    def _nudged(self) -> None:
        assert self._inbox is not None
        with contextlib.suppress(OSError):
            while self._inbox.recv(1):
                continue
        if not self._looking:
            self._looking = True
            self._shelf.thread.later(self.look, writes=False)

    def _bind(self) -> socket.socket:
        self._directory.mkdir(mode=0o700, exist_ok=True)
        self._folder = str(self._directory)
        if os.path.isdir("/proc/self/fd"):
            # Addresses of Unix sockets are short and state directories may not be: name the folder by its descriptor.
            self._folder_descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
            self._folder = f"/proc/self/fd/{self._folder_descriptor}"
        inbox = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._inbox = inbox  # from here on `_unbind` knows of it
        inbox.setblocking(False)
        inbox.bind(f"{self._folder}/{self._shelf.worker}")
        os.chmod(self._directory / self._shelf.worker, 0o600)
        outbox = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        outbox.setblocking(False)
        self._outbox = outbox
        return inbox

    def _unbind(self) -> None:
        for end in (self._inbox, self._outbox):
            if end is not None:
                end.close()
        if self._inbox is not None:
            (self._directory / self._shelf.worker).unlink(missing_ok=True)
        if self._folder_descriptor >= 0:
            os.close(self._folder_descriptor)
        self._inbox, self._outbox, self._folder_descriptor = None, None, -1
