"""Files below a root, and never beside it: for resources whose URI names a path (S-19).

Two lines of defence. `safe_join` decides by the text alone: a path is refused when any system, or anyone who decodes it
once more, could read something else into it. `open_beneath` then walks from the root one directory at a time, holds
each one open, and follows no symbolic link; what somebody swaps in between is either found or does no harm, because
nothing is looked up twice.

A refusal is `UnsafePath`; it names the reason and not the root. `open_beneath` needs a POSIX system.
"""

import errno
import os
import stat
from pathlib import Path
from typing import IO, Final, cast

from dovetail.errors import UnsafePath, quote

LONGEST: Final = 4096
"""Characters in a path."""
MOST_STEPS: Final = 64
"""Directories in a path."""

_RESERVED: Final = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{name}{n}" for name in ("com", "lpt") for n in (*"123456789", "¹", "²", "³")}
)
_STEP: Final = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
# Without O_NONBLOCK, opening a FIFO that somebody put there would wait for its writer for ever.
_FILE: Final = (_STEP & ~getattr(os, "O_DIRECTORY", 0)) | getattr(os, "O_NONBLOCK", 0)


def safe_join(root: str | os.PathLike[str], *parts: str) -> Path:
    """Join a root and parts that a peer named, by their text alone; nothing is looked up.

    Args:
        root: The directory to stay below.
        parts: Relative paths with `/` between names, already decoded once, as a template's variables are.

    Returns:
        The joined path. To read it, use `open_beneath`, which also stands up to links.

    Raises:
        UnsafePath: A part is absolute, holds `..`, a NUL or a control character, a backslash, a drive or stream
            (`C:x`, `x:$DATA`), a name that Windows reserves or trims, or something that is still percent-encoded.
    """
    return Path(root).joinpath(*_steps(parts))


def open_beneath(root: str | os.PathLike[str], *parts: str) -> IO[bytes]:
    """Open a regular file below a root for reading, without following any symbolic link below the root.

    Args:
        root: The directory to stay below. It may be, or lie behind, a link itself: it is the author's.
        parts: As of `safe_join`.

    Raises:
        UnsafePath: As `safe_join`; or a link, or something that is no regular file, is in the way.
        FileNotFoundError: There is no such file.
        OSError: The file cannot be opened for another reason.
    """
    steps = _steps(parts)
    if not steps:
        raise UnsafePath("The path names no file")
    held = os.open(root, _STEP & ~getattr(os, "O_NOFOLLOW", 0))
    try:
        for step in steps[:-1]:
            below = _open(step, _STEP, held)
            os.close(held)
            held = below
        file = _open(steps[-1], _FILE, held)
    finally:
        os.close(held)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise UnsafePath("The path names no regular file")
        os.set_blocking(file, True)
        return cast("IO[bytes]", os.fdopen(file, "rb"))
    except BaseException:
        os.close(file)
        raise


def _open(name: str, flags: int, directory: int) -> int:
    try:
        return os.open(name, flags, dir_fd=directory)
    except OSError as error:
        # A link as the last step is ELOOP; one where a directory is wanted is ENOTDIR on Linux, as any other file is.
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EMLINK, errno.ENXIO):
            raise UnsafePath("The path leads through a link, or through something that is no directory") from None
        raise


def _steps(parts: tuple[str, ...]) -> list[str]:
    """Cut parts into names, each of which is one step down on every system."""
    steps: list[str] = []
    for part in parts:
        if len(part) > LONGEST:
            raise UnsafePath("The path is too long")
        if part.startswith("/"):
            raise UnsafePath(f"The path {quote(part, 128)} is absolute")
        steps += [step for step in part.split("/") if step not in ("", ".")]
    if len(steps) > MOST_STEPS:
        raise UnsafePath("The path is too deep")
    for step in steps:
        reason = _danger(step)
        if reason is not None:
            raise UnsafePath(f"The path holds {quote(step, 128)}: {reason}")
    return steps


def _danger(step: str) -> str | None:
    """Say why a name is no plain name; None when it is one."""
    if step.strip(". ") == "" or step != step.rstrip(". "):
        return "a step up, or a name that Windows would trim"
    if not step.isprintable():  # control characters, NUL among them, surrogates, and characters that reorder text
        return "a character that cannot be printed"
    if "\\" in step or ":" in step:
        return "a backslash, a drive or a stream"
    if _is_encoded(step):
        return "a character that is still percent-encoded"
    if step.partition(".")[0].rstrip(" ").lower() in _RESERVED:
        return "a name that Windows reserves"
    if any(c in _LOOKALIKES for c in step):
        return "a character that some systems read as a dot or a slash"
    return None


_LOOKALIKES: Final = frozenset("\uff0e\uff0f\uff3c\u2215\u2044\u29f8\u29f5\u2024\ufe52\u2216\uff1a\u2025")
_HEX: Final = frozenset("0123456789abcdefABCDEF")


def _is_encoded(step: str) -> bool:
    """Tell whether a name holds an encoded dot, slash, backslash, percent sign, colon or control character."""
    pieces = step.split("%")[1:]
    for piece in pieces:
        if len(piece) >= 2 and _HEX.issuperset(piece[:2]):
            byte = int(piece[:2], 16)
            if byte < 0x20 or byte >= 0x7F or chr(byte) in "./\\%:":
                return True
    return False
