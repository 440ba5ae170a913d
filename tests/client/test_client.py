"""A client and a server in one process, through the real framing: every call, on every revision."""

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any

import pytest

from dovetail import Client, Complete, Context, Server, ToolError
from dovetail.errors import DefinitionError, Disconnected, NoCommonRevision, PeerError, Timeout
from dovetail.revisions import REVISIONS
from dovetail.wire import ElicitRequestParams, PromptReference

VERSIONS = [revision.version for revision in REVISIONS]
every_revision = pytest.mark.parametrize("version", VERSIONS)


@dataclass
class Order:
    item: str
    count: int


def shop() -> Server:
    app = Server("shop", version="1.0", instructions="Be kind.", page_size=2)

    @app.tool
    async def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    @app.tool
    async def order(item: str) -> Order:
        """Order."""
        return Order(item, 2)

    @app.tool
    async def fail() -> str:
        """Fail."""
        raise ToolError("no such thing")

    @app.tool
    async def slow(ctx: Context) -> str:
        """Never end."""
        await asyncio.Event().wait()
        return ""

    @app.tool
    async def steps(ctx: Context) -> str:
        """Report progress."""
        for step in range(3):
            await ctx.progress(step + 1, 3)
        return "done"

    @app.tool
    async def confirm(ctx: Context) -> str:
        """Ask."""
        answer = await ctx.elicit("Really?", Order)
        return f"{answer.action} {answer.value if answer.accepted else ''}"

    @app.resource("policy://{topic}")
    def policy(topic: str) -> str:
        return f"About {topic}."

    @app.resource("note://one")
    def note() -> str:
        return "One."

    @app.prompt
    def triage(ticket: str, tone: Annotated[str, Complete(["calm", "brisk"])] = "calm") -> str:
        return f"{ticket}: {tone}"

    return app


@every_revision
async def test_everything_that_a_server_offers_can_be_listed_and_used(version: str) -> None:
    async with Client(shop(), revision=version) as client:
        assert client.server.revision.version == version
        assert client.server.instructions == "Be kind."
        tools = await client.list_tools()
        assert [tool.name for tool in tools] == ["add", "order", "fail", "slow", "steps", "confirm"]
        assert tools.tools is tools
        assert (await client.call_tool("add", {"a": 1, "b": 2})).text == "3"
        assert (await client.call_tool("fail")).is_error
        assert (await client.read_resource("policy://refund")).contents[0].text == "About refund."
        assert [resource.uri for resource in await client.list_resources()] == ["note://one"]
        assert len(await client.list_resource_templates()) == 1
        assert [prompt.name for prompt in await client.list_prompts()] == ["triage"]
        prompt = await client.get_prompt("triage", {"ticket": "T1"})
        assert getattr(prompt.messages[0].content, "text", None) == "T1: calm"
        done = await client.complete(PromptReference(name="triage"), "tone", "b")
        assert done.values == ["brisk"]
        await client.ping()


@every_revision
async def test_progress_arrives_in_order_before_the_result(version: str) -> None:
    heard: list[float] = []

    async def on_progress(progress: Any) -> None:
        await asyncio.sleep(0)
        heard.append(progress.progress)

    async with Client(shop(), revision=version) as client:
        await client.call_tool("steps", on_progress=on_progress)
    assert heard == [1, 2, 3]


@pytest.mark.parametrize("version", VERSIONS[2:])
async def test_a_question_is_answered_by_one_handler_on_either_era(version: str) -> None:
    asked: list[str] = []

    async def on_elicit(question: ElicitRequestParams) -> dict[str, Any]:
        asked.append(question.message)
        return {"item": "tea", "count": 1}

    async with Client(shop(), revision=version, on_elicit=on_elicit) as client:
        result = await client.call_tool("confirm")
    assert result.text == "accept Order(item='tea', count=1)"
    assert asked == ["Really?"]


async def test_data_is_rebuilt_from_the_output_schema() -> None:
    async with Client(shop()) as client:
        await client.list_tools()
        result = await client.call_tool("order", {"item": "tea"})
        assert (result.data.item, result.data.count) == ("tea", 2)
        assert result.structured == {"item": "tea", "count": 2}


@pytest.mark.req("C-01")
async def test_a_call_that_is_not_answered_times_out_and_the_server_hears_of_it() -> None:
    async with Client(shop()) as client:
        with pytest.raises(Timeout, match=r"tools/call slow: not answered within 0\.05 s"):
            await client.call_tool("slow", timeout=0.05)
        assert (await client.call_tool("add", {"a": 1, "b": 1})).text == "2"


async def test_what_the_server_refuses_is_an_error_with_its_code() -> None:
    async with Client(shop()) as client:
        with pytest.raises(PeerError) as caught:
            await client.read_resource("policy:nothing")
        assert caught.value.code == -32602


async def test_a_client_is_opened_in_one_task_and_closed_in_another() -> None:
    client = Client(shop())
    await asyncio.create_task(client.connect())
    await client.connect()
    await asyncio.create_task(client.aclose())
    assert (await client.call_tool("add", {"a": 1, "b": 2})).text == "3"
    await asyncio.create_task(client.aclose())
    await client.aclose()
    with pytest.raises(Disconnected, match="not open"):
        await client.list_tools()


async def test_a_revision_that_is_too_old_is_refused() -> None:
    with pytest.raises(NoCommonRevision):
        async with Client(shop(), revision=VERSIONS[1], minimum=VERSIONS[1]):
            async with Client(OldServer(), minimum=VERSIONS[-1]):
                pass


class OldServer:
    """A server that knows nothing of `server/discover`."""

    def connect(self) -> Any:
        from dovetail.net import memory_pair

        ours, theirs = memory_pair()

        async def answer() -> None:
            import json

            while (data := await theirs.receive()) is not None:
                message = json.loads(data)  # type: ignore[arg-type]
                if "id" in message:
                    error = {"code": -32601, "message": "Method not found"}
                    theirs.send(json.dumps({"jsonrpc": "2.0", "id": message["id"], "error": error}).encode())

        self.task = asyncio.create_task(answer())
        return ours


@every_revision
async def test_changes_are_heard_of_on_either_era(version: str) -> None:
    app = shop()
    async with Client(app, revision=version) as client, client.listen(tools=True) as changes:
        app.remove_tool("slow")
        async with asyncio.timeout(5):
            assert (await anext(changes)).kind == "tools"


@pytest.mark.parametrize("option", ["timeout", "longest", "opening", "probe", "visit", "rounds"])
@pytest.mark.parametrize("value", [-1, float("nan"), "5", True])
def test_a_time_that_bounds_nothing_is_refused_by_the_name_of_its_option(option: str, value: Any) -> None:
    options: Any = {option: value}
    with pytest.raises(DefinitionError, match=f"Client: {option}: expected a number"):
        Client(shop(), **options)


async def test_a_timeout_of_one_call_that_bounds_nothing_is_refused_before_anything_is_sent() -> None:
    client = Client(shop(), timeout=None, probe=0, rounds=0, visit=0)
    async with client:
        for value in (-1, 0, float("nan"), "5"):
            wrong: Any = {"timeout": value}
            for call in (client.call_tool("add", **wrong), client.list_tools(**wrong), client.ping(**wrong)):
                with pytest.raises(DefinitionError, match="A call: timeout: expected a number of seconds above 0"):
                    await call
        assert (await client.call_tool("add", {"a": 1, "b": 2}, timeout=None)).text == "3"
