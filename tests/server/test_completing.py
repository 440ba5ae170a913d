"""Suggestions: from functions that may wait, block or misbehave, beside the event loop and within the entry's time."""

import asyncio
import threading
from enum import Enum
from typing import Annotated, Any, Literal

import pytest

from dovetail import Complete, Context, Server
from dovetail.errors import DefinitionError
from tests.server.peers import Conversation, Json


async def completed(source: Any, **options: Any) -> Json:
    app = Server("completing")

    def say(city: str) -> str:
        return city

    say.__annotations__["city"] = Annotated[str, Complete(source)]
    app.add_prompt(say, **options)
    client = Conversation(app)
    await client.open()
    argument = {"name": "city", "value": "b"}
    answer = await client.call("completion/complete", ref={"type": "ref/prompt", "name": "say"}, argument=argument)
    await client.close()
    return answer


class Cities:
    async def __call__(self, typed: str) -> list[str]:
        return [typed, "bern"]


async def awaited(typed: str) -> list[str]:
    return [typed, "bern"]


@pytest.mark.parametrize("source", [awaited, Cities(), lambda typed: awaited(typed), lambda typed: (typed, "bern")])
async def test_whatever_comes_back_awaitable_is_awaited(source: Any) -> None:
    assert (await completed(source))["result"]["completion"]["values"] == ["b", "bern"]


async def test_a_plain_function_runs_beside_the_event_loop() -> None:
    answer = await completed(lambda typed: [threading.current_thread().name])
    assert answer["result"]["completion"]["values"][0].startswith("dovetail")


class City(Enum):
    BERN = "bern"
    ROME = "rome"


@pytest.mark.parametrize(
    ("returned", "values"),
    [(None, []), ("bern", ["bern"]), ([], []), ({"a": 1}, ["a"]), ([City.BERN, 1], ["bern", "1"])],
)
async def test_nothing_or_one_value_is_an_answer_too(returned: Any, values: list[str]) -> None:
    assert (await completed(lambda typed: returned))["result"]["completion"] == {
        "values": values,
        "total": len(values),
        "hasMore": False,
    }


@pytest.mark.parametrize("source", [City, Literal["rome", "bern"], ["rome", "bern"]])
async def test_an_enum_and_a_literal_are_lists_of_their_values(source: Any) -> None:
    assert (await completed(source))["result"]["completion"]["values"] == ["bern"]


@pytest.mark.req("S-25")
async def test_a_function_has_no_more_time_than_its_prompt() -> None:
    async def waits(typed: str) -> list[str]:
        await asyncio.Event().wait()
        return []

    answer = await completed(waits, timeout=0.02)
    assert "did not finish within 0.02 seconds" in answer["error"]["message"]


async def test_a_list_is_what_an_exploded_variable_is_for_a_function_that_wants_one() -> None:
    app = Server("lists")
    seen: list[Any] = []

    @app.resource("docs://{area}{/path*}{?years*}")
    def read(area: str, path: list[str], years: list[int] | None = None) -> str:
        seen.append((area, path, years))
        return "read"

    @app.resource("text://x{/path*}")
    def text(path: str) -> str:
        seen.append(path)
        return "read"

    client = Conversation(app)
    await client.open()
    for uri in ("docs://a/b/c%2Fd?years=1&years=2", "docs://a/b", "text://x/b/c"):
        assert (await client.call("resources/read", uri=uri))["result"]["contents"][0]["text"] == "read"
    assert seen == [("a", ["b", "c/d"], [1, 2]), ("a", ["b"], None), "b/c"]
    for uri in ("docs://a/b/../c", "docs://a/b/%2e%2e/c", "docs://a/b/..%2Fc"):
        assert "error" in await client.call("resources/read", uri=uri)
    await client.close()


async def test_progress_may_be_told_in_numbers_of_another_library() -> None:
    app = Server("progress")

    class Whole:
        def tolist(self) -> int:
            return 3

    Whole.__module__ = "numpy"
    done: Any = Whole()

    @app.tool
    async def work(ctx: Context) -> None:
        await ctx.progress(done, done)
        with pytest.raises(DefinitionError, match="progress, total: expected numbers"):
            await ctx.progress(4, "five")  # type: ignore[arg-type]

    client = Conversation(app)
    await client.open()
    result = await client.call("tools/call", name="work", arguments={}, _meta={"progressToken": "p"})
    assert "isError" not in result["result"]
    told = [message["params"] for message in client.seen if message.get("method") == "notifications/progress"]
    assert told == [{"progressToken": "p", "progress": 3, "total": 3}]
    await client.close()


@pytest.mark.parametrize("progress", [float("nan"), float("inf"), float("-inf")])
async def test_progress_without_a_number_is_not_sent_and_a_total_without_one_is_not_known(progress: float) -> None:
    app = Server("progress")

    @app.tool
    async def work(ctx: Context) -> None:
        await ctx.progress(progress)
        await ctx.progress(1, progress)
        await ctx.progress(2, 3)

    client = Conversation(app)
    await client.open()
    params = {"name": "work", "arguments": {}, "_meta": {"progressToken": "p"}}
    await client.call("tools/call", **params)
    told = [message["params"] for message in client.seen if message.get("method") == "notifications/progress"]
    assert told == [
        {"progressToken": "p", "progress": 1},
        {"progressToken": "p", "progress": 2, "total": 3},
    ]
    await client.close()
