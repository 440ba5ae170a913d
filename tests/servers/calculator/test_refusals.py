"""What cannot be told is refused, and what holds is not left out."""

from typing import Any

import pytest

from tests.servers.calculator.test_calculator import asked, opened

pytestmark = pytest.mark.timeout(60)


@pytest.mark.parametrize("expression", ["30 dBm to W", "1 Np to dB", "1 W to dBm", "20 dB to 1", "2 octave to 1"])
async def test_units_on_a_logarithmic_scale_are_refused_with_what_to_write(expression: str) -> None:
    told = await asked("calculate", expression=expression)
    assert isinstance(told, str) and "logarithmic scale" in told


async def test_farads_into_coulombs_tells_of_temperatures() -> None:
    assert "degF" in await asked("calculate", expression="72 F to C")


UNKNOWN: list[tuple[str, dict[str, Any]]] = [
    ("limit", {"expression": "foo(x)", "to": "0"}),
    ("differentiate", {"expression": "foo(x)"}),
    ("integrate", {"expression": "foo(x)", "lower": "0", "upper": "1"}),
    ("simplify", {"expression": "f(x) + x"}),
    ("solve", {"equations": ["foo(x) = 1"]}),
]


async def test_an_unknown_function_is_no_product() -> None:
    async with opened() as client:
        for tool, arguments in UNKNOWN:
            found = await client.call_tool(tool, arguments)
            assert found.is_error and "is no function" in found.text, (tool, found.text)


async def test_a_variable_before_a_bracket_is_a_factor() -> None:
    assert (await asked("differentiate", expression="x(x + 1)"))["exact"] == "2*x + 1"
    assert (await asked("differentiate", expression="t(2)", variable="t"))["exact"] == "2"


async def test_functions_that_sympy_has_are_offered() -> None:
    assert (await asked("limit", expression="sinc(x)", to="0"))["exact"] == "1"
    assert (await asked("differentiate", expression="erfc(x)"))["exact"] == "-2*exp(-x**2)/sqrt(pi)"
    assert (await asked("integrate", expression="sech(x)", lower="0", upper="1"))["decimal"] == "0.865769483239659"


@pytest.mark.parametrize(
    ("relation", "conditions"),
    [
        ("atan(x) < 3", None),
        ("atan(x) != 2", None),
        ("asin(x) > -2", "(x >= -1) & (x <= 1)"),
        ("acos(x) > -1", "(x >= -1) & (x <= 1)"),
    ],
)
async def test_points_where_an_inequality_holds_are_not_left_out(relation: str, conditions: str | None) -> None:
    assert (await asked("solve", equations=[relation]))["conditions"] == conditions


async def test_a_system_without_formulas_is_solved_by_roots() -> None:
    found = await asked("solve", equations=["x^5 - 5x + 1 = 0", "y = x^2"])
    assert len(found["solutions"]) == 5 and found["complete"]


async def test_a_long_number_does_not_make_an_equation_too_large() -> None:
    found = await asked("solve", equations=["x*exp(-x) = 1/1000000"])
    decimals = [one["values"]["x"]["decimal"] for one in found["solutions"]]
    assert decimals == ["0.0000010000010000015", "16.6265089013725"]


async def test_what_cannot_be_read_back_is_not_given() -> None:
    assert "cannot be read back" in await asked("limit", expression="x^a", to="inf")
    assert isinstance(await asked("integrate", expression="1/(x^2 + a)", lower="-inf", upper="inf"), str)
