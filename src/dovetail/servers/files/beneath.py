"""Files below one root, and never beside it (S-19): each operation holds the directory that it works in.

The text of a path is never handed to the system. `Beneath` holds the root, walks down by `opening.open_under`, and then
names one entry of a directory that is held open: stat, list, make, rename and remove all work on that. A root is opened
anew when another directory has its path, so that one that was moved away and made again is found.

The root itself may be, or lie behind, a link: it is its author's. A hard link is a file like any other: nobody can
tell where else it is known.
"""

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from dovetail.errors import UnsafePath
from dovetail.servers.files.names import check_new
from dovetail.servers.files.opening import DIRECTORY, open_under, rename_new

_ROOT: Final = os.O_RDONLY | DIRECTORY | getattr(os, "O_CLOEXEC", 0)
_DIR: Final = os.O_RDONLY | DIRECTORY
_READ: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)
# Without O_NONBLOCK, opening a FIFO that somebody put there would wait for its other end for ever.
_TOUCH: Final = os.O_WRONLY | getattr(os, "O_NONBLOCK", 0)
_MAKE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL
_CHUNK: Final = 1 << 20


class Stamp(msgspec.Struct, frozen=True):
    """Which state of which file was seen: two that are equal had the same contents, as far as the system tells."""

    device: int
    inode: int
    size: int
    changed: int

    @staticmethod
    def of(found: os.stat_result) -> "Stamp":
        """Make the stamp of what `stat` found."""
        return Stamp(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


class _Held:
    """The descriptor of a root; closed when the last operation that uses it has ended, and not before."""

    __slots__ = ("fd", "identity")

    def __init__(self, path: str) -> None:
        self.fd = os.open(path, _ROOT)
        found = os.fstat(self.fd)
        self.identity = (found.st_dev, found.st_ino)

    def __del__(self) -> None:
        if hasattr(self, "fd"):
            os.close(self.fd)


class NoParent(FileNotFoundError):
    """The directory in which something was to be made is not there."""


class Changed(Exception):
    """Somebody else changed the file meanwhile; nothing was written."""


class Beneath:
    """One root.

    Every method raises `UnsafePath` where a link, or something of the wrong kind, is in the way, and `OSError` where
    the system does; steps come from `names.steps_of`.
    """

    def __init__(self, path: str, *, read_only: bool = False) -> None:
        """Take a directory as a root; nothing is opened yet.

        Args:
            path: Absolute.
            read_only: Refuse whatever writes.
        """
        self.path = path
        self.read_only = read_only
        self._held: _Held | None = None
        self._pinned = False

    def __repr__(self) -> str:
        return f"<Beneath {self.path}{', read-only' if self.read_only else ''}>"

    def pin(self) -> None:
        """Stay with the directory that has the path now, whatever has it later.

        For a root that lies below another one: who may write there could lay a link on the way to this one.
        """
        with contextlib.suppress(OSError):
            self._held = _Held(self.path)
        self._pinned = True

    # Looking.

    @contextlib.contextmanager
    def directory(self, steps: Sequence[str]) -> Iterator[int]:
        """Hold a directory open; gives its descriptor."""
        held = self._open(steps, _DIR)
        try:
            yield held
        finally:
            os.close(held)

    def open(self, steps: Sequence[str]) -> tuple[int, os.stat_result]:
        """Open a regular file for reading; return its descriptor, which the caller closes, and what it is."""
        held = self._open(steps, _READ)
        try:
            found = os.fstat(held)
            if not stat.S_ISREG(found.st_mode):
                if stat.S_ISDIR(found.st_mode):
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
                raise UnsafePath("The path names no regular file")
        except BaseException:
            os.close(held)
            raise
        return held, found

    def stat(self, steps: Sequence[str]) -> os.stat_result:
        """Tell what lies there; a link as the last step is told as a link."""
        if not steps:
            with self.directory(()) as held:
                return os.fstat(held)
        with self._parent(steps) as held:
            return os.stat(steps[-1], dir_fd=held, follow_symlinks=False)

    # Changing.

    def write(self, steps: Sequence[str], data: bytes, seen: Stamp | None = None) -> bool:
        """Give a file its contents at once: a reader finds the old ones or the new ones, never a part.

        The new file takes the old one's place, mode and, where the system allows it, owner; another hard link keeps
        the old contents.

        Args:
            steps: Where.
            data: The new contents.
            seen: The state that the caller saw: in another one nothing is written.

        Returns:
            True when the file is new.

        Raises:
            Changed: It is not in the state that was seen.
        """
        self._writing(steps)
        with self._place_in(steps) as held:
            name = steps[-1]
            old = _writable(name, held)
            if old is None:
                check_new(name)
            if seen is not None and (old is None or Stamp.of(old) != seen):
                raise Changed
            spare = f".{name[:64]}.{secrets.token_hex(6)}.tmp"
            made = open_under(held, (spare,), _MAKE, 0o666 if old is None else 0o600)
            try:
                try:
                    _fill(made, data)
                    if old is not None:
                        _adopt(made, old)
                    os.fsync(made)
                finally:
                    os.close(made)
                if seen is not None and _still(name, held) != seen:
                    raise Changed
                os.rename(spare, name, src_dir_fd=held, dst_dir_fd=held)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(spare, dir_fd=held)
                raise
        return old is None

    def make_directory(self, steps: Sequence[str]) -> bool:
        """Make a directory and those above it; tell whether anything was made."""
        self._refuse_writing()
        made = False
        held = self._open((), _DIR)
        try:
            for step in steps:
                try:
                    below = open_under(held, (step,), _DIR)
                except FileNotFoundError:
                    check_new(step)
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(step, dir_fd=held)
                        made = True
                    below = open_under(held, (step,), _DIR)
                os.close(held)
                held = below
        finally:
            os.close(held)
        return made

    def remove(self, steps: Sequence[str]) -> None:
        """Remove a file, a link (not what it leads to), or an empty directory."""
        self._writing(steps)
        with self._parent(steps) as held:
            found = os.stat(steps[-1], dir_fd=held, follow_symlinks=False)
            if stat.S_ISDIR(found.st_mode):
                os.rmdir(steps[-1], dir_fd=held)
            else:
                os.unlink(steps[-1], dir_fd=held)

    def move(self, steps: Sequence[str], other: "Beneath", target: Sequence[str]) -> None:
        """Move what lies there to a place, below this root or another, where there is nothing yet."""
        self._writing(steps)
        other._writing(target)
        check_new(target[-1])
        with self._parent(steps) as source, other._place_in(target) as goal:
            rename_new(source, steps[-1], goal, target[-1])

    def _open(self, steps: Sequence[str], flags: int) -> int:
        root = self._root()
        return open_under(root.fd, steps, flags)

    def _root(self) -> _Held:
        """Return the root, opened anew if its path leads to another directory by now."""
        held = self._held
        if self._pinned:
            if held is None:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            return held
        found = os.stat(self.path)
        if held is None or held.identity != (found.st_dev, found.st_ino):
            held = self._held = _Held(self.path)
        return held

    def _parent(self, steps: Sequence[str]) -> contextlib.AbstractContextManager[int]:
        if not steps:
            raise UnsafePath("The path names the whole directory that this server may use")
        return self.directory(steps[:-1])

    @contextlib.contextmanager
    def _place_in(self, steps: Sequence[str]) -> Iterator[int]:
        """Hold the directory in which something is to be made.

        Raises:
            NoParent: It is not there.
        """
        root = self._root()
        try:
            held = open_under(root.fd, steps[:-1], _DIR)
        except FileNotFoundError as error:
            raise NoParent(error.errno, error.strerror) from None
        try:
            yield held
        finally:
            os.close(held)

    def _writing(self, steps: Sequence[str]) -> None:
        self._refuse_writing()
        if not steps:
            raise UnsafePath("The path names the whole directory that this server may use")

    def _refuse_writing(self) -> None:
        if self.read_only:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))


def _writable(name: str, directory: int) -> os.stat_result | None:
    """Return what a regular file is that may be written to; None when there is none yet."""
    try:
        held = open_under(directory, (name,), _TOUCH)
    except FileNotFoundError:
        return None
    try:
        found = os.fstat(held)
        if not stat.S_ISREG(found.st_mode):
            raise UnsafePath("The path names no regular file")
        return found
    finally:
        os.close(held)


def _fill(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest[:_CHUNK]) :]


def _adopt(file: int, old: os.stat_result) -> None:
    """Give a new file the owner and the mode of the old one; another's file may lose its owner, never its mode."""
    mine = os.fstat(file)
    if (mine.st_uid, mine.st_gid) != (old.st_uid, old.st_gid):
        with contextlib.suppress(PermissionError):
            os.fchown(file, old.st_uid, old.st_gid)
    os.fchmod(file, stat.S_IMODE(old.st_mode))


def _still(name: str, directory: int) -> Stamp | None:
    with contextlib.suppress(FileNotFoundError):
        return Stamp.of(os.stat(name, dir_fd=directory, follow_symlinks=False))
    return None
