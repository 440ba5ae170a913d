"""Work that several want at once: done once, and for nobody not at all."""

import asyncio

import pytest

from dovetail.servers.fetch.flights import Flights


class Work:
    """Work that waits until it may end, and counts how often it was begun and cancelled."""

    def __init__(self) -> None:
        self.begun = self.cancelled = 0
        self.may_end = asyncio.Event()

    async def __call__(self) -> int:
        self.begun += 1
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return self.begun


async def turn() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_who_comes_meanwhile_waits_for_what_is_under_way() -> None:
    flights, work = Flights(), Work()
    tasks = [asyncio.ensure_future(flights.share("a", work)) for _ in range(3)]
    await turn()
    tasks[0].cancel()
    work.may_end.set()
    assert await asyncio.gather(*tasks[1:]) == [1, 1]
    assert await flights.share("a", work) == 2
    assert len(flights) == 0 and work.cancelled == 0


async def test_what_nobody_waits_for_any_more_is_ended_and_begun_anew() -> None:
    flights, work = Flights(), Work()
    task = asyncio.ensure_future(flights.share("a", work))
    await turn()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert len(flights) == 0
    work.may_end.set()
    assert await flights.share("a", work) == 2 and work.cancelled == 1


async def test_all_hear_of_a_failure() -> None:
    flights = Flights()

    async def fail() -> None:
        await asyncio.sleep(0)
        raise ValueError

    assert {
        type(each)
        for each in await asyncio.gather(*(flights.share("a", fail) for _ in range(2)), return_exceptions=True)
    } == {ValueError}


async def test_closing_ends_what_is_under_way() -> None:
    flights, work = Flights(), Work()
    task = asyncio.ensure_future(flights.share("a", work))
    await turn()
    await flights.aclose()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert work.cancelled == 1
