"""A table in memory whose entries expire by themselves. No timer, no thread: what is over is dropped while others work.

Invariants: an entry that expired is absent, whether or not it was dropped yet. Every operation is O(1) amortised (a
heap of deadlines makes it O(log n) at worst). The weight of all entries never exceeds the limit by what `put` let in.
"""

from collections.abc import Callable, Iterator
from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

from dovetail.errors import Disconnected

V = TypeVar("V")


SHARES = 4
"""One owner gets such a part of what there is for all (S-22)."""


class _Entry(Generic[V]):
    __slots__ = ("expires", "owner", "value", "weight")

    def __init__(self, value: V, expires: float, weight: int, owner: str) -> None:
        self.value = value
        self.expires = expires
        self.weight = weight
        self.owner = owner


class Expiring(Generic[V]):
    """Values by key, each with a deadline and a weight (bytes, by convention).

    Args:
        role: What is kept here, for errors.
        clock: Seconds; need not be wall time.
        limit: The most that all entries may weigh.
    """

    def __init__(self, role: str, clock: Callable[[], float], limit: int) -> None:
        self._role = role
        self._clock = clock
        self._limit = limit
        self._weight = 0
        self._owners: dict[str, int] = {}
        self._entries: dict[str, _Entry[V]] = {}
        self._deadlines: list[tuple[float, str]] = []

    def __repr__(self) -> str:
        return f"<Expiring {self._role}: {len(self._entries)} entries, {self._weight} of {self._limit} bytes>"

    def __len__(self) -> int:
        self._expire()
        return len(self._entries)

    def __iter__(self) -> Iterator[str]:
        self._expire()
        return iter(tuple(self._entries))

    def __contains__(self, key: str) -> bool:
        return self._alive(key) is not None

    def get(self, key: str) -> V | None:
        """Return the value, or None when there is none or it expired."""
        entry = self._alive(key)
        return None if entry is None else entry.value

    def put(self, key: str, value: V, ttl: float, weight: int, owner: str = "") -> None:
        """Keep a value for `ttl` seconds, in the share of `owner`, if it is somebody's.

        Raises:
            Disconnected: The table, or the share, is full; nothing was changed.
        """
        self._expire()
        old = self._entries.get(key)
        if self._weight + weight - (0 if old is None else old.weight) > self._limit:
            raise Disconnected(f"The memory for {self._role} is full ({self._limit} bytes)")
        held = self._owners.get(owner, 0) - (old.weight if old is not None and old.owner == owner else 0)
        if owner and held + weight > self._limit // SHARES:
            raise Disconnected(f"The memory for {self._role} of one caller is full ({self._limit // SHARES} bytes)")
        expires = self._clock() + ttl
        if old is not None:
            self._weigh(old.owner, -old.weight)
        self._entries[key] = _Entry(value, expires, weight, owner)
        self._weigh(owner, weight)
        # One deadline an entry: a key that has one already is put back under its new deadline when the old one comes
        # up, unless the new one is sooner.
        if old is None or expires < old.expires:
            self._schedule(expires, key)

    def swap(self, key: str, value: V, weight: int) -> bool:
        """Replace a live entry's value, not its deadline; False when there is none. Never refused for space."""
        entry = self._alive(key)
        if entry is None:
            return False
        self._weigh(entry.owner, weight - entry.weight)
        entry.value, entry.weight = value, weight
        return True

    def lacking(self, owner: str, weight: int) -> tuple[int, str]:
        """Return how much has to go before so much more fits, and out of whose share; 0 when it fits.

        `owner` makes room in its own share; where the whole is full, whoever holds the most does.
        """
        if owner and (lacking := self._owners.get(owner, 0) + weight - self._limit // SHARES) > 0:
            return lacking, owner
        giver = max(self._owners, key=self._owners.__getitem__, default="")
        return max(0, self._weight + weight - self._limit), giver

    def owned(self, owner: str) -> list[tuple[str, V]]:
        """Return the entries of an owner, the oldest first."""
        self._expire()
        return [(key, entry.value) for key, entry in self._entries.items() if entry.owner == owner]

    def owner(self, key: str) -> str:
        """Return in whose share an entry is; empty for nobody's, and for none."""
        entry = self._entries.get(key)
        return "" if entry is None else entry.owner

    def renew(self, key: str, ttl: float) -> bool:
        """Let a live entry expire `ttl` seconds from now; False when there is none."""
        entry = self._alive(key)
        if entry is None:
            return False
        expires = self._clock() + ttl
        if expires < entry.expires:
            self._schedule(expires, key)
        entry.expires = expires
        return True

    def pop(self, key: str) -> V | None:
        """Remove an entry and return its value, or None when there was none alive."""
        entry = self._alive(key)
        if entry is None:
            return None
        self._remove(key, entry)
        return entry.value

    def _alive(self, key: str) -> _Entry[V] | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.expires <= self._clock():
            self._remove(key, entry)
            return None
        return entry

    def _remove(self, key: str, entry: _Entry[V]) -> None:
        del self._entries[key]
        self._weigh(entry.owner, -entry.weight)

    def _weigh(self, owner: str, change: int) -> None:
        self._weight += change
        if owner:
            self._owners[owner] = self._owners.get(owner, 0) + change
            if not self._owners[owner]:
                del self._owners[owner]

    def _schedule(self, expires: float, key: str) -> None:
        heappush(self._deadlines, (expires, key))
        # Removed and shortened entries leave deadlines behind; rebuilding once they outnumber the entries keeps the
        # heap small and costs O(1) an operation on average.
        if len(self._deadlines) > 64 + 2 * len(self._entries):
            self._deadlines = [(entry.expires, name) for name, entry in self._entries.items()]
            heapify(self._deadlines)

    def _expire(self) -> None:
        now = self._clock()
        while self._deadlines and self._deadlines[0][0] <= now:
            _, key = heappop(self._deadlines)
            entry = self._entries.get(key)
            if entry is None:
                continue
            if entry.expires <= now:
                self._remove(key, entry)
            else:
                heappush(self._deadlines, (entry.expires, key))
