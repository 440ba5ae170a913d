"""The tools that read. Each is a call of a worker; what it refuses, the model reads."""

from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

from dovetail import Context, Server, ToolAnnotations, ToolError
from dovetail.servers.git.arguments import (
    BlameArgs,
    BranchArgs,
    DiffArgs,
    ListArgs,
    LogArgs,
    ReadArgs,
    SearchArgs,
    ShowArgs,
    StatusArgs,
    TagArgs,
)
from dovetail.servers.git.types import Blame, BranchList, FileList, LogPage, MatchList, StatusReport, TagList
from dovetail.servers.git.workers import Refusal, Workers

T = TypeVar("T")

Paths = Annotated[list[str], Meta(max_length=100)]
Lines = Annotated[int, Meta(ge=0, le=100)]
Bytes = Annotated[int, Meta(ge=1_000, le=16_777_216)]
Revision = Annotated[str, Meta(max_length=600)]
Line = Annotated[int, Meta(ge=1, le=100_000_000)]


async def ask(ctx: Context, operation: str, arguments: msgspec.Struct, returns: type[T]) -> T:
    """Have a worker carry out an operation; its refusal is the model's to read."""
    workers: Workers = ctx.lifespan.workers
    try:
        return await workers.call(operation, arguments, returns)
    except Refusal as error:
        raise ToolError(str(error)) from None


def reads(title: str) -> ToolAnnotations:
    """What holds of a tool that changes nothing and leaves this machine alone."""
    return ToolAnnotations(
        title=title, read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
    )


def offer(server: Server) -> None:
    """Offer the tools that read."""
    for tool, title in _TOOLS:
        server.add_tool(tool, title=title, annotations=reads(title))


async def git_status(
    ctx: Context,
    untracked: Literal["no", "folders", "files"] = "folders",
    max_count: Annotated[int, Meta(ge=1, le=10_000)] = 500,
) -> StatusReport:
    """Show the state of the working tree: branch, staged, changed, untracked and conflicting files, what is under way.

    Use it before a commit, or to learn what the user is working on.

    Args:
        untracked: How to show files that Git does not know: not at all, a folder full of them as one, or each.
        max_count: The most entries of each kind.
    """
    return await ask(ctx, "status", StatusArgs(untracked=untracked, max_count=max_count), StatusReport)


async def git_log(
    ctx: Context,
    revision: Revision = "HEAD",
    max_count: Annotated[int, Meta(ge=1, le=10_000)] = 20,
    paths: Paths | None = None,
    author: Annotated[str, Meta(max_length=200)] = "",
    text: Annotated[str, Meta(max_length=200)] = "",
    since: Annotated[str, Meta(max_length=64)] = "",
    until: Annotated[str, Meta(max_length=64)] = "",
    brief: bool = False,
    cursor: Annotated[str, Meta(max_length=600)] = "",
) -> LogPage:
    """List commits, newest first: id, author, date and message. One page at a time; `next` leads to older ones.

    Args:
        revision: Where to begin: a branch, tag or commit, `HEAD~3`; or a range: `A..B` is what B has and A has not,
            `A...B` what either has alone.
        max_count: The most commits on a page.
        paths: Only commits that changed one of these files or folders.
        author: Only commits whose author's name or address holds this, whatever its case.
        text: Only commits whose message holds this, whatever its case.
        since: Only commits of this time or later: `2026-03-01`, `2026-03-01T14:30+01:00`, `2 weeks ago`, `yesterday`.
        until: Only commits of this time or earlier.
        brief: The first line of each message only.
        cursor: The `next` of the page before; the filters must be those of that page, the revision is the cursor's.
    """
    asked = LogArgs(
        revision=revision,
        paths=tuple(paths or ()),
        author=author,
        text=text,
        since=since,
        until=until,
        max_count=max_count,
        cursor=cursor,
        brief=brief,
    )
    return await ask(ctx, "log", asked, LogPage)


async def git_show(
    ctx: Context,
    revision: Annotated[str, Meta(max_length=17_000)] = "HEAD",
    paths: Paths | None = None,
    context_lines: Lines = 3,
    max_bytes: Bytes = 100_000,
    names_only: bool = False,
) -> str:
    """Show a commit and what it changed against its first parent, as a patch; or a file, as `revision:path`.

    What is too long is cut, with the names of the files that are missing.

    Args:
        revision: A branch, tag or commit, `HEAD~3`; or `revision:path` for the file as it was there.
        paths: Only these files or folders.
        context_lines: Unchanged lines around a change.
        max_bytes: The most text.
        names_only: Which files changed, and not how.
    """
    name, colon, path = revision.partition(":")
    if colon:
        return await ask(ctx, "read_text", ReadArgs(path=path, revision=name or "HEAD"), str)
    asked = ShowArgs(
        revision=revision, paths=tuple(paths or ()), context=context_lines, max_bytes=max_bytes, names=names_only
    )
    return await ask(ctx, "show", asked, str)


async def git_diff(
    ctx: Context,
    target: Revision,
    paths: Paths | None = None,
    context_lines: Lines = 3,
    max_bytes: Bytes = 100_000,
    names_only: bool = False,
) -> str:
    """Show what differs between two revisions, or between a revision and the working tree, as a patch.

    What is too long is cut, with the names of the files that are missing.

    Args:
        target: `A..B` compares A with B, `A...B` compares B with where the two parted (as a pull request does);
            one revision alone is compared with the working tree.
        paths: Only these files or folders.
        context_lines: Unchanged lines around a change.
        max_bytes: The most text.
        names_only: Which files differ, and not how.
    """
    asked = DiffArgs(
        mode="revisions",
        target=target,
        paths=tuple(paths or ()),
        context=context_lines,
        max_bytes=max_bytes,
        names=names_only,
    )
    return await ask(ctx, "diff", asked, str)


async def git_diff_staged(
    ctx: Context,
    paths: Paths | None = None,
    context_lines: Lines = 3,
    max_bytes: Bytes = 100_000,
    names_only: bool = False,
) -> str:
    """Show what is staged: what the next commit will hold, as a patch against HEAD.

    Args:
        paths: Only these files or folders.
        context_lines: Unchanged lines around a change.
        max_bytes: The most text.
        names_only: Which files differ, and not how.
    """
    asked = DiffArgs(
        mode="staged", paths=tuple(paths or ()), context=context_lines, max_bytes=max_bytes, names=names_only
    )
    return await ask(ctx, "diff", asked, str)


async def git_diff_unstaged(
    ctx: Context,
    paths: Paths | None = None,
    context_lines: Lines = 3,
    max_bytes: Bytes = 100_000,
    names_only: bool = False,
) -> str:
    """Show what is changed in the working tree and not staged yet, as a patch; untracked files are not part of it.

    Args:
        paths: Only these files or folders.
        context_lines: Unchanged lines around a change.
        max_bytes: The most text.
        names_only: Which files differ, and not how.
    """
    asked = DiffArgs(
        mode="unstaged", paths=tuple(paths or ()), context=context_lines, max_bytes=max_bytes, names=names_only
    )
    return await ask(ctx, "diff", asked, str)


async def git_blame(
    ctx: Context,
    path: Annotated[str, Meta(max_length=16_384)],
    revision: Revision = "HEAD",
    start_line: Line = 1,
    end_line: Line | None = None,
) -> Blame:
    """Tell which commit wrote which lines of a file, also before it was renamed. At most 2,000 lines at a time.

    Args:
        path: The file, from the root of the repository.
        revision: The file as it is there.
        start_line: The first line, from 1.
        end_line: The last line; the last of the file, when not given.
    """
    return await ask(ctx, "blame", BlameArgs(path=path, revision=revision, start=start_line, end=end_line), Blame)


async def git_grep(
    ctx: Context,
    pattern: Annotated[str, Meta(min_length=1, max_length=1_000)],
    revision: Revision = "",
    paths: Paths | None = None,
    regex: bool = False,
    ignore_case: bool = False,
    context_lines: Annotated[int, Meta(ge=0, le=20)] = 0,
    max_count: Annotated[int, Meta(ge=1, le=5_000)] = 100,
) -> MatchList:
    """Find lines in the tracked files of the working tree, or in all files of a revision.

    Args:
        pattern: What to look for, in single lines: plain text, or a regular expression of Python.
        revision: Where to look; the working tree, when not given.
        paths: Only in these files or folders.
        regex: Take the pattern for a regular expression. One that takes too long is stopped.
        ignore_case: Whatever the case.
        context_lines: Lines before and after each that matches.
        max_count: The most lines.
    """
    asked = SearchArgs(
        pattern=pattern,
        revision=revision,
        paths=tuple(paths or ()),
        regex=regex,
        ignore_case=ignore_case,
        context=context_lines,
        max_count=max_count,
    )
    return await ask(ctx, "search", asked, MatchList)


async def git_branch(
    ctx: Context,
    branch_type: Literal["local", "remote", "all"] = "local",
    contains: Revision = "",
    not_contains: Revision = "",
    max_count: Annotated[int, Meta(ge=1, le=5_000)] = 100,
) -> BranchList:
    """List branches: name, newest commit, which is checked out, what it follows. Nothing is fetched.

    Args:
        branch_type: The repository's own, those of remotes as they were last fetched, or both.
        contains: Only branches that have this commit.
        not_contains: Only branches that lack this commit.
        max_count: The most branches.
    """
    asked = BranchArgs(kind=branch_type, contains=contains, not_contains=not_contains, max_count=max_count)
    return await ask(ctx, "branches", asked, BranchList)


async def git_tags(
    ctx: Context,
    containing: Annotated[str, Meta(max_length=200)] = "",
    max_count: Annotated[int, Meta(ge=1, le=5_000)] = 100,
) -> TagList:
    """List tags, newest first: name, what it names, date, message.

    Args:
        containing: Only tags whose name holds this, whatever its case.
        max_count: The most tags.
    """
    return await ask(ctx, "tags", TagArgs(containing=containing, max_count=max_count), TagList)


async def git_list_files(
    ctx: Context,
    revision: Revision = "HEAD",
    path: Annotated[str, Meta(max_length=16_384)] = "",
    recursive: bool = False,
    max_count: Annotated[int, Meta(ge=1, le=10_000)] = 500,
    cursor: Annotated[str, Meta(max_length=64)] = "",
) -> FileList:
    """List the files of a revision, as they are in it; the working tree is not looked at.

    Args:
        revision: A branch, tag or commit.
        path: The folder; the root, when not given.
        recursive: All that is below it, and no folders.
        max_count: The most files on a page.
        cursor: The `next` of the page before; path and recursive must be those of that page.
    """
    asked = ListArgs(revision=revision, path=path, recursive=recursive, max_count=max_count, cursor=cursor)
    return await ask(ctx, "list_files", asked, FileList)


async def git_read_file(
    ctx: Context,
    path: Annotated[str, Meta(max_length=16_384)],
    revision: Revision = "HEAD",
    start_line: Line = 1,
    end_line: Line | None = None,
) -> str:
    """Read a text file of a revision, whole or some lines of it; the working tree is not looked at.

    Characters that a terminal would obey are shown as escapes such as \\x1b. Exact bytes are the resource
    git://{revision}/{path}.

    Args:
        path: The file, from the root of the repository.
        revision: A branch, tag or commit.
        start_line: The first line, from 1.
        end_line: The last line; the last of the file, when not given.
    """
    return await ask(ctx, "read_text", ReadArgs(path=path, revision=revision, start=start_line, end=end_line), str)


_TOOLS = (
    (git_status, "State of the working tree"),
    (git_log, "History"),
    (git_show, "Show a commit or a file"),
    (git_diff, "Compare revisions"),
    (git_diff_staged, "What is staged"),
    (git_diff_unstaged, "What is changed and not staged"),
    (git_blame, "Who wrote which lines"),
    (git_grep, "Find lines"),
    (git_branch, "Branches"),
    (git_tags, "Tags"),
    (git_list_files, "Files of a revision"),
    (git_read_file, "Read a file of a revision"),
)
