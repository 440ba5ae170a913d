"""Results that somebody made by hand, as a Struct with plain values or as a dict: each revision gets its own words."""

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import Raw

from dovetail import Server
from dovetail.wire import CallToolResult, ListToolsResult, TextContent, Tool
from tests.server.peers import STATELESS, Conversation, Json, meta, text_of

STATEFUL = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
SOUND = {"type": "audio", "data": "AAAA", "mimeType": "audio/wav"}
LINK = {"type": "resource_link", "uri": "x://y", "name": "n"}
SECRET = "sk-canary-9f2c"


def giving(method: str, given: Any) -> Callable[[Any], Any]:
    def gives(handler: Any) -> Any:
        async def handle(call: Any, ctx: Any) -> Any:
            return given if call.method == method else await handler(call, ctx)

        return handle

    return gives


async def answer(app: Server, revision: str, method: str, **params: Any) -> Json:
    client = Conversation(app)
    if revision == STATELESS:
        params["_meta"] = meta()
    else:
        await client.open(revision)
    try:
        return await client.call(method, **params)
    finally:
        await client.close()


def working(*layers: Callable[[Any], Any]) -> Server:
    app = Server("own")
    app.add_tool(lambda: "x", name="work")
    for layer in layers:
        app.use(layer)
    return app


async def called(app: Server, revision: str) -> Json:
    result: Json = (await answer(app, revision, "tools/call", name="work", arguments={}))["result"]
    return result


@pytest.mark.parametrize("mounted", [False, True])
async def test_a_dict_from_middleware_is_said_in_the_words_of_each_revision(mounted: bool) -> None:
    given = {"content": [SOUND, LINK], "structuredContent": 7, "_meta": {"example.com/a": 1}, "ttlMs": 5}
    app = working(giving("tools/call", given))
    if mounted:
        inner, app = app, Server("outer")
        app.mount(inner)
    for revision in STATEFUL:
        result = await called(app, revision)
        assert [block["type"] for block in result["content"]] == {
            "2024-11-05": ["text", "text"],
            "2025-03-26": ["audio", "text"],
        }.get(revision, ["audio", "resource_link"])
        assert result.get("structuredContent") == (None if revision in STATEFUL[:2] else {"value": 7})
        assert result["_meta"]["example.com/a"] == 1
        assert "ttlMs" not in result
    result = await called(app, STATELESS)
    assert result["structuredContent"] == 7
    assert result["content"] == [SOUND, LINK]
    assert result["resultType"] == "complete"


@pytest.mark.parametrize("kind", [dict, Raw])
async def test_a_list_from_middleware_says_what_its_revision_demands_of_every_list(kind: Any) -> None:
    tool = {"name": "q", "title": "T", "inputSchema": {"type": "object"}, "outputSchema": {"type": "integer"}}
    given: Any = {"tools": [{**tool, "icons": [{"src": "https://x/"}]}]}
    app = working(giving("tools/list", Raw(json.dumps(given).encode()) if kind is Raw else given))
    result = (await answer(app, STATELESS, "tools/list"))["result"]
    assert (result["ttlMs"], result["cacheScope"]) == (0, "private")
    oldest = (await answer(app, STATEFUL[0], "tools/list"))["result"]
    assert oldest == {"tools": [{"name": "q", "inputSchema": {"type": "object"}}]}


async def test_middleware_sees_what_was_given_as_a_dict_as_the_result_that_it_is() -> None:
    seen: list[Any] = []

    def looking(handler: Any) -> Any:
        async def handle(call: Any, ctx: Any) -> Any:
            seen.append(await handler(call, ctx))
            return seen[-1]

        return handle

    app = working(looking, giving("tools/call", {"content": [{"type": "text", "text": "mine"}]}))
    await called(app, STATELESS)
    assert seen == [CallToolResult(content=[TextContent(text="mine")])]


@pytest.mark.req("S-25")
@pytest.mark.parametrize("revision", [STATEFUL[0], STATELESS])
@pytest.mark.parametrize("given", [{}, {"content": SECRET}, {"content": [{"type": "poem", "text": SECRET}]}])
async def test_a_dict_that_is_no_result_is_masked_and_the_log_names_whose_it_is_and_the_place(
    given: Json, revision: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = working(giving("tools/call", given))
    result = await called(app, revision)
    assert text_of(result).startswith("Internal error")
    assert "Middleware giving.<locals>.gives returned a dict that is no CallToolResult: $.content" in caplog.text
    assert SECRET not in caplog.text + text_of(result)


@pytest.mark.parametrize("revision", [*STATEFUL, STATELESS])
@pytest.mark.parametrize("by", ["tool", "tool with a schema", "middleware"])
async def test_structured_content_may_be_given_as_a_plain_value_on_every_revision(by: str, revision: str) -> None:
    given = CallToolResult(content=[], structured_content={"a": [1, None]})  # type: ignore[arg-type]
    app = Server("own")
    app.add_tool(lambda: given, name="work", output_schema={"required": ["a"]} if "schema" in by else None)
    if by == "middleware":
        app.use(giving("tools/call", given))
    result = await called(app, revision)
    assert not result.get("isError")
    if revision in STATEFUL[:2]:
        assert json.loads(text_of(result)) == {"a": [1, None]}
    else:
        assert result["structuredContent"] == {"a": [1, None]}


@pytest.mark.req("S-10")
@pytest.mark.parametrize("revision", [*STATEFUL, STATELESS])
@pytest.mark.parametrize("by", ["tool", "middleware", "a dict of middleware"])
async def test_structured_content_that_json_has_no_words_for_is_refused_wherever_it_was_made(
    by: str, revision: str
) -> None:
    given: Any = CallToolResult(content=[], structured_content={"a": math.nan})  # type: ignore[arg-type]
    app = working()
    if by == "tool":
        app.remove_tool("work")
        app.add_tool(lambda: given, name="work")
    else:
        app.use(giving("tools/call", given if by == "middleware" else {"structuredContent": math.nan, "content": []}))
    result = await called(app, revision)
    assert result["isError"]
    assert "JSON has no NaN" in text_of(result)


async def test_a_schema_that_middleware_gives_as_a_plain_value_is_said_in_the_words_of_each_revision() -> None:
    tool = Tool(name="q", input_schema={"type": "object"}, output_schema={"type": "integer"})  # type: ignore[arg-type]
    app = working(giving("tools/list", ListToolsResult(tools=[tool])))
    for revision, kind in ((STATEFUL[-1], "object"), (STATELESS, "integer")):
        (listed,) = (await answer(app, revision, "tools/list"))["result"]["tools"]
        assert listed["outputSchema"]["type"] == kind


NO_JSON = [
    b"",
    b'{"a":',
    b'{"a":"\xff"}',
    b'{"a":NaN}',
    b'{"a":1,"a":2}',
    b'{"a":1},"isError":true,"zz":{"a":1}',
    b'1}}\n{"jsonrpc":"2.0","id":77,"result":{"content":[],"zz":{"a":1',
]


@pytest.mark.req("S-10")
@pytest.mark.parametrize("revision", [STATEFUL[0], STATEFUL[-1], STATELESS])
@pytest.mark.parametrize("by", ["tool", "tool with a schema", "middleware", "a dict of middleware"])
@pytest.mark.parametrize("data", NO_JSON)
async def test_raw_structured_content_that_is_no_json_never_reaches_the_wire(
    by: str, revision: str, data: bytes
) -> None:
    given: Any = CallToolResult(content=[], structured_content=Raw(data))
    app = Server("own")
    app.add_tool(lambda: given if "tool" in by else "x", name="work", output_schema={} if "schema" in by else None)
    if "middleware" in by:
        app.use(giving("tools/call", {"content": [], "structuredContent": Raw(data)} if "dict" in by else given))
    result = await called(app, revision)
    assert result["isError"]
    assert "$.structuredContent: expected one JSON value" in text_of(result)


async def test_raw_structured_content_that_is_json_is_sent_as_it_is_whoever_made_it() -> None:
    given: Any = CallToolResult(content=[], structured_content=Raw(b' {"a": [1, 1e2]}'))
    app = working(giving("tools/call", given))
    app.add_tool(lambda: given, name="made")
    for revision in (STATEFUL[-1], STATELESS):
        assert (await called(app, revision))["structuredContent"] == {"a": [1, 100]}
        made = await answer(app, revision, "tools/call", name="made", arguments={})
        assert made["result"]["structuredContent"] == {"a": [1, 100]}


async def test_what_a_tool_was_converted_to_is_not_read_again_behind_middleware(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[bytes] = []
    monkeypatch.setattr("dovetail.wire.check", lambda data, limits: read.append(data))

    def passing(handler: Any) -> Any:
        async def handle(call: Any, ctx: Any) -> Any:
            return await handler(call, ctx)

        return handle

    app = Server("own")
    app.add_tool(lambda: {"a": 1}, name="work")
    app.use(passing)
    app.use(passing)
    assert (await called(app, STATELESS))["structuredContent"] == {"a": 1}
    assert read == []


@pytest.mark.parametrize("data", [b'{"content":[],"content":[]}', b'{"content":[]', b'{"content":[],"zz":NaN}'])
async def test_a_whole_result_that_middleware_gives_as_raw_is_read_strictly(
    data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    result = await called(working(giving("tools/call", Raw(data))), STATELESS)
    assert text_of(result).startswith("Internal error")
    assert "returned a Raw that is no CallToolResult: " in caplog.text


MISSPELT: list[tuple[str, Json, str]] = [
    ("tools/call", {"content": [], "is_error": True}, "$.is_error: in JSON it is `isError`"),
    ("tools/call", {"content": [], "structured_content": {"a": 1}}, "$.structured_content"),
    ("tools/call", {"content": [], "meta": {}}, "$.meta: in JSON it is `_meta`"),
    (
        "tools/call",
        {"content": [{**LINK, "mime_type": "text/plain"}]},
        "$.content[0].mime_type: in JSON it is `mimeType`",
    ),
    ("tools/list", {"tools": [], "next_cursor": "n"}, "$.next_cursor"),
    (
        "tools/list",
        {"tools": [{"name": "q", "inputSchema": {}, "annotations": {"read_only_hint": True}}]},
        "$.tools[0].annotations.read_only_hint",
    ),
]


@pytest.mark.parametrize(("method", "given", "said"), MISSPELT)
@pytest.mark.parametrize("kind", [dict, Raw])
async def test_a_field_under_its_name_in_python_is_refused_and_not_left_out(
    method: str, given: Json, said: str, kind: Any, caplog: pytest.LogCaptureFixture
) -> None:
    app = working(giving(method, Raw(json.dumps(given).encode()) if kind is Raw else given))
    for revision in (STATEFUL[0], STATEFUL[-1], STATELESS):
        caplog.clear()
        params = {"name": "work", "arguments": {}} if method == "tools/call" else {}
        assert "Internal error" in json.dumps(await answer(app, revision, method, **params))
        assert said in caplog.text


async def test_names_of_the_users_own_are_nobodys_misspelling() -> None:
    given = {
        "content": [],
        "structuredContent": {"is_error": 1, "content": [{"mime_type": 2}]},
        "_meta": {"a.example/b": {"is_error": 1}},
    }
    for revision in (STATEFUL[-1], STATELESS):
        result = await called(working(giving("tools/call", given)), revision)
        assert result["structuredContent"] == given["structuredContent"]


@pytest.mark.req("S-10")
@pytest.mark.parametrize("mounted", [False, True])
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("kind", [dict, CallToolResult])
async def test_structured_content_of_middleware_fits_what_the_tool_promises(
    mounted: bool, first: bool, kind: Any
) -> None:
    def numbers(given: Any) -> Callable[[Any], Any]:
        def gives(handler: Any) -> Any:
            async def handle(call: Any, ctx: Any) -> Any:
                if not first:
                    await handler(call, ctx)
                if kind is dict:
                    return {"content": [], "structuredContent": given}
                return CallToolResult(content=[], structured_content=given)

            return handle

        return gives

    def work() -> dict[str, int]:
        return {"a": 1}

    for given, fits in (({"a": 2}, True), ({"a": "CANARY"}, False)):
        app = Server("own")
        app.add_tool(work)
        app.use(numbers(given))
        if mounted:
            inner, app = app, Server("outer")
            app.mount(inner)
        result = await called(app, STATELESS)
        if fits:
            assert result["structuredContent"] == given
        else:
            assert result["isError"]
            assert text_of(result) == "The result does not fit what was declared: $[...]: expected integer, got string"
