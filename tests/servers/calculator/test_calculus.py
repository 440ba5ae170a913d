"""Calculus of what bends, jumps or has real roots: one meaning everywhere, no answer that values contradict."""

from typing import Any

import pytest

from tests.servers.calculator.test_calculator import asked, opened

pytestmark = pytest.mark.timeout(60)

EXACT: list[tuple[str, dict[str, Any], str]] = [
    ("calculate", {"expression": "cbrt(-8)"}, "-2"),
    ("calculate", {"expression": "root(-8, 3)"}, "-2"),
    ("calculate", {"expression": "root(-2, 3)"}, "-2**(1/3)"),
    ("calculate", {"expression": "root(-32, -5)"}, "-1/2"),
    ("integrate", {"expression": "cbrt(x)", "lower": "-1", "upper": "1"}, "0"),
    ("integrate", {"expression": "cbrt(x)", "lower": "-8", "upper": "0"}, "-12"),
    ("integrate", {"expression": "root(x, 5)", "lower": "-32", "upper": "0"}, "-160/3"),
    ("integrate", {"expression": "x*cbrt(x - 1)", "lower": "0", "upper": "2"}, "6/7"),
    ("integrate", {"expression": "cbrt(x)"}, "(3*(-x)**(4/3)/4 if x <= 0, else 3*x**(4/3)/4)"),
    ("integrate", {"expression": "abs(x)"}, "(-x**2/2 if x <= 0, else x**2/2)"),
    ("integrate", {"expression": "floor(x)", "lower": "0", "upper": "3"}, "3"),
    ("integrate", {"expression": "x mod 1", "lower": "3", "upper": "0"}, "-3/2"),
    ("integrate", {"expression": "round(x) * x", "lower": "0", "upper": "2"}, "11/4"),
    ("integrate", {"expression": "1/x", "lower": "-1", "upper": "0"}, "-inf"),
    ("integrate", {"expression": "1/x", "lower": "0", "upper": "-1"}, "inf"),
    ("integrate", {"expression": "1/x", "lower": "-inf", "upper": "-1"}, "-inf"),
    ("integrate", {"expression": "1/(x - 3) + x", "lower": "0", "upper": "3"}, "-inf"),
    ("integrate", {"expression": "1/abs(x)", "lower": "-1", "upper": "1"}, "inf"),
    ("integrate", {"expression": "abs(x)/x^2", "lower": "-1", "upper": "1"}, "inf"),
    ("integrate", {"expression": "1/sin(x)", "lower": "-1", "upper": "0"}, "-inf"),
    ("integrate", {"expression": "exp(x)/x", "lower": "-1", "upper": "0"}, "-inf"),
    ("integrate", {"expression": "sqrt(x)", "lower": "-1", "upper": "1"}, "2/3 + 2*i/3"),
    ("limit", {"expression": "cbrt(x)", "to": "-8"}, "-2"),
    ("limit", {"expression": "cbrt(x)", "to": "-inf"}, "-inf"),
    ("limit", {"expression": "cbrt(x)", "to": "0"}, "0"),
    ("limit", {"expression": "cbrt(x^3 + x^2) - x", "to": "-inf"}, "1/3"),
    ("differentiate", {"expression": "cbrt(x)"}, "1/(3*cbrt(x)**2)"),
    ("differentiate", {"expression": "cbrt(x)", "at": "-8"}, "1/12"),
    ("differentiate", {"expression": "cbrt(x)", "at": "-8", "order": 2}, "1/144"),
    ("differentiate", {"expression": "sqrt(x^2)"}, "sign(x)"),
    ("differentiate", {"expression": "abs(x)", "order": 2}, "0"),
    ("differentiate", {"expression": "x*abs(x)", "at": "0"}, "0"),
    ("differentiate", {"expression": "max(x, 1)"}, "sign(x - 1)/2 + 1/2"),
    ("differentiate", {"expression": "x mod 2"}, "1"),
    ("simplify", {"expression": "cbrt(x)^3"}, "x"),
    ("simplify", {"expression": "round(x, 2)"}, "round(x, 2)"),
    ("simplify", {"expression": "x = 2"}, "x = 2"),
    ("calculate", {"expression": "max(5) + min([3])"}, "8"),
]
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("integrate", {"expression": "sin(x)", "lower": "0", "upper": "inf"}, "does not converge"),
    ("integrate", {"expression": "round(x^2)", "lower": "0", "upper": "3"}, "from jump to jump"),
    ("integrate", {"expression": "1/x", "lower": "-1", "upper": "1"}, "does not converge"),
    ("integrate", {"expression": "1/(x - 3)^3", "lower": "2", "upper": "4"}, "does not converge"),
    ("integrate", {"expression": "cbrt(x^2 - 4)"}, "give lower and upper"),
    ("integrate", {"expression": "cbrt(x^2 + 1)"}, "give lower and upper"),
    ("limit", {"expression": "cbrt(x)/abs(cbrt(x))", "to": "0"}, "ask for one side"),
    ("limit", {"expression": "cbrt(a*x)/a", "to": "8"}, "no limit that could be found"),
    ("differentiate", {"expression": "cbrt(x)", "at": "0"}, "not defined"),
    ("differentiate", {"expression": "x^2/x", "at": "0"}, "not defined"),
    ("differentiate", {"expression": "abs(x)", "at": "0"}, "no derivative there"),
    ("differentiate", {"expression": "sign(x)", "at": "0"}, "no derivative there"),
    ("differentiate", {"expression": "floor(x)", "at": "2"}, "no derivative there"),
    ("differentiate", {"expression": "floor(x)", "at": "(sqrt(2) + sqrt(3))^2 - 2*sqrt(6)"}, "no derivative there"),
    ("matrix", {"operation": "determinant", "rows": [[1, 2], [3, 4], [5, 6]]}, "needs a square matrix"),
    ("matrix", {"operation": "add", "rows": [[1, 2]], "other": [[1]]}, "1x2 and 1x1"),
]


async def test_roots_signs_and_steps_mean_in_calculus_what_they_mean_in_arithmetic() -> None:
    async with opened() as client:
        for tool, arguments, exact in EXACT:
            found = await client.call_tool(tool, arguments)
            assert not found.is_error, (tool, arguments, found.text)
            assert found.structured["exact"] == exact, (tool, arguments)


async def test_what_has_no_value_is_said_so_in_words() -> None:
    async with opened() as client:
        for tool, arguments, told in REFUSED:
            result = await client.call_tool(tool, arguments)
            assert result.is_error and told in result.text, (tool, arguments, result.text)


@pytest.mark.parametrize(
    ("expression", "lower", "upper", "decimal"),
    [
        ("cbrt(x^2 - 1)", "0", "2", "0.184903391607221"),
        ("cbrt(x^2 - 1)", "-3", "0", "1.91738147360945"),
        ("cbrt(4 - x^2)", "0", "3", "1.42674201248087"),
        ("cbrt(x^2 + 1)", "-3", "3", "9.02306491734877"),
        ("floor(x^2)", "0", "3", "7.693999474"),
    ],
)
async def test_an_integral_whose_formula_is_of_other_roots_is_computed_as_a_number(
    expression: str, lower: str, upper: str, decimal: str
) -> None:
    found = await asked("integrate", seconds=30, expression=expression, lower=lower, upper=upper)
    assert (found["exact"], found["decimal"]) == (None, decimal)


def test_a_limit_that_values_nearby_contradict_is_refused() -> None:
    import sympy  # type: ignore[import-untyped]

    from dovetail.servers.calculator.calculus import _check
    from dovetail.servers.calculator.failures import CalculatorError

    x = sympy.Symbol("x", real=True)
    _check(sympy.Integer(1), sympy.sin(x) / x, x, sympy.S.Zero, "+")
    _check(sympy.S.Zero, 1 / sympy.log(x), x, sympy.S.Zero, "+")  # so slow that nothing can be told
    with pytest.raises(CalculatorError, match="does not agree"):
        _check(sympy.Integer(2), sympy.sin(x) / x, x, sympy.S.Zero, "+")
