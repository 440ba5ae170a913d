"""The HTTP client against servers that lie, break off, flood, redirect and remember, and callers that inject."""

import asyncio
import contextlib
import datetime
import gc
import gzip
import ipaddress
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dovetail.errors import DefinitionError, Disconnected, DovetailError, LimitExceeded, ProtocolViolation, Unsent
from dovetail.net import HttpClient, Response
from dovetail.net.http_request import OURS, check_url, checked_headers
from dovetail.wire import Limits
from tests.net.raw_server import Script, Visit, raw_server

LIMIT = 1_000_000
HEADERS = {"content-type": "application/json", "Authorization": "Bearer CANARY"}
BODY = b'{"jsonrpc":"2.0","id":1,"method":"tools/call"}'


@pytest.fixture
async def client() -> AsyncIterator[HttpClient]:
    made = HttpClient()
    yield made
    await made.aclose()


async def post(client: HttpClient, url: str, body: bytes = BODY) -> Response:
    return await client.send("POST", url, HEADERS, body)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def echo(visit: Visit) -> None:
    while True:
        await visit.answer((await visit.request()).partition(b"\r\n\r\n")[2], b"Content-Type: application/json")


def says(*parts: bytes, then: str = "close") -> Script:
    """Answer each request with these bytes; then close, reset, wait for the client to leave, or go on."""

    async def script(visit: Visit) -> None:
        while True:
            await visit.request()
            await visit.say(*parts)
            if then == "reset":
                return visit.reset()
            if then == "wait":
                return await visit.gone()
            if then == "close":
                return None

    return script


# What is sent.


async def test_a_post_arrives_as_it_was_given_and_its_answer_comes_back(client: HttpClient) -> None:
    async with raw_server(echo) as server:
        response = await post(client, server.url + "?a=b%2Fc#fragment")
        assert (response.status, await response.read(LIMIT), await response.read(LIMIT)) == (200, BODY, b"")
        assert response.headers == {"content-length": str(len(BODY)), "content-type": "application/json"}
        head, _, body = server.requests[0].partition(b"\r\n\r\n")
        line, *fields = head.split(b"\r\n")
        assert line == b"POST /mcp?a=b%2Fc HTTP/1.1"
        assert body == BODY
        found = {field.partition(b": ")[0].lower(): field.partition(b": ")[2] for field in fields}
        assert len(found) == len(fields)
        assert found[b"host"] == b"127.0.0.1:%d" % server.port
        assert found[b"content-length"] == b"%d" % len(BODY)
        assert found[b"accept-encoding"] == b"identity"
        assert found[b"content-type"] == b"application/json"
        assert b"cookie" not in found and b"transfer-encoding" not in found


async def test_one_connection_serves_requests_in_a_row(client: HttpClient) -> None:
    async with raw_server(echo) as server:
        for n in range(5):
            assert await (await post(client, server.url, b"%d" % n)).read(LIMIT) == b"%d" % n
        assert len(server.visits) == 1


async def test_a_body_of_many_mebibytes_arrives_whole_and_without_a_warning(client: HttpClient) -> None:
    body = os.urandom(5_000_000)
    async with raw_server(echo) as server:
        assert await (await post(client, server.url, body)).read(len(body)) == body


async def test_no_cookie_is_ever_sent_back(client: HttpClient) -> None:
    async def script(visit: Visit) -> None:
        while True:
            await visit.request()
            await visit.answer(b"{}", b"Set-Cookie: session=1; Path=/", b"Set-Cookie: other=2")

    async with raw_server(script) as server:
        for _ in range(2):
            await (await post(client, server.url)).read(LIMIT)
        assert b"ookie" not in server.requests[1]


async def test_header_fields_that_stand_several_times_are_joined(client: HttpClient) -> None:
    fields = b"HTTP/1.1 401 x\r\nWWW-Authenticate: Bearer a\r\nwww-authenticate: DPoP b\r\ncontent-length: 0\r\n\r\n"
    async with raw_server(says(fields)) as server:
        response = await post(client, server.url)
        assert response.headers["www-authenticate"] == "Bearer a, DPoP b"
        await response.aclose()


@pytest.mark.req("C-08")
@pytest.mark.parametrize(
    "evil", ["a\r\nx: y", "a\nb", "a\rb", "a\0b", "a\x7f", "\u010a\u010d", "caf\u00e9", "\ud800", "a\x0bb"]
)
async def test_a_header_value_that_could_open_a_line_is_refused_and_not_repeated(client: HttpClient, evil: str) -> None:
    async with raw_server(echo) as server:
        with pytest.raises(DefinitionError, match="Header mcp-name: ") as caught:
            await client.send("POST", server.url, {"accept": "x", "Mcp-Name": "CANARY" + evil}, b"")
        assert "CANARY" not in str(caught.value)
        assert not server.visits


@pytest.mark.req("C-08")
@pytest.mark.parametrize(
    "name", ["", "a b", "a:b", "a\r\nb", "a\0", "na\u00efve", "x\n", "(x)", *sorted(OURS), "Host", "TRANSFER-ENCODING"]
)
async def test_a_header_name_that_is_no_token_or_frames_the_message_is_refused(client: HttpClient, name: str) -> None:
    with pytest.raises(DefinitionError):
        await client.send("POST", "http://127.0.0.1:1/", {name: "5"}, b"")


def test_a_header_given_in_two_spellings_is_refused() -> None:
    with pytest.raises(DefinitionError):
        checked_headers({"Authorization": "a", "authorization": "b"})


def test_a_tab_is_legal_in_a_header_value() -> None:
    assert checked_headers({"X": "a\tb"}) == {"x": "a\tb"}


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=12), max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_passes_as_a_header_holds_no_line_break(headers: dict[str, str]) -> None:
    try:
        fields = checked_headers(headers)
    except DefinitionError:
        return
    text = "".join(f"{name}: {value}\r\n" for name, value in fields.items()).encode("ascii")
    assert text.count(b"\r") == text.count(b"\n") == len(headers)
    assert b"\0" not in text


@pytest.mark.parametrize("method", ["", "post", "POST /x HTTP/1.1\r\nA: b\r\n\r\nGET", "CONNECT", "TRACE", "X"])
async def test_a_method_that_is_none_is_refused(client: HttpClient, method: str) -> None:
    with pytest.raises(DefinitionError):
        await client.send(method, "http://127.0.0.1:1/", {})


@pytest.mark.parametrize(
    "url",
    [
        "", "/mcp", "ftp://a/", "file:///etc/passwd", "http://", "http:///x", "http://a b/", "http://a/\r\nX: y",
        "http://user:CANARY@a/", "http://CANARY@a/", "http://a:0/", "http://a:99999/", "http://[::1/", "http://a\\@b/",
        "http://\u0430pple.com/", "http://a/\x00", "ws://a/", "javascript:alert(1)",
    ],
)  # fmt: skip
async def test_a_url_that_leads_nowhere_or_elsewhere_is_refused_and_not_repeated(client: HttpClient, url: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        await client.send("GET", url, {})
    assert "CANARY" not in str(caught.value)


def test_a_url_of_any_other_shape_passes() -> None:
    assert check_url("http://[::1]:80/a?b#c") == ("http", "::1")
    assert check_url("https://EXAMPLE.com") == ("https", "example.com")


# Redirects.


@pytest.mark.req("C-09")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("place", ["other origin", "same origin", "relative", "file:///etc/passwd", "\\r\\n", None])
async def test_a_redirect_is_an_answer_and_is_never_followed(
    client: HttpClient, status: int, place: str | None
) -> None:
    async with raw_server(echo) as other:

        async def script(visit: Visit) -> None:
            await visit.request()
            places = {"other origin": other.url, "same origin": server.url + "2", "relative": "/elsewhere"}
            fields = [] if place is None else [b"Location: " + places.get(place, place).encode()]
            await visit.answer(b"moved", *fields, status=b"%d Moved" % status)

        async with raw_server(script) as server:
            response = await post(client, server.url)
            assert response.status == status
            assert await response.read(LIMIT) == b"moved"
            assert len(server.requests) == 1
            assert not other.visits


# Answers that are not what they say.


@pytest.mark.req("C-15")
@pytest.mark.parametrize(
    ("answer", "then"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{}", "close"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{}", "reset"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n", "close"),
        (b"HTTP/1.1 200 OK\r\n\r\n{}", "reset"),
        (b"HTTP/1.0 200 OK\r\n\r\n{}", "reset"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n", "close"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n", "reset"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", "close"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n", "close"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}XX0\r\n\r\n", "close"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}", "close"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n{}", "close"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2x\r\n\r\n{}", "close"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999999\r\n\r\n{}", "close"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}", "close"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}", "close"),
        (b"", "close"),
        (b"", "reset"),
        (b"HTTP/1.1 200 OK\r\ncontent-le", "close"),
        (b"HTTP/1.1 200 OK\r\ncontent-le", "reset"),
        (b"HTTP/1.1 200", "close"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "close"),
        (b"HTTP/9.9 200 OK\r\n\r\n", "close"),
        (b"HTTP/1.1 2 OK\r\n\r\n", "close"),
        (b"HTTP/1.1 abc OK\r\n\r\n", "close"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "close"),
        (b"HTTP/1.1 200 OK\r\nbad name: x\r\n\r\n", "close"),
        (b"HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n", "close"),
        (b"\x16\x03\x01\x02\x00\x01\x00", "close"),
        (b"\0" * 1000, "close"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "close"),
        (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nhello", "close"),
    ],
)  # fmt: skip
async def test_an_answer_that_lies_or_breaks_off_is_a_typed_error(client: HttpClient, answer: bytes, then: str) -> None:
    async with raw_server(says(answer, then=then)) as server:
        with pytest.raises(Disconnected) as caught:
            await (await post(client, server.url)).read(LIMIT)
        assert not isinstance(caught.value, Unsent)
        assert "CANARY" not in repr(caught.value.__dict__) + str(caught.value)
        assert caught.value.__context__ is None
        assert len(server.requests) == 1


@pytest.mark.req("C-15")
@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
async def test_a_body_where_none_may_be_is_never_the_answer_to_another_request(
    client: HttpClient, status: bytes
) -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.say(
            b"HTTP/1.1 %b\r\ncontent-length: 40\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}" % status
        )
        await echo(visit)

    async with raw_server(script) as server:
        for _ in range(3):
            try:
                response = await post(client, server.url, b"mine")
                assert await response.read(LIMIT) in (b"", b"mine")
            except Disconnected:
                pass


@pytest.mark.req("C-15")
@pytest.mark.parametrize("seen_by_the_loop", [True, False])
async def test_an_answer_that_nobody_asked_for_is_never_the_answer_to_the_next_request(
    client: HttpClient, seen_by_the_loop: bool
) -> None:
    async with raw_server(echo) as server:
        assert await (await post(client, server.url, b"first")).read(LIMIT) == b"first"
        fd = server.visits[0].writer.get_extra_info("socket").fileno()
        os.write(fd, b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nsmuggled")
        if seen_by_the_loop:
            for _ in range(5):
                await asyncio.sleep(0)
        assert await (await post(client, server.url, b"second")).read(LIMIT) == b"second"
        assert len(server.visits) == 2


@pytest.mark.req("C-15")
async def test_a_body_longer_than_announced_ends_where_it_was_announced(client: HttpClient) -> None:
    async with raw_server(says(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", b"garbage", then="wait")) as server:
        for _ in range(3):
            try:
                assert await (await post(client, server.url)).read(LIMIT) == b"{}"
            except Disconnected:
                pass


@pytest.mark.req("C-15")
async def test_a_202_with_a_body_and_a_200_with_another_type_are_for_the_caller_to_judge(client: HttpClient) -> None:
    async with raw_server(
        says(b"HTTP/1.1 202 Accepted\r\ncontent-type: text/html\r\ncontent-length: 4\r\n\r\nbody")
    ) as server:
        response = await post(client, server.url)
        assert (response.status, response.headers["content-type"]) == (202, "text/html")
        assert await response.read(LIMIT) == b"body"


@pytest.mark.req("C-15")
@pytest.mark.parametrize("head", [b"content-length: 1001", b"transfer-encoding: chunked", b"connection: close"])
async def test_a_body_at_the_limit_is_read_and_one_over_it_is_not(client: HttpClient, head: bytes) -> None:
    async def script(visit: Visit) -> None:
        while True:
            await visit.request()
            body = b"x" * 1001
            if head.startswith(b"transfer"):
                body = b"3e9\r\n" + body + b"\r\n0\r\n\r\n"
            await visit.say(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + body)
            if head.startswith(b"connection"):
                return

    async with raw_server(script) as server:
        response = await post(client, server.url)
        assert len(await response.read(1001)) == 1001
        response = await post(client, server.url)
        with pytest.raises(LimitExceeded, match="1000 bytes"):
            await response.read(1000)


@pytest.mark.req("C-15")
async def test_a_body_that_never_ends_is_cut_at_the_limit_and_never_held(client: HttpClient) -> None:
    sent = 0

    async def script(visit: Visit) -> None:
        nonlocal sent
        await visit.request()
        await visit.say(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await visit.say(b"x" * 65536)
            sent += 65536

    async with raw_server(script) as server:
        with pytest.raises(LimitExceeded):
            await (await post(client, server.url)).read(LIMIT)
        assert sent < LIMIT + 16_000_000  # what the two ends of a loopback socket buffer


@pytest.mark.req("C-15")
async def test_a_reader_that_waits_makes_the_server_wait(client: HttpClient) -> None:
    written = 0
    full = asyncio.Event()

    async def script(visit: Visit) -> None:
        nonlocal written
        await visit.request()
        await visit.say(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            visit.writer.write(b"x" * 65536)
            written += 65536
            try:
                async with asyncio.timeout(0.2):
                    await visit.writer.drain()
            except TimeoutError:
                full.set()
                return await visit.gone()

    async with raw_server(script) as server:
        response = await post(client, server.url)
        await full.wait()
        assert len(await response.chunk()) <= 600_000
        await response.aclose()


@pytest.mark.req("C-15")
@pytest.mark.parametrize("encoding", [b"gzip", b"deflate", b"br", b"zstd", b"GZIP", b"identity, gzip"])
async def test_a_compressed_answer_is_refused_unread(client: HttpClient, encoding: bytes) -> None:
    bomb = gzip.compress(b"0" * 20_000_000)

    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.answer(bomb, b"Content-Encoding: " + encoding)
        await visit.gone()

    async with raw_server(script) as server:
        response = await post(client, server.url)
        assert response.status == 200
        with pytest.raises(ProtocolViolation, match="compressed"):
            await response.read(LIMIT)


@pytest.mark.parametrize("encoding", [b"gzip", b"GZIP", b"x-gzip"])
async def test_a_compressed_answer_is_taken_by_who_wants_it_so_and_never_beyond_its_limit(
    client: HttpClient, encoding: bytes
) -> None:
    bodies = [gzip.compress(b"page " * 1000), gzip.compress(b"0" * 50_000_000), b"plain", gzip.compress(b"x" * 99)[:-9]]

    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.answer(bodies.pop(0), b"Content-Encoding: " + encoding)
        await visit.gone()

    async with raw_server(script) as server:
        assert await (await post(client, server.url)).read(LIMIT, inflate=True) == b"page " * 1000
    for failure in (LimitExceeded, ProtocolViolation, Disconnected):
        async with raw_server(script) as server:
            with pytest.raises(failure):
                await (await post(client, server.url)).read(LIMIT, inflate=True)


async def test_an_answer_that_says_it_is_not_compressed_is_read(client: HttpClient) -> None:
    async with raw_server(
        says(b"HTTP/1.1 200 OK\r\ncontent-encoding: identity\r\ncontent-length: 2\r\n\r\n{}")
    ) as server:
        assert await (await post(client, server.url)).read(LIMIT) == b"{}"


@pytest.mark.req("C-15")
@pytest.mark.parametrize(
    "flood", ["many", "long value", "long name", "long line", "endless value", "trailers", "folded"]
)
async def test_a_flood_of_header_fields_is_refused(client: HttpClient, flood: str) -> None:
    start = b"HTTP/1.1 200 OK\r\n"
    parts = {
        "many": [start, b"".join(b"x-%d: 1\r\n" % n for n in range(5000)), b"\r\n"],
        "long value": [start + b"x: " + b"v" * 100_000, b"\r\n\r\n"],
        "long name": [start + b"n" * 100_000, b": x\r\n\r\n"],
        "long line": [b"HTTP/1.1 200 " + b"o" * 100_000, b"\r\n\r\n"],
        "endless value": [start + b"x: ", *[b"v" * 60_000] * 100],
        "trailers": [
            start + b"transfer-encoding: chunked\r\n\r\n0\r\n", *[b"x-%d: 1\r\n" % n for n in range(5000)], b"\r\n"
        ],
        "folded": [start + b"x: a\r\n", *[b" b\r\n" * 1000] * 100, b"\r\n"],
    }[flood]  # fmt: skip
    async with raw_server(says(*parts)) as server:
        with pytest.raises(Disconnected):
            await (await post(client, server.url)).read(LIMIT)


@pytest.mark.req("C-15")
async def test_the_limits_on_header_fields_are_the_caller_s() -> None:
    client = HttpClient(limits=Limits(header_count=10, header_value=100))
    for count, size, fits in [(9, 10, True), (30, 10, False), (1, 80, True), (1, 200, False)]:
        fields = b"".join(b"x%d: %b\r\n" % (n, b"v" * size) for n in range(count))
        async with raw_server(says(b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n")) as server:
            if fits:
                assert len((await post(client, server.url)).headers) == count
            else:
                with pytest.raises(Disconnected):
                    await post(client, server.url)
    await client.aclose()


async def test_interim_answers_are_skipped(client: HttpClient) -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
    async with raw_server(says(interim, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")) as server:
        response = await post(client, server.url)
        assert (response.status, await response.read(LIMIT)) == (200, b"{}")


async def test_an_answer_comes_apart_at_any_byte(client: HttpClient) -> None:
    answer = b"HTTP/1.1 200 OK\r\nx: y\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    for place in range(1, len(answer)):

        async def script(visit: Visit, place: int = place) -> None:
            await visit.request()
            await visit.say(answer[:place])
            await asyncio.sleep(0)
            await visit.say(answer[place:])

        async with raw_server(script) as server:
            assert await (await post(client, server.url)).read(LIMIT) == b"abc"


@pytest.mark.req("C-11", "C-15", "R-10")
async def test_a_server_that_dies_at_any_byte_of_its_answer_is_disconnected_and_was_asked_once(
    client: HttpClient,
) -> None:
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc"
    for place in range(len(answer)):
        async with raw_server(says(answer[:place], then="reset" if place % 2 else "close")) as server:
            with pytest.raises(Disconnected) as caught:
                await (await post(client, server.url)).read(LIMIT)
            assert not isinstance(caught.value, Unsent)
            assert len(server.requests) == 1


# What never left, and what may have.


@pytest.mark.req("C-11")
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
async def test_a_request_whose_connection_broke_is_disconnected_and_not_sent_again(
    client: HttpClient, method: str
) -> None:
    async with raw_server(says(then="close")) as server:
        with pytest.raises(Disconnected) as caught:
            await client.send(method, server.url, {})
        assert not isinstance(caught.value, Unsent)
        assert len(server.visits) == 1


@pytest.mark.req("C-11")
async def test_a_refused_connection_is_unsent(client: HttpClient) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(Unsent, match="no connection") as caught:
            await post(client, f"http://127.0.0.1:{unused.getsockname()[1]}/")
    assert caught.value.__context__ is None


@pytest.mark.req("C-11")
async def test_a_name_that_does_not_resolve_is_unsent(client: HttpClient) -> None:
    with pytest.raises(Unsent, match="does not resolve"):
        await post(client, "http://name.invalid/")


@pytest.mark.req("C-11")
async def test_a_server_that_does_not_finish_its_handshake_is_unsent_in_time(client: HttpClient) -> None:
    async with raw_server(lambda visit: visit.gone()) as server:
        with pytest.raises(Unsent, match="in time"):
            await client.send("POST", f"https://127.0.0.1:{server.port}/", {}, b"", connect_seconds=0.05)
        await server.left.wait()


@pytest.mark.req("C-11")
@pytest.mark.parametrize("how", ["close", "reset", "speak"])
@pytest.mark.parametrize("seen", [True, False])
async def test_a_kept_connection_that_its_server_gave_up_is_replaced_in_silence(how: str, seen: bool) -> None:
    """Whether the loop has seen the news of it yet, or only the kernel."""
    client = HttpClient()
    done = asyncio.Event()

    async def script(visit: Visit) -> None:
        if visit.number:
            return await echo(visit)
        await visit.answer((await visit.request()) and b"one")
        await done.wait()
        return None

    async with raw_server(script) as server:
        assert await (await post(client, server.url)).read(LIMIT) == b"one"
        visit = server.visits[0]
        sock = visit.writer.get_extra_info("socket")
        if how == "speak":  # the kernel delivers on loopback before these calls return
            os.write(sock.fileno(), b"HTTP/1.1 408 Timeout\r\n\r\n")
        elif how == "close":
            sock.shutdown(socket.SHUT_RDWR)
        else:
            visit.reset()
            await asyncio.sleep(0)
        if seen:
            for _ in range(5):
                await asyncio.sleep(0)
        assert await (await post(client, server.url, b"two")).read(LIMIT) == b"two"
        assert [b"two" in request for request in server.requests] == [False, True]
        done.set()
    await client.aclose()


@pytest.mark.req("C-11")
async def test_many_kept_connections_are_replaced_after_a_restart(client: HttpClient) -> None:
    waiting = asyncio.Event()
    arrived = 0

    async def script(visit: Visit) -> None:
        nonlocal arrived
        while True:
            body = (await visit.request()).partition(b"\r\n\r\n")[2]
            arrived += 1
            if arrived == 20:
                waiting.set()
            await waiting.wait()
            await visit.answer(body)

    async with raw_server(script) as server:
        responses = await asyncio.gather(*(post(client, server.url) for _ in range(20)))
        for response in responses:
            await response.read(LIMIT)
        assert len(server.visits) == 20
        for visit in server.visits:
            visit.writer.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        for n in range(20):
            assert await (await post(client, server.url, b"%d" % n)).read(LIMIT) == b"%d" % n
        assert len(server.visits) == 21


# Ends.


async def test_a_cancelled_send_closes_its_connection(client: HttpClient) -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        asked.set()
        await visit.gone()

    asked = asyncio.Event()
    async with raw_server(script) as server:
        sending = asyncio.create_task(post(client, server.url))
        await asked.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await server.left.wait()


@pytest.mark.parametrize("turns", range(12))
async def test_a_send_that_is_cancelled_at_any_turn_leaves_nothing(turns: int) -> None:
    client = HttpClient()
    async with raw_server(echo) as server:
        sending = asyncio.create_task(post(client, server.url))
        for _ in range(turns):
            await asyncio.sleep(0)
        sending.cancel()
        await asyncio.wait([sending])
        if not sending.cancelled():
            await sending.result().aclose()
        del sending
        assert await (await post(client, server.url)).read(LIMIT) == BODY
        await client.aclose()
        for visit in server.visits:
            await visit.over.wait()


async def test_an_abandoned_response_closes_its_connection(client: HttpClient) -> None:
    async with raw_server(says(b"HTTP/1.1 200 OK\r\n\r\n", b"data: 1\n\n", then="wait")) as server:
        response = await post(client, server.url)
        assert await response.chunk() == b"data: 1\n\n"
        waiting = asyncio.create_task(response.chunk())
        await asyncio.sleep(0)
        await response.aclose()
        await response.aclose()
        with pytest.raises(Disconnected):
            await waiting
        with pytest.raises(Disconnected):
            await response.chunk()
        await server.left.wait()
        server.left.clear()
        response = await post(client, server.url)
        del response
        gc.collect()
        await server.left.wait()


async def test_a_cancelled_chunk_loses_nothing(client: HttpClient) -> None:
    go = asyncio.Event()

    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.say(b"HTTP/1.1 200 OK\r\n\r\n")
        await go.wait()
        await visit.say(b"late")

    async with raw_server(script) as server:
        response = await post(client, server.url)
        waiting = asyncio.create_task(response.chunk())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        go.set()
        assert await response.read(LIMIT) == b"late"


async def test_a_response_that_is_left_gives_its_connection_back_when_its_end_comes(client: HttpClient) -> None:
    async def script(visit: Visit) -> None:
        while True:
            await visit.request()
            await visit.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
            await read.wait()
            if b"hold" not in server.requests[-1]:
                await visit.say(b"0\r\n\r\n")

    read = asyncio.Event()
    async with raw_server(script) as server:
        for body in (b"one", b"hold", b"three"):
            read.clear()
            response = await post(client, server.url, body)
            assert await response.chunk() == b"abc"
            response.leave()
            read.set()
            while "closed" not in repr(response):
                await asyncio.sleep(0)
        await response.aclose()
        assert len(server.visits) == 2


@pytest.mark.parametrize("framing", [b"content-length: 9", b"transfer-encoding: chunked", b"connection: close"])
async def test_closing_the_client_wakes_who_reads_however_the_answer_is_framed(framing: bytes) -> None:
    client = HttpClient()
    async with raw_server(says(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n", then="wait")) as server:
        response = await post(client, server.url)
        reading = asyncio.create_task(response.chunk())
        await asyncio.sleep(0)
        await client.aclose()
        with pytest.raises(Disconnected):
            await reading


async def test_closing_the_client_ends_what_is_under_way_and_refuses_what_comes_later() -> None:
    client = HttpClient(connections=1)
    assert "unused" in repr(client)
    async with raw_server(says(b"HTTP/1.1 200 OK\r\n\r\n", then="wait")) as server:
        response = await post(client, server.url)
        reading = asyncio.create_task(response.read(LIMIT))
        queued = asyncio.create_task(post(client, server.url))
        for _ in range(3):
            await asyncio.sleep(0)
        assert "open" in repr(client)
        await client.aclose()
        await client.aclose()
        with pytest.raises(Disconnected):
            await reading
        with pytest.raises(Unsent, match="closed"):
            await queued
        with pytest.raises(Unsent, match="closed"):
            await post(client, server.url)
        assert "closed" in repr(client)
        await server.left.wait()


async def test_who_finds_no_free_connection_waits_for_one() -> None:
    client = HttpClient(connections=2)
    async with raw_server(echo) as server:
        bodies = [b"%d" % n for n in range(50)]

        async def one(body: bytes) -> bytes:
            return await (await post(client, server.url, body)).read(LIMIT)

        assert await asyncio.gather(*map(one, bodies)) == bodies
        assert len(server.visits) == 2
    await client.aclose()


async def test_a_thousand_exchanges_of_every_kind_leave_no_descriptor() -> None:
    async def script(visit: Visit) -> None:
        while True:
            body = (await visit.request())[-1:]
            if body == b"0":
                return visit.reset()
            if body == b"1":
                await visit.say(b"HTTP/1.1 200 OK\r\n\r\n")
                return await visit.gone()
            await visit.answer(body)

    async with raw_server(script) as server:
        before = descriptors()
        client = HttpClient()
        for n in range(1000):
            try:
                response = await post(client, server.url, b"%d" % (n % 4))
                if n % 4 != 1:
                    await response.read(LIMIT)
                await response.aclose()
            except Disconnected:
                pass
        await client.aclose()
        for visit in server.visits:
            await visit.over.wait()
            with contextlib.suppress(ConnectionError):
                await visit.writer.wait_closed()
        assert descriptors() <= before


def test_a_client_belongs_to_one_event_loop() -> None:
    client = HttpClient()

    async def use() -> None:
        async with raw_server(echo) as server:
            await (await post(client, server.url)).read(LIMIT)

    with asyncio.Runner() as first:
        first.run(use())
        with pytest.raises(DefinitionError, match="event loop"):
            run_in_thread(use)
        first.run(client.aclose())


def run_in_thread(use: object) -> None:
    found: list[BaseException] = []

    def body() -> None:
        try:
            asyncio.run(use())  # type: ignore[operator]
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    raise found[0]


# Proxies and TLS.


async def test_a_proxy_of_the_environment_is_used_only_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def proxy(visit: Visit) -> None:
        await visit.request()
        await visit.answer(b"from the proxy")

    async with raw_server(proxy) as there, raw_server(echo) as server:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{there.port}")
        monkeypatch.setenv("no_proxy", "localhost")
        for trust, url, expected in [
            (False, server.url, BODY),
            (True, server.url, b"from the proxy"),
            (True, server.url.replace("127.0.0.1", "localhost"), BODY),
        ]:
            client = HttpClient(trust_env=trust)
            assert await (await post(client, url)).read(LIMIT) == expected
            await client.aclose()
        assert there.requests[0].startswith(b"POST " + server.url.encode())


async def test_a_proxy_that_refuses_a_tunnel_is_unsent(monkeypatch: pytest.MonkeyPatch) -> None:
    async def proxy(visit: Visit) -> None:
        assert (await visit.request()).startswith(b"CONNECT name.invalid:443 ")
        await visit.answer(b"no", status=b"403 Forbidden")

    async with raw_server(proxy) as there:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{there.port}")
        client = HttpClient(trust_env=True)
        with pytest.raises(Unsent, match="status 403"):
            await post(client, "https://name.invalid/")
        assert b"CANARY" not in there.requests[0]
        await client.aclose()


class Certificate:
    """A certificate for one name, signed by itself, as files."""

    def __init__(self, folder: Path, name: str) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
        now = datetime.datetime.now(datetime.UTC)
        known: x509.GeneralName = x509.DNSName(name)
        with contextlib.suppress(ValueError):
            known = x509.IPAddress(ipaddress.ip_address(name))
        made = (
            x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([known]), critical=False)
            .sign(key, hashes.SHA256())
        )
        self.path = folder / f"{name}.pem"
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self.path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))


@asynccontextmanager
async def tls_server(certificate: Certificate, most: int = LIMIT) -> AsyncIterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.path)

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    app = web.Application(client_max_size=most)
    app.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    assert site._server is not None
    yield site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    await runner.cleanup()


@pytest.mark.req("C-09")
async def test_a_certificate_that_does_not_verify_is_unsent(tmp_path: Path) -> None:
    for name, trusted, fits in [("127.0.0.1", True, True), ("other.example", True, False), ("127.0.0.1", False, False)]:
        certificate = Certificate(tmp_path, name)
        client = HttpClient(tls=ssl.create_default_context(cafile=certificate.path) if trusted else None)
        async with tls_server(certificate) as port:
            if fits:
                for _ in range(3):
                    assert await (await post(client, f"https://127.0.0.1:{port}/")).read(LIMIT) == BODY
            else:
                with pytest.raises(Unsent, match="does not verify"):
                    await post(client, f"https://127.0.0.1:{port}/")
        await client.aclose()


async def test_tls_to_a_server_without_it_is_unsent(client: HttpClient) -> None:
    async with raw_server(says(b"HTTP/1.1 400 Bad\r\n\r\n")) as server:

        async def plain(visit: Visit) -> None:
            await visit.say(b"HTTP/1.1 400 Bad\r\n\r\n")

        async with raw_server(plain) as speaking:
            with pytest.raises(Unsent, match=r"TLS|no connection"):
                await post(client, f"https://127.0.0.1:{speaking.port}/")
        assert not server.requests


# Whole.


def test_a_request_loads_no_http_library_and_the_import_not_even_the_pool() -> None:
    code = (
        "import asyncio, sys; from dovetail.net import HttpClient; from dovetail.errors import Unsent\n"
        "client = HttpClient(); print([m for m in sys.modules if m.startswith('dovetail.net.http_pool')])\n"
        "try: asyncio.run(client.send('GET', 'http://127.0.0.1:1/', {}))\n"
        "except Unsent: print([m for m in ('aiohttp', 'httptools', 'yarl') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n") == ["[]", "[]", ""]


@pytest.mark.req("C-15")
@given(st.binary(max_size=200), st.booleans())
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_server_says_ends_in_an_answer_or_a_typed_error(said: bytes, starts: bool) -> None:
    async def ask() -> None:
        client = HttpClient()
        async with raw_server(says(b"HTTP/1.1 200 OK\r\n" * starts + said)) as server:
            try:
                await (await post(client, server.url)).read(LIMIT)
            except DovetailError:
                pass
            await client.aclose()

    asyncio.run(ask())
