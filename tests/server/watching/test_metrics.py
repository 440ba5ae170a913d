"""Numbers that Prometheus reads: complete, bounded, for all workers, and not for everybody."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from dovetail import Server
from dovetail.core import Principal
from dovetail.server import Metrics
from tests.server.peers import STATELESS, Http, Json, meta
from tests.server.watched import CANARY, STATEFUL, Watched, calling, samples

LISTEN: Json = {"notifications": {"toolsListChanged": True}}


async def scraped(client: Http, **headers: str) -> dict[str, float]:
    response = await client.request("GET", path="/metrics", headers=headers)
    assert response.status == 200
    assert response.headers["content-type"].startswith("text/plain")
    return samples(response.body.decode())


async def test_a_scrape_counts_calls_by_outcome_their_time_and_their_size() -> None:
    watched = Watched()
    async with calling(watched, "http", STATELESS) as caller:
        for number in range(3):
            await caller.tool("add", a=number, b=2)
        await caller.tool("says_no", why="x")
        await caller.tool("refuses")
        found = await scraped(caller.wire)
    assert found["dovetail_calls_total tools/call add ok 2026-07-28"] == 3
    assert found["dovetail_calls_total tools/call says_no tool_error 2026-07-28"] == 1
    assert found["dovetail_errors_total ToolError tools/call says_no"] == 1
    assert found["dovetail_errors_total -32602 tools/call refuses"] == 1
    assert found["dovetail_call_seconds_count tools/call add"] == 3
    assert found["dovetail_call_seconds_bucket 60.0 tools/call add"] == 3
    assert 0 < found["dovetail_call_seconds_sum tools/call add"] < 3
    size = found["dovetail_result_bytes_sum tools/call add"]
    assert found["dovetail_result_bytes_bucket 100.0 tools/call add"] == 0
    assert found["dovetail_result_bytes_bucket 1000.0 tools/call add"] == 3
    assert 300 < size < 3000
    assert found["dovetail_calls_in_flight"] == 0


async def test_a_client_cannot_make_up_series() -> None:
    watched = Watched()
    async with calling(watched, "http", STATELESS) as caller:
        before = None
        for number in range(40):
            await caller.tool(f"made-up-{number}")
            await caller.send("prompts/get", name=f"made-up-{number}")
            await caller.send("resources/read", uri=f"note://{number}")
            await caller.send("resources/read", uri=f"nowhere://{number}")
            await caller.send(f"made/up-{number}")
            found = set(await scraped(caller.wire))
            assert before is None or found == before
            before = found
        assert not [key for key in found if "made" in key]


async def test_sessions_and_listen_streams_are_gauges() -> None:
    watched = Watched()
    app = watched.server.asgi()
    client = Http(app)
    assert (await scraped(client))["dovetail_sessions"] == 0
    headers = await client.session()
    await client.session()
    assert (await scraped(client))["dovetail_sessions"] == 2
    await client.request("DELETE", b"", headers)
    assert (await scraped(client))["dovetail_sessions"] == 1
    left = [asyncio.Event(), asyncio.Event()]
    streams = [asyncio.create_task(client.modern("subscriptions/listen", LISTEN, gone=gone)) for gone in left]
    (runtime,) = watched.server.running
    while len(runtime.streams) < 2:
        await asyncio.sleep(0)
    assert (await scraped(client))["dovetail_listen_streams"] == 2
    left[0].set()
    await streams[0]
    assert (await scraped(client))["dovetail_listen_streams"] == 1
    app.drain()
    await streams[1]
    assert (await scraped(client))["dovetail_listen_streams"] == 0
    assert not watched.records, "a stream is no call"
    await app.stop()


async def test_a_call_under_way_is_in_flight() -> None:
    watched = Watched()
    async with calling(watched, "http", STATEFUL) as caller:
        call = asyncio.create_task(caller.tool("waits"))
        await watched.began.wait()
        assert (await scraped(caller.wire))["dovetail_calls_in_flight"] == 1
        (runtime,) = watched.server.running
        await runtime.stop()
        await call


@pytest.mark.req("S-05")
@pytest.mark.parametrize("headers", [{"host": "evil.example"}, {"origin": "https://evil.example"}])
async def test_the_metrics_are_behind_the_guard(headers: dict[str, str]) -> None:
    client = Http(Watched().server.asgi())
    response = await client.request("GET", path="/metrics", headers=headers)
    assert response.status in (403, 421)
    assert b"dovetail_calls" not in response.body
    await client.app.stop()


async def test_a_server_that_knows_its_callers_tells_its_numbers_to_them_alone() -> None:
    def identify(scope: Any, headers: Any) -> Principal | None:
        return Principal(key="prometheus") if headers.get(b"authorization") == b"Bearer scraper" else None

    client = Http(Watched(identify=identify).server.asgi())
    refused = await client.request("GET", path="/metrics")
    assert refused.status == 403
    assert b"dovetail_calls" not in refused.body
    assert "dovetail_sessions" in await scraped(client, authorization="Bearer scraper")
    await client.app.stop()


async def test_there_is_no_such_page_without_metrics() -> None:
    client = Http(Server("x").asgi())
    assert (await client.request("GET", path="/metrics")).status == 404
    await client.app.stop()


async def test_a_registry_that_is_given_is_used() -> None:
    registry = CollectorRegistry()
    app = Server("x")
    app.use(Metrics(registry))
    client = Http(app.asgi())
    await client.modern("tools/list")
    assert registry.get_sample_value("dovetail_call_seconds_count", {"method": "tools/list", "name": ""}) == 1
    await client.app.stop()


async def test_nothing_that_a_call_carries_is_in_a_scrape() -> None:
    watched = Watched()
    async with calling(watched, "http", STATELESS) as caller:
        for tool, arguments in (("echo", {"text": CANARY}), ("breaks", {"with_": CANARY}), ("add", {"a": CANARY})):
            await caller.tool(tool, **arguments)
        response = await caller.wire.request("GET", path="/metrics")
        assert CANARY not in response.body.decode()


# Several workers.

PROGRAM = """
import os
from dovetail import Server
from dovetail.server import Metrics

app = Server("several", rate="100000/s")
app.use(Metrics())

@app.tool
async def who() -> int:
    return os.getpid()

@app.tool
async def dies() -> str:
    import asyncio, signal
    await asyncio.sleep(0)
    os.kill(os.getpid(), signal.SIGKILL)
    return ""
"""


@asynccontextmanager
async def workers(place: Path) -> AsyncIterator[str]:
    """Run two workers; yields their URL without the path."""
    (place / "numbers").mkdir()
    program = place / "several.py"
    program.write_text(PROGRAM)
    options = ["--transport", "http", "--port", "0", "--workers", "2", "--state", str(place / "state")]
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "dovetail.cli", "run", str(program), *options],
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(place / "numbers")},
    )
    assert process.stderr is not None
    try:
        url = ""
        while not url:
            line = (await process.stderr.readline()).decode()
            assert line, "the server ended"
            url = next((word for word in line.split() if word.startswith("http://")), "")
        yield url.removesuffix("/mcp")
    finally:
        process.terminate()
        await process.communicate()


async def post(url: str, name: str) -> Any:
    """Call a tool on a connection of its own, so that any worker may get it."""
    params = {"name": name, "arguments": {}, "_meta": meta()}
    headers = {"mcp-protocol-version": STATELESS, "mcp-method": "tools/call", "mcp-name": name}
    headers |= {"accept": "application/json, text/event-stream"}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    async with aiohttp.ClientSession() as client, client.post(f"{url}/mcp", json=body, headers=headers) as response:
        return json.loads(await response.read())["result"]["structuredContent"]


async def get(url: str) -> dict[str, float]:
    async with aiohttp.ClientSession() as client, client.get(f"{url}/metrics") as response:
        return samples((await response.read()).decode())


@pytest.mark.timeout(60)
async def test_any_worker_answers_for_all_and_forgets_what_a_dead_one_had_under_way(tmp_path: Path) -> None:
    async with workers(tmp_path) as url:
        seen: set[int] = set()
        calls = 0
        while len(seen) < 2:
            seen.add(await post(url, "who"))
            calls += 1
            assert calls < 500
        for _ in range(4):
            found = await get(url)
            assert found["dovetail_calls_total tools/call who ok 2026-07-28"] == calls
            assert found["dovetail_call_seconds_count tools/call who"] == calls
            assert found["dovetail_calls_in_flight"] == 0
        with pytest.raises(aiohttp.ClientError):
            await post(url, "dies")
        found["dovetail_calls_in_flight"] = 1
        while found["dovetail_calls_in_flight"]:  # until the dead worker has been noticed
            with contextlib.suppress(aiohttp.ClientError):
                found = await get(url)
        assert found["dovetail_calls_total tools/call who ok 2026-07-28"] == calls
