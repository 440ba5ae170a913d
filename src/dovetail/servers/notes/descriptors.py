"""Files of a directory that is held open: opened, made and replaced by name in it, and no link followed (S-19)."""

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

import msgspec

from dovetail.errors import ToolError, UnsafePath

_ALWAYS: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
DIRECTORY: Final = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | _ALWAYS
"""To open a directory that is no link."""
ROOT: Final = DIRECTORY & ~getattr(os, "O_NOFOLLOW", 0)
"""To open a directory that the user named: it may be a link."""
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _ALWAYS
# Without O_NONBLOCK, opening a FIFO that somebody put there would wait for its writer for ever.
_READ: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _ALWAYS
_NO_LINKS: Final = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
_IN_THE_WAY: Final = frozenset({errno.ELOOP, errno.ENOTDIR, errno.EMLINK, errno.ENXIO})


_TEMPORARY: Final = re.compile(r"\.dovetail-[0-9a-f]{16}\.tmp")
_LEFT_SECONDS: Final = 3600.0


class Found(msgspec.Struct, frozen=True):
    """A note's file, as the folder tells of it.

    Attributes:
        size: Bytes.
        modified: Nanoseconds since 1970.
        inode: Another one after each replacement.
    """

    size: int
    modified: int
    inode: int


def found_of(found: os.stat_result) -> Found:
    """Return what is told of a file."""
    return Found(found.st_size, found.st_mtime_ns, found.st_ino)


def entered(step: str, held: int) -> int:
    """Open a directory of a directory that is held.

    Raises:
        UnsafePath: It is a link, or no directory.
    """
    try:
        return os.open(step, DIRECTORY, dir_fd=held)
    except OSError as error:
        if error.errno in _IN_THE_WAY:
            raise UnsafePath("A link, or something that is no folder, is in the way") from None
        raise


def read_file(parent: int, name: str, most: int) -> tuple[bytes, Found]:
    """Read a regular file of a directory that is held.

    Raises:
        UnsafePath: It is a link, or no regular file.
        ToolError: It is larger than `most` bytes.
    """
    try:
        descriptor = os.open(name, _READ, dir_fd=parent)
    except OSError as error:
        if error.errno in _IN_THE_WAY:
            raise UnsafePath("A link is in the way") from None
        raise
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):  # before it is a file to Python, which takes no folder, and leaves it open
            raise UnsafePath(what_else(found.st_mode))
    except BaseException:
        os.close(descriptor)
        raise
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise ToolError(f"This note is larger than {most:,} bytes (--max-bytes), and cannot be shown or changed here.")
    return data, found_of(found)


def what_else(mode: int) -> str:
    """Say what has the name of a note and is none."""
    return "A folder has the name of this note's file (.md)" if stat.S_ISDIR(mode) else "This is no regular file"


def placed(parent: int, temporary: str, name: str) -> None:
    """Give a file its name, where nothing has it."""
    try:
        # Unlike a rename, a link fails where something is, also what another program put there just now.
        os.link(temporary, name, src_dir_fd=parent, dst_dir_fd=parent, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # A file system without hard links (FAT): the lock still keeps all servers apart.
        with suppress(FileNotFoundError):
            os.stat(name, dir_fd=parent, follow_symlinks=False)
            raise FileExistsError(name) from None
        os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
    else:
        os.unlink(temporary, dir_fd=parent)


@contextmanager
def written(parent: int, data: bytes, mode: int | None) -> Iterator[str]:
    """Write a temporary file beside, hidden, and onto the disk; gone in the end if it is still there."""
    temporary = f".dovetail-{secrets.token_hex(8)}.tmp"
    descriptor = os.open(temporary, _NEW, 0o666, dir_fd=parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if mode is not None:
                os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        yield temporary
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=parent)


def tidied(parent: int, names: Iterable[str], now: float) -> None:
    """Remove temporary files that writers left who were killed; they are known by their names, and an hour old."""
    for name in names:
        if _TEMPORARY.fullmatch(name):
            with suppress(OSError):
                found = os.stat(name, dir_fd=parent, follow_symlinks=False)
                if stat.S_ISREG(found.st_mode) and now - found.st_mtime > _LEFT_SECONDS:
                    os.unlink(name, dir_fd=parent)


def locked(lock: int) -> bool:
    """Take the lock on a descriptor, if it is free.

    Raises:
        ToolError: The file system has none.
    """
    import fcntl  # POSIX has it; `make` refuses other systems

    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        raise ToolError("The file system of the notes has no locks; nothing was written. Use a local folder.") from None
    return True
