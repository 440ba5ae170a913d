"""What the index says of a file besides its contents: that it is only meant to be added, or not to be looked at.

libgit2 keeps these marks and heeds them by half: it takes what is meant for an empty file, what a sparse checkout
leaves out for deleted, and what is not to be looked at for unchanged even where no working tree is looked at. So they
are read here, and its word on such a file is never used; what is staged is compared without marks. Runs in a worker.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec
import pygit2
from pygit2.ffi import C, ffi

from dovetail.servers.git.objects import Entry
from dovetail.servers.git.repository import Repository
from dovetail.servers.git.worktree import lying

# Of libgit2's git_index_entry; pygit2 has no words for them.
_ASSUMED: Final = 1 << 15
_STAGE: Final = 3 << 12
_INTENDED: Final = 1 << 13
_SKIPPED: Final = 1 << 14
_MARKS: Final = _INTENDED | _SKIPPED


class Marks(msgspec.Struct, frozen=True):
    """The paths of an index that bear a mark; what is in conflict bears none.

    Attributes:
        intended: Only meant to be added (`git add -N`).
        unseen: The working tree is not looked at, there or not: the file is as it is staged. A sparse checkout left it
            out, or it was marked with `git update-index --skip-worktree` or `--assume-unchanged`.
        ignores: The `.gitignore` files that a sparse checkout left out; they are heeded nevertheless, see `ignoring`.
        back: A sparse checkout left it out, and something lies there nevertheless: compared, as Git does.
    """

    intended: frozenset[bytes]
    unseen: frozenset[bytes]
    back: frozenset[bytes]
    ignores: frozenset[bytes]


def read_marks(repository: Repository, index: pygit2.Index) -> Marks:
    """Return the marks of an index; the working tree is looked at for what a sparse checkout left out."""
    intended, assumed, skipped = set(), set(), set()
    for path, flags, extended in _entries(index):
        if flags & _ASSUMED:
            assumed.add(path)
        elif extended & _SKIPPED:
            skipped.add(path)
        elif extended & _INTENDED:
            intended.add(path)
    work = repository.places.work
    back = lying(work, skipped) if work is not None and _comes_back(repository) else set()
    ignores = {path for path in skipped if path.rpartition(b"/")[2] == b".gitignore"}
    ignores -= set() if work is None else lying(work, ignores)
    return Marks(frozenset(intended), frozenset(assumed | skipped - back), frozenset(back), frozenset(ignores))


def _entries(index: pygit2.Index) -> Iterable[tuple[bytes, int, int]]:
    for at in range(len(index)):
        entry = C.git_index_get_byindex(index._index, at)
        if (entry.flags & _ASSUMED or entry.flags_extended & _MARKS) and not entry.flags & _STAGE:
            yield ffi.string(entry.path), entry.flags, entry.flags_extended


def _comes_back(repository: Repository) -> bool:
    """Tell whether a skipped file counts once it is there: Git does so in a sparse checkout, and only there."""
    config = repository.git.config

    def said(name: str) -> bool:
        return name in config and config.get_bool(name)

    return said("core.sparseCheckout") and not said("sparse.expectFilesOutsideOfPatterns")


def entry_in(index: pygit2.Index, path: bytes) -> Entry:
    """Return what an index has at a path that it has."""
    one = index[os.fsdecode(path)]
    return Entry(path, int(one.mode), str(one.id))


def unmarked(index: pygit2.Index, file: Path, *, intended: bool = False) -> pygit2.Index:
    """Return what an index holds, to be compared or committed: no file of it bears a mark.

    Args:
        index: As it was read of the file.
        file: It is read anew where there are marks, and never written.
        intended: Keep the files that are only meant to be added; no part of a commit, Git leaves them out.
    """
    if next(iter(_entries(index)), None) is None:
        return index
    kept = pygit2.Index(str(file))
    kept.read(True)
    strip_marks(kept, intended=intended)
    return kept


def strip_marks(index: pygit2.Index, *, intended: bool = False) -> None:
    """Take the marks off an index that is never written; see `unmarked`."""
    if not intended:
        for path in [path for path, _, extended in _entries(index) if extended & _INTENDED]:
            index.remove(os.fsdecode(path))
    for at in range(len(index)):
        entry = C.git_index_get_byindex(index._index, at)
        entry.flags &= ~_ASSUMED
        entry.flags_extended &= ~_MARKS
