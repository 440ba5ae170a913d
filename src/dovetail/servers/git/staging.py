"""The index while a commit is made: locked as Git locks it, changed in a copy, and put in place when all is done.

Invariant: from the look at the index and HEAD to the new index nobody who keeps Git's rules changes either: whoever
holds `index.lock` may. Until the commit is there nothing of ours can be seen; if it fails, the index is as it was.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pygit2
from pygit2.enums import FileMode

from dovetail.servers.git.changes import without_intended
from dovetail.servers.git.holding import Hold, take
from dovetail.servers.git.repository import Refused, Repository

_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_READ: Final = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_CHUNK: Final = 1 << 20
_PATIENCE: Final = 3.0
"""Seconds to wait for others who hold the index: they are quick, or gone. Half of a call's time at most."""


class Staging:
    """A copy of the index, which may be changed.

    Attributes:
        index: The copy.
    """

    def __init__(self, repository: Repository, hold: Hold) -> None:
        self._repository = repository
        self._hold = hold
        self.index = pygit2.Index(str(hold.copy))
        self.index.read(True)

    def __repr__(self) -> str:
        return f"<Staging of {len(self.index)} entries>"

    def add(self, path: str) -> None:
        """Stage a file of the working tree as it is."""
        git = self._repository.git
        seen = os.lstat(os.path.join(git.workdir, path))
        blob = git.create_blob_fromworkdir(path)
        self.index.add(pygit2.IndexEntry(path, blob, self._mode(path, seen.st_mode)))

    def _mode(self, path: str, mode: int) -> FileMode:
        if stat.S_ISLNK(mode):
            return FileMode.LINK
        config = self._repository.git.config
        if "core.filemode" in config and not config.get_bool("core.filemode"):
            known = self.index[path].mode if path in self.index else FileMode.BLOB
            return known if known in (FileMode.BLOB, FileMode.BLOB_EXECUTABLE) else FileMode.BLOB
        return FileMode.BLOB_EXECUTABLE if mode & stat.S_IXUSR else FileMode.BLOB

    def tree(self) -> pygit2.Oid:
        """Write what is staged as a tree; return its id. What is only intended (`git add -N`) is no part of it."""
        self.index.write()
        return without_intended(self.index, self._hold.copy).write_tree(self._repository.git)

    def put(self) -> None:
        """Put the copy in the place of the index."""
        self.index.write()
        os.replace(self._hold.copy, self._hold.index)
        self._repository.git.index.read(True)


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
