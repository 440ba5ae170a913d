"""Databases in WAL mode are read where nothing can be written beside them, and only if that is the truth."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dovetail import Client
from dovetail.errors import StoreUnusable, ToolError
from dovetail.servers import memory, resting, sql
from dovetail.servers.memory import Graph
from dovetail.servers.sql import sqlite_reader
from dovetail.servers.sql.sqlite_running import unusable


@pytest.fixture
def unwritable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let folders be such as nobody may write to; root, as whom tests may run, could."""
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and real(path, mode))


def database(path: Path, *rows: int) -> Path:
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("CREATE TABLE t (a)")
    db.executemany("INSERT INTO t VALUES (?)", [(row,) for row in rows])
    db.commit()
    db.close()
    return path


@pytest.mark.usefixtures("unwritable")
async def test_sql_reads_a_file_that_nothing_can_be_made_beside_and_sees_when_it_changes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, other = database(tmp_path / "a.db", 1), database(tmp_path / "b.db", 2, 3)
    async with Client(sql.make(sql.Settings(url=str(path), poll=0.0))) as client:
        assert "read as one that nobody changes" in caplog.text
        for rows in ([[1]], [[2], [3]]):
            result = await client.call_tool("query", {"sql": "SELECT a FROM t"})
            assert result.structured["rows"] == rows
            assert sorted(os.listdir(tmp_path)) == ["a.db", "b.db"][: 3 - len(rows)], "nothing was made beside it"
            if other.exists():
                other.replace(path)


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
async def test_sql_sees_that_another_file_was_copied_over_the_one_that_it_reads(tmp_path: Path, mode: str) -> None:
    path, other = database(tmp_path / "a.db", 1), database(tmp_path / "b.db", *range(1000))
    for one in (path, other):
        with closing(sqlite3.connect(one)) as db:
            db.execute(f"PRAGMA journal_mode = {mode}")
    async with Client(sql.make(sql.Settings(url=str(path), poll=0.0))) as client:
        for rows in (1, 1000):
            result = await client.call_tool("query", {"sql": "SELECT count(*) FROM t"})
            assert result.structured["rows"] == [[rows]]
            shutil.copyfile(other, path)  # into the same file, as cp does


def written_in_pieces(path: Path, content: bytes) -> Iterator[None]:
    path.write_bytes(b"")
    yield
    path.write_bytes(content[:100])
    yield
    path.write_bytes(content)


def taken_away(path: Path, content: bytes) -> Iterator[None]:
    path.unlink()
    yield
    path.write_bytes(content)


@pytest.mark.usefixtures("unwritable")
@pytest.mark.parametrize("replaced", [written_in_pieces, taken_away])
async def test_sql_reads_a_file_again_that_was_not_whole_for_a_while(
    tmp_path: Path, replaced: Callable[[Path, bytes], Iterator[None]]
) -> None:
    path, other = database(tmp_path / "a.db", 1), database(tmp_path / "b.db", 2, 3)
    async with Client(sql.make(sql.Settings(url=str(path), poll=0.0))) as client:
        assert (await client.call_tool("query", {"sql": "SELECT a FROM t"})).structured["rows"] == [[1]]
        for _ in replaced(path, other.read_bytes()):
            result = await client.call_tool("query", {"sql": "SELECT a FROM t"})
            assert result.is_error and "closed" not in result.text, "what is there is no database with a table t"
        assert (await client.call_tool("query", {"sql": "SELECT a FROM t"})).structured["rows"] == [[2], [3]]


async def test_sql_follows_a_file_whose_place_another_one_takes(tmp_path: Path) -> None:
    path, other = database(tmp_path / "a.db", 1), database(tmp_path / "b.db", 2, 3)
    async with Client(sql.make(sql.Settings(url=str(path), poll=0.0))) as client:
        for rows in ([[1]], [[2], [3]]):
            assert (await client.call_tool("query", {"sql": "SELECT a FROM t"})).structured["rows"] == rows
            if other.exists():
                other.replace(path)


@pytest.mark.usefixtures("unwritable")
async def test_sql_says_that_changes_came_in_a_log_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = database(tmp_path / "a.db", 1)
    here = sqlite_reader.opened

    def opened(uri: str, busy: float, longest: int) -> sqlite3.Connection:
        if "immutable" not in uri:  # as SQLite does where it cannot make what it needs
            error = sqlite3.OperationalError("unable to open database file")
            error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
            raise error
        return here(uri, busy, longest)

    monkeypatch.setattr("dovetail.servers.sql.sqlite_reader.opened", opened)
    async with Client(sql.make(sql.Settings(url=str(path), poll=0.0))) as client:
        log = tmp_path / "a.db-wal"
        log.write_bytes(b"changes")
        result = await client.call_tool("query", {"sql": "SELECT a FROM t"})
        assert result.is_error and "close what writes to the database" in result.text
        log.write_bytes(b"")
        assert (await client.call_tool("query", {"sql": "SELECT a FROM t"})).structured["rows"] == [[1]]


@pytest.mark.skipif(not hasattr(os, "register_at_fork"), reason="POSIX takes locks from who closes a file")
@pytest.mark.usefixtures("unwritable")
def test_readers_of_one_process_do_not_end_each_others_locks(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE t (a)")
    first, second = (
        resting.Follower(path, lambda stamp: sqlite3.connect(resting.uri(path, stamp), uri=True)) for _ in range(2)
    )
    first.connection.execute("BEGIN")
    first.connection.execute("SELECT a FROM t").fetchall()
    assert not second.renew() and resting.stamp(path) is None and not resting.out_of_reach(path)
    second.close()
    other = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('CREATE TABLE u (a)')"
    done = subprocess.run([sys.executable, "-c", other, str(path)], capture_output=True, text=True, check=False)
    assert "database is locked" in done.stderr
    first.close()


@pytest.mark.usefixtures("unwritable")
async def test_a_memory_is_read_where_nothing_can_be_made_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    graph = Graph(path, read_only=False, max_bytes=2**30)
    graph.close()
    async with Client(memory.make(memory.Settings(file=str(path), read_only=True))) as client:
        for count in (0, 1):
            found = (await client.call_tool("graph_statistics", {})).structured
            assert found["entities"] == count
            assert os.listdir(tmp_path) == ["m.db"]
            graph = Graph(path, read_only=False, max_bytes=2**30)
            graph.write(
                lambda db: db.execute("INSERT INTO entities (name, type) VALUES ('a', 'x') ON CONFLICT DO NOTHING"),
                {"a"},
            )
            graph.close()
            if count:
                break


def entity(name: str) -> Callable[[sqlite3.Connection], object]:
    return lambda db: db.execute("INSERT INTO entities (name, type) VALUES (?, 'x')", (name,))


def entities(db: sqlite3.Connection) -> int:
    found: int = db.execute("SELECT count(*) FROM entities").fetchone()[0]
    return found


@pytest.mark.usefixtures("unwritable")
def test_a_connection_that_was_lent_while_the_file_changed_reads_it_as_it_is_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    Graph(path, read_only=False, max_bytes=2**30).close()
    graph = Graph(path, read_only=True, max_bytes=2**30)
    assert resting.stamp(path) is not None
    writer: Graph | None = None

    def meanwhile(db: sqlite3.Connection) -> int:
        nonlocal writer
        writer = Graph(path, read_only=False, max_bytes=2**30)
        writer.write(entity("a"), {"a"})
        assert graph.read(entities) == 1, "somebody else reads, and has the file opened anew"
        return entities(db)

    assert graph.read(meanwhile) == 0
    assert writer is not None
    for number in range(2, 5):
        writer.write(entity(str(number)), {str(number)})
        assert [graph.read(entities), graph.read(lambda db: graph.read(entities))] == [number, number]
    writer.close()
    assert graph.read(entities) == 4
    graph.close()


@pytest.mark.usefixtures("unwritable")
async def test_who_subscribed_to_a_memory_at_rest_hears_of_what_others_write(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    Graph(path, read_only=False, max_bytes=2**30).close()
    server = memory.make(memory.Settings(file=str(path), read_only=True, watch=0.02))
    async with Client(server) as client, client.listen(resources=["memory://graph", "memory://entity/b"]) as changes:
        for end in (False, True):  # while the writer is there, and when it has come and gone
            writer = Graph(path, read_only=False, max_bytes=2**30)
            if not end:
                writer.write(entity("a"), {"a"})
                assert (await anext(changes)).uri == "memory://graph"
            else:
                writer.write(entity("b"), {"b"})
                writer.close()
                assert {(await anext(changes)).uri for _ in range(2)} == {"memory://graph", "memory://entity/b"}
            writer.close()


@pytest.mark.usefixtures("unwritable")
async def test_an_older_memory_in_the_place_of_another_is_announced(tmp_path: Path) -> None:
    path, older = tmp_path / "m.db", tmp_path / "older.db"
    for file, names in ((path, "ab"), (older, "a")):
        graph = Graph(file, read_only=False, max_bytes=2**30)
        for name in names:
            graph.write(entity(name), {name})
        graph.close()
    server = memory.make(memory.Settings(file=str(path), read_only=True, watch=0.02))
    async with Client(server) as client, client.listen(resources=["memory://graph"]) as changes:
        older.replace(path)
        assert (await anext(changes)).uri == "memory://graph"
        assert (await client.call_tool("graph_statistics", {})).structured["entities"] == 1


@pytest.mark.usefixtures("unwritable")
def test_a_memory_that_cannot_be_opened_anew_is_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    Graph(path, read_only=False, max_bytes=2**30).close()
    graph = Graph(path, read_only=True, max_bytes=2**30)
    content = path.read_bytes()
    path.write_bytes(content[:18] + b"\2\2" + b"no database" * 500)
    with pytest.raises(ToolError, match="cannot be read"):
        graph.read(entities)
    path.write_bytes(content)
    assert graph.read(entities) == 0
    graph.close()


@pytest.mark.skipif(not hasattr(os, "register_at_fork"), reason="POSIX takes locks from who closes a file")
@pytest.mark.usefixtures("unwritable")
def test_looking_at_a_file_does_not_end_the_locks_of_who_reads_it(tmp_path: Path) -> None:
    path = database(tmp_path / "a.db", 1)
    reader = sqlite3.connect(path)
    assert reader.execute("SELECT a FROM t").fetchall() == [(1,)]
    assert resting.stamp(path) is None
    other = (
        "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute('INSERT INTO t VALUES (2)'); db.commit()"
    )
    subprocess.run([sys.executable, "-c", f"{other}; db.close()", str(path)], check=True)
    assert (tmp_path / "a.db-wal").exists(), "whoever closes it deletes it, unless somebody has it locked"
    reader.close()


@pytest.mark.usefixtures("unwritable")
def test_a_log_that_cannot_be_read_is_no_file_that_does_not_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = database(tmp_path / "a.db", 1)
    db = sqlite3.connect(path)
    db.execute("INSERT INTO t VALUES (2)")
    db.commit()
    assert resting.stamp(path) is None, "with both files beside it SQLite reads it"
    assert not resting.out_of_reach(path)
    lone = tmp_path / "lone"
    lone.mkdir()
    for ending in ("", "-wal"):
        shutil.copy(f"{path}{ending}", lone)
    db.close()
    assert resting.stamp(lone / "a.db") is None
    assert "let its folder be written" in str(unusable(lone / "a.db"))
    assert "no SQLite database" in str(unusable(path))
    with monkeypatch.context() as patch:
        patch.setattr("dovetail.servers.memory.places.uri", lambda path, mark: (path / "none").as_uri())
        with pytest.raises(StoreUnusable, match=r"ends with -wal, and cannot be read"):
            Graph(lone / "a.db", read_only=True, max_bytes=2**30)


def test_other_files_are_opened_as_ever(tmp_path: Path) -> None:
    path = database(tmp_path / "a.db", 1)
    assert resting.stamp(path) is None
    assert resting.stamp(tmp_path / "none.db") is None and not resting.out_of_reach(tmp_path / "none.db")
    assert resting.uri(path, None).endswith("?mode=ro")
