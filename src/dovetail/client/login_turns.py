"""Work on one login's tokens: one piece at a time, and equal pieces once.

Invariants
* Who wants what is under way already waits for it and shares its outcome, whatever it is.
* Who gives up takes nothing from the work: a user may be in the middle of it. Work that has not begun when the last
  who wanted it has given up is not done.
"""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any

from dovetail.errors import Disconnected


class _Turn:
    waiting = 0
    task: asyncio.Task[bool]


class Turns:
    """Turns at the tokens.

    Attributes:
        lock: Held by whose turn it is.
    """

    def __init__(self) -> None:
        """Begin with nothing to do."""
        self.lock = asyncio.Lock()
        self._turns: dict[Hashable, _Turn] = {}

    def __repr__(self) -> str:
        return f"<Turns, {len(self._turns)} to be taken>"

    async def share(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, bool]]) -> bool:
        """Return what the work for a key returns, or raise what it raises.

        Raises:
            Disconnected: The login was closed meanwhile.
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
            raise Disconnected("The login was closed")
        return turn.task.result()

    async def aclose(self) -> None:
        """End what is under way."""
        tasks = [turn.task for turn in self._turns.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, bool]]) -> _Turn:
        turn = self._turns[key] = _Turn()

        async def take() -> bool:
            async with self.lock:
                return turn.waiting > 0 and await work()

        def done(task: asyncio.Task[bool]) -> None:
            if self._turns.get(key) is turn:
                del self._turns[key]
            if not task.cancelled():
                task.exception()  # nobody may be waiting for it any more

        turn.task = asyncio.create_task(take(), name="dovetail: login")
        turn.task.add_done_callback(done)
        return turn
