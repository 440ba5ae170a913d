"""A client's response cache in memory: bounded in entries and bytes; what was used longest ago goes first."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

from dovetail.core import Cached, Place
from dovetail.wire import DEFAULT_LIMITS, Limits


class MemoryCache:
    """Results of servers, kept by this process; several clients may share one, also of several threads.

    Args:
        limits: `cache_entries` and `cache_bytes`.
        clock: Seconds.
    """

    def __init__(self, limits: Limits = DEFAULT_LIMITS, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self.now = clock
        self._kept: OrderedDict[str, tuple[Place, Cached, float]] = OrderedDict()
        self._groups: dict[str, dict[str, set[str]]] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<MemoryCache: {len(self._kept)} results, {self._bytes} bytes>"

    async def load(self, keys: Sequence[str]) -> Cached | None:
        """See `ResponseStore.load`."""
        found: Cached | None = None
        with self._lock:
            for key in keys:
                if key not in self._kept:
                    continue
                _, cached, until = self._kept[key]
                if until <= self.now():
                    self._remove(key)
                    continue
                self._kept.move_to_end(key)
                if found is None or cached.received > found.received:
                    found = cached
        return found

    async def save(self, place: Place, cached: Cached, seconds: float) -> None:
        """See `ResponseStore.save`."""
        with self._lock:
            self._remove(place.key)
            if len(cached.body) > self._limits.cache_bytes:
                return
            self._kept[place.key] = (place, cached, cached.received + seconds)
            self._groups.setdefault(place.realm, {}).setdefault(place.group, set()).add(place.key)
            self._bytes += len(cached.body)
            while self._bytes > self._limits.cache_bytes or len(self._kept) > self._limits.cache_entries:
                self._remove(next(iter(self._kept)))

    async def drop(self, realm: str, group: str | None, before: float) -> None:
        """See `ResponseStore.drop`."""
        with self._lock:
            groups = self._groups.get(realm, {})
            chosen = list(groups.values()) if group is None else [groups.get(group, set())]
            for key in [key for keys in chosen for key in keys]:
                if self._kept[key][1].received <= before:
                    self._remove(key)

    def _remove(self, key: str) -> None:
        found = self._kept.pop(key, None)
        if found is None:
            return
        place, cached, _ = found
        self._bytes -= len(cached.body)
        groups = self._groups[place.realm]
        groups[place.group].discard(key)
        if not groups[place.group]:
            del groups[place.group]
        if not groups:
            del self._groups[place.realm]
