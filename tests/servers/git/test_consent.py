"""What the user is asked before a commit: all that will be committed, and nothing else."""

from pathlib import Path
from typing import Any, cast

import pygit2
import pytest

from dovetail.servers.git.arguments import CommitArgs
from dovetail.servers.git.committing import preview
from dovetail.servers.git.places import locate
from dovetail.servers.git.repository import Repository
from dovetail.wire import ElicitRequestParams
from tests.servers.git.conftest import ASSUMED, Maker, Open


class User:
    """Agrees, once something was done meanwhile; remembers the files that were shown."""

    def __init__(self, meanwhile: Any = None) -> None:
        self.meanwhile = meanwhile
        self.shown: list[str] = []

    async def __call__(self, question: ElicitRequestParams) -> dict[str, Any]:
        self.shown = question.message.split("\n\n", 2)[2].splitlines()
        if self.meanwhile is not None:
            self.meanwhile()
        return {}


async def commit(opened: Open, maker: Maker, user: User, *paths: str) -> list[str]:
    """Commit, and return what was committed, in the words of the question."""
    async with opened(maker.path, allow_commit=True, on_elicit=user) as client:
        result = await client.call_tool("git_commit", {"message": "Asked", "paths": list(paths)})
        assert not result.is_error, result.text
        return [
            f"{one['state']}: {one['old_path']} -> {one['path']}"
            if "old_path" in one
            else f"{one['state']}: {one['path']}"
            for one in result.structured["files"]
        ]


async def test_without_paths_what_is_staged_is_shown_and_nothing_that_is_not(story: Maker, opened: Open) -> None:
    story.write("src/main.py", "print(3)\n")
    story.stage("src/main.py")
    story.write("README.md", "not finished")
    for number in range(30):
        story.write(f"data{number:02}.csv", "x")
    user = User()
    assert await commit(opened, story, user) == user.shown == ["modified: src/main.py"]


async def test_a_file_that_is_staged_as_deleted_and_kept_is_shown_as_deleted(story: Maker, opened: Open) -> None:
    story.git.index.read(True)
    story.git.index.remove("README.md")
    story.git.index.write()
    user = User()
    assert await commit(opened, story, user) == user.shown == ["deleted: README.md"]
    assert (story.path / "README.md").exists()


async def test_with_nothing_staged_nobody_is_asked(story: Maker, opened: Open) -> None:
    story.write("README.md", "other")
    story.write("new", "new")
    user = User()
    async with opened(story.path, allow_commit=True, on_elicit=user) as client:
        result = await client.call_tool("git_commit", {"message": "Nothing"})
        assert result.is_error and "nothing to commit" in result.text
    assert user.shown == []


async def test_a_named_file_is_shown_as_it_differs_from_the_last_commit(story: Maker, opened: Open) -> None:
    """Not from what was staged of it before: that is replaced."""
    main = (story.path / "src/main.py").read_text()
    story.write("src/main.py", "print(9)\n")
    story.write("new", "one")
    story.stage("src/main.py", "new")
    story.write("src/main.py", main)
    story.write("new", "two")
    (story.path / "README.md").chmod(0o755)
    (story.path / "link").symlink_to("new")
    user = User()
    made = await commit(opened, story, user, "src/main.py", "new", "README.md", "link")
    assert made == user.shown == ["modified: README.md", "added: link", "added: new"]


async def test_a_file_that_was_renamed_is_shown_with_both_names(story: Maker, opened: Open) -> None:
    (story.path / "src/main.py").rename(story.path / "start.py")
    user = User()
    made = await commit(opened, story, user, "src/main.py", "start.py")
    assert made == user.shown == ["renamed: src/main.py -> start.py"]


async def test_what_is_not_committed_may_change_while_the_user_is_asked(story: Maker, opened: Open) -> None:
    story.write("new", "new")
    story.write("README.md", "begun")
    user = User(lambda: story.write("README.md", "more"))
    assert await commit(opened, story, user, "new") == ["added: new"]


async def test_of_a_question_nothing_is_left_in_the_repository(story: Maker, opened: Open) -> None:
    """Contents that the user does not want committed, a password say, are not stored either."""

    def objects() -> set[Path]:
        return {path for path in (story.path / ".git" / "objects").rglob("*") if path.is_file()}

    async def refuses(question: ElicitRequestParams) -> None:
        return None

    story.write("secret", "password")
    before, index = objects(), (story.path / ".git" / "index").read_bytes()
    async with opened(story.path, allow_commit=True, on_elicit=refuses) as client:
        assert (await client.call_tool("git_commit", {"message": "No", "paths": ["secret"]})).is_error
    assert objects() == before
    assert (story.path / ".git" / "index").read_bytes() == index


async def test_a_merge_that_begins_while_the_user_is_asked_is_not_committed_over(story: Maker, opened: Open) -> None:
    story.write("new", "new")
    tip = story.tip.id
    user = User(lambda: (story.path / ".git" / "MERGE_HEAD").write_text(f"{tip}\n"))
    async with opened(story.path, allow_commit=True, on_elicit=user) as client:
        result = await client.call_tool("git_commit", {"message": "Mine", "paths": ["new"]})
        assert result.is_error and "A merge is under way" in result.text
    assert story.tip.id == tip


@pytest.mark.parametrize("what", ["crlf", "filemode"])
async def test_what_the_configuration_says_of_files_holds_in_the_question_too(
    story: Maker, opened: Open, what: str
) -> None:
    if what == "crlf":
        story.git.config["core.autocrlf"] = "true"
        story.write("src/main.py", "print(1)\r\nprint(2)\r\n")
    else:
        story.git.config["core.filemode"] = False
        (story.path / "src/main.py").chmod(0o755)
    story.stage("README.md")
    story.write("README.md", "new\r\n")
    user = User()
    assert await commit(opened, story, user, "README.md") == user.shown == ["modified: README.md"]


async def test_what_is_staged_and_marked_not_to_be_looked_at_is_shown_too(story: Maker, opened: Open) -> None:
    """`git update-index --assume-unchanged`, then `git mv`; and each file that is added with `core.ignoreStat`."""
    (story.path / "src/main.py").rename(story.path / "start.py")
    story.write("new", "new\n")
    story.stage("src/main.py", "start.py", "new")
    story.mark(ASSUMED, "start.py", "new")
    async with opened(story.path) as client:
        status = (await client.call_tool("git_status")).structured
        assert status["staged"] == [
            {"path": "new", "state": "added"},
            {"path": "start.py", "state": "renamed", "old_path": "src/main.py"},
        ]
        assert "+new" in (await client.call_tool("git_diff_staged")).text
        assert "+new" in (await client.call_tool("git_diff", {"target": "HEAD"})).text
    user = User()
    assert await commit(opened, story, user) == user.shown
    assert user.shown == ["added: new", "renamed: src/main.py -> start.py"]
    assert story.git.index["new"].id == (story.tip.tree / "new").id


async def test_a_file_that_gave_way_to_a_folder_is_committed_as_deleted(story: Maker, opened: Open) -> None:
    (story.path / "README.md").unlink()
    story.write("README.md/part", "one\n")
    user = User()
    assert await commit(opened, story, user, "README.md", "README.md/part") == user.shown
    assert {one.name for one in cast("pygit2.Tree", story.tip.tree / "README.md")} == {"part"}


async def test_the_user_is_asked_of_what_is_there_once_another_has_committed(
    story: Maker, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between another's commit and its index, the other's change looks like one to be undone."""
    lock = story.path / ".git" / "index.lock"
    story.write("mine", "mine\n")
    story.write("theirs", "theirs\n")
    index = story.git.index
    index.read(True)
    index.add("theirs")
    story.record("Theirs", index.write_tree())
    lock.touch()
    waited = []

    def other_ends(seconds: float) -> None:
        waited.append(seconds)
        lock.unlink()
        index.write()

    monkeypatch.setattr("dovetail.servers.git.holding.time.sleep", other_ends)
    repository = Repository(locate(str(story.path), ()), 1_000_000, 1_000_000)
    found = preview(repository, CommitArgs(message="Mine", paths=("mine",)))
    assert found.files == ["added: mine"] and len(waited) == 1
