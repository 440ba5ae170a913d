"""Work that several want at the same time is done once: who comes while it is under way waits for it.

It ends with the last of them: work that nobody waits for any more is cancelled, and who comes then begins anew.
"""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any


class Flights:
    """What is under way, by what it is; on one event loop."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._flying: dict[Hashable, _Flight] = {}

    def __repr__(self) -> str:
        return f"<Flights {len(self._flying)}>"

    def __len__(self) -> int:
        return len(self._flying)

    async def share(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Return what comes of the work that is under way, or else of this; or raise what it raises."""
        flight = self._flying.get(key)
        if flight is None:
            flight = self._flying[key] = _Flight(asyncio.ensure_future(work()), lambda: self._landed(key, flight))
        return await flight.join()

    async def aclose(self) -> None:
        """End what is under way."""
        tasks = [flight.task for flight in self._flying.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _landed(self, key: Hashable, flight: "_Flight | None") -> None:
        if self._flying.get(key) is flight:
            self._flying.pop(key, None)


class _Flight:
    def __init__(self, task: asyncio.Future[Any], landed: Callable[[], None]) -> None:
        self.task = task
        self._landed = landed
        self._waiting = 0
        task.add_done_callback(lambda _: landed())

    async def join(self) -> Any:
        self._waiting += 1
        try:
            return await asyncio.shield(self.task)
        finally:
            self._waiting -= 1
            if not self._waiting and not self.task.done():
                self._landed()  # at once: who comes now shall not wait for what is being ended
                self.task.cancel()
