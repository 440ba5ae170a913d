"""What can be set, what is refused before anything is served, limits, and reading only."""

import json
import os
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest

from dovetail import Client
from dovetail.errors import DefinitionError, StoreUnusable, ToolError
from dovetail.servers.memory import Graph, Settings, make
from dovetail.servers.memory.places import OURS, SCHEMA, data_file
from tests.house import ROOT
from tests.servers.memory.worlds import PEOPLE, TIES, fill, memory, names, refused, told

LINES = "\n".join(
    json.dumps(item, ensure_ascii=False, separators=(",", ":"))
    for item in [*({"type": "entity", **one} for one in PEOPLE), *({"type": "relation", **one} for one in TIES)]
)


@pytest.mark.timeout(60)
async def test_over_stdio_as_a_host_starts_it_in_the_users_data_directory(tmp_path: Path) -> None:
    environment = {"PYTHONPATH": str(ROOT / "src"), "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "data")}
    command = [sys.executable, "-m", "dovetail", "serve", "memory"]
    async with Client(command, env=environment) as client:
        await fill(client)
        assert await told(client, "read_graph") == {"entities": PEOPLE, "relations": TIES}
    async with Client(command, env=environment, revision="2025-11-25") as client:
        assert names(await told(client, "search_nodes", query="ann")) == ["Ann Lee"]
    if sys.platform == "linux":
        assert (tmp_path / "data" / "dovetail" / "memory.db").exists()


async def test_a_tilde_is_the_users_home_as_no_shell_stands_before_a_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "old.jsonl").write_text(LINES)
    async with Client(make(Settings(file="~/m.db", import_file=("~/old.jsonl",)))) as client:
        assert names(await told(client, "search_nodes", query="ann")) == ["Ann Lee"]
    assert (tmp_path / "m.db").exists()


def test_the_users_data_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert data_file() == tmp_path / ".local" / "share" / "dovetail" / "memory.db"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert data_file() == tmp_path / "Library" / "Application Support" / "dovetail" / "memory.db"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    assert data_file() == tmp_path / "AppData" / "Local" / "dovetail" / "memory.db"


@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
async def test_read_only_offers_nothing_that_writes_and_could_not(tmp_path: Path, revision: str) -> None:
    path = tmp_path / "m.db"
    async with memory(path) as client:
        await fill(client)
    before = path.read_bytes()
    async with memory(path, revision, read_only=True) as client:
        tools = await client.list_tools()
        assert all(tool.annotations is not None and tool.annotations.read_only_hint for tool in tools)
        assert [prompt.name for prompt in await client.list_prompts()] == ["recall"]
        assert names(await told(client, "search_nodes", query="ann")) == ["Ann Lee"]
    assert path.read_bytes() == before


async def test_below_read_only_nothing_can_write_either(tmp_path: Path) -> None:
    Graph(tmp_path / "m.db", read_only=False, max_bytes=2**30).close()
    graph = Graph(tmp_path / "m.db", read_only=True, max_bytes=2**30)
    with pytest.raises(ToolError, match="read-only"):
        graph.write(lambda db: None, set())
    with pytest.raises(ToolError, match="cannot be written"):
        graph.read(lambda db: db.execute("DELETE FROM entities"))
    graph.close()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"file": " "}, "expected the name of a file"),
        ({"file": "."}, "this is a directory"),
        ({"file": "notes.txt"}, "no database"),
        ({"file": "memory.jsonl"}, "--import-file"),
        ({"file": "none.db", "read_only": True}, "without --read-only"),
        ({"file": "new.db", "import_file": ("none.jsonl",)}, "none.jsonl.*: there is no such file"),
        ({"file": "memory.db", "import_file": ("memory.jsonl",), "read_only": True}, "import_file"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("hello, this is a note")
    (tmp_path / "memory.jsonl").write_text(LINES)
    with pytest.raises(DefinitionError, match=expected) as caught:
        make(Settings(**settings))
    assert str(tmp_path) not in str(caught.value)


async def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "other.db")
    db.execute("CREATE TABLE precious (x)")
    db.commit()
    db.close()
    before = (tmp_path / "other.db").read_bytes()
    with pytest.raises(DefinitionError, match="belongs to another program"):
        make(Settings(file=str(tmp_path / "other.db")))
    for read_only in (True, False):
        with pytest.raises(StoreUnusable, match="belongs to another program"):
            Graph(tmp_path / "other.db", read_only=read_only, max_bytes=2**30)
    assert (tmp_path / "other.db").read_bytes() == before


def test_a_copy_without_its_log_is_told_from_another_programs_database(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "m.db", isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")  # the first page is written, as an older version of ours left it
    db.execute(f"PRAGMA application_id = {OURS}")
    (tmp_path / "copy.db").write_bytes((tmp_path / "m.db").read_bytes())
    db.close()
    with pytest.raises(DefinitionError, match=r"-wal belongs to it: copy both"):
        make(Settings(file=str(tmp_path / "copy.db")))


async def test_the_file_may_be_a_link_to_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "m.db").symlink_to(tmp_path / "there" / "graph.db")
    for _ in range(2):
        async with memory(tmp_path / "m.db") as client:
            await fill(client)
    assert [found.name for found in (tmp_path / "there").iterdir()] == ["graph.db"]


def test_a_file_of_an_older_version_is_brought_up_to_date_by_whoever_may_write(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    db = sqlite3.connect(path)
    for statement in (*SCHEMA[0], f"PRAGMA application_id = {OURS}", "PRAGMA user_version = 1"):
        db.execute(statement)
    db.close()
    with pytest.raises(StoreUnusable, match=r"An older version .* start once without --read-only"):
        Graph(path, read_only=True, max_bytes=2**30)
    Graph(path, read_only=False, max_bytes=2**30).close()
    Graph(path, read_only=True, max_bytes=2**30).close()


def test_a_file_of_a_newer_version_and_a_damaged_one_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    Graph(path, read_only=False, max_bytes=2**30).close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(DefinitionError, match="newer version"):
        make(Settings(file=str(path)))
    with pytest.raises(StoreUnusable, match="newer version"):
        Graph(path, read_only=False, max_bytes=2**30)
    path.write_bytes(path.read_bytes()[:100] + os.urandom(5000))
    with pytest.raises(StoreUnusable, match="damaged"):
        Graph(path, read_only=False, max_bytes=2**30)


async def test_a_file_is_taken_in_once_for_each_content(tmp_path: Path) -> None:
    (tmp_path / "old.jsonl").write_text(LINES)
    options: dict[str, Any] = {"import_file": (str(tmp_path / "old.jsonl"),)}
    async with memory(tmp_path / "m.db", **options) as client:
        assert (await client.read_resource("memory://export")).contents[0].text == LINES
        await told(client, "delete_entities", entityNames=["Acme"])
    async with memory(tmp_path / "m.db", **options) as client:
        assert "Acme" not in names(await told(client, "read_graph")), "what was deleted stays deleted"
    (tmp_path / "old.jsonl").write_text(LINES + "\n")
    async with memory(tmp_path / "m.db", **options) as client:
        assert "Acme" in names(await told(client, "read_graph"))


@pytest.mark.parametrize(
    ("text", "expected"), [(b"{", "old.jsonl.*: Line 1 is no JSON; correct that line"), (b"\xff", "UTF-8")]
)
def test_a_file_that_cannot_be_taken_in_is_said(tmp_path: Path, text: bytes, expected: str) -> None:
    (tmp_path / "old.jsonl").write_bytes(text)
    with pytest.raises(DefinitionError, match=expected):
        make(Settings(file=str(tmp_path / "m.db"), import_file=(str(tmp_path / "old.jsonl"),)))


async def test_an_import_completes_and_tells_what_it_could_not_keep(tmp_path: Path) -> None:
    async with memory(tmp_path / "m.db") as client:
        await fill(client)
        more = (
            '{"type":"entity","name":"Acme","entityType":"band","observations":["sells coffee machines","is loud"]}\n'
            '{"type":"relation","from":"Acme","to":"Ann Lee","relationType":"pays","since":2019}\n'
            '{"type":"relation","from":"Ann Lee","to":"Acme","relationType":"works_at"}'
        )
        done = await told(client, "import_graph", lines=more)
        assert (done["entities"], done["merged"], done["relations"], done["observations"]) == (0, 1, 1, 1)
        assert "Line 1" in done["notes"][0] and "stays 'company'" in done["notes"][0]
        assert "Line 3" in done["notes"][1]
        assert '"relationType":"pays","since":2019}' in (await client.call_tool("export_graph", {})).text
        text = await refused(
            client, "import_graph", lines='{"type":"entity","name":"Z","entityType":"x","observations":[]}\n{'
        )
        assert "Line 2 is no JSON" in text
        assert "Z" not in names(await told(client, "read_graph")), "all or nothing"


async def test_limits_are_said_with_what_to_do(tmp_path: Path) -> None:
    async with memory(tmp_path / "m.db", max_observations=3, page_size=2, answer_chars=1_000) as client:
        await fill(client)
        facts = [{"entityName": "Acme", "contents": ["a", "b", "c"]}]
        assert "more than 3 observations" in await refused(client, "add_observations", observations=facts)
        many = [{"name": str(n), "entityType": "x", "observations": []} for n in range(1_001)]
        assert "1000" in await refused(client, "create_entities", entities=many)
        assert "1000" in await refused(client, "create_entities", entities=[{**PEOPLE[0], "name": "n" * 1_001}])
        assert "at least 1" in await refused(client, "create_entities", entities=[{**PEOPLE[0], "name": ""}])
        page = await told(client, "read_graph")
        assert len(page["entities"]) == 2 and page["nextCursor"]


async def test_a_long_entity_is_shown_in_parts(tmp_path: Path) -> None:
    facts = [f"fact {n:03} {'x' * 90}" for n in range(40)]
    async with memory(tmp_path / "m.db", answer_chars=1_000) as client:
        await told(client, "create_entities", entities=[{"name": "L", "entityType": "x", "observations": facts}])
        shown: list[str] = []
        while len(shown) < 40:
            (entity,) = (await told(client, "open_nodes", names=["L"], observationsFrom=len(shown)))["entities"]
            shown += entity["observations"]
            assert entity.get("omitted", 0) == 40 - len(entity["observations"])
        assert shown == facts
        (found,) = (await told(client, "search_nodes", query="007"))["entities"]
        assert "fact 007" in found["observations"][0] and found["omitted"] == 40 - len(found["observations"])


async def test_an_export_of_many_pages_is_the_whole(tmp_path: Path) -> None:
    async with memory(tmp_path / "m.db") as client:
        entities = [{"name": f"e{n}", "entityType": "x", "observations": [f"{n} {'y' * 9_000}"]} for n in range(50)]
        await told(client, "create_entities", entities=entities)
        lines: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            result = await client.call_tool("export_graph", cursor)
            texts = [block.text for block in result.content]  # type: ignore[union-attr]
            lines += texts[0].split("\n")
            if len(texts) == 1:
                break
            cursor = {"cursor": texts[1].split()[-1]}
        assert len(lines) == 50
        assert "\n".join(lines) == (await client.read_resource("memory://export")).contents[0].text
