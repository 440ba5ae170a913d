"""The examples run, and do what their pages say."""

import asyncio
import importlib.util
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from dovetail.errors import DovetailError
from dovetail.server import Server, load_server
from tests.house import ROOT
from tests.server.peers import STATELESS, Conversation, Http, accept, meta, text_of

EXAMPLES = ROOT / "docs" / "examples"
ERAS = ["2025-11-25", STATELESS]
Json = dict[str, Any]


def load(name: str) -> tuple[Server, Any]:
    """Return an example's server, and the module itself."""
    server = load_server(str(EXAMPLES / f"{name}.py"))
    return server, sys.modules[name]


def loaded(name: str) -> Any:
    """Return an example's module, which has no server."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Peer(Conversation):
    """A client of one era: what it calls carries what the era wants."""

    era: Json

    def said(self, **params: Any) -> Json:
        return {**params, **self.era}


@asynccontextmanager
async def talking(server: Server, version: str = STATELESS) -> AsyncIterator[Peer]:
    conversation = Peer(server)
    conversation.era = {"_meta": meta()} if version == STATELESS else {}
    if version != STATELESS:
        await conversation.open(version)
    yield conversation
    await conversation.close()


async def tool(conversation: Peer, name: str, /, **arguments: Any) -> Json:
    answer = await conversation.call("tools/call", **conversation.said(name=name, arguments=arguments))
    result: Json = answer.get("result", answer)
    return result


async def ask(conversation: Peer, version: str, name: str, /, **arguments: Any) -> tuple[str, int]:
    """Call a tool that asks, on either era; return what it said, and how often the client was asked."""
    before = len(conversation.seen)
    if version == STATELESS:
        results = await conversation.rounds(name, arguments)
        return text_of(results[-1]), len(results) - 1
    result = await tool(conversation, name, **arguments)
    return text_of(result), sum("id" in message and "method" in message for message in conversation.seen[before:])


# A first server.


async def test_notes_are_written_down_and_found_again() -> None:
    server, _ = load("first_server")
    async with talking(server) as conversation:
        assert text_of(await tool(conversation, "remember", title="milk", text="buy some")) == "Noted: milk"
        assert text_of(await tool(conversation, "recall", title="milk")) == "buy some"
        missing = await tool(conversation, "recall", title="tea")
        assert missing["isError"]
        assert text_of(missing) == "There is no note 'tea'. There are: milk"
        answer = await conversation.call("tools/list", _meta=meta())
        schema = answer["result"]["tools"][0]["inputSchema"]
        assert schema["properties"]["title"]["description"] == "What to find it by."


def test_the_first_server_runs_as_a_program() -> None:
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta()}}
    for command in (
        [sys.executable, str(EXAMPLES / "first_server.py")],
        [sys.executable, "-m", "dovetail.cli", "run", str(EXAMPLES / "first_server.py")],
    ):
        done = subprocess.run(command, input=json.dumps(message) + "\n", capture_output=True, text=True, timeout=10)
        names = [each["name"] for each in json.loads(done.stdout)["result"]["tools"]]
        assert names == ["remember", "recall"]


def test_the_test_of_the_page_passes_as_typed_with_nothing_but_pytest(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "first-server.md").read_text(encoding="utf-8").partition("## Test it")[2]
    (tmp_path / "test_notes.py").write_text(page.partition("```python\n")[2].partition("```")[0], encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:asyncio", "-p", "no:cacheprovider", "test_notes.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=10)
    assert "1 passed" in done.stdout


# Tools.


async def test_types_are_the_schema_and_misfits_name_the_place() -> None:
    server, _ = load("tools")
    async with talking(server) as conversation:
        assert (await tool(conversation, "price", lines=[{"sku": "a", "amount": 2}]))["structuredContent"] == 5.0
        misfit = await tool(conversation, "price", lines=[{"sku": "a", "amount": 200}])
        assert misfit["isError"]
        assert text_of(misfit) == "Invalid arguments: $.lines[0].amount: expected integer >= 1 and <= 99"
        listed = (await conversation.call("tools/list", _meta=meta()))["result"]["tools"]
        properties = listed[0]["inputSchema"]["properties"]
        assert properties["size"]["enum"] == ["s", "l"]
        assert properties["note"]["description"] == "What the customer wrote."
        assert properties["lines"]["items"]["properties"]["sku"]["description"] == "Its number in the catalogue."


async def test_results_become_what_the_table_says() -> None:
    server, _ = load("tools")
    async with talking(server) as conversation:
        parcel = await tool(conversation, "track", parcel_id="7")
        assert parcel["structuredContent"] == {"id": "7", "place": "Hamburg", "days": 2}
        assert json.loads(text_of(parcel)) == parcel["structuredContent"]
        label = await tool(conversation, "label", parcel_id="7")
        assert [block["type"] for block in label["content"]] == ["text", "image", "resource", "resource_link"]
        assert "structuredContent" not in label
        assert (await tool(conversation, "weigh", grams=3))["_meta"]["example.com/scale"] == 3


async def test_a_tool_says_of_itself_what_it_was_given() -> None:
    server, _ = load("tools")
    async with talking(server) as conversation:
        listed = (await conversation.call("tools/list", _meta=meta()))["result"]["tools"]
        cancel = next(each for each in listed if each["name"] == "cancel-order")
        assert cancel["annotations"] == {"destructiveHint": True, "idempotentHint": True}
        assert cancel["_meta"]["dovetail/version"] == "2.1"
        assert cancel["_meta"]["dovetail/cache"] == {"seconds": 0.0, "scope": "private"}
        assert cancel["icons"][0]["mimeType"] == "image/png"


async def test_what_was_meant_is_told_and_an_accident_is_masked(caplog: pytest.LogCaptureFixture) -> None:
    server, _ = load("tools")
    async with talking(server) as conversation:
        meant = await tool(conversation, "refund", order_id="9")
        assert text_of(meant) == "An order's id looks like ORD-1042. Ask the user for it."
        accident = text_of(await tool(conversation, "refund", order_id="ORD-1"))
        assert accident.startswith("Internal error; see the server's log for ")
        assert "10.0.0.7" not in accident
        assert accident.rpartition(" ")[2] in caplog.text
        assert caplog.records[-1].name == "dovetail.server"
        assert "10.0.0.7" in caplog.text


async def test_limits_end_a_call_or_refuse_it_at_once() -> None:
    server, _ = load("tools")
    async with talking(server) as conversation:
        first, second = (conversation.begin("tools/call", {"name": "report", "_meta": meta()}) for _ in "12")
        refused = await tool(conversation, "report")
        assert refused["error"]["message"].startswith("Too many calls at a time: the concurrency limit is reached")
        late = [message for message in conversation.seen if message.get("id") in (first, second)]
        while len(late) < 2:
            late.append(await conversation.receive())
        assert {text_of(message) for message in late} == {"The call did not finish within 0.05 seconds"}


async def test_text_for_json_is_repaired_unless_that_is_off() -> None:
    server, _ = load("tools")
    async with talking(server) as conversation:
        assert text_of(await tool(conversation, "pick", ids="[1, 2]", exact="true")) == "Picked [1, 2] exactly"
        assert (await tool(conversation, "pick_strictly", ids="[1, 2]"))["isError"]


async def test_a_verbatim_schema_is_sent_and_checked() -> None:
    server, module = load("tools")
    async with talking(server) as conversation:
        listed = (await conversation.call("tools/list", _meta=meta()))["result"]["tools"]
        search = next(each for each in listed if each["name"] == "search")
        assert search["inputSchema"] == module.SEARCH
        assert (await tool(conversation, "search", query="a", limit=3))["structuredContent"] == {"hits": ["a", "a"]}
        assert (await tool(conversation, "search", query="a", limit=60))["isError"]


async def test_an_argument_in_a_header_must_agree_with_the_body() -> None:
    server, _ = load("tools")
    client = Http(server.asgi())
    params = {"name": "stock", "arguments": {"region": "eu", "sku": "1"}}
    assert (await client.modern("tools/call", params, headers={"mcp-param-region": "eu"})).status == 200
    for headers in ({"mcp-param-region": "us"}, {}):
        assert (await client.modern("tools/call", params, headers=headers)).json["error"]["code"] == -32020


async def test_progress_and_logs_reach_the_caller_that_wants_them() -> None:
    server, _ = load("tools")
    wants = {"progressToken": "p", "io.modelcontextprotocol/logLevel": "info"}
    response = await Http(server.asgi()).modern("tools/call", {"name": "pack", "arguments": {"parcels": 2}}, meta=wants)
    methods = [event.get("method") for event in response.events]
    assert methods == ["notifications/progress", "notifications/progress", "notifications/message", None]
    async with talking(server) as conversation:
        assert text_of(await tool(conversation, "shred", pages=3)) == "Shredded 3"


@pytest.mark.parametrize("version", ERAS)
async def test_a_tool_comes_and_goes_and_clients_hear_of_it(version: str) -> None:
    server, _ = load("tools")
    async with talking(server, version) as conversation:
        if version == STATELESS:
            conversation.begin("subscriptions/listen", {"notifications": {"toolsListChanged": True}, "_meta": meta()})
            assert (await conversation.receive())["method"] == "notifications/subscriptions/acknowledged"
        await tool(conversation, "season", open=True)
        while not any(message.get("method") == "notifications/tools/list_changed" for message in conversation.seen):
            await conversation.receive()
        assert text_of(await tool(conversation, "wrap", order_id="1")) == "Wrapped 1"
        await tool(conversation, "season", open=False)
        assert (await tool(conversation, "wrap", order_id="1"))["error"]["code"] == -32602


# Resources and prompts.


async def test_resources_templates_and_what_is_not_there() -> None:
    server, _ = load("resources_and_prompts")
    async with talking(server) as conversation:

        async def read(uri: str) -> Json:
            return await conversation.call("resources/read", **conversation.said(uri=uri))

        hours = (await read("handbook://hours"))["result"]
        assert json.loads(hours["contents"][0]["text"]) == {"shop": "9 to 17"}
        assert (hours["ttlMs"], hours["cacheScope"]) == (60_000, "public")
        assert (await read("handbook://logo"))["result"]["contents"][0]["blob"].startswith("iVBOR")
        assert "region template" in (await read("page://resources_and_prompts.py"))["result"]["contents"][0]["text"]
        assert (await read("page://../weave.py"))["error"]["code"] == -32602
        assert (await read("page://nobody.py"))["error"]["message"] == "Resource not found"
        assert text_of(await tool(conversation, "read_aloud", uri="handbook://hours")) == "1 part"
    async with talking(server, "2025-11-25") as conversation:
        assert (await read("page://nobody.py"))["error"]["code"] == -32002


async def test_suggestions_know_what_is_settled() -> None:
    server, _ = load("resources_and_prompts")
    async with talking(server) as conversation:

        async def complete(name: str, value: str, **settled: str) -> list[str]:
            answer = await conversation.call(
                "completion/complete",
                ref={"type": "ref/resource", "uri": "weather://{country}/{city}"},
                argument={"name": name, "value": value},
                context={"arguments": settled},
                _meta=meta(),
            )
            values: list[str] = answer["result"]["completion"]["values"]
            return values

        assert await complete("country", "d") == ["DE"]
        assert await complete("city", "B", country="DE") == ["Berlin", "Bonn"]
        assert await complete("city", "B") == []


async def test_prompts_take_text_and_return_messages() -> None:
    server, _ = load("resources_and_prompts")
    async with talking(server) as conversation:
        wrong = await conversation.call("prompts/get", name="triage", arguments={"tone": "rude"}, _meta=meta())
        assert wrong["error"]["code"] == -32602
        answer = await conversation.call("prompts/get", name="describe", _meta=meta())
        messages = answer["result"]["messages"]
        assert [message["role"] for message in messages] == ["user", "user", "assistant"]
        assert messages[1]["content"]["type"] == "image"


async def test_who_subscribed_hears_of_changed_contents() -> None:
    server, _ = load("resources_and_prompts")
    async with talking(server, "2025-11-25") as conversation:
        await conversation.call("resources/subscribe", uri="handbook://hours")
        await tool(conversation, "set_hours", text="10 to 12")
        told = [message for message in conversation.seen if message.get("method") == "notifications/resources/updated"]
        assert [message["params"]["uri"] for message in told] == ["handbook://hours"]  # before the call's answer


# Asking.


def answering(conversation: Peer, form: Callable[[Json], Json]) -> None:
    conversation.answers["elicitation/create"] = form
    conversation.answers["roots/list"] = lambda params: {"roots": [{"uri": "file:///home"}]}
    conversation.answers["sampling/createMessage"] = lambda params: {
        "role": "assistant", "content": {"type": "text", "text": "hi"}, "model": "m",
    }  # fmt: skip


def values(params: Json) -> Json:
    """Fill a form in: 7 for a number, the first choice, else `tea`."""
    fields = params.get("requestedSchema", {}).get("properties", {})
    known = {"days": 2, "train": False}
    content = {
        name: known.get(name, 7 if field["type"] == "integer" else field.get("enum", ["tea"])[0])
        for name, field in fields.items()
    }
    return {"action": "accept", "content": content}


@pytest.mark.parametrize("version", ERAS)
async def test_the_same_line_asks_on_both_eras(version: str) -> None:
    server, module = load("asking")
    async with talking(server, version) as conversation:
        answering(conversation, values)
        assert await ask(conversation, version, "book", city="Rome") == ("2 days in Rome by plane", 1)
        assert await ask(conversation, version, "seat") == ("Reserved row 7, window", 3)
        assert await ask(conversation, version, "pay") == ("Please pay there; the trip is booked then.", 1)
        assert await ask(conversation, version, "postcard", city="Rome") == ("m wrote; save it in file:///home", 2)
        assert await ask(conversation, version, "insure") == ("insured", 1)
        assert await ask(conversation, version, "upgrade") == ("first class, open", 1)
        assert [agency.log for agency in module.OPENED] == [["open", "close"]]
        together = {"2025-11-25": 2, "2026-07-28": 1}[version]
        assert await ask(conversation, version, "both") == ("tea, tea", together)


async def test_the_client_hears_when_a_visit_is_over() -> None:
    server, module = load("asking")
    async with talking(server, "2025-11-25") as conversation:
        answering(conversation, accept())
        await ask(conversation, "2025-11-25", "pay", trip=9)
        module.paid(9)
        notice = await conversation.receive()
        assert notice["method"] == "notifications/elicitation/complete"
        assert notice["params"] == {"elicitationId": "trip-9"}


@pytest.mark.parametrize("version", ERAS)
async def test_declining_is_an_answer(version: str) -> None:
    server, _ = load("asking")
    async with talking(server, version) as conversation:
        answering(conversation, lambda params: {"action": "decline"})
        assert (await ask(conversation, version, "book", city="Rome"))[0] == "The traveller would rather stay."
        assert (await ask(conversation, version, "upgrade"))[0] == "The user did not answer: Which class?"


@pytest.mark.parametrize("version", ERAS)
async def test_a_charge_before_a_question_happens_once(version: str) -> None:
    server, module = load("asking")
    async with talking(server, version) as conversation:
        answering(conversation, accept())
        assert await ask(conversation, version, "buy", city="Rome") == ("receipt 1, mailed", 1)
        assert module.CHARGES == [99]


async def test_a_handler_that_is_stopped_knows_why() -> None:
    server, module = load("asking")
    async with talking(server) as conversation:
        answering(conversation, accept())
        assert await ask(conversation, "2026-07-28", "careful") == ("went on", 1)
        assert module.ENDED == ["the answer is awaited: the function runs again"]
    async with talking(server, "2025-11-25") as conversation:
        call = conversation.begin("tools/call", {"name": "careful"})
        while conversation.seen[-1].get("method") != "elicitation/create":
            await conversation.receive()
        params = {"requestId": call}
        conversation.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})
        assert (await conversation.receive())["method"] == "notifications/cancelled"
        while len(module.ENDED) < 2:
            await asyncio.sleep(0)
        assert module.ENDED[-1] == "the caller gave up: undo"


async def test_who_cannot_be_asked_is_not_asked() -> None:
    server, _ = load("asking")
    async with talking(server) as conversation:
        answer = await conversation.call("tools/call", name="pay", _meta=meta({}))
        assert answer["error"]["code"] == -32021
    async with talking(server, "2024-11-05") as conversation:
        assert (await tool(conversation, "book", city="Rome"))["isError"]


# Composing.


async def test_a_server_is_made_of_parts() -> None:
    server, module = load("composing")
    async with talking(server) as conversation:
        assert (await tool(conversation, "orders"))["structuredContent"] == 42
        assert text_of(await tool(conversation, "tenant")) == "acme"
        assert text_of(await tool(conversation, "billing_invoice", order_id="7")) == "Invoice for 7"
        assert module.SEEN == ["tools/call"] * 3
        params = {"to": "ORD-1"}
        refused = await conversation.call("com.example/related", **params, _meta=meta({}))
        assert refused["error"]["code"] == -32021
        declared = meta({"extensions": {"com.example/related": {}}})
        answer = await conversation.call("com.example/related", **params, _meta=declared)
        assert answer["result"]["related"] == ["ORD-1"]


# Serving.


async def test_a_server_is_mounted_in_another_app_and_guarded_by_name() -> None:
    _, module = load("serving")
    client = Http(module.site)
    assert (await client.request("GET", path="/")).body == b"the shop"
    for path in ("/orders/healthz", "/orders/readyz"):
        assert (await client.request("GET", path=path)).status == 200
    for host, status in {"shop.example.com": 200, "shop.example.com:8443": 200, "evil.example": 421}.items():
        response = await client.request("GET", path="/orders/healthz", headers={"host": host})
        assert response.status == status
    assert b"allowed_hosts= allows it (on the command line, --allow-host)" in response.body
    for origin, status in {"https://shop.example.com": 200, "https://evil.example": 403}.items():
        response = await client.request("GET", path="/orders/healthz", headers={"origin": origin})
        assert response.status == status
    assert b"allowed_origins= allows it (on the command line, --allow-origin)" in response.body
    client.app = lambda scope, receive, send: module.site({**scope, "path": "/orders/mcp"}, receive, send)
    answer = await client.modern("tools/call", {"name": "status", "arguments": {"order_id": "7"}})
    assert answer.json["result"]["content"][0]["text"] == "7 is on its way"
    module.orders.drain()
    assert (await Http(module.site).request("GET", path="/orders/readyz")).status == 503
    await module.orders.stop()


def test_an_address_beyond_this_machine_needs_a_word() -> None:
    command = [sys.executable, "-m", "dovetail.cli", "run", str(EXAMPLES / "first_server.py")]
    command += ["--transport", "http", "--host", "0.0.0.0", "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    assert done.returncode == 1
    assert "without authentication" in done.stderr


def test_http_without_its_extra_says_what_to_install() -> None:
    code = "import sys; sys.modules['uvicorn'] = None; from dovetail.cli import main; main()"
    command = [sys.executable, "-c", code, "run", str(EXAMPLES / "first_server.py"), "--transport", "http"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert 'pip install "dovetail-mcp[http]"' in done.stderr


# Security.


async def test_callers_see_and_use_what_their_scopes_allow() -> None:
    server, _ = load("security")
    client = Http(server.asgi())
    alice = {"authorization": "Bearer alice-s-token"}

    async def call(name: str, headers: dict[str, str], **arguments: Any) -> Json:
        response = await client.modern("tools/call", {"name": name, "arguments": arguments}, headers=headers)
        answer: Json = response.json
        return answer

    def seen(response: Any) -> set[str]:
        return {each["name"] for each in response.json["result"]["tools"]}

    assert "cancel" in seen(await client.modern("tools/list", headers=alice))
    assert "cancel" not in seen(await client.modern("tools/list"))
    assert text_of(await call("cancel", alice, order_id="7")) == "alice cancelled 7"
    assert (await call("cancel", {}, order_id="7"))["error"]["message"] == "Unknown tool: 'cancel'"
    assert text_of(await call("whoami", {})) == "a stranger"
    basket = text_of(await call("open_basket", alice))
    assert len(basket) == 48
    assert text_of(await call("look_into", alice, basket=basket)) == "empty"
    assert text_of(await call("look_into", {}, basket=basket)).startswith("Unknown or expired handle")
    assert text_of(await call("look_into", {}, basket="0" * 48)).startswith("Unknown or expired handle")


async def test_a_changed_limit_holds() -> None:
    server, _ = load("security")
    response = await Http(server.asgi()).request("POST", b" " * (64 * 1024 + 1))
    assert response.status == 413
    assert server.rate.per_second == 50
    assert server.rate.burst == 100


def test_keys_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _, module = load("security")
    with pytest.raises(DovetailError, match="ORDERS_KEYS"):
        module.stores_in(str(tmp_path))
    monkeypatch.setenv("ORDERS_KEYS", "A" * 43 + "=")
    assert module.stores_in(str(tmp_path)).keys.ring() == (bytes(32),)


# Observability.


async def test_calls_are_counted_logged_and_recorded(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    server, module = load("observability")
    client = Http(server.asgi())
    for order in ("ORD-1", "ORD-0"):
        await client.modern("tools/call", {"name": "status", "arguments": {"order_id": order}})
    metrics = (await client.request("GET", path="/metrics")).body.decode()
    for outcome in ("ok", "tool_error"):
        labels = f'method="tools/call",name="status",outcome="{outcome}",revision="2026-07-28"'
        assert f"dovetail_calls_total{{{labels}}} 1.0" in metrics
    assert [record.outcome for record in module.recorder.records] == ["ok", "tool_error"]
    assert all(len(record.arguments) == 64 for record in module.recorder.records)
    assert module.audit.lost == 0
    (logged, _) = [record for record in caplog.records if record.name == "dovetail.calls"]
    line = json.loads(module.handler.format(logged))
    assert (line["method"], line["name"], line["outcome"]) == ("tools/call", "status", "ok")
    assert "ORD-1" not in json.dumps(line)


# The README.


@pytest.fixture
def readme(tmp_path: Path) -> ModuleType:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    file = tmp_path / "readme_block.py"
    file.write_text(text.partition("```python\n")[2].partition("```\n")[0])
    load_server(str(file))
    return sys.modules["readme_block"]


@pytest.mark.parametrize("version", ERAS)
async def test_the_code_of_the_readme_runs_as_it_stands(version: str, readme: Any) -> None:
    async with talking(readme.app, version) as conversation:
        answering(conversation, accept(quantity=2, gift=True))
        assert text_of(await tool(conversation, "add", a=1, b=2)) == "3"
        assert await ask(conversation, version, "order", item="tea") == ("Ordered 2 x tea, as a gift.", 1)


async def test_the_client_page() -> None:
    """docs/client.md"""
    _, module = load("client")
    assert await module.first() == (["price", "order"], 12, "12", False)
    assert await module.many() == {"policy://refunds": "read", "policy://returns": "read", "nothing://here": "failed"}
    assert await module.answering() == "Ordered tea."
    async with module.Client(module.app) as client:
        assert await module.careful(client) == "12"
    assert await asyncio.to_thread(module.plain) == "12"
    assert await module.listening() == "tools"


async def test_the_login_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/login.md"""
    from functools import partial

    from dovetail.client.browser import consenting
    from dovetail.client.login_world import LoginHttp
    from dovetail.errors import LoginUntrusted
    from tests.client.errands import pool, request, town
    from tests.client.serving import serving
    from tests.client.test_links import desk

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    module = loaded("login")
    async with town() as here, pool() as http:
        assert await request(module.service(here.url, "secret"), http, here.url) == 200
        visit = consenting(partial(LoginHttp, here.url))
        assert await request(module.headless(here.url, visit), http, here.url) == 200
        token = tmp_path / "token"
        token.write_text("not a token")
        with pytest.raises(LoginUntrusted):
            await request(module.workload(here.url, token), http, here.url)
        assert isinstance(module.told(here.url, tmp_path), module.Login)
    async with serving(desk().asgi()) as url:
        assert await module.simple(url)
        assert await module.many(url, {"ann": "ann-1", "bob": "bob-1"}) == {"ann": "ann", "bob": "bob"}


async def test_the_cache_page(tmp_path: Path) -> None:
    """docs/cache.md"""
    _, module = load("cache")
    once = "All about refunds, written down 1 times."
    assert await module.first() == (once, once.replace("1", "2"))
    assert [await module.from_a_file(tmp_path) for _ in range(2)] == [1, 1]
    assert await module.notices() == [1, 0]


def test_what_make_run_cannot_start_is_left_out_and_named_with_its_reason(tmp_path: Path) -> None:
    def entry(*words: str, **more: Any) -> Json:
        return {"command": "dovetail", "args": ["serve", *words], **more}

    servers = {
        "sums": entry("calculator", **{"try": {"calculate": {"expression": "1+1"}}}),
        "git": entry("git", "."),
        "odd": entry("calculator", **{"try": {"calculate": {"expression": "("}}}),
    }
    (tmp_path / "servers.json").write_text(json.dumps({"mcpServers": servers}))
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "offered.py"), "servers.json", "out/servers.json"],
        cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    found = json.loads((tmp_path / "out" / "servers.json").read_text())["mcpServers"]
    assert [name for name, each in found.items() if each.get("disabled")] == ["git", "odd"]
    assert "git is left out: dovetail serve: git: " in done.stderr and "odd is left out: " in done.stderr
    assert "sums" not in done.stderr
    assert "out/servers.json" in (ROOT / "Makefile").read_text()
