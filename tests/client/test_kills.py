"""A server that is killed with SIGKILL, in the middle of an answer: at each of its bytes (C-02, C-03)."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from dovetail import Client
from dovetail.errors import Disconnected

SERVER = Path(__file__).with_name("killed_server.py")
ANSWER = {"jsonrpc": "2.0", "id": 10, "result": {"content": [{"type": "text", "text": "all of it"}]}}
LENGTH = len(json.dumps(ANSWER)) + 1
KILLS = 10_000 if os.environ.get("DOVETAIL_LONG") == "1" else 500
WAITING = 3


def held() -> set[str]:
    """What our descriptors lead to."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            found.add(f"{name} {os.readlink(f'/proc/self/fd/{name}')}")
        except FileNotFoundError:  # the one that the directory was read with
            continue
    return found


def children() -> list[str]:
    """Processes that we started and that are there, be it as zombies."""
    return [
        child for task in os.listdir("/proc/self/task") for child in _children(Path(f"/proc/self/task/{task}/children"))
    ]


def _children(of: Path) -> list[str]:
    try:
        return of.read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return []


@pytest.mark.req("C-02", "C-03", "R-01")
@pytest.mark.timeout(600 if KILLS > 500 else 120)
async def test_whichever_byte_it_is_killed_at_every_pending_call_fails_within_a_second_and_the_next_one_works() -> None:
    before, others = held(), children()
    client = Client([sys.executable, "-I", "-S", str(SERVER)], revision="2025-11-25")
    whole = 0
    async with client:
        assert (await client.call_tool("echo")).text == "all of it"
        between = None
        for number in range(KILLS):
            waiting = [asyncio.create_task(client.call_tool("wait")) for _ in range(WAITING)]
            cut = asyncio.create_task(client.call_tool("cut", {"cut": number % (LENGTH + 1)}))
            async with asyncio.timeout(1):
                await asyncio.wait([*waiting, cut])
            for each in waiting:
                error = each.exception()
                assert isinstance(error, Disconnected), error
                assert "signal 9" in str(error)
            failed = cut.exception()
            assert failed is None or isinstance(failed, Disconnected)
            whole += failed is None
            async with asyncio.timeout(2):
                assert (await client.call_tool("echo")).text == "all of it"
            if between is None:
                between = len(held())
        assert len(held()) == between
        assert len(children()) == len(others) + 1
    assert 0 < whole < KILLS
    assert held() == before
    assert children() == others
