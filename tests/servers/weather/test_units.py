"""Units are converted exactly and rounded once."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.servers.weather.units import Quantity, System, compass, converted, spelled, units_of, wind


@pytest.mark.parametrize(
    ("value", "unit", "quantity", "system", "found"),
    [
        (32, "°F", "temperature", "metric", 0),
        (-40, "°F", "temperature", "metric", -40),
        (98.6, "°F", "temperature", "metric", 37),
        (100, "°C", "temperature", "imperial", 212),
        (0, "K", "temperature", "metric", -273.2),
        (273.15, "K", "temperature", "imperial", 32),
        (-0.01, "°C", "temperature", "metric", 0),
        (1, "mph", "speed", "metric", 1.6),
        (1.609344, "km/h", "speed", "imperial", 1),
        (10, "m/s", "speed", "metric", 36),
        (10, "kt", "speed", "metric", 18.5),
        (101_325, "Pa", "pressure", "metric", 1013.2),
        (1013.25, "hPa", "pressure", "imperial", 29.92),
        (16_093.44, "m", "distance", "imperial", 10),
        (25.4, "mm", "depth", "imperial", 1),
        (None, "°C", "temperature", "metric", None),
        (math.nan, "°C", "temperature", "metric", None),
        (math.inf, "mph", "speed", "metric", None),
        (1e308, "°C", "temperature", "imperial", None),
        (5, "furlong", "speed", "metric", None),
        (5, "", "temperature", "metric", None),
    ],
)
def test_a_value_is_converted(
    value: float | None, unit: str, quantity: Quantity, system: System, found: float | None
) -> None:
    assert converted(value, unit, quantity, system) == found


@pytest.mark.parametrize(
    ("text", "system", "found"),
    [
        ("10 to 15 mph", "imperial", (10, 15)),
        ("10 mph", "metric", (16.1, 16.1)),
        ("16 to 24 km/h", "metric", (16, 24)),
        ("10.5 mph", "imperial", (10.5, 10.5)),
        ("10 to 15.5 mph", "imperial", (10, 15.5)),
        ("5-10 mph", "imperial", (5, 10)),
        ("NW 10 kts", "metric", (18.5, 18.5)),
        ("1000 mph", "imperial", (None, None)),
        ("-5 mph", "imperial", (None, None)),
        ("calm", "metric", (None, None)),
        ("", "metric", (None, None)),
        ("٣ mph", "metric", (None, None)),
    ],
)
def test_wind_is_read(text: str, system: System, found: tuple[float | None, float | None]) -> None:
    assert wind(text, system) == found


@pytest.mark.parametrize(
    ("degrees", "point"),
    [(0, "N"), (360, "N"), (11.25, "NNE"), (348.75, "N"), (-90, "W"), (225, "SW"), (None, ""), (math.nan, "")],
)  # fmt: skip
def test_a_direction_has_a_point_of_the_compass(degrees: float | None, point: str) -> None:
    assert compass(degrees) == point


def test_units_are_spelled_in_one_way() -> None:
    assert [spelled(code) for code in ("wmoUnit:degC", "F", "wmoUnit:km_h-1", "wmoUnit:Pa")] == [
        "°C",
        "°F",
        "km/h",
        "Pa",
    ]
    assert units_of("imperial").pressure == "inHg"


@given(st.floats(-100, 100), st.sampled_from(["°C", "°F", "K"]))
def test_a_temperature_is_the_same_in_both_systems(value: float, unit: str) -> None:
    celsius, fahrenheit = (
        converted(value, unit, "temperature", "metric"),
        converted(value, unit, "temperature", "imperial"),
    )
    assert celsius is not None and fahrenheit is not None
    assert abs(Fraction(celsius) * Fraction(9, 5) + 32 - Fraction(fahrenheit)) < Fraction(1, 5)


@given(st.text(max_size=40))
def test_any_wind_is_decided_on(text: str) -> None:
    low, high = wind(text, "metric")
    assert (low is None) == (high is None)
