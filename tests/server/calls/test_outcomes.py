"""Failures of our own making are for the log, too: whose, where, and what was expected, never a value."""

from typing import Any

import pytest

from dovetail import Context, Server
from dovetail.errors import PeerError
from tests.server.peers import Conversation, text_of

SECRET = "sk-canary-9f2c"


@pytest.mark.req("W-12")
async def test_a_result_that_does_not_fit_is_logged_with_its_name_and_place(caplog: pytest.LogCaptureFixture) -> None:
    app = Server("misfits")

    @app.tool
    async def orders() -> list[int]:
        return [1, SECRET]  # type: ignore[list-item]

    @app.tool
    async def thing() -> Any:
        return object()

    app.add_resource("data://thing", lambda: object(), name="thing")
    app.add_prompt(lambda: 5, name="say")
    client = Conversation(app)
    await client.open()
    for name in ("orders", "thing"):
        assert (await client.call("tools/call", name=name, arguments={}))["result"]["isError"]
    await client.call("resources/read", uri="data://thing")
    await client.call("prompts/get", name="say")
    logged = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert logged == [
        "tools/call orders: The result does not fit what was declared: $[1]: expected integer, got string",
        "tools/call thing: The result cannot be sent: $: expected what JSON has words for, got object",
        "resources/read data://thing: The result cannot be sent: $: expected what JSON has words for, got object",
        "prompts/get say: The result cannot be sent: $[0]: expected a message: text, a content block, or role"
        " (user, assistant) and content",
    ]
    assert SECRET not in caplog.text
    await client.close()


@pytest.mark.req("S-25")
async def test_what_another_server_answered_to_a_tool_is_not_for_the_model_and_what_the_client_answered_is() -> None:
    server = Server("between")

    @server.tool
    async def upstream() -> str:
        raise PeerError(-32000, "no such table: salaries", {"host": "db.internal"})

    @server.tool
    async def asks(ctx: Context) -> str:
        return str((await ctx.elicit("Which?", int)).value)

    client = Conversation(server)
    await client.open()
    masked = await client.call("tools/call", name="upstream", arguments={})
    assert masked["result"]["isError"] and text_of(masked).startswith("Internal error; see the server's log for ")
    identifier = client.begin("tools/call", {"name": "asks", "arguments": {}})
    question = await client.receive()
    refused = {"code": -32601, "message": "There is nobody to ask"}
    client.send({"jsonrpc": "2.0", "id": question["id"], "error": refused})
    told = await client.outcome(identifier)
    assert told["result"]["isError"] and text_of(told) == "There is nobody to ask (-32601)"
    await client.close()
