"""What an endpoint turned out to be is remembered, for a while, and forgotten when it proves wrong."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from dovetail import Client
from dovetail.client.verdicts import DOUBT_SECONDS, SECONDS, VERDICTS, Verdicts
from dovetail.errors import Disconnected, DovetailError
from tests.client.serving import serving
from tests.client.test_client import VERSIONS, shop


def test_a_verdict_expires() -> None:
    now = [0.0]
    verdicts = Verdicts(lambda: now[0])
    verdicts.note("a", stateless=False)
    verdicts.note("b", stateless=True)
    assert verdicts.legacy("a")
    assert not verdicts.legacy("b")
    now[0] = SECONDS
    assert not verdicts.legacy("a")


def test_verdicts_are_bounded() -> None:
    verdicts = Verdicts()
    for number in range(2000):
        verdicts.note(str(number), stateless=False)
    assert not verdicts.legacy("0")
    assert verdicts.legacy("1999")


def test_an_endpoint_is_doubted_once_in_a_while() -> None:
    now = [0.0]
    verdicts = Verdicts(lambda: now[0])
    assert verdicts.doubt("a", stateless=True)
    assert verdicts.doubt("b", stateless=True)
    assert not verdicts.doubt("a", stateless=True)
    now[0] = DOUBT_SECONDS
    assert verdicts.doubt("a", stateless=True)


def test_once_the_era_has_changed_everybody_who_speaks_the_old_one_may_ask() -> None:
    verdicts = Verdicts(lambda: 0.0)
    verdicts.note("a", stateless=True)
    assert [verdicts.doubt("a", stateless=True) for _ in range(2)] == [True, False]
    verdicts.note("a", stateless=False)
    assert [verdicts.doubt("a", stateless=True) for _ in range(3)] == [True] * 3
    assert not verdicts.doubt("a", stateless=False)


SLOW = """
import json, sys
asked = []
while len(asked) < 2:
    asked.append(json.loads(sys.stdin.readline()))
info, tools = {"name": "slow", "version": "1"}, {"tools": {}}
new = {"supportedVersions": ["2026-07-28"], "capabilities": tools, "resultType": "complete", "ttlMs": 0,
       "cacheScope": "private"}
old = {"protocolVersion": "2025-11-25", "capabilities": tools, "serverInfo": info}
results = [{"jsonrpc": "2.0", "id": one["id"], "result": new if one["method"] == "server/discover" else old}
           for one in asked]
sys.stdout.write("".join(json.dumps(each) + "\\n" for each in results))
sys.stdout.flush()
for line in sys.stdin:
    pass
"""


@pytest.mark.timeout(60)
async def test_of_two_answers_that_come_at_once_the_newer_era_s_counts() -> None:
    """A set has no order: with eight of them, one would be read the other way round."""

    async def spoken(number: int) -> str:
        async with Client([sys.executable, "-c", SLOW, str(number)], probe=0.3, opening=30) as client:
            return client.server.revision.version

    assert set(await asyncio.gather(*map(spoken, range(8)))) == {"2026-07-28"}


SILENT = """
import io, runpy, sys
lines = (line for line in sys.stdin if "server/discover" not in line)
sys.stdin = type("Lines", (), {"__iter__": lambda self: lines})()
runpy.run_path(sys.argv[1], run_name="__main__")
"""
"""Runs a server that never hears of `server/discover`."""


class Counting:
    """Counts the methods that an application is asked for, and may hide that it speaks the stateless era."""

    def __init__(self, old: bool) -> None:
        self.app = shop().asgi()
        self.old = old
        self.methods: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        fields = dict(scope.get("headers", ()))
        if b"mcp-method" in fields:
            self.methods.append(fields[b"mcp-method"].decode())
            if self.old:
                await send({"type": "http.response.start", "status": 400, "headers": []})
                await send({"type": "http.response.body", "body": b"Bad Request"})
                return
        await self.app(scope, receive, send)


@pytest.mark.timeout(30)
async def test_a_program_that_is_silent_when_it_is_probed_is_probed_once() -> None:
    silent = str(Path(__file__).with_name("killed_server.py"))
    command = [sys.executable, "-I", "-S", "-c", SILENT, silent]
    async with Client(command, probe=0.2, name="first") as client:
        assert (await client.call_tool("echo")).text == "all of it"
        with pytest.raises(Disconnected):
            await client.call_tool("cut", {"cut": 0})
        began = asyncio.get_running_loop().time()
        async with Client(command, probe=60.0) as other:
            assert (await other.call_tool("echo")).text == "all of it"
        assert (await client.call_tool("echo")).text == "all of it"
        assert asyncio.get_running_loop().time() - began < 30


async def test_an_old_server_is_probed_once_and_a_verdict_that_proves_wrong_is_forgotten() -> None:
    app = Counting(old=True)
    async with serving(app) as url:
        for _ in range(2):
            async with Client(url) as client:
                assert client.server.revision.version == VERSIONS[-2]
        assert app.methods == ["server/discover"]
        assert VERDICTS.legacy(url.removesuffix("/mcp"))
        VERDICTS.forget(url.removesuffix("/mcp"))
        app.old = False
        async with Client(url) as client:
            assert client.server.revision.version == VERSIONS[-1]
        assert not VERDICTS.legacy(url.removesuffix("/mcp"))


async def test_a_server_that_becomes_one_of_the_other_era_is_found_out_by_the_next_call() -> None:
    app = Counting(old=False)
    async with serving(app) as url, Client(url) as client:
        assert client.server.revision.version == VERSIONS[-1]
        app.old = True
        with pytest.raises(DovetailError):
            await client.call_tool("add", {"a": 1, "b": 2})
        assert (await client.call_tool("add", {"a": 1, "b": 2})).text == "3"
        assert client.server.revision.version == VERSIONS[-2]


async def test_what_changes_nothing_is_asked_again_of_a_server_that_became_one_of_the_other_era() -> None:
    app = Counting(old=False)
    async with serving(app) as url, Client(url) as client:
        assert client.server.revision.version == VERSIONS[-1]
        app.old = True
        assert "add" in [tool.name for tool in await client.list_tools()]
        assert client.server.revision.version == VERSIONS[-2]
