"""The state directory and its database file: made private, recognised, brought up to date. All of it blocks.

Invariants: the directory is 0700 when it is made here and never one that others may write to; the files are 0600. A
file that is not ours, damaged, or from a newer version is refused untouched, with a `StoreUnusable` that names its
role and not what it holds. What a commit acknowledged survives kill -9 of the process (WAL: the kernel has it).
"""

import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dovetail.errors import StoreUnusable

FILE = "state.db"
BUSY_SECONDS = 5.0

_OURS = 0x444F5645
"""`application_id` of the file: a foreign SQLite database has another, or none."""

_PAGE = 4096

MIGRATIONS = (
    """
    CREATE TABLE boots (boot TEXT PRIMARY KEY, ahead REAL NOT NULL, seen REAL NOT NULL) WITHOUT ROWID;
    CREATE TABLE workers (id TEXT PRIMARY KEY, beat REAL NOT NULL) WITHOUT ROWID;
    CREATE TABLE sessions (id TEXT PRIMARY KEY, record BLOB NOT NULL, expires REAL NOT NULL);
    CREATE INDEX sessions_by_expiry ON sessions (expires);
    CREATE TABLE numbering (session TEXT PRIMARY KEY, last INTEGER NOT NULL, touched REAL NOT NULL) WITHOUT ROWID;
    CREATE INDEX numbering_by_use ON numbering (touched);
    CREATE TABLE streams (session TEXT, stream TEXT, marked INTEGER NOT NULL DEFAULT 0, held INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (session, stream)) WITHOUT ROWID;
    CREATE TABLE events (session TEXT, stream TEXT, sequence INTEGER, message BLOB NOT NULL,
        PRIMARY KEY (session, stream, sequence));
    CREATE TABLE claims (call TEXT, name TEXT, owner TEXT NOT NULL, ticket INTEGER NOT NULL, value BLOB,
        lost INTEGER NOT NULL DEFAULT 0, expires REAL NOT NULL, PRIMARY KEY (call, name));
    CREATE INDEX claims_by_expiry ON claims (expires);
    CREATE INDEX claims_by_owner ON claims (owner) WHERE value IS NULL;
    CREATE TABLE kept (key TEXT PRIMARY KEY, value BLOB NOT NULL, expires REAL NOT NULL);
    CREATE INDEX kept_by_expiry ON kept (expires);
    CREATE TABLE nonces (nonce TEXT PRIMARY KEY, expires REAL NOT NULL) WITHOUT ROWID;
    CREATE INDEX nonces_by_expiry ON nonces (expires);
    CREATE TABLE messages (id INTEGER PRIMARY KEY AUTOINCREMENT, publisher TEXT NOT NULL, topic TEXT NOT NULL,
        message BLOB NOT NULL, at REAL NOT NULL);
    """,
    """
    ALTER TABLE numbering ADD COLUMN owner TEXT NOT NULL DEFAULT '';
    CREATE INDEX numbering_by_owner ON numbering (owner, touched);
    ALTER TABLE events ADD COLUMN owner TEXT NOT NULL DEFAULT '';
    ALTER TABLE kept ADD COLUMN owner TEXT NOT NULL DEFAULT '';
    CREATE TABLE held (what TEXT, owner TEXT, bytes INTEGER NOT NULL, PRIMARY KEY (what, owner)) WITHOUT ROWID;
    INSERT INTO held SELECT 'all events', '', total(length(message) + 128) FROM events;
    INSERT INTO held SELECT 'events of session', session, sum(length(message) + 128) FROM events GROUP BY session;
    INSERT INTO held SELECT 'all kept', '', total(length(value) + 256) FROM kept;
    CREATE TRIGGER event_in AFTER INSERT ON events BEGIN
        INSERT INTO held VALUES ('all events', '', length(new.message) + 128),
            ('events', new.owner, length(new.message) + 128),
            ('events of session', new.session, length(new.message) + 128)
            ON CONFLICT (what, owner) DO UPDATE SET bytes = bytes + excluded.bytes;
    END;
    CREATE TRIGGER event_out AFTER DELETE ON events BEGIN
        UPDATE held SET bytes = bytes - length(old.message) - 128 WHERE (what = 'all events' AND owner = '')
            OR (what = 'events' AND owner = old.owner) OR (what = 'events of session' AND owner = old.session);
        DELETE FROM held WHERE bytes <= 0 AND ((what = 'events' AND owner = old.owner)
            OR (what = 'events of session' AND owner = old.session));
    END;
    CREATE TRIGGER kept_in AFTER INSERT ON kept BEGIN
        INSERT INTO held VALUES ('all kept', '', length(new.value) + 256), ('kept', new.owner, length(new.value) + 256)
            ON CONFLICT (what, owner) DO UPDATE SET bytes = bytes + excluded.bytes;
    END;
    CREATE TRIGGER kept_out AFTER DELETE ON kept BEGIN
        UPDATE held SET bytes = bytes - length(old.value) - 256 WHERE (what = 'all kept' AND owner = '')
            OR (what = 'kept' AND owner = old.owner);
        DELETE FROM held WHERE bytes <= 0 AND what = 'kept' AND owner = old.owner;
    END;
    """,
    """
    ALTER TABLE claims ADD COLUMN caller TEXT NOT NULL DEFAULT '';
    CREATE TRIGGER claim_in AFTER INSERT ON claims WHEN new.caller <> '' BEGIN
        INSERT INTO held VALUES ('claims', new.caller, length(new.call) + length(new.name) + 256)
            ON CONFLICT (what, owner) DO UPDATE SET bytes = bytes + excluded.bytes;
    END;
    CREATE TRIGGER claim_settled AFTER UPDATE OF value ON claims WHEN new.caller <> '' BEGIN
        UPDATE held SET bytes = bytes + ifnull(length(new.value), 0) - ifnull(length(old.value), 0)
            WHERE what = 'claims' AND owner = new.caller;
    END;
    CREATE TRIGGER claim_out AFTER DELETE ON claims WHEN old.caller <> '' BEGIN
        UPDATE held SET bytes = bytes - length(old.call) - length(old.name) - 256 - ifnull(length(old.value), 0)
            WHERE what = 'claims' AND owner = old.caller;
        DELETE FROM held WHERE bytes <= 0 AND what = 'claims' AND owner = old.caller;
    END;
    """,
    """
    CREATE TABLE feeding (session TEXT, stream TEXT, worker TEXT NOT NULL, PRIMARY KEY (session, stream)) WITHOUT ROWID;
    ALTER TABLE streams ADD COLUMN ends REAL;
    CREATE INDEX streams_by_end ON streams (ends) WHERE ends IS NOT NULL;
    """,
)
"""Each brings the file one version up; entries are only ever added.

`held` says how much is stored, and of whom. Triggers keep it, so it is right whoever writes or prunes. The numbers in
them are what a row is counted for besides its payload.
"""


@contextmanager
def exclusive(connection: sqlite3.Connection) -> Iterator[None]:
    """Write in one transaction: all of it, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # some failures (a full disk) have rolled back already
            connection.execute("ROLLBACK")
        raise


def prepare(directory: Path) -> None:
    """Make the state directory (0700), or check the one there is.

    Raises:
        StoreUnusable: It cannot be made, is somebody else's, or others may write to it.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = directory.stat()
    except OSError as error:
        raise StoreUnusable("The state directory cannot be made, or is not a directory") from error
    if os.name == "posix" and (found.st_uid not in (os.geteuid(), 0) or stat.S_IMODE(found.st_mode) & 0o022):
        raise StoreUnusable("The state directory belongs to another user, or others may write to it: `chmod 700` it")


def connect(directory: Path, *, max_bytes: int, durable: bool) -> sqlite3.Connection:
    """Open the database of a prepared directory and bring it up to date.

    Args:
        directory: The state directory.
        max_bytes: What the file may grow to; a write past that fails like a full disk.
        durable: Also survive a loss of power, at the price of one fsync a commit.

    Raises:
        StoreUnusable: The file is not ours, is damaged, is from a newer version, or cannot be opened.
    """
    path = directory / FILE
    with usable():
        make_private(path)
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            _recognise(connection)
            _configure(connection, max_bytes, durable)
            _migrate(connection)
        except BaseException:
            connection.close()
            raise
    return connection


@contextmanager
def usable() -> Iterator[None]:
    """Let nothing of the driver out while the file is opened: what fails there needs the owner's attention."""
    try:
        yield
    except (OSError, sqlite3.OperationalError) as error:
        raise StoreUnusable("The state database cannot be opened or written: no access, disk full, or busy") from error
    except sqlite3.DatabaseError as error:
        raise StoreUnusable("The state database is damaged or no database: move it away to start afresh") from error


def make_private(path: Path) -> None:
    """Make a database file that its owner alone can read, or take that from others.

    Raises:
        StoreUnusable: It is no regular file.
    """
    # SQLite gives its side files (-wal, -shm) the mode of the database file.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise StoreUnusable("The state database is not a regular file: move it away to start afresh")
        if os.name == "posix" and stat.S_IMODE(found.st_mode) & 0o077:
            os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)


def _recognise(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN")  # one snapshot for both: another worker may be making the tables right now
    found = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    connection.execute("COMMIT")
    if found != _OURS and (found or version or tables):
        raise StoreUnusable("The state database belongs to another program: give the server a directory of its own")


def _configure(connection: sqlite3.Connection, max_bytes: int, durable: bool) -> None:
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError:
            # Several workers that start together race for the switch, which does not honour the busy timeout.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
    connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
    connection.execute(f"PRAGMA max_page_count = {max(max_bytes // _PAGE, 64)}")
    connection.execute("PRAGMA trusted_schema = OFF")


def _statements(script: str) -> Iterator[str]:
    gathered = ""
    for piece in script.split(";"):
        gathered += f"{piece};"
        if sqlite3.complete_statement(gathered):  # a trigger has statements, and semicolons, of its own
            yield gathered
            gathered = ""


def _migrate(connection: sqlite3.Connection) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == len(MIGRATIONS):
        return
    with exclusive(connection):
        version = connection.execute("PRAGMA user_version").fetchone()[0]  # another worker may have been faster
        if version > len(MIGRATIONS):
            raise StoreUnusable("The state database was written by a newer version of this software")
        for script in MIGRATIONS[version:]:
            for statement in _statements(script):
                connection.execute(statement)
        connection.execute("CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY, at REAL NOT NULL)")
        for step in range(version, len(MIGRATIONS)):
            connection.execute("INSERT INTO migrations VALUES (?, ?)", (step + 1, time.time()))
        connection.execute(f"PRAGMA application_id = {_OURS}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
