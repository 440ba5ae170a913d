"""Who owns a client's link: opened and closed by many, in any order."""

import asyncio
from typing import Any

import pytest

from dovetail import Client
from dovetail.client.options import Retry
from dovetail.errors import Disconnected, Timeout
from tests.client.scripted import Json, Scripted, text


def done(server: Scripted, request: Json) -> None:
    server.answer(request, text("done"))


@pytest.mark.parametrize("turns", range(6))
async def test_who_opens_while_another_closes_keeps_what_they_opened(turns: int) -> None:
    client = Client(Scripted(tools_call=done), revision="2025-11-25")
    for _ in range(5):
        await client.connect()
        closing = asyncio.create_task(client.aclose())
        for _ in range(turns):
            await asyncio.sleep(0)
        await client.connect()
        assert (await client.call_tool("x")).text == "done"
        await closing
        assert (await client.call_tool("x")).text == "done"
        await client.aclose()
    with pytest.raises(Disconnected, match="not open"):
        await client.call_tool("x")


async def test_who_waits_for_a_client_that_another_closes_is_told_so_and_takes_nothing_from_others() -> None:
    held: list[Json] = []
    server = Scripted(initialize=lambda server, request: held.append(request))
    client = Client(server, revision="2025-11-25")
    first = asyncio.create_task(client.connect())
    await server.until("initialize")
    closing = asyncio.create_task(client.aclose())
    await asyncio.sleep(0)
    del server.replies["initialize"]
    await client.connect()
    with pytest.raises(Disconnected, match="closed"):
        await first
    await closing
    server.replies["tools_call"] = done
    assert (await client.call_tool("x")).text == "done"
    await client.aclose()


async def test_who_is_cancelled_while_it_waits_is_cancelled_and_no_more() -> None:
    server = Scripted(initialize=lambda server, request: None, tools_call=done)
    client: Any = Client(server, revision="2025-11-25")
    first, second = asyncio.create_task(client.connect()), asyncio.create_task(client.connect())
    request = await server.until("initialize")
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    info = {"name": "scripted", "version": "1"}
    server.answer(request, {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": info})
    await second
    assert (await client.call_tool("x")).text == "done"
    await client.aclose()


async def test_an_opening_that_nobody_waits_for_any_more_is_given_up_and_the_next_call_opens_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dovetail.client.connection.LINGER", 0.0)
    server = Scripted(tools_call=done)
    async with Client(server, revision="2025-11-25") as client:
        server.replies["initialize"] = lambda server, request: None
        link = await client._conversation.connection.link()
        await server.channels[-1].aclose()
        await link.ended()
        first, second = (asyncio.create_task(client.call_tool("x")) for _ in range(2))
        await server.until("initialize", 2)
        del server.replies["initialize"]
        for call in (first, second):
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        await asyncio.sleep(0)  # the loop takes its turn, and with it what was due
        await asyncio.sleep(0)
        assert (await client.call_tool("x")).text == "done"
    assert len(server.of("initialize")) == 3


async def test_an_opening_that_takes_longer_than_a_call_is_there_for_the_next_one() -> None:
    held: list[Json] = []
    server = Scripted(tools_call=done)
    async with Client(server, revision="2025-11-25") as client:
        server.replies["initialize"] = lambda server, request: held.append(request)
        link = await client._conversation.connection.link()
        await server.channels[-1].aclose()
        await link.ended()
        with pytest.raises(Timeout):
            await client.call_tool("x", timeout=0.1)
        second = asyncio.create_task(client.call_tool("x"))
        info = {"name": "scripted", "version": "1"}
        server.answer(held[0], {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": info})
        assert (await second).text == "done"
    assert len(server.of("initialize")) == 2


async def test_an_opening_goes_on_for_whoever_still_waits() -> None:
    held: list[Json] = []
    server = Scripted(tools_call=done)
    async with Client(server, revision="2025-11-25") as client:
        server.replies["initialize"] = lambda server, request: held.append(request)
        link = await client._conversation.connection.link()
        await server.channels[-1].aclose()
        await link.ended()
        first, second = (asyncio.create_task(client.call_tool("x")) for _ in range(2))
        await server.until("initialize", 2)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        info = {"name": "scripted", "version": "1"}
        server.answer(held[0], {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": info})
        assert (await second).text == "done"
    assert len(server.of("initialize")) == 2


async def test_a_call_that_finds_the_channel_closed_was_never_sent_and_is_made_on_another() -> None:
    server = Scripted(tools_call=done)
    async with Client(server, revision="2025-11-25", retry=Retry(first=0.0)) as client:
        await server.channels[-1].aclose()
        assert (await client.call_tool("x")).text == "done"


async def test_nothing_is_tried_again_for_a_client_that_is_not_open() -> None:
    patient = Retry(attempts=9, first=1000.0, longest=1000.0)
    client = Client(Scripted(tools_call=done), revision="2025-11-25", retry=patient)
    for _ in range(2):
        with pytest.raises(Disconnected, match="the client is not open"):
            await client.list_tools()
        with pytest.raises(Disconnected, match="the client is not open"):
            await client.call_tool("x")
        await client.connect()
        await client.aclose()
