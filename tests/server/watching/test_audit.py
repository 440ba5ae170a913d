"""One record a call, on whatever sink, that proves what was asked for and tells nothing of it."""

import json
import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dovetail import Server
from dovetail.core import AuditRecord, Principal
from dovetail.errors import Disconnected, StoreUnusable
from dovetail.server import Audit
from dovetail.server.watching.audit import digest_of
from dovetail.wire import CallToolRequestParams, digest
from tests.server.peers import STATELESS, Conversation, Http, meta
from tests.server.watched import CANARY, STATEFUL, WAYS, Watched, calling


@pytest.mark.parametrize(("carrier", "version"), WAYS)
async def test_there_is_exactly_one_record_a_call(carrier: str, version: str) -> None:
    watched = Watched()
    async with calling(watched, carrier, version) as caller:
        for number in range(5):
            await caller.tool("add", a=number, b=1)
            await caller.tool("breaks", with_="x")
        await caller.tool("slow")
        await caller.cancelled()
    assert len([record for record in watched.records if record.method == "tools/call"]) == 12


async def test_a_record_proves_what_was_asked_for_to_who_knows_it() -> None:
    watched = Watched()
    async with calling(watched, "memory", STATELESS) as caller:
        await caller.tool("echo", text=CANARY)
        await caller.send("prompts/get", name="triage", arguments={"tone": CANARY})
        await caller.send("resources/read", uri=f"note://{CANARY}")
        await caller.send("tools/list")
    asked: list[Any] = [{"text": CANARY}, {"tone": CANARY}, {"uri": f"note://{CANARY}"}]
    assert [record.arguments for record in watched.records] == [*map(digest, asked), ""]
    assert CANARY not in repr(watched.records)


@pytest.mark.parametrize("arguments", [b'{"a":123456789012345678901234567890}', b'{"a":0.1e1,"a2":-0.0}', b"[7]", b"7"])
async def test_arguments_that_fit_no_tool_are_recorded_all_the_same(arguments: bytes) -> None:
    watched = Watched()
    async with calling(watched, "memory", STATELESS) as caller:
        params = b'{"name":"echo","arguments":%b,"_meta":%b}' % (arguments, json.dumps(meta()).encode())
        caller.wire.channel.send(b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":%b}' % params)
        await caller.wire.receive()
    assert [record.arguments for record in watched.records] == [digest(json.loads(arguments))]


@pytest.mark.parametrize("raw", [b'{"a":1e999}', b'{"a":"\\ud800"}', b"1" * 4400, b'{"a"'])
def test_arguments_without_a_canonical_form_have_no_digest(raw: bytes) -> None:
    assert digest_of(CallToolRequestParams(name="echo", arguments=msgspec.Raw(raw))) == "none"


async def test_a_record_says_who_when_and_where() -> None:
    app, records = Server("orders", identify=lambda scope, headers: Principal(key="alice", bucket="alice")), []

    class Sink:
        def record(self, record: AuditRecord) -> None:
            records.append(record)

    app.use(Audit(Sink(), clock=lambda: 1_700_000_000.0))
    client = Http(app.asgi())
    await client.modern("tools/list", identifier="seven")
    (record,) = records
    assert (record.time, record.server, record.principal, record.request_id) == (1.7e9, "orders", "alice", "seven")
    assert record.seconds > 0
    await client.app.stop()


async def test_what_a_sink_does_not_take_is_counted_and_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    class Full:
        def record(self, record: AuditRecord) -> None:
            raise Disconnected(CANARY)

    app = Server("x")
    audit = Audit(Full())
    app.use(audit)

    @app.tool
    async def add(a: int, b: int) -> int:
        return a + b

    client = Conversation(app)
    for number in range(9):
        answer = await client.call("tools/call", name="add", arguments={"a": number, "b": 1}, _meta=meta())
        assert answer["result"]["structuredContent"] == number + 1
    assert audit.lost == 9
    assert "9 lost" in repr(audit)
    said = [record.getMessage() for record in caplog.records]
    assert said == [f"An audit record was lost ({n} so far): Disconnected" for n in (1, 2, 4, 8)]
    await client.close()


async def test_a_file_gets_a_line_of_json_a_call(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    app = Server("x")
    app.use(Audit(path))
    client = Http(app.asgi())
    headers = await client.session()
    await client.modern("tools/list")
    await client.request("POST", {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}, headers)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["revision"] for line in lines] == [STATELESS, STATEFUL]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert headers["mcp-session-id"] not in path.read_text()
    await client.app.stop()


def test_a_file_that_cannot_be_used_is_said_when_the_server_is_defined(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable):
        Audit(tmp_path)
