"""What has names in it means the same as what has numbers in their place: for every function, at many points."""

from fractions import Fraction
from importlib import import_module

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.servers.calculator.exact import SMALL, Arithmetic, evaluate
from dovetail.servers.calculator.failures import CalculatorError, Irrational
from dovetail.servers.calculator.functions import FUNCTIONS, call
from dovetail.servers.calculator.parsing import parse

sympy = import_module("sympy")

_ONLY_NUMBERS = {
    "gcd",
    "lcm",
    "isprime",
    "nextprime",
    "powmod",
    "count",
    "median",
    "fib",
    "comb",
    "perm",
    "zeta",
    "polygamma",
}
"""Functions that take no names, or whole numbers only."""
_INSIDE = ["{}", "{} - 2", "-{}", "{}*{}", "{}/2", "2*{} + 1", "sin({})", "abs({}) + 1", "{}^3", "cbrt({})"]
_LARGEST = 10**100
_POINTS = st.sampled_from(["0", "1", "-1", "-8", "5/2", "-5/2", "1/2", "-1/3", "7", "27", "-27/8", "10"])


def _value(text: str, at: str | None) -> complex | None:
    """What an expression is: with x put in after it was read, or before; None where it is not defined."""
    from dovetail.servers.calculator.symbolic import Builder

    try:
        built = Builder(symbols=True).build(parse(text).tree)
        if at is not None:
            built = built.subs(sympy.Symbol("x"), sympy.Rational(at))
    except CalculatorError:
        return None
    number = built.evalf(20)
    told = number.is_number and not number.has(sympy.nan, sympy.zoo, sympy.oo) and abs(number) < _LARGEST
    return complex(number) if told else None


def _exact(text: str) -> complex | None:
    try:
        exact = evaluate(parse(text).tree, Arithmetic(SMALL), call)
    except (Irrational, CalculatorError):
        return None
    return complex(float(exact)) if abs(exact) < _LARGEST else None


@st.composite
def expressions(draw: st.DrawFn) -> str:
    """A function that takes names, of expressions in `{}`."""
    name = draw(st.sampled_from(sorted(set(FUNCTIONS) - _ONLY_NUMBERS)))
    known = FUNCTIONS[name]
    count = draw(st.integers(known.least, min(known.most, 3)))
    inside = [draw(st.sampled_from(_INSIDE)) for _ in range(count)]
    if name == "root":
        inside[1] = draw(st.sampled_from(["2", "3", "5", "-3", "-2", "4"]))
    if name == "round" and count == 2:
        inside[1] = draw(st.sampled_from(["0", "1", "-1", "2"]))
    before = draw(st.sampled_from(["", "", "2*", "{} + ", "-"]))
    return f"{before}{name}({', '.join(inside)})"


def _jumps(text: str, at: str) -> bool:
    """Tell whether this may be acot at 0: it is pi/2, and -pi/2 of `acot(-x)`, which sympy writes as `-acot(x)`."""
    return "acot(-{})" in text and at == "0"


@given(expressions(), _POINTS)
def test_a_function_of_a_name_is_that_of_the_number_put_in(text: str, at: str) -> None:
    with_name = _value(text.replace("{}", "x"), at)
    with_number = text.replace("{}", f"({at})")
    for other in (_value(with_number, None), _exact(with_number)):
        if with_name is not None and other is not None and not _jumps(text, at):
            assert abs(with_name - other) <= 1e-9 * (1 + abs(other)), (text, at, with_name, other)


@given(expressions(), _POINTS)
def test_computing_in_place_gives_what_a_process_gives(text: str, at: str) -> None:
    written = text.replace("{}", f"({at})")
    exact, built = _exact(written), _value(written, None)
    if exact is not None and built is not None:
        assert abs(exact - built) <= 1e-9 * (1 + abs(exact)), (written, exact, built)


@pytest.mark.parametrize("operator", ["mod", "//", "%"])
@given(left=st.fractions(-50, 50, max_denominator=6), right=st.fractions(-9, 9, max_denominator=4))
def test_remainders_agree_whatever_the_signs(operator: str, left: Fraction, right: Fraction) -> None:
    if right:
        named = _value(f"x {operator} ({right})", str(left))
        assert named == _exact(f"({left}) {operator} ({right})")


@pytest.mark.parametrize(
    ("text", "at", "value"),
    [
        ("cbrt(x)", "-8", -2),
        ("root(x, 5)", "-32", -2),
        ("root(x, -3)", "-8", -0.5),
        ("round(x)", "5/2", 2),
        ("round(x)", "7/2", 4),
        ("round(x, -1)", "25", 20),
        ("round(x, 1)", "-1/4", -0.2),
        ("x^0", "0", 1),
    ],
)
def test_what_was_another_thing_with_a_name_is_the_same(text: str, at: str, value: float) -> None:
    found = _value(text, at)
    assert found is not None and abs(found - value) < 1e-12
