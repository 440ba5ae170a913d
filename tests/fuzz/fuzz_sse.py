"""Fuzz target: the event parser takes any bytes; a payload that was written comes back as it was."""

from dovetail.core.sse import Event, Parser, event_bytes
from dovetail.errors import LimitExceeded


def _read(pieces: list[bytes]) -> list[Event]:
    parser = Parser(64)
    events: list[Event] = []
    for piece in pieces:
        try:
            events += parser.feed(piece)
        except LimitExceeded:
            events += parser.feed(b"")
    return events


def fuzz(data: bytes) -> None:
    assert _read([data]) == _read([data[n : n + 1] for n in range(len(data))])
    (event,) = Parser().feed(event_bytes(data))
    assert event.data == data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").decode("utf-8", "replace")
