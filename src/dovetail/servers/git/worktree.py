"""Files of the working tree, opened step by step: no link is followed, nothing is waited for. Runs in a worker."""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pygit2
from pygit2.enums import FileMode

from dovetail.servers.git.objects import LINK
from dovetail.servers.git.repository import Refused, Repository

_STEP: Final = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_FILE: Final = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_STEPS: Final = 512
_NOWHERE: Final = frozenset((b"", b".", b".."))
"""Steps that no path of a file has; an index that was made by hand may."""


class Absent(Exception):
    """Nothing that Git would keep lies there: no file, a pipe, a device, or a way through a link."""


@contextmanager
def _folder(root: Path, steps: tuple[bytes, ...]) -> Iterator[int]:
    """Hold the folder that a path lies in."""
    if not steps or len(steps) > _STEPS or not _NOWHERE.isdisjoint(steps):
        raise Absent
    try:
        held = os.open(root, _STEP)
        try:
            for step in steps[:-1]:
                below = os.open(step, _STEP, dir_fd=held)
                os.close(held)
                held = below
            yield held
        finally:
            os.close(held)
    except OSError:
        raise Absent from None


def look(root: Path, steps: tuple[bytes, ...]) -> os.stat_result:
    """Return what lies at a path, links not followed.

    Raises:
        Absent: Nothing does.
    """
    with _folder(root, steps) as held:
        return os.stat(steps[-1], dir_fd=held, follow_symlinks=False)


def lying(root: Path, paths: Iterable[bytes]) -> set[bytes]:
    """Return those of many paths at which something lies; what is below a folder that is not there costs nothing."""
    found, gone = set(), b""
    for path in sorted(paths):
        if gone and path.startswith(gone):
            continue
        missing = _missing(os.fsencode(root), path.split(b"/"))
        if missing is None:
            found.add(path)
        else:
            gone = missing + b"/"
    return found


def _missing(root: bytes, steps: list[bytes]) -> bytes | None:
    """Return the first part of a path at which nothing lies, or no folder where one must be."""
    if not _NOWHERE.isdisjoint(steps):
        return b"/".join(steps)
    where = root
    for at, step in enumerate(steps, 1):
        where = os.path.join(where, step)
        try:
            mode = os.lstat(where).st_mode
        except OSError:
            mode = 0
        if not mode or (at < len(steps) and not stat.S_ISDIR(mode)):
            return b"/".join(steps[:at])
    return None


def read(root: Path, steps: tuple[bytes, ...], most: int) -> bytes:
    """Return the bytes of a file, or what a symbolic link says.

    Raises:
        Absent: It is neither.
        Refused: It is larger than that.
    """
    with _folder(root, steps) as held:
        if stat.S_ISLNK(os.stat(steps[-1], dir_fd=held, follow_symlinks=False).st_mode):
            return os.readlink(steps[-1], dir_fd=held)
        file = os.open(steps[-1], _FILE, dir_fd=held)
        try:
            found = os.fstat(file)
            if not stat.S_ISREG(found.st_mode):
                raise Absent
            if found.st_size > most:
                raise Refused(f"The file has {found.st_size} bytes; at most {most} are read.")
            return _all(file, most)
        finally:
            os.close(file)


def _all(file: int, most: int) -> bytes:
    parts, room = [], most
    while room >= 0 and (part := os.read(file, min(room + 1, 1 << 20))):
        parts.append(part)
        room -= len(part)
    if room < 0:
        raise Refused(f"The file has more than {most} bytes; at most that many are read.")
    return b"".join(parts)


def file_mode(repository: Repository, seen: os.stat_result, known: int) -> int:
    """Return the mode that a file would be stored with.

    Args:
        repository: Its configuration may say that modes of this file system mean nothing.
        seen: What lies there.
        known: The mode that it is stored with so far; 0 when it is not.
    """
    if stat.S_ISLNK(seen.st_mode):
        return LINK
    config = repository.git.config
    if "core.filemode" in config and not config.get_bool("core.filemode"):
        return known if known in (FileMode.BLOB, FileMode.BLOB_EXECUTABLE) else int(FileMode.BLOB)
    return int(FileMode.BLOB_EXECUTABLE if seen.st_mode & stat.S_IXUSR else FileMode.BLOB)


def blob_id(repository: Repository, path: str, seen: os.stat_result) -> pygit2.Oid:
    """Return the id that a file's contents would be stored under; they are not stored."""
    if stat.S_ISLNK(seen.st_mode):
        return pygit2.hash(os.fsencode(os.readlink(os.path.join(repository.git.workdir, path))))
    return repository.git.hashfile(path)


def standing(repository: Repository, path: bytes, known: int) -> tuple[int, str]:
    """Return the mode and the id that a file would be stored with; (0, "") when none is there.

    The id is empty where the contents are too large, or cannot be told without a loss.
    """
    work = repository.places.work
    try:
        if work is None:
            raise Absent
        seen = look(work, tuple(path.split(b"/")))
    except Absent:
        return 0, ""
    if not (stat.S_ISREG(seen.st_mode) or stat.S_ISLNK(seen.st_mode)):
        return 0, ""
    mode = file_mode(repository, seen, known)
    if seen.st_size > repository.max_file:
        return mode, ""
    try:
        return mode, str(blob_id(repository, os.fsdecode(path), seen))
    except (pygit2.GitError, OSError, ValueError):
        return mode, ""
