"""The National Weather Service (api.weather.gov): what it is asked, and what its GeoJSON means.

It answers for the United States, its territories and waters. No URL out of an answer is followed: a point's answer
names an office and a cell of its grid, which are checked, and the next URL is made of them.
"""

import re
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta

from dovetail.servers.weather.patience import Deadline, Part
from dovetail.servers.weather.places import Point
from dovetail.servers.weather.reports import MOST_PERIODS, TIME, Alert, Forecast, Period, Source, cut
from dovetail.servers.weather.service import Refused, Service, Unavailable
from dovetail.servers.weather.units import Quantity, System, converted, spelled, units_of, wind

T = TypeVar("T")

ACCEPT: Final = "application/geo+json"
SOURCE: Final[Source] = "National Weather Service"
_OFFICE: Final = re.compile(r"[A-Z]{3,4}")
_SYSTEMS: Final[dict[System, str]] = {"metric": "si", "imperial": "us"}
_RANKS: Final = {"Extreme": 0, "Severe": 1, "Moderate": 2, "Minor": 3}
_SOON: Final = {"Immediate": 0, "Expected": 1, "Future": 2}
_UNKNOWN: Final = frozenset({400, 404})


class Outside(Exception):
    """The service has nothing for a place; the text goes on after its name, and ends without a full stop."""


class Measured(msgspec.Struct, rename="camel"):
    """A number with its unit, or a range."""

    unit_code: str = ""
    value: float | None = None
    min_value: float | None = None
    max_value: float | None = None


class Cell(msgspec.Struct, rename="camel"):
    """Of an office's grid: what a point belongs to."""

    grid_id: str | None
    grid_x: int | None
    grid_y: int | None
    relative_location: "_Near | None" = None

    @property
    def path(self) -> str:
        """What the service knows of it is below."""
        return f"/gridpoints/{self.grid_id}/{self.grid_x},{self.grid_y}"


class _Town(msgspec.Struct):
    city: str = ""
    state: str = ""


class _Near(msgspec.Struct):
    properties: _Town


class _PointAnswer(msgspec.Struct):
    properties: Cell


class _Hours(msgspec.Struct, rename="camel"):
    start_time: str
    end_time: str
    name: str = ""
    is_daytime: bool | None = None
    temperature: Measured | float | None = None
    temperature_unit: str | None = None
    probability_of_precipitation: Measured | None = None
    wind_speed: Measured | str | None = None
    wind_direction: str | None = None
    short_forecast: str = ""
    detailed_forecast: str = ""


class _Forecast(msgspec.Struct, rename="camel"):
    periods: Annotated[list[_Hours], Meta(min_length=1)]
    update_time: str = ""
    generated_at: str = ""


class _ForecastAnswer(msgspec.Struct):
    properties: _Forecast


class _Alert(msgspec.Struct, rename="camel"):
    event: str
    status: str = "Actual"
    severity: str = "Unknown"
    urgency: str = "Unknown"
    certainty: str = "Unknown"
    area_desc: str = ""
    sender_name: str = ""
    effective: str | None = None
    onset: str | None = None
    expires: str | None = None
    ends: str | None = None
    headline: str | None = None
    description: str | None = None
    instruction: str | None = None


class _AlertFeature(msgspec.Struct):
    properties: _Alert


class _AlertsAnswer(msgspec.Struct):
    features: list[_AlertFeature]


async def forecast(service: Service, point: Point, system: System, deadline: Deadline, *, hourly: bool) -> Forecast:
    """Ask for a forecast: of days and nights, or of hours.

    Raises:
        Outside: It makes none for that place.
        Unavailable: It does not answer, or not as it should.
    """
    cell = await cell_of(service, point, deadline)
    path = f"{cell.path}/forecast{'/hourly' if hourly else ''}"
    part = Part(path, f"the {'hourly ' if hourly else ''}forecast for that place", "forecasts")
    answer = await asked(service, _ForecastAnswer, path, {"units": _SYSTEMS[system]}, deadline, part)
    found = answer.properties
    return Forecast(
        source=SOURCE,
        place=_place(cell),
        latitude=float(point.latitude),
        longitude=float(point.longitude),
        units=units_of(system),
        updated=cut(found.update_time or found.generated_at, TIME),
        periods=[_period(hours, system) for hours in found.periods[:MOST_PERIODS]],
    )


async def alerts(service: Service, where: dict[str, str], deadline: Deadline) -> list[Alert]:
    """Ask for the alerts that are in force, the worst first.

    Args:
        service: The service.
        where: `area` with a code, or `point` with a point's path.
        deadline: Of the call.

    Raises:
        Outside: It has none for such a place.
        Unavailable: It does not answer, or not as it should.
    """
    part = Part(f"/alerts/active {'/'.join(where.values())}", "the alerts there", "alerts")
    found = await asked(service, _AlertsAnswer, "/alerts/active", where, deadline, part)
    actual = [feature.properties for feature in found.features if feature.properties.status == "Actual"]
    actual.sort(key=lambda alert: (_RANKS.get(alert.severity, 4), _SOON.get(alert.urgency, 3), alert.event))
    return [_alert(alert) for alert in actual]


async def cell_of(service: Service, point: Point, deadline: Deadline) -> Cell:
    """Ask which cell a point belongs to.

    Raises:
        Outside: To none.
        Unavailable: The service does not answer, or not as it should.
    """
    path = f"/points/{point.path}"
    part = Part(path, "the grid cell of that place", "grid cells")
    cell = (await asked(service, _PointAnswer, path, {}, deadline, part)).properties
    if cell.grid_id is None or cell.grid_x is None or cell.grid_y is None:  # a place at sea, or far up north
        raise Outside("has no forecast grid for that place")
    if not _OFFICE.fullmatch(cell.grid_id) or not (0 <= cell.grid_x < 10_000 and 0 <= cell.grid_y < 10_000):
        raise Unavailable(f"{service.name} answered without what was asked for: try again later")
    return cell


async def asked(
    service: Service,
    kind: type[T],
    path: str,
    query: dict[str, str],
    deadline: Deadline,
    part: Part,
    *,
    soon: bool = False,
) -> T:
    """Ask the service: see `Service.ask`.

    Raises:
        Outside: It has nothing of that.
        Unavailable: It does not answer, or not as it should, or refuses to.
    """
    try:
        return await service.ask(kind, path, query, deadline, part, soon=soon)
    except Refused as refused:
        if refused.status in _UNKNOWN:
            raise Outside(
                "has nothing for that place: it is for the United States, its territories and waters"
            ) from None
        status = refused.status
    raise Unavailable(f"{service.name} refuses to answer, with status {status}: tell the user")


def _place(cell: Cell) -> str:
    near = cell.relative_location
    return "" if near is None else cut(", ".join(filter(None, (near.properties.city, near.properties.state))), 100)


def _period(hours: _Hours, system: System) -> Period:
    low, high = _wind(hours.wind_speed, system)
    chance = number_of(hours.probability_of_precipitation)
    return Period(
        name=cut(hours.name, 50),
        start=cut(hours.start_time, TIME),
        end=cut(hours.end_time, TIME),
        daytime=hours.is_daytime,
        temperature=_temperature(hours, system),
        precipitation_chance=None if chance is None else round(chance),
        wind_speed=low,
        wind_speed_to=None if high == low else high,
        wind_direction=cut(hours.wind_direction, 10),
        summary=cut(hours.short_forecast, 200),
        detail=cut(hours.detailed_forecast, 1_000),
    )


def _temperature(hours: _Hours, system: System) -> float | None:
    given = hours.temperature
    if isinstance(given, Measured):
        return value_of(given, "temperature", system)
    return converted(given, spelled(hours.temperature_unit or ""), "temperature", system)


def _wind(given: Measured | str | None, system: System) -> tuple[float | None, float | None]:
    if isinstance(given, str):
        return wind(given, system)
    if given is None:
        return None, None
    unit = spelled(given.unit_code)
    low = given.value if given.min_value is None else given.min_value
    high = given.value if given.max_value is None else given.max_value
    return converted(low, unit, "speed", system), converted(high, unit, "speed", system)


def value_of(given: Measured | None, quantity: Quantity, system: System) -> float | None:
    """Return a number in the units of the call."""
    return None if given is None else converted(given.value, spelled(given.unit_code), quantity, system)


def number_of(given: Measured | None) -> float | None:
    """Return a number as it is."""
    return None if given is None else given.value


def _alert(alert: _Alert) -> Alert:
    return Alert(
        event=cut(alert.event, 100),
        severity=cut(alert.severity, 20),
        urgency=cut(alert.urgency, 20),
        certainty=cut(alert.certainty, 20),
        areas=cut(alert.area_desc, 1_000),
        onset=cut(alert.onset or alert.effective, TIME),
        ends=cut(alert.ends or alert.expires, TIME),
        headline=cut(alert.headline, 300),
        description=cut(alert.description, 3_000),
        instruction=cut(alert.instruction, 1_500),
        sender=cut(alert.sender_name, 100),
    )
