"""A question that is under way, and who waits for it: equal ones at a time are one.

It ends by the deadline of whoever waits longest, and nobody is failed by that of another: who comes later and has more
time prolongs it, and who has less leaves it. It goes on without those who leave, and what comes is kept for others.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from dovetail.servers.weather.patience import Deadline


class Wish(msgspec.Struct, frozen=True):
    """What one who asks allows.

    A service that asks for a pause is given it out of the time of the whole call, however little of that the question
    was meant to have: there is nothing else to ask it meanwhile.

    Attributes:
        deadline: Of the question.
        whole: Of the call that it is for: not before `deadline`.
        attempts: So many.
    """

    deadline: Deadline
    whole: Deadline
    attempts: int


class Flight:
    """One question; see the text of the module."""

    def __init__(self, wish: Wish) -> None:
        """Begin nothing yet: see `start`."""
        self.deadline = wish.deadline
        self.attempts = wish.attempts
        self.over = False
        """It has been decided that nothing more is tried: who comes now begins another one."""
        self.why = ""
        """What the last attempt came to: for who leaves before the next one."""
        self._whole = wish.whole
        self._busy = False
        self._ends: float | None = None
        self._timeout: asyncio.Timeout | None = None
        self._task: asyncio.Task[bytes] | None = None

    def start(self, asking: Coroutine[Any, Any, bytes], landed: Callable[[], None]) -> None:
        """Ask.

        Args:
            asking: What does it.
            landed: Called at the end of it.
        """

        def done(task: asyncio.Task[bytes]) -> None:
            landed()
            if not task.cancelled():
                task.exception()  # taken note of, also when everybody who wanted to know has left

        self._task = asyncio.ensure_future(asking)
        self._task.add_done_callback(done)

    def join(self, wish: Wish) -> None:
        """Go on for as long as this one allows, too."""
        self._whole = self._whole.later(wish.whole)
        self.attempts = max(self.attempts, wish.attempts)
        self._prolong(self._whole if self._busy else self.deadline.later(wish.deadline))

    def pause(self) -> None:
        """Take the time of the whole call from now on: the service asks to be asked later."""
        self._busy = True
        self._prolong(self._whole)

    def _prolong(self, deadline: Deadline) -> None:
        self.deadline = deadline
        if self._timeout is not None and self._ends is not None and not self._timeout.expired():
            self._timeout.reschedule(min(self._ends, deadline.at))

    @asynccontextmanager
    async def attempt(self, seconds: float) -> AsyncIterator[None]:
        """Bound an attempt: by so many seconds, and by the deadline wherever it is moved.

        Raises:
            TimeoutError: It is over.
        """
        self._ends = asyncio.get_running_loop().time() + seconds
        async with asyncio.timeout_at(min(self._ends, self.deadline.at)) as self._timeout:
            try:
                yield
            finally:
                self._timeout = None

    async def wait(self, wish: Wish) -> bytes:
        """Wait for the answer, for as long as one allows.

        Raises:
            TimeoutError: That is over; for others it goes on.
        """
        assert self._task is not None
        for deadline in (wish.deadline, wish.whole):
            try:
                async with asyncio.timeout_at(deadline.at):
                    return await asyncio.shield(self._task)
            except TimeoutError:
                if self.deadline.at <= deadline.at:  # it ends at this moment, and is to say itself why
                    return await asyncio.shield(self._task)
                if not self._busy:
                    break
        raise TimeoutError

    async def aclose(self) -> None:
        """End it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
