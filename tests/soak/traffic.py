"""What clients do to a server, the good and the rude: one coroutine a kind, over real sockets and pipes.

Every kind checks what it is told, and leaves nothing that the server would have a reason to keep.
"""

import asyncio
import itertools
import json
import subprocess
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp

from dovetail.core import Parser
from tests.server.peers import ALL_ASKS, STATELESS, meta

PROGRAM = Path(__file__).with_name("soak_program.py")
PATIENCE = 20.0
Json = dict[str, Any]
Kind = Callable[[], Awaitable[None]]


@contextmanager
def serving(**options: Any) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """Run the program over HTTP; yields its URL and the process."""
    said = json.dumps({"transport": "http", "port": 0, "source": str(PROGRAM), **options})
    process = subprocess.Popen([sys.executable, str(PROGRAM), said], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    line = process.stderr.readline()
    # What it logs has to be read: a full pipe would stop it.
    reader = threading.Thread(target=process.stderr.read)
    reader.start()
    try:
        assert line.startswith("Serving on "), line
        yield line.split()[2], process
    finally:
        process.terminate()
        process.wait()
        reader.join()
        process.stderr.close()


class Events:
    """The messages of an open event stream."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        assert response.status == 200, response.status
        self._response = response
        self._parser = Parser(1 << 24)
        self._ready: list[str] = []

    async def next(self) -> Json:
        message: Json = json.loads(await self.text())
        return message

    async def text(self) -> str:
        while not self._ready:
            data = await asyncio.wait_for(self._response.content.readany(), PATIENCE)
            assert data, "the stream ended"
            self._ready += [event.data for event in self._parser.feed(data) if event.data]
        return self._ready.pop(0)

    async def outcome(self) -> Json:
        while True:
            message = await self.next()
            if "id" in message and "method" not in message:
                return message


def said(message: Json) -> str:
    """Return the text of a tool's result."""
    text: str = message["result"]["content"][0]["text"]
    return text


class Client(ABC):
    """What is the same on every transport."""

    kinds: list[Kind]

    @abstractmethod
    async def clear(self) -> None:
        """End what is kept only because a client may come back."""

    @abstractmethod
    async def tool(self, tool: str, arguments: Json | None = None, **extra: Any) -> Json:
        """Call a tool, asking for progress; return the outcome."""

    async def calls(self) -> None:
        assert said(await self.tool("echo", {"text": "a"})) == "a"
        assert said(await self.tool("plain", {"text": "b"})) == "b"
        assert said(await self.tool("steps")) == "done"

    async def errors(self) -> None:
        assert (await self.tool("fail"))["result"]["isError"]
        assert "error" in await self.tool("nothing")
        assert (await self.tool("echo", {"text": 1}))["result"]["isError"]

    async def asks(self) -> None:
        first = (await self.tool("ask"))["result"]
        (key,) = first["inputRequests"]
        answers = {key: {"action": "accept", "content": {"value": "yes"}}}
        again = {"requestState": first["requestState"], "inputResponses": answers}
        assert said(await self.tool("ask", **again)) == "yes"

    async def leaves_ask(self) -> None:
        assert (await self.tool("ask"))["result"]["resultType"] == "input_required"

    async def gauge(self) -> dict[str, int]:
        told: dict[str, int] = json.loads(said(await self.tool("gauge")))
        return told


class Web(Client):
    """Clients of both eras over HTTP. Each request has a connection of its own."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self.http = http
        self.url = url
        self.left: list[dict[str, str]] = []
        self._ids = itertools.count(1)
        self.kinds = [
            self.calls,
            self.errors,
            self.garbage,
            self.asks,
            self.leaves_call,
            self.leaves_ask,
            self.listens,
            self.leaves_listening,
            self.session,
            self.session_asks,
            self.session_cancels,
            self.session_listens,
            self.leaves_session,
            self.old_stream,
        ]

    # The stateless revision.

    @asynccontextmanager
    async def modern(self, method: str, params: Json | None = None, **more: Any) -> AsyncIterator[Any]:
        params = {**(params or {}), "_meta": {**meta(), **more}}
        headers = {"mcp-protocol-version": STATELESS, "mcp-method": method}
        headers |= {"mcp-name": params["name"]} if "name" in params else {}
        async with self.post(method, params, headers) as response:
            yield response

    def post(self, method: str, params: Json, headers: dict[str, str]) -> Any:
        body = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        fields = {"accept": "application/json, text/event-stream", **headers}
        return self.http.post(self.url, json=body, headers=fields)

    async def tool(self, tool: str, arguments: Json | None = None, **extra: Any) -> Json:
        params = {"name": tool, "arguments": arguments or {}, **extra}
        async with self.modern("tools/call", params, progressToken=1) as response:
            if response.content_type == "text/event-stream":
                return await Events(response).outcome()
            answer: Json = await response.json()
            return answer

    async def garbage(self) -> None:
        async with self.http.post(self.url, data=b"{", headers={"content-type": "application/json"}) as response:
            assert response.status == 400

    async def leaves_call(self) -> None:
        async with self.modern("tools/call", {"name": "wait", "arguments": {}}, progressToken=1) as response:
            assert (await Events(response).next())["method"] == "notifications/progress"

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Events]:
        wanted = {"notifications": {"resourceSubscriptions": ["note://one"], "toolsListChanged": True}}
        async with self.modern("subscriptions/listen", wanted) as response:
            events = Events(response)
            assert (await events.next())["method"] == "notifications/subscriptions/acknowledged"
            yield events

    async def listens(self) -> None:
        async with self.listening() as events:
            await self.tool("touch")
            assert (await events.next())["method"] == "notifications/resources/updated"

    async def leaves_listening(self) -> None:
        async with self.listening():
            pass

    # Sessions.

    async def open(self) -> dict[str, str]:
        info = {"name": "soak", "version": "1"}
        params = {"protocolVersion": "2025-11-25", "capabilities": ALL_ASKS, "clientInfo": info}
        async with self.post("initialize", params, {}) as response:
            assert response.status == 200, await response.text()
            await response.read()
            return {"mcp-session-id": response.headers["mcp-session-id"], "mcp-protocol-version": "2025-11-25"}

    async def tell(self, message: Json, fields: dict[str, str]) -> None:
        accept = {"accept": "application/json, text/event-stream"}
        async with self.http.post(self.url, json={"jsonrpc": "2.0", **message}, headers=fields | accept) as response:
            assert response.status == 202

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[dict[str, str]]:
        fields = await self.open()
        await self.tell({"method": "notifications/initialized"}, fields)
        yield fields
        async with self.http.delete(self.url, headers=fields) as response:
            assert response.status in (200, 204)

    async def in_session(self, fields: dict[str, str], method: str, **params: Any) -> Json:
        async with self.post(method, params, fields) as response:
            if response.content_type == "text/event-stream":
                return await Events(response).outcome()
            answer: Json = await response.json()
            return answer

    async def session(self) -> None:
        async with self.opened() as fields:
            for name in ("steps", "fail"):
                more = {"_meta": {"progressToken": 1}}
                assert "result" in await self.in_session(fields, "tools/call", name=name, arguments={}, **more)
            assert "error" in await self.in_session(fields, "tools/nothing")

    async def session_asks(self) -> None:
        async with self.opened() as fields:
            async with self.post("tools/call", {"name": "ask", "arguments": {}}, fields) as response:
                events = Events(response)
                question = await events.next()
                answer = {"action": "accept", "content": {"value": "yes"}}
                await self.tell({"id": question["id"], "result": answer}, fields)
                assert said(await events.outcome()) == "yes"
            async with self.post("tools/call", {"name": "ask", "arguments": {}}, fields) as response:
                await Events(response).next()  # and the session ends with the question open

    async def session_cancels(self) -> None:
        async with self.opened() as fields:
            params: Json = {"name": "wait", "arguments": {}, "_meta": {"progressToken": 1}}
            async with self.post("tools/call", params, fields) as response:
                await Events(response).next()
            # The client that left has not cancelled; the session's end does.

    async def session_listens(self) -> None:
        async with self.opened() as fields:
            await self.in_session(fields, "resources/subscribe", uri="note://one")
            async with self.http.get(self.url, headers={"accept": "text/event-stream", **fields}) as response:
                await self.in_session(fields, "tools/call", name="touch", arguments={})
                assert (await Events(response).next())["method"] == "notifications/resources/updated"

    async def leaves_session(self) -> None:
        fields = await self.open()
        await self.tell({"method": "notifications/initialized"}, fields)
        self.left += [fields, await self.open()]  # the second was never used

    async def clear(self) -> None:
        """End what `leaves_session` left and the server still has."""
        while self.left:
            async with self.http.delete(self.url, headers=self.left.pop()) as response:
                assert response.status in (200, 204, 404)

    async def old_stream(self) -> None:
        base = self.url.removesuffix("/mcp")
        async with self.http.get(f"{base}/sse", headers={"accept": "text/event-stream"}) as response:
            events = Events(response)
            post = base + await events.text()
            info = {"name": "soak", "version": "1"}
            params = {"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": info}
            body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
            async with self.http.post(post, json=body) as accepted:
                assert accepted.status == 202
            assert "result" in await events.outcome()


class Pipe(Client):
    """A client over stdio, for as long as the server lives."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._in, self._out = process.stdin, process.stdout
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Queue[Json]] = {}
        self._reader = asyncio.get_running_loop().create_task(self._read())
        self.kinds = [self.calls, self.errors, self.asks, self.leaves_ask, self.cancels, self.listens]

    async def _read(self) -> None:
        async for line in self._out:
            message = json.loads(line)
            params = message.get("params", {})
            key = message.get("id") if "method" not in message else params.get("progressToken")
            if key is None:
                key = params.get("_meta", {}).get("io.modelcontextprotocol/subscriptionId")
            if key in self._waiting:
                self._waiting[key].put_nowait(message)

    def send(self, **message: Any) -> None:
        self._in.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    @contextmanager
    def request(self, method: str, params: Json) -> Iterator[tuple[int, Callable[[], Awaitable[Json]]]]:
        key = next(self._ids)
        queue = self._waiting[key] = asyncio.Queue()
        self.send(id=key, method=method, params={**params, "_meta": {**meta(), "progressToken": key}})
        try:
            yield key, lambda: asyncio.wait_for(queue.get(), PATIENCE)
        finally:
            del self._waiting[key]

    async def tool(self, tool: str, arguments: Json | None = None, **extra: Any) -> Json:
        with self.request("tools/call", {"name": tool, "arguments": arguments or {}, **extra}) as (_, get):
            while "method" in (message := await get()):
                pass
            return message

    async def clear(self) -> None:
        """There is nothing."""

    async def cancels(self) -> None:
        with self.request("tools/call", {"name": "wait", "arguments": {}}) as (key, get):
            assert (await get())["method"] == "notifications/progress"
            self.send(method="notifications/cancelled", params={"requestId": key, "_meta": meta()})
        assert said(await self.tool("echo", {"text": "on"})) == "on"

    async def listens(self) -> None:
        wanted = {"notifications": {"resourceSubscriptions": ["note://one"]}}
        with self.request("subscriptions/listen", wanted) as (key, get):
            assert (await get())["method"] == "notifications/subscriptions/acknowledged"
            await self.tool("touch")
            assert (await get())["method"] == "notifications/resources/updated"
            self.send(method="notifications/cancelled", params={"requestId": key, "_meta": meta()})

    async def close(self) -> None:
        self._in.close()
        await self._reader


@asynccontextmanager
async def piped() -> AsyncIterator[Pipe]:
    """Run the program over stdio."""
    command = [sys.executable, str(PROGRAM), '{"transport": "stdio"}']
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL)
    client = Pipe(process)
    try:
        yield client
    finally:
        await client.close()
        await process.wait()


@asynccontextmanager
async def web(**options: Any) -> AsyncIterator[Web]:
    """Run the program over HTTP."""
    with serving(**options) as (url, _):
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True, limit=0)) as http:
            yield Web(http, url)
