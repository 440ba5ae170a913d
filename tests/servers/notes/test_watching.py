"""Changes are heard of: by this server, by another one, by any program; and the list is kept up."""

from pathlib import Path

import pytest

from tests.servers.notes.worlds import fill, notes, told

REVISIONS = ["2025-11-25", "2026-07-28"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    fill(tmp_path)
    return tmp_path


@pytest.mark.parametrize("revision", REVISIONS)
async def test_a_write_is_announced_to_who_subscribed(folder: Path, revision: str) -> None:
    async with notes(folder, revision, no_watch=True) as client:
        async with client.listen(resources=["note://garden/beans"]) as changes:
            await told(client, "append_to_note", name="garden/beans", text="more")
            assert (await anext(changes)).uri == "note://garden/beans"


@pytest.mark.parametrize("revision", REVISIONS)
async def test_what_another_program_does_is_announced(folder: Path, revision: str) -> None:
    async with notes(folder, revision) as client:
        await client.list_resources()
        async with client.listen(resources=["note://garden/beans"]) as changes:
            (folder / "garden" / "beans.md").write_text("from outside")
            assert (await anext(changes)).uri == "note://garden/beans"
            (folder / "garden" / "beans.md").unlink()
            assert (await anext(changes)).uri == "note://garden/beans"


@pytest.mark.parametrize("revision", REVISIONS)
async def test_the_list_is_kept_up_with_what_comes_and_goes(folder: Path, revision: str) -> None:
    async with notes(folder, revision) as client:
        async with client.listen(resources=True) as changes:
            (folder / "garden").rename(folder / "yard")
            while "note://yard/beans" not in [found.uri for found in await client.list_resources()]:
                assert (await anext(changes)).kind == "resources"
        uris = [found.uri for found in await client.list_resources()]
        assert sorted(uris) == ["note://Z%C3%BCrich", "note://yard/beans", "note://yard/tomatoes"]
        async with client.listen(resources=True) as changes:
            await told(client, "create_note", name="made", text="x")
            assert (await anext(changes)).kind == "resources"
            assert "note://made" in [found.uri for found in await client.list_resources()]


async def test_another_server_on_the_same_folder_is_heard(folder: Path) -> None:
    async with notes(folder) as one, notes(folder) as other:
        await one.list_tools()
        async with one.listen(resources=["note://Z%C3%BCrich"]) as changes:
            await told(other, "append_to_note", name="Zürich", text="more")
            assert (await anext(changes)).uri == "note://Z%C3%BCrich"
