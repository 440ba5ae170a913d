"""One log record a call, found again by its ids; and every record of the process as a line of redacted JSON."""

import json
import logging
import sys
from hashlib import sha256

import pytest

from dovetail import Server
from dovetail.server import CallLog, JsonLines
from tests.server.peers import STATELESS, Conversation, meta
from tests.server.watched import CANARY, STATEFUL, Lines, Watched, calling


async def test_a_line_has_all_that_a_call_is_found_by() -> None:
    watched = Watched()
    async with calling(watched, "http", STATEFUL) as caller:
        answer = await caller.tool("breaks", with_="x")
        session = caller.session["mcp-session-id"]
    (line,) = watched.log.lines
    assert line.pop("ms") > 0
    assert line.pop("bytes") > 100
    assert line.pop("time")[-1] == "Z"
    assert len(line.pop("trace_id")) == 32
    reference = line.pop("reference")
    assert reference in json.dumps(answer)
    assert line.pop("message").startswith("tools/call breaks: tool_error (RuntimeError), ")
    assert line == {
        "level": "INFO",
        "logger": "calls",
        "method": "tools/call",
        "name": "breaks",
        "revision": STATEFUL,
        "request_id": str(answer["id"]),
        "session": sha256(session.encode()).hexdigest()[:16],
        "outcome": "tool_error",
        "error": "RuntimeError",
    }


async def test_what_a_team_should_look_at_is_a_warning() -> None:
    watched = Watched()
    async with calling(watched, "memory", STATELESS) as caller:
        for tool in ("says_no", "refuses", "slow"):
            await caller.tool(tool, **({"why": "x"} if tool == "says_no" else {}))
        await caller.send("made/up")
    assert watched.log.levels == ["INFO", "WARNING", "WARNING", "WARNING"]


async def test_a_level_that_nobody_wants_is_not_written() -> None:
    app, lines = Server("x"), Lines()
    logger = logging.getLogger("quiet.calls")
    logger.addHandler(lines)
    logger.setLevel(logging.WARNING)
    app.use(CallLog("quiet.calls"))
    client = Conversation(app)
    await client.call("tools/list", _meta=meta())
    await client.call("tools/call", name="nobody", _meta=meta())
    assert [line["outcome"] for line in lines.lines] == ["error"]
    await client.close()


@pytest.mark.parametrize("carrier", ["memory", "http"])
async def test_what_a_handler_logs_is_found_by_the_ids_of_its_call(carrier: str) -> None:
    watched = Watched()
    own = logging.Logger("orders")
    lines = Lines()
    own.addHandler(lines)

    @watched.server.tool
    async def looks_up() -> str:
        own.info("looking up with token=%s", CANARY)
        return ""

    @watched.server.tool
    def looks_up_plainly() -> str:
        own.warning("slow shelf")
        return ""

    async with calling(watched, carrier, STATEFUL) as caller:
        await caller.tool("looks_up")
        await caller.tool("looks_up_plainly")
    own.info("after")
    for line, call in zip(lines.lines, watched.log.lines, strict=False):
        for key in ("method", "request_id", "trace_id"):
            assert line[key] == call[key]
        assert line.get("session") == call.get("session")
    assert ("session" in lines.lines[0]) == (carrier == "http")
    assert lines.lines[0]["message"] == "looking up with token=[redacted]"
    assert set(lines.lines[2]) == {"time", "level", "logger", "message"}


@pytest.mark.req("S-23")
def test_a_traceback_is_redacted_in_the_line() -> None:
    try:
        raise RuntimeError(f"Authorization: Bearer {CANARY}")
    except RuntimeError:
        record = logging.LogRecord("x", logging.ERROR, "x.py", 1, "failed at %s", (1,), sys.exc_info())
    line = json.loads(JsonLines().format(record))
    assert line["message"] == "failed at 1"
    assert "RuntimeError" in line["exception"]
    assert CANARY not in line["exception"]


@pytest.mark.req("S-23")
async def test_ids_that_a_client_chose_are_redacted_and_short() -> None:
    watched = Watched()
    async with calling(watched, "memory", STATELESS) as caller:
        for identifier in (f"Bearer {CANARY}", "x" * 200):
            caller.wire.send({"jsonrpc": "2.0", "id": identifier, "method": "tools/list", "params": {"_meta": meta()}})
            await caller.wire.receive()
    assert CANARY not in watched.everything
    assert len(watched.records[1].request_id) <= 128
