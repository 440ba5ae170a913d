"""Who hears that a list has changed which was empty when they came, and how a server says beforehand that it will."""

import asyncio
from typing import Any

import msgspec
import pytest

from dovetail import Context, Server
from dovetail.errors import DefinitionError
from dovetail.server.transports.session import Session
from dovetail.store import MemoryStores
from dovetail.wire import InitializeRequestParams
from tests.server.peers import Conversation, Http, Json, meta

EVERY = {"toolsListChanged": True, "promptsListChanged": True, "resourcesListChanged": True}
STATEFUL = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")


def word() -> str:
    return "x"


def grow(app: Server) -> None:
    app.add_prompt(word, name="late")
    app.add_resource("data://late", word)
    app.add_tool(word, name="late")


def lists(messages: list[Json]) -> set[str]:
    methods = [message.get("method", "") for message in messages]
    return {method.split("/")[1] for method in methods if method.endswith("/list_changed")}


async def told(client: Conversation) -> set[str]:
    """Everything that a client was told until the server had nothing more to say."""
    for _ in range(20):
        await asyncio.sleep(0)
    await client.call("ping")
    return lists(client.seen)


async def test_a_stream_tells_of_every_list_that_was_asked_for_though_there_was_nothing_in_it() -> None:
    app = Server("empty")
    client = Conversation(app)
    client.begin("subscriptions/listen", {"notifications": EVERY, "_meta": meta()})
    assert (await client.receive())["params"]["notifications"] == EVERY
    grow(app)
    for _ in range(3):
        await client.receive()
    assert lists(client.seen) == {"tools", "prompts", "resources"}
    await client.close()


@pytest.mark.parametrize("version", STATEFUL)
async def test_a_session_hears_of_those_lists_only_that_were_declared_to_it(version: str) -> None:
    app = Server("some")
    app.add_tool(word, name="first")
    client = Conversation(app)
    declared = (await client.open(version))["result"]["capabilities"]
    assert "prompts" not in declared and "resources" not in declared
    await client.call("ping")
    grow(app)
    assert await told(client) == {"tools"}
    await client.close()


@pytest.mark.parametrize("version", STATEFUL)
async def test_a_server_declares_what_may_come_and_its_clients_hear_when_it_does(version: str) -> None:
    app = Server("later", declares=["tools", "prompts", "resources"])
    client = Conversation(app)
    declared = (await client.open(version))["result"]["capabilities"]
    assert declared["tools"] == declared["prompts"] == {"listChanged": True}
    assert declared["resources"] == {"listChanged": True, "subscribe": True}
    for kind in ("tools", "prompts", "resources"):
        assert (await client.call(f"{kind}/list"))["result"][kind] == []
    grow(app)
    assert await told(client) == {"tools", "prompts", "resources"}
    await client.close()


async def test_what_a_mounted_server_declares_the_whole_declares_however_deep() -> None:
    root, middle = Server("root"), Server("middle")
    leaf = Server("leaf", declares=["prompts"])
    root.mount(middle)
    middle.mount(leaf)
    declared = root.capabilities()
    assert declared.prompts is not None
    assert declared.tools is None


@pytest.mark.parametrize("given", ["tools", ["tool"], [5], [["tools"]], {"tools": True}, 5, iter(["tools"])])
def test_what_cannot_be_declared_is_refused_with_what_can(given: Any) -> None:
    with pytest.raises(DefinitionError, match=r"declares=.*expected some of \[.tools., .prompts., .resources.\]"):
        Server("x", declares=given)


async def heard_by_get(http: Http, app: Server, headers: dict[str, str]) -> set[str]:
    """What a session hears on its stream, once the server has grown."""
    runtime = (await http.app.start()).runtime
    before = len(runtime.hub)
    following = asyncio.create_task(http.request("GET", b"", headers))
    while len(runtime.hub) == before:
        await asyncio.sleep(0)
    grow(app)
    for _ in range(50):
        await asyncio.sleep(0)
    http.app.drain()
    return lists((await asyncio.wait_for(following, 5)).events)


async def test_a_session_that_comes_back_hears_what_was_declared_to_it_before_the_server_was_started_anew() -> None:
    stores, tools = MemoryStores(), Server("one")
    tools.add_tool(word, name="first")
    http = Http(tools.asgi(stores=stores))
    headers = await http.session()
    again = Server("one", declares=["prompts"])
    back = Http(again.asgi(stores=stores))
    assert await heard_by_get(back, again, headers) == {"tools"}
    await back.app.stop()
    await http.app.stop()


async def test_a_session_that_was_stored_before_it_was_noted_hears_of_every_list() -> None:
    session, back = Session("one"), Session("one")
    client: Json = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    session.handshake.initialize(msgspec.convert(client, InitializeRequestParams))
    session.declared = frozenset()
    record = msgspec.json.decode(session.record())
    assert record.pop("declared") == []
    assert back.restore(msgspec.json.encode(record))
    assert back.declared == {"tools", "prompts", "resources"}


async def test_what_is_told_is_checked_before_anybody_hears_of_it() -> None:
    app = Server("careless")

    @app.tool
    async def say(ctx: Context) -> str:
        """Tell what nobody could read."""
        wrong: Any = 5
        problems = []
        for telling in (ctx.notify.resource_updated(wrong), ctx.log.info("x", logger=wrong)):
            try:
                await telling
            except DefinitionError as error:
                problems.append(str(error))
        return "; ".join(problems)

    client = Conversation(app)
    await client.open()
    answer = await client.call("tools/call", name="say", arguments={})
    uri, logger = answer["result"]["content"][0]["text"].split("; ")
    assert uri == "resource_updated: uri: expected a string, not int"
    assert logger == "log: logger: expected a string, not int"
    assert not [message for message in client.seen if message.get("method") == "notifications/message"]
    await client.close()
