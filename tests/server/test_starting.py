"""How a server starts: what cannot start is refused where it is written, or fails for everybody at once and whole."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from dovetail import Client, Server
from dovetail.core import Principal
from dovetail.errors import AuthRequired, DefinitionError
from dovetail.server.runtime import Runtime
from dovetail.store import MemoryStores
from tests.server.peers import Conversation, Http

SECRET = "hunter2"


async def hello() -> str:
    return "hello"


def greeting(**options: Any) -> Server:
    server = Server("greeting", **options)
    server.add_tool(hello)
    return server


# Lifespans.


async def no_yield(server: Server) -> int:
    return 3


def plain_generator(server: Server) -> Iterator[int]:
    yield 3


async def breaks(server: Server) -> AsyncIterator[None]:
    if server.name:
        raise OSError(SECRET)
    yield


@pytest.mark.parametrize(
    ("lifespan", "named"), [(no_yield, "no_yield"), (plain_generator, "plain_generator"), (3, "int"), ("x", "str")]
)
def test_what_is_no_lifespan_is_refused_where_it_is_given(lifespan: Any, named: str) -> None:
    with pytest.raises(DefinitionError, match=rf"lifespan.*{named}"):
        Server("it", lifespan=lifespan)


@contextlib.contextmanager
def plain_manager(server: Server) -> Iterator[int]:
    yield 3


def returns_something(server: Server) -> Any:
    return 3


class Noted(MemoryStores):
    """Stores that note whether they are open."""

    opened = False

    async def open(self) -> None:
        await super().open()
        self.opened = True

    async def aclose(self) -> None:
        await super().aclose()
        self.opened = False


def unwrapping(handler: Any) -> Any:
    return None


BROKEN: list[tuple[dict[str, Any], Any, str]] = [
    ({"lifespan": plain_manager}, None, "The lifespan of greeting returned no async context manager"),
    ({"lifespan": returns_something}, None, "The lifespan of greeting returned no async context manager"),
    ({"lifespan": breaks}, None, SECRET),
    ({}, unwrapping, "Middleware unwrapping returned no handler but a NoneType"),
]


@pytest.mark.parametrize(("options", "middleware", "why"), BROKEN)
async def test_in_memory_a_server_that_cannot_start_leaves_nobody_waiting_and_says_why(
    options: dict[str, Any], middleware: Any, why: str
) -> None:
    told: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(str(context["exception"])))
    server = greeting(**options)
    if middleware is not None:
        server.use(middleware)
    channel = server.connect()
    channel.send(b'{"jsonrpc":"2.0","id":1,"method":"ping"}')
    assert await asyncio.wait_for(channel.receive(), 5) is None
    await asyncio.sleep(0)
    assert told == [why]
    assert not server.running


@pytest.mark.req("S-25")
@pytest.mark.parametrize(("options", "middleware", "why"), BROKEN)
async def test_over_http_a_server_that_cannot_start_answers_each_request_and_keeps_why_in_the_log(
    options: dict[str, Any], middleware: Any, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    server = greeting(**options)
    if middleware is not None:
        server.use(middleware)
    http = Http(server.asgi())
    for _ in range(2):
        caplog.clear()
        response = await http.modern("tools/list")
        assert response.status == 500
        error = response.json["error"]
        assert error["code"] == -32603
        assert why not in str(error)
        assert error["data"]["reference"] in caplog.text
        assert why in caplog.text


@pytest.mark.parametrize(
    ("options", "said"),
    [({"lifespan": returns_something}, "returned no async context manager"), ({"lifespan": breaks}, "OSError")],
)
async def test_an_outer_server_is_told_that_it_did_not_start(options: dict[str, Any], said: str) -> None:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "lifespan.startup"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await greeting(**options).asgi()({"type": "lifespan"}, receive, send)
    assert [message["type"] for message in sent] == ["lifespan.startup.failed"]
    assert said in sent[0]["message"]
    assert SECRET not in sent[0]["message"]


async def test_an_outer_server_is_told_that_it_did_not_stop_cleanly() -> None:
    async def life(server: Server) -> AsyncIterator[None]:
        yield
        raise OSError(SECRET)

    sent: list[dict[str, Any]] = []
    stores = Noted()

    async def receive() -> dict[str, Any]:
        return {"type": "lifespan.startup"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await greeting(lifespan=life, stores=stores).asgi()({"type": "lifespan"}, receive, send)
    assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.failed"]
    assert sent[1]["message"] == "OSError"
    assert not stores.opened, "what else was open is closed"


async def test_what_was_opened_before_a_start_that_fails_is_closed_in_reverse() -> None:
    steps: list[str] = []

    async def first(server: Server) -> AsyncIterator[None]:
        steps.append("first begins")
        yield
        steps.append("first ends")

    stores = Noted()
    outer, inner = greeting(lifespan=first, stores=stores), Server("inner", lifespan=breaks)
    outer.mount(inner)
    runtime = Runtime(outer, stores)
    with pytest.raises(OSError, match=SECRET):
        await runtime.start()
    assert steps == ["first begins", "first ends"]
    assert not stores.opened
    assert runtime.loop is None and not outer.running
    await runtime.stop()


async def test_in_memory_those_who_come_at_once_share_one_start() -> None:
    steps: list[str] = []

    async def life(server: Server) -> AsyncIterator[None]:
        steps.append("begins")
        await asyncio.sleep(0)
        yield
        steps.append("ends")

    server = greeting(lifespan=life)
    clients = [Conversation(server) for _ in range(3)]
    await asyncio.gather(*(client.open() for client in clients))
    assert steps == ["begins"]
    for client in clients:
        await client.close()
    for _ in range(20):
        await asyncio.sleep(0)
    assert steps == ["begins", "ends"]


# Middleware.


async def async_middleware(handler: Any) -> Any:
    return handler


@pytest.mark.parametrize(
    "middleware", [5, None, lambda call, ctx: None, lambda: None, async_middleware, hello, {"a": 1}]
)
def test_what_is_no_middleware_is_refused_where_it_is_put_on(middleware: Any) -> None:
    server = greeting()
    with pytest.raises(DefinitionError, match=r"takes a handler and returns one: .def middleware\(handler\)"):
        server.use(middleware)
    assert not server.middleware


class Wrapping:
    """Middleware as a class: made with the handler, called with the call."""

    def __init__(self, handler: Any, more: int = 1) -> None:
        self.handler = handler

    async def __call__(self, call: Any, context: Any) -> Any:
        return await self.handler(call, context)


@pytest.mark.parametrize("middleware", [Wrapping, lambda handler: handler, lambda handler, more=1: Wrapping(handler)])
async def test_whatever_takes_a_handler_is_middleware(middleware: Any) -> None:
    server = greeting()
    server.use(middleware)
    response = await Http(server.asgi()).modern("tools/call", {"name": "hello"})
    assert response.json["result"]["content"][0]["text"] == "hello"


# Who calls.


async def answer(identify: Any, path: str = "/mcp") -> Any:
    http = Http(greeting(identify=identify).asgi())
    if path == "/mcp":
        return await http.modern("tools/call", {"name": "hello"})
    return await http.request("GET", path=path)


ALICE = Principal(key="alice", bucket="alice")


async def test_who_calls_may_be_found_out_with_waiting() -> None:
    async def identify(scope: Any, headers: Mapping[bytes, bytes]) -> Principal | None:
        await asyncio.sleep(0)
        return ALICE if headers.get(b"authorization") == b"a" else None

    server = greeting(identify=identify)

    @server.tool
    async def who() -> str:
        from dovetail import get_context

        return get_context().principal.key

    http = Http(server.asgi())
    for given, key in (("a", "alice"), ("b", "")):
        response = await http.modern("tools/call", {"name": "who"}, headers={"authorization": given})
        assert response.json["result"]["content"][0]["text"] == key


def raising(scope: Any, headers: Any) -> Principal | None:
    raise KeyError(SECRET)


async def raising_later(scope: Any, headers: Any) -> Principal | None:
    raise KeyError(SECRET)


def a_name(scope: Any, headers: Any) -> Any:
    return SECRET


async def a_name_later(scope: Any, headers: Any) -> Any:
    return SECRET


@pytest.mark.req("S-25")
@pytest.mark.parametrize("path", ["/mcp", "/sse"])
@pytest.mark.parametrize("identify", [raising, raising_later, a_name, a_name_later])
async def test_when_nobody_can_say_who_calls_the_call_is_refused_and_the_cause_is_logged(
    identify: Any, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    response = await answer(identify, path)
    assert response.status == 500
    error = response.json["error"]
    assert error["code"] == -32603
    assert SECRET not in str(error)
    assert error["data"]["reference"] in caplog.text


@pytest.mark.parametrize("path", ["/mcp", "/sse"])
async def test_who_is_turned_away_hears_that_credentials_are_missing(path: str) -> None:
    def identify(scope: Any, headers: Any) -> Principal:
        raise AuthRequired("A token is needed")

    response = await answer(identify, path)
    assert response.status == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.json["error"] == {"code": -32600, "message": "A token is needed"}


def test_what_a_server_is_written_with_is_at_the_top() -> None:
    import dovetail

    for name in ("Rate", "Principal", "CapabilityMissing", "AuthRequired", "ToolError", "Context"):
        assert getattr(dovetail, name).__name__ == name


async def test_a_client_in_memory_that_leaves_last_waits_for_the_lifespan_to_end() -> None:
    went: list[str] = []

    @asynccontextmanager
    async def life(_: Server) -> AsyncIterator[None]:
        yield
        await asyncio.sleep(0)
        await asyncio.to_thread(went.append, "closed")

    app = Server("x", lifespan=life)
    async with Client(app):
        async with Client(app):
            pass
        assert went == []
    assert went == ["closed"]
