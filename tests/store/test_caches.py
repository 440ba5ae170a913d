"""Response caches keep what they are given for as long as they are told, within their bounds, and for their owner."""

import asyncio
import os
import sqlite3
import stat
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dovetail.core import Cached, Place, ResponseStore
from dovetail.errors import Disconnected, StoreUnusable
from dovetail.store import MemoryCache, SqliteCache
from dovetail.wire import Limits

posix = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
SMALL = Limits(cache_entries=3, cache_bytes=100)


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[ResponseStore]:
    if request.param == "memory":
        yield MemoryCache(SMALL, clock)
    else:
        cache = SqliteCache(tmp_path / "cache", SMALL, clock)
        yield cache
        await cache.aclose()


def at(key: str, realm: str = "r", group: str = "g") -> Place:
    return Place(key, realm, group)


def cached(clock: Clock, body: bytes = b"x") -> Cached:
    return Cached(clock.now, 5.0, body)


async def test_what_is_saved_is_found_replaced_and_over_when_its_time_is(store: ResponseStore, clock: Clock) -> None:
    assert await store.load(["k"]) is None
    await store.save(at("k"), cached(clock, b"one"), 10.0)
    clock.now += 1
    await store.save(at("k"), cached(clock, b"two"), 10.0)
    assert await store.load(["k"]) == Cached(1001.0, 5.0, b"two")
    assert store.now() == 1001.0
    clock.now += 9.9
    assert await store.load(["k"]) is not None
    clock.now += 0.1
    assert await store.load(["k"]) is None


async def test_of_several_keys_what_was_received_last_is_found(store: ResponseStore, clock: Clock) -> None:
    await store.save(at("a"), Cached(1.0, 5.0, b"old"), 2000.0)
    await store.save(at("b"), Cached(2.0, 5.0, b"new"), 2000.0)
    for keys in (["a", "b"], ["b", "a"], ["c", "b", "a"]):
        found = await store.load(keys)
        assert found is not None
        assert found.body == b"new"


async def test_a_group_or_a_whole_realm_is_dropped_up_to_a_moment(store: ResponseStore, clock: Clock) -> None:
    await store.save(at("a"), cached(clock), 10.0)
    await store.save(at("b", group="other"), cached(clock), 10.0)
    await store.save(at("c", realm="other"), cached(clock), 10.0)
    await store.drop("r", "g", clock.now - 1)
    assert await store.load(["a"]) is not None
    await store.drop("r", "g", clock.now)
    assert [await store.load([key]) is None for key in "abc"] == [True, False, False]
    await store.drop("r", None, clock.now)
    assert [await store.load([key]) is None for key in "abc"] == [True, True, False]
    await store.drop("nowhere", None, clock.now)
    await store.drop("nowhere", "g", clock.now)


@pytest.mark.req("C-10")
async def test_no_more_than_the_limits_is_kept(store: ResponseStore, clock: Clock) -> None:
    for number in range(5):
        clock.now += 0.1
        await store.save(at(str(number)), cached(clock), 100.0)
    assert [await store.load([str(number)]) is not None for number in range(5)] == [False, False, True, True, True]
    clock.now += 0.1
    await store.save(at("large"), cached(clock, b"x" * 99), 100.0)
    assert [await store.load([key]) is not None for key in ("3", "4", "large")] == [False, True, True]
    await store.save(at("4"), cached(clock, b"x" * 101), 100.0)
    assert await store.load(["4"]) is None, "too large to be kept, and the older one is out of date"
    assert await store.load(["large"]) is not None


async def test_memory_keeps_what_is_used(clock: Clock) -> None:
    store = MemoryCache(SMALL, clock)
    for key in "abc":
        await store.save(at(key), cached(clock), 100.0)
    await store.load(["a"])
    await store.save(at("d"), cached(clock), 100.0)
    assert await store.load(["a"]) is not None
    assert await store.load(["b"]) is None
    assert repr(store) == "<MemoryCache: 3 results, 3 bytes>"


moves = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from("rs"), st.sampled_from("gh"), st.integers(0, 60)), max_size=40
)


@given(moves=moves)
@settings(max_examples=100, deadline=None)
def test_memory_never_exceeds_its_limits_whatever_comes(moves: list[tuple[str, str, str, int]]) -> None:
    async def play() -> None:
        clock = Clock()
        store = MemoryCache(SMALL, clock)
        for key, realm, group, size in moves:
            clock.now += 1
            if size == 0:
                await store.drop(realm, group, clock.now)
            else:
                await store.save(Place(key + realm + group, realm, group), cached(clock, b"x" * size), size / 4)
            held = [cached for _, cached, _ in store._kept.values()]
            assert len(held) <= 3
            assert store._bytes == sum(len(each.body) for each in held) <= 100
            places = {key for groups in store._groups.values() for keys in groups.values() for key in keys}
            assert places == set(store._kept)

    asyncio.run(play())


async def test_sqlite_keeps_it_over_a_restart_and_for_other_processes(tmp_path: Path, clock: Clock) -> None:
    one, other = SqliteCache(tmp_path, SMALL, clock), SqliteCache(tmp_path, SMALL, clock)
    await one.save(at("k"), cached(clock, b"\x00body"), 10.0)
    assert await other.load(["k"]) == cached(clock, b"\x00body")
    await other.drop("r", "g", clock.now)
    assert await one.load(["k"]) is None
    await one.save(at("k"), cached(clock), 10.0)
    assert repr(one) == "<SqliteCache open>"
    await one.aclose()
    await one.aclose()
    assert repr(one) == "<SqliteCache not open>"
    assert await one.load(["k"]) == cached(clock)
    await one.aclose()
    await other.aclose()


@posix
@pytest.mark.req("C-10")
async def test_the_file_is_for_its_owner_alone(tmp_path: Path, clock: Clock) -> None:
    directory = tmp_path / "cache"
    store = SqliteCache(directory, SMALL, clock)
    await store.save(at("k"), cached(clock), 10.0)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    for file in directory.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name
    await store.aclose()
    (directory / "cache.db").chmod(0o644)
    await store.load(["k"])
    assert stat.S_IMODE((directory / "cache.db").stat().st_mode) == 0o600
    await store.aclose()


@posix
def test_a_directory_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(StoreUnusable, match="others may write"):
        asyncio.run(SqliteCache(tmp_path).load(["k"]))


async def test_a_file_of_another_program_or_version_or_none_at_all_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE theirs (x)")
    before = path.read_bytes()
    with pytest.raises(StoreUnusable, match="another program"):
        await SqliteCache(tmp_path).load(["k"])
    assert path.read_bytes() == before
    path.write_bytes(b"no database, but of some length" * 100)
    with pytest.raises(StoreUnusable, match="no database"):
        await SqliteCache(tmp_path).load(["k"])
    path.unlink()
    store = SqliteCache(tmp_path)
    await store.load(["k"])
    await store.aclose()
    with closing(sqlite3.connect(path)) as ours:
        ours.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreUnusable, match="newer"):
        await store.load(["k"])


async def test_a_failing_disk_is_a_typed_error(tmp_path: Path, clock: Clock) -> None:
    store = SqliteCache(tmp_path, SMALL, clock)
    await store.load(["k"])
    with closing(sqlite3.connect(tmp_path / "cache.db")) as other:
        other.execute("DROP TABLE results")
    with pytest.raises(Disconnected, match="out of reach"):
        await store.load(["k"])
    await store.aclose()


async def test_many_tasks_use_one_file_at_a_time(tmp_path: Path, clock: Clock) -> None:
    store = SqliteCache(tmp_path, Limits(cache_entries=1000), clock)
    await asyncio.gather(*[store.save(at(str(n), group=str(n % 3)), cached(clock), 10.0) for n in range(30)])
    await asyncio.gather(*[store.drop("r", str(n), clock.now) for n in range(2)])
    found = await asyncio.gather(*[store.load([str(n)]) for n in range(30)])
    assert [each is not None for each in found] == [n % 3 == 2 for n in range(30)]
    await store.aclose()
