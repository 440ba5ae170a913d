"""Answers as bytes: split anywhere, compared with another parser, bounded, and never an exception but our own."""

import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dovetail.net import http_answer
from dovetail.net.http_answer import AnswerReader, BadAnswer
from dovetail.wire import Limits
from tests.fuzz.fuzz_http_response import SEEDS, fuzz, outcome

LIMITS = Limits()
OK = b"HTTP/1.1 200 OK\r\n"
PIECES = [
    OK, b"HTTP/1.1 204 x\r\n", b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 100 x\r\n\r\n", b"content-length: 3\r\n", b"x: y\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n", b" folded\r\n", b"\r\n", b"abc", b"3\r\nabc\r\n",
    b"0\r\n", b"\n", b"\r", b"\0", b":", b"x: \xff\r\n", b"content-length: +3\r\n", b"connection: keep-alive, x\r\n",
]  # fmt: skip


def read(*parts: bytes, method: str = "POST", limits: Limits = LIMITS) -> tuple[AnswerReader, bytes]:
    reader = AnswerReader(method, limits)
    return reader, b"".join([reader.feed(part) for part in parts])


def status_and_kept(data: bytes, method: str = "POST") -> tuple[int, bool, bool]:
    reader, _ = read(data, method=method)
    assert reader.head is not None
    return reader.head.status, reader.head.kept, reader.done


@pytest.mark.req("C-15")
@pytest.mark.parametrize("seed", SEEDS)
def test_an_answer_may_be_split_at_any_byte(seed: bytes) -> None:
    whole = outcome(seed)
    assert whole is not None
    assert outcome(*[seed[at : at + 1] for at in range(len(seed))]) == whole
    for at in range(len(seed)):
        assert outcome(seed[:at], seed[at:]) == whole


@pytest.mark.req("C-15")
@given(st.lists(st.sampled_from(PIECES), max_size=8).map(b"".join))
@example(OK + b"x: a\r\n \r\n\r\n")
@example(OK + b" folded\r\n\r\n")
def test_answers_of_every_make_mean_the_same_in_any_pieces_and_to_another_parser(data: bytes) -> None:
    fuzz(data)


@given(st.binary(max_size=300))
def test_any_bytes_are_an_answer_or_refused(data: bytes) -> None:
    fuzz(data)


def test_the_parts_of_an_answer_are_read() -> None:
    reader, content = read(OK + b"X-A: 1\r\nx-a:\t2 \r\nEmpty:\r\ncontent-length: 2\r\n\r\n{}")
    assert reader.head is not None
    assert reader.head.headers == {"x-a": "1, 2", "empty": "", "content-length": "2"}
    assert (content, reader.done, reader.rest) == (b"{}", True, b"")
    assert "complete" in repr(reader)


@pytest.mark.parametrize(
    ("data", "method", "kept"),
    [
        (OK + b"content-length: 0\r\n\r\n", "POST", True),
        (OK + b"connection: Keep-Alive\r\ncontent-length: 0\r\n\r\n", "POST", True),
        (OK + b"connection: x, CLOSE\r\ncontent-length: 0\r\n\r\n", "POST", False),
        (b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 0\r\n\r\n", "POST", False),
        (OK + b"content-length: 9\r\n\r\n", "HEAD", True),
        (OK + b"transfer-encoding: chunked\r\n\r\n", "HEAD", True),
        (b"HTTP/1.1 204 x\r\n\r\n", "POST", True),
        (b"HTTP/1.1 304 x\r\n\r\n", "GET", True),
        (b"HTTP/1.1 204 x\r\ncontent-length: 0\r\n\r\n", "POST", True),
        (b"HTTP/1.1 204 x\r\ncontent-length: 9\r\n\r\n", "POST", False),
        (b"HTTP/1.1 304 x\r\ntransfer-encoding: chunked\r\n\r\n", "GET", False),
        (b"HTTP/1.1 204 x\r\nconnection: close\r\n\r\n", "POST", False),
        (b"HTTP/1.1 200\r\n\r\n", "CONNECT", True),
        (b"HTTP/1.1 101 x\r\n\r\n", "POST", True),
    ],
)
def test_an_answer_without_a_body_ends_with_its_head(data: bytes, method: str, kept: bool) -> None:
    assert status_and_kept(data, method)[1:] == (kept, True)


def test_an_answer_without_a_length_ends_with_its_connection_and_is_never_kept() -> None:
    reader, content = read(OK + b"\r\nabc", b"def")
    assert (content, reader.done) == (b"abcdef", False)
    assert reader.head is not None and not reader.head.kept
    reader.end()
    assert reader.done


@pytest.mark.req("C-15")
def test_what_follows_an_answer_is_no_part_of_it() -> None:
    for framing in (b"content-length: 3\r\n\r\nabc", b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"):
        reader, content = read(OK + framing + b"HTTP/1.1 200 OK\r\n")
        assert (content, reader.rest) == (b"abc", b"HTTP/1.1 200 OK\r\n")


@pytest.mark.req("C-15")
@pytest.mark.parametrize(
    "fields",
    [
        b"content-length: 2\r\ntransfer-encoding: chunked\r\n", b"transfer-encoding: chunked\r\ncontent-length: 2\r\n",
        b"content-length: 2\r\ncontent-length: 2\r\n", b"content-length: 2\r\nContent-Length: 3\r\n",
        b"content-length: 2, 2\r\n", b"content-length: +2\r\n", b"content-length: -2\r\n", b"content-length: 0x2\r\n",
        b"content-length: 2 3\r\n", b"content-length:\r\n", b"content-length: 1_0\r\n", b"content-length: \xb2\r\n",
        b"content-length: 99999999999999999999\r\n", b"transfer-encoding: gzip, chunked\r\n",
        b"transfer-encoding: chunked, chunked\r\n", b"transfer-encoding: identity\r\n", b"transfer-encoding:\r\n",
        b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", b"transfer-encoding: xchunked\r\n",
        b"transfer-encoding: chunked\x0b\r\n", b"content-length : 2\r\n", b" content-length: 2\r\n", b"x\r\n",
        b": x\r\n",
        b"x: a\rb\r\n", b"x: a\nb\r\n", b"x: a\x00b\r\n", b"x: a\x7f\r\n", b"x y: z\r\n", b"x\xff: z\r\n",
    ],
)  # fmt: skip
def test_an_end_that_could_be_read_in_two_ways_is_refused(fields: bytes) -> None:
    data = OK + fields + b"\r\n0\r\n\r\n"  # good by either reading
    with pytest.raises(BadAnswer):
        read(data)
    assert outcome(*[data[at : at + 1] for at in range(len(data))]) is None


def test_an_old_server_that_speaks_of_chunks_is_refused() -> None:
    with pytest.raises(BadAnswer):
        read(b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")


@pytest.mark.parametrize(
    "line",
    [
        b"", b"HTTP/1.1", b"HTTP/1.1 ", b"HTTP/1.1 20", b"HTTP/1.1 2000", b"HTTP/1.1 099 x", b"HTTP/2 200 OK",
        b"HTTP/1.2 200 OK", b"http/1.1 200 OK", b"ICY 200 OK", b" HTTP/1.1 200 OK", b"HTTP/1.1  200 OK",
        b"HTTP/1.1 200 a\x01b", b"HTTP/1.1 200 a\nb", b"HTTP/1.1 200 " + b"o" * 9000,
    ],
)  # fmt: skip
def test_a_first_line_that_is_none_is_refused(line: bytes) -> None:
    with pytest.raises(BadAnswer):
        read(line + b"\r\ncontent-length: 0\r\n\r\n")


@pytest.mark.req("C-15")
def test_the_limits_of_a_head_are_exact_and_hold_for_pieces_too() -> None:
    limits = Limits(header_count=3, header_value=20, header_block=80)
    for count, size, fits in [(3, 20, True), (4, 1, False), (1, 20, True), (1, 21, False), (3, 1, True)]:
        data = OK + b"".join(b"x%d: %b\r\n" % (n, b"v" * size) for n in range(count)) + b"\r\n"
        for parts in ([data], [data[at : at + 1] for at in range(len(data))]):
            if fits:
                assert read(*parts, limits=limits)[0].head is not None
            else:
                with pytest.raises(BadAnswer):
                    read(*parts, limits=limits)
    for size in (77, 78):  # the block: every field with its line ending
        data = OK + b"n" * (size - 2) + b":v\r\n\r\n"
        if size == 77:
            assert read(data, limits=limits)[0].head is not None
        else:
            with pytest.raises(BadAnswer):
                read(data, limits=Limits(header_count=3, header_value=20, header_block=size))


@pytest.mark.req("C-15")
def test_a_head_that_never_ends_is_refused_at_its_limit() -> None:
    reader = AnswerReader("POST", LIMITS)
    reader.feed(OK + b"x: ")
    with pytest.raises(BadAnswer):
        for _ in range(LIMITS.header_block + 8192):
            reader.feed(b"v")


@pytest.mark.parametrize("start", [b"SSH-2.0-x", b"\x16\x03\x01", b"HTTP/2", b"<html>"])
def test_what_will_never_be_an_answer_is_refused_before_its_end(start: bytes) -> None:
    with pytest.raises(BadAnswer, match="HTTP/1"):
        read(start)
    with pytest.raises(BadAnswer, match="CR LF"):
        read(b"HTTP/1.1 200 OK\nx: y\n\n")


def test_interim_answers_are_skipped_but_not_for_ever() -> None:
    interim = b"HTTP/1.1 102 Processing\r\n\r\n"
    reader, _ = read(*[interim] * 256, OK + b"content-length: 0\r\n\r\n")
    assert reader.done
    with pytest.raises(BadAnswer, match="256"):
        read(interim * 257)


def test_a_folded_value_is_one_value() -> None:
    reader, _ = read(OK + b"x: a\r\n \t b\r\nfolded:\r\n c\r\n\r\n")
    assert reader.head is not None
    assert reader.head.headers == {"x": "a b", "folded": "c"}


def test_a_stream_of_chunks_of_a_byte_goes_on_for_as_long_as_it_likes() -> None:
    reader, content = read(OK + b"transfer-encoding: chunked\r\n\r\n", b"1\r\n:\r\n" * 20_000)
    assert (len(content), reader.done) == (20_000, False)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"", "without an answer"),
        (OK, "without an answer"),
        (OK + b"content-length: 2\r\n\r\n{", "in the middle"),
        (OK + b"transfer-encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n", "in the middle"),
    ],
)
def test_a_connection_that_ends_too_early_is_no_end(said: bytes, why: str) -> None:
    reader, _ = read(said)
    with pytest.raises(BadAnswer, match=why):
        reader.end()


def test_what_is_remembered_of_servers_is_bounded_and_holds_no_secret() -> None:
    chance = random.Random(1)
    for n in range(3000):
        read(OK + b"server: %d\r\nset-cookie: CANARY%d\r\nmcp-session-id: CANARY\r\n\r\n" % (n, chance.random() * 1e9))
        read(b"HTTP/1.1 200 %d\r\n\r\n" % n)
    assert 0 < len(http_answer._lines) <= 1024
    assert 0 < len(http_answer._statuses) <= 1024
    assert not [line for line in http_answer._lines if b"CANARY" in line]
