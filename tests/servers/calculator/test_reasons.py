"""What is answered where no formula holds for all, and that reasons for refusals are true."""

from typing import Any

import pytest

from tests.servers.calculator.test_calculator import asked

pytestmark = pytest.mark.timeout(60)


@pytest.mark.parametrize(
    ("inequality", "conditions"),
    [
        ("log(x-1) < 2", "(1 < x) & (x < 1 + exp(2))"),
        ("log(2x-2) <= 1", "(1 < x) & (x <= 1 + e/2)"),
        ("e^x > x+1", "x != 0"),
        ("e^x <= x+1", "x = 0"),
        ("floor(x) > 2", "3 <= x"),
        ("cos(x) >= x", "x <= 0.739085133215161"),
        ("e^x > 3x", "(1.51213455165784 < x) | (x < 0.619061286735945)"),
        ("(x-2)^2*(x+1) <= 0", "(x = 2) | (x <= -1)"),
    ],
)
async def test_conditions_of_inequalities(inequality: str, conditions: str) -> None:
    assert (await asked("solve", seconds=20, equations=[inequality]))["conditions"] == conditions


async def test_an_inequality_that_was_tried_at_points_is_not_called_solved_for_good() -> None:
    found = await asked("solve", seconds=20, equations=["2^x > x"])
    assert found["complete"] is False
    assert "true for all real numbers, as far as points" in found["note"]
    assert "No way to solve" in await asked("solve", seconds=20, equations=["floor(x) >= x - 1/2"])


@pytest.mark.parametrize(
    ("rows", "other", "told"),
    [
        ([[1, 0], [0, 1], [1, 1]], [[1], [2], [4]], "contradict each other"),
        ([[1, 2], [2, 4]], [[1], [3]], "contradict each other"),
        ([[1, 2], [2, 4]], [[1], [2]], "infinitely many solutions: the equations tell 1 of 2"),
        ([[1, 2, 3]], [[1]], "infinitely many solutions"),
        ([[1, 2]], [[1], [2]], "shapes do not fit"),
    ],
)
async def test_why_a_system_has_no_single_solution(rows: Any, other: Any, told: str) -> None:
    assert told in await asked("matrix", operation="solve", rows=rows, other=other)


async def test_a_system_with_more_equations_than_unknowns_is_solved_if_they_agree() -> None:
    found = await asked("matrix", operation="solve", rows=[[1, 0], [0, 1], [1, 1]], other=[[1], [2], [3]])
    assert [row[0]["exact"] for row in found["rows"]] == ["1", "2"]


async def test_matrices_with_names_are_reduced_for_general_values_and_a_note_says_so() -> None:
    found = await asked("matrix", operation="rref", rows=[["a", 1], [1, "a"]])
    assert "for general values" in found["note"]
    assert (await asked("matrix", operation="rref", rows=[[2, 1], [1, 1]]))["note"] is None


async def test_an_integral_without_a_formula_for_all_names_is_said_to_be_that() -> None:
    found = await asked("integrate", seconds=20, expression="abs(x-a)", lower="0", upper="1")
    assert "other names" in found and "ValueError" not in found


async def test_an_antiderivative_leaves_out_the_case_in_which_nothing_is_defined() -> None:
    found = await asked("integrate", seconds=50, expression="1/(a+b*cos(x))")
    assert found["exact"].startswith("(tan(x/2)/b if a = b")


async def test_what_is_not_real_has_no_infinite_limit() -> None:
    assert "not real" in await asked("limit", expression="log(x)", to="-inf")
    assert (await asked("limit", expression="log(x)", to="0", side="right"))["exact"] == "-inf"


async def test_both_halves_of_the_time_are_told_of_what_took_too_long() -> None:
    endless = "sqrt(tan(x))/(x^5+exp(x)+1)*log(sin(x))*gamma(x)"
    found = await asked("integrate", seconds=1, expression=endless, lower="1/10", upper="1/5")
    assert "Stopped after 1 s" in found or "no value" in found.lower()


async def test_names_of_units_that_people_write() -> None:
    assert (await asked("calculate", expression="3 kmh to km/h"))["exact"] == "3"
    assert (await asked("calculate", expression="3 sqft to ft^2"))["exact"] == "3"
    assert (await asked("calculate", expression="8 fl_oz to cup"))["exact"] == "1"
    assert "mile/gallon" in await asked("calculate", expression="30 mpg")
    assert "is a currency" in await asked("calculate", expression="3 USD")
