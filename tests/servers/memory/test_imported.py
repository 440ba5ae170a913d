"""What was imported comes whole, whatever its sizes, and every tool can show and delete it, in bounded answers."""

import asyncio
import json
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dovetail.errors import DefinitionError
from dovetail.servers.memory import Graph, Settings, make
from dovetail.servers.memory.lines import read
from dovetail.servers.memory.writing import Writer
from tests.servers.memory.worlds import memory, names, refused, told

ANN: dict[str, Any] = {"type": "entity", "name": "Ann", "entityType": "person", "observations": ["likes coffee"]}
LONG = "n" * 1_500
ODD: dict[str, dict[str, Any]] = {
    "a relation without a type": {"type": "relation", "from": "Ann", "to": "Bob", "relationType": ""},
    "a relation from nobody": {"type": "relation", "from": "", "to": "Ann", "relationType": "knows"},
    "a relation to nobody": {"type": "relation", "from": "Ann", "to": "", "relationType": "knows"},
    "an entity without a name": {"type": "entity", "name": "", "entityType": "x", "observations": ["coffee"]},
    "an entity without a type": {"type": "entity", "name": "B", "entityType": "", "observations": ["coffee"]},
    "a long name": {"type": "entity", "name": LONG, "entityType": "x", "observations": ["coffee"]},
    "a long type": {"type": "entity", "name": "B", "entityType": LONG, "observations": ["coffee"]},
    "a relation with long ends": {"type": "relation", "from": LONG, "to": "Ann", "relationType": LONG},
    "a long observation": {"type": "entity", "name": "B", "entityType": "x", "observations": ["coffee " * 5_000]},
    "fields that nobody knows": {**ANN, "name": "B", "more": "m" * 150_000},
}


def lines(*items: dict[str, Any]) -> str:
    return "\n".join(json.dumps(item, ensure_ascii=False, separators=(",", ":")) for item in items)


def imported(folder: Path, *items: dict[str, Any]) -> dict[str, Any]:
    (folder / "memory.jsonl").write_text(lines(*items), encoding="utf-8")
    return {"import_file": (str(folder / "memory.jsonl"),)}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
async def test_what_the_reference_server_may_have_written_is_shown_by_every_tool_and_goes_back_as_it_came(
    tmp_path: Path, odd: dict[str, Any]
) -> None:
    async with memory(tmp_path / "m.db", **imported(tmp_path, ANN, odd)) as client:
        shown = {key: value for key, value in odd.items() if key not in ("type", "more")}
        kind = "relations" if odd["type"] == "relation" else "entities"
        assert shown in (await told(client, "read_graph"))[kind]
        assert shown in (await told(client, "search_nodes", query="coffee"))[kind]
        assert shown in (await told(client, "open_nodes", names=["Ann", odd.get("name", "Ann")]))[kind]
        assert shown in (await told(client, "neighbours", name=odd.get("name", "Ann")))[kind]
        assert (await told(client, "graph_statistics"))[kind] == (2 if kind == "entities" else 1)
        assert (await client.call_tool("export_graph", {})).text == lines(ANN, odd)
        assert (await client.read_resource("memory://export")).contents[0].text == lines(ANN, odd)
        await client.get_prompt("recall", {"subject": "coffee"})


async def test_the_same_through_the_tool_that_imports(tmp_path: Path) -> None:
    items = [ANN, *(odd for odd in ODD.values() if odd.get("name") != "B"), ODD["a long observation"]]
    async with memory(tmp_path / "m.db") as client:
        await told(client, "import_graph", lines=lines(*items))
        exported = (await client.read_resource("memory://export")).contents[0].text or ""
        assert sorted(exported.split("\n")) == sorted(lines(*items).split("\n"))


@pytest.mark.parametrize("name", ["", LONG])
async def test_an_entity_with_a_name_that_no_new_one_could_have_is_added_to_and_deleted(
    tmp_path: Path, name: str
) -> None:
    tie = {"from": "Ann", "to": name, "relationType": name}
    odd = {"type": "entity", "name": name, "entityType": "x", "observations": ["old"]}
    async with memory(tmp_path / "m.db", **imported(tmp_path, ANN, odd, {"type": "relation", **tie})) as client:
        await told(client, "add_observations", observations=[{"entityName": name, "contents": ["new"]}])
        gone = [{"entityName": name, "observations": ["old"]}]
        assert (await told(client, "delete_observations", deletions=gone))["deleted"] == 1
        near = await told(client, "neighbours", name="Ann", relationType=name)
        assert names(near) == ["Ann", name] and near["relations"] == [tie]
        assert (await told(client, "delete_relations", relations=[tie]))["deleted"] == 1
        assert (await told(client, "delete_entities", entityNames=[name]))["deleted"] == 1
        assert names(await told(client, "read_graph")) == ["Ann"]


async def test_two_names_cut_within_an_emoji_are_two_and_can_be_opened_and_deleted(tmp_path: Path) -> None:
    given = (
        '{"type":"entity","name":"Party \\ud83c","entityType":"event","observations":["a"]}\n'
        '{"type":"entity","name":"Party \\ud83d","entityType":"event","observations":["b \\ud83d"]}\n'
        '{"type":"relation","from":"Party \\ud83c","to":"Party \\ud83d","relationType":"\\ud83d"}'
    )
    async with memory(tmp_path / "m.db") as client:
        assert (await told(client, "import_graph", lines=given))["entities"] == 2
        found = names(await told(client, "search_nodes", query="party"))
        assert sorted(found) == ["Party \ufffdd83c", "Party \ufffdd83d"]
        assert (await client.call_tool("export_graph", {})).text == given
        assert names(await told(client, "open_nodes", names=found[:1])) == found[:1]
        assert (await told(client, "delete_entities", entityNames=found))["deleted"] == 2


async def test_new_names_and_types_are_still_neither_empty_nor_long(tmp_path: Path) -> None:
    async with memory(tmp_path / "m.db") as client:
        for text in ("", "n" * 1_001):
            tie = {"from": "Ann", "to": "Bob", "relationType": text}
            assert "at least 1" in await refused(client, "create_relations", relations=[tie])
            new = {"name": "Ann", "entityType": text, "observations": []}
            assert "at least 1" in await refused(client, "create_entities", entities=[new])


async def test_answers_about_what_is_longer_than_an_answer_are_bounded_and_say_so(tmp_path: Path) -> None:
    word, most = "coffee " * 20_000, 1_000
    huge = [
        {"type": "entity", "name": f"{at}{word}", "entityType": word, "observations": [word, word]} for at in range(5)
    ]
    big = {"type": "entity", "name": "B", "entityType": "x", "observations": [word, "short"]}
    ties = [{"type": "relation", "from": "B", "to": f"{at}{word}", "relationType": word} for at in range(50)]
    async with memory(tmp_path / "m.db", answer_chars=most, **imported(tmp_path, big, *huge, *ties)) as client:
        for tool, arguments in (
            ("read_graph", {}),
            ("search_nodes", {"query": "coffee"}),
            ("open_nodes", {"names": ["B", huge[0]["name"]]}),
            ("neighbours", {"name": "B", "depth": 2}),
        ):
            answer = await told(client, tool, **arguments)
            assert len(json.dumps(answer, ensure_ascii=False)) < 10 * most, tool
            assert "export_graph has them whole" in answer["note"], tool
        (entity,) = (await told(client, "open_nodes", names=["B"]))["entities"]
        assert entity["observations"] == [word[: most - 1] + "…"] and entity["omitted"] == 1
        (entity,) = (await told(client, "open_nodes", names=["B"], observationsFrom=1))["entities"]
        assert entity["observations"] == ["short"]
        assert len(json.dumps(await told(client, "graph_statistics"))) < 10_000
        assert (await client.call_tool("export_graph", {})).text.startswith(lines(big))


async def test_an_entity_that_fills_an_answer_leaves_room_for_what_it_is_related_to(tmp_path: Path) -> None:
    full = {**ANN, "observations": ["x" * 990, "y" * 990]}
    ties = [{"from": "Ann", "to": f"{at:03}", "relationType": "knows"} for at in range(100)]
    items = imported(tmp_path, full, *({"type": "relation", **tie} for tie in ties))
    async with memory(tmp_path / "m.db", answer_chars=1_000, **items) as client:
        for tool, arguments in (("open_nodes", {"names": ["Ann"]}), ("search_nodes", {"query": "ann"})):
            answer = await told(client, tool, **arguments)
            assert 0 < len(answer["relations"]) < 100 and "neighbours shows" in answer["note"]
        near = await told(client, "neighbours", name="Ann")
        assert len(near["relations"]) > len(answer["relations"]) and "narrow by relationType" in near["note"]
        assert names(near) == ["Ann"]


def test_a_line_out_of_all_proportion_is_refused_with_the_option_that_lets_it_in(tmp_path: Path) -> None:
    options = imported(tmp_path, ANN, {**ANN, "observations": ["x" * 2_000]})
    with pytest.raises(DefinitionError, match=r"Line 2 has more than 1,000 characters, which --max-line raises"):
        make(Settings(file=str(tmp_path / "m.db"), max_line=1_000, **options))


def test_a_file_that_is_too_large_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with (tmp_path / "big.jsonl").open("wb") as file:
        file.truncate(256 * 1024 * 1024 + 1)
    with pytest.raises(DefinitionError, match=r"larger than .* cut it into files of whole lines"):
        make(Settings(file=str(tmp_path / "m.db"), import_file=(str(tmp_path / "big.jsonl"),)))


async def test_what_a_file_given_at_the_start_loses_is_logged_and_stands_in_the_statistics(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tie = {"type": "relation", "from": "Ann", "to": "Bob", "relationType": "knows"}
    items = [ANN, {**ANN, "entityType": "robot"}, ANN, tie, tie]
    async with memory(tmp_path / "m.db", **imported(tmp_path, *items)) as client:
        notes = (await told(client, "graph_statistics"))["notes"]
    assert [note.split()[:2] for note in notes] == [["1", "entities"], ["1", "entities"], ["1", "relations"]]
    assert "both forms are kept" in notes[0] and all("Ann" in note for note in notes)
    assert [record.getMessage() for record in caplog.records] == [f"--import-file: {note}" for note in notes]


TWICE: list[dict[str, Any]] = [
    {**ANN, "observations": ["a", "shared"]},
    {**ANN, "entityType": "robot", "observations": ["shared", "b", "b"], "mood": "good"},
    {"type": "entity", "name": "Bob", "entityType": "person", "observations": []},
    {"type": "relation", "from": "Ann", "to": "Bob", "relationType": "knows"},
    {"type": "relation", "from": "Ann", "to": "Bob", "relationType": "knows", "since": 2024},
]


async def test_an_entity_of_two_types_is_one_to_search_and_two_to_export(tmp_path: Path) -> None:
    async with memory(tmp_path / "m.db", **imported(tmp_path, *TWICE)) as client:
        (ann,) = (await told(client, "open_nodes", names=["Ann"]))["entities"]
        assert ann["observations"] == ["a", "shared", "b"]
        assert ann["entityType"] == ANN["entityType"] and ann["otherTypes"] == ["robot"]
        exported = (await client.read_resource("memory://export")).contents[0].text or ""
    assert exported == lines(*TWICE)
    again = tmp_path / "again"
    again.mkdir()
    async with memory(again / "m.db", **imported(again, *TWICE)) as client:
        await told(client, "import_graph", lines=exported)  # nothing of it is new
        assert (await client.read_resource("memory://export")).contents[0].text == exported


async def test_what_is_deleted_is_gone_from_all_forms(tmp_path: Path) -> None:
    async with memory(tmp_path / "m.db", **imported(tmp_path, *TWICE)) as client:
        gone = [{"entityName": "Ann", "observations": ["shared"]}]
        await told(client, "delete_observations", deletions=gone)
        exported = (await client.read_resource("memory://export")).contents[0].text or ""
        found = [json.loads(line) for line in exported.splitlines()]
        assert [item.get("observations") for item in found[:2]] == [["a"], ["b", "b"]]
        await told(client, "delete_entities", entityNames=["Ann"])
        await told(client, "create_entities", entities=[{**ANN, "observations": []}])
        await told(client, "create_relations", relations=[{"from": "Ann", "to": "Bob", "relationType": "knows"}])
        exported = (await client.read_resource("memory://export")).contents[0].text or ""
    assert "robot" not in exported and "2024" not in exported


async def test_an_entity_of_two_types_is_found_and_counted_by_both(tmp_path: Path) -> None:
    async with memory(tmp_path / "m.db", **imported(tmp_path, *TWICE)) as client:
        for kind in ("person", "robot"):
            found = await told(client, "search_nodes", query="shared", entityType=kind)
            assert found["entities"][0]["otherTypes"] == ["robot"]
        assert names(await told(client, "search_nodes", query="robo")) == ["Ann"]
        counts = (await told(client, "graph_statistics"))["entityTypes"]
        assert counts == [{"type": "person", "count": 2}, {"type": "robot", "count": 1}]
        await told(client, "delete_entities", entityNames=["Ann"])
        assert names(await told(client, "search_nodes", query="robo")) == []
        assert (await told(client, "graph_statistics"))["entityTypes"] == [{"type": "person", "count": 1}]


async def test_what_two_forms_say_both_say_when_they_are_exported(tmp_path: Path) -> None:
    items = [
        {**ANN, "observations": ["x"]},
        {**ANN, "entityType": "robot", "observations": ["y"]},
        {**ANN, "observations": ["y"]},
    ]
    async with memory(tmp_path / "m.db", **imported(tmp_path, *items)) as client:
        exported = (await client.read_resource("memory://export")).contents[0].text or ""
    assert exported == lines({**ANN, "observations": ["x", "y"]}, items[1])


async def test_other_fields_of_a_relation_are_a_change_that_is_announced_once(tmp_path: Path) -> None:
    tie = {"type": "relation", "from": "Ann", "to": "Bob", "relationType": "knows"}
    graph = Graph(tmp_path / "m.db", read_only=False, max_bytes=2**30)
    settings = Settings(file=str(tmp_path / "m.db"))
    for line, changed in (
        (tie, {"Ann", "Bob"}),
        (tie, set()),
        ({**tie, "since": 2024}, {"Ann", "Bob"}),
        ({**tie, "since": 2024}, set()),
    ):
        touched: set[str] = set()
        found = list(read(lines(line)))
        graph.write(
            partial(lambda found, touched, db: Writer(settings, touched).take_in(db, found), found, touched), touched
        )
        assert touched == changed
    graph.close()


@pytest.mark.timeout(60)
async def test_an_import_whose_call_is_cancelled_takes_nothing_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, ended, going = asyncio.Event(), asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()
    take_in = Writer.take_in

    def slow(self: Writer, db: Any, found: Any, *stopped: Any) -> Any:
        def one_by_one() -> Iterator[Any]:
            for line in found:
                yield line
                loop.call_soon_threadsafe(begun.set)
                going.wait(30)

        try:
            return take_in(self, db, one_by_one(), *stopped)
        finally:
            loop.call_soon_threadsafe(ended.set)

    monkeypatch.setattr(Writer, "take_in", slow)
    async with memory(tmp_path / "m.db", "2026-07-28") as client:
        given = lines(*({**ANN, "name": f"n{number}"} for number in range(3)))
        call = asyncio.create_task(client.call_tool("import_graph", {"lines": given}))
        await begun.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await told(client, "graph_statistics")  # which arrives after what cancels the call
        going.set()
        await ended.wait()
        await told(client, "create_entities", entities=[])  # which waits for the other write
        assert (await told(client, "graph_statistics"))["entities"] == 0
