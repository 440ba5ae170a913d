"""Exact arithmetic: its functions against Python's own, and that what is too large is refused before it is computed."""

import math
import statistics
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.servers.calculator.exact import LARGE, SMALL, Arithmetic, Bounds, evaluate
from dovetail.servers.calculator.failures import CalculatorError, Irrational, TooLarge, TooMuch
from dovetail.servers.calculator.functions import FUNCTIONS, KNOWN, call
from dovetail.servers.calculator.parsing import parse
from dovetail.servers.calculator.rendering import decimal_text, exact_text


def value(text: str, bounds: Bounds = SMALL) -> Fraction:
    return evaluate(parse(text).tree, Arithmetic(bounds), call)


@pytest.mark.parametrize(
    "text",
    [
        "9**9**9**9",
        "factorial(10**9)",
        "comb(10**9, 10**8)",
        "perm(10^9, 10^8)",
        "((2**1000)**1000)**1000",
        "10^10^10",
        "fib(10^9)",
        "2^(2^100)",
        "(10^20)!",
        "comb(10^40, 10^39)",
        "2^-(10^18)",
    ],
)
@pytest.mark.parametrize("bounds", [SMALL, LARGE])
def test_what_would_be_too_large_is_refused_before_it_is_computed(text: str, bounds: Bounds) -> None:
    with pytest.raises(TooLarge, match="digits; at most 102,350 are computed"):
        value(text, bounds)


def test_the_estimate_is_near_the_truth() -> None:
    with pytest.raises(TooLarge, match="about 369,693,10"):
        value("9**9**9**9")


def test_much_small_work_ends_too() -> None:
    with pytest.raises(TooMuch):
        value("+".join(["2^16000"] * 400))


@pytest.mark.parametrize("term", ["powmod(7^1200, 7^1200, 7^1200 + 1)", "comb(16000, 8000)"])
def test_what_takes_longer_than_its_length_suggests_is_not_done_in_place(term: str) -> None:
    with pytest.raises(TooMuch):
        value("+".join([term] * 20))


def test_a_power_of_an_ordinary_size_is_left_to_decimals() -> None:
    with pytest.raises(Irrational):
        value("1.0001^36500")


@pytest.mark.parametrize("text", ["sqrt(2)", "8^(1/2)", "sin(1)", "pi", "(-8)^(1/3)", "log(2)", "stdev(1, 2)"])
def test_what_is_no_fraction_is_left_to_symbols(text: str) -> None:
    with pytest.raises(Irrational):
        value(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1/0", "Division by zero"),
        ("0^-1", "Division by zero"),
        ("1 mod 0", "Division by zero"),
        ("(-1)!", "negative"),
        ("comb(1.5, 1)", "whole numbers only"),
        ("gcd(1/2, 3)", "whole numbers only"),
        ("round(1, 10^6)", "places between"),
        ("sqrt(1, 2)", "takes 1 arguments, not 2"),
        ("mean()", "takes 1 or more arguments"),
    ],
)
def test_what_is_not_defined_is_said_so(text: str, told: str) -> None:
    with pytest.raises(CalculatorError, match=told):
        value(text)


@given(st.integers(0, 60), st.integers(0, 60))
def test_counting_agrees_with_the_standard_library(n: int, k: int) -> None:
    assert value(f"comb({n}, {k})") == math.comb(n, k)
    assert value(f"perm({n}, {k})") == math.perm(n, k)
    assert value(f"gcd({n}, {k})") == math.gcd(n, k)
    assert value(f"lcm({n}, {k})") == math.lcm(n, k)
    assert value(f"{n}!") == math.factorial(n)


@given(st.lists(st.fractions(-100, 100, max_denominator=20), min_size=2, max_size=12))
def test_statistics_agree_with_the_standard_library(values: list[Fraction]) -> None:
    listed = ", ".join(f"{each.numerator}/{each.denominator}" for each in values)
    assert value(f"mean({listed})") == statistics.mean(values)
    assert value(f"median([{listed}])") == statistics.median(values)
    assert value(f"variance({listed})") == statistics.variance(values)
    assert value(f"pvariance({listed})") == statistics.pvariance(values)
    assert value(f"min({listed})") == min(values)


@given(st.fractions(0, 10**6, max_denominator=1000), st.integers(2, 7))
def test_roots_of_powers_are_exact(base: Fraction, degree: int) -> None:
    text = f"(({base.numerator}/{base.denominator})^{degree})^(1/{degree})"
    assert value(text) == base


@given(st.integers(0, 300))
def test_fibonacci_numbers_add_up(n: int) -> None:
    assert value(f"fib({n}) + fib({n + 1})") == value(f"fib({n + 2})")


@given(st.fractions(), st.integers(1, 60))
def test_decimals_are_as_near_as_their_digits_allow(number: Fraction, digits: int) -> None:
    text = decimal_text(number, digits)
    error = abs(Fraction(text) - number)
    assert error <= abs(number) * Fraction(1, 10 ** (digits - 1)) / 2
    assert Fraction(exact_text(number) or "") == number


@pytest.mark.parametrize(
    ("number", "digits", "wanted"),
    [
        ("1/3", 5, "0.33333"),
        ("1e20", 15, "100000000000000000000"),
        ("123456789", 5, "1.2346e8"),
        ("1/1000000000000", 5, "1e-12"),
        ("0", 5, "0"),
        ("-5/2", 1, "-2"),
    ],
)
def test_decimals_are_written_as_people_write_them(number: str, digits: int, wanted: str) -> None:
    assert decimal_text(Fraction(number), digits) == wanted


def test_numbers_of_more_digits_than_python_writes_are_written() -> None:
    assert exact_text(Fraction(10**6000 + 7)) == "1" + "0" * 5999 + "7"
    assert exact_text(Fraction(10**20_000)) is None


def test_every_spelling_leads_to_a_function() -> None:
    assert set(KNOWN.values()) == set(FUNCTIONS)
