"""The cache of a client: a server is asked again when its hints want that, and nobody gets what is somebody else's."""

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping, MutableMapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dovetail import Client
from dovetail.client import Caching
from dovetail.client.options import Retry
from dovetail.core import Cached, Place, ResponseStore
from dovetail.errors import (
    AuthRequired,
    DefinitionError,
    Disconnected,
    PeerError,
    ProtocolViolation,
    StoreUnusable,
    Timeout,
)
from dovetail.store import MemoryCache, SqliteCache
from dovetail.wire import Limits
from tests.client.scripted import Json, Reply, Scripted, text
from tests.client.serving import serving
from tests.client.test_client import shop as real_shop

NEW = "2026-07-28"
ONCE = Retry(attempts=1)
pytestmark = pytest.mark.req("C-10")


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def hints(ttl: Any = 60_000, scope: str = "private") -> Json:
    return {"ttlMs": ttl, "cacheScope": scope, "resultType": "complete"}


def tools(*names: str, **more: Any) -> Json:
    return {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in names], **hints(), **more}


def contents(uri: str, body: str, **more: Any) -> Json:
    return {"contents": [{"uri": uri, "text": body}], **hints(), **more}


def counting(server: Scripted, request: Json) -> None:
    """Answer each time with something else."""
    server.answer(request, tools(f"tool-{len(server.of('tools/list'))}"))


def reading(server: Scripted, request: Json) -> None:
    uri = request["params"]["uri"]
    server.answer(request, contents(uri, f"{uri} {len(server.of('resources/read'))}"))


def shop(version: str = NEW, **replies: Reply) -> Scripted:
    return Scripted(version, **{"tools_list": counting, "resources_read": reading, **replies})


async def listed(client: Client, **options: Any) -> str:
    return " ".join(tool.name for tool in await client.list_tools(**options))


async def read(client: Client, uri: str, **options: Any) -> str:
    (found,) = (await client.read_resource(uri, **options)).contents
    return str(getattr(found, "text", ""))


def caching(clock: Clock, **more: Any) -> Caching:
    return Caching(store=MemoryCache(clock=clock), **more)


async def test_what_is_fresh_is_not_asked_for_again_and_what_is_not_any_more_is(clock: Clock) -> None:
    server = shop()
    async with Client(server, cache=caching(clock)) as client:
        assert await listed(client) == "tool-1"
        clock.now += 59.9
        assert await listed(client) == "tool-1"
        clock.now += 0.1
        assert await listed(client) == "tool-2"
        assert await read(client, "n:a") == "n:a 1"
        assert await read(client, "n:b") == "n:b 2"
        assert await read(client, "n:a") == "n:a 1"


async def test_a_client_without_a_cache_asks_each_time() -> None:
    for client in (Client(shop()), Client(shop(), cache=False)):
        async with client:
            assert [await listed(client) for _ in range(2)] == ["tool-1", "tool-2"]


async def test_true_is_a_cache_in_memory() -> None:
    async with Client(shop(), cache=True) as client:
        assert [await listed(client) for _ in range(2)] == ["tool-1", "tool-1"]


async def test_the_limits_of_the_client_are_those_of_its_cache() -> None:
    for limits in (Limits(cache_entries=0), Limits(cache_bytes=10), Limits(cache_seconds=0.0)):
        async with Client(shop(), cache=True, limits=limits) as client:
            assert [await listed(client) for _ in range(2)] == ["tool-1", "tool-2"]


async def test_a_list_that_was_given_out_is_the_callers_own(clock: Clock) -> None:
    async with Client(shop(), cache=caching(clock)) as client:
        (await client.list_tools()).clear()
        assert await listed(client) == "tool-1"


@pytest.mark.parametrize("ttl", [0, -5, None])
async def test_what_no_hint_allows_is_asked_for_each_time(clock: Clock, ttl: int | None) -> None:
    def unhinted(server: Scripted, request: Json) -> None:
        server.answer(request, tools(f"tool-{len(server.of('tools/list'))}", ttlMs=ttl))

    async with Client(shop(tools_list=unhinted), cache=caching(clock)) as client:
        assert [await listed(client) for _ in range(2)] == ["tool-1", "tool-2"]


async def test_a_revision_without_hints_has_none_whatever_its_servers_say(clock: Clock) -> None:
    async with Client(shop("2025-11-25"), cache=caching(clock, stale_if_error=60.0)) as client:
        assert [await listed(client) for _ in range(2)] == ["tool-1", "tool-2"]


async def test_only_the_same_parameters_find_a_result(clock: Clock) -> None:
    async with Client(shop(), cache=caching(clock)) as client:
        assert await read(client, "n:a") == "n:a 1"
        assert await read(client, "n:a", meta={"example.com/tenant": "x"}) == "n:a 2"
        assert await read(client, "n:a", meta={"example.com/tenant": "y"}) == "n:a 3"
        assert await read(client, "n:a", meta={"example.com/tenant": "x"}) == "n:a 2"
        trace = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
        assert await read(client, "n:a", meta=trace) == "n:a 1"


async def test_header_fields_and_principals_of_one_call_pass_the_cache_by(clock: Clock) -> None:
    async with Client(shop(), cache=caching(clock)) as client:
        assert await listed(client) == "tool-1"
        assert await listed(client, headers={"x-tenant": "other"}) == "tool-2"
        assert await listed(client, principal="other") == "tool-3"
        assert await listed(client) == "tool-1"


async def test_who_wants_it_fresh_asks_the_server_and_the_others_have_that_too(clock: Clock) -> None:
    async with Client(shop(), cache=caching(clock)) as client:
        assert await listed(client) == "tool-1"
        clock.now += 1
        assert await listed(client, fresh=True) == "tool-2"
        assert await listed(client) == "tool-2"


async def test_what_anybody_asks_by_hand_and_signs_of_life_are_never_from_the_cache(clock: Clock) -> None:
    server = shop()
    async with Client(server, cache=caching(clock)) as client:
        await client.request("tools/list")
        await client.request("tools/list")
        assert len(server.of("tools/list")) == 2
        before = len(server.of("server/discover"))
        await client.ping()
        await client.ping()
        assert len(server.of("server/discover")) == before + 2


async def test_a_closed_client_has_nothing_to_give(clock: Clock) -> None:
    client = Client(shop(), cache=caching(clock, stale_if_error=60.0), retry=ONCE)
    await client.connect()
    await listed(client)
    await client.aclose()
    with pytest.raises(Disconnected, match="not open"):
        await listed(client)


# Requests under way.


class Held:
    """Answers when a test says so."""

    def __init__(self) -> None:
        self.requests: list[Json] = []

    def __call__(self, server: Scripted, request: Json) -> None:
        self.requests.append(request)


async def test_equal_requests_under_way_are_one() -> None:
    held = Held()
    server = shop(resources_read=held)
    async with Client(server, cache=True) as client:
        tasks = [asyncio.create_task(read(client, uri)) for uri in ("n:a", "n:a", "n:a", "n:b")]
        await server.until("resources/read", 2)
        tasks[0].cancel()
        for request in held.requests:
            server.answer(request, contents(request["params"]["uri"], request["params"]["uri"], ttlMs=0))
        assert await asyncio.gather(*tasks[1:]) == ["n:a", "n:a", "n:b"]
        assert len(held.requests) == 2


async def test_when_the_last_who_waits_gives_up_the_server_is_told() -> None:
    server = shop(resources_read=Held())
    async with Client(server, cache=True) as client:
        tasks = [asyncio.create_task(read(client, "n:a")) for _ in range(2)]
        await server.until("resources/read")
        for task in tasks:
            task.cancel()
        assert (await server.until("notifications/cancelled"))["params"]["requestId"] is not None


async def test_who_wants_to_hear_of_progress_asks_by_himself() -> None:
    heard: list[float] = []

    def progressing(server: Scripted, request: Json) -> None:
        token = request["params"]["_meta"].get("progressToken")
        if token is None:
            return
        server.say({"method": "notifications/progress", "params": {"progressToken": token, "progress": 5}, **RPC})
        reading(server, request)

    server = shop(resources_read=progressing)
    async with Client(server, cache=True) as client:
        silent = asyncio.create_task(read(client, "n:a"))
        await server.until("resources/read")
        assert await read(client, "n:a", on_progress=lambda told: heard.append(told.progress)) == "n:a 2"
        assert heard == [5]
        assert await silent == "n:a 2" if silent.done() else silent.cancel()
        assert await read(client, "n:a", on_progress=lambda told: heard.append(told.progress)) == "n:a 2"
        assert heard == [5], "what is kept makes no progress"


RPC: Json = {"jsonrpc": "2.0"}


# Stale results.


async def test_a_stale_result_serves_while_it_is_fetched_anew(clock: Clock) -> None:
    server = shop()
    async with Client(server, cache=caching(clock, stale_while_revalidate=30.0)) as client:
        assert await listed(client) == "tool-1"
        clock.now += 70
        assert [await listed(client) for _ in range(2)] == ["tool-1", "tool-1"]
        await server.until("tools/list", 2)
        while await listed(client) == "tool-1":  # the answer is on its way
            await asyncio.sleep(0)
        assert await listed(client) == "tool-2"
        assert len(server.of("tools/list")) == 2
        await client.ping()  # what fetched it has ended
        clock.now += 90
        assert await listed(client) == "tool-3", "too stale to serve"


async def test_closing_ends_what_is_fetched_for_nobody(clock: Clock) -> None:
    server = shop()
    async with Client(server, cache=caching(clock, stale_while_revalidate=30.0)) as client:
        await listed(client)
        server.replies["tools_list"] = Held()
        clock.now += 70
        await listed(client)
        await server.until("tools/list", 2)
    assert [task.get_name() for task in asyncio.all_tasks() if task.get_name() == "dovetail: fetching"] == []


def refusing(code: int) -> Reply:
    return lambda server, request: server.refuse(request, code)


async def test_a_stale_result_serves_while_the_server_cannot_answer(clock: Clock) -> None:
    server = shop()
    async with Client(server, cache=caching(clock, stale_if_error=30.0), retry=ONCE) as client:
        assert await read(client, "n:a") == "n:a 1"
        clock.now += 70
        server.replies["resources_read"] = refusing(-32603)
        assert await read(client, "n:a") == "n:a 1"
        server.replies["resources_read"] = refusing(-32602)
        with pytest.raises(PeerError):
            await read(client, "n:a")
        server.replies["resources_read"] = refusing(-32603)
        clock.now += 20
        with pytest.raises(PeerError):
            await read(client, "n:a")


async def test_an_error_is_never_kept(clock: Clock) -> None:
    server = shop(resources_read=refusing(-32603))
    async with Client(server, cache=caching(clock), retry=ONCE) as client:
        with pytest.raises(PeerError):
            await read(client, "n:a")
        server.replies["resources_read"] = reading
        assert await read(client, "n:a") == "n:a 2"


@pytest.mark.parametrize("result", [5, [], None, {"contents": 5, **hints()}, {**hints()}])
async def test_what_cannot_be_read_is_an_error_each_time_and_never_kept(clock: Clock, result: Any) -> None:
    server = shop(resources_read=lambda server, request: server.answer(request, result))
    async with Client(server, cache=caching(clock, stale_if_error=60.0)) as client:
        for _ in range(2):
            with pytest.raises(ProtocolViolation):
                await read(client, "n:a")
        server.replies["resources_read"] = reading
        assert await read(client, "n:a") == "n:a 3"


async def test_a_server_that_is_gone_is_answered_for(clock: Clock) -> None:
    app = Tokens()
    async with serving(app) as url:
        client = await Client(
            url, cache=caching(clock, stale_if_error=30.0), retry=Retry(attempts=2, first=0.001), opening=5.0
        ).connect()
        assert await read(client, "n:a") == "- 1"
    clock.now += 70
    assert await read(client, "n:a") == "- 1"
    with pytest.raises(Disconnected):
        await read(client, "n:b")
    await client.aclose()


# Change notices.


def acknowledging(server: Scripted, request: Json) -> None:
    notice(server, request, "subscriptions/acknowledged", notifications=request["params"]["notifications"])


def notice(server: Scripted, stream: Json, method: str, **params: Any) -> None:
    meta = {"io.modelcontextprotocol/subscriptionId": stream["id"]}
    server.say({**RPC, "method": f"notifications/{method}", "params": {"_meta": meta, **params}})


async def test_a_change_notice_makes_a_result_stale_before_anybody_hears_of_it(clock: Clock) -> None:
    server = shop(subscriptions_listen=acknowledging)
    stale = {"stale_while_revalidate": 100.0, "stale_if_error": 100.0}
    async with (
        Client(server, cache=caching(clock, **stale)) as client,
        client.listen(tools=True, resources=["n:a"]) as changes,
    ):
        assert (await listed(client), await read(client, "n:a"), await read(client, "n:b")) == (
            "tool-1",
            "n:a 1",
            "n:b 2",
        )
        stream = server.of("subscriptions/listen")[-1]
        clock.now += 1
        notice(server, stream, "tools/list_changed")
        assert (await anext(changes)).kind == "tools"
        clock.now += 1
        assert await listed(client) == "tool-2"
        assert await read(client, "n:a") == "n:a 1"
        notice(server, stream, "resources/updated", uri="n:a")
        assert (await anext(changes)).uri == "n:a"
        clock.now += 1
        assert await read(client, "n:a") == "n:a 3"
        assert await read(client, "n:b") == "n:b 2"
        assert await listed(client) == "tool-2"


async def test_a_notice_that_names_no_stream_of_ours_changes_nothing(clock: Clock) -> None:
    server = shop()
    async with Client(server, cache=caching(clock)) as client:
        await listed(client)
        clock.now += 1
        server.say({**RPC, "method": "notifications/tools/list_changed"})
        await client.ping()
        assert await listed(client) == "tool-1"


async def test_what_was_under_way_when_a_notice_came_is_neither_kept_nor_joined(clock: Clock) -> None:
    held = Held()
    server = shop(subscriptions_listen=acknowledging, tools_list=held)
    async with Client(server, cache=caching(clock)) as client, client.listen(tools=True) as changes:
        early = asyncio.create_task(listed(client))
        await server.until("tools/list")
        clock.now += 1
        notice(server, server.of("subscriptions/listen")[-1], "tools/list_changed")
        await anext(changes)
        clock.now += 1
        late = asyncio.create_task(listed(client))
        await server.until("tools/list", 2)
        server.answer(held.requests[1], tools("new"))
        assert await late == "new"
        server.answer(held.requests[0], tools("old"))
        assert await early == "old"
        assert await listed(client) == "new"


async def test_a_stream_that_broke_makes_everything_stale(clock: Clock) -> None:
    server = shop(subscriptions_listen=acknowledging)
    soon = Retry(first=0.001, longest=0.01)
    async with Client(server, cache=caching(clock), retry=soon) as client, client.listen(tools=True) as changes:
        assert await listed(client) == "tool-1"
        clock.now += 1
        server.answer(server.of("subscriptions/listen")[-1], {"resultType": "complete"})
        assert (await anext(changes)).kind == "reopened"
        clock.now += 1
        assert await listed(client) == "tool-2"


async def test_an_unexpected_refusal_of_a_call_makes_the_list_be_asked_for_again(clock: Clock) -> None:
    server = shop(tools_call=refusing(-32602))
    async with Client(server, cache=caching(clock)) as client:
        assert await listed(client) == "tool-1"
        clock.now += 1
        with pytest.raises(PeerError):
            await client.call_tool("tool-1")
        clock.now += 1
        assert await listed(client) == "tool-2"
        server.replies["tools_call"] = lambda server, request: server.answer(request, text("fine"))
        assert (await client.call_tool("tool-2")).text == "fine"
        assert await listed(client) == "tool-2"


# Questions in between.


async def test_what_answers_to_questions_brought_is_not_kept_and_for_nobody_else(clock: Clock) -> None:
    asked = 0

    def asking(server: Scripted, request: Json) -> None:
        params = request["params"]
        if "inputResponses" not in params:
            form = {"message": "Who?", "requestedSchema": {"type": "object", "properties": {}}}
            question = {"method": "elicitation/create", "params": form}
            server.answer(
                request, {"resultType": "input_required", "inputRequests": {"q": question}, "requestState": "s"}
            )
        else:
            server.answer(request, contents(params["uri"], params["inputResponses"]["q"]["content"]["name"]))

    def on_elicit(_: Any) -> Json:
        nonlocal asked
        asked += 1
        return {"name": f"answer {asked}"}

    async with Client(shop(resources_read=asking), cache=caching(clock), on_elicit=on_elicit) as client:
        both = await asyncio.gather(read(client, "n:a"), read(client, "n:a"))
        assert sorted(both) == ["answer 1", "answer 2"]
        assert await read(client, "n:a") == "answer 3"


# Pages.


class Paged:
    """A list of three pages, of the generation that a test says."""

    def __init__(self) -> None:
        self.generation = 1
        self.ttl = [60_000, 10_000, 60_000]
        self.asked: list[str] = []
        self.refused = ""

    def __call__(self, server: Scripted, request: Json) -> None:
        cursor = request["params"].get("cursor", "0")
        self.asked.append(cursor)
        if cursor == self.refused:
            server.refuse(request, -32602, "There is no such cursor")
            return
        number = int(cursor)
        more = {} if number == 2 else {"nextCursor": str(number + 1)}
        server.answer(request, tools(f"{number}.{self.generation}", ttlMs=self.ttl[number], **more))


async def test_a_list_is_kept_whole_and_never_has_pages_of_two_times(clock: Clock) -> None:
    paged = Paged()
    async with Client(shop(tools_list=paged), cache=caching(clock, stale_if_error=5.0)) as client:
        assert await listed(client) == "0.1 1.1 2.1"
        paged.generation = 2
        clock.now += 9
        assert await listed(client) == "0.1 1.1 2.1"
        assert paged.asked == ["0", "1", "2"]
        clock.now += 2
        assert await listed(client) == "0.2 1.2 2.2", "one page is not fresh any more, so all are fetched"
        paged.generation, paged.refused = 3, "2"
        clock.now += 11
        with pytest.raises(PeerError):
            await listed(client)
        paged.refused = ""
        assert await listed(client) == "0.3 1.3 2.3"


# Whose results they are.


class Tokens:
    """A server over HTTP, stateless: reads and lists tell whose token came, and how often it was asked.

    Attributes:
        scope: The `cacheScope` of what it says.
        asked: Methods that were called, besides the opening.
    """

    def __init__(self, scope: str = "private") -> None:
        self.scope = scope
        self.asked: list[str] = []
        self.gate: asyncio.Event | None = None

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        body = b""
        while (event := await receive())["type"] == "http.request":
            body += event["body"]
            if not event.get("more_body"):
                break
        message = json.loads(body)
        result = self._result(message, headers)
        if message["method"] != "server/discover" and self.gate is not None:
            await self.gate.wait()
        frame = json.dumps({**RPC, "id": message["id"], "result": result}).encode()
        kind = [(b"content-type", b"application/json"), (b"content-length", str(len(frame)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": kind})
        await send({"type": "http.response.body", "body": frame})

    def _result(self, message: Json, headers: dict[str, str]) -> Json:
        if message["method"] == "server/discover":
            offers = {"supportedVersions": [NEW], "capabilities": {"tools": {}, "resources": {}}}
            return {**offers, **hints(0)}
        self.asked.append(message["method"])
        whose = headers.get("authorization", "-").removeprefix("Bearer ")
        said = f"{whose} {len(self.asked)}"
        if message["method"] == "tools/list":
            return {**tools(said), **hints(scope=self.scope)}
        return {**contents(message["params"]["uri"], said), **hints(scope=self.scope)}


@asynccontextmanager
async def opened(url: str, store: ResponseStore, **options: Any) -> AsyncIterator[Client]:
    principal = options.pop("principal", None)
    async with Client(url, cache=Caching(store=store, principal=principal), **options) as client:
        yield client


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ResponseStore]:
    if request.param == "memory":
        yield MemoryCache()
    else:
        cache = SqliteCache(tmp_path)
        yield cache
        await cache.aclose()


async def test_what_is_private_is_found_with_the_same_credentials_only(store: ResponseStore) -> None:
    async with serving(Tokens()) as url:
        for auth, expected in (("alice", "alice 1"), ("bob", "bob 2"), (None, "- 3"), ("alice", "alice 1")):
            options: Json = {} if auth is None else {"auth": auth}
            async with opened(url, store, **options) as client:
                assert await read(client, "n:a") == expected
                assert await read(client, "n:a") == expected


async def test_what_is_public_is_for_all_who_ask_the_same_server_in_the_same_way(store: ResponseStore) -> None:
    app = Tokens("public")
    async with serving(app) as url, serving(app) as other:
        async with opened(url, store, auth="alice") as client:
            assert await read(client, "n:a") == "alice 1"
        async with opened(url, store, auth="bob") as client:
            assert await read(client, "n:a") == "alice 1"
        async with opened(other, store, auth="bob") as client:
            assert await read(client, "n:a") == "bob 2", "another server"
        async with opened(url, store, headers={"x-tenant": "1"}) as client:
            assert await read(client, "n:a") == "- 3", "a header field may mean another tenant"
        async with opened(url, store, on_elicit=lambda _: None) as client:
            assert await read(client, "n:a") == "- 4", "a client that can do more may be told more"


async def test_a_call_with_a_token_of_its_own_finds_what_that_token_brought(store: ResponseStore) -> None:
    app = Tokens()
    async with serving(app) as url, opened(url, store, auth="own") as client:
        assert await read(client, "n:a") == "own 1"
        for _ in range(2):
            assert await read(client, "n:a", auth="alice") == "alice 2"
            assert await read(client, "n:a", auth="bob") == "bob 3"
            assert await read(client, "n:a", auth="bob", principal="carol") == "bob 4"
            assert await read(client, "n:a") == "own 1"
        app.gate = asyncio.Event()
        tasks = [asyncio.create_task(read(client, "n:b", auth=each)) for each in ("alice", "bob", "alice")]
        while len(app.asked) < 6:
            await asyncio.sleep(0)
        app.gate.set()
        alice, bob, also_alice = await asyncio.gather(*tasks)
        assert alice == also_alice
        assert {alice.split()[0], bob.split()[0]} == {"alice", "bob"}


@pytest.mark.timeout(60)
async def test_whatever_comes_in_whatever_order_nobody_gets_what_is_another_ones(clock: Clock) -> None:
    chance = random.Random(7)
    store, app = MemoryCache(Limits(cache_entries=20), clock), Tokens()
    given = Caching(store=store, stale_while_revalidate=30.0, stale_if_error=60.0)
    async with serving(app) as url, Client(url, cache=given, auth="own") as one, Client(url, cache=given) as two:

        async def ask() -> None:
            client, own = chance.choice([(one, "own"), (two, "-")])
            token = chance.choice([None, "alice", "bob", "carol"])
            options: Json = {} if token is None else {"auth": token}
            uri = f"n:{chance.randrange(4)}"
            assert (await read(client, uri, **options)).split()[0] == (token or own)

        for _ in range(100):
            await asyncio.gather(*[ask() for _ in range(chance.randrange(1, 9))])
            clock.now += chance.choice([0, 1, 20, 65])
    assert len(app.asked) > 50


async def test_credentials_of_one_call_that_nobody_can_tell_apart_pass_the_cache_by(store: ResponseStore) -> None:
    async with serving(Tokens()) as url, opened(url, store, auth="own") as client:
        assert await read(client, "n:a") == "own 1"
        assert await read(client, "n:a", auth=Changing()) == "first 2"
        assert await read(client, "n:a", auth=Changing()) == "first 3"
        assert await read(client, "n:a", principal="bob") == "- 4"
        assert await read(client, "n:a") == "own 1"


async def test_a_call_with_credentials_where_there_can_be_none_is_refused(clock: Clock) -> None:
    async with Client(shop(), cache=caching(clock)) as client:
        await listed(client)
        with pytest.raises(DefinitionError):
            await listed(client, auth="token")


async def test_a_principal_keeps_its_results_whatever_token_it_has(store: ResponseStore) -> None:
    async with serving(Tokens()) as url:
        async with opened(url, store, auth="one", principal="alice") as client:
            assert await read(client, "n:a") == "one 1"
        async with opened(url, store, auth="two", principal="alice") as client:
            assert await read(client, "n:a") == "one 1"
        async with opened(url, store, auth="one", principal="bob") as client:
            assert await read(client, "n:a") == "one 2"
        async with opened(url, store, auth="one") as client:
            assert await read(client, "n:a") == "one 3"


class Changing:
    """Credentials that change when a test says so, with a proof that is new each time."""

    def __init__(self) -> None:
        self.token = "first"
        self.proofs = 0

    async def headers(self, method: str, url: str, body: bytes | None = None) -> dict[str, str]:
        self.proofs += 1
        if not self.token:
            raise AuthRequired("logged out")
        return {"Authorization": f"Bearer {self.token}", "DPoP": str(self.proofs)}

    async def challenged(self, method: str, url: str, status: int, headers: Any) -> bool:
        return False


async def test_with_other_credentials_nothing_of_before_is_found_and_what_was_under_way_is_not_kept(
    store: ResponseStore,
) -> None:
    app, auth = Tokens(), Changing()
    async with serving(app) as url, opened(url, store, auth=auth) as client:
        assert await read(client, "n:a") == "first 1"
        assert await read(client, "n:a") == "first 1", "a new proof is no new token"
        app.gate = asyncio.Event()
        under_way = asyncio.create_task(read(client, "n:b"))
        while len(app.asked) < 2:
            await asyncio.sleep(0)
        auth.token = "second"
        app.gate.set()
        assert await read(client, "n:a") == "second 3", "nothing was sent with the new token before"
        assert await under_way == "first 2"
        assert await read(client, "n:b") == "second 4"
        auth.token = "first"
        assert await read(client, "n:b") == "first 5", "it came after the token had changed"
        assert await read(client, "n:a") == "first 1"


async def test_without_credentials_to_be_had_nothing_is_found(store: ResponseStore) -> None:
    auth = Changing()
    async with serving(Tokens()) as url, opened(url, store, auth=auth) as client:
        assert await read(client, "n:a") == "first 1"
        auth.token = ""
        with pytest.raises(AuthRequired):
            await read(client, "n:a")


def all_of(directory: Path) -> bytes:
    return b"".join(file.read_bytes() for file in directory.iterdir())


async def test_a_cache_in_a_file_outlives_the_client_and_tells_no_token(tmp_path: Path) -> None:
    app = Tokens()
    async with serving(app) as url:
        for _ in range(2):
            store = SqliteCache(tmp_path)
            async with opened(url, store, auth="SECRET-TOKEN", headers={"x-key": "SECRET-KEY"}) as client:
                assert len(await client.list_tools()) == 1
            await store.aclose()
        held = all_of(tmp_path)
        assert b"SECRET-KEY" not in held
        assert held.count(b"SECRET-TOKEN") == 1, "in the result alone, which says it"
        assert url.encode() not in held
    assert app.asked == ["tools/list"]


# Stores.


class Broken:
    """A store that fails."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def now(self) -> float:
        return 0.0

    async def load(self, keys: Sequence[str]) -> Cached | None:
        raise self._error

    async def save(self, place: Place, cached: Cached, seconds: float) -> None:
        raise self._error

    async def drop(self, realm: str, group: str | None, before: float) -> None:
        raise self._error


async def test_a_store_that_is_out_of_reach_is_in_nobodys_way(caplog: pytest.LogCaptureFixture) -> None:
    server = shop(tools_call=refusing(-32602))
    async with Client(server, cache=Caching(store=Broken(Disconnected("disk full")))) as client:
        assert [await listed(client) for _ in range(2)] == ["tool-1", "tool-2"]
        with pytest.raises(PeerError):
            await client.call_tool("tool-1")
    assert {record.message.partition(":")[0] for record in caplog.records if "disk full" in record.message} == {
        "The response cache is out of reach",
        "A result could not be kept",
        "What changed could not be forgotten by the response cache",
    }


async def test_a_store_that_cannot_be_used_is_an_error_that_says_so() -> None:
    async with Client(shop(), cache=Caching(store=Broken(StoreUnusable("chmod 700 it")))) as client:
        with pytest.raises(StoreUnusable, match="chmod"):
            await listed(client)


async def test_a_damaged_entry_is_as_good_as_none(clock: Clock) -> None:
    class Damaging(MemoryCache):
        async def load(self, keys: Sequence[str]) -> Cached | None:
            found = await super().load(keys)
            return None if found is None else Cached(found.received, found.seconds, found.body[:-1])

    async with Client(shop(), cache=Caching(store=Damaging(clock=clock))) as client:
        assert [await listed(client) for _ in range(2)] == ["tool-1", "tool-2"]


def test_a_client_without_a_cache_loads_nothing_of_it() -> None:
    code = (
        "import sys, asyncio\nfrom dovetail import Client, Server\n"
        "async def main():\n    async with Client(Server('s')) as client: await client.list_tools()\n"
        "asyncio.run(main())\n"
        "print([name for name in sys.modules if name.endswith(('client.caching', 'core.caching', 'client.flights'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]", done.stdout


def test_the_plain_client_has_the_cache_too() -> None:
    calls: list[Callable[[], str]] = []
    server = shop()
    with Client.connect_sync(server, cache=True) as client:
        calls += [lambda: client.list_tools()[0].name] * 2
        assert [call() for call in calls] == ["tool-1", "tool-1"]


class Stuck(MemoryCache):
    """A store whose lock somebody else holds."""

    async def load(self, keys: Sequence[str]) -> Cached | None:
        await asyncio.Event().wait()
        return None


async def test_a_store_that_does_not_answer_holds_up_one_call_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dovetail.client.caching._PATIENCE", 0.05)
    async with Client(shop(), cache=Caching(store=Stuck())) as client, asyncio.timeout(2):
        for _ in range(20):
            assert [tool.name for tool in await client.list_tools(timeout=1)]


async def test_credentials_that_do_not_come_are_a_timeout_with_a_cache_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dovetail.client.caching._PATIENCE", 0.05)
    stuck = asyncio.Event()

    class Silent:
        async def headers(self, method: str, url: str, body: bytes | None = None) -> Mapping[str, str]:
            if stuck.is_set():
                await asyncio.Event().wait()
            return {}

        async def challenged(self, method: str, url: str, status: int, headers: Mapping[str, str]) -> bool:
            return False

    async with serving(real_shop().asgi()) as url, Client(url, auth=Silent(), cache=True) as client, asyncio.timeout(5):
        await client.list_tools()
        stuck.set()
        with pytest.raises(Timeout):
            await client.read_resource("note://one", timeout=0.2)
        stuck.clear()
