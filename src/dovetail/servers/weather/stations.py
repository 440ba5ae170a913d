"""The weather now, as stations of the National Weather Service measure it: which of them is believed.

A station may be silent, broken or wrong about the time while all others and the service are well. So each is a part of
the service that fails by itself: the next one is asked, and one that keeps failing is left alone, and the others not.
"""

import re
from datetime import UTC, datetime
from typing import Final

import msgspec

from dovetail.servers.weather.nws import SOURCE, Cell, Measured, Outside, asked, cell_of, number_of, value_of
from dovetail.servers.weather.patience import Deadline, Part
from dovetail.servers.weather.places import Point
from dovetail.servers.weather.reports import TIME, Conditions, cut
from dovetail.servers.weather.service import Busy, Service, Unavailable
from dovetail.servers.weather.units import System, compass, units_of

_STATION: Final = re.compile(r"[A-Z0-9]{3,10}")
_STATIONS: Final = 5
"""Stations that are asked, the nearest first."""
_OLD: Final = 3 * 3600.0
"""Seconds after which an observation is none of now: most stations observe each hour, some each third."""
_AHEAD: Final = 600.0
"""Seconds by which a station's clock, or ours, may be wrong; what is said to be seen later than that was not seen."""
_MEASURED: Final = ("summary", "temperature", "humidity", "pressure", "wind_speed", "visibility", "precipitation")


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
    temperature: Measured | None = None
    heat_index: Measured | None = None
    wind_chill: Measured | None = None
    relative_humidity: Measured | None = None
    barometric_pressure: Measured | None = None
    wind_speed: Measured | None = None
    wind_gust: Measured | None = None
    wind_direction: Measured | None = None
    visibility: Measured | None = None
    precipitation_last_hour: Measured | None = None


class _ObservationAnswer(msgspec.Struct):
    properties: _Observation


async def conditions(service: Service, point: Point, system: System, deadline: Deadline) -> Conditions:
    """Ask for what was measured last near a place: by the nearest station that has something to say.

    Many stations say nothing at times, or cannot be asked, and the next one is seldom far. Each gets half of the time
    that is left, and the last one all of it. One that measures other things than the temperature speaks only where no
    other one does.

    Raises:
        Outside: It has nothing for that place; the text says whether that is the place, or the stations near it.
        Unavailable: It does not answer, or not as it should.
    """
    cell = await cell_of(service, point, deadline)
    near, failed = _willing(service, await _stations(service, cell, deadline), cell)
    silent: list[str] = []
    partial: Conditions | None = None
    for station in near:
        try:
            answer = await _observed(service, station, cell, deadline, last=station is near[-1])
            found = None if answer is None else _conditions(station, answer, system)
        except Unavailable as error:
            failed = error
            if isinstance(error, Busy):  # by which every station is meant
                break
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


async def _stations(service: Service, cell: Cell, deadline: Deadline) -> list[_Station]:
    try:
        path = f"{cell.path}/stations"
        part = Part(path, "the list of stations near that place", "lists of stations")
        found = await asked(service, _StationsAnswer, path, {"limit": str(_STATIONS)}, deadline, part)
    except Outside:  # of a cell that it has named itself: the place is known
        return []
    near = [each.properties for each in found.features]
    return [each for each in near if _STATION.fullmatch(each.station_identifier)][:_STATIONS]


def _willing(service: Service, near: list[_Station], cell: Cell) -> tuple[list[_Station], Unavailable | None]:
    """Return the stations that are not left alone for now, and what to say of the others if those say nothing."""
    spared = [service.spared(_part(station, cell)) for station in near]
    waits = [wait for wait in spared if wait is not None]
    if not waits:
        return near, None
    why = Unavailable(
        f"Stations near there, or most of all, have failed several times in a row: try again in {min(waits):.0f} "
        "seconds; get_hourly_forecast has what is expected now"
    )
    return [station for station, wait in zip(near, spared, strict=True) if wait is None], why


async def _observed(
    service: Service, station: _Station, cell: Cell, deadline: Deadline, *, last: bool
) -> _Observation | None:
    """Ask a station; None where it has no observation.

    While there is another one, it is asked once: that one is sooner asked than this one again.
    """
    part = _part(station, cell)
    try:
        answer = await asked(service, _ObservationAnswer, part.name, {}, deadline, part, soon=not last)
    except Outside:
        return None
    return answer.properties


def _part(station: _Station, cell: Cell) -> Part:
    """Return what a station is of the service: broken ones that are neighbours are but one sign that all of it is."""
    path = f"/stations/{station.station_identifier}/observations/latest"
    return Part(path, "the observation of a station near that place", "observations", cell.path)


def _lack(found: Conditions | None, now: float) -> str:
    """Say why an observation tells nothing of the weather now; nothing where it does."""
    if found is None:
        return "has no observation"
    if not _recent(found.observed, now):
        return f"has one of {found.observed}"
    measured = any(getattr(found, field) not in (None, "") for field in _MEASURED)
    return "" if measured else "has measured nothing"


def _conditions(station: _Station, seen: _Observation, system: System) -> Conditions:
    feels = seen.heat_index if seen.heat_index is not None and seen.heat_index.value is not None else seen.wind_chill
    humidity = number_of(seen.relative_humidity)
    return Conditions(
        source=SOURCE,
        place=cut(station.name, 100) or station.station_identifier,
        units=units_of(system),
        observed=cut(seen.timestamp, TIME),
        summary=cut(seen.text_description, 200),
        temperature=value_of(seen.temperature, "temperature", system),
        feels_like=value_of(feels, "temperature", system),
        humidity=None if humidity is None else round(humidity, 1),
        pressure=value_of(seen.barometric_pressure, "pressure", system),
        wind_speed=value_of(seen.wind_speed, "speed", system),
        wind_gust=value_of(seen.wind_gust, "speed", system),
        wind_direction=compass(number_of(seen.wind_direction)),
        visibility=value_of(seen.visibility, "distance", system),
        precipitation=value_of(seen.precipitation_last_hour, "depth", system),
    )


def _recent(observed: str, now: float) -> bool:
    """Tell whether an observation says something of now; one whose time cannot be read is left to whoever reads it."""
    try:
        seen = datetime.fromisoformat(observed)
        age = now - (seen if seen.tzinfo else seen.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return True
    return -_AHEAD <= age <= _OLD
