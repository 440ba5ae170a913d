"""Databases in WAL mode are read where nothing can be written beside them, and only if that is the truth."""

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from dovetail import Client
from dovetail.errors import StoreUnusable
from dovetail.servers import memory, resting, sql
from dovetail.servers.memory import Graph
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
