"""A lock that processes share: an advisory lock on a file, let go when its holder ends, however it ends.

Waiting is polling, because a thread that waits inside the kernel cannot be cancelled: a wait ends at most `_LONGEST`
seconds after the lock is free. Two tasks of one process exclude each other as well, since each opens the file anew.
"""

import asyncio
import os
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from dovetail.errors import StoreUnusable

try:
    import fcntl
except ImportError:  # Windows: tasks exclude each other, processes do not
    fcntl = None  # type: ignore[assignment]

_FIRST: Final = 0.005
_LONGEST: Final = 0.1


class FileLock:
    """Held inside `async with`.

    Args:
        path: The lock's file; made with mode 0600, and never removed: who waits holds it open.

    Raises:
        StoreUnusable: The file cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held: int | None = None

    def __repr__(self) -> str:
        return f"<FileLock {'held' if self._held is not None else 'free'}>"

    async def __aenter__(self) -> Self:
        try:
            lock = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        except OSError as error:
            raise StoreUnusable("A lock of the token store cannot be made") from error
        try:
            pause = _FIRST
            while not _taken(lock):
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST)
        except BaseException:
            os.close(lock)
            raise
        self._held = lock
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        lock, self._held = self._held, None
        if lock is not None:
            os.close(lock)


def _taken(lock: int) -> bool:
    try:
        if fcntl is not None:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise StoreUnusable("The token store's file system has no locks") from error
    return True
