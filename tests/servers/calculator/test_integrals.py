"""Integrals of whole families of functions: a number that comes out is right, whatever a formula says."""

from importlib import import_module
from math import inf, isclose
from typing import Any

import pytest

from dovetail.servers.calculator.failures import CalculatorError
from dovetail.servers.calculator.parsing import parse

sympy = import_module("sympy")
mpmath = import_module("mpmath")

pytestmark = pytest.mark.timeout(60)


def integral(expression: str, lower: str, upper: str) -> Any:
    """What the calculator answers; None where it refuses."""
    from dovetail.servers.calculator.answers import Job
    from dovetail.servers.calculator.integrals import integrate

    trees = [parse(text).tree for text in (expression, lower, upper)]
    try:
        return integrate(Job(do="integrate", trees=trees, names=["x"], digits=15, seconds=10)).answer
    except CalculatorError:
        return None


def number(answer: Any) -> float | None:
    if answer is None:
        return None
    return {"inf": inf, "-inf": -inf}.get(answer.exact) if answer.decimal is None else float(answer.decimal)


PEAKS = [
    (f"{shape.format(place=place, width=width)}", low, high, area * width)
    for shape, area in (
        ("exp(-((x - {place})/{width})^2)", 3.141592653589793**0.5),
        ("exp(-abs((x - {place})/{width}))", 2.0),
        ("sech((x - {place})/{width})", 3.141592653589793),
    )
    for place, width, low, high in (
        (50, 1, "0", "1000"),
        (1000, 1, "-inf", "inf"),
        (0.375, 0.01, "-100", "100"),
        (-12345, 0.5, "-inf", "inf"),
        (777, 0.125, "-100000", "1000000"),
    )
]
INFINITE = [
    ("exp(1/x)/x^2", "-1", "1"),
    ("exp(-1/x)/x^2", "-1", "1"),
    ("exp(1/x)", "-1", "1"),
    ("2^(1/x)/x^2", "-1", "1"),
    ("exp(1/(x-1))/(x-1)^2", "0", "3"),
    ("exp(-x)*exp(1/x)", "-1", "1"),
    ("1/(x - 3) + x", "3", "4"),
    ("1/abs(x - 1/3)", "0", "1"),
    ("1/(x - sqrt(2))^2", "0", "2"),
    ("1/x^2", "-1", "1"),
    ("x^2", "0", "inf"),
    ("2 + sin(x)", "0", "inf"),
]
ODD = ["x^3", "sin(x)", "x*exp(-x^2)", "atan(x)", "cbrt(x)", "x/(1 + x^4)"]
ORDINARY = [
    ("1/sqrt(x)", [0, 4]),
    ("log(x)", [0, 1]),
    ("1/sqrt(1 - x^2)", [-1, 1]),
    ("sqrt(tan(x))", [0, 1.5]),
    ("x^x", [0, 2]),
    ("1/(1 + x^4)", [-5, 0, 5]),
    ("abs(x - 1/3)^(1/3)", [0, 1 / 3, 1]),
    ("max(x, x^2)", [-1, 0, 1, 2]),
    ("tanh(x)/x", [-3, 0, 3]),
    ("exp(-1/x^2)", [-2, 0, 2]),
    ("asin(x)*acos(x)", [-1, 0, 1]),
    ("sin(20*x)*exp(-x)", [0, 1, 2, 3]),
    ("x/(exp(x) - 1)", [0, 1, 10, 60]),
]


@pytest.mark.parametrize(("expression", "low", "high", "area"), PEAKS)
def test_no_peak_is_missed_wherever_it_is_and_however_narrow(expression: str, low: str, high: str, area: float) -> None:
    found = number(integral(expression, low, high))
    assert found is not None and isclose(found, area, rel_tol=1e-9)


@pytest.mark.parametrize(("expression", "low", "high"), INFINITE)
def test_what_is_positive_and_infinite_has_no_finite_integral(expression: str, low: str, high: str) -> None:
    assert number(integral(expression, low, high)) in (None, inf)
    assert number(integral(expression, high, low)) in (None, -inf)


@pytest.mark.parametrize("inside", ODD)
@pytest.mark.parametrize("end", ["1", "7/3"])
def test_odd_functions_cancel_and_even_ones_double(inside: str, end: str) -> None:
    assert number(integral(inside, f"-{end}", end)) in (None, 0)
    half, whole = (number(integral(f"({inside})^2", low, end)) for low in ("0", f"-{end}"))
    assert half is None or whole is None or isclose(whole, 2 * half, rel_tol=1e-12)


@pytest.mark.parametrize(("expression", "places"), ORDINARY)
def test_what_is_given_is_what_sums_give_that_are_cut_at_every_bend(expression: str, places: list[float]) -> None:
    from dovetail.servers.calculator.symbolic import Builder

    built = Builder(symbols=True).build(parse(expression).tree)

    def at(place: Any) -> Any:
        return mpmath.mpf(built.evalf(30, subs={sympy.Symbol("x"): sympy.Float(place, 30)}))

    with mpmath.workdps(20):
        expected = float(mpmath.quad(at, places))
    found = number(integral(expression, str(sympy.Rational(places[0])), str(sympy.Rational(places[-1]))))
    assert found is None or isclose(found, expected, rel_tol=1e-6, abs_tol=1e-12)


@pytest.mark.parametrize("pole", ["1/3", "-2", "sqrt(2)"])
@pytest.mark.parametrize("power", ["1", "2", "3"])
def test_poles_inside_leave_no_finite_number(pole: str, power: str) -> None:
    assert number(integral(f"1/(x - ({pole}))^{power}", "-3", "2")) in (None, inf)


@pytest.mark.parametrize(
    ("expression", "low", "high"),
    [
        ("1/x^2", "-a", "a"),
        ("a*exp(1/x)/x^2", "-1", "1"),
        ("1/(x^2 + a)", "-inf", "inf"),
        ("1/x", "1", "a"),
    ],
)
def test_a_formula_that_is_wrong_for_some_values_of_other_names_is_not_given(
    expression: str, low: str, high: str
) -> None:
    assert integral(expression, low, high) is None


@pytest.mark.parametrize(
    ("expression", "low", "high", "exact"),
    [
        ("x", "0", "a", "a**2/2"),
        ("a*x^2 + b", "0", "h", "h*(a*h**2/3 + b)"),
        ("cos(x)^2", "0", "t", "t/2 + sin(2*t)/4"),
    ],
)
def test_a_formula_with_other_names_says_how_far_it_was_checked(
    expression: str, low: str, high: str, exact: str
) -> None:
    found = integral(expression, low, high)
    assert found.exact == exact and "not proved" in found.note


@pytest.mark.parametrize(
    ("expression", "low", "high", "exact"),
    [
        ("sin(x)/x", "0", "inf", "pi/2"),
        ("cos(x^2)", "0", "inf", "sqrt(2)*sqrt(pi)/4"),
        ("exp(-(x-1000)^2)", "-inf", "inf", "sqrt(pi)"),
    ],
)
def test_what_oscillates_far_out_is_averaged(expression: str, low: str, high: str, exact: str) -> None:
    assert integral(expression, low, high).exact == exact


def test_what_only_sums_over_points_bear_out_says_so() -> None:
    found = integral("sqrt(x)", "-1", "1")
    assert found.exact == "2/3 + 2*i/3" and "sums over points" in found.note


def test_a_formula_that_nothing_bears_out_is_not_given() -> None:
    assert integral("1/(x*log(x)^2)", "2", "inf") is None


@pytest.mark.parametrize(
    ("expression", "lower", "upper"),
    [
        *((f"1/{below}", "1/2", "2") for below in ("ln(x)", "log10(x)", "(3*ln(x))", "ln(x)^3", "(x*ln(x))")),
        *((f"{above}/ln(x)", "3/4", "5/4") for above in ("x", "sin(x)", "x^2")),
        ("1/ln(x)", "0", "2"),
        ("1/ln(x/2)", "1", "3"),
    ],
)
def test_a_pole_with_another_sign_on_either_side_is_no_infinity(expression: str, lower: str, upper: str) -> None:
    assert integral(expression, lower, upper) is None


@pytest.mark.parametrize(
    ("expression", "lower", "upper", "value"),
    [
        ("1/ln(x)", "1", "2", inf),
        ("1/ln(x)", "2", "1", -inf),
        ("1/ln(x)", "0", "1", -inf),
        ("1/ln(x)^2", "0", "2", inf),
        ("1/abs(ln(x))", "1/2", "2", inf),
        ("1/sin(x)", "0", "pi", inf),
    ],
)
def test_an_infinite_integral_next_to_a_zero_of_a_logarithm_or_a_sine_is_told(
    expression: str, lower: str, upper: str, value: float
) -> None:
    assert number(integral(expression, lower, upper)) == value


@pytest.mark.parametrize(
    ("expression", "side", "grows"),
    [
        ("1/log(x)", 1, "up"),
        ("1/log(x)", -1, "down"),
        ("1/sqrt(x - 1)", 1, "stays"),
        ("1/sqrt(x - 1)", -1, "not known"),
        ("1/((x - 1)*log(x - 1))", 1, "not known"),
        ("sin(1/(x - 1))/(x - 1)**2", 1, "not known"),
    ],
)
def test_what_is_not_known_of_a_pole_is_not_taken_for_no_pole(expression: str, side: int, grows: str) -> None:
    from dovetail.servers.calculator.convergence import _growth

    x = sympy.Symbol("x", real=True)
    assert _growth(sympy.sympify(expression, locals={"x": x}), x, sympy.Integer(1), side) == grows


@pytest.mark.parametrize(
    ("expression", "lower", "upper"),
    [
        ("1/x^1.001", "1", "inf"),
        ("log(x)/x^1.01", "1", "inf"),
        ("log(x)^3/x^1.001", "1", "inf"),
        ("1/x^0.999", "0", "1"),
        ("x^(0.001-1)*exp(-0.001*x)", "0", "inf"),
        ("1/(x-1)^0.999", "1", "2"),
        ("1/x^1.00000001", "1", "inf"),
        ("log(x)/x^1.0002", "1", "inf"),
        ("x^2*exp(-x^0.05)", "0", "inf"),
        ("1/(x^2 + 1e-66)", "0", "1"),
    ],
)
def test_an_integral_that_converges_by_little_is_not_infinite(expression: str, lower: str, upper: str) -> None:
    answer = integral(expression, lower, upper)
    assert answer is None or number(answer) not in (inf, -inf)


def test_bounds_that_are_infinite_are_none() -> None:
    from dovetail.servers.calculator.enclosures import enclosed

    x = sympy.Symbol("x", real=True)
    assert enclosed(1 / sympy.log(x) ** 2, x, (sympy.Rational(1, 2), sympy.Integer(2)), []) is None
