"""When to try again, and when to leave a service alone."""

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.servers.weather.keeping import Answer, Shelf, answer_of
from dovetail.servers.weather.patience import Breaker, Breakers, Deadline, Part, pause, retry_after

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


def part(name: str, kind: str = "forecasts", cause: str = "") -> Part:
    return Part(name, f"the forecast of {name}", kind, cause)


def test_breakers_are_bounded_and_what_was_needed_longest_ago_is_forgotten() -> None:
    breakers = Breakers(2)
    first = breakers.of(part("a"))
    breakers.of(part("b"))
    assert breakers.of(part("a")) is first
    breakers.of(part("c"))
    assert breakers.of(part("a")) is first and "2 parts known" in repr(breakers)
    breakers.of(part("d")), breakers.of(part("e"))
    assert breakers.of(part("a")) is not first


def test_one_part_that_keeps_failing_is_left_alone_and_its_kind_is_not() -> None:
    breakers = Breakers()
    for _ in range(9):
        breakers.failed(part("a"), NOW)
    assert breakers.wait(part("a"), NOW) == 30 and breakers.wait(part("b"), NOW) is None


def test_a_kind_is_left_alone_for_different_parts_that_failed_with_none_that_worked_in_between() -> None:
    breakers = Breakers()
    for name in "abcdab":
        breakers.failed(part(name), NOW)
    breakers.worked(part("x"))
    for name in "abcd":
        breakers.failed(part(name), NOW)
    assert breakers.wait(part("y"), NOW) is None
    breakers.failed(part("e"), NOW)
    assert breakers.wait(part("y"), NOW) == 30 and breakers.of(part("y")).spared(NOW) is None
    assert breakers.wait(part("y"), NOW + 30) is None and breakers.wait(part("z"), NOW + 30) == 1  # any is the test
    breakers.failed(part("y"), NOW + 31)
    assert breakers.wait(part("z"), NOW + 90) == 1 and breakers.wait(part("z"), NOW + 91) is None
    breakers.worked(part("z"))
    assert breakers.wait(part("y"), NOW + 91) is None and "closed" in repr(breakers)


def test_a_kind_that_is_left_alone_leaves_the_others_as_they_are() -> None:
    breakers = Breakers()
    for name in "abcdefg":
        breakers.failed(part(name), NOW)
    assert breakers.wait(part("h"), NOW) == 30 and breakers.wait(part("h", "alerts"), NOW) is None


def test_failures_of_several_parts_for_one_cause_are_one_to_their_kind() -> None:
    breakers = Breakers()
    for name in "abcdefg":
        breakers.failed(part(name, cause="all near one place"), NOW)
    assert breakers.spared(part("h"), NOW) is None


def test_a_part_that_is_left_alone_does_not_take_the_test_of_its_kind() -> None:
    breakers = Breakers()
    for name in "abcde":
        breakers.failed(part(name), NOW)
    for _ in range(4):
        breakers.failed(part("a"), NOW + 20)
    assert breakers.wait(part("a"), NOW + 49) == 1  # when its kind may be asked again
    assert breakers.wait(part("b"), NOW + 49) is None


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
