"""Whoever watches sees every call once, as it ended for its client, and disturbs nobody."""

import asyncio
import gc
import json
import logging
import subprocess
import sys
import tempfile
import weakref
from pathlib import Path
from typing import Any

import pytest

from dovetail import Context, Limits, Server, ToolError
from dovetail.server import Audit, CallLog, Metrics, Tracing
from dovetail.server.watching.observing import End, Refused, Watcher
from dovetail.wire import CallToolResult, TextContent
from tests.server.peers import STATELESS, Conversation, Http, Json, meta, text_of
from tests.server.watched import CANARY, STATEFUL, WAYS, Caller, Watched, calling

OUTCOMES: list[tuple[str, Json, str, str]] = [
    ("add", {"a": 1, "b": 2}, "ok", ""),
    ("plain", {"a": 1}, "ok", ""),
    ("echo", {"text": "hello"}, "ok", ""),
    ("says_no", {"why": "x"}, "tool_error", "ToolError"),
    ("breaks", {"with_": "x"}, "tool_error", "RuntimeError"),
    ("unsayable", {}, "tool_error", "UnicodeEncodeError"),
    ("refuses", {}, "error", "InvalidParams"),
    ("slow", {}, "timed_out", "timed_out"),
]


@pytest.mark.parametrize(("carrier", "version"), WAYS)
@pytest.mark.parametrize(("tool", "arguments", "outcome", "error"), OUTCOMES, ids=[row[0] for row in OUTCOMES])
async def test_all_watchers_agree_on_how_a_call_ended(
    tool: str, arguments: Json, outcome: str, error: str, carrier: str, version: str
) -> None:
    watched = Watched()
    async with calling(watched, carrier, version) as caller:
        answer = await caller.tool(tool, **arguments)
        assert watched.outcomes == [outcome]
        (record,) = watched.records
        assert (record.method, record.name, record.revision) == ("tools/call", tool, version)
        assert record.error == error
        assert ("error" in answer) == (outcome == "error")
        assert record.code == (answer["error"]["code"] if outcome == "error" else None)
        assert watched.in_flight == 0
        (line,) = watched.log.lines
        assert line["bytes"] > len(json.dumps(answer, separators=(",", ":"))) * 0.9
        assert record.request_id == line["request_id"] == str(answer["id"])


@pytest.mark.parametrize(("carrier", "version"), WAYS)
async def test_a_cancelled_call_is_over_for_the_watchers_too(carrier: str, version: str) -> None:
    watched = Watched()
    async with calling(watched, carrier, version) as caller:
        await caller.cancelled()
        assert [record.outcome for record in watched.records if record.name == "waits"] == ["cancelled"]
        assert set(watched.outcomes) <= {"cancelled", "ok"}
        assert watched.in_flight == 0


@pytest.mark.parametrize("carrier", ["memory", "http"])
async def test_a_turn_that_asks_and_the_one_that_goes_on_are_two_calls_of_the_stateless_revision(carrier: str) -> None:
    watched = Watched()
    async with calling(watched, carrier, STATELESS) as caller:
        first = (await caller.tool("asks"))["result"]
        assert watched.outcomes == ["asked"]
        assert watched.in_flight == 0
        (key,) = first["inputRequests"]
        answers = {key: {"action": "accept", "content": {"value": "main"}}}
        again = {"requestState": first["requestState"], "inputResponses": answers}
        last = await caller.send("tools/call", name="asks", arguments={}, **again)
        assert text_of(last) == "main"
        assert watched.outcomes == ["asked", "ok"]
        assert watched.in_flight == 0


async def test_a_call_that_asks_is_one_call_of_a_stateful_revision() -> None:
    watched = Watched()
    async with calling(watched, "memory", STATEFUL) as caller:
        assert text_of(await caller.tool("asks")) == "main"
        assert watched.outcomes == ["ok"]
        assert watched.in_flight == 0


@pytest.mark.parametrize("version", [STATEFUL, STATELESS])
async def test_a_call_whose_connection_ends_is_cancelled(version: str) -> None:
    watched = Watched()
    caller = Caller(watched, "memory", version)
    await caller.open()
    caller.wire.begin("tools/call", {"name": "waits", "arguments": {}, "_meta": meta() if version == STATELESS else {}})
    await watched.began.wait()
    assert watched.in_flight == 1
    await caller.close()
    while not watched.records:
        await asyncio.sleep(0)
    assert watched.outcomes == ["cancelled"]
    assert watched.in_flight == 0


async def test_a_client_of_a_stateful_revision_that_leaves_cancels_nothing() -> None:
    watched = Watched()
    release = asyncio.Event()

    @watched.server.tool
    async def goes_on() -> str:
        watched.began.set()
        await release.wait()
        return "done"

    async with calling(watched, "http", STATEFUL) as caller:
        gone = asyncio.Event()
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "goes_on", "arguments": {}}}
        call = asyncio.create_task(caller.wire.request("POST", body, caller.session, gone=gone))
        await watched.began.wait()
        gone.set()
        await asyncio.sleep(0)
        assert watched.in_flight == 1
        release.set()
        await call
        assert watched.outcomes == ["ok"]
        assert watched.in_flight == 0


@pytest.mark.parametrize(("carrier", "version"), WAYS)
async def test_a_call_that_the_end_of_the_server_cuts_off_was_aborted(carrier: str, version: str) -> None:
    watched = Watched()
    caller = Caller(watched, carrier, version)
    await caller.open()
    call = asyncio.create_task(caller.tool("waits"))
    await watched.began.wait()
    (runtime,) = watched.server.running
    await runtime.stop()
    await call
    assert watched.outcomes == ["aborted"]
    assert watched.records[0].code == -32603
    assert watched.in_flight == 0
    await caller.close()


@pytest.mark.parametrize("version", [STATEFUL, STATELESS])
async def test_a_handler_that_cancels_its_own_task_was_aborted_and_leaves_nothing_in_flight(version: str) -> None:
    watched = Watched()
    async with calling(watched, "memory", version) as caller:
        assert "error" in await caller.tool("cuts_itself_off")
        assert watched.outcomes == ["aborted"]
        assert watched.in_flight == 0
        await caller.tool("add", a=1, b=2)
        assert watched.outcomes == ["aborted", "ok"]


@pytest.mark.parametrize(("carrier", "version"), WAYS)
async def test_every_method_is_watched_and_named_as_the_server_knows_it(carrier: str, version: str) -> None:
    watched = Watched()
    async with calling(watched, carrier, version) as caller:
        await caller.send("resources/read", uri="note://secret-name")
        await caller.send("prompts/get", name="triage", arguments={"tone": "calm"})
        reference = {"type": "ref/prompt", "name": "triage"}
        await caller.send("completion/complete", ref=reference, argument={"name": "tone", "value": "c"})
        await caller.send("tools/list")
        await caller.tool(f"made-up-{CANARY}")
        await caller.send("prompts/get", name=f"made-up-{CANARY}")
        assert [(record.method, record.name) for record in watched.records] == [
            ("resources/read", "note://{name}"),
            ("prompts/get", "triage"),
            ("completion/complete", "triage"),
            ("tools/list", ""),
            ("tools/call", ""),
            ("prompts/get", ""),
        ]
        assert watched.outcomes == ["ok", "ok", "ok", "ok", "error", "error"]
        assert "secret-name" not in watched.everything
        assert CANARY not in watched.everything


REFUSED: list[tuple[str, Json, str, int]] = [
    (f"made/up-{CANARY}", {}, "other", -32601),
    ("tools/call", {"name": 7}, "tools/call", -32602),
    ("tools/call", {"arguments": {"key": CANARY}}, "tools/call", -32602),
]


@pytest.mark.parametrize(("carrier", "version"), WAYS)
@pytest.mark.parametrize(("method", "params", "shown", "code"), REFUSED)
async def test_a_request_that_is_refused_before_there_is_a_call_is_counted_and_logged(
    method: str, params: Json, shown: str, code: int, carrier: str, version: str
) -> None:
    watched = Watched()
    caller = Caller(watched, carrier, version)
    await caller.open()
    if isinstance(caller.wire, Http) and version == STATELESS:
        answer = (await caller.wire.modern(method, params, headers={"mcp-name": "x"})).json
    else:
        answer = await caller.send(method, **params)
    assert answer["error"]["code"] == code
    assert watched.counted == {f"{shown} - refused -": 1.0}
    assert watched.samples[f"dovetail_errors_total {code} {shown} -"] == 1.0
    (line,) = watched.log.lines
    assert (line["method"], line["outcome"], line["code"], line["level"]) == (shown, "refused", code, "WARNING")
    assert line["request_id"] == str(answer["id"])
    assert not watched.records
    assert not watched.spans
    assert watched.in_flight == 0
    assert CANARY not in watched.everything
    await caller.close()


@pytest.mark.parametrize("version", [STATEFUL, STATELESS])
async def test_a_request_too_many_is_refused_and_seen(version: str) -> None:
    watched = Watched(limits=Limits(principal_in_flight=1))
    async with calling(watched, "http", version) as caller:
        call = asyncio.create_task(caller.tool("waits"))
        await watched.began.wait()
        assert "error" in await caller.tool("add", a=1, b=2)
        assert watched.log.lines[0]["error"] == "Busy"
        assert watched.counted == {"tools/call - refused -": 1.0}
        assert watched.in_flight == 1
        (runtime,) = watched.server.running
        await runtime.stop()
        await call


async def test_each_request_of_a_batch_is_watched_on_its_own() -> None:
    watched = Watched()
    client = Http(watched.server.asgi())
    headers = await client.session("2025-03-26")
    calls: list[Json] = [
        {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "add", "arguments": {"a": 1, "b": 1}}},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "says_no", "arguments": {"why": "x"}}},
        {"jsonrpc": "2.0", "id": 3, "method": "made/up"},
        {"jsonrpc": "2.0", "id": 1, "method": "ping"},
    ]
    await client.request("POST", json.dumps(calls).encode(), headers)
    assert [record.outcome for record in watched.records] == ["ok", "tool_error"]
    assert watched.counted["other - refused -"] == 1
    assert watched.counted["ping - refused -"] == 1
    assert watched.in_flight == 0
    await client.app.stop()


@pytest.mark.req("S-23", "W-12")
@pytest.mark.parametrize(("carrier", "version"), WAYS)
async def test_nothing_that_a_call_carries_reaches_a_watcher(
    carrier: str, version: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    watched = Watched()
    async with calling(watched, carrier, version) as caller:
        if caller.session:
            caller.session["authorization"] = f"Bearer {CANARY}"
        await caller.tool("echo", text=CANARY)
        await caller.tool("says_no", why=CANARY)
        await caller.tool("breaks", with_=CANARY)
        await caller.tool("add", a=CANARY, b={"password": CANARY})
        await caller.send("resources/read", uri=f"note://{CANARY}")
        await caller.send("prompts/get", name="triage", arguments={"tone": CANARY})
        assert len(watched.outcomes) == 6
        assert CANARY not in watched.everything
        assert caller.session.get("mcp-session-id", CANARY) not in watched.everything
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("dovetail")]
    assert ours
    assert CANARY not in "".join(ours), "the text of an exception stands in its traceback alone"


async def test_a_watcher_that_fails_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    class BadStart(Watcher):
        def begin(self, call: Any, context: Context) -> End:
            raise RuntimeError(CANARY)

    class BadEnd(Watcher):
        def begin(self, call: Any, context: Context) -> End:
            def end(report: Any) -> None:
                raise RuntimeError(CANARY)

            return end

        def refused(self, request: Refused) -> None:
            raise RuntimeError(CANARY)

        def streams(self, more: int) -> None:
            raise RuntimeError(CANARY)

    watched = Watched()
    for watcher in (BadStart(), BadEnd()):
        watched.server.middleware.insert(0, watcher)
        watched.server.use(watcher)
    async with calling(watched, "http", STATELESS) as caller:
        assert text_of(await caller.tool("add", a=1, b=2)) == "3"
        assert (await caller.send("made/up"))["error"]["code"] == -32601
        gone = asyncio.Event()
        gone.set()
        await caller.wire.modern("subscriptions/listen", {"notifications": {"toolsListChanged": True}}, gone=gone)
    assert [record.outcome for record in watched.records] == ["ok"]
    said = [record.getMessage() for record in caplog.records]
    assert said == ["A watcher failed: RuntimeError"] * 10
    assert not [record for record in caplog.records if record.exc_info]


async def test_the_calls_of_a_mounted_server_are_seen_by_its_watchers_and_by_those_around_it() -> None:
    inner, outer = Watched(), Watched()
    inner.server.remove_resource("note://{name}")
    outer.server.mount(inner.server, "inner")
    async with calling(outer, "memory", STATELESS) as caller:
        assert text_of(await caller.tool("inner_add", a=1, b=2)) == "3"
        await caller.tool("inner_breaks", with_="x")
        await caller.tool("inner_unsayable")
        await caller.tool("inner_slow")
        for watched in (inner, outer):
            assert watched.outcomes == ["ok", "tool_error", "tool_error", "timed_out"]
            assert [record.name for record in watched.records][:2] == ["inner_add", "inner_breaks"]
            assert watched.in_flight == 0
        assert inner.records[1].reference == outer.records[1].reference != ""
        assert inner.spans[0].parent == outer.spans[0].get_span_context()
        await caller.tool("add", a=1, b=2)
        assert len(outer.records) == 5
        assert len(inner.records) == 4


async def test_a_watcher_reports_what_the_client_got_of_middleware_around_it() -> None:
    watched = Watched()

    def forgives(handler: Any) -> Any:
        async def handle(call: Any, context: Context) -> Any:
            try:
                return await handler(call, context)
            except Exception:
                return CallToolResult(content=[TextContent(text="forgiven")])

        return handle

    watched.server.middleware.insert(0, forgives)
    async with calling(watched, "memory", STATELESS) as caller:
        assert text_of(await caller.tool("says_no", why="x")) == "forgiven"
    assert watched.outcomes == ["ok"]


async def test_a_watched_call_leaves_no_cycle_behind() -> None:
    watched = Watched()
    kept: list[weakref.ref[Any]] = []

    class Kept(dict[str, Any]):
        pass

    @watched.server.tool
    async def keeps(ctx: Context) -> str:
        ctx.state["kept"] = kept_one = Kept()
        kept.append(weakref.ref(kept_one))
        return "kept"

    @watched.server.tool
    async def fails(ctx: Context) -> str:
        await keeps(ctx)
        raise ToolError("no")

    async with calling(watched, "http", STATELESS) as caller:
        gc.collect()
        gc.disable()
        try:
            await caller.tool("keeps")
            await caller.tool("fails")
            assert [ref() for ref in kept] == [None, None]
            assert watched.outcomes == ["ok", "tool_error"]
        finally:
            gc.enable()


def test_what_is_not_used_is_not_loaded() -> None:
    program = """
import sys
from dovetail import Server
app = Server("x")
@app.tool
async def add(a: int, b: int) -> int: return a + b
def loaded(): return sorted(n for n in sys.modules if n.startswith(("opentelemetry", "prometheus_client")) or n in OURS)
NAMES = ("observing", "audit", "call_log", "metrics", "tracing")
OURS = {f"dovetail.server.watching.{n}" for n in NAMES} | {"asyncio", "ssl"}
print(loaded())
from dovetail.server import Audit, CallLog
app.use(CallLog()); app.use(Audit(None))
print(loaded())
from dovetail.server.runtime import Runtime
from dovetail.store import MemoryStores
app = Server("y")
import asyncio
async def main():
    print(Runtime(app, MemoryStores()).watchers)
asyncio.run(main())
print([n for n in loaded() if "telemetry" in n or "prometheus" in n])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=10, check=True)
    ours = str([f"dovetail.server.watching.{name}" for name in ("audit", "call_log", "observing")])
    assert done.stdout.splitlines() == ["[]", ours, "()", "[]"]


@pytest.mark.parametrize(("name", "package"), [("Metrics", "prometheus_client"), ("Tracing", "opentelemetry")])
def test_what_needs_the_extra_says_so(name: str, package: str) -> None:
    program = f"import sys; sys.modules['{package}'] = None\nfrom dovetail.server import {name}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=10)
    assert done.stderr.splitlines()[-1].endswith('the "telemetry" extra: pip install "dovetail-mcp[telemetry]"')


async def test_calls_on_standard_streams_are_watched() -> None:
    program = """
import sys
from dovetail import Server, ToolError
from dovetail.server import Audit
app = Server("x")
app.use(Audit(sys.argv[1]))
@app.tool
async def add(a: int, b: int) -> int: return a + b
@app.tool
def fails() -> int: raise ToolError("no")
app.run()
"""
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "audit.jsonl"
        calls: list[tuple[str, Json]] = [("add", {"a": 1, "b": 2}), ("fails", {}), ("nobody", {})]
        said = "".join(
            json.dumps({"jsonrpc": "2.0", "id": n, "method": "tools/call", "params": params}) + "\n"
            for n, (name, arguments) in enumerate(calls)
            if (params := {"name": name, "arguments": arguments, "_meta": meta()})
        )
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, str(file), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(said.encode())
        for _ in calls:
            await process.stdout.readline()
        process.stdin.close()
        await process.wait()
        found = sorted((each["name"], each["outcome"]) for each in map(json.loads, file.read_text().splitlines()))
        assert found == [("", "error"), ("add", "ok"), ("fails", "tool_error")]


def test_watchers_say_what_they_are() -> None:
    shown = [repr(each) for each in (Tracing(), Metrics(), CallLog(), Audit(Watched()))]
    assert [text.split()[0] for text in shown] == ["<Tracing", "<Metrics", "<CallLog", "<Audit"]


async def test_a_server_without_middleware_has_no_watchers_and_its_outlets_stay_bare() -> None:
    app, seen = Server("bare"), []

    @app.tool
    async def look(ctx: Context) -> str:
        seen.append((type(ctx.outlet).__name__, ctx.runtime.watchers))
        return ""

    client = Conversation(app)
    await client.call("tools/call", name="look", arguments={}, _meta=meta())
    assert seen == [("ChannelOutlet", ())]
    await client.close()
