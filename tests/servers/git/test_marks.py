"""Files that the index marks: left out by a sparse checkout, not to be looked at, or only meant to be added.

What is expected is what the git program says of the same: `status`, `diff`, `diff HEAD` and `diff --cached`.
"""

from pathlib import Path
from typing import Any

import pygit2
import pytest
from pygit2.enums import FileMode

from dovetail.servers.git.ignoring import Ignored
from dovetail.servers.git.places import locate
from dovetail.servers.git.repository import Repository
from dovetail.servers.git.worktree import Absent, look, lying
from tests.servers.git.conftest import ASSUMED, SKIPPED, Maker, Open


@pytest.fixture
def sparse(maker: Maker) -> Maker:
    """A sparse checkout of one of two folders."""
    maker.commit("Begin", {"in/a": "a\n", "out/b": "b\n", "out/c": "c\n", "out-er": "d\n"})
    maker.git.config["core.sparseCheckout"] = True
    maker.mark(SKIPPED, "out/b", "out/c")
    for name in ("b", "c"):
        (maker.path / "out" / name).unlink()
    (maker.path / "out").rmdir()
    return maker


async def told(opened: Open, path: Path) -> tuple[dict[str, Any], str, str]:
    """Return the lists of the state, what is not staged, and what HEAD has not."""
    async with opened(path) as client:
        status = (await client.call_tool("git_status")).structured
        lists = {name: status[name] for name in ("staged", "changed", "untracked", "conflicts") if name in status}
        assert status["clean"] == (not lists)
        outside = (await client.call_tool("git_diff_unstaged")).text
        return lists, outside, (await client.call_tool("git_diff", {"target": "HEAD"})).text


async def test_what_a_sparse_checkout_leaves_out_is_not_deleted(sparse: Maker, opened: Open) -> None:
    lists, outside, since = await told(opened, sparse.path)
    assert lists == {}
    assert "No differences" in outside and "No differences" in since


async def test_what_a_sparse_checkout_leaves_out_is_not_committed_as_deleted(sparse: Maker, opened: Open) -> None:
    sparse.write("in/a", "new\n")
    async with opened(sparse.path, allow_commit=True, confirm="never") as client:
        result = await client.call_tool("git_commit", {"message": "All", "paths": ["in/a", "out/b"]})
        assert result.is_error and "out/b is not looked at" in result.text
        result = await client.call_tool("git_commit", {"message": "One", "paths": ["in/a"]})
        assert result.structured["files"] == [{"path": "in/a", "state": "modified"}]
        assert (await client.call_tool("git_status")).structured["clean"]
    assert "out/b" in sparse.tip.tree and "out/c" in sparse.tip.tree


async def test_what_is_staged_of_a_file_that_was_left_out_is_told_and_committed_as_it_is(
    sparse: Maker, opened: Open
) -> None:
    index = sparse.git.index
    index.read(True)
    index.add(pygit2.IndexEntry("out/b", sparse.git.create_blob(b"staged\n"), FileMode.BLOB))
    index.remove("out/c")
    index.write()
    sparse.mark(SKIPPED, "out/b")
    lists, outside, since = await told(opened, sparse.path)
    assert lists == {"staged": [{"path": "out/b", "state": "modified"}, {"path": "out/c", "state": "deleted"}]}
    assert "No differences" in outside
    assert "-b\n+staged\n" in since and "-c\n" in since
    async with opened(sparse.path, allow_commit=True, confirm="never") as client:
        result = await client.call_tool("git_commit", {"message": "Staged", "paths": ["out/b"]})
        assert result.structured["files"] == lists["staged"]
    assert (sparse.tip.tree / "out/b").id == pygit2.hash(b"staged\n")


async def test_what_lies_there_though_it_was_left_out_is_compared(sparse: Maker, opened: Open) -> None:
    sparse.write("out/b", "back\n")
    sparse.write("out/c", "c\n")
    lists, outside, since = await told(opened, sparse.path)
    assert lists == {"changed": [{"path": "out/b", "state": "modified"}]}
    assert "-b\n+back\n" in outside and outside == since
    async with opened(sparse.path, allow_commit=True, confirm="never") as client:
        result = await client.call_tool("git_commit", {"message": "Back", "paths": ["out/b"]})
        assert result.structured["files"] == lists["changed"]
        assert (await client.call_tool("git_status")).structured["clean"]


@pytest.mark.parametrize("bits", [ASSUMED, SKIPPED])
@pytest.mark.parametrize("expected", [False, True])
async def test_what_is_marked_not_to_be_looked_at_is_unchanged_whatever_lies_there(
    story: Maker, opened: Open, bits: tuple[int, int], expected: bool
) -> None:
    if expected:  # a sparse checkout whose user keeps files outside of it
        story.git.config["core.sparseCheckout"] = True
        story.git.config["sparse.expectFilesOutsideOfPatterns"] = True
    story.write("README.md", "staged\n")
    story.stage("README.md")
    story.mark(bits, "README.md", "src/main.py")
    story.write("README.md", "not looked at\n")
    (story.path / "src/main.py").unlink()
    lists, outside, since = await told(opened, story.path)
    assert lists == {"staged": [{"path": "README.md", "state": "modified"}]}
    assert "No differences" in outside
    assert "+staged" in since and "not looked at" not in since and "main.py" not in since
    async with opened(story.path, allow_commit=True, confirm="never") as client:
        result = await client.call_tool("git_commit", {"message": "Gone", "paths": ["src/main.py"]})
        assert result.is_error and "assume-unchanged" in result.text
        await client.call_tool("git_commit", {"message": "Staged", "paths": ["README.md"]})
    assert (story.tip.tree / "README.md").id == pygit2.hash(b"staged\n")


@pytest.mark.parametrize("mode", [0o644, 0o755])
async def test_an_empty_file_that_is_only_meant_to_be_added_is_told_and_committed(
    story: Maker, opened: Open, mode: int
) -> None:
    story.intend("__init__.py", "", mode)
    lists, outside, since = await told(opened, story.path)
    assert lists == {"changed": [{"path": "__init__.py", "state": "added"}]}
    assert f"new file mode 100{mode:o}" in outside and outside == since
    async with opened(story.path, allow_commit=True, confirm="never") as client:
        result = await client.call_tool("git_commit", {"message": "Meant", "paths": ["__init__.py"]})
        assert result.structured["files"] == lists["changed"]
        assert (await client.call_tool("git_status")).structured["clean"]


async def test_a_file_that_was_meant_to_be_added_and_is_gone_is_nothing_to_commit_and_says_so(
    story: Maker, opened: Open
) -> None:
    story.intend("meant", "content\n")
    (story.path / "meant").unlink()
    lists, _, since = await told(opened, story.path)
    assert lists == {"changed": [{"path": "meant", "state": "deleted"}]}
    assert "No differences" in since
    async with opened(story.path, allow_commit=True, confirm="never") as client:
        result = await client.call_tool("git_commit", {"message": "Gone", "paths": ["meant"]})
        assert result.is_error and "meant was only meant to be added" in result.text
        assert "git rm --cached" in result.text


async def test_a_submodule_in_conflict_is_not_untracked_besides(story: Maker, opened: Open) -> None:
    inner = Maker(story.path / "sub")
    ids = [pygit2.Oid(hex=inner.commit(f"Inner {at}", {"a": f"{at}\n"})) for at in range(3)]
    index = story.git.index
    index.read(True)
    sides = [pygit2.IndexEntry("sub", one, FileMode.COMMIT) for one in ids]
    index.add_conflict(*sides)
    index.write()
    lists, _, _ = await told(opened, story.path)
    assert lists == {"conflicts": ["sub"]}


def test_of_many_paths_those_are_found_at_which_something_lies(tmp_path: Path) -> None:
    for name in ("a/b/c", "a-b", "d"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).touch()
    (tmp_path / "in" / "link").symlink_to("a")
    there = {b"a/b/c", b"a/b", b"a-b", b"d", b"link"}
    absent = {b"a/b/d", b"a/e/f", b"a/e/g", b"d/x", b"e", b"e/f", b"e-f", b"link/b/c", b"../in/d", b"", b"/d", b"a//b"}
    assert lying(tmp_path / "in", there | absent) == there


def test_a_path_that_leads_out_is_nowhere(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret").touch()
    with pytest.raises(Absent):
        look(tmp_path / "in", (b"..", b"secret"))


async def test_what_a_gitignore_says_that_was_left_out_holds(sparse: Maker, opened: Open) -> None:
    sparse.commit("Ignore", {".gitignore": ".env\nbuild/\n", "in/.gitignore": "!kept.env\n*.log\n"})
    sparse.mark(SKIPPED, ".gitignore", "in/.gitignore", "out/b", "out/c")
    for name in (".gitignore", "in/.gitignore"):
        (sparse.path / name).unlink()
    for name in ("in/.env", "in/build/o", "in/x.log", "out/new/.env"):
        sparse.write(name, "SECRET=1\n")
    assert (await told(opened, sparse.path))[0] == {}
    sparse.write("in/new/file", "new\n")
    sparse.write("in/new/.env", "SECRET=1\n")
    assert (await told(opened, sparse.path))[0] == {"untracked": ["in/new/"]}
    async with opened(sparse.path, allow_commit=True, confirm="never") as client:
        status = (await client.call_tool("git_status", {"untracked": "files"})).structured
        assert status["untracked"] == ["in/new/file"]
        result = await client.call_tool("git_commit", {"message": "Secret", "paths": ["in/.env"]})
        assert result.is_error and "in/.env is not changed, or ignored" in result.text
        assert not (await client.call_tool("git_commit", {"message": "New", "paths": ["in/new/file"]})).is_error


RULES = [
    ("*.o", "a.o d/a.o d/a.o/b", "a.oo a.o.c"),
    ("/a", "a a/b", "d/a"),
    ("a/b", "a/b", "d/a/b"),
    ("d/", "d/x", "d x/d"),
    ("**/a", "a d/a d/e/a", "ab"),
    ("a/**/b", "a/b a/x/b a/x/y/b", "a/bb b"),
    ("a/**", "a/x a/x/y", "a"),
    ("[!a-c]x", "dx", "ax"),
    ("[[:digit:]]?", "1x", "x1 1"),
    ("a\\ ", "a\\x20", "a"),
    ("\\#a\n#b", "#a", "b #b"),
    ("*\n!a\n", "b", "a"),
    ("d\n!d/a\n", "d/a", "a"),
    ("a\r\nb  \n", "a b", "c"),
    ("[a\nb\\\n[z-a]", "", "a [a b z"),
    ("\ufeffa", "a", "b"),
]


@pytest.mark.parametrize(("lines", "ignored", "not_ignored"), RULES)
def test_lines_of_a_gitignore_that_was_left_out_mean_what_they_mean_to_git(
    maker: Maker, lines: str, ignored: str, not_ignored: str
) -> None:
    maker.commit("Begin", {".gitignore": lines})
    repository = Repository(locate(str(maker.path), ()), 1_000_000, 1_000_000)
    rules = Ignored(repository, repository.git.index, [b".gitignore"])
    for names, expected in ((ignored, True), (not_ignored, False)):
        for name in names.split():
            assert rules.holds(name.replace("\\x20", " ").encode()) is expected, name


def test_a_gitignore_further_down_has_the_last_word(maker: Maker) -> None:
    maker.commit("Begin", {".gitignore": "*.log\n", "d/.gitignore": "!a.log\n"})
    repository = Repository(locate(str(maker.path), ()), 1_000_000, 1_000_000)
    rules = Ignored(repository, repository.git.index, [b".gitignore"])
    assert rules.holds(b"a.log") and rules.holds(b"d/b.log") and not rules.holds(b"d/a.log")
    assert rules.holds(b"x.log/") and "1 files" in repr(rules)
