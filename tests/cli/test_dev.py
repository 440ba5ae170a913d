"""`dovetail dev` with real processes: it reloads, keeps the port and the conversation, and leaves cleanly."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.cli.programs import Program, started
from tests.server.peers import STATELESS, meta

pytestmark = pytest.mark.timeout(120)
Json = dict[str, Any]

SERVER = '''
import asyncio
from dovetail import Context, Server
from words import WORD

app = Server("dev", version="1")


@app.tool
async def {tool}() -> str:
    """Say the word."""
    return WORD


@app.tool
async def forever(ctx: Context) -> str:
    """Never end."""
    await ctx.progress(1)
    await asyncio.Event().wait()
    return "never"


@app.tool
async def ask(ctx: Context) -> str:
    """Ask where the roots are."""
    return ",".join(str(root.uri) for root in await ctx.roots())


@app.resource("word://now")
def now() -> str:
    """The word."""
    return WORD
'''


def put(folder: Path, tool: str = "say", word: str | None = "one") -> Path:
    """Write the server, and the module that it imports."""
    if word is not None:
        replace(folder / "words.py", f"WORD = {word!r}\n")
    replace(folder / "server.py", SERVER.replace("{tool}", tool))
    return folder / "server.py"


def replace(path: Path, text: str) -> None:
    """Write a file as editors do."""
    new = path.with_suffix(".new")
    new.write_text(text)
    os.replace(new, path)


async def url_of(program: Program) -> str:
    return (await program.says("Serving on ")).split()[2]


async def post(url: str, method: str, headers: dict[str, str] | None = None, **params: Any) -> tuple[Json, Any]:
    """Send a request over HTTP; return the answer and the headers."""
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    fields = {"accept": "application/json, text/event-stream", **(headers or {})}
    async with aiohttp.ClientSession() as http, http.post(url, json=body, headers=fields) as response:
        answer = await response.json() if response.content_length else {}
        return answer, response.headers


async def word(url: str, tool: str = "say") -> str:
    headers = {"mcp-protocol-version": STATELESS, "mcp-method": "tools/call", "mcp-name": tool}
    answer, _ = await post(url, "tools/call", headers, name=tool, _meta=meta())
    text: str = answer["result"]["content"][0]["text"]
    return text


async def test_a_change_in_the_project_reloads_on_the_same_port(tmp_path: Path) -> None:
    put(tmp_path)
    async with started("dev", "server.py", "--port", "0", cwd=tmp_path) as program:
        url = await url_of(program)
        assert await word(url) == "one"
        put(tmp_path, word="two")
        await program.says("words.py", "changed: reloading")
        assert await url_of(program) == url
        assert await word(url) == "two"
        program.process.send_signal(signal.SIGINT)
        assert await program.ended() == 0
    assert "Traceback" not in "".join(program.said)


async def test_a_session_over_http_goes_on_after_a_reload(tmp_path: Path) -> None:
    put(tmp_path)
    async with started("dev", "server.py:app", "--port", "0", cwd=tmp_path) as program:
        url = await url_of(program)
        info = {"name": "test", "version": "1"}
        _, headers = await post(url, "initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo=info)
        session = {"mcp-session-id": headers["mcp-session-id"], "mcp-protocol-version": "2025-11-25"}
        replace(tmp_path / "words.py", "WORD = 'two'\n")
        await url_of(program)
        answer, _ = await post(url, "ping", session)
        assert answer["result"] == {}
        program.process.send_signal(signal.SIGTERM)
        assert await program.ended() == 0


async def test_a_file_that_cannot_be_loaded_is_shown_and_waited_for(tmp_path: Path) -> None:
    file = put(tmp_path)
    async with started("dev", "server.py", "--port", "0", cwd=tmp_path) as program:
        url = await url_of(program)
        replace(file, "def broken(:\n")
        await program.says("SyntaxError")
        await program.says("server.py cannot be loaded")
        await program.says("waiting for a change")
        with pytest.raises(aiohttp.ClientConnectionError):
            await word(url)
        put(tmp_path, word="fine")
        assert await url_of(program) == url
        assert await word(url) == "fine"
    assert not [line for line in program.said if "importlib" in line or "dovetail/cli" in line]


async def test_a_server_that_dies_is_told_of_and_a_change_brings_it_back(tmp_path: Path) -> None:
    put(tmp_path)
    async with started("dev", "server.py", "--port", "0", cwd=tmp_path) as program:
        url = await url_of(program)
        replace(tmp_path / "server.py", "import os\nos._exit(7)\n")
        await program.says("ended by itself (exit status 7)")
        put(tmp_path)
        assert await url_of(program) == url
        program.process.send_signal(signal.SIGINT)
        assert await program.ended() == 0


async def test_a_new_folder_of_the_project_is_watched_and_other_files_are_not(tmp_path: Path) -> None:
    put(tmp_path)
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "app").mkdir()
    (tmp_path / "texts").mkdir()
    replace(tmp_path / "app" / "server.py", (tmp_path / "server.py").read_text().replace("from words", "#"))
    replace(tmp_path / "app" / "server.py", "WORD = 'x'\n" + (tmp_path / "app" / "server.py").read_text())
    async with started("dev", "app/server.py", "--port", "0", "--watch", "texts", cwd=tmp_path) as program:
        await url_of(program)
        (tmp_path / "notes.txt").write_text("nothing that matters")
        (tmp_path / "more").mkdir()
        (tmp_path / "more" / "inside.py").write_text("")
        assert "inside.py" in await program.says("changed: reloading")
        await url_of(program)
        (tmp_path / "texts" / "page.md").write_text("a page")
        await program.says("page.md changed: reloading")
        await url_of(program)
    assert "notes.txt" not in "".join(program.said)


async def test_a_port_that_is_taken_ends_it(tmp_path: Path) -> None:
    put(tmp_path)
    taken = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = str(taken.sockets[0].getsockname()[1])
    async with started("dev", "server.py", "--port", port, cwd=tmp_path) as program:
        assert await program.ended() == 1
    taken.close()
    assert program.said[-1] == f"dovetail dev: Cannot listen on 127.0.0.1:{port}: Address already in use"


async def test_nothing_is_left_behind_when_it_is_killed(tmp_path: Path) -> None:
    put(tmp_path)
    async with started("dev", "server.py", "--port", "0", cwd=tmp_path) as program:
        url = await url_of(program)
        program.process.kill()
        await program.ended()  # its stderr ends when the server, which shares it, has ended
        with pytest.raises(aiohttp.ClientConnectionError):
            await word(url)


# Over stdio.


async def opened(program: Program) -> None:
    info = {"name": "test", "version": "1"}
    params = {"protocolVersion": "2025-11-25", "capabilities": {"roots": {}}, "clientInfo": info}
    answer = await program.call("initialize", params)
    assert answer["result"]["serverInfo"]["name"] == "dev"
    program.send({"jsonrpc": "2.0", "method": "notifications/initialized"})


def text_of(answer: Json) -> str:
    text: str = answer["result"]["content"][0]["text"]
    return text


async def test_a_session_over_stdio_outlives_the_server(tmp_path: Path) -> None:
    put(tmp_path)
    async with started("dev", "server.py", "--transport", "stdio", cwd=tmp_path, stdin=True) as program:
        await opened(program)
        assert text_of(await program.call("tools/call", {"name": "say"})) == "one"
        call = program.begin("tools/call", {"name": "forever", "_meta": {"progressToken": 1}})
        assert (await program.receive())["method"] == "notifications/progress"
        put(tmp_path, tool="shout", word=None)
        failed = await program.receive()
        assert (failed["id"], failed["error"]["message"]) == (
            call,
            "The server was reloaded before it answered; call again",
        )
        notices = [(await program.receive())["method"] for _ in range(3)]
        assert notices == [f"notifications/{kind}/list_changed" for kind in ("tools", "prompts", "resources")]
        listed = await program.call("tools/list")
        assert [tool["name"] for tool in listed["result"]["tools"]] == ["shout", "forever", "ask"]
        asked = program.begin("tools/call", {"name": "ask"})
        question = await program.receive()
        program.send({"jsonrpc": "2.0", "id": question["id"], "result": {"roots": [{"uri": "file:///r"}]}})
        answer = await program.receive()
        assert (answer["id"], text_of(answer)) == (asked, "file:///r")
        assert program.process.stdin is not None
        program.process.stdin.close()
        assert await program.ended() == 0
    assert "Traceback" not in "".join(program.said)


async def test_over_stdio_calls_to_a_broken_file_are_refused_and_the_first_message_waits(tmp_path: Path) -> None:
    file = put(tmp_path)
    replace(file, "import nothing_of_the_kind\n")
    async with started("dev", "server.py", "--transport", "stdio", cwd=tmp_path, stdin=True) as program:
        await program.says("waiting for a change")
        refused = await program.call("tools/list", {"_meta": meta()})
        assert "cannot be loaded" in refused["error"]["message"]
        info = {"name": "test", "version": "1"}
        waiting = program.begin("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info})
        put(tmp_path)
        assert (await program.receive())["id"] == waiting
        program.process.send_signal(signal.SIGINT)
        assert await program.ended() == 0
    assert "ModuleNotFoundError: No module named 'nothing_of_the_kind'" in program.said


async def test_a_listen_stream_over_stdio_outlives_the_server_and_hears_of_it(tmp_path: Path) -> None:
    put(tmp_path)
    async with started("dev", "server.py", "--transport", "stdio", cwd=tmp_path, stdin=True) as program:
        listen = program.begin("subscriptions/listen", {"notifications": {"toolsListChanged": True}, "_meta": meta()})
        assert (await program.receive())["method"] == "notifications/subscriptions/acknowledged"
        put(tmp_path, tool="shout", word=None)
        notice = await program.receive()
        assert notice["method"] == "notifications/tools/list_changed"
        assert notice["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == listen
        assert text_of(await program.call("tools/call", {"name": "shout", "_meta": meta()})) == "one"
        program.process.send_signal(signal.SIGTERM)
        assert await program.ended() == 0
