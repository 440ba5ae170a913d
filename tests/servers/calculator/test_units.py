"""Units: names come from a table, arithmetic with them is ours, and temperatures are readings."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.servers.calculator.exact import SMALL, Arithmetic, evaluate
from dovetail.servers.calculator.failures import CalculatorError
from dovetail.servers.calculator.functions import call
from dovetail.servers.calculator.parsing import parse
from dovetail.servers.calculator.quantities import as_written, in_unit, quantity, wanted
from dovetail.servers.calculator.units import units


def measured(text: str) -> tuple[Fraction, str | None]:
    read = parse(text)
    value = quantity(read.tree, units().find)
    if read.unit is None:
        tree, unit = as_written(value)
    else:
        tree, unit = in_unit(value, wanted(read.unit, units().find), "that"), None
    return evaluate(tree, Arithmetic(SMALL), call), unit


@pytest.mark.parametrize(
    ("text", "number", "unit"),
    [
        ("3 km + 200 m", "16/5", "km"),
        ("10 km / 2 h", "5", "km/h"),
        ("5 kg * 2 m / (2 s)^2", "5/2", "kg*m/s^2"),
        ("sqrt(16 m^2)", "4", "m"),
        ("sum([1 m, 2 ft])", "1006/625", "m"),
        ("abs(-3 s)", "3", "s"),
        ("20 degC - 15 degC", "5", "delta_degC"),
        ("-5 degC + 3 delta_degC", "-2", "degC"),
        ("50% of 30 kg", "15", "kg"),
        ("6 m / 2 m", "3", None),
        ("150 kg + 10%", "165", "kg"),
        ("2 * (20 degC - 10 degC)", "20", "delta_degC"),
        ("(20 °C - 10 °C) / 2", "5", "delta_degC"),
        ("5 m * (20 degF - 10 degF)", "50", "m*delta_degF"),
        ("sqrt((4 degC - 2 degC)^2)", "2", "delta_degC"),
        ("max(20 celsius - 10 celsius, 5 delta_degC)", "10", "delta_celsius"),
        ("2 J/K * (30 degC - 20 degC) to J", "20", None),
        ("2/4 degC + (20 degC - 10 degC)", "21/2", "degC"),
    ],
)
def test_a_result_is_in_the_units_that_it_was_written_in(text: str, number: str, unit: str | None) -> None:
    assert measured(text) == (Fraction(number), unit)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1 mile to km", "1.609344"),
        ("60 mph in km/h", "96.56064"),
        ("12 in to cm", "30.48"),
        ("1/3 cup to ml", "78.8627455"),
        ("25 degC to degF", "77"),
        ("-40 °F to °C", "-40"),
        ("300 K to degC", "26.85"),
        ("1 GiB to byte", "1073741824"),
        ("100 kWh to MJ", "360"),
        ("9.81 m/s² * 70 kg to N", "686.7"),
        ("1 atm to Pa", "101325"),
        ("speed_of_light to m/s", "299792458"),
        ("5 µm to mm", "0.005"),
        ("2 liters to m^3", "0.002"),
        ("1 acre to ft^2", "43560"),
        ("1 acre to m^2", "4046.8564224"),
        ("1 furlong to m", "201.168"),
        ("1 acre_foot to ft^3", "43560"),
        ("-273.15 degC to K", "0"),
        ("-5 delta_degC to K", "-5"),
    ],
)
def test_conversions_are_exact(text: str, number: str) -> None:
    assert measured(text)[0] == Fraction(number)


def test_a_long_sum_is_no_deep_one() -> None:
    assert measured("+".join(["1 km"] * 1_000)) == (Fraction(1_000), "km")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("5 kg to m", "gram cannot be given in"),
        ("1 kg + 1 m", "cannot be added"),
        ("1 kg + 1", "plain number"),
        ("5 m to 3 m", "without numbers"),
        ("5 m to m + m", "without sums"),
        ("-300 degC to K", "below absolute zero"),
        ("-500 degF", "below absolute zero"),
        ("-5 K to degC", "below absolute zero"),
        ("20 degC - 300 K", "below absolute zero"),
        ("2 degC * 3", "is a reading"),
        ("2 * 20 degC", "is a reading"),
        ("2 * (20 degC)", "is a reading"),
        ("2 (degC + 1 delta_degC)", "is a reading"),
        ("3 * (10 degC + 5 delta_degC)", "is a reading"),
        ("50% of 20 degC", "is a reading"),
        ("-(20 degC) < 5 degC", "is a reading"),
        ("5 delta_degC < 20 degC", "is a reading"),
        ("20 degC to delta_degC", "is no difference"),
        ("5 delta_degC to degF", "delta_"),
        ("2 * (20 degC - 10 degC) to degF", "delta_"),
        ("(20 degC - 10 degC)/2 to degC", "delta_"),
        ("sqrt((4 degC - 2 degC)^2) to degC", "delta_"),
        ("sum([20 K, 20 degC - 10 degC]) to degC", "delta_"),
        ("20 degC + 5 degC", "cannot be added"),
        ("25 degC - 10 degC to degF", "delta_"),
        ("-(20 degC) to K", "is a reading"),
        ("2^(1 m)", "plain numbers"),
        ("sin(1 m)", "plain numbers"),
        ("(1 m)^1000", "between -100 and 100"),
        ("(1 m)^pi", "whole or rational"),
        ("1 metre_per_fortnigth", "no constant, function or unit"),
        ("1 kilometr", "Did you mean"),
        ("3 m > 2 s", "cannot be added or compared"),
        ("5!m % 3 m", "plain numbers"),
    ],
)
def test_what_does_not_fit_is_said_so(text: str, told: str) -> None:
    with pytest.raises(CalculatorError, match=told):
        measured(text)


@given(st.text(max_size=30))
def test_any_name_is_a_unit_or_none(name: str) -> None:
    unit = units().find(name)
    assert unit is None or (isinstance(unit.factor, Fraction) and unit.factor > 0)


@given(st.data())
def test_a_conversion_and_its_way_back_lose_nothing(data: st.DataObject) -> None:
    table = units()
    here = table.find(data.draw(st.sampled_from(table.names())))
    assert here is not None
    there = data.draw(st.sampled_from(table.like(here.dimensions)))
    number = data.draw(st.fractions(-1000, 1000, max_denominator=100))
    other = table.find(there)
    assert other is not None
    if here.turns or other.turns or here.offset is not None or other.offset is not None:
        return
    found, _ = measured(f"{number.numerator}/{number.denominator} {here.name} to {there}")
    assert found * other.factor == number * here.factor


def test_pi_stands_in_angles_as_itself() -> None:
    degree = units().find("degree")
    assert degree is not None
    assert (degree.factor, degree.turns, degree.dimensions) == (Fraction(1, 180), 1, ())


def test_a_degree_sign_alone_is_an_angle() -> None:
    here, there = units().find("°"), units().find("degree")
    assert here == there


@pytest.mark.parametrize(
    ("text", "exact"),
    [
        ("60 rpm to Hz", "1"),
        ("1 kHz to rpm", "60000"),
        ("1 Hz to rad/s", "2*pi"),
        ("360 deg/s to Hz", "1"),
        ("1 V/rpm to V/Hz", "60"),
        ("1 Hz to 1/s", "1"),
        ("1 rpm to rad/s", "pi/30"),
        ("60 rpm = 1 Hz", "true"),
        ("1 Hz < 60 rpm", "false"),
        ("2 Hz > 60 rpm", "true"),
        ("60 rpm + 1 Hz", "120"),
        ("max(1 Hz, 120 rpm)", "2"),
        ("sin(30°)", "1/2"),
    ],
)
async def test_hertz_count_turns_and_angles_are_radians(text: str, exact: str) -> None:
    from tests.servers.calculator.test_calculator import asked

    assert (await asked("calculate", expression=text))["exact"] == exact


async def test_a_unit_to_convert_from_is_no_sum() -> None:
    from tests.servers.calculator.test_calculator import asked

    assert "without sums" in await asked("convert", value=5, from_unit="m+m", to_unit="km")


async def test_dozens_and_fluid_ounces_are_units_and_of_two_kilobytes_neither_is_chosen() -> None:
    from tests.servers.calculator.test_calculator import asked

    assert (await asked("convert", value=3, from_unit="dozen", to_unit="percent"))["exact"] == "3600"
    assert (await asked("convert", value=8, from_unit="fl oz", to_unit="cup"))["exact"] == "1"
    assert (await asked("calculate", expression="2 cups to fl oz"))["exact"] == "16"
    assert "kB for 1000, or KiB for 1024" in await asked("calculate", expression="5 KB to MB")
