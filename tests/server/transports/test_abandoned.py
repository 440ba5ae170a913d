"""Clients of a session that leave in the middle of a call: what they leave behind does not stay for ever."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from dovetail import Context, Limits, Server
from dovetail.core import Stores, event_id
from dovetail.store import MemoryStores, SqliteStores
from tests.server.peers import Http, Json, Response

PING: Json = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
HOUR = 3600.0


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Begun:
    """A call under way."""

    def __init__(self, task: "asyncio.Task[Response]", context: Context, gone: asyncio.Event) -> None:
        self.task = task
        self.context = context
        self.gone = gone

    async def leave(self) -> None:
        """Break its connection."""
        session = self.context.session
        assert session is not None
        before = session.connected
        self.gone.set()
        while session.connected == before:
            await asyncio.sleep(0)


class House:
    """A server over HTTP and its clock, with tools that ask, that never end, and one that works for so long."""

    def __init__(self, stores: Stores, clock: Clock, limits: Any, worker: str = "") -> None:
        self.clock = clock
        self.work = asyncio.Event()
        server = Server("house", limits=Limits(**limits), stores=stores)

        async def ask(ctx: Context) -> str:
            return str((await ctx.elicit("Which?", int)).value)

        def plain(ctx: Context) -> str:
            return str(ctx.ask_sync(ctx.elicit("Which?", int)).value)

        async def forever() -> str:
            return str(await asyncio.Event().wait())

        async def timed() -> str:
            await self.work.wait()
            return "done"

        for function in (ask, plain, forever):
            server.tool(function)
        server.add_tool(timed, timeout=10 * HOUR)
        self.asgi = server.asgi(worker=worker)

    async def open(self) -> "House":
        endpoint = await self.asgi.start()
        self.runtime, self.sessions = endpoint.runtime, endpoint.sessions
        self.runtime.steady = self.clock
        return self

    async def call(self, client: Http, name: str, headers: dict[str, str], identifier: int = 5) -> Begun:
        """Begin a call, and wait until it waits."""
        before, gone = set(self.runtime.in_flight), asyncio.Event()
        params = {"name": name, "arguments": {}}
        body = {"jsonrpc": "2.0", "id": identifier, "method": "tools/call", "params": params}
        task = asyncio.create_task(client.request("POST", body, headers, gone=gone))
        while not (new := self.runtime.in_flight - before):
            await asyncio.sleep(0)
        (context,) = new
        while name in ("ask", "plain") and (context.session is None or not context.session.endpoint.waiting):
            await asyncio.sleep(0)
        return Begun(task, context, gone)

    async def after(self, seconds: float) -> None:
        """Let time pass, and the server look after its sessions."""
        self.clock.now += seconds
        await self.sessions.look_after()

    async def ended(self) -> None:
        while self.runtime.in_flight:
            await asyncio.sleep(0)


Open = Callable[..., Awaitable[House]]


@pytest.fixture(params=["memory", "sqlite"])
async def opened(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Open]:
    clock, houses = Clock(), list[House]()

    async def make(**limits: Any) -> House:
        stores: Stores = MemoryStores(clock) if request.param == "memory" else SqliteStores(tmp_path / "state", clock)
        houses.append(await House(stores, clock, limits).open())
        return houses[-1]

    yield make
    for house in houses:
        await house.asgi.stop()


async def status(client: Http, headers: dict[str, str]) -> int:
    return (await client.request("POST", PING, headers)).status


@pytest.mark.req("S-16")
@pytest.mark.parametrize("name", ["ask", "plain", "forever"])
async def test_a_call_whose_client_left_and_does_not_come_back_ends_with_its_session(opened: Open, name: str) -> None:
    house = await opened()
    client = Http(house.asgi)
    headers = await client.session()
    call = await house.call(client, name, headers)
    await house.after(HOUR * 2)
    await call.leave()
    await house.after(HOUR - 1)
    assert call.context in house.runtime.in_flight, "its client may still come back"
    await house.after(2)
    await house.ended()
    await call.task
    assert await status(client, headers) == 404


@pytest.mark.req("S-16")
async def test_a_call_whose_client_waits_for_it_or_comes_by_goes_on(opened: Open) -> None:
    house = await opened()
    client = Http(house.asgi)
    staying, coming = await client.session(), await client.session()
    await house.call(client, "ask", staying)
    left = await house.call(client, "ask", coming)
    await left.leave()
    for _ in range(6):
        await house.after(HOUR / 2)
        assert await status(client, coming) == 200
    assert len(house.runtime.in_flight) == 2
    await house.after(HOUR + 1)
    await left.task
    assert [await status(client, headers) for headers in (staying, coming)] == [200, 404]


@pytest.mark.req("S-16")
async def test_who_follows_the_stream_of_its_question_is_there_and_may_answer_late(opened: Open) -> None:
    house = await opened()
    client = Http(house.asgi)
    headers = await client.session()
    call = await house.call(client, "ask", headers)
    await call.leave()
    session = call.context.session
    assert session is not None
    (stream,) = {stream for _, stream in house.sessions.streams._live}
    following = asyncio.create_task(client.request("GET", b"", {**headers, "last-event-id": event_id(stream, 0)}))
    while not session.connected:
        await asyncio.sleep(0)
    for _ in range(3):
        await house.after(HOUR)
    answer = {"jsonrpc": "2.0", "id": 1, "result": {"action": "accept", "content": {"value": 7}}}
    assert (await client.request("POST", answer, headers)).status == 202
    assert (await following).events[-1]["result"]["content"][0]["text"] == "7"


@pytest.mark.req("S-16")
async def test_a_call_that_works_for_so_long_finishes_and_its_session_is_left_for_as_long_again(opened: Open) -> None:
    house = await opened()
    client = Http(house.asgi)
    headers = await client.session()
    call = await house.call(client, "timed", headers)
    await call.leave()
    for _ in range(3):
        await house.after(HOUR)
    assert call.context in house.runtime.in_flight
    house.work.set()
    await call.task
    await house.after(HOUR - 1)
    session = call.context.session
    assert session is not None and not session.closed
    await house.after(2)
    assert session.closed


@pytest.mark.req("S-22")
async def test_questions_that_were_left_behind_make_room_for_calls_of_either_era(opened: Open) -> None:
    house = await opened(principal_in_flight=2)
    client = Http(house.asgi)
    headers = await client.session()
    first, second = [await house.call(client, "ask", headers, number) for number in (5, 6)]
    assert (await client.modern("tools/list")).status == 429, "their client is there"
    for call in (first, second):
        await call.leave()
    assert (await client.modern("tools/list")).status == 200
    await first.task
    assert second.context in house.runtime.in_flight, "the oldest has gone, and no more than had to"
    third = await house.call(client, "ask", await client.session())
    assert await status(client, headers) == 200
    await second.task
    assert third.context in house.runtime.in_flight


@pytest.mark.req("S-16")
async def test_a_session_whose_client_is_at_another_worker_is_not_idle(tmp_path: Path) -> None:
    clock = Clock()
    here, there = [await House(SqliteStores(tmp_path, clock), clock, {}, worker).open() for worker in ("a-", "b-")]
    client, elsewhere = Http(here.asgi), Http(there.asgi)
    headers = await client.session()
    left = await here.call(client, "ask", headers)
    await left.leave()
    for _ in range(4):
        assert await status(elsewhere, headers) == 200
        await here.after(HOUR * 0.7)
    assert left.context in here.runtime.in_flight
    assert await status(client, headers) == 200, "a request that comes here finds it, too"
    await here.after(HOUR + 1)
    await left.task
    assert [await status(one, headers) for one in (client, elsewhere)] == [404, 404]
    for house in (here, there):
        await house.asgi.stop()
