"""What tools return. Each is also what a worker process sends, so all of it is plain data."""

from typing import Literal

import msgspec


class CommitInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A commit.

    Attributes:
        commit: Its id.
        author: Who wrote it.
        email: The author's address.
        date: When it was written (ISO 8601), or `@` and seconds where no calendar has it.
        message: Its message; the first line only, where that was asked for.
        parents: The ids of its parents, when it is a merge; of 64 at most.
    """

    commit: str
    author: str
    email: str
    date: str
    message: str
    parents: tuple[str, ...] = ()


class LogPage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Part of a history, newest first.

    Attributes:
        commits: The commits.
        next: Pass this as `cursor` for older ones; missing when there are none.
        note: What was left out, and how to get it.
    """

    commits: list[CommitInfo]
    next: str | None = None
    note: str | None = None


class FileState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A file that is not as it was.

    Attributes:
        path: Where it is; in double quotes with C escapes when its name has unusual characters.
        state: What happened to it.
        old_path: Where it was, if it was renamed or copied.
    """

    path: str
    state: Literal["added", "modified", "deleted", "renamed", "copied", "type changed", "unreadable"]
    old_path: str | None = None


class StatusReport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The state of the working tree.

    Attributes:
        branch: The current branch; missing when HEAD is detached.
        head: The id of the commit checked out; missing before the first one.
        upstream: The remote branch that it follows.
        ahead: Commits that the upstream lacks.
        behind: Commits of the upstream that it lacks.
        doing: What is under way: merge, rebase, cherry-pick, revert, bisect, apply.
        clean: Nothing is staged, changed or untracked.
        staged: What the next commit will hold.
        changed: What is changed and not staged.
        untracked: Files that Git does not know; a folder of only such files stands as `folder/`.
        conflicts: Files of a merge that somebody has to settle.
        note: What was left out.
    """

    clean: bool
    branch: str | None = None
    head: str | None = None
    upstream: str | None = None
    ahead: int = 0
    behind: int = 0
    doing: str | None = None
    staged: list[FileState] = []
    changed: list[FileState] = []
    untracked: list[str] = []
    conflicts: list[str] = []
    note: str | None = None


class BranchInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A branch.

    Attributes:
        name: As a revision: `main`, `origin/main`.
        commit: The id of its newest commit.
        date: When that was committed.
        subject: The first line of its message.
        current: It is checked out.
        remote: It is a remote branch, as it was when last fetched.
        upstream: The remote branch that it follows.
    """

    name: str
    commit: str
    date: str
    subject: str
    current: bool = False
    remote: bool = False
    upstream: str | None = None


class BranchList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Branches, by name; `note` says what was left out."""

    branches: list[BranchInfo]
    note: str | None = None


class TagInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A tag.

    Attributes:
        name: As a revision.
        commit: The id of what it names.
        date: When it was made, or when the commit was.
        subject: The first line of its message, or of the commit's.
        annotated: It is an object of its own, with a message and a maker.
        tagger: Who made it, when annotated.
    """

    name: str
    commit: str
    date: str
    subject: str
    annotated: bool = False
    tagger: str | None = None


class TagList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Tags, newest first; `note` says what was left out."""

    tags: list[TagInfo]
    note: str | None = None


class FileEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A file of a revision.

    Attributes:
        path: Where it is; in double quotes with C escapes when its name has unusual characters.
        kind: What it is.
        size: Its bytes; not of folders and submodules.
    """

    path: str
    kind: Literal["file", "executable", "symlink", "directory", "submodule"]
    size: int | None = None


class FileList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Files of a revision.

    Attributes:
        commit: The id of the revision.
        files: In the order of the tree.
        next: Pass this as `cursor` for more; missing when there are none.
    """

    commit: str
    files: list[FileEntry]
    next: str | None = None


class Match(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A line that matches.

    Attributes:
        path: Of its file.
        line: Its number, from 1.
        text: What stands there; a long line is cut.
        before: The lines before it, if wanted.
        after: The lines after it, if wanted.
    """

    path: str
    line: int
    text: str
    before: list[str] = []
    after: list[str] = []


class MatchList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Lines that match.

    Attributes:
        matches: By file, in the order of the tree.
        files: Files that were looked at.
        note: What was left out: binary or large files, or more matches.
    """

    matches: list[Match]
    files: int
    note: str | None = None


class BlamePart(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Lines in a row that one commit wrote.

    Attributes:
        commit: The id of the commit that wrote them.
        author: Who wrote it.
        date: When.
        subject: The first line of its message.
        start: The number of the first line, from 1.
        lines: What they say.
        path: Where the file was then, if elsewhere.
        older: True when it may have been an older commit: the search stopped here.
    """

    commit: str
    author: str
    date: str
    subject: str
    start: int
    lines: list[str]
    path: str | None = None
    older: bool = False


class Blame(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who wrote which lines.

    Attributes:
        commit: The id of the revision.
        parts: In the order of the file.
        total: Lines that the file has.
        note: What was left out.
    """

    commit: str
    parts: list[BlamePart]
    total: int
    note: str | None = None


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What a commit would hold: shown to the user before it is made.

    Attributes:
        branch: That it would be on; None when HEAD is detached.
        author: With the address.
        files: The first of them, each with what happens to it.
        more: How many there are besides.
        mark: Of all of it, contents included: another mark, another commit.
    """

    branch: str | None
    author: str
    files: list[str]
    more: int
    mark: str


class Committed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A commit that was made.

    Attributes:
        commit: Its id.
        branch: The branch that it is on; missing when HEAD is detached.
        files: What it changed.
        note: What a `git commit` would have done besides.
    """

    commit: str
    files: list[FileState]
    branch: str | None = None
    note: str | None = None


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """A file's bytes, or a folder's listing."""

    data: bytes
    folder: bool = False
