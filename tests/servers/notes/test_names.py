"""What a note may be called, and that no name leads anywhere else (S-19)."""

import itertools
import os
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.errors import ToolError, UnsafePath
from dovetail.servers.notes import Folder, Notebook, Settings
from dovetail.servers.notes.names import importable, is_folder, name_of, steps_of, tamed, uri_of, why_not
from dovetail.store import safe_join
from dovetail.wire import Template
from tests.store.test_paths import UNSAFE

ODD = st.text(st.sampled_from("./\\:%*~ \x00\n\u202eaé世\uff0f\u2025") | st.characters())


@pytest.mark.req("S-19")
@pytest.mark.parametrize(
    "name", [*UNSAFE, ".hidden", "a/.hidden", "", " ", "a//b", "/a", "a/", "x.md.md", "n" * 600, "é" * 101]
)
def test_a_name_that_could_lead_out_or_is_hidden_is_refused(name: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside.md"
    outside.write_text("secret")
    root = tmp_path / "notes"
    root.mkdir()
    book = Notebook(Folder(root, 100), Settings(directory=str(root)))
    for work in (
        lambda: book.read(name),
        lambda: book.create(name, "x"),
        lambda: book.update(name, "x", "r" * 32, keep_front_matter=True),
        lambda: book.append(name, "x"),
        lambda: book.delete(name, "r" * 32),
    ):
        with pytest.raises(ToolError) as caught:
            work()
        assert str(tmp_path) not in str(caught.value) and str(caught.value).isascii()
    assert not list(root.iterdir())
    assert outside.read_text() == "secret"


@pytest.mark.req("S-19")
@given(ODD)
def test_every_name_that_is_taken_is_a_safe_path_of_a_file_with_that_very_name(name: str) -> None:
    try:
        steps = steps_of(name)
    except ToolError:
        assert why_not(name.removesuffix(".md")) is not None
        return
    path = safe_join("root", *steps)
    assert path.parts[0] == "root" and path.suffix == ".md" and not any(step.startswith(".") for step in steps)
    assert name_of(steps) == name.removesuffix(".md")


@given(ODD)
def test_the_uri_of_a_note_leads_back_to_it(name: str) -> None:
    if why_not(name) is None:
        assert Template("note://{+name}").match(uri_of(name)) == {"name": name}


@given(st.lists(ODD.filter(lambda step: step and "/" not in step), min_size=1, max_size=20))
def test_whatever_a_file_is_called_elsewhere_there_is_a_name_for_it_here(steps: list[str]) -> None:
    name = tamed([*steps[:-1], steps[-1] + ".md"])
    assert why_not(name) is None
    assert name == tamed([*steps[:-1], steps[-1] + ".md"])


def test_a_plain_name_is_kept_when_it_is_taken_in() -> None:
    assert tamed(["My notes", "Ärger 2024.md"]) == "My notes/Ärger 2024"
    assert [tamed([step]) for step in ("a:b?.md", "con.md", "x .md", "...md", "a.md.md")] == [
        "a-b-", "_con", "x", tamed(["...md"]), "a",
    ]  # fmt: skip
    long = tamed(["x" * 190] * 5 + ["y.md"])
    assert long == tamed(["x" * 190] * 5 + ["y.md"]) != tamed(["x" * 190] * 5 + ["z.md"])
    assert why_not(long) is None
    assert importable("a.MD") and importable("b.markdown")
    assert not importable(".a.md") and not importable("a.txt")
    assert is_folder("") and is_folder("a/b") and not is_folder("..") and not is_folder("a/")


@pytest.mark.req("S-19")
@pytest.mark.timeout(60)
@pytest.mark.skipif(os.name != "posix", reason="links and descriptors of POSIX")
def test_nothing_outside_is_touched_while_somebody_swaps_a_folder_for_a_link(tmp_path: Path) -> None:
    root, outside = tmp_path / "notes", tmp_path / "outside"
    (root / "a").mkdir(parents=True)
    outside.mkdir()
    gone = tmp_path / "gone"
    gone.mkdir()
    (outside / "n.md").write_text("secret")
    (outside / "keep.md").write_text("secret")
    over = threading.Event()

    def swap() -> None:
        for number in itertools.count():
            if over.is_set():
                break
            os.rename(root / "a", gone / str(number))
            # Who writes may have made the folder again just now: then the link waits for the next turn.
            with suppress(FileExistsError):
                os.symlink(outside, root / "a")
                os.unlink(root / "a")
                os.mkdir(root / "a")

    swapper = threading.Thread(target=swap)
    swapper.start()
    book = Notebook(Folder(root, 1_000), Settings(directory=str(root)))
    done = 0
    try:
        for number in range(300):
            for work in (
                lambda number=number: book.create(f"a/new{number}", "mine"),
                lambda: book.append("a/n", "mine"),
                lambda: book.delete("a/keep", book.read("a/keep")[1]),
                lambda: pytest.fail("read") if "secret" in book.read("a/n")[0] else None,
            ):
                try:
                    work()
                    done += 1
                except (ToolError, UnsafePath):
                    pass
            assert "secret" not in str(book.scan())
    finally:
        over.set()
        swapper.join()
    assert {path.name: path.read_text() for path in outside.iterdir()} == {"n.md": "secret", "keep.md": "secret"}
    assert done, "some of it went through"


@pytest.mark.req("S-19")
def test_links_and_things_that_are_no_file_are_neither_read_nor_replaced(tmp_path: Path) -> None:
    outside, root = tmp_path / "outside.md", tmp_path / "notes"
    outside.write_text("secret")
    root.mkdir()
    (root / "link.md").symlink_to(outside)
    (root / "dangling.md").symlink_to(tmp_path / "new.md")
    (root / "folder").symlink_to(tmp_path)
    os.mkfifo(root / "fifo.md")
    (root / "dir.md").mkdir()
    book = Notebook(Folder(root, 100), Settings(directory=str(root)))
    scan = book.scan()
    assert scan.notes == {} and scan.ignored == 3
    for name in ("link", "dangling", "folder/outside", "fifo", "dir"):
        for work in (
            lambda name=name: book.read(name),
            lambda name=name: book.create(name, "x"),
            lambda name=name: book.append(name, "x"),
        ):
            with pytest.raises(ToolError):
                work()
    assert outside.read_text() == "secret"
    assert not (tmp_path / "new.md").exists()


def test_a_folder_with_the_name_of_a_notes_file_is_called_one(tmp_path: Path) -> None:
    (tmp_path / "x.md").mkdir()
    book = Notebook(Folder(tmp_path, 100), Settings(directory=str(tmp_path)))
    for work in (lambda: book.read("x"), lambda: book.create("x", "text"), lambda: book.append("x", "text")):
        with pytest.raises(ToolError, match=r"A folder has the name of this note's file.*Choose another name"):
            work()


def test_what_a_writer_left_who_was_killed_goes_when_it_is_old_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / ".hidden").mkdir()
    mine = f".dovetail-{'0a' * 8}.tmp"
    old = [f"deep/{mine}", mine, ".dovetail-x.tmp", ".other.tmp", "note.md", f".hidden/{mine}"]
    young = ["deep/.dovetail-0123456789abcdef.tmp"]
    for name in (*old, *young):
        (tmp_path / name).write_text("x")
    for name in old:
        os.utime(tmp_path / name, (1, 1))
    Folder(tmp_path, 100).tidy()
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert left == sorted([*old[2:], *young])
