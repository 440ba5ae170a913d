"""Who keeps sessions in a state directory: one process that takes itself to be alone, or several that know of each
other. A process alone holds what it knows of a session for true without asking; a second one would bring back sessions
that were ended and tell of changes twice, so it is refused.

Two locks: one who has a place holds the first, and the second until it leaves. So who comes knows what to wait for,
whatever the process numbers mean where it runs: in another container they are nobody's, or somebody else's.

Invariants: the locks are the kernel's, so they end with their holder, however that ends, and are held by no child that
a holder forks. What stands in the first file is for people; who is there and who leaves, the locks alone say. Where the
system has no such locks (Windows), nobody is refused.
"""

import asyncio
import os
from pathlib import Path
from typing import Final

from dovetail.errors import StoreUnusable
from dovetail.store.sqlite_file import prepare

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

FILE: Final = "sessions.lock"
STAYS: Final = "sessions.stays"
"""Locked, always shared, by who has a place and does not leave it."""
LEAVING_SECONDS: Final = 60.0
"""How long a process waits for one that said it leaves; longer than a drain takes."""

_LOOK_SECONDS: Final = 0.05
_LOOKS: Final = 3
"""How often in a row somebody must be seen to stay: another one that looks, too, may be taken for one that stays."""

_held: set[int] = set()
"""The lock files that this process has open."""


def _let_go_in_child() -> None:
    for file in _held:
        os.close(file)
    _held.clear()


if hasattr(os, "register_at_fork"):
    # A lock belongs to the open file, which a child shares: one that outlives a killed server would keep the next out.
    os.register_at_fork(after_in_child=_let_go_in_child)


class Occupancy:
    """This process's place in a state directory.

    Args:
        directory: The state directory; made, or checked, when a place is taken.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file: int | None = None
        self._stay: int | None = None

    def __repr__(self) -> str:
        return f"<Occupancy {'free' if self._file is None else 'taken' if self._stay is not None else 'left'}>"

    async def take(self, *, alone: bool) -> None:
        """Take a place, alone or among others that do not want to be alone; nothing happens when it is taken already.

        Raises:
            StoreUnusable: Another process has it and is not about to leave, or the directory cannot be used.
        """
        if self._file is not None or fcntl is None:
            return
        prepare(self._directory)
        self._file, self._stay = self._opened(FILE), None
        try:
            self._stay = self._opened(STAYS)
            await self._locked(fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
            await self._stays()
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, _me(), 0)
        except BaseException:
            self.release()
            raise

    def leaving(self) -> None:
        """Let those who come know that it is worth waiting."""
        file, self._stay = self._stay, None
        _let_go(file)

    def release(self) -> None:
        """Give the place up; idempotent."""
        self.leaving()
        file, self._file = self._file, None
        _let_go(file)

    def _opened(self, name: str) -> int:
        try:
            file = os.open(self._directory / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            self.release()
            raise StoreUnusable("The lock of the state directory cannot be made, or is no file") from error
        _held.add(file)
        return file

    async def _locked(self, kind: int) -> None:
        """Lock the first file; while all that have it leave, wait."""
        assert self._file is not None and self._stay is not None
        loop = asyncio.get_running_loop()
        until, seen = loop.time() + LEAVING_SECONDS, 0
        while not _lock(self._file, kind):
            seen = 0 if _lock(self._stay, fcntl.LOCK_EX) else seen + 1
            fcntl.flock(self._stay, fcntl.LOCK_UN)
            if seen >= _LOOKS or loop.time() >= until:
                holder = os.pread(self._file, 256, 0).decode("ascii", "replace")
                raise StoreUnusable(
                    f"Another server{_named(holder)} keeps its sessions in this state directory: stop it, or name"
                    " another directory; processes that are to share one are started with --workers N, or each with"
                    " asgi(worker=NAME)"
                )
            await asyncio.sleep(_LOOK_SECONDS)

    async def _stays(self) -> None:
        """Lock the second file; who looks whether it is locked has it for a moment."""
        assert self._stay is not None
        while True:
            if _lock(self._stay, fcntl.LOCK_SH):
                return
            await asyncio.sleep(_LOOK_SECONDS)


def _lock(file: int, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise StoreUnusable("The state directory's file system has no locks: it must be a local disk") from error
    return True


def _let_go(file: int | None) -> None:
    if file is not None and file in _held:
        _held.discard(file)
        fcntl.flock(file, fcntl.LOCK_UN)  # a child that was forked this moment has it open still
        os.close(file)


def _me() -> bytes:
    """Return this process's number, and where it means something."""
    return f"{os.getpid()} {_numbers()}".encode()


def _numbers() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""  # a system with one table of processes


def _named(holder: str) -> str:
    """Return the process that spoke last, for people; nothing when its number says nothing here, or it is gone."""
    process, _, numbers = holder.partition(" ")
    if not process.isdecimal() or numbers != _numbers():
        return ""
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return ""  # of several, the last to speak may be gone
    except OSError:
        pass  # somebody else's
    return f" (process {process})"
