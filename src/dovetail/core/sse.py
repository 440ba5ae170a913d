"""Server-sent events: bytes to events and back (WHATWG HTML, section 9.2, "Server-sent events").

The writer puts a payload into `data:` lines and nowhere else: whatever the payload holds, it can open no line, no field
and no event of its own (W-08). `id:` and `event:` come from the caller, who is refused a line break in them.

The parser is incremental: feed it the stream in pieces of any size, and the events are those of the stream in one
piece. It buffers at most one event, of at most `max_event_bytes`; a larger one is refused and skipped, and the stream
goes on.
"""

from typing import Final

import msgspec

from dovetail.errors import LimitExceeded
from dovetail.wire import DEFAULT_LIMITS

KEEP_ALIVE: Final = b":\n\n"
"""A comment, which every client ignores: keeps intermediaries and idle timeouts from closing a quiet stream."""

_MARK: Final = b"\xef\xbb\xbf"
_DIGITS: Final = frozenset("0123456789")


class Event(msgspec.Struct, frozen=True):
    """One event as a client sees it.

    Attributes:
        data: The payload; lines are joined with a line feed. Empty in a priming event (2025-11-25, Streamable HTTP).
        event: The event's type, or None for a plain message.
        id: The last event id of the stream at this event, set here or before; None when there is none.
        retry: Milliseconds to wait before reconnecting, when this event says so.
    """

    data: str
    event: str | None = None
    id: str | None = None
    retry: int | None = None


def event_bytes(data: bytes, id: str | None = None, retry: int | None = None, event: str | None = None) -> bytes:
    """Write one event.

    Args:
        data: The payload, UTF-8. A line break in it (CR, LF, CRLF) becomes the next `data:` line, and arrives as a LF.
        id: The event id, for resumption.
        retry: Milliseconds to wait before reconnecting.
        event: The event's type.

    Raises:
        ValueError: A line break or NUL in `id` or `event`, or a negative `retry`: our mistake, never a peer's.
    """
    if b"\n" in data or b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\ndata: ")
    if id is None and retry is None and event is None:
        return b"data: %b\n\n" % data
    head = b""
    if id is not None:
        head = b"id: %b\n" % _field(id)
    if event is not None:
        head += b"event: %b\n" % _field(event)
    if retry is not None:
        if retry < 0:
            raise ValueError("retry is a number of milliseconds")
        head += b"retry: %d\n" % retry
    return b"%bdata: %b\n\n" % (head, data)


def _field(value: str) -> bytes:
    if "\n" in value or "\r" in value or "\0" in value:
        raise ValueError("an event's id and type hold no line break and no NUL")
    return value.encode()


class Parser:
    """The receiving end of one event stream.

    Attributes:
        last_event_id: What to resume from, once the connection breaks; "" when the server never said.
        retry: Milliseconds to wait before reconnecting, as last said by the server; None when never.
    """

    def __init__(self, max_event_bytes: int = DEFAULT_LIMITS.line) -> None:
        self._max = max_event_bytes
        self.last_event_id = ""
        self.retry: int | None = None
        self._opening: bytes | None = b""  # the first bytes, until it is clear whether they are a byte order mark
        self._after_cr = False
        self._line = bytearray()  # the line that is not finished
        self._ready: list[Event] = []
        self._skipping = False
        self._id = ""
        self._data: list[str] = []
        self._retry: int | None = None
        self._clear()

    def __repr__(self) -> str:
        state = "skipping" if self._skipping else f"{self._size + len(self._line)} bytes waiting"
        return f"<Parser {state}, last_event_id={self.last_event_id[:64]!r}, retry={self.retry}>"

    def feed(self, data: bytes) -> list[Event]:
        """Take the next bytes of the stream; return the events that they complete.

        At the end of the stream, drop the parser: an event that was not finished is no event.

        Raises:
            LimitExceeded: An event is larger than `max_event_bytes`. It is skipped; the parser goes on. Events around
                it are not lost: the next call returns them, and `feed(b"")` returns them at once.
        """
        refused = False
        lines = self._split(data)
        for line in lines[:-1]:
            refused = self._take(self._line + line if self._line else line) or refused
            self._line.clear()
        if lines:
            refused = self._hold(lines[-1]) or refused
        if refused:
            raise LimitExceeded(f"An event is larger than {self._max} bytes", limit="line")
        ready, self._ready = self._ready, []
        return ready

    def _split(self, data: bytes) -> list[bytes]:
        """Cut into lines; the last is unfinished. A CR ends its line at once, and takes a LF that follows along."""
        if self._opening is not None:
            data = self._opening + data
            if len(data) < len(_MARK) and _MARK.startswith(data):
                self._opening = data
                return []
            self._opening = None
            data = data.removeprefix(_MARK)
        if self._after_cr and data:
            data = data.removeprefix(b"\n")
            self._after_cr = False
        if b"\r" in data:
            self._after_cr = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return data.split(b"\n")

    def _hold(self, rest: bytes) -> bool:
        """Keep the start of a line; of a line that is skipped, only that it is not empty. True when refused."""
        if not self._skipping:
            self._line += rest
            if self._size + len(self._line) <= self._max:
                return False
            self._skip()
            self._line[:] = b"."
            return True
        if rest:
            self._line[:] = b"."
        return False

    def _take(self, line: bytes | bytearray) -> bool:
        """Take a whole line. True when the event became too large by it."""
        if not line:
            self._dispatch()
            return False
        if self._skipping:
            return False
        if self._size + len(line) > self._max:
            self._skip()
            return True
        if line[0] != 0x3A:  # a comment; keep-alives never add up to an event that is too large
            self._size += len(line)
            name, _, value = line.decode("utf-8", "replace").partition(":")
            self._set(name, value.removeprefix(" "))
        return False

    def _set(self, name: str, value: str) -> None:
        # "If the field name is [...] event / data / id / retry / Otherwise: The field is ignored." (9.2.6)
        match name:
            case "data":
                self._data.append(value)
            case "event":
                self._event = value
            case "id" if "\0" not in value:
                self._id = value
            case "retry" if value and _DIGITS.issuperset(value) and len(value) <= 18:
                self._retry = self.retry = int(value)

    def _dispatch(self) -> None:
        # "Set the last event ID string of the event source to the value of the last event ID buffer": without data too.
        self.last_event_id = self._id
        # "If the data buffer is an empty string, set the data buffer and the event type buffer to the empty string and
        # return." A `data:` line without a value is not that: it makes an event whose data is empty.
        if self._data and not self._skipping:
            event = Event("\n".join(self._data), self._event or None, self._id or None, self._retry)
            self._ready.append(event)
        self._skipping = False
        self._clear()

    def _skip(self) -> None:
        self._clear()
        self._skipping = True

    def _clear(self) -> None:
        self._size = 0
        self._data = []
        self._event = ""
        self._retry = None
