"""What is looked at before libgit2 opens anything, in this process, where no kernel stands behind it."""

import itertools
import os
from pathlib import Path

import pytest

from dovetail.servers.git.places import Outside, check_links, locate, read_small
from dovetail.servers.git.repository import Refused, Repository
from dovetail.servers.git.worktree import Absent, look, read
from tests.servers.git.conftest import Maker

SECRET = b"the secret"


@pytest.fixture
def house(story: Maker) -> Path:
    outside = story.path.parent / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(SECRET)
    (story.path / "link").symlink_to(outside / "secret")
    (story.path / "folder").symlink_to(outside)
    os.mkfifo(story.path / "pipe")
    return story.path


@pytest.mark.req("S-19")
def test_a_file_of_the_working_tree_is_read_and_nothing_through_a_link(house: Path) -> None:
    assert read(house, (b"src", b"main.py"), 100) == b"print(1)\nprint(2)\n"
    assert read(house, (b"link",), 100) == os.fsencode(house.parent / "outside" / "secret")
    for steps in (
        (b"folder", b"secret"),
        (b"link", b"x"),
        (b"nothing",),
        (b"pipe",),
        (b"src",),
        (),
        (b"src", b"..", b"x"),
    ):
        with pytest.raises(Absent):
            assert read(house, steps, 100) != SECRET
    with pytest.raises(Absent):
        look(house, (b"folder", b"secret"))
    with pytest.raises(Absent):
        look(house, (b"a",) * 600)


def test_a_file_is_refused_at_one_byte_too_many(house: Path) -> None:
    (house / "ten").write_bytes(b"0123456789")
    assert read(house, (b"ten",), 10) == b"0123456789"
    with pytest.raises(Refused, match="at most 9 are read"):
        read(house, (b"ten",), 9)


@pytest.mark.req("S-19")
def test_what_was_moved_since_is_noticed_before_the_next_call(story: Maker) -> None:
    repository = Repository(locate(str(story.path)), 1_000, 1_000)
    repository.again()
    alternates = story.path / ".git" / "objects" / "info" / "alternates"
    alternates.parent.mkdir(exist_ok=True)
    other = Maker(story.path.parent / "other")
    alternates.write_text(str(other.path / ".git" / "objects"))
    with pytest.raises(Outside, match="alternates leads to a folder outside"):
        repository.again()
    alternates.write_text(str(story.path / "src"))
    with pytest.raises(Refused, match="was moved while it was served"):
        repository.again()


def test_a_linked_worktree_is_served_when_its_repository_was_named(story: Maker) -> None:
    tree = story.path.parent / "tree"
    story.git.add_worktree("tree", str(tree))
    with pytest.raises(Outside, match="--also FOLDER"):
        locate(str(tree))
    places = locate(str(tree), (str(story.path),))
    check_links(places)
    repository = Repository(places, 1_000, 1_000)
    assert repository.branch == "tree"
    assert repository.head is not None
    assert places.common == story.path / ".git"


def test_the_inside_of_a_working_tree_is_no_repository_of_its_own_and_says_what_is(story: Maker) -> None:
    inside = story.path / ".git"
    with pytest.raises(Outside, match=r"the \.git of a working tree: name the folder that it is in"):
        locate(str(inside))
    apart = story.path.parent / "apart"
    inside.rename(apart)
    with pytest.raises(Refused, match="belongs to a working tree"):
        Repository(locate(str(apart)), 1_000, 1_000)
    (apart / "config").write_text("[core]\n\tbare = true\n")
    Repository(locate(str(apart)), 1_000, 1_000)
    apart.rename(inside)
    assert Repository(locate(str(inside)), 1_000, 1_000).branch == "main"


def test_small_files_are_read_without_waiting_and_only_when_they_are_small(house: Path) -> None:
    (house / "small").write_bytes(b"x" * 10)
    assert read_small(house / "small", 10) == b"x" * 10
    for name, most in (("small", 9), ("pipe", 10), ("link", 10), ("src", 10)):
        with pytest.raises(Outside):
            read_small(house / name, most)
    with pytest.raises(FileNotFoundError):
        read_small(house / "nothing")


def test_alternates_of_alternates_are_followed_five_deep_and_in_circles_not(tmp_path: Path) -> None:
    top = Maker(tmp_path / "repo")
    stores = [top.path / ".git" / "objects", *(tmp_path / "repo" / f"store-{at}" for at in range(7))]
    for store, following in itertools.pairwise(stores):
        (store / "info").mkdir(parents=True, exist_ok=True)
        following.mkdir()
        (store / "info" / "alternates").write_text(f"# a comment\n{following}\n")
    with pytest.raises(Outside, match="too deep"):
        locate(str(top.path))
    (stores[5] / "info" / "alternates").unlink()
    assert len(locate(str(top.path)).stores) == 6
    (stores[1] / "info" / "alternates").write_text(f"{stores[0]}\n")
    with pytest.raises(Outside, match="too deep"):
        locate(str(top.path))
