"""The loopback callback takes one answer, its own, and shows nobody anything of it."""

import asyncio
import contextlib
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dovetail.client.browser import SystemBrowser
from dovetail.client.callback import HEAD_SECONDS, MOST_REQUESTS, Callback
from dovetail.errors import LoginUnavailable

AUTHORIZATION = "https://auth.example.com/authorize?state=the-state&client_id=c"


async def send(callback: Callback, raw: bytes) -> bytes:
    port = urlsplit(callback.redirect_uri).port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(raw)
    answer = await reader.read()
    writer.close()
    return answer


def get(callback: Callback, target: str, host: str | None = None) -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: {host or urlsplit(callback.redirect_uri).netloc}\r\n\r\n".encode()


@pytest.mark.req("A-25")
async def test_the_answer_is_the_url_that_the_browser_came_with() -> None:
    async with Callback() as callback:
        callback.expect(AUTHORIZATION)
        page = await send(callback, get(callback, "/callback?code=C&state=the-state&iss=x"))
        assert page.startswith(b"HTTP/1.1 200 ")
        assert await callback.answer() == f"{callback.redirect_uri}?code=C&state=the-state&iss=x"


@pytest.mark.req("A-25")
async def test_it_listens_on_the_loopback_at_a_port_that_changes_and_is_gone_afterwards() -> None:
    ports = set()
    for _ in range(8):
        async with Callback() as callback:
            parts = urlsplit(callback.redirect_uri)
            assert parts.hostname == "127.0.0.1"
            ports.add(parts.port)
            assert callback._server is not None
            assert {s.getsockname()[0] for s in callback._server.sockets} == {"127.0.0.1"}
        with pytest.raises(OSError, match=r"refused|Connect"):
            await asyncio.open_connection("127.0.0.1", parts.port)
    assert len(ports) > 1


async def test_a_port_can_be_chosen_and_is_said_when_it_is_taken() -> None:
    async with Callback() as first:
        port = urlsplit(first.redirect_uri).port or 0
        with pytest.raises(LoginUnavailable, match=f"Port {port} "):
            async with Callback(port=port):
                pass
    async with SystemBrowser(lambda url: True, port=port).errand() as errand:
        assert errand.redirect_uri == f"http://127.0.0.1:{port}/callback"


@pytest.mark.req("A-25")
async def test_after_the_one_answer_nobody_is_listened_to() -> None:
    async with Callback() as callback:
        callback.expect(AUTHORIZATION)
        await send(callback, get(callback, "/callback?code=C&state=the-state"))
        with pytest.raises(OSError, match=r"refused|Connect"):
            await send(callback, get(callback, "/callback?code=EVIL&state=the-state"))
        assert "code=C&" in await callback.answer()


HOSTILE = [
    "/callback?code=EVIL&state=guess",
    "/callback?code=EVIL",
    "/callback?code=EVIL&state=",
    "/callback?code=EVIL&state=the-state&state=the-state",
    "/callback?code=EVIL&state=the-stat%C3%A9",
    "/other?code=EVIL&state=the-state",
    "/callback/?code=EVIL&state=the-state",
    "/",
    "/favicon.ico",
    "http://127.0.0.1/callback?code=EVIL&state=the-state",
]


@pytest.mark.req("A-25")
@pytest.mark.parametrize("target", HOSTILE)
async def test_what_is_not_the_answer_does_not_end_the_wait(target: str) -> None:
    async with Callback() as callback:
        callback.expect(AUTHORIZATION)
        page = await send(callback, get(callback, target))
        assert not page.startswith(b"HTTP/1.1 200 ")
        await send(callback, get(callback, "/callback?code=C&state=the-state"))
        assert "code=C&" in await callback.answer()


@pytest.mark.req("A-25")
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "evil.example:{port}", ""])
async def test_a_request_that_another_name_led_here_is_not_taken(host: str) -> None:
    async with Callback() as callback:
        callback.expect(AUTHORIZATION)
        raw = get(callback, "/callback?code=EVIL&state=the-state", "HOST").replace(b"HOST", host.encode())
        assert not (await send(callback, raw)).startswith(b"HTTP/1.1 200 ")


@pytest.mark.req("A-25")
async def test_nothing_of_a_request_is_in_a_page() -> None:
    attack = "<script>alert(1)</script>%3Cscript%3E\"'><img/src=x>"
    async with Callback() as callback:
        callback.expect(AUTHORIZATION)
        pages = [
            await send(callback, get(callback, f"/{attack}")),
            await send(callback, get(callback, f"/callback?state=x&error={attack}")),
            await send(
                callback, get(callback, f"/callback?code=C&state=the-state&error={attack}&error_description={attack}")
            ),
        ]
    for page in pages:
        head, _, body = page.partition(b"\r\n\r\n")
        assert b"script" not in body
        assert b"img" not in body
        assert b"alert" not in page
        assert b"default-src 'none'" in head
        assert b"no-store" in head
        assert b"nosniff" in head
    assert pages[2].startswith(b"HTTP/1.1 200 ")


@pytest.mark.req("A-25")
async def test_who_keeps_calling_ends_the_login() -> None:
    async with Callback() as callback:
        callback.expect(AUTHORIZATION)
        for _ in range(MOST_REQUESTS):
            await send(callback, get(callback, "/callback?code=EVIL&state=guess"))
        with pytest.raises(LoginUnavailable, match="kept calling"):
            await callback.answer()


@pytest.mark.req("A-25")
async def test_nobody_who_comes_back_is_waited_for_no_longer_than_said() -> None:
    async with Callback(seconds=0.01) as callback:
        callback.expect(AUTHORIZATION)
        with pytest.raises(LoginUnavailable, match="Nobody came back"):
            await callback.answer()


async def test_before_it_is_known_what_to_expect_nothing_is_taken() -> None:
    async with Callback() as callback:
        assert not (await send(callback, get(callback, "/callback?code=C&state="))).startswith(b"HTTP/1.1 200 ")
        callback.expect("https://auth.example.com/authorize?client_id=c")
        assert not (await send(callback, get(callback, "/callback?code=C&state="))).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\r\n\r\n",
        b"POST /callback?state=the-state HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01" * 9 + b"\r\n\r\n",
        b"GET /" + b"a" * 20_000,
    ],
)
async def test_what_is_no_request_is_let_go(raw: bytes) -> None:
    async with Callback() as callback:
        callback.expect(AUTHORIZATION)
        port = urlsplit(callback.redirect_uri).port
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(raw)
        writer.write_eof()
        assert not (await reader.read()).startswith(b"HTTP/1.1 200 ")
        writer.close()
        await send(callback, get(callback, "/callback?code=C&state=the-state"))
        assert "code=C&" in await callback.answer()


async def test_a_browser_that_connects_and_asks_nothing_is_not_waited_for() -> None:
    """Browsers open a second connection before they need it."""
    wrong: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: wrong.append(context))
    async with Callback() as callback:
        callback.expect(AUTHORIZATION)
        idle, writer = await asyncio.open_connection("127.0.0.1", urlsplit(callback.redirect_uri).port)
        page = await send(callback, get(callback, "/callback?code=C&state=the-state"))
        assert page.endswith(b"</p>")
        began = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began < HEAD_SECONDS / 2
    with contextlib.suppress(ConnectionError):
        assert await idle.read() == b""
    writer.close()
    assert wrong == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_any_head_is_taken_or_not(head: bytes) -> None:
    callback = Callback()
    callback.expect(AUTHORIZATION)
    assert callback._take(head + b"\r\n\r\n") is False
