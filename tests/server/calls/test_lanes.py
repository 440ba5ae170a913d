"""The one thread of a call: what becomes of its work when the pool is closed before it came to that."""

import asyncio
import threading

import pytest

from dovetail.net import Threads
from dovetail.server.calls.lanes import Lane
from dovetail.server.calls.pool import Pool


async def test_work_that_no_thread_will_come_to_is_cancelled() -> None:
    pool, go = Pool(1), threading.Event()
    pool.threads = Threads(1)
    busy = pool.threads.submit(go.wait, 5)
    lane = Lane(pool, "")
    work = await lane.submit(threading.get_ident)
    pool.close()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(asyncio.wrap_future(work), 5)
    go.set()
    await asyncio.wrap_future(busy)
    assert pool.places._free == 1
    assert not pool.asking


async def test_a_closed_pool_has_no_thread_for_a_lane_and_keeps_no_place_for_it() -> None:
    pool = Pool(1)
    pool.close()
    lane = Lane(pool, "")
    with pytest.raises(RuntimeError, match="closed"):
        await lane.submit(threading.get_ident)
    assert pool.places._free == 1
    lane.close()
    assert repr(lane) == "<Lane new>"


async def test_a_lane_says_what_it_does_and_ends_with_the_last_manager_that_it_leaves() -> None:
    pool, go = Pool(1), threading.Event()
    lane = Lane(pool, "")
    work = await lane.submit(go.wait, 5)
    assert repr(lane) == "<Lane 1 under way>"
    go.set()
    await asyncio.wrap_future(work)
    assert lane.free
    lane.last = True
    last = lane.submit_now(threading.get_ident)
    await asyncio.wrap_future(last)
    while pool.places._free == 0:
        await asyncio.sleep(0)
    assert repr(lane) == "<Lane ended>"
    pool.close()
