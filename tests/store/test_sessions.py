"""Sessions: kept until they expire or end, by each adapter alike."""

import asyncio
from pathlib import Path

import pytest

from dovetail.core import Stores
from dovetail.errors import Disconnected
from dovetail.store import MemoryStores, SqliteStores
from tests.store.conftest import Clock


async def test_what_was_saved_is_loaded_and_a_later_save_replaces_it(stores: Stores) -> None:
    assert await stores.sessions.load("a") is None
    await stores.sessions.save("a", b"one", 60.0)
    await stores.sessions.save("a", b"two", 60.0)
    await stores.sessions.save("b", b"\x00\xff", 60.0)
    assert await stores.sessions.load("a") == b"two"
    assert await stores.sessions.load("b") == b"\x00\xff"
    assert await stores.sessions.count() == 2


@pytest.mark.req("S-16")
async def test_an_idle_session_is_gone_at_its_time(stores: Stores, clock: Clock) -> None:
    await stores.sessions.save("a", b"one", 60.0)
    clock.forward(59.0)
    assert await stores.sessions.load("a") == b"one"
    clock.forward(1.0)
    assert await stores.sessions.load("a") is None
    assert await stores.sessions.count() == 0
    assert not await stores.sessions.delete("a")


async def test_a_touch_gives_a_live_session_its_time_again_and_a_dead_one_nothing(stores: Stores, clock: Clock) -> None:
    await stores.sessions.save("a", b"one", 60.0)
    clock.forward(40.0)
    await stores.sessions.touch("a", 60.0)
    clock.forward(40.0)
    assert await stores.sessions.load("a") == b"one"
    clock.forward(20.0)
    await stores.sessions.touch("a", 60.0)
    await stores.sessions.touch("never", 60.0)
    assert await stores.sessions.load("a") is None
    assert await stores.sessions.load("never") is None


async def test_a_touch_may_shorten_the_time(stores: Stores, clock: Clock) -> None:
    await stores.sessions.save("a", b"one", 600.0)
    await stores.sessions.touch("a", 10.0)
    clock.forward(10.0)
    assert await stores.sessions.count() == 0
    assert await stores.sessions.load("a") is None


async def test_a_deleted_session_is_gone_and_only_one_delete_says_so(stores: Stores) -> None:
    await stores.sessions.save("a", b"one", 60.0)
    assert sorted(await asyncio.gather(*[stores.sessions.delete("a") for _ in range(5)])) == [False] * 4 + [True]
    assert await stores.sessions.load("a") is None


async def test_a_full_memory_refuses_new_sessions_and_keeps_the_old(clock: Clock) -> None:
    stores = MemoryStores(clock, max_bytes=2_000)
    await stores.sessions.save("a", bytes(1_000), 60.0)
    with pytest.raises(Disconnected, match="full"):
        await stores.sessions.save("b", bytes(1_000), 60.0)
    assert await stores.sessions.load("a") == bytes(1_000)
    clock.forward(60.0)
    await stores.sessions.save("b", bytes(1_000), 60.0)


async def test_many_sessions_that_come_and_go_leave_nothing_behind(clock: Clock) -> None:
    stores = MemoryStores(clock)
    for number in range(2_000):
        await stores.sessions.save(f"s{number}", b"x", 3600.0)
        await stores.sessions.touch(f"s{number}", 10.0 + number % 7)
        if number % 2:
            await stores.sessions.delete(f"s{number}")
    assert await stores.sessions.count() == 1_000
    table = stores.sessions._records
    assert len(table._deadlines) <= 64 + 2 * 2_000
    clock.forward(16.0)
    assert await stores.sessions.count() == 0
    assert table._weight == 0


async def test_a_touch_is_written_once_in_a_while_only(tmp_path: Path, clock: Clock) -> None:
    stores = SqliteStores(tmp_path, clock)
    await stores.open()
    other = SqliteStores(tmp_path, clock)
    await other.open()
    await stores.sessions.save("a", b"one", 100.0)
    clock.forward(4.0)
    await stores.sessions.touch("a", 100.0)  # not written: less than five seconds
    clock.forward(96.0)
    assert await other.sessions.load("a") is None
    await stores.sessions.save("a", b"one", 100.0)
    clock.forward(6.0)
    await stores.sessions.touch("a", 100.0)
    clock.forward(96.0)
    assert await other.sessions.load("a") == b"one"
    await stores.aclose()
    await other.aclose()


async def test_sessions_outlive_a_restart_and_are_the_same_for_all_workers(tmp_path: Path, clock: Clock) -> None:
    one, two = SqliteStores(tmp_path, clock), SqliteStores(tmp_path, clock)
    await one.open()
    await two.open()
    await one.sessions.save("a", b"one", 60.0)
    assert await two.sessions.load("a") == b"one"
    await two.sessions.delete("a")
    assert await one.sessions.load("a") is None
    await one.sessions.save("b", b"two", 60.0)
    await one.aclose()
    await two.aclose()
    again = SqliteStores(tmp_path, clock)
    await again.open()
    assert await again.sessions.load("b") == b"two"
    assert await again.sessions.count() == 1
    await again.aclose()


async def test_every_session_that_is_alive_is_listed_with_its_record(stores: Stores, clock: Clock) -> None:
    await stores.sessions.save("gone", b"1", 10.0)
    await stores.sessions.save("there", b"2", 60.0)
    clock.forward(20.0)
    assert await stores.sessions.every() == [("there", b"2")]
