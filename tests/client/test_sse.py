"""The 2024-11-05 transport: what becomes of a message that the server does not take."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from dovetail import Client
from dovetail.client.options import Retry
from dovetail.errors import AuthRequired, Disconnected, DovetailError, HttpFailure
from tests.client.scripted import text
from tests.net.raw_server import Visit, raw_server

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nevent: endpoint\r\ndata: /messages\r\n\r\n"
HELLO = {"protocolVersion": "2024-11-05", "capabilities": {"tools": {}}, "serverInfo": {"name": "x", "version": "1"}}


class Shop:
    """A server of that transport: tools named after a status are refused with it; `wait` waits to be let go."""

    def __init__(self) -> None:
        self.url = ""
        self.streams: list[Visit] = []
        self.calls: list[str] = []
        self.waiting = asyncio.Event()
        self.held: list[Any] = []
        self.refuses_all = b""

    async def say(self, request: Any, result: Any) -> None:
        message = json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}).encode()
        await self.streams[-1].say(b"data: %b\r\n\r\n" % message)

    async def serve(self, visit: Visit) -> None:
        while True:
            head, _, body = (await visit.request()).partition(b"\r\n\r\n")
            if head.startswith(b"GET"):
                self.streams.append(visit)
                await visit.say(HEAD)
                await visit.gone()
                return
            message = json.loads(body)
            name = message.get("params", {}).get("name", "")
            if self.refuses_all:
                await visit.answer(b"", status=self.refuses_all)
                continue
            self.calls += [name] if name else []
            if name.isdigit():
                await visit.answer(b"", status=b"%d x" % int(name))
                continue
            await visit.answer(b"", status=b"202 x")
            if name == "wait":
                self.held.append(message)
                self.waiting.set()
            elif "id" in message:
                await self.say(message, HELLO if message["method"] == "initialize" else text("done", tools=[]))


@contextlib.asynccontextmanager
async def shop() -> AsyncIterator[Shop]:
    made = Shop()
    async with raw_server(made.serve) as server:
        made.url = server.url.replace("/mcp", "/sse")
        yield made


def client_of(there: Shop) -> Client:
    return Client({"url": there.url, "type": "sse"}, retry=Retry(first=0.0))


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        ("500", HttpFailure, "HTTP status 500; why may stand in its own log"),
        ("413", HttpFailure, "HTTP status 413; send less at a time"),
        ("401", AuthRequired, "wants credentials"),
    ],
)
async def test_a_message_that_is_refused_fails_with_the_status_and_takes_no_other_call_with_it(
    status: str, kind: type[DovetailError], said: str
) -> None:
    async with shop() as there, client_of(there) as client:
        other = asyncio.create_task(client.call_tool("wait"))
        await there.waiting.wait()
        with pytest.raises(kind, match=rf"tools/call {status}: .*{said}"):
            await client.call_tool(status)
        await there.say(there.held[0], text("late"))
        assert (await other).text == "late"
        assert len(there.streams) == 1
        assert there.calls == ["wait", status]


async def test_a_connection_that_the_server_does_not_know_any_more_is_opened_again_and_nothing_called_twice() -> None:
    async with shop() as there, client_of(there) as client:
        other = asyncio.create_task(client.call_tool("wait"))
        await there.waiting.wait()
        with pytest.raises(Disconnected, match=r"does not know the connection any more .HTTP status 404.; it may have"):
            await client.call_tool("404")
        with pytest.raises(Disconnected, match="404"):
            await other
        assert (await client.call_tool("x")).text == "done"
        assert len(there.streams) == 2
        assert there.calls == ["wait", "404", "x"]


async def test_an_opening_whose_messages_are_refused_says_with_which_status() -> None:
    async with shop() as there:
        there.refuses_all = b"500 x"
        with pytest.raises(HttpFailure, match=r"opening: .*HTTP status 500"):
            await client_of(there).connect()
