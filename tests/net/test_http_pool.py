"""Connections: made to the address that answers, over TLS and proxies, kept, counted, and closed without a trace."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from dovetail.errors import DefinitionError, Disconnected, Unsent
from dovetail.net import HttpClient, http_dial, http_pool
from dovetail.net.http_way import way_to
from tests.net.both_loops import both_loops
from tests.net.raw_server import Script, Visit, raw_server
from tests.net.test_http_client import BODY, LIMIT, Certificate, echo, post, says, tls_server

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


# Where a request goes.


@pytest.mark.parametrize(
    ("url", "authority", "target"),
    [
        ("http://EXAMPLE.com", "example.com", "/"),
        ("http://a:80/x?y=%20#z", "a", "/x?y=%20"),
        ("https://a:80/;p", "a:80", "/;p"),
        ("https://a:443//b/../c", "a", "//b/../c"),
        ("http://[::1]:8000?q", "[::1]:8000", "/?q"),
        ("http://[fe80::1%25eth0]/", "[fe80::1%25eth0]", "/"),
    ],
)
def test_a_url_is_sent_as_it_was_given(url: str, authority: str, target: str) -> None:
    way = way_to(url)
    assert (way.authority, way.target, way.tunnel) == (authority, target, False)
    assert way.key == way.origin


@pytest.mark.parametrize("host", ['a"b', "a<b", "a{b", "a|b", "a`b", "a^b"])
def test_a_host_that_is_none_is_refused(host: str) -> None:
    with pytest.raises(DefinitionError):
        way_to(f"http://{host}/")


def test_ways_through_different_proxies_share_no_connection_and_show_no_password() -> None:
    ways = [way_to("http://a/x", proxy) for proxy in (None, "p:1", "http://q:1", "https://p:1", "http://u:CANARY@p:1")]
    assert len({way.key for way in ways}) == 5
    assert [way.target for way in ways] == ["/x"] + ["http://a/x"] * 4
    assert "CANARY" not in repr(ways)
    assert way_to("https://a/x", "p:1").tunnel


@pytest.mark.parametrize("proxy", ["socks5://a:1", "http://", "http://a:99999", "http://a b", "ftp://a"])
def test_a_proxy_of_another_kind_is_refused_and_not_repeated(proxy: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        way_to("http://a/", proxy)
    assert proxy not in str(caught.value)


# How a connection is made.


@pytest.fixture
def addresses(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let a name lead to these addresses; the connections to them are real ones."""

    def lead(*found: tuple[int, Any]) -> None:
        async def resolved(_loop: object, _host: str, _port: int) -> list[tuple[int, Any]]:
            return list(found)

        monkeypatch.setattr(http_dial, "_resolve", resolved)

    return lead


@asynccontextmanager
async def silent() -> AsyncIterator[tuple[str, int]]:
    """An address that neither takes nor refuses a connection: its queue is full."""
    with socket.socket() as full, contextlib.ExitStack() as stack:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        yield full.getsockname()


def refusing() -> tuple[str, int]:
    with socket.socket() as gone:
        gone.bind(("127.0.0.1", 0))
        found: tuple[str, int] = gone.getsockname()
        return found


@both_loops
async def test_the_address_that_answers_is_taken_and_the_others_are_let_go(
    addresses: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_dial, "_STAGGER", 0.01)
    async with raw_server(echo) as server, silent() as mute:
        good = (socket.AF_INET, ("127.0.0.1", server.port))
        bad, slow = (socket.AF_INET, refusing()), (socket.AF_INET, mute)
        no_family = (socket.AF_INET6, ("::1", 1))
        for order in ([bad, good], [slow, good], [no_family, slow, bad, good, good], [good, slow], [good, good]):
            addresses(*order)
            client = HttpClient()
            assert await (await post(client, "http://name.example/")).read(LIMIT) == BODY
            await client.aclose()
        assert b"host: name.example\r\n" in server.requests[0]


@pytest.mark.req("C-11")
@both_loops
async def test_when_no_address_answers_that_is_unsent_in_time(
    addresses: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_dial, "_STAGGER", 0.01)
    client = HttpClient()
    async with silent() as mute:
        for order, why in [([mute], "in time"), ([mute, mute], "in time"), ([refusing(), refusing()], "refused")]:
            addresses(*[(socket.AF_INET, one) for one in order])
            with pytest.raises(Unsent, match=why) as caught:
                await client.send("POST", "http://a/", {}, b"", connect_seconds=0.05)
            assert caught.value.__context__ is None
    await client.aclose()


async def test_the_families_of_a_name_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    six, four = (socket.AF_INET6, socket.AF_INET)

    async def found(*_: object, **__: object) -> list[Any]:
        return [(f, 1, 6, "", (a, 80)) for f, a in [(six, "a"), (six, "b"), (six, "b"), (four, "c"), (99, "x")]]

    monkeypatch.setattr(loop, "getaddrinfo", found)
    assert await http_dial._resolve(loop, "name", 80) == [(six, ("a", 80)), (four, ("c", 80)), (six, ("b", 80))]
    assert await http_dial._resolve(loop, "::1", 80) == [(six, ("::1", 80))]


async def test_an_address_of_the_sixth_version_is_connected_to() -> None:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))

        async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK)
            writer.close()

        listener = await asyncio.start_server(answers, "::1", 0)
        client = HttpClient()
        response = await client.send("GET", f"http://[::1]:{listener.sockets[0].getsockname()[1]}/", {})
        assert response.status == 200
        await response.aclose()
        await client.aclose()
        listener.close()
        await listener.wait_closed()


@pytest.mark.req("A-29", "C-11")
async def test_addresses_that_are_not_admitted_are_not_connected_to_however_they_are_written() -> None:
    async with raw_server(echo) as server:
        for host in ("127.0.0.1", "localhost", "2130706433", "0x7f000001"):
            seen: list[str] = []

            def admit(found: list[str], seen: list[str] = seen) -> str:
                seen.extend(found)
                return "it is ours"

            client = HttpClient(admit=admit)
            with pytest.raises(Unsent, match=r"may not be connected to .*it is ours"):
                await post(client, f"http://{host}:{server.port}/")
            assert "127.0.0.1" in seen
            await client.aclose()
        assert not server.visits


async def test_a_server_that_speaks_before_it_is_asked_has_answered_nothing() -> None:
    async def greets(visit: Visit) -> None:
        if not visit.number:
            await visit.say(b"220 smtp.example ready\r\n")
        await echo(visit)

    async with raw_server(greets) as server:
        client = HttpClient()
        with pytest.raises(Disconnected):  # `Unsent` where its words came before ours were written
            await post(client, server.url)
        assert await (await post(client, server.url)).read(LIMIT) == BODY
        await client.aclose()


# TLS, and proxies.


async def carried(visit: Visit, port: int) -> None:
    """Be a tunnel: the client's bytes to a port, and back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def pump(source: asyncio.StreamReader, goal: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65536):
                goal.write(data)
        goal.close()

    await asyncio.gather(pump(visit.reader, writer), pump(reader, visit.writer))
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


@pytest.mark.req("C-09")
@both_loops
async def test_a_tunnel_carries_tls_to_the_host_that_was_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = Certificate(tmp_path, "name.example")
    trusted = ssl.create_default_context(cafile=certificate.path)
    async with tls_server(certificate) as port:

        async def proxy(visit: Visit) -> None:
            await visit.request()
            await visit.say(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await carried(visit, port)

        async with raw_server(proxy) as there:
            monkeypatch.setenv("https_proxy", f"http://user:pa%20ss@127.0.0.1:{there.port}")
            client = HttpClient(trust_env=True, tls=trusted)
            for _ in range(2):
                assert await (await post(client, "https://name.example/mcp")).read(LIMIT) == BODY
            with pytest.raises(Unsent, match="does not verify"):
                await post(client, "https://other.example/mcp")
            await client.aclose()
            for visit in there.visits:
                await visit.over.wait()
            first, second = there.requests
            assert first.startswith(b"CONNECT name.example:443 HTTP/1.1\r\nhost: name.example:443\r\n")
            assert b"proxy-authorization: Basic dXNlcjpwYSBzcw==\r\n" in first
            assert b"CANARY" not in first + second


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"HTTP/1.1 407 No\r\ncontent-length: 100\r\n\r\n", "status 407"),
        (b"HTTP/1.1 101 No\r\n\r\n", "status 101"),
        (b"HTTP/1.1 200 Yes\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "in place of"),
        (b"SSH-2.0\r\n", "not HTTP"),
        (b"HTTP/1.1 200", "no connection"),
        (b"", "no connection"),
        (b"HTTP/1.1 200 Yes\r\n\r\n", "no connection|TLS"),
    ],
)
async def test_a_proxy_that_gives_no_tunnel_is_unsent(said: bytes, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with raw_server(says(said)) as there:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{there.port}")
        client = HttpClient(trust_env=True)
        with pytest.raises(Unsent, match=why):
            await post(client, "https://name.invalid/")
        await client.aclose()


async def test_a_plain_request_shows_its_proxy_the_password_and_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    async with raw_server(says(OK, then="on")) as there:
        monkeypatch.setenv("http_proxy", f"http://u:p@127.0.0.1:{there.port}")
        client = HttpClient(trust_env=True)
        for _ in range(2):
            assert await (await post(client, "http://name.invalid:81/x")).read(LIMIT) == b"{}"
        assert len(there.visits) == 1
        head = there.requests[1].partition(b"\r\n\r\n")[0]
        assert head.startswith(b"POST http://name.invalid:81/x HTTP/1.1\r\nhost: name.invalid:81\r\n")
        assert b"proxy-authorization: Basic dTpw" in head
        await client.aclose()


@both_loops
async def test_connections_over_tls_are_kept_stream_and_end(tmp_path: Path) -> None:
    certificate = Certificate(tmp_path, "127.0.0.1")
    client = HttpClient(tls=ssl.create_default_context(cafile=certificate.path))
    body = b"x" * 3_000_000
    async with tls_server(certificate, most=len(body)) as port:
        for _ in range(2):
            assert await (await post(client, f"https://127.0.0.1:{port}/", body)).read(len(body)) == body
        assert await (await post(client, f"https://127.0.0.1:{port}/")).read(LIMIT) == BODY
        assert "1 of 512 connections, 1 idle" in repr(client._pool)
        await client.aclose()


@pytest.mark.parametrize("orderly", [True, False])
@both_loops
async def test_an_answer_that_ends_with_its_connection_is_complete_only_if_tls_ended_in_good_order(
    tmp_path: Path, orderly: bool
) -> None:
    certificate = Certificate(tmp_path, "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.path)
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listening, listening.accept()[0] as plain, context.wrap_socket(plain, server_side=True) as visit:
            heard = b""
            while not heard.endswith(BODY):
                heard += visit.recv(65536)
            visit.sendall(b'HTTP/1.1 200 OK\r\n\r\n{"amount": 1')
            if orderly:
                visit.unwrap().close()

    client = HttpClient(tls=ssl.create_default_context(cafile=certificate.path))
    serving = asyncio.create_task(asyncio.to_thread(serve))
    answer = await post(client, f"https://127.0.0.1:{listening.getsockname()[1]}/")
    if orderly:
        assert await answer.read(LIMIT) == b'{"amount": 1'
    else:
        with pytest.raises(Disconnected, match="the connection broke"):
            await answer.read(LIMIT)
    await client.aclose()
    await serving


# What is kept, and how many.


@both_loops
async def test_what_is_read_ahead_is_bounded_and_the_connection_is_good_afterwards() -> None:
    body = b"x" * 4_000_000
    written = 0

    async def script(visit: Visit) -> None:
        nonlocal written
        while True:
            await visit.request()
            await visit.say(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body))
            for at in range(0, len(body), 65536):
                await visit.say(body[at : at + 65536])
                written += 65536

    async with raw_server(script) as server:
        client = HttpClient()
        for _ in range(3):
            response = await post(client, server.url)
            for _ in range(50):
                await asyncio.sleep(0)
            largest, total = 0, 0
            while piece := await response.chunk():
                largest, total = max(largest, len(piece)), total + len(piece)
            assert total == len(body)
            assert largest <= 600_000
        assert len(server.visits) == 1
        await client.aclose()


async def test_an_answer_that_comes_before_its_request_was_written_ends_the_connection() -> None:
    async def script(visit: Visit) -> None:
        if visit.number:
            return await echo(visit)
        await visit.reader.readuntil(b"\r\n\r\n")
        await visit.say(b"HTTP/1.1 413 Too large\r\ncontent-length: 2\r\n\r\nno")
        return await visit.gone()

    async with raw_server(script) as server:
        client = HttpClient()
        response = await post(client, server.url, b"x" * 30_000_000)
        assert (response.status, await response.read(LIMIT)) == (413, b"no")
        assert await (await post(client, server.url)).read(LIMIT) == BODY
        assert len(server.visits) == 2
        await client.aclose()


@pytest.mark.req("C-15")
async def test_what_stands_behind_an_answer_ends_its_connection() -> None:
    smuggled = b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nsmuggled"
    async with raw_server(says(OK + smuggled, then="on")) as server:
        client = HttpClient()
        for number in range(1, 4):
            assert await (await post(client, server.url)).read(LIMIT) == b"{}"
            assert len(server.visits) == number
        await client.aclose()


async def test_a_head_request_has_no_body_and_its_connection_is_kept() -> None:
    async with raw_server(says(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", then="on")) as server:
        client = HttpClient()
        for _ in range(2):
            response = await client.send("HEAD", server.url, {})
            assert (response.headers["content-length"], await response.read(0)) == ("9", b"")
        assert len(server.visits) == 1
        await client.aclose()


async def test_a_connection_that_is_idle_for_long_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_pool, "_SWEEP_SECONDS", 0.01)
    monkeypatch.setattr(http_pool, "_KEPT_SECONDS", 0.0)
    over = asyncio.Event()

    async def script(visit: Visit) -> None:
        await visit.answer(await visit.request())
        await visit.gone()
        over.set()

    async with raw_server(script) as server:
        client = HttpClient()
        await (await post(client, server.url)).read(LIMIT)
        await over.wait()
        await asyncio.sleep(0)
        assert "0 of 512" in repr(client._pool)
        await client.aclose()


@both_loops
async def test_an_idle_connection_makes_room_for_one_to_elsewhere() -> None:
    async with raw_server(echo) as one, raw_server(echo) as other:
        client = HttpClient(connections=1)
        for server in (one, other, one):
            assert await (await post(client, server.url)).read(LIMIT) == BODY
        assert (len(one.visits), len(other.visits)) == (2, 1)
        await client.aclose()


@both_loops
async def test_who_waits_in_line_and_gives_up_passes_the_turn_on() -> None:
    async with raw_server(echo) as server:
        client = HttpClient(connections=1)
        chosen = 0
        for turns in range(12):
            sends = [asyncio.create_task(post(client, server.url, b"%d" % n)) for n in range(6)]
            for _ in range(turns):
                await asyncio.sleep(0)
            for send in sends[:5]:
                send.cancel()
            await asyncio.wait(sends[:5])
            for send in sends[:5]:
                if not send.cancelled():
                    await send.result().aclose()
            assert await (await sends[5]).read(LIMIT) == b"5"
            chosen += 1
        assert chosen == 12
        await client.aclose()


async def test_nobody_pushes_in_before_those_who_wait() -> None:
    """Who asks again and again, and is at hand when its own connection becomes free, does not keep it for ever."""
    async with raw_server(echo) as server, raw_server(echo) as other:
        client = HttpClient(connections=2)
        order: list[int] = []

        async def again(name: int) -> None:
            url = other.url if name == 3 else server.url
            for _ in range(10):
                await (await post(client, url)).read(LIMIT)
                order.append(name)

        await asyncio.gather(*map(again, range(5)))
        for name in range(5):
            turns = [place for place, one in enumerate(order) if one == name]
            assert max(b - a for a, b in pairwise(turns)) < 12
        await client.aclose()


async def test_who_waits_is_not_kept_waiting_by_a_stream_that_was_before_it() -> None:
    async def script(visit: Visit) -> None:
        while True:
            request = await visit.request()
            if b"stream" in request:
                await visit.say(b"HTTP/1.1 200 OK\r\n\r\n")
                return await visit.gone()
            await visit.say(OK)

    async with raw_server(script) as server:
        client = HttpClient(connections=2)
        for turns in range(12):
            held = await asyncio.gather(*(post(client, server.url, b"stream") for _ in range(2)))
            sends = [asyncio.create_task(post(client, server.url, body)) for body in (b"stream", b"x", b"y")]
            for response in held:
                await response.aclose()
            for _ in range(turns):
                await asyncio.sleep(0)
            sends.append(asyncio.create_task(post(client, server.url, b"z")))
            for send in sends[1:]:
                assert await (await send).read(LIMIT) == b"{}"
            await sends[0].result().aclose()
        await client.aclose()


async def test_a_connection_that_cannot_be_made_gives_its_place_to_the_next() -> None:
    client = HttpClient(connections=1)
    _, port = refusing()
    found = await asyncio.gather(*(post(client, f"http://127.0.0.1:{port}/") for _ in range(5)), return_exceptions=True)
    assert [type(one) for one in found] == [Unsent] * 5
    await client.aclose()


async def test_closing_the_client_ends_the_making_of_a_connection() -> None:
    async def script(visit: Visit) -> None:
        asked.set()
        await visit.gone()

    asked = asyncio.Event()
    async with raw_server(script) as server:
        client = HttpClient(connections=1)
        sends = [asyncio.create_task(post(client, f"https://127.0.0.1:{server.port}/")) for _ in range(3)]
        await asked.wait()
        await client.aclose()
        for send in sends:
            with pytest.raises(Unsent, match="closed"):
                await send
        await server.left.wait()


@pytest.mark.req("C-11")
async def test_two_tasks_do_not_read_one_answer() -> None:
    async with raw_server(says(b"HTTP/1.1 200 OK\r\n\r\n", then="wait")) as server:
        client = HttpClient()
        response = await post(client, server.url)
        reading = asyncio.create_task(response.chunk())
        await asyncio.sleep(0)
        with pytest.raises(DefinitionError, match="Another task"):
            await response.chunk()
        await client.aclose()
        with pytest.raises(Disconnected, match="was closed"):
            await reading


async def test_what_came_before_a_break_is_read_before_it_is_told(tmp_path: Path) -> None:
    script: Script = says(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n", then="reset")
    async with raw_server(script) as server:
        client = HttpClient()
        response = await post(client, server.url)
        while "closed" not in repr(response):
            await asyncio.sleep(0)
        assert await response.chunk() == b"abc"
        for _ in range(2):
            with pytest.raises(Disconnected, match="broke"):
                await response.chunk()
        await client.aclose()


async def test_closing_while_a_name_is_looked_up_ends_that_and_closes_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    looking = asyncio.Event()

    async def never(_loop: object, _host: str, _port: int) -> list[tuple[int, Any]]:
        looking.set()
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr(http_dial, "_resolve", never)
    client = HttpClient()
    asking = asyncio.create_task(client.send("GET", "http://name.example/", {}))
    await looking.wait()
    await client.aclose()
    with pytest.raises(Unsent):
        await asking
