"""A pair in memory behaves as a pair of pipes: the same framing, the same limits, back-pressure, an end."""

import asyncio

import pytest

from dovetail.core import Oversize
from dovetail.errors import Disconnected
from dovetail.net import memory_pair
from dovetail.wire import Limits


async def test_what_one_side_sends_the_other_receives_in_order() -> None:
    here, there = memory_pair()
    for n in range(3):
        here.send(b'{"n":%d}' % n)
    there.send(b"{}")
    assert [await there.receive() for _ in range(3)] == [b'{"n":0}', b'{"n":1}', b'{"n":2}']
    assert await here.receive() == b"{}"


async def test_messages_pass_the_framing_of_stdio() -> None:
    here, there = memory_pair()
    here.send(b'{"pretty":\n1}')
    here.send(b"")
    here.send(b"{}\r")
    assert [await there.receive(), await there.receive()] == [b'{"pretty": 1}', b"{}"]


@pytest.mark.req("R-23")
async def test_a_message_over_the_limit_is_reported_in_its_place_and_one_at_the_limit_passes() -> None:
    here, there = memory_pair(Limits(line=4))
    for message in (b"1234", b"12345", b"ok"):
        here.send(message)
    assert [await there.receive() for _ in range(3)] == [b"1234", Oversize(5), b"ok"]


async def test_receiving_waits_for_a_message_and_a_cancelled_wait_loses_none() -> None:
    here, there = memory_pair()
    waiting = asyncio.create_task(there.receive())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    again = asyncio.create_task(there.receive())
    await asyncio.sleep(0)
    here.send(b"{}")
    assert await again == b"{}"


async def test_draining_waits_until_the_other_side_has_received_most_of_it() -> None:
    here, there = memory_pair()
    await here.drain()
    for _ in range(20):
        here.send(b"z" * 100_000)
    draining = asyncio.create_task(here.drain())
    await asyncio.sleep(0)
    assert not draining.done()
    for _ in range(18):
        await there.receive()
    await draining


async def test_closing_ends_both_sides_after_what_was_sent() -> None:
    here, there = memory_pair()
    here.send(b"last")
    assert repr(there) == "<MemoryChannel open, 1 lines unread, 0 bytes unsent>"
    waiting = asyncio.create_task(here.receive())
    await asyncio.sleep(0)
    await here.aclose()
    await here.aclose()
    assert await waiting is None
    assert [await there.receive(), await there.receive(), await there.receive()] == [b"last", None, None]
    for side in (here, there):
        with pytest.raises(Disconnected):
            side.send(b"late")
        with pytest.raises(Disconnected):
            await side.drain()
    assert "closed" in repr(here)


async def test_a_close_wakes_whoever_waits_for_room() -> None:
    here, there = memory_pair()
    for _ in range(20):
        here.send(b"z" * 100_000)
    draining = asyncio.create_task(here.drain())
    await asyncio.sleep(0)
    await there.aclose()
    with pytest.raises(Disconnected):
        await draining
