"""A site that plays both services, and a server that asks it, whose time passes only when the test says so."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from dovetail import Server
from dovetail.servers.weather import Means, Settings, make
from tests.servers.fetch.site import Request, Serve, Site, running


class Time:
    """A clock, and the pauses that were made on it."""

    def __init__(self) -> None:
        self.now = 1_795_000_000.0
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
