"""Waiting for a change that somebody else makes: woken by a nudge, and looking by itself in case none comes.

Invariant: a nudge is never lost between a look and the wait that follows it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

_FIRST_LOOK = 0.05
_LAST_LOOK = 1.0


class Waiting:
    """Those who wait, by what they wait for."""

    def __init__(self) -> None:
        self._waiters: dict[str, set[asyncio.Event]] = {}

    def __repr__(self) -> str:
        return f"<Waiting {sum(map(len, self._waiters.values()))} waiters>"

    def wake(self, key: str) -> None:
        """Let everyone who waits for a key look again. Call it on the loop."""
        for event in self._waiters.get(key, ()):
            event.set()

    async def until(self, key: str, look: Callable[[], Awaitable[T | None]]) -> T:
        """Look until there is something: at each nudge, and at 50 ms growing to once a second without one."""
        event = asyncio.Event()
        waiters = self._waiters.setdefault(key, set())
        waiters.add(event)
        pause = _FIRST_LOOK
        try:
            while (found := await look()) is None:
                try:
                    async with asyncio.timeout(pause):
                        await event.wait()
                except TimeoutError:
                    pause = min(pause * 2, _LAST_LOOK)
                event.clear()
            return found
        finally:
            waiters.discard(event)
            if not waiters:
                self._waiters.pop(key, None)
