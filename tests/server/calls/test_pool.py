"""Plain functions in their own threads: bounded, apart from the loop, and stopped by asking them to."""

import asyncio
import threading
from typing import Any

import pytest

from dovetail import Context, Server
from dovetail.server.calls import pool as pools
from dovetail.server.calls import turn as turns
from dovetail.server.transports.run import shared_runtime
from tests.server.peers import Conversation, Json, accept, text_of


class Room:
    """Threads that wait, and how many are inside."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.lock = threading.Lock()
        self.inside = 0
        self.most = 0

    def wait(self) -> None:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.go.wait(5)
        with self.lock:
            self.inside -= 1


async def outcomes(client: Conversation, identifiers: list[int]) -> dict[int, Json]:
    found: dict[int, Json] = {}
    while len(found) < len(identifiers):
        message = await client.receive()
        if "method" in message:
            client.send({"jsonrpc": "2.0", "id": message["id"], "result": {"action": "accept", "content": {}}})
        else:
            found[message["id"]] = message
    return found


async def test_only_so_many_functions_run_at_a_time_and_the_others_wait_their_turn() -> None:
    app, room = Server("threads", threads=3), Room()

    @app.tool
    def work() -> str:
        room.wait()
        return threading.current_thread().name

    @app.tool
    async def place() -> str:
        return threading.current_thread().name

    client = Conversation(app)
    await client.open()
    ids = [client.begin("tools/call", {"name": "work", "arguments": {}}) for _ in range(10)]
    assert text_of(await client.call("tools/call", name="place", arguments={})) == threading.main_thread().name
    while room.inside < 3:
        await asyncio.sleep(0)
    room.go.set()
    names = {text_of(message) for message in (await outcomes(client, ids)).values()}
    assert room.most == 3
    assert all(name.startswith("dovetail") for name in names)
    await client.close()


async def test_the_pool_is_apart_from_the_loops_own_threads() -> None:
    app, room = Server("threads", threads=1), Room()
    app.add_tool(room.wait, name="work")
    client = Conversation(app)
    await client.open()
    held = client.begin("tools/call", {"name": "work", "arguments": {}})
    assert await asyncio.wait_for(asyncio.to_thread(lambda: 7), 2) == 7
    room.go.set()
    await client.outcome(held)
    await client.close()


async def test_a_function_is_stopped_by_its_own_look_at_cancelled() -> None:
    app, began, seen = Server("threads", threads=1), threading.Event(), threading.Event()

    @app.tool
    def work(ctx: Context) -> str:
        began.set()
        while not ctx.cancelled:
            pass
        seen.set()
        return "stopped"

    @app.tool
    def next_one() -> str:
        return "next"

    client = Conversation(app)
    await client.open()
    held = client.begin("tools/call", {"name": "work", "arguments": {}})
    assert await asyncio.to_thread(began.wait, 2)
    client.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": held}})
    assert text_of(await client.call("tools/call", name="next_one", arguments={})) == "next"
    assert seen.is_set()
    assert not [message for message in client.seen if message.get("id") == held]
    await client.close()


async def test_a_thread_that_goes_on_keeps_its_place_and_its_client_is_told_in_time() -> None:
    app, room = Server("threads", threads=1), Room()
    app.add_tool(room.wait, name="work", timeout=0.02)
    app.add_tool(lambda: "next", name="next_one")
    client = Conversation(app)
    await client.open()
    assert "seconds" in text_of(await client.call("tools/call", name="work", arguments={}))
    waiting = client.begin("tools/call", {"name": "next_one", "arguments": {}})
    assert (await client.call("ping"))["result"] == {}
    room.go.set()
    assert text_of(await client.outcome(waiting)) == "next"
    await client.close()


@pytest.mark.req("S-25")
@pytest.mark.parametrize("failure", [StopIteration, StopAsyncIteration, GeneratorExit, asyncio.CancelledError])
async def test_what_a_coroutine_could_not_raise_fails_its_own_call_only(failure: type[BaseException]) -> None:
    app = Server("threads")

    @app.tool
    def work() -> str:
        raise failure

    client = Conversation(app)
    await client.open()
    for _ in range(3):
        assert (await client.call("tools/call", name="work", arguments={}))["result"]["isError"] is True
    assert not (await shared_runtime(app)).in_flight
    await client.close()


@pytest.mark.req("S-25")
@pytest.mark.parametrize("failure", [SystemExit, KeyboardInterrupt])
async def test_what_is_asked_from_a_thread_cannot_end_the_process(failure: type[BaseException]) -> None:
    app = Server("threads")

    async def question() -> None:
        await asyncio.sleep(0)
        raise failure

    @app.tool
    def work(ctx: Context) -> str:
        with pytest.raises(failure):
            ctx.ask_sync(question())
        raise failure

    client = Conversation(app)
    await client.open()
    for _ in range(3):
        assert (await client.call("tools/call", name="work", arguments={}))["result"]["isError"] is True
    assert not (await shared_runtime(app)).in_flight
    await client.close()


async def test_a_call_that_is_cancelled_before_its_turn_never_runs_and_gives_nothing_back_twice() -> None:
    app, room = Server("threads", threads=1), Room()
    ran: list[str] = []
    app.add_tool(room.wait, name="work")
    app.add_tool(lambda: ran.append("ran"), name="later")
    client = Conversation(app)
    await client.open()
    held = client.begin("tools/call", {"name": "work", "arguments": {}})
    waiting = client.begin("tools/call", {"name": "later", "arguments": {}})
    await client.call("ping")
    client.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": waiting}})
    await client.call("ping")
    room.go.set()
    await client.outcome(held)
    runtime = await shared_runtime(app)
    while runtime.in_flight:
        await asyncio.sleep(0)
    assert ran == []
    while runtime.pool.places._free != 1:
        await asyncio.sleep(0)
    await client.close()


async def test_questions_from_threads_never_lock_the_pool_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "ASKING_THREADS", 2)
    app = Server("threads", threads=1)

    @app.tool
    def ask(ctx: Context) -> str:
        return ctx.ask_sync(ctx.elicit("Go on?")).action

    client = Conversation(app)
    await client.open()
    ids = [client.begin("tools/call", {"name": "ask", "arguments": {}}) for _ in range(12)]
    questions: list[Json] = []
    while len(questions) < 3:
        message = await client.receive()
        assert "method" in message
        questions.append(message)
    for question in questions:
        client.send({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept", "content": {}}})
    found = await outcomes(client, ids)
    assert {text_of(message) for message in found.values()} == {"accept"}
    await client.close()


@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
async def test_a_thread_that_an_async_function_started_asks_even_before_the_function_waits_for_it(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, loop, heard = Server("threads"), asyncio.get_running_loop(), threading.Event()
    tell = loop.call_soon_threadsafe

    def noticed(*args: Any, **kwargs: Any) -> asyncio.Handle:
        heard.set()  # by the question, or by the thread's end
        return tell(*args, **kwargs)

    @app.tool
    async def ask(ctx: Context) -> str:
        heard.clear()
        begun = loop.run_in_executor(None, ctx.ask_sync, ctx.elicit("How much?", int))
        assert heard.wait(5)  # the loop is held up: the call has not waited for anything yet
        return str((await begun).value)

    monkeypatch.setattr(loop, "call_soon_threadsafe", noticed)
    client = Conversation(app)
    client.answers["elicitation/create"] = accept(value=3)
    if version == "2026-07-28":
        message = (await client.rounds("ask"))[-1]
    else:
        await client.open(version)
        message = await client.call("tools/call", name="ask", arguments={})
    assert text_of(message) == "3"
    await client.close()


async def test_a_question_from_another_thread_gives_no_place_of_the_pool_away() -> None:
    app, room = Server("threads", threads=1), Room()
    app.add_tool(room.wait, name="work")

    @app.tool
    async def ask(ctx: Context) -> str:
        return (await asyncio.to_thread(lambda: ctx.ask_sync(ctx.elicit("Go on?")))).action

    client = Conversation(app)
    await client.open()
    held = [client.begin("tools/call", {"name": "work", "arguments": {}}) for _ in range(2)]
    while room.inside < 1:
        await asyncio.sleep(0)
    asking = client.begin("tools/call", {"name": "ask", "arguments": {}})
    question = await client.receive()
    client.send({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept", "content": {}}})
    assert text_of(await client.outcome(asking)) == "accept"  # while all places are taken
    room.go.set()
    await outcomes(client, held)
    assert room.most == 1
    await client.close()


async def test_a_question_from_a_thread_whose_call_is_over_is_not_asked() -> None:
    app, go = Server("threads"), threading.Event()
    felt: list[Any] = []
    done = asyncio.Event()
    loop = asyncio.get_running_loop()

    @app.tool
    async def begin(ctx: Context) -> str:
        def late() -> None:
            go.wait(5)
            try:
                ctx.ask_sync(ctx.elicit("Still there?"))
            except BaseException as error:
                felt.append(type(error).__name__)
            loop.call_soon_threadsafe(done.set)

        threading.Thread(target=late).start()
        return "begun"

    client = Conversation(app)
    await client.open()
    await client.call("tools/call", name="begin", arguments={})
    go.set()
    await asyncio.wait_for(done.wait(), 2)
    assert felt == ["CancelledError"]
    await client.close()


@pytest.mark.parametrize("how", ["timeout", "cancelled"])
@pytest.mark.parametrize("grace", [5.0, 0.01])
async def test_an_entrys_place_stays_taken_until_its_thread_has_ended(
    how: str, grace: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "GRACE_SECONDS", grace)
    app, room = Server("threads"), Room()
    app.add_tool(room.wait, name="work", concurrency=1, timeout=0.02 if how == "timeout" else None)
    client = Conversation(app)
    await client.open()
    slots: Any = getattr(app.catalogue.tools.get("work"), "slots")  # noqa: B009
    held = client.begin("tools/call", {"name": "work", "arguments": {}})
    if how == "timeout":
        assert "seconds" in text_of(await client.outcome(held))
    else:
        while room.inside == 0:
            await asyncio.sleep(0)
        client.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": held}})
        await client.call("ping")
    runtime = await shared_runtime(app)
    while grace < 1 and runtime.in_flight:
        await asyncio.sleep(0)
    assert slots.taken == 1
    assert "concurrency" in (await client.call("tools/call", name="work", arguments={}))["error"]["message"]
    assert room.most == 1
    room.go.set()
    while slots.taken:
        await asyncio.sleep(0)
    await client.close()


def ask_by(helper: Any) -> Any:
    def tool(ctx: Context) -> str:
        return str(helper(ctx))

    return tool


LOST = {
    "elicit": lambda ctx: ctx.elicit("Go on?"),
    "sample": lambda ctx: ctx.sample("Hello"),
    "progress": lambda ctx: ctx.progress(1),
    "once": lambda ctx: ctx.once("pay", int),
    "info": lambda ctx: ctx.log.info("hello"),
    "tools_changed": lambda ctx: ctx.notify.tools_changed(),
    "close_stream": lambda ctx: ctx.close_stream(),
    "read_resource": lambda ctx: ctx.read_resource("data://x"),
}


@pytest.mark.parametrize("name", LOST)
async def test_what_a_plain_function_says_and_nobody_sends_fails_its_call(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = Server("threads")
    app.add_tool(ask_by(LOST[name]), name="lost")
    client = Conversation(app)
    await client.open()
    assert "Internal error" in text_of(await client.call("tools/call", name="lost", arguments={}))
    assert f"ctx.ask_sync(ctx.{name}(...))" in caplog.text
    await client.close()


async def test_what_a_plain_function_hands_on_or_returns_is_not_lost() -> None:
    app = Server("threads")

    async def twice(ctx: Context) -> None:
        await ctx.progress(1)
        await ctx.progress(2)

    @app.tool
    def work(ctx: Context) -> str:
        ctx.ask_sync(twice(ctx))
        question = ctx.elicit("Go on?")
        ctx.ask_sync(ctx.log.info("asking"))
        return ctx.ask_sync(question).action

    @app.tool
    def deferred(ctx: Context) -> Any:
        return ctx.progress(1)

    client = Conversation(app)
    client.answers["elicitation/create"] = lambda params: {"action": "accept", "content": {}}
    await client.open()
    assert text_of(await client.call("tools/call", name="work", arguments={})) == "accept"
    params = {"name": "deferred", "arguments": {}, "_meta": {"progressToken": "p"}}
    await client.call("tools/call", **params)
    assert [message["params"]["progress"] for message in client.seen if "progress" in message.get("method", "")] == [1]
    await client.close()
