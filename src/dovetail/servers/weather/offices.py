"""Whom to ask for which place: the National Weather Service where it answers, else OpenWeather, if there is a key."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Literal

from dovetail.errors import ToolError
from dovetail.servers.weather import nws, openweather, stations
from dovetail.servers.weather.key import HOW, Key
from dovetail.servers.weather.places import Point, area
from dovetail.servers.weather.reports import Alerts, Conditions, Forecast
from dovetail.servers.weather.service import Means, Service, base_of
from dovetail.servers.weather.settings import Settings
from dovetail.servers.weather.units import System

Choice = Literal["auto", "nws", "openweather"]
_READ: Final = 1000
"""Resources of which is known what they held when they were read last."""


class Offices:
    """The services, and the key."""

    def __init__(self, settings: Settings, means: Means, tell: Callable[[str], None] = lambda uri: None) -> None:
        """Put together; nothing is opened.

        Args:
            settings: Of the server.
            means: Time, chance and waiting.
            tell: Hears of a resource whose contents have changed since somebody read them last.

        Raises:
            DefinitionError: A setting that cannot be.
        """
        nws_url = base_of(settings.nws_url, "nws_url")
        other_url = base_of(settings.openweather_url, "openweather_url")
        self._nws = Service("The National Weather Service", nws_url, nws.ACCEPT, settings, means)
        self._other = Service("OpenWeather", other_url, openweather.ACCEPT, settings, means)
        self._key = Key(keyring=not settings.no_keyring)
        self._tell = tell
        self._system = settings.units
        self._read: OrderedDict[str, int] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Offices {self._nws!r}, {self._other!r}>"

    async def aclose(self) -> None:
        """Close every connection."""
        await asyncio.gather(self._nws.aclose(), self._other.aclose())

    async def forecast(self, point: Point, system: System, choice: Choice, *, hourly: bool) -> Forecast:
        """Return a forecast.

        Raises:
            ToolError: Nobody makes one; the text says what would help.
        """
        deadline = self._nws.deadline()
        if choice != "openweather":
            try:
                found = await nws.forecast(self._nws, point, system, deadline, hourly=hourly)
                if not hourly and system == self._system:
                    self._note(f"weather://forecast/{point.path}", hash(tuple(found.periods)))
                return found
            except nws.Outside as outside:
                why = f"{self._nws.name} {outside}"
        else:
            why = ""
        key = await self._wanted(choice, why)
        return await openweather.forecast(self._other, key, point, system, deadline, hourly=hourly)

    async def conditions(self, point: Point, system: System, choice: Choice) -> Conditions:
        """Return the weather now.

        Raises:
            ToolError: Nobody knows; the text says what would help.
        """
        deadline = self._nws.deadline()
        if choice != "openweather":
            try:
                return await stations.conditions(self._nws, point, system, deadline)
            except nws.Outside as outside:
                why = f"{self._nws.name} {outside}"
        else:
            why = ""
        key = await self._wanted(choice, why)
        return await openweather.conditions(self._other, key, point, system, deadline)

    async def alerts(self, state: str | None, point: Point | None, start: int, most: int) -> Alerts:
        """Return the alerts of a state, or at a point.

        Raises:
            ToolError: There are none for such a place, or nobody answers.
        """
        if (state is None) == (point is None):
            raise ToolError("Give either a state, or a latitude and a longitude")
        code = None if state is None else area(state)
        where = {"area": code} if code is not None else {"point": "" if point is None else point.path}
        try:
            found = await nws.alerts(self._nws, where, self._nws.deadline())
        except nws.Outside:
            raise ToolError("There are alerts for the United States, its territories and waters only") from None
        if code is not None:
            self._note(f"weather://alerts/{code}", hash(tuple(found)))
        end = min(len(found), start + most)
        return Alerts(
            where=next(iter(where.values())),
            total=len(found),
            alerts=found[start:end],
            next_index=end if end < len(found) else None,
        )

    def _note(self, uri: str, found: int) -> None:
        """Take note of what was read; tell who subscribed when it is something else than the last time."""
        before = self._read.pop(uri, None)
        self._read[uri] = found
        if len(self._read) > _READ:
            self._read.popitem(last=False)
        if before is not None and before != found:
            self._tell(uri)

    async def _wanted(self, choice: Choice, why: str) -> str:
        """Return the key, which is needed now; `why` says what the other one has not."""
        if choice == "nws":
            raise ToolError(why)
        key = await self._key.find()
        if key is not None:
            return key
        what = f"{why}. " if why else ""
        raise ToolError(
            f"{what}OpenWeather needs a key, which the user sets by {HOW}. Keys are free at openweathermap.org"
        )
