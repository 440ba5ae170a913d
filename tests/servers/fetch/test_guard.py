"""Requirement A-29, whole: whatever a URL, a resolver or a redirect says, no refused address is connected to.

The resolver is the loop's, replaced; and so is what connects, which notes where to. Nothing else is played.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from functools import partial
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail import Client, Server
from dovetail.auth import refusal
from dovetail.servers.fetch import Settings, make
from tests.servers.fetch.site import Site, redirect

Near = Callable[..., Server]
REFUSED = """
127.0.0.1 127.255.255.254 127.0.0.53 ::1 0.0.0.0 0.1.2.3 :: 10.0.0.1 10.255.255.255 172.16.0.1 172.31.255.255
192.168.0.1 192.168.255.255 100.64.0.1 100.127.255.255 169.254.169.254 169.254.0.1 fe80::1 febf::1 192.0.0.1 192.0.0.170
192.0.2.1 198.51.100.7 203.0.113.9 192.88.99.1 192.31.196.1 192.52.193.1 192.175.48.1 198.18.0.1 198.19.255.255
224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 ff02::1 ff0e::1 fc00::1 fd12:3456::1 fec0::1 feff::1
64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:8.8.8.8 ::ffff:0:7f00:1
::7f00:1 ::8.8.8.8 2002:7f00:1:: 2002:a00:1::1 2002:808:808::1 2001::1 2001:0:4136:e378::1 2001:db8::1
2001:db8:ffff::1 3fff::1 2001:2::1 2001:10::1 2001:20::1 2001:1ff::1 100::1 100:0:0:1::1 5f00::1 2620:4f:8000::1
2a00:1450::5efe:7f00:1 2a00:1450::200:5efe:a00:1 4000::1 e000::1 8000::1 127.0.0.2 10.1.2.3 169.254.170.2 fd00:ec2::254
127.1.2.3 172.20.10.1 100.100.100.200 192.0.0.8 224.0.0.251 ff05::2 ::ffff:169.254.169.254 2002:c0a8:1::1
""".split()
assert len(REFUSED) >= 80


class World:
    """What names resolve to, lookup by lookup, and where connections were tried."""

    def __init__(self) -> None:
        self.lookups: list[str] = []
        self.connected: list[str] = []
        self.answers: Callable[[str, int], list[str]] = lambda host, count: []

    async def getaddrinfo(self, host: str, port: Any, **_: Any) -> list[tuple[Any, ...]]:
        self.lookups.append(host)
        found = []
        for address in self.answers(host, len(self.lookups)):
            family = socket.AF_INET if ip_address(address).version == 4 else socket.AF_INET6
            found.append((family, socket.SOCK_STREAM, 6, "", (address, port)))
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return found

    async def sock_connect(self, _: socket.socket, address: Any) -> None:
        self.connected.append(address[0])
        raise ConnectionRefusedError(111, "refused")


def _always(addresses: list[str], host: str, count: int) -> list[str]:
    return addresses


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    loop = asyncio.get_running_loop()
    made = World()
    monkeypatch.setattr(loop, "getaddrinfo", made.getaddrinfo)
    monkeypatch.setattr(loop, "sock_connect", made.sock_connect)
    yield made


@pytest.mark.req("A-29")
@pytest.mark.timeout(30)
async def test_a_name_that_leads_to_a_refused_address_is_not_connected_to(world: World) -> None:
    async with Client(make(Settings(ignore_robots=True))) as client:
        for address in REFUSED:
            for addresses in ([address], ["8.8.8.8", address], [address, "2606:4700::1111"]):
                world.answers = partial(_always, addresses)
                result = await client.call_tool("fetch", {"url": "https://rebound.example/"})
                assert result.is_error and "may not be connected to" in result.text, (addresses, result.text)
                assert address not in result.text
    assert world.connected == []


@pytest.mark.req("A-29")
@pytest.mark.timeout(30)
async def test_a_refused_address_in_a_url_is_not_even_looked_up(world: World) -> None:
    async with Client(make(Settings(allow_http=True))) as client:
        for address in REFUSED:
            host = f"[{address}]" if ":" in address else address
            result = await client.call_tool("fetch", {"url": f"http://{host}/"})
            assert result.is_error
        for host in (
            "0x7f000001",
            "2130706433",
            "127.1",
            "017700000001",
            "0",
            "localhost",
            "127。0。0。1",
            "localhost.",
        ):
            assert (await client.call_tool("fetch", {"url": f"http://{host}/"})).is_error
    assert world.lookups == [] and world.connected == []


@pytest.mark.req("A-29")
async def test_a_name_that_changes_its_mind_is_checked_each_time_and_looked_up_once_a_connection(world: World) -> None:
    world.answers = lambda host, count: ["8.8.8.8"] if count == 1 else ["127.0.0.1"]
    async with Client(make(Settings(ignore_robots=True))) as client:
        first = await client.call_tool("fetch", {"url": "https://rebound.example/"})
        second = await client.call_tool("fetch", {"url": "https://rebound.example/"})
    assert "Connection refused" in first.text and "loopback" in second.text
    assert world.connected == ["8.8.8.8"] and len(world.lookups) == 2


@pytest.mark.req("A-29")
async def test_robots_txt_is_fetched_under_the_same_guard(world: World) -> None:
    world.answers = lambda host, count: ["169.254.169.254"]
    async with Client(make(Settings())) as client:
        result = await client.call_tool("fetch", {"url": "https://rebound.example/"})
    assert "(link-local)" in result.text and world.connected == [] and len(world.lookups) == 1


@pytest.mark.req("A-29")
async def test_a_proxy_out_of_the_environment_is_not_used(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:3128")
    world.answers = lambda host, count: ["8.8.8.8"]
    async with Client(make(Settings(ignore_robots=True))) as client:
        await client.call_tool("fetch", {"url": "https://example.com/"})
    assert world.lookups == ["example.com"] and world.connected == ["8.8.8.8"]


@pytest.mark.req("A-29")
@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/", "http://[::ffff:a9fe:a9fe]/", "http://0x7f000001/", "//10.0.0.1/",
        "http://user:pass@127.0.0.1/", "file:///etc/passwd", "http://127.0.0.1:22/", "ftp://127.0.0.1/",
    ],
)  # fmt: skip
async def test_a_redirect_to_a_refused_place_ends_there(site: Site, near: Near, location: str) -> None:
    site.routes["/r"] = redirect(location)
    site.routes["/chain"] = redirect("/r")
    async with Client(near()) as client:
        result = await client.call_tool("fetch", {"url": f"{site.origin}/chain"})
    assert result.is_error and "is not followed" in result.text and "secret" not in result.text
    assert site.paths() == ["/robots.txt", "/chain", "/r"]


@pytest.mark.req("A-29")
async def test_a_redirect_to_a_name_of_a_refused_address_ends_there(
    site: Site, near: Near, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.routes["/r"] = redirect(f"http://inside.example:{site.port}/")
    resolver = World()
    resolver.answers = lambda host, count: ["10.0.0.1"]
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolver.getaddrinfo)
    async with Client(near(ignore_robots=True)) as client:
        result = await client.call_tool("fetch", {"url": f"{site.origin}/r"})
    assert result.is_error and "(private)" in result.text and resolver.lookups == ["inside.example"]


ADDRESSES = st.one_of(st.sampled_from(REFUSED), st.ip_addresses().map(str), st.just("8.8.8.8"))
HOSTS = st.one_of(
    st.just("name.example"),
    ADDRESSES.map(lambda address: f"[{address}]" if ":" in address else address),
    st.integers(0, 2**33).map(str),
    st.integers(0, 2**33).map(hex),
    st.text(st.sampled_from("0123456789abcdefx.:[]%@_-①。l\\/?#"), max_size=24),
)
PATHS = st.sampled_from(["", "a", "a?b=c", "@10.0.0.1/", "\\@10.0.0.1", "ä"])


async def tried(url: str, found: list[str]) -> list[str]:
    """Fetch a URL whose name resolves to what is given, and return where connections went."""
    loop: Any = asyncio.get_running_loop()
    world = World()
    world.answers = lambda host, count: found
    loop.getaddrinfo, loop.sock_connect = world.getaddrinfo, world.sock_connect
    async with Client(make(Settings(allow_http=True, ignore_robots=True))) as client:
        assert (await client.call_tool("fetch", {"url": url})).is_error
    return world.connected


@pytest.mark.req("A-29")
@pytest.mark.timeout(60)
@given(st.builds("{}://{}{}/{}".format, st.sampled_from(["http", "https", "HTTP"]), HOSTS,
                 st.sampled_from(["", "", ":443", ":22"]), PATHS))  # fmt: skip
def test_whatever_the_url_no_refused_address_is_connected_to(url: str) -> None:
    assert all(refusal(address) is None for address in asyncio.run(tried(url, ["8.8.8.8"])))


@pytest.mark.req("A-29")
@pytest.mark.timeout(60)
@given(st.lists(ADDRESSES, max_size=3))
def test_whatever_the_resolver_says_no_refused_address_is_connected_to(found: list[str]) -> None:
    connected = asyncio.run(tried("https://name.example/", found))
    assert all(refusal(address) is None for address in connected)
    assert not connected or connected == list(dict.fromkeys(connected))
