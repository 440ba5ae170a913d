"""Objects and dates as strangers write them: a value or an error of ours, whatever the bytes."""

from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dovetail.servers.git.dates import BadDate, parse_date
from dovetail.servers.git.objects import BadObject, Entry, Person, parse_commit, parse_person, parse_tag, parse_tree

ID = "1" * 40
NOW = datetime(2026, 3, 10, 15, 30, tzinfo=UTC)


@given(st.binary(max_size=200))
@example(b"A <a@x> 12 +9999")
@example(b"A <a@x> -12 -0130")
def test_a_person_is_read_whatever_stands_there(line: bytes) -> None:
    found = parse_person(line)
    assert abs(found.zone) < 1440
    assert found.date


def test_an_ordinary_person_is_read_exactly() -> None:
    assert parse_person(b"A B <a@x> 12 -0130") == Person("A B", "a@x", 12, -90)
    assert parse_person(b"<> 1 +0000") == Person("", "", 1, 0)


@given(st.binary(max_size=300))
@example(b"tree " + ID.encode() + b"\n\n")
@example(b"tree " + ID.encode() + b"\nencoding utf-7\n\n+AGE-")
def test_a_commit_is_a_value_or_damaged(raw: bytes) -> None:
    try:
        found = parse_commit(ID, raw)
    except BadObject:
        return
    assert len(found.tree) == 40
    assert all(len(parent) == 40 for parent in found.parents)


@given(st.binary(max_size=300))
def test_a_tag_is_a_value_or_damaged(raw: bytes) -> None:
    try:
        parse_tag(raw)
    except BadObject:
        return


@given(st.binary(max_size=300))
@example(b"100644 a\0" + b"1" * 19)
@example(b"100649 a\0" + b"1" * 20)
@example(b"\0" * 40)
def test_a_tree_is_entries_or_damaged(raw: bytes) -> None:
    try:
        entries = parse_tree(raw)
    except BadObject:
        return
    assert sum(len(b"%o " % one.mode) + len(one.name) + 21 for one in entries) <= len(raw) + 8 * len(entries)


def test_an_ordinary_tree_is_read_exactly() -> None:
    raw = b"40000 d\0" + b"\x11" * 20 + b"100755 x\xff\0" + b"\x22" * 20
    assert parse_tree(raw) == [Entry(b"d", 0o40000, "11" * 20), Entry(b"x\xff", 0o100755, "22" * 20)]
    assert [one.kind for one in parse_tree(raw)] == ["directory", "executable"]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-09", datetime(2026, 3, 9, tzinfo=UTC)),
        ("2026-03-09T14:30:00+01:00", datetime(2026, 3, 9, 13, 30, tzinfo=UTC)),
        ("2026-03-09 14:30:00 +0100", datetime(2026, 3, 9, 13, 30, tzinfo=UTC)),
        ("today", datetime(2026, 3, 10, tzinfo=UTC)),
        ("Yesterday", datetime(2026, 3, 9, tzinfo=UTC)),
        ("now", NOW),
        ("2 days ago", datetime(2026, 3, 8, 15, 30, tzinfo=UTC)),
        ("1.week.ago", datetime(2026, 3, 3, 15, 30, tzinfo=UTC)),
        ("an hour ago", datetime(2026, 3, 10, 14, 30, tzinfo=UTC)),
        ("@1700000000", datetime.fromtimestamp(1_700_000_000, UTC)),
    ],
)
def test_a_date_is_read_as_people_write_it(text: str, moment: datetime) -> None:
    assert parse_date(text, NOW) == int(moment.timestamp())


@pytest.mark.parametrize("text", ["", "soon", "--since=x", "9" * 100, "2026-13-01", "99999999 years ago"])
def test_what_is_no_date_is_refused_with_what_is(text: str) -> None:
    with pytest.raises(BadDate, match="Give a date such as"):
        parse_date(text, NOW)


@given(st.text(max_size=70))
def test_any_text_is_a_date_or_refused(text: str) -> None:
    try:
        parse_date(text, NOW)
    except BadDate:
        return
