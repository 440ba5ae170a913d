"""The weather server as a model and a user see it: four tools, alerts and forecasts as resources, two prompts."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Annotated, Final

from msgspec import Meta

from dovetail import Cache, Complete, Context, Server, ToolAnnotations, ToolError, __version__
from dovetail.errors import InvalidParams
from dovetail.servers.weather.offices import Choice, Offices
from dovetail.servers.weather.places import STATES, Point, area, point, suggested
from dovetail.servers.weather.reports import Alerts, Conditions, Forecast, Period
from dovetail.servers.weather.service import Means, agent_of
from dovetail.servers.weather.settings import Settings
from dovetail.servers.weather.units import System

_READS: Final = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=True)
_INSTRUCTIONS: Final = """\
Weather for coordinates: find those of a place yourself. `get_forecast` has days, `get_hourly_forecast` hours, \
`get_current_conditions` the last observation, `get_alerts` the warnings that are in force. The National Weather \
Service answers for the United States, its territories and waters; elsewhere OpenWeather does, if the user has set a \
key. Numbers are in the units of the call; each answer names them. For danger to life, repeat alerts as they are."""

Latitude = Annotated[float, Meta(ge=-90, le=90, description="Degrees north, such as 38.8894; south is negative.")]
Longitude = Annotated[float, Meta(ge=-180, le=180, description="Degrees east, such as -77.0352; west is negative.")]
SystemOf = Annotated[System | None, "metric (°C, km/h) or imperial (°F, mph); the server's setting without it."]
Asked = Annotated[Choice, "Whom to ask; `auto` asks the National Weather Service first."]


def make(settings: Settings, means: Means | None = None) -> Server:
    """Make the weather server.

    Args:
        settings: What the user has set.
        means: What time, chance and waiting are; the system's, when not given.

    Raises:
        DefinitionError: A setting that cannot be; the text names it.
    """
    agent_of(settings)
    Offices(settings, means or Means())  # what cannot be is seen here

    async def lifespan(server: Server) -> AsyncIterator[Offices]:
        offices = Offices(settings, means or Means(), server.notify.resource_updated)
        try:
            yield offices
        finally:
            await offices.aclose()

    app = Server(
        "weather",
        version=__version__,
        title="Weather",
        description="Forecasts and alerts of the National Weather Service, and of OpenWeather with a key.",
        instructions=_INSTRUCTIONS,
        lifespan=lifespan,
        timeout=2 * settings.seconds + 30,
    )
    _offer_forecasts(app, settings.units)
    _offer_conditions(app, settings.units)
    _offer_alerts(app)
    _offer_resources(app, settings.units)
    _offer_prompts(app, settings.units)
    return app


def _offer_forecasts(app: Server, system: System) -> None:
    @app.tool(title="Forecast", annotations=_READS, concurrency=32)
    async def get_forecast(
        latitude: Latitude, longitude: Longitude, ctx: Context, units: SystemOf = None, source: Asked = "auto"
    ) -> Forecast:
        """Get the forecast for a place: about a week of days and nights in the United States, five days elsewhere.

        Args:
            latitude: Degrees north; up to four decimals count.
            longitude: Degrees east; up to four decimals count.
        """
        return await _offices(ctx).forecast(point(latitude, longitude), units or system, source, hourly=False)

    @app.tool(title="Forecast by the hour", annotations=_READS, concurrency=32)
    async def get_hourly_forecast(
        latitude: Latitude,
        longitude: Longitude,
        ctx: Context,
        periods: Annotated[int, Meta(ge=1, le=156)] = 24,
        units: SystemOf = None,
        source: Asked = "auto",
    ) -> Forecast:
        """Get the forecast for a place hour by hour in the United States, in steps of three hours elsewhere.

        Args:
            latitude: Degrees north; up to four decimals count.
            longitude: Degrees east; up to four decimals count.
            periods: How many hours, or steps, from now on.
        """
        found = await _offices(ctx).forecast(point(latitude, longitude), units or system, source, hourly=True)
        return _shortened(found, periods)


def _offer_conditions(app: Server, system: System) -> None:
    @app.tool(title="Weather now", annotations=_READS, concurrency=32)
    async def get_current_conditions(
        latitude: Latitude, longitude: Longitude, ctx: Context, units: SystemOf = None, source: Asked = "auto"
    ) -> Conditions:
        """Get what was last observed near a place: temperature, wind, humidity, pressure; null is what was not
        measured.

        Args:
            latitude: Degrees north; up to four decimals count.
            longitude: Degrees east; up to four decimals count.
        """
        return await _offices(ctx).conditions(point(latitude, longitude), units or system, source)


def _offer_alerts(app: Server) -> None:
    @app.tool(title="Weather alerts", annotations=_READS, concurrency=32)
    async def get_alerts(
        ctx: Context,
        state: str | None = None,
        latitude: Latitude | None = None,
        longitude: Longitude | None = None,
        start_index: Annotated[int, Meta(ge=0)] = 0,
        limit: Annotated[int, Meta(ge=1, le=100)] = 20,
    ) -> Alerts:
        """Get the weather alerts that are in force in a US state or at a point, the worst first.

        Args:
            state: Two letters such as CA, or a name; also territories and waters. Give this or a point.
            latitude: Of a point, with its longitude.
            longitude: Of a point, with its latitude.
            start_index: The alert to begin at.
            limit: The most alerts to return; next_index says where the rest begins.
        """
        where = None if latitude is None or longitude is None else point(latitude, longitude)
        return await _offices(ctx).alerts(state, where, start_index, limit)


def _offer_resources(app: Server, system: System) -> None:
    @app.resource("weather://states", title="States", mime_type="application/json", cache=Cache(3600, "public"))
    def states() -> dict[str, str]:
        """The states, territories and waters that there are alerts for, by their codes."""
        return STATES

    @app.resource("weather://alerts/{state}", title="Alerts of a state", mime_type="application/json", cache=Cache(60))
    async def state_alerts(state: Annotated[str, Complete(suggested)], ctx: Context) -> Alerts:
        """The alerts that are in force in a state, the worst first; at most 100."""
        with _named():
            code = area(state)
        return await _offices(ctx).alerts(code, None, 0, 100)

    @app.resource(
        "weather://forecast/{latitude},{longitude}", title="Forecast", mime_type="application/json", cache=Cache(300)
    )
    async def place_forecast(latitude: float, longitude: float, ctx: Context) -> Forecast:
        """The forecast for a place, such as weather://forecast/38.8894,-77.0352."""
        with _named():
            where = point(latitude, longitude)
        return await _offices(ctx).forecast(where, system, "auto", hourly=False)


def _offer_prompts(app: Server, system: System) -> None:
    @app.prompt(title="Plan my day")
    async def plan_my_day(latitude: float, longitude: float, ctx: Context, plans: str = "") -> str:
        """Plan a day around the weather: the next hours and the alerts, and what you want to do.

        Args:
            latitude: Degrees north.
            longitude: Degrees east.
            plans: What you want to do, if you know.
        """
        with _named():
            where = point(latitude, longitude)
        hours = _shortened(await _offices(ctx).forecast(where, system, "auto", hourly=True), 16)
        lines = [f"The next hours at {hours.place or where.path} ({hours.source}):", *_table(hours)]
        if hours.source == "National Weather Service":
            lines += ["", *await _warnings(ctx, where)]
        lines += ["", f"What I want to do: {plans}" if plans else "I have no plans yet."]
        lines.append(
            "Plan my day around this: when to do what, what to wear and to take along, and what to watch out for."
        )
        return "\n".join(lines)

    @app.prompt(title="Brief me on a state's alerts")
    async def brief_alerts(state: Annotated[str, Complete(suggested)], ctx: Context) -> str:
        """Sum up the alerts that are in force in a state: where, until when, and what people should do.

        Args:
            state: Two letters such as CA, or a name.
        """
        with _named():
            code = area(state)
        found = await _offices(ctx).alerts(code, None, 0, 30)
        lines = [f"{found.total} alerts are in force in {STATES[code]}."]
        lines += [
            f"- {a.event} ({a.severity}) for {a.areas}, until {a.ends}: {a.headline} {a.instruction}"
            for a in found.alerts
        ]
        lines.append(
            "Sum them up by place, the worst first: until when, and what people should do. Leave out no warning."
        )
        return "\n".join(lines)


@contextmanager
def _named() -> Iterator[None]:
    """Outside of tools, a place that is none is the caller's mistake in a name or an argument, not a failure here."""
    try:
        yield
    except ToolError as error:
        raise InvalidParams(str(error)) from None


def _offices(ctx: Context) -> Offices:
    offices: Offices = ctx.lifespan
    return offices


def _shortened(found: Forecast, periods: int) -> Forecast:
    return Forecast(
        source=found.source,
        place=found.place,
        latitude=found.latitude,
        longitude=found.longitude,
        units=found.units,
        updated=found.updated,
        periods=found.periods[:periods],
    )


async def _warnings(ctx: Context, where: Point) -> list[str]:
    found = await _offices(ctx).alerts(None, where, 0, 10)
    if not found.total:
        return ["No alerts are in force there."]
    return [
        "Alerts that are in force there:",
        *(f"- {a.event} ({a.severity}), until {a.ends}: {a.headline}" for a in found.alerts),
    ]


def _table(found: Forecast) -> list[str]:
    return [_line(period, found) for period in found.periods]


def _line(period: Period, found: Forecast) -> str:
    parts = [period.start[11:16] or period.name, period.summary]
    if period.temperature is not None:
        parts.append(f"{period.temperature:g} {found.units.temperature}")
    if period.precipitation_chance is not None:
        parts.append(f"{period.precipitation_chance} % precipitation")
    if period.wind_speed is not None:
        parts.append(f"wind {period.wind_direction} {period.wind_speed:g} {found.units.speed}".replace("  ", " "))
    return "- " + ", ".join(filter(None, parts))
