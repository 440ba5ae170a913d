"""The weather server as a model uses it, against a site that answers as the services do, faults included."""

import asyncio
import json
import logging

import pytest

from dovetail import Client
from dovetail.errors import DefinitionError, PeerError
from dovetail.servers.weather import Settings, make
from dovetail.wire import PromptReference, ResourceTemplateReference, TextContent
from tests.servers.fetch.site import Request, Site, answer, redirect
from tests.servers.weather import recorded
from tests.servers.weather.conftest import BUSY, FOREIGN, GEO, GRID, KEY, PARIS, WASHINGTON, Made, Time, sequence

ERAS = ["2024-11-05", "2025-11-25", "2026-07-28"]


@pytest.mark.parametrize("revision", ERAS)
async def test_a_forecast_is_in_the_units_of_the_call(usual: Site, server: Made, revision: str) -> None:
    async with Client(server(), revision=revision) as client:
        metric = await client.call_tool("get_forecast", WASHINGTON)
        imperial = await client.call_tool("get_forecast", WASHINGTON | {"units": "imperial"})
    si, us = json.loads(metric.text), json.loads(imperial.text)
    assert (si["units"]["temperature"], us["units"]["temperature"]) == ("°C", "°F")
    assert (si["periods"][0]["temperature"], us["periods"][0]["temperature"]) == (10, 50)
    assert (si["periods"][0]["wind_speed"], si["periods"][0]["wind_speed_to"]) == (16, 24)
    assert us["periods"][1]["lowest"] is None and us["periods"][1]["precipitation_chance"] is None
    assert si["place"] == "Washington, DC" and si["source"] == "National Weather Service"
    assert si["periods"][0]["name"] == "Saturday" and si["updated"] == "2026-11-21T14:39:00+00:00"
    if revision != "2024-11-05":
        assert metric.structured == si


async def test_what_is_in_another_unit_is_converted_exactly(usual: Site, server: Made) -> None:
    usual.page(f"{GRID}/forecast?units=si", recorded.US, GEO)
    usual.page(f"{GRID}/forecast?units=us", recorded.QUANTITIES, GEO)
    async with Client(server()) as client:
        metric = (await client.call_tool("get_forecast", WASHINGTON)).structured["periods"]
        imperial = (await client.call_tool("get_forecast", WASHINGTON | {"units": "imperial"})).structured["periods"]
    assert [period["temperature"] for period in metric] == [10, 0]
    assert (metric[0]["wind_speed"], metric[0]["wind_speed_to"], metric[1]["wind_speed"]) == (16.1, 24.1, 8.0)
    assert (imperial[0]["temperature"], imperial[0]["wind_speed"], imperial[0]["wind_speed_to"]) == (50, 10, 15)


async def test_hours_are_as_many_as_were_wanted(usual: Site, server: Made) -> None:
    async with Client(server(units="imperial")) as client:
        found = (await client.call_tool("get_hourly_forecast", WASHINGTON | {"periods": 5})).structured
    assert [period["temperature"] for period in found["periods"]] == [51, 52, 53, 54, 55]


async def test_a_call_that_its_client_cancels_asks_nothing_more_and_the_next_one_gets_what_was_under_way(
    usual: Site, server: Made
) -> None:
    gate, came = asyncio.Event(), asyncio.Event()

    async def slow(_: Request, writer: asyncio.StreamWriter) -> None:
        came.set()
        await gate.wait()
        writer.write(answer(recorded.POINT, GEO, cache_control="max-age=60"))
        await writer.drain()

    point = "/points/38.8894,-77.0352"
    usual.routes[point] = slow
    async with Client(server()) as client:
        call = asyncio.ensure_future(client.call_tool("get_current_conditions", WASHINGTON))
        await came.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert not (await client.call_tool("get_alerts", {"state": "CA"})).is_error  # the cancellation has come by then
        gate.set()
        assert not (await client.call_tool("get_forecast", WASHINGTON)).is_error
        assert usual.paths() == [point, "/alerts/active?area=CA", f"{GRID}/forecast?units=si"]


async def test_alerts_are_those_in_force_the_worst_first(usual: Site, server: Made) -> None:
    async with Client(server()) as client:
        state = (await client.call_tool("get_alerts", {"state": "california"})).structured
        first = (await client.call_tool("get_alerts", {"state": "CA", "limit": 1})).structured
        rest = (await client.call_tool("get_alerts", {"state": "CA", "start_index": 1})).structured
        here = (await client.call_tool("get_alerts", WASHINGTON)).structured
    assert [alert["event"] for alert in state["alerts"]] == ["Flash Flood Warning", "Wind Advisory"]
    assert state["where"] == "CA" and state["total"] == 2 and state["next_index"] is None
    assert first["next_index"] == 1 and rest["alerts"][0]["event"] == "Wind Advisory"
    assert here["total"] == 1 and here["alerts"][0]["instruction"] == "Secure outdoor objects."
    assert here["alerts"][0]["ends"] == "2026-11-22T04:00:00-08:00"


@pytest.mark.parametrize(
    "arguments",
    [{}, {"latitude": 1}, {"longitude": 1}, {"state": "XX"}, {"state": ""}, {"state": "CA"} | WASHINGTON],
)
async def test_alerts_are_for_one_place(server: Made, arguments: dict[str, object]) -> None:
    async with Client(server()) as client:
        assert (await client.call_tool("get_alerts", arguments)).is_error


@pytest.mark.parametrize(
    ("latitude", "longitude"), [(91, 0), (-90.1, 0), (0, 181), (0, -180.5), ("north", 0), (None, 0)]
)
async def test_what_is_no_place_is_refused_and_nobody_is_asked(
    site: Site, server: Made, latitude: object, longitude: object
) -> None:
    async with Client(server()) as client:
        result = await client.call_tool("get_forecast", {"latitude": latitude, "longitude": longitude})
    assert result.is_error and site.requests == []


@pytest.mark.parametrize("uri", ["nan,0", "inf,0", "0,-inf", "91,0", "0,181", "1e400,0", "x,y"])
async def test_what_is_no_place_in_a_uri_is_refused_as_well(site: Site, server: Made, uri: str) -> None:
    async with Client(server()) as client:
        with pytest.raises(PeerError) as caught:
            await client.read_resource(f"weather://forecast/{uri}")
    assert caught.value.code == -32602
    assert site.requests == []


async def test_what_is_no_place_in_a_resource_or_a_prompt_is_the_callers_mistake_and_says_what_is_one(
    site: Site, server: Made
) -> None:
    async with Client(server()) as client:
        for says, call in (
            ("No such state: give its two letters", client.read_resource("weather://alerts/ZZ")),
            ("latitude: expected degrees from -90 to 90", client.read_resource("weather://forecast/99,-77")),
            ("No such state: give its two letters", client.get_prompt("brief_alerts", {"state": "ZZ"})),
            ("longitude: expected", client.get_prompt("plan_my_day", {"latitude": "0", "longitude": "181"})),
        ):
            with pytest.raises(PeerError, match=says) as caught:
                await call
            assert caught.value.code == -32602
    assert site.requests == []


async def test_coordinates_are_asked_for_as_the_service_likes_them(usual: Site, server: Made) -> None:
    usual.page("/points/38.9,-77", recorded.POINT, GEO)
    async with Client(server()) as client:
        assert not (await client.call_tool("get_forecast", {"latitude": 38.90000001, "longitude": -77.0})).is_error
    assert usual.paths()[0] == "/points/38.9,-77"
    fields = usual.requests[0].headers
    assert fields["user-agent"].startswith("Dovetail-Weather/") and fields["accept"] == GEO


async def test_no_url_of_an_answer_is_followed(usual: Site, server: Made) -> None:
    bad = recorded.POINT.replace('"LWX"', '"../../x"')
    usual.page("/points/1,1", bad, GEO)
    usual.routes["/points/2,2"] = redirect("http://169.254.169.254/latest/meta-data", 301)
    usual.routes["/points/3,3"] = redirect("/points/38.8894,-77.0352", 301)
    async with Client(server()) as client:
        odd = await client.call_tool("get_forecast", {"latitude": 1, "longitude": 1})
        away = await client.call_tool("get_forecast", {"latitude": 2, "longitude": 2})
        moved = await client.call_tool("get_forecast", {"latitude": 3, "longitude": 3})
    assert odd.is_error and away.is_error and not moved.is_error
    assert "status 301" in away.text and "169.254" not in away.text


async def test_outside_of_the_united_states_openweather_is_asked_with_the_key(
    usual: Site, server: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOVETAIL_OPENWEATHER_KEY", KEY)
    async with Client(server()) as client:
        now = (await client.call_tool("get_current_conditions", PARIS)).structured
        days = (await client.call_tool("get_forecast", PARIS | {"units": "imperial"})).structured
        steps = (await client.call_tool("get_hourly_forecast", PARIS)).structured
        chosen = await client.call_tool("get_forecast", PARIS | {"source": "nws"})
    assert (now["source"], now["place"], now["summary"]) == ("OpenWeather", "Paris", "broken clouds")
    assert (now["temperature"], now["wind_speed"], now["wind_gust"], now["pressure"]) == (10.5, 18, 36, 1013.2)
    assert now["wind_direction"] == "SSW" and now["observed"].endswith("+01:00") and now["precipitation"] == 0.5
    assert [(day["temperature"], day["lowest"]) for day in days["periods"]] == [(53.6, 41), (41, 37.4)]
    assert days["periods"][0]["summary"] == "light rain, then clear sky" and days["place"] == "Paris, FR"
    assert [step["precipitation_chance"] for step in steps["periods"]] == [20, 46, 100]
    assert chosen.is_error and "United States" in chosen.text


async def test_without_a_key_the_answer_says_how_to_set_one(
    usual: Site, server: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DOVETAIL_OPENWEATHER_KEY", raising=False)
    async with Client(server()) as client:
        result = await client.call_tool("get_forecast", PARIS)
        asked = await client.call_tool("get_forecast", WASHINGTON | {"source": "openweather"})
    assert result.is_error and "keyring set dovetail-weather openweather" in result.text
    assert "DOVETAIL_OPENWEATHER_KEY" in asked.text and not any("data/2.5" in path for path in usual.paths())


@pytest.mark.parametrize(
    "route",
    [
        answer('{"cod": 401, "message": "Invalid API key"}', "application/json", 401),
        answer("<html>down</html>", "text/html", 502),
        answer("{", "application/json"),
        answer('{"list": []}', "application/json"),
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
        b"nonsense\r\n\r\n",
        answer("", "text/plain", 404),
    ],
)
async def test_the_key_is_in_no_error_no_log_and_no_listing(
    usual: Site, server: Made, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, route: bytes
) -> None:
    monkeypatch.setenv("DOVETAIL_OPENWEATHER_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    for path in ("weather", "forecast"):
        usual.routes[f"/data/2.5/{path}?{FOREIGN}&appid={KEY}"] = sequence(route)
    made = server(attempts=2)
    async with Client(made) as client:
        texts = [
            (await client.call_tool("get_current_conditions", PARIS)).text,
            (await client.call_tool("get_forecast", PARIS)).text,
            str(await client.list_tools()),
            repr(made),
            str(await client.list_resource_templates()),
        ]
        with pytest.raises(PeerError) as caught:
            await client.read_resource("weather://forecast/48.8566,2.3522")
    assert any(KEY in path for path in usual.paths())
    assert KEY not in "".join([*texts, str(caught.value), caplog.text])


async def test_what_is_no_key_is_not_sent(usual: Site, server: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOVETAIL_OPENWEATHER_KEY", "a b&c")
    async with Client(server()) as client:
        result = await client.call_tool("get_forecast", PARIS)
    assert result.is_error and "a b&c" not in result.text and "none" in result.text


async def test_what_fails_for_now_is_tried_again_with_growing_pauses(usual: Site, server: Made, time: Time) -> None:
    good = answer(recorded.alerts(), GEO)
    usual.routes["/alerts/active?area=NY"] = sequence(BUSY, answer("", "", 500), BUSY, good)
    async with Client(server()) as client:
        result = await client.call_tool("get_alerts", {"state": "NY"})
    assert not result.is_error and time.pauses == [0.25, 0.5, 1.0]


async def test_what_keeps_failing_is_told_without_its_words(usual: Site, server: Made, time: Time) -> None:
    usual.routes["/alerts/active?area=NY"] = BUSY
    async with Client(server(attempts=3)) as client:
        result = await client.call_tool("get_alerts", {"state": "NY"})
    assert result.is_error and "status 503" in result.text and "later" in result.text and "secret" not in result.text
    assert len(usual.requests) == 3 and len(time.pauses) == 2


async def test_the_pause_that_a_service_asks_for_is_kept(usual: Site, server: Made, time: Time) -> None:
    good = answer(recorded.alerts(), GEO)
    usual.routes["/alerts/active?area=NY"] = sequence(answer("", "", 429, retry_after="7"), good)
    usual.routes["/alerts/active?area=TX"] = answer("", "", 429, retry_after="3600")
    async with Client(server()) as client:
        assert not (await client.call_tool("get_alerts", {"state": "NY"})).is_error
        long = await client.call_tool("get_alerts", {"state": "TX"})
    assert time.pauses == [7.0]
    assert long.is_error and "in 3600 seconds" in long.text and usual.paths().count("/alerts/active?area=TX") == 1


@pytest.mark.parametrize(
    "body",
    [b"{", b"<html><body>Akamai error secret</body></html>", b"", b"[]", b"null", b"\xff\xfe", b"[" * 100_000],
)
async def test_what_is_no_data_is_tried_again_and_told_without_its_words(
    usual: Site, server: Made, time: Time, body: bytes
) -> None:
    usual.routes["/alerts/active?area=NY"] = answer(body, "text/html")
    usual.routes["/alerts/active?area=TX"] = sequence(answer(body, "text/html"), answer(recorded.alerts(), GEO))
    async with Client(server(attempts=2)) as client:
        result = await client.call_tool("get_alerts", {"state": "NY"})
        later = await client.call_tool("get_alerts", {"state": "TX"})
    assert result.is_error and "something else than data" in result.text and "secret" not in result.text
    assert not later.is_error


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/points/38.8894,-77.0352", '{"properties": {}}'),
        ("/points/38.8894,-77.0352", "{}"),
        ("/points/38.8894,-77.0352", '{"properties": {"gridId": "LWX", "gridX": "a", "gridY": 1}}'),
        ("/points/38.8894,-77.0352", '{"properties": {"gridId": "LWX", "gridX": -1, "gridY": 1}}'),
        (f"{GRID}/forecast?units=si", '{"properties": {}}'),
        (f"{GRID}/forecast?units=si", '{"properties": {"periods": [{"name": "x"}]}}'),
    ],
)
async def test_an_answer_that_lacks_what_it_needs_is_told(usual: Site, server: Made, path: str, body: str) -> None:
    usual.page(path, body, GEO)
    async with Client(server()) as client:
        result = await client.call_tool("get_forecast", WASHINGTON)
    assert result.is_error and "without what was asked for" in result.text


async def test_a_service_that_is_silent_is_given_up(usual: Site, server: Made) -> None:
    async def silent(_: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    usual.routes["/alerts/active?area=NY"] = silent
    async with Client(server(seconds=0.3)) as client:
        result = await client.call_tool("get_alerts", {"state": "NY"})
    assert result.is_error and "did not answer in time" in result.text


async def test_a_service_that_keeps_failing_is_left_alone_then_asked_once(
    usual: Site, server: Made, time: Time
) -> None:
    usual.routes["/alerts/active?area=NY"] = BUSY
    ask = {"state": "NY"}
    async with Client(server(attempts=1)) as client:
        for _ in range(5):
            assert "503" in (await client.call_tool("get_alerts", ask)).text
        spared = await client.call_tool("get_alerts", ask)
        assert "several times in a row: try again in 30 seconds" in spared.text and len(usual.requests) == 5
        time.now += 31
        assert "503" in (await client.call_tool("get_alerts", ask)).text
        assert "in 60 seconds" in (await client.call_tool("get_alerts", ask)).text and len(usual.requests) == 6
        time.now += 61
        usual.page("/alerts/active?area=NY", recorded.alerts(), GEO)
        assert not (await client.call_tool("get_alerts", ask)).is_error
        assert not (await client.call_tool("get_alerts", ask)).is_error
    assert len(usual.requests) == 8


async def test_a_service_that_takes_questions_and_hangs_is_spared_too(usual: Site, server: Made, time: Time) -> None:
    async def hang(_: Request, __: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    usual.routes["/alerts/active?area=NY"] = hang
    ask = {"state": "NY"}
    async with Client(server(seconds=0.3)) as client:
        for _ in range(5):
            assert "in time: try again later" in (await client.call_tool("get_alerts", ask)).text
        spared = await client.call_tool("get_alerts", ask)
        assert "several times in a row: try again in 30 seconds" in spared.text and len(usual.requests) == 5
        time.now += 31
        assert "in time" in (await client.call_tool("get_alerts", ask)).text  # the test that it was given
        assert "in 60 seconds" in (await client.call_tool("get_alerts", ask)).text and len(usual.requests) == 6


async def test_a_forecast_that_keeps_failing_is_left_alone_by_itself(usual: Site, server: Made) -> None:
    usual.routes[f"{GRID}/forecast?units=si"] = BUSY
    async with Client(server()) as client:
        assert "503: try again later" in (await client.call_tool("get_forecast", WASHINGTON)).text
        assert "503: try again in 30 seconds" in (await client.call_tool("get_forecast", WASHINGTON)).text
        assert "several times in a row" in (await client.call_tool("get_forecast", WASHINGTON)).text
        assert not (await client.call_tool("get_alerts", {"state": "CA"})).is_error
        assert not (await client.call_tool("get_hourly_forecast", WASHINGTON)).is_error


async def test_answers_are_kept_for_as_long_as_their_service_allows(usual: Site, server: Made, time: Time) -> None:
    async with Client(server()) as client:
        for seconds in (0, 3_000, 1_000):
            time.now += seconds
            assert not (await client.call_tool("get_forecast", WASHINGTON)).is_error
    assert usual.paths() == ["/points/38.8894,-77.0352", f"{GRID}/forecast?units=si", f"{GRID}/forecast?units=si"]


async def test_a_stale_answer_is_asked_for_by_its_tag(usual: Site, server: Made) -> None:
    async def tagged(request: Request, writer: asyncio.StreamWriter) -> None:
        if request.headers.get("if-none-match") == '"v1"':
            writer.write(b'HTTP/1.1 304 Not Modified\r\netag: "v1"\r\n\r\n')
        else:
            writer.write(answer(recorded.alerts(recorded.alert("Flood Watch", "Minor")), GEO, etag='"v1"'))
        await writer.drain()

    usual.routes["/alerts/active?area=NY"] = tagged
    async with Client(server()) as client:
        for _ in range(3):
            assert "Flood Watch" in (await client.call_tool("get_alerts", {"state": "NY"})).text
    assert [request.headers.get("if-none-match") for request in usual.requests] == [None, '"v1"', '"v1"']


async def test_equal_questions_at_a_time_are_one(usual: Site, server: Made) -> None:
    gate, came = asyncio.Event(), asyncio.Event()

    async def slow(_: Request, writer: asyncio.StreamWriter) -> None:
        came.set()
        await gate.wait()
        writer.write(answer(recorded.alerts(), GEO))
        await writer.drain()

    usual.routes["/alerts/active?area=NY"] = slow
    async with Client(server()) as client:
        calls = [asyncio.ensure_future(client.call_tool("get_alerts", {"state": "NY"})) for _ in range(4)]
        await came.wait()
        calls[0].cancel()
        await asyncio.gather(calls[0], return_exceptions=True)
        gate.set()
        results = await asyncio.gather(*calls[1:])
    assert not any(result.is_error for result in results) and len(usual.requests) == 1


async def test_resources_are_read_and_suggested(usual: Site, server: Made) -> None:
    async with Client(server()) as client:
        alerts = json.loads((await client.read_resource("weather://alerts/CA")).contents[0].text or "")
        forecast = json.loads(
            (await client.read_resource("weather://forecast/38.8894,-77.0352")).contents[0].text or ""
        )
        states = json.loads((await client.read_resource("weather://states")).contents[0].text or "")
        reference = ResourceTemplateReference(uri="weather://alerts/{state}")
        suggested = await client.complete(reference, "state", "new")
        code = await client.complete(PromptReference(name="brief_alerts"), "state", "c")
    assert alerts["total"] == 2 and forecast["periods"][0]["temperature"] == 10 and states["CA"] == "California"
    assert suggested.values == ["NH", "NJ", "NM", "NY"] and code.values[:3] == ["CA", "CO", "CT"]


async def test_who_subscribed_hears_that_alerts_have_changed(usual: Site, server: Made) -> None:
    async with Client(server()) as client, client.listen(resources=["weather://alerts/CA"]) as changes:
        await client.call_tool("get_alerts", {"state": "CA"})
        usual.page("/alerts/active?area=CA", recorded.alerts(), GEO)
        await client.call_tool("get_alerts", {"state": "CA"})
        change = await anext(changes)
    assert change.uri == "weather://alerts/CA"


async def test_a_day_is_planned_with_the_hours_and_the_alerts(usual: Site, server: Made) -> None:
    where = {"latitude": "38.8894", "longitude": "-77.0352"}
    async with Client(server()) as client:
        plan = (await client.get_prompt("plan_my_day", where | {"plans": "a picnic"})).messages[0].content
        brief = (await client.get_prompt("brief_alerts", {"state": "CA"})).messages[0].content
    assert isinstance(plan, TextContent) and isinstance(brief, TextContent)
    assert "a picnic" in plan.text and "Washington, DC" in plan.text and "Wind Advisory (Moderate)" in plan.text
    assert "- 07:00, Chance Rain Showers, 10.6 °C, 30 % precipitation, wind NW 16.1 km/h" in plan.text
    assert "2 alerts are in force in California" in brief.text and "Secure outdoor objects." in brief.text


async def test_the_tools_say_what_they_do() -> None:
    async with Client(make(Settings())) as client:
        tools = {tool.name: tool for tool in await client.list_tools()}
    assert set(tools) == {"get_forecast", "get_hourly_forecast", "get_current_conditions", "get_alerts"}
    for tool in tools.values():
        hints = tool.annotations
        assert hints is not None and tool.output_schema is not None
        said = (hints.read_only_hint, hints.destructive_hint, hints.idempotent_hint, hints.open_world_hint)
        assert said == (True, False, True, True)
        properties = json.loads(bytes(tool.input_schema))["properties"]
        assert all("description" in schema for schema in properties.values()), properties


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (Settings(nws_url="ftp://x"), "nws_url"),
        (Settings(nws_url="http://api.weather.gov"), "nws_url"),
        (Settings(openweather_url="http://api.openweathermap.org"), "openweather_url"),
        (Settings(openweather_url="https://user:pw@example.com"), "openweather_url"),
        (Settings(openweather_url="https://[::1"), "openweather_url"),
        (Settings(nws_url="https://example.com/?x=y"), "nws_url"),
        (Settings(user_agent="a\r\nX: y"), "user_agent"),
        (Settings(user_agent=" "), "user_agent"),
    ],
)
def test_a_setting_that_cannot_be_is_named(given: Settings, named: str) -> None:
    with pytest.raises(DefinitionError, match=named) as caught:
        make(given)
    assert "pw" not in str(caught.value)


async def test_redirects_in_a_circle_and_answers_without_end_are_given_up(usual: Site, server: Made) -> None:
    async def endless(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")
        while True:
            writer.write(b'"secret"' * 10_000)
            await writer.drain()

    usual.routes["/alerts/active?area=NY"] = redirect("/alerts/active?area=NY", 301)
    usual.routes["/alerts/active?area=TX"] = endless
    async with Client(server(attempts=1)) as client:
        circle = await client.call_tool("get_alerts", {"state": "NY"})
        large = await client.call_tool("get_alerts", {"state": "TX"})
    assert circle.is_error and "not asked for" in circle.text and len(usual.requests) == 4
    assert large.is_error and "more than is read" in large.text and "secret" not in large.text


async def test_a_service_that_is_not_there_is_told_without_its_address(server: Made, unused_tcp_port: int) -> None:
    async with Client(server(nws_url=f"http://127.0.0.1:{unused_tcp_port}", attempts=2)) as client:
        result = await client.call_tool("get_alerts", {"state": "NY"})
    assert result.is_error and "cannot be reached" in result.text and str(unused_tcp_port) not in result.text


async def test_an_answer_of_another_shape_is_not_kept_however_long_it_says_that_it_holds(
    usual: Site, server: Made
) -> None:
    path = f"{GRID}/forecast?units=si"
    usual.page(path, '{"properties": {}}', GEO, cache_control="max-age=86400")
    async with Client(server(attempts=1)) as client:
        assert (await client.call_tool("get_forecast", WASHINGTON)).is_error
        usual.page(path, recorded.SI, GEO)
        assert not (await client.call_tool("get_forecast", WASHINGTON)).is_error


async def test_who_subscribed_hears_that_a_forecast_has_changed_and_that_it_was_read_by_another_way(
    usual: Site, server: Made
) -> None:
    uri = "weather://forecast/38.8894,-77.0352"
    async with (
        Client(server(cache_entries=0)) as client,
        client.listen(resources=[uri, "weather://alerts/CA"]) as changes,
    ):
        await client.read_resource(uri)
        await client.read_resource("weather://alerts/CA")
        usual.page(f"{GRID}/forecast?units=si", recorded.US, GEO)
        usual.page("/alerts/active?area=CA", recorded.alerts(), GEO)
        async with asyncio.timeout(5):
            await client.call_tool("get_forecast", WASHINGTON)
            await client.get_prompt("brief_alerts", {"state": "CA"})
            assert {(await anext(changes)).uri, (await anext(changes)).uri} == {uri, "weather://alerts/CA"}


async def test_a_forecast_has_so_many_periods_and_its_times_are_times(usual: Site, server: Made) -> None:
    one = recorded.period(1, 10, "C", "16 km/h") | {"startTime": "x" * 5_000}
    usual.page(f"{GRID}/forecast?units=si", recorded.forecast(*[one] * 400), GEO)
    async with Client(server()) as client:
        found = (await client.call_tool("get_forecast", WASHINGTON)).structured
    assert len(found["periods"]) <= 200
    assert max(len(each["start"]) for each in found["periods"]) <= 40
