"""Large answers of clients are kept on the server: so much of all, and a share of it for one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dovetail import Context, Limits, Server
from dovetail.core import Stores
from dovetail.server.transports.run import stores_at
from tests.server.peers import Http, Json, text_of

LIMITS = Limits(memory_bytes=400_000, state_bytes=1_600_000)
Make = Callable[[], Stores]


@pytest.fixture(params=["memory", "sqlite"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    return lambda: stores_at(None if request.param == "memory" else tmp_path / "state", LIMITS)


def asking(stores: Stores) -> Any:
    server = Server("asking", limits=LIMITS, stores=stores)

    @server.tool
    async def two(ctx: Context) -> str:
        first = await ctx.elicit("First?", str)
        second = await ctx.elicit("Second?", str)
        return str(len(first.value or "") + len(second.value or ""))

    return server.asgi()


@pytest.mark.req("S-22")
async def test_one_caller_that_fills_its_share_of_effects_loses_its_oldest_and_no_other_one_does(
    make: Make,
) -> None:
    server, run = Server("effects", limits=LIMITS, stores=make()), list[str]()

    def document() -> str:
        run.append("document")
        return "x" * 30_000

    @server.tool
    async def report(ctx: Context) -> int:
        size = len(await ctx.once("document", document))
        return size + len((await ctx.elicit("Name?", str)).value or "")

    asgi = server.asgi()
    greedy, other = Http(asgi, "10.0.0.1"), Http(asgi, "10.0.0.2")
    asked = [await begun(greedy, "report") for _ in range(6)]
    assert [each["resultType"] for each in asked] == ["input_required"] * 6
    assert run == ["document"] * 6
    lost = await answered(greedy, asked[0], "me", "report")
    assert lost["isError"] and "its outcome is not known; it was not run again" in text_of(lost)
    assert text_of(await answered(greedy, asked[-1], "me", "report")) == "30002"
    assert text_of(await answered(other, await begun(other, "report"), "you", "report")) == "30003"
    assert run == ["document"] * 7
    await asgi.stop()


async def answered(client: Http, asked: Json, text: str, name: str = "two") -> Json:
    (key,) = asked["inputRequests"]
    answer = {key: {"action": "accept", "content": {"value": text}}}
    params = {"name": name, "arguments": {}, "requestState": asked["requestState"], "inputResponses": answer}
    result: Json = (await client.modern("tools/call", params)).json["result"]
    return result


async def begun(client: Http, name: str = "two") -> Json:
    result: Json = (await client.modern("tools/call", {"name": name, "arguments": {}})).json["result"]
    return result


@pytest.mark.req("S-22")
async def test_one_caller_fills_its_share_of_kept_answers_and_another_is_unaffected(make: Make) -> None:
    asgi = asking(make())
    greedy, other = Http(asgi, "10.0.0.1"), Http(asgi, "10.0.0.2")
    outcomes = [await answered(greedy, await begun(greedy), "x" * 30_000) for _ in range(6)]
    assert [outcome.get("isError", False) for outcome in outcomes] == [False] * 3 + [True] * 3
    assert "of one caller is full (100000 bytes)" in text_of(outcomes[-1])
    for client, outcome in ((other, await answered(other, await begun(other), "x" * 30_000)), (greedy, outcomes[0])):
        assert text_of(await answered(client, outcome, "y")) == "30001"
    await asgi.stop()
