"""Streamable HTTP, both eras on one endpoint: what goes in, what comes out, and with which status."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from dovetail import Context, Limits, Server
from dovetail.core import Principal
from tests.server.peers import STATELESS, Http, meta, text_of

app = Server("http", rate="1000/s burst 2000")
started: list[str] = []


@app.tool
async def add(a: int, b: int) -> int:
    """Add."""
    return a + b


@app.tool
async def fail(kind: str) -> str:
    """Fail in one of many ways."""
    kinds: dict[str, BaseException] = {
        "group": BaseExceptionGroup("secret-canary", [ValueError("secret-canary")]),
        "cancelled": asyncio.CancelledError("secret-canary"),
        "recursion": RecursionError("secret-canary"),
        "memory": MemoryError("secret-canary"),
        "exit": SystemExit("secret-canary"),
        "generator": GeneratorExit("secret-canary"),
        "stop": StopAsyncIteration("secret-canary"),
        "key": KeyError("secret-canary"),
        "unicode": UnicodeDecodeError("utf-8", b"secret-canary", 0, 1, "secret-canary"),
        "os": OSError(2, "secret-canary", "/secret-canary"),
    }
    raise kinds[kind]


@app.tool
async def steps(ctx: Context) -> str:
    """Say something on the way."""
    await ctx.progress(1, 2)
    await ctx.log.info("on the way")
    return "done"


@app.tool
async def wait(ctx: Context, name: str) -> str:
    """Wait until cancelled."""
    started.append(name)
    try:
        await asyncio.Event().wait()
    finally:
        started.append(f"{name} stopped cancelled={ctx.cancelled}")
    return "never"


@app.resource("note://one")
def note() -> str:
    """Return a note."""
    return "one"


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    started.clear()
    asgi = app.asgi()
    yield Http(asgi)
    await asgi.stop()


async def test_a_stateless_call_is_answered_with_plain_json(http: Http) -> None:
    response = await http.modern("tools/call", {"name": "add", "arguments": {"a": 1, "b": 2}})
    assert (response.status, response.headers["content-type"]) == (200, "application/json")
    result = response.json["result"]
    assert result["structuredContent"] == 3
    assert result["resultType"] == "complete"
    assert result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "http"


async def test_a_reply_becomes_a_stream_when_something_is_sent_before_the_result(http: Http) -> None:
    more = {"progressToken": 7, "io.modelcontextprotocol/logLevel": "info"}
    response = await http.modern("tools/call", {"name": "steps", "arguments": {}}, meta=more)
    assert response.headers["content-type"] == "text/event-stream"
    assert response.headers["x-accel-buffering"] == "no"
    methods = [event.get("method", "result") for event in response.events]
    assert methods == ["notifications/progress", "notifications/message", "result"]
    assert [identifier for identifier, _ in response.records] == [None] * 3, "not resumable: no event ids"
    assert response.complete


async def test_no_log_message_without_a_log_level(http: Http) -> None:
    response = await http.modern("tools/call", {"name": "steps", "arguments": {}})
    assert response.headers["content-type"] == "application/json"


@pytest.mark.req("S-06", "S-08")
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"mcp-protocol-version": None}, -32020),
        ({"mcp-protocol-version": "2025-11-25"}, -32020),
        ({"mcp-method": None}, -32020),
        ({"mcp-method": "Tools/call"}, -32020),
        ({"mcp-method": "tools/list"}, -32020),
        ({"mcp-name": None}, -32020),
        ({"mcp-name": "subtract"}, -32020),
        ({"mcp-name": "=?base64?YWRk?="}, None),
        ({"mcp-name": "=?base64?YWR?="}, -32020),
        ({"mcp-method": "  tools/call\t"}, None),
    ],
)
async def test_headers_and_body_must_agree(http: Http, change: dict[str, str | None], code: int | None) -> None:
    params = {"name": "add", "arguments": {"a": 1, "b": 2}, "_meta": meta()}
    fields = {"mcp-protocol-version": STATELESS, "mcp-method": "tools/call", "mcp-name": "add"} | change
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    response = await http.request("POST", body, {k: v for k, v in fields.items() if v is not None})
    assert response.status == (200 if code is None else 400)
    assert response.json.get("error", {}).get("code") == code


@pytest.mark.req("S-08")
@pytest.mark.parametrize(
    ("missing", "code"),
    [("io.modelcontextprotocol/protocolVersion", -32602), ("io.modelcontextprotocol/clientCapabilities", -32602)],
)
async def test_a_request_without_a_required_field_is_malformed(http: Http, missing: str, code: int) -> None:
    described = {key: value for key, value in meta().items() if key != missing}
    fields = {"mcp-protocol-version": STATELESS, "mcp-method": "tools/list"}
    body = {"jsonrpc": "2.0", "id": "x", "method": "tools/list", "params": {"_meta": described}}
    response = await http.request("POST", body, fields)
    assert (response.status, response.json["error"]["code"], response.json["id"]) == (400, code, "x")


async def test_an_unknown_version_is_refused_with_those_that_are_spoken(http: Http) -> None:
    described = meta() | {"io.modelcontextprotocol/protocolVersion": "1900-01-01"}
    fields = {"mcp-protocol-version": "1900-01-01", "mcp-method": "tools/list"}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": described}}
    response = await http.request("POST", body, fields)
    assert response.status == 400
    assert response.json["error"]["code"] == -32022
    assert response.json["error"]["data"]["requested"] == "1900-01-01"
    assert STATELESS in response.json["error"]["data"]["supported"]


@pytest.mark.parametrize(
    "method", ["initialize", "ping", "logging/setLevel", "resources/subscribe", "tasks/get", "nope"]
)
async def test_what_the_stateless_revision_has_not_is_not_found(http: Http, method: str) -> None:
    response = await http.modern(method, {})
    assert (response.status, response.json["error"]["code"]) == (404, -32601)


@pytest.mark.req("S-01", "S-02", "S-05")
@pytest.mark.parametrize("path", ["/mcp", "/sse", "/messages", "/healthz", "/readyz", "/.well-known/x", "/metrics"])
@pytest.mark.parametrize(
    ("header", "value", "status"),
    [("host", "evil.example", 421), ("host", "localhost.evil.com", 421), ("origin", "https://evil.example", 403)],
)
async def test_every_route_passes_the_guard(http: Http, path: str, header: str, value: str, status: int) -> None:
    for method in ("GET", "POST", "DELETE"):
        response = await http.request(method, b"{}", {header: value}, path=path)
        assert response.status == status
        assert value in response.json["error"]["message"]
        assert "allowed_" in response.json["error"]["message"]


@pytest.mark.req("S-03")
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_what_a_hostile_page_can_post_is_refused(http: Http, kind: str) -> None:
    response = await http.request("POST", b"{}", {"content-type": kind})
    assert response.status == 415
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.req("W-01", "W-02", "W-03", "W-05")
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"\xff\xfe", -32700),
        (b"{", -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/list"}', -32700),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":1.0,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', -32600),
        (b"[]", -32600),
        (b'[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add"}}]', -32600),
        (b'{"jsonrpc":"1.0","id":1,"method":"ping"}', -32600),
        (b"1", -32600),
    ],
)
async def test_what_is_not_a_message_is_refused_and_the_next_one_served(http: Http, body: bytes, code: int) -> None:
    response = await http.request("POST", body)
    assert (response.status, response.json["error"]["code"]) == (400, code)
    assert (await http.modern("tools/list")).status == 200


@pytest.mark.req("W-03")
@pytest.mark.parametrize("identifier", [1, "1", "01", -7, 10**29 + 1, "ä", 'q"q', 0])
async def test_an_id_is_echoed_exactly(http: Http, identifier: Any) -> None:
    response = await http.modern("tools/list", identifier=identifier)
    assert b'"id":' + json.dumps(identifier).encode() in response.body


async def test_a_body_at_the_limit_is_served_and_one_byte_more_is_not() -> None:
    small = Server("small", limits=Limits(body=400))

    @small.tool
    async def echo(text: str) -> str:
        return text

    asgi = small.asgi()
    client = Http(asgi)
    head = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
    params: dict[str, Any] = {"name": "echo", "arguments": {"text": ""}, "_meta": meta({})}
    room = 400 - len(json.dumps({**head, "params": params}))
    fields = {"mcp-protocol-version": STATELESS, "mcp-method": "tools/call", "mcp-name": "echo"}
    for extra, status in ((0, 200), (1, 413)):
        params["arguments"] = {"text": "x" * (room + extra)}
        response = await client.request("POST", {**head, "params": params}, fields)
        assert response.status == status
    await asgi.stop()


@pytest.mark.req("S-25", "W-12")
@pytest.mark.parametrize(
    "kind",
    ["group", "cancelled", "recursion", "memory", "exit", "generator", "stop", "key", "unicode", "os"],
)
async def test_an_exception_of_any_kind_fails_its_own_request_and_tells_nothing(http: Http, kind: str) -> None:
    response = await http.modern("tools/call", {"name": "fail", "arguments": {"kind": kind}})
    assert response.status == 200
    assert response.json["result"]["isError"] is True
    assert b"secret-canary" not in response.body
    assert text_of((await http.modern("tools/call", {"name": "add", "arguments": {"a": 1, "b": 1}})).json) == "2"


async def test_a_client_that_leaves_cancels_its_stateless_call(http: Http) -> None:
    gone = asyncio.Event()
    params = {"name": "wait", "arguments": {"name": "x"}}
    task = asyncio.create_task(http.modern("tools/call", params, gone=gone))
    while "x" not in started:
        await asyncio.sleep(0)
    gone.set()
    response = await asyncio.wait_for(task, 5)
    assert started == ["x", "x stopped cancelled=True"]
    assert response.body == b"", "nothing more is sent for it"


async def test_a_client_that_leaves_does_not_cancel_its_stateful_call(http: Http) -> None:
    headers = await http.session()
    gone = asyncio.Event()
    body = {"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": {"name": "wait", "arguments": {"name": "y"}}}
    task = asyncio.create_task(http.request("POST", body, headers, gone=gone))
    while "y" not in started:
        await asyncio.sleep(0)
    gone.set()
    for _ in range(20):
        await asyncio.sleep(0)
    assert started == ["y"]
    cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 5}}
    assert (await http.request("POST", cancelled, headers)).status == 202
    await asyncio.wait_for(task, 5)
    assert started == ["y", "y stopped cancelled=True"]


@pytest.mark.req("W-04")
async def test_a_second_request_with_an_id_in_flight_is_refused_and_the_first_goes_on(http: Http) -> None:
    headers = await http.session()
    body = {"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": {"name": "wait", "arguments": {"name": "z"}}}
    task = asyncio.create_task(http.request("POST", body, headers))
    while "z" not in started:
        await asyncio.sleep(0)
    again = await http.request("POST", {"jsonrpc": "2.0", "id": 5, "method": "ping"}, headers)
    assert again.json["error"]["code"] == -32600
    assert not task.done()
    cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 5}}
    await http.request("POST", cancelled, headers)
    await asyncio.wait_for(task, 5)


async def test_a_session_lives_from_initialize_to_delete(http: Http) -> None:
    headers = await http.session()
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    assert (await http.request("POST", ping, headers)).json == {"jsonrpc": "2.0", "id": 1, "result": {}}
    assert (await http.request("POST", ping)).status == 400, "without its header"
    assert (await http.request("DELETE", b"", headers)).status == 204
    assert (await http.request("POST", ping, headers)).status == 404
    assert (await http.request("GET", b"", headers)).status == 404
    assert (await http.request("DELETE", b"", headers)).status == 404


@pytest.mark.req("S-16")
async def test_a_session_is_bound_to_who_opened_it() -> None:
    def identify(scope: Any, headers: Any) -> Principal | None:
        who = headers.get(b"x-user", b"").decode()
        return Principal(key=who, bucket=who) if who else None

    shared = Server("shared", identify=identify)
    asgi = shared.asgi()
    client = Http(asgi)
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    body = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
    opened = await client.request("POST", body, {"x-user": "alice"})
    session = opened.headers["mcp-session-id"]
    assert session.isascii() and len(session) >= 32
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    for method, sent in (("POST", ping), ("GET", b""), ("DELETE", b"")):
        for user in ("bob", ""):
            headers = {"mcp-session-id": session} | ({"x-user": user} if user else {})
            assert (await client.request(method, sent, headers)).status == 404
    assert (await client.request("POST", ping, {"mcp-session-id": session, "x-user": "alice"})).status == 200
    await asgi.stop()


async def test_an_unsupported_version_header_is_a_bad_request(http: Http) -> None:
    headers = await http.session() | {"mcp-protocol-version": "2020-01-01"}
    assert (await http.request("POST", {"jsonrpc": "2.0", "id": 1, "method": "ping"}, headers)).status == 400


@pytest.mark.req("W-05")
async def test_a_batch_is_served_where_the_revision_has_it_and_refused_whole_elsewhere(http: Http) -> None:
    calls = [
        {"jsonrpc": "2.0", "id": n, "method": "tools/call", "params": {"name": "add", "arguments": {"a": n, "b": 1}}}
        for n in (1, 2)
    ]
    batch: Any = [*calls, {"jsonrpc": "2.0", "method": "notifications/initialized"}, {"jsonrpc": "2.0", "id": {}}]
    march = await http.session("2025-03-26")
    answers = (await http.request("POST", json.dumps(batch).encode(), march)).json
    assert [a.get("id") for a in answers] == [1, 2, None]  # type: ignore[attr-defined]
    for version in ("2025-06-18", "2025-11-25"):
        refused = await http.request("POST", json.dumps(batch).encode(), await http.session(version))
        assert (refused.status, refused.json["error"]["code"]) == (400, -32600)
    only_notices = json.dumps([{"jsonrpc": "2.0", "method": "notifications/initialized"}]).encode()
    assert (await http.request("POST", only_notices, march)).status == 202


async def test_a_stream_of_a_session_is_primed_and_can_be_resumed(http: Http) -> None:
    headers = await http.session()
    params = {"name": "steps", "arguments": {}, "_meta": {"progressToken": 1}}
    body = {"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": params}
    first = await http.request("POST", body, headers)
    ids = [identifier for identifier, _ in first.records]
    assert first.records[0][1] == "", "the priming event"
    assert all(ids) and len(set(ids)) == len(ids)
    assert ids[1] is not None
    resumed = await http.request("GET", b"", headers | {"last-event-id": ids[1]})
    replayed = [data for _, data in resumed.records if data]
    assert replayed == [data for _, data in first.records[2:]]
    assert resumed.complete


async def test_listening_is_acknowledged_first_filtered_and_tagged(http: Http) -> None:
    gone = asyncio.Event()
    wanted = {"toolsListChanged": True, "resourceSubscriptions": ["note://one"]}
    asgi = http.app
    await asgi.start()
    task = asyncio.create_task(
        http.modern("subscriptions/listen", {"notifications": wanted}, identifier="s", gone=gone)
    )
    runtime = asgi.runtime
    while not len(runtime.hub):
        await asyncio.sleep(0)
    app.add_tool(note, name="extra")
    app.add_resource("note://two", note)
    from dovetail.core import resource_updated

    await runtime.publish(resource_updated("note://one"))
    await runtime.publish(resource_updated("note://two"))
    app.remove_tool("extra")
    app.remove_resource("note://two")
    for _ in range(50):
        await asyncio.sleep(0)
    asgi.drain()
    response = await asyncio.wait_for(task, 5)
    methods = [event.get("method", "result") for event in response.events]
    assert methods[0] == "notifications/subscriptions/acknowledged"
    assert response.events[0]["params"]["notifications"] == wanted
    assert "notifications/resources/list_changed" not in methods
    assert methods.count("notifications/resources/updated") == 1
    assert "notifications/tools/list_changed" in methods
    assert methods[-1] == "result"
    for event in response.events[:-2]:
        assert event["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == "s"
    assert response.events[-1]["result"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == "s"


@pytest.mark.req("S-22")
async def test_ten_times_the_rate_is_refused_and_others_are_unaffected() -> None:
    limited = Server("limited", rate="5/s")

    @limited.tool
    async def echo(text: str) -> str:
        return text

    asgi = limited.asgi()
    one, two = Http(asgi, "10.0.0.1"), Http(asgi, "10.0.0.2")
    call = {"name": "echo", "arguments": {"text": "x"}}
    statuses = [(await one.modern("tools/call", call)).status for _ in range(50)]
    assert statuses[:5] == [200] * 5
    assert statuses.count(429) >= 44
    refused = await one.modern("tools/call", call)
    assert refused.headers["retry-after"] == "1"
    assert (await two.modern("tools/call", call)).status == 200
    await asgi.stop()


async def test_health_and_readiness_are_told_apart(http: Http) -> None:
    assert (await http.request("GET", path="/healthz")).status == 200
    assert (await http.request("GET", path="/readyz")).status == 200
    http.app.drain()
    assert (await http.request("GET", path="/readyz")).status == 503
    assert (await http.request("GET", path="/healthz")).status == 200


@pytest.mark.req("S-17", "W-04")
async def test_nothing_crosses_from_one_client_to_another(http: Http) -> None:
    sessions = [await http.session() for _ in range(20)]

    async def one(number: int, headers: dict[str, str]) -> None:
        for turn in range(5):
            arguments = {"a": number * 1000, "b": turn}
            body = {
                "jsonrpc": "2.0",
                "id": 1,
                "method": "tools/call",
                "params": {"name": "add", "arguments": arguments},
            }
            response = await http.request("POST", body, headers)
            assert text_of(response.json) == str(number * 1000 + turn) or response.json["result"]
            assert response.json["result"]["structuredContent"]["value"] == number * 1000 + turn

    await asyncio.gather(*(one(n, headers) for n, headers in enumerate(sessions)))
