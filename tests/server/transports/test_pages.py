"""What a web page gets: one of a configured origin may read the answers, no other, and no page by itself."""

import asyncio

import pytest

from dovetail import Context, Server
from tests.server.peers import Http

PAGE = "https://app.example.com"
ASKING = {"access-control-request-method": "POST"}
app = Server("pages")


@app.tool
async def steps(ctx: Context) -> str:
    """Report progress."""
    await ctx.progress(1)
    return "done"


def browser() -> Http:
    return Http(app.asgi(allowed_origins=[PAGE]))


@pytest.mark.req("S-03")
@pytest.mark.parametrize("path", ["/mcp", "/messages", "/anywhere"])
async def test_a_page_of_a_configured_origin_may_ask_first(path: str) -> None:
    wanted = 'content-type, Mcp-Param-Region, mcp-param-"x, x-mine, authorization'
    asking = {"origin": PAGE, **ASKING, "access-control-request-headers": wanted}
    response = await browser().request("OPTIONS", b"", asking, path=path)
    assert response.status == 204 and response.body == b"" and "content-length" not in response.headers
    assert response.headers["access-control-allow-origin"] == PAGE
    assert response.headers["vary"] == "origin"
    assert response.headers["access-control-allow-methods"] == "GET, POST, DELETE"
    allowed = response.headers["access-control-allow-headers"].split(", ")
    assert {"content-type", "authorization", "mcp-protocol-version", "mcp-method", "mcp-param-region"} <= set(allowed)
    assert {"*", "x-mine", 'mcp-param-"x'}.isdisjoint(allowed)
    assert "access-control-allow-credentials" not in response.headers


@pytest.mark.req("S-03")
async def test_every_answer_to_such_a_page_can_be_read_whole_stream_or_refusal() -> None:
    http = browser()
    whole = await http.modern("server/discover", headers={"origin": PAGE})
    stream = await http.modern("tools/call", {"name": "steps"}, headers={"origin": PAGE}, meta={"progressToken": 1})
    refused = await http.request("PUT", b"", {"origin": PAGE})
    unsaid = await http.request("OPTIONS", b"", {"origin": PAGE})
    health = await http.request("GET", b"", {"origin": PAGE}, path="/healthz")
    answers = [whole, stream, refused, unsaid, health]
    assert [answer.status for answer in answers] == [200, 200, 405, 405, 200]
    assert stream.headers["content-type"] == "text/event-stream"
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert "mcp-session-id" in answer.headers["access-control-expose-headers"]


@pytest.mark.req("S-03", "S-01")
@pytest.mark.parametrize("origin", ["http://localhost:3000", "https://evil.example", "null", None])
async def test_to_no_other_page_anything_is_opened(origin: str | None) -> None:
    from_there = {} if origin is None else {"origin": origin}
    for http in (browser(), Http(app.asgi())):
        asked = await http.request("OPTIONS", b"", from_there | ASKING)
        called = await http.modern("server/discover", headers=from_there)
        assert asked.status in (403, 405)
        for answer in (asked, called):
            assert not [name for name in answer.headers if name.startswith("access-control-")]


async def test_an_origin_that_nothing_can_allow_is_refused_without_advice() -> None:
    for origin in ("null", "file://"):
        refused = await browser().request("POST", b"", {"origin": origin})
        assert refused.status == 403
        assert "allowed_origins" not in refused.json["error"]["message"]
    foreign = await browser().request("POST", b"", {"origin": "https://other.example"})
    assert "allowed_origins" in foreign.json["error"]["message"]


@pytest.mark.req("S-01", "S-07")
async def test_two_origins_are_forbidden() -> None:
    usual = [("origin", PAGE), ("origin", PAGE), ("content-type", "application/json")]
    assert (await browser().request("POST", b"{}", usual)).status == 403


async def test_a_compressed_message_is_refused_on_either_route() -> None:
    for path in ("/mcp", "/messages?session_id=x"):
        refused = await browser().request("POST", b"\x1f\x8b", {"content-encoding": "gzip"}, path=path)
        assert refused.status == 415


@pytest.mark.req("S-16")
@pytest.mark.parametrize("place", ["abcdef:1", "abcdef:0"])
async def test_a_stream_that_is_unknown_or_of_another_session_cannot_be_resumed(place: str) -> None:
    http = Http(app.asgi())
    mine, others = await http.session(), await http.session()
    call = {"name": "steps", "_meta": {"progressToken": 1}}
    stream = await http.request("POST", {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}, others)
    ids = [str(name) for name, _ in stream.records]
    for foreign in (place, *ids):
        refused = await http.request("GET", b"", mine | {"last-event-id": foreign})
        assert refused.status == 400
        assert "Last-Event-ID" in refused.json["error"]["message"] and foreign not in refused.json["error"]["message"]
    for known in ids:
        resumed = await http.request("GET", b"", others | {"last-event-id": known})
        assert resumed.status == 200


async def test_a_405_names_the_methods_of_its_own_route() -> None:
    http = Http(Server("routes").asgi())
    allowed = {
        path: (await http.request(method, b"", path=path)).headers["allow"]
        for method, path in (("POST", "/sse"), ("GET", "/messages"), ("PUT", "/mcp"))
    }
    assert allowed == {"/sse": "GET", "/messages": "POST", "/mcp": "GET, POST, DELETE"}
    await http.app.stop()


async def test_a_place_that_no_message_has_reached_makes_no_stream_deaf() -> None:
    app = Server("changing", declares=["tools"])
    http = Http(app.asgi())
    headers = await http.session()
    gone = asyncio.Event()
    reading = asyncio.create_task(http.request("GET", b"", headers | {"last-event-id": "0:99999"}, gone=gone))
    while not http.app.runtime.streams:
        await asyncio.sleep(0)

    @app.tool
    async def later() -> None:
        """New."""

    async with asyncio.timeout(5):
        while not await http.app.runtime.stores.events.marked(headers["mcp-session-id"], "0"):
            await asyncio.sleep(0)
    gone.set()
    response = await reading
    assert [event["method"] for event in response.events] == ["notifications/tools/list_changed"]
    await http.app.stop()
