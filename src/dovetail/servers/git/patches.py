"""Differences as text: a patch a file, made of bytes by our own rules, cut clearly when there is too much of it.

Files go to libgit2 as buffers without a repository: no attribute, driver, regular expression or program that a
repository names has a say in how they are compared. Runs in a worker.
"""

from typing import Final

import msgspec
import pygit2

from dovetail.servers.git.arguments import DiffArgs, ShowArgs
from dovetail.servers.git.changes import Change, below, between, since, staged, unstaged
from dovetail.servers.git.history import commit_info, merge_base
from dovetail.servers.git.names import quote_name, read_path
from dovetail.servers.git.objects import MODULE, Commit
from dovetail.servers.git.repository import Refused, Repository
from dovetail.servers.git.storing import stored
from dovetail.servers.git.text import cut, is_binary, readable
from dovetail.servers.git.worktree import Absent

LINES: Final = 200_000
"""Lines of a file that is compared with one that differs much; comparing takes more than linear time."""
_LONG_LINE: Final = 20_000
_FILES: Final = 1_000


def diff(repository: Repository, asked: DiffArgs) -> str:
    """Return differences as text."""
    if asked.mode == "staged":
        changes = staged(repository)
    elif asked.mode == "unstaged":
        changes = unstaged(repository)
    else:
        changes = _of_revisions(repository, asked.target)
    work = asked.mode == "unstaged" or ".." not in asked.target
    return _text(repository, below(changes, asked.paths), asked, work=work)


def _of_revisions(repository: Repository, target: str) -> list[Change]:
    end, start, parsed = repository.resolve_range(target)
    if start is None:  # as `git diff TARGET`: the working tree against it
        return since(repository, end)
    if parsed.symmetric:
        start = merge_base(repository, start, end)
        if start is None:
            raise Refused("The two have no commit in common; compare them with A..B.")
    return between(repository, start, end)


def show(repository: Repository, asked: ShowArgs) -> str:
    """Return a commit, and what it changed."""
    commit = repository.resolve(asked.revision)
    parent = repository.resolved_parent(commit)
    changes = below(between(repository, parent, commit), asked.paths)
    return _head(commit) + _text(repository, changes, asked, work=False)


def _head(commit: Commit) -> str:
    info = commit_info(commit, most=65_536)
    lines = [f"commit {commit.id}"]
    lines += [f"Merge: {' '.join(parent[:12] for parent in info.parents)}"] if info.parents else []
    lines += [f"Author: {info.author} <{info.email}>", f"Date: {info.date}"]
    if commit.committer != commit.author:
        lines += [f"Committer: {cut(commit.committer.name, 256)}", f"Committed: {commit.committer.date}"]
    message = "\n".join(f"    {line}".rstrip() for line in info.message.rstrip("\n").split("\n"))
    return "\n".join([*lines, "", message, "", ""])


def _text(repository: Repository, changes: list[Change], asked: DiffArgs | ShowArgs, *, work: bool) -> str:
    if not changes:
        return "No differences.\n"
    room = min(asked.max_bytes, repository.max_output)
    parts = [f"{len(changes)} {'file' if len(changes) == 1 else 'files'} changed\n"]
    for at, change in enumerate(changes):
        part = _line(change) if asked.names else patch(repository, change, asked.context, work=work)
        room -= len(part.encode("utf-8", "replace"))
        if room < 0 or repository.late:
            why = "the time was over" if room >= 0 else f"at {asked.max_bytes} bytes"
            parts.append(_rest(changes[at:], part if room < 0 and at == 0 else "", room, why))
            break
        parts.append(part)
    return "".join(parts)


def _rest(changes: list[Change], first: str, room: int, why: str) -> str:
    """Say what was left out; of a single file that is too long, show its beginning."""
    begun = ""
    if first:
        keep = max(0, len(first) + room)
        begun = first[:keep].rpartition("\n")[0] + "\n"
    names = "".join(_line(change) for change in changes[:_FILES])
    more = f"and {len(changes) - _FILES} more\n" if len(changes) > _FILES else ""
    whole = "not shown, or not to its end" if first else "not shown"
    return f"{begun}\n[cut: {why}. {whole}; ask for single files with `paths`, or raise max_bytes]\n{names}{more}"


def _line(change: Change) -> str:
    shown = change.shown
    return f"{shown.state}: {f'{shown.old_path} -> ' if shown.old_path else ''}{shown.path}\n"


def patch(repository: Repository, change: Change, context: int, *, work: bool = False) -> str:
    """Return what changed in one file."""
    if change.conflict:
        return _conflict(repository, change, context, work=work)
    head = _patch_head(change)
    if MODULE in (change.old_mode, change.mode):
        return f"{head}Submodule {change.old_id[:12] or 'none'} -> {change.id[:12] or 'none'}\n"
    try:
        old = repository.blob(change.old_id) if change.old_mode and change.old_id else b""
        new = _new(repository, change) if work else repository.blob(change.id) if change.mode and change.id else b""
    except (Refused, Absent) as error:
        return f"{head}[not compared: {error or 'no regular file'}]\n"
    if is_binary(old) or is_binary(new):
        return f"{head}Binary files differ ({len(old)} bytes -> {len(new)} bytes)\n"
    found = compare(old, new, context)
    if found is None:
        return f"{head}[not compared: more than {LINES} lines that differ; read parts of it with git_read_file]\n"
    at = found.find(b"@@")
    return head if at < 0 else head + _hunks(_with_returns(found[at:]))


def _conflict(repository: Repository, change: Change, context: int, *, work: bool) -> str:
    """Say that a file is in conflict; then, as `git diff --ours`, how the working tree differs from our side."""
    said = f"* Unmerged path {quote_name(change.path)} ({change.conflict})\n"
    if not change.old_mode:
        return said
    state = "modified" if change.mode else "deleted"
    return said + patch(repository, msgspec.structs.replace(change, state=state, conflict=""), context, work=work)


def _new(repository: Repository, change: Change) -> bytes:
    """Return a file of the working tree as it would be stored."""
    if repository.places.work is None or change.state == "deleted":
        return b""
    if change.id and pygit2.Oid(hex=change.id) in repository.git.odb:
        return repository.blob(change.id)
    return stored(repository, b"/".join(read_path_bytes(change.path)), repository.git.index)[1]


def read_path_bytes(path: bytes) -> tuple[bytes, ...]:
    """Return the steps of a path that the index or a tree holds, when it is one that may be opened."""
    return read_path(quote_name(path))


def _with_returns(hunks: bytes) -> bytes:
    """Show the carriage returns of the lines that changed, where a line differs in nothing else."""
    if b"\r\n" not in hunks:
        return hunks
    lines = hunks.split(b"\n")
    gone, come = ({line[1:] for line in lines if line.startswith(sign)} for sign in (b"-", b"+"))
    if not any(line.endswith(b"\r") and line[:-1] in (come if line in gone else gone) for line in gone ^ come):
        return hunks
    return b"\n".join(
        line[:-1] + b"\\x0d" if line.startswith((b"-", b"+")) and line.endswith(b"\r") else line for line in lines
    )


def _hunks(data: bytes) -> str:
    text = readable(data)
    if len(text) > _LONG_LINE:
        return "".join(cut(line, _LONG_LINE) + "\n" for line in text.removesuffix("\n").split("\n"))
    return text if text.endswith("\n") else text + "\n"


def _patch_head(change: Change) -> str:
    old, new = quote_name(b"a/" + change.old_path), quote_name(b"b/" + change.path)
    lines = [f"diff --git {old} {new}"]
    gone, come = change.state == "deleted", change.state in ("added", "untracked")
    if gone or come:
        lines.append(f"{'deleted' if gone else 'new'} file mode {change.old_mode if gone else change.mode:06o}")
    elif change.old_mode != change.mode:
        lines += [f"old mode {change.old_mode:06o}", f"new mode {change.mode:06o}"]
    if change.old_path != change.path:
        lines += [f"rename from {quote_name(change.old_path)}", f"rename to {quote_name(change.path)}"]
    lines += [f"--- {'/dev/null' if come else old}", f"+++ {'/dev/null' if gone else new}"]
    return "\n".join(lines) + "\n"


def compare(old: bytes, new: bytes, context: int) -> bytes | None:
    """Return a patch of two texts; None when comparing them would take too long."""
    if _differing(old, new) > LINES:
        return None
    made = pygit2.Patch.create_from(old, new, context_lines=context)
    return made.data


def _differing(old: bytes, new: bytes) -> int:
    """Count the lines between the beginning and the end that two texts have in common."""
    start = common_prefix(old, new)
    end = common_prefix(old[start:][::-1], new[start:][::-1])
    return max(data.count(b"\n", start, len(data) - end) for data in (old, new))


def common_prefix(one: bytes, other: bytes) -> int:
    """Return how many bytes two texts have in common at their beginning, in logarithmically many looks."""
    low, high = 0, min(len(one), len(other))
    if one[:high] == other[:high]:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle
    return low
