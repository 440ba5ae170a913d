"""What a server offers, to whom, in which order, and after every change."""

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from dovetail import Cache, Context, Header, Server
from dovetail.core import RESOURCES_CHANGED, Principal, resource_updated
from dovetail.errors import DefinitionError, InvalidName
from tests.server.peers import Conversation, Http, Json, meta, text_of

ANYBODY = Principal()


def nothing() -> None:
    """Do nothing."""


def names(app: Server, principal: Principal = ANYBODY) -> list[str]:
    """All names of tools, over all pages."""
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = app.catalogue.page("tools/list", principal, cursor)
        found += [tool.name for tool in page.tools]
        cursor = page.next_cursor
        if cursor is None:
            return found


# Pages.


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, None])
def test_pages_hold_everything_once_in_the_order_of_offering(size: int | None) -> None:
    app = Server("pages", page_size=size)
    offered = [f"tool_{number}" for number in (3, 1, 2, 7, 5, 6, 4)]
    for name in offered:
        app.add_tool(nothing, name=name)
    assert names(app) == offered


@pytest.mark.req("R-28")
@given(st.data())
def test_changes_between_pages_repeat_nothing_and_lose_nothing_that_stays(data: st.DataObject) -> None:
    app = Server("pages", page_size=data.draw(st.integers(1, 4)))
    for number in range(8):
        app.add_tool(nothing, name=f"t{number}")
    stays = {f"t{number}" for number in range(8)}
    found: list[str] = []
    cursor: str | None = None
    fresh = 100
    while True:
        page = app.catalogue.page("tools/list", ANYBODY, cursor)
        found += [tool.name for tool in page.tools]
        cursor = page.next_cursor
        if cursor is None:
            break
        if fresh < 106 and data.draw(st.booleans()):
            app.add_tool(nothing, name=f"t{fresh}")
            fresh += 1
        drop = data.draw(st.booleans())
        if stays and drop:
            gone = data.draw(st.sampled_from(sorted(stays)))
            app.remove_tool(gone)
            stays.discard(gone)
    assert len(found) == len(set(found))
    assert stays <= set(found)


@pytest.mark.parametrize(
    "cursor", ["", "x", "-1", "1.0", " 1", "1e3", "²", "٣", "9" * 19, "9" * 5000, "1\n", "0x1", "null"]
)
@pytest.mark.parametrize("method", ["tools/list", "prompts/list", "resources/list", "resources/templates/list"])
async def test_a_cursor_that_is_none_of_ours_is_refused(method: str, cursor: str) -> None:
    app = Server("pages", page_size=1)
    for number in range(3):
        app.add_tool(nothing, name=f"t{number}")
    client = Conversation(app)
    await client.open()
    message = await client.call(method, cursor=cursor)
    assert message["error"]["code"] in (-32602, -32600, -32700)
    assert len(message["error"]["message"]) < 300
    assert "result" in await client.call("tools/list", cursor="1")
    assert (await client.call("tools/list", cursor="999"))["result"]["tools"] == []
    await client.close()


@pytest.mark.parametrize("key", ["io.modelcontextprotocol/related-task", "com.mcp/x", "progressToken", "baggage"])
def test_nothing_is_offered_with_a_meta_key_that_is_not_its_own(key: str) -> None:
    app = Server("meta")
    with pytest.raises(InvalidName, match="MCP reserves"):
        app.add_tool(nothing, meta={key: 1})
    with pytest.raises(InvalidName, match="MCP reserves"):
        app.add_resource("data://a", nothing, meta={key: 1})
    with pytest.raises(InvalidName, match="MCP reserves"):
        app.add_prompt(nothing, meta={key: 1})
    assert names(app) == []


@pytest.mark.timeout(30)
def test_threads_change_what_is_offered_while_it_is_listed_and_read() -> None:
    app = Server("threads")
    for number in range(1000):
        app.add_tool(nothing, name=f"t{number}")
        app.add_resource(f"data://{number}/{{key}}", lambda key: key, name=f"r{number}")
    stop = threading.Event()
    failed: list[BaseException] = []

    def change() -> None:
        try:
            while not stop.is_set():
                app.add_tool(nothing, name="more", scopes=["admin"])
                app.add_resource("more://{key}", lambda key: key, name="more")
                app.remove_tool("more")
                app.remove_resource("more://{key}")
        except BaseException as error:
            failed.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    changing = threading.Thread(target=change)
    changing.start()
    admin, lists = Principal(scopes=frozenset({"admin"})), 0
    try:
        while lists < 1000 and not failed:
            app.catalogue.page("tools/list", admin, None)
            shown = app.catalogue.page("tools/list", ANYBODY, None).tools
            assert [tool.name for tool in shown if tool.name == "more"] == []
            assert app.catalogue.resolve("data://999/x", ANYBODY) is not None
            assert app.capabilities().tools is not None
            lists += 1
    finally:
        stop.set()
        changing.join()
        sys.setswitchinterval(interval)
    assert not failed
    assert len(names(app, admin)) == 1000


# Viewers.


def scoped() -> Server:
    app = Server("viewers", identify=by_scopes)
    app.add_tool(nothing, name="open")
    app.add_tool(nothing, name="read", scopes=["read"])
    app.add_tool(nothing, name="both", scopes=["read", "write"])
    app.add_tool(somewhere, name="place", scopes=["places"])
    app.add_prompt(lambda: "hi", name="secret_prompt", scopes=["read"])
    app.add_resource("data://secret", lambda: "s", name="secret", scopes=["read"])
    app.add_resource("data://{key}/secret", lambda key: key, name="template", scopes=["read"])
    return app


def somewhere(region: Annotated[str, Header("Region")]) -> None: ...


def by_scopes(scope: Any, fields: Mapping[bytes, bytes]) -> Principal:
    given = fields.get(b"x-scopes", b"").decode()
    return Principal(key=given, scopes=frozenset(given.split()))


@pytest.mark.req("S-24")
@pytest.mark.parametrize(
    ("scopes", "seen"),
    [
        ("", ["open"]),
        ("write", ["open"]),
        ("read", ["open", "read"]),
        ("read write", ["open", "read", "both"]),
        ("read write more", ["open", "read", "both"]),
        ("READ", ["open"]),
        ("read,write", ["open"]),
    ],
)
async def test_what_is_listed_can_be_called_and_nothing_else(scopes: str, seen: list[str]) -> None:
    http = Http(scoped().asgi())
    headers = {"x-scopes": scopes}
    listed = (await http.modern("tools/list", headers=headers)).json["result"]["tools"]
    assert [tool["name"] for tool in listed] == seen
    for name in ("open", "read", "both", "unknown"):
        answer = (await http.modern("tools/call", {"name": name}, headers=headers)).json
        if name in seen:
            assert "result" in answer
        else:
            assert answer["error"]["code"] == -32602
    allowed = "read" in scopes.split()
    for method, params, what in (
        ("prompts/get", {"name": "secret_prompt"}, "prompts"),
        ("resources/read", {"uri": "data://secret"}, "resources"),
        ("resources/read", {"uri": "data://x/secret"}, "resource_templates"),
    ):
        answer = (await http.modern(method, params, headers=headers)).json
        assert ("result" in answer) is allowed, (method, what)
    for method, field in (
        ("prompts/list", "prompts"),
        ("resources/list", "resources"),
        ("resources/templates/list", "resourceTemplates"),
    ):
        answer = (await http.modern(method, headers=headers)).json
        assert bool(answer["result"][field]) is allowed


@pytest.mark.req("S-24")
async def test_who_may_not_see_it_is_told_the_same_as_if_it_were_not_there() -> None:
    http = Http(scoped().asgi())
    for method, hidden, absent in (
        ("tools/call", {"name": "read"}, {"name": "xxxx"}),
        ("tools/call", {"name": "place", "arguments": {"region": "x"}}, {"name": "xxxxx"}),
        ("prompts/get", {"name": "secret_prompt"}, {"name": "xxxxxx_prompt"}),
        ("resources/read", {"uri": "data://secret"}, {"uri": "data://xxxxxx"}),
    ):
        one, other = await http.modern(method, hidden), await http.modern(method, absent)
        assert one.status == other.status
        was, is_ = one.json["error"], other.json["error"]
        assert was["code"] == is_["code"]
        secret, none = str(next(iter(hidden.values()))), str(next(iter(absent.values())))
        assert str(was).replace(secret, none) == str(is_)


@pytest.mark.req("S-24")
async def test_what_not_everybody_sees_is_private_whatever_its_author_says_of_caches() -> None:
    app = Server("viewers", identify=by_scopes, cache=Cache(60, scope="public"))
    public = Cache(60, scope="public")
    app.add_resource("data://secret", lambda: "s", name="secret", scopes=["read"], cache=public)
    app.add_resource("data://open", lambda: "o", name="open", cache=public)
    http = Http(app.asgi())
    for uri, scope in (("data://secret", "private"), ("data://open", "public")):
        answer = (await http.modern("resources/read", {"uri": uri}, headers={"x-scopes": "read"})).json
        assert answer["result"]["cacheScope"] == scope
    assert (await http.modern("resources/list")).json["result"]["cacheScope"] == "private"
    everybody = Server("open", cache=Cache(60, scope="public"))
    everybody.add_tool(nothing, name="open")
    assert (await Http(everybody.asgi()).modern("tools/list")).json["result"]["cacheScope"] == "public"


WATCHED = ["data://secret", "data://x/secret", "data://absent"]


@pytest.mark.req("S-24")
@pytest.mark.parametrize(("scopes", "heard"), [("", []), ("write", []), ("read", WATCHED[:2])])
async def test_a_listen_stream_tells_of_those_resources_only_that_its_client_sees(
    scopes: str, heard: list[str]
) -> None:
    asgi = scoped().asgi()
    runtime = (await asgi.start()).runtime
    params = {"notifications": {"resourcesListChanged": True, "resourceSubscriptions": WATCHED}}
    listening = asyncio.create_task(Http(asgi).modern("subscriptions/listen", params, headers={"x-scopes": scopes}))
    while not runtime.streams:
        await asyncio.sleep(0)
    for notice in (*map(resource_updated, WATCHED), RESOURCES_CHANGED):
        await runtime.publish(notice)
    for _ in range(20):
        await asyncio.sleep(0)
    asgi.drain()
    acknowledged, *events = (await asyncio.wait_for(listening, 5)).events
    assert acknowledged["params"]["notifications"].get("resourceSubscriptions", []) == heard
    told = [event["params"].get("uri") for event in events if event.get("method", "").startswith("notifications/res")]
    assert told == [*heard, None]
    await asgi.stop()


@pytest.mark.req("S-24")
@pytest.mark.parametrize(("scopes", "allowed"), [("", []), ("read", WATCHED[:2])])
async def test_a_session_subscribes_to_those_resources_only_that_its_client_sees(
    scopes: str, allowed: list[str]
) -> None:
    http = Http(scoped().asgi())
    who = {"x-scopes": scopes}
    opening = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    body = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": opening}
    opened = await http.request("POST", body, who)
    headers = who | {"mcp-session-id": opened.headers["mcp-session-id"], "mcp-protocol-version": "2025-11-25"}
    await http.request("POST", {"jsonrpc": "2.0", "method": "notifications/initialized"}, headers)
    taken = []
    for uri in WATCHED:
        body = {"jsonrpc": "2.0", "id": 1, "method": "resources/subscribe", "params": {"uri": uri}}
        if "result" in (await http.request("POST", body, headers)).json:
            taken.append(uri)
    assert taken == allowed


@pytest.mark.req("S-24")
async def test_middleware_cannot_change_the_list_of_other_callers_and_may_return_its_own() -> None:
    app = scoped()
    ways: list[Any] = [lambda result: result.tools.clear(), lambda result: result.tools.__setitem__(slice(None), [])]
    ways += [lambda result: result.tools.append(result.tools[0]), lambda result: result.tools.sort()]

    @app.use
    def hide(handler: Any) -> Any:
        async def handle(call: Any, context: Any) -> Any:
            result = await handler(call, context)
            if call.method != "tools/list" or not ways:
                return result
            with pytest.raises(TypeError, match="shared by all callers"):
                ways.pop()(result)
            return replace(result, tools=[])

        return handle

    client = Conversation(app)
    await client.open()
    for _ in range(len(ways)):
        assert (await client.call("tools/list"))["result"]["tools"] == []
    assert (await client.call("tools/list"))["result"]["tools"]
    await client.close()


async def test_viewers_who_see_the_same_share_one_list_and_it_is_made_again_after_a_change() -> None:
    app = scoped()
    one = app.catalogue.page("tools/list", Principal(key="a", scopes=frozenset({"read", "x"})), None)
    two = app.catalogue.page("tools/list", Principal(key="b", scopes=frozenset({"read", "y"})), None)
    other = app.catalogue.page("tools/list", Principal(key="b"), None)
    assert one is two
    assert one is not other
    app.add_tool(nothing, name="late", scopes=["y"])
    one = app.catalogue.page("tools/list", Principal(key="a", scopes=frozenset({"read", "x"})), None)
    two = app.catalogue.page("tools/list", Principal(key="b", scopes=frozenset({"read", "y"})), None)
    assert [tool.name for tool in one.tools] == ["open", "read"]
    assert [tool.name for tool in two.tools] == ["open", "read", "late"]


async def test_a_list_is_right_after_every_change_on_both_eras() -> None:
    app = Server("changes")
    app.add_tool(nothing, name="first")
    old, new = Conversation(app), Conversation(app)
    await old.open()
    expected = ["first"]
    for step in range(6):
        if step % 3 == 2:
            app.remove_tool(expected.pop(0))
        else:
            app.add_tool(nothing, name=f"tool_{step}")
            expected.append(f"tool_{step}")
        for client, extra in ((old, {}), (new, {"_meta": meta()})):
            for _ in range(2):
                listed = (await client.call("tools/list", **extra))["result"]["tools"]
                assert [tool["name"] for tool in listed] == expected
    await old.close()
    await new.close()


async def test_the_lists_kept_for_viewers_are_bounded() -> None:
    app = Server("many", page_size=1)
    for number in range(3):
        app.add_tool(nothing, name=f"t{number}")
    for number in range(2000):
        app.catalogue.page("tools/list", ANYBODY, str(number))
    assert len(app.catalogue._listings) <= 256
    assert len(app.catalogue.encoded) <= 256


def test_a_name_is_taken_once_and_free_again_after_it_was_removed() -> None:
    app = Server("names")
    app.add_tool(nothing, name="one")
    with pytest.raises(DefinitionError):
        app.add_tool(nothing, name="one")
    app.remove_tool("one")
    with pytest.raises(DefinitionError):
        app.remove_tool("one")
    app.add_tool(nothing, name="one")
    app.add_resource("data://x", lambda: "x", name="r")
    with pytest.raises(DefinitionError):
        app.add_resource("data://x", lambda: "y", name="r2")
    with pytest.raises(DefinitionError):
        app.remove_resource("data://{y}")
    app.remove_resource("data://x")
    app.add_prompt(lambda: "p", name="p")
    with pytest.raises(DefinitionError):
        app.add_prompt(lambda: "p", name="p")
    app.remove_prompt("p")


# Mounting.


def test_what_is_mounted_follows_what_it_mirrors() -> None:
    root, billing, deep = Server("root"), Server("billing"), Server("deep")
    billing.add_tool(nothing, name="early")
    deep.add_tool(nothing, name="deepest")
    billing.mount(deep, prefix="deep")
    root.mount(billing, prefix="billing")
    assert names(root) == ["billing_early", "billing_deep_deepest"]
    deep.add_tool(nothing, name="late")
    billing.add_tool(nothing, name="later")
    assert names(root) == ["billing_early", "billing_deep_deepest", "billing_deep_late", "billing_later"]
    billing.remove_tool("early")
    deep.remove_tool("deepest")
    assert names(root) == ["billing_deep_late", "billing_later"]
    assert names(deep) == ["late"]


def test_a_name_that_is_taken_on_the_way_up_is_refused_and_nothing_is_left_of_it() -> None:
    root, other = Server("root"), Server("other")
    root.mount(other, prefix="x")
    root.add_tool(nothing, name="x_one")
    with pytest.raises(DefinitionError):
        other.add_tool(nothing, name="one")
    assert names(other) == []
    assert names(root) == ["x_one"]
    other.add_tool(nothing, name="two")
    assert names(root) == ["x_one", "x_two"]
    other.remove_tool("two")
    assert names(root) == ["x_one"]


def test_a_mount_that_clashes_is_refused_whole() -> None:
    root, other = Server("root"), Server("other")
    root.add_tool(nothing, name="two")
    other.add_tool(nothing, name="one")
    other.add_tool(nothing, name="two")
    with pytest.raises(DefinitionError):
        root.mount(other)
    assert names(root) == ["two"]
    other.add_tool(nothing, name="three")
    other.remove_tool("two")
    assert names(root) == ["two"]
    assert list(root.family()) == [root]
    with pytest.raises(DefinitionError):
        root.mount(root)
    root.mount(other, prefix="o")
    with pytest.raises(DefinitionError):
        other.mount(root)


def test_a_mounted_name_that_becomes_too_long_is_refused() -> None:
    root, other = Server("root"), Server("other")
    root.mount(other, prefix="p" * 100)
    other.add_tool(nothing, name="n" * 27)
    with pytest.raises(DefinitionError):
        other.add_tool(nothing, name="n" * 28)
    assert names(other) == ["n" * 27]


async def test_what_is_mounted_is_served_inside_the_middleware_of_every_server_on_the_way() -> None:
    root, middle, inner = Server("root"), Server("middle"), Server("inner")
    passed: list[str] = []
    made: list[str] = []

    def layer(name: str) -> Any:
        def middleware(handler: Any) -> Any:
            made.append(name)

            async def served(call: Any, ctx: Context) -> Any:
                passed.append(name)
                return await handler(call, ctx)

            return served

        return middleware

    for server in (root, middle, inner):
        server.use(layer(server.name))
    inner.add_tool(lambda: "ok", name="tool")
    inner.add_prompt(lambda: "ok", name="prompt")
    inner.add_resource("data://one", lambda: "ok", name="one")
    inner.add_resource("data://{key}/two", lambda key: key, name="two")
    middle.add_tool(lambda: "ok", name="own")
    middle.mount(inner, prefix="i")
    root.mount(middle, prefix="m")
    client = Conversation(root)
    await client.open()
    for method, params in (
        ("tools/call", {"name": "m_i_tool", "arguments": {}}),
        ("prompts/get", {"name": "m_i_prompt"}),
        ("resources/read", {"uri": "data://one"}),
        ("resources/read", {"uri": "data://k/two"}),
    ):
        for _ in range(2):
            passed.clear()
            message = await client.call(method, **params)
            assert "ok" in str(message) or "'k'" in str(message)
            assert passed == ["root", "middle", "inner"], method
    passed.clear()
    await client.call("tools/call", name="m_own", arguments={})
    assert passed == ["root", "middle"]
    assert made.count("inner") == 1
    await client.close()


async def test_lifespans_are_entered_once_for_each_server_and_handlers_see_their_own() -> None:
    events: list[str] = []

    def lifespan(name: str) -> Any:
        async def manage(server: Server) -> AsyncIterator[str]:
            events.append(f"+{name}")
            yield name
            events.append(f"-{name}")

        return manage

    async def mine(ctx: Context) -> str:
        return str(ctx.lifespan)

    root, other = Server("root", lifespan=lifespan("root")), Server("other", lifespan=lifespan("other"))
    root.add_tool(mine, name="mine")
    other.add_tool(mine, name="mine")
    root.mount(other, prefix="one")
    root.mount(other, prefix="two")
    client = Conversation(root)
    await client.open()
    for name, owner in (("mine", "root"), ("one_mine", "other"), ("two_mine", "other")):
        assert text_of(await client.call("tools/call", name=name, arguments={})) == owner
    assert events == ["+root", "+other"]
    await client.close()
    assert events == ["+root", "+other", "-other", "-root"]


async def test_a_change_of_what_is_mounted_reaches_the_clients_of_the_whole() -> None:
    root, other = Server("root"), Server("other")
    root.mount(other, prefix="o")
    root.add_tool(nothing, name="own")
    client = Conversation(root)
    await client.open()
    await client.call("ping")
    other.add_tool(nothing, name="late")
    assert (await client.receive())["method"] == "notifications/tools/list_changed"
    await client.close()


@pytest.mark.req("S-22")
async def test_the_rate_of_a_resource_is_kept() -> None:
    app = Server("rates")
    app.add_resource("data://one", lambda: "one", name="one", limit="1/h")
    client = Conversation(app)
    await client.open()
    assert "result" in await client.call("resources/read", uri="data://one")
    assert (await client.call("resources/read", uri="data://one"))["error"]["code"] == -32603
    await client.close()


async def test_the_first_resource_that_fits_is_read_and_a_plain_one_goes_before_a_template() -> None:
    app = Server("resources")
    app.add_resource("data://{a}", lambda a: f"a {a}", name="a")
    app.add_resource("data://{+rest}", lambda rest: f"rest {rest}", name="rest")
    app.add_resource("data://x", lambda: "plain", name="plain")
    client = Conversation(app)
    await client.open()

    async def read(uri: str) -> Json:
        message = await client.call("resources/read", uri=uri)
        text: Json = message.get("error") or message["result"]["contents"][0]
        return text

    assert (await read("data://x"))["text"] == "plain"
    assert (await read("data://y"))["text"] == "a y"
    assert (await read("data://y/z"))["text"] == "rest y/z"
    assert (await read("other://y"))["code"] == -32002
    await client.close()
