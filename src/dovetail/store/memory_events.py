"""Resumable streams' messages in memory: the `Events` port without a disk.

Invariants: sequence numbers grow within a session and are never given twice while it lives, also when its messages were
forgotten: numbering begins above all that was. All sessions together hold a bounded number of bytes; what goes first is
the oldest, which is what was handed over first, of the session that wants more if that one has more than its share,
then the quietest session of whoever has more. Nothing here is shared between processes.
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from itertools import dropwhile

from dovetail.store.expiring import SHARES

SESSION_SHARES = 8
"""A session that holds more than such a part of all bytes makes room for its own messages."""
LINGER = 300.0
"""Seconds for which a stream that has ended can still be read."""
MOST_OF_SESSION = 7 / 8
"""A stream that has more than such a part of its session's messages makes room for itself: one call that says very much
costs neither the outcomes of others nor the notices that wait."""
NEVER = -1
"""The mark of a stream of which nothing was handed over, or of which something else was forgotten."""
_OVERHEAD = 128
"""Bytes counted for a message or a stream besides its payload, and twice as many for knowing when to forget one."""


class _Stream:
    __slots__ = ("marked", "messages", "weight")

    def __init__(self) -> None:
        self.messages: deque[tuple[int, bytes]] = deque()
        self.marked = NEVER
        self.weight = _OVERHEAD

    def lose(self) -> bytes:
        """Forget the oldest message, and the mark with it, if it was not handed over; return it."""
        number, message = self.messages.popleft()
        if number > self.marked:
            self.marked = NEVER
        return message


class _Owner:
    __slots__ = ("sessions", "weight")

    def __init__(self) -> None:
        self.sessions: OrderedDict[str, None] = OrderedDict()  # the one that was quiet longest comes first
        self.weight = 0


class _Session:
    __slots__ = ("last", "owner", "streams", "touched", "weight")

    def __init__(self, last: int) -> None:
        self.owner = ""
        self.streams: dict[str, _Stream] = {}
        self.last = last
        self.touched = 0.0
        self.weight = _OVERHEAD


class MemoryEvents:
    """The `Events` port in memory.

    Args:
        clock: Seconds.
        idle: Seconds after which a session's messages are forgotten when nothing was appended or marked.
        max_bytes: The most that all messages may take. Beyond it a session that holds an eighth forgets its own oldest;
            else the session that was quiet longest is forgotten, among those of an owner that holds a quarter, or all.
    """

    def __init__(self, clock: Callable[[], float], *, idle: float, max_bytes: int) -> None:
        self._clock = clock
        self._idle = idle
        self._max_bytes = max_bytes
        self._weight = 0
        self._floor = 0
        self._owners: dict[str, _Owner] = {}
        self._sessions: OrderedDict[str, _Session] = OrderedDict()  # the one that was quiet longest comes first
        self._begun: set[tuple[str, str]] = set()
        self._ended: OrderedDict[tuple[str, str], float] = OrderedDict()  # until when; the first comes first

    def __repr__(self) -> str:
        return f"<MemoryEvents {len(self._sessions)} sessions, {self._weight} of {self._max_bytes} bytes>"

    async def begin(self, session: str, stream: str) -> None:
        """Note that this process has more to say on a stream."""
        self._begun.add((session, stream))

    async def end(self, session: str, stream: str) -> None:
        """Note that nothing more comes on a stream, and forget it in a while."""
        self._expire()
        self._begun.discard((session, stream))
        kept = self._sessions.get(session)
        if kept is not None and stream in kept.streams and (session, stream) not in self._ended:
            self._ended[session, stream] = self._clock() + LINGER
            self._weigh(kept, kept.streams[stream], 2 * _OVERHEAD)
            self._make_room(session, kept, kept.streams[stream])

    async def fed(self, session: str, stream: str) -> bool:
        """Tell whether more may come on a stream."""
        return (session, stream) in self._begun

    async def append(self, session: str, stream: str, message: bytes, owner: str = "") -> int:
        """Store a message at the end of a stream; return its sequence number (from 1)."""
        kept = self._use(session)
        self._give(session, kept, owner)
        target = self._stream(kept, stream)
        kept.last += 1
        target.messages.append((kept.last, message))
        self._weigh(kept, target, len(message) + _OVERHEAD)
        self._make_room(session, kept, target)
        return kept.last

    async def after(self, session: str, stream: str, sequence: int) -> list[tuple[int, bytes]]:
        """Return the messages of a stream that come after a sequence number, in order."""
        self._expire()
        kept = self._sessions.get(session)
        target = None if kept is None else kept.streams.get(stream)
        if target is None:
            return []
        return list(dropwhile(lambda entry: entry[0] <= sequence, target.messages))

    async def mark(self, session: str, stream: str, sequence: int, keep: int | None = None) -> None:
        """Note that everything up to a sequence number was handed over. A mark never goes back."""
        kept = self._use(session)
        target = self._stream(kept, stream)
        target.marked = max(target.marked, sequence)
        while keep is not None and len(target.messages) > keep and target.messages[keep][0] <= target.marked:
            self._weigh(kept, target, -len(target.lose()) - _OVERHEAD)

    async def marked(self, session: str, stream: str) -> int | None:
        """Return the sequence number last marked; None when none was, or what was not handed over is lost."""
        self._expire()
        kept = self._sessions.get(session)
        target = None if kept is None else kept.streams.get(stream)
        return None if target is None or target.marked == NEVER else target.marked

    async def forget(self, session: str, stream: str | None = None) -> None:
        """Drop a stream of a session; or all of them and their numbering, for a session that is over."""
        if stream is None:
            self._drop(session)
            self._begun = {begun for begun in self._begun if begun[0] != session}
        else:
            self._forget(session, stream)

    def _forget(self, session: str, stream: str) -> None:
        self._ended.pop((session, stream), None)
        kept = self._sessions.get(session)
        target = None if kept is None else kept.streams.pop(stream, None)
        if kept is not None and target is not None:
            self._add(kept, -target.weight)

    def _use(self, session: str) -> _Session:
        self._expire()
        kept = self._sessions.get(session)
        if kept is None:
            kept = self._sessions[session] = _Session(self._floor)
            self._weight += kept.weight
        self._sessions.move_to_end(session)
        if kept.owner:
            self._owners[kept.owner].sessions.move_to_end(session)
        kept.touched = self._clock()
        return kept

    def _stream(self, kept: _Session, stream: str) -> _Stream:
        target = kept.streams.get(stream)
        if target is None:
            target = kept.streams[stream] = _Stream()
            self._add(kept, target.weight)
        return target

    def _weigh(self, kept: _Session, target: _Stream, change: int) -> None:
        target.weight += change
        self._add(kept, change)

    def _add(self, kept: _Session, change: int) -> None:
        kept.weight += change
        self._weight += change
        if kept.owner:
            self._owners[kept.owner].weight += change

    def _give(self, session: str, kept: _Session, owner: str) -> None:
        """Count a session to an owner."""
        if owner == kept.owner:
            return
        self._take(session, kept)
        kept.owner = owner
        if owner:
            held = self._owners.setdefault(owner, _Owner())
            held.sessions[session] = None
            held.weight += kept.weight

    def _take(self, session: str, kept: _Session) -> None:
        held = self._owners.get(kept.owner)
        if held is not None:
            held.weight -= kept.weight
            del held.sessions[session]
            if not held.sessions:
                del self._owners[kept.owner]

    def _make_room(self, session: str, kept: _Session, target: _Stream) -> None:
        while self._weight > self._max_bytes and self._lighten(session, kept, target):
            pass

    def _lighten(self, session: str, kept: _Session, target: _Stream) -> bool:
        """Forget something in favour of what was just put into `target` of `kept`; tell whether there was anything."""
        if kept.weight > self._max_bytes // SESSION_SHARES:
            name, stream = _giver(kept, target)
            if len(stream.messages) > (stream is target):
                self._weigh(kept, stream, -len(stream.lose()) - _OVERHEAD)
                return True
            if stream is not target:
                self._forget(session, name)
                return True
        oldest = self._quietest(kept)
        if oldest is None:
            return False
        self._drop(oldest, numbered=True)
        return True

    def _quietest(self, kept: _Session) -> str | None:
        """Return the session that was quiet longest: of whoever has more than a share, else of all; never `kept`."""
        heaviest = max(self._owners.values(), key=lambda owner: owner.weight, default=None)
        if heaviest is not None and heaviest.weight > self._max_bytes // SHARES:
            for session in heaviest.sessions:
                if self._sessions[session] is not kept:
                    return session
        return next((session for session, other in self._sessions.items() if other is not kept), None)

    def _drop(self, session: str, *, numbered: bool = False) -> None:
        """Forget a session's messages; `numbered`, when it may live on and none of its numbers may come again."""
        kept = self._sessions.pop(session, None)
        if kept is not None:
            self._weight -= kept.weight
            self._take(session, kept)
            for stream in kept.streams:
                self._ended.pop((session, stream), None)
            if numbered:
                self._floor = max(self._floor, kept.last)

    def _expire(self) -> None:
        now = self._clock()
        while self._ended:
            (session, stream), until = next(iter(self._ended.items()))
            if until > now:
                break
            self._forget(session, stream)
        before = now - self._idle
        while self._sessions:
            oldest = next(iter(self._sessions))
            if self._sessions[oldest].touched > before:
                return
            self._drop(oldest, numbered=True)


def _giver(kept: _Session, target: _Stream) -> tuple[str, _Stream]:
    """Return the stream, with its name unless it is `target`, that makes room for what was put into `target`."""
    if target.weight > kept.weight * MOST_OF_SESSION:
        return "", target
    return next((each for each in kept.streams.items() if each[1] is not target), ("", target))
