"""Restarts, broken streams, forgotten sessions, crowds and large catalogues: the figures of what a client survives.

The long forms are for `make nightly` (DOVETAIL_LONG=1).
"""

import asyncio
import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dovetail import Client, Server, ToolAnnotations
from dovetail.client.listening import Change, Changes
from dovetail.client.options import Retry
from dovetail.errors import Disconnected, DovetailError
from dovetail.net import Channel, memory_pair
from tests.client.hosted import Broken, Hosted, Json, Stream, result, text
from tests.client.serving import serving
from tests.client.test_client import VERSIONS

LONG = os.environ.get("DOVETAIL_LONG") == "1"
HERE = Path(__file__).parent

# A server that is restarted.


def busy() -> Server:
    app = Server("busy", rate="1000000/s")

    @app.tool
    async def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    return app


class Load:
    """Calls without a pause, and what became of those that began while the server was there."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._wake = asyncio.Event()
        self.up = 0  # odd while the server goes or is gone
        self.done = 0
        self.lost: list[DovetailError] = []
        self.unexpected: list[str] = []
        self.running = True

    async def work(self) -> None:
        while self.running:
            began = self.up
            try:
                assert (await self._client.call_tool("add", {"a": self.done, "b": 1})).text
            except DovetailError as error:
                self.lost.append(error)
                if (began == self.up and not began % 2) or not isinstance(error, Disconnected):
                    self.unexpected.append(f"{type(error).__name__}: {error}")
            self.done += 1
            self._wake.set()

    async def until(self, done: int) -> None:
        while self.done < done:
            self._wake.clear()
            await self._wake.wait()


@pytest.mark.timeout(600 if LONG else 60)
@pytest.mark.parametrize("version", VERSIONS[1:])
async def test_after_each_restart_under_load_every_later_call_succeeds(version: str) -> None:
    restarts, calls, workers = (30, 2000, 32) if LONG else (3, 150, 16)
    port = 0
    async with serving(busy().asgi()) as url:
        client = Client(url, revision=version)
        await client.connect()
        load = Load(client)
        tasks = [asyncio.create_task(load.work()) for _ in range(workers)]
        port = int(url.split(":")[2].split("/")[0])
        await load.until(calls)
        load.up += 1
    for restart in range(restarts):
        async with serving(busy().asgi(), port):
            load.up += 1
            await load.until(load.done + calls)
            if restart == restarts - 1:
                load.running = False
                await asyncio.gather(*tasks)
                await client.aclose()
            load.up += 1
    assert not load.unexpected
    assert load.done >= calls * (restarts + 1)
    assert len(load.lost) <= workers * restarts


# A session that is forgotten, and streams that break.


async def said(server: Hosted, stream: Stream, call: Json) -> None:
    await stream.event(result(call, text("said")))


async def test_a_session_that_is_forgotten_is_opened_again_and_the_call_made_again() -> None:
    server = Hosted(said)
    async with serving(server) as url, Client(url, revision="2025-11-25", retry=Retry(first=0.001)) as client:
        assert (await client.call_tool("x")).text == "said"
        server.sessions.clear()
        outcomes = await asyncio.gather(*(client.call_tool("x") for _ in range(20)))
        assert {outcome.text for outcome in outcomes} == {"said"}
    assert server.opened == 2
    assert [message["method"] for message in server.posted].count("initialize") == 2


@pytest.mark.parametrize(
    "unknown",
    [
        b'{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: No valid session ID provided"},"id":null}',
        b'{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: Server not initialized"},"id":null}',
        b"Bad Request: No valid session ID provided",
    ],
)
async def test_a_session_that_is_forgotten_with_a_400_is_opened_again_too(unknown: bytes) -> None:
    server = Hosted(said)
    server.unknown = unknown
    async with serving(server) as url, Client(url, revision="2025-11-25", retry=Retry(first=0.001)) as client:
        server.sessions.clear()
        assert (await client.call_tool("x")).text == "said"
    assert server.opened == 2


@pytest.mark.req("C-11")
async def test_an_answer_whose_stream_broke_is_had_by_its_event_id_and_the_call_not_made_again() -> None:
    calls: list[Json] = []

    async def breaks(server: Hosted, stream: Stream, call: Json) -> None:
        calls.append(call)
        token = call["params"]["_meta"]["progressToken"]
        await stream.event(None, "1", retry=1)
        progress = {"progressToken": token, "progress": 1}
        await stream.event({"jsonrpc": "2.0", "method": "notifications/progress", "params": progress}, "2")
        raise Broken

    async def resumed(server: Hosted, stream: Stream, _: Json) -> None:
        if server.resumed.count("2") == 1:
            return  # broken again, before anything came
        await stream.event(result(calls[0], text("resumed")), "3")

    server = Hosted(breaks, resume=resumed)
    heard: list[float] = []
    async with serving(server) as url, Client(url, revision="2025-11-25") as client:
        answer = await client.call_tool("x", on_progress=lambda progress: heard.append(progress.progress))
    assert answer.text == "resumed"
    assert heard == [1]
    assert len(calls) == 1
    assert [last for last in server.resumed if last] == ["2", "2"]


async def test_an_event_of_another_type_on_a_call_s_stream_is_no_message() -> None:
    async def pings(server: Hosted, stream: Stream, call: Json) -> None:
        await stream.raw(b"event: ping\ndata: {}\n\n")
        await stream.event(result(call, text("done")))

    async with serving(Hosted(pings)) as url, Client(url, revision="2025-11-25") as client:
        assert (await client.call_tool("x")).text == "done"


@pytest.mark.req("C-11")
async def test_an_answer_whose_stream_broke_without_an_event_id_is_lost_and_the_call_not_made_again() -> None:
    async def breaks(server: Hosted, stream: Stream, call: Json) -> None:
        raise Broken

    server = Hosted(breaks)
    async with serving(server) as url, Client(url, revision="2025-11-25") as client:
        with pytest.raises(Disconnected, match="ended before the answer"):
            await client.call_tool("x")
    assert [message["method"] for message in server.posted].count("tools/call") == 1


@pytest.mark.req("C-11")
@pytest.mark.parametrize("refusals", [[404], [400], [401], [503] * 20, [503, 503]])
async def test_a_call_is_not_made_again_because_its_answer_s_stream_cannot_be_gone_on_with(
    refusals: list[int],
) -> None:
    calls: list[Json] = []

    async def breaks(server: Hosted, stream: Stream, call: Json) -> None:
        calls.append(call)
        await stream.event(None, "1", retry=1)
        server.refusals = list(refusals)
        raise Broken

    async def resumed(server: Hosted, stream: Stream, _: Json) -> None:
        await stream.event(result(calls[0], text("resumed")), "2")

    async with serving(Hosted(breaks, resume=resumed)) as url, Client(url, revision="2025-11-25") as client:
        if len(refusals) == 2:
            assert (await client.call_tool("x")).text == "resumed"
        else:
            with pytest.raises(Disconnected, match="ended before the answer"):
                await client.call_tool("x")
    assert len(calls) == 1


@pytest.mark.parametrize("status", [500, 401, 200])
async def test_who_listens_is_told_when_the_stream_cannot_be_opened_again(status: int) -> None:
    server = Hosted(said, streams=1)
    server.refusals = []
    async with (
        serving(server) as url,
        Client(url, revision="2025-11-25", retry=Retry(first=0.001)) as client,
        client.listen(tools=True) as changes,
        asyncio.timeout(5),
    ):
        server.refusals = [status]
        assert [change async for change in changes_until(changes, "reopened")]
        stream = await server.streams.get()
        await stream.event({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
        assert [change async for change in changes_until(changes, "tools")]


async def test_the_stream_of_what_is_said_unasked_is_opened_again_and_that_is_told() -> None:
    server = Hosted(said, streams=2)
    async with (
        serving(server) as url,
        Client(url, revision="2025-11-25") as client,
        client.listen(tools=True) as changes,
        asyncio.timeout(5),
    ):
        stream = await server.streams.get()
        await stream.event({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
        heard = [change async for change in changes_until(changes, "tools")]
    assert {change.kind for change in heard[:-1]} == {"reopened"}  # it was broken twice, which may be heard as once
    assert server.resumed == ["", "", ""]


async def changes_until(changes: Changes, kind: str) -> AsyncIterator[Change]:
    async for change in changes:
        yield change
        if change.kind == kind:
            return


@pytest.mark.parametrize("version", [VERSIONS[-2], VERSIONS[-1]])
async def test_what_may_be_asked_again_waits_as_long_as_a_busy_server_says(version: str) -> None:
    app = Server("busy", rate="2/s burst 1")

    @app.tool(annotations=ToolAnnotations(idempotent_hint=True))
    async def hello() -> str:
        """Say hello."""
        return "hello"

    retry = Retry(idempotent_tools=True)
    async with serving(app.asgi()) as url, Client(url, revision=version, retry=retry) as client:
        await client.list_tools()
        results = await asyncio.gather(client.call_tool("hello"), client.call_tool("hello"))
        assert [result.text for result in results] == ["hello", "hello"]


# A crowd.


class Crowd:
    """A server that answers in any order, some twice, some late, and some that nobody asked."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._task: asyncio.Task[None] | None = None
        self.withheld: list[Json] = []

    def connect(self) -> Channel:
        ours, theirs = memory_pair()
        self._task = asyncio.create_task(self._serve(theirs))
        return ours

    async def _serve(self, channel: Channel) -> None:
        waiting: list[Json] = []
        turn = asyncio.get_running_loop()
        flush: asyncio.Handle | None = None

        def answer() -> None:
            self._chance.shuffle(waiting)
            for call in waiting:
                self._answer(channel, call)
            waiting.clear()

        while isinstance(data := await channel.receive(), bytes):
            message = json.loads(data)
            if message.get("method") == "tools/call":
                waiting.append(message)
                if flush is not None:
                    flush.cancel()
                if len(waiting) >= 500:
                    answer()
                else:
                    flush = turn.call_soon(answer)
            elif message.get("method") == "initialize":
                hello = {
                    "protocolVersion": "2025-11-25",
                    "capabilities": {},
                    "serverInfo": {"name": "c", "version": "1"},
                }
                channel.send(json.dumps(result(message, hello)).encode())

    def _answer(self, channel: Channel, call: Json) -> None:
        nonce = call["params"]["arguments"]["nonce"]
        frame = json.dumps(result(call, text(nonce))).encode()
        chance = self._chance.random()
        if call["params"]["name"] == "withheld":
            self.withheld.append(call)
            return
        channel.send(frame)
        if chance < 0.01:
            channel.send(frame)
        elif chance < 0.02:
            channel.send(json.dumps(result({"id": 10**9 + call["id"]}, text("unknown"))).encode())
        elif chance < 0.03 and self.withheld:
            late = self.withheld.pop()
            channel.send(json.dumps(result(late, text("late"))).encode())


@pytest.mark.req("C-05")
@pytest.mark.timeout(600 if LONG else 60)
async def test_of_a_thousand_calls_in_flight_each_gets_its_own_answer() -> None:
    total, at_once = (100_000, 1000) if LONG else (5000, 1000)
    counted: Counter[str] = Counter()
    numbers = iter(range(total))

    async def caller(client: Client) -> None:
        for number in numbers:
            nonce = f"{number}-{random.getrandbits(64):x}"
            name = "withheld" if number % 100 == 7 else "echo"
            call = asyncio.create_task(client.call_tool(name, {"nonce": nonce}))
            if name == "withheld":
                await asyncio.sleep(0)  # it is sent, and given up
                call.cancel()
                await asyncio.wait({call})
                counted["given up"] += 1
            else:
                counted["right" if (await call).text == nonce else "wrong"] += 1

    server = Crowd(seed=5)
    async with Client(server, revision="2025-11-25", timeout=50) as client:
        link: Any = await client._conversation.connection.link()
        await asyncio.gather(*(caller(client) for _ in range(at_once)))
        assert counted == {"right": total - total // 100, "given up": total // 100}
        assert link.dropped >= total // 100  # some repeated, some unknown, some late


# A large catalogue.

LISTS = """
import asyncio, json, sys
from dovetail import Client

def peak():  # of this program alone: what getrusage says begins with its parent's
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM:"))

async def main():
    async with Client([sys.executable, sys.argv[1], *sys.argv[2:]]) as client:
        await client.ping()
        before = peak()
        tools = await client.list_tools()
        after = peak()
        size = sum(len(bytes(tool.input_schema)) + len(tool.description or "") for tool in tools)
        names = {tool.name for tool in tools}
    print(json.dumps({"tools": len(names), "bytes": size, "grown": (after - before) * 1024}))

asyncio.run(main())
"""


@pytest.mark.timeout(120)
def test_a_catalogue_of_ten_thousand_tools_is_listed_whole_in_bounded_memory(tmp_path: Path) -> None:
    script = tmp_path / "lists.py"
    script.write_text(LISTS)
    command = [sys.executable, str(script), str(HERE / "catalogue_server.py"), "10000", "500", "2048"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    seen = json.loads(done.stdout)
    assert seen["tools"] == 10_000
    assert seen["bytes"] >= 20 * 1024 * 1024 * 0.95
    assert seen["grown"] > seen["bytes"] / 2, "else it measures something else"
    assert seen["grown"] <= 6 * seen["bytes"], f"{seen['grown'] / seen['bytes']:.1f} times its size"
