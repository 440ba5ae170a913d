"""Ports: what the protocol needs kept, and nothing about where. Implemented in `store`, handed in by whoever starts it.

Values are bytes; a port never learns what they mean. Times are seconds. Every method may raise `Disconnected` when the
store is out of reach; callers decide whether that fails closed (single use, `once`) or open (notices).
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec


class Sessions(Protocol):
    """Sessions of the stateful revisions, by id. A record that expired is absent."""

    async def load(self, session: str) -> bytes | None:
        """Return the record, or None when there is none or it expired."""
        ...

    async def save(self, session: str, record: bytes, ttl: float) -> None:
        """Write the record of a session that begins, and let it expire `ttl` seconds from now."""
        ...

    async def update(self, session: str, change: Callable[[bytes], bytes], ttl: float) -> bytes | None:
        """Change the record as it is stored, whoever changed it last, and let it expire `ttl` seconds from now.

        Returns the record after the change; None when there is none, or it expired: it is not made again. What
        `change` raises is raised here, and nothing was changed. It has no effects of its own: it may be called more
        than once, and from another thread.
        """
        ...

    async def touch(self, session: str, ttl: float) -> bool:
        """Let an existing record expire `ttl` seconds from now; False when there is none."""
        ...

    async def delete(self, session: str) -> bool:
        """Remove the record; True when there was one."""
        ...

    async def count(self) -> int:
        """How many sessions are alive."""
        ...

    async def every(self) -> list[tuple[str, bytes]]:
        """Return all that are alive, with their records."""
        ...


class Events(Protocol):
    """Messages of resumable streams (2025-03-26 to 2025-11-25), in order, until they are forgotten.

    A sequence number is unique within its session and grows; it is what an SSE event id is made of.
    """

    async def begin(self, session: str, stream: str) -> None:
        """Note that this process has more to say on a stream, until it ends it."""
        ...

    async def end(self, session: str, stream: str) -> None:
        """Note that nothing more comes on a stream. It is forgotten by itself a few minutes later."""
        ...

    async def fed(self, session: str, stream: str) -> bool:
        """Tell whether more may come on a stream: a process began it, has not ended it, and lives."""
        ...

    async def append(self, session: str, stream: str, message: bytes, owner: str = "") -> int:
        """Store a message at the end of a stream; return its sequence number (from 1).

        There is room for so much. When it is used up, the oldest goes first: of `owner`, if that has more than its
        share, else of all.
        """
        ...

    async def after(self, session: str, stream: str, sequence: int) -> list[tuple[int, bytes]]:
        """Return the messages of a stream that come after a sequence number, in order."""
        ...

    async def mark(self, session: str, stream: str, sequence: int, keep: int | None = None) -> None:
        """Note that everything up to a sequence number was handed to the client's connection.

        With `keep`, of all that was handed over no more than the last so many messages are kept.
        """
        ...

    async def marked(self, session: str, stream: str) -> int | None:
        """Return the sequence number last marked.

        None when none was, or when anything was forgotten since that had not been handed over.
        """
        ...

    async def forget(self, session: str, stream: str | None = None) -> None:
        """Drop a stream of a session, or all of them."""
        ...


class Fresh(msgspec.Struct, frozen=True):
    """The claim is yours: run the side effect, then settle it."""


class Running(msgspec.Struct, frozen=True):
    """Somebody alive holds the claim; its result will come."""


class Settled(msgspec.Struct, frozen=True):
    """The side effect ran; `value` is what was recorded."""

    value: bytes


class Lost(msgspec.Struct, frozen=True):
    """Claimed by somebody who died before settling it: nobody knows whether it ran."""


Claim = Fresh | Running | Settled | Lost


class Ledger(Protocol):
    """What must happen at most once, shared by all workers and outliving a restart where the store does."""

    async def claim(self, call: str, name: str, ttl: float, owner: str = "") -> Claim:
        """Claim (call, name) atomically; only the first gets `Fresh`. A claim is kept `ttl` seconds after this.

        It, and its outcome, are held in the share of `owner`; "" has none. A claim counts as alive while its
        process renews it (the store does so by itself, every second or so);
        one that was not renewed for ten seconds and has no value is `Lost`, for good.

        Raises:
            Disconnected: Also when the share of the owner is used up: nothing was claimed.
        """
        ...

    async def settle(self, call: str, name: str, value: bytes) -> None:
        """Record the outcome of a claim that was `Fresh`. It is never refused for its owner's share."""
        ...

    async def wait(self, call: str, name: str) -> Settled | Lost:
        """Wait until a `Running` claim is settled, or found lost."""
        ...

    async def drop(self, call: str, names: Sequence[str]) -> None:
        """Forget claims of a call that nobody can come back to."""
        ...

    async def keep(self, key: str, value: bytes, ttl: float, owner: str = "") -> None:
        """Keep a value too large for a request's state (an answer over 8 KiB), in the share of `owner`.

        Raises:
            Disconnected: Also when all that is kept, or what is kept of that owner, would be too much; "" has no share.
        """
        ...

    async def kept(self, key: str) -> bytes | None:
        """Return a kept value, or None."""
        ...

    async def burn(self, nonce: str, ttl: float) -> bool:
        """Use a nonce up; True exactly once, however many workers race for it."""
        ...


class Bus(Protocol):
    """Messages between the workers of one server: at most once, in each publisher's order, the publisher included."""

    async def publish(self, topic: str, message: bytes) -> None:
        """Hand a message to every subscriber of a topic in every worker.

        Raises:
            Disconnected: The other workers are out of reach. This one's subscribers have the message, once.
        """
        ...

    def subscribe(self, topic: str, receive: Callable[[bytes], None]) -> Callable[[], None]:
        """Call `receive` on the event loop for every message of a topic, until the returned function is called."""
        ...


class Keys(Protocol):
    """The key ring that seals what passes through clients."""

    def ring(self) -> Sequence[bytes]:
        """Return the keys, 32 bytes each: seal with the first, open with any. Rotation puts a new one first."""
        ...


class Place(msgspec.Struct, frozen=True):
    """Where a server's result is kept: digests that tell nothing.

    Attributes:
        key: Of the result.
        realm: Of all results of that server.
        group: Of those among them that one change notice makes stale.
    """

    key: str
    realm: str
    group: str


class Cached(msgspec.Struct, frozen=True):
    """A result of a server that is kept.

    Attributes:
        received: When it came, by the store's clock.
        seconds: How long it is fresh from then on.
        body: What was received.
    """

    received: float
    seconds: float
    body: bytes


class ResponseStore(Protocol):
    """Results of servers, kept by clients. Bounded: what was used or kept longest ago goes first."""

    def now(self) -> float:
        """Return the time in seconds, by the clock that all who share the store have."""
        ...

    async def load(self, keys: Sequence[str]) -> Cached | None:
        """Return what was received last of what is kept under some keys."""
        ...

    async def save(self, place: Place, cached: Cached, seconds: float) -> None:
        """Keep a result for so many seconds; do nothing if it is larger than all that may be kept."""
        ...

    async def drop(self, realm: str, group: str | None, before: float) -> None:
        """Forget what was received until `before` in a group of a realm; None: in all of the realm."""
        ...


class Stores(Protocol):
    """All ports of one server, opened and closed together."""

    @property
    def sessions(self) -> Sessions:
        """Sessions of the stateful revisions."""
        ...

    @property
    def events(self) -> Events:
        """Messages of resumable streams."""
        ...

    @property
    def ledger(self) -> Ledger:
        """What must happen at most once."""
        ...

    @property
    def bus(self) -> Bus:
        """Messages between workers."""
        ...

    @property
    def keys(self) -> Keys:
        """The key ring."""
        ...

    async def open(self) -> None:
        """Make the stores ready, on the running event loop."""
        ...

    async def occupy(self, *, alone: bool) -> None:
        """Keep sessions in them, before they are opened: as the only process, or among others that know of each other.

        It lasts until `aclose`. Where a process that leaves has them, it is waited for.

        Raises:
            StoreUnusable: Another process keeps its sessions there, and one of the two is to be alone.
        """
        ...

    def leaving(self) -> None:
        """Note that this process is about to close them: who comes next is to wait."""
        ...

    async def aclose(self) -> None:
        """Release everything; idempotent."""
        ...
