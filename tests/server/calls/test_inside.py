"""A resource that is read inside a call: a call of its own to those who serve it, a part of one call to the client."""

import asyncio
import math
from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest

from dovetail import Complete, Context, Server, ToolError, get_context
from dovetail.errors import Busy
from dovetail.server.watching.observing import End, Report, Watcher
from tests.server.peers import STATELESS, Conversation, Http, accept, meta, text_of

STATEFUL = "2025-11-25"
ERAS = pytest.mark.parametrize("era", [STATEFUL, STATELESS])


def lifespan_of(value: str) -> Any:
    async def lifespan(server: Server) -> AsyncIterator[str]:
        yield value

    return lifespan


async def read(ctx: Context, uri: str) -> str:
    found: Any = await ctx.read_resource(uri)
    text: str = found.contents[0].text
    return text


def noting(passed: list[str], name: str) -> Any:
    def middleware(handler: Any) -> Any:
        async def handle(call: Any, ctx: Context) -> Any:
            passed.append(f"{name} {call.method} {getattr(call.params, 'uri', '')}".rstrip())
            ctx.state[name] = "was here"
            return await handler(call, ctx)

        return handle

    return middleware


class House:
    """A server in a server in a server, each with a resource, a tool that reads, a lifespan and middleware."""

    def __init__(self) -> None:
        self.passed: list[str] = []
        self.servers = {name: Server(name, lifespan=lifespan_of(name)) for name in ("root", "left", "deep", "right")}
        for name, server in self.servers.items():
            server.add_resource(f"data://{name}", self.where, name=name)
            server.add_resource(f"data://{name}/{{key}}", self.where_of, name=f"{name} of")
            server.add_tool(self.read, name="read")
        self.servers["left"].mount(self.servers["deep"], "deep")
        self.servers["root"].mount(self.servers["left"], "left")
        self.servers["root"].mount(self.servers["right"], "right")
        for name, server in self.servers.items():
            server.use(noting(self.passed, name))
        self.root = self.servers["root"]

    async def where(self, ctx: Context) -> str:
        await asyncio.sleep(0)
        assert get_context() is ctx
        return f"{ctx.lifespan} {ctx.call.method} {' '.join(ctx.state)}"

    async def where_of(self, key: str, ctx: Context) -> str:
        return f"{key} of {await self.where(ctx)}"

    async def read(self, uri: str, ctx: Context) -> str:
        """Read, beside another that reads, and stay what it was."""
        before = (ctx.lifespan, ctx.call.method, dict(ctx.state))
        first, second = await asyncio.gather(read(ctx, uri), read(ctx, "data://root"))
        assert (ctx.lifespan, ctx.call.method, ctx.state) == before
        assert get_context() is ctx
        assert second.startswith("root resources/read root")
        return first


async def called(client: Conversation, era: str, name: str, **arguments: Any) -> str:
    if era == STATELESS:
        return text_of((await client.rounds(name, arguments))[-1])
    return text_of(await client.call("tools/call", name=name, arguments=arguments))


async def talking(server: Server, era: str) -> Conversation:
    client = Conversation(server)
    if era == STATEFUL:
        await client.open()
    return client


@ERAS
@pytest.mark.parametrize(
    ("tool", "uri", "passes"),
    [
        ("read", "data://root", []),
        ("read", "data://left", ["left"]),
        ("read", "data://deep", ["left", "deep"]),
        ("left_read", "data://left", []),
        ("left_read", "data://deep", ["deep"]),
        ("left_read", "data://right", ["right"]),
        ("left_deep_read", "data://left", []),
        ("left_deep_read", "data://deep", []),
        ("right_read", "data://deep", ["left", "deep"]),
    ],
)
async def test_what_is_mounted_is_read_within_its_own_lifespan_and_the_middleware_that_lies_ahead(
    era: str, tool: str, uri: str, passes: list[str]
) -> None:
    house = House()
    client = await talking(house.root, era)
    for target, prefix in ((uri, ""), (f"{uri}/k", "k of ")):
        house.passed.clear()
        said = await called(client, era, tool, uri=target)
        owner = uri.removeprefix("data://")
        assert said.startswith(f"{prefix}{owner} resources/read root")
        inner = [line for line in house.passed if "resources/read" in line]
        assert inner == [f"{name} resources/read {target}" for name in passes]
    await client.close()


async def test_middleware_that_reads_before_there_is_an_entry_passes_that_of_the_server_that_it_reads_from() -> None:
    house = House()

    def reads(handler: Any) -> Any:
        async def handle(call: Any, ctx: Context) -> Any:
            ctx.state["read"] = await read(ctx, "data://deep")
            return await handler(call, ctx)

        return handle

    house.root.use(reads)
    client = await talking(house.root, STATEFUL)
    house.passed.clear()
    await client.call("tools/list")
    assert house.passed == ["root tools/list", "left resources/read data://deep", "deep resources/read data://deep"]
    await client.close()


def limited(**options: Any) -> Server:
    app = Server("limited")

    @app.resource("data://one", **options)
    async def one() -> str:
        await asyncio.sleep(0)
        return "one"

    @app.tool
    async def reads(times: int, ctx: Context) -> str:
        done = 0
        try:
            for _ in range(times):
                await ctx.read_resource("data://one")
                done += 1
        except Busy:
            return f"busy after {done}"
        return f"read {done}"

    @app.tool
    async def asks(ctx: Context) -> str:
        await ctx.read_resource("data://one")
        answer = await ctx.elicit("Again?")
        try:
            await ctx.read_resource("data://one")
        except Busy:
            return f"{answer.action}, busy"
        return f"{answer.action}, read"

    return app


@ERAS
async def test_the_rate_of_a_resource_holds_for_those_who_read_it_inside_a_call(era: str) -> None:
    client = await talking(limited(limit="3/m"), era)
    assert await called(client, era, "reads", times=2) == "read 2"
    assert await called(client, era, "reads", times=2) == "busy after 1"
    extra = {"_meta": meta()} if era == STATELESS else {}
    assert "rate" in (await client.call("resources/read", uri="data://one", **extra))["error"]["message"]
    await client.close()


@ERAS
@pytest.mark.parametrize(("limit", "outcome"), [("2/m", "read"), ("1/m", "busy")])
async def test_a_replay_does_not_pay_again_for_what_was_read(era: str, limit: str, outcome: str) -> None:
    client = await talking(limited(limit=limit), era)
    client.answers["elicitation/create"] = accept()
    assert await called(client, era, "asks") == f"accept, {outcome}"
    await client.close()


def asking() -> Server:
    """A resource of a mounted server that asks, does something once, and tells how far it is."""
    root, child = Server("root"), Server("child")
    effects = []

    def count() -> int:
        effects.append("x")
        return len(effects)

    @child.resource("data://asks")
    async def asks(ctx: Context) -> str:
        await ctx.progress(2)
        answer = await ctx.elicit("How many?", int)
        total = await ctx.once("count", count)
        await ctx.progress(1)
        await ctx.progress(4)
        return f"{answer.value} {total}"

    @root.tool
    async def reads(ctx: Context) -> str:
        await ctx.progress(1)
        first = await read(ctx, "data://asks")
        await ctx.progress(3)
        await ctx.progress(5)
        again = await ctx.elicit("And then?", int)
        return f"{first} {again.value}"

    @root.prompt
    def about(topic: Annotated[str, Complete(lambda typed: [])]) -> str:
        return topic

    root.mount(child)
    return root


@ERAS
async def test_a_resource_that_is_read_inside_a_call_asks_within_that_call(era: str) -> None:
    client = await talking(asking(), era)
    answers = iter(range(10, 99))
    client.answers["elicitation/create"] = lambda params: {"action": "accept", "content": {"value": next(answers)}}
    assert await called(client, era, "reads") == "10 1 11"
    await client.close()


async def test_the_progress_of_a_call_increases_whoever_tells_it() -> None:
    client = await talking(asking(), STATEFUL)
    client.answers["elicitation/create"] = accept(value=1)
    await client.call("tools/call", name="reads", arguments={}, _meta={"progressToken": "p"})
    told = [m["params"]["progress"] for m in client.seen if m.get("method") == "notifications/progress"]
    assert told == [1, 2, 4, 5]
    await client.close()


async def test_progress_that_no_float_can_hold_is_dropped_like_infinity() -> None:
    app = Server("far")

    @app.tool
    async def goes(ctx: Context) -> str:
        await ctx.progress(1, 10**400)
        await ctx.progress(10**400)
        await ctx.progress(2, math.inf)
        return "far"

    client = await talking(app, STATEFUL)
    await client.call("tools/call", name="goes", arguments={}, _meta={"progressToken": "p"})
    told = [m["params"] for m in client.seen if m.get("method") == "notifications/progress"]
    assert told == [{"progressToken": "p", "progress": 1}, {"progressToken": "p", "progress": 2}]
    await client.close()


@pytest.mark.req("S-14")
async def test_what_cannot_ask_cannot_ask_by_reading_either() -> None:
    root = asking()

    def reads(handler: Any) -> Any:
        async def handle(call: Any, ctx: Context) -> Any:
            if call.method == "completion/complete":
                await ctx.read_resource("data://asks")
            return await handler(call, ctx)

        return handle

    root.use(reads)
    response = await Http(root.asgi()).modern(
        "completion/complete",
        {"ref": {"type": "ref/prompt", "name": "about"}, "argument": {"name": "topic", "value": ""}},
    )
    assert "cannot ask" in response.json["error"]["message"]


class Seeing(Watcher):
    """Keeps what it saw."""

    def __init__(self) -> None:
        self.reports: list[Report] = []

    def begin(self, call: Any, context: Context) -> End:
        return self.reports.append


@ERAS
async def test_those_who_watch_a_mounted_server_see_what_is_read_of_it_and_how_that_ended(era: str) -> None:
    root, child, seeing = Server("root"), Server("child"), Seeing()

    @child.resource("data://{outcome}")
    async def ends(outcome: str, ctx: Context) -> str:
        await asyncio.sleep(0)
        match outcome:
            case "raises":
                raise ValueError("secret")
            case "refuses":
                raise Busy("not now")
            case "asks":
                await ctx.elicit("Well?")
            case "waits":
                await asyncio.Event().wait()
        return "fine"

    @root.tool(timeout=0.05)
    async def reads(outcome: str, ctx: Context) -> str:
        try:
            await ctx.read_resource(f"data://{outcome}")
        except ValueError:
            raise ToolError("it raised") from None
        return "read"

    child.use(seeing)
    root.mount(child)
    client = await talking(root, era)
    client.answers["elicitation/create"] = accept()
    for outcome in ("fine", "raises", "refuses", "asks", "waits"):
        if era == STATELESS:
            await client.rounds("reads", {"outcome": outcome})
        else:
            await client.call("tools/call", name="reads", arguments={"outcome": outcome})
    found = [(report.outcome, report.code, report.error) for report in seeing.reports]
    asked = [("asked", None, "")] if era == STATELESS else []
    assert found == [
        ("ok", None, ""),
        ("error", -32603, "ValueError"),
        ("error", -32603, "Busy"),
        *asked,
        ("ok", None, ""),
        ("timed_out", None, "timed_out"),
    ]
    assert {(report.method, report.name) for report in seeing.reports} == {("resources/read", "data://{outcome}")}
    await client.close()
