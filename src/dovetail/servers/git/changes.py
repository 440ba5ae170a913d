"""Which files differ: between revisions, in the index, in the working tree. Runs in a worker; no contents are compared
here but by libgit2 for renames, and no attribute, filter, driver or program of the repository has a say in it."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec
import pygit2
from pygit2.enums import DeltaStatus, DiffFind, DiffOption
from pygit2.ffi import C, ffi

from dovetail.servers.git.names import quote_name, read_path
from dovetail.servers.git.objects import Commit
from dovetail.servers.git.repository import Refused, Repository
from dovetail.servers.git.text import cut
from dovetail.servers.git.types import FileState

_RENAMES: Final = 200
_NONE: Final = "0" * 40
_INTENDED: Final = 1 << 13
"""GIT_INDEX_ENTRY_INTENT_TO_ADD, for which pygit2 has no word."""
_CHANGED: Final = ("modified", "type changed")
STATES: Final = {
    DeltaStatus.ADDED: "added",
    DeltaStatus.UNTRACKED: "untracked",
    DeltaStatus.DELETED: "deleted",
    DeltaStatus.MODIFIED: "modified",
    DeltaStatus.RENAMED: "renamed",
    DeltaStatus.COPIED: "copied",
    DeltaStatus.TYPECHANGE: "type changed",
    DeltaStatus.UNREADABLE: "unreadable",
    DeltaStatus.CONFLICTED: "conflicted",
}


class Change(msgspec.Struct, frozen=True):
    """One file that differs; an id is empty where there is no such blob."""

    state: str
    old_path: bytes
    path: bytes
    old_mode: int
    mode: int
    old_id: str
    id: str

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
    return _listed(diff, renames=True)


# Submodules are repositories of their own, which nobody said may be opened.
_WORK: Final = DiffOption.INCLUDE_UNREADABLE | DiffOption.IGNORE_SUBMODULES
_FLAGS: Final = DiffOption.SKIP_BINARY_CHECK | DiffOption.INCLUDE_TYPECHANGE | DiffOption.DISABLE_PATHSPEC_MATCH


def staged(repository: Repository) -> list[Change]:
    """Return what the index has and HEAD has not."""
    head = repository.head
    index = _index(repository)
    index = without_intended(index, Path(repository.git.path) / "index")
    if head is None:  # before the first commit: all of it
        return [
            Change("added", path, path, 0, int(one.mode), "", str(one.id))
            for one in index
            if (path := one.path.encode("utf-8", "surrogateescape"))
        ]
    return _listed(_tree(repository, head).diff_to_index(index, flags=_FLAGS), renames=True)


def since(repository: Repository, old: Commit) -> list[Change]:
    """Return what the working tree has and a revision has not, of the files that Git knows."""
    if repository.places.work is None:
        raise Refused("The repository is bare: it has no working tree. Compare two revisions: A..B.")
    index = _index(repository)
    diff = _tree(repository, old).diff_to_index(index, flags=_FLAGS)
    diff.merge(index.diff_to_workdir(flags=_FLAGS | _WORK))
    return _listed(diff, renames=False)


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
    if all_files:
        flags |= DiffOption.RECURSE_UNTRACKED_DIRS
    index = _index(repository)
    intended = _intended(index)
    found = _listed(index.diff_to_workdir(flags=flags), renames=False)
    return [_added(one) if one.path in intended and one.state in _CHANGED else one for one in found]


def _added(change: Change) -> Change:
    return Change("added", change.path, change.path, 0, change.mode, "", change.id)


def _index(repository: Repository) -> pygit2.Index:
    index: pygit2.Index = repository.git.index
    index.read(False)
    return index


def without_intended(index: pygit2.Index, file: Path) -> pygit2.Index:
    """Return what an index holds to be committed: not the files that are only meant to be added (`git add -N`).

    libgit2 takes those for empty files that are staged; Git leaves them out.

    Args:
        index: As it was read of the file.
        file: It is read anew where something is to be left out, and never written.
    """
    intended = _intended(index)
    if not intended:
        return index
    kept = pygit2.Index(str(file))
    kept.read(True)
    for path in intended:
        kept.remove(os.fsdecode(path))
    return kept


def _intended(index: pygit2.Index) -> set[bytes]:
    entries = (C.git_index_get_byindex(index._index, at) for at in range(len(index)))
    return {ffi.string(entry.path) for entry in entries if entry.flags_extended & _INTENDED}


def _listed(diff: pygit2.Diff, *, renames: bool) -> list[Change]:
    if renames:
        diff.find_similar(flags=DiffFind.FIND_RENAMES, rename_threshold=50, rename_limit=_RENAMES)
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
