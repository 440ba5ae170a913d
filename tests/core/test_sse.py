"""Server-sent events: any split reads the same, no payload writes a line of its own, a huge event harms nobody else."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.core.sse import KEEP_ALIVE, Event, Parser, event_bytes
from dovetail.errors import LimitExceeded
from tests import pace

# The examples of WHATWG HTML 9.2.6, and the corners of its grammar.
STREAMS: dict[str, tuple[bytes, list[Event]]] = {
    "two lines join": (b"data: YHOO\ndata: +2\ndata: 10\n\n", [Event("YHOO\n+2\n10")]),
    "comment, id, reset id, leading space": (
        b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
        [Event("first event", id="1"), Event("second event"), Event(" third event")],
    ),
    "empty data, two empty lines, unfinished": (b"data\n\ndata\ndata\n\ndata:", [Event(""), Event("\n")]),
    "optional space": (b"data:test\n\ndata: test\n\n", [Event("test"), Event("test")]),
    "CRLF": (b"event: a\r\ndata: 1\r\n\r\ndata: 2\r\n\r\n", [Event("1", "a"), Event("2")]),
    "CR": (b"event: a\rdata: 1\r\rdata: 2\r\r", [Event("1", "a"), Event("2")]),
    "mixed line ends": (b"data: 1\rdata: 2\ndata: 3\r\n\rdata: 4\n\r\n", [Event("1\n2\n3"), Event("4")]),
    "CR LF is one line end, CR CR LF two": (b"data: 1\r\ndata: 2\r\r\n", [Event("1\n2")]),
    "byte order mark": (b"\xef\xbb\xbfdata: 1\n\n", [Event("1")]),
    "only one byte order mark is dropped": (b"\xef\xbb\xbf\xef\xbb\xbfdata: 1\n\ndata: 2\n\n", [Event("2")]),
    "half a byte order mark": (b"\xef\xbbdata: 1\n\ndata: 2\n\n", [Event("2")]),
    "comments anywhere": (b":\n\n:a: b\ndata: 1\n:\ndata: 2\n\n:\r\n", [Event("1\n2")]),
    "unknown fields": (b"foo: 1\ndata: 1\nDATA: 2\n data: 3\ndata : 4\n\n", [Event("1")]),
    "colons in a value": (b"data:a:b: c\n\n", [Event("a:b: c")]),
    "only one space is dropped": (b"data:   a \n\n", [Event("  a ")]),
    "an id stays": (b"id: 7\ndata: 1\n\ndata: 2\n\n", [Event("1", id="7"), Event("2", id="7")]),
    "an id without data is kept": (b"id: 7\n\ndata: 2\n\n", [Event("2", id="7")]),
    "an id with NUL is ignored": (b"id: 7\nid: 8\x00\ndata: 1\n\n", [Event("1", id="7")]),
    "a type without data is dropped": (b"event: x\n\ndata: 1\n\n", [Event("1")]),
    "the last type wins, an empty one is none": (b"event: x\nevent\ndata: 1\n\n", [Event("1")]),
    "priming": (b"id: p\nretry: 250\ndata: \n\n", [Event("", id="p", retry=250)]),
    "retry that is no number": (b"retry: 1e3\nretry: -1\nretry: \nretry: \xd9\xa1\ndata: 1\n\n", [Event("1")]),
    "U+2028 and U+0085 break no line": (
        "data: a\u2028b\x85c\x0bd\x0ce\n\n".encode(),
        [Event("a\u2028b\x85c\x0bd\x0ce")],
    ),
    "bad UTF-8 is replaced": (b"data: \xff\n\n", [Event("\ufffd")]),
    "a character split between lines": (b"data: \xe2\x82\ndata: \xac\n\n", [Event("\ufffd\n\ufffd")]),
    "nothing": (b"", []),
    "only blank lines": (b"\n\r\r\n\n", []),
}


def fed(pieces: list[bytes], limit: int = 1 << 20) -> list[Event]:
    parser = Parser(limit)
    return [event for piece in pieces for event in parser.feed(piece)]


@pytest.mark.req("W-08")
@pytest.mark.parametrize(("stream", "events"), STREAMS.values(), ids=STREAMS.keys())
def test_a_stream_reads_as_the_standard_says(stream: bytes, events: list[Event]) -> None:
    assert fed([stream]) == events


@pytest.mark.req("W-08")
@pytest.mark.parametrize(("stream", "events"), STREAMS.values(), ids=STREAMS.keys())
def test_a_stream_reads_alike_wherever_it_is_split(stream: bytes, events: list[Event]) -> None:
    for cut in range(len(stream) + 1):
        assert fed([stream[:cut], stream[cut:]]) == events
    assert fed([stream[n : n + 1] for n in range(len(stream))]) == events
    assert fed([piece for n in range(len(stream)) for piece in (stream[n : n + 1], b"")]) == events


sse_bytes = st.lists(
    st.sampled_from(
        [b"\r", b"\n", b"\r\n", b":", b" ", b"data", b"id", b"event", b"retry", b"1", b"x", b"\x00", b"\xef\xbb\xbf"]
    )
    | st.sampled_from([b"data: a\n", b"id: 1\n", b"\n\n", b"\xe2", b"\x80\xa8", b"\xc3\xa9"]),
    max_size=40,
).map(b"".join)


@pytest.mark.req("W-08")
@given(sse_bytes, st.lists(st.integers(0, 200)), st.integers(4, 60))
def test_pieces_of_any_size_give_the_events_and_refusals_of_the_whole(
    stream: bytes, cuts: list[int], limit: int
) -> None:
    def run(pieces: list[bytes]) -> tuple[list[Event], int, str, int | None]:
        parser, events, refusals = Parser(limit), list[Event](), 0
        for piece in pieces:
            try:
                events += parser.feed(piece)
            except LimitExceeded:
                refusals += 1
                events += parser.feed(b"")
        return events, refusals, parser.last_event_id, parser.retry

    places = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    pieces = [stream[a:b] for a, b in pairwise(places)]
    events, refusals, last, retry = run(pieces)
    whole_events, whole_refusals, *rest = run([stream])
    assert (events, [last, retry]) == (whole_events, rest)
    assert (refusals > 0) == (whole_refusals > 0)  # two refusals in one piece are raised once


payloads = st.binary(max_size=60) | st.text(alphabet="\r\n\u2028\u0085:dat id\x00\ufeffé", max_size=40).map(str.encode)
names = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), min_size=1, max_size=20)


@pytest.mark.req("W-08")
@given(payloads, st.none() | names, st.none() | names, st.none() | st.integers(0, 10**9))
def test_no_payload_writes_a_line_or_a_field_of_its_own(
    data: bytes, id: str | None, kind: str | None, retry: int | None
) -> None:
    written = event_bytes(data, id=id, event=kind, retry=retry)
    expected = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").decode("utf-8", "replace")
    before = event_bytes(b"before")
    after = event_bytes(b"after", id="z")
    assert fed([before + written + KEEP_ALIVE + after]) == [
        Event("before"),
        Event(expected, kind, id, retry),
        Event("after", id="z"),
    ]
    assert b"\r" not in written
    lines = written.split(b"\n")
    assert lines[-2:] == [b"", b""]
    assert all(line.startswith((b"data: ", b"id: ", b"event: ", b"retry: ")) for line in lines[:-2])
    assert sum(not line.startswith(b"data: ") for line in lines[:-2]) == sum(x is not None for x in (id, kind, retry))


def test_an_event_is_written_as_clients_expect_it() -> None:
    assert event_bytes(b'{"a":1}') == b'data: {"a":1}\n\n'
    assert event_bytes(b"", id="s:1", retry=1000) == b"id: s:1\nretry: 1000\ndata: \n\n"
    assert event_bytes(b"/messages?x=1", event="endpoint") == b"event: endpoint\ndata: /messages?x=1\n\n"
    assert fed([KEEP_ALIVE * 3]) == []


@pytest.mark.req("W-08")
@pytest.mark.parametrize("bad", ["a\nb", "a\rb", "a\r\nb", "a\0b", "\n", "x\n\ndata: injected"])
def test_an_id_or_type_with_a_line_break_is_refused_by_the_writer(bad: str) -> None:
    with pytest.raises(ValueError, match="line break"):
        event_bytes(b"x", id=bad)
    with pytest.raises(ValueError, match="line break"):
        event_bytes(b"x", event=bad)


def test_a_negative_retry_is_refused_by_the_writer() -> None:
    with pytest.raises(ValueError, match="milliseconds"):
        event_bytes(b"x", retry=-1)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_an_event_at_the_limit_passes_and_one_byte_more_is_refused_and_skipped(size: int) -> None:
    limit = 100
    fits = b"data: " + b"x" * (limit - 6) + b"\n\n"
    over = b"id: 9\ndata: " + b"x" * (limit - 10) + b"\nevent: x\n\n"
    parser = Parser(limit)
    stream = fits + over + fits
    events: list[Event] = []
    refusals = 0
    for n in range(0, len(stream), size):
        try:
            events += parser.feed(stream[n : n + size])
        except LimitExceeded as error:
            refusals += 1
            assert error.limit == "line"
    events += parser.feed(b"")
    assert refusals == 1
    assert [event.data for event in events] == ["x" * (limit - 6)] * 2
    assert parser.last_event_id == "9"


def test_events_around_one_that_is_too_large_are_not_lost() -> None:
    parser = Parser(20)
    with pytest.raises(LimitExceeded):
        parser.feed(b"data: 1\n\ndata: " + b"x" * 50 + b"\n\ndata: 2\n\n")
    assert parser.feed(b"data: 3\n\n") == [Event("1"), Event("2"), Event("3")]


def test_many_small_lines_are_one_large_event() -> None:
    parser = Parser(1000)
    with pytest.raises(LimitExceeded):
        parser.feed(b"data:\n" * 300)
    assert parser.feed(b"data: rest\n\ndata: next\n\n") == [Event("next")]


def test_keep_alives_never_add_up_to_an_event_that_is_too_large() -> None:
    parser = Parser(100)
    for _ in range(1000):
        assert parser.feed(b":\n") == []
    assert parser.feed(b"data: 1\n\n") == [Event("1")]


def test_a_line_without_end_is_held_no_longer_than_the_limit() -> None:
    parser = Parser(1000)
    with pytest.raises(LimitExceeded):
        parser.feed(b"data: " + b"x" * 2000)
    for _ in range(1000):
        assert parser.feed(b"x" * 1000) == []
    assert len(parser._line) <= 1000
    assert parser.feed(b"\n\ndata: 1\n\n") == [Event("1")]


def test_a_large_event_in_small_pieces_takes_linear_time() -> None:
    def reading(pieces: int) -> Callable[[], None]:
        def read() -> None:
            parser = Parser()
            for piece in [b"data: ", *[b"x" * 100] * pieces]:
                parser.feed(piece)
            (event,) = parser.feed(b"\n\n")
            assert len(event.data) == 100 * pieces

        return read

    assert pace.growth(reading, 40_000) < 3


def test_the_state_of_a_parser_can_be_read() -> None:
    parser = Parser(50)
    parser.feed(b"id: 4\nretry: 10\n\ndata: a\nda")
    assert repr(parser) == "<Parser 9 bytes waiting, last_event_id='4', retry=10>"
    with pytest.raises(LimitExceeded):
        parser.feed(b"x" * 100)
    assert repr(parser) == "<Parser skipping, last_event_id='4', retry=10>"
