"""Equations whose roots have no formula: all of them are found, quickly, and proved to be all."""

from typing import Any

import pytest
import sympy  # type: ignore[import-untyped]

from dovetail.servers.calculator.polynomials import roots_without_formula
from tests.servers.calculator.test_calculator import asked

pytestmark = pytest.mark.timeout(60)
X = sympy.Symbol("x")
BOND = "950 = " + " + ".join(f"50/(1+r)^{year}" for year in range(1, 8)) + " + 1050/(1+r)^8"


def reals(found: Any) -> list[str]:
    values = [value for one in found["solutions"] for value in one["values"].values()]
    return [value["decimal"] for value in values if value["kind"] != "complex"]


@pytest.mark.parametrize(
    ("equation", "real", "count"),
    [
        ("x^7 + 3x^3 - 2 = 0", ["0.831559737754335"], 7),
        ("x^8 - 3x + 1 = 0", ["0.333384200653759", "1.11185762215221"], 8),
        ("x^9 + x - 5 = 0", ["1.16120926708213"], 9),
        (BOND, ["-2.00627137457139", "0.0579877935673731"], 8),
        ("100*((1+r)^12-1)/r = 1500", ["0.0397003021521624"], 11),
        ("(x^5 - x - 1)*(x^2 - 4) = 0", ["-2", "1.16730397826142", "2"], 7),
    ],
)
async def test_all_roots_of_a_polynomial_without_formulas_are_found(equation: str, real: list[str], count: int) -> None:
    found = await asked("solve", equations=[equation])
    assert reals(found) == real
    assert (len(found["solutions"]), found["complete"]) == (count, True)


async def test_all_real_roots_are_found_where_the_degree_is_high() -> None:
    found = await asked("solve", equations=["200000*r/(1-(1+r)^-360) = 1199.10"])
    assert reals(found) == ["-1.98400463764586", "0.00499999319311922"]
    assert "all real solutions" in found["note"]
    assert "degree 361" in found["solutions"][0]["values"]["r"]["note"]


@pytest.mark.parametrize(
    ("equation", "real"),
    [
        ("x^41 + 10^28*x - 3 = 0", ["3e-28"]),
        ("x^41 + 10^40*x - 1 = 0", ["1e-40"]),
        ("x^41 + 10^40*x + 1 = 0", ["-1e-40"]),
        ("(1+r)^60 = 1 + 3e-30", ["-2", "5e-32"]),
    ],
)
async def test_roots_next_to_0_have_their_digits_too(equation: str, real: list[str]) -> None:
    assert reals(await asked("solve", equations=[equation], digits=5)) == real


def test_what_has_formulas_is_left_to_them() -> None:
    for zero in (X**6 - 2, X**4 - X - 1, X**8 + X**4 + 1, sympy.sin(X), X**5 - sympy.pi):
        assert roots_without_formula(zero, X, 15) is None


def test_roots_next_to_each_other_are_told_apart() -> None:
    near = X**7 - 2 * (1000 * X - 1) ** 2  # Mignotte's: two roots about 1e-13 from each other
    found = roots_without_formula(near, X, 15)
    assert found is not None and len(found.roots) == 7
    real = [one.value for one in found.roots if not one.value.has(sympy.I)]
    assert len(real) == sympy.Poly(near, X).count_roots() == len(set(real))


async def test_what_formulas_take_too_long_for_is_searched_for() -> None:
    found = await asked("solve", seconds=8, equations=["x^1000 - 3x = 1/7"])
    assert found["complete"] is False
    assert any(value.startswith("-0.0476190") for value in reals(found))
