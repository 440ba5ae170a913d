"""One span a call, in the trace that the request belongs to, around all that its handler does."""

import asyncio
import threading
from typing import Any

import pytest
from opentelemetry import baggage, trace
from opentelemetry import context as otel
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from dovetail import Server
from dovetail.server import Tracing
from tests.server.peers import STATELESS, Conversation, Json, meta, text_of
from tests.server.watched import STATEFUL, WAYS, Caller, Watched, calling

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def add_tracers(watched: Watched) -> None:
    tracer = watched.provider.get_tracer("user")

    @watched.server.tool
    async def traced() -> str:
        with tracer.start_as_current_span("before"):
            pass
        await asyncio.sleep(0)
        with tracer.start_as_current_span("after"):
            return str(baggage.get_baggage("tenant"))

    @watched.server.tool
    def traced_plainly() -> str:
        assert threading.current_thread() is not threading.main_thread()
        with tracer.start_as_current_span("in the thread"):
            return str(baggage.get_baggage("tenant"))


async def traced(caller: Caller, name: str, **carried: Any) -> Json:
    """Call with what `_meta` carries; the stateful revisions carry it in the same place."""
    extra = carried if caller.version == STATEFUL else meta(**carried)
    params: Json = {"name": name, "arguments": {}, "_meta": extra}
    if caller.version == STATELESS and not isinstance(caller.wire, Conversation):
        return (await caller.wire.modern("tools/call", params | {"_meta": {}}, meta=carried)).json  # type: ignore[no-any-return]
    if isinstance(caller.wire, Conversation):
        return await caller.wire.call("tools/call", **params)
    return await caller.send("tools/call", **params)


@pytest.mark.parametrize(("carrier", "version"), WAYS)
@pytest.mark.parametrize(("tool", "inside"), [("traced", ["before", "after"]), ("traced_plainly", ["in the thread"])])
async def test_a_span_stands_in_the_trace_that_the_request_carries_and_around_its_handler(
    tool: str, inside: list[str], carrier: str, version: str
) -> None:
    watched = Watched()
    add_tracers(watched)
    async with calling(watched, carrier, version) as caller:
        answer = await traced(caller, tool, traceparent=PARENT, tracestate="us=1", baggage="tenant=acme")
        assert text_of(answer) == "acme"
    *children, span = watched.spans
    assert span.parent is not None
    assert trace.format_trace_id(span.parent.trace_id) == TRACE
    assert trace.format_span_id(span.parent.span_id) == SPAN
    assert span.parent.is_remote
    assert span.parent.trace_state.get("us") == "1"
    assert [child.name for child in children] == inside
    assert all(child.parent == span.get_span_context() for child in children)
    assert watched.records[0].trace_id == watched.log.lines[0]["trace_id"] == TRACE


@pytest.mark.parametrize("carried", [{}, {"traceparent": "nonsense"}, {"traceparent": PARENT.upper(), "baggage": "="}])
async def test_a_call_without_a_usable_parent_begins_a_trace_of_its_own_that_the_logs_name(carried: Any) -> None:
    watched = Watched()
    add_tracers(watched)
    async with calling(watched, "memory", STATEFUL) as caller:
        assert text_of(await traced(caller, "traced", **carried)) == "None"
        await traced(caller, "traced", **carried)
    first, second = [span for span in watched.spans if span.kind is SpanKind.SERVER]
    assert first.parent is None and second.parent is None
    ids = [span.to_json().partition('"trace_id": "0x')[2][:32] for span in (first, second)]
    assert ids[0] != ids[1]
    assert [line["trace_id"] for line in watched.log.lines] == ids
    assert [record.trace_id for record in watched.records] == ids


async def test_the_span_around_a_server_is_the_parent_where_the_request_names_none() -> None:
    watched = Watched()
    tracer = watched.provider.get_tracer("asgi")
    async with calling(watched, "http", STATELESS) as caller:
        with tracer.start_as_current_span("POST /mcp") as outer:
            await caller.tool("add", a=1, b=2)
            await caller.wire.modern("tools/list", meta={"traceparent": "nonsense"})
        assert [span.parent for span in watched.spans[:2]] == [outer.get_span_context()] * 2


async def test_a_call_from_inside_another_call_on_a_kept_connection_is_no_part_of_it() -> None:
    first, second = Watched(), Watched()
    kept: list[Conversation] = []

    @first.server.tool
    async def relay() -> str:
        if not kept:
            kept.append(Conversation(second.server))  # it lives on, and so would this call's span as a parent
        return text_of(await kept[0].call("tools/call", name="add", arguments={"a": 1, "b": 2}, _meta=meta()))

    async with calling(first, "memory", STATELESS) as caller:
        assert text_of(await caller.tool("relay")) == "3"
        assert text_of(await caller.tool("relay")) == "3"
    await kept[0].close()
    assert [span.parent for span in second.spans] == [None, None]


@pytest.mark.parametrize(("carrier", "version"), WAYS)
async def test_a_span_says_what_the_conventions_want(carrier: str, version: str) -> None:
    watched = Watched()
    async with calling(watched, carrier, version) as caller:
        await caller.tool("add", a=1, b=2)
        await caller.tool("refuses")
        await caller.tool("says_no", why="x")
        await caller.tool("slow")
        await caller.send("resources/read", uri="note://one")
        await caller.send("prompts/get", name="triage", arguments={"tone": "calm"})
    add, refuses, says_no, slow, read, prompt = watched.spans
    facts = attributes(add)
    identifier = facts.pop("jsonrpc.request.id")
    assert identifier == watched.records[0].request_id
    assert facts.pop("mcp.session.id", "") == watched.log.lines[0].get("session", "")
    assert facts.pop("network.protocol.name", "") == ("http" if carrier == "http" else "")
    assert facts == {
        "mcp.method.name": "tools/call",
        "mcp.protocol.version": version,
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "add",
        "network.transport": "tcp" if carrier == "http" else "pipe",
        "dovetail.outcome": "ok",
    }
    assert (add.name, add.kind, add.status.status_code) == ("tools/call add", SpanKind.SERVER, StatusCode.UNSET)
    assert not add.events, "an exception would be one, with its text"
    kinds = [attributes(span)["error.type"] for span in (refuses, says_no, slow)]
    assert kinds == ["-32602", "tool_error", "timed_out"]
    assert all(span.status.status_code is StatusCode.ERROR for span in (refuses, says_no, slow))
    assert all(span.status.description is None for span in watched.spans)
    assert attributes(refuses)["rpc.response.status_code"] == "-32602"
    assert (read.name, attributes(read)["mcp.resource.uri"]) == ("resources/read", "note://{name}")
    assert (prompt.name, attributes(prompt)["gen_ai.prompt.name"]) == ("prompts/get triage", "triage")


async def test_a_masked_failure_is_found_in_the_log_by_the_reference_on_its_span(
    caplog: pytest.LogCaptureFixture,
) -> None:
    watched = Watched()
    async with calling(watched, "memory", STATELESS) as caller:
        answer = await caller.tool("breaks", with_="x")
    reference = attributes(watched.spans[0])["dovetail.reference"]
    assert reference in text_of(answer)
    assert reference in caplog.text
    assert watched.records[0].reference == watched.log.lines[0]["reference"] == reference


async def test_nothing_of_a_call_is_current_after_it() -> None:
    watched = Watched()
    async with calling(watched, "http", STATELESS) as caller:
        before = otel.get_current()
        for tool in ("add", "asks"):
            await caller.tool(tool, **({"a": 1, "b": 2} if tool == "add" else {}))
        assert otel.get_current() == before


async def test_without_a_configured_sdk_calls_go_on_untraced() -> None:
    app = Server("x")
    app.use(Tracing())

    @app.tool
    async def current() -> bool:
        return trace.get_current_span().get_span_context().is_valid

    client = Conversation(app)
    answer = await client.call("tools/call", name="current", arguments={}, _meta=meta())
    assert answer["result"]["structuredContent"] == {"result": False} or text_of(answer) == "false"
    await client.close()
