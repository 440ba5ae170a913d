"""A commit: named files are staged, then the index is committed. The only thing that writes. Runs in a worker.

libgit2 runs no hook, no filter program and no signing program; what a hook would have checked is not checked.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pygit2

from dovetail.servers.git.arguments import CommitArgs
from dovetail.servers.git.changes import Change, below, between, staged, unstaged
from dovetail.servers.git.names import quote_name, read_path
from dovetail.servers.git.objects import Commit
from dovetail.servers.git.repository import Refused, Repository
from dovetail.servers.git.staging import Staging, staging
from dovetail.servers.git.status import doing
from dovetail.servers.git.text import cut, plain
from dovetail.servers.git.types import Committed, Preview
from dovetail.servers.git.worktree import Absent, look

PATHS: Final = 1_000
MESSAGE: Final = 65_536
_FILES: Final = 1_000
_EMPTY: Final = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""The tree in which nothing is."""
_SHOWN: Final = 20
_SHOWN_PATH: Final = 512


def preview(repository: Repository, asked: CommitArgs) -> Preview:
    """Return what a commit would hold; nothing is written."""
    author = _author(repository)
    _check(repository, asked)
    named = [b"/".join(steps) for steps, _ in _paths(repository, asked)]
    changed = {change.path: change for change in staged(repository)}
    changed |= {one.path: one for one in below(unstaged(repository, untracked=True, all_files=True), asked.paths)}
    known = {*changed, *(change.old_path for change in changed.values())}
    missing = [name for name in named if name not in known]
    if missing:
        raise Refused(f"{quote_name(missing[0])} is not changed, or ignored; git_status shows what is.")
    if not changed:
        raise Refused("There is nothing to commit: name changed files in `paths`; git_status shows them.")
    files = [_said(change) for _, change in sorted(changed.items())]
    return Preview(
        branch=repository.branch,
        author=f"{author.name} <{author.email}>",
        files=files[:_SHOWN],
        more=max(0, len(files) - _SHOWN),
        mark=_mark(repository, asked),
    )


def _mark(repository: Repository, asked: CommitArgs) -> str:
    """Return what tells one commit from another: where it goes, whose it is, what is staged, and the files named.

    The files are told by the stamps that every change of them moves: to read them is for the commit.
    """
    author = _author(repository)
    inside = sorted((one.path, one.old_path, one.state, one.mode, one.id) for one in staged(repository))
    named = [(steps, there and _stamp(repository, steps)) for steps, there in _paths(repository, asked)]
    told = (repository.branch, author.name, author.email, inside, named)
    return hashlib.sha256(repr(told).encode("utf-8", "backslashreplace")).hexdigest()


def _stamp(repository: Repository, steps: tuple[bytes, ...]) -> tuple[int, ...]:
    work = repository.places.work
    if work is None:
        return ()
    seen = look(work, steps)
    return seen.st_mode, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino


def _said(change: Change) -> str:
    shown = change.shown
    return f"{'added' if change.state == 'untracked' else change.state}: {cut(shown.path, _SHOWN_PATH)}"


def commit(repository: Repository, asked: CommitArgs) -> Committed:
    """Stage and commit."""
    author = _author(repository)
    _check(repository, asked)
    message = asked.message if asked.message.endswith("\n") else asked.message + "\n"
    with staging(repository) as staged_now:
        head = repository.head
        tree = _staged(repository, staged_now, asked, head)
        if asked.shown and asked.shown != _mark(repository, asked):  # after the files were read, so they are those
            raise Refused(
                "What would be committed has changed since the user was asked; nothing was committed. Look at "
                "git_status, and call git_commit again: the user is asked anew."
            )
        parents = [] if head is None else [pygit2.Oid(hex=head.id)]
        repository.check()  # from here on it is done to its end
        with _others():
            made = repository.git.create_commit("HEAD", author, author, message, tree, parents)
        staged_now.put()
    files = between(repository, head, repository.commit(str(made)))
    return Committed(
        commit=str(made),
        branch=repository.branch,
        files=[change.shown for change in files[:_FILES]],
        note=_note(repository),
    )


@contextmanager
def _others() -> Iterator[None]:
    """Say what it means when the branch was another's: libgit2 has the same error for it and for damage."""
    try:
        yield
    except (pygit2.GitError, OSError) as error:
        said = str(error)
        if "not the first parent" in said:
            raise Refused("Somebody else committed at the same moment; nothing was committed. Try again.") from None
        if "failed to lock file" in said:
            raise Refused(
                "Another program is changing the branch: it is locked, and nothing was committed. Try again; when no "
                "Git program is at work there, the user removes the branch's `.lock` file from `refs` in the "
                "repository's `.git`."
            ) from None
        raise


def _staged(repository: Repository, now: Staging, asked: CommitArgs, head: Commit | None) -> pygit2.Oid:
    """Stage what was named; return the tree that is to be committed."""
    if now.index.conflicts is not None:
        raise Refused("There are conflicts in the index; the user settles them first.")
    for steps, there in _paths(repository, asked):
        path = os.fsdecode(b"/".join(steps))
        repository.check()
        if there:
            now.add(path)
        elif path in now.index:
            now.index.remove(path)
        elif head is None or repository.find(head.tree, steps) is None:  # else it is staged as deleted already
            raise Refused(f"There is no file {quote_name(os.fsencode(path))}; git_status shows what is changed.")
    repository.check()
    tree = now.tree()
    if str(tree) == (_EMPTY if head is None else head.tree):
        raise Refused("There is nothing to commit: name changed files in `paths`; git_status shows them.")
    return tree


def _note(repository: Repository) -> str | None:
    hooks = repository.places.common / "hooks"
    names = ("pre-commit", "commit-msg", "prepare-commit-msg", "post-commit")
    there = [name for name in names if os.access(hooks / name, os.X_OK)]
    return f"The repository has hooks that were not run: {', '.join(there)}." if there else None


def _author(repository: Repository) -> pygit2.Signature:
    try:
        return repository.git.default_signature
    except (KeyError, pygit2.GitError):
        raise Refused(
            "Nobody is named as the author: ask the user to run `git config user.name NAME` and "
            "`git config user.email ADDRESS` in the repository."
        ) from None


def _check(repository: Repository, asked: CommitArgs) -> None:
    if repository.places.work is None:
        raise Refused("The repository is bare: there is nothing to commit from.")
    if not asked.message.strip() or len(asked.message) > MESSAGE or "\0" in asked.message:
        raise Refused(f"A message has 1 to {MESSAGE} characters, and no NUL.")
    if plain(asked.message) != asked.message.replace("\r\n", "\n"):
        raise Refused("The message holds characters that cannot be seen; write it without them.")
    under_way = doing(repository)
    if under_way:
        raise Refused(f"A {under_way} is under way; the user finishes or aborts it with Git first.")
    if repository.git.index.conflicts is not None:
        raise Refused("There are conflicts in the index; the user settles them first.")


def _paths(repository: Repository, asked: CommitArgs) -> list[tuple[tuple[bytes, ...], bool]]:
    """Return the files named, each with whether it is there; every one of them may be committed."""
    if len(asked.paths) > PATHS:
        raise Refused(f"At most {PATHS} paths at a time.")
    work = repository.places.work
    found = []
    for path in asked.paths:
        steps = read_path(path)
        try:
            if not steps or work is None:
                raise Refused("Name each file: the whole folder is not committed at once.")
            seen = look(work, steps)
        except Absent:
            found.append((steps, False))
            continue
        if stat.S_ISDIR(seen.st_mode):
            raise Refused(f"{cut(quote_name(steps[-1]), 256)} is a folder: name each file; git_status lists them.")
        if not (stat.S_ISREG(seen.st_mode) or stat.S_ISLNK(seen.st_mode)):
            raise Refused(f"{cut(quote_name(steps[-1]), 256)} is no regular file.")
        if seen.st_size > repository.max_file:
            raise Refused(f"{cut(quote_name(steps[-1]), 256)} is larger than {repository.max_file} bytes.")
        _check_filters(repository, steps)
        found.append((steps, True))
    return found


def _check_filters(repository: Repository, steps: tuple[bytes, ...]) -> None:
    """Refuse what a program would change on its way in: without it, something else would be committed than is meant."""
    for attribute in ("filter", "working-tree-encoding"):
        value = repository.git.get_attr(os.fsdecode(b"/".join(steps)), attribute)
        if isinstance(value, str):
            raise Refused(
                f"{cut(quote_name(steps[-1]), 256)} has the attribute {attribute}={cut(plain(value), 64)}, which is "
                "not carried out here: the user commits it with Git."
            )
