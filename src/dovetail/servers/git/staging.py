"""The index while a commit is made: locked as Git locks it, changed in a copy, and put in place when all is done.

Invariant: from the look at the index and HEAD to the new index nobody who keeps Git's rules changes either: whoever
holds `index.lock` may. Until the commit is there nothing of ours can be seen; if it fails, the index is as it was.
What the user is shown before is a draft of the same: one way leads from the files named to what is committed.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pygit2
from pygit2.enums import FileMode

from dovetail.servers.git.changes import Change, against
from dovetail.servers.git.holding import Hold, take, wait
from dovetail.servers.git.marks import strip_marks, unmarked
from dovetail.servers.git.objects import Commit
from dovetail.servers.git.repository import Refused, Repository
from dovetail.servers.git.storing import stored

_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_READ: Final = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_CHUNK: Final = 1 << 20
_PATIENCE: Final = 3.0
"""Seconds to wait for others who hold the index: they are quick, or gone. Half of a call's time at most."""


class Staging:
    """An index that may be changed as if by `git add`, and what would be committed of it.

    Attributes:
        index: A copy of the repository's.
    """

    def __init__(self, repository: Repository, hold: Hold | None = None) -> None:
        """Begin with what is staged.

        Args:
            repository: Whose index it is.
            hold: With the copy of the index that is to take its place. Without one it is a draft: what would be
                committed can be told, and nothing is written, contents of files included.
        """
        self._repository = repository
        self._hold = hold
        self._file = Path(repository.git.path) / "index" if hold is None else hold.copy
        self.index = pygit2.Index(str(self._file))
        self.index.read(True)

    def __repr__(self) -> str:
        return f"<{'Draft' if self._hold is None else 'Staging'} of {len(self.index)} entries>"

    def add(self, path: str) -> None:
        """Stage a file of the working tree as it is."""
        known = int(self.index[path].mode) if path in self.index else 0
        mode, data = stored(self._repository, os.fsencode(path), self.index, known=known, strict=True)
        blob = pygit2.hash(data) if self._hold is None else self._repository.git.create_blob(data)
        self.index.add(pygit2.IndexEntry(path, blob, FileMode(mode)))

    def changes(self, head: Commit | None) -> list[Change]:
        """Return what would be committed; of a draft and of the real thing it is the same."""
        return against(self._repository, head, self._meant(), exact=True)

    def tree(self) -> pygit2.Oid:
        """Write what is staged as a tree; return its id."""
        return self._meant().write_tree(self._repository.git)

    def _meant(self) -> pygit2.Index:
        """Return what is to be committed. What is only intended (`git add -N`) is no part of it, and stays."""
        if self._hold is None:
            strip_marks(self.index)  # nobody sees a draft's index
            return self.index
        self.index.write()
        return unmarked(self.index, self._file)

    def put(self) -> None:
        """Put the copy in the place of the index."""
        if self._hold is None:
            raise RuntimeError("a draft is never put in place")
        self.index.write()
        os.replace(self._hold.copy, self._hold.index)
        self._repository.git.index.read(True)


def drafted(repository: Repository) -> tuple[Staging, Commit | None]:
    """Return a draft and the commit checked out, both of one moment.

    Whoever commits holds the index until both are as they are to be: between the two, what was just committed looks
    like a change to be undone.
    """
    git = Path(repository.git.path)
    while True:
        free = wait(git, min(_PATIENCE, repository.left / 2))
        head = repository.head
        draft = Staging(repository)
        if not free or (wait(git, 0) and repository.head == head):
            return draft, head
        repository.check()


@contextmanager
def staging(repository: Repository) -> Iterator[Staging]:
    """Hold the index for as long as the block lasts.

    Raises:
        Refused: Somebody else holds it.
    """
    hold = take(Path(repository.git.path), min(_PATIENCE, repository.left / 2))
    if hold is None:
        raise Refused(
            "Another program is changing the repository: its index is locked, and nothing was committed. Try again; "
            "when no Git program is at work there, the user removes `index.lock` from the repository's `.git`."
        )
    try:
        _copied(hold.index, hold.copy)
        yield Staging(repository, hold)
    finally:
        hold.release()


def _copied(index: Path, copy: Path) -> None:
    try:
        source = os.open(index, _READ)
    except FileNotFoundError:
        return  # nothing was ever staged
    with os.fdopen(source, "rb") as old, os.fdopen(os.open(copy, _NEW, 0o644), "wb") as new:
        while chunk := old.read(_CHUNK):
            new.write(chunk)
