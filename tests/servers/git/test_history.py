"""Ranges over histories of any shape: exactly what one side reaches and the other does not."""

import tempfile
from pathlib import Path

import pygit2
from hypothesis import given, settings
from hypothesis import strategies as st

from dovetail.servers.git.arguments import LogArgs
from dovetail.servers.git.history import log
from dovetail.servers.git.places import locate
from dovetail.servers.git.repository import Repository

shapes = st.lists(st.sets(st.integers(1, 6), max_size=3), min_size=2, max_size=14)


def _made(folder: Path, shape: list[set[int]]) -> tuple[Repository, list[str], list[set[str]]]:
    """Make commits whose parents are so many back; return them, and what each reaches."""
    git = pygit2.init_repository(str(folder))
    tree = git.TreeBuilder().write()
    ids: list[str] = []
    reached: list[set[str]] = []
    for at, back in enumerate(shape):
        parents = [at - one for one in sorted(back) if at >= one]
        by = pygit2.Signature("A", "a@x", 1_700_000_000 + at, 0)
        made = git.create_commit(None, by, by, str(at), tree, [pygit2.Oid(hex=ids[one]) for one in parents])
        ids.append(str(made))
        reached.append({ids[at]}.union(*(reached[one] for one in parents)))
    repository = Repository(locate(str(folder)), 1_000_000, 1_000_000)
    repository.start(30)
    return repository, ids, reached


@settings(max_examples=30, deadline=None)
@given(shapes, st.data())
def test_a_range_is_what_its_end_has_and_its_start_has_not(shape: list[set[int]], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        repository, ids, reached = _made(Path(folder), shape)
        one = data.draw(st.integers(0, len(ids) - 1))
        other = data.draw(st.integers(0, len(ids) - 1))

        def found(revision: str) -> list[str]:
            return [commit.commit for commit in log(repository, LogArgs(revision=revision, max_count=100)).commits]

        assert set(found(ids[one])) == reached[one]
        assert found(ids[one]) == sorted(found(ids[one]), key=ids.index, reverse=True)
        assert set(found(f"{ids[one]}..{ids[other]}")) == reached[other] - reached[one]
        both = set(found(f"{ids[one]}...{ids[other]}"))
        assert both >= reached[one] ^ reached[other]
        assert len(found(ids[other])) == len(set(found(ids[other])))


def test_pages_of_any_size_are_the_whole(tmp_path: Path) -> None:
    repository, ids, _ = _made(tmp_path, [set(), {1}, {1, 2}, {2}, {1, 2}, {1}])
    cursor, seen = "", []
    while True:
        page = log(repository, LogArgs(revision=ids[-1], max_count=2, cursor=cursor))
        seen += [commit.commit for commit in page.commits]
        if page.next is None:
            break
        cursor = page.next
    assert seen == [commit.commit for commit in log(repository, LogArgs(revision=ids[-1], max_count=100)).commits]


def test_a_page_that_is_full_before_its_count_says_so(tmp_path: Path) -> None:
    git = pygit2.init_repository(str(tmp_path))
    tree = git.TreeBuilder().write()
    parents: list[pygit2.Oid] = []
    by = pygit2.Signature("A", "a@x", 1_700_000_000, 0)
    for _ in range(5):
        parents = [git.create_commit(None, by, by, "x" * 10_000, tree, parents)]
    repository = Repository(locate(str(tmp_path)), 1_000_000, 25_000)
    page = log(repository, LogArgs(revision=str(parents[0]), max_count=100))
    assert len(page.commits) == 2
    assert page.note is not None and "go on with the cursor" in page.note
    assert len(log(repository, LogArgs(max_count=100, cursor=page.next or "")).commits) == 2
