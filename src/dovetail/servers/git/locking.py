"""The index while it is changed: under Git's own lock, and put in place whole. Runs in a worker.

libgit2 locks the index for the moment of writing it only, which loses what others stage between its reading and that.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pygit2

from dovetail.servers.git.repository import Refused, Repository

_PATIENCE: Final = 3.0
"""Seconds to wait for somebody else's lock, at most half of a call's."""
_PAUSE: Final = 0.02


@contextlib.contextmanager
def locked(repository: Repository, seconds: float = _PATIENCE) -> Iterator[Path]:
    """Hold the index: other servers, `git add` and `git commit` wait or give up; give where it is.

    Raises:
        Refused: Somebody else holds it.
    """
    index = repository.places.git / "index"
    lock = index.with_name("index.lock")
    handle = _taken(repository, lock, seconds)
    try:
        with _unhurried():
            try:
                yield index
            finally:
                lock.unlink(missing_ok=True)
    finally:
        os.close(handle)


def _taken(repository: Repository, lock: Path, seconds: float) -> int:
    end = time.monotonic() + seconds
    while True:
        try:
            return os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0), 0o666)
        except FileExistsError:
            if time.monotonic() > end or repository.late:
                raise Refused(
                    "Another Git process is changing the index: nothing was committed. Try again in a moment. If none "
                    "runs, the user removes the file index.lock in the repository's .git folder."
                ) from None
            time.sleep(_PAUSE)
        except OSError as error:
            raise Refused(f"The index cannot be locked: {error.strerror}. Nothing was committed.") from None


@contextlib.contextmanager
def _unhurried() -> Iterator[None]:
    """Put off the alarm that ends this process: what is under way is short, and not to be left halfway."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def next_index(index: Path, entries: dict[str, pygit2.IndexEntry | None]) -> Iterator[Path]:
    """Write an index beside the one that is there, with other entries (None: without one); removed if not put in place.

    What is known of the other files stays known. The new ones are looked at anew by whoever asks next.
    """
    beside = index.with_name(f"index.dovetail-{os.getpid()}")
    try:
        if index.exists():
            beside.write_bytes(index.read_bytes())
        written = pygit2.Index(str(beside))
        written.read(True)
        for path, entry in entries.items():
            if entry is not None:
                written.add(entry)
            elif path in written:
                written.remove(path)
        written.write()
        if index.exists():
            # A file that was changed in the moment in which it was staged is told from that by the index's time.
            found = index.stat()
            os.chmod(beside, found.st_mode & 0o777)
            os.utime(beside, ns=(found.st_atime_ns, found.st_mtime_ns))
        yield beside
    finally:
        beside.unlink(missing_ok=True)
