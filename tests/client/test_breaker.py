"""The circuit breaker: who is asked when a server is down, and when it is asked again."""

import asyncio

import pytest

from dovetail import Client
from dovetail.client.breaker import Breaker
from dovetail.client.options import Retry
from dovetail.errors import Disconnected, PeerError, Unsent
from tests.client.scripted import Json, Scripted

DOWN = Disconnected("the cable is out")
IMPATIENT = Retry(attempts=1, failures=3)


def goes(server: Scripted, request: Json) -> None:
    """Be gone, instead of an answer."""
    asyncio.get_running_loop().call_soon(lambda: asyncio.ensure_future(server.channels[-1].aclose()))


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def fail(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        breaker.failed(await breaker.admitted(), DOWN)


async def test_after_some_failures_in_a_row_nothing_goes_out_until_a_pause_is_over() -> None:
    clock = Clock()
    breaker = Breaker("shop", IMPATIENT, clock)
    await fail(breaker, 2)
    breaker.succeeded(await breaker.admitted())
    await fail(breaker, 3)
    assert not breaker.closed()
    with pytest.raises(
        Unsent, match=r"it failed 3 times in a row; the next try is in 0\.5 s; the last time: the cable"
    ):
        await breaker.admitted()
    clock.now += 0.5
    await breaker.admitted()


async def test_one_call_finds_out_and_the_others_wait_for_it() -> None:
    clock = Clock()
    breaker = Breaker("shop", IMPATIENT, clock)
    await fail(breaker, 3)
    clock.now += 0.5
    ticket = await breaker.admitted()
    others = [asyncio.create_task(breaker.admitted()) for _ in range(5)]
    await asyncio.sleep(0)
    assert not any(other.done() for other in others)
    breaker.succeeded(ticket)
    await asyncio.gather(*others)
    assert breaker.closed()


async def test_each_failure_of_the_one_that_finds_out_doubles_the_pause_within_its_bound() -> None:
    clock = Clock()
    breaker = Breaker("shop", IMPATIENT, clock)
    await fail(breaker, 3)
    for pause in (0.5, 1.0, 1.0):
        clock.now += pause - 0.01
        with pytest.raises(Unsent):
            await breaker.admitted()
        clock.now += 0.01
        ticket = await breaker.admitted()
        other = asyncio.create_task(breaker.admitted())
        await asyncio.sleep(0)
        breaker.failed(ticket, DOWN)
        with pytest.raises(Unsent):
            await other


async def test_what_many_calls_lost_at_once_is_one_failure() -> None:
    breaker = Breaker("shop", IMPATIENT, Clock())
    tickets = [await breaker.admitted() for _ in range(100)]
    for ticket in tickets:
        breaker.failed(ticket, DOWN)
    assert breaker.closed()


async def test_one_that_is_cancelled_while_it_finds_out_lets_another_find_out() -> None:
    clock = Clock()
    breaker = Breaker("shop", IMPATIENT, clock)
    breaker_ticket = await breaker.admitted()
    await fail(breaker, 3)
    old = [await Breaker("shop", IMPATIENT, clock).admitted(), breaker_ticket]
    clock.now += 0.5
    ticket = await breaker.admitted()
    others = [asyncio.create_task(breaker.admitted()) for _ in range(3)]
    await asyncio.sleep(0)
    for each in old:
        breaker.released(each)  # who went out before knows nothing of this
    await asyncio.sleep(0)
    assert not any(other.done() for other in others)
    breaker.released(ticket)
    done, waiting = await asyncio.wait(others, return_when=asyncio.FIRST_COMPLETED)
    assert (len(done), len(waiting)) == (1, 2)
    breaker.succeeded(done.pop().result())
    await asyncio.gather(*waiting)


@pytest.mark.req("R-04")
async def test_a_client_whose_server_is_down_says_so_at_once_when_it_may_try_once_only() -> None:
    server = Scripted(tools_call=goes)
    async with Client(server, retry=Retry(attempts=1, failures=3), revision="2025-11-25") as client:
        server.replies["initialize"] = goes
        for _ in range(3):
            with pytest.raises(Disconnected, match="closed the connection"):
                await client.call_tool("x")
        opened = len(server.channels)
        with pytest.raises(Unsent, match="3 times in a row"):
            await client.call_tool("x")
        assert len(server.channels) == opened


async def test_what_a_server_prints_between_its_messages_is_told() -> None:
    heard: list[str] = []
    async with Client(server := Scripted(), revision="2025-11-25", on_stray=heard.append) as client:
        server.say(b"Listening for work")
        with pytest.raises(PeerError):
            await client.ping()
    assert len(heard) == 1
    assert "Listening for work" in heard[0]
