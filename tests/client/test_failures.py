"""What a failure says: which server, what was asked of it, what happened and what to do; and nothing secret."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail import Client
from dovetail.client.failures import asked, named
from dovetail.client.http_exchange import location_of
from dovetail.client.options import Retry
from dovetail.errors import (
    AuthRequired,
    DefinitionError,
    Disconnected,
    DovetailError,
    HttpFailure,
    NoCommonRevision,
    PeerError,
    ProtocolViolation,
    Timeout,
    Unsent,
)
from tests.client.scripted import Scripted
from tests.net.raw_server import Script, Visit, raw_server

ONCE = Retry(attempts=1)
JSON = b"content-type: application/json"
HELLO = {"resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}}


def answering(status: bytes, *fields: bytes, body: bytes = b"") -> Script:
    """Return a server that discovers, and answers all else with the same; without a status, hangs up."""

    async def script(visit: Visit) -> None:
        while True:
            message = json.loads((await visit.request()).partition(b"\r\n\r\n")[2])
            if message["method"] == "server/discover":
                result = {**HELLO, "ttlMs": 0, "cacheScope": "private"}
                await visit.answer(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode(), JSON)
            elif status:
                await visit.answer(body, *fields, status=status)
            else:
                return

    return script


@pytest.mark.parametrize(
    ("script", "kind", "said"),
    [
        (answering(b"500 X"), HttpFailure, "HTTP status 500; why may stand in its own log"),
        (
            answering(b"307 X", b"location: /mcp/?key=SECRET"),
            HttpFailure,
            "HTTP status 307; redirects are not followed: it is at {origin}/mcp/, so use that URL if you trust it",
        ),
        (
            answering(b"308 X", b"location: https://u:SECRET@x:9/y?z"),
            HttpFailure,
            "it is at https://x:9/y, so use that",
        ),
        (answering(b"308 X", b"location: javascript:x"), HttpFailure, "HTTP status 308; is the URL right?"),
        (answering(b"308 X", b"location: http://[x"), HttpFailure, "HTTP status 308; is the URL right?"),
        (answering(b"404 X"), HttpFailure, "HTTP status 404; is the path of the URL right?"),
        (answering(b"429 X", b"retry-after: 7"), HttpFailure, "HTTP status 429; try again in 7 s"),
        (answering(b"401 X"), AuthRequired, "wants credentials (HTTP status 401): see `auth` of the client"),
        (
            answering(b"200 X", b"content-type: text/html"),
            ProtocolViolation,
            "none of MCP: 'text/html'; is the URL right?",
        ),
        (
            answering(b"200 X", JSON, body=b'{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"full"}}'),
            PeerError,
            "full (-32603); why stands in its own log",
        ),
        (answering(b""), Disconnected, "; it may have been carried out, so look before you call it again"),
    ],
)
async def test_a_failure_over_http_names_the_server_what_was_asked_and_what_to_do(
    script: Script, kind: type[DovetailError], said: str
) -> None:
    async with raw_server(script) as server, Client(f"{server.url}?key=SECRET", retry=ONCE) as client:
        with pytest.raises(kind) as caught:
            await client.call_tool("pay", {"to": "SECRET"})
        text = str(caught.value)
        assert text.startswith(f"{server.url}: tools/call pay: ")
        assert said.format(origin=f"http://127.0.0.1:{server.port}") in text
        assert "SECRET" not in text


@pytest.mark.parametrize("how", ["client", "call", "header"])
async def test_credentials_that_are_refused_are_not_said_to_be_missing(how: str) -> None:
    async with raw_server(answering(b"401 X")) as server:
        auth = Client(server.url, retry=ONCE, auth="SECRET") if how == "client" else Client(server.url, retry=ONCE)
        if how == "header":
            auth = Client(server.url, retry=ONCE, headers={"Authorization": "Bearer SECRET"})
        async with auth as client:
            with pytest.raises(
                AuthRequired, match=r"refuses the credentials that it was given .HTTP status 401"
            ) as caught:
                await (client.call_tool("pay", auth="SECRET") if how == "call" else client.call_tool("pay"))
        assert "SECRET" not in str(caught.value)


async def test_a_server_that_is_not_there_is_named_and_so_is_what_was_tried() -> None:
    async with raw_server(answering(b"500 X")) as server:
        url = server.url
    client = Client(url, retry=ONCE)
    with pytest.raises(Unsent, match=rf"^{url}: opening: no connection: .*; is it running, and is the URL right\?$"):
        await client.connect()


@pytest.mark.parametrize("what", ["opening", "tools/call x", "tools/list"])
def test_what_to_do_about_what_cannot_be_read_fits_how_the_server_is_reached(what: str) -> None:
    unreadable = ProtocolViolation("The server's answer cannot be read")
    assert str(named(unreadable, "https://x/mcp", what)).endswith(
        "; is the URL right? If this is a server of MCP, tell who makes it"
    )
    for server in ("python server.py", "Scripted"):
        said = str(named(unreadable, server, what))
        assert "URL" not in said
        assert said.endswith("cannot be read; is this a server of MCP? If it is, tell who makes it")


async def test_an_error_of_the_peer_keeps_its_parts_and_is_short_in_its_text() -> None:
    long = "x\x1b[31m" + "y" * 1000
    server = Scripted(
        tools_call=lambda server, request: server.refuse(request, -32602, long, {"at": 1}),
        tools_list=lambda server, request: server.refuse(request, -32601),
        resources_read=lambda server, request: server.refuse(request, -32002),
        ping=lambda server, request: None,
    )
    async with Client(server) as client:
        with pytest.raises(PeerError) as caught:
            await client.call_tool("pay")
        error = caught.value
        assert (error.code, error.message, error.data) == (-32602, long, {"at": 1})
        assert str(error).startswith("Scripted: tools/call pay: x?[31myyy")
        assert str(error).endswith("yyy... (-32602); see what it lists: names, and the arguments that they take")
        assert len(str(error)) < 400
        with pytest.raises(PeerError, match=r"^Scripted: tools/list: No \(-32601\); it has no such method"):
            await client.list_tools()
        with pytest.raises(PeerError, match=r"^Scripted: resources/read x://a: No \(-32002\); see what it lists"):
            await client.read_resource("x://me:SECRET@a?key=SECRET")
        with pytest.raises(Timeout, match=r"^Scripted: ping: not answered within 0\.05 s; `timeout` allows more$"):
            await client.ping(timeout=0.05)


async def test_a_notification_that_the_server_does_not_take_says_so_too() -> None:
    async def script(visit: Visit) -> None:
        while True:
            head, _, body = (await visit.request()).partition(b"\r\n\r\n")
            if head.startswith(b"GET"):
                await visit.answer(b"", status=b"405 X")
            elif b"server/discover" in body:
                await visit.answer(b"", status=b"400 X")
            elif b"notifications/initialized" in body:
                await visit.answer(b"", status=b"202 X")
            elif b"initialize" in body:
                info = {"name": "x", "version": "1"}
                result = {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": info}
                message = {"jsonrpc": "2.0", "id": json.loads(body)["id"], "result": result}
                await visit.answer(json.dumps(message).encode(), JSON)
            else:
                await visit.answer(b"", status=b"500 X")

    async with raw_server(script) as server, Client(server.url, roots=[]) as client:
        with pytest.raises(
            HttpFailure, match=rf"^{server.url}: notifications/roots/list_changed: .* 500; why may stand"
        ):
            await client.roots_changed()


async def test_an_opening_that_fails_is_said_once_to_each_who_waited_and_in_their_words() -> None:
    server = Scripted(initialize=lambda server, request: server.refuse(request, -32600, "not you"))
    client = Client(server)
    waiting = await asyncio.gather(client.connect(), client.connect(), return_exceptions=True)
    for error in waiting:
        assert isinstance(error, PeerError)
        assert str(error) == "Scripted: opening: not you (-32600); why may stand in its own log"


def test_the_words_are_added_once_and_in_a_copy() -> None:
    lost = Disconnected("http://x: the connection broke")
    first, second = named(lost, "http://x/mcp", "tools/call a"), named(lost, "http://x/mcp", "resources/read b")
    assert str(lost) == "http://x: the connection broke"
    assert str(first).startswith("http://x/mcp: tools/call a: the connection broke; it may have been carried out")
    assert str(second) == "http://x/mcp: resources/read b: the connection broke; call again: the client connects again"
    assert str(named(first, "http://x/mcp", "tools/call a")) == str(first)
    opening = named(NoCommonRevision(("1999",)), "x", "opening")
    inside = named(opening, "x", "tools/call a")
    assert inside.supported == ("1999",)
    assert str(inside).startswith(
        "x: tools/call a: opening: No protocol revision in common: the server speaks '1999'; "
    )
    wrong = DefinitionError("a URL is needed")
    assert named(wrong, "x", "opening") is wrong
    ended = named(Disconnected("x: the server ended with exit code 3\n  | no disk"), "x", "tools/call a")
    assert str(ended).startswith("x: tools/call a: the server ended with exit code 3; it may")
    assert str(ended).endswith("\n  | no disk")


@pytest.mark.req("W-12")
@given(text=st.text(max_size=600), location=st.text(max_size=600))
def test_what_a_peer_wrote_is_bounded_and_acts_on_no_terminal(text: str, location: str) -> None:
    said = (
        str(named(PeerError(-1, text), "x", "m")).removeprefix("x: m: ").removesuffix("; why may stand in its own log")
    )
    assert len(said.removesuffix(" (-1)").encode()) <= 256
    assert not any(ord(character) < 32 or character == "\x7f" for character in said)
    where = location_of(location, "https://example.com/mcp")
    assert where == "" or where.startswith(("http://", "https://"))
    assert len(where) <= 256
    assert "?" not in where


@pytest.mark.parametrize(
    ("name", "what"),
    [
        (None, "m"),
        ("a", "m a"),
        ("x" * 100, "m " + "x" * 61 + "..."),
        ("http://u:p@h/a?b", "m http://h/a"),
        ("a\nb", "m a?b"),
    ],
)
def test_what_was_asked_is_short_and_says_nothing_secret(name: str | None, what: str) -> None:
    assert asked("m", name) == what
