"""Rates and places: exact at their bounds, and bounded themselves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.errors import Busy, DefinitionError
from dovetail.server.calls import gates
from dovetail.server.calls.gates import Meter, Rate, Slot, Slots


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("10/s", Rate(10.0, 10)),
        ("100/m", Rate(100 / 60, 100)),
        ("36/h", Rate(0.01, 36)),
        ("5/s burst 20", Rate(5.0, 20)),
        ("0.5/s", Rate(0.5, 1)),
        ("2/second", Rate(2.0, 2)),
        (" 3 / min ", Rate(0.05, 3)),
    ],
)
def test_a_rate_is_read(text: str, rate: Rate) -> None:
    assert Rate.of(text) == rate
    assert Rate.of(rate) is rate


@pytest.mark.parametrize(
    "text",
    [
        *"|10|/s|10/|10/d|x/s|0/s|-1/s|inf/s|nan/s|1e400/s".split("|"),
        *("10/month", "1/hello", "5/sausages"),
        *(f"10/s burst{n}" for n in ("", " x", " 0", " -1")),
    ],
)
def test_what_is_no_rate_is_refused_when_it_is_defined(text: str) -> None:
    with pytest.raises(DefinitionError):
        Rate.of(text)


@pytest.mark.req("S-22")
def test_a_burst_is_allowed_to_its_last_token_and_refills_in_time() -> None:
    meter = Meter(Rate(2.0, 3))
    for _ in range(3):
        meter.take("a", 100.0)
    with pytest.raises(Busy):
        meter.take("a", 100.0)
    meter.take("b", 100.0)
    with pytest.raises(Busy):
        meter.take("a", 100.49)
    meter.take("a", 100.5)
    with pytest.raises(Busy):
        meter.take("a", 100.5)


def test_a_clock_that_is_set_back_gives_and_takes_nothing() -> None:
    meter = Meter(Rate(1.0, 1))
    meter.take("a", 100.0)
    with pytest.raises(Busy):
        meter.take("a", 50.0)
    with pytest.raises(Busy):
        meter.take("a", 50.9)
    meter.take("a", 51.5)


def test_only_so_many_keys_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gates, "_BUCKETS", 10)
    meter = Meter(Rate(1.0, 1))
    for number in range(100):
        meter.take(str(number), 0.0)
    assert "10 keys" in repr(meter)
    with pytest.raises(Busy):
        meter.take("99", 0.0)


@given(st.lists(st.floats(0, 2), max_size=60), st.integers(1, 5))
def test_no_window_ever_sees_more_than_its_rate_and_one_burst(gaps: list[float], burst: int) -> None:
    meter, now, taken = Meter(Rate(2.0, burst)), 0.0, 0
    for gap in gaps:
        now += gap
        try:
            meter.take("a", now)
        except Busy:
            continue
        taken += 1
    assert taken <= burst + 2.0 * now + 1e-6


def test_places_are_as_many_as_there_are() -> None:
    slots = Slots(2)
    slots.enter()
    slots.enter()
    with pytest.raises(Busy):
        slots.enter()
    slots.leave()
    slots.enter()
    assert repr(slots) == "<Slots 2/2>"


def test_a_slot_counts_once_however_often_its_call_rests_and_resumes() -> None:
    slots = Slots(1)
    slot = Slot(slots, "call:1")
    for _ in range(2):
        slot.rest()
    assert repr(slot) == "<Slot resting of <Slots 0/1>>"
    for _ in range(2):
        slot.resume()
    assert slots.taken == 1
    slot.rest()
    slot.leave()
    assert slots.taken == 0 and not slots._back, "also one that leaves from rest"
