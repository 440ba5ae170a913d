"""Key rings: shared by all workers, private to their owner, and never in a text."""

import asyncio
import json
import os
import re
import subprocess
import sys
from base64 import b64encode, urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dovetail.core import Stores
from dovetail.errors import DefinitionError, StoreUnusable
from dovetail.store import FileKeys, FixedKeys, MemoryStores, SqliteStores

posix = pytest.mark.skipif(os.name != "posix", reason="modes are a POSIX matter")

A, B = bytes(range(32)), bytes(range(223, 255))


async def test_a_ring_has_keys_of_32_bytes_that_stay(stores: Stores) -> None:
    ring = tuple(stores.keys.ring())
    assert [len(key) for key in ring] == [32]
    assert tuple(stores.keys.ring()) == ring


@pytest.mark.req("S-12")
@pytest.mark.parametrize("adapter", ["memory", "file"])
def test_a_rotation_puts_a_new_key_first_and_keeps_the_last_three(adapter: str, tmp_path: Path) -> None:
    keys: FixedKeys | FileKeys = FixedKeys([A]) if adapter == "memory" else FileKeys(tmp_path / "keys")
    seen = [keys.ring()[0]]
    for _ in range(4):
        keys.rotate()
        seen.insert(0, keys.ring()[0])
        assert list(keys.ring()) == seen[:3]
    assert len(set(seen)) == 5


def test_memory_takes_its_key_from_the_randomness_it_is_given() -> None:
    assert MemoryStores(random=lambda count: b"k" * count).keys.ring() == (b"k" * 32,)
    assert MemoryStores().keys.ring() != MemoryStores().keys.ring()


def test_a_setting_holds_keys_in_base64_of_either_alphabet(monkeypatch: pytest.MonkeyPatch) -> None:
    spellings = [b64encode(B).decode(), urlsafe_b64encode(B).decode().rstrip("=")]
    assert FixedKeys.of([b64encode(A).decode(), *spellings]).ring() == (A, B, B)
    monkeypatch.setenv("KEYS_OF_MINE", f" {spellings[0]},{b64encode(A).decode()}\n")
    assert FixedKeys.from_environment("KEYS_OF_MINE").ring() == (B, A)


@pytest.mark.parametrize("bad", ["", "secret", b64encode(A[:31]).decode(), b64encode(A + b"x").decode(), "ü" * 43])
def test_a_bad_key_in_a_setting_is_named_by_its_place_and_never_shown(bad: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        FixedKeys.of([b64encode(A).decode(), bad])
    assert str(caught.value) == "Key 2 is not 32 bytes in base64"


def test_a_ring_without_keys_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DefinitionError):
        FixedKeys.of([])
    monkeypatch.setenv("EMPTY", " ")
    for variable in ("EMPTY", "NEVER_SET_BY_ANYONE"):
        with pytest.raises(DefinitionError, match=variable):
            FixedKeys.from_environment(variable)


def test_no_key_is_in_a_repr(tmp_path: Path) -> None:
    keys = FileKeys(tmp_path / "keys")
    keys.ring()
    assert (repr(keys), repr(FixedKeys([A, B]))) == ("<FileKeys 1 keys>", "<FixedKeys 2 keys>")


@posix
def test_the_file_is_private_whatever_the_umask_and_no_spare_file_stays(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        FileKeys(tmp_path / "keys").ring()
        FileKeys(tmp_path / "keys").rotate()
    finally:
        os.umask(before)
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {
        "keys": 0o600,
        "keys.lock": 0o600,
    }


@posix
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o660, 0o666, 0o644, 0o700 | 0o001])
def test_a_file_that_others_may_use_is_refused_with_what_to_do(tmp_path: Path, mode: int) -> None:
    keys = FileKeys(tmp_path / "keys")
    ring = keys.ring()
    (tmp_path / "keys").chmod(mode)
    for one in (keys, FileKeys(tmp_path / "keys")):
        with pytest.raises(StoreUnusable, match=rf"mode {mode:04o}.*chmod 600") as caught:
            one.ring()
        assert b64encode(ring[0]).decode()[:8] not in str(caught.value)
    (tmp_path / "keys").chmod(0o600)
    assert keys.ring() == ring


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    FileKeys(tmp_path / "keys").ring()
    os.chown(tmp_path / "keys", 12345, -1)
    with pytest.raises(StoreUnusable, match="not a regular file of this user"):
        FileKeys(tmp_path / "keys").ring()


@pytest.mark.parametrize("content", [b"", b"\n", b"not a key\n", b64encode(A) + b"\nrest", b"\xff\xfe" * 20])
def test_a_damaged_file_is_refused_and_not_shown(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "keys"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(StoreUnusable, match=r"damaged|empty") as caught:
        FileKeys(path).ring()
    assert not re.search("not a key|rest", str(caught.value))
    assert "remove it" in str(caught.value)
    assert path.read_bytes() == content


def test_a_link_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    FileKeys(tmp_path / "elsewhere").ring()
    (tmp_path / "keys").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreUnusable):
        FileKeys(tmp_path / "keys").ring()


def test_a_pipe_or_directory_in_place_of_the_file_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "keys", 0o600)
    with pytest.raises(StoreUnusable):
        FileKeys(tmp_path / "keys").ring()
    (tmp_path / "folder").mkdir(0o700)
    with pytest.raises(StoreUnusable):
        FileKeys(tmp_path / "folder").ring()
    with pytest.raises(StoreUnusable):
        FileKeys(tmp_path / "folder").rotate()


@posix
def test_a_disk_that_takes_no_more_leaves_the_old_ring(tmp_path: Path) -> None:
    code = (
        "import resource, sys; from pathlib import Path; from dovetail.store import FileKeys\n"
        "from dovetail.errors import StoreUnusable\n"
        "keys = FileKeys(Path(sys.argv[1]) / 'keys'); ring = keys.ring()\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))\n"
        "try: keys.rotate()\n"
        "except StoreUnusable as error: print(error, ring == keys.ring())"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "The key file cannot be written to the state directory True\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["keys", "keys.lock"]


def test_a_directory_that_cannot_hold_the_file_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable):
        FileKeys(tmp_path / "missing" / "keys").ring()
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnusable):
        FileKeys(tmp_path / "file" / "keys").ring()


def test_every_worker_sees_a_rotation_at_once(tmp_path: Path) -> None:
    one, two = FileKeys(tmp_path / "keys"), FileKeys(tmp_path / "keys")
    assert one.ring() == two.ring()
    for keys, other in ((one, two), (two, one)) * 20:
        keys.rotate()
        assert other.ring() == keys.ring()


def test_workers_that_race_to_create_the_file_agree_on_its_keys(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        for number in range(20):
            path = tmp_path / str(number)
            rings = set(pool.map(lambda _, path=path: tuple(FileKeys(path).ring()), range(16)))
            assert len(rings) == 1


def test_a_file_system_without_hard_links_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", link)
    assert FileKeys(tmp_path / "keys").ring() == FileKeys(tmp_path / "keys").ring()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["keys", "keys.lock"]


def test_rotations_that_race_lose_no_key(tmp_path: Path) -> None:
    made: list[bytes] = []

    def random(count: int) -> bytes:
        made.append(os.urandom(count))
        return made[-1]

    FileKeys(tmp_path / "keys", random).ring()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: FileKeys(tmp_path / "keys", random).rotate(), range(2)))
    assert set(FileKeys(tmp_path / "keys").ring()) == set(made)


@pytest.mark.timeout(60)
def test_processes_that_start_together_share_one_state_and_one_ring(tmp_path: Path) -> None:
    code = (
        "import asyncio, hashlib, sys; from dovetail.store import SqliteStores\n"
        "async def main():\n"
        " s = SqliteStores(sys.argv[1]); await s.open(); print(hashlib.sha256(s.keys.ring()[0]).hexdigest())\n"
        " await s.sessions.save(sys.argv[2], b'x', 60.0); await s.aclose()\n"
        "asyncio.run(main())"
    )
    directory = str(tmp_path / "state")
    run = [subprocess.Popen([sys.executable, "-c", code, directory, str(n)], stdout=subprocess.PIPE) for n in range(4)]
    said = [one.communicate()[0] for one in run]
    assert [one.returncode for one in run] == [0] * 4
    assert len(set(said)) == 1
    assert asyncio.run(sessions_in(directory)) == 4


async def sessions_in(directory: str) -> int:
    stores = SqliteStores(directory)
    await stores.open()
    count = await stores.sessions.count()
    await stores.aclose()
    return count


async def test_a_setting_s_keys_take_the_place_of_the_file(tmp_path: Path) -> None:
    stores = SqliteStores(tmp_path, keys=FixedKeys([A]))
    await stores.open()
    assert stores.keys.ring() == (A,)
    assert not (tmp_path / "keys").exists()
    await stores.aclose()


async def test_a_refused_key_file_is_found_when_the_stores_open(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(json.dumps("nonsense"))
    with pytest.raises(StoreUnusable, match="key file"):
        await SqliteStores(tmp_path).open()
