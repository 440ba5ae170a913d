"""Equal work under way is done once: who asks for what somebody is asking for already waits for the same answer.

Who gives up takes nothing away from the others; when the last one gives up, so does the work.
"""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

from dovetail.errors import Disconnected

T = TypeVar("T")


class _Flight(Generic[T]):
    def __init__(self, task: "asyncio.Task[T]") -> None:
        self.task = task
        self.waiting = 0


class Flights(Generic[T]):
    """Work under way, by key."""

    def __init__(self) -> None:
        self._joinable: dict[Hashable, _Flight[T]] = {}
        self._unattended: set[asyncio.Task[T]] = set()

    def __repr__(self) -> str:
        return f"<Flights: {len(self._joinable)} to be joined>"

    async def join(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]], *, anew: bool = False) -> T:
        """Return what the work under way for a key returns; begin it, if there is none or `anew`.

        Raises:
            Disconnected: It was given up because the client was closed.
        """
        flight = None if anew else self._joinable.get(key)
        if flight is None:
            flight = self._begin(key, work)
        flight.waiting += 1
        try:
            await asyncio.wait({flight.task})
        finally:
            flight.waiting -= 1
            if not flight.waiting and flight.task not in self._unattended and not flight.task.done():
                self._forget(key, flight)
                flight.task.cancel()
        if flight.task.cancelled():
            raise Disconnected("The client was closed")
        return flight.task.result()

    def begin(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> None:
        """Have work done that nobody waits for, unless it is under way."""
        if key not in self._joinable:
            task = self._begin(key, work).task
            self._unattended.add(task)
            task.add_done_callback(self._unattended.discard)

    def seal(self) -> None:
        """Let nobody join what is under way: what it brings may be out of date."""
        self._joinable.clear()

    async def aclose(self) -> None:
        """Give up what nobody waits for."""
        tasks = list(self._unattended)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> _Flight[T]:
        flight = _Flight(asyncio.create_task(work(), name="dovetail: fetching"))
        self._joinable[key] = flight

        def done(task: "asyncio.Task[T]") -> None:
            self._forget(key, flight)
            if not task.cancelled():
                task.exception()  # also that of work which nobody waits for is looked at

        flight.task.add_done_callback(done)
        return flight

    def _forget(self, key: Hashable, flight: _Flight[T]) -> None:
        if self._joinable.get(key) is flight:
            del self._joinable[key]
