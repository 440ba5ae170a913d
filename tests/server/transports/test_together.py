"""Several servers on one port: each at its own path and with its own state, and nothing between them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dovetail import Client, Server
from dovetail.core import Principal
from dovetail.errors import DefinitionError, InvalidName
from dovetail.server import together
from tests.client.serving import serving
from tests.client.test_client import VERSIONS
from tests.server.peers import Http


def one(name: str) -> Server:
    app = Server(name)

    @app.tool
    def who() -> str:
        """Tell which server this is."""
        return name

    return app


@pytest.mark.parametrize("version", VERSIONS)
async def test_each_is_served_at_its_own_path_on_every_revision(version: str) -> None:
    async with serving(together({"a": one("first"), "b": one("second")})) as url:
        base = url.removesuffix("/mcp")
        path = "sse" if version == VERSIONS[0] else "mcp"
        for name, told in (("a", "first"), ("b", "second")):
            target: Any = {"url": f"{base}/{name}/{path}"}
            async with Client(target, revision=version) as client:
                assert (await client.call_tool("who")).text == told


async def test_a_session_of_one_is_none_of_another() -> None:
    http = Http(together({"a": one("first"), "b": one("second")}))
    info = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    opened = await http.request(body={"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": info}, path="/a/mcp")
    session = {"mcp-session-id": opened.headers["mcp-session-id"], "mcp-protocol-version": "2025-11-25"}
    ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
    assert (await http.request(body=ping, headers=session, path="/a/mcp")).status == 200
    assert (await http.request(body=ping, headers=session, path="/b/mcp")).status == 404


async def test_what_is_for_none_of_them_is_told_where_they_are_unless_it_comes_from_elsewhere() -> None:
    http = Http(together({"a": one("first"), "b": one("second")}))
    missing = await http.request("GET", path="/c/mcp")
    assert missing.status == 404
    assert b"/a/mcp, /b/mcp" in missing.body
    assert (await http.request("GET", path="/c", headers={"host": "evil.example"})).status == 421
    assert (await http.request("GET", path="/c", headers={"origin": "https://evil.example"})).status == 403
    assert (await http.request("GET", path="/a/mcp", headers={"host": "evil.example"})).status == 421
    assert (await http.request("GET", path="/healthz")).status == 200
    assert (await http.request("GET", path="/a/healthz")).status == 200


async def test_when_one_cannot_start_none_does_and_it_is_named() -> None:
    went: list[str] = []

    @asynccontextmanager
    async def fine(_: Server) -> AsyncIterator[None]:
        went.append("in")
        yield
        went.append("out")

    @asynccontextmanager
    async def broken(server: Server) -> AsyncIterator[None]:
        if server.name == "b":
            raise DefinitionError("no such folder")
        yield

    app = together({"a": Server("a", lifespan=fine), "b": Server("b", lifespan=broken)})
    said = await lived(app)
    assert said == [("lifespan.startup.failed", "b: no such folder")]
    assert went == ["in", "out"]


async def test_all_are_started_and_stopped() -> None:
    went: list[str] = []

    def watched(name: str) -> Server:
        @asynccontextmanager
        async def life(_: Server) -> AsyncIterator[None]:
            went.append(f"{name} in")
            yield
            went.append(f"{name} out")

        return Server(name, lifespan=life)

    assert [kind for kind, _ in await lived(together({"a": watched("a"), "b": watched("b")}))] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    assert went == ["a in", "b in", "b out", "a out"]


async def lived(app: Any) -> list[tuple[str, str]]:
    """Carry an app through its life; return what it said."""
    said: list[tuple[str, str]] = []
    coming = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive() -> Any:
        await asyncio.sleep(0)
        return coming.pop(0)

    async def send(message: Any) -> None:
        said.append((message["type"], message.get("message", "")))

    await app({"type": "lifespan"}, receive, send)
    return said


def test_a_name_that_leads_nowhere_is_refused() -> None:
    for name in ("", "a/b", "a b", "ä"):
        with pytest.raises(InvalidName, match="cannot be a server's name here: it stands in the path of its URL"):
            together({name: one("x")})
    for name in ("healthz", "readyz", ".", ".."):
        with pytest.raises(DefinitionError, match="is taken"):
            together({name: one("x")})
    with pytest.raises(DefinitionError, match="at least one"):
        together({})


def test_state_has_a_folder_for_each(tmp_path: Path) -> None:
    app = together({"a": one("a"), "b": one("b")}, state=tmp_path)
    assert {str(each._stores) for each in app._apps.values()} != set()
    places = {name: repr(each._stores) for name, each in app._apps.items()}
    assert places["a"] != places["b"]


def test_it_is_authenticated_when_each_knows_its_callers() -> None:
    def knows(scope: Any, headers: Any) -> Principal:
        return Principal(key="x", bucket="x")

    assert together({"a": Server("a", identify=knows)}).authenticated
    assert Server("a", identify=knows).asgi().authenticated and not Server("a").asgi().authenticated
    assert not together({"a": Server("a", identify=knows), "b": one("b")}).authenticated
