"""Files of the working tree, opened step by step: no link is followed, nothing is waited for. Runs in a worker."""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from dovetail.servers.git.repository import Refused

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
    """Return the bytes of a file, or what a symbolic link says; see `take`."""
    return take(root, steps, most)[1]


def take(root: Path, steps: tuple[bytes, ...], most: int) -> tuple[os.stat_result, bytes]:
    """Return what a file is, and its bytes; of a symbolic link, what it says.

    Raises:
        Absent: It is neither.
        Refused: It is larger than that.
    """
    with _folder(root, steps) as held:
        found = os.stat(steps[-1], dir_fd=held, follow_symlinks=False)
        if stat.S_ISLNK(found.st_mode):
            return found, os.readlink(steps[-1], dir_fd=held)
        file = os.open(steps[-1], _FILE, dir_fd=held)
        try:
            found = os.fstat(file)
            if not stat.S_ISREG(found.st_mode):
                raise Absent
            if found.st_size > most:
                raise Refused(f"The file has {found.st_size} bytes; at most {most} are read.")
            return found, _all(file, most)
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
