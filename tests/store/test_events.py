"""Messages of resumable streams: numbered once, kept until they are forgotten, and there after a kill."""

import asyncio
import os
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from dovetail.core import Stores
from dovetail.store import MemoryStores, SqliteStores
from dovetail.store.memory_events import LINGER
from dovetail.store.sqlite_shelf import ALIVE
from tests.store.conftest import Clock
from tests.store.processes import Process

CYCLES = 500 if os.environ.get("DOVETAIL_LONG") else 20

Start = Callable[..., Awaitable[Process]]


async def test_numbers_grow_over_all_streams_of_a_session_from_one(stores: Stores) -> None:
    assert [await stores.events.append("s", stream, b"m") for stream in ("a", "b", "a")] == [1, 2, 3]
    assert await stores.events.append("other", "a", b"m") == 1


async def test_a_stream_gives_its_own_messages_after_a_number_in_order(stores: Stores) -> None:
    for stream, message in (("a", b"1"), ("b", b"2"), ("a", b"3"), ("a", b"4")):
        await stores.events.append("s", stream, message)
    await stores.events.append("t", "a", b"foreign")
    assert await stores.events.after("s", "a", 0) == [(1, b"1"), (3, b"3"), (4, b"4")]
    assert await stores.events.after("s", "a", 1) == [(3, b"3"), (4, b"4")]
    assert await stores.events.after("s", "a", 2) == [(3, b"3"), (4, b"4")]
    assert await stores.events.after("s", "a", 4) == []
    assert await stores.events.after("s", "never", 0) == []
    assert await stores.events.after("never", "a", 0) == []


async def test_a_mark_is_remembered_and_never_goes_back(stores: Stores) -> None:
    assert await stores.events.marked("s", "a") is None
    await stores.events.append("s", "a", b"m")
    assert await stores.events.marked("s", "a") is None
    await stores.events.mark("s", "a", 5)
    await stores.events.mark("s", "a", 3)
    assert await stores.events.marked("s", "a") == 5
    assert await stores.events.marked("s", "b") is None
    assert await stores.events.after("s", "a", 0) == [(1, b"m")]


async def test_of_what_was_handed_over_so_much_is_kept_and_of_the_rest_all(stores: Stores) -> None:
    for _ in range(6):
        await stores.events.append("s", "a", b"-")
        await stores.events.append("s", "b", b"-")

    async def numbers(stream: str = "a") -> list[int]:
        return [number for number, _ in await stores.events.after("s", stream, 0)]

    await stores.events.mark("s", "a", 3, keep=2)
    assert await numbers() == [1, 3, 5, 7, 9, 11], "two were handed over"
    await stores.events.mark("s", "a", 7)
    assert await numbers() == [1, 3, 5, 7, 9, 11], "nothing was said of how many are kept"
    await stores.events.mark("s", "a", 7, keep=2)
    assert await numbers() == [5, 7, 9, 11]
    await stores.events.mark("s", "a", 3, keep=0)
    assert await numbers() == [9, 11], "a mark never goes back"
    assert len(await numbers("b")) == 6


async def test_a_stream_is_not_bounded_by_a_number_of_messages(stores: Stores) -> None:
    await asyncio.gather(*[stores.events.append("s", "a", b"row %d" % number) for number in range(3_000)])
    assert len(await stores.events.after("s", "a", 0)) == 3_000


async def test_a_call_that_says_very_much_costs_neither_other_outcomes_nor_notices(
    tmp_path: Path, clock: Clock
) -> None:
    for stores in (MemoryStores(clock, max_bytes=200_000), SqliteStores(tmp_path, clock, max_bytes=800_000)):
        await stores.open()
        await stores.events.append("s", "0", b"a notice")
        await stores.events.append("s", "done", b"an outcome")
        for number in range(2_000):
            last = await stores.events.append("s", "chatty", b"row %d" % number)
        assert [message for _, message in await stores.events.after("s", "0", 0)] == [b"a notice"]
        assert [message for _, message in await stores.events.after("s", "done", 0)] == [b"an outcome"]
        rows = await stores.events.after("s", "chatty", 0)
        assert rows[-1] == (last, b"row 1999") and len(rows) < 2_000
        await stores.aclose()


async def test_a_forgotten_stream_is_empty_and_the_numbers_go_on(stores: Stores) -> None:
    await stores.events.append("s", "a", b"m")
    await stores.events.append("s", "b", b"m")
    await stores.events.mark("s", "a", 1)
    await stores.events.forget("s", "a")
    await stores.events.forget("s", "never")
    await stores.events.forget("never", "a")
    assert await stores.events.after("s", "a", 0) == []
    assert await stores.events.marked("s", "a") is None
    assert await stores.events.after("s", "b", 0) == [(2, b"m")]
    assert await stores.events.append("s", "a", b"m") == 3


async def test_a_forgotten_session_has_nothing_left(stores: Stores) -> None:
    await stores.events.append("s", "a", b"m")
    await stores.events.append("t", "a", b"m")
    await stores.events.forget("s")
    await stores.events.forget("s")
    assert await stores.events.after("s", "a", 0) == []
    assert await stores.events.after("t", "a", 0) == [(1, b"m")]


async def test_messages_of_a_quiet_session_are_forgotten_and_those_of_a_busy_one_are_not(
    stores: Stores, clock: Clock
) -> None:
    await stores.events.append("quiet", "a", b"m")
    await stores.events.append("busy", "a", b"m")
    clock.forward(60.0)
    await stores.events.mark("busy", "a", 1)
    clock.forward(60.0)
    assert await stores.events.after("quiet", "a", 0) == []
    assert await stores.events.marked("quiet", "a") is None
    assert await stores.events.after("busy", "a", 0) == [(1, b"m")]
    assert await stores.events.append("quiet", "a", b"new") == 2


async def test_appends_at_once_get_a_number_each(stores: Stores) -> None:
    numbers = await asyncio.gather(*[stores.events.append("s", f"{n % 50}", b"m") for n in range(200)])
    assert sorted(numbers) == list(range(1, 201))


async def test_a_full_memory_forgets_the_session_that_was_quiet_longest(clock: Clock) -> None:
    stores = MemoryStores(clock, max_bytes=4_000)
    for session in ("a", "b", "a", "c"):
        await stores.events.append(session, "x", bytes(700))
    assert await stores.events.after("b", "x", 0) == []
    assert len(await stores.events.after("a", "x", 0)) == 2
    assert len(await stores.events.after("c", "x", 0)) == 1
    for session in ("a", "b", "c"):
        await stores.events.forget(session)
    assert stores.events._weight == 0


async def test_numbers_of_a_session_that_lives_on_never_come_again(stores: Stores, clock: Clock) -> None:
    events = stores.events
    for _ in range(4):
        last = await events.append("s", "0", b"heard")
    clock.forward(101.0)
    for other in range(5):
        await events.append(f"t{other}", "0", b"of somebody else")
    assert await events.append("s", "0", b"new") > last
    assert [message for _, message in await events.after("s", "0", last)] == [b"new"]


async def test_under_pressure_too_a_session_that_is_forgotten_goes_on_above_its_numbers(clock: Clock) -> None:
    events = MemoryStores(clock, max_bytes=8_000).events
    for _ in range(4):
        last = await events.append("s", "0", b"heard")
    for other in range(20):
        await events.append(f"t{other}", "0", bytes(500))
    assert await events.after("s", "0", 0) == []
    await events.append("s", "0", b"new")
    assert [message for _, message in await events.after("s", "0", last)] == [b"new"]


async def test_who_stores_more_than_a_share_forgets_its_own(clock: Clock) -> None:
    events = MemoryStores(clock, max_bytes=8_000).events
    await events.append("s", "0", b"of a quiet one")
    for number in range(100):
        await events.append("greedy", f"stream{number // 10}", bytes(500))
    assert [message for _, message in await events.after("s", "0", 0)] == [b"of a quiet one"]
    assert await events.after("greedy", "stream0", 0) == []
    assert len(await events.after("greedy", "stream9", 0)) == 10
    for _ in range(100):
        await events.append("greedy", "stream9", bytes(500))
    assert 5 <= len(await events.after("greedy", "stream9", 0)) <= 12
    assert [message for _, message in await events.after("s", "0", 0)] == [b"of a quiet one"]


async def test_two_workers_number_one_session_together(tmp_path: Path, clock: Clock) -> None:
    one, two = SqliteStores(tmp_path, clock), SqliteStores(tmp_path, clock)
    await one.open()
    await two.open()
    numbers = await asyncio.gather(*[w.events.append("s", "a", b"m") for _ in range(50) for w in (one, two)])
    assert sorted(numbers) == list(range(1, 101))
    await two.events.mark("s", "a", 40)
    assert await one.events.marked("s", "a") == 40
    await one.aclose()
    await two.aclose()


@pytest.mark.timeout(30 + 3 * CYCLES)
async def test_a_kill_between_append_and_mark_loses_nothing_and_doubles_nothing(process: Start) -> None:
    delivered: list[str] = []
    for cycle in range(CYCLES + 1):
        worker = await process("deliver", f"message {cycle}")
        delivered += await worker.hear()
        assert await worker.hear() == cycle + 1
        await worker.kill()
    assert delivered == [f"message {cycle}" for cycle in range(CYCLES)]


@pytest.mark.timeout(60)
async def test_what_was_acknowledged_before_a_kill_is_there_after_it(process: Start, tmp_path: Path) -> None:
    acknowledged: dict[int, str] = {}
    for cycle in range(5):
        workers = [await process("pour", f"{cycle}-{worker}") for worker in range(2)]
        for _ in range(40 + 17 * cycle):
            for worker in workers:
                sequence, body = await worker.hear()
                assert acknowledged.setdefault(sequence, body) == body
        for worker in workers:
            await worker.kill()
    stores = SqliteStores(tmp_path / "state")
    await stores.open()
    stored = await stores.events.after("session", "stream", 0)
    assert [sequence for sequence, _ in stored] == list(range(1, len(stored) + 1))
    assert {number: body.decode() for number, body in stored if number in acknowledged} == acknowledged
    assert len({body for _, body in stored}) == len(stored)
    await stores.aclose()


async def test_more_may_come_on_a_stream_until_who_began_it_ends_it(stores: Stores) -> None:
    assert not await stores.events.fed("s", "a")
    await stores.events.begin("s", "a")
    await stores.events.begin("s", "b")
    assert [await stores.events.fed("s", stream) for stream in ("a", "b", "never")] == [True, True, False]
    await stores.events.append("s", "a", b"m")
    await stores.events.end("s", "a")
    assert [await stores.events.fed("s", stream) for stream in ("a", "b")] == [False, True]
    await stores.events.forget("s")
    assert not await stores.events.fed("s", "b")


async def test_a_stream_that_ended_is_forgotten_in_a_while_and_its_neighbours_are_not(tmp_path: Path) -> None:
    clock = Clock()
    for stores in (MemoryStores(clock), SqliteStores(tmp_path, clock)):
        await stores.open()
        for stream in ("ended", "other"):
            await stores.events.append("s", stream, b"m")
        await stores.events.end("s", "ended")
        await stores.events.end("s", "never")
        await stores.events.end("t", "ended")
        clock.forward(LINGER - 1)
        await stores.events.end("s", "ended")  # again: its time goes on
        assert [message for _, message in await stores.events.after("s", "ended", 0)] == [b"m"]
        clock.forward(1)
        assert await stores.events.after("s", "ended", 0) == []
        assert [message for _, message in await stores.events.after("s", "other", 0)] == [b"m"]
        await stores.aclose()


async def test_many_streams_that_end_leave_nothing_behind(tmp_path: Path, clock: Clock) -> None:
    memory, sqlite = MemoryStores(clock), SqliteStores(tmp_path, clock)
    await sqlite.open()
    for stores in (memory, sqlite):
        for number in range(200):
            await stores.events.append(f"s{number % 3}", f"{number}", b"m", "owner")
            await stores.events.end(f"s{number % 3}", f"{number}")
            clock.forward(LINGER / 20)
        clock.forward(LINGER)
        await stores.events.append("s0", "last", b"m", "owner")
        await stores.events.end("s0", "last")

    def rows(connection: sqlite3.Connection) -> int:
        return int(connection.execute("SELECT count(*) FROM events").fetchone()[0])

    kept = memory.events._sessions
    assert [list(session.streams) for session in kept.values()] == [[], [], ["last"]]
    assert list(memory.events._ended) == [("s0", "last")]
    assert await sqlite._thread.read(rows) <= 21
    await memory.events.forget("s0")
    assert not memory.events._ended
    await sqlite.aclose()


async def test_a_full_memory_forgets_when_a_stream_would_go_with_the_stream(clock: Clock) -> None:
    stores = MemoryStores(clock, max_bytes=8_000)
    for number in range(200):
        await stores.events.append("s", f"{number}", b"m")
        await stores.events.end("s", f"{number}")
    assert len(stores.events._ended) < 20
    assert stores.events._weight <= 8_000
    await stores.events.forget("s")
    assert (len(stores.events._ended), stores.events._weight) == (0, 0)


async def test_a_stream_is_fed_for_all_workers_while_who_began_it_lives(tmp_path: Path, clock: Clock) -> None:
    one, two, three = [SqliteStores(tmp_path, clock) for _ in range(3)]
    for stores in (one, two, three):
        await stores.open()
    await one.events.begin("s", "a")
    await two.events.begin("s", "b")
    assert [await three.events.fed("s", stream) for stream in ("a", "b")] == [True, True]
    await one.aclose()
    assert not await three.events.fed("s", "a")
    assert two._thread._stopped is not None
    two._thread._jobs.put(None)
    await two._thread._stopped  # as one that was killed: it does not leave
    assert await three.events.fed("s", "b")
    clock.forward(ALIVE + 1)
    assert not await three.events.fed("s", "b")
    await two.aclose()
    await three.aclose()


@pytest.mark.parametrize("taker", ["its session", "others"])
async def test_a_mark_goes_with_what_was_not_handed_over(tmp_path: Path, clock: Clock, taker: str) -> None:
    for stores in (MemoryStores(clock, max_bytes=100_000), SqliteStores(tmp_path, clock, max_bytes=400_000)):
        await stores.open()
        room = 100_000 if isinstance(stores, MemoryStores) else 400_000
        await stores.events.append("s", "heard", b"m")
        waits = await stores.events.append("s", "waits", b"m")
        for stream in ("heard", "waits"):
            await stores.events.mark("s", stream, 1)
        for number in range(120):
            clock.forward(0.01)
            if taker == "others":
                await stores.events.append(f"other {number}", "a", bytes(room // 80), f"client {number}")
            else:
                await stores.events.append("s", f"c{number % 8}", bytes(room // 50))
        assert await stores.events.marked("s", "waits") is None
        assert await stores.events.after("s", "waits", 0) == []
        last = await stores.events.append("s", "waits", b"m")
        assert last > waits and await stores.events.marked("s", "waits") is None, "until somebody says so"
        await stores.events.mark("s", "waits", 0)
        assert await stores.events.marked("s", "waits") == 0
        await stores.aclose()


async def test_a_mark_stays_where_what_goes_was_handed_over(tmp_path: Path, clock: Clock) -> None:
    for stores in (MemoryStores(clock, max_bytes=100_000), SqliteStores(tmp_path, clock, max_bytes=400_000)):
        await stores.open()
        room = 100_000 if isinstance(stores, MemoryStores) else 400_000
        for _ in range(40):
            last = await stores.events.append("s", "a", bytes(room // 20))
            await stores.events.mark("s", "a", last)
        assert len(await stores.events.after("s", "a", 0)) < 40
        assert await stores.events.marked("s", "a") == last
        await stores.aclose()
