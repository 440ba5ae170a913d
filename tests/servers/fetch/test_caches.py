"""The cache, in memory and in a file: bounded, and in a file there after a restart."""

import sqlite3
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dovetail.errors import DefinitionError
from dovetail.servers.fetch.cache_file import FileCache
from dovetail.servers.fetch.entries import Cache, Entry, MemoryCache


def entry(name: str, size: int = 10) -> Entry:
    return Entry(f"https://e.com/{name}", 200, {"etag": f'"{name}"'}, b"x" * size, 1.0, 2.0, {"accept": "y"})


@pytest.fixture(params=["memory", "file"])
async def cache(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Cache]:
    made: Cache
    if request.param == "memory":
        made = MemoryCache(20_000)
    else:
        made = kept = FileCache(str(tmp_path / "cache.db"), 20_000)
        await kept.open()
    yield made
    await made.aclose()


async def test_what_is_kept_comes_back_as_it_was(cache: Cache) -> None:
    await cache.save(entry("a"))
    assert await cache.load("https://e.com/a") == entry("a")
    assert await cache.load("https://e.com/b") is None
    await cache.save(entry("a", 3))
    assert await cache.load("https://e.com/a") == entry("a", 3)
    await cache.drop("https://e.com/a")
    await cache.drop("https://e.com/a")
    assert await cache.load("https://e.com/a") is None


async def test_what_was_used_longest_ago_makes_room(cache: Cache) -> None:
    for name in "abc":
        await cache.save(entry(name, 5_000))
    await cache.load("https://e.com/a")
    await cache.save(entry("d", 5_000))
    assert [kept.url[-1] for kept in await cache.listing()] == ["d", "a", "c"]
    assert all(kept.body == b"" for kept in await cache.listing())


async def test_what_is_larger_than_the_cache_is_not_kept_and_takes_its_predecessor_along(cache: Cache) -> None:
    await cache.save(entry("a"))
    await cache.save(entry("b"))
    await cache.save(entry("a", 30_000))
    assert [kept.url[-1] for kept in await cache.listing()] == ["b"]


async def test_a_file_is_there_after_a_restart_and_nobody_elses(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    first = FileCache(str(path), 20_000)
    await first.open()
    await first.save(entry("a"))
    await first.aclose()
    assert await first.load("https://e.com/a") is None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    second = FileCache(str(path), 20_000)
    await second.open()
    assert await second.load("https://e.com/a") == entry("a")
    await second.aclose()


async def test_two_processes_share_a_file(tmp_path: Path) -> None:
    caches = [FileCache(str(tmp_path / "cache.db"), 20_000) for _ in range(2)]
    for each in caches:
        await each.open()
    await caches[0].save(entry("a"))
    assert await caches[1].load("https://e.com/a") == entry("a")
    for each in caches:
        await each.aclose()


async def test_a_file_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE mine (x)")
    connection.close()
    before = other.read_bytes()
    text = tmp_path / "text"
    text.write_text("no database at all, only words, and more than a hundred of them would be needed " * 50)
    for path in (other, text, tmp_path / "no" / "such", tmp_path):
        with pytest.raises(DefinitionError, match=r"^cache: ") as caught:
            await FileCache(str(path), 1000).open()
        assert str(tmp_path) not in str(caught.value)
    assert other.read_bytes()[24:] != b"" and sqlite3.connect(other).execute("SELECT * FROM mine").fetchall() == []
    assert before[:16] == other.read_bytes()[:16]


async def test_a_file_that_is_damaged_later_is_an_empty_cache(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "cache.db"
    cache = FileCache(str(path), 20_000)
    await cache.open()
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE answers")
    connection.close()
    await cache.save(entry("a"))
    assert await cache.load("https://e.com/a") is None
    assert await cache.listing() == []
    assert len(caplog.records) == 1
    await cache.aclose()
