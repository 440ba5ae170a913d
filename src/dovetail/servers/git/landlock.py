"""The kernel's own lock on files (Linux, Landlock): after it, this process opens only what lies below what is named.

The second line behind `places`: whatever libgit2 can be talked into opening, through a link, a path in a configuration
or a file that was swapped in between, the kernel refuses. Cannot be taken back. Where there is no Landlock, False.
"""

import ctypes
import os
import sys
from collections.abc import Iterable
from typing import Final

_CREATE, _ADD, _RESTRICT, _NO_NEW_PRIVS = 444, 445, 446, 38
_READ: Final = (1 << 2) | (1 << 3)  # READ_FILE, READ_DIR
_WRITE: Final = (1 << 1) | (1 << 4) | (1 << 5) | (1 << 7) | (1 << 8) | (1 << 13) | (1 << 14)
# WRITE_FILE, REMOVE_DIR, REMOVE_FILE, MAKE_DIR, MAKE_REG, REFER, TRUNCATE
_ON_FILES: Final = (1 << 1) | (1 << 2) | (1 << 14)
_KNOWN: Final = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1}
"""What each version of Landlock knows; later ones add what is no file."""


class _Ruleset(ctypes.Structure):
    _fields_ = [("handled_access_fs", ctypes.c_uint64)]


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = [("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32)]


def restrict(readable: Iterable[str], writable: Iterable[str] = ()) -> bool:
    """Let this process open nothing but what is below these; True when the kernel holds it to that.

    Paths that are not there are passed over.
    """
    if sys.platform != "linux":
        return False
    kernel = ctypes.CDLL(None, use_errno=True)
    version = kernel.syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    if version < 1:
        return False
    known = _KNOWN[min(version, 3)]
    ruleset = _Ruleset(known)
    handle = kernel.syscall(_CREATE, ctypes.byref(ruleset), ctypes.c_size_t(ctypes.sizeof(ruleset)), ctypes.c_uint32(0))
    if handle < 0:
        return False
    try:
        for path in readable:
            _allow(kernel, handle, path, _READ & known)
        for path in writable:
            _allow(kernel, handle, path, (_READ | _WRITE) & known)
        if kernel.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0):
            return False
        return int(kernel.syscall(_RESTRICT, ctypes.c_int(handle), ctypes.c_uint32(0))) == 0
    finally:
        os.close(handle)


def _allow(kernel: ctypes.CDLL, handle: int, path: str, access: int) -> None:
    try:
        opened = os.open(path, getattr(os, "O_PATH", 0) | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not os.path.isdir(path):
            access &= _ON_FILES
        beneath = _Beneath(access, opened)
        kernel.syscall(_ADD, ctypes.c_int(handle), ctypes.c_int(1), ctypes.byref(beneath), ctypes.c_uint32(0))
    finally:
        os.close(opened)
