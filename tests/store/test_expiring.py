"""The table behind the memory adapters: bounded by weight, exact about deadlines, without leaks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.errors import Disconnected
from dovetail.store.expiring import Expiring
from tests.store.conftest import Clock

KEYS = st.sampled_from("abc")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), KEYS, st.integers(1, 9)),
        st.tuples(st.just("renew"), KEYS, st.integers(1, 9)),
        st.tuples(st.just("swap"), KEYS, st.integers(1, 9)),
        st.tuples(st.just("pop"), KEYS, st.just(0)),
        st.tuples(st.just("forward"), st.just(""), st.integers(1, 5)),
    ),
    max_size=40,
)


@given(steps=STEPS)
def test_it_behaves_like_a_plain_table_that_is_looked_through_every_time(steps: list[tuple[str, str, int]]) -> None:
    clock = Clock()
    table: Expiring[int] = Expiring("tests", clock, 1_000)
    plain: dict[str, tuple[int, float]] = {}
    for number, (step, key, amount) in enumerate(steps):
        match step:
            case "put":
                table.put(key, number, amount, amount)
                plain[key] = (number, clock.now + amount)
            case "renew":
                assert table.renew(key, amount) == (key in plain)
                if key in plain:
                    plain[key] = (plain[key][0], clock.now + amount)
            case "swap":
                assert table.swap(key, number, amount) == (key in plain)
                if key in plain:
                    plain[key] = (number, plain[key][1])
            case "pop":
                assert table.pop(key) == plain.pop(key, (None, 0.0))[0]
            case _:
                clock.forward(amount)
                plain = {key: entry for key, entry in plain.items() if entry[1] > clock.now}
        assert {key: table.get(key) for key in "abc" if key in table} == {key: v for key, (v, _) in plain.items()}
        assert len(table) == len(plain)
        assert set(table) == set(plain)
    clock.forward(9)
    assert (len(table), table._weight) == (0, 0)
    assert table._deadlines == []


def test_it_takes_what_fits_and_not_a_byte_more(clock: Clock) -> None:
    table: Expiring[str] = Expiring("tests", clock, 100)
    table.put("a", "one", 60.0, 60)
    with pytest.raises(Disconnected, match=r"^The memory for tests is full \(100 bytes\)$"):
        table.put("b", "two", 60.0, 41)
    table.put("b", "two", 60.0, 40)
    table.put("a", "new", 60.0, 60)
    assert (table.get("a"), table.get("b")) == ("new", "two")
    assert repr(table) == "<Expiring tests: 2 entries, 100 of 100 bytes>"
    table.swap("a", "larger", 90)
    assert table.get("a") == "larger"
