"""Lines are the same however the stream was cut, and no line is held beyond the limit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.core.lines import LineSplitter, Oversize

LIMIT = 6
_pieces = st.sampled_from([b"\n", b"\r\n", b"\r", b"a", b"bc", b"12345", b"123456", b"1234567", b"\x00", b"\xff\xe2"])
_streams = st.lists(_pieces, max_size=40).map(b"".join)


def _expected(stream: bytes) -> list[bytes | Oversize]:
    lines = [line.removesuffix(b"\r") for line in stream.split(b"\n")[:-1]]
    return [line if len(line) <= LIMIT else Oversize(len(line)) for line in lines if line]


@given(_streams)
def test_every_two_part_split_of_a_stream_gives_the_same_lines(stream: bytes) -> None:
    for cut in range(len(stream) + 1):
        splitter = LineSplitter(LIMIT)
        assert splitter.feed(stream[:cut]) + splitter.feed(stream[cut:]) == _expected(stream)


@given(_streams, st.integers(1, 5))
def test_small_pieces_give_the_same_lines_and_hold_no_more_than_the_limit(stream: bytes, step: int) -> None:
    splitter = LineSplitter(LIMIT)
    lines: list[bytes | Oversize] = []
    for start in range(0, len(stream), step):
        lines += splitter.feed(stream[start : start + step])
        assert splitter.pending <= LIMIT + 1
    assert lines == _expected(stream)


@pytest.mark.req("R-23")
@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
def test_a_line_at_the_limit_passes_and_one_byte_more_is_skipped(ending: bytes) -> None:
    splitter = LineSplitter(LIMIT)
    stream = b"x" * LIMIT + ending + b"x" * (LIMIT + 1) + ending + b"next" + ending
    assert splitter.feed(stream) == [b"x" * LIMIT, Oversize(LIMIT + 1), b"next"]


@pytest.mark.req("R-23")
def test_an_endless_line_is_counted_and_not_kept() -> None:
    splitter = LineSplitter(1024)
    chunk = b"z" * 65_536
    for _ in range(1_000):
        assert splitter.feed(chunk) == []
        assert splitter.pending <= 1025
    assert "skipping" in repr(splitter)
    assert splitter.feed(b"\nok\n") == [Oversize(65_536_000), b"ok"]


def test_a_carriage_return_split_from_its_newline_behind_a_long_line_is_not_counted() -> None:
    splitter = LineSplitter(LIMIT)
    assert splitter.feed(b"12345678\r") == []
    assert splitter.feed(b"\n") == [Oversize(8)]


def test_an_unfinished_line_waits_for_its_end() -> None:
    splitter = LineSplitter(LIMIT)
    assert splitter.feed(b"abc") == []
    assert repr(splitter) == "<LineSplitter 3 bytes of a line>"
    assert splitter.feed(b"d\n\n\r\n") == [b"abcd"]
    assert splitter.pending == 0
