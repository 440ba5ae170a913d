"""A program that serves stdio, from its first byte to its last."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dovetail.core import Principal
from dovetail.errors import DefinitionError
from dovetail.server import Server
from tests.server.peers import meta

PROGRAM = """
import atexit, os, threading
from dovetail import Server

app = Server("noisy")
atexit.register(lambda: os.write(1, b"printed at exit"))


@app.tool
def shout() -> str:
    print("printed by a tool")
    return "done"


print("printed before")
app.run()
print("printed after")
"""


@pytest.mark.req("W-09")
@pytest.mark.timeout(30)
def test_nothing_that_a_program_prints_before_during_or_after_reaches_the_client(tmp_path: Path) -> None:
    program = tmp_path / "noisy.py"
    program.write_text(PROGRAM)
    described = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "shout", "_meta": described}}
    process = subprocess.Popen(
        [sys.executable, str(program)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # What is printed unbuffered before the server runs is gone before anybody could hold it back.
        env={key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"},
    )
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(json.dumps(call).encode() + b"\n")
    process.stdin.flush()
    answer = json.loads(process.stdout.readline())
    rest, errors = process.communicate(timeout=20)
    assert answer["result"]["content"][0]["text"] == "done"
    assert rest == b""
    for said in (b"before", b"by a tool", b"after", b"at exit"):
        assert b"printed " + said in errors
    assert process.returncode == 0


async def listed(server: Server, principal: Principal | None = None) -> list[str]:
    channel = server.connect(principal)
    channel.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta()}}).encode())
    answer = await asyncio.wait_for(channel.receive(), 5)
    await channel.aclose()
    assert isinstance(answer, bytes)
    return [tool["name"] for tool in json.loads(answer)["result"]["tools"]]


async def test_in_memory_one_speaks_for_whom_one_wants() -> None:
    server = Server("shop")
    server.add_tool(lambda: None, name="look")
    server.add_tool(lambda: None, name="buy", scopes={"shop:write"})
    assert await listed(server) == ["look"]
    assert await listed(server, Principal(key="ann", scopes=frozenset({"shop:write"}))) == ["look", "buy"]


async def test_in_memory_a_server_that_does_not_start_leaves_nobody_waiting() -> None:
    async def life(server: Server) -> AsyncIterator[None]:
        if server.name:
            raise OSError("no database")
        yield

    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))
    channel = Server("it", lifespan=life).connect()
    assert await asyncio.wait_for(channel.receive(), 5) is None
    await asyncio.sleep(0)
    assert [str(context["exception"]) for context in told] == ["no database"]


@pytest.mark.parametrize(
    ("transport", "options", "said"),
    [
        ("stdio", {"port": 1}, r'stdio has no port: write app.run\("http", port=...\)'),
        ("stdio", {"sate": "x"}, r'run\("stdio"\): there is no option .sate.; did you mean .state.'),
        ("stdio", {"state": 5}, "state=5: expected a path"),
        ("http", {"port": "80a"}, "port='80a': expected a whole number from 0 to 65535"),
        ("http", {"port": 70_000}, "port=70000: expected"),
        ("http", {"path": "mcp"}, "path='mcp': expected a path that begins with"),
        ("http", {"prot": 80}, "there is no option .prot.; did you mean .port."),
        ("http", {"workers": 0}, "workers=0: expected"),
        ("htpp", {}, "There is no transport 'htpp'"),
    ],
)
def test_an_option_that_a_transport_has_not_is_refused_in_plain_words(
    transport: str, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(DefinitionError, match=said):
        Server("plain").run(transport, **options)


@pytest.mark.parametrize("transport", ["stdio", "http"])
async def test_a_server_that_is_run_inside_a_running_loop_says_what_to_do(transport: str) -> None:
    with pytest.raises(DefinitionError, match=r"call it from plain code, or serve app.asgi\(\)"):
        Server("inside").run(transport)


def test_the_endpoint_of_an_asgi_app_is_a_path() -> None:
    with pytest.raises(DefinitionError, match="'mcp' is no path of an endpoint: it begins with a slash"):
        Server("plain").asgi("mcp")
