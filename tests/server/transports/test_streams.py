"""GET streams of sessions: each message goes out on one of them, and they end when they should."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dovetail import Context, Server
from dovetail.core import event_id
from dovetail.store import SqliteStores
from tests.server.peers import Http, Json, Response

go = asyncio.Event()
INITIALIZE: Json = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}
app = Server("streams", rate="1000/s burst 2000")


async def note() -> str:
    """Return a note."""
    return "one"


@app.tool
async def closing(ctx: Context) -> str:
    """Let the client come back."""
    await ctx.close_stream(retry=0.5)
    return "done"


@app.tool
async def waiting() -> str:
    """Wait until told to go on."""
    await go.wait()
    return "waited"


app.add_tool(note)


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    go.clear()
    asgi = app.asgi()
    yield Http(asgi)
    await asgi.stop()


async def settled() -> None:
    for _ in range(60):
        await asyncio.sleep(0)


class Stream:
    """A GET that is open."""

    def __init__(self, http: Http, headers: dict[str, str], path: str) -> None:
        self.response = Response()
        self.gone = asyncio.Event()
        self.task = asyncio.create_task(self._serve(http, headers, path))

    async def _serve(self, http: Http, headers: dict[str, str], path: str) -> None:
        app_of = http.app

        async def noting(scope: Any, receive: Any, send: Any) -> None:
            async def both(message: Any) -> None:
                self.response.take(message)
                await send(message)

            await app_of(scope, receive, both)

        await Http(noting).request("GET", b"", headers, path, gone=self.gone)

    @property
    def methods(self) -> list[str]:
        return [event["method"] for event in self.response.events]


@asynccontextmanager
async def listening(http: Http, headers: dict[str, str], path: str = "/mcp") -> AsyncIterator[Stream]:
    stream = Stream(http, headers, path)
    await settled()
    try:
        yield stream
    finally:
        stream.gone.set()
        await asyncio.wait_for(stream.task, 5)


async def changed() -> None:
    app.add_tool(note, name="extra")
    await settled()
    app.remove_tool("extra")
    await settled()


async def test_a_message_goes_out_on_one_of_the_streams_of_a_session(http: Http) -> None:
    headers = await http.session()
    async with listening(http, headers) as older:
        async with listening(http, headers) as newer:
            await changed()
            assert (len(older.methods), len(newer.methods)) == (0, 2)
        await settled()
        await changed()
        assert (len(older.methods), len(newer.methods)) == (2, 2), "the one that is left goes on"


@pytest.mark.parametrize(("version", "closed"), [("2025-03-26", False), ("2025-06-18", False), ("2025-11-25", True)])
async def test_a_stream_is_closed_early_only_where_clients_know_what_to_do(
    http: Http, version: str, closed: bool
) -> None:
    headers = await http.session(version)
    body = {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": "closing", "arguments": {}}}
    response = await http.request("POST", body, headers)
    if closed:
        assert response.records and not response.events, "only what tells the client to come back"
    else:
        assert response.json["result"]["content"][0]["text"] == "done"


async def test_a_server_that_leaves_ends_the_streams_of_sessions(http: Http) -> None:
    headers = await http.session()
    async with listening(http, headers) as stream:
        http.app.drain()
        await asyncio.wait_for(stream.task, 5)
        assert stream.response.complete


async def test_a_server_that_leaves_ends_sse_connections_when_their_calls_are_done(http: Http) -> None:
    async with listening(http, {}, "/sse") as idle, listening(http, {}, "/sse") as busy:
        post = busy.response.records[0][1]
        await http.request("POST", INITIALIZE, path=post)
        params = {"name": "waiting", "arguments": {}}
        await http.request("POST", {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}, path=post)
        await settled()
        http.app.drain()
        await asyncio.wait_for(idle.task, 5)
        await settled()
        assert idle.response.complete and not busy.response.complete
        go.set()
        await asyncio.wait_for(busy.task, 5)
        assert json.loads(busy.response.records[-1][1])["result"]["content"][0]["text"] == "waited"


async def test_who_comes_back_for_a_call_that_died_with_its_process_hears_that_nothing_more_comes(
    tmp_path: Path,
) -> None:
    def started() -> Any:
        server = Server("mortal", stores=SqliteStores(tmp_path))

        @server.tool
        async def report(ctx: Context) -> str:
            await ctx.progress(1)
            await ctx.progress(2)
            return str(await asyncio.Event().wait())

        return server.asgi()

    first, second = started(), started()
    client, gone = Http(first), asyncio.Event()
    headers = await client.session()
    params = {"name": "report", "arguments": {}, "_meta": {"progressToken": "t"}}
    body = {"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": params}
    call = asyncio.create_task(client.request("POST", body, headers, gone=gone))
    while not first.runtime or not first.runtime.in_flight or not (endpoint := first._endpoint).sessions.streams._live:
        await asyncio.sleep(0)
    ((session, stream),) = endpoint.sessions.streams._live
    while len(await first.runtime.stores.events.after(session, stream, 0)) < 2:
        await asyncio.sleep(0)
    # The first process is not asked any more, as if it had been killed: the kernel would let go of its lock.
    first.runtime.stores._occupancy.release()
    after = Http(second)
    rest = await after.request("GET", b"", headers | {"last-event-id": event_id(stream, 1)})
    assert [message["params"]["progress"] for message in rest.events] == [2]
    for _ in range(2):
        lost = await after.request("GET", b"", headers | {"last-event-id": event_id(stream, 2)})
        assert lost.status == 400
        assert "the server ended in the middle of it" in lost.json["error"]["message"]
    await first.stop()
    await call
    await second.stop()


@pytest.mark.req("R-37")
async def test_an_outcome_that_cannot_be_stored_reaches_its_client_and_ends_the_stream(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stores = SqliteStores(tmp_path / "state")
    full = Server("full", stores=stores)

    @full.tool
    async def work(ctx: Context) -> str:
        """Say something, and lose the store."""
        await ctx.progress(1)
        await stores.aclose()
        return "done"

    asgi = full.asgi()
    http = Http(asgi)
    headers = await http.session()
    params = {"name": "work", "arguments": {}, "_meta": {"progressToken": 1}}
    body = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}
    response = await http.request("POST", json.dumps(body).encode(), headers)
    assert [event.get("method", event.get("id")) for event in response.events] == ["notifications/progress", 7]
    assert response.events[-1]["result"]["content"][0]["text"] == "done"
    assert "could not be stored" in caplog.text
    await asgi.stop()
