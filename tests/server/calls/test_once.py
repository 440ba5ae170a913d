"""At most once: every way in which a claim can be found, and every way in which an effect can end."""

import asyncio
import math
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pydantic
import pytest

from dovetail import Context, Server, ToolError
from dovetail.core import Stores
from dovetail.errors import DefinitionError, Disconnected, OnceUnknown
from dovetail.server.calls.once import RECORD_BYTES
from dovetail.server.transports.run import shared_runtime
from dovetail.store import MemoryStores, SqliteStores
from tests.server.peers import Conversation, accept, meta, text_of


@pytest.fixture(params=["memory", "sqlite"])
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stores]:
    adapter: Stores = MemoryStores() if request.param == "memory" else SqliteStores(tmp_path / "state")
    yield adapter  # the runtime opens it
    await adapter.aclose()


class Effects:
    """Side effects that count themselves."""

    def __init__(self) -> None:
        self.count = 0

    async def fine(self, number: int) -> dict[str, int]:
        self.count += 1
        return {"number": number}

    def plain(self, number: int) -> dict[str, int]:
        self.count += 1
        return {"number": number}

    async def broken(self) -> None:
        self.count += 1
        raise ValueError("CANARY")

    async def told(self) -> None:
        self.count += 1
        raise ToolError("no stock")

    async def unsayable(self) -> object:
        self.count += 1
        return object()


def server(stores: Stores, effects: Effects) -> Server:
    app = Server("once", stores=stores)

    @app.tool
    async def twice(kind: str, ctx: Context) -> list[str]:
        args = (1,) if kind in ("fine", "plain") else ()
        said: list[str] = []
        for _ in range(2):
            try:
                said.append(str(await ctx.once("effect", getattr(effects, kind), *args)))
            except Exception as error:
                said.append(f"{type(error).__name__}: {error}" if kind == "told" else type(error).__name__)
        return said

    return app


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [
        ("fine", "{'number': 1}", "{'number': 1}"),
        ("plain", "{'number': 1}", "{'number': 1}"),
        ("told", "ToolError: no stock", "ToolError: no stock"),
        ("broken", "ValueError", "OnceUnknown"),
        ("unsayable", "TypeError", "OnceUnknown"),
    ],
)
async def test_an_effect_runs_once_however_it_ends(stores: Stores, kind: str, first: str, second: str) -> None:
    effects = Effects()
    client = Conversation(server(stores, effects))
    await client.open()
    result = await client.call("tools/call", name="twice", arguments={"kind": kind})
    assert result["result"]["structuredContent"]["value"] == [first, second]
    assert effects.count == 1
    await client.close()


class Receipt(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")

    number: int = pydantic.Field(alias="no")
    at: datetime

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def words(self) -> str:
        return f"no. {self.number}"


@dataclass
class Order:
    receipt: Receipt
    path: Path


class Name(str): ...


class Rate(float): ...


class Handle:
    """Nothing that could be kept."""


RECEIPT = Receipt(no=1, at=datetime(2026, 7, 28, tzinfo=UTC))


@pytest.mark.parametrize(
    ("returned", "value"),
    [
        (Receipt, RECEIPT),
        (list[Receipt], [RECEIPT]),
        (Receipt | None, RECEIPT),
        (Receipt | None, None),
        (Order, Order(RECEIPT, Path("a"))),
        (dict[str, Path], {"a": Path("b")}),
        (float, Rate(0.5)),
        (dict[str, Any], {Name("a"): Name("b")}),
    ],
)
async def test_a_result_comes_back_as_what_the_effect_promises(stores: Stores, returned: Any, value: Any) -> None:
    app, given = Server("once", stores=stores), []

    def effect() -> Any:
        given.append("ran")
        return value

    effect.__annotations__["return"] = returned

    @app.tool
    async def work(ctx: Context) -> str:
        given.append(await ctx.once("effect", effect))
        return (await ctx.elicit("Sure?")).action

    client = Conversation(app)
    client.answers["elicitation/create"] = accept()
    assert text_of((await client.rounds("work"))[-1]) == "accept"
    assert given == ["ran", value, value]
    await client.close()


@pytest.mark.parametrize("returned", [Handle, list[Handle], Handle | None])
async def test_an_effect_whose_result_could_not_be_kept_is_not_run(stores: Stores, returned: Any) -> None:
    app, ran, told = Server("once", stores=stores), [], []

    def effect() -> Any:
        ran.append(1)

    effect.__annotations__["return"] = returned

    @app.tool
    async def work(ctx: Context) -> None:
        for _ in range(2):
            try:
                await ctx.once("effect", effect)
            except DefinitionError as error:
                told.append(str(error))

    client = Conversation(app)
    await client.open()
    await client.call("tools/call", name="work", arguments={})
    assert [text.partition(":")[0] for text in told] == ["effect", "effect"]
    assert all("cannot be kept" in text for text in told)
    assert not ran
    await client.close()


async def test_a_result_that_is_not_what_was_promised_is_a_typed_error_the_first_time_and_later(
    stores: Stores,
) -> None:
    app, count, told = Server("once", stores=stores), 0, []

    def effect() -> int:
        nonlocal count
        count += 1
        return "CANARY"  # type: ignore[return-value]

    @app.tool
    async def work(ctx: Context) -> None:
        for _ in range(2):
            try:
                await ctx.once("effect", effect)
            except OnceUnknown as error:
                told.append(str(error))

    client = Conversation(app)
    await client.open()
    await client.call("tools/call", name="work", arguments={})
    assert told == ["effect: what it returned is not what it promises to return; it was not run again"] * 2
    assert count == 1
    await client.close()


@pytest.mark.parametrize("value", [math.nan, Rate("inf"), [{"a": (-math.inf,)}]])
async def test_a_number_that_json_cannot_write_is_a_typed_error_and_not_none(stores: Stores, value: Any) -> None:
    app, told = Server("once", stores=stores), []

    @app.tool
    async def work(ctx: Context) -> None:
        assert await ctx.once("exact", lambda: {"a": [None, Decimal("NaN")]}) == {"a": [None, "NaN"]}
        for _ in range(2):
            try:
                await ctx.once("effect", lambda: value)
            except (ValueError, OnceUnknown) as error:
                told.append(str(error).partition(":")[0])

    client = Conversation(app)
    await client.open()
    await client.call("tools/call", name="work", arguments={})
    assert told == ["expected finite numbers", "effect"]
    await client.close()


async def test_a_result_is_the_same_the_first_time_and_later(stores: Stores) -> None:
    app = Server("once", stores=stores)

    class Receipt(msgspec.Struct):
        number: int

    def plain():  # type: ignore[no-untyped-def]
        return Receipt(7), {1}

    def typed() -> tuple[Receipt, set[int]]:
        return Receipt(7), {1}

    told: list[object] = []
    made: list[object] = []

    @app.tool
    async def work(ctx: Context) -> None:
        told.extend([(await ctx.once("plain", plain), await ctx.once("typed", typed)) for _ in range(2)])
        made.extend([await ctx.once("class", Receipt, 8) for _ in range(2)])
        made.append(await ctx.once("partial", partial(Receipt, 9)))

    client = Conversation(app)
    await client.open()
    await client.call("tools/call", name="work", arguments={})
    assert told == [([{"number": 7}, [1]], (Receipt(7), {1}))] * 2
    assert made == [Receipt(8), Receipt(8), Receipt(9)]
    await client.close()


async def test_those_who_come_while_it_runs_wait_for_the_one_result(stores: Stores) -> None:
    app, count = Server("once", stores=stores), 0

    async def slow() -> int:
        nonlocal count
        count += 1
        for _ in range(20):
            await asyncio.sleep(0)
        return count

    @app.tool
    async def together(ctx: Context) -> list[int]:
        return list(await asyncio.gather(*(ctx.once("effect", slow) for _ in range(5))))

    client = Conversation(app)
    await client.open()
    result = await client.call("tools/call", name="together", arguments={})
    assert result["result"]["structuredContent"]["value"] == [1] * 5
    assert count == 1
    await client.close()


async def test_two_calls_are_two_effects(stores: Stores) -> None:
    effects = Effects()
    client = Conversation(server(stores, effects))
    await client.open()
    for _ in range(2):
        await client.call("tools/call", name="twice", arguments={"kind": "fine"})
    assert effects.count == 2
    await client.close()


@pytest.mark.timeout(20)
async def test_a_call_that_was_cancelled_does_not_wait_for_its_effect(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dovetail.server.calls.turn.GRACE_SECONDS", 0.05)
    app = Server("once", stores=stores)
    began, felt = asyncio.Event(), asyncio.Queue[str]()

    async def endless() -> None:
        began.set()
        await asyncio.Event().wait()

    @app.tool
    async def work(ctx: Context) -> str:
        try:
            await ctx.once("effect", endless)
        except asyncio.CancelledError:
            try:
                await ctx.once("effect", endless)
            except Exception as error:
                felt.put_nowait(type(error).__name__)
            raise
        return "never"

    client = Conversation(app)
    await client.open()
    held = client.begin("tools/call", {"name": "work", "arguments": {}})
    await began.wait()
    client.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": held}})
    assert await asyncio.wait_for(felt.get(), 3) == "OnceUnknown"
    await client.close()


@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
@pytest.mark.parametrize("plain", [True, False])
async def test_an_effect_cannot_ask_and_its_client_is_not_asked(stores: Stores, version: str, plain: bool) -> None:
    """Where a question ends the turn, the effect would be stopped in the middle: nobody would know how far it came."""
    app, told = Server("once", stores=stores), []

    @app.tool
    async def work(ctx: Context) -> str:
        async def asking() -> str:
            return (await asyncio.create_task(ctx.elicit("Sure?"))).action

        def asking_plainly() -> str:
            return ctx.ask_sync(ctx.roots())[0].uri

        await ctx.elicit("Before?")
        try:
            await ctx.once("effect", asking_plainly if plain else asking)
        except DefinitionError as error:
            told.append(str(error))
        return (await ctx.elicit("After?")).action

    client, asked = Conversation(app), []

    def answer(params: Any) -> Any:
        asked.append(params["message"])
        return {"action": "accept", "content": {}}

    client.answers["elicitation/create"] = answer
    if version == "2026-07-28":
        await client.rounds("work")
    else:
        await client.open(version)
        await client.call("tools/call", name="work", arguments={})
    assert asked == ["Before?", "After?"]
    assert told == ["once('effect'): its effect asks the client; ask before, and pass it the answer"]
    await client.close()


class Away:
    """A ledger out of reach."""

    def __init__(self, ledger: Any, missing: str) -> None:
        self._ledger = ledger
        self._missing = missing

    def __getattr__(self, name: str) -> Any:
        if name == self._missing:

            async def fail(*args: Any) -> Any:
                raise Disconnected("away")

            return fail
        return getattr(self._ledger, name)


async def test_a_ledger_out_of_reach_fails_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    stores, effects = MemoryStores(), Effects()
    app = server(stores, effects)
    client = Conversation(app)
    await client.open()
    monkeypatch.setattr(stores, "ledger", Away(stores.ledger, "claim"))
    result = await client.call("tools/call", name="twice", arguments={"kind": "fine"})
    assert result["result"]["structuredContent"]["value"] == ["OnceUnknown"] * 2
    assert effects.count == 0
    await client.close()


async def test_a_claim_whose_holder_died_is_unknown() -> None:
    stores, effects = MemoryStores(), Effects()
    app = server(stores, effects)
    client = Conversation(app)
    await client.open()
    runtime = await shared_runtime(app)
    runtime.new_call_id = lambda: "c" * 32  # type: ignore[method-assign]
    await stores.ledger.claim("c" * 32, "effect", 60)
    stores.ledger.close()
    result = await client.call("tools/call", name="twice", arguments={"kind": "fine"})
    assert result["result"]["structuredContent"]["value"] == ["OnceUnknown"] * 2
    assert effects.count == 0
    await client.close()


@pytest.mark.parametrize("kind", ["async", "plain"])
@pytest.mark.parametrize("how", ["cancelled", "timeout", "asks"])
@pytest.mark.timeout(20)
async def test_an_effect_that_has_begun_goes_on_when_its_call_ends_and_the_retry_has_its_result(
    stores: Stores, kind: str, how: str
) -> None:
    began, go_on, ended = asyncio.Event(), threading.Event(), asyncio.Event()
    loop, count = asyncio.get_running_loop(), [0]

    def plain() -> int:
        loop.call_soon_threadsafe(began.set)
        assert go_on.wait(10)
        count[0] += 1
        loop.call_soon_threadsafe(ended.set)
        return count[0]

    async def effect() -> int:
        return await asyncio.to_thread(plain)

    app = Server("once", stores=stores)

    @app.tool(timeout=0.2 if how == "timeout" else None)
    async def work(ctx: Context) -> str:
        await ctx.elicit("Go on?", int)
        once = asyncio.ensure_future(ctx.once("effect", effect if kind == "async" else plain))
        if how == "asks":
            await began.wait()
            await ctx.elicit("And?", int)
        return f"result {await once}"

    client = Conversation(app)
    given: dict[str, Any] = {"name": "work", "arguments": {}, "_meta": meta()}
    asked = (await client.call("tools/call", **given))["result"]
    retry = given | answered(asked)
    held = client.begin("tools/call", retry)
    await asyncio.wait_for(began.wait(), 5)
    if how == "cancelled":
        client.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": held}})
        go_on.set()
    else:
        outcome = (await client.outcome(held))["result"]
        go_on.set()
        if how == "asks":
            retry = given | answered(outcome)
    await asyncio.wait_for(ended.wait(), 5)
    assert text_of(await client.call("tools/call", **retry)) == "result 1"
    assert count == [1]
    await client.close()


@pytest.mark.parametrize("kind", ["async", "plain", "nested"])
async def test_an_effect_that_waits_for_itself_is_an_error_at_once(stores: Stores, kind: str) -> None:
    app, told = Server("once", stores=stores), list[str]()

    @app.tool
    async def work(ctx: Context) -> str:
        async def effect() -> str:
            name = "other" if kind == "nested" else "effect"
            return str(await ctx.once(name, again if kind == "nested" else effect))

        async def again() -> str:
            return str(await ctx.once("effect", effect))

        def plain() -> str:
            return str(ctx.ask_sync(ctx.once("effect", plain)))

        try:
            await ctx.once("effect", plain if kind == "plain" else effect)
        except DefinitionError as error:
            told.append(str(error))
        return str(await ctx.once("free", lambda: "free"))

    client = Conversation(app)
    assert text_of(await client.call("tools/call", name="work", arguments={}, _meta=meta())) == "free"
    assert told == ["once('effect'): its effect calls once with the same name: it waits for itself"]
    await client.close()


async def test_an_effect_keeps_its_tools_place_while_it_runs(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dovetail.server.calls.turn.GRACE_SECONDS", 0.05)
    app, began, go_on, ended = Server("once", stores=stores), asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def effect() -> None:
        began.set()
        await go_on.wait()

    @app.tool(concurrency=1, timeout=0.2)
    async def work(ctx: Context) -> str:
        try:
            await ctx.once("effect", effect)
        finally:
            asyncio.get_running_loop().call_soon(ended.set)
        return "done"

    client = Conversation(app)
    given: dict[str, Any] = {"name": "work", "arguments": {}, "_meta": meta()}
    assert "did not finish" in text_of(await client.call("tools/call", **given))
    await asyncio.wait_for(ended.wait(), 5)
    refused = await client.call("tools/call", **given)
    assert "concurrency limit" in str(refused)
    go_on.set()
    effects = (await shared_runtime(app)).effects
    if effects:
        await asyncio.wait(effects)
    await asyncio.sleep(0)
    assert text_of(await client.call("tools/call", **given)) == "done"
    await client.close()


async def test_a_result_too_large_to_be_kept_is_a_typed_error_and_not_run_again(stores: Stores) -> None:
    app, count = Server("once", stores=stores), [0]

    def document(size: int) -> str:
        count[0] += 1
        return "x" * (size - 2)

    @app.tool
    async def report(ctx: Context, size: int) -> list[str]:
        said: list[str] = []
        for _ in range(2):
            try:
                said.append(str(len(await ctx.once("document", document, size))))
            except OnceUnknown as error:
                said.append(str(error))
        return said

    client = Conversation(app)
    fits, large = [
        (await client.call("tools/call", name="report", arguments={"size": size}, _meta=meta()))["result"]
        for size in (RECORD_BYTES, RECORD_BYTES + 1)
    ]
    assert fits["structuredContent"] == [str(RECORD_BYTES - 2)] * 2
    assert large["structuredContent"] == [
        "document: it ran, and ended with a result of more than 256 KiB, which is not kept; it is not run again",
        "document: it failed before with a result of more than 256 KiB; it was not run again",
    ]
    assert count == [2]
    await client.close()


@pytest.mark.parametrize("kind", ["async", "plain", "from a thread", "in a gather"])
@pytest.mark.parametrize("failure", [SystemExit, KeyboardInterrupt])
@pytest.mark.req("S-25")
async def test_an_effect_that_would_end_the_process_fails_its_own_call_only(
    stores: Stores, kind: str, failure: type[BaseException]
) -> None:
    app, effects, go_on = server(stores, Effects()), [0], asyncio.Event()
    told: list[BaseException] = []

    def plain() -> None:
        effects[0] += 1
        raise failure("CANARY")

    async def effect() -> None:
        await asyncio.sleep(0)
        plain()

    async def work(ctx: Context) -> None:
        await ctx.once("effect", effect if kind == "async" else plain)

    async def ends(ctx: Context) -> str:
        try:
            match kind:
                case "from a thread":
                    await asyncio.to_thread(ctx.ask_sync, work(ctx))
                case "in a gather":
                    await asyncio.gather(work(ctx))
                case _:
                    await work(ctx)
        except BaseException as raised:
            told.append(raised)
        try:
            await work(ctx)
        except OnceUnknown as raised:
            told.append(raised)
        raise failure

    async def bystander() -> str:
        await go_on.wait()
        return "undisturbed"

    app.tool(ends)
    app.tool(bystander)
    client = Conversation(app)
    held = client.begin("tools/call", {"name": "bystander", "arguments": {}, "_meta": meta()})
    said = text_of(await client.call("tools/call", name="ends", arguments={}, _meta=meta()))
    assert said.startswith("Internal error") and "CANARY" not in said
    assert [type(raised) for raised in told] == [OnceUnknown, OnceUnknown]
    assert f"it ended with {failure.__name__}" in str(told[0])
    assert f"it failed before with {failure.__name__}" in str(told[1])
    go_on.set()
    assert (await client.outcome(held))["result"]["content"][0]["text"] == "undisturbed"
    assert effects == [1]
    await client.close()


def answered(asked: dict[str, Any]) -> dict[str, Any]:
    """Return what a client adds to its call when it answers each question with 1."""
    answer = {"action": "accept", "content": {"value": 1}}
    return {"requestState": asked["requestState"], "inputResponses": dict.fromkeys(asked["inputRequests"], answer)}


async def test_what_nobody_can_come_back_to_is_not_kept() -> None:
    stores, effects = MemoryStores(), Effects()
    client = Conversation(server(stores, effects))
    await client.open()
    for _ in range(50):
        await client.call("tools/call", name="twice", arguments={"kind": "fine"})
    await client.call("ping")
    claims: Any = stores.ledger
    assert len(claims._claims) == 0
    await client.close()


async def test_a_result_that_cannot_be_recorded_at_once_is_recorded_later(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dovetail.server.calls.once.RESTS", (0.0, 0.0))
    settle, refused = stores.ledger.settle, [0]

    async def busy(call: str, name: str, value: bytes) -> None:
        refused[0] += 1
        if refused[0] < 3:
            raise Disconnected("The database is busy")
        await settle(call, name, value)

    monkeypatch.setattr(stores.ledger, "settle", busy)
    effects = Effects()
    client = Conversation(server(stores, effects))
    await client.open()
    said = await client.call("tools/call", name="twice", arguments={"kind": "fine"})
    assert "OnceUnknown" not in text_of(said)
    assert effects.count == 1
    refused[0] = -10
    said = await client.call("tools/call", name="twice", arguments={"kind": "fine"})
    assert "OnceUnknown" in text_of(said)
    await client.close()
