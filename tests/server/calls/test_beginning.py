"""How a retry begins: who was inside before the question is inside after it, and a state is burnt by who uses it."""

import asyncio
import threading
from typing import Any

import msgspec
import pytest

from dovetail import Context, Server
from dovetail.errors import Busy
from dovetail.server.calls import turn as turns
from dovetail.server.calls.gates import Slots
from dovetail.server.transports.run import shared_runtime
from tests.server.peers import Conversation, Json, answered, meta, text_of

ERAS = pytest.mark.parametrize("version", ["2025-11-25", None])


class Narrow:
    """A server whose tools let one call in at a time, once its client's user has answered."""

    def __init__(self, **options: Any) -> None:
        self.app = Server("narrow", **options)
        self.inside = self.most = 0
        self.go = threading.Event()
        self.app.add_tool(self.pay, concurrency=1)
        self.app.add_tool(self.pay_plainly, concurrency=1)

    async def pay(self, ctx: Context) -> str:
        await ctx.once("pay", str)
        answer = await ctx.elicit("Sure?", str, key="q")
        self.enter()
        try:
            while not self.go.is_set():
                await asyncio.sleep(0)
        finally:
            self.inside -= 1
        return f"paid {answer.value}"

    def pay_plainly(self, ctx: Context) -> str:
        answer = ctx.ask_sync(ctx.elicit("Sure?", str, key="q"))
        self.enter()
        self.go.wait(5)
        self.inside -= 1
        return f"paid {answer.value}"

    def enter(self) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)

    def slots(self, tool: str) -> Slots:
        entry = self.app.catalogue.tools.get(tool)
        assert entry is not None
        assert entry.slots is not None
        return entry.slots

    async def until(self, inside: int) -> None:
        while self.inside < inside:
            await asyncio.sleep(0)


@ERAS
@pytest.mark.parametrize("tool", ["pay", "pay_plainly"])
async def test_who_was_let_in_before_the_question_goes_on_after_it_though_others_answered_too(
    version: str | None, tool: str
) -> None:
    narrow = Narrow()
    clients = [Conversation(narrow.app) for _ in range(3)]
    calls: list[tuple[Conversation, int]] = []
    asked: list[Json] = []
    for client in clients:
        if version is not None:
            await client.open(version)
        extra: Json = {} if version else {"_meta": meta()}
        calls.append((client, client.begin("tools/call", {"name": tool, "arguments": {}, **extra})))
        asked.append(await client.receive())
        while narrow.slots(tool).taken:
            await asyncio.sleep(0)
    answer = {"action": "accept", "content": {"value": "all"}}
    for number, client in enumerate(clients):
        if version is not None:
            client.send({"jsonrpc": "2.0", "id": asked[number]["id"], "result": answer})
        else:
            retry = {"name": tool, "arguments": {}, "_meta": meta(), **answered(asked[number]["result"], value="all")}
            calls[number] = (client, client.begin("tools/call", retry))
    await narrow.until(3)
    late = Conversation(narrow.app)
    new = await late.call("tools/call", name=tool, arguments={}, _meta=meta())
    assert "at a time" in new["error"]["message"], "a new call was never let in"
    narrow.go.set()
    assert [text_of(await client.outcome(number)) for client, number in calls] == ["paid all"] * 3
    for client in (*clients, late):
        await client.close()
    assert narrow.slots(tool).taken == 0


async def test_a_copy_of_a_retry_is_not_let_in_beside_it_over_the_limit() -> None:
    narrow = Narrow()
    client = Conversation(narrow.app)
    first = (await client.call("tools/call", name="pay", arguments={}, _meta=meta()))["result"]
    retry = {"name": "pay", "arguments": {}, "_meta": meta(), **answered(first, value="it")}
    held = client.begin("tools/call", retry)
    await narrow.until(1)
    for _ in range(3):
        assert "at a time" in (await client.call("tools/call", **retry))["error"]["message"]
    narrow.go.set()
    assert text_of(await client.outcome(held)) == "paid it"
    assert text_of(await client.call("tools/call", **retry)) == "paid it"
    assert narrow.most == 1
    await client.close()


async def test_a_copy_of_a_retry_is_not_let_in_while_the_thread_of_the_first_still_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "GRACE_SECONDS", 0.01)
    narrow = Narrow()
    client = Conversation(narrow.app)
    first = (await client.call("tools/call", name="pay_plainly", arguments={}, _meta=meta()))["result"]
    retry = {"name": "pay_plainly", "arguments": {}, "_meta": meta(), **answered(first, value="it")}
    held = client.begin("tools/call", retry)
    await narrow.until(1)
    client.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": held}})
    runtime = await shared_runtime(narrow.app)
    while runtime.in_flight:
        await asyncio.sleep(0)
    assert "at a time" in (await client.call("tools/call", **retry))["error"]["message"]
    narrow.go.set()
    while narrow.slots("pay_plainly").taken:
        await asyncio.sleep(0)
    assert text_of(await client.call("tools/call", **retry)) == "paid it"
    await client.close()


async def test_who_was_asked_before_it_was_let_in_waits_for_a_place_like_anybody() -> None:
    """Middleware asked: the tool itself has admitted nobody yet. As where the request is pushed."""
    narrow = Narrow(single_use=True)

    @narrow.app.use
    def sure(handler: Any) -> Any:
        async def handle(call: Any, ctx: Context) -> Any:
            if call.method == "tools/call" and call.params.arguments == msgspec.Raw(b'{"asks": true}'):
                await ctx.elicit("Do you?", bool)
            return await handler(call, ctx)

        return handle

    @narrow.app.tool(concurrency=1)
    async def work(asks: bool) -> str:
        narrow.enter()
        while not narrow.go.is_set():
            await asyncio.sleep(0)
        narrow.inside -= 1
        return "worked"

    client = Conversation(narrow.app)
    asking = {"name": "work", "arguments": {"asks": True}, "_meta": meta()}
    first = (await client.call("tools/call", **asking))["result"]
    held = client.begin("tools/call", {"name": "work", "arguments": {"asks": False}, "_meta": meta()})
    await narrow.until(1)
    assert "at a time" in (await client.call("tools/call", **asking, **answered(first, value=True)))["error"]["message"]
    narrow.go.set()
    await client.outcome(held)
    await client.close()


@pytest.mark.req("S-13")
async def test_a_retry_that_is_refused_as_one_too_many_keeps_its_state_for_the_next_try() -> None:
    narrow = Narrow(single_use=True)
    client = Conversation(narrow.app)
    first = (await client.call("tools/call", name="pay", arguments={}, _meta=meta()))["result"]
    other = (await client.call("tools/call", name="pay", arguments={}, _meta=meta()))["result"]
    retry = {"name": "pay", "arguments": {}, "_meta": meta(), **answered(first, value="it")}
    held = client.begin("tools/call", retry)
    await narrow.until(1)
    # The entry lets in whoever was inside; one that lets in nobody stands for all that may refuse a retry.
    tool = narrow.app.catalogue.tools.get("pay")
    assert tool is not None
    slots, tool.slots = tool.slots, Full()
    second = {"name": "pay", "arguments": {}, "_meta": meta(), **answered(other, value="that")}
    assert "at a time" in (await client.call("tools/call", **second))["error"]["message"]
    tool.slots = slots
    narrow.go.set()
    assert text_of(await client.outcome(held)) == "paid it"
    assert text_of(await client.call("tools/call", **second)) == "paid that"
    for used in (retry, second):
        assert "requestState" in (await client.call("tools/call", **used))["error"]["message"]
    await client.close()


class Full(Slots):
    def __init__(self) -> None:
        super().__init__(0)

    def enter(self, back: str = "") -> None:
        raise Busy("Too many calls at a time")


@pytest.mark.req("S-13")
async def test_a_retry_that_middleware_refuses_keeps_its_state_unless_that_has_used_it() -> None:
    app, full, asks = Server("once", single_use=True), [True], [False]

    @app.use
    def shedding(handler: Any) -> Any:
        async def handle(call: Any, ctx: Context) -> Any:
            if asks[0] and call.method == "tools/call":
                await ctx.elicit("Which way?", int)
            if full[0] and getattr(call.params, "request_state", None):
                raise Busy("Come later")
            return await handler(call, ctx)

        return handle

    @app.tool
    async def ask(ctx: Context) -> str:
        return str((await ctx.elicit("?", int)).value)

    client = Conversation(app)

    async def tries() -> list[str]:
        full[0] = True
        first = (await client.call("tools/call", name="ask", arguments={}, _meta=meta()))["result"]
        said = []
        for full[0] in (True, True, False, False):
            retry = {"name": "ask", "arguments": {}, "_meta": meta(), **answered(first, value=1)}
            answer = await client.call("tools/call", **retry)
            said.append(answer["error"]["message"] if "error" in answer else answer["result"]["resultType"])
        return said

    void = "requestState is not valid for this request"
    assert await tries() == ["Come later", "Come later", "complete", void]
    asks[0] = True
    assert await tries() == ["Come later", void, void, void]
    await client.close()


@pytest.mark.req("S-13")
async def test_of_many_copies_of_a_single_use_state_at_once_one_has_an_effect_and_the_others_pay() -> None:
    app, ran = Server("once", single_use=True), list[str]()

    @app.tool(limit="5/h")
    async def ask(ctx: Context) -> str:
        answer = (await ctx.elicit("?", int)).value
        ran.append("ran")
        return str(answer)

    client = Conversation(app)
    first = (await client.call("tools/call", name="ask", arguments={}, _meta=meta()))["result"]
    retry = {"name": "ask", "arguments": {}, "_meta": meta(), **answered(first, value=1)}
    begun = [client.begin("tools/call", retry) for _ in range(20)]
    replies = [await client.receive() for _ in begun]
    assert ran == ["ran"]
    messages = [reply["error"]["message"] for reply in replies if "error" in reply]
    assert len(messages) == 19
    assert sum("requestState" in message for message in messages) == 4
    assert sum("rate limit" in message for message in messages) == 15
    await client.close()
