"""git_commit: offered only when allowed, asks first, and commits what was named."""

import asyncio
import os
from typing import Any, cast

import pygit2
import pytest

from dovetail.servers.git import Settings
from dovetail.servers.git.arguments import CommitArgs
from dovetail.servers.git.committing import commit
from dovetail.servers.git.places import locate
from dovetail.servers.git.repository import Refused, Repository
from dovetail.servers.git.staging import Staging
from dovetail.servers.git.types import Committed
from dovetail.servers.git.workers import Refusal, Workers
from dovetail.wire import ElicitRequestParams
from tests.servers.git.conftest import ERAS, Maker, Open


class User:
    """Answers what is asked, and remembers it."""

    def __init__(self, *, agrees: bool) -> None:
        self.agrees = agrees
        self.asked: list[str] = []

    async def __call__(self, question: ElicitRequestParams) -> dict[str, Any] | None:
        self.asked.append(question.message)
        return {} if self.agrees else None


async def test_without_leave_there_is_no_such_tool_and_a_worker_refuses(story: Maker, opened: Open) -> None:
    story.write("a", "a")
    async with opened(story.path) as client:
        assert "git_commit" not in [tool.name for tool in await client.list_tools()]
    workers = Workers(Settings(repository=str(story.path)))
    with pytest.raises(Refusal, match="started without --allow-commit"):
        await workers.call("commit", CommitArgs(message="No", paths=("a",)), Committed)
    await workers.aclose()
    assert story.tip.message == "Say zero"


@pytest.mark.parametrize("era", ERAS)
async def test_a_commit_is_asked_for_and_holds_what_was_named(story: Maker, opened: Open, era: str) -> None:
    user = User(agrees=True)
    story.write("new.txt", "new\n")
    story.write("other.txt", "other\n")
    story.write("staged.txt", "staged\n")
    story.stage("staged.txt")
    (story.path / "src/main.py").unlink()
    before = str(story.tip.id)
    async with opened(story.path, revision=era, allow_commit=True, on_elicit=user) as client:
        tool = next(tool for tool in await client.list_tools() if tool.name == "git_commit")
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint is False
        result = await client.call_tool("git_commit", {"message": "Two files", "paths": ["new.txt", "src/main.py"]})
        assert not result.is_error, result.text
        made = result.structured
        assert made["files"] == [
            {"path": "new.txt", "state": "added"},
            {"path": "src/main.py", "state": "deleted"},
            {"path": "staged.txt", "state": "added"},
        ]
        status = (await client.call_tool("git_status")).structured
        assert status["untracked"] == ["other.txt"]
        assert "staged" not in status
    assert len(set(user.asked)) == 1
    assert user.asked[0].startswith("Commit on main as Ann Author <ann@example.com>?\n\nTwo files\n\nadded: new.txt\n")
    tip = story.tip
    assert (str(tip.id), tip.message, tip.author.name) == (made["commit"], "Two files\n", "Ann Author")
    assert [str(parent) for parent in tip.parent_ids] == [before]
    assert sorted(entry.name or "" for entry in tip.tree) == ["README.md", "new.txt", "staged.txt"]


@pytest.mark.parametrize("staged", [True, False])
async def test_a_file_that_was_renamed_is_committed_by_both_of_its_names(
    story: Maker, opened: Open, staged: bool
) -> None:
    (story.path / "src/main.py").rename(story.path / "src/start.py")
    if staged:
        story.stage("src/main.py", "src/start.py")
    async with opened(story.path, allow_commit=True) as client:
        result = await client.call_tool("git_commit", {"message": "Rename", "paths": ["src/main.py", "src/start.py"]})
        assert not result.is_error, result.text
        assert result.structured["files"] == [
            {"path": "src/start.py", "state": "renamed", "old_path": "src/main.py"},
        ]


async def test_a_user_who_does_not_agree_is_obeyed(story: Maker, opened: Open) -> None:
    story.write("new.txt", "new\n")
    async with opened(story.path, allow_commit=True, on_elicit=User(agrees=False)) as client:
        result = await client.call_tool("git_commit", {"message": "No", "paths": ["new.txt"]})
        assert result.is_error
        assert "nothing was committed" in result.text
        assert (await client.call_tool("git_status")).structured["untracked"] == ["new.txt"]


@pytest.mark.parametrize(("confirm", "commits"), [("ask", True), ("never", True), ("always", False)])
async def test_a_client_that_cannot_ask_commits_unless_consent_is_demanded(
    story: Maker, opened: Open, confirm: str, commits: bool
) -> None:
    story.write("new.txt", "new\n")
    async with opened(story.path, allow_commit=True, confirm=confirm) as client:
        result = await client.call_tool("git_commit", {"message": "New", "paths": ["new.txt"]})
        assert result.is_error is not commits
    assert (story.tip.message == "New\n") is commits


async def test_the_first_commit_of_a_repository_can_be_made(maker: Maker, opened: Open) -> None:
    maker.write("a", "a")
    async with opened(maker.path, allow_commit=True) as client:
        made = (await client.call_tool("git_commit", {"message": "First", "paths": ["a"]})).structured
        assert made["branch"] == "main"
    assert maker.tip.parent_ids == []


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"message": "x"}, "nothing to commit"),
        ({"message": " \n"}, "A message has 1 to"),
        ({"message": "a\u202eb", "paths": ["new"]}, "cannot be seen"),
        ({"message": "x", "paths": ["README.md"]}, "is not changed"),
        ({"message": "x", "paths": ["nothing"]}, "is not changed"),
        ({"message": "x", "paths": ["folder"]}, "is a folder: name each file"),
        ({"message": "x", "paths": ["."]}, "Name each file"),
        ({"message": "x", "paths": ["../outside"]}, "no step up"),
        ({"message": "x", "paths": ["/etc/passwd"]}, "relative to the root"),
        ({"message": "x", "paths": [".git/config"]}, "never leads into .git"),
        ({"message": "x", "paths": ["out/secret"]}, "is not changed"),
        ({"message": "x", "paths": ["ignored"]}, "is not changed, or ignored"),
        ({"message": "x", "paths": ["large"]}, "is larger than"),
        ({"message": "x", "paths": ['"\\377"']}, "has a name that is not UTF-8"),
    ],
)
async def test_what_cannot_be_committed_says_why(story: Maker, opened: Open, asked: dict[str, Any], said: str) -> None:
    outside = story.path.parent / "elsewhere"
    outside.mkdir()
    (outside / "secret").write_text("x")
    story.commit("Ignore", {".gitignore": "ignored\nout\nlarge\nfolder\n"})
    (story.path / "out").symlink_to(outside)
    (story.path / "folder").mkdir()
    story.write("ignored", "x")
    story.write("large", "x" * 5_000)
    story.write(os.fsdecode(b"\xff"), "x")
    before = story.tip.id
    async with opened(story.path, allow_commit=True, confirm="never", max_file=4_096) as client:
        result = await client.call_tool("git_commit", asked)
        assert result.is_error
        assert said in result.text
    assert story.tip.id == before


async def test_a_merge_under_way_and_a_missing_author_are_for_the_user(
    story: Maker, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    story.write("new", "x")
    head = story.path / ".git" / "MERGE_HEAD"
    head.write_text(f"{story.tip.id}\n")
    async with opened(story.path, allow_commit=True, confirm="never") as client:
        asked = {"message": "x", "paths": ["new"]}
        assert "A merge is under way" in (await client.call_tool("git_commit", asked)).text
    head.unlink()
    monkeypatch.setenv("HOME", str(story.path.parent))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(story.path.parent))
    del story.git.config["user.name"]
    async with opened(story.path, allow_commit=True, confirm="never") as client:
        assert "git config user.name" in (await client.call_tool("git_commit", asked)).text


async def test_the_users_own_configuration_holds_with_all_that_it_includes(
    story: Maker, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = story.path.parent / "home"
    (home / "more").mkdir(parents=True)
    (home / ".gitconfig").write_text("[include]\n\tpath = ~/.local\n[core]\n\texcludesfile = ~/.ignored\n")
    (home / ".local").write_text('[include]\n\tpath = more/names\n[includeIf "gitdir:/"]\n\tpath = more/names\n')
    (home / "more" / "names").write_text("[user]\n\tname = From Home\n\temail = home@example.com\n")
    (home / ".ignored").write_text("*.tmp\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    del story.git.config["user.name"]
    del story.git.config["user.email"]
    story.write("new", "x")
    story.write("x.tmp", "x")
    async with opened(story.path, allow_commit=True, confirm="never") as client:
        assert (await client.call_tool("git_status")).structured["untracked"] == ["new"]
        result = await client.call_tool("git_commit", {"message": "x", "paths": ["new"]})
        assert not result.is_error, result.text
    assert story.tip.author.name == "From Home"


async def test_a_branch_that_moved_meanwhile_is_not_overwritten(story: Maker, opened: Open) -> None:
    """The question is answered by somebody who commits first: what is committed then stands on that."""
    story.write("new", "x")

    async def on_elicit(question: ElicitRequestParams) -> dict[str, Any]:
        if story.tip.message == "Say zero":
            story.record("Meanwhile", story.tip.tree.id)
        return {}

    async with opened(story.path, allow_commit=True, on_elicit=on_elicit) as client:
        result = await client.call_tool("git_commit", {"message": "Mine", "paths": ["new"]})
        assert not result.is_error, result.text
    assert cast("pygit2.Commit", story.git[story.tip.parent_ids[0]]).message == "Meanwhile"


async def test_while_somebody_holds_the_index_nothing_is_committed(story: Maker, opened: Open) -> None:
    story.write("new.txt", "new\n")
    before = story.tip.id
    lock = story.path / ".git" / "index.lock"
    lock.touch()
    async with opened(story.path, allow_commit=True, confirm="never") as client:
        result = await client.call_tool("git_commit", {"message": "New", "paths": ["new.txt"]})
        assert result.is_error
        assert "index is locked, and nothing was committed" in result.text
        assert story.tip.id == before
        assert (await client.call_tool("git_status")).structured["untracked"] == ["new.txt"]
        lock.unlink()
        assert not (await client.call_tool("git_commit", {"message": "New", "paths": ["new.txt"]})).is_error
    assert not [path.name for path in (story.path / ".git").iterdir() if path.name.startswith("index.")]


@pytest.mark.timeout(60)
async def test_of_commits_that_several_servers_make_at_once_none_takes_another_one_back(
    story: Maker, opened: Open
) -> None:
    names = [f"new{number}.txt" for number in range(12)]
    for name in names:
        story.write(name, name)

    async def committing(mine: list[str]) -> list[str]:
        async with opened(story.path, allow_commit=True, confirm="never") as client:
            made = [(name, await client.call_tool("git_commit", {"message": name, "paths": [name]})) for name in mine]
        return [name for name, result in made if not result.is_error]

    done = await asyncio.gather(*(committing(names[at::3]) for at in range(3)))
    committed = {name for names in done for name in names}
    assert committed
    assert committed <= {entry.name for entry in story.tip.tree}


@pytest.mark.timeout(60)
async def test_commits_that_a_model_asks_for_at_once_are_made_one_after_another(story: Maker, opened: Open) -> None:
    names = [f"new{number}.txt" for number in range(4)]
    for name in names:
        story.write(name, name)
    async with opened(story.path, allow_commit=True, confirm="never") as client:
        calls = (client.call_tool("git_commit", {"message": name, "paths": [name]}) for name in names)
        made = await asyncio.gather(*calls)
    assert [result.text for result in made if result.is_error] == []
    assert {*names} <= {entry.name for entry in story.tip.tree}


async def test_a_file_at_a_revision_is_called_what_it_was_asked_for(story: Maker, opened: Open) -> None:
    async with opened(story.path) as client:
        contents = (await client.read_resource("git://main/README.md")).contents
    assert [each.uri for each in contents] == ["git://main/README.md"]


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("what", ["staged", "edited", "switched"])
async def test_nothing_but_what_the_user_agreed_to_is_committed(
    story: Maker, opened: Open, era: str, what: str
) -> None:
    """Somebody stages a file, changes one that was named, or switches branches, between the question and the answer."""
    story.write("new.txt", "new\n")
    story.write("secret.env", "KEY=1\n")
    before = {name: str(story.git.branches.local[name].target) for name in story.git.branches.local}
    asked: list[str] = []

    async def on_elicit(question: ElicitRequestParams) -> dict[str, Any]:
        if not asked:
            if what == "staged":
                story.stage("secret.env")
            elif what == "edited":
                story.write("new.txt", "another\n")
            else:
                story.git.set_head("refs/heads/feature/x")
        asked.append(question.message)
        return {}

    async with opened(story.path, revision=era, allow_commit=True, on_elicit=on_elicit) as client:
        call = {"message": "Mine", "paths": ["new.txt"]}
        result = await client.call_tool("git_commit", call)
        assert result.is_error
        assert "has changed since the user was asked; nothing was committed" in result.text
        assert before == {name: str(story.git.branches.local[name].target) for name in story.git.branches.local}
        result = await client.call_tool("git_commit", call)
        assert not result.is_error, result.text
    assert len(asked) == 2
    if what == "staged":
        assert "secret.env" not in asked[0]
        assert "added: secret.env" in asked[1]


async def test_of_many_files_the_first_are_shown_and_the_others_counted(story: Maker, opened: Open) -> None:
    user = User(agrees=False)
    names = [f"new{number:02}" for number in range(23)]
    for name in names:
        story.write(name, "x")
    async with opened(story.path, allow_commit=True, on_elicit=user) as client:
        await client.call_tool("git_commit", {"message": "Many", "paths": names})
    assert user.asked[0].endswith("added: new19\nand 3 more")


async def test_a_file_that_is_only_meant_to_be_added_is_not_committed_and_stays_so(story: Maker, opened: Open) -> None:
    user = User(agrees=True)
    story.intend("meant", "content\n")
    story.write("README.md", "new\n")
    async with opened(story.path, allow_commit=True, on_elicit=user) as client:
        status = (await client.call_tool("git_status")).structured
        assert "staged" not in status
        assert {"path": "meant", "state": "added"} in status["changed"]
        assert "No differences" in (await client.call_tool("git_diff_staged")).text
        assert "+content" in (await client.call_tool("git_diff_unstaged")).text
        assert "nothing to commit" in (await client.call_tool("git_commit", {"message": "Nothing"})).text
        result = await client.call_tool("git_commit", {"message": "Read", "paths": ["README.md"]})
        assert result.structured["files"] == [{"path": "README.md", "state": "modified"}]
        assert "meant" not in user.asked[-1]
        status = (await client.call_tool("git_status")).structured
        assert status["changed"] == [{"path": "meant", "state": "added"}]
        result = await client.call_tool("git_commit", {"message": "Meant", "paths": ["meant"]})
        assert result.structured["files"] == [{"path": "meant", "state": "added"}]
        assert (await client.call_tool("git_status")).structured["clean"]
    assert cast("pygit2.Blob", story.tip.tree / "meant").data == b"content\n"


async def test_before_the_first_commit_what_is_only_meant_is_nothing_to_commit(maker: Maker, opened: Open) -> None:
    maker.intend("meant", "content\n")
    async with opened(maker.path, allow_commit=True, confirm="never") as client:
        assert "staged" not in (await client.call_tool("git_status")).structured
        assert "nothing to commit" in (await client.call_tool("git_commit", {"message": "Nothing"})).text


async def test_a_branch_that_another_program_holds_is_said_and_nothing_is_left(story: Maker, opened: Open) -> None:
    story.write("new.txt", "new\n")
    lock = story.path / ".git/refs/heads/main.lock"
    lock.touch()
    async with opened(story.path, allow_commit=True, confirm="never") as client:
        result = await client.call_tool("git_commit", {"message": "New", "paths": ["new.txt"]})
        assert "changing the branch: it is locked, and nothing was committed. Try again" in result.text
        lock.unlink()
        assert not (await client.call_tool("git_commit", {"message": "New", "paths": ["new.txt"]})).is_error


def test_a_commit_that_came_first_is_said_and_no_damage(story: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    story.write("new.txt", "new\n")
    repository = Repository(locate(str(story.path)), 1 << 20, 1 << 20)
    tree = Staging.tree

    def meanwhile(staged: Staging) -> pygit2.Oid:
        made = tree(staged)
        story.record("Meanwhile", story.tip.tree.id)
        return made

    monkeypatch.setattr(Staging, "tree", meanwhile)
    with pytest.raises(Refused, match=r"committed at the same moment; nothing was committed\. Try again"):
        commit(repository, CommitArgs(message="Mine", paths=("new.txt",)))
    assert story.tip.message == "Meanwhile"
