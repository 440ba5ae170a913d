"""Credentials of a whole client: bound to what is sent, asked for by a challenge, gone when the client is closed."""

import asyncio
from functools import partial
from typing import Any

import pytest

from dovetail import Client
from dovetail.client import Headless, oauth_login
from dovetail.client.browser import consenting
from dovetail.client.login_world import LoginHttp
from dovetail.errors import AuthRequired, Timeout
from dovetail.store import MemoryTokens
from tests.client.authority import Authority, proof_of
from tests.client.errands import REDIRECT_URI, login, town
from tests.client.guarded import guarded, shop
from tests.client.test_timer import Clock

EVERY = pytest.mark.parametrize("version", ["2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"])


@EVERY
async def test_a_client_logs_in_when_it_is_challenged_and_every_request_has_the_token(version: str) -> None:
    async with guarded(shop().asgi()) as here:
        ours = login(f"{here.url}/mcp")
        async with Client(f"{here.url}/mcp", auth=ours, revision=version) as client:
            assert (await client.call_tool("add", {"a": 1, "b": 2})).text == "3"
        await ours.aclose()
        first, *rest = here.to("/mcp")
        assert "authorization" not in first.headers
        (token,) = here.authority.tokens
        assert {request.headers["authorization"] for request in rest} == {f"Bearer {token}"}


@pytest.mark.req("A-10")
@EVERY
async def test_every_proof_of_a_client_is_bound_to_the_body_that_it_goes_with(version: str) -> None:
    async with guarded(shop().asgi(), metadata={"dpop_signing_alg_values_supported": ["ES256"]}) as here:
        here.dpop = True
        ours = login(f"{here.url}/mcp")
        async with Client(f"{here.url}/mcp", auth=ours, revision=version) as client:
            assert (await client.call_tool("add", {"a": 1, "b": 2})).text == "3"
        await ours.aclose()
        proved = [request for request in here.to("/mcp") if "dpop" in request.headers]
        assert proved
        # That each digest is that of the body has been checked where it arrived.
        assert all("content_digest" in proof_of(request) for request in proved if request.body)
        assert len({proof_of(request)["jti"] for request in proved}) == len(proved)


@pytest.mark.parametrize("options", [{}, {"cache": True}], ids=["plain", "with a cache"])
async def test_a_login_of_a_client_s_own_ends_when_the_client_is_closed(
    options: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    release = asyncio.Event()
    async with town(Authority(hang=release)) as here:
        with pytest.raises(Timeout):
            await Client(here.url, auth="oauth", opening=0.5, **options).connect()
        under_way = [task for task in asyncio.all_tasks() if "Login." in repr(task.get_coro())]
        release.set()
        assert not under_way


async def test_a_login_that_was_handed_in_outlives_the_clients_that_use_it() -> None:
    async with guarded(shop().asgi()) as here:
        ours = login(f"{here.url}/mcp")
        for _ in range(2):
            async with Client(f"{here.url}/mcp", auth=ours) as client:
                await client.ping()
        assert len(here.authority.to("/authorize")) == 1
        await ours.aclose()


async def test_a_client_without_credentials_is_told_what_it_needs() -> None:
    async with guarded(shop().asgi()) as here:
        with pytest.raises(AuthRequired):
            await Client(f"{here.url}/mcp").connect()


# The transport of 2024-11-05: one GET that stays, and POSTs to another path of the same origin.

SSE = ("/sse", "/messages")


@pytest.mark.parametrize("named", [True, False], ids=["as what it is", "by its URL alone"])
@pytest.mark.parametrize("dpop", [False, True])
async def test_on_the_first_transport_the_stream_is_challenged_and_every_message_has_credentials(
    named: bool, dpop: bool
) -> None:
    metadata = {"dpop_signing_alg_values_supported": ["ES256"]} if dpop else {}
    async with guarded(shop().asgi(), SSE, metadata=metadata) as here:
        here.dpop = dpop
        url = f"{here.url}/sse"
        ours = login(url)
        async with Client({"type": "sse", "url": url} if named else url, auth=ours) as client:
            assert (await client.call_tool("add", {"a": 1, "b": 2})).text == "3"
        await ours.aclose()
        (token,) = here.authority.tokens
        scheme = "DPoP" if dpop else "Bearer"
        streams = [request for request in here.to("/sse") if request.method == "GET"]
        assert streams[-1].headers["authorization"] == f"{scheme} {token}"
        posts = here.to("/messages")
        assert len(posts) >= 3
        assert {request.headers["authorization"] for request in posts} == {f"{scheme} {token}"}
        if dpop:
            assert all("content_digest" in proof_of(request) for request in posts)


async def test_on_the_first_transport_a_message_whose_token_is_over_is_sent_again_with_the_next() -> None:
    async with guarded(shop().asgi(), SSE) as here:
        ours = login(f"{here.url}/sse")
        async with Client({"type": "sse", "url": f"{here.url}/sse"}, auth=ours) as client:
            assert (await client.call_tool("add", {"a": 1, "b": 2})).text == "3"
            here.authority.tokens.clear()  # the server forgets them: the stream stays, messages are refused
            calls = [client.call_tool("add", {"a": number, "b": 0}) for number in range(10)]
            assert [result.text for result in await asyncio.gather(*calls)] == [str(number) for number in range(10)]
        await ours.aclose()
        forms = [request.form["grant_type"] for request in here.authority.to("/token")]
        assert forms == ["authorization_code", "refresh_token"]
        assert len([request for request in here.to("/sse") if request.method == "GET"]) == 2  # the first was challenged


async def test_on_the_first_transport_a_token_that_is_refused_is_said_so() -> None:
    async with guarded(shop().asgi(), SSE) as here:
        with pytest.raises(AuthRequired) as caught:
            await Client({"type": "sse", "url": f"{here.url}/sse"}, auth="SECRET").connect()
        assert "SECRET" not in str(caught.value)
        assert here.to("/messages") == []


@pytest.mark.parametrize("options", [{}, {"cache": True}], ids=["plain", "with a cache"])
async def test_while_a_user_is_in_the_browser_nobody_s_time_runs_out(
    options: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    arrived, agreed = asyncio.Event(), asyncio.Event()

    async def visit(url: str) -> str:
        arrived.set()
        await agreed.wait()
        return await consenting(partial(LoginHttp, url))(url)

    async with guarded(shop().asgi()) as here:
        url = f"{here.url}/mcp"
        ours = oauth_login(url, browser=Headless(REDIRECT_URI, visit), store=MemoryTokens())
        client = Client(url, auth=ours, opening=5, **options)
        opening = [asyncio.create_task(client.connect()) for _ in range(2)]
        await arrived.wait()
        await clock.pass_(200)
        opening.append(asyncio.create_task(client.connect()))  # begins while the user is there
        await clock.pass_(200)
        assert not any(task.done() for task in opening)
        agreed.set()
        await asyncio.gather(*opening)
        assert (await client.call_tool("add", {"a": 1, "b": 2})).text == "3"
        for _ in opening:
            await client.aclose()
        await ours.aclose()
