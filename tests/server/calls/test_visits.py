"""Visits to URLs: agreeing to go there is not being done there, and only the client that was asked hears of the end."""

import asyncio
from typing import Any

import pytest

from dovetail import Context, Server
from dovetail.core import Handshake, Peer, url_completed
from dovetail.errors import DefinitionError, UrlElicitationRequired
from dovetail.revisions import NEWEST_STATEFUL
from dovetail.server.functions.visits import check_url
from dovetail.server.transports.record import MOST_VISITS
from dovetail.server.transports.run import shared_runtime
from dovetail.server.transports.session import Session
from dovetail.wire import ClientCapabilities
from tests.server.peers import Conversation, Http, Json, accept, meta, text_of

URL = "https://example.com/login"
COMPLETE = "notifications/elicitation/complete"


def app() -> Server:
    server = Server("visits")

    @server.tool
    async def login(ctx: Context, visit: str | None = None) -> str:
        agreed = await ctx.elicit_url("Log in", URL, visit=visit, key="login")
        return f"{agreed.action} {bool(agreed.id)} {agreed.value}"

    @server.tool
    async def pay(ctx: Context) -> str:
        agreed = await ctx.elicit_url("Pay", URL, key="pay")
        await ctx.notify.url_completed(agreed)
        return "paid"

    @server.tool
    async def first(url: str = URL) -> str:
        raise UrlElicitationRequired("Log in first", url, visit="the-visit")

    return server


def agreeing(client: Conversation, action: str = "accept") -> list[Json]:
    asked: list[Json] = []

    def agree(params: Json) -> Json:
        asked.append(params)
        return {"action": action}

    client.answers["elicitation/create"] = agree
    return asked


def completed(client: Conversation) -> list[str]:
    return [m["params"]["elicitationId"] for m in client.seen if m.get("method") == COMPLETE]


async def test_agreeing_to_a_visit_completes_nothing() -> None:
    client = Conversation(app())
    asked = agreeing(client)
    await client.open()
    assert text_of(await client.call("tools/call", name="login", arguments={})) == "accept True None"
    assert asked[0]["elicitationId"]
    await client.call("ping")
    # "accept [...] does not mean that the interaction is complete" (2025-11-25, Elicitation)
    assert completed(client) == []
    await client.close()


async def test_the_stateless_revision_has_neither_id_nor_notice() -> None:
    client = Conversation(app())
    asked = agreeing(client)
    assert text_of((await client.rounds("login"))[-1]) == "accept False None"
    assert text_of((await client.rounds("pay"))[-1]) == "paid"
    assert all("elicitationId" not in params for params in asked)
    assert completed(client) == []
    await client.close()


async def test_the_client_that_was_asked_hears_once_that_a_visit_is_over_and_no_other_does() -> None:
    server = app()
    one, other = Conversation(server), Conversation(server)
    for client in (one, other):
        agreeing(client)
        await client.open()
    await one.call("tools/call", name="login", arguments={"visit": "mine"})
    await other.call("tools/call", name="login", arguments={"visit": "theirs"})
    await asyncio.to_thread(server.complete_url, "mine")
    for identifier in ("mine", "nobody's"):
        server.complete_url(identifier)
    assert (await one.receive())["params"] == {"elicitationId": "mine"}
    for client in (one, other):
        await client.call("ping")
    assert (completed(one), completed(other)) == (["mine"], [])
    await one.close()
    await other.close()


async def test_a_handler_tells_the_end_of_a_visit_on_its_own_stream() -> None:
    http = Http(app().asgi())
    session = await http.session()
    params = {"name": "pay", "arguments": {}}
    body: Json = {"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": params}
    call = asyncio.create_task(http.request("POST", body, session))
    answer: Json = {"jsonrpc": "2.0", "id": 1, "result": {"action": "accept"}}
    while not call.done():
        await asyncio.sleep(0)
        await http.request("POST", answer, session)
    asked, notice, outcome = (await call).events[-3:]
    assert notice == {
        "jsonrpc": "2.0",
        "method": COMPLETE,
        "params": {"elicitationId": asked["params"]["elicitationId"]},
    }
    assert text_of(outcome) == "paid"


async def test_over_http_the_end_of_a_visit_comes_on_the_stream_that_a_get_opened() -> None:
    server = app()
    http = Http(server.asgi())
    session = await http.session()
    gone = asyncio.Event()
    stream = asyncio.create_task(http.request("GET", b"", {**session, "accept": "text/event-stream"}, gone=gone))
    params = {"name": "login", "arguments": {"visit": "mine"}}
    body: Json = {"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": params}
    call = asyncio.create_task(http.request("POST", body, session))
    while not call.done():
        await asyncio.sleep(0)
        await http.request("POST", {"jsonrpc": "2.0", "id": 1, "result": {"action": "accept"}}, session)
    server.complete_url("mine")
    runtime = await shared_runtime(server)
    key = session["mcp-session-id"]
    while not await runtime.stores.events.marked(key, "0"):
        await asyncio.sleep(0)
    await http.request("POST", {"jsonrpc": "2.0", "id": "p", "method": "ping"}, session)
    gone.set()
    assert [event["params"] for event in (await stream).events] == [{"elicitationId": "mine"}]


async def test_a_visit_that_was_declined_can_still_be_named_and_the_oldest_of_very_many_are_forgotten() -> None:
    server = app()
    client = Conversation(server)
    agreeing(client, "decline")
    await client.open()
    for number in range(MOST_VISITS + 1):
        await client.call("tools/call", name="login", arguments={"visit": str(number)})
    server.complete_url("0")
    server.complete_url("1")
    await client.receive()
    await client.call("ping")
    assert completed(client) == ["1"]
    await client.close()


async def test_an_error_that_wants_a_visit_names_it_for_clients_that_open_urls_and_is_plain_for_others() -> None:
    server = app()
    client = Conversation(server)
    await client.open()
    error = (await client.call("tools/call", name="first", arguments={}))["error"]
    assert error["code"] == -32042
    elicitation = {"mode": "url", "elicitationId": "the-visit", "url": URL, "message": "Log in first"}
    assert error["data"] == {"elicitations": [elicitation]}
    server.complete_url("the-visit")
    assert (await client.receive())["params"] == {"elicitationId": "the-visit"}
    stateless = (await client.call("tools/call", name="first", arguments={}, _meta=meta()))["error"]
    assert (stateless["code"], stateless.get("data")) == (-32602, None)
    await client.close()
    for version, declared in (
        ("2025-11-25", {"elicitation": {"form": {}}}),
        ("2025-11-25", {}),
        ("2025-06-18", None),
    ):
        client = Conversation(server)
        await client.open(version, declared)
        plain = (await client.call("tools/call", name="first", arguments={}))["error"]
        assert (plain["code"], plain["message"], plain.get("data")) == (-32602, "Log in first", None)
        await client.close()


def test_an_error_that_wants_a_visit_mints_an_id_of_its_own() -> None:
    one, other = UrlElicitationRequired("Log in", URL), UrlElicitationRequired("Log in", URL)
    assert one.visit
    assert one.visit != other.visit
    assert one.data["elicitations"][0]["elicitationId"] == one.visit


def test_a_session_that_comes_back_knows_its_visits_and_one_stored_before_there_were_any_has_none() -> None:
    stored = Session()
    stored.handshake = Handshake(Peer(NEWEST_STATEFUL, ClientCapabilities(), None))
    stored.visits = ["a", "b"]
    record = stored.record()
    back = Session()
    assert back.restore(record)
    assert (back.hears(url_completed("b")), back.hears(url_completed("b"))) == (True, False)
    assert back.restore(record.replace(b',"visits":["a","b"]', b""))
    assert not back.hears(url_completed("a"))


UNFIT = [
    "javascript:alert(1)",
    "data:text/html,hi",
    "file:///etc/passwd",
    "http://example.com/login",
    "http://localhost.example.com/",
    "http://127.0.0.1.example.com/",
    "https:///path",
    "https://",
    "https:example.com",
    "example.com",
    "",
    "https://user:pass@example.com/",
    "https://user@example.com/",
    "https://exa mple.com/",
    "https://example.com/\r\nx",
    "https://exämple.com/",
    "https://example.com:port/",
    "https://[::1/",
    " https://example.com/",
]


@pytest.mark.req("S-26")
@pytest.mark.parametrize("url", UNFIT)
def test_a_url_that_nobody_should_be_asked_to_open_is_refused_without_a_quote(url: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        check_url(url)
    assert len(url) < 10 or url not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "HTTPS://example.com/a?b=c%20d#e",
        "https://example.com:8443/x@y",
        "http://localhost:8000/",
        "http://app.localhost/",
        "http://127.0.0.1/",
        "http://127.8.8.8:1/",
        "http://[::1]:80/",
    ],
)
def test_a_url_over_https_or_on_this_machine_is_fine(url: str) -> None:
    assert check_url(url) == url


@pytest.mark.req("S-26")
async def test_an_unfit_url_is_never_sent_on_either_way() -> None:
    server = Server("visits")

    @server.tool
    async def go(ctx: Context, how: str) -> str:
        if how == "ask":
            await ctx.elicit_url("Go", "javascript:alert(1)")
        raise UrlElicitationRequired("Go", "javascript:alert(1)")

    client = Conversation(server)
    client.answers["elicitation/create"] = accept()
    await client.open()
    for how in ("ask", "raise"):
        outcome: Any = await client.call("tools/call", name="go", arguments={"how": how})
        assert "Internal error" in str(outcome)
    assert not [m for m in client.seen if "javascript" in str(m) or m.get("method") == "elicitation/create"]
    await client.close()
