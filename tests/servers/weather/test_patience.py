"""When to try again, and when to leave a service alone."""

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.servers.weather.keeping import Answer, Shelf, answer_of
from dovetail.servers.weather.patience import Breaker, Breakers, Deadline, pause, retry_after

NOW = 1_700_000_000.0


def test_pauses_double_up_to_a_bound_and_are_a_matter_of_chance() -> None:
    assert [pause(attempt, 0.5, lambda: 1.0) for attempt in range(1, 8)] == [0.5, 1, 2, 4, 8, 10, 10]
    assert pause(3, 0.5, lambda: 0.0) == 0
    assert pause(10_000, 0.5, lambda: 1.0) == 10


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7), (" 120 ", 120), (formatdate(NOW + 30, usegmt=True), 30), (formatdate(NOW - 30, usegmt=True), 0),
        ("99999999999999", None), ("9999999999", 86_400), ("-1", None), ("soon", None), ("", None), ("1.5", None),
        ("٣", None),
    ],
)  # fmt: skip
def test_the_pause_that_is_asked_for_is_read(text: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": text}, NOW) == seconds


@given(st.text(max_size=80))
def test_any_retry_after_is_decided_on(text: str) -> None:
    found = retry_after({"retry-after": text}, NOW)
    assert found is None or 0 <= found <= 86_400


def test_a_breaker_opens_after_failures_in_a_row_only() -> None:
    breaker = Breaker(3, 10)
    for _ in range(5):
        breaker.failed(NOW)
        breaker.failed(NOW)
        breaker.worked()
    assert breaker.wait(NOW) is None
    for _ in range(3):
        breaker.failed(NOW)
    assert breaker.wait(NOW) == 10 and breaker.wait(NOW + 9.9) == 1
    assert "open" in repr(breaker)


def test_a_half_open_breaker_lets_one_through_and_believes_it() -> None:
    breaker = Breaker(1, 10)
    breaker.failed(NOW)
    assert breaker.wait(NOW + 10) is None and "half open" in repr(breaker)
    assert breaker.wait(NOW + 10) is not None  # somebody is trying
    breaker.failed(NOW + 11)
    assert breaker.wait(NOW + 30) == 1 and breaker.wait(NOW + 31) is None
    breaker.worked()
    assert breaker.wait(NOW + 31) is None and breaker.wait(NOW + 31) is None and "closed" in repr(breaker)


def test_a_test_that_was_left_makes_room_for_another() -> None:
    breaker = Breaker(1, 10)
    breaker.failed(NOW)
    assert breaker.wait(NOW + 10) is None
    breaker.left()
    assert breaker.wait(NOW + 10) is None


def test_a_breaker_is_open_for_longer_each_time_up_to_a_bound() -> None:
    breaker, now, waits = Breaker(1, 10), NOW, []
    breaker.failed(now)
    for _ in range(6):
        waits.append(breaker.wait(now) or 0)
        now += waits[-1]
        assert breaker.wait(now) is None
        breaker.failed(now)
    assert waits == [10, 20, 40, 80, 80, 80]


def test_who_only_looks_at_a_breaker_does_not_take_the_test_from_others() -> None:
    breaker = Breaker(1, 10)
    assert breaker.spared(NOW) is None
    breaker.failed(NOW)
    assert breaker.spared(NOW) == 10 and breaker.spared(NOW + 10) is None and breaker.spared(NOW + 10) is None
    assert breaker.wait(NOW + 10) is None and breaker.spared(NOW + 10) == 1


def test_breakers_are_bounded_and_what_was_needed_longest_ago_is_forgotten() -> None:
    breakers = Breakers(2)
    first = breakers.of("a")
    breakers.of("b")
    assert breakers.of("a") is first
    breakers.of("c")
    assert breakers.of("a") is first and "2 parts known" in repr(breakers)
    breakers.of("d"), breakers.of("e")
    assert breakers.of("a") is not first


def test_one_part_that_keeps_failing_is_left_alone_and_the_whole_is_not() -> None:
    breakers = Breakers()
    for _ in range(9):
        breakers.failed("a", "a", NOW)
    assert breakers.wait("a", NOW) == 30 and breakers.whole.spared(NOW) is None and breakers.wait("b", NOW) is None


def test_the_whole_is_left_alone_for_different_parts_that_failed_with_nothing_that_worked_in_between() -> None:
    breakers = Breakers()
    for name in ("a", "b", "c", "d", "a", "b"):
        breakers.failed(name, name, NOW)
    breakers.worked("x")
    for name in ("a", "b", "c", "d"):
        breakers.failed(name, name, NOW)
    assert breakers.wait("y", NOW) is None
    breakers.failed("e", "e", NOW)
    assert breakers.wait("y", NOW) == 30 and breakers.of("y").spared(NOW) is None
    assert breakers.wait("y", NOW + 30) is None and breakers.wait("z", NOW + 30) == 1  # any part is the test
    breakers.failed("y", "y", NOW + 31)
    assert breakers.wait("z", NOW + 90) == 1 and breakers.wait("z", NOW + 91) is None
    breakers.worked("z")
    assert breakers.wait("y", NOW + 91) is None and "closed" in repr(breakers)


def test_failures_of_several_parts_for_one_cause_are_one_to_the_whole() -> None:
    breakers = Breakers()
    for name in "abcdefg":
        breakers.failed(name, "all near one place", NOW)
    assert breakers.whole.spared(NOW) is None


def test_a_part_that_is_left_alone_does_not_take_the_test_of_the_whole() -> None:
    breakers = Breakers()
    for name in ("a", "b", "c", "d", "e"):
        breakers.failed(name, name, NOW)
    for _ in range(4):
        breakers.failed("a", "a", NOW + 20)
    assert breakers.wait("a", NOW + 49) == 1  # when the whole may be asked again
    assert breakers.wait("b", NOW + 49) is None


def test_a_deadline_comes_with_the_clock_that_is_there_first() -> None:
    loop, clock = [100.0], [NOW]
    deadline = Deadline(20, lambda: loop[0], lambda: clock[0])
    loop[0] += 5
    assert deadline.left() == 15 and deadline.at == 120 and "15.0" in repr(deadline)
    assert deadline.half().left() == 7.5 and deadline.half().at == 112.5
    assert deadline.later(deadline.half()) is deadline and deadline.half().later(deadline) is deadline
    clock[0] += 30
    assert deadline.left() == -10


@pytest.mark.parametrize(
    ("seconds", "headers"),
    [
        (60, {"cache-control": "public, max-age=60"}),
        (5, {"cache-control": "public, max-age=60, s-maxage=5"}),
        (50, {"cache-control": "max-age=60", "age": "10"}),
        (0, {"cache-control": "max-age=60", "age": "70", "etag": "x"}),
        (30, {"date": formatdate(NOW, usegmt=True), "expires": formatdate(NOW + 30, usegmt=True)}),
        (0, {"cache-control": "no-cache", "etag": "x"}),
        (0, {"last-modified": "x"}),
        (86_400, {"cache-control": "max-age=999999999"}),
        (None, {"cache-control": "no-store, max-age=60"}),
        (None, {"cache-control": "private, max-age=60"}),
        (None, {"cache-control": "max-age=x"}),
        (None, {"expires": "0", "date": formatdate(NOW)}),
        (None, {}),
    ],
)
def test_an_answer_is_kept_as_its_head_allows(seconds: float | None, headers: dict[str, str]) -> None:
    found = answer_of(b"x", headers, NOW)
    assert (None if found is None else found.until - NOW) == seconds


def test_what_was_used_longest_ago_makes_room() -> None:
    shelf = Shelf(2)
    for key in "ab":
        shelf.put(key, Answer(key.encode(), 0, "", "", 0))
    assert shelf.get("a") is not None
    shelf.put("c", Answer(b"c", 0, "", "", 0))
    assert shelf.get("b") is None and shelf.get("a") is not None
    shelf.put("a", None)
    assert shelf.get("a") is None and "1 answers, 1 bytes" in repr(shelf)
    shelf.put("big", Answer(bytes(33 * 1024 * 1024), 0, "", "", 0))
    assert shelf.get("big") is None
    none = Shelf(0)
    none.put("a", Answer(b"", 0, "", "", 0))
    assert none.get("a") is None


@given(st.dictionaries(st.sampled_from(["cache-control", "expires", "date", "age", "etag"]), st.text(max_size=50)))
def test_any_head_is_decided_on(headers: dict[str, str]) -> None:
    found = answer_of(b"x", headers, NOW)
    assert found is None or NOW <= found.until <= NOW + 86_400
    assert found is None or all(value.isascii() for value in found.conditions.values())
