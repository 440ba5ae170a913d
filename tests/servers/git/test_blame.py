"""Following lines through changes: what is said to be unchanged is the same text in both."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.servers.git.blame import changed_lines, split_parts
from dovetail.servers.git.patches import common_prefix, compare

texts = st.lists(st.sampled_from(["a", "b", "c", "", "\u202e"]), max_size=12).flatmap(
    lambda lines: st.sampled_from(["\n".join(lines), "\n".join(lines) + "\n"])
)


def _lines(data: bytes) -> list[bytes]:
    return [line + b"\n" for line in data.split(b"\n")[:-1]] + (
        [data.split(b"\n")[-1]] if data.split(b"\n")[-1] else []
    )


@given(texts, texts, st.integers(0, 12), st.integers(1, 12))
def test_lines_that_were_there_before_are_the_same_there(old: str, new: str, first: int, count: int) -> None:
    before, after = old.encode(), new.encode()
    hunks = changed_lines(before, after)
    assert hunks is not None
    there, here = _lines(before), _lines(after)
    if first >= len(here):
        return
    count = min(count, len(here) - first)
    kept, changed = split_parts([(first, first, count)], hunks)
    for target, at, many in kept:
        assert here[target : target + many] == there[at : at + many]
    covered = sorted(at for target, _, many in (*kept, *changed) for at in range(target, target + many))
    assert covered == list(range(first, first + count))


@given(st.binary(max_size=50), st.binary(max_size=50), st.binary(max_size=50))
def test_the_common_beginning_is_found(start: bytes, one: bytes, other: bytes) -> None:
    found = common_prefix(start + one, start + other)
    expected = next(
        (at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
    assert found == len(start) + expected


def test_texts_that_differ_in_too_many_lines_are_not_compared() -> None:
    one, other = b"a\nb\n" * 100_001, b"c\nd\n" * 100_001
    assert compare(one, other, 3) is None
    assert changed_lines(one, other) is None
    assert compare(one, b"x\n" + one, 0) is not None


@pytest.mark.parametrize("same", [b"", b"a", b"a\n"])
def test_what_is_the_same_has_no_change(same: bytes) -> None:
    assert changed_lines(same, same) == []
