"""The files server as a client has it: each tool on real files, on both eras; what the model reads when it fails."""

import asyncio
import base64
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dovetail import Client
from dovetail.errors import DefinitionError, PeerError
from dovetail.servers.files import Settings, make
from dovetail.servers.files.server import find_ripgrep
from dovetail.wire import AudioContent, ImageContent, PromptReference, ResourceTemplateReference
from tests.servers.files.conftest import SECRET
from tests.servers.files.test_beneath import everything_outside, links

WRITING = {"write_file", "edit_file", "create_directory", "move_file", "delete_file"}


@pytest.fixture(params=["2025-11-25", "2026-07-28"])
async def client(request: pytest.FixtureRequest, house: Path) -> AsyncIterator[Client]:
    async with Client(make(Settings(directories=(str(house),), watch=0)), revision=request.param) as opened:
        yield opened


async def done(client: Client, name: str, /, **arguments: Any) -> Any:
    result = await client.call_tool(name, arguments)
    assert not result.is_error, result.text
    return result.structured


async def text(client: Client, name: str, /, **arguments: Any) -> str:
    result = await client.call_tool(name, arguments)
    assert not result.is_error, result.text
    return "".join(block.text for block in result.content)  # type: ignore[union-attr]


async def refused(client: Client, name: str, /, **arguments: Any) -> str:
    result = await client.call_tool(name, arguments)
    assert result.is_error, result.text
    return result.text


async def test_a_text_file_is_read_whole_and_in_parts(client: Client, house: Path) -> None:
    lines = [f"line {number}\n" for number in range(1, 101)]
    (house / "lines.txt").write_text("".join(lines))
    for path in ("lines.txt", f"{house}/lines.txt", (house / "lines.txt").as_uri()):
        assert await text(client, "read_text_file", path=path) == "".join(lines)
    assert await text(client, "read_text_file", path="lines.txt", head=2) == "line 1\nline 2\n"
    assert await text(client, "read_text_file", path="lines.txt", tail=2) == "line 99\nline 100\n"
    assert await text(client, "read_text_file", path="lines.txt", first_line=50, last_line=51) == "line 50\nline 51\n"
    assert await text(client, "read_text_file", path="lines.txt", first_line=100) == "line 100\n"
    assert "fewer than 500 lines" in await text(client, "read_text_file", path="lines.txt", first_line=500)
    assert "not for several" in await refused(client, "read_text_file", path="lines.txt", head=1, tail=1)
    assert "last_line" in await refused(client, "read_text_file", path="lines.txt", first_line=3, last_line=2)


async def test_a_large_file_is_cut_and_the_note_says_how_to_go_on(house: Path) -> None:
    lines = [f"line {number}\n" for number in range(1, 20_001)]
    (house / "large.txt").write_text("".join(lines))
    async with Client(make(Settings(directories=(str(house),), watch=0, max_read=100_000))) as client:
        whole, at = "", 1
        while True:
            result = await client.call_tool("read_text_file", {"path": "large.txt", "first_line": at})
            whole += result.content[0].text  # type: ignore[union-attr]
            if len(result.content) == 1:
                break
            at = int(result.content[1].text.split("first_line=")[1].split()[0])  # type: ignore[union-attr]
        assert whole == "".join(lines)
        assert len(await text(client, "read_text_file", path="large.txt", tail=20_000)) < 101_000


async def test_pictures_sounds_and_other_files_are_read(client: Client, house: Path) -> None:
    for name, data in (("p.png", b"\x89PNG\r\n\x1a\n"), ("s.wav", b"RIFF"), ("x.bin", b"\0\1"), ("t.csv", b"a,b\n")):
        (house / name).write_bytes(data)
    picture, sound, other, table = [
        (await client.call_tool("read_media_file", {"path": name})).content[0]
        for name in ("p.png", "s.wav", "x.bin", "t.csv")
    ]
    assert picture == ImageContent(data=base64.b64encode(b"\x89PNG\r\n\x1a\n").decode(), mime_type="image/png")
    assert sound == AudioContent(data=base64.b64encode(b"RIFF").decode(), mime_type="audio/x-wav")
    assert other.resource.blob == base64.b64encode(b"\0\1").decode()  # type: ignore[union-attr]
    assert other.resource.uri == (house / "x.bin").as_uri()  # type: ignore[union-attr]
    assert table.resource.text == "a,b\n"  # type: ignore[union-attr]


async def test_bytes_are_read_in_parts(client: Client, house: Path) -> None:
    (house / "x.bin").write_bytes(bytes(range(256)))
    found = await done(client, "read_binary_file", path="x.bin", offset=250, length=4)
    assert base64.b64decode(found["base64"]) == bytes(range(250, 254))
    assert (found["size"], found["length"], found["next_offset"]) == (256, 4, 254)
    assert (await done(client, "read_binary_file", path="x.bin", offset=254))["next_offset"] is None
    assert (await done(client, "read_binary_file", path="x.bin", offset=300))["length"] == 0


async def test_several_files_are_read_and_one_that_fails_spoils_none(client: Client, house: Path) -> None:
    (house / "x.bin").write_bytes(b"\xff")
    result = await client.call_tool(
        "read_multiple_files", {"paths": ["docs/a.txt", "nope", "../a.txt", "x.bin", "docs/deep/b.txt"]}
    )
    texts = [block.text for block in result.content]  # type: ignore[union-attr]
    assert texts[0] == "docs/a.txt:\nfine"
    assert "is not there" in texts[1]
    assert "Error: '../a.txt': The path holds a step up" in texts[2]
    assert "not UTF-8" in texts[3]
    assert texts[4] == "docs/deep/b.txt:\nfine"
    assert SECRET not in "".join(texts)


async def test_several_files_are_bounded_together(house: Path) -> None:
    for number in range(4):
        (house / f"{number}.txt").write_text("x" * 700 + "\n")
    async with Client(make(Settings(directories=(str(house),), watch=0, max_read=1024))) as client:
        result = await client.call_tool("read_multiple_files", {"paths": [f"{number}.txt" for number in range(4)]})
        assert len(result.text) < 2000
        assert "Ask for this file again" in result.content[3].text  # type: ignore[union-attr]
        (house / "large").write_bytes(b"x" * 2000)
        assert "read_binary_file" in await refused(client, "read_media_file", path="large")
        with pytest.raises(PeerError):
            await client.read_resource((house / "large").as_uri())


async def test_a_file_is_written_and_written_over(client: Client, house: Path) -> None:
    made = await done(client, "write_file", path="new.txt", content="é\n")
    assert made == {"path": "new.txt", "uri": (house / "new.txt").as_uri(), "size": 3, "created": True}
    again = await done(client, "write_file", path=f"{house}/new.txt", content="x")
    assert (again["created"], again["path"]) == (False, f"{house}/new.txt")
    assert (house / "new.txt").read_text() == "x"
    told = await refused(client, "write_file", path="no/such/file.txt", content="x")
    assert told.endswith("the directory that it is to lie in is not there. Make it with create_directory.")


async def test_too_much_is_not_written(house: Path) -> None:
    async with Client(make(Settings(directories=(str(house),), watch=0, max_write=10))) as client:
        assert "10 are the limit" in await refused(client, "write_file", path="x", content="x" * 11)
        (house / "large").write_text("x" * 11)
        edit = {"old_text": "x", "new_text": "y", "everywhere": True}
        assert "10 are the limit" in await refused(client, "edit_file", path="large", edits=[edit])
    assert not (house / "x").exists()


async def test_a_file_is_edited_and_a_dry_run_changes_nothing(client: Client, house: Path) -> None:
    (house / "e.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo\r\n")
    edits = [{"old_text": "one\ntwo", "new_text": "1\n2"}]
    shown = await text(client, "edit_file", path="e.txt", edits=edits, dry_run=True)
    assert "-one" in shown
    assert "+1" in shown
    assert "dry run" in shown
    assert (house / "e.txt").read_bytes() == b"\xef\xbb\xbfone\r\ntwo\r\n"
    await text(client, "edit_file", path="e.txt", edits=edits)
    assert (house / "e.txt").read_bytes() == b"\xef\xbb\xbf1\r\n2\r\n"
    assert "does not stand in the file" in await refused(client, "edit_file", path="e.txt", edits=edits)
    same = [{"old_text": "1", "new_text": "1"}]
    assert "Nothing changed" in await text(client, "edit_file", path="e.txt", edits=same)


async def test_edits_at_the_same_time_lose_nothing(client: Client, house: Path) -> None:
    names = [f"word{number}" for number in range(12)]
    (house / "e.txt").write_text("\n".join(f"{name}." for name in names))
    await asyncio.gather(
        *(
            text(client, "edit_file", path="e.txt", edits=[{"old_text": f"{name}.", "new_text": f"{name}!"}])
            for name in names
        )
    )
    assert (house / "e.txt").read_text() == "\n".join(f"{name}!" for name in names)


async def test_directories_are_made_listed_and_drawn(client: Client, house: Path) -> None:
    assert await done(client, "create_directory", path="x/y") == {"path": "x/y", "changed": True}
    assert await done(client, "create_directory", path="x/y") == {"path": "x/y", "changed": False}
    (house / "link").symlink_to("docs")
    (house / "big.txt").write_text("x" * 100)
    found = await done(client, "list_directory")
    assert [(entry["name"], entry["kind"], entry["size"]) for entry in found["entries"]] == [
        ("big.txt", "file", 100), ("docs", "directory", None), ("link", "link", None), ("x", "directory", None),
    ]  # fmt: skip
    page = await done(client, "list_directory", offset=1, limit=2)
    assert ([entry["name"] for entry in page["entries"]], page["total"], page["next_offset"]) == (
        ["docs", "link"],
        4,
        3,
    )
    large = await done(client, "list_directory", sort_by="size")
    assert large["entries"][0]["name"] == "big.txt"
    assert await text(client, "directory_tree") == (
        "./\n  big.txt\n  docs/\n    a.txt\n    deep/\n      b.txt\n  link@\n  x/\n    y/"
    )
    assert await text(client, "directory_tree", depth=1, exclude_patterns=["*.txt"]) == (
        "./\n  docs/ ...\n  link@\n  x/ ..."
    )
    for tool, arguments in (("list_directory", {}), ("directory_tree", {}), ("search_files", {"pattern": "*"})):
        assert "is a file. Read it with" in await refused(client, tool, path="big.txt", **arguments)
    (house / "x" / "node_modules" / "much").mkdir(parents=True)
    assert (await text(client, "directory_tree", path="x")) == "x/\n  node_modules/ ...\n  y/"
    assert (await text(client, "directory_tree", path="x/node_modules")) == "x/node_modules/\n  much/"


async def test_files_are_found_by_name(client: Client, house: Path) -> None:
    (house / "README.md").touch()
    assert (await done(client, "search_files", pattern="*.txt"))["paths"] == ["docs/a.txt", "docs/deep/b.txt"]
    assert (await done(client, "search_files", pattern="readme*"))["paths"] == ["README.md"]
    absolute = await done(client, "search_files", pattern="b.txt", path=f"{house}/docs")
    assert absolute["paths"] == [f"{house}/docs/deep/b.txt"]
    none = await done(client, "search_files", pattern="*.txt", exclude_patterns=["deep"])
    assert none == {"paths": ["docs/a.txt"], "note": ""}
    cut = await done(client, "search_files", pattern="*", limit=1)
    assert "more than 1" in cut["note"]
    assert "pattern" in await refused(client, "search_files", pattern="")


async def test_files_are_found_by_content(client: Client, house: Path) -> None:
    found = await done(client, "search_text", pattern="fin", path="docs")
    assert [(match["path"], match["line"], match["text"]) for match in found["matches"]] == [
        ("docs/a.txt", 1, "fine"), ("docs/deep/b.txt", 1, "fine"),
    ]  # fmt: skip
    assert "not understood" in await refused(client, "search_text", pattern="(", regex=True)
    assert "is not there" in await refused(client, "search_text", pattern="x", path="nope/x")


async def test_what_a_file_is_is_told(client: Client, house: Path) -> None:
    (house / "docs" / "a.txt").chmod(0o640)
    found = await done(client, "get_file_info", path="docs/a.txt")
    assert (found["kind"], found["size"], found["permissions"]) == ("file", 4, "-rw-r-----")
    assert (found["uri"], found["mime_type"]) == ((house / "docs" / "a.txt").as_uri(), "text/plain")
    (house / "link").symlink_to("../a.txt")
    assert (await done(client, "get_file_info", path="link"))["kind"] == "link"
    assert (await done(client, "get_file_info", path="."))["kind"] == "directory"


async def test_files_are_moved_and_deleted(client: Client, house: Path) -> None:
    assert (await done(client, "move_file", source="docs/a.txt", destination="b.txt"))["path"] == "b.txt"
    assert "is there already" in await refused(client, "move_file", source="b.txt", destination="docs")
    assert "into itself" in await refused(client, "move_file", source="docs", destination="docs/deep/x")
    told = await refused(client, "move_file", source="b.txt", destination="no/b.txt")
    assert told == "'no/b.txt': the directory that it is to lie in is not there. Make it with create_directory."
    assert (await refused(client, "move_file", source="nope", destination="c")).startswith("'nope' is not there.")
    assert "something in it" in await refused(client, "delete_file", path="docs")
    await done(client, "delete_file", path="b.txt")
    assert not (house / "b.txt").exists()
    assert "is not there" in await refused(client, "delete_file", path="b.txt")


async def test_a_read_only_server_offers_nothing_that_writes(house: Path) -> None:
    async with Client(make(Settings(directories=(str(house),), read_only=True, watch=0))) as client:
        tools = {tool.name for tool in await client.list_tools()}
        assert not tools & WRITING
        assert (await done(client, "list_allowed_directories"))["read_only"] is True
        for name in WRITING:
            with pytest.raises(PeerError, match="Unknown tool"):
                await client.call_tool(name, {"path": "x"})


async def test_every_tool_says_what_it_does_and_whether_it_is_safe(client: Client) -> None:
    tools = {tool.name: tool for tool in await client.list_tools()}
    assert WRITING < set(tools)
    for name, tool in tools.items():
        hints = tool.annotations
        assert hints is not None
        assert hints.read_only_hint is (name not in WRITING)
        assert None not in (hints.destructive_hint, hints.idempotent_hint, hints.open_world_hint)
        assert len(tool.description or "") > 60
        schema = msgspec.json.decode(tool.input_schema)
        assert all("description" in shape for shape in schema.get("properties", {}).values()), name
    structured = {name for name, tool in tools.items() if tool.output_schema is not None}
    assert structured >= {"list_directory", "search_files", "search_text", "get_file_info", "write_file", "move_file"}


async def test_files_and_directories_are_resources(client: Client, house: Path) -> None:
    (house / "a b.md").write_text("# x")
    (contents,) = (await client.read_resource((house / "a b.md").as_uri())).contents
    assert (contents.uri, contents.mime_type, contents.text) == ((house / "a b.md").as_uri(), "text/markdown", "# x")
    (house / "x.png").write_bytes(b"\x89PNG")
    (picture,) = (await client.read_resource((house / "x.png").as_uri())).contents
    assert (picture.mime_type, picture.blob) == ("image/png", base64.b64encode(b"\x89PNG").decode())
    (folder,) = (await client.read_resource(house.as_uri())).contents
    assert [entry["name"] for entry in json.loads(folder.text or "")["entries"]] == ["a b.md", "docs", "x.png"]
    (allowed,) = (await client.read_resource("files://directories")).contents
    assert json.loads(allowed.text or "")["directories"] == [{"path": str(house), "uri": house.as_uri()}]
    assert [template.uri_template for template in await client.list_resource_templates()] == ["file:///{+path}"]


async def test_a_file_that_is_too_large_for_a_resource_says_which_tool_reads_it(house: Path) -> None:
    (house / "large").write_text("x" * 5_000)
    async with Client(make(Settings(directories=(str(house),), max_read=4_096))) as client:
        with pytest.raises(PeerError, match=r"The file has 5000 bytes; .* Use read_text_file") as caught:
            await client.read_resource((house / "large").as_uri())
    assert caught.value.code == -32602


@pytest.mark.req("S-19")
@pytest.mark.parametrize(
    "uri",
    ["file:///etc/passwd", "file://{house}/../a.txt", "file://{house}/%2e%2e/a.txt", "file://{house}-x/a.txt",
     "file://{house}/out/a.txt", "file://{house}/nope", "file://{house}/docs/%2e%2e/%2e%2e/a.txt", "file:///",
     "file://{house}/..%2fa.txt", "file://{house}%2f..%2fa.txt"],
)  # fmt: skip
async def test_a_resource_elsewhere_is_not_found(client: Client, house: Path, uri: str) -> None:
    (house / "out").symlink_to("..")
    with pytest.raises(PeerError) as caught:
        await client.read_resource(uri.format(house=house))
    assert caught.value.code in (-32002, -32602)
    assert SECRET not in str(caught.value)


async def test_paths_are_completed(client: Client, house: Path) -> None:
    template = ResourceTemplateReference(uri="file:///{+path}")
    (house / "out").symlink_to("..")
    begun = str(house)[1:]
    assert (await client.complete(template, "path", f"{begun}/d")).values == [f"{begun}/docs/"]
    assert (await client.complete(template, "path", f"{begun}/docs/")).values == [
        f"{begun}/docs/a.txt", f"{begun}/docs/deep/",
    ]  # fmt: skip
    assert (await client.complete(template, "path", "")).values == [f"{begun}/"]
    for elsewhere in ("etc/", f"{begun}/out/", f"{begun}/../"):
        assert (await client.complete(template, "path", elsewhere)).values == []
    prompt = PromptReference(name="explain_directory")
    assert (await client.complete(prompt, "path", "")).values == ["docs/"]
    assert (await client.complete(prompt, "path", "docs/d")).values == ["docs/deep/"]
    assert (await client.complete(prompt, "path", f"{house}/d")).values == [f"{house}/docs/"]


async def test_a_path_that_is_suggested_is_read_as_it_stands_in_the_uri(client: Client, house: Path) -> None:
    template = ResourceTemplateReference(uri="file:///{+path}")
    names = ["q%20.md", "q#1.md", "q?x=1.md", "q%25.md", "q ä.md"]
    for name in names:
        (house / name).write_text(name)
    begun = str(house)[1:]
    found = (await client.complete(template, "path", f"{begun}/q")).values
    read = [(await client.read_resource(f"file:///{path}")).contents[0].text for path in found]
    assert sorted(map(str, read)) == sorted(names)
    for path in found:
        assert path in (await client.complete(template, "path", path)).values


async def test_the_prompt_holds_the_tree_and_the_readme(client: Client, house: Path) -> None:
    (house / "README.md").write_text("# All of it")
    result = await client.get_prompt("explain_directory", {})
    said = result.messages[0].content.text  # type: ignore[union-attr]
    assert "  docs/\n    a.txt" in said
    assert "# All of it" in said
    (house / "README.md").unlink()
    (house / "README.md").symlink_to("../a.txt")
    result = await client.get_prompt("explain_directory", {"path": str(house)})
    assert SECRET not in result.messages[0].content.text  # type: ignore[union-attr]


def everything_inside(house: Path) -> list[str]:
    return sorted(str(path) for path in house.rglob("*"))


def calls(path: str) -> dict[str, dict[str, Any]]:
    """Every tool that takes a path, with that path."""
    edit = [{"old_text": SECRET, "new_text": "x"}]
    return {
        "read_text_file": {"path": path},
        "read_media_file": {"path": path},
        "read_binary_file": {"path": path},
        "read_multiple_files": {"paths": [path]},
        "get_file_info": {"path": path},
        "list_directory": {"path": path},
        "directory_tree": {"path": path},
        "search_files": {"path": path, "pattern": "*"},
        "search_text": {"path": path, "pattern": SECRET},
        "write_file": {"path": path, "content": "x"},
        "edit_file": {"path": path, "edits": edit},
        "create_directory": {"path": path},
        "move_file": {"source": path, "destination": "moved"},
        "delete_file": {"path": path},
    }


@pytest.mark.req("S-19")
@pytest.mark.timeout(60)
async def test_no_tool_follows_a_path_that_leads_out(house: Path) -> None:
    paths = [
        *links(house), "../a.txt", "..", "../data-x", f"{house}-x/a.txt", f"{house}/../a.txt",
        str(house.parent / "a.txt"),
        "/etc/passwd", "/etc", "docs/../../a.txt", "%2e%2e/a.txt", "file:///etc/passwd", f"file://{house}/../a.txt",
        "file://elsewhere/a", "..\\a.txt", "a.txt\0", "~/../a.txt", "/proc/self/environ", "//etc/passwd",
    ]  # fmt: skip
    outside = everything_outside(house)
    inside = everything_inside(house)
    async with Client(make(Settings(directories=(str(house),), watch=0))) as client:
        for path in paths:
            for name, arguments in calls(path).items():
                if name in ("delete_file", "move_file", "get_file_info") and (house / path).is_symlink():
                    continue  # the link itself is a thing below the root
                result = await client.call_tool(name, arguments)
                shown = json.dumps([block.text for block in result.content])  # type: ignore[union-attr]
                assert result.is_error or name == "read_multiple_files", (name, path, shown)
                assert SECRET not in shown
                assert "root:" not in shown
    assert everything_outside(house) == outside
    assert everything_inside(house) == inside


pieces = st.text(max_size=4) | st.sampled_from(
    ["..", ".", "/", "docs", "a.txt", "out", "%2e%2e", "data-x", "file:", "~"]
)


@pytest.mark.req("S-19")
@pytest.mark.timeout(120)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.lists(pieces, max_size=6).map("/".join), st.sampled_from(sorted(calls(""))))
async def test_no_text_makes_a_tool_tell_what_is_outside(house: Path, path: str, name: str) -> None:
    if not (house / "out").is_symlink():
        (house / "out").symlink_to("..")
    outside = everything_outside(house)
    async with Client(make(Settings(directories=(str(house),), watch=0, ripgrep="none"))) as client:
        try:
            result = await client.call_tool(name, calls(path)[name])
        except PeerError:
            return
        assert SECRET not in result.text.replace(path, "")
    assert everything_outside(house) == outside


def test_settings_that_make_no_sense_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (str(tmp_path / "nope"), str(tmp_path / "file"), ""):
        with pytest.raises(DefinitionError, match="DIR"):
            make(Settings(directories=(path,)))
    with pytest.raises(DefinitionError, match="ripgrep"):
        make(Settings(directories=(str(tmp_path),), ripgrep=str(tmp_path / "nope")))
    assert find_ripgrep("none") is None
    assert find_ripgrep(sys.executable) == sys.executable


@pytest.mark.req("S-29")
async def test_characters_that_nobody_sees_are_taken_out_when_it_is_asked_for(house: Path) -> None:
    (house / "x.txt").write_text("a\u200bb\u202ec\x1b[2Jd")
    async with Client(make(Settings(directories=(str(house),), watch=0))) as client:
        assert await text(client, "read_text_file", path="x.txt") == "a\u200bb\u202ec\x1b[2Jd"
    async with Client(make(Settings(directories=(str(house),), watch=0, sanitize=True))) as client:
        assert "\u200b" not in await text(client, "read_text_file", path="x.txt")
        (contents,) = (await client.read_resource((house / "x.txt").as_uri())).contents
        assert "\u202e" not in (contents.text or "")


async def test_of_several_roots_relative_paths_begin_at_the_first(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.txt").write_text(name)
    given = (str(tmp_path / "one"), str(tmp_path / "two"))
    async with Client(make(Settings(directories=given, watch=0))) as client:
        assert await text(client, "read_text_file", path="x.txt") == "one"
        assert await text(client, "read_text_file", path=f"{tmp_path}/two/x.txt") == "two"
        await done(client, "move_file", source="x.txt", destination=f"{tmp_path}/two/y.txt")
        assert (tmp_path / "two" / "y.txt").read_text() == "one"
        assert [one["path"] for one in (await done(client, "list_allowed_directories"))["directories"]] == list(given)


# Roots of the client.


@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
async def test_without_directories_the_client_names_them(house: Path, revision: str) -> None:
    roots = [house]
    async with Client(make(Settings(watch=10)), revision=revision, roots=lambda: roots) as client:
        assert await text(client, "read_text_file", path="docs/a.txt") == "fine"
        assert (await done(client, "search_text", pattern="fine", path=str(house)))["matches"]
        assert "outside" in await refused(client, "read_text_file", path=f"{house}-x/a.txt")
        (contents,) = (await client.read_resource((house / "docs" / "a.txt").as_uri())).contents
        assert contents.text == "fine"
        await done(client, "write_file", path="new.txt", content="x")
        roots[0] = house.parent / "data-x"
        assert await text(client, "read_text_file", path="a.txt") == SECRET
        roots[:] = [house / "nope"]
        assert "no directory of this machine" in await refused(client, "read_text_file", path="a.txt")


@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
async def test_without_any_directories_the_model_reads_what_to_do(revision: str) -> None:
    async with Client(make(Settings(watch=0)), revision=revision) as client:
        for name, arguments in calls("x").items():
            if name != "read_multiple_files":
                assert "dovetail serve files DIR" in await refused(client, name, **arguments)
        template = ResourceTemplateReference(uri="file:///{+path}")
        assert (await client.complete(template, "path", "etc/")).values == []
