"""Resumable streams' messages in memory: the `Events` port without a disk.

Invariants: sequence numbers grow within a session and are never given twice while it lives, also when its messages were
forgotten: numbering begins above all that was. A stream holds a bounded number of messages and all sessions together a
bounded number of bytes; what goes first is the oldest, which is what was handed over first, of the session that wants
more if that one has more than its share. Nothing here is shared between processes.
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from itertools import dropwhile

_SHARES = 8
"""A session that holds more than such a part of all bytes makes room for its own messages."""
_OVERHEAD = 128
"""Bytes counted for a message or a stream besides its payload."""


class _Stream:
    __slots__ = ("marked", "messages", "weight")

    def __init__(self) -> None:
        self.messages: deque[tuple[int, bytes]] = deque()
        self.marked = 0
        self.weight = _OVERHEAD


class _Session:
    __slots__ = ("last", "streams", "touched", "weight")

    def __init__(self, last: int) -> None:
        self.streams: dict[str, _Stream] = {}
        self.last = last
        self.touched = 0.0
        self.weight = _OVERHEAD


class MemoryEvents:
    """The `Events` port in memory.

    Args:
        clock: Seconds.
        per_stream: Messages kept of one stream; the oldest goes first, and that is one that was marked if any was.
        idle: Seconds after which a session's messages are forgotten when nothing was appended or marked.
        max_bytes: The most that all messages may take. Beyond it a session that holds an eighth forgets its own oldest,
            else the session that was quiet longest is forgotten.
    """

    def __init__(self, clock: Callable[[], float], *, per_stream: int, idle: float, max_bytes: int) -> None:
        self._clock = clock
        self._per_stream = per_stream
        self._idle = idle
        self._max_bytes = max_bytes
        self._weight = 0
        self._floor = 0
        self._sessions: OrderedDict[str, _Session] = OrderedDict()  # the one that was quiet longest comes first

    def __repr__(self) -> str:
        return f"<MemoryEvents {len(self._sessions)} sessions, {self._weight} of {self._max_bytes} bytes>"

    async def append(self, session: str, stream: str, message: bytes) -> int:
        """Store a message at the end of a stream; return its sequence number (from 1)."""
        kept = self._use(session)
        target = self._stream(kept, stream)
        kept.last += 1
        target.messages.append((kept.last, message))
        self._weigh(kept, target, len(message) + _OVERHEAD)
        while len(target.messages) > self._per_stream:
            _, oldest = target.messages.popleft()
            self._weigh(kept, target, -len(oldest) - _OVERHEAD)
        while self._weight > self._max_bytes and self._lighten(kept, target):
            pass
        return kept.last

    async def after(self, session: str, stream: str, sequence: int) -> list[tuple[int, bytes]]:
        """Return the messages of a stream that come after a sequence number, in order."""
        self._expire()
        kept = self._sessions.get(session)
        target = None if kept is None else kept.streams.get(stream)
        if target is None:
            return []
        return list(dropwhile(lambda entry: entry[0] <= sequence, target.messages))

    async def mark(self, session: str, stream: str, sequence: int) -> None:
        """Note that everything up to a sequence number was handed over. A mark never goes back."""
        target = self._stream(self._use(session), stream)
        target.marked = max(target.marked, sequence)

    async def marked(self, session: str, stream: str) -> int:
        """Return the sequence number last marked; 0 when none was."""
        self._expire()
        kept = self._sessions.get(session)
        target = None if kept is None else kept.streams.get(stream)
        return 0 if target is None else target.marked

    async def forget(self, session: str, stream: str | None = None) -> None:
        """Drop a stream of a session; or all of them and their numbering, for a session that is over."""
        if stream is None:
            self._drop(session)
            return
        kept = self._sessions.get(session)
        target = None if kept is None else kept.streams.get(stream)
        if kept is not None and target is not None:
            self._weigh(kept, target, -target.weight)
            del kept.streams[stream]

    def _use(self, session: str) -> _Session:
        self._expire()
        kept = self._sessions.get(session)
        if kept is None:
            kept = self._sessions[session] = _Session(self._floor)
            self._weight += kept.weight
        self._sessions.move_to_end(session)
        kept.touched = self._clock()
        return kept

    def _stream(self, kept: _Session, stream: str) -> _Stream:
        target = kept.streams.get(stream)
        if target is None:
            target = kept.streams[stream] = _Stream()
            kept.weight += target.weight
            self._weight += target.weight
        return target

    def _weigh(self, kept: _Session, target: _Stream, change: int) -> None:
        target.weight += change
        kept.weight += change
        self._weight += change

    def _lighten(self, kept: _Session, target: _Stream) -> bool:
        """Forget something in favour of what was just put into `target` of `kept`; tell whether there was anything."""
        if kept.weight > self._max_bytes // _SHARES:
            name, stream = next((each for each in kept.streams.items() if each[1] is not target), ("", target))
            if len(stream.messages) > (stream is target):
                _, message = stream.messages.popleft()
                self._weigh(kept, stream, -len(message) - _OVERHEAD)
                return True
            if stream is not target:
                self._weigh(kept, stream, -stream.weight)
                del kept.streams[name]
                return True
        oldest = next(iter(self._sessions))
        if self._sessions[oldest] is kept:
            return False
        self._drop(oldest, numbered=True)
        return True

    def _drop(self, session: str, *, numbered: bool = False) -> None:
        """Forget a session's messages; `numbered`, when it may live on and none of its numbers may come again."""
        kept = self._sessions.pop(session, None)
        if kept is not None:
            self._weight -= kept.weight
            if numbered:
                self._floor = max(self._floor, kept.last)

    def _expire(self) -> None:
        before = self._clock() - self._idle
        while self._sessions:
            oldest = next(iter(self._sessions))
            if self._sessions[oldest].touched > before:
                return
            self._drop(oldest, numbered=True)
