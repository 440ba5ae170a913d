"""The client's side of HTTP with SSE: one origin, one endpoint, messages in order, and an end that says why."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import pytest

from dovetail.core import Oversize
from dovetail.errors import AuthRequired, Disconnected, DovetailError, HttpFailure, ProtocolViolation
from dovetail.net import HttpClient, Response, SseChannel, open_sse
from dovetail.wire import DEFAULT_LIMITS, Limits
from tests.net.both_loops import both_loops
from tests.net.raw_server import RawServer, Visit, raw_server

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n"
ENDPOINT = b"event: endpoint\r\ndata: /messages?session=1\r\n\r\n"
HEADERS = {"X-Key": "secret"}
ACCEPTED = b"HTTP/1.1 202 Accepted\r\ncontent-length: 8\r\n\r\nAccepted"


class Server:
    """A server of that transport: what it was told, and a way to say something."""

    def __init__(self, raw: RawServer) -> None:
        self.raw = raw
        self.streams: list[Visit] = []
        self.posted: list[bytes] = []
        self.came = asyncio.Event()
        self.answer: Callable[[Visit, bytes], Awaitable[None]] = self.accept

    @property
    def url(self) -> str:
        return self.raw.url

    async def accept(self, visit: Visit, body: bytes) -> None:
        await visit.say(ACCEPTED)

    async def say(self, *events: bytes) -> None:
        await self.streams[-1].say(*events)

    async def posts(self, count: int) -> list[bytes]:
        while len(self.posted) < count:
            self.came.clear()
            await self.came.wait()
        return self.posted


@contextlib.asynccontextmanager
async def server(opening: bytes = HEAD + ENDPOINT) -> AsyncIterator[Server]:
    async def script(visit: Visit) -> None:
        while True:
            request = await visit.request()
            if request.startswith(b"GET"):
                made.streams.append(visit)
                await visit.say(opening)
                return await visit.gone()
            made.posted.append(request.partition(b"\r\n\r\n")[2])
            made.came.set()
            await made.answer(visit, made.posted[-1])

    async with raw_server(script) as raw:
        made = Server(raw)
        yield made


@contextlib.asynccontextmanager
async def opened(there: Server, limits: Limits = DEFAULT_LIMITS) -> AsyncIterator[SseChannel]:
    channel = await open_sse(HttpClient(), there.url, HEADERS, limits, owned=True)
    try:
        yield channel
    finally:
        await channel.aclose()


@both_loops
async def test_messages_go_by_post_and_come_by_the_stream() -> None:
    async with server() as there, opened(there) as channel:
        channel.send(b'{"a":\n1}')
        assert await there.posts(1) == [b'{"a":\n1}']
        await there.say(b'event: message\ndata: {"b":\ndata: 1}\n\n', b": keep-alive\n\n", b"data: {}\n\n")
        assert [await channel.receive(), await channel.receive()] == [b'{"b":\n1}', b"{}"]
        get, post = there.raw.requests
        assert get.startswith(b"GET /mcp HTTP/1.1\r\n") and b"\r\naccept: text/event-stream\r\n" in get
        assert post.startswith(b"POST /messages?session=1 HTTP/1.1\r\n")
        assert b"\r\ncontent-type: application/json\r\n" in post
        assert all(b"\r\nx-key: secret\r\n" in request for request in (get, post))
        assert "open" in repr(channel)
    assert "closed" in repr(channel)
    await there.raw.left.wait()


async def test_a_message_that_comes_with_the_endpoint_is_not_lost() -> None:
    async with server(HEAD + ENDPOINT + b"data: early\n\n") as there, opened(there) as channel:
        assert await channel.receive() == b"early"


@pytest.mark.req("C-09")
@pytest.mark.parametrize(
    "named",
    [
        "http://other.example/messages", "https://127.0.0.1:{port}/messages", "//other.example/messages",
        "http://127.0.0.1:1/messages", "http://localhost:{port}/x", "http://user:pass@127.0.0.1:{port}/x",
        "http://127.0.0.1:{port}@other.example/", "http://127.0.0.1:{port}.other.example/", "javascript:alert(1)",
        "file:///etc/passwd", "http://[", "http://127.0.0.1:{port}\\@other.example/", "/a b", "\u0430",
    ],
)  # fmt: skip
async def test_an_endpoint_on_another_origin_is_refused(named: str) -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.say(HEAD, f"event: endpoint\ndata: {named.format(port=raw.port)}\n\n".encode())
        await visit.gone()

    client = HttpClient()
    async with raw_server(script) as raw:
        with pytest.raises(ProtocolViolation, match="endpoint"):
            await open_sse(client, raw.url, HEADERS)
        await raw.left.wait()
        assert len(raw.requests) == 1
    await client.aclose()


@pytest.mark.parametrize(
    ("named", "target"),
    [
        ("messages", b"POST /messages "),
        ("?session=2", b"POST /mcp?session=2 "),
        ("../x", b"POST /x "),
        ("/a%2Fb?c=%20", b"POST /a%2Fb?c=%20 "),
        ("http://127.0.0.1:{port}/whole", b"POST /whole "),
        ("HTTP://127.0.0.1:{port}/whole#part", b"POST /whole "),
    ],
)
async def test_an_endpoint_may_be_relative_or_whole(named: str, target: bytes) -> None:
    async def script(visit: Visit) -> None:
        if (await visit.request()).startswith(b"GET"):
            await visit.say(HEAD, f"event: endpoint\ndata: {named.format(port=raw.port)}\n\n".encode())
            await visit.gone()
        else:
            await visit.say(ACCEPTED)
            done.set()

    done = asyncio.Event()
    async with raw_server(script) as raw:
        channel = await open_sse(HttpClient(), raw.url, {}, owned=True)
        channel.send(b"{}")
        await done.wait()
        assert raw.requests[1].startswith(target)
        await channel.aclose()


@pytest.mark.req("C-09")
async def test_an_endpoint_is_named_once() -> None:
    async with server() as there, opened(there) as channel:
        await there.say(b"event: endpoint\ndata: /elsewhere\n\n", b"event: other\ndata: x\n\n", b"data: {}\n\n")
        assert await channel.receive() == b"{}"
        channel.send(b"1")
        await there.posts(1)
        assert there.raw.requests[1].startswith(b"POST /messages?session=1 ")


@pytest.mark.req("C-15")
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"HTTP/1.1 401 x\r\nwww-authenticate: Bearer\r\ncontent-length: 0\r\n\r\n", AuthRequired),
        (b"HTTP/1.1 404 x\r\ncontent-length: 0\r\n\r\n", HttpFailure),
        (b"HTTP/1.1 302 x\r\nlocation: /sse\r\ncontent-length: 0\r\n\r\n", HttpFailure),
        (b"HTTP/1.1 204 x\r\n\r\n", HttpFailure),
        (b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}", ProtocolViolation),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", ProtocolViolation),
        (b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\n\r\nx", ProtocolViolation),
        (HEAD + b"data: {}\n\n", ProtocolViolation),
        (HEAD + b"data: " + b"x" * 2000 + b"\n\n", ProtocolViolation),
        (HEAD, Disconnected),
        (HEAD + b"event: endpoint\ndata: /x\n", Disconnected),
        (b"", Disconnected),
    ],
)  # fmt: skip
async def test_what_is_no_such_stream_is_a_typed_error(answer: bytes, error: type[DovetailError]) -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.say(answer)

    client = HttpClient()
    async with raw_server(script) as raw:
        with pytest.raises(error):
            await open_sse(client, raw.url, HEADERS, Limits(line=1000))
    await client.aclose()


async def test_opening_that_is_cancelled_closes_its_connection() -> None:
    client = HttpClient()
    async with server(HEAD) as there:
        opening = asyncio.create_task(open_sse(client, there.url, HEADERS))
        while not there.streams:
            await asyncio.sleep(0)
        for _ in range(10):
            await asyncio.sleep(0)
        opening.cancel()
        await asyncio.wait([opening])
        await there.raw.left.wait()
    await client.aclose()


async def test_posts_begin_in_the_order_of_send() -> None:
    async with server() as there, opened(there) as channel:
        for n in range(100):
            channel.send(b"%d" % n)
        assert await there.posts(100) == [b"%d" % n for n in range(100)]
        assert len(there.raw.visits) == 2  # the stream, and one that was kept


async def test_a_server_that_answers_a_post_once_the_work_is_done_does_not_hold_up_the_next() -> None:
    async def hold(visit: Visit, body: bytes) -> None:
        if body == b"call":
            await there.say(b"data: question\n\n")
            await answered.wait()
        else:
            answered.set()
        await visit.say(ACCEPTED)

    answered = asyncio.Event()
    async with server() as there, opened(there) as channel:
        there.answer = hold
        channel.send(b"call")
        assert await channel.receive() == b"question"
        channel.send(b"answer")
        await answered.wait()


@pytest.mark.req("C-15")
@pytest.mark.parametrize("status", [400, 401, 404, 302, 500])
async def test_a_message_that_is_refused_ends_the_channel_with_the_status(status: int) -> None:
    async def refuse(visit: Visit, body: bytes) -> None:
        await visit.answer(b"no", status=b"%d x" % status)

    async with server() as there, opened(there) as channel:
        there.answer = refuse
        channel.send(b"call")
        assert await channel.receive() is None
        assert isinstance(channel.failure, Disconnected)
        with pytest.raises(Disconnected, match=f"status {status}"):
            channel.send(b"late")
        with pytest.raises(Disconnected, match=f"status {status}"):
            await channel.drain()


async def test_a_post_that_breaks_ends_the_channel() -> None:
    async def reset(visit: Visit, body: bytes) -> None:
        visit.reset()

    async with server() as there, opened(there) as channel:
        there.answer = reset
        channel.send(b"call")
        assert await channel.receive() is None
        with pytest.raises(Disconnected):
            channel.send(b"late")


async def test_the_end_of_the_stream_is_the_end_of_the_channel() -> None:
    async with server() as there, opened(there) as channel:
        await there.say(b"data: last\n\n", b"data: half\n")
        there.streams[0].writer.write_eof()
        assert [await channel.receive() for _ in range(3)] == [b"last", None, None]
        assert channel.failure is None
        with pytest.raises(Disconnected):
            channel.send(b"late")
        assert "ended" in repr(channel)


async def test_a_stream_that_is_reset_is_an_end_with_a_reason() -> None:
    async with server() as there, opened(there) as channel:
        there.streams[0].reset()
        assert await channel.receive() is None
        assert isinstance(channel.failure, Disconnected)


async def test_an_event_over_the_limit_is_reported_and_the_stream_goes_on() -> None:
    async with server() as there, opened(there, Limits(line=1000)) as channel:
        await there.say(b"data: one\n\ndata: " + b"x" * 2000 + b"\n\ndata: two\n\n")
        found = [await channel.receive() for _ in range(3)]
        assert sorted(map(str, found)) == sorted(map(str, [Oversize(1001), b"one", b"two"]))


async def test_a_cancelled_receive_loses_no_message() -> None:
    async with server() as there, opened(there) as channel:
        waiting = asyncio.create_task(channel.receive())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        await there.say(b"data: 1\n\ndata: 2\n\n")
        assert [await channel.receive(), await channel.receive()] == [b"1", b"2"]


async def test_closing_wakes_who_receives_and_sends_what_is_pending() -> None:
    async with server() as there:
        async with opened(there) as channel:
            waiting = asyncio.create_task(channel.receive())
            for n in range(10):
                channel.send(b"%d" % n)
            await channel.aclose()
            await channel.aclose()
            assert await waiting is None
            assert channel.failure is None
            assert there.posted == [b"%d" % n for n in range(10)]
            with pytest.raises(Disconnected, match="closed"):
                channel.send(b"late")


async def test_closing_does_not_wait_longer_than_its_limit_for_a_server_that_hangs() -> None:
    async def hang(visit: Visit, body: bytes) -> None:
        await visit.gone()

    async with server() as there:
        channel = await open_sse(HttpClient(), there.url, HEADERS, Limits(write_seconds=0.05), owned=True)
        there.answer = hang
        for n in range(200):
            channel.send(b"%d" % n)
        await there.posts(1)
        await channel.aclose()


async def test_draining_waits_until_most_was_taken() -> None:
    async def wait(visit: Visit, body: bytes) -> None:
        await go.wait()
        await visit.say(ACCEPTED)

    go = asyncio.Event()
    async with server() as there, opened(there) as channel:
        there.answer = wait
        await channel.drain()
        for _ in range(20):
            channel.send(b"z" * 100_000)
        draining = asyncio.create_task(channel.drain())
        await there.posts(1)
        assert not draining.done()
        go.set()
        await draining
        assert "unsent" in repr(channel)
        assert len(await there.posts(15)) >= 15


async def test_a_closed_channel_releases_who_drains() -> None:
    async def hang(visit: Visit, body: bytes) -> None:
        await visit.gone()

    async with server() as there:
        channel = await open_sse(HttpClient(), there.url, HEADERS, Limits(write_seconds=0.01), owned=True)
        there.answer = hang
        channel.send(b"z" * 2_000_000)
        draining = asyncio.create_task(channel.drain())
        await there.posts(1)
        await channel.aclose()
        with pytest.raises(Disconnected):
            await draining


async def test_header_fields_can_be_made_for_each_request() -> None:
    asked: list[tuple[str, str]] = []

    async def make(method: str, url: str) -> Mapping[str, str]:
        asked.append((method, url))
        return {"Authorization": f"Bearer {len(asked)}"}

    client = HttpClient()
    async with server() as there:
        channel = await open_sse(client, there.url, make)
        channel.send(b"1")
        await there.posts(1)
        await channel.aclose()
        assert asked == [("GET", there.url), ("POST", there.url.replace("/mcp", "/messages?session=1"))]
        assert [b"authorization: Bearer %d\r\n" % n in r for n, r in enumerate(there.raw.requests, 1)] == [True, True]
    assert "open" in repr(client)
    await client.aclose()


async def test_something_else_can_send_the_requests() -> None:
    class Patient:
        """Sends again what was answered with 401."""

        def __init__(self) -> None:
            self.client = HttpClient()
            self.times = 0

        async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Response:
            self.times += 1
            return await self.client.send(method, url, {**headers, "authorization": "x"}, body)

        async def aclose(self) -> None:
            await self.client.aclose()

    patient = Patient()
    async with server() as there:
        channel = await open_sse(patient, there.url, HEADERS, owned=True)
        channel.send(b"1")
        await there.posts(1)
        await channel.aclose()
    assert patient.times == 2
    assert "closed" in repr(patient.client)
