"""A call's timer: silence, the longest time, and standing still while the user answers."""

import asyncio

import pytest

from dovetail.client.timer import CallTimer
from dovetail.errors import Timeout


class Clock:
    """Moves a loop's time by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        loop = asyncio.get_running_loop()
        self._real = loop.time
        self._ahead = 0.0
        monkeypatch.setattr(loop, "time", lambda: self._real() + self._ahead)

    async def pass_(self, seconds: float) -> None:
        self._ahead += seconds
        for _ in range(3):
            await asyncio.sleep(0)


@pytest.mark.req("C-01")
async def test_silence_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    with pytest.raises(Timeout, match="x: not answered within 10 s"):
        async with CallTimer("x", 10, 100):
            await clock.pass_(9)
            await clock.pass_(2)


@pytest.mark.req("C-01")
async def test_a_sign_of_life_extends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    async with CallTimer("x", 10, 100) as timer:
        for _ in range(5):
            await clock.pass_(9)
            timer.touch()


@pytest.mark.req("C-01")
async def test_no_progress_extends_the_longest_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    passed = 0
    with pytest.raises(Timeout):
        async with CallTimer("x", 10, 30) as timer:
            for _ in range(20):
                await clock.pass_(5)
                passed += 5
                timer.touch()
    assert passed <= 35


async def test_it_stands_while_the_user_answers_however_many_questions_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock(monkeypatch)
    with pytest.raises(Timeout):
        async with CallTimer("x", 10, 30) as timer:
            timer.pause()
            timer.pause()
            await clock.pass_(1000)
            timer.resume()
            await clock.pass_(1000)
            timer.resume()
            await clock.pass_(9)
            await clock.pass_(2)
            pytest.fail("it stands for ever")


async def test_a_timer_that_stood_when_its_call_ended_is_let_go_on_without_a_word() -> None:
    async with CallTimer("x", 5.0, 5.0) as timer:
        timer.pause()
    timer.resume()
    timer.touch()
    assert not timer.expired
