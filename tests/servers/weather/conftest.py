"""A site that plays both services, and a server that asks it, whose time passes only when the test says so."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from dovetail import Server
from dovetail.servers.weather import Means, Settings, make
from tests.servers.fetch.site import Request, Serve, Site, answer, running
from tests.servers.weather import recorded

Made = Callable[..., Server]
WASHINGTON = {"latitude": 38.8894, "longitude": -77.0352}
PARIS = {"latitude": 48.8566, "longitude": 2.3522}
GRID = "/gridpoints/LWX/97,71"
GEO = "application/geo+json"
KEY = "0123456789abcdef0123456789abcdef"
FOREIGN = "lat=48.8566&lon=2.3522&units=metric"
BUSY = answer("busy secret", "text/plain", 503)


class Time:
    """A clock, and the pauses that were made on it."""

    def __init__(self) -> None:
        self.now = 1_795_273_200.0  # 2026-11-21T15:00Z, when the answers were recorded
        self.pauses: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    def means(self) -> Means:
        return Means(clock=lambda: self.now, sleep=self.sleep, chance=lambda: 0.5)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with running() as found:
        yield found


@pytest.fixture
def usual(site: Site) -> Site:
    """What the services say on a usual day."""
    site.page("/points/38.8894,-77.0352", recorded.POINT, GEO, cache_control="public, max-age=86400")
    site.page(f"{GRID}/forecast?units=us", recorded.US, GEO, cache_control="public, max-age=3600")
    site.page(f"{GRID}/forecast?units=si", recorded.SI, GEO, cache_control="public, max-age=3600")
    site.page(f"{GRID}/forecast/hourly?units=us", recorded.HOURS, GEO)
    site.page(f"{GRID}/forecast/hourly?units=si", recorded.HOURS, GEO)
    site.page(f"{GRID}/stations?limit=5", recorded.STATIONS, GEO)
    site.page("/stations/KDCA/observations/latest", recorded.OBSERVATION, GEO)
    wind, flood = recorded.alert("Wind Advisory", "Moderate"), recorded.alert("Flash Flood Warning", "Severe")
    test = recorded.alert("Tornado Warning", "Extreme", status="Test")
    site.page("/alerts/active?area=CA", recorded.alerts(wind, flood, test), GEO)
    site.page("/alerts/active?point=38.8894%2C-77.0352", recorded.alerts(wind), GEO)
    site.routes["/points/48.8566,2.3522"] = answer(recorded.PROBLEM, "application/problem+json", 404)
    site.page(f"/data/2.5/weather?{FOREIGN}&appid={KEY}", recorded.NOW, "application/json")
    site.page(f"/data/2.5/forecast?{FOREIGN}&appid={KEY}", recorded.STEPS, "application/json")
    return site


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def server(site: Site, time: Time) -> Callable[..., Server]:
    def made(**given: Any) -> Server:
        allowed: dict[str, Any] = {"nws_url": site.origin, "openweather_url": site.origin, "no_keyring": True}
        return make(Settings(**(allowed | given)), time.means())

    return made


def sequence(*answers: bytes) -> Serve:
    """Give one answer after the other, and the last one for ever."""
    left = list(answers)

    async def serve(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(left.pop(0) if len(left) > 1 else left[0])
        await writer.drain()

    return serve
