"""One thread for all that is plain in one call: its dependencies open, its handler runs, and they close in the same.

What is bound to the thread that made it (a connection of `sqlite3`, a lock, anything `threading.local`) can so be given
to a plain handler.

Invariants: a lane has a thread of the pool from its first work until it is closed, and works off one thing at a time,
in order (`Strand`). Its place is held with it; while it stands idle longer than a moment (the call awaits something on
the event loop, such as the client's answer) the place is given back, as far as there are threads for others then.
Everything here happens on the event loop.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from dovetail.net import Strand

if TYPE_CHECKING:
    from dovetail.server.calls.pool import Pool

T = TypeVar("T")


class Lane:
    """The thread of one call."""

    def __init__(self, pool: "Pool", owner: str) -> None:
        """Prepare; the thread is taken when there is work for it, in the share of `owner`."""
        self._pool = pool
        self._owner = owner
        self._strand = Strand()
        self._loop = asyncio.get_running_loop()
        self._begun = False
        self._ended = False
        self._held = False
        self._under_way = 0
        self._closed = False
        self.to_leave = 0
        """Managers that were entered in the thread, and are to be left in it."""
        self.last = False
        """True when nothing more comes but their ends: the thread goes with the last of them."""

    def __repr__(self) -> str:
        state = "ended" if self._ended else f"{self._under_way} under way" if self._begun else "new"
        return f"<Lane {state}>"

    @property
    def there(self) -> bool:
        """True while the thread takes work."""
        return self._begun and not self._closed and not self._ended

    @property
    def free(self) -> bool:
        """True while the thread is there, and does nothing."""
        return self.there and not self._under_way

    async def submit(self, function: Callable[..., T], *args: Any) -> "Future[T]":
        """Call a function in the thread, as soon as there is a place for it."""
        if not self._held:
            await self._pool.places.take(self._owner)
            self._held = True
            if self._begun:
                self._pool.asking -= 1
            else:
                self._begin()
        return self.submit_now(function, *args)

    def submit_now(self, function: Callable[..., T], *args: Any) -> "Future[T]":
        """Call a function in the thread, with a place or without: it gives things back."""
        future = self._strand.submit(function, *args)
        self._under_way += 1
        future.add_done_callback(lambda _: self._on_loop(self._done))
        if self.last and not self.to_leave:
            self.close()
        return future

    def close(self) -> None:
        """Let the thread go, once it has done what it is at (idempotent)."""
        if not self._closed:
            self._closed = True
            self._strand.close()

    def _begin(self) -> None:
        try:
            thread = self._pool.threads.submit(self._strand.work_off)
        except RuntimeError:  # the pool is closed
            self._held = False
            self._pool.places.leave(self._owner)
            raise
        self._begun = True
        thread.add_done_callback(lambda _: self._on_loop(self._end))

    def _done(self) -> None:
        self._under_way -= 1
        # Whatever it was, and however it ended: the place is given back, unless who waits for it, and is woken in the
        # meantime, has more work for the thread at once.
        self._loop.call_soon(self._loop.call_soon, self._rest)

    def _rest(self) -> None:
        if self.free and self._held and self._pool.may_rest():
            self._held = False
            self._pool.asking += 1
            self._pool.places.leave(self._owner)

    def _end(self) -> None:
        self._ended = True
        if self._held:
            self._pool.places.leave(self._owner)
        else:
            self._pool.asking -= 1
        self._strand.cancel()  # the pool was closed before it came to that

    def _on_loop(self, function: Callable[[], None]) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function)
