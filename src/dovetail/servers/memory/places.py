"""Where the graph is kept, and that nobody else reads it. All of it blocks."""

import os
import sqlite3
import stat
import struct
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from dovetail.errors import DefinitionError, StoreUnusable
from dovetail.servers.resting import Stamp, out_of_reach, uri

BUSY_SECONDS: Final = 10.0
"""How long a writer waits for another process."""
OURS: Final = 0x444D454D
"""`application_id` of the file: another program's database has another, or none."""

_HEADER: Final = struct.Struct(">18xB9xI28xI4xI")
""""18: File format write version [...] 2 for WAL [...] 28: Size of the database file in pages [...] 60: The user
version [...] 68: The Application ID" (Database File Format, section 1.3)."""
_MAGIC: Final = b"SQLite format 3\0"

SCHEMA: Final = (
    (
        "CREATE TABLE entities (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, type TEXT NOT NULL,"
        " extra TEXT NOT NULL DEFAULT '')",
        "CREATE INDEX entities_by_type ON entities (type)",
        # Everything that is searched, in one table; what a number means stands in `numbering`.
        "CREATE TABLE texts (id INTEGER PRIMARY KEY, content TEXT NOT NULL)",
        "CREATE TABLE relations (id INTEGER PRIMARY KEY AUTOINCREMENT, source TEXT NOT NULL, target TEXT NOT NULL,"
        " type TEXT NOT NULL, extra TEXT NOT NULL DEFAULT '', UNIQUE (source, target, type))",
        "CREATE INDEX relations_by_target ON relations (target)",
        "CREATE VIRTUAL TABLE words USING fts5 (content, content='texts', content_rowid='id', prefix='3',"
        ' tokenize="unicode61 remove_diacritics 2")',
        "CREATE VIRTUAL TABLE parts USING fts5 (content, content='texts', content_rowid='id',"
        " tokenize='trigram case_sensitive 0')",
        "CREATE TABLE changes (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT)",
        "CREATE TABLE imports (digest TEXT PRIMARY KEY) WITHOUT ROWID",
    ),
    (
        # What a file said of something that was there already, and that differs: see `forms`.
        "CREATE TABLE entity_forms (id INTEGER PRIMARY KEY AUTOINCREMENT,"
        " entity INTEGER NOT NULL REFERENCES entities ON DELETE CASCADE, type TEXT NOT NULL, extra TEXT NOT NULL,"
        " observations TEXT NOT NULL, brought TEXT NOT NULL, UNIQUE (entity, type, extra))",
        "CREATE TABLE relation_forms (id INTEGER PRIMARY KEY AUTOINCREMENT,"
        " relation INTEGER NOT NULL REFERENCES relations ON DELETE CASCADE, extra TEXT NOT NULL,"
        " UNIQUE (relation, extra))",
    ),
)
"""Each entry brings the file one version up; entries are only ever added."""


def data_file() -> Path:
    """Return where the graph is kept when nobody says: in the user's data directory."""
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        given = os.environ.get("XDG_DATA_HOME", "")
        # "All paths set in these environment variables must be absolute." (XDG Base Directory Specification)
        base = Path(given) if os.path.isabs(given) else home / ".local" / "share"
    return base / "dovetail" / "memory.db"


def check(path: Path, *, read_only: bool) -> None:
    """Look whether a file can be the graph's; nothing is made or opened for good.

    Raises:
        DefinitionError: The system's SQLite lacks full-text search, or the file is none that could be the graph's.
    """
    if sqlite3.sqlite_version_info < (3, 34, 0):
        raise DefinitionError("The memory server needs SQLite 3.34 or newer, with FTS5: use a newer Python")
    if path.is_dir():
        raise DefinitionError("file: expected a file, and this is a directory: name a file in it, such as memory.db")
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER.size)
    except FileNotFoundError:
        if read_only:
            raise DefinitionError("file: there is no such file; start once without --read-only to make it") from None
        return
    except OSError as error:
        raise DefinitionError(f"file: cannot be read: {error.strerror}") from None
    if head:
        _recognise_head(head, logged=path.with_name(f"{path.name}-wal").exists())


def _recognise_head(head: bytes, *, logged: bool) -> None:
    if head[:1] == b"{":
        raise DefinitionError("file: this is the reference server's JSON lines: give it with --import-file")
    if not head.startswith(_MAGIC) or len(head) < _HEADER.size:
        raise DefinitionError("file: this is no database: name another file")
    log, pages, version, program = _HEADER.unpack(head)
    if (log, pages, program) == (2, 1, 0) and not logged:
        raise DefinitionError(
            "file: this database is empty; is it a copy, the file beside it that ends with -wal belongs to it: copy"
            " both, or name another file"
        )
    # What a write-ahead log holds is not in the header yet: who opens the file looks again.
    if program != OURS and not logged:
        raise DefinitionError("file: this database belongs to another program: name another file")
    if version > len(SCHEMA):
        raise DefinitionError("file: a newer version of this software wrote it: update, or name another file")


def make_private(path: Path) -> None:
    """Make a file (0600), and its directory (0700), or take reading and writing from others.

    Raises:
        StoreUnusable: It cannot be made, or is no regular file.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # SQLite gives its side files (-wal, -shm) the mode of the database file.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    except OSError as error:
        raise StoreUnusable(f"The memory file cannot be made or written: {error.strerror}") from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise StoreUnusable("The memory file is no regular file: name another one")
        if os.name == "posix" and stat.S_IMODE(found.st_mode) & 0o077:
            os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)


def prepare(path: Path) -> sqlite3.Connection:
    """Open a file for writing, made private and brought up to date.

    Raises:
        StoreUnusable: It is not ours, damaged, from a newer version, or cannot be opened.
    """
    make_private(path)
    try:
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            _recognise(connection)
            _set_wal(connection)
            # FULL: what was acknowledged survives a loss of power, too. Memories are few and precious.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA foreign_keys = ON")
            _migrate(connection)
            # What makes the file ours, and what a server that was killed wrote, shall stand in the file itself.
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        except BaseException:
            connection.close()
            raise
    except sqlite3.OperationalError as error:
        raise StoreUnusable("The memory file cannot be opened: no access, disk full, or busy") from error
    except sqlite3.DatabaseError as error:
        raise StoreUnusable("The memory file is damaged, or no database: restore a copy, or name another") from error
    return connection


def merge_log(connection: sqlite3.Connection, seconds: float) -> None:
    """Write what the log holds into the file itself, as somebody may copy that alone.

    SQLite does so when the last connection is closed, but not when two processes close theirs at the same moment. Where
    somebody still reads from the log after that many seconds, it is done as far as that lets.
    """
    with suppress(sqlite3.Error):
        try:
            connection.execute(f"PRAGMA busy_timeout = {round(seconds * 1_000)}")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:  # whatever became of it, the next write waits for others as long as ever
            connection.execute(f"PRAGMA busy_timeout = {round(BUSY_SECONDS * 1_000)}")


def reader(path: Path, mark: Stamp | None = None) -> sqlite3.Connection:
    """Open a file for reading; SQLite itself refuses to write.

    Args:
        path: The file.
        mark: Its stamp, if it is to be read as one that does not change; see `resting`.

    Raises:
        StoreUnusable: It cannot be opened, or is not ours.
    """
    try:
        connection = sqlite3.connect(
            uri(path, mark),
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            connection.execute("PRAGMA query_only = ON")
            connection.execute("PRAGMA cache_size = -16384")
            if connection.execute("PRAGMA application_id").fetchone()[0] != OURS:
                raise StoreUnusable("The memory file belongs to another program, or is empty: name another")
            if connection.execute("PRAGMA user_version").fetchone()[0] < len(SCHEMA):
                raise StoreUnusable("An older version wrote the memory file: start once without --read-only")
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        if out_of_reach(path):
            raise StoreUnusable(
                "The newest memories stand in the file that ends with -wal, and cannot be read where nothing can be"
                " written beside them: end what writes to them before they are brought here"
            ) from error
        raise StoreUnusable("The memory file cannot be read: no access, damaged, or busy") from error
    return connection


def _recognise(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN")  # one snapshot for all: another process may be making the tables right now
    found = connection.execute("PRAGMA application_id").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.execute("COMMIT")
    if found != OURS and (found or tables or version):
        raise StoreUnusable("The memory file belongs to another program: name another")
    if version > len(SCHEMA):
        raise StoreUnusable("The memory file was written by a newer version of this software: update, or name another")


def _set_wal(connection: sqlite3.Connection) -> None:
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            # Processes that start together race for the switch, which does not honour the busy timeout.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _migrate(connection: sqlite3.Connection) -> None:
    if connection.execute("PRAGMA user_version").fetchone()[0] == len(SCHEMA):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]  # another process may have been faster
        for statements in SCHEMA[version:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {OURS}")
        connection.execute(f"PRAGMA user_version = {len(SCHEMA)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
