"""Servers that lie, repeat themselves, fall silent or ask what they must not: the client ends every call, typed."""

import asyncio
import json
from typing import Any

import pytest

from dovetail import Client
from dovetail.client.questions import MOST_QUESTIONS
from dovetail.errors import (
    DefinitionError,
    Disconnected,
    LimitExceeded,
    NoCommonRevision,
    PeerError,
    ProtocolViolation,
    RoundsExceeded,
    Timeout,
)
from dovetail.wire import Limits
from tests.client.scripted import Json, Scripted, text

BOTH = pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])


def done(server: Scripted, request: Json) -> None:
    server.answer(request, text("done", resultType="complete"))


@pytest.mark.req("C-05")
@BOTH
async def test_late_repeated_and_unknown_answers_reach_nobody(version: str) -> None:
    def reply(server: Scripted, request: Json) -> None:
        server.answer({"id": 4711}, text("unknown"))
        server.answer({"id": str(request["id"])}, text("a text is no number"))
        server.answer(request, text("right"))
        server.answer(request, text("again"))

    server = Scripted(version, tools_call=reply)
    async with Client(server) as client:
        for _ in range(3):
            assert (await client.call_tool("x")).text == "right"


@pytest.mark.req("C-05")
async def test_answers_in_any_order_reach_the_calls_that_they_belong_to() -> None:
    waiting: list[Json] = []

    def reply(server: Scripted, request: Json) -> None:
        waiting.append(request)
        if len(waiting) == 50:
            for each in reversed(waiting):
                server.answer(each, text(each["params"]["arguments"]["nonce"]))

    async with Client(Scripted(tools_call=reply)) as client:
        nonces = [f"n{number}" for number in range(50)]
        results = await asyncio.gather(*(client.call_tool("x", {"nonce": nonce}) for nonce in nonces))
    assert [result.text for result in results] == nonces


@pytest.mark.req("C-06")
async def test_a_question_on_a_stateless_connection_is_never_acted_on() -> None:
    asked: list[Any] = []

    def reply(server: Scripted, request: Json) -> None:
        question = {"message": "?", "requestedSchema": {"type": "object", "properties": {}}}
        server.say({"jsonrpc": "2.0", "id": 1, "method": "elicitation/create", "params": question})
        done(server, request)

    server = Scripted("2026-07-28", tools_call=reply)
    async with Client(server, on_elicit=lambda question: asked.append(question)) as client:
        assert (await client.call_tool("x")).text == "done"
        async with asyncio.timeout(5):
            while not any("error" in message for message in server.seen):
                server.heard.clear()
                await server.heard.wait()
    assert not asked


@pytest.mark.req("C-06")
async def test_a_change_that_names_no_stream_of_ours_is_dropped() -> None:
    def listen(server: Scripted, request: Json) -> None:
        meta = {"io.modelcontextprotocol/subscriptionId": request["id"]}
        acknowledged = {"notifications": {"toolsListChanged": True}, "_meta": meta}
        server.say({"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged", "params": acknowledged})
        for params in ({}, {"_meta": {"io.modelcontextprotocol/subscriptionId": 999}}):
            server.say({"jsonrpc": "2.0", "method": "notifications/tools/list_changed", "params": params})
        server.say({"jsonrpc": "2.0", "method": "notifications/prompts/list_changed", "params": {"_meta": meta}})
        server.say({"jsonrpc": "2.0", "method": "notifications/tools/list_changed", "params": {"_meta": meta}})

    server = Scripted("2026-07-28", subscriptions_listen=listen)
    async with Client(server) as client, client.listen(tools=True) as changes, asyncio.timeout(5):
        assert (await anext(changes)).kind == "tools"
        assert not changes._pending


@pytest.mark.req("C-07")
async def test_state_is_returned_as_it_came_and_on_no_other_call() -> None:
    state = 'ünï "quoted" \\ \u2028 end'

    def reply(server: Scripted, request: Json) -> None:
        params = request["params"]
        if params["name"] == "asks" and "requestState" not in params:
            server.answer(request, {"resultType": "input_required", "requestState": state})
        else:
            done(server, request)

    server = Scripted("2026-07-28", tools_call=reply)
    async with Client(server) as client:
        await client.call_tool("asks", {"a": 1})
        await client.call_tool("other")
    first, again, other = server.of("tools/call")
    assert again["params"]["requestState"] == state
    assert again["params"]["arguments"] == {"a": 1}
    assert "inputResponses" not in again["params"]
    assert len({first["id"], again["id"], other["id"]}) == 3
    assert "requestState" not in other["params"]


@pytest.mark.req("C-07")
async def test_a_server_that_asks_for_ever_is_left() -> None:
    def reply(server: Scripted, request: Json) -> None:
        server.answer(request, {"resultType": "input_required", "requestState": "again"})

    server = Scripted("2026-07-28", tools_call=reply)
    async with Client(server, rounds=3) as client:
        with pytest.raises(RoundsExceeded, match="tools/call x: the server asked more than 3 times"):
            await client.call_tool("x")
    assert len(server.of("tools/call")) == 4


@pytest.mark.req("C-12")
@BOTH
async def test_a_list_whose_cursor_comes_again_ends_with_an_error(version: str) -> None:
    def reply(server: Scripted, request: Json) -> None:
        cursor = request["params"].get("cursor")
        following = {None: "", "": "a", "a": "b", "b": ""}[cursor]
        tools = [{"name": f"t{cursor}", "inputSchema": {"type": "object"}}]
        server.answer(request, {"tools": tools, "nextCursor": following, "resultType": "complete"})

    async with Client(Scripted(version, tools_list=reply)) as client:
        with pytest.raises(ProtocolViolation, match="cursor"):
            await client.list_tools()


@pytest.mark.req("C-12")
async def test_a_list_without_end_ends_with_an_error() -> None:
    def reply(server: Scripted, request: Json) -> None:
        number = int(request["params"].get("cursor", "0"))
        tools = [{"name": f"t{number}-{index}", "inputSchema": {"type": "object"}} for index in range(2000)]
        server.answer(request, {"tools": tools, "nextCursor": str(number + 1)})

    server = Scripted(tools_list=reply)
    async with Client(server) as client:
        with pytest.raises(LimitExceeded, match="more than 20000 items; `limits` of the client allows more"):
            await client.list_tools()
    assert len(server.of("tools/list")) == 11


@pytest.mark.req("C-12")
@pytest.mark.parametrize("cache", [False, True])
async def test_how_long_a_list_may_be_is_a_limit_that_can_be_changed(cache: bool) -> None:
    tools = [{"name": f"t{number}", "inputSchema": {"type": "object"}} for number in range(5)]
    server = Scripted(tools_list=lambda server, request: server.answer(request, {"tools": tools}))
    for limits, said in ((Limits(list_items=4), "4 items"), (Limits(list_bytes=100), "100 bytes")):
        async with Client(server, limits=limits, cache=cache) as client:
            with pytest.raises(LimitExceeded, match=f"more than {said}; `limits` of the client allows more") as caught:
                await client.list_tools()
            assert caught.value.limit in Limits.__struct_fields__
    async with Client(server, limits=Limits(list_items=5), cache=cache) as client:
        assert len(await client.list_tools()) == 5


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("tools", {"name": "a", "inputSchema": {"type": "object"}}, {"name": "SECRET"}),
        ("resources", {"name": "a", "uri": "x://a"}, {"name": "SECRET", "uri": 5}),
        ("resource_templates", {"name": "a", "uriTemplate": "x://{a}"}, "SECRET"),
        ("prompts", {"name": "a"}, {"name": ["SECRET"]}),
    ],
)
async def test_an_item_of_a_list_that_cannot_be_read_costs_nobody_the_others(
    kind: str, good: Json, bad: Any, caplog: pytest.LogCaptureFixture
) -> None:
    member = {"resource_templates": "resourceTemplates"}.get(kind, kind)
    page = {member: [good, bad, {**good, "name": "b"}], "ttlMs": "soon", "resultType": "complete"}
    name = "resources_templates_list" if kind == "resource_templates" else f"{kind}_list"
    server = Scripted("2026-07-28", **{name: lambda server, request: server.answer(request, page)})
    async with Client(server) as client:
        assert [item.name for item in await getattr(client, f"list_{kind}")()] == ["a", "b"]
    assert "1 of 3 are left out; the first: $" in caplog.text
    assert "SECRET" not in caplog.text


async def test_a_page_that_is_none_is_a_violation() -> None:
    pages: list[Json] = [{}, {"tools": 5}, {"tools": [5], "nextCursor": 5}]
    server = Scripted(tools_list=lambda server, request: server.answer(request, pages.pop()))
    async with Client(server) as client:
        while pages:
            with pytest.raises(ProtocolViolation, match="list cannot be read"):
                await client.list_tools()


async def test_a_list_of_empty_pages_ends_with_an_error_and_a_slow_one_in_time() -> None:
    def empty(server: Scripted, request: Json) -> None:
        server.answer(request, {"tools": [], "nextCursor": str(len(server.seen))})

    server = Scripted(tools_list=empty)
    async with Client(server, revision="2025-11-25") as client:
        with pytest.raises(LimitExceeded, match="empty pages"):
            await client.list_tools()

    def slow(server: Scripted, request: Json) -> None:
        page = {"tools": [{"name": f"t{len(server.seen)}", "inputSchema": {}}], "nextCursor": str(len(server.seen))}
        asyncio.get_running_loop().call_later(0.05, lambda: server.answer(request, page))

    server = Scripted(tools_list=slow)
    async with Client(server, revision="2025-11-25", timeout=1, longest=0.3) as client:
        with pytest.raises(Timeout, match="tools/list"):
            await client.list_tools()


async def test_meta_that_is_given_stands_once_beside_what_the_link_says() -> None:
    server = Scripted("2026-07-28", tools_call=done)
    given = {"progressToken": "mine", "io.modelcontextprotocol/protocolVersion": "1999-01-01", "com.example/a": 1}
    async with Client(server) as client:
        await client.request("tools/call", {"name": "x", "_meta": given}, on_progress=lambda _: None)
        await client.call_tool("x", meta=given)
    for message in server.of("tools/call"):
        meta = message["params"]["_meta"]
        assert meta["com.example/a"] == 1
        assert meta["io.modelcontextprotocol/protocolVersion"] == "2026-07-28"
    assert [message["params"]["_meta"]["progressToken"] == "mine" for message in server.of("tools/call")] == [
        False,
        True,
    ]


async def test_whatever_awaitable_a_listener_returns_is_awaited() -> None:
    heard: list[float] = []

    async def note(value: float) -> None:
        heard.append(value)

    def steps(server: Scripted, request: Json) -> None:
        token = request["params"]["_meta"]["progressToken"]
        params = {"progressToken": token, "progress": 1}
        server.say({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})
        done(server, request)

    async with Client(Scripted(tools_call=steps), revision="2025-11-25") as client:
        await client.call_tool("x", on_progress=lambda progress: note(progress.progress))
    assert heard == [1]


async def test_a_server_that_ends_fails_every_call_at_once_and_the_next_one_opens_it_again() -> None:
    calls = 0

    def reply(server: Scripted, request: Json) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            asyncio.get_running_loop().call_soon(lambda: asyncio.ensure_future(server.channels[-1].aclose()))
        elif calls > 2:
            done(server, request)

    server = Scripted(tools_call=reply)
    async with Client(server) as client:
        outcomes = await asyncio.gather(client.call_tool("x"), client.call_tool("y"), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [Disconnected, Disconnected]
        assert (await client.call_tool("z")).text == "done"
    assert len(server.of("initialize")) == 2


@pytest.mark.parametrize(
    "bad",
    [
        b"not json",
        b"[]",
        b'{"jsonrpc":"2.0","id":null,"result":{}}',
        b'{"jsonrpc":"2.0","method":5}',
        b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":[]}}',
        b'{"jsonrpc":"2.0","method":"notifications/message","params":{}}',
        b'{"jsonrpc":"2.0","method":"notifications/unknown"}',
        b"\xff\xfe",
    ],
)
async def test_what_no_server_should_send_disturbs_nobody(bad: bytes) -> None:
    def reply(server: Scripted, request: Json) -> None:
        server.say(bad)
        done(server, request)

    async with Client(Scripted(tools_call=reply), on_log=lambda message: None) as client:
        assert (await client.call_tool("x")).text == "done"


@pytest.mark.parametrize("result", [{}, {"content": 5}, {"content": [{"type": "text"}]}])
async def test_a_result_that_cannot_be_read_is_a_violation_that_names_the_field(result: Json) -> None:
    async with Client(Scripted(tools_call=lambda server, request: server.answer(request, result))) as client:
        with pytest.raises(ProtocolViolation, match=r"Scripted: tools/call x: .*\$"):
            await client.call_tool("x")


async def test_a_response_that_is_none_fails_its_call() -> None:
    def reply(server: Scripted, request: Json) -> None:
        server.say(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": [1]}).encode())

    async with Client(Scripted(tools_call=reply)) as client:
        with pytest.raises(ProtocolViolation, match="result: expected an object"):
            await client.call_tool("x")


async def test_a_message_over_the_limit_fails_what_waits_and_leaves_the_connection() -> None:
    def reply(server: Scripted, request: Json) -> None:
        name = request["params"]["name"]
        server.answer(request, text("x" * 1000 if name == "large" else "small"))

    server = Scripted(tools_call=reply)
    server.limits = Limits(line=700)
    async with Client(server, limits=server.limits) as client:
        with pytest.raises(LimitExceeded):
            await client.call_tool("large")
        assert (await client.call_tool("small")).text == "small"


# Negotiation.


@pytest.mark.req("C-16")
@pytest.mark.parametrize("code", [-32020, -32021, -32022])
async def test_a_modern_error_is_never_answered_with_initialize(code: int) -> None:
    data = {"supported": ["2025-11-25"], "requested": "2026-07-28"}
    server = Scripted(server_discover=lambda server, request: server.refuse(request, code, data=data))
    with pytest.raises((NoCommonRevision, PeerError)):
        await Client(server).connect()
    assert not server.of("initialize")


@pytest.mark.req("C-16")
async def test_a_server_that_names_only_what_initialize_speaks_is_spoken_with_when_that_is_asked_for() -> None:
    data = {"supported": ["2025-06-18"], "requested": "2026-07-28"}
    server = Scripted("2025-06-18", server_discover=lambda server, request: server.refuse(request, -32022, data=data))
    with pytest.raises(NoCommonRevision, match=r"speaks '2025-06-18', which .*; revision='2025-06-18' of the client"):
        await Client(server).connect()
    async with Client(server, revision="2025-06-18") as client:
        assert client.server.revision.version == "2025-06-18"


async def test_a_server_that_is_silent_when_probed_is_asked_to_initialize() -> None:
    server = Scripted(server_discover=lambda server, request: None)
    async with Client(server, probe=0.01) as client:
        assert client.server.revision.version == "2025-11-25"


async def test_an_error_that_names_no_request_answers_the_probe_and_no_call() -> None:
    def unread(server: Scripted, request: Json) -> None:
        server.say({"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "What is this?"}})

    def reply(server: Scripted, request: Json) -> None:
        unread(server, request)
        done(server, request)

    async with Client(Scripted(server_discover=unread, tools_call=reply), probe=1000, opening=2000) as client:
        assert client.server.revision.version == "2025-11-25"
        assert (await client.call_tool("x")).text == "done"


async def test_a_late_but_valid_answer_to_the_probe_counts() -> None:
    def late(server: Scripted, request: Json) -> None:
        server.refuse(request, -32601)
        discover = server.of("server/discover")[0]
        result = {"supportedVersions": ["2026-07-28"], "capabilities": {}, "resultType": "complete"}
        server.answer(discover, {**result, "ttlMs": 0, "cacheScope": "private"})

    server = Scripted("2026-07-28", server_discover=lambda server, request: None, initialize=late)
    async with Client(server, probe=0.01) as client:
        assert client.server.revision.version == "2026-07-28"


@pytest.mark.req("C-16")
async def test_a_server_below_the_minimum_is_refused() -> None:
    with pytest.raises(NoCommonRevision):
        await Client(Scripted("2025-03-26"), minimum="2025-06-18").connect()


async def test_only_so_many_questions_are_answered_at_a_time_and_more_are_refused() -> None:
    asked = 0
    release = asyncio.Event()

    async def on_elicit(_: Any) -> None:
        nonlocal asked
        asked += 1
        await release.wait()

    server = Scripted(tools_call=done)
    async with Client(server, revision="2025-11-25", on_elicit=on_elicit) as client:
        params = {"message": "?", "requestedSchema": {"type": "object", "properties": {}}}
        for number in range(500):
            server.say({"jsonrpc": "2.0", "id": f"q{number}", "method": "elicitation/create", "params": params})
        assert (await client.call_tool("x")).text == "done"
        assert asked == MOST_QUESTIONS
        async with asyncio.timeout(5):
            while len([message for message in server.seen if "error" in message]) < 500 - MOST_QUESTIONS:
                server.heard.clear()
                await server.heard.wait()
        assert asked == MOST_QUESTIONS
        release.set()


async def test_a_server_that_sends_requests_and_reads_no_answers_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Scripted()
    client = Client(server, revision="2025-11-25", limits=Limits(write_seconds=0.1))
    async with client:
        link: Any = await client._conversation.connection.link()
        reader = next(iter(server._tasks))
        reader.cancel()  # it reads nothing any more
        ping = b'{"jsonrpc":"2.0","id":"%05d","method":"ping","params":{"_meta":{"x":"%s"}}}'
        for number in range(40_000):
            if link.lost is not None:
                break
            server.say(ping % (number, b"y" * 200))
            if number % 100 == 0:
                await asyncio.sleep(0)
        await asyncio.wait_for(link.ended(), 5)
        assert "reads nothing" in str(link.lost)


async def test_hints_on_caching_that_make_no_sense_cost_nobody_the_result() -> None:
    def odd(server: Scripted, request: Json) -> None:
        tools = [{"name": "x", "inputSchema": {"type": "object"}}]
        server.answer(request, {"tools": tools, "ttlMs": "soon", "cacheScope": "zzz", "resultType": "complete"})

    async with Client(Scripted("2026-07-28", tools_list=odd)) as client:
        assert [tool.name for tool in await client.list_tools()] == ["x"]


async def test_an_error_that_wants_nothing_visited_is_an_error() -> None:
    def empty(server: Scripted, request: Json) -> None:
        server.refuse(request, -32042, "Visit", {"elicitations": []})

    async def on_elicit(_: Any) -> None: ...

    server = Scripted(tools_call=empty)
    async with Client(server, revision="2025-11-25", on_elicit=on_elicit) as client:
        with pytest.raises(PeerError, match="Visit"):
            await client.call_tool("x")
    assert len(server.of("tools/call")) == 1


async def test_arguments_that_are_no_json_are_refused_in_words() -> None:
    async with Client(Scripted(tools_call=done), revision="2025-11-25") as client:
        with pytest.raises(DefinitionError, match="call_tool x: the arguments are no JSON"):
            await client.call_tool("x", {"a": object()})


async def test_a_code_of_the_server_s_own_is_no_reason_to_call_twice_where_there_are_no_mirrored_headers() -> None:
    server = Scripted("2025-11-25", tools_call=lambda server, request: server.refuse(request, -32020, "paid"))
    async with Client(server) as client:
        with pytest.raises(PeerError, match="paid"):
            await client.call_tool("pay")
    assert len(server.of("tools/call")) == 1


@BOTH
@pytest.mark.parametrize("value", ["NaN", '"\\ud800"'])
async def test_an_answer_that_is_no_json_ends_the_call_that_it_names_and_no_other(version: str, value: str) -> None:
    def reply(server: Scripted, request: Json) -> None:
        if request["params"]["name"] == "odd":
            server.say(b'{"jsonrpc":"2.0","id":%d,"result":{"x":%b}}' % (request["id"], value.encode()))

    server = Scripted(version, tools_call=reply)
    async with Client(server) as client:
        waiting = asyncio.create_task(client.call_tool("even", timeout=5))
        await server.until("tools/call")
        with pytest.raises(ProtocolViolation, match="cannot be read"):
            await client.call_tool("odd", timeout=5)
        assert not waiting.done()
        server.answer(server.of("tools/call")[0], text("done", resultType="complete"))
        assert (await waiting).text == "done"


async def test_a_call_made_from_inside_a_progress_callback_ends_whatever_task_makes_it() -> None:
    inner: list[str] = []

    def reply(server: Scripted, request: Json) -> None:
        token = request["params"].get("_meta", {}).get("progressToken")
        server.say(
            {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": token, "progress": 1}}
        )
        done(server, request)

    async with Client(Scripted(tools_call=reply), on_progress=lambda progress: None) as client:

        async def heard(progress: Any) -> None:
            (result,) = await asyncio.gather(client.call_tool("inner", on_progress=listened))
            inner.append(result.text)

        async def listened(progress: Any) -> None:
            inner.append("heard")

        async with asyncio.timeout(5):
            assert (await client.call_tool("outer", on_progress=heard)).text == "done"
    assert inner[0] == "done"


async def test_a_slow_callback_holds_up_its_own_call_for_a_second_and_no_other() -> None:
    never = asyncio.Event()

    def reply(server: Scripted, request: Json) -> None:
        token = request["params"].get("_meta", {}).get("progressToken")
        server.say(
            {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": token, "progress": 1}}
        )
        done(server, request)

    async def stuck(progress: Any) -> None:
        await never.wait()

    async with Client(Scripted(tools_call=reply)) as client, asyncio.timeout(5):
        first = asyncio.create_task(client.call_tool("x", on_progress=stuck))
        heard: list[float] = []
        for _ in range(20):
            await client.call_tool("y", on_progress=lambda progress: heard.append(progress.progress))
        assert not first.done() and len(heard) == 20
        assert (await first).text == "done"


@BOTH
async def test_a_list_that_does_not_come_keeps_no_result_back_and_is_asked_for_once(version: str) -> None:
    def reply(server: Scripted, request: Json) -> None:
        server.answer(request, {"content": [], "structuredContent": {"a": 1}, "resultType": "complete"})

    server = Scripted(version, tools_call=reply, tools_list=lambda server, request: None)
    async with Client(server) as client, asyncio.timeout(5):
        results = await asyncio.gather(*(client.call_tool(f"t{n}", timeout=1) for n in range(20)))
        assert [result.data for result in results] == [{"a": 1}] * 20
        assert (await client.call_tool("another", timeout=1)).data == {"a": 1}
    assert len(server.of("tools/list")) == 1
