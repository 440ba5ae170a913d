"""Calls for many principals over one client: whose credentials go where, and whose session is whose."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from dovetail import Client, Context, Server
from dovetail.core import Principal
from dovetail.errors import AuthRequired, DefinitionError, Disconnected
from tests.client.serving import serving
from tests.client.test_client import VERSIONS

TWO = pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])


def identify(scope: Any, headers: Mapping[bytes, bytes]) -> Principal:
    """Know a caller by its bearer token."""
    key = headers.get(b"authorization", b"Bearer nobody").decode().removeprefix("Bearer ")
    return Principal(key=key.partition("-")[0], bucket=key)


def desk() -> Server:
    app = Server("desk", identify=identify, rate="100000/s")

    @app.tool
    async def who(ctx: Context) -> str:
        """Tell who asks."""
        return ctx.principal.key

    return app


@TWO
async def test_each_principal_has_its_own_session_and_credentials_over_one_pool(version: str) -> None:
    app = desk().asgi()
    async with serving(app) as url, Client(url, revision=version, auth="service") as client:

        async def asked(name: str) -> str:
            return (await client.call_tool("who", principal=name, auth=name)).text

        names = [f"user{number}" for number in range(20)]
        assert await asyncio.gather(*map(asked, names)) == names
        assert (await client.call_tool("who")).text == "service"
        assert await asyncio.gather(*map(asked, names)) == names
        links: Any = client._conversation._links
        sessions = {connection.live.session for connection, _ in links._others.values()}
        assert len(sessions) == (20 if version == "2025-11-25" else 1)
    assert links._others == {}


@TWO
async def test_a_principal_s_later_credentials_are_those_of_its_session_too(version: str) -> None:
    async with serving(desk().asgi()) as url, Client(url, revision=version, auth="service") as client:
        assert (await client.call_tool("who", principal="ann", auth="ann-1")).text == "ann"
        assert (await client.call_tool("who", principal="ann", auth="ann-2")).text == "ann"
        assert (await client.call_tool("who", principal="ann")).text == "ann"


async def test_credentials_of_one_call_are_of_no_other() -> None:
    async with serving(desk().asgi()) as url, Client(url, auth="service") as client:
        assert (await client.call_tool("who", auth="ann")).text == "ann"
        assert (await client.call_tool("who")).text == "service"


async def test_a_principal_that_has_no_credentials_gets_nobody_else_s() -> None:
    async with serving(desk().asgi()) as url, Client(url, auth="service") as client:
        assert (await client.call_tool("who", principal="stranger")).text == "nobody"


@pytest.mark.parametrize("version", VERSIONS)
async def test_credentials_where_there_is_no_http_are_refused(version: str) -> None:
    async with Client(desk(), revision=version) as client:
        with pytest.raises(DefinitionError, match="over HTTP"):
            await client.call_tool("who", auth="ann")
        assert not (await client.call_tool("who", principal="ann")).is_error  # it separates what is cached


async def test_what_is_no_token_is_refused() -> None:
    async with serving(desk().asgi()) as url, Client(url) as client:
        for bad in ("", "a b", "oauth"):
            with pytest.raises(AuthRequired):
                await client.call_tool("who", auth=bad)


async def test_a_closed_client_opens_no_link_of_a_principal() -> None:
    async with serving(desk().asgi()) as url:
        client = Client(url)
        with pytest.raises(Disconnected, match="not open"):
            await client.call_tool("who", principal="ann", auth="ann")
        async with client:
            await client.call_tool("who", principal="ann", auth="ann")
        with pytest.raises(Disconnected, match="not open"):
            await client.call_tool("who", principal="ann", auth="ann")
        async with client:  # and again
            assert (await client.call_tool("who", principal="ann", auth="ann")).text == "ann"


async def test_a_header_of_one_call_comes_before_the_client_s_in_whatever_spelling() -> None:
    heard: list[list[bytes]] = []
    app = desk().asgi()

    async def noting(scope: Any, receive: Any, send: Any) -> None:
        heard.append([value for name, value in scope.get("headers", ()) if name == b"x-team"])
        await app(scope, receive, send)

    async with serving(noting) as url, Client(url, headers={"x-team": "one"}) as client:
        await client.call_tool("who", headers={"X-Team": "two"})
        await client.call_tool("who")
    assert heard[-2:] == [[b"two"], [b"one"]]


async def test_more_principals_than_are_kept_are_all_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dovetail.client.links._PRINCIPALS", 3)
    async with serving(desk().asgi()) as url, Client(url, revision="2025-11-25", auth="service") as client:

        async def asked(name: str) -> str:
            return (await client.call_tool("who", principal=name, auth=name)).text

        names = [f"user{number}" for number in range(40)]
        assert await asyncio.gather(*map(asked, names)) == names
        assert await asyncio.gather(*map(asked, names)) == names
