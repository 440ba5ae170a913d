"""The calls under way between two peers, in both directions: one table each, and one gate for every change.

What must hold, and is decided here and nowhere else:

* An id identifies one call at a time. "The request ID MUST NOT match the ID of any other request the sender has issued
  and not yet received a response for" (2026-07-28, Messages); a second one is refused and the first goes on (W-04).
* An answer reaches the question it belongs to, by type and value of its id, or nobody: late, repeated and unknown
  answers are dropped and counted (C-05).
* When the other side is gone, every waiting question hears of it, once.
"""

from typing import Generic, TypeVar

from dovetail.errors import InvalidRequest
from dovetail.wire import id_key, request_frame

C = TypeVar("C")
W = TypeVar("W")


class Endpoint(Generic[C, W]):
    """In-flight state of one connection or session.

    `C` is a call being served, `W` somebody who waits for an answer.
    """

    __slots__ = ("_calls", "_next", "_prefix", "_questions", "closed", "dropped")

    def __init__(self, prefix: str = "") -> None:
        """Start with nothing under way. `prefix` keeps question ids of several workers of one session apart."""
        self._calls: dict[bytes, C] = {}
        self._questions: dict[bytes, W] = {}
        self._next = 0
        self._prefix = prefix
        self.dropped = 0
        self.closed = False

    def __repr__(self) -> str:
        state = "closed" if self.closed else "open"
        return f"<Endpoint {state}, {len(self._calls)} calls, {len(self._questions)} questions>"

    def __len__(self) -> int:
        return len(self._calls)

    @property
    def calls(self) -> list[C]:
        """The calls under way."""
        return list(self._calls.values())

    @property
    def idle(self) -> bool:
        """True when nothing is under way in either direction."""
        return not self._calls and not self._questions

    @property
    def waiting(self) -> int:
        """How many questions of ours have no answer yet."""
        return len(self._questions)

    def begin(self, identifier: bytes, call: C) -> None:
        """Note that a call is under way.

        Raises:
            InvalidRequest: A call with that id is under way already.
        """
        key = id_key(identifier)
        if key in self._calls:
            raise InvalidRequest("id: a request with this id is still in progress")
        self._calls[key] = call

    def under_way(self, identifier: bytes) -> bool:
        """Tell whether a call with that id is under way."""
        return bool(self._calls) and id_key(identifier) in self._calls

    def find(self, identifier: bytes) -> C | None:
        """Return the call with that id, or None."""
        return self._calls.get(id_key(identifier))

    def finish(self, identifier: bytes) -> C | None:
        """Note that a call has ended, in whatever way; return it."""
        return self._calls.pop(id_key(identifier), None)

    def ask(self, method: str, params: bytes | None, waiter: W) -> tuple[bytes, bytes]:
        """Register a question of ours; return its id and the request frame to send."""
        self._next += 1
        identifier = b'"%b%d"' % (self._prefix.encode(), self._next) if self._prefix else b"%d" % self._next
        self._questions[identifier] = waiter
        return identifier, request_frame(identifier, method, params)

    def answered(self, identifier: bytes | None) -> W | None:
        """Return who waits for the answer with that id, and forget the question; None when nobody does."""
        waiter = self._questions.pop(id_key(identifier), None) if identifier is not None else None
        if waiter is None:
            self.dropped += 1
        return waiter

    def asked(self, identifier: bytes) -> bool:
        """Tell whether a question of ours had that id: an answer that nobody waits for is late then, or repeated."""
        number = (
            identifier.removeprefix(b'"%b' % self._prefix.encode()).removesuffix(b'"') if self._prefix else identifier
        )
        return len(number) < 20 and number.isdigit() and 0 < int(number) <= self._next

    def withdraw(self, identifier: bytes) -> None:
        """Forget a question of ours: an answer that still comes is dropped."""
        self._questions.pop(identifier, None)

    def close(self) -> tuple[list[C], list[W]]:
        """End everything; return the calls to stop and the waiters to tell. Idempotent."""
        calls, waiters = list(self._calls.values()), list(self._questions.values())
        self._calls.clear()
        self._questions.clear()
        self.closed = True
        return calls, waiters
