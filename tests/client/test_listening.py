"""Listening: changes are heard on both eras, over links that break, bounded, and of what was asked for only."""

import asyncio
from typing import Any

import pytest

from dovetail import Client, Server
from dovetail.client import Change, Changes
from dovetail.client.listening import Wanted, wanted
from dovetail.client.options import Retry
from dovetail.errors import Disconnected, HttpFailure, NotOffered, PeerError, ProtocolViolation, Timeout
from tests.client.hosted import Hosted, Stream
from tests.client.scripted import Scripted
from tests.client.serving import serving

Json = dict[str, Any]
both_eras = pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
SOON = Retry(first=0.001, longest=0.01)


def shop() -> Server:
    app = Server("shop")

    @app.resource("note://{name}")
    def note(name: str) -> str:
        return name

    @app.prompt
    def hello() -> str:
        return "hello"

    @app.tool
    def extra() -> str:
        """More."""
        return ""

    return app


def acknowledge(server: Scripted, request: Json) -> None:
    server.say(
        {
            "jsonrpc": "2.0",
            "method": "notifications/subscriptions/acknowledged",
            "params": {**_tag(request), "notifications": request["params"]["notifications"]},
        }
    )


def _tag(request: Json) -> Json:
    return {"_meta": {"io.modelcontextprotocol/subscriptionId": request["id"]}}


def listening_server(version: str) -> Scripted:
    server = Scripted(version)
    if version == "2026-07-28":
        server.replies["subscriptions_listen"] = acknowledge
    server.replies["resources_subscribe"] = lambda server, request: server.answer(request, {})
    server.replies["resources_unsubscribe"] = lambda server, request: server.answer(request, {})
    return server


def changed(server: Scripted, kind: str, **params: Any) -> None:
    tag = _tag(server.of("subscriptions/listen")[-1]) if server.version == "2026-07-28" else {}
    server.say({"jsonrpc": "2.0", "method": f"notifications/{kind}", "params": {**tag, **params}})


async def soon(changes: Changes) -> Change:
    async with asyncio.timeout(5):
        return await anext(changes)


@both_eras
async def test_the_contents_of_a_resource_and_of_its_parts_are_heard_of_and_of_no_other(version: str) -> None:
    server = listening_server(version)
    async with Client(server, revision=version) as client:
        async with client.listen(resources=["note://a"]) as changes:
            for uri in ("note://b", "note://ab", "note://a/part", "note://a"):
                changed(server, "resources/updated", uri=uri)
            changed(server, "tools/list_changed")
            assert [await soon(changes), await soon(changes)] == [
                Change("resource", "note://a/part"),
                Change("resource", "note://a"),
            ]
        if version == "2025-11-25":
            await server.until("resources/unsubscribe")
            assert server.of("resources/subscribe")[0]["params"] == {"uri": "note://a"}


@both_eras
async def test_a_real_server_is_heard_over_http(version: str) -> None:
    app = shop()
    async with serving(app.asgi()) as url, Client(url, revision=version) as client:
        async with client.listen(tools=True, prompts=True) as changes:
            app.remove_tool("extra")
            assert await soon(changes) == Change("tools")


@both_eras
async def test_who_leaves_takes_no_subscription_from_those_who_stay(version: str) -> None:
    app = shop()
    async with Client(app, revision=version) as client, client.listen(resources=["note://a"]) as stays:
        for _ in range(3):
            async with client.listen(resources=["note://a", "note://b"]):
                pass
        app.notify.resource_updated("note://b")
        app.notify.resource_updated("note://a")
        assert await soon(stays) == Change("resource", "note://a")


@both_eras
async def test_equal_changes_that_nobody_took_are_one(version: str) -> None:
    server = listening_server(version)
    async with Client(server, revision=version) as client, client.listen(tools=True, prompts=True) as changes:
        for _ in range(50):
            changed(server, "tools/list_changed")
        changed(server, "prompts/list_changed")
        assert [await soon(changes), await soon(changes)] == [Change("tools"), Change("prompts")]


@both_eras
async def test_a_broken_link_is_opened_again_and_that_is_told(version: str) -> None:
    server = listening_server(version)
    async with Client(server, revision=version, retry=SOON) as client:
        async with client.listen(tools=True, resources=True) as changes:
            for times in (1, 2):
                await server.channels[-1].aclose()
                assert await soon(changes) == Change("reopened")
                assert len(server.channels) == times + 1
            changed(server, "resources/list_changed")
            assert await soon(changes) == Change("resources")


async def test_a_server_that_ends_the_stream_is_asked_again() -> None:
    server = listening_server("2026-07-28")
    async with Client(server, revision="2026-07-28", retry=SOON) as client:
        async with client.listen(tools=True) as changes:
            server.answer(server.of("subscriptions/listen")[0], {"resultType": "complete", **_tag({"id": 1})})
            assert await soon(changes) == Change("reopened")
            assert len(server.of("subscriptions/listen")) == 2


async def test_a_server_that_was_restarted_on_its_port_is_heard_again() -> None:
    app = shop()
    async with serving(app.asgi()) as url:
        client = await Client(url, retry=SOON).connect()
        changes = await client.listen(tools=True).__aenter__()
    app = shop()
    async with serving(app.asgi(), int(url.rsplit(":", 1)[1].split("/")[0])):
        assert await soon(changes) == Change("reopened")
        app.remove_tool("extra")
        assert await soon(changes) == Change("tools")
        await changes.__aexit__(None, None, None)
        await client.aclose()


async def test_a_server_that_refuses_says_so_at_once() -> None:
    server = Scripted("2026-07-28")
    async with Client(server, revision="2026-07-28") as client:
        with pytest.raises(PeerError):
            async with client.listen(tools=True):
                pass


async def test_a_server_that_never_acknowledges_is_not_waited_for_for_ever() -> None:
    server = Scripted("2026-07-28", subscriptions_listen=lambda server, request: None)
    async with Client(server, revision="2026-07-28", timeout=0.2) as client:
        with pytest.raises(Timeout, match=r"did not acknowledge within 0\.2 s; `timeout` allows more$"):
            async with client.listen(tools=True):
                pass


@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
async def test_a_client_that_is_closed_takes_its_listeners_along_and_has_none_until_it_is_opened(version: str) -> None:
    client = Client(listening_server(version), retry=SOON)
    await client.connect()
    async with client.listen(tools=True) as changes:
        await client.aclose()
        with pytest.raises(Disconnected, match="closed"):
            await soon(changes)
        with pytest.raises(Disconnected, match="the client is not open"):
            async with client.listen(tools=True):
                pass
        await client.connect()  # whoever opens it again listens anew
        with pytest.raises(Disconnected, match="closed"):
            await soon(changes)
    async with client.listen(tools=True):
        pass
    await client.aclose()


@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
async def test_over_http_too_a_listener_hears_that_its_client_was_closed(version: str) -> None:
    async with serving(shop().asgi()) as url:
        client = Client(url, revision=version)
        await client.connect()
        async with client.listen(tools=True) as changes:
            await client.aclose()
            with pytest.raises(Disconnected, match=r"listen: The client was closed$"):
                await soon(changes)


async def test_a_refusal_after_a_break_ends_the_listening_with_its_error() -> None:
    server = listening_server("2026-07-28")
    async with Client(server, revision="2026-07-28", retry=SOON) as client:
        async with client.listen(tools=True) as changes:
            server.replies["subscriptions_listen"] = lambda server, request: server.refuse(request, -32601)
            await server.channels[-1].aclose()
            with pytest.raises(PeerError):
                await soon(changes)


@pytest.mark.parametrize(("code", "times"), [(-32603, 9), (-32000, 9), (-32601, 3)])
async def test_refusals_after_a_break_that_pass_are_waited_out(code: int, times: int) -> None:
    server = listening_server("2026-07-28")
    refused: list[Json] = []

    def restarting(server: Scripted, request: Json) -> None:
        refused.append(request)
        if len(refused) <= times:
            server.refuse(request, code, "restarting")
        else:
            acknowledge(server, request)

    async with Client(server, revision="2026-07-28", retry=SOON) as client:
        async with client.listen(tools=True) as changes:
            server.replies["subscriptions_listen"] = restarting
            await server.channels[-1].aclose()
            assert await soon(changes) == Change("reopened")
            changed(server, "tools/list_changed")
            assert await soon(changes) == Change("tools")


async def test_a_reopening_that_is_never_acknowledged_is_tried_again() -> None:
    server = listening_server("2026-07-28")
    async with Client(server, revision="2026-07-28", retry=SOON, timeout=0.2) as client:
        async with client.listen(tools=True) as changes:
            server.replies["subscriptions_listen"] = lambda server, request: server.replies.update(
                subscriptions_listen=acknowledge
            )
            await server.channels[-1].aclose()
            assert await soon(changes) == Change("reopened")


class Noted(Retry, frozen=True):
    """Waits for nothing, and notes what it was asked for; a stream has to live for `worth` seconds to be of use."""

    pauses: list[int]
    worth: float

    def wait(self, attempt: int, chance: float) -> float:
        if chance < 1:
            self.pauses.append(attempt)
        return 0.0 if chance < 1 else self.worth


@pytest.mark.parametrize(("worth", "pauses"), [(3600.0, [1, 2, 3, 4, 5]), (-1.0, [1, 1, 1, 1, 1])])
async def test_a_stream_that_ends_at_once_is_opened_again_less_and_less_often(worth: float, pauses: list[int]) -> None:
    def briefly(server: Scripted, request: Json) -> None:
        acknowledge(server, request)
        if len(server.of("subscriptions/listen")) < 6:
            server.answer(request, {"resultType": "complete", **_tag(request)})

    retry = Noted(pauses=[], worth=worth)
    server = Scripted("2026-07-28", subscriptions_listen=briefly)
    async with Client(server, revision="2026-07-28", retry=retry) as client, client.listen(tools=True):
        await server.until("subscriptions/listen", 6)
        assert retry.pauses == pauses


# What is granted.


def granting(**granted: Any) -> Scripted:
    """Return a server that grants this, whatever it is asked for."""

    def reply(server: Scripted, request: Json) -> None:
        params = {**_tag(request), "notifications": granted}
        server.say({"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged", "params": params})

    return Scripted("2026-07-28", subscriptions_listen=reply)


async def test_what_the_server_granted_is_told() -> None:
    server = granting(toolsListChanged=True, promptsListChanged=False, resourceSubscriptions=["note://a"])
    async with Client(server, revision="2026-07-28") as client:
        async with client.listen(tools=True, prompts=True, resources=["note://a", "note://b"]) as changes:
            assert changes.granted == Wanted(tools=True, uris=frozenset({"note://a"}))
        async with client.listen(tools=True, prompts=True) as changes:
            assert changes.granted == Wanted(tools=True)


@pytest.mark.parametrize("granted", [{}, {"promptsListChanged": True}, {"toolsListChanged": False}])
async def test_a_server_that_grants_nothing_of_it_is_not_listened_to(granted: Json) -> None:
    server = granting(**granted)
    async with Client(server, revision="2026-07-28") as client:
        with pytest.raises(NotOffered, match=f"^{client.target}: listen: .* grants nothing"):
            async with client.listen(tools=True):
                pass
        await server.until("notifications/cancelled")


async def test_an_acknowledgement_that_cannot_be_read_is_an_error() -> None:
    server = granting(toolsListChanged="yes")
    async with Client(server, revision="2026-07-28") as client:
        with pytest.raises(ProtocolViolation, match="acknowledgement"):
            async with client.listen(tools=True):
                pass


async def test_a_server_that_grants_nothing_any_more_ends_the_listening() -> None:
    server = listening_server("2026-07-28")
    async with Client(server, revision="2026-07-28", retry=SOON) as client:
        async with client.listen(tools=True) as changes:
            server.replies.update(granting().replies)
            await server.channels[-1].aclose()
            with pytest.raises(NotOffered):
                await soon(changes)


async def test_on_the_stateful_era_what_is_declared_is_granted_and_the_rest_is_heard_all_the_same() -> None:
    async with Client(shop(), revision="2025-11-25") as client:
        async with client.listen(tools=True, prompts=True, resources=["note://a"]) as changes:
            assert changes.granted == Wanted(tools=True, prompts=True, uris=frozenset({"note://a"}))
    server = listening_server("2025-11-25")  # declares tools, and no changes of them
    async with Client(server) as client, client.listen(tools=True) as changes:
        assert changes.granted == Wanted()
        changed(server, "tools/list_changed")
        assert await soon(changes) == Change("tools")


async def test_a_server_without_a_stream_to_tell_on_is_not_listened_to() -> None:
    async def never(server: Hosted, stream: Stream, call: Json) -> None:
        raise AssertionError

    server = Hosted(never)
    server.refusals = [405, 405, 500]
    async with serving(server) as url, Client(url, revision="2025-11-25") as client:
        with pytest.raises(NotOffered, match="no stream"):
            async with client.listen(tools=True):
                pass
        with pytest.raises(HttpFailure):
            async with client.listen(tools=True):
                pass
        async with client.listen(tools=True):  # which it has by now
            assert server.streams.qsize() == 1


# How it ends.


@both_eras
async def test_who_iterates_in_another_task_ends_when_the_block_is_left(version: str) -> None:
    server = listening_server(version)
    async with Client(server, revision=version) as client:
        async with client.listen(tools=True) as changes:
            heard = asyncio.Event()

            async def iterate() -> list[Change]:
                found = []
                async for change in changes:
                    found.append(change)
                    heard.set()
                return found

            others = [asyncio.create_task(iterate()) for _ in "12"]
            changed(server, "tools/list_changed")
            await heard.wait()
        async with asyncio.timeout(5):
            one, other = await asyncio.gather(*others)
        assert one + other == [Change("tools")]


@both_eras
async def test_the_client_may_be_closed_while_somebody_listens(version: str) -> None:
    server = listening_server(version)
    client = await Client(server, revision=version, retry=SOON).connect()
    async with client.listen(tools=True) as changes:
        await client.aclose()
        with pytest.raises(Disconnected):
            await soon(changes)


@both_eras
async def test_who_leaves_is_told_to_the_server_and_hears_nothing_more(version: str) -> None:
    server = listening_server(version)
    async with Client(server, revision=version) as client:
        async with client.listen(resources=["note://a"]) as changes:
            pass
        await server.until("notifications/cancelled" if version == "2026-07-28" else "resources/unsubscribe")
        with pytest.raises(StopAsyncIteration):
            await anext(changes)


async def test_a_flood_is_bounded_and_ends_in_one_word() -> None:
    server = listening_server("2025-11-25")
    async with Client(server) as client:
        async with client.listen(resources=["note://a"]) as changes:
            for number in range(10_050):
                changes._hear(_updated(f"note://a/{number}"))
            found = [await soon(changes) for _ in range(50)]
            assert found[0] == Change("reopened")
            assert found[1] == Change("resource", "note://a/10001")


def _updated(uri: str) -> Any:
    import msgspec

    from dovetail.wire import Notification

    return Notification("notifications/resources/updated", msgspec.json.encode({"uri": uri}))


def test_what_is_wanted_is_said_in_three_ways() -> None:
    assert wanted(True, False, True) == Wanted(tools=True, resources=True)
    assert wanted(False, True, ["a", "a", "b"]) == Wanted(prompts=True, uris=frozenset({"a", "b"}))
    assert wanted(False, False, "a") == Wanted(uris=frozenset({"a"}))
