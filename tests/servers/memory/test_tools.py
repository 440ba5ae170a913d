"""Each tool, as a client of either era uses it, on a real file."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dovetail import Client
from dovetail.errors import PeerError
from tests.servers.memory.worlds import PEOPLE, TIES, fill, memory, names, refused, told

WRITING = {
    "create_entities", "create_relations", "add_observations", "delete_entities", "delete_observations",
    "delete_relations", "import_graph",
}  # fmt: skip
READING = {"read_graph", "search_nodes", "open_nodes", "neighbours", "graph_statistics", "export_graph"}


@pytest.fixture(params=["2025-11-25", "2026-07-28"])
async def client(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Client]:
    async with memory(tmp_path / "memory.db", request.param) as client:
        await fill(client)
        yield client


async def test_every_tool_says_what_it_does_and_has_schemas_both_ways(client: Client) -> None:
    tools = {tool.name: tool for tool in await client.list_tools()}
    assert set(tools) == WRITING | READING
    for name, tool in tools.items():
        hints = tool.annotations
        assert hints is not None and hints.title and hints.open_world_hint is False and hints.idempotent_hint is True
        assert hints.read_only_hint is (name in READING)
        assert hints.destructive_hint is name.startswith("delete")
        assert tool.description and len(tool.description) > 60
        properties = json.loads(bytes(tool.input_schema)).get("properties", {})
        assert all(one.get("description") for one in properties.values()), name
        if name != "export_graph":
            assert tool.output_schema
    entity = json.loads(bytes(tools["create_entities"].input_schema))["properties"]["entities"]["items"]
    assert set(entity["properties"]) == {"name", "entityType", "observations"}
    relation = json.loads(bytes(tools["create_relations"].input_schema))["properties"]["relations"]["items"]
    assert set(relation["required"]) == {"from", "to", "relationType"}


async def test_what_was_created_is_read_in_its_order(client: Client) -> None:
    assert await told(client, "read_graph") == {"entities": PEOPLE, "relations": TIES}


async def test_a_name_that_is_taken_is_told_and_left_as_it_is(client: Client) -> None:
    again = {"name": "Acme", "entityType": "band", "observations": ["plays loud"]}
    new = {"name": "Zoe", "entityType": "person", "observations": ["sings", "sings"]}
    done = await told(client, "create_entities", entities=[again, new, new])
    assert done["existing"] == ["Acme", "Zoe"]
    assert done["entities"] == [{**new, "observations": ["sings"]}]
    assert (await told(client, "open_nodes", names=["Acme"]))["entities"] == [PEOPLE[2]]


async def test_relations_are_there_once_and_missing_ends_are_told(client: Client) -> None:
    more = {"from": "Ann Lee", "to": "Nobody", "relationType": "seeks"}
    assert await told(client, "create_relations", relations=[TIES[0], more, more]) == {
        "relations": [more],
        "missing": ["Nobody"],
    }


async def test_observations_are_added_once_all_or_none(client: Client) -> None:
    done = await told(
        client,
        "add_observations",
        observations=[{"entityName": "Ann Lee", "contents": ["likes coffee", "sings", "sings"]}],
    )
    assert done == {"results": [{"entityName": "Ann Lee", "addedObservations": ["sings"]}]}
    text = await refused(
        client,
        "add_observations",
        observations=[{"entityName": "Acme", "contents": ["lost"]}, {"entityName": "Nobody", "contents": ["x"]}],
    )
    assert "no entity named 'Nobody'" in text and "create_entities" in text and "nothing was added" in text
    assert (await told(client, "open_nodes", names=["Acme"]))["entities"] == [PEOPLE[2]]


async def test_an_entity_goes_with_its_relations_and_is_not_found_any_more(client: Client) -> None:
    done = await told(client, "delete_entities", entityNames=["Ann Lee", "Nobody"])
    assert done["deleted"] == 1 and "1 of those named were not there" in done["message"]
    assert await told(client, "read_graph") == {"entities": PEOPLE[1:], "relations": []}
    assert await told(client, "search_nodes", query="paulo") == {"entities": [], "relations": []}


async def test_observations_and_relations_go_by_their_whole_text(client: Client) -> None:
    gone = [
        {"entityName": "Ann Lee", "observations": ["likes coffee", "likes"]},
        {"entityName": "No", "observations": ["x"]},
    ]
    assert (await told(client, "delete_observations", deletions=gone))["deleted"] == 1
    assert names(await told(client, "search_nodes", query="likes coffee")) == ["Acme", "Bob_Ray"]
    assert (await told(client, "delete_relations", relations=[TIES[0], TIES[0]]))["deleted"] == 1
    assert (await told(client, "read_graph"))["relations"] == TIES[1:]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("coffee", ["Acme", "Ann Lee"]),
        ("COFF", ["Acme", "Ann Lee"]),
        ("ann coffee", ["Ann Lee", "Acme"]),
        ("sao paulo", ["Ann Lee"]),
        ("Ann Lee", ["Ann Lee"]),
        ("bob ray", ["Bob_Ray"]),
        ("script", ["Bob_Ray"]),
        ("c++", ["Bob_Ray"]),
        ("company", ["Acme"]),
        ('"coffee machines"', ["Acme"]),
        ("小明", ["王小明"]),
        ("北京", ["王小明"]),
        ("who likes tea?", ["Bob_Ray", "Ann Lee"]),
        ("nothing_of_this_kind", []),
    ],
)
async def test_what_people_look_for_is_found(client: Client, query: str, found: list[str]) -> None:
    assert names(await told(client, "search_nodes", query=query)) == found


@pytest.mark.parametrize(
    "query", ['NEAR("', "AND OR", "name:ann*", "^", "*", "a\x00b", "\\%_", "{}", "'; DROP TABLE x; --"]
)
async def test_hostile_queries_find_something_or_nothing(client: Client, query: str) -> None:
    assert "entities" in await told(client, "search_nodes", query=query)


async def test_a_search_can_be_narrowed_and_gone_on_with(client: Client) -> None:
    first = await told(client, "search_nodes", query="coffee", limit=1)
    assert names(first) == ["Acme"] and first["relations"] == [TIES[0]]
    then = await told(client, "search_nodes", query="coffee", limit=1, cursor=first["nextCursor"])
    assert names(then) == ["Ann Lee"] and "nextCursor" not in then
    assert names(await told(client, "search_nodes", query="coffee", entityType="person")) == ["Ann Lee"]
    assert "begin again" in await refused(client, "search_nodes", query="coffee", cursor="x")
    assert "Give a word" in await refused(client, "search_nodes", query=' "" ')


async def test_the_neighbours_of_an_entity(client: Client) -> None:
    near = await told(client, "neighbours", name="Acme")
    assert names(near) == ["Acme", "Ann Lee"] and near["relations"] == [TIES[0]]
    far = await told(client, "neighbours", name="Acme", depth=2)
    assert names(far) == ["Acme", "Ann Lee", "Bob_Ray"] and far["relations"] == TIES
    assert names(await told(client, "neighbours", name="Ann Lee", direction="in")) == ["Ann Lee", "Bob_Ray"]
    assert names(await told(client, "neighbours", name="Ann Lee", direction="out")) == ["Ann Lee", "Acme"]
    assert names(await told(client, "neighbours", name="Ann Lee", relationType="knows")) == ["Ann Lee", "Bob_Ray"]
    cut = await told(client, "neighbours", name="Ann Lee", limit=1)
    assert len(cut["relations"]) == 1 and "raise limit" in cut["note"]
    assert "search_nodes" in await refused(client, "neighbours", name="Nobody")


async def test_names_that_are_no_entity_are_told_of(client: Client) -> None:
    found = await told(client, "open_nodes", names=["Nobody", "Acme"])
    assert names(found) == ["Acme"] and found["relations"] == [TIES[0]]
    assert "One name is no entity" in found["note"]


async def test_the_statistics_count(client: Client) -> None:
    counted = await told(client, "graph_statistics")
    assert (counted["entities"], counted["relations"], counted["observations"]) == (4, 2, 6)
    assert counted["entityTypes"][0] == {"type": "person", "count": 3}
    assert counted["fileBytes"] > 0


async def test_pages_make_the_whole_graph(client: Client) -> None:
    entities: list[Any] = []
    relations: list[Any] = []
    cursor: dict[str, str] = {}
    for _ in range(3):
        page = await told(client, "read_graph", limit=2, **cursor)
        entities += page["entities"]
        relations += page["relations"]
        cursor = {"cursor": page.get("nextCursor", "")}
    assert (entities, relations, cursor) == (PEOPLE, TIES, {"cursor": ""})
    assert "begin again" in await refused(client, "read_graph", cursor="9")


async def test_resources_and_completion(client: Client) -> None:
    read = (await client.read_resource("memory://graph")).contents[0]
    assert json.loads(read.text or "") == {"entities": PEOPLE, "relations": TIES}
    uri = "memory://entity/%E7%8E%8B%E5%B0%8F%E6%98%8E"
    assert json.loads((await client.read_resource(uri)).contents[0].text or "")["entities"] == [PEOPLE[3]]
    lines = (await client.read_resource("memory://export")).contents[0]
    assert lines.mime_type == "application/jsonl" and (lines.text or "").count("\n") == 5
    with pytest.raises(Exception, match="Resource not found"):
        await client.read_resource("memory://entity/Nobody")
    with pytest.raises(PeerError, match="cursor: this is none that read_graph gave; begin again") as caught:
        await client.read_resource("memory://graph?cursor=zz")
    assert caught.value.code == -32602
    from dovetail.wire import PromptReference, ResourceTemplateReference

    template = ResourceTemplateReference(uri="memory://entity/{name}")
    assert (await client.complete(template, "name", "an")).values == ["Ann Lee"]
    assert (await client.complete(template, "name", "_")).values == ["Bob_Ray"]
    assert (await client.complete(PromptReference(name="recall"), "subject", "王")).values == ["王小明"]


async def test_the_prompts_bring_what_is_known(client: Client) -> None:
    recalled = await client.get_prompt("recall", {"subject": "coffee"})
    assert "Acme" in recalled.messages[1].content.text  # type: ignore[union-attr]
    assert "Ann Lee" not in (await client.get_prompt("recall", {"subject": "***"})).messages[1].content.text  # type: ignore[union-attr]
    kept = await client.get_prompt("remember", {"about": "coffee"})
    assert "works_at" in kept.messages[0].content.text  # type: ignore[union-attr]
