"""What the server remembers while it runs: a counter, what was added, and what beats. One a running server."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self


class State:
    """Memory of a running server; ends its own tasks when the server ends."""

    def __init__(self, beat: float) -> None:
        """Start with nothing.

        Args:
            beat: Seconds between two beats.
        """
        self.counter = 0
        self.effects = 0
        self.visited = False
        self._beat = beat
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def __repr__(self) -> str:
        return f"<State {self.counter}, beating: {', '.join(self._tasks) or 'nothing'}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def toggle(self, name: str, step: Callable[[], None]) -> bool:
        """Begin to do something at every beat, or end it; return whether it is done now."""
        running = self._tasks.pop(name, None)
        if running is not None:
            running.cancel()
            return False
        self._tasks[name] = asyncio.create_task(self._repeat(step))
        return True

    async def _repeat(self, step: Callable[[], None]) -> None:
        while True:
            await asyncio.sleep(self._beat)
            step()
