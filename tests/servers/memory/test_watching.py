"""Who subscribed hears of changes: of this process, and of another one on the same file."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from dovetail import Client
from dovetail.errors import StoreUnusable
from dovetail.servers.memory import Graph
from dovetail.servers.memory.graph import changes_after
from dovetail.servers.memory.readers import Reader
from tests.house import ROOT
from tests.servers.memory.worlds import fill, memory, told

REVISIONS = ["2025-11-25", "2026-07-28"]


@pytest.mark.parametrize("revision", REVISIONS)
async def test_a_write_is_announced_to_who_subscribed(tmp_path: Path, revision: str) -> None:
    async with memory(tmp_path / "m.db", revision, watch=0.0) as client:
        await fill(client)
        async with client.listen(resources=["memory://graph", "memory://entity/Ann%20Lee"]) as changes:
            await told(client, "add_observations", observations=[{"entityName": "Ann Lee", "contents": ["sings"]}])
            heard = {(await anext(changes)).uri for _ in range(2)}
            assert heard == {"memory://graph", "memory://entity/Ann%20Lee"}


async def test_both_ends_of_a_relation_and_what_was_deleted_are_announced(tmp_path: Path) -> None:
    uris = ["memory://entity/Acme", "memory://entity/Bob_Ray"]
    async with memory(tmp_path / "m.db", watch=0.0) as client:
        await fill(client)
        async with client.listen(resources=uris) as changes:
            await told(client, "delete_entities", entityNames=["Ann Lee"])
            assert {(await anext(changes)).uri for _ in range(2)} == set(uris)


async def test_what_changes_nothing_is_not_announced(tmp_path: Path) -> None:
    async with memory(tmp_path / "m.db", watch=0.0) as client:
        await fill(client)
        async with client.listen(resources=["memory://graph", "memory://entity/Acme"]) as changes:
            await told(client, "delete_entities", entityNames=["Nobody"])
            await told(
                client, "add_observations", observations=[{"entityName": "Ann Lee", "contents": ["likes coffee"]}]
            )
            await told(client, "delete_relations", relations=[])
            await told(client, "delete_entities", entityNames=["Acme"])
            assert {(await anext(changes)).uri for _ in range(2)} == {"memory://graph", "memory://entity/Acme"}


async def test_another_server_on_the_same_file_is_heard(tmp_path: Path) -> None:
    async with memory(tmp_path / "m.db", watch=0.05) as one, memory(tmp_path / "m.db", watch=0.0) as other:
        async with one.listen(resources=["memory://entity/Ann%20Lee"]) as changes:
            await told(one, "graph_statistics")
            await fill(other)
            assert (await anext(changes)).uri == "memory://entity/Ann%20Lee"
        assert len((await told(one, "read_graph"))["entities"]) == 4


async def test_a_file_that_was_out_of_reach_for_a_while_is_heard_of_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = Reader.version
    failed = asyncio.Event()

    def failing(self: Reader) -> Any:
        failed.set()
        raise StoreUnusable("not now")

    async with memory(tmp_path / "m.db", watch=0.02) as one, memory(tmp_path / "m.db", watch=0.0) as other:
        async with one.listen(resources=["memory://graph"]) as changes:
            monkeypatch.setattr(Reader, "version", failing)
            await failed.wait()
            await fill(other)
            monkeypatch.setattr(Reader, "version", version)
            assert (await anext(changes)).uri == "memory://graph"


def test_two_writes_of_which_none_is_too_large_are_told_in_full_at_the_next_look(tmp_path: Path) -> None:
    graph = Graph(tmp_path / "m.db", read_only=False, max_bytes=2**30)
    written = [{f"{write}{number}" for number in range(600)} for write in "ab"]
    for some in written:
        graph.write(lambda db: None, some)
    _, names = graph.read(lambda db: changes_after(db, 0))
    assert set(names) == written[0] | written[1]
    graph.close()


@pytest.mark.timeout(60)
async def test_another_process_on_the_same_file_is_heard(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    command = [sys.executable, "-m", "dovetail", "serve", "memory", str(path)]
    async with memory(path, watch=0.05) as one, Client(command, env={"PYTHONPATH": str(ROOT / "src")}) as other:
        async with one.listen(resources=["memory://graph"]) as changes:
            await told(one, "graph_statistics")
            await fill(other)
            assert (await anext(changes)).uri == "memory://graph"


async def test_of_very_many_changes_at_once_only_the_graph_is_announced(tmp_path: Path) -> None:
    lines = "\n".join(f'{{"type":"entity","name":"e{n}","entityType":"x","observations":[]}}' for n in range(1_001))
    async with memory(tmp_path / "m.db", watch=0.0) as client:
        async with client.listen(resources=["memory://graph", "memory://entity/e1"]) as changes:
            await told(client, "import_graph", lines=lines)
            assert (await anext(changes)).uri == "memory://graph"
            await told(client, "delete_entities", entityNames=["e1"])
            heard = [(await anext(changes)).uri for _ in range(2)]
            assert sorted(heard) == ["memory://entity/e1", "memory://graph"]
