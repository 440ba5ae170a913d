"""Who keeps sessions in a state directory: one process that takes itself to be alone, or several that know of each
other. A process alone holds what it knows of a session for true without asking; a second one would bring back sessions
that were ended and tell of changes twice, so it is refused.

Invariants: the lock is the kernel's, so it ends with its holder, however that ends, and is held by no child that a
holder forks. What stands in the file is for people, and for who comes while the holder leaves; who holds the lock, the
lock alone says. Where the system has no such locks (Windows), nobody is refused.
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
LEAVING_SECONDS: Final = 60.0
"""How long a process waits for one that said it leaves; longer than a drain takes."""

_LOOK_SECONDS: Final = 0.05
_LEAVING: Final = b" leaves"

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

    def __repr__(self) -> str:
        return f"<Occupancy {'free' if self._file is None else 'taken'}>"

    async def take(self, *, alone: bool) -> None:
        """Take a place, alone or among others that do not want to be alone; nothing happens when it is taken already.

        Raises:
            StoreUnusable: Another process has it and is not about to leave, or the directory cannot be used.
        """
        if self._file is not None or fcntl is None:
            return
        prepare(self._directory)
        try:
            file = os.open(self._directory / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise StoreUnusable("The lock of the state directory cannot be made, or is no file") from error
        _held.add(file)
        try:
            await _locked(file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
            self._file = file
            self._say(b"")
        except BaseException:
            self._file = file
            self.release()
            raise

    def leaving(self) -> None:
        """Let those who come know that it is worth waiting."""
        if self._file in _held:
            self._say(_LEAVING)

    def release(self) -> None:
        """Give the place up; idempotent."""
        file, self._file = self._file, None
        if file is not None and file in _held:
            _held.discard(file)
            fcntl.flock(file, fcntl.LOCK_UN)  # a child that was forked this moment has it open still
            os.close(file)

    def _say(self, what: bytes) -> None:
        assert self._file is not None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, b"%d%b" % (os.getpid(), what), 0)


def _leaves(said: bytes) -> bool:
    """Tell whether the holder that spoke last is about to leave. One of several may have left long ago."""
    return said.endswith(_LEAVING) and _lives(said.removesuffix(_LEAVING).decode("ascii", "replace"))


def _lives(process: str) -> bool:
    if not process.isdecimal():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # somebody else's
    return True


async def _locked(file: int, kind: int) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + LEAVING_SECONDS
    while True:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            said = os.pread(file, 64, 0)
        except OSError as error:
            raise StoreUnusable("The state directory's file system has no locks: it must be a local disk") from error
        if (said and not _leaves(said)) or loop.time() >= until:
            holder = said.removesuffix(_LEAVING).decode("ascii", "replace")
            which = f" (process {holder})" if _lives(holder) else ""  # of several, the last to speak may be gone
            raise StoreUnusable(
                f"Another server{which} keeps its sessions in this state directory: stop it, or name"
                " another directory; processes that are to share one are started with --workers N, or each with"
                " asgi(worker=NAME)"
            )
        await asyncio.sleep(_LOOK_SECONDS)
