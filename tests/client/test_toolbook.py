"""What is known of a tool from the last list, and what it is used for."""

import asyncio

import pytest

from dovetail import Client
from dovetail.errors import ProtocolViolation
from tests.client.scripted import Json, Scripted, text

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
