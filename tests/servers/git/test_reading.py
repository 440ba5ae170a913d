"""Each reading tool on a real repository, through the real framing."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.servers.git.conftest import ERAS, Maker, Open


@pytest.mark.parametrize("era", ERAS)
async def test_the_log_has_the_newest_first_and_pages_to_the_oldest(story: Maker, opened: Open, era: str) -> None:
    async with opened(story.path, revision=era) as client:
        page = (await client.call_tool("git_log", {"max_count": 3})).structured
        assert [one["message"] for one in page["commits"]] == ["Say zero", "Print two", "Say two"]
        assert page["commits"][2]["author"] == "Bob Builder"
        assert page["commits"][2]["date"] == "2023-11-14 23:15:20+01:00"
        story.commit("Later", {"new": "x"})
        rest = (await client.call_tool("git_log", {"max_count": 3, "cursor": page["next"]})).structured
        assert [one["message"] for one in rest["commits"]] == ["Begin\n\nA first page.\n"]
        assert "next" not in rest


@pytest.mark.parametrize(
    ("asked", "messages"),
    [
        ({"author": "BOB"}, ["Say two"]),
        ({"author": "bob@example"}, ["Say two"]),
        ({"text": "FIRST page"}, ["Begin"]),
        ({"paths": ["src"]}, ["Print two", "Begin"]),
        ({"paths": ["src/main.py", "nothing"]}, ["Print two", "Begin"]),
        ({"paths": ["nothing"]}, []),
        ({"since": "2023-11-14T23:16+01:00"}, ["Say zero", "Print two"]),
        ({"until": "@1700000060"}, ["Begin"]),
        ({"revision": "feature/x"}, ["Say two", "Begin"]),
        ({"revision": "v1.0..main"}, ["Say zero", "Print two"]),
        ({"revision": "v1.0.."}, ["Say zero", "Print two"]),
        ({"revision": "main...feature/x"}, ["Say zero", "Print two"]),
        ({"revision": "HEAD~1", "max_count": 1}, ["Print two"]),
        ({"revision": "HEAD^^{commit}", "max_count": 1}, ["Print two"]),
    ],
)
async def test_the_log_is_filtered(story: Maker, opened: Open, asked: dict[str, object], messages: list[str]) -> None:
    async with opened(story.path) as client:
        page = (await client.call_tool("git_log", {"brief": True, **asked})).structured
        assert [one["message"] for one in page["commits"]] == messages


async def test_a_merge_names_its_parents_and_the_log_has_both_sides_once(story: Maker, opened: Open) -> None:
    main, tree = str(story.tip.id), story.tip.tree.id
    side = story.record("On the side", tree, parents=[], ref=None)
    merged = story.record("Merge", tree, parents=[main, side], ref=None)
    story.branch("merged", merged)
    async with opened(story.path) as client:
        commits = (await client.call_tool("git_log", {"revision": "merged"})).structured["commits"]
        assert commits[0]["commit"] == merged
        assert commits[0]["parents"] == [main, side]
        assert len({one["commit"] for one in commits}) == len(commits) == 6


async def test_status_tells_staged_changed_untracked_and_clean(story: Maker, opened: Open) -> None:
    async with opened(story.path) as client:
        clean = (await client.call_tool("git_status")).structured
        assert clean == {"clean": True, "branch": "main", "head": str(story.git.head.target)}
        story.write("src/main.py", "print(3)\n")
        story.write("new/a", "a")
        story.write("new/b", "b")
        story.write("staged", "s")
        story.stage("staged")
        (story.path / "README.md").unlink()
        found = (await client.call_tool("git_status")).structured
        assert not found["clean"]
        assert found["staged"] == [{"path": "staged", "state": "added"}]
        assert found["changed"] == [
            {"path": "README.md", "state": "deleted"},
            {"path": "src/main.py", "state": "modified"},
        ]
        assert found["untracked"] == ["new/"]
        each = (await client.call_tool("git_status", {"untracked": "files", "max_count": 1})).structured
        assert each["untracked"] == ["new/a"]
        assert each["note"] == "Cut at 1 of each: 1 more changed, 1 more untracked; raise max_count."


async def test_what_is_ignored_is_read_anew_for_every_call(story: Maker, opened: Open) -> None:
    story.write("one.tmp", "x")
    async with opened(story.path, processes=1) as client:
        assert (await client.call_tool("git_status")).structured["untracked"] == ["one.tmp"]
        story.write(".gitignore", "*.tmp\n")
        assert (await client.call_tool("git_status")).structured["untracked"] == [".gitignore"]
        story.write(".gitignore", "*.xxx\n")
        assert (await client.call_tool("git_status")).structured["untracked"] == [".gitignore", "one.tmp"]


async def test_a_repository_without_a_commit_has_a_status_and_says_what_is_missing(maker: Maker, opened: Open) -> None:
    maker.write("a", "a")
    maker.stage("a")
    async with opened(maker.path) as client:
        found = (await client.call_tool("git_status")).structured
        assert found == {"clean": False, "branch": "main", "staged": [{"path": "a", "state": "added"}]}
        assert "+a\n" in (await client.call_tool("git_diff_staged")).text
        failed = await client.call_tool("git_log")
        assert failed.is_error
        assert "no commit yet" in failed.text


async def test_show_has_the_commit_and_its_patch(story: Maker, opened: Open) -> None:
    async with opened(story.path) as client:
        text = (await client.call_tool("git_show", {"revision": "HEAD~1"})).text
        assert text.startswith(f"commit {story.tip.parent_ids[0]}\nAuthor: Ann Author <ann@example.com>\n")
        assert "    Print two\n" in text
        assert "--- a/src/main.py\n+++ b/src/main.py\n@@ -1 +1,2 @@\n print(1)\n+print(2)\n" in text
        first = (await client.call_tool("git_show", {"revision": "HEAD~3", "names_only": True})).text
        assert first.endswith("2 files changed\nadded: README.md\nadded: src/main.py\n")
        assert (await client.call_tool("git_show", {"revision": "v1.0:src/main.py"})).text == "print(1)\n"


async def test_differences_between_revisions_the_index_and_the_working_tree(story: Maker, opened: Open) -> None:
    story.write("src/main.py", "print(1)\nprint(2)\nprint(3)\n")
    story.stage("src/main.py")
    story.write("src/main.py", "print(1)\nprint(2)\nprint(4)\n")
    async with opened(story.path) as client:

        async def added(tool: str, **asked: object) -> list[str]:
            text = (await client.call_tool(tool, asked)).text
            return [line for line in text.splitlines() if line.startswith("+") and not line.startswith("+++")]

        assert await added("git_diff_staged") == ["+print(3)"]
        assert await added("git_diff_unstaged") == ["+print(4)"]
        assert await added("git_diff", target="HEAD") == ["+print(4)"]
        assert await added("git_diff", target="v1.0..HEAD") == ["+Zero.", "+print(2)"]
        assert await added("git_diff", target="v1.0..HEAD", paths=["src"]) == ["+print(2)"]
        assert await added("git_diff", target="HEAD...v1.0") == []
        assert await added("git_diff", target="HEAD..v1.0") == []
        bare = await client.call_tool("git_diff", {"target": "HEAD", "context_lines": 0, "paths": ["src/main.py"]})
        assert " print(1)" not in bare.text


async def test_a_renamed_file_is_shown_as_renamed(story: Maker, opened: Open) -> None:
    (story.path / "src/main.py").rename(story.path / "src/start.py")
    story.stage("src/main.py", "src/start.py")
    story.commit("Rename")
    async with opened(story.path) as client:
        text = (await client.call_tool("git_show")).text
        assert "rename from src/main.py\nrename to src/start.py\n" in text
        blame = (await client.call_tool("git_blame", {"path": "src/start.py"})).structured
        assert [(part["subject"], part["path"]) for part in blame["parts"]] == [
            ("Begin", "src/main.py"),
            ("Print two", "src/main.py"),
        ]


async def test_what_is_too_long_is_cut_and_names_what_is_missing(story: Maker, opened: Open) -> None:
    story.commit("Much", {"a": "a\n" * 2_000, "b": "b\n" * 10, "c": "c\n"})
    async with opened(story.path) as client:
        text = (await client.call_tool("git_show", {"max_bytes": 1_000})).text
        assert len(text) < 2_000
        assert "[cut: at 1000 bytes. not shown, or not to its end; ask for single files with `paths`" in text
        assert text.endswith("added: a\nadded: b\nadded: c\n")
        assert "+a\n+a\n" in text
        assert "+b\n" in (await client.call_tool("git_show", {"max_bytes": 1_000, "paths": ["b"]})).text


async def test_blame_tells_who_wrote_each_line(story: Maker, opened: Open) -> None:
    async with opened(story.path) as client:
        found = (await client.call_tool("git_blame", {"path": "README.md"})).structured
        assert found["total"] == 5
        assert [(part["start"], part["subject"], part["lines"]) for part in found["parts"]] == [
            (1, "Begin", ["# Title", ""]),
            (3, "Say zero", ["Zero."]),
            (4, "Begin", ["One."]),
            (5, "Say two", ["Two."]),
        ]
        some = (await client.call_tool("git_blame", {"path": "README.md", "start_line": 2, "end_line": 3})).structured
        assert [(part["start"], part["lines"]) for part in some["parts"]] == [(2, [""]), (3, ["Zero."])]
        old = (await client.call_tool("git_blame", {"path": "README.md", "revision": "v1.0"})).structured
        assert [part["subject"] for part in old["parts"]] == ["Begin", "Say two"]


async def test_grep_finds_lines_in_the_working_tree_and_in_revisions(story: Maker, opened: Open) -> None:
    story.write("src/main.py", "print(1)\nprint(22)\n")
    async with opened(story.path) as client:
        found = (await client.call_tool("git_grep", {"pattern": "print(2"})).structured
        assert found == {"matches": [{"path": "src/main.py", "line": 2, "text": "print(22)"}], "files": 2}
        found = (await client.call_tool("git_grep", {"pattern": "print(2", "revision": "HEAD"})).structured
        assert found["matches"][0]["text"] == "print(2)"
        found = (
            await client.call_tool(
                "git_grep", {"pattern": "^(one|TWO)", "regex": True, "ignore_case": True, "context_lines": 1}
            )
        ).structured
        assert found["matches"] == [
            {"path": "README.md", "line": 4, "text": "One.", "before": ["Zero."], "after": ["Two."]},
            {"path": "README.md", "line": 5, "text": "Two.", "before": ["One."], "after": [""]},
        ]
        cut = (await client.call_tool("git_grep", {"pattern": "print", "max_count": 1})).structured
        assert cut["note"].startswith("Cut at 1 matches")
        failed = await client.call_tool("git_grep", {"pattern": "(", "regex": True})
        assert failed.is_error
        assert "regex=false looks for plain text" in failed.text


async def test_branches_and_tags_are_listed(story: Maker, opened: Open) -> None:
    head = str(story.git.head.target)
    story.git.references.create("refs/remotes/origin/main", story.git.head.target)
    story.git.remotes.create("origin", "https://example.com/repo")
    story.git.branches.local["main"].upstream = story.git.branches.remote["origin/main"]
    async with opened(story.path) as client:
        found = (await client.call_tool("git_branch")).structured["branches"]
        assert [(one["name"], one.get("current", False)) for one in found] == [("feature/x", False), ("main", True)]
        assert found[1]["upstream"] == "origin/main"
        assert found[1]["subject"] == "Say zero"
        everything = (await client.call_tool("git_branch", {"branch_type": "all"})).structured["branches"]
        assert [one["name"] for one in everything] == ["feature/x", "main", "origin/main"]
        having = (await client.call_tool("git_branch", {"contains": head})).structured["branches"]
        assert [one["name"] for one in having] == ["main"]
        lacking = (await client.call_tool("git_branch", {"not_contains": head})).structured["branches"]
        assert [one["name"] for one in lacking] == ["feature/x"]
        tags = (await client.call_tool("git_tags")).structured["tags"]
        assert [(one["name"], one["subject"], one["annotated"]) for one in tags] == [
            ("v1.0", "The first release", True)
        ]
        assert (await client.call_tool("git_tags", {"containing": "2"})).structured == {"tags": []}


async def test_files_of_a_revision_are_listed_and_read(story: Maker, opened: Open) -> None:
    async with opened(story.path) as client:
        files = (await client.call_tool("git_list_files", {"revision": "v1.0"})).structured["files"]
        assert [(one["path"], one["kind"], one.get("size")) for one in files] == [
            ("README.md", "file", 19),
            ("src", "directory", None),
        ]
        page = (await client.call_tool("git_list_files", {"recursive": True, "max_count": 1})).structured
        rest = (await client.call_tool("git_list_files", {"recursive": True, "cursor": page["next"]})).structured
        assert [one["path"] for one in (*page["files"], *rest["files"])] == ["README.md", "src/main.py"]
        read = await client.call_tool("git_read_file", {"path": "README.md", "start_line": 3, "end_line": 4})
        assert read.text == "Zero.\nOne.\n"
        refused: list[tuple[dict[str, Any], str]] = [
            ({"path": "src"}, "git_list_files lists what is in it"),
            ({"path": "nothing"}, "no such path"),
            ({"path": "../x"}, "no step up"),
            ({"path": "/etc/passwd"}, "relative to the root"),
            ({"path": ".git/config"}, "never leads into .git"),
            ({"path": "README.md", "start_line": 9}, "The file has 5 lines"),
        ]
        for asked, said in refused:
            failed = await client.call_tool("git_read_file", asked)
            assert failed.is_error
            assert said in failed.text


async def test_every_tool_says_that_it_only_reads(story: Maker, opened: Open) -> None:
    async with opened(story.path) as client:
        tools = await client.list_tools()
        assert len(tools) == 12
        assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools)
        assert all(tool.annotations and tool.annotations.open_world_hint is False for tool in tools)
        for tool in tools:
            schema = tool.input_schema
            assert b'"description"' in bytes(schema)


async def test_a_bare_repository_is_served_without_what_needs_a_working_tree(tmp_path: Path, opened: Open) -> None:
    bare = Maker(tmp_path / "bare.git", bare=True)
    tree = bare.git.TreeBuilder()
    tree.insert("a", bare.git.create_blob(b"text\n"), 0o100644)
    bare.record("Only", tree.write())
    async with opened(bare.path) as client:
        assert (await client.call_tool("git_log")).structured["commits"][0]["message"] == "Only"
        assert (await client.call_tool("git_status")).text.startswith("The repository is bare")
        assert (await client.call_tool("git_grep", {"pattern": "text"})).is_error
        assert (await client.call_tool("git_grep", {"pattern": "text", "revision": "HEAD"})).structured["files"] == 1
        assert "git://status" not in [one.uri for one in await client.list_resources()]


async def test_zeros_for_a_commit_say_that_they_are_none(story: Maker, opened: Open) -> None:
    async with opened(story.path) as client:
        result = await client.call_tool("git_show", {"revision": "0" * 40})
        assert result.text.startswith("40 zeros name no commit")


async def test_a_sparse_index_says_how_to_make_it_whole_and_is_no_damage(story: Maker, opened: Open) -> None:
    index = story.path / ".git" / "index"
    data = index.read_bytes()[:-20] + b"sdir" + (0).to_bytes(4, "big")
    index.write_bytes(data + hashlib.sha1(data).digest())
    async with opened(story.path) as client:
        result = await client.call_tool("git_status")
        assert "git config index.sparse false" in result.text and "fsck" not in result.text


async def test_a_split_index_says_how_to_join_it_and_is_no_damage(story: Maker, opened: Open) -> None:
    index = story.path / ".git" / "index"
    data = index.read_bytes()[:-20] + b"link" + (20).to_bytes(4, "big") + b"\0" * 20
    index.write_bytes(data + hashlib.sha1(data).digest())
    async with opened(story.path) as client:
        result = await client.call_tool("git_status")
        assert "git update-index --no-split-index" in result.text
        assert "fsck" not in result.text
        assert not (await client.call_tool("git_log")).is_error


@pytest.mark.parametrize(
    ("name", "value", "said"), [("objectFormat", "sha256", "SHA-256"), ("refStorage", "reftable", "reftables")]
)
async def test_a_repository_of_another_form_is_not_read_and_no_damage(
    story: Maker, opened: Open, name: str, value: str, said: str
) -> None:
    story.git.config["core.repositoryformatversion"] = 1
    story.git.config[f"extensions.{name}"] = value
    async with opened(story.path) as client:
        result = await client.call_tool("git_status")
        assert result.is_error and said in result.text and "fsck" not in result.text
