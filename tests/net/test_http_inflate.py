"""Content codings, undone within bounds: split anywhere, several members, no wrapper, bombs, and what is broken."""

import gzip
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.net.http_inflate import Broken, Inflater, inflater_of

LARGE = 1 << 20


def bare(data: bytes) -> bytes:
    """Deflate without its wrapper, as some servers send it."""
    made = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return made.compress(data) + made.flush()


CODINGS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "zlib": ("deflate", zlib.compress),
    "bare": ("deflate", bare),
}
each = pytest.mark.parametrize("kind", CODINGS)


def inflater(coding: str) -> Inflater:
    made = inflater_of(coding)
    assert made is not None
    return made


@each
@given(data=st.binary(max_size=300), step=st.integers(1, 40))
def test_what_was_compressed_comes_back_however_it_is_cut(kind: str, data: bytes, step: int) -> None:
    coding, compress = CODINGS[kind]
    packed, made = compress(data), inflater(coding)
    assert b"".join(made.feed(packed[at : at + step], LARGE) for at in range(0, len(packed), step)) == data
    assert made.complete


@each
def test_no_more_is_inflated_than_may_be_read(kind: str) -> None:
    coding, compress = CODINGS[kind]
    made = inflater(coding)
    assert len(made.feed(compress(b"0" * 50_000_000), 1000)) == 1000
    assert not made.complete


@each
def test_what_ends_in_the_middle_is_not_complete(kind: str) -> None:
    coding, compress = CODINGS[kind]
    made = inflater(coding)
    made.feed(compress(bytes(range(256)) * 4)[:-5], LARGE)
    assert not made.complete


def test_members_that_follow_each_other_are_one_body() -> None:
    packed = gzip.compress(b"one ") + gzip.compress(b"two")
    assert inflater("gzip").feed(packed, LARGE) == b"one two"
    with pytest.raises(Broken):
        inflater("gzip").feed(gzip.compress(b"") * 1002, LARGE)
    with pytest.raises(Broken):
        inflater("deflate").feed(zlib.compress(b"one") + b"two", LARGE)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
@given(data=st.binary(min_size=1, max_size=200))
def test_whatever_comes_is_inflated_or_broken(coding: str, data: bytes) -> None:
    made = inflater(coding)
    try:
        assert len(made.feed(data, 1000)) <= 1000
    except Broken as error:
        assert str(error)


def test_codings_that_are_not_known_are_left_alone() -> None:
    assert [inflater_of(name) for name in ("br", "zstd", "gzip, gzip", "")] == [None] * 4
    assert inflater_of(" X-GZIP ") is not None
