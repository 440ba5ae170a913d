"""The import: what it takes in, whatever the files are called, and how many notes there may be then."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from dovetail.servers.notes import Folder, Notebook, Settings
from dovetail.servers.notes.importing import take_in
from tests.servers.notes.worlds import fill, notes, refused, told


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names of files are Unicode there")
async def test_files_whose_names_are_no_utf_8_are_taken_in_and_told_by_their_bytes(tmp_path: Path) -> None:
    folder, other = tmp_path / "notes", tmp_path / "other"
    for made in (folder, other):
        made.mkdir()
    for name, data in ((b"caf\xe9.md", b"coffee"), (b"th\xe9.md", b"\xe9")):
        (other / os.fsdecode(name)).write_bytes(data)
    async with notes(folder, import_folder=(str(other),)) as client:
        done = await told(client, "import_folder")
        assert done["renamed"] == {"caf\\xe9.md": "caf"}
        assert done["skipped"] == {"th\\xe9.md": "not UTF-8"}
        assert (await told(client, "import_folder"))["unchanged"] == 1


async def test_imports_at_once_make_no_more_notes_than_there_may_be(tmp_path: Path) -> None:
    folder, other = tmp_path / "notes", tmp_path / "other"
    for made in (folder, other):
        made.mkdir()
    for number in range(30):
        (other / f"n{number}.md").write_text(str(number))
    async with notes(folder, import_folder=(str(other),), max_notes=40, no_watch=True) as client:
        both = await asyncio.gather(*(told(client, "import_folder", into=into) for into in ("a", "b")))
        assert sum(len(one["created"]) for one in both) == 40 == (await told(client, "list_notes"))["total"]
        assert "--max-notes" in await refused(client, "create_note", name="one more", text="")


def test_an_import_counts_what_other_processes_made_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, other = tmp_path / "notes", tmp_path / "other"
    for made in (folder, other):
        made.mkdir()
    for number in range(5):
        (other / f"n{number}.md").write_text(str(number))
    create = Notebook.create_among

    def outrun(self: Notebook, among: int, name: str, text: str) -> None:
        (folder / f"other {name}.md").write_text("")
        create(self, among, name, text)

    monkeypatch.setattr(Notebook, "create_among", outrun)
    monkeypatch.setattr("dovetail.servers.notes.importing._COUNTED_SECONDS", 0.0)
    book = Notebook(Folder(folder, 1_000), Settings(directory=str(folder), max_notes=5))
    assert len(take_in(book, other, "", lambda files: None, lambda: False).created) == 3


@pytest.mark.parametrize("into", ["", "old"])
async def test_notes_that_lie_in_the_imported_folder_are_left_out(tmp_path: Path, into: str) -> None:
    (tmp_path / "a.md").write_text("A")
    inside = tmp_path / "some" / "notes"
    inside.mkdir(parents=True)
    (inside / "own.md").write_text("own")
    async with notes(inside, import_folder=(str(tmp_path),)) as client:
        assert (await told(client, "import_folder", into=into))["created"] == [f"{into}/a".strip("/")]
        for _ in range(2):
            again = await told(client, "import_folder", into=into)
            assert again["created"] == [] and again["unchanged"] == 1


async def test_notes_are_copied_within_themselves_once(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("A")
    (tmp_path / "z").mkdir()
    async with notes(tmp_path, import_folder=(str(tmp_path),)) as client:
        assert (await told(client, "import_folder", into="z/new"))["created"] == ["z/new/a"]
        assert (await told(client, "import_folder", into="z/new"))["created"] == []
        assert (await told(client, "import_folder"))["created"] == []


@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
async def test_an_import_looks_at_what_is_there_once_and_tells_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, revision: str
) -> None:
    folder, other = tmp_path / "notes", tmp_path / "other"
    for made in (folder, other):
        made.mkdir()
    fill(folder)
    for number in range(20):
        (other / f"n{number:02}.md").write_text(str(number))
    heard: list[float] = []
    scans = 0
    scan = Folder.scan

    def counted(self: Folder) -> Any:
        nonlocal scans
        scans += 1
        return scan(self)

    monkeypatch.setattr("dovetail.servers.notes.importing._TOLD_SECONDS", 0.0)
    async with notes(folder, revision, import_folder=(str(other),), max_notes=22, no_watch=True) as client:
        monkeypatch.setattr(Folder, "scan", counted)
        result = await client.call_tool("import_folder", {}, on_progress=lambda told: heard.append(told.progress))
        assert len(result.structured["created"]) == 19, "and the limit counts what came meanwhile"
        assert "--max-notes" in result.structured["skipped"]["n19.md"]
    assert scans < 5
    assert heard and heard == sorted(heard) and heard[-1] <= 20
