"""Every row of the rules for asking, on both eras, and every way in which a handler may take being stopped."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest

from dovetail import Ask, Context, Depends, Server
from dovetail.errors import DefinitionError, DovetailError, ToolError
from dovetail.revisions import NEWEST, REVISIONS
from dovetail.server.transports.run import shared_runtime
from tests.server.peers import Conversation, accept, meta, text_of

STATEFUL = ["2025-06-18", "2025-11-25"]


@dataclass
class Branch:
    name: str
    deep: bool = False


def server(**options: Any) -> Server:
    return Server("asks", **options)


@pytest.mark.parametrize("version", STATEFUL)
async def test_a_handler_asks_in_a_straight_line_where_the_request_is_pushed(version: str) -> None:
    app = server()

    @app.tool
    async def build(ctx: Context) -> str:
        answer = await ctx.elicit("Which branch?", Branch)
        return f"{answer.action} {answer.value.name if answer.value else '-'}"

    client = Conversation(app)
    client.answers["elicitation/create"] = accept(name="main", deep=True)
    await client.open(version)
    assert text_of(await client.call("tools/call", name="build", arguments={})) == "accept main"
    client.answers["elicitation/create"] = lambda params: {"action": "decline"}
    assert text_of(await client.call("tools/call", name="build", arguments={})) == "decline -"
    await client.close()


async def test_the_same_line_works_where_the_turn_ends_and_the_client_comes_back() -> None:
    app = server()
    runs: list[int] = []

    @app.tool
    async def build(ctx: Context) -> str:
        runs.append(1)
        answer = await ctx.elicit("Which branch?", Branch)
        again = await ctx.elicit("Sure?", Literal["yes", "no"])
        assert answer.value is not None
        return f"{answer.value.name} {again.value}"

    client = Conversation(app)
    answers = iter([{"name": "main"}, {"value": "yes"}])
    client.answers["elicitation/create"] = lambda params: {"action": "accept", "content": next(answers)}
    results = await client.rounds("build")
    assert text_of(results[-1]) == "main yes"
    assert [r["resultType"] for r in results] == ["input_required", "input_required", "complete"]
    assert len(runs) == 3
    assert results[0]["requestState"] != results[1]["requestState"]
    await client.close()


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
async def test_sampling_and_roots_exist_on_every_stateful_revision(version: str) -> None:
    app = server()

    @app.tool
    async def think(ctx: Context) -> str:
        said = await ctx.sample("Capital of France?", max_tokens=10)
        return f"{said.model} {[root.uri for root in await ctx.roots()]}"

    client = Conversation(app)
    client.answers["sampling/createMessage"] = lambda p: {
        "role": "assistant",
        "content": {"type": "text", "text": "Paris"},
        "model": "m",
    }
    client.answers["roots/list"] = lambda p: {"roots": [{"uri": "file:///a"}]}
    await client.open(version)
    assert text_of(await client.call("tools/call", name="think", arguments={})) == "m ['file:///a']"
    await client.close()


@pytest.mark.req("S-14")
@pytest.mark.parametrize(
    ("kind", "required"),
    [
        ("form", {"elicitation": {}}),
        ("url", {"elicitation": {"url": {}}}),
        ("sample", {"sampling": {}}),
        ("tools", {"sampling": {"tools": {}}}),
        ("roots", {"roots": {}}),
    ],
)
async def test_an_ask_that_the_client_did_not_declare_is_refused_before_anything_is_sent(
    kind: str, required: Any
) -> None:
    app = server()
    tool = {"name": "t", "inputSchema": {"type": "object"}}

    @app.tool
    async def ask(ctx: Context, kind: str) -> str:
        match kind:
            case "form":
                await ctx.elicit("?")
            case "url":
                await ctx.elicit_url("?", "https://example.com")
            case "sample":
                await ctx.sample("?")
            case "tools":
                await ctx.sample("?", tools=[tool])
            case _:
                await ctx.roots()
        return "asked"

    declared: dict[str, Any] = (
        {"sampling": {}} if kind == "tools" else {"elicitation": {"form": {}}} if kind == "url" else {}
    )
    client = Conversation(app)
    message = await client.call("tools/call", name="ask", arguments={"kind": kind}, _meta=meta(declared))
    assert message["error"]["code"] == -32021
    assert message["error"]["data"] == {"requiredCapabilities": required}
    await client.open("2025-11-25", declared)
    result = await client.call("tools/call", name="ask", arguments={"kind": kind})
    assert result["result"]["isError"] is True
    assert not [m for m in client.seen if m.get("method", "").endswith(("create", "createMessage", "list"))]
    await client.close()


async def test_a_client_that_opens_urls_only_learns_that_it_lacks_forms() -> None:
    app = server()

    @app.tool
    async def ask(ctx: Context) -> str:
        return (await ctx.elicit("?")).action

    client = Conversation(app)
    declared = meta({"elicitation": {"url": {}}})
    message = await client.call("tools/call", name="ask", arguments={}, _meta=declared)
    assert message["error"]["data"] == {"requiredCapabilities": {"elicitation": {"form": {}}}}
    await client.close()


async def test_a_visit_has_the_id_that_it_was_given_on_every_revision() -> None:
    app = server()

    @app.tool
    async def pay(ctx: Context) -> str:
        return (await ctx.elicit_url("Pay?", "https://example.com", visit="trip-7")).id

    client = Conversation(app)
    client.answers["elicitation/create"] = lambda params: {"action": "accept"}
    assert text_of((await client.rounds("pay"))[-1]) == "trip-7"
    await client.open("2025-11-25")
    assert text_of(await client.call("tools/call", name="pay", arguments={})) == "trip-7"
    await client.close()


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26"])
async def test_elicitation_does_not_exist_before_it_was_introduced(version: str) -> None:
    app = server()

    @app.tool
    async def ask(ctx: Context) -> str:
        await ctx.elicit("?")
        return "asked"

    client = Conversation(app)
    await client.open(version)
    assert (await client.call("tools/call", name="ask", arguments={}))["result"]["isError"] is True
    await client.close()


async def test_an_answer_is_never_given_to_another_question() -> None:
    app = server()
    question = ["first"]

    @app.tool
    async def ask(ctx: Context) -> str:
        one = await ctx.elicit(question[0], str, key="one")
        two = await ctx.elicit("second", str, key="two")
        return f"{one.value} {two.value}"

    client = Conversation(app)
    asked: list[str] = []

    def reply(params: Any) -> Any:
        asked.append(params["message"])
        if params["message"] == "second":
            question[0] = "changed"
        return {"action": "accept", "content": {"value": f"to {params['message']}"}}

    client.answers["elicitation/create"] = reply
    results = await client.rounds("ask")
    assert asked == ["first", "second", "changed", "second"]
    assert text_of(results[-1]) == "to changed to second"
    await client.close()


async def test_missing_and_invalid_answers_are_asked_again_and_the_others_kept() -> None:
    app = server()

    @app.tool
    async def ask(ctx: Context) -> str:
        a, b, c = await asyncio.gather(
            ctx.elicit("a", int, key="a"), ctx.elicit("b", int, key="b"), ctx.elicit("c", int, key="c")
        )
        return f"{a.value} {b.value} {c.value}"

    client = Conversation(app)
    first = (await client.call("tools/call", name="ask", arguments={}, _meta=meta()))["result"]
    assert sorted(first["inputRequests"]) == ["a", "b", "c"]
    responses = {
        "a": {"action": "accept", "content": {"value": 1}},
        "b": {"action": "accept", "content": {"value": "no"}},
    }
    extra = {"requestState": first["requestState"], "inputResponses": {**responses, "unknown": {"action": "accept"}}}
    second = (await client.call("tools/call", name="ask", arguments={}, _meta=meta(), **extra))["result"]
    assert sorted(second["inputRequests"]) == ["b", "c"]
    responses = {key: {"action": "accept", "content": {"value": 5}} for key in "bc"}
    extra = {"requestState": second["requestState"], "inputResponses": responses}
    third = await client.call("tools/call", name="ask", arguments={}, _meta=meta(), **extra)
    assert text_of(third) == "1 5 5"
    await client.close()


@pytest.mark.parametrize("order", [("plain", "late"), ("late", "plain"), ("late", "plain", "late")])
async def test_questions_of_the_next_loop_iteration_travel_together_whatever_their_order(order: list[str]) -> None:
    app = server()

    async def put(ctx: Context, key: str) -> object:
        if key.startswith("late"):
            await asyncio.sleep(0)
        return (await ctx.elicit(key, int, key=key)).value

    @app.tool
    async def ask(ctx: Context) -> str:
        keys = [f"{kind}{number}" for number, kind in enumerate(order)]
        return str(await asyncio.gather(*(put(ctx, key) for key in keys)))

    client = Conversation(app)
    client.answers["elicitation/create"] = accept(value=2)
    results = await client.rounds("ask")
    assert [len(result.get("inputRequests", ())) for result in results] == [len(order), 0]
    assert text_of(results[-1]) == str([2] * len(order))
    await client.close()


async def test_all_questions_of_one_loop_iteration_travel_together_and_later_ones_do_not() -> None:
    app = server()

    @app.tool
    async def ask(ctx: Context) -> str:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(ctx.elicit(f"q{n}", int, key=f"q{n}")) for n in range(3)]
        total = sum(task.result().value for task in tasks)
        last = await ctx.elicit("last", int, key="last")
        return str(total + last.value)

    client = Conversation(app)
    client.answers["elicitation/create"] = accept(value=2)
    results = await client.rounds("ask")
    assert [sorted(r.get("inputRequests", ())) for r in results] == [["q0", "q1", "q2"], ["last"], []]
    assert text_of(results[-1]) == "8"
    await client.close()


async def test_a_side_effect_happens_once_over_all_turns() -> None:
    app = server()
    effects: list[str] = []

    def charge(order: str) -> int:
        effects.append(order)
        return 42

    @app.tool
    async def refund(ctx: Context, order: str) -> str:
        receipt = await ctx.once("charge", charge, order)
        await ctx.elicit("Print it?", bool)
        return f"{receipt + await ctx.once('charge', charge, order)}"

    client = Conversation(app)
    client.answers["elicitation/create"] = accept(value=True)
    results = await client.rounds("refund", {"order": "a"})
    assert text_of(results[-1]) == "84"
    assert effects == ["a"]
    await client.rounds("refund", {"order": "a"})
    assert effects == ["a", "a"], "a fresh call without state is a new call"
    await client.close()


async def test_a_side_effect_that_failed_is_not_run_again() -> None:
    app = server()
    tries: list[int] = []

    async def flaky() -> None:
        tries.append(1)
        raise ToolError("card refused")

    @app.tool
    async def pay(ctx: Context) -> str:
        said = ""
        try:
            await ctx.once("pay", flaky)
        except ToolError as error:
            said = str(error)
        await ctx.elicit("Go on?", bool)
        return said

    client = Conversation(app)
    client.answers["elicitation/create"] = accept(value=True)
    assert text_of((await client.rounds("pay"))[-1]) == "card refused"
    assert tries == [1]
    await client.close()


async def test_progress_and_logs_are_withheld_while_known_ground_is_covered() -> None:
    app = server()

    @app.tool
    async def work(ctx: Context) -> str:
        await ctx.progress(1)
        await ctx.log.info("before")
        await ctx.elicit("Go on?", bool)
        await ctx.progress(2)
        await ctx.log.info("after")
        return "done"

    client = Conversation(app)
    more = {"progressToken": "p", "io.modelcontextprotocol/logLevel": "debug"}
    first = (await client.call("tools/call", name="work", arguments={}, _meta={**meta(), **more}))["result"]
    before = [m["method"] for m in client.seen if "method" in m]
    client.seen.clear()
    (key,) = first["inputRequests"]
    extra = {
        "requestState": first["requestState"],
        "inputResponses": {key: {"action": "accept", "content": {"value": True}}},
    }
    await client.call("tools/call", name="work", arguments={}, _meta={**meta(), **more}, **extra)
    notes = [m["params"] for m in client.seen if "method" in m]
    assert before == ["notifications/progress", "notifications/message"]
    assert [n.get("progress", n.get("data")) for n in notes] == [2, "after"]
    await client.close()


async def test_rounds_are_capped_on_both_eras_with_a_typed_error() -> None:
    from dovetail import Limits

    app = server(limits=Limits(rounds=3))

    @app.tool
    async def nag(ctx: Context) -> str:
        for _ in range(10):
            await ctx.elicit("Again?", bool)
        return "enough"

    client = Conversation(app)
    client.answers["elicitation/create"] = accept(value=True)
    results = await client.rounds("nag")
    assert len(results) == 4
    assert "more than 3 rounds" in text_of(results[-1])
    await client.open()
    assert "more than 3 rounds" in text_of(await client.call("tools/call", name="nag", arguments={}))
    await client.close()


async def test_a_large_answer_goes_to_the_store_and_comes_back() -> None:
    app = server()

    @app.tool
    async def read(ctx: Context) -> str:
        big = await ctx.elicit("Text?", str, key="big")
        await ctx.elicit("Go on?", bool, key="go")
        assert big.value is not None
        return str(len(big.value))

    client = Conversation(app)
    big = "x" * 20_000
    client.answers["elicitation/create"] = lambda p: {
        "action": "accept",
        "content": {"value": big if p["message"] == "Text?" else True},
    }
    results = await client.rounds("read")
    assert text_of(results[-1]) == "20000"
    assert len(results[1]["requestState"]) < 2_000
    await client.close()


async def test_a_state_over_the_limit_is_never_issued() -> None:
    from dovetail import Limits

    app = server(limits=Limits(request_state=64))

    @app.tool
    async def ask(ctx: Context) -> str:
        await ctx.elicit("?", bool, key="the-question")
        return "asked"

    client = Conversation(app)
    message = await client.call("tools/call", name="ask", arguments={}, _meta=meta())
    assert "the-question" in message["error"]["message"]
    await client.close()


def test_a_plain_function_that_asks_as_only_an_async_one_can_is_refused() -> None:
    app = server()

    def ask(ctx: Context) -> str:
        ctx.elicit("?")  # type: ignore[unused-coroutine]
        return "asked"

    with pytest.raises(DefinitionError, match="ask_sync"):
        app.add_tool(ask)


class Frame:
    def sample(self, size: int) -> list[int]:
        return [0] * size

    roots = elicit = sample


def test_a_plain_function_may_use_whatever_else_is_called_like_a_question() -> None:
    app, frame = server(), Frame()

    def pick(ctx: Context, items: list[int]) -> list[int]:
        frame.roots(1)
        return random.sample(items, 1) + frame.sample(1) + frame.elicit(2)

    app.add_tool(pick)
    app.add_tool(lambda: random.sample([1], 1), name="other")
    assert app.catalogue.tools.get("pick") is not None


async def test_a_plain_function_asks_through_ask_sync_on_both_eras_without_holding_its_slot() -> None:
    app = server(threads=1)
    waiting = asyncio.Event()

    @app.tool
    def ask(ctx: Context) -> str:
        answer = ctx.ask_sync(ctx.elicit("Name?", str))
        return f"hello {answer.value}"

    @app.tool
    def quick() -> str:
        return "quick"

    client = Conversation(app)
    client.answers["elicitation/create"] = accept(value="Ada")
    assert text_of((await client.rounds("ask"))[-1]) == "hello Ada"
    await client.open()
    client.answers.clear()
    first = client.begin("tools/call", {"name": "ask", "arguments": {}})
    question = await client.receive()
    assert question["method"] == "elicitation/create"
    assert text_of(await client.call("tools/call", name="quick", arguments={})) == "quick"
    content = {"action": "accept", "content": {"value": "Bob"}}
    client.send({"jsonrpc": "2.0", "id": question["id"], "result": content})
    assert text_of(await client.outcome(first)) == "hello Bob"
    waiting.set()
    await client.close()


async def test_declared_questions_are_settled_before_the_call_and_dependencies_open_each_turn() -> None:
    app = server()
    events: list[str] = []

    async def database() -> AsyncIterator[str]:
        events.append("open")
        try:
            yield "db"
        finally:
            events.append("close")

    @app.tool
    async def build(
        branch: Annotated[Branch, Ask("Which branch?")],
        tag: Annotated[str, Ask("Which tag?")],
        db: Annotated[str, Depends(database)],
        ctx: Context,
    ) -> str:
        events.append("call")
        more = await ctx.elicit("Sure?", bool)
        return f"{branch.name} {tag} {db} {more.value}"

    client = Conversation(app)
    client.answers["elicitation/create"] = lambda p: {
        "action": "accept",
        "content": {"Which branch?": {"name": "main"}, "Which tag?": {"value": "v1"}, "Sure?": {"value": True}}[
            p["message"]
        ],
    }
    results = await client.rounds("build")
    assert len(results[0]["inputRequests"]) == 2
    assert text_of(results[-1]) == "main v1 db True"
    assert events == ["open", "call", "close", "open", "call", "close"]
    await client.close()


async def test_a_declared_question_that_is_declined_ends_the_call_in_words() -> None:
    app = server()

    @app.tool
    async def build(branch: Annotated[Branch, Ask("Which branch?")]) -> str:
        return branch.name

    client = Conversation(app)
    client.answers["elicitation/create"] = lambda p: {"action": "decline"}
    results = await client.rounds("build")
    assert results[-1]["isError"] is True
    await client.close()


# How is a handler stopped? By cancelling its task; what it still says is discarded.


@asynccontextmanager
async def transaction(events: list[str], ctx: Context) -> AsyncIterator[None]:
    try:
        yield
        events.append("commit")
    except BaseException:
        events.append(f"rollback suspended={ctx.suspended} cancelled={ctx.cancelled}")
        raise


async def _swallows_exception(ctx: Context, events: list[str]) -> str:
    try:
        return str((await ctx.elicit("?", int)).value)
    except Exception:
        return "swallowed"


async def _swallows_everything(ctx: Context, events: list[str]) -> str:
    try:
        return str((await ctx.elicit("?", int)).value)
    except:  # noqa: E722
        events.append("swallowed")
        return "swallowed"


async def _has_finally(ctx: Context, events: list[str]) -> str:
    try:
        return str((await ctx.elicit("?", int)).value)
    finally:
        events.append(f"finally suspended={ctx.suspended} cancelled={ctx.cancelled}")


async def _gathers(ctx: Context, events: list[str]) -> str:
    one, _ = await asyncio.gather(ctx.elicit("?", int), asyncio.sleep(0))
    return str(one.value)


async def _gathers_exceptions(ctx: Context, events: list[str]) -> str:
    answers: Any = await asyncio.gather(ctx.elicit("?", int), ctx.elicit("??", int), return_exceptions=True)
    return "swallowed" if isinstance(answers[0], BaseException) else str(answers[0].value)


async def _groups(ctx: Context, events: list[str]) -> str:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(ctx.elicit("?", int))
    return str(task.result().value)


async def _times_out_later(ctx: Context, events: list[str]) -> str:
    async with asyncio.timeout(60):
        return str((await ctx.elicit("?", int)).value)


async def _shields(ctx: Context, events: list[str]) -> str:
    return str((await asyncio.shield(ctx.elicit("?", int))).value)


async def _asks_in_the_background(ctx: Context, events: list[str]) -> str:
    task = asyncio.get_running_loop().create_task(ctx.elicit("?", int))
    return str((await task).value)


async def _asks_in_a_generator(ctx: Context, events: list[str]) -> str:
    async def numbers() -> AsyncIterator[int]:
        yield (await ctx.elicit("?", int)).value

    return "".join([str(number) async for number in numbers()])


async def _asks_in_a_transaction(ctx: Context, events: list[str]) -> str:
    async with transaction(events, ctx):
        return str((await ctx.elicit("?", int)).value)


async def _goes_on_asking(ctx: Context, events: list[str]) -> str:
    for _ in range(3):
        try:
            return str((await ctx.elicit("?", int)).value)
        except asyncio.CancelledError:
            events.append("again")
    raise RuntimeError("asked in vain")


HANDLERS = [
    _swallows_exception,
    _swallows_everything,
    _has_finally,
    _gathers,
    _gathers_exceptions,
    _groups,
    _times_out_later,
    _shields,
    _asks_in_the_background,
    _asks_in_a_generator,
    _asks_in_a_transaction,
    _goes_on_asking,
]


@pytest.mark.parametrize("handler", HANDLERS, ids=lambda h: h.__name__.strip("_"))
async def test_a_turn_ends_with_its_questions_whatever_the_handler_does_about_being_stopped(handler: Any) -> None:
    app = server()
    events: list[str] = []

    @app.tool
    async def ask(ctx: Context) -> str:
        answer: str = await handler(ctx, events)
        return answer

    client = Conversation(app)
    client.answers["elicitation/create"] = accept(value=7)
    results = await client.rounds("ask")
    assert [r["resultType"] for r in results] == ["input_required", "complete"]
    assert text_of(results[-1]) == "7"
    outcomes = [m for m in client.seen if "id" in m and "method" not in m]
    assert len(outcomes) == 2, "one outcome a turn"
    runtime = await shared_runtime(app)
    assert not runtime.in_flight
    if handler in (_has_finally, _asks_in_a_transaction):
        assert "suspended=True cancelled=False" in events[0]
    await client.close()


@pytest.mark.parametrize("why", ["suspended", "undeclared", "undeclared before", "too many rounds"])
async def test_a_handler_that_asks_again_whatever_it_is_told_starves_nobody(why: str) -> None:
    from dovetail import Limits

    app = server(limits=Limits(rounds=1))
    heard: list[str] = []

    @app.tool
    async def ask(ctx: Context) -> str:
        while not heard:
            try:
                await ctx.elicit("?", bool)
            except:  # noqa: E722
                pass
        return "done"

    client = Conversation(app)
    stateful = why in ("undeclared before", "too many rounds")
    declared: dict[str, Any] = {} if why.startswith("undeclared") else {"elicitation": {}}
    extra = {} if stateful else {"_meta": meta(declared)}
    if stateful:
        await client.open("2025-11-25", declared)
    call = client.begin("tools/call", {"name": "ask", "arguments": {}, **extra})
    if why == "suspended":
        assert (await client.outcome(call))["result"]["resultType"] == "input_required"
    if why == "too many rounds":
        question = await client.receive()
        client.send({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "cancel"}})
    assert "result" in await client.call("ping" if stateful else "server/discover", **extra)
    heard.append(why)
    if why != "suspended":
        assert text_of(await client.outcome(call)) == "done"
    await client.close()


@pytest.mark.parametrize("stateful", [True, False])
async def test_what_tasks_of_a_group_fail_with_is_told_as_without_the_group(stateful: bool) -> None:
    app = server()

    @app.tool
    async def ask(ctx: Context) -> str:
        async with asyncio.TaskGroup() as group:
            group.create_task(ctx.elicit("one"))
            group.create_task(ctx.elicit("two"))
        return "asked"

    @app.tool
    async def fail(kinds: list[str]) -> str:
        async def one(kind: str) -> None:
            raise ToolError("card refused") if kind == "ours" else OSError("disk at /secret")

        async with asyncio.TaskGroup() as outer, asyncio.TaskGroup() as group:
            for kind in kinds:
                group.create_task(one(kind))
            outer.create_task(one(kinds[0]))
        return "done"

    client = Conversation(app)
    extra = {} if stateful else {"_meta": meta({})}
    if stateful:
        await client.open("2025-11-25", {})
    undeclared = await client.call("tools/call", name="ask", arguments={}, **extra)
    if stateful:
        assert "cannot be asked by a form" in text_of(undeclared)
    else:
        assert undeclared["error"]["code"] == -32021
    told = await client.call("tools/call", name="fail", arguments={"kinds": ["ours", "ours"]}, **extra)
    assert text_of(told) == "card refused"
    masked = await client.call("tools/call", name="fail", arguments={"kinds": ["ours", "theirs"]}, **extra)
    assert "Internal error" in text_of(masked)
    await client.close()


async def test_the_clock_and_the_slot_of_a_call_stand_still_while_an_answer_is_awaited() -> None:
    app = server()

    @app.tool(timeout=0.05, concurrency=1)
    async def ask(ctx: Context) -> str:
        answer = await ctx.elicit("?", int)
        return str(answer.value)

    client = Conversation(app)
    await client.open()
    first = client.begin("tools/call", {"name": "ask", "arguments": {}})
    one = await client.receive()
    second = client.begin("tools/call", {"name": "ask", "arguments": {}})
    two = await client.receive()
    assert two["method"] == "elicitation/create", "the slot is free while the first waits"
    passed = asyncio.Event()
    asyncio.get_running_loop().call_later(0.1, passed.set)
    await passed.wait()
    for question in (one, two):
        client.send({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept", "content": {"value": 1}}})
    assert text_of(await client.outcome(first)) == "1"
    assert text_of(await client.outcome(second)) == "1"
    await client.close()


@pytest.mark.parametrize("version", ["2025-06-18", "2025-11-25"])
@pytest.mark.parametrize("kind", ["race", "gather", "before"])
async def test_a_handler_that_ends_with_a_question_open_leaves_its_slot_as_it_was(version: str, kind: str) -> None:
    app, answers = server(), list[asyncio.Task[Any]]()

    async def fails() -> None:
        for _ in range(5):  # until the question is out
            await asyncio.sleep(0)
        raise ToolError("the backend said no")

    @app.use
    def asking(handler: Any) -> Any:
        async def handle(call: Any, ctx: Context) -> Any:
            if kind == "before":
                answers.append(asyncio.create_task(ctx.elicit("first?")))
                await asyncio.sleep(0)
            return await handler(call, ctx)

        return handle

    @app.tool(concurrency=1)
    async def work(ctx: Context) -> str:
        match kind:
            case "race":
                await asyncio.wait(
                    {asyncio.create_task(ctx.elicit("?")), asyncio.create_task(fails())},
                    return_when=asyncio.FIRST_COMPLETED,
                )
            case "gather":
                await asyncio.gather(ctx.elicit("?"), fails())
            case _:
                await answers[-1]
        return "done"

    tool = app.catalogue.tools.get("work")
    assert tool is not None and tool.slots is not None
    slots = tool.slots
    client = Conversation(app)
    if kind == "before":  # its answer arrives while the handler is inside
        client.answers["elicitation/create"] = accept()
    await client.open(version)
    for _ in range(3):
        await client.call("tools/call", name="work", arguments={})
        assert slots.taken == 0
    await client.close()


@pytest.mark.req("S-12")
async def test_a_state_fits_one_request_only() -> None:
    app = server()

    @app.tool
    async def ask(ctx: Context, what: str) -> str:
        answer = await ctx.elicit("?", int, key="q")
        return f"{what} {answer.value}"

    @app.tool
    async def other(ctx: Context, what: str) -> str:
        answer = await ctx.elicit("?", int, key="q")
        return f"{what} {answer.value}"

    client = Conversation(app)
    first = (await client.call("tools/call", name="ask", arguments={"what": "a"}, _meta=meta()))["result"]
    extra = {
        "requestState": first["requestState"],
        "inputResponses": {"q": {"action": "accept", "content": {"value": 1}}},
    }
    for name, what, state in [
        ("ask", "b", extra["requestState"]),
        ("other", "a", extra["requestState"]),
        ("ask", "a", extra["requestState"][:-1]),
        ("ask", "a", "A" + extra["requestState"]),
    ]:
        params = {**extra, "requestState": state}
        message = await client.call("tools/call", name=name, arguments={"what": what}, _meta=meta(), **params)
        assert message["error"]["code"] == -32602
        assert "requestState" in message["error"]["message"]
    good = await client.call("tools/call", name="ask", arguments={"what": "a"}, _meta=meta(), **extra)
    assert text_of(good) == "a 1"
    await client.close()


@pytest.mark.req("S-13")
async def test_a_single_use_state_is_used_once() -> None:
    app = server(single_use=True)

    @app.tool
    async def ask(ctx: Context) -> str:
        return str((await ctx.elicit("?", int, key="q")).value)

    client = Conversation(app)
    first = (await client.call("tools/call", name="ask", arguments={}, _meta=meta()))["result"]
    extra = {
        "requestState": first["requestState"],
        "inputResponses": {"q": {"action": "accept", "content": {"value": 1}}},
    }
    outcomes = [await client.call("tools/call", name="ask", arguments={}, _meta=meta(), **extra) for _ in range(50)]
    assert sum("result" in outcome for outcome in outcomes) == 1
    await client.close()


@pytest.mark.req("S-26")
def test_a_form_that_asks_for_a_secret_is_refused() -> None:
    from dovetail.server.functions.elicited import form_of

    with pytest.raises(DefinitionError, match="password"):
        form_of({"properties": {"password": {"type": "string"}}})


def test_a_form_is_flat() -> None:
    from dovetail.server.functions.elicited import form_of

    with pytest.raises(DefinitionError):
        form_of({"properties": {"nested": {"type": "object"}}})


@pytest.mark.req("S-25")
async def test_a_client_hears_of_questions_that_could_not_be_sealed(monkeypatch: pytest.MonkeyPatch) -> None:
    app = server()

    @app.tool
    async def ask(ctx: Context) -> str:
        return str((await ctx.elicit("?", int)).value)

    client = Conversation(app)
    await client.call("server/discover", _meta=meta())
    runtime = await shared_runtime(app)

    def no_ring() -> list[bytes]:
        raise RuntimeError("no keys here")

    monkeypatch.setattr(runtime.stores.keys, "ring", no_ring)
    message = await client.call("tools/call", name="ask", arguments={}, _meta=meta())
    assert message["result"]["isError"] is True
    await client.close()


@pytest.mark.parametrize("version", [item.version for item in REVISIONS])
async def test_messages_may_be_dicts_on_every_revision(version: str) -> None:
    app = server()

    @app.tool
    async def think(ctx: Context) -> str:
        message = {"role": "user", "content": {"type": "text", "text": "Capital?"}}
        return (await ctx.sample([message, "Of France."], max_tokens=10)).model

    client, asked = Conversation(app), []

    def answer(params: Any) -> Any:
        asked.append([(message["role"], message["content"]["text"]) for message in params["messages"]])
        return {"role": "assistant", "content": {"type": "text", "text": "Paris"}, "model": "m"}

    client.answers["sampling/createMessage"] = answer
    if version == NEWEST.version:
        result = (await client.rounds("think"))[-1]
    else:
        await client.open(version)
        result = await client.call("tools/call", name="think", arguments={})
    assert text_of(result) == "m"
    assert asked == [[("user", "Capital?"), ("user", "Of France.")]]
    await client.close()


@pytest.mark.parametrize("version", [NEWEST.version, "2025-11-25", "2025-06-18"])
@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda ctx: ctx.sample([{"foo": 1}]), "role"),
        (lambda ctx: ctx.sample("x", max_tokens="many"), "maxTokens"),
        (lambda ctx: ctx.sample("x", temperature="hot"), "temperature"),
        (lambda ctx: ctx.sample("x", temperatur=1), "temperatur"),
        (lambda ctx: ctx.sample(5), "messages"),
        (lambda ctx: ctx.elicit(5), "message"),
        (lambda ctx: ctx.progress("half"), "progress"),
        (lambda ctx: ctx.progress(True), "progress"),
        (lambda ctx: ctx.progress(1, message=5), "message"),
    ],
)
async def test_what_a_question_cannot_hold_is_named_and_nothing_is_sent(version: str, ask: Any, said: str) -> None:
    app, told = server(), []

    @app.tool
    async def think(ctx: Context) -> None:
        try:
            await ask(ctx)
        except DefinitionError as error:
            told.append(str(error))

    client = Conversation(app)
    if version == NEWEST.version:
        await client.rounds("think")
    else:
        await client.open(version)
        await client.call("tools/call", name="think", arguments={})
    assert len(told) == 1
    assert said in told[0]
    await client.close()


TOOL_USE = {"type": "tool_use", "id": "1", "name": "x", "input": {}}


@pytest.mark.parametrize(
    ("version", "content"),
    [
        ("2024-11-05", {"type": "audio", "data": "AA==", "mimeType": "audio/wav"}),
        ("2025-06-18", TOOL_USE),
        ("2025-06-18", [{"type": "text", "text": "a"}]),
        ("2025-11-25", [TOOL_USE]),
    ],
)
async def test_what_a_model_said_is_what_the_revision_can_say_and_what_was_asked_for(
    version: str, content: Any
) -> None:
    app, refused = server(), []

    @app.tool
    async def think(ctx: Context) -> None:
        try:
            await ctx.sample("?")
        except DovetailError as error:
            refused.append(str(error))

    client = Conversation(app)
    client.answers["sampling/createMessage"] = lambda p: {"role": "assistant", "content": content, "model": "m"}
    await client.open(version)
    await client.call("tools/call", name="think", arguments={})
    assert len(refused) == 1 and "content" in refused[0]
    await client.close()
