"""Two who write at once: in threads and in processes, nobody's change is lost."""

import asyncio
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from dovetail import Client
from dovetail.errors import ToolError
from dovetail.servers.notes import Folder, Notebook, Settings
from dovetail.servers.notes.importing import take_in
from tests.house import ROOT
from tests.servers.notes.worlds import notes, told


def book(folder: Path) -> Notebook:
    return Notebook(Folder(folder, 1_000), Settings(directory=str(folder)))


async def add_lines(client: Client, who: str, count: int) -> int:
    """Add lines by reading, changing and updating, again after each conflict; return how many conflicts there were."""
    conflicts = 0
    for number in range(count):
        while True:
            note = await told(client, "read_note", name="all")
            text = f"{note['text']}{who} {number}\n"
            result = await client.call_tool("update_note", {"name": "all", "text": text, "revision": note["revision"]})
            if not result.is_error:
                break
            assert "changed since you read it" in result.text, result.text
            conflicts += 1
    return conflicts


def expected(writers: int, count: int) -> list[str]:
    return sorted(f"w{writer} {number}" for writer in range(writers) for number in range(count))


@pytest.mark.timeout(60)
async def test_many_callers_of_one_server_lose_nothing(tmp_path: Path) -> None:
    (tmp_path / "all.md").write_text("")
    async with notes(tmp_path, no_watch=True) as client:
        conflicts = sum(await asyncio.gather(*(add_lines(client, f"w{n}", 8) for n in range(4))))
    assert sorted((tmp_path / "all.md").read_text().splitlines()) == expected(4, 8)
    assert conflicts, "they did get into each other's way"
    assert os.listdir(tmp_path) == ["all.md"]


@pytest.mark.timeout(60)
async def test_several_processes_on_one_folder_lose_nothing(tmp_path: Path) -> None:
    (tmp_path / "all.md").write_text("")
    command = [sys.executable, "-m", "dovetail", "serve", "notes", str(tmp_path), "--no-watch"]

    async def one(number: int) -> int:
        async with Client(command, env={"PYTHONPATH": str(ROOT / "src")}) as client:
            return await add_lines(client, f"w{number}", 10)

    await asyncio.gather(*(one(number) for number in range(3)))
    assert sorted((tmp_path / "all.md").read_text().splitlines()) == expected(3, 10)


def test_of_many_who_make_the_same_note_one_does_and_appends_are_all_there(tmp_path: Path) -> None:
    made: list[int] = []
    ready = threading.Barrier(8)

    def work(number: int) -> None:
        mine = book(tmp_path)
        ready.wait()
        try:
            mine.create("deep/same", f"{number}\n")
            made.append(number)
        except ToolError as error:
            assert "already" in str(error)
        mine.append("deep/same", f"line {number}\n")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    lines = (tmp_path / "deep" / "same.md").read_text().splitlines()
    assert lines[0] == str(made[0]) and sorted(lines[1:]) == [f"line {n}" for n in range(8)]


def test_a_file_that_another_program_makes_at_that_moment_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look and the name there is no gap: the name is given by a link, which fails where something is."""
    real = os.link

    def late(*args: object, **options: object) -> None:
        (tmp_path / "new.md").write_text("theirs")
        real(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "link", late)
    with pytest.raises(ToolError, match="already"):
        book(tmp_path).create("new", "ours")
    assert (tmp_path / "new.md").read_text() == "theirs"
    assert [path.name for path in tmp_path.iterdir()] == ["new.md"]


def test_a_file_system_without_hard_links_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*args: object, **options: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", none)
    mine = book(tmp_path)
    mine.create("new", "ours")
    with pytest.raises(ToolError, match="already"):
        mine.create("new", "again")
    assert (tmp_path / "new.md").read_text() == "ours"
    assert [path.name for path in tmp_path.iterdir()] == ["new.md"]


def test_a_note_keeps_its_permissions_and_a_failed_write_leaves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.md"
    path.write_text("one")
    path.chmod(0o640)
    mine = book(tmp_path)
    mine.update("a", "two", mine.read("a")[1], keep_front_matter=True)
    assert path.read_text() == "two" and path.stat().st_mode & 0o777 == 0o640

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ToolError, match="disk is full"):
        mine.update("a", "three", mine.read("a")[1], keep_front_matter=True)
    assert path.read_text() == "two"
    assert [found.name for found in tmp_path.iterdir()] == ["a.md"]


def test_who_waits_too_long_for_the_lock_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dovetail.servers.notes.folder.LOCK_SECONDS", 0.02)
    mine, other = book(tmp_path), Folder(tmp_path, 10)
    with other.writing(), pytest.raises(ToolError, match="Another process is writing"):
        mine.create("a", "x")
    mine.create("a", "x")


@pytest.mark.timeout(60)
async def test_a_process_killed_while_it_writes_leaves_whole_notes(tmp_path: Path) -> None:
    (tmp_path / "all.md").write_text("0" * 100_000)
    code = (
        "import sys; from pathlib import Path; from dovetail.servers.notes import *\n"
        "book = Notebook(Folder(Path(sys.argv[1]), 10), Settings(directory=sys.argv[1]))\n"
        "n = 0\n"
        "while True:\n"
        "    n += 1; book.update('all', str(n % 10) * 100_000, book.read('all')[1], keep_front_matter=True)\n"
        "    print(n, flush=True)\n"
    )
    environment = {"PYTHONPATH": str(ROOT / "src"), "PATH": os.environ["PATH"]}
    for rounds in (1, 3, 8):
        writer = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, str(tmp_path), stdout=asyncio.subprocess.PIPE, env=environment
        )
        assert writer.stdout is not None
        for _ in range(rounds):
            await writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
        await writer.wait()
        text = (tmp_path / "all.md").read_text()
        assert len(text) == 100_000 and len(set(text)) == 1
        book(tmp_path).append("all", "")  # the lock went with its holder


@pytest.mark.timeout(60)
async def test_an_import_whose_call_is_cancelled_stops_and_keeps_what_it_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, other = tmp_path / "notes", tmp_path / "other"
    for made in (folder, other):
        made.mkdir()
    for number in range(5):
        (other / f"n{number}.md").write_text(str(number))
    begun, ended = asyncio.Event(), asyncio.Event()
    going = threading.Event()
    loop = asyncio.get_running_loop()
    create = Notebook.create_among

    def slow(self: Notebook, *args: Any) -> Any:
        written = create(self, *args)
        loop.call_soon_threadsafe(begun.set)
        going.wait(30)
        return written

    def taking(*args: Any) -> Any:
        try:
            return take_in(*args)
        finally:
            loop.call_soon_threadsafe(ended.set)

    monkeypatch.setattr("dovetail.servers.notes.tools.take_in", taking)
    monkeypatch.setattr(Notebook, "create_among", slow)
    async with notes(folder, "2026-07-28", import_folder=(str(other),), no_watch=True) as client:
        call = asyncio.create_task(client.call_tool("import_folder"))
        await begun.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await told(client, "list_notes")  # which arrives after what cancels the call
        going.set()
        await ended.wait()
        assert (await told(client, "list_notes"))["total"] == 1
    assert os.listdir(folder) == ["n0.md"]


def test_what_another_import_took_in_at_the_same_moment_is_told_as_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, other = tmp_path / "notes", tmp_path / "other"
    for made in (folder, other):
        made.mkdir()
    (other / "same.md").write_text("one")
    (other / "other.md").write_text("one")
    create = Notebook.create_among

    def outrun(self: Notebook, among: int, name: str, text: str) -> Any:
        (folder / f"{name}.md").write_text(text if name == "same" else "two")
        return create(self, among, name, text)

    monkeypatch.setattr(Notebook, "create_among", outrun)
    taken = take_in(book(folder), other, "", lambda files: None, lambda: False)
    assert (taken.unchanged, list(taken.skipped), taken.created) == (1, ["other.md"], [])
