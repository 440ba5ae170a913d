"""What a server asks is answered by one set of handlers, checked before it leaves, and told nothing when they fail."""

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dovetail import Client, Context, Server
from dovetail.errors import DefinitionError, DovetailError, InternalError, MethodNotFound, PeerError
from dovetail.wire import (
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequestParams,
    ElicitResult,
    Root,
    TextContent,
)
from tests.client.scripted import Scripted, text

Json = dict[str, Any]
both_eras = pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])


def asking() -> Server:
    app = Server("asking")

    @app.tool
    async def form(ctx: Context) -> str:
        """Ask by a form."""
        answer = await ctx.elicit("How many?", int)
        return f"{answer.action} {answer.value if answer.accepted else ''}".strip()

    @app.tool
    async def model(ctx: Context) -> str:
        """Ask the model."""
        said = await ctx.sample("Say hello.", max_tokens=10)
        return f"{said.model}: {getattr(said.content, 'text', '')}"

    @app.tool
    async def where(ctx: Context) -> str:
        """Ask where the client works."""
        return " ".join(root.uri for root in await ctx.roots())

    @app.tool
    async def page(ctx: Context) -> str:
        """Send the user to a page."""
        return (await ctx.elicit_url("Please pay", "https://pay.example/7")).action

    @app.tool
    async def two(ctx: Context) -> str:
        """Ask twice at a time."""
        one, other = await asyncio.gather(ctx.elicit("One?", int, key="1"), ctx.elicit("Two?", int, key="2"))
        return f"{one.value} {other.value}"

    return app


async def called(version: str, tool: str, **options: Any) -> str:
    async with Client(asking(), revision=version, **options) as client:
        return (await client.call_tool(tool)).text


# What a handler may return.


@both_eras
@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"value": 3}, "accept 3"),
        (None, "decline"),
        (ElicitResult(action="decline"), "decline"),
        (ElicitResult(action="cancel"), "cancel"),
        (ElicitResult(action="accept", content={"value": 4}), "accept 4"),
    ],
)
async def test_an_answer_is_fields_none_or_a_result(version: str, answer: Any, told: str) -> None:
    async def on_elicit(question: ElicitRequestParams) -> Any:
        assert question.requested_schema is not None
        return answer

    assert await called(version, "form", on_elicit=on_elicit) == told


@both_eras
async def test_a_plain_function_may_wait_for_somebody_in_a_thread(version: str) -> None:
    threads: list[threading.Thread] = []

    def on_elicit(question: ElicitRequestParams) -> Json:
        threads.append(threading.current_thread())
        return {"value": 1}

    assert await called(version, "form", on_elicit=on_elicit) == "accept 1"
    assert threads != [threading.main_thread()]


@both_eras
@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("hello", "unknown: hello"),
        (CreateMessageResult(role="assistant", content=TextContent(text="hi"), model="m-1"), "m-1: hi"),
    ],
)
async def test_a_model_answers_with_a_text_or_a_message(version: str, answer: Any, told: str) -> None:
    async def on_sample(request: CreateMessageRequestParams) -> Any:
        assert request.max_tokens == 10
        return answer

    assert await called(version, "model", on_sample=on_sample) == told


@both_eras
async def test_roots_are_paths_uris_or_a_function_that_is_asked_each_time(version: str, tmp_path: Path) -> None:
    given = [tmp_path, "file:///srv", Root(uri="file:///home")]
    told = f"{tmp_path.as_uri()} file:///srv file:///home"
    assert await called(version, "where", roots=given) == told
    assert await called(version, "where", roots="file:///one") == "file:///one"
    assert await called(version, "where", roots=tmp_path) == tmp_path.as_uri()
    asked: list[int] = []

    def roots() -> list[str]:
        asked.append(1)
        return ["file:///now"]

    async with Client(asking(), revision=version, roots=roots) as client:
        assert [(await client.call_tool("where")).text for _ in "12"] == ["file:///now"] * 2
    assert len(asked) == 2


@both_eras
async def test_a_function_for_roots_runs_in_a_thread_or_is_awaited(version: str) -> None:
    threads: list[threading.Thread] = []

    def plain() -> list[str]:
        threads.append(threading.current_thread())
        return ["file:///plain"]

    def generator() -> Iterator[str]:
        threads.append(threading.current_thread())
        yield "file:///generator"

    async def coroutine() -> list[str]:
        await asyncio.sleep(0)
        return ["file:///coroutine"]

    for roots in (plain, generator, coroutine):
        assert await called(version, "where", roots=roots) == f"file:///{roots.__name__}"
    assert len(threads) == 2 and threading.main_thread() not in threads


@both_eras
async def test_a_page_is_visited_or_not(version: str) -> None:
    seen: list[str | None] = []

    async def on_elicit(question: ElicitRequestParams) -> Json | None:
        seen.append(question.url)
        return {} if len(seen) == 1 else None

    async with Client(asking(), revision=version, on_elicit=on_elicit) as client:
        assert [(await client.call_tool("page")).text for _ in "12"] == ["accept", "decline"]
    assert seen == ["https://pay.example/7"] * 2


@both_eras
async def test_several_questions_at_once_are_each_answered(version: str) -> None:
    async def on_elicit(question: ElicitRequestParams) -> Json:
        return {"value": {"One?": 1, "Two?": 2}[question.message]}

    assert await called(version, "two", on_elicit=on_elicit) == "1 2"


async def test_what_was_left_out_of_a_form_has_its_default() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer", "default": 7}, "b": {"type": "string"}}}
    question = {"message": "?", "requestedSchema": schema}
    server = Scripted(tools_call=lambda server, request: server.say(_ask("elicitation/create", question)))
    async with Client(server, on_elicit=lambda _: {"b": "x"}) as client:
        call = asyncio.create_task(client.call_tool("a"))
        answer = await _answered(server)
        assert answer["result"] == {"action": "accept", "content": {"a": 7, "b": "x"}}
        call.cancel()


# What goes wrong.


def _ask(method: str, params: Json | None) -> Json:
    return {"jsonrpc": "2.0", "id": "q", "method": method, **({} if params is None else {"params": params})}


async def _answered(server: Scripted) -> Json:
    async with asyncio.timeout(5):
        while not (found := [message for message in server.seen if message.get("id") == "q"]):
            server.heard.clear()
            await server.heard.wait()
    return found[0]


FORM: Json = {"message": "?", "requestedSchema": {"type": "object", "properties": {"a": {"type": "integer"}}}}
SAMPLE: Json = {"maxTokens": 1, "messages": []}


def _fails(question: Any) -> Any:
    raise RuntimeError("the secret is 42")


@pytest.mark.parametrize(
    ("method", "params", "options", "code"),
    [
        ("elicitation/create", FORM, {}, -32601),
        ("sampling/createMessage", SAMPLE, {}, -32601),
        ("roots/list", None, {}, -32601),
        ("tools/list", None, {}, -32601),
        ("elicitation/create", {"message": "?"}, {"on_elicit": _fails}, -32602),
        ("elicitation/create", {"mode": "url", "message": "?"}, {"on_elicit": _fails}, -32602),
        ("elicitation/create", FORM, {"on_elicit": _fails}, -32603),
        ("elicitation/create", FORM, {"on_elicit": lambda _: {"a": "not a number"}}, -32603),
        ("sampling/createMessage", SAMPLE, {"on_sample": _fails}, -32603),
        ("sampling/createMessage", SAMPLE, {"on_sample": lambda _: 7}, -32603),
    ],
)
async def test_a_question_that_has_no_answer_is_refused_without_a_reason(
    method: str, params: Json | None, options: Any, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with Client(server := Scripted(), **options):
        server.say(_ask(method, params))
        answer = await _answered(server)
    assert answer["error"]["code"] == code
    assert "secret" not in json.dumps(answer)
    assert "not a number" not in json.dumps(answer) + caplog.text


BAD_URLS = [
    "javascript:alert(1)",
    "data:text/html,x",
    "file:///etc/passwd",
    "vscode://x/y",
    "//x/y",
    "https:///x",
    "https://x:port/",
    "https://x/a b",
    "https://x/\n",
    "",
]


@pytest.mark.parametrize("url", BAD_URLS)
async def test_what_no_browser_should_open_reaches_no_handler(url: str) -> None:
    asked: list[str | None] = []
    question = {"mode": "url", "message": "?", "url": url, "elicitationId": "1"}
    data = {"elicitations": [question]}
    server = Scripted(tools_call=lambda server, request: server.refuse(request, -32042, data=data))
    async with Client(server, on_elicit=lambda question: asked.append(question.url)) as client:
        server.say(_ask("elicitation/create", question))
        assert (await _answered(server))["error"]["code"] == -32602
        with pytest.raises(PeerError, match="-32042"):
            await client.call_tool("a")
    assert asked == []


@pytest.mark.parametrize("options", [{}, {"on_elicit": _fails}, {"on_elicit": lambda _: {"a": "many"}}])
async def test_on_the_stateless_era_the_call_fails_where_its_question_cannot_be_answered(options: Any) -> None:
    asked = {"inputRequests": {"k": {"method": "elicitation/create", "params": FORM}}, "requestState": "s"}
    result = {**asked, "resultType": "input_required"}
    server = Scripted("2026-07-28", tools_call=lambda server, request: server.answer(request, result))
    async with Client(server, **options) as client:
        with pytest.raises(InternalError if options else MethodNotFound):
            await client.call_tool("a")
        assert len(server.of("tools/call")) == 1


class Odd:
    """Of no type that means anything; what it shows is a secret."""

    def __repr__(self) -> str:
        return "the secret is 42"


ODD: Any = [True, "yes", 7, [1], Odd(), ElicitResult(action="perhaps"), ElicitResult(action="accept", content=Odd())]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tool", "option", "answer"),
    [
        *(("form", "on_elicit", odd) for odd in ODD),
        *(("page", "on_elicit", odd) for odd in ODD),
        *(("model", "on_sample", odd) for odd in (True, None, 7, {"text": "hello"}, Odd())),
        *(("where", "roots", odd) for odd in (7, [7], Odd(), [Odd()])),
    ],
)
async def test_an_answer_of_another_type_is_refused_with_what_was_expected(
    tool: str, option: str, answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    options: Any = {option: lambda *_: answer}
    told = []
    async with Client(asking(), **options) as client:
        with pytest.raises(DefinitionError, match=f"{option} returned .*: expected ") as caught:
            await client.call_tool(tool)
        told.append(str(caught.value))
    async with Client(asking(), revision="2025-11-25", **options) as client:
        result = await client.call_tool(tool)
        assert result.is_error
        told.append(result.text)
    assert "expected" in caplog.text
    assert "returned" not in told[1]  # the server hears nothing of why
    assert "secret" not in caplog.text + "".join(told)


async def test_a_function_of_roots_that_fails_is_an_error_of_the_tree() -> None:
    def roots() -> list[str]:
        raise RuntimeError

    async with Client(asking(), roots=roots) as client:
        with pytest.raises(InternalError):
            await client.call_tool("where")


async def test_only_what_has_a_handler_is_declared() -> None:
    for options, declared in (
        ({}, {}),
        ({"on_elicit": _fails}, {"elicitation": {"form": {}, "url": {}}}),
        ({"on_sample": _fails}, {"sampling": {"tools": {}}}),
        ({"roots": []}, {"roots": {"listChanged": True}}),
    ):
        async with Client(server := Scripted(), **options):
            assert server.of("initialize")[0]["params"]["capabilities"] == declared


async def test_a_ping_of_the_server_is_answered_with_nothing() -> None:
    async with Client(server := Scripted()):
        server.say(_ask("ping", None))
        assert (await _answered(server))["result"] == {}


async def test_a_question_that_the_server_withdraws_is_not_answered() -> None:
    asked, ended = asyncio.Event(), asyncio.Event()

    async def on_elicit(question: ElicitRequestParams) -> None:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with Client(server := Scripted(), on_elicit=on_elicit) as client:
        server.say(_ask("elicitation/create", FORM))
        await asked.wait()
        server.say({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "q"}})
        await ended.wait()
        server.replies["ping"] = lambda server, request: server.answer(request, {})
        await client.ping()
        assert not [message for message in server.seen if message.get("id") == "q"]


@pytest.mark.req("C-01")
@both_eras
async def test_the_calls_timer_stands_while_the_user_thinks(version: str) -> None:
    loop = asyncio.get_running_loop()

    async def on_elicit(question: ElicitRequestParams) -> Json:
        until = loop.time() + 0.25
        while loop.time() < until:
            await asyncio.sleep(0)
        return {"value": 1}

    async with Client(asking(), revision=version, on_elicit=on_elicit) as client:
        assert (await client.call_tool("form", timeout=0.2)).text == "accept 1"


# -32042 of 2025-11-25: a URL to visit before the call is made again.

VISIT: Json = {"mode": "url", "message": "Log in", "url": "https://login.example/", "elicitationId": "e1"}


class Gate:
    """A tool that wants a URL visited first."""

    def __init__(self, *, completes: bool) -> None:
        self.completes = completes
        self.visits: list[str | None] = []
        self.server = Scripted(tools_call=self.call)

    def call(self, server: Scripted, request: Json) -> None:
        if self.visits:
            server.answer(request, text("welcome"))
        else:
            server.refuse(request, -32042, "Visit first", {"elicitations": [VISIT]})

    async def visit(self, question: ElicitRequestParams) -> Json:
        self.visits.append(question.url)
        if self.completes:
            done = {"method": "notifications/elicitation/complete", "params": {"elicitationId": "e1"}}
            self.server.say({"jsonrpc": "2.0", **done})
        return {}


@pytest.mark.parametrize(("completes", "visit"), [(True, 60.0), (False, 0.05)])
async def test_a_call_that_wants_a_visit_is_made_again_when_it_is_over_or_after_a_while(
    completes: bool, visit: float
) -> None:
    gate = Gate(completes=completes)
    async with Client(gate.server, on_elicit=gate.visit, visit=visit) as client:
        assert (await client.call_tool("a", timeout=5)).text == "welcome"
    assert gate.visits == ["https://login.example/"]
    assert len(gate.server.of("tools/call")) == 2


async def test_a_visit_that_is_declined_leaves_the_servers_error() -> None:
    gate = Gate(completes=False)
    for options in ({}, {"on_elicit": lambda _: None}, {"on_elicit": lambda _: ElicitResult(action="cancel")}):
        async with Client(gate.server, **options) as client:
            with pytest.raises(PeerError) as caught:
                await client.call_tool("a")
            assert caught.value.code == -32042


@pytest.mark.parametrize("data", [None, {}, {"elicitations": 7}, {"elicitations": [{"mode": "url", "message": "x"}]}])
async def test_a_visit_that_names_no_url_is_the_servers_error(data: Any) -> None:
    server = Scripted(tools_call=lambda server, request: server.refuse(request, -32042, "Visit", data))
    async with Client(server, on_elicit=lambda _: {}) as client:
        with pytest.raises(PeerError):
            await client.call_tool("a")


# Rounds by hand.


async def test_rounds_can_be_driven_by_hand() -> None:
    async with Client(asking(), on_elicit=_fails) as client:
        asked = await client.request("tools/call", {"name": "form", "arguments": {}})
        assert asked["resultType"] == "input_required"
        (key,) = asked["inputRequests"]
        answers = {key: {"action": "accept", "content": {"value": 9}}}
        done = await client.request(
            "tools/call",
            {"name": "form", "arguments": {}, "inputResponses": answers, "requestState": asked["requestState"]},
        )
        assert done["content"][0]["text"] == "accept 9"


# Log messages.


def logging_server() -> Server:
    app = Server("logs")

    @app.tool
    async def talk(ctx: Context) -> str:
        """Log one of each."""
        await ctx.log.debug("d")
        await ctx.log.info("i")
        await ctx.log.error("e")
        return "done"

    return app


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"])
async def test_log_messages_from_a_level_upwards_are_heard_and_it_can_be_changed(version: str) -> None:
    heard: list[Any] = []
    async with Client(logging_server(), revision=version, on_log=lambda each: heard.append(each.data)) as client:
        await client.call_tool("talk")
        assert heard == ["i", "e"]
        await client.set_log_level("error")
        await client.call_tool("talk")
        assert heard == ["i", "e", "e"]
        await client.set_log_level("debug")
        await client.call_tool("talk")
        assert heard == ["i", "e", "e", "d", "i", "e"]


async def test_the_level_outlives_a_connection_that_was_lost() -> None:
    server = Scripted(logging_setLevel=lambda server, request: server.answer(request, {}))
    server.replies["ping"] = lambda server, request: server.answer(request, {})
    capable = {"protocolVersion": "2025-11-25", "capabilities": {"logging": {}}}
    hello = {**capable, "serverInfo": {"name": "s", "version": "1"}}
    server.replies["initialize"] = lambda server, request: server.answer(request, hello)
    async with Client(server, on_log=lambda _: None) as client:
        await client.set_log_level("error")
        await server.channels[-1].aclose()
        await client.ping()
        levels = [message["params"]["level"] for message in server.of("logging/setLevel")]
        assert levels == ["info", "error", "error"]


@both_eras
async def test_a_handler_whose_own_wait_was_cancelled_has_failed_and_nobody_was_cancelled(version: str) -> None:
    async def on_elicit(question: ElicitRequestParams) -> None:
        waiting = asyncio.ensure_future(asyncio.Event().wait())
        waiting.cancel()
        await waiting

    async with Client(asking(), revision=version, on_elicit=on_elicit) as client:
        with contextlib.suppress(DovetailError):
            assert (await client.call_tool("form", timeout=5)).is_error


async def test_people_who_think_take_no_thread_away_from_anybody() -> None:
    thinking, enough = threading.Semaphore(0), threading.Event()

    def on_elicit(question: ElicitRequestParams) -> None:
        thinking.release()
        enough.wait(10)

    async with Client(asking(), on_elicit=on_elicit) as client:
        calls = [asyncio.create_task(client.call_tool("form")) for _ in range(64)]
        for _ in calls:
            assert await asyncio.to_thread(thinking.acquire, True, 10)
        assert await asyncio.to_thread(lambda: "free") == "free"
        enough.set()
        assert {(await each).text for each in calls} == {"decline"}


@both_eras
async def test_handlers_whose_calls_were_given_up_count_as_long_as_their_threads_go_on(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dovetail.client.answering.MOST_THREADS", 4)
    thinking, enough, alive = threading.Semaphore(0), threading.Event(), []

    def on_elicit(question: ElicitRequestParams) -> None:
        alive.append(threading.current_thread())
        thinking.release()
        enough.wait(10)

    async with Client(asking(), revision=version, on_elicit=on_elicit) as client:
        calls = [asyncio.create_task(client.call_tool("form")) for _ in range(4)]
        for _ in calls:
            assert await asyncio.to_thread(thinking.acquire, True, 5)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        last = asyncio.create_task(client.call_tool("form"))
        assert not await asyncio.to_thread(thinking.acquire, True, 0.1)
        assert len(alive) == 4
        enough.set()
        assert (await last).text == "decline"


@both_eras
@pytest.mark.parametrize("error", [StopIteration, SystemExit, KeyboardInterrupt, GeneratorExit])
async def test_whatever_a_plain_handler_raises_the_call_ends(version: str, error: type[BaseException]) -> None:
    def on_elicit(question: ElicitRequestParams) -> None:
        raise error

    async with Client(asking(), revision=version, on_elicit=on_elicit) as client, asyncio.timeout(5):
        with contextlib.suppress(DovetailError):
            assert (await client.call_tool("form")).is_error
