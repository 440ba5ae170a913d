"""What the tools return. Texts are the services' own words, cut to a length."""

from typing import Final, Literal

import msgspec

from dovetail.servers.weather.units import Units

TIME: Final = 40
"""Characters of a time with its offset; what is longer is none."""
MOST_PERIODS: Final = 200
"""Periods of a forecast: a week of hours is 168."""

Source = Literal["National Weather Service", "OpenWeather"]


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """The weather of some hours.

    Attributes:
        name: Such as `Tonight` or `Saturday`; empty for an hour.
        start: When it begins, local time with its offset.
        end: When it ends.
        daytime: Whether it is day; null when the service does not say.
        temperature: The temperature; of a day the highest, of a night the lowest.
        lowest: The lowest temperature, where both are known.
        precipitation_chance: Of any precipitation, in percent; null when unknown.
        wind_speed: Of the wind; the lower end of a range.
        wind_speed_to: The upper end of that range.
        wind_direction: Where it comes from, such as `NW`.
        summary: A few words.
        detail: A sentence or two; empty for none.
    """

    name: str = ""
    start: str
    end: str
    daytime: bool | None = None
    temperature: float | None = None
    lowest: float | None = None
    precipitation_chance: int | None = None
    wind_speed: float | None = None
    wind_speed_to: float | None = None
    wind_direction: str = ""
    summary: str = ""
    detail: str = ""


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """A forecast.

    Attributes:
        source: Who says so.
        place: The nearest place that the service names; may be empty.
        latitude: Of the point, as it was asked for.
        longitude: Of the point.
        units: What the numbers are in.
        updated: When the service made it.
        periods: The first ones come first.
    """

    source: Source
    place: str
    latitude: float
    longitude: float
    units: Units
    updated: str
    periods: list[Period]


class Conditions(msgspec.Struct, frozen=True, kw_only=True):
    """The weather now; null is what was not measured.

    Attributes:
        source: Who says so.
        place: Where it was measured.
        units: What the numbers are in.
        observed: When it was measured.
        summary: A few words.
        temperature: The temperature of the air.
        feels_like: What it feels like.
        humidity: In percent.
        pressure: Of the air.
        wind_speed: Of the wind.
        wind_gust: Of its gusts.
        wind_direction: Where it comes from, such as `NW`.
        visibility: How far one sees.
        precipitation: Of the last hour.
    """

    source: Source
    place: str
    units: Units
    observed: str
    summary: str = ""
    temperature: float | None = None
    feels_like: float | None = None
    humidity: float | None = None
    pressure: float | None = None
    wind_speed: float | None = None
    wind_gust: float | None = None
    wind_direction: str = ""
    visibility: float | None = None
    precipitation: float | None = None


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """An alert.

    Attributes:
        event: Such as `Tornado Warning`.
        severity: Extreme, Severe, Moderate, Minor or Unknown.
        urgency: Immediate, Expected, Future, Past or Unknown.
        certainty: Observed, Likely, Possible, Unlikely or Unknown.
        areas: Where it holds.
        onset: When what it is about begins.
        ends: When that ends, or else when the alert does.
        headline: In a sentence.
        description: What is expected; may be cut.
        instruction: What people should do; may be cut.
        sender: Which office says so.
    """

    event: str
    severity: str
    urgency: str
    certainty: str
    areas: str
    onset: str
    ends: str
    headline: str
    description: str
    instruction: str
    sender: str


class Alerts(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts that are in force, the worst first.

    Attributes:
        where: What was asked for.
        total: How many there are.
        alerts: As many as were wanted.
        next_index: The start_index of the rest; null when there is none.
    """

    where: str
    total: int
    alerts: list[Alert]
    next_index: int | None = None


def cut(text: str | None, most: int) -> str:
    """Return a service's text, cut to a length."""
    text = " ".join((text or "").split()) if most <= 300 else (text or "").strip()
    return text if len(text) <= most else text[: most - 1] + "…"
