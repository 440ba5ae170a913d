"""What fails of a service by itself, what all of it; and one question that several ask at a time."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from dovetail import Client
from dovetail.servers.weather import Settings
from dovetail.servers.weather.patience import Deadline, Part
from dovetail.servers.weather.service import Service, Unavailable
from tests.servers.fetch.site import Request, Serve, Site, answer
from tests.servers.weather import recorded
from tests.servers.weather.conftest import BUSY, GEO, GRID, KEY, WASHINGTON, Made, Time, sequence

LATEST = "/stations/{}/observations/latest"
DAY = "public, max-age=86400"
PART = Part("a part", "a part", "parts")


def late(seconds: float, body: str) -> Serve:
    """Answer after so long, as a service does that is slow."""

    async def serve(_: Request, writer: asyncio.StreamWriter) -> None:
        came = asyncio.Event()
        asyncio.get_running_loop().call_later(seconds, came.set)
        await came.wait()
        writer.write(answer(body, GEO))
        await writer.drain()

    return serve


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/points/38.8894,-77.0352", "grid cell of that place"),
        (f"{GRID}/stations?limit=5", "list of stations near that place"),
    ],
)
async def test_what_fails_for_one_place_is_said_of_that_and_everything_else_is_asked_for(
    usual: Site, server: Made, time: Time, path: str, said: str
) -> None:
    usual.routes[path] = answer("", "", 500)
    async with Client(server()) as client:
        for _ in range(5):
            told = (await client.call_tool("get_current_conditions", WASHINGTON)).text
            assert not (await client.call_tool("get_alerts", {"state": "CA"})).is_error
        assert f"The {said} failed several times in a row: try again in" in told
        assert usual.paths().count(path) == 5


async def test_an_outage_is_known_by_different_places_and_all_of_the_kind_left_alone_until_any_of_it_works(
    usual: Site, server: Made, time: Time
) -> None:
    places = [{"latitude": float(north), "longitude": -77.0} for north in range(30, 38)]
    for north in range(30, 38):
        usual.routes[f"/points/{north},-77"] = BUSY
    async with Client(server()) as client:
        texts = [(await client.call_tool("get_forecast", place)).text for place in places]
        assert "asked for the grid cell of that place, answered with status 503: try again in 30 seconds" in texts[4]
        said = "Service, asked for grid cells, failed several times in a row: try again in 30 seconds"
        assert all(said in text for text in texts[5:])
        assert len(usual.requests) == 4 * 4 + 1
        assert not (await client.call_tool("get_alerts", {"state": "CA"})).is_error, "alerts are of another kind"
        assert (await client.call_tool("get_forecast", WASHINGTON)).is_error
        time.now += 31
        assert not (await client.call_tool("get_forecast", WASHINGTON)).is_error


async def test_broken_stations_near_one_place_do_not_take_the_service_down(usual: Site, server: Made) -> None:
    names = [f"KX{number}" for number in range(5)]
    near = recorded.stations(**dict.fromkeys(names, "X"))
    usual.page(f"{GRID}/stations?limit=5", near, GEO, cache_control=DAY)
    usual.routes |= {LATEST.format(name): answer("", "", 500) for name in names}
    async with Client(server()) as client:
        for _ in range(8):
            assert (await client.call_tool("get_current_conditions", WASHINGTON)).is_error
        assert not (await client.call_tool("get_alerts", {"state": "CA"})).is_error


async def test_a_place_without_a_grid_is_said_to_have_none_and_is_no_failure(
    usual: Site, server: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DOVETAIL_OPENWEATHER_KEY", raising=False)
    point = "/points/38.8894,-77.0352"
    usual.page(point, '{"properties": {"gridId": null, "gridX": null, "gridY": null}}', GEO)
    async with Client(server()) as client:
        for _ in range(6):
            told = (await client.call_tool("get_forecast", WASHINGTON)).text
            assert "The National Weather Service has no forecast grid for that place. OpenWeather needs a key" in told
        assert usual.paths() == [point] * 6
    monkeypatch.setenv("DOVETAIL_OPENWEATHER_KEY", KEY)
    path = f"/data/2.5/forecast?lat=38.8894&lon=-77.0352&units=metric&appid={KEY}"
    usual.page(path, recorded.STEPS, "application/json")
    async with Client(server()) as client:
        assert (await client.call_tool("get_forecast", WASHINGTON)).structured["source"] == "OpenWeather"


async def test_a_station_gets_half_of_the_time_that_is_left_so_that_a_slow_service_is_heard_out(
    usual: Site, server: Made
) -> None:
    usual.page(f"{GRID}/stations?limit=5", recorded.stations(KXA="A", KXB="B", KXC="C", KXD="D", KDCA="There"), GEO)
    usual.routes[LATEST.format("KXA")] = late(0.6, recorded.OBSERVATION)
    async with Client(server(seconds=2)) as client:
        assert (await client.call_tool("get_current_conditions", WASHINGTON)).structured["place"] == "A"


async def test_a_pause_that_is_asked_for_at_a_station_is_made_in_the_time_of_the_whole_call(
    usual: Site, server: Made, time: Time
) -> None:
    usual.page(f"{GRID}/stations?limit=5", recorded.stations(KXA="A", KDCA="There"), GEO)
    much = answer("", "", 429, retry_after="6")
    usual.routes[LATEST.format("KXA")] = sequence(much, much, answer(recorded.OBSERVATION, GEO))
    async with Client(server()) as client:
        assert (await client.call_tool("get_current_conditions", WASHINGTON)).structured["place"] == "A"
    assert time.pauses == [6.0, 6.0]


class Gate:
    """A question of the site that is answered when the test says so."""

    def __init__(self) -> None:
        self.came, self.opened = asyncio.Event(), asyncio.Event()

    async def __call__(self, _: Request, writer: asyncio.StreamWriter) -> None:
        self.came.set()
        await self.opened.wait()
        writer.write(answer("{}", GEO, cache_control=DAY))
        await writer.drain()


@pytest.fixture
def gate(site: Site) -> Gate:
    found = Gate()
    site.routes["/x"] = found
    return found


@pytest.fixture
async def service(site: Site, time: Time) -> AsyncIterator[Service]:
    made = Service("It", site.origin, GEO, Settings(seconds=20, attempts=1), time.means())
    yield made
    await made.aclose()


def asking(service: Service, time: Time, seconds: float, *, soon: bool = False) -> "asyncio.Task[object]":
    deadline = Deadline(seconds, asyncio.get_running_loop().time, lambda: time.now)
    return asyncio.create_task(service.ask(dict[str, str], "/x", {}, deadline, PART, soon=soon))


async def test_who_has_more_time_than_the_first_asker_gets_the_answer_which_is_kept(
    service: Service, site: Site, gate: Gate, time: Time
) -> None:
    first = asking(service, time, 0.2)
    await gate.came.wait()
    second = asking(service, time, 20)
    with pytest.raises(Unavailable, match="It, asked for a part, did not answer in time: try again later"):
        await first
    gate.opened.set()
    assert await second == {} and await asking(service, time, 20) == {}
    assert len(site.requests) == 1


async def test_a_first_asker_who_leaves_fails_nobody(service: Service, site: Site, gate: Gate, time: Time) -> None:
    first = asking(service, time, 20)
    await gate.came.wait()
    second = asking(service, time, 20)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    gate.opened.set()
    assert await second == {} and len(site.requests) == 1


async def test_who_has_less_time_than_the_first_asker_leaves_alone(service: Service, gate: Gate, time: Time) -> None:
    first = asking(service, time, 20)
    await gate.came.wait()
    with pytest.raises(Unavailable, match="in time"):
        await asking(service, time, 0.05)
    gate.opened.set()
    assert await first == {}


async def test_who_waits_for_a_pause_that_the_service_asks_for_waits_beyond_his_share(
    service: Service, site: Site, time: Time
) -> None:
    done, came = asyncio.Event(), asyncio.Event()

    async def busy(_: Request, writer: asyncio.StreamWriter) -> None:
        if not came.is_set():
            came.set()
            writer.write(answer("", "", 429, retry_after="1"))
        else:
            await done.wait()
            writer.write(answer("{}", GEO))
        await writer.drain()

    site.routes["/x"] = busy
    made = Service("It", site.origin, GEO, Settings(), time.means())
    asked = asking(made, time, 3, soon=True)
    asyncio.get_running_loop().call_later(1.7, done.set)
    assert await asked == {}
    await made.aclose()


async def test_who_leaves_in_a_pause_hears_what_the_service_said(site: Site, time: Time) -> None:
    paused, go_on = asyncio.Event(), asyncio.Event()

    async def sleep(_: float) -> None:
        paused.set()
        await go_on.wait()

    site.routes["/x"] = answer("", "", 503)
    made = Service("It", site.origin, GEO, Settings(), msgspec.structs.replace(time.means(), sleep=sleep))
    first, second = asking(made, time, 0.5), asking(made, time, 20)
    await paused.wait()
    with pytest.raises(Unavailable, match="It, asked for a part, answered with status 503: try again later"):
        await first
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    await made.aclose()


async def test_what_was_cut_off_before_an_answer_could_be_expected_has_not_failed(
    service: Service, gate: Gate, time: Time
) -> None:
    for _ in range(6):
        with pytest.raises(Unavailable, match="in time: try again later"):
            await asking(service, time, 0.02)
    gate.opened.set()
    assert service.spared(PART) is None and await asking(service, time, 20) == {}
