"""What a client answers is a stranger's: unreadable or unfit, it never hangs a call, nor reaches another request."""

import asyncio
import json
from typing import Any

import pytest

from dovetail import Context, Server
from tests.server.peers import Conversation, Http, Json, text_of

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
