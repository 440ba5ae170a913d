"""Which files differ: between revisions, in the index, in the working tree. Runs in a worker; no contents are compared
here but by libgit2 for renames, and no attribute, filter, driver or program of the repository has a say in it."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec
import pygit2
from pygit2.enums import DeltaStatus, DiffFind, DiffOption

from dovetail.servers.git.conflicts import Conflict, conflicts
from dovetail.servers.git.ignoring import Ignored
from dovetail.servers.git.marks import Marks, entry_in, read_marks, unmarked
from dovetail.servers.git.names import quote_name, read_path
from dovetail.servers.git.objects import MODULE, TREE, Commit, Entry
from dovetail.servers.git.repository import Refused, Repository
from dovetail.servers.git.storing import standing
from dovetail.servers.git.text import cut
from dovetail.servers.git.types import FileState

_RENAMES: Final = 200
_EXACT: Final = DiffFind.FIND_RENAMES | DiffFind.FIND_EXACT_MATCH_ONLY
_NONE: Final = "0" * 40
STATES: Final = {
    DeltaStatus.ADDED: "added",
    DeltaStatus.UNTRACKED: "untracked",
    DeltaStatus.DELETED: "deleted",
    DeltaStatus.MODIFIED: "modified",
    DeltaStatus.RENAMED: "renamed",
    DeltaStatus.COPIED: "copied",
    DeltaStatus.TYPECHANGE: "type changed",
    DeltaStatus.UNREADABLE: "unreadable",
}


class Change(msgspec.Struct, frozen=True):
    """One file that differs; an id is empty where there is no such blob.

    What is in conflict has the state "conflicted", and `conflict` says how. Where it is compared with the working tree,
    its old side is ours, as `git diff --ours` has it; otherwise it has no sides, as it is not staged.
    """

    state: str
    old_path: bytes
    path: bytes
    old_mode: int
    mode: int
    old_id: str
    id: str
    conflict: str = ""

    @property
    def shown(self) -> FileState:
        """What a reader sees of it."""
        old = cut(quote_name(self.old_path), 8_192) if self.old_path != self.path else None
        return FileState(path=cut(quote_name(self.path), 8_192), state=self.state, old_path=old)  # type: ignore[arg-type]


def between(repository: Repository, old: Commit | None, new: Commit) -> list[Change]:
    """Return what changed from one revision to another; from nothing, when `old` is None."""
    after = _tree(repository, new)
    if old is None:
        diff = after.diff_to_tree(swap=True, flags=_FLAGS)
    else:
        diff = _tree(repository, old).diff_to_tree(after, flags=_FLAGS)
    return _listed(diff, renames=DiffFind.FIND_RENAMES)


# Submodules are repositories of their own, which nobody said may be opened.
_WORK: Final = DiffOption.INCLUDE_UNREADABLE | DiffOption.IGNORE_SUBMODULES
_FLAGS: Final = DiffOption.SKIP_BINARY_CHECK | DiffOption.INCLUDE_TYPECHANGE | DiffOption.DISABLE_PATHSPEC_MATCH


def staged(repository: Repository) -> list[Change]:
    """Return what the index has and HEAD has not."""
    index = _index(repository)
    torn = conflicts(index)
    found = [one for one in against(repository, repository.head, _unmarked(repository, index)) if one.path not in torn]
    return _joined(found, [_torn(one) for one in torn.values()])


def against(repository: Repository, head: Commit | None, index: pygit2.Index, *, exact: bool = False) -> list[Change]:
    """Return what an index has and a commit has not; what it has in conflict is not told rightly.

    Args:
        repository: Of both.
        head: The commit; None before the first one.
        index: None of its files bears a mark. It needs no blobs when renames are exact.
        exact: Take a file for renamed only when its contents are the same.
    """
    if head is None:
        return [
            Change("added", path, path, 0, int(one.mode), "", str(one.id))
            for one in index
            if (path := one.path.encode("utf-8", "surrogateescape"))
        ]
    diff = _tree(repository, head).diff_to_index(index, flags=_FLAGS)
    return _listed(diff, renames=_EXACT if exact else DiffFind.FIND_RENAMES)


def since(repository: Repository, old: Commit) -> list[Change]:
    """Return what the working tree has and a revision has not, of the files that Git knows."""
    if repository.places.work is None:
        raise Refused("The repository is bare: it has no working tree. Compare two revisions: A..B.")
    index = _index(repository)
    torn = conflicts(index)
    marks = read_marks(repository, index)
    ours = torn.keys() | marks.back
    diff = _tree(repository, old).diff_to_index(_unmarked(repository, index, intended=True), flags=_FLAGS)
    unseen = [one for one in _listed(diff) if one.path in marks.unseen]  # before it is merged with what lies there
    diff.merge(index.diff_to_workdir(flags=_FLAGS | _WORK))
    found = [one for one in _listed(diff) if one.path not in ours and one.path not in marks.unseen]
    standing_there = (_compared(repository, path, repository.find(old.tree, _steps(path))) for path in ours)
    return _joined(found, [*unseen, *(one for one in standing_there if one is not None)])


def _steps(path: bytes) -> tuple[bytes, ...]:
    return tuple(path.split(b"/"))


def _compared(repository: Repository, path: bytes, old: Entry | None) -> Change | None:
    """Compare what a revision or the index has at a path with the working tree; None when it is the same."""
    old_mode, old_id = (0, "") if old is None or old.mode == TREE else (old.mode, old.id)
    if old_mode == MODULE:  # a repository of its own, which nobody said may be opened
        return None
    mode, ident = standing(repository, path, old_mode)
    if (old_mode, old_id) == (mode, ident):
        return None
    if not old_mode or not mode:
        state = "added" if mode else "deleted"
    else:
        state = "modified" if stat.S_IFMT(old_mode) == stat.S_IFMT(mode) else "type changed"
    return Change(state, path, path, old_mode, mode, old_id, ident)


def _torn(conflict: Conflict, change: Change | None = None) -> Change:
    """Return a file in conflict, with how the working tree differs from our side where that is asked for."""
    if change is None:
        return Change("conflicted", conflict.path, conflict.path, 0, 0, "", "", conflict.kind)
    return msgspec.structs.replace(change, state="conflicted", conflict=conflict.kind)


def _joined(found: list[Change], more: list[Change]) -> list[Change]:
    return sorted([*found, *more], key=lambda one: one.path) if more else found


def _tree(repository: Repository, commit: Commit) -> pygit2.Tree:
    tree = repository.git[commit.tree]
    if not isinstance(tree, pygit2.Tree):
        raise Refused("The commit names no tree: it is damaged.")
    return tree


def unstaged(repository: Repository, *, untracked: bool = False, all_files: bool = False) -> list[Change]:
    """Return what the working tree has and the index has not."""
    if repository.places.work is None:
        raise Refused("The repository is bare: it has no working tree. Compare revisions instead.")
    flags = _FLAGS | _WORK
    if untracked:
        flags |= DiffOption.INCLUDE_UNTRACKED
    index = _index(repository)
    torn = conflicts(index)
    marks = read_marks(repository, index)
    if all_files or marks.ignores:
        flags |= DiffOption.RECURSE_UNTRACKED_DIRS
    modules = {path + b"/" for path, one in torn.items() if one.module}  # whose folders libgit2 takes for untracked
    left = torn.keys() | marks.unseen | marks.back | modules
    found = [
        one
        for one in _listed(index.diff_to_workdir(flags=flags))
        if one.path not in left and (one.path not in marks.intended or one.state == "deleted")
    ]
    if untracked and marks.ignores:
        found = _heeded(found, Ignored(repository, index, marks.ignores), None if all_files else index)
    ours = (None if one.ours is None else _compared(repository, one.path, one.ours) for one in torn.values())
    conflicting = [_torn(one, change) for one, change in zip(torn.values(), ours, strict=True)]
    return _joined(found, [*conflicting, *_marked(repository, index, marks)])


def _heeded(found: list[Change], ignored: Ignored, index: pygit2.Index | None) -> list[Change]:
    """Leave out what is ignored.

    Args:
        found: With each untracked file.
        ignored: Tells what is.
        index: A folder of which it has no file is put together as one; without an index none is.
    """
    known = {b""}
    for entry in index or ():
        folder = os.fsencode(entry.path).rpartition(b"/")[0]
        while folder not in known:
            known.add(folder)
            folder = folder.rpartition(b"/")[0]
    kept, folders = [], set()
    for one in found:
        if one.state != "untracked":
            kept.append(one)
        elif not ignored.holds(one.path):
            steps = one.path.split(b"/")
            above = (b"/".join(steps[:at]) for at in range(1, len(steps)))
            folder = b"" if index is None else next((path for path in above if path not in known), b"")
            if folder not in folders:
                kept.append(msgspec.structs.replace(one, old_path=folder + b"/", path=folder + b"/") if folder else one)
            folders |= {folder} if folder else set()
    return kept


def _marked(repository: Repository, index: pygit2.Index, marks: Marks) -> list[Change]:
    """Return what the working tree has of the files with marks that are looked at."""
    meant = [_compared(repository, path, None) for path in marks.intended]
    back = [_compared(repository, path, entry_in(index, path)) for path in marks.back]
    return [one for one in (*meant, *back) if one is not None]


def _index(repository: Repository) -> pygit2.Index:
    index: pygit2.Index = repository.git.index
    index.read(False)
    return index


def _unmarked(repository: Repository, index: pygit2.Index, *, intended: bool = False) -> pygit2.Index:
    return unmarked(index, Path(repository.git.path) / "index", intended=intended)


def _listed(diff: pygit2.Diff, *, renames: DiffFind | None = None) -> list[Change]:
    if renames is not None:
        diff.find_similar(flags=renames, rename_threshold=50, rename_limit=_RENAMES)
    found = []
    for delta in diff.deltas:
        old, new = delta.old_file, delta.new_file
        state = STATES.get(delta.status)
        if state is not None:
            ids = [str(side.id) for side in (old, new)]
            old_id, new_id = ("" if ident == _NONE else ident for ident in ids)
            found.append(Change(state, old.raw_path, new.raw_path, int(old.mode), int(new.mode), old_id, new_id))
    return found


def read_wanted(paths: tuple[str, ...]) -> tuple[bytes, ...]:
    """Return paths that limit what is looked at, read; none is no limit."""
    return tuple(b"/".join(read_path(path)) for path in paths)


def below_path(path: bytes, wanted: tuple[bytes, ...]) -> bool:
    """Tell whether a path is one of some, or lies below one."""
    return not wanted or any(not one or path == one or path.startswith(one + b"/") for one in wanted)


def below(changes: Iterable[Change], paths: tuple[str, ...]) -> list[Change]:
    """Return those that lie at one of some paths, or below it; all, when there are none."""
    wanted = read_wanted(paths)
    return [one for one in changes if below_path(one.path, wanted) or below_path(one.old_path, wanted)]
