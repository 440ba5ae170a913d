"""Each tool, as a client of either era uses it, on a real folder."""

import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dovetail import Client
from dovetail.errors import DefinitionError, PeerError
from dovetail.servers.notes import Settings, make
from dovetail.servers.notes.finding import searched
from dovetail.servers.notes.folder import Folder
from dovetail.servers.notes.notebook import Notebook
from dovetail.wire import PromptReference, ResourceTemplateReference
from tests.house import ROOT
from tests.servers.notes.worlds import BEANS, CAFE, TOMATOES, everything, fill, notes, refused, told

READING = {"list_notes", "search_notes", "read_note"}
WRITING = {"create_note", "update_note", "append_to_note", "delete_note"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "notes"
    found.mkdir()
    fill(found)
    return found


@pytest.fixture(params=["2025-11-25", "2026-07-28"])
async def client(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Client]:
    async with notes(folder, request.param) as client:
        yield client


async def test_every_tool_says_what_it_does_and_has_schemas_both_ways(client: Client) -> None:
    tools = {tool.name: tool for tool in await client.list_tools()}
    assert set(tools) == READING | WRITING
    for name, tool in tools.items():
        hints = tool.annotations
        assert hints is not None and hints.title and hints.open_world_hint is False
        assert hints.read_only_hint is (name in READING)
        assert hints.destructive_hint is (name in {"update_note", "delete_note"})
        assert hints.idempotent_hint is (name != "append_to_note")
        assert tool.description and len(tool.description) > 40 and tool.output_schema
        properties = json.loads(bytes(tool.input_schema))["properties"]
        assert all(one.get("description") for one in properties.values()), name


async def test_notes_are_listed_by_folder_by_tag_and_by_age(client: Client, folder: Path) -> None:
    all_of_them = await told(client, "list_notes")
    assert [note["name"] for note in all_of_them["notes"]] == ["Zürich", "garden/beans", "garden/tomatoes"]
    assert all_of_them["notes"][2]["title"] == "Tomatoes" and all_of_them["notes"][2]["tags"] == ["garden", "food"]
    assert all_of_them["notes"][0]["uri"] == "note://Z%C3%BCrich"
    assert [note["name"] for note in (await told(client, "list_notes", folder="garden/"))["notes"]] == [
        "garden/beans",
        "garden/tomatoes",
    ]
    assert [note["name"] for note in (await told(client, "list_notes", tag="#cafe"))["notes"]] == ["Zürich"]
    os.utime(folder / "garden" / "beans.md", (2e9, 2e9))
    first = await told(client, "list_notes", newest=True, limit=1)
    assert [note["name"] for note in first["notes"]] == ["garden/beans"] and first["total"] == 3
    rest = await told(client, "list_notes", newest=True, cursor=first["nextCursor"])
    assert len(rest["notes"]) == 2 and "nextCursor" not in rest
    assert "begin again" in await refused(client, "list_notes", cursor="x")
    assert "folder" in await refused(client, "list_notes", folder="../..")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("water", ["garden/tomatoes", "garden/beans"]),
        ("water pole", ["garden/beans", "garden/tomatoes"]),
        ("CAFE zurich", ["Zürich"]),
        ('"tomatoes daily"', ["garden/tomatoes"]),
        ("hidden", []),
        ("food", ["garden/tomatoes"]),
    ],
)
async def test_what_people_look_for_is_found(client: Client, query: str, found: list[str]) -> None:
    hits = (await told(client, "search_notes", query=query))["hits"]
    assert sorted(hit["name"] for hit in hits) == sorted(found)
    assert not found or len(query.split()) == 1 or hits[0]["name"] == found[0]


async def test_snippets_say_where_and_missing_says_what_not(client: Client) -> None:
    (hit,) = (await told(client, "search_notes", query="daily zebra", tag="garden"))["hits"]
    assert hit["snippets"] == [{"line": 9, "text": "Water the tomatoes daily."}] and hit["missing"] == ["zebra"]
    assert "Give a word" in await refused(client, "search_notes", query=" ")


async def test_a_note_is_read_byte_for_byte(client: Client) -> None:
    note = await told(client, "read_note", name="Zürich.md")
    assert note["text"] == CAFE and note["name"] == "Zürich" and len(note["revision"]) == 32
    assert "list_notes" in await refused(client, "read_note", name="nowhere")
    assert "dot" in await refused(client, "read_note", name=".secret")


async def test_a_note_is_made_once(client: Client, folder: Path) -> None:
    done = await told(client, "create_note", name="new/deep/Note one", text="# Hi\n")
    assert (folder / "new" / "deep" / "Note one.md").read_text() == "# Hi\n"
    assert (await told(client, "read_note", name="new/deep/Note one"))["revision"] == done["revision"]
    assert "already" in await refused(client, "create_note", name="new/deep/Note one.md", text="lost")
    assert (folder / "new" / "deep" / "Note one.md").read_text() == "# Hi\n"


async def test_a_note_that_changed_since_it_was_read_is_not_overwritten_and_not_deleted(
    client: Client, folder: Path
) -> None:
    path = folder / "garden" / "beans.md"
    read = await told(client, "read_note", name="garden/beans")
    done = await told(client, "update_note", name="garden/beans", text="mine", revision=read["revision"])
    assert path.read_text() == "mine"
    path.write_text("somebody else's")
    for stale in (read["revision"], done["revision"]):
        text = await refused(client, "update_note", name="garden/beans", text="lost", revision=stale)
        assert "changed since you read it" in text and "read_note" in text
        assert "changed since" in await refused(client, "delete_note", name="garden/beans", revision=stale)
    assert path.read_text() == "somebody else's"
    again = await told(client, "read_note", name="garden/beans")
    await told(client, "delete_note", name="garden/beans", revision=again["revision"])
    assert not path.exists()
    assert "no note" in await refused(client, "delete_note", name="garden/beans", revision=again["revision"])


async def test_front_matter_stays_as_it_is_unless_it_is_sent(client: Client, folder: Path) -> None:
    path = folder / "garden" / "tomatoes.md"
    above = TOMATOES[: TOMATOES.index("# Growing")]
    read = await told(client, "read_note", name="garden/tomatoes")
    done = await told(client, "update_note", name="garden/tomatoes", text="new\n", revision=read["revision"])
    assert path.read_text() == above + "new\n" and "kept" in done["note"]
    own = "---\ntags: [mine]\n---\nnew\n"
    done = await told(client, "update_note", name="garden/tomatoes", text=own, revision=done["revision"])
    assert path.read_text() == own and "note" not in done
    options: dict[str, Any] = {"revision": done["revision"], "keepFrontMatter": False}
    await told(client, "update_note", name="garden/tomatoes", text="bare", **options)
    assert path.read_text() == "bare"


async def test_adding_to_the_end_begins_a_line_of_its_own(client: Client, folder: Path) -> None:
    await told(client, "append_to_note", name="Zürich", text="Closed on Monday.")
    await told(client, "append_to_note", name="Zürich", text="And Tuesday.\n")
    assert (folder / "Zürich.md").read_bytes() == (CAFE + "Closed on Monday.\nAnd Tuesday.\n").encode()
    assert "no note" in await refused(client, "append_to_note", name="nowhere", text="x")


async def test_nothing_else_in_the_folder_is_touched(client: Client, folder: Path) -> None:
    before = everything(folder)
    read = await told(client, "read_note", name="garden/beans")
    await told(client, "update_note", name="garden/beans", text="x", revision=read["revision"])
    await told(client, "create_note", name="made", text="x")
    after = everything(folder)
    assert after.pop("made.md") == b"x"
    assert after.pop("garden/beans.md") == b"x" and before.pop("garden/beans.md") == BEANS.encode()
    assert after == before


async def test_resources_and_completion(client: Client) -> None:
    assert [found.uri for found in await client.list_resources()] == [
        "note://Z%C3%BCrich",
        "note://garden/beans",
        "note://garden/tomatoes",
    ]
    read = (await client.read_resource("note://garden/beans")).contents[0]
    assert read.text == BEANS and read.mime_type == "text/markdown"
    for uri in ("note://nowhere", "note://.secret", "note://../x", "note://%2e%2e/x", "note://picture.png"):
        with pytest.raises(PeerError, match="Resource not found"):
            await client.read_resource(uri)
    template = ResourceTemplateReference(uri="note://{+name}")
    assert (await client.complete(template, "name", "GARDEN/")).values == ["garden/beans", "garden/tomatoes"]
    assert (await client.complete(PromptReference(name="digest"), "subject", "toma")).values == ["garden/tomatoes"]


async def test_the_prompts_bring_what_the_notes_say(client: Client) -> None:
    summed = await client.get_prompt("digest", {"subject": "water"})
    assert len(summed.messages) == 3
    assert "Beans need" in "".join(message.content.text for message in summed.messages)  # type: ignore[union-attr]
    assert len((await client.get_prompt("digest", {"subject": '"'})).messages) == 1
    written = await client.get_prompt("write_down", {"name": "today", "about": "beans"})
    assert "update_note" in written.messages[0].content.text  # type: ignore[union-attr]


@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
async def test_read_only_offers_nothing_that_writes_and_could_not(folder: Path, revision: str) -> None:
    from dovetail.errors import ToolError
    from dovetail.servers.notes import Folder, Notebook

    async with notes(folder, revision, read_only=True) as client:
        assert {tool.name for tool in await client.list_tools()} == READING
        assert [prompt.name for prompt in await client.list_prompts()] == ["digest"]
        assert (await told(client, "read_note", name="garden/beans"))["text"] == BEANS
    book = Notebook(Folder(folder, 10), Settings(directory=str(folder), read_only=True))
    for work in (lambda: book.create("x", "y"), lambda: book.append("x", "y"), lambda: book.delete("x", "y")):
        with pytest.raises(ToolError, match="read-only"):
            work()


async def test_limits_are_said_with_what_to_do(folder: Path) -> None:
    (folder / "big.md").write_text("x" * 3_000)
    (folder / "latin.md").write_bytes(b"caf\xe9")
    async with notes(folder, max_bytes=2_000, max_notes=5, answer_chars=1_000, listed=2) as client:
        assert "larger than 2,000 bytes" in await refused(client, "read_note", name="big")
        assert "not UTF-8" in await refused(client, "read_note", name="latin")
        assert "not UTF-8" in await refused(client, "append_to_note", name="latin", text="x")
        assert "2,000 bytes" in await refused(client, "append_to_note", name="Zürich", text="x" * 1_999)
        assert "NUL" in await refused(client, "append_to_note", name="Zürich", text="\0")
        assert "--max-notes" in await refused(client, "create_note", name="sixth", text="x")
        assert len(await client.list_resources()) == 2
        assert len((await told(client, "list_notes"))["notes"]) == 5
    (folder / "long.md").write_text("é" * 1_500)
    async with notes(folder, max_notes=5, answer_chars=1_000) as client:
        assert "left out" in (await told(client, "list_notes"))["note"]
        first = await told(client, "read_note", name="long")
        rest = await told(client, "read_note", name="long", offset=first["nextOffset"])
        assert first["text"] + rest["text"] == "é" * 1_500 and "nextOffset" not in rest


async def test_a_folder_is_taken_in_whatever_its_files_are_called(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / "sub" / ".git").mkdir(parents=True)
    files = {
        "plain.md": "one", "sub/a:b?.markdown": "two", "sub/con.MD": "three", "sub/x\u202ey.md": "four",
        ".hidden.md": "no", "sub/.git/config.md": "no", "image.png": "no", "sub/text.txt": "no",
    }  # fmt: skip
    for name, text in files.items():
        (other / name).write_text(text)
    (other / "latin.md").write_bytes(b"\xe9")
    (other / "link.md").symlink_to("/etc/hostname")
    (other / "loop").symlink_to(other)
    before = everything(other)
    async with notes(folder, import_folder=(str(other),)) as client:
        done = await told(client, "import_folder", into="old")
        assert sorted(done["created"]) == ["old/plain", "old/sub/_con", "old/sub/a-b-", "old/sub/x y"]
        assert done["renamed"] == {
            "sub/a:b?.markdown": "old/sub/a-b-",
            "sub/con.MD": "old/sub/_con",
            "sub/x\u202ey.md": "old/sub/x y",
        }
        assert set(done["skipped"]) == {"latin.md", "link.md"}
        assert {"old/" + text for text in ("one", "two", "three", "four")} == {
            "old/" + (await told(client, "read_note", name=name))["text"] for name in done["created"]
        }
        again = await told(client, "import_folder", into="old")
        assert (again["created"], again["unchanged"]) == ([], 4)
        (other / "plain.md").write_text("changed")
        third = await told(client, "import_folder", into="old")
        assert third["created"] == [] and "another note" in third["skipped"]["plain.md"]
        assert (folder / "old" / "plain.md").read_text() == "one"
        assert "folder" in await refused(client, "import_folder", into="../out")
        assert "1 folders" in await refused(client, "import_folder", number=2)
    (other / "plain.md").write_text("one")
    assert everything(other) == before


@pytest.mark.parametrize("end", ["---", "..."])
async def test_a_front_matter_that_ends_the_file_stays_one(folder: Path, end: str) -> None:
    async with notes(folder) as client:
        made = await told(client, "create_note", name="a", text=f"---\ntags: [pole]\n{end}")
        await told(client, "update_note", name="a", text="Beans need a pole.", revision=made["revision"])
        assert (folder / "a.md").read_text() == f"---\ntags: [pole]\n{end}\nBeans need a pole."
        assert [note["name"] for note in (await told(client, "list_notes", tag="pole"))["notes"]] == ["a"]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"directory": "nowhere"}, "directory: expected a folder"),
        ({"directory": ""}, "directory"),
        ({"directory": ".", "import_folder": ("nowhere",)}, "import_folder: expected a folder"),
        ({"directory": ".", "import_folder": (".",), "read_only": True}, "import_folder"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DefinitionError, match=expected) as caught:
        make(Settings(**settings))
    assert str(tmp_path) not in str(caught.value)


async def test_a_folder_that_goes_away_is_said_without_its_path(folder: Path) -> None:
    async with notes(folder, no_watch=True) as client:
        os.rename(folder, folder.with_name("elsewhere"))
        text = await refused(client, "list_notes")
        assert "not there any more" in text and str(folder) not in text


@pytest.mark.timeout(60)
async def test_over_stdio_as_a_host_starts_it(folder: Path) -> None:
    command = [sys.executable, "-m", "dovetail", "serve", "notes", str(folder)]
    async with Client(command, env={"PYTHONPATH": str(ROOT / "src")}) as client:
        await told(client, "create_note", name="made", text="x")
        async with client.listen(resources=["note://made"]) as changes:
            (folder / "made.md").write_text("outside")
            assert (await anext(changes)).uri == "note://made"
        assert (await told(client, "read_note", name="made"))["text"] == "outside"


async def test_a_tilde_is_the_home_folder(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "one.md").write_text("# One\n")
    async with Client(make(Settings(directory="~/notes", import_folder=("~/old",), no_watch=True))) as client:
        assert len((await told(client, "list_notes"))["notes"]) == 3
        assert not (await client.call_tool("import_folder")).is_error
        assert (folder / "one.md").exists()


def test_a_search_that_takes_too_long_says_how_far_it_came(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"n{number}.md").write_text("green tea")
    book = Notebook(Folder(tmp_path, 10), Settings(directory=str(tmp_path), search_seconds=2.0))
    seconds = iter(range(100))
    found = searched(book, "tea", "", None, None, 10, lambda: float(next(seconds)))
    assert len(found.hits) == 3
    assert found.note is not None and "Only 3 of 5 notes were looked at" in found.note
    assert searched(book, "tea", "", None, None, 10).total == 5
