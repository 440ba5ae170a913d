"""Coordinates and states are checked before anybody is asked."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.errors import ToolError
from dovetail.servers.weather.places import STATES, area, point, suggested


@pytest.mark.parametrize(
    ("latitude", "longitude", "path"),
    [
        (38.8894, -77.0352, "38.8894,-77.0352"),
        (38.88944444, -77.03525, "38.8894,-77.0352"),
        (90, -180, "90,-180"),
        (0.0, -0.0, "0,0"),
        (-0.00001, 1e-7, "0,0"),
        (40.5, 100, "40.5,100"),
    ],
)
def test_a_point_has_four_decimals_at_most(latitude: float, longitude: float, path: str) -> None:
    assert point(latitude, longitude).path == path


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 90.1, -91.0, 1e300])
def test_what_is_no_latitude_is_named(bad: float) -> None:
    with pytest.raises(ToolError, match=r"^latitude: expected degrees from -90 to 90"):
        point(bad, 0)


@pytest.mark.parametrize("bad", [math.nan, 180.1, -1e9])
def test_what_is_no_longitude_is_named(bad: float) -> None:
    with pytest.raises(ToolError, match=r"^longitude: expected degrees from -180 to 180"):
        point(0, bad)


@given(st.floats(), st.floats())
def test_a_path_holds_two_numbers_and_nothing_else(latitude: float, longitude: float) -> None:
    try:
        found = point(latitude, longitude)
    except ToolError:
        return
    assert re.fullmatch(r"-?\d{1,2}(\.\d{1,4})?,-?\d{1,3}(\.\d{1,4})?", found.path)
    assert abs(float(found.latitude) - latitude) <= 0.000051


@pytest.mark.parametrize(("text", "code"), [("ca", "CA"), (" New  york ", "NY"), ("Puerto Rico", "PR"), ("pz", "PZ")])
def test_a_state_has_a_code(text: str, code: str) -> None:
    assert area(text) == code


@given(st.text(max_size=20))
def test_a_state_is_a_known_one_or_none(text: str) -> None:
    try:
        assert area(text) in STATES
    except ToolError as error:
        assert "two letters" in str(error)
    assert set(suggested(text)) <= set(STATES)
