"""The client without `async`."""

import asyncio

import pytest

from dovetail import Client
from dovetail.errors import Disconnected, Timeout
from tests.client.test_client import shop


def test_plain_calls_work_and_raise_the_same_errors() -> None:
    with Client.connect_sync(shop()) as client:
        assert client.server.info is not None
        assert client.call_tool("add", {"a": 1, "b": 2}).text == "3"
        assert len(client.list_tools()) == 6
        assert client.read_resource("note://one").contents[0].text == "One."
        assert list(client.read_resources(["note://one", "note://two"])) == ["note://one", "note://two"]
        client.ping()
        with pytest.raises(Timeout):
            client.call_tool("slow", timeout=0.05)
    with pytest.raises(Disconnected):
        client.ping()
    client.close()


def test_changes_are_a_plain_iterator() -> None:
    app = shop()
    with Client.connect_sync(app) as client, client.listen(tools=True) as changes:
        client._loop.call_soon_threadsafe(app.remove_tool, "slow")
        assert next(changes).kind == "tools"


async def test_it_works_where_another_loop_runs() -> None:
    def inside() -> str:
        with Client.connect_sync(shop()) as client:
            return client.call_tool("add", {"a": 2, "b": 2}).text

    assert inside() == "4"
    assert await asyncio.to_thread(inside) == "4"
