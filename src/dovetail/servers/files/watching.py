"""Changes from outside: directories are watched, and who subscribed to a file in them hears that it changed.

`watchfiles` would follow links when it looks into directories by itself. So it is given each directory by name, found
by a walk that follows none, and begins anew when a directory comes or goes. It learns of names and times, never of
contents; what it says is only a hint to read again, through `beneath`.
"""

import asyncio
import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from dovetail.errors import UnsafePath
from dovetail.servers.files.beneath import Beneath
from dovetail.servers.files.names import uri_of
from dovetail.servers.files.walking import Budget, walk

_STEP: Final = 50
_DEBOUNCE: Final = 400
_IDLE: Final = 100
"""Milliseconds: between looks, from the first change to the notice at most, and until the watch is known to stand."""
_SCAN_ENTRIES: Final = 1_000_000
_SCAN_SECONDS: Final = 60.0
_ENDING: Final = 5.0
_log = logging.getLogger(__name__)

Publish = Callable[[Iterable[str]], None]


class Watch:
    """One thread that watches the roots; made and closed by the lifespan of a server."""

    def __init__(self, most: int, publish: Publish) -> None:
        """Nothing is watched before `follow`.

        Args:
            most: Directories to watch; 0 for none.
            publish: Told the URIs of what changed, in the thread of the watch.
        """
        self.standing = threading.Event()
        """Set while changes are heard of."""
        self.partial = False
        """There are more directories than are watched."""
        self._most = most
        self._publish = publish
        self._roots: tuple[Beneath, ...] = ()
        self._again = threading.Event()
        self._closed = False
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"<Watch {[root.path for root in self._roots]}{' standing' if self.standing.is_set() else ''}>"

    @property
    def complete(self) -> bool:
        """True while every change below the roots is heard of: whoever makes one need not tell."""
        return self.standing.is_set() and not self.partial

    def follow(self, roots: Sequence[Beneath]) -> None:
        """Watch these roots from now on, and no others."""
        paths = [root.path for root in roots]
        if not self._most or self._closed or paths == [root.path for root in self._roots]:
            return
        self._roots = tuple(roots)
        self._begin_anew()
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="dovetail-files-watch", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._closed = True
        self._again.set()
        if self._thread is not None:
            self._thread.join(_ENDING)

    def _begin_anew(self) -> None:
        self.standing.clear()
        self._again.set()

    def _run(self) -> None:
        known: set[str] | None = None
        try:
            while not self._closed:
                self._again.clear()
                directories = self._directories()
                if known is not None:
                    self._publish(contents(directories.keys() - known, directories))
                known = set(directories)
                if not directories:
                    return
                self._listen(list(directories))
        except OSError as failure:  # the system lets nobody watch more
            _log.warning("files are not watched for changes: %s", failure.strerror or type(failure).__name__)
        finally:
            self.standing.clear()

    def _directories(self) -> dict[str, tuple[Beneath, tuple[str, ...]]]:
        """Find the directories below the roots, those nearer to a root first, as many as are watched."""
        found: dict[str, tuple[Beneath, tuple[str, ...]]] = {}
        for root in self._roots:
            budget = Budget(_SCAN_ENTRIES, _SCAN_SECONDS, lambda: self._again.is_set())
            with contextlib.suppress(OSError), root.directory(()) as held:
                found[root.path] = (root, ())
                for path, entry in walk(held, budget):
                    if entry.is_dir(follow_symlinks=False):
                        found[os.path.join(root.path, *path)] = (root, path)
        kept = sorted(found, key=lambda path: len(found[path][1]))[: self._most]
        self.partial = len(kept) < len(found)
        return {path: found[path] for path in kept}

    def _listen(self, paths: list[str]) -> None:
        """Pass changes on until directories come or go, or somebody wants to begin anew."""
        import watchfiles

        changes: Any = watchfiles.watch(
            *paths,
            watch_filter=None,
            debounce=_DEBOUNCE,
            step=_STEP,
            stop_event=self._again,
            rust_timeout=_IDLE,
            yield_on_timeout=True,
            recursive=False,
            ignore_permission_denied=True,
        )
        watched = set(paths)
        with contextlib.closing(changes):
            for some in changes:
                if self._again.is_set():
                    return
                self.standing.set()
                names = {path for _, path in some}
                self._publish(uri_of(path) for path in names | {os.path.dirname(path) for path in names} if path)
                if any(path in watched or _is_directory(path, watched) for path in names):
                    self.standing.clear()
                    return


def _is_directory(path: str, watched: set[str]) -> bool:
    """Tell whether a name in a watched directory is a new directory: a link to one is none."""
    try:
        return os.path.dirname(path) in watched and os.path.isdir(path) and not os.path.islink(path)
    except (OSError, ValueError):
        return False


def contents(paths: Iterable[str], directories: dict[str, tuple[Beneath, tuple[str, ...]]]) -> list[str]:
    """Return the URIs of what lies in directories that are new: it came before anybody could watch it."""
    found: list[str] = []
    for path in paths:
        root, steps = directories[path]
        with contextlib.suppress(OSError, UnsafePath), root.directory(steps) as held:
            found += [uri_of(os.path.join(path, name)) for name in os.listdir(held)]
    return found


class Telling:
    """Hands what the watch hears to the clients, on the event loop.

    Change notices are sent through the context of a call: the last one that came is kept for that.
    """

    def __init__(self, most: int) -> None:
        self.watch = Watch(most, self._publish)
        self._loop = asyncio.get_running_loop()
        self._notify: Any = None
        self._tasks: set[asyncio.Task[None]] = set()

    def heard(self, notify: Any) -> None:
        """Keep a way to send notices."""
        self._notify = notify

    def _publish(self, uris: Iterable[str]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to tell
            self._loop.call_soon_threadsafe(self._send, list(uris))

    def _send(self, uris: list[str]) -> None:
        if self._notify is not None and uris:
            task = self._loop.create_task(self._tell(self._notify, uris))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _tell(self, notify: Any, uris: list[str]) -> None:
        for uri in uris:
            await notify.resource_updated(uri)
