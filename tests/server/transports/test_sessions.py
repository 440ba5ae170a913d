"""Sessions over HTTP: who may have how many, and who makes room for whom."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dovetail import Limits, Server
from dovetail.store import SqliteStores, sqlite_file
from tests.server.peers import Http, Json, Response

INITIALIZE: Json = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}
PING: Json = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


def serving(rate: str = "1000/s burst 2000", **limits: Any) -> Any:
    return Server("sessions", rate=rate, limits=Limits(**limits)).asgi()


async def opened(client: Http) -> Response:
    return await client.request("POST", INITIALIZE)


async def pinged(client: Http, response: Response) -> int:
    return (await client.request("POST", PING, {"mcp-session-id": response.headers["mcp-session-id"]})).status


@pytest.mark.req("S-22")
async def test_sessions_that_nobody_used_make_room_for_who_comes_the_oldest_first() -> None:
    asgi = serving(sessions=3)
    stranger, client = Http(asgi, "10.0.0.1"), Http(asgi, "10.0.0.2")
    own = await opened(client)
    assert await pinged(client, own) == 200
    left = [await opened(stranger) for _ in range(20)]
    assert [response.status for response in left] == [200] * 20
    assert await pinged(client, own) == 200, "one that is used stays"
    later = await opened(client)
    assert (later.status, await pinged(client, later)) == (200, 200)
    assert [await pinged(stranger, response) for response in left[-2:]] == [404, 200]
    await asgi.stop()


async def test_when_all_sessions_are_in_use_the_next_client_is_told_to_come_later() -> None:
    asgi = serving(sessions=2)
    client = Http(asgi)
    for _ in range(2):
        await client.session()
    refused = await opened(client)
    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    await asgi.stop()


@pytest.mark.req("S-22")
async def test_one_client_has_so_many_sessions_and_another_is_unaffected() -> None:
    asgi = serving(principal_sessions=2)
    greedy, other = Http(asgi, "10.0.0.1"), Http(asgi, "10.0.0.2")
    kept = [await greedy.session() for _ in range(2)]
    assert (await opened(greedy)).status == 429
    assert (await opened(other)).status == 200
    assert (await greedy.request("DELETE", b"", kept[0])).status == 204
    assert (await opened(greedy)).status == 200
    await asgi.stop()


@pytest.mark.req("S-22")
async def test_opening_sessions_counts_against_a_rate_of_each_client() -> None:
    asgi = serving("5/s")
    one, two = Http(asgi, "10.0.0.1"), Http(asgi, "10.0.0.2")
    statuses = [(await opened(one)).status for _ in range(30)]
    assert statuses[:5] == [200] * 5
    assert statuses.count(429) >= 24
    assert (await opened(two)).status == 200
    await asgi.stop()


@pytest.mark.req("S-16")
async def test_a_session_that_was_never_used_is_over_after_a_minute_and_one_that_was_is_not() -> None:
    asgi = serving()
    await asgi.start()
    now = 1_000_000.0
    asgi.runtime.steady = lambda: now
    client = Http(asgi)
    used, unused = await opened(client), await opened(client)
    assert await pinged(client, used) == 200
    now += 61.0
    assert [await pinged(client, response) for response in (used, unused)] == [200, 404]
    await asgi.stop()


@pytest.mark.req("R-34")
async def test_a_step_of_the_wall_clock_neither_ends_a_session_nor_lengthens_it() -> None:
    asgi = serving(session_seconds=100.0)
    await asgi.start()
    wall, now = 1_000_000.0, 5.0
    asgi.runtime.clock, asgi.runtime.steady = lambda: wall, lambda: now
    client = Http(asgi)
    headers = await client.session()
    for wall in (1_007_200.0, 1_000_000.0, 992_800.0):  # noqa: B007
        assert (await client.request("POST", PING, headers)).status == 200
    now += 101.0
    assert (await client.request("POST", PING, headers)).status == 404
    await asgi.stop()


def waiting() -> Any:
    server = Server("waiting")

    @server.tool
    async def wait() -> str:
        await asyncio.Event().wait()
        return "never"

    return server.asgi()


async def suspended(asgi: Any) -> None:
    while not asgi.runtime.in_flight:
        await asyncio.sleep(0)


CALL: Json = {"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": {"name": "wait", "arguments": {}}}


async def test_a_call_that_its_client_cancelled_is_answered_with_a_stream_that_says_nothing() -> None:
    asgi = waiting()
    client = Http(asgi)
    headers = await client.session()
    task = asyncio.create_task(client.request("POST", CALL, headers))
    await suspended(asgi)
    cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 5}}
    assert (await client.request("POST", cancelled, headers)).status == 202
    response = await asyncio.wait_for(task, 5)
    assert (response.status, response.headers["content-type"]) == (200, "text/event-stream")
    assert response.complete and not response.events
    await asgi.stop()


async def test_a_call_whose_session_is_ended_is_told_so() -> None:
    asgi = waiting()
    client = Http(asgi)
    headers = await client.session()
    task = asyncio.create_task(client.request("POST", CALL, headers))
    await suspended(asgi)
    assert (await client.request("DELETE", b"", headers)).status == 204
    response = await asyncio.wait_for(task, 5)
    assert (response.status, response.json["id"]) == (200, 5)
    assert response.json["error"]["message"] == "The session has ended"
    await asgi.stop()


@pytest.mark.req("S-16")
async def test_a_session_with_a_call_under_way_or_an_open_stream_is_not_idle() -> None:
    asgi = waiting()
    await asgi.start()
    now = 1_000_000.0
    asgi.runtime.steady = lambda: now
    client = Http(asgi)
    calling, listening, idle = [await client.session() for _ in range(3)]
    call = asyncio.create_task(client.request("POST", CALL, calling))
    gone = asyncio.Event()
    stream = asyncio.create_task(client.request("GET", b"", listening, gone=gone))
    await suspended(asgi)
    while not asgi.runtime.streams:
        await asyncio.sleep(0)
    for _ in range(2):
        now += 4000.0
        assert [(await client.request("POST", PING, one)).status for one in (calling, listening)] == [200, 200]
    assert (await client.request("POST", PING, idle)).status == 404
    assert not call.done()
    assert not stream.done()
    gone.set()
    await stream
    now += 4000.0
    assert (await client.request("POST", PING, listening)).status == 404
    await client.request("DELETE", b"", calling)
    await call
    await asgi.stop()


@pytest.fixture
async def locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Any, Callable[[], None]]]:
    """A server with a state directory, and what locks its database, as another program may."""
    monkeypatch.setattr(sqlite_file, "BUSY_SECONDS", 0.05)
    asgi = Server("locked", stores=SqliteStores(tmp_path)).asgi()
    await asgi.start()
    with closing(sqlite3.connect(tmp_path / "state.db", isolation_level=None)) as other:
        yield asgi, lambda: (other.execute("BEGIN EXCLUSIVE"), None)[1]
    await asgi.stop()


@pytest.mark.req("R-37")
async def test_requests_of_a_session_go_on_while_the_store_is_out_of_reach(locked: Any) -> None:
    asgi, lock = locked
    now = asgi.runtime.steady()
    client = Http(asgi)
    headers = await client.session()
    lock()
    asgi.runtime.steady = lambda: now + 60.0
    assert (await client.request("POST", PING, headers)).json == {"jsonrpc": "2.0", "id": 1, "result": {}}
    assert (await client.request("DELETE", b"", headers)).status == 503, "it would be back after a restart"


@pytest.mark.req("R-37")
async def test_a_session_that_cannot_be_stored_is_refused_under_its_requests_id(locked: Any) -> None:
    asgi, lock = locked
    lock()
    refused = await opened(Http(asgi))
    assert (refused.status, refused.headers["retry-after"], refused.json["id"]) == (503, "1", 0)
    assert refused.json["error"]["message"].startswith("The state database is out of reach (SQLITE_BUSY")
    assert "0 cached" in repr(asgi._endpoint.sessions)
