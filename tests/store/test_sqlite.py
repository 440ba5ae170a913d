"""The state directory: private, recognised, and a typed error at once whenever something is wrong with it."""

import asyncio
import logging
import os
import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from dovetail.errors import Disconnected, StoreUnusable
from dovetail.store import Handles, MemoryStores, SqliteStores, sqlite_file, sqlite_thread
from tests.store.conftest import Clock
from tests.store.processes import Process

Start = Callable[..., Awaitable[Process]]
posix = pytest.mark.skipif(os.name != "posix", reason="modes are a POSIX matter")


async def refusal(directory: Path) -> str:
    with pytest.raises(StoreUnusable) as caught:
        await SqliteStores(directory).open()
    return str(caught.value)


def modes(directory: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in (directory, *directory.iterdir())}


@posix
async def test_the_directory_and_all_in_it_are_private_whatever_the_umask(tmp_path: Path, clock: Clock) -> None:
    state = tmp_path / "deep" / "state"
    before = os.umask(0)
    try:
        stores = SqliteStores(state, clock)
        await stores.open()
        await stores.sessions.save("s", b"r", 60.0)
        sockets = list((state / "bus").iterdir())
    finally:
        os.umask(before)
    found = modes(state)
    assert found.pop("state") == found.pop("bus") == 0o700
    assert set(found) == {"state.db", "state.db-wal", "state.db-shm", "keys", "keys.lock"}
    assert {*found.values(), *(socket.stat().st_mode & 0o777 for socket in sockets)} == {0o600}
    await stores.aclose()


@posix
@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777])
def test_a_directory_that_others_may_write_to_is_refused_and_stays_empty(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    assert "chmod 700" in asyncio.run(refusal(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can give a directory away")
async def test_a_directory_of_another_user_is_refused(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, -1)
    with pytest.raises(StoreUnusable, match="another user"):
        await SqliteStores(tmp_path).open()


@posix
async def test_a_database_that_others_could_read_is_closed_to_them(tmp_path: Path, clock: Clock) -> None:
    stores = SqliteStores(tmp_path, clock)
    await stores.open()
    await stores.aclose()
    (tmp_path / "state.db").chmod(0o644)
    await stores.open()
    assert modes(tmp_path)["state.db"] == 0o600
    await stores.aclose()


async def test_a_path_that_is_no_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "state"):
        with pytest.raises(StoreUnusable, match="state directory"):
            await SqliteStores(path).open()


@posix
def test_what_is_no_regular_file_is_refused_in_the_database_s_place(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    os.mkfifo(path)
    assert "not a regular file" in asyncio.run(refusal(tmp_path))
    path.unlink()
    path.symlink_to("elsewhere")
    assert "cannot be opened" in asyncio.run(refusal(tmp_path))
    path.unlink()
    path.mkdir()
    assert "cannot be opened" in asyncio.run(refusal(tmp_path))


@pytest.mark.parametrize("damage", ["all of it", "the header", "a page"])
async def test_a_damaged_database_is_a_typed_error_that_shows_nothing_of_it(
    tmp_path: Path, clock: Clock, damage: str
) -> None:
    stores = SqliteStores(tmp_path, clock)
    await stores.open()
    for number in range(50):
        await stores.sessions.save(f"session {number}", b"very secret" * 100, 60.0)
    await stores.aclose()
    path = tmp_path / "state.db"
    content = bytearray(path.read_bytes())
    start, end = {"all of it": (0, len(content)), "the header": (0, 16), "a page": (100, 4096)}[damage]
    content[start:end] = b"very secret" * ((end - start) // 11 + 1)
    path.write_bytes(content)
    with pytest.raises(Disconnected) as caught:
        await stores.open()
        await stores.sessions.load("session 1")
    assert isinstance(caught.value, StoreUnusable)
    assert "state database is damaged" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert path.read_bytes() == content


async def test_somebody_else_s_database_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    for setup in ("CREATE TABLE theirs (secret)", "PRAGMA application_id = 1", "PRAGMA user_version = 1"):
        path.unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(setup)
            connection.execute("PRAGMA user_version = 7")
            connection.commit()
        before = path.read_bytes()
        with pytest.raises(StoreUnusable, match="another program"):
            await SqliteStores(tmp_path).open()
        assert path.read_bytes() == before
        assert not (tmp_path / "state.db-wal").exists()


async def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    stores = SqliteStores(tmp_path)
    await stores.open()
    await stores.aclose()
    with closing(sqlite3.connect(tmp_path / "state.db")) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreUnusable, match="newer version"):
        await stores.open()


async def test_the_migrations_are_recorded_and_only_the_missing_ones_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = SqliteStores(tmp_path)
    await stores.open()
    await stores.sessions.save("s", b"r", 60.0)
    await stores.aclose()
    steps = (*sqlite_file.MIGRATIONS, "CREATE TABLE later (x); CREATE TABLE even_later (x);")
    monkeypatch.setattr(sqlite_file, "MIGRATIONS", steps)
    await stores.open()
    assert await stores.sessions.load("s") == b"r"
    await stores.aclose()
    with closing(sqlite3.connect(tmp_path / "state.db")) as connection:
        assert connection.execute("SELECT version FROM migrations").fetchall() == [(1,), (2,), (3,), (4,), (5,)]
        assert connection.execute("SELECT count(*) FROM even_later").fetchone() == (0,)
    monkeypatch.setattr(sqlite_file, "MIGRATIONS", (*steps, "CREATE TABLE half (x); NOT SQL"))
    with pytest.raises(StoreUnusable):
        await stores.open()
    with closing(sqlite3.connect(tmp_path / "state.db")) as connection:
        assert connection.execute("SELECT name FROM sqlite_master WHERE name = 'half'").fetchall() == []
        assert connection.execute("PRAGMA user_version").fetchone() == (5,)


@pytest.mark.req("R-37")
async def test_a_full_database_is_a_typed_error_and_reading_goes_on(tmp_path: Path, clock: Clock) -> None:
    stores = SqliteStores(tmp_path, clock, max_bytes=500_000)
    await stores.open()
    await stores.sessions.save("first", b"r", 60.0)
    with pytest.raises(Disconnected, match="SQLITE_FULL"):
        for number in range(100):
            await stores.sessions.save(f"s{number}", bytes(20_000), 60.0)
    assert await stores.sessions.load("first") == b"r"
    for number in range(100):
        await stores.sessions.delete(f"s{number}")
    await stores.sessions.save("last", bytes(20_000), 60.0)
    await stores.aclose()


@posix
@pytest.mark.req("R-37")
@pytest.mark.timeout(60)
async def test_a_disk_that_takes_no_more_is_a_typed_error_and_all_is_well_when_it_does(process: Start) -> None:
    worker = await process("fill")
    kind, text = await worker.hear()
    assert kind == "Disconnected"
    assert text.startswith("The state database is out of reach (SQLITE_")
    assert await worker.hear() == [True, "works"]
    await worker.end()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="nobody else can become somebody else")
@pytest.mark.req("R-37")
@pytest.mark.timeout(60)
def test_a_directory_that_may_only_be_read_is_a_typed_error() -> None:
    # Loaded before the privileges are dropped: the interpreter's own files may be out of reach after that.
    code = (
        "import asyncio, os, sys; from dovetail.store.sqlite import SqliteStores\n"
        "from dovetail.errors import StoreUnusable\n"
        "os.chdir(sys.argv[1]); os.setgid(65534); os.setuid(65534)\n"
        "try: asyncio.run(SqliteStores('.').open())\n"
        "except StoreUnusable as error: print(error)"
    )
    with TemporaryDirectory() as directory:  # unlike `tmp_path`, one that somebody else gets to
        os.chmod(directory, 0o755)
        command = [sys.executable, "-c", code, directory]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.startswith("The state database cannot be opened or written")


async def test_a_database_that_somebody_keeps_locked_is_a_typed_error_and_then_usable_again(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_SECONDS", 0.05)
    stores = SqliteStores(tmp_path, clock)
    await stores.open()
    with closing(sqlite3.connect(tmp_path / "state.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Disconnected, match="SQLITE_BUSY"):
            await stores.ledger.burn("n", 60.0)
        assert await stores.sessions.count() == 0  # reading needs no lock
    assert await stores.ledger.burn("n", 60.0)
    await stores.aclose()


async def test_a_database_that_answers_nothing_is_given_up_and_what_nobody_waits_for_is_not_done(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_thread, "PATIENCE", 0.2)
    stores = SqliteStores(tmp_path, clock)
    await stores.open()
    with closing(sqlite3.connect(tmp_path / "state.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        given_up = await asyncio.gather(
            *[stores.ledger.burn(f"n{number}", 60.0) for number in range(3)], return_exceptions=True
        )
    assert [str(error) for error in given_up] == ["The state database did not answer within 0.2 s"] * 3
    monkeypatch.setattr(sqlite_thread, "PATIENCE", 5.0)
    assert await stores.ledger.kept("anything") is None
    await stores.aclose()


async def test_more_work_than_may_wait_is_refused(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_thread, "_WAITING", 10)
    stores = SqliteStores(tmp_path, clock)
    await stores.open()
    done = await asyncio.gather(
        *[stores.sessions.save(f"s{n}", b"r", 60.0) for n in range(100)], return_exceptions=True
    )
    refused = [error for error in done if error is not None]
    assert refused
    assert all(isinstance(error, Disconnected) and "cannot keep up" in str(error) for error in refused)
    assert await stores.sessions.count() == 100 - len(refused)
    await stores.aclose()


async def test_one_piece_of_work_that_fails_does_not_take_others_of_its_batch_with_it(
    tmp_path: Path, clock: Clock
) -> None:
    stores = SqliteStores(tmp_path, clock)
    await stores.open()
    names = [f"s{number}" if number % 5 else f"\ud800{number}" for number in range(20)]
    done = await asyncio.gather(*[stores.sessions.save(name, b"r", 60.0) for name in names], return_exceptions=True)
    assert [type(error) for error in done if error is not None] == [UnicodeEncodeError] * 4
    assert await stores.sessions.count() == 16
    await stores.aclose()


async def test_stores_can_be_opened_again_and_closed_twice(tmp_path: Path, clock: Clock) -> None:
    stores = SqliteStores(tmp_path, clock)
    await stores.aclose()
    for number in range(3):
        await stores.open()
        await stores.sessions.save(f"s{number}", b"r", 60.0)
        assert await stores.sessions.count() == number + 1
        assert "open" in repr(stores)
        await stores.aclose()
        await stores.aclose()
        assert "closed" in repr(stores)
        with pytest.raises(Disconnected, match="not open"):
            await stores.sessions.count()


async def test_what_was_handed_over_before_closing_is_done(tmp_path: Path, clock: Clock) -> None:
    stores = SqliteStores(tmp_path, clock)
    await stores.open()
    saving = [asyncio.create_task(stores.sessions.save(f"s{n}", b"r", 60.0)) for n in range(500)]
    await asyncio.sleep(0)
    await stores.aclose()
    await asyncio.gather(*saving)
    await stores.open()
    assert await stores.sessions.count() == 500
    await stores.aclose()


async def test_stores_whose_opening_was_given_up_can_still_be_opened(tmp_path: Path, clock: Clock) -> None:
    stores = SqliteStores(tmp_path, clock)
    opening = asyncio.create_task(stores.open())
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    await stores.open()
    assert await stores.sessions.count() == 0
    await stores.aclose()


async def test_what_expired_is_pruned(tmp_path: Path, clock: Clock) -> None:
    stores = SqliteStores(tmp_path, clock, idle=60.0)
    await stores.open()
    await stores.sessions.save("s", b"r", 60.0)
    await stores.events.append("s", "a", b"m")
    await stores.ledger.claim("c", "n", 60.0)
    await stores.ledger.keep("k", b"v", 60.0)
    await stores.ledger.burn("n", 60.0)
    await stores._thread.write(lambda c: c.execute("INSERT INTO workers VALUES ('dead', 0)").close())
    clock.forward(60.0)
    await stores._thread.write(stores._prune)
    tables = ("sessions", "events", "streams", "numbering", "claims", "kept", "nonces", "workers")

    def count(connection: sqlite3.Connection) -> list[int]:
        return [connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables]

    assert await stores._thread.read(count) == [0, 0, 0, 1, 0, 0, 0, 1]  # the greatest number
    await stores.aclose()


async def test_expired_rows_go_by_themselves_and_a_database_that_cannot_be_written_is_logged_once(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_SECONDS", 0.01)
    monkeypatch.setattr("dovetail.store.sqlite.BEAT_SECONDS", 0.0)
    monkeypatch.setattr("dovetail.store.sqlite.PRUNE_SECONDS", 0.0)
    loop, logged = asyncio.get_running_loop(), asyncio.Queue[str]()

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            loop.call_soon_threadsafe(logged.put_nowait, record.getMessage())

    stores = SqliteStores(tmp_path, clock, sockets=False)  # without sockets the pulse is quick
    await stores.open()
    await stores.sessions.save("s", b"r", 60.0)
    clock.forward(60.0)

    def rows(connection: sqlite3.Connection) -> int:
        return int(connection.execute("SELECT count(*) FROM sessions").fetchone()[0])

    while await stores._thread.read(rows):
        assert await stores.sessions.load("s") is None
    log = logging.getLogger("dovetail.store")
    monkeypatch.setattr(log, "handlers", [Handler()])
    with closing(sqlite3.connect(tmp_path / "state.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert await logged.get() == "The state database cannot be written (SQLITE_BUSY)"
        assert "sick" in repr(stores)
    await stores.sessions.save("t", b"r", 60.0)
    await stores.aclose()
    assert logged.empty()


async def test_a_thread_that_ends_unexpectedly_leaves_nobody_waiting(tmp_path: Path, clock: Clock) -> None:
    stores = SqliteStores(tmp_path, clock)
    await stores.open()
    assert stores._thread._stopped is not None
    stores._thread._jobs.put(None)
    await stores._thread._stopped
    with pytest.raises(Disconnected, match="not open"):
        await stores.sessions.count()
    await stores.aclose()


async def test_a_thread_whose_loop_is_gone_goes_on_quietly(tmp_path: Path, clock: Clock) -> None:
    stores = SqliteStores(tmp_path, clock)

    async def abandoned() -> int:
        await stores.open()
        return await stores.sessions.count()

    def run() -> int:
        return asyncio.run(abandoned())

    assert await asyncio.to_thread(run) == 0
    ended = threading.Event()
    stores._thread._jobs.put(sqlite_thread._Job(lambda _: ended.set(), False, None))
    stores._thread._jobs.put(None)
    assert await asyncio.to_thread(ended.wait, 5.0)
    stores.bus._unbind()


async def test_closing_gives_up_on_a_disk_that_hangs(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sqlite_thread, "PATIENCE", 0.1)
    stores = SqliteStores(tmp_path, clock)
    await stores.open()
    hang = threading.Event()

    def work(_: sqlite3.Connection) -> None:
        hang.wait(5.0)

    stores._thread.later(work, writes=False)
    await stores.aclose()
    assert caplog.messages == ["The state database did not close within 0.1 s"]
    assert stores._thread._stopped is not None
    hang.set()
    await stores._thread._stopped


async def test_every_part_says_what_it_is_and_holds_nothing_of_its_content(tmp_path: Path, clock: Clock) -> None:
    for stores in (MemoryStores(clock), SqliteStores(tmp_path, clock)):
        await stores.open()
        await stores.sessions.save("secret session", b"secret record", 60.0)
        stores.bus.subscribe("secret topic", print)
        parts = (stores, stores.sessions, stores.events, stores.ledger, stores.bus, stores.keys, Handles(stores.ledger))
        for part in parts:
            assert re.fullmatch(r"<[A-Z]\w+ .*>", repr(part))
            assert "secret" not in repr(part)
        await stores.aclose()


async def test_a_commit_may_wait_for_the_disk_where_that_is_wanted(tmp_path: Path, clock: Clock) -> None:
    for durable, level in ((False, 1), (True, 2)):
        stores = SqliteStores(tmp_path, clock, durable=durable)
        await stores.open()
        found = await stores._thread.read(lambda c: int(c.execute("PRAGMA synchronous").fetchone()[0]))
        assert found == level
        await stores.aclose()


def test_sqlite_is_not_loaded_before_stores_of_it_are_asked_for() -> None:
    code = (
        "import sys; from dovetail.store import MemoryStores, Handles\n"
        "print([m for m in ('sqlite3', 'cryptography') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
