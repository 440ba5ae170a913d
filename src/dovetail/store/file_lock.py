"""A lock that processes share: an advisory lock on a file, let go when its holder ends, however it ends.

Waiting is polling, because a thread that waits inside the kernel cannot be cancelled: a wait ends at most `_LONGEST`
seconds after the lock is free. Two tasks of one process exclude each other as well, since each opens the file anew.

Invariant: a lock is let go by its holder, and by nobody else. A process that forks while it holds one shares the open
file with its child: closing it would leave the lock with the child, and unlocking it there would take it from us.
"""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
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
        self._holder = 0

    def __repr__(self) -> str:
        return f"<FileLock {'held' if self._held is not None else 'free'}>"

    async def __aenter__(self) -> Self:
        try:
            lock = _opened(self._path)
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
        self._held, self._holder = lock, os.getpid()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        lock, self._held = self._held, None
        if lock is not None:
            _let_go(lock, self._holder)


@contextmanager
def blocking(path: Path) -> Iterator[None]:
    """Hold the lock of a file inside `with`, for what runs in a thread: whoever waits for it blocks.

    Raises:
        OSError: The file cannot be made, or cannot be locked.
    """
    lock, holder = _opened(path), os.getpid()
    try:
        if fcntl is not None:
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        _let_go(lock, holder)


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)


def _let_go(lock: int, holder: int) -> None:
    try:
        if fcntl is not None and os.getpid() == holder:
            fcntl.flock(lock, fcntl.LOCK_UN)
    finally:
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
