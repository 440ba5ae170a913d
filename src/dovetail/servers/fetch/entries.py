"""What the cache keeps, and the cache in memory: bounded in bytes and entries, what was used longest ago goes first."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final, Protocol

import msgspec

MOST: Final = 2_000
"""Entries of a cache."""
_OVERHEAD: Final = 512
_FIELDS: Final = frozenset(
    "age cache-control content-language content-type date etag expires last-modified location pragma retry-after "
    "vary x-robots-tag".split()
)


class Entry(msgspec.Struct, frozen=True):
    """An answer to a GET.

    Attributes:
        url: What was asked for.
        status: Its status.
        headers: The fields that matter here, by name in lower case.
        body: Its body.
        requested: When it was asked for, in seconds since the epoch.
        received: When its head came.
        vary: What it varies by, with the values that the request had.
    """

    url: str
    status: int
    headers: dict[str, str]
    body: bytes
    requested: float
    received: float
    vary: dict[str, str]

    @property
    def size(self) -> int:
        """What it costs to keep, in bytes."""
        fields = sum(len(name) + len(value) for name, value in self.headers.items())
        return len(self.body) + len(self.url) + fields + _OVERHEAD


def kept_fields(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of an answer that matter here."""
    return {name: value for name, value in headers.items() if name in _FIELDS}


class Cache(Protocol):
    """Where answers are kept, by their URL. A cache that fails is one that is empty."""

    async def load(self, url: str) -> Entry | None:
        """Return what is kept of a URL."""

    async def save(self, entry: Entry) -> None:
        """Keep an answer in place of what was kept of its URL, if it is not too large."""

    async def drop(self, url: str) -> None:
        """Forget what is kept of a URL."""

    async def listing(self) -> list[Entry]:
        """Return all that is kept, without bodies (`body` is empty), what was used last first."""

    async def aclose(self) -> None:
        """Let go of it. Idempotent."""


class MemoryCache:
    """A cache that ends with the process."""

    def __init__(self, most: int) -> None:
        """Make an empty one.

        Args:
            most: Bytes.
        """
        self._most = most
        self._kept: OrderedDict[str, Entry] = OrderedDict()
        self._bytes = 0

    def __repr__(self) -> str:
        return f"<MemoryCache {len(self._kept)} answers, {self._bytes} bytes>"

    async def load(self, url: str) -> Entry | None:
        """See `Cache`."""
        entry = self._kept.get(url)
        if entry is not None:
            self._kept.move_to_end(url)
        return entry

    async def save(self, entry: Entry) -> None:
        """See `Cache`."""
        await self.drop(entry.url)
        if entry.size > self._most:
            return
        self._kept[entry.url] = entry
        self._bytes += entry.size
        while self._bytes > self._most or len(self._kept) > MOST:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= oldest.size

    async def drop(self, url: str) -> None:
        """See `Cache`."""
        entry = self._kept.pop(url, None)
        if entry is not None:
            self._bytes -= entry.size

    async def listing(self) -> list[Entry]:
        """See `Cache`."""
        return [msgspec.structs.replace(entry, body=b"") for entry in reversed(self._kept.values())]

    async def aclose(self) -> None:
        """See `Cache`."""
        self._kept.clear()
        self._bytes = 0
