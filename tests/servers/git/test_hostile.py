"""Hostile repositories and strings: nothing outside is opened, nothing run, nothing hangs, and the next call works."""

import os
import resource
import sys
import zlib
from pathlib import Path
from typing import Any

import pygit2
import pytest
from pygit2.enums import ObjectType

from dovetail.errors import DefinitionError
from dovetail.servers.git import Settings, make
from tests.servers.git.conftest import Maker, Open

SECRET = "the secret of somebody else"
REVISIONS = [
    "--output=x", "-n1", "--all", "-", "--exec=touch x", "@{u}", "@{-1}", "HEAD@{1}", "main@{yesterday}", ":/(a+)+$",
    "HEAD^{/(a+)+$}", "HEAD:README.md:x", "a\0b", "a" * 257, "a" * 600, "HEAD~" + "9" * 7, "HEAD~999999", "HEAD^99",
    "../../etc/passwd", "refs/../HEAD", "refs/heads/../../config", "a b", "a\nb", "\x1b[31m", "*", "ma?n", "[a-z]",
    "^main", "..", "...", "HEAD....HEAD", "HEAD..HEAD..HEAD", "HEAD^{blob}", "HEAD^{", "HEAD~1~" * 40,
    "main.lock", "a//b", ".hidden", "\u202emain", "refs/heads/" + "a/" * 100, "deadbeef", "0" * 40, "f" * 64,
    "FETCH_HEAD", "v1.0-1-gdeadbeef", "",
]  # fmt: skip


@pytest.mark.parametrize("tool", ["git_log", "git_show", "git_diff"])
async def test_strings_that_are_no_revision_are_refused_and_do_nothing_else(
    story: Maker, opened: Open, tool: str
) -> None:
    before = sorted(str(path) for path in story.path.rglob("*") if "objects" not in path.parts)
    async with opened(story.path) as client:
        for revision in REVISIONS:
            name = "target" if tool == "git_diff" else "revision"
            result = await client.call_tool(tool, {name: revision})
            assert result.is_error, revision
            assert len(result.text) < 600
            assert "\x1b" not in result.text
        assert not (await client.call_tool(tool, {name: "HEAD"})).is_error
    assert sorted(str(path) for path in story.path.rglob("*") if "objects" not in path.parts) == before


def _secret(folder: Path) -> Maker:
    other = Maker(folder / "other")
    other.commit("Theirs", {"secret": SECRET})
    return other


@pytest.mark.req("S-19")
def test_a_repository_that_leads_out_of_itself_is_not_served(tmp_path: Path) -> None:
    other = _secret(tmp_path)
    ways = 0
    for name, prepare in _ways_out(other):
        mine = Maker(tmp_path / f"mine-{name}")
        mine.commit("Mine", {"a": "a"})
        prepare(mine.path)
        with pytest.raises(DefinitionError, match=r"^git: repository: ") as found:
            make(Settings(repository=str(mine.path)))
        assert str(tmp_path) not in str(found.value), name
        ways += 1
    assert ways == 16


def _ways_out(other: Maker):  # type: ignore[no-untyped-def]
    theirs = other.path / ".git"

    def replaced(name: str, target: Path):  # type: ignore[no-untyped-def]
        def prepare(path: Path) -> None:
            part = path / ".git" / name
            if part.is_dir():
                part.rename(path / "moved")
            part.unlink(missing_ok=True)
            part.parent.mkdir(exist_ok=True)
            part.symlink_to(target)

        return prepare

    def written(name: str, text: str):  # type: ignore[no-untyped-def]
        def prepare(path: Path) -> None:
            part = path / ".git" / name
            part.parent.mkdir(exist_ok=True)
            part.write_text(part.read_text() + text if part.exists() else text)

        return prepare

    def gitfile(path: Path) -> None:
        (path / ".git").rename(path / "moved")
        (path / ".git").write_text(f"gitdir: {theirs}\n")

    def gitlink(path: Path) -> None:
        (path / ".git").rename(path / "moved")
        (path / ".git").symlink_to(theirs)

    def fifo(name: str):  # type: ignore[no-untyped-def]
        def prepare(path: Path) -> None:
            part = path / ".git" / name
            part.unlink(missing_ok=True)
            os.mkfifo(part)

        return prepare

    yield "gitfile", gitfile
    yield "gitlink", gitlink
    yield "commondir", written("commondir", str(theirs))
    yield "alternates", written("objects/info/alternates", f"{theirs / 'objects'}\n")
    yield "alternates-up", written("objects/info/alternates", "../../../other/.git/objects\n")
    yield "include", written("config", f"[include]\n\tpath = {theirs / 'config'}\n")
    yield "include-if", written("config", '[ IncludeIf "gitdir:/"]\n\tpath = x\n')
    for part in ("objects", "refs", "HEAD", "config", "packed-refs"):
        yield f"link-{part}", replaced(part, theirs / part)
    yield "pack", replaced("objects/pack", theirs / "objects" / "pack")
    yield "ref", replaced("refs/heads/theirs", theirs / "refs" / "heads" / "main")
    yield "fifo-head", fifo("HEAD")
    yield "fifo-ref", fifo("refs/heads/pipe")


@pytest.mark.req("S-19")
@pytest.mark.parametrize("key", ["core.worktree", "core.excludesfile", "core.attributesfile"])
async def test_a_configuration_that_leads_out_is_refused_when_it_is_read(
    story: Maker, opened: Open, tmp_path: Path, key: str
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "secret").write_text(SECRET)
    story.git.config[key] = str(tmp_path / "elsewhere") + ("" if key == "core.worktree" else "/secret")
    async with opened(story.path) as client:
        result = await client.call_tool("git_status", {"untracked": "files"})
        assert result.is_error
        assert key in result.text
        assert str(tmp_path) not in result.text


@pytest.mark.req("S-19")
async def test_what_is_turned_hostile_while_it_is_served_is_refused(story: Maker, opened: Open, tmp_path: Path) -> None:
    other = _secret(tmp_path)
    secret = str(other.tip.id)
    async with opened(story.path) as client:
        assert not (await client.call_tool("git_log")).is_error
        (story.path / ".git" / "objects" / "info" / "alternates").write_text(f"{other.path / '.git' / 'objects'}\n")
        result = await client.call_tool("git_show", {"revision": secret})
        assert result.is_error
        assert SECRET not in result.text


@pytest.mark.req("S-19")
async def test_the_kernel_refuses_what_the_first_look_did_not_see(story: Maker, opened: Open, tmp_path: Path) -> None:
    """Links in the folder of objects that come after the look: only Landlock stands before them."""
    other = _secret(tmp_path)
    secret = str(other.tip.id)
    async with opened(story.path) as client:
        assert not (await client.call_tool("git_log")).is_error
        for folder in (other.path / ".git" / "objects").iterdir():
            if len(folder.name) == 2:
                target = story.path / ".git" / "objects" / folder.name
                if not target.exists():
                    target.symlink_to(folder)
        result = await client.call_tool("git_show", {"revision": secret})
        assert result.is_error
        assert SECRET not in result.text


async def test_an_outside_folder_that_was_named_may_be_used(tmp_path: Path, opened: Open) -> None:
    other = _secret(tmp_path)
    mine = Maker(tmp_path / "mine")
    (mine.path / ".git" / "objects" / "info").mkdir(exist_ok=True)
    (mine.path / ".git" / "objects" / "info" / "alternates").write_text(f"{other.path / '.git' / 'objects'}\n")
    mine = Maker.__new__(Maker)
    async with opened(tmp_path / "mine", also=(str(other.path),)) as client:
        shown = await client.call_tool("git_show", {"revision": f"{other.tip.id}:secret"})
        assert shown.text == SECRET


async def test_links_in_the_working_tree_and_in_trees_are_shown_and_not_followed(
    story: Maker, opened: Open, tmp_path: Path
) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text(SECRET)
    (story.path / "link").symlink_to(tmp_path / "outside" / "secret")
    story.stage("link")
    story.commit("A link")
    story.write("dir/secret", "mine\n")
    story.stage("dir/secret")
    story.commit("A folder")
    (story.path / "dir" / "secret").unlink()
    (story.path / "dir").rmdir()
    (story.path / "dir").symlink_to(tmp_path / "outside")
    async with opened(story.path) as client:
        assert (await client.call_tool("git_read_file", {"path": "link"})).text.startswith("(a symbolic link to)")
        for tool, asked in [
            ("git_grep", {"pattern": "secret of"}),
            ("git_grep", {"pattern": "secret of", "revision": "HEAD"}),
            ("git_diff_unstaged", {}),
            ("git_diff", {"target": "HEAD~1"}),
            ("git_status", {"untracked": "files"}),
            ("git_read_file", {"path": "dir/secret"}),
            ("git_blame", {"path": "link"}),
        ]:
            assert SECRET not in (await client.call_tool(tool, asked)).text, tool


async def test_programs_that_a_repository_names_are_never_run(story: Maker, opened: Open, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\ntouch {proof}\ncat\n")
    script.chmod(0o755)
    config = story.git.config
    for key in (
        "core.fsmonitor", "core.pager", "core.editor", "core.sshCommand", "core.gitProxy", "diff.external",
        "diff.evil.command", "diff.evil.textconv", "filter.evil.clean", "filter.evil.smudge", "filter.evil.process",
        "gpg.program", "core.alternateRefsCommand", "uploadpack.packObjectsHook", "credential.helper",
    ):  # fmt: skip
        config[key] = str(script)
    config["filter.evil.required"] = True
    config["commit.gpgSign"] = True
    config["diff.evil.xfuncname"] = "^((((a+)+)+)+)$"
    hooks = story.path / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("pre-commit", "commit-msg", "post-commit", "post-index-change", "reference-transaction"):
        (hooks / name).write_text(script.read_text())
        (hooks / name).chmod(0o755)
    story.commit("Attributes", {".gitattributes": "* filter=evil diff=evil merge=evil text\n"})
    story.write("src/main.py", "print(5)\n" + "a" * 40 + "!\n")
    async with opened(story.path, allow_commit=True) as client:
        for tool, asked in [
            ("git_status", {}),
            ("git_diff_unstaged", {}),
            ("git_diff", {"target": "HEAD~1"}),
            ("git_show", {}),
            ("git_grep", {"pattern": "print"}),
            ("git_blame", {"path": "README.md"}),
        ]:
            assert not (await client.call_tool(tool, asked)).is_error, tool
        five: dict[str, Any] = {"message": "Five", "paths": ["src/main.py"]}
        refused = await client.call_tool("git_commit", five)
        assert "has the attribute filter=evil, which is not carried out here" in refused.text
        story.commit("Fewer attributes", {".gitattributes": "* diff=evil merge=evil text\n"})
        made = await client.call_tool("git_commit", five)
        assert not made.is_error, made.text
        assert "hooks that were not run: pre-commit" in made.structured["note"]
    assert not proof.exists()


async def test_names_of_files_write_nothing_to_a_terminal_and_can_be_given_back(maker: Maker, opened: Open) -> None:
    names = [
        b"\x1b[31mred",
        b"new\nline",
        b"bad\xff\xfe",
        b'quo"te\\',
        "\u202egnp.exe".encode(),
        b"tab\t",
        b"-rf",
        b"plain",
    ]
    for at, name in enumerate(names):
        maker.write(os.fsdecode(name), f"content {at}\n")
    entries = b"".join(
        b"100644 " + name + b"\0" + maker.git.create_blob(f"content {at}\n".encode()).raw
        for name, at in sorted((name, at) for at, name in enumerate(names))
    )
    maker.record("Names", pygit2.Oid(hex=maker.raw(ObjectType.TREE, entries)))
    async with opened(maker.path) as client:
        files = (await client.call_tool("git_list_files")).structured["files"]
        assert len(files) == len(names)
        for one in files:
            assert one["path"].isprintable()
            read = await client.call_tool("git_read_file", {"path": one["path"]})
            assert read.text.startswith("content "), one
            log = (await client.call_tool("git_log", {"paths": [one["path"]]})).structured
            assert len(log["commits"]) == 1
        for tool, asked in [
            ("git_show", {}),
            ("git_status", {"untracked": "files"}),
            ("git_grep", {"pattern": "c", "revision": "HEAD"}),
        ]:
            text = (await client.call_tool(tool, asked)).text
            assert not {"\x1b", "\u202e", "\xff"} & set(text), tool
            assert "\\033[31mred" in text.replace("\\\\", "\\"), tool


async def test_commits_with_strange_people_dates_and_encodings_are_shown(maker: Maker, opened: Open) -> None:
    tree = str(maker.git.TreeBuilder().write()).encode()
    heads = [
        b"author \xff\xfe <\x1b[2J@x> 99999999999999999 +9999\ncommitter C <c@x> -1 -0000\n",
        b"author nobody\ncommitter nobody\n",
        b"author A <a@x> 12 +0100\ncommitter A <a@x> 12 +0100\nencoding ISO-8859-1\n",
        b"author A <a@x> 12 +0100\ncommitter A <a@x> 12 +0100\nencoding zip\n",
        b"author A <a@x> 99999999999999999999999999 +0100\ncommitter <> 12\n",
    ]
    parent = b""
    for head in heads:
        data = b"tree " + tree + b"\n" + parent + head + b"\nGr\xfc\xdfe \x1b]0;x\x07\n"
        commit = maker.raw(ObjectType.COMMIT, data)
        parent = b"parent " + commit.encode() + b"\n"
    maker.branch("strange", commit)
    async with opened(maker.path) as client:
        commits = (await client.call_tool("git_log", {"revision": "strange"})).structured["commits"]
        assert len(commits) == 5
        assert sorted(one["message"] for one in commits)[0].startswith("Gr\\xfc\\xdfe \\x1b]0;x\\x07")
        assert any(one["message"].startswith("Grüße") for one in commits)
        assert any(one["date"] == "@99999999999999999" for one in commits)
        for one in commits:
            shown = await client.call_tool("git_show", {"revision": one["commit"]})
            assert not shown.is_error, shown.text


async def test_damaged_and_lying_objects_are_errors_and_the_next_call_works(story: Maker, opened: Open) -> None:
    tree = str(story.git.TreeBuilder().write())
    bad = {
        "no-tree": b"parent x\n\nx",
        "tree-is-a-blob": b"tree " + str(story.git.create_blob(b"x")).encode() + b"\n\nx",
        "missing-tree": b"tree " + b"1" * 40 + b"\n\nx",
        "missing-parent": b"tree " + tree.encode() + b"\nparent " + b"2" * 40 + b"\nauthor a <a> 1 +0000\n\nx",
        "empty": b"",
    }
    for name, data in bad.items():
        story.branch(name, story.raw(ObjectType.COMMIT, data))
    broken = story.git.create_blob(b"to be broken")
    place = story.path / ".git" / "objects" / str(broken)[:2] / str(broken)[2:]
    place.chmod(0o644)
    place.write_bytes(b"no zlib")
    tree_of_it = story.raw(ObjectType.TREE, b"100644 f\0" + broken.raw)
    story.branch("blob", story.raw(ObjectType.COMMIT, f"tree {tree_of_it}\n\nx".encode()))
    async with opened(story.path) as client:
        for name in (*bad, "blob"):
            for tool in ("git_show", "git_log", "git_list_files", "git_read_file"):
                asked = {"path": "f"} if tool == "git_read_file" else {}
                result = await client.call_tool(tool, {"revision": name, **asked})
                assert str(story.path) not in result.text, (name, tool)
            assert not (await client.call_tool("git_log")).is_error
        assert (await client.call_tool("git_read_file", {"path": "f", "revision": "blob"})).is_error


@pytest.mark.timeout(60)
async def test_a_tree_of_ten_thousand_levels_is_walked(maker: Maker, opened: Open) -> None:
    ident = maker.git.create_blob(b"deep\n")
    entry, name = b"100644 f\0" + ident.raw, "f"
    for _ in range(10_000):
        entry = b"40000 d\0" + pygit2.Oid(hex=maker.raw(ObjectType.TREE, entry)).raw
    maker.record("Deep", pygit2.Oid(hex=maker.raw(ObjectType.TREE, entry)))
    async with opened(maker.path) as client:
        page = (await client.call_tool("git_list_files", {"recursive": True})).structured
        assert len(page["files"]) == 1
        assert "more characters" in page["files"][0]["path"]
        read = await client.call_tool("git_read_file", {"path": "d/" * 8_000 + name})
        assert read.is_error
        calls: list[tuple[str, dict[str, Any]]] = [
            ("git_show", {"max_bytes": 1_000}),
            ("git_grep", {"pattern": "deep", "revision": "HEAD"}),
            ("git_log", {}),
        ]
        for tool, asked in calls:
            assert not (await client.call_tool(tool, asked)).is_error, tool


async def test_a_file_that_is_too_large_is_refused_by_its_size_alone(story: Maker, opened: Open) -> None:
    story.commit("Large", {"large": "x" * 300_000})
    async with opened(story.path, max_file=100_000) as client:
        result = await client.call_tool("git_read_file", {"path": "large"})
        assert result.is_error
        assert "has 300000 bytes; at most 100000 are read" in result.text
        assert "[not compared: The file" in (await client.call_tool("git_show")).text
        assert "1 files were too large" in (await client.call_tool("git_grep", {"pattern": "x"})).structured["note"]


def _loose(maker: Maker, kind: bytes, size: int, chunk: bytes) -> str:
    """Write an object that is small on disk and large when it is inflated; its id is made up."""
    ident = "ab" + "cd" * 19
    packer = zlib.compressobj(9)
    folder = maker.path / ".git" / "objects" / ident[:2]
    folder.mkdir(exist_ok=True)
    with open(folder / ident[2:], "wb") as file:
        file.write(packer.compress(kind + b" %d\0" % size))
        for _ in range(size // len(chunk)):
            file.write(packer.compress(chunk))
        file.write(packer.flush())
    return ident


@pytest.mark.timeout(60)
@pytest.mark.skipif(sys.platform != "linux", reason="the bound on memory is Linux's")
async def test_a_bomb_of_an_object_costs_its_worker_and_nothing_else(story: Maker, opened: Open) -> None:
    ident = _loose(story, b"commit", 600_000_000, b"\0" * 1_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with opened(story.path, memory=256) as client:
        shown = await client.call_tool("git_show", {"revision": ident})
        assert shown.is_error
        assert "memory" in shown.text
        assert not (await client.call_tool("git_log")).is_error
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


@pytest.mark.timeout(30)
async def test_a_pattern_that_would_run_for_ever_is_stopped_and_others_go_on(story: Maker, opened: Open) -> None:
    story.commit("Bait", {"bait": "a" * 64 + "!\n"})
    async with opened(story.path, timeout=0.5) as client:
        result = await client.call_tool("git_grep", {"pattern": "^(a+)+$", "regex": True})
        assert result.is_error
        assert "took longer than 0.5 s and was stopped" in result.text
        assert not (await client.call_tool("git_log")).is_error


@pytest.mark.timeout(30)
async def test_a_pipe_where_git_reads_a_file_is_stopped(story: Maker, opened: Open) -> None:
    os.mkfifo(story.path / ".gitignore")
    (story.path / "untracked").write_text("x")
    async with opened(story.path, timeout=0.5) as client:
        assert "took longer" in (await client.call_tool("git_status")).text
        assert not (await client.call_tool("git_log")).is_error


@pytest.mark.timeout(60)
async def test_blame_of_a_million_lines_tells_of_those_that_are_asked_for(maker: Maker, opened: Open) -> None:
    lines = [b"%d\n" % at for at in range(1_000_000)]
    maker.commit("Begin", {"long": b"".join(lines)})
    lines[500_000] = b"changed\n"
    maker.commit("Change", {"long": b"".join(lines)})
    async with opened(maker.path) as client:
        asked = {"path": "long", "start_line": 500_000, "end_line": 500_002}
        parts = (await client.call_tool("git_blame", asked)).structured["parts"]
        assert [(part["subject"], part["lines"]) for part in parts] == [
            ("Begin", ["499999"]),
            ("Change", ["changed"]),
            ("Begin", ["500001"]),
        ]
        many = (await client.call_tool("git_blame", {"path": "long"})).structured
        assert sum(len(part["lines"]) for part in many["parts"]) == 2_000
        assert "go on with start_line=2001" in many["note"]


async def test_a_submodule_is_shown_and_not_entered(story: Maker, opened: Open) -> None:
    tree = story.git.TreeBuilder(story.tip.tree)
    tree.insert("sub", pygit2.Oid(hex="1" * 40), 0o160000)
    story.write(".gitmodules", '[submodule "sub"]\n\tpath = sub\n\turl = --upload-pack=touch\n\tupdate = !touch x\n')
    story.record("Submodule", tree.write())
    async with opened(story.path) as client:
        files = (await client.call_tool("git_list_files")).structured["files"]
        assert {"path": "sub", "kind": "submodule"} in files
        assert "a submodule at commit 1111" in (await client.call_tool("git_read_file", {"path": "sub"})).text
        assert "Submodule none -> 111111111111" in (await client.call_tool("git_show")).text
        assert (await client.call_tool("git_list_files", {"path": "sub/x"})).is_error
        Maker(story.path / "sub").commit("Inside", {"a": "a"})
        story.git.index.read_tree(story.tip.tree)
        story.git.index.write()
        found = (await client.call_tool("git_status")).structured
        assert "sub" not in [one["path"] for one in found.get("changed", [])]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a folder away")
async def test_a_repository_of_somebody_else_is_not_opened(story: Maker, opened: Open) -> None:
    for path in (story.path, story.path / ".git"):
        os.chown(path, 4_242, 4_242)
    async with opened(story.path) as client:
        result = await client.call_tool("git_log")
        assert result.is_error
        assert "safe.directory" in result.text


def test_nothing_is_looked_for_in_the_folders_above(story: Maker) -> None:
    with pytest.raises(DefinitionError, match="nothing is looked for in the folders above"):
        make(Settings(repository=str(story.path / "src")))
