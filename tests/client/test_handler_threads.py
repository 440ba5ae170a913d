"""Plain functions run in threads, so many at a time; each has its place until it ends, whoever has given it up."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dovetail.client.handler_threads import HandlerThreads


class Desk:
    """Functions that wait until they are let go; the last one stays until it is told."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.came = threading.Semaphore(0)
        self.go = threading.Event()

    def work(self, number: int) -> Callable[[], int]:
        def wait() -> int:
            self.begun.append(number)
            self.came.release()
            self.go.wait(10)
            return number

        return wait

    async def arrived(self, count: int) -> None:
        for _ in range(count):
            assert await asyncio.to_thread(self.came.acquire, True, 5)


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.go.set()
    for thread in threading.enumerate():
        if thread.name.startswith("dovetail: a handler"):
            thread.join(5)


def start(threads: HandlerThreads, desk: Desk, numbers: range) -> list[asyncio.Task[Any]]:
    return [asyncio.create_task(threads.call(desk.work(number))) for number in numbers]


async def given_up(calls: list[asyncio.Task[Any]]) -> None:
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)


async def test_more_wait_and_come_in_the_order_in_which_they_asked(desk: Desk) -> None:
    threads = HandlerThreads(2)
    calls = start(threads, desk, range(5))
    await desk.arrived(2)
    assert repr(threads) == "<HandlerThreads 2 of 2, 3 waiting>"
    desk.go.set()
    assert await asyncio.gather(*calls) == [0, 1, 2, 3, 4]
    assert sorted(desk.begun[:2]) == [0, 1]


async def test_a_call_that_is_given_up_does_not_give_its_place_away(desk: Desk) -> None:
    threads = HandlerThreads(2)
    calls = start(threads, desk, range(2))
    await desk.arrived(2)
    await given_up(calls)
    later = start(threads, desk, range(2, 4))
    await asyncio.sleep(0)
    assert repr(threads) == "<HandlerThreads 2 of 2, 2 waiting>"
    assert sorted(desk.begun) == [0, 1]
    desk.go.set()
    assert await asyncio.gather(*later) == [2, 3]


async def test_what_is_given_up_before_its_turn_is_never_called(desk: Desk) -> None:
    threads = HandlerThreads(1)
    first, *others = start(threads, desk, range(3))
    await desk.arrived(1)
    await given_up(others[:1])
    desk.go.set()
    assert await asyncio.gather(*[first, others[1]]) == [0, 2]
    assert desk.begun == [0, 2]


async def test_a_thread_of_a_loop_that_is_closed_gives_its_place_back_when_it_ends(desk: Desk) -> None:
    threads = HandlerThreads(1)

    async def left_behind() -> None:
        calls = start(threads, desk, range(2))
        await desk.arrived(1)
        await given_up(calls)

    await asyncio.to_thread(asyncio.run, left_behind())
    (later,) = start(threads, desk, range(2, 3))
    await asyncio.sleep(0)
    assert desk.begun == [0]
    desk.go.set()
    async with asyncio.timeout(5):
        assert await later == 2


async def test_a_thread_that_cannot_be_started_takes_no_place(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = HandlerThreads(1)
    with monkeypatch.context() as patched:

        def full(thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        patched.setattr(threading.Thread, "start", full)
        with pytest.raises(RuntimeError):
            await threads.call(desk.work(0))
    assert repr(threads) == "<HandlerThreads 0 of 1, 0 waiting>"
    desk.go.set()
    assert await threads.call(desk.work(1)) == 1
