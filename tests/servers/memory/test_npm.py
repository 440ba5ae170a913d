"""A graph of npm server-memory comes over without loss, and goes back without loss: byte for byte."""

from pathlib import Path
from typing import Any

import pytest

from dovetail import Client
from tests.conformance.run import node
from tests.house import ROOT
from tests.servers.memory.worlds import PEOPLE, TIES, memory, told

MODULE = ROOT / "tests" / "npm" / "node_modules" / "@modelcontextprotocol" / "server-memory" / "dist" / "index.js"
ODD: list[dict[str, Any]] = [
    {"name": 'quo"te\\back/slash', "entityType": "a\tb\nc\r\u0001\u001f\u007f", "observations": ["twice", "twice", ""]},
    {
        "name": "line\u2028para\u2029\u0085",
        "entityType": "\U0001f600 é e\u0301",
        "observations": ["<b>&amp;</b>", "\x00"],
    },
    {"name": " spaces ", "entityType": "", "observations": []},
    {"name": "", "entityType": "", "observations": ["of nobody"]},
    {"name": "n" * 1_500, "entityType": "t" * 1_500, "observations": ["o" * 25_000]},
    {"name": "constructor", "entityType": "__proto__", "observations": ["null", "[1]", '{"type":"entity"}']},
]
DANGLING = [
    {"from": "nobody", "to": "Ann Lee", "relationType": "seeks"},
    {"from": "", "to": "Ann Lee", "relationType": ""},
    {"from": "Ann Lee", "to": "", "relationType": "r" * 1_500},
]


def theirs(path: Path) -> Client:
    return Client([node(), str(MODULE)], env={"MEMORY_FILE_PATH": str(path)})


@pytest.mark.timeout(60)
async def test_their_file_imported_and_exported_is_the_same_file_and_they_read_it(tmp_path: Path) -> None:
    theirs_file, ours_file = tmp_path / "memory.jsonl", tmp_path / "exported.jsonl"
    async with theirs(theirs_file) as client:
        await told(client, "create_entities", entities=PEOPLE)
        await told(client, "create_entities", entities=ODD)
        await told(client, "create_relations", relations=[*TIES, *DANGLING])
        await told(client, "add_observations", observations=[{"entityName": "Ann Lee", "contents": ["came later"]}])
        graph = await told(client, "read_graph")
    async with memory(tmp_path / "m.db", import_file=(str(theirs_file),)) as client:
        assert await told(client, "read_graph") == graph
        exported = (await client.read_resource("memory://export")).contents[0].text or ""
    assert exported.encode() == theirs_file.read_bytes()
    ours_file.write_text(exported, encoding="utf-8", newline="\n")
    async with theirs(ours_file) as client:
        assert await told(client, "read_graph") == graph


@pytest.mark.timeout(60)
async def test_both_servers_do_the_same_when_they_are_told_the_same(tmp_path: Path) -> None:
    async with theirs(tmp_path / "memory.jsonl") as npm, memory(tmp_path / "m.db") as ours:
        for client in (npm, ours):
            await told(client, "create_entities", entities=PEOPLE)
            await told(client, "create_relations", relations=TIES)
            await told(
                client, "delete_observations", deletions=[{"entityName": "Ann Lee", "observations": ["likes coffee"]}]
            )
            await told(client, "delete_relations", relations=[TIES[1]])
            await told(client, "delete_entities", entityNames=["Bob_Ray", "nobody"])
        for tool, arguments in (
            ("read_graph", {}),
            ("open_nodes", {"names": ["Ann Lee"]}),
            ("search_nodes", {"query": "paulo"}),
            ("search_nodes", {"query": "OFFEE"}),
            ("search_nodes", {"query": "京"}),
        ):
            assert await told(ours, tool, **arguments) == await told(npm, tool, **arguments), tool
