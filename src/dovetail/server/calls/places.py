"""Places in a bounded pool, shared out: no caller of a network holds all of them, and those who wait take turns.

Invariants: no more than `size` are held; who is alone with the server (stdio, in memory) may hold all; any other caller
leaves some for the rest, however many calls it makes; a place that is free goes to the caller that had one given to it
the longest ago, among those that wait and may.
"""

import asyncio
from collections import Counter, OrderedDict, deque
from typing import Final

_KEPT: Final = 8
"""One in so many is kept from each caller, for the others."""


class Places:
    """The places of one pool."""

    def __init__(self, size: int) -> None:
        """Start with all of them free."""
        self.size = size
        self._free = size
        self._share = size - max(1, size // _KEPT) if size > 1 else size
        self._held: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Places {self.size - self._free}/{self.size}, {sum(map(len, self._waiting.values()))} wait>"

    async def take(self, owner: str) -> None:
        """Take a place; wait for one.

        Args:
            owner: In whose share; "" for who is alone with the server.
        """
        if owner not in self._waiting and self._may(owner):
            self._give(owner)
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(owner, deque()).append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                self._forget(owner, waiter)
            else:
                self.leave(owner)  # it was given at the same moment
            raise

    def leave(self, owner: str) -> None:
        """Give a place back."""
        self._free += 1
        self._held[owner] -= 1
        if not self._held[owner]:
            del self._held[owner]
        self._share_out()

    def _may(self, owner: str) -> bool:
        return self._free > 0 and (not owner or self._held[owner] < self._share)

    def _give(self, owner: str) -> None:
        self._free -= 1
        self._held[owner] += 1

    def _share_out(self) -> None:
        while (owner := next(filter(self._may, self._waiting), None)) is not None:
            waiter = self._waiting[owner].popleft()
            self._waiting.move_to_end(owner)
            self._settle(owner)
            if not waiter.done():
                self._give(owner)
                waiter.set_result(None)

    def _forget(self, owner: str, waiter: "asyncio.Future[None]") -> None:
        waiting = self._waiting.get(owner, deque())
        if waiter in waiting:
            waiting.remove(waiter)
            self._settle(owner)

    def _settle(self, owner: str) -> None:
        if not self._waiting[owner]:
            del self._waiting[owner]
