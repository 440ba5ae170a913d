"""What no caller may do to a server or to another caller: routes guarded, nothing crossed, failures contained."""

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from dovetail import Context, Server
from dovetail.errors import InvalidParams, Refusal, ToolError
from dovetail.server import Rate
from tests.server.peers import ALL_ASKS, STATELESS, Conversation, Http, Json, text_of

CANARY = "s3cr3t-canary"
STATEFUL = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]


def failing(failure: Callable[[], BaseException]) -> Server:
    app = Server("fails")

    @app.tool
    async def fail() -> str:
        """Fail."""
        raise failure()

    @app.tool
    def fail_in_thread() -> str:
        """Fail in a thread."""
        raise failure()

    @app.tool
    def fine() -> str:
        """Be fine."""
        return "fine"

    return app


@pytest.mark.req("S-05", "S-01", "S-02")
@pytest.mark.parametrize("path", ["/mcp", "/sse", "/messages?session=x", "/healthz", "/readyz", "/", "/.well-known/x"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
async def test_every_route_turns_a_foreign_page_and_a_foreign_name_away(path: str, method: str) -> None:
    client = Http(Server("guarded").asgi())
    for headers, status in (
        ({"host": "evil.example.com"}, 421),
        ({"origin": "http://evil.example.com"}, 403),
        ({"host": "evil.example.com", "origin": "http://localhost:8000"}, 421),
        ({"origin": "null"}, 403),
    ):
        response = await client.request(method, b"{}", headers, path)
        assert response.status == status, (headers, response.body)


@pytest.mark.req("S-05")
async def test_a_web_socket_is_closed_before_it_opens() -> None:
    sent: list[Json] = []

    async def receive() -> Json:
        return {"type": "websocket.connect"}

    async def send(message: Json) -> None:
        sent.append(message)

    await Server("guarded").asgi()({"type": "websocket", "path": "/mcp", "headers": []}, receive, send)
    assert [message["type"] for message in sent] == ["websocket.close"]


FAILURES: list[Callable[[], BaseException]] = [
    lambda: ValueError(CANARY),
    lambda: RuntimeError(CANARY),
    lambda: KeyError(CANARY),
    lambda: RecursionError(CANARY),
    lambda: MemoryError(CANARY),
    lambda: StopIteration(CANARY),
    lambda: StopAsyncIteration(CANARY),
    lambda: GeneratorExit(CANARY),
    lambda: asyncio.CancelledError(CANARY),
    lambda: SystemExit(CANARY),
    lambda: KeyboardInterrupt(CANARY),
    lambda: ExceptionGroup(CANARY, [ValueError(CANARY)]),
    lambda: BaseExceptionGroup(CANARY, [asyncio.CancelledError(CANARY), ValueError(CANARY)]),
    lambda: UnicodeDecodeError("utf-8", CANARY.encode(), 0, 1, CANARY),
]


@pytest.mark.req("S-25", "W-12")
@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure()).__name__)
@pytest.mark.parametrize("tool", ["fail", "fail_in_thread"])
async def test_an_exception_in_a_tool_fails_that_call_only_and_says_nothing(
    failure: Callable[[], BaseException], tool: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    client = Conversation(failing(failure))
    await client.open()
    message = await client.call("tools/call", name=tool, arguments={})
    assert message.get("error") or message["result"]["isError"] is True
    assert CANARY not in json.dumps(message)
    assert "Traceback" not in json.dumps(message)
    assert text_of(await client.call("tools/call", name="fine", arguments={})) == "fine"
    await client.close()


@pytest.mark.req("S-25", "W-12")
@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure()).__name__)
async def test_an_exception_in_a_tool_is_an_answer_over_http_too(failure: Callable[[], BaseException]) -> None:
    client = Http(failing(failure).asgi())
    response = await client.modern("tools/call", {"name": "fail", "arguments": {}})
    assert response.complete
    assert CANARY.encode() not in response.body
    response = await client.modern("tools/call", {"name": "fine", "arguments": {}})
    assert b"fine" in response.body


@pytest.mark.req("S-25")
@pytest.mark.parametrize("version", [STATELESS, "2025-11-25"])
async def test_a_handler_that_cancels_its_own_task_is_answered_over_http_under_its_id(version: str) -> None:
    app = Server("fails")

    @app.tool
    async def cancel_itself() -> str:
        """Cancel the task that it runs in."""
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)
        return "done"

    served = app.asgi()

    async def outer(scope: Any, receive: Any, send: Any) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await served(scope, receive, send)

    client, called = Http(outer), {"name": "cancel_itself", "arguments": {}}
    if version == STATELESS:
        request = client.modern("tools/call", called, identifier=77)
    else:
        body = {"jsonrpc": "2.0", "id": 77, "method": "tools/call", "params": called}
        request = client.request("POST", body, await client.session(version))
    response = await asyncio.create_task(request)
    assert response.complete
    assert (response.json["id"], response.json["error"]["code"]) == (77, -32603)


class Speechless(ToolError):
    """An error whose text cannot be made."""

    def __str__(self) -> str:
        raise ValueError(CANARY)


def misnamed() -> Refusal:
    refusal = InvalidParams("x")
    refusal.message = object()  # type: ignore[assignment]
    return refusal


def misnumbered() -> Refusal:
    return InvalidParams("x", code="abc")  # type: ignore[arg-type]


UNSAYABLE: list[Callable[[], BaseException]] = [
    lambda: InvalidParams("x", data={"a": object()}),
    lambda: InvalidParams("x", data="\ud800"),
    lambda: Speechless("x"),
    misnamed,
    misnumbered,
]


def saying(failure: Callable[[], BaseException]) -> Server:
    app = failing(failure)

    @app.resource("note://one")
    async def note() -> str:
        raise failure()

    @app.prompt
    async def ask() -> str:
        raise failure()

    return app


ASKED: list[tuple[str, Json]] = [
    ("tools/call", {"name": "fail", "arguments": {}}),
    ("tools/call", {"name": "fail_in_thread", "arguments": {}}),
    ("resources/read", {"uri": "note://one"}),
    ("prompts/get", {"name": "ask"}),
]


@pytest.mark.req("S-25")
@pytest.mark.parametrize("failure", UNSAYABLE)
@pytest.mark.parametrize(("method", "params"), ASKED)
async def test_an_error_that_cannot_be_said_is_masked_and_disturbs_nobody_else(
    failure: Callable[[], BaseException], method: str, params: Json, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    client = Conversation(saying(failure))
    await client.open()
    error = (await client.call(method, **params))["error"]
    assert error["code"] == -32603
    assert error["data"]["reference"] in error["message"]
    assert CANARY not in json.dumps(error)
    assert text_of(await client.call("tools/call", name="fine", arguments={})) == "fine"
    await client.close()
    answer = json.loads((await Http(saying(failure).asgi()).modern(method, params)).body)
    assert answer["id"] is not None
    assert answer["error"]["code"] == -32603


def echoing() -> Server:
    app = Server("echo", rate=Rate(1e9, 10**9))
    gate = asyncio.Event()
    inside = 0

    @app.tool
    async def echo(text: str, ctx: Context) -> str:
        """Wait for all the others, then say it again."""
        nonlocal inside
        inside += 1
        if inside == 100:
            gate.set()
        await gate.wait()
        await ctx.progress(1, message=text)
        return text

    return app


@pytest.mark.req("S-17", "W-04", "R-18")
@pytest.mark.parametrize("version", STATEFUL)
async def test_a_hundred_clients_with_the_same_ids_hear_each_their_own(version: str) -> None:
    app = echoing()
    clients = [Conversation(app) for _ in range(100)]

    async def one(number: int, client: Conversation) -> None:
        await client.open(version)
        token = {"progressToken": "same"}
        message = await client.call("tools/call", name="echo", arguments={"text": f"mine-{number}"}, _meta=token)
        assert text_of(message) == f"mine-{number}"
        assert "mine-" not in json.dumps(client.seen).replace(f"mine-{number}", "")

    await asyncio.gather(*(one(number, client) for number, client in enumerate(clients)))
    for client in clients:
        await client.close()


@pytest.mark.req("S-17")
async def test_a_hundred_stateless_requests_with_the_same_id_hear_each_their_own() -> None:
    client = Http(echoing().asgi())
    calls = [client.modern("tools/call", {"name": "echo", "arguments": {"text": f"mine-{n}"}}) for n in range(100)]
    for number, response in enumerate(await asyncio.gather(*calls)):
        assert f"mine-{number}".encode() in response.body
        assert response.body.count(b"mine-") == response.body.count(f"mine-{number}".encode())


@pytest.mark.req("S-22")
async def test_a_burst_over_the_network_is_slowed_down_and_others_are_not() -> None:
    app = Server("limited", rate="1/h burst 5")

    @app.tool
    def fine() -> str:
        """Be fine."""
        return "fine"

    asgi = app.asgi()
    one, other = Http(asgi, "192.0.2.1"), Http(asgi, "192.0.2.2")
    statuses = [(await one.modern("tools/call", {"name": "fine", "arguments": {}})).status for _ in range(50)]
    assert statuses == [200] * 5 + [429] * 45
    assert (await other.modern("tools/call", {"name": "fine", "arguments": {}})).status == 200


@pytest.mark.req("S-22")
async def test_a_limit_on_rate_is_on_by_default_over_the_network() -> None:
    assert Server("plain").rate.burst <= 1_000


ASKING: dict[str, Json] = {"elicit": {"elicitation": {"form": {}}}, "sample": {"sampling": {}}, "roots": {"roots": {}}}


def asking() -> Server:
    app = Server("asks")

    @app.tool
    async def elicit(ctx: Context) -> str:
        """Ask a form."""
        return (await ctx.elicit("Which?", str)).action

    @app.tool
    async def sample(ctx: Context) -> str:
        """Ask the model."""
        return str((await ctx.sample("Say hello")).role)

    @app.tool
    async def roots(ctx: Context) -> str:
        """Ask for the roots."""
        return str(len(await ctx.roots()))

    return app


@pytest.mark.req("S-14")
@pytest.mark.parametrize("what", ASKING)
async def test_a_client_is_only_asked_for_what_it_declared_on_the_stateless_revision(what: str) -> None:
    client = Http(asking().asgi())
    params = {"name": what, "arguments": {}}
    others = {name: value for name, value in ALL_ASKS.items() if name not in ASKING[what]}
    response = await client.modern("tools/call", params, capabilities=others)
    error = json.loads(response.body)["error"]
    assert (response.status, error["code"]) == (400, -32021)
    assert set(error["data"]["requiredCapabilities"]) == set(ASKING[what])
    result = json.loads((await client.modern("tools/call", params, capabilities=ASKING[what])).body)["result"]
    assert result["resultType"] == "input_required"


@pytest.mark.req("S-14")
@pytest.mark.parametrize("what", ASKING)
async def test_a_client_is_only_asked_for_what_it_declared_on_the_stateful_revisions(what: str) -> None:
    client = Conversation(asking())
    await client.open(capabilities={name: value for name, value in ALL_ASKS.items() if name not in ASKING[what]})
    message = await client.call("tools/call", name=what, arguments={})
    assert message["result"]["isError"] is True
    assert all("id" not in seen or "method" not in seen for seen in client.seen), "nothing was asked"
    await client.close()


@pytest.mark.req("S-14")
async def test_questions_of_one_turn_have_keys_of_their_own() -> None:
    app = Server("asks")

    @app.tool
    async def twice(ctx: Context) -> str:
        """Ask twice at the same place, and twice under the same key."""
        site = [ctx.elicit("Which?", str) for _ in range(2)]
        keyed = [ctx.elicit(f"Which {n}?", str, key="k") for n in range(2)]
        await asyncio.gather(*site, *keyed)
        return "asked"

    client = Http(app.asgi())
    response = await client.modern("tools/call", {"name": "twice", "arguments": {}}, capabilities=ASKING["elicit"])
    assert len(json.loads(response.body)["result"]["inputRequests"]) == 4


@pytest.mark.req("S-24")
async def test_lists_come_in_one_order_and_for_one_client_only() -> None:
    app = Server("lists")
    names = [f"tool-{(7 * n) % 40:02}" for n in range(40)]
    for name in names:
        app.add_tool(lambda: "x", name=name, description="A tool.")
    client = Http(app.asgi())
    pages = [json.loads((await client.modern("tools/list")).body)["result"] for _ in range(3)]
    assert [tool["name"] for tool in pages[0]["tools"]] == names
    assert pages[0] == pages[1] == pages[2]
    assert pages[0]["cacheScope"] == "private"
    assert pages[0]["ttlMs"] == 0


@pytest.mark.req("S-08")
async def test_no_state_is_carried_from_one_stateless_request_to_the_next() -> None:
    client = Http(asking().asgi())
    headers = {"mcp-protocol-version": STATELESS, "mcp-method": "tools/list"}
    for _ in range(2):
        assert (await client.modern("tools/list")).status == 200
        response = await client.request("POST", {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, headers)
        assert (response.status, response.json["error"]["code"]) == (400, -32602)


CODES_OF_THE_STATELESS_REVISION = {-32700, -32600, -32601, -32602, -32603, -32020, -32021, -32022}
BAD: list[tuple[str, Json]] = [
    ("no/such/method", {}),
    ("initialize", {}),
    ("ping", {}),
    ("resources/read", {"uri": "no://such"}),
    ("tools/call", {"name": "no-such", "arguments": {}}),
    ("tools/call", {"name": "elicit", "arguments": {"surplus": 1}}),
    ("tools/call", {"name": "elicit", "arguments": {}, "requestState": "AAAA"}),
    ("prompts/get", {"name": "no-such"}),
    ("completion/complete", {"ref": {"type": "ref/prompt", "name": "no"}, "argument": {"name": "a", "value": ""}}),
]


@pytest.mark.req("W-10")
@pytest.mark.parametrize(("method", "params"), BAD)
async def test_codes_of_one_era_never_reach_a_client_of_the_other(method: str, params: Json) -> None:
    client = Http(asking().asgi())
    body = (await client.modern(method, params, capabilities={})).json
    assert "result" in body or body["error"]["code"] in CODES_OF_THE_STATELESS_REVISION
    for version in STATEFUL:
        older = Conversation(asking())
        await older.open(version, capabilities={})
        message = await older.call(method, **params)
        assert "result" in message or not -32029 <= message["error"]["code"] <= -32020
        await older.close()
