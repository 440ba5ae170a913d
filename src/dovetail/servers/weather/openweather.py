"""OpenWeather (api.openweathermap.org): the whole world, for those who have a key. Asked in metric units, always."""

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta

from dovetail.errors import ToolError
from dovetail.servers.weather.key import HOW
from dovetail.servers.weather.patience import Deadline, Part
from dovetail.servers.weather.places import Point
from dovetail.servers.weather.reports import Conditions, Forecast, Period, Source, cut
from dovetail.servers.weather.service import Refused, Service
from dovetail.servers.weather.units import System, compass, converted, units_of

ACCEPT: Final = "application/json"
SOURCE: Final[Source] = "OpenWeather"
_STEP: Final = timedelta(hours=3)

T = TypeVar("T")
_Instant = Annotated[int, Meta(ge=0, le=4_000_000_000)]
_Offset = Annotated[int, Meta(ge=-86_340, le=86_340)]


class _Main(msgspec.Struct):
    temp: float
    feels_like: float | None = None
    temp_min: float | None = None
    temp_max: float | None = None
    pressure: float | None = None
    humidity: float | None = None


class _Wind(msgspec.Struct):
    speed: float | None = None
    deg: float | None = None
    gust: float | None = None


class _Sky(msgspec.Struct):
    description: str = ""


class _Rain(msgspec.Struct):
    hour: float | None = msgspec.field(default=None, name="1h")


class _Now(msgspec.Struct):
    dt: _Instant
    main: _Main
    weather: list[_Sky] = []
    wind: _Wind = msgspec.field(default_factory=_Wind)
    rain: _Rain | None = None
    visibility: float | None = None
    timezone: _Offset = 0
    name: str = ""


class _Step(msgspec.Struct):
    dt: _Instant
    main: _Main
    weather: list[_Sky] = []
    wind: _Wind = msgspec.field(default_factory=_Wind)
    pop: float | None = None


class _City(msgspec.Struct):
    name: str = ""
    country: str = ""
    timezone: _Offset = 0


class _Steps(msgspec.Struct):
    steps: Annotated[list[_Step], Meta(min_length=1)] = msgspec.field(name="list")
    city: _City = msgspec.field(default_factory=_City)


async def conditions(service: Service, key: str, point: Point, system: System, deadline: Deadline) -> Conditions:
    """Ask for the weather now.

    Raises:
        ToolError: The key is refused, or the service does not answer, or not as it should.
    """
    now = await _ask(service, _Now, "/data/2.5/weather", key, point, deadline)
    return Conditions(
        source=SOURCE,
        place=cut(now.name, 100),
        units=units_of(system),
        observed=_time(now.dt, now.timezone),
        summary=_summary(now.weather),
        temperature=converted(now.main.temp, "°C", "temperature", system),
        feels_like=converted(now.main.feels_like, "°C", "temperature", system),
        humidity=now.main.humidity,
        pressure=converted(now.main.pressure, "hPa", "pressure", system),
        wind_speed=converted(now.wind.speed, "m/s", "speed", system),
        wind_gust=converted(now.wind.gust, "m/s", "speed", system),
        wind_direction=compass(now.wind.deg),
        visibility=converted(now.visibility, "m", "distance", system),
        precipitation=converted(None if now.rain is None else now.rain.hour, "mm", "depth", system),
    )


async def forecast(
    service: Service, key: str, point: Point, system: System, deadline: Deadline, *, hourly: bool
) -> Forecast:
    """Ask for five days: in steps of three hours, or day by day.

    Raises:
        ToolError: The key is refused, or the service does not answer, or not as it should.
    """
    found = await _ask(service, _Steps, "/data/2.5/forecast", key, point, deadline)
    offset = found.city.timezone
    periods = [_period(step, offset, system) for step in found.steps]
    return Forecast(
        source=SOURCE,
        place=cut(", ".join(filter(None, (found.city.name, found.city.country))), 100),
        latitude=float(point.latitude),
        longitude=float(point.longitude),
        units=units_of(system),
        updated="",
        periods=periods if hourly else _days(periods),
    )


async def _ask(service: Service, kind: type[T], path: str, key: str, point: Point, deadline: Deadline) -> T:
    query = {"lat": point.latitude, "lon": point.longitude, "units": "metric"}
    said = ("forecast", "forecasts") if path.endswith("forecast") else ("weather now", "observations")
    part = Part(f"{path} {point.path}", f"the {said[0]} of that place", said[1])
    try:
        return await service.ask(kind, path, query, deadline, part, secret={"appid": key})
    except Refused as refused:
        status = refused.status
    if status in (401, 403):
        raise ToolError(f"{service.name} refuses the key. The user sets it by {HOW}; a new key works after some hours")
    raise ToolError(f"{service.name} refuses to answer, with status {status}: tell the user")


def _period(step: _Step, offset: int, system: System) -> Period:
    low, high = step.main.temp_min, step.main.temp_max
    return Period(
        start=_time(step.dt, offset),
        end=_time(step.dt + int(_STEP.total_seconds()), offset),
        temperature=converted(step.main.temp if high is None else high, "°C", "temperature", system),
        lowest=converted(low, "°C", "temperature", system),
        precipitation_chance=None if step.pop is None else round(100 * min(max(step.pop, 0.0), 1.0)),
        wind_speed=converted(step.wind.speed, "m/s", "speed", system),
        wind_speed_to=converted(step.wind.gust, "m/s", "speed", system),
        wind_direction=compass(step.wind.deg),
        summary=_summary(step.weather),
    )


def _days(steps: Sequence[Period]) -> list[Period]:
    """Put the steps of each local day together."""
    days: dict[str, list[Period]] = {}
    for step in steps:
        days.setdefault(step.start[:10], []).append(step)
    return [_day(of_day) for of_day in days.values()]


def _day(steps: Sequence[Period]) -> Period:
    lows = [low for step in steps if (low := step.temperature if step.lowest is None else step.lowest) is not None]
    windiest = max(steps, key=lambda step: step.wind_speed or 0.0)
    summaries = list(dict.fromkeys(step.summary for step in steps if step.summary))
    return Period(
        name=f"{datetime.fromisoformat(steps[0].start):%A}",
        start=steps[0].start,
        end=steps[-1].end,
        temperature=max((step.temperature for step in steps if step.temperature is not None), default=None),
        lowest=min(lows, default=None),
        precipitation_chance=max(
            (step.precipitation_chance for step in steps if step.precipitation_chance is not None), default=None
        ),
        wind_speed=windiest.wind_speed,
        wind_speed_to=max((step.wind_speed_to for step in steps if step.wind_speed_to is not None), default=None),
        wind_direction=windiest.wind_direction,
        summary=cut(", then ".join(summaries), 200),
    )


def _summary(sky: Sequence[_Sky]) -> str:
    return cut(", ".join(each.description for each in sky[:3]), 200)


def _time(seconds: int, offset: int) -> str:
    return datetime.fromtimestamp(seconds, timezone(timedelta(seconds=offset))).isoformat()
