"""What an author put into a result as `Raw` is read before it is sent, wherever it stands."""

import json
from typing import Any, cast

import pytest
from msgspec import Raw

from dovetail import Context, Server
from dovetail.errors import DefinitionError
from dovetail.wire import (
    CallToolResult,
    EmbeddedResource,
    GetPromptResult,
    ListToolsResult,
    PromptMessage,
    ReadResourceResult,
    ResourceContents,
    TextContent,
)
from tests.server.peers import Conversation, Json, meta

BROKEN = Raw(b'{"a":')
REWRITING = Raw(b'1},"isError":true,"q":{"a":1')
SOUND = Raw(b'{"a": 1}')
TOLD = "notifications/message"
SAID = "expected one JSON value in UTF-8 wherever Raw stands"


def text(raw: Raw) -> TextContent:
    return TextContent(text="t", meta={"in": raw})


def contents(raw: Raw) -> ResourceContents:
    return ResourceContents(uri="x://a", text="t", meta={"in": raw})


def tools(raw: Raw) -> dict[str, Any]:
    return {
        "dict": {"in": raw},
        "list": [1, raw],
        "structured": CallToolResult(content=[], structured_content=cast("Any", {"in": [raw]})),
        "meta": CallToolResult(content=[], meta={"in": raw}),
        "block": CallToolResult(content=[text(raw)]),
        "contents": CallToolResult(content=[EmbeddedResource(resource=contents(raw))]),
    }


async def answer(app: Server, method: str, **params: Any) -> Json:
    client = Conversation(app)
    try:
        return await client.call(method, **params, _meta=meta())
    finally:
        await client.close()


@pytest.mark.parametrize("raw", [BROKEN, REWRITING])
@pytest.mark.parametrize("where", tools(SOUND))
async def test_a_tools_result_is_refused_wherever_broken_raw_stands(where: str, raw: Raw) -> None:
    app = Server("own")
    app.add_tool(lambda: tools(raw)[where], name="work")
    result = (await answer(app, "tools/call", name="work", arguments={}))["result"]
    assert result["isError"]
    assert SAID in result["content"][0]["text"]


@pytest.mark.parametrize("where", tools(SOUND))
async def test_raw_that_is_json_is_sent_wherever_it_stands(where: str) -> None:
    app = Server("own")
    app.add_tool(lambda: tools(SOUND)[where], name="work")
    result = (await answer(app, "tools/call", name="work", arguments={}))["result"]
    assert "isError" not in result
    assert '{"a": 1}' in json.dumps(result).replace('\\"', '"')


@pytest.mark.parametrize("raw", [BROKEN, REWRITING])
async def test_prompts_and_resources_are_read_again_too(raw: Raw) -> None:
    app = Server("own")

    @app.prompt
    async def prompt() -> GetPromptResult:
        return GetPromptResult(messages=[PromptMessage(role="user", content=EmbeddedResource(resource=contents(raw)))])

    @app.resource("x://a")
    async def resource() -> ReadResourceResult:
        return ReadResourceResult(contents=[contents(raw)])

    for method, params in (("prompts/get", {"name": "prompt"}), ("resources/read", {"uri": "x://a"})):
        refused = await answer(app, method, **params)
        assert SAID in refused["error"]["message"]


async def test_what_middleware_makes_of_a_list_cannot_break_the_message() -> None:
    app = Server("own")
    app.add_tool(lambda: "x", name="work")

    @app.use
    def layer(handler: Any) -> Any:
        async def handle(call: Any, ctx: Any) -> Any:
            return ListToolsResult(tools=[], meta={"in": BROKEN}) if call.method == "tools/list" else await handler()

        return handle

    assert SAID in (await answer(app, "tools/list"))["error"]["message"]


async def test_broken_raw_in_a_log_message_is_said_not_to_be_shown_and_its_call_goes_on() -> None:
    app = Server("own")

    @app.tool
    async def work(ctx: Context) -> str:
        await ctx.log.info({"in": BROKEN})
        return "x"

    client = Conversation(app)
    await client.open("2025-11-25")
    await client.call("logging/setLevel", level="debug")
    result = (await client.call("tools/call", name="work", arguments={}))["result"]
    await client.close()
    assert result["content"][0]["text"] == "x"
    (logged,) = [message["params"]["data"] for message in client.seen if message.get("method") == TOLD]
    assert logged == {"in": "(Raw that is not one JSON value in UTF-8: it could not be shown)"}


def test_meta_that_cannot_be_sent_is_refused_where_it_is_declared() -> None:
    with pytest.raises(DefinitionError, match="meta: expected one JSON value"):
        Server("own").add_tool(lambda: "x", name="work", meta={"example.com/a": BROKEN})
    with pytest.raises(DefinitionError, match="meta: expected what JSON has words for"):
        Server("own").add_tool(lambda: "x", name="work", meta={"example.com/a": object()})
