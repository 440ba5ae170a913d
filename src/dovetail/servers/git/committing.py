"""A commit: named files are staged, then the index is committed. The only thing that writes. Runs in a worker.

libgit2 runs no hook, no filter program and no signing program; what a hook would have checked is not checked.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import msgspec
import pygit2

from dovetail.servers.git.arguments import CommitArgs
from dovetail.servers.git.changes import Change, between, staged, unstaged
from dovetail.servers.git.marks import Marks, read_marks
from dovetail.servers.git.names import quote_name, read_path
from dovetail.servers.git.objects import MODULE, Commit
from dovetail.servers.git.repository import Refused, Repository
from dovetail.servers.git.staging import Staging, drafted, staging
from dovetail.servers.git.status import doing
from dovetail.servers.git.text import cut, plain
from dovetail.servers.git.types import Committed, Preview
from dovetail.servers.git.worktree import Absent, look

PATHS: Final = 1_000
MESSAGE: Final = 65_536
_FILES: Final = 1_000
_EMPTY: Final = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""The tree in which nothing is."""
_NOTHING: Final = "There is nothing to commit: name changed files in `paths`; git_status shows them."
_CONFLICTS: Final = "There are conflicts in the index; the user settles them first."
_SHOWN: Final = 20
_SHOWN_PATH: Final = 512


def preview(repository: Repository, asked: CommitArgs) -> Preview:
    """Return what a commit would hold, and nothing else; nothing is written."""
    author = _author(repository)
    _check(repository, asked)
    _check_named(repository, asked)
    draft, head = drafted(repository)
    _stage(repository, draft, asked, head)
    changes = draft.changes(head)
    if not changes:
        raise _nothing(repository, asked)
    return Preview(
        branch=repository.branch,
        author=f"{author.name} <{author.email}>",
        files=[_said(change) for change in changes[:_SHOWN]],
        more=max(0, len(changes) - _SHOWN),
        mark=_mark(repository, changes),
    )


def _check_named(repository: Repository, asked: CommitArgs) -> None:
    """Refuse a file that Git would not stage: the same as before, ignored, or of another repository."""
    named = [b"/".join(steps) for steps, _ in _paths(repository, asked)]
    if not named:
        return
    changed = [*staged(repository), *unstaged(repository, untracked=True, all_files=True)]
    known = {path for change in changed for path in (change.path, change.old_path)}
    missing = [name for name in named if name not in known]
    if missing and missing[0] in _marks(repository).unseen:
        raise Refused(
            f"{quote_name(missing[0])} is not looked at: a sparse checkout leaves it out, or it is marked "
            "skip-worktree or assume-unchanged. Name the others without it; the user lifts the mark with Git."
        )
    if missing:
        raise Refused(f"{quote_name(missing[0])} is not changed, or ignored; git_status shows what is.")


def _marks(repository: Repository) -> Marks:
    return read_marks(repository, repository.git.index)


def _nothing(repository: Repository, asked: CommitArgs) -> Refused:
    """Say why there is nothing to commit."""
    intended = _marks(repository).intended
    named = [b"/".join(steps) for steps, there in _paths(repository, asked) if not there]
    gone = [name for name in named if name in intended]
    if not gone:
        return Refused(_NOTHING)
    return Refused(
        f"{quote_name(gone[0])} was only meant to be added (`git add -N`) and is gone: there is nothing of it to "
        "commit. The user takes it off the list with `git rm --cached`."
    )


def _mark(repository: Repository, changes: list[Change]) -> str:
    """Return what tells one commit from another: where it goes, whose it is, and every change, contents included."""
    author = _author(repository)
    told = (repository.branch, author.name, author.email, [msgspec.structs.astuple(one) for one in changes])
    return hashlib.sha256(repr(told).encode("utf-8", "backslashreplace")).hexdigest()


def _said(change: Change) -> str:
    shown = change.shown
    old = f"{cut(shown.old_path, _SHOWN_PATH)} -> " if shown.old_path else ""
    return f"{shown.state}: {old}{cut(shown.path, _SHOWN_PATH)}"


def commit(repository: Repository, asked: CommitArgs) -> Committed:
    """Stage and commit."""
    author = _author(repository)
    _check(repository, asked)
    message = asked.message if asked.message.endswith("\n") else asked.message + "\n"
    with staging(repository) as now:
        _check_free(repository)  # once more: a merge may have begun while the user was asked
        head = repository.head
        _stage(repository, now, asked, head)
        tree = now.tree()
        if str(tree) == (_EMPTY if head is None else head.tree):
            raise Refused(_NOTHING)
        if asked.shown and asked.shown != _mark(repository, now.changes(head)):
            raise Refused(
                "What would be committed has changed since the user was asked; nothing was committed. Look at "
                "git_status, and call git_commit again: the user is asked anew."
            )
        parents = [] if head is None else [pygit2.Oid(hex=head.id)]
        repository.check()  # from here on it is done to its end
        with _others():
            made = repository.git.create_commit("HEAD", author, author, message, tree, parents)
        now.put()
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


def _stage(repository: Repository, now: Staging, asked: CommitArgs, head: Commit | None) -> None:
    """Stage what was named."""
    if now.index.conflicts is not None:
        raise Refused(_CONFLICTS)
    unseen = read_marks(repository, now.index).unseen
    for steps, there in _paths(repository, asked):
        path = os.fsdecode(b"/".join(steps))
        repository.check()
        if os.fsencode(path) in unseen:
            continue  # it is committed as it is staged, whatever lies there
        if there:
            now.add(path)
        elif path in now.index:
            now.index.remove(path)
        elif head is None or repository.find(head.tree, steps) is None:  # else it is staged as deleted already
            raise Refused(f"There is no file {quote_name(os.fsencode(path))}; git_status shows what is changed.")
    repository.check()


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
    _check_free(repository)
    if repository.git.index.conflicts is not None:
        raise Refused(_CONFLICTS)


def _check_free(repository: Repository) -> None:
    """Refuse while something is under way: what ends it has other parents, or another author, than a plain commit."""
    under_way = doing(repository)
    if under_way:
        raise Refused(f"A {under_way} is under way; the user finishes or aborts it with Git first.")


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
            if not _is_file(repository, steps):
                raise Refused(f"{cut(quote_name(steps[-1]), 256)} is a folder: name each file; git_status lists them.")
            found.append((steps, False))  # the file gave way to a folder
            continue
        if not (stat.S_ISREG(seen.st_mode) or stat.S_ISLNK(seen.st_mode)):
            raise Refused(f"{cut(quote_name(steps[-1]), 256)} is no regular file.")
        if seen.st_size > repository.max_file:
            raise Refused(f"{cut(quote_name(steps[-1]), 256)} is larger than {repository.max_file} bytes.")
        _check_filters(repository, steps)
        found.append((steps, True))
    return found


def _is_file(repository: Repository, steps: tuple[bytes, ...]) -> bool:
    """Tell whether the index has a file at a path, rather than what is below it, or a repository of its own."""
    index, path = repository.git.index, os.fsdecode(b"/".join(steps))
    return path in index and int(index[path].mode) != MODULE


def _check_filters(repository: Repository, steps: tuple[bytes, ...]) -> None:
    """Refuse what a program would change on its way in: without it, something else would be committed than is meant."""
    try:
        b"/".join(steps).decode()
    except UnicodeDecodeError:  # pygit2 has no way to ask for its attributes, nor to store it
        raise Refused(
            f"{cut(quote_name(steps[-1]), 256)} has a name that is not UTF-8: the user commits it with Git."
        ) from None
    for attribute in ("filter", "working-tree-encoding"):
        value = repository.git.get_attr(os.fsdecode(b"/".join(steps)), attribute)
        if isinstance(value, str):
            raise Refused(
                f"{cut(quote_name(steps[-1]), 256)} has the attribute {attribute}={cut(plain(value), 64)}, which is "
                "not carried out here: the user commits it with Git."
            )
