"""A client and a server in a child process."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from dovetail import Client
from dovetail.client.connection import OFTEN
from dovetail.errors import DefinitionError, Disconnected
from tests.client.test_client import VERSIONS

QUICKSTART = Path(__file__).resolve().parents[2] / "examples" / "quickstart.py"

DIES = """
import sys
sys.stdin.readline()
sys.stderr.write("the database is gone\\n")
sys.exit(3)
"""

DIES_READING = """
import json, os, sys
line = sys.stdin.buffer.raw.readline(1_000_000)
about = {"capabilities": {}, "serverInfo": {"name": "greedy", "version": "1"}}
result = {"protocolVersion": "2025-11-25", **about}
print(json.dumps({"jsonrpc": "2.0", "id": json.loads(line)["id"], "result": result}), flush=True)
while b"tools/call" not in os.read(0, 1000):
    pass
sys.stderr.write("MemoryError: boom\\n")
sys.stderr.flush()
os._exit(3)
"""

DEAF = """
import json, os, signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for line in sys.stdin:
    request = json.loads(line)
    if request["method"] == "initialize":
        about = {"capabilities": {}, "serverInfo": {"name": "deaf", "version": "1"}}
        result = {"protocolVersion": "2025-11-25", **about}
    elif request["method"] == "tools/call" and request["params"]["name"] == "close":
        os.close(1)
        while True:
            signal.pause()
    else:
        result = {"content": [{"type": "text", "text": "fine"}]}
    if "id" in request:
        print(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}), flush=True)
"""


@pytest.mark.timeout(30)
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_file_is_started_used_and_stopped(version: str) -> None:
    async with Client(QUICKSTART, revision=version) as client:
        assert client.server.revision.version == version
        assert "add" in [tool.name for tool in await client.list_tools()]
        assert (await client.call_tool("add", {"a": 1, "b": 2})).text == "3"


@pytest.mark.req("C-02")
@pytest.mark.timeout(30)
async def test_a_child_that_dies_says_with_which_code_and_what_it_said_last() -> None:
    with pytest.raises(Disconnected, match=r"(?s)exit code 3.*the database is gone"):
        await Client([sys.executable, "-c", DIES]).connect()


@pytest.mark.req("C-02")
@pytest.mark.timeout(30)
async def test_a_child_that_dies_while_a_large_request_is_written_says_so_too() -> None:
    async with Client([sys.executable, "-c", DIES_READING], revision="2025-11-25") as client:
        with pytest.raises(Disconnected, match=r"(?s)ended with exit code 3.*MemoryError: boom"):
            await client.call_tool("t", {"x": "y" * 3_000_000})


@pytest.mark.timeout(30)
async def test_a_program_that_does_not_exist_is_named() -> None:
    with pytest.raises(DefinitionError, match="no-such-program"):
        await Client(["no-such-program-anywhere"]).connect()


@pytest.mark.timeout(30)
async def test_a_child_that_was_killed_is_started_again_for_the_next_call() -> None:
    async with Client(QUICKSTART) as client:
        link = await client._conversation.connection.link()
        os.kill(link._channel.pid, signal.SIGKILL)  # type: ignore[attr-defined]
        await asyncio.wait_for(link.ended(), 5)
        assert (await client.call_tool("add", {"a": 1, "b": 2})).text == "3"


@pytest.mark.timeout(30)
async def test_a_child_that_answered_is_started_again_however_often_it_ends() -> None:
    async with Client(QUICKSTART) as client:
        for _ in range(OFTEN + 2):
            link = await client._conversation.connection.link()
            os.kill(link._channel.pid, signal.SIGKILL)  # type: ignore[attr-defined]
            await asyncio.wait_for(link.ended(), 5)
        assert (await client.call_tool("add", {"a": 1, "b": 2})).text == "3"


@pytest.mark.timeout(30)
async def test_a_child_that_dies_before_it_answers_is_not_started_for_ever() -> None:
    client = Client([sys.executable, "-c", DIES])
    for _ in range(OFTEN):
        with pytest.raises(Disconnected, match="exit code 3"):
            await client.connect()
    with pytest.raises(Disconnected, match=f"(?s)ended {OFTEN} times within a minute.*exit code 3"):
        await client.connect()


@pytest.mark.timeout(30)
async def test_a_child_that_closed_its_output_and_does_not_end_holds_nobody_up() -> None:
    async with Client([sys.executable, "-c", DEAF], revision="2025-11-25") as client:
        child = (await client._conversation.connection.link())._channel  # type: ignore[attr-defined]
        with pytest.raises(Disconnected):
            await client.call_tool("close")
        assert (await client.call_tool("other")).text == "fine"
        assert child.exit is None  # the call did not wait for its end
        os.kill(child.pid, signal.SIGKILL)
        await child.exited()
