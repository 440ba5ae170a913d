"""The HTTP of a login reaches what it may, in bounds, over real sockets; a flow's steps are carried out."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest

from dovetail.auth import Flow, Load, Means, Prompt, Reply, Request, Save, Visit
from dovetail.client.login_world import LoginHttp, World, carry_out
from dovetail.errors import DovetailError, LoginUnavailable, LoginUntrusted
from dovetail.store import MemoryTokens
from tests.client.authority import Authority
from tests.client.errands import town

LOCAL = "http://127.0.0.1:1/mcp"
PUBLIC = "https://mcp.example.com/mcp"


def get(url: str) -> Request:
    return Request(method="GET", url=url, headers={"accept": "application/json"})


@pytest.mark.req("A-29")
async def test_a_login_on_this_machine_is_reached_only_for_a_server_on_this_machine() -> None:
    async with town() as here:
        at = f"{here.authority.url}/.well-known/oauth-authorization-server"
        async with LoginHttp(here.url) as fetch:
            assert (await fetch(get(at))).status == 200
        for allowed in ((), ("10.0.0.0/8",)):
            async with LoginHttp(PUBLIC, networks=allowed) as fetch:
                with pytest.raises(LoginUnavailable, match=r"may not be connected to from here .loopback"):
                    await fetch(get(at))
        async with LoginHttp(PUBLIC, networks=("127.0.0.0/8",)) as fetch:
            assert (await fetch(get(at))).status == 200
        assert len(here.authority.asked) == 2


Resolved = Callable[..., list[tuple[Any, ...]]]


def resolving(*answers: list[str]) -> tuple[Resolved, list[str]]:
    """A resolver that gives one answer after another, as one under an attacker's control does."""
    asked: list[str] = []

    def getaddrinfo(host: str, port: Any, *_: Any, **__: Any) -> list[tuple[Any, ...]]:
        addresses = answers[min(len(asked), len(answers) - 1)]
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    return getaddrinfo, asked


@pytest.mark.req("A-29")
@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["169.254.169.254"], ["93.184.216.34", "127.0.0.1"], ["0.0.0.0"]])
async def test_a_name_that_leads_to_an_inner_address_is_not_connected_to(
    addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    resolver, asked = resolving(addresses)
    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    connected: list[Any] = []

    async def connect(*where: Any) -> None:
        connected.append(where)
        raise OSError("no network in tests")

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", connect, raising=False)
    async with LoginHttp(PUBLIC) as fetch:
        with pytest.raises(LoginUnavailable, match="may not be connected to"):
            await fetch(get("https://auth.example.com/x"))
    assert asked == ["auth.example.com"]
    assert connected == []


@pytest.mark.req("A-29")
async def test_a_name_is_resolved_once_and_the_connection_goes_to_what_was_checked() -> None:
    """DNS rebinding: the second answer of the resolver leads inside, and is never asked for."""
    async with town() as here:
        port = here.authority.url.rpartition(":")[2]
        resolver, asked = resolving(["127.0.0.1"], ["127.0.0.2"])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(socket, "getaddrinfo", resolver)
            async with LoginHttp(PUBLIC, networks=("127.0.0.1/32",)) as fetch:
                reply = await fetch(get(f"http://auth.example.com:{port}/.well-known/oauth-authorization-server"))
        assert reply.status == 200
        assert asked == ["auth.example.com"]
        assert here.authority.asked[0].headers["host"] == f"auth.example.com:{port}"


@pytest.mark.req("A-29")
@pytest.mark.parametrize("host", ["0x7f000001", "2130706433", "0177.0.0.1", "127.1", "[::ffff:127.0.0.1]", "[::1]"])
async def test_other_spellings_of_this_machine_do_not_lead_to_it(host: str) -> None:
    async with LoginHttp(PUBLIC) as fetch:
        with pytest.raises(DovetailError):
            await fetch(get(f"http://{host}:9/x"))


@pytest.mark.req("A-29")
async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with town() as here, town() as proxy:
        monkeypatch.setenv("http_proxy", proxy.authority.url)
        monkeypatch.setenv("HTTP_PROXY", proxy.authority.url)
        async with LoginHttp(here.url) as fetch:
            await fetch(get(f"{here.authority.url}/.well-known/oauth-authorization-server"))
        assert proxy.authority.asked == []


@pytest.mark.req("A-29")
async def test_an_answer_that_is_too_large_is_not_read_to_its_end() -> None:
    async with town(Authority(huge=True)) as here, LoginHttp(here.url) as fetch:
        with pytest.raises(LoginUntrusted, match="more than 262144 bytes") as caught:
            await fetch(get(f"{here.authority.url}/.well-known/oauth-authorization-server"))
        assert "xxx" not in str(caught.value)


@pytest.mark.req("A-29")
async def test_a_server_that_does_not_answer_is_waited_for_so_long() -> None:
    hang = asyncio.Event()
    async with town(Authority(hang=hang)) as here, LoginHttp(here.url, seconds=0.05) as fetch:
        with pytest.raises(LoginUnavailable, match=r"within 0\.05 seconds"):
            await fetch(get(f"{here.authority.url}/x"))
        hang.set()


async def test_nobody_there_is_told_as_such() -> None:
    async with LoginHttp(LOCAL) as fetch:
        with pytest.raises(LoginUnavailable, match="cannot be reached"):
            await fetch(get("http://127.0.0.1:1/x"))
    with pytest.raises(LoginUnavailable, match="closed"):
        await fetch(get("http://127.0.0.1:1/x"))


async def test_steps_are_carried_out_and_their_answers_come_back() -> None:
    def flow() -> Flow[list[Any]]:
        yield Save("k", b"v")
        first = yield Load("k")
        second = yield Request(method="GET", url="https://a/x?secret")
        third = yield Visit("https://a/visit?secret")
        fourth = yield Prompt("https://a")
        return [first, second, third, fourth]

    async def fetch(request: Request) -> Reply:
        return Reply(204, {})

    async def visit(url: str) -> str:
        return f"back from {url}"

    store = MemoryTokens()
    told = await carry_out(flow(), World(fetch, store, visit))
    assert told == [b"v", Reply(204, {}), "back from https://a/visit?secret", None]
    with pytest.raises(LoginUnavailable, match="needs a user"):
        await carry_out(flow(), World(fetch, store))


def test_no_step_shows_what_it_carries() -> None:
    request = Request(method="POST", url="https://a/x?SECRET", headers={"authorization": "SECRET"}, body=b"SECRET")
    shown = [request, Reply(200, {"x": "SECRET"}, b"SECRET"), Visit("https://a/x?SECRET"), Save("k", b"SECRET")]
    assert "SECRET" not in repr(shown)
    assert Means.__doc__
