"""The National Weather Service (api.weather.gov): what it is asked, and what its GeoJSON means.

It answers for the United States, its territories and waters. No URL out of an answer is followed: a point's answer
names an office and a cell of its grid, which are checked, and the next URL is made of them.
"""

import asyncio
import re
from datetime import datetime
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta

from dovetail.errors import ToolError
from dovetail.servers.weather.patience import Patience
from dovetail.servers.weather.places import Point
from dovetail.servers.weather.reports import MOST_PERIODS, TIME, Alert, Conditions, Forecast, Period, Source, cut
from dovetail.servers.weather.service import Refused, Service, Unavailable
from dovetail.servers.weather.units import Quantity, System, compass, converted, spelled, units_of, wind

T = TypeVar("T")

ACCEPT: Final = "application/geo+json"
SOURCE: Final[Source] = "National Weather Service"
_OFFICE: Final = re.compile(r"[A-Z]{3,4}")
_STATION: Final = re.compile(r"[A-Z0-9]{3,10}")
_SYSTEMS: Final[dict[System, str]] = {"metric": "si", "imperial": "us"}
_RANKS: Final = {"Extreme": 0, "Severe": 1, "Moderate": 2, "Minor": 3}
_SOON: Final = {"Immediate": 0, "Expected": 1, "Future": 2}
_UNKNOWN: Final = frozenset({400, 404})
_STATIONS: Final = 5
"""Stations that are asked, the nearest first."""
_OLD: Final = 3 * 3600.0
"""Seconds after which an observation is none of now: most stations observe each hour, some each third."""
_MEASURED: Final = ("summary", "temperature", "humidity", "pressure", "wind_speed", "visibility", "precipitation")


class Outside(Exception):
    """The service has nothing for a place; the text goes on after its name, and ends without a full stop."""


class _Quantity(msgspec.Struct, rename="camel"):
    unit_code: str = ""
    value: float | None = None
    min_value: float | None = None
    max_value: float | None = None


class _Cell(msgspec.Struct, rename="camel"):
    grid_id: str
    grid_x: int
    grid_y: int
    relative_location: "_Near | None" = None


class _Town(msgspec.Struct):
    city: str = ""
    state: str = ""


class _Near(msgspec.Struct):
    properties: _Town


class _PointAnswer(msgspec.Struct):
    properties: _Cell


class _Hours(msgspec.Struct, rename="camel"):
    start_time: str
    end_time: str
    name: str = ""
    is_daytime: bool | None = None
    temperature: _Quantity | float | None = None
    temperature_unit: str | None = None
    probability_of_precipitation: _Quantity | None = None
    wind_speed: _Quantity | str | None = None
    wind_direction: str | None = None
    short_forecast: str = ""
    detailed_forecast: str = ""


class _Forecast(msgspec.Struct, rename="camel"):
    periods: Annotated[list[_Hours], Meta(min_length=1)]
    update_time: str = ""
    generated_at: str = ""


class _ForecastAnswer(msgspec.Struct):
    properties: _Forecast


class _Station(msgspec.Struct, rename="camel"):
    station_identifier: str
    name: str = ""


class _StationFeature(msgspec.Struct):
    properties: _Station


class _StationsAnswer(msgspec.Struct):
    features: list[_StationFeature]


class _Observation(msgspec.Struct, rename="camel"):
    timestamp: str
    text_description: str | None = None
    temperature: _Quantity | None = None
    heat_index: _Quantity | None = None
    wind_chill: _Quantity | None = None
    relative_humidity: _Quantity | None = None
    barometric_pressure: _Quantity | None = None
    wind_speed: _Quantity | None = None
    wind_gust: _Quantity | None = None
    wind_direction: _Quantity | None = None
    visibility: _Quantity | None = None
    precipitation_last_hour: _Quantity | None = None


class _ObservationAnswer(msgspec.Struct):
    properties: _Observation


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


async def forecast(service: Service, point: Point, system: System, *, hourly: bool) -> Forecast:
    """Ask for a forecast: of days and nights, or of hours.

    Raises:
        Outside: It makes none for that place.
        Unavailable: It does not answer, or not as it should.
    """
    cell = await _cell(service, point)
    path = f"{_path(cell)}/forecast{'/hourly' if hourly else ''}"
    found = (await _ask(service, _ForecastAnswer, path, {"units": _SYSTEMS[system]})).properties
    return Forecast(
        source=SOURCE,
        place=_place(cell),
        latitude=float(point.latitude),
        longitude=float(point.longitude),
        units=units_of(system),
        updated=cut(found.update_time or found.generated_at, TIME),
        periods=[_period(hours, system) for hours in found.periods[:MOST_PERIODS]],
    )


async def conditions(service: Service, point: Point, system: System) -> Conditions:
    """Ask for what was measured last near a place: by the nearest station that has something to say.

    Many stations say nothing at times, or cannot be asked, and the next one is seldom far. All of them together get the
    time of one answer, each an equal share of what is left of it. One that measures other things than the temperature
    speaks only where no other one does.

    Raises:
        Outside: It has nothing for that place; the text says whether that is the place, or the stations near it.
        Unavailable: It does not answer, or not as it should.
    """
    cell = await _cell(service, point)
    until = asyncio.get_running_loop().time() + service.patience.seconds
    near = await _stations(service, cell)
    silent: list[str] = []
    partial: Conditions | None = None
    failed: Unavailable | None = None
    for left, station in zip(range(len(near), 0, -1), near, strict=True):
        try:
            found = await _observed(service, station, system, until, left)
        except Unavailable as error:
            failed = error
            continue
        lack = _lack(found, service.now())
        if lack:
            silent.append(f"{station.station_identifier} {lack}")
        elif found is not None and found.temperature is not None:
            return found
        else:
            partial = partial or found
    if partial is not None:
        return partial
    if failed is not None:
        raise failed
    said = f" ({', '.join(silent)})" if silent else ""
    raise Outside(f"has no current observation near that place{said}: get_hourly_forecast has what it expects now")


async def _stations(service: Service, cell: _Cell) -> list[_Station]:
    try:
        found = await _ask(service, _StationsAnswer, f"{_path(cell)}/stations", {"limit": str(_STATIONS)})
    except Outside:  # of a cell that it has named itself: the place is known
        return []
    near = [each.properties for each in found.features]
    return [each for each in near if _STATION.fullmatch(each.station_identifier)][:_STATIONS]


async def _observed(service: Service, station: _Station, system: System, until: float, left: int) -> Conditions | None:
    """Ask one of the stations that are left; None where it has no observation.

    While there is another one, it is asked once: that one is sooner asked than this one again, and the failures of all
    but the last do not make the service one that is left alone.
    """
    share = (until - asyncio.get_running_loop().time()) / left
    late = Unavailable(f"{service.name} did not answer in time: try again later")
    if share <= 0:
        raise late
    patience = Patience(service.patience.attempts if left == 1 else 1, share)
    path = f"/stations/{station.station_identifier}/observations/latest"
    try:
        async with asyncio.timeout(share):  # also where somebody else has asked, with more patience
            answer = await _ask(service, _ObservationAnswer, path, {}, patience)
    except Outside:
        return None
    except TimeoutError:
        raise late from None
    return _conditions(station, answer.properties, system)


def _lack(found: Conditions | None, now: float) -> str:
    """Say why an observation tells nothing of the weather now; nothing where it does."""
    if found is None:
        return "has no observation"
    if _old(found.observed, now):
        return f"has one of {found.observed}"
    measured = any(getattr(found, field) not in (None, "") for field in _MEASURED)
    return "" if measured else "has measured nothing"


def _conditions(station: _Station, seen: _Observation, system: System) -> Conditions:
    feels = seen.heat_index if seen.heat_index is not None and seen.heat_index.value is not None else seen.wind_chill
    humidity = _number(seen.relative_humidity)
    return Conditions(
        source=SOURCE,
        place=cut(station.name, 100) or station.station_identifier,
        units=units_of(system),
        observed=cut(seen.timestamp, TIME),
        summary=cut(seen.text_description, 200),
        temperature=_value(seen.temperature, "temperature", system),
        feels_like=_value(feels, "temperature", system),
        humidity=None if humidity is None else round(humidity, 1),
        pressure=_value(seen.barometric_pressure, "pressure", system),
        wind_speed=_value(seen.wind_speed, "speed", system),
        wind_gust=_value(seen.wind_gust, "speed", system),
        wind_direction=compass(_number(seen.wind_direction)),
        visibility=_value(seen.visibility, "distance", system),
        precipitation=_value(seen.precipitation_last_hour, "depth", system),
    )


def _old(observed: str, now: float) -> bool:
    """Tell whether an observation says nothing of now; one whose time cannot be read is left to whoever reads it."""
    try:
        return now - datetime.fromisoformat(observed).timestamp() > _OLD
    except (ValueError, OverflowError):
        return False


async def alerts(service: Service, where: dict[str, str]) -> list[Alert]:
    """Ask for the alerts that are in force, the worst first.

    Args:
        service: The service.
        where: `area` with a code, or `point` with a point's path.

    Raises:
        Outside: It has none for such a place.
        Unavailable: It does not answer, or not as it should.
    """
    found = await _ask(service, _AlertsAnswer, "/alerts/active", where)
    actual = [feature.properties for feature in found.features if feature.properties.status == "Actual"]
    actual.sort(key=lambda alert: (_RANKS.get(alert.severity, 4), _SOON.get(alert.urgency, 3), alert.event))
    return [_alert(alert) for alert in actual]


async def _cell(service: Service, point: Point) -> _Cell:
    cell = (await _ask(service, _PointAnswer, f"/points/{point.path}", {})).properties
    if not _OFFICE.fullmatch(cell.grid_id) or not (0 <= cell.grid_x < 10_000 and 0 <= cell.grid_y < 10_000):
        raise Unavailable(f"{service.name} answered without what was asked for: try again later")
    return cell


async def _ask(
    service: Service, kind: type[T], path: str, query: dict[str, str], patience: Patience | None = None
) -> T:
    try:
        return await service.ask(kind, path, query, patience=patience)
    except Refused as refused:
        if refused.status in _UNKNOWN:
            raise Outside(
                "has nothing for that place: it is for the United States, its territories and waters"
            ) from None
        status = refused.status
    raise ToolError(f"{service.name} refuses to answer, with status {status}: tell the user")


def _path(cell: _Cell) -> str:
    return f"/gridpoints/{cell.grid_id}/{cell.grid_x},{cell.grid_y}"


def _place(cell: _Cell) -> str:
    near = cell.relative_location
    return "" if near is None else cut(", ".join(filter(None, (near.properties.city, near.properties.state))), 100)


def _period(hours: _Hours, system: System) -> Period:
    low, high = _wind(hours.wind_speed, system)
    chance = _number(hours.probability_of_precipitation)
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
    if isinstance(given, _Quantity):
        return _value(given, "temperature", system)
    return converted(given, spelled(hours.temperature_unit or ""), "temperature", system)


def _wind(given: _Quantity | str | None, system: System) -> tuple[float | None, float | None]:
    if isinstance(given, str):
        return wind(given, system)
    if given is None:
        return None, None
    unit = spelled(given.unit_code)
    low = given.value if given.min_value is None else given.min_value
    high = given.value if given.max_value is None else given.max_value
    return converted(low, unit, "speed", system), converted(high, unit, "speed", system)


def _value(given: _Quantity | None, quantity: Quantity, system: System) -> float | None:
    return None if given is None else converted(given.value, spelled(given.unit_code), quantity, system)


def _number(given: _Quantity | None) -> float | None:
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
