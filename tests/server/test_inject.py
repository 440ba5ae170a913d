"""Dependencies: opened as they want to be called, beside the event loop, and closed when nobody uses them any more."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from typing import Annotated, Any

import pytest

from dovetail import Context, Depends, Server
from dovetail.errors import ToolError
from dovetail.server.calls import pool as pools
from dovetail.server.calls import turn as turns
from dovetail.server.transports.run import shared_runtime
from tests.server.peers import Conversation, text_of

HERE = threading.main_thread().name


async def later(value: str = "db") -> str:
    await asyncio.sleep(0)
    return value


def thread() -> str:
    return threading.current_thread().name


class Opener:
    async def __call__(self) -> str:
        return await later()


class Opening:
    async def __call__(self) -> AsyncIterator[str]:
        yield await later()


def through(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


async def given(source: Callable[..., Any]) -> str:
    """Return what a tool is given by a dependency."""
    app = Server("given")

    async def show(value: Any) -> str:
        return repr(value)

    show.__annotations__["value"] = Annotated[Any, Depends(source)]
    app.add_tool(show)
    client = Conversation(app)
    await client.open()
    text = text_of(await client.call("tools/call", name="show", arguments={}))
    await client.close()
    return text


@pytest.mark.parametrize(
    "source", [later, Opener(), Opening(), lambda: later(), through(later), partial(later, "db"), partial(Opener())]
)
async def test_whatever_comes_back_awaitable_is_awaited(source: Callable[..., Any]) -> None:
    assert await given(source) == "'db'"


async def test_tools_and_effects_may_be_wrappers_around_async_functions() -> None:
    app = Server("wrapped")

    @app.tool
    @through
    async def wrapped(number: int) -> int:
        return number

    @app.tool
    def promised(number: int) -> Awaitable[int]:
        return wrapped(number)  # type: ignore[no-any-return]

    @app.tool
    async def effect(ctx: Context) -> list[Any]:
        return [await ctx.once("object", Opener()), await ctx.once("lambda", lambda: later("x"))]

    client = Conversation(app)
    await client.open()
    for name in ("wrapped", "promised"):
        answer = await client.call("tools/call", name=name, arguments={"number": 3})
        assert answer["result"]["structuredContent"] == {"value": 3}
    answer = await client.call("tools/call", name="effect", arguments={})
    assert answer["result"]["structuredContent"] == {"value": ["db", "x"]}
    await client.close()


def generator() -> Iterator[str]:
    yield thread()


@contextmanager
def managed() -> Iterator[str]:
    yield thread()


@pytest.mark.parametrize("source", [thread, generator, managed, partial(generator)])
async def test_plain_dependencies_run_beside_the_event_loop(source: Callable[..., Any]) -> None:
    assert "dovetail" in await given(source)


async def test_plain_dependencies_are_closed_in_reverse_beside_the_event_loop_with_the_failure_known() -> None:
    app, closed = Server("closing"), list[tuple[str, str, bool]]()

    def opened(name: str) -> Callable[[], Iterator[str]]:
        def source() -> Iterator[str]:
            failed = True
            try:
                yield name
                failed = False
            finally:
                closed.append((name, thread()[:8], failed))

        return source

    @app.tool
    async def work(
        first: Annotated[str, Depends(opened("first"))], second: Annotated[str, Depends(opened("second"))], fails: bool
    ) -> str:
        if fails:
            raise ValueError
        return first + second

    client = Conversation(app)
    await client.open()
    assert text_of(await client.call("tools/call", name="work", arguments={"fails": False})) == "firstsecond"
    assert closed == [("second", "dovetail", False), ("first", "dovetail", False)]
    closed.clear()
    await client.call("tools/call", name="work", arguments={"fails": True})
    assert closed == [("second", "dovetail", True), ("first", "dovetail", True)]
    await client.close()


class Database:
    def __init__(self) -> None:
        self.open = True
        self.opening = threading.Event()
        self.closed = threading.Event()

    def __call__(self) -> Iterator["Database"]:
        self.opening.wait(5)
        try:
            yield self
        finally:
            self.open = False
            self.closed.set()


async def idle(app: Server) -> None:
    runtime = await shared_runtime(app)
    while runtime.in_flight:
        await asyncio.sleep(0)


async def test_what_a_thread_uses_is_closed_after_it_though_its_client_was_told_before() -> None:
    app, database, go, used = Server("closing"), Database(), threading.Event(), list[bool]()
    database.opening.set()

    @app.tool(timeout=0.02)
    def work(db: Annotated[Any, Depends(database)]) -> str:
        go.wait(5)
        used.append(db.open)
        return "done"

    client = Conversation(app)
    await client.open()
    assert "seconds" in text_of(await client.call("tools/call", name="work", arguments={}))
    assert database.open
    go.set()
    await idle(app)
    assert used == [True]
    assert database.closed.is_set()
    await client.close()


async def test_what_a_thread_uses_for_longer_than_the_grace_period_is_closed_in_it_once_it_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "GRACE_SECONDS", 0.02)
    app, database, go = Server("closing"), Database(), threading.Event()
    database.opening.set()

    @app.tool(timeout=0.02)
    def work(db: Annotated[Any, Depends(database)]) -> None:
        go.wait(5)

    client = Conversation(app)
    await client.open()
    await client.call("tools/call", name="work", arguments={})
    await idle(app)
    assert not database.closed.is_set()
    go.set()
    assert await asyncio.to_thread(database.closed.wait, 5)
    await client.close()


@pytest.mark.parametrize("grace", [5.0, 0.01])
async def test_what_opens_only_after_the_call_has_ended_is_closed(
    grace: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "GRACE_SECONDS", grace)
    app, database = Server("closing"), Database()

    @app.tool(timeout=0.02)
    async def work(db: Annotated[Any, Depends(database)]) -> None:
        raise AssertionError("it has ended")

    client = Conversation(app)
    await client.open()
    await client.call("tools/call", name="work", arguments={})
    if grace < 1:
        await idle(app)
    database.opening.set()
    await idle(app)
    assert await asyncio.to_thread(database.closed.wait, 2)
    await client.close()


async def forgiving() -> AsyncIterator[str]:
    try:
        yield "s"
    except Exception:
        return  # rolled back


def plainly_forgiving() -> Iterator[str]:
    try:
        yield "s"
    except Exception:
        return


class Forgiving:
    def __enter__(self) -> str:
        return "s"

    def __exit__(self, *failure: object) -> bool:
        return True


def forgiven() -> str:
    raise ToolError("You have no such account.")


@pytest.mark.parametrize("source", [forgiving, plainly_forgiving, Forgiving])
async def test_a_dependency_that_handles_a_failure_does_not_make_it_a_success(source: Any) -> None:
    app = Server("forgiving")

    @app.tool
    async def work(s: Annotated[str, Depends(source)]) -> str:
        return forgiven()

    @app.tool
    async def early(s: Annotated[str, Depends(source)], t: Annotated[str, Depends(forgiven)]) -> str:
        return s + t

    @app.resource("x://a")
    async def read(s: Annotated[str, Depends(source)]) -> str:
        return forgiven()

    client = Conversation(app)
    await client.open()
    for name in ("work", "early"):
        result = (await client.call("tools/call", name=name, arguments={}))["result"]
        assert result["isError"] and result["content"][0]["text"] == "You have no such account."
    assert "no such account" in (await client.call("resources/read", uri="x://a"))["error"]["message"]
    await client.close()


async def test_what_a_dependency_raises_in_place_of_a_failure_is_the_outcome() -> None:
    app = Server("translating")

    async def translating() -> AsyncIterator[str]:
        try:
            yield "s"
        except LookupError:
            raise ToolError("There is no such row.") from None

    @app.tool
    async def work(s: Annotated[str, Depends(translating)]) -> str:
        raise LookupError(s)

    client = Conversation(app)
    await client.open()
    result = (await client.call("tools/call", name="work", arguments={}))["result"]
    assert result["isError"] and result["content"][0]["text"] == "There is no such row."
    await client.close()


def own_thread(ended: list[int]) -> Callable[[], Iterator[int]]:
    def source() -> Iterator[int]:
        try:
            yield threading.get_ident()
        finally:
            ended.append(threading.get_ident())

    return source


def connection() -> Iterator[sqlite3.Connection]:
    opened = sqlite3.connect(":memory:")
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def connected() -> Iterator[sqlite3.Connection]:
    yield from connection()


def connect() -> sqlite3.Connection:
    return sqlite3.connect(":memory:")


def numbered(db: Annotated[sqlite3.Connection, Depends(connection)]) -> Iterator[sqlite3.Cursor]:
    yield db.execute("select 1")


async def at_rest(app: Server) -> None:
    """Wait until no thread of the pool has work, and none keeps a place."""
    pool = (await shared_runtime(app)).pool
    while pool.places._free != pool.size or pool.asking:
        await asyncio.sleep(0)


@pytest.mark.parametrize("source", [connection, connected, connect, numbered])
async def test_a_plain_handler_is_given_what_is_bound_to_its_thread(source: Callable[..., Any]) -> None:
    app = Server("bound", threads=4)

    def query(db: Any) -> int:
        rows = db if isinstance(db, sqlite3.Cursor) else db.execute("select 1")
        return int(rows.fetchone()[0])

    query.__annotations__["db"] = Annotated[Any, Depends(source)]
    app.add_tool(query)
    client = Conversation(app)
    await client.open()
    for _ in [client.begin("tools/call", {"name": "query", "arguments": {}}) for _ in range(40)]:
        assert (await client.receive())["result"].get("structuredContent") == {"value": 1}
    await at_rest(app)
    await client.close()


@pytest.mark.parametrize("fails", [False, True])
async def test_an_end_that_needs_a_thread_gets_one_though_every_place_was_its_own_calls(fails: bool) -> None:
    app, ended = Server("bound", threads=2), list[int]()
    opened, cursor = own_thread(ended), own_thread(ended)

    async def audited(ctx: Context) -> AsyncIterator[None]:
        try:
            yield
        finally:
            assert await ctx.once("audit", lambda: "recorded") == "recorded"

    @app.tool
    def work(
        above: Annotated[int, Depends(opened)],
        audit: Annotated[None, Depends(audited)],
        below: Annotated[int, Depends(cursor)],
    ) -> str:
        if fails:
            raise ToolError("the backend said no")
        return "done"

    client = Conversation(app)
    await client.open()
    for _ in [client.begin("tools/call", {"name": "work", "arguments": {}}) for _ in range(6)]:
        assert text_of(await client.receive()) in ("done", "the backend said no")
    await at_rest(app)
    assert len(ended) == 12
    await client.close()


async def test_all_that_is_plain_in_a_call_runs_in_one_thread_whatever_stands_between() -> None:
    app, ended, used = Server("bound"), list[int](), list[int]()
    first, second = own_thread(ended), own_thread(ended)

    async def between(above: Annotated[int, Depends(first)]) -> AsyncIterator[int]:
        assert threading.current_thread().name == HERE
        for _ in range(5):  # the thread stands idle meanwhile
            await asyncio.sleep(0)
        yield above

    @app.tool
    def work(
        ctx: Context,
        middle: Annotated[int, Depends(between)],
        last: Annotated[int, Depends(second)],
        fails: bool = False,
    ) -> str:
        used.extend((middle, last, threading.get_ident()))
        answer = ctx.ask_sync(ctx.elicit("Go on?"))
        used.append(threading.get_ident())
        if fails:
            raise ValueError
        return answer.action

    client = Conversation(app)
    client.answers["elicitation/create"] = lambda params: {"action": "accept", "content": {}}
    assert text_of((await client.rounds("work"))[-1]) == "accept"
    assert len(used) == 7, "two turns, the first of which ended with the question"
    assert {*used[:3]} == {*ended[:2]}
    assert {*used[3:]} == {*ended[2:]}
    for fails in (False, True):
        used.clear()
        ended.clear()
        await client.open()
        await client.call("tools/call", name="work", arguments={"fails": fails})
        assert len({*used, *ended}) == 1
        assert len(ended) == 2
    await at_rest(app)
    await client.close()


@pytest.mark.parametrize("most", [256, 0])
async def test_a_thread_that_waits_for_the_event_loop_leaves_its_place_to_others_while_there_are_threads(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "ASKING_THREADS", most)
    app, go, ended = Server("bound", threads=1), asyncio.Event(), list[int]()

    async def slow(above: Annotated[int, Depends(own_thread(ended))]) -> int:
        await go.wait()
        return above

    @app.tool
    def waits(opened: Annotated[int, Depends(slow)]) -> bool:
        return opened == threading.get_ident()

    @app.tool
    def quick() -> str:
        return "quick"

    client = Conversation(app)
    await client.open()
    runtime = await shared_runtime(app)
    held = client.begin("tools/call", {"name": "waits", "arguments": {}})
    while not (runtime.pool.asking if most else runtime.pool.places._held):
        await asyncio.sleep(0)
    other = client.begin("tools/call", {"name": "quick", "arguments": {}})
    if not most:
        go.set()  # there is no thread besides: the other waits until this one is done
    said = {message["id"]: text_of(message) for message in [await client.receive()]}
    assert [*said] == [other if most else held]
    go.set()
    last = await client.receive()
    said[last["id"]] = text_of(last)
    assert said == {held: "true", other: "quick"}
    await at_rest(app)
    await client.close()


async def test_a_call_that_ends_while_its_thread_waits_leaves_nothing_behind() -> None:
    app, ended = Server("bound", threads=1), list[int]()

    async def never(above: Annotated[int, Depends(own_thread(ended))]) -> int:
        await asyncio.Event().wait()
        raise AssertionError

    @app.tool(timeout=0.02)
    def waits(opened: Annotated[int, Depends(never)]) -> None:
        raise AssertionError

    @contextmanager
    def fails() -> Iterator[int]:
        raise ValueError

    @app.tool
    def unopened(above: Annotated[int, Depends(own_thread(ended))], opened: Annotated[int, Depends(fails)]) -> None:
        raise AssertionError

    client = Conversation(app)
    await client.open()
    assert "seconds" in text_of(await client.call("tools/call", name="waits", arguments={}))
    await idle(app)
    await at_rest(app)
    assert len(ended) == 1
    assert (await client.call("tools/call", name="unopened", arguments={}))["result"]["isError"]
    await at_rest(app)
    await client.close()


async def test_each_dependency_sees_the_failure_also_where_another_one_handles_it() -> None:
    app, seen = Server("forgiving"), list[str]()

    async def outer() -> AsyncIterator[str]:
        try:
            yield "s"
            seen.append("committed")
        except ToolError:
            seen.append("rolled back")

    @app.tool
    async def work(s: Annotated[str, Depends(outer)], t: Annotated[str, Depends(forgiving)]) -> str:
        return forgiven()

    @app.tool
    def plainly(s: Annotated[str, Depends(outer)], t: Annotated[str, Depends(plainly_forgiving)]) -> str:
        return forgiven()

    client = Conversation(app)
    await client.open()
    for name in ("work", "plainly"):
        assert (await client.call("tools/call", name=name, arguments={}))["result"]["isError"]
    assert seen == ["rolled back"] * 2
    await client.close()
