"""Many writers at once, in threads and in processes, killed at any moment: nothing is lost, nothing is half there."""

import asyncio
import os
import signal
import sqlite3
import stat
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dovetail import Client
from dovetail.errors import ToolError
from dovetail.servers.memory import Graph
from dovetail.servers.memory.numbering import observations_of
from dovetail.servers.memory.places import merge_log, prepare
from tests.house import ROOT
from tests.servers.memory.worlds import fill, memory, refused, told


@asynccontextmanager
async def process(path: Path, *options: str, **more: Any) -> AsyncIterator[Client]:
    command = [sys.executable, "-m", "dovetail", "serve", "memory", str(path), *options]
    async with Client(command, env={"PYTHONPATH": str(ROOT / "src"), "HOME": str(path.parent)}, **more) as client:
        yield client


async def write(client: Client, who: str, count: int) -> None:
    """Write about an entity of one's own, and about one that all write about."""
    await told(client, "create_entities", entities=[{"name": "all", "entityType": "x", "observations": []}])
    await told(client, "create_entities", entities=[{"name": who, "entityType": "x", "observations": []}])
    for number in range(count):
        fact = f"{who} {number}"
        await told(
            client,
            "add_observations",
            observations=[{"entityName": "all", "contents": [fact]}, {"entityName": who, "contents": [fact]}],
        )


def sound(path: Path) -> sqlite3.Connection:
    """Check a file from the outside, both indexes included."""
    db = sqlite3.connect(path, isolation_level=None)
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    for index in ("words", "parts"):
        db.execute(f"INSERT INTO {index} ({index}, rank) VALUES ('integrity-check', 1)")
    return db


def facts(db: sqlite3.Connection, name: str) -> list[str]:
    (number,) = db.execute("SELECT id FROM entities WHERE name = ?", (name,)).fetchone()
    rows = db.execute("SELECT content FROM texts WHERE id BETWEEN ? AND ? ORDER BY id", observations_of(number))
    return [text for (text,) in rows]


async def test_many_threads_of_one_server_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    async with memory(path) as client:
        await asyncio.gather(*(write(client, f"w{n}", 5) for n in range(10)))
    db = sound(path)
    assert sorted(facts(db, "all")) == sorted(f"w{n} {k}" for n in range(10) for k in range(5))
    db.close()


@pytest.mark.timeout(60)
async def test_several_processes_on_one_file_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "m.db"

    async def one(number: int) -> None:
        async with process(path) as client:
            await asyncio.gather(*(write(client, f"p{number}w{n}", 10) for n in range(2)))

    await asyncio.gather(*(one(number) for number in range(3)))
    db = sound(path)
    expected = sorted(f"p{p}w{n} {k}" for p in range(3) for n in range(2) for k in range(10))
    assert sorted(facts(db, "all")) == expected
    assert all(len(facts(db, f"p{p}w{n}")) == 10 for p in range(3) for n in range(2))
    db.close()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("after", [1, 7])
async def test_a_process_killed_while_it_writes_leaves_all_of_a_write_or_nothing(tmp_path: Path, after: int) -> None:
    path = tmp_path / "m.db"
    environment = {"PYTHONPATH": str(ROOT / "src"), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-m", "dovetail", "serve", "memory", str(path)]
    server = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=environment
    )
    assert server.stdin is not None and server.stdout is not None
    both = b'[{"entityName":"a","contents":["f%d"]},{"entityName":"b","contents":["f%d"]}]'
    entities = b'[{"name":"a","entityType":"x","observations":[]},{"name":"b","entityType":"x","observations":[]}]'
    lines = [
        b'{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},'
        b'"clientInfo":{"name":"t","version":"1"}}}',
        b'{"jsonrpc":"2.0","method":"notifications/initialized"}',
        _call(1, b"create_entities", b"entities", entities),
    ]
    lines += [_call(10 + n, b"add_observations", b"observations", both % (n, n)) for n in range(300)]
    server.stdin.write(b"\n".join(lines) + b"\n")
    for _ in range(2 + after):
        await server.stdout.readline()
    server.send_signal(signal.SIGKILL)
    # Each answer says it twice for each of two entities: as text, and structured.
    acknowledged = (await server.stdout.read()).count(b"addedObservations") // 4
    await server.wait()
    db = sound(path)
    ours, theirs = facts(db, "a"), facts(db, "b")
    db.close()
    assert sorted(ours) == sorted(theirs)
    assert after + acknowledged <= len(ours) < 300
    async with memory(path) as client:
        assert (await told(client, "search_nodes", query=ours[0]))["entities"]
        assert await told(client, "delete_entities", entityNames=["a", "b"])


def _call(number: int, tool: bytes, key: bytes, value: bytes) -> bytes:
    return b'{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"%b","arguments":{"%b":%b}}}' % (
        number, tool, key, value,
    )  # fmt: skip


async def test_one_process_waits_for_another_and_says_so_when_it_cannot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dovetail.servers.memory.places.BUSY_SECONDS", 0.05)
    path = tmp_path / "m.db"
    async with memory(path) as client:
        await fill(client)
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        text = await refused(client, "delete_entities", entityNames=["Acme"])
        assert "Another process is writing" in text and "Try again" in text
        assert len((await told(client, "read_graph"))["entities"]) == 4, "readers never wait"
        holder.execute("ROLLBACK")
        holder.close()
        assert (await told(client, "delete_entities", entityNames=["Acme"]))["deleted"] == 1


def test_who_begins_to_write_keeps_all_others_from_writing_until_the_end(tmp_path: Path) -> None:
    """Otherwise what was read before the first change could be out of date by then, and the write fail."""
    one, other = (Graph(tmp_path / "m.db", read_only=False, max_bytes=2**30) for _ in range(2))
    entered = threading.Event()
    waiting = threading.Thread(target=other.write, args=(lambda db: entered.set(), set()))

    def work(db: sqlite3.Connection) -> None:
        db.execute("SELECT count(*) FROM entities").fetchone()
        waiting.start()
        assert not entered.wait(0.2)

    one.write(work, set())
    assert entered.wait(5)
    waiting.join()
    one.close()
    other.close()


def test_the_file_alone_holds_everything_when_the_last_of_several_servers_has_ended(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    one, other = (Graph(path, read_only=False, max_bytes=2**30) for _ in range(2))
    with other.watching():
        one.write(lambda db: db.execute("INSERT INTO imports VALUES ('one')"), {"x"})
        other.write(lambda db: db.execute("INSERT INTO imports VALUES ('other')"), {"x"})
        one.close()
        alone = tmp_path / "alone.db"
        alone.write_bytes(path.read_bytes())
        sound(alone).close()
    other.close()
    assert [found.name for found in tmp_path.glob("m.db*")] == ["m.db"]
    db = sound(path)
    assert db.execute("SELECT count(*) FROM imports").fetchone() == (2,)
    db.close()


@pytest.mark.timeout(60)
@pytest.mark.skipif(os.name != "posix", reason="signals are a POSIX thing")
@pytest.mark.parametrize("end", [None, signal.SIGINT, signal.SIGTERM])
async def test_a_server_that_ends_in_whatever_way_leaves_one_whole_file(
    tmp_path: Path, end: signal.Signals | None
) -> None:
    path = tmp_path / "m.db"
    command = [sys.executable, "-m", "dovetail", "serve", "memory", str(path)]
    server = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": os.environ["PATH"]},
    )
    assert server.stdin is not None and server.stdout is not None
    hello = (
        b'{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},'
        b'"clientInfo":{"name":"t","version":"1"}}}\n{"jsonrpc":"2.0","method":"notifications/initialized"}\n'
    )
    entities = b'[{"name":"a","entityType":"x","observations":[]}]'
    server.stdin.write(hello + _call(1, b"create_entities", b"entities", entities) + b"\n")
    for _ in range(2):
        assert await server.stdout.readline()
    if end is None:
        server.stdin.close()
    else:
        server.send_signal(end)
    await server.stdout.read()
    await server.wait()
    assert os.listdir(tmp_path) == ["m.db"]
    db = sound(path)
    assert facts(db, "a") == []
    db.close()


def test_a_log_that_grew_while_somebody_read_is_merged_by_a_later_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dovetail.servers.memory.graph._LOG_BYTES", 100_000)
    monkeypatch.setattr("dovetail.servers.memory.graph._MERGE", 0.0)
    path = tmp_path / "m.db"
    graph = Graph(path, read_only=False, max_bytes=2**30)
    log = tmp_path / "m.db-wal"
    with graph.watching() as reader:
        reading = reader.connection
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM imports").fetchone()
        graph.write(lambda db: db.execute("INSERT INTO imports VALUES (?)", ("x" * 500_000,)), {"x"})
        assert log.stat().st_size > 500_000
        reading.execute("ROLLBACK")
        graph.write(lambda db: db.execute("INSERT INTO imports VALUES ('y')"), {"x"})
        assert log.stat().st_size == 0
    graph.close()


def test_what_still_reads_when_the_memory_closes_is_stopped_and_the_file_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    graph = Graph(path, read_only=False, max_bytes=2**30)
    graph.write(lambda db: db.execute("INSERT INTO imports VALUES ('x')"), {"x"})
    reading, said = threading.Event(), list[str]()
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"

    def read() -> None:
        def work(db: sqlite3.Connection) -> None:
            reading.set()
            db.execute(endless).fetchone()

        with pytest.raises(ToolError) as caught:
            graph.read(work)
        said.append(str(caught.value))

    thread = threading.Thread(target=read)
    thread.start()
    assert reading.wait(5)
    graph.close()
    thread.join()
    assert said == ["The memory is closing."]
    assert [found.name for found in tmp_path.iterdir()] == ["m.db"]


async def test_a_full_memory_says_so_and_goes_on_reading(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    async with memory(path, max_bytes=1_048_576, max_text=1_000_000) as client:
        await fill(client)
        big = [" ".join(str(n) for n in range(at, at + 60_000)) for at in range(0, 600_000, 60_000)]
        text = await refused(client, "add_observations", observations=[{"entityName": "Acme", "contents": big}])
        assert "is full; nothing was written" in text and "--max-bytes" in text
        assert len((await told(client, "open_nodes", names=["Acme"]))["entities"][0]["observations"]) == 1
        assert (await told(client, "delete_entities", entityNames=["Acme"]))["deleted"] == 1
    sound(path).close()


@pytest.mark.parametrize("batch", [1, 50])
async def test_in_a_full_memory_everything_can_be_deleted_and_as_much_be_added_again(
    tmp_path: Path, batch: int
) -> None:
    path = tmp_path / "m.db"

    async def filled(client: Client) -> int:
        """Add until the memory is full."""
        for at in range(1_000):
            facts = [f"{at} {n} lorem ipsum dolor {at * n * 7919} sit amet" for n in range(40)]
            entities = [{"name": f"e{at}", "entityType": "x", "observations": facts}]
            result = await client.call_tool("create_entities", {"entities": entities})
            if result.is_error:
                assert "Delete something" in result.text
                return at
        raise AssertionError("it never was full")

    async with memory(path, max_bytes=1_048_576) as client:
        count = await filled(client)
        for at in range(0, count, batch):
            some = [f"e{n}" for n in range(at, min(at + batch, count))]
            assert (await told(client, "delete_entities", entityNames=some))["deleted"] == len(some)
        assert await filled(client) > 0.8 * count, "what was deleted takes no room any more"
        assert (await told(client, "delete_entities", entityNames=["e0"]))["deleted"] == 1
    assert path.stat().st_size < 3 * 1_048_576
    sound(path).close()


async def test_what_takes_too_long_is_stopped(tmp_path: Path) -> None:
    graph = Graph(tmp_path / "m.db", read_only=False, max_bytes=2**30)
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
    with pytest.raises(ToolError, match="took too long"):
        graph.read(lambda db: db.execute(endless).fetchone(), 0.05)
    assert graph.read(lambda db: db.execute("SELECT 1").fetchone()) == (1,)
    graph.close()
    graph.close()
    with pytest.raises(ToolError, match="closing"):
        graph.read(lambda db: None)
    with pytest.raises(ToolError, match="closing"):
        graph.write(lambda db: None, set())


async def test_a_failure_inside_a_write_leaves_nothing_of_it(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    async with memory(path, max_text=10) as client:
        entities = [
            {"name": "a", "entityType": "x", "observations": ["short"]},
            {"name": "b", "entityType": "x", "observations": ["much longer than ten"]},
        ]
        assert "more than 10 characters" in await refused(client, "create_entities", entities=entities)
        assert (await told(client, "read_graph"))["entities"] == []
        assert (await told(client, "create_entities", entities=entities[:1]))["entities"] == entities[:1]


@pytest.mark.skipif(os.name != "posix", reason="modes are a POSIX thing")
async def test_nobody_else_can_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "m.db"
    async with memory(path) as client:
        await fill(client)
        modes = {found.name: stat.S_IMODE(found.stat().st_mode) for found in path.parent.iterdir()}
        assert modes == {"m.db": 0o600, "m.db-wal": 0o600, "m.db-shm": 0o600}
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.chmod(0o644)
    async with memory(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_after_a_log_that_could_not_be_merged_a_write_waits_for_others_as_ever(tmp_path: Path) -> None:
    graph = Graph(tmp_path / "m.db", read_only=False, max_bytes=2**30)
    db = prepare(tmp_path / "m.db")
    db.execute("BEGIN IMMEDIATE")  # in a transaction nothing can be merged
    merge_log(db, 0.1)
    assert db.execute("PRAGMA busy_timeout").fetchone() == (10_000,)
    db.close()
    graph.close()
