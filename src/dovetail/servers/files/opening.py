"""One door to the file system: open what lies below a directory that is held open, and never through a link.

Linux does it in one step, `openat2` with `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS`
(openat2(2)). Elsewhere, and where a sandbox forbids that call, each directory on the way is opened with `O_NOFOLLOW`
relative to the one before. Either way nothing is looked up twice: what somebody swaps in between is found, or does no
harm.
"""

import contextlib
import ctypes
import errno
import os
import sys
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from dovetail.errors import UnsafePath

DIRECTORY: Final = getattr(os, "O_DIRECTORY", 0)
_ALWAYS: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOCTTY", 0)
_STEP: Final = os.O_RDONLY | DIRECTORY | _ALWAYS

_SYS_OPENAT2: Final = 437  # the same on every architecture that has it
_RESOLVE: Final = 0x02 | 0x04 | 0x08  # RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_BENEATH
_AT_FDCWD: Final = -100
_RENAME_NOREPLACE: Final = 1
_TRIES: Final = 8


class _How(ctypes.Structure):
    """`struct open_how`."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


@cache
def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


@cache
def _syscall() -> Any:
    call = _libc().syscall
    call.restype = ctypes.c_long
    call.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_char_p, ctypes.POINTER(_How), ctypes.c_size_t)
    return call


def can_confine() -> bool:
    """Tell whether this system opens, lists and renames relative to a directory that is held open."""
    needed = (os.open, os.stat, os.mkdir, os.rename, os.unlink, os.rmdir)
    return {*needed} <= os.supports_dir_fd and os.scandir in os.supports_fd and bool(DIRECTORY and _ALWAYS)


@cache
def has_openat2() -> bool:
    """Tell whether this system resolves a whole path below a descriptor by itself."""
    if not sys.platform.startswith("linux"):
        return False
    how = _How(getattr(os, "O_PATH", 0) | getattr(os, "O_CLOEXEC", 0), 0, 0)
    try:
        found = _syscall()(_SYS_OPENAT2, _AT_FDCWD, b"/", ctypes.byref(how), ctypes.sizeof(how))
    except (AttributeError, OSError):
        return False
    if found < 0:
        return False
    os.close(found)
    return True


@cache
def _how(flags: int, mode: int) -> _How:
    return _How(flags, mode, _RESOLVE)


def open_under(directory: int, steps: Sequence[str], flags: int, mode: int = 0) -> int:
    """Open what lies some steps below a directory.

    Args:
        directory: The descriptor of the directory, which stays open.
        steps: Names, of which none is `..` or holds a slash; none for the directory itself.
        flags: As of `os.open`; no link is followed and nothing is inherited by child processes, whatever they say.
        mode: Of a file that is made.

    Raises:
        UnsafePath: A link is on the way, or something that is no directory where one is needed.
        OSError: As of `os.open`.
    """
    if has_openat2():
        return _in_one(directory, "/".join(steps) or ".", flags | _ALWAYS, mode)
    return _step_by_step(directory, steps or ".", flags | _ALWAYS, mode)


def _in_one(directory: int, path: str, flags: int, mode: int) -> int:
    how = _how(flags, mode if flags & os.O_CREAT else 0)
    size = ctypes.sizeof(how)
    name = os.fsencode(path)
    for _ in range(_TRIES):
        found: int = _syscall()(_SYS_OPENAT2, directory, name, how, size)
        if found >= 0:
            return found
        number = ctypes.get_errno()
        if number not in (errno.EINTR, errno.EAGAIN):
            break
    raise _failure(number)


def _step_by_step(directory: int, steps: Sequence[str], flags: int, mode: int) -> int:
    held = directory
    try:
        for step in steps[:-1]:
            below = _step(step, _STEP, 0, held)
            if held != directory:
                os.close(held)
            held = below
        return _step(steps[-1], flags, mode, held)
    finally:
        if held != directory:
            os.close(held)


def _step(name: str, flags: int, mode: int, directory: int) -> int:
    try:
        return os.open(name, flags, mode, dir_fd=directory)
    except OSError as error:
        raise _failure(error.errno or errno.EIO) from None


def _failure(number: int) -> Exception:
    # A link as the last step is ELOOP; one where a directory is wanted is ENOTDIR on the walk, as any other file is.
    if number in (errno.ELOOP, errno.EMLINK, errno.EXDEV):
        return UnsafePath("The path leads through a symbolic link, which is never followed")
    if number == errno.ENOTDIR:
        return UnsafePath("The path leads through a symbolic link, or through something that is no directory")
    return OSError(number, os.strerror(number))


def rename_new(source: int, old: str, target: int, new: str) -> None:
    """Rename, from one held directory to another, unless the new name is taken.

    Raises:
        FileExistsError: The new name is taken. On systems without `renameat2` it is looked at before, not at once.
        OSError: As of `os.rename`.
    """
    with contextlib.suppress(AttributeError):
        call = _libc().renameat2
        if call(source, os.fsencode(old), target, os.fsencode(new), _RENAME_NOREPLACE) == 0:
            return
        number = ctypes.get_errno()
        if number not in (errno.ENOSYS, errno.EINVAL):
            raise OSError(number, os.strerror(number))
        # EINVAL: the file system has no such flag, or a directory would come to lie in itself: `rename` says which.
    with contextlib.suppress(FileNotFoundError):
        os.stat(new, dir_fd=target, follow_symlinks=False)
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    os.rename(old, new, src_dir_fd=source, dst_dir_fd=target)
