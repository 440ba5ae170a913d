"""A call's timer: how long its server may be silent, and how long it may take in all (C-01)."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Final, Self

from dovetail.errors import Timeout

MOST_PAUSES: Final = 100
"""How often a timer stands still: a server that asks without end gains no more time."""


class CallTimer:
    """Ends the block that it surrounds with `Timeout`.

    "Implementations MAY choose to reset the timeout clock when receiving a progress notification [...]. However,
    implementations SHOULD always enforce a maximum timeout, regardless of progress notifications" (2025-11-25,
    Lifecycle, Timeouts). While the client's own user answers a question of the server, both stand still.
    """

    __slots__ = (
        "_end",
        "_loop",
        "_most",
        "_over",
        "_paused",
        "_pauses",
        "_scope",
        "_seconds",
        "_stopped",
        "_until",
        "_what",
    )

    def __init__(self, what: str, seconds: float | None, most: float) -> None:
        """Allow `seconds` of silence (None: no limit but the other), and `most` seconds in all."""
        self._loop = asyncio.get_running_loop()
        self._what = what
        self._seconds = most if seconds is None else seconds
        self._most = most
        now = self._loop.time()
        self._until = now + self._seconds
        self._end = now + most
        self._paused = 0
        self._pauses = 0
        self._stopped = 0.0
        self._over = False
        self._scope = asyncio.timeout_at(min(self._until, self._end))

    def __repr__(self) -> str:
        return f"<CallTimer of {self._what}{', standing' if self._paused else ''}>"

    async def __aenter__(self) -> Self:
        await self._scope.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over = True
        try:
            await self._scope.__aexit__(kind, error, trace)
        except TimeoutError:
            silent = self._end > self._until
            took = f"answered within {self._seconds:g} s" if silent else f"finished within {self._most:g} s"
            raise Timeout(f"{self._what}: not {took}") from None

    def touch(self) -> None:
        """See `Pausable.touch`."""
        self._until = self._loop.time() + self._seconds
        self._arm()

    def pause(self) -> None:
        """See `Pausable.pause`."""
        self._paused += 1
        if self._paused == 1:
            self._pauses += 1
            self._stopped = self._loop.time()
            self._arm()

    def resume(self) -> None:
        """See `Pausable.resume`."""
        self._paused -= 1
        if self._paused == 0 and self._pauses <= MOST_PAUSES:
            stood = self._loop.time() - self._stopped
            self._until += stood
            self._end += stood
            self._arm()

    @property
    def expired(self) -> bool:
        """Whether the time is over."""
        return self._scope.expired()

    def _arm(self) -> None:
        if not self._over and not self._scope.expired():  # who made it stand may let it go on after its call has ended
            stands = self._paused and self._pauses <= MOST_PAUSES
            self._scope.reschedule(None if stands else min(self._until, self._end))


class Timers:
    """The timers of one client's calls and openings. All stand still while its user logs in, those that begin too."""

    def __init__(self) -> None:
        """Begin without any."""
        self._running: set[CallTimer] = set()
        self._visits = 0

    def __repr__(self) -> str:
        return f"<Timers {len(self._running)}{', standing' if self._visits else ''}>"

    def __iter__(self) -> Iterator[CallTimer]:
        return iter(tuple(self._running))

    @contextmanager
    def running(self, timer: CallTimer) -> Iterator[CallTimer]:
        """Keep a timer for a block."""
        self._running.add(timer)
        if self._visits:
            timer.pause()
        try:
            yield timer
        finally:
            self._running.discard(timer)

    @contextmanager
    def standing(self) -> Iterator[None]:
        """Let all of them stand for a block."""
        self._visits += 1
        if self._visits == 1:
            for timer in self:
                timer.pause()
        try:
            yield
        finally:
            self._visits -= 1
            if not self._visits:
                for timer in self:
                    timer.resume()
