"""What a client answers is a stranger's: unreadable or unfit, it never hangs a call, nor reaches another request."""

import asyncio
import json
from typing import Any

import pytest

from dovetail import Context, Limits, Server
from tests.server.peers import Conversation, Http, Json, meta, text_of

UNREADABLE = [
    *(f'{{"jsonrpc":"2.0","id":%s,"result":{result}}}' for result in ("null", "[]", '"x"', "5")),
    '{"jsonrpc":"2.0","id":%s,"error":"no"}',
    '{"jsonrpc":"2.0","id":%s,"error":{"code":"x","message":5}}',
    '{"jsonrpc":"2.0","id":%s,"result":{},"error":{"code":1,"message":"x"}}',
    '{"jsonrpc":"2.0","id":%s}',
    '{"id":%s,"result":{"action":"decline"}}',
    '{"jsonrpc":"2.0","id":%s,"result":{"action":"accept","action":"decline"}}',
]


def asking() -> Server:
    app = Server("asks")

    @app.tool
    async def number(ctx: Context) -> str:
        return str((await ctx.elicit("How many?", int)).value)

    @app.tool
    async def own(ctx: Context) -> str:
        gate = asyncio.Event()
        asyncio.get_running_loop().call_later(0.02, gate.set)
        await gate.wait()
        return "own result"

    return app


@pytest.mark.req("S-25")
@pytest.mark.parametrize("template", UNREADABLE)
async def test_an_answer_that_cannot_be_read_ends_the_call_and_says_so_to_the_handler_alone(template: str) -> None:
    client = Conversation(asking())
    await client.open()
    call = client.begin("tools/call", {"name": "number", "arguments": {}})
    question = await client.receive()
    # Each side counts its requests on its own: the same number may stand for a request of the client's.
    params = {"name": "own", "arguments": {}}
    client.send({"jsonrpc": "2.0", "id": question["id"], "method": "tools/call", "params": params})
    client.channel.send((template % question["id"]).encode())
    outcome, other = await client.receive(), await client.receive()
    assert outcome["id"] == call
    assert outcome["result"]["isError"] is True
    assert "answer cannot be read" in text_of(outcome)
    assert (other["id"], text_of(other)) == (question["id"], "own result")
    await client.close()


async def test_an_unreadable_answer_that_nobody_waits_for_is_refused_without_an_id() -> None:
    client = Conversation(asking())
    await client.open()
    client.channel.send(b'{"jsonrpc":"2.0","id":1,"result":null}')
    refusal = await client.receive()
    assert "id" not in refusal
    assert refusal["error"]["code"] == -32600
    await client.close()


@pytest.mark.req("S-25")
@pytest.mark.parametrize("template", UNREADABLE[:1] + UNREADABLE[4:5] + UNREADABLE[-1:])
async def test_over_http_an_unreadable_answer_is_a_400_without_an_id_and_ends_the_call(template: str) -> None:
    http = Http(asking().asgi())
    session = await http.session()
    body: Json = {"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": {"name": "number", "arguments": {}}}
    call = asyncio.create_task(http.request("POST", body, session))
    question = await asked(http, session)
    stranger = await http.request("POST", (template % question).encode(), await http.session())
    assert stranger.status == 400, "another session's client answers nothing here"
    assert not call.done()
    refusal = await http.request("POST", (template % question).encode(), session)
    assert refusal.status == 400
    assert "id" not in refusal.json
    outcome = (await call).events[-1]
    assert outcome["id"] == 5
    assert "answer cannot be read" in text_of(outcome)


async def asked(http: Http, session: dict[str, str]) -> str:
    """Return the id of a question that a call of this session's asks: the first of its process."""
    ping = {"jsonrpc": "2.0", "id": "p", "method": "ping"}
    for _ in range(5):
        await http.request("POST", ping, session)  # the call goes on meanwhile
        await asyncio.sleep(0)
    return "1"


async def test_an_unreadable_answer_in_a_batch_ends_the_call_too() -> None:
    app = Server("asks")

    @app.tool
    async def think(ctx: Context) -> str:
        return (await ctx.sample("?")).model

    client = Conversation(app)
    await client.open("2025-03-26")
    call = client.begin("tools/call", {"name": "think", "arguments": {}})
    question = await client.receive()
    ping = {"jsonrpc": "2.0", "id": "p", "method": "ping"}
    client.channel.send(json.dumps([{"jsonrpc": "2.0", "id": question["id"], "result": None}, ping]).encode())
    received: list[Any] = [await client.receive(), await client.receive()]
    assert [{"jsonrpc": "2.0", "id": "p", "result": {}}] in received
    assert [m["id"] for m in received if isinstance(m, dict)] == [call]
    await client.close()


# Answers that can be read, and do not fit.


@pytest.mark.parametrize("stateful", [True, False])
async def test_an_answer_that_does_not_fit_is_asked_for_again_on_both_eras(stateful: bool) -> None:
    answers: list[Json] = [
        {"action": "accept", "content": {"value": "many"}},
        {"action": "yes"},
        {"action": "accept", "content": {}},
        {"action": "accept", "content": {"value": 7.0}},
    ]
    left = iter(answers)
    client = Conversation(asking())
    client.answers["elicitation/create"] = lambda params: next(left)
    if stateful:
        await client.open()
        assert text_of(await client.call("tools/call", name="number", arguments={})) == "7"
    else:
        assert text_of((await client.rounds("number"))[-1]) == "7"
    assert next(left, None) is None
    await client.close()


async def test_who_never_answers_as_asked_is_asked_a_bounded_number_of_times_and_the_field_is_named() -> None:
    app = Server("asks", limits=Limits(rounds=3))

    @app.tool
    async def two(ctx: Context) -> str:
        one, _ = await asyncio.gather(ctx.elicit("How many?", int), ctx.elicit("Which?", str))
        return str(one.value)

    client = Conversation(app)
    asked: list[Json] = []

    def answer(params: Json) -> Json | None:
        asked.append(params)
        return {"action": "accept", "content": {"value": "SECRET"}} if params["message"] == "How many?" else None

    client.answers["elicitation/create"] = answer
    await client.open()
    said = text_of(await client.call("tools/call", name="two", arguments={}))
    assert "more than 3 rounds" in said
    assert "content.value: expected an integer" in said
    assert "SECRET" not in said
    assert len(asked) == 4, "three rounds, and the other question"
    await client.close()


@pytest.mark.parametrize("stateful", [True, False])
async def test_roots_are_file_uris(stateful: bool) -> None:
    app = Server("asks")

    @app.tool
    async def where(ctx: Context) -> str:
        return str([root.uri for root in await ctx.roots()])

    left = iter(["http://x", "file:///a"])
    client = Conversation(app)
    client.answers["roots/list"] = lambda params: {"roots": [{"uri": next(left)}]}
    if stateful:
        await client.open()
        assert text_of(await client.call("tools/call", name="where", arguments={})) == "['file:///a']"
    else:
        assert text_of((await client.rounds("where"))[-1]) == "['file:///a']"
    await client.close()


@pytest.mark.parametrize(
    ("version", "declared", "sent"),
    [
        ("2025-06-18", {}, True),
        ("2025-11-25", {}, False),
        ("2025-11-25", {"context": {}}, True),
        (None, {}, False),
        (None, {"context": {}}, True),
    ],
)
async def test_a_models_context_is_asked_for_where_the_client_declared_it_or_could_not(
    version: str | None, declared: Json, sent: bool
) -> None:
    app = Server("asks")

    @app.tool
    async def think(ctx: Context, context: str) -> str:
        return (await ctx.sample("?", include_context=context)).model

    client = Conversation(app)
    asked: list[str] = []

    def answer(params: Json) -> Json:
        asked.append(params.get("includeContext", "none"))
        return {"role": "assistant", "content": {"type": "text", "text": "!"}, "model": "m"}

    client.answers["sampling/createMessage"] = answer
    extra = {"_meta": meta({"sampling": declared})} if version is None else {}
    if version is not None:
        await client.open(version, {"sampling": declared})
    for context in ("none", "thisServer"):
        message = await client.call("tools/call", name="think", arguments={"context": context}, **extra)
        result = message.get("result", {})
        for request in result.get("inputRequests", {}).values():
            answer(request["params"])
        if not sent and context != "none" and version is None:
            assert message["error"]["data"] == {"requiredCapabilities": {"sampling": {"context": {}}}}
        elif not sent and context != "none":
            assert "no context" in text_of(message)
    assert asked == ["none", "thisServer"][: 1 + sent]
    await client.close()
