"""Equal work under way is done once, whoever gives up meanwhile."""

import asyncio

import pytest

from dovetail.client.flights import Flights
from dovetail.errors import Disconnected, PeerError


class Work:
    """Work that ends when a test says so."""

    def __init__(self) -> None:
        self.begun = 0
        self.ended = 0
        self.go = asyncio.Event()

    async def __call__(self) -> int:
        self.begun += 1
        mine = self.begun
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.ended += 1
            raise
        return mine


async def waiting(tasks: list["asyncio.Task[int]"]) -> None:
    for _ in range(3):
        await asyncio.sleep(0)
    assert not any(task.done() for task in tasks)


async def test_who_asks_for_the_same_waits_for_the_same_answer() -> None:
    flights: Flights[int] = Flights()
    work = Work()
    tasks = [asyncio.create_task(flights.join(key, work)) for key in "aaab"]
    await waiting(tasks)
    assert repr(flights) == "<Flights: 2 to be joined>"
    work.go.set()
    assert await asyncio.gather(*tasks) == [1, 1, 1, 2]
    assert await flights.join("a", work) == 3
    assert repr(flights) == "<Flights: 0 to be joined>"


async def test_who_gives_up_takes_nothing_away_and_the_last_one_ends_the_work() -> None:
    flights: Flights[int] = Flights()
    work = Work()
    tasks = [asyncio.create_task(flights.join("a", work)) for _ in range(2)]
    await waiting(tasks)
    tasks[0].cancel()
    await waiting(tasks[1:])
    assert (work.begun, work.ended) == (1, 0)
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    late = asyncio.create_task(flights.join("a", work))
    await waiting([late])
    assert (work.begun, work.ended) == (2, 1), "who comes after all gave up begins anew"
    work.go.set()
    assert await late == 2


async def test_a_failure_is_that_of_all_who_wait() -> None:
    flights: Flights[int] = Flights()

    async def fail() -> int:
        await asyncio.sleep(0)
        raise PeerError(-32603, "No")

    results = await asyncio.gather(*[flights.join("a", fail) for _ in range(3)], return_exceptions=True)
    assert [type(result) for result in results] == [PeerError] * 3


async def test_nobody_joins_what_was_sealed_or_is_wanted_anew() -> None:
    flights: Flights[int] = Flights()
    work = Work()
    first = asyncio.create_task(flights.join("a", work))
    await waiting([first])
    flights.seal()
    second = asyncio.create_task(flights.join("a", work))
    third = asyncio.create_task(flights.join("a", work, anew=True))
    await waiting([first, second, third])
    fourth = asyncio.create_task(flights.join("a", work))
    await waiting([fourth])
    work.go.set()
    assert list(await asyncio.gather(first, second, third, fourth)) == [1, 2, 3, 3]


async def test_what_nobody_waits_for_goes_on_until_the_end_and_is_joined_meanwhile() -> None:
    flights: Flights[int] = Flights()
    work = Work()
    flights.begin("a", work)
    flights.begin("a", work)
    passing = asyncio.create_task(flights.join("a", work))
    await waiting([passing])
    passing.cancel()
    staying = asyncio.create_task(flights.join("a", work))
    await waiting([staying])
    assert (work.begun, work.ended) == (1, 0)
    await flights.aclose()
    with pytest.raises(Disconnected, match="closed"):
        await staying
    assert work.ended == 1
    await flights.aclose()
