"""`index.lock`, held as Git holds it: by being there. Ours bears a mark, so that the lock of one who was killed can go.

Invariant: a lock is removed by its holder only; and by anybody of ours, when it bears our mark and no process holds its
file any more (`flock`, which the kernel lets go of when a process ends, however it does). Another program's lock is
never removed: it has no such mark. The file is held before it is marked: marked and held by nobody, it is left over.

Needs no libgit2: the server that ends a worker lets go of what the worker held.
"""

import os
import re
import stat
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

if sys.platform != "win32":
    import fcntl

_EXTRA: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_MARK: Final = re.compile(rb"dovetail ([0-9]{1,10})\n")
_LONGEST: Final = 32
_LOOK: Final = 0.02


class Hold:
    """The index of a repository, held by this process.

    Attributes:
        index: The index.
        copy: Where a changed copy of it may stand meanwhile; removed with the lock.
    """

    def __init__(self, git: Path, file: int) -> None:
        self.index = git / "index"
        self.copy = _copy(git, os.getpid())
        self._lock = _lock(git)
        self._file = file
        self._known = os.fstat(file)

    def release(self) -> None:
        """Let go of it; a lock that is another's by now is left alone."""
        with suppress(FileNotFoundError):
            os.unlink(self.copy)
        if sys.platform == "win32":
            os.close(self._file)  # a file that is open cannot be removed there
        if _same(self._lock, self._known):
            os.unlink(self._lock)
        if sys.platform != "win32":
            os.close(self._file)


def take(git: Path, patience: float) -> Hold | None:
    """Take hold of the index; None when another has it for longer than `patience` seconds."""
    until = time.monotonic() + patience
    while True:
        try:
            file = os.open(_lock(git), os.O_RDWR | os.O_CREAT | os.O_EXCL | _EXTRA, 0o644)
        except FileExistsError:
            if let_go(git):
                continue
            if time.monotonic() >= until:
                return None
            time.sleep(_LOOK)
            continue
        if _held(file):
            os.write(file, b"dovetail %d\n" % os.getpid())
        hold = Hold(git, file)
        with suppress(FileNotFoundError):
            os.unlink(hold.copy)  # of one that was killed, and had our number
        return hold


def wait(git: Path, patience: float) -> bool:
    """Wait until nobody holds the index; False when somebody still does after `patience` seconds."""
    until = time.monotonic() + patience
    while os.path.lexists(_lock(git)):
        if let_go(git):
            continue
        if time.monotonic() >= until:
            return False
        time.sleep(_LOOK)
    return True


def let_go(git: Path, dead: int | None = None) -> bool:
    """Remove what a process of ours left when it was killed; True when there was something.

    Args:
        git: The repository's own folder.
        dead: The number of a process that has ended for certain.
    """
    try:
        file = os.open(_lock(git), os.O_RDWR | _EXTRA)
    except OSError:
        return False
    try:
        known = os.fstat(file)
        mark = _MARK.fullmatch(os.read(file, _LONGEST)) if stat.S_ISREG(known.st_mode) else None
        if mark is None or not (int(mark[1]) == dead or _held(file)) or not _same(_lock(git), known):
            return False
        for left in (_copy(git, int(mark[1])), _lock(git)):
            with suppress(FileNotFoundError):
                os.unlink(left)
        return True
    except OSError:
        return False
    finally:
        os.close(file)


def _held(file: int) -> bool:
    """Hold a file until it is closed, if nobody else does and the file system can tell."""
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _same(path: Path, known: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.lstat(path), known)
    except FileNotFoundError:
        return False


def _lock(git: Path) -> Path:
    return git / "index.lock"


def _copy(git: Path, process: int) -> Path:
    return git / f"index.dovetail.{process}"
