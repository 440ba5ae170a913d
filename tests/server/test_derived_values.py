"""Text and numbers of classes derived from Python's own are sent as what they are, wherever a handler says them."""

import collections
import types
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from dovetail import Context, Server
from tests.server.peers import Conversation, accept, text_of


class Text(str): ...


class Share(float): ...


class Whole(int): ...


def server() -> Server:
    app = Server("derived")

    @app.prompt
    def prompt() -> list[Any]:
        return [Text("a"), {"role": Text("user"), "content": Text("b")}]

    @app.resource("x://a")
    def resource() -> str:
        return Text("r")

    @app.tool
    async def ask(ctx: Context) -> str:
        return Text((await ctx.elicit(Text("Sure?"))).action)

    return app


@pytest.mark.parametrize("version", ["2025-11-25", None])
async def test_prompts_resources_and_questions_take_derived_text(version: str | None) -> None:
    client = Conversation(server())
    client.answers["elicitation/create"] = accept()
    if version is not None:
        await client.open(version)
        prompt = await client.call("prompts/get", name="prompt")
        assert [message["content"]["text"] for message in prompt["result"]["messages"]] == ["a", "b"]
        resource = await client.call("resources/read", uri="x://a")
        assert resource["result"]["contents"][0]["text"] == "r"
        assert text_of(await client.call("tools/call", name="ask", arguments={})) == "accept"
    else:
        assert text_of((await client.rounds("ask"))[-1]) == "accept"
    await client.close()


@pytest.mark.parametrize(
    ("annotation", "value", "text", "structured"),
    [
        (str, Text("a"), "a", None),
        (float, Share(0.5), "0.5", 0.5),
        (int, Whole(5), "5", 5),
        (list[str], [Text("a")], '["a"]', ["a"]),
        (dict[str, float], {Text("a"): Share(1)}, '{"a":1.0}', {"a": 1.0}),
        (Sequence[int], collections.deque([1, 2]), "[1,2]", [1, 2]),
        (Mapping[str, int], types.MappingProxyType({"a": 1}), '{"a":1}', {"a": 1}),
        (Mapping[str, int], collections.ChainMap({"a": 1}), '{"a":1}', {"a": 1}),
        (Any, collections.ChainMap({"a": Text("b")}), '{"a":"b"}', {"a": "b"}),
    ],
)
async def test_tools_return_them_as_what_was_promised(annotation: Any, value: Any, text: str, structured: Any) -> None:
    app = Server("derived")

    def work() -> Any:
        return value

    work.__annotations__["return"] = annotation
    app.add_tool(work)
    client = Conversation(app)
    answer = (await client.rounds("work"))[-1]
    await client.close()
    assert text_of(answer) == text
    assert answer.get("structuredContent") == structured
