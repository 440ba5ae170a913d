"""A client and a server over real sockets, both eras."""

import asyncio
from typing import Any

import pytest

from dovetail import Client
from dovetail.errors import Disconnected, Timeout
from dovetail.wire import ElicitRequestParams, PromptReference
from tests.client.serving import serving
from tests.client.test_client import VERSIONS, shop

over_http = pytest.mark.parametrize("version", VERSIONS[1:])


@over_http
async def test_everything_works_over_http(version: str) -> None:
    async with serving(shop().asgi()) as url, Client(url, revision=version) as client:
        assert client.server.revision.version == version
        assert [tool.name for tool in await client.list_tools()][:2] == ["add", "order"]
        assert (await client.call_tool("add", {"a": 1, "b": 2})).text == "3"
        assert (await client.call_tool("fail")).is_error
        assert (await client.read_resource("policy://refund")).contents[0].text == "About refund."
        done = await client.complete(PromptReference(name="triage"), "tone", "b")
        assert done.values == ["brisk"]
        await client.ping()


@over_http
async def test_progress_arrives_before_the_result(version: str) -> None:
    heard: list[float] = []
    async with serving(shop().asgi()) as url, Client(url, revision=version) as client:
        await client.call_tool("steps", on_progress=lambda progress: heard.append(progress.progress))
    assert heard == [1, 2, 3]


@pytest.mark.parametrize("version", VERSIONS[2:])
async def test_a_question_is_answered_by_one_handler_on_either_era(version: str) -> None:
    async def on_elicit(question: ElicitRequestParams) -> dict[str, Any]:
        return {"item": "tea", "count": 1}

    async with serving(shop().asgi()) as url, Client(url, revision=version, on_elicit=on_elicit) as client:
        assert (await client.call_tool("confirm")).text == "accept Order(item='tea', count=1)"


@over_http
async def test_changes_are_heard_of(version: str) -> None:
    app = shop()
    async with (
        serving(app.asgi()) as url,
        Client(url, revision=version) as client,
        client.listen(tools=True) as changes,
    ):
        app.remove_tool("slow")
        async with asyncio.timeout(5):
            assert (await anext(changes)).kind == "tools"


async def test_without_a_revision_the_newest_is_spoken_after_one_probe() -> None:
    async with serving(shop().asgi()) as url, Client(url) as client:
        assert client.server.revision.version == VERSIONS[-1]
        assert client.server.info is not None
        assert client.server.info.name == "shop"


@over_http
async def test_a_call_that_takes_too_long_ends(version: str) -> None:
    async with serving(shop().asgi()) as url, Client(url, revision=version) as client:
        with pytest.raises(Timeout):
            await client.call_tool("slow", timeout=0.1)
        assert (await client.call_tool("add", {"a": 1, "b": 1})).text == "2"


@over_http
async def test_a_server_that_was_restarted_is_found_again_by_itself(version: str) -> None:
    async with serving(shop().asgi()) as url:
        client = Client(url, revision=version)
        await client.connect()
        assert (await client.call_tool("add", {"a": 1, "b": 1})).text == "2"
    async with serving(shop().asgi(), int(url.split(":")[2].split("/")[0])):
        assert (await client.call_tool("add", {"a": 1, "b": 2})).text == "3"
        assert len(await client.list_tools()) == 6
        await client.aclose()


async def test_where_nobody_listens_the_error_says_so() -> None:
    with pytest.raises(Disconnected):
        async with Client("http://127.0.0.1:9/mcp"):
            pass
