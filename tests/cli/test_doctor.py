"""`dovetail doctor`: what is well is said to be, what is wrong is found, and each with what to do about it."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dovetail import Server
from tests.cli.programs import at_a_terminal, dovetail
from tests.client.serving import serving

pytestmark = pytest.mark.timeout(90)
Json = dict[str, Any]
Done = subprocess.CompletedProcess[str]

FAULTY = """
import json
import sys

TOOLS = [
    {"name": "one", "inputSchema": {"type": "object"}},
    {"name": "one", "description": "Again.", "inputSchema": {"type": "object"}},
    {"name": "a name", "description": "Odd.", "inputSchema": {"type": "object", "properties": 7}},
]
for line in sys.stdin:
    message = json.loads(line)
    match message.get("method"):
        case "initialize":
            version = message["params"]["protocolVersion"]
            if version == "2024-11-05":
                sys.exit("2024-11-05 is before my time")
            hello = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}, "prompts": {}},
                     "serverInfo": {"name": "faulty", "version": "0"}}
            value = {"result": hello}
        case "tools/list":
            value = {"result": {"tools": TOOLS}}
        case "ping":
            value = {"result": {}}
        case _:
            value = {"error": {"code": -32601, "message": "No such method"}}
    if "id" in message:
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], **value}), flush=True)
"""


def server() -> Server:
    app = Server("well", version="1.0")

    @app.tool
    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    return app


async def examined(*words: str, cwd: Path, **more: str) -> tuple[int, dict[str, list[Json]]]:
    """Return the status, and the findings by what was looked at."""
    done = await asyncio.to_thread(dovetail, "doctor", *words, "--json", cwd=cwd, **more)
    assert done.stderr == ""
    report = json.loads(done.stdout)
    assert report["ok"] is (done.returncode == 0)
    found: dict[str, list[Json]] = {}
    for finding in report["findings"]:
        found.setdefault(finding["check"], []).append(finding)
        assert (finding.get("advice", "") == "") is (finding["verdict"] == "ok"), finding
    return done.returncode, found


async def test_a_good_server_over_http_is_said_to_be_well(tmp_path: Path) -> None:
    async with serving(server().asgi()) as url:
        status, found = await examined(url, "--pings", "5", cwd=tmp_path)
    assert status == 0
    assert {finding["verdict"] for each in found.values() for finding in each} == {"ok"}
    assert found["revision"][0]["said"] == "it speaks 2024-11-05, 2025-03-26, 2025-06-18, 2025-11-25, 2026-07-28"
    assert found["tools"][0]["said"].startswith("1, listed in ")
    assert found["timing"][0]["said"].startswith("5 answers: half within ")
    assert found["origin"][0]["said"] == "the pages of strangers are refused"


def test_a_faulty_program_is_told_what_is_wrong_with_it(tmp_path: Path) -> None:
    (tmp_path / "faulty.py").write_text(FAULTY)
    status, found = asyncio.run(examined("faulty.py", cwd=tmp_path))
    assert status == 1
    told = {(finding["verdict"], finding["said"]) for each in found.values() for finding in each}
    assert ("note", "it speaks 2025-06-18") in told
    assert ("wrong", "declared, and cannot be listed: No such method (-32601)") in told
    assert ("wrong", "listed more than once: one") in told
    assert ("note", "without a description: one") in told
    assert ("note", "names that not every client takes: a name") in told
    assert any(verdict == "wrong" and said.startswith("a name: its input schema: ") for verdict, said in told)
    assert any(verdict == "wrong" and "asked for 2024-11-05" in said for verdict, said in told)


def test_what_cannot_be_opened_says_why_and_what_to_do(tmp_path: Path) -> None:
    status, found = asyncio.run(examined("http://127.0.0.1:9/mcp", cwd=tmp_path))
    assert (status, list(found)) == (1, ["connection"])
    assert found["connection"][0]["advice"] == "is it running, and is the URL right?"
    words = ["--", sys.executable, "-c", "raise SystemExit('no database')"]
    done = dovetail("doctor", *words, cwd=tmp_path)
    assert done.returncode == 1
    assert "-> it said last: no database" in done.stdout.replace("->  ", "-> ")
    assert done.stdout.endswith("1 thing is wrong.\n")


def test_it_is_readable_on_a_narrow_terminal(tmp_path: Path) -> None:
    status, screen = at_a_terminal("doctor", "http://127.0.0.1:9/mcp", cwd=tmp_path, columns=50, NO_COLOR="1")
    assert status == 1
    plain = screen.replace("\x1b[1m", "").replace("\x1b[2m", "").replace("\x1b[0m", "")
    assert max(len(line) for line in plain.splitlines()) <= 50


# Over HTTP: credentials, and whose pages may call.

App = Callable[[MutableMapping[str, Any], Any, Any], Awaitable[None]]


def guarded(challenge: str | None, *, issuers: list[str] | None = None) -> App:
    """A server that wants credentials, and publishes who gives them."""

    async def app(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        host = dict(scope["headers"])[b"host"].decode()
        status, headers, body = 401, [], b""
        if scope["path"].startswith("/.well-known/oauth-protected-resource") and issuers is not None:
            document = {"resource": f"http://{host}/mcp", "authorization_servers": issuers}
            status, body = 200, msgspec.json.encode(document)
        elif challenge is not None:
            headers = [(b"www-authenticate", challenge.replace("HOST", host).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


METADATA = 'Bearer resource_metadata="http://HOST/.well-known/oauth-protected-resource/mcp", scope="read write"'


@pytest.mark.parametrize(
    ("app", "verdict", "said", "advice"),
    [
        (
            guarded(METADATA, issuers=["https://login.example"]),
            "note",
            "it wants credentials (HTTP status 401), for the scopes read write; one logs in at https://login.example",
            "log in with --oauth, or set DOVETAIL_TOKEN",
        ),
        (guarded(METADATA), "wrong", "its metadata cannot be read", "mend http://"),
        (guarded('Bearer error="invalid_token"'), "note", "invalid_token", "it should name resource_metadata"),
        (guarded(None), "wrong", "HTTP status 401 without WWW-Authenticate", "say there where to log in"),
    ],
)
async def test_what_a_401_says_is_said_in_a_line(
    tmp_path: Path, app: App, verdict: str, said: str, advice: str
) -> None:
    async with serving(app) as url:
        status, found = await examined(url, cwd=tmp_path)
    finding = found["credentials"][0]
    assert finding["verdict"] == verdict
    assert said in finding["said"]
    assert advice in finding["advice"]
    assert status == 1
    assert "--oauth" in found["connection"][0]["advice"]


async def test_a_token_that_is_refused_is_not_asked_for_again(tmp_path: Path) -> None:
    async with serving(guarded('Bearer error="invalid_token"')) as url:
        status, found = await examined(url, cwd=tmp_path, DOVETAIL_TOKEN="s3cret-token")
    assert status == 1
    assert "--oauth" not in found["connection"][0]["advice"]
    assert "s3cret" not in json.dumps(found)


async def test_a_server_that_any_page_can_use_is_wrong(tmp_path: Path) -> None:
    inner = server().asgi()

    async def careless(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        scope["headers"] = [field for field in scope.get("headers", ()) if field[0] != b"origin"]
        await inner(scope, receive, send)

    async with serving(careless) as url:
        status, found = await examined(url, cwd=tmp_path)
    assert status == 1
    assert found["origin"][0]["verdict"] == "wrong"
    assert "DNS rebinding" in found["origin"][0]["said"]


@pytest.mark.parametrize(
    ("kind", "body"), [(b"text/html", b"<html>Welcome</html>"), (b"application/json", b'{"hello": "world"}')]
)
async def test_a_page_that_is_no_server_of_mcp_is_not_judged_as_one(tmp_path: Path, kind: bytes, body: bytes) -> None:
    async def page(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
            await send({"type": "http.response.body", "body": body})

    async with serving(page) as url:
        status, found = await examined(url, cwd=tmp_path)
    assert (status, list(found)) == (1, ["connection"])
    assert found["connection"][0]["advice"]
