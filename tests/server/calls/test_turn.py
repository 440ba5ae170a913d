"""One call, one outcome: whatever its handler does, and whoever ends it first."""

import asyncio
import itertools
import logging
from collections.abc import Callable
from typing import Any

import pytest

from dovetail import Context, Server
from dovetail.errors import DovetailError
from dovetail.server.calls import turn as turns
from dovetail.server.calls.context import Stop
from dovetail.server.runtime import Runtime
from dovetail.server.transports.run import shared_runtime
from tests.server.peers import Conversation, Http, Json, meta, text_of

SHORT = 0.02


async def after(client: Conversation, identifier: int) -> list[Json]:
    """Return all that is said to a call, up to the answer of a later ping."""
    await client.call("ping")
    return [message for message in client.seen if message.get("id") == identifier and "method" not in message]


async def swallow(ctx: Context) -> str:
    release: asyncio.Event = ctx.lifespan
    while not release.is_set():
        try:
            await release.wait()
        except asyncio.CancelledError:
            continue
    return "late"


async def raise_instead(ctx: Context) -> str:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        raise ValueError("something else") from None
    return "never"


async def return_instead(ctx: Context) -> str:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        return "instead"
    return "never"


async def clean_up(ctx: Context) -> str:
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0)
        await ctx.progress(1)
        await ctx.log.error("cleaning up")
    return "never"


async def shielded(ctx: Context) -> str:
    await asyncio.shield(asyncio.sleep(0.1))
    return "never"


HANDLERS = [swallow, raise_instead, return_instead, clean_up, shielded]


def lifespan_of(release: asyncio.Event) -> Any:
    async def lifespan(server: Server) -> Any:
        yield release

    return lifespan


@pytest.mark.req("R-07")
@pytest.mark.parametrize("handler", HANDLERS)
async def test_a_call_that_runs_out_of_time_is_told_so_at_once_and_once(handler: Callable[..., Any]) -> None:
    release = asyncio.Event()
    app = Server("slow", lifespan=lifespan_of(release))
    app.add_tool(handler, name="slow", timeout=SHORT)
    client = Conversation(app)
    await client.open()
    started = asyncio.get_running_loop().time()
    identifier = client.begin("tools/call", {"name": "slow", "arguments": {}, "_meta": {"progressToken": "p"}})
    message = await client.outcome(identifier)
    assert asyncio.get_running_loop().time() - started < SHORT + 1.0
    assert message["result"]["isError"] is True
    assert "0.02 seconds" in text_of(message)
    release.set()
    assert len(await after(client, identifier)) == 1
    assert not [m for m in client.seen if m.get("method") == "notifications/progress"]
    await client.close()
    runtime = await shared_runtime(app)
    while runtime.in_flight:
        await asyncio.sleep(0)


@pytest.mark.req("R-07")
async def test_a_handler_that_never_ends_is_abandoned_counted_and_costs_its_own_call_only(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(turns, "GRACE_SECONDS", 0.0)
    release = asyncio.Event()
    app = Server("slow", lifespan=lifespan_of(release))
    app.add_tool(swallow, timeout=SHORT)
    app.add_tool(lambda: "fine", name="fine")
    client = Conversation(app)
    await client.open()
    with caplog.at_level(logging.WARNING, "dovetail.server"):
        assert (await client.call("tools/call", name="swallow", arguments={}))["result"]["isError"]
        runtime = await shared_runtime(app)
        while not runtime.abandoned:
            await asyncio.sleep(0)
    assert runtime.abandoned == 1
    assert "has not finished" in caplog.text
    assert text_of(await client.call("tools/call", name="fine", arguments={})) == "fine"
    release.set()
    while runtime.in_flight:
        await asyncio.sleep(0)
    await client.close()


@pytest.mark.parametrize("where", ["middleware", "dependency", "handler"])
async def test_the_time_of_a_call_is_limited_wherever_it_first_waits(where: str) -> None:
    from typing import Annotated

    from dovetail import Depends

    app = Server("slow")

    def pausing(handler: Any) -> Any:
        async def served(call: Any, ctx: Context) -> Any:
            if where == "middleware":
                await asyncio.sleep(0)
            return await handler(call, ctx)

        return served

    app.use(pausing)

    async def opened() -> str:
        if where == "dependency":
            await asyncio.sleep(0)
        return "open"

    @app.tool(timeout=SHORT)
    async def slow(db: Annotated[str, Depends(opened)]) -> str:
        await asyncio.Event().wait()
        return "never"

    client = Conversation(app)
    await client.open()
    assert "seconds" in text_of(await client.call("tools/call", name="slow", arguments={}))
    await client.close()


async def test_a_resource_that_is_read_inside_a_call_leaves_the_call_its_limits() -> None:
    app = Server("slow")

    @app.resource("data://one")
    async def one() -> str:
        await asyncio.sleep(0)
        return "one"

    @app.resource("data://two", timeout=SHORT)
    async def two() -> str:
        await asyncio.sleep(0)
        return "two"

    @app.tool(timeout=SHORT)
    async def slow(ctx: Context) -> str:
        await ctx.read_resource("data://one")
        await asyncio.Event().wait()
        return "never"

    @app.tool
    async def unlimited(ctx: Context) -> str:
        await ctx.read_resource("data://two")
        await asyncio.sleep(3 * SHORT)
        return "done"

    client = Conversation(app)
    await client.open()
    assert "seconds" in text_of(await client.call("tools/call", name="slow", arguments={}))
    assert text_of(await client.call("tools/call", name="unlimited", arguments={})) == "done"
    await client.close()


@pytest.mark.parametrize("handler", HANDLERS)
async def test_a_cancelled_call_says_nothing_more(handler: Callable[..., Any]) -> None:
    release = asyncio.Event()
    app = Server("slow", lifespan=lifespan_of(release))
    app.add_tool(handler, name="slow")
    client = Conversation(app)
    await client.open()
    identifier = client.begin("tools/call", {"name": "slow", "arguments": {}, "_meta": {"progressToken": "p"}})
    await client.call("ping")
    client.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": identifier}})
    await client.call("ping")
    release.set()
    runtime = await shared_runtime(app)
    while runtime.in_flight:
        await asyncio.sleep(0)
    assert await after(client, identifier) == []
    assert not [m for m in client.seen if "method" in m]
    await client.close()


EVENTS = ["complete", "cancel", "timeout", "shut down"]


@pytest.mark.req("R-26")
@pytest.mark.parametrize("gap", [0, 1, 2, 5])
@pytest.mark.parametrize("order", list(itertools.permutations(EVENTS, 2)), ids=lambda pair: "-".join(pair))
async def test_whatever_ends_a_call_first_is_its_one_outcome(order: tuple[str, str], gap: int) -> None:
    app, finish = Server("race"), asyncio.Event()

    @app.tool(timeout=60)
    async def work() -> str:
        await finish.wait()
        return "complete"

    client = Conversation(app)
    await client.open()
    identifier = client.begin("tools/call", {"name": "work", "arguments": {}})
    await client.call("ping")
    runtime = await shared_runtime(app)
    (context,) = runtime.in_flight
    turn = context.turn
    assert turn is not None

    def pull(event: str) -> None:
        match event:
            case "complete":
                finish.set()
            case "cancel":
                turns.cancel(context)
            case "timeout":
                turn._out_of_time()
            case _:
                turns.refuse(context, DovetailError("shut down"), Stop.SHUT_DOWN)

    pull(order[0])
    for _ in range(gap):
        await asyncio.sleep(0)
    pull(order[1])
    while runtime.in_flight:
        await asyncio.sleep(0)
    said = await after(client, identifier)
    # A result that the handler has returned, but that its task has not seen yet, loses against who ends the call.
    winner = order[1] if order[0] == "complete" and gap == 0 else order[0]
    assert len(said) == (0 if winner == "cancel" else 1)
    if winner == "complete":
        assert text_of(said[0]) == "complete"
    elif winner != "cancel":
        assert "complete" not in str(said)
    assert len(runtime.in_flight) == 0
    await client.close()


@pytest.mark.req("R-26")
async def test_a_client_that_leaves_and_a_timeout_together_leave_nothing() -> None:
    app = Server("race")

    @app.tool(timeout=SHORT)
    async def work() -> str:
        await asyncio.Event().wait()
        return "never"

    app_http = app.asgi()
    http = Http(app_http)
    gone = asyncio.Event()
    request = asyncio.create_task(http.modern("tools/call", {"name": "work", "arguments": {}}, gone=gone))
    await asyncio.sleep(0)
    gone.set()
    response = await request
    assert response.status in (0, 200, 202)
    runtime: Runtime = app_http.runtime
    while runtime.in_flight:
        await asyncio.sleep(0)
    assert "0 of 0" in repr(app_http._endpoint.load)


# What runs on behalf of a call that is over.


@pytest.mark.req("S-17")
@pytest.mark.parametrize("waits", [True, False])
async def test_what_goes_on_after_its_call_has_ended_shares_nothing_with_other_calls(waits: bool) -> None:
    app = Server("late")
    late: list[asyncio.Task[Any]] = []
    let = asyncio.Event()

    @app.tool
    async def begin(number: int, ctx: Context) -> str:
        async def background() -> Any:
            await let.wait()
            return await ctx.once("effect", lambda: number)

        late.append(asyncio.create_task(background()))
        if waits:
            await asyncio.sleep(0)
        return "begun"

    client = Conversation(app)
    await client.open()
    for number in range(3):
        await client.call("tools/call", name="begin", arguments={"number": number})
    let.set()
    outcomes = await asyncio.gather(*late, return_exceptions=True)
    assert [type(outcome).__name__ for outcome in outcomes] == ["OnceUnknown"] * 3
    assert turns.ENDED.ledger is None
    assert turns.ENDED.rounds == 0
    await client.close()


@pytest.mark.parametrize("stateless", [True, False])
async def test_nobody_is_asked_on_behalf_of_a_call_that_is_over(stateless: bool) -> None:
    app = Server("late")
    late: list[asyncio.Task[Any]] = []

    @app.tool
    async def begin(ctx: Context) -> str:
        async def background() -> Any:
            await asyncio.sleep(0)
            await ctx.progress(1)
            return await ctx.elicit("Still there?")

        late.append(asyncio.create_task(background()))
        return "begun"

    client = Conversation(app)
    if not stateless:
        await client.open()
    extra = {"_meta": meta()} if stateless else {"_meta": {"progressToken": 1}}
    for _ in range(20):
        assert text_of(await client.call("tools/call", name="begin", arguments={}, **extra)) == "begun"
    outcomes = await asyncio.gather(*late, return_exceptions=True)
    assert {type(outcome).__name__ for outcome in outcomes} == {"CancelledError"}
    assert not [message for message in client.seen if "method" in message]
    await client.close()


async def test_the_slot_of_a_call_is_its_own_while_it_reads_and_asks() -> None:
    app = Server("slots")

    @app.resource("data://one", concurrency=1)
    async def one() -> str:
        await asyncio.sleep(0)
        return "one"

    @app.tool(concurrency=1)
    async def work(ctx: Context) -> str:
        await ctx.read_resource("data://one")
        answer = await ctx.elicit("Go on?")
        return answer.action

    def asking(handler: Any) -> Any:
        async def served(call: Any, ctx: Context) -> Any:
            result = await handler(call, ctx)
            if call.method == "tools/call":
                await ctx.elicit("Sure?")
            return result

        return served

    app.use(asking)
    client = Conversation(app)
    client.answers["elicitation/create"] = lambda params: {"action": "accept", "content": {}}
    await client.open()
    for _ in range(3):
        assert text_of(await client.call("tools/call", name="work", arguments={})) == "accept"
    tool, resource = app.catalogue.tools.get("work"), app.catalogue.resources.get("data://one")
    assert tool is not None
    assert tool.slots is not None
    assert tool.slots.taken == 0
    assert resource is not None
    assert resource.slots is not None
    assert resource.slots.taken == 0
    await client.close()


@pytest.mark.parametrize("stateful", [True, False])
async def test_a_timeout_is_the_handlers_alone_and_middleware_around_it_has_time(stateful: bool) -> None:
    app = Server("timed")

    @app.use
    def slow(handler: Any) -> Any:
        async def handle(call: Any, ctx: Context) -> Any:
            await passed(3 * SHORT)
            result = await handler(call, ctx)
            await passed(3 * SHORT)
            return result

        return handle

    @app.tool(timeout=SHORT)
    async def quick() -> str:
        return "quick"

    @app.tool(timeout=SHORT)
    async def waits(seconds: float) -> str:
        await passed(seconds)
        return "waited"

    client = Conversation(app)
    extra = {} if stateful else {"_meta": meta()}
    if stateful:
        await client.open()
    for name, arguments, said in (
        ("quick", {}, "quick"),
        ("waits", {"seconds": 0.0}, "waited"),
        ("waits", {"seconds": 60.0}, f"The call did not finish within {SHORT:g} seconds"),
    ):
        assert text_of(await client.call("tools/call", name=name, arguments=arguments, **extra)) == said
    await client.close()


async def passed(seconds: float) -> None:
    """Wait until the loop's clock has gone on."""
    gate = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, gate.set)
    await gate.wait()
