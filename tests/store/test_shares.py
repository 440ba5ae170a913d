"""What is kept for clients has its bounds: of all, and of one among them, in memory and on disk."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dovetail.core import Fresh, Lost, Settled, Stores
from dovetail.errors import Disconnected
from dovetail.store import MemoryStores, SqliteStores, sqlite_file
from tests.store.conftest import Clock

ALL = 1_000_000
"""Bytes for kept values, and for streams' messages."""
SHARE = ALL // 4


@pytest.fixture(params=["memory", "sqlite"])
async def stores(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[Stores]:
    adapter: Stores
    if request.param == "memory":
        adapter = MemoryStores(clock, max_bytes=ALL)
    else:
        adapter = SqliteStores(tmp_path / "state", clock, max_bytes=4 * ALL)
    await adapter.open()
    yield adapter
    await adapter.aclose()


async def filled(stores: Stores, owner: str, size: int = 20_000) -> int:
    """Keep values of an owner until no more fit; return how many there are."""
    for number in range(1000):
        try:
            await stores.ledger.keep(f"{owner}{number}", bytes(size), 60.0, owner)
        except Disconnected:
            return number
    raise AssertionError("there was no bound")


@pytest.mark.req("S-22")
async def test_one_owner_fills_its_share_of_kept_values_and_no_more(stores: Stores, clock: Clock) -> None:
    assert await filled(stores, "greedy") == SHARE // 20_256
    with pytest.raises(Disconnected, match=f"kept values of one caller is full \\({SHARE} bytes\\)"):
        await stores.ledger.keep("more", bytes(20_000), 60.0, "greedy")
    assert await stores.ledger.kept("more") is None
    await stores.ledger.keep("greedy0", b"in its own place", 60.0, "greedy")
    await stores.ledger.keep("other", bytes(200_000), 60.0, "other")
    await stores.ledger.keep("nobody's", bytes(300_000), 60.0)
    assert await stores.ledger.kept("greedy0") == b"in its own place"
    clock.forward(60.0)
    assert await filled(stores, "greedy") == SHARE // 20_256, "what expired makes room"


@pytest.mark.req("S-22")
async def test_what_all_keep_together_is_bounded_and_what_is_kept_stays(stores: Stores, clock: Clock) -> None:
    counts = [await filled(stores, f"owner{number}") for number in range(5)]
    assert counts[:4] == [SHARE // 20_256] * 4
    assert counts[4] <= 1
    with pytest.raises(Disconnected, match=f"is full \\({ALL} bytes\\)"):
        await stores.ledger.keep("more", bytes(20_000), 60.0, "owner5")
    assert await stores.ledger.kept("owner00") == bytes(20_000)
    await stores.sessions.save("s", b"record", 60.0)
    assert await stores.ledger.burn("nonce", 60.0), "the other ports have their own room"
    clock.forward(60.0)
    await stores.ledger.keep("more", bytes(20_000), 60.0, "owner5")


async def claimed(stores: Stores, owner: str, most: int, size: int = 20_000) -> int:
    """Claim and settle for an owner until no more fit; return how many there are."""
    for number in range(most):
        try:
            await stores.ledger.claim(f"{owner}{number}", "pay", 60.0, owner)
        except Disconnected:
            return number
        await stores.ledger.settle(f"{owner}{number}", "pay", bytes(size))
    return most


@pytest.mark.req("S-22")
async def test_an_owner_whose_share_is_full_of_outcomes_loses_its_oldest_and_goes_on(
    stores: Stores, clock: Clock
) -> None:
    await stores.ledger.claim("other", "pay", 60.0, "other")
    await stores.ledger.settle("other", "pay", b"of another")
    assert await claimed(stores, "greedy", 40) == 40
    assert await stores.ledger.claim("greedy0", "pay", 60.0, "greedy") == Lost(), "it ran, and does not run again"
    assert await stores.ledger.claim("greedy39", "pay", 60.0, "greedy") == Settled(bytes(20_000))
    kept = [await stores.ledger.claim(f"greedy{number}", "pay", 60.0, "greedy") for number in range(40)]
    assert sum(isinstance(claim, Settled) for claim in kept) * 20_000 <= SHARE
    assert kept == sorted(kept, key=lambda claim: isinstance(claim, Settled)), "the oldest went first"
    assert await stores.ledger.claim("other", "pay", 60.0, "other") == Settled(b"of another")


@pytest.mark.req("S-22")
async def test_one_owner_fills_its_share_of_claims_and_no_more(stores: Stores, clock: Clock) -> None:
    count = await claimed(stores, "greedy", 2000, size=0)
    assert SHARE // 300 < count < SHARE // 256
    with pytest.raises(Disconnected, match=f"claims of one caller is full \\({SHARE} bytes\\)"):
        await stores.ledger.claim("more", "pay", 60.0, "greedy")
    assert await stores.ledger.claim("greedy0", "pay", 60.0, "greedy") == Settled(b"")
    assert await stores.ledger.claim("other", "pay", 60.0, "other") == Fresh()
    assert await stores.ledger.claim("more", "pay", 60.0) == Fresh(), "what was refused was not claimed"
    await stores.ledger.drop("greedy0", ["pay"])
    await stores.ledger.drop("greedy1", ["pay"])
    assert await stores.ledger.claim("again", "pay", 60.0, "greedy") == Fresh()
    clock.forward(61.0)
    assert await claimed(stores, "greedy", 2000, size=0) == count, "what expired makes room"


async def test_owners_that_fill_the_memory_together_make_room_for_who_comes_then(clock: Clock) -> None:
    stores = MemoryStores(clock=clock, max_bytes=ALL)
    for owner in ("a", "b", "c", "d"):
        await claimed(stores, owner, 40)
    assert await claimed(stores, "late", 5) == 5
    assert await stores.ledger.claim("late4", "pay", 60.0, "late") == Settled(bytes(20_000))


@pytest.mark.req("S-22")
async def test_who_has_more_messages_than_its_share_forgets_its_own_sessions_first(
    stores: Stores, clock: Clock
) -> None:
    await stores.events.append("quiet", "0", b"of another", "other")
    for number in range(100):
        clock.forward(0.1)
        await stores.events.append(f"s{number}", "0", bytes(20_000), "greedy")
    assert await stores.events.after("quiet", "0", 0) == [(1, b"of another")]
    assert await stores.events.after("s0", "0", 0) == []
    kept = [number for number in range(100) if await stores.events.after(f"s{number}", "0", 0)]
    assert kept == list(range(100 - len(kept), 100)), "the oldest went first"
    assert SHARE < len(kept) * 20_000 < ALL


@pytest.mark.req("S-22")
async def test_who_finds_no_room_takes_it_from_who_has_more_than_a_share(stores: Stores, clock: Clock) -> None:
    await stores.events.append("quiet", "0", b"of another", "other")
    for number in range(49):
        clock.forward(0.1)
        await stores.events.append(f"s{number}", "0", bytes(20_000), "greedy")
    for _ in range(5):
        await stores.events.append("new", "0", bytes(20_000), "late")
    assert await stores.events.after("quiet", "0", 0) == [(1, b"of another")]
    assert len(await stores.events.after("new", "0", 0)) == 5
    kept = [number for number in range(49) if await stores.events.after(f"s{number}", "0", 0)]
    assert 0 < kept[0] < 8


@pytest.mark.req("S-22")
async def test_without_a_greedy_owner_the_session_that_was_quiet_longest_is_forgotten(
    stores: Stores, clock: Clock
) -> None:
    for number in range(12):
        clock.forward(0.1)
        await stores.events.append(f"s{number}", "0", bytes(90_000), f"owner{number}")
    kept = [number for number in range(12) if await stores.events.after(f"s{number}", "0", 0)]
    assert kept == list(range(1, 12))


async def test_a_session_with_more_than_its_share_forgets_its_own_oldest_messages(stores: Stores) -> None:
    await stores.events.append("quiet", "0", b"of another")
    for number in range(100):
        await stores.events.append("long", f"stream{number // 10:02}", bytes(20_000))
    assert await stores.events.after("quiet", "0", 0) == [(1, b"of another")]
    assert await stores.events.after("long", "stream00", 0) == []
    assert len(await stores.events.after("long", "stream09", 0)) == 10
    last = await stores.events.append("long", "stream10", bytes(ALL - 200))
    assert [number for number, _ in await stores.events.after("long", "stream10", 0)] == [last]


async def test_a_message_larger_than_all_that_fits_is_stored_alone(stores: Stores) -> None:
    await stores.events.append("quiet", "0", b"of another")
    await stores.events.append("large", "0", bytes(2 * ALL))
    assert [len(message) for _, message in await stores.events.after("large", "0", 0)] == [2 * ALL]
    await stores.events.append("next", "0", b"m")
    assert [message for _, message in await stores.events.after("next", "0", 0)] == [b"m"]
    assert await stores.events.after("large", "0", 0) == [], "the quietest, at the next message"


async def test_the_database_does_not_grow_with_what_clients_make_it_keep(tmp_path: Path, clock: Clock) -> None:
    stores = SqliteStores(tmp_path, clock, max_bytes=4 * ALL)
    await stores.open()
    for number in range(100):
        clock.forward(0.1)
        await stores.events.append(f"s{number}", "0", bytes(100_000), "one")
        with_room = number < 2
        try:
            await stores.ledger.keep(f"k{number}", bytes(100_000), 600.0, "one")
        except Disconnected:
            assert not with_room
    await stores.aclose()
    assert (tmp_path / "state.db").stat().st_size < 2 * ALL
    assert all(bytes_ >= 0 for (bytes_,) in rows(tmp_path, "SELECT bytes FROM held"))


async def test_what_is_held_is_counted_right_whatever_was_forgotten_and_by_whom(tmp_path: Path, clock: Clock) -> None:
    stores = SqliteStores(tmp_path, clock, idle=100.0, max_bytes=4 * ALL)
    await stores.open()
    for number in range(40):
        await stores.events.append(f"s{number % 5}", f"{number % 3}", bytes(number), f"owner{number % 2}")
        await stores.ledger.keep(f"k{number % 7}", bytes(number), 60.0 + number, f"owner{number % 2}")
        await stores.ledger.claim(f"c{number}", "pay", 60.0 + number, f"owner{number % 2}" if number % 3 else "")
        if number % 5:
            await stores.ledger.settle(f"c{number}", "pay", bytes(number))
            await stores.ledger.settle(f"c{number}", "pay", bytes(1000))
    await stores.events.forget("s1", "0")
    await stores.events.forget("s2")
    clock.forward(70.0)
    await stores.ledger.keep("k", b"", 60.0, "owner0")
    await stores.ledger.drop("c39", ["pay"])
    assert await stores.ledger.claim("c7", "pay", 60.0, "owner0") == Fresh()
    await stores.aclose()
    assert rows(tmp_path, "SELECT bytes FROM held WHERE what = 'all events'") == rows(
        tmp_path, "SELECT total(length(message) + 128) FROM events"
    )
    for what, table, column, weight in (
        ("events", "events", "owner", "length(message) + 128"),
        ("events of session", "events", "session", "length(message) + 128"),
        ("kept", "kept", "owner", "length(value) + 256"),
        ("claims", "claims", "caller", "length(call) + length(name) + 256 + ifnull(length(value), 0)"),
    ):
        counted = rows(tmp_path, f"SELECT owner, bytes FROM held WHERE what = '{what}' ORDER BY owner")
        query = f"SELECT {column}, sum({weight}) FROM {table} WHERE {column} <> '' GROUP BY {column} ORDER BY {column}"
        there = rows(tmp_path, query)
        assert counted == there != []
    clock.forward(1000.0)
    await stores.open()
    await stores.aclose()
    assert [bytes_ for (bytes_,) in rows(tmp_path, "SELECT bytes FROM held")] == [0, 0]


async def test_a_database_of_before_counts_what_it_holds(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(sqlite_file, "MIGRATIONS", sqlite_file.MIGRATIONS[:1])
        with closing(sqlite_file.connect(tmp_path, max_bytes=1 << 20, durable=False)) as connection:
            connection.execute("INSERT INTO kept VALUES ('k', x'616263', ?)", (clock() + 60.0,))
            connection.execute("INSERT INTO numbering VALUES ('s', 7, ?)", (clock(),))
            connection.execute("INSERT INTO streams VALUES ('s', '0', 0, 1)")
            connection.execute("INSERT INTO events VALUES ('s', '0', 7, x'616263')")
    stores = SqliteStores(tmp_path, clock)
    await stores.open()
    assert await stores.events.append("s", "0", b"next", "owner") == 8
    assert len(await stores.events.after("s", "0", 0)) == 2
    await stores.events.forget("s")
    assert await stores.ledger.kept("k") == b"abc"
    await stores.aclose()
    held = rows(tmp_path, "SELECT what, owner, bytes FROM held")
    assert held == [("all events", "", 0), ("all kept", "", 256 + 3)]


def rows(directory: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(directory / "state.db")) as connection:
        return connection.execute(query).fetchall()
