"""What is known of a tool from the last list, and what it is used for."""

import asyncio
import json
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

import pytest

from dovetail import Client, Header, Server
from dovetail.errors import ProtocolViolation
from tests.client.scripted import Json, Scripted, text
from tests.client.serving import serving

SCHEMA: Json = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def offering(result: Json, schema: Json) -> Scripted:
    tool = {"name": "x", "inputSchema": {"type": "object"}, "outputSchema": schema}
    return Scripted(
        tools_list=lambda server, request: server.answer(request, {"tools": [tool]}),
        tools_call=lambda server, request: server.answer(request, result),
    )


@pytest.mark.parametrize(
    ("result", "problem"),
    [
        (text("", structuredContent={"n": "SECRET"}), r"does not fit the output schema: \$\.n"),
        (text("", structuredContent={}), r"does not fit the output schema"),
        (text(""), "is missing"),
    ],
)
async def test_a_result_that_does_not_fit_the_output_schema_is_a_violation_that_names_the_place(
    result: Json, problem: str
) -> None:
    async with Client(offering(result, SCHEMA)) as client:
        await client.list_tools()
        with pytest.raises(ProtocolViolation, match=problem) as caught:
            await client.call_tool("x")
    assert "SECRET" not in str(caught.value)


async def test_an_error_need_not_fit() -> None:
    async with Client(offering(text("no", isError=True), SCHEMA)) as client:
        await client.list_tools()
        assert (await client.call_tool("x")).is_error


@pytest.mark.req("C-13")
@pytest.mark.parametrize("schema", [{"$ref": "http://127.0.0.1:1/x"}, {"type": "nothing"}, {"pattern": "(" * 2000}])
async def test_a_schema_that_cannot_be_used_binds_nobody(schema: Json) -> None:
    async with Client(offering(text("", structuredContent={"n": 1}), schema)) as client:
        await client.list_tools()
        assert (await client.call_tool("x")).structured == {"n": 1}


async def test_a_tool_that_was_never_listed_is_called_all_the_same() -> None:
    server = offering(text("", structuredContent={"n": 1}), SCHEMA)
    server.replies["tools_list"] = lambda server, request: server.refuse(request, -32603)
    async with Client(server) as client:
        for _ in range(2):
            assert (await client.call_tool("x")).data == {"n": 1}
    assert len(server.of("tools/list")) == 1


async def test_data_is_the_same_whether_or_not_somebody_listed_the_tools_before() -> None:
    server = offering(text("", structuredContent={"n": 1}), SCHEMA)
    async with Client(server) as client:
        first, second = await asyncio.gather(client.call_tool("x"), client.call_tool("x"))
        assert first.data.n == second.data.n == 1
        await client.list_tools()
        third = await client.call_tool("x")
        assert type(third.data).__name__ == type(first.data).__name__ == "Result"
    assert len(server.of("tools/list")) == 2
    assert len(server.of("tools/call")) == 3


@pytest.mark.parametrize("result", [text("a"), text("a", isError=True, structuredContent={"n": 1})])
async def test_tools_are_not_listed_for_a_result_whose_data_needs_no_schema(result: Json) -> None:
    server = offering(result, SCHEMA)
    async with Client(server) as client:
        assert (await client.call_tool("x")).data == result.get("structuredContent")
    assert not server.of("tools/list")


class Different:
    """A server over HTTP that shows each caller another tool `q`; sessions are none of its business."""

    def __init__(self) -> None:
        self.lists = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = (await receive())["body"] if scope["method"] == "POST" else b""
        message = json.loads(body or b"{}")
        kind = "integer" if (b"authorization", b"Bearer a") in scope["headers"] else "string"
        result: Json | None = None
        match message.get("method"):
            case "initialize":
                about = {"capabilities": {"tools": {}}, "serverInfo": {"name": "d", "version": "1"}}
                result = {"protocolVersion": "2025-11-25", **about}
            case "tools/list":
                self.lists += 1
                schema = {"type": "object", "properties": {"x": {"type": kind}}, "required": ["x"]}
                result = {"tools": [{"name": "q", "inputSchema": {"type": "object"}, "outputSchema": schema}]}
            case "tools/call":
                result = {"content": [], "structuredContent": {"x": 1 if kind == "integer" else "one"}}
            case _:
                pass
        said = b"" if result is None else json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode()
        status = 405 if scope["method"] == "GET" else 202 if result is None else 200
        head = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": said})


@pytest.mark.parametrize(
    "callers",
    [
        ({"principal": "a", "auth": "a"}, {"principal": "b", "auth": "b"}),
        ({"auth": "a"}, {"auth": "b"}),
        ({"headers": {"Authorization": "Bearer a"}}, {}),
    ],
)
async def test_what_one_caller_sees_is_not_taken_for_what_another_one_sees(callers: tuple[Any, Any]) -> None:
    server = Different()
    async with serving(server) as url, Client(url, revision="2025-11-25") as client:
        for _ in range(3):
            first, second = [(await client.call_tool("q", **caller)).data for caller in callers]
            assert (first.x, second.x) == (1, "one")
    assert server.lists == 2


async def test_a_call_that_is_driven_by_hand_has_the_header_fields_of_its_tool() -> None:
    app = Server("regions")

    @app.tool
    async def where(region: Annotated[str, Header("Region")]) -> str:
        return region

    async with serving(app.asgi()) as url, Client(url, revision="2026-07-28") as client:
        for _ in range(2):  # also before the tools are known
            result = await client.request("tools/call", {"name": "where", "arguments": {"region": "eu"}})
            assert result["content"][0]["text"] == "eu"


@dataclass
class Sum:
    total: int


@pytest.mark.parametrize("version", ["2025-06-18", "2025-11-25", "2026-07-28"])
async def test_data_is_the_same_on_every_revision_also_where_it_had_to_be_wrapped(version: str) -> None:
    app = Server("numbers")

    @app.tool
    def seven() -> int:
        return 7

    @app.tool
    def several() -> list[date]:
        return [date(2026, 1, 2)]

    @app.tool
    def plain() -> Any:
        return [1, None]

    @app.tool
    def found(there: bool) -> Sum | None:
        return Sum(7) if there else None

    async with Client(app, revision=version) as client:
        assert (await client.call_tool("found", {"there": True})).data.total == 7
        assert (await client.call_tool("found", {"there": False})).data is None
        assert (await client.call_tool("seven")).data == 7
        assert (await client.call_tool("several")).data == [date(2026, 1, 2)]
        assert (await client.call_tool("plain")).data == [1, None]
