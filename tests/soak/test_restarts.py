"""A server of several workers that is replaced under load, a client that vanishes without a word, and many streams."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TypeVar

import aiohttp
import pytest

from tests.soak.traffic import Web, said, serving, web

T = TypeVar("T")
HALF_OPEN = Path(__file__).with_name("half_open_program.py")
LONG = bool(os.environ.get("DOVETAIL_LONG"))
STREAMS = 10_000 if LONG else 500


async def connected(call: Callable[[], Awaitable[T]]) -> T:
    """Call again, once, when the connection ended without an answer: it was made to a worker that had just left."""
    try:
        return await call()
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
        return await call()


async def workers_seen(client: Web, want: int, known: set[str]) -> set[str]:
    """Call until so many workers have answered that were not known."""
    found: set[str] = set()
    while len(found) < want:
        found |= {said(await connected(lambda: client.tool("who")))} - known
    return found


@pytest.mark.req("R-06")
@pytest.mark.timeout(120)
async def test_a_rolling_restart_under_load_loses_no_stateless_request(tmp_path: Path) -> None:
    with serving(workers=2, state=str(tmp_path)) as (url, process):
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as http:
            client = Web(http, url)
            before = await workers_seen(client, 2, set())
            replaced = asyncio.Event()
            served = 0

            async def load() -> None:
                nonlocal served
                while not replaced.is_set():
                    await connected(client.calls)
                    served += 1

            async with asyncio.TaskGroup() as group:
                for _ in range(4):
                    group.create_task(load())
                for _ in range(5 if LONG else 1):
                    process.send_signal(signal.SIGHUP)
                    before |= await workers_seen(client, 2, before)
                replaced.set()
            assert served


@pytest.mark.req("R-16")
@pytest.mark.timeout(300 if LONG else 60)
async def test_many_idle_listen_streams_cost_little_and_a_broadcast_reaches_all() -> None:
    async with web() as client, AsyncExitStack() as streams:
        for _ in range(3):
            await client.listens()
        before = await client.gauge()
        opened = [await streams.enter_async_context(client.listening()) for _ in range(STREAMS)]
        held = await client.gauge()
        assert (held["rss"] - before["rss"]) / STREAMS <= 30 * 1024
        assert held["tasks"] - before["tasks"] <= STREAMS  # the request's own, and none besides
        began = time.monotonic()
        await client.tool("touch")
        heard = await asyncio.gather(*(stream.next() for stream in opened))
        assert {message["method"] for message in heard} == {"notifications/resources/updated"}
        assert time.monotonic() - began < 2


def own_network() -> bool:
    """Tell whether this machine lets us have a network of our own."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return False
    return subprocess.run(["unshare", "-Urn", "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.req("R-09")
@pytest.mark.timeout(60)
@pytest.mark.skipif(not own_network(), reason="needs a network namespace, whose cable is pulled")
@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_a_client_that_vanishes_without_a_word_is_noticed_on_a_stream_that_is_silent(loop: str) -> None:
    done = subprocess.run(
        ["unshare", "-Urn", sys.executable, str(HALF_OPEN), loop], capture_output=True, text=True, check=False
    )
    assert done.stdout == "noticed\n", done.stderr
