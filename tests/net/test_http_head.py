"""Heads and bodies as bytes: split anywhere, compared with another parser, and never an exception but our own."""

from typing import Any

import httptools
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dovetail.net.http_body import ChunkedBody, LengthBody
from dovetail.net.http_head import BadRequest, PartialHead, read_head
from dovetail.wire import Limits

LIMITS = Limits()
GOOD = (
    b"POST /mcp?a=%20b HTTP/1.1\r\nHost: localhost:8000\r\nAccept: application/json, text/event-stream\r\n"
    b"Content-Type:application/json\r\nX-Empty:\r\nMcp-Name: \t add \t\r\nContent-Length: 0\r\n\r\n"
)


def whole(data: bytes, limits: Limits = LIMITS) -> Any:
    end = data.find(b"\r\n\r\n")
    return read_head(data[:end], limits)


def test_a_head_is_read() -> None:
    head = whole(GOOD)
    assert head.start == ("POST", "/mcp", b"/mcp", b"a=%20b", False)
    assert head.headers[0] == (b"host", b"localhost:8000") and head.headers[3] == (b"x-empty", b"")
    assert head.fields[b"mcp-name"] == b"add"
    assert (head.length, head.keep_alive, head.awaits_continue) == (0, True, False)


@pytest.mark.parametrize(
    ("target", "path", "raw"),
    [(b"/a%20b", "/a b", b"/a%20b"), (b"/%C3%A9", "/é", b"/%C3%A9"), (b"/a//b/../c", "/a//b/../c", b"/a//b/../c")],
)
def test_a_path_is_decoded_once_and_not_tidied(target: bytes, path: str, raw: bytes) -> None:
    start = whole(b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n").start
    assert start[1:3] == (path, raw)


@pytest.mark.req("S-07")
@pytest.mark.parametrize("at", range(1, len(GOOD)))
def test_a_head_may_be_split_at_any_byte(at: int) -> None:
    partial = PartialHead(LIMITS)
    assert partial.feed(GOOD[:at]) == -1
    assert partial.feed(GOOD[at:]) == len(GOOD) - 4


@pytest.mark.req("S-07")
def test_a_head_may_come_byte_by_byte_with_its_limits_in_force() -> None:
    limits = Limits(header_block=100, header_count=3)
    partial = PartialHead(limits)
    start = b"GET / HTTP/1.1\r\n"
    for byte in start + b"A: " + b"b" * 98:
        assert partial.feed(bytes([byte])) == -1
    with pytest.raises(BadRequest, match="3 header fields in 100 bytes"):
        partial.feed(b"b")
    partial = PartialHead(limits)
    for byte in start + b"A:\r\n" * 3:
        assert partial.feed(bytes([byte])) == -1
    with pytest.raises(BadRequest):
        for byte in b"A:\r\n":
            partial.feed(bytes([byte]))


@pytest.mark.req("S-07")
@pytest.mark.parametrize("bad", [b"GET / HTTP/1.1\n", b"GET / HTTP/1.1\r\nA: b\rc", b"\x00", b"GET /\r\n", b"\r\n"])
def test_a_head_that_can_no_longer_be_good_is_refused_at_once(bad: bytes) -> None:
    with pytest.raises(BadRequest):
        PartialHead(LIMITS).feed(bad)
    partial = PartialHead(LIMITS)
    with pytest.raises(BadRequest):
        for byte in bad:
            partial.feed(bytes([byte]))


def test_secrets_are_not_remembered() -> None:
    from dovetail.net import http_head

    lines = b"Authorization: Bearer canary\r\nCookie: canary\r\nX-Api-Key: canary\r\nMcp-Session-Id: canary\r\n"
    whole(b"GET /?token=canary HTTP/1.1\r\nHost: a\r\n" + lines + b"\r\n")
    assert not [line for line in (*http_head._lines, *http_head._starts) if b"canary" in line]


def test_what_is_remembered_is_bounded() -> None:
    from dovetail.net import http_head

    for number in range(5000):
        data = b"GET /%d HTTP/1.1\r\nHost: h%d\r\nUser-Agent: %d\r\nX-%d: 1\r\n\r\n" % ((number,) * 4)
        assert whole(data).fields[b"x-%d" % number] == b"1"
    for memory in (http_head._lines, http_head._starts, http_head._names, http_head._hosts):
        assert len(memory) <= 1024


def test_what_is_remembered_lets_nothing_pass_that_is_not_legal() -> None:
    for _ in range(2):
        for bad in (b"Ho st: a", b"Host : a", b"Host", b": a", b"Host: a b", b"Host: a\x00"):
            with pytest.raises(BadRequest):
                whole(b"GET / HTTP/1.1\r\n" + bad + b"\r\n\r\n")


class Other:
    """What llhttp, strict, makes of the same bytes."""

    def __init__(self, data: bytes) -> None:
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.complete = 0
        self.parser = httptools.HttpRequestParser(self)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.complete += 1

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value.strip(b" \t")))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete += 1


pieces = st.sampled_from(
    [
        b"GET / HTTP/1.1",
        b"POST /mcp HTTP/1.1",
        b"\r\n",
        b"\n",
        b"\r",
        b" ",
        b"\t",
        b":",
        b"Host: a",
        b"Host",
        b"a: b",
        b"Content-Length: 0",
        b"Transfer-Encoding: chunked",
        b"Connection: close",
        b"x",
        b"\x00",
        b"\xff",
        b",",
        b"X-A: \tb ",
    ]
)
heads = st.one_of(
    st.lists(pieces, max_size=12).map(b"".join),
    st.tuples(st.lists(pieces, max_size=4), st.lists(pieces, max_size=6)).map(
        lambda parts: b"POST /mcp HTTP/1.1\r\nHost: a\r\n" + b"".join(parts[0]) + b"\r\n" + b"".join(parts[1])
    ),
    st.binary(max_size=200),
)


@pytest.mark.req("S-07", "R-23")
@given(heads)
@example(GOOD[:-4])
@example(b"GET / HTTP/1.1\r\nHost: a\r\nX: \x80\xff")
def test_what_is_accepted_another_strict_parser_reads_alike(data: bytes) -> None:
    end = data.find(b"\r\n\r\n")
    data = data if end < 0 else data[:end]
    try:
        head = read_head(data, LIMITS)
    except BadRequest:
        return
    ending = b"\r\n\r\n" + (b"0\r\n\r\n" if head.length < 0 else b"x" * head.length)
    try:
        other = Other(data + ending)
    except httptools.HttpParserInvalidMethodError:
        return  # it knows a list of methods; we leave what a method means to the application
    assert other.complete == 1
    assert other.headers == head.headers
    assert other.url.partition(b"?")[0] == head.start[2]
    assert other.parser.get_method().decode() == head.start[0]


@given(heads, st.lists(st.integers(0, 200), max_size=4))
def test_a_head_in_pieces_is_refused_or_found_where_it_is(data: bytes, cuts: list[int]) -> None:
    places = sorted({cut for cut in cuts if cut < len(data)})
    partial = PartialHead(LIMITS)
    for start, end in zip([0, *places], [*places, len(data)], strict=True):
        try:
            found = partial.feed(data[start:end])
        except BadRequest:
            return
        if found >= 0:
            assert partial.data.find(b"\r\n\r\n") == found
            return
    assert b"\r\n\r\n" not in data


CHUNKED = b"3;x=y\r\nabc\r\n0A\r\n0123456789\r\n00\r\nX-Sum: 1\r\n\r\nGET"


def decode(parts: list[bytes]) -> tuple[bytes, bytes] | None:
    body = ChunkedBody()
    content = b""
    for number, part in enumerate(parts):
        content += body.feed(part)
        if body.done:
            return content, body.rest + b"".join(parts[number + 1 :])
    return None


@pytest.mark.parametrize("at", range(len(CHUNKED)))
def test_a_chunked_body_may_be_split_at_any_byte(at: int) -> None:
    assert decode([CHUNKED[:at], CHUNKED[at:]]) == (b"abc0123456789", b"GET")


def test_a_chunked_body_may_come_byte_by_byte() -> None:
    assert decode([CHUNKED[n : n + 1] for n in range(len(CHUNKED))]) == (b"abc0123456789", b"GET")


chunk_pieces = st.sampled_from(
    [
        b";a",
        b";a=b",
        b';a="b c"',
        b"=",
        b"0",
        b"1",
        b"a",
        b"F",
        b"\r\n",
        b"\n",
        b"\r",
        b";",
        b" ",
        b"x",
        b"abc",
        b"3\r\nabc\r\n",
        b"0\r\n\r\n",
        b"A: b\r\n",
    ]
)
chunked = st.one_of(st.lists(chunk_pieces, max_size=12).map(b"".join), st.binary(max_size=60))


@pytest.mark.req("S-07", "R-23")
@given(chunked)
@example(CHUNKED)
def test_what_is_accepted_as_chunked_another_strict_parser_reads_alike(data: bytes) -> None:
    try:
        read = decode([data])
    except BadRequest:
        return
    if read is None:
        return
    content, rest = read
    other = Other(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + data[: len(data) - len(rest)])
    assert (other.complete, other.body) == (1, content)


@given(chunked, st.integers(0, 60))
def test_a_split_changes_nothing_about_a_chunked_body(data: bytes, at: int) -> None:
    def outcome(parts: list[bytes]) -> object:
        try:
            return decode(parts)
        except BadRequest:
            return "refused"

    assert outcome([data]) == outcome([data[:at], data[at:]])


def test_framing_must_not_outweigh_content() -> None:
    body = ChunkedBody()
    with pytest.raises(BadRequest, match="framing"):
        for _ in range(6000):
            body.feed(b"1\r\nx\r\n")


@pytest.mark.parametrize("at", range(6))
def test_a_body_of_known_length_takes_what_is_its_own(at: int) -> None:
    body = LengthBody(3)
    assert body.feed(b"abcdef"[:at]) + (b"" if body.done else body.feed(b"abcdef"[at:])) == b"abc"
    assert body.done and b"def".startswith(body.rest)


def test_representations_say_what_state_a_reader_is_in() -> None:
    assert repr(LengthBody(3)) == "<LengthBody, 3 bytes to come>"
    assert repr(ChunkedBody()) == "<ChunkedBody 0 bytes>"
