"""Files in conflict: what is staged of them, what the working tree has, and that nothing is committed meanwhile.

What is expected is what the git program says of the same: `diff --cached`, `diff --ours`, `diff HEAD` and `grep`.
"""

from pathlib import Path
from typing import cast

import pygit2
import pytest

from dovetail.wire import TextContent
from tests.servers.git.conftest import ERAS, Maker, Open

BOTH = "@@ -1 +1,5 @@\n+<<<<<<< HEAD\n ours\n+=======\n+theirs\n+>>>>>>> {other}\n"
LONG = "line\n" * 30


@pytest.fixture
def parted(maker: Maker) -> Maker:
    """Two branches that did every two things to a file that do not go together, and each one thing that does."""
    base = {name: f"base of {name}\n" for name in ("both", "gone-here", "gone-there", "same")}
    begun = maker.commit("Begin", {**base, "old": LONG})
    maker.branch("theirs", begun)
    (maker.path / "old").rename(maker.path / "new-here")
    (maker.path / "gone-here").unlink()
    maker.stage("old", "new-here", "gone-here")
    maker.commit("Ours", {"both": "ours\n", "gone-there": "ours\n", "added": "ours\n"})
    maker.git.checkout("refs/heads/theirs")
    (maker.path / "old").rename(maker.path / "new-there")
    (maker.path / "gone-there").unlink()
    maker.stage("old", "new-there", "gone-there")
    maker.commit("Theirs", {"both": "theirs\n", "gone-here": "theirs\n", "added": "theirs\n", "clean": "clean\n"})
    maker.git.checkout("refs/heads/main")
    return maker


def merge(maker: Maker, how: str) -> str:
    """Begin what ends in conflicts; return what the markers call the other side."""
    other = cast("pygit2.Oid", maker.git.branches.local["theirs"].target)
    if how == "cherry-pick":
        maker.git.cherrypick(other)
    else:
        maker.git.merge(other)
    if how == "rebase":
        (Path(maker.git.path) / "MERGE_HEAD").unlink()
        (Path(maker.git.path) / "rebase-merge").mkdir()
    if how == "stash pop":
        maker.git.state_cleanup()
    lines = (maker.path / "both").read_text().splitlines()
    return lines[-1].removeprefix(">>>>>>> ")


@pytest.mark.parametrize("how", ["merge", "cherry-pick", "rebase", "stash pop"])
async def test_a_file_in_conflict_is_not_staged_and_differs_from_our_side(
    parted: Maker, opened: Open, how: str
) -> None:
    other = merge(parted, how)
    marks = BOTH.format(other=other)
    async with opened(parted.path) as client:

        async def text(tool: str, **asked: object) -> str:
            return (await client.call_tool(tool, asked)).text

        assert await text("git_diff_staged") == (
            "8 files changed\n"
            "* Unmerged path added (both added)\n"
            "* Unmerged path both (both modified)\n"
            "diff --git a/clean b/clean\nnew file mode 100644\n--- /dev/null\n+++ b/clean\n@@ -0,0 +1 @@\n+clean\n"
            "* Unmerged path gone-here (deleted by us)\n"
            "* Unmerged path gone-there (deleted by them)\n"
            "* Unmerged path new-here (added by us)\n"
            "* Unmerged path new-there (added by them)\n"
            "* Unmerged path old (both deleted)\n"
        )
        assert await text("git_diff_unstaged", paths=["added", "both", "gone-here", "gone-there"]) == (
            "4 files changed\n"
            f"* Unmerged path added (both added)\ndiff --git a/added b/added\n--- a/added\n+++ b/added\n{marks}"
            f"* Unmerged path both (both modified)\ndiff --git a/both b/both\n--- a/both\n+++ b/both\n{marks}"
            "* Unmerged path gone-here (deleted by us)\n"
            "* Unmerged path gone-there (deleted by them)\n"
        )
        names = await text("git_diff_unstaged", names_only=True, paths=["both", "same"])
        assert names == "1 file changed\nconflicted: both\n"
        status = (await client.call_tool("git_status")).structured
        assert len(status["conflicts"]) == 7
        assert status["staged"] == [{"path": "clean", "state": "added"}]


async def test_a_revision_is_compared_with_what_the_working_tree_has_of_a_file_in_conflict(
    parted: Maker, opened: Open
) -> None:
    marks = BOTH.format(other=merge(parted, "merge"))
    wanted = ["both", "gone-here", "gone-there", "same"]
    for name in ("new-here", "new-there"):
        (parted.path / name).unlink(missing_ok=True)
    async with opened(parted.path) as client:

        async def text(target: str, paths: list[str]) -> str:
            return (await client.call_tool("git_diff", {"target": target, "paths": paths})).text

        assert await text("HEAD", wanted) == (
            f"2 files changed\ndiff --git a/both b/both\n--- a/both\n+++ b/both\n{marks}"
            "diff --git a/gone-here b/gone-here\nnew file mode 100644\n--- /dev/null\n+++ b/gone-here\n"
            "@@ -0,0 +1 @@\n+theirs\n"
        )
        assert await text("theirs", wanted[1:]) == (
            "1 file changed\n"
            "diff --git a/gone-there b/gone-there\nnew file mode 100644\n--- /dev/null\n+++ b/gone-there\n"
            "@@ -0,0 +1 @@\n+ours\n"
        )
        assert (await text("HEAD", ["new-here"])).startswith(
            "1 file changed\ndiff --git a/new-here b/new-here\ndeleted"
        )
        assert await text("HEAD", ["new-there", "old"]) == "No differences.\n"


async def test_what_was_changed_after_the_merge_differs_from_our_side(parted: Maker, opened: Open) -> None:
    merge(parted, "merge")
    (parted.path / "gone-there").unlink()
    (parted.path / "both").unlink()
    (parted.path / "both").symlink_to("same")
    async with opened(parted.path) as client:
        asked = {"paths": ["both", "gone-there"]}
        assert (await client.call_tool("git_diff_unstaged", asked)).text == (
            "2 files changed\n"
            "* Unmerged path both (both modified)\n"
            "diff --git a/both b/both\nold mode 100644\nnew mode 120000\n--- a/both\n+++ b/both\n"
            "@@ -1 +1 @@\n-ours\n+same\n\\ No newline at end of file\n"
            "* Unmerged path gone-there (deleted by them)\n"
            "diff --git a/gone-there b/gone-there\ndeleted file mode 100644\n--- a/gone-there\n+++ /dev/null\n"
            "@@ -1 +0,0 @@\n-ours\n"
        )


async def test_what_is_staged_besides_is_no_renamed_file_in_conflict(parted: Maker, opened: Open) -> None:
    merge(parted, "merge")
    parted.write("copy", "ours\n")
    parted.stage("copy")
    async with opened(parted.path) as client:
        text = (await client.call_tool("git_diff_staged", {"paths": ["copy"]})).text
        assert text.startswith("1 file changed\ndiff --git a/copy b/copy\nnew file mode 100644\n")


async def test_before_the_first_commit_a_file_in_conflict_is_not_staged(parted: Maker, opened: Open) -> None:
    merge(parted, "cherry-pick")
    parted.git.set_head("refs/heads/empty")
    async with opened(parted.path) as client:
        text = (await client.call_tool("git_diff_staged", {"names_only": True, "paths": ["both", "same"]})).text
        assert text == "2 files changed\nconflicted: both\nadded: same\n"


async def test_a_message_is_written_for_what_is_staged_and_not_for_what_is_in_conflict(
    parted: Maker, opened: Open
) -> None:
    merge(parted, "merge")
    async with opened(parted.path) as client:
        content = (await client.get_prompt("write_commit_message")).messages[0].content
        assert isinstance(content, TextContent)
        assert "+clean" in content.text and "* Unmerged path both" in content.text
        assert "<<<<<<<" not in content.text


async def test_lines_of_a_file_in_conflict_are_found_once(parted: Maker, opened: Open) -> None:
    merge(parted, "merge")
    async with opened(parted.path) as client:
        found = (await client.call_tool("git_grep", {"pattern": "theirs", "paths": ["both", "gone-here"]})).structured
        lines = [(one["path"], one["line"]) for one in found["matches"]]
        assert lines[0] == ("both", 4)
        assert len(lines) == len(set(lines))
        assert found["files"] == 2


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    ("how", "settled", "said"),
    [
        ("merge", False, "A merge is under way"),
        ("merge", True, "A merge is under way"),
        ("cherry-pick", True, "A cherry-pick is under way"),
        ("rebase", True, "A rebase is under way"),
        ("stash pop", False, "There are conflicts in the index"),
    ],
)
async def test_what_has_other_parents_or_another_author_is_not_committed_as_a_plain_commit(
    parted: Maker, opened: Open, era: str, how: str, settled: bool, said: str
) -> None:
    merge(parted, how)
    if settled:
        index = parted.git.index
        index.read(True)
        index.read_tree(parted.tip.tree)
        parted.write("both", "settled\n")
        index.add("both")
        index.write()
    before = parted.tip.id
    async with opened(parted.path, revision=era, allow_commit=True, confirm="never") as client:
        result = await client.call_tool("git_commit", {"message": "Plain"})
        assert result.is_error
        assert said in result.text
    assert parted.tip.id == before
