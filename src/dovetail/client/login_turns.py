"""Work on one login's tokens: equal pieces are done once.

Invariants
* Who wants what is under way already waits for it and shares its outcome, whatever it is.
* Who gives up takes nothing from the work: a user may be in the middle of it. The work can see that all have given up.
* Closing ends all work at once, but for what must not be left half done (`uncut`): that has a few seconds.
"""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Final, TypeVar

from dovetail.errors import LoginUnavailable

T = TypeVar("T")

CLOSING_SECONDS: Final = 5.0
"""What must not be left half done has so long to end when it is cancelled."""


class Turn:
    """One piece of work.

    Attributes:
        waiting: How many wait for it.
    """

    waiting = 0
    task: asyncio.Task[bool]

    def __repr__(self) -> str:
        return f"<Turn, {self.waiting} waiting>"


Work = Callable[[Turn], Coroutine[Any, Any, bool]]


class Turns:
    """What is under way."""

    def __init__(self) -> None:
        """Begin with nothing to do."""
        self._turns: dict[Hashable, Turn] = {}

    def __repr__(self) -> str:
        return f"<Turns, {len(self._turns)}>"

    async def share(self, key: Hashable, work: Work) -> bool:
        """Return what the work for a key returns, or raise what it raises.

        Raises:
            LoginUnavailable: The login was closed meanwhile.
        """
        turn = self._turns.get(key)
        if turn is None or turn.task.done():
            turn = self._begin(key, work)
        turn.waiting += 1
        try:
            await asyncio.wait({turn.task})
        finally:
            turn.waiting -= 1
        if turn.task.cancelled():
            raise LoginUnavailable("The login was closed before there were credentials")
        return turn.task.result()

    async def aclose(self) -> None:
        """End what is under way; wait for what must not be left half done, but not for ever."""
        tasks = [turn.task for turn in self._turns.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, key: Hashable, work: Work) -> Turn:
        turn = self._turns[key] = Turn()

        def done(task: asyncio.Task[bool]) -> None:
            if self._turns.get(key) is turn:
                del self._turns[key]
            if not task.cancelled():
                task.exception()  # nobody may be waiting for it any more

        turn.task = asyncio.create_task(work(turn), name="dovetail: login")
        turn.task.add_done_callback(done)
        return turn


async def uncut(work: Coroutine[Any, Any, T]) -> T:
    """Return what work returns that must not be left half done: who cancels it waits for its end, for a while."""
    task = asyncio.create_task(work, name="dovetail: a login that is not to be cut")
    task.add_done_callback(lambda task: task.cancelled() or task.exception())  # who was cancelled asks for none
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        try:
            await asyncio.wait({task}, timeout=CLOSING_SECONDS)
        finally:
            task.cancel()
        raise
    return task.result()
