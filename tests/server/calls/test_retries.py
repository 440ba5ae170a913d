"""A retry with a state, on the stateless revision: taken up before anything else runs, and free where it is valid."""

import asyncio
from typing import Any

import pytest

from dovetail import Context, Server
from dovetail.errors import ToolError
from dovetail.server.transports.run import shared_runtime
from tests.server.peers import Conversation, Http, Json, accept, answered, meta, text_of


def guarded(events: list[str] | None = None) -> Server:
    """Return a server whose middleware asks before the handler runs."""
    app = Server("guarded")

    @app.use
    def allowed(handler: Any) -> Any:
        async def handle(call: Any, ctx: Context) -> Any:
            if call.method in ("tools/call", "prompts/get", "resources/read"):
                await ctx.log.info("before")
                if events is not None:
                    await ctx.once("note", events.append, "effect")
                if not (await ctx.elicit("Allow it?", bool)).value:
                    raise ToolError("not allowed")
            return await handler(call, ctx)

        return handle

    @app.tool
    async def work(ctx: Context, what: str = "") -> str:
        return f"worked {(await ctx.elicit('How often?', int)).value}"

    @app.tool
    async def other(what: str = "") -> str:
        return "other"

    @app.prompt
    async def words() -> str:
        return "words"

    @app.resource("text://{name}")
    async def text(name: str) -> str:
        return f"text {name}"

    return app


@pytest.mark.parametrize("stateful", [True, False])
async def test_middleware_asks_before_the_handler_and_the_handler_after_it(stateful: bool) -> None:
    events: list[str] = []
    client = Conversation(guarded(events))
    client.answers["elicitation/create"] = lambda params: {
        "action": "accept",
        "content": {"value": True if params["message"] == "Allow it?" else 3},
    }
    if stateful:
        await client.open()
        assert text_of(await client.call("tools/call", name="work", arguments={})) == "worked 3"
    else:
        results = await client.rounds("work")
        assert [result["resultType"] for result in results] == ["input_required", "input_required", "complete"]
        assert text_of(results[-1]) == "worked 3"
    assert events == ["effect"], "once over all turns, in middleware too"
    client.answers["elicitation/create"] = accept(value=False)
    if stateful:
        refused = await client.call("tools/call", name="work", arguments={})
    else:
        refused = (await client.rounds("work"))[-1]
    assert text_of(refused) == "not allowed"
    await client.close()


@pytest.mark.parametrize(
    ("method", "params"),
    [("prompts/get", {"name": "words"}), ("resources/read", {"uri": "text://a"})],
)
async def test_middleware_asks_before_prompts_and_resources(method: str, params: Json) -> None:
    client = Conversation(guarded())
    first = (await client.call(method, **params, _meta=meta()))["result"]
    done = await client.call(method, **params, _meta=meta(), **answered(first, value=True))
    assert done["result"]["resultType"] == "complete"
    await client.close()


@pytest.mark.req("S-12")
async def test_a_state_from_a_question_of_middleware_fits_one_request_and_one_definition_only() -> None:
    client = Conversation(guarded())
    first = (await client.call("tools/call", name="other", arguments={}, _meta=meta()))["result"]
    for name, arguments in (("work", {}), ("other", {"what": "b"}), ("nobody", {})):
        params = {"name": name, "arguments": arguments, "_meta": meta(), **answered(first, value=True)}
        message = await client.call("tools/call", **params)
        assert message["error"]["code"] == -32602
    good = await client.call("tools/call", name="other", arguments={}, _meta=meta(), **answered(first, value=True))
    assert text_of(good) == "other"
    await client.close()


@pytest.mark.req("S-12", "S-13")
async def test_a_state_that_was_used_is_refused_in_the_very_words_of_one_that_was_forged() -> None:
    app = Server("once", single_use=True)

    @app.tool
    async def ask(ctx: Context) -> str:
        return str((await ctx.elicit("?", int)).value)

    client = Conversation(app)
    first = (await client.call("tools/call", name="ask", arguments={}, _meta=meta()))["result"]
    retry = answered(first, value=1)

    async def again(**changed: str) -> Json:
        return await client.call("tools/call", name="ask", arguments={}, _meta=meta(), **{**retry, **changed})

    assert text_of(await again()) == "1"
    used, forged = await again(), await again(requestState="A" + retry["requestState"])
    assert used["error"] == forged["error"] == {"code": -32602, "message": "requestState is not valid for this request"}
    await client.close()


@pytest.mark.req("S-12")
@pytest.mark.parametrize("question", ["a field named url", "url", "a choice", "a visit"])
async def test_only_a_visit_gives_the_client_an_hour_and_all_else_ten_minutes(question: str) -> None:
    app = Server("patient")
    form = {"properties": {"url": {"type": "string"}}}
    choice = {"properties": {"mode": {"type": "string", "enum": ["url"]}}}

    @app.tool
    async def ask(ctx: Context) -> str:
        if question == "a visit":
            return (await ctx.elicit_url("Pay", "https://pay.example")).action
        return (await ctx.elicit(question, choice if question == "a choice" else form)).action

    client = Conversation(app)
    await client.call("server/discover", _meta=meta())
    runtime = await shared_runtime(app)
    passed, began = 0.0, runtime.clock()
    runtime.clock = lambda: began + passed
    asked = (await client.call("tools/call", name="ask", arguments={}, _meta=meta()))["result"]
    retry = {"requestState": asked["requestState"], "inputResponses": {}}
    for passed, good in ((599.0, True), (601.0, question == "a visit"), (3601.0, False)):  # noqa: B007
        message = await client.call("tools/call", name="ask", arguments={}, _meta=meta(), **retry)
        assert ("result" in message) is good
    await client.close()


async def test_what_middleware_says_on_known_ground_is_withheld() -> None:
    client = Conversation(guarded())
    told = {**meta(), "io.modelcontextprotocol/logLevel": "debug"}
    first = (await client.call("tools/call", name="other", arguments={}, _meta=told))["result"]
    await client.call("tools/call", name="other", arguments={}, _meta=told, **answered(first, value=True))
    assert [m["params"]["data"] for m in client.seen if m.get("method") == "notifications/message"] == ["before"]
    await client.close()


@pytest.mark.parametrize("where", ["server", "tool"])
async def test_a_valid_retry_is_served_with_an_empty_bucket_and_an_invalid_one_pays(where: str) -> None:
    app = Server("rated", rate="2/h") if where == "server" else Server("rated")

    @app.tool(limit="100/h" if where == "server" else "2/h")
    async def ask(ctx: Context) -> str:
        return str((await ctx.elicit("?", int)).value)

    http = Http(app.asgi())
    call: Json = {"name": "ask", "arguments": {}}
    first = (await http.modern("tools/call", call)).json["result"]
    forged = await http.modern("tools/call", {**call, **answered(first, value=1), "requestState": "A" * 60})
    assert forged.json["error"]["code"] == -32602
    assert "requestState" in forged.json["error"]["message"]
    empty = [
        await http.modern("tools/call", call),
        await http.modern("tools/call", {**call, **answered(first, value=1), "requestState": "A" * 60}),
    ]
    assert [reply.status for reply in empty] == [429, 429]
    served = await http.modern("tools/call", {**call, **answered(first, value=1)})
    assert (served.status, text_of(served.json)) == (200, "1")


async def test_where_the_server_asks_by_requests_a_state_means_nothing() -> None:
    client = Conversation(guarded())
    client.answers["elicitation/create"] = accept(value=True)
    await client.open()
    extra = {"requestState": "no state", "inputResponses": {}}
    assert text_of(await client.call("tools/call", name="other", arguments={}, **extra)) == "other"
    await client.close()


async def test_calls_that_run_at_once_each_take_up_their_own_state() -> None:
    client = Conversation(guarded())
    params: Json = {"name": "other", "_meta": meta()}
    firsts = [(await client.call("tools/call", **params, arguments={"what": what}))["result"] for what in ("a", "b")]
    started = [
        client.begin("tools/call", {**params, "arguments": {"what": what}, **answered(first, value=True)})
        for what, first in zip(("a", "b"), firsts, strict=True)
    ]
    outcomes = [await client.receive() for _ in started]
    assert sorted(m["id"] for m in outcomes) == started
    assert [text_of(m) for m in outcomes] == ["other", "other"]
    await asyncio.sleep(0)
    await client.close()
