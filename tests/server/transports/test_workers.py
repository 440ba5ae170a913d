"""Sessions that several workers serve at once: what one does holds for all, whoever was quicker."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dovetail import Context, Limits, Server
from dovetail.core import event_id
from dovetail.server.transports.record import logging_at
from dovetail.store import SqliteStores
from tests.server.peers import Http, Json, Response

PING: Json = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
Headers = dict[str, str]


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Worker:
    """One of the workers that share a state directory."""

    def __init__(self, directory: Path, clock: Clock, name: str, **limits: Any) -> None:
        self.stores = SqliteStores(directory, clock)
        self.go = asyncio.Event()
        self.streams: list[Response] = []
        server = Server("shared", rate="1000/s burst 2000", stores=self.stores, limits=Limits(**limits))

        @server.resource("page://{number}")
        async def page(number: str) -> str:
            return number

        @server.tool
        async def touch(ctx: Context, number: int) -> str:
            await ctx.notify.resource_updated(f"page://{number}")
            return "touched"

        @server.tool
        async def report(ctx: Context) -> str:
            await ctx.progress(1)
            await ctx.progress(2)
            await self.go.wait()
            return "reported"

        self.asgi = server.asgi(worker=name)
        self.http = Http(self.asgi)

    async def open(self) -> "Worker":
        endpoint = await self.asgi.start()
        self.runtime, self.sessions = endpoint.runtime, endpoint.sessions
        return self

    async def ask(self, method: str, params: Json, headers: Headers, identifier: int = 7) -> Response:
        body = {"jsonrpc": "2.0", "id": identifier, "method": method, "params": params}
        return await self.http.request("POST", body, headers)

    async def subscribe(self, number: int, headers: Headers) -> Response:
        return await self.ask("resources/subscribe", {"uri": f"page://{number}"}, headers, 100 + number)

    async def touch(self, number: int, headers: Headers) -> None:
        await self.ask("tools/call", {"name": "touch", "arguments": {"number": number}}, headers)

    async def report(self, headers: Headers, identifier: int = 7, gone: asyncio.Event | None = None) -> Response:
        params = {"name": "report", "arguments": {}, "_meta": {"progressToken": "t"}}
        body = {"jsonrpc": "2.0", "id": identifier, "method": "tools/call", "params": params}
        return await self.http.request("POST", body, headers, gone=gone)

    async def follow(self, headers: Headers, stream: str, sequence: int) -> Response:
        place = {"last-event-id": event_id(stream, sequence)}
        return await asyncio.wait_for(self.http.request("GET", b"", headers | place), 8)

    def listen(self, headers: Headers) -> "asyncio.Task[Response]":
        return asyncio.create_task(self.http.request("GET", b"", headers))

    async def ping(self, headers: Headers) -> int:
        return (await self.http.request("POST", PING, headers)).status

    def session(self, headers: Headers) -> Any:
        return self.sessions._cache[headers["mcp-session-id"]][0]

    async def streaming(self) -> tuple[str, str]:
        """Wait until a call has said all it says before its end; return its session and stream."""
        while True:
            for session, stream in self.sessions.streams._live:
                if len(await self.stores.events.after(session, stream, 0)) == 2:
                    return session, stream
            await asyncio.sleep(0)

    async def die(self) -> None:
        """Show no sign of life any more, as one that was killed."""
        thread = self.stores._thread
        assert thread._stopped is not None
        thread._jobs.put(None)
        await thread._stopped


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def workers(tmp_path: Path, clock: Clock) -> AsyncIterator[list[Worker]]:
    both = [await Worker(tmp_path, clock, name).open() for name in ("a-", "b-")]
    yield both
    for worker in both:
        await worker.asgi.stop()


async def until(condition: Any) -> None:
    while not condition():
        await asyncio.sleep(0)


async def test_what_is_subscribed_to_at_several_workers_at_once_is_all_kept(workers: list[Worker]) -> None:
    headers = await workers[0].http.session()
    answers = await asyncio.gather(*[workers[number % 2].subscribe(number, headers) for number in range(30)])
    assert all(answer.json["result"] == {} for answer in answers)
    expected = {f"page://{number}" for number in range(30)}
    for worker in workers:
        await until(lambda worker=worker: worker.session(headers).subscriptions == expected)
    params = [{"uri": f"page://{number}"} for number in range(30)]
    level = workers[0].ask("logging/setLevel", {"level": "error"}, headers)
    await asyncio.gather(
        level, *[workers[n % 2].ask("resources/unsubscribe", params[n], headers, 100 + n) for n in range(1, 30)]
    )
    for worker in workers:
        await until(lambda worker=worker: worker.session(headers).subscriptions == {"page://0"})
        await until(lambda worker=worker: worker.session(headers).log_level == "error")


async def test_a_client_has_so_many_subscriptions_also_when_it_asks_for_them_all_at_once(
    tmp_path: Path, clock: Clock
) -> None:
    workers = [await Worker(tmp_path, clock, name, subscriptions=5).open() for name in ("a-", "b-")]
    headers = await workers[0].http.session()
    answers = await asyncio.gather(*[workers[number % 2].subscribe(number, headers) for number in range(12)])
    assert sum("result" in answer.json for answer in answers) == 5
    refused = next(answer.json["error"] for answer in answers if "error" in answer.json)
    assert refused["message"] == "params.uri: this client has as many subscriptions as it may"
    for worker in workers:
        await worker.asgi.stop()


async def test_what_is_heard_late_undoes_nothing(workers: list[Worker]) -> None:
    here = workers[0]
    headers = await here.http.session()
    session = here.session(headers)
    before = session.record()
    await here.subscribe(1, headers)
    assert session.restore(before)
    assert session.subscriptions == {"page://1"}


async def test_a_session_that_was_ended_elsewhere_is_not_stored_again_by_who_changes_it(workers: list[Worker]) -> None:
    here, there = workers
    headers = await here.http.session()
    key = headers["mcp-session-id"]
    assert await there.ping(headers) == 200
    assert await here.stores.sessions.delete(key)  # committed, and not told yet
    refused = await there.subscribe(1, headers)
    assert (refused.status, refused.json["id"]) == (404, 101)
    assert refused.json["error"]["message"] == "The session has ended: initialize a new one"
    assert await there.stores.sessions.load(key) is None
    assert await there.ping(headers) == 404


async def test_a_stream_is_not_opened_for_a_session_that_was_ended_elsewhere(workers: list[Worker]) -> None:
    here, there = workers
    headers = await here.http.session()
    assert await there.ping(headers) == 200
    assert await here.stores.sessions.delete(headers["mcp-session-id"])
    assert (await asyncio.wait_for(there.listen(headers), 5)).status == 404


async def test_a_session_that_is_found_while_another_worker_changes_it_is_the_changed_one(
    workers: list[Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = workers
    headers = await here.http.session()
    load, sessions = there.stores.sessions.load, there.stores.sessions

    async def slow(session: str) -> bytes | None:
        record = await load(session)
        monkeypatch.setattr(sessions, "load", load)
        await here.subscribe(1, headers)
        return record

    monkeypatch.setattr(sessions, "load", slow)
    assert await there.ping(headers) == 200
    assert there.session(headers).subscriptions == {"page://1"}


@pytest.mark.parametrize("late", [0, 1])
async def test_of_two_streams_that_a_client_opens_at_once_one_stays_and_hears_everything_once(
    workers: list[Worker], late: int
) -> None:
    headers = await workers[0].http.session()
    for number in range(3):
        await workers[number % 2].subscribe(number, headers)
    gets = [workers[(place + late) % 2].listen(headers) for place in range(2)]
    await asyncio.wait(gets, return_when=asyncio.FIRST_COMPLETED)
    (ended,), (open_,) = [get for get in gets if get.done()], [get for get in gets if not get.done()]
    for number in range(3):
        await workers[number % 2].touch(number, headers)
    key = headers["mcp-session-id"]
    while (await workers[0].stores.events.marked(key, "0") or 0) < 3:
        await asyncio.sleep(0)
    for worker in workers:
        worker.asgi.drain()
    heard = [event["params"]["uri"] for event in (await asyncio.wait_for(open_, 5)).events]
    assert sorted(heard) == ["page://0", "page://1", "page://2"]
    assert not ended.result().events


async def test_a_stream_of_notices_goes_to_who_opens_it_last_however_often(workers: list[Worker]) -> None:
    headers = await workers[0].http.session()
    await workers[0].subscribe(1, headers)
    gets = []
    for round_ in range(4):
        gets.append(workers[round_ % 2].listen(headers))
        await until(lambda: workers[round_ % 2].runtime.streams)  # noqa: B023
        if round_:
            await asyncio.wait_for(gets[-2], 5)
        await workers[0].touch(1, headers)
        while (await workers[0].stores.events.marked(headers["mcp-session-id"], "0") or 0) <= round_:
            await asyncio.sleep(0)
    for worker in workers:
        worker.asgi.drain()
    assert [len((await get).events) for get in gets] == [1] * 4


@pytest.mark.req("R-10")
async def test_who_comes_back_to_another_worker_for_a_call_goes_on_with_its_stream(workers: list[Worker]) -> None:
    here, there = workers
    headers, gone = await here.http.session(), asyncio.Event()
    call = asyncio.create_task(here.report(headers, gone=gone))
    _, stream = await here.streaming()
    gone.set()
    following = asyncio.create_task(there.follow(headers, stream, 1))
    await until(lambda: there.sessions.streams._followers)
    here.go.set()
    rest = (await following).events
    assert rest[0]["params"]["progress"] == 2
    assert rest[-1]["result"]["content"][0]["text"] == "reported"
    await call
    again = await there.follow(headers, stream, 2)
    assert [message["id"] for message in again.events] == [7], "all that was said is there for a while"


@pytest.mark.req("R-10")
async def test_who_comes_back_to_another_worker_for_a_call_whose_worker_is_gone_hears_that_nothing_comes(
    workers: list[Worker], clock: Clock
) -> None:
    here, there = workers
    headers, gone = await here.http.session(), asyncio.Event()
    call = asyncio.create_task(here.report(headers, gone=gone))
    _, stream = await here.streaming()
    gone.set()
    await here.die()
    following = asyncio.create_task(there.follow(headers, stream, 1))
    await until(lambda: there.sessions.streams._followers)
    clock.now += 11.0  # it has no pulse any more, and the one that lives has its own
    there.sessions.streams.wake(headers["mcp-session-id"], stream)
    rest = await following
    assert rest.complete and [message["params"]["progress"] for message in rest.events] == [2]
    over = await there.follow(headers, stream, 2)
    assert over.status == 400 and "the server ended in the middle of it" in over.json["error"]["message"]
    call.cancel()


@pytest.mark.req("R-10")
async def test_a_stream_that_never_was_is_refused_by_one_of_several_workers_too(workers: list[Worker]) -> None:
    headers = await workers[0].http.session()
    for worker in workers:
        refused = await worker.follow(headers, "0123456789abcdef", 1)
        assert refused.status == 400
        assert refused.json["error"]["message"] == "Last-Event-ID: there is no such stream to go on with"


async def test_who_follows_a_call_from_another_worker_is_told_when_it_is_cancelled(workers: list[Worker]) -> None:
    here, there = workers
    headers = await here.http.session()
    call = asyncio.create_task(here.report(headers))
    _, stream = await here.streaming()
    following = asyncio.create_task(there.follow(headers, stream, 1))
    await until(lambda: there.sessions.streams._followers)
    notice = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}}
    await there.http.request("POST", notice, headers)
    assert [message["params"]["progress"] for message in (await following).events] == [2]
    await call


@pytest.mark.req("W-04")
async def test_a_cancellation_reaches_every_call_of_its_id_at_whichever_worker(workers: list[Worker]) -> None:
    headers = await workers[0].http.session()
    calls = []
    for worker in workers:
        calls.append(asyncio.create_task(worker.report(headers)))
        await worker.streaming()
    notice = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}}
    await workers[0].http.request("POST", notice, headers)
    for call in calls:
        assert all("result" not in message for message in (await asyncio.wait_for(call, 5)).events)


async def test_a_change_of_a_session_that_is_closed_is_refused_without_the_store(workers: list[Worker]) -> None:
    from dovetail.errors import SessionEnded

    here = workers[0]
    headers = await here.http.session()
    session = here.session(headers)
    await here.http.request("DELETE", b"", headers)
    with pytest.raises(SessionEnded):
        await session.change(logging_at("error"))


async def test_a_stream_waits_for_its_claim_to_be_heard_on_a_bus_that_is_slower_than_who_publishes(
    workers: list[Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = workers[0]
    headers = await here.http.session()
    deliver, held = here.stores.bus._local.deliver, []
    monkeypatch.setattr(here.stores.bus._local, "deliver", lambda *message: held.append(message))
    stream = here.listen(headers)
    await until(lambda: held and here.session(headers).claimed)
    assert here.session(headers).listener is None and not stream.done()
    for message in held:
        deliver(*message)
    await until(lambda: here.runtime.streams)
    assert here.session(headers).listener is not None
    monkeypatch.undo()
    here.asgi.drain()
    assert (await stream).status == 200
