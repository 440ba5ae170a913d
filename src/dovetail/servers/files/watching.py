"""Changes from outside: directories are watched, and who subscribed to a file in them hears that it changed.

`watchfiles` would follow links when it looks into directories by itself. So it is given each directory by name, found
by a walk that follows none; when a directory comes or goes, a new shift stands before the old one is relieved. It
learns of names and times, never of contents; what it says is only a hint to read again, through `beneath`.
"""

import asyncio
import contextlib
import logging
import os
import stat
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Literal

from dovetail.errors import UnsafePath
from dovetail.servers.files.beneath import Beneath
from dovetail.servers.files.names import uri_of
from dovetail.servers.files.walking import scan

_STEP: Final = 50
_DEBOUNCE: Final = 400
_IDLE: Final = 200
"""Milliseconds: between looks, from the first change to the notice at most, and until the watch is known to stand."""
_PAUSE: Final = 0.1
_GONE: Final = 5.0
_STANDING: Final = 30.0
_ENDING: Final = 5.0
_BEGINNING: Final = 5.0
UNWATCHED: Final = frozenset({".git", "node_modules", "__pycache__"})
"""Directories in which much changes that nobody subscribes to."""
_log = logging.getLogger(__name__)

Publish = Callable[[Iterable[str], bool], None]
"""Takes the URIs of what changed, and whether what lies below them did, too."""
Directories = dict[str, tuple[int, int]]
"""By path: which one it is, as another may come in its place."""


class Shift:
    """One thread that listens to directories that do not change; the next one stands before it is relieved."""

    def __init__(self, paths: Sequence[str], publish: Publish, renew: Callable[[], None]) -> None:
        """Nothing is heard before `start`.

        Args:
            paths: The directories.
            publish: Told the URIs of what changed.
            renew: Called when directories came or went.
        """
        self.paths = frozenset(paths)
        self.settled = threading.Event()
        """Set when it hears, or has failed to."""
        self.failed: Exception | None = None
        self._publish = publish
        self._renew = renew
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dovetail-files-watch", daemon=True)

    @property
    def hears(self) -> bool:
        """True from when it stands to when it is relieved."""
        return self.settled.is_set() and self.failed is None and not self._end.is_set()

    def start(self) -> None:
        """Begin, and wait until it hears or has failed to."""
        self._thread.start()
        self.settled.wait(_STANDING)

    def relieve(self) -> None:
        """End it."""
        self._end.set()
        self._thread.join(_ENDING)

    def _run(self) -> None:
        try:
            self._listen()
        except (OSError, RuntimeError) as failure:  # one is gone since it was found; or the system allows no more
            self.failed = failure
        finally:
            self.settled.set()

    def _listen(self) -> None:
        import watchfiles

        changes: Any = watchfiles.watch(
            *self.paths,
            watch_filter=None,
            debounce=_DEBOUNCE,
            step=_STEP,
            stop_event=self._end,
            rust_timeout=_IDLE,
            yield_on_timeout=True,
            recursive=False,
            ignore_permission_denied=True,
        )
        with contextlib.closing(changes):
            for some in changes:
                self.settled.set()
                names = {path for _, path in some if path}
                whole = {path for path in names if path in self.paths or _may_be_tree(path)}
                self._publish(map(uri_of, (names | {os.path.dirname(path) for path in names}) - whole), False)
                self._publish(map(uri_of, whole), True)
                if any(path in self.paths or os.path.isdir(path) for path in whole):
                    self._renew()


class Watch:
    """What is watched, and by which shift; made and closed by the lifespan of a server."""

    def __init__(self, most: int, publish: Publish) -> None:
        """Nothing is watched before `follow`.

        Args:
            most: Directories to watch; 0 for none.
            publish: Told the URIs of what changed, in a thread of the watch.
        """
        self.standing = threading.Event()
        """Set while changes below the roots are heard of."""
        self.failed = False
        """The system lets us watch nothing; the log says why."""
        self.partial = False
        """There are more directories than are watched."""
        self._most = most
        self._publish = publish
        self._roots: tuple[Beneath, ...] = ()
        self._shift: Shift | None = None
        self._again = threading.Event()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"<Watch {[root.path for root in self._roots]}{' standing' if self.standing.is_set() else ''}>"

    def covers(self, directory: str) -> bool:
        """Tell whether changes in a directory are heard of: whoever makes one need not tell."""
        shift = self._shift
        return shift is not None and shift.hears and directory in shift.paths

    def follow(self, roots: Sequence[Beneath]) -> None:
        """Watch these roots from now on, and no others."""
        paths = [root.path for root in roots]
        if not self._most or self._closed.is_set() or paths == [root.path for root in self._roots]:
            return
        self._roots = tuple(roots)
        self.standing.clear()
        self._again.set()
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="dovetail-files-watch", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End all threads."""
        self._closed.set()
        self._again.set()
        if self._thread is not None:
            self._thread.join(2 * _ENDING)

    def _run(self) -> None:
        known: Directories | None = None
        try:
            while not self._closed.is_set():
                roots = self._roots
                self._again.clear()
                if self._closed.is_set():  # looked at after clearing: a call to end is never cleared away
                    break
                directories = self._directories(roots)
                pause, failed = self._relieve(list(directories))
                if failed:
                    self.failed = True
                    _log.warning("files are not watched for changes: %s", failed)
                    return
                if pause is None or not directories:
                    if known is not None:  # what came into them before anybody could hear it
                        self._publish(map(uri_of, _fresh(known, directories)), True)
                    known = directories
                    if directories and roots is self._roots:
                        self.standing.set()
                self._again.wait(pause)
        finally:
            self.standing.clear()
            self._relieve([])

    def _relieve(self, paths: Sequence[str]) -> tuple[float | None, str]:
        """Let a new shift stand before the old one goes: nothing is missed in between.

        Returns:
            Seconds after which to try again, if the new one does not stand; and why there will never be one.
        """
        old, new = self._shift, Shift(paths, self._publish, self._again.set) if paths else None
        if new is not None:
            new.start()
            if isinstance(new.failed, FileNotFoundError):  # a directory is gone since it was found
                return _PAUSE, ""
        self._shift = new
        if old is not None:
            old.relieve()
        if new is None:
            return _GONE, ""  # the root is gone, or not there yet
        return None, type(new.failed).__name__ if new.failed is not None else ""

    def _directories(self, roots: Sequence[Beneath]) -> Directories:
        """Find the directories below the roots, those nearer to a root first, as many as are watched."""
        found: Directories = {}
        waiting = deque((root, tuple[str, ...]()) for root in roots)
        while waiting and len(found) < self._most and not self._closed.is_set():
            root, steps = waiting.popleft()
            with contextlib.suppress(OSError, UnsafePath), root.directory(steps) as held:
                now = os.fstat(held)
                found[os.path.join(root.path, *steps)] = (now.st_dev, now.st_ino)
                names = [entry.name for entry in scan(held) if entry.is_dir(follow_symlinks=False)]
                waiting.extend((root, (*steps, name)) for name in names if name not in UNWATCHED)
        self.partial = bool(waiting)
        return found


def _may_be_tree(path: str) -> bool:
    """Tell whether a name that changed may be that of a directory, which brought or took along what lies in it.

    Nobody can tell of what is gone; a link to a directory is none.
    """
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except (OSError, ValueError):
        return True


def _fresh(known: Directories, now: Directories) -> list[str]:
    """Return the directories that were not there, the topmost ones."""
    fresh = {path for path, which in now.items() if known.get(path) != which}
    return [path for path in fresh if os.path.dirname(path) not in fresh]


class Telling:
    """When one running server watches what, and how its clients hear of it."""

    def __init__(self, most: int, updated: Callable[..., None]) -> None:
        """Nothing is watched before `begin`.

        Args:
            most: Directories to watch; 0 for none.
            updated: Tells that the resource of a URI changed, or all `below` it, from any thread.
        """
        self.watch = Watch(most, self._publish)
        self.begun = False
        self._updated = updated
        self._possible = most > 0
        self._roots: Sequence[Beneath] = ()

    @property
    def state(self) -> Literal["yes", "partly", "not yet", "no"]:
        """Whether changes from outside are heard of."""
        if self.watch.standing.is_set():
            return "partly" if self.watch.partial else "yes"
        return "not yet" if self._possible and not self.watch.failed else "no"

    def aim(self, roots: Sequence[Beneath]) -> None:
        """Watch these roots, now or from `begin` on."""
        self._roots = roots
        if self.begun:
            self.watch.follow(roots)

    def begin(self) -> None:
        """Watch from now on: it costs each opening of a file a little, and is not done for nobody."""
        self.begun = True
        self.watch.follow(self._roots)

    async def stands(self) -> None:
        """Wait until changes are heard of, as long as that may take."""
        if self._possible and self._roots and not self.watch.standing.is_set():
            await asyncio.to_thread(self.watch.standing.wait, _BEGINNING)

    async def close(self) -> None:
        """End the watch."""
        await asyncio.to_thread(self.watch.close)

    def _publish(self, uris: Iterable[str], below: bool) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to tell
            for uri in uris:
                self._updated(uri, below=below)
