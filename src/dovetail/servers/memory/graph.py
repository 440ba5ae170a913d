"""The graph of one process: its connections to the file, and that many may use them at once.

Invariants: one writer at a time, in this process by a lock, among processes by SQLite's own (BEGIN IMMEDIATE, with a
wait); each write is one transaction, so that a process killed at any moment leaves all of it or nothing. Readers never
wait for writers (WAL). In the end all that was written stands in the file itself, and the last server that ends leaves
no other file beside it. Whatever fails is a `ToolError` that says what to do. Opened for reading only, no connection
could write.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar

from dovetail.errors import StoreUnusable, ToolError
from dovetail.servers.memory.places import BUSY_SECONDS, merge_log, prepare
from dovetail.servers.memory.readers import Reader
from dovetail.servers.memory.sizes import allow, full, pages_of, pages_used, tidy

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

READ_SECONDS: Final = 10.0
"""How long one reading call may take."""
_STEPS: Final = 10_000
"""Steps of SQLite's machine between two looks at the clock."""
_KEPT_CHANGES: Final = 10_000
"""Changes that are remembered for those who watch."""
MOST_TOLD: Final = 1_000
"""Entities that one write announces one by one; of more, only that the graph changed."""
_LOG_BYTES: Final = 16 * 1024 * 1024
"""Of the log beside the file, from which on a write merges it."""
_MERGE: Final = 0.1
_LAST_MERGE: Final = 1.0
"""Seconds to wait for readers of the log, while others wait for this write and at the end."""
_TIDY_SECONDS: Final = 5.0
"""How long a write that finds the file full, or leaves it so, tidies it."""
_CLOSING: Final = "The memory is closing."


class Graph:
    """A graph in a file.

    Args:
        path: The file.
        read_only: Never write.
        max_bytes: What the file may grow to.
    """

    def __init__(self, path: Path, *, read_only: bool, max_bytes: int) -> None:
        self.path = path
        self.read_only = read_only
        self.changed: Callable[[], None] = _nothing
        """Called in the writer's thread after a write that changed something."""
        self._pages = pages_of(max_bytes)
        self._writing = threading.Lock()
        self._writer = None if read_only else prepare(path)
        self._free: list[Reader] = []
        self._lent = 0
        self._returned = threading.Condition()
        """Held while `_free`, `_lent` and `_closed` are looked at or changed."""
        self._closed = False
        try:
            self._free.append(self._opened())
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"<Graph {self.path.name}{' read only' if self.read_only else ''}{' closed' if self._closed else ''}>"

    def close(self) -> None:
        """Close the file; what a thread is still at ends with an error. Idempotent."""
        with self._returned:
            self._closed = True  # stops what reads, at SQLite's next look
            self._returned.wait_for(lambda: not self._lent, READ_SECONDS)
            free, self._free = self._free, []
        for one in free:
            one.close()
        # The writer comes last: whoever closes the file last merges its log, and readers may not.
        with self._writing:
            if self._writer is not None:
                merge_log(self._writer, _LAST_MERGE)
                self._writer.close()
                self._writer = None

    def read(self, work: Work[T], seconds: float = READ_SECONDS) -> T:
        """Read, in one snapshot of the file; from any thread.

        Raises:
            ToolError: The file cannot be read, or it takes too long.
        """
        with self._reader() as connection:
            deadline = time.monotonic() + seconds
            connection.set_progress_handler(lambda: self._closed or time.monotonic() > deadline, _STEPS)
            try:
                connection.execute("BEGIN")
                try:
                    return work(connection)
                finally:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
            except sqlite3.Error as error:
                raise (ToolError(_CLOSING) if self._closed else _told(error)) from error
            finally:
                connection.set_progress_handler(None, 0)

    def write(self, work: Work[T], touched: set[str], *, deletes: bool = False) -> T:
        """Write, all of it or nothing; from any thread.

        Args:
            work: Does it, and again if the file is full before it is tidied. It puts the names of the entities that it
                changed, or related, into `touched`.
            touched: Empty.
            deletes: It only deletes, and has room for that though the file is full.

        Raises:
            ToolError: Nothing was written: the file is read-only, full, busy, or out of reach.
        """
        if self.read_only:
            raise ToolError("This memory is read-only; nothing was written.")
        if not self._writing.acquire(timeout=BUSY_SECONDS):
            raise ToolError("The memory is busy with another write; nothing was written. Try again.")
        try:
            if self._writer is None:
                raise ToolError("The memory is closing; nothing was written.")
            result = self._written(self._writer, work, touched, deletes)
            self._bound_log(self._writer)
        except sqlite3.Error as error:
            raise _told(error, deletes) from error
        finally:
            self._writing.release()
        if touched:
            self.changed()
        return result

    def _written(self, writer: sqlite3.Connection, work: Work[T], touched: set[str], deletes: bool) -> T:
        if deletes:
            result = _transaction(writer, work, touched, self._pages, deletes=True)
            if pages_used(writer) > self._pages:
                tidy(writer, _TIDY_SECONDS)
            return result
        try:
            return _transaction(writer, work, touched, self._pages)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
                raise
        touched.clear()
        allow(writer, self._pages, deletes=True)
        tidy(writer, _TIDY_SECONDS)
        return _transaction(writer, work, touched, self._pages)

    def _bound_log(self, writer: sqlite3.Connection) -> None:
        """Merge a log that grew long, which SQLite by itself does not do while somebody or other always reads."""
        with suppress(OSError):
            if self.path.with_name(f"{self.path.name}-wal").stat().st_size > _LOG_BYTES:
                merge_log(writer, _MERGE)

    @contextmanager
    def watching(self) -> Iterator[Reader]:
        """A connection of one's own, to ask again and again whether the file changed."""
        one = self._opened()
        try:
            yield one
        finally:
            one.close()

    def _opened(self) -> Reader:
        return Reader(self.path, alone=self.read_only)

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection for reading."""
        with self._returned:
            if self._closed:
                raise ToolError(_CLOSING)
            self._lent += 1
            one = self._free.pop() if self._free else None
        try:
            try:
                one = one or self._opened()
                one.renew()
            except StoreUnusable as error:
                raise ToolError(f"{error}.") from error
            yield one.connection
        finally:
            self._give_back(one)

    def _give_back(self, one: Reader | None) -> None:
        with self._returned:
            if one is not None and self._closed:
                one.close()
            elif one is not None:
                self._free.append(one)
            self._lent -= 1
            self._returned.notify_all()


def _nothing() -> None:
    """Hear of nothing."""


def _transaction(
    connection: sqlite3.Connection, work: Work[T], touched: set[str], room: int, *, deletes: bool = False
) -> T:
    allow(connection, room, deletes=deletes)
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = work(connection)
        if touched:
            _note(connection, touched)
            # A file that deleting made larger has free pages, which are not for adding.
            if not deletes and pages_used(connection) > room:
                raise full()
        connection.execute("COMMIT")
        return result
    except BaseException:
        if connection.in_transaction:  # some failures (a full disk) have rolled back already
            connection.execute("ROLLBACK")
        raise


def _note(connection: sqlite3.Connection, touched: set[str]) -> None:
    names: list[str | None] = [None] if len(touched) > MOST_TOLD else [*sorted(touched)]
    connection.executemany("INSERT INTO changes (name) VALUES (?)", [(name,) for name in names])
    connection.execute("DELETE FROM changes WHERE id <= (SELECT max(id) FROM changes) - ?", (_KEPT_CHANGES,))


def last_change(connection: sqlite3.Connection) -> int:
    """Return the number of the last change."""
    found: int = connection.execute("SELECT coalesce(max(id), 0) FROM changes").fetchone()[0]
    return found


def changes_after(connection: sqlite3.Connection, number: int) -> tuple[int, list[str]]:
    """Return the number of the last change, and the names of what changed after another, in however many writes.

    The number is a smaller one if an older file has taken this one's place.
    """
    rows = connection.execute("SELECT id, name FROM changes WHERE id > ? ORDER BY id", (number,)).fetchall()
    names = dict.fromkeys(name for _, name in rows if name is not None)
    return (rows[-1][0] if rows else min(number, last_change(connection))), list(names)


def _told(error: sqlite3.Error, deletes: bool = False) -> ToolError:
    """Put a failure of SQLite into words; its own text may hold what was stored."""
    name = getattr(error, "sqlite_errorname", None) or type(error).__name__
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return ToolError("Another process is writing to the memory; nothing was written. Try again.")
    if name == "SQLITE_FULL" and deletes:
        return ToolError("The memory is full, or the disk; nothing was deleted. Delete fewer at a time, and try again.")
    if name == "SQLITE_FULL":
        return ToolError("The memory is full; nothing was written. Delete something, or raise --max-bytes.")
    if name == "SQLITE_INTERRUPT":
        return ToolError("That took too long and was stopped. Ask for less: fewer words, or a smaller limit.")
    if name == "SQLITE_READONLY" or name.startswith("SQLITE_READONLY_"):
        return ToolError("The memory file cannot be written; nothing was. Ask its owner to check its permissions.")
    return ToolError(f"The memory file is out of reach ({name}); its owner needs to look at it.")
