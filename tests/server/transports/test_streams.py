"""GET streams of sessions: each message goes out on one of them, and they end when they should."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from dovetail import Context, Server
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
