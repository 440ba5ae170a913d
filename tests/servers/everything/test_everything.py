"""The everything server as a whole: over stdio and HTTP, what it says of itself, and what it never shows."""

import asyncio
import json
import re
import sys
from typing import Any

import pytest

from dovetail import Client
from dovetail.client import Retry
from dovetail.errors import DefinitionError, NotOffered, PeerError
from dovetail.revisions import REVISIONS
from dovetail.servers import make_server
from dovetail.servers.everything import Settings, make
from dovetail.servers.everything.media import picture, sound
from dovetail.servers.everything.state import State
from tests.client.serving import serving
from tests.house import ROOT
from tests.servers.everything.test_features import FEATURES, seen

V = [revision.version for revision in REVISIONS]
OLDEST, NEWEST = V[0], V[-1]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("version", V)
async def test_every_feature_over_stdio_as_a_client_starts_it(version: str) -> None:
    command = [sys.executable, "-m", "dovetail", "serve", "everything", "--beat", "0.01"]
    async with seen(version, command, env={"PYTHONPATH": str(ROOT / "src")}) as s:
        for feature in FEATURES.values():
            await _alone(feature, s)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("version", V)
async def test_every_feature_over_http(version: str) -> None:
    once = Retry(attempts=1)  # who is busy is asked again otherwise, some seconds long
    async with serving(make(Settings(beat=0.01)).asgi()) as url, seen(version, url, retry=once) as s:
        for feature in FEATURES.values():
            await _alone(feature, s)


async def _alone(feature: Any, s: Any) -> None:
    """Run one of many on a server that remembers the others: what counts from one begins where they left off."""
    s.asked.clear()
    s.logs.clear()
    if feature.__name__ in ("once", "resource_updates"):
        return
    if feature.__name__ == "logging":
        await s.client.set_log_level("warning")
    try:
        await feature(s)
    except Exception as error:
        raise AssertionError(f"{feature.__name__}: {error!r}") from error


@pytest.mark.parametrize("version", [V[-2], NEWEST])
async def test_effects_and_updates_over_http(version: str) -> None:
    for feature in ("once", "resource_updates"):
        async with serving(make(Settings(beat=0.01)).asgi()) as url, seen(version, url) as s:
            await FEATURES[feature](s)


@pytest.mark.parametrize("version", V)
async def test_each_thing_says_what_it_shows_and_where_the_specification_has_it(version: str) -> None:
    async with seen(version) as s:
        client = s.client
        entries: list[Any] = [*await client.list_tools(), *await client.list_prompts()]
        entries += [*await client.list_resources(), *await client.list_resource_templates()]
        assert len(entries) > 40
        for entry in entries:
            described = " ".join((entry.description or "").split())
            assert re.search(r"Shows .+\(spec[^:]*: .+\)", described), entry.name
            assert re.search(r"every revision|20\d\d-\d\d-\d\d|same notices", described), entry.name


async def test_a_client_that_can_nothing_gets_errors_in_words() -> None:
    async with Client(make(Settings()), revision=V[-2]) as client:
        for tool in ("trigger-elicitation-request", "trigger-url-elicitation", "plan-a-party", "get-roots-list"):
            result = await client.call_tool(tool)
            assert result.is_error and re.search(r"client (cannot|has no)", result.text), result.text
        result = await client.call_tool("trigger-sampling-request", {"prompt": "x"})
        assert "offers no sampling" in result.text
    async with Client(make(Settings()), revision=NEWEST) as client:
        with pytest.raises(PeerError) as caught:
            await client.call_tool("plan-a-party")
        assert caught.value.code == -32021
        with pytest.raises(PeerError) as caught:
            await client.request("com.example/everything/greet")
        assert caught.value.code == -32021


@pytest.mark.parametrize("version", [V[-2], NEWEST])
async def test_a_user_may_decline_every_question(version: str) -> None:
    async with Client(make(Settings()), revision=version, on_elicit=lambda question: None) as client:
        assert (await client.call_tool("trigger-elicitation-request")).text == "The user chose to decline."
        assert (await client.call_tool("trigger-url-elicitation")).text == "The user chose to decline the visit."
        assert (await client.call_tool("plan-a-party")).text == "No party."
        assert (await client.call_tool("confirm-first")).is_error


@pytest.mark.parametrize("version", V)
async def test_secret_headers_and_the_environment_are_never_shown(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BANK_SECRET", "hunter2-of-the-server")
    async with serving(make(Settings()).asgi()) as url:
        async with seen(version, url, headers={"X-Api-Key": "hunter2", "Cookie": "a=hunter2"}) as s:
            told = json.loads(await s.text("whoami"))
            assert told["headers"]["x-api-key"] == told["headers"]["cookie"] == "(withheld)"
            assert told["headers"]["content-type"].startswith("application/json")
            texts = [str((await s.client.call_tool("get-every-content")).content), str(told)]
            texts += [str(await s.client.list_tools()), str((await s.client.call_tool("get-metadata")).meta)]
    assert not any("hunter2" in text for text in texts)


async def test_a_header_that_disagrees_with_its_argument_is_refused() -> None:
    async with serving(make(Settings()).asgi()) as url, seen(NEWEST, url) as s:
        await s.client.list_tools()
        with pytest.raises(PeerError) as caught:
            await s.client.request(
                "tools/call",
                {"name": "route-by-header", "arguments": {"region": "eu"}},
                headers={"Mcp-Name": "route-by-header", "Mcp-Param-Region": "us"},
            )
        assert caught.value.code == -32020


async def test_what_beats_ends_with_the_server() -> None:
    async with State(0.001) as state:
        beaten = asyncio.Event()

        assert state.toggle("x", beaten.set)
        await asyncio.wait_for(beaten.wait(), 5)
        assert state.toggle("x", beaten.set) is False
        assert state.toggle("y", beaten.set)
    assert len(asyncio.all_tasks()) == 1


def test_the_picture_and_the_sound_are_what_they_say() -> None:
    assert picture().startswith(b"\x89PNG\r\n\x1a\n") and picture().endswith(b"IEND\xaeB`\x82")
    assert sound()[:4] == b"RIFF" and len(sound()) == 8 + int.from_bytes(sound()[4:8], "little")


def test_settings_that_make_no_sense_are_named() -> None:
    with pytest.raises(DefinitionError, match="page_size"):
        make_server("everything", {"page_size": 0})


async def test_what_is_not_offered_is_said_at_once() -> None:
    async with Client(make(Settings())) as client:
        with pytest.raises((NotOffered, PeerError)):
            await client.call_tool("added-tool")
