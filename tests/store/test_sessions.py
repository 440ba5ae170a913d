"""Sessions: kept until they expire or end, by each adapter alike."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from dovetail.core import Stores
from dovetail.errors import Disconnected, InvalidParams
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


async def test_a_change_is_made_to_what_is_stored_and_says_what_that_is_then(stores: Stores, clock: Clock) -> None:
    await stores.sessions.save("a", b"one", 60.0)
    clock.forward(40.0)
    assert await stores.sessions.update("a", lambda record: record + b" two", 60.0) == b"one two"
    clock.forward(40.0)
    assert await stores.sessions.load("a") == b"one two"


async def test_what_is_gone_is_not_made_again_by_a_change(stores: Stores, clock: Clock) -> None:
    await stores.sessions.save("deleted", b"one", 60.0)
    await stores.sessions.save("expired", b"one", 10.0)
    assert await stores.sessions.delete("deleted")
    clock.forward(10.0)
    for session in ("deleted", "expired", "never"):
        assert await stores.sessions.update(session, lambda record: record + b" two", 60.0) is None
        assert not await stores.sessions.touch(session, 60.0)
    assert await stores.sessions.count() == 0


async def test_a_change_that_fails_changes_nothing_and_harms_no_other(stores: Stores) -> None:
    def refuse(record: bytes) -> bytes:
        raise InvalidParams("no")

    await stores.sessions.save("a", b"one", 60.0)
    outcomes = await asyncio.gather(
        stores.sessions.update("a", lambda record: record + b" two", 60.0),
        stores.sessions.update("a", refuse, 60.0),
        stores.sessions.update("a", lambda record: record + b" three", 60.0),
        return_exceptions=True,
    )
    assert [outcomes[0], type(outcomes[1]), outcomes[2]] == [b"one two", InvalidParams, b"one two three"]
    assert await stores.sessions.load("a") == b"one two three"


async def test_of_changes_by_several_workers_at_once_none_is_lost(tmp_path: Path, clock: Clock) -> None:
    workers = [SqliteStores(tmp_path, clock) for _ in range(3)]
    for worker in workers:
        await worker.open()
    await workers[0].sessions.save("a", b"", 60.0)

    def adding(number: int) -> Callable[[bytes], bytes]:
        return lambda record: record + bytes([number])

    await asyncio.gather(*[workers[n % 3].sessions.update("a", adding(n), 60.0) for n in range(90)])
    assert sorted(await workers[0].sessions.load("a") or b"") == list(range(90))
    for worker in workers:
        await worker.aclose()


async def test_a_touch_of_what_another_worker_deleted_says_so_once_it_was_looked_for_again(
    tmp_path: Path, clock: Clock
) -> None:
    here, there = SqliteStores(tmp_path, clock), SqliteStores(tmp_path, clock)
    await here.open()
    await there.open()
    await here.sessions.save("a", b"one", 60.0)
    assert await there.sessions.delete("a")
    assert await here.sessions.load("a") is None
    assert not await here.sessions.touch("a", 60.0)
    await here.aclose()
    await there.aclose()
