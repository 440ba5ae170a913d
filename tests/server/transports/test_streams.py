"""GET streams of sessions: each message goes out on one of them, and they end when they should."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from dovetail import Context, Server
from tests.server.peers import Http, Response

app = Server("streams", rate="1000/s burst 2000")


async def note() -> str:
    """Return a note."""
    return "one"


@app.tool
async def closing(ctx: Context) -> str:
    """Let the client come back."""
    await ctx.close_stream(retry=0.5)
    return "done"


app.add_tool(note)


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    asgi = app.asgi()
    yield Http(asgi)
    await asgi.stop()


async def settled() -> None:
    for _ in range(60):
        await asyncio.sleep(0)


class Stream:
    """A GET that is open."""

    def __init__(self, http: Http, headers: dict[str, str]) -> None:
        self.response = Response()
        self.gone = asyncio.Event()
        self.task = asyncio.create_task(self._serve(http, headers))

    async def _serve(self, http: Http, headers: dict[str, str]) -> None:
        app_of = http.app

        async def noting(scope: Any, receive: Any, send: Any) -> None:
            async def both(message: Any) -> None:
                self.response.take(message)
                await send(message)

            await app_of(scope, receive, both)

        await Http(noting).request("GET", b"", headers, gone=self.gone)

    @property
    def methods(self) -> list[str]:
        return [event["method"] for event in self.response.events]


@asynccontextmanager
async def listening(http: Http, headers: dict[str, str]) -> AsyncIterator[Stream]:
    stream = Stream(http, headers)
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
