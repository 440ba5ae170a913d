"""A program that serves stdio, from its first byte to its last."""

import asyncio
import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from dovetail.core import Principal
from dovetail.errors import DefinitionError
from dovetail.server import Server
from dovetail.store import MemoryStores
from tests.server.peers import STATELESS, meta

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
        ("http", {"path": "/healthz"}, "path='/healthz' is taken"),
        ("http", {"path": "/sse", "workers": 2, "state": "unused"}, "path='/sse' is taken"),
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


@pytest.mark.parametrize(
    ("transport", "options"), [("stdio", {}), ("http", {"port": 0}), ("http", {"port": 0, "workers": 2})]
)
def test_stores_and_a_state_directory_are_not_both_taken(
    transport: str, options: dict[str, Any], tmp_path: Path
) -> None:
    server = Server("kept", stores=MemoryStores())
    with pytest.raises(DefinitionError, match=r"the stores of Server|its own stores"):
        server.run(transport, state=tmp_path, **options)


LEAVING = """
import asyncio, contextlib, sys, threading
from dovetail import Server

said = lambda text: (sys.stderr.write(text + chr(10)), sys.stderr.flush())


@contextlib.asynccontextmanager
async def life(server):
    try:
        yield
    finally:
        said("released")


app = Server("leaving", lifespan=life)


@app.tool
async def wait() -> str:
    said("waiting")
    try:
        await asyncio.Event().wait()
    finally:
        said("cleaned")


@app.tool
def hang() -> str:
    said("hanging")
    threading.Event().wait()


@app.tool
async def stay() -> str:
    said("staying")
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass


app.run()
"""


@contextlib.contextmanager
def leaving(tmp_path: Path, tool: str) -> Iterator["subprocess.Popen[bytes]"]:
    program = tmp_path / "leaving.py"
    program.write_text(LEAVING)
    with subprocess.Popen(
        [sys.executable, str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "_meta": meta()}}
            assert process.stdin is not None and process.stderr is not None
            process.stdin.write(json.dumps(call).encode() + b"\n")
            process.stdin.flush()
            begun = {"wait": b"waiting\n", "hang": b"hanging\n", "stay": b"staying\n"}
            assert process.stderr.readline() == begun[tool]
            yield process
        finally:
            process.kill()


@pytest.mark.timeout(30)
def test_on_stdio_sigterm_lets_handlers_clean_up_and_the_lifespan_end(tmp_path: Path) -> None:
    with leaving(tmp_path, "wait") as process:
        process.terminate()
        _, errors = process.communicate(timeout=20)
        assert errors.split() == [b"cleaned", b"released"]
        assert process.returncode == 0


@pytest.mark.req("R-05")
@pytest.mark.timeout(30)
@pytest.mark.parametrize("asked", [True, False])
def test_a_plain_function_that_hangs_does_not_keep_a_server_alive_that_has_left(tmp_path: Path, asked: bool) -> None:
    with leaving(tmp_path, "hang") as process:
        if asked:
            process.terminate()
        _, errors = process.communicate(timeout=20)
        assert b"released" in errors
        assert process.returncode == 0


@pytest.mark.req("R-05")
@pytest.mark.timeout(30)
@pytest.mark.parametrize("how", ["eof", "terminate", "interrupt"])
def test_a_handler_that_swallows_its_cancellation_does_not_keep_a_server_alive_that_has_left(
    tmp_path: Path, how: str
) -> None:
    with leaving(tmp_path, "stay") as process:
        if how != "eof":
            process.send_signal(signal.SIGTERM if how == "terminate" else signal.SIGINT)
        _, errors = process.communicate(timeout=20)
        assert errors.splitlines() == [
            b"released",
            b"Tasks that have not ended 0.25 s after they were cancelled, and are left behind: 1",
        ]
        assert process.returncode == 0


STARTING = """
import asyncio
import sys
from dovetail import Server


async def lifespan(server):
    sys.stderr.write("starting" + chr(10))
    sys.stderr.flush()
    try:
        await asyncio.Event().wait()
    finally:
        for _ in range(50):
            await asyncio.sleep(0)
        sys.stderr.write("cleaned up" + chr(10))
    yield


Server("slow", lifespan=lifespan).run()
"""


@pytest.mark.timeout(30)
@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_a_start_that_is_given_up_cleans_up(tmp_path: Path, by: signal.Signals) -> None:
    (tmp_path / "slow.py").write_text(STARTING)
    command = [sys.executable, str(tmp_path / "slow.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None and process.stderr.readline() == b"starting\n"
        process.send_signal(by)
        assert process.communicate(timeout=20) == (b"", b"cleaned up\n")
    assert process.returncode == 0


UNREAD = """
import sys
from dovetail import Server

app = Server("talkative")


@app.tool
async def much() -> str:
    sys.stderr.write("begun" + chr(10))
    sys.stderr.flush()
    return "x" * 3_000_000


app.run()
"""


@pytest.mark.timeout(30)
@pytest.mark.parametrize("closes", [True, False])
@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_a_client_that_does_not_read_is_not_waited_for_once_a_signal_came(
    tmp_path: Path, by: signal.Signals, closes: bool
) -> None:
    program = tmp_path / "talkative.py"
    program.write_text(UNREAD)
    with subprocess.Popen(
        [sys.executable, str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            assert process.stdin is not None and process.stderr is not None
            call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "much", "_meta": meta()}}
            process.stdin.write(json.dumps(call).encode() + b"\n")
            process.stdin.flush()
            assert process.stderr.readline() == b"begun\n"
            if closes:
                process.stdin.close()
            process.send_signal(by)
            assert process.wait(timeout=20) == 0  # `Limits.write_seconds` are thirty
        finally:
            process.kill()


@pytest.mark.timeout(30)
@pytest.mark.parametrize("closed", ["<&-", ">&-"])
def test_a_program_without_a_standard_stream_is_told_so(tmp_path: Path, closed: str) -> None:
    program = tmp_path / "leaving.py"
    program.write_text(LEAVING)
    ended = subprocess.run(
        ["sh", "-c", f'exec "$0" "$1" {closed}', sys.executable, str(program)], stderr=subprocess.PIPE, timeout=20
    )
    assert ended.returncode == 1
    assert b"started without a standard input or output" in ended.stderr


def test_the_package_is_the_command() -> None:
    ended = subprocess.run([sys.executable, "-m", "dovetail", "--version"], capture_output=True, timeout=20)
    assert ended.stdout.startswith(b"dovetail ")
    assert ended.returncode == 0


@pytest.mark.parametrize("transport", ["stdio", "http"])
async def test_a_server_that_is_run_inside_a_running_loop_says_what_to_do(transport: str) -> None:
    with pytest.raises(DefinitionError, match=r"call it from plain code, or serve app.asgi\(\)"):
        Server("inside").run(transport)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"foo": 1}, "app.asgi: there is no option 'foo'"),
        ({"allowed_host": ["a"]}, "did you mean 'allowed_hosts'"),
        ({"allowed_hosts": "a.example"}, "allowed_hosts='a.example': expected several strings"),
        ({"legacy_sse": "no"}, "legacy_sse='no': expected True or False"),
        ({"path": 5}, "a path is a string"),
    ],
)
def test_an_option_that_an_asgi_app_has_not_is_refused_when_it_is_given(options: dict[str, Any], said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        Server("plain").asgi(**options)


def test_the_endpoint_of_an_asgi_app_is_a_path() -> None:
    with pytest.raises(DefinitionError, match="'mcp' is no path of an endpoint: it begins with a slash"):
        Server("plain").asgi("mcp")


DRAINING = """
import asyncio, sys
from dovetail import Context, Server

app = Server("draining")


@app.tool
async def wait(ctx: Context) -> str:
    await ctx.progress(1)
    sys.stderr.write("waiting" + chr(10))
    sys.stderr.flush()
    await asyncio.Event().wait()


app.run("http", port=0, drain_seconds=0.1)
"""


@pytest.mark.req("R-42")
@pytest.mark.timeout(30)
@pytest.mark.parametrize("progress", [{}, {"progressToken": 1}], ids=["plain", "stream"])
def test_a_call_that_is_cut_off_at_the_end_of_a_drain_is_answered_and_nothing_is_a_traceback(
    tmp_path: Path, progress: dict[str, Any]
) -> None:
    program = tmp_path / "draining.py"
    program.write_text(DRAINING)
    with subprocess.Popen([sys.executable, str(program)], stderr=subprocess.PIPE) as process:
        try:
            assert process.stderr is not None
            announced = process.stderr.readline().decode().split()[2]
            connection = http.client.HTTPConnection(announced.split("/")[2], timeout=20)
            params = {"name": "wait", "_meta": {**meta(), **progress}}
            body = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}
            headers = {"mcp-protocol-version": STATELESS, "mcp-method": "tools/call", "mcp-name": "wait"}
            headers |= {"content-type": "application/json", "accept": "application/json, text/event-stream"}
            connection.request("POST", "/mcp", json.dumps(body), headers)
            assert process.stderr.readline() == b"waiting\n"
            process.terminate()
            with contextlib.closing(connection), connection.getresponse() as response:
                answer = response.read().decode().split("data: ")[-1]
            error = {"code": -32603, "message": "The server is shutting down"}
            assert json.loads(answer) == {"jsonrpc": "2.0", "id": 7, "error": error}
            _, errors = process.communicate(timeout=20)
            assert (errors, process.returncode) == (b"", 0)
        finally:
            process.kill()


EFFECT = """
import asyncio, sys
from dovetail import Context, Server
from dovetail.server.calls import turn

turn.GRACE_SECONDS = 0.01
app = Server("draining")


async def effect() -> None:
    sys.stderr.write("begun" + chr(10))
    sys.stderr.flush()
    await asyncio.to_thread(sys.stdin.readline)
    sys.stderr.write("settled" + chr(10))


@app.tool(timeout=0.01)
async def wait(ctx: Context) -> None:
    await ctx.once("effect", effect)


app.run("http", port=0, drain_seconds=20)
"""


@pytest.mark.req("R-42")
@pytest.mark.timeout(30)
def test_a_drain_waits_for_an_effect_whose_call_is_over(tmp_path: Path) -> None:
    program = tmp_path / "draining.py"
    program.write_text(EFFECT)
    with subprocess.Popen([sys.executable, str(program)], stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stderr is not None
            place = process.stderr.readline().decode().split()[2].split("/")[2]
            connection = http.client.HTTPConnection(place, timeout=20)
            body = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "wait", "_meta": meta()}}
            headers = {"mcp-protocol-version": STATELESS, "mcp-method": "tools/call", "mcp-name": "wait"}
            headers |= {"content-type": "application/json", "accept": "application/json, text/event-stream"}
            connection.request("POST", "/mcp", json.dumps(body), headers)
            assert process.stderr.readline() == b"begun\n"
            with contextlib.closing(connection), connection.getresponse() as response:
                assert b"did not finish" in response.read()
            process.terminate()
            with pytest.raises(ConnectionError):  # it takes no more, and drains
                while True:
                    socket.create_connection((place.split(":")[0], int(place.split(":")[1])), timeout=20).close()
            _, errors = process.communicate(b"\n", timeout=20)
            assert b"settled\n" in errors and process.returncode == 0
        finally:
            process.kill()


WAITING = """
import asyncio, contextlib, sys
from dovetail import Server


@contextlib.asynccontextmanager
async def never(server):
    sys.stderr.write("waiting" + chr(10))
    sys.stderr.flush()
    await asyncio.Event().wait()
    yield None


Server("waiting", lifespan=never).run("http", port=0)
"""


@pytest.mark.timeout(30)
@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_waits_before_it_begins_hears_the_second_signal(tmp_path: Path, by: signal.Signals) -> None:
    program = tmp_path / "waiting.py"
    program.write_text(WAITING)
    with subprocess.Popen([sys.executable, str(program)], stderr=subprocess.PIPE) as process:
        try:
            assert process.stderr is not None
            assert process.stderr.readline() == b"waiting\n"
            while process.poll() is None:  # two of them, and no more than it takes: it may see two at once as one
                process.send_signal(by)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=0.2)
            assert process.stderr.read() == b""
        finally:
            process.kill()
