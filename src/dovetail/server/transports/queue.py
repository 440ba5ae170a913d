"""Requests of one channel that wait until fewer are in flight: in their order, bounded, and each id once.

Invariants: an id that waits, or has just stopped waiting and is not yet in flight, is in use ("the request ID MUST NOT
have been previously used by the requestor within the same session", Base Protocol, Requests): a second request under it
is refused (W-04). What waits is bounded by number and by bytes.
"""

from collections.abc import Callable, Iterable
from typing import Final

from dovetail.errors import Busy, InvalidRequest
from dovetail.wire import Limits, Request, id_key

IN_PROGRESS: Final = "id: a request with this id is still in progress"
Start = Callable[[bool], None]
"""Called when a request's turn has come, with True, or when it was cancelled, with False."""


class Queue:
    """What waits."""

    __slots__ = ("_bytes", "_expected", "_limits", "_waiting", "starting")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._waiting: dict[bytes, tuple[Request, Start]] = {}
        self._bytes = 0
        self._expected: dict[bytes, bool] = {}
        self.starting: set[bytes] = set()
        """Keys of ids whose turn has come, and that are not in flight yet."""

    def __len__(self) -> int:
        return len(self._waiting)

    def __repr__(self) -> str:
        return f"<Queue of {len(self)}, {len(self.starting)} starting>"

    def holds(self, identifier: bytes) -> bool:
        """Tell whether a request with that id waits, or is about to begin."""
        if not self._waiting and not self.starting and not self._expected:  # as nearly always
            return False
        key = id_key(identifier)
        return key in self._waiting or key in self.starting or key in self._expected

    def expect(self, identifiers: Iterable[bytes]) -> None:
        """Note ids of a batch, whose requests come in a moment: what is read meanwhile came after them."""
        for identifier in identifiers:
            self._expected.setdefault(id_key(identifier), True)

    def arrived(self, identifier: bytes) -> bool:
        """Note that an expected request is here; tell whether the peer still wants it."""
        return self._expected.pop(id_key(identifier), True)

    def put(self, request: Request, start: Start) -> None:
        """Let a request wait.

        Raises:
            InvalidRequest: One with its id waits already.
            Busy: There are too many.
        """
        if self.holds(request.id):
            raise InvalidRequest(IN_PROGRESS)
        size = len(request.params or b"")
        if len(self._waiting) >= self._limits.queued or self._bytes + size > self._limits.queued_bytes:
            raise Busy("Too many requests at a time")
        self._waiting[id_key(request.id)] = request, start
        self._bytes += size

    def start_next(self) -> None:
        """Let the first one begin; it says so itself when it has (`begun`)."""
        key = next(iter(self._waiting))
        self.starting.add(key)
        self._taken(key)(True)

    def begun(self, request: Request) -> None:
        """Note that one whose turn had come is in flight by now, or done."""
        self.starting.discard(id_key(request.id))

    def cancel(self, identifier: bytes) -> None:
        """Let one go that the peer does not want any more; an id that nobody has is ignored."""
        key = id_key(identifier)
        if key in self._expected:
            self._expected[key] = False
        elif key in self._waiting:
            self._taken(key)(False)

    def _taken(self, key: bytes) -> Start:
        request, start = self._waiting.pop(key)
        self._bytes -= len(request.params or b"")
        return start
