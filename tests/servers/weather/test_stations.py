"""The weather now, of stations that may be silent, broken or wrong while the service is well."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from dovetail import Client
from tests.servers.fetch.site import Request, Serve, Site, answer
from tests.servers.weather import recorded
from tests.servers.weather.conftest import BUSY, GEO, GRID, KEY, WASHINGTON, Made, Time, sequence

LATEST = "/stations/{}/observations/latest"
DAY = "public, max-age=86400"


async def test_conditions_are_those_of_the_nearest_station(usual: Site, server: Made) -> None:
    async with Client(server()) as client:
        now = (await client.call_tool("get_current_conditions", WASHINGTON)).structured
        there = (await client.call_tool("get_current_conditions", WASHINGTON | {"units": "imperial"})).structured
    assert now["place"] == "Washington/Reagan National Airport, DC" and now["summary"] == "Mostly Cloudy"
    assert (now["temperature"], now["pressure"], now["visibility"], now["humidity"]) == (11.1, 1013.2, 16.1, 52.3)
    assert now["feels_like"] is None and now["wind_gust"] is None and now["wind_direction"] == "NW"
    assert (there["pressure"], there["visibility"], there["precipitation"]) == (29.92, 10, 0.1)


def stale(site: Site, time: Time) -> None:
    site.page(LATEST.format("KOLD"), recorded.observation(timestamp=at(time, -4)), GEO)


def at(time: Time, hours: float) -> str:
    return datetime.fromtimestamp(time.now + hours * 3600, UTC).isoformat()


async def test_a_station_with_nothing_to_say_of_now_is_passed_over(usual: Site, server: Made, time: Time) -> None:
    near = {"KNONE": "None", "KNULL": "Null", "KOLD": "Old", "KDCA": "There", "KFAR": "Far"}
    usual.page(f"{GRID}/stations?limit=5", recorded.stations(**near), GEO)
    usual.routes[LATEST.format("KNONE")] = answer(recorded.PROBLEM, "application/problem+json", 404)
    usual.page(LATEST.format("KNULL"), recorded.UNMEASURED, GEO)
    stale(usual, time)
    async with Client(server()) as client:
        now = (await client.call_tool("get_current_conditions", WASHINGTON)).structured
    assert (now["place"], now["temperature"]) == ("There", 11.1)
    assert usual.paths()[2:] == [LATEST.format(name) for name in ("KNONE", "KNULL", "KOLD", "KDCA")]


@pytest.mark.parametrize("source", ["auto", "nws"])
async def test_where_no_station_says_anything_the_answer_names_those_that_were_asked(
    usual: Site, server: Made, time: Time, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DOVETAIL_OPENWEATHER_KEY", raising=False)
    names = {f"KX{number}": "X" for number in range(9)} | {"KNULL": "Null", "KOLD": "Old"}
    usual.page(f"{GRID}/stations?limit=5", recorded.stations(**dict(reversed(names.items()))), GEO)
    usual.page(LATEST.format("KNULL"), recorded.UNMEASURED, GEO)
    stale(usual, time)
    async with Client(server()) as client:
        text = (await client.call_tool("get_current_conditions", WASHINGTON | {"source": source})).text
    assert (
        f"no current observation near that place (KOLD has one of {at(time, -4)}, KNULL has measured nothing, KX8"
        in text
    )
    assert "get_hourly_forecast" in text and "no forecasts" not in text and ("key" in text) == (source == "auto")
    assert len(usual.requests) == 2 + 5


async def test_where_no_station_says_anything_openweather_is_asked_with_the_key(
    usual: Site, server: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOVETAIL_OPENWEATHER_KEY", KEY)
    usual.page(f"{GRID}/stations?limit=5", recorded.stations(), GEO)
    usual.page(f"/data/2.5/weather?lat=38.8894&lon=-77.0352&units=metric&appid={KEY}", recorded.NOW, "application/json")
    async with Client(server()) as client:
        assert (await client.call_tool("get_current_conditions", WASHINGTON)).structured["source"] == "OpenWeather"


async def hang(_: Request, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def reset(_: Request, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


@pytest.mark.parametrize(
    "trouble", [answer("", "text/plain", 500), BUSY, answer('{"properties":{"timestamp":null}}', GEO), hang, reset]
)
async def test_where_a_station_cannot_be_asked_the_next_one_is(usual: Site, server: Made, trouble: Any) -> None:
    near = {"KXA": "A", "KXB": "B", "KXC": "C", "KXD": "D", "KDCA": "There"}
    usual.page(f"{GRID}/stations?limit=5", recorded.stations(**near), GEO)
    usual.routes |= {LATEST.format(name): trouble for name in ("KXA", "KXB", "KXC", "KXD")}
    async with Client(server(seconds=2)) as client:
        now = (await client.call_tool("get_current_conditions", WASHINGTON)).structured
        assert now["place"] == "There"
    assert usual.paths()[2:] == [LATEST.format(name) for name in near]


async def test_where_no_station_can_be_asked_the_last_failure_is_told_and_the_service_is_asked_all_the_same(
    usual: Site, server: Made
) -> None:
    usual.page(f"{GRID}/stations?limit=5", recorded.stations(KXA="A", KXB="B"), GEO)
    usual.routes |= {LATEST.format("KXA"): answer("", "text/plain", 500), LATEST.format("KXB"): BUSY}
    async with Client(server()) as client:
        told = (await client.call_tool("get_current_conditions", WASHINGTON)).text
        assert "answered with status 503: try again later" in told
        assert usual.paths()[2:] == [LATEST.format("KXA")] + [LATEST.format("KXB")] * 4
        for _ in range(3):
            assert (await client.call_tool("get_current_conditions", WASHINGTON)).is_error
            assert not (await client.call_tool("get_alerts", {"state": "CA"})).is_error
            assert not (await client.call_tool("get_forecast", WASHINGTON)).is_error


async def test_stations_that_hang_get_the_time_of_one_answer_together(usual: Site, server: Made) -> None:
    names = [f"KX{number}" for number in range(5)]
    usual.page(f"{GRID}/stations?limit=5", recorded.stations(**dict.fromkeys(names, "X")), GEO)
    usual.routes |= {LATEST.format(name): hang for name in names}
    begun = asyncio.get_running_loop().time()
    async with Client(server(seconds=0.5, attempts=1)) as client:
        text = (await client.call_tool("get_current_conditions", WASHINGTON)).text
    assert "did not answer in time" in text and LATEST.format("KX4") in usual.paths()
    assert asyncio.get_running_loop().time() - begun < 2


async def test_a_place_that_is_known_without_stations_is_not_said_to_be_elsewhere(usual: Site, server: Made) -> None:
    usual.routes[f"{GRID}/stations?limit=5"] = answer(recorded.PROBLEM, "application/problem+json", 404)
    async with Client(server()) as client:
        text = (await client.call_tool("get_current_conditions", WASHINGTON | {"source": "nws"})).text
    assert "no current observation near that place: get_hourly_forecast" in text and "territories" not in text


@pytest.mark.parametrize(("further", "place"), [(recorded.OBSERVATION, "There"), (recorded.UNMEASURED, "Wind")])
async def test_a_station_without_a_temperature_speaks_where_no_other_does(
    usual: Site, server: Made, further: str, place: str
) -> None:
    usual.page(f"{GRID}/stations?limit=5", recorded.stations(KWIND="Wind", KDCA="There"), GEO)
    usual.page(LATEST.format("KWIND"), recorded.observation(temperature=None), GEO)
    usual.page(LATEST.format("KDCA"), further, GEO)
    async with Client(server()) as client:
        now = (await client.call_tool("get_current_conditions", WASHINGTON)).structured
    assert now["place"] == place


async def test_a_broken_station_is_left_alone_by_itself_and_the_next_one_answers(
    usual: Site, server: Made, time: Time
) -> None:
    usual.page(f"{GRID}/stations?limit=5", recorded.stations(KBAD="Bad", KDCA="There"), GEO, cache_control=DAY)
    usual.page(LATEST.format("KDCA"), recorded.OBSERVATION, GEO, cache_control=DAY)
    usual.routes[LATEST.format("KBAD")] = BUSY
    async with Client(server()) as client:
        for seconds in (0,) * 7 + (31, 61):  # after which it is asked again, and nobody hears of it
            time.now += seconds
            assert (await client.call_tool("get_current_conditions", WASHINGTON)).structured["place"] == "There"
        assert usual.paths().count(LATEST.format("KBAD")) == 7 and usual.paths().count(LATEST.format("KDCA")) == 1
        assert not (await client.call_tool("get_alerts", {"state": "CA"})).is_error
        assert not (await client.call_tool("get_forecast", WASHINGTON)).is_error


async def test_where_every_station_is_left_alone_that_is_said_and_none_is_asked(usual: Site, server: Made) -> None:
    usual.page(f"{GRID}/stations?limit=5", recorded.stations(KXA="A", KXB="B"), GEO, cache_control=DAY)
    usual.routes |= {LATEST.format("KXA"): BUSY, LATEST.format("KXB"): BUSY}
    async with Client(server()) as client:
        for _ in range(3):
            told = (await client.call_tool("get_current_conditions", WASHINGTON)).text
            assert "answered with status 503: try again " in told
        assert len(usual.requests) == 2 + 5 + 5
        told = (await client.call_tool("get_current_conditions", WASHINGTON)).text
    assert "failed several times in a row: try again in 28 seconds; get_hourly_forecast has" in told
    assert len(usual.requests) == 2 + 5 + 5


async def test_all_questions_of_a_call_have_one_deadline_and_what_was_not_asked_has_not_failed(
    usual: Site, server: Made, time: Time
) -> None:
    def slowly(body: str) -> Serve:
        async def serve(_: Request, writer: asyncio.StreamWriter) -> None:
            time.now += 11
            writer.write(answer(body, GEO))
            await writer.drain()

        return serve

    usual.routes["/points/38.8894,-77.0352"] = slowly(recorded.POINT)
    usual.routes[f"{GRID}/stations?limit=5"] = slowly(recorded.STATIONS)
    async with Client(server(seconds=20)) as client:
        for _ in range(6):
            told = (await client.call_tool("get_current_conditions", WASHINGTON)).text
            assert "did not answer in time: try again later" in told
        assert LATEST.format("KDCA") not in usual.paths()
        assert not (await client.call_tool("get_alerts", {"state": "CA"})).is_error


async def test_a_service_that_is_asked_too_much_is_not_asked_for_the_next_station(
    usual: Site, server: Made, time: Time
) -> None:
    usual.page(f"{GRID}/stations?limit=5", recorded.stations(KXA="A", KDCA="There"), GEO)
    much = LATEST.format("KXA")
    usual.routes[much] = answer("", "", 429, retry_after="60")
    async with Client(server()) as client:
        told = (await client.call_tool("get_current_conditions", WASHINGTON)).text
        assert "answered with status 429: try again in 60 seconds" in told and usual.paths()[-1] == much
        usual.routes[much] = sequence(answer("", "", 429, retry_after="3"), answer(recorded.OBSERVATION, GEO))
        assert (await client.call_tool("get_current_conditions", WASHINGTON)).structured["place"] == "A"
    assert time.pauses == [3.0] and LATEST.format("KDCA") not in usual.paths()


@pytest.mark.parametrize("status", [401, 403, 451])
async def test_a_station_that_is_refused_is_passed_over_and_told_where_all_are(
    usual: Site, server: Made, status: int
) -> None:
    usual.page(f"{GRID}/stations?limit=5", recorded.stations(KXA="A", KDCA="There"), GEO)
    usual.routes[LATEST.format("KXA")] = answer("", "", status)
    async with Client(server()) as client:
        assert (await client.call_tool("get_current_conditions", WASHINGTON)).structured["place"] == "There"
        usual.routes[LATEST.format("KDCA")] = answer("", "", status)
        told = (await client.call_tool("get_current_conditions", WASHINGTON)).text
    assert f"refuses to answer, with status {status}: tell the user" in told


async def test_what_a_station_sees_ahead_of_time_is_not_believed_and_a_time_without_a_zone_is_of_greenwich(
    usual: Site, server: Made, time: Time
) -> None:
    near = {"KAHEAD": "Ahead", "KNAIVE": "Naive", "KDCA": "There"}
    usual.page(f"{GRID}/stations?limit=5", recorded.stations(**near), GEO)
    usual.page(LATEST.format("KAHEAD"), recorded.observation(timestamp=at(time, 0.5)), GEO)
    usual.page(LATEST.format("KNAIVE"), recorded.observation(timestamp=at(time, -2.9)[:19]), GEO)
    async with Client(server()) as client:
        assert (await client.call_tool("get_current_conditions", WASHINGTON)).structured["place"] == "Naive"
        usual.page(LATEST.format("KAHEAD"), recorded.observation(timestamp=at(time, 0.1)), GEO)
        assert (await client.call_tool("get_current_conditions", WASHINGTON)).structured["place"] == "Ahead"
