"""What a client missed while nobody read for it: all of it comes when it is back, or it is told that some is gone."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dovetail import Context, Limits, Server
from dovetail.core import Stores, event_id, resource_updated
from dovetail.server.transports.stored import HEARD
from dovetail.store import MemoryStores, SqliteStores
from tests.server.peers import Http, Json, Response

WORKERS = {"memory": "", "state": "", "workers": "a-"}


class House:
    """A server with pages that change, and a client of it."""

    def __init__(self, stores: Stores, worker: str = "", **limits: Any) -> None:
        self.stores = stores
        self.go, self.gone = asyncio.Event(), asyncio.Event()
        self.app = app = Server("pages", stores=stores, rate="1000/s burst 5000", limits=Limits(**limits))

        @app.resource("page://{number}")
        async def page(number: str) -> str:
            return number

        @app.tool
        async def chat(ctx: Context, rows: int) -> str:
            await ctx.log.info("first")
            await self.go.wait()
            for number in range(rows):
                await ctx.log.info(f"row {number}")
            return "done"

        self.asgi = app.asgi(worker=worker)
        self.http = Http(self.asgi)
        self.headers: dict[str, str] = {}

    async def open(self, subscriptions: int) -> "House":
        self.headers = await self.http.session()
        for number in range(subscriptions):
            answer = await self.ask("resources/subscribe", {"uri": f"page://{number}"}, number + 1)
            assert answer.json["result"] == {}
        return self

    async def ask(self, method: str, params: Json, identifier: int, gone: asyncio.Event | None = None) -> Response:
        body = {"jsonrpc": "2.0", "id": identifier, "method": method, "params": params}
        return await self.http.request("POST", body, self.headers, gone=gone)

    async def change(self, *numbers: int) -> None:
        """Tell of changes; return when they are stored for who is away."""
        runtime = self.asgi.runtime
        assert runtime is not None
        for number in numbers:
            await runtime.publish(resource_updated(f"page://{number}"))
        await asyncio.sleep(0)
        while runtime.hub._publishing or runtime.hub._storing:
            await asyncio.sleep(0)

    async def listen(self, count: int, place: str | None = None) -> list[Json]:
        """Open the stream of notices, close it when so many have come, and return them."""
        gone, response = asyncio.Event(), Response()

        async def noting(scope: Any, receive: Any, send: Any) -> None:
            async def both(message: Any) -> None:
                response.take(message)
                if len(response.events) >= count:
                    gone.set()
                await send(message)

            await self.asgi(scope, receive, both)

        headers = self.headers if place is None else self.headers | {"last-event-id": place}
        await asyncio.wait_for(Http(noting).request("GET", b"", headers, gone=gone), 8)
        return response.events

    async def follow(self, stream: str, place: int) -> Response:
        headers = self.headers | {"last-event-id": event_id(stream, place)}
        return await asyncio.wait_for(self.http.request("GET", b"", headers), 8)

    async def chat(self, rows: int) -> str:
        """Make a call that goes on when its client has left; return its stream."""
        call = asyncio.create_task(self.ask("tools/call", {"name": "chat", "arguments": {"rows": rows}}, 1, self.gone))
        sessions = (await self.asgi.start()).sessions
        while not any(sessions.streams._live.values()):
            await asyncio.sleep(0)
        stream: str
        ((_, stream),) = sessions.streams._live
        self.gone.set()
        for _ in range(20):
            await asyncio.sleep(0)
        self.go.set()
        await call
        return stream


@pytest.fixture(params=WORKERS)
async def house(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[House]:
    stores = MemoryStores() if request.param == "memory" else SqliteStores(tmp_path)
    house = House(stores, WORKERS[request.param])
    yield house
    await house.asgi.stop()


def uris(events: list[Json]) -> list[str]:
    return [event["params"]["uri"] for event in events if event["method"] == "notifications/resources/updated"]


async def test_who_was_away_hears_once_of_each_resource_it_subscribed_to_and_of_each_list(house: House) -> None:
    await house.open(600)
    await house.listen(0)
    await house.change(*range(600), *range(600))
    house.app.add_tool(uris)
    await house.change()
    heard = await house.listen(601)
    assert sorted(uris(heard)) == sorted(f"page://{number}" for number in range(600))
    assert heard[-1]["method"] == "notifications/tools/list_changed"


async def test_what_changes_again_after_it_was_told_is_told_again_whether_or_not_its_client_is_there(
    house: House,
) -> None:
    await house.open(2)
    listening = asyncio.create_task(house.listen(3))
    endpoint = await house.asgi.start()
    (session,) = [session for session, _, _ in endpoint.sessions._cache.values()]
    while not session.connected:
        await asyncio.sleep(0)
    for _ in range(3):
        await house.change(1)
        while session.listener._waiting:  # until it was handed over
            await asyncio.sleep(0)
    assert uris(await listening) == ["page://1"] * 3
    await house.change(0, 0, 1)
    assert sorted(uris(await house.listen(2))) == ["page://0", "page://1"]


async def test_what_changes_between_a_subscription_and_the_first_listening_is_told(tmp_path: Path) -> None:
    for stores in (MemoryStores(), SqliteStores(tmp_path)):
        house = await House(stores).open(1)
        await house.change(0)
        assert uris(await house.listen(1)) == ["page://0"]
        await house.asgi.stop()


async def test_a_server_that_was_started_anew_keeps_changes_for_who_subscribed_and_never_listened(
    tmp_path: Path,
) -> None:
    before = await House(SqliteStores(tmp_path)).open(1)
    await before.asgi.stop()
    after = House(SqliteStores(tmp_path))
    await after.asgi.start()
    after.headers = before.headers
    await after.change(0)
    assert uris(await after.listen(1)) == ["page://0"]
    await after.asgi.stop()


async def test_a_notice_that_cannot_be_stored_does_not_keep_the_next_one_like_it_from_being_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    house = await House(MemoryStores()).open(1)

    async def full(*_: Any) -> int:
        raise RuntimeError("full")

    with monkeypatch.context() as broken:
        broken.setattr(house.stores.events, "append", full)
        await house.change(0)
    assert "could not be stored" in caplog.text
    await house.change(0)
    assert uris(await house.listen(1)) == ["page://0"]
    await house.asgi.stop()


async def test_who_subscribes_to_ever_others_while_it_is_away_fills_no_memory() -> None:
    house = await House(MemoryStores(), subscriptions=2).open(0)
    for number in range(50):
        params = {"uri": f"page://{number}"}
        await house.ask("resources/subscribe", params, 1)
        await house.change(number)
        await house.ask("resources/unsubscribe", params, 2)
    endpoint = await house.asgi.start()
    (session,) = [session for session, _, _ in endpoint.sessions._cache.values()]
    assert len(session.listener._waiting) <= 2 * 2 + 3
    assert len(await house.listen(50)) == 50
    await house.asgi.stop()


async def test_who_comes_back_from_a_place_that_is_forgotten_hears_of_everything_it_wants_to_hear_of(
    house: House,
) -> None:
    await house.open(3)
    if house.asgi._worker:
        await house.listen(0)
    await house.change(0, 1)
    assert len(await house.listen(2)) == 2
    (key,) = [session for session, _ in await house.stores.sessions.every()]
    await house.stores.events.forget(key, "0")
    heard = await house.listen(5, event_id("0", 1))
    assert sorted(uris(heard)) == ["page://0", "page://1", "page://2"]
    assert {event["method"].split("/")[1] for event in heard} == {"tools", "resources"}


async def test_of_notices_that_were_heard_only_the_last_are_kept() -> None:
    house = await House(MemoryStores()).open(1)
    for _ in range(3):
        await house.change(0)
        await house.listen(1)
    (key,) = [session for session, _ in await house.stores.sessions.every()]
    for _ in range(HEARD):
        await house.stores.events.append(key, "0", b"M{}")
    await house.change(0)
    await house.listen(HEARD + 1)
    kept = await house.stores.events.after(key, "0", 0)
    assert HEARD <= len(kept) <= HEARD + 1
    await house.asgi.stop()


async def test_who_comes_back_for_a_call_gets_all_that_was_said_on_it(house: House) -> None:
    await house.open(0)
    stream = await house.chat(1_500)
    for place in (0, 1):
        messages = (await house.follow(stream, place)).events
        said = [message["params"]["data"] for message in messages[:-1]]
        assert said == [*(["first"] if not place else []), *(f"row {number}" for number in range(1_500))]
        assert messages[-1]["result"]["content"][0]["text"] == "done"


@pytest.mark.parametrize("place", [0, 1])
async def test_who_comes_back_behind_a_gap_is_told_of_it_and_gets_the_outcome(
    tmp_path: Path, place: int, caplog: pytest.LogCaptureFixture
) -> None:
    for stores in (MemoryStores(max_bytes=100_000), SqliteStores(tmp_path, max_bytes=400_000)):
        house = await House(stores).open(0)
        stream = await house.chat(1_500)
        messages = (await house.follow(stream, place)).events
        gap = messages[0]["params"]
        assert gap["level"] == "error" and "Messages of this call are missing here" in gap["data"]
        rows = [message["params"]["data"] for message in messages[1:-1]]
        assert rows == [f"row {number}" for number in range(1_500 - len(rows), 1_500)]
        assert messages[-1]["result"]["content"][0]["text"] == "done"
        assert "A client missed messages of its call" in caplog.text
        await house.asgi.stop()


async def fill(house: House, size: int) -> None:
    """Let other clients' messages take all the room there is."""
    for number in range(120):
        await house.stores.events.append(f"session {number}", "c", b"M" + bytes(size // 80), f"client {number}")


@pytest.mark.parametrize("place", [None, "0:0"])
@pytest.mark.parametrize("heard", [0, 1])
@pytest.mark.parametrize("again", [False, True])
async def test_who_was_away_while_others_took_all_the_room_hears_of_everything_it_wants_to_hear_of(
    tmp_path: Path, place: str | None, heard: int, again: bool
) -> None:
    for stores in (MemoryStores(max_bytes=100_000), SqliteStores(tmp_path, max_bytes=400_000)):
        house = await House(stores).open(2)
        await house.change(*range(heard))
        await house.listen(heard)
        await house.change(0)
        await fill(house, 400_000 if isinstance(stores, SqliteStores) else 100_000)
        if again:
            await house.change(0)
        events = await house.listen(4, place and event_id("0", 0))
        assert sorted(uris(events)) == ["page://0", "page://1"]
        assert {event["method"].split("/")[1] for event in events} == {"tools", "resources"}
        await house.change(1)
        assert uris(await house.listen(1)) == ["page://1"], "once is enough"
        await house.asgi.stop()


async def test_who_never_listened_and_lost_what_waited_for_it_hears_of_everything_also_from_a_new_process(
    tmp_path: Path,
) -> None:
    before = await House(SqliteStores(tmp_path, max_bytes=400_000)).open(1)
    await before.change(0)
    await fill(before, 400_000)
    await before.asgi.stop()
    after = House(SqliteStores(tmp_path, max_bytes=400_000))
    await after.asgi.start()
    after.headers = before.headers
    assert uris(await after.listen(3)) == ["page://0"]
    await after.asgi.stop()


async def test_a_connection_that_loses_the_stream_to_another_leaves_what_was_missed_to_that_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = await House(SqliteStores(tmp_path, max_bytes=400_000), "a-").open(1)
    await house.listen(0)
    await house.change(0)
    await fill(house, 400_000)
    sessions = (await house.asgi.start()).sessions
    (session,) = [session for session, _, _ in sessions._cache.values()]
    marked = sessions.streams.marked

    async def lost(*of: Any) -> int | None:
        place: int | None = await marked(*of)
        session.listener.close()  # as when another worker claims the stream now
        return place

    with monkeypatch.context() as patch:
        patch.setattr(sessions.streams, "marked", lost)
        assert await house.listen(1) == []
    assert uris(await house.listen(3)) == ["page://0"]
    await house.asgi.stop()


async def test_who_lost_nothing_is_told_nothing(house: House) -> None:
    await house.open(2)
    for _ in range(2):
        await house.listen(0)
    await house.change(1)
    assert uris(await house.listen(1)) == ["page://1"]
    assert await house.listen(0) == []
