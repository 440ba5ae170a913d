"""What is sent again: what changes nothing, was refused before it began, or is believed to bear it. Nothing else."""

import json
from typing import Any

import pytest

from dovetail import Client, Context, Server
from dovetail.client.options import Retry
from dovetail.errors import Disconnected, DovetailError, HttpFailure, PeerError
from tests.client.hosted import HEADERS, Broken, Hosted, Json, Stream, answer, result, text
from tests.client.serving import serving

QUICK = Retry(first=0.001)
TRUSTING = Retry(first=0.001, idempotent_tools=True)
CUT = "cut"
Fault = int | str


class Fickle(Hosted):
    """A server that fails requests of one method as it is told, one after the other, and does what it is asked then.

    Attributes:
        begun: How often its tool began to work.
    """

    def __init__(self, method: str, *faults: Fault) -> None:
        super().__init__(self._call)
        self._method = method
        self._faults = list(faults)
        self.begun = 0

    async def _post(self, message: Json, session: str, send: Any) -> None:
        method = message.get("method")
        fault = self._faults.pop(0) if method == self._method and self._faults else None
        if isinstance(fault, int):
            self.posted.append(message)
            await answer(send, fault)
        elif method == "tools/list":
            self.posted.append(message)
            if fault == CUT:
                await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
                await send({"type": "http.response.body", "body": b""})
                return
            tools = [tool("idem", idempotentHint=True), tool("safe", readOnlyHint=True), tool("plain")]
            await answer(send, 200, result(message, {"tools": tools}))
        else:
            self._cutting = fault == CUT
            await super()._post(message, session, send)

    async def _call(self, server: Hosted, stream: Stream, call: Json) -> None:
        self.begun += 1
        if self._cutting:
            raise Broken
        await stream.event(result(call, text("done")))

    def asked(self) -> int:
        return [message.get("method") for message in self.posted].count(self._method)


def tool(name: str, **annotations: Any) -> Json:
    return {"name": name, "inputSchema": {"type": "object"}, "annotations": annotations}


async def outcome(server: Fickle, name: str, retry: Retry) -> str:
    """List the tools, call one, and return its text or the type of the error."""
    async with serving(server) as url, Client(url, revision="2025-11-25", retry=retry) as client:
        try:
            await client.list_tools()
            return (await client.call_tool(name)).text
        except DovetailError as error:
            return type(error).__name__


@pytest.mark.req("C-11")
@pytest.mark.parametrize(
    ("fault", "error"),
    [(CUT, Disconnected), *((status, HttpFailure) for status in (429, 502, 503, 504, 500))],
)
@pytest.mark.parametrize("name", ["plain", "safe", "idem"])
async def test_a_call_that_may_have_begun_is_not_made_again(
    name: str, fault: Fault, error: type[DovetailError]
) -> None:
    server = Fickle("tools/call", fault)
    assert await outcome(server, name, QUICK) == error.__name__
    assert server.asked() == 1


@pytest.mark.req("C-11")
async def test_a_call_of_a_session_that_is_not_known_any_more_is_made_again() -> None:
    server = Fickle("tools/call", 404)
    assert await outcome(server, "plain", QUICK) == "done"
    assert (server.asked(), server.begun) == (2, 1)


@pytest.mark.req("C-11")
async def test_no_request_is_made_more_often_than_the_policy_says() -> None:
    server = Fickle("tools/list", 429, 429, 429, 429, 429, 429)
    assert await outcome(server, "plain", Retry(attempts=3, first=0.001)) == "HttpFailure"
    assert server.asked() == 3


@pytest.mark.req("C-11")
@pytest.mark.parametrize("fault", [CUT, 429, 502, 503, 504])
async def test_what_changes_nothing_is_asked_for_again(fault: Fault) -> None:
    server = Fickle("tools/list", fault)
    assert await outcome(server, "plain", QUICK) == "done"
    assert server.asked() == 2


@pytest.mark.req("C-17")
@pytest.mark.parametrize(
    ("name", "retry", "times"),
    [("idem", QUICK, 1), ("safe", QUICK, 1), ("idem", TRUSTING, 2), ("safe", TRUSTING, 1), ("plain", TRUSTING, 1)],
)
async def test_what_a_tool_says_of_itself_counts_only_when_its_server_is_trusted(
    name: str, retry: Retry, times: int
) -> None:
    server = Fickle("tools/call", CUT)
    assert await outcome(server, name, retry) == ("Disconnected" if times == 1 else "done")
    assert server.begun == times


@pytest.mark.req("C-17")
@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
async def test_what_a_client_calls_itself_makes_it_nobody(version: str) -> None:
    app = Server("desk")

    @app.tool
    async def who(ctx: Context) -> str:
        """Tell who asks."""
        return json.dumps([ctx.principal.key, sorted(ctx.principal.scopes)])

    async with serving(app.asgi()) as url:
        said = []
        for name in ("admin", "nobody"):
            async with Client(url, revision=version, name=name, title="root") as client:
                said.append((await client.call_tool("who")).text)
    assert said[0] == said[1]
    assert "admin" not in said[0]


@pytest.mark.req("C-11")
async def test_a_server_that_forgets_every_session_is_asked_once_more_and_no_more() -> None:
    server = Fickle("tools/call", 404, 404, 404, 404, 404)
    assert await outcome(server, "plain", QUICK) == "SessionLost"
    assert server.asked() == 2


@pytest.mark.req("C-11")
async def test_an_error_that_answers_the_call_is_no_word_about_its_session() -> None:
    posted = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal posted
        if scope["type"] != "http":
            return
        message = json.loads((await receive())["body"] or b"{}")
        status, headers, answer = 200, [(b"content-type", b"application/json")], b""
        match message.get("method"):
            case "initialize":
                info = {"name": "x", "version": "1"}
                hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": info}
                headers.append((b"mcp-session-id", b"s"))
                answer = json.dumps(result(message, hello)).encode()
            case "tools/call":
                posted += 1
                error = {"code": -32000, "message": "The session's budget is spent"}
                status, answer = 400, json.dumps({"jsonrpc": "2.0", "id": message["id"], "error": error}).encode()
            case _:
                status = 405 if scope["method"] == "GET" else 202
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async with serving(app) as url, Client(url, revision="2025-11-25", retry=QUICK) as client:
        with pytest.raises(PeerError, match="budget"):
            await client.call_tool("x")
    assert posted == 1
