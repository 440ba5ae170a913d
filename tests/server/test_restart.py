"""Sessions survive a killed server, and two workers are one server. Real processes, real sockets."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dovetail.core import Parser
from tests.server.peers import ALL_ASKS, STATELESS, meta

PROGRAM = Path(__file__).with_name("restart_program.py")
Json = dict[str, Any]


@contextmanager
def served(state: Path, *options: str) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """Run the program over HTTP; yields its URL."""
    command = [sys.executable, "-m", "dovetail.cli", "run", str(PROGRAM), "--transport", "http", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--state", str(state), *options],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(state)},
    )
    assert process.stderr is not None
    try:
        url = ""
        while not url:
            line = process.stderr.readline()
            assert line, "the server ended"
            url = next((word for word in line.split() if word.startswith("http://")), "")
        yield url, process
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


class Client:
    """A client by hand, over a real socket."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self.http = http
        self.url = url
        self.headers: dict[str, str] = {}
        self._next = 0

    async def post(self, body: Json | list[Json], **headers: str) -> tuple[int, Any, Any]:
        fields = {"accept": "application/json, text/event-stream", **self.headers, **headers}
        async with self.http.post(self.url, json=body, headers=fields) as response:
            data = await response.read()
            if response.content_type == "text/event-stream":
                events = Parser(1 << 24).feed(data)
                return response.status, [json.loads(e.data) for e in events if e.data], events
            return response.status, json.loads(data) if data else None, dict(response.headers)

    async def open(self) -> None:
        params = {
            "protocolVersion": "2025-11-25",
            "capabilities": ALL_ASKS,
            "clientInfo": {"name": "t", "version": "1"},
        }
        _, _, headers = await self.post({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
        self.headers = {"mcp-session-id": headers["mcp-session-id"], "mcp-protocol-version": "2025-11-25"}
        await self.post({"jsonrpc": "2.0", "method": "notifications/initialized"})

    async def call(self, method: str, params: Json | None = None) -> Any:
        self._next += 1
        body = {"jsonrpc": "2.0", "id": self._next, "method": method, "params": params or {}}
        return (await self.post(body))[1]

    async def modern(self, name: str, arguments: Json, **extra: Any) -> Any:
        self._next += 1
        params = {"name": name, "arguments": arguments, "_meta": meta(), **extra}
        fields = {"mcp-protocol-version": STATELESS, "mcp-method": "tools/call", "mcp-name": name}
        body = {"jsonrpc": "2.0", "id": self._next, "method": "tools/call", "params": params}
        return (await self.post(body, **fields))[1]

    @asynccontextmanager
    async def listening(self, last: str | None = None) -> AsyncIterator["Stream"]:
        fields = {"accept": "text/event-stream", **self.headers} | ({"last-event-id": last} if last else {})
        async with self.http.get(self.url, headers=fields) as response:
            assert response.status == 200
            yield Stream(response)


class Stream:
    """An open event stream."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self._parser = Parser(1 << 24)
        self._events: list[Any] = []

    async def next(self) -> Any:
        """Return the next event that carries a message."""
        while True:
            while self._events:
                event = self._events.pop(0)
                if event.data:
                    return event
            data = await asyncio.wait_for(self._response.content.readany(), 10)
            assert data, "the stream ended"
            self._events += self._parser.feed(data)


@pytest.mark.timeout(60)
async def test_a_killed_server_goes_on_with_the_same_session_and_delivers_once(tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as http:
        with served(tmp_path) as (url, process):
            client = Client(http, url)
            await client.open()
            await client.call("resources/subscribe", {"uri": "note://one"})
            await client.call("logging/setLevel", {"level": "error"})
            async with client.listening() as stream:
                await client.call("tools/call", {"name": "touch", "arguments": {"uri": "note://one"}})
                first = await stream.next()
                assert json.loads(first.data)["params"]["uri"] == "note://one"
            # The connection is closed: this one is stored and not delivered.
            await client.call("tools/call", {"name": "touch", "arguments": {"uri": "note://one"}})
            process.send_signal(signal.SIGKILL)
            process.wait()
        with served(tmp_path) as (url, process):
            client.url = url
            async with client.listening(first.id) as stream:
                second = await stream.next()
                assert json.loads(second.data)["params"]["uri"] == "note://one"
                assert second.id != first.id
                # The subscription and the log level survived, too.
                await client.call("tools/call", {"name": "touch", "arguments": {"uri": "note://two"}})
                await client.call("tools/call", {"name": "touch", "arguments": {"uri": "note://one"}})
                third = await stream.next()
                assert json.loads(third.data)["params"]["uri"] == "note://one"
                assert third.id not in (first.id, second.id), "exactly one delivery each"
            said = await client.call("tools/call", {"name": "say", "arguments": {}})
            levels = [m["params"]["level"] for m in said if m.get("method") == "notifications/message"]
            assert levels == ["error"]
            async with client.listening() as stream:
                await client.call("tools/call", {"name": "touch", "arguments": {"uri": "note://one"}})
                assert (await stream.next()).id not in (first.id, second.id, third.id)


@pytest.mark.timeout(60)
async def test_what_changes_after_a_restart_and_before_the_client_is_back_is_delivered_once(tmp_path: Path) -> None:
    touch = {"name": "touch", "arguments": {"uri": "note://one"}}
    async with aiohttp.ClientSession() as http:
        with served(tmp_path) as (url, process):
            client = Client(http, url)
            await client.open()
            await client.call("resources/subscribe", {"uri": "note://one"})
            async with client.listening() as stream:
                await client.call("tools/call", touch)
                first = await stream.next()
                process.send_signal(signal.SIGKILL)
                process.wait()
        with served(tmp_path) as (url, _):
            client.url = url
            await client.modern("touch", {"uri": "note://one"})  # somebody else's doing
            async with client.listening(first.id) as stream:
                second = await stream.next()
                assert json.loads(second.data)["params"]["uri"] == "note://one"
                await client.call("tools/call", touch)
                third = await stream.next()
                assert len({first.id, second.id, third.id}) == 3
            async with client.listening() as stream:
                await client.call("tools/call", touch)
                assert (await stream.next()).id not in (first.id, second.id, third.id)


@pytest.mark.timeout(90)
async def test_two_workers_are_one_server(tmp_path: Path) -> None:
    connector = aiohttp.TCPConnector(force_close=True)  # every request is a connection, and so meets any worker
    async with aiohttp.ClientSession(connector=connector) as http:
        with served(tmp_path, "--workers", "2") as (url, _):
            client = Client(http, url)
            await client.open()
            seen = {
                (await client.call("tools/call", {"name": "who", "arguments": {}}))["result"]["content"][0]["text"]
                for _ in range(40)
            }
            assert len(seen) == 2, "both workers serve the session"
            for _ in range(8):
                await _pushed_ask(client)
            for _ in range(8):
                await _pulled_ask(client)
            await _cancelled(client)
            async with client.listening() as stream:
                await client.call("resources/subscribe", {"uri": "note://one"})
                for _ in range(6):
                    await client.call("tools/call", {"name": "touch", "arguments": {"uri": "note://one"}})
                    assert json.loads((await stream.next()).data)["params"]["uri"] == "note://one"
            await _subscribed_at_once(client)
            await _replayed(client)


async def _pushed_ask(client: Client) -> None:
    """A question goes out on the call's stream; its answer arrives at any worker."""
    fields = {"accept": "application/json, text/event-stream", **client.headers}
    client._next += 1
    body = {"jsonrpc": "2.0", "id": client._next, "method": "tools/call", "params": {"name": "ask", "arguments": {}}}
    async with client.http.post(client.url, json=body, headers=fields) as response:
        stream = Stream(response)
        question = json.loads((await stream.next()).data)
        content = {"action": "accept", "content": {"value": "yes"}}
        status, _, _ = await client.post({"jsonrpc": "2.0", "id": question["id"], "result": content})
        assert status == 202
        assert json.loads((await stream.next()).data)["result"]["content"][0]["text"] == "yes"


async def _pulled_ask(client: Client) -> None:
    """A turn ends in one worker, and the retry is served by any."""
    first = (await client.modern("ask", {}))["result"]
    (key,) = first["inputRequests"]
    answers = {key: {"action": "accept", "content": {"value": "yes"}}}
    last = await client.modern("ask", {}, requestState=first["requestState"], inputResponses=answers)
    assert last["result"]["content"][0]["text"] == "yes"


async def _cancelled(client: Client) -> None:
    """A cancellation reaches the call, whichever worker serves it."""
    for _ in range(4):
        client._next += 1
        identifier = client._next
        body = {"jsonrpc": "2.0", "id": identifier, "method": "tools/call", "params": {"name": "wait", "arguments": {}}}
        body["params"]["_meta"] = {"progressToken": identifier}  # type: ignore[index]
        fields = {"accept": "application/json, text/event-stream", **client.headers}
        async with client.http.post(client.url, json=body, headers=fields) as response:
            stream = Stream(response)
            await stream.next()
            notice = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": identifier}}
            await client.post(notice)
            rest = await asyncio.wait_for(response.content.read(), 10)
            assert b'"result"' not in rest


async def _subscribed_at_once(client: Client) -> None:
    """Of subscriptions that several workers confirm at once, each holds; then a session that is ended stays so."""
    await client.open()
    pages = [f"page://{number}" for number in range(20)]
    async with client.listening() as stream:
        answers = await asyncio.gather(*[client.call("resources/subscribe", {"uri": page}) for page in pages])
        assert [answer["result"] for answer in answers] == [{}] * 20
        await asyncio.gather(
            *[client.call("tools/call", {"name": "touch", "arguments": {"uri": page}}) for page in pages]
        )
        heard = [json.loads((await stream.next()).data)["params"]["uri"] for _ in pages]
        assert sorted(heard) == sorted(pages)
    changing = [
        client.post({"jsonrpc": "2.0", "id": page, "method": "resources/unsubscribe", "params": {"uri": page}})
        for page in pages
    ]
    ended, *_ = await asyncio.gather(_ended(client), *changing)
    assert ended == 204
    while {(await client.post({"jsonrpc": "2.0", "id": n, "method": "ping"}))[0] for n in range(12)} != {404}:
        continue  # until all workers have heard of it, which is soon


async def _ended(client: Client) -> int:
    async with client.http.delete(client.url, headers=client.headers) as response:
        return response.status


async def _replayed(client: Client) -> None:
    """A side effect happens once, however often a captured request is sent to whichever worker."""
    first = (await client.modern("pay", {"order": "a"}))["result"]
    (key,) = first["inputRequests"]
    answers = {key: {"action": "accept", "content": {"value": "yes"}}}
    replays = [
        client.modern("pay", {"order": "a"}, requestState=first["requestState"], inputResponses=answers)
        for _ in range(50)
    ]
    outcomes = await asyncio.gather(*replays)
    assert {outcome["result"]["content"][0]["text"] for outcome in outcomes} == {"paid 1"}


@pytest.mark.timeout(60)
async def test_with_workers_a_message_reaches_its_sse_stream_wherever_it_arrives(tmp_path: Path) -> None:
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector) as http:
        with served(tmp_path, "--workers", "2") as (url, _):
            base = url.removesuffix("/mcp")
            async with http.get(f"{base}/sse", headers={"accept": "text/event-stream"}) as response:
                stream = Stream(response)
                post = base + (await stream.next()).data
                info = {"name": "t", "version": "1"}
                params: Json = {"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": info}
                opening = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
                pings = [{"jsonrpc": "2.0", "id": number, "method": "ping"} for number in range(1, 12)]
                for number, body in enumerate([opening, *pings]):
                    async with http.post(post, json=body) as accepted:
                        assert accepted.status == 202
                    assert json.loads((await stream.next()).data)["id"] == number
            while True:  # the stream has ended, and that is known everywhere soon
                async with http.post(post, json=opening) as refused:
                    if refused.status == 404:
                        break
