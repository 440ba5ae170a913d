"""Solving where formulas end: every zero near 0 is found, poles and steps are none, and conditions are tried out."""

from typing import Any

import pytest

from tests.servers.calculator.test_calculator import asked, opened

pytestmark = pytest.mark.timeout(60)


def values(found: Any) -> list[float]:
    return [round(float(one["values"]["x"]["decimal"]), 4) for one in found["solutions"]]


FOUND = [
    ("x = sin(x)", [0]),
    ("x^2 = sin(x)", [0, 0.8767]),
    ("cos(x) = 1 - x", [0]),
    ("sin(x) = x/10", [-8.4232, -7.0682, -2.8523, 0, 2.8523, 7.0682, 8.4232]),
    ("exp(x) = 1 + x^3", [-0.8252, 0, 1.5450, 4.5670]),
    ("exp(x) - 1 = 2*x", [0, 1.2564]),
    ("log(x + 1) = x/2", [0, 2.5129]),
    ("sinh(x) = 3*x", [-2.8384, 0, 2.8384]),
    ("gamma(x) = 6", [-5.0014, -3.9930, -3.0269, -1.9082, -1.1612, 0.1552, 4]),
    ("abs(x^2 - 2) = 0", [-1.4142, 1.4142]),
    ("abs(x - 1/3) = 0", [0.3333]),
    ("cbrt(x) = -2", [-8]),
    ("root(x, 3) = -2", [-8]),
    ("cbrt(x - 1) = cbrt(2x + 5)", [-6]),
    ("cbrt(x)^2 - cbrt(x) = 6", [-8, 27]),
]


async def test_all_zeros_that_show_are_found_that_at_0_too() -> None:
    async with opened() as client:
        for equation, zeros in FOUND:
            found = await client.call_tool("solve", {"equations": [equation]})
            assert not found.is_error, (equation, found.text)
            assert values(found.structured) == zeros, equation


@pytest.mark.parametrize(
    ("equation", "near"),
    [
        ("tan(x) = x", [-7.7253, -4.4934, 0, 4.4934, 7.7253]),
        ("x mod 1 = 1/2", [-1.5, -0.5, 0.5, 1.5]),
        ("abs(sin(x)) = 1", [-4.7124, -1.5708, 1.5708, 4.7124]),
    ],
)
async def test_of_many_zeros_those_next_to_0_are_given_and_that_there_are_more(
    equation: str, near: list[float]
) -> None:
    found = await asked("solve", equations=[equation], seconds=30)
    assert [value for value in values(found) if abs(value) <= max(near) + 0.1] == near
    assert len(found["solutions"]) == 20
    assert "signs of more" in found["note"] and not found["complete"]


@pytest.mark.parametrize("equation", ["1/x = 0", "floor(x) = 5/2", "tan(x)^2 = -1", "abs(x - 1/3) = -1/1000"])
async def test_poles_steps_and_near_misses_are_no_zeros(equation: str) -> None:
    found = await asked("solve", equations=[equation])
    assert isinstance(found, str) or not [one for one in found["solutions"] if one["values"]["x"]["kind"] == "real"]


@pytest.mark.parametrize(
    ("relations", "conditions"),
    [
        (["cbrt(x) < 0"], "x < 0"),
        (["cbrt(2x + 1) > -3"], "-27 < 2*x + 1"),
        (["cbrt(x) < x"], "(1 < x) | ((-1 < x) & (x < 0))"),
        (["1/(x - 1) > 0"], "1 < x"),
        (["x != 3", "x > 2"], "(x > 2) & (x != 3)"),
        (["x^5 - x - 1 > 0"], "1.16730397826142 < x"),
    ],
)
async def test_conditions_are_written_for_readers(relations: list[str], conditions: str) -> None:
    assert (await asked("solve", equations=relations))["conditions"] == conditions


async def test_an_inequality_without_a_way_to_solve_it_says_what_to_do() -> None:
    for relation in ("floor(x) >= x - 1/2", "cbrt(x) < cbrt(x^2 - 1)"):
        assert "solve it as an equation" in await asked("solve", equations=[relation])


async def test_roots_without_a_formula_are_decimals_with_words() -> None:
    found = await asked("solve", equations=["x^5 - x - 1 = 0"])
    first = found["solutions"][0]["values"]["x"]
    assert (first["exact"], first["decimal"]) == (None, "1.16730397826142")
    assert "x**5 - x - 1" in first["note"]


def test_conditions_that_points_contradict_are_refused() -> None:
    import sympy  # type: ignore[import-untyped]

    from dovetail.servers.calculator.inequalities import _contradicted

    x = sympy.Symbol("x")
    assert _contradicted(sympy.false, [x < 0], x, False)
    assert _contradicted(x < 1, [x < 0], x, False)
    assert _contradicted(x < -1, [x < 0], x, False)
    assert not _contradicted(x < 0, [x < 0], x, False)


@pytest.mark.parametrize(
    ("equations", "found"),
    [
        (["x^2/x = 0"], []),
        (["1/(1/x) = 0"], []),
        (["exp(log(x)) = 0"], []),
        (["x/x + x = 1"], []),
        (["1/x - 1/x + x = 0"], []),
        (["x/x + x = 1 + sin(x)"], []),
        (["(x^2 - 2)*(x - 1)/(x^2 - 2) = 0"], [1]),
        (["(x^2 - x)/x = 0"], [1]),
        (["x^2/x = y", "y = 0"], []),
        (["(x^2 - 1)/(x - 1) = 3"], [2]),
    ],
)
async def test_where_an_equation_is_not_defined_as_it_was_written_it_has_no_solution(
    equations: list[str], found: list[float]
) -> None:
    assert values(await asked("solve", equations=equations)) == found


async def test_what_was_left_out_is_said() -> None:
    found = await asked("solve", equations=["x^2/x = 0"])
    assert found["complete"] and "left out" in found["note"]


@pytest.mark.parametrize(
    ("relation", "conditions"),
    [
        ("x^2/x >= 0", "(0 <= x) & (x != 0)"),
        ("exp(log(x)) > -1", "(-1 < x) & (x != 0)"),
        ("1/x < 1", "(1 < x) | (x < 0)"),
    ],
)
async def test_conditions_leave_out_where_an_inequality_is_not_defined(relation: str, conditions: str) -> None:
    assert (await asked("solve", equations=[relation]))["conditions"] == conditions
