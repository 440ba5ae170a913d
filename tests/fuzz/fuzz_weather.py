"""Fuzz target: whatever a service says in a head or a body, and whatever a place is, it is decided on within bounds."""

import msgspec

from dovetail.errors import ToolError
from dovetail.servers.weather import nws, openweather, stations
from dovetail.servers.weather.keeping import answer_of
from dovetail.servers.weather.patience import retry_after
from dovetail.servers.weather.places import STATES, area, point, suggested
from dovetail.servers.weather.units import wind

SEEDS = [
    b'38.8894|max-age=60, s-maxage=5|{"properties": {"periods": [{"startTime": "x", "endTime": "y", "temperature": 50, '
    b'"temperatureUnit": "F", "windSpeed": "10 to 15 mph"}]}}',
    b'nan|Thu, 01 Jan 1970 00:00:00 GMT|{"properties": {"periods": [{"startTime": "", "endTime": "", "temperature": '
    b'{"unitCode": "wmoUnit:degC", "value": 1e308}, "windSpeed": {"minValue": 1, "maxValue": 2}}]}}',
    b'-180.00001|120|{"list": [{"dt": 1795000000, "main": {"temp": 1, "temp_max": 1e300}, "pop": 7}], "city": '
    b'{"timezone": 3600}}',
    b'california|no-store|{"features": [{"properties": {"event": "x", "severity": "Severe", "areaDesc": "y"}}]}',
]


def fuzz(data: bytes) -> None:
    first, second, body = (data.split(b"|", 2) + [b""] * 2)[:3]
    text, field = first.decode("utf-8", "replace"), second.decode("latin-1")
    try:
        assert area(text) in STATES
    except ToolError:
        pass
    assert set(suggested(text)) <= set(STATES)
    try:
        found = point(float(text), float(text))
    except (ToolError, ValueError):
        pass
    else:
        assert set(found.path) <= set("-.,0123456789")
    wait = retry_after({"retry-after": field}, 5.0)
    assert wait is None or 0 <= wait <= 86_400
    kept = answer_of(b"", {"cache-control": field, "age": field, "expires": field, "date": field, "etag": field}, 5.0)
    assert kept is None or 5.0 <= kept.until <= 86_405.0
    low, high = wind(field, "metric")
    assert (low is None) == (high is None)
    read(body)


def read(body: bytes) -> None:
    of_nws = (nws._ForecastAnswer, nws._AlertsAnswer, stations._ObservationAnswer)
    for kind in (*of_nws, openweather._Steps, openweather._Now):
        try:
            found = msgspec.json.decode(body, type=kind)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            continue
        if isinstance(found, nws._ForecastAnswer):
            said = [nws._period(hours, "metric") for hours in found.properties.periods]
            assert all(len(period.detail) <= 1_000 for period in said)
            msgspec.json.encode(said)
        elif isinstance(found, nws._AlertsAnswer):
            assert all(len(nws._alert(each.properties).description) <= 3_000 for each in found.features)
        elif isinstance(found, openweather._Steps):
            steps = [openweather._period(step, found.city.timezone, "imperial") for step in found.steps]
            assert len(openweather._days(steps)) <= len(steps)
