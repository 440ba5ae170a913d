"""Looking out for the next message: only where it pays, and never for long."""

import asyncio
import os
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.net import line_channel
from dovetail.net.descriptor import descriptor
from dovetail.net.haste import ENOUGH, WINDOW, Haste
from dovetail.net.line_channel import LineChannel
from dovetail.wire import DEFAULT_LIMITS


def quick(haste: Haste, times: int = ENOUGH) -> Haste:
    """Let requests follow answers at once."""
    for number in range(times):
        haste.answered(number)
        haste.asked(number + WINDOW / 2)
    return haste


def test_it_pays_after_enough_quick_requests_in_a_row() -> None:
    haste = Haste(2)
    assert not quick(haste, ENOUGH - 1).pays
    assert quick(haste, 1).pays
    haste.answered(0.0)
    haste.asked(2 * WINDOW)
    assert not haste.pays


def test_on_one_processor_it_never_pays() -> None:
    assert not quick(Haste(1), 100).pays


def test_each_time_in_vain_asks_for_twice_as_many() -> None:
    haste = quick(Haste(2))
    for needed in (2 * ENOUGH, 4 * ENOUGH):
        haste.missed()
        assert not quick(haste, needed - 1).pays
        assert quick(haste, 1).pays
    haste.met()
    haste.asked(1e9)  # no answer came before it
    assert quick(haste, ENOUGH).pays


@given(st.lists(st.sampled_from(["met", "missed", "quick", "slow"])))
def test_whatever_happens_it_pays_only_after_quick_requests(steps: list[str]) -> None:
    haste, row = Haste(2), 0
    for step in steps:
        match step:
            case "met":
                haste.met()
            case "missed":
                haste.missed()
                row = 0
            case _:
                haste.answered(0.0)
                haste.asked(0.0 if step == "quick" else 1.0)
                row = row + 1 if step == "quick" else 0
        assert not haste.pays or row >= ENOUGH


@pytest.fixture
def pipes() -> Iterator[tuple[int, int, int, int]]:
    reads, asks = os.pipe()
    hears, writes = os.pipe()
    yield reads, asks, hears, writes
    for each in (reads, asks, hears, writes):
        os.close(each)


async def test_a_request_that_is_there_when_the_answer_is_written_is_taken_without_a_turn_of_the_loop(
    pipes: tuple[int, int, int, int],
) -> None:
    reads, asks, hears, writes = pipes
    haste = quick(Haste(2))
    channel = LineChannel(descriptor(reads, writing=False), descriptor(writes, writing=True), DEFAULT_LIMITS, haste)
    turns: list[int] = []
    channel.send(b"answer")
    os.write(asks, b"next\n")
    asyncio.get_running_loop().call_soon(turns.append, 1)
    assert await channel.receive() == b"next"
    assert turns == []
    assert os.read(hears, 100) == b"answer\n"
    os.write(asks, b"last\n")  # nothing was said since: there is nothing to look out for
    assert await channel.receive() == b"last"
    assert turns == [1]
    await channel.aclose()


async def test_who_looks_out_in_vain_waits_as_others_do(
    pipes: tuple[int, int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_channel, "WINDOW", 0.0)
    reads, asks, _, writes = pipes
    haste = quick(Haste(2))
    channel = LineChannel(descriptor(reads, writing=False), descriptor(writes, writing=True), DEFAULT_LIMITS, haste)
    channel.send(b"answer")
    asyncio.get_running_loop().call_soon(os.write, asks, b"next\n")
    assert await channel.receive() == b"next"
    assert not haste.pays
    await channel.aclose()


async def test_the_end_is_seen_while_looking_out(pipes: tuple[int, int, int, int]) -> None:
    reads, asks, _, writes = pipes
    channel = LineChannel(
        descriptor(reads, writing=False), descriptor(writes, writing=True), DEFAULT_LIMITS, quick(Haste(2))
    )
    channel.send(b"answer")
    os.write(asks, b"half")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, asks)  # nobody has the other end any more
    os.close(null)
    assert await channel.receive() is None
    await channel.aclose()
