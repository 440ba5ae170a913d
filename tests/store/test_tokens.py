"""Token stores keep what they are given, for its owner alone, whole or not at all."""

import asyncio
import os
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dovetail.auth import TokenStore
from dovetail.errors import StoreUnusable
from dovetail.store import FileTokens, FixedKeys, MemoryTokens
from dovetail.store.tokens import state_directory

posix = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> TokenStore:
    return MemoryTokens() if request.param == "memory" else FileTokens(tmp_path / "tokens")


async def test_what_is_saved_is_loaded_replaced_listed_and_forgotten(store: TokenStore) -> None:
    assert await store.load("k") is None
    await store.save("k", b"one")
    await store.save("other", b"")
    await store.save("k", b"two")
    assert await store.load("k") == b"two"
    assert await store.load("other") == b""
    assert await store.keys() == ["k", "other"]
    await store.save("k", None)
    await store.save("k", None)
    assert await store.load("k") is None
    assert await store.keys() == ["other"]


async def test_one_at_a_time_is_alone_with_a_key(store: TokenStore) -> None:
    inside, order = 0, []

    async def visit(number: int) -> None:
        nonlocal inside
        async with store.alone("k"):
            inside += 1
            order.append(inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*[visit(n) for n in range(10)])
    assert order == [1] * 10
    async with store.alone("a"), store.alone("b"):
        pass


SECRET = b"SECRET-TOKEN"


def files(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.token"))


@posix
@pytest.mark.req("A-32")
async def test_the_directory_and_its_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    directory = tmp_path / "deep" / "tokens"
    mask = os.umask(0)
    try:
        store = FileTokens(directory)
        await store.save("https://mcp.example.com", SECRET)
        async with store.alone("k"):
            pass
    finally:
        os.umask(mask)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {0o600}


@pytest.mark.req("A-32")
async def test_neither_a_value_nor_a_key_is_readable_in_a_file_or_its_name(tmp_path: Path) -> None:
    store = FileTokens(tmp_path / "t", FixedKeys([b"k" * 32]))
    await store.save("https://mcp.example.com/mcp", SECRET)
    (path,) = files(tmp_path / "t")
    assert SECRET not in path.read_bytes()
    assert b"mcp.example" not in path.read_bytes()
    assert "mcp" not in path.name
    assert "SECRET" not in repr(store)


@posix
@pytest.mark.req("A-32")
@pytest.mark.parametrize("mode", [0o755, 0o750, 0o701, 0o777])
async def test_a_directory_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    directory = tmp_path / "t"
    store = FileTokens(directory)
    await store.save("k", SECRET)
    directory.chmod(mode)
    with pytest.raises(StoreUnusable, match="chmod 700"):
        await store.load("k")
    with pytest.raises(StoreUnusable):
        await store.save("k", SECRET)
    with pytest.raises(StoreUnusable):
        await store.keys()
    with pytest.raises(StoreUnusable):
        async with store.alone("k"):
            pass


@posix
@pytest.mark.req("A-32")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
async def test_a_record_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    store = FileTokens(tmp_path / "t")
    await store.save("k", SECRET)
    files(tmp_path / "t")[0].chmod(mode)
    with pytest.raises(StoreUnusable, match=r"remove .*\.token"):
        await store.load("k")
    await store.save("k", b"new")
    assert await store.load("k") == b"new"


@posix
async def test_a_link_in_a_records_place_is_not_followed(tmp_path: Path) -> None:
    store = FileTokens(tmp_path / "t")
    await store.save("k", SECRET)
    (path,) = files(tmp_path / "t")
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreUnusable):
        await store.load("k")


@pytest.mark.req("A-32")
async def test_a_record_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FileTokens(tmp_path / "t")
    await store.save("k", b"old")

    def full(*_: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr("dovetail.store.tokens.os.fsync", full)
        with pytest.raises(StoreUnusable):
            await store.save("k", b"new")
    assert await store.load("k") == b"old"
    assert not list((tmp_path / "t").glob("*.new"))


async def test_a_damaged_record_or_one_of_another_key_or_name_counts_as_none(tmp_path: Path) -> None:
    directory = tmp_path / "t"
    store = FileTokens(directory, FixedKeys([b"a" * 32]))
    await store.save("one", b"1")
    await store.save("two", b"2")
    assert await FileTokens(directory, FixedKeys([b"b" * 32])).load("one") is None
    assert await FileTokens(directory, FixedKeys([b"b" * 32, b"a" * 32])).load("one") == b"1"
    first, second = files(directory)
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())  # swapped: sealed for the other's name
    assert len(await store.keys()) == 1
    for damaged in (b"", b"\x02" + content[1:], content[:-1], content[:5], content[:-1] + bytes([content[-1] ^ 1])):
        first.write_bytes(damaged)
        assert len(await store.keys()) == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(st.text(max_size=50), st.binary(max_size=200))
def test_any_key_and_value_come_back(tmp_path: Path, key: str, value: bytes) -> None:
    key = key.encode("utf-8", "replace").decode()
    store = FileTokens(tmp_path / "t", FixedKeys([b"k" * 32]))
    store._save(key, value)
    assert store._load(key) == value


def test_the_users_store_is_in_the_users_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_directory() == tmp_path / "dovetail"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert state_directory().is_absolute()
    monkeypatch.delenv("XDG_STATE_HOME")
    for platform, tail in (("darwin", "Application Support/dovetail"), ("linux", ".local/state/dovetail")):
        monkeypatch.setattr("dovetail.store.tokens.sys.platform", platform)
        assert str(state_directory()).endswith(tail)
    assert "FileTokens" in repr(FileTokens.of_user())
