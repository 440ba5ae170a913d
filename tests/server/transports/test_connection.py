"""One conversation on a channel: both eras, every order of messages, and what bounds a peer."""

import asyncio
import json
from contextvars import ContextVar
from typing import Any, cast

import pytest

from dovetail import Context, Server
from dovetail.errors import Disconnected
from dovetail.server.transports.run import shared_runtime
from dovetail.wire import Limits
from tests.server.peers import Conversation, Json, accept, meta, text_of

VERSIONS = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]
SEEN: ContextVar[str] = ContextVar("seen", default="nothing")


class Gate:
    """Calls that wait until they are let go, and how many are inside."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.inside = 0
        self.most = 0
        self.began = asyncio.Event()
        self.order: list[int] = []

    async def wait(self, number: int = 0) -> None:
        self.inside += 1
        self.order.append(number)
        self.most = max(self.most, self.inside)
        self.began.set()
        try:
            await self.open.wait()
        finally:
            self.inside -= 1


def gated(**options: Any) -> tuple[Server, Gate]:
    """Return a server with a tool that waits at a gate, and one that does not wait."""
    app, gate = Server("gated", **options), Gate()

    @app.tool
    async def hold(number: int = 0) -> int:
        await gate.wait(number)
        return number

    @app.tool
    async def quick(number: int = 0) -> int:
        return number

    @app.tool
    async def ask(ctx: Context) -> str:
        answer = await ctx.elicit("Go on?")
        return answer.action

    return app, gate


def arguments(name: str, number: int = 0, **more: Any) -> Json:
    return {"name": name, "arguments": {"number": number}, **more}


async def settle() -> None:
    """Let everything that is ready run."""
    for _ in range(400):
        await asyncio.sleep(0)


async def outcomes(client: Conversation, identifiers: list[int]) -> dict[int, Json]:
    """Return the responses to these requests, in whatever order they come."""
    found: dict[int, Json] = {}
    while len(found) < len(identifiers):
        message = await client.receive()
        if message.get("id") in identifiers and "method" not in message:
            assert message["id"] not in found, "two outcomes for one call"
            found[message["id"]] = message
    return found


# Eras and the opening.


@pytest.mark.parametrize("version", VERSIONS)
async def test_both_eras_are_spoken_on_one_channel_message_by_message(version: str) -> None:
    app, _ = gated()
    client = Conversation(app)
    modern = await client.call("tools/call", **arguments("quick", 1), _meta=meta())
    assert modern["result"]["resultType"] == "complete"
    await client.open(version)
    old = await client.call("tools/call", **arguments("quick", 2))
    assert "resultType" not in old["result"]
    modern = await client.call("tools/call", **arguments("quick", 3), _meta=meta())
    assert modern["result"]["resultType"] == "complete"
    assert "error" in await client.call("server/discover")
    assert "result" in await client.call("server/discover", _meta=meta())
    assert (await client.call("ping"))["result"] == {}
    assert (await client.call("ping", _meta=meta()))["error"]["code"] == -32601
    await client.close()


async def test_a_request_before_initialize_is_refused_and_a_ping_is_not() -> None:
    app, _ = gated()
    client = Conversation(app)
    assert (await client.call("ping"))["result"] == {}
    # Whoever wanted the stateless era has left out what it requires, and that has a code of its own.
    assert (await client.call("tools/list"))["error"]["code"] == -32602
    assert (await client.call("tools/call", **arguments("quick")))["error"]["code"] == -32602
    assert (await client.call("logging/setLevel", level="info"))["error"]["code"] == -32600
    assert "result" in await client.open()
    assert "result" in await client.call("tools/list")
    await client.close()


async def test_a_second_initialize_is_refused_and_the_first_one_counts() -> None:
    app, _ = gated()
    client = Conversation(app)
    assert (await client.open("2025-03-26"))["result"]["protocolVersion"] == "2025-03-26"
    assert (await client.open("2025-11-25"))["error"]["code"] == -32600
    assert "structuredContent" not in (await client.call("tools/call", **arguments("quick")))["result"]
    await client.close()


async def test_a_malformed_initialize_leaves_the_connection_new() -> None:
    app, _ = gated()
    client = Conversation(app)
    assert (await client.call("initialize", protocolVersion=7))["error"]["code"] == -32602
    assert "result" in await client.open()
    await client.close()


# The cap and the queue.


async def test_calls_over_the_cap_wait_in_order_and_none_is_lost() -> None:
    app, gate = gated(limits=Limits(in_flight=5))
    client = Conversation(app)
    await client.open()
    ids = [client.begin("tools/call", arguments("hold", n)) for n in range(20)]
    ids += [client.begin("tools/call", arguments("quick", n)) for n in range(20, 25)]
    await settle()
    assert gate.inside == 5
    gate.open.set()
    found = await outcomes(client, ids)
    assert [found[identifier]["result"]["structuredContent"]["value"] for identifier in ids] == list(range(25))
    assert gate.most == 5
    assert gate.order == list(range(20))
    assert not (await shared_runtime(app)).in_flight
    await client.close()


async def test_a_hundred_calls_are_in_flight_by_default_and_the_next_one_waits() -> None:
    app, gate = gated()
    client = Conversation(app)
    await client.open()
    ids = [client.begin("tools/call", arguments("hold", n)) for n in range(101)]
    await settle()
    assert gate.inside == 100
    gate.open.set()
    assert len(await outcomes(client, ids)) == 101
    await client.close()


async def test_the_queue_holds_a_thousand_requests_and_refuses_the_next_one_as_busy() -> None:
    app, gate = gated()
    client = Conversation(app)
    await client.open()
    ids = [client.begin("tools/call", arguments("hold", n)) for n in range(1100)]
    over = client.begin("tools/call", arguments("quick"))
    refused = await client.outcome(over)
    assert refused["error"]["code"] == -32603
    assert gate.inside == 100
    gate.open.set()
    found = await outcomes(client, ids)
    assert all("result" in message for message in found.values())
    assert "result" in await client.call("tools/call", **arguments("quick"))
    await client.close()


async def test_the_queue_holds_so_many_bytes_and_one_more_is_refused() -> None:
    app, gate = gated(limits=Limits(in_flight=1, queued_bytes=1000))
    client = Conversation(app)
    await client.open()
    held = client.begin("tools/call", arguments("hold"))
    await gate.began.wait()
    empty = len(json.dumps(arguments("quick", pad="")))
    fits = client.begin("tools/call", arguments("quick", pad="x" * (1000 - empty)))
    await settle()
    refused = await client.call("tools/call", **arguments("quick"))
    assert refused["error"]["code"] == -32603
    gate.open.set()
    await outcomes(client, [held, fits])
    await client.close()


async def test_one_byte_over_the_queue_is_refused() -> None:
    app, gate = gated(limits=Limits(in_flight=1, queued_bytes=1000))
    client = Conversation(app)
    await client.open()
    client.begin("tools/call", arguments("hold"))
    await gate.began.wait()
    empty = len(json.dumps(arguments("quick", pad="")))
    refused = await client.call("tools/call", **arguments("quick", pad="x" * (1001 - empty)))
    assert refused["error"]["code"] == -32603
    await client.close()


async def test_a_full_set_of_calls_that_wait_for_answers_gets_them() -> None:
    app, _ = gated(limits=Limits(in_flight=10))
    client = Conversation(app)
    await client.open()
    ids = [client.begin("tools/call", {"name": "ask", "arguments": {}}) for _ in range(30)]
    client.answers["elicitation/create"] = accept()
    found: dict[int, Json] = {}
    while len(found) < 30:
        message = await client.receive()
        if "method" in message:
            client.send({"jsonrpc": "2.0", "id": message["id"], "result": {"action": "accept", "content": {}}})
        else:
            found[message["id"]] = message
    assert set(found) == set(ids)
    assert {text_of(message) for message in found.values()} == {"accept"}
    await client.close()


async def test_a_cancelled_call_makes_room_for_one_that_waits() -> None:
    app, gate = gated(limits=Limits(in_flight=1))
    client = Conversation(app)
    await client.open()
    held = client.begin("tools/call", arguments("hold"))
    await gate.began.wait()
    waiting = client.begin("tools/call", arguments("quick", 7))
    client.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": held}})
    assert (await client.outcome(waiting))["result"]["structuredContent"] == {"value": 7}
    await client.close()


async def test_cancelling_what_waits_gives_its_bytes_back() -> None:
    app, gate = gated(limits=Limits(in_flight=1, queued_bytes=1000))
    client = Conversation(app)
    await client.open()
    held = client.begin("tools/call", arguments("hold"))
    await gate.began.wait()
    for _ in range(20):
        waiting = client.begin("tools/call", arguments("quick", pad="x" * 500))
        client.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": waiting}})
    last = client.begin("tools/call", arguments("quick", pad="x" * 500))
    gate.open.set()
    found = await outcomes(client, [held, last])
    assert "result" in found[last]
    assert len(client.seen) == 3, "a cancelled request gets no answer"
    await client.close()


async def test_calls_of_a_batch_count_against_the_cap_and_wait_for_their_turn_as_all_do() -> None:
    app, gate = gated(limits=Limits(in_flight=4))
    client = Conversation(app)
    await client.open("2025-03-26")
    elements = [
        {"jsonrpc": "2.0", "id": f"b{n}", "method": "tools/call", "params": arguments("hold", n)} for n in range(6)
    ]
    client.channel.send(json.dumps(elements).encode())
    await settle()
    assert gate.inside == 4
    queued = [client.begin("tools/call", arguments("hold", n)) for n in range(10, 14)]
    await settle()
    assert gate.inside == 4
    gate.open.set()
    answers: list[Json] = []
    ended: set[int] = set()
    while len(ended) < 4 or not answers:
        data = await asyncio.wait_for(client.channel.receive(), 5)
        assert isinstance(data, bytes)
        message = json.loads(data)
        if isinstance(message, list):
            answers = message
        else:
            ended.add(message["id"])
    assert ended == set(queued)
    assert [answer["id"] for answer in answers] == [f"b{n}" for n in range(6)]
    assert [answer.get("error", {}).get("code") for answer in answers] == [None] * 6
    assert gate.most == 4
    await client.close()


async def test_batches_queue_up_to_the_bound_of_the_queue() -> None:
    app, gate = gated(limits=Limits(in_flight=4, queued=100))
    client = Conversation(app)
    await client.open("2025-03-26")
    for batch in range(3):
        elements = [
            {"jsonrpc": "2.0", "id": f"{batch}-{n}", "method": "tools/call", "params": arguments("hold", n)}
            for n in range(50)
        ]
        client.channel.send(json.dumps(elements).encode())
    await settle()
    gate.open.set()
    found: list[Json] = []
    while len(found) < 150:
        data = await asyncio.wait_for(client.channel.receive(), 5)
        assert isinstance(data, bytes)
        found += json.loads(data)
    refused = [answer for answer in found if "error" in answer]
    assert len(refused) == 150 - 4 - 100
    assert {answer["error"]["message"] for answer in refused} == {"Too many requests at a time"}
    await client.close()


async def test_an_element_of_a_batch_that_is_cancelled_while_it_waits_gets_no_answer() -> None:
    app, gate = gated(limits=Limits(in_flight=1))
    client = Conversation(app)
    await client.open("2025-03-26")
    elements = [{"jsonrpc": "2.0", "id": n, "method": "tools/call", "params": arguments("hold")} for n in ("a", "b")]
    client.channel.send(json.dumps(elements).encode())
    await gate.began.wait()
    client.channel.send(b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"b"}}')
    await settle()
    gate.open.set()
    data = await asyncio.wait_for(client.channel.receive(), 5)
    assert isinstance(data, bytes)
    assert [answer["id"] for answer in json.loads(data)] == ["a"]
    assert "result" in await client.call("ping")
    await client.close()


@pytest.mark.req("W-04")
async def test_what_comes_right_behind_a_batch_finds_its_requests() -> None:
    app, gate = gated()
    client = Conversation(app)
    await client.open("2025-03-26")
    elements = [{"jsonrpc": "2.0", "id": n, "method": "tools/call", "params": arguments("hold")} for n in ("a", "b")]
    client.channel.send(json.dumps(elements).encode())
    client.channel.send(b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"b"}}')
    client.channel.send(b'{"jsonrpc":"2.0","id":"a","method":"ping"}')
    await settle()
    assert gate.inside == 1
    gate.open.set()
    found = [json.loads(cast("bytes", await asyncio.wait_for(client.channel.receive(), 5))) for _ in range(2)]
    assert found[0]["id"] == "a" and found[0]["error"]["code"] == -32600
    assert [answer["id"] for answer in found[1]] == ["a"]
    again = [{"jsonrpc": "2.0", "id": "a", "method": "initialize"}]
    client.channel.send(json.dumps(again).encode())
    data = json.loads(cast("bytes", await asyncio.wait_for(client.channel.receive(), 5)))
    assert data[0]["error"]["code"] == -32600
    client.channel.send(b'{"jsonrpc":"2.0","id":"a","method":"ping"}')
    assert b"result" in cast("bytes", await asyncio.wait_for(client.channel.receive(), 5))
    await client.close()


# Cancellation.


async def test_a_cancelled_call_gets_no_answer_and_its_handler_is_stopped() -> None:
    app, gate = gated()
    client = Conversation(app)
    await client.open()
    held = client.begin("tools/call", arguments("hold"))
    await gate.began.wait()
    client.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": held}})
    assert (await client.call("ping"))["result"] == {}
    await settle()
    assert gate.inside == 0
    assert not [message for message in client.seen if message.get("id") == held]
    assert not (await shared_runtime(app)).in_flight
    # "the id is free again once the call is over"
    client.send({"jsonrpc": "2.0", "id": held, "method": "tools/call", "params": arguments("quick", 5)})
    assert (await client.outcome(held))["result"]["structuredContent"] == {"value": 5}
    await client.close()


@pytest.mark.parametrize(
    "params",
    [
        None,
        {},
        {"requestId": None},
        {"requestId": {"a": 1}},
        {"requestId": [1]},
        {"requestId": 1.5},
        {"requestId": True},
        {"requestId": "unknown"},
        {"requestId": 10**30},
        {"requestId": "\ud800"},
        {"reason": "no id"},
        {"requestId": 2, "reason": 7},
        [],
    ],
)
async def test_a_cancellation_of_nothing_is_ignored(params: Any) -> None:
    app, gate = gated()
    client = Conversation(app)
    await client.open()
    client._next = 10
    held = client.begin("tools/call", arguments("hold"))
    await gate.began.wait()
    message = {"jsonrpc": "2.0", "method": "notifications/cancelled"}
    client.send(message if params is None else {**message, "params": params})
    assert (await client.call("ping"))["result"] == {}
    gate.open.set()
    assert "result" in await client.outcome(held)
    await client.close()


@pytest.mark.req("W-04")
async def test_an_id_is_the_same_in_every_spelling() -> None:
    app, gate = gated()
    client = Conversation(app)
    await client.open()
    head = b'{"jsonrpc":"2.0","id":%b,"method":"tools/call","params":{"name":"hold","arguments":{}}}'
    client.channel.send(head % b'"\\u0061"')
    await gate.began.wait()
    client.channel.send(head % b'"a"')
    assert (await client.receive())["error"]["code"] == -32600
    client.channel.send(b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"a"}}')
    await client.call("ping")
    await settle()
    assert gate.inside == 0
    await client.close()


@pytest.mark.req("W-04")
async def test_an_id_that_waits_in_the_queue_is_cancelled_in_every_spelling() -> None:
    app, gate = gated(limits=Limits(in_flight=1))
    client = Conversation(app)
    await client.open()
    held = client.begin("tools/call", arguments("hold"))
    await gate.began.wait()
    client.channel.send(b'{"jsonrpc":"2.0","id":"\\u0061","method":"tools/call","params":{"name":"quick"}}')
    client.channel.send(b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"a"}}')
    await settle()
    gate.open.set()
    await client.outcome(held)
    await client.call("ping")
    assert not [message for message in client.seen if message.get("id") == "a"]
    await client.close()


@pytest.mark.req("W-04")
@pytest.mark.parametrize("first", ["in flight", "waiting", "in a batch"])
async def test_an_id_in_use_is_refused_also_while_others_wait(first: str) -> None:
    app, gate = gated(limits=Limits(in_flight=2))
    client = Conversation(app)
    await client.open("2025-03-26")
    calls = [
        {"jsonrpc": "2.0", "id": n, "method": "tools/call", "params": arguments("hold", n)} for n in (901, 902, 903)
    ]
    if first == "in a batch":
        client.channel.send(json.dumps(calls).encode())
    else:
        for call in calls:
            client.send(call)
    await settle()
    used = 901 if first == "in flight" else 903
    client.send({"jsonrpc": "2.0", "id": used, "method": "tools/call", "params": arguments("quick")})
    refused = await client.outcome(used)
    assert refused["error"]["code"] == -32600
    gate.open.set()
    await settle()
    assert gate.order == [901, 902, 903]
    await client.close()


async def test_a_second_request_with_an_id_in_flight_is_refused_and_the_first_goes_on() -> None:
    app, gate = gated()
    client = Conversation(app)
    await client.open()
    held = client.begin("tools/call", arguments("hold", 3))
    await gate.began.wait()
    client.send({"jsonrpc": "2.0", "id": held, "method": "tools/call", "params": arguments("quick", 4)})
    assert (await client.outcome(held))["error"]["code"] == -32600
    gate.open.set()
    assert (await client.outcome(held))["result"]["structuredContent"] == {"value": 3}
    await client.close()


# Handlers and the task that they run in.


async def test_what_one_handler_sets_the_next_call_does_not_see() -> None:
    app = Server("variables")

    @app.tool
    async def mark(text: str) -> str:
        before = SEEN.get()
        SEEN.set(text)
        return before

    @app.tool
    async def mark_and_wait(text: str) -> str:
        before = SEEN.get()
        SEEN.set(text)
        await asyncio.sleep(0)
        return f"{before} {SEEN.get()}"

    client = Conversation(app)
    await client.open()
    for text in ("a", "b", "c"):
        assert text_of(await client.call("tools/call", name="mark", arguments={"text": text})) == "nothing"
        found = await client.call("tools/call", name="mark_and_wait", arguments={"text": text})
        assert text_of(found) == f"nothing {text}"
    ids = [client.begin("tools/call", {"name": "mark", "arguments": {"text": str(n)}}) for n in range(200)]
    assert {text_of(message) for message in (await outcomes(client, ids)).values()} == {"nothing"}
    await client.close()


async def test_a_handler_may_use_its_task_from_its_first_step_on() -> None:
    app = Server("tasks")

    @app.tool
    async def in_time() -> str:
        task = asyncio.current_task()
        async with asyncio.timeout(5):
            await asyncio.sleep(0)
        return str(task is asyncio.current_task())

    @app.tool
    async def too_late() -> str:
        try:
            async with asyncio.timeout(0.001):
                await asyncio.Event().wait()
        except TimeoutError:
            return "late"
        return "never"

    @app.tool
    async def group() -> str:
        async with asyncio.TaskGroup() as tasks:
            one = tasks.create_task(asyncio.sleep(0, 1))
            two = tasks.create_task(asyncio.sleep(0, 2))
        return str(one.result() + two.result())

    @app.tool
    async def broken_group() -> str:
        async def fail() -> None:
            raise ValueError

        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(fail())
                await asyncio.Event().wait()
        except BaseExceptionGroup:
            return "caught"
        return "never"

    client = Conversation(app)
    await client.open()
    expected = {"in_time": "True", "too_late": "late", "group": "3", "broken_group": "caught"}
    for _ in range(2):
        for name, text in expected.items():
            assert text_of(await client.call("tools/call", name=name, arguments={})) == text
    await client.close()


@pytest.mark.req("S-25")
@pytest.mark.parametrize("waits", [True, False])
async def test_a_handler_that_cancels_its_own_task_fails_alone(waits: bool) -> None:
    app, gate = gated()

    @app.tool
    async def suicide() -> str:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        if waits:
            await asyncio.sleep(0)
        return "done"

    client = Conversation(app)
    await client.open()
    held = client.begin("tools/call", arguments("hold", 1))
    await gate.began.wait()
    message = await client.call("tools/call", name="suicide", arguments={})
    assert message["error"]["code"] == -32603 if waits else text_of(message) == "done"
    assert "result" in await client.call("tools/call", **arguments("quick"))
    gate.open.set()
    assert "result" in await client.outcome(held)
    await client.close()


@pytest.mark.req("S-25")
async def test_a_thread_that_raises_what_ends_coroutines_fails_alone() -> None:
    app, gate = gated()

    @app.tool
    def leave() -> str:
        raise GeneratorExit

    @app.tool
    def stop() -> str:
        raise StopIteration

    client = Conversation(app)
    await client.open()
    held = client.begin("tools/call", arguments("hold", 1))
    await gate.began.wait()
    for name in ("leave", "stop"):
        assert (await client.call("tools/call", name=name, arguments={}))["result"]["isError"]
    gate.open.set()
    assert "result" in await client.outcome(held)
    await client.close()


async def test_a_flood_of_calls_that_are_done_at_once_does_not_starve_one_that_waits() -> None:
    app = Server("fair")

    @app.tool
    async def steps() -> str:
        for _ in range(10):
            await asyncio.sleep(0)
        return "done"

    @app.tool
    async def quick() -> str:
        return "quick"

    client = Conversation(app)
    await client.open()
    slow = client.begin("tools/call", {"name": "steps", "arguments": {}})
    flood = [client.begin("tools/call", {"name": "quick", "arguments": {}}) for _ in range(5000)]
    await outcomes(client, [slow, *flood])
    order = [message["id"] for message in client.seen]
    assert order.index(slow) < 2000
    await client.close()


# Frames.


async def test_a_line_over_the_limit_is_refused_and_the_stream_survives() -> None:
    app, _ = gated(limits=Limits(line=1000))
    client = Conversation(app)
    await client.open()
    empty = len(json.dumps({"jsonrpc": "2.0", "id": 9, "method": "ping", "params": {"pad": ""}}))
    client.send({"jsonrpc": "2.0", "id": 9, "method": "ping", "params": {"pad": "x" * (1000 - empty)}})
    assert (await client.outcome(9))["result"] == {}
    client.send({"jsonrpc": "2.0", "id": 9, "method": "ping", "params": {"pad": "x" * (1001 - empty)}})
    refused = await client.receive()
    assert refused["error"]["code"] == -32600
    assert refused.get("id") is None
    assert (await client.call("ping"))["result"] == {}
    await client.close()


@pytest.mark.parametrize("data", [b"{", b"\xff\xfe", b"[]", b"1", b'"x"', b"null", b"{}", b'{"jsonrpc":"2.0"}'])
async def test_what_is_no_message_is_refused_and_the_next_one_served(data: bytes) -> None:
    app, _ = gated()
    client = Conversation(app)
    await client.open()
    client.channel.send(data)
    assert (await client.receive())["error"]["code"] in (-32700, -32600)
    assert (await client.call("ping"))["result"] == {}
    await client.close()


@pytest.mark.req("W-05")
@pytest.mark.parametrize("version", ["2024-11-05", "2025-06-18", "2025-11-25"])
async def test_a_batch_is_refused_whole_where_the_revision_has_none(version: str) -> None:
    app, gate = gated()
    client = Conversation(app)
    await client.open(version)
    element = {"jsonrpc": "2.0", "id": "b", "method": "tools/call", "params": arguments("hold")}
    client.channel.send(json.dumps([element, element]).encode())
    refused = await client.receive()
    assert refused["error"]["code"] == -32600
    assert gate.order == []
    await client.close()


@pytest.mark.req("W-05")
async def test_a_batch_is_served_each_element_on_its_own_where_the_revision_has_them() -> None:
    app, _ = gated()
    client = Conversation(app)
    client.channel.send(b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]')
    assert (await client.receive())["error"]["code"] == -32600
    await client.open("2025-03-26")
    call = {"jsonrpc": "2.0", "method": "tools/call"}
    batch = [
        {**call, "id": 1, "params": arguments("quick", 1)},
        {**call, "id": 2, "params": {"name": "unknown"}},
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "x"}},
        {"jsonrpc": "2.0", "id": 3, "method": "initialize", "params": {}},
        {"jsonrpc": "2.0", "id": 1.5, "method": "ping"},
        {**call, "id": 4, "params": {"name": "ask", "arguments": {}}},
    ]
    client.channel.send(json.dumps(batch).encode())
    data = await asyncio.wait_for(client.channel.receive(), 5)
    assert isinstance(data, bytes)
    answers = json.loads(data)
    assert [(answer.get("id"), answer.get("error", {}).get("code")) for answer in answers] == [
        (1, None),
        (2, -32602),
        (3, -32600),
        (None, -32600),
        (4, None),
    ]
    client.channel.send(b'[{"jsonrpc":"2.0","method":"notifications/initialized"}]')
    assert (await client.call("ping"))["result"] == {}  # a batch of notices alone gets no answer
    await client.close()


@pytest.mark.parametrize(("size", "served"), [(50, True), (51, False)])
async def test_a_batch_has_at_most_fifty_elements(size: int, served: bool) -> None:
    app, _ = gated()
    client = Conversation(app)
    await client.open("2025-03-26")
    client.channel.send(json.dumps([{"jsonrpc": "2.0", "id": n, "method": "ping"} for n in range(size)]).encode())
    data = await asyncio.wait_for(client.channel.receive(), 5)
    assert isinstance(data, bytes)
    answer = json.loads(data)
    assert len(answer) == 50 if served else answer["error"]["code"] == -32600
    await client.close()


# The end of a conversation.


async def test_a_peer_that_leaves_ends_its_calls_and_nobody_waits_any_longer() -> None:
    app, gate = gated()
    felt: list[str] = []
    done = asyncio.Event()

    @app.tool
    async def ask_on(ctx: Context) -> str:
        try:
            await ctx.elicit("Still there?")
        except BaseException as error:
            felt.append(type(error).__name__)
            done.set()
            raise
        return "never"

    client = Conversation(app)
    await client.open()
    client.begin("tools/call", arguments("hold"))
    client.begin("tools/call", {"name": "ask_on", "arguments": {}})
    await gate.began.wait()
    while (await client.receive()).get("method") != "elicitation/create":
        pass
    runtime = await shared_runtime(app)
    assert len(runtime.in_flight) == 2
    await client.close()
    await asyncio.wait_for(done.wait(), 1)
    await settle()
    assert felt[0] in (Disconnected.__name__, "CancelledError")
    assert gate.inside == 0
    assert not runtime.in_flight
    assert not runtime.connections
    assert len(runtime.hub) == 0


async def test_a_peer_that_leaves_at_once_leaves_nothing_behind() -> None:
    app, _ = gated()
    for _ in range(20):
        client = Conversation(app)
        await client.open()
        client.begin("tools/call", arguments("hold"))
        client.begin("subscriptions/listen", {"notifications": {"toolsListChanged": True}, "_meta": meta()})
        await client.close()
    runtime = await shared_runtime(app)
    while runtime.connections:
        await asyncio.sleep(0)
    await settle()
    assert not runtime.in_flight
    assert len(runtime.hub) == 0


async def test_a_peer_that_does_not_read_is_not_read_either() -> None:
    app = Server("wide")

    @app.tool
    async def much() -> str:
        return "x" * 100_000

    client = Conversation(app)
    await client.open()
    ids = [client.begin("tools/call", {"name": "much", "arguments": {}}) for _ in range(1000)]
    for _ in range(2000):
        await asyncio.sleep(0)
    held = client.channel._incoming.size  # type: ignore[attr-defined]
    assert held < 20 * 1024 * 1024
    assert len(await outcomes(client, ids)) == 1000
    await client.close()


# Notices.


async def test_a_change_reaches_a_stateful_and_a_listening_client_by_itself_and_once() -> None:
    app, _ = gated()
    old, new = Conversation(app), Conversation(app)
    await old.open()
    listening = new.begin("subscriptions/listen", {"notifications": {"toolsListChanged": True}, "_meta": meta()})
    assert (await new.receive())["method"] == "notifications/subscriptions/acknowledged"
    for number in range(5):
        app.add_tool(lambda: None, name=f"late_{number}")
    for client in (old, new):
        assert (await client.receive())["method"] == "notifications/tools/list_changed"
        await client.call("tools/list", **({"_meta": meta()} if client is new else {}))
        notices = [m for m in client.seen if m.get("method") == "notifications/tools/list_changed"]
        assert len(notices) == 1
    found = [m for m in new.seen if m.get("method") == "notifications/tools/list_changed"]
    assert found[0]["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == listening
    await old.close()
    await new.close()


async def test_a_client_that_is_not_initialized_hears_nothing() -> None:
    app, _ = gated()
    client = Conversation(app)
    app.add_tool(lambda: None, name="late")
    await settle()
    await client.call("ping")
    assert len(client.seen) == 1
    await client.close()


async def test_a_cancelled_listen_stream_ends_and_its_id_is_free() -> None:
    app, _ = gated()
    client = Conversation(app)
    params = {"notifications": {"toolsListChanged": True}, "_meta": meta()}
    listening = client.begin("subscriptions/listen", params)
    await client.receive()
    client.send({"jsonrpc": "2.0", "id": listening, "method": "subscriptions/listen", "params": params})
    assert (await client.receive())["error"]["code"] == -32600
    client.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": listening}})
    app.add_tool(lambda: None, name="late")
    await settle()
    await client.call("server/discover", _meta=meta())
    assert len(client.seen) == 3
    client.send({"jsonrpc": "2.0", "id": listening, "method": "subscriptions/listen", "params": params})
    assert (await client.receive())["method"] == "notifications/subscriptions/acknowledged"
    await client.close()


async def test_a_channel_carries_so_many_listen_streams_and_refuses_the_next() -> None:
    app, _ = gated(limits=Limits(streams=3))
    client = Conversation(app)
    params = {"notifications": {"toolsListChanged": True}, "_meta": meta()}
    first = client.begin("subscriptions/listen", params)
    for _ in range(2):
        client.begin("subscriptions/listen", params)
    for _ in range(3):
        assert (await client.receive())["method"] == "notifications/subscriptions/acknowledged"
    assert (await client.call("subscriptions/listen", **params))["error"]["code"] == -32603
    client.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": first}})
    client.begin("subscriptions/listen", params)
    assert (await client.receive())["method"] == "notifications/subscriptions/acknowledged"
    await client.close()


async def test_the_end_of_the_server_ends_listen_streams_in_order() -> None:
    app, gate = gated()
    client = Conversation(app)
    listening = client.begin("subscriptions/listen", {"notifications": {"toolsListChanged": True}, "_meta": meta()})
    await client.receive()
    held = client.begin("tools/call", arguments("hold", _meta=meta()))
    await gate.began.wait()
    await (await shared_runtime(app)).stop()
    cancelled = await client.receive()
    assert cancelled["method"] == "notifications/cancelled"
    assert cancelled["params"]["requestId"] == listening
    ended = await client.receive()
    assert ended["id"] == listening
    assert ended["result"]["resultType"] == "complete"
    assert ended["result"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == listening
    refused = await client.receive()
    assert refused["id"] == held
    assert "shutting down" in json.dumps(refused)
    await client.close()
